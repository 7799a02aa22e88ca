#include "collectors/socket.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/tcp.h"
#include "collectors/walk.h"
#include "tests/lib/fixture.h"

#define HEADINGS                                                                         \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   " \
	"uid  timeout inode                                                     \n"

#define ANY   "00000000:0000"
#define ANY6  "00000000000000000000000000000000:0000"
#define PEER  "010200C0:C350"
#define QUEUE " 00000000:00000000 00:00000000 00000000 "

/* addr:port (hex), peer, state, inode as text */
#define LINE(local, peer, state, inode) \
	"   0: " local " " peer " " state QUEUE "   0        0 " inode " 1 00000000f5fa9494 100\n"

#define NUMBERS "1 1 1 0 -1 1 1 0 0 0 2 1 0 0 20 0 3 0 9 3 1\n"

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

struct lines {
	struct vmv_socket_line line[8];
	size_t n;
};

static int keep_line(void *arg, const struct vmv_socket_line *line)
{
	struct lines *l = arg;

	ck_assert_uint_lt(l->n, VMV_COUNTOF(l->line));
	l->line[l->n++] = *line;
	return 0;
}

START_TEST(a_line_is_taken_apart)
{
	struct vmv_err err = { 0 };
	struct lines l = { .n = 0 };

	ck_assert_int_eq(
		vmv_socket_parse(HEADINGS
				 "   0: 00000000:07E8 00000000:0000 0A 00000000:00000000"
				 " 00:00000000 00000000     0        0 1210 1 00000000f5fa9494 100"
				 " 0 0 10 0                      \n"
				 " 461: 0F02000A:0016 0202000A:E2A1 01 00000000:00000000"
				 " 02:000A7214 00000000  1000        0 18446744073709551615 4\n",
				 keep_line, &l, &err),
		0);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_uint_eq(l.line[0].local_port, 2024);
	ck_assert_uint_eq(l.line[0].remote_port, 0);
	ck_assert(!l.line[0].has_peer);
	ck_assert_uint_eq(l.line[0].state, 10);
	ck_assert_uint_eq(l.line[0].uid, 0);
	ck_assert_uint_eq(l.line[0].inode, 1210);
	ck_assert_uint_eq(l.line[1].local_port, 22);
	ck_assert_uint_eq(l.line[1].remote_port, 58017);
	ck_assert(l.line[1].has_peer);
	ck_assert_uint_eq(l.line[1].state, 1);
	ck_assert_uint_eq(l.line[1].uid, 1000);
	ck_assert(l.line[1].inode == UINT64_MAX);
}
END_TEST

START_TEST(ipv6_addresses_are_longer)
{
	struct vmv_err err = { 0 };
	struct lines l = { .n = 0 };

	ck_assert_int_eq(
		vmv_socket_parse(
			HEADINGS LINE("00000000000000000000000001000000:0035", ANY6, "07", "99")
				LINE("00000000000000000000000000000000:FFFF",
				     "B80D0120000000000000000001000000:0000", "07", "0"),
			keep_line, &l, &err),
		0);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_uint_eq(l.line[0].local_port, 53);
	ck_assert(!l.line[0].has_peer);
	ck_assert_uint_eq(l.line[0].inode, 99);
	ck_assert_uint_eq(l.line[1].local_port, 65535);
	ck_assert(l.line[1].has_peer);
}
END_TEST

START_TEST(headings_alone_are_an_empty_table)
{
	struct vmv_err err = { 0 };
	struct lines l = { .n = 0 };

	ck_assert_int_eq(vmv_socket_parse(HEADINGS, keep_line, &l, &err), 0);
	/* those of udp are indented by one more */
	ck_assert_int_eq(vmv_socket_parse(" " HEADINGS, keep_line, &l, &err), 0);
	ck_assert_uint_eq(l.n, 0);
}
END_TEST

static const char *const bad[] = {
	"",
	"\n",
	"  sl  local_address",
	LINE("00000000:0016", ANY, "0A", "1"),
	HEADINGS "\n",
	HEADINGS "   0: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 1210",
	HEADINGS "   0: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0\n",
	HEADINGS "   0: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 x\n",
	HEADINGS "   0: 00000000:0016 00000000:0000 0A 0:0 0:0 0 x 0 1\n",
	HEADINGS "   0: 00000000:0016 00000000:0000 0A\n",
	HEADINGS "   0: 00000000:0016 00000000:0000 xx 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0: 00000000:0016 00000000:0000 100 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0: 00000000:0016 00000000:0000\n",
	HEADINGS "   0: 00000000:10000 00000000:0000 0A 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0: 00000000:0016 00000000:x 0A 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0: 00000000 00000000:0000 0A 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0: 0000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0: 000000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0: 00000000000000000000000000000000:0016\n",
	HEADINGS "   x: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0  00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 1\n",
	HEADINGS "   0: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 18446744073709551616\n",
};

