/* job/group.c where systemd rules: a bus of our own with a service manager that makes scopes out of
 * real control groups. */
#ifndef HAVE_LIBSYSTEMD

#include <stdio.h>

int main(void)
{
	(void)fputs("SKIPPED: built without libsystemd\n", stderr);
	return 77;
}

#else

#include "job/group.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/root.h"
#include "exec/cgroup.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define START_MS 10000
#define SLICE	 "vmvitals.slice"

static struct fixture fx;
static pid_t bus_pid, service_pid;

/* What the service manager does; set before it starts. */
static enum {
	WORKS,
	REFUSES,
	FAILS,	   /* its job ends with "failed" */
	IS_SILENT, /* its job never ends */
	LIES,	   /* it says that it has moved the process, and has not */
} conduct;

/* -- the service manager ------------------------------------------------------------------- */

struct asked {
	const char *unit, *mode, *slice, *collect;
	uint32_t pid;
	uint64_t tasks_max;
	int kills;
};

static int read_property(sd_bus_message *m, struct asked *a)
{
	const char *name, *type;
	char what;
	int r = sd_bus_message_read(m, "s", &name);

	if (r >= 0)
		r = sd_bus_message_peek_type(m, &what, &type);
	if (r < 0)
		return r;
	if (strcmp(name, "PIDs") == 0)
		return sd_bus_message_read(m, "v", "au", 1, &a->pid);
	if (strcmp(name, "Slice") == 0)
		return sd_bus_message_read(m, "v", "s", &a->slice);
	if (strcmp(name, "CollectMode") == 0)
		return sd_bus_message_read(m, "v", "s", &a->collect);
	if (strcmp(name, "TasksMax") == 0)
		return sd_bus_message_read(m, "v", "t", &a->tasks_max);
	if (strcmp(name, "SendSIGKILL") == 0)
		return sd_bus_message_read(m, "v", "b", &a->kills);
	return sd_bus_message_skip(m, "v");
}

static int read_call(sd_bus_message *m, struct asked *a)
{
	int r = sd_bus_message_read(m, "ss", &a->unit, &a->mode);

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "(sv)");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sv")) > 0) {
		r = read_property(m, a);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

static bool is_as_expected(const struct asked *a)
{
	return a->pid > 1 && a->slice && strcmp(a->slice, SLICE) == 0 &&
	       strcmp(a->mode, "fail") == 0 && a->collect &&
	       strcmp(a->collect, "inactive-or-failed") == 0 && a->tasks_max > 0 &&
	       a->tasks_max <= 4096 && a->kills == 1;
}

static int move(const struct asked *a)
{
	vmv_autoclose int mount = vmv_cgroup_mount();
	char path[256];
	int fd;

	(void)mkdirat(mount, SLICE, 0755);
	(void)snprintf(path, sizeof(path), SLICE "/%s", a->unit);
	if (mkdirat(mount, path, 0755) < 0)
		return -errno;
	(void)stpcpy(path + strlen(path), "/cgroup.procs");
	fd = openat(mount, path, O_WRONLY | O_CLOEXEC);
	if (dprintf(fd, "%u", a->pid) < 0)
		return -errno;
	return close(fd);
}

static int on_start(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	static const char job[] = "/org/freedesktop/systemd1/job/7";
	sd_bus *bus = sd_bus_message_get_bus(m);
	struct asked a = { 0 };
	int r = read_call(m, &a);

	(void)arg;
	if (r < 0 || conduct == REFUSES || !is_as_expected(&a))
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.UnitExists", "no");
	if (conduct == WORKS && move(&a) < 0)
		return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "cannot move it");
	/* another unit's job ends in between */
	(void)sd_bus_emit_signal(bus, "/org/freedesktop/systemd1",
				 "org.freedesktop.systemd1.Manager", "JobRemoved", "uoss", 6,
				 "/org/freedesktop/systemd1/job/6", "other.service", "failed");
	if (conduct != IS_SILENT)
		(void)sd_bus_emit_signal(bus, "/org/freedesktop/systemd1",
					 "org.freedesktop.systemd1.Manager", "JobRemoved", "uoss",
					 7, job, a.unit, conduct == FAILS ? "failed" : "done");
	return sd_bus_reply_method_return(m, "o", job);
}

