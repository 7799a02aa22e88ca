/* The life of a guard. From the first FIFREEZE on nothing here may touch a file, allocate, or wait
 * for anything but poll(2). */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/freeze.h"
#include "job/guard_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_MAX 8		 /* further ones wait until they are answered by the end */
#define STACK	    (128 * 1024) /* that is touched before anything is frozen */
#define LOOK_MS	    1000	 /* for the executor, where there is no pidfd; and thawing again */
#define THAW_TRIES  60

struct guard {
	const struct vmv_guard_spec *spec;
	struct vmv_frost *frost; /* shared */
	int report, signals, executor;
	uint64_t executor_start; /* where there is no pidfd */
	int freezer;		 /* end of file: it has ended; -1: seen */
	pid_t freezer_pid;
	uint64_t since_ms; /* monotonic; the freezer began */
	uint64_t thaw_at_ms;
	uint32_t thawed;
	int clients[CLIENTS_MAX];
	size_t n_clients;
};

static uint64_t now_ms(void)
{
	return vmv_mono_ms(&vmv_clock_system);
}

/* -- before ------------------------------------------------------------------------------- */

static void touch_stack(void)
{
	volatile char stack[STACK];

	for (size_t i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 0;
}

static int lock_memory(void)
{
	int fd;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return -errno;
	touch_stack();
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "-1000", 5); /* a container may forbid it, ignoring */
		(void)close(fd);
	}
	return 0;
}

static int watch_executor(struct guard *g)
{
	g->executor = -1;
#ifdef SYS_pidfd_open
	g->executor = (int)syscall(SYS_pidfd_open, g->spec->executor, 0);
	if (g->executor >= 0 || errno != ENOSYS)
		return g->executor < 0 ? -errno : 0;
#endif
	return vmv_freeze_started(g->spec->executor, &g->executor_start);
}

static int watch_signals(struct guard *g)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	g->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return g->signals < 0 ? -errno : 0;
}

