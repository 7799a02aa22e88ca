/* A control group for one job, so that all it starts can be found again. */
#ifndef VMV_JOB_GROUP_H
#define VMV_JOB_GROUP_H

#include <stddef.h>

struct vmv_err;

#define VMV_GROUP_PATH_SIZE 512
/* A job that forks without end must not take the guest down: so many, and no more than this part of
 * what the kernel can have, which is few where there is little memory. */
#define VMV_GROUP_TASKS_MAX  4096
#define VMV_GROUP_TASKS_PART 4
#define VMV_GROUP_WAIT_MS    5000

/* Moves this process: where systemd rules, into a scope, vmvitals-job-NAME.scope in vmvitals.slice;
 * elsewhere into a directory of cgroup2, vmvitals/job-NAME, where that can be made (which removes
 * what earlier jobs left empty, too). name: as in job/describe.h.
 *
 * ret  the group's path below the mount of cgroup2
 * Returns 0, or negative errno with err set, and then the process is where it was, or in a group
 * that cannot be told by a path. */
int vmv_group_enter(const char *name, char ret[VMV_GROUP_PATH_SIZE], struct vmv_err *err);

#endif
