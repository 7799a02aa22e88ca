#include "agent/session.h"

#include "agent/events.h"
#include "agent/keeper.h"
#include "agent/poll.h"
#include "agent/settings.h"
#include "base/bucket.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/uuid.h"
#include "commands/judge.h"
#include "commands/request.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "proto/ndjson.h"
#include "reports/hello.h"
#include "reports/metrics.h"
#include "reports/notices.h"
#include "reports/response.h"
#include "virtio/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSYS "session"

#define ENTRIES_BURST	  60	/* port_opened, port_closed: 30 sessions, */
#define ENTRIES_REFILL_MS 10000 /* then three a minute */

/* Lines that could not be used, told to the host at most once per VMV_REPORT_MS. */
struct complaint {
	uint64_t pending; /* not told yet */
	uint64_t told_ms;
};

struct vmv_session {
	const struct vmv_session_env *env;
	struct vmv_channel *channel;
	struct vmv_framer framer;
	struct vmv_session_stats stats;
	char id[VMV_UUID_SIZE];
	bool is_attached;
	bool is_deaf;	  /* shutting down */
	bool is_vmvitals; /* the host has shown that it knows section 6 */
	uint64_t epoch;	  /* answers of an earlier one are not sent any more */

	struct vmv_request *requests; /* unanswered */
	unsigned in_flight;

	uint64_t metrics_ms; /* monotonic: when metrics were last queued; 0: not in this session */
	uint64_t metrics_due_ms;
	bool is_reading;     /* a metrics message is on its way */
	bool metrics_failed; /* said so */
	struct vmv_bucket keep_alives, notices, entries;
	uint64_t suppressed; /* notices */
	struct complaint malformed, oversize;

	struct event *more;	/* lines are left over */
	struct event *greeting; /* the first metrics take too long */
	struct event *metrics;
	struct event *complain;
	struct vmv_poll *poll;
};

static void take_lines(struct vmv_session *s);

static uint64_t now_ms(const struct vmv_session *s)
{
	return vmv_mono_ms(s->env->clock);
}

static void arm(struct event *ev, uint64_t ms)
{
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(ev, &tv);
}

static const char *name_of(const struct vmv_session *s)
{
	return vmv_channel_spec(s->channel)->name;
}

static void stamp_now(const struct vmv_session *s, char stamp[VMV_STAMP_SIZE])
{
	vmv_stamp(vmv_real_ms(s->env->clock), stamp);
}

/* -- output ---------------------------------------------------------------------------------- */

/* Queues what was written, if it was written well. */
static int send_line(struct vmv_session *s, enum vmv_class class, struct vmv_jw *w)
{
	int r = vmv_jw_finish(w);

	if (r == 0)
		r = vmv_channel_send(s->channel, class, 0, w->buf.data, w->buf.len);
	if (r < 0 && r != -ENOTCONN)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: a message is lost: %s", name_of(s),
			strerror(-r));
	vmv_jw_free(w);
	return r;
}

/* -- session begin and end --------------------------------------------------------------------- */

static const char *const capabilities[] = { "metrics", "safe_commands", NULL };

/* Raw commands and scripts take the executor. */
static bool can_run_scripts(const struct vmv_session *s)
{
	(void)s;
	for (size_t i = 0; capabilities[i]; i++)
		if (strcmp(capabilities[i], "unsafe_commands") == 0)
			return true;
	return false;
}

void vmv_session_hello(void *session, struct vmv_hello *ret)
{
	static const char *const levels[] = { "monitor", "operate", "full" };
	const struct vmv_session *s = session;
	const struct vmv_config *c = s->env->config;

	*ret = (struct vmv_hello){
		.vm_id = s->env->vm_id,
		.capabilities = capabilities,
		.session = s->id,
		.os = s->env->os,
		.schema = s->env->schema,
		.policy_level = levels[c->policy_level],
		.has_executor = false,
		.requires_signature = c->require_signature,
		.line_in = c->line_in_mib * VMV_MIB,
		.in_flight = c->in_flight,
	};
}

/* A host that connects for every question would fill the journal: beyond a burst its coming and
 * going is said at debug level only. */
