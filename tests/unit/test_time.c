#include "collectors/time.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#define BELOW_SYS   "devices/system/clocksource/clocksource0/"
#define CLOCKSOURCE "sys/" BELOW_SYS
#define S	    INT64_C(1000000000)
#define MS	    INT64_C(1000000)

static struct fixture fx;

/* A machine: its clocks in nanoseconds, and what happens to them. */
static int64_t boot, mono, real, step, stall;
static int stalls; /* readings of BOOTTIME that are held up, two an attempt */
static clockid_t broken;
static struct vmv_time_jumps jumps;
static struct vmv_time_sample sample;

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	int64_t ns = clock == CLOCK_BOOTTIME ? boot : clock == CLOCK_MONOTONIC ? mono : real;

	if (clock == broken) {
		errno = EINVAL;
		return -1;
	}
	*ret = (struct timespec){ .tv_sec = ns / S, .tv_nsec = ns % S };
	boot += step;
	mono += step;
	real += step;
	if (clock == CLOCK_BOOTTIME && stalls > 0) {
		stalls--;
		boot += stall;
		mono += stall;
		real += stall;
	}
	return 0;
}

static struct timex answer;
static int answer_state;

static int fake_adjtimex(struct timex *tx)
{
	ck_assert_uint_eq(tx->modes, 0); /* never anything but a question */
	if (answer_state < 0) {
		errno = EPERM;
		return -1;
	}
	*tx = answer;
	return answer_state;
}

static const struct vmv_time_source fake = { fake_adjtimex, fake_clock };

static void up(void)
{
	fixture_up(&fx);
	boot = mono = 5000 * S;
	real = 1700000000 * S + 250 * MS;
	step = 100; /* nanoseconds a call */
	broken = -1;
}

static void down(void)
{
	fixture_down(&fx);
}

static void pass(int64_t ns)
{
	boot += ns;
	mono += ns;
	real += ns;
}

static const struct vmv_time_sample *look(void)
{
	vmv_time_read_clocks(&fake, &jumps, &sample);
	return &sample;
}

static bool is_unknown(double v)
{
	return isnan(v) != 0;
}

START_TEST(a_clock_that_only_runs_does_not_jump)
{
	for (int i = 0; i < 100; i++) {
		ck_assert_double_ge(look()->realtime, 1700000000.25 + i * 10);
		ck_assert_double_lt(sample.realtime, 1700000000.26 + i * 10);
		ck_assert_double_eq(sample.suspended, 0);
		ck_assert_uint_eq(sample.jumps, 0);
		ck_assert(is_unknown(sample.last_jump));
		pass(10 * S);
	}
}
END_TEST

static const struct {
	int64_t by_ms;
	uint64_t jumps;
} steps[] = {
	{ 0, 0 },	{ 1, 0 },	 { 999, 0 },	   { -999, 0 },
	{ 1000, 1 },	{ -1000, 1 }, /* a leap second is inserted */
	{ 3600000, 1 }, { -3600000, 1 }, { -86400000, 1 }, { 31536000000, 1 },
};

START_TEST(a_step_of_a_second_or_more_is_a_jump)
{
	(void)look();
	pass(S);
	real += steps[_i].by_ms * MS;
	ck_assert_uint_eq(look()->jumps, steps[_i].jumps);
	if (steps[_i].jumps > 0)
		ck_assert_double_eq(sample.last_jump, (double)steps[_i].by_ms / 1000.0);
	else
		ck_assert(is_unknown(sample.last_jump));
	ck_assert_double_eq(sample.suspended, 0);
	pass(S); /* told once */
	ck_assert_uint_eq(look()->jumps, steps[_i].jumps);
}
END_TEST

START_TEST(the_last_jump_stays_until_the_next)
{
	(void)look();
	real += 90 * S;
	ck_assert_double_eq(look()->last_jump, 90);
	pass(100 * S);
	ck_assert_double_eq(look()->last_jump, 90);
	real -= 1500 * MS;
	ck_assert_double_eq(look()->last_jump, -1.5);
	ck_assert_uint_eq(sample.jumps, 2);
}
END_TEST

START_TEST(a_suspension_is_no_jump)
{
	(void)look();
	boot += 7200 * S; /* MONOTONIC stands still */
	real += 7200 * S;
	ck_assert_double_eq(look()->suspended, 7200);
	ck_assert_uint_eq(sample.jumps, 0);
	boot += 1234567890; /* not a whole millisecond */
	real += 1234567890;
	ck_assert_double_eq(look()->suspended, 7201.235);
	ck_assert_uint_eq(sample.jumps, 0);
}
END_TEST

