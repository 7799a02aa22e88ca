#include "collectors/time.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

#define CLOCKSOURCE "devices/system/clocksource/clocksource0/"
#define UNKNOWN	    ((double)NAN)

#define NS_PER_S     INT64_C(1000000000)
#define NS_PER_MS    INT64_C(1000000)
#define JUMP_MS	     1000
#define WIDTH_GOOD   NS_PER_MS /* apart so far at most, or it is tried again */
#define WIDTH_USABLE (100 * NS_PER_MS)
#define TRIES	     3
#define LATEST_S     (INT64_MAX / NS_PER_S - 1)

#define PPM_16 65536000000.0 /* a frequency's unit: 2^-16 millionths */
#define MICRO  1e6
#define NANO   1e9

#define S struct vmv_time_sample

#define SECONDS(member, metric, src, text) \
	VMV_FIELD(S, member, metric, NULL, VMV_GAUGE, VMV_UNIT_SECONDS, 0, src, text)
#define GAUGE(member, metric, src, text) \
	VMV_FIELD(S, member, metric, NULL, VMV_GAUGE, VMV_UNIT_NONE, 0, src, text)
#define HERTZ(member, metric, src, text) \
	VMV_FIELD(S, member, metric, NULL, VMV_GAUGE, VMV_UNIT_HERTZ, 0, src, text)
#define COUNTER(member, metric, src, text) \
	VMV_FIELD(S, member, metric, NULL, VMV_COUNTER, VMV_UNIT_NONE, 0, src, text)
#define INFO(member, label, src, text) \
	VMV_FIELD(S, member, label, NULL, VMV_INFO, VMV_UNIT_NONE, 0, src, text)

static const struct vmv_field fields[] = {
	SECONDS(realtime, "node_time_seconds", "CLOCK_REALTIME",
		"What the guest takes for the time since 1970."),
	SECONDS(suspended, "vmvitals_time_suspended_seconds", "CLOCK_BOOTTIME - CLOCK_MONOTONIC",
		"How long the guest was suspended since its boot."),
	COUNTER(jumps, "vmvitals_time_jumps_total", "CLOCK_REALTIME - CLOCK_BOOTTIME",
		"How often the clock was set by a second or more since the agent was started."),
	SECONDS(last_jump, "vmvitals_time_last_jump_seconds", "CLOCK_REALTIME - CLOCK_BOOTTIME",
		"How far the clock was set the last time, negative when it was set back."),
	SECONDS(offset, "node_timex_offset_seconds", "adjtimex offset",
		"What of a correction is still to be made."),
	VMV_FIELD(S, frequency_ratio, "node_timex_frequency_adjustment_ratio", NULL, VMV_GAUGE,
		  VMV_UNIT_RATIO, 0, "adjtimex freq",
		  "How fast the clock is made to run, 1 being uncorrected."),
	SECONDS(maxerror, "node_timex_maxerror_seconds", "adjtimex maxerror",
		"Largest error that the clock can have."),
	SECONDS(esterror, "node_timex_estimated_error_seconds", "adjtimex esterror",
		"Error that the clock is thought to have."),
	GAUGE(status, "node_timex_status", "adjtimex status", "Bits of the clock's state."),
	GAUGE(constant, "node_timex_loop_time_constant", "adjtimex constant",
	      "Time constant of the loop that corrects the clock."),
	SECONDS(tick, "node_timex_tick_seconds", "adjtimex tick", "Time between two ticks."),
	HERTZ(pps_frequency, "node_timex_pps_frequency_hertz", "adjtimex ppsfreq",
	      "Frequency of the pulse per second."),
	SECONDS(pps_jitter, "node_timex_pps_jitter_seconds", "adjtimex jitter",
		"Jitter of the pulse per second."),
	SECONDS(pps_shift, "node_timex_pps_shift_seconds", "adjtimex shift",
		"Calibration interval of the pulse per second, as a power of two."),
	HERTZ(pps_stability, "node_timex_pps_stability_hertz", "adjtimex stabil",
	      "Average change of the frequency of the pulse per second."),
	COUNTER(pps_jitter_count, "node_timex_pps_jitter_total", "adjtimex jitcnt",
		"Pulses whose jitter was too large."),
	COUNTER(pps_calibrations, "node_timex_pps_calibration_total", "adjtimex calcnt",
		"Calibration intervals of the pulse per second."),
	COUNTER(pps_errors, "node_timex_pps_error_total", "adjtimex errcnt",
		"Calibrations by the pulse per second that failed."),
	COUNTER(pps_stability_exceeded, "node_timex_pps_stability_exceeded_total",
		"adjtimex stbcnt", "Calibrations whose frequency had changed too much."),
	SECONDS(tai_offset, "node_timex_tai_offset_seconds", "adjtimex tai",
		"International atomic time less universal time, as far as the kernel was told."),
	GAUGE(is_synchronised, "node_timex_sync_status", "adjtimex return value",
	      "1 while a program keeps the clock synchronised, else 0."),
	INFO(clocksource, "clocksource", CLOCKSOURCE "current_clocksource",
	     "What the kernel counts time with."),
	INFO(clocksources, "clocksources_available", CLOCKSOURCE "available_clocksource",
	     "What it could count time with."),
};