static void log_port(struct vmv_session *s, const char *message_id, const char *event,
		     const char *text)
{
	bool is_loud = vmv_bucket_take(&s->entries, now_ms(s));
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", event },
		{ "VMVITALS_CHANNEL", name_of(s) },
		{ "VMVITALS_SESSION", s->id },
		{ NULL, NULL },
	};

	vmv_log_entry(is_loud ? VMV_LOG_INFO : VMV_LOG_DEBUG, SUBSYS, message_id, fields,
		      "%s: %s, session %s", name_of(s), text, s->id);
}

static bool greet(struct vmv_session *s)
{
	char stamp[VMV_STAMP_SIZE];
	struct vmv_hello hello;
	struct vmv_jw w;
	int r;

	vmv_session_hello(s, &hello);
	stamp_now(s, stamp);
	vmv_jw_init(&w, VMV_HANDSHAKE_MAX);
	r = vmv_hello_write(&w, stamp, &hello);
	if (r == 0)
		r = vmv_channel_begin(s->channel, w.buf.data, w.buf.len);
	vmv_jw_free(&w);
	if (r < 0)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: no handshake: %s", name_of(s), strerror(-r));
	return r == 0;
}

static void ask_metrics(struct vmv_session *s);

static void begin(struct vmv_session *s)
{
	int r = vmv_uuid_random(s->id);

	if (r < 0) { /* cannot happen after boot; a session without id would be worse than none */
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: no random numbers: %s", name_of(s),
			strerror(-r));
		return;
	}
	s->is_attached = true;
	s->is_vmvitals = false;
	s->stats.since_ms = now_ms(s);
	s->metrics_ms = s->metrics_due_ms = 0;
	s->metrics_failed = false;
	s->keep_alives = VMV_BUCKET(VMV_KEEPALIVE_PER_S, 1000 / VMV_KEEPALIVE_PER_S);
	s->keep_alives.filled_ms = s->stats.since_ms;
	log_port(s, VMV_MSG_PORT_OPENED, "port_opened", "host attached");
	s->env->changed(s->env->agent);
	if (!greet(s))
		return;
	arm(s->greeting, VMV_GREETING_MS);
	s->is_reading = false;
	ask_metrics(s);
	if (can_run_scripts(s) && s->env->config->scripts_enabled)
		vmv_poll_start(s->poll, s->env->config->scripts_poll_s);
}

static void end(struct vmv_session *s, const char *why)
{
	if (!s->is_attached)
		return;
	s->is_attached = false;
	(void)event_del(s->metrics);
	(void)event_del(s->greeting);
	(void)event_del(s->complain);
	vmv_poll_stop(s->poll);
	vmv_keeper_forget(s->env->keeper, s);
	log_port(s, VMV_MSG_PORT_CLOSED, "port_closed", why);
	s->env->changed(s->env->agent);
}

static void on_attached(void *arg)
{
	struct vmv_session *s = arg;

	begin(s);
	take_lines(s); /* what was read before the kernel told of the connection */
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
	/* lines left over stay in the framer: they may be the next host's */
	(void)event_del(s->more);
	vmv_channel_pause(s->channel, false);
}

static void on_expired(void *arg)
{
	struct vmv_session *s = arg;

	vmv_framer_reset(&s->framer);
	(void)event_del(s->more);
	vmv_channel_pause(s->channel, false);
	s->epoch++;
}

void vmv_session_renew(void *session)
{
	struct vmv_session *s = session;

	if (!s->is_attached)
		return;
	end(s, "new session asked for");
	/* what was asked in the old one is not answered in the new one */
	s->epoch++;
	vmv_channel_drop(s->channel);
	begin(s);
}

/* -- metrics --------------------------------------------------------------------------------------
 */

/* When the next message is due: the interval, or sooner while no address is known. */
static uint64_t metrics_pause(const struct vmv_session *s)
{
	uint64_t interval = s->env->config->interval_s * 1000;
	bool is_young = now_ms(s) - s->stats.since_ms < VMV_METRICS_SOON_FOR;

	if (vmv_keeper_doubts(s->env->keeper) ||
	    (is_young && !vmv_keeper_has_address(s->env->keeper)))
		return interval < VMV_METRICS_SOON_MS ? interval : VMV_METRICS_SOON_MS;
	return interval;
}

