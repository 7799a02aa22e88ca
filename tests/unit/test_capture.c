#include "exec/capture.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "proto/json_write.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_capture c;
static struct vmv_captured got;

static void down(void)
{
	vmv_capture_free(&c);
	free(got.data);
	got.data = NULL;
}

/* As the answer will have it. */
static size_t encoded(const char *s, size_t len)
{
	struct vmv_jw w;
	size_t n;

	vmv_jw_init(&w, 64 * VMV_MIB);
	vmv_jw_bytes(&w, NULL, s, len);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	n = w.buf.len - 2;
	vmv_jw_free(&w);
	return n;
}

static void text(void)
{
	free(got.data);
	ck_assert_int_eq(vmv_capture_text(&c, &got), 0);
	ck_assert_ptr_nonnull(got.data);
	ck_assert_int_eq(got.data[got.len], '\0');
}

static void capture(size_t limit, const char *s, size_t len, size_t piece)
{
	vmv_capture_free(&c);
	vmv_capture_init(&c, limit);
	for (size_t i = 0; i < len; i += piece)
		vmv_capture_add(&c, s + i, len - i < piece ? len - i : piece);
	ck_assert_uint_eq(c.total, len);
	text();
}

START_TEST(counts_what_the_writer_writes)
{
	char all[256], two[2];

	for (unsigned i = 0; i < 256; i++) {
		two[0] = (char)i;
		for (unsigned k = 0; k < 256; k++) {
			two[1] = (char)k;
			ck_assert_uint_eq(vmv_capture_encoded(two, 2), encoded(two, 2));
		}
		all[i] = (char)i;
	}
	ck_assert_uint_eq(vmv_capture_encoded(all, 256), encoded(all, 256));
	ck_assert_uint_eq(vmv_capture_encoded("\xf0\x9f\x98\x80", 4), 12);
	ck_assert_uint_eq(vmv_capture_encoded("\xf0\x9f\x98", 3), encoded("\xf0\x9f\x98", 3));
	ck_assert_uint_eq(vmv_capture_encoded("\xe2\x82\xac", 3), 6);
	ck_assert_uint_eq(vmv_capture_encoded("", 0), 0);
}
END_TEST

