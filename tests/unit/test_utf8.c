#include "base/utf8.h"

#include "base/cleanup.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Goes through text as every user does: one code point for each character, one U+FFFD for
 * each maximal ill-formed part. */
static size_t decode_all(const char *text, uint32_t *out, size_t cap)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = strlen(text), n = 0, skip, took;

	for (size_t i = 0; i < len; i += took) {
		ck_assert_uint_lt(n, cap);
		took = vmv_utf8_decode(s + i, len - i, &out[n], &skip);
		if (took == 0) {
			out[n] = VMV_REPLACEMENT;
			took = skip;
		}
		ck_assert_uint_ge(took, 1);
		ck_assert_uint_le(took, len - i);
		n++;
	}
	return n;
}

#define F VMV_REPLACEMENT

static const struct {
	const char *text;
	uint32_t out[10];
	size_t n;
} cases[] = {
	/* the ends of every row of table 3-7 */
	{ "\x01\x7f", { 0x01, 0x7f }, 2 },
	{ "\xc2\x80\xdf\xbf", { 0x80, 0x7ff }, 2 },
	{ "\xe0\xa0\x80\xe0\xbf\xbf", { 0x800, 0xfff }, 2 },
	{ "\xe1\x80\x80\xec\xbf\xbf", { 0x1000, 0xcfff }, 2 },
	{ "\xed\x80\x80\xed\x9f\xbf", { 0xd000, 0xd7ff }, 2 },
	{ "\xee\x80\x80\xef\xbf\xbf", { 0xe000, 0xffff }, 2 },
	{ "\xf0\x90\x80\x80\xf0\xbf\xbf\xbf", { 0x10000, 0x3ffff }, 2 },
	{ "\xf1\x80\x80\x80\xf3\xbf\xbf\xbf", { 0x40000, 0xfffff }, 2 },
	{ "\xf4\x80\x80\x80\xf4\x8f\xbf\xbf", { 0x100000, 0x10ffff }, 2 },
	/* tables 3-8 to 3-11 of the standard: overlong, surrogates, others, cut off */
	{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
	  "A",
	  { F, F, F, F, F, F, F, F, 'A' },
	  9 },
	{ "\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
	  "A",
	  { F, F, F, F, F, F, F, F, 'A' },
	  9 },
	{ "\xf4\x91\x92\x93\xff"
	  "A"
	  "\x80\xbf"
	  "B",
	  { F, F, F, F, F, 'A', F, F, 'B' },
	  9 },
	{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
	  "A",
	  { F, F, F, F, 'A' },
	  5 },
	/* just outside the rows */
	{ "\x80", { F }, 1 },
	{ "\xc1\xbf", { F, F }, 2 },
	{ "\xe0\x9f\xbf", { F, F, F }, 3 },
	{ "\xf0\x8f\xbf\xbf", { F, F, F, F }, 4 },
	{ "\xf4\x90\x80\x80", { F, F, F, F }, 4 },
	{ "\xf5\x80\x80\x80", { F, F, F, F }, 4 },
	{ "\xfe\xff", { F, F }, 2 },
	/* cut off by the end of the text */
	{ "\xc3", { F }, 1 },
	{ "a\xe2\x82", { 'a', F }, 2 },
	{ "\xf0\x9f\x98", { F }, 1 },
	/* and by the next character */
	{ "\xe2\x82\xc3\xa9", { F, 0xe9 }, 2 },
	{ "\xf0\x9f\x98\xf0\x9f\x98\x80", { F, 0x1f600 }, 2 },
};

START_TEST(each_maximal_ill_formed_part_is_one_replacement)
{
	uint32_t out[10];
	bool is_valid = true;

	ck_assert_uint_eq(decode_all(cases[_i].text, out, VMV_COUNTOF(out)), cases[_i].n);
	for (size_t i = 0; i < cases[_i].n; i++) {
		ck_assert_uint_eq(out[i], cases[_i].out[i]);
		is_valid = is_valid && out[i] != VMV_REPLACEMENT;
	}
	ck_assert(vmv_utf8_valid((const unsigned char *)cases[_i].text, strlen(cases[_i].text)) ==
		  is_valid);
}
END_TEST

START_TEST(nothing_beyond_the_length_is_looked_at)
{
	const unsigned char euro[] = { 0xe2, 0x82, 0xac };
	size_t skip = 0;
	uint32_t cp = 7;

	ck_assert_uint_eq(vmv_utf8_decode(euro, 3, &cp, &skip), 3);
	ck_assert_uint_eq(cp, 0x20ac);
	cp = 7;
	ck_assert_uint_eq(vmv_utf8_decode(euro, 2, &cp, &skip), 0);
	ck_assert_uint_eq(skip, 2);
	ck_assert_uint_eq(vmv_utf8_decode(euro, 1, &cp, &skip), 0);
	ck_assert_uint_eq(skip, 1);
	ck_assert_uint_eq(cp, 7);
	ck_assert(vmv_utf8_valid(euro, 0));
	ck_assert(!vmv_utf8_valid(euro, 2));
}
END_TEST

START_TEST(nul_is_a_character)
{
	size_t skip;
	uint32_t cp = 7;

	ck_assert_uint_eq(vmv_utf8_decode((const unsigned char *)"", 1, &cp, &skip), 1);
	ck_assert_uint_eq(cp, 0);
}
END_TEST

static const struct {
	const char *text;
	size_t max, cut;
} cuts[] = {
	{ "abc", 5, 3 },
	{ "abc", 3, 3 },
	{ "abc", 2, 2 },
	{ "abc", 0, 0 },
	{ "", 0, 0 },
	{ "a\xc3\xa9z", 1, 1 },
	{ "a\xc3\xa9z", 2, 1 },
	{ "a\xc3\xa9z", 3, 3 },
	{ "\xe2\x82\xac\xe2\x82\xac", 5, 3 },
	{ "\xe2\x82\xac\xe2\x82\xac", 4, 3 },
	{ "\xe2\x82\xac\xe2\x82\xac", 3, 3 },
	{ "a\xf0\x9f\x98\x80", 4, 1 },
	{ "a\xf0\x9f\x98\x80", 3, 1 },
	{ "a\xf0\x9f\x98\x80", 2, 1 },
	{ "\xf0\x9f\x98\x80", 3, 0 },
};

START_TEST(a_cut_never_splits_a_character)
{
	ck_assert_uint_eq(vmv_utf8_cut(cuts[_i].text, strlen(cuts[_i].text), cuts[_i].max),
			  cuts[_i].cut);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("utf8");
	TCase *tc = tcase_create("utf8");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, each_maximal_ill_formed_part_is_one_replacement, 0,
			    (int)VMV_COUNTOF(cases));
	tcase_add_test(tc, nothing_beyond_the_length_is_looked_at);
	tcase_add_test(tc, nul_is_a_character);
	tcase_add_loop_test(tc, a_cut_never_splits_a_character, 0, (int)VMV_COUNTOF(cuts));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
