#include "agent/session_impl.h"

#include "agent/events.h"
#include "agent/executor.h"
#include "agent/keeper.h"
#include "agent/poll.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "collectors/os.h"
#include "commands/judge.h"
#include "config/settings.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/hello.h"
#include "reports/notices.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_BURST	  30	/* sessions that are told: port_opened and port_closed */
#define ENTRIES_REFILL_MS 20000 /* then three a minute */

/* -- session begin and end --------------------------------------------------------------------- */

void vmv_session_hello(void *session, struct vmv_hello *ret)
{
	struct vmv_session *s = session;
	const bool has_executor = s->executor.is_there;
	const struct vmv_config *c = s->env->config;
	/* as last read, since names change; before the first reading as it was at the start */
	const struct vmv_os_sample *os =
		vmv_facts_row(vmv_keeper_facts(s->env->keeper), &vmv_collector_os);

	*ret = (struct vmv_hello){
		.vm_id = s->env->vm_id,
		.capabilities = vmv_session_capabilities(s),
		.session = s->id,
		.os = os ? os : s->env->os,
		.schema = s->env->schema,
		.policy_level = vmv_level_name(has_executor ? s->executor.level
							    : (enum vmv_level)c->policy_level),
		.has_executor = has_executor,
		.requires_signature = c->require_signature,
		.line_in = c->line_in_mib * VMV_MIB,
		.in_flight = c->in_flight,
	};
}

/* A host that connects for every question would fill the journal: beyond a burst its coming and
 * going is said at debug level only. Both or none: who reads that it came must read that it went.
 */
static void log_port(struct vmv_session *s, bool is_loud, const char *message_id, const char *event,
		     const char *text)
{
	vmv_talk_log_port(&s->talk, is_loud, s->id, message_id, event, text);
}

static void greet(struct vmv_session *s)
{
	char stamp[VMV_STAMP_SIZE];
	struct vmv_hello hello;
	struct vmv_jw w;
	int r;

	vmv_session_hello(s, &hello);
	vmv_session_stamp(s, stamp);
	vmv_jw_init(&w, VMV_HANDSHAKE_MAX);
	r = vmv_hello_write(&w, stamp, &hello);
	if (r == 0)
		r = vmv_channel_begin(s->talk.channel, w.buf.data, w.buf.len);
	vmv_jw_free(&w);
	if (r < 0)
		vmv_log(VMV_LOG_ERROR, VMV_SESSION_SUBSYS, "%s: no handshake: %s",
			vmv_session_name(s), strerror(-r));
	else
		vmv_session_timer(s->greeting, VMV_GREETING_MS);
}

static void tell_renewed(struct vmv_session *s)
{
	void (*cb)(void *arg) = s->renewed;

	s->renewed = NULL;
	if (cb)
		cb(s->renewed_arg);
}

/* The id is the executor's, where there is one: what is signed is signed for it. */
static int take_id(struct vmv_session *s, const char *id)
{
	if (!id)
		return vmv_uuid_random(s->id);
	memcpy(s->id, id, sizeof(s->id));
	return 0;
}

void vmv_session_begin(struct vmv_session *s, const char *id)
{
	int r = take_id(s, id);

	s->is_opening = false;
	if (r < 0) { /* cannot happen after boot; a session without id would be worse than none */
		vmv_log(VMV_LOG_ERROR, VMV_SESSION_SUBSYS, "%s: no random numbers: %s",
			vmv_session_name(s), strerror(-r));
		return;
	}
	s->is_attached = true;
	s->is_vmvitals = false;
	s->unvouched = VMV_BUCKET(VMV_UNVOUCHED_BURST, VMV_UNVOUCHED_MS);
	s->unvouched.filled_ms = vmv_session_now_ms(s);
	vmv_session_reconfigure(&s->talk);
	s->stats.since_ms = vmv_session_now_ms(s);
	s->metrics_ms = s->metrics_due_ms = 0;
	s->metrics_failed = false;
	s->keep_alives = VMV_BUCKET(VMV_KEEPALIVE_PER_S, 1000 / VMV_KEEPALIVE_PER_S);
	s->keep_alives.filled_ms = s->stats.since_ms;
	s->is_loud = vmv_bucket_take(&s->entries, s->stats.since_ms);
	log_port(s, s->is_loud, VMV_MSG_PORT_OPENED, "port_opened", "host attached");
	s->env->changed(s->env->agent);
	greet(s);
	s->is_reading = false;
	vmv_session_ask_metrics(s);
	if (vmv_session_can_run_scripts(s) && s->env->config->scripts_enabled)
		vmv_poll_start(s->poll, s->env->config->scripts_poll_s);
	tell_renewed(s);
	/* what was read before the kernel told of the connection, and what came while the executor
	 * was asked; not from here, which may be in the middle of handling a line */
	vmv_session_timer(s->more, 0);
}