START_TEST(an_unfinished_character_is_not_whole)
{
	static const struct {
		const char *s;
		size_t whole;
	} rows[] = {
		{ "", 0 },
		{ "a", 1 },
		{ "a\xc3", 1 },
		{ "a\xc3\xa9", 3 },
		{ "\xe2\x82", 0 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x98", 0 },
		{ "x\xf0", 1 },
		{ "\xf0\x9f\x98\x80", 4 },
		{ "\x80\x80\x80\x80", 4 }, /* belongs to nothing that is to come */
		{ "\xff", 0 },		   /* the next byte tells; at the end it is handed out */
	};

	for (size_t i = 0; i < VMV_COUNTOF(rows); i++)
		ck_assert_msg(vmv_capture_whole(rows[i].s, strlen(rows[i].s)) == rows[i].whole,
			      "row %zu", i);
}
END_TEST

START_TEST(what_fits_is_left_alone)
{
	static char s[4096];

	capture(4096, "", 0, 1);
	ck_assert_uint_eq(got.len, 0);
	ck_assert(!got.is_cut);
	capture(4096, "hello\n", 6, 4);
	ck_assert_str_eq(got.data, "hello\n");
	memset(s, 'a', sizeof(s));
	capture(4096, s, 4096, 100); /* exactly */
	ck_assert(!got.is_cut);
	ck_assert_uint_eq(got.len, 4096);
	ck_assert_int_eq(memcmp(got.data, s, 4096), 0);
}
END_TEST

START_TEST(one_byte_more_is_cut)
{
	static char s[4097];
	char *mark;

	memset(s, 'a', sizeof(s));
	capture(4096, s, 4097, 100);
	ck_assert(got.is_cut);
	mark = strstr(got.data, "\n[vmvitals: truncated, ");
	ck_assert_ptr_nonnull(mark);
	ck_assert_int_eq(mark - got.data, 3072);
	ck_assert_uint_le(encoded(got.data, got.len), 4096);
	ck_assert_ptr_nonnull(strstr(mark, " bytes left out]\na"));
}
END_TEST

/* The counts in the mark add up, whatever is cut. */
static void assert_adds_up(size_t limit, const char *s, size_t len)
{
	char *mark = strstr(got.data, "[vmvitals: truncated, "), *end;
	unsigned long long left_out;
	size_t head, tail;

	ck_assert_ptr_nonnull(mark);
	left_out = strtoull(mark + strlen("[vmvitals: truncated, "), &end, 10);
	ck_assert_int_eq(strncmp(end, " bytes left out]\n", 17), 0);
	end += 17;
	head = (size_t)(mark - got.data);
	tail = (size_t)(got.data + got.len - end);
	/* the newline before the mark is ours, if the text has none there */
	if (left_out + head + tail == len + 1)
		head--;
	ck_assert_uint_eq(left_out + head + tail, len);
	ck_assert_int_eq(memcmp(got.data, s, head), 0);
	ck_assert_int_eq(memcmp(end, s + len - tail, tail), 0);
	ck_assert_uint_le(encoded(got.data, got.len), limit);
	ck_assert_uint_le(encoded(s, head), limit - limit / 4);
	ck_assert_uint_gt(encoded(s, head), limit - limit / 4 - 13);
	ck_assert_uint_gt(encoded(end, tail), limit / 4 - 96 - 13);
}

START_TEST(first_three_quarters_and_last_quarter_stay)
{
	static const char *const units[] = {
		"a",
		"line\n",
		"\"",
		"\xc3\xa9",
		"\xe2\x82\xac",
		"\xf0\x9f\x98\x80",
		"\x80",
		"ab\xf0\x9f\x98\x80",
		"\x01",
	};
	static const size_t pieces[] = { 1, 7, 1000, 1000000 };
	static char s[200000];

	for (size_t u = 0; u < VMV_COUNTOF(units); u++) {
		size_t len = 0, n = strlen(units[u]);

		while (len + n <= sizeof(s) - 1000 * u) {
			memcpy(s + len, units[u], n);
			len += n;
		}
		for (size_t p = 0; p < VMV_COUNTOF(pieces); p++) {
			capture(65536, s, len, pieces[p]);
			ck_assert(got.is_cut);
			assert_adds_up(65536, s, len);
			if (*units[u] != '\x80') /* no character was split */
				ck_assert_msg(vmv_utf8_valid((unsigned char *)got.data, got.len),
					      "unit %zu", u);
		}
	}
}
END_TEST

START_TEST(text_that_fits_raw_but_not_encoded_is_cut)
{
	static char s[20000];

	memset(s, '\1', sizeof(s)); /* six bytes each */
	capture(65536, s, sizeof(s), 999);
	ck_assert(got.is_cut);
	assert_adds_up(65536, s, sizeof(s));
}
END_TEST

START_TEST(a_newline_before_the_mark_is_not_doubled)
{
	static char s[10000];

	memset(s, 'a', sizeof(s));
	s[3071] = '\n';
	capture(4096, s, sizeof(s), 512);
	ck_assert_int_eq(got.data[3071], '\n');
	ck_assert_int_eq(got.data[3072], '[');
	assert_adds_up(4096, s, sizeof(s));
}
END_TEST

START_TEST(it_can_be_asked_in_between)
{
	vmv_capture_init(&c, 4096);
	vmv_capture_add(&c, "one", 3);
	text();
	ck_assert_str_eq(got.data, "one");
	vmv_capture_add(&c, " two", 4);
	text();
	ck_assert_str_eq(got.data, "one two");
}
END_TEST

/* Any bytes in any pieces: within the bound, and what is kept is from where it says. */
START_TEST(noise_keeps_to_the_bound)
{
	static char s[30000];
	unsigned seed = 1;

	for (int round = 0; round < 50; round++) {
		size_t len = 15000 + (size_t)(rand_r(&seed) % 15000);

		for (size_t i = 0; i < len; i++)
			s[i] = (char)rand_r(&seed);
		capture(8192, s, len, 1 + (size_t)(rand_r(&seed) % 3000));
		ck_assert(got.is_cut);
		ck_assert_uint_le(encoded(got.data, got.len), 8192);
		ck_assert_uint_gt(encoded(got.data, got.len), 8192 - 150);
	}
}
END_TEST

static void capture_raw(struct vmv_capture *to, const char *s, size_t len)
{
	vmv_capture_add(to, s, len);
	free(got.data);
	ck_assert_int_eq(vmv_capture_text(to, &got), 0);
}

START_TEST(raw_it_is_the_beginning_as_it_came)
{
	static const char bytes[] = "\xff\0\"\xc3\xa4";
	size_t left = 100;

	vmv_capture_init_raw(&c, 5, &left);
	capture_raw(&c, bytes, 3);
	capture_raw(&c, bytes + 3, 1);
	ck_assert(!got.is_cut && got.len == 4 && memcmp(got.data, bytes, 4) == 0);
	capture_raw(&c, bytes + 4, 1);
	ck_assert(!got.is_cut && got.len == 5);
	capture_raw(&c, "", 0);
	ck_assert(!got.is_cut);
	capture_raw(&c, "more", 4);
	ck_assert(got.is_cut && got.len == 5 && memcmp(got.data, bytes, 5) == 0);
	ck_assert_uint_eq(c.total, 9);
	ck_assert_uint_eq(left, 95);
	vmv_capture_free(&c);
	ck_assert_uint_eq(left, 100);
}
END_TEST

START_TEST(raw_ones_share_what_there_is_and_leave_no_gap)
{
	struct vmv_capture other;
	size_t left = 6;

	vmv_capture_init_raw(&c, 100, &left);
	vmv_capture_init_raw(&other, 100, &left);
	capture_raw(&c, "abcd", 4);
	capture_raw(&other, "1234", 4);
	ck_assert(got.is_cut && got.len == 2 && memcmp(got.data, "12", 2) == 0);
	vmv_capture_free(&c);
	ck_assert_uint_eq(left, 4);
	capture_raw(&other, "5", 1);
	ck_assert(got.is_cut && got.len == 2);
	vmv_capture_free(&other);
	ck_assert_uint_eq(left, 6);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("capture");
	TCase *tc = tcase_create("text");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, NULL, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, counts_what_the_writer_writes);
	tcase_add_test(tc, an_unfinished_character_is_not_whole);
	tcase_add_test(tc, what_fits_is_left_alone);
	tcase_add_test(tc, one_byte_more_is_cut);
	tcase_add_test(tc, first_three_quarters_and_last_quarter_stay);
	tcase_add_test(tc, text_that_fits_raw_but_not_encoded_is_cut);
	tcase_add_test(tc, a_newline_before_the_mark_is_not_doubled);
	tcase_add_test(tc, it_can_be_asked_in_between);
	tcase_add_test(tc, noise_keeps_to_the_bound);
	tcase_add_test(tc, raw_it_is_the_beginning_as_it_came);
	tcase_add_test(tc, raw_ones_share_what_there_is_and_leave_no_gap);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
