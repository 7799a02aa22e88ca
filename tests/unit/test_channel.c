#include "virtio/channel.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "tests/lib/fixture.h"
#include "virtio/port.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 20000

/* -- a virtio port, played over a FIFO that stays open -------------------------------------------
 */

static struct {
	bool is_plugged, has_host;
	bool floods;	    /* there is always something to read */
	bool takes_nothing; /* write() returns 0 */
	char in[65536];
	size_t in_len;
	size_t room;	  /* bytes the host's side still takes */
	size_t write_max; /* bytes per write */
	int eintr_reads, eintr_writes;
	char out[1 << 20];
	size_t out_len;
	unsigned reads, writes;
	size_t longest_write;
	int nudge; /* our end of the FIFO */
	int fd;	   /* the channel's */
} port;

/* An edge: whatever waits in the FIFO is taken out first. */
static void nudge(void)
{
	char sink[64];

	while (read(port.nudge, sink, sizeof(sink)) > 0)
		;
	ck_assert_int_eq(write(port.nudge, "!", 1), 1);
}

static int fails_with(int e)
{
	errno = e;
	return -1;
}

static ssize_t port_read(int fd, void *buf, size_t len)
{
	char sink[64];

	port.reads++;
	port.fd = fd;
	if (port.eintr_reads > 0) {
		port.eintr_reads--;
		return fails_with(EINTR);
	}
	if (!port.is_plugged)
		return fails_with(ENODEV);
	len = len > 4096 ? 4096 : len;
	if (port.floods) {
		memset(buf, 'x', len);
		return (ssize_t)len;
	}
	if (port.in_len > 0) {
		len = len > port.in_len ? port.in_len : len;
		memcpy(buf, port.in, len);
		port.in_len -= len;
		memmove(port.in, port.in + len, port.in_len);
		return (ssize_t)len;
	}
	if (!port.has_host)
		return 0; /* and the descriptor stays readable */
	while (read(fd, sink, sizeof(sink)) > 0)
		;
	return fails_with(EAGAIN);
}

static ssize_t port_write(int fd, const void *buf, size_t len)
{
	(void)fd;
	port.writes++;
	port.longest_write = len > port.longest_write ? len : port.longest_write;
	if (port.eintr_writes > 0) {
		port.eintr_writes--;
		return fails_with(EINTR);
	}
	if (!port.is_plugged)
		return fails_with(ENODEV);
	if (port.takes_nothing)
		return 0;
	len = len > port.room ? port.room : len;
	len = len > port.write_max ? port.write_max : len;
	if (!port.has_host || len == 0)
		return fails_with(EAGAIN);
	ck_assert_uint_le(port.out_len + len, sizeof(port.out));
	memcpy(port.out + port.out_len, buf, len);
	port.out_len += len;
	port.room -= len;
	return (ssize_t)len;
}

static const struct vmv_channel_io port_io = { port_read, port_write };

static void host_sends(const char *text)
{
	size_t len = strlen(text);

	ck_assert_uint_le(port.in_len + len, sizeof(port.in));
	memcpy(port.in + port.in_len, text, len);
	port.in_len += len;
}

/* -- the owner of the channel ---------------------------------------------------------------------
 */

static struct fixture fx;
static struct event_base *base;
static struct vmv_channel *ch;
static char path[108]; /* of a FIFO or socket in the fixture */
static uint64_t clock_offset_ms;

static struct {
	char log[4096]; /* what happened, a word each */
	size_t len;
	unsigned attached, detached, expired, finished, reports[8];
	bool is_busy, is_silent; /* silent: attached does not greet */
	size_t reply_len;	 /* each piece of data is answered by so many bytes */
	bool comes_back; /* detached: a request was still running, and the next host is there */
	size_t bytes;
} owner;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	owner.len +=
		(size_t)vsnprintf(owner.log + owner.len, sizeof(owner.log) - owner.len, fmt, ap);
	va_end(ap);
	ck_assert_uint_lt(owner.len + 1, sizeof(owner.log));
	owner.log[owner.len++] = ' ';
	owner.log[owner.len] = '\0';
}

static void send_line(enum vmv_class class, const char *line)
{
	ck_assert_int_eq(vmv_channel_send(ch, class, 0, line, strlen(line)), 0);
}

static void send_long(enum vmv_class class, size_t len)
{
	vmv_autofree char *line = malloc(len);

	ck_assert_ptr_nonnull(line);
	memset(line, 'r', len);
	ck_assert_int_eq(vmv_channel_send(ch, class, 0, line, len - 1), 0);
}

static void on_attached(void *arg)
{
	ck_assert_ptr_eq(arg, &owner);
	note("attached");
	ck_assert_uint_eq(owner.attached, owner.detached);
	owner.attached++;
	if (owner.is_silent)
		return;
	ck_assert_int_eq(vmv_channel_begin(ch, "hello", 5), 0);
	vmv_channel_release(ch);
}

static void on_detached(void *arg, enum vmv_detach why)
{
	static const char *const words[] = { "gone", "unplugged", "closed" };

	(void)arg;
	note("detached(%s)", words[why]);
	owner.detached++;
	ck_assert_uint_eq(owner.attached, owner.detached);
	if (!owner.comes_back)
		return;
	owner.comes_back = false;
	send_line(VMV_CLASS_REPLY, "late");
	ck_assert_int_eq(vmv_channel_send(ch, VMV_CLASS_METRICS, 0, "m", 1), -ENOTCONN);
	ck_assert_int_eq(vmv_channel_send(ch, VMV_CLASS_EVENT, 0, "e", 1), -ENOTCONN);
	port.has_host = true;
	nudge();
}

static void on_expired(void *arg)
{
	(void)arg;
	note("expired");
	owner.expired++;
	ck_assert_uint_eq(owner.attached, owner.detached);
	ck_assert_uint_eq(vmv_outq_bytes(vmv_channel_queue(ch)), 0);
}

static void on_data(void *arg, const char *data, size_t len)
{
	(void)arg;
	owner.bytes += len;
	if (len < 32)
		note("data(%.*s)", (int)len, data);
	if (owner.reply_len > 0)
		send_long(VMV_CLASS_REPLY, owner.reply_len);
}

static bool on_is_busy(void *arg)
{
	(void)arg;
	return owner.is_busy;
}

static void on_finished(void *arg)
{
	(void)arg;
	note("finished");
	owner.finished++;
}

