/* Control groups by their id, which is the inode of their directory in cgroup2: what the kernel
 * says of a socket. */
#ifndef VMV_COLLECTORS_CGROUP_ID_H
#define VMV_COLLECTORS_CGROUP_ID_H

#include <stddef.h>
#include <stdint.h>

struct vmv_root;

/* Pure: what a group's path below the mount point of cgroup2 ("/system.slice/ssh.service/x") is
 * called: its unit, the last component that is named like one ("ssh.service"). Containers that
 * no unit stands for, and what lies deeper in a mere slice, keep their path; the root is "".
 * A name that does not fit is "", not another one. Returns ret. */
char *vmv_cgroup_unit(const char *path, char *ret, size_t cap);

struct vmv_cgroup_ids;

struct vmv_cgroup_ids *vmv_cgroup_ids_new(void);    /* NULL: out of memory */
void vmv_cgroup_ids_free(struct vmv_cgroup_ids *c); /* takes NULL */

/* One turn of finding these groups. The tree of groups is walked only when there is an id that
 * was not found before, and not more often than every minute; other ids than these are
 * forgotten then. ids may repeat, in any order; 0 is left out. Returns 0, VMV_MORE
 * (collectors/collector.h), or -ENOMEM. A system without cgroup2 has no groups. */
int vmv_cgroup_ids_find(struct vmv_cgroup_ids *c, const struct vmv_root *root, const uint64_t *ids,
			size_t n);

/* What vmv_cgroup_unit says of it; "" unknown. Borrowed until the next call. */
const char *vmv_cgroup_ids_unit(const struct vmv_cgroup_ids *c, uint64_t id);

/* Ends a walk that is under way, and gives back what it needed. */
void vmv_cgroup_ids_rest(struct vmv_cgroup_ids *c);

#endif
