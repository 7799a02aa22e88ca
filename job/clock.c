/* SetTime and guest-set-time: the system's clock, then the one of the hardware. */
#include "job/clock.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/root.h"
#include "job/action.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define EARLIEST_MS INT64_C(315532800000)  /* 1980-01-01 */
#define LATEST_MS   INT64_C(7258118400000) /* 2200-01-01 */
#define NS_PER_S    INT64_C(1000000000)
#define NS_PER_MS   INT64_C(1000000)
#define ADJTIME_MAX 4096
#define TICK_MS	    10
#define SECOND_MS   1500 /* an RTC that has not gone on by then does not go */

bool vmv_clock_is_sane(int64_t real_ms)
{
	return real_ms >= EARLIEST_MS && real_ms < LATEST_MS;
}

bool vmv_adjtime_is_local(const char *text)
{
	for (int line = 1; line < 3 && text; line++) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text && strncmp(text, "LOCAL", 5) == 0 && (text[5] == '\0' || text[5] == '\n');
}

/* mktime knows local time: the date that it makes of the right second, put as it puts it. From
 * UTC's date it is off by what the zone is, and once more if a change of summer time lies between.
 * Of an hour that comes twice it must be told which: -1 lets it choose. */
static bool local_date(time_t t, struct tm *ret)
{
	time_t shown = t;

	for (int i = 0; i < 12; i++) {
		struct tm tm;
		time_t meant;

		if (!gmtime_r(&shown, &tm))
			return false;
		tm.tm_isdst = i % 3 - 1;
		meant = mktime(&tm);
		if (meant == t) {
			*ret = tm;
			return true;
		}
		if (i % 3 == 2)
			shown += t - meant;
	}
	return false;
}

bool vmv_rtc_date(int64_t real_s, bool is_local, struct tm *ret)
{
	time_t t = (time_t)real_s;

	return is_local ? local_date(t, ret) : gmtime_r(&t, ret) != NULL;
}

/* -- the clocks -------------------------------------------------------------------------------- */

static int open_below(const char *root, const char *path, int flags)
{
	vmv_autoclose int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -1 : openat(dir, path, flags | O_CLOEXEC);
}

static bool is_rtc_local(const char *root)
{
	char text[ADJTIME_MAX];
	vmv_autoclose int fd = open_below(root, "etc/adjtime", O_RDONLY);

	return fd >= 0 && vmv_read_fd(fd, text, sizeof(text)) >= 0 && vmv_adjtime_is_local(text);
}

bool vmv_rtc_seconds(const struct tm *shown, bool is_local, int64_t *ret)
{
	struct tm tm = *shown;
	time_t t;

	tm.tm_isdst = -1;
	t = is_local ? mktime(&tm) : timegm(&tm);
	/* either may carry on: the 31st of April is no date of a clock's */
	if (tm.tm_mday != shown->tm_mday || tm.tm_mon != shown->tm_mon ||
	    tm.tm_min != shown->tm_min || tm.tm_sec != shown->tm_sec)
		return false;
	*ret = t;
	return true;
}

static int open_rtc(const char *root)
{
	int fd = open_below(root, "dev/rtc0", O_RDONLY);

	if (fd < 0)
		return errno == ENODEV || errno == ENXIO ? -ENOENT : -errno;
	return fd;
}

static int read_rtc(int fd, struct tm *ret)
{
	struct rtc_time rtc;

	if (ioctl(fd, RTC_RD_TIME, &rtc) < 0)
		return -errno;
	*ret = (struct tm){
		.tm_sec = rtc.tm_sec,
		.tm_min = rtc.tm_min,
		.tm_hour = rtc.tm_hour,
		.tm_mday = rtc.tm_mday,
		.tm_mon = rtc.tm_mon,
		.tm_year = rtc.tm_year,
	};
	return 0;
}

