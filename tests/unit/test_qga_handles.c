#include "execd/qga_files.h"

#include "base/err.h"
#include "base/limits.h"
#include "proto/json_read.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static struct vmv_qga_files *f;
static struct vmv_err err;

static void reopen(void)
{
	vmv_qga_files_free(f);
	ck_assert_int_eq(vmv_qga_files_open(&f, dir, 0, &err), 0);
}

static void up(void)
{
	strcpy(dir, "/tmp/vmvitals-files-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	f = NULL;
	reopen();
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void down(void)
{
	vmv_qga_files_free(f);
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static const char *path(const char *name)
{
	static char buf[160];

	(void)snprintf(buf, sizeof(buf), "%s/qga-files/%s", dir, name);
	return buf;
}

static void write_file(const char *name, const char *text)
{
	FILE *to = fopen(path(name), "w");

	ck_assert_ptr_nonnull(to);
	ck_assert_int_ge(fputs(text, to), 0);
	ck_assert_int_eq(fclose(to), 0);
}

static int try_add(const char *record, uint64_t *ret, uint64_t now)
{
	struct json_object *json = json_tokener_parse(record);
	int r = vmv_qga_files_add(f, json, now, ret, &err);

	json_object_put(json);
	return r;
}

static uint64_t add(uint64_t now)
{
	uint64_t handle = 0;

	ck_assert_int_eq(try_add("{\"path\":\"/x\",\"mode\":\"r\",\"dev\":1,"
				 "\"ino\":9007199254740999,\"position\":0}",
				 &handle, now),
			 0);
	return handle;
}

static int64_t position(uint64_t handle)
{
	int64_t v = -1;

	(void)vmv_json_int(
		vmv_json_get(vmv_qga_files_find(f, (int64_t)handle, 0, &err), "position"), 0,
		INT64_MAX, &v);
	return v;
}

START_TEST(a_handle_names_its_record)
{
	struct json_object *record;

	ck_assert_uint_eq(add(0), 1000);
	ck_assert_uint_eq(add(0), 1001);
	record = vmv_qga_files_find(f, 1000, 0, &err);
	ck_assert_str_eq(vmv_json_str(record, "path"), "/x");
	vmv_qga_files_move(f, 1000, 5);
	ck_assert_int_eq(position(1000), 5);
	ck_assert_int_eq(position(1001), 0);
	vmv_qga_files_remove(f, 1000);
	ck_assert_ptr_null(vmv_qga_files_find(f, 1000, 0, &err));
	ck_assert_int_eq(err.code, VMV_E_NOTFOUND);
	ck_assert_str_eq(err.msg, "handle '1000' has not been found");
	ck_assert_uint_eq(vmv_qga_files_count(f), 1);
	vmv_qga_files_move(f, 1000, 5); /* nothing happens */
	vmv_qga_files_remove(f, 1000);
	ck_assert_uint_eq(vmv_qga_files_count(f), 1);
}
END_TEST

static const int64_t unknown[] = { -1, 0, 999, 1001, INT64_MIN, INT64_MAX };

START_TEST(no_other_handle_names_one)
{
	(void)add(0);
	ck_assert_ptr_null(vmv_qga_files_find(f, unknown[_i], 0, &err));
	ck_assert_int_eq(err.code, VMV_E_NOTFOUND);
}
END_TEST

START_TEST(the_next_executor_knows_them_and_gives_no_number_twice)
{
	int64_t ino;

	(void)add(0);
	(void)add(0);
	(void)add(0);
	vmv_qga_files_move(f, 1001, INT64_C(1) << 40);
	vmv_qga_files_remove(f, 1002);
	reopen();
	ck_assert_uint_eq(vmv_qga_files_count(f), 2);
	ck_assert_int_eq(position(1000), 0);
	ck_assert_int_eq(position(1001), INT64_C(1) << 40);
	ck_assert(vmv_json_int(vmv_json_get(vmv_qga_files_find(f, 1001, 0, &err), "ino"), 0,
			       INT64_MAX, &ino));
	ck_assert_int_eq(ino, INT64_C(9007199254740999));
	ck_assert_uint_eq(add(0), 1003);
	vmv_qga_files_remove(f, 1000);
	vmv_qga_files_remove(f, 1001);
	vmv_qga_files_remove(f, 1003);
	reopen();
	ck_assert_uint_eq(vmv_qga_files_count(f), 0);
	ck_assert_uint_eq(add(0), 1004);
}
END_TEST

static const char *const bad_counters[] = { "", "x", "1", "-5", "99999999999999999999", "1005x" };

START_TEST(without_a_counter_those_that_are_there_count)
{
	(void)add(0);
	(void)add(0);
	write_file("next", bad_counters[_i]);
	reopen();
	ck_assert_uint_eq(add(0), 1002);
	ck_assert_int_eq(unlink(path("next")), 0);
	reopen();
	ck_assert_uint_eq(add(0), 1003);
}
END_TEST

static const char *const bad_records[] = {
	"{}",
	"[]",
	"1",
	"null",
	"{\"path\":\"/x\"}",
	"{\"position\":0}",
	"{\"path\":\"x\",\"position\":0}",
	"{\"path\":\"/x\\u0000\",\"position\":0}",
	"{\"path\":\"/x\",\"position\":-1}",
	"{\"path\":\"/x\",\"position\":1.5}",
	"{\"path\":[\"/x\"],\"position\":0}",
};

START_TEST(what_is_no_record_is_not_taken_and_not_read)
{
	uint64_t handle = 7;

	ck_assert_int_lt(try_add(bad_records[_i], &handle, 0), 0);
	ck_assert_uint_eq(handle, 7);
	write_file("1000", bad_records[_i]);
	write_file("1001", "{\"path\":\"/x\",\"posi");
	write_file("999", "{\"path\":\"/x\",\"position\":0}");
	write_file("passwd", "{\"path\":\"/x\",\"position\":0}");
	reopen();
	ck_assert_uint_eq(vmv_qga_files_count(f), 0);
	ck_assert_int_lt(access(path("1000"), F_OK), 0);
	ck_assert_int_lt(access(path("passwd"), F_OK), 0);
	ck_assert_uint_eq(add(0), 1002);
}
END_TEST

START_TEST(a_record_that_is_too_long_is_not_taken)
{
	static char record[64 * 1024];
	uint64_t handle = 0;
	size_t n = (size_t)snprintf(record, sizeof(record), "{\"position\":0,\"path\":\"/");

	memset(record + n, 'x', 40 * 1024);
	strcpy(record + n + 40 * 1024, "\"}");
	ck_assert_int_lt(try_add(record, &handle, 0), 0);
	ck_assert_uint_eq(vmv_qga_files_count(f), 0);
	/* the longest path there is, of what takes most room */
	n = (size_t)snprintf(record, sizeof(record), "{\"position\":0,\"path\":\"/");
	for (int i = 0; i < 4094; i++)
		n += (size_t)sprintf(record + n, "\\u0001");
	strcpy(record + n, "\"}");
	ck_assert_int_eq(try_add(record, &handle, 0), 0);
	reopen();
	ck_assert_uint_eq(
		strlen(vmv_json_str(vmv_qga_files_find(f, (int64_t)handle, 0, &err), "path")),
		4095);
}
END_TEST

START_TEST(there_is_a_bound_and_only_what_is_long_unused_makes_room)
{
	uint64_t handle = 0, hour = VMV_QGA_CHILD_MS;

	for (int i = 0; i < VMV_QGA_FILES; i++) {
		ck_assert_int_eq(vmv_qga_files_room(f, 1, 10, &err), 0);
		(void)add(10);
	}
	ck_assert_int_eq(vmv_qga_files_room(f, 1, 9 + hour, &err), -EBUSY);
	ck_assert_int_eq(err.code, VMV_E_BUSY);
	ck_assert_int_eq(try_add("{\"path\":\"/x\",\"position\":0}", &handle, 0), -EBUSY);
	for (int64_t h = 1000; h < 1000 + VMV_QGA_FILES; h++)
		if (h != 1005)
			ck_assert_ptr_nonnull(vmv_qga_files_find(f, h, 11, &err));
	ck_assert_int_eq(vmv_qga_files_room(f, 1, 10 + hour, &err), 0);
	ck_assert_ptr_null(vmv_qga_files_find(f, 1005, 11, &err));
	ck_assert_int_eq(vmv_qga_files_room(f, 2, 10 + hour, &err), -EBUSY);
	ck_assert_uint_eq(vmv_qga_files_count(f), VMV_QGA_FILES - 1);
}
END_TEST

START_TEST(more_than_the_bound_is_not_read)
{
	char name[16];

	for (int i = 0; i < VMV_QGA_FILES + 3; i++) {
		(void)snprintf(name, sizeof(name), "%d", 2000 + i);
		write_file(name, "{\"path\":\"/x\",\"position\":0}");
	}
	reopen();
	ck_assert_uint_eq(vmv_qga_files_count(f), VMV_QGA_FILES);
}
END_TEST

START_TEST(what_cannot_be_noted_is_not_given_out)
{
	uint64_t handle = 0;

	ck_assert_int_eq(mkdir(path(".new"), 0700), 0);
	ck_assert_int_lt(try_add("{\"path\":\"/x\",\"position\":0}", &handle, 0), 0);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_uint_eq(vmv_qga_files_count(f), 0);
	ck_assert_int_eq(rmdir(path(".new")), 0);
	ck_assert_uint_eq(add(0), 1000);
}
END_TEST

START_TEST(a_folder_that_is_none_is_an_error)
{
	struct vmv_qga_files *none = NULL;

	ck_assert_int_lt(vmv_qga_files_open(&none, "/proc/none", 0, &err), 0);
	ck_assert_ptr_null(none);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_handles");
	TCase *tc = tcase_create("files");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_handle_names_its_record);
	tcase_add_loop_test(tc, no_other_handle_names_one, 0,
			    (int)(sizeof(unknown) / sizeof(unknown[0])));
	tcase_add_test(tc, the_next_executor_knows_them_and_gives_no_number_twice);
	tcase_add_loop_test(tc, without_a_counter_those_that_are_there_count, 0,
			    (int)(sizeof(bad_counters) / sizeof(bad_counters[0])));
	tcase_add_loop_test(tc, what_is_no_record_is_not_taken_and_not_read, 0,
			    (int)(sizeof(bad_records) / sizeof(bad_records[0])));
	tcase_add_test(tc, a_record_that_is_too_long_is_not_taken);
	tcase_add_test(tc, there_is_a_bound_and_only_what_is_long_unused_makes_room);
	tcase_add_test(tc, more_than_the_bound_is_not_read);
	tcase_add_test(tc, what_cannot_be_noted_is_not_given_out);
	tcase_add_test(tc, a_folder_that_is_none_is_an_error);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
