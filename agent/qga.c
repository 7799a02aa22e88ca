#include "agent/qga.h"

#include "agent/events.h"
#include "agent/executor.h"
#include "agent/keeper.h"
#include "agent/session.h"
#include "base/asker.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "commands/qga.h"
#include "commands/request.h"
#include "config/settings.h"
#include "proto/json_copy.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "proto/qga.h"
#include "reports/response.h"
#include "reports/state.h"
#include "virtio/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUBSYS "qga"

struct vmv_qga;

/* One request, answered in its turn. */
struct item {
	struct vmv_request req; /* message: owned; NULL: it could not be parsed */
	struct item *next;
	struct json_object *arguments, *id; /* borrowed from message */
	bool has_id;
	size_t len;	    /* bytes it came in */
	struct vmv_err err; /* what is wrong with it */
};

struct vmv_qga {
	struct vmv_talk talk;
	const struct vmv_session_env *env;
	struct vmv_services services;
	struct vmv_qga_framer framer;
	struct vmv_talk_stats stats;
	struct item *current; /* has begun, and is not answered */
	struct item *first, **last;
	unsigned n_queued;
	size_t queued_bytes;
	bool is_deaf;	 /* shutting down */
	bool is_running; /* in run() */
	struct event *more;
	char *held; /* owned: path of the file that tells that we hold the port; NULL: none */
};

static struct vmv_qga *qga_of(struct vmv_talk *t)
{
	return (struct vmv_qga *)t;
}

static struct item *item_of(struct vmv_request *req)
{
	return (struct item *)req;
}

static struct vmv_channel *channel_of(const struct vmv_qga *q)
{
	return q->talk.channel;
}

static const char *name_of(const struct vmv_qga *q)
{
	return vmv_channel_spec(channel_of(q))->name;
}

static void go_on_soon(struct vmv_qga *q)
{
	static const struct timeval now = { 0 };

	(void)event_add(q->more, &now);
}

/* -- policy -------------------------------------------------------------------------------------
 */

/* As the agent sees it; the executor judges by itself. */
static void get_policy(const struct vmv_qga *q, struct vmv_policy *ret)
{
	const struct vmv_config *c = q->env->config;

	*ret = (struct vmv_policy){
		.level = (enum vmv_level)c->qga_level,
		.deny = (const char *const *)c->qga_deny.items,
		.n_deny = c->qga_deny.n,
		.allow = (const char *const *)c->qga_allow.items,
		.n_allow = c->qga_allow.n,
		.level_place = c->qga_level_place,
		.deny_place = c->qga_deny_place,
	};
}

static void service_policy(void *session, struct vmv_policy *ret)
{
	const struct vmv_qga *q = session;

	get_policy(q, ret);
	ret->has_executor = vmv_executor_is_there(q->env->executor);
	ret->is_frozen = q->env->is_frozen(q->env->agent);
}

/* Asks the kernel for no more than this command needs. */
static int judge(const struct vmv_qga *q, const struct vmv_command *c, struct vmv_err *err)
{
	struct vmv_policy policy;

	get_policy(q, &policy);
	if (c->doer == VMV_BY_EXECUTOR)
		policy.has_executor = vmv_executor_is_there(q->env->executor);
	if (!(c->flags & VMV_COMMAND_FROZEN))
		policy.is_frozen = q->env->is_frozen(q->env->agent);
	return vmv_qga_judge(&policy, c, err);
}

/* -- replies ------------------------------------------------------------------------------------
 */

static void item_free(struct item *it)
{
	json_object_put(it->req.message);
	free(it->req.scratch);
	free(it);
}

static void write_error(struct vmv_jw *w, const struct vmv_err *err)
{
	vmv_jw_open(w, "error");
	vmv_jw_str(w, "class", vmv_qga_class(err));
	vmv_jw_str(w, "desc", err->msg);
	vmv_jw_close(w);
}