START_TEST(malformed_tables_fail_and_deliver_nothing)
{
	struct vmv_err err = { 0 };
	struct lines l = { .n = 0 };

	ck_assert_int_eq(vmv_socket_parse(bad[_i], keep_line, &l, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(l.n, 0);
}
END_TEST

/* Readings with one state, turn by turn. */
struct reading {
	const struct vmv_root *root;
	struct kept k;
	struct vmv_err err;
	void *state;
	unsigned turns;
};

static void reading_up(struct reading *r, const struct vmv_root *root)
{
	*r = (struct reading){ .root = root };
	kept_init(&r->k, &vmv_collector_port);
	r->state = vmv_collector_port.open(root);
	ck_assert_ptr_nonnull(r->state);
}

static int reading_run(struct reading *r)
{
	int got;

	kept_clear(&r->k);
	r->turns = 0;
	do {
		got = vmv_collector_port.read(r->state, r->root, &r->k.sink, &r->err);
		r->turns++;
	} while (got == VMV_MORE);
	return got;
}

static void reading_ok(struct reading *r)
{
	ck_assert_msg(reading_run(r) == 0, "%s", r->err.msg);
}

static const struct vmv_port_sample *reading_row(const struct reading *r, const char *id)
{
	const struct vmv_port_sample *s = kept_row(&r->k, id);

	ck_assert_msg(s != NULL, "no row %s", id);
	return s;
}

static void reading_down(struct reading *r)
{
	kept_clear(&r->k);
	vmv_collector_port.close(r->state);
}

static void put_process(unsigned pid, const char *comm)
{
	char path[64], text[256];

	(void)snprintf(path, sizeof(path), "proc/%u/stat", pid);
	(void)snprintf(text, sizeof(text), "%u (%s) S " NUMBERS, pid, comm);
	fixture_put(&fx, path, text);
	(void)snprintf(path, sizeof(path), "proc/%u/fd", pid);
	fixture_mkdir(&fx, path);
}

static void put_fd(unsigned pid, unsigned fd, const char *target)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%u/fd/%u", pid, fd);
	fixture_link(&fx, path, target);
}

static void drop(const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", fx.dir, path);
	ck_assert_int_eq(unlink(full), 0);
}

START_TEST(rows_are_one_per_protocol_and_port)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp",
		    HEADINGS LINE("00000000:01BB", ANY, "0A", "20") /* 443 */
		    LINE("0100007F:0050", ANY, "0A", "11")	    /* 80, twice: SO_REUSEPORT */
		    LINE("0100007F:0050", ANY, "0A", "10") LINE("0100007F:0050", PEER, "01", "30")
			    LINE("0100007F:0050", PEER, "01", "31")
				    LINE("0100007F:0050", PEER, "06", "0") /* TIME_WAIT */
		    LINE("0100007F:C000", PEER, "01", "32")		   /* outgoing */
		    LINE("0100007F:0016", PEER, "02", "33"));
	fixture_put(&fx, "proc/net/tcp6",
		    HEADINGS LINE("00000000000000000000000000000000:0050", ANY6, "0A",
				  "12") LINE("0000000000000000FFFF00000100007F:0050",
					     "0000000000000000FFFF00000100007F:C350", "01", "34")
			    LINE("00000000000000000000000000000000:0019", ANY6, "0A", "13"));
	fixture_put(&fx, "proc/net/udp",
		    HEADINGS LINE("00000000:0035", ANY, "07", "40")
			    LINE("00000000:0036", PEER, "01", "41")
				    LINE("00000000:0037", "00000000:0001", "07", "42"));
	fixture_put(&fx, "proc/net/udp6",
		    HEADINGS LINE("00000000000000000000000000000000:0035", ANY6, "07", "43"));

	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert_uint_eq(r.k.n, 4);
	ck_assert_str_eq(r.k.ids[0], "tcp:25");
	ck_assert_str_eq(r.k.ids[1], "tcp:80");
	ck_assert_str_eq(r.k.ids[2], "tcp:443");
	ck_assert_str_eq(r.k.ids[3], "udp:53");
	ck_assert_str_eq(reading_row(&r, "tcp:80")->protocol, "tcp");
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->port, 80);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->connections, 3);
	ck_assert_uint_eq(reading_row(&r, "tcp:443")->connections, 0);
	ck_assert_str_eq(reading_row(&r, "udp:53")->protocol, "udp");
	ck_assert_uint_eq(reading_row(&r, "udp:53")->connections, 0);
	ck_assert(reading_row(&r, "tcp:80")->pid == VMV_UNSET);
	ck_assert_str_eq(reading_row(&r, "tcp:80")->comm, "");
	ck_assert_str_eq(reading_row(&r, "tcp:80")->exe, "");
	reading_down(&r);
}
END_TEST

