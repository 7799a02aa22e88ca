#include "collectors/netstat.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

static struct vmv_netstat_sample unset_netstat(void)
{
	struct vmv_netstat_sample s;

	memset(&s, 0xff, sizeof(s));
	return s;
}

static struct vmv_sockstat_sample unset_sockstat(void)
{
	struct vmv_sockstat_sample s;

	memset(&s, 0xff, sizeof(s));
	return s;
}

/* 99 stands for what nobody asks for. */
#define SNMP                                                                              \
	"Ip: Forwarding DefaultTTL InReceives\n"                                          \
	"Ip: 2 99 99\n"                                                                   \
	"Icmp: InMsgs InErrors InCsumErrors OutMsgs OutErrors\n"                          \
	"Icmp: 1 3 99 4 99\n"                                                             \
	"IcmpMsg: InType3\n"                                                              \
	"IcmpMsg: 99\n"                                                                   \
	"Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails"   \
	" EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n" \
	"Tcp: 99 99 99 -1 5 6 99 99 7 8 9 10 11 12 99\n"                                  \
	"Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors"        \
	" InCsumErrors IgnoredMulti MemErrors\n"                                          \
	"Udp: 13 14 15 16 17 18 99 99 99\n"                                               \
	"UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n"  \
	"UdpLite: 99 99 19 99 99 99\n"

#define NETSTAT                                                                        \
	"TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts"         \
	" ListenOverflows ListenDrops TCPHPHits TCPTimeouts TCPOFOQueue TCPSynRetrans" \
	" TCPRcvQDrop\n"                                                               \
	"TcpExt: 20 21 22 99 23 24 99 25 26 27 28\n"                                   \
	"IpExt: InNoRoutes InTruncatedPkts InOctets OutOctets InMcastOctets\n"         \
	"IpExt: 99 99 29 30 99\n"                                                      \
	"MPTcpExt: MPCapableSYNRX InErrs\n"                                            \
	"MPTcpExt: 99 99\n"

#define SNMP6                                    \
	"Ip6InReceives                   \t99\n" \
	"Ip6InOctets                     \t31\n" \
	"Ip6OutOctets                    \t32\n" \
	"Ip6InMcastOctets                \t99\n" \
	"Icmp6InMsgs                     \t33\n" \
	"Icmp6InErrors                   \t34\n" \
	"Icmp6OutMsgs                    \t35\n" \
	"Icmp6OutErrors                  \t99\n" \
	"Icmp6InType136                  \t99\n" \
	"Udp6InDatagrams                 \t36\n" \
	"Udp6NoPorts                     \t37\n" \
	"Udp6InErrors                    \t38\n" \
	"Udp6OutDatagrams                \t39\n" \
	"Udp6RcvbufErrors                \t40\n" \
	"Udp6SndbufErrors                \t41\n" \
	"UdpLite6InErrors                \t42\n"

