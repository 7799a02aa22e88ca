#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define HELPER "./vmvitals-helper" /* tests run in the build folder */

static int asker = -1;
static pid_t helper;

/* Returns its process id; fds are what it has as 0, 1 and 2, -1 for /dev/null. */
static pid_t run(const char *option, const int fds[3])
{
	char name[] = HELPER, arg[32] = "";
	char *argv[] = { name, option ? arg : NULL, NULL };
	char *environment[] = { NULL };
	posix_spawn_file_actions_t files;
	pid_t pid;

	(void)snprintf(arg, sizeof(arg), "%s", option ? option : "");
	ck_assert_int_eq(posix_spawn_file_actions_init(&files), 0);
	for (int i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			(void)posix_spawn_file_actions_adddup2(&files, fds[i], i);
		else
			(void)posix_spawn_file_actions_addopen(&files, i, "/dev/null", O_RDWR, 0);
	}
	ck_assert_int_eq(posix_spawn(&pid, HELPER, &files, NULL, argv, environment), 0);
	(void)posix_spawn_file_actions_destroy(&files);
	return pid;
}

static void up(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	asker = fds[0];
	helper = run(NULL, (int[]){ fds[1], -1, 2 });
	(void)close(fds[1]);
}

static int exit_status(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void down(void)
{
	(void)close(asker);
	ck_assert_int_eq(exit_status(helper), 0);
}

static char *ask_bytes(const void *question, size_t len)
{
	static char text[VMV_ASK_ANSWER_MAX + 64];
	ssize_t n;

	ck_assert_int_eq(send(asker, question, len, MSG_NOSIGNAL), (ssize_t)len);
	n = recv(asker, text, sizeof(text) - 1, 0);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_uint_eq(strlen(text), (size_t)n);
	return text;
}

static char *ask(const char *question)
{
	return ask_bytes(question, strlen(question));
}

static void check_error(const char *question, int error)
{
	char expected[32];

	(void)snprintf(expected, sizeof(expected), "error %d", error);
	ck_assert_str_eq(ask(question), expected);
}

static void numbers_of(const char *answer, uint64_t ret[6])
{
	const char *at = answer + strlen("ok\n");

	ck_assert_msg(strncmp(answer, "ok\n", 3) == 0, "%s", answer);
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(vmv_parse_u64(at, &ret[i], &at), 0);
		ck_assert_int_eq(*at++, i == 5 ? '\n' : ' ');
	}
	ck_assert_int_eq(*at, '\0');
}

START_TEST(statvfs_says_what_the_system_call_says)
{
	struct statvfs v;
	uint64_t n[6];

	numbers_of(ask("statvfs /"), n);
	ck_assert_int_eq(statvfs("/", &v), 0);
	ck_assert_uint_eq(n[0], v.f_frsize);
	ck_assert_uint_eq(n[1], v.f_blocks);
	ck_assert_uint_le(n[2], n[1]);
	ck_assert_uint_le(n[3], n[2]);
	ck_assert_uint_eq(n[4], v.f_files);
	ck_assert_uint_le(n[5], n[4]);
}
END_TEST

START_TEST(a_mount_point_may_be_a_file_and_have_blanks)
{
	char dir[] = "/tmp/test helper XXXXXX", question[128];
	uint64_t n[6];
	int fd = mkstemp(dir);

	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	(void)snprintf(question, sizeof(question), "statvfs %s", dir);
	numbers_of(ask(question), n);
	ck_assert_uint_gt(n[0], 0);
	(void)unlink(dir);
	check_error(question, ENOENT);
}
END_TEST