#undef S

static double sized(long v, double divisor)
{
	return v < 0 ? UNKNOWN : (double)v / divisor;
}

static uint64_t counted(long v)
{
	return v < 0 ? VMV_UNSET : (uint64_t)v;
}

void vmv_time_from_timex(const struct timex *tx, int state, struct vmv_time_sample *ret)
{
	double resolution = tx->status & STA_NANO ? NANO : MICRO; /* of offset and jitter only */

	ret->offset = (double)tx->offset / resolution;
	ret->frequency_ratio = 1.0 + (double)tx->freq / PPM_16;
	ret->maxerror = sized(tx->maxerror, MICRO);
	ret->esterror = sized(tx->esterror, MICRO);
	ret->status = counted(tx->status);
	ret->constant = counted(tx->constant);
	ret->tick = sized(tx->tick, MICRO);
	ret->pps_frequency = (double)tx->ppsfreq / PPM_16;
	ret->pps_jitter = sized(tx->jitter, resolution);
	ret->pps_shift = counted(tx->shift);
	ret->pps_stability = sized(tx->stabil, PPM_16);
	ret->pps_jitter_count = counted(tx->jitcnt);
	ret->pps_calibrations = counted(tx->calcnt);
	ret->pps_errors = counted(tx->errcnt);
	ret->pps_stability_exceeded = counted(tx->stbcnt);
	ret->tai_offset = (double)tx->tai;
	ret->is_synchronised = state != TIME_ERROR;
}

static void forget_timex(struct vmv_time_sample *ret)
{
	ret->offset = ret->frequency_ratio = ret->maxerror = ret->esterror = UNKNOWN;
	ret->tick = ret->pps_frequency = ret->pps_jitter = ret->pps_stability = UNKNOWN;
	ret->tai_offset = UNKNOWN;
	ret->status = ret->constant = ret->pps_shift = ret->is_synchronised = VMV_UNSET;
	ret->pps_jitter_count = ret->pps_calibrations = VMV_UNSET;
	ret->pps_errors = ret->pps_stability_exceeded = VMV_UNSET;
}

void vmv_time_read_timex(const struct vmv_time_source *source, struct vmv_time_sample *ret)
{
	struct timex tx = { .modes = 0 }; /* asks; changes nothing */
	int state = source->adjtimex(&tx);

	if (state < 0)
		forget_timex(ret);
	else
		vmv_time_from_timex(&tx, state, ret);
}

