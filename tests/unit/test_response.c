#include "reports/response.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "proto/json_write.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAMP "2026-07-14T12:00:10.196Z"

static struct vmv_jw w;

static void up(void)
{
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
}

static void down(void)
{
	vmv_jw_free(&w);
}

/* The closed list of PROTOCOL.md 6.10. */
static const struct {
	const char *code;
	bool is_refusal;
} closed[] = {
	{ "BAD_SIGNATURE", true }, { "STALE", true },	       { "REPLAYED", true },
	{ "UNKNOWN_KEY", true },   { "WRONG_SESSION", true },  { "NOT_ALLOWED", true },
	{ "NO_EXECUTOR", true },   { "LOCKED", true },	       { "BUSY", true },
	{ "BAD_ARGUMENT", true },  { "UNKNOWN_ACTION", true }, { "UNSUPPORTED", true },
	{ "TOO_LARGE", true },	   { "NOT_FOUND", false },     { "TIMED_OUT", false },
	{ "INTERNAL", false },
};

static const struct {
	enum vmv_errc code;
	const char *word;
} mapped[] = {
	{ VMV_OK, "INTERNAL" },
	{ VMV_E_IO, "INTERNAL" },
	{ VMV_E_PARSE, "BAD_ARGUMENT" },
	{ VMV_E_RANGE, "BAD_ARGUMENT" },
	{ VMV_E_UNKNOWN, "UNKNOWN_ACTION" },
	{ VMV_E_DENIED, "NOT_ALLOWED" },
	{ VMV_E_UNSUPPORTED, "UNSUPPORTED" },
	{ VMV_E_BUSY, "BUSY" },
	{ VMV_E_NOTFOUND, "NOT_FOUND" },
	{ VMV_E_NOEXECUTOR, "NO_EXECUTOR" },
};
#define LAST_CODE VMV_E_NOEXECUTOR

START_TEST(every_code_is_one_of_the_closed_list)
{
	ck_assert_uint_eq(VMV_COUNTOF(mapped), LAST_CODE + 1); /* a new code belongs here, too */
	for (unsigned code = 0; code <= LAST_CODE; code++) {
		const char *word = vmv_error_code((enum vmv_errc)code);
		bool is_found = false;

		ck_assert_uint_eq(mapped[code].code, code);
		ck_assert_str_eq(word, mapped[code].word);
		for (size_t i = 0; i < VMV_COUNTOF(closed); i++) {
			if (strcmp(closed[i].code, word) != 0)
				continue;
			is_found = true;
			ck_assert_int_eq(vmv_error_is_refusal((enum vmv_errc)code),
					 closed[i].is_refusal);
		}
		ck_assert_msg(is_found, "%s", word);
	}
}
END_TEST

static struct json_object *write_error(const struct vmv_err *err)
{
	const struct vmv_response r = { .id = "x", .command_type = "safe", .err = err };

	vmv_jw_free(&w);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	ck_assert_int_eq(vmv_response_write(&w, STAMP, &r), 0);
	return guest_json(&w);
}

START_TEST(refusals_begin_with_the_word_and_failures_do_not)
{
	for (unsigned code = 0; code <= LAST_CODE; code++) {
		const struct vmv_err err = { (enum vmv_errc)code, EIO, "it says no" };
		struct json_object *obj = write_error(&err);
		const char *text =
			vmv_error_is_refusal(err.code) ? "refused: it says no" : "it says no";

		ck_assert_str_eq(json_object_get_string(guest_at(obj, ".error")), text);
		ck_assert_str_eq(json_object_get_string(guest_at(obj, ".stderr")), text);
		ck_assert_str_eq(json_object_get_string(guest_at(obj, ".error_code")),
				 mapped[code].word);
		ck_assert_int_eq(json_object_get_int(guest_at(obj, ".exit_code")), 1);
		ck_assert(!json_object_get_boolean(guest_at(obj, ".success")));
		ck_assert_ptr_null(guest_at(obj, ".data"));
		json_object_put(obj);
	}
}
END_TEST

