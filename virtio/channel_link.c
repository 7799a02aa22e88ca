#include "virtio/channel_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define READ_SIZE  (16 * VMV_KIB) /* a port gives 4 KiB at most */
#define LASTING_MS 10000	  /* a link that lived so long was a good one */

void vmv_channel_timer(struct event *timer, uint32_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(timer, &tv);
}

void vmv_channel_tell(struct vmv_channel *ch, enum vmv_channel_report what,
		      const struct vmv_err *err)
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
	vmv_channel_turn(ch);
}

void vmv_channel_forget_event(struct event **ev)
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
		vmv_channel_timer(ch->kick, 0);
	}
	return ev;
}

/* Edge-triggered: one event for both directions, added once, because a port without host would spin
 * a level-triggered wait, and EV_WRITE must be in the mask for a connect to be seen at all. Without
 * epoll: level-triggered, only while a host is there, and writing only while it is full: what the
 * window or a greeting holds back, or a port that takes 0 bytes, would make it spin. */
bool vmv_channel_arm(struct vmv_channel *ch)
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
	vmv_channel_forget_event(&ch->rev);
	vmv_channel_forget_event(&ch->wev);
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
void vmv_channel_again(struct vmv_channel *ch)
{
	vmv_channel_timer(ch->kick, 0);
}

/* Something can be written. */
void vmv_channel_write_soon(struct vmv_channel *ch)
{
	if (!ch->in_turn)
		vmv_channel_again(ch);
}

/* The far end is gone for good (a stream), or no host is attached (a port). */
bool vmv_channel_hung_up(const struct vmv_channel *ch)
{
	struct pollfd p = { .fd = ch->wfd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

/* -- states ---------------------------------------------------------------------------- */

void vmv_channel_set_up(struct vmv_channel *ch)
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
	vmv_channel_timer(ch->grace, VMV_GRACE_MS);
	vmv_outq_detach(&ch->queue);
	ch->p.ops->detached(ch->p.arg, why);
}

void vmv_channel_put_back_stdio(struct vmv_channel *ch)
{
	/* in reverse: on a terminal both are one, and the first look saw how it was */
	if (ch->stdout_flags >= 0)
		(void)fcntl(STDOUT_FILENO, F_SETFL, ch->stdout_flags);
	if (ch->stdin_flags >= 0)
		(void)fcntl(STDIN_FILENO, F_SETFL, ch->stdin_flags);
	ch->stdin_flags = ch->stdout_flags = -1;
}

void vmv_channel_retry_later(struct vmv_channel *ch)
{
	vmv_channel_timer(ch->retry, vmv_backoff_next(&ch->backoff));
}

static void close_link(struct vmv_channel *ch)
{
	vmv_channel_forget_event(&ch->rev);
	vmv_channel_forget_event(&ch->wev);
	(void)event_del(ch->linger);
	if (ch->spec.transport == VMV_TRANSPORT_STDIO)
		vmv_channel_put_back_stdio(ch);
	else
		vmv_closep(&ch->rfd);
	ch->rfd = ch->wfd = -1;
	ch->has_ended = ch->is_throttled = ch->is_file = ch->is_blocked = false;
}

/* The descriptor is of no use any more. */
void vmv_channel_drop_link(struct vmv_channel *ch, enum vmv_detach why)
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
		vmv_channel_tell(ch, VMV_REPORT_UNPLUGGED, NULL);
	if (ch->spec.transport == VMV_TRANSPORT_STDIO)
		ch->p.ops->finished(ch->p.arg);
	else if (ch->listener < 0)
		vmv_channel_retry_later(ch);
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
				vmv_channel_timer(ch->grace, VMV_GRACE_MS);
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
	vmv_channel_timer(ch->linger, VMV_LINGER_MS);
}

/* While we do not read, a host that leaves is seen by poll() alone. An owner that goes on soon may
 * have the rest of what it has sent. */
static void check_unread(struct vmv_channel *ch)
{
	if (!ch->traits->is_port || !vmv_channel_hung_up(ch))
		return;
	if (ch->is_throttled || vmv_mono_ms(ch->p.clock) - ch->paused_ms >= VMV_GRACE_MS)
		set_away(ch, VMV_DETACH_GONE);
	else
		vmv_channel_timer(ch->kick, VMV_GRACE_MS);
}

