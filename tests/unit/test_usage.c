#include "reports/usage.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"
#include "proto/json_write.h"
#include "reports/advice.h"
#include "reports/facts.h"
#include "reports/rates.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE 60000u
#define DAY    86400000u
#define MIB    (UINT64_C(1) << 20)
#define GIB    (UINT64_C(1) << 30)
#define BEGAN  (7 * MINUTE)

static struct vmv_usage *usage;
static struct vmv_usage_mark mark;

static void up(void)
{
	usage = vmv_usage_new();
	ck_assert_ptr_nonnull(usage);
	mark = (struct vmv_usage_mark){ .at_ms = BEGAN, .total = 1000, .used = GIB };
	vmv_usage_add(usage, &mark);
}

static void down(void)
{
	vmv_usage_free(usage);
}

/* So much time with so much use of all CPUs (two of them: 200 ticks a second), in steps. */
static void pass(uint64_t ms, double percent, uint64_t used, uint64_t step_ms)
{
	for (uint64_t at = 0; at < ms; at += step_ms) {
		uint64_t ticks = step_ms / 5;

		mark.at_ms += step_ms;
		mark.total += ticks;
		mark.busy += (uint64_t)((double)ticks * percent / 100 + 0.5);
		mark.used = used;
		vmv_usage_add(usage, &mark);
	}
}

static struct vmv_usage_summary summary(unsigned days)
{
	struct vmv_usage_summary s;

	ck_assert_int_eq(vmv_usage_summarise(usage, mark.at_ms, days, &s), 0);
	return s;
}

START_TEST(nothing_is_known_of_an_agent_that_begins)
{
	struct vmv_usage_summary s = summary(30);

	ck_assert_uint_eq(s.seconds, 0);
	ck_assert(isnan(s.cpu_p95));
	ck_assert(s.memory_peak == VMV_UNSET);
}
END_TEST

START_TEST(means_cover_the_time_between_readings)
{
	struct vmv_usage_summary s;

	pass(60 * MINUTE, 12.5, 3 * GIB, MINUTE);
	s = summary(1);
	ck_assert_uint_eq(s.seconds, 3600);
	ck_assert_double_eq_tol(s.cpu_p95, 12.5, 0.011);
	ck_assert_uint_eq(s.memory_peak, 3 * GIB);
}
END_TEST

/* Busy for a part of five minutes: it is the mean that counts. */
START_TEST(peaks_are_of_means_of_five_minutes)
{
	mark.at_ms = 100 * 5 * MINUTE; /* a gap, up to where five minutes begin */
	vmv_usage_add(usage, &mark);
	pass(1 * MINUTE, 100, 5 * GIB, MINUTE);
	pass(4 * MINUTE, 0, 0, MINUTE);
	ck_assert_uint_eq(summary(1).seconds, 300);
	ck_assert_double_eq_tol(summary(1).cpu_p95, 20, 0.011);
	ck_assert_uint_eq(summary(1).memory_peak, GIB);
}
END_TEST

START_TEST(five_percent_of_the_time_may_be_busier)
{
	pass(96 * 5 * MINUTE, 5, GIB, 5 * MINUTE);
	pass(4 * 5 * MINUTE, 90, GIB, 5 * MINUTE);
	ck_assert_double_eq_tol(summary(1).cpu_p95, 5, 0.011);
	pass(2 * 5 * MINUTE, 90, GIB, 5 * MINUTE);
	ck_assert_double_eq_tol(summary(1).cpu_p95, 90, 0.011);
}
END_TEST

START_TEST(time_without_readings_is_a_gap)
{
	pass(10 * MINUTE, 10, GIB, MINUTE);
	pass(600 * MINUTE, 100, 9 * GIB, 600 * MINUTE); /* no host for ten hours */
	pass(10 * MINUTE, 10, GIB, MINUTE);
	ck_assert_uint_eq(summary(1).seconds, 1200);
	ck_assert_double_eq_tol(summary(1).cpu_p95, 10, 0.011);
	ck_assert_uint_eq(summary(1).memory_peak, GIB);
}
END_TEST

