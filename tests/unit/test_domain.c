/* JoinDomain with a realm(8) that writes down what it was given. */
#include "base/cleanup.h"
#include "job/scrub.h"
#include "tests/lib/action.h"
#include "tests/lib/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWORD "s3cret \\\" $(x)'"
#define ESCAPED	 "s3cret \\\\\\\" $(x)'" /* in JSON */

static struct fixture fx;
static struct try t;

static void up(void)
{
	fixture_up(&fx);
	t = (struct try){ 0 };
	fixture_put(&fx, "etc/os-release", "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n");
}

static void down(void)
{
	fixture_down(&fx);
}

/* $D: the tree. */
static void put_program(const char *path, const char *script)
{
	char text[2048], full[128];

	(void)snprintf(text, sizeof(text), "#!/bin/sh\nD=%s\n%s\n", fx.dir, script);
	fixture_put(&fx, path, text);
	(void)snprintf(full, sizeof(full), "%s/%s", fx.dir, path);
	ck_assert_int_eq(chmod(full, 0755), 0);
}

static const char realm[] =
	"if [ \"$1\" = list ]; then echo \"example.org\"; exit 0; fi\n"
	"for a in \"$@\"; do echo \"$a\" >>$D/args; done\n"
	"env >$D/env\n"
	"IFS= read -r p; printf '%s' \"$p\" >$D/stdin\n"
	"cat >>$D/stdin\n"
	"tr '\\0' ' ' </proc/$$/cmdline >$D/cmdline\n"
	"echo \"hello $p$p\"; echo \"debug: password is '$p'\" >&2\n"
	"[ -e $D/fails ] && { echo \"realm: Couldn't join: $p is wrong\" >&2; exit 5; }\n"
	"exit 0";

static char out[8192], err_text[8192];

static void read_back(const char *name, char text[8192])
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", fx.dir, name);
	if (vmv_read_at(AT_FDCWD, path, text, 8192) < 0)
		text[0] = '\0';
}

static int divert(int fd, const char *name)
{
	char path[128];
	int saved = dup(fd), file;

	(void)snprintf(path, sizeof(path), "%s/%s", fx.dir, name);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(file, 0);
	ck_assert_int_ge(saved, 0);
	ck_assert_int_eq(dup2(file, fd), fd);
	(void)close(file);
	return saved;
}

static void restore(int fd, int saved)
{
	(void)dup2(saved, fd);
	(void)close(saved);
}

/* Runs it with its output in files. */
static void join_with(const char *more)
{
	int saved_out = divert(1, "out"), saved_err = divert(2, "err");
	char members[1024];

	(void)snprintf(members, sizeof(members),
		       "\"domain\":\"example.org\",\"username\":\"admin\",\"password\":\"" ESCAPED
		       "\"%s",
		       more);
	try_action(&t, "JoinDomain", members, fx.dir);
	restore(1, saved_out);
	restore(2, saved_err);
	read_back("out", out);
	read_back("err", err_text);
}

START_TEST(the_password_goes_to_standard_input_and_nowhere_else)
{
	char text[8192];

	put_program("usr/sbin/realm", realm);
	join_with("");
	EXPECT_OK(&t);
	read_back("stdin", text);
	ck_assert_str_eq(text, PASSWORD);
	read_back("args", text);
	ck_assert_str_eq(text, "join\n--unattended\n-U\nadmin\n--\nexample.org\n");
	read_back("env", text);
	ck_assert_ptr_nonnull(strstr(text, "PATH=/usr/local/sbin"));
	ck_assert_ptr_null(strstr(text, "s3cret"));
	read_back("cmdline", text);
	ck_assert_ptr_nonnull(strstr(text, "--unattended"));
	ck_assert_ptr_null(strstr(text, "s3cret"));
	ck_assert_str_eq(out, "hello ******\nexample.org\n");
	ck_assert_ptr_nonnull(strstr(err_text, "debug: password is '***'\n"));
	ck_assert_ptr_null(strstr(err_text, "s3cret"));
	ck_assert_ptr_null(memmem(t.a.data.buf.data, t.a.data.buf.len, "s3cret", 6));
	try_done(&t);
}
END_TEST

START_TEST(all_of_it_is_told)
{
	struct json_object *data;
	char text[8192];

	put_program("usr/sbin/realm", realm);
	put_program("usr/sbin/pam-auth-update", "echo \"pam $*\"");
	join_with(",\"ou\":\"OU=a b,DC=x\",\"computer_name\":\"web-1\",\"restart_after\":true");
	EXPECT_OK(&t);
	read_back("args", text);
	ck_assert_str_eq(text, "join\n--unattended\n-U\nadmin\n--computer-ou=OU=a b,DC=x\n"
			       "--computer-name=web-1\n--\nexample.org\n");
	ck_assert_str_eq(out, "hello ******\npam --enable mkhomedir\nexample.org\n");
	data = try_data(&t);
	ck_assert_str_eq(json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN),
			 "{\"os\":\"linux\",\"distro\":\"debian\",\"domain\":\"example.org\","
			 "\"ou\":\"OU=a b,DC=x\",\"computerName\":\"web-1\",\"status\":\"joined\","
			 "\"rebootRequired\":false,\"restartScheduled\":true}");
	json_object_put(data);
	ck_assert_int_eq(t.a.after, VMV_AFTER_REBOOT);
	ck_assert_uint_eq(t.a.after_delay_s, 3);
	ck_assert(t.a.is_childs);
	ck_assert_int_eq(t.a.exit_code, 0);
	try_done(&t);
}
END_TEST

