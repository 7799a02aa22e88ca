/* Passwords and ssh keys: job/qga_accounts.c. Homes and chpasswd are the fixture's: nothing of this
 * machine is changed. */
#include "base/cleanup.h"
#include "base/limits.h"
#include "proto/base64.h"
#include "tests/lib/acting_qga.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS "authorized_keys"

static struct fixture fx;
static struct acting x;
static int top;
static const struct passwd *me; /* the account that the test runs as */
static char ssh[128];		/* its .ssh, below the fixture */

static void up(void)
{
	fixture_up(&fx);
	acting_up(&x, &fx);
	me = getpwuid(geteuid());
	ck_assert_ptr_nonnull(me);
	ck_assert_int_eq(*me->pw_dir, '/');
	(void)snprintf(ssh, sizeof(ssh), "%s/.ssh", me->pw_dir + 1);
	fixture_mkdir(&fx, me->pw_dir + 1);
	top = open(fx.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top, 0);
	(void)umask(022); /* as job/main.c has it */
}

static void down(void)
{
	(void)close(top);
	acting_down(&x);
	fixture_down(&fx);
}

static const char *in_ssh(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", ssh, name);
	return path;
}

static void put_keys(const char *text)
{
	fixture_put(&fx, in_ssh(KEYS), text);
}

