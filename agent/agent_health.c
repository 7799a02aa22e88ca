#include "agent/agent_impl.h"

#include "agent/events.h"
#include "agent/keeper.h"
#include "base/log.h"
#include "base/notify.h"
#include "reports/facts.h"
#include "reports/health.h"
#include "reports/usage.h"

#include <stdio.h>
#include <string.h>

#define SUBSYS	 VMV_AGENT_SUBSYS
#define FAILURES 3 /* in a row, then a collector is called failed */

size_t vmv_agent_count_attached(const struct vmv_agent *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_talks; i++)
		n += a->talks[i]->ops->stats(a->talks[i]).is_attached;
	return n;
}

void vmv_agent_tell_status(struct vmv_agent *a)
{
	char text[sizeof(a->status)];
	size_t failed = 0;
	int n;

	for (size_t i = 0; i < a->n_collectors; i++)
		failed += a->collector_failed[i];
	n = snprintf(text, sizeof(text), "%zu of %zu channels have a host",
		     vmv_agent_count_attached(a), a->n_talks);
	if (failed > 0)
		(void)snprintf(text + n, sizeof(text) - (size_t)n, "; %zu collectors fail", failed);
	if (strcmp(text, a->status) == 0)
		return;
	memcpy(a->status, text, sizeof(text));
	vmv_notify_status(text);
}

static void log_collector(const struct vmv_collector_status *s, bool is_failed)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", is_failed ? "collector_failed" : "collector_ok" },
		{ "VMVITALS_COLLECTOR", s->collector->name },
		{ NULL, NULL },
	};

	if (is_failed)
		vmv_log_entry(VMV_LOG_WARNING, SUBSYS, VMV_MSG_COLLECTOR, fields,
			      "collector %s fails: %s", s->collector->name, s->error);
	else
		vmv_log_entry(VMV_LOG_INFO, SUBSYS, VMV_MSG_COLLECTOR, fields,
			      "collector %s works again", s->collector->name);
}

/* The agent's own health: do its collectors work? */
static void check_health(struct vmv_agent *a)
{
	size_t n;
	const struct vmv_collector_status *s = vmv_facts_status(vmv_keeper_facts(a->keeper), &n);

	for (size_t i = 0; i < n && i < a->n_collectors; i++) {
		bool is_failed = !s[i].is_absent && s[i].failures >= FAILURES;

		if (is_failed != a->collector_failed[i])
			log_collector(&s[i], is_failed);
		a->collector_failed[i] = is_failed;
	}
	vmv_agent_tell_status(a);
}

static void log_check(void *arg, const struct vmv_check *check, enum vmv_health_status from,
		      const struct vmv_verdict *to)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "health_changed" },
		{ "VMVITALS_CHECK", check->name },
		{ "VMVITALS_RESULT", vmv_health_word(to->status) },
		{ NULL, NULL },
	};
	enum vmv_log_level level = VMV_LOG_DEBUG; /* from unknown to passed, and back */

	(void)arg;
	if (to->status >= VMV_HEALTH_WARNING)
		level = VMV_LOG_WARNING;
	else if (from >= VMV_HEALTH_WARNING)
		level = VMV_LOG_NOTICE;
	vmv_log_entry(level, SUBSYS, VMV_MSG_HEALTH, fields, "health: %s was %s, now %s: %s",
		      check->name, vmv_health_word(from), vmv_health_word(to->status), to->message);
}

const struct vmv_health *vmv_agent_evaluate(void *agent, const struct vmv_view *view)
{
	struct vmv_agent *a = agent;

	vmv_usage_note(a->usage, view->facts);
	vmv_health_update(a->health_checks, view->facts, view->options, log_check, a);
	return a->health_checks;
}

static void on_health_view(void *arg, const struct vmv_view *view)
{
	if (view)
		(void)vmv_agent_evaluate(arg, view);
}

static void ask_health(struct vmv_agent *a)
{
	const struct vmv_ask ask = { .groups = vmv_checks_groups() };

	if (vmv_keeper_ask(a->keeper, &ask, on_health_view, a) < 0)
		vmv_log(VMV_LOG_WARNING, SUBSYS,
			"out of memory: health is not evaluated, ignoring");
}

void vmv_agent_on_health(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_agent *a = arg;

	(void)fd;
	(void)what;
	check_health(a);
	ask_health(a);
	if (vmv_agent_count_attached(a) > 0)
		vmv_agent_arm(a->health, a->config->health_interval_s * 1000);
}

/* Nobody there: nothing is read, so there is nothing to judge, and no timer runs for it. */
void vmv_agent_on_changed(void *arg)
{
	struct vmv_agent *a = arg;

	if (a->stop_ms)
		return;
	if (vmv_agent_count_attached(a) == 0)
		(void)event_del(a->health);
	else if (!event_pending(a->health, EV_TIMEOUT, NULL))
		vmv_agent_arm(a->health, a->config->health_interval_s * 1000);
	vmv_agent_tell_status(a);
}
