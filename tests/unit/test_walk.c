#include "collectors/walk.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "collectors/collector.h"
#include "tests/lib/fixture.h"
#include "tests/lib/warp.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- between the kernel and libmnl --------------------------------------------------------- */

enum tamper { INTERRUPT = 1, GARBLE, SILENCE };

static struct {
	int refusal;  /* errno of socket(AF_NETLINK) */
	int attempts; /* to open one */
	enum tamper how;
	int skip, times; /* datagrams that are left alone first, and then tampered with */
} hook;

int socket(int domain, int type, int protocol)
{
	if (domain == AF_NETLINK)
		hook.attempts++;
	if (domain == AF_NETLINK && hook.refusal) {
		errno = hook.refusal;
		return -1;
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}

static void tamper(struct msghdr *m)
{
	struct nlmsghdr *h = m->msg_iov[0].iov_base;

	if (hook.how == INTERRUPT)
		h->nlmsg_flags |= NLM_F_DUMP_INTR;
	else
		h->nlmsg_len = 1;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, m, flags);

	if (n < 0 || hook.times == 0 || hook.skip-- > 0)
		return n;
	hook.times--;
	if (hook.how == SILENCE) {
		errno = EAGAIN;
		return -1;
	}
	tamper(m);
	return n;
}

/* -- a tree whose tables tell of other sockets than the kernel ------------------------------ */

#define HEADINGS "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid\n"
#define LINE(port, state)                              \
	"   0: 00000000:" port " 00000000:0000 " state \
	" 00000002:00000001 00:00000000 00000000     0        0 7 1\n"

static struct fixture fx;
static struct vmv_walk *w;
static uint16_t tcp_port, udp_port; /* ours; the tables have 1 and 2 */
static int tcp, udp;

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

static void up(void)
{
	memset(&hook, 0, sizeof(hook));
	fixture_up(&fx);
	fx.root.is_live = true;
	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("0001", "0A"));
	fixture_put(&fx, "proc/net/udp", HEADINGS LINE("0002", "07"));
	tcp = bind_socket(SOCK_STREAM, &tcp_port);
	udp = bind_socket(SOCK_DGRAM, &udp_port);
	ck_assert_int_eq(listen(tcp, 4), 0);
	w = vmv_walk_new();
	ck_assert_ptr_nonnull(w);
}

static void down(void)
{
	vmv_walk_free(w);
	vmv_walk_free(NULL);
	(void)close(tcp);
	(void)close(udp);
	fixture_down(&fx);
}

struct seen {
	unsigned begun;		   /* how often */
	bool of_kernel, of_tables; /* since then */
	unsigned fail;
};

static int take_line(void *arg, const struct vmv_socket_line *line)
{
	struct seen *s = arg;

	if (!line) {
		s->begun++;
		s->of_kernel = s->of_tables = false;
		return 0;
	}
	ck_assert_uint_gt(s->begun, 0);
	s->of_kernel |= line->local_port == tcp_port || line->local_port == udp_port;
	s->of_tables |= line->local_port == 1 || line->local_port == 2;
	return s->fail ? -ENOMEM : 0;
}

typedef int walk_fn(struct vmv_walk *walk, const struct vmv_root *root, uint32_t states,
		    vmv_socket_row *row, void *arg, struct vmv_err *err);

static int walk(walk_fn *fn, struct seen *s, struct vmv_err *err)
{
	int r;

	*s = (struct seen){ .fail = s->fail };
	do {
		r = fn(w, &fx.root, VMV_SOCKET_ALL, take_line, s, err);
	} while (r == VMV_MORE);
	return r;
}

static struct seen walk_ok(walk_fn *fn)
{
	struct vmv_err err = { 0 };
	struct seen s = { 0 };

	ck_assert_msg(walk(fn, &s, &err) == 0, "%s", err.msg);
	ck_assert(s.of_kernel != s.of_tables);
	return s;
}

/* There is netlink here, so that what follows shows something. */
static bool has_netlink(void)
{
	return walk_ok(vmv_walk_tcp).of_kernel && walk_ok(vmv_walk_udp).of_kernel;
}

#define NEEDS_NETLINK                                     \
	do {                                              \
		if (!has_netlink()) {                     \
			SAY_SKIPPED("no sock_diag here"); \
			return;                           \
		}                                         \
	} while (0)

START_TEST(one_netlink_socket_serves_all_walks)
{
	NEEDS_NETLINK;
	hook.attempts = 0;
	ck_assert(walk_ok(vmv_walk_tcp).of_kernel);
	ck_assert(walk_ok(vmv_walk_udp).of_kernel);
	ck_assert_int_eq(hook.attempts, 0);
	ck_assert_uint_eq(walk_ok(vmv_walk_tcp).begun, 1);
}
END_TEST

