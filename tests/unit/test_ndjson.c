#include "proto/ndjson.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX 16 /* bytes of a line in most tests */

static struct vmv_framer f;

static void up(void)
{
	vmv_framer_init(&f, MAX);
}

static void down(void)
{
	vmv_framer_free(&f);
}

/* All lines that wait, each followed by '|'. */
static const char *taken(void)
{
	static char text[65536];
	size_t len, at = 0;
	char *line;

	while (vmv_framer_next(&f, &line, &len)) {
		ck_assert_uint_gt(len, 0);
		ck_assert_uint_lt(at + len + 1, sizeof(text));
		ck_assert_int_eq(line[len], '\0');
		memcpy(text + at, line, len);
		at += len;
		text[at++] = '|';
	}
	text[at] = '\0';
	return text;
}

static void push(const char *text)
{
	ck_assert_int_eq(vmv_framer_push(&f, text, strlen(text)), 0);
}

static const struct {
	const char *in, *out;
	unsigned oversize;
} streams[] = {
	{ "", "", 0 },
	{ "\n", "", 0 },
	{ "a", "", 0 },
	{ "a\n", "a|", 0 },
	{ "a\nb\n", "a|b|", 0 },
	{ "a\n\n\r\n \n\t \r\nb\n", "a|b|", 0 },
	{ "a\r\n", "a|", 0 },
	{ "  a b\t \r\n", "a b|", 0 },
	{ "a\r\r\n", "a\r|", 0 }, /* one CR only */
	{ "a\r \n", "a\r|", 0 },
	{ "\ra\n", "\ra|", 0 },
	{ "a\rb\n", "a\rb|", 0 },
	/* the longest line, and one more */
	{ "0123456789abcdef\n", "0123456789abcdef|", 0 },
	{ "0123456789abcdef\r\n", "0123456789abcdef|", 0 },
	{ "0123456789abcdefg\n", "", 1 },
	{ "0123456789abcdefg\r\n", "", 1 },
	{ "0123456789abcdef\r\r\n", "", 1 },
	{ "0123456789abcdef \n", "", 1 }, /* blanks count */
	{ "0123456789abcde \n", "0123456789abcde|", 0 },
	{ "                 \n", "", 1 },
	/* back in step after it */
	{ "a\n0123456789abcdefg\nb\n", "a|b|", 1 },
	{ "0123456789abcdefghijklmnopqrstuvwxyz0123456789\nb\n0123456789abcdefg\nc\n", "b|c|", 2 },
	{ "0123456789abcdefg\n0123456789abcdefg\n\n0123456789abcdef\n", "0123456789abcdef|", 2 },
};

START_TEST(whole)
{
	push(streams[_i].in);
	ck_assert_str_eq(taken(), streams[_i].out);
	ck_assert_uint_eq(f.oversize, streams[_i].oversize);
}
END_TEST

START_TEST(split_in_two_at_every_byte)
{
	size_t len = strlen(streams[_i].in);

	for (size_t cut = 0; cut <= len; cut++) {
		char got[256];

		vmv_framer_free(&f);
		vmv_framer_init(&f, MAX);
		ck_assert_int_eq(vmv_framer_push(&f, streams[_i].in, cut), 0);
		strcpy(got, taken());
		ck_assert_int_eq(vmv_framer_push(&f, streams[_i].in + cut, len - cut), 0);
		strcat(got, taken());
		ck_assert_str_eq(got, streams[_i].out);
		ck_assert_uint_eq(f.oversize, streams[_i].oversize);
	}
}
END_TEST

START_TEST(byte_by_byte_taken_at_once_or_at_last)
{
	char got[256] = "";

	for (const char *p = streams[_i].in; *p; p++) {
		ck_assert_int_eq(vmv_framer_push(&f, p, 1), 0);
		strcat(got, taken());
		ck_assert_uint_le(vmv_framer_held(&f), MAX + 1);
	}
	ck_assert_str_eq(got, streams[_i].out);
	ck_assert_uint_eq(f.oversize, streams[_i].oversize);
	vmv_framer_free(&f);
	vmv_framer_init(&f, MAX);
	for (const char *p = streams[_i].in; *p; p++)
		ck_assert_int_eq(vmv_framer_push(&f, p, 1), 0);
	ck_assert_str_eq(taken(), streams[_i].out);
	ck_assert_uint_eq(f.oversize, streams[_i].oversize);
}
END_TEST

START_TEST(nul_bytes_are_bytes_like_others)
{
	size_t len;
	char *line;

	ck_assert_int_eq(vmv_framer_push(&f, "a\0b\n\0\n", 6), 0);
	ck_assert(vmv_framer_next(&f, &line, &len));
	ck_assert_uint_eq(len, 3);
	ck_assert_int_eq(memcmp(line, "a\0b", 4), 0);
	ck_assert(vmv_framer_next(&f, &line, &len));
	ck_assert_uint_eq(len, 1);
	ck_assert(!vmv_framer_next(&f, &line, &len));
}
END_TEST

