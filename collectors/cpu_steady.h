/* Processor time that does not run backwards. The kernel adds idle and iowait up from pieces that
 * other CPUs change meanwhile, so that they can step back a little; and a CPU that was taken
 * offline may count some of its time from 0 again. */
#ifndef VMV_COLLECTORS_CPU_STEADY_H
#define VMV_COLLECTORS_CPU_STEADY_H

#include "collectors/cpu.h"

/* What one CPU said last, and what was made of it. VMV_UNSET everywhere before the first time. */
struct vmv_cpu_mark {
	struct vmv_cpu_sample kernel, told;
};

/* Of all CPUs. Start with all zero. */
struct vmv_cpu_steady {
	struct vmv_cpu_mark *cpus; /* owned; by number, up to VMV_CPUS_MAX */
	size_t n;
	uint64_t steps; /* since the start */
};

/* Corrects *c, the newest reading. A column that is up to 3 seconds behind what was told keeps what
 * was told. When one is further behind, the CPU has begun anew, and so do all columns. A column
 * that is VMV_UNSET stays that. Returns how often the kernel's numbers stepped back: once for each
 * column, and once for a CPU that began anew. */
unsigned vmv_cpu_mark_settle(struct vmv_cpu_mark *mark, struct vmv_cpu_sample *c);

void vmv_cpu_mark_init(struct vmv_cpu_mark *mark);

/* The same for CPU number cpu, and counts its steps. Beyond VMV_CPUS_MAX *c is left as it is.
 * Returns 0 or -ENOMEM. */
int vmv_cpu_steady_settle(struct vmv_cpu_steady *s, unsigned cpu, struct vmv_cpu_sample *c);

void vmv_cpu_steady_done(struct vmv_cpu_steady *s);

#endif
