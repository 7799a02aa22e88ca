#include "collectors/diag.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEQ 7

/* -- replies by hand ----------------------------------------------------------------------- */

struct replies {
	alignas(8) unsigned char bytes[4096];
	size_t len;
};

static void *put(struct replies *p, uint16_t type, size_t payload)
{
	struct nlmsghdr h = { .nlmsg_len = (uint32_t)(sizeof(h) + payload),
			      .nlmsg_type = type,
			      .nlmsg_flags = NLM_F_MULTI,
			      .nlmsg_seq = SEQ };
	unsigned char *at = p->bytes + p->len;

	ck_assert_uint_le(p->len + sizeof(h) + payload + 4, sizeof(p->bytes));
	memcpy(at, &h, sizeof(h));
	memset(at + sizeof(h), 0, payload + 3);
	p->len += NLMSG_ALIGN(h.nlmsg_len);
	return at + sizeof(h);
}

static void put_number(struct replies *p, uint16_t type, int32_t n)
{
	memcpy(put(p, type, sizeof(n)), &n, sizeof(n));
}

static void put_cgroup(unsigned char *at, uint64_t id)
{
	struct nlattr a = { .nla_len = 12, .nla_type = 21 };

	memcpy(at, &a, sizeof(a));
	memcpy(at + sizeof(a), &id, sizeof(id));
}

static struct inet_diag_msg listening(void)
{
	struct inet_diag_msg m = { .idiag_family = AF_INET, .idiag_state = 10 };

	m.id.idiag_sport = htons(80);
	m.id.idiag_src[0] = htonl(INADDR_LOOPBACK);
	m.idiag_rqueue = 3;
	m.idiag_wqueue = 128;
	m.idiag_uid = 33;
	m.idiag_inode = 4711;
	return m;
}

static struct inet_diag_msg connected(void)
{
	struct inet_diag_msg m = { .idiag_family = AF_INET6, .idiag_state = 1 };

	m.id.idiag_sport = htons(443);
	m.id.idiag_dport = htons(50000);
	m.id.idiag_dst[3] = htonl(1);
	m.idiag_rqueue = 17;
	m.idiag_wqueue = 4000000000u;
	m.idiag_uid = 4294967295u;
	m.idiag_inode = 4294967295u;
	return m;
}

/* attributes: bytes of room behind it */
static unsigned char *put_socket(struct replies *p, const struct inet_diag_msg *m,
				 size_t attributes)
{
	unsigned char *at = put(p, SOCK_DIAG_BY_FAMILY, sizeof(*m) + attributes);

	memcpy(at, m, sizeof(*m));
	return at + sizeof(*m);
}

struct lines {
	struct vmv_socket_line line[8];
	size_t n, stop_at; /* the row that fails; 0: none */
};

static int keep_line(void *arg, const struct vmv_socket_line *line)
{
	struct lines *l = arg;

	ck_assert_uint_lt(l->n, VMV_COUNTOF(l->line));
	l->line[l->n++] = *line;
	return l->n == l->stop_at ? -ENOMEM : 0;
}

static int parse(const struct replies *p, struct lines *l, struct vmv_diag_replies *ret,
		 struct vmv_err *err)
{
	return vmv_diag_parse(p->bytes, p->len, SEQ, keep_line, l, ret, err);
}

START_TEST(a_listening_socket_is_taken_apart)
{
	struct replies p = { .len = 0 };
	struct lines l = { .n = 0 };
	struct inet_diag_msg m = listening();
	struct vmv_diag_replies got;

	put_cgroup(put_socket(&p, &m, 12), 0x123456789abcdef0u);
	ck_assert_int_eq(parse(&p, &l, &got, NULL), 0);
	ck_assert_uint_eq(got.n, 1);
	ck_assert(!got.is_end && !got.is_interrupted);
	ck_assert_uint_eq(l.n, 1);
	ck_assert_uint_eq(l.line[0].local_port, 80);
	ck_assert_uint_eq(l.line[0].remote_port, 0);
	ck_assert(!l.line[0].has_peer);
	ck_assert_uint_eq(l.line[0].state, VMV_SOCKET_LISTEN);
	ck_assert_uint_eq(l.line[0].inode, 4711);
	ck_assert_uint_eq(l.line[0].uid, 33);
	ck_assert_uint_eq(l.line[0].rx_queue, 3);
	ck_assert_uint_eq(l.line[0].tx_queue, 128);
	ck_assert(l.line[0].cgroup == 0x123456789abcdef0u);
}
END_TEST

