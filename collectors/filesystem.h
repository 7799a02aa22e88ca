/* Mounted real filesystems: mountinfo through libmount, sizes by statvfs. */
#ifndef VMV_COLLECTORS_FILESYSTEM_H
#define VMV_COLLECTORS_FILESYSTEM_H

#include "collectors/collector.h"

struct vmv_err;

struct vmv_filesystem_sample {
	char mount_point[512]; /* as in mountinfo, unescaped; also the row id */
	char fstype[64];
	char device[256];	    /* the mount source; "" when there is none */
	uint64_t size, free, avail; /* bytes: f_blocks, f_bfree, f_bavail x f_frsize */
	uint64_t files, files_free; /* inodes; VMV_UNSET when the filesystem counts none */
	uint64_t readonly;	    /* 0 or 1: of the filesystem, not of this mount */
	uint64_t device_number;	    /* st_dev as major << 32 | minor */
};

/* One row per real filesystem (PROTOCOL.md 3.2: pseudo and image types, loop devices and
 * sizes of 0 left out; one per device number, the shortest mount point wins; an overlay on
 * "/" only when nothing else is mounted there), "/" first, then by mount point in byte
 * order. A filesystem whose statvfs fails is left out and does not fail the reading. */
extern const struct vmv_collector vmv_collector_filesystem;

/* True for types that are not real filesystems of this guest. */
bool vmv_filesystem_is_pseudo(const char *fstype);

/* True for types whose statvfs can hang on a server or a daemon (network, FUSE). */
bool vmv_filesystem_can_hang(const char *fstype);

#endif
