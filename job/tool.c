#include "job/tool.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "exec/spawn.h"
#include "job/action.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOFT_MS	 1000 /* for the answer, before a deadline */
#define KILL_MS	 1000 /* from TERM to KILL */
#define LOOK_MS	 20   /* where there is no pidfd */
#define CHUNK	 4096
#define LEFT_MAX (256 * 1024) /* read of a child that has ended: others may hold its pipe */

/* PROTOCOL.md 5.1, and what keeps package tools from asking. */
static const char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8",
	"HOME=/root",
	"USER=root",
	"LOGNAME=root",
	"SHELL=/bin/sh",
	"DEBIAN_FRONTEND=noninteractive",
	NULL,
};

struct running {
	pid_t pid;
	int pidfd; /* -1: an old kernel */
	int output;
	struct vmv_buf *out;
	bool is_over; /* reaped */
	int status;
};

uint64_t vmv_tool_soft_deadline(uint64_t deadline_ms)
{
	if (deadline_ms == UINT64_MAX)
		return deadline_ms;
	return deadline_ms > SOFT_MS ? deadline_ms - SOFT_MS : 0;
}

bool vmv_tool_find(const struct vmv_job_settings *s, const char *name, char ret[PATH_MAX])
{
	static const char *const dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					    "/usr/bin",	       "/sbin",		 "/bin" };
	const char *root = strcmp(s->root, "/") == 0 ? "" : s->root;

	for (size_t i = 0; i < VMV_COUNTOF(dirs); i++) {
		struct stat st;

		if (snprintf(ret, PATH_MAX, "%s%s/%s", root, dirs[i], name) < PATH_MAX &&
		    stat(ret, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & S_IXUSR)
			return true;
	}
	return false;
}

static uint64_t now_ms(void)
{
	return vmv_mono_ms(&vmv_clock_system);
}

/* False: nothing more to be had now. */
static bool read_some(struct running *c)
{
	char chunk[CHUNK];
	ssize_t n = read(c->output, chunk, sizeof(chunk));
	size_t room;

	if (n < 0)
		return errno == EINTR;
	if (n == 0) {
		vmv_closep(&c->output);
		c->output = -1;
		return false;
	}
	room = c->out->max - c->out->len;
	(void)vmv_buf_add(c->out, chunk, (size_t)n < room ? (size_t)n : room);
	return true;
}

static void reap(struct running *c)
{
	if (waitpid(c->pid, &c->status, WNOHANG) != c->pid)
		return;
	c->is_over = true;
	for (size_t n = 0; c->output >= 0 && n < LEFT_MAX && read_some(c); n += CHUNK)
		;
}

/* Until it has ended or the time has come. */
static void follow(struct running *c, uint64_t until_ms)
{
	uint64_t now;

	for (reap(c); !c->is_over && (now = now_ms()) < until_ms; reap(c)) {
		uint64_t left = until_ms - now;
		int most = c->pidfd < 0 ? LOOK_MS : 60000;
		struct pollfd fds[] = { { .fd = c->pidfd, .events = POLLIN },
					{ .fd = c->output, .events = POLLIN } };

		(void)poll(fds, 2, left < (uint64_t)most ? (int)left : most);
		if (fds[1].revents)
			(void)read_some(c);
	}
}

/* With all that it has started and that is in its group still. */
static int finish(struct running *c, const char *path, uint64_t deadline_ms, struct vmv_err *err)
{
	follow(c, deadline_ms);
	if (!c->is_over) {
		(void)kill(-c->pid, SIGTERM);
		follow(c, now_ms() + KILL_MS);
		(void)kill(-c->pid, SIGKILL);
		while (!c->is_over)
			follow(c, UINT64_MAX);
		return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "'%.200s' took too long", path);
	}
	return WIFEXITED(c->status) ? WEXITSTATUS(c->status) : 128 + WTERMSIG(c->status);
}

static int open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	return -1;
#endif
}

int vmv_tool_run_path(const char *path, const char *const *argv, uint64_t deadline_ms,
		      struct vmv_buf *out, struct vmv_err *err)
{
	struct running c = { .pidfd = -1, .output = -1, .out = out };
	struct vmv_spawn_fd to = { .ours = STDOUT_FILENO, .theirs = STDOUT_FILENO };
	struct vmv_spawn s = { .path = path,
			       .argv = argv,
			       .env = environment,
			       .fds = &to,
			       .n_fds = 1,
			       .group = VMV_SPAWN_OWN_GROUP };
	int ends[2] = { -1, -1 }, r;

	if (out) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return vmv_fail(err, VMV_E_IO, errno, "cannot make a pipe");
		(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
		to.ours = ends[1];
	}
	c.output = ends[0];
	r = vmv_spawn(&c.pid, &s);
	vmv_closep(&ends[1]);
	if (r == 0) {
		c.pidfd = open_pidfd(c.pid);
		r = finish(&c, path, deadline_ms, err);
	} else {
		(void)vmv_fail(err, r == -ENOENT ? VMV_E_UNSUPPORTED : VMV_E_IO, -r,
			       "cannot run '%.200s': %s", path, strerror(-r));
	}
	vmv_closep(&c.output);
	vmv_closep(&c.pidfd);
	return r;
}

int vmv_tool_run(const struct vmv_job_settings *s, const char *const *argv, uint64_t deadline_ms,
		 struct vmv_buf *out, struct vmv_err *err)
{
	char path[PATH_MAX];

	if (!vmv_tool_find(s, argv[0], path))
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOENT, "there is no '%s' here", argv[0]);
	return vmv_tool_run_path(path, argv, deadline_ms, out, err);
}