/* It tells whole seconds: right is what it shows when one begins. */
int vmv_rtc_get(const char *root, int64_t *ret_s)
{
	vmv_autoclose int fd = open_rtc(root);
	uint64_t until = vmv_mono_ms(&vmv_clock_system) + SECOND_MS;
	struct tm first, tm;
	int r = fd < 0 ? fd : read_rtc(fd, &first);

	if (r < 0)
		return r;
	do {
		(void)poll(NULL, 0, TICK_MS);
		r = read_rtc(fd, &tm);
	} while (r == 0 && tm.tm_sec == first.tm_sec && vmv_mono_ms(&vmv_clock_system) < until);
	if (r < 0)
		return r;
	return vmv_rtc_seconds(&tm, is_rtc_local(root), ret_s) ? 0 : -ERANGE;
}

int vmv_rtc_set(const char *root)
{
	vmv_autoclose int fd = open_rtc(root);
	int64_t now_ms = vmv_real_ms(&vmv_clock_system);
	struct rtc_time rtc;
	struct tm tm;

	if (fd < 0)
		return fd;
	if (!vmv_rtc_date((now_ms + 500) / 1000, is_rtc_local(root), &tm))
		return -EOVERFLOW;
	rtc = (struct rtc_time){
		.tm_sec = tm.tm_sec,
		.tm_min = tm.tm_min,
		.tm_hour = tm.tm_hour,
		.tm_mday = tm.tm_mday,
		.tm_mon = tm.tm_mon,
		.tm_year = tm.tm_year,
		.tm_wday = tm.tm_wday,
		.tm_yday = tm.tm_yday,
	};
	return ioctl(fd, RTC_SET_TIME, &rtc) < 0 ? -errno : 0;
}

int vmv_clock_set(int64_t real_ns, struct vmv_err *err)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(real_ns / NS_PER_S),
		.tv_nsec = (long)(real_ns % NS_PER_S),
	};

	if (clock_settime(CLOCK_REALTIME, &ts) == 0)
		return 0;
	if (errno == EINVAL) /* earlier than this boot by its own count, or beyond the kernel */
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "not a time that this system can have");
	return vmv_fail(err, VMV_E_IO, errno, "cannot set the clock: %s", strerror(errno));
}

int vmv_clock_check_root(const char *root, struct vmv_err *err)
{
	return strcmp(root, "/") == 0 ? 0
				      : vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
						 "the clock is not that of the tree at '%s'", root);
}

static void tell(struct vmv_action *a, int64_t before_ms, int64_t after_ms, int rtc)
{
	char stamp[VMV_STAMP_SIZE];

	vmv_jw_open(&a->data, NULL);
	vmv_jw_int(&a->data, "before_ms", before_ms);
	vmv_jw_int(&a->data, "after_ms", after_ms);
	vmv_jw_close(&a->data);
	vmv_stamp(after_ms, stamp);
	if (rtc == 0)
		(void)snprintf(a->text, sizeof(a->text), "set to %s, hardware clock too", stamp);
	else if (rtc == -ENOENT)
		(void)snprintf(a->text, sizeof(a->text), "set to %s", stamp);
	else
		(void)snprintf(a->text, sizeof(a->text),
			       "set to %s; the hardware clock could not be set: %s", stamp,
			       strerror(-rtc));
}

int vmv_do_set_time(struct vmv_action *a, struct vmv_err *err)
{
	int64_t want_ms = a->args[VMV_SET_TIME_REALTIME_MS].number, before_ms;
	int r = vmv_clock_check_root(a->settings->root, err);

	if (r < 0)
		return r;
	if (!vmv_clock_is_sane(want_ms))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"realtime_ms: not between the years 1980 and 2199");
	before_ms = vmv_real_ms(&vmv_clock_system);
	r = vmv_clock_set(want_ms * NS_PER_MS, err);
	if (r == -EINVAL)
		r = vmv_fail(err, VMV_E_RANGE, EINVAL,
			     "realtime_ms: not a time that this system can have");
	if (r < 0)
		return r;
	tell(a, before_ms, vmv_real_ms(&vmv_clock_system), vmv_rtc_set(a->settings->root));
	return 0;
}
