/* The agent: everything wired together, from start to stop. */
#ifndef VMV_AGENT_AGENT_H
#define VMV_AGENT_AGENT_H

#include <stdio.h>

struct vmv_agent;
struct vmv_config;
struct vmv_err;
struct vmv_options;

/* What comes with the environment; each may be NULL. */
struct vmv_agent_env {
	const char *vm_id;	 /* INFINIBAY_VM_ID */
	const char *runtime_dir; /* RUNTIME_DIRECTORY: a folder of the service manager's making */
};

/* Takes config; borrows options and what env points to for the agent's life. Returns 0 and a
 * new agent, or negative errno with err set, and then config is freed. */
int vmv_agent_new(struct vmv_agent **ret, const struct vmv_options *options,
		  struct vmv_config *config, const struct vmv_agent_env *env, struct vmv_err *err);
void vmv_agent_free(struct vmv_agent *a);

/* Serves its channels until SIGTERM or SIGINT, or until the last channel is over for good. Returns
 * 0, or negative errno with err set. */
int vmv_agent_run(struct vmv_agent *a, struct vmv_err *err);

/* Reads once and writes one metrics message to out, with LF. Serves nothing. Returns 0 or negative
 * errno with err set. */
int vmv_agent_once(struct vmv_agent *a, FILE *out, struct vmv_err *err);

#endif
