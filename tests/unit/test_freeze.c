#include "base/freeze.h"

#include "base/cleanup.h"
#include "exec/kin.h"
#include "tests/lib/acting.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Filesystems of our own, in files and in a mount namespace of our own: those of the machine are
 * never touched, since the actions see the mountinfo of the fixture only. */

#define IMAGE_SIZE (16 * 1024 * 1024)
#define PATIENCE   30000 /* ms that anything may take */

static struct fixture fx;
static struct acting x;
static bool can_mount;

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool run(const char *const *argv)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		(void)dup2(null, 1);
		(void)dup2(null, 2);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool make_filesystem(const char *name)
{
	char image[128], target[128];
	int fd;

	(void)snprintf(image, sizeof(image), "%s/%s.img", fx.dir, name);
	(void)snprintf(target, sizeof(target), "%s/%s", fx.dir, name);
	fixture_mkdir(&fx, name);
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, IMAGE_SIZE) < 0)
		return false;
	(void)close(fd);
	return run((const char *[]){ "mkfs.ext4", "-q", "-F", image, NULL }) &&
	       run((const char *[]){ "mount", "-o", "loop", image, target, NULL });
}

/* The lines of what is mounted in the tree, as a system would have them whose root that is. */
static void write_mountinfo(void)
{
	char *text = NULL, out[4096] = "", path[128];
	size_t cap = 0, len = strlen(fx.dir);

	ck_assert_int_gt(vmv_read_table_at(AT_FDCWD, "/proc/self/mountinfo", &text, &cap, 1 << 20),
			 0);
	for (char *line = text, *end; *line; line = end + 1) {
		char *at = strstr(line, fx.dir);

		end = strchr(line, '\n');
		if (at && at < end)
			(void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%.*s%.*s\n",
				       (int)(at - line), line, (int)(end - at) - (int)len,
				       at + len);
	}
	free(text);
	(void)snprintf(out + strlen(out), sizeof(out) - strlen(out),
		       "900 1 0:5 / /proc rw - proc proc rw\n"
		       "901 1 0:6 / /tmp rw - tmpfs tmpfs rw\n"
		       "902 1 7:99 / /cd ro - iso9660 /dev/sr0 ro\n");
	(void)snprintf(path, sizeof(path), "proc/self/mountinfo");
	fixture_put(&fx, path, out);
}

static void up(void)
{
	fixture_up(&fx);
	acting_up(&x, &fx);
	can_mount = unshare(CLONE_NEWNS) == 0 &&
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		    make_filesystem("mnt") && make_filesystem("other");
	write_mountinfo();
}

static int lock_fd(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/" VMV_FREEZE_LOCK, x.run_dir);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Until the last guard has ended. */
static void await_guard(void)
{
	vmv_autoclose int fd = lock_fd();
	uint64_t until = now_ms() + PATIENCE;

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		ck_assert_uint_lt(now_ms(), until);
		(void)poll(NULL, 0, 10);
	}
}

static void down(void)
{
	static const char *const names[] = { "mnt", "other" };

	await_guard();
	for (size_t i = 0; can_mount && i < VMV_COUNTOF(names); i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/%s", fx.dir, names[i]);
		ck_assert_int_eq(umount(path), 0);
	}
	acting_down(&x);
	fixture_down(&fx);
}

#define NEED_MOUNTS()                                                              \
	do {                                                                       \
		if (!can_mount) {                                                  \
			SAY_SKIPPED("no filesystem can be made and mounted here"); \
			return;                                                    \
		}                                                                  \
	} while (0)