/* The host stops all processors: no clock of the guest goes on. Then its time daemon finds out. */
START_TEST(a_pause_shows_when_the_clock_is_set_right)
{
	(void)look();
	ck_assert_uint_eq(look()->jumps, 0);
	pass(2 * S);
	real += 600 * S;
	ck_assert_double_eq(look()->last_jump, 600);
	ck_assert_double_eq(sample.suspended, 0);
	ck_assert_uint_eq(sample.jumps, 1);
}
END_TEST

START_TEST(being_held_up_between_the_clocks_is_no_jump)
{
	stall = 3 * S;
	stalls = 2; /* the first attempt; the second is good */
	ck_assert_double_eq(look()->suspended, 0);
	stalls = 4;
	ck_assert_uint_eq(look()->jumps, 0);
	ck_assert_double_eq(sample.suspended, 0);
}
END_TEST

START_TEST(held_up_each_time_nothing_is_compared)
{
	(void)look();
	stall = 3 * S;
	stalls = 6;
	real += 5 * S;
	ck_assert(is_unknown(look()->suspended));
	ck_assert(!is_unknown(sample.realtime));
	ck_assert_uint_eq(sample.jumps, 0);
	ck_assert_double_eq(look()->last_jump, 5); /* not missed for that */
	ck_assert_uint_eq(sample.jumps, 1);
}
END_TEST

START_TEST(a_little_apart_is_good_enough)
{
	(void)look();
	stall = 50 * MS;
	stalls = 6;
	ck_assert(!is_unknown(look()->suspended));
	ck_assert_double_le(sample.suspended, 0.025);
	ck_assert_uint_eq(sample.jumps, 0);
}
END_TEST

/* MONOTONIC, read after BOOTTIME, may be ahead of it by nanoseconds. */
START_TEST(no_duration_is_ever_negative)
{
	mono += 20;
	ck_assert_double_eq(look()->suspended, 0);
	mono += 20 * S; /* a broken kernel, or another time namespace */
	ck_assert_double_eq(look()->suspended, 0);
	ck_assert(!signbit(sample.suspended));
}
END_TEST

static const clockid_t clocks[] = { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME };

START_TEST(a_clock_that_cannot_be_read_makes_times_unknown)
{
	(void)look();
	broken = clocks[_i];
	ck_assert(is_unknown(look()->realtime));
	ck_assert(is_unknown(sample.suspended));
	ck_assert_uint_eq(sample.jumps, 0);
	broken = -1;
	real += 60 * S;
	ck_assert_uint_eq(look()->jumps, 1);
}
END_TEST

START_TEST(a_synchronised_clock_in_nanoseconds)
{
	answer_state = TIME_OK;
	answer = (struct timex){
		.offset = -1234567,
		.freq = -1310720, /* -20 millionths */
		.maxerror = 250000,
		.esterror = 1500,
		.status = STA_PLL | STA_NANO,
		.constant = 7,
		.tick = 10000,
		.tai = 37,
		.ppsfreq = 65536,
		.jitter = 5000,
		.shift = 4,
		.stabil = 131072,
		.jitcnt = 1,
		.calcnt = 2,
		.errcnt = 3,
		.stbcnt = 4,
	};
	vmv_time_read_timex(&fake, &sample);
	ck_assert_double_eq_tol(sample.offset, -0.001234567, 1e-15);
	ck_assert_double_eq_tol(sample.frequency_ratio, 0.99998, 1e-15);
	ck_assert_double_eq(sample.maxerror, 0.25);
	ck_assert_double_eq(sample.esterror, 0.0015);
	ck_assert_uint_eq(sample.status, 0x2001);
	ck_assert_uint_eq(sample.constant, 7);
	ck_assert_double_eq(sample.tick, 0.01);
	ck_assert_double_eq(sample.tai_offset, 37);
	ck_assert_double_eq_tol(sample.pps_frequency, 1e-6, 1e-20);
	ck_assert_double_eq_tol(sample.pps_jitter, 5e-6, 1e-18);
	ck_assert_uint_eq(sample.pps_shift, 4);
	ck_assert_double_eq_tol(sample.pps_stability, 2e-6, 1e-20);
	ck_assert_uint_eq(sample.pps_jitter_count, 1);
	ck_assert_uint_eq(sample.pps_calibrations, 2);
	ck_assert_uint_eq(sample.pps_errors, 3);
	ck_assert_uint_eq(sample.pps_stability_exceeded, 4);
	ck_assert_uint_eq(sample.is_synchronised, 1);
}
END_TEST

START_TEST(without_the_nano_bit_offset_and_jitter_are_microseconds)
{
	answer_state = TIME_OK;
	answer = (struct timex){ .offset = 1500, .jitter = 30, .status = STA_PLL };
	vmv_time_read_timex(&fake, &sample);
	ck_assert_double_eq(sample.offset, 0.0015);
	ck_assert_double_eq(sample.pps_jitter, 0.00003);
	ck_assert_double_eq(sample.frequency_ratio, 1);
}
END_TEST

