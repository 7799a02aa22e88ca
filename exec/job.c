#include "exec/job.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "exec/capture.h"
#include "exec/cgroup.h"
#include "exec/kin.h"
#include "exec/memfd.h"
#include "exec/spawn.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTION_FD 3 /* in the child */
#define RESULT_FD      4
#define PATH_SIZE      1024 /* of a control group: systemd's are under 200 bytes */
#define READ_SIZE      (32 * VMV_KIB)
#define LOOK_MIN_MS    5 /* whether the child has ended, where no event tells; doubles */
#define LOOK_MAX_MS    100
#define AGAIN_MS       10  /* from one attempt to kill the rest to the next */
#define ATTEMPTS_MAX   100 /* then what is left hangs in the kernel */
#define STOPS_MAX      8   /* looks for those that are not stopped yet */
#define FREE_MS	       20
#define FREE_ATTEMPTS  3

struct stream {
	struct vmv_job *job;
	int number; /* 1, 2 */
	int fd;	    /* -1: at its end, or closed */
	struct event *io;
	uint64_t total;
	bool is_cut;
	struct vmv_capture kept;
	char *chunk; /* VMV_STREAM_CHUNK bytes; NULL: not streamed */
	size_t chunk_len;
	uint64_t chunk_ms; /* when its first byte came, or the last ones went */
};

struct vmv_job {
	struct event_base *base;
	const struct vmv_clock *clock;
	const struct vmv_job_calls *calls;
	void *arg;
	uint64_t term_at_ms, kill_at_ms, late_at_ms;
	uint64_t stream_left; /* bytes that may still be handed out */
	struct event *timer;

	pid_t pid; /* 0: not started, or reaped */
	int pidfd; /* -1: it is looked for its end */
	struct event *exit_event;
	uint64_t look_ms;
	uint32_t look_pause_ms;

	struct stream streams[2];
	bool is_paused;

	int result_fd;
	struct event *result_io;
	struct vmv_buf result;
	bool is_result_too_long;

	char *group;		/* name that it was to have, or NULL */
	char cgroup[PATH_SIZE]; /* path, once known */
	bool has_path;		/* the line was read */
	int cgroup_fd;		/* -1: none */
	struct vmv_kin kin;	/* without a group */

	bool is_timed_out, is_cancelled; /* and it was sent TERM or KILL for that */
	bool is_killed;
	bool is_late;	/* told */
	bool has_begun; /* told */
	uint64_t cancel_ms;
	bool has_ended; /* the child; it is reaped at the very end, so that its number stays its */
	siginfo_t status;
	uint64_t linger_ms; /* pipes may live so long */
	unsigned attempts;  /* to kill what it left */
	uint64_t again_ms;
};

static void step(struct vmv_job *j);
static void arm(struct vmv_job *j);

static uint64_t now_ms(const struct vmv_job *j)
{
	return vmv_mono_ms(j->clock);
}

static bool is_condemned(const struct vmv_job *j)
{
	return j->is_timed_out || j->is_cancelled;
}

/* -- streams -------------------------------------------------------------------------------------
 */

static void stream_close(struct stream *s)
{
	if (s->io)
		event_free(s->io);
	s->io = NULL;
	vmv_closep(&s->fd);
	s->fd = -1;
}

/* Hands n bytes of the chunk out, or as many as may still be. */
static void hand_out(struct stream *s, size_t n)
{
	struct vmv_job *j = s->job;
	size_t may = n;

	if (may > j->stream_left) {
		s->is_cut = true;
		may = vmv_capture_whole(s->chunk, (size_t)j->stream_left);
		j->stream_left = may; /* the rest would follow a gap */
	}
	j->stream_left -= may;
	if (may > 0)
		j->calls->output(j->arg, s->number, s->chunk, may);
	s->chunk_len -= n;
	memmove(s->chunk, s->chunk + n, s->chunk_len);
	s->chunk_ms = now_ms(j);
}

static void hand_out_whole(struct stream *s)
{
	size_t n = vmv_capture_whole(s->chunk, s->chunk_len);

	if (n > 0)
		hand_out(s, n);
}

static void take_streamed(struct stream *s, const char *data, size_t len)
{
	while (len > 0) {
		size_t room = VMV_STREAM_CHUNK - s->chunk_len;
		size_t n = len < room ? len : room;

		if (s->chunk_len == 0)
			s->chunk_ms = now_ms(s->job);
		memcpy(s->chunk + s->chunk_len, data, n);
		s->chunk_len += n;
		data += n;
		len -= n;
		if (s->chunk_len == VMV_STREAM_CHUNK)
			hand_out_whole(s);
	}
}