static void schedule_metrics(struct vmv_session *s, uint64_t due_ms)
{
	uint64_t now = now_ms(s);

	s->metrics_due_ms = due_ms > now ? due_ms : now;
	arm(s->metrics, s->metrics_due_ms - now);
}

static void send_metrics(struct vmv_session *s, const struct vmv_view *view)
{
	struct vmv_err err = { VMV_E_IO, 0, "out of memory" };
	char stamp[VMV_STAMP_SIZE];
	struct vmv_jw w;

	stamp_now(s, stamp);
	vmv_jw_init(&w, VMV_METRICS_MAX);
	if (view && vmv_metrics_message(&w, stamp, view->facts, view->rates, view->addresses,
					view->options, &err) == 0) {
		(void)send_line(s, VMV_CLASS_METRICS, &w);
		s->metrics_failed = false;
		return;
	}
	vmv_jw_free(&w);
	vmv_channel_release(s->channel);
	if (!s->metrics_failed)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: %s", name_of(s), err.msg);
	s->metrics_failed = true;
}

static void on_view(void *arg, const struct vmv_view *view)
{
	struct vmv_session *s = arg;
	uint64_t pause, next;

	s->is_reading = false;
	if (!s->is_attached)
		return;
	send_metrics(s, view);
	/* The first pause is shortened at random: many guests may have been greeted by one host at
	 * one moment. From then on a fixed grid: counted from when the last one was due. */
	pause = metrics_pause(s);
	if (s->metrics_ms == 0)
		pause -= vmv_random_below((uint32_t)(pause / 2));
	s->metrics_ms = now_ms(s);
	next = s->metrics_due_ms + pause;
	schedule_metrics(s, next > s->metrics_ms ? next : s->metrics_ms + pause);
}

static void ask_metrics(struct vmv_session *s)
{
	if (s->is_reading)
		return;
	s->is_reading = true;
	(void)event_del(s->metrics);
	if (vmv_keeper_ask(s->env->keeper, 0, on_view, s) < 0) {
		s->is_reading = false;
		schedule_metrics(s, now_ms(s) + metrics_pause(s));
	}
}

static void on_metrics_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ask_metrics(arg);
}

/* Brings the next message forward to due_ms. */
static void metrics_by(struct vmv_session *s, uint64_t due_ms)
{
	uint64_t now = now_ms(s);

	if (!s->is_attached || s->is_reading)
		return;
	if (due_ms <= now) {
		s->metrics_due_ms = now;
		ask_metrics(s);
	} else if (due_ms < s->metrics_due_ms) {
		schedule_metrics(s, due_ms);
	}
}

void vmv_session_addresses_changed(struct vmv_session *s)
{
	/* a second, to gather what belongs together */
	uint64_t soon = now_ms(s) + 1000, again = s->metrics_ms + VMV_METRICS_SOON_MS;

	metrics_by(s, soon > again ? soon : again);
}

static void on_greeting_timer(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_session *s = arg;

	(void)fd;
	(void)what;
	vmv_channel_release(s->channel);
}

/* -- complaints about input -------------------------------------------------------------------- */

static void tell_compatible(struct vmv_session *s, const char *stamp, const char *kind,
			    const char *text, uint64_t count)
{
	struct vmv_jw w;

	if (!vmv_bucket_take(&s->notices, now_ms(s))) {
		s->suppressed++;
		return;
	}
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_notice_write(&w, stamp,
			       &(struct vmv_notice){
				       .severity = "warn",
				       .source = "transport",
				       .kind = kind,
				       .subject = name_of(s),
				       .message = text,
				       .real_ms = vmv_real_ms(s->env->clock),
				       .count = (int64_t)count,
				       .suppressed = s->suppressed,
			       });
	if (send_line(s, VMV_CLASS_NOTICE, &w) == 0)
		s->suppressed = 0;
}

