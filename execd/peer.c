#include "base/limits.h"
#include "base/log.h"
#include "exec/link.h"
#include "execd/counters.h"
#include "execd/execd_impl.h"
#include "execd/jobs.h"
#include "execd/keyring.h"
#include "execd/qga.h"
#include "execd/scriptq.h"
#include "execd/sessions.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/response.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define SUBSYS "peer"

/* -- out ----------------------------------------------------------------------------------------
 */

void vmv_peer_fail(struct vmv_peer *p)
{
	if (p)
		vmv_link_fail(p->link, -ENOMEM);
}

/* One that is asked for and asked for and never reads would otherwise take all memory there is. */
void vmv_peer_send(struct vmv_peer *p, struct vmv_jw *w)
{
	int r = vmv_jw_finish(w);

	if (p && r == 0 && vmv_link_queued(p->link) > VMV_PEER_QUEUE_MAX)
		r = -ENOBUFS;
	if (p && r == 0)
		r = vmv_link_send(p->link, w->buf.data, w->buf.len);
	if (p && r < 0)
		vmv_link_fail(p->link, r);
	vmv_jw_free(w);
}

bool vmv_peer_is_slow(const struct vmv_peer *p)
{
	return p && vmv_link_queued(p->link) > VMV_PEER_QUEUE_HIGH;
}

/* An answer that is none: the agent need not wait any more. */
void vmv_settle(const struct vmv_return *to)
{
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "result");
	vmv_jw_u64(&w, "ref", to->ref);
	vmv_jw_null(&w, "data");
	vmv_jw_null(&w, "error_code");
	vmv_jw_null(&w, "error");
	vmv_jw_close(&w);
	vmv_peer_send(to->peer, &w);
}

void vmv_forward(const struct vmv_return *to, enum vmv_forward_class class, bool is_final,
		 bool is_vouched, const char *execution_id, const char *line, size_t len)
{
	static const char *const classes[] = {
		[VMV_FORWARD_REPLY] = "reply",
		[VMV_FORWARD_STREAM] = "stream",
		[VMV_FORWARD_NOTICE] = "notice",
	};
	struct vmv_jw w;

	if (!to->peer)
		return;
	vmv_jw_init(&w, VMV_LINK_LINE_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "forward");
	vmv_jw_u64(&w, "ref", to->ref);
	vmv_jw_str(&w, "channel", to->channel);
	vmv_jw_str(&w, "session", to->session);
	vmv_jw_str(&w, "class", classes[class]);
	vmv_jw_bool(&w, "final", is_final);
	vmv_jw_bool(&w, "vouched", is_vouched);
	vmv_jw_str(&w, "execution_id", execution_id);
	vmv_jw_bytes(&w, "line", line, len);
	vmv_jw_close(&w);
	vmv_peer_send(to->peer, &w);
}

/* -- verbs --------------------------------------------------------------------------------------
 */

static bool is_channel_name(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (len == 0 || len > VMV_CHANNEL_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= 0x20 || name[i] >= 0x7f)
			return false;
	return true;
}

static uint64_t ref_of(struct json_object *message)
{
	int64_t ref;

	return vmv_json_int(vmv_json_get(message, "ref"), 0, VMV_INT_MAX, &ref) ? (uint64_t)ref : 0;
}

static void write_keys(struct vmv_jw *w, const struct vmv_keyring *keys)
{
	vmv_jw_array(w, "keys");
	for (size_t i = 0; i < vmv_keyring_count(keys); i++)
		vmv_jw_str(w, NULL, vmv_keyring_id(keys, i));
	vmv_jw_end(w);
}

/* What the handshake may say of us. */
static void write_capabilities(struct vmv_jw *w, const struct vmv_execd *e)
{
	bool has_v1 = e->secret && e->config->accept_v1;
	bool has_v2 = vmv_keyring_count(e->keyring) > 0;
	struct vmv_policy policy;
	struct vmv_err err;

	vmv_execd_policy(e, &policy);
	vmv_jw_array(w, "capabilities");
	if (has_v1 || has_v2) {
		if (vmv_policy_check(&policy, &vmv_raw_command, &err) == 0)
			vmv_jw_str(w, NULL, "unsafe_commands");
		if (vmv_policy_check(&policy, vmv_command_find("FileRead"), &err) == 0)
			vmv_jw_str(w, NULL, "files");
		vmv_jw_str(w, NULL, "streaming");
	}
	if (has_v1)
		vmv_jw_str(w, NULL, "signed_v1");
	if (has_v2)
		vmv_jw_str(w, NULL, "signed_v2");
	vmv_jw_end(w);
}

static bool end_session(struct vmv_execd *e, const char *channel, const char *session)
{
	if (!vmv_sessions_end(e->sessions, channel, session))
		return false;
	vmv_jobs_session_ended(e->jobs, channel, session);
	vmv_scriptq_closed(e->scripts, channel);
	vmv_counters_drop(e->counters, session);
	return true;
}

/* Channels that the agent no longer has make room: it has not ended their sessions, or could not.
 */
