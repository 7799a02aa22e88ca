#include "host/tables.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/text.h"

static struct vmv_text out;

static void up(void)
{
	vmv_text_init(&out, 1 << 20);
}

static void down(void)
{
	vmv_text_free(&out);
}

static struct json_object *json(const char *text)
{
	struct json_object *obj = json_tokener_parse(text);

	ck_assert_msg(obj != NULL, "the test's own JSON is wrong: %s", text);
	return obj;
}

/* What was written, as a string. */
static const char *written(void)
{
	ck_assert_int_eq(out.error, 0);
	vmv_text_add(&out, "");
	ck_assert_int_eq(vmv_buf_add(&out.buf, "", 1), 0);
	return out.buf.data;
}

static const char *shown(void (*table)(struct json_object *data, struct vmv_text *out),
			 const char *text)
{
	struct json_object *data = json(text);

	table(data, &out);
	json_object_put(data);
	return written();
}

static const char *samples(const char *groups, const char *data)
{
	struct json_object *g = json(groups), *d = json(data);

	vmv_table_samples(g, d, &out);
	json_object_put(g);
	json_object_put(d);
	return written();
}

START_TEST(groups_and_actions_are_listed)
{
	const char *text = shown(
		vmv_table_describe,
		"{\"schema\":\"0123456789abcdef\",\"groups\":{\"cpu\":{\"help\":\"CPU time.\","
		"\"key\":\"cpu\",\"default\":true,\"fields\":[{},{}]},\"route\":{\"help\":"
		"\"Routes.\",\"key\":null,\"default\":false,\"fields\":[]}},\"actions\":{\"Ping\":"
		"{\"level\":\"monitor\",\"help\":\"Answers.\",\"disabled_by\":null},\"PowerOff\":"
		"{\"level\":\"operate\",\"help\":\"Powers off.\",\"disabled_by\":\"no "
		"executor\"}}}");

	ck_assert_ptr_nonnull(strstr(text, "schema 0123456789abcdef\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "\ncpu                     default  cpu            2  CPU time.\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "\nroute                   -        -              0  "));
	ck_assert_ptr_nonnull(strstr(text, "\nPing                    monitor  Answers.\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "\nPowerOff                operate  Powers off. (no executor)\n"));
}
END_TEST

#define GROUPS                                                                                    \
	"{\"cpu\":{\"key\":\"cpu\",\"fields\":[{\"name\":\"node_cpu_seconds_total\",\"labels\":{" \
	"\"mode\":\"user\"}},{\"name\":\"state\"}]},\"load\":{\"key\":null,\"fields\":[{\"name\"" \
	":\"node_load1\"}]}}"

START_TEST(samples_are_one_value_a_line)
{
	ck_assert_str_eq(samples(GROUPS, "{\"groups\":{\"cpu\":{\"ok\":true,\"us\":1,\"rows\":"
					 "[[\"0\",0.29,\"up\"],[\"1\",null,null]]}}}"),
			 "cpu: 2 rows\n"
			 "  0                             node_cpu_seconds_total{mode=\"user\"}  "
			 "                       0.29\n"
			 "  0                             state                                 "
			 "                      up\n"
			 "  1                             node_cpu_seconds_total{mode=\"user\"}  "
			 "                       -\n"
			 "  1                             state                                 "
			 "                      -\n");
}
END_TEST

START_TEST(a_single_row_has_no_id_and_large_numbers_stay_whole)
{
	ck_assert_ptr_nonnull(
		strstr(samples(GROUPS, "{\"groups\":{\"load\":{\"ok\":true,\"us\":1,\"rows\":"
				       "[[null,\"18446744073709551614\"]]}}}"),
		       "load: 1 row\n  node_load1                                                "
		       "  18446744073709551614\n"));
}
END_TEST

START_TEST(failures_ages_and_what_is_left_out_are_said)
{
	const char *text =
		samples(GROUPS, "{\"groups\":{\"cpu\":{\"ok\":false,\"us\":1,\"error\":\"it says "
				"no\",\"rows\":[]},\"load\":{\"ok\":true,\"us\":1,\"age_ms\":1500,"
				"\"truncated\":3,\"rows\":[]}}}");

	ck_assert_ptr_nonnull(strstr(text, "cpu: it says no\n"));
	ck_assert_ptr_nonnull(strstr(text, "load: 0 rows, 3 left out, 1500 ms old\n"));
}
END_TEST

START_TEST(checks_are_shown_with_the_worst_first)
{
	ck_assert_str_eq(
		shown(vmv_table_health,
		      "{\"status\":\"failed\",\"since\":\"2026-07-14T12:00:02.000Z\",\"checks\":["
		      "{\"name\":\"a\",\"status\":\"unknown\",\"message\":\"ma\"},"
		      "{\"name\":\"b\",\"status\":\"passed\",\"message\":\"mb\"},"
		      "{\"name\":\"c\",\"status\":\"failed\",\"message\":\"mc\"},"
		      "{\"name\":\"d\",\"status\":\"warning\",\"message\":\"md\"}]}"),
		"failed since 2026-07-14T12:00:02.000Z\n"
		"failed   c                       mc\n"
		"warning  d                       md\n"
		"passed   b                       mb\n"
		"unknown  a                       ma\n");
}
END_TEST

START_TEST(the_state_is_told_for_people)
{
	const char *text = shown(
		vmv_table_state,
		"{\"channels\":[{\"name\":\"stdio\",\"attached\":true,\"since\":\"2026\",\"bytes_"
		"in\":"
		"2048,\"bytes_out\":1,\"queue_bytes\":0,\"refused\":4,\"malformed\":5},{\"name\":"
		"\"virtio:a\",\"attached\":false},{\"name\":\"virtio:q\",\"dialect\":\"qga\","
		"\"malformed\":6},{\"name\":\"virtio:n\",\"dialect\":\"native\",\"malformed\":8}],"
		"\"jobs\":[{\"id\":\"x\",\"action\":\"Ping\","
		"\"state\":\"running\",\"elapsed_ms\":7}],\"collectors\":[{\"name\":\"cpu\",\"ok\":"
		"true,"
		"\"duration_us\":9,\"age_ms\":10},{\"name\":\"load\",\"ok\":null},{\"name\":"
		"\"user\","
		"\"ok\":false,\"error\":\"not on this "
		"guest\"}],\"config_loaded_at\":\"2025\",\"cost\":"
		"{\"cpu_ms\":1,\"rss_bytes\":null,\"wakeups\":2}}");

	ck_assert_ptr_nonnull(strstr(text,
				     "stdio                         host since 2026  in 2.0 KiB, "
				     "out 1 B, queued 0 B, refused 4, malformed 5\n"));
	ck_assert_ptr_nonnull(strstr(text, "virtio:a                      no host   in -, out -"));
	ck_assert_ptr_nonnull(strstr(text, "malformed 6, dialect qga\n"));
	ck_assert_ptr_nonnull(strstr(text, "malformed 8\n"));
	ck_assert_ptr_nonnull(strstr(text, "  Ping                    running for 7 ms  x\n"));
	ck_assert_ptr_nonnull(strstr(text, "  cpu                     ok, 9 us, 10 ms ago\n"));
	ck_assert_ptr_nonnull(strstr(text, "  load                    not read yet\n"));
	ck_assert_ptr_nonnull(strstr(text, "  user                    not on this guest\n"));
	ck_assert_ptr_nonnull(strstr(text, "CPU 1 ms, memory -, wake-ups 2\n"));
}
END_TEST

/* Whatever comes, in each of the tables: no crash, and nothing that steers a terminal. */
static const char *const nonsense[] = {
	"{}",
	"[]",
	"7",
	"{\"groups\":7,\"actions\":[],\"checks\":{},\"channels\":\"x\",\"cost\":[]}",
	"{\"groups\":{\"cpu\":null,\"load\":7,\"x\":[]},\"actions\":{\"a\":null,\"b\":7}}",
	"{\"groups\":{\"cpu\":{\"rows\":[null,7,[],[1],[[],{},{}],[\"a\",1,2,3,4]]},\"load\":{"
	"\"rows\":{}}}}",
	"{\"checks\":[null,7,{\"status\":7},{\"status\":\"failed\",\"name\":{},\"message\":[]}]}",
	"{\"channels\":[null,7],\"jobs\":[[]],\"collectors\":[{\"ok\":7,\"name\":[]}]}",
	"{\"status\":\"\\u001b[31m\",\"schema\":\"\\u001b[31m\",\"groups\":{\"\\u001b[2J\":{"
	"\"error\":"
	"\"\\u001b\\n\",\"rows\":[]},\"cpu\":{\"ok\":true,\"rows\":[[\"\\u001b\",\"\\u001b\"]]}},"
	"\"checks\":[{\"status\":\"failed\",\"name\":\"\\u001b\",\"message\":\"\\u009b\"}],"
	"\"config_loaded_at\":\"\\u001b\"}",
};

START_TEST(nonsense_does_no_harm)
{
	struct json_object *groups = json(GROUPS), *data = json(nonsense[_i]);
	const char *text;

	vmv_table_describe(data, &out);
	vmv_table_samples(groups, data, &out);
	vmv_table_samples(data, data, &out);
	vmv_table_health(data, &out);
	vmv_table_state(data, &out);
	vmv_table_samples(NULL, NULL, &out);
	text = written();
	ck_assert_ptr_null(strpbrk(text, "\033\r\t"));
	ck_assert_ptr_null(strstr(text, "\xc2\x9b"));
	json_object_put(groups);
	json_object_put(data);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tables");
	TCase *tc = tcase_create("tables");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, groups_and_actions_are_listed);
	tcase_add_test(tc, samples_are_one_value_a_line);
	tcase_add_test(tc, a_single_row_has_no_id_and_large_numbers_stay_whole);
	tcase_add_test(tc, failures_ages_and_what_is_left_out_are_said);
	tcase_add_test(tc, checks_are_shown_with_the_worst_first);
	tcase_add_test(tc, the_state_is_told_for_people);
	tcase_add_loop_test(tc, nonsense_does_no_harm, 0, (int)VMV_COUNTOF(nonsense));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