START_TEST(one_line_at_a_time_between_pushes)
{
	size_t len;
	char *line;

	push("a\nb\nc\nhal");
	ck_assert(vmv_framer_next(&f, &line, &len));
	ck_assert_str_eq(line, "a");
	push("f\nd");
	ck_assert(vmv_framer_next(&f, &line, &len));
	ck_assert_str_eq(line, "b");
	push("\n");
	ck_assert_str_eq(taken(), "c|half|d|");
	ck_assert_uint_eq(vmv_framer_held(&f), 0);
}
END_TEST

START_TEST(reset_forgets_the_half_line_and_what_was_not_taken)
{
	push("a\nb\n{\"half\":");
	vmv_framer_reset(&f);
	ck_assert_uint_eq(vmv_framer_held(&f), 0);
	push("{\"new\":1}\n");
	ck_assert_str_eq(taken(), "{\"new\":1}|");
	/* also inside a line that is too long: the next host's line is a new one */
	push("0123456789abcdefghi");
	ck_assert_uint_eq(f.oversize, 1);
	vmv_framer_reset(&f);
	push("b\n");
	ck_assert_str_eq(taken(), "b|");
	ck_assert_uint_eq(f.oversize, 1);
}
END_TEST

START_TEST(a_too_long_line_is_counted_once_and_held_no_longer_than_the_limit)
{
	for (int i = 0; i < 100000; i++) {
		push("xxxxxxxxxx");
		ck_assert_uint_le(vmv_framer_held(&f), MAX + 1);
	}
	ck_assert_uint_eq(f.oversize, 1);
	push("\na\n");
	ck_assert_str_eq(taken(), "a|");
	ck_assert_uint_eq(f.oversize, 1);
}
END_TEST

START_TEST(another_bound_holds_from_then_on)
{
	push("0123456789\n0123456789\n01234567");
	vmv_framer_set_max(&f, 4);
	push("89\nabcd\nabcd\r\nabcde\n");
	ck_assert_str_eq(taken(), "abcd|abcd|");
	ck_assert_uint_eq(f.oversize, 4); /* those that waited, too */
	push("abcdef");
	ck_assert_uint_eq(f.oversize, 5);
	vmv_framer_set_max(&f, MAX);
	push("g\nabcdefg\n"); /* the rest of the dropped one, and the next */
	ck_assert_str_eq(taken(), "abcdefg|");
	/* far below what is held */
	for (int i = 0; i < 40000; i++)
		push("0123456789\n");
	vmv_framer_set_max(&f, 1);
	push("x\ny");
	(void)taken();
	push("\nz\n");
	ck_assert_str_eq(taken(), "y|z|");
}
END_TEST

/* Lines come while no host is attached: nobody takes them. */
START_TEST(many_lines_can_be_held)
{
	char want[1200] = "";

	for (char c = 'a'; c <= 'z'; c++) {
		char line[] = { c, c, c, c, '\n', '\0' };

		push(line);
		line[4] = '|';
		strcat(want, line);
	}
	ck_assert_uint_eq(vmv_framer_held(&f), 26 * 5);
	push("half");
	ck_assert_str_eq(taken(), want);
	push("\n");
	ck_assert_str_eq(taken(), "half|");
}
END_TEST

START_TEST(what_is_held_is_bounded_and_the_stream_stays_in_step)
{
	const size_t bound = MAX + 2 + 2 * VMV_READ_BUDGET;
	uint64_t pushed = 0, got = 0;
	size_t len;
	char *line;

	for (int i = 0; i < 200000; i++) {
		push("0123456789\n");
		pushed++;
		ck_assert_uint_le(vmv_framer_held(&f), bound);
		ck_assert_uint_le(f.buf.cap, bound);
	}
	ck_assert_uint_gt(vmv_framer_held(&f), bound - MAX);
	while (vmv_framer_next(&f, &line, &len)) {
		ck_assert_str_eq(line, "0123456789");
		got++;
	}
	ck_assert_uint_gt(f.oversize, 0);
	ck_assert_uint_eq(got + f.oversize, pushed);
	push("a\n");
	ck_assert_str_eq(taken(), "a|");
	ck_assert_uint_le(f.buf.cap, 64 * VMV_KIB); /* the memory went back */
}
END_TEST

START_TEST(a_line_cut_by_lines_that_nobody_took_is_dropped_whole)
{
	const size_t bound = MAX + 2 + 2 * VMV_READ_BUDGET;
	size_t len;
	char *line;

	while (vmv_framer_held(&f) + 11 <= bound)
		push("0123456789\n");
	push("01"); /* still fits */
	push("23456789");
	push("abc\nnext\n");
	ck_assert_uint_ge(f.oversize, 1);
	while (vmv_framer_next(&f, &line, &len))
		ck_assert_str_eq(line, "0123456789");
	push("last\n");
	ck_assert_str_eq(taken(), "last|");
}
END_TEST