/* Never with the input itself. */
static void tell(struct vmv_session *s, struct complaint *c, bool is_oversize)
{
	char stamp[VMV_STAMP_SIZE], text[128];
	uint64_t n = c->pending;
	const char *plural = n == 1 ? "line was" : "lines were";
	struct vmv_jw w;

	if (is_oversize)
		(void)snprintf(text, sizeof(text), "%llu %s longer than %zu bytes and dropped",
			       (unsigned long long)n, plural, s->framer.line_max);
	else
		(void)snprintf(text, sizeof(text), "%llu %s no JSON object and dropped",
			       (unsigned long long)n, plural);
	c->pending = 0;
	c->told_ms = now_ms(s);
	vmv_log(VMV_LOG_WARNING, SUBSYS, "%s: %s", name_of(s), text);
	stamp_now(s, stamp);
	if (!s->is_vmvitals) {
		tell_compatible(s, stamp, is_oversize ? "oversize" : "malformed", text, n);
		return;
	}
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_error_write(&w, stamp, text, "framing",
			      is_oversize ? "TOO_LARGE" : "BAD_ARGUMENT", n);
	(void)send_line(s, VMV_CLASS_REPLY, &w);
}

static void complain(struct vmv_session *s)
{
	uint64_t now = now_ms(s), wait = 0;
	struct complaint *all[] = { &s->malformed, &s->oversize };

	for (size_t i = 0; i < VMV_COUNTOF(all); i++) {
		struct complaint *c = all[i];

		if (c->pending == 0)
			continue;
		if (c->told_ms == 0 || now - c->told_ms >= VMV_REPORT_MS)
			tell(s, c, c == &s->oversize);
		else
			wait = VMV_REPORT_MS - (now - c->told_ms);
	}
	if (wait > 0 && !event_pending(s->complain, EV_TIMEOUT, NULL))
		arm(s->complain, wait);
}

static void on_complain_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	complain(arg);
}

/* -- commands -----------------------------------------------------------------------------------
 */

static void unlink_request(struct vmv_session *s, struct vmv_request *req)
{
	struct vmv_request **p = &s->requests;

	while (*p && *p != req)
		p = &(*p)->next;
	if (!*p)
		return;
	*p = req->next;
	if (req->command && (req->command->flags & VMV_COMMAND_ASYNC))
		s->in_flight--;
}

static const char *type_word(const struct vmv_session *s, const struct vmv_request *req)
{
	if (!req->command)
		return req->is_unsafe ? "unsafe" : "safe";
	return s->env->config->command_type == VMV_TYPE_ACTION ? req->command->name : "safe";
}

/* The one place where a response is made. */
static void respond(struct vmv_session *s, const struct vmv_request *req, const struct vmv_err *err,
		    const char *text, const char *data, size_t data_len, bool is_lossy)
{
	char stamp[VMV_STAMP_SIZE];
	struct vmv_response r = {
		.id = req->id,
		.command_type = type_word(s, req),
		.elapsed_ms = now_ms(s) - req->began_ms,
		.err = err,
		.text = text,
		.data = data,
		.data_len = data_len,
		.is_truncated = req->is_truncated,
		.is_lossy = is_lossy,
	};
	struct vmv_jw w;

	stamp_now(s, stamp);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	if (vmv_response_write(&w, stamp, &r) == -EFBIG) {
		static const struct vmv_err too_long = { VMV_E_IO, 0, "the answer is too long" };

		vmv_jw_free(&w);
		vmv_jw_init(&w, VMV_RESPONSE_MAX);
		r.err = &too_long;
		r.data = NULL;
		(void)vmv_response_write(&w, stamp, &r);
	}
	(void)send_line(s, VMV_CLASS_REPLY, &w);
}

static void answer(struct vmv_request *req, const struct vmv_err *err, const char *text,
		   const struct vmv_jw *data)
{
	struct vmv_session *s = req->session;

	unlink_request(s, req);
	if (req->epoch != s->epoch && req->epoch != UINT64_MAX)
		s->stats.late++;
	else if (err)
		respond(s, req, err, NULL, NULL, 0, false);
	else
		respond(s, req, NULL, text, data ? data->buf.data : NULL, data ? data->buf.len : 0,
			data && data->is_lossy);
	json_object_put(req->message);
	free(req);
}