static int write_reply(struct vmv_jw *w, const struct item *it, const struct vmv_err *err,
		       const struct vmv_jw *data)
{
	vmv_jw_init(w, VMV_QGA_REPLY_MAX);
	vmv_jw_open(w, NULL);
	if (err)
		write_error(w, err);
	else if (data && data->buf.len > 0)
		vmv_jw_raw(w, "return", data->buf.data, data->buf.len);
	else
		vmv_jw_raw(w, "return", "{}", 2);
	if (it->has_id)
		vmv_jw_copy(w, "id", it->id);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

/* The byte 0xFF, which no JSON holds, comes before what a client is to find in the stream. */
static int send_delimited(struct vmv_qga *q, const struct vmv_jw *w)
{
	struct vmv_buf b = { .max = w->buf.len + 1 };
	int r = vmv_buf_add(&b, "\xff", 1);

	if (r == 0)
		r = vmv_buf_add(&b, w->buf.data, w->buf.len);
	if (r == 0)
		r = vmv_channel_send(channel_of(q), VMV_CLASS_REPLY, 0, b.data, b.len);
	vmv_buf_free(&b);
	return r;
}

static bool is_delimited(const struct item *it)
{
	return it->req.command && strcmp(it->req.command->name, "guest-sync-delimited") == 0;
}

static void send_reply(struct vmv_qga *q, struct item *it, const struct vmv_err *err,
		       const struct vmv_jw *data)
{
	static const struct vmv_err too_long = { VMV_E_IO, 0, "the reply is too long" };
	struct vmv_jw w;
	int r = write_reply(&w, it, err, data);

	if (r == -EFBIG) {
		vmv_jw_free(&w);
		err = &too_long;
		r = write_reply(&w, it, err, NULL);
	}
	if (r == -EFBIG) { /* the id is; no answer at all would be worse */
		vmv_jw_free(&w);
		it->has_id = false;
		r = write_reply(&w, it, err, NULL);
	}
	if (r == 0 && !err && is_delimited(it))
		r = send_delimited(q, &w);
	else if (r == 0)
		r = vmv_channel_send(channel_of(q), VMV_CLASS_REPLY, 0, w.buf.data, w.buf.len);
	if (r < 0 && r != -ENOTCONN)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: a reply is lost: %s", name_of(q), strerror(-r));
	vmv_jw_free(&w);
}

static void note_refusal(struct vmv_qga *q, const struct item *it, const struct vmv_err *err)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "command_refused" },
		{ "VMVITALS_CHANNEL", name_of(q) },
		{ "VMVITALS_COMMAND", it->req.command ? it->req.command->name : NULL },
		{ "VMVITALS_RESULT", vmv_error_code(err->code) },
		{ NULL, NULL },
	};

	q->stats.refused++;
	vmv_log_entry(VMV_LOG_DEBUG, SUBSYS, VMV_MSG_REFUSED, fields, "%s: refused: %s", name_of(q),
		      err->msg);
}

static void run(struct vmv_qga *q);

/* The one place where a request ends that has begun. */
static void answer(struct vmv_request *req, const struct vmv_err *err, const char *text,
		   const struct vmv_jw *data)
{
	struct item *it = item_of(req);
	struct vmv_qga *q = req->session;

	(void)text;
	q->current = NULL;
	if (err || !req->command || !(req->command->flags & VMV_COMMAND_SILENT))
		send_reply(q, it, err, data);
	item_free(it);
	if (!q->is_running)
		go_on_soon(q);
}

/* -- the executor -------------------------------------------------------------------------------
 */

static void on_result(void *arg, uint64_t ref, enum vmv_executor_news news, struct json_object *m)
{
	static const struct vmv_err gone = { VMV_E_NOEXECUTOR, 0,
					     "the executor ended before it had done this" };
	struct vmv_request *req = arg;
	const char *code, *text;
	struct vmv_err err;
	struct vmv_jw w;

	(void)ref;
	if (news == VMV_EXECUTOR_MORE || news == VMV_EXECUTOR_LATE)
		return;
	if (news != VMV_EXECUTOR_ANSWER) {
		vmv_request_fail(req, &gone);
		return;
	}
	code = vmv_json_str(m, "error_code");
	text = vmv_json_str(m, "error");
	if (code || text) {
		(void)vmv_fail(&err, code ? vmv_error_of(code) : VMV_E_IO, 0, "%s",
			       text ? text : "it failed");
		vmv_request_fail(req, &err);
		return;
	}
	vmv_jw_init(&w, VMV_QGA_REPLY_MAX);
	if (vmv_json_get(m, "data"))
		vmv_jw_copy(&w, NULL, vmv_json_get(m, "data"));
	vmv_request_done(req, NULL, &w);
	vmv_jw_free(&w);
}

static void hand_over(struct vmv_qga *q, struct item *it)
{
	int64_t r = vmv_executor_qga(q->env->executor, name_of(q), it->req.command->name,
				     it->arguments, it->len, on_result, &it->req);
	struct vmv_err err;

	if (r > 0)
		return;
	(void)vmv_fail(&err, r == -EBUSY ? VMV_E_BUSY : VMV_E_NOEXECUTOR, 0, "%s",
		       r == -EBUSY ? "the executor has too much to do"
				   : "the executor cannot be reached");
	vmv_request_fail(&it->req, &err);
}

