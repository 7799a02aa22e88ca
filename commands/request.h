/* One command on its way: what it asks, and how it is answered. */
#ifndef VMV_COMMANDS_REQUEST_H
#define VMV_COMMANDS_REQUEST_H

#include "base/asker.h"
#include "base/limits.h"
#include "collectors/collector.h"
#include "commands/command.h"

#include <stdbool.h>
#include <stdint.h>

struct vmv_request;
struct vmv_facts;
struct vmv_health;
struct vmv_hello;
struct vmv_policy;
struct vmv_jw;
struct vmv_metrics_options;
struct vmv_address_memory;
struct vmv_rates;
struct vmv_state;
struct vmv_usage;

/* What somebody wants to know. */
struct vmv_ask {
	vmv_groups groups;   /* what is to be read */
	uint32_t max_age_ms; /* an earlier reading is good when younger; 0: one that begins now */
	bool has_rates;	     /* rates, too, and so the groups these are computed from */
};

/* A reading with what was computed from it. Borrowed for the length of a call. */
struct vmv_view {
	const struct vmv_facts *facts;
	const struct vmv_rates *rates; /* NULL unless asked for */
	const struct vmv_address_memory *addresses;
	const struct vmv_metrics_options *options;
};

/* view is NULL when there is none: out of memory, or the agent stops. */
typedef void vmv_view_cb(void *arg, const struct vmv_view *view);

/* What the executor says of jobs. err NULL: data is JSON, borrowed for the call. */
typedef void vmv_jobs_cb(struct vmv_request *req, const struct vmv_err *err, const char *data,
			 size_t len);

/* Whether filesystems are frozen (PROTOCOL.md 5.8). */
struct vmv_freeze_state {
	bool is_frozen;
	int64_t since_real_ms; /* since 1970 */
	uint64_t thaw_in_ms;
};

/* What handlers need of the program around them; the pointers are its own. */
struct vmv_services {
	/* Calls back once, now or later, with such a reading. Returns 0 or -ENOMEM (then it does
	 * not call back). */
	int (*fetch)(void *agent, const struct vmv_ask *ask, vmv_view_cb *cb, void *arg);
	/* texts are borrowed until the loop goes on */
	void (*hello)(void *session, struct vmv_hello *ret);
	void (*policy)(void *session, struct vmv_policy *ret);
	/* Ends the session and begins a new one; calls back once when that has begun, or cannot. */
	void (*renew)(void *session, void (*cb)(void *arg), void *arg);
	/* Evaluates all checks with a reading of vmv_checks_groups. Borrowed likewise. */
	const struct vmv_health *(*health)(void *agent, const struct vmv_view *view);
	/* texts are borrowed likewise */
	void (*state)(void *agent, struct vmv_state *ret);
	/* Asks the helper; as fetch of base/asker.h. -ENOENT: there is none. */
	int (*inquire)(void *agent, const struct vmv_wish *wish, vmv_answer_cb *cb, void *arg);
	uint32_t (*packages_age_ms)(void *agent); /* [cache] packages */
	/* A list of updates was made so long ago: so many are for security, VMV_UNSET: nobody
	 * knows. For the health check. May be NULL. */
	void (*note_updates)(void *agent, uint64_t security, uint64_t age_ms);
	/* op: "status" or "cancel"; job NULL: all. Calls back once. Returns 0, or -ENOTCONN (no
	 * executor), -ENOMEM (then it does not call back). */
	int (*jobs_of)(struct vmv_request *req, const char *op, const char *job, vmv_jobs_cb *cb);
	void (*freeze_state)(void *agent, struct vmv_freeze_state *ret);
	/* CPU use and memory that the agent has kept; NULL: nothing yet. Borrowed likewise. */
	const struct vmv_usage *(*usage)(void *agent);
	uint64_t (*uptime_s)(void *agent);
	unsigned (*jobs)(void *agent);
};

struct vmv_request {
	struct vmv_request *next; /* of the session's list; the owner's */
	const struct vmv_services *services;
	void *agent, *session; /* for services */
	const struct vmv_command *command;
	struct json_object *message; /* owned; NULL once the executor has the line */
	size_t held_bytes;	     /* of the line that it came in; the owner's */
	char id[VMV_ID_MAX + 1];
	struct vmv_value args[VMV_ARGS_MAX];
	uint64_t began_ms;    /* monotonic: the line was read */
	uint64_t epoch;	      /* the session's: an answer of another one is dropped */
	vmv_jobs_cb *jobs_cb; /* the services' */
	void *scratch;	      /* owned: of a handler that does its work piece by piece */
	bool is_truncated;
	bool is_unsafe;	   /* a raw command */
	bool is_counted;   /* as in flight */
	bool is_submitted; /* to the executor, which answers within the session only */
	/* Sends the answer and frees the request. data is the JSON of the data member (NULL: null),
	 * of a failure, too. */
	void (*answer)(struct vmv_request *req, const struct vmv_err *err, const char *text,
		       const struct vmv_jw *data);
};

/* Each answers and frees req. text: one line for people. data (may be NULL) is borrowed; an error
 * in it makes the answer a failure. */
void vmv_request_done(struct vmv_request *req, const char *text, const struct vmv_jw *data);
void vmv_request_fail(struct vmv_request *req, const struct vmv_err *err);

/* A failure whose data help the host; what could not be written is left out. */
void vmv_request_fail_with(struct vmv_request *req, const struct vmv_err *err,
			   const struct vmv_jw *data);

#endif