static void take(struct stream *s, const char *data, size_t len)
{
	s->total += len;
	if (s->chunk)
		take_streamed(s, data, len);
	else
		vmv_capture_add(&s->kept, data, len);
}

/* Reads what is there, within a budget: the rest comes in the next turn. Closes it at its end. */
static void stream_read(struct stream *s)
{
	char data[READ_SIZE];
	ssize_t n;

	for (size_t sum = 0; s->fd >= 0 && sum < VMV_READ_BUDGET; sum += (size_t)n) {
		if (s->job->is_paused)
			return;
		n = read(s->fd, data, sizeof(data));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			stream_close(s);
			s->job->look_ms = 0; /* most likely it has ended */
			s->job->look_pause_ms = LOOK_MIN_MS;
			return;
		}
		take(s, data, (size_t)n);
	}
}

static void on_stream(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	stream_read(s);
	step(s->job);
}

/* No more will come. */
static void stream_finish(struct stream *s)
{
	int left = 0;

	stream_read(s);
	if (s->fd >= 0 && ioctl(s->fd, FIONREAD, &left) == 0 && left > 0)
		s->is_cut = true;
	stream_close(s);
	if (s->chunk_len > 0)
		hand_out(s, s->chunk_len);
}

static int stream_start(struct vmv_job *j, struct stream *s, int fd,
			const struct vmv_job_spec *spec)
{
	s->fd = fd;
	if (spec->raw_left)
		vmv_capture_init_raw(&s->kept, spec->output_max, spec->raw_left);
	else
		vmv_capture_init(&s->kept, spec->output_max);
	if (spec->is_streamed) {
		s->chunk = malloc(VMV_STREAM_CHUNK);
		if (!s->chunk)
			return -ENOMEM;
	}
	s->io = event_new(j->base, fd, EV_READ | EV_PERSIST, on_stream, s);
	return s->io && event_add(s->io, NULL) == 0 ? 0 : -ENOMEM;
}

/* -- the result ----------------------------------------------------------------------------------
 */

static void result_close(struct vmv_job *j)
{
	if (j->result_io)
		event_free(j->result_io);
	j->result_io = NULL;
	vmv_closep(&j->result_fd);
	j->result_fd = -1;
}

/* Takes the first line, once it is whole. A group that is not this job's own is none. */
static void take_path(struct vmv_job *j)
{
	const char *end = j->result.len > 0 ? memchr(j->result.data, '\n', j->result.len) : NULL;
	size_t len = end ? (size_t)(end - j->result.data) : 0;

	if (!end)
		return;
	j->has_path = true;
	if (len > 0 && len < sizeof(j->cgroup) && j->group) {
		memcpy(j->cgroup, j->result.data, len);
		j->cgroup[len] = '\0';
		if (vmv_cgroup_is_of(j->cgroup, j->group))
			j->cgroup_fd = vmv_cgroup_open(j->cgroup);
	}
	vmv_buf_drain(&j->result, len + 1);
}

static void take_result(struct vmv_job *j, const char *data, size_t len)
{
	if (j->is_result_too_long)
		return;
	if (vmv_buf_add(&j->result, data, len) < 0) {
		j->is_result_too_long = true;
		vmv_buf_clear(&j->result, 0);
		return;
	}
	if (!j->has_path)
		take_path(j);
	if (j->has_path && j->result.len > VMV_JOB_RESULT_MAX) {
		j->is_result_too_long = true;
		vmv_buf_clear(&j->result, 0);
	}
}

static void result_read(struct vmv_job *j)
{
	char data[READ_SIZE];
	ssize_t n;

	for (size_t sum = 0; j->result_fd >= 0 && sum < VMV_READ_BUDGET; sum += (size_t)n) {
		n = read(j->result_fd, data, sizeof(data));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			result_close(j);
			return;
		}
		take_result(j, data, (size_t)n);
	}
}

static void on_result(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_job *j = arg;

	(void)fd;
	(void)what;
	result_read(j);
	step(j);
}

/* -- signals -------------------------------------------------------------------------------------
 */

/* Stopped, none of them starts another one, or goes on with its next step when it sees that what it
 * waited for has died. Returns how many there are beside the child, or negative errno. */
