/* /proc/PID/mountinfo: what is mounted where, and what covers what. */
#ifndef VMV_COLLECTORS_MOUNTINFO_H
#define VMV_COLLECTORS_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;

/* One line. Texts are unescaped and borrowed from the text that was parsed. */
struct vmv_mount {
	uint32_t id, parent;   /* the parent need not be in the list: what is above "/" is not */
	uint32_t major, minor; /* of the superblock: all subvolumes of a btrfs have the same */
	const char *root;      /* what of the filesystem is mounted; nsfs: no path */
	const char *target;    /* mount point, begins with '/' */
	const char *options;   /* of the mount: "rw,relatime" */
	const char *type;
	const char *source;	   /* device, share ...; may be "" */
	const char *super_options; /* of the filesystem: "rw,errors=remount-ro" */
};

struct vmv_mounts {
	struct vmv_mount
		*v; /* in the kernel's order, which is that of mounting; owned, and so are */
	size_t n;
	const struct vmv_mount **by_id;	    /* and */
	const struct vmv_mount **by_parent; /* then by target */
};

/* Takes text apart, and changes it: it must live as long as ret. Everything in a line must be as
 * Documentation/filesystems/proc.rst says; optional fields are skipped whatever they are. Returns
 * 0, -EINVAL with err set (malformed line), or -ENOMEM likewise; ret is written only on success,
 * then to be freed. An empty text is an empty list. */
int vmv_mountinfo_parse(char *text, struct vmv_mounts *ret, struct vmv_err *err);

void vmv_mounts_free(struct vmv_mounts *all);

/* The mount that m is mounted on; NULL when that is not in the list. */
const struct vmv_mount *vmv_mounts_parent(const struct vmv_mounts *all, const struct vmv_mount *m);

/* Something was mounted on this very mount: that is what one sees there. Order in the file tells
 * nothing: in a mount namespace with propagation (a service's sandbox) a later mount can go below.
 */
bool vmv_mounts_is_covered(const struct vmv_mounts *all, const struct vmv_mount *m);

/* Something was mounted on a directory above the mount point, within the same parent: looking the
 * path up ends in that one instead. */
bool vmv_mounts_is_hidden(const struct vmv_mounts *all, const struct vmv_mount *m);

/* Whether a comma-separated list of options has this one; without a value. */
bool vmv_mount_has_option(const char *options, const char *name);

#endif
