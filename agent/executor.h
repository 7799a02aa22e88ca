/* The agent's connection to the executor: sessions, unopened envelopes, and what becomes of them.
 * It is made when there is something to say; the executor asks to be left when it is idle. */
#ifndef VMV_AGENT_EXECUTOR_H
#define VMV_AGENT_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct json_object;
struct vmv_executor;

/* What a question came to. All calls back come from the loop. */
enum vmv_executor_news {
	VMV_EXECUTOR_ANSWER, /* message: session_opened, verdict, result, or the last forward */
	VMV_EXECUTOR_MORE,   /* message: a forward, and more will come */
	VMV_EXECUTOR_LATE,   /* no answer to session_open in time; ANSWER or LOST may still come */
	VMV_EXECUTOR_LOST,   /* the executor is gone, and no answer will come */
};

/* message is borrowed for the call, NULL for LATE and LOST. */
typedef void vmv_executor_cb(void *arg, uint64_t ref, enum vmv_executor_news news,
			     struct json_object *message);

/* A line that belongs to no question: a completion. */
typedef void vmv_executor_notice_cb(void *arg, struct json_object *message);

/* path is copied; "": there is no executor. on_notice is for all sessions. NULL: no memory. */
struct vmv_executor *vmv_executor_new(struct event_base *base, const char *path,
				      vmv_executor_notice_cb *on_notice, void *arg);
void vmv_executor_free(struct vmv_executor *x);

/* The folder of its socket, where it also says whether filesystems are frozen; "": none. Borrowed
 * until the path changes. */
const char *vmv_executor_dir(const struct vmv_executor *x);

/* Another path. Returns 0 or -ENOMEM. */
int vmv_executor_set_path(struct vmv_executor *x, const char *path);

/* Each returns a number for the question, > 0, after which cb is called once or more; or negative
 * errno and cb is not called: -ENOENT there is no executor, -EBUSY it has been asked too much that
 * it has not answered or not even read, -ENOMEM, or why it cannot be reached. */
int64_t vmv_executor_open(struct vmv_executor *x, const char *channel, vmv_executor_cb *cb,
			  void *arg);
int64_t vmv_executor_submit(struct vmv_executor *x, const char *channel, const char *session,
			    const char *line, size_t len, vmv_executor_cb *cb, void *arg);
int64_t vmv_executor_verify(struct vmv_executor *x, const char *channel, const char *session,
			    const char *line, size_t len, vmv_executor_cb *cb, void *arg);

/* op: "status" or "cancel"; job NULL: all. */
int64_t vmv_executor_job(struct vmv_executor *x, const char *op, const char *job,
			 vmv_executor_cb *cb, void *arg);

/* A command of the QEMU guest agent; arguments NULL: none. len: bytes that it came in. The answer
 * is a result whose data is the value to return; PROTOCOL.md 6.9. */
struct json_object;
int64_t vmv_executor_qga(struct vmv_executor *x, const char *channel, const char *command,
			 struct json_object *arguments, size_t len, vmv_executor_cb *cb, void *arg);

/* Whether its socket is there; whoever listens starts it. */
bool vmv_executor_is_there(const struct vmv_executor *x);

/* Scripts have no answer: what becomes of them are completions. Returns 0 or negative errno. */
int vmv_executor_submit_scripts(struct vmv_executor *x, const char *channel, const char *session,
				const char *line, size_t len);
void vmv_executor_delivered(struct vmv_executor *x, const char *execution_id);

/* Without a connection, nothing is done. */
void vmv_executor_close(struct vmv_executor *x, const char *channel, const char *session);
void vmv_executor_taken(struct vmv_executor *x, uint64_t ref, size_t bytes);

/* Nobody with this arg is called back any more; what its questions come to is lost. */
void vmv_executor_forget(struct vmv_executor *x, const void *arg);

#endif
