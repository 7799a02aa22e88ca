#include "proto/json_write.h"

#include "base/cleanup.h"
#include "base/num.h"

#include <check.h>
#include <errno.h>
#include <float.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_jw w;

static void up(void)
{
	vmv_jw_init(&w, 65536);
}

static void down(void)
{
	vmv_jw_free(&w);
}

/* What is written so far, as a string. */
static const char *text(void)
{
	static char copy[65537];

	ck_assert_uint_lt(w.buf.len, sizeof(copy));
	memcpy(copy, w.buf.data, w.buf.len);
	copy[w.buf.len] = '\0';
	return copy;
}

static void start_anew(void)
{
	vmv_jw_free(&w);
	vmv_jw_init(&w, 65536);
}

/* Writes these bytes as a string, and reads it back with json-c. */
static void check_string(const char *s, size_t len, const char *want, size_t want_len)
{
	struct json_object *obj;

	start_anew();
	vmv_jw_bytes(&w, NULL, s, len);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	for (size_t i = 0; i < w.buf.len; i++)
		ck_assert_msg(w.buf.data[i] >= 0x20 && w.buf.data[i] < 0x7f, "byte 0x%02x",
			      (unsigned char)w.buf.data[i]);
	obj = json_tokener_parse(text());
	ck_assert(json_object_is_type(obj, json_type_string));
	ck_assert_int_eq(json_object_get_string_len(obj), (int)want_len);
	ck_assert_int_eq(memcmp(json_object_get_string(obj), want, want_len), 0);
	json_object_put(obj);
}

START_TEST(layout_and_commas)
{
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "x");
	vmv_jw_int(&w, "n", -5);
	vmv_jw_open(&w, "o");
	vmv_jw_close(&w);
	vmv_jw_array(&w, "a");
	vmv_jw_end(&w);
	vmv_jw_array(&w, "b");
	vmv_jw_int(&w, NULL, 1);
	vmv_jw_null(&w, NULL);
	vmv_jw_bool(&w, NULL, true);
	vmv_jw_open(&w, NULL);
	vmv_jw_bool(&w, "t", false);
	vmv_jw_close(&w);
	vmv_jw_array(&w, NULL);
	vmv_jw_array(&w, NULL);
	vmv_jw_end(&w);
	vmv_jw_end(&w);
	vmv_jw_end(&w);
	vmv_jw_raw(&w, "raw", "{\"x\":[1]}", 9);
	vmv_jw_null(&w, "z");
	vmv_jw_close(&w);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	ck_assert_str_eq(text(), "{\"type\":\"x\",\"n\":-5,\"o\":{},\"a\":[],\"b\":[1,null,true,"
				 "{\"t\":false},[[]]],\"raw\":{\"x\":[1]},\"z\":null}");
	ck_assert(!w.is_lossy);
}
END_TEST

START_TEST(strings_that_are_null)
{
	vmv_jw_array(&w, NULL);
	vmv_jw_str(&w, NULL, NULL);
	vmv_jw_str(&w, NULL, "");
	vmv_jw_str_or_null(&w, NULL, NULL);
	vmv_jw_str_or_null(&w, NULL, "");
	vmv_jw_str_or_null(&w, NULL, "x");
	vmv_jw_bytes(&w, NULL, NULL, 0);
	vmv_jw_end(&w);
	ck_assert_str_eq(text(), "[null,\"\",null,null,\"x\",\"\"]");
}
END_TEST

START_TEST(every_byte_value_alone_is_written_as_ascii)
{
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		bool is_ascii = c > 0 && c < 0x80;

		check_string(&byte, 1, is_ascii ? &byte : "\xef\xbf\xbd", is_ascii ? 1 : 3);
		ck_assert(w.is_lossy == !is_ascii);
	}
}
END_TEST

START_TEST(every_character_comes_back)
{
	for (uint32_t cp = 1; cp <= 0x10ffff; cp += cp < 0x900 || cp >= 0xfff0 ? 1 : 13) {
		char utf8[4];
		size_t len;

		if (cp > 0x10100 && cp < 0x10f000)
			cp += 997; /* a choice of them */
		/* surrogates; and pairs that json-c up to 0.16 takes for halves: 0x1d800, 0x2d800
		 */
		if ((cp & 0xf800) == 0xd800)
			continue;
		len = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
		if (len == 1)
			utf8[0] = (char)cp;
		else
			utf8[0] = (char)((0xf00u >> len & 0xff) | cp >> 6 * (len - 1));
		for (size_t i = 1; i < len; i++)
			utf8[i] = (char)(0x80 | (cp >> 6 * (len - 1 - i) & 0x3f));
		check_string(utf8, len, utf8, len);
		ck_assert(!w.is_lossy);
	}
}
END_TEST

