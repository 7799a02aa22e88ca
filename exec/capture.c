#include "exec/capture.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "exec/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE 65536

static int start(const char *const *argv, const char *const *env, int *ret_fd, pid_t *ret)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	const struct vmv_spawn_fd map[] = { { fds[1], STDOUT_FILENO },
					    { VMV_SPAWN_NULL, STDERR_FILENO } };
	const struct vmv_spawn s = {
		.path = argv[0],
		.argv = argv,
		.env = env,
		.fds = map,
		.n_fds = VMV_COUNTOF(map),
		.group = VMV_SPAWN_OUR_GROUP,
	};

	r = vmv_spawn(ret, &s);
	(void)close(fds[1]);
	if (r < 0)
		(void)close(fds[0]);
	else
		*ret_fd = fds[0];
	return r;
}

/* To the end, whatever happens: a child whose pipe is not read does not end. */
static int drain(int fd, struct vmv_buf *out, bool *ret_is_cut)
{
	char chunk[READ_SIZE];
	ssize_t n;
	int r = 0;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		size_t room = out->max - out->len, len = (size_t)n;

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0 || r < 0)
			continue;
		*ret_is_cut |= len > room;
		r = vmv_buf_add(out, chunk, len < room ? len : room);
	}
	return r;
}

int vmv_capture(const char *const *argv, const char *const *env, struct vmv_buf *out,
		bool *ret_is_cut)
{
	vmv_autoclose int fd = -1;
	int r, status;
	pid_t pid;

	*ret_is_cut = false;
	r = start(argv, env, &fd, &pid);
	if (r < 0)
		return r;
	r = drain(fd, out, ret_is_cut);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (r < 0)
		return r;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
