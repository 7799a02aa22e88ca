#include "reports/hello.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "collectors/os.h"
#include "proto/json_write.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* Line 2 of the golden lines. */
static const char golden[] =
	"{\"type\":\"handshake\",\"timestamp\":\"2026-07-14T12:00:00.010Z\","
	"\"vm_id\":\"3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001\",\"version\":\"1.0.0\","
	"\"platform\":\"linux\",\"capabilities\":[\"metrics\",\"safe_commands\",\"samples\","
	"\"events\",\"describe\"],\"protocol\":1,"
	"\"session\":\"0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5\","
	"\"boot_id\":\"5f0c2d1a-7b3e-4a86-91d2-0c4e8f6a2b17\","
	"\"agent\":{\"name\":\"vmvitals\",\"version\":\"1.0.0\"},\"hostname\":\"web-1\","
	"\"os\":{\"id\":\"debian\",\"version_id\":\"12\","
	"\"name\":\"Debian GNU/Linux 12 (bookworm)\",\"kernel\":\"6.1.0-28-cloud-amd64\","
	"\"arch\":\"x86_64\"},\"schema\":\"e91e97583bfc899d\","
	"\"policy\":{\"level\":\"monitor\",\"executor\":false,\"require_signature\":false},"
	"\"clock\":{\"realtime_ms\":1784030400010,\"monotonic_ns\":9123456789012345,"
	"\"synchronized\":null},"
	"\"events\":{\"next_seq\":1,\"oldest_unacked\":null,\"lost\":0},"
	"\"limits\":{\"line_in\":8388608,\"line_out\":1048576,\"in_flight\":64,"
	"\"subscriptions\":8,\"interval_ms\":100,\"file_chunk\":524288}}";

static const char *const capabilities[] = {
	"metrics", "safe_commands", "samples", "events", "describe", NULL,
};

static struct vmv_os_sample os;
static struct vmv_hello hello;
static struct vmv_jw w;

static void up(void)
{
	os = (struct vmv_os_sample){
		.id = "debian",
		.version_id = "12",
		.name = "Debian GNU/Linux",
		.pretty_name = "Debian GNU/Linux 12 (bookworm)",
		.kernel = "6.1.0-28-cloud-amd64",
		.arch = "x86_64",
		.hostname = "web-1",
		.boot_id = "5f0c2d1a-7b3e-4a86-91d2-0c4e8f6a2b17",
	};
	hello = (struct vmv_hello){
		.vm_id = "3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001",
		.capabilities = capabilities,
		.session = "0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5",
		.os = &os,
		.schema = "e91e97583bfc899d",
		.policy_level = "monitor",
		.line_in = 8 * VMV_MIB,
		.in_flight = 64,
	};
	vmv_jw_init(&w, VMV_HANDSHAKE_MAX);
}

static void down(void)
{
	vmv_jw_free(&w);
}

static struct json_object *written(void)
{
	ck_assert_int_eq(vmv_hello_write(&w, "2026-07-14T12:00:00.010Z", &hello), 0);
	ck_assert_uint_le(w.buf.len, 2048);
	return guest_json(&w);
}

/* The text without the one object that differs from run to run. */
static char *without_clock(const char *text, size_t len)
{
	char *copy = strndup(text, len);
	char *clock = strstr(copy, ",\"clock\":{");
	char *end = strchr(clock, '}') + 1;

	memmove(clock, end, strlen(end) + 1);
	return copy;
}

START_TEST(the_handshake_is_the_golden_one)
{
	struct json_object *obj = written();
	char *is = without_clock(w.buf.data, w.buf.len);
	char *should_be = without_clock(golden, strlen(golden));

	ck_assert_str_eq(is, should_be);
	ck_assert(json_object_is_type(guest_at(obj, ".clock.realtime_ms"), json_type_int));
	ck_assert(json_object_is_type(guest_at(obj, ".clock.monotonic_ns"), json_type_int));
	ck_assert(json_object_is_type(guest_at(obj, ".clock.synchronized"), json_type_boolean) ||
		  !guest_at(obj, ".clock.synchronized"));
	ck_assert_uint_eq(json_object_object_length(guest_at(obj, ".clock")), 3);
	ck_assert_int_gt(json_object_get_int64(guest_at(obj, ".clock.realtime_ms")),
			 INT64_C(1600000000000));
	free(is);
	free(should_be);
	json_object_put(obj);
}
END_TEST

START_TEST(settings_are_told)
{
	struct json_object *obj;

	hello.policy_level = "full";
	hello.has_executor = true;
	hello.requires_signature = true;
	hello.in_flight = 1024;
	hello.line_in = 64 * VMV_MIB;
	obj = written();
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".policy.level")), "full");
	ck_assert(json_object_get_boolean(guest_at(obj, ".policy.executor")));
	ck_assert(json_object_get_boolean(guest_at(obj, ".policy.require_signature")));
	ck_assert_int_eq(json_object_get_int(guest_at(obj, ".limits.in_flight")), 1024);
	ck_assert_int_eq(json_object_get_int(guest_at(obj, ".limits.line_in")), 67108864);
	json_object_put(obj);
}
END_TEST