START_TEST(escapes_are_these)
{
	vmv_jw_str(&w, NULL,
		   "a\"b\\c/\n\r\t\b\f\x01\x1f\x7f\xc2\x80\xc3\xa9\xe2\x80\xa8\xef\xbf\xbf"
		   "\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf");
	ck_assert_str_eq(text(),
			 "\"a\\\"b\\\\c/\\n\\r\\t\\u0008\\u000c\\u0001\\u001f\\u007f\\u0080"
			 "\\u00e9\\u2028\\uffff\\ud800\\udc00\\ud83d\\ude00\\udbff\\udfff\"");
}
END_TEST

#define R "\xef\xbf\xbd"
#define T(in_, out_)                                         \
	{                                                    \
		in_, sizeof(in_) - 1, out_, sizeof(out_) - 1 \
	}

static const struct {
	const char *in;
	size_t in_len;
	const char *out;
	size_t out_len;
} spoiled[] = {
	T("a\0b", "a" R "b"), T("\0\0", R R), T("\xff\xfe", R R), T("a\x80z", "a" R "z"),
	T("\xc0\xaf", R R),
	/* cut off: one for what there is of it */
	T("x\xe2\x82", "x" R), T("x\xf0\x9f\x98", "x" R), T("x\xf0\x9f\x98y", "x" R "y"),
	T("\xe2\x82\xe2\x82\xac", R "\xe2\x82\xac"),
	/* surrogates, overlong, beyond the end: one for each byte */
	T("\xed\xa0\x80", R R R), T("\xe0\x80\xaf", R R R), T("\xf4\x90\x80\x80", R R R R),
	T("\xc3\"", R "\""), T("\xc3\\", R "\\"), T("\xc3\n", R "\n"),
	T("caf\xe9 \xe9t\xe9", "caf" R " " R "t" R), /* Latin-1 */
};

START_TEST(what_is_no_utf8_is_replaced_and_told)
{
	check_string(spoiled[_i].in, spoiled[_i].in_len, spoiled[_i].out, spoiled[_i].out_len);
	ck_assert(w.is_lossy);
}
END_TEST

START_TEST(a_replacement_character_itself_is_no_loss)
{
	check_string(R, 3, R, 3);
	ck_assert(!w.is_lossy);
}
END_TEST

START_TEST(names_are_escaped_too)
{
	vmv_jw_open(&w, NULL);
	vmv_jw_int(&w, "a\"\xc3\xa9\n", 1);
	vmv_jw_close(&w);
	ck_assert_str_eq(text(), "{\"a\\\"\\u00e9\\n\":1}");
}
END_TEST

static const struct {
	double v;
	unsigned decimals;
	const char *text;
} doubles[] = {
	{ 0, 0, "0" },
	{ 0, 1, "0.0" },
	{ 0, 3, "0.0" },
	{ -0.0, 0, "0" },
	{ -0.0, 2, "0.0" },
	{ -0.001, 2, "0.0" },
	{ -0.4, 0, "0" },
	{ -0.06, 1, "-0.1" },
	{ 1, 2, "1.0" },
	{ 12.5, 2, "12.5" },
	{ 12.25, 2, "12.25" },
	{ 12.999, 2, "13.0" },
	{ 99.95, 0, "100" },
	{ 100, 0, "100" }, /* these zeros are not trailing */
	{ 1000, 1, "1000.0" },
	{ -7.125, 3, "-7.125" },
	{ 10.10, 2, "10.1" },
	{ 0.000000001, 9, "0.000000001" },
	{ 0.1, 20, "0.1" }, /* nine decimals at most */
	{ 1e15, 1, "1000000000000000.0" },
	{ (double)NAN, 2, "null" },
	{ (double)INFINITY, 2, "null" },
	{ -(double)INFINITY, 0, "null" },
};

START_TEST(doubles_are_rounded_and_never_minus_zero)
{
	vmv_jw_num(&w, NULL, doubles[_i].v, doubles[_i].decimals);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	ck_assert_str_eq(text(), doubles[_i].text);
}
END_TEST

START_TEST(the_largest_doubles_fit)
{
	vmv_jw_num(&w, NULL, -DBL_MAX, 9);
	ck_assert_int_eq(strncmp(text(), "-17976931348623157", 18), 0);
	ck_assert_double_eq(strtod(text(), NULL), -DBL_MAX);
	ck_assert_ptr_nonnull(strstr(text(), ".0"));
	start_anew();
	vmv_jw_num(&w, NULL, DBL_MIN, 9);
	ck_assert_str_eq(text(), "0.0");
}
END_TEST