START_TEST(tables_but_tcp_may_be_missing)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:01BB", ANY, "0A", "20"));
	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert_uint_eq(r.k.n, 1);
	reading_down(&r);
}
END_TEST

START_TEST(no_tcp_is_enoent)
{
	struct reading r;

	fixture_put(&fx, "proc/net/udp", HEADINGS);
	reading_up(&r, &fx.root);
	ck_assert_int_eq(reading_run(&r), -ENOENT);
	ck_assert_int_eq(r.err.code, VMV_E_IO);
	ck_assert_uint_eq(r.k.n, 0);
	reading_down(&r);
}
END_TEST

START_TEST(a_malformed_table_fails_and_the_next_call_starts_anew)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:01BB", ANY, "0A", "20"));
	fixture_put(&fx, "proc/net/udp", "nonsense\n");
	reading_up(&r, &fx.root);
	ck_assert_int_eq(reading_run(&r), -EINVAL);
	ck_assert_uint_eq(r.k.n, 0);
	fixture_put(&fx, "proc/net/udp", HEADINGS);
	reading_ok(&r);
	ck_assert_uint_eq(r.k.n, 1);
	reading_down(&r);
}
END_TEST

START_TEST(the_owner_is_the_lowest_pid_that_has_the_socket)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp",
		    HEADINGS LINE("00000000:0050", ANY, "0A", "20")
			    LINE("00000000:0050", ANY, "0A", "21"));
	put_process(9, "other");
	put_fd(9, 0, "/dev/null");
	put_fd(9, 1, "socket:[2]");
	put_fd(9, 2, "socket:[211]");
	put_fd(9, 3, "pipe:[20]");
	put_process(100, "web) (child");
	put_fd(100, 5, "socket:[21]");
	put_fd(100, 6, "socket:[20]");
	put_process(30, "web");
	put_fd(30, 4, "socket:[21]");
	fixture_link(&fx, "proc/30/exe", "/usr/sbin/web");
	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->pid, 30);
	ck_assert_str_eq(reading_row(&r, "tcp:80")->comm, "web");
	ck_assert_str_eq(reading_row(&r, "tcp:80")->exe, "/usr/sbin/web");

	/* the first one closes it: the next reading finds somebody who has it */
	drop("proc/30/fd/4");
	reading_ok(&r);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->pid, 100);
	ck_assert_str_eq(reading_row(&r, "tcp:80")->comm, "web) (child");
	ck_assert_str_eq(reading_row(&r, "tcp:80")->exe, "");
	reading_down(&r);
}
END_TEST

START_TEST(proc_is_searched_again_only_for_a_new_socket)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:0050", ANY, "0A", "20"));
	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert(reading_row(&r, "tcp:80")->pid == VMV_UNSET);

	put_process(30, "web");
	put_fd(30, 4, "socket:[20]");
	put_fd(30, 5, "socket:[21]");
	reading_ok(&r);
	ck_assert(reading_row(&r, "tcp:80")->pid == VMV_UNSET); /* known not to be visible */

	fixture_put(&fx, "proc/net/tcp",
		    HEADINGS LINE("00000000:0050", ANY, "0A", "20")
			    LINE("00000000:0051", ANY, "0A", "21"));
	reading_ok(&r);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->pid, 30);
	ck_assert_uint_eq(reading_row(&r, "tcp:81")->pid, 30);
	reading_down(&r);
}
END_TEST

START_TEST(sockets_that_no_longer_listen_are_forgotten)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:0050", ANY, "0A", "20"));
	reading_up(&r, &fx.root);
	reading_ok(&r);
	fixture_put(&fx, "proc/net/tcp", HEADINGS);
	reading_ok(&r);
	ck_assert_uint_eq(r.k.n, 0);
	put_process(30, "web");
	put_fd(30, 4, "socket:[20]");
	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:0050", ANY, "0A", "20"));
	reading_ok(&r);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->pid, 30);
	reading_down(&r);
}
END_TEST

START_TEST(a_socket_without_inode_has_no_owner)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:0050", ANY, "0A", "0"));
	put_process(30, "web");
	put_fd(30, 4, "/dev/null");
	put_fd(30, 5, "socket:[0]");
	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert(reading_row(&r, "tcp:80")->pid == VMV_UNSET);
	reading_down(&r);
}
END_TEST

