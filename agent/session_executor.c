#include "agent/executor.h"
#include "agent/session_impl.h"
#include "base/err.h"
#include "base/log.h"
#include "commands/judge.h"
#include "commands/request.h"
#include "proto/json_copy.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/response.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELIVERED_MS 30000 /* a completion that was written so long ago has arrived */

/* -- the executor's side of a session -----------------------------------------------------------
 */

/* What it may add to the capabilities of a handshake, in their order there. */
static const char *const known[] = { "unsafe_commands", "streaming", "files", "signed_v1",
				     "signed_v2" };

const char *const *vmv_session_capabilities(struct vmv_session *s)
{
	size_t n = 0;

	s->capabilities[n++] = "metrics";
	s->capabilities[n++] = "safe_commands";
	for (size_t i = 0; i < VMV_COUNTOF(known); i++)
		if (s->executor.capabilities & (1u << i))
			s->capabilities[n++] = known[i];
	s->capabilities[n] = NULL;
	return s->capabilities;
}

bool vmv_session_can_run_scripts(const struct vmv_session *s)
{
	return (s->executor.capabilities & 1u) != 0;
}

static void take_capabilities(struct vmv_session_executor *x, struct json_object *list)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t k = 0; k < n; k++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, k));

		for (size_t i = 0; name && i < VMV_COUNTOF(known); i++)
			if (strcmp(known[i], name) == 0)
				x->capabilities |= 1u << i;
	}
}

/* False: not what it should be. */
static bool take_opened(const struct vmv_session *s, struct json_object *m,
			struct vmv_session_executor *ret, char id[VMV_UUID_SIZE])
{
	struct vmv_session_executor x = { .is_there = true };
	const char *session = vmv_json_str(m, "session"), *level = vmv_json_str(m, "level");
	const char *vm_id = vmv_json_str(m, "vm_id");

	if (!session || strlen(session) != VMV_UUID_SIZE - 1 || !level)
		return false;
	for (x.level = VMV_MONITOR; x.level < VMV_FULL; x.level++)
		if (strcmp(vmv_level_name(x.level), level) == 0)
			break;
	x.can_verify = json_object_get_boolean(vmv_json_get(m, "can_verify"));
	take_capabilities(&x, vmv_json_get(m, "capabilities"));
	if (vm_id && strcmp(vm_id, s->env->vm_id) != 0)
		vmv_log(VMV_LOG_WARNING, VMV_SESSION_SUBSYS,
			"the executor knows this guest as '%s': what is signed for '%s' will be "
			"refused",
			vm_id, s->env->vm_id);
	*ret = x;
	memcpy(id, session, VMV_UUID_SIZE);
	return true;
}

static void on_opened(void *arg, uint64_t ref, enum vmv_executor_news news, struct json_object *m)
{
	struct vmv_session *s = arg;
	struct vmv_session_executor x;
	char id[VMV_UUID_SIZE];

	(void)ref;
	if (news != VMV_EXECUTOR_ANSWER || !take_opened(s, m, &x, id)) {
		if (s->is_opening)
			vmv_session_begin(s, NULL);
	} else if (s->is_opening) {
		s->executor = x;
		vmv_session_begin(s, id);
	} else { /* it came late */
		s->late = x;
		memcpy(s->late_id, id, sizeof(id));
		vmv_session_restart_soon(s);
	}
}

struct vmv_completion {
	struct vmv_completion *next;
	uint64_t written_ms; /* monotonic; 0: it still waits */
	char id[];
};

static void completion_free(struct vmv_session *s, struct vmv_completion **at)
{
	struct vmv_completion *c = *at;

	*at = c->next;
	s->n_completions--;
	free(c);
}

void vmv_session_open_executor(struct vmv_session *s)
{
	s->executor = (struct vmv_session_executor){ .is_there = false };
	vmv_executor_forget(s->env->executor, s);
	s->is_opening = true;
	if (vmv_executor_open(s->env->executor, vmv_session_name(s), on_opened, s) < 0)
		vmv_session_begin(s, NULL);
}

void vmv_session_close_executor(struct vmv_session *s)
{
	vmv_executor_forget(s->env->executor, s);
	if (s->executor.is_there)
		vmv_executor_close(s->env->executor, vmv_session_name(s), s->id);
	s->executor = s->late = (struct vmv_session_executor){ .is_there = false };
	vmv_session_drop_submitted(s);
	s->n_streamed = 0;
	while (s->completions)
		completion_free(s, &s->completions);
	(void)event_del(s->delivered);
	(void)event_del(s->restart);
}

/* -- lines of the executor ----------------------------------------------------------------------
 */