static bool read_ns(const struct vmv_time_source *source, clockid_t clock, int64_t *ret)
{
	struct timespec t;

	if (source->clock_gettime(clock, &t) < 0 || t.tv_sec < 0 || t.tv_sec > LATEST_S)
		return false;
	*ret = (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
	return true;
}

/* The three clocks at nearly the same time: width says how nearly. */
struct clocks {
	int64_t boot, mono, real, width;
};

/* The other two lie between two readings of BOOTTIME, which nobody can set. */
static bool read_once(const struct vmv_time_source *source, struct clocks *ret)
{
	struct clocks c;
	int64_t end;

	if (!read_ns(source, CLOCK_BOOTTIME, &c.boot) ||
	    !read_ns(source, CLOCK_MONOTONIC, &c.mono) ||
	    !read_ns(source, CLOCK_REALTIME, &c.real) || !read_ns(source, CLOCK_BOOTTIME, &end) ||
	    end < c.boot)
		return false;
	c.width = end - c.boot;
	c.boot += c.width / 2;
	*ret = c;
	return true;
}

/* The best of some attempts; its width is INT64_MAX when there is none. */
static struct clocks read_together(const struct vmv_time_source *source)
{
	struct clocks best = { .width = INT64_MAX };

	for (int i = 0; i < TRIES && best.width > WIDTH_GOOD; i++) {
		struct clocks c;

		if (!read_once(source, &c))
			break;
		if (c.width < best.width)
			best = c;
	}
	return best;
}

/* To the nearest millisecond: what is below is the time between the readings. */
static int64_t ms_between(int64_t a, int64_t b)
{
	int64_t d = a - b;

	return (d + (d < 0 ? -NS_PER_MS : NS_PER_MS) / 2) / NS_PER_MS;
}

static void find_jump(struct vmv_time_jumps *jumps, int64_t now_ms)
{
	int64_t d = now_ms - jumps->base_ms;

	if (jumps->has_base && (d >= JUMP_MS || d <= -JUMP_MS)) {
		jumps->count++;
		jumps->last_ms = d;
	}
	jumps->has_base = true;
	jumps->base_ms = now_ms;
}

void vmv_time_read_clocks(const struct vmv_time_source *source, struct vmv_time_jumps *jumps,
			  struct vmv_time_sample *ret)
{
	struct clocks c = read_together(source);
	int64_t suspended_ms;

	ret->realtime = ret->suspended = ret->last_jump = UNKNOWN;
	if (c.width < INT64_MAX)
		ret->realtime = (double)c.real / NANO;
	if (c.width <= WIDTH_USABLE) {
		suspended_ms = ms_between(c.boot, c.mono);
		ret->suspended = suspended_ms < 0 ? 0 : (double)suspended_ms / 1000.0;
		find_jump(jumps, ms_between(c.real, c.boot));
	}
	ret->jumps = jumps->count;
	if (jumps->count > 0)
		ret->last_jump = (double)jumps->last_ms / 1000.0;
}

static const struct vmv_time_source kernel = {
	.adjtimex = adjtimex,
	.clock_gettime = clock_gettime,
};

struct time_state {
	struct vmv_time_jumps jumps;
	int current, available; /* descriptors; -1: this kernel has no such file */
};

static int open_attr(const struct vmv_root *root, const char *path)
{
	return openat(root->sys, path, O_RDONLY | O_CLOEXEC);
}

static void time_close(void *state)
{
	struct time_state *t = state;

	if (!t)
		return;
	vmv_closep(&t->current);
	vmv_closep(&t->available);
	free(t);
}

static void *time_open(const struct vmv_root *root)
{
	struct time_state *t = malloc(sizeof(*t));

	if (t)
		*t = (struct time_state){
			.current = open_attr(root, CLOCKSOURCE "current_clocksource"),
			.available = open_attr(root, CLOCKSOURCE "available_clocksource"),
		};
	return t;
}

/* Text of one line; "" when there is none, or one that is longer than any kernel's. */
static void read_line(int fd, char *ret, size_t cap)
{
	int len = fd < 0 ? -ENOENT : vmv_read_fd(fd, ret, cap);

	if (len < 0)
		len = 0;
	while (len > 0 && (ret[len - 1] == '\n' || ret[len - 1] == ' '))
		len--;
	ret[len] = '\0';
	if (strlen(ret) != (size_t)len || strchr(ret, '\n'))
		ret[0] = '\0';
}

static int time_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct time_state *t = state;
	struct vmv_time_sample s = {
		.realtime = UNKNOWN, .suspended = UNKNOWN, .jumps = VMV_UNSET, .last_jump = UNKNOWN
	};

	if (!root->is_live && t->current < 0)
		return vmv_fail(err, VMV_E_IO, ENOENT, "no record of /sys/" CLOCKSOURCE);
	forget_timex(&s);
	if (root->is_live) {
		vmv_time_read_clocks(&kernel, &t->jumps, &s);
		vmv_time_read_timex(&kernel, &s);
	}
	read_line(t->current, s.clocksource, sizeof(s.clocksource));
	read_line(t->available, s.clocksources, sizeof(s.clocksources));
	return sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_time = {
	.name = "time",
	.help = "The guest's clock, how it is kept, and whether it jumped.",
	.file = "adjtimex(2), clock_gettime(2), /sys/devices/system/clocksource/clocksource0",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_time_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.open = time_open,
	.close = time_close,
	.read = time_read,
};
