#include "agent/executor.h"

#include "base/limits.h"
#include "base/log.h"
#include "exec/link.h"
#include "proto/json_copy.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <errno.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUBSYS "executor"

struct question {
	struct question *next;
	uint64_t ref;
	vmv_executor_cb *cb;
	const void *arg;
	struct event *late; /* session_open only */
};

struct vmv_executor {
	struct event_base *base;
	char *path, *dir; /* owned */
	vmv_executor_notice_cb *on_notice;
	void *arg;
	struct vmv_link *link;	    /* NULL: not connected */
	struct question *questions; /* the newest first */
	unsigned n_questions;
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

static void take_out(struct vmv_executor *x, struct question **at)
{
	*at = (*at)->next;
	x->n_questions--;
}

static void tell(const struct question *q, enum vmv_executor_news news, struct json_object *message)
{
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
	take_out(x, at);
	tell(q, news, message);
	question_free(q);
}

/* Those of the connection that is gone: who is told may ask again, and so connect again. */
static void lose_all(struct vmv_executor *x)
{
	const uint64_t last = x->ref;

	for (;;) {
		const struct question *q = x->questions;

		while (q && q->ref > last)
			q = q->next;
		if (!q)
			return;
		settle(x, q->ref, VMV_EXECUTOR_LOST, NULL);
	}
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

/* Connected, and an executor that hangs has not been told too much already. One long line may
 * always go. */
static int get_ready(struct vmv_executor *x, size_t len)
{
	int r = connect_to(x);
	size_t queued = r < 0 ? 0 : vmv_link_queued(x->link);

	if (r < 0)
		return r;
	if (queued > 0 && queued + len > VMV_LINK_QUEUED_MAX)
		return -EBUSY;
	return x->n_questions >= VMV_LINK_QUESTIONS ? -EBUSY : 0;
}

/* Frees what was written. */
static int send_line(struct vmv_executor *x, struct vmv_jw *w)
{
	int r;

	vmv_jw_close(w);
	r = vmv_jw_finish(w);
	if (r == 0)
		r = vmv_link_send(x->link, w->buf.data, w->buf.len);
	vmv_jw_free(w);
	return r;
}

static int64_t ask(struct vmv_executor *x, struct question *q, struct vmv_jw *w)
{
	int r = send_line(x, w);

	if (r < 0) {
		question_free(q);
		return r;
	}
	q->ref = x->ref;
	q->next = x->questions;
	x->questions = q;
	x->n_questions++;
	return (int64_t)q->ref;
}

static struct question *question_new(vmv_executor_cb *cb, const void *arg)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q)
		*q = (struct question){ .cb = cb, .arg = arg };
	return q;
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
	(void)fd;
	(void)what;
	tell(arg, VMV_EXECUTOR_LATE, NULL);
}

int64_t vmv_executor_open(struct vmv_executor *x, const char *channel, vmv_executor_cb *cb,
			  void *arg)
{
	const struct timeval tv = { .tv_sec = VMV_OPEN_WAIT_MS / 1000 };
	struct question *q;
	struct vmv_jw w;
	int r = get_ready(x, 0);

	if (r < 0)
		return r;
	q = question_new(cb, arg);
	if (!q)
		return -ENOMEM;
	q->late = event_new(x->base, -1, 0, on_late, q);
	if (!q->late || event_add(q->late, &tv) < 0) {
		question_free(q);
		return -ENOMEM;
	}
	begin(x, &w, "session_open");
	vmv_jw_str(&w, "channel", channel);
	return ask(x, q, &w);
}

static void write_line(struct vmv_executor *x, struct vmv_jw *w, const char *type,
		       const char *channel, const char *session, const char *line, size_t len)
{
	begin(x, w, type);
	vmv_jw_str(w, "channel", channel);
	vmv_jw_str(w, "session", session);
	vmv_jw_bytes(w, "line", line, len);
}

static int64_t hand_over(struct vmv_executor *x, const char *type, const char *channel,
			 const char *session, const char *line, size_t len, vmv_executor_cb *cb,
			 void *arg)
{
	struct question *q;
	struct vmv_jw w;
	int r = get_ready(x, len);

	if (r < 0)
		return r;
	q = question_new(cb, arg);
	if (!q)
		return -ENOMEM;
	write_line(x, &w, type, channel, session, line, len);
	return ask(x, q, &w);
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
	struct question *q;
	struct vmv_jw w;
	int r = get_ready(x, 0);

	if (r < 0)
		return r;
	q = question_new(cb, arg);
	if (!q)
		return -ENOMEM;
	begin(x, &w, "job");
	vmv_jw_str(&w, "op", op);
	vmv_jw_str(&w, "job", job);
	return ask(x, q, &w);
}

int64_t vmv_executor_qga(struct vmv_executor *x, const char *channel, const char *command,
			 struct json_object *arguments, size_t len, vmv_executor_cb *cb, void *arg)
{
	struct question *q;
	struct vmv_jw w;
	int r = get_ready(x, len);

	if (r < 0)
		return r;
	q = question_new(cb, arg);
	if (!q)
		return -ENOMEM;
	begin(x, &w, "qga");
	vmv_jw_str(&w, "channel", channel);
	vmv_jw_str(&w, "command", command);
	vmv_jw_copy(&w, "arguments", arguments);
	return ask(x, q, &w);
}

bool vmv_executor_is_there(const struct vmv_executor *x)
{
	struct stat st;

	return *x->path && stat(x->path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* -- telling ------------------------------------------------------------------------------------
 */

int vmv_executor_submit_scripts(struct vmv_executor *x, const char *channel, const char *session,
				const char *line, size_t len)
{
	struct vmv_jw w;
	int r = get_ready(x, len);

	if (r < 0)
		return r;
	write_line(x, &w, "submit", channel, session, line, len);
	return send_line(x, &w);
}

/* An executor that has exited meanwhile has nothing left that the end of a session could end. */
void vmv_executor_close(struct vmv_executor *x, const char *channel, const char *session)
{
	struct vmv_jw w;

	if (!x->link)
		return;
	begin(x, &w, "session_close");
	vmv_jw_str(&w, "channel", channel);
	vmv_jw_str(&w, "session", session);
	(void)send_line(x, &w);
}

void vmv_executor_delivered(struct vmv_executor *x, const char *execution_id)
{
	struct vmv_jw w;

	if (get_ready(x, 0) < 0)
		return; /* it will be told again, and then be delivered again */
	begin(x, &w, "delivered");
	vmv_jw_str(&w, "execution_id", execution_id);
	(void)send_line(x, &w);
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
	(void)send_line(x, &w);
}

void vmv_executor_forget(struct vmv_executor *x, const void *arg)
{
	struct question **at = &x->questions;

	while (*at) {
		struct question *q = *at;

		if (q->arg == arg) {
			take_out(x, at);
			question_free(q);
		} else {
			at = &q->next;
		}
	}
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
	if (take_path(x, path) < 0)
		return -ENOMEM;
	x->was_refused = false;
	if (x->link && !x->questions) { /* else the former one keeps what it was asked */
		vmv_link_free(x->link);
		x->link = NULL;
	}
	return 0;
}
