/* The inside of a session, for the files session*.c only. */
#ifndef VMV_AGENT_SESSION_IMPL_H
#define VMV_AGENT_SESSION_IMPL_H

#include "agent/session.h"
#include "base/bucket.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "proto/ndjson.h"
#include "virtio/channel.h"

#include <event2/event.h>

struct json_object;
struct vmv_jw;
struct vmv_poll;
struct vmv_request;

#define VMV_SESSION_SUBSYS "session"

/* Lines that could not be used, told to the host at most once per VMV_REPORT_MS. */
struct complaint {
	uint64_t pending; /* not told yet */
	uint64_t told_ms;
};

struct vmv_session {
	const struct vmv_session_env *env;
	struct vmv_channel *channel;
	struct vmv_framer framer;
	struct vmv_session_stats stats;
	char id[VMV_UUID_SIZE];
	bool is_attached;
	bool is_deaf;	  /* shutting down */
	bool is_vmvitals; /* the host has shown that it knows section 6 */
	uint64_t epoch;	  /* answers of an earlier one are not sent any more */

	struct vmv_request *requests; /* unanswered */
	unsigned in_flight;

	uint64_t metrics_ms; /* monotonic: when metrics were last queued; 0: not in this session */
	uint64_t metrics_due_ms;
	bool is_reading;     /* a metrics message is on its way */
	bool metrics_failed; /* said so */
	struct vmv_bucket keep_alives, notices, entries;
	uint64_t suppressed; /* notices */
	struct complaint malformed, oversize;

	struct event *more;	/* lines are left over */
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
void vmv_session_ask_metrics(struct vmv_session *s);
void vmv_session_metrics_by(struct vmv_session *s, uint64_t due_ms); /* not later than due_ms */
void vmv_session_on_metrics_timer(evutil_socket_t fd, short what, void *arg);

/* session_complaints.c: lines that could not be used, told to the host now and then */
void vmv_session_complain(struct vmv_session *s);
void vmv_session_on_complain_timer(evutil_socket_t fd, short what, void *arg);

/* session_messages.c: one parsed line */
void vmv_session_dispatch(struct vmv_session *s, struct json_object *message);

/* session_commands.c: a message that is a command, or of a type nobody knows */
void vmv_session_command(struct vmv_session *s, struct json_object *message);
void vmv_session_drop_requests(struct vmv_session *s);

#endif
