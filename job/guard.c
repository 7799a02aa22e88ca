#include "job/guard.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/freeze.h"
#include "base/num.h"
#include "job/guard_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 8

int vmv_guard_dir(const char *run_dir, struct vmv_err *err)
{
	vmv_autoclose int fd = -1;
	struct stat st;

	if (mkdir(run_dir, 0755) < 0 && errno != EEXIST)
		return vmv_fail(err, VMV_E_IO, errno, "cannot make '%s': %s", run_dir,
				strerror(errno));
	fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open '%s': %s", run_dir,
				strerror(errno));
	if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		return vmv_fail(err, VMV_E_IO, EPERM, "'%s' is not root's alone", run_dir);
	return VMV_TAKE(fd, -1);
}

int vmv_guard_lock(int dir, struct vmv_err *err)
{
	vmv_autoclose int fd =
		openat(dir, VMV_FREEZE_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open '" VMV_FREEZE_LOCK "': %s",
				strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? vmv_fail(err, VMV_E_BUSY, EBUSY, "filesystems are frozen already")
			       : vmv_fail(err, VMV_E_IO, errno, "cannot lock: %s", strerror(errno));
	return VMV_TAKE(fd, -1);
}

/* A path of at most 108 bytes, however long that of run_dir is. */
static struct sockaddr_un address_in(int dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir,
		       VMV_FREEZE_SOCKET);
	return a;
}

static int listen_in(int dir)
{
	vmv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = address_in(dir);

	if (fd < 0)
		return -errno;
	(void)unlinkat(dir, VMV_FREEZE_SOCKET, 0);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    fchmodat(dir, VMV_FREEZE_SOCKET, 0600, 0) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return VMV_TAKE(fd, -1);
}

int vmv_guard_listen(int dir, struct vmv_err *err)
{
	int fd = listen_in(dir);

	return fd >= 0 ? fd
		       : vmv_fail(err, VMV_E_IO, -fd, "cannot make the guard's socket: %s",
				  strerror(-fd));
}

/* -- the process ---------------------------------------------------------------------------- */

struct birth {
	const struct vmv_guard_spec *spec;
	int report;
};

static bool is_kept(const struct birth *b, int fd)
{
	const struct vmv_points *p = b->spec->points;

	if (fd == b->spec->listener || fd == b->report || fd == b->spec->dir || fd == b->spec->lock)
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].fd == fd)
			return true;
	return false;
}

/* The job's pipes have to end with the job. Standard streams become /dev/null. */
static int close_others(const struct birth *b)
{
	vmv_autoclosedir DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	uint64_t fd;

	if (!dir)
		return -errno;
	while ((e = readdir(dir)))
		if (vmv_parse_u64(e->d_name, &fd, NULL) == 0 && (int)fd != dirfd(dir) &&
		    !is_kept(b, (int)fd))
			(void)close((int)fd);
	for (int i = 0; i < 3; i++)
		if (open("/dev/null", O_RDWR) != i) /* the lowest that is free */
			return -EBADF;
	return 0;
}

static void be_guard(const struct birth *b)
{
	if (close_others(b) == 0)
		vmv_guard_run(b->spec, b->report);
	_exit(0);
}

/* In a session of its own, and nobody's child but init's: what ends the job does not end it. */
static int give_birth(const struct birth *b)
{
	pid_t pid = fork();

	if (pid == 0) {
		pid_t guard = setsid() < 0 ? -1 : fork();

		if (guard == 0)
			be_guard(b);
		_exit(guard < 0);
	}
	if (pid > 0) {
		int status;

		while (waitpid(pid, &status, 0) < 0)
			if (errno != EINTR)
				return -errno;
		return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
	}
	return -errno;
}

/* Signals wait while there is nobody yet who heeds them. A job is parent to what its children leave
 * behind, so that all of it can be ended with the job: but not of the guard. */
static int start(const struct birth *b)
{
	sigset_t all, before;
	int is_reaper = 0, r;

	(void)prctl(PR_GET_CHILD_SUBREAPER, &is_reaper);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	r = give_birth(b);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, is_reaper);
	return r;
}

