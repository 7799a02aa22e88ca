#include "execd/counters.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define A      "0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5"
#define B      "c3d1f7a2-8e60-4b19-a5d4-7e9f0a1b2c3d"
#define K1     "cf9d615d778ec445"
#define K2     "0ca17e36efb61ea3"
#define MOST   ((INT64_C(1) << 53) - 1)
#define FILE_A "counters-" A

static char dir[64];
static struct vmv_counters *c;
static int64_t last;

static void restart(void)
{
	vmv_counters_free(c);
	ck_assert_int_eq(vmv_counters_open(&c, dir), 0);
}

static void up(void)
{
	strcpy(dir, "/tmp/vmvitals-counters-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(vmv_counters_open(&c, dir), 0);
	last = -1;
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
	vmv_counters_free(c);
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int use(const char *session, const char *key, int64_t counter)
{
	return vmv_counters_use(c, session, key, counter, &last);
}

static const char *path(const char *name)
{
	static char buf[160];

	(void)snprintf(buf, sizeof(buf), "%s/%s", dir, name);
	return buf;
}

START_TEST(only_greater_ones_pass)
{
	ck_assert_int_eq(use(A, K1, 0), 0);
	ck_assert_int_eq(last, 0);
	ck_assert_int_eq(use(A, K1, 1), 0);
	ck_assert_int_eq(last, 0);
	ck_assert_int_eq(use(A, K1, 1), -EEXIST);
	ck_assert_int_eq(last, 1);
	ck_assert_int_eq(use(A, K1, 1784030400000000), 0);
	ck_assert_int_eq(use(A, K1, 1784030399999999), -EEXIST);
	ck_assert_int_eq(last, 1784030400000000);
	ck_assert_int_eq(use(A, K1, MOST), 0);
	ck_assert_int_eq(use(A, K1, MOST), -EEXIST);
	ck_assert_int_eq(use(A, K1, 0), 0);
	ck_assert_int_eq(last, MOST);
}
END_TEST

START_TEST(keys_and_sessions_do_not_disturb_each_other)
{
	ck_assert_int_eq(use(A, K1, 100), 0);
	ck_assert_int_eq(use(A, K2, 1), 0);
	ck_assert_int_eq(use(B, K1, 1), 0);
	ck_assert_int_eq(use(A, K1, 100), -EEXIST);
	ck_assert_int_eq(use(A, K2, 2), 0);
	ck_assert_int_eq(use(B, K1, 1), -EEXIST);
	ck_assert_int_eq(last, 1);
}
END_TEST

START_TEST(a_restart_forgets_nothing)
{
	ck_assert_int_eq(use(A, K1, 5), 0);
	ck_assert_int_eq(use(A, K2, 7), 0);
	restart();
	ck_assert_int_eq(use(A, K1, 5), -EEXIST);
	ck_assert_int_eq(use(A, K2, 7), -EEXIST);
	ck_assert_int_eq(use(A, K2, 8), 0);
}
END_TEST

static void count_for_ever(int64_t *accepted)
{
	for (int64_t i = *accepted + 1;; i++)
		if (use(A, K1, i) == 0)
			__atomic_store_n(accepted, i, __ATOMIC_SEQ_CST);
}

/* Killed at any moment: whatever was said to be accepted is never read back lower. */
START_TEST(a_kill_at_any_moment_forgets_nothing)
{
	int64_t *accepted =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	ck_assert_ptr_ne(accepted, MAP_FAILED);
	for (int round = 0; round < 50; round++) {
		int64_t from = *accepted;

		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			count_for_ever(accepted);
		while (__atomic_load_n(accepted, __ATOMIC_SEQ_CST) < from + 20 + round)
			;
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		restart();
		ck_assert_int_eq(use(A, K1, 0), 0);
		ck_assert_int_ge(last, *accepted);
		ck_assert_int_le(last, *accepted + 1); /* written, not yet said */
		*accepted = last;
	}
	(void)munmap(accepted, 4096);
}
END_TEST

START_TEST(no_more_than_64_keys)
{
	char key[17];

	for (int i = 0; i < VMV_KEYS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "%016x", i);
		ck_assert_int_eq(use(A, key, i + 1), 0);
	}
	ck_assert_int_eq(use(A, K1, 1), -ENOSPC);
	ck_assert_int_eq(use(A, K1, 0), 0);
	ck_assert_int_eq(last, 0);
	for (int i = 0; i < VMV_KEYS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "%016x", i);
		ck_assert_int_eq(use(A, key, i + 1), -EEXIST);
		ck_assert_int_eq(last, i + 1);
		ck_assert_int_eq(use(A, key, i + 2), 0);
	}
}
END_TEST

