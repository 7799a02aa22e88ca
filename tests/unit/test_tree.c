#include "job/tree.h"

#include "base/cleanup.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_AGO 1000000000 /* 2001 */

static struct fixture fx;
static int top;

static void up(void)
{
	fixture_up(&fx);
	fixture_mkdir(&fx, "tmp");
	top = open(fx.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top, 0);
}

static void down(void)
{
	(void)close(top);
	fixture_down(&fx);
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void age(const char *path, time_t accessed, time_t modified)
{
	struct timespec t[2] = { { .tv_sec = accessed }, { .tv_sec = modified } };

	ck_assert_int_eq(utimensat(top, path, t, AT_SYMLINK_NOFOLLOW), 0);
}

static struct vmv_sweep all(void)
{
	return (struct vmv_sweep){ .before_s = INT64_MAX,
				   .depth = VMV_TREE_DEPTH,
				   .deadline_ms = UINT64_MAX };
}

static void sweep(struct vmv_sweep *s)
{
	ck_assert_int_eq(vmv_tree_sweep_at(top, "tmp", s), 0);
}

/* Without openat2(2) it is what keeps links of root's within [exec] file_roots. */
START_TEST(a_path_goes_up_only_as_far_as_it_came_down)
{
	static const char *const out[] = { "..",	   "../tmp",	"./..",	    "d/../..",
					   "d/e/../../..", "d/./../..", "d/../../d" };
	static const char *const in[] = { "d/..", "d/e/../../d", "./d/./e/..", "d/../d/e/.." };

	fixture_put(&fx, "d/e/f", "text");
	fixture_link(&fx, "link", "d");
	for (size_t i = 0; i < VMV_COUNTOF(out); i++)
		ck_assert_msg(vmv_tree_open(top, out[i]) == -EXDEV, "%s", out[i]);
	ck_assert_int_lt(vmv_tree_open(top, "link/.."), 0);
	for (size_t i = 0; i < VMV_COUNTOF(in); i++) {
		int fd = vmv_tree_open(top, in[i]);

		ck_assert_msg(fd >= 0, "%s: %d", in[i], fd);
		(void)close(fd);
	}
}
END_TEST

START_TEST(everything_goes_but_the_directory_itself)
{
	struct vmv_sweep s = all();

	fixture_put(&fx, "tmp/a", "text");
	fixture_put(&fx, "tmp/d/e/f", "text");
	fixture_link(&fx, "tmp/d/link", "/nowhere");
	sweep(&s);
	ck_assert(is_there("tmp"));
	ck_assert(!is_there("tmp/a") && !is_there("tmp/d"));
	ck_assert_uint_eq(s.files, 3);
	ck_assert_uint_eq(s.errors, 0);
	ck_assert_uint_gt(s.bytes, 0);
	ck_assert(!s.is_late);
}
END_TEST

START_TEST(all_three_times_have_to_be_old)
{
	time_t now = time(NULL), before = now + 100;
	struct vmv_sweep s = all();

	fixture_put(&fx, "tmp/old", "");
	fixture_put(&fx, "tmp/read", "");
	fixture_put(&fx, "tmp/written", "");
	fixture_put(&fx, "tmp/dir/x", "");
	age("tmp/old", LONG_AGO, LONG_AGO);
	age("tmp/read", now + 200, LONG_AGO);
	age("tmp/written", LONG_AGO, now + 200);
	age("tmp/dir", LONG_AGO, now + 200);
	s.before_s = before;
	sweep(&s);
	ck_assert(!is_there("tmp/old") && !is_there("tmp/dir/x"));
	ck_assert(is_there("tmp/read") && is_there("tmp/written"));
	ck_assert(is_there("tmp/dir")); /* empty, but young */
}
END_TEST

START_TEST(a_change_of_the_inode_is_young_unless_only_writing_counts)
{
	struct vmv_sweep s = all();

	fixture_put(&fx, "tmp/old", "");
	age("tmp/old", LONG_AGO, LONG_AGO); /* its ctime is now */
	s.before_s = time(NULL) - 100;
	sweep(&s);
	ck_assert(is_there("tmp/old"));
	s.is_mtime_only = true;
	sweep(&s);
	ck_assert(!is_there("tmp/old"));
}
END_TEST

/* Deleting in it makes a directory young, and reading it would, too. */
START_TEST(an_old_directory_goes_with_what_was_in_it)
{
	struct vmv_sweep s = all();

	fixture_put(&fx, "tmp/d/e/f", "");
	s.before_s = time(NULL) + 1000;
	s.is_dry = true;
	sweep(&s);
	ck_assert(is_there("tmp/d/e/f"));
	ck_assert_uint_eq(s.files, 1);
	s.is_dry = false;
	sweep(&s);
	ck_assert(!is_there("tmp/d"));
	ck_assert_uint_eq(s.files, 2);
}
END_TEST

START_TEST(reading_a_directory_leaves_its_time_alone)
{
	struct vmv_sweep s = vmv_tree_measure(UINT64_MAX);
	struct stat st;

	fixture_put(&fx, "tmp/d/f", "");
	age("tmp/d", LONG_AGO, LONG_AGO);
	sweep(&s);
	ck_assert_uint_eq(s.files, 1);
	ck_assert_int_eq(fstatat(top, "tmp/d", &st, 0), 0);
	ck_assert_int_eq(st.st_atime, LONG_AGO);
}
END_TEST

static void make_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", fx.dir, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	(void)close(fd);
}

