/* Memory of the guest as the guest kernel sees it, from /proc/meminfo. */
#ifndef VMV_COLLECTORS_MEMORY_H
#define VMV_COLLECTORS_MEMORY_H

#include "collectors/collector.h"

struct vmv_err;

/* Bytes; VMV_UNSET where this kernel has no such line. */
struct vmv_memory_sample {
	uint64_t total;
	uint64_t free;
	uint64_t available; /* absent before Linux 3.14 */
	uint64_t buffers, cached, sreclaimable, shmem, dirty, writeback, anon, slab;
	uint64_t committed; /* Committed_AS */
	uint64_t swap_total, swap_free, swap_cached;
};

/* One row. */
extern const struct vmv_collector vmv_collector_memory;

/* Pure: the text of /proc/meminfo. Unknown lines are skipped. -EINVAL with err set on a
 * malformed known line or a missing MemTotal; ret is written only on success. */
int vmv_memory_parse(const char *text, struct vmv_memory_sample *ret, struct vmv_err *err);

#endif
