#include "job/relay.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "exec/child.h"
#include "exec/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK	  32768
#define LOOK_MS	  100 /* whether it has ended though somebody holds its pipes open */
#define ENV_MAX	  16
#define N_STREAMS 2

struct relay {
	int fds[N_STREAMS];	 /* our ends; -1: at its end */
	bool is_lost[N_STREAMS]; /* nobody reads it any more */
	pid_t pid;
	bool has_ended;
	int status;
	uint64_t until_ms; /* pipes are read so long after the end */
};

static const char *const usual[] = {
	("PATH=" VMV_CHILD_PATH), "LANG=C.UTF-8",  "HOME=/root", "USER=root",
	"LOGNAME=root",		  "SHELL=/bin/sh",
};

static int start(struct relay *r, const char *const *argv, const char *const *env)
{
	const char *all[ENV_MAX + 1];
	int out[2], err[2], result;
	size_t n = 0;

	for (; n < VMV_COUNTOF(usual); n++)
		all[n] = usual[n];
	for (; n < ENV_MAX && env && *env; env++)
		all[n++] = *env;
	all[n] = NULL;
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC) < 0) {
		result = -errno;
		(void)close(out[0]);
		(void)close(out[1]);
		return result;
	}
	const struct vmv_spawn_fd map[] = { { out[1], STDOUT_FILENO }, { err[1], STDERR_FILENO } };
	const struct vmv_spawn spawn = {
		.path = argv[0],
		.argv = argv,
		.env = all,
		.fds = map,
		.n_fds = VMV_COUNTOF(map),
		.group = VMV_SPAWN_OUR_GROUP,
	};

	result = vmv_spawn(&r->pid, &spawn);
	(void)close(out[1]);
	(void)close(err[1]);
	r->fds[0] = out[0];
	r->fds[1] = err[0];
	return result;
}

static void hand_on(struct relay *r, size_t stream, const char *data, size_t len)
{
	int to = stream == 0 ? STDOUT_FILENO : STDERR_FILENO;

	while (len > 0 && !r->is_lost[stream]) {
		ssize_t n = write(to, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r->is_lost[stream] = true;
			return;
		}
		data += n;
		len -= (size_t)n;
	}
}

static void take(struct relay *r, size_t stream)
{
	char chunk[CHUNK];
	ssize_t n;

	do {
		n = read(r->fds[stream], chunk, sizeof(chunk));
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		hand_on(r, stream, chunk, (size_t)n);
		return;
	}
	(void)close(r->fds[stream]);
	r->fds[stream] = -1;
}

static void look(struct relay *r)
{
	if (r->has_ended || waitpid(r->pid, &r->status, WNOHANG) != r->pid)
		return;
	r->has_ended = true;
	r->until_ms = vmv_mono_ms(&vmv_clock_system) + VMV_PIPES_LINGER_MS;
}

/* Returns false when there is nothing more to wait for. */
static bool step(struct relay *r)
{
	struct pollfd p[N_STREAMS] = { { .fd = r->fds[0], .events = POLLIN },
				       { .fd = r->fds[1], .events = POLLIN } };

	if (r->fds[0] < 0 && r->fds[1] < 0)
		return false;
	if (r->has_ended && vmv_mono_ms(&vmv_clock_system) >= r->until_ms)
		return false;
	if (poll(p, N_STREAMS, LOOK_MS) < 0 && errno != EINTR)
		return false;
	for (size_t i = 0; i < N_STREAMS; i++)
		if (p[i].fd >= 0 && p[i].revents)
			take(r, i);
	look(r);
	return true;
}

int vmv_relay_run(const char *const *argv, const char *const *env)
{
	struct relay r = { .fds = { -1, -1 } };
	int result = start(&r, argv, env);

	while (result == 0 && step(&r))
		;
	for (size_t i = 0; i < N_STREAMS; i++)
		if (r.fds[i] >= 0)
			(void)close(r.fds[i]);
	if (result < 0)
		return result;
	while (!r.has_ended && waitpid(r.pid, &r.status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(r.status) ? 128 + WTERMSIG(r.status) : WEXITSTATUS(r.status);
}