static void on_report(void *arg, enum vmv_channel_report what, const struct vmv_err *err)
{
	static const char *const words[] = { "opened", "waiting", "unplugged", "refused", "stuck" };

	(void)arg;
	note("%s", words[what]);
	owner.reports[what]++;
	ck_assert((what == VMV_REPORT_WAITING || what == VMV_REPORT_REFUSED) == (err != NULL));
	if (err)
		ck_assert_str_ne(err->msg, "");
}

static const struct vmv_channel_ops ops = {
	.attached = on_attached,
	.detached = on_detached,
	.expired = on_expired,
	.data = on_data,
	.is_busy = on_is_busy,
	.finished = on_finished,
	.report = on_report,
};

/* The real clock, which tests can set forward. */
static uint64_t mono_ns(const struct vmv_clock *clock)
{
	(void)clock;
	return vmv_mono_ns(&vmv_clock_system) + clock_offset_ms * 1000000;
}

static int64_t real_ms(const struct vmv_clock *clock)
{
	(void)clock;
	return vmv_real_ms(&vmv_clock_system);
}

static const struct vmv_clock test_clock = { mono_ns, real_ms };

/* -- running
 * --------------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	return vmv_mono_ms(&vmv_clock_system);
}

static void turn_loop(void)
{
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	(void)poll(NULL, 0, 1);
}

#define WAIT(cond)                                                         \
	for (uint64_t end_ = now_ms() + DEADLINE_MS; !(cond); turn_loop()) \
	ck_assert_msg(now_ms() < end_, "waited in vain for " #cond "; so far: %s", owner.log)

/* The loop as it runs in the agent, sleeping where it can. */
static void run_for(unsigned ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	ck_assert_int_eq(event_base_loopexit(base, &tv), 0);
	ck_assert_int_ge(event_base_dispatch(base), 0);
}

static uint64_t callbacks(void)
{
	return vmv_channel_counters(ch)->callbacks;
}

static void open_spec(const struct vmv_spec *spec, const struct vmv_channel_io *io)
{
	const struct vmv_channel_params params = {
		.base = base,
		.clock = &test_clock,
		.ops = &ops,
		.io = io,
		.arg = &owner,
		.sysfs = fx.root.sys,
		.queue_high = 100000,
	};
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_channel_new(&ch, &params, spec, &err) == 0, "%s", err.msg);
}

static void open_text(const char *prefix, const struct vmv_channel_io *io)
{
	struct vmv_spec spec;
	char text[160];

	(void)snprintf(text, sizeof(text), "%s%s", prefix, strcmp(prefix, "stdio") ? path : "");
	ck_assert_int_eq(vmv_spec_parse(text, &spec, NULL), 0);
	open_spec(&spec, io);
}

static void open_port(void)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	port.nudge = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(port.nudge, 0);
	open_text("path:", &port_io);
}

static void open_port_with_host(void)
{
	port.has_host = true;
	open_port();
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_UP);
}

static void close_channel(void)
{
	vmv_channel_free(ch);
	ch = NULL;
}

static void host_comes(void)
{
	port.has_host = true;
	nudge();
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_UP);
}

static void host_goes(void)
{
	port.has_host = false;
	nudge();
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_AWAY);
}

static void forget_log(void)
{
	owner.len = 0;
	owner.log[0] = '\0';
}

static void up(void)
{
	fixture_up(&fx);
	(void)snprintf(path, sizeof(path), "%s/link", fx.dir);
	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	memset(&port, 0, sizeof(port));
	memset(&owner, 0, sizeof(owner));
	port.is_plugged = true;
	port.room = port.write_max = SIZE_MAX;
	port.nudge = -1;
}

static void up_edge(void)
{
	up();
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	ck_assert(event_base_get_features(base) & EV_FEATURE_ET);
}

/* As with EVENT_NOEPOLL=1. */
static void up_level(void)
{
	struct event_config *config = event_config_new();

	up();
	ck_assert_int_eq(event_config_avoid_method(config, "epoll"), 0);
	base = event_base_new_with_config(config);
	event_config_free(config);
	ck_assert_ptr_nonnull(base);
	ck_assert(!(event_base_get_features(base) & EV_FEATURE_ET));
}

static void down(void)
{
	close_channel();
	if (port.nudge >= 0)
		ck_assert_int_eq(close(port.nudge), 0);
	event_base_free(base);
	fixture_down(&fx);
}

static void expect_out(const char *want)
{
	WAIT(port.out_len >= strlen(want));
	ck_assert_uint_eq(port.out_len, strlen(want));
	ck_assert_int_eq(memcmp(port.out, want, port.out_len), 0);
	port.out_len = 0;
}

/* Reads what is there; true once there is so much. */
static bool has_read(int fd, char *buf, size_t *len, size_t want)
{
	ssize_t n = read(fd, buf + *len, want - *len);

	ck_assert_msg(n > 0 || (n < 0 && errno == EAGAIN), "the end after %zu bytes: %s", *len,
		      owner.log);
	*len += n > 0 ? (size_t)n : 0;
	return *len == want;
}

static void peer_gets(int fd, const char *want)
{
	char got[256];
	size_t len = 0;

	WAIT(has_read(fd, got, &len, strlen(want)));
	ck_assert_int_eq(memcmp(got, want, len), 0);
}

/* -- ports: coming and going
 * ------------------------------------------------------------------------ */

START_TEST(without_host_it_is_away_and_sleeps)
{
	open_port();
	WAIT(port.reads > 0);
	nudge(); /* and the descriptor stays readable, as that of a port does */
	turn_loop();
	run_for(300);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_AWAY);
	ck_assert_uint_le(port.reads, 5);
	ck_assert_uint_le(callbacks(), 5);
	ck_assert_uint_eq(port.writes, 0);
	ck_assert_str_eq(owner.log, "opened ");
	ck_assert_int_eq(vmv_channel_send(ch, VMV_CLASS_REPLY, 0, "x", 1), -ENOTCONN);
	ck_assert_int_eq(vmv_channel_send(ch, VMV_CLASS_EVENT, 0, "x", 1), -ENOTCONN);
	close_channel();
	ck_assert_str_eq(owner.log, "opened expired ");
}
END_TEST

START_TEST(a_host_is_greeted_served_and_followed_by_the_next)
{
	open_port();
	WAIT(port.reads > 0);
	host_comes();
	expect_out("\nhello\n");
	host_sends("ping\n");
	nudge();
	WAIT(owner.bytes == 5);
	send_line(VMV_CLASS_REPLY, "pong");
	expect_out("pong\n");
	host_goes();
	WAIT(owner.expired == 1);
	ck_assert_str_eq(owner.log, "opened attached data(ping\n) detached(gone) expired ");
	host_comes();
	expect_out("\nhello\n");
	ck_assert_uint_eq(vmv_channel_counters(ch)->sessions, 2);
	ck_assert_uint_eq(vmv_channel_counters(ch)->opens, 1);
	ck_assert_uint_eq(vmv_channel_counters(ch)->bytes_in, 5);
	ck_assert_uint_eq(vmv_channel_counters(ch)->bytes_out, 7 + 5 + 7);
}
END_TEST

