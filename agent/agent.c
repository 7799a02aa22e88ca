#include "agent/agent.h"

#include "agent/events.h"
#include "agent/identity.h"
#include "agent/keeper.h"
#include "agent/notify.h"
#include "agent/options.h"
#include "agent/session.h"
#include "agent/settings.h"
#include "agent/state.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/root.h"
#include "collectors/agent.h"
#include "collectors/os.h"
#include "commands/request.h"
#include "exec/asker.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/health.h"
#include "reports/metrics.h"
#include "reports/schema.h"
#include "reports/state.h"
#include "virtio/channel.h"
#include "virtio/monitor.h"
#include "watch/rtnetlink.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUBSYS	     "agent"
#define STOP_STEP_MS 10	 /* while stopping: how often it is looked whether all is done */
#define FLUSH_MS     500 /* for hosts to take what is queued */
#define FAILURES     3	 /* in a row, then a collector is called failed */

struct vmv_agent {
	const struct vmv_options *options;
	const char *vm_id_env;
	struct vmv_config *config;
	struct vmv_root root;
	struct event_base *base;
	const struct vmv_clock *clock;
	uint64_t began_ms;
	int64_t began_real_ms, config_real_ms; /* since 1970; the configuration was read */

	struct vmv_metrics_options metrics_options;
	struct vmv_ask_pool *asker;
	struct vmv_keeper *keeper;
	struct vmv_os_sample os;
	char vm_id[VMV_VM_ID_SIZE];
	struct vmv_session_env env;
	struct vmv_session *sessions[VMV_CHANNELS_MAX];
	size_t n_sessions;
	struct vmv_monitor *monitor;
	struct vmv_rtnetlink *rtnetlink;

	struct event *signals[4];
	struct vmv_health *health_checks;
	struct event *health, *watchdog;
	struct event *stopping; /* steps of the shutdown */
	struct event *done;	/* a channel is over: looked at outside its callbacks */
	uint64_t stop_ms;	/* monotonic: when the shutdown began; 0: it has not */
	bool is_interrupted;	/* what was running has been answered */
	char status[160];	/* as last told to the service manager */
	bool *collector_failed; /* said so; one per collector */
	size_t n_collectors;
};

static uint64_t now_ms(const struct vmv_agent *a)
{
	return vmv_mono_ms(a->clock);
}

static void arm(struct event *ev, uint64_t ms)
{
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(ev, &tv);
}

/* -- services for commands -------------------------------------------------------------------- */

static int service_fetch(void *agent, const struct vmv_ask *ask, vmv_view_cb *cb, void *arg)
{
	struct vmv_agent *a = agent;

	return vmv_keeper_ask(a->keeper, ask, cb, arg);
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

static const struct vmv_health *service_health(void *agent, const struct vmv_view *view)
{
	struct vmv_agent *a = agent;

	vmv_health_update(a->health_checks, view->facts, view->options, log_check, a);
	return a->health_checks;
}

static void service_state(void *agent, struct vmv_state *ret)
{
	struct vmv_agent *a = agent;

	ret->now_ms = now_ms(a);
	ret->real_ms = vmv_real_ms(a->clock);
	ret->began_real_ms = a->began_real_ms;
	ret->config_real_ms = a->config_real_ms;
	ret->facts = vmv_keeper_facts(a->keeper);
	ret->resets = vmv_keeper_resets(a->keeper);
	vmv_state_collect(a->sessions, a->n_sessions, ret);
}

static uint64_t service_uptime_s(void *agent)
{
	struct vmv_agent *a = agent;

	return (now_ms(a) - a->began_ms) / 1000;
}

static unsigned service_jobs(void *agent)
{
	struct vmv_agent *a = agent;
	unsigned n = 0;

	for (size_t i = 0; i < a->n_sessions; i++)
		n += vmv_session_in_flight(a->sessions[i]);
	return n;
}

static const struct vmv_services services = {
	.fetch = service_fetch,
	.hello = vmv_session_hello,
	.policy = vmv_session_policy,
	.renew = vmv_session_renew,
	.health = service_health,
	.state = service_state,
	.uptime_s = service_uptime_s,
	.jobs = service_jobs,
};

/* -- groups about the agent itself --------------------------------------------------------------
 */

static int provide_agent(void *arg, struct vmv_sink *sink, struct vmv_err *err)
{
	struct vmv_state s;

	(void)err;
	service_state(arg, &s);
	return vmv_state_agent_rows(&s, sink);
}

static int provide_channels(void *arg, struct vmv_sink *sink, struct vmv_err *err)
{
	struct vmv_state s;

	(void)err;
	service_state(arg, &s);
	return vmv_state_channel_rows(&s, sink);
}

static int provide_collectors(void *arg, struct vmv_sink *sink, struct vmv_err *err)
{
	struct vmv_state s;

	(void)err;
	service_state(arg, &s);
	return vmv_state_collector_rows(&s, sink);
}

static void provide_self(struct vmv_agent *a)
{
	struct vmv_facts *f = vmv_keeper_facts(a->keeper);

	vmv_facts_provide(f, &vmv_collector_agent, provide_agent, a);
	vmv_facts_provide(f, &vmv_collector_channel, provide_channels, a);
	vmv_facts_provide(f, &vmv_collector_collector, provide_collectors, a);
}

/* -- status and health ----------------------------------------------------------------------------
 */

static size_t count_attached(const struct vmv_agent *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_sessions; i++)
		n += vmv_session_stats(a->sessions[i]).is_attached;
	return n;
}

