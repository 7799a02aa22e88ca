/* Raw commands (PROTOCOL.md 5.6): this process becomes the shell. */
#ifndef VMV_JOB_LAUNCH_H
#define VMV_JOB_LAUNCH_H

#include "job/action.h"

#define VMV_SCRIPT_FD 3 /* of the shell: /proc/self/fd/3 is what it runs */

/* args: of vmv_raw_command, checked. What is open above 2 must be CLOEXEC, but that descriptor 3
 * is replaced. The shell dies with the process that started this one.
 *
 * Returns only on failure: negative errno with err set: VMV_E_RANGE, VMV_E_DENIED, VMV_E_NOTFOUND,
 * VMV_E_UNSUPPORTED by what is wrong with the arguments, VMV_E_IO otherwise. Account and directory
 * may have changed by then: the process is of no use but to say so. */
int vmv_launch(const struct vmv_value *args, const struct vmv_job_settings *s, struct vmv_err *err);

/* For a program that root runs without a shell: makes this process what a raw command's is before
 * its shell, as root's own account, in "/". Returns 0 with *ret, the listed environment (new:
 * vmv_launch_free_env), or negative errno with err set: VMV_E_DENIED: run_as_allow does not name
 * root; VMV_E_IO. */
int vmv_launch_as_root(const struct vmv_job_settings *s, char ***ret, struct vmv_err *err);
void vmv_launch_free_env(char **env); /* may be NULL */

/* Whether a host may not set this variable (NAME, or NAME=VALUE): what programs of ours would
 * believe, and the dynamic linker. */
bool vmv_launch_is_refused(const char *variable);

/* Closes all descriptors from first on. */
void vmv_close_from(int first);

#endif