/* It writes what goes on the wire; a line end in it would be two lines. */
static const char *wire_line(struct json_object *m, size_t *len)
{
	const char *line = vmv_json_text(vmv_json_get(m, "line"), len);

	for (size_t i = 0; line && i < *len; i++)
		if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] >= 0x7f)
			return NULL;
	return line;
}

static bool make_room(struct vmv_session *s)
{
	size_t max = s->max_streamed > 0 ? 2 * s->max_streamed : 16;
	struct vmv_streamed *more;

	if (s->n_streamed < s->max_streamed)
		return true;
	more = realloc(s->streamed, max * sizeof(*more));
	if (!more)
		return false;
	s->streamed = more;
	s->max_streamed = max;
	return true;
}

/* How much of what was streamed still waits is told to the executor, which slows its job down: so
 * there are no more entries than lines in the queue, and a bound of their bytes. */
static void note_streamed(struct vmv_session *s, uint64_t ref, size_t bytes)
{
	struct vmv_streamed *last = s->n_streamed > 0 ? &s->streamed[s->n_streamed - 1] : NULL;

	if (last && last->ref == ref)
		last->bytes += bytes;
	else if (make_room(s))
		s->streamed[s->n_streamed++] = (struct vmv_streamed){ ref, bytes };
	else /* no memory: its job is not slowed down by this line */
		vmv_executor_taken(s->env->executor, ref, bytes);
}

/* A line of output, into the queue; what cannot get there does not wait there. */
static void pass_output(struct vmv_session *s, uint64_t ref, const char *line, size_t len)
{
	if (vmv_channel_send(s->talk.channel, VMV_CLASS_STREAM, 0, line, len) == 0)
		note_streamed(s, ref, len + 1);
	else
		vmv_executor_taken(s->env->executor, ref, len + 1);
}

static void take_streamed(struct vmv_session *s)
{
	size_t queued = vmv_outq_class_bytes(vmv_channel_queue(s->talk.channel), VMV_CLASS_STREAM);
	size_t known_bytes = 0, gone, done = 0;

	for (size_t i = 0; i < s->n_streamed; i++)
		known_bytes += s->streamed[i].bytes;
	gone = known_bytes > queued ? known_bytes - queued : 0;
	while (gone > 0 && done < s->n_streamed) {
		struct vmv_streamed *first = &s->streamed[done];
		size_t n = first->bytes < gone ? first->bytes : gone;

		vmv_executor_taken(s->env->executor, first->ref, n);
		first->bytes -= n;
		gone -= n;
		if (first->bytes > 0)
			break;
		done++;
	}
	memmove(s->streamed, s->streamed + done, (s->n_streamed - done) * sizeof(s->streamed[0]));
	s->n_streamed -= done;
}

static bool is_streaming(const struct vmv_session *s, uint64_t ref)
{
	for (size_t i = 0; i < s->n_streamed; i++)
		if (s->streamed[i].ref == ref)
			return true;
	return false;
}

/* The answer comes after the output it answers for: while that waits, it waits behind it. */
static void pass_answer(struct vmv_session *s, struct vmv_request *req, uint64_t ref,
			const char *line, size_t len)
{
	bool waits = is_streaming(s, ref) && req->epoch == s->epoch;

	if (waits && vmv_channel_send(s->talk.channel, VMV_CLASS_STREAM, 0, line, len) == 0) {
		note_streamed(s, ref, len + 1);
		vmv_session_pass_answer(s, req, NULL, 0);
	} else {
		vmv_session_pass_answer(s, req, line, len);
	}
}

static void on_submitted(void *arg, uint64_t ref, enum vmv_executor_news news,
			 struct json_object *m)
{
	static const struct vmv_err lost = { VMV_E_IO, 0, "executor went away" };
	struct vmv_request *req = arg;
	struct vmv_session *s = req->session;
	size_t len = 0;
	const char *line = m ? wire_line(m, &len) : NULL;

	if (news == VMV_EXECUTOR_LOST || (news == VMV_EXECUTOR_ANSWER && !line)) {
		vmv_request_fail(req, &lost);
		return;
	}
	if (news == VMV_EXECUTOR_MORE) {
		if (line && req->epoch == s->epoch)
			pass_output(s, ref, line, len);
		return;
	}
	if (json_object_get_boolean(vmv_json_get(m, "vouched"))) {
		pass_answer(s, req, ref, line, len);
	} else if (vmv_session_may_refuse(s)) {
		s->stats.refused++;
		pass_answer(s, req, ref, line, len);
	} else {
		vmv_session_pass_answer(s, req, NULL, 0);
	}
}

int vmv_session_submit(struct vmv_session *s, struct vmv_request *req)
{
	int64_t r = vmv_executor_submit(s->env->executor, vmv_session_name(s), s->id, s->line,
					s->line_len, on_submitted, req);

	req->is_submitted = r > 0;
	return r < 0 ? (int)r : 0;
}