static void tell_status(struct vmv_agent *a)
{
	char text[sizeof(a->status)];
	size_t failed = 0;
	int n;

	for (size_t i = 0; i < a->n_collectors; i++)
		failed += a->collector_failed[i];
	n = snprintf(text, sizeof(text), "%zu of %zu channels have a host", count_attached(a),
		     a->n_sessions);
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
	tell_status(a);
}

static void on_health_view(void *arg, const struct vmv_view *view)
{
	if (view)
		(void)service_health(arg, view);
}

static void ask_health(struct vmv_agent *a)
{
	const struct vmv_ask ask = { .groups = vmv_checks_groups() };

	if (vmv_keeper_ask(a->keeper, &ask, on_health_view, a) < 0)
		vmv_log(VMV_LOG_WARNING, SUBSYS,
			"out of memory: health is not evaluated, ignoring");
}

static void on_health(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_agent *a = arg;

	(void)fd;
	(void)what;
	check_health(a);
	ask_health(a);
	if (count_attached(a) > 0)
		arm(a->health, a->config->health_interval_s * 1000);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	vmv_notify_alive();
}

/* Nobody there: nothing is read, so there is nothing to judge, and no timer runs for it. */
static void on_changed(void *arg)
{
	struct vmv_agent *a = arg;

	if (a->stop_ms)
		return;
	if (count_attached(a) == 0)
		(void)event_del(a->health);
	else if (!event_pending(a->health, EV_TIMEOUT, NULL))
		arm(a->health, a->config->health_interval_s * 1000);
	tell_status(a);
}

/* -- ports and addresses
 * ------------------------------------------------------------------------------ */

static void on_ports_changed(void *arg)
{
	struct vmv_agent *a = arg;

	for (size_t i = 0; i < a->n_sessions; i++)
		vmv_channel_poke(vmv_session_channel(a->sessions[i]));
}

static void on_addresses_changed(void *arg)
{
	struct vmv_agent *a = arg;

	for (size_t i = 0; i < a->n_sessions; i++)
		vmv_session_addresses_changed(a->sessions[i]);
}

/* -- the helper
 * --------------------------------------------------------------------------------------------- */

static void on_answer(void *arg)
{
	struct vmv_agent *a = arg;

	vmv_keeper_poke(a->keeper);
}

static void on_stuck(void *arg, const char *question, bool is_stuck, uint64_t waited_ms)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", is_stuck ? "stuck" : "unstuck" },
		{ "VMVITALS_QUESTION", question },
		{ NULL, NULL },
	};

	(void)arg;
	if (is_stuck)
		vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STUCK, fields,
			      "no answer to '%s' for %llu ms: left alone until there is one",
			      question, (unsigned long long)waited_ms);
	else
		vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STUCK, fields,
			      "'%s' is stuck no longer, after %llu ms", question,
			      (unsigned long long)waited_ms);
}

static const struct vmv_ask_calls ask_calls = { .wake = on_answer, .stuck = on_stuck };

