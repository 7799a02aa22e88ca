/* SetTime: the system's clock, then the one of the hardware. */
#include "job/clock.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/root.h"
#include "job/action.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/rtc.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define EARLIEST_MS INT64_C(315532800000)  /* 1980-01-01 */
#define LATEST_MS   INT64_C(7258118400000) /* 2200-01-01 */
#define ADJTIME_MAX 4096

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

/* Returns 0, -ENOENT when this machine has none, or negative errno. */
static int set_rtc(const char *root)
{
	vmv_autoclose int fd = open_below(root, "dev/rtc0", O_RDONLY);
	int64_t now_ms = vmv_real_ms(&vmv_clock_system);
	struct rtc_time rtc;
	struct tm tm;

	if (fd < 0)
		return errno == ENODEV || errno == ENXIO ? -ENOENT : -errno;
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

static int set_system(int64_t real_ms, struct vmv_err *err)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(real_ms / 1000),
		.tv_nsec = (long)(real_ms % 1000) * 1000000,
	};

	if (clock_settime(CLOCK_REALTIME, &ts) == 0)
		return 0;
	if (errno == EINVAL) /* earlier than this boot by its own count, or beyond the kernel */
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"realtime_ms: not a time that this system can have");
	return vmv_fail(err, VMV_E_IO, errno, "cannot set the clock: %s", strerror(errno));
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
	int r;

	if (strcmp(a->settings->root, "/") != 0)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
				"the clock is not that of the tree at '%s'", a->settings->root);
	if (!vmv_clock_is_sane(want_ms))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"realtime_ms: not between the years 1980 and 2199");
	before_ms = vmv_real_ms(&vmv_clock_system);
	r = set_system(want_ms, err);
	if (r < 0)
		return r;
	tell(a, before_ms, vmv_real_ms(&vmv_clock_system), set_rtc(a->settings->root));
	return 0;
}