int vmv_session_submit_scripts(struct vmv_session *s)
{
	if (!s->executor.is_there)
		return -ENOENT;
	return vmv_executor_submit_scripts(s->env->executor, vmv_session_name(s), s->id, s->line,
					   s->line_len);
}

/* -- verifying what the agent does --------------------------------------------------------------
 */

static void on_verdict(void *arg, uint64_t ref, enum vmv_executor_news news, struct json_object *m)
{
	static const struct vmv_err lost = { VMV_E_IO, 0, "executor went away" };
	struct vmv_request *req = arg;
	struct vmv_session *s = req->session;
	const char *code = m ? vmv_json_str(m, "error_code") : NULL;
	const char *text = m ? vmv_json_str(m, "error") : NULL;
	struct vmv_err err;
	struct vmv_jw data;

	(void)ref;
	if (req->epoch != s->epoch) {
		vmv_session_pass_answer(s, req, NULL, 0); /* nothing is done for who has gone */
	} else if (news != VMV_EXECUTOR_ANSWER) {
		vmv_request_fail(req, &lost);
	} else if (!code) {
		vmv_session_run_request(s, req);
	} else if (!json_object_get_boolean(vmv_json_get(m, "vouched")) &&
		   !vmv_session_may_refuse(s)) {
		vmv_session_pass_answer(s, req, NULL, 0);
	} else {
		(void)vmv_fail(&err, vmv_error_of(code), 0, "%s", text ? text : code);
		vmv_jw_init(&data, VMV_LINE_OUT_MAX);
		vmv_jw_copy(&data, NULL, vmv_json_get(m, "data"));
		(void)vmv_buf_add(&data.buf, "", 1);
		vmv_session_refuse(s, req, &err, data.error ? NULL : data.buf.data);
		vmv_jw_free(&data);
	}
}

int vmv_session_verify(struct vmv_session *s, struct vmv_request *req)
{
	int64_t r = vmv_executor_verify(s->env->executor, vmv_session_name(s), s->id, s->line,
					s->line_len, on_verdict, req);

	return r < 0 ? (int)r : 0;
}

/* A message without an answer, under [policy] require_signature. */
struct vmv_waiting {
	struct vmv_waiting *next;
	struct vmv_session *session;
	struct json_object *message; /* owned */
	uint64_t epoch;
	void (*handle)(struct vmv_session *s, struct json_object *message);
};

static void waiting_free(struct vmv_waiting *w)
{
	struct vmv_waiting **at = &w->session->waiting;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	json_object_put(w->message);
	free(w);
}

void vmv_session_drop_waiting(struct vmv_session *s)
{
	while (s->waiting) {
		vmv_executor_forget(s->env->executor, s->waiting);
		waiting_free(s->waiting);
	}
}

static void on_message_verdict(void *arg, uint64_t ref, enum vmv_executor_news news,
			       struct json_object *m)
{
	struct vmv_waiting *w = arg;
	struct vmv_session *s = w->session;

	(void)ref;
	if (news == VMV_EXECUTOR_ANSWER && !vmv_json_str(m, "error_code") && w->epoch == s->epoch)
		w->handle(s, w->message);
	else
		s->stats.ignored++;
	waiting_free(w);
}

void vmv_session_verify_message(struct vmv_session *s, struct json_object *message,
				void (*handle)(struct vmv_session *, struct json_object *))
{
	struct vmv_waiting *w = s->executor.is_there ? calloc(1, sizeof(*w)) : NULL;

	if (!w) {
		s->stats.ignored++;
		return;
	}
	*w = (struct vmv_waiting){ s->waiting, s, json_object_get(message), s->epoch, handle };
	s->waiting = w;
	if (vmv_executor_verify(s->env->executor, vmv_session_name(s), s->id, s->line, s->line_len,
				on_message_verdict, w) < 0) {
		s->stats.ignored++;
		waiting_free(w);
	}
}

/* -- JobStatus, JobCancel -----------------------------------------------------------------------
 */

static void on_jobs(void *arg, uint64_t ref, enum vmv_executor_news news, struct json_object *m)
{
	static const struct vmv_err lost = { VMV_E_IO, 0, "executor went away" };
	struct vmv_request *req = arg;
	const char *code = m ? vmv_json_str(m, "error_code") : NULL;
	const char *text = m ? vmv_json_str(m, "error") : NULL;
	struct json_object *data = m ? vmv_json_get(m, "data") : NULL;
	struct vmv_err err;

	(void)ref;
	if (news != VMV_EXECUTOR_ANSWER || (!code && !data)) {
		req->jobs_cb(req, &lost, NULL, 0);
	} else if (code) {
		(void)vmv_fail(&err, vmv_error_of(code), 0, "%s", text ? text : code);
		req->jobs_cb(req, &err, NULL, 0);
	} else {
		struct vmv_jw w;

		vmv_jw_init(&w, VMV_RESPONSE_MAX);
		vmv_jw_copy(&w, NULL, data);
		if (vmv_jw_finish(&w) == 0)
			req->jobs_cb(req, NULL, w.buf.data, w.buf.len);
		else
			req->jobs_cb(req, &lost, NULL, 0);
		vmv_jw_free(&w);
	}
}