/* -- requests -----------------------------------------------------------------------------------
 */

static void start(struct vmv_qga *q, struct item *it)
{
	struct vmv_request *req = &it->req;

	q->current = it;
	if (it->err.code == VMV_OK &&
	    (judge(q, req->command, &it->err) < 0 ||
	     vmv_qga_args(req->command, it->arguments, req->args, &it->err) < 0))
		note_refusal(q, it, &it->err);
	if (it->err.code != VMV_OK)
		vmv_request_fail(req, &it->err);
	else if (req->command->doer == VMV_BY_EXECUTOR)
		hand_over(q, it);
	else
		vmv_qga_handler(req->command->name)->run(req);
}

/* What waits to be read by a host is not added to without bound. */
static bool has_room(const struct vmv_qga *q)
{
	return vmv_outq_bytes(vmv_channel_queue(channel_of(q))) <= VMV_QGA_QUEUE_HIGH;
}

static struct item *take_first(struct vmv_qga *q)
{
	struct item *it = q->first;

	if (!it)
		return NULL;
	q->first = it->next;
	if (!q->first)
		q->last = &q->first;
	q->n_queued--;
	q->queued_bytes -= it->len;
	return it;
}

static void run(struct vmv_qga *q)
{
	unsigned budget = VMV_LINES_BUDGET;

	q->is_running = true;
	while (!q->current && q->first && q->stats.is_attached && budget > 0 && has_room(q)) {
		budget--;
		start(q, take_first(q));
	}
	q->is_running = false;
	if (budget == 0)
		go_on_soon(q);
}

static void forget(struct vmv_qga *q, struct vmv_request *req)
{
	vmv_keeper_forget(q->env->keeper, req);
	vmv_executor_forget(q->env->executor, req);
	if (q->env->asker)
		q->env->asker->forget(q->env->asker, req);
}

/* Nobody waits for its answer any more. What the executor has begun goes on. */
static void give_up(struct vmv_qga *q)
{
	struct item *it = q->current;

	if (!it)
		return;
	q->current = NULL;
	forget(q, &it->req);
	q->stats.late++;
	item_free(it);
}

static void drop_queue(struct vmv_qga *q)
{
	for (struct item *it; (it = take_first(q));)
		item_free(it);
}

/* -- input --------------------------------------------------------------------------------------
 */

static struct item *item_new(struct vmv_qga *q)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	it->req.services = &q->services;
	it->req.agent = q->env->agent;
	it->req.session = q;
	it->req.began_ms = vmv_mono_ms(q->env->clock);
	it->req.answer = answer;
	return it;
}

/* Junk that holds a request of somebody who could not know what was there before is no junk. */
static int parse(struct item *it, const char *text, size_t len)
{
	int r = vmv_qga_parse(text, len, &it->req.message, &it->err);
	size_t at = r < 0 ? vmv_qga_restart(text, len) : len;

	if (at < len && vmv_qga_parse(text + at, len - at, &it->req.message, NULL) == 0) {
		it->err.code = VMV_OK;
		r = 0;
	}
	return r;
}

static void take_piece(struct vmv_qga *q, struct item *it, enum vmv_qga_piece kind,
		       const char *text, size_t len)
{
	struct vmv_qga_call call = { .name = NULL };

	if (kind == VMV_QGA_TOO_LONG) {
		q->stats.oversize++;
		(void)vmv_fail(&it->err, VMV_E_TOOLARGE, EFBIG,
			       "JSON parse error, the request is too long");
	} else if (parse(it, text, len) < 0) {
		q->stats.malformed++;
	} else if (vmv_qga_call(it->req.message, &call, &it->err) < 0) {
		q->stats.refused++;
	}
	it->req.command = call.command;
	it->arguments = call.arguments;
	it->id = call.id;
	it->has_id = call.has_id;
	it->len = len;
}

static void enqueue(struct vmv_qga *q, struct item *it)
{
	q->stats.lines++;
	*q->last = it;
	q->last = &it->next;
	q->n_queued++;
	q->queued_bytes += it->len;
	/* who synchronises has given up what it waits for; what is read here is soon there */
	if (it->req.command && (it->req.command->flags & VMV_COMMAND_SYNC) && q->current &&
	    q->current->req.command->doer == VMV_BY_EXECUTOR)
		give_up(q);
}

