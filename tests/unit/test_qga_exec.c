/* guest-exec, by the real vmvitals-job: it becomes the program. */
#include "base/cleanup.h"
#include "base/limits.h"
#include "proto/base64.h"
#include "tests/lib/fixture.h"
#include "tests/lib/jobs.h"

#include <check.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fx;
static struct ran r;
static const struct how patient = { .output_max = 8 * 1024 * 1024 };

static void up(void)
{
	memset(&r, 0, sizeof(r));
	fixture_up(&fx);
	jobs_up();
}

static void down(void)
{
	ran_free(&r);
	jobs_down();
	fixture_down(&fx);
}

static void run_as(const char *arguments, const char *run_as_allow)
{
	char *message;

	ck_assert_int_gt(
		asprintf(&message, "{\"command\":\"guest-exec\",\"arguments\":%s}", arguments), 0);
	ran_free(&r);
	jobs_run(&r, jobs_describe("qga", message, NULL, run_as_allow), &patient);
	free(message);
}

static void run(const char *arguments)
{
	run_as(arguments, "[]");
}

static void assert_said(const char *arguments, const char *out, const char *err)
{
	run(arguments);
	ck_assert_msg(strcmp(r.out.data, out) == 0, "%s: '%s', not '%s'; %s", arguments, r.out.data,
		      out, r.result.data);
	ck_assert_msg(strcmp(r.err.data, err) == 0, "%s: '%s', not '%s'", arguments, r.err.data,
		      err);
	ck_assert_uint_eq(r.end.result_len, 0);
}

static void assert_refused(const char *arguments, const char *code, const char *says)
{
	char expected[64];

	run(arguments);
	(void)snprintf(expected, sizeof(expected), "{\"error_code\":\"%s\",\"error\":\"", code);
	ck_assert_msg(strncmp(r.result.data, expected, strlen(expected)) == 0, "%s: %s", arguments,
		      r.result.data);
	ck_assert_msg(strstr(r.result.data, says), "%s: %s", arguments, r.result.data);
	ck_assert_str_eq(r.out.data, "");
	ck_assert_str_eq(r.err.data, "");
}

#define SH(script, more) "{\"path\":\"sh\",\"arg\":[\"-c\",\"" script "\"]" more "}"
#define KEPT		 ",\"capture-output\":true"
#define BOTH		 "echo out; echo err >&2"

/* -- output ---------------------------------------------------------------------------------- */

START_TEST(output_is_kept_as_asked_for)
{
	assert_said(SH(BOTH, ""), "", "");
	assert_said(SH(BOTH, ",\"capture-output\":false"), "", "");
	assert_said(SH(BOTH, ",\"capture-output\":\"none\""), "", "");
	assert_said(SH(BOTH, KEPT), "out\n", "err\n");
	assert_said(SH(BOTH, ",\"capture-output\":\"separated\""), "out\n", "err\n");
	assert_said(SH(BOTH, ",\"capture-output\":\"stdout\""), "out\n", "");
	assert_said(SH(BOTH, ",\"capture-output\":\"stderr\""), "", "err\n");
	assert_said(SH(BOTH, ",\"capture-output\":\"merged\""), "out\nerr\n", "");
}
END_TEST

START_TEST(another_capture_is_an_error)
{
	assert_refused("{\"path\":\"true\",\"capture-output\":7}", "BAD_ARGUMENT",
		       "Invalid parameter type for 'capture-output', expected: ");
	assert_refused("{\"path\":\"true\",\"capture-output\":null}", "BAD_ARGUMENT",
		       "Invalid parameter type for 'capture-output', expected: ");
	assert_refused("{\"path\":\"true\",\"capture-output\":\"both\"}", "BAD_ARGUMENT",
		       "Parameter 'capture-output' does not accept value 'both'");
	assert_refused("{\"path\":\"true\",\"capture-output\":\"none\\u0000x\"}", "BAD_ARGUMENT",
		       "does not accept value");
}
END_TEST

START_TEST(its_end_is_the_programs)
{
	run(SH("exit 7", ""));
	ck_assert_int_eq(r.end.exit_code, 7);
	ck_assert_int_eq(r.end.signal, 0);
	run(SH("kill -TERM $$", ""));
	ck_assert_int_eq(r.end.signal, 15);
}
END_TEST

/* -- the program ----------------------------------------------------------------------------- */