/* The helper sees this machine as it is: it knows nothing of another root. */
static bool start_asker(struct vmv_agent *a)
{
	if (strcmp(a->config->root, "/") != 0 || !*a->config->helper)
		return true;
	a->asker = vmv_ask_pool_new(a->base, a->clock, a->config->helper, &ask_calls, a);
	if (a->asker)
		a->root.asker = vmv_ask_pool_asker(a->asker);
	return a->asker != NULL;
}

/* -- shutdown
 * ------------------------------------------------------------------------------------------- */

static size_t flush_all(struct vmv_agent *a)
{
	size_t left = 0;

	for (size_t i = 0; i < a->n_sessions; i++)
		left += vmv_channel_flush(vmv_session_channel(a->sessions[i]));
	return left;
}

static bool is_busy(const struct vmv_agent *a)
{
	for (size_t i = 0; i < a->n_sessions; i++)
		if (vmv_session_is_busy(a->sessions[i]))
			return true;
	return false;
}

/* Running commands and a greeting may finish within the grace time; what remains is answered; then
 * everything queued is given to hosts that take it. */
static void stop_step(struct vmv_agent *a)
{
	uint64_t elapsed = now_ms(a) - a->stop_ms;
	uint64_t grace = a->config->stop_grace_s * 1000;

	if (!a->is_interrupted && is_busy(a) && elapsed < grace) {
		arm(a->stopping, STOP_STEP_MS);
		return;
	}
	if (!a->is_interrupted) {
		a->is_interrupted = true;
		for (size_t i = 0; i < a->n_sessions; i++)
			vmv_session_interrupt(a->sessions[i]);
		a->stop_ms = now_ms(a) - grace; /* from here on the flush is timed */
		elapsed = grace;
	}
	if (flush_all(a) > 0 && elapsed < grace + FLUSH_MS)
		arm(a->stopping, STOP_STEP_MS);
	else
		(void)event_base_loopbreak(a->base);
}

static void on_stopping(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stop_step(arg);
}

static void stop(struct vmv_agent *a)
{
	if (a->stop_ms) { /* asked twice: at once */
		(void)event_base_loopbreak(a->base);
		return;
	}
	a->stop_ms = now_ms(a);
	vmv_notify_stopping();
	for (size_t i = 0; i < a->n_sessions; i++)
		vmv_session_stop_intake(a->sessions[i]);
	stop_step(a);
}

static void on_finished(void *arg)
{
	struct vmv_agent *a = arg;

	arm(a->done, 0);
}

/* A channel that was standard input and output is over; without another one there is nothing to
 * stay for. */
static void on_done(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_agent *a = arg;

	(void)fd;
	(void)what;
	if (a->n_sessions <= 1)
		stop(a);
}

/* -- configuration
 * ---------------------------------------------------------------------------------------- */

static void take_options(struct vmv_agent *a)
{
	a->metrics_options = (struct vmv_metrics_options){
		.processes = (unsigned)a->config->processes,
		.has_cmdline = a->config->has_cmdline,
		.has_ipv6 = a->config->report_ipv6,
		.exclude = (const char *const *)a->config->exclude.items,
		.n_exclude = a->config->exclude.n,
	};
	a->root.critical_units = (const char *const *)a->config->critical_units.items;
	a->root.n_critical_units = a->config->critical_units.n;
	a->env.config = a->config;
}

static int add_session(struct vmv_agent *a, const char *text, struct vmv_err *err)
{
	struct vmv_spec spec;
	int r = vmv_spec_parse(text, &spec, err);

	if (r == 0)
		r = vmv_session_new(&a->sessions[a->n_sessions], &a->env, &spec, err);
	if (r == 0)
		a->n_sessions++;
	return r;
}

static bool list_has(const struct vmv_list *l, const char *name)
{
	struct vmv_spec spec;

	for (size_t i = 0; i < l->n; i++)
		if (vmv_spec_parse(l->items[i], &spec, NULL) == 0 && strcmp(spec.name, name) == 0)
			return true;
	return false;
}

static bool has_session(const struct vmv_agent *a, const char *text)
{
	struct vmv_spec spec;

	if (vmv_spec_parse(text, &spec, NULL) < 0)
		return true;
	for (size_t i = 0; i < a->n_sessions; i++)
		if (strcmp(vmv_channel_spec(vmv_session_channel(a->sessions[i]))->name,
			   spec.name) == 0)
			return true;
	return false;
}

