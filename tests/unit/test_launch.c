/* Raw commands as vmvitals-job launches them (job/launch.c, PROTOCOL.md 5.6), and what it says when
 * it does not (job/main.c). */
#include "job/launch.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "tests/lib/fixture.h"
#include "tests/lib/jobs.h"

#include <check.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static struct ran r;
static const struct how patient = { 0 };
static char dir[64];

static void up(void)
{
	memset(&r, 0, sizeof(r));
	(void)snprintf(dir, sizeof(dir), "/tmp/vmv-launch-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	jobs_up();
}

static void down(void)
{
	char command[128];

	ran_free(&r);
	jobs_down();
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void)!system(command);
}

/* extra: further members, ",\"shell\":\"sh\"" */
static void run(const char *command, const char *extra)
{
	ran_free(&r);
	jobs_run(&r, jobs_raw(command, extra, NULL), &patient);
}

static void assert_said(const char *command, const char *extra, const char *expected)
{
	run(command, extra);
	ck_assert_msg(strcmp(r.out.data, expected) == 0, "%s %s: '%s', not '%s'; %s%s", command,
		      extra, r.out.data, expected, r.err.data, r.result.data);
	ck_assert_int_eq(r.end.exit_code, 0);
	ck_assert_uint_eq(r.end.result_len, 0);
}

static void assert_refused(const char *command, const char *extra, const char *code)
{
	char expected[64];

	run(command, extra);
	(void)snprintf(expected, sizeof(expected), "{\"error_code\":\"%s\",\"error\":\"", code);
	ck_assert_msg(strncmp(r.result.data, expected, strlen(expected)) == 0, "%s %s: %s", command,
		      extra, r.result.data);
	ck_assert_str_eq(r.out.data, "");
}

static bool have(const char *program)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/usr/bin/%s", program);
	if (access(path, X_OK) == 0)
		return true;
	(void)snprintf(path, sizeof(path), "/bin/%s", program);
	return access(path, X_OK) == 0;
}

static bool can_change_account(void)
{
	if (geteuid() == 0 && getpwnam("nobody"))
		return true;
	SAY_SKIPPED("not root, or there is no account nobody");
	return false;
}

#define AS_NOBODY ",\"run_as\":\"nobody\""

/* -- shells --------------------------------------------------------------------------------- */

START_TEST(the_shell_is_the_one_asked_for)
{
	static const char *const shells[] = { "bash", "dash", "sh", "zsh", "fish" };
	char extra[64], path[PATH_MAX], expected[PATH_MAX + 1];

	for (size_t i = 0; i < VMV_COUNTOF(shells); i++) {
		(void)snprintf(extra, sizeof(extra), ",\"shell\":\"%s\"", shells[i]);
		if (!have(shells[i])) {
			assert_refused("echo", extra, "NOT_FOUND");
			continue;
		}
		(void)snprintf(path, sizeof(path), "/bin/%s", shells[i]);
		if (access(path, X_OK) < 0)
			(void)snprintf(path, sizeof(path), "/usr/bin/%s", shells[i]);
		ck_assert_ptr_nonnull(realpath(path, expected));
		(void)stpcpy(expected + strlen(expected), "\n");
		assert_said("readlink -f /proc/self/../$PPID/exe | head -c 0; sh -c 'readlink "
			    "/proc/$PPID/exe'",
			    extra, expected);
	}
	assert_said("echo hi", ",\"shell\":\"SH\"", "hi\n");
}
END_TEST

