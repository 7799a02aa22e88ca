#include "proto/json_read.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *parse_len(const char *text, size_t len)
{
	struct json_object *obj = NULL;
	struct vmv_err err = { 0 };
	int r = vmv_json_parse(text, len, &obj, &err);

	ck_assert_msg(r == 0, "%.80s: %s", text, err.msg);
	ck_assert_ptr_nonnull(obj);
	return obj;
}

static struct json_object *parse(const char *text)
{
	return parse_len(text, strlen(text));
}

static void refuse_len(const char *text, size_t len)
{
	struct json_object *obj = NULL;
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_json_parse(text, len, &obj, &err) == -EINVAL, "taken: %.80s", text);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_ptr_null(obj);
}

/* -- what is JSON -------------------------------------------------------------------------- */

static const struct {
	const char *in, *out; /* as json-c prints it plainly */
} accepted[] = {
	{ "{}", "{}" },
	{ " \t\r\n{ \"a\" : 1 ,\n\t\"b\" : [ ] }\r\n ", "{\"a\":1,\"b\":[]}" },
	{ "{\"a\":null,\"b\":true,\"c\":false}", "{\"a\":null,\"b\":true,\"c\":false}" },
	{ "{\"\":0}", "{\"\":0}" },
	{ "{\"a\":{\"b\":[{},[[]],{\"c\":\"d\"}]}}", "{\"a\":{\"b\":[{},[[]],{\"c\":\"d\"}]}}" },
	{ "{\"a\":[0,-0,1,-1,10,0.5,-0.25,1e3,1E+3,1e-3,0e05]}",
	  "{\"a\":[0,0,1,-1,10,0.5,-0.25,1e3,1E+3,1e-3,0e05]}" },
	{ "{\"a\":\"N I / ' {[,:]}\"}", "{\"a\":\"N I \\/ ' {[,:]}\"}" },
	{ "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}" },
	{ "{\"a\":\"\\\\\"}", "{\"a\":\"\\\\\"}" },
	{ "{\"a\":\"\x7f\"}", "{\"a\":\"\x7f\"}" },
	{ "{\"a\":\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\uFFFF\"}",
	  "{\"a\":\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf\"}" },
	{ "{\"\xc3\xa9\":\"\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	  "{\"\xc3\xa9\":\"\xe2\x82\xac\xf0\x9f\x98\x80\"}" },
	/* halves of surrogate pairs */
	{ "{\"a\":\"\\ud800\"}", "{\"a\":\"\xef\xbf\xbd\"}" },
	{ "{\"a\":\"\\udfff\"}", "{\"a\":\"\xef\xbf\xbd\"}" },
	{ "{\"a\":\"x\\uDBFFy\"}", "{\"a\":\"x\xef\xbf\xbdy\"}" },
	{ "{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\xef\xbf\xbd"
					"A\"}" },
	{ "{\"a\":\"\\ud800\\n\"}", "{\"a\":\"\xef\xbf\xbd\\n\"}" },
	{ "{\"a\":\"\\ud800\\ud800\"}", "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"}" },
	{ "{\"a\":\"\\udc00\\ud800\"}", "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"}" },
	{ "{\"a\":\"\\ud83d\\ud83d\\ude00\"}", "{\"a\":\"\xef\xbf\xbd\xf0\x9f\x98\x80\"}" },
	/* the last of one name counts */
	{ "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}" },
	{ "{\"a\":1,\"\\u0061\":\"x\"}", "{\"a\":\"x\"}" },
	{ "{\"a\":{\"b\":1},\"a\":{\"c\":2}}", "{\"a\":{\"c\":2}}" },
	{ "{\"a\":1,\"a\":null}", "{\"a\":null}" },
};

START_TEST(json_is_read)
{
	struct json_object *obj = parse(accepted[_i].in);

	ck_assert_str_eq(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
			 accepted[_i].out);
	json_object_put(obj);
}
END_TEST

static const char *const refused[] = {
	/* nothing, or no object */
	"",
	" ",
	"null",
	"true",
	"1",
	"1.5",
	"\"a\"",
	"[]",
	"[{}]",
	"ping",
	/* unfinished */
	"{",
	"{\"a\"",
	"{\"a\":",
	"{\"a\":1",
	"{\"a\":1,",
	"{\"a\":\"x",
	"{\"a\":\"x\\",
	"{\"a\":\"\\u12",
	"{\"a\":[1",
	"{\"a\":tru",
	/* something behind it */
	"{}x",
	"{}{}",
	"{} {}",
	"{}]",
	"{}}",
	"{},",
	"{}null",
	"{}\"",
	/* structure */
	"{]",
	"{\"a\":[1}",
	"{\"a\":1]",
	"{\"a\":1,}",
	"{,}",
	"{,\"a\":1}",
	"{\"a\":1,,\"b\":2}",
	"{\"a\":[1,]}",
	"{\"a\":[,1]}",
	"{\"a\":[1 2]}",
	"{\"a\" 1}",
	"{\"a\"::1}",
	"{\"a\":1 \"b\":2}",
	"{\"a\"}",
	"{\"a\",\"b\"}",
	"{a:1}",
	"{1:1}",
	"{null:1}",
	/* what is no JSON though some parsers know it */
	"{\"a\":NaN}",
	"{\"a\":nan}",
	"{\"a\":-NaN}",
	"{\"a\":Infinity}",
	"{\"a\":-Infinity}",
	"{\"a\":infinity}",
	"{\"a\":inf}",
	"{\"a\":'b'}",
	"{'a':1}",
	"{/* c */}",
	"{}// c",
	"{\"a\":1 /**/}",
	"# c\n{}",
	"{\"a\":undefined}",
	"{\"a\":True}",
	"{\"a\":NULL}",
	"{\"a\":Null}",
	"{\"a\":FALSE}",
	"{\"a\":truex}",
	"{\"a\":nul}",
	/* numbers */
	"{\"a\":01}",
	"{\"a\":00}",
	"{\"a\":-01}",
	"{\"a\":+1}",
	"{\"a\":-}",
	"{\"a\":--1}",
	"{\"a\":.5}",
	"{\"a\":-.5}",
	"{\"a\":1.}",
	"{\"a\":1.e5}",
	"{\"a\":1e}",
	"{\"a\":1e+}",
	"{\"a\":1e1.5}",
	"{\"a\":1.2.3}",
	"{\"a\":1-2}",
	"{\"a\":0x10}",
	"{\"a\":1x}",
	"{\"a\":1_000}",
	"{\"a\":1 000}",
	"{\"a\":[1,2,03]}",
	/* control characters: raw in strings, others than blanks outside */
	"{\"a\":\"\n\"}",
	"{\"a\":\"\t\"}",
	"{\"a\":\"\x1f\"}",
	"{\"a\":\"\\\n\"}",
	"{\"\x01\":1}",
	"\x01{}",
	"\v{}",
	"{\f}",
	"{}\b",
	"{\x7f}",
	/* escapes */
	"{\"a\":\"\\x41\"}",
	"{\"a\":\"\\'\"}",
	"{\"a\":\"\\u12g4\"}",
	"{\"a\":\"\\u 123\"}",
	"{\"a\":\"\\U0041\"}",
	"{\"a\":\"\\0\"}",
	"{\"a\":\"\\\xc3\xa9\"}",
	"{\"a\":\\u0031}",
	/* UTF-8: a BOM; ill-formed; CESU-8 surrogates; outside of strings */
	"\xef\xbb\xbf{}",
	"{\"a\":\"\x80\"}",
	"{\"a\":\"\xff\"}",
	"{\"a\":\"\xc0\x80\"}",
	"{\"a\":\"\xc3\"}",
	"{\"a\":\"\xe2\x82\"}",
	"{\"a\":\"\xed\xa0\xbd\xed\xb8\x80\"}",
	"{\"a\":\"\xed\xa0\x80\"}",
	"{\"a\":\"\xf4\x90\x80\x80\"}",
	"{\"a\":\"\xf8\x88\x80\x80\x80\"}",
	"{\"\xe9\":1}",
	"\xff{}",
	"{\xc2\xa0}",
	"{\"a\":\xe2\x80\x9cx\xe2\x80\x9d}",
	/* a name that a C string would cut short: it must not pass for another one */
	"{\"type\\u0000x\":1}",
	"{\"a\":1,\"type\\u0000\" : 1}",
	"{\"\\u0000\":1}",
};

START_TEST(what_is_no_json_object_is_refused)
{
	refuse_len(refused[_i], strlen(refused[_i]));
}
END_TEST

START_TEST(a_raw_nul_is_refused)
{
	refuse_len("{}\0", 3);
	refuse_len("\0{}", 3);
	refuse_len("{\"a\":\"b\0c\"}", 11);
	refuse_len("{\"a\0\":1}", 8);
}
END_TEST

START_TEST(length_is_what_counts_and_not_a_terminator)
{
	struct json_object *obj = parse_len("{\"a\":1}{\"b\":2}", 7);

	ck_assert_ptr_null(vmv_json_get(obj, "b"));
	json_object_put(obj);
	refuse_len("{\"a\":1}", 6);
	refuse_len("{\"a\":\"\xc3\xa9\"}", 7); /* in the middle of a character */
}
END_TEST

/* Every prefix of a line is refused, whatever it ends in. */
START_TEST(every_prefix_is_refused)
{
	static const char text[] =
		"{\"a\":\"\\u20ac\\ud83d\\ude00\xf0\x9f\x98\x80\\\"\",\"b\":[-1.5e+3,"
		"true,null,{\"c\":{}}]}";

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		vmv_autofree char *copy = malloc(len + 1); /* a reader beyond it is noticed */

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, len);
		refuse_len(copy, len);
	}
	json_object_put(parse(text));
}
END_TEST