static int stop_kin(struct vmv_job *j)
{
	int n = 0, before = -1;

	(void)kill(-j->pid, SIGSTOP);
	for (int i = 0; i < STOPS_MAX && n != before; i++) {
		before = n;
		n = vmv_kin_look(&j->kin);
		vmv_kin_signal(&j->kin, SIGSTOP);
	}
	return n;
}

/* One attempt to kill all there is. Returns whether anything but the child was left. */
static bool kill_rest(struct vmv_job *j)
{
	int r;

	result_read(j); /* it may just have said which group it is in */
	if (j->cgroup_fd >= 0) {
		/* first those who wait for others, or they would go on with their next step */
		(void)kill(-j->pid, SIGKILL);
		return vmv_cgroup_kill(j->cgroup_fd) > 0;
	}
	r = stop_kin(j);
	(void)kill(-j->pid, SIGKILL);
	vmv_kin_signal(&j->kin, SIGKILL);
	return r > 0;
}

static void terminate(struct vmv_job *j)
{
	/* who leaves the group while the child ends would not be found afterwards */
	if (j->cgroup_fd < 0)
		(void)vmv_kin_look(&j->kin);
	(void)kill(-j->pid, SIGTERM);
}

static void kill_now(struct vmv_job *j)
{
	if (j->is_killed)
		return;
	j->is_killed = true;
	(void)kill_rest(j);
	j->again_ms = now_ms(j) + AGAIN_MS;
}

void vmv_job_cancel(struct vmv_job *j)
{
	if (is_condemned(j) || j->has_ended)
		return;
	j->is_cancelled = true;
	j->cancel_ms = now_ms(j);
	terminate(j);
	arm(j);
}

/* -- the child's end -----------------------------------------------------------------------------
 */

/* Whether it has ended; it stays a zombie. */
static bool look(struct vmv_job *j)
{
	int r;

	j->status = (siginfo_t){ 0 };
	do {
		r = waitid(P_PID, (id_t)j->pid, &j->status, WEXITED | WNOHANG | WNOWAIT);
	} while (r < 0 && errno == EINTR);
	if (r < 0) { /* somebody else reaped it: how it ended is lost */
		j->status.si_code = CLD_EXITED;
		j->status.si_status = 255;
		return true;
	}
	return j->status.si_pid == j->pid;
}

static void check_child(struct vmv_job *j, uint64_t now)
{
	if (j->has_ended || (j->pidfd < 0 && now < j->look_ms))
		return;
	if (look(j)) {
		j->has_ended = true;
		j->linger_ms = now + VMV_PIPES_LINGER_MS;
		if (j->exit_event)
			event_free(j->exit_event);
		j->exit_event = NULL;
		return;
	}
	j->look_ms = now + j->look_pause_ms;
	if (j->look_pause_ms < LOOK_MAX_MS)
		j->look_pause_ms *= 2;
}

static void on_exit_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	step(arg);
}

/* Linux 5.3; before, it is looked at from time to time. */
static void watch_child(struct vmv_job *j)
{
#ifdef SYS_pidfd_open
	j->pidfd = (int)syscall(SYS_pidfd_open, j->pid, 0);
#endif
	if (j->pidfd < 0)
		return;
	j->exit_event = event_new(j->base, j->pidfd, EV_READ | EV_PERSIST, on_exit_event, j);
	if (j->exit_event && event_add(j->exit_event, NULL) == 0)
		return;
	if (j->exit_event)
		event_free(j->exit_event);
	j->exit_event = NULL;
	vmv_closep(&j->pidfd);
	j->pidfd = -1;
}

static void reap(struct vmv_job *j)
{
	pid_t r;

	do {
		r = waitpid(j->pid, NULL, WNOHANG);
	} while (r < 0 && errno == EINTR);
	if (r != 0)
		j->pid = 0;
}

/* -- the job's end -------------------------------------------------------------------------------
 */

static bool has_pipes(const struct vmv_job *j)
{
	return j->streams[0].fd >= 0 || j->streams[1].fd >= 0 || j->result_fd >= 0;
}

/* The child has ended; its output, too, or it has had its time. */
static bool is_over(const struct vmv_job *j, uint64_t now)
{
	if (!j->has_ended)
		return false;
	if (!has_pipes(j) || now >= j->kill_at_ms || now >= j->late_at_ms || j->is_killed)
		return true;
	/* who does not read now may do so later */
	return now >= j->linger_ms && (!j->is_paused || is_condemned(j));
}