START_TEST(without_a_name_it_is_bash_else_sh)
{
	char expected[PATH_MAX + 1];

	ck_assert_ptr_nonnull(
		realpath(access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh", expected));
	(void)stpcpy(expected + strlen(expected), "\n");
	assert_said("readlink /proc/$$/exe", "", expected);
	assert_said("readlink /proc/$$/exe", ",\"shell\":null", expected);
}
END_TEST

START_TEST(other_shells_are_refused)
{
	assert_refused("x", ",\"shell\":\"cmd\"", "UNSUPPORTED");
	assert_refused("x", ",\"shell\":\"nosuch\"", "BAD_ARGUMENT");
	assert_refused("x", ",\"shell\":\"/bin/sh\"", "BAD_ARGUMENT");
	assert_refused("x", ",\"shell\":7", "BAD_ARGUMENT");
	if (!have("pwsh")) {
		assert_refused("x", ",\"shell\":\"powershell\"", "UNSUPPORTED");
		assert_refused("x", ",\"shell\":\"pwsh\"", "NOT_FOUND");
	}
}
END_TEST

/* As long as may be, with the last words at the very end. */
START_TEST(four_mebibytes_of_text_are_run)
{
	static const char *const shells[] = { "bash", "dash", "sh" };
	static const char last[] = "\necho end";
	char *text = malloc(VMV_RAW_MAX + 1), extra[64];

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < VMV_RAW_MAX; i++)
		text[i] = i % 64 == 0 ? '#' : i % 64 == 63 ? '\n' : 'x';
	memcpy(text + VMV_RAW_MAX - strlen(last), last, sizeof(last));
	for (size_t i = 0; i < VMV_COUNTOF(shells); i++) {
		(void)snprintf(extra, sizeof(extra), ",\"shell\":\"%s\"", shells[i]);
		if (!have(shells[i]))
			continue;
		run(text, extra);
		ck_assert_str_eq(r.out.data, "end\n");
		ck_assert_int_eq(r.end.exit_code, 0);
		if (!can_change_account())
			continue;
		(void)snprintf(extra, sizeof(extra), ",\"shell\":\"%s\"" AS_NOBODY, shells[i]);
		run(text, extra);
		ck_assert_str_eq(r.out.data, "end\n");
	}
	free(text);
}
END_TEST

START_TEST(one_byte_more_is_refused)
{
	char *text = malloc(VMV_RAW_MAX + 2);

	memset(text, ' ', VMV_RAW_MAX + 1);
	text[VMV_RAW_MAX + 1] = '\0';
	run(text, "");
	ck_assert_ptr_nonnull(strstr(r.result.data, "\"BAD_ARGUMENT\""));
	free(text);
	assert_refused("", "", "BAD_ARGUMENT");
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
	assert_said("tr '\\0' '\\n' </proc/$$/environ", "", expected);
}
END_TEST

START_TEST(variables_are_added_or_replaced)
{
	assert_said("echo \"$A|$B_1|$HOME|$(tr '\\0' '\\n' </proc/$$/environ | grep -c ^HOME=)\"",
		    ",\"env_vars\":{\"A\":\"x y\",\"B_1\":\"\",\"HOME\":\"/h\"}", "x y||/h|1\n");
	assert_said("echo ok", ",\"env_vars\":{}", "ok\n");
	assert_said("echo ok", ",\"env_vars\":null", "ok\n");
}
END_TEST

static const char *const bad_vars[] = {
	"{\"LD_PRELOAD\":\"/x.so\"}",
	"{\"VMVITALS_X\":\"1\"}",
	"{\"INFINISERVICE_SHARED_SECRET\":\"1\"}",
	"{\"A-B\":\"1\"}",
	"{\"1A\":\"1\"}",
	"{\"\":\"1\"}",
	"{\"A=B\":\"1\"}",
	"{\"A B\":\"\"}",
	"{\"A\":1}",
	"{\"A\":null}",
	"{\"A\":\"x\\u0000y\"}",
	"[]",
	"\"A=1\"",

	"{\"\xc3\x84\":\"1\"}",
};

START_TEST(variables_that_are_refused)
{
	char extra[160];

	(void)snprintf(extra, sizeof(extra), ",\"env_vars\":%s", bad_vars[_i]);
	assert_refused("env", extra, "BAD_ARGUMENT");
}
END_TEST

/* n variables whose values have len bytes. */
static char *many_vars(int n, int len)
{
	char *text = malloc((size_t)n * ((size_t)len + 32) + 64), *at = text;

	at = stpcpy(at, ",\"env_vars\":{");
	for (int i = 0; i < n; i++)
		at += sprintf(at, "%s\"V%d\":\"%0*d\"", i ? "," : "", i, len, 0);
	(void)stpcpy(at, "}");
	return text;
}

START_TEST(variables_have_their_bounds)
{
	static const struct {
		int n, len;
		bool is_good;
	} rows[] = {
		{ 256, 1, true },     { 257, 1, false },
		{ 1, 131068, true }, /* V0=…, and NUL: 128 KiB */
		{ 1, 131069, false }, { 200, 700, false },
	};

	for (size_t i = 0; i < VMV_COUNTOF(rows); i++) {
		char *extra = many_vars(rows[i].n, rows[i].len);

		if (rows[i].is_good)
			assert_said("echo ${#V0}", extra, rows[i].n > 1 ? "1\n" : "131068\n");
		else
			assert_refused("echo", extra, "BAD_ARGUMENT");
		free(extra);
	}
}
END_TEST

START_TEST(nothing_else_is_inherited)
{
	int leak = open("/", O_RDONLY | O_DIRECTORY), fd; /* without CLOEXEC */

	ck_assert_int_ge(fcntl(leak, F_DUPFD, 77), 77);
	assert_said("readlink /proc/$$/fd/0", "", "/dev/null\n");
	assert_said("echo $(ls /proc/self/fd)", "", "0 1 2 3 4\n"); /* 4 is the folder itself */
	assert_said("case $(readlink /proc/self/fd/3) in *vmvitals-script*) echo ok;; esac", "",
		    "ok\n");
	assert_said("umask", ",\"shell\":\"sh\"", "0022\n");
	assert_said("set -- $(cat /proc/$$/stat); echo $(($5 - $$)) $(($6 - $$))", "", "0 0\n");
	/* 32 and 33 are the C library's own */
	assert_said("blk=$(grep ^SigBlk: /proc/$$/status | cut -f2); ign=$(grep ^SigIgn: "
		    "/proc/$$/status | cut -f2); echo $blk $((0x$ign & ~0x180000000))",
		    ",\"shell\":\"sh\"", "0000000000000000 0\n");
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(write(fd, "100", 3), 3);
	assert_said("cat /proc/self/oom_score_adj", "", "0\n");
}
END_TEST

START_TEST(the_text_cannot_be_changed)
{
	assert_said("echo >>/proc/$$/fd/3 2>/dev/null || echo no; : >/proc/$$/fd/3 2>/dev/null || "
		    "echo no",
		    "", "no\nno\n");
}
END_TEST

/* -- directory ------------------------------------------------------------------------------- */

START_TEST(it_works_where_it_is_told_to)
{
	char home[PATH_MAX + 1];

	(void)snprintf(home, sizeof(home), "%s\n", getpwuid(0)->pw_dir);
	assert_said("pwd", "", home);
	assert_said("pwd", ",\"working_dir\":\"/usr\"", "/usr\n");
	assert_refused("pwd", ",\"working_dir\":\"usr\"", "BAD_ARGUMENT");
	assert_refused("pwd", ",\"working_dir\":\"\"", "BAD_ARGUMENT");
	assert_refused("pwd", ",\"working_dir\":\"/nonexistent\"", "BAD_ARGUMENT");
	assert_refused("pwd", ",\"working_dir\":\"/etc/passwd\"", "BAD_ARGUMENT");
}
END_TEST

START_TEST(it_must_be_let_in_there)
{
	char extra[160];

	if (!can_change_account())
		return;
	(void)snprintf(extra, sizeof(extra), AS_NOBODY ",\"working_dir\":\"%s\"", dir); /* 0700 */
	assert_refused("pwd", extra, "BAD_ARGUMENT");
	ck_assert_int_eq(chmod(dir, 0755), 0);
	run("pwd", extra);
	ck_assert_int_eq(r.end.exit_code, 0);
}
END_TEST

/* -- account --------------------------------------------------------------------------------- */

START_TEST(root_has_several_names)
{
	static const char *const names[] = {
		"",
		",\"run_as\":null",
		",\"run_as\":\"\"",
		",\"run_as\":\"root\"",
		",\"run_as\":\"SYSTEM\"",
		",\"run_as\":\"Administrator\"",
	};

	if (geteuid() != 0) {
		SAY_SKIPPED("not root");
		return;
	}
	for (size_t i = 0; i < VMV_COUNTOF(names); i++)
		assert_said("id -u", names[i], "0\n");
}
END_TEST

START_TEST(another_account_is_one_entirely)
{
	const struct passwd *pw = getpwnam("nobody");
	char expected[512];

	if (!can_change_account())
		return;
	ck_assert_int_eq(setgroups(2, (gid_t[]){ 0, 54321 }), 0);
	(void)snprintf(expected, sizeof(expected), "%u %u %u %u %u %u\n", pw->pw_uid, pw->pw_uid,
		       pw->pw_uid, pw->pw_gid, pw->pw_gid, pw->pw_gid);
	assert_said("echo $(grep ^Uid: /proc/$$/status | cut -f2-4) "
		    "$(grep ^Gid: /proc/$$/status | cut -f2-4)",
		    AS_NOBODY, expected);
	(void)snprintf(expected, sizeof(expected), "%u\n", pw->pw_gid);
	assert_said("id -G", AS_NOBODY, expected);
	(void)snprintf(expected, sizeof(expected), "nobody nobody %s\n", pw->pw_dir);
	assert_said("echo $USER $LOGNAME $HOME", AS_NOBODY, expected);
	assert_said("grep -E '^Cap(Prm|Eff|Amb):' /proc/$$/status | cut -f2 | sort -u", AS_NOBODY,
		    "0000000000000000\n");
	assert_said("cat /etc/shadow >/dev/null 2>&1 || echo no", AS_NOBODY, "no\n");
	assert_said("echo a >/dev/stdout; echo b >/dev/stderr", AS_NOBODY, "a\n");
	ck_assert_str_eq(r.err.data, "b\n");
	assert_said("sh -c 'echo from $0' x", AS_NOBODY ",\"shell\":\"sh\"", "from x\n");
}
END_TEST

START_TEST(accounts_that_are_none)
{
	assert_refused("id", ",\"run_as\":\"no-such-account\"", "BAD_ARGUMENT");
	assert_refused("id", ",\"run_as\":\"-nobody\"", "BAD_ARGUMENT");
	assert_refused("id", ",\"run_as\":\"no body\"", "BAD_ARGUMENT");
	assert_refused("id", ",\"run_as\":\"nobody\\u0000\"", "BAD_ARGUMENT");
	assert_refused("id", ",\"run_as\":\"0\"", "BAD_ARGUMENT");
	assert_refused("id", ",\"run_as\":7", "BAD_ARGUMENT");
}
END_TEST

static void run_allowed(const char *run_as, const char *allowed)
{
	char message[256];

	(void)snprintf(message, sizeof(message),
		       "{\"type\":\"UnsafeCommand\",\"id\":\"1\",\"raw_command\":\"id -un\"%s}",
		       run_as);
	ran_free(&r);
	jobs_run(&r, jobs_describe("raw", message, NULL, allowed), &patient);
}

START_TEST(only_accounts_of_the_list_are_allowed)
{
	if (!can_change_account())
		return;
	run_allowed(AS_NOBODY, "[\"daemon\",\"nobody\"]");
	ck_assert_str_eq(r.out.data, "nobody\n");
	run_allowed(AS_NOBODY, "[\"daemon\"]");
	ck_assert_ptr_nonnull(strstr(r.result.data, "{\"error_code\":\"NOT_ALLOWED\""));
	ck_assert_str_eq(r.out.data, "");
	/* who names nobody asks for root */
	run_allowed("", "[\"nobody\"]");
	ck_assert_ptr_nonnull(strstr(r.result.data, "{\"error_code\":\"NOT_ALLOWED\""));
	run_allowed(",\"run_as\":\"system\"", "[\"nobody\"]");
	ck_assert_ptr_nonnull(strstr(r.result.data, "{\"error_code\":\"NOT_ALLOWED\""));
	run_allowed("", "[\"root\"]");
	ck_assert_str_eq(r.out.data, "root\n");
}
END_TEST

/* -- the end of the executor ------------------------------------------------------------------ */

static bool is_dead(void *arg)
{
	return !is_alive(*(long *)arg);
}

/* A process of its own starts the job, and is killed. */
static void assert_dies_with_executor(const char *extra)
{
	char command[256], path[128];
	long pid;
	pid_t executor;

	ck_assert_int_eq(chmod(dir, 0777), 0);
	(void)snprintf(path, sizeof(path), "%s/pid", dir);
	(void)unlink(path);
	(void)snprintf(command, sizeof(command), "trap '' TERM HUP; echo $$ >%s; exec sleep 1000",
		       path);
	executor = fork();
	ck_assert_int_ge(executor, 0);
	if (executor == 0) {
		char *text = jobs_raw(command, extra, NULL);

		jobs_start(&r, text, strlen(text), &patient);
		for (;;)
			(void)pause();
	}
	pid = pid_in(path);
	ck_assert(is_alive(pid));
	ck_assert_int_eq(kill(executor, SIGKILL), 0);
	ck_assert_int_eq(waitpid(executor, NULL, 0), executor);
	jobs_until(is_dead, &pid);
}

START_TEST(a_shell_dies_with_the_executor)
{
	assert_dies_with_executor("");
	if (can_change_account())
		assert_dies_with_executor(AS_NOBODY);
}
END_TEST

/* -- what is no raw command ------------------------------------------------------------------- */

START_TEST(arguments_of_actions_are_checked_again)
{
	jobs_run(&r, jobs_action("ProcessKill", "{\"pid\":0}", NULL), &patient);
	ck_assert_ptr_nonnull(strstr(r.result.data, "{\"error_code\":\"BAD_ARGUMENT\""));
	ck_assert_int_eq(r.end.exit_code, 0); /* of the program: it did tell */
	ck_assert_ptr_nonnull(strstr(r.result.data, "\"exit_code\":1,\"after\":null"));
	ran_free(&r);
	jobs_run(&r, jobs_action("Ping", "{}", NULL), &patient);
	ck_assert_ptr_nonnull(strstr(r.result.data, "{\"error_code\":\"BAD_ARGUMENT\""));
	ran_free(&r);
	jobs_run(&r, jobs_action("NoSuchAction", "{}", NULL), &patient);
	ck_assert_ptr_nonnull(strstr(r.result.data, "{\"error_code\":\"UNKNOWN_ACTION\""));
}
END_TEST

/* What was submitted as an action is never run as a shell's text, nor the other way round. */
START_TEST(the_kind_is_that_of_the_message)
{
	jobs_run(&r,
		 jobs_describe("action",
			       "{\"type\":\"UnsafeCommand\",\"id\":\"1\",\"raw_command\":\"id\"}",
			       NULL, "[]"),
		 &patient);
	ck_assert_ptr_nonnull(strstr(r.result.data, "\"BAD_ARGUMENT\""));
	ck_assert_str_eq(r.out.data, "");
	ran_free(&r);
	jobs_run(
		&r,
		jobs_describe("raw",
			      "{\"type\":\"SafeCommand\",\"id\":\"1\",\"command_type\":{\"action\":"
			      "\"SetHostname\",\"hostname\":\"x\"}}",
			      NULL, "[]"),
		&patient);
	ck_assert_ptr_nonnull(strstr(r.result.data, "\"BAD_ARGUMENT\""));
}
END_TEST

START_TEST(a_message_may_be_as_deep_as_any)
{
	char extra[256] = ",\"pad\":", *at = extra + strlen(extra);

	for (int i = 0; i < VMV_JSON_DEPTH_IN - 1; i++)
		*at++ = '[';
	for (int i = 0; i < VMV_JSON_DEPTH_IN - 1; i++)
		*at++ = ']';
	assert_said("echo deep", extra, "deep\n");
}
END_TEST

START_TEST(people_get_help)
{
	ck_assert_int_eq(system("./vmvitals-job --help | grep -q '^Usage: vmvitals-job'"), 0);
	ck_assert_int_eq(system("./vmvitals-job --version | grep -q '^vmvitals-job [0-9]'"), 0);
	ck_assert_int_eq(system("./vmvitals-job 3<&- 4<&- 2>/dev/null"), EX_USAGE << 8);
	ck_assert_int_eq(system("./vmvitals-job 3</dev/null 4<&- 2>/dev/null"), EX_USAGE << 8);
	ck_assert_int_eq(system("./vmvitals-job x 3</dev/null 4>&1 2>/dev/null"), EX_USAGE << 8);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("launch");
	TCase *tc = tcase_create("commands");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, the_shell_is_the_one_asked_for);
	tcase_add_test(tc, without_a_name_it_is_bash_else_sh);
	tcase_add_test(tc, other_shells_are_refused);
	tcase_add_test(tc, four_mebibytes_of_text_are_run);
	tcase_add_test(tc, one_byte_more_is_refused);
	tcase_add_test(tc, the_environment_is_listed);
	tcase_add_test(tc, variables_are_added_or_replaced);
	tcase_add_loop_test(tc, variables_that_are_refused, 0, (int)VMV_COUNTOF(bad_vars));
	tcase_add_test(tc, variables_have_their_bounds);
	tcase_add_test(tc, nothing_else_is_inherited);
	tcase_add_test(tc, the_text_cannot_be_changed);
	tcase_add_test(tc, it_works_where_it_is_told_to);
	tcase_add_test(tc, it_must_be_let_in_there);
	tcase_add_test(tc, root_has_several_names);
	tcase_add_test(tc, another_account_is_one_entirely);
	tcase_add_test(tc, accounts_that_are_none);
	tcase_add_test(tc, only_accounts_of_the_list_are_allowed);
	tcase_add_test(tc, a_shell_dies_with_the_executor);
	tcase_add_test(tc, arguments_of_actions_are_checked_again);
	tcase_add_test(tc, the_kind_is_that_of_the_message);
	tcase_add_test(tc, a_message_may_be_as_deep_as_any);
	tcase_add_test(tc, people_get_help);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
