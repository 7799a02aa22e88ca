#include "exec/child.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/num.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 30000 /* ms; for what surely comes */
#define SMALL	 4096

static uint64_t now_ms(void)
{
	return vmv_mono_ms(&vmv_clock_system);
}

/* A shell with this script; the rest is for the test to change. */
static struct vmv_child shell(const char *script)
{
	static const char *argv[4];

	argv[0] = "/bin/sh";
	argv[1] = "-c";
	argv[2] = script;
	argv[3] = NULL;
	return (struct vmv_child){
		.argv = argv,
		.out_max = SMALL,
		.err_max = SMALL,
		.deadline_ms = now_ms() + PATIENCE,
	};
}

static struct vmv_child_end run(const struct vmv_child *c)
{
	struct vmv_child_end e;

	ck_assert_int_eq(vmv_child_run(&e, c), 0);
	ck_assert_int_eq(e.out.data[e.out.len], '\0');
	ck_assert_int_eq(e.err.data[e.err.len], '\0');
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* it is reaped */
	return e;
}

static void check_output(const struct vmv_child *c, const char *expected)
{
	struct vmv_child_end e = run(c);

	ck_assert_str_eq(e.out.data, expected);
	ck_assert_int_eq(e.exit_code, 0);
	vmv_child_end_free(&e);
}

/* Until nothing of the process is left, or it is somebody's zombie. */
static void wait_dead(pid_t pid)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	uint64_t begin = now_ms();
	char path[32], text[512];
	ssize_t n;

	for (;;) {
		(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		vmv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

		n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		if (n <= 0 || strstr(text, ") Z ") || strstr(text, ") X "))
			return;
		ck_assert_uint_lt(now_ms() - begin, PATIENCE);
		(void)nanosleep(&moment, NULL);
	}
}

static pid_t pid_in(const char *text)
{
	uint64_t pid;

	ck_assert_int_eq(vmv_parse_u64(text, &pid, NULL), 0);
	return (pid_t)pid;
}