START_TEST(of_a_recorded_tree_the_kernel_is_not_asked)
{
	fx.root.is_live = false;
	ck_assert(walk_ok(vmv_walk_tcp).of_tables);
	ck_assert(walk_ok(vmv_walk_udp).of_tables);
	ck_assert_int_eq(hook.attempts, 0);
}
END_TEST

static const int refusals[] = { EPERM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT };

START_TEST(where_netlink_is_refused_the_tables_serve_for_ten_minutes)
{
	NEEDS_NETLINK;
	vmv_walk_free(w);
	w = vmv_walk_new();
	ck_assert_ptr_nonnull(w);
	hook.refusal = refusals[_i];
	ck_assert(walk_ok(vmv_walk_tcp).of_tables);
	ck_assert(walk_ok(vmv_walk_udp).of_tables);
	hook.attempts = 0;
	hook.refusal = 0;
	warp_pass(599999);
	ck_assert(walk_ok(vmv_walk_tcp).of_tables);
	ck_assert(walk_ok(vmv_walk_udp).of_tables);
	ck_assert_int_eq(hook.attempts, 0);
	warp_pass(1);
	ck_assert(walk_ok(vmv_walk_tcp).of_kernel);
	ck_assert(walk_ok(vmv_walk_udp).of_kernel);
	ck_assert_int_eq(hook.attempts, 1);
}
END_TEST

START_TEST(what_would_fail_the_tables_too_fails_the_walk)
{
	struct vmv_err err = { 0 };
	struct seen s = { 0 };

	hook.refusal = EMFILE;
	ck_assert_int_eq(walk(vmv_walk_tcp, &s, &err), -EMFILE);
	ck_assert_int_eq(err.sys, EMFILE);
	ck_assert_str_ne(err.msg, "");
	hook.refusal = 0;
	(void)walk_ok(vmv_walk_tcp);
}
END_TEST

START_TEST(each_protocol_falls_back_by_itself)
{
	NEEDS_NETLINK;
	hook.how = GARBLE;
	hook.times = 1;
	ck_assert(walk_ok(vmv_walk_tcp).of_tables);
	ck_assert(walk_ok(vmv_walk_udp).of_kernel);
	ck_assert(walk_ok(vmv_walk_tcp).of_tables);
}
END_TEST

START_TEST(what_came_before_a_garbled_reply_is_forgotten)
{
	struct seen s;

	NEEDS_NETLINK;
	hook.how = GARBLE;
	hook.skip = 1;
	hook.times = 1;
	s = walk_ok(vmv_walk_tcp);
	ck_assert(s.of_tables);
	ck_assert_uint_eq(s.begun, 2);
}
END_TEST

START_TEST(a_kernel_that_says_nothing_is_not_waited_for)
{
	NEEDS_NETLINK;
	hook.how = SILENCE;
	hook.times = 1;
	ck_assert(walk_ok(vmv_walk_udp).of_tables);
}
END_TEST

START_TEST(an_interrupted_walk_is_made_once_more)
{
	struct seen s;

	NEEDS_NETLINK;
	hook.how = INTERRUPT;
	hook.times = 1;
	s = walk_ok(vmv_walk_tcp);
	ck_assert(s.of_kernel);
	ck_assert_uint_eq(s.begun, 2);
	hook.times = 1000; /* it never stops */
	s = walk_ok(vmv_walk_tcp);
	ck_assert(s.of_kernel);
	ck_assert_uint_eq(s.begun, 2);
}
END_TEST

START_TEST(who_is_overtaken_starts_anew)
{
	struct seen first = { 0 };
	struct vmv_err err = { 0 };

	fx.root.is_live = false; /* a walk of two turns */
	ck_assert_int_eq(vmv_walk_tcp(w, &fx.root, 1, take_line, &first, &err), VMV_MORE);
	ck_assert(first.of_tables);
	(void)walk_ok(vmv_walk_udp);
	ck_assert_int_eq(vmv_walk_tcp(w, &fx.root, 1, take_line, &first, &err), VMV_MORE);
	ck_assert_uint_eq(first.begun, 2);
	ck_assert_int_eq(vmv_walk_tcp(w, &fx.root, 1, take_line, &first, &err), 0);
	ck_assert(first.of_tables);
}
END_TEST

