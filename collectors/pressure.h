/* Pressure stall information: for how long work waited for CPU, memory, I/O and interrupts, from
 * /proc/pressure. */
#ifndef VMV_COLLECTORS_PRESSURE_H
#define VMV_COLLECTORS_PRESSURE_H

#include "collectors/collector.h"

struct vmv_err;

/* One line. VMV_UNSET in all four where the file or the line is missing. */
struct vmv_pressure_line {
	/* share of the last 10, 60, 300 seconds: hundredths of a percent, at most 10000 */
	uint64_t avg10, avg60, avg300;
	uint64_t total; /* microseconds since boot */
};

/* some: at least one task waited; full: all that had something to do waited, so that nothing was
 * done. */
struct vmv_pressure {
	struct vmv_pressure_line some, full;
};

/* Of the whole guest. cpu.full: since 5.13; Linux counts it for cgroups only and says 0 here. irq:
 * since 6.1, with CONFIG_IRQ_TIME_ACCOUNTING, full only. */
struct vmv_pressure_sample {
	struct vmv_pressure cpu, io, irq, memory;
};

/* One row. -ENOENT where the kernel keeps no such account (before 4.20, CONFIG_PSI=n, psi=0). */
extern const struct vmv_collector vmv_collector_pressure;

/* Pure: the text of one file of /proc/pressure, called name in err. Lines other than some and full
 * are skipped. -EINVAL with err set when malformed or without both lines; ret is written only on
 * success. */
int vmv_pressure_parse(const char *text, const char *name, struct vmv_pressure *ret,
		       struct vmv_err *err);

#endif
