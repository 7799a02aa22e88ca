#include "exec/child.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "exec/due.h"
#include "exec/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK	     (16 * VMV_KIB)
#define PW_MAX	     (64 * VMV_KIB)
#define LOOK_MS	     10	  /* without pidfd (before Linux 5.3): whether it has ended */
#define UNKILLED_MS  1000 /* after KILL */
#define N_USUAL	     6	  /* variables */
#define VARIABLE_MAX (PATH_MAX + 16)

/* -- which program ----------------------------------------------------------------------- */

/* Returns 0, -ENOENT or -EACCES. */
static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == EACCES ? -EACCES : -ENOENT;
	return S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0
										       : -EACCES;
}

int vmv_child_find(const char *name, char *ret, size_t cap)
{
	char path[PATH_MAX];
	int found = -ENOENT;

	if (name[0] == '\0' || (name[0] != '/' && strchr(name, '/')))
		return -EINVAL;
	for (const char *dir = name[0] == '/' ? "" : VMV_CHILD_PATH;;
	     dir += strcspn(dir, ":") + 1) {
		int len = (int)strcspn(dir, ":");
		int n = snprintf(path, sizeof(path), "%.*s%s%s", len, dir, len > 0 ? "/" : "",
				 name);
		int r;

		if (n >= (int)sizeof(path) || (size_t)n >= cap)
			return -ENAMETOOLONG;
		r = check_program(path);
		if (r == 0) {
			memcpy(ret, path, (size_t)n + 1);
			return 0;
		}
		if (r == -EACCES)
			found = r;
		if (dir[len] == '\0')
			return found;
	}
}

/* -- its environment --------------------------------------------------------------------- */

struct environment {
	char usual[N_USUAL][VARIABLE_MAX];
	const char **list; /* owned; NULL-terminated */
};

static void environment_done(struct environment *e)
{
	free(e->list);
}

static bool is_same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strcspn(b, "=") == len && memcmp(a, b, len) == 0;
}

static bool is_overridden(const char *variable, const char *const *extra)
{
	for (; extra && *extra; extra++)
		if (is_same_name(variable, *extra))
			return true;
	return false;
}

/* Of the account we run as; one that has no name is known by its number. */
static void name_account(struct environment *e, char *buf)
{
	const char *name, *home = "/", *shell = "/bin/sh";
	struct passwd pw, *found = NULL;
	char number[24];

	(void)snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	name = number;
	if (getpwuid_r(geteuid(), &pw, buf, PW_MAX, &found) == 0 && found) {
		name = pw.pw_name;
		home = pw.pw_dir[0] ? pw.pw_dir : home;
		shell = pw.pw_shell[0] ? pw.pw_shell : shell;
	}
	(void)snprintf(e->usual[2], VARIABLE_MAX, "HOME=%s", home);
	(void)snprintf(e->usual[3], VARIABLE_MAX, "USER=%s", name);
	(void)snprintf(e->usual[4], VARIABLE_MAX, "LOGNAME=%s", name);
	(void)snprintf(e->usual[5], VARIABLE_MAX, "SHELL=%s", shell);
}

static int make_environment(struct environment *e, const char *const *extra)
{
	vmv_autofree char *buf = malloc(PW_MAX);
	size_t n = 0, n_extra = 0;

	while (extra && extra[n_extra])
		n_extra++;
	e->list = calloc(N_USUAL + n_extra + 1, sizeof(*e->list));
	if (!buf || !e->list)
		return -ENOMEM;
	(void)snprintf(e->usual[0], VARIABLE_MAX, "PATH=%s", VMV_CHILD_PATH);
	(void)snprintf(e->usual[1], VARIABLE_MAX, "LANG=C.UTF-8");
	name_account(e, buf);
	for (size_t i = 0; i < N_USUAL; i++)
		if (!is_overridden(e->usual[i], extra))
			e->list[n++] = e->usual[i];
	for (size_t i = 0; i < n_extra; i++)
		e->list[n++] = extra[i];
	return 0;
}

/* -- its descriptors --------------------------------------------------------------------- */

/* One of its streams, here. */
struct stream {
	int ours;   /* read end; -1: closed, or there is none */
	int theirs; /* to be closed once it has it */
	struct vmv_buf *kept;
	size_t max;
	bool *is_cut;
};

struct run {
	struct stream out, err;
	int input; /* as theirs */
	pid_t pid;
	int pidfd; /* -1: not on this kernel */
	bool is_in_our_group;
	bool is_over; /* it has ended; not reaped: its number, which is its group's, is still its */
	uint64_t deadline_ms;
	enum { RUNS, TERMED, KILLED } stage;
	uint64_t stage_ms; /* when it came to this */
	uint64_t over_ms;
};

