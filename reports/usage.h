/* How busy this guest has been: means over five minutes, as far back as 30 days. */
#ifndef VMV_REPORTS_USAGE_H
#define VMV_REPORTS_USAGE_H

#include <stdint.h>

struct vmv_facts;
struct vmv_usage;

/* One reading of the kernel's counters. */
struct vmv_usage_mark {
	uint64_t at_ms;	      /* monotonic */
	uint64_t busy, total; /* ticks of all CPUs since boot; steal and guests' time are use */
	uint64_t used;	      /* bytes of memory; VMV_UNSET: unknown */
};

/* What is known of some days. */
struct vmv_usage_summary {
	uint64_t seconds;     /* that the means cover */
	double cpu_p95;	      /* percent of all CPUs; 95 % of that time they were used no more */
	uint64_t memory_peak; /* bytes: the highest mean; VMV_UNSET: unknown */
};

/* Knows nothing yet. NULL: out of memory. */
struct vmv_usage *vmv_usage_new(void);
void vmv_usage_free(struct vmv_usage *u); /* takes NULL */

/* Takes note of a reading. The time since the one before counts when that is no longer ago than
 * VMV_USAGE_GAP_MS and no counter ran backwards, else it stays a gap; so it does without memory. */
void vmv_usage_add(struct vmv_usage *u, const struct vmv_usage_mark *mark);

/* The same with what facts say (groups stat and memory). */
void vmv_usage_note(struct vmv_usage *u, const struct vmv_facts *f);

/* Of the last days (1 to VMV_USAGE_DAYS) before now_ms. With seconds 0 cpu_p95 is NaN. Returns 0 or
 * -ENOMEM; ret is written only on success. */
int vmv_usage_summarise(const struct vmv_usage *u, uint64_t now_ms, unsigned days,
			struct vmv_usage_summary *ret);

#endif