START_TEST(what_others_use_is_left_alone)
{
	static const char *const dirs[] = { "tmp/systemd-private-1-a.service-x", "tmp/.X11-unix",
					    "tmp/.ICE-unix", "tmp/locked" };
	struct vmv_sweep s = all();
	char path[128];
	int lock;

	for (size_t i = 0; i < VMV_COUNTOF(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/f", dirs[i]);
		fixture_put(&fx, path, "");
	}
	make_socket("tmp/socket");
	ck_assert_int_eq(mkfifoat(top, "tmp/fifo", 0600), 0);
	fixture_put(&fx, "tmp/other/f", "");
	lock = openat(top, "tmp/locked", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(flock(lock, LOCK_SH), 0);
	sweep(&s);
	for (size_t i = 0; i < VMV_COUNTOF(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/f", dirs[i]);
		ck_assert_msg(is_there(path), "%s", path);
	}
	ck_assert(is_there("tmp/socket") && is_there("tmp/fifo"));
	ck_assert(!is_there("tmp/other"));
	ck_assert_uint_eq(s.errors, 0);
	(void)close(lock);
	sweep(&s); /* nobody locks it any more */
	ck_assert(!is_there("tmp/locked"));
}
END_TEST

START_TEST(symlinks_go_and_what_they_lead_to_stays)
{
	struct vmv_sweep s = all();

	fixture_put(&fx, "victim/f", "");
	fixture_link(&fx, "tmp/relative", "../victim");
	fixture_link(&fx, "tmp/file", "../victim/f");
	sweep(&s);
	ck_assert(!is_there("tmp/relative") && !is_there("tmp/file"));
	ck_assert(is_there("victim/f"));
	fixture_link(&fx, "var", "victim"); /* nor is one on the way there followed */
	ck_assert_int_lt(vmv_tree_sweep_at(top, "var", &s), 0);
	ck_assert(is_there("victim/f"));
	ck_assert_int_eq(vmv_tree_sweep_at(top, "absent/tmp", &s), 0);
}
END_TEST

START_TEST(a_file_with_another_link_frees_nothing)
{
	struct vmv_sweep s = all();

	fixture_put(&fx, "victim", "text");
	ck_assert_int_eq(linkat(top, "victim", top, "tmp/link", 0), 0);
	sweep(&s);
	ck_assert_uint_eq(s.files, 1);
	ck_assert_uint_eq(s.bytes, 0);
	ck_assert(is_there("victim"));
}
END_TEST

START_TEST(deep_directories_are_left_alone)
{
	struct vmv_sweep s = all();

	fixture_put(&fx, "tmp/1/2/f", "");
	s.depth = 2; /* entries of tmp and of tmp/1 */
	sweep(&s);
	ck_assert(is_there("tmp/1/2/f"));
	s.depth = 3;
	sweep(&s);
	ck_assert(!is_there("tmp/1"));
}
END_TEST

START_TEST(nothing_goes_after_the_deadline)
{
	struct vmv_sweep s = all();

	fixture_put(&fx, "tmp/f", "");
	s.deadline_ms = 0;
	sweep(&s);
	ck_assert(s.is_late);
	ck_assert(is_there("tmp/f"));
	ck_assert_uint_eq(s.files, 0);
}
END_TEST

static bool wants_gz(const char *name)
{
	return strstr(name, ".gz") != NULL;
}

START_TEST(only_wanted_files_go)
{
	struct vmv_sweep s = all();

	fixture_put(&fx, "tmp/a.gz", "");
	fixture_put(&fx, "tmp/d/b.gz", "");
	fixture_put(&fx, "tmp/d/c", "");
	s.wants = wants_gz;
	s.keeps_dirs = true;
	sweep(&s);
	ck_assert(is_there("tmp/d/c"));
	ck_assert(!is_there("tmp/a.gz") && !is_there("tmp/d/b.gz"));
}
END_TEST

/* One of another filesystem, and one of the same: it has the same st_dev. */
START_TEST(mounts_are_left_alone)
{
	struct vmv_sweep s = all();
	char from[128], to[128];

	fixture_put(&fx, "victim/f", "");
	fixture_mkdir(&fx, "tmp/bind");
	fixture_mkdir(&fx, "tmp/tmpfs");
	(void)snprintf(from, sizeof(from), "%s/victim", fx.dir);
	(void)snprintf(to, sizeof(to), "%s/tmp/bind", fx.dir);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(from, to, NULL, MS_BIND, NULL) < 0) {
		SAY_SKIPPED("nothing can be mounted here");
		return;
	}
	(void)snprintf(to, sizeof(to), "%s/tmp/tmpfs", fx.dir);
	ck_assert_int_eq(mount("none", to, "tmpfs", 0, NULL), 0);
	(void)close(top); /* it was of the namespace before */
	top = open(fx.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture_put(&fx, "tmp/tmpfs/f", "");
	sweep(&s);
	ck_assert(is_there("tmp/tmpfs/f"));
	ck_assert(is_there("victim/f"));
	ck_assert_int_eq(umount(to), 0);
	(void)snprintf(to, sizeof(to), "%s/tmp/bind", fx.dir);
	ck_assert_int_eq(umount(to), 0);
}
END_TEST

/* -- the race --------------------------------------------------------------------------------- */

/* As fast as it can: "d" is a directory, and a link to the victim, and a directory. */
static void attack(void)
{
	int tmp = openat(top, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (;;) {
		int fd;

		(void)mkdirat(tmp, "d", 0700);
		fd = openat(tmp, "d/f", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		vmv_closep(&fd);
		(void)symlinkat("../victim", tmp, "s");
		for (int i = 0; i < 16; i++)
			(void)renameat2(tmp, "d", tmp, "s", RENAME_EXCHANGE);
	}
}

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

START_TEST(a_directory_that_turns_into_a_link_leads_nowhere)
{
	struct vmv_sweep s = all();
	uint64_t until = now_ms() + 3000;
	pid_t attacker;
	int n = 0, status;

	for (int i = 0; i < 50; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "victim/%d/f", i);
		fixture_put(&fx, path, "");
	}
	attacker = fork();
	if (attacker == 0)
		attack();
	/* hundreds of times it went in and deleted, while the other one was at work */
	for (; n < 500 || (now_ms() < until && n < 20000); n++)
		sweep(&s);
	ck_assert_int_eq(waitpid(attacker, &status, WNOHANG), 0);
	(void)kill(attacker, SIGKILL);
	ck_assert_int_eq(waitpid(attacker, &status, 0), attacker);
	ck_assert_uint_gt(s.files, 100);
	for (int i = 0; i < 50; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "victim/%d/f", i);
		ck_assert_msg(is_there(path), "%s is gone", path);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tree");
	TCase *tc = tcase_create("sweep");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_path_goes_up_only_as_far_as_it_came_down);
	tcase_add_test(tc, everything_goes_but_the_directory_itself);
	tcase_add_test(tc, all_three_times_have_to_be_old);
	tcase_add_test(tc, a_change_of_the_inode_is_young_unless_only_writing_counts);
	tcase_add_test(tc, an_old_directory_goes_with_what_was_in_it);
	tcase_add_test(tc, reading_a_directory_leaves_its_time_alone);
	tcase_add_test(tc, what_others_use_is_left_alone);
	tcase_add_test(tc, symlinks_go_and_what_they_lead_to_stays);
	tcase_add_test(tc, a_file_with_another_link_frees_nothing);
	tcase_add_test(tc, deep_directories_are_left_alone);
	tcase_add_test(tc, nothing_goes_after_the_deadline);
	tcase_add_test(tc, only_wanted_files_go);
	tcase_add_test(tc, mounts_are_left_alone);
	tcase_add_test(tc, a_directory_that_turns_into_a_link_leads_nowhere);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
