#include "base/limits.h"
#include "base/log.h"
#include "execd/counters.h"
#include "execd/execd_impl.h"
#include "execd/jobs.h"
#include "execd/keyring.h"
#include "execd/nonces.h"
#include "execd/reply.h"
#include "execd/scriptq.h"
#include "execd/sessions.h"
#include "proto/envelope.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/response.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

/* -- verifying ----------------------------------------------------------------------------------
 */

static const uint8_t *find_key(void *arg, const char *id)
{
	struct vmv_execd *e = arg;

	return vmv_keyring_find(e->keyring, id);
}

static int use_nonce(void *arg, const char *nonce, size_t len, int64_t keep_until_real_ms)
{
	struct vmv_execd *e = arg;

	return vmv_nonces_use(e->nonces, nonce, len, keep_until_real_ms);
}

static int use_counter(void *arg, const char *key, const char *session, int64_t counter,
		       int64_t *ret_last)
{
	struct vmv_execd *e = arg;

	return vmv_counters_use(e->counters, session, key, counter, ret_last);
}

static int verify(struct vmv_execd *e, const struct vmv_return *from, struct json_object *message,
		  struct json_object **ret_payload, struct vmv_verdict *verdict,
		  struct vmv_err *err)
{
	const struct vmv_verifier v = {
		.secret = { e->secret, e->secret ? strlen(e->secret) : 0 },
		.accepts_v1 = e->config->accept_v1,
		.has_keys = vmv_keyring_count(e->keyring) > 0,
		.vm_id = e->vm_id,
		.session = vmv_sessions_of(e->sessions, from->channel),
		.now_real_ms = vmv_real_ms(e->clock),
		.key = find_key,
		.nonce = use_nonce,
		.counter = use_counter,
		.arg = e,
	};

	return vmv_envelope_verify(&v, message, ret_payload, verdict, err);
}

/* -- one line -----------------------------------------------------------------------------------
 */

struct submission {
	struct vmv_execd *execd;
	const struct vmv_return *from;
	struct json_object *message, *payload; /* payload: NULL unless it was verified */
	struct vmv_verdict verdict;
	const struct vmv_command *command;
	const char *id; /* NULL: nobody can be answered */
};

static const char *key_of(const struct submission *s)
{
	if (*s->verdict.key)
		return s->verdict.key;
	return s->verdict.is_vouched ? "secret" : NULL;
}

static void refuse(const struct submission *s, const struct vmv_err *err)
{
	struct vmv_execd *e = s->execd;
	struct vmv_reply reply = {
		.id = s->id,
		.command = s->command,
		.began_ms = vmv_execd_now_ms(e),
		.err = err,
		.is_unvouched = !s->verdict.is_vouched,
	};
	const struct vmv_audit a = {
		.command = s->command ? s->command->name : NULL,
		.id = s->id,
		.channel = s->from->channel,
		.session = s->from->session,
		.key = key_of(s),
		.result = vmv_error_code(err->code),
		.reason = err->msg,
		.is_refusal = true,
	};
	struct vmv_jw data;

	if (s->verdict.is_vouched || vmv_execd_may_log(e))
		vmv_audit(&a);
	if (!s->id) {
		vmv_settle(s->from);
		return;
	}
	vmv_jw_init(&data, VMV_LINE_OUT_MAX);
	vmv_verdict_data(&data, NULL, &s->verdict);
	if (vmv_jw_finish(&data) == 0) {
		reply.data = data.buf.data;
		reply.data_len = data.buf.len;
	}
	vmv_reply_send(e, s->from, &reply);
	vmv_jw_free(&data);
}

/* The id, and what is asked for, of a payload that nobody vouches for: to answer to. */
static void peek(struct submission *s, struct json_object **ret_owner)
{
	struct vmv_err err;

	if (vmv_envelope_peek(s->message, ret_owner, &err) < 0)
		return;
	s->id = vmv_command_id(*ret_owner);
	s->command = vmv_command_of(*ret_owner, &err);
}

static bool is_scripts(struct json_object *payload)
{
	const char *type = vmv_json_str(payload, "type");

	return type && strcmp(type, "pending_scripts_response") == 0;
}