static int share(struct guard *g)
{
	void *p = mmap(NULL, sizeof(*g->frost), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	g->frost = p;
	return 0;
}

static int write_all(int dir, const char *name, const char *text, size_t len)
{
	vmv_autoclose int fd = -1;

	(void)unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		return -EIO;
	return fchmod(fd, 0644) < 0 ? -errno : 0;
}

static int write_record(const struct guard *g)
{
	struct vmv_freeze_record r = {
		.since_real_ms = vmv_real_ms(&vmv_clock_system),
		.since_mono_ms = g->since_ms,
		.thaw_at_ms = g->thaw_at_ms,
		.guard = getpid(),
		.count = (uint32_t)g->spec->points->n,
	};
	char text[128];
	int len, error = vmv_freeze_started(r.guard, &r.guard_start);

	if (error < 0)
		return error;
	len = vmv_freeze_format(&r, text, sizeof(text));
	error = write_all(g->spec->dir, VMV_FREEZE_FILE ".new", text, (size_t)len);
	if (error < 0)
		return error;
	return renameat(g->spec->dir, VMV_FREEZE_FILE ".new", g->spec->dir, VMV_FREEZE_FILE) < 0
		       ? -errno
		       : 0;
}

static int start_freezer(struct guard *g)
{
	int ends[2];
	pid_t self = getpid();

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	g->freezer_pid = fork();
	if (g->freezer_pid == 0) {
		vmv_freezer_run(g->spec->points, g->frost, self);
		_exit(0);
	}
	(void)close(ends[1]);
	g->freezer = ends[0];
	if (g->freezer_pid < 0) {
		vmv_closep(&g->freezer);
		g->freezer = -1;
		return -EAGAIN;
	}
	return 0;
}

static int prepare(struct guard *g)
{
	int r = watch_executor(g);

	if (r == 0)
		r = watch_signals(g);
	if (r == 0)
		r = share(g);
	if (r == 0)
		r = lock_memory();
	if (r == 0)
		r = write_record(g);
	return r;
}

/* -- while it lasts ----------------------------------------------------------------------- */

static bool has_executor(const struct guard *g)
{
	uint64_t start;

	return g->executor >= 0 ||
	       (vmv_freeze_started(g->spec->executor, &start) == 0 && start == g->executor_start);
}

static int pause_ms(const struct guard *g, uint64_t until_ms)
{
	uint64_t now = now_ms(), left = until_ms > now ? until_ms - now : 0;

	if (g->executor < 0 && left > LOOK_MS)
		left = LOOK_MS;
	return left > 1000000 ? 1000000 : (int)left;
}

static void accept_client(struct guard *g)
{
	int fd = accept4(g->spec->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && g->n_clients < CLIENTS_MAX)
		g->clients[g->n_clients++] = fd;
	else
		vmv_closep(&fd);
}

enum { LISTENER, SIGNALS, EXECUTOR, REPORT, FREEZER, N_WATCHED };

/* Waits for the end of the freezer, or that it is time to thaw (true). */
static bool wait_turn(struct guard *g)
{
	struct pollfd fds[N_WATCHED] = {
		[LISTENER] = { .fd = g->spec->listener, .events = POLLIN },
		[SIGNALS] = { .fd = g->signals, .events = POLLIN },
		[EXECUTOR] = { .fd = g->executor, .events = POLLIN },
		[REPORT] = { .fd = g->report }, /* hung up: the job is gone */
		[FREEZER] = { .fd = g->freezer, .events = POLLIN },
	};

	if (poll(fds, N_WATCHED, pause_ms(g, g->thaw_at_ms)) < 0 && errno != EINTR)
		return true;
	if (fds[FREEZER].revents) {
		vmv_closep(&g->freezer);
		g->freezer = -1;
	}
	if (fds[LISTENER].revents)
		accept_client(g);
	return fds[LISTENER].revents || fds[SIGNALS].revents || fds[EXECUTOR].revents ||
	       fds[REPORT].revents || !has_executor(g) || now_ms() >= g->thaw_at_ms;
}

/* What the freezer has left behind. */
static struct vmv_guard_word sum_up(const struct guard *g)
{
	struct vmv_guard_word w = { .failed = VMV_POINTS_MAX, .thaw_at_ms = g->thaw_at_ms };

	for (uint32_t i = 0; i < g->spec->points->n; i++) {
		int state = atomic_load(&g->frost->state[i]);

		w.is_frozen[i] = state == VMV_POINT_FROZEN;
		w.count += w.is_frozen[i];
		if (state == VMV_POINT_FROZEN || state == VMV_POINT_SKIPPED)
			continue;
		w.error = state == VMV_POINT_FAILED ? atomic_load(&g->frost->error[i]) : w.error;
		w.failed = state == VMV_POINT_FAILED ? i : w.failed;
		if (!w.error) /* not let finish, or it died */
			w.error = g->freezer >= 0 ? ECANCELED : ECHILD;
	}
	return w;
}

/* False: nobody is there to be told. */
static bool tell(struct guard *g, const struct vmv_guard_word *w)
{
	bool is_told = g->report >= 0 &&
		       send(g->report, w, sizeof(*w), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(*w);

	vmv_closep(&g->report);
	g->report = -1;
	return is_told;
}

static void keep_watch(struct guard *g)
{
	struct vmv_guard_word w;

	while (g->freezer >= 0)
		if (wait_turn(g))
			return;
	w = sum_up(g);
	if (w.error || w.count == 0)
		return; /* told when it is thawed */
	if (!tell(g, &w))
		return;
	while (!wait_turn(g))
		;
}

/* -- after -------------------------------------------------------------------------------- */

/* In order of mounting. False: one is frozen still. is_dead: the freezer has ended, and what it
 * was trying may be frozen, too. */
static bool thaw_points(struct guard *g, bool is_dead)
{
	bool is_done = true;

	for (size_t i = 0; i < g->spec->points->n; i++) {
		int state = atomic_load(&g->frost->state[i]), r;

		if (state != VMV_POINT_FROZEN && !(is_dead && state == VMV_POINT_TRYING))
			continue;
		r = vmv_point_thaw(&g->spec->points->v[i]);
		g->thawed += r == 0;
		if (r == 0 || r == -EINVAL)
			atomic_store(&g->frost->state[i], VMV_POINT_THAWED);
		else
			is_done = false;
	}
	return is_done;
}

static void await_freezer(struct guard *g)
{
	struct pollfd end = { .fd = g->freezer, .events = POLLIN };

	while (g->freezer >= 0 && poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	vmv_closep(&g->freezer);
	g->freezer = -1;
	while (g->freezer_pid > 0 && waitpid(g->freezer_pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void thaw(struct guard *g)
{
	atomic_store(&g->frost->is_over, true);
	(void)thaw_points(g, false);
	await_freezer(g);
	for (int i = 0; !thaw_points(g, true) && i < THAW_TRIES; i++)
		(void)poll(NULL, 0, LOOK_MS);
}

static void answer(struct guard *g, uint64_t frozen_ms)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "thawed %u frozen_ms %llu\n", g->thawed,
			   (unsigned long long)frozen_ms);

	while (g->n_clients > 0) {
		int fd = g->clients[--g->n_clients];

		(void)send(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)close(fd);
	}
}

/* Those that asked while it was thawing, too. */
static void answer_all(struct guard *g)
{
	uint64_t frozen_ms = now_ms() - g->since_ms;
	size_t before;

	(void)unlinkat(g->spec->dir, VMV_FREEZE_SOCKET, 0);
	do {
		answer(g, frozen_ms);
		before = g->n_clients;
		accept_client(g);
	} while (g->n_clients > before);
}

void vmv_guard_run(const struct vmv_guard_spec *spec, int report)
{
	struct guard g = { .spec = spec, .report = report, .freezer = -1 };
	struct vmv_guard_word w = { .failed = VMV_POINTS_MAX };
	int r;

	(void)prctl(PR_SET_NAME, "vmvitals-guard");
	g.since_ms = now_ms();
	g.thaw_at_ms = g.since_ms + spec->timeout_ms;
	r = prepare(&g);
	if (r == 0)
		r = start_freezer(&g);
	if (r == 0) {
		keep_watch(&g);
		if (g.report >= 0) {
			w = sum_up(&g);
			if (!w.error && w.count)
				w.error = ECANCELED;
		}
		thaw(&g);
	} else {
		w.error = -r;
	}
	(void)unlinkat(spec->dir, VMV_FREEZE_FILE, 0);
	(void)tell(&g, &w);
	answer_all(&g);
	(void)munlockall();
	spec->thawed(spec->arg);
}