/* Channels that stay are left alone; their hosts notice nothing. */
static void follow_channels(struct vmv_agent *a)
{
	struct vmv_session *gone[VMV_CHANNELS_MAX];
	size_t kept = 0, n_gone = 0;

	for (size_t i = 0; i < a->n_sessions; i++) {
		struct vmv_session *s = a->sessions[i];

		if (list_has(&a->config->channels, vmv_channel_spec(vmv_session_channel(s))->name))
			a->sessions[kept++] = s;
		else
			gone[n_gone++] = s;
	}
	a->n_sessions = kept; /* freeing one calls back here: it must not be found any more */
	while (n_gone > 0)
		vmv_session_free(gone[--n_gone]);
	for (size_t i = 0; i < a->config->channels.n; i++) {
		struct vmv_err err;

		if (a->n_sessions < VMV_CHANNELS_MAX &&
		    !has_session(a, a->config->channels.items[i]) &&
		    add_session(a, a->config->channels.items[i], &err) < 0)
			vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: %s", a->config->channels.items[i],
				err.msg);
	}
}

/* Names of the settings that differ, "agent.channel metrics.interval". */
static void list_changes(const struct vmv_config *before, const struct vmv_config *after, char *buf,
			 size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < vmv_n_agent_settings && len < size; i++) {
		const struct vmv_setting *s = &vmv_agent_settings[i];
		vmv_autofree char *was = vmv_setting_text(s, before);
		vmv_autofree char *is = vmv_setting_text(s, after);

		if (was && is && strcmp(was, is) != 0)
			len += (size_t)snprintf(buf + len, size - len, "%s%s.%s", len ? " " : "",
						s->section, s->key);
	}
}

static void log_reload(const char *changes, const struct vmv_err *err)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "config_reloaded" },
		{ "VMVITALS_RESULT", err ? "refused" : "ok" },
		{ "VMVITALS_CHANGED", changes },
		{ NULL, NULL },
	};

	if (err)
		vmv_log_entry(VMV_LOG_ERROR, SUBSYS, VMV_MSG_CONFIG_RELOADED, fields,
			      "configuration refused, the old one stays: %s", err->msg);
	else
		vmv_log_entry(VMV_LOG_INFO, SUBSYS, VMV_MSG_CONFIG_RELOADED, fields,
			      "configuration read again: %s",
			      *changes ? changes : "nothing changed");
}

static void reload(struct vmv_agent *a)
{
	struct vmv_config *fresh, *old = a->config;
	struct vmv_err err = { 0 };
	char changes[512];

	vmv_notify_reloading();
	if (vmv_config_load(&fresh, a->options->config, &a->options->overrides, &err) < 0) {
		log_reload(NULL, &err);
		vmv_notify_ready(a->status);
		return;
	}
	list_changes(old, fresh, changes, sizeof(changes));
	if (strcmp(old->root, fresh->root) != 0 || strcmp(old->vm_id, fresh->vm_id) != 0 ||
	    strcmp(old->helper, fresh->helper) != 0)
		vmv_log(VMV_LOG_NOTICE, SUBSYS, "root, vm_id and helper take a restart");
	a->config = fresh;
	a->config_real_ms = vmv_real_ms(a->clock);
	take_options(a);
	(void)vmv_log_set_levels(fresh->log_level, NULL);
	follow_channels(a);
	for (size_t i = 0; i < a->n_sessions; i++)
		vmv_session_reconfigure(a->sessions[i]);
	vmv_config_free(old);
	log_reload(changes, NULL);
	vmv_notify_ready(a->status);
	on_changed(a);
}

/* -- signals
 * -----------------------------------------------------------------------------------------------
 */

static void dump_state(struct vmv_agent *a)
{
	struct vmv_state s;

	service_state(a, &s);
	vmv_state_log(&s);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct vmv_agent *a = arg;

	(void)what;
	if (number == SIGHUP && !a->stop_ms)
		reload(a);
	else if (number == SIGUSR1)
		dump_state(a);
	else if (number == SIGTERM || number == SIGINT)
		stop(a);
}

