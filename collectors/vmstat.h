/* What the memory management has done since boot, from /proc/vmstat. */
#ifndef VMV_COLLECTORS_VMSTAT_H
#define VMV_COLLECTORS_VMSTAT_H

#include "collectors/collector.h"

struct vmv_err;

/* Events since boot, in pages where pages are moved; VMV_UNSET where this kernel does not count
 * them. In parentheses the first kernel with it, where that is after 4.18. */
struct vmv_vmstat_sample {
	uint64_t oom_kill;
	uint64_t pgpgin, pgpgout; /* KiB of all block devices */
	uint64_t pswpin, pswpout;
	uint64_t pgfault, pgmajfault;
	/* Reclaim. These five are sums where the kernel counts by zone. */
	uint64_t allocstall;
	uint64_t pgscan_direct, pgscan_kswapd;
	uint64_t pgsteal_direct, pgsteal_kswapd;
	uint64_t pgscan_direct_throttle;
	uint64_t workingset_refault;				   /* until 5.8 */
	uint64_t workingset_refault_anon, workingset_refault_file; /* (5.9) */
	uint64_t drop_pagecache, drop_slab;
	uint64_t compact_stall, compact_fail;	      /* with CONFIG_COMPACTION */
	uint64_t thp_fault_alloc, thp_fault_fallback; /* with CONFIG_TRANSPARENT_HUGEPAGE */
	uint64_t thp_collapse_alloc, thp_split_page;  /* likewise */
	uint64_t balloon_inflate, balloon_deflate;    /* with CONFIG_MEMORY_BALLOON */
	uint64_t balloon_migrate;		      /* likewise */
	uint64_t numa_hit, numa_miss, numa_foreign;   /* with CONFIG_NUMA */
	uint64_t numa_pages_migrated;		      /* with CONFIG_NUMA_BALANCING */
	uint64_t zswpin, zswpout;		      /* with CONFIG_ZSWAP */
};

/* One row. */
extern const struct vmv_collector vmv_collector_vmstat;

/* Pure: the text of /proc/vmstat. Unknown lines are skipped. -EINVAL with err set on a malformed
 * known line, and when there is no line that every kernel has (pgfault); ret is written only on
 * success. */
int vmv_vmstat_parse(const char *text, struct vmv_vmstat_sample *ret, struct vmv_err *err);

#endif
