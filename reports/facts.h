/* The latest reading of every collector, and the machinery that makes it slice by slice. */
#ifndef VMV_REPORTS_FACTS_H
#define VMV_REPORTS_FACTS_H

#include "collectors/collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_clock;
struct vmv_err;
struct vmv_facts;
struct vmv_root;

/* How the latest reading of one collector went. */
struct vmv_collector_status {
	const struct vmv_collector *collector;
	bool is_ok;
	bool is_absent;	      /* this guest has no such subsystem (-ENOENT): quiet */
	bool has_run;	      /* in the latest reading of the facts */
	char error[160];      /* "" when ok */
	uint64_t duration_us; /* of the reading, all slices */
	uint64_t read_ms;     /* monotonic: end of the latest good reading; 0: none */
	uint64_t tried_ms;    /* monotonic: end of the latest one, good or bad; 0: none */
	unsigned failures;    /* in a row */
	uint64_t failed;      /* ever */
	uint64_t runs;	      /* ever, good or bad */
	uint64_t due_ms;      /* monotonic: not read again before, after failures */
	uint64_t left_out;    /* rows beyond VMV_ROWS_MAX in the latest reading */
};

/* Opens all collectors. Returns new facts, or NULL when out of memory. root and clock are borrowed
 * for their life. */
struct vmv_facts *vmv_facts_new(const struct vmv_root *root, const struct vmv_clock *clock);
void vmv_facts_free(struct vmv_facts *f);

/* Who delivers the rows of a collector without read: called at the end of each reading that asks
 * for it, like read. Without a provider such a group is absent. */
typedef int vmv_provider(void *arg, struct vmv_sink *sink, struct vmv_err *err);
void vmv_facts_provide(struct vmv_facts *f, const struct vmv_collector *c, vmv_provider *read,
		       void *arg);

/* Begins a reading of these groups; then step until it returns 0. A step is one collector or one
 * slice of it. The rows of a collector are replaced as a whole when it is done; when it failed it
 * has none. Of groups that are not asked for, are backing off after failures, or read so lately
 * that reading them again is a waste, the rows stay what they were.
 * Returns VMV_MORE, VMV_WAIT (step again when the asker has an answer, or VMV_ASK_WAIT_MS have
 * passed), or 0. */
void vmv_facts_begin(struct vmv_facts *f, vmv_groups groups);
int vmv_facts_step(struct vmv_facts *f);

/* Rows of one collector, an array of its sample struct; *n is their number. Borrowed until the next
 * step. NULL when there is none. */
const void *vmv_facts_rows(const struct vmv_facts *f, const struct vmv_collector *c, size_t *n);

/* The id of a row; NULL when there is no such row. Borrowed likewise. */
const char *vmv_facts_id(const struct vmv_facts *f, const struct vmv_collector *c, size_t row);

/* The sample of a collector with one row, or NULL. */
const void *vmv_facts_row(const struct vmv_facts *f, const struct vmv_collector *c);

/* The status of all collectors, in the order of vmv_collectors; of one, NULL when it is not in the
 * table. Borrowed until the next step. */
const struct vmv_collector_status *vmv_facts_status(const struct vmv_facts *f, size_t *n);
const struct vmv_collector_status *vmv_facts_status_of(const struct vmv_facts *f,
						       const struct vmv_collector *c);

/* How long it is from one attempt on this collector to the next, beyond what the askers want. */
uint64_t vmv_facts_period_ms(const struct vmv_collector_status *s);

const struct vmv_root *vmv_facts_root(const struct vmv_facts *f);

/* When the latest complete reading ended; 0: there is none. The same by the wall clock, in
 * milliseconds since 1970. */
uint64_t vmv_facts_mono_ns(const struct vmv_facts *f);
int64_t vmv_facts_real_ms(const struct vmv_facts *f);

#endif
