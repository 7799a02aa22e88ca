/* The inside of a session, for the files session*.c only. */
#ifndef VMV_AGENT_SESSION_IMPL_H
#define VMV_AGENT_SESSION_IMPL_H

#include "agent/session.h"
#include "base/bucket.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "commands/command.h"
#include "proto/ndjson.h"
#include "virtio/channel.h"

#include <event2/event.h>

struct json_object;
struct vmv_jw;
struct vmv_poll;
struct vmv_request;
struct vmv_state_job;

/* The session that a talk is. */
static inline struct vmv_session *vmv_session_of(struct vmv_talk *t)
{
	return (struct vmv_session *)t;
}

#define VMV_SESSION_SUBSYS "session"

/* Lines that could not be used, told to the host at most once per VMV_REPORT_MS. */
struct complaint {
	uint64_t pending; /* not told yet */
	uint64_t told_ms;
};

/* What the executor said of itself when the session began. */
struct vmv_session_executor {
	bool is_there, can_verify;
	enum vmv_level level;
	unsigned capabilities; /* a bit for each that session_executor.c knows */
};

/* Output of a job that waits in the queue. */
struct vmv_streamed {
	uint64_t ref; /* the executor's question */
	size_t bytes;
};

struct vmv_completion;
struct vmv_waiting;

struct vmv_session {
	struct vmv_talk talk;
	const struct vmv_session_env *env;
	struct vmv_framer framer;
	struct vmv_talk_stats stats;
	char id[VMV_UUID_SIZE];
	bool is_attached;
	bool is_deaf;	  /* shutting down */
	bool is_loud;	  /* its coming was told in the log, and its going will be */
	bool is_vmvitals; /* the host has shown that it knows section 6 */
	bool is_opening;  /* a host is there; the executor is asked for a session */
	struct vmv_session_executor executor;
	struct vmv_session_executor late; /* it answered when the session had begun without it */
	char late_id[VMV_UUID_SIZE];	  /* what it calls the session that should be */
	const char *capabilities[8];
	void (*renewed)(void *arg); /* called when the session that was asked for has begun */
	void *renewed_arg;
	bool is_signed;	  /* what is being handled came in an envelope, good or not */
	const char *line; /* being handled; borrowed; NULL: none */
	size_t line_len;
	struct vmv_bucket unvouched;   /* refusals that anybody could have asked for */
	struct vmv_streamed *streamed; /* in the order of the queue */
	size_t n_streamed, max_streamed;
	struct vmv_completion *completions; /* sent, and not yet taken for delivered */
	unsigned n_completions;
	struct vmv_waiting *waiting; /* messages that the executor looks at */
	struct event *delivered;
	uint64_t epoch; /* answers of an earlier one are not sent any more */

	struct vmv_request *requests; /* unanswered */
	unsigned in_flight;
	size_t held_bytes; /* of lines that they came in, and that are still in memory */

	uint64_t metrics_ms; /* monotonic: when metrics were last queued; 0: not in this session */
	uint64_t metrics_due_ms;
	bool is_reading;     /* a metrics message is on its way */
	bool metrics_failed; /* said so */
	struct vmv_bucket keep_alives, notices, entries;
	uint64_t suppressed; /* notices */
	struct complaint malformed, oversize;

	struct event *more;	/* lines are left over */
	struct event *restart;	/* the executor is there now */
	struct event *greeting; /* the first metrics take too long */
	struct event *metrics;
	struct event *complain;
	struct vmv_poll *poll;
};

/* session_base.c: what all of them use */
void vmv_session_timer(struct event *timer, uint64_t ms);
uint64_t vmv_session_now_ms(const struct vmv_session *s);
void vmv_session_stamp(const struct vmv_session *s, char stamp[VMV_STAMP_SIZE]);
const char *vmv_session_name(const struct vmv_session *s); /* its channel's */

/* Queues what was written, if it was written well, and frees it. Returns 0 or negative errno. */
int vmv_session_send(struct vmv_session *s, enum vmv_class class, struct vmv_jw *w);

/* session_metrics.c: the rhythm of metrics messages */
void vmv_session_addresses_changed(struct vmv_talk *t);
void vmv_session_ask_metrics(struct vmv_session *s);
void vmv_session_metrics_by(struct vmv_session *s, uint64_t due_ms); /* not later than due_ms */
void vmv_session_on_metrics_timer(evutil_socket_t fd, short what, void *arg);

/* session_complaints.c: lines that could not be used, told to the host now and then */
void vmv_session_complain(struct vmv_session *s);
void vmv_session_on_complain_timer(evutil_socket_t fd, short what, void *arg);

/* session_messages.c: one parsed line */
void vmv_session_dispatch(struct vmv_session *s, struct json_object *message);

/* session.c */
void vmv_session_begin(struct vmv_session *s, const char *id); /* NULL: of our own */
void vmv_session_reconfigure(struct vmv_talk *t);
bool vmv_session_is_busy(const struct vmv_session *s);

/* Where the executor came late, the session begins anew with it as soon as nothing is unanswered
 * or unsent. To be called whenever that may be so. */
void vmv_session_restart_soon(struct vmv_session *s);

/* session_executor.c: what the executor does for a session */
const char *const *vmv_session_capabilities(struct vmv_session *s);
bool vmv_session_can_run_scripts(const struct vmv_session *s);
void vmv_session_open_executor(struct vmv_session *s);
void vmv_session_close_executor(struct vmv_session *s);
void vmv_session_completion(struct vmv_talk *t, struct json_object *m);
void vmv_session_acknowledge_scripts(struct vmv_session *s, struct json_object *ids);
void vmv_session_on_written(void *arg);
void vmv_session_on_delivered(evutil_socket_t fd, short what, void *arg);

/* The line being handled goes to the executor. Return 0, or negative errno as agent/executor.h
 * says. */
int vmv_session_submit(struct vmv_session *s, struct vmv_request *req);
int vmv_session_submit_scripts(struct vmv_session *s);
int vmv_session_verify(struct vmv_session *s, struct vmv_request *req);

/* Handles the message once the line is found to be signed well. */
void vmv_session_verify_message(struct vmv_session *s, struct json_object *message,
				void (*handle)(struct vmv_session *, struct json_object *));
void vmv_session_drop_waiting(struct vmv_session *s);

/* session_commands.c */
void vmv_session_run_request(struct vmv_session *s, struct vmv_request *req);
bool vmv_session_may_refuse(struct vmv_session *s); /* what nobody vouches for */
struct vmv_err;
void vmv_session_refuse(struct vmv_session *s, struct vmv_request *req, const struct vmv_err *err,
			const char *data);

/* Ends a request with a line of the executor's, or (NULL) without an answer. */
void vmv_session_pass_answer(struct vmv_session *s, struct vmv_request *req, const char *line,
			     size_t len);

/* session_commands.c: a message that is a command, or of a type nobody knows */
void vmv_session_command(struct vmv_session *s, struct json_object *message, bool is_signed);
void vmv_session_drop_requests(struct vmv_session *s);
unsigned vmv_session_in_flight(struct vmv_talk *t);
size_t vmv_session_jobs(struct vmv_talk *t, struct vmv_state_job *ret, size_t max);
void vmv_session_interrupt(struct vmv_talk *t);
void vmv_session_drop_submitted(struct vmv_session *s); /* the executor will not answer them */

#endif