START_TEST(replies_to_who_was_overtaken_reach_nobody)
{
	enum { PAIRS = 300 }; /* several buffers, so that a turn ends before the walk */
	int fds[PAIRS], served[PAIRS];
	struct vmv_err err = { 0 };
	struct seen first = { 0 };
	int r;

	NEEDS_NETLINK;
	for (int i = 0; i < PAIRS; i++) {
		struct sockaddr_in in = { .sin_family = AF_INET,
					  .sin_port = htons(tcp_port),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(fds[i], 0);
		ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&in, sizeof(in)), 0);
		served[i] = accept(tcp, NULL, NULL);
		ck_assert_int_ge(served[i], 0);
	}
	r = vmv_walk_tcp(w, &fx.root, VMV_SOCKET_ALL, take_line, &first, &err);
	ck_assert_int_eq(r, VMV_MORE);
	ck_assert(walk_ok(vmv_walk_udp).of_kernel);
	ck_assert(walk_ok(vmv_walk_tcp).of_kernel);
	r = vmv_walk_tcp(w, &fx.root, VMV_SOCKET_ALL, take_line, &first, &err);
	ck_assert_int_eq(r, VMV_MORE);
	ck_assert_uint_eq(first.begun, 2);
	for (int i = 0; i < PAIRS; i++) {
		(void)close(fds[i]);
		(void)close(served[i]);
	}
}
END_TEST

START_TEST(a_walk_that_was_given_up_begins_anew)
{
	struct seen s = { 0 };

	fx.root.is_live = false; /* two turns */
	ck_assert_int_eq(vmv_walk_tcp(w, &fx.root, 1, take_line, &s, NULL), VMV_MORE);
	vmv_walk_rest(w);
	ck_assert_int_eq(vmv_walk_tcp(w, &fx.root, 1, take_line, &s, NULL), VMV_MORE);
	ck_assert_uint_eq(s.begun, 2);
}
END_TEST

START_TEST(a_row_that_fails_ends_the_walk)
{
	struct vmv_err err = { 0 };
	struct seen s = { .fail = true };

	ck_assert_int_eq(walk(vmv_walk_tcp, &s, &err), -ENOMEM);
	fx.root.is_live = false;
	ck_assert_int_eq(walk(vmv_walk_tcp, &s, &err), -ENOMEM);
	fx.root.is_live = true;
	(void)walk_ok(vmv_walk_tcp);
}
END_TEST

START_TEST(a_malformed_table_fails_the_walk_and_the_next_starts_anew)
{
	struct vmv_err err = { 0 };
	struct seen s = { 0 };

	fx.root.is_live = false;
	fixture_put(&fx, "proc/net/tcp6", "nonsense\n");
	ck_assert_int_eq(walk(vmv_walk_tcp, &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	fixture_put(&fx, "proc/net/tcp6", HEADINGS);
	ck_assert(walk_ok(vmv_walk_tcp).of_tables);
}
END_TEST

START_TEST(tables_but_tcp_may_be_missing)
{
	struct vmv_err err = { 0 };
	struct seen s = { 0 };
	char path[128];

	fx.root.is_live = false;
	(void)snprintf(path, sizeof(path), "%s/proc/net/udp", fx.dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(walk(vmv_walk_udp, &s, &err), 0);
	ck_assert(!s.of_tables);
	(void)snprintf(path, sizeof(path), "%s/proc/net/tcp", fx.dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(walk(vmv_walk_tcp, &s, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("walk");
	TCase *tc = tcase_create("walk");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, one_netlink_socket_serves_all_walks);
	tcase_add_test(tc, of_a_recorded_tree_the_kernel_is_not_asked);
	tcase_add_loop_test(tc, where_netlink_is_refused_the_tables_serve_for_ten_minutes, 0,
			    (int)VMV_COUNTOF(refusals));
	tcase_add_test(tc, what_would_fail_the_tables_too_fails_the_walk);
	tcase_add_test(tc, each_protocol_falls_back_by_itself);
	tcase_add_test(tc, what_came_before_a_garbled_reply_is_forgotten);
	tcase_add_test(tc, a_kernel_that_says_nothing_is_not_waited_for);
	tcase_add_test(tc, an_interrupted_walk_is_made_once_more);
	tcase_add_test(tc, who_is_overtaken_starts_anew);
	tcase_add_test(tc, replies_to_who_was_overtaken_reach_nobody);
	tcase_add_test(tc, a_walk_that_was_given_up_begins_anew);
	tcase_add_test(tc, a_row_that_fails_ends_the_walk);
	tcase_add_test(tc, a_malformed_table_fails_the_walk_and_the_next_starts_anew);
	tcase_add_test(tc, tables_but_tcp_may_be_missing);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
