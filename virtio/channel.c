#include "virtio/channel.h"

#include "base/backoff.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "virtio/port.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE  (64 * VMV_KIB)
#define LASTING_MS 10000 /* a link that lived so long was a good one */

/* How transports differ. A port keeps its descriptor while hosts come and go: reading 0 bytes means
 * that none is attached. A stream is its host: 0 bytes is the end. */
struct traits {
	bool is_port;
	bool is_listener;
	uint32_t retry_min_ms, retry_max_ms;
};

static const struct traits traits[] = {
	[VMV_TRANSPORT_VIRTIO] = { true, false, VMV_RETRY_MIN_MS, VMV_TICK_IDLE_MS },
	[VMV_TRANSPORT_PATH] = { true, false, VMV_RETRY_MIN_MS, VMV_TICK_IDLE_MS },
	[VMV_TRANSPORT_UNIX_LISTEN] = { false, true, VMV_RETRY_MIN_MS, VMV_TICK_IDLE_MS },
	[VMV_TRANSPORT_UNIX_CONNECT] = { false, false, VMV_CONNECT_MIN_MS, VMV_CONNECT_MAX_MS },
	[VMV_TRANSPORT_VSOCK_LISTEN] = { false, true, VMV_RETRY_MIN_MS, VMV_TICK_IDLE_MS },
	[VMV_TRANSPORT_STDIO] = { false, false, 0, 0 },
};

struct vmv_channel {
	struct vmv_channel_params p;
	struct vmv_spec spec;
	const struct traits *traits;
	struct vmv_outq queue;
	struct vmv_channel_counters counters;

	enum vmv_channel_state state;
	int rfd, wfd; /* the same but for stdio; -1 */
	int listener; /* -1 */
	int spare;    /* a descriptor kept back, to turn peers away when there is none left */
	bool is_edge; /* the base can do edge-triggered events */
	bool is_file; /* stdin or stdout that epoll does not take: always ready */
	bool is_paused, is_throttled; /* by the owner; by our own queue */
	bool has_ended;		      /* the peer sends no more */
	bool is_blocked;	      /* the latest write said EAGAIN */
	bool is_tty;   /* a terminal, which does not come back once its other end has gone */
	bool in_turn;  /* what is queued now is written at the end of the turn */
	bool is_stuck; /* reported */
	int said;      /* errno of the last VMV_REPORT_WAITING */
	int stdin_flags, stdout_flags; /* to put back; -1 */
	uint64_t progress_ms;	       /* when output last moved, or was empty */
	uint64_t opened_ms;
	uint64_t tick_due_ms;
	struct vmv_backoff backoff;

	struct event *rev, *wev; /* of rfd; of wfd where that is another one */
	struct event *lev;	 /* of listener */
	struct event *kick;	 /* something was queued */
	struct event *grace;	 /* the rest of a session expires */
	struct event *linger;	 /* a peer that has ended gets so long for its replies */
	struct event *tick;	 /* insurance for ports, and progress watch */
	struct event *retry;	 /* opening again */
};

static void turn(struct vmv_channel *ch);
static void try_open(struct vmv_channel *ch);

static ssize_t sys_read(int fd, void *buf, size_t len)
{
	return read(fd, buf, len);
}

static ssize_t sys_write(int fd, const void *buf, size_t len)
{
	return write(fd, buf, len);
}

static const struct vmv_channel_io system_io = { sys_read, sys_write };

static struct timeval after(uint32_t ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };
}

static void arm_timer(struct event *timer, uint32_t ms)
{
	struct timeval tv = after(ms);

	(void)event_add(timer, &tv);
}

static void report(struct vmv_channel *ch, enum vmv_channel_report what, const struct vmv_err *err)
{
	ch->p.ops->report(ch->p.arg, what, err);
}

/* -- events on the descriptor ---------------------------------------------------------- */

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_channel *ch = arg;

	(void)fd;
	(void)what;
	ch->counters.callbacks++;
	turn(ch);
}

