#include "reports/notices.h"

#include "base/limits.h"
#include "proto/json_write.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_jw w;

static void up(void)
{
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
}

static void down(void)
{
	vmv_jw_free(&w);
}

static void expect(const char *text)
{
	json_object_put(guest_json(&w));
	ck_assert_msg(w.buf.len == strlen(text) && memcmp(w.buf.data, text, w.buf.len) == 0, "%.*s",
		      (int)w.buf.len, w.buf.data);
}

/* Each is a golden line. */

START_TEST(a_keep_alive)
{
	ck_assert_int_eq(vmv_keep_alive_write(&w, "2026-07-14T12:00:03.004Z", 7), 0);
	expect("{\"type\":\"keep_alive\",\"sequence_number\":7,"
	       "\"timestamp\":\"2026-07-14T12:00:03.004Z\"}");
}
END_TEST

START_TEST(the_largest_sequence_number_stays_an_integer)
{
	ck_assert_int_eq(
		vmv_keep_alive_write(&w, "2026-07-14T12:00:03.004Z", (INT64_C(1) << 53) - 1), 0);
	expect("{\"type\":\"keep_alive\",\"sequence_number\":9007199254740991,"
	       "\"timestamp\":\"2026-07-14T12:00:03.004Z\"}");
}
END_TEST

START_TEST(a_request_for_scripts_has_one_instant_twice)
{
	ck_assert_int_eq(vmv_script_request_write(&w, "2026-07-14T12:00:00.500Z",
						  "3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001"),
			 0);
	expect("{\"type\":\"request_pending_scripts\","
	       "\"vm_id\":\"3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001\","
	       "\"timestamp\":\"2026-07-14T12:00:00.500Z\","
	       "\"request_timestamp\":\"2026-07-14T12:00:00.500Z\"}");
}
END_TEST

START_TEST(a_notice_with_a_count)
{
	const struct vmv_notice n = {
		.severity = "warn",
		.source = "transport",
		.kind = "malformed",
		.subject = "virtio:org.infinibay.agent",
		.message = "3 lines from the host were no JSON and were dropped",
		.real_ms = INT64_C(1784030470000),
		.count = 3,
		.suppressed = 2,
	};

	ck_assert_int_eq(vmv_notice_write(&w, "2026-07-14T12:01:10.000Z", &n), 0);
	expect("{\"type\":\"agent_event\",\"severity\":\"warn\",\"source\":\"transport\","
	       "\"message\":\"3 lines from the host were no JSON and were dropped\","
	       "\"executionId\":null,\"context\":{\"kind\":\"malformed\","
	       "\"subject\":\"virtio:org.infinibay.agent\","
	       "\"event_timestamp\":\"2026-07-14T12:01:10.000Z\",\"seq\":null,"
	       "\"data\":{\"count\":3},\"suppressed\":2},"
	       "\"timestamp\":\"2026-07-14T12:01:10.000Z\"}");
}
END_TEST

START_TEST(a_notice_without_a_count_and_of_an_earlier_time)
{
	const struct vmv_notice n = {
		.severity = "error",
		.source = "storage",
		.kind = "k",
		.subject = "\"\xff",
		.message = "m",
		.real_ms = 1,
		.count = -1,
	};

	ck_assert_int_eq(vmv_notice_write(&w, "2026-07-14T12:01:10.000Z", &n), 0);
	expect("{\"type\":\"agent_event\",\"severity\":\"error\",\"source\":\"storage\","
	       "\"message\":\"m\",\"executionId\":null,\"context\":{\"kind\":\"k\","
	       "\"subject\":\"\\\"\\ufffd\",\"event_timestamp\":\"1970-01-01T00:00:00.001Z\","
	       "\"seq\":null,\"data\":{},\"suppressed\":0},"
	       "\"timestamp\":\"2026-07-14T12:01:10.000Z\"}");
}
END_TEST

START_TEST(an_error_for_hosts_that_know_it)
{
	ck_assert_int_eq(vmv_error_write(&w, "2026-07-14T12:01:11.000Z",
					 "a line longer than 8388608 bytes was dropped", "framing",
					 "TOO_LARGE", 1),
			 0);
	expect("{\"type\":\"error\",\"timestamp\":\"2026-07-14T12:01:11.000Z\","
	       "\"error\":\"a line longer than 8388608 bytes was dropped\","
	       "\"details\":{\"component\":\"framing\",\"error_code\":\"TOO_LARGE\","
	       "\"count\":1}}");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("notices");
	TCase *tc = tcase_create("notices");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_keep_alive);
	tcase_add_test(tc, the_largest_sequence_number_stays_an_integer);
	tcase_add_test(tc, a_request_for_scripts_has_one_instant_twice);
	tcase_add_test(tc, a_notice_with_a_count);
	tcase_add_test(tc, a_notice_without_a_count_and_of_an_earlier_time);
	tcase_add_test(tc, an_error_for_hosts_that_know_it);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