static int open_mount(const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", fx.dir, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Freezing what is frozen is EBUSY; what was not is thawed again. */
static bool is_frozen(const char *name)
{
	vmv_autoclose int fd = open_mount(name);

	if (ioctl(fd, FIFREEZE, 0) < 0) {
		ck_assert_int_eq(errno, EBUSY);
		return true;
	}
	ck_assert_int_eq(ioctl(fd, FITHAW, 0), 0);
	return false;
}

static int read_record(struct vmv_freeze_record *ret)
{
	return vmv_freeze_read(x.run_dir, ret);
}

static void await_thaw(void)
{
	struct vmv_freeze_record r;
	uint64_t until = now_ms() + PATIENCE;

	while (read_record(&r) != -ENOENT) {
		ck_assert_uint_lt(now_ms(), until);
		(void)poll(NULL, 0, 10);
	}
}

static int freeze(const char *arguments)
{
	return acting_run(&x, "FsFreeze", arguments);
}

#define MNT "{\"mountpoints\":[\"/mnt\"],\"timeout_s\":600}"

START_TEST(frozen_and_thawed)
{
	struct vmv_freeze_record r;

	NEED_MOUNTS();
	ck_assert_int_eq(read_record(&r), -ENOENT);
	ck_assert_msg(freeze(MNT) == 0, "%s", x.err.msg);
	ck_assert_int_eq(acting_int(&x, "frozen"), 1);
	ck_assert_str_eq(json_object_to_json_string_ext(acting_get(&x, "mountpoints"),
							JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE),
			 "[\"/mnt\"]");
	ck_assert_int_le(acting_int(&x, "thaw_in_ms"), 600000);
	ck_assert_int_gt(acting_int(&x, "thaw_in_ms"), 600000 - PATIENCE);
	ck_assert(is_frozen("mnt") && !is_frozen("other"));
	ck_assert_int_eq(read_record(&r), 0);
	ck_assert_uint_eq(r.count, 1);

	ck_assert_int_lt(freeze(MNT), 0);
	ck_assert_int_eq(x.err.code, VMV_E_BUSY);
	ck_assert(is_frozen("mnt"));

	ck_assert_int_eq(acting_run(&x, "FsThaw", "{}"), 0);
	ck_assert_int_eq(acting_int(&x, "thawed"), 1);
	ck_assert_int_ge(acting_int(&x, "frozen_ms"), 0);
	ck_assert(!is_frozen("mnt"));
	ck_assert_int_eq(read_record(&r), -ENOENT);

	ck_assert_int_eq(acting_run(&x, "FsThaw", "{}"), 0);
	ck_assert_int_eq(acting_int(&x, "thawed"), 0);
	ck_assert_int_eq(acting_int(&x, "frozen_ms"), 0);
	await_guard();
	ck_assert_int_eq(freeze(MNT), 0); /* and again */
	ck_assert_int_eq(acting_run(&x, "FsThaw", "{}"), 0);
	ck_assert_int_eq(acting_int(&x, "thawed"), 1);
}
END_TEST

START_TEST(all_is_what_has_a_device_and_can_be_written)
{
	NEED_MOUNTS();
	ck_assert_msg(freeze("{}") == 0, "%s", x.err.msg);
	ck_assert_int_eq(acting_int(&x, "frozen"), 2);
	ck_assert(is_frozen("mnt") && is_frozen("other"));
	ck_assert_int_eq(acting_run(&x, "FsThaw", "{}"), 0);
	ck_assert_int_eq(acting_int(&x, "thawed"), 2);
	ck_assert(!is_frozen("mnt") && !is_frozen("other"));
}
END_TEST

START_TEST(what_is_no_mount_point_is_refused)
{
	NEED_MOUNTS();
	ck_assert_int_lt(freeze("{\"mountpoints\":[\"/none\"]}"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_NOTFOUND);
	ck_assert_int_lt(freeze("{\"mountpoints\":[\"/tmp\"]}"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_UNSUPPORTED);
	ck_assert_int_lt(freeze("{\"mountpoints\":[\"/cd\"]}"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_UNSUPPORTED);
}
END_TEST

START_TEST(it_thaws_when_the_time_is_over)
{
	uint64_t before = now_ms();

	NEED_MOUNTS();
	ck_assert_int_eq(freeze("{\"mountpoints\":[\"/mnt\"],\"timeout_s\":5}"), 0);
	ck_assert(is_frozen("mnt"));
	await_thaw();
	ck_assert_uint_ge(now_ms() - before, 5000);
	ck_assert(!is_frozen("mnt"));
}
END_TEST

static pid_t start_idle(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* of a failed test nothing stays */
		for (;;)
			(void)pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(it_thaws_when_the_executor_dies)
{
	pid_t executor = start_idle();

	x.settings.executor = executor;
	if (can_mount) {
		ck_assert_int_eq(freeze(MNT), 0);
		ck_assert(is_frozen("mnt"));
	}
	end(executor);
	NEED_MOUNTS();
	await_thaw();
	ck_assert(!is_frozen("mnt"));
}
END_TEST

START_TEST(without_an_executor_nothing_is_frozen)
{
	pid_t executor = start_idle();

	end(executor);
	x.settings.executor = executor;
	NEED_MOUNTS();
	ck_assert_int_lt(freeze(MNT), 0);
	ck_assert_int_eq(x.err.code, VMV_E_IO);
	ck_assert(!is_frozen("mnt"));
}
END_TEST

/* As at the deadline of a job: exec/job.c kills all that it can find of it. */
START_TEST(it_outlives_the_job_and_all_its_kin)
{
	struct vmv_kin kin = { 0 };
	siginfo_t info;
	pid_t job;

	NEED_MOUNTS();
	job = fork();
	if (job == 0) {
		(void)setsid();
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* as job/main.c */
		if (freeze(MNT) == 0 && start_idle() > 0)
			(void)raise(SIGSTOP);
		_exit(1);
	}
	ck_assert_int_eq(waitid(P_PID, (id_t)job, &info, WSTOPPED | WNOWAIT), 0);
	ck_assert_int_eq(info.si_code, CLD_STOPPED);
	kin.root = job;
	ck_assert_int_eq(vmv_kin_look(&kin), 1); /* the idle one, and nobody else */
	vmv_kin_signal(&kin, SIGKILL);
	(void)kill(-job, SIGKILL);
	end(job);
	vmv_kin_free(&kin);
	ck_assert(is_frozen("mnt"));
	ck_assert_int_eq(acting_run(&x, "FsThaw", "{}"), 0);
	ck_assert_int_eq(acting_int(&x, "thawed"), 1);
	ck_assert(!is_frozen("mnt"));
}
END_TEST

/* Else the runner of the job would wait for its end for ever. */
START_TEST(it_holds_none_of_the_jobs_descriptors)
{
	struct pollfd end_of_job = { .events = POLLIN };
	int ends[2];

	NEED_MOUNTS();
	ck_assert_int_eq(pipe(ends), 0);
	end_of_job.fd = ends[0];
	ck_assert_int_eq(freeze(MNT), 0);
	(void)close(ends[1]);
	ck_assert_int_eq(poll(&end_of_job, 1, PATIENCE), 1);
	ck_assert(end_of_job.revents & POLLHUP);
	ck_assert(is_frozen("mnt"));
	ck_assert_int_eq(acting_run(&x, "FsThaw", "{}"), 0);
}
END_TEST

START_TEST(it_thaws_when_it_is_told_to_end)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct vmv_freeze_record r;

	NEED_MOUNTS();
	for (size_t i = 0; i < VMV_COUNTOF(signals); i++) {
		await_guard();
		ck_assert_int_eq(freeze(MNT), 0);
		ck_assert_int_eq(read_record(&r), 0);
		ck_assert_int_eq(kill(r.guard, signals[i]), 0);
		await_thaw();
		ck_assert(!is_frozen("mnt"));
	}
}
END_TEST

START_TEST(what_a_killed_guard_left_behind_is_thawed_on_request)
{
	struct vmv_freeze_record r;

	NEED_MOUNTS();
	ck_assert_int_eq(freeze(MNT), 0);
	ck_assert_int_eq(read_record(&r), 0);
	ck_assert_int_eq(kill(r.guard, SIGKILL), 0);
	await_guard();
	ck_assert_int_eq(read_record(&r), -ESRCH);
	ck_assert_int_lt(freeze(MNT), 0);
	ck_assert_int_eq(x.err.code, VMV_E_BUSY);
	ck_assert(is_frozen("mnt"));
	ck_assert_int_eq(acting_run(&x, "FsThaw", "{}"), 0);
	ck_assert_int_eq(acting_int(&x, "thawed"), 1);
	ck_assert_ptr_null(acting_get(&x, "frozen_ms"));
	ck_assert(!is_frozen("mnt"));
	ck_assert_int_eq(read_record(&r), -ENOENT);
}
END_TEST

/* The one mounted last is frozen first, then the other one cannot be. */
START_TEST(a_failure_thaws_what_was_frozen_and_nothing_else)
{
	struct vmv_freeze_record r;
	int fd;

	NEED_MOUNTS();
	fd = open_mount("mnt");
	ck_assert_int_eq(ioctl(fd, FIFREEZE, 0), 0); /* somebody else's */
	ck_assert_int_lt(freeze("{}"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_IO);
	ck_assert_ptr_nonnull(strstr(x.err.msg, "'/mnt'"));
	ck_assert(!is_frozen("other"));
	ck_assert(is_frozen("mnt"));
	ck_assert_int_eq(read_record(&r), -ENOENT);
	ck_assert_int_eq(ioctl(fd, FITHAW, 0), 0);
	(void)close(fd);
}
END_TEST

/* -- a filesystem that does not freeze --------------------------------------------------------- */

/* Writes to a file in /other again and again, and counts: while that is frozen, it stands still. */
static pid_t start_writer(atomic_uint *count)
{
	vmv_autoclose int dir = open_mount("other");
	pid_t pid = fork();

	if (pid == 0) {
		int fd = openat(dir, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		for (;;) {
			if (pwrite(fd, "x", 1, 0) != 1)
				_exit(1);
			atomic_fetch_add(count, 1);
			(void)poll(NULL, 0, 5);
		}
	}
	return pid;
}

/* A write to a file in /mnt that has begun and does not end before the pipe does. */
static pid_t start_endless_write(int from)
{
	vmv_autoclose int dir = open_mount("mnt");
	pid_t pid = fork();

	if (pid == 0) {
		int fd = openat(dir, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		(void)splice(from, NULL, fd, NULL, 4096, 0);
		_exit(0);
	}
	return pid;
}

/* How long the count stood still at the most, in ms, when it goes on after so many. */
static uint64_t longest_pause(atomic_uint *count, uint64_t after_ms)
{
	uint64_t began = now_ms(), last = began, longest = 0;
	unsigned seen = atomic_load(count);

	for (;;) {
		uint64_t now = now_ms();

		ck_assert_uint_lt(now - began, PATIENCE);
		if (atomic_load(count) != seen) {
			longest = now - last > longest ? now - last : longest;
			last = now;
			seen = atomic_load(count);
			if (now - began > after_ms)
				return longest;
		}
		(void)poll(NULL, 0, 5);
	}
}

/* /other is frozen when the guard's freezer hangs at /mnt: it has to be thawed in time. */
START_TEST(one_that_hangs_does_not_keep_the_others_frozen)
{
	struct vmv_freeze_record r;
	atomic_uint *count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t writer, hanging, job;
	int ends[2], status;

	NEED_MOUNTS();
	ck_assert(count != MAP_FAILED);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	hanging = start_endless_write(ends[0]);
	writer = start_writer(count);
	job = fork();
	if (job == 0)
		_exit(freeze("{\"timeout_s\":5}") == 0);
	ck_assert_uint_ge(longest_pause(count, 5500), 2000);
	if (read_record(&r) == 0) {
		ck_assert_int_eq(waitpid(job, &status, WNOHANG), 0); /* it hangs still */
		ck_assert_int_eq(kill(r.guard, 0), 0);
	} else {
		SAY_SKIPPED("this kernel's splice does not keep a filesystem from freezing");
	}
	/* the write ends: then it freezes, and has to be thawed, too */
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(hanging, &status, 0), hanging);
	ck_assert_int_eq(waitpid(job, &status, 0), job);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0); /* it was told that they are not frozen */
	await_guard();
	ck_assert(!is_frozen("mnt") && !is_frozen("other"));
	(void)close(ends[0]);
	(void)close(ends[1]);
	end(writer);
	ck_assert_int_eq(munmap(count, sizeof(*count)), 0);
}
END_TEST

/* -- hooks ------------------------------------------------------------------------------------ */

static void put_hook(const char *name, const char *text, mode_t mode)
{
	char path[128], full[256];

	(void)snprintf(path, sizeof(path), "etc/vmvitals/fsfreeze.d/%s", name);
	(void)snprintf(full, sizeof(full), "%s/%s", fx.dir, path);
	fixture_put(&fx, path, text);
	ck_assert_int_eq(chmod(full, mode), 0);
}

/* Writes its own name, and what it was told. */
#define SAYS          \
	"#!/bin/sh\n" \
	"echo \"${0##*/} $*\" >> ${0%/etc/*}/said\n"

static void check_said(const char *expected)
{
	char path[128], text[512];

	(void)snprintf(path, sizeof(path), "%s/said", fx.dir);
	ck_assert_int_ge(vmv_read_at(AT_FDCWD, path, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
}

START_TEST(hooks_run_in_order_and_back)
{
	NEED_MOUNTS();
	put_hook("20-b", SAYS, 0755);
	put_hook("10-a", SAYS, 0700);
	put_hook("30-not-executable", SAYS, 0644);
	put_hook("40-anybodys", SAYS, 0777);
	ck_assert_int_eq(freeze(MNT), 0);
	check_said("10-a freeze\n20-b freeze\n");
	ck_assert_int_eq(acting_run(&x, "FsThaw", "{}"), 0);
	await_guard();
	check_said("10-a freeze\n20-b freeze\n20-b thaw\n10-a thaw\n");
}
END_TEST

START_TEST(a_failing_hook_aborts_and_those_before_it_are_told)
{
	struct vmv_freeze_record r;

	NEED_MOUNTS();
	put_hook("10-a", SAYS, 0755);
	put_hook("20-b", SAYS "[ $1 = thaw ]\n", 0755);
	put_hook("30-c", SAYS, 0755);
	ck_assert_int_lt(freeze(MNT), 0);
	ck_assert_int_eq(x.err.code, VMV_E_IO);
	ck_assert_ptr_nonnull(strstr(x.err.msg, "20-b"));
	check_said("10-a freeze\n20-b freeze\n20-b thaw\n10-a thaw\n");
	ck_assert(!is_frozen("mnt"));
	ck_assert_int_eq(read_record(&r), -ENOENT);
}
END_TEST

START_TEST(hooks_are_told_when_freezing_fails)
{
	int fd;

	NEED_MOUNTS();
	put_hook("10-a", SAYS, 0755);
	fd = open_mount("mnt");
	ck_assert_int_eq(ioctl(fd, FIFREEZE, 0), 0);
	ck_assert_int_lt(freeze(MNT), 0);
	await_guard();
	check_said("10-a freeze\n10-a thaw\n");
	ck_assert_int_eq(ioctl(fd, FITHAW, 0), 0);
	(void)close(fd);
}
END_TEST

START_TEST(a_run_dir_of_others_is_not_used)
{
	NEED_MOUNTS();
	ck_assert_int_eq(mkdir(x.run_dir, 0755), 0);
	ck_assert_int_eq(chown(x.run_dir, 12, 34), 0);
	ck_assert_int_lt(freeze(MNT), 0);
	ck_assert_int_eq(x.err.code, VMV_E_IO);
	ck_assert(!is_frozen("mnt"));
	ck_assert_int_eq(chown(x.run_dir, 0, 0), 0);
}
END_TEST

START_TEST(unused_blocks_are_trimmed)
{
	struct json_object *paths, *path, *v;

	NEED_MOUNTS();
	ck_assert_msg(acting_run(&x, "FsTrim", "{\"mountpoints\":[\"/mnt\"]}") == 0, "%s",
		      x.err.msg);
	paths = acting_get(&x, "paths");
	ck_assert_uint_eq(json_object_array_length(paths), 1);
	path = json_object_array_get_idx(paths, 0);
	ck_assert(json_object_object_get_ex(path, "mountpoint", &v));
	ck_assert_str_eq(json_object_get_string(v), "/mnt");
	ck_assert(json_object_object_get_ex(path, "error", &v));
	ck_assert_ptr_null(v);
	ck_assert(json_object_object_get_ex(path, "trimmed_bytes", &v));
	ck_assert_int_gt(json_object_get_int64(v), 0);
	ck_assert_int_eq(acting_run(&x, "FsTrim", "{}"), 0);
	ck_assert_uint_eq(json_object_array_length(acting_get(&x, "paths")), 2);
	ck_assert_int_lt(acting_run(&x, "FsTrim", "{\"mountpoints\":[\"/none\"]}"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_NOTFOUND);
}
END_TEST

/* -- as clients of the QEMU guest agent want it ------------------------------------------------ */

#define QGA_FREEZE "guest-fsfreeze-freeze"
#define QGA_LIST   "guest-fsfreeze-freeze-list"
#define QGA_THAW   "guest-fsfreeze-thaw"
#define HOUR	   "\"thaw_after_s\":3600"

static void expect_qga(const char *command, const char *arguments, const char *want)
{
	ck_assert_msg(acting_run_qga(&x, command, arguments, HOUR) == 0, "%s", x.err.msg);
	ck_assert_str_eq(acting_text(&x), want);
}

START_TEST(qga_freezes_all_and_tells_how_many)
{
	struct vmv_freeze_record r;

	NEED_MOUNTS();
	expect_qga(QGA_THAW, "null", "0");
	expect_qga(QGA_FREEZE, "null", "2");
	ck_assert(is_frozen("mnt") && is_frozen("other"));
	ck_assert_int_eq(read_record(&r), 0);
	ck_assert_uint_eq(r.thaw_at_ms - r.since_mono_ms, 3600000);
	ck_assert_int_lt(acting_run_qga(&x, QGA_FREEZE, "null", HOUR), 0);
	ck_assert_int_eq(x.err.code, VMV_E_BUSY);
	ck_assert_int_lt(freeze(MNT), 0); /* nor in the other language */
	ck_assert_int_eq(x.err.code, VMV_E_BUSY);
	expect_qga(QGA_THAW, "{}", "2");
	ck_assert(!is_frozen("mnt") && !is_frozen("other"));
	expect_qga(QGA_THAW, "{}", "0");
}
END_TEST

START_TEST(qga_passes_names_by_that_are_not_there)
{
	struct vmv_freeze_record r;

	NEED_MOUNTS();
	expect_qga(QGA_LIST, "{\"mountpoints\":[\"/none\",\"/tmp\",\"/cd\",\"/mnt\"]}", "1");
	ck_assert(is_frozen("mnt") && !is_frozen("other"));
	expect_qga(QGA_THAW, "{}", "1");
	await_guard();
	expect_qga(QGA_LIST, "{\"mountpoints\":[\"/none\"]}", "0");
	await_guard();
	expect_qga(QGA_LIST, "{\"mountpoints\":[]}", "0");
	await_guard();
	ck_assert_int_eq(read_record(&r), -ENOENT);
	expect_qga(QGA_LIST, "{}", "2");
	expect_qga(QGA_THAW, "{}", "2");
}
END_TEST

START_TEST(qga_leaves_what_somebody_else_has_frozen)
{
	int fd;

	NEED_MOUNTS();
	fd = open_mount("mnt");
	ck_assert_int_eq(ioctl(fd, FIFREEZE, 0), 0);
	expect_qga(QGA_FREEZE, "null", "1");
	ck_assert(is_frozen("other"));
	expect_qga(QGA_THAW, "null", "1");
	ck_assert(is_frozen("mnt") && !is_frozen("other"));
	ck_assert_int_eq(ioctl(fd, FITHAW, 0), 0);
	(void)close(fd);
}
END_TEST

/* A client that has lost patience with a slow hook, and thaws: what it was told must stay true when
 * the hook comes to its end. */
START_TEST(who_thaws_while_hooks_run_is_heard)
{
	char said[128];
	uint64_t until = now_ms() + PATIENCE;
	int status = -1;
	pid_t job;

	(void)snprintf(said, sizeof(said), "%s/said", fx.dir);
	put_hook("10-a",
		 SAYS "i=0\n"
		      "while [ $1 = freeze ] && [ ! -e ${0%/etc/*}/go ] && [ $i -lt 1000 ]; do\n"
		      "i=$((i + 1)); sleep 0.03; done\n",
		 0755);
	put_hook("20-b", SAYS, 0755);
	job = fork();
	if (job == 0)
		_exit(acting_run_qga(&x, QGA_FREEZE, "null", HOUR) < 0 && x.err.sys == ECANCELED);
	while (access(said, F_OK) < 0 && now_ms() < until)
		(void)poll(NULL, 0, 10);
	x.deadline_ms = now_ms() + 1500; /* which is hardly before its soft deadline */
	ck_assert_int_lt(acting_run_qga(&x, QGA_THAW, "null", ""), 0);
	ck_assert_int_eq(x.err.code, VMV_E_TIMEDOUT);
	fixture_put(&fx, "go", "");
	ck_assert_int_eq(waitpid(job, &status, 0), job);
	await_guard();
	check_said("10-a freeze\n10-a thaw\n");
	ck_assert_int_eq(status, W_EXITCODE(1, 0)); /* it was told, too */
	NEED_MOUNTS();
	ck_assert(!is_frozen("mnt") && !is_frozen("other"));
}
END_TEST

/* A tmpfs, which cannot be frozen, that mountinfo says is on a disk. */
static void mount_ram(char path[128])
{
	char file[128], text[4096], *at, *minor;

	(void)snprintf(path, 128, "%s/ram", fx.dir);
	(void)snprintf(file, sizeof(file), "%s/proc/self/mountinfo", fx.dir);
	fixture_mkdir(&fx, "ram");
	ck_assert_int_eq(mount("none", path, "tmpfs", 0, NULL), 0);
	write_mountinfo();
	ck_assert_int_gt(vmv_read_at(AT_FDCWD, file, text, sizeof(text)), 0);
	at = strstr(text, " /ram ");
	ck_assert_ptr_nonnull(at);
	*at = '\0';
	minor = strrchr(text, ':'); /* "36 35 0:42 / /ram rw ..." */
	ck_assert_ptr_nonnull(minor);
	ck_assert_int_eq(minor[-1], '0');
	minor[-1] = '7';
	*at = ' ';
	fixture_put(&fx, "proc/self/mountinfo", text);
}

START_TEST(qga_passes_by_what_cannot_be_frozen_though_it_is_named)
{
	char path[128];

	NEED_MOUNTS();
	mount_ram(path);
	expect_qga(QGA_LIST, "{\"mountpoints\":[\"/ram\",\"/mnt\"]}", "1");
	ck_assert(is_frozen("mnt"));
	expect_qga(QGA_THAW, "{}", "1");
	await_guard();
	ck_assert_int_lt(freeze("{\"mountpoints\":[\"/ram\",\"/mnt\"]}"), 0);
	ck_assert_ptr_nonnull(strstr(x.err.msg, "cannot freeze '/ram'"));
	await_guard();
	ck_assert_int_eq(umount(path), 0);
}
END_TEST

START_TEST(qga_runs_the_same_hooks)
{
	NEED_MOUNTS();
	put_hook("10-a", SAYS "[ ! -e ${0%/etc/*}/refuse ]\n", 0755);
	expect_qga(QGA_FREEZE, "null", "2");
	expect_qga(QGA_THAW, "null", "2");
	await_guard();
	check_said("10-a freeze\n10-a thaw\n");
	fixture_put(&fx, "refuse", "");
	ck_assert_int_lt(acting_run_qga(&x, QGA_FREEZE, "null", HOUR), 0);
	ck_assert_ptr_nonnull(strstr(x.err.msg, "10-a"));
	ck_assert(!is_frozen("mnt") && !is_frozen("other"));
}
END_TEST

START_TEST(qga_trims_and_tells_of_each)
{
	struct json_object *paths, *path, *v;

	NEED_MOUNTS();
	ck_assert_msg(acting_run_qga(&x, "guest-fstrim", "{\"minimum\":65536}", "") == 0, "%s",
		      x.err.msg);
	paths = acting_get(&x, "paths");
	ck_assert_uint_eq(json_object_array_length(paths), 2);
	path = json_object_array_get_idx(paths, 0);
	ck_assert_int_eq(json_object_object_length(path), 3);
	ck_assert(json_object_object_get_ex(path, "path", &v));
	ck_assert_str_eq(json_object_get_string(v), "/mnt");
	ck_assert(json_object_object_get_ex(path, "trimmed", &v));
	ck_assert_int_gt(json_object_get_int64(v), 0);
	ck_assert(json_object_object_get_ex(path, "minimum", &v));
	ck_assert_int_ge(json_object_get_int64(v), 65536);
}
END_TEST

/* -- the record ------------------------------------------------------------------------------- */

START_TEST(a_record_is_read_as_it_was_written)
{
	struct vmv_freeze_record r = { 1700000000000, 1, 2, 3, 4, 5 }, got;
	char text[128];

	ck_assert_int_gt(vmv_freeze_format(&r, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "1700000000000 1 2 3 4 5\n");
	ck_assert_int_eq(vmv_freeze_parse(text, &got), 0);
	ck_assert_int_eq(got.since_real_ms, r.since_real_ms);
	ck_assert_uint_eq(got.since_mono_ms, 1);
	ck_assert_uint_eq(got.thaw_at_ms, 2);
	ck_assert_int_eq(got.guard, 3);
	ck_assert_uint_eq(got.guard_start, 4);
	ck_assert_uint_eq(got.count, 5);
}
END_TEST

static const char *const bad[] = {
	"",
	"\n",
	"1 2 3 4 5\n",
	"1 2 3 4 5 6",
	"1 2 3 4 5 6 7\n",
	"1 2 3 0 5 6\n",	  /* no process */
	"1 2 3 2147483648 5 6\n", /* nor is this */
	"1 2 3 4 5 4294967296\n",
	"1 2 3 -4 5 6\n",
	"1  2 3 4 5 6\n",
	"x 2 3 4 5 6\n",
};

START_TEST(a_malformed_record_is_refused)
{
	struct vmv_freeze_record r = { .count = 7 };

	ck_assert_int_eq(vmv_freeze_parse(bad[_i], &r), -EINVAL);
	ck_assert_uint_eq(r.count, 7);
}
END_TEST

/* A file there is no proof: whoever wrote it must be alive, and be root. */
START_TEST(a_record_is_trusted_as_long_as_its_guard_lives)
{
	struct vmv_freeze_record r = { .guard = getpid(), .count = 1 };
	char text[128], path[128];

	ck_assert_int_eq(vmv_freeze_started(getpid(), &r.guard_start), 0);
	(void)vmv_freeze_format(&r, text, sizeof(text));
	fixture_put(&fx, "run-execd/" VMV_FREEZE_FILE, text);
	ck_assert_int_eq(read_record(&r), 0);
	(void)snprintf(path, sizeof(path), "%s/" VMV_FREEZE_FILE, x.run_dir);
	ck_assert_int_eq(chown(path, 12, 34), 0);
	ck_assert_int_eq(read_record(&r), -EPERM);
	r.guard_start++; /* the number was given to another process */
	(void)vmv_freeze_format(&r, text, sizeof(text));
	ck_assert_int_eq(chown(path, 0, 0), 0);
	fixture_put(&fx, "run-execd/" VMV_FREEZE_FILE, text);
	ck_assert_int_eq(read_record(&r), -ESRCH);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("freeze");
	TCase *tc = tcase_create("filesystems");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, frozen_and_thawed);
	tcase_add_test(tc, all_is_what_has_a_device_and_can_be_written);
	tcase_add_test(tc, what_is_no_mount_point_is_refused);
	tcase_add_test(tc, it_thaws_when_the_time_is_over);
	tcase_add_test(tc, it_thaws_when_the_executor_dies);
	tcase_add_test(tc, without_an_executor_nothing_is_frozen);
	tcase_add_test(tc, it_outlives_the_job_and_all_its_kin);
	tcase_add_test(tc, it_holds_none_of_the_jobs_descriptors);
	tcase_add_test(tc, it_thaws_when_it_is_told_to_end);
	tcase_add_test(tc, what_a_killed_guard_left_behind_is_thawed_on_request);
	tcase_add_test(tc, a_failure_thaws_what_was_frozen_and_nothing_else);
	tcase_add_test(tc, one_that_hangs_does_not_keep_the_others_frozen);
	tcase_add_test(tc, hooks_run_in_order_and_back);
	tcase_add_test(tc, a_failing_hook_aborts_and_those_before_it_are_told);
	tcase_add_test(tc, hooks_are_told_when_freezing_fails);
	tcase_add_test(tc, a_run_dir_of_others_is_not_used);
	tcase_add_test(tc, unused_blocks_are_trimmed);
	tcase_add_test(tc, qga_freezes_all_and_tells_how_many);
	tcase_add_test(tc, qga_passes_names_by_that_are_not_there);
	tcase_add_test(tc, qga_leaves_what_somebody_else_has_frozen);
	tcase_add_test(tc, qga_passes_by_what_cannot_be_frozen_though_it_is_named);
	tcase_add_test(tc, qga_runs_the_same_hooks);
	tcase_add_test(tc, who_thaws_while_hooks_run_is_heard);
	tcase_add_test(tc, qga_trims_and_tells_of_each);
	tcase_add_test(tc, a_record_is_read_as_it_was_written);
	tcase_add_loop_test(tc, a_malformed_record_is_refused, 0, (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, a_record_is_trusted_as_long_as_its_guard_lives);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
