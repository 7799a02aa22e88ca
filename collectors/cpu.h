/* Processor time, per CPU and in all, from /proc/stat. */
#ifndef VMV_COLLECTORS_CPU_H
#define VMV_COLLECTORS_CPU_H

#include <stddef.h>

#include "collectors/collector.h"

struct vmv_err;

/* Ticks of USER_HZ (1/100 s on every Linux the agent runs on) since boot. As the kernel counts
 * them: guest and guest_nice are contained in user and nice as well. */
struct vmv_cpu_sample {
	uint64_t user, nice, system, idle, iowait, irq, softirq;
	uint64_t steal, guest, guest_nice; /* VMV_UNSET before 2.6.11, 2.6.24, 2.6.33 */
};

/* Row id: "" is not used; "all" does not occur either: one row per online CPU, its number as
 * id, in number order. No column runs backwards, unless the CPU began anew (cpu_steady.h). */
extern const struct vmv_collector vmv_collector_cpu;

/* Kernel-wide counters of the same file; one row. VMV_UNSET where the kernel does not say. */
struct vmv_stat_sample {
	struct vmv_cpu_sample all; /* the "cpu" line */
	uint64_t btime;		   /* boot, seconds since 1970 as the kernel reckons it now */
	uint64_t ctxt;		   /* context switches */
	uint64_t intr;		   /* interrupts serviced */
	uint64_t processes;	   /* forks */
	uint64_t procs_running, procs_blocked;
	uint64_t backward_steps; /* of the "cpuN" lines, since the state was opened; not parsed */
};

/* Has the state of vmv_collector_cpu. Asked right after that, it tells what that has read, else it
 * reads the file itself. */
extern const struct vmv_collector vmv_collector_stat;

/* Receives one parsed "cpuN" line. Returns 0 or negative errno, which ends the parse. */
typedef int vmv_cpu_row(void *arg, unsigned cpu, const struct vmv_cpu_sample *sample);

/* Pure: the text of /proc/stat. row may be NULL. Numbers below zero are VMV_UNSET. -EINVAL with err
 * set on a malformed known line or a missing "cpu" line; ret is written only on success. */
int vmv_stat_parse(const char *text, struct vmv_stat_sample *ret, vmv_cpu_row *row, void *arg,
		   struct vmv_err *err);

#endif