START_TEST(integers)
{
	vmv_jw_array(&w, NULL);
	vmv_jw_int(&w, NULL, 0);
	vmv_jw_int(&w, NULL, INT64_MIN);
	vmv_jw_int(&w, NULL, INT64_MAX);
	vmv_jw_u64(&w, NULL, 0);
	vmv_jw_u64(&w, NULL, UINT64_MAX - 1);
	vmv_jw_u64(&w, NULL, VMV_UNSET);
	vmv_jw_end(&w);
	ck_assert_str_eq(text(), "[0,-9223372036854775808,9223372036854775807,0,"
				 "18446744073709551614,null]");
}
END_TEST

/* v / 10^decimals */
static const struct {
	uint64_t v;
	unsigned decimals;
	const char *text;
} fixed[] = {
	{ 0, 2, "0.0" },
	{ 1, 2, "0.01" },
	{ 100, 2, "1.0" },
	{ 1234, 2, "12.34" },
	{ 1230, 2, "12.3" },
	{ 7, 0, "7" },
	{ 5, 9, "0.000000005" },
	{ UINT64_MAX - 1, 1, "1844674407370955161.4" },
	{ UINT64_MAX - 1, 19, "1.8446744073709551614" },
	{ UINT64_MAX - 1, 99, "1.8446744073709551614" },
	{ VMV_UNSET, 2, "null" },
	{ VMV_UNSET, 0, "null" },
};

START_TEST(decimals_are_exact)
{
	vmv_jw_fixed(&w, NULL, fixed[_i].v, fixed[_i].decimals);
	ck_assert_str_eq(text(), fixed[_i].text);
}
END_TEST

static const struct {
	double v;
	const char *text;
} values[] = {
	{ 0.0, "0.0" },
	{ -0.0, "0.0" },
	{ 0.1, "0.1" },
	{ 5.0, "5.0" },
	{ -2.5, "-2.5" },
	{ 0.1 + 0.2, "0.3" },
	{ 1e15, "1e+15" },
	{ 1e-7, "1e-07" },
	{ 1784030400.125, "1784030400.125" },
	{ DBL_MAX, "1.7976931348623157e+308" },
	{ (double)NAN, "null" },
	{ (double)INFINITY, "null" },
	{ -(double)INFINITY, "null" },
};

START_TEST(doubles_are_written_without_noise)
{
	vmv_jw_double(&w, NULL, values[_i].v);
	ck_assert_str_eq(text(), values[_i].text);
}
END_TEST

START_TEST(integers_of_samples_that_a_double_cannot_hold_are_strings)
{
	vmv_jw_array(&w, NULL);
	vmv_jw_cell_u64(&w, NULL, 0);
	vmv_jw_cell_u64(&w, NULL, UINT64_C(9007199254740991));
	vmv_jw_cell_u64(&w, NULL, UINT64_C(9007199254740992));
	vmv_jw_cell_u64(&w, NULL, UINT64_MAX - 1);
	vmv_jw_cell_u64(&w, NULL, VMV_UNSET);
	vmv_jw_end(&w);
	ck_assert_str_eq(text(), "[0,9007199254740991,\"9007199254740992\","
				 "\"18446744073709551614\",null]");
}
END_TEST

START_TEST(over_the_bound_is_told_whatever_comes_after)
{
	static const char want[] = "{\"a\":\"0123456789\"}";

	for (size_t max = 0; max < sizeof(want) - 1; max++) {
		vmv_jw_free(&w);
		vmv_jw_init(&w, max);
		vmv_jw_open(&w, NULL);
		vmv_jw_str(&w, "a", "0123456789");
		vmv_jw_close(&w);
		ck_assert_int_eq(vmv_jw_finish(&w), -EFBIG);
		ck_assert_uint_le(w.buf.len, max);
		ck_assert_uint_eq(vmv_jw_remaining(&w), 0);
		/* what would fit does not come behind a gap */
		vmv_jw_raw(&w, NULL, "", 0);
		vmv_jw_int(&w, NULL, 1);
		ck_assert_int_eq(vmv_jw_finish(&w), -EFBIG);
	}
	vmv_jw_free(&w);
	vmv_jw_init(&w, sizeof(want) - 1);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "a", "0123456789");
	ck_assert_uint_eq(vmv_jw_remaining(&w), 1);
	vmv_jw_close(&w);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	ck_assert_str_eq(text(), want);
}
END_TEST