static int begin_session(struct vmv_execd *e, const char *channel, char ret[VMV_UUID_SIZE])
{
	int r = vmv_sessions_begin(e->sessions, channel, ret);
	char oldest[VMV_CHANNEL_NAME_MAX + 1] = "", session[VMV_UUID_SIZE] = "";

	if (r != -ENOSPC)
		return r;
	(void)stpncpy(oldest, vmv_sessions_oldest(e->sessions), sizeof(oldest) - 1);
	(void)stpncpy(session, vmv_sessions_of(e->sessions, oldest), sizeof(session) - 1);
	if (vmv_execd_may_log(e))
		vmv_log(VMV_LOG_NOTICE, SUBSYS, "%s: too many channels, its session ends", oldest);
	(void)end_session(e, oldest, session);
	return vmv_sessions_begin(e->sessions, channel, ret);
}

static void on_session_open(struct vmv_peer *p, struct json_object *message)
{
	struct vmv_execd *e = p->execd;
	const char *channel = vmv_json_str(message, "channel"), *former;
	struct vmv_return to = { .peer = p, .ref = ref_of(message) };
	char ended[VMV_UUID_SIZE] = "";
	struct vmv_jw w;
	int r;

	if (!is_channel_name(channel)) {
		vmv_settle(&to);
		return;
	}
	former = vmv_sessions_of(e->sessions, channel);
	if (former)
		(void)stpncpy(ended, former, sizeof(ended) - 1);
	(void)stpncpy(to.channel, channel, sizeof(to.channel) - 1);
	r = begin_session(e, channel, to.session);
	if (r < 0) { /* the agent goes on without us */
		if (vmv_execd_may_log(e))
			vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: no session: %s", channel, strerror(-r));
		vmv_settle(&to);
		return;
	}
	if (*ended) { /* not before: its counters are needed as long as it could be the current one
		       */
		vmv_jobs_session_ended(e->jobs, channel, ended);
		vmv_counters_drop(e->counters, ended);
	}
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "session_opened");
	vmv_jw_u64(&w, "ref", to.ref);
	vmv_jw_str(&w, "channel", channel);
	vmv_jw_str(&w, "session", to.session);
	vmv_jw_str(&w, "vm_id", e->vm_id);
	vmv_jw_str(&w, "level", vmv_level_name((enum vmv_level)e->config->policy_level));
	vmv_jw_bool(&w, "can_verify",
		    vmv_keyring_count(e->keyring) > 0 || (e->secret && e->config->accept_v1));
	write_capabilities(&w, e);
	write_keys(&w, e->keyring);
	vmv_jw_close(&w);
	vmv_peer_send(p, &w);
	vmv_scriptq_opened(e->scripts, &to);
}

static void on_session_close(struct vmv_peer *p, struct json_object *message)
{
	const char *channel = vmv_json_str(message, "channel");
	const char *session = vmv_json_str(message, "session");

	if (channel && session)
		(void)end_session(p->execd, channel, session);
}

/* False: malformed, and nobody can be answered. */
static bool get_return(struct vmv_peer *p, struct json_object *message, struct vmv_return *ret)
{
	const char *channel = vmv_json_str(message, "channel");
	const char *session = vmv_json_str(message, "session");

	*ret = (struct vmv_return){ .peer = p, .ref = ref_of(message) };
	if (!is_channel_name(channel) || !session || strlen(session) >= sizeof(ret->session))
		return false;
	(void)stpncpy(ret->channel, channel, sizeof(ret->channel) - 1);
	(void)stpncpy(ret->session, session, sizeof(ret->session) - 1);
	return true;
}

static bool is_current(const struct vmv_execd *e, const struct vmv_return *from)
{
	const char *session = vmv_sessions_of(e->sessions, from->channel);

	return session && strcmp(session, from->session) == 0;
}

static void with_line(struct vmv_peer *p, struct json_object *message,
		      void (*run)(struct vmv_execd *e, const struct vmv_return *from,
				  const char *line, size_t len))
{
	struct vmv_return from;
	size_t len = 0;
	const char *line = vmv_json_text(vmv_json_get(message, "line"), &len);

	if (!get_return(p, message, &from) || !line) {
		vmv_settle(&from);
		return;
	}
	if (is_current(p->execd, &from))
		vmv_scriptq_heard(p->execd->scripts, &from);
	run(p->execd, &from, line, len);
}

static void on_submit(struct vmv_peer *p, struct json_object *message)
{
	with_line(p, message, vmv_execd_submit);
}

static void on_verify(struct vmv_peer *p, struct json_object *message)
{
	with_line(p, message, vmv_execd_verify);
}