static const struct {
	int state;
	uint64_t expected;
} states[] = {
	{ TIME_OK, 1 },	 { TIME_INS, 1 },  { TIME_DEL, 1 },
	{ TIME_OOP, 1 }, { TIME_WAIT, 1 }, { TIME_ERROR, 0 },
};

START_TEST(a_clock_is_synchronised_unless_the_kernel_says_error)
{
	answer_state = states[_i].state;
	answer = (struct timex){ .status = STA_UNSYNC };
	vmv_time_read_timex(&fake, &sample);
	ck_assert_uint_eq(sample.is_synchronised, states[_i].expected);
	ck_assert_uint_eq(sample.status, 64);
}
END_TEST

START_TEST(counts_below_zero_are_unknown)
{
	answer_state = TIME_OK;
	answer = (struct timex){
		.status = -1,
		.maxerror = -1,
		.esterror = -1,
		.constant = -1,
		.tick = -1,
		.jitter = -1,
		.shift = -1,
		.stabil = -1,
		.jitcnt = -1,
		.calcnt = -1,
		.errcnt = -1,
		.stbcnt = -1,
	};
	vmv_time_read_timex(&fake, &sample);
	ck_assert(is_unknown(sample.maxerror) && is_unknown(sample.esterror));
	ck_assert(is_unknown(sample.tick) && is_unknown(sample.pps_jitter));
	ck_assert(is_unknown(sample.pps_stability));
	ck_assert(sample.status == VMV_UNSET && sample.constant == VMV_UNSET);
	ck_assert(sample.pps_shift == VMV_UNSET && sample.pps_jitter_count == VMV_UNSET);
	ck_assert(sample.pps_calibrations == VMV_UNSET && sample.pps_errors == VMV_UNSET);
	ck_assert(sample.pps_stability_exceeded == VMV_UNSET);
}
END_TEST

static void expect_no_timex(const struct vmv_time_sample *s)
{
	ck_assert(is_unknown(s->offset) && is_unknown(s->frequency_ratio));
	ck_assert(is_unknown(s->maxerror) && is_unknown(s->esterror) && is_unknown(s->tick));
	ck_assert(is_unknown(s->pps_frequency) && is_unknown(s->pps_jitter));
	ck_assert(is_unknown(s->pps_stability) && is_unknown(s->tai_offset));
	ck_assert(s->status == VMV_UNSET && s->constant == VMV_UNSET && s->pps_shift == VMV_UNSET);
	ck_assert(s->pps_jitter_count == VMV_UNSET && s->pps_calibrations == VMV_UNSET);
	ck_assert(s->pps_errors == VMV_UNSET && s->pps_stability_exceeded == VMV_UNSET);
	ck_assert(s->is_synchronised == VMV_UNSET);
}

START_TEST(what_may_not_be_asked_is_unknown)
{
	answer_state = -1;
	memset(&sample, 0, sizeof(sample));
	vmv_time_read_timex(&fake, &sample);
	expect_no_timex(&sample);
}
END_TEST

static const struct vmv_time_sample *read_row(struct kept *k, const struct vmv_root *root)
{
	struct vmv_err err = { 0 };

	kept_init(k, &vmv_collector_time);
	ck_assert_msg(kept_read(k, &vmv_collector_time, root, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(k->n, 1);
	return kept_row(k, "");
}

START_TEST(a_record_tells_no_time_but_the_clock_sources)
{
	const struct vmv_time_sample *s;
	struct kept k;

	fixture_put(&fx, CLOCKSOURCE "current_clocksource", "kvm-clock\n");
	fixture_put(&fx, CLOCKSOURCE "available_clocksource", "kvm-clock tsc acpi_pm \n");
	s = read_row(&k, &fx.root);
	ck_assert_str_eq(s->clocksource, "kvm-clock");
	ck_assert_str_eq(s->clocksources, "kvm-clock tsc acpi_pm");
	ck_assert(is_unknown(s->realtime) && is_unknown(s->suspended) && is_unknown(s->last_jump));
	ck_assert(s->jumps == VMV_UNSET);
	expect_no_timex(s);
	kept_clear(&k);
}
END_TEST

START_TEST(a_clock_source_that_changes_is_noticed)
{
	void *state;
	struct kept k;

	fixture_put(&fx, CLOCKSOURCE "current_clocksource", "tsc\n");
	state = vmv_collector_time.open(&fx.root);
	kept_init(&k, &vmv_collector_time);
	ck_assert_int_eq(vmv_collector_time.read(state, &fx.root, &k.sink, NULL), 0);
	fixture_put(&fx, CLOCKSOURCE "current_clocksource", "hpet\n");
	kept_clear(&k);
	kept_init(&k, &vmv_collector_time);
	ck_assert_int_eq(vmv_collector_time.read(state, &fx.root, &k.sink, NULL), 0);
	ck_assert_str_eq(((const struct vmv_time_sample *)kept_row(&k, ""))->clocksource, "hpet");
	ck_assert_str_eq(((const struct vmv_time_sample *)kept_row(&k, ""))->clocksources, "");
	kept_clear(&k);
	vmv_collector_time.close(state);
	vmv_collector_time.close(NULL);
}
END_TEST

#define TEN "0123456789"

static const char *const no_names[] = {
	"", "\n", " \n", "a\nb\n", TEN TEN TEN "0123\n",
};

START_TEST(a_clock_source_without_a_name_is_unknown)
{
	struct kept k;

	fixture_put(&fx, CLOCKSOURCE "current_clocksource", no_names[_i]);
	ck_assert_str_eq(read_row(&k, &fx.root)->clocksource, "");
	kept_clear(&k);
}
END_TEST

START_TEST(a_record_without_clock_sources_has_no_such_group)
{
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_time);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_time, &fx.root, &err), -ENOENT);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

