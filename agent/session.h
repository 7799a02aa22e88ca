/* One channel's conversation: greeting, lines in, commands, metrics, and what is counted of it. */
#ifndef VMV_AGENT_SESSION_H
#define VMV_AGENT_SESSION_H

#include "commands/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct vmv_asker;
struct vmv_channel;
struct vmv_clock;
struct vmv_config;
struct vmv_err;
struct vmv_executor;
struct vmv_keeper;
struct vmv_os_sample;
struct vmv_services;
struct vmv_session;
struct vmv_spec;

/* What all sessions share; borrowed for their life. */
struct vmv_session_env {
	struct event_base *base;
	const struct vmv_clock *clock;
	struct vmv_keeper *keeper;
	struct vmv_asker *asker;	 /* NULL: there is no helper */
	const struct vmv_config *config; /* of the moment: a reload replaces it */
	const char *vm_id;
	const char *schema;
	const struct vmv_os_sample *os; /* as it was at the start */
	const struct vmv_services *services;
	struct vmv_executor *executor;
	bool (*is_frozen)(void *agent); /* filesystems are */
	void *agent;			/* for services, and the others */
	int sysfs;
	bool has_monitor;
	void (*finished)(void *agent); /* a channel that does not come back is over */
	void (*changed)(void *agent);  /* a host attached or left */
};

/* Opens the channel and serves it. Returns 0 and a new session, or negative errno with err set. */
int vmv_session_new(struct vmv_session **ret, const struct vmv_session_env *env,
		    const struct vmv_spec *spec, struct vmv_err *err);
void vmv_session_free(struct vmv_session *s);

struct vmv_channel *vmv_session_channel(const struct vmv_session *s);

/* An address of this guest changed: metrics soon. */
void vmv_session_addresses_changed(struct vmv_session *s);

/* The configuration changed. */
void vmv_session_reconfigure(struct vmv_session *s);

/* Something is still to be sent for what was asked or begun. */
bool vmv_session_is_busy(const struct vmv_session *s);

/* Shutdown: takes no more lines. Then: commands still running. Then: answers them as interrupted.
 */
void vmv_session_stop_intake(struct vmv_session *s);
unsigned vmv_session_in_flight(const struct vmv_session *s);

/* The commands still running, max of them at most. Returns how many; texts are borrowed until the
 * loop goes on. */
struct vmv_state_job;
size_t vmv_session_jobs(const struct vmv_session *s, struct vmv_state_job *ret, size_t max);
void vmv_session_interrupt(struct vmv_session *s);

struct vmv_session_stats {
	bool is_attached;
	const char *id;	   /* "" when none */
	uint64_t since_ms; /* monotonic: the session began */
	uint64_t lines;	   /* taken in, ever, like the following */
	uint64_t malformed, oversize, ignored, refused, late, duplicates;
};

struct vmv_session_stats vmv_session_stats(const struct vmv_session *s);

/* For struct vmv_services; session is a struct vmv_session. */
struct vmv_hello;
struct vmv_policy;
void vmv_session_hello(void *session, struct vmv_hello *ret);
void vmv_session_policy(void *session, struct vmv_policy *ret);
void vmv_session_renew(void *session, void (*cb)(void *arg), void *arg);
int vmv_session_jobs_of(struct vmv_request *req, const char *op, const char *job, vmv_jobs_cb *cb);
struct json_object;
void vmv_session_completion(struct vmv_session *s, struct json_object *m);

#endif
