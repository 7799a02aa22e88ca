#include "commands/qga_families.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "tests/lib/fixture.h"
#include "tests/lib/qga_ask.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NETDEV_HEAD                                                  \
	"Inter-|   Receive                            |  Transmit\n" \
	" face |bytes packets errs drop fifo frame compressed multicast|bytes ...\n"

#define ROUTE_HEAD                                                                \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t" \
	"Window\tIRTT\n"

#define ZEROS "00000000000000000000000000000000"

static struct fixture fx;

/* -- the kernel's list, made up --------------------------------------------------------------- */

static struct ifaddrs *list;
static int list_errno;

/* Instead of the C library's. */
int getifaddrs(struct ifaddrs **ret)
{
	if (list_errno) {
		errno = list_errno;
		return -1;
	}
	*ret = list;
	return 0;
}

void freeifaddrs(struct ifaddrs *given)
{
	ck_assert_ptr_eq(given, list);
}

static void up(void)
{
	fixture_up(&fx);
	list = NULL;
	list_errno = 0;
}

static void down(void)
{
	fixture_down(&fx);
}

static struct sockaddr_ll hardware(unsigned char len, unsigned char first)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_halen = len };

	for (unsigned char i = 0; i < len; i++)
		ll.sll_addr[i] = (unsigned char)(first + i);
	return ll;
}

static struct sockaddr_in ipv4(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	ck_assert_int_eq(inet_pton(AF_INET, text, &in.sin_addr), 1);
	return in;
}

static struct sockaddr_in6 ipv6(const char *text)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_scope_id = 2 };

	ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return in6;
}

static void expect(void (*run)(struct vmv_request *req), const char *want)
{
	vmv_autofree char *got = qga_ask(&fx, run);

	ck_assert_str_eq(got, want);
}

/* The same of a list, by its elements. */
static void expect_list(void (*run)(struct vmv_request *req), const char *const *want)
{
	char text[4096] = "[";
	size_t len = 1;

	for (size_t i = 0; want[i]; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? "," : "",
					want[i]);
		ck_assert_uint_lt(len + 1, sizeof(text));
	}
	text[len] = ']';
	text[len + 1] = '\0';
	expect(run, text);
}

#define EXPECT_LIST(run, ...) expect_list(run, (const char *const[]){ __VA_ARGS__, NULL })

/* -- interfaces ------------------------------------------------------------------------------- */

#define STATISTICS(n)                                                                       \
	"\"statistics\":{\"rx-bytes\":" n "1,\"rx-packets\":" n "2,\"rx-errs\":" n          \
	"3,\"rx-dropped\":" n "4,\"tx-bytes\":" n "9,\"tx-packets\":" n "10,\"tx-errs\":" n \
	"11,\"tx-dropped\":" n "12}"
#define COUNTERS(n) n "1 " n "2 " n "3 " n "4 5 6 7 8 " n "9 " n "10 " n "11 " n "12 13 14 15 16\n"

#define ADDRESS(address, type, prefix) \
	"{\"ip-address\":\"" address "\",\"ip-address-type\":\"" type "\",\"prefix\":" prefix "}"
#define NAMED(name, hardware) "{\"name\":\"" name "\",\"hardware-address\":\"" hardware "\""
#define ADDRESSES(list)	      ",\"ip-addresses\":[" list "]"

#define LO                               \
	NAMED("lo", "00:00:00:00:00:00") \
	ADDRESSES(ADDRESS("127.0.0.1", "ipv4", "8")) "," STATISTICS("1") "}"
#define IDLE0 NAMED("idle0", "01:02:03:04:05:06") "," STATISTICS("2") "}"
#define ETH0                               \
	NAMED("eth0", "a9:aa:ab:ac:ad:ae") \
	ADDRESSES(ADDRESS("fe80::1", "ipv6", "64")) "," STATISTICS("3") "}"
#define TUN0 NAMED("tun0", "00:00:00:00:00:00") "}"
#define LABEL                                \
	NAMED("eth0:1", "a9:aa:ab:ac:ad:ae") \
	ADDRESSES(ADDRESS("192.0.2.7", "ipv4", "24")) "}"

