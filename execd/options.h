/* Command line of vmvitals-execd. */
#ifndef VMV_EXECD_OPTIONS_H
#define VMV_EXECD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct vmv_execd_options {
	const char *config;	/* agent.conf; NULL: the built-in path, which need not exist */
	const char *socket;	/* NULL: handed over by the service manager */
	const char *run_dir;	/* sessions, counters, what runs: gone after a reboot */
	const char *state_dir;	/* nonces, scripts */
	const char *config_dir; /* trusted-keys.d, fsfreeze.d */
	const char *secret_env; /* a file with a line INFINISERVICE_SHARED_SECRET= */
	const char *root;	/* "/" */
	const char *job;	/* path of vmvitals-job */
	const char *agent_user; /* whose processes are served, beside root's */
	const char *log_level;	/* NULL: what the file says */
	uint64_t idle_s;	/* exits after so long without work; 0: never */
	bool is_activated;	/* the service manager handed over a socket */
};

enum vmv_execd_mode { VMV_EXECD_RUN, VMV_EXECD_HELP, VMV_EXECD_VERSION, VMV_EXECD_USAGE };

/* Texts are borrowed from argv. Says what is wrong on standard error (USAGE). */
enum vmv_execd_mode vmv_execd_options_parse(struct vmv_execd_options *ret, int argc, char **argv);

void vmv_execd_help(void);

#endif