static bool has_place(const struct vmv_qga *q)
{
	return q->n_queued < VMV_QGA_QUEUED && q->queued_bytes < VMV_QGA_QUEUED_BYTES;
}

static void take_pieces(struct vmv_qga *q)
{
	enum vmv_qga_piece kind;
	const char *text;
	struct item *it;
	size_t len;

	while (has_place(q)) {
		kind = vmv_qga_framer_next(&q->framer, &text, &len);
		if (kind == VMV_QGA_NONE)
			break;
		it = item_new(q);
		if (!it) {
			vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: out of memory: a request is dropped",
				name_of(q));
			break;
		}
		take_piece(q, it, kind, text, len);
		enqueue(q, it);
	}
}

static void go_on(struct vmv_qga *q)
{
	if (!q->stats.is_attached)
		return;
	if (!q->is_deaf)
		take_pieces(q);
	run(q);
	if (q->is_deaf)
		return;
	vmv_channel_pause(channel_of(q), !has_place(q));
	if (q->n_queued == 0 && q->framer.scanned < q->framer.buf.len)
		go_on_soon(q); /* what there was no place for */
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	go_on(arg);
}

static void on_data(void *arg, const char *data, size_t len)
{
	struct vmv_qga *q = arg;

	if (q->is_deaf)
		return;
	if (vmv_qga_framer_push(&q->framer, data, len) < 0)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: out of memory: input is dropped", name_of(q));
	go_on(q);
}

/* -- the channel --------------------------------------------------------------------------------
 */

static void on_attached(void *arg)
{
	struct vmv_qga *q = arg;

	q->stats.is_attached = true;
	q->stats.since_ms = vmv_mono_ms(q->env->clock);
	vmv_talk_log_port(&q->talk, false, "", VMV_MSG_PORT_OPENED, "port_opened", "host attached");
	q->env->changed(q->env->agent);
	go_on_soon(q);
}

/* What was asked may be the next client's already (VIRTIO.md 7): it is kept until the time of
 * grace is over. */
static void on_detached(void *arg, enum vmv_detach why)
{
	struct vmv_qga *q = arg;

	(void)why;
	q->stats.is_attached = false;
	(void)event_del(q->more);
	vmv_channel_pause(channel_of(q), false);
	vmv_talk_log_port(&q->talk, false, "", VMV_MSG_PORT_CLOSED, "port_closed", "host gone");
	q->env->changed(q->env->agent);
}

static void on_expired(void *arg)
{
	struct vmv_qga *q = arg;

	vmv_qga_framer_reset(&q->framer);
	give_up(q);
	drop_queue(q);
	(void)event_del(q->more);
	vmv_channel_pause(channel_of(q), false);
}

static bool qga_is_busy(struct vmv_talk *t)
{
	const struct vmv_qga *q = qga_of(t);

	return q->current || q->first || event_pending(q->more, EV_TIMEOUT, NULL);
}

static bool on_is_busy(void *arg)
{
	struct vmv_qga *q = arg;

	return qga_is_busy(&q->talk);
}

static void on_written(void *arg)
{
	struct vmv_qga *q = arg;

	if (q->first && !q->current && has_room(q))
		go_on_soon(q);
}

static void on_finished(void *arg)
{
	struct vmv_qga *q = arg;

	q->env->finished(q->env->agent);
}

/* While it is there, qemu-guest-agent.service does not start: it could not open the port, and fail.
 */