START_TEST(a_connection_is_taken_apart)
{
	struct replies p = { .len = 0 };
	struct lines l = { .n = 0 };
	struct inet_diag_msg m = connected();
	struct vmv_diag_replies got;

	(void)put_socket(&p, &m, 0);
	put_number(&p, NLMSG_DONE, 0);
	ck_assert_int_eq(parse(&p, &l, &got, NULL), 0);
	ck_assert_uint_eq(got.n, 1);
	ck_assert(got.is_end);
	ck_assert_uint_eq(l.line[0].local_port, 443);
	ck_assert_uint_eq(l.line[0].remote_port, 50000);
	ck_assert(l.line[0].has_peer);
	ck_assert_uint_eq(l.line[0].state, VMV_SOCKET_ESTABLISHED);
	ck_assert_uint_eq(l.line[0].inode, 4294967295u);
	ck_assert_uint_eq(l.line[0].uid, 4294967295u);
	ck_assert_uint_eq(l.line[0].rx_queue, 17);
	ck_assert_uint_eq(l.line[0].tx_queue, 4000000000u);
	ck_assert_uint_eq(l.line[0].cgroup, 0);
}
END_TEST

START_TEST(a_peer_is_an_address_or_a_port)
{
	struct replies p = { .len = 0 };
	struct lines l = { .n = 0 };
	struct inet_diag_msg m = { .idiag_family = AF_INET, .idiag_state = 7 };
	struct vmv_diag_replies got;

	m.id.idiag_dst[1] = 1; /* no part of an IPv4 address */
	(void)put_socket(&p, &m, 0);
	m.id.idiag_dst[0] = 1;
	(void)put_socket(&p, &m, 0);
	m.id.idiag_dst[0] = 0;
	m.id.idiag_dport = htons(1);
	(void)put_socket(&p, &m, 0);
	m = (struct inet_diag_msg){ .idiag_family = AF_INET6, .idiag_state = 7 };
	(void)put_socket(&p, &m, 0);
	m.id.idiag_dst[3] = 1;
	(void)put_socket(&p, &m, 0);
	ck_assert_int_eq(parse(&p, &l, &got, NULL), 0);
	ck_assert_uint_eq(l.n, 5);
	ck_assert(!l.line[0].has_peer);
	ck_assert(l.line[1].has_peer);
	ck_assert(l.line[2].has_peer);
	ck_assert(!l.line[3].has_peer);
	ck_assert(l.line[4].has_peer);
}
END_TEST

START_TEST(a_connection_that_begins_has_the_state_that_proc_shows)
{
	struct replies p = { .len = 0 };
	struct lines l = { .n = 0 };
	struct inet_diag_msg m = connected();
	struct vmv_diag_replies got;

	m.idiag_state = 12; /* the kernel's own name for it: TCP_NEW_SYN_RECV */
	(void)put_socket(&p, &m, 0);
	ck_assert_int_eq(parse(&p, &l, &got, NULL), 0);
	ck_assert_uint_eq(l.line[0].state, VMV_SOCKET_SYN_RECV);
}
END_TEST

START_TEST(replies_to_another_request_are_skipped)
{
	struct replies p = { .len = 0 };
	struct lines l = { .n = 0 };
	struct inet_diag_msg m = connected();
	struct vmv_diag_replies got;

	(void)put_socket(&p, &m, 0);
	put_number(&p, NLMSG_DONE, 0);
	ck_assert_int_eq(vmv_diag_parse(p.bytes, p.len, SEQ + 1, keep_line, &l, &got, NULL), 0);
	ck_assert_uint_eq(l.n, 0);
	ck_assert_uint_eq(got.n, 0);
	ck_assert(!got.is_end);
}
END_TEST

START_TEST(an_interrupted_dump_is_noted)
{
	struct replies p = { .len = 0 };
	struct lines l = { .n = 0 };
	struct vmv_diag_replies got;
	struct nlmsghdr h;

	put_number(&p, NLMSG_DONE, 0);
	memcpy(&h, p.bytes, sizeof(h));
	h.nlmsg_flags |= NLM_F_DUMP_INTR;
	memcpy(p.bytes, &h, sizeof(h));
	ck_assert_int_eq(parse(&p, &l, &got, NULL), 0);
	ck_assert(got.is_end && got.is_interrupted);
}
END_TEST

START_TEST(nothing_is_a_buffer_without_sockets)
{
	struct replies p = { .len = 0 };
	struct lines l = { .n = 0 };
	struct vmv_diag_replies got;

	ck_assert_int_eq(parse(&p, &l, &got, NULL), 0);
	(void)put(&p, NLMSG_NOOP, 0);
	ck_assert_int_eq(parse(&p, &l, &got, NULL), 0);
	ck_assert_uint_eq(got.n, 0);
	ck_assert(!got.is_end);
}
END_TEST

