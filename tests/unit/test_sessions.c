#include "execd/sessions.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_LEN 255

static char dir[64];
static struct vmv_sessions *s;

static void reopen(void)
{
	struct vmv_err err = { 0 };

	vmv_sessions_free(s);
	ck_assert_int_eq(vmv_sessions_open(&s, dir, &err), 0);
}

static void up(void)
{
	strcpy(dir, "/tmp/vmvitals-sessions-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	s = NULL;
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
	vmv_sessions_free(s);
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static const char *path(const char *name)
{
	static char buf[160];

	(void)snprintf(buf, sizeof(buf), "%s/%s", dir, name);
	return buf;
}

static void write_file(const char *text)
{
	FILE *f = fopen(path("sessions"), "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(a_channel_has_its_latest_session)
{
	char first[VMV_UUID_SIZE], second[VMV_UUID_SIZE], other[VMV_UUID_SIZE];

	ck_assert_ptr_null(vmv_sessions_of(s, "virtio:a"));
	ck_assert_int_eq(vmv_sessions_begin(s, "virtio:a", first), 0);
	ck_assert_int_eq(vmv_sessions_begin(s, "virtio:b", other), 0);
	ck_assert_int_eq(vmv_sessions_begin(s, "virtio:a", second), 0);
	ck_assert_uint_eq(strlen(first), VMV_UUID_SIZE - 1);
	ck_assert_str_ne(first, second);
	ck_assert_str_ne(first, other);
	ck_assert_str_eq(vmv_sessions_of(s, "virtio:a"), second);
	ck_assert_str_eq(vmv_sessions_of(s, "virtio:b"), other);
	ck_assert_ptr_null(vmv_sessions_of(s, "virtio:"));
}
END_TEST

START_TEST(only_the_current_one_ends)
{
	char first[VMV_UUID_SIZE], second[VMV_UUID_SIZE];

	ck_assert_int_eq(vmv_sessions_begin(s, "a", first), 0);
	ck_assert_int_eq(vmv_sessions_begin(s, "a", second), 0);
	ck_assert(!vmv_sessions_end(s, "a", first));
	ck_assert(!vmv_sessions_end(s, "b", second));
	ck_assert(!vmv_sessions_end(s, "a", ""));
	ck_assert_str_eq(vmv_sessions_of(s, "a"), second);
	ck_assert(vmv_sessions_end(s, "a", second));
	ck_assert_ptr_null(vmv_sessions_of(s, "a"));
	ck_assert(!vmv_sessions_end(s, "a", second));
	reopen();
	ck_assert_ptr_null(vmv_sessions_of(s, "a"));
}
END_TEST

START_TEST(they_outlive_the_process)
{
	char ids[3][VMV_UUID_SIZE], name[NAME_MAX_LEN + 1];

	memset(name, 'n', NAME_MAX_LEN);
	name[NAME_MAX_LEN] = '\0';
	ck_assert_int_eq(vmv_sessions_begin(s, "virtio:org.vmvitals.agent.0", ids[0]), 0);
	ck_assert_int_eq(vmv_sessions_begin(s, name, ids[1]), 0);
	ck_assert_int_eq(vmv_sessions_begin(s, "gone", ids[2]), 0);
	ck_assert(vmv_sessions_end(s, "gone", ids[2]));
	reopen();
	ck_assert_str_eq(vmv_sessions_of(s, "virtio:org.vmvitals.agent.0"), ids[0]);
	ck_assert_str_eq(vmv_sessions_of(s, name), ids[1]);
	ck_assert_ptr_null(vmv_sessions_of(s, "gone"));
	ck_assert_int_eq(access(path("sessions.tmp"), F_OK), -1);
}
END_TEST

START_TEST(there_are_no_more_than_channels)
{
	char id[VMV_UUID_SIZE], name[16], first[VMV_UUID_SIZE] = "";

	for (int i = 0; i < VMV_CHANNELS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		ck_assert_int_eq(vmv_sessions_begin(s, name, i ? id : first), 0);
	}
	ck_assert_int_eq(vmv_sessions_begin(s, "one more", id), -ENOSPC);
	ck_assert_ptr_null(vmv_sessions_of(s, "one more"));
	ck_assert_int_eq(vmv_sessions_begin(s, "c0", id), 0); /* not one more */
	ck_assert(!vmv_sessions_end(s, "c0", first));
	ck_assert(vmv_sessions_end(s, "c0", id));
	ck_assert_int_eq(vmv_sessions_begin(s, "one more", id), 0);
	reopen();
	ck_assert_str_eq(vmv_sessions_of(s, "one more"), id);
}
END_TEST

START_TEST(too_long_a_name_has_none)
{
	char id[VMV_UUID_SIZE], name[NAME_MAX_LEN + 2];

	memset(name, 'n', NAME_MAX_LEN + 1);
	name[NAME_MAX_LEN + 1] = '\0';
	ck_assert_int_eq(vmv_sessions_begin(s, name, id), -EINVAL);
	ck_assert_ptr_null(vmv_sessions_of(s, name));
}
END_TEST

/* What cannot be written down would be forgotten by the next process: it does not begin. */
START_TEST(what_cannot_be_written_does_not_begin)
{
	char id[VMV_UUID_SIZE], before[VMV_UUID_SIZE];

	ck_assert_int_eq(vmv_sessions_begin(s, "a", before), 0);
	ck_assert_int_eq(mkdir(path("sessions.tmp"), 0700), 0);
	ck_assert_int_lt(vmv_sessions_begin(s, "a", id), 0);
	ck_assert_int_lt(vmv_sessions_begin(s, "b", id), 0);
	ck_assert_str_eq(vmv_sessions_of(s, "a"), before);
	ck_assert_ptr_null(vmv_sessions_of(s, "b"));
	ck_assert_int_eq(rmdir(path("sessions.tmp")), 0);
	ck_assert_int_eq(vmv_sessions_begin(s, "b", id), 0);
	reopen();
	ck_assert_str_eq(vmv_sessions_of(s, "a"), before);
	ck_assert_str_eq(vmv_sessions_of(s, "b"), id);
}
END_TEST

START_TEST(links_are_not_followed)
{
	char id[VMV_UUID_SIZE];
	struct vmv_sessions *other = NULL;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(symlink("elsewhere", path("sessions.tmp")), 0);
	ck_assert_int_lt(vmv_sessions_begin(s, "a", id), 0);
	ck_assert_int_eq(access(path("elsewhere"), F_OK), -1);
	ck_assert_int_eq(symlink("elsewhere", path("sessions")), 0);
	ck_assert_int_lt(vmv_sessions_open(&other, dir, &err), 0);
	ck_assert_ptr_null(other);
	ck_assert_str_ne(err.msg, "");
}
END_TEST

START_TEST(nobody_else_can_read_them)
{
	char id[VMV_UUID_SIZE];
	struct stat st;

	ck_assert_int_eq(vmv_sessions_begin(s, "a", id), 0);
	ck_assert_int_eq(stat(path("sessions"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

#define U "0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5"

static const char *const damaged[] = {
	"",	"\n\n\n", "x", U, U "\n", U " \n", U "-a\n", "short a\n", U " a", /* no line end */
	" a\n",
};

START_TEST(what_is_damaged_is_left_out)
{
	write_file(damaged[_i]);
	reopen();
	ck_assert_ptr_null(vmv_sessions_of(s, "a"));
	ck_assert_ptr_null(vmv_sessions_of(s, ""));
}
END_TEST

START_TEST(lines_beside_damaged_ones_count)
{
	char id[VMV_UUID_SIZE];

	write_file("nonsense\n" U " a\nshort b\n");
	reopen();
	ck_assert_str_eq(vmv_sessions_of(s, "a"), U);
	ck_assert_ptr_null(vmv_sessions_of(s, "b"));
	ck_assert_int_eq(vmv_sessions_begin(s, "b", id), 0);
	reopen();
	ck_assert_str_eq(vmv_sessions_of(s, "a"), U);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_an_error)
{
	struct vmv_sessions *none = NULL;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_sessions_open(&none, path("nowhere"), &err), -ENOENT);
	ck_assert_ptr_null(none);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sessions");
	TCase *tc = tcase_create("sessions");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_channel_has_its_latest_session);
	tcase_add_test(tc, only_the_current_one_ends);
	tcase_add_test(tc, they_outlive_the_process);
	tcase_add_test(tc, there_are_no_more_than_channels);
	tcase_add_test(tc, too_long_a_name_has_none);
	tcase_add_test(tc, what_cannot_be_written_does_not_begin);
	tcase_add_test(tc, links_are_not_followed);
	tcase_add_test(tc, nobody_else_can_read_them);
	tcase_add_loop_test(tc, what_is_damaged_is_left_out, 0, (int)VMV_COUNTOF(damaged));
	tcase_add_test(tc, lines_beside_damaged_ones_count);
	tcase_add_test(tc, a_folder_that_is_not_there_is_an_error);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