static void end(struct vmv_session *s, const char *why)
{
	s->is_opening = false;
	vmv_session_close_executor(s);
	if (!s->is_attached)
		return;
	s->is_attached = false;
	(void)event_del(s->metrics);
	(void)event_del(s->greeting);
	(void)event_del(s->complain);
	vmv_poll_stop(s->poll);
	vmv_keeper_forget(s->env->keeper, s);
	s->is_reading = false;
	log_port(s, s->is_loud, VMV_MSG_PORT_CLOSED, "port_closed", why);
	s->env->changed(s->env->agent);
}

static void on_attached(void *arg)
{
	vmv_session_open_executor(arg);
}

static void on_detached(void *arg, enum vmv_detach why)
{
	static const char *const words[] = {
		[VMV_DETACH_GONE] = "host gone",
		[VMV_DETACH_UNPLUGGED] = "port unplugged",
		[VMV_DETACH_CLOSED] = "channel given up",
	};

	struct vmv_session *s = arg;

	end(s, words[why]);
	tell_renewed(s); /* too late, but the question has an end */
	/* lines left over stay in the framer: they may be the next host's */
	(void)event_del(s->more);
	vmv_channel_pause(s->talk.channel, false);
}

static void on_expired(void *arg)
{
	struct vmv_session *s = arg;

	vmv_framer_reset(&s->framer);
	(void)event_del(s->more);
	vmv_channel_pause(s->talk.channel, false);
	s->epoch++;
}

/* What was asked in the old one is not answered in the new one. */
static void leave_behind(struct vmv_session *s, const char *why)
{
	end(s, why);
	s->epoch++;
	vmv_channel_drop(s->talk.channel);
}

static bool may_restart(const struct vmv_session *s)
{
	return s->late.is_there && s->is_attached && !s->is_deaf && !s->requests &&
	       vmv_outq_bytes(vmv_channel_queue(s->talk.channel)) == 0;
}

/* Later, since whoever finds that it may be so is in the middle of something. */
void vmv_session_restart_soon(struct vmv_session *s)
{
	if (may_restart(s))
		vmv_session_timer(s->restart, 0);
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_session *s = arg;
	struct vmv_session_executor late = s->late;
	char id[VMV_UUID_SIZE];

	(void)fd;
	(void)what;
	if (!may_restart(s))
		return;
	memcpy(id, s->late_id, sizeof(id));
	leave_behind(s, "the executor is there now");
	s->executor = late;
	vmv_session_begin(s, id);
}

/* The greeting has not gone out: as new as a session can be. One that took its place would take the
 * answers with it that wait behind the greeting. */
static bool is_untold(const struct vmv_session *s)
{
	const struct vmv_outq *q = vmv_channel_queue(s->talk.channel);

	return q->is_greeting || q->sent == 0;
}

void vmv_session_renew(void *session, void (*cb)(void *arg), void *arg)
{
	struct vmv_session *s = session;

	if (!s->is_attached || s->renewed || is_untold(s)) {
		cb(arg);
		return;
	}
	s->renewed = cb;
	s->renewed_arg = arg;
	leave_behind(s, "new session asked for");
	vmv_session_open_executor(s);
}

static void on_greeting_timer(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_session *s = arg;

	(void)fd;
	(void)what;
	vmv_channel_release(s->talk.channel);
}

