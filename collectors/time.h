/* The guest's clock: what it shows, how it is kept, whether it jumped. */
#ifndef VMV_COLLECTORS_TIME_H
#define VMV_COLLECTORS_TIME_H

#include "collectors/collector.h"

#include <stdbool.h>
#include <time.h>

struct timex;

/* NaN and VMV_UNSET are unknown, seconds unless said otherwise. */
struct vmv_time_sample {
	double realtime;  /* CLOCK_REALTIME since 1970 */
	double suspended; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC, to the millisecond */
	uint64_t jumps;	  /* since the agent was started */
	double last_jump; /* positive: forward; NaN before the first */

	/* adjtimex(2), all unknown where it may not be asked */
	double offset;
	double frequency_ratio; /* 1 + correction */
	double maxerror, esterror;
	uint64_t status; /* STA_ bits */
	uint64_t constant;
	double tick;
	double pps_frequency; /* Hz */
	double pps_jitter;
	uint64_t pps_shift;   /* the interval is 2^shift seconds */
	double pps_stability; /* Hz */
	uint64_t pps_jitter_count, pps_calibrations, pps_errors, pps_stability_exceeded;
	double tai_offset;
	uint64_t is_synchronised; /* 0 or 1 */

	char clocksource[32];
	char clocksources[128]; /* those available, a blank between them */
};

/* Where time is asked for, so that tests can make it jump. Each is as the call of that name. */
struct vmv_time_source {
	int (*adjtimex)(struct timex *tx);
	int (*clock_gettime)(clockid_t clock, struct timespec *ret);
};

/* The last good reading, and what came of comparing. Zero it first. */
struct vmv_time_jumps {
	bool has_base;
	int64_t base_ms; /* CLOCK_REALTIME - CLOCK_BOOTTIME */
	uint64_t count;
	int64_t last_ms; /* of the last jump, when count > 0 */
};

/* The members of ret that clocks tell: realtime, suspended, jumps, last_jump. A jump is a change of
 * REALTIME against BOOTTIME of a second or more between two calls: somebody set the clock, or a
 * leap second was inserted. Slewing (both follow it) and a suspension (both go on) are none, nor is
 * a guest that its host paused: there no clock shows the pause, neither as suspended nor as a jump,
 * until somebody sets the clock right, which then is the jump.
 *
 * The clocks cannot be read at once; when the guest is held up in between, three times over, for
 * more than 100 ms, suspended is unknown and nothing is compared this time. */
void vmv_time_read_clocks(const struct vmv_time_source *source, struct vmv_time_jumps *jumps,
			  struct vmv_time_sample *ret);

/* The members that adjtimex(2) tells, read-only; all unknown when it fails (a seccomp filter). */
void vmv_time_read_timex(const struct vmv_time_source *source, struct vmv_time_sample *ret);

/* Pure: the answer of adjtimex(2), state its return value. Sizes and counts below zero, which no
 * kernel gives, are unknown. */
void vmv_time_from_timex(const struct timex *tx, int state, struct vmv_time_sample *ret);

/* One row, id "". In a recorded tree only the clock sources; -ENOENT where they are not recorded.
 */
extern const struct vmv_collector vmv_collector_time;

#endif
