/* Control groups of jobs (cgroup2): a job makes or gets its own (job/group.c), the executor ends
 * all that is in it. */
#ifndef VMV_EXEC_CGROUP_H
#define VMV_EXEC_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#define VMV_CGROUP_DIR	  "vmvitals" /* below the mount, where systemd does not rule */
#define VMV_CGROUP_PREFIX "job-"

/* The directory where cgroup2 is mounted: a new descriptor, or -ENOENT: nowhere, or negative
 * errno. */
int vmv_cgroup_mount(void);

/* Whether path, "/vmvitals/job-x" or "/….slice/vmvitals-job-x.scope", is the one of the job whose
 * group was to be x: nothing else may be killed. Pure. */
bool vmv_cgroup_is_of(const char *path, const char *group);

/* A new descriptor of the group's directory, or negative errno. */
int vmv_cgroup_open(const char *path);

/* Kills what is in it and below. Returns 1 while something is left, 0 when nothing is or the group
 * is gone, or negative errno. To be called until it is empty: before Linux 5.14 a process that
 * forks can be faster. */
int vmv_cgroup_kill(int fd);

/* Removes it when it is empty, and not one of systemd's, which does so itself. */
void vmv_cgroup_remove(const char *path);

#endif