START_TEST(both_outputs_and_the_exit_code_come_back)
{
	struct vmv_child c = shell("echo out; echo err >&2; exit 7");
	struct vmv_child_end e = run(&c);

	ck_assert_str_eq(e.out.data, "out\n");
	ck_assert_str_eq(e.err.data, "err\n");
	ck_assert_int_eq(e.exit_code, 7);
	ck_assert_int_eq(e.signal, 0);
	ck_assert(!e.is_timed_out && !e.is_out_cut && !e.is_err_cut);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(a_signal_is_told_as_shells_do)
{
	struct vmv_child c = shell("kill -SEGV $$");
	struct vmv_child_end e = run(&c);

	ck_assert_int_eq(e.exit_code, 128 + SIGSEGV);
	ck_assert_int_eq(e.signal, SIGSEGV);
	ck_assert(!e.is_timed_out);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(nothing_said_is_an_empty_text)
{
	struct vmv_child c = shell("exec >&- 2>&-; exit 0");
	struct vmv_child_end e = run(&c);

	ck_assert_uint_eq(e.out.len, 0);
	ck_assert_str_eq(e.out.data, "");
	ck_assert_str_eq(e.err.data, "");
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(output_beyond_the_bound_is_read_and_thrown_away)
{
	/* it would hang if nobody read, and fail if the pipe was closed */
	struct vmv_child c = shell("head -c 100000000 /dev/zero | tr '\\0' x && echo ok >&2");
	struct vmv_child_end e;

	c.out_max = 100000;
	e = run(&c);
	ck_assert_uint_eq(e.out.len, 100000);
	ck_assert_uint_eq(strspn(e.out.data, "x"), 100000);
	ck_assert(e.is_out_cut);
	ck_assert_uint_le(e.out.cap, 100001);
	ck_assert_str_eq(e.err.data, "ok\n");
	ck_assert(!e.is_err_cut);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(output_up_to_the_bound_is_whole)
{
	struct vmv_child c = shell("printf 12345; printf 123456 >&2");
	struct vmv_child_end e;

	c.out_max = 5;
	c.err_max = 5;
	e = run(&c);
	ck_assert_str_eq(e.out.data, "12345");
	ck_assert_str_eq(e.err.data, "12345");
	ck_assert(!e.is_out_cut);
	ck_assert(e.is_err_cut);
	vmv_child_end_free(&e);
	c.out_max = 0;
	e = run(&c);
	ck_assert_str_eq(e.out.data, "");
	ck_assert(e.is_out_cut);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(any_bytes_are_output)
{
	struct vmv_child c = shell("printf 'a\\000b\\377'");
	struct vmv_child_end e = run(&c);

	ck_assert_uint_eq(e.out.len, 4);
	ck_assert_mem_eq(e.out.data, "a\0b\377", 5);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(standard_input_is_empty_or_the_text_that_was_given)
{
	struct vmv_child c = shell("readlink /proc/self/fd/0");
	char longest[VMV_CHILD_INPUT_MAX + 1];
	struct vmv_child_end e;

	check_output(&c, "/dev/null\n");
	c = shell("cat");
	check_output(&c, "");
	c.input = "se\0cret\n";
	c.input_len = 8;
	e = run(&c);
	ck_assert_uint_eq(e.out.len, 8);
	ck_assert_mem_eq(e.out.data, "se\0cret\n", 8);
	vmv_child_end_free(&e);
	memset(longest, 'x', sizeof(longest));
	c.input = longest;
	c.input_len = VMV_CHILD_INPUT_MAX;
	e = run(&c);
	ck_assert_uint_eq(e.out.len, VMV_CHILD_INPUT_MAX);
	vmv_child_end_free(&e);
	c.input_len++;
	ck_assert_int_eq(vmv_child_run(&e, &c), -EFBIG);
	c.input = "";
	c.input_len = 0;
	check_output(&c, "");
	/* who does not read it, is no harm */
	c = shell("exec 0<&-; echo done");
	c.input = longest;
	c.input_len = VMV_CHILD_INPUT_MAX;
	check_output(&c, "done\n");
}
END_TEST

START_TEST(at_the_deadline_it_is_asked_to_end)
{
	struct vmv_child c = shell("trap 'echo asked; exit 3' TERM; sleep 1000 & wait");
	uint64_t begin = now_ms();
	struct vmv_child_end e;

	c.deadline_ms = begin + 300;
	e = run(&c);
	ck_assert(e.is_timed_out);
	ck_assert_int_eq(e.exit_code, 3);
	ck_assert_str_eq(e.out.data, "asked\n");
	ck_assert_uint_ge(now_ms() - begin, 300);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(who_does_not_care_is_killed_with_its_children)
{
	struct vmv_child c =
		shell("trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1000; done");
	uint64_t begin = now_ms(), took;
	struct vmv_child_end e;

	c.deadline_ms = begin + 200;
	e = run(&c);
	took = now_ms() - begin;
	ck_assert(e.is_timed_out);
	ck_assert_int_eq(e.signal, SIGKILL);
	ck_assert_int_eq(e.exit_code, 137);
	ck_assert_uint_ge(took, 200 + VMV_CHILD_KILL_MS);
	ck_assert_uint_lt(took, PATIENCE);
	wait_dead(pid_in(e.out.data));
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(what_a_late_one_left_behind_dies_though_it_ended_itself)
{
	/* whoever is left ignores TERM, and says nothing */
	struct vmv_child c = shell("trap '' TERM; sh -c 'exec >&- 2>&-; sleep 1000' & echo $!;"
				   "trap 'exit 0' TERM; wait");
	struct vmv_child_end e;

	c.deadline_ms = now_ms() + 300;
	e = run(&c);
	ck_assert(e.is_timed_out);
	wait_dead(pid_in(e.out.data));
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(nobody_who_holds_the_pipes_is_waited_for)
{
	struct vmv_child c = shell("sleep 1000 & echo $!");
	uint64_t begin = now_ms(), took;
	struct vmv_child_end e = run(&c);

	took = now_ms() - begin;
	ck_assert_uint_ge(took, VMV_PIPES_LINGER_MS);
	ck_assert_uint_lt(took, PATIENCE);
	ck_assert_int_eq(e.exit_code, 0);
	ck_assert(!e.is_timed_out);
	/* a daemon that was started is left alone */
	ck_assert_int_eq(kill(pid_in(e.out.data), SIGKILL), 0);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(nor_one_who_goes_on_talking)
{
	struct vmv_child c = shell("yes & echo $! >&2");
	uint64_t begin = now_ms();
	struct vmv_child_end e = run(&c);

	ck_assert_uint_lt(now_ms() - begin, PATIENCE);
	ck_assert_int_eq(e.exit_code, 0);
	ck_assert_uint_eq(e.out.len, SMALL);
	wait_dead(pid_in(e.err.data)); /* of the pipe */
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(it_waits_for_one_who_closed_its_pipes)
{
	struct vmv_child c = shell("exec >&- 2>&-; sleep 0.3; exit 5");
	struct vmv_child_end e = run(&c);

	ck_assert_int_eq(e.exit_code, 5);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(the_group_is_its_own_unless_it_is_to_be_ours)
{
	struct vmv_child c = shell("read a b c d e rest </proc/self/stat; echo $e");
	char ours[32];
	struct vmv_child_end e;

	e = run(&c);
	ck_assert_int_ne(pid_in(e.out.data), getpgrp());
	vmv_child_end_free(&e);
	c.is_in_our_group = true;
	(void)snprintf(ours, sizeof(ours), "%d\n", (int)getpgrp());
	check_output(&c, ours);
}
END_TEST

START_TEST(in_our_group_the_child_alone_is_killed)
{
	struct vmv_child c = shell("trap '' TERM; while :; do :; done");
	struct vmv_child_end e;

	c.is_in_our_group = true;
	c.deadline_ms = now_ms() + 100;
	e = run(&c); /* and we are still here */
	ck_assert(e.is_timed_out);
	ck_assert_int_eq(e.signal, SIGKILL);
	vmv_child_end_free(&e);
}
END_TEST

START_TEST(what_is_not_there_is_not_started)
{
	static const char *const bad[][2] = { { "/nonexistent/program", NULL },
					      { "no-such-program-anywhere", NULL },
					      { "", NULL },
					      { "bin/sh", NULL },
					      { "./sh", NULL },
					      { "/etc/passwd", NULL },
					      { "/etc", NULL } };
	static const int errors[] = {
		-ENOENT, -ENOENT, -EINVAL, -EINVAL, -EINVAL, -EACCES, -EACCES
	};
	struct vmv_child c = shell("");
	struct vmv_child_end e = { .exit_code = 77 };

	for (size_t i = 0; i < VMV_COUNTOF(bad); i++) {
		c.argv = bad[i];
		ck_assert_msg(vmv_child_run(&e, &c) == errors[i], "'%s'", bad[i][0]);
	}
	c = shell("echo much too late");
	c.deadline_ms = now_ms();
	ck_assert_int_eq(vmv_child_run(&e, &c), -ETIMEDOUT);
	ck_assert_int_eq(e.exit_code, 77);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(a_name_is_searched_where_the_protocol_says)
{
	const char *const argv[] = { "sh", "-c", "echo \"$0\"", NULL };
	struct vmv_child c = shell("");
	char path[PATH_MAX];

	ck_assert_int_eq(setenv("PATH", "/nonexistent", 1), 0); /* not in ours */
	c.argv = argv;
	check_output(&c, "sh\n");
	ck_assert_int_eq(vmv_child_find("sh", path, sizeof(path)), 0);
	ck_assert_int_eq(path[0], '/');
	ck_assert_int_eq(access(path, X_OK), 0);
	ck_assert_int_eq(vmv_child_find("/bin/sh", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/bin/sh");
	ck_assert_int_eq(vmv_child_find("/bin/sh", path, 7), -ENAMETOOLONG);
	ck_assert_int_eq(vmv_child_find("/bin/sh", path, 8), 0);
}
END_TEST

START_TEST(the_environment_is_what_the_protocol_says)
{
	const char *const argv[] = { "env", NULL };
	const char *const extra[] = { "DEBIAN_FRONTEND=noninteractive", "LANG=C", "EMPTY=", NULL };
	struct vmv_child c = shell("");
	const struct passwd *pw = getpwuid(geteuid());
	char expected[4096];

	ck_assert_ptr_nonnull(pw);
	ck_assert_int_eq(setenv("SECRET", "1", 1), 0);
	c.argv = argv;
	(void)snprintf(expected, sizeof(expected),
		       "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
		       "LANG=C.UTF-8\nHOME=%s\nUSER=%s\nLOGNAME=%s\nSHELL=%s\n",
		       pw->pw_dir, pw->pw_name, pw->pw_name, pw->pw_shell);
	check_output(&c, expected);
	c.env = extra;
	(void)snprintf(expected, sizeof(expected),
		       "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
		       "HOME=%s\nUSER=%s\nLOGNAME=%s\nSHELL=%s\n"
		       "DEBIAN_FRONTEND=noninteractive\nLANG=C\nEMPTY=\n",
		       pw->pw_dir, pw->pw_name, pw->pw_name, pw->pw_shell);
	check_output(&c, expected);
}
END_TEST

START_TEST(nothing_of_ours_is_inherited_and_nothing_stays_open)
{
	struct vmv_child c = shell("for fd in 3 4 5 6 7 8 9 50 200; do\n"
				   "[ -e /proc/$$/fd/$fd ] && echo $fd; done; exit 0");
	int leaked = fcntl(STDERR_FILENO, F_DUPFD, 50), before, after;

	ck_assert_int_eq(leaked, 50);
#if !__GLIBC_PREREQ(2, 34)
	SAY_SKIPPED("the C library cannot close what is not CLOEXEC");
	vmv_closep(&leaked);
#endif
	before = open("/", O_PATH | O_CLOEXEC);
	c.input = "x";
	c.input_len = 1;
	check_output(&c, "");
	after = open("/", O_PATH | O_CLOEXEC);
	ck_assert_int_eq(after, before + 1);
}
END_TEST

START_TEST(its_outputs_may_be_our_own)
{
	struct vmv_child c = shell("echo to-out; echo to-err >&2");
	char path[] = "/tmp/test_child_XXXXXX", text[64];
	int fd = mkstemp(path), out, err;
	struct vmv_child_end e;
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	(void)unlink(path);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_APPEND), 0);
	out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	(void)dup2(fd, STDOUT_FILENO);
	(void)dup2(fd, STDERR_FILENO);
	c.passes_out = c.passes_err = true;
	e = run(&c);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(err, STDERR_FILENO);
	n = pread(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, "to-out\nto-err\n");
	ck_assert_uint_eq(e.out.len, 0);
	ck_assert_uint_eq(e.err.len, 0);
	vmv_child_end_free(&e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("child");
	TCase *tc = tcase_create("child");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, both_outputs_and_the_exit_code_come_back);
	tcase_add_test(tc, a_signal_is_told_as_shells_do);
	tcase_add_test(tc, nothing_said_is_an_empty_text);
	tcase_add_test(tc, output_beyond_the_bound_is_read_and_thrown_away);
	tcase_add_test(tc, output_up_to_the_bound_is_whole);
	tcase_add_test(tc, any_bytes_are_output);
	tcase_add_test(tc, standard_input_is_empty_or_the_text_that_was_given);
	tcase_add_test(tc, at_the_deadline_it_is_asked_to_end);
	tcase_add_test(tc, who_does_not_care_is_killed_with_its_children);
	tcase_add_test(tc, what_a_late_one_left_behind_dies_though_it_ended_itself);
	tcase_add_test(tc, nobody_who_holds_the_pipes_is_waited_for);
	tcase_add_test(tc, nor_one_who_goes_on_talking);
	tcase_add_test(tc, it_waits_for_one_who_closed_its_pipes);
	tcase_add_test(tc, the_group_is_its_own_unless_it_is_to_be_ours);
	tcase_add_test(tc, in_our_group_the_child_alone_is_killed);
	tcase_add_test(tc, what_is_not_there_is_not_started);
	tcase_add_test(tc, a_name_is_searched_where_the_protocol_says);
	tcase_add_test(tc, the_environment_is_what_the_protocol_says);
	tcase_add_test(tc, nothing_of_ours_is_inherited_and_nothing_stays_open);
	tcase_add_test(tc, its_outputs_may_be_our_own);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
