#include "proto/qga.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 64 /* bytes of a request in most tests */

static struct vmv_qga_framer f;

static void up(void)
{
	vmv_qga_framer_init(&f, MAX);
}

static void down(void)
{
	vmv_qga_framer_free(&f);
}

/* All pieces that wait: "R:text|" a request, "J:text|" junk, "T:|" too long. */
static void take(char *text, size_t size)
{
	size_t at = strlen(text), len;
	enum vmv_qga_piece kind;
	const char *piece;

	while ((kind = vmv_qga_framer_next(&f, &piece, &len)) != VMV_QGA_NONE) {
		ck_assert_uint_lt(at + len + 4, size);
		ck_assert(kind == VMV_QGA_TOO_LONG ? len == 0 : len > 0);
		at += (size_t)sprintf(text + at, "%c:", "?RJT"[kind]);
		if (len > 0)
			memcpy(text + at, piece, len);
		at += len;
		text[at++] = '|';
		text[at] = '\0';
	}
}

static const struct {
	const char *in, *out;
	unsigned flushed;
} streams[] = {
	{ "", "", 0 },
	{ "\n", "", 0 },
	{ " \t\r\n\r\n\n", "", 0 },
	{ "{}", "R:{}|", 0 }, /* no newline is needed */
	{ "{}\n", "R:{}|", 0 },
	{ "{}\r\n", "R:{}|", 0 },
	{ "\r\n {} \r\n", "R:{}|", 0 },
	{ "{}{}", "R:{}|R:{}|", 0 },
	{ "{} {}\t{}\n{}", "R:{}|R:{}|R:{}|R:{}|", 0 },
	{ "{\"a\":[{}]}", "R:{\"a\":[{}]}|", 0 },
	{ "[]", "R:[]|", 0 }, /* no object: the parser says so */
	{ "[{}]{}", "R:[{}]|R:{}|", 0 },
	{ "{]", "R:{]|", 0 }, /* likewise */
	/* brackets, quotes and escapes inside strings */
	{ "{\"}\"}", "R:{\"}\"}|", 0 },
	{ "{\"{[\"}", "R:{\"{[\"}|", 0 },
	{ "{\"\\\"}\"}", "R:{\"\\\"}\"}|", 0 },
	{ "{\"\\\\\"}", "R:{\"\\\\\"}|", 0 },
	{ "{\"\\u007d\"}", "R:{\"\\u007d\"}|", 0 },
	/* a newline ends what is not whole */
	{ "{\"a\":\n{}\n", "J:{\"a\":|R:{}|", 0 },
	{ "{\"a\n{}\n", "J:{\"a|R:{}|", 0 },
	{ "{\"a\\\n{}\n", "J:{\"a\\|R:{}|", 0 },
	{ "{\"a\":[\r\n1]}\n", "J:{\"a\":[|J:1]}|", 0 },
	{ "7\n", "J:7|", 0 },
	{ "\"x\"\n", "J:\"x\"|", 0 },
	{ "}\n", "J:}|", 0 },
	{ "}]}\n{}", "J:}]}|R:{}|", 0 },
	{ "{}}\n{}\n", "R:{}|J:}|R:{}|", 0 },
	{ "{} x\n", "R:{}|J:x|", 0 },
	{ "7", "", 0 }, /* and nothing else does */
	{ "{\"a\":", "", 0 },
	/* what stands before a bracket goes, silently */
	{ "x{}\n", "R:{}|", 1 },
	{ "\"{}\n", "R:{}|", 1 },
	{ "}{}\n", "R:{}|", 1 },
	{ "x[1]\n", "R:x[1]|", 0 }, /* but no request begins with this one */
	/* a byte 0xFF drops what is not whole, and what is read next is whole */
	{ "\xff", "", 0 },
	{ "\xff\xff\xff{}\n", "R:{}|", 0 },
	{ "\xff\n", "", 0 },
	{ "{\"a\xff{}\n", "R:{}|", 1 },
	{ "{\"a\\\xff{}\n", "R:{}|", 1 },
	{ "{\"a\":[\xff{}\n", "R:{}|", 1 },
	{ "x\xff{}\n", "R:{}|", 1 },
	{ " \xff{}\n", "R:{}|", 0 },
	{ "{}\xff{}", "R:{}|R:{}|", 0 },
	{ "{\xff}\n{}\n", "J:}|R:{}|", 1 },
	/* 64 bytes, and one more */
	{ "{\"01234567890123456789012345678901234567890123456789012345678\":1}",
	  "R:{\"01234567890123456789012345678901234567890123456789012345678\":1}|", 0 },
	{ "{\"012345678901234567890123456789012345678901234567890123456789\":1}\n{}", "T:|R:{}|",
	  0 },
	/* what is too long goes on up to its newline, whatever it holds */
	{ "{\"01234567890123456789012345678901234567890123456789012345678901234567\":{}{}{}\n{}",
	  "T:|R:{}|", 0 },
	/* or to 0xFF, and then nobody waits for an answer */
	{ "{\"01234567890123456789012345678901234567890123456789012345678901234567\xff{}", "R:{}|",
	  0 },
	{ "x{01234567890123456789012345678901234567890123456789012345678901234567\n{}", "T:|R:{}|",
	  1 },
	{ "0123456789012345678901234567890123456789012345678901234567890123456789\n{}\n",
	  "T:|R:{}|", 0 },
};

