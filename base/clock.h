/* Time, injected so that tests can set it. */
#ifndef VMV_BASE_CLOCK_H
#define VMV_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Intervals come from mono_ns only; real_ms is stamped on messages, however wrong it is. */
struct vmv_clock {
	uint64_t (*mono_ns)(const struct vmv_clock *clock); /* CLOCK_MONOTONIC */
	int64_t (*real_ms)(const struct vmv_clock *clock);  /* CLOCK_REALTIME, since 1970 */
};

extern const struct vmv_clock vmv_clock_system;

static inline uint64_t vmv_mono_ns(const struct vmv_clock *clock)
{
	return clock->mono_ns(clock);
}

static inline uint64_t vmv_mono_ms(const struct vmv_clock *clock)
{
	return clock->mono_ns(clock) / 1000000u;
}

static inline int64_t vmv_real_ms(const struct vmv_clock *clock)
{
	return clock->real_ms(clock);
}

#define VMV_STAMP_SIZE 25 /* 2026-07-14T12:00:00.000Z and NUL */

/* Writes a time stamp as the protocol wants it: exactly 24 characters, UTC, milliseconds.
 * Years outside 0 to 9999 are clamped to the nearest stamp that fits. */
void vmv_stamp(int64_t real_ms, char buf[VMV_STAMP_SIZE]);

#endif
