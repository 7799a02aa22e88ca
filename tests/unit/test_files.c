#include "base/cleanup.h"
#include "base/limits.h"
#include "job/digest.h"
#include "proto/base64.h"
#include "tests/lib/acting.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* printf hello | sha256sum */
#define HELLO_SHA "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define HELLO_B64 "aGVsbG8="
#define WRONG_SHA "0000000000000000000000000000000000000000000000000000000000000000"

static struct fixture fx;
static struct acting x;
static int top;
static const char *const secrets[] = { "/etc/vmvitals/secret", "/etc/vmvitals/keys.d" };

static void up(void)
{
	fixture_up(&fx);
	acting_up(&x, &fx);
	x.settings.secret_paths = secrets;
	x.settings.n_secret_paths = VMV_COUNTOF(secrets);
	top = open(fx.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top, 0);
}

static void down(void)
{
	(void)close(top);
	acting_down(&x);
	fixture_down(&fx);
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static void check_text(const char *path, const char *expected)
{
	char text[256];

	ck_assert_int_ge(vmv_read_at(top, path, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
}

static int on_path(const char *action, const char *path)
{
	char args[512];

	(void)snprintf(args, sizeof(args), "{\"path\":\"%s\"}", path);
	return acting_run(&x, action, args);
}

static void refused(const char *path, enum vmv_errc code)
{
	ck_assert_msg(on_path("FileRead", path) < 0, "%s was read", path);
	ck_assert_msg(x.err.code == code, "%s: %d %s", path, (int)x.err.code, x.err.msg);
	ck_assert_ptr_null(x.data);
}

START_TEST(stat_tells_what_it_is)
{
	fixture_put(&fx, "d/f", "hello");
	ck_assert_int_eq(fchmodat(top, "d/f", 0640, 0), 0);
	ck_assert_int_eq(acting_run(&x, "FileStat", "{\"path\":\"/d/f\",\"hash\":true}"), 0);
	ck_assert_str_eq(acting_str(&x, "path"), "/d/f");
	ck_assert_str_eq(acting_str(&x, "type"), "file");
	ck_assert_int_eq(acting_int(&x, "size"), 5);
	ck_assert_int_eq(acting_int(&x, "mode"), 0640);
	ck_assert_int_eq(acting_int(&x, "uid"), 0);
	ck_assert_int_gt(acting_int(&x, "inode"), 0);
	ck_assert_str_eq(acting_str(&x, "sha256"), HELLO_SHA);
	ck_assert_uint_eq(strlen(acting_str(&x, "mtime")), 24);
	ck_assert_int_eq(on_path("FileStat", "/d"), 0);
	ck_assert_str_eq(acting_str(&x, "type"), "directory");
	ck_assert_ptr_null(acting_get(&x, "sha256"));
	fixture_link(&fx, "d/l", "f");
	ck_assert_int_eq(on_path("FileStat", "/d/l"), 0);
	ck_assert_str_eq(acting_str(&x, "type"), "symlink");
	ck_assert_int_eq(on_path("FileStat", "/d/none"), -ENOENT);
	ck_assert_int_eq(x.err.code, VMV_E_NOTFOUND);
	ck_assert_int_eq(on_path("FileStat", "/none/f"), -ENOENT);
	ck_assert_int_eq(x.err.code, VMV_E_NOTFOUND);
}
END_TEST

START_TEST(a_file_is_read_in_chunks)
{
	fixture_put(&fx, "f", "hello");
	ck_assert_int_eq(acting_run(&x, "FileRead", "{\"path\":\"/f\",\"length\":2}"), 0);
	ck_assert_str_eq(acting_str(&x, "data"), "aGU=");
	ck_assert_int_eq(acting_int(&x, "length"), 2);
	ck_assert_int_eq(acting_int(&x, "size"), 5);
	ck_assert(!acting_bool(&x, "eof"));
	ck_assert_ptr_null(acting_get(&x, "sha256"));
	ck_assert_int_eq(acting_run(&x, "FileRead", "{\"path\":\"/f\",\"offset\":2,\"length\":3}"),
			 0);
	ck_assert_str_eq(acting_str(&x, "data"), "bGxv");
	ck_assert(acting_bool(&x, "eof"));
	ck_assert_str_eq(acting_str(&x, "sha256"), HELLO_SHA);
	ck_assert_int_eq(acting_run(&x, "FileRead", "{\"path\":\"/f\",\"offset\":99}"), 0);
	ck_assert_str_eq(acting_str(&x, "data"), "");
	ck_assert(acting_bool(&x, "eof"));
	fixture_put(&fx, "empty", "");
	ck_assert_int_eq(on_path("FileRead", "/empty"), 0);
	ck_assert(acting_bool(&x, "eof"));
	ck_assert_int_eq(acting_int(&x, "length"), 0);
}
END_TEST

START_TEST(a_file_over_the_limit_is_too_large)
{
	int fd;

	fixture_put(&fx, "f", "");
	fd = openat(top, "f", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, (off_t)VMV_DIGEST_MAX + 1), 0);
	(void)close(fd);
	ck_assert_int_lt(on_path("FileRead", "/f"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_TOOLARGE);
	ck_assert_int_lt(acting_run(&x, "FileStat", "{\"path\":\"/f\",\"hash\":true}"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_TOOLARGE);
	ck_assert_int_eq(on_path("FileStat", "/f"), 0);
}
END_TEST

START_TEST(only_regular_files_are_read)
{
	fixture_put(&fx, "f", "hello");
	fixture_link(&fx, "link", "f");
	fixture_mkdir(&fx, "d");
	ck_assert_int_eq(mkfifoat(top, "fifo", 0600), 0); /* opening it would block */
	refused("/link", VMV_E_RANGE);
	refused("/d", VMV_E_RANGE);
	refused("/fifo", VMV_E_RANGE);
}
END_TEST

START_TEST(secrets_are_not_read_whatever_they_are_called)
{
	fixture_put(&fx, "etc/vmvitals/secret", "x");
	fixture_put(&fx, "etc/vmvitals/keys.d/a.pub", "x");
	fixture_put(&fx, "etc/vmvitals/agent.conf", "x");
	fixture_put(&fx, "proc/version", "x");
	fixture_mkdir(&fx, "home");
	ck_assert_int_eq(linkat(top, "etc/vmvitals/secret", top, "home/hard", 0), 0);
	fixture_link(&fx, "home/keys", "/etc/vmvitals/keys.d");
	fixture_link(&fx, "home/etc", "../etc/vmvitals");
	fixture_link(&fx, "home/proc", "/proc");
	refused("/etc/vmvitals/secret", VMV_E_DENIED);
	refused("/etc/vmvitals/keys.d/a.pub", VMV_E_DENIED);
	refused("/home/hard", VMV_E_DENIED);
	refused("/home/keys/a.pub", VMV_E_DENIED);
	refused("/home/etc/secret", VMV_E_DENIED);
	refused("/home/proc/version", VMV_E_DENIED);
	refused("/proc/version", VMV_E_DENIED);
	refused("/sys/kernel", VMV_E_DENIED);
	refused("/dev/null", VMV_E_DENIED);
	ck_assert_int_eq(on_path("FileRead", "/home/etc/agent.conf"), 0);
	ck_assert_int_lt(on_path("FileStat", "/home/hard"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_DENIED);
}
END_TEST

START_TEST(nor_through_a_bind_mount)
{
	char from[128], to[128];

	fixture_put(&fx, "etc/vmvitals/keys.d/a.pub", "x");
	fixture_mkdir(&fx, "mnt");
	(void)snprintf(from, sizeof(from), "%s/etc/vmvitals/keys.d", fx.dir);
	(void)snprintf(to, sizeof(to), "%s/mnt", fx.dir);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(from, to, NULL, MS_BIND, NULL) < 0) {
		SAY_SKIPPED("nothing can be mounted here");
		return;
	}
	refused("/mnt/a.pub", VMV_E_DENIED);
	ck_assert_int_eq(umount(to), 0);
}
END_TEST

START_TEST(links_do_not_lead_out_of_a_file_root)
{
	static const char *const roots[] = { "/srv/", "/home/a" };

	x.settings.file_roots = roots;
	x.settings.n_file_roots = VMV_COUNTOF(roots);
	fixture_put(&fx, "etc/passwd", "x");
	fixture_put(&fx, "srv/d/f", "hello");
	fixture_put(&fx, "home/ab/f", "x");
	fixture_link(&fx, "srv/inside", "d");
	fixture_link(&fx, "srv/up", "../etc");
	fixture_link(&fx, "srv/absolute", "/etc");
	ck_assert_int_eq(on_path("FileRead", "/srv/d/f"), 0);
	ck_assert_int_eq(on_path("FileRead", "/srv/inside/f"), 0);
	ck_assert_int_eq(on_path("FileStat", "/srv"), 0);
	refused("/srv/up/passwd", VMV_E_DENIED);
	refused("/srv/absolute/passwd", VMV_E_DENIED);
	refused("/etc/passwd", VMV_E_DENIED);
	refused("/home/ab/f", VMV_E_DENIED);
}
END_TEST

/* From now on openat2 is what a kernel before 5.6 makes of it. */
static bool forget_openat2(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 437, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = VMV_COUNTOF(code), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

START_TEST(without_openat2_no_link_is_followed)
{
	fixture_put(&fx, "srv/d/f", "hello");
	fixture_link(&fx, "srv/inside", "d");
	if (!forget_openat2()) {
		SAY_SKIPPED("no seccomp here");
		return;
	}
	ck_assert_int_eq(on_path("FileRead", "/srv/d/f"), 0);
	refused("/srv/inside/f", VMV_E_RANGE);
}
END_TEST

/* -- writing ---------------------------------------------------------------------------------- */

static int put(const char *rest)
{
	char args[1024];

	(void)snprintf(args, sizeof(args), "{\"path\":\"/d/f\",\"transfer\":\"t1\",%s}", rest);
	return acting_run(&x, "FileWrite", args);
}

#define HEL "\"offset\":0,\"data\":\"aGVs\""
#define LO  "\"offset\":3,\"data\":\"bG8=\",\"last\":true,\"sha256\":\"" HELLO_SHA "\""
#define ALL "\"offset\":0,\"data\":\"" HELLO_B64 "\",\"last\":true,\"sha256\":\"" HELLO_SHA "\""

START_TEST(chunks_become_a_file)
{
	fixture_put(&fx, "d/f", "before");
	ck_assert_int_eq(fchmodat(top, "d/f", 04751, 0), 0);
	ck_assert_int_eq(fchownat(top, "d/f", 12, 34, 0), 0);
	ck_assert_int_eq(fchmodat(top, "d/f", 04751, 0), 0);
	ck_assert_int_eq(put(HEL), 0);
	ck_assert_int_eq(acting_int(&x, "next_offset"), 3);
	ck_assert(!acting_bool(&x, "written"));
	check_text("d/f", "before");
	ck_assert_int_eq(mode_of("d/.vmvitals-t1.tmp"), 0600);
	ck_assert_int_eq(put(LO), 0);
	ck_assert_int_eq(acting_int(&x, "next_offset"), 5);
	ck_assert(acting_bool(&x, "written"));
	check_text("d/f", "hello");
	ck_assert(!is_there("d/.vmvitals-t1.tmp"));
	ck_assert_int_eq(mode_of("d/f"), 04751); /* as it was */
	ck_assert_int_eq(on_path("FileStat", "/d/f"), 0);
	ck_assert_int_eq(acting_int(&x, "uid"), 12);
	ck_assert_int_eq(acting_int(&x, "gid"), 34);
}
END_TEST

START_TEST(a_new_file_is_roots_or_as_asked_for)
{
	fixture_mkdir(&fx, "d");
	ck_assert_int_eq(put(ALL), 0);
	ck_assert_int_eq(mode_of("d/f"), 0600);
	ck_assert_int_eq(put(ALL ",\"mode\":420,\"owner\":\"nobody\",\"group\":\"root\""), 0);
	ck_assert_int_eq(mode_of("d/f"), 0644);
	ck_assert_int_eq(on_path("FileStat", "/d/f"), 0);
	ck_assert_int_gt(acting_int(&x, "uid"), 0);
	ck_assert_int_lt(put(ALL ",\"owner\":\"nobody-of-that-name\""), 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
}
END_TEST

START_TEST(a_wrong_offset_is_told_and_writes_nothing)
{
	fixture_mkdir(&fx, "d");
	ck_assert_int_lt(put(LO), 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
	ck_assert_int_eq(acting_int(&x, "next_offset"), 0);
	ck_assert_int_eq(put(HEL), 0);
	ck_assert_int_lt(put("\"offset\":4,\"data\":\"bG8=\""), 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
	ck_assert_int_eq(acting_int(&x, "next_offset"), 3);
	check_text("d/.vmvitals-t1.tmp", "hel");
	ck_assert_int_eq(put("\"offset\":0,\"data\":\"aGU=\""), 0); /* begins anew */
	check_text("d/.vmvitals-t1.tmp", "he");
}
END_TEST

START_TEST(a_wrong_sum_writes_nothing)
{
	fixture_put(&fx, "d/f", "before");
	ck_assert_int_lt(put("\"offset\":0,\"data\":\"" HELLO_B64
			     "\",\"last\":true,\"sha256\":\"" WRONG_SHA "\""),
			 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
	check_text("d/f", "before");
	ck_assert(!is_there("d/.vmvitals-t1.tmp"));
	ck_assert_int_lt(put("\"offset\":0,\"data\":\"aGVs\",\"last\":true"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
}
END_TEST

START_TEST(what_is_there_is_not_replaced_unless_allowed)
{
	fixture_put(&fx, "d/f", "before");
	ck_assert_int_lt(put(ALL ",\"overwrite\":false"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
	check_text("d/f", "before");
	ck_assert_int_eq(unlinkat(top, "d/f", 0), 0);
	ck_assert_int_eq(put(ALL ",\"overwrite\":false"), 0);
	check_text("d/f", "hello");
}
END_TEST

START_TEST(links_and_directories_are_not_replaced)
{
	fixture_put(&fx, "victim", "before");
	fixture_link(&fx, "d/f", "../victim");
	ck_assert_int_lt(put(ALL), 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
	check_text("victim", "before");
}
END_TEST

/* Who owns the directory can put any of these there, under the transfer's name. */
START_TEST(planted_temporary_files_are_not_written_to)
{
	static const char next[] = "\"offset\":3,\"data\":\"bG8=\"";

	fixture_put(&fx, "victim", "hel");
	ck_assert_int_eq(fchmodat(top, "victim", 0600, 0), 0);
	fixture_link(&fx, "d/.vmvitals-t1.tmp", "../victim");
	ck_assert_int_lt(put(next), 0);
	ck_assert_int_eq(x.err.code, VMV_E_DENIED);
	ck_assert_int_eq(unlinkat(top, "d/.vmvitals-t1.tmp", 0), 0);

	ck_assert_int_eq(linkat(top, "victim", top, "d/.vmvitals-t1.tmp", 0), 0);
	ck_assert_int_lt(put(next), 0);
	ck_assert_int_eq(x.err.code, VMV_E_DENIED);
	check_text("victim", "hel");
	ck_assert_int_eq(put(HEL), 0); /* a new one is not the other's */
	ck_assert_int_eq(put(next), 0);
	check_text("victim", "hel");

	fixture_put(&fx, "d/.vmvitals-t1.tmp", "hel");
	ck_assert_int_eq(fchownat(top, "d/.vmvitals-t1.tmp", 12, 34, 0), 0);
	ck_assert_int_lt(put(next), 0);
	ck_assert_int_eq(x.err.code, VMV_E_DENIED);

	ck_assert_int_eq(unlinkat(top, "d/.vmvitals-t1.tmp", 0), 0);
	ck_assert_int_eq(mkfifoat(top, "d/.vmvitals-t1.tmp", 0600), 0);
	ck_assert_int_lt(put(next), 0);
	ck_assert_int_eq(x.err.code, VMV_E_DENIED);
}
END_TEST

START_TEST(idle_transfers_are_removed_by_the_next_one)
{
	struct timespec long_ago[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

	fixture_put(&fx, "d/.vmvitals-old.tmp", "x");
	fixture_put(&fx, "d/.vmvitals-young.tmp", "x");
	fixture_put(&fx, "d/other.tmp", "x");
	ck_assert_int_eq(utimensat(top, "d/.vmvitals-old.tmp", long_ago, 0), 0);
	ck_assert_int_eq(utimensat(top, "d/other.tmp", long_ago, 0), 0);
	ck_assert_int_eq(put(HEL), 0);
	ck_assert(!is_there("d/.vmvitals-old.tmp"));
	ck_assert(is_there("d/.vmvitals-young.tmp") && is_there("d/other.tmp"));
}
END_TEST

START_TEST(nothing_is_written_to_secrets)
{
	fixture_put(&fx, "etc/vmvitals/secret", "before");
	fixture_mkdir(&fx, "etc/vmvitals/keys.d");
	ck_assert_int_lt(acting_run(&x, "FileWrite",
				    "{\"path\":\"/etc/vmvitals/keys.d/a\",\"transfer\":\"t\"," ALL
				    "}"),
			 0);
	ck_assert_int_eq(x.err.code, VMV_E_DENIED);
	ck_assert_int_lt(acting_run(&x, "FileWrite",
				    "{\"path\":\"/etc/vmvitals/secret\",\"transfer\":\"t\"," ALL
				    "}"),
			 0);
	ck_assert_int_eq(x.err.code, VMV_E_DENIED);
	check_text("etc/vmvitals/secret", "before");
	ck_assert(!is_there("etc/vmvitals/.vmvitals-t.tmp"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("files");
	TCase *tc = tcase_create("files");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, stat_tells_what_it_is);
	tcase_add_test(tc, a_file_is_read_in_chunks);
	tcase_add_test(tc, a_file_over_the_limit_is_too_large);
	tcase_add_test(tc, only_regular_files_are_read);
	tcase_add_test(tc, secrets_are_not_read_whatever_they_are_called);
	tcase_add_test(tc, nor_through_a_bind_mount);
	tcase_add_test(tc, links_do_not_lead_out_of_a_file_root);
	tcase_add_test(tc, without_openat2_no_link_is_followed);
	tcase_add_test(tc, chunks_become_a_file);
	tcase_add_test(tc, a_new_file_is_roots_or_as_asked_for);
	tcase_add_test(tc, a_wrong_offset_is_told_and_writes_nothing);
	tcase_add_test(tc, a_wrong_sum_writes_nothing);
	tcase_add_test(tc, what_is_there_is_not_replaced_unless_allowed);
	tcase_add_test(tc, links_and_directories_are_not_replaced);
	tcase_add_test(tc, planted_temporary_files_are_not_written_to);
	tcase_add_test(tc, idle_transfers_are_removed_by_the_next_one);
	tcase_add_test(tc, nothing_is_written_to_secrets);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
