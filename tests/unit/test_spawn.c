#include "exec/spawn.h"

#include "base/cleanup.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPY "spy" /* this program, when it is called so, says on 1 what it was given */

static char self[PATH_MAX];

/* -- the child ------------------------------------------------------------------------------ */

static void say_descriptors(void)
{
	char path[32], target[256];

	for (int fd = 0; fd < 256; fd++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strncmp(target, "pipe:", 5) == 0)
			target[4] = '\0';
		if (fd != STDOUT_FILENO && fd != STDERR_FILENO)
			(void)printf("%d=%s ", fd, target);
	}
}

static int be_spy(int argc, char **argv)
{
	extern char **environ;
	struct sigaction usr1 = { 0 }, pipe_action = { 0 };
	struct rlimit limit;
	sigset_t mask;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	(void)sigprocmask(SIG_BLOCK, NULL, &mask);
	(void)sigaction(SIGUSR1, NULL, &usr1);
	(void)sigaction(SIGPIPE, NULL, &pipe_action);
	if (argc > 1 && strcmp(argv[1], "fds") == 0)
		say_descriptors();
	else if (argc > 1 && strcmp(argv[1], "limit") == 0)
		(void)printf("%llu %llu", (unsigned long long)limit.rlim_cur,
			     (unsigned long long)limit.rlim_max);
	else if (argc > 1 && strcmp(argv[1], "group") == 0)
		(void)printf("%d %d", getpgrp() == getpid(), getsid(0) == getpid());
	else if (argc > 1 && strcmp(argv[1], "signals") == 0)
		(void)printf("%d %d %d", sigismember(&mask, SIGUSR1), usr1.sa_handler == SIG_DFL,
			     pipe_action.sa_handler == SIG_DFL);
	else
		for (char **e = environ; *e; e++)
			(void)printf("%s;", *e);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -- the tests ------------------------------------------------------------------------------ */

static const char *const no_env[] = { NULL };

/* What a spy with this argument says; further descriptors as given. */
static const char *spy(const char *word, enum vmv_spawn_group group, const struct vmv_spawn_fd *fds,
		       size_t n_fds)
{
	static char text[4096];
	const char *const argv[] = { SPY, word, NULL };
	struct vmv_spawn_fd all[VMV_SPAWN_FDS_MAX];
	size_t len = 0;
	int out[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	for (size_t i = 0; i < n_fds; i++)
		all[i] = fds[i];
	all[n_fds] = (struct vmv_spawn_fd){ .ours = out[1], .theirs = STDOUT_FILENO };
	ck_assert_int_eq(vmv_spawn(&pid, &(struct vmv_spawn){ .path = self,
							      .argv = argv,
							      .env = no_env,
							      .fds = all,
							      .n_fds = n_fds + 1,
							      .group = group }),
			 0);
	(void)close(out[1]);
	while ((n = read(out[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	(void)close(out[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	return text;
}

static int open_path(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(a_child_has_the_descriptors_that_were_named_and_no_others)
{
	int leaked = open("/", O_RDONLY | O_DIRECTORY); /* not CLOEXEC */
	int named = open_path("/proc");
	const struct vmv_spawn_fd fds[] = { { .ours = named, .theirs = 3 },
					    { .ours = VMV_SPAWN_NULL, .theirs = 5 } };

#if !__GLIBC_PREREQ(2, 34)
	SAY_SKIPPED("the C library cannot close what is not CLOEXEC");
	(void)close(leaked);
	leaked = -1;
#endif
	ck_assert_str_eq(spy("fds", VMV_SPAWN_OWN_GROUP, fds, 2),
			 "0=/dev/null 3=/proc 5=/dev/null ");
	ck_assert_str_eq(spy("fds", VMV_SPAWN_OWN_GROUP, NULL, 0), "0=/dev/null ");
	vmv_closep(&leaked);
	vmv_closep(&named);
}
END_TEST

START_TEST(numbers_of_both_sides_may_overlap)
{
	int first = open_path("/proc"), second = open_path("/sys"), third = open_path("/dev");
	/* a ring, and one that stays where it is */
	const struct vmv_spawn_fd fds[] = { { .ours = first, .theirs = second },
					    { .ours = second, .theirs = first },
					    { .ours = third, .theirs = third } };
	char expected[96];

	ck_assert_int_eq(second, first + 1);
	ck_assert_int_eq(third, first + 2);
	(void)snprintf(expected, sizeof(expected), "0=/dev/null %d=/sys %d=/proc %d=/dev ", first,
		       second, third);
	ck_assert_str_eq(spy("fds", VMV_SPAWN_OWN_GROUP, fds, 3), expected);
	vmv_closep(&first);
	vmv_closep(&second);
	vmv_closep(&third);
}
END_TEST

/* What is copied on the way must not be overwritten either. */
START_TEST(numbers_may_be_any_that_are_free_here)
{
	int first = open_path("/proc"), second = open_path("/sys"), third = open_path("/dev");
	const struct vmv_spawn_fd fds[] = { { .ours = first, .theirs = third + 5 },
					    { .ours = second, .theirs = third + 4 },
					    { .ours = third, .theirs = third + 6 } };
	char expected[96];

	/* above are the pipe of spy(), and /dev/null */
	(void)snprintf(expected, sizeof(expected), "0=/dev/null %d=/sys %d=/proc %d=/dev ",
		       third + 4, third + 5, third + 6);
	ck_assert_str_eq(spy("fds", VMV_SPAWN_OWN_GROUP, fds, 3), expected);
	vmv_closep(&first);
	vmv_closep(&second);
	vmv_closep(&third);
}
END_TEST

START_TEST(nothing_of_ours_stays_open_here)
{
	int before = open_path("/"), after;

	(void)spy("fds", VMV_SPAWN_OWN_GROUP, NULL, 0);
	after = open_path("/");
	ck_assert_int_eq(after, before + 1);
	vmv_closep(&before);
	vmv_closep(&after);
}
END_TEST

START_TEST(the_group_is_the_one_that_was_wished_for)
{
	ck_assert_str_eq(spy("group", VMV_SPAWN_OWN_GROUP, NULL, 0), "1 0");
	ck_assert_str_eq(spy("group", VMV_SPAWN_OWN_SESSION, NULL, 0), "1 1");
	ck_assert_str_eq(spy("group", VMV_SPAWN_OUR_GROUP, NULL, 0), "0 0");
}
END_TEST

START_TEST(signals_are_as_at_a_login)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t usr1;

	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &usr1, NULL), 0);
	ck_assert_int_eq(sigaction(SIGUSR1, &ignore, NULL), 0);
	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	ck_assert_str_eq(spy("signals", VMV_SPAWN_OWN_GROUP, NULL, 0), "0 1 1");
}
END_TEST

START_TEST(the_environment_is_what_was_given)
{
	ck_assert_int_eq(setenv("SECRET", "1", 1), 0);
	ck_assert_str_eq(spy(NULL, VMV_SPAWN_OWN_GROUP, NULL, 0), "");
}
END_TEST

START_TEST(children_get_the_limit_that_was_there_before_it_was_raised)
{
	struct rlimit ours;
	char expected[96];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &ours), 0);
	(void)snprintf(expected, sizeof(expected), "%llu %llu", (unsigned long long)ours.rlim_cur,
		       (unsigned long long)ours.rlim_max);
	ck_assert_str_eq(spy("limit", VMV_SPAWN_OWN_GROUP, NULL, 0), expected);
	vmv_spawn_set_nofile(100);
	(void)snprintf(expected, sizeof(expected), "100 %llu", (unsigned long long)ours.rlim_max);
	/* also when more than that is open here */
	int high = fcntl(0, F_DUPFD_CLOEXEC, 200);

	ck_assert_int_ge(high, 200);
	ck_assert_str_eq(spy("limit", VMV_SPAWN_OWN_GROUP, NULL, 0), expected);
	vmv_closep(&high);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &ours), 0);
	ck_assert_uint_gt(ours.rlim_cur, 100); /* ours is as before */
}
END_TEST

START_TEST(what_cannot_be_started_is_said_at_once)
{
	static const char *const argv[] = { SPY, NULL };
	const struct vmv_spawn_fd closed = { .ours = 250, .theirs = 3 };
	const struct vmv_spawn_fd wrong = { .ours = 0, .theirs = 64 };
	struct vmv_spawn s = { .path = "/nonexistent/x", .argv = argv, .env = no_env };
	pid_t pid = 77;

	ck_assert_int_eq(vmv_spawn(&pid, &s), -ENOENT);
	s.path = "/etc/passwd";
	ck_assert_int_eq(vmv_spawn(&pid, &s), -EACCES);
	s.path = "true";
	ck_assert_int_eq(vmv_spawn(&pid, &s), -EINVAL);
	s.path = self;
	s.fds = &closed;
	s.n_fds = 1;
	ck_assert_int_eq(vmv_spawn(&pid, &s), -EBADF);
	s.fds = &wrong;
	ck_assert_int_eq(vmv_spawn(&pid, &s), -EINVAL);
	ck_assert_int_eq(pid, 77);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* there is no child */
}
END_TEST

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return EXIT_FAILURE;
	if (strcmp(argv[0], SPY) == 0)
		return be_spy(argc, argv);

	Suite *s = suite_create("spawn");
	TCase *tc = tcase_create("spawn");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_child_has_the_descriptors_that_were_named_and_no_others);
	tcase_add_test(tc, numbers_of_both_sides_may_overlap);
	tcase_add_test(tc, numbers_may_be_any_that_are_free_here);
	tcase_add_test(tc, nothing_of_ours_stays_open_here);
	tcase_add_test(tc, the_group_is_the_one_that_was_wished_for);
	tcase_add_test(tc, signals_are_as_at_a_login);
	tcase_add_test(tc, the_environment_is_what_was_given);
	tcase_add_test(tc, children_get_the_limit_that_was_there_before_it_was_raised);
	tcase_add_test(tc, what_cannot_be_started_is_said_at_once);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