START_TEST(what_the_kernel_refuses_is_its_errno)
{
	static const uint16_t types[] = { NLMSG_ERROR, NLMSG_DONE };
	static const int errors[] = { ENOENT, EOPNOTSUPP, EPERM, EINVAL, 4095 };

	for (size_t t = 0; t < VMV_COUNTOF(types); t++)
		for (size_t i = 0; i < VMV_COUNTOF(errors); i++) {
			struct replies p = { .len = 0 };
			struct lines l = { .n = 0 };
			struct vmv_diag_replies got = { .n = 99 };
			struct vmv_err err = { 0 };

			put_number(&p, types[t], -errors[i]);
			ck_assert_int_eq(parse(&p, &l, &got, &err), -errors[i]);
			ck_assert_int_eq(err.code, VMV_E_IO);
			ck_assert_int_eq(err.sys, errors[i]);
			ck_assert_uint_eq(got.n, 99);
		}
}
END_TEST

START_TEST(a_row_that_fails_ends_the_parse)
{
	struct replies p = { .len = 0 };
	struct lines l = { .stop_at = 2 };
	struct inet_diag_msg m = connected();
	struct vmv_diag_replies got = { .n = 99 };
	struct vmv_err err = { 0 };

	for (int i = 0; i < 4; i++)
		(void)put_socket(&p, &m, 0);
	ck_assert_int_eq(parse(&p, &l, &got, &err), -ENOMEM);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_int_eq(err.code, VMV_OK);
	ck_assert_uint_eq(got.n, 99);
}
END_TEST

/* One listening socket with a cgroup, and the end. */
#define AT_FAMILY    16
#define AT_ATTRIBUTE 88
#define AT_DONE	     100
#define LEN	     120

static void put_good(struct replies *p)
{
	struct inet_diag_msg m = listening();

	*p = (struct replies){ .len = 0 };
	put_cgroup(put_socket(p, &m, 12), 1);
	put_number(p, NLMSG_DONE, 0);
	ck_assert_uint_eq(p->len, LEN);
}

static const struct {
	size_t at, size;
	uint32_t value;
} bad[] = {
	{ 0, 4, 0 }, /* length of the first message */
	{ 0, 4, 15 },
	{ 0, 4, 16 }, /* no socket in it */
	{ 0, 4, 87 },
	{ 0, 4, 89 }, /* half an attribute */
	{ 0, 4, 99 },
	{ 0, 4, LEN + 1 },
	{ 0, 4, 0x7fffffff },
	{ 0, 4, 0xffffffff },
	{ 4, 2, 99 }, /* its type */
	{ 4, 2, NLMSG_OVERRUN },
	{ 4, 2, 0 },
	{ 4, 2, NLMSG_ERROR }, /* the socket as an error: a number that is none */
	{ AT_FAMILY, 1, 0 },
	{ AT_FAMILY, 1, AF_UNIX },
	{ AT_ATTRIBUTE, 2, 0 }, /* its length */
	{ AT_ATTRIBUTE, 2, 3 },
	{ AT_ATTRIBUTE, 2, 4 },
	{ AT_ATTRIBUTE, 2, 8 },
	{ AT_ATTRIBUTE, 2, 11 },
	{ AT_ATTRIBUTE, 2, 13 },
	{ AT_ATTRIBUTE, 2, 0xffff },
	{ AT_DONE, 4, 16 }, /* no number in it */
	{ AT_DONE, 4, 19 },
	{ AT_DONE, 4, 21 },
	{ AT_DONE + 4, 2, NLMSG_ERROR }, /* an acknowledgement */
	{ AT_DONE + 16, 4, 1 },
	{ AT_DONE + 16, 4, 0x80000000 },
	{ AT_DONE + 16, 4, 0xffffefff }, /* -4097 */
};

