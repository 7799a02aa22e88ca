#include "agent/agent_impl.h"

#include "agent/events.h"
#include "agent/executor.h"
#include "agent/keeper.h"
#include "agent/state.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/notify.h"
#include "exec/asker.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/health.h"
#include "reports/schema.h"
#include "reports/state.h"
#include "reports/usage.h"
#include "virtio/channel.h"
#include "virtio/monitor.h"
#include "watch/rtnetlink.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSYS VMV_AGENT_SUBSYS

/* -- ports and addresses
 * ------------------------------------------------------------------------------ */

static void on_ports_changed(void *arg)
{
	struct vmv_agent *a = arg;

	for (size_t i = 0; i < a->n_talks; i++)
		vmv_channel_poke(a->talks[i]->channel);
}

static void on_addresses_changed(void *arg)
{
	struct vmv_agent *a = arg;

	for (size_t i = 0; i < a->n_talks; i++)
		if (a->talks[i]->ops->addresses_changed)
			a->talks[i]->ops->addresses_changed(a->talks[i]);
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

/* -- signals
 * -----------------------------------------------------------------------------------------------
 */

static void dump_state(struct vmv_agent *a)
{
	struct vmv_state s;

	vmv_agent_state(a, &s);
	vmv_state_log(&s);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct vmv_agent *a = arg;

	(void)what;
	if (number == SIGHUP && !a->stop_ms)
		vmv_agent_reload(a);
	else if (number == SIGUSR1)
		dump_state(a);
	else if (number == SIGTERM || number == SIGINT)
		vmv_agent_stop(a);
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

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	vmv_notify_alive();
}

static bool make_events(struct vmv_agent *a)
{
	a->health = event_new(a->base, -1, 0, vmv_agent_on_health, a);
	a->watchdog = event_new(a->base, -1, EV_PERSIST, on_watchdog, a);
	a->stopping = event_new(a->base, -1, 0, vmv_agent_on_stopping, a);
	a->done = event_new(a->base, -1, 0, vmv_agent_on_done, a);
	return a->health && a->watchdog && a->stopping && a->done;
}

/* Scripts end when they end: in whatever session the executor says. */
static void on_completion(void *arg, struct json_object *message)
{
	struct vmv_agent *a = arg;
	const char *channel = vmv_json_str(message, "channel");

	for (size_t i = 0; channel && i < a->n_talks; i++)
		if (a->talks[i]->ops->completion &&
		    strcmp(vmv_channel_spec(a->talks[i]->channel)->name, channel) == 0)
			a->talks[i]->ops->completion(a->talks[i], message);
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
	vmv_vm_id(a->config->vm_id, a->environment.vm_id, &a->root, &a->os, a->vm_id);
	vmv_agent_take_options(a);
	if (!start_asker(a))
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	a->keeper = vmv_keeper_new(a->base, a->clock, &a->root, &a->metrics_options);
	a->health_checks = vmv_health_new();
	a->usage = vmv_usage_new();
	if (!a->keeper || !a->health_checks || !a->usage)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	vmv_agent_provide(a);
	a->executor = vmv_executor_new(a->base, a->config->executor, on_completion, a);
	if (!a->executor)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	a->env = (struct vmv_session_env){
		.base = a->base,
		.clock = a->clock,
		.keeper = a->keeper,
		.asker = a->root.asker,
		.config = a->config,
		.vm_id = a->vm_id,
		.schema = vmv_schema_id,
		.os = &a->os,
		.services = &vmv_agent_services,
		.executor = a->executor,
		.is_frozen = vmv_agent_is_frozen,
		.agent = a,
		.sysfs = a->root.sys,
		.runtime_dir = a->environment.runtime_dir,
		.finished = vmv_agent_on_finished,
		.changed = vmv_agent_on_changed,
	};
	return 0;
}

int vmv_agent_new(struct vmv_agent **ret, const struct vmv_options *options,
		  struct vmv_config *config, const struct vmv_agent_env *env, struct vmv_err *err)
{
	struct vmv_agent *a = calloc(1, sizeof(*a));
	int r;

	if (!a) {
		vmv_config_free(config);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	a->options = options;
	a->environment = *env;
	a->config = config;
	a->root = VMV_ROOT_NONE;
	a->clock = &vmv_clock_system;
	a->began_ms = vmv_agent_now_ms(a);
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
	while (a->n_talks > 0) {
		struct vmv_talk *t = a->talks[--a->n_talks];

		t->ops->free(t);
	}
	vmv_executor_free(a->executor);
	vmv_keeper_free(a->keeper);
	vmv_health_free(a->health_checks);
	vmv_usage_free(a->usage);
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
		      (unsigned long long)((vmv_agent_now_ms(a) - a->began_ms) / 1000));
}

static int open_channels(struct vmv_agent *a, struct vmv_err *err)
{
	for (size_t i = 0; i < a->config->channels.n; i++) {
		int r = vmv_agent_add_talk(a, a->config->channels.items[i], err);

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
		vmv_agent_arm(a->watchdog, watchdog_us / 2000);
	vmv_agent_tell_status(a);
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
