#include "tests/lib/warp.h"

#include <check.h>
#include <event2/event.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REAL_S 1000000000

static uint64_t now_ms = 1000000;

uint64_t warp_ms(void)
{
	return now_ms;
}

void warp_pass(uint64_t ms)
{
	now_ms += ms;
}

void warp_run(struct event_base *base, uint64_t ms)
{
	const struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
				    .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	ck_assert_int_eq(event_base_loopexit(base, &tv), 0);
	ck_assert_int_ge(event_base_dispatch(base), 0);
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		return (int)syscall(SYS_clock_gettime, clock, ts);
	ts->tv_sec = (time_t)(now_ms / 1000);
	ts->tv_nsec = (long)(now_ms % 1000) * 1000000;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ts->tv_sec += REAL_S;
	return 0;
}

/* Whoever waits for nothing but time gets it at once. */
int epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
	int r = (int)syscall(SYS_epoll_pwait, fd, events, n, timeout < 0 ? -1 : 0, NULL, 0);

	if (r == 0)
		now_ms += (uint64_t)timeout;
	return r;
}