static uint64_t now_ms(void)
{
	return vmv_mono_ms(&vmv_clock_system);
}

static void close_end(int *fd)
{
	vmv_closep(fd);
	*fd = -1;
}

static void run_done(struct run *r)
{
	close_end(&r->out.ours);
	close_end(&r->out.theirs);
	close_end(&r->err.ours);
	close_end(&r->err.theirs);
	close_end(&r->input);
	close_end(&r->pidfd);
}

static int open_stream(struct stream *s)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	s->ours = fds[0];
	s->theirs = fds[1];
	return fcntl(s->ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* All of it is in the pipe before anybody reads, so that nothing has to wait, and nobody can leave
 * before. */
static int open_input(struct run *r, const struct vmv_child *c)
{
	int fds[2];
	ssize_t n;

	if (!c->input)
		return 0;
	if (c->input_len > VMV_CHILD_INPUT_MAX)
		return -EFBIG;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	r->input = fds[0];
	n = c->input_len > 0 ? write(fds[1], c->input, c->input_len) : 0;
	vmv_closep(&fds[1]);
	return n == (ssize_t)c->input_len ? 0 : -EIO;
}

static int start(struct run *r, const struct vmv_child *c, const char *path)
{
	__attribute__((cleanup(environment_done))) struct environment e = { 0 };
	struct vmv_spawn_fd fds[] = {
		{ .ours = r->input < 0 ? VMV_SPAWN_NULL : r->input, .theirs = STDIN_FILENO },
		{ .ours = STDOUT_FILENO, .theirs = STDOUT_FILENO },
		{ .ours = STDERR_FILENO, .theirs = STDERR_FILENO },
	};
	int ret = make_environment(&e, c->env);

	if (!c->passes_out)
		fds[1].ours = r->out.theirs;
	if (!c->passes_err)
		fds[2].ours = r->err.theirs;
	if (ret == 0)
		ret = vmv_spawn(&r->pid,
				&(struct vmv_spawn){ .path = path,
						     .argv = c->argv,
						     .env = e.list,
						     .fds = fds,
						     .n_fds = VMV_COUNTOF(fds),
						     .group = c->is_in_our_group
								      ? VMV_SPAWN_OUR_GROUP
								      : VMV_SPAWN_OWN_GROUP });
	if (ret < 0)
		return ret;
	close_end(&r->out.theirs);
	close_end(&r->err.theirs);
	close_end(&r->input);
#ifdef SYS_pidfd_open
	r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
#endif
	return 0;
}

/* -- what it says ------------------------------------------------------------------------ */

/* What has come, a chunk of it. Returns 0 or -ENOMEM. */
static int read_stream(struct stream *s)
{
	char chunk[CHUNK];
	size_t room, len;
	ssize_t n = read(s->ours, chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		close_end(&s->ours);
		return 0;
	}
	room = s->max - s->kept->len;
	len = (size_t)n < room ? (size_t)n : room;
	if (len < (size_t)n)
		*s->is_cut = true;
	return vmv_buf_add(s->kept, chunk, len);
}

static int terminate(struct vmv_buf *b)
{
	int r = vmv_buf_add(b, "", 1);

	if (r == 0)
		b->len--;
	return r;
}

/* -- its end ----------------------------------------------------------------------------- */

static void send_signal(const struct run *r, int signo)
{
	(void)kill(r->is_in_our_group ? r->pid : -r->pid, signo);
}

/* Notes that it has ended. Not reaped before all is over. */
static void look(struct run *r)
{
	siginfo_t info = { .si_pid = 0 };

	if (r->is_over)
		return;
	if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == 0)
		return;
	r->is_over = true;
	r->over_ms = now_ms();
}

/* When the stage that it is in ends. */
static uint64_t stage_end(const struct run *r)
{
	if (r->stage == RUNS)
		return r->deadline_ms;
	return r->stage_ms + (r->stage == TERMED ? VMV_CHILD_KILL_MS : UNKILLED_MS);
}

/* Returns false when it is given up. */
static bool strike(struct run *r, uint64_t now)
{
	if (r->is_over || now < stage_end(r))
		return true;
	if (r->stage == KILLED)
		return false;
	r->stage = r->stage == RUNS ? TERMED : KILLED;
	r->stage_ms = now;
	send_signal(r, r->stage == TERMED ? SIGTERM : SIGKILL);
	return true;
}

static bool is_silent(const struct run *r)
{
	return r->out.ours < 0 && r->err.ours < 0;
}