#define TABLE_TURNS 3 /* one for each table of sockets but the last */

START_TEST(the_search_works_in_slices_of_processes)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:0050", ANY, "0A", "20"));
	for (unsigned pid = 1; pid <= 200; pid++)
		put_process(pid, "p");
	put_fd(200, 4, "socket:[20]");
	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert_uint_ge(r.turns, TABLE_TURNS + 200 / VMV_SCAN_SLICE);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->pid, 200);
	reading_ok(&r); /* nothing to search for any more */
	ck_assert_uint_eq(r.turns, TABLE_TURNS + 1);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->pid, 200);
	reading_down(&r);
}
END_TEST

START_TEST(the_search_stops_within_a_process_with_many_descriptors)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp",
		    HEADINGS LINE("00000000:0050", ANY, "0A", "20")
			    LINE("00000000:0051", ANY, "0A", "21"));
	put_process(1, "init");
	put_process(2, "proxy");
	for (unsigned fd = 0; fd < 2100; fd++)
		put_fd(2, fd, fd == 1000 ? "socket:[20]" : "socket:[5]");
	put_process(3, "web");
	put_fd(3, 0, "socket:[21]");
	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert_uint_ge(r.turns, TABLE_TURNS + 8);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->pid, 2);
	ck_assert_uint_eq(reading_row(&r, "tcp:81")->pid, 3);
	reading_down(&r);
}
END_TEST

START_TEST(a_state_can_be_closed_in_the_midst_of_a_search)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:0050", ANY, "0A", "20"));
	put_process(2, "proxy");
	for (unsigned fd = 0; fd < 2100; fd++)
		put_fd(2, fd, "socket:[5]");
	reading_up(&r, &fx.root);
	for (unsigned i = 0; i < TABLE_TURNS + 3; i++)
		ck_assert_int_eq(vmv_collector_port.read(r.state, r.root, &r.k.sink, &r.err),
				 VMV_MORE);
	reading_down(&r);
	vmv_collector_port.close(NULL);
}
END_TEST

START_TEST(a_new_reading_begins_anew_wherever_the_last_one_was)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp",
		    HEADINGS LINE("00000000:0050", ANY, "0A", "20")
			    LINE("00000000:0051", ANY, "0A", "21"));
	reading_up(&r, &fx.root);
	for (unsigned turns = 1; turns <= TABLE_TURNS; turns++) {
		r.k.sink.reading++;
		for (unsigned i = 0; i < turns; i++)
			ck_assert_int_eq(vmv_collector_port.read(r.state, r.root, &r.k.sink, NULL),
					 VMV_MORE);
		r.k.sink.reading++;
		reading_ok(&r);
		ck_assert_uint_gt(r.turns, TABLE_TURNS);
		ck_assert_uint_eq(r.k.n, 2);
	}
	reading_down(&r);
}
END_TEST

START_TEST(an_owner_that_ended_meanwhile_is_unknown)
{
	const struct vmv_port_sample *s;
	struct reading r;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("00000000:0050", ANY, "0A", "20"));
	put_process(30, "web");
	put_fd(30, 4, "socket:[20]");
	drop("proc/30/stat");
	reading_up(&r, &fx.root);
	reading_ok(&r);
	s = reading_row(&r, "tcp:80");
	ck_assert(s->pid == VMV_UNSET);
	ck_assert_str_eq(s->comm, "");
	ck_assert_str_eq(s->exe, "");
	reading_down(&r);
}
END_TEST

START_TEST(the_user_is_that_of_the_socket_which_the_owner_has)
{
	struct reading r;

	fixture_put(&fx, "proc/net/tcp",
		    HEADINGS "   0: 00000000:0050 " ANY " 0A" QUEUE "  1000        0 20 1\n"
			     "   1: 00000000:0050 " ANY " 0A" QUEUE "    33        0 21 1\n"
			     "   2: 00000000:0051 " ANY " 0A" QUEUE "     7        0 23 1\n"
			     "   3: 00000000:0051 " ANY " 0A" QUEUE "     8        0 22 1\n");
	put_process(30, "web");
	put_fd(30, 4, "socket:[21]");
	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert_uint_eq(reading_row(&r, "tcp:80")->uid, 33);
	ck_assert_uint_eq(reading_row(&r, "tcp:81")->uid, 8);  /* no owner: the lowest inode */
	ck_assert_str_eq(reading_row(&r, "tcp:80")->unit, ""); /* tables do not tell */
	reading_down(&r);
}
END_TEST

