/* The clocks, for both languages: SetTime, guest-set-time; and their arithmetic, which tests can
 * try without one. */
#ifndef VMV_JOB_CLOCK_H
#define VMV_JOB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct tm;
struct vmv_err;

/* Whether a system can be told that it is so late: 1980 to 2199. Before and after there are clocks
 * (RTC, filesystems, the kernel's own) that cannot count it. */
bool vmv_clock_is_sane(int64_t real_ms);

/* Text of /etc/adjtime: whether the RTC keeps local time: the third line is LOCAL. Text may be
 * NULL (there is no such file): UTC. */
bool vmv_adjtime_is_local(const char *text);

/* What an RTC shows at this second, local by TZ and /etc/localtime if is_local. False: no such
 * date. */
bool vmv_rtc_date(int64_t real_s, bool is_local, struct tm *ret);

/* The reverse: which second it is when an RTC shows this date. False: there is no such date. */
bool vmv_rtc_seconds(const struct tm *shown, bool is_local, int64_t *ret);

/* A tree that is no system has no clock: 0 for "/", else -ENOTSUP with err set. */
int vmv_clock_check_root(const char *root, struct vmv_err *err);

/* Sets the system's clock, nanoseconds since 1970. Returns 0, or negative errno with err set:
 * -EINVAL (VMV_E_RANGE) when the kernel cannot have that time. */
int vmv_clock_set(int64_t real_ns, struct vmv_err *err);

/* Sets the hardware's clock to the system's, /dev/rtc0. Returns 0, -ENOENT when this machine has
 * none, or negative errno. */
int vmv_rtc_set(const char *root);

/* Reads it, seconds since 1970, at the moment that it shows the next one: takes a second and a half
 * at most. Returns as vmv_rtc_set, and -ERANGE: what it shows is no date. */
int vmv_rtc_get(const char *root, int64_t *ret_s);

#endif