START_TEST(counters_that_run_backwards_make_a_gap)
{
	pass(10 * MINUTE, 10, GIB, MINUTE);
	mark.busy = 0;
	pass(MINUTE, 0, GIB, MINUTE);
	mark.total = 5;
	pass(MINUTE, 0, GIB, MINUTE);
	ck_assert_uint_eq(summary(1).seconds, 600);
	pass(MINUTE, 10, GIB, MINUTE);
	ck_assert_uint_eq(summary(1).seconds, 660);
}
END_TEST

START_TEST(the_same_reading_and_an_older_one_count_for_nothing)
{
	pass(10 * MINUTE, 10, GIB, MINUTE);
	vmv_usage_add(usage, &mark);
	ck_assert_uint_eq(summary(1).seconds, 600);
	mark.at_ms -= MINUTE;
	vmv_usage_add(usage, &mark);
	ck_assert_uint_eq(summary(1).seconds, 600);
}
END_TEST

/* A host may ask faster than the kernel counts. */
START_TEST(readings_within_a_tick_lose_no_time)
{
	for (int i = 0; i < 20000; i++) {
		mark.at_ms++;
		mark.total += i % 10 == 9;
		mark.busy += i % 20 == 19;
		vmv_usage_add(usage, &mark);
	}
	ck_assert_uint_eq(summary(1).seconds, 20);
	ck_assert_double_eq_tol(summary(1).cpu_p95, 50, 0.011);
}
END_TEST

START_TEST(unknown_memory_is_no_memory_peak)
{
	pass(10 * MINUTE, 10, VMV_UNSET, MINUTE);
	ck_assert_uint_eq(summary(1).seconds, 600);
	ck_assert(summary(1).memory_peak == VMV_UNSET);
	pass(10 * MINUTE, 10, 2 * GIB, MINUTE);
	ck_assert_uint_eq(summary(1).memory_peak, 2 * GIB);
}
END_TEST

START_TEST(only_the_days_that_are_asked_for_are_looked_at)
{
	pass(DAY, 50, 4 * GIB, 5 * MINUTE);
	pass(2 * DAY, 10, GIB, 5 * MINUTE);
	ck_assert_uint_eq(summary(1).seconds, 86400);
	ck_assert_uint_eq(summary(1).memory_peak, GIB);
	ck_assert_double_eq_tol(summary(2).cpu_p95, 10, 0.011);
	ck_assert_uint_eq(summary(30).seconds, 3 * 86400);
	ck_assert_uint_eq(summary(30).memory_peak, 4 * GIB);
	ck_assert_double_eq_tol(summary(30).cpu_p95, 50, 0.011);
}
END_TEST

/* Places are used again after a month, and what was there counts no more. */
START_TEST(it_never_knows_of_more_than_a_month)
{
	pass(DAY, 100, 30 * GIB, 5 * MINUTE);
	for (int i = 0; i < 70; i++)
		pass(DAY, 10, GIB, 5 * MINUTE);
	ck_assert_uint_eq(summary(30).seconds, 30 * 86400);
	ck_assert_uint_eq(summary(30).memory_peak, GIB);
	ck_assert_double_eq_tol(summary(30).cpu_p95, 10, 0.011);
}
END_TEST

/* Of a month ago there is something left in the same place, and nothing new beside it. */
START_TEST(a_gap_of_a_month_hides_what_was_before)
{
	pass(DAY, 100, 30 * GIB, 5 * MINUTE);
	mark.at_ms += (VMV_USAGE_DAYS + 1) * (uint64_t)DAY - DAY / 2;
	pass(5 * MINUTE, 0, 0, 5 * MINUTE);
	pass(10 * MINUTE, 10, GIB, 5 * MINUTE);
	ck_assert_uint_eq(summary(1).seconds, 600);
	ck_assert_uint_eq(summary(30).memory_peak, GIB);
}
END_TEST

/* -- advice ------------------------------------------------------------------------------------ */

