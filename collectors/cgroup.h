/* Control groups: what units, slices and containers use. */
#ifndef VMV_COLLECTORS_CGROUP_H
#define VMV_COLLECTORS_CGROUP_H

#include "collectors/collector.h"

#include <stdint.h>

/* One control group, what is below it included where the kernel says so: all of version 2; of
 * version 1 not the counts of throttling and of OOM kills. VMV_UNSET where the kernel does not say,
 * which for limits means: none. */
struct vmv_cgroup_sample {
	uint64_t cpu_usage; /* microseconds, the next two as well */
	uint64_t cpu_user;
	uint64_t cpu_system;
	uint64_t cpu_periods;
	uint64_t cpu_throttled_periods;
	uint64_t cpu_throttled; /* microseconds */
	uint64_t memory;	/* bytes, page cache included; the next two as well */
	uint64_t memory_max;
	uint64_t swap;
	uint64_t oom_kills;
	uint64_t memory_waiting; /* microseconds */
	uint64_t pids;
	uint64_t io_read; /* bytes */
	uint64_t io_written;
	uint64_t left_out; /* control groups without a row; known of the root only */
};

/* The hierarchies that are mounted below sys/fs/cgroup: version 2 there (or in unified/), version 1
 * in directories named after their controllers ("memory", "cpu,cpuacct"). Row ids are paths from
 * the root that this system sees, which is "/". Bounds: VMV_CGROUPS_... of base/limits.h; over
 * VMV_CGROUP_ROWS those stay that used most CPU since the reading before, and of the others those
 * with most memory. */
extern const struct vmv_collector vmv_collector_cgroup;

#endif