static void check_text(const char *path, const char *expected)
{
	char text[1024];

	ck_assert_int_ge(vmv_read_at(top, path, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	ck_assert_msg(fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s", path);
	return st;
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* -- passwords ------------------------------------------------------------------------------- */

/* A chpasswd that writes down what it was given. */
static void put_chpasswd(const char *more)
{
	char text[1024], path[128];

	(void)snprintf(text, sizeof(text),
		       "#!/bin/sh\ncat >%s/input\necho \"$#$*\" >%s/arguments\n%s\n", fx.dir,
		       fx.dir, more);
	fixture_put(&fx, "usr/sbin/chpasswd", text);
	(void)snprintf(path, sizeof(path), "%s/usr/sbin/chpasswd", fx.dir);
	ck_assert_int_eq(chmod(path, 0755), 0);
}

static int set_password(const char *user, const void *bytes, size_t len, bool is_hash)
{
	char base64[8192], args[9000];

	ck_assert_uint_lt(VMV_BASE64_LEN(len), sizeof(base64));
	vmv_base64(bytes, len, base64);
	(void)snprintf(args, sizeof(args),
		       "{\"username\":\"%s\",\"password\":\"%s\",\"crypted\":%s}", user, base64,
		       is_hash ? "true" : "false");
	return acting_qga(&x, "guest-set-user-password", args, "");
}

START_TEST(chpasswd_reads_the_password)
{
	char expected[256];

	put_chpasswd("");
	ck_assert_int_eq(set_password(me->pw_name, "s3:cret ü", 10, false), 0);
	ck_assert_ptr_null(x.data);
	(void)snprintf(expected, sizeof(expected), "%s:s3:cret ü\n", me->pw_name);
	check_text("input", expected);
	check_text("arguments", "0\n");
	ck_assert_int_eq(set_password(me->pw_name, "$6$x$y", 6, true), 0);
	(void)snprintf(expected, sizeof(expected), "%s:$6$x$y\n", me->pw_name);
	check_text("input", expected);
	check_text("arguments", "1-e\n");
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
	bool is_hash;
} bad_passwords[] = {
	{ "", 0, false },	  { "", 0, true },	{ "x\nroot:y", 8, false },
	{ "x\n", 2, false },	  { "x\ry", 3, false }, { "x\0y", 3, false },
	{ "x:0:99999", 9, true }, { "x y", 3, true },	{ "x\ny", 3, true },
	{ "\xc3\xbc", 2, true },
};

START_TEST(bad_passwords_are_refused)
{
	put_chpasswd("");
	ck_assert_int_lt(set_password(me->pw_name, bad_passwords[_i].bytes, bad_passwords[_i].len,
				      bad_passwords[_i].is_hash),
			 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
	ck_assert(!is_there("input"));
}
END_TEST

START_TEST(a_password_over_the_limit_is_refused)
{
	char bytes[4096];

	memset(bytes, 'x', sizeof(bytes));
	put_chpasswd("");
	ck_assert_int_lt(set_password(me->pw_name, bytes, sizeof(bytes), false), 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
	ck_assert(!is_there("input"));
	ck_assert_int_eq(set_password(me->pw_name, bytes, 4000, false), 0);
	ck_assert_int_eq(stat_of("input").st_size, (off_t)strlen(me->pw_name) + 4002);
}
END_TEST

START_TEST(base64_of_a_password_is_canonical)
{
	char args[256];

	put_chpasswd("");
	(void)snprintf(args, sizeof(args),
		       "{\"username\":\"%s\",\"password\":\"aGV=\",\"crypted\":false}",
		       me->pw_name);
	ck_assert_int_lt(acting_qga(&x, "guest-set-user-password", args, ""), 0);
	ck_assert_int_eq(x.err.code, VMV_E_RANGE);
	ck_assert(!is_there("input"));
}
END_TEST

START_TEST(a_failure_says_nothing_of_the_password)
{
	put_chpasswd("echo s3cret; echo s3cret >&2; exit 3");
	ck_assert_int_lt(set_password(me->pw_name, "s3cret", 6, false), 0);
	ck_assert_int_eq(x.err.code, VMV_E_IO);
	ck_assert_str_eq(x.err.msg, "chpasswd failed, with exit code 3");
	ck_assert_str_eq(x.action.text, "");
}
END_TEST

/* Not the one of this machine: only what is below root is looked for. */
START_TEST(without_chpasswd_it_is_unsupported)
{
	ck_assert_int_lt(set_password(me->pw_name, "x", 1, false), 0);
	ck_assert_int_eq(x.err.code, VMV_E_UNSUPPORTED);
}
END_TEST

static const struct {
	const char *name;
	enum vmv_errc code;
} bad_names[] = {
	{ "", VMV_E_RANGE },
	{ "-e", VMV_E_RANGE },
	{ "root:x", VMV_E_RANGE },
	{ "root\\nroot", VMV_E_RANGE },
	{ "root\\u007f", VMV_E_RANGE },
	{ "../root", VMV_E_RANGE },
	{ "vmv-no-such-account", VMV_E_NOTFOUND },
};

START_TEST(accounts_have_to_exist)
{
	char args[256];

	put_chpasswd("");
	ck_assert_int_lt(set_password(bad_names[_i].name, "x", 1, false), 0);
	ck_assert_int_eq(x.err.code, bad_names[_i].code);
	ck_assert(!is_there("input"));
	(void)snprintf(args, sizeof(args), "{\"username\":\"%s\",\"keys\":[\"k\"]}",
		       bad_names[_i].name);
	ck_assert_int_lt(acting_qga(&x, "guest-ssh-add-authorized-keys", args, ""), 0);
	ck_assert_int_eq(x.err.code, bad_names[_i].code);
	ck_assert_int_lt(acting_qga(&x, "guest-ssh-remove-authorized-keys", args, ""), 0);
	ck_assert_int_eq(x.err.code, bad_names[_i].code);
	(void)snprintf(args, sizeof(args), "{\"username\":\"%s\"}", bad_names[_i].name);
	ck_assert_int_lt(acting_qga(&x, "guest-ssh-get-authorized-keys", args, ""), 0);
	ck_assert_int_eq(x.err.code, bad_names[_i].code);
}
END_TEST

/* -- keys ------------------------------------------------------------------------------------ */

static int get(void)
{
	char args[256];

	(void)snprintf(args, sizeof(args), "{\"username\":\"%s\"}", me->pw_name);
	return acting_qga(&x, "guest-ssh-get-authorized-keys", args, "");
}

static void lists(const char *expected)
{
	ck_assert_msg(get() == 0, "%s", x.err.msg);
	ck_assert_str_eq(json_object_to_json_string_ext(acting_get(&x, "keys"),
							JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE),
			 expected);
	ck_assert_int_eq(json_object_object_length(x.data), 1);
}

/* keys: the array, and further members */
static int change_as(const char *user, const char *command, const char *keys)
{
	char args[1024];

	(void)snprintf(args, sizeof(args), "{\"username\":\"%s\",\"keys\":%s}", user, keys);
	return acting_qga(&x, command, args, "");
}

static int add(const char *keys)
{
	return change_as(me->pw_name, "guest-ssh-add-authorized-keys", keys);
}

static int take_out(const char *keys)
{
	return change_as(me->pw_name, "guest-ssh-remove-authorized-keys", keys);
}

static void done(int r)
{
	ck_assert_msg(r == 0, "%s", x.err.msg);
	ck_assert_ptr_null(x.data);
	ck_assert(!is_there(in_ssh(".authorized_keys.vmvitals")));
}

static void refused(int r, enum vmv_errc code)
{
	ck_assert_int_lt(r, 0);
	ck_assert_msg(x.err.code == code, "%d %s", (int)x.err.code, x.err.msg);
}

START_TEST(get_lists_keys_and_nothing_else)
{
	lists("[]"); /* no .ssh */
	ck_assert(!is_there(ssh));
	fixture_mkdir(&fx, ssh);
	lists("[]");
	put_keys("");
	lists("[]");
	put_keys("# comment\n\n  ssh-rsa AAAA me@x\t\r\n \n\t# another\nssh-ed25519 BBBB");
	lists("[\"ssh-rsa AAAA me@x\",\"ssh-ed25519 BBBB\"]");
}
END_TEST

START_TEST(add_makes_what_is_missing)
{
	struct stat st;

	done(add("[\"ssh-rsa A\",\"ssh-rsa B\"]"));
	check_text(in_ssh(KEYS), "ssh-rsa A\nssh-rsa B\n");
	st = stat_of(ssh);
	ck_assert_int_eq(st.st_mode, S_IFDIR | 0700);
	ck_assert_uint_eq(st.st_uid, geteuid());
	st = stat_of(in_ssh(KEYS));
	ck_assert_int_eq(st.st_mode, S_IFREG | 0600);
	ck_assert_uint_eq(st.st_uid, geteuid());
}
END_TEST

START_TEST(add_appends_those_that_are_missing)
{
	put_keys("# mine\n ssh-rsa A \n\nssh-rsa B");
	done(add("[\"ssh-rsa A\",\"ssh-rsa C\",\"ssh-rsa C\",\"ssh-rsa\"]"));
	check_text(in_ssh(KEYS), "# mine\n ssh-rsa A \n\nssh-rsa B\nssh-rsa C\nssh-rsa\n");
	ck_assert_int_eq(stat_of(in_ssh(KEYS)).st_mode & 07777, 0600);
}
END_TEST

START_TEST(what_is_there_already_is_left_alone)
{
	ino_t ino;

	put_keys("ssh-rsa A");
	ino = stat_of(in_ssh(KEYS)).st_ino;
	done(add("[\"ssh-rsa A\"]"));
	done(take_out("[\"ssh-rsa B\"]"));
	ck_assert_uint_eq(stat_of(in_ssh(KEYS)).st_ino, ino);
	check_text(in_ssh(KEYS), "ssh-rsa A");
}
END_TEST

START_TEST(reset_replaces_all)
{
	put_keys("# mine\nssh-rsa A\n");
	done(add("[\"ssh-rsa B\"],\"reset\":true"));
	check_text(in_ssh(KEYS), "ssh-rsa B\n");
	done(add("[\"ssh-rsa C\"],\"reset\":false"));
	check_text(in_ssh(KEYS), "ssh-rsa B\nssh-rsa C\n");
	done(add("[],\"reset\":true"));
	check_text(in_ssh(KEYS), "");
}
END_TEST

START_TEST(remove_keeps_the_rest)
{
	put_keys("# ssh-rsa A\n ssh-rsa A\n\nssh-rsa B\nssh-rsa A\nssh-rsa AA\nssh-rsa C");
	done(take_out("[\"ssh-rsa A\",\"ssh-rsa C\",\"ssh-rsa D\"]"));
	check_text(in_ssh(KEYS), "# ssh-rsa A\n\nssh-rsa B\nssh-rsa AA\n");
}
END_TEST

START_TEST(remove_makes_nothing)
{
	done(take_out("[\"ssh-rsa A\"]"));
	ck_assert(!is_there(ssh));
	fixture_mkdir(&fx, ssh);
	done(take_out("[\"ssh-rsa A\"]"));
	ck_assert(!is_there(in_ssh(KEYS)));
}
END_TEST

static const char *const bad_keys[] = {
	"[\"\"]",
	"[\"  \"]",
	"[\"ssh-rsa A\",\"\"]",
	"[\"ssh-rsa A\\nssh-rsa B\"]",
	"[\"ssh-rsa A\\n\"]",
	"[\"ssh-rsa A\\rssh-rsa B\"]",
	"[\"ssh-rsa \\u001b[2J\"]",
	"[\"# ssh-rsa A\"]",
	"[\" #\"]",
};

START_TEST(what_is_no_line_is_no_key)
{
	put_keys("ssh-rsa X\n");
	refused(add(bad_keys[_i]), VMV_E_RANGE);
	refused(take_out(bad_keys[_i]), VMV_E_RANGE);
	check_text(in_ssh(KEYS), "ssh-rsa X\n");
}
END_TEST

START_TEST(a_file_over_the_limit_is_too_large)
{
	char *text = malloc(VMV_MIB + 1);
	int fd;

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', VMV_MIB);
	text[VMV_MIB] = '\0';
	put_keys(text);
	refused(add("[\"ssh-rsa A\"]"), VMV_E_TOOLARGE);
	ck_assert_int_eq(stat_of(in_ssh(KEYS)).st_size, VMV_MIB);
	fd = openat(top, in_ssh(KEYS), O_WRONLY | O_APPEND | O_CLOEXEC);
	ck_assert_int_eq(write(fd, "y", 1), 1);
	(void)close(fd);
	refused(get(), VMV_E_TOOLARGE);
	free(text);
}
END_TEST

/* -- attacks --------------------------------------------------------------------------------- */

START_TEST(a_linked_ssh_directory_is_refused)
{
	fixture_mkdir(&fx, "elsewhere");
	fixture_put(&fx, "elsewhere/" KEYS, "ssh-rsa X\n");
	fixture_link(&fx, ssh, "/elsewhere");
	refused(get(), VMV_E_RANGE);
	refused(add("[\"ssh-rsa A\"]"), VMV_E_RANGE);
	refused(take_out("[\"ssh-rsa X\"]"), VMV_E_RANGE);
	check_text("elsewhere/" KEYS, "ssh-rsa X\n");
	ck_assert_int_eq(unlinkat(top, ssh, 0), 0);
	fixture_put(&fx, ssh, "a file");
	refused(add("[\"ssh-rsa A\"]"), VMV_E_RANGE);
}
END_TEST

START_TEST(a_linked_file_is_refused)
{
	char target[128];

	fixture_put(&fx, "shadow", "root:hash\n");
	(void)snprintf(target, sizeof(target), "%s/shadow", fx.dir);
	fixture_link(&fx, in_ssh(KEYS), target);
	refused(get(), VMV_E_RANGE);
	refused(add("[\"ssh-rsa A\"]"), VMV_E_RANGE);
	refused(add("[\"ssh-rsa A\"],\"reset\":true"), VMV_E_RANGE);
	refused(take_out("[\"root:hash\"]"), VMV_E_RANGE);
	check_text("shadow", "root:hash\n");
}
END_TEST

START_TEST(nobody_waits_for_a_fifo)
{
	fixture_mkdir(&fx, ssh);
	ck_assert_int_eq(mkfifoat(top, in_ssh(KEYS), 0600), 0);
	refused(get(), VMV_E_RANGE);
	refused(add("[\"ssh-rsa A\"]"), VMV_E_RANGE);
}
END_TEST

/* What lies where the new file is to be made: a link would lead out. */
START_TEST(a_link_in_place_of_the_new_file_is_not_followed)
{
	char target[128];

	fixture_put(&fx, "shadow", "root:hash\n");
	(void)snprintf(target, sizeof(target), "%s/shadow", fx.dir);
	fixture_link(&fx, in_ssh(".authorized_keys.vmvitals"), target);
	done(add("[\"ssh-rsa A\"]"));
	check_text("shadow", "root:hash\n");
	check_text(in_ssh(KEYS), "ssh-rsa A\n");
	ck_assert(S_ISREG(stat_of(in_ssh(KEYS)).st_mode));
}
END_TEST

START_TEST(two_at_once_do_not_lose_a_key)
{
	int fd;

	put_keys("ssh-rsa A\n");
	fd = openat(top, ssh, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	refused(add("[\"ssh-rsa B\"]"), VMV_E_BUSY);
	lists("[\"ssh-rsa A\"]"); /* which takes no lock: the file is replaced as a whole */
	(void)close(fd);
	done(add("[\"ssh-rsa B\"]"));
}
END_TEST

/* For an account that is not ours: a process that has become it does not come back. The error's
 * code, VMV_OK: it was done; -1: that process was still root, or could be it again. */
static int in_a_job(const char *command, const char *arguments)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)acting_qga(&x, command, arguments, "");
		_exit(geteuid() == 0 || setuid(0) == 0 ? 255 : (int)x.err.code);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

/* NULL: it cannot be had here. */
static const struct passwd *nobody(void)
{
	const struct passwd *pw = getpwnam("nobody");

	if (geteuid() == 0 && pw && pw->pw_uid != 0 && *pw->pw_dir == '/' && pw->pw_dir[1] &&
	    fchmodat(top, ".", 0755, 0) == 0)
		return pw;
	SAY_SKIPPED("not root, or there is no account nobody with a home");
	return NULL;
}

#define OF_NOBODY "{\"username\":\"nobody\"}"
#define A_NOBODY  "{\"username\":\"nobody\",\"keys\":[\"ssh-rsa A\"]}"

/* The work is done as the user, and so it can do what he can, and no more. */
START_TEST(it_is_done_as_the_user)
{
	const struct passwd *pw = nobody();
	char home[128], path[256];
	struct stat st;

	if (!pw)
		return;
	(void)snprintf(home, sizeof(home), "%s", pw->pw_dir + 1);
	fixture_mkdir(&fx, home);
	ck_assert_int_eq(fchownat(top, home, pw->pw_uid, pw->pw_gid, 0), 0);
	ck_assert_int_eq(in_a_job("guest-ssh-add-authorized-keys", A_NOBODY), VMV_OK);
	(void)snprintf(path, sizeof(path), "%s/.ssh/" KEYS, home);
	check_text(path, "ssh-rsa A\n");
	st = stat_of(path);
	ck_assert_uint_eq(st.st_uid, pw->pw_uid);
	ck_assert_uint_eq(st.st_gid, pw->pw_gid);
	ck_assert_int_eq(st.st_mode, S_IFREG | 0600);
	(void)snprintf(path, sizeof(path), "%s/.ssh", home);
	ck_assert_uint_eq(stat_of(path).st_uid, pw->pw_uid);
	ck_assert_int_eq(in_a_job("guest-ssh-get-authorized-keys", OF_NOBODY), VMV_OK);
	ck_assert_int_eq(in_a_job("guest-ssh-remove-authorized-keys", A_NOBODY), VMV_OK);
	(void)snprintf(path, sizeof(path), "%s/.ssh/" KEYS, home);
	check_text(path, "");
}
END_TEST

/* A home that is a link to root's own directory: what the user may not, is not done for him. */
START_TEST(a_home_that_leads_elsewhere_gives_nothing)
{
	const struct passwd *pw = nobody();
	char target[128];

	if (!pw)
		return;
	(void)snprintf(target, sizeof(target), "%s/roots", fx.dir);
	fixture_put(&fx, "roots/.ssh/" KEYS, "ssh-rsa X\n");
	ck_assert_int_eq(fchmodat(top, "roots/.ssh", 0755, 0), 0);
	ck_assert_int_eq(fchmodat(top, "roots/.ssh/" KEYS, 0600, 0), 0);
	fixture_link(&fx, pw->pw_dir + 1, target);
	ck_assert_int_eq(in_a_job("guest-ssh-get-authorized-keys", OF_NOBODY), VMV_E_IO);
	ck_assert_int_eq(in_a_job("guest-ssh-add-authorized-keys", A_NOBODY), VMV_E_IO);
	ck_assert_int_eq(fchmodat(top, "roots/.ssh/" KEYS, 0644, 0), 0);
	ck_assert_int_eq(in_a_job("guest-ssh-add-authorized-keys", A_NOBODY), VMV_E_IO);
	check_text("roots/.ssh/" KEYS, "ssh-rsa X\n");
}
END_TEST

START_TEST(without_a_home_there_is_nothing)
{
	ck_assert_int_eq(unlinkat(top, me->pw_dir + 1, AT_REMOVEDIR), 0);
	refused(get(), VMV_E_NOTFOUND);
	refused(add("[\"ssh-rsa A\"]"), VMV_E_NOTFOUND);
	ck_assert(!is_there(me->pw_dir + 1));
}
END_TEST

#define LOOP(test, table) tcase_add_loop_test(tc, test, 0, (int)VMV_COUNTOF(table))

int main(void)
{
	Suite *s = suite_create("qga_accounts");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, chpasswd_reads_the_password);
	LOOP(bad_passwords_are_refused, bad_passwords);
	tcase_add_test(tc, a_password_over_the_limit_is_refused);
	tcase_add_test(tc, base64_of_a_password_is_canonical);
	tcase_add_test(tc, a_failure_says_nothing_of_the_password);
	tcase_add_test(tc, without_chpasswd_it_is_unsupported);
	LOOP(accounts_have_to_exist, bad_names);
	tcase_add_test(tc, get_lists_keys_and_nothing_else);
	tcase_add_test(tc, add_makes_what_is_missing);
	tcase_add_test(tc, add_appends_those_that_are_missing);
	tcase_add_test(tc, what_is_there_already_is_left_alone);
	tcase_add_test(tc, reset_replaces_all);
	tcase_add_test(tc, remove_keeps_the_rest);
	tcase_add_test(tc, remove_makes_nothing);
	LOOP(what_is_no_line_is_no_key, bad_keys);
	tcase_add_test(tc, a_file_over_the_limit_is_too_large);
	tcase_add_test(tc, a_linked_ssh_directory_is_refused);
	tcase_add_test(tc, a_linked_file_is_refused);
	tcase_add_test(tc, nobody_waits_for_a_fifo);
	tcase_add_test(tc, a_link_in_place_of_the_new_file_is_not_followed);
	tcase_add_test(tc, two_at_once_do_not_lose_a_key);
	tcase_add_test(tc, it_is_done_as_the_user);
	tcase_add_test(tc, a_home_that_leads_elsewhere_gives_nothing);
	tcase_add_test(tc, without_a_home_there_is_nothing);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
