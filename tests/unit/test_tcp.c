#include "collectors/tcp.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/socket.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADINGS "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid\n"
#define LINE(state, queues)                                   \
	"   0: 0100007F:0050 0100007F:C350 " state " " queues \
	" 00:00000000 00000000     0        0 7 1\n"

static struct fixture fx;
static void *state;

static void up(void)
{
	fixture_up(&fx);
	state = vmv_collector_port.open(&fx.root);
	ck_assert_ptr_nonnull(state);
}

static void down(void)
{
	vmv_collector_port.close(state);
	fixture_down(&fx);
}

static int read_tcp(struct vmv_tcp_sample *ret, const struct vmv_root *root, struct vmv_err *err)
{
	struct kept k;
	int r;

	kept_init(&k, &vmv_collector_tcp);
	do {
		r = vmv_collector_tcp.read(state, root, &k.sink, err);
	} while (r == VMV_MORE);
	ck_assert_uint_eq(k.n, r == 0);
	if (r == 0)
		*ret = *(const struct vmv_tcp_sample *)kept_row(&k, "");
	kept_clear(&k);
	return r;
}

START_TEST(sockets_are_counted_by_state)
{
	struct vmv_tcp_sample s;
	struct vmv_err err = { 0 };

	fixture_put(&fx, "proc/net/tcp",
		    HEADINGS LINE("01", "00000003:00000010") LINE("01", "FFFFFFFF:FFFFFFFF")
			    LINE("02", "00000001:00000000") LINE("03", "00000000:00000000")
				    LINE("04", "00000000:00000000") LINE("05", "0:0")
					    LINE("06", "0:0") LINE("06", "0:0") LINE("07", "0:0")
						    LINE("08", "0:0"));
	fixture_put(&fx, "proc/net/tcp6",
		    HEADINGS LINE("09", "0:0") LINE("0A", "00000080:00000005") LINE("0B", "0:0")
			    LINE("0C", "1:1") LINE("00", "1:1") LINE("FF", "1:1"));
	ck_assert_msg(read_tcp(&s, &fx.root, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_ESTABLISHED], 2);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_SYN_SENT], 1);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_SYN_RECV], 1);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_FIN_WAIT1], 1);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_FIN_WAIT2], 1);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_TIME_WAIT], 2);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_CLOSE], 1);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_CLOSE_WAIT], 1);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_LAST_ACK], 1);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_LISTEN], 1);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_CLOSING], 1);
	/* the backlog of the listening socket is no bytes */
	ck_assert(s.tx_queued == UINT64_C(4294967299));
	ck_assert(s.rx_queued == UINT64_C(4294967311));
}
END_TEST

START_TEST(no_sockets_are_zero_in_each_state)
{
	struct vmv_tcp_sample s, zero = { 0 };

	fixture_put(&fx, "proc/net/tcp", HEADINGS);
	ck_assert_int_eq(read_tcp(&s, &fx.root, NULL), 0);
	ck_assert_mem_eq(&s, &zero, sizeof(s));
}
END_TEST

START_TEST(no_tcp_is_enoent)
{
	struct vmv_tcp_sample s;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(read_tcp(&s, &fx.root, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
}
END_TEST

START_TEST(a_failed_reading_leaves_nothing_to_the_next)
{
	struct vmv_tcp_sample s;

	fixture_put(&fx, "proc/net/tcp", HEADINGS LINE("01", "0:0"));
	fixture_put(&fx, "proc/net/tcp6", HEADINGS "nonsense\n");
	ck_assert_int_eq(read_tcp(&s, &fx.root, NULL), -EINVAL);
	fixture_put(&fx, "proc/net/tcp6", HEADINGS);
	ck_assert_int_eq(read_tcp(&s, &fx.root, NULL), 0);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_ESTABLISHED], 1);
	ck_assert_int_eq(read_tcp(&s, &fx.root, NULL), 0);
	ck_assert_uint_eq(s.by_state[VMV_SOCKET_ESTABLISHED], 1);
}
END_TEST