static struct fixture fx;
static struct still_clock now;
static struct vmv_facts *facts;
static struct vmv_rates rates;
static struct vmv_jw w;
static const char *text;

static void advice_up(void)
{
	up();
	fixture_up(&fx);
	still_clock_init(&now);
	now.mono_ns = 0;
	facts = vmv_facts_new(&fx.root, &now.clock);
	ck_assert_ptr_nonnull(facts);
	guest_put(&fx);
	vmv_jw_init(&w, 1 << 20);
}

static void advice_down(void)
{
	vmv_jw_free(&w);
	vmv_rates_clear(&rates);
	vmv_facts_free(facts);
	fixture_down(&fx);
	down();
}

static struct json_object *advice(const struct vmv_usage *u, unsigned days)
{
	now.mono_ns = mark.at_ms * 1000000;
	guest_read(facts);
	ck_assert_int_eq(vmv_rates_compute(&rates, NULL, facts), 0);
	vmv_jw_free(&w);
	vmv_jw_init(&w, 1 << 20);
	ck_assert_int_eq(vmv_advice_write(&w, u, days, facts, &rates, &text), 0);
	vmv_rates_clear(&rates);
	return guest_json(&w);
}

static void expect(struct json_object *obj, const char *path, const char *json)
{
	const char *is = json_object_to_json_string_ext(
		guest_at(obj, path), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	ck_assert_msg(strcmp(is, json) == 0, "%s is %s, not %s", path, is, json);
}

START_TEST(less_than_an_hour_makes_no_advice)
{
	struct json_object *obj = advice(NULL, 7);

	expect(obj, ".status", "\"unknown\"");
	expect(obj, ".evaluated_seconds", "0");
	json_object_put(obj);
	pass(59 * MINUTE, 1, 256 * MIB, MINUTE);
	obj = advice(usage, 7);
	ck_assert_str_eq(text, "unknown");
	expect(obj, ".status", "\"unknown\"");
	expect(obj, ".recommendations", "[]");
	expect(obj, ".cpu_optimization_available", "false");
	expect(obj, ".memory_optimization_available", "false");
	expect(obj, ".evaluated_seconds", "3540");
	json_object_put(obj);
}
END_TEST

/* Two CPUs and 3934 MiB. */
START_TEST(a_guest_that_is_too_large_is_told_what_would_do)
{
	struct json_object *obj;

	pass(60 * MINUTE, 6, 300 * MIB, MINUTE);
	obj = advice(usage, 7);
	ck_assert_str_eq(text, "suboptimal");
	expect(obj, ".status", "\"suboptimal\"");
	expect(obj, ".recommendations[0]",
	       "{\"resource\":\"cpu\",\"current_value\":2,\"recommended_value\":1,\"unit\":"
	       "\"cpus\",\"reason\":\"for 95 % of the time at most 6.0 % of the CPUs was used\","
	       "\"potential_savings_percent\":50.0}");
	expect(obj, ".recommendations[1]",
	       "{\"resource\":\"memory\",\"current_value\":3934,\"recommended_value\":450,"
	       "\"unit\":\"MiB\",\"reason\":\"at most 300 MiB of memory was used\","
	       "\"potential_savings_percent\":88.6}");
	expect(obj, ".cpu_optimization_available", "true");
	expect(obj, ".memory_optimization_available", "true");
	expect(obj, ".disk_optimization_available", "false");
	expect(obj, ".evaluated_seconds", "3600");
	json_object_put(obj);
}
END_TEST

START_TEST(a_guest_that_is_used_is_left_as_it_is)
{
	struct json_object *obj;

	pass(60 * MINUTE, 10, 1500 * MIB, MINUTE);
	obj = advice(usage, 7);
	expect(obj, ".status", "\"optimal\"");
	expect(obj, ".recommendations", "[]");
	json_object_put(obj);
}
END_TEST

START_TEST(a_small_guest_is_not_told_to_shrink)
{
	struct json_object *obj;

	fixture_put(&fx, "proc/meminfo",
		    "MemTotal: 2097151 kB\nMemFree: 1000000 kB\nMemAvailable: 2000000 kB\n");
	fixture_put(&fx, "proc/stat",
		    "cpu  1 0 1 1 1 0 0 0 0 0\ncpu0 1 0 1 1 1 0 0 0 0 0\nbtime 1784029400\n");
	pass(60 * MINUTE, 1, 100 * MIB, MINUTE);
	obj = advice(usage, 7);
	expect(obj, ".status", "\"optimal\"");
	json_object_put(obj);
}
END_TEST

START_TEST(the_busiest_processes_are_told)
{
	struct json_object *obj;

	for (unsigned i = 2; i < 20; i++)
		guest_put_process(&fx, &(struct guest_process){ .pid = i,
								.ppid = 1,
								.comm = "p",
								.state = 'S',
								.utime = i * 100,
								.starttime = 100,
								.rss_kib = 64 });
	obj = advice(usage, 7);
	ck_assert_uint_eq(json_object_array_length(guest_at(obj, ".processes")), 10);
	expect(obj, ".processes[0].pid", "19");
	expect(obj, ".processes[0].name", "\"p\"");
	expect(obj, ".processes[0].memoryKB", "64");
	expect(obj, ".processes[0].executablePath", "null");
	ck_assert_double_gt(json_object_get_double(guest_at(obj, ".processes[0].cpuPercent")), 0);
	json_object_put(obj);
}
END_TEST

START_TEST(readings_are_taken_note_of)
{
	struct vmv_usage_summary s;

	vmv_usage_free(usage);
	usage = vmv_usage_new();
	guest_put_cpu(&fx, 2000, 1000, 190000, 200);
	guest_read(facts);
	vmv_usage_note(usage, facts);
	still_clock_pass(&now, MINUTE);
	/* 60 s of two CPUs, a tenth of it used: iowait is no use */
	guest_put_cpu(&fx, 2800, 1400, 198800, 2200);
	guest_read(facts);
	vmv_usage_note(usage, facts);
	ck_assert_int_eq(vmv_usage_summarise(usage, now.mono_ns / 1000000, 1, &s), 0);
	ck_assert_uint_eq(s.seconds, 60);
	ck_assert_double_eq_tol(s.cpu_p95, 10, 0.011);
	/* total - available, in units of 64 KiB */
	ck_assert_uint_eq(s.memory_peak, (4028440 - 3117236) / 64 * 65536);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("usage");
	TCase *tc = tcase_create("history"), *advised = tcase_create("advice");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, nothing_is_known_of_an_agent_that_begins);
	tcase_add_test(tc, means_cover_the_time_between_readings);
	tcase_add_test(tc, peaks_are_of_means_of_five_minutes);
	tcase_add_test(tc, five_percent_of_the_time_may_be_busier);
	tcase_add_test(tc, time_without_readings_is_a_gap);
	tcase_add_test(tc, counters_that_run_backwards_make_a_gap);
	tcase_add_test(tc, the_same_reading_and_an_older_one_count_for_nothing);
	tcase_add_test(tc, readings_within_a_tick_lose_no_time);
	tcase_add_test(tc, unknown_memory_is_no_memory_peak);
	tcase_add_test(tc, only_the_days_that_are_asked_for_are_looked_at);
	tcase_add_test(tc, it_never_knows_of_more_than_a_month);
	tcase_add_test(tc, a_gap_of_a_month_hides_what_was_before);
	tcase_add_checked_fixture(advised, advice_up, advice_down);
	tcase_set_timeout(advised, 60);
	tcase_add_test(advised, less_than_an_hour_makes_no_advice);
	tcase_add_test(advised, a_guest_that_is_too_large_is_told_what_would_do);
	tcase_add_test(advised, a_guest_that_is_used_is_left_as_it_is);
	tcase_add_test(advised, a_small_guest_is_not_told_to_shrink);
	tcase_add_test(advised, the_busiest_processes_are_told);
	tcase_add_test(advised, readings_are_taken_note_of);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, advised);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
