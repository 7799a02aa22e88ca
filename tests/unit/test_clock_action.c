/* SetTime, as far as it can be tried without a clock being set: what is set is set in a process
 * that may not. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "job/clock.h"
#include "tests/lib/action.h"
#include "tests/lib/fixture.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

START_TEST(times_that_no_system_has_are_refused)
{
	static const char *const times[] = { "0", "315532799999", "7258118400000",
					     "9007199254740991" };

	for (size_t i = 0; i < VMV_COUNTOF(times); i++) {
		struct try t = { 0 };
		char members[64];

		(void)snprintf(members, sizeof(members), "\"realtime_ms\":%s", times[i]);
		try_action(&t, "SetTime", members, "/");
		EXPECT_FAILED(&t, VMV_E_RANGE, "realtime_ms");
		ck_assert_uint_eq(t.a.data.buf.len, 0);
		try_done(&t);
	}
	ck_assert(vmv_clock_is_sane(INT64_C(315532800000)));
	ck_assert(vmv_clock_is_sane(INT64_C(7258118399999)));
	ck_assert(!vmv_clock_is_sane(-1));
}
END_TEST

/* Without the capability; and the time would be the one it is. */
START_TEST(a_clock_that_cannot_be_set_is_an_error_and_stays)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];
	int64_t before = vmv_real_ms(&vmv_clock_system);
	struct try t = { 0 };
	char members[64];

	ck_assert_int_eq(syscall(SYS_capget, &head, caps), 0);
	for (int i = 0; i < 2; i++)
		caps[i].effective = caps[i].permitted = 0;
	ck_assert_int_eq(syscall(SYS_capset, &head, caps), 0);
	(void)snprintf(members, sizeof(members), "\"realtime_ms\":%jd", (intmax_t)before);
	try_action(&t, "SetTime", members, "/");
	EXPECT_FAILED(&t, VMV_E_IO, "cannot set the clock: Operation not permitted");
	ck_assert_uint_eq(t.a.data.buf.len, 0);
	try_done(&t);
}
END_TEST

START_TEST(a_tree_that_is_no_system_has_no_clock)
{
	struct try t = { 0 };

	try_action(&t, "SetTime", "\"realtime_ms\":1784030400000", fx.dir);
	EXPECT_FAILED(&t, VMV_E_UNSUPPORTED, "not that of the tree");
	try_done(&t);
}
END_TEST

START_TEST(adjtime_says_what_the_hardware_clock_keeps)
{
	static const struct {
		const char *text;
		bool is_local;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "LOCAL", false },
		{ "0.0 0 0.0\n0\nUTC\n", false },
		{ "0.0 0 0.0\n0\nLOCAL\n", true },
		{ "0.0 0 0.0\n0\nLOCAL", true },
		{ "0.0 0 0.0\n0\nLOCALLY\n", false },
		{ "0.0 0 0.0\n0\n\nLOCAL\n", false },
		{ "0.0 0 0.0\n0\n", false },
	};

	for (size_t i = 0; i < VMV_COUNTOF(cases); i++)
		ck_assert_msg(vmv_adjtime_is_local(cases[i].text) == cases[i].is_local, "%zu", i);
}
END_TEST

static void expect_date(int64_t s, bool is_local, const char *want)
{
	struct tm tm;
	char text[32];

	ck_assert(vmv_rtc_date(s, is_local, &tm));
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	ck_assert_str_eq(text, want);
}

START_TEST(the_hardware_clock_gets_utc_or_local_time)
{
	ck_assert_int_eq(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
	tzset();
	expect_date(1784030400, false, "2026-07-14 12:00:00");
	expect_date(1784030400, true, "2026-07-14 14:00:00");
	expect_date(1767225600, false, "2026-01-01 00:00:00");
	expect_date(1767225600, true, "2026-01-01 01:00:00");
	/* around the change to summer time, 2026-03-29 01:00 UTC, and back, 2026-10-25 01:00 */
	expect_date(1774745999, true, "2026-03-29 01:59:59");
	expect_date(1774746000, true, "2026-03-29 03:00:00");
	expect_date(1792889999 - 3600, true, "2026-10-25 01:59:59");
	expect_date(1792888200, true, "2026-10-25 02:30:00");
	expect_date(1792891800, true, "2026-10-25 02:30:00");
	expect_date(1792893600, true, "2026-10-25 03:00:00");
	ck_assert_int_eq(setenv("TZ", "AAA+11:30", 1), 0);
	tzset();
	expect_date(1767225600, true, "2025-12-31 12:30:00");
}
END_TEST

static void expect_seconds(struct tm shown, bool is_local, int64_t want)
{
	int64_t s = -1;

	ck_assert(vmv_rtc_seconds(&shown, is_local, &s));
	ck_assert_int_eq(s, want);
}

START_TEST(what_the_hardware_clock_shows_is_a_second)
{
	const struct tm noon = { .tm_year = 126, .tm_mon = 6, .tm_mday = 14, .tm_hour = 12 };
	const struct tm april_31 = { .tm_year = 126, .tm_mon = 3, .tm_mday = 31 };
	const struct tm second_61 = { .tm_year = 126, .tm_mday = 1, .tm_sec = 61 };
	int64_t s = 7;

	ck_assert_int_eq(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
	tzset();
	expect_seconds(noon, false, 1784030400);
	expect_seconds(noon, true, 1784030400 - 7200);
	ck_assert(!vmv_rtc_seconds(&april_31, false, &s));
	ck_assert(!vmv_rtc_seconds(&april_31, true, &s));
	ck_assert(!vmv_rtc_seconds(&second_61, false, &s));
	ck_assert_int_eq(s, 7);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("clock_action");
	TCase *tc = tcase_create("clock_action");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, times_that_no_system_has_are_refused);
	tcase_add_test(tc, a_clock_that_cannot_be_set_is_an_error_and_stays);
	tcase_add_test(tc, a_tree_that_is_no_system_has_no_clock);
	tcase_add_test(tc, adjtime_says_what_the_hardware_clock_keeps);
	tcase_add_test(tc, the_hardware_clock_gets_utc_or_local_time);
	tcase_add_test(tc, what_the_hardware_clock_shows_is_a_second);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