static struct vmv_job_text text_of(const struct stream *s, const struct vmv_captured *c)
{
	return (struct vmv_job_text){
		.data = c->data ? c->data : "",
		.len = c->len,
		.total = s->total,
		.is_cut = s->is_cut || c->is_cut,
	};
}

/* Without memory the text is lost, and said to be cut. */
static void capture_of(const struct stream *s, struct vmv_captured *ret)
{
	if (vmv_capture_text(&s->kept, ret) < 0)
		*ret = (struct vmv_captured){ .is_cut = true };
}

static void stop_events(struct vmv_job *j)
{
	for (int i = 0; i < 2; i++)
		stream_close(&j->streams[i]);
	result_close(j);
	if (j->exit_event)
		event_free(j->exit_event);
	j->exit_event = NULL;
	if (j->timer)
		event_free(j->timer);
	j->timer = NULL;
}

static void tell_end(struct vmv_job *j)
{
	bool was_signalled = j->status.si_code != CLD_EXITED;
	struct vmv_captured kept[2];
	bool has_result = !j->is_result_too_long && j->has_path && j->result.len > 0;
	struct vmv_job_end end = {
		.exit_code = was_signalled ? 128 + j->status.si_status : j->status.si_status,
		.signal = was_signalled ? j->status.si_status : 0,
		.is_timed_out = j->is_timed_out,
		.is_cancelled = j->is_cancelled,
		.is_result_too_long = j->is_result_too_long,
		.result = "",
	};

	if (has_result && vmv_buf_add(&j->result, "", 1) == 0) {
		end.result = j->result.data;
		end.result_len = j->result.len - 1;
	}
	for (int i = 0; i < 2; i++)
		capture_of(&j->streams[i], &kept[i]);
	end.out = text_of(&j->streams[0], &kept[0]);
	end.err = text_of(&j->streams[1], &kept[1]);
	j->calls->ended(j->arg, &end); /* j may be gone */
	free(kept[0].data);
	free(kept[1].data);
}

/* Nobody is there any more who could say what became of it, and nothing was said. */
static void check_begun(struct vmv_job *j)
{
	if (j->has_begun || j->result_fd >= 0 || !j->has_path || j->result.len > 0 ||
	    j->is_result_too_long || is_condemned(j))
		return;
	j->has_begun = true;
	if (j->calls->began)
		j->calls->began(j->arg, j->pid);
}

static void finish(struct vmv_job *j)
{
	j->is_paused = false; /* what is in the pipes is read once more, and handed out */
	for (int i = 0; i < 2; i++)
		stream_finish(&j->streams[i]);
	result_read(j);
	check_begun(j);
	stop_events(j);
	reap(j);
	if (*j->cgroup)
		vmv_cgroup_remove(j->cgroup);
	tell_end(j);
}

/* After a deadline nothing is left behind. Returns false when that takes another attempt. */
static bool is_clean(struct vmv_job *j, uint64_t now)
{
	if (!is_condemned(j) || now >= j->late_at_ms || j->attempts == ATTEMPTS_MAX) {
		if (is_condemned(j))
			(void)kill_rest(j);
		return true;
	}
	if (now < j->again_ms && j->attempts > 0)
		return false;
	j->attempts++;
	j->again_ms = now + AGAIN_MS;
	return !kill_rest(j);
}

/* -- time ----------------------------------------------------------------------------------------
 */

static void check_deadlines(struct vmv_job *j, uint64_t now)
{
	if (j->has_ended)
		return;
	if (now >= j->term_at_ms && !is_condemned(j)) {
		j->is_timed_out = true;
		terminate(j);
	}
	if (now >= j->kill_at_ms) {
		j->is_timed_out = !j->is_cancelled;
		kill_now(j);
	}
	if (j->is_cancelled && now - j->cancel_ms >= VMV_CANCEL_KILL_MS)
		kill_now(j);
	if (j->is_killed && now >= j->again_ms && j->attempts < ATTEMPTS_MAX) {
		j->attempts++;
		j->again_ms = now + AGAIN_MS;
		(void)kill_rest(j);
	}
	if (now >= j->late_at_ms && !j->is_late) {
		j->is_late = true;
		if (j->calls->late)
			j->calls->late(j->arg);
	}
}

static bool has_aged(const struct stream *s, uint64_t now)
{
	return s->chunk_len > 0 && now - s->chunk_ms >= VMV_STREAM_AGE_MS;
}