static void check_stream(const char *out, unsigned flushed, const char *got)
{
	ck_assert_str_eq(got, out);
	ck_assert_uint_eq(f.flushed, flushed);
	ck_assert_uint_le(vmv_qga_framer_held(&f), MAX + 1);
}

START_TEST(whole)
{
	char got[512] = "";

	ck_assert_int_eq(vmv_qga_framer_push(&f, streams[_i].in, strlen(streams[_i].in)), 0);
	take(got, sizeof(got));
	check_stream(streams[_i].out, streams[_i].flushed, got);
}
END_TEST

START_TEST(in_two_pieces_wherever_it_is_cut)
{
	const char *in = streams[_i].in;

	for (size_t cut = 0; cut <= strlen(in); cut++) {
		char got[512] = "";

		vmv_qga_framer_free(&f);
		vmv_qga_framer_init(&f, MAX);
		ck_assert_int_eq(vmv_qga_framer_push(&f, in, cut), 0);
		take(got, sizeof(got));
		ck_assert_int_eq(vmv_qga_framer_push(&f, in + cut, strlen(in + cut)), 0);
		take(got, sizeof(got));
		check_stream(streams[_i].out, streams[_i].flushed, got);
	}
}
END_TEST

START_TEST(one_byte_at_a_time)
{
	char got[512] = "";

	for (const char *p = streams[_i].in; *p; p++) {
		ck_assert_int_eq(vmv_qga_framer_push(&f, p, 1), 0);
		take(got, sizeof(got));
	}
	check_stream(streams[_i].out, streams[_i].flushed, got);
}
END_TEST

START_TEST(a_reset_forgets_half_a_request)
{
	char got[64] = "";

	ck_assert_int_eq(vmv_qga_framer_push(&f, "{\"a", 3), 0);
	take(got, sizeof(got));
	ck_assert_uint_eq(vmv_qga_framer_held(&f), 3);
	vmv_qga_framer_reset(&f);
	ck_assert_uint_eq(vmv_qga_framer_held(&f), 0);
	ck_assert_int_eq(vmv_qga_framer_push(&f, "{}", 2), 0);
	take(got, sizeof(got));
	ck_assert_str_eq(got, "R:{}|");
}
END_TEST

START_TEST(a_reset_forgets_what_was_too_long)
{
	char got[64] = "", text[MAX + 2];

	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(vmv_qga_framer_push(&f, text, sizeof(text)), 0);
	take(got, sizeof(got));
	vmv_qga_framer_reset(&f);
	ck_assert_int_eq(vmv_qga_framer_push(&f, "{}", 2), 0);
	take(got, sizeof(got));
	ck_assert_str_eq(got, "R:{}|");
}
END_TEST

