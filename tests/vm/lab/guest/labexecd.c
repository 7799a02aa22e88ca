/* Runs shell commands for the host over a serial line (/dev/ttyS1), so the lab
 * needs neither the agent under test nor any virtio-serial port to see inside
 * the guest.
 *
 * Frame, both ways: 'L' 'X' type flag, u32 id, u32 length (little endian), payload.
 * host -> guest   P ping | E exec: u32 timeout_ms, command (flag 1: keep stdin open)
 *                 I stdin bytes | C stdin ends | K u32 signal, to the process group
 * guest -> host   H hello | O stdout | R stderr | A u32 stdin bytes taken
 *                 X exit: i32 wait status, u32 timed_out, u64 elapsed_us
 * A command is over when its shell is: what a background child still holds open
 * is not waited for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS  16
#define MAX_FRAME (256 * 1024)
#define HEADER	  12
#define PIPE_FULL 65536

struct job {
	pid_t pid;
	uint32_t id;
	int in, out, err;
	uint64_t start_us, deadline_us;
	int timed_out, exited, status;
	unsigned char *feed; /* stdin bytes not yet taken by the command */
	size_t feed_len;
	int feed_end;
};

static struct job jobs[MAX_JOBS];
static int tty;
static unsigned char inbuf[MAX_FRAME + HEADER];
static size_t inlen;

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void put(const void *data, size_t len)
{
	const char *p = data;
	while (len) {
		ssize_t n = write(tty, p, len);
		if (n > 0) {
			p += n;
			len -= n;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd w = { .fd = tty, .events = POLLOUT };
			poll(&w, 1, 1000);
		} else if (n < 0 && errno != EINTR) {
			_exit(1);
		}
	}
}

static void frame(char type, uint32_t id, const void *data, uint32_t len)
{
	unsigned char head[HEADER] = { 'L', 'X', type, 0 };
	memcpy(head + 4, &id, 4);
	memcpy(head + 8, &len, 4);
	put(head, sizeof head);
	put(data, len);
}

static void closefd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Passes on what is there now. */
static void drain(struct job *j, int *fd, char type)
{
	char buf[16384];
	int turns = j->exited ? PIPE_FULL / (int)sizeof buf : 1; /* then the others */
	while (*fd >= 0 && turns) {
		ssize_t n = read(*fd, buf, sizeof buf);
		if (n > 0) {
			frame(type, j->id, buf, n);
			turns--;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else {
			closefd(fd);
		}
	}
}

static void finish(struct job *j)
{
	struct {
		int32_t status;
		uint32_t timed_out;
		uint64_t elapsed_us;
	} x;
	drain(j, &j->out, 'O');
	drain(j, &j->err, 'R');
	x.status = j->status;
	x.timed_out = j->timed_out;
	x.elapsed_us = now_us() - j->start_us;
	frame('X', j->id, &x, sizeof x);
	closefd(&j->in);
	closefd(&j->out);
	closefd(&j->err);
	free(j->feed);
	memset(j, 0, sizeof *j);
}

static void feed(struct job *j)
{
	uint32_t taken = 0;
	while (j->in >= 0 && j->feed_len) {
		ssize_t n = write(j->in, j->feed, j->feed_len);
		if (n > 0) {
			memmove(j->feed, j->feed + n, j->feed_len - n);
			j->feed_len -= n;
			taken += n;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			break;
		} else {
			closefd(&j->in); /* the command reads no more */
		}
	}
	if (j->in < 0 && j->feed_len) {
		taken += j->feed_len;
		j->feed_len = 0;
	}
	if (j->feed_end && !j->feed_len)
		closefd(&j->in);
	if (taken)
		frame('A', j->id, &taken, sizeof taken);
}

static void spawn(uint32_t id, int keep_stdin, const unsigned char *p, uint32_t len)
{
	struct job *j = NULL;
	uint32_t timeout_ms;
	int in[2], out[2], err[2];
	static const struct {
		int32_t status;
		uint32_t t;
		uint64_t e;
	} refused = { 127 << 8, 0, 0 };

	for (int i = 0; i < MAX_JOBS && !j; i++)
		if (!jobs[i].pid)
			j = &jobs[i];
	if (!j || len < 4 || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC)) {
		static const char why[] = "labexecd: too many commands at once\n";
		frame('R', id, why, sizeof why - 1);
		frame('X', id, &refused, sizeof refused);
		return;
	}
	memcpy(&timeout_ms, p, 4);
	char *cmd = strndup((const char *)p + 4, len - 4);
	pid_t pid = fork();
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		setsid();
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		if (chdir("/root"))
			_exit(126);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	free(cmd);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	j->pid = pid;
	j->id = id;
	j->in = in[1];
	j->out = out[0];
	j->err = err[0];
	fcntl(j->in, F_SETFL, O_NONBLOCK);
	fcntl(j->out, F_SETFL, O_NONBLOCK);
	fcntl(j->err, F_SETFL, O_NONBLOCK);
	j->start_us = now_us();
	j->deadline_us = timeout_ms ? j->start_us + (uint64_t)timeout_ms * 1000 : 0;
	if (!keep_stdin)
		closefd(&j->in);
}