/* Looks at everything; j may be gone afterwards. */
static void step(struct vmv_job *j)
{
	uint64_t now = now_ms(j);

	check_child(j, now);
	check_begun(j);
	check_deadlines(j, now);
	for (int i = 0; i < 2; i++)
		if (has_aged(&j->streams[i], now))
			hand_out_whole(&j->streams[i]);
	if (is_over(j, now) && is_clean(j, now))
		finish(j);
	else
		arm(j);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	step(arg);
}

static void sooner(uint64_t *due, uint64_t when)
{
	if (when < *due)
		*due = when;
}

static uint64_t next_due(const struct vmv_job *j)
{
	uint64_t due = VMV_JOB_NEVER;

	for (int i = 0; i < 2; i++) {
		const struct stream *s = &j->streams[i];

		if (s->chunk_len > 0 && vmv_capture_whole(s->chunk, s->chunk_len) > 0)
			sooner(&due, s->chunk_ms + VMV_STREAM_AGE_MS);
	}
	if (is_condemned(j) && (j->is_killed || j->attempts > 0) && j->attempts < ATTEMPTS_MAX)
		sooner(&due, j->again_ms);
	if (j->has_ended && j->attempts > 0) /* all else is over: see is_clean */
		return due;
	if (j->has_ended) {
		if (!j->is_paused || is_condemned(j))
			sooner(&due, j->linger_ms);
		sooner(&due, j->kill_at_ms);
		sooner(&due, j->late_at_ms);
		return due;
	}
	if (j->pidfd < 0)
		sooner(&due, j->look_ms);
	if (!is_condemned(j))
		sooner(&due, j->term_at_ms);
	if (!j->is_killed)
		sooner(&due, j->kill_at_ms);
	if (j->is_cancelled && !j->is_killed)
		sooner(&due, j->cancel_ms + VMV_CANCEL_KILL_MS);
	if (!j->is_late)
		sooner(&due, j->late_at_ms);
	return due;
}

static void arm(struct vmv_job *j)
{
	uint64_t now = now_ms(j), due = next_due(j);
	uint64_t ms = due > now ? due - now : 1;
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (due == VMV_JOB_NEVER)
		(void)event_del(j->timer);
	else
		(void)event_add(j->timer, &tv);
}

/* -- start ---------------------------------------------------------------------------------------
 */

static int spawn(struct vmv_job *j, const struct vmv_job_spec *spec, const int theirs[3])
{
	vmv_autoclose int description =
		vmv_memfd("vmvitals-job", spec->description, spec->description_len);
	const char *const argv[] = { "vmvitals-job", NULL };
	const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		NULL
	};
	const struct vmv_spawn_fd fds[] = {
		{ .ours = theirs[0], .theirs = STDOUT_FILENO },
		{ .ours = theirs[1], .theirs = STDERR_FILENO },
		{ .ours = description, .theirs = DESCRIPTION_FD },
		{ .ours = theirs[2], .theirs = RESULT_FD },
	};
	const struct vmv_spawn s = {
		.path = spec->program,
		.argv = argv,
		.env = env,
		.fds = fds,
		.n_fds = VMV_COUNTOF(fds),
		.group = VMV_SPAWN_OWN_SESSION,
	};

	if (description < 0)
		return description;
	return vmv_spawn(&j->pid, &s);
}

/* Takes ours, all of it, whatever happens. */
static int set_up(struct vmv_job *j, const struct vmv_job_spec *spec, const int ours[3])
{
	int r = 0;

	j->result_fd = ours[2];
	j->result_io = event_new(j->base, ours[2], EV_READ | EV_PERSIST, on_result, j);
	for (int i = 0; i < 2; i++) {
		int e = stream_start(j, &j->streams[i], ours[i], spec);

		r = r < 0 ? r : e;
	}
	j->timer = evtimer_new(j->base, on_timer, j);
	if (!j->timer || !j->result_io || event_add(j->result_io, NULL) < 0)
		return -ENOMEM;
	if (spec->group) {
		j->group = strdup(spec->group);
		if (!j->group)
			return -ENOMEM;
	}
	return r;
}

/* A pipe whose end at [0] never blocks. */
static int make_pipe(int *ret_ours, int *ret_theirs)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int start(struct vmv_job *j, const struct vmv_job_spec *spec)
{
	int ours[3] = { -1, -1, -1 }, theirs[3] = { -1, -1, -1 }, r = 0;

	for (int i = 0; i < 3 && r == 0; i++)
		r = make_pipe(&ours[i], &theirs[i]);
	if (r == 0)
		r = set_up(j, spec, ours);
	else
		for (int i = 0; i < 3; i++)
			vmv_closep(&ours[i]);
	if (r == 0)
		r = spawn(j, spec, theirs);
	for (int i = 0; i < 3; i++)
		vmv_closep(&theirs[i]);
	return r;
}