START_TEST(interfaces_are_listed_with_all_addresses_and_statistics)
{
	struct sockaddr_ll lo_hw = { .sll_family = AF_PACKET, .sll_halen = 6 };
	struct sockaddr_ll eth_hw = hardware(6, 0xa9), idle_hw = hardware(6, 1);
	struct sockaddr_ll tun_hw = hardware(0, 0);
	struct sockaddr_in lo4 = ipv4("127.0.0.1"), lo4_mask = ipv4("255.0.0.0");
	struct sockaddr_in eth4 = ipv4("192.0.2.7"), eth4_mask = ipv4("255.255.255.0");
	struct sockaddr_in6 eth6 = ipv6("fe80::1"), eth6_mask = ipv6("ffff:ffff:ffff:ffff::");
	struct ifaddrs e[] = {
		{ .ifa_name = (char[]){ "lo" }, .ifa_addr = (void *)&lo_hw },
		{ .ifa_name = (char[]){ "idle0" }, .ifa_addr = (void *)&idle_hw },
		{ .ifa_name = (char[]){ "eth0" }, .ifa_addr = (void *)&eth_hw },
		{ .ifa_name = (char[]){ "tun0" }, .ifa_addr = (void *)&tun_hw },
		{ .ifa_name = (char[]){ "lo" },
		  .ifa_addr = (void *)&lo4,
		  .ifa_netmask = (void *)&lo4_mask },
		{ .ifa_name = (char[]){ "eth0:1" },
		  .ifa_addr = (void *)&eth4,
		  .ifa_netmask = (void *)&eth4_mask },
		{ .ifa_name = (char[]){ "eth0" },
		  .ifa_addr = (void *)&eth6,
		  .ifa_netmask = (void *)&eth6_mask },
	};

	for (size_t i = 0; i + 1 < VMV_COUNTOF(e); i++)
		e[i].ifa_next = &e[i + 1];
	list = e;
	fx.root.is_live = true;
	/* tun0 came meanwhile: it has no counters yet; of eth0 the default route comes first in the
	 * group, here the order is the kernel's */
	fixture_put(&fx, "proc/net/dev",
		    NETDEV_HEAD
		    "    lo: " COUNTERS("1") " idle0: " COUNTERS("2") "  eth0: " COUNTERS("3"));
	EXPECT_LIST(vmv_qga_interfaces, LO, IDLE0, ETH0, TUN0, LABEL);
}
END_TEST

START_TEST(without_netlink_there_are_names_and_counters)
{
	fx.root.is_live = true;
	list_errno = EAFNOSUPPORT;
	fixture_put(&fx, "proc/net/dev", NETDEV_HEAD "  eth0: " COUNTERS("3"));
	fixture_put(&fx, "sys/class/net/eth0/address", "52:54:00:12:34:56\n");
	expect(vmv_qga_interfaces, "[" NAMED("eth0", "52:54:00:12:34:56") "," STATISTICS("3") "}]");
}
END_TEST

#define PPP0                               \
	NAMED("ppp0", "00:00:00:00:00:00") \
	ADDRESSES(ADDRESS("10.0.0.1", "ipv4", "32")) "}"

START_TEST(without_counters_there_are_addresses)
{
	struct sockaddr_in in = ipv4("10.0.0.1"), mask = ipv4("255.255.255.255");
	struct ifaddrs e = { .ifa_name = (char[]){ "ppp0" },
			     .ifa_addr = (void *)&in,
			     .ifa_netmask = (void *)&mask };

	list = &e;
	fx.root.is_live = true;
	EXPECT_LIST(vmv_qga_interfaces, PPP0);
}
END_TEST

START_TEST(what_nobody_can_list_is_an_error)
{
	fx.root.is_live = true;
	list_errno = EAFNOSUPPORT;
	expect(vmv_qga_interfaces, "error: cannot read /proc/net/dev: No such file or directory");
}
END_TEST

/* -- routes ----------------------------------------------------------------------------------- */

/* As the kernel prints a word of its memory. */
static uint32_t word(const char *address)
{
	struct in_addr in;

	ck_assert_int_eq(inet_pton(AF_INET, address, &in), 1);
	return in.s_addr;
}

static void put_route4(void)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		       ROUTE_HEAD "eth0\t%08X\t%08X\t0003\t4\t5\t100\t%08X\t1400\t32\t7\n"
				  "lo\t%08X\t00000000\t0201\t0\t0\t-1\t%08X\t0\t0\t0\n",
		       0u, word("192.0.2.1"), 0u, word("127.0.0.0"), word("255.128.0.0"));
	fixture_put(&fx, "proc/net/route", text);
}