static void hello(void)
{
	char id[37] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, id, 36) < 0)
			id[0] = 0;
		close(fd);
	}
	frame('H', 0, id, strlen(id));
}

static void handle(char type, int flag, uint32_t id, unsigned char *p, uint32_t len)
{
	struct job *j = NULL;
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].pid && jobs[i].id == id)
			j = &jobs[i];
	if (type == 'P') {
		hello();
	} else if (type == 'E') {
		spawn(id, flag & 1, p, len);
	} else if (j && type == 'I') {
		unsigned char *more = realloc(j->feed, j->feed_len + len);
		if (!more)
			_exit(1);
		j->feed = more;
		memcpy(more + j->feed_len, p, len);
		j->feed_len += len;
		feed(j);
	} else if (j && type == 'C') {
		j->feed_end = 1;
		feed(j);
	} else if (j && type == 'K' && len == 4) {
		uint32_t sig;
		memcpy(&sig, p, 4);
		kill(-j->pid, sig);
	}
}

static void parse(void)
{
	size_t at = 0;
	while (inlen - at >= HEADER) {
		unsigned char *h = inbuf + at;
		uint32_t id, len;
		memcpy(&id, h + 4, 4);
		memcpy(&len, h + 8, 4);
		if (h[0] != 'L' || h[1] != 'X' || !strchr("PEICK", h[2]) || len > MAX_FRAME) {
			at++; /* out of step: look for the next frame */
			continue;
		}
		if (inlen - at < HEADER + len)
			break;
		handle(h[2], h[3], id, h + HEADER, len);
		at += HEADER + len;
	}
	memmove(inbuf, inbuf + at, inlen - at);
	inlen -= at;
}

static void reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].pid == pid) {
				jobs[i].exited = 1;
				jobs[i].status = status;
				finish(&jobs[i]);
			}
}

int main(int argc, char **argv)
{
	struct termios t;
	sigset_t chld;

	tty = open(argc > 1 ? argv[1] : "/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (tty < 0 || tcgetattr(tty, &t))
		return 1;
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL;
	t.c_cflag &= ~CRTSCTS;
	cfsetspeed(&t, B115200);
	tcsetattr(tty, TCSANOW, &t);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	int sfd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	setenv("HOME", "/root", 1);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("TERM", "dumb", 1);
	setenv("DEBIAN_FRONTEND", "noninteractive", 1);
	setenv("SYSTEMD_PAGER", "", 1);
	hello();

	for (;;) {
		struct pollfd fds[2 + 3 * MAX_JOBS] = { { .fd = tty, .events = POLLIN },
							{ .fd = sfd, .events = POLLIN } };
		uint64_t now = now_us(), next = 0;
		for (int i = 0; i < MAX_JOBS; i++) {
			struct job *j = &jobs[i];
			int live = j->pid != 0;
			fds[2 + 3 * i].fd = live ? j->out : -1;
			fds[3 + 3 * i].fd = live ? j->err : -1;
			fds[4 + 3 * i].fd = live && j->feed_len ? j->in : -1;
			fds[2 + 3 * i].events = fds[3 + 3 * i].events = POLLIN;
			fds[4 + 3 * i].events = POLLOUT;
			if (live && j->deadline_us && !j->timed_out) {
				if (j->deadline_us <= now) {
					j->timed_out = 1;
					kill(-j->pid, SIGKILL);
				} else if (!next || j->deadline_us < next) {
					next = j->deadline_us;
				}
			}
		}
		int wait_ms = next ? (int)((next - now + 999) / 1000) : -1;
		if (poll(fds, sizeof fds / sizeof *fds, wait_ms) < 0 && errno != EINTR)
			return 1;
		if (fds[1].revents) {
			struct signalfd_siginfo si;
			while (read(sfd, &si, sizeof si) > 0)
				;
		}
		if (fds[0].revents) {
			ssize_t n = read(tty, inbuf + inlen, sizeof inbuf - inlen);
			if (n > 0) {
				inlen += n;
				parse();
			} else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
				return 1;
			}
		}
		for (int i = 0; i < MAX_JOBS; i++) {
			struct job *j = &jobs[i];
			if (!j->pid)
				continue;
			if (fds[2 + 3 * i].revents)
				drain(j, &j->out, 'O');
			if (fds[3 + 3 * i].revents)
				drain(j, &j->err, 'R');
			if (fds[4 + 3 * i].revents)
				feed(j);
		}
		reap();
	}
}