static bool handle_input(struct vmv_channel *ch)
{
	switch (read_input(ch)) {
	case INPUT_DRAINED:
		vmv_channel_set_up(ch);
		return true;
	case INPUT_END:
		if (ch->is_tty && !isatty(ch->rfd)) {
			vmv_channel_drop_link(ch, VMV_DETACH_UNPLUGGED);
			return false;
		}
		if (ch->traits->is_port)
			set_away(ch, VMV_DETACH_GONE);
		else
			end_of_stream(ch);
		return true;
	case INPUT_BROKEN:
		vmv_channel_drop_link(ch,
				      ch->traits->is_port ? VMV_DETACH_UNPLUGGED : VMV_DETACH_GONE);
		return false;
	case INPUT_MORE:
		vmv_channel_again(ch);
		return true;
	case INPUT_PAUSED:
		check_unread(ch);
		return true;
	}
	return true;
}

/* -- output ----------------------------------------------------------------------------- */

/* Returns false when the link is gone. */
static bool write_queue(struct vmv_channel *ch)
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
				vmv_channel_timer(ch->linger, VMV_LINGER_MS);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || errno == EAGAIN) {
			/* 0: a broken queue. The edge or the tick brings us back */
			ch->is_blocked = n < 0;
			return true;
		}
		vmv_channel_drop_link(ch,
				      ch->traits->is_port ? VMV_DETACH_UNPLUGGED : VMV_DETACH_GONE);
		return false;
	}
	return true;
}

bool vmv_channel_write(struct vmv_channel *ch)
{
	uint64_t before = ch->counters.bytes_out;
	bool is_there = write_queue(ch);

	if (is_there && ch->counters.bytes_out != before && ch->p.ops->written)
		ch->p.ops->written(ch->p.arg);
	return is_there;
}

static void set_throttle(struct vmv_channel *ch)
{
	bool was = ch->is_throttled;

	ch->is_throttled = vmv_outq_reply_bytes(&ch->queue) > 2 * ch->p.queue_high;
	if (was && !ch->is_throttled)
		vmv_channel_again(ch);
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
	vmv_channel_timer(ch->tick, want);
}

static void check_progress(struct vmv_channel *ch)
{
	uint64_t now = vmv_mono_ms(ch->p.clock);

	if (vmv_outq_bytes(&ch->queue) == 0 || vmv_outq_window_closed(&ch->queue))
		ch->progress_ms = now;
	if (ch->state == VMV_CHANNEL_UP && now - ch->progress_ms >= VMV_STUCK_MS && !ch->is_stuck) {
		ch->is_stuck = true;
		vmv_channel_tell(ch, VMV_REPORT_STUCK, NULL);
	}
}

/* A peer that has ended leaves once it has its replies. */
static bool finish_stream(struct vmv_channel *ch)
{
	size_t len;

	if (!ch->has_ended)
		return true;
	if (!vmv_channel_hung_up(ch) && (ch->queue.is_greeting || vmv_outq_peek(&ch->queue, &len) ||
					 ch->p.ops->is_busy(ch->p.arg)))
		return true;
	vmv_channel_drop_link(ch, VMV_DETACH_GONE);
	return false;
}

static bool read_and_write(struct vmv_channel *ch)
{
	if (!ch->has_ended && !handle_input(ch))
		return false;
	return vmv_channel_write(ch) && finish_stream(ch);
}

/* One turn: read to the end or the budget, then write to the end. */
void vmv_channel_turn(struct vmv_channel *ch)
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
	(void)vmv_channel_arm(ch);
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
	vmv_channel_again(ch); /* a full queue may have kept us from reading */
}

static void on_linger(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_channel *ch = arg;

	(void)fd;
	(void)what;
	if (ch->rfd >= 0)
		vmv_channel_drop_link(ch, VMV_DETACH_GONE);
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
		vmv_channel_turn(ch);
	if (ch->rfd >= 0)
		set_tick(ch);
}

bool vmv_channel_make_events(struct vmv_channel *ch)
{
	struct event_base *base = ch->p.base;

	ch->kick = event_new(base, -1, 0, on_io, ch);
	ch->grace = event_new(base, -1, 0, on_grace, ch);
	ch->linger = event_new(base, -1, 0, on_linger, ch);
	ch->tick = event_new(base, -1, 0, on_tick, ch);
	return ch->kick && ch->grace && ch->linger && ch->tick;
}