static void refuse(struct vmv_session *s, struct vmv_request *req, const struct vmv_err *err,
		   const char *data)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "command_refused" },
		{ "VMVITALS_CHANNEL", name_of(s) },
		{ "VMVITALS_SESSION", s->id },
		{ "VMVITALS_COMMAND", req->command ? req->command->name : NULL },
		{ "VMVITALS_COMMAND_ID", req->id },
		{ "VMVITALS_RESULT", vmv_error_code(err->code) },
		{ NULL, NULL },
	};

	s->stats.refused++;
	/* what reads is not worth an entry at the usual level: a host can make any number of them
	 */
	vmv_log_entry(req->command && req->command->level > VMV_MONITOR ? VMV_LOG_NOTICE
									: VMV_LOG_DEBUG,
		      SUBSYS, VMV_MSG_REFUSED, fields, "%s: command refused: %s", name_of(s),
		      vmv_error_code(err->code));
	respond(s, req, err, NULL, data, data ? strlen(data) : 0, false);
	json_object_put(req->message);
	free(req);
}

static bool is_in_flight(const struct vmv_session *s, const char *id)
{
	for (const struct vmv_request *r = s->requests; r; r = r->next)
		if (strcmp(r->id, id) == 0)
			return true;
	return false;
}

/* Takes a reference of message of its own. */
static struct vmv_request *new_request(struct vmv_session *s, struct json_object *message,
				       const char *id)
{
	struct vmv_request *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	req->services = s->env->services;
	req->agent = s->env->agent;
	req->session = s;
	req->message = json_object_get(message);
	(void)snprintf(req->id, sizeof(req->id), "%s", id);
	req->began_ms = now_ms(s);
	req->epoch = s->epoch;
	req->answer = answer;
	return req;
}

static bool is_overloaded(const struct vmv_session *s, const struct vmv_command *c)
{
	const struct vmv_outq *q = vmv_channel_queue(s->channel);

	if (vmv_outq_reply_bytes(q) > s->env->config->queue_high_mib * VMV_MIB)
		return true;
	return (c->flags & VMV_COMMAND_ASYNC) && s->in_flight >= s->env->config->in_flight;
}

static void run(struct vmv_session *s, struct vmv_request *req)
{
	const struct vmv_command *c = req->command;

	req->next = s->requests;
	s->requests = req;
	if (c->flags & VMV_COMMAND_ASYNC)
		s->in_flight++;
	if (c->flags & VMV_COMMAND_VMVITALS)
		s->is_vmvitals = true;
	if (c->flags & VMV_COMMAND_RENEWS)
		req->epoch = UINT64_MAX; /* belongs to the session in which it is answered */
	c->run(req);
}

static void handle_command(struct vmv_session *s, struct json_object *message)
{
	const struct vmv_policy policy = {
		.deny = (const char *const *)s->env->config->deny.items,
		.n_deny = s->env->config->deny.n,
		.requires_signature = s->env->config->require_signature,
		.has_executor = false,
	};
	const char *id = vmv_command_id(message);
	struct vmv_request *req;
	struct vmv_err err = { 0 };
	int r;

	if (!id) {
		s->stats.ignored++;
		return;
	}
	if (is_in_flight(s, id)) {
		s->stats.duplicates++;
		return;
	}
	req = new_request(s, message, id);
	if (!req) {
		s->stats.ignored++;
		return;
	}
	r = vmv_command_judge(&policy, message, &req->command, req->args, &err);
	req->is_unsafe = strcmp(vmv_json_str(message, "type"), "UnsafeCommand") == 0;
	if (r == 0 && is_overloaded(s, req->command))
		r = vmv_fail(&err, VMV_E_BUSY, EBUSY, "too much is unanswered; ask again later");
	if (r < 0)
		refuse(s, req, &err,
		       err.code == VMV_E_UNSUPPORTED
			       ? "{\"supported\":false,\"platform\":\"linux\"}"
			       : NULL);
	else
		run(s, req);
}

/* -- other messages ------------------------------------------------------------------------------
 */

static void handle_keep_alive(struct vmv_session *s, struct json_object *message)
{
	char stamp[VMV_STAMP_SIZE];
	struct vmv_jw w;
	int64_t n;

	if (s->env->config->require_signature ||
	    !vmv_json_int(vmv_json_get(message, "sequence_number"), 0, VMV_INT_MAX, &n) ||
	    !vmv_bucket_take(&s->keep_alives, now_ms(s))) {
		s->stats.ignored++;
		return;
	}
	stamp_now(s, stamp);
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_keep_alive_write(&w, stamp, n);
	(void)send_line(s, VMV_CLASS_REPLY, &w);
}