static void tell_held(struct vmv_qga *q, bool is_held)
{
	int fd;

	if (!q->held)
		return;
	if (!is_held) {
		(void)unlink(q->held);
		return;
	}
	fd = open(q->held, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		vmv_log(VMV_LOG_NOTICE, SUBSYS, "%s: %s", q->held, strerror(errno));
	else
		(void)close(fd);
}

static void on_report(void *arg, enum vmv_channel_report what, const struct vmv_err *err)
{
	struct vmv_qga *q = arg;

	if (what == VMV_REPORT_OPENED || what == VMV_REPORT_UNPLUGGED)
		tell_held(q, what == VMV_REPORT_OPENED);
	vmv_talk_report(&q->talk, "", what, err);
}

static const struct vmv_channel_ops channel_ops = {
	.attached = on_attached,
	.detached = on_detached,
	.expired = on_expired,
	.data = on_data,
	.is_busy = on_is_busy,
	.written = on_written,
	.finished = on_finished,
	.report = on_report,
};

/* -- life ---------------------------------------------------------------------------------------
 */

static void qga_free(struct vmv_talk *t)
{
	struct vmv_qga *q = qga_of(t);

	vmv_channel_free(q->talk.channel);
	tell_held(q, false);
	give_up(q);
	drop_queue(q);
	if (q->more)
		event_free(q->more);
	vmv_qga_framer_free(&q->framer);
	free(q->held);
	free(q);
}

static void qga_reconfigure(struct vmv_talk *t)
{
	struct vmv_qga *q = qga_of(t);
	const struct vmv_config *c = q->env->config;

	vmv_qga_framer_set_max(&q->framer, c->line_in_mib * VMV_MIB);
	vmv_channel_set_queue_high(channel_of(q), c->queue_high_mib * VMV_MIB);
}

static void qga_stop_intake(struct vmv_talk *t)
{
	struct vmv_qga *q = qga_of(t);

	q->is_deaf = true;
}

static void qga_interrupt(struct vmv_talk *t)
{
	static const struct vmv_err err = { VMV_E_IO, 0, "interrupted: the agent stops" };
	struct vmv_qga *q = qga_of(t);

	q->is_running = true; /* nothing begins any more */
	if (q->current) {
		forget(q, &q->current->req);
		vmv_request_fail(&q->current->req, &err);
	}
	for (struct item *it; (it = take_first(q));) {
		q->current = it;
		vmv_request_fail(&it->req, it->err.code == VMV_OK ? &err : &it->err);
	}
	(void)event_del(q->more);
}

static unsigned qga_in_flight(struct vmv_talk *t)
{
	const struct vmv_qga *q = qga_of(t);

	return q->current ? 1 : 0;
}

static size_t qga_jobs(struct vmv_talk *t, struct vmv_state_job *ret, size_t max)
{
	const struct vmv_qga *q = qga_of(t);

	if (!q->current || max == 0)
		return 0;
	*ret = (struct vmv_state_job){ "", q->current->req.command->name,
				       q->current->req.began_ms };
	return 1;
}

static struct vmv_talk_stats qga_stats(struct vmv_talk *t)
{
	struct vmv_talk_stats st = qga_of(t)->stats;

	st.id = "";
	return st;
}

static const struct vmv_talk_ops talk_ops = {
	.free = qga_free,
	.reconfigure = qga_reconfigure,
	.is_busy = qga_is_busy,
	.stop_intake = qga_stop_intake,
	.interrupt = qga_interrupt,
	.in_flight = qga_in_flight,
	.jobs = qga_jobs,
	.stats = qga_stats,
};

/* Where the service manager made us a folder, the unit of qemu-ga looks for it there. */
static char *held_path(const char *dir, const struct vmv_spec *spec)
{
	char path[256];

	if (!dir || strchr(dir, ':') || spec->transport != VMV_TRANSPORT_VIRTIO ||
	    strcmp(spec->target, VMV_SPEC_QGA_PORT) != 0 ||
	    snprintf(path, sizeof(path), "%s/%s.held", dir, spec->target) >= (int)sizeof(path))
		return NULL;
	return strdup(path);
}

int vmv_qga_new(struct vmv_talk **ret, const struct vmv_session_env *env,
		const struct vmv_spec *spec, struct vmv_err *err)
{
	struct vmv_qga *q = calloc(1, sizeof(*q));
	const struct vmv_channel_params params = {
		.base = env->base,
		.clock = env->clock,
		.ops = &channel_ops,
		.arg = q,
		.sysfs = env->sysfs,
		.has_monitor = env->has_monitor,
		.queue_high = env->config->queue_high_mib * VMV_MIB,
	};
	int r;

	if (!q)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	q->talk.ops = &talk_ops;
	q->env = env;
	q->services = *env->services;
	q->services.hello = NULL; /* of native sessions */
	q->services.renew = NULL;
	q->services.jobs_of = NULL;
	q->services.policy = service_policy;
	q->last = &q->first;
	q->held = held_path(env->runtime_dir, spec);
	vmv_qga_framer_init(&q->framer, env->config->line_in_mib * VMV_MIB);
	q->more = event_new(env->base, -1, 0, on_more, q);
	if (!q->more) {
		qga_free(&q->talk);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	r = vmv_channel_new(&q->talk.channel, &params, spec, err);
	if (r < 0) {
		qga_free(&q->talk);
		return r;
	}
	*ret = &q->talk;
	return 0;
}