static double now(clockid_t clock)
{
	struct timespec t;

	ck_assert_int_eq(clock_gettime(clock, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(the_kernel_we_run_on_is_understood)
{
	const struct vmv_time_sample *s;
	struct timex tx = { .modes = 0 };
	double before = now(CLOCK_REALTIME);
	struct vmv_root root;
	struct kept k;
	int state;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	s = read_row(&k, &root);
	ck_assert_double_ge(s->realtime, before);
	ck_assert_double_le(s->realtime, now(CLOCK_REALTIME));
	ck_assert_double_eq_tol(s->suspended, now(CLOCK_BOOTTIME) - now(CLOCK_MONOTONIC), 0.05);
	ck_assert_uint_eq(s->jumps, 0);
	ck_assert(is_unknown(s->last_jump));
	state = adjtimex(&tx);
	if (state < 0) {
		SAY_SKIPPED("adjtimex is refused here");
		expect_no_timex(s);
	} else {
		ck_assert_uint_eq(s->status, (uint64_t)tx.status);
		ck_assert_uint_eq(s->is_synchronised, state != TIME_ERROR);
		ck_assert_double_eq_tol(s->frequency_ratio, 1 + (double)tx.freq / 65536e6, 1e-9);
		ck_assert_double_eq(s->tick, (double)tx.tick / 1e6);
		ck_assert_double_eq(s->tai_offset, tx.tai);
		ck_assert_double_eq_tol(s->maxerror, (double)tx.maxerror / 1e6, 1);
		ck_assert_uint_eq(s->constant, (uint64_t)tx.constant);
	}
	if (faccessat(root.sys, BELOW_SYS, F_OK, 0) < 0) {
		SAY_SKIPPED("this kernel shows no clock sources here");
	} else {
		ck_assert_str_ne(s->clocksource, "");
		ck_assert_ptr_nonnull(strstr(s->clocksources, s->clocksource));
	}
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("time");
	TCase *tc = tcase_create("time");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_clock_that_only_runs_does_not_jump);
	tcase_add_loop_test(tc, a_step_of_a_second_or_more_is_a_jump, 0, (int)VMV_COUNTOF(steps));
	tcase_add_test(tc, the_last_jump_stays_until_the_next);
	tcase_add_test(tc, a_suspension_is_no_jump);
	tcase_add_test(tc, a_pause_shows_when_the_clock_is_set_right);
	tcase_add_test(tc, being_held_up_between_the_clocks_is_no_jump);
	tcase_add_test(tc, held_up_each_time_nothing_is_compared);
	tcase_add_test(tc, a_little_apart_is_good_enough);
	tcase_add_test(tc, no_duration_is_ever_negative);
	tcase_add_loop_test(tc, a_clock_that_cannot_be_read_makes_times_unknown, 0,
			    (int)VMV_COUNTOF(clocks));
	tcase_add_test(tc, a_synchronised_clock_in_nanoseconds);
	tcase_add_test(tc, without_the_nano_bit_offset_and_jitter_are_microseconds);
	tcase_add_loop_test(tc, a_clock_is_synchronised_unless_the_kernel_says_error, 0,
			    (int)VMV_COUNTOF(states));
	tcase_add_test(tc, counts_below_zero_are_unknown);
	tcase_add_test(tc, what_may_not_be_asked_is_unknown);
	tcase_add_test(tc, a_record_tells_no_time_but_the_clock_sources);
	tcase_add_test(tc, a_clock_source_that_changes_is_noticed);
	tcase_add_loop_test(tc, a_clock_source_without_a_name_is_unknown, 0,
			    (int)VMV_COUNTOF(no_names));
	tcase_add_test(tc, a_record_without_clock_sources_has_no_such_group);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