static void expect_text(const struct vmv_response *r, const char *expected)
{
	vmv_jw_free(&w);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	ck_assert_int_eq(vmv_response_write(&w, STAMP, r), 0);
	ck_assert_uint_eq(w.buf.len, strlen(expected));
	ck_assert_msg(memcmp(w.buf.data, expected, w.buf.len) == 0, "%.*s", (int)w.buf.len,
		      w.buf.data);
}

START_TEST(a_success_as_the_golden_lines_have_it)
{
	static const char data[] = "{\"a\":[1,2]}";
	struct vmv_response r = {
		.id = "b1d7f0c2-0001-4a6e-9c11-aa00bb11cc11",
		.command_type = "safe",
		.elapsed_ms = 3,
		.text = "Debian \"12\"",
		.data = data,
		.data_len = strlen(data),
	};

	expect_text(&r,
		    "{\"type\":\"response\",\"timestamp\":\"" STAMP "\","
		    "\"id\":\"b1d7f0c2-0001-4a6e-9c11-aa00bb11cc11\",\"success\":true,"
		    "\"exit_code\":0,\"stdout\":\"Debian \\\"12\\\"\",\"stderr\":\"\","
		    "\"execution_time_ms\":3,\"command_type\":\"safe\",\"data\":{\"a\":[1,2]}}");
	r.is_truncated = r.is_lossy = true;
	r.text = NULL;
	r.data = NULL;
	r.command_type = "ProcessTop";
	expect_text(&r, "{\"type\":\"response\",\"timestamp\":\"" STAMP "\","
			"\"id\":\"b1d7f0c2-0001-4a6e-9c11-aa00bb11cc11\",\"success\":true,"
			"\"exit_code\":0,\"stdout\":\"\",\"stderr\":\"\",\"execution_time_ms\":3,"
			"\"command_type\":\"ProcessTop\",\"data\":null,\"truncated\":true,"
			"\"lossy\":true}");
}
END_TEST

START_TEST(failures_as_the_golden_lines_have_them)
{
	static const char data[] = "{\"supported\":false,\"platform\":\"linux\"}";
	struct vmv_err err = { VMV_E_UNSUPPORTED, ENOTSUP,
			       "not supported on linux: CheckWindowsUpdates" };
	struct vmv_response r = {
		.id = "b1d7f0c2-0001-4a6e-9c11-aa00bb11cc31",
		.command_type = "safe",
		.err = &err,
		.text = "not shown",
		.data = data,
		.data_len = strlen(data),
	};

	expect_text(&r, /* line 40 */
		    "{\"type\":\"response\",\"timestamp\":\"" STAMP "\","
		    "\"id\":\"b1d7f0c2-0001-4a6e-9c11-aa00bb11cc31\",\"success\":false,"
		    "\"exit_code\":1,\"stdout\":\"\","
		    "\"stderr\":\"refused: not supported on linux: CheckWindowsUpdates\","
		    "\"execution_time_ms\":0,\"command_type\":\"safe\","
		    "\"data\":{\"supported\":false,\"platform\":\"linux\"},"
		    "\"error\":\"refused: not supported on linux: CheckWindowsUpdates\","
		    "\"error_code\":\"UNSUPPORTED\"}");
	err = (struct vmv_err){ VMV_E_UNKNOWN, ENOENT, "unknown action: NoSuchAction" };
	r.data = NULL;
	expect_text(&r, /* line 41 */
		    "{\"type\":\"response\",\"timestamp\":\"" STAMP "\","
		    "\"id\":\"b1d7f0c2-0001-4a6e-9c11-aa00bb11cc31\",\"success\":false,"
		    "\"exit_code\":1,\"stdout\":\"\","
		    "\"stderr\":\"refused: unknown action: NoSuchAction\","
		    "\"execution_time_ms\":0,\"command_type\":\"safe\",\"data\":null,"
		    "\"error\":\"refused: unknown action: NoSuchAction\","
		    "\"error_code\":\"UNKNOWN_ACTION\"}");
}
END_TEST

