#include "agent/session_impl.h"

#include "agent/events.h"
#include "agent/executor.h"
#include "agent/keeper.h"
#include "base/asker.h"
#include "base/err.h"
#include "base/log.h"
#include "commands/handlers.h"
#include "commands/judge.h"
#include "commands/request.h"
#include "config/settings.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/response.h"
#include "reports/state.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void unlink_request(struct vmv_session *s, struct vmv_request *req)
{
	struct vmv_request **p = &s->requests;

	while (*p && *p != req)
		p = &(*p)->next;
	if (!*p)
		return;
	*p = req->next;
	if (req->is_counted)
		s->in_flight--;
	s->held_bytes -= req->held_bytes;
	vmv_session_restart_soon(s);
}

static const char *type_word(const struct vmv_session *s, const struct vmv_request *req)
{
	if (req->is_unsafe)
		return "unsafe";
	if (!req->command)
		return "safe";
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
		.elapsed_ms = vmv_session_now_ms(s) - req->began_ms,
		.err = err,
		.text = text,
		.data = data,
		.data_len = data_len,
		.is_truncated = req->is_truncated,
		.is_lossy = is_lossy,
	};
	struct vmv_jw w;

	vmv_session_stamp(s, stamp);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	if (vmv_response_write(&w, stamp, &r) == -EFBIG) {
		static const struct vmv_err too_long = { VMV_E_IO, 0, "the answer is too long" };

		vmv_jw_free(&w);
		vmv_jw_init(&w, VMV_RESPONSE_MAX);
		r.err = &too_long;
		r.data = NULL;
		(void)vmv_response_write(&w, stamp, &r);
	}
	(void)vmv_session_send(s, VMV_CLASS_REPLY, &w);
}

static void answer(struct vmv_request *req, const struct vmv_err *err, const char *text,
		   const struct vmv_jw *data)
{
	struct vmv_session *s = req->session;

	unlink_request(s, req);
	if (req->epoch != s->epoch && req->epoch != UINT64_MAX)
		s->stats.late++;
	else
		respond(s, req, err, err ? NULL : text, data ? data->buf.data : NULL,
			data ? data->buf.len : 0, data && data->is_lossy);
	json_object_put(req->message);
	free(req);
}

void vmv_session_refuse(struct vmv_session *s, struct vmv_request *req, const struct vmv_err *err,
			const char *data)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "command_refused" },
		{ "VMVITALS_CHANNEL", vmv_session_name(s) },
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
		      VMV_SESSION_SUBSYS, VMV_MSG_REFUSED, fields, "%s: command refused: %s",
		      vmv_session_name(s), vmv_error_code(err->code));
	unlink_request(s, req);
	respond(s, req, err, NULL, data, data ? strlen(data) : 0, false);
	json_object_put(req->message);
	free(req);
}

bool vmv_session_may_refuse(struct vmv_session *s)
{
	if (vmv_bucket_take(&s->unvouched, vmv_session_now_ms(s)))
		return true;
	s->stats.refused++;
	return false;
}

void vmv_session_pass_answer(struct vmv_session *s, struct vmv_request *req, const char *line,
			     size_t len)
{
	unlink_request(s, req);
	if (req->epoch != s->epoch)
		s->stats.late++;
	else if (line)
		(void)vmv_channel_send(s->talk.channel, VMV_CLASS_REPLY, 0, line, len);
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
	req->began_ms = vmv_session_now_ms(s);
	req->epoch = s->epoch;
	req->answer = answer;
	return req;
}

/* Output that a host neither reads nor acknowledges counts for those that make more of it. */
static bool is_overloaded(const struct vmv_session *s, const struct vmv_command *c)
{
	const struct vmv_outq *q = vmv_channel_queue(s->talk.channel);
	const size_t high = s->env->config->queue_high_mib * VMV_MIB;

	if (vmv_outq_reply_bytes(q) > high)
		return true;
	if (c->doer == VMV_BY_EXECUTOR && vmv_outq_class_bytes(q, VMV_CLASS_STREAM) > high)
		return true;
	if (s->held_bytes > 0 && s->held_bytes + s->line_len > VMV_HELD_BYTES)
		return true;
	return ((c->flags & VMV_COMMAND_ASYNC) || c->doer == VMV_BY_EXECUTOR) &&
	       s->in_flight >= s->env->config->in_flight +
				       ((c->flags & VMV_COMMAND_SPARE) ? VMV_SPARE_IN_FLIGHT : 0);
}

static void enlist(struct vmv_session *s, struct vmv_request *req, bool is_counted)
{
	req->next = s->requests;
	s->requests = req;
	req->is_counted = is_counted;
	s->in_flight += is_counted;
	req->held_bytes = s->line_len;
	s->held_bytes += req->held_bytes;
}

/* It is on the list. What it asked for is the executor's to know. */
static void drop_message(struct vmv_session *s, struct vmv_request *req)
{
	json_object_put(req->message);
	req->message = NULL;
	s->held_bytes -= req->held_bytes;
	req->held_bytes = 0;
}

/* It is on the list. */
void vmv_session_run_request(struct vmv_session *s, struct vmv_request *req)
{
	if (req->command->flags & VMV_COMMAND_RENEWS)
		req->epoch = UINT64_MAX; /* belongs to the session in which it is answered */
	(void)s;
	vmv_handler_find(req->command->name)->run(req);
}