/* -- escaped surrogates -------------------------------------------------------------------- */

static size_t utf8_of(uint32_t cp, char ret[5])
{
	ret[0] = (char)(0xf0 | cp >> 18);
	ret[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	ret[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	ret[3] = (char)(0x80 | (cp & 0x3f));
	ret[4] = '\0';
	return 4;
}

static void check_pair(uint32_t cp)
{
	unsigned high = 0xd800 + ((cp - 0x10000) >> 10), low = 0xdc00 + (cp & 0x3ff);
	char text[96], expected[16], one[5];
	struct json_object *obj;
	size_t len;

	(void)utf8_of(cp, one);
	/* with upper and lower case digits, in a name and in a string, next to another one */
	(void)snprintf(text, sizeof(text), "{\"\\u%04x\\u%04X\":\"\\u%04X\\u%04x\\u%04x\\u%04x\"}",
		       high, low, high, low, high, low);
	obj = parse(text);
	(void)snprintf(expected, sizeof(expected), "%s%s", one, one);
	ck_assert_msg(strcmp(vmv_json_text(vmv_json_get(obj, one), &len), expected) == 0,
		      "U+%X is not read", cp);
	json_object_put(obj);
}

/* json-c 0.16 has U+FFFD for some of them. What was signed would not be what is verified. */
START_TEST(every_pair_is_one_character)
{
	for (uint32_t cp = 0x10000; cp <= 0x10ffff; cp++)
		check_pair(cp);
}
END_TEST

/* Of every surrogate that is alone, whatever stands around it. */
START_TEST(every_half_is_a_replacement)
{
	static const char *const behind[] = { "", "x", "\\n", "\\u0041", "\xf0\x9d\xa0\x80" };
	static const char *const shown[] = { "", "x", "\n", "A", "\xf0\x9d\xa0\x80" };
	char text[64], expected[64];
	struct json_object *obj;

	for (unsigned unit = 0xd800; unit <= 0xdfff; unit++) {
		for (size_t i = 0; i < VMV_COUNTOF(behind); i++) {
			(void)snprintf(text, sizeof(text), "{\"a\":\"-\\u%04x%s\"}", unit,
				       behind[i]);
			(void)snprintf(expected, sizeof(expected), "-\xef\xbf\xbd%s", shown[i]);
			obj = parse(text);
			ck_assert_str_eq(vmv_json_str(obj, "a"), expected);
			json_object_put(obj);
		}
	}
}
END_TEST

static const struct {
	const char *in, *out; /* of the member "a" */
} pairs[] = {
	/* a backslash that is escaped begins no escape */
	{ "\\\\ud835\\udc00", "\\ud835\xef\xbf\xbd" },
	{ "\\\\ud835\\\\udc00", "\\ud835\\udc00" },
	{ "\\\\\\ud836\\udc00", "\\\xf0\x9d\xa0\x80" },
	{ "\\\\\\\\ud836\\udc00", "\\\\ud836\xef\xbf\xbd" },
	{ "\\ud836\\\\udc00", "\xef\xbf\xbd\\udc00" },
	{ "\\\"\\ud836\\udc00\\\"", "\"\xf0\x9d\xa0\x80\"" },
	/* three in a row, and at either end */
	{ "\\ud836\\udc00\\udc00", "\xf0\x9d\xa0\x80\xef\xbf\xbd" },
	{ "\\ud836\\ud836\\udc00", "\xef\xbf\xbd\xf0\x9d\xa0\x80" },
	{ "\\udc00\\ud836\\udc00", "\xef\xbf\xbd\xf0\x9d\xa0\x80" },
	{ "x\\ud836\\udc00", "x\xf0\x9d\xa0\x80" },
	{ "\\ud836\\udc00x", "\xf0\x9d\xa0\x80x" },
	/* no surrogates, though they begin like some */
	{ "\\ud7ff\\ue000", "\xed\x9f\xbf\xee\x80\x80" },
	{ "\\ud836udc00", "\xef\xbf\xbdudc00" },
	{ "\\ud836\\u00e9", "\xef\xbf\xbd\xc3\xa9" },
};

START_TEST(backslashes_before_pairs_are_counted)
{
	struct json_object *obj;
	char text[128];

	(void)snprintf(text, sizeof(text), "{\"a\":\"%s\"}", pairs[_i].in);
	obj = parse(text);
	ck_assert_str_eq(vmv_json_str(obj, "a"), pairs[_i].out);
	json_object_put(obj);
}
END_TEST

static const char *const bad_pairs[] = {
	"{\"a\":\"\\ud836\\udc0\"}", "{\"a\":\"\\ud836\\udcg0\"}", "{\"a\":\"\\ud83\"}",
	"{\"a\":\"\\ud836\\\"}",     "{\"a\":\"\\ud836\\",	   "{\"a\":\\ud836\\udc00}",
	"{\"a\":\"\\ud836\\u\"}",    "{\"a\":\"\\ud836\\udc00",	   "{\\ud836\\udc00:1}",
};

START_TEST(malformed_pairs_are_refused)
{
	refuse_len(bad_pairs[_i], strlen(bad_pairs[_i]));
}
END_TEST

/* -- bounds ---------------------------------------------------------------------------------- */

/* {"a":{"a":...[[[ ... ]]] ... }} with so many brackets in all. */
static char *nested(int objects, int arrays, const char *core)
{
	char *text = malloc((size_t)objects * 6 + (size_t)arrays * 2 + strlen(core) + 1);
	char *p = text;

	ck_assert_ptr_nonnull(text);
	for (int i = 0; i < objects; i++)
		p = stpcpy(p, i + 1 < objects || arrays || *core ? "{\"a\":" : "{");
	for (int i = 0; i < arrays; i++)
		*p++ = '[';
	p = stpcpy(p, core);
	for (int i = 0; i < arrays; i++)
		*p++ = ']';
	for (int i = 0; i < objects; i++)
		*p++ = '}';
	*p = '\0';
	return text;
}

START_TEST(nesting_up_to_32)
{
	static const char *const cores[] = { "", "1", "\"x\"", "null" };

	for (size_t i = 0; i < VMV_COUNTOF(cores); i++) {
		for (int objects = 1; objects <= 32; objects++) {
			vmv_autofree char *good = nested(objects, 32 - objects, cores[i]);
			vmv_autofree char *bad = nested(objects, 33 - objects, cores[i]);

			json_object_put(parse(good));
			refuse_len(bad, strlen(bad));
		}
	}
	/* brackets in strings are none */
	json_object_put(parse("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}"));
}
END_TEST

/* {"a":[E,E,...]} with n elements: n + 1 members and elements. */
static char *list_of(const char *element, size_t n)
{
	char *text = malloc(n * (strlen(element) + 1) + 16);
	char *p = stpcpy(text, "{\"a\":[");

	for (size_t i = 0; i < n; i++) {
		p = stpcpy(p, i ? "," : "");
		p = stpcpy(p, element);
	}
	(void)stpcpy(p, "]}");
	return text;
}

START_TEST(members_up_to_65536)
{
	static const char *const elements[] = { "1", "{}", " [ ] ", "\",,,,,\"", "-1.5e3" };

	for (size_t i = 0; i < VMV_COUNTOF(elements); i++) {
		vmv_autofree char *good = list_of(elements[i], 65535);
		vmv_autofree char *bad = list_of(elements[i], 65536);

		json_object_put(parse(good));
		refuse_len(bad, strlen(bad));
	}
	for (size_t n = 32767; n <= 32768; n++) {
		vmv_autofree char *text = list_of("[0]", n); /* two each, and one */

		if (n == 32767)
			json_object_put(parse(text));
		else
			refuse_len(text, strlen(text));
	}
}
END_TEST

START_TEST(names_count_as_members)
{
	vmv_autofree char *text = malloc(65537 * 12 + 16);
	char *p = text;

	ck_assert_ptr_nonnull(text);
	for (int i = 0; i < 65536; i++)
		p += sprintf(p, "%c\"%d\":0", i ? ',' : '{', i);
	(void)stpcpy(p, "}");
	json_object_put(parse(text));
	(void)stpcpy(p, ",\"x\":0}");
	refuse_len(text, strlen(text));
}
END_TEST

/* -- access ----------------------------------------------------------------------------------- */

static const struct {
	const char *json;
	bool is_int; /* within plus, minus VMV_INT_MAX */
	int64_t v;
} numbers[] = {
	{ "0", true, 0 },
	{ "-0", true, 0 },
	{ "7", true, 7 },
	{ "-7", true, -7 },
	{ "9007199254740991", true, 9007199254740991 },
	{ "-9007199254740991", true, -9007199254740991 },
	{ "9007199254740992", false, 0 },
	{ "-9007199254740992", false, 0 },
	{ "9223372036854775807", false, 0 },
	{ "9223372036854775808", false, 0 },
	{ "18446744073709551615", false, 0 },
	{ "18446744073709551616", false, 0 },
	{ "18446744073709551623", false, 0 }, /* 7 modulo 2^64 */
	{ "-18446744073709551609", false, 0 },
	{ "99999999999999999999999999999999999999", false, 0 },
	{ "-99999999999999999999999999999999999999", false, 0 },
	{ "1.0", false, 0 },
	{ "1e3", false, 0 },
	{ "1E0", false, 0 },
	{ "0.5", false, 0 },
	{ "\"1\"", false, 0 },
	{ "true", false, 0 },
	{ "null", false, 0 },
	{ "[1]", false, 0 },
	{ "{}", false, 0 },
};

START_TEST(integers_are_integers)
{
	struct json_object *obj;
	int64_t v = 42;
	char text[128];

	(void)snprintf(text, sizeof(text), "{\"n\":%s}", numbers[_i].json);
	obj = parse(text);
	ck_assert(vmv_json_int(vmv_json_get(obj, "n"), -VMV_INT_MAX, VMV_INT_MAX, &v) ==
		  numbers[_i].is_int);
	ck_assert_int_eq(v, numbers[_i].is_int ? numbers[_i].v : 42);
	json_object_put(obj);
}
END_TEST

START_TEST(integers_keep_to_their_range)
{
	struct json_object *obj = parse("{\"n\":5}");
	struct json_object *n = vmv_json_get(obj, "n");
	int64_t v = 42;

	ck_assert(!vmv_json_int(n, 6, 10, &v));
	ck_assert(!vmv_json_int(n, -10, 4, &v));
	ck_assert_int_eq(v, 42);
	ck_assert(vmv_json_int(n, 5, 5, &v));
	ck_assert_int_eq(v, 5);
	ck_assert(!vmv_json_int(NULL, INT64_MIN, INT64_MAX, &v));
	json_object_put(obj);
}
END_TEST

START_TEST(numbers_as_double)
{
	struct json_object *obj =
		parse("{\"i\":-3,\"d\":1.5,\"u\":18446744073709551615,\"s\":\"1\","
		      "\"b\":true}");

	ck_assert_double_eq(vmv_json_num(vmv_json_get(obj, "i")), -3);
	ck_assert_double_eq(vmv_json_num(vmv_json_get(obj, "d")), 1.5);
	ck_assert_double_eq(vmv_json_num(vmv_json_get(obj, "u")), 18446744073709551616.0);
	ck_assert(isnan(vmv_json_num(vmv_json_get(obj, "s"))));
	ck_assert(isnan(vmv_json_num(vmv_json_get(obj, "b"))));
	ck_assert(isnan(vmv_json_num(NULL)));
	json_object_put(obj);
}
END_TEST

START_TEST(members_that_are_not_there)
{
	struct json_object *obj = parse("{\"a\":null,\"b\":[{\"c\":1}]}");

	ck_assert_ptr_null(vmv_json_get(obj, "a"));
	ck_assert_ptr_null(vmv_json_get(obj, "x"));
	ck_assert_ptr_null(vmv_json_get(obj, ""));
	ck_assert_ptr_null(vmv_json_get(NULL, "a"));
	ck_assert_ptr_null(vmv_json_get(vmv_json_get(obj, "b"), "c")); /* an array has none */
	ck_assert_ptr_nonnull(vmv_json_get(obj, "b"));
	json_object_put(obj);
}
END_TEST

START_TEST(strings_may_hold_nul_but_arguments_may_not)
{
	struct json_object *obj = parse("{\"a\":\"x\\u0000y\",\"b\":\"\",\"c\":\"plain\",\"d\":1,"
					"\"e\":\"\\u0000\"}");
	size_t len = 0;
	const char *s = vmv_json_text(vmv_json_get(obj, "a"), &len);

	ck_assert_uint_eq(len, 3);
	ck_assert_int_eq(memcmp(s, "x\0y", 4), 0);
	ck_assert_ptr_null(vmv_json_str(obj, "a"));
	ck_assert_ptr_null(vmv_json_str(obj, "e"));
	ck_assert_str_eq(vmv_json_str(obj, "b"), "");
	ck_assert_str_eq(vmv_json_str(obj, "c"), "plain");
	ck_assert_ptr_null(vmv_json_str(obj, "d"));
	ck_assert_ptr_null(vmv_json_str(obj, "none"));
	ck_assert_ptr_null(vmv_json_text(NULL, &len));
	json_object_put(obj);
}
END_TEST

START_TEST(errors_are_not_asked_for_by_everybody)
{
	struct json_object *obj = NULL;

	ck_assert_int_eq(vmv_json_parse("{", 1, &obj, NULL), -EINVAL);
	ck_assert_int_eq(vmv_json_parse("\xff", 1, &obj, NULL), -EINVAL);
	ck_assert_int_eq(vmv_json_check("{}", 2, NULL), 0);
	ck_assert_ptr_null(obj);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json_read");
	TCase *tc = tcase_create("json_read");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, json_is_read, 0, (int)VMV_COUNTOF(accepted));
	tcase_add_loop_test(tc, what_is_no_json_object_is_refused, 0, (int)VMV_COUNTOF(refused));
	tcase_add_test(tc, a_raw_nul_is_refused);
	tcase_add_test(tc, length_is_what_counts_and_not_a_terminator);
	tcase_add_test(tc, every_prefix_is_refused);
	tcase_add_test(tc, every_pair_is_one_character);
	tcase_add_test(tc, every_half_is_a_replacement);
	tcase_add_loop_test(tc, backslashes_before_pairs_are_counted, 0, (int)VMV_COUNTOF(pairs));
	tcase_add_loop_test(tc, malformed_pairs_are_refused, 0, (int)VMV_COUNTOF(bad_pairs));
	tcase_add_test(tc, nesting_up_to_32);
	tcase_add_test(tc, members_up_to_65536);
	tcase_add_test(tc, names_count_as_members);
	tcase_add_loop_test(tc, integers_are_integers, 0, (int)VMV_COUNTOF(numbers));
	tcase_add_test(tc, integers_keep_to_their_range);
	tcase_add_test(tc, numbers_as_double);
	tcase_add_test(tc, members_that_are_not_there);
	tcase_add_test(tc, strings_may_hold_nul_but_arguments_may_not);
	tcase_add_test(tc, errors_are_not_asked_for_by_everybody);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
