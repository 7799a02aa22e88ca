/* Mounted real filesystems: mountinfo, and sizes by statvfs, which may hang. */
#ifndef VMV_COLLECTORS_FILESYSTEM_H
#define VMV_COLLECTORS_FILESYSTEM_H

#include "collectors/collector.h"

struct vmv_err;
struct vmv_mount;
struct vmv_mounts;
struct vmv_root;

struct vmv_filesystem_sample {
	char mount_point[512]; /* as in mountinfo, unescaped; also the row id */
	char fstype[64];
	char device[256];	    /* the mount source; "" when there is none */
	uint64_t size, free, avail; /* bytes: f_blocks, f_bfree, f_bavail x f_frsize */
	uint64_t files, files_free; /* inodes; VMV_UNSET when the filesystem counts none */
	uint64_t readonly;	    /* 0 or 1: of the filesystem, not of this mount */
	uint64_t device_error;	    /* 1: sizes and inodes cannot be had, nor are they set */
	uint64_t stuck;		/* 1: the same, as nobody answers; VMV_UNSET: nobody was asked */
	uint64_t device_number; /* st_dev as major << 32 | minor */
};

/* What statvfs(3) says, in units. */
struct vmv_space {
	uint64_t unit; /* bytes: f_frsize */
	uint64_t blocks, free, avail;
	uint64_t files, files_free; /* inodes */
};

/* One row per real filesystem (PROTOCOL.md 3.2: pseudo and image types, loop devices and
 * sizes of 0 left out; one per device number, the shortest mount point wins; an overlay on
 * "/" only when nothing else is mounted there), "/" first, then by mount point in byte
 * order. A filesystem that does not say its size has a row without, device_error being 1.
 *
 * Types that can hang, and all that is mounted below them, are asked through root->asker: the
 * reading waits up to VMV_ASK_WAIT_MS for answers, takes one of the last minute when the new one is
 * late, and knows no size otherwise. While one of a server is stuck its others are not asked: stuck
 * is unknown then, and device_error 1. Without an asker or helper, and in a recorded tree, neither
 * size nor stuck nor device_error of these is known. */
extern const struct vmv_collector vmv_collector_filesystem;

/* The helper's answer to "statvfs PATH": six numbers, in the order of struct vmv_space. Returns 0
 * or -EINVAL; ret is written only on success. */
int vmv_filesystem_parse_answer(const char *text, struct vmv_space *ret);

/* Asks a mount of the list at once. Returns 0; -EAGAIN: it could hang, or cannot be reached by its
 * path; -ENODATA: it has no size; else what the kernel said. ret is written only on success. */
int vmv_filesystem_look(const struct vmv_root *root, const struct vmv_mounts *all,
			const struct vmv_mount *m, struct vmv_space *ret);

/* True for types that are not real filesystems of this guest. */
bool vmv_filesystem_is_pseudo(const char *fstype);

/* True for types whose statvfs can hang on a server or a daemon (network, FUSE). */
bool vmv_filesystem_can_hang(const char *fstype);

#endif
