#include "agent/executor.h"

#include "base/limits.h"
#include "base/log.h"
#include "exec/link.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <errno.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define SUBSYS "executor"

struct question {
	struct question *next;
	struct vmv_executor *executor;
	uint64_t ref;
	vmv_executor_cb *cb; /* NULL: forgotten */
	const void *arg;
	struct event *late; /* session_open only */
};

struct vmv_executor {
	struct event_base *base;
	char *path, *dir; /* owned */
	vmv_executor_notice_cb *on_notice;
	void *arg;
	struct vmv_link *link; /* NULL: not connected */
	struct question *questions;
	uint64_t ref;
	bool was_refused; /* said so */
};

/* -- questions ----------------------------------------------------------------------------------
 */

static void question_free(struct question *q)
{
	if (q->late)
		event_free(q->late);
	free(q);
}

static struct question **find(struct vmv_executor *x, uint64_t ref)
{
	struct question **at = &x->questions;

	while (*at && (*at)->ref != ref)
		at = &(*at)->next;
	return at;
}

static void tell(const struct question *q, enum vmv_executor_news news, struct json_object *message)
{
	if (q->cb)
		q->cb((void *)(uintptr_t)q->arg, q->ref, news, message);
}

static void settle(struct vmv_executor *x, uint64_t ref, enum vmv_executor_news news,
		   struct json_object *message)
{
	struct question **at = find(x, ref), *q = *at;

	if (!q)
		return;
	if (news == VMV_EXECUTOR_MORE) {
		tell(q, news, message);
		return;
	}
	*at = q->next;
	tell(q, news, message);
	question_free(q);
}

static void lose_all(struct vmv_executor *x)
{
	while (x->questions)
		settle(x, x->questions->ref, VMV_EXECUTOR_LOST, NULL);
}

/* -- the link -----------------------------------------------------------------------------------
 */

static void on_bye(struct vmv_executor *x)
{
	if (x->questions || vmv_link_queued(x->link) > 0)
		return; /* it will see that it is wanted */
	vmv_link_free(x->link);
	x->link = NULL;
}

static void on_line(void *arg, const char *line, size_t len)
{
	struct vmv_executor *x = arg;
	struct json_object *message;
	const char *type;
	int64_t ref = 0;

	if (vmv_json_parse(line, len, &message, NULL) < 0) {
		vmv_log(VMV_LOG_WARNING, SUBSYS, "the executor sent what is no message; dropped");
		return;
	}
	type = vmv_json_str(message, "type");
	(void)vmv_json_int(vmv_json_get(message, "ref"), 0, VMV_INT_MAX, &ref);
	if (type && strcmp(type, "bye") == 0) {
		on_bye(x);
	} else if (type && strcmp(type, "forward") == 0) {
		const char *class = vmv_json_str(message, "class");
		bool is_final = json_object_get_boolean(vmv_json_get(message, "final"));

		if (class && strcmp(class, "notice") == 0)
			x->on_notice(x->arg, message);
		else
			settle(x, (uint64_t)ref, is_final ? VMV_EXECUTOR_ANSWER : VMV_EXECUTOR_MORE,
			       message);
	} else if (type) {
		settle(x, (uint64_t)ref, VMV_EXECUTOR_ANSWER, message);
	}
	json_object_put(message);
}

static void on_lost(void *arg, int error)
{
	struct vmv_executor *x = arg;

	if (error < 0 || x->questions)
		vmv_log(VMV_LOG_WARNING, SUBSYS, "the executor went away%s%s",
			error < 0 ? ": " : "", error < 0 ? strerror(-error) : "");
	vmv_link_free(x->link);
	x->link = NULL;
	lose_all(x);
}

static int connect_to(struct vmv_executor *x)
{
	static const struct vmv_link_calls calls = { .line = on_line, .lost = on_lost };
	int r;

	if (x->link)
		return 0;
	if (*x->path == '\0')
		return -ENOENT;
	r = vmv_link_connect(&x->link, x->base, x->path, VMV_LINK_LINE_MAX, &calls, x);
	if (r < 0 && r != -ENOENT && !x->was_refused)
		vmv_log(VMV_LOG_WARNING, SUBSYS, "%s: %s", x->path, strerror(-r));
	x->was_refused = r < 0;
	return r;
}

/* -- asking -------------------------------------------------------------------------------------
 */

static int64_t ask(struct vmv_executor *x, vmv_executor_cb *cb, void *arg, struct vmv_jw *w)
{
	struct question *q = calloc(1, sizeof(*q));
	int r = q ? vmv_jw_finish(w) : -ENOMEM;

	if (r == 0)
		r = vmv_link_send(x->link, w->buf.data, w->buf.len);
	vmv_jw_free(w);
	if (r < 0) {
		free(q);
		return r;
	}
	q->executor = x;
	q->ref = x->ref;
	q->cb = cb;
	q->arg = arg;
	q->next = x->questions;
	x->questions = q;
	return (int64_t)q->ref;
}

static void begin(struct vmv_executor *x, struct vmv_jw *w, const char *type)
{
	vmv_jw_init(w, VMV_LINK_LINE_MAX);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", type);
	vmv_jw_u64(w, "ref", ++x->ref);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct question *q = arg;

	(void)fd;
	(void)what;
	tell(q, VMV_EXECUTOR_LATE, NULL);
}