static void handle_metrics(struct vmv_session *s, struct json_object *message)
{
	(void)message;
	if (s->env->config->require_signature) {
		s->stats.ignored++;
		return;
	}
	/* asked for too early: one message serves all who ask within the second */
	metrics_by(s, s->metrics_ms + VMV_METRICS_MIN_MS);
}

static void handle_ack(struct vmv_session *s, struct json_object *message)
{
	int64_t bytes;

	s->is_vmvitals = true;
	if (vmv_json_int(vmv_json_get(message, "bytes"), 0, VMV_INT_MAX, &bytes))
		vmv_channel_ack(s->channel, (uint64_t)bytes);
}

static void handle_scripts(struct vmv_session *s, struct json_object *message)
{
	(void)message;
	/* nothing here can run them; a question that was asked is answered, though */
	s->stats.ignored++;
	vmv_poll_answered(s->poll);
}

static void handle_nothing(struct vmv_session *s, struct json_object *message)
{
	(void)s;
	(void)message;
}

static void handle_signed(struct vmv_session *s, struct json_object *message);

static const struct {
	const char *type;
	void (*handle)(struct vmv_session *s, struct json_object *message);
	bool is_bare_only; /* means nothing inside an envelope */
} types[] = {
	{ "Metrics", handle_metrics, false },
	{ "SafeCommand", handle_command, false },
	{ "UnsafeCommand", handle_command, false },
	{ "ack", handle_ack, false },
	{ "keep_alive_request", handle_keep_alive, false },
	{ "keep_alive_response", handle_nothing, false },
	{ "pending_scripts_response", handle_scripts, false },
	{ "signed", handle_signed, true },
};

static void dispatch(struct vmv_session *s, struct json_object *message, bool is_payload)
{
	const char *type = vmv_json_str(message, "type");

	for (size_t i = 0; type && i < VMV_COUNTOF(types); i++) {
		if (strcmp(types[i].type, type) == 0 && !(is_payload && types[i].is_bare_only)) {
			types[i].handle(s, message);
			return;
		}
	}
	if (type)
		handle_command(s, message); /* an unknown type with an id is answered */
	else
		s->stats.ignored++;
}

/* What reads is done as if it had come bare: nothing is granted that a bare line would not get, so
 * the signature is not looked at. What changes something needs the executor, signed or not. */
static void handle_signed(struct vmv_session *s, struct json_object *message)
{
	struct json_object *inner;
	int64_t version;
	size_t len = 0;
	const char *payload = vmv_json_text(vmv_json_get(message, "payload"), &len);

	if (vmv_json_int(vmv_json_get(message, "v"), 2, 2, &version))
		s->is_vmvitals = true;
	if (!payload || vmv_json_parse(payload, len, &inner, NULL) < 0) {
		s->stats.ignored++; /* no id is known to answer to */
		return;
	}
	dispatch(s, inner, true);
	json_object_put(inner);
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
		complain(s);
		return;
	}
	dispatch(s, message, false);
	json_object_put(message);
}

static void note_oversize(struct vmv_session *s)
{
	if (s->framer.oversize == s->stats.oversize)
		return;
	s->oversize.pending += s->framer.oversize - s->stats.oversize;
	s->stats.oversize = s->framer.oversize;
	complain(s);
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
	vmv_channel_pause(s->channel, budget == 0);
	if (budget == 0)
		arm(s->more, 0);
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
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: out of memory: a line is dropped", name_of(s));
	take_lines(s); /* nothing while no host is attached: it waits for the session to begin */
}