START_TEST(a_host_that_is_there_and_sends_nothing_is_seen)
{
	open_port_with_host();
	expect_out("\nhello\n");
	ck_assert_str_eq(owner.log, "opened attached ");
}
END_TEST

START_TEST(early_data_belongs_to_the_session_that_follows)
{
	open_port();
	WAIT(port.reads > 0);
	host_sends("early\n"); /* read before the kernel says that the host is there */
	nudge();
	WAIT(owner.bytes == 6);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_AWAY);
	ck_assert_uint_eq(owner.attached, 0);
	host_comes();
	send_line(VMV_CLASS_REPLY, "reply");
	expect_out("\nhello\nreply\n");
	run_for(400);
	ck_assert_str_eq(owner.log, "opened data(early\n) attached ");
}
END_TEST

START_TEST(early_data_that_nobody_follows_expires)
{
	open_port();
	WAIT(port.reads > 0);
	host_sends("early\n");
	nudge();
	WAIT(owner.expired == 1);
	ck_assert_str_eq(owner.log, "opened data(early\n) expired ");
	run_for(400);
	ck_assert_uint_eq(owner.expired, 1);
	host_comes();
	expect_out("\nhello\n");
}
END_TEST

START_TEST(early_data_has_its_own_time)
{
	uint64_t gone, sent;

	open_port_with_host();
	for (int tries = 0; tries < 20; tries++) {
		owner.expired = 0;
		host_goes();
		gone = now_ms();
		WAIT(now_ms() >= gone + 150);
		if (owner.expired > 0) { /* a slow machine */
			host_comes();
			continue;
		}
		host_sends("early\n");
		owner.bytes = 0;
		nudge();
		sent = now_ms();
		WAIT(owner.bytes == 6);
		WAIT(owner.expired == 1);
		ck_assert_uint_ge(now_ms(), sent + VMV_GRACE_MS - 10);
		return;
	}
}
END_TEST

START_TEST(replies_survive_a_change_of_hosts_within_the_grace)
{
	port.room = 7;
	open_port_with_host();
	expect_out("\nhello\n");
	port.room = 3;
	send_line(VMV_CLASS_REPLY, "half sent");
	send_line(VMV_CLASS_METRICS, "metrics");
	send_line(VMV_CLASS_EVENT, "event");
	WAIT(port.room == 0);
	port.out_len = 0;
	port.room = SIZE_MAX;
	owner.comes_back = true;
	port.has_host = false;
	nudge();
	WAIT(owner.attached == 2);
	expect_out("\nhello\nhalf sent\nlate\n"); /* whole, behind the greeting */
	ck_assert_uint_eq(owner.expired, 0);
	run_for(400);
	ck_assert_uint_eq(owner.expired, 0);
	ck_assert_str_eq(owner.log, "opened attached detached(gone) attached ");
}
END_TEST

START_TEST(replies_do_not_survive_the_grace)
{
	port.room = 7;
	open_port_with_host();
	expect_out("\nhello\n");
	send_line(VMV_CLASS_REPLY, "lost");
	host_goes();
	ck_assert_int_le(vmv_channel_send(ch, VMV_CLASS_REPLY, 0, "late", 4), 0);
	WAIT(owner.expired == 1);
	ck_assert_uint_eq(vmv_outq_bytes(vmv_channel_queue(ch)), 0);
	ck_assert_int_eq(vmv_channel_send(ch, VMV_CLASS_REPLY, 0, "x", 1), -ENOTCONN);
	port.room = SIZE_MAX;
	host_comes();
	expect_out("\nhello\n");
}
END_TEST

START_TEST(unplugged_while_a_host_is_there)
{
	open_port_with_host();
	forget_log();
	port.is_plugged = false;
	nudge();
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_ABSENT);
	ck_assert_str_eq(owner.log, "detached(unplugged) expired unplugged ");
	ck_assert_int_eq(vmv_channel_send(ch, VMV_CLASS_REPLY, 0, "x", 1), -ENOTCONN);
	/* it is opened again after a pause, and found unplugged as long as it is */
	WAIT(vmv_channel_counters(ch)->opens == 2);
	port.is_plugged = true;
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_UP);
	ck_assert_uint_eq(owner.detached, 1);
}
END_TEST

START_TEST(unplugged_while_writing)
{
	open_port_with_host();
	expect_out("\nhello\n");
	forget_log();
	port.is_plugged = false;
	send_line(VMV_CLASS_REPLY, "x"); /* read finds it first; the same */
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_ABSENT);
	ck_assert_str_eq(owner.log, "detached(unplugged) expired unplugged ");
	port.is_plugged = true;
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_UP);
	forget_log();
	port.is_plugged = false;
	send_line(VMV_CLASS_REPLY, "y");
	ck_assert_uint_eq(vmv_channel_flush(ch), 0); /* writes without reading */
	ck_assert_str_eq(owner.log, "detached(unplugged) expired unplugged ");
}
END_TEST

START_TEST(unplugged_while_away)
{
	open_port_with_host();
	host_goes();
	port.is_plugged = false;
	nudge();
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_ABSENT);
	run_for(300);
	ck_assert_str_eq(owner.log, "opened attached detached(gone) expired unplugged ");
}
END_TEST

START_TEST(what_cannot_be_opened_is_said_once_per_reason)
{
	open_text("path:", &port_io); /* nothing there */
	ck_assert_str_eq(owner.log, "waiting ");
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_ABSENT);
	run_for(3200); /* two tries at least */
	ck_assert_str_eq(owner.log, "waiting ");
	ck_assert_uint_eq(vmv_channel_counters(ch)->opens, 0);
	vmv_channel_poke(ch); /* for virtio ports only */
	close_channel();
	ck_assert_str_eq(owner.log, "waiting ");
}
END_TEST

START_TEST(closing_while_a_host_is_there_detaches_once)
{
	open_port_with_host();
	port.room = 0;
	send_line(VMV_CLASS_REPLY, "never sent");
	close_channel();
	ck_assert_str_eq(owner.log, "opened attached detached(closed) expired ");
	vmv_channel_free(NULL);
	run_for(50); /* nothing is left in the loop that would come back */
}
END_TEST

