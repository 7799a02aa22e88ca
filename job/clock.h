/* SetTime's arithmetic, which tests can try without a clock. */
#ifndef VMV_JOB_CLOCK_H
#define VMV_JOB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct tm;

/* Whether a system can be told that it is so late: 1980 to 2199. Before and after there are clocks
 * (RTC, filesystems, the kernel's own) that cannot count it. */
bool vmv_clock_is_sane(int64_t real_ms);

/* Text of /etc/adjtime: whether the RTC keeps local time: the third line is LOCAL. Text may be
 * NULL (there is no such file): UTC. */
bool vmv_adjtime_is_local(const char *text);

/* What an RTC shows at this second, local by TZ and /etc/localtime if is_local. False: no such
 * date. */
bool vmv_rtc_date(int64_t real_s, bool is_local, struct tm *ret);

#endif