START_TEST(queues_do_not_wrap)
{
	struct vmv_socket_line line = { .state = 1, .rx_queue = 2, .tx_queue = UINT64_MAX - 2 };
	struct vmv_tcp_sample s = { .rx_queued = UINT64_MAX - 2 };

	vmv_tcp_count(&s, &line);
	vmv_tcp_count(&s, &line);
	ck_assert(s.rx_queued == UINT64_MAX - 1);
	ck_assert(s.tx_queued == UINT64_MAX - 1);
}
END_TEST

static const struct {
	const char *text;
	uint64_t n;
} good[] = {
	{ "Tcp: CurrEstab\nTcp: 5\n", 5 },
	{ "Tcp: CurrEstab InSegs\nTcp: 0 7\n", 0 },
	{ "Ip: Forwarding\nIp: 1\nIcmpMsg: InType3\nIcmpMsg: 2\n"
	  "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails "
	  "EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n"
	  "Tcp: 1 200 120000 -1 233 59 1 55 12 46635 25229 0 0 57 0\n"
	  "Udp: InDatagrams\nUdp: 1\n",
	  12 },
	{ "Tcp: A CurrEstab\nTcp: 1 18446744073709551615\n", UINT64_MAX },
};

START_TEST(the_number_of_connections_is_found_by_its_name)
{
	uint64_t n = 99;

	ck_assert_int_eq(vmv_tcp_parse_established(good[_i].text, &n), 0);
	ck_assert(n == good[_i].n);
}
END_TEST

static const char *const bad[] = {
	"",
	"\n",
	"Tcp: ",
	"Tcp: CurrEstab",
	"Tcp: CurrEstab\n",
	"Tcp: CurrEstab\nUdp: 5\n",
	"Tcp: CurrEstab\nTcp: \n",
	"Tcp: CurrEstab\nTcp: 5",
	"Tcp: CurrEstab\nTcp: -5\n",
	"Tcp: CurrEstab\nTcp: 5x\n",
	"Tcp: CurrEstab\nTcp: 18446744073709551616\n",
	"Tcp: A CurrEstab\nTcp: 5\n",
	"Tcp: A B\nTcp: 5 6\n",
	"Tcp: CurrEstabs\nTcp: 5\n",
	"Tcp: Curr\nTcp: 5\n",
	"Udp: CurrEstab\nUdp: 5\n",
	"TcpExt: CurrEstab\nTcpExt: 5\n",
};

START_TEST(without_that_name_the_number_is_unknown)
{
	uint64_t n = 99;

	ck_assert_int_eq(vmv_tcp_parse_established(bad[_i], &n), -EINVAL);
	ck_assert_uint_eq(n, 99);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	struct vmv_tcp_sample s;
	struct vmv_root root;
	struct vmv_err err = { 0 };
	char text[16384];
	uint64_t n;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	ck_assert_msg(read_tcp(&s, &root, &err) == 0, "%s", err.msg);
	ck_assert(s.by_state[VMV_SOCKET_LISTEN] < 1000000);
	ck_assert_int_gt(vmv_read_at(root.proc, "net/snmp", text, sizeof(text)), 0);
	ck_assert_int_eq(vmv_tcp_parse_established(text, &n), 0);
	ck_assert(n < 1000000);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tcp");
	TCase *tc = tcase_create("tcp");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, sockets_are_counted_by_state);
	tcase_add_test(tc, no_sockets_are_zero_in_each_state);
	tcase_add_test(tc, no_tcp_is_enoent);
	tcase_add_test(tc, a_failed_reading_leaves_nothing_to_the_next);
	tcase_add_test(tc, queues_do_not_wrap);
	tcase_add_loop_test(tc, the_number_of_connections_is_found_by_its_name, 0,
			    (int)VMV_COUNTOF(good));
	tcase_add_loop_test(tc, without_that_name_the_number_is_unknown, 0, (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
