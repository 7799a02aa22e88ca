/* Memory of the guest as the guest kernel sees it, from /proc/meminfo. */
#ifndef VMV_COLLECTORS_MEMORY_H
#define VMV_COLLECTORS_MEMORY_H

#include "collectors/collector.h"

struct vmv_err;

/* Bytes, and where it says so pages; VMV_UNSET where this kernel has no such line, or says less
 * than zero. In parentheses the first kernel with it, where that is after 4.18. */
struct vmv_memory_sample {
	uint64_t total, free, available;
	uint64_t buffers, cached, shmem, mapped;
	uint64_t active, active_anon, active_file;
	uint64_t inactive, inactive_anon, inactive_file;
	uint64_t unevictable, mlocked;
	uint64_t anon, anon_huge;
	uint64_t shmem_huge, shmem_pmd_mapped;
	uint64_t file_huge, file_pmd_mapped; /* (5.4) */
	uint64_t swap_total, swap_free, swap_cached;
	uint64_t zswap, zswapped; /* (5.19) with CONFIG_ZSWAP */
	uint64_t dirty, writeback, writeback_tmp, bounce, nfs_unstable;
	uint64_t slab, sreclaimable, sunreclaim;
	uint64_t kreclaimable; /* (4.20) */
	uint64_t kernel_stack, page_tables;
	uint64_t percpu;	  /* (5.0) */
	uint64_t sec_page_tables; /* (6.1) */
	uint64_t commit_limit, committed;
	uint64_t vmalloc_total, vmalloc_used, vmalloc_chunk;
	uint64_t hardware_corrupted;  /* with CONFIG_MEMORY_FAILURE */
	uint64_t cma_total, cma_free; /* with CONFIG_CMA */
	uint64_t unaccepted;	      /* (6.5) of confidential guests */
	uint64_t balloon;	      /* (6.16) */
	uint64_t huge_total, huge_free, huge_reserved, huge_surplus; /* pages of huge_page_size */
	uint64_t huge_page_size, hugetlb;
	uint64_t direct_map_4k, direct_map_2m, direct_map_4m, direct_map_1g; /* x86 */
	uint64_t high_total, high_free, low_total, low_free;		     /* 32 bits */
};

/* One row. */
extern const struct vmv_collector vmv_collector_memory;

/* Pure: the text of /proc/meminfo. Unknown lines are skipped. -EINVAL with err set on a
 * malformed known line or an unknown MemTotal; ret is written only on success. */
int vmv_memory_parse(const char *text, struct vmv_memory_sample *ret, struct vmv_err *err);

#endif