START_TEST(a_whole_line_in_front_of_the_longest_one)
{
	vmv_autofree char *big = malloc(8 * VMV_MIB + 1);
	size_t len;
	char *line;

	ck_assert_ptr_nonnull(big);
	memset(big, 'x', 8 * VMV_MIB + 1);
	vmv_framer_free(&f);
	vmv_framer_init(&f, 8 * VMV_MIB);
	for (int i = 0; i < 2; i++) {
		push("first\n");
		for (size_t at = 0; at < 8 * VMV_MIB; at += 65536)
			ck_assert_int_eq(vmv_framer_push(&f, big + at, 65536), 0);
		push("\r\n");
		ck_assert(vmv_framer_next(&f, &line, &len));
		ck_assert_str_eq(line, "first");
		ck_assert(vmv_framer_next(&f, &line, &len));
		ck_assert_uint_eq(len, 8 * VMV_MIB);
	}
	ck_assert_uint_eq(f.oversize, 0);
	ck_assert_int_eq(vmv_framer_push(&f, big, 8 * VMV_MIB + 1), 0);
	push("\na\n");
	ck_assert_str_eq(taken(), "a|");
	ck_assert_uint_eq(f.oversize, 1);
	ck_assert_uint_le(f.buf.cap, 8 * VMV_MIB + 2 + 2 * VMV_READ_BUDGET);
}
END_TEST

/* -- against a splitter that has all of the text at hand ------------------------------------- */

static size_t reference(const char *in, size_t in_len, char *out, uint64_t *oversize)
{
	size_t n = 0;

	for (const char *lf; (lf = memchr(in, '\n', in_len)); in = lf + 1) {
		const char *p = in;
		size_t len = (size_t)(lf - in);

		in_len -= len + 1;
		if (len > MAX && !(len == MAX + 1 && in[MAX] == '\r')) {
			++*oversize;
			continue;
		}
		len -= len > 0 && p[len - 1] == '\r';
		for (; len > 0 && strchr(" \t", p[len - 1]); len--)
			;
		for (; len > 0 && strchr(" \t", *p); len--)
			p++;
		if (len == 0)
			continue;
		memcpy(out + n, p, len);
		n += len;
		out[n++] = '|';
	}
	out[n] = '\0';
	return n;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

START_TEST(random_streams_in_random_pieces)
{
	static const char letters[] = "aaaaaaaaab  \t\r\n";
	char in[4000], want[4100], got[4100];
	uint32_t state = (uint32_t)_i;
	uint64_t oversize = 0;
	size_t n = 0, len;
	char *line;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = letters[next_random(&state) % (sizeof(letters) - 1)];
	(void)reference(in, sizeof(in), want, &oversize);
	for (size_t at = 0, piece; at < sizeof(in); at += piece) {
		piece = next_random(&state) % 40;
		piece = piece > sizeof(in) - at ? sizeof(in) - at : piece;
		ck_assert_int_eq(vmv_framer_push(&f, in + at, piece), 0);
		/* sometimes none is taken, sometimes one, sometimes all */
		for (uint32_t takes = next_random(&state) % 3 * 20; takes > 0; takes--) {
			if (!vmv_framer_next(&f, &line, &len))
				break;
			memcpy(got + n, line, len);
			n += len;
			got[n++] = '|';
		}
	}
	got[n] = '\0';
	strcat(got, taken());
	ck_assert_str_eq(got, want);
	/* the unfinished line at the end may be counted already */
	ck_assert_uint_ge(f.oversize, oversize);
	ck_assert_uint_le(f.oversize, oversize + 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndjson");
	TCase *tc = tcase_create("ndjson");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, whole, 0, (int)VMV_COUNTOF(streams));
	tcase_add_loop_test(tc, split_in_two_at_every_byte, 0, (int)VMV_COUNTOF(streams));
	tcase_add_loop_test(tc, byte_by_byte_taken_at_once_or_at_last, 0,
			    (int)VMV_COUNTOF(streams));
	tcase_add_test(tc, nul_bytes_are_bytes_like_others);
	tcase_add_test(tc, one_line_at_a_time_between_pushes);
	tcase_add_test(tc, reset_forgets_the_half_line_and_what_was_not_taken);
	tcase_add_test(tc, a_too_long_line_is_counted_once_and_held_no_longer_than_the_limit);
	tcase_add_test(tc, another_bound_holds_from_then_on);
	tcase_add_test(tc, many_lines_can_be_held);
	tcase_add_test(tc, what_is_held_is_bounded_and_the_stream_stays_in_step);
	tcase_add_test(tc, a_line_cut_by_lines_that_nobody_took_is_dropped_whole);
	tcase_add_test(tc, a_whole_line_in_front_of_the_longest_one);
	tcase_add_loop_test(tc, random_streams_in_random_pieces, 1, 41);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
