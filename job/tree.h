/* Deletes what is old in directories that anybody may write to, /tmp first of all, without ever
 * leaving them: PROTOCOL.md 5.7. Whoever owns what is deleted may rename, replace and link it
 * at every moment. So no path is ever walked twice:
 *
 * - a directory is entered by openat(2) with O_NOFOLLOW and O_DIRECTORY, and only when what was
 *   opened is what was looked at before (device, inode) and is of the same mount;
 * - an entry is looked at with fstatat(2) and removed with unlinkat(2), both of one name in that
 *   open directory. Between the two it can be exchanged: then the new one is removed, which is a
 *   name in the same directory, made by somebody who could have removed it himself. What the name
 *   points to or what else is linked to the inode is not touched. */
#ifndef VMV_JOB_TREE_H
#define VMV_JOB_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define VMV_TREE_DEPTH 16 /* directories below it are left alone; 1 is what is in the top one */

struct vmv_sweep {
	/* What is wanted */
	int64_t before_s;     /* seconds since 1970: younger entries stay; INT64_MAX: any age */
	bool is_mtime_only;   /* else atime and ctime have to be as old, too */
	unsigned depth;	      /* VMV_TREE_DEPTH */
	uint64_t deadline_ms; /* monotonic; looked at before each entry */
	bool is_dry;	      /* count only */
	bool keeps_dirs;      /* else empty ones go as well */
	bool truncates;	      /* regular files with one link are emptied; nothing is deleted */
	/* Which files and symlinks; NULL: all. May be called for a name that is gone by then. */
	bool (*wants)(const char *name);

	/* What came of it, added to what is there */
	uint64_t files;	 /* files and symlinks that were deleted, or would be */
	uint64_t bytes;	 /* on disk; of a file with another link nothing is freed */
	uint64_t errors; /* entries that could not be looked at, opened or deleted */
	bool is_late;	 /* the deadline came first */
};

/* Sweeps what is in the directory, not the directory itself. Left alone: what is on another
 * device or mount, sockets, devices, fifos, directories that somebody holds a flock(2) on, and
 * those that belong to somebody who is running: systemd-private-*, .X*-unix, .ICE-unix.
 * Returns 0, or negative errno: dirfd is none. Borrows dirfd. */
int vmv_tree_sweep(int dirfd, struct vmv_sweep *s);

/* Opens a directory below another one, part by part; no part may be a symlink. path: relative,
 * with ".." only as far as it stays below. Returns it, or negative errno (-ELOOP, -ENOTDIR: a
 * symlink; -EXDEV: it leads out). */
int vmv_tree_open(int dirfd, const char *path);

/* The same with vmv_tree_sweep. A directory that is not there is swept. */
int vmv_tree_sweep_at(int dirfd, const char *path, struct vmv_sweep *s);

/* The id of the mount that it is on, as in mountinfo; 0: the kernel (before 5.8) does not say. */
uint64_t vmv_tree_mount_of(int fd);

/* A sweep that looks at everything and deletes nothing: how much it is. */
struct vmv_sweep vmv_tree_measure(uint64_t deadline_ms);

#endif