static const sd_bus_vtable table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("StartTransientUnit", "ssa(sv)a(sa(sv))", "o", on_start,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
	SD_BUS_VTABLE_END,
};

static void serve(int ready)
{
	sd_bus *bus = NULL;
	int r = sd_bus_open_system(&bus);

	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1",
					     "org.freedesktop.systemd1.Manager", table, NULL);
	if (r >= 0)
		r = sd_bus_request_name(bus, "org.freedesktop.systemd1", 0);
	if (r >= 0)
		r = (int)write(ready, "r", 1);
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	_exit(1);
}

/* -- the bus -------------------------------------------------------------------------------- */

static const char config[] =
	"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
	" \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
	"<busconfig><type>session</type><listen>unix:path=%s/bus</listen>\n"
	"<policy context=\"default\"><allow send_destination=\"*\"/>\n"
	"<allow receive_sender=\"*\"/><allow own=\"*\"/></policy>\n"
	"</busconfig>\n";

static bool wait_for_word(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&p, 1, START_MS) == 1 && read(fd, &c, 1) == 1;
}

static bool start_bus(void)
{
	char written[sizeof(config) + sizeof(fx.dir)], path[128];
	int ready[2];
	bool is_up;

	(void)snprintf(written, sizeof(written), config, fx.dir);
	fixture_put(&fx, "bus.conf", written);
	(void)snprintf(path, sizeof(path), "--config-file=%s/bus.conf", fx.dir);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	bus_pid = fork();
	if (bus_pid == 0) {
		(void)dup2(ready[1], STDOUT_FILENO);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		(void)execlp("dbus-daemon", "dbus-daemon", path, "--nofork", "--print-address",
			     (char *)NULL);
		_exit(127);
	}
	(void)close(ready[1]);
	is_up = wait_for_word(ready[0]);
	(void)close(ready[0]);
	return is_up;
}