/* Whoever was left behind may hold the pipes open for ever. */
static bool is_finished(const struct run *r, uint64_t now)
{
	return r->is_over && (is_silent(r) || now - r->over_ms >= VMV_PIPES_LINGER_MS);
}

static int pause_of(const struct run *r, uint64_t now)
{
	uint64_t due = VMV_DUE_NEVER;

	if (r->is_over)
		vmv_due_must(&due, r->over_ms + VMV_PIPES_LINGER_MS, now);
	else if (stage_end(r) != VMV_CHILD_NEVER)
		vmv_due_must(&due, stage_end(r), now);
	if (!r->is_over && r->pidfd < 0)
		vmv_due_must(&due, now + LOOK_MS, now);
	if (due == VMV_DUE_NEVER)
		return -1;
	return due - now > INT_MAX ? INT_MAX : (int)(due - now);
}

/* Returns 0, -ENOMEM, or -ETIME when it is given up. */
static int attend(struct run *r)
{
	uint64_t now = now_ms();
	int ret = 0;

	while (ret == 0 && !is_finished(r, now)) {
		struct pollfd p[] = { { .fd = r->out.ours, .events = POLLIN },
				      { .fd = r->err.ours, .events = POLLIN },
				      { .fd = r->is_over ? -1 : r->pidfd, .events = POLLIN } };

		(void)poll(p, VMV_COUNTOF(p), pause_of(r, now));
		if (p[0].revents)
			ret = read_stream(&r->out);
		if (p[1].revents && ret == 0)
			ret = read_stream(&r->err);
		look(r);
		now = now_ms();
		if (!strike(r, now))
			return -ETIME;
	}
	return ret;
}

/* What it left in its own group goes with one that was late. Returns 0, or -ECHILD when somebody
 * else has reaped it. */
static int reap(struct run *r, struct vmv_child_end *e)
{
	int status;
	pid_t pid;

	if (r->stage != RUNS && !r->is_in_our_group)
		send_signal(r, SIGKILL);
	do {
		pid = waitpid(r->pid, &status, r->is_over ? 0 : WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid < 0)
		return -errno;
	if (pid == 0)
		status = SIGKILL; /* that is what it will die of */
	e->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	e->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	e->is_timed_out = r->stage != RUNS;
	return 0;
}

/* Something of ours failed: it is not to go on without us. */
static void abandon(struct run *r)
{
	send_signal(r, SIGKILL);
	(void)waitpid(r->pid, NULL, r->is_over ? 0 : WNOHANG);
}

/* -- all of it --------------------------------------------------------------------------- */

void vmv_child_end_free(struct vmv_child_end *e)
{
	vmv_buf_free(&e->out);
	vmv_buf_free(&e->err);
}

static int prepare(struct run *r, const struct vmv_child *c)
{
	int ret = open_input(r, c);

	if (ret == 0 && !c->passes_out)
		ret = open_stream(&r->out);
	if (ret == 0 && !c->passes_err)
		ret = open_stream(&r->err);
	return ret;
}

static int run(struct run *r, const struct vmv_child *c, const char *path, struct vmv_child_end *e)
{
	int ret = prepare(r, c);

	if (ret == 0)
		ret = start(r, c, path);
	if (ret < 0)
		return ret;
	ret = attend(r);
	if (ret == 0 || ret == -ETIME)
		ret = terminate(&e->out);
	if (ret == 0)
		ret = terminate(&e->err);
	if (ret < 0) {
		abandon(r);
		return ret;
	}
	return reap(r, e);
}

int vmv_child_run(struct vmv_child_end *ret, const struct vmv_child *c)
{
	struct vmv_child_end e = { .out = { .max = c->out_max + 1 },
				   .err = { .max = c->err_max + 1 } };
	struct run r = {
		.out = { .ours = -1,
			 .theirs = -1,
			 .kept = &e.out,
			 .max = c->out_max,
			 .is_cut = &e.is_out_cut },
		.err = { .ours = -1,
			 .theirs = -1,
			 .kept = &e.err,
			 .max = c->err_max,
			 .is_cut = &e.is_err_cut },
		.input = -1,
		.pidfd = -1,
		.is_in_our_group = c->is_in_our_group,
		.deadline_ms = c->deadline_ms,
	};
	char path[PATH_MAX];
	int result = vmv_child_find(c->argv[0], path, sizeof(path));

	if (result == 0 && now_ms() >= c->deadline_ms)
		result = -ETIMEDOUT;
	if (result == 0)
		result = run(&r, c, path, &e);
	run_done(&r);
	if (result < 0) {
		vmv_child_end_free(&e);
		return result;
	}
	*ret = e;
	return 0;
}
