#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t system_mono_ns(const struct vmv_clock *clock)
{
	struct timespec t;

	(void)clock;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static int64_t system_real_ms(const struct vmv_clock *clock)
{
	struct timespec t;

	(void)clock;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const struct vmv_clock vmv_clock_system = {
	.mono_ns = system_mono_ns,
	.real_ms = system_real_ms,
};

#define FIRST_MS INT64_C(-62167219200000) /* 0000-01-01 */
#define LAST_MS	 INT64_C(253402300799999) /* 9999-12-31T23:59:59.999 */

void vmv_stamp(int64_t real_ms, char buf[VMV_STAMP_SIZE])
{
	char text[96];
	struct tm tm;
	time_t s;
	int64_t ms;

	real_ms = real_ms < FIRST_MS ? FIRST_MS : real_ms > LAST_MS ? LAST_MS : real_ms;
	ms = real_ms % 1000;
	if (ms < 0)
		ms += 1000;
	s = (time_t)((real_ms - ms) / 1000);
	(void)gmtime_r(&s, &tm);
	/* the clamp above keeps each in its width, which the compiler cannot see */
	(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
	memcpy(buf, text, VMV_STAMP_SIZE - 1);
	buf[VMV_STAMP_SIZE - 1] = '\0';
}
