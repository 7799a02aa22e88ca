/* CPUs and memory blocks that can be taken online and offline, from /sys/devices/system. */
#ifndef VMV_COLLECTORS_TOPOLOGY_H
#define VMV_COLLECTORS_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_root;

/* Numbers of CPUs or of memory blocks, ascending. */
struct vmv_numbers {
	uint32_t *list; /* owned; free() it */
	size_t n;
};

/* The CPUs that are there, from the names in devices/system/cpu: those that are offline, too. At
 * most VMV_CPUS_MAX; the highest are left out. Returns 0, or negative errno with err set; ret is
 * written only on success. */
int vmv_cpus_list(const struct vmv_root *root, struct vmv_numbers *ret, struct vmv_err *err);

/* The same of devices/system/memory, at most VMV_MEMORY_BLOCKS_MAX. A kernel without
 * CONFIG_MEMORY_HOTPLUG has no such directory: then there are none. */
int vmv_memory_blocks_list(const struct vmv_root *root, struct vmv_numbers *ret,
			   struct vmv_err *err);

/* How one of them is. */
struct vmv_plug {
	bool is_online;
	bool can_offline;
	bool knows_offline; /* can_offline is known */
};

/* cpuN/online; a CPU without that file is online and stays so. Returns 0, -ENOENT (there is no such
 * CPU any more), -EINVAL (what the kernel says is no answer), or what reading said; ret is written
 * only on success. */
int vmv_cpu_plug(const struct vmv_root *root, uint32_t cpu, struct vmv_plug *ret);

/* memoryN/state, and memoryN/removable unless has_time is false: what the kernel guesses. Since 5.8
 * that is 1 wherever blocks can be taken offline at all; before, each reading searches all pages of
 * the block. One that is going offline is not online. Returns as above. */
int vmv_memory_block_plug(const struct vmv_root *root, uint32_t block, bool has_time,
			  struct vmv_plug *ret);

/* Bytes of each block, memory/block_size_bytes. Returns 0, or negative errno with err set: -ENOENT
 * where there are no blocks. */
int vmv_memory_block_size(const struct vmv_root *root, uint64_t *ret, struct vmv_err *err);

#endif