static void forget_event(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

static struct event *watch(struct vmv_channel *ch, int fd, short what)
{
	struct event *ev = event_new(ch->p.base, fd, what, on_io, ch);

	if (!ev)
		return NULL;
	if (event_add(ev, NULL) < 0) { /* EPERM: a regular file */
		ch->is_file = true;
		arm_timer(ch->kick, 0);
	}
	return ev;
}

/* Edge-triggered: one event for both directions, added once, because a port without host would spin
 * a level-triggered wait, and EV_WRITE must be in the mask for a connect to be seen at all. Without
 * epoll: level-triggered, only while a host is there, and writing only while it is full: what the
 * window or a greeting holds back, or a port that takes 0 bytes, would make it spin. */
static bool arm(struct vmv_channel *ch)
{
	bool wants_read = !ch->is_paused && !ch->is_throttled && !ch->has_ended;
	short what = EV_PERSIST;

	if (ch->is_edge) {
		if (ch->rev)
			return true;
		if (ch->rfd != ch->wfd) {
			ch->rev = watch(ch, ch->rfd, EV_READ | EV_PERSIST | EV_ET);
			ch->wev = watch(ch, ch->wfd, EV_WRITE | EV_PERSIST | EV_ET);
			return ch->rev && ch->wev;
		}
		ch->rev = watch(ch, ch->rfd, EV_READ | EV_WRITE | EV_PERSIST | EV_ET);
		return ch->rev != NULL;
	}
	forget_event(&ch->rev);
	forget_event(&ch->wev);
	if (ch->state != VMV_CHANNEL_UP)
		return true;
	if (ch->rfd != ch->wfd) {
		if (wants_read)
			ch->rev = watch(ch, ch->rfd, EV_READ | EV_PERSIST);
		if (ch->is_blocked)
			ch->wev = watch(ch, ch->wfd, EV_WRITE | EV_PERSIST);
		return true;
	}
	if (wants_read)
		what |= EV_READ;
	if (ch->is_blocked)
		what |= EV_WRITE;
	if (what != EV_PERSIST)
		ch->rev = watch(ch, ch->rfd, what);
	return true;
}

/* Come back in the next turn of the loop: an edge is spent once it was delivered. By a timer,
 * because an activated event would run before other descriptors are looked at. */
static void again(struct vmv_channel *ch)
{
	arm_timer(ch->kick, 0);
}

/* Something can be written. */
static void write_soon(struct vmv_channel *ch)
{
	if (!ch->in_turn)
		again(ch);
}

/* The far end is gone for good (a stream), or no host is attached (a port). */
static bool hung_up(const struct vmv_channel *ch)
{
	struct pollfd p = { .fd = ch->wfd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

/* -- states ---------------------------------------------------------------------------- */

static void set_up(struct vmv_channel *ch)
{
	(void)event_del(ch->grace);
	if (ch->state == VMV_CHANNEL_UP)
		return;
	ch->state = VMV_CHANNEL_UP;
	ch->is_stuck = false;
	ch->progress_ms = vmv_mono_ms(ch->p.clock);
	ch->counters.sessions++;
	ch->p.ops->attached(ch->p.arg);
}

static void expire(struct vmv_channel *ch)
{
	(void)event_del(ch->grace);
	vmv_outq_clear(&ch->queue);
	ch->p.ops->expired(ch->p.arg);
}

static void set_away(struct vmv_channel *ch, enum vmv_detach why)
{
	bool was_up = ch->state == VMV_CHANNEL_UP;

	ch->state = VMV_CHANNEL_AWAY;
	if (!was_up)
		return;
	/* The first bytes of the next client can be read before the kernel says that it is
	 * connected, so this end may stand between its request and our reply. */
	arm_timer(ch->grace, VMV_GRACE_MS);
	vmv_outq_detach(&ch->queue);
	ch->p.ops->detached(ch->p.arg, why);
}

static void put_back_stdio(struct vmv_channel *ch)
{
	/* in reverse: on a terminal both are one, and the first look saw how it was */
	if (ch->stdout_flags >= 0)
		(void)fcntl(STDOUT_FILENO, F_SETFL, ch->stdout_flags);
	if (ch->stdin_flags >= 0)
		(void)fcntl(STDIN_FILENO, F_SETFL, ch->stdin_flags);
	ch->stdin_flags = ch->stdout_flags = -1;
}

static void close_link(struct vmv_channel *ch)
{
	forget_event(&ch->rev);
	forget_event(&ch->wev);
	(void)event_del(ch->linger);
	if (ch->spec.transport == VMV_TRANSPORT_STDIO)
		put_back_stdio(ch);
	else
		vmv_closep(&ch->rfd);
	ch->rfd = ch->wfd = -1;
	ch->has_ended = ch->is_throttled = ch->is_file = ch->is_blocked = false;
}

static void retry_later(struct vmv_channel *ch)
{
	arm_timer(ch->retry, vmv_backoff_next(&ch->backoff));
}

/* The descriptor is of no use any more. */
static void drop_link(struct vmv_channel *ch, enum vmv_detach why)
{
	bool was_up = ch->state == VMV_CHANNEL_UP;

	/* a link that breaks at once is no success */
	if (vmv_mono_ms(ch->p.clock) - ch->opened_ms > LASTING_MS)
		vmv_backoff_reset(&ch->backoff);
	close_link(ch);
	ch->state = ch->listener >= 0 ? VMV_CHANNEL_AWAY : VMV_CHANNEL_ABSENT;
	if (was_up) {
		vmv_outq_detach(&ch->queue);
		ch->p.ops->detached(ch->p.arg, why);
	}
	expire(ch);
	if (why == VMV_DETACH_CLOSED)
		return;
	if (ch->traits->is_port)
		report(ch, VMV_REPORT_UNPLUGGED, NULL);
	if (ch->spec.transport == VMV_TRANSPORT_STDIO)
		ch->p.ops->finished(ch->p.arg);
	else if (ch->listener < 0)
		retry_later(ch);
}

/* -- input ------------------------------------------------------------------------------ */

enum input {
	INPUT_DRAINED, /* EAGAIN */
	INPUT_END,     /* 0 bytes */
	INPUT_BROKEN,  /* ENODEV and the like */
	INPUT_PAUSED,
	INPUT_MORE, /* the budget of this turn is spent */
};

static enum input read_input(struct vmv_channel *ch)
{
	char buf[READ_SIZE];
	size_t budget = VMV_READ_BUDGET;
	ssize_t n;

	for (;;) {
		if (ch->is_paused || ch->is_throttled)
			return INPUT_PAUSED;
		if (budget == 0)
			return INPUT_MORE;
		n = ch->p.io->read(ch->rfd, buf, budget < sizeof(buf) ? budget : sizeof(buf));
		if (n == 0)
			return INPUT_END;
		if (n > 0) {
			ch->counters.bytes_in += (uint64_t)n;
			budget -= (size_t)n;
			/* nobody may come for what was read early: it has its own time, also when
			 * that of the former session has nearly run out */
			if (ch->state == VMV_CHANNEL_AWAY)
				arm_timer(ch->grace, VMV_GRACE_MS);
			ch->p.ops->data(ch->p.arg, buf, (size_t)n);
			continue;
		}
		if (errno == EAGAIN)
			return INPUT_DRAINED;
		if (errno != EINTR)
			return INPUT_BROKEN;
	}
}

/* The end of a stream: the peer may have shut down its sending side only. */
static void end_of_stream(struct vmv_channel *ch)
{
	ch->has_ended = true;
	arm_timer(ch->linger, VMV_LINGER_MS);
}

/* While we do not read, a host that leaves is seen by poll() alone. */
static void check_unread(struct vmv_channel *ch)
{
	if (ch->is_throttled && ch->traits->is_port && hung_up(ch))
		set_away(ch, VMV_DETACH_GONE);
}

static bool handle_input(struct vmv_channel *ch)
{
	switch (read_input(ch)) {
	case INPUT_DRAINED:
		set_up(ch);
		return true;
	case INPUT_END:
		if (ch->is_tty && !isatty(ch->rfd)) {
			drop_link(ch, VMV_DETACH_UNPLUGGED);
			return false;
		}
		if (ch->traits->is_port)
			set_away(ch, VMV_DETACH_GONE);
		else
			end_of_stream(ch);
		return true;
	case INPUT_BROKEN:
		drop_link(ch, ch->traits->is_port ? VMV_DETACH_UNPLUGGED : VMV_DETACH_GONE);
		return false;
	case INPUT_MORE:
		again(ch);
		return true;
	case INPUT_PAUSED:
		check_unread(ch);
		return true;
	}
	return true;
}

/* -- output ----------------------------------------------------------------------------- */

/* Returns false when the link is gone. */
static bool write_output(struct vmv_channel *ch)
{
	const char *data;
	size_t len;
	ssize_t n;

	ch->is_blocked = false;
	while (ch->state == VMV_CHANNEL_UP && (data = vmv_outq_peek(&ch->queue, &len))) {
		n = ch->p.io->write(ch->wfd, data, len);
		if (n > 0) {
			vmv_outq_wrote(&ch->queue, (size_t)n);
			ch->counters.bytes_out += (uint64_t)n;
			ch->progress_ms = vmv_mono_ms(ch->p.clock);
			ch->is_stuck = false;
			if (ch->has_ended) /* it is slow, but it is there */
				arm_timer(ch->linger, VMV_LINGER_MS);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || errno == EAGAIN) {
			/* 0: a broken queue. The edge or the tick brings us back */
			ch->is_blocked = n < 0;
			return true;
		}
		drop_link(ch, ch->traits->is_port ? VMV_DETACH_UNPLUGGED : VMV_DETACH_GONE);
		return false;
	}
	return true;
}

static void set_throttle(struct vmv_channel *ch)
{
	bool was = ch->is_throttled;

	ch->is_throttled = vmv_outq_reply_bytes(&ch->queue) > 2 * ch->p.queue_high;
	if (was && !ch->is_throttled)
		again(ch);
}

/* Ports: the insurance against a lost wake-up, fast only while something waits. Streams: nothing
 * but the watch for output that does not move. */
static void set_tick(struct vmv_channel *ch)
{
	bool is_pending = ch->state == VMV_CHANNEL_UP && vmv_outq_bytes(&ch->queue) > 0;
	bool probes = !ch->is_edge && ch->state == VMV_CHANNEL_AWAY;
	uint32_t want = VMV_TICK_IDLE_MS;
	uint64_t now = vmv_mono_ms(ch->p.clock);

	if (ch->rfd < 0 || (!ch->traits->is_port && !is_pending)) {
		(void)event_del(ch->tick);
		return;
	}
	if (ch->traits->is_port && (is_pending || probes))
		want = VMV_TICK_BUSY_MS;
	/* a running tick is left alone unless it would come too late */
	if (event_pending(ch->tick, EV_TIMEOUT, NULL) && ch->tick_due_ms <= now + want)
		return;
	ch->tick_due_ms = now + want;
	arm_timer(ch->tick, want);
}

static void check_progress(struct vmv_channel *ch)
{
	uint64_t now = vmv_mono_ms(ch->p.clock);

	if (vmv_outq_bytes(&ch->queue) == 0 || vmv_outq_window_closed(&ch->queue))
		ch->progress_ms = now;
	if (ch->state == VMV_CHANNEL_UP && now - ch->progress_ms >= VMV_STUCK_MS && !ch->is_stuck) {
		ch->is_stuck = true;
		report(ch, VMV_REPORT_STUCK, NULL);
	}
}

/* A peer that has ended leaves once it has its replies. */
static bool finish_stream(struct vmv_channel *ch)
{
	size_t len;

	if (!ch->has_ended)
		return true;
	if (!hung_up(ch) && (ch->queue.is_greeting || vmv_outq_peek(&ch->queue, &len) ||
			     ch->p.ops->is_busy(ch->p.arg)))
		return true;
	drop_link(ch, VMV_DETACH_GONE);
	return false;
}

static bool read_and_write(struct vmv_channel *ch)
{
	if (!ch->has_ended && !handle_input(ch))
		return false;
	return write_output(ch) && finish_stream(ch);
}

/* One turn: read to the end or the budget, then write to the end. */
static void turn(struct vmv_channel *ch)
{
	bool is_alive;

	if (ch->rfd < 0)
		return;
	ch->in_turn = true;
	is_alive = read_and_write(ch);
	ch->in_turn = false;
	if (!is_alive)
		return;
	if (vmv_outq_bytes(&ch->queue) == 0)
		ch->progress_ms = vmv_mono_ms(ch->p.clock);
	set_throttle(ch);
	(void)arm(ch);
	set_tick(ch);
}

/* -- timers ----------------------------------------------------------------------------- */

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_channel *ch = arg;

	(void)fd;
	(void)what;
	if (ch->state == VMV_CHANNEL_UP)
		return;
	expire(ch);
	again(ch); /* a full queue may have kept us from reading */
}

static void on_linger(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_channel *ch = arg;

	(void)fd;
	(void)what;
	if (ch->rfd >= 0)
		drop_link(ch, VMV_DETACH_GONE);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_channel *ch = arg;
	struct pollfd p = { .fd = ch->wfd, .events = POLLIN | POLLOUT };

	(void)fd;
	(void)what;
	if (ch->rfd < 0)
		return;
	check_progress(ch);
	/* away: only read() tells an unplugged port from one without host */
	if (ch->state != VMV_CHANNEL_UP || poll(&p, 1, 0) < 0 || p.revents)
		turn(ch);
	if (ch->rfd >= 0)
		set_tick(ch);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_channel *ch = arg;

	(void)fd;
	(void)what;
	if (ch->lev) /* there was no descriptor for a new peer */
		(void)event_add(ch->lev, NULL);
	else
		try_open(ch);
}

/* -- opening ---------------------------------------------------------------------------- */

static void adopt(struct vmv_channel *ch, int rfd, int wfd)
{
	ch->rfd = rfd;
	ch->wfd = wfd;
	ch->counters.opens++;
	ch->said = 0;
	ch->opened_ms = vmv_mono_ms(ch->p.clock);
	ch->is_tty = ch->spec.transport == VMV_TRANSPORT_PATH && isatty(rfd);
	ch->state = VMV_CHANNEL_AWAY;
	if (!ch->traits->is_port)
		set_up(ch); /* a stream is its host */
	else
		report(ch, VMV_REPORT_OPENED, NULL);
	if (!arm(ch)) {
		drop_link(ch, VMV_DETACH_GONE);
		return;
	}
	if (!ch->is_edge) /* with epoll, adding the event reports the present state */
		again(ch);
}

static void keep_spare(struct vmv_channel *ch)
{
	if (ch->spare < 0)
		ch->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void turn_away(struct vmv_channel *ch, int fd, int reason)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_BUSY, reason, "%s",
		       reason == EBUSY ? "one peer is served at a time" : strerror(reason));
	(void)close(fd);
	report(ch, VMV_REPORT_REFUSED, &err);
}

/* No descriptor is left: accept and hang up on the one kept back, or the loop would spin on a
 * listener that stays readable. Where even that does not help, it is not looked at for a while. */
static void shed(struct vmv_channel *ch, int reason)
{
	int fd;

	vmv_closep(&ch->spare);
	ch->spare = -1;
	fd = vmv_socket_accept(ch->listener);
	if (fd >= 0)
		turn_away(ch, fd, reason);
	keep_spare(ch);
	if (fd < 0 && fd != -EAGAIN) {
		(void)event_del(ch->lev);
		arm_timer(ch->retry, VMV_RETRY_MIN_MS);
	}
}

static void on_listener(evutil_socket_t listener, short what, void *arg)
{
	struct vmv_channel *ch = arg;
	int fd = vmv_socket_accept((int)listener);

	(void)what;
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
		shed(ch, -fd);
		return;
	}
	if (fd < 0)
		return;
	/* a peer that has gone may not have been noticed yet, or has left much unread */
	if (ch->rfd >= 0)
		turn(ch);
	if (ch->rfd >= 0 && hung_up(ch))
		drop_link(ch, VMV_DETACH_GONE);
	if (ch->rfd >= 0)
		turn_away(ch, fd, EBUSY);
	else
		adopt(ch, fd, fd);
	keep_spare(ch);
}