int64_t vmv_executor_open(struct vmv_executor *x, const char *channel, vmv_executor_cb *cb,
			  void *arg)
{
	const struct timeval tv = { .tv_sec = VMV_OPEN_WAIT_MS / 1000 };
	struct vmv_jw w;
	int64_t ref = connect_to(x);

	if (ref < 0)
		return ref;
	begin(x, &w, "session_open");
	vmv_jw_str(&w, "channel", channel);
	vmv_jw_close(&w);
	ref = ask(x, cb, arg, &w);
	if (ref < 0)
		return ref;
	x->questions->late = event_new(x->base, -1, 0, on_late, x->questions);
	if (x->questions->late)
		(void)event_add(x->questions->late, &tv);
	return ref;
}

static int64_t hand_over(struct vmv_executor *x, const char *type, const char *channel,
			 const char *session, const char *line, size_t len, vmv_executor_cb *cb,
			 void *arg)
{
	struct vmv_jw w;
	int r = connect_to(x);

	if (r < 0)
		return r;
	begin(x, &w, type);
	vmv_jw_str(&w, "channel", channel);
	vmv_jw_str(&w, "session", session);
	vmv_jw_bytes(&w, "line", line, len);
	vmv_jw_close(&w);
	return ask(x, cb, arg, &w);
}

int64_t vmv_executor_submit(struct vmv_executor *x, const char *channel, const char *session,
			    const char *line, size_t len, vmv_executor_cb *cb, void *arg)
{
	return hand_over(x, "submit", channel, session, line, len, cb, arg);
}

int64_t vmv_executor_verify(struct vmv_executor *x, const char *channel, const char *session,
			    const char *line, size_t len, vmv_executor_cb *cb, void *arg)
{
	return hand_over(x, "verify", channel, session, line, len, cb, arg);
}

int64_t vmv_executor_job(struct vmv_executor *x, const char *op, const char *job,
			 vmv_executor_cb *cb, void *arg)
{
	struct vmv_jw w;
	int r = connect_to(x);

	if (r < 0)
		return r;
	begin(x, &w, "job");
	vmv_jw_str(&w, "op", op);
	vmv_jw_str(&w, "job", job);
	vmv_jw_close(&w);
	return ask(x, cb, arg, &w);
}

/* -- telling ------------------------------------------------------------------------------------
 */

static void say(struct vmv_executor *x, struct vmv_jw *w)
{
	vmv_jw_close(w);
	if (vmv_jw_finish(w) == 0)
		(void)vmv_link_send(x->link, w->buf.data, w->buf.len);
	vmv_jw_free(w);
}

void vmv_executor_close(struct vmv_executor *x, const char *channel, const char *session)
{
	struct vmv_jw w;

	if (connect_to(x) < 0)
		return;
	begin(x, &w, "session_close");
	vmv_jw_str(&w, "channel", channel);
	vmv_jw_str(&w, "session", session);
	say(x, &w);
}

void vmv_executor_delivered(struct vmv_executor *x, const char *execution_id)
{
	struct vmv_jw w;

	if (connect_to(x) < 0)
		return;
	begin(x, &w, "delivered");
	vmv_jw_str(&w, "execution_id", execution_id);
	say(x, &w);
}

void vmv_executor_taken(struct vmv_executor *x, uint64_t ref, size_t bytes)
{
	struct vmv_jw w;

	if (!x->link)
		return;
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "taken");
	vmv_jw_u64(&w, "ref", ref);
	vmv_jw_u64(&w, "bytes", bytes);
	say(x, &w);
}

void vmv_executor_forget(struct vmv_executor *x, const void *arg)
{
	for (struct question *q = x->questions; q; q = q->next)
		if (q->arg == arg)
			q->cb = NULL;
}

/* -- life ---------------------------------------------------------------------------------------
 */

static int take_path(struct vmv_executor *x, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *copy = strdup(path), *dir = strndup(path, slash ? (size_t)(slash - path) : 0);

	if (!copy || !dir) {
		free(copy);
		free(dir);
		return -ENOMEM;
	}
	free(x->path);
	free(x->dir);
	x->path = copy;
	x->dir = dir;
	return 0;
}

struct vmv_executor *vmv_executor_new(struct event_base *base, const char *path,
				      vmv_executor_notice_cb *on_notice, void *arg)
{
	struct vmv_executor *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->base = base;
	x->on_notice = on_notice;
	x->arg = arg;
	if (take_path(x, path) < 0) {
		vmv_executor_free(x);
		return NULL;
	}
	return x;
}

void vmv_executor_free(struct vmv_executor *x)
{
	if (!x)
		return;
	vmv_link_free(x->link);
	for (struct question *q; (q = x->questions);) {
		x->questions = q->next;
		question_free(q);
	}
	free(x->path);
	free(x->dir);
	free(x);
}

const char *vmv_executor_dir(const struct vmv_executor *x)
{
	return x->dir;
}

int vmv_executor_set_path(struct vmv_executor *x, const char *path)
{
	if (strcmp(path, x->path) == 0)
		return 0;
	x->was_refused = false;
	return take_path(x, path);
}