START_TEST(every_number_goes_to_its_own_member)
{
	const struct vmv_netstat_sample *s;
	struct kept k;

	fixture_put(&fx, "proc/net/snmp", SNMP);
	fixture_put(&fx, "proc/net/netstat", NETSTAT);
	fixture_put(&fx, "proc/net/snmp6", SNMP6);
	kept_init(&k, &vmv_collector_netstat);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_netstat, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->ip_forwarding, 2);
	ck_assert_uint_eq(s->icmp.in_msgs, 1);
	ck_assert_uint_eq(s->icmp.in_errors, 3);
	ck_assert_uint_eq(s->icmp.out_msgs, 4);
	ck_assert_uint_eq(s->tcp.active_opens, 5);
	ck_assert_uint_eq(s->tcp.passive_opens, 6);
	ck_assert_uint_eq(s->tcp.curr_estab, 7);
	ck_assert_uint_eq(s->tcp.in_segs, 8);
	ck_assert_uint_eq(s->tcp.out_segs, 9);
	ck_assert_uint_eq(s->tcp.retrans_segs, 10);
	ck_assert_uint_eq(s->tcp.in_errs, 11);
	ck_assert_uint_eq(s->tcp.out_rsts, 12);
	ck_assert_uint_eq(s->udp.in_datagrams, 13);
	ck_assert_uint_eq(s->udp.no_ports, 14);
	ck_assert_uint_eq(s->udp.in_errors, 15);
	ck_assert_uint_eq(s->udp.out_datagrams, 16);
	ck_assert_uint_eq(s->udp.rcvbuf_errors, 17);
	ck_assert_uint_eq(s->udp.sndbuf_errors, 18);
	ck_assert_uint_eq(s->udplite_in_errors, 19);
	ck_assert_uint_eq(s->tcp.syncookies_sent, 20);
	ck_assert_uint_eq(s->tcp.syncookies_recv, 21);
	ck_assert_uint_eq(s->tcp.syncookies_failed, 22);
	ck_assert_uint_eq(s->tcp.listen_overflows, 23);
	ck_assert_uint_eq(s->tcp.listen_drops, 24);
	ck_assert_uint_eq(s->tcp.timeouts, 25);
	ck_assert_uint_eq(s->tcp.ofo_queue, 26);
	ck_assert_uint_eq(s->tcp.syn_retrans, 27);
	ck_assert_uint_eq(s->tcp.rcvq_drop, 28);
	ck_assert_uint_eq(s->ip.in_octets, 29);
	ck_assert_uint_eq(s->ip.out_octets, 30);
	ck_assert_uint_eq(s->ip6.in_octets, 31);
	ck_assert_uint_eq(s->ip6.out_octets, 32);
	ck_assert_uint_eq(s->icmp6.in_msgs, 33);
	ck_assert_uint_eq(s->icmp6.in_errors, 34);
	ck_assert_uint_eq(s->icmp6.out_msgs, 35);
	ck_assert_uint_eq(s->udp6.in_datagrams, 36);
	ck_assert_uint_eq(s->udp6.no_ports, 37);
	ck_assert_uint_eq(s->udp6.in_errors, 38);
	ck_assert_uint_eq(s->udp6.out_datagrams, 39);
	ck_assert_uint_eq(s->udp6.rcvbuf_errors, 40);
	ck_assert_uint_eq(s->udp6.sndbuf_errors, 41);
	ck_assert_uint_eq(s->udplite6_in_errors, 42);
	kept_clear(&k);
}
END_TEST

