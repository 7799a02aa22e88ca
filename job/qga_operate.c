/* guest-fsfreeze-*, guest-fstrim, guest-set-time: what the native actions do, in QGA's words. */
#include "base/err.h"
#include "commands/qga.h"
#include "job/clock.h"
#include "job/freeze.h"
#include "job/guard.h"
#include "job/points.h"
#include "job/qga.h"
#include "job/trim.h"
#include "proto/json_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS	    1000
#define NS_PER_S    INT64_C(1000000000)
#define THAW_MIN_S  5
#define THAW_MAX_S  3600
#define YEAR_2070_S INT64_C(3155760000)

/* -- freezing -----------------------------------------------------------------------------------
 */

int vmv_do_qga_freeze(struct vmv_action *a, struct vmv_err *err)
{
	struct vmv_freezing f = { .action = a, .is_lenient = true };
	int64_t thaw_after_s;
	int r;

	if (!vmv_json_int(vmv_json_get(a->message, "thaw_after_s"), THAW_MIN_S, THAW_MAX_S,
			  &thaw_after_s))
		return vmv_fail(err, VMV_E_PARSE, EINVAL,
				"the job's description has a bad 'thaw_after_s'");
	f.timeout_ms = (uint32_t)thaw_after_s * MS;
	if (a->command->n_args > VMV_QGA_MOUNTPOINTS)
		f.names = a->args[VMV_QGA_MOUNTPOINTS].json;
	r = vmv_freeze(&f, err);
	if (r == 0)
		vmv_jw_u64(&a->data, NULL, f.report->count);
	vmv_freezing_clear(&f);
	return r;
}

/* Proxmox VE thaws whether something is frozen or not: nothing is no error. */
int vmv_do_qga_thaw(struct vmv_action *a, struct vmv_err *err)
{
	uint64_t count = 0, frozen_ms;
	int r = vmv_thaw(a, &count, &frozen_ms, err);

	if (r == 0)
		vmv_jw_u64(&a->data, NULL, count);
	return r;
}

/* -- trimming -----------------------------------------------------------------------------------
 */

static void write_trimmed(struct vmv_action *a, const struct vmv_point *p, uint64_t minimum)
{
	struct vmv_trimmed got = { 0 };
	char text[128];
	int r = vmv_trim(a, p, minimum, &got);

	vmv_jw_open(&a->data, NULL);
	vmv_jw_str(&a->data, "path", p->path);
	if (r == 0) {
		vmv_jw_u64(&a->data, "trimmed", got.bytes);
		vmv_jw_u64(&a->data, "minimum", got.minimum);
	} else {
		(void)snprintf(text, sizeof(text), "cannot trim: %s", strerror(-r));
		vmv_jw_str(&a->data, "error", vmv_trim_cannot(r) ? "trim not supported" : text);
	}
	vmv_jw_close(&a->data);
}

int vmv_do_qga_trim(struct vmv_action *a, struct vmv_err *err)
{
	int64_t minimum = a->args[VMV_QGA_TRIM_MINIMUM].number;
	struct vmv_points *points = NULL;
	int r = vmv_points_open(a->settings, NULL, true, &points, err);

	if (r < 0)
		return r;
	vmv_jw_open(&a->data, NULL);
	vmv_jw_array(&a->data, "paths");
	for (size_t i = 0; i < points->n; i++)
		write_trimmed(a, &points->v[i], minimum > 0 ? (uint64_t)minimum : 0);
	vmv_jw_end(&a->data);
	vmv_jw_close(&a->data);
	vmv_points_free(points);
	return 0;
}

/* -- the clock ----------------------------------------------------------------------------------
 */

/* Hardware clocks count the year with two digits: those of clients' are 1970 to 2069. */
static int check_time(int64_t real_s, struct vmv_err *err)
{
	if (real_s >= 0 && real_s < YEAR_2070_S)
		return 0;
	return vmv_fail(err, VMV_E_RANGE, ERANGE, "Time is not between the years 1970 and 2069");
}

static int set_both(const char *root, int64_t real_ns, struct vmv_err *err)
{
	int r = real_ns < 0 ? check_time(-1, err) : check_time(real_ns / NS_PER_S, err);

	if (r == 0)
		r = vmv_clock_set(real_ns, err);
	if (r < 0)
		return r;
	r = vmv_rtc_set(root);
	if (r == 0 || r == -ENOENT) /* without one, this is all that could be asked for */
		return 0;
	return vmv_fail(err, VMV_E_IO, -r, "the clock is set, but the hardware clock cannot be: %s",
			strerror(-r));
}

static int set_from_rtc(const char *root, struct vmv_err *err)
{
	int64_t real_s;
	int r = vmv_rtc_get(root, &real_s);

	if (r == -ENOENT)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "there is no hardware clock");
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read the hardware clock: %s",
				strerror(-r));
	r = check_time(real_s, err);
	return r < 0 ? r : vmv_clock_set(real_s * NS_PER_S, err);
}

int vmv_do_qga_set_time(struct vmv_action *a, struct vmv_err *err)
{
	const struct vmv_value *time = &a->args[VMV_QGA_TIME];
	const char *root = a->settings->root;
	int r = vmv_clock_check_root(root, err);

	if (r < 0)
		return r;
	return time->is_given ? set_both(root, time->number, err) : set_from_rtc(root, err);
}
