/* One channel's conversation: greeting, lines in, commands, metrics, and what is counted of it. */
#ifndef VMV_AGENT_SESSION_H
#define VMV_AGENT_SESSION_H

#include "agent/talk.h"
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
	const char *runtime_dir; /* NULL: none */
	bool has_monitor;
	void (*finished)(void *agent); /* a channel that does not come back is over */
	void (*changed)(void *agent);  /* a host attached or left */
};

/* Serves a channel in the native dialect. */
int vmv_session_new(struct vmv_talk **ret, const struct vmv_session_env *env,
		    const struct vmv_spec *spec, struct vmv_err *err);

/* For struct vmv_services; session is a struct vmv_session. */
struct vmv_hello;
struct vmv_policy;
void vmv_session_hello(void *session, struct vmv_hello *ret);
void vmv_session_policy(void *session, struct vmv_policy *ret);
void vmv_session_renew(void *session, void (*cb)(void *arg), void *arg);
int vmv_session_jobs_of(struct vmv_request *req, const char *op, const char *job, vmv_jobs_cb *cb);

#endif