START_TEST(closing_within_the_grace_detaches_no_second_time)
{
	open_port_with_host();
	host_goes();
	close_channel();
	ck_assert_str_eq(owner.log, "opened attached detached(gone) expired ");
	run_for(300);
}
END_TEST

/* -- ports: writing
 * ------------------------------------------------------------------------------------ */

START_TEST(a_port_that_takes_nothing_is_not_asked_again_and_again)
{
	unsigned writes;

	port.takes_nothing = _i == 0; /* else EAGAIN */
	port.room = 0;
	open_port_with_host();
	WAIT(port.writes > 0);
	writes = port.writes;
	run_for(300);
	ck_assert_uint_le(port.writes - writes, 3);
	ck_assert_uint_le(callbacks(), 8);
	port.takes_nothing = false;
	port.room = SIZE_MAX;
	expect_out("\nhello\n"); /* within a tick, without any edge */
}
END_TEST

START_TEST(interrupted_calls_are_made_again)
{
	port.eintr_reads = 3;
	port.eintr_writes = 3;
	open_port_with_host();
	expect_out("\nhello\n");
	host_sends("ping");
	port.eintr_reads = 2;
	nudge();
	WAIT(owner.bytes == 4);
}
END_TEST

START_TEST(no_write_is_longer_than_32_kib)
{
	open_port_with_host();
	expect_out("\nhello\n");
	send_long(VMV_CLASS_REPLY, 200000);
	WAIT(port.out_len == 200000);
	ck_assert_uint_eq(port.longest_write, 32768);
	ck_assert_int_eq(port.out[199999], '\n');
	ck_assert_ptr_eq(memchr(port.out, '\n', port.out_len), port.out + 199999);
	port.out_len = 0;
	for (int i = 0; i < 5000; i++)
		send_line(VMV_CLASS_NOTICE, "0123456789012345678");
	WAIT(port.out_len == 100000);
	ck_assert_uint_eq(port.longest_write, 32768);
}
END_TEST

START_TEST(short_writes_go_on_where_they_stopped)
{
	port.write_max = 3;
	open_port_with_host();
	expect_out("\nhello\n");
	send_line(VMV_CLASS_REPLY, "0123456789");
	send_line(VMV_CLASS_REPLY, "abcdefghij");
	expect_out("0123456789\nabcdefghij\n");
}
END_TEST

START_TEST(acknowledging_opens_the_window)
{
	char want[2 * 64 + 1];

	for (size_t i = 0; i < sizeof(want) - 1; i++)
		want[i] = i % 2 ? '\n' : 'e';
	want[sizeof(want) - 1] = '\0';
	open_port_with_host();
	expect_out("\nhello\n");
	vmv_channel_ack(ch, 6);
	for (int i = 0; i < 100; i++)
		send_line(VMV_CLASS_EVENT, "e");
	expect_out(want);
	run_for(100);
	ck_assert_uint_eq(port.out_len, 0);
	vmv_channel_ack(ch, 6 + 128);
	want[2 * 36] = '\0';
	expect_out(want);
}
END_TEST

START_TEST(what_the_window_holds_back_does_not_keep_the_loop_busy)
{
	uint64_t before;

	open_port_with_host();
	for (int i = 0; i < 100; i++)
		send_line(VMV_CLASS_EVENT, "e");
	WAIT(port.out_len == 7 + 2 * 63);
	before = callbacks();
	run_for(300);
	ck_assert_uint_le(callbacks() - before, 3);
}
END_TEST

START_TEST(what_the_greeting_holds_back_does_not_keep_the_loop_busy)
{
	uint64_t before;

	owner.is_silent = true;
	open_port_with_host();
	ck_assert_int_eq(vmv_channel_begin(ch, "hello", 5), 0);
	send_line(VMV_CLASS_REPLY, "reply");
	WAIT(port.out_len == 7);
	before = callbacks();
	run_for(300);
	ck_assert_uint_le(callbacks() - before, 3);
	vmv_channel_release(ch);
	expect_out("\nhello\nreply\n");
}
END_TEST

START_TEST(dropping_is_for_a_new_session_on_the_same_host)
{
	port.room = 7;
	open_port_with_host();
	expect_out("\nhello\n");
	send_line(VMV_CLASS_REPLY, "old");
	send_line(VMV_CLASS_EVENT, "old");
	vmv_channel_drop(ch);
	ck_assert_int_eq(vmv_channel_begin(ch, "hello again", 11), 0);
	vmv_channel_release(ch);
	port.room = SIZE_MAX;
	expect_out("\nhello again\n");
}
END_TEST

static void wait_for_another_write(void)
{
	unsigned writes = port.writes;

	WAIT(port.writes > writes);
}

START_TEST(output_that_does_not_move_for_a_minute_is_reported_once)
{
	port.room = 7;
	open_port_with_host();
	expect_out("\nhello\n");
	turn_loop();
	clock_offset_ms += 28000; /* nothing to send for so long */
	send_line(VMV_CLASS_REPLY, "stuck");
	WAIT(port.writes == 2);
	clock_offset_ms += 35000; /* its minute began when there was something */
	wait_for_another_write();
	ck_assert_uint_eq(owner.reports[VMV_REPORT_STUCK], 0);
	clock_offset_ms += 60000;
	WAIT(owner.reports[VMV_REPORT_STUCK] == 1);
	clock_offset_ms += 60000;
	/* a byte is progress */
	port.room = 1;
	WAIT(port.room == 0);
	ck_assert_uint_eq(owner.reports[VMV_REPORT_STUCK], 1);
	clock_offset_ms += 61000;
	WAIT(owner.reports[VMV_REPORT_STUCK] == 2);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_UP);
}
END_TEST

START_TEST(flush_writes_what_goes_without_waiting)
{
	open_port_with_host();
	expect_out("\nhello\n");
	port.room = 4;
	send_line(VMV_CLASS_REPLY, "a");
	send_line(VMV_CLASS_REPLY, "bcd");
	ck_assert_uint_eq(vmv_channel_flush(ch), 2);
	ck_assert_int_eq(memcmp(port.out, "a\nbc", 4), 0);
	host_goes();
	ck_assert_uint_eq(vmv_channel_flush(ch), 0);
}
END_TEST

/* -- ports: reading
 * --------------------------------------------------------------------------------------- */

static unsigned ticks;

static void on_ticks(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	ticks++;
}