START_TEST(there_is_no_shell_unless_asked_for)
{
	assert_said(
		"{\"path\":\"printf\",\"arg\":[\"%s|\",\"$HOME\",\"a b\",\"\",\"`id`\",\"*\"]" KEPT
		"}",
		"$HOME|a b||`id`|*|", "");
	assert_refused("{\"path\":\"echo hi\"}", "NOT_FOUND", "cannot run 'echo hi'");
}
END_TEST

START_TEST(its_name_is_the_path_that_was_given)
{
	assert_said("{\"path\":\"cat\",\"arg\":[\"/proc/self/comm\"]" KEPT "}", "cat\n", "");
	assert_said("{\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"echo $0\"]" KEPT "}", "/bin/sh\n", "");
	assert_said("{\"path\":\"bin/sh\",\"arg\":[\"-c\",\"echo $0\"]" KEPT "}", "bin/sh\n", "");
}
END_TEST

static void put_program(const char *name, const char *text, mode_t mode)
{
	char path[128];

	fixture_put(&fx, name, text);
	(void)snprintf(path, sizeof(path), "%s/%s", fx.dir, name);
	ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(what_cannot_be_run_is_an_error_at_once)
{
	char arguments[256];

	assert_refused("{\"path\":\"no-such-program\"}", "NOT_FOUND",
		       "cannot run 'no-such-program'");
	assert_refused("{\"path\":\"\"}", "NOT_FOUND", "cannot run ''");
	assert_refused("{\"path\":\"/no/such/program\"}", "NOT_FOUND", "No such file");
	assert_refused("{\"path\":\"/etc\"}", "INTERNAL", "Permission denied");
	put_program("plain", "#!/bin/sh\n", 0644);
	(void)snprintf(arguments, sizeof(arguments), "{\"path\":\"%s/plain\"}", fx.dir);
	assert_refused(arguments, "INTERNAL", "Permission denied");
	/* no shell takes what the kernel does not know */
	put_program("odd", "echo hi\n", 0755);
	(void)snprintf(arguments, sizeof(arguments), "{\"path\":\"%s/odd\"" KEPT "}", fx.dir);
	assert_refused(arguments, "INTERNAL", "Exec format error");
	put_program("orphan", "#!/no/such/interpreter\n", 0755);
	(void)snprintf(arguments, sizeof(arguments), "{\"path\":\"%s/orphan\"}", fx.dir);
	assert_refused(arguments, "NOT_FOUND", "No such file");
}
END_TEST

START_TEST(where_root_may_run_nothing_it_does_not)
{
	run_as("{\"path\":\"echo\",\"arg\":[\"hi\"]" KEPT "}", "[\"nobody\"]");
	ck_assert_ptr_nonnull(strstr(r.result.data, "\"NOT_ALLOWED\""));
	ck_assert_str_eq(r.out.data, "");
	run_as("{\"path\":\"echo\",\"arg\":[\"hi\"]" KEPT "}", "[\"nobody\",\"root\"]");
	ck_assert_str_eq(r.out.data, "hi\n");
}
END_TEST

/* -- what it inherits ------------------------------------------------------------------------ */

START_TEST(the_environment_is_listed)
{
	const struct passwd *root = getpwuid(0);
	char expected[1024];

	(void)snprintf(expected, sizeof(expected),
		       "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
		       "LANG=C.UTF-8\nHOME=%s\nUSER=%s\nLOGNAME=%s\nSHELL=%s\n",
		       root->pw_dir, root->pw_name, root->pw_name, root->pw_shell);
	(void)setenv("VMV_TEST_SECRET", "1", 1);
	assert_said("{\"path\":\"env\"" KEPT "}", expected, "");
}
END_TEST

START_TEST(env_replaces_all_of_it)
{
	assert_said("{\"path\":\"env\",\"env\":[\"A=x y\",\"B.c==\",\"D=\"]" KEPT "}",
		    "A=x y\nB.c==\nD=\n", "");
	assert_said("{\"path\":\"env\",\"env\":[]" KEPT "}", "", "");
}
END_TEST

START_TEST(bad_variables_are_refused)
{
	char *many = malloc(VMV_ENV_BYTES + 256);
	size_t n;

	assert_refused("{\"path\":\"env\",\"env\":[\"A=1\",\"B\"]}", "BAD_ARGUMENT", "env[1]");
	assert_refused("{\"path\":\"env\",\"env\":[\"\"]}", "BAD_ARGUMENT", "env[0]");
	assert_refused("{\"path\":\"env\",\"env\":[\"=x\"]}", "BAD_ARGUMENT", "env[0]");
	assert_refused("{\"path\":\"env\",\"env\":[\"LD_PRELOAD=/x\"]}", "BAD_ARGUMENT",
		       "'LD_PRELOAD' cannot be set");
	assert_refused("{\"path\":\"env\",\"env\":[\"VMVITALS_X=1\"]}", "BAD_ARGUMENT",
		       "'VMVITALS_X' cannot be set");
	ck_assert_ptr_nonnull(many);
	n = (size_t)snprintf(many, 64, "{\"path\":\"env\",\"env\":[\"A=");
	memset(many + n, 'x', VMV_ENV_BYTES);
	(void)stpcpy(many + n + VMV_ENV_BYTES, "\"]}");
	assert_refused(many, "BAD_ARGUMENT", "bytes");
	free(many);
}
END_TEST

START_TEST(nothing_else_is_open_or_blocked)
{
	assert_said(SH("cd /proc/self/fd && ls -x", KEPT), "0  1  2\n", "");
	/* 32 and 33 are the C library's own: who started us may have left them ignored, and nobody
	 * can change that */
	assert_said(SH("pwd; umask; grep -E '^Sig(Blk|Ign)' /proc/$$/status | cut -f2 |"
		       " sed 's/^0000000180000000$/0000000000000000/'",
		       KEPT),
		    "/\n0022\n0000000000000000\n0000000000000000\n", "");
	assert_said(
		SH("readlink /proc/self/fd/0 /proc/self/fd/2", ",\"capture-output\":\"stdout\""),
		"/dev/null\n/dev/null\n", "");
	if (geteuid() == 0)
		assert_said(SH("cat /proc/$$/oom_score_adj", KEPT), "0\n", "");
}
END_TEST

/* -- input ----------------------------------------------------------------------------------- */

START_TEST(input_is_read_to_its_end)
{
	assert_said("{\"path\":\"cat\",\"input-data\":\"aGVsbG8=\"" KEPT "}", "hello", "");
	assert_said("{\"path\":\"cat\",\"input-data\":\"\"" KEPT "}", "", "");
	assert_said("{\"path\":\"cat\"" KEPT "}", "", "");
	assert_said("{\"path\":\"od\",\"arg\":[\"-An\",\"-tx1\"],\"input-data\":\"AP8K\"" KEPT "}",
		    " 00 ff 0a\n", "");
	/* one that does not read it is not waited for */
	assert_said("{\"path\":\"true\",\"input-data\":\"aGVsbG8=\"}", "", "");
	/* unused bits set: looks like base64, but is not what anybody writes */
	assert_refused("{\"path\":\"cat\",\"input-data\":\"aGVsbG9=\"}", "BAD_ARGUMENT", "no base64");
}
END_TEST

START_TEST(much_input_does_not_block)
{
	size_t len = 1024 * 1024, n = VMV_BASE64_LEN(len);
	char *bytes = malloc(len), *text = malloc(n + 1), *arguments;

	ck_assert_ptr_nonnull(bytes);
	ck_assert_ptr_nonnull(text);
	memset(bytes, 'x', len);
	vmv_base64(bytes, len, text);
	ck_assert_int_gt(
		asprintf(&arguments,
			 "{\"path\":\"wc\",\"arg\":[\"-c\"],\"input-data\":\"%s\"" KEPT "}", text),
		0);
	assert_said(arguments, "1048576\n", "");
	free(arguments);
	free(text);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_exec");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	if (geteuid() != 0) {
		(void)fprintf(stderr, "SKIPPED: not root, which guest-exec always is\n");
		return 77;
	}
	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, output_is_kept_as_asked_for);
	tcase_add_test(tc, another_capture_is_an_error);
	tcase_add_test(tc, its_end_is_the_programs);
	tcase_add_test(tc, there_is_no_shell_unless_asked_for);
	tcase_add_test(tc, its_name_is_the_path_that_was_given);
	tcase_add_test(tc, what_cannot_be_run_is_an_error_at_once);
	tcase_add_test(tc, where_root_may_run_nothing_it_does_not);
	tcase_add_test(tc, the_environment_is_listed);
	tcase_add_test(tc, env_replaces_all_of_it);
	tcase_add_test(tc, bad_variables_are_refused);
	tcase_add_test(tc, nothing_else_is_open_or_blocked);
	tcase_add_test(tc, input_is_read_to_its_end);
	tcase_add_test(tc, much_input_does_not_block);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