/* Who pushes on without taking gets nothing back, and memory does not grow. */
START_TEST(what_nobody_takes_is_bounded)
{
	static char text[VMV_READ_BUDGET];
	char got[64] = "";

	memset(text, ' ', sizeof(text));
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(vmv_qga_framer_push(&f, text, sizeof(text)), 0);
		ck_assert_uint_le(vmv_qga_framer_held(&f), MAX + 2 + 2 * VMV_READ_BUDGET);
	}
	ck_assert(f.is_skipping);
	ck_assert_int_eq(vmv_qga_framer_push(&f, "\n{}", 3), 0);
	take(got, sizeof(got));
	ck_assert_str_eq(got, "T:|R:{}|");
}
END_TEST

START_TEST(a_smaller_bound_holds_for_what_is_at_hand)
{
	char got[64] = "";

	ck_assert_int_eq(vmv_qga_framer_push(&f, "{\"0123456789", 12), 0);
	take(got, sizeof(got));
	vmv_qga_framer_set_max(&f, 4);
	ck_assert_int_eq(vmv_qga_framer_push(&f, "\":1}\n{}", 7), 0);
	take(got, sizeof(got));
	ck_assert_str_eq(got, "T:|R:{}|");
}
END_TEST

/* -- where another one's request begins ---------------------------------------------------------
 */

static const struct {
	const char *text, *request; /* NULL: nowhere */
} restarts[] = {
	{ "", NULL },
	{ "{", NULL },
	{ "x", NULL },
	{ "{\"execute\":\"a\"}", NULL }, /* its own beginning is none */
	{ "{\"a\":{\"execute\":\"b\"}", "{\"execute\":\"b\"}" },
	{ "{\"execute\":\"a{\"execute\":\"b\"}", "{\"execute\":\"b\"}" },
	{ "{\"execute\":\"a{ \t\"execute\" :\"b\"}", "{ \t\"execute\" :\"b\"}" },
	{ "{\"a{\"execute\":\"b{\"execute\":\"c\"}", "{\"execute\":\"c\"}" }, /* the last */
	{ "{\"a\":{\"execut", NULL },
	{ "{\"a\":{\"executed\":1}", NULL },
	{ "{\"a\":{\"id\":1,\"execute\":\"b\"}", NULL },
	{ "{\"a\":\"{\\\"execute\\\":\\\"b\\\"}", NULL }, /* in a string, as it should be */
};

START_TEST(a_request_in_junk_is_found)
{
	const char *text = restarts[_i].text, *request = restarts[_i].request;
	size_t len = strlen(text), at = vmv_qga_restart(text, len);

	ck_assert_uint_eq(at, request ? len - strlen(request) : len);
	if (request)
		ck_assert_str_eq(text + at, request);
}
END_TEST

/* -- parsing ------------------------------------------------------------------------------------
 */

#define NO_OBJECT "QMP input must be a JSON object"
#define NO_JSON	  "JSON parse error, "

