#include "base/clock.h"

#include "base/cleanup.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
	int64_t real_ms;
	const char *stamp;
} stamps[] = {
	{ 0, "1970-01-01T00:00:00.000Z" },
	{ 1, "1970-01-01T00:00:00.001Z" },
	{ 999, "1970-01-01T00:00:00.999Z" },
	{ 1784030400000, "2026-07-14T12:00:00.000Z" },
	{ 951782399999, "2000-02-28T23:59:59.999Z" },
	{ 951782400000, "2000-02-29T00:00:00.000Z" },
	{ 4102444800000, "2100-01-01T00:00:00.000Z" },
	{ 2147483648000, "2038-01-19T03:14:08.000Z" },
	/* before 1970 */
	{ -1, "1969-12-31T23:59:59.999Z" },
	{ -1000, "1969-12-31T23:59:59.000Z" },
	{ -1001, "1969-12-31T23:59:58.999Z" },
	{ -2208988800000, "1900-01-01T00:00:00.000Z" },
	/* the ends, and beyond them */
	{ -62167219200000, "0000-01-01T00:00:00.000Z" },
	{ -62167219200001, "0000-01-01T00:00:00.000Z" },
	{ INT64_MIN, "0000-01-01T00:00:00.000Z" },
	{ 253402300799999, "9999-12-31T23:59:59.999Z" },
	{ 253402300800000, "9999-12-31T23:59:59.999Z" },
	{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
};

START_TEST(a_stamp_is_24_characters_of_utc)
{
	char buf[VMV_STAMP_SIZE + 1];

	memset(buf, '#', sizeof(buf));
	vmv_stamp(stamps[_i].real_ms, buf);
	ck_assert_int_eq(buf[VMV_STAMP_SIZE], '#');
	ck_assert_str_eq(buf, stamps[_i].stamp);
}
END_TEST

START_TEST(the_zone_of_the_process_does_not_matter)
{
	char buf[VMV_STAMP_SIZE];

	ck_assert_int_eq(setenv("TZ", "XYZ-14", 1), 0);
	tzset();
	vmv_stamp(0, buf);
	ck_assert_str_eq(buf, "1970-01-01T00:00:00.000Z");
}
END_TEST

START_TEST(the_system_clock_runs_and_knows_the_time)
{
	uint64_t before = vmv_mono_ns(&vmv_clock_system);
	int64_t real_s = vmv_real_ms(&vmv_clock_system) / 1000;
	uint64_t ms;

	ck_assert_int_le(llabs(real_s - (int64_t)time(NULL)), 5);
	while (vmv_mono_ns(&vmv_clock_system) == before)
		;
	ck_assert_uint_gt(vmv_mono_ns(&vmv_clock_system), before);
	ms = vmv_mono_ms(&vmv_clock_system);
	ck_assert_uint_ge(ms, before / 1000000);
	ck_assert_uint_le(ms, before / 1000000 + 60000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("clock");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, a_stamp_is_24_characters_of_utc, 0, (int)VMV_COUNTOF(stamps));
	tcase_add_test(tc, the_zone_of_the_process_does_not_matter);
	tcase_add_test(tc, the_system_clock_runs_and_knows_the_time);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
