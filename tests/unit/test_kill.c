#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/action.h"
#include "tests/lib/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct try t;
static pid_t child;
static char dir[32];

static void up(void)
{
	t = (struct try){ 0 };
	child = 0;
	strcpy(dir, "/tmp/vmvitals-kill-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void down(void)
{
	if (child > 0) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	(void)remove(dir);
}

/* One that waits to be killed, and says so first. */
static void start_child(const char *name)
{
	int ready[2];
	char c;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		(void)signal(SIGTERM, SIG_DFL); /* libcheck's would end us all */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, name);
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void try_kill(pid_t pid, const char *more)
{
	char members[128];

	(void)snprintf(members, sizeof(members), "\"pid\":%d%s", (int)pid, more);
	try_action(&t, "ProcessKill", members, "/");
}

static int wait_signal(void)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	child = 0;
	ck_assert(WIFSIGNALED(status));
	return WTERMSIG(status);
}

static void expect_data(const char *name, const char *sig)
{
	struct json_object *data = try_data(&t);

	ck_assert_int_eq(json_object_get_int(guest_at(data, ".pid")), child);
	ck_assert_str_eq(json_object_get_string(guest_at(data, ".name")), name);
	ck_assert_str_eq(json_object_get_string(guest_at(data, ".signal")), sig);
	json_object_put(data);
}

START_TEST(a_process_gets_the_signal)
{
	start_child("odd ) name (");
	try_kill(child, "");
	EXPECT_OK(&t);
	expect_data("odd ) name (", "SIGTERM");
	try_done(&t);
	ck_assert_int_eq(wait_signal(), SIGTERM);
	start_child("x");
	try_kill(child, ",\"force\":true");
	EXPECT_OK(&t);
	expect_data("x", "SIGKILL");
	try_done(&t);
	ck_assert_int_eq(wait_signal(), SIGKILL);
}
END_TEST

START_TEST(nobody_is_not_found)
{
	start_child("x");
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	try_kill(child, "");
	EXPECT_FAILED(&t, VMV_E_NOTFOUND, "no process has pid");
	ck_assert_uint_eq(t.a.data.buf.len, 0);
	child = 0;
	try_done(&t);
	try_kill(4194304, "");
	EXPECT_FAILED(&t, VMV_E_NOTFOUND, "no process has pid 4194304");
	try_done(&t);
}
END_TEST

static void *tell_tid(void *arg)
{
	int *fds = arg;
	pid_t tid = (pid_t)syscall(SYS_gettid);
	char c;

	(void)!write(fds[1], &tid, sizeof(tid));
	(void)!read(fds[2], &c, 1);
	return NULL;
}

START_TEST(a_thread_is_no_process)
{
	int to[2], from[2], fds[3];
	pthread_t thread;
	pid_t tid;

	ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
	fds[1] = to[1];
	fds[2] = from[0];
	ck_assert_int_eq(pthread_create(&thread, NULL, tell_tid, fds), 0);
	ck_assert_int_eq(read(to[0], &tid, sizeof(tid)), sizeof(tid));
	try_kill(tid, "");
	EXPECT_FAILED(&t, VMV_E_NOTFOUND, "no process has pid");
	try_done(&t);
	(void)close(from[1]);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* When it started as hosts are told: boot time, to the second, and ticks. */
static int64_t start_ms(pid_t pid)
{
	char path[32], text[1024];
	const char *at;
	char *stat = NULL;
	size_t cap = 0;
	uint64_t btime, ticks;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	ck_assert_int_gt(vmv_read_at(AT_FDCWD, path, text, sizeof(text)), 0);
	at = strrchr(text, ')');
	for (int i = 0; i < 20; i++)
		at = strchr(at + 1, ' ');
	ck_assert_int_eq(vmv_parse_u64(at + 1, &ticks, NULL), 0);
	ck_assert_int_gt(vmv_read_table_at(AT_FDCWD, "/proc/stat", &stat, &cap, 1 << 20), 0);
	ck_assert_int_eq(vmv_parse_u64(strstr(stat, "\nbtime ") + 7, &btime, NULL), 0);
	free(stat);
	return (int64_t)(btime * 1000 + ticks * 10);
}

START_TEST(with_a_start_time_only_that_process_is_hit)
{
	static const int64_t others[] = { -1500, 1500, 86400000, -86400000 };
	char stamp[VMV_STAMP_SIZE], more[64];

	start_child("x");
	for (size_t i = 0; i < VMV_COUNTOF(others); i++) {
		vmv_stamp(start_ms(child) + others[i], stamp);
		(void)snprintf(more, sizeof(more), ",\"start_time\":\"%s\"", stamp);
		try_kill(child, more);
		EXPECT_FAILED(&t, VMV_E_NOTFOUND, "another one");
		try_done(&t);
		ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
	}
	vmv_stamp(start_ms(child) + 900, stamp);
	(void)snprintf(more, sizeof(more), ",\"start_time\":\"%s\"", stamp);
	try_kill(child, more);
	EXPECT_OK(&t);
	try_done(&t);
	ck_assert_int_eq(wait_signal(), SIGTERM);
}
END_TEST

START_TEST(process_one_is_spared)
{
	try_kill(1, ",\"force\":true");
	EXPECT_FAILED(&t, VMV_E_DENIED, "process 1 is protected");
	try_done(&t);
}
END_TEST

START_TEST(threads_of_the_kernel_are_spared)
{
	char name[32] = "";

	if (vmv_read_attr_at(AT_FDCWD, "/proc/2/comm", name, sizeof(name)) < 0 ||
	    strcmp(name, "kthreadd") != 0) {
		SAY_SKIPPED("no thread of the kernel is seen from this pid namespace");
		return;
	}
	try_kill(2, "");
	EXPECT_FAILED(&t, VMV_E_DENIED, "thread of the kernel");
	try_done(&t);
}
END_TEST

START_TEST(executor_agent_and_the_job_itself_are_spared)
{
	start_child("x");
	t.settings.executor = child;
	try_kill(child, "");
	EXPECT_FAILED(&t, VMV_E_DENIED, "belongs to vmvitals");
	try_done(&t);
	t.settings.executor = 0;
	t.settings.agent = child;
	try_kill(child, "");
	EXPECT_FAILED(&t, VMV_E_DENIED, "belongs to vmvitals");
	try_done(&t);
	try_kill(getpid(), "");
	EXPECT_FAILED(&t, VMV_E_DENIED, "belongs to vmvitals");
	try_done(&t);
	ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
}
END_TEST

/* Starts a copy of sleep(1) of that name, which belongs to this user. */
static void start_named(const char *name, uid_t owner, char path[64])
{
	char command[128];

	(void)snprintf(path, 64, "%s/%s", dir, name);
	(void)snprintf(command, sizeof(command), "cp \"$(command -v sleep)\" %s", path);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	ck_assert_int_eq(chown(path, owner, owner), 0);
	child = vfork();
	if (child == 0) {
		(void)execl(path, name, "1000", (char *)NULL);
		_exit(127);
	}
}

START_TEST(our_programs_are_spared_by_name_when_they_are_roots)
{
	char path[64];

	if (geteuid() != 0) {
		SAY_SKIPPED("only root can make a program that is root's");
		return;
	}
	start_named("vmvitals-helper", 0, path);
	try_kill(child, "");
	EXPECT_FAILED(&t, VMV_E_DENIED, "belongs to vmvitals");
	try_done(&t);
	ck_assert_int_eq(unlink(path), 0); /* an update */
	try_kill(child, "");
	EXPECT_FAILED(&t, VMV_E_DENIED, "belongs to vmvitals");
	try_done(&t);
	(void)kill(child, SIGKILL);
	ck_assert_int_eq(wait_signal(), SIGKILL);
	start_named("vmvitals-helper", 65534, path); /* somebody takes our name */
	try_kill(child, "");
	EXPECT_OK(&t);
	try_done(&t);
	ck_assert_int_eq(wait_signal(), SIGTERM);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kill");
	TCase *tc = tcase_create("kill");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_process_gets_the_signal);
	tcase_add_test(tc, nobody_is_not_found);
	tcase_add_test(tc, a_thread_is_no_process);
	tcase_add_test(tc, with_a_start_time_only_that_process_is_hit);
	tcase_add_test(tc, process_one_is_spared);
	tcase_add_test(tc, threads_of_the_kernel_are_spared);
	tcase_add_test(tc, executor_agent_and_the_job_itself_are_spared);
	tcase_add_test(tc, our_programs_are_spared_by_name_when_they_are_roots);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
