/* The one place where counters become rates and percentages. */
#ifndef VMV_REPORTS_RATES_H
#define VMV_REPORTS_RATES_H

#include "collectors/collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_baseline;
struct vmv_facts;

/* A copy of the counters of one reading, to compare a later one with. Returns NULL when out of
 * memory. */
struct vmv_baseline *vmv_baseline_new(const struct vmv_facts *f);
void vmv_baseline_free(struct vmv_baseline *b);

/* What a baseline is made of. */
vmv_groups vmv_baseline_groups(void);

uint64_t vmv_baseline_mono_ns(const struct vmv_baseline *b);

/* Percent: 100 is one CPU for processes, all of it for the others. NaN is unknown. */
struct vmv_rates {
	double seconds; /* between the two readings */
	double cpu;
	size_t n_cores;
	double *cores; /* owned; one per row of the cpu collector */
	bool has_io;   /* false in an agent's first */
	double read_bytes, write_bytes, read_ops, write_ops; /* per second, whole disks */
	double io_utilization;				     /* busiest whole disk; NaN: none */
	size_t n_processes;
	double *processes; /* owned; one per row of the process collector */
	uint64_t resets;   /* counters found lower than before: what they tell is unknown */
};

/* before may be NULL: then everything is since boot, since the process's start. Returns 0 or
 * -ENOMEM; free *ret with vmv_rates_clear in any case. */
int vmv_rates_compute(struct vmv_rates *ret, const struct vmv_baseline *before,
		      const struct vmv_facts *now);
void vmv_rates_clear(struct vmv_rates *r);

#endif
