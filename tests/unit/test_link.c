#include "exec/link.h"

#include "base/limits.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIECE	 (32 * VMV_KIB)
#define PATIENCE 30 /* s; for what surely comes */

static struct event_base *base;

/* One end, and what it was told. */
struct end {
	struct vmv_link *link;
	unsigned n_lines;
	size_t len;    /* of the latest line */
	uint64_t hash; /* of all */
	char text[64]; /* the first bytes of the latest */
	bool frees, pauses;
	bool is_lost;
	int error;
};

static uint64_t hash_of(uint64_t hash, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
	return hash;
}

static void on_line(void *arg, const char *line, size_t len)
{
	struct end *e = arg;

	ck_assert(!e->is_lost);
	ck_assert_int_eq(line[len], '\0');
	e->n_lines++;
	e->len = len;
	e->hash = hash_of(e->hash, line, len);
	(void)snprintf(e->text, sizeof(e->text), "%s", line);
	if (e->pauses)
		vmv_link_pause(e->link, true);
	if (e->frees) {
		vmv_link_free(e->link);
		e->link = NULL;
	}
	(void)event_base_loopbreak(base);
}

static void on_lost(void *arg, int error)
{
	struct end *e = arg;

	ck_assert(!e->is_lost); /* once */
	e->is_lost = true;
	e->error = error;
	vmv_link_free(e->link);
	e->link = NULL;
	(void)event_base_loopbreak(base);
}

static const struct vmv_link_calls calls = { .line = on_line, .lost = on_lost };
static struct end a, b;
static int near; /* of a; its own */
static int raw;	 /* the far end of a, where b is not made */

static void up(void)
{
	int fds[2];

	base = event_base_new();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	a = b = (struct end){ .link = NULL };
	ck_assert_int_eq(vmv_link_new(&a.link, base, fds[0], VMV_LINK_LINE_MAX, &calls, &a), 0);
	near = fds[0];
	raw = fds[1];
}

static void both(void)
{
	ck_assert_int_eq(vmv_link_new(&b.link, base, raw, VMV_LINK_LINE_MAX, &calls, &b), 0);
	raw = -1;
}

static void down(void)
{
	vmv_link_free(a.link);
	vmv_link_free(b.link);
	if (raw >= 0)
		(void)close(raw);
	event_base_free(base);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	ck_abort_msg("nothing came");
}

/* Until something was told. */
static void turn(void)
{
	const struct timeval tv = { .tv_sec = PATIENCE };
	struct event *patience = event_new(base, -1, 0, on_patience, NULL);

	ck_assert_int_eq(event_add(patience, &tv), 0);
	ck_assert_int_ge(event_base_dispatch(base), 0);
	event_free(patience);
}