static const struct {
	const char *text, *desc; /* NULL: it is right; else how the description begins */
} parsed[] = {
	{ "{}", NULL },
	{ "{\"execute\":\"guest-ping\",\"id\":[1,{\"a\":\"b:c\"}]}", NULL },
	{ "{\"a\":{\"x\":1},\"b\":{\"x\":1}}", NULL }, /* one name in two objects */
	{ "{\"a:\\\":b\":1}", NULL },
	{ "{\"a\":[{\"x\":1},{\"x\":1}]}", NULL },
	{ "[]", NO_OBJECT },
	{ "[{}]", NO_OBJECT },
	{ "7", NO_OBJECT },
	{ "-1.5e3", NO_OBJECT },
	{ "\"x\"", NO_OBJECT },
	{ "null", NO_OBJECT },
	{ "true", NO_OBJECT },
	{ "", NO_JSON },
	{ "x", NO_JSON },
	{ "{", NO_JSON },
	{ "}", NO_JSON },
	{ "{]", NO_JSON },
	{ "[}", NO_JSON },
	{ "{\"a\"}", NO_JSON },
	{ "{\"a\":1,}", NO_JSON },
	{ "{'a':1}", NO_JSON },
	{ "{\"a\":01}", NO_JSON },
	{ "{\"a\":NaN}", NO_JSON },
	{ "{\"a\":\"\x80\"}", NO_JSON },
	{ "{\"a\":1,\"a\":1}", NO_JSON "duplicate key" },
	{ "{\"a\":1,\"\\u0061\":1}", NO_JSON "duplicate key" },
	{ "{\"x\":{\"a\":1,\"a\":2}}", NO_JSON "duplicate key" },
	{ "{\"x\":[{\"a\":1,\"a\":null}]}", NO_JSON "duplicate key" },
	{ "1:2", NO_JSON }, /* no way out of what it is wrapped into */
	{ "1,\"a\":2", NO_JSON },
	{ "1}{", NO_JSON },
};

START_TEST(what_is_no_json_object_is_told_in_the_words_of_the_protocol)
{
	const char *desc = parsed[_i].desc;
	size_t len = strlen(parsed[_i].text);
	vmv_autofree char *exact = malloc(len + 1); /* no NUL behind it */
	struct json_object *json = NULL;
	struct vmv_err err = { .code = VMV_OK };
	int r;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, parsed[_i].text, len);
	exact[len] = '}';
	r = vmv_qga_parse(exact, len, &json, &err);
	if (desc) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_ptr_null(json);
		ck_assert_int_eq(err.code, VMV_E_PARSE);
		ck_assert_msg(strncmp(err.msg, desc, strlen(desc)) == 0, "%s", err.msg);
	} else {
		ck_assert_msg(r == 0, "%s", err.msg);
		ck_assert(json_object_is_type(json, json_type_object));
	}
	json_object_put(json);
}
END_TEST

static int parse_nested(unsigned depth)
{
	vmv_autofree char *text = malloc(2 * (size_t)depth + 8);
	struct json_object *json = NULL;
	size_t at = 0;
	int r;

	ck_assert_ptr_nonnull(text);
	memcpy(text, "{\"a\":", 5);
	for (at = 5; at < depth + 4; at++)
		text[at] = '[';
	for (unsigned i = 1; i < depth; i++)
		text[at++] = ']';
	text[at++] = '}';
	r = vmv_qga_parse(text, at, &json, NULL);
	json_object_put(json);
	return r;
}

START_TEST(nesting_is_bounded)
{
	ck_assert_int_eq(parse_nested(VMV_JSON_DEPTH_IN), 0);
	ck_assert_int_eq(parse_nested(VMV_JSON_DEPTH_IN + 1), -EINVAL);
	ck_assert_int_eq(parse_nested(100000), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_framer");
	TCase *tc = tcase_create("frames");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_loop_test(tc, whole, 0, (int)VMV_COUNTOF(streams));
	tcase_add_loop_test(tc, in_two_pieces_wherever_it_is_cut, 0, (int)VMV_COUNTOF(streams));
	tcase_add_loop_test(tc, one_byte_at_a_time, 0, (int)VMV_COUNTOF(streams));
	tcase_add_test(tc, a_reset_forgets_half_a_request);
	tcase_add_test(tc, a_reset_forgets_what_was_too_long);
	tcase_add_test(tc, what_nobody_takes_is_bounded);
	tcase_add_test(tc, a_smaller_bound_holds_for_what_is_at_hand);
	tcase_add_loop_test(tc, a_request_in_junk_is_found, 0, (int)VMV_COUNTOF(restarts));
	tcase_add_loop_test(tc, what_is_no_json_object_is_told_in_the_words_of_the_protocol, 0,
			    (int)VMV_COUNTOF(parsed));
	tcase_add_test(tc, nesting_is_bounded);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
