#include "agent/events.h"
#include "agent/executor.h"
#include "agent/keeper.h"
#include "agent/qga_impl.h"
#include "base/asker.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "commands/qga.h"
#include "config/settings.h"
#include "proto/json_copy.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/response.h"

#include <errno.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_qga_item *item_of(struct vmv_request *req)
{
	return (struct vmv_qga_item *)req;
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

void vmv_qga_policy(void *session, struct vmv_policy *ret)
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

static void item_free(struct vmv_qga_item *it)
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

static int write_reply(struct vmv_jw *w, const struct vmv_qga_item *it, const struct vmv_err *err,
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
		r = vmv_channel_send(vmv_qga_channel(q), VMV_CLASS_REPLY, 0, b.data, b.len);
	vmv_buf_free(&b);
	return r;
}

static bool is_delimited(const struct vmv_qga_item *it)
{
	return it->req.command && strcmp(it->req.command->name, "guest-sync-delimited") == 0;
}

static void send_reply(struct vmv_qga *q, struct vmv_qga_item *it, const struct vmv_err *err,
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
		r = vmv_channel_send(vmv_qga_channel(q), VMV_CLASS_REPLY, 0, w.buf.data, w.buf.len);
	if (r < 0 && r != -ENOTCONN)
		vmv_log(VMV_LOG_ERROR, VMV_QGA_SUBSYS, "%s: a reply is lost: %s", vmv_qga_name(q),
			strerror(-r));
	vmv_jw_free(&w);
}

static void note_refusal(struct vmv_qga *q, const struct vmv_qga_item *it,
			 const struct vmv_err *err)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "command_refused" },
		{ "VMVITALS_CHANNEL", vmv_qga_name(q) },
		{ "VMVITALS_COMMAND", it->req.command ? it->req.command->name : NULL },
		{ "VMVITALS_RESULT", vmv_error_code(err->code) },
		{ NULL, NULL },
	};

	q->stats.refused++;
	vmv_log_entry(VMV_LOG_DEBUG, VMV_QGA_SUBSYS, VMV_MSG_REFUSED, fields, "%s: refused: %s",
		      vmv_qga_name(q), err->msg);
}

/* The one place where a request ends that has begun. */
static void answer(struct vmv_request *req, const struct vmv_err *err, const char *text,
		   const struct vmv_jw *data)
{
	struct vmv_qga_item *it = item_of(req);
	struct vmv_qga *q = req->session;

	(void)text;
	q->current = NULL;
	if (err || !req->command || !(req->command->flags & VMV_COMMAND_SILENT))
		send_reply(q, it, err, data);
	item_free(it);
	if (!q->is_running)
		vmv_qga_go_on_soon(q);
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

static void hand_over(struct vmv_qga *q, struct vmv_qga_item *it)
{
	int64_t r = vmv_executor_qga(q->env->executor, vmv_qga_name(q), it->req.command->name,
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

static void start(struct vmv_qga *q, struct vmv_qga_item *it)
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
bool vmv_qga_has_room(const struct vmv_qga *q)
{
	return vmv_outq_bytes(vmv_channel_queue(vmv_qga_channel(q))) <= VMV_QGA_QUEUE_HIGH;
}

static struct vmv_qga_item *take_first(struct vmv_qga *q)
{
	struct vmv_qga_item *it = q->first;

	if (!it)
		return NULL;
	q->first = it->next;
	if (!q->first)
		q->last = &q->first;
	q->n_queued--;
	q->queued_bytes -= it->len;
	return it;
}

void vmv_qga_run(struct vmv_qga *q)
{
	unsigned budget = VMV_LINES_BUDGET;

	q->is_running = true;
	while (!q->current && q->first && q->stats.is_attached && budget > 0 &&
	       vmv_qga_has_room(q)) {
		budget--;
		start(q, take_first(q));
	}
	q->is_running = false;
	if (budget == 0)
		vmv_qga_go_on_soon(q);
}

static void forget(struct vmv_qga *q, struct vmv_request *req)
{
	vmv_keeper_forget(q->env->keeper, req);
	vmv_executor_forget(q->env->executor, req);
	if (q->env->asker)
		q->env->asker->forget(q->env->asker, req);
}

/* Nobody waits for its answer any more. What the executor has begun goes on. */
void vmv_qga_give_up(struct vmv_qga *q)
{
	struct vmv_qga_item *it = q->current;

	if (!it)
		return;
	q->current = NULL;
	forget(q, &it->req);
	q->stats.late++;
	item_free(it);
}

void vmv_qga_drop_queue(struct vmv_qga *q)
{
	for (struct vmv_qga_item *it; (it = take_first(q));)
		item_free(it);
}

struct vmv_qga_item *vmv_qga_item_new(struct vmv_qga *q)
{
	struct vmv_qga_item *it = calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	it->req.services = &q->services;
	it->req.agent = q->env->agent;
	it->req.session = q;
	it->req.began_ms = vmv_mono_ms(q->env->clock);
	it->req.answer = answer;
	return it;
}

void vmv_qga_enqueue(struct vmv_qga *q, struct vmv_qga_item *it)
{
	q->stats.lines++;
	*q->last = it;
	q->last = &it->next;
	q->n_queued++;
	q->queued_bytes += it->len;
	/* who synchronises has given up what it waits for; what is read here is soon there */
	if (it->req.command && (it->req.command->flags & VMV_COMMAND_SYNC) && q->current &&
	    q->current->req.command->doer == VMV_BY_EXECUTOR)
		vmv_qga_give_up(q);
}

bool vmv_qga_has_place(const struct vmv_qga *q)
{
	return q->n_queued < VMV_QGA_QUEUED && q->queued_bytes < VMV_QGA_QUEUED_BYTES;
}

void vmv_qga_interrupt(struct vmv_qga *q)
{
	static const struct vmv_err err = { VMV_E_IO, 0, "interrupted: the agent stops" };

	q->is_running = true; /* nothing begins any more */
	if (q->current) {
		forget(q, &q->current->req);
		vmv_request_fail(&q->current->req, &err);
	}
	for (struct vmv_qga_item *it; (it = take_first(q));) {
		q->current = it;
		vmv_request_fail(&it->req, it->err.code == VMV_OK ? &err : &it->err);
	}
	(void)event_del(q->more);
}
