/* Control groups of jobs: job/group.c enters one, exec/cgroup.c ends what is in it. */
#include "job/group.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "exec/cgroup.h"
#include "tests/lib/fixture.h"
#include "tests/lib/jobs.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 8

static bool can_make_groups(void)
{
	vmv_autoclose int mount = vmv_cgroup_mount();
	bool can = mount >= 0 && access("/run/systemd/system", F_OK) < 0 &&
		   (mkdirat(mount, "vmv-test-group", 0755) == 0 || errno == EEXIST);

	if (mount >= 0)
		(void)unlinkat(mount, "vmv-test-group", AT_REMOVEDIR);
	if (!can)
		SAY_SKIPPED("no cgroup2 that can be written, or systemd rules it");
	return can;
}

static const char *name_of(int i)
{
	static char names[MANY + 2][32];

	(void)snprintf(names[i], sizeof(names[i]), "tg-%d-%d", getppid(), i);
	return names[i];
}

struct member {
	pid_t pid;
	int said; /* what it says of its group, then it waits */
	char path[VMV_GROUP_PATH_SIZE];
};

/* In the child, name comes from the parent: getppid() differs. */
static void be_member(const char *name, int to)
{
	char path[VMV_GROUP_PATH_SIZE] = "";
	struct vmv_err err = { 0 };
	int r = vmv_group_enter(name, path, &err);

	(void)!dprintf(to, "%s%s\n", r < 0 ? "error " : "", r < 0 ? err.msg : path);
	for (;;)
		(void)pause();
}

static void start(struct member *m, const char *name)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	m->pid = fork();
	ck_assert_int_ge(m->pid, 0);
	if (m->pid == 0)
		be_member(name, fds[1]);
	(void)close(fds[1]);
	m->said = fds[0];
}

static void listen_to(struct member *m)
{
	ssize_t n = read(m->said, m->path, sizeof(m->path) - 1);

	ck_assert_int_gt(n, 0);
	m->path[n - 1] = '\0';
	(void)close(m->said);
}

static void end(struct member *m, int expected_signal)
{
	int status;

	ck_assert_int_eq(waitpid(m->pid, &status, 0), m->pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), expected_signal);
}

static bool is_empty(void *arg)
{
	return vmv_cgroup_kill(*(int *)arg) == 0;
}

START_TEST(a_member_is_found_and_killed)
{
	struct member m;
	char text[64], expected[64];
	int fd;

	if (!can_make_groups())
		return;
	start(&m, name_of(0));
	listen_to(&m);
	(void)snprintf(expected, sizeof(expected), "/vmvitals/job-%s", name_of(0));
	ck_assert_str_eq(m.path, expected);
	fd = vmv_cgroup_open(m.path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(vmv_read_at(fd, "cgroup.procs", text, sizeof(text)), 0);
	(void)snprintf(expected, sizeof(expected), "%d\n", m.pid);
	ck_assert_str_eq(text, expected);
	if (vmv_read_at(fd, "pids.max", text, sizeof(text)) > 0)
		ck_assert_str_eq(text, "4096\n");
	else
		SAY_SKIPPED("pids.max: the pids controller is not in cgroup2 here");
	vmv_cgroup_remove(m.path); /* in use: it stays */
	ck_assert_int_eq(faccessat(fd, "cgroup.procs", F_OK, 0), 0);
	jobs_until(is_empty, &fd);
	end(&m, SIGKILL);
	vmv_cgroup_remove(m.path);
	ck_assert_int_eq(vmv_cgroup_open(m.path), -ENOENT);
	ck_assert_int_eq(vmv_cgroup_kill(fd), 0); /* it is gone */
	(void)close(fd);
}
END_TEST

START_TEST(nobody_enters_the_group_of_another)
{
	struct member first, second;
	int fd;

	if (!can_make_groups())
		return;
	start(&first, name_of(0));
	listen_to(&first);
	start(&second, name_of(0));
	listen_to(&second);
	ck_assert_int_eq(strncmp(second.path, "error ", 6), 0);
	fd = vmv_cgroup_open(first.path);
	jobs_until(is_empty, &fd);
	end(&first, SIGKILL);
	(void)kill(second.pid, SIGUSR2);
	end(&second, SIGUSR2); /* it was not in it */
	(void)close(fd);
	vmv_cgroup_remove(first.path);
}
END_TEST

/* Each of them sweeps up what is empty, and must not sweep away what is just being entered. */
START_TEST(many_at_once_get_in)
{
	struct member m[MANY];

	if (!can_make_groups())
		return;
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < MANY; i++)
			start(&m[i], name_of(i));
		for (int i = 0; i < MANY; i++) {
			listen_to(&m[i]);
			ck_assert_msg(m[i].path[0] == '/', "%s", m[i].path);
		}
		for (int i = 0; i < MANY; i++) {
			(void)kill(m[i].pid, SIGKILL);
			end(&m[i], SIGKILL);
		}
		/* the next one removes what they left */
		start(&m[0], name_of(MANY));
		listen_to(&m[0]);
		for (int i = 1; i < MANY; i++)
			ck_assert_int_eq(vmv_cgroup_open(m[i].path), -ENOENT);
		(void)kill(m[0].pid, SIGKILL);
		end(&m[0], SIGKILL);
		vmv_cgroup_remove(m[0].path);
	}
}
END_TEST

static pid_t sleeper(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	while (pid == 0)
		(void)pause();
	return pid;
}

/* No cgroup.kill: before Linux 5.14 each is killed by its number, in groups below, too. */
START_TEST(old_kernels_are_told_each_number)
{
	struct fixture fx;
	struct member a = { .pid = sleeper() }, b = { .pid = sleeper() }, c = { .pid = sleeper() };
	char text[64];
	int fd;

	fixture_up(&fx);
	(void)snprintf(text, sizeof(text), "%d\n%d\n", a.pid, b.pid);
	fixture_put(&fx, "proc/group/cgroup.procs", text);
	(void)snprintf(text, sizeof(text), "%d\n", c.pid);
	fixture_put(&fx, "proc/group/below/deep/cgroup.procs", text);
	fixture_put(&fx, "proc/group/cgroup.events", "populated 1\nfrozen 0\n");
	fixture_put(&fx, "proc/group/cgroup.freeze", "0\n");
	fd = openat(fx.root.proc, "group", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(vmv_cgroup_kill(fd), 1);
	end(&a, SIGKILL);
	end(&b, SIGKILL);
	end(&c, SIGKILL);
	ck_assert_int_gt(vmv_read_at(fd, "cgroup.freeze", text, sizeof(text)), 0);
	ck_assert_int_eq(text[0], '1');
	fixture_put(&fx, "proc/group/cgroup.procs", "");
	fixture_put(&fx, "proc/group/below/deep/cgroup.procs", "");
	fixture_put(&fx, "proc/group/cgroup.events", "populated 0\nfrozen 0\n");
	ck_assert_int_eq(vmv_cgroup_kill(fd), 0);
	(void)close(fd);
	fixture_down(&fx);
}
END_TEST

static void up(void)
{
	jobs_up();
}

static void down(void)
{
	jobs_down();
}

int main(void)
{
	Suite *s = suite_create("group");
	TCase *tc = tcase_create("groups");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_member_is_found_and_killed);
	tcase_add_test(tc, nobody_enters_the_group_of_another);
	tcase_add_test(tc, many_at_once_get_in);
	tcase_add_test(tc, old_kernels_are_told_each_number);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