/* -- what it says --------------------------------------------------------------------------- */

/* Readable by then, or hung up. */
static bool await(int fd, uint64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		uint64_t now = vmv_mono_ms(&vmv_clock_system);
		uint64_t left = until_ms > now ? until_ms - now : 0;
		int n = poll(&p, 1, left > 1000000 ? 1000000 : (int)left);

		if (n > 0)
			return true;
		if ((n < 0 && errno != EINTR) || left == 0)
			return false;
	}
}

static int explain(const struct vmv_guard_spec *spec, const struct vmv_guard_word *w,
		   struct vmv_err *err)
{
	if (w->failed < spec->points->n)
		return vmv_fail(err, VMV_E_IO, w->error, "cannot freeze '%.200s': %s",
				spec->points->v[w->failed].path, strerror(w->error));
	if (w->error == ECANCELED)
		return vmv_fail(err, VMV_E_IO, w->error, "thawed before all were frozen");
	return vmv_fail(err, VMV_E_IO, w->error, "cannot freeze: %s", strerror(w->error));
}

static int hear(const struct vmv_guard_spec *spec, int fd, struct vmv_guard_report **ret,
		struct vmv_err *err)
{
	struct vmv_guard_report *report;
	struct vmv_guard_word w;

	if (!await(fd, spec->give_up_ms))
		return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT,
				"not all were frozen in time; they are thawed");
	if (recv(fd, &w, sizeof(w), 0) != sizeof(w))
		return vmv_fail(err, VMV_E_IO, ECHILD, "the guard has ended");
	if (w.error)
		return explain(spec, &w, err);
	report = calloc(1, sizeof(*report) + VMV_POINTS_MAX * sizeof(bool));
	if (!report)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	report->count = w.count;
	report->thaw_at_ms = w.thaw_at_ms;
	memcpy(report->is_frozen, w.is_frozen, VMV_POINTS_MAX * sizeof(bool));
	*ret = report;
	return 0;
}

int vmv_guard_start(const struct vmv_guard_spec *spec, struct vmv_guard_report **ret,
		    bool *ret_begun, struct vmv_err *err)
{
	vmv_autoclose int ours = -1;
	vmv_autoclose int theirs = -1;
	struct birth b = { .spec = spec };
	int ends[2], r;

	*ret_begun = false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot make a socket: %s", strerror(errno));
	ours = ends[0];
	b.report = theirs = ends[1];
	r = start(&b);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot start the guard: %s", strerror(-r));
	*ret_begun = true;
	vmv_closep(&theirs);
	theirs = -1;
	return hear(spec, ours, ret, err);
}

/* -- asking it ------------------------------------------------------------------------------ */

/* "thawed 3 frozen_ms 1234\n" */
static int parse_answer(const char *text, uint64_t *ret_count, uint64_t *ret_frozen_ms)
{
	static const char first[] = "thawed ", second[] = " frozen_ms ";
	const char *at = text + strlen(first);

	if (strncmp(text, first, strlen(first)) != 0 || vmv_parse_u64(at, ret_count, &at) < 0 ||
	    strncmp(at, second, strlen(second)) != 0)
		return -EINVAL;
	return vmv_parse_u64(at + strlen(second), ret_frozen_ms, NULL);
}

int vmv_guard_thaw(int dir, uint64_t deadline_ms, uint64_t *ret_count, uint64_t *ret_frozen_ms,
		   struct vmv_err *err)
{
	vmv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = address_in(dir);
	char text[64];
	ssize_t n;

	if (fd < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED
			       ? -ENOENT
			       : vmv_fail(err, VMV_E_IO, errno, "cannot ask the guard: %s",
					  strerror(errno));
	if (!await(fd, deadline_ms))
		return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "the guard has not thawed yet");
	n = recv(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return -ENOENT; /* it was ending by itself */
	text[n] = '\0';
	if (parse_answer(text, ret_count, ret_frozen_ms) < 0)
		return vmv_fail(err, VMV_E_IO, EPROTO, "the guard's answer is not understood");
	return 0;
}