START_TEST(malformed_replies_fail)
{
	struct vmv_diag_replies got = { .n = 99 };
	struct lines l = { .n = 0 };
	struct vmv_err err = { 0 };
	struct replies p;

	put_good(&p);
	memcpy(p.bytes + bad[_i].at, &bad[_i].value, bad[_i].size);
	ck_assert_int_eq(parse(&p, &l, &got, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(got.n, 99);
}
END_TEST

START_TEST(replies_that_are_cut_fail)
{
	struct replies whole;

	put_good(&whole);
	for (size_t len = 1; len < LEN; len++) {
		/* a copy of its own length: reading on is seen by the sanitizer */
		vmv_autofree unsigned char *cut = malloc(len);
		struct vmv_diag_replies got = { 0 };
		struct lines l = { .n = 0 };
		int r;

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, whole.bytes, len);
		r = vmv_diag_parse(cut, len, SEQ, keep_line, &l, &got, NULL);
		ck_assert_int_eq(r, len == AT_DONE ? 0 : -EINVAL);
		ck_assert(!got.is_end);
		ck_assert_uint_le(l.n, 1);
	}
}
END_TEST

START_TEST(replies_after_the_end_are_malformed)
{
	struct vmv_diag_replies got;
	struct lines l = { .n = 0 };
	struct replies p;

	put_good(&p);
	put_number(&p, NLMSG_DONE, 0);
	ck_assert_int_eq(parse(&p, &l, &got, NULL), -EINVAL);
}
END_TEST

/* -- the kernel ---------------------------------------------------------------------------- */

static int bind_socket(int family, int type, uint16_t *ret_port)
{
	struct sockaddr_storage any = { .ss_family = (sa_family_t)family };
	socklen_t len =
		family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in in;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	memcpy(&in, &any, sizeof(in)); /* the port has one place in both */
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static int listen_on(int family, uint16_t *ret_port)
{
	int fd = bind_socket(family, SOCK_STREAM, ret_port);

	ck_assert_int_eq(listen(fd, 64), 0);
	return fd;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

/* What was said of the sockets on one local port. */
struct on_port {
	uint16_t port;
	unsigned n, by_state[16];
	struct vmv_socket_line last;
};

static int take_line(void *arg, const struct vmv_socket_line *line)
{
	struct on_port *o = arg;

	if (line->local_port != o->port)
		return 0;
	ck_assert_uint_lt(line->state, VMV_COUNTOF(o->by_state));
	o->by_state[line->state]++;
	o->n++;
	o->last = *line;
	return 0;
}

/* A whole dump. Returns into how many buffers it came. */
static unsigned dump(struct vmv_diag *d, enum vmv_diag_what what, uint32_t states,
		     struct on_port *o)
{
	struct vmv_diag_replies got;
	struct vmv_err err = { 0 };
	unsigned buffers = 0;

	ck_assert_msg(vmv_diag_start(d, what, states, &err) == 0, "%s", err.msg);
	do {
		ck_assert_msg(vmv_diag_next(d, take_line, o, &got, &err) == 0, "%s", err.msg);
		ck_assert_uint_le(got.n, 1024); /* of one turn of the loop */
		buffers++;
	} while (!got.is_end);
	return buffers;
}

/* NULL: not to be had here. */
static struct vmv_diag *open_diag(void)
{
	struct vmv_diag *d = NULL;
	struct vmv_err err = { 0 };

	if (vmv_diag_open(&d, &err) == 0)
		return d;
	ck_assert_int_eq(err.code, VMV_E_IO);
	return NULL;
}

static uint64_t inode_of(int fd)
{
	char path[64], target[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	ck_assert_int_gt(n, 8);
	target[n] = '\0';
	return strtoull(target + strlen("socket:["), NULL, 10);
}

START_TEST(live_one_request_tells_of_tcp_in_both_families)
{
	struct on_port four = { 0 }, six = { 0 };
	int fd4 = listen_on(AF_INET, &four.port), fd6 = listen_on(AF_INET6, &six.port);
	struct vmv_diag *d = open_diag();
	uint32_t states = VMV_SOCKET_BIT(VMV_SOCKET_LISTEN);
	int client = connect_to(four.port);

	if (!d) {
		SAY_SKIPPED("no sock_diag here");
		return;
	}
	(void)dump(d, VMV_DIAG_TCP, states, &four);
	ck_assert_uint_eq(four.n, 1); /* the connection is not asked for */
	ck_assert_uint_eq(four.by_state[VMV_SOCKET_LISTEN], 1);
	ck_assert_uint_eq(four.last.inode, inode_of(fd4));
	ck_assert_uint_eq(four.last.uid, getuid());
	ck_assert_uint_eq(four.last.rx_queue, 1); /* nobody accepts it */
	(void)dump(d, VMV_DIAG_TCP, states, &six);
	ck_assert_uint_eq(six.n, 1);
	ck_assert_uint_eq(six.last.inode, inode_of(fd6));
	vmv_diag_free(d);
	(void)close(client);
	(void)close(fd4);
	(void)close(fd6);
}
END_TEST

START_TEST(live_udp_has_a_request_for_each_family)
{
	struct on_port four = { 0 }, six = { 0 };
	int fd4 = bind_socket(AF_INET, SOCK_DGRAM, &four.port);
	int fd6 = bind_socket(AF_INET6, SOCK_DGRAM, &six.port);
	struct vmv_diag *d = open_diag();
	uint32_t states = VMV_SOCKET_BIT(VMV_SOCKET_CLOSE);

	if (!d) {
		SAY_SKIPPED("no sock_diag here");
		return;
	}
	(void)dump(d, VMV_DIAG_UDP4, states, &four);
	(void)dump(d, VMV_DIAG_UDP6, states, &six);
	ck_assert_uint_eq(four.n, 1);
	ck_assert_uint_eq(four.last.inode, inode_of(fd4));
	ck_assert(!four.last.has_peer);
	ck_assert_uint_eq(six.n, 1);
	ck_assert_uint_eq(six.last.inode, inode_of(fd6));
	vmv_diag_free(d);
	(void)close(fd4);
	(void)close(fd6);
}
END_TEST

START_TEST(live_many_connections_come_in_several_buffers)
{
	enum { PAIRS = 400 };
	struct on_port o = { 0 };
	int fd = listen_on(AF_INET, &o.port), clients[PAIRS], served[PAIRS];
	struct vmv_diag *d = open_diag();
	unsigned buffers;

	if (!d) {
		SAY_SKIPPED("no sock_diag here");
		return;
	}
	for (size_t i = 0; i < PAIRS; i++) {
		clients[i] = connect_to(o.port);
		served[i] = accept(fd, NULL, NULL);
		if (served[i] < 0) {
			SAY_SKIPPED("not enough descriptors");
			return;
		}
	}
	buffers = dump(d, VMV_DIAG_TCP, VMV_SOCKET_ALL, &o);
	ck_assert_uint_ge(buffers, 4);
	ck_assert_uint_eq(o.by_state[VMV_SOCKET_LISTEN], 1);
	ck_assert_uint_eq(o.by_state[VMV_SOCKET_ESTABLISHED], PAIRS);
	for (size_t i = 0; i < PAIRS; i++) {
		(void)close(served[i]); /* this side waits for packets that come late */
		(void)close(clients[i]);
	}
	o = (struct on_port){ .port = o.port };
	(void)dump(d, VMV_DIAG_TCP, VMV_SOCKET_ALL, &o);
	ck_assert_uint_eq(o.by_state[VMV_SOCKET_ESTABLISHED], 0);
	ck_assert_uint_eq(o.by_state[VMV_SOCKET_TIME_WAIT], PAIRS);
	vmv_diag_free(d);
	(void)close(fd);
}
END_TEST

START_TEST(live_nothing_asked_nothing_answered)
{
	struct vmv_diag *d = open_diag();
	struct vmv_diag_replies got;
	struct vmv_err err = { 0 };
	struct on_port o = { 0 };

	if (!d) {
		SAY_SKIPPED("no sock_diag here");
		return;
	}
	ck_assert_int_eq(vmv_diag_next(d, take_line, &o, &got, &err), -EAGAIN);
	ck_assert_int_eq(err.code, VMV_E_IO);
	vmv_diag_free(d);
	vmv_diag_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("diag");
	TCase *tc = tcase_create("parse");
	TCase *live = tcase_create("live");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, a_listening_socket_is_taken_apart);
	tcase_add_test(tc, a_connection_is_taken_apart);
	tcase_add_test(tc, a_peer_is_an_address_or_a_port);
	tcase_add_test(tc, a_connection_that_begins_has_the_state_that_proc_shows);
	tcase_add_test(tc, replies_to_another_request_are_skipped);
	tcase_add_test(tc, an_interrupted_dump_is_noted);
	tcase_add_test(tc, nothing_is_a_buffer_without_sockets);
	tcase_add_test(tc, what_the_kernel_refuses_is_its_errno);
	tcase_add_test(tc, a_row_that_fails_ends_the_parse);
	tcase_add_loop_test(tc, malformed_replies_fail, 0, (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, replies_that_are_cut_fail);
	tcase_add_test(tc, replies_after_the_end_are_malformed);
	suite_add_tcase(s, tc);
	tcase_set_timeout(live, 60);
	tcase_add_test(live, live_one_request_tells_of_tcp_in_both_families);
	tcase_add_test(live, live_udp_has_a_request_for_each_family);
	tcase_add_test(live, live_many_connections_come_in_several_buffers);
	tcase_add_test(live, live_nothing_asked_nothing_answered);
	suite_add_tcase(s, live);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
