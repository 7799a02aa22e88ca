#include "base/num.h"

#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	uint64_t value;
	const char *rest;
} good_u64[] = {
	{ "0", 0, "" },
	{ "007", 7, "" },
	{ "42 kB", 42, " kB" },
	{ "1.5", 1, ".5" },
	{ "0x10", 0, "x10" },
	{ "18446744073709551614", UINT64_MAX - 1, "" },
	{ "18446744073709551615", UINT64_MAX, "" },
	{ "0000000000000000000000018446744073709551615-", UINT64_MAX, "-" },
};

START_TEST(unsigned_numbers_end_where_their_digits_end)
{
	const char *end = NULL;
	uint64_t v = 7;

	ck_assert_int_eq(vmv_parse_u64(good_u64[_i].text, &v, &end), 0);
	ck_assert(v == good_u64[_i].value);
	ck_assert_str_eq(end, good_u64[_i].rest);
	ck_assert_int_eq(vmv_parse_u64(good_u64[_i].text, &v, NULL), 0);
}
END_TEST

static const struct {
	const char *text;
	int error;
} bad_u64[] = {
	{ "", -EINVAL },
	{ " 1", -EINVAL },
	{ "+1", -EINVAL },
	{ "-1", -EINVAL },
	{ "x", -EINVAL },
	{ "18446744073709551616", -ERANGE },
	{ "18446744073709551620", -ERANGE }, /* wraps in the last digit's place */
	{ "99999999999999999999", -ERANGE },
	{ "184467440737095516150", -ERANGE },
};

START_TEST(no_number_or_too_large_a_one_leaves_outputs_alone)
{
	const char *end = "untouched";
	uint64_t v = 7;

	ck_assert_int_eq(vmv_parse_u64(bad_u64[_i].text, &v, &end), bad_u64[_i].error);
	ck_assert_uint_eq(v, 7);
	ck_assert_str_eq(end, "untouched");
}
END_TEST

START_TEST(signed_numbers_reach_from_end_to_end)
{
	const char *end;
	int64_t v = 7;

	ck_assert_int_eq(vmv_parse_i64("9223372036854775807", &v, &end), 0);
	ck_assert(v == INT64_MAX);
	ck_assert_int_eq(vmv_parse_i64("-9223372036854775808\n", &v, &end), 0);
	ck_assert(v == INT64_MIN);
	ck_assert_str_eq(end, "\n");
	ck_assert_int_eq(vmv_parse_i64("-0", &v, NULL), 0);
	ck_assert_int_eq(v, 0);
	v = 7;
	ck_assert_int_eq(vmv_parse_i64("9223372036854775808", &v, NULL), -ERANGE);
	ck_assert_int_eq(vmv_parse_i64("-9223372036854775809", &v, NULL), -ERANGE);
	ck_assert_int_eq(vmv_parse_i64("-18446744073709551616", &v, NULL), -ERANGE);
	ck_assert_int_eq(vmv_parse_i64("-", &v, NULL), -EINVAL);
	ck_assert_int_eq(vmv_parse_i64("--1", &v, NULL), -EINVAL);
	ck_assert_int_eq(vmv_parse_i64("+1", &v, NULL), -EINVAL);
	ck_assert_int_eq(vmv_parse_i64("", &v, NULL), -EINVAL);
	ck_assert_int_eq(v, 7);
}
END_TEST

START_TEST(hexadecimal_in_both_cases_and_without_prefix)
{
	const char *end;
	uint64_t v = 7;

	ck_assert_int_eq(vmv_parse_hex("0100007F:0050", &v, &end), 0);
	ck_assert_uint_eq(v, 0x0100007f);
	ck_assert_str_eq(end, ":0050");
	ck_assert_int_eq(vmv_parse_hex("ffffFFFFffffFFFF", &v, &end), 0);
	ck_assert(v == UINT64_MAX);
	ck_assert_int_eq(vmv_parse_hex("0x1f", &v, &end), 0);
	ck_assert_uint_eq(v, 0);
	ck_assert_str_eq(end, "x1f");
	ck_assert_int_eq(vmv_parse_hex("10000000000000000", &v, &end), -ERANGE);
	ck_assert_int_eq(vmv_parse_hex("g", &v, &end), -EINVAL);
	ck_assert_uint_eq(v, 0);
}
END_TEST

static const struct {
	const char *text;
	unsigned decimals;
	int error;
	uint64_t value;
	const char *rest;
} fixed[] = {
	{ "12.34 ", 2, 0, 1234, " " },
	{ "12.345", 2, 0, 1234, "" }, /* cut, not rounded */
	{ "12.3", 2, 0, 1230, "" },
	{ "12", 2, 0, 1200, "" },
	{ "0.05/", 2, 0, 5, "/" },
	{ "1.999", 0, 0, 1, "" },
	{ "12.", 2, 0, 1200, "." }, /* the point belongs to digits only */
	{ "12.x", 2, 0, 1200, ".x" },
	{ "1.2.3", 1, 0, 12, ".3" },
	{ "18446744073709551615", 0, 0, UINT64_MAX, "" },
	{ "184467440737095516.15", 2, 0, UINT64_MAX, "" },
	{ "184467440737095516.16", 2, -ERANGE, 7, "untouched" },
	{ "18446744073709551615", 1, -ERANGE, 7, "untouched" },
	{ ".5", 2, -EINVAL, 7, "untouched" },
	{ "-1.5", 2, -EINVAL, 7, "untouched" },
	{ "", 2, -EINVAL, 7, "untouched" },
};

