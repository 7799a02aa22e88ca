/* One action of the executor, in a process of its own: it may block, its deadline is the runner's
 * (exec/job.h), and what it leaves behind ends with it. */
#ifndef VMV_JOB_ACTION_H
#define VMV_JOB_ACTION_H

#include "base/err.h"
#include "commands/command.h"
#include "proto/json_write.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct json_object;

/* What the executor tells each job beside the message; texts are borrowed. */
struct vmv_job_settings {
	const char *root;		 /* "/"; tests: a tree of their own, for files below it */
	const char *run_dir;		 /* /run/vmvitals-execd: root's own, gone after a reboot */
	const char *state_dir;		 /* /var/lib/vmvitals */
	const char *config_dir;		 /* /etc/vmvitals */
	const char *const *run_as_allow; /* accounts; none: any */
	size_t n_run_as_allow;
	const char *const *file_roots; /* where files may be read and written */
	size_t n_file_roots;
	const char *const *secret_paths; /* never read or written as a file, nor what is below */
	size_t n_secret_paths;
	uint32_t temp_age_days;
	pid_t executor; /* of the daemon */
	pid_t agent;	/* its peer; 0: unknown */
};

struct vmv_action {
	const struct vmv_command *command;
	const struct vmv_value *args; /* checked; places as in commands/command.h */
	struct json_object *message;
	const struct vmv_job_settings *settings;
	uint64_t deadline_ms; /* monotonic: TERM comes then; UINT64_MAX: never */

	/* To be filled. text: one line for people. data: a whole JSON object, written with vmv_jw;
	 * empty: null. Of a failure, too. */
	char text[256];
	struct vmv_jw data;
	/* The child's output and exit code are the answer (VMV_COMMAND_CHILD): what went to
	 * stdout and stderr is sent as it is, and this code. A failure then is no error of ours. */
	bool is_childs;
	int exit_code;
	/* What is still to happen when the answer has been written, by the executor: */
	enum {
		VMV_AFTER_NOTHING,
		VMV_AFTER_REBOOT,
		VMV_AFTER_POWEROFF,
		VMV_AFTER_HALT,
	} after;
	bool after_is_forced;
	uint32_t after_delay_s;
};

/* Returns 0, or negative errno with err set: its code is what the host is told. Not to be run as
 * anything but root; may use stdout and stderr (of rows without VMV_COMMAND_CHILD they go to the
 * journal, at debug level). */
typedef int vmv_action_fn(struct vmv_action *a, struct vmv_err *err);

struct vmv_action_row {
	const char *name;
	vmv_action_fn *run;
};

/* Sorted by name: one for each row of vmv_commands that the executor does. */
extern const struct vmv_action_row vmv_actions[];
extern const size_t vmv_n_actions;

const struct vmv_action_row *vmv_action_find(const char *name); /* NULL: none */

/* cleanup.c, clock.c, domain.c, files.c, freeze.c, golden.c, hostname.c, kill.c, package.c,
 * power.c, service.c, trim.c */
vmv_action_fn vmv_do_disk_cleanup;
vmv_action_fn vmv_do_set_time;
vmv_action_fn vmv_do_join_domain;
vmv_action_fn vmv_do_file_read, vmv_do_file_stat, vmv_do_file_write;
vmv_action_fn vmv_do_fs_freeze, vmv_do_fs_thaw;
vmv_action_fn vmv_do_prepare_golden_image;
vmv_action_fn vmv_do_set_hostname;
vmv_action_fn vmv_do_process_kill;
vmv_action_fn vmv_do_package_install, vmv_do_package_remove, vmv_do_package_update,
	vmv_do_update_system;
vmv_action_fn vmv_do_reboot, vmv_do_power_off;
vmv_action_fn vmv_do_service_control;
vmv_action_fn vmv_do_fs_trim;

#endif