START_TEST(what_is_unknown_is_null)
{
	static const char *const paths[] = { ".boot_id", ".hostname",  ".os.id",  ".os.version_id",
					     ".os.name", ".os.kernel", ".os.arch" };
	struct json_object *obj;

	os = (struct vmv_os_sample){ .id = "" };
	obj = written();
	for (size_t i = 0; i < VMV_COUNTOF(paths); i++)
		ck_assert_ptr_null(guest_at(obj, paths[i]));
	json_object_put(obj);
}
END_TEST

static const char *const characters[] = {
	"x", "\x01", "\xff", "\xe4\xb8\xad", "\xf0\x9f\x90\xa7", "\\",
};

static void fill(char *text, size_t size, const char *character)
{
	size_t len = 0, n = strlen(character);

	for (; len + n < size; len += n)
		memcpy(text + len, character, n);
	text[len] = '\0';
}

/* All texts as long as can be, and all capabilities there will be. */
START_TEST(the_longest_handshake_has_2_kib)
{
	static const char *const all[] = {
		"metrics",   "safe_commands", "unsafe_commands", "samples",   "events", "describe",
		"streaming", "files",	      "signed_v1",	 "signed_v2", NULL
	};
	char vm_id[VMV_ID_MAX + 1];
	struct json_object *obj;

	fill(vm_id, sizeof(vm_id), "i");
	fill(os.id, sizeof(os.id), characters[_i]);
	fill(os.version_id, sizeof(os.version_id), characters[_i]);
	fill(os.name, sizeof(os.name), characters[_i]);
	fill(os.pretty_name, sizeof(os.pretty_name), characters[_i]);
	fill(os.kernel, sizeof(os.kernel), characters[_i]);
	fill(os.arch, sizeof(os.arch), characters[_i]);
	fill(os.hostname, sizeof(os.hostname), characters[_i]);
	hello.vm_id = vm_id;
	hello.capabilities = all;
	hello.in_flight = 1024;
	hello.line_in = 64 * VMV_MIB;
	hello.requires_signature = true;
	obj = written();
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".vm_id")), vm_id);
	ck_assert_int_gt(json_object_get_string_len(guest_at(obj, ".os.name")), 0);
	ck_assert_int_gt(json_object_get_string_len(guest_at(obj, ".hostname")), 0);
	ck_assert_ptr_nonnull(guest_at(obj, ".limits.file_chunk")); /* whole to its end */
	json_object_put(obj);
}
END_TEST

START_TEST(what_fits_is_not_cut)
{
	struct json_object *obj;

	fill(os.pretty_name, sizeof(os.pretty_name), "x");
	obj = written();
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".os.name")), os.pretty_name);
	json_object_put(obj);
}
END_TEST

START_TEST(no_character_is_cut_in_two)
{
	struct json_object *obj;

	fill(os.pretty_name, sizeof(os.pretty_name), "\xe4\xb8\xad");
	fill(os.hostname, sizeof(os.hostname), "\xe4\xb8\xad");
	obj = written();
	ck_assert(!guest_says(&w, "\\ufffd"));
	json_object_put(obj);
}
END_TEST

START_TEST(a_writer_too_small_says_so)
{
	vmv_jw_free(&w);
	vmv_jw_init(&w, 400);
	ck_assert_int_lt(vmv_hello_write(&w, "2026-07-14T12:00:00.010Z", &hello), 0);
}
END_TEST

START_TEST(ping_tells_all_after_vm_id)
{
	static const char *const names[] = { "version", "platform", "capabilities", "protocol",
					     "session", "boot_id",  "agent",	    "hostname",
					     "os",	"schema",   "policy",	    "clock",
					     "events",	"limits" };
	struct json_object_iterator at, end;
	struct json_object *obj;
	size_t i = 0;

	vmv_jw_open(&w, NULL);
	vmv_hello_members(&w, &hello);
	vmv_jw_close(&w);
	obj = guest_json(&w);
	end = json_object_iter_end(obj);
	for (at = json_object_iter_begin(obj); !json_object_iter_equal(&at, &end);
	     json_object_iter_next(&at)) {
		ck_assert_uint_lt(i, VMV_COUNTOF(names));
		ck_assert_str_eq(json_object_iter_peek_name(&at), names[i++]);
	}
	ck_assert_uint_eq(i, VMV_COUNTOF(names));
	json_object_put(obj);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hello");
	TCase *tc = tcase_create("hello");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, the_handshake_is_the_golden_one);
	tcase_add_test(tc, settings_are_told);
	tcase_add_test(tc, what_is_unknown_is_null);
	tcase_add_loop_test(tc, the_longest_handshake_has_2_kib, 0, (int)VMV_COUNTOF(characters));
	tcase_add_test(tc, what_fits_is_not_cut);
	tcase_add_test(tc, no_character_is_cut_in_two);
	tcase_add_test(tc, a_writer_too_small_says_so);
	tcase_add_test(tc, ping_tells_all_after_vm_id);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