#define ROUTES4                                                                                \
	"{\"iface\":\"eth0\",\"destination\":\"0.0.0.0\",\"metric\":100,\"flags\":3,"          \
	"\"refcnt\":4,\"use\":5,\"gateway\":\"192.0.2.1\",\"mask\":\"0.0.0.0\",\"irtt\":7,"    \
	"\"mtu\":1400,\"window\":32,\"version\":4},"                                           \
	"{\"iface\":\"lo\",\"destination\":\"127.0.0.0\",\"metric\":4294967295,\"flags\":513," \
	"\"refcnt\":0,\"use\":0,\"gateway\":\"0.0.0.0\",\"mask\":\"255.128.0.0\",\"irtt\":0,"  \
	"\"mtu\":0,\"window\":0,\"version\":4}"

START_TEST(routes_are_all_lines_of_both_files)
{
	put_route4();
	fixture_put(&fx, "proc/net/ipv6_route",
		    "20010db8000000000000000000000000 40 20010db8000100000000000000000000 30 "
		    "fe800000000000000000000000000001 00000400 0000000a 00000010 80200001     "
		    "eth0\n");
	expect(vmv_qga_route,
	       "[" ROUTES4 ",{\"iface\":\"eth0\",\"destination\":\"2001:db8::\",\"metric\":1024,"
	       "\"flags\":2149580801,\"refcnt\":10,\"use\":16,\"desprefixlen\":\"64\","
	       "\"source\":\"2001:db8:1::\",\"srcprefixlen\":\"48\","
	       "\"nexthop\":\"fe80::1\",\"version\":6}]");
}
END_TEST

START_TEST(ipv6_may_be_missing_or_malformed)
{
	put_route4();
	expect(vmv_qga_route, "[" ROUTES4 "]");
	fixture_put(&fx, "proc/net/ipv6_route", "what is this\n");
	expect(vmv_qga_route, "[" ROUTES4 "]");
}
END_TEST

START_TEST(no_routing_table_is_an_error)
{
	expect(vmv_qga_route, "error: no routing table in /proc/net");
}
END_TEST

START_TEST(a_router_has_an_answer_that_fits)
{
	size_t size = 4 << 20, len;
	vmv_autofree char *text = malloc(size);
	vmv_autofree char *got = NULL;

	ck_assert_ptr_nonnull(text);
	len = 0;
	for (unsigned i = 0; len + 200 < size; i++)
		len += (size_t)snprintf(text + len, size - len,
					"20010db8%08x0000000000000000 40 " ZEROS " 00 " ZEROS
					" 00000400 00000001 00000000 00000001     eth0\n",
					i);
	fixture_put(&fx, "proc/net/ipv6_route", text);
	got = qga_ask(&fx, vmv_qga_route);
	ck_assert_uint_lt(strlen(got), 4 << 20);
	ck_assert_uint_gt(strlen(got), 1 << 20);
	ck_assert_str_eq(got + strlen(got) - 2, "}]");
}
END_TEST

START_TEST(what_is_abandoned_is_an_error)
{
	static void (*const all[])(struct vmv_request *) = { vmv_qga_interfaces, vmv_qga_route };

	for (size_t i = 0; i < VMV_COUNTOF(all); i++) {
		vmv_autofree char *got = qga_ask_abandoned(all[i]);

		ck_assert_str_eq(got, "error: the reading was abandoned");
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_network");
	TCase *tc = tcase_create("qga_network");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, interfaces_are_listed_with_all_addresses_and_statistics);
	tcase_add_test(tc, without_netlink_there_are_names_and_counters);
	tcase_add_test(tc, without_counters_there_are_addresses);
	tcase_add_test(tc, what_nobody_can_list_is_an_error);
	tcase_add_test(tc, routes_are_all_lines_of_both_files);
	tcase_add_test(tc, ipv6_may_be_missing_or_malformed);
	tcase_add_test(tc, no_routing_table_is_an_error);
	tcase_add_test(tc, a_router_has_an_answer_that_fits);
	tcase_add_test(tc, what_is_abandoned_is_an_error);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
