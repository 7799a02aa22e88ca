/* Command line of vmvitals-execd. */
#ifndef VMV_EXECD_OPTIONS_H
#define VMV_EXECD_OPTIONS_H

#include <stdint.h>

struct vmv_execd_options {
	const char *config;	/* agent.conf; NULL: the built-in path, which need not exist */
	const char *socket;	/* NULL: handed over by the service manager */
	const char *run_dir;	/* /run/vmvitals/execd: sessions, counters, what runs */
	const char *state_dir;	/* /var/lib/vmvitals: nonces, scripts */
	const char *config_dir; /* /etc/vmvitals: trusted-keys.d, fsfreeze.d */
	const char *secret_env; /* /etc/infiniservice/agent.env */
	const char *root;	/* "/" */
	const char *job;	/* path of vmvitals-job */
	const char *agent_user; /* whose peers are served, beside root's */
	const char *log_level;	/* NULL: what the file says */
	uint64_t idle_s;	/* without work: exits; 0: never */
};

/* Returns 0 to go on, else an exit code plus 1: help and version were printed, or an error. */
int vmv_execd_options_parse(struct vmv_execd_options *ret, int argc, char **argv);

#endif