START_TEST(a_kernel_without_ipv6_has_the_rest)
{
	const struct vmv_netstat_sample *s;
	struct kept k;

	fixture_put(&fx, "proc/net/snmp", SNMP);
	fixture_put(&fx, "proc/net/netstat", NETSTAT);
	kept_init(&k, &vmv_collector_netstat);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_netstat, &fx.root, NULL), 0);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->tcp.in_segs, 8);
	ck_assert(s->ip6.in_octets == VMV_UNSET);
	ck_assert(s->udp6.no_ports == VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(columns_that_this_kernel_lacks_are_unknown)
{
	struct vmv_netstat_sample s = unset_netstat();

	/* TCPRcvQDrop is since 4.20 */
	ck_assert_int_eq(vmv_snmp_parse("TcpExt: ListenDrops TCPTimeouts\nTcpExt: 0 3\n",
					"net/netstat", &s, NULL),
			 0);
	ck_assert_uint_eq(s.tcp.listen_drops, 0);
	ck_assert_uint_eq(s.tcp.timeouts, 3);
	ck_assert(s.tcp.rcvq_drop == VMV_UNSET);
	ck_assert(s.tcp.in_segs == VMV_UNSET);
}
END_TEST

START_TEST(names_count_not_places)
{
	struct vmv_netstat_sample s = unset_netstat();

	ck_assert_int_eq(vmv_snmp_parse("Udp: New OutDatagrams InDatagrams\nUdp: 1 2 3\n",
					"net/snmp", &s, NULL),
			 0);
	ck_assert_uint_eq(s.udp.out_datagrams, 2);
	ck_assert_uint_eq(s.udp.in_datagrams, 3);
}
END_TEST

START_TEST(an_empty_file_says_nothing)
{
	struct vmv_netstat_sample s = unset_netstat();

	ck_assert_int_eq(vmv_snmp_parse("", "net/snmp", &s, NULL), 0);
	ck_assert_int_eq(vmv_snmp6_parse("", &s, NULL), 0);
	ck_assert_int_eq(vmv_snmp_parse("IcmpMsg:\nIcmpMsg:\nTcp:\nTcp:\n", "net/snmp", &s, NULL),
			 0);
	ck_assert(s.tcp.in_segs == VMV_UNSET);
}
END_TEST

START_TEST(counts_below_zero_are_unknown)
{
	struct vmv_netstat_sample s = unset_netstat();

	ck_assert_int_eq(vmv_snmp_parse("Tcp: CurrEstab InSegs OutSegs\n"
					"Tcp: 18446744073709551615 -3 4294967295\n",
					"net/snmp", &s, NULL),
			 0);
	ck_assert(s.tcp.curr_estab == VMV_UNSET);
	ck_assert(s.tcp.in_segs == VMV_UNSET);
	ck_assert_uint_eq(s.tcp.out_segs, UINT32_MAX);
}
END_TEST

static const char *const bad_snmp[] = {
	"\n",
	"\n\n",
	"Tcp: InSegs\n",       /* no values */
	"Tcp: InSegs\nTcp: 1", /* cut before the newline */
	"Tcp: InSegs",
	"Tcp: InSegs\nUdp: 1\n", /* of another protocol */
	"Tcp: InSegs\nTcpExt: 1\n",
	"Tcp InSegs\nTcp 1\n",
	": InSegs\n: 1\n",
	"Tcp: InSegs OutSegs\nTcp: 1\n", /* a value too few */
	"Tcp: InSegs\nTcp: 1 2\n",	 /* one too many */
	"Tcp: InSegs OutSegs\nTcp: 1 \n",
	"Tcp: InSegs\nTcp: x\n",
	"Tcp: InSegs\nTcp: -\n",
	"Tcp: InSegs\nTcp: 1x\n",
	"Tcp: InSegs\nTcp:1\n",
	"Tcp: InSegs\nTcp: 18446744073709551616\n",
	"Tcp: InSegs\nTcp: 1\nUdp: NoPorts\n",
};

START_TEST(malformed_snmp_fails_and_leaves_output_alone)
{
	struct vmv_netstat_sample s = { .tcp.in_segs = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_snmp_parse(bad_snmp[_i], "net/snmp", &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_int_eq(strncmp(err.msg, "/proc/net/snmp: ", 16), 0);
	ck_assert_uint_eq(s.tcp.in_segs, 7);
}
END_TEST

static const char *const bad_snmp6[] = {
	"Udp6NoPorts \t1", /* cut before the newline */
	"Udp6NoPorts",
	"Udp6NoPorts\n",
	"Udp6NoPorts \t\n",
	"Udp6NoPorts \tx\n",
	"Udp6NoPorts \t1x\n",
	"Udp6NoPorts \t18446744073709551616\n",
	"Udp6InErrors \t1\nUdp6NoPorts \t-\n",
};

START_TEST(malformed_snmp6_fails_and_leaves_output_alone)
{
	struct vmv_netstat_sample s = { .udp6.in_errors = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_snmp6_parse(bad_snmp6[_i], &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_int_eq(strncmp(err.msg, "/proc/net/snmp6: ", 17), 0);
	ck_assert_uint_eq(s.udp6.in_errors, 7);
}
END_TEST

START_TEST(lines_of_snmp6_that_are_not_known_are_left_alone)
{
	struct vmv_netstat_sample s = unset_netstat();

	ck_assert_int_eq(
		vmv_snmp6_parse("\n6\n6 \nNothing x\nUdp6\nIp6New \tx\nUdp6NoPorts 3\n", &s, NULL),
		0);
	ck_assert_uint_eq(s.udp6.no_ports, 3);
}
END_TEST

#define SOCKSTAT                                     \
	"sockets: used 1\n"                          \
	"TCP: inuse 2 orphan 3 tw 4 alloc 5 mem 6\n" \
	"UDP: inuse 7 mem 8\n"                       \
	"UDPLITE: inuse 9\n"                         \
	"RAW: inuse 10\n"                            \
	"FRAG: inuse 11 memory 12\n"
#define SOCKSTAT6              \
	"TCP6: inuse 13\n"     \
	"UDP6: inuse 14\n"     \
	"UDPLITE6: inuse 15\n" \
	"RAW6: inuse 16\n"     \
	"FRAG6: inuse 17 memory 18\n"

START_TEST(every_kind_of_socket_goes_to_its_own_member)
{
	const struct vmv_sockstat_sample *s;
	struct kept k;

	fixture_put(&fx, "proc/net/sockstat", SOCKSTAT);
	fixture_put(&fx, "proc/net/sockstat6", SOCKSTAT6);
	kept_init(&k, &vmv_collector_sockstat);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_sockstat, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->used, 1);
	ck_assert_uint_eq(s->tcp.inuse, 2);
	ck_assert_uint_eq(s->tcp.orphan, 3);
	ck_assert_uint_eq(s->tcp.tw, 4);
	ck_assert_uint_eq(s->tcp.alloc, 5);
	ck_assert_uint_eq(s->tcp.mem, 6);
	ck_assert_uint_eq(s->udp.inuse, 7);
	ck_assert_uint_eq(s->udp.mem, 8);
	ck_assert_uint_eq(s->udplite_inuse, 9);
	ck_assert_uint_eq(s->raw_inuse, 10);
	ck_assert_uint_eq(s->frag.inuse, 11);
	ck_assert_uint_eq(s->frag.memory, 12);
	ck_assert_uint_eq(s->tcp6_inuse, 13);
	ck_assert_uint_eq(s->udp6_inuse, 14);
	ck_assert_uint_eq(s->udplite6_inuse, 15);
	ck_assert_uint_eq(s->raw6_inuse, 16);
	ck_assert_uint_eq(s->frag6.inuse, 17);
	ck_assert_uint_eq(s->frag6.memory, 18);
	ck_assert(s->tcp.mem_bytes == VMV_UNSET); /* pages of which size? */
	ck_assert(s->udp.mem_bytes == VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(sockets_below_zero_are_unknown_and_the_rest_is_known)
{
	struct vmv_sockstat_sample s = unset_sockstat();

	ck_assert_int_eq(vmv_sockstat_parse("UDP: inuse -1 mem -4\nTCP: inuse 5 mem 6\n",
					    "net/sockstat", &s, NULL),
			 0);
	ck_assert(s.udp.inuse == VMV_UNSET);
	ck_assert(s.udp.mem == VMV_UNSET);
	ck_assert_uint_eq(s.tcp.inuse, 5);
	ck_assert_uint_eq(s.tcp.mem, 6);
}
END_TEST

START_TEST(words_and_lines_of_later_kernels_are_left_alone)
{
	struct vmv_sockstat_sample s = unset_sockstat();

	ck_assert_int_eq(vmv_sockstat_parse("QUIC: all of it\nTCP: new x inuse 5 mem_bytes 7\n"
					    "RAW:\n",
					    "net/sockstat", &s, NULL),
			 0);
	ck_assert_uint_eq(s.tcp.inuse, 5);
	ck_assert(s.tcp.mem_bytes == VMV_UNSET);
	ck_assert(s.raw_inuse == VMV_UNSET);
}
END_TEST

static const char *const bad_sockstat[] = {
	"\n",
	"TCP: inuse 1", /* cut before the newline */
	"TCP inuse 1\n",
	": inuse 1\n",
	"TCP: inuse\n",
	"TCP: inuse \n",
	"TCP: inuse x\n",
	"TCP: inuse 1x\n",
	"TCP: inuse 1 orphan\n",
	"TCP:inuse 1\n",
	"TCP: inuse 18446744073709551616\n",
	"TCP: inuse 1 \n",
	"UDP: inuse 1\nTCP: inuse -\n",
};

START_TEST(malformed_sockstat_fails_and_leaves_output_alone)
{
	struct vmv_sockstat_sample s = { .tcp.inuse = 7, .udp.inuse = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_sockstat_parse(bad_sockstat[_i], "net/sockstat", &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_eq(err.msg, "/proc/net/sockstat: malformed");
	ck_assert(s.tcp.inuse == 7 && s.udp.inuse == 7);
}
END_TEST

static const struct vmv_collector *const both[] = { &vmv_collector_netstat,
						    &vmv_collector_sockstat };

START_TEST(no_file_at_all_is_enoent_until_one_is_there)
{
	const struct vmv_collector *c = both[_i];
	void *state = c->open(&fx.root);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, c);
	ck_assert_int_eq(c->read(state, &fx.root, &k.sink, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_uint_eq(k.n, 0);
	fixture_put(&fx, "proc/net/snmp6", SNMP6);
	fixture_put(&fx, "proc/net/sockstat6", SOCKSTAT6);
	ck_assert_int_eq(c->read(state, &fx.root, &k.sink, &err), 0);
	ck_assert_uint_eq(k.n, 1);
	fixture_mkdir(&fx, "proc/net/snmp");
	fixture_mkdir(&fx, "proc/net/sockstat");
	ck_assert_int_eq(c->read(state, &fx.root, &k.sink, &err), -EISDIR);
	ck_assert_int_eq(strncmp(err.msg, "cannot read /proc/net/s", 23), 0);
	ck_assert_uint_eq(k.n, 1);
	c->close(state);
	c->close(NULL);
	kept_clear(&k);
}
END_TEST

static struct vmv_netstat_sample live_netstat(void *state, const struct vmv_root *root)
{
	struct vmv_netstat_sample s;
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_netstat);
	ck_assert_msg(vmv_collector_netstat.read(state, root, &k.sink, &err) == 0, "%s", err.msg);
	s = *(const struct vmv_netstat_sample *)kept_row(&k, "");
	kept_clear(&k);
	return s;
}

/* One datagram to a port of our own, over the loopback interface. */
static void send_datagram(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(to);
	vmv_autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	ck_assert_int_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len), 1);
	ck_assert_int_eq(recv(fd, &(char){ 0 }, 1, 0), 1);
}

START_TEST(the_protocols_of_the_kernel_we_run_on_are_understood)
{
	struct vmv_netstat_sample before, after;
	struct vmv_root root;
	void *state;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	state = vmv_collector_netstat.open(&root);
	ck_assert_ptr_nonnull(state);
	before = live_netstat(state, &root);
	send_datagram();
	after = live_netstat(state, &root);
	ck_assert_uint_gt(after.udp.out_datagrams, before.udp.out_datagrams);
	ck_assert_uint_gt(after.ip.in_octets, before.ip.in_octets);
	ck_assert(after.ip_forwarding == 1 || after.ip_forwarding == 2);
	ck_assert(after.tcp.curr_estab != VMV_UNSET && after.tcp.listen_drops != VMV_UNSET);
	ck_assert(after.tcp.syn_retrans != VMV_UNSET && after.tcp.ofo_queue != VMV_UNSET);
	if (faccessat(root.proc, "net/snmp6", R_OK, 0) == 0)
		ck_assert(after.ip6.in_octets != VMV_UNSET && after.udp6.no_ports != VMV_UNSET);
	else
		SAY_SKIPPED("this kernel has no IPv6");
	vmv_collector_netstat.close(state);
	vmv_root_close(&root);
}
END_TEST

START_TEST(the_sockets_of_the_kernel_we_run_on_are_understood)
{
	vmv_autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct vmv_sockstat_sample *s;
	struct vmv_root root;
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_sockstat);
	ck_assert_msg(kept_read(&k, &vmv_collector_sockstat, &root, &err) == 0, "%s", err.msg);
	s = kept_row(&k, "");
	ck_assert_uint_ge(s->udp.inuse, 1);
	ck_assert_uint_ge(s->used, 1);
	ck_assert(s->tcp.alloc != VMV_UNSET && s->tcp.tw != VMV_UNSET);
	ck_assert_uint_eq(s->tcp.mem_bytes, s->tcp.mem * (uint64_t)sysconf(_SC_PAGESIZE));
	ck_assert_uint_eq(s->udp.mem_bytes, s->udp.mem * (uint64_t)sysconf(_SC_PAGESIZE));
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("netstat");
	TCase *tc = tcase_create("netstat");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, every_number_goes_to_its_own_member);
	tcase_add_test(tc, a_kernel_without_ipv6_has_the_rest);
	tcase_add_test(tc, columns_that_this_kernel_lacks_are_unknown);
	tcase_add_test(tc, names_count_not_places);
	tcase_add_test(tc, an_empty_file_says_nothing);
	tcase_add_test(tc, counts_below_zero_are_unknown);
	tcase_add_loop_test(tc, malformed_snmp_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad_snmp));
	tcase_add_loop_test(tc, malformed_snmp6_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad_snmp6));
	tcase_add_test(tc, lines_of_snmp6_that_are_not_known_are_left_alone);
	tcase_add_test(tc, every_kind_of_socket_goes_to_its_own_member);
	tcase_add_test(tc, sockets_below_zero_are_unknown_and_the_rest_is_known);
	tcase_add_test(tc, words_and_lines_of_later_kernels_are_left_alone);
	tcase_add_loop_test(tc, malformed_sockstat_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad_sockstat));
	tcase_add_loop_test(tc, no_file_at_all_is_enoent_until_one_is_there, 0,
			    (int)VMV_COUNTOF(both));
	tcase_add_test(tc, the_protocols_of_the_kernel_we_run_on_are_understood);
	tcase_add_test(tc, the_sockets_of_the_kernel_we_run_on_are_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