static struct vmv_job *new_job(struct event_base *base, const struct vmv_clock *clock,
			       const struct vmv_job_spec *spec, const struct vmv_job_calls *calls,
			       void *arg)
{
	struct vmv_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	*j = (struct vmv_job){
		.base = base,
		.clock = clock,
		.calls = calls,
		.arg = arg,
		.term_at_ms = spec->term_at_ms,
		.kill_at_ms = spec->kill_at_ms,
		.late_at_ms = spec->late_at_ms,
		.stream_left = spec->stream_max,
		.pidfd = -1,
		.look_pause_ms = LOOK_MIN_MS,
		.streams = { { .job = j, .number = 1, .fd = -1 },
			     { .job = j, .number = 2, .fd = -1 } },
		.result_fd = -1,
		.result = { .max = PATH_SIZE + VMV_JOB_RESULT_MAX + 1 },
		.cgroup_fd = -1,
	};
	return j;
}

int vmv_job_start(struct vmv_job **ret, struct event_base *base, const struct vmv_clock *clock,
		  const struct vmv_job_spec *spec, const struct vmv_job_calls *calls, void *arg,
		  struct vmv_err *err)
{
	struct vmv_job *j = new_job(base, clock, spec, calls, arg);
	int r = j ? start(j, spec) : -ENOMEM;

	if (r < 0) {
		vmv_job_free(j);
		return vmv_fail(err, VMV_E_IO, -r, "cannot start '%.200s': %s", spec->program,
				strerror(-r));
	}
	j->kin.root = j->pid;
	watch_child(j);
	arm(j);
	*ret = j;
	return 0;
}

/* -- the rest ------------------------------------------------------------------------------------
 */

void vmv_job_pause(struct vmv_job *j, bool is_paused)
{
	if (j->is_paused == is_paused || !j->streams[0].chunk)
		return;
	j->is_paused = is_paused;
	for (int i = 0; i < 2; i++) {
		struct stream *s = &j->streams[i];

		if (s->io && is_paused)
			(void)event_del(s->io);
		else if (s->io)
			(void)event_add(s->io, NULL);
	}
	if (j->has_ended && !is_paused) /* it could not be read before */
		j->linger_ms = now_ms(j) + VMV_PIPES_LINGER_MS;
	if (j->timer)
		arm(j);
}

void vmv_job_counts(const struct vmv_job *j, uint64_t ret[2])
{
	for (int i = 0; i < 2; i++)
		ret[i] = j->streams[i].total;
}

int vmv_job_so_far(const struct vmv_job *j, char *ret_data[2], struct vmv_job_text ret[2])
{
	struct vmv_captured kept[2] = { { 0 } };

	for (int i = 0; i < 2; i++) {
		if (vmv_capture_text(&j->streams[i].kept, &kept[i]) < 0) {
			free(kept[0].data);
			return -ENOMEM;
		}
	}
	for (int i = 0; i < 2; i++) {
		ret_data[i] = kept[i].data;
		ret[i] = text_of(&j->streams[i], &kept[i]);
	}
	return 0;
}

pid_t vmv_job_pid(const struct vmv_job *j)
{
	return j->pid;
}

/* It was started, and has not been reaped. */
static void end_now(struct vmv_job *j)
{
	for (int i = 0; i < FREE_ATTEMPTS && kill_rest(j); i++)
		;
	(void)kill(-j->pid, SIGKILL);
	for (int i = 0; i < FREE_MS && j->pid > 0; i++) {
		reap(j);
		if (j->pid > 0)
			(void)poll(NULL, 0, 1);
	}
	if (*j->cgroup)
		vmv_cgroup_remove(j->cgroup);
}

void vmv_job_free(struct vmv_job *j)
{
	if (!j)
		return;
	if (j->pid > 0)
		end_now(j);
	stop_events(j);
	for (int i = 0; i < 2; i++) {
		vmv_capture_free(&j->streams[i].kept);
		free(j->streams[i].chunk);
	}
	vmv_closep(&j->pidfd);
	vmv_closep(&j->cgroup_fd);
	vmv_kin_free(&j->kin);
	vmv_buf_free(&j->result);
	free(j->group);
	free(j);
}

void vmv_job_let_go(struct vmv_job *j)
{
	j->pid = 0;
	vmv_job_free(j);
}