static void on_job(struct vmv_peer *p, struct json_object *message)
{
	const char *op = vmv_json_str(message, "op"), *job = vmv_json_str(message, "job");
	struct vmv_err err = { 0 };
	struct vmv_jw data, w;
	int r;

	vmv_jw_init(&data, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	if (op && strcmp(op, "cancel") == 0)
		r = vmv_jobs_cancel(p->execd->jobs, job ? job : "", &data, &err);
	else
		r = vmv_jobs_status(p->execd->jobs, job, &data, &err);
	vmv_jw_init(&w, VMV_LINK_LINE_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "result");
	vmv_jw_u64(&w, "ref", ref_of(message));
	vmv_jw_str(&w, "error_code", r < 0 ? vmv_error_code(err.code) : NULL);
	vmv_jw_str(&w, "error", r < 0 ? err.msg : NULL);
	if (r == 0 && vmv_jw_finish(&data) == 0)
		vmv_jw_raw(&w, "data", data.buf.data, data.buf.len);
	else
		vmv_jw_null(&w, "data");
	vmv_jw_close(&w);
	vmv_peer_send(p, &w);
	vmv_jw_free(&data);
}

static void on_qga(struct vmv_peer *p, struct json_object *message)
{
	const char *channel = vmv_json_str(message, "channel");
	struct vmv_return to = { .peer = p, .ref = ref_of(message) };
	struct vmv_err err;

	if (!is_channel_name(channel)) {
		(void)vmv_fail(&err, VMV_E_RANGE, EINVAL, "there is no such channel");
		vmv_execd_qga_result(&to, &err, NULL, 0);
		return;
	}
	(void)stpncpy(to.channel, channel, sizeof(to.channel) - 1);
	vmv_execd_qga_ask(p->execd, &to, vmv_json_str(message, "command"),
			  vmv_json_get(message, "arguments"));
}

static void on_delivered(struct vmv_peer *p, struct json_object *message)
{
	const char *id = vmv_json_str(message, "execution_id");

	if (id)
		vmv_scriptq_delivered(p->execd->scripts, id);
}

static void on_taken(struct vmv_peer *p, struct json_object *message)
{
	int64_t bytes;

	if (vmv_json_int(vmv_json_get(message, "bytes"), 0, VMV_INT_MAX, &bytes))
		vmv_jobs_taken(p->execd->jobs, p, ref_of(message), (uint64_t)bytes);
}

/* The closed list. */
static const struct {
	const char *type;
	void (*run)(struct vmv_peer *p, struct json_object *message);
} verbs[] = {
	{ "session_open", on_session_open },
	{ "session_close", on_session_close },
	{ "submit", on_submit },
	{ "verify", on_verify },
	{ "job", on_job },
	{ "qga", on_qga },
	{ "delivered", on_delivered },
	{ "taken", on_taken },
};

static void on_line(void *arg, const char *line, size_t len)
{
	struct vmv_peer *p = arg;
	struct json_object *message;
	const char *type;

	if (vmv_json_parse(line, len, &message, NULL) < 0) {
		if (vmv_execd_may_log(p->execd))
			vmv_log(VMV_LOG_WARNING, SUBSYS,
				"the agent sent what is no message; dropped");
		return;
	}
	vmv_execd_busy(p->execd);
	(void)vmv_execd_is_frozen(p->execd); /* before anything is written down */
	p->is_leaving = false;
	type = vmv_json_str(message, "type");
	for (size_t i = 0; type && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].type, type) == 0) {
			verbs[i].run(p, message);
			break;
		}
	}
	json_object_put(message);
	if (vmv_peer_is_slow(p)) /* who does not read is not read */
		vmv_link_pause(p->link, true);
}

static void on_drained(void *arg)
{
	struct vmv_peer *p = arg;

	vmv_link_pause(p->link, false);
	vmv_jobs_drained(p->execd->jobs, p);
}

/* -- life ---------------------------------------------------------------------------------------
 */

static void on_lost(void *arg, int error)
{
	struct vmv_peer *p = arg;

	if (error < 0 && vmv_execd_may_log(p->execd))
		vmv_log(VMV_LOG_WARNING, SUBSYS, "connection to the agent lost: %s",
			strerror(-error));
	vmv_peer_free(p);
}

int vmv_peer_new(struct vmv_execd *e, int fd, pid_t pid)
{
	static const struct vmv_link_calls calls = { .line = on_line,
						     .lost = on_lost,
						     .drained = on_drained };
	struct vmv_peer *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	*p = (struct vmv_peer){ .execd = e, .pid = pid };
	r = vmv_link_new(&p->link, e->base, fd, VMV_LINK_LINE_MAX, &calls, p);
	if (r < 0) {
		free(p);
		return r;
	}
	e->peers[e->n_peers++] = p;
	return 0;
}

void vmv_peer_free(struct vmv_peer *p)
{
	struct vmv_execd *e = p->execd;

	for (size_t i = 0; i < e->n_peers; i++) {
		if (e->peers[i] == p) {
			e->peers[i] = e->peers[--e->n_peers];
			break;
		}
	}
	/* one that asked us to leave it has no work here, and its sessions go on */
	vmv_jobs_peer_gone(e->jobs, p);
	vmv_scriptq_peer_gone(e->scripts, p);
	vmv_link_free(p->link);
	free(p);
	vmv_execd_busy(e);
}

void vmv_peer_ask_to_leave(struct vmv_peer *p)
{
	struct vmv_jw w;

	if (p->is_leaving)
		return;
	p->is_leaving = true;
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "bye");
	vmv_jw_close(&w);
	vmv_peer_send(p, &w);
}