static bool on_is_busy(void *arg)
{
	struct vmv_session *s = arg;

	return s->requests != NULL || event_pending(s->more, EV_TIMEOUT, NULL);
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

	switch (what) {
	case VMV_REPORT_OPENED:
		vmv_log(VMV_LOG_INFO, SUBSYS, "%s: open", name_of(s));
		return;
	case VMV_REPORT_WAITING:
		vmv_log(err->sys == ENOENT ? VMV_LOG_INFO : VMV_LOG_WARNING, SUBSYS,
			"%s: %s; waiting for it", name_of(s), err->msg);
		return;
	case VMV_REPORT_UNPLUGGED:
		log_port(s, VMV_MSG_PORT_UNPLUGGED, "port_unplugged", "port unplugged");
		return;
	case VMV_REPORT_REFUSED:
		vmv_log(VMV_LOG_NOTICE, SUBSYS, "%s: turned a peer away: %s", name_of(s), err->msg);
		return;
	case VMV_REPORT_STUCK:
		log_port(s, VMV_MSG_PORT_STUCK, "port_stuck", "the host does not read");
		return;
	}
}

static const struct vmv_channel_ops channel_ops = {
	.attached = on_attached,
	.detached = on_detached,
	.expired = on_expired,
	.data = on_data,
	.is_busy = on_is_busy,
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

	stamp_now(s, stamp);
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_script_request_write(&w, stamp, s->env->vm_id);
	(void)send_line(s, VMV_CLASS_NOTICE, &w);
}

/* -- life
 * ------------------------------------------------------------------------------------------------
 */

static bool make_events(struct vmv_session *s)
{
	struct event_base *base = s->env->base;

	s->more = event_new(base, -1, 0, on_more, s);
	s->greeting = event_new(base, -1, 0, on_greeting_timer, s);
	s->metrics = event_new(base, -1, 0, on_metrics_timer, s);
	s->complain = event_new(base, -1, 0, on_complain_timer, s);
	s->poll = vmv_poll_new(base, on_poll, s);
	return s->more && s->greeting && s->metrics && s->complain && s->poll;
}

int vmv_session_new(struct vmv_session **ret, const struct vmv_session_env *env,
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
	s->env = env;
	s->notices = VMV_BUCKET(rate, 60000 / rate);
	s->notices.filled_ms = now_ms(s);
	s->entries = VMV_BUCKET(ENTRIES_BURST, ENTRIES_REFILL_MS);
	s->entries.filled_ms = now_ms(s);
	vmv_framer_init(&s->framer, c->line_in_mib * VMV_MIB);
	if (!make_events(s)) {
		vmv_session_free(s);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	r = vmv_channel_new(&s->channel, &params, spec, err);
	if (r < 0) {
		vmv_session_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static void drop_requests(struct vmv_session *s)
{
	/* they live in the keeper's list, which is asked to forget them */
	for (struct vmv_request *r; (r = s->requests);) {
		s->requests = r->next;
		vmv_keeper_forget(s->env->keeper, r);
		json_object_put(r->message);
		free(r);
	}
	s->in_flight = 0;
}

void vmv_session_free(struct vmv_session *s)
{
	struct event **events[] = { &s->more, &s->greeting, &s->metrics, &s->complain };

	vmv_channel_free(s->channel);
	vmv_keeper_forget(s->env->keeper, s);
	drop_requests(s);
	for (size_t i = 0; i < VMV_COUNTOF(events); i++)
		if (*events[i])
			event_free(*events[i]);
	vmv_poll_free(s->poll);
	vmv_framer_free(&s->framer);
	free(s);
}

struct vmv_channel *vmv_session_channel(const struct vmv_session *s)
{
	return s->channel;
}

void vmv_session_stop_intake(struct vmv_session *s)
{
	s->is_deaf = true;
	(void)event_del(s->more);
	(void)event_del(s->metrics);
}

unsigned vmv_session_in_flight(const struct vmv_session *s)
{
	return s->in_flight;
}

void vmv_session_interrupt(struct vmv_session *s)
{
	static const struct vmv_err err = { VMV_E_IO, 0, "interrupted: the agent stops" };

	for (struct vmv_request *r; (r = s->requests);) {
		vmv_keeper_forget(s->env->keeper, r);
		vmv_request_fail(r, &err);
	}
}

struct vmv_session_stats vmv_session_stats(const struct vmv_session *s)
{
	struct vmv_session_stats st = s->stats;

	st.is_attached = s->is_attached;
	st.id = s->is_attached ? s->id : "";
	return st;
}