static bool catch_signals(struct vmv_agent *a)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

	for (size_t i = 0; i < VMV_COUNTOF(numbers); i++) {
		a->signals[i] = evsignal_new(a->base, numbers[i], on_signal, a);
		if (!a->signals[i] || event_add(a->signals[i], NULL) < 0)
			return false;
	}
	return true;
}

/* -- life
 * ------------------------------------------------------------------------------------------------------
 */

/* epoll with edge-triggered events; without them (EVENT_NOEPOLL, exotic kernels) whatever there is:
 * the channels know what to do. */
static struct event_base *make_base(void)
{
	struct event_config *c = event_config_new();
	struct event_base *base = NULL;

	if (!c)
		return NULL;
	if (event_config_require_features(c, EV_FEATURE_ET) == 0)
		base = event_base_new_with_config(c);
	event_config_free(c);
	return base ? base : event_base_new();
}

static bool make_events(struct vmv_agent *a)
{
	a->health = event_new(a->base, -1, 0, on_health, a);
	a->watchdog = event_new(a->base, -1, EV_PERSIST, on_watchdog, a);
	a->stopping = event_new(a->base, -1, 0, on_stopping, a);
	a->done = event_new(a->base, -1, 0, on_done, a);
	return a->health && a->watchdog && a->stopping && a->done;
}

static int build(struct vmv_agent *a, struct vmv_err *err)
{
	int r = vmv_root_open(&a->root, a->config->root, err);

	if (r < 0)
		return r;
	while (vmv_collectors[a->n_collectors])
		a->n_collectors++;
	a->collector_failed = calloc(a->n_collectors, sizeof(*a->collector_failed));
	a->base = make_base();
	if (!a->base || !a->collector_failed || !make_events(a))
		return vmv_fail(err, VMV_E_IO, ENOMEM, "cannot make an event loop");
	vmv_os_read(&a->root, &a->os);
	vmv_vm_id(a->config->vm_id, a->vm_id_env, &a->root, &a->os, a->vm_id);
	take_options(a);
	if (!start_asker(a))
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	a->keeper = vmv_keeper_new(a->base, a->clock, &a->root, &a->metrics_options);
	a->health_checks = vmv_health_new();
	if (!a->keeper || !a->health_checks)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	provide_self(a);
	a->env = (struct vmv_session_env){
		.base = a->base,
		.clock = a->clock,
		.keeper = a->keeper,
		.config = a->config,
		.vm_id = a->vm_id,
		.schema = vmv_schema_id,
		.os = &a->os,
		.services = &services,
		.agent = a,
		.sysfs = a->root.sys,
		.finished = on_finished,
		.changed = on_changed,
	};
	return 0;
}

int vmv_agent_new(struct vmv_agent **ret, const struct vmv_options *options,
		  struct vmv_config *config, const char *vm_id_env, struct vmv_err *err)
{
	struct vmv_agent *a = calloc(1, sizeof(*a));
	int r;

	if (!a) {
		vmv_config_free(config);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	a->options = options;
	a->vm_id_env = vm_id_env;
	a->config = config;
	a->root = VMV_ROOT_NONE;
	a->clock = &vmv_clock_system;
	a->began_ms = now_ms(a);
	a->began_real_ms = a->config_real_ms = vmv_real_ms(a->clock);
	r = build(a, err);
	if (r < 0) {
		vmv_agent_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void vmv_agent_free(struct vmv_agent *a)
{
	struct event **events[] = {
		&a->health,	&a->watchdog,	&a->stopping,	&a->done,
		&a->signals[0], &a->signals[1], &a->signals[2], &a->signals[3]
	};

	sigset_t stops;

	/* what is asked for happens already: a further signal must not cut it short */
	(void)sigemptyset(&stops);
	(void)sigaddset(&stops, SIGTERM);
	(void)sigaddset(&stops, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &stops, NULL);
	if (!a->stop_ms)
		a->stop_ms = 1; /* no more status, no more timers */
	vmv_rtnetlink_free(a->rtnetlink);
	vmv_monitor_free(a->monitor);
	while (a->n_sessions > 0)
		vmv_session_free(a->sessions[--a->n_sessions]);
	vmv_keeper_free(a->keeper);
	vmv_health_free(a->health_checks);
	vmv_ask_pool_free(a->asker);
	for (size_t i = 0; i < VMV_COUNTOF(events); i++)
		if (*events[i])
			event_free(*events[i]);
	if (a->base)
		event_base_free(a->base);
	vmv_root_close(&a->root);
	vmv_config_free(a->config);
	free(a->collector_failed);
	free(a);
}

/* Each is worth having and none is needed. */
static void start_watches(struct vmv_agent *a)
{
	struct vmv_err err;

	if (vmv_monitor_new(&a->monitor, a->base, on_ports_changed, a, &err) < 0)
		vmv_log(VMV_LOG_INFO, SUBSYS, "%s; ports are looked for by time, ignoring",
			err.msg);
	a->env.has_monitor = a->monitor != NULL;
	if (vmv_rtnetlink_new(&a->rtnetlink, a->base, on_addresses_changed, a, &err) < 0)
		vmv_log(VMV_LOG_INFO, SUBSYS, "%s; ignoring", err.msg);
}

static void log_start(const struct vmv_agent *a)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "agent_start" },
		{ "VMVITALS_VERSION", PACKAGE_VERSION },
		{ "VMVITALS_VM_ID", a->vm_id },
		{ NULL, NULL },
	};

