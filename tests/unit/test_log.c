#include "base/log.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/journal.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int out = -1; /* the reading end of standard error */

/* Each test has a process of its own. */
static void up(void)
{
	int fds[2];

	ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	ck_assert_int_eq(close(fds[1]), 0);
	out = fds[0];
	vmv_log_open("prog");
}

static void down(void)
{
	ck_assert_int_eq(close(out), 0);
}

/* What was written since the last call. */
static const char *captured(void)
{
	static char text[65536];
	ssize_t n = read(out, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

START_TEST(a_line_has_identifier_severity_and_subsystem)
{
	vmv_log(VMV_LOG_ERROR, "channel", "bad %d", 7);
	ck_assert_str_eq(captured(), "prog: error: channel: bad 7\n");
	vmv_log(VMV_LOG_WARNING, "channel", "odd");
	ck_assert_str_eq(captured(), "prog: warning: channel: odd\n");
	vmv_log(VMV_LOG_NOTICE, "channel", "well");
	ck_assert_str_eq(captured(), "prog: channel: well\n");
	vmv_log(VMV_LOG_INFO, "channel", "well");
	ck_assert_str_eq(captured(), "prog: channel: well\n");
	vmv_log(VMV_LOG_DEBUG, "channel", "too much");
	ck_assert_str_eq(captured(), "");
}
END_TEST

START_TEST(nothing_from_outside_can_forge_a_second_line)
{
	char text[256] = "";
	const char *got;

	for (int c = 1, n = 0; c < 256; c++)
		text[n++] = (char)c;
	vmv_log(VMV_LOG_INFO, "session", "name '%s'", text);
	got = captured();
	ck_assert_ptr_eq(strchr(got, '\n'), got + strlen(got) - 1);
	for (const char *p = got; p[1]; p++)
		ck_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
	vmv_log(VMV_LOG_INFO, "session", "x\nprog: error: session: forged\r\n\x1b[2J");
	ck_assert_str_eq(captured(), "prog: session: x?prog: error: session: forged???[2J\n");
}
END_TEST

START_TEST(an_endless_message_is_cut_and_stays_one_line)
{
	char text[20000];
	const char *got;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	vmv_log(VMV_LOG_INFO, "session", "%s\n%s", text, text);
	got = captured();
	ck_assert_uint_lt(strlen(got), 1100);
	ck_assert_uint_gt(strlen(got), 1000);
	ck_assert_ptr_eq(strchr(got, '\n'), got + strlen(got) - 1);
}
END_TEST

START_TEST(errno_is_kept)
{
	errno = ENOENT;
	vmv_log(VMV_LOG_INFO, "session", "shown");
	ck_assert_int_eq(errno, ENOENT);
	errno = EBUSY;
	vmv_log(VMV_LOG_DEBUG, "session", "not shown");
	ck_assert_int_eq(errno, EBUSY);
	/* a log that cannot be written is no reason to change it either */
	ck_assert_int_eq(close(STDERR_FILENO), 0);
	errno = EXDEV;
	vmv_log(VMV_LOG_INFO, "session", "lost");
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(fields_do_not_show_on_standard_error)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_CHANNEL", "x" },
		{ "VMVITALS_EMPTY", NULL },
		{ NULL, NULL },
	};

	vmv_log_entry(VMV_LOG_INFO, "session", "0123456789abcdef0123456789abcdef", fields, "hello");
	ck_assert_str_eq(captured(), "prog: session: hello\n");
}
END_TEST

START_TEST(levels_by_subsystem)
{
	ck_assert_int_eq(vmv_log_set_levels("warning,channel=debug,session=error", NULL), 0);
	ck_assert(vmv_log_wants(VMV_LOG_WARNING, "agent"));
	ck_assert(!vmv_log_wants(VMV_LOG_NOTICE, "agent"));
	ck_assert(vmv_log_wants(VMV_LOG_DEBUG, "channel"));
	ck_assert(!vmv_log_wants(VMV_LOG_DEBUG, "channe"));
	ck_assert(!vmv_log_wants(VMV_LOG_DEBUG, "channels"));
	ck_assert(vmv_log_wants(VMV_LOG_ERROR, "session"));
	ck_assert(!vmv_log_wants(VMV_LOG_WARNING, "session"));
	/* a new specification replaces the old one */
	ck_assert_int_eq(vmv_log_set_levels("session=debug", NULL), 0);
	ck_assert(vmv_log_wants(VMV_LOG_DEBUG, "session"));
	ck_assert(vmv_log_wants(VMV_LOG_INFO, "channel"));
	ck_assert(!vmv_log_wants(VMV_LOG_DEBUG, "channel"));
}
END_TEST

#define LONGEST "abcdefghijklmnopqrstuvw" /* 23 characters */
#define SIXTEEN                                                                                \
	"a=info,b=info,c=info,d=info,e=info,f=info,g=info,h=info,i=info,j=info,k=info,l=info," \
	"m=info,n=info,o=info,p=info"

static const char *const good_levels[] = {
	"error",	"warning",	 "notice",	   "info",
	"debug",	"debug,debug",	 "channel=error",  "info,x=debug",
	"x=debug,info", LONGEST "=info", "error," SIXTEEN,
};

START_TEST(good_specifications_are_taken)
{
	ck_assert_int_eq(vmv_log_check_levels(good_levels[_i], NULL), 0);
	ck_assert_int_eq(vmv_log_set_levels(good_levels[_i], NULL), 0);
}
END_TEST

static const char *const bad_levels[] = {
	"",
	",",
	"info,",
	",info",
	"loud",
	"Info",
	"inf",
	"infox",
	"6",
	"info warning",
	" info",
	"=info",
	"x=",
	"x=loud",
	"x==info",
	"x=info=debug",
	"info,x",
	LONGEST "x=info",
	"info;",
	"x=info,,y",
	"x=info,=y",
	"info\n",
	SIXTEEN ",q=info",
};

START_TEST(bad_specifications_change_nothing)
{
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_log_set_levels("error,session=debug", NULL), 0);
	ck_assert_int_eq(vmv_log_check_levels(bad_levels[_i], &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_RANGE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_int_eq(vmv_log_set_levels(bad_levels[_i], &err), -EINVAL);
	ck_assert(vmv_log_wants(VMV_LOG_DEBUG, "session"));
	ck_assert(!vmv_log_wants(VMV_LOG_WARNING, "channel"));
}
END_TEST

/* Says that this is what leads to the journal, off by that many inodes. */
static void claim_journal(int fd, unsigned off)
{
	struct stat st;
	char value[64];

	ck_assert_int_eq(fstat(fd, &st), 0);
	(void)snprintf(value, sizeof(value), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino + off);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", value, 1), 0);
	vmv_log_open("prog");
}

/* A journald of our own, where the real one is looked for. False where no namespace is to be
 * had. */
static bool become_journald(int *ret)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = VMV_JOURNAL_SOCKET };

	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("run", "/run", "tmpfs", 0, NULL) < 0)
		return false;
	ck_assert_int_eq(mkdir("/run/systemd", 0755), 0);
	ck_assert_int_eq(mkdir("/run/systemd/journal", 0755), 0);
	*ret = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(*ret, (struct sockaddr *)&a, sizeof(a)), 0);
	return true;
}

