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

/* Closes all descriptors from first on. */
void vmv_close_from(int first);

#endif
