/* Time that passes only while an event loop waits, and then at once: tests of minutes take no time
 * and hit the millisecond. Linking this in replaces clock_gettime(2) and epoll_wait(2), libevent's
 * included, and libcheck's, which cannot count beyond half an hour in one test. */
#ifndef VMV_TESTS_WARP_H
#define VMV_TESTS_WARP_H

#include <stdint.h>

struct event_base;

/* Monotonic, of the made-up time, which begins at 1000 s; CLOCK_REALTIME is 10^9 s ahead. */
uint64_t warp_ms(void);
void warp_pass(uint64_t ms);

/* Runs the loop until so much time has passed, or somebody breaks it. */
void warp_run(struct event_base *base, uint64_t ms);

#endif