START_TEST(many_ports_are_delivered_in_slices)
{
	char text[32768] = HEADINGS;
	size_t len = strlen(text);
	struct reading r;

	for (unsigned i = 0; i < 150; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					LINE("00000000:%04X", ANY, "0A", "%u"), 1000 + i, 1 + i);
	fixture_put(&fx, "proc/net/tcp", text);
	reading_up(&r, &fx.root);
	reading_ok(&r);
	ck_assert_uint_eq(r.k.n, 150);
	ck_assert_uint_ge(r.turns, 3);
	ck_assert_str_eq(r.k.ids[0], "tcp:1000");
	ck_assert_str_eq(r.k.ids[149], "tcp:1149");
	reading_down(&r);
}
END_TEST

/* A socket bound to a free port of 127.0.0.1. */
static int bind_socket(int type, uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static int connect_socket(int type, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static const struct vmv_port_sample *live_row(const struct reading *r, const char *proto,
					      uint16_t port)
{
	char id[16];

	(void)snprintf(id, sizeof(id), "%s:%u", proto, port);
	return kept_row(&r->k, id);
}

START_TEST(live_our_ports_are_there_with_us_as_owner)
{
	const struct vmv_port_sample *s;
	struct vmv_err err = { 0 };
	struct vmv_root root;
	struct reading r;
	uint16_t tcp_port, udp_port;
	int tcp = bind_socket(SOCK_STREAM, &tcp_port);
	int udp = bind_socket(SOCK_DGRAM, &udp_port);
	int client, udp_client;

	ck_assert_int_eq(prctl(PR_SET_NAME, "vmv listener"), 0);
	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	ck_assert_int_eq(listen(tcp, 4), 0);
	reading_up(&r, &root);
	reading_ok(&r);
	s = live_row(&r, "tcp", tcp_port);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->connections, 0);
	ck_assert_uint_eq(s->pid, (uint64_t)getpid());
	ck_assert_str_eq(s->comm, "vmv listener");
	ck_assert_int_eq(s->exe[0], '/');
	ck_assert_ptr_nonnull(live_row(&r, "udp", udp_port));
	ck_assert_uint_eq(live_row(&r, "udp", udp_port)->pid, (uint64_t)getpid());

	client = connect_socket(SOCK_STREAM, tcp_port);
	udp_client = connect_socket(SOCK_DGRAM, udp_port);
	reading_ok(&r);
	ck_assert_uint_eq(live_row(&r, "tcp", tcp_port)->connections, 1);
	ck_assert_uint_eq(live_row(&r, "udp", udp_port)->connections, 0);

	(void)close(client);
	(void)close(udp_client);
	(void)close(tcp);
	(void)close(udp);
	reading_ok(&r);
	ck_assert_ptr_null(live_row(&r, "tcp", tcp_port));
	ck_assert_ptr_null(live_row(&r, "udp", udp_port));
	reading_down(&r);
	vmv_root_close(&root);
}
END_TEST

START_TEST(live_a_socket_that_was_handed_on_has_a_new_owner)
{
	struct vmv_err err = { 0 };
	struct vmv_root root;
	struct reading r;
	uint16_t port;
	int fd = bind_socket(SOCK_STREAM, &port);
	pid_t child;

	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	reading_up(&r, &root);
	reading_ok(&r);
	ck_assert_uint_eq(live_row(&r, "tcp", port)->pid, (uint64_t)getpid());

	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	(void)close(fd);
	reading_ok(&r);
	ck_assert_ptr_nonnull(live_row(&r, "tcp", port));
	ck_assert_uint_eq(live_row(&r, "tcp", port)->pid, (uint64_t)child);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	reading_down(&r);
	vmv_root_close(&root);
}
END_TEST

START_TEST(live_no_free_descriptor_fails_the_reading)
{
	struct rlimit before, none;
	struct vmv_err err = { 0 };
	struct vmv_root root;
	struct reading r;
	int got;

	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	reading_up(&r, &root);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	got = reading_run(&r);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(got, -EMFILE);
	ck_assert_int_eq(r.err.sys, EMFILE);
	reading_ok(&r);
	reading_down(&r);
	vmv_root_close(&root);
}
END_TEST

/* -- netlink and tables -------------------------------------------------------------------- */

/* A network of our own, where only our sockets are. False: not allowed here. */
static bool enter_network(void)
{
	struct ifreq lo = { .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd, r;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	(void)snprintf(lo.ifr_name, sizeof(lo.ifr_name), "lo");
	r = ioctl(fd, SIOCSIFFLAGS, &lo);
	(void)close(fd);
	return r == 0;
}

static int make_socket(int family, int type, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(family, type | SOCK_CLOEXEC, 0), one = 1;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	if (family == AF_INET)
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	else
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 1024), 0);
	return fd;
}