#define ID "0123456789abcdef0123456789abcdef"

START_TEST(an_entry_for_the_journal_has_all_its_fields)
{
	static const char expected[] = "MESSAGE=a?b\nPRIORITY=4\nSYSLOG_IDENTIFIER=prog\n"
				       "VMVITALS_SUBSYSTEM=session\nMESSAGE_ID=" ID "\n"
				       "VMVITALS_CHANNEL=x\nVMVITALS_TEXT\n"
				       "\x03\0\0\0\0\0\0\0y\nz\n";
	char huge[8192], got[4096];
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_CHANNEL", "x" },
		{ "VMVITALS_EMPTY", NULL },
		{ "VMVITALS_TEXT", "y\nz" },
		{ "VMVITALS_HUGE", huge },
		{ NULL, NULL },
	};
	vmv_autoclose int journald = -1;

	if (!become_journald(&journald)) {
		SAY_SKIPPED("no mount namespace to be had");
		return;
	}
	memset(huge, 'h', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	claim_journal(STDERR_FILENO, 0);
	errno = EXDEV;
	vmv_log_entry(VMV_LOG_WARNING, "session", ID, fields, "a\nb");
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(recv(journald, got, sizeof(got), 0), sizeof(expected) - 1);
	ck_assert_mem_eq(got, expected, sizeof(expected) - 1);
	ck_assert_str_eq(captured(), "");
}
END_TEST

START_TEST(what_the_journal_does_not_take_becomes_a_line)
{
	vmv_autoclose int journald = -1;
	char got[256];

	if (!become_journald(&journald)) {
		SAY_SKIPPED("no mount namespace to be had");
		return;
	}
	claim_journal(STDERR_FILENO, 0);
	(void)alarm(20); /* a log that blocks must fail */
	while (!strstr(captured(), "<6>session: more\n"))
		vmv_log(VMV_LOG_INFO, "session", "more");
	while (recv(journald, got, sizeof(got), 0) > 0)
		;
	vmv_log(VMV_LOG_INFO, "session", "it reads again");
	ck_assert_str_eq(captured(), "");
	vmv_closep(&journald);
	journald = -1;
	vmv_log(VMV_LOG_INFO, "session", "it died");
	ck_assert_str_eq(captured(), "<6>session: it died\n");
}
END_TEST

/* A process that takes all there is from the journal's socket, in a moment. */
static pid_t start_late_reader(int journald)
{
	pid_t pid = fork();
	char got[256];

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	(void)usleep(6000);
	while (recv(journald, got, sizeof(got), 0) > 0)
		;
	_exit(0);
}