/* -- input
 * ------------------------------------------------------------------------------------------ */

static void handle_line(struct vmv_session *s, const char *line, size_t len)
{
	struct json_object *message;

	s->stats.lines++;
	if (vmv_json_parse(line, len, &message, NULL) < 0) {
		s->stats.malformed++;
		s->malformed.pending++;
		vmv_session_complain(s);
		return;
	}
	s->line = line;
	s->line_len = len;
	vmv_session_dispatch(s, message);
	s->line = NULL;
	json_object_put(message);
}

static void note_oversize(struct vmv_session *s)
{
	if (s->framer.oversize == s->stats.oversize)
		return;
	s->oversize.pending += s->framer.oversize - s->stats.oversize;
	s->stats.oversize = s->framer.oversize;
	vmv_session_complain(s);
}

/* Lines of one turn; the rest in the next, so that other channels and timers have theirs. */
static void take_lines(struct vmv_session *s)
{
	unsigned budget = VMV_LINES_BUDGET;
	size_t len;
	char *line;

	if (!s->is_attached || s->is_deaf)
		return;
	while (budget > 0 && s->is_attached && vmv_framer_next(&s->framer, &line, &len)) {
		handle_line(s, line, len);
		budget--;
	}
	note_oversize(s);
	vmv_channel_pause(s->talk.channel, budget == 0);
	if (budget == 0)
		vmv_session_timer(s->more, 0);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	take_lines(arg);
}

static void on_data(void *arg, const char *data, size_t len)
{
	struct vmv_session *s = arg;

	if (s->is_deaf)
		return;
	if (vmv_framer_push(&s->framer, data, len) < 0)
		vmv_log(VMV_LOG_ERROR, VMV_SESSION_SUBSYS, "%s: out of memory: a line is dropped",
			vmv_session_name(s));
	/* lines wait for the session to begin, and none of them may be dropped for want of room */
	if (s->is_opening && vmv_framer_held(&s->framer) > VMV_READ_BUDGET)
		vmv_channel_pause(s->talk.channel, true);
	take_lines(s); /* nothing while no host is attached */
}

bool vmv_session_is_busy(const struct vmv_session *s)
{
	return s->requests != NULL || s->is_reading || s->is_opening ||
	       event_pending(s->more, EV_TIMEOUT, NULL);
}

static bool on_is_busy(void *arg)
{
	return vmv_session_is_busy(arg);
}

/* -- reports of the channel
 * -------------------------------------------------------------------------- */

static void on_finished(void *arg)
{
	struct vmv_session *s = arg;

	s->env->finished(s->env->agent);
}

static void on_report(void *arg, enum vmv_channel_report what, const struct vmv_err *err)
{
	struct vmv_session *s = arg;

	vmv_talk_report(&s->talk, s->id, what, err);
}

static const struct vmv_channel_ops channel_ops = {
	.attached = on_attached,
	.detached = on_detached,
	.expired = on_expired,
	.data = on_data,
	.is_busy = on_is_busy,
	.written = vmv_session_on_written,
	.finished = on_finished,
	.report = on_report,
};
/* -- scripts
 * ------------------------------------------------------------------------------------------- */

static void on_poll(void *arg)
{
	struct vmv_session *s = arg;
	char stamp[VMV_STAMP_SIZE];
	struct vmv_jw w;

	vmv_session_stamp(s, stamp);
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_script_request_write(&w, stamp, s->env->vm_id);
	(void)vmv_session_send(s, VMV_CLASS_NOTICE, &w);
}

/* -- life
 * ------------------------------------------------------------------------------------------------
 */

static bool make_events(struct vmv_session *s)
{
	struct event_base *base = s->env->base;

	s->more = event_new(base, -1, 0, on_more, s);
	s->restart = event_new(base, -1, 0, on_restart, s);
	s->greeting = event_new(base, -1, 0, on_greeting_timer, s);
	s->metrics = event_new(base, -1, 0, vmv_session_on_metrics_timer, s);
	s->complain = event_new(base, -1, 0, vmv_session_on_complain_timer, s);
	s->delivered = event_new(base, -1, 0, vmv_session_on_delivered, s);
	s->poll = vmv_poll_new(base, on_poll, s);
	return s->more && s->restart && s->greeting && s->metrics && s->complain && s->delivered &&
	       s->poll;
}