#define FIRST_PORT 1000
#define PAIRS	   600

/* Of each kind something; descriptors are left to the end of the test's process. */
static void make_sockets(void)
{
	int server = make_socket(AF_INET, SOCK_STREAM, 80), fd, peer;
	int later = make_socket(AF_INET, SOCK_STREAM, 83), seconds = 60;

	/* for us the connection is there, for the other side it begins with its first byte */
	ck_assert_int_eq(
		setsockopt(later, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
	(void)connect_socket(SOCK_STREAM, 83);
	(void)make_socket(AF_INET, SOCK_STREAM, 81);
	(void)make_socket(AF_INET, SOCK_STREAM, 81); /* SO_REUSEPORT */
	(void)make_socket(AF_INET6, SOCK_STREAM, 82);
	(void)connect_socket(SOCK_STREAM, 82); /* IPv4 to a socket of both families */
	(void)make_socket(AF_INET, SOCK_DGRAM, 53);
	(void)make_socket(AF_INET6, SOCK_DGRAM, 53);
	(void)make_socket(AF_INET6, SOCK_DGRAM, 54);
	(void)connect_socket(SOCK_DGRAM, 53); /* has a peer: no port of ours */
	for (int i = 0; i < PAIRS; i++) {
		fd = connect_socket(SOCK_STREAM, 80);
		peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		ck_assert_int_ge(peer, 0);
		if (i % 3 == 0) { /* TIME_WAIT */
			(void)close(fd);
			(void)close(peer);
		} else if (i % 3 == 1) { /* FIN_WAIT2, CLOSE_WAIT */
			(void)close(fd);
		}
	}
	for (uint16_t i = 0; i < 100; i++)
		(void)make_socket(AF_INET, SOCK_STREAM, FIRST_PORT + i);
}

static void check_same_rows(const struct reading *a, const struct reading *b)
{
	ck_assert_uint_eq(a->k.n, b->k.n);
	for (size_t i = 0; i < a->k.n; i++) {
		const struct vmv_port_sample *x = kept_row(&a->k, a->k.ids[i]);
		const struct vmv_port_sample *y = reading_row(b, a->k.ids[i]);

		ck_assert_str_eq(a->k.ids[i], b->k.ids[i]);
		ck_assert_str_eq(x->protocol, y->protocol);
		ck_assert_uint_eq(x->port, y->port);
		ck_assert_uint_eq(x->connections, y->connections);
		ck_assert(x->pid == y->pid && x->uid == y->uid);
		ck_assert_str_eq(x->comm, y->comm);
		ck_assert_str_eq(x->exe, y->exe);
	}
}

/* The group 'tcp' with the state of 'port', as part of the same reading. */
static struct vmv_tcp_sample read_tcp(struct reading *r)
{
	struct vmv_tcp_sample s;
	struct kept k;
	int got;

	kept_init(&k, &vmv_collector_tcp);
	k.sink.reading = r->k.sink.reading;
	do {
		got = vmv_collector_tcp.read(r->state, r->root, &k.sink, &r->err);
	} while (got == VMV_MORE);
	ck_assert_msg(got == 0, "%s", r->err.msg);
	ck_assert_uint_eq(k.n, 1);
	s = *(const struct vmv_tcp_sample *)kept_row(&k, "");
	kept_clear(&k);
	return s;
}

/* Until all that was closed is confirmed, which the kernel may put off. */
static void settle(struct reading *r)
{
	struct vmv_tcp_sample s;
	unsigned tries = 0;

	do {
		ck_assert_uint_lt(tries++, 200);
		(void)usleep(20000);
		s = read_tcp(r);
	} while (s.by_state[VMV_SOCKET_FIN_WAIT1] > 0 || s.by_state[VMV_SOCKET_LAST_ACK] > 0);
}

START_TEST(live_netlink_and_tables_say_the_same)
{
	struct vmv_tcp_sample a, b;
	struct reading netlink, tables;
	struct vmv_root root, recorded;
	struct vmv_err err = { 0 };

	if (!enter_network()) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	make_sockets();
	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	recorded = root;
	recorded.is_live = false;
	reading_up(&netlink, &root);
	reading_up(&tables, &recorded);
	settle(&netlink);
	reading_ok(&netlink);
	a = read_tcp(&netlink);
	reading_ok(&tables);
	b = read_tcp(&tables);
	ck_assert_uint_eq(netlink.k.n, 4 + 2 + 100);
	check_same_rows(&netlink, &tables);
	ck_assert_mem_eq(&a, &b, sizeof(a));
	ck_assert_uint_eq(reading_row(&netlink, "tcp:80")->connections, PAIRS / 3);
	ck_assert_uint_eq(reading_row(&netlink, "tcp:81")->connections, 0);
	ck_assert_uint_eq(reading_row(&netlink, "tcp:82")->connections, 1);
	ck_assert_uint_eq(reading_row(&netlink, "tcp:80")->pid, (uint64_t)getpid());
	ck_assert_uint_eq(reading_row(&netlink, "tcp:80")->uid, getuid());
	ck_assert_uint_eq(a.by_state[VMV_SOCKET_ESTABLISHED], 2 * (PAIRS / 3 + 1) + 1);
	ck_assert_uint_eq(a.by_state[VMV_SOCKET_SYN_RECV], 1);
	ck_assert_uint_eq(a.by_state[VMV_SOCKET_LISTEN], 5 + 100);
	ck_assert_uint_eq(a.by_state[VMV_SOCKET_FIN_WAIT2], PAIRS / 3);
	ck_assert_uint_eq(a.by_state[VMV_SOCKET_CLOSE_WAIT], PAIRS / 3);
	ck_assert_uint_eq(a.by_state[VMV_SOCKET_TIME_WAIT], PAIRS / 3);
	ck_assert_uint_eq(a.by_state[VMV_SOCKET_SYN_SENT], 0);

	/* nobody takes the counts any more: other requests, the same rows */
	reading_ok(&netlink);
	reading_ok(&netlink);
	check_same_rows(&netlink, &tables);
	reading_down(&netlink);
	reading_down(&tables);
	vmv_root_close(&root);
}
END_TEST

/* The kernel's sockets, but /proc of the fixture: what the tables there say is not asked, and
 * processes are not visible. */
static bool kernel_without_proc(struct reading *r)
{
	if (!enter_network())
		return false;
	fx.root.is_live = true;
	reading_up(r, &fx.root);
	return true;
}

static void put_established(const char *n)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
		       "Ip: Forwarding\nIp: 1\nTcp: RtoMin CurrEstab\nTcp: 200 %s\n", n);
	fixture_put(&fx, "proc/net/snmp", text);
}