START_TEST(decimal_fractions_become_whole_units)
{
	const char *end = "untouched";
	uint64_t v = 7;

	ck_assert_int_eq(vmv_parse_fixed(fixed[_i].text, fixed[_i].decimals, &v, &end),
			 fixed[_i].error);
	ck_assert(v == fixed[_i].value);
	ck_assert_str_eq(end, fixed[_i].rest);
}
END_TEST

START_TEST(counters_that_went_backwards_or_are_unknown_have_no_delta)
{
	uint64_t d = 7;

	ck_assert(vmv_counter_delta(5, 5, &d) && d == 0);
	ck_assert(vmv_counter_delta(0, UINT64_MAX - 1, &d) && d == UINT64_MAX - 1);
	d = 7;
	ck_assert(!vmv_counter_delta(6, 5, &d));
	/* 32 bits of milliseconds that wrapped, as in /proc/diskstats: none, not a huge one */
	ck_assert(!vmv_counter_delta(UINT32_MAX - 5, 10, &d));
	ck_assert(!vmv_counter_delta(VMV_UNSET, 5, &d));
	ck_assert(!vmv_counter_delta(5, VMV_UNSET, &d));
	ck_assert(!vmv_counter_delta(VMV_UNSET, VMV_UNSET, &d));
	ck_assert_uint_eq(d, 7);
}
END_TEST

START_TEST(numbers_that_ran_below_zero_are_unknown)
{
	const char *text = "9223372036854775807 ", *end;
	uint64_t v = 5;

	ck_assert_int_eq(vmv_parse_count(text, &v, &end), 0);
	ck_assert_uint_eq(v, UINT64_C(9223372036854775807));
	ck_assert_ptr_eq(end, text + 19);
	ck_assert_int_eq(vmv_parse_count("9223372036854775808", &v, NULL), 0);
	ck_assert(v == VMV_UNSET);
	ck_assert_int_eq(vmv_parse_count("18446744073709551612", &v, NULL), 0); /* -4 */
	ck_assert(v == VMV_UNSET);
	v = 5;
	ck_assert_int_eq(vmv_parse_count("18446744073709551616", &v, NULL), -ERANGE);
	ck_assert_int_eq(vmv_parse_count("-1", &v, NULL), -EINVAL);
	ck_assert_int_eq(vmv_parse_count("", &v, NULL), -EINVAL);
	ck_assert_uint_eq(v, 5);
}
END_TEST

START_TEST(a_counter_of_32_bits_may_wrap)
{
	uint64_t d = 7;

	ck_assert(vmv_counter_delta32(UINT32_MAX - 5, 10, 100, &d) && d == 16);
	ck_assert(vmv_counter_delta32(5, 6, 0, &d) && d == 1); /* no wrap, no bound */
	ck_assert(vmv_counter_delta32(UINT32_MAX, 0, 1, &d) && d == 1);
	d = 7;
	ck_assert(!vmv_counter_delta32(UINT32_MAX - 5, 10, 15, &d)); /* too far: begun anew */
	ck_assert(!vmv_counter_delta32(5000, 10, 4000, &d));
	ck_assert(!vmv_counter_delta32(UINT64_C(1) << 32, 10, UINT64_MAX, &d)); /* has more bits */
	ck_assert(!vmv_counter_delta32(VMV_UNSET, 5, 100, &d));
	ck_assert(!vmv_counter_delta32(5, VMV_UNSET, 100, &d));
	ck_assert_uint_eq(d, 7);
}
END_TEST

START_TEST(sums_and_products_stop_short_of_unset)
{
	const uint64_t most = VMV_UNSET - 1;

	ck_assert(vmv_add_sat(2, 3) == 5);
	ck_assert(vmv_add_sat(most, 0) == most);
	ck_assert(vmv_add_sat(most, 1) == most); /* would be VMV_UNSET exactly */
	ck_assert(vmv_add_sat(most, most) == most);
	ck_assert(vmv_add_sat(VMV_UNSET, 0) == VMV_UNSET);
	ck_assert(vmv_add_sat(0, VMV_UNSET) == VMV_UNSET);
	ck_assert(vmv_mul_sat(6, 7) == 42);
	ck_assert(vmv_mul_sat(most, 0) == 0);
	ck_assert(vmv_mul_sat(most, 1) == most);
	ck_assert(vmv_mul_sat(most, 2) == most);
	ck_assert(vmv_mul_sat(UINT64_MAX / 3, 3) == most); /* would be VMV_UNSET exactly */
	ck_assert(vmv_mul_sat(UINT64_C(1) << 32, UINT64_C(1) << 32) == most);
	ck_assert(vmv_mul_sat(VMV_UNSET, 0) == VMV_UNSET);
	ck_assert(vmv_mul_sat(0, VMV_UNSET) == VMV_UNSET);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("num");
	TCase *tc = tcase_create("num");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, unsigned_numbers_end_where_their_digits_end, 0,
			    (int)VMV_COUNTOF(good_u64));
	tcase_add_loop_test(tc, no_number_or_too_large_a_one_leaves_outputs_alone, 0,
			    (int)VMV_COUNTOF(bad_u64));
	tcase_add_test(tc, signed_numbers_reach_from_end_to_end);
	tcase_add_test(tc, hexadecimal_in_both_cases_and_without_prefix);
	tcase_add_loop_test(tc, decimal_fractions_become_whole_units, 0, (int)VMV_COUNTOF(fixed));
	tcase_add_test(tc, counters_that_went_backwards_or_are_unknown_have_no_delta);
	tcase_add_test(tc, numbers_that_ran_below_zero_are_unknown);
	tcase_add_test(tc, a_counter_of_32_bits_may_wrap);
	tcase_add_test(tc, sums_and_products_stop_short_of_unset);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