START_TEST(a_flood_leaves_others_their_turn)
{
	struct timeval tv = { .tv_usec = 1000 };
	struct event *other = event_new(base, -1, EV_PERSIST, on_ticks, NULL);

	ck_assert_ptr_nonnull(other);
	ck_assert_int_eq(event_add(other, &tv), 0);
	port.floods = port.has_host = true;
	open_port();
	run_for(300);
	ck_assert_uint_ge(ticks, 5);
	ck_assert_uint_ge(owner.bytes, 2 * VMV_READ_BUDGET); /* and comes back by itself */
	ck_assert_uint_le(owner.bytes, (callbacks() + 1) * VMV_READ_BUDGET);
	/* the end is found when it comes */
	port.floods = false;
	WAIT(owner.attached == 1);
	event_free(other);
}
END_TEST

START_TEST(paused_it_does_not_read)
{
	open_port_with_host();
	vmv_channel_pause(ch, true);
	host_sends("ping");
	nudge();
	send_line(VMV_CLASS_REPLY, "written all the same");
	WAIT(port.out_len == 7 + 21);
	run_for(100);
	ck_assert_uint_eq(owner.bytes, 0);
	vmv_channel_pause(ch, false); /* without any edge */
	WAIT(owner.bytes == 4);
	vmv_channel_pause(ch, false);
}
END_TEST

START_TEST(replies_that_nobody_takes_stop_the_reading)
{
	size_t left;

	open_port_with_host();
	expect_out("\nhello\n");
	port.room = 0;
	owner.reply_len = 150000;
	host_sends("1");
	nudge();
	WAIT(owner.bytes == 1);
	host_sends("2"); /* 150,000 are waiting: below twice the bound */
	nudge();
	WAIT(owner.bytes == 2);
	host_sends("3");
	nudge();
	run_for(100);
	nudge();
	run_for(100);
	ck_assert_uint_eq(owner.bytes, 2);
	left = vmv_outq_reply_bytes(vmv_channel_queue(ch));
	ck_assert_uint_eq(left, 300000);
	/* it resumes with the output, not with an edge for reading */
	port.room = SIZE_MAX;
	WAIT(owner.bytes == 3);
	WAIT(port.out_len == 450000);
}
END_TEST

/* The master side of a terminal hangs up as a port does when its slave is closed: poll() says so to
 * one who does not read. */
START_TEST(a_host_that_leaves_while_nothing_is_read_is_noticed)
{
	char name[64];
	int slave;

	strcpy(path, "/dev/ptmx");
	open_text("path:", &port_io);
	WAIT(port.reads > 0);
	ck_assert_int_eq(unlockpt(port.fd), 0);
	ck_assert_int_eq(ptsname_r(port.fd, name, sizeof(name)), 0);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(slave, 0);
	port.has_host = true;
	port.room = 0;
	owner.reply_len = 250000;
	host_sends("1");
	ck_assert_int_eq(write(slave, "!", 1), 1);
	WAIT(owner.attached == 1 && owner.bytes == 1);
	ck_assert_uint_gt(vmv_outq_reply_bytes(vmv_channel_queue(ch)), 200000);
	host_sends("2"); /* not read any more */
	port.has_host = false;
	ck_assert_int_eq(close(slave), 0);
	WAIT(owner.expired >= 1);
	/* then there is room, and what is left is read: the next host's, perhaps */
	WAIT(owner.bytes == 2);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_AWAY);
	ck_assert_uint_eq(owner.detached, 1);
}
END_TEST

START_TEST(a_host_that_leaves_while_its_owner_pauses_is_noticed)
{
	char name[64];
	int slave;

	strcpy(path, "/dev/ptmx");
	open_text("path:", &port_io);
	WAIT(port.reads > 0);
	ck_assert_int_eq(unlockpt(port.fd), 0);
	ck_assert_int_eq(ptsname_r(port.fd, name, sizeof(name)), 0);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(slave, 0);
	port.has_host = true;
	host_sends("1");
	ck_assert_int_eq(write(slave, "!", 1), 1);
	WAIT(owner.attached == 1 && owner.bytes == 1);
	vmv_channel_pause(ch, true); /* it has enough to do */
	port.has_host = false;
	ck_assert_int_eq(close(slave), 0);
	WAIT(owner.detached == 1);
	WAIT(owner.expired >= 1);
}
END_TEST

START_TEST(a_terminal_whose_other_end_is_gone_is_opened_anew)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	char name[64];

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof(name)), 0);
	ck_assert_int_eq(symlink(name, path), 0);
	open_text("path:", NULL);
	peer_gets(master, "\nhello\n");
	ck_assert_int_eq(write(master, "ping\n", 5), 5);
	WAIT(owner.bytes == 5);
	forget_log();
	ck_assert_int_eq(close(master), 0);
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_ABSENT);
	ck_assert_str_eq(owner.log, "detached(unplugged) expired unplugged ");
	/* another one in its place */
	ck_assert_int_eq(unlink(path), 0);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof(name)), 0);
	ck_assert_int_eq(symlink(name, path), 0);
	WAIT(owner.attached == 2);
	peer_gets(master, "\nhello\n");
	ck_assert_int_eq(close(master), 0);
}
END_TEST

/* -- ports that come and go
 * ------------------------------------------------------------------------- */

/* A /dev of our own; false where that is not allowed. */
static bool have_own_dev(void)
{
	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	return mount("tmpfs", "/dev", "tmpfs", 0, NULL) == 0;
}

START_TEST(poking_finds_a_port_at_once)
{
	static const char dev[] = "/dev/vport7p3";
	struct vmv_spec spec;

	if (!have_own_dev()) {
		SAY_SKIPPED("no mount namespace of its own");
		return;
	}
	ck_assert_int_eq(vmv_spec_parse("virtio:test.port", &spec, NULL), 0);
	open_spec(&spec, &port_io);
	ck_assert_str_eq(owner.log, "waiting ");
	vmv_channel_poke(ch);
	ck_assert_str_eq(owner.log, "waiting ");

	fixture_put(&fx, "sys/class/virtio-ports/vport7p3/name", "test.port\n");
	vmv_channel_poke(ch); /* named, but udev has not made the node yet */
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_ABSENT);
	ck_assert_int_eq(mkfifo(dev, 0600), 0);
	vmv_channel_poke(ch);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_AWAY);
	ck_assert_str_eq(owner.log, "waiting opened ");
	port.has_host = true;
	vmv_channel_poke(ch); /* of another port: looks at this one, too */
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_UP);

	forget_log();
	port.is_plugged = false;
	vmv_channel_poke(ch);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_ABSENT);
	ck_assert_str_eq(owner.log, "detached(unplugged) expired unplugged ");
	port.is_plugged = true;
	vmv_channel_poke(ch);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_AWAY);
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_UP);
	ck_assert_uint_eq(vmv_channel_counters(ch)->opens, 2);
}
END_TEST