START_TEST(bad_questions_are_answered_with_einval)
{
	static const char *const bad[] = {
		"statvfs",   "statvfs ", "statvfs relative", "statvfs  /", "statvfsx /",
		"STATVFS /", "statvf /", " statvfs /",	     "nothing",	   " ",
		"\n",
	};
	static char huge[VMV_ASK_QUESTION_MAX + 1];

	for (size_t i = 0; i < VMV_COUNTOF(bad); i++)
		check_error(bad[i], EINVAL);
	ck_assert_str_eq(ask_bytes("statvfs /\0x", 11), "error 22");
	memset(huge, '/', sizeof(huge));
	memcpy(huge, "statvfs ", 8);
	ck_assert_str_eq(ask_bytes(huge, sizeof(huge)), "error 22");
	ck_assert_str_eq(ask_bytes(huge, sizeof(huge) - 1), "error 36"); /* ENAMETOOLONG */
}
END_TEST

START_TEST(it_ends_with_its_socket)
{
	ck_assert_int_eq(shutdown(asker, SHUT_WR), 0); /* down() waits for its end */
}
END_TEST

START_TEST(it_dies_with_its_parent)
{
	int fds[2], out[2], status;
	pid_t parent, pid;

	/* the grandchild's socket stays open here: that is not what ends it */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	ck_assert_int_eq(pipe(out), 0);
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	parent = fork();
	ck_assert_int_ge(parent, 0);
	if (parent == 0) {
		char c;

		pid = run(NULL, (int[]){ fds[1], -1, 2 });
		(void)send(fds[0], "nothing", 7, 0);
		(void)recv(fds[0], &c, 1, 0); /* it runs, and has told the kernel */
		(void)!write(out[1], &pid, sizeof(pid));
		_exit(0);
	}
	ck_assert_int_eq(read(out[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
	ck_assert_int_eq(exit_status(parent), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	for (int i = 0; i < 2; i++) {
		(void)close(fds[i]);
		(void)close(out[i]);
	}
}
END_TEST

/* It was started, but did not come to run before its agent died. */
START_TEST(a_question_of_an_agent_that_is_gone_is_not_asked)
{
	int fds[2];
	char text[32];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(send(fds[0], "statvfs /", 9, 0), 9);
	(void)close(fds[0]);
	ck_assert_int_eq(exit_status(run(NULL, (int[]){ fds[1], -1, 2 })), 0);
	ck_assert_int_eq(recv(fds[1], text, sizeof(text), MSG_DONTWAIT), 9); /* still there */
	(void)close(fds[1]);
}
END_TEST

static void check_output(const char *option, int fd, int status, const char *expected)
{
	char text[4096];
	size_t len = 0;
	int out[2];
	pid_t pid;
	ssize_t n;

	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pid = run(option, (int[]){ -1, fd == 1 ? out[1] : -1, fd == 2 ? out[1] : -1 });
	(void)close(out[1]);
	while ((n = read(out[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	(void)close(out[0]);
	ck_assert_int_eq(exit_status(pid), status);
	ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
}

START_TEST(started_by_hand_it_says_what_it_is)
{
	check_output(NULL, 2, EX_USAGE, "Started by vmvitalsd");
	check_output("--nonsense", 2, EX_USAGE, "Usage: vmvitals-helper");
	check_output("--help", 1, 0, "statvfs");
	check_output("--help", 1, 0, "users");
	check_output("--version", 1, 0, "vmvitals-helper " PACKAGE_VERSION "\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("helper");
	TCase *tc = tcase_create("questions");
	TCase *own = tcase_create("start");
	SRunner *sr = srunner_create(s);
	int failed;

	if (access(HELPER, X_OK) < 0) {
		(void)fprintf(stderr, "no " HELPER " in the working directory\n");
		return EXIT_FAILURE;
	}
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, statvfs_says_what_the_system_call_says);
	tcase_add_test(tc, a_mount_point_may_be_a_file_and_have_blanks);
	tcase_add_test(tc, bad_questions_are_answered_with_einval);
	tcase_add_test(tc, it_ends_with_its_socket);
	tcase_add_test(own, it_dies_with_its_parent);
	tcase_add_test(own, a_question_of_an_agent_that_is_gone_is_not_asked);
	tcase_add_test(own, started_by_hand_it_says_what_it_is);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, own);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
