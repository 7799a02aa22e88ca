/* Mounted filesystems that lie on a block device, whatever their type. The filesystem group leaves
 * out some of these, and shows others. */
#ifndef VMV_COLLECTORS_BLOCKFS_H
#define VMV_COLLECTORS_BLOCKFS_H

#include <stdint.h>

struct vmv_err;
struct vmv_mount;
struct vmv_mounts;
struct vmv_root;

struct vmv_blockfs {
	const struct vmv_mount *mount; /* the first one of the device that shows all of it; without
					  one, the first */
	const struct vmv_mounts *all;
	uint32_t major, minor; /* of the block device: of a btrfs other than those of the mount */
};

/* Returns 0, or negative errno, which ends the listing and is returned by it. fs is borrowed. */
typedef int vmv_blockfs_row(void *arg, const struct vmv_blockfs *fs);

/* Calls row for each, in the order of mounting; /proc/self/mountinfo. At most VMV_BLOCKFS_MAX.
 * Returns 0, what row returned, or negative errno with err set. */
int vmv_blockfs_read(const struct vmv_root *root, vmv_blockfs_row *row, void *arg,
		     struct vmv_err *err);

#define VMV_BLOCKFS_MAX 4096

#endif