START_TEST(a_list_is_cut_to_fit)
{
	struct vmv_jw_mark mark;
	int n = 0;

	vmv_jw_free(&w);
	vmv_jw_init(&w, 40);
	vmv_jw_open(&w, NULL);
	vmv_jw_array(&w, "list");
	for (;; n++) {
		mark = vmv_jw_mark(&w);
		vmv_jw_str(&w, NULL, "123456");
		if (vmv_jw_remaining(&w) < 2) {
			vmv_jw_rewind(&w, mark);
			break;
		}
	}
	vmv_jw_end(&w);
	vmv_jw_close(&w);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	ck_assert_int_eq(n, 3);
	ck_assert_str_eq(text(), "{\"list\":[\"123456\",\"123456\",\"123456\"]}");
}
END_TEST

START_TEST(rewinding_undoes_commas_and_brackets)
{
	struct vmv_jw_mark mark;

	vmv_jw_array(&w, NULL);
	mark = vmv_jw_mark(&w);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "half", "done");
	vmv_jw_rewind(&w, mark);
	vmv_jw_int(&w, NULL, 1);
	mark = vmv_jw_mark(&w);
	vmv_jw_open(&w, NULL);
	vmv_jw_rewind(&w, mark);
	vmv_jw_int(&w, NULL, 2);
	vmv_jw_rewind(&w, vmv_jw_mark(&w)); /* to here: nothing */
	vmv_jw_end(&w);
	ck_assert_str_eq(text(), "[1,2]");
}
END_TEST

START_TEST(rewinding_does_not_hide_errors_from_before_the_mark_or_want_of_memory)
{
	struct vmv_jw_mark mark = vmv_jw_mark(&w);

	vmv_jw_init(&w, 4);
	vmv_jw_str(&w, NULL, "too long");
	vmv_jw_rewind(&w, vmv_jw_mark(&w));
	ck_assert_int_eq(vmv_jw_finish(&w), -EFBIG);
	vmv_jw_rewind(&w, mark);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	w.error = -ENOMEM;
	vmv_jw_rewind(&w, mark);
	vmv_jw_int(&w, NULL, 1);
	ck_assert_int_eq(vmv_jw_finish(&w), -ENOMEM);
	ck_assert_uint_eq(w.buf.len, 0);
}
END_TEST

START_TEST(what_is_cut_off_again_is_no_loss)
{
	struct vmv_jw_mark mark;

	vmv_jw_array(&w, NULL);
	mark = vmv_jw_mark(&w);
	vmv_jw_str(&w, NULL, "\xff");
	ck_assert(w.is_lossy);
	vmv_jw_rewind(&w, mark);
	vmv_jw_end(&w);
	ck_assert(!w.is_lossy);
	start_anew();
	vmv_jw_array(&w, NULL);
	vmv_jw_str(&w, NULL, "\xff");
	mark = vmv_jw_mark(&w);
	vmv_jw_str(&w, NULL, "a");
	vmv_jw_rewind(&w, mark);
	ck_assert(w.is_lossy);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json_write");
	TCase *tc = tcase_create("json_write");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, layout_and_commas);
	tcase_add_test(tc, strings_that_are_null);
	tcase_add_test(tc, every_byte_value_alone_is_written_as_ascii);
	tcase_add_test(tc, every_character_comes_back);
	tcase_add_test(tc, escapes_are_these);
	tcase_add_loop_test(tc, what_is_no_utf8_is_replaced_and_told, 0, (int)VMV_COUNTOF(spoiled));
	tcase_add_test(tc, a_replacement_character_itself_is_no_loss);
	tcase_add_test(tc, names_are_escaped_too);
	tcase_add_loop_test(tc, doubles_are_rounded_and_never_minus_zero, 0,
			    (int)VMV_COUNTOF(doubles));
	tcase_add_test(tc, the_largest_doubles_fit);
	tcase_add_test(tc, integers);
	tcase_add_loop_test(tc, decimals_are_exact, 0, (int)VMV_COUNTOF(fixed));
	tcase_add_loop_test(tc, doubles_are_written_without_noise, 0, (int)VMV_COUNTOF(values));
	tcase_add_test(tc, integers_of_samples_that_a_double_cannot_hold_are_strings);
	tcase_add_test(tc, over_the_bound_is_told_whatever_comes_after);
	tcase_add_test(tc, a_list_is_cut_to_fit);
	tcase_add_test(tc, rewinding_undoes_commas_and_brackets);
	tcase_add_test(tc, rewinding_does_not_hide_errors_from_before_the_mark_or_want_of_memory);
	tcase_add_test(tc, what_is_cut_off_again_is_no_loss);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