static const struct vmv_err *why_not_handed_over(int error)
{
	static const struct vmv_err busy = { VMV_E_BUSY, 0, "the executor has too much to do" };
	static const struct vmv_err too_large = { VMV_E_TOOLARGE, 0,
						  "the line is too long for the executor" };
	static const struct vmv_err gone = { VMV_E_NOEXECUTOR, 0,
					     "the executor cannot be reached" };

	return error == -EBUSY ? &busy : error == -EFBIG ? &too_large : &gone;
}

/* The unopened line goes to the executor. */
static void hand_over(struct vmv_session *s, struct vmv_request *req,
		      int (*ask)(struct vmv_session *s, struct vmv_request *req))
{
	int r;

	enlist(s, req, true);
	r = ask(s, req);
	if (r < 0)
		vmv_session_refuse(s, req, why_not_handed_over(r), NULL);
	else if (ask == vmv_session_submit)
		drop_message(s, req);
}

static void get_policy(const struct vmv_session *s, struct vmv_policy *ret)
{
	const struct vmv_config *c = s->env->config;

	*ret = (struct vmv_policy){
		.level = s->executor.is_there ? s->executor.level : (enum vmv_level)c->policy_level,
		.deny = (const char *const *)c->deny.items,
		.n_deny = c->deny.n,
		.allow = (const char *const *)c->allow.items,
		.n_allow = c->allow.n,
		.requires_signature = c->require_signature,
		.has_executor = s->executor.is_there,
		.can_verify = s->executor.can_verify,
		.level_place = c->policy_level_place,
		.deny_place = c->deny_place,
		.signature_place = c->require_signature_place,
	};
}

void vmv_session_policy(void *session, struct vmv_policy *ret)
{
	const struct vmv_session *s = session;

	get_policy(s, ret);
	ret->is_frozen = s->env->is_frozen(s->env->agent);
}

/* What is served anyhow costs no look at the kernel. */
static bool is_frozen_for(const struct vmv_session *s, struct json_object *message)
{
	const struct vmv_command *c = vmv_command_of(message, NULL);

	return c && !(c->flags & VMV_COMMAND_FROZEN) && s->env->is_frozen(s->env->agent);
}

/* 'not signed' and the like anybody can ask for: a few are answered. */
static void refuse_new(struct vmv_session *s, struct vmv_request *req, const struct vmv_err *err)
{
	static const char unsupported[] = "{\"supported\":false,\"platform\":\"linux\"}";

	if ((err->code == VMV_E_SIGNATURE || err->code == VMV_E_LOCKED) &&
	    !vmv_session_may_refuse(s)) {
		json_object_put(req->message);
		free(req);
		return;
	}
	vmv_session_refuse(s, req, err, err->code == VMV_E_UNSUPPORTED ? unsupported : NULL);
}

void vmv_session_command(struct vmv_session *s, struct json_object *message, bool is_signed)
{
	struct vmv_policy policy;
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
	get_policy(s, &policy);
	policy.is_frozen = is_frozen_for(s, message);
	r = vmv_command_judge(&policy, message, is_signed, &req->command, req->args, &err);
	if (req->command && (req->command->flags & VMV_COMMAND_VMVITALS))
		s->is_vmvitals = true;
	req->is_unsafe = req->command == &vmv_raw_command;
	if (r >= 0 && is_overloaded(s, req->command))
		r = vmv_fail(&err, VMV_E_BUSY, EBUSY, "too much is unanswered; ask again later");
	if (r < 0)
		refuse_new(s, req, &err);
	else if (r == VMV_JUDGED_SUBMIT)
		hand_over(s, req, vmv_session_submit);
	else if (r == VMV_JUDGED_VERIFY)
		hand_over(s, req, vmv_session_verify);
	else {
		enlist(s, req, (req->command->flags & VMV_COMMAND_ASYNC) != 0);
		vmv_session_run_request(s, req);
	}
}

/* Whoever would still call back for it. */
static void forget(struct vmv_session *s, struct vmv_request *req)
{
	if (s->renewed && s->renewed_arg == req)
		s->renewed = NULL;
	vmv_keeper_forget(s->env->keeper, req);
	vmv_executor_forget(s->env->executor, req);
	if (s->env->asker)
		s->env->asker->forget(s->env->asker, req);
}

void vmv_session_drop_requests(struct vmv_session *s)
{
	for (struct vmv_request *r; (r = s->requests);) {
		s->requests = r->next;
		forget(s, r);
		json_object_put(r->message);
		free(r);
	}
	s->in_flight = 0;
	s->held_bytes = 0;
}

/* JobStatus can fetch what becomes of them. */
void vmv_session_drop_submitted(struct vmv_session *s)
{
	for (struct vmv_request *r = s->requests, *next; r; r = next) {
		next = r->next;
		if (!r->is_submitted)
			continue;
		forget(s, r);
		unlink_request(s, r);
		s->stats.late++;
		json_object_put(r->message);
		free(r);
	}
}

unsigned vmv_session_in_flight(struct vmv_talk *t)
{
	return vmv_session_of(t)->in_flight;
}

size_t vmv_session_jobs(struct vmv_talk *t, struct vmv_state_job *ret, size_t max)
{
	const struct vmv_session *s = vmv_session_of(t);
	size_t n = 0;

	for (const struct vmv_request *r = s->requests; r && n < max; r = r->next)
		if (r->is_counted)
			ret[n++] = (struct vmv_state_job){ r->id, r->command->name, r->began_ms };
	return n;
}

void vmv_session_interrupt(struct vmv_talk *t)
{
	struct vmv_session *s = vmv_session_of(t);
	static const struct vmv_err err = { VMV_E_IO, 0, "interrupted: the agent stops" };

	for (struct vmv_request *r; (r = s->requests);) {
		forget(s, r);
		vmv_request_fail(r, &err);
	}
}
