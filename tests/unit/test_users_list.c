#include "reports/users.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "proto/json_write.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;
static struct vmv_jw w;
static size_t count;
static bool is_cut;

static void up(void)
{
	fixture_up(&fx);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
}

static void down(void)
{
	vmv_jw_free(&w);
	fixture_down(&fx);
}

static void write_users(void)
{
	count = 77;
	is_cut = true;
	vmv_jw_free(&w);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	ck_assert_int_eq(vmv_users_write(&w, &fx.root, &count, &is_cut), 0);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
}

/* Their names, each behind a blank. */
static void expect_names(const char *names)
{
	struct json_object *obj, *users;
	char text[512] = "";
	size_t len = 0;

	write_users();
	obj = guest_json(&w);
	users = guest_at(obj, ".users");
	for (size_t i = 0; i < json_object_array_length(users); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %s",
					json_object_get_string(guest_at(
						json_object_array_get_idx(users, i), ".name")));
	ck_assert_str_eq(text, names);
	ck_assert_uint_eq(json_object_array_length(users), count);
	ck_assert_int_eq(json_object_get_int64(guest_at(obj, ".count")), (int64_t)count);
	ck_assert(!is_cut);
	json_object_put(obj);
}

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
			     "low:x:999:999::/:/bin/sh\n"
			     "ana:x:1000:1000:Ana Banana,Room 1,,:/home/ana:/bin/bash\n"
			     "high:x:60000:100::/home/high:/bin/sh\n"
			     "over:x:60001:100::/:/bin/sh\n"
			     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";

START_TEST(root_and_people_are_listed)
{
	fixture_put(&fx, "etc/passwd", passwd);
	write_users();
	ck_assert(guest_says(&w, "{\"users\":[{\"name\":\"root\",\"uid\":0,\"gid\":0,"
				 "\"description\":\"root\",\"home\":\"/root\","
				 "\"shell\":\"/bin/bash\"},"
				 "{\"name\":\"ana\",\"uid\":1000,\"gid\":1000,"
				 "\"description\":\"Ana Banana\",\"home\":\"/home/ana\","
				 "\"shell\":\"/bin/bash\"},"
				 "{\"name\":\"high\",\"uid\":60000,\"gid\":100,"
				 "\"description\":\"\",\"home\":\"/home/high\","
				 "\"shell\":\"/bin/sh\"}],\"count\":3}"));
	ck_assert_uint_eq(count, 3);
	ck_assert(!is_cut);
}
END_TEST

START_TEST(login_defs_says_who_is_a_person)
{
	fixture_put(&fx, "etc/passwd", passwd);
	fixture_put(&fx, "etc/login.defs",
		    "# UID_MIN 7\nUID_MINIMUM 8\nUID_MIN\t\t  500 # people\nUID_MAX 999\n");
	expect_names(" root low");
	fixture_put(&fx, "etc/login.defs", "UID_MAX 70000");
	expect_names(" root ana high over nobody");
}
END_TEST

START_TEST(a_limit_that_is_no_number_is_left_alone)
{
	fixture_put(&fx, "etc/passwd", passwd);
	fixture_put(&fx, "etc/login.defs",
		    "UID_MIN\nUID_MIN x\nUID_MIN 1x\nUID_MAX -1\nUID_MAX "
		    "99999999999999999999999\n");
	expect_names(" root ana high");
}
END_TEST

START_TEST(the_vendors_login_defs_counts_when_there_is_no_other)
{
	fixture_put(&fx, "etc/passwd", passwd);
	fixture_put(&fx, "usr/etc/login.defs", "UID_MIN 999\n");
	expect_names(" root low ana high");
	fixture_put(&fx, "etc/login.defs", "UID_MIN 60000\n");
	expect_names(" root high");
}
END_TEST

START_TEST(lines_that_are_no_accounts_are_skipped)
{
	fixture_put(&fx, "etc/passwd",
		    "\n#root:x:0:0::/:/bin/sh\n+::0:0::/:/bin/sh\n-bad:x:0:0::/:/bin/sh\n"
		    ":x:0:0::/:/bin/sh\nshort:x:0:0::/\nword\nneg:x:-1:0::/:/bin/sh\n"
		    "empty:x::0::/:/bin/sh\nhex:x:0x0:0::/:/bin/sh\ngid:x:0:x::/:/bin/sh\n"
		    "none:x:4294967295:0::/:/bin/sh\nbig:x:99999999999999999999:0::/:/bin/sh\n"
		    "split:x:0:\n0::/:/bin/sh\n"
		    "good:x:0:0::/:/bin/sh:with colon\nlast:x:1000:1:::");
	expect_names(" good last");
	ck_assert(guest_says(&w, "\"shell\":\"/bin/sh:with colon\""));
}
END_TEST

START_TEST(any_bytes_come_out_as_json)
{
	fixture_put(&fx, "etc/passwd", "r\"\\\t\xff:x:0:0:\xc3\xa4\x01,:/\xc3(:/bin/sh\n");
	write_users();
	ck_assert(w.is_lossy);
	ck_assert(guest_says(&w, "\"name\":\"r\\\"\\\\\\t\\ufffd\""));
	ck_assert(guest_says(&w, "\"description\":\"\\u00e4\\u0001\""));
}
END_TEST

START_TEST(more_than_there_may_be_are_cut)
{
	static char text[(VMV_USERS_MAX + 1) * 40];
	size_t len = 0;

	for (unsigned i = 0; i <= VMV_USERS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "u%u:x:%u:1::/:/bin/sh\n",
					i, 1000 + i);
	fixture_put(&fx, "etc/passwd", text);
	write_users();
	ck_assert_uint_eq(count, VMV_USERS_MAX);
	ck_assert(is_cut);
}
END_TEST

START_TEST(what_finds_no_room_is_cut)
{
	struct json_object *obj;

	fixture_put(&fx, "etc/passwd", passwd);
	vmv_jw_free(&w);
	vmv_jw_init(&w, VMV_JW_TAIL + 150); /* room for one */
	ck_assert_int_eq(vmv_users_write(&w, &fx.root, &count, &is_cut), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert(is_cut);
	obj = guest_json(&w);
	ck_assert_uint_eq(json_object_array_length(guest_at(obj, ".users")), 1);
	json_object_put(obj);
}
END_TEST

START_TEST(without_the_file_it_is_an_error)
{
	ck_assert_int_eq(vmv_users_write(&w, &fx.root, &count, &is_cut), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("users_list");
	TCase *tc = tcase_create("users");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, root_and_people_are_listed);
	tcase_add_test(tc, login_defs_says_who_is_a_person);
	tcase_add_test(tc, a_limit_that_is_no_number_is_left_alone);
	tcase_add_test(tc, the_vendors_login_defs_counts_when_there_is_no_other);
	tcase_add_test(tc, lines_that_are_no_accounts_are_skipped);
	tcase_add_test(tc, any_bytes_come_out_as_json);
	tcase_add_test(tc, more_than_there_may_be_are_cut);
	tcase_add_test(tc, what_finds_no_room_is_cut);
	tcase_add_test(tc, without_the_file_it_is_an_error);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