/* What there is to do now. */
static void idle(void)
{
	for (int i = 0; i < 20; i++)
		ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

static void send_raw(const char *data, size_t len)
{
	ck_assert_int_eq(send(raw, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static char *text_of(size_t len)
{
	char *text = malloc(len + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('!' + (i * 7 + i / 4093) % 90);
	text[len] = '\0';
	return text;
}

/* -- lines ------------------------------------------------------------------------------------- */

static const size_t lengths[] = {
	0,	     1,		  PIECE - 1,	PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1,
	1 * VMV_MIB, 8 * VMV_MIB, 24 * VMV_MIB,
};

START_TEST(a_line_arrives_as_it_was)
{
	size_t len = lengths[_i];
	char *text = text_of(len);

	both();
	ck_assert_int_eq(vmv_link_send(a.link, text, len), 0);
	ck_assert_uint_gt(vmv_link_queued(a.link), len);
	turn();
	ck_assert_uint_eq(b.n_lines, 1);
	ck_assert_uint_eq(b.len, len);
	ck_assert_uint_eq(b.hash, hash_of(0, text, len));
	ck_assert_uint_eq(vmv_link_queued(a.link), 0);
	free(text);
}
END_TEST

START_TEST(many_lines_arrive_in_order_both_ways)
{
	char line[64];
	uint64_t expected = 0;

	both();
	for (int i = 0; i < 5000; i++) {
		int n = snprintf(line, sizeof(line), "{\"ref\":%d}", i);

		expected = hash_of(expected, line, (size_t)n);
		ck_assert_int_eq(vmv_link_send(a.link, line, (size_t)n), 0);
		ck_assert_int_eq(vmv_link_send(b.link, line, (size_t)n), 0);
	}
	while (a.n_lines < 5000 || b.n_lines < 5000)
		turn();
	ck_assert_uint_eq(a.hash, expected);
	ck_assert_uint_eq(b.hash, expected);
}
END_TEST

START_TEST(a_line_with_nul_is_one_line)
{
	both();
	ck_assert_int_eq(vmv_link_send(a.link, "a\0b", 3), 0);
	turn();
	ck_assert_uint_eq(b.len, 3);
	ck_assert_uint_eq(b.hash, hash_of(0, "a\0b", 3));
}
END_TEST

START_TEST(pieces_of_any_length_make_a_line)
{
	send_raw("+{", 2);
	send_raw("+", 1);
	idle();
	ck_assert_uint_eq(a.n_lines, 0);
	send_raw(".}", 2);
	turn();
	ck_assert_str_eq(a.text, "{}");
	send_raw("+x", 2);
	send_raw(".", 1);
	turn();
	ck_assert_str_eq(a.text, "x");
}
END_TEST

/* -- bounds ------------------------------------------------------------------------------------ */

START_TEST(a_longer_line_is_the_end)
{
	char *text = text_of(VMV_LINK_LINE_MAX + 1);

	both();
	ck_assert_int_eq(vmv_link_send(a.link, text, VMV_LINK_LINE_MAX + 1), 0);
	turn();
	ck_assert(b.is_lost);
	ck_assert_int_eq(b.error, -EMSGSIZE);
	ck_assert_uint_eq(b.n_lines, 0);
	turn(); /* and the other end hears of it */
	ck_assert(a.is_lost);
	free(text);
}
END_TEST

START_TEST(what_is_not_read_stays_queued)
{
	char *text = text_of(8 * VMV_MIB);
	size_t queued;

	ck_assert_int_eq(vmv_link_send(a.link, text, 8 * VMV_MIB), 0);
	idle();
	queued = vmv_link_queued(a.link);
	ck_assert_uint_gt(queued, 4 * VMV_MIB); /* the kernel takes a little */
	ck_assert_uint_lt(queued, 8 * VMV_MIB);
	idle();
	ck_assert_uint_eq(vmv_link_queued(a.link), queued);
	both();
	turn();
	ck_assert_uint_eq(b.hash, hash_of(0, text, 8 * VMV_MIB));
	free(text);
}
END_TEST

START_TEST(one_turn_sends_a_bounded_part)
{
	char *text = text_of(24 * VMV_MIB);
	int size = 64 * (int)VMV_MIB;

	/* a socket that would take all of it, where that may be had */
	if (setsockopt(near, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		printf("the socket's buffer cannot be made large: little is shown here\n");
	both();
	vmv_link_pause(b.link, true);
	ck_assert_int_eq(vmv_link_send(a.link, text, 24 * VMV_MIB), 0);
	ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE), 0);
	ck_assert_uint_gt(vmv_link_queued(a.link), 20 * VMV_MIB);
	vmv_link_pause(b.link, false);
	turn();
	ck_assert_uint_eq(b.len, 24 * VMV_MIB);
	free(text);
}
END_TEST

/* -- ends -------------------------------------------------------------------------------------- */

static const struct {
	const char *packet;
	size_t len;
} garbage[] = {
	{ "{}", 2 }, { "\0", 1 }, { "\n", 1 }, { "-x", 2 }, { "\xff", 1 },
};

START_TEST(garbage_is_the_end)
{
	send_raw(garbage[_i].packet, garbage[_i].len);
	turn();
	ck_assert(a.is_lost);
	ck_assert_int_eq(a.error, -EPROTO);
	ck_assert_uint_eq(a.n_lines, 0);
}
END_TEST

START_TEST(too_long_a_packet_is_the_end)
{
	char *packet = text_of(PIECE + 2);

	packet[0] = '.';
	send_raw(packet, PIECE + 2);
	turn();
	ck_assert(a.is_lost);
	ck_assert_int_eq(a.error, -EPROTO);
	free(packet);
}
END_TEST

START_TEST(half_a_line_is_not_told_at_the_end)
{
	send_raw("+half", 5);
	(void)close(raw);
	raw = -1;
	turn();
	ck_assert(a.is_lost);
	ck_assert_int_eq(a.error, 0);
	ck_assert_uint_eq(a.n_lines, 0);
}
END_TEST

START_TEST(lines_before_the_end_are_told)
{
	send_raw(".one", 4);
	send_raw(".two", 4);
	(void)close(raw);
	raw = -1;
	while (!a.is_lost)
		turn();
	ck_assert_uint_eq(a.n_lines, 2);
	ck_assert_str_eq(a.text, "two");
	ck_assert_int_eq(a.error, 0);
}
END_TEST

START_TEST(a_link_may_be_freed_by_who_is_told)
{
	a.frees = true;
	for (int i = 0; i < 10; i++)
		send_raw(".x", 2);
	turn();
	ck_assert_ptr_null(a.link);
	idle();
	ck_assert_uint_eq(a.n_lines, 1);
	ck_assert(!a.is_lost);
}
END_TEST

START_TEST(what_was_queued_is_sent_when_it_is_freed)
{
	both();
	ck_assert_int_eq(vmv_link_send(a.link, "last words", 10), 0);
	vmv_link_free(a.link);
	a.link = NULL;
	while (!b.is_lost)
		turn();
	ck_assert_str_eq(b.text, "last words");
	ck_assert_int_eq(b.error, 0);
}
END_TEST

START_TEST(a_lost_link_takes_lines_and_says_so_once)
{
	(void)close(raw);
	raw = -1;
	ck_assert_int_eq(vmv_link_send(a.link, "x", 1), 0);
	turn();
	ck_assert(a.is_lost);
	ck_assert_int_eq(a.error, 0); /* found by writing, or by reading */
	idle();
}
END_TEST

START_TEST(while_paused_nothing_is_told)
{
	a.pauses = true;
	for (int i = 0; i < 5; i++)
		send_raw(".x", 2);
	turn();
	idle();
	ck_assert_uint_eq(a.n_lines, 1); /* also of what the same turn could have read */
	a.pauses = false;
	vmv_link_pause(a.link, false);
	while (a.n_lines < 5)
		turn();
}
END_TEST

/* -- connecting -------------------------------------------------------------------------------- */

START_TEST(nobody_there_is_said)
{
	struct vmv_link *l = NULL;
	char path[200];

	ck_assert_int_eq(vmv_link_connect(&l, base, "/nonexistent/vmvitals", 100, &calls, &b),
			 -ENOENT);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(vmv_link_connect(&l, base, path, 100, &calls, &b), -ENAMETOOLONG);
	ck_assert_ptr_null(l);
}
END_TEST

START_TEST(who_listens_is_connected_to)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/vmvitals-link-%d", (int)getpid());
	(void)unlink(at.sun_path);
	ck_assert_int_eq(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(vmv_link_connect(&b.link, base, at.sun_path, 100, &calls, &b),
			 -ECONNREFUSED);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(vmv_link_connect(&b.link, base, at.sun_path, 100, &calls, &b), 0);
	ck_assert_int_eq(vmv_link_send(b.link, "hello", 5), 0);
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	vmv_link_free(a.link);
	ck_assert_int_eq(vmv_link_new(&a.link, base, fd, 100, &calls, &a), 0);
	turn();
	ck_assert_str_eq(a.text, "hello");
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	(void)close(listener);
	(void)unlink(at.sun_path);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("link");
	TCase *tc = tcase_create("link");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 2 * PATIENCE);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_loop_test(tc, a_line_arrives_as_it_was, 0,
			    (int)(sizeof(lengths) / sizeof(lengths[0])));
	tcase_add_test(tc, many_lines_arrive_in_order_both_ways);
	tcase_add_test(tc, a_line_with_nul_is_one_line);
	tcase_add_test(tc, pieces_of_any_length_make_a_line);
	tcase_add_test(tc, a_longer_line_is_the_end);
	tcase_add_test(tc, what_is_not_read_stays_queued);
	tcase_add_test(tc, one_turn_sends_a_bounded_part);
	tcase_add_loop_test(tc, garbage_is_the_end, 0, (int)(sizeof(garbage) / sizeof(garbage[0])));
	tcase_add_test(tc, too_long_a_packet_is_the_end);
	tcase_add_test(tc, half_a_line_is_not_told_at_the_end);
	tcase_add_test(tc, lines_before_the_end_are_told);
	tcase_add_test(tc, a_link_may_be_freed_by_who_is_told);
	tcase_add_test(tc, what_was_queued_is_sent_when_it_is_freed);
	tcase_add_test(tc, a_lost_link_takes_lines_and_says_so_once);
	tcase_add_test(tc, while_paused_nothing_is_told);
	tcase_add_test(tc, nobody_there_is_said);
	tcase_add_test(tc, who_listens_is_connected_to);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