START_TEST(the_end_of_a_session_is_the_end_of_its_file)
{
	static const char *const kept[] = { B };

	ck_assert_int_eq(use(A, K1, 5), 0);
	ck_assert_int_eq(access(path(FILE_A), F_OK), 0);
	vmv_counters_drop(c, A);
	ck_assert_int_lt(access(path(FILE_A), F_OK), 0);
	vmv_counters_drop(c, A); /* and once more */
	ck_assert_int_eq(use(A, K1, 5), 0);
	ck_assert_int_eq(use(B, K1, 5), 0);
	(void)close(open(path("other"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	vmv_counters_keep_only(c, kept, 1);
	ck_assert_int_lt(access(path(FILE_A), F_OK), 0);
	ck_assert_int_eq(access(path("other"), F_OK), 0);
	ck_assert_int_eq(use(B, K1, 5), -EEXIST);
	ck_assert_int_eq(use(A, K1, 0), 0);
	ck_assert_int_lt(access(path(FILE_A), F_OK), 0); /* a question makes no file */
}
END_TEST

static const char *const names[] = {
	"", "../x", "a/b", "A", "0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e50", "x"
};
static const char *const bad_keys[] = { "", "cf9d615d778ec44", "CF9D615D778EC445",
					"cf9d615d778ec4455", "cf9d615d778ec44\n" };

START_TEST(names_lead_nowhere_else)
{
	for (size_t i = 0; i < VMV_COUNTOF(names); i++)
		ck_assert_int_eq(use(names[i], K1, 1), -EINVAL);
	for (size_t i = 0; i < VMV_COUNTOF(bad_keys); i++)
		ck_assert_int_eq(use(A, bad_keys[i], 1), -EINVAL);
	ck_assert_int_eq(use(A, K1, -1), -EINVAL);
}
END_TEST

/* Whatever became of a file, it never says less than was accepted. */
START_TEST(a_damaged_file_lets_nothing_pass)
{
	struct stat st;
	char byte;
	int fd;

	ck_assert_int_eq(use(A, K1, 500), 0);
	ck_assert_int_eq(use(A, K2, 7), 0);
	ck_assert_int_eq(stat(path(FILE_A), &st), 0);
	for (off_t size = 1; size < st.st_size; size++) {
		if (size == st.st_size / 2)
			continue;
		ck_assert_int_eq(truncate(path(FILE_A), size), 0);
		ck_assert_int_eq(use(A, K1, 501), -EBADMSG);
		vmv_counters_drop(c, A);
		ck_assert_int_eq(use(A, K1, 500), 0);
		ck_assert_int_eq(use(A, K2, 7), 0);
	}
	fd = open(path(FILE_A), O_RDWR | O_CLOEXEC);
	for (off_t at = 0; at < st.st_size; at++) {
		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		ck_assert_int_eq(pwrite(fd, "\xff", 1, at), 1);
		ck_assert_int_eq(use(A, K1, 501), -EBADMSG);
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	}
	(void)close(fd);
	ck_assert_int_eq(use(A, K1, 500), -EEXIST);
}
END_TEST

START_TEST(others_have_no_say)
{
	struct vmv_counters *other = NULL;

	ck_assert_int_eq(use(A, K1, 5), 0);
	ck_assert_int_eq(chmod(path(FILE_A), 0622), 0);
	ck_assert_int_eq(use(A, K1, 6), -EPERM);
	ck_assert_int_eq(unlink(path(FILE_A)), 0);
	ck_assert_int_eq(symlink("/dev/null", path(FILE_A)), 0);
	ck_assert_int_eq(use(A, K1, 6), -ELOOP);
	ck_assert_int_eq(chmod(dir, 0770), 0);
	ck_assert_int_eq(vmv_counters_open(&other, dir), -EPERM);
	ck_assert_int_eq(vmv_counters_open(&other, path("none")), -ENOENT);
	ck_assert_ptr_null(other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("counters");
	TCase *tc = tcase_create("counters");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, only_greater_ones_pass);
	tcase_add_test(tc, keys_and_sessions_do_not_disturb_each_other);
	tcase_add_test(tc, a_restart_forgets_nothing);
	tcase_add_test(tc, a_kill_at_any_moment_forgets_nothing);
	tcase_add_test(tc, no_more_than_64_keys);
	tcase_add_test(tc, the_end_of_a_session_is_the_end_of_its_file);
	tcase_add_test(tc, names_lead_nowhere_else);
	tcase_add_test(tc, a_damaged_file_lets_nothing_pass);
	tcase_add_test(tc, others_have_no_say);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