	vmv_log_entry(VMV_LOG_INFO, SUBSYS, VMV_MSG_AGENT_START, fields,
		      "vmvitalsd %s started, VM id %s, %zu channels", PACKAGE_VERSION, a->vm_id,
		      a->config->channels.n);
}

static void log_stop(const struct vmv_agent *a)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "agent_stop" },
		{ "VMVITALS_RESULT", "clean" },
		{ NULL, NULL },
	};

	vmv_log_entry(VMV_LOG_INFO, SUBSYS, VMV_MSG_AGENT_STOP, fields, "stopped after %llu s",
		      (unsigned long long)((now_ms(a) - a->began_ms) / 1000));
}

static int open_channels(struct vmv_agent *a, struct vmv_err *err)
{
	for (size_t i = 0; i < a->config->channels.n; i++) {
		int r = add_session(a, a->config->channels.items[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int vmv_agent_run(struct vmv_agent *a, struct vmv_err *err)
{
	uint64_t watchdog_us = vmv_notify_watchdog_us();
	int r;

	if (!catch_signals(a))
		return vmv_fail(err, VMV_E_IO, ENOMEM, "cannot catch signals");
	start_watches(a);
	log_start(a);
	r = open_channels(a, err);
	if (r < 0)
		return r;
	if (watchdog_us > 0)
		arm(a->watchdog, watchdog_us / 2000);
	tell_status(a);
	vmv_notify_ready(a->status);
	if (event_base_dispatch(a->base) < 0)
		return vmv_fail(err, VMV_E_IO, EIO, "the event loop failed");
	log_stop(a);
	return 0;
}

/* -- once
 * ----------------------------------------------------------------------------------------------------
 */

struct once {
	struct vmv_agent *agent;
	FILE *out;
	struct vmv_err err;
	int result;
};

static void on_once(void *arg, const struct vmv_view *view)
{
	struct once *o = arg;
	char stamp[VMV_STAMP_SIZE];
	struct vmv_jw w;

	vmv_stamp(vmv_real_ms(o->agent->clock), stamp);
	vmv_jw_init(&w, VMV_METRICS_MAX);
	o->result = -EIO;
	if (view)
		o->result = vmv_metrics_message(&w, stamp, view->facts, view->rates,
						view->addresses, view->options, &o->err);
	if (o->result == 0 && (fwrite(w.buf.data, 1, w.buf.len, o->out) != w.buf.len ||
			       fputc('\n', o->out) == EOF || fflush(o->out) == EOF))
		o->result = vmv_fail(&o->err, VMV_E_IO, errno, "cannot write: %s", strerror(errno));
	vmv_jw_free(&w);
	(void)event_base_loopbreak(o->agent->base);
}

int vmv_agent_once(struct vmv_agent *a, FILE *out, struct vmv_err *err)
{
	const struct vmv_ask ask = { .groups = vmv_metrics_groups(), .has_rates = true };
	struct once o = { a, out, { VMV_E_IO, EIO, "nothing could be read" }, -EIO };

	if (vmv_keeper_ask(a->keeper, &ask, on_once, &o) < 0)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	(void)event_base_dispatch(a->base);
	vmv_keeper_forget(a->keeper, &o);
	if (o.result < 0)
		*err = o.err;
	return o.result;
}