START_TEST(what_realm_refuses_is_told_without_the_password)
{
	put_program("usr/sbin/realm", realm);
	put_program("usr/sbin/pam-auth-update", "touch $D/pam");
	fixture_put(&fx, "fails", "");
	join_with(",\"restart_after\":true");
	EXPECT_FAILED(&t, VMV_E_IO, "domain join failed: realm: Couldn't join: *** is wrong");
	ck_assert_ptr_null(strstr(t.err.msg, "s3cret"));
	ck_assert_ptr_null(strstr(err_text, "s3cret"));
	ck_assert_int_eq(t.a.exit_code, 5);
	ck_assert_int_eq(t.a.after, VMV_AFTER_NOTHING);
	read_back("pam", out);
	ck_assert_str_eq(out, "");
	try_done(&t);
}
END_TEST

START_TEST(realm_is_installed_where_it_is_missing)
{
	char script[1024];

	(void)snprintf(script, sizeof(script),
		       "echo \"apt $*\" >>$D/apt; echo \"$DEBIAN_FRONTEND\" >>$D/apt\n"
		       "for a in \"$@\"; do [ $a = install ] && { printf '#!/bin/sh\\nexit 0\\n' "
		       ">$D/usr/sbin/realm; chmod 755 $D/usr/sbin/realm; }; done; exit 0");
	put_program("usr/bin/apt-get", script);
	put_program("usr/sbin/other", "exit 0"); /* makes the directory */
	fixture_put(&fx, "var/lib/dpkg/status", "");
	join_with("");
	EXPECT_OK(&t);
	read_back("apt", out);
	ck_assert_msg(strstr(out, " update\nnoninteractive\napt ") != NULL, "%s", out);
	ck_assert_msg(strstr(out, " realmd sssd ") && strstr(out, " install "), "%s", out);
	try_done(&t);
}
END_TEST

START_TEST(without_realm_it_fails)
{
	put_program("usr/bin/apt-get", "echo 'no network' >&2; exit 100");
	fixture_put(&fx, "var/lib/dpkg/status", "");
	join_with("");
	EXPECT_FAILED(&t, VMV_E_IO, "domain join failed: 'realm' is not there");
	ck_assert_ptr_nonnull(strstr(err_text, "warning: /usr/bin/apt-get: no network\n"));
	try_done(&t);
}
END_TEST

START_TEST(a_password_of_two_lines_is_refused)
{
	put_program("usr/sbin/realm", realm);
	try_action(&t, "JoinDomain",
		   "\"domain\":\"example.org\",\"username\":\"a\",\"password\":\"a\\nb\"", fx.dir);
	EXPECT_FAILED(&t, VMV_E_RANGE, "password: more than one line");
	try_done(&t);
}
END_TEST

START_TEST(secrets_are_scrubbed)
{
	static const struct {
		const char *text, *secret, *want;
		bool is_cut;
	} cases[] = {
		{ "nothing here", "abc", "nothing here", false },
		{ "abc", "abc", "***", false },
		{ "abcabc-abc", "abc", "******-***", false },
		{ "ababc", "abc", "ab***", false },
		{ "tail ab", "abc", "tail ab", false },
		{ "tail ab", "abc", "tail ", true },
		{ "tail abc", "abc", "tail ***", true },
		{ "aaa", "a", "*********", false },
		{ "", "abc", "", true },
	};

	for (size_t i = 0; i < VMV_COUNTOF(cases); i++) {
		struct vmv_buf b = { .max = 64 };

		ck_assert_int_eq(vmv_buf_add(&b, cases[i].text, strlen(cases[i].text)), 0);
		ck_assert_int_eq(vmv_scrub(&b, cases[i].secret, cases[i].is_cut), 0);
		ck_assert_uint_eq(b.len, strlen(cases[i].want));
		ck_assert_int_eq(b.len ? memcmp(b.data, cases[i].want, b.len) : 0, 0);
		vmv_buf_free(&b);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("domain");
	TCase *tc = tcase_create("domain");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, the_password_goes_to_standard_input_and_nowhere_else);
	tcase_add_test(tc, all_of_it_is_told);
	tcase_add_test(tc, what_realm_refuses_is_told_without_the_password);
	tcase_add_test(tc, realm_is_installed_where_it_is_missing);
	tcase_add_test(tc, without_realm_it_fails);
	tcase_add_test(tc, a_password_of_two_lines_is_refused);
	tcase_add_test(tc, secrets_are_scrubbed);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