static void session_free(struct vmv_talk *t)
{
	struct vmv_session *s = vmv_session_of(t);
	struct event **events[] = { &s->more,	 &s->restart,  &s->greeting,
				    &s->metrics, &s->complain, &s->delivered };

	vmv_channel_free(s->talk.channel);
	vmv_executor_forget(s->env->executor, s);
	vmv_keeper_forget(s->env->keeper, s);
	vmv_session_drop_requests(s);
	vmv_session_drop_waiting(s);
	for (size_t i = 0; i < VMV_COUNTOF(events); i++)
		if (*events[i])
			event_free(*events[i]);
	vmv_poll_free(s->poll);
	free(s->streamed);
	vmv_framer_free(&s->framer);
	free(s);
}

/* What a reload may have changed, and the handshake tells. */
void vmv_session_reconfigure(struct vmv_talk *t)
{
	struct vmv_session *s = vmv_session_of(t);
	const struct vmv_config *c = s->env->config;

	vmv_framer_set_max(&s->framer, c->line_in_mib * VMV_MIB);
	vmv_channel_set_queue_high(s->talk.channel, c->queue_high_mib * VMV_MIB);
	vmv_session_metrics_by(s, vmv_session_now_ms(s) + c->interval_s * 1000);
}

static void session_stop_intake(struct vmv_talk *t)
{
	struct vmv_session *s = vmv_session_of(t);

	s->is_deaf = true;
	(void)event_del(s->more);
	(void)event_del(s->metrics);
}

static bool session_is_busy(struct vmv_talk *t)
{
	return vmv_session_is_busy(vmv_session_of(t));
}

static struct vmv_talk_stats session_stats(struct vmv_talk *t)
{
	const struct vmv_session *s = vmv_session_of(t);
	struct vmv_talk_stats st = s->stats;

	st.is_attached = s->is_attached;
	st.id = s->is_attached ? s->id : "";
	return st;
}

static const struct vmv_talk_ops talk_ops = {
	.free = session_free,
	.addresses_changed = vmv_session_addresses_changed,
	.reconfigure = vmv_session_reconfigure,
	.is_busy = session_is_busy,
	.stop_intake = session_stop_intake,
	.interrupt = vmv_session_interrupt,
	.in_flight = vmv_session_in_flight,
	.jobs = vmv_session_jobs,
	.stats = session_stats,
	.completion = vmv_session_completion,
};

int vmv_session_new(struct vmv_talk **ret, const struct vmv_session_env *env,
		    const struct vmv_spec *spec, struct vmv_err *err)
{
	struct vmv_session *s = calloc(1, sizeof(*s));
	const struct vmv_config *c = env->config;
	uint32_t rate = (uint32_t)c->agent_event_rate;
	const struct vmv_channel_params params = {
		.base = env->base,
		.clock = env->clock,
		.ops = &channel_ops,
		.arg = s,
		.sysfs = env->sysfs,
		.has_monitor = env->has_monitor,
		.queue_high = c->queue_high_mib * VMV_MIB,
	};
	int r;

	if (!s)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	s->talk.ops = &talk_ops;
	s->env = env;
	s->notices = VMV_BUCKET(rate, 60000 / rate);
	s->notices.filled_ms = vmv_session_now_ms(s);
	s->entries = VMV_BUCKET(ENTRIES_BURST, ENTRIES_REFILL_MS);
	s->entries.filled_ms = vmv_session_now_ms(s);
	vmv_framer_init(&s->framer, c->line_in_mib * VMV_MIB);
	if (!make_events(s)) {
		session_free(&s->talk);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	r = vmv_channel_new(&s->talk.channel, &params, spec, err);
	if (r < 0) {
		session_free(&s->talk);
		return r;
	}
	*ret = &s->talk;
	return 0;
}