/* -- sockets
 * ------------------------------------------------------------------------------------------ */

static int peer_connect(void)
{
	struct vmv_err err = { 0 };
	int fd = vmv_unix_connect(path, &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	return fd;
}

static void peer_sends(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool has_ended(int fd)
{
	char c;
	ssize_t n = read(fd, &c, 1);

	ck_assert_int_le(n, 0);
	return n == 0 || errno == ECONNRESET;
}

/* Nothing more, then the end. */
static void peer_sees_end(int fd)
{
	WAIT(has_ended(fd));
}

static void open_listener(void)
{
	open_text("unix-listen:", NULL);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_AWAY);
	ck_assert_str_eq(owner.log, "opened ");
}

START_TEST(peers_are_served_one_after_the_other)
{
	vmv_autoclose int first = -1;
	vmv_autoclose int second = -1;

	open_listener();
	first = peer_connect();
	peer_gets(first, "\nhello\n");
	peer_sends(first, "ping");
	WAIT(owner.bytes == 4);
	send_line(VMV_CLASS_REPLY, "pong");
	peer_gets(first, "pong\n");
	ck_assert_int_eq(shutdown(first, SHUT_RDWR), 0);
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_AWAY);
	ck_assert_str_eq(owner.log, "opened attached data(ping) detached(gone) expired ");
	ck_assert_int_eq(vmv_channel_send(ch, VMV_CLASS_REPLY, 0, "x", 1), -ENOTCONN);
	second = peer_connect();
	peer_gets(second, "\nhello\n");
	close_channel();
	ck_assert_int_eq(owner.detached, 2);
	peer_sees_end(second);
	ck_assert_int_lt(access(path, F_OK), 0); /* its file is gone, too */
}
END_TEST

START_TEST(a_further_peer_is_refused)
{
	vmv_autoclose int first = -1;
	vmv_autoclose int second = -1;

	open_listener();
	first = peer_connect();
	peer_gets(first, "\nhello\n");
	second = peer_connect();
	peer_sees_end(second);
	ck_assert_uint_eq(owner.reports[VMV_REPORT_REFUSED], 1);
	peer_sends(first, "ping");
	WAIT(owner.bytes == 4);
	send_line(VMV_CLASS_REPLY, "pong");
	peer_gets(first, "pong\n");
	ck_assert_uint_eq(owner.attached, 1);
}
END_TEST

START_TEST(a_peer_that_is_gone_at_once_is_in_nobodys_way)
{
	vmv_autoclose int second = -1;
	int first;

	open_listener();
	for (int i = 0; i < 3; i++) {
		first = peer_connect();
		peer_sends(first, "one");
		ck_assert_int_eq(close(first), 0);
	}
	second = peer_connect(); /* before anybody has been accepted */
	peer_sends(second, "two");
	peer_gets(second, "\nhello\n");
	WAIT(owner.bytes == 12);
	ck_assert_uint_eq(owner.attached, 4);
	ck_assert_uint_eq(owner.detached, 3);
	ck_assert_uint_eq(owner.reports[VMV_REPORT_REFUSED], 0);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_UP);
}
END_TEST

START_TEST(a_peer_that_has_ended_gets_what_it_asked_for)
{
	vmv_autoclose int fd = -1;

	owner.is_busy = true;
	open_listener();
	fd = peer_connect();
	peer_sends(fd, "ping");
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	peer_gets(fd, "\nhello\n");
	WAIT(owner.bytes == 4);
	run_for(300);
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_UP);
	ck_assert_uint_le(callbacks(), 10); /* the end is not read again and again */
	owner.is_busy = false;
	send_line(VMV_CLASS_REPLY, "pong");
	peer_gets(fd, "pong\n");
	peer_sees_end(fd);
	ck_assert_str_eq(owner.log, "opened attached data(ping) detached(gone) expired ");
}
END_TEST

START_TEST(a_peer_that_has_ended_is_not_waited_for_long)
{
	vmv_autoclose int fd = -1;
	uint64_t ended;

	owner.is_busy = true; /* and stays so */
	open_listener();
	fd = peer_connect();
	peer_gets(fd, "\nhello\n");
	ended = now_ms();
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	peer_sees_end(fd);
	ck_assert_uint_ge(now_ms() - ended, VMV_LINGER_MS - 10);
	ck_assert_uint_eq(owner.detached, 1);
}
END_TEST

START_TEST(a_peer_that_has_ended_and_closed_is_gone_at_once)
{
	uint64_t ended;
	int fd;

	owner.is_busy = true;
	open_listener();
	fd = peer_connect();
	peer_gets(fd, "\nhello\n");
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	run_for(100);
	ck_assert_uint_eq(owner.detached, 0);
	ended = now_ms();
	ck_assert_int_eq(close(fd), 0);
	WAIT(owner.detached == 1);
	if (event_base_get_features(base) & EV_FEATURE_ET)
		ck_assert_uint_lt(now_ms() - ended, VMV_LINGER_MS - 200);
}
END_TEST

START_TEST(a_slow_reader_gets_every_byte)
{
	vmv_autoclose int fd = -1;
	vmv_autofree char *got = malloc(3000007);
	size_t len = 0;
	uint64_t before;

	ck_assert_ptr_nonnull(got);
	open_listener();
	fd = peer_connect();
	WAIT(owner.attached == 1);
	send_long(VMV_CLASS_REPLY, 3000000);
	run_for(200); /* the socket is full */
	before = callbacks();
	run_for(200);
	ck_assert_uint_le(callbacks() - before, 2);
	WAIT(has_read(fd, got, &len, 3000007));
	ck_assert_int_eq(memcmp(got, "\nhello\nrrr", 10), 0);
	ck_assert_ptr_eq(memchr(got + 7, '\n', len - 7), got + len - 1);
	WAIT(vmv_outq_bytes(vmv_channel_queue(ch)) == 0);
}
END_TEST

START_TEST(a_closed_window_costs_a_socket_nothing)
{
	vmv_autoclose int fd = -1;
	uint64_t before;

	open_listener();
	fd = peer_connect();
	WAIT(owner.attached == 1);
	for (int i = 0; i < 100; i++)
		send_line(VMV_CLASS_EVENT, "e");
	run_for(100);
	before = callbacks();
	run_for(300);
	ck_assert_uint_le(callbacks() - before, 2);
	ck_assert_uint_eq(vmv_outq_bytes(vmv_channel_queue(ch)), 2 * 37);
}
END_TEST

/* It has the kernel accept a peer, sees that the limit is passed, and hangs up. */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