static uint64_t connections(struct reading *r)
{
	reading_ok(r);
	return reading_row(r, "tcp:80")->connections;
}

START_TEST(live_without_connections_there_is_no_walk)
{
	struct reading r;
	int client;

	if (!kernel_without_proc(&r)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	(void)make_socket(AF_INET, SOCK_STREAM, 80);
	put_established("0");
	ck_assert_uint_eq(connections(&r), 0); /* for 'tcp', too, which nobody reads */
	client = connect_socket(SOCK_STREAM, 80);
	ck_assert_uint_eq(connections(&r), 0); /* what the kernel says is believed */
	put_established("1");
	ck_assert_uint_eq(connections(&r), 1);
	put_established("0"); /* not asked: there was one */
	ck_assert_uint_eq(connections(&r), 1);
	(void)close(client);
	ck_assert_uint_eq(connections(&r), 0);
	client = connect_socket(SOCK_STREAM, 80);
	put_established("nonsense"); /* it has to look for itself */
	ck_assert_uint_eq(connections(&r), 1);
	(void)close(client);
	reading_down(&r);
}
END_TEST

START_TEST(live_one_walk_serves_both_groups)
{
	struct reading r;

	if (!kernel_without_proc(&r)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	(void)make_socket(AF_INET, SOCK_STREAM, 80);
	for (uint64_t i = 0; i < 3; i++) {
		r.k.sink.reading = 100 + i;
		reading_ok(&r);
		(void)make_socket(AF_INET, SOCK_STREAM, (uint16_t)(90 + i)); /* after the walk */
		ck_assert_uint_eq(read_tcp(&r).by_state[VMV_SOCKET_LISTEN], 1 + i);
	}
	/* a reading of its own, without 'port' */
	r.k.sink.reading = 200;
	ck_assert_uint_eq(read_tcp(&r).by_state[VMV_SOCKET_LISTEN], 4);
	/* what was counted for another reading is too old */
	r.k.sink.reading = 201;
	reading_ok(&r);
	(void)make_socket(AF_INET, SOCK_STREAM, 99);
	r.k.sink.reading = 202;
	ck_assert_uint_eq(read_tcp(&r).by_state[VMV_SOCKET_LISTEN], 5);
	reading_down(&r);
}
END_TEST

/* A control group of our own with this name, us in it. False: not to be had here. */
static bool enter_cgroup(char *path, size_t cap, const char *name)
{
	static const char *const tops[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char procs[256];
	bool is_in;
	FILE *f;

	for (size_t i = 0; i < VMV_COUNTOF(tops); i++) {
		(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", tops[i]);
		(void)snprintf(path, cap, "%s/%s", tops[i], name);
		if (access(procs, F_OK) < 0 || mkdir(path, 0755) < 0)
			continue;
		(void)snprintf(procs, sizeof(procs), "%s/%s/cgroup.procs", tops[i], name);
		f = fopen(procs, "we");
		is_in = f && fprintf(f, "%d\n", (int)getpid()) > 0;
		is_in = f && fclose(f) == 0 && is_in;
		if (is_in)
			return true;
		(void)rmdir(path);
	}
	return false;
}

/* In a process of its own, which can be moved: makes a socket in the group and keeps it. */
static pid_t listen_in_cgroup(char *path, size_t cap, const char *name, uint16_t port)
{
	int ready[2];
	char is_there = 0;
	pid_t child;

	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		is_there = enter_cgroup(path, cap, name);
		if (is_there)
			(void)make_socket(AF_INET, SOCK_STREAM, port);
		if (write(ready[1], &is_there, 1) != 1 || write(ready[1], path, cap) < 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	ck_assert_int_eq(read(ready[0], &is_there, 1), 1);
	ck_assert_int_eq(read(ready[0], path, cap), (ssize_t)cap);
	(void)close(ready[0]);
	(void)close(ready[1]);
	if (is_there)
		return child;
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	return 0;
}

START_TEST(live_the_unit_of_a_socket_whose_process_is_not_visible)
{
	const struct vmv_port_sample *s;
	struct vmv_root root, blind;
	struct vmv_err err = { 0 };
	struct reading r;
	char name[64], path[128] = "";
	pid_t child;

	(void)snprintf(name, sizeof(name), "vmv-test-%d.service", (int)getpid());
	child = enter_network() ? listen_in_cgroup(path, sizeof(path), name, 80) : 0;
	if (!child) {
		SAY_SKIPPED("no network namespace or no control group of our own");
		return;
	}
	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	blind = root;
	blind.proc = fx.root.proc;
	reading_up(&r, &blind);
	reading_ok(&r);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(rmdir(path), 0);
	s = reading_row(&r, "tcp:80");
	ck_assert(s->pid == VMV_UNSET);
	ck_assert_str_eq(s->comm, "");
	ck_assert_uint_eq(s->uid, getuid());
	if (s->unit[0])
		ck_assert_str_eq(s->unit, name);
	else
		SAY_SKIPPED("this kernel does not tell the control group of a socket");
	reading_down(&r);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("socket");
	TCase *tc = tcase_create("read");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60); /* thousands of files, on whatever machine */
	tcase_add_test(tc, a_line_is_taken_apart);
	tcase_add_test(tc, ipv6_addresses_are_longer);
	tcase_add_test(tc, headings_alone_are_an_empty_table);
	tcase_add_loop_test(tc, malformed_tables_fail_and_deliver_nothing, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, rows_are_one_per_protocol_and_port);
	tcase_add_test(tc, tables_but_tcp_may_be_missing);
	tcase_add_test(tc, no_tcp_is_enoent);
	tcase_add_test(tc, a_malformed_table_fails_and_the_next_call_starts_anew);
	tcase_add_test(tc, the_owner_is_the_lowest_pid_that_has_the_socket);
	tcase_add_test(tc, proc_is_searched_again_only_for_a_new_socket);
	tcase_add_test(tc, sockets_that_no_longer_listen_are_forgotten);
	tcase_add_test(tc, a_socket_without_inode_has_no_owner);
	tcase_add_test(tc, the_search_works_in_slices_of_processes);
	tcase_add_test(tc, the_search_stops_within_a_process_with_many_descriptors);
	tcase_add_test(tc, a_state_can_be_closed_in_the_midst_of_a_search);
	tcase_add_test(tc, a_new_reading_begins_anew_wherever_the_last_one_was);
	tcase_add_test(tc, an_owner_that_ended_meanwhile_is_unknown);
	tcase_add_test(tc, the_user_is_that_of_the_socket_which_the_owner_has);
	tcase_add_test(tc, many_ports_are_delivered_in_slices);
	tcase_add_test(tc, live_our_ports_are_there_with_us_as_owner);
	tcase_add_test(tc, live_a_socket_that_was_handed_on_has_a_new_owner);
	tcase_add_test(tc, live_no_free_descriptor_fails_the_reading);
	tcase_add_test(tc, live_netlink_and_tables_say_the_same);
	tcase_add_test(tc, live_without_connections_there_is_no_walk);
	tcase_add_test(tc, live_one_walk_serves_both_groups);
	tcase_add_test(tc, live_the_unit_of_a_socket_whose_process_is_not_visible);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