START_TEST(an_error_text_has_300_bytes_at_most)
{
	struct vmv_err err = { .code = VMV_E_RANGE };
	struct json_object *obj;

	memset(err.msg, 'x', sizeof(err.msg) - 1);
	obj = write_error(&err);
	ck_assert_int_le(json_object_get_string_len(guest_at(obj, ".error")), 300);
	ck_assert_int_ge(json_object_get_string_len(guest_at(obj, ".error")), 290);
	json_object_put(obj);
}
END_TEST

START_TEST(an_error_text_is_not_cut_within_a_character)
{
	struct vmv_err err = { .code = VMV_E_RANGE };
	struct json_object *obj;

	err.msg[0] = 'x';
	for (size_t i = 1; i + 3 < sizeof(err.msg); i += 3)
		memcpy(err.msg + i, "\xe4\xb8\xad", 4);
	obj = write_error(&err);
	ck_assert(!guest_says(&w, "\\ufffd"));
	json_object_put(obj);
}
END_TEST

START_TEST(no_error_holds_a_word_that_makes_hosts_ask_again)
{
	static const char *const cases[][2] = {
		{ "argument 'timeout_s' is wrong", "refused: argument 'time-out_s' is wrong" },
		{ "closed", "refused: shut" },
		{ "Transport endpoint is not connected",
		  "refused: Transport endpoint is unconnected" },
		{ "No connection, timeouttimeout", "refused: no connection, time-outtime-out" },
		{ "timed out after 28 s", "refused: timed out after 28 s" },
	};

	for (size_t i = 0; i < VMV_COUNTOF(cases); i++) {
		struct vmv_err err = { .code = VMV_E_RANGE };
		struct json_object *obj;

		(void)snprintf(err.msg, sizeof(err.msg), "%s", cases[i][0]);
		obj = write_error(&err);
		ck_assert_str_eq(json_object_get_string(guest_at(obj, ".error")), cases[i][1]);
		ck_assert_str_eq(json_object_get_string(guest_at(obj, ".stderr")), cases[i][1]);
		json_object_put(obj);
	}
}
END_TEST

START_TEST(an_error_text_of_such_words_alone_fits)
{
	struct vmv_err err = { .code = VMV_E_RANGE };
	struct json_object *obj;

	for (size_t i = 0; i + 7 < sizeof(err.msg); i += 7)
		memcpy(err.msg + i, "timeout", 8);
	obj = write_error(&err);
	ck_assert_int_le(json_object_get_string_len(guest_at(obj, ".error")), 300);
	ck_assert(!guest_says(&w, "timeout"));
	json_object_put(obj);
}
END_TEST

START_TEST(a_failure_always_says_something)
{
	const struct vmv_err err = { .code = VMV_E_IO };
	struct json_object *obj = write_error(&err);

	ck_assert_int_gt(json_object_get_string_len(guest_at(obj, ".stderr")), 0);
	ck_assert_int_gt(json_object_get_string_len(guest_at(obj, ".error")), 0);
	json_object_put(obj);
}
END_TEST

START_TEST(what_does_not_fit_is_too_large)
{
	static char data[VMV_RESPONSE_MAX];
	const struct vmv_response r = {
		.id = "x",
		.command_type = "safe",
		.data = data,
		.data_len = sizeof(data),
	};

	memset(data, '1', sizeof(data));
	ck_assert_int_eq(vmv_response_write(&w, STAMP, &r), -EFBIG);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("response");
	TCase *tc = tcase_create("response");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, every_code_is_one_of_the_closed_list);
	tcase_add_test(tc, refusals_begin_with_the_word_and_failures_do_not);
	tcase_add_test(tc, a_success_as_the_golden_lines_have_it);
	tcase_add_test(tc, failures_as_the_golden_lines_have_them);
	tcase_add_test(tc, an_error_text_has_300_bytes_at_most);
	tcase_add_test(tc, an_error_text_is_not_cut_within_a_character);
	tcase_add_test(tc, no_error_holds_a_word_that_makes_hosts_ask_again);
	tcase_add_test(tc, an_error_text_of_such_words_alone_fits);
	tcase_add_test(tc, a_failure_always_says_something);
	tcase_add_test(tc, what_does_not_fit_is_too_large);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