/* All descriptors there are, but for so many. */
static int hoard_descriptors(int hoard[256], int leave)
{
	struct rlimit limit;
	int n = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 256;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (n < 256 && (hoard[n] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	for (; leave > 0; leave--)
		ck_assert_int_eq(close(hoard[--n]), 0);
	return n;
}

START_TEST(without_descriptors_peers_are_turned_away)
{
	vmv_autoclose int fd = -1;
	vmv_autoclose int later = -1;
	int hoard[256], n;

	if (under_valgrind()) {
		SAY_SKIPPED("valgrind has descriptors of its own");
		return;
	}
	open_listener();
	fd = peer_connect();
	n = hoard_descriptors(hoard, 0);
	run_for(200);
	ck_assert_uint_eq(owner.reports[VMV_REPORT_REFUSED], 1);
	ck_assert_uint_eq(owner.attached, 0);
	while (n > 0)
		ck_assert_int_eq(close(hoard[--n]), 0);
	peer_sees_end(fd);
	later = peer_connect();
	peer_gets(later, "\nhello\n");
}
END_TEST

START_TEST(without_even_a_spare_descriptor_peers_wait_and_the_loop_sleeps)
{
	vmv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int hoard[256], n;
	clock_t before;

	if (under_valgrind()) {
		SAY_SKIPPED("valgrind has descriptors of its own");
		return;
	}
	n = hoard_descriptors(hoard, 1);
	open_listener(); /* takes the last one */
	strcpy(a.sun_path, path);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	before = clock();
	run_for(500);
	ck_assert_int_lt((clock() - before) * 1000 / CLOCKS_PER_SEC, 200);
	ck_assert_uint_eq(owner.attached, 0);
	while (n > 0)
		ck_assert_int_eq(close(hoard[--n]), 0);
	peer_gets(fd, "\nhello\n");
}
END_TEST

START_TEST(a_listener_that_is_taken_is_tried_again)
{
	int taken = vmv_unix_listen(path, NULL);
	vmv_autoclose int fd = -1;

	ck_assert_int_ge(taken, 0);
	open_text("unix-listen:", NULL);
	ck_assert_str_eq(owner.log, "waiting ");
	ck_assert_int_eq(vmv_channel_state(ch), VMV_CHANNEL_ABSENT);
	ck_assert_int_eq(close(taken), 0); /* it leaves its file behind */
	WAIT(vmv_channel_state(ch) == VMV_CHANNEL_AWAY);
	fd = peer_connect();
	peer_gets(fd, "\nhello\n");
}
END_TEST

START_TEST(connecting_is_tried_until_somebody_listens)
{
	vmv_autoclose int listener = -1;
	int fd = -EAGAIN;

	open_text("unix-connect:", NULL);
	ck_assert_str_eq(owner.log, "waiting ");
	run_for(300);
	ck_assert_str_eq(owner.log, "waiting ");
	listener = vmv_unix_listen(path, NULL);
	ck_assert_int_ge(listener, 0);
	WAIT((fd = vmv_socket_accept(listener)) >= 0);
	peer_gets(fd, "\nhello\n");
	peer_sends(fd, "ping");
	WAIT(owner.bytes == 4);
	/* the server goes away: session over, and again */
	ck_assert_int_eq(close(fd), 0);
	WAIT(owner.detached == 1);
	WAIT((fd = vmv_socket_accept(listener)) >= 0);
	WAIT(owner.attached == 2);
	peer_gets(fd, "\nhello\n");
	close_channel();
	peer_sees_end(fd);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_str_eq(owner.log, "waiting attached data(ping) detached(gone) expired attached "
				    "detached(closed) expired ");
}
END_TEST

START_TEST(a_server_that_hangs_up_each_time_is_asked_less_and_less)
{
	vmv_autoclose int listener = vmv_unix_listen(path, NULL);
	uint64_t end = now_ms() + 1500;
	int fd;

	ck_assert_int_ge(listener, 0);
	open_text("unix-connect:", NULL);
	while (now_ms() < end) {
		turn_loop();
		fd = vmv_socket_accept(listener);
		if (fd >= 0)
			ck_assert_int_eq(close(fd), 0);
	}
	/* pauses of at least 50, 100, 200, 400, 800 ms lie between them */
	ck_assert_uint_le(vmv_channel_counters(ch)->opens, 6);
}
END_TEST

/* -- standard input and output
 * -------------------------------------------------------------------------- */

static void become(int fd, int as)
{
	ck_assert_int_eq(dup2(fd, as), as);
	ck_assert_int_eq(close(fd), 0);
}

START_TEST(stdio_serves_until_its_input_ends)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
	become(in[0], STDIN_FILENO);
	become(out[1], STDOUT_FILENO);
	open_text("stdio", NULL);
	ck_assert(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK);
	peer_gets(out[0], "\nhello\n");
	ck_assert_int_eq(write(in[1], "ping", 4), 4);
	WAIT(owner.bytes == 4);
	owner.is_busy = true;
	ck_assert_int_eq(close(in[1]), 0);
	run_for(100);
	ck_assert_uint_eq(owner.finished, 0);
	owner.is_busy = false;
	send_line(VMV_CLASS_REPLY, "pong");
	peer_gets(out[0], "pong\n");
	WAIT(owner.finished == 1);
	ck_assert_str_eq(owner.log, "attached data(ping) detached(gone) expired finished ");
	ck_assert(!(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK)); /* as they were */
	ck_assert(!(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK));
	ck_assert_int_eq(close(out[0]), 0);
}
END_TEST

static void be_silent(int severity, const char *message)
{
	(void)severity;
	(void)message;
}

START_TEST(stdio_can_be_files)
{
	char got[64];
	ssize_t n;

	event_set_log_callback(be_silent); /* libevent warns of what epoll does not take */
	fixture_put(&fx, "in", "ping");
	fixture_put(&fx, "out", "");
	(void)snprintf(path, sizeof(path), "%s/in", fx.dir);
	become(open(path, O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	(void)snprintf(path, sizeof(path), "%s/out", fx.dir);
	become(open(path, O_RDWR | O_CLOEXEC), STDOUT_FILENO);
	owner.reply_len = 5;
	open_text("stdio", NULL);
	WAIT(owner.finished == 1);
	ck_assert_str_eq(owner.log, "attached data(ping) detached(gone) expired finished ");
	n = pread(STDOUT_FILENO, got, sizeof(got), 0);
	ck_assert_int_eq(n, 12);
	ck_assert_int_eq(memcmp(got, "\nhello\nrrrr\n", 12), 0);
}
END_TEST

/* On a terminal both are one open file: its flags, too. */
START_TEST(stdio_that_is_one_file_gets_its_flags_back)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	become(fds[0], STDOUT_FILENO);
	open_text("stdio", NULL);
	ck_assert(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK);
	close_channel();
	ck_assert(!(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK));
	ck_assert(!(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK));
	ck_assert_int_eq(close(fds[1]), 0);
}
END_TEST

START_TEST(stdio_that_cannot_be_used_is_an_error)
{
	static const struct vmv_spec spec = { .transport = VMV_TRANSPORT_STDIO, .name = "stdio" };
	const struct vmv_channel_params params = {
		.base = base, .clock = &test_clock, .ops = &ops, .arg = &owner
	};
	struct vmv_err err = { 0 };
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	become(fds[0], STDIN_FILENO);
	ck_assert_int_eq(close(STDOUT_FILENO), 0);
	ck_assert_int_eq(vmv_channel_new(&ch, &params, &spec, &err), -EBADF);
	ck_assert_str_ne(err.msg, "");
	ck_assert_ptr_null(ch);
	ck_assert(!(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK));
	ck_assert_int_eq(close(fds[1]), 0);
}
END_TEST

START_TEST(stdio_whose_reader_is_gone_ends)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	become(in[0], STDIN_FILENO);
	become(out[1], STDOUT_FILENO);
	ck_assert_int_eq(close(out[0]), 0);
	open_text("stdio", NULL);
	WAIT(owner.finished == 1);
	ck_assert_str_eq(owner.log, "attached detached(gone) expired finished ");
	ck_assert_int_eq(close(in[1]), 0);
}
END_TEST

/* -- all of it with epoll, and without
 * ------------------------------------------------------------------- */

static void add_all(TCase *tc)
{
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, without_host_it_is_away_and_sleeps);
	tcase_add_test(tc, a_host_is_greeted_served_and_followed_by_the_next);
	tcase_add_test(tc, unplugged_while_a_host_is_there);
	tcase_add_test(tc, closing_while_a_host_is_there_detaches_once);
	tcase_add_test(tc, short_writes_go_on_where_they_stopped);
	tcase_add_test(tc, what_the_window_holds_back_does_not_keep_the_loop_busy);
	tcase_add_test(tc, what_the_greeting_holds_back_does_not_keep_the_loop_busy);
	tcase_add_test(tc, a_flood_leaves_others_their_turn);
	tcase_add_test(tc, paused_it_does_not_read);
	tcase_add_test(tc, peers_are_served_one_after_the_other);
	tcase_add_test(tc, a_further_peer_is_refused);
	tcase_add_test(tc, a_peer_that_is_gone_at_once_is_in_nobodys_way);
	tcase_add_test(tc, a_peer_that_has_ended_gets_what_it_asked_for);
	tcase_add_test(tc, a_peer_that_has_ended_is_not_waited_for_long);
	tcase_add_test(tc, a_peer_that_has_ended_and_closed_is_gone_at_once);
	tcase_add_test(tc, a_slow_reader_gets_every_byte);
	tcase_add_test(tc, a_closed_window_costs_a_socket_nothing);
	tcase_add_test(tc, without_descriptors_peers_are_turned_away);
	tcase_add_test(tc, without_even_a_spare_descriptor_peers_wait_and_the_loop_sleeps);
	tcase_add_test(tc, connecting_is_tried_until_somebody_listens);
	tcase_add_test(tc, a_terminal_whose_other_end_is_gone_is_opened_anew);
	tcase_add_test(tc, stdio_serves_until_its_input_ends);
	tcase_add_test(tc, stdio_can_be_files);
	tcase_add_test(tc, stdio_whose_reader_is_gone_ends);
}