START_TEST(an_entry_waits_a_moment_for_a_journald_that_is_behind)
{
	vmv_autoclose int journald = -1;
	bool was_taken = false;

	if (!become_journald(&journald)) {
		SAY_SKIPPED("no mount namespace to be had");
		return;
	}
	claim_journal(STDERR_FILENO, 0);
	for (int i = 0; i < 12 && !was_taken; i++) { /* on a busy machine the reader may be later */
		pid_t reader;

		while (!strstr(captured(), "<6>session: full\n"))
			vmv_log(VMV_LOG_INFO, "session", "full");
		(void)usleep(2100000); /* it has not kept up: nobody waits for it meanwhile */
		reader = start_late_reader(journald);
		vmv_log(VMV_LOG_INFO, "session", "in time");
		was_taken = captured()[0] == '\0';
		ck_assert_int_eq(waitpid(reader, NULL, 0), reader);
	}
	ck_assert(was_taken);
}
END_TEST

/* Without journald's socket it reads priorities in front of lines. */
START_TEST(lines_for_the_journal_carry_their_priority)
{
	if (access(VMV_JOURNAL_SOCKET, F_OK) == 0) {
		SAY_SKIPPED("it would go to the real journal");
		return;
	}
	claim_journal(STDERR_FILENO, 0);
	vmv_log(VMV_LOG_WARNING, "session", "a\nb");
	ck_assert_str_eq(captured(), "<4>session: a?b\n");
	/* standard error has been led elsewhere since */
	claim_journal(STDERR_FILENO, 1);
	vmv_log(VMV_LOG_WARNING, "session", "a");
	ck_assert_str_eq(captured(), "prog: warning: session: a\n");
}
END_TEST

/* As systemd makes it: standard error is a stream that journald may leave unread. */
START_TEST(a_stream_to_the_journal_that_nobody_reads_is_not_waited_for)
{
	char got[64];
	int s[2];

	if (access(VMV_JOURNAL_SOCKET, F_OK) == 0) {
		SAY_SKIPPED("it would go to the real journal");
		return;
	}
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	ck_assert_int_eq(dup2(s[1], STDERR_FILENO), STDERR_FILENO);
	claim_journal(STDERR_FILENO, 0);
	(void)alarm(20); /* a log that blocks must fail */
	errno = EXDEV;
	for (int i = 0; i < 20000; i++)
		vmv_log(VMV_LOG_INFO, "session", "x");
	ck_assert_int_eq(read(s[0], got, 14), 14);
	got[14] = '\0';
	ck_assert_str_eq(got, "<6>session: x\n");
	vmv_closep(&s[0]);
	vmv_log(VMV_LOG_INFO, "session", "no signal"); /* SIGPIPE would end this test */
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_is_not_waited_for)
{
	const char *got;

	(void)fcntl(STDERR_FILENO, F_SETFL, 0);
	(void)alarm(20); /* a log that blocks must fail */
	for (int i = 0; i < 20000; i++)
		vmv_log(VMV_LOG_INFO, "session", "x");
	got = captured();
	ck_assert_uint_gt(strlen(got), 4096);
	for (; *got; got += strlen("prog: session: x\n")) /* whole lines only */
		ck_assert_int_eq(strncmp(got, "prog: session: x\n", 17), 0);
	vmv_log(VMV_LOG_INFO, "session", "again");
	ck_assert_str_eq(captured(), "prog: session: again\n");
}
END_TEST

static const char *const not_streams[] = { "", ":", "1", "1:", "x:y", "-1:-1", "8:1x" };

START_TEST(a_malformed_journal_stream_is_none)
{
	ck_assert_int_eq(setenv("JOURNAL_STREAM", not_streams[_i], 1), 0);
	vmv_log_open("prog");
	vmv_log(VMV_LOG_INFO, "session", "a");
	ck_assert_str_eq(captured(), "prog: session: a\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_line_has_identifier_severity_and_subsystem);
	tcase_add_test(tc, nothing_from_outside_can_forge_a_second_line);
	tcase_add_test(tc, an_endless_message_is_cut_and_stays_one_line);
	tcase_add_test(tc, errno_is_kept);
	tcase_add_test(tc, fields_do_not_show_on_standard_error);
	tcase_add_test(tc, levels_by_subsystem);
	tcase_add_loop_test(tc, good_specifications_are_taken, 0, (int)VMV_COUNTOF(good_levels));
	tcase_add_loop_test(tc, bad_specifications_change_nothing, 0, (int)VMV_COUNTOF(bad_levels));
	tcase_add_test(tc, an_entry_for_the_journal_has_all_its_fields);
	tcase_add_test(tc, what_the_journal_does_not_take_becomes_a_line);
	tcase_add_test(tc, an_entry_waits_a_moment_for_a_journald_that_is_behind);
	tcase_add_test(tc, lines_for_the_journal_carry_their_priority);
	tcase_add_test(tc, a_stream_to_the_journal_that_nobody_reads_is_not_waited_for);
	tcase_add_test(tc, a_pipe_that_nobody_reads_is_not_waited_for);
	tcase_add_loop_test(tc, a_malformed_journal_stream_is_none, 0,
			    (int)VMV_COUNTOF(not_streams));
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
