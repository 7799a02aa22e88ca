/* The files of control groups, of both versions: where they are, what they say. */
#ifndef VMV_COLLECTORS_CGROUP_FILES_H
#define VMV_COLLECTORS_CGROUP_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_cgroup_sample;

enum vmv_cgroup_controller {
	VMV_CGROUP_CPU,
	VMV_CGROUP_CPUACCT,
	VMV_CGROUP_MEMORY,
	VMV_CGROUP_PIDS,
	VMV_CGROUP_BLKIO,
	VMV_CGROUP_CONTROLLERS, /* how many */
};

/* Where a block device stands among those that are stacked on others. */
enum vmv_layer {
	VMV_LAYER_BOTTOM, /* on none: a disk */
	VMV_LAYER_MIDDLE,
	VMV_LAYER_TOP, /* on others, and nothing on it: a logical volume in use */
};

#define VMV_CGROUP_DEVICES 64 /* whose layer is remembered; others are looked up each time */

/* Where hierarchies are mounted, as O_PATH descriptors; -1: not there. A controller that has no
 * directory of version 1 is looked for in version 2. */
struct vmv_cgroup_tree {
	int v1[VMV_CGROUP_CONTROLLERS];
	int v2;
	int walk[VMV_CGROUP_CONTROLLERS]; /* those of use, borrowed from above, each once */
	size_t n_walk;
	/* All of them are the kernel's own, where a directory has a link for each one below and two
	 * of its own. Recorded trees and FUSE do not always count. */
	bool has_links;

	int sys; /* borrowed: where block devices are looked up */
	struct vmv_cgroup_device {
		uint64_t major, minor;
		enum vmv_layer layer;
	} devices[VMV_CGROUP_DEVICES];
	size_t n_devices; /* set to 0 it forgets them */
};

#define VMV_CGROUP_TREE_NONE \
	((struct vmv_cgroup_tree){ .v1 = { -1, -1, -1, -1, -1 }, .v2 = -1, .sys = -1 })

/* Looks below sys ("/sys") for fs/cgroup: version 2, version 1, or both (then version 2 is
 * unified/). Returns 0, -ENOENT when there is none of use, or what the kernel said; then the tree
 * is empty. vmv_cgroup_tree_close leaves it empty, too. */
int vmv_cgroup_tree_open(struct vmv_cgroup_tree *ret, int sys);
void vmv_cgroup_tree_close(struct vmv_cgroup_tree *t);

/* What one control group uses; path is "" for the root, else as "/system.slice". A file that is
 * absent or malformed leaves its values VMV_UNSET. is_leaf: nothing is below it. */
void vmv_cgroup_read(struct vmv_cgroup_tree *t, const char *path, bool is_leaf,
		     struct vmv_cgroup_sample *ret);

/* The same for CPU time used (microseconds) and memory (bytes) alone. */
void vmv_cgroup_read_rank(const struct vmv_cgroup_tree *t, const char *path, uint64_t *ret_cpu,
			  uint64_t *ret_memory);

/* -- pure: the text of files ------------------------------------------------------------------- */

/* A file of one number ("memory.current"). "max", which means no limit, becomes VMV_UNSET. Returns
 * 0, or -EINVAL and then ret is untouched. */
int vmv_cgroup_parse_value(const char *text, uint64_t *ret);

struct vmv_cgroup_key {
	const char *name;
	uint64_t *ret;
};

/* A file of lines "key number" ("cpu.stat", "memory.events"). Keys that are not asked for are
 * skipped, those that are absent become VMV_UNSET. Returns 0, or -EINVAL (a line is malformed) and
 * then all are VMV_UNSET. */
int vmv_cgroup_parse_keys(const char *text, const struct vmv_cgroup_key *keys, size_t n);

/* The total of the "some" line of a pressure file, microseconds. Returns 0 or -EINVAL as above. */
int vmv_cgroup_parse_pressure(const char *text, uint64_t *ret);

typedef enum vmv_layer vmv_layer_fn(void *arg, uint64_t major, uint64_t minor);

/* Bytes read and written: lines "8:0 rbytes=1 wbytes=2 rios=..." of io.stat, or "8:0 Read 1" of
 * blkio files of version 1. What goes through a stack is counted by each device of it, or, where a
 * thread of the kernel passes it on (encryption), by the top one only. So it is the sum over the
 * bottom or over the top, whichever is more. layer NULL: all are disks. Returns 0, or -EINVAL and
 * then the outputs are untouched. */
int vmv_cgroup_parse_io(const char *text, vmv_layer_fn *layer, void *arg, uint64_t *ret_read,
			uint64_t *ret_written);

#endif