static void take_scripts(struct submission *s)
{
	struct vmv_policy policy;
	struct vmv_err refusal = { 0 }, err = { 0 };
	bool is_refused;

	vmv_execd_policy(s->execd, &policy);
	is_refused = vmv_policy_check(&policy, &vmv_raw_command, &refusal) < 0;
	if (vmv_scriptq_accept(s->execd->scripts, s->from, s->payload,
			       is_refused ? refusal.msg : NULL, &err) < 0)
		refuse(s, &err);
	else
		vmv_settle(s->from); /* what becomes of them are completions */
}

/* Level and lists, then arguments: BUSY is the job table's to say. */
static int judge(struct submission *s, struct vmv_err *err)
{
	struct vmv_value args[VMV_ARGS_MAX];
	struct vmv_policy policy;
	int r;

	s->command = vmv_command_of(s->payload, err);
	if (!s->command)
		return -ENOENT;
	if (s->command->doer != VMV_BY_EXECUTOR)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not the executor's to do",
				s->command->name);
	vmv_execd_policy(s->execd, &policy);
	r = vmv_policy_check(&policy, s->command, err);
	return r < 0 ? r : vmv_command_args(s->command, s->payload, args, err);
}

static void take_command(struct submission *s)
{
	struct vmv_err err = { 0 };

	s->id = vmv_command_id(s->payload);
	if (judge(s, &err) < 0)
		refuse(s, &err);
	else if (s->id) /* without one nothing could be answered, cancelled or asked after */
		vmv_jobs_add(s->execd->jobs, s->from, s->command, s->payload, s->verdict.payload.s,
			     s->verdict.payload.len, key_of(s));
	else
		vmv_settle(s->from);
}

void vmv_execd_submit(struct vmv_execd *e, const struct vmv_return *from, const char *line,
		      size_t len)
{
	struct submission s = { .execd = e, .from = from };
	struct json_object *peeked = NULL;
	struct vmv_err err = { 0 };

	if (vmv_json_parse(line, len, &s.message, NULL) < 0) {
		vmv_settle(from); /* the agent, which has parsed it, would not send it */
		return;
	}
	if (verify(e, from, s.message, &s.payload, &s.verdict, &err) < 0) {
		peek(&s, &peeked);
		refuse(&s, &err);
	} else if (is_scripts(s.payload)) {
		take_scripts(&s);
	} else {
		take_command(&s);
	}
	json_object_put(peeked);
	json_object_put(s.payload);
	json_object_put(s.message);
}

/* What only reads is done by the agent, and told by nobody; what is refused is. */
static void audit_verdict(struct vmv_execd *e, const struct vmv_return *from,
			  const struct vmv_verdict *verdict, const struct vmv_err *err)
{
	const struct vmv_audit a = {
		.channel = from->channel,
		.session = from->session,
		.key = *verdict->key	     ? verdict->key
		       : verdict->is_vouched ? "secret"
					     : NULL,
		.result = vmv_error_code(err->code),
		.reason = err->msg,
		.is_refusal = true,
	};

	if (verdict->is_vouched || vmv_execd_may_log(e))
		vmv_audit(&a);
}

void vmv_execd_verify(struct vmv_execd *e, const struct vmv_return *from, const char *line,
		      size_t len)
{
	struct json_object *message = NULL, *payload = NULL;
	struct vmv_verdict verdict = { 0 };
	struct vmv_err err = { 0 };
	struct vmv_jw w;
	int r = vmv_json_parse(line, len, &message, &err);

	if (r == 0)
		r = verify(e, from, message, &payload, &verdict, &err);
	if (r < 0)
		audit_verdict(e, from, &verdict, &err);
	vmv_jw_init(&w, VMV_LINK_LINE_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "verdict");
	vmv_jw_u64(&w, "ref", from->ref);
	vmv_jw_str(&w, "error_code", r < 0 ? vmv_error_code(err.code) : NULL);
	vmv_jw_str(&w, "error", r < 0 ? err.msg : NULL);
	vmv_jw_bool(&w, "vouched", verdict.is_vouched);
	if (r < 0)
		vmv_verdict_data(&w, "data", &verdict);
	else
		vmv_jw_null(&w, "data");
	vmv_jw_close(&w);
	vmv_peer_send(from->peer, &w);
	json_object_put(payload);
	json_object_put(message);
}