int vmv_session_jobs_of(struct vmv_request *req, const char *op, const char *job, vmv_jobs_cb *cb)
{
	const struct vmv_session *s = req->session;

	req->jobs_cb = cb;
	if (!s->executor.is_there)
		return -ENOTCONN;
	return vmv_executor_job(s->env->executor, op, job, on_jobs, req) > 0 ? 0 : -ENOTCONN;
}

/* -- completions --------------------------------------------------------------------------------
 */

/* Told again by the executor in the next session, where it is not told to be delivered. */
static bool has_room(const struct vmv_session *s, size_t len)
{
	size_t queued = vmv_outq_class_bytes(vmv_channel_queue(s->talk.channel), VMV_CLASS_NOTICE);

	return queued == 0 || queued + len <= VMV_NOTICES_QUEUED;
}

static void note_completion(struct vmv_session *s, const char *id)
{
	struct vmv_completion **at = &s->completions, *c;
	size_t size = strlen(id) + 1;

	if (size > VMV_SCRIPT_ID_MAX + 1 || s->n_completions >= VMV_SCRIPTS_LIVE)
		return;
	c = malloc(sizeof(*c) + size);
	if (!c)
		return;
	*c = (struct vmv_completion){ .written_ms = 0 };
	memcpy(c->id, id, size);
	while (*at)
		at = &(*at)->next;
	*at = c;
	s->n_completions++;
}

void vmv_session_completion(struct vmv_talk *t, struct json_object *m)
{
	struct vmv_session *s = vmv_session_of(t);
	const char *id = vmv_json_str(m, "execution_id");
	size_t len = 0;
	const char *line = wire_line(m, &len);

	if (id && line && s->is_attached && has_room(s, len) &&
	    vmv_channel_send(s->talk.channel, VMV_CLASS_NOTICE, 0, line, len) == 0)
		note_completion(s, id);
}

static void arm_delivered(struct vmv_session *s)
{
	uint64_t due = UINT64_MAX, now = vmv_session_now_ms(s);

	for (const struct vmv_completion *c = s->completions; c; c = c->next)
		if (c->written_ms && c->written_ms + DELIVERED_MS < due)
			due = c->written_ms + DELIVERED_MS;
	if (due != UINT64_MAX)
		vmv_session_timer(s->delivered, due > now ? due - now : 0);
}

/* A host that knows section 6 acknowledges by itself. */
void vmv_session_on_delivered(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_session *s = arg;
	uint64_t now = vmv_session_now_ms(s);

	(void)fd;
	(void)what;
	for (struct vmv_completion **at = &s->completions; *at;) {
		const struct vmv_completion *c = *at;

		if (!c->written_ms || now < c->written_ms + DELIVERED_MS) {
			at = &(*at)->next;
			continue;
		}
		if (!s->is_vmvitals)
			vmv_executor_delivered(s->env->executor, c->id);
		completion_free(s, at);
	}
	arm_delivered(s);
}

/* No more of them than there can be; the others come again. */
void vmv_session_acknowledge_scripts(struct vmv_session *s, struct json_object *ids)
{
	size_t n = json_object_is_type(ids, json_type_array) ? json_object_array_length(ids) : 0;

	for (size_t i = 0; i < n && i < VMV_SCRIPTS_LIVE; i++) {
		struct json_object *id = json_object_array_get_idx(ids, i);

		if (json_object_is_type(id, json_type_string) &&
		    json_object_get_string_len(id) <= VMV_SCRIPT_ID_MAX)
			vmv_executor_delivered(s->env->executor, json_object_get_string(id));
	}
}

/* Some of the queue has been written. */
void vmv_session_on_written(void *arg)
{
	struct vmv_session *s = arg;
	bool is_changed = false;

	if (s->n_streamed > 0)
		take_streamed(s);
	vmv_session_restart_soon(s);
	if (!s->completions ||
	    vmv_outq_class_bytes(vmv_channel_queue(s->talk.channel), VMV_CLASS_NOTICE) > 0)
		return;
	for (struct vmv_completion *c = s->completions; c; c = c->next) {
		if (c->written_ms)
			continue;
		c->written_ms = vmv_session_now_ms(s);
		is_changed = true;
	}
	if (is_changed)
		arm_delivered(s);
}