static int open_listener(struct vmv_channel *ch, struct vmv_err *err)
{
	int fd = ch->spec.transport == VMV_TRANSPORT_UNIX_LISTEN
			 ? vmv_unix_listen(ch->spec.target, err)
			 : vmv_vsock_listen(ch->spec.port, err);

	if (fd < 0)
		return fd;
	ch->listener = fd;
	keep_spare(ch);
	ch->lev = event_new(ch->p.base, fd, EV_READ | EV_PERSIST, on_listener, ch);
	if (!ch->lev || event_add(ch->lev, NULL) < 0) {
		forget_event(&ch->lev);
		vmv_closep(&ch->listener);
		vmv_closep(&ch->spare);
		ch->listener = ch->spare = -1;
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	ch->state = VMV_CHANNEL_AWAY;
	report(ch, VMV_REPORT_OPENED, NULL);
	return 0;
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	return flags;
}

static int open_stdio(struct vmv_channel *ch, struct vmv_err *err)
{
	ch->stdin_flags = set_nonblocking(STDIN_FILENO);
	ch->stdout_flags = set_nonblocking(STDOUT_FILENO);
	if (ch->stdin_flags < 0 || ch->stdout_flags < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot use standard input and output: %s",
				strerror(errno)); /* free() puts back what was changed */
	adopt(ch, STDIN_FILENO, STDOUT_FILENO);
	return 0;
}

static int open_link(struct vmv_channel *ch, struct vmv_err *err)
{
	int fd = -EINVAL;

	switch (ch->spec.transport) {
	case VMV_TRANSPORT_VIRTIO:
		fd = vmv_port_open(ch->p.sysfs, ch->spec.target, err);
		break;
	case VMV_TRANSPORT_PATH:
		fd = vmv_device_open(ch->spec.target, err);
		break;
	case VMV_TRANSPORT_UNIX_CONNECT:
		fd = vmv_unix_connect(ch->spec.target, err);
		break;
	case VMV_TRANSPORT_UNIX_LISTEN:
	case VMV_TRANSPORT_VSOCK_LISTEN:
		return open_listener(ch, err);
	case VMV_TRANSPORT_STDIO:
		return open_stdio(ch, err);
	}
	if (fd < 0)
		return fd;
	adopt(ch, fd, fd);
	return 0;
}

/* A port that is not plugged in costs nothing where udev tells when it comes. */
static bool waits_for_monitor(const struct vmv_channel *ch, int r)
{
	return r == -ENOENT && ch->p.has_monitor && ch->spec.transport == VMV_TRANSPORT_VIRTIO &&
	       ch->backoff.next_ms >= ch->backoff.max_ms;
}

static void try_open(struct vmv_channel *ch)
{
	struct vmv_err err = { 0 };
	int r;

	if (ch->rfd >= 0 || ch->listener >= 0)
		return;
	r = open_link(ch, &err);
	if (r >= 0)
		return;
	if (ch->said != -r)
		report(ch, VMV_REPORT_WAITING, &err);
	ch->said = -r;
	if (!waits_for_monitor(ch, r))
		retry_later(ch);
}

void vmv_channel_poke(struct vmv_channel *ch)
{
	if (ch->spec.transport != VMV_TRANSPORT_VIRTIO)
		return;
	if (ch->rfd >= 0) {
		turn(ch); /* it may be ours that went */
		return;
	}
	vmv_backoff_reset(&ch->backoff);
	try_open(ch);
}

/* -- for the owner ------------------------------------------------------------------------ */

static bool make_events(struct vmv_channel *ch)
{
	struct event_base *base = ch->p.base;

	ch->kick = event_new(base, -1, 0, on_io, ch);
	ch->grace = event_new(base, -1, 0, on_grace, ch);
	ch->linger = event_new(base, -1, 0, on_linger, ch);
	ch->tick = event_new(base, -1, 0, on_tick, ch);
	ch->retry = event_new(base, -1, 0, on_retry, ch);
	return ch->kick && ch->grace && ch->linger && ch->tick && ch->retry;
}

int vmv_channel_new(struct vmv_channel **ret, const struct vmv_channel_params *params,
		    const struct vmv_spec *spec, struct vmv_err *err)
{
	struct vmv_channel *ch = calloc(1, sizeof(*ch));
	int r;

	if (!ch)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	ch->p = *params;
	if (!ch->p.io)
		ch->p.io = &system_io;
	ch->spec = *spec;
	ch->traits = &traits[spec->transport];
	ch->rfd = ch->wfd = ch->listener = ch->spare = -1;
	ch->stdin_flags = ch->stdout_flags = -1;
	ch->is_edge = event_base_get_features(ch->p.base) & EV_FEATURE_ET;
	ch->backoff = (struct vmv_backoff){ .min_ms = ch->traits->retry_min_ms,
					    .max_ms = ch->traits->retry_max_ms };
	vmv_outq_init(&ch->queue);
	if (!make_events(ch)) {
		vmv_channel_free(ch);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	*ret = ch;				      /* callbacks may come from here on */
	if (spec->transport == VMV_TRANSPORT_STDIO) { /* there is no second try */
		r = open_link(ch, err);
		if (r < 0) {
			*ret = NULL;
			vmv_channel_free(ch);
			return r;
		}
		return 0;
	}
	try_open(ch);
	return 0;
}

void vmv_channel_free(struct vmv_channel *ch)
{
	if (!ch)
		return;
	if (ch->rfd >= 0)
		drop_link(ch, VMV_DETACH_CLOSED);
	forget_event(&ch->lev);
	if (ch->listener >= 0 && ch->spec.transport == VMV_TRANSPORT_UNIX_LISTEN)
		(void)unlink(ch->spec.target);
	vmv_closep(&ch->listener);
	vmv_closep(&ch->spare);
	put_back_stdio(ch);
	forget_event(&ch->kick);
	forget_event(&ch->grace);
	forget_event(&ch->linger);
	forget_event(&ch->tick);
	forget_event(&ch->retry);
	vmv_outq_free(&ch->queue);
	free(ch);
}

static bool can_inherit(const struct vmv_channel *ch)
{
	return ch->state == VMV_CHANNEL_AWAY && event_pending(ch->grace, EV_TIMEOUT, NULL);
}

int vmv_channel_send(struct vmv_channel *ch, enum vmv_class class, unsigned sub, const char *line,
		     size_t len)
{
	int r;

	if (vmv_outq_bytes(&ch->queue) == 0) /* its time to move begins now */
		ch->progress_ms = vmv_mono_ms(ch->p.clock);
	if (ch->state != VMV_CHANNEL_UP && !(class == VMV_CLASS_REPLY && can_inherit(ch)))
		return -ENOTCONN;
	r = vmv_outq_add(&ch->queue, class, sub, line, len);
	if (r == 0 && ch->state == VMV_CHANNEL_UP)
		write_soon(ch);
	return r;
}

int vmv_channel_begin(struct vmv_channel *ch, const char *line, size_t len)
{
	int r = vmv_outq_begin(&ch->queue, line, len);

	ch->progress_ms = vmv_mono_ms(ch->p.clock);
	if (r == 0)
		write_soon(ch);
	return r;
}

void vmv_channel_drop(struct vmv_channel *ch)
{
	vmv_outq_clear(&ch->queue);
}

void vmv_channel_release(struct vmv_channel *ch)
{
	vmv_outq_release(&ch->queue);
	write_soon(ch);
}

void vmv_channel_ack(struct vmv_channel *ch, uint64_t bytes)
{
	vmv_outq_ack(&ch->queue, bytes);
	write_soon(ch);
}

void vmv_channel_set_queue_high(struct vmv_channel *ch, size_t bytes)
{
	ch->p.queue_high = bytes;
}

void vmv_channel_pause(struct vmv_channel *ch, bool is_paused)
{
	bool was = ch->is_paused;

	ch->is_paused = is_paused;
	if (was && !is_paused)
		again(ch);
}

size_t vmv_channel_flush(struct vmv_channel *ch)
{
	if (ch->rfd >= 0 && ch->state == VMV_CHANNEL_UP)
		(void)write_output(ch);
	return ch->state == VMV_CHANNEL_UP ? vmv_outq_bytes(&ch->queue) : 0;
}

enum vmv_channel_state vmv_channel_state(const struct vmv_channel *ch)
{
	return ch->state;
}

const struct vmv_spec *vmv_channel_spec(const struct vmv_channel *ch)
{
	return &ch->spec;
}

const struct vmv_outq *vmv_channel_queue(const struct vmv_channel *ch)
{
	return &ch->queue;
}

const struct vmv_channel_counters *vmv_channel_counters(const struct vmv_channel *ch)
{
	return &ch->counters;
}