static void start_service(void)
{
	int ready[2];

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	service_pid = fork();
	if (service_pid == 0)
		serve(ready[1]);
	(void)close(ready[1]);
	ck_assert(wait_for_word(ready[0]));
	(void)close(ready[0]);
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		(void)kill(*pid, SIGKILL);
		(void)waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

/* In a mount namespace of its own, where it looks as if systemd were there. */
static bool pretend(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/run", "tmpfs", 0, NULL) == 0 && mkdir("/run/systemd", 0755) == 0 &&
	       mkdir("/run/systemd/system", 0755) == 0;
}

static bool can_move(void)
{
	vmv_autoclose int mount = vmv_cgroup_mount();
	bool can = mount >= 0 && (mkdirat(mount, SLICE, 0755) == 0 || errno == EEXIST);

	return can;
}

static bool set_the_stage(void)
{
	if (access("/run/systemd/system", F_OK) == 0 || !can_move() || !pretend()) {
		SAY_SKIPPED("no root, no cgroup2 that can be written, or systemd is there");
		return false;
	}
	if (!start_bus()) {
		SAY_SKIPPED("no dbus-daemon here");
		return false;
	}
	return true;
}

static void up(void)
{
	char address[128];

	fixture_up(&fx);
	(void)snprintf(address, sizeof(address), "unix:path=%s/bus", fx.dir);
	ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
}

static void down(void)
{
	vmv_autoclose int mount = vmv_cgroup_mount();

	stop(&service_pid);
	stop(&bus_pid);
	if (mount >= 0)
		(void)unlinkat(mount, SLICE, AT_REMOVEDIR);
	fixture_down(&fx);
}

/* -- the tests ------------------------------------------------------------------------------ */

static const char *name(void)
{
	static char text[32];

	(void)snprintf(text, sizeof(text), "ts-%d", getpid());
	return text;
}

/* In a process of its own, which then waits. What it says: path or error. */
static pid_t enter(const char *of, char ret[600])
{
	int fds[2];
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char path[VMV_GROUP_PATH_SIZE];
		struct vmv_err err = { 0 };
		int r = vmv_group_enter(of, path, &err);

		(void)!dprintf(fds[1], "%s%s", r < 0 ? "error: " : "", r < 0 ? err.msg : path);
		(void)close(fds[1]);
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	n = read(fds[0], ret, 599);
	ck_assert_int_gt(n, 0);
	ret[n] = '\0';
	(void)close(fds[0]);
	return pid;
}

START_TEST(the_job_is_in_a_scope_and_ends_with_it)
{
	char said[600], expected[200], text[64];
	pid_t pid;
	int fd, status;

	if (!set_the_stage())
		return;
	conduct = WORKS;
	start_service();
	pid = enter(name(), said);
	(void)snprintf(expected, sizeof(expected), "/" SLICE "/vmvitals-job-%s.scope", name());
	ck_assert_str_eq(said, expected);
	ck_assert(vmv_cgroup_is_of(said, name()));
	fd = vmv_cgroup_open(said);
	ck_assert_int_gt(vmv_read_at(fd, "cgroup.procs", text, sizeof(text)), 0);
	(void)snprintf(expected, sizeof(expected), "%d\n", pid);
	ck_assert_str_eq(text, expected);
	(void)vmv_cgroup_kill(fd);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	vmv_cgroup_remove(said); /* systemd does that itself */
	(void)close(fd);
	fd = vmv_cgroup_open(said);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	vmv_autoclose int mount = vmv_cgroup_mount();
	ck_assert_int_eq(unlinkat(mount, said + 1, AT_REMOVEDIR), 0);
}
END_TEST

static const struct {
	int conduct;
	unsigned least_ms, most_ms;
} bad[] = {
	{ REFUSES, 0, 4000 },
	{ FAILS, 0, 4000 },
	{ IS_SILENT, VMV_GROUP_WAIT_MS - 100, 30000 },
	{ LIES, 0, 4000 },
};

START_TEST(without_a_scope_there_is_no_path)
{
	uint64_t start_ms;
	char said[600];
	pid_t pid;

	if (!set_the_stage())
		return;
	conduct = bad[_i].conduct;
	start_service();
	start_ms = vmv_mono_ms(&vmv_clock_system);
	pid = enter(name(), said);
	ck_assert_msg(strncmp(said, "error: ", 7) == 0, "%s", said);
	ck_assert_uint_ge(vmv_mono_ms(&vmv_clock_system) - start_ms, bad[_i].least_ms);
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system) - start_ms, bad[_i].most_ms);
	stop(&pid);
}
END_TEST

START_TEST(without_a_bus_there_is_none_either)
{
	char said[600];
	pid_t pid;

	if (!set_the_stage())
		return;
	stop(&bus_pid);
	pid = enter(name(), said);
	ck_assert_msg(strncmp(said, "error: ", 7) == 0, "%s", said);
	stop(&pid);
}
END_TEST

/* Somebody accepts the connection and says nothing. */
START_TEST(a_bus_that_hangs_is_left_in_time)
{
	uint64_t start_ms;
	char said[600];
	pid_t pid;

	if (!set_the_stage())
		return;
	(void)kill(bus_pid, SIGSTOP);
	start_ms = vmv_mono_ms(&vmv_clock_system);
	pid = enter(name(), said);
	ck_assert_msg(strncmp(said, "error: ", 7) == 0, "%s", said);
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system) - start_ms, 20000);
	stop(&pid);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scope");
	TCase *tc = tcase_create("scopes");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_job_is_in_a_scope_and_ends_with_it);
	tcase_add_loop_test(tc, without_a_scope_there_is_no_path, 0, (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, without_a_bus_there_is_none_either);
	tcase_add_test(tc, a_bus_that_hangs_is_left_in_time);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