/* What does not depend on how the loop waits, and what a FIFO cannot play without edges: it is
 * always writable, and away it is looked at once a second only. */
static void add_edge_only(TCase *tc)
{
	tcase_add_test(tc, a_host_that_is_there_and_sends_nothing_is_seen);
	tcase_add_test(tc, early_data_belongs_to_the_session_that_follows);
	tcase_add_test(tc, early_data_that_nobody_follows_expires);
	tcase_add_test(tc, early_data_has_its_own_time);
	tcase_add_test(tc, replies_survive_a_change_of_hosts_within_the_grace);
	tcase_add_test(tc, replies_do_not_survive_the_grace);
	tcase_add_test(tc, unplugged_while_writing);
	tcase_add_test(tc, unplugged_while_away);
	tcase_add_test(tc, what_cannot_be_opened_is_said_once_per_reason);
	tcase_add_test(tc, closing_within_the_grace_detaches_no_second_time);
	tcase_add_loop_test(tc, a_port_that_takes_nothing_is_not_asked_again_and_again, 0, 2);
	tcase_add_test(tc, interrupted_calls_are_made_again);
	tcase_add_test(tc, no_write_is_longer_than_32_kib);
	tcase_add_test(tc, acknowledging_opens_the_window);
	tcase_add_test(tc, dropping_is_for_a_new_session_on_the_same_host);
	tcase_add_test(tc, output_that_does_not_move_for_a_minute_is_reported_once);
	tcase_add_test(tc, flush_writes_what_goes_without_waiting);
	tcase_add_test(tc, replies_that_nobody_takes_stop_the_reading);
	tcase_add_test(tc, a_host_that_leaves_while_nothing_is_read_is_noticed);
	tcase_add_test(tc, a_host_that_leaves_while_its_owner_pauses_is_noticed);
	tcase_add_test(tc, poking_finds_a_port_at_once);
	tcase_add_test(tc, a_listener_that_is_taken_is_tried_again);
	tcase_add_test(tc, a_server_that_hangs_up_each_time_is_asked_less_and_less);
	tcase_add_test(tc, stdio_that_is_one_file_gets_its_flags_back);
	tcase_add_test(tc, stdio_that_cannot_be_used_is_an_error);
}

static void add_level_only(TCase *tc)
{
	/* 0 bytes written though poll() says that there is room: the broken queue of a port */
	tcase_add_loop_test(tc, a_port_that_takes_nothing_is_not_asked_again_and_again, 0, 1);
}

int main(void)
{
	Suite *s = suite_create("channel");
	TCase *edge = tcase_create("edge");
	TCase *level = tcase_create("level");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(edge, up_edge, down);
	tcase_add_checked_fixture(level, up_level, down);
	add_all(edge);
	add_all(level);
	add_edge_only(edge);
	add_level_only(level);
	suite_add_tcase(s, edge);
	suite_add_tcase(s, level);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
