#include "collectors/network.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/address.h"
#include "collectors/interface.h"
#include "tests/lib/fixture.h"
#include "tests/lib/warp.h"

#define HEADINGS                                                                                  \
	"Inter-|   Receive                                                |  Transmit\n"          \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs" \
	" drop fifo colls carrier compressed\n"

#define ROUTE_HEADINGS                                                                    \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\t" \
	"IRTT \n"

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

struct devs {
	struct vmv_network_sample row[4];
	size_t n;
};

static int keep_dev(void *arg, const char *name, const struct vmv_network_sample *sample)
{
	struct devs *d = arg;

	ck_assert_uint_lt(d->n, VMV_COUNTOF(d->row));
	ck_assert_str_eq(name, sample->name);
	d->row[d->n++] = *sample;
	return 0;
}

START_TEST(counters_come_from_their_columns)
{
	struct devs d = { .n = 0 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_netdev_parse(HEADINGS
					  "    lo:    3267      29    0    0    0     0          0"
					  "         0     3267      29    0    0    0     0"
					  "       0          0\n"
					  "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
					  keep_dev, &d, &err),
			 0);
	ck_assert_uint_eq(d.n, 2);
	ck_assert_str_eq(d.row[0].name, "lo");
	ck_assert_uint_eq(d.row[0].rx_bytes, 3267);
	ck_assert_uint_eq(d.row[0].tx_packets, 29);
	ck_assert_str_eq(d.row[1].name, "eth0");
	ck_assert_uint_eq(d.row[1].rx_bytes, 1);
	ck_assert_uint_eq(d.row[1].rx_packets, 2);
	ck_assert_uint_eq(d.row[1].rx_errors, 3);
	ck_assert_uint_eq(d.row[1].rx_drops, 4);
	ck_assert_uint_eq(d.row[1].tx_bytes, 9);
	ck_assert_uint_eq(d.row[1].tx_packets, 10);
	ck_assert_uint_eq(d.row[1].tx_errors, 11);
	ck_assert_uint_eq(d.row[1].tx_drops, 12);
	ck_assert_uint_eq(d.row[1].rx_fifo, 5);
	ck_assert_uint_eq(d.row[1].rx_frame, 6);
	ck_assert_uint_eq(d.row[1].rx_compressed, 7);
	ck_assert_uint_eq(d.row[1].rx_multicast, 8);
	ck_assert_uint_eq(d.row[1].tx_fifo, 13);
	ck_assert_uint_eq(d.row[1].tx_colls, 14);
	ck_assert_uint_eq(d.row[1].tx_carrier, 15);
	ck_assert_uint_eq(d.row[1].tx_compressed, 16);
	ck_assert(d.row[1].mtu == VMV_UNSET);
	ck_assert(d.row[1].is_up == VMV_UNSET);
	ck_assert(d.row[1].default_metric == VMV_UNSET);
}
END_TEST

START_TEST(numbers_may_follow_the_colon_at_once_and_names_may_have_one)
{
	struct devs d = { .n = 0 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(
		vmv_netdev_parse(HEADINGS
				 "  eth0:9223372036854775806 2 3 4 5 6 7 8 9 10 11 12 13 14"
				 " 15 16\n"
				 "eth0:1:21 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n",
				 keep_dev, &d, &err),
		0);
	ck_assert_uint_eq(d.n, 2);
	ck_assert_str_eq(d.row[0].name, "eth0");
	ck_assert_uint_eq(d.row[0].rx_bytes, UINT64_C(9223372036854775806));
	ck_assert_str_eq(d.row[1].name, "eth0:1");
	ck_assert_uint_eq(d.row[1].rx_bytes, 21);
}
END_TEST

static const char *const bad_devs[] = {
	"",
	"eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	"Inter-|\n",
	"Inter-|\n face |", /* cut before the newline */
	HEADINGS "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
	HEADINGS "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n",
	HEADINGS "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x\n",
	HEADINGS "eth0: -1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	HEADINGS "eth0: 18446744073709551616 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	HEADINGS "eth0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	HEADINGS ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	HEADINGS "a-name-of-16-chr: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	HEADINGS "../../x: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	HEADINGS "..: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	HEADINGS "\n",
};

START_TEST(malformed_netdev_fails_and_delivers_nothing)
{
	struct devs d = { .n = 0 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_netdev_parse(bad_devs[_i], keep_dev, &d, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(d.n, 0);
}
END_TEST

static void keep_inet6(void *arg, const char *ifname, const struct in6_addr *addr, unsigned flags)
{
	char text[INET6_ADDRSTRLEN];

	ck_assert_ptr_nonnull(inet_ntop(AF_INET6, addr, text, sizeof(text)));
	ck_assert_int_lt(snprintf(arg, 128, "%s %s %02x", ifname, text, flags), 128);
}

START_TEST(an_inet6_line_is_address_flags_and_name)
{
	struct vmv_err err = { 0 };
	char got[128] = "";

	ck_assert_int_eq(vmv_inet6_parse("20010db8000000000000000000000042 02 40 00 80     eth0\n",
					 keep_inet6, got, &err),
			 0);
	ck_assert_str_eq(got, "eth0 2001:db8::42 80");
}
END_TEST

static const char *const bad_inet6[] = {
	"\n",
	"20010db8000000000000000000000042 02 40 00 80     eth0",
	"20010db800000000000000000000004 02 40 00 80     eth0\n",
	"20010db80000000000000000000000421 02 40 00 80     eth0\n",
	"20010db8000000000000000000000042 02 40 00 80\n",
	"20010db8000000000000000000000042 02 40 00     eth0\n",
	"20010db8000000000000000000000042 02 40 00 180     eth0\n",
	"20010db8000000000000000000000042 02 40 00 80     a-name-of-16-chr\n",
};

START_TEST(malformed_inet6_fails)
{
	struct vmv_err err = { 0 };
	char got[128] = "";

	ck_assert_int_eq(vmv_inet6_parse(bad_inet6[_i], keep_inet6, got, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_eq(got, "");
}
END_TEST

/* A getifaddrs() list with one IPv4 address. */
struct one_address {
	struct ifaddrs ifa;
	struct sockaddr_in in;
	char name[16];
};

static struct ifaddrs *set_address(struct one_address *a, const char *name, const char *address,
				   struct ifaddrs *next)
{
	*a = (struct one_address){ .in = { .sin_family = AF_INET } };
	ck_assert_int_eq(inet_pton(AF_INET, address, &a->in.sin_addr), 1);
	(void)snprintf(a->name, sizeof(a->name), "%s", name);
	a->ifa = (struct ifaddrs){
		.ifa_next = next,
		.ifa_name = a->name,
		.ifa_addr = (struct sockaddr *)(void *)&a->in,
	};
	return &a->ifa;
}

static const struct {
	const char *name, *address;
	bool is_taken;
} addresses[] = {
	{ "eth0", "192.0.2.1", true },	      { "eth0", "10.0.0.1", true },
	{ "eth0", "169.254.1.1", true },      { "eth0", "223.255.255.255", true },
	{ "eth0", "1.0.0.0", true },	      { "eth0:1", "192.0.2.1", true }, /* a label */
	{ "eth0", "0.0.0.0", false },	      { "eth0", "0.1.2.3", false },
	{ "eth0", "127.0.0.1", false },	      { "eth0", "127.8.0.1", false },
	{ "eth0", "224.0.0.1", false },	      { "eth0", "240.0.0.1", false },
	{ "eth0", "255.255.255.255", false }, { "eth", "192.0.2.1", false },
	{ "eth00", "192.0.2.1", false },      { "eth1", "192.0.2.1", false },
};

START_TEST(only_addresses_worth_reporting_are_taken)
{
	struct vmv_network_sample rows[] = { { .name = "lo" }, { .name = "eth0" } };
	struct one_address a;

	vmv_network_take_addresses(set_address(&a, addresses[_i].name, addresses[_i].address, NULL),
				   rows, 2);
	ck_assert_uint_eq(rows[0].n_ipv4, 0);
	ck_assert_uint_eq(rows[1].n_ipv4, addresses[_i].is_taken);
	if (addresses[_i].is_taken)
		ck_assert_str_eq(rows[1].ipv4[0], addresses[_i].address);
}
END_TEST

START_TEST(addresses_keep_their_order_and_stop_at_sixteen)
{
	struct vmv_network_sample row = { .name = "eth0" };
	struct one_address a[20];
	struct ifaddrs bare = { .ifa_name = a[0].name }; /* an interface without address */
	struct ifaddrs *list = NULL;
	char address[32];

	for (unsigned i = VMV_COUNTOF(a); i-- > 0;) {
		(void)snprintf(address, sizeof(address), "192.0.2.%u", i + 1);
		list = set_address(&a[i], "eth0", address, list);
	}
	bare.ifa_next = list;
	vmv_network_take_addresses(&bare, &row, 1);
	ck_assert_uint_eq(row.n_ipv4, 16);
	ck_assert_str_eq(row.ipv4[0], "192.0.2.1");
	ck_assert_str_eq(row.ipv4[1], "192.0.2.2");
	ck_assert_str_eq(row.ipv4[15], "192.0.2.16");
	vmv_network_take_addresses(NULL, &row, 1);
	ck_assert_uint_eq(row.n_ipv4, 16);
}
END_TEST

static void put_interface(const char *name, const char *index, const char *flags,
			  const char *operstate, const char *speed, const char *address)
{
	const char *const attrs[][2] = { { "ifindex", index },	     { "flags", flags },
					 { "operstate", operstate }, { "speed", speed },
					 { "address", address },     { "mtu", "1500\n" } };
	char path[64];

	for (size_t i = 0; i < VMV_COUNTOF(attrs); i++) {
		if (!attrs[i][1])
			continue;
		(void)snprintf(path, sizeof(path), "sys/class/net/%s/%s", name, attrs[i][0]);
		fixture_put(&fx, path, attrs[i][1]);
	}
}

#define NUMBERS " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"

static void put_tree(void)
{
	fixture_put(&fx, "proc/net/dev",
		    HEADINGS "lo:" NUMBERS "eth0:" NUMBERS "eth1:" NUMBERS "gone:" NUMBERS
			     "tun0:" NUMBERS);
	fixture_put(&fx, "proc/net/route",
		    ROUTE_HEADINGS
		    "eth1\t00000000\t010200C0\t0003\t0\t0\t50\t00000000\t0\t0\t0\n"
		    "eth1\t00000000\t010200C0\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
		    "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
	fixture_put(&fx, "proc/net/if_inet6",
		    "00000000000000000000000000000001 01 80 10 80       lo\n"
		    "20010db8000000000000000000000001 02 40 00 01     eth0\n"
		    "20010db8000000000000000000000002 02 40 00 20     eth0\n"
		    "20010db8000000000000000000000003 02 40 00 40     eth0\n"
		    "20010db8000000000000000000000004 02 40 00 88     eth0\n"
		    "fe80000000000000505400fffe123456 02 40 20 80     eth0\n"
		    "fd000000000000000000000000000005 02 40 00 80     eth0\n"
		    "ff020000000000000000000000000001 02 40 00 80     eth0\n"
		    "0000000000000000000000ffc0000201 02 40 00 80     eth0\n");
	put_interface("lo", "1\n", "0x9\n", "unknown\n", NULL, "00:00:00:00:00:00\n");
	put_interface("eth0", "3\n", "0x1003\n", "up\n", "1000\n", "52:54:00:12:34:56\n");
	put_interface("eth1", "2\n", "0x1002\n", "down\n", "-1\n", "52:54:00:ab:cd:ef\n");
	put_interface("tun0", "4\n", "0x1003\n", "lowerlayerdown\n", "4294967295\n",
		      "0a:00:00:01\n");
}

static void read_tree(struct kept *k)
{
	struct vmv_err err = { 0 };

	kept_init(k, &vmv_collector_network);
	ck_assert_msg(kept_read(k, &vmv_collector_network, &fx.root, &err) == 0, "%s", err.msg);
}

START_TEST(rows_come_by_default_route_then_by_index)
{
	struct kept k;

	put_tree();
	read_tree(&k);
	ck_assert_uint_eq(k.n, 5);
	ck_assert_str_eq(k.ids[0], "eth1");
	ck_assert_str_eq(k.ids[1], "eth0");
	ck_assert_str_eq(k.ids[2], "lo");
	ck_assert_str_eq(k.ids[3], "tun0");
	ck_assert_str_eq(k.ids[4], "gone");
	kept_clear(&k);
}
END_TEST

START_TEST(attributes_come_from_sysfs)
{
	const struct vmv_network_sample *s;
	struct kept k;

	put_tree();
	read_tree(&k);
	s = kept_row(&k, "eth0");
	ck_assert_uint_eq(s->index, 3);
	ck_assert_uint_eq(s->is_up, 1);
	ck_assert_uint_eq(s->is_loopback, 0);
	ck_assert_uint_eq(s->default_metric, 100);
	ck_assert_uint_eq(s->speed, 1000000000);
	ck_assert_uint_eq(s->mtu, 1500);
	ck_assert_str_eq(s->mac, "52:54:00:12:34:56");
	ck_assert_str_eq(s->operstate, "up");
	ck_assert_uint_eq(s->is_operational, 1);
	s = kept_row(&k, "eth1");
	ck_assert_uint_eq(s->is_up, 0);
	ck_assert_uint_eq(s->default_metric, 50);
	ck_assert(s->speed == VMV_UNSET);
	s = kept_row(&k, "lo");
	ck_assert_uint_eq(s->is_up, 1); /* "unknown" counts as up */
	ck_assert_uint_eq(s->is_operational, 0);
	ck_assert_uint_eq(s->is_loopback, 1);
	ck_assert_str_eq(s->mac, "");
	ck_assert(s->speed == VMV_UNSET);
	s = kept_row(&k, "tun0");
	ck_assert_uint_eq(s->is_up, 0);
	ck_assert_str_eq(s->mac, "");
	ck_assert(s->speed == VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(an_interface_that_vanished_keeps_its_counters_and_unknowns)
{
	const struct vmv_network_sample *s;
	struct kept k;

	put_tree();
	read_tree(&k);
	s = kept_row(&k, "gone");
	ck_assert_uint_eq(s->rx_bytes, 1);
	ck_assert(s->index == VMV_UNSET);
	ck_assert(s->is_up == VMV_UNSET);
	ck_assert(s->is_loopback == VMV_UNSET);
	ck_assert(s->default_metric == VMV_UNSET);
	ck_assert(s->mtu == VMV_UNSET);
	ck_assert_str_eq(s->operstate, "");
	kept_clear(&k);
}
END_TEST

START_TEST(ipv6_addresses_are_global_ones_and_passing_ones_come_last)
{
	const struct vmv_network_sample *s;
	struct kept k;

	put_tree();
	read_tree(&k);
	s = kept_row(&k, "eth0");
	ck_assert_uint_eq(s->n_ipv6, 3);
	ck_assert_str_eq(s->ipv6[0], "fd00::5");
	ck_assert_str_eq(s->ipv6[1], "2001:db8::1");
	ck_assert_str_eq(s->ipv6[2], "2001:db8::2");
	ck_assert_uint_eq(((const struct vmv_network_sample *)kept_row(&k, "lo"))->n_ipv6, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(a_recorded_tree_has_no_addresses_of_the_live_machine)
{
	struct kept k;

	put_tree();
	read_tree(&k);
	for (size_t i = 0; i < k.n; i++) {
		const struct vmv_network_sample *s = kept_row(&k, k.ids[i]);

		ck_assert_uint_eq(s->addresses_known, 0);
		ck_assert_uint_eq(s->n_ipv4, 0);
	}
	kept_clear(&k);
}
END_TEST

START_TEST(a_tree_without_route_and_ipv6_is_fine)
{
	struct kept k;

	fixture_put(&fx, "proc/net/dev", HEADINGS "eth0:" NUMBERS);
	read_tree(&k);
	ck_assert_uint_eq(k.n, 1);
	kept_clear(&k);
}
END_TEST

START_TEST(no_netdev_is_enoent)
{
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_network);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_network, &fx.root, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_uint_eq(k.n, 0);
}
END_TEST

START_TEST(default_routes_are_found_at_the_head_of_a_long_table)
{
	char text[16384] =
		ROUTE_HEADINGS "eth0\t00000000\t010200C0\t0003\t0\t0\t7\t00000000\t0\t0\t0\n";
	size_t len = strlen(text);
	struct kept k;

	for (unsigned i = 1; i <= 200; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"eth0\t%08X\t00000000\t0001\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n",
					i);
	put_tree();
	fixture_put(&fx, "proc/net/route", text);
	read_tree(&k);
	ck_assert_uint_eq(((const struct vmv_network_sample *)kept_row(&k, "eth0"))->default_metric,
			  7);
	kept_clear(&k);
}
END_TEST

static int whole_reading(void *state, const struct vmv_root *root, struct kept *k,
			 struct vmv_err *err)
{
	int r;

	do {
		r = vmv_collector_network.read(state, root, &k->sink, err);
	} while (r == VMV_MORE);
	return r;
}

START_TEST(state_is_reused_without_rows_of_the_reading_before)
{
	void *state = vmv_collector_network.open(&fx.root);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(state);
	put_tree();
	kept_init(&k, &vmv_collector_network);
	ck_assert_int_eq(whole_reading(state, &fx.root, &k, &err), 0);
	ck_assert_uint_eq(k.n, 5);
	kept_clear(&k);
	fixture_put(&fx, "proc/net/dev", HEADINGS "eth0:" NUMBERS);
	ck_assert_int_eq(whole_reading(state, &fx.root, &k, &err), 0);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_uint_eq(((const struct vmv_network_sample *)kept_row(&k, "eth0"))->n_ipv6, 3);
	kept_clear(&k);
	vmv_collector_network.close(state);
	vmv_collector_network.close(NULL);
}
END_TEST

START_TEST(live_loopback_is_there)
{
	const struct vmv_network_sample *s;
	struct vmv_err err = { 0 };
	struct vmv_root root;
	struct kept k;

	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	kept_init(&k, &vmv_collector_network);
	ck_assert_msg(kept_read(&k, &vmv_collector_network, &root, &err) == 0, "%s", err.msg);
	s = kept_row(&k, "lo");
	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->name, "lo");
	ck_assert_uint_eq(s->is_loopback, 1);
	ck_assert_uint_eq(s->addresses_known, 1);
	ck_assert_uint_eq(s->n_ipv4, 0); /* 127.0.0.1 is nobody's business */
	ck_assert_uint_eq(s->n_ipv6, 0);
	ck_assert(s->index != VMV_UNSET);
	ck_assert(s->mtu != VMV_UNSET);
	for (size_t i = 0; i < k.n; i++)
		ck_assert_str_ne(k.ids[i], "");
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

/* -- what it is ------------------------------------------------------------------------- */

static void put_attr(const char *name, const char *attr, const char *text)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "sys/class/net/%s/%s", name, attr);
	fixture_put(&fx, path, text);
}

static void link_attr(const char *name, const char *attr, const char *target)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "sys/class/net/%s/%s", name, attr);
	fixture_link(&fx, path, target);
}

static const struct {
	const char *name;
	const char *attrs[5][2];
	const char *device, *lower; /* links */
	const char *kind;
} kinds[] = {
	{ "bond0", { { "uevent", "DEVTYPE=bond\nINTERFACE=bond0\n" } }, NULL, NULL, "bond" },
	{ "br0",
	  { { "uevent", "INTERFACE=br0\nIFINDEX=4\nDEVTYPE=bridge\n" } },
	  NULL,
	  NULL,
	  "bridge" },
	{ "wg0", { { "uevent", "DEVTYPE=wireguard\n" } }, NULL, NULL, "wireguard" },
	{ "wlan0", { { "uevent", "DEVTYPE=wlan\n" } }, "../../bus/pci", NULL, "wlan" },
	{ "bond1", { { "bonding/slaves", "\n" } }, NULL, NULL, "bond" },
	{ "br1", { { "bridge/bridge_id", "8000.0\n" } }, NULL, NULL, "bridge" },
	{ "tun0", { { "tun_flags", "0x1001\n" } }, NULL, NULL, "tun" },
	{ "vnet0", { { "tun_flags", "0x5102\n" } }, NULL, NULL, "tap" },
	{ "tun1", { { "tun_flags", "what\n" } }, NULL, NULL, "" },
	{ "lo", { { "flags", "0x9\n" } }, NULL, NULL, "loopback" },
	{ "eth0", { { "uevent", "INTERFACE=eth0\n" } }, "../../../../bus/virtio", NULL, "virtio" },
	{ "ens5", { { "ifindex", "2\n" }, { "iflink", "2\n" } }, "../../../bus/pci", NULL, "pci" },
	{ "veth1",
	  { { "ifindex", "7\n" }, { "iflink", "6\n" }, { "type", "1\n" } },
	  NULL,
	  NULL,
	  "veth" },
	{ "macvlan0",
	  { { "ifindex", "7\n" }, { "iflink", "2\n" }, { "type", "1\n" } },
	  NULL,
	  "lower_eth0",
	  "" },
	{ "dummy0",
	  { { "ifindex", "7\n" }, { "iflink", "7\n" }, { "type", "1\n" } },
	  NULL,
	  NULL,
	  "" },
	{ "sit0",
	  { { "ifindex", "7\n" }, { "iflink", "0\n" }, { "type", "776\n" } },
	  NULL,
	  NULL,
	  "" },
	{ "odd0", { { "uevent", "DEVTYPE=a kind with blanks\n" } }, NULL, NULL, "" },
	{ "odd1", { { "uevent", "DEVTYPE=longer_than_fits_in\n" } }, NULL, NULL, "" },
	{ "odd2", { { "uevent", "XDEVTYPE=bond\n" } }, NULL, NULL, "" },
};

START_TEST(a_kind_is_what_sysfs_shows_of_it)
{
	const struct vmv_network_sample *s;
	char text[1024];
	struct kept k;

	(void)snprintf(text, sizeof(text), HEADINGS "%s:" NUMBERS, kinds[_i].name);
	fixture_put(&fx, "proc/net/dev", text);
	put_attr(kinds[_i].name, "operstate", "up\n");
	for (size_t i = 0; kinds[_i].attrs[i][0]; i++)
		put_attr(kinds[_i].name, kinds[_i].attrs[i][0], kinds[_i].attrs[i][1]);
	if (kinds[_i].device)
		link_attr(kinds[_i].name, "device/subsystem", kinds[_i].device);
	if (kinds[_i].lower)
		link_attr(kinds[_i].name, kinds[_i].lower, "../eth0");
	read_tree(&k);
	s = kept_row(&k, kinds[_i].name);
	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->kind, kinds[_i].kind);
	kept_clear(&k);
}
END_TEST

START_TEST(a_slave_names_its_master_and_a_link_its_state)
{
	const struct vmv_network_sample *s;
	struct kept k;

	put_tree();
	link_attr("eth0", "master", "../bond0");
	link_attr("eth1", "master", "../a-name-that-no-interface-has");
	put_attr("eth0", "duplex", "full\n");
	put_attr("eth0", "carrier", "1\n");
	put_attr("eth0", "carrier_changes", "5\n");
	put_attr("eth0", "iflink", "3\n");
	put_attr("eth0", "tx_queue_len", "1000\n");
	put_attr("eth1", "carrier", ""); /* as read(2) fails with EINVAL when it is down */
	read_tree(&k);
	s = kept_row(&k, "eth0");
	ck_assert_str_eq(s->master, "bond0");
	ck_assert_str_eq(s->duplex, "full");
	ck_assert_uint_eq(s->carrier, 1);
	ck_assert_uint_eq(s->carrier_changes, 5);
	ck_assert_uint_eq(s->flags, 0x1003);
	ck_assert_uint_eq(s->link, 3);
	ck_assert_uint_eq(s->queue_length, 1000);
	s = kept_row(&k, "eth1");
	ck_assert_str_eq(s->master, "");
	ck_assert_str_eq(s->duplex, "");
	ck_assert(s->carrier == VMV_UNSET);
	ck_assert(s->carrier_changes == VMV_UNSET);
	ck_assert(s->link == VMV_UNSET);
	ck_assert(s->queue_length == VMV_UNSET);
	s = kept_row(&k, "gone");
	ck_assert(s->flags == VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(a_screenful_of_default_routes_is_read_too)
{
	char text[4096] = ROUTE_HEADINGS;
	size_t len = strlen(text);
	struct kept k;

	/* 20 lines padded to 128 characters, as the kernel does; that of eth0 is the last */
	for (unsigned i = 0; i < 20; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len,
			"%s\t00000000\t010200C0\t0003\t0\t0\t%u\t00000000\t0\t0\t0%71s\n",
			i == 19 ? "eth0" : "eth1", 10 + i, "");
	put_tree();
	fixture_put(&fx, "proc/net/route", text);
	read_tree(&k);
	ck_assert_uint_eq(((const struct vmv_network_sample *)kept_row(&k, "eth1"))->default_metric,
			  10);
	ck_assert_uint_eq(((const struct vmv_network_sample *)kept_row(&k, "eth0"))->default_metric,
			  29);
	kept_clear(&k);
}
END_TEST

static size_t count_steps(void *state, struct kept *k)
{
	size_t n = 1;

	while (vmv_collector_network.read(state, &fx.root, &k->sink, NULL) == VMV_MORE)
		n++;
	return n;
}

START_TEST(many_interfaces_are_read_in_slices)
{
	char text[16384] = HEADINGS;
	size_t len = strlen(text);
	void *state = vmv_collector_network.open(&fx.root);
	struct kept k;

	for (unsigned i = 0; i < 200; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "veth%u:%s", i, NUMBERS);
	fixture_put(&fx, "proc/net/dev", text);
	kept_init(&k, &vmv_collector_network);
	ck_assert_uint_ge(count_steps(state, &k), 200);
	ck_assert_uint_eq(k.n, 200);
	kept_clear(&k);
	vmv_collector_network.close(state);
}
END_TEST

START_TEST(a_reading_given_up_in_its_midst_leaves_no_rows_behind)
{
	void *state = vmv_collector_network.open(&fx.root);
	struct kept k;

	put_tree();
	kept_init(&k, &vmv_collector_network);
	k.sink.reading = 1;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(vmv_collector_network.read(state, &fx.root, &k.sink, NULL),
				 VMV_MORE);
	fixture_put(&fx, "proc/net/dev", HEADINGS "eth0:" NUMBERS);
	k.sink.reading = 2;
	(void)count_steps(state, &k);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_uint_eq(((const struct vmv_network_sample *)kept_row(&k, "eth0"))->mtu, 1500);
	kept_clear(&k);
	vmv_collector_network.close(state);
}
END_TEST

/* -- the running kernel, in a network namespace of our own -------------------------------- */

/* A root whose sysfs shows the interfaces of a new namespace, lo alone. False when this process may
 * not have one. Each test runs in a child: nothing is left of it. */
static bool own_namespace(struct vmv_root *ret)
{
	char path[96];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return false;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s/sys", fx.dir);
	if (mount("sysfs", path, "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return false;
	ck_assert_int_eq(vmv_root_open(ret, "/", NULL), 0);
	(void)close(ret->sys);
	ret->sys = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(ret->sys, 0);
	return true;
}

static void drop_namespace(struct vmv_root *root)
{
	char path[96];

	vmv_root_close(root);
	(void)snprintf(path, sizeof(path), "%s/sys", fx.dir);
	(void)umount2(path, MNT_DETACH);
}

static void ask_of_lo(unsigned long request, struct ifreq *req)
{
	vmv_autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(req->ifr_name, "lo", sizeof("lo"));
	ck_assert_int_eq(ioctl(fd, request, req), 0);
}

/* One more reading with the same state. */
static struct vmv_network_sample lo_now(void *state, const struct vmv_root *root)
{
	struct vmv_network_sample ret;
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_network);
	ck_assert_msg(whole_reading(state, root, &k, &err) == 0, "%s", err.msg);
	ck_assert_ptr_nonnull(kept_row(&k, "lo"));
	memcpy(&ret, kept_row(&k, "lo"), sizeof(ret));
	kept_clear(&k);
	return ret;
}

START_TEST(a_change_is_seen_by_the_next_reading)
{
	struct ifreq req = { .ifr_flags = IFF_UP };
	struct vmv_network_sample s;
	struct vmv_root root;
	void *state;

	if (!own_namespace(&root)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	state = vmv_collector_network.open(&root);
	s = lo_now(state, &root);
	ck_assert_uint_eq(s.is_up, 0);
	ck_assert_uint_eq(s.mtu, 65536);
	ck_assert_str_eq(s.kind, "loopback");
	ask_of_lo(SIOCSIFFLAGS, &req);
	s = lo_now(state, &root);
	ck_assert_uint_eq(s.is_up, 1);
	req = (struct ifreq){ .ifr_mtu = 1400 };
	ask_of_lo(SIOCSIFMTU, &req);
	s = lo_now(state, &root);
	ck_assert_uint_eq(s.mtu, 1400);
	vmv_collector_network.close(state);
	drop_namespace(&root);
}
END_TEST

START_TEST(a_reading_out_of_memory_equals_one_of_everything)
{
	struct vmv_network_sample again, anew;
	struct ifreq req = { .ifr_flags = IFF_UP };
	struct vmv_root root;
	void *state;

	if (!own_namespace(&root)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	ask_of_lo(SIOCSIFFLAGS, &req);
	state = vmv_collector_network.open(&root);
	(void)lo_now(state, &root);
	again = lo_now(state, &root);
	vmv_collector_network.close(state);
	state = vmv_collector_network.open(&root);
	anew = lo_now(state, &root);
	vmv_collector_network.close(state);
	ck_assert_mem_eq(&again, &anew, sizeof(again));
	drop_namespace(&root);
}
END_TEST

/* That nothing is opened again is what makes a reading cheap: descriptors are gone, it works on. */
START_TEST(a_quiet_reading_opens_nothing)
{
	struct rlimit none, was;
	struct vmv_root root;
	struct vmv_network_sample s;
	void *state;

	if (!own_namespace(&root)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	state = vmv_collector_network.open(&root);
	s = lo_now(state, &root);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = was.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	s = lo_now(state, &root);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_uint_eq(s.mtu, 65536);
	vmv_collector_network.close(state);
	drop_namespace(&root);
}
END_TEST

/* Nobody tells of a change in a sysfs of ours: that is the worst case. */
START_TEST(what_nobody_tells_of_is_seen_within_a_minute)
{
	struct vmv_root root;
	void *state;

	if (!own_namespace(&root)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	fixture_put(&fx, "made/class/net/lo/mtu", "1000\n");
	(void)close(root.sys);
	root.sys = openat(fx.root.top, "made", O_PATH | O_DIRECTORY | O_CLOEXEC);
	state = vmv_collector_network.open(&root);
	ck_assert_uint_eq(lo_now(state, &root).mtu, 1000);
	fixture_put(&fx, "made/class/net/lo/mtu", "2000\n");
	warp_pass(59999);
	ck_assert_uint_eq(lo_now(state, &root).mtu, 1000);
	warp_pass(1);
	ck_assert_uint_eq(lo_now(state, &root).mtu, 2000);
	vmv_collector_network.close(state);
	drop_namespace(&root);
}
END_TEST

static bool own_links_only(struct vmv_root *ret)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	ck_assert_int_eq(vmv_root_open(ret, "/", NULL), 0);
	return true;
}

/* As in a container that is shown the host's /sys. */
START_TEST(what_sysfs_says_of_another_namespace_is_not_told)
{
	struct ifreq req = { .ifr_flags = IFF_UP };
	struct vmv_network_sample s;
	struct vmv_root root;
	char text[32];
	void *state;

	if (!own_links_only(&root)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	/* that of the namespace we came from, where it is up */
	if (vmv_read_attr_at(root.sys, "class/net/lo/flags", text, sizeof(text)) < 0 ||
	    strcmp(text, "0x9") != 0) {
		SAY_SKIPPED("no 'lo' that is up");
		vmv_root_close(&root);
		return;
	}
	state = vmv_collector_network.open(&root);
	s = lo_now(state, &root);
	ck_assert_uint_eq(s.is_up, 0);
	ck_assert_uint_eq(s.is_loopback, 1);
	ck_assert_uint_eq(s.index, 1);
	ck_assert(s.mtu == VMV_UNSET && s.carrier == VMV_UNSET && s.flags == VMV_UNSET);
	ck_assert_str_eq(s.operstate, "");
	ask_of_lo(SIOCSIFFLAGS, &req);
	ck_assert_uint_eq(lo_now(state, &root).is_up, 1);
	vmv_collector_network.close(state);
	vmv_root_close(&root);
}
END_TEST

static struct sockaddr_ll link_address(int index, unsigned char last)
{
	return (struct sockaddr_ll){ .sll_family = AF_PACKET,
				     .sll_ifindex = index,
				     .sll_halen = 6,
				     .sll_addr = { 0x52, 0x54, 0, 0, 0, last } };
}

static const struct {
	const char *what;
	int index;
	unsigned char last;
	unsigned flags;
	bool is_foreign, is_changed;
} links[] = {
	{ "the same", 2, 1, IFF_UP | IFF_RUNNING, false, false },
	{ "no carrier", 2, 1, IFF_UP, false, false },
	{ "another index", 3, 1, IFF_UP | IFF_RUNNING, true, false },
	{ "another address", 2, 2, IFF_UP | IFF_RUNNING, true, false },
	{ "set down meanwhile", 2, 1, 0, false, true },
};

START_TEST(sysfs_is_believed_where_it_does_not_contradict_the_kernel)
{
	struct sockaddr_ll eth = link_address(links[_i].index, links[_i].last);
	struct ifaddrs list = { .ifa_name = (char[]){ "eth0" },
				.ifa_flags = links[_i].flags,
				.ifa_addr = (struct sockaddr *)(void *)&eth };
	struct vmv_network_sample rows[] = {
		{ .name = "wg0",
		  .mac = "",
		  .index = VMV_UNSET,
		  .is_up = VMV_UNSET,
		  .flags = VMV_UNSET,
		  .is_loopback = VMV_UNSET,
		  .mtu = 1420 },
		{ .name = "eth0",
		  .mac = "52:54:00:00:00:01",
		  .operstate = "up",
		  .index = 2,
		  .is_up = 1,
		  .flags = IFF_UP,
		  .mtu = 1500 },
	};
	struct ifaddrs bare = { .ifa_name = (char[]){ "wg0" },
				.ifa_flags = IFF_UP | IFF_RUNNING,
				.ifa_next = &list };

	vmv_interface_check(&bare, rows, 2);
	ck_assert_msg((rows[1].mtu == VMV_UNSET) == (links[_i].is_foreign || links[_i].is_changed),
		      "%s", links[_i].what);
	ck_assert((rows[0].mtu == VMV_UNSET) == links[_i].is_foreign);
	ck_assert_uint_eq(rows[1].index, (uint64_t)links[_i].index);
	ck_assert_uint_eq(rows[1].is_up, links[_i].flags ? 1 : 0);
	ck_assert_uint_eq(rows[0].is_up, 1); /* a link without an address has flags, too */
	ck_assert(rows[0].index == VMV_UNSET);
	ck_assert_str_eq(rows[0].mac, "");
}
END_TEST

/* As in a container whose /sys is the host's: that does not make each reading a full one. */
START_TEST(an_interface_that_sysfs_does_not_have_is_not_asked_for_each_time)
{
	struct vmv_root root;
	void *state;

	if (!own_namespace(&root)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	fixture_mkdir(&fx, "made/class/net");
	(void)close(root.sys);
	root.sys = openat(fx.root.top, "made", O_PATH | O_DIRECTORY | O_CLOEXEC);
	state = vmv_collector_network.open(&root);
	ck_assert(lo_now(state, &root).mtu == VMV_UNSET);
	fixture_put(&fx, "made/class/net/lo/mtu", "1000\n");
	ck_assert(lo_now(state, &root).mtu == VMV_UNSET);
	warp_pass(60000);
	ck_assert_uint_eq(lo_now(state, &root).mtu, 1000);
	vmv_collector_network.close(state);
	drop_namespace(&root);
}
END_TEST

START_TEST(what_could_not_be_read_is_read_by_the_next_reading)
{
	struct ifreq req = { .ifr_mtu = 1400 };
	struct rlimit none, was;
	struct vmv_network_sample s;
	struct vmv_root root;
	void *state;

	if (!own_namespace(&root)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	state = vmv_collector_network.open(&root);
	ck_assert_uint_eq(lo_now(state, &root).mtu, 65536);
	ask_of_lo(SIOCSIFMTU, &req);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = was.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	s = lo_now(state, &root);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert(s.mtu == VMV_UNSET); /* out of descriptors: unknown, not the old one */
	ck_assert_uint_eq(s.addresses_known, 0);
	s = lo_now(state, &root);
	ck_assert_uint_eq(s.mtu, 1400);
	ck_assert_uint_eq(s.addresses_known, 1);
	vmv_collector_network.close(state);
	drop_namespace(&root);
}
END_TEST

START_TEST(lost_messages_are_a_change)
{
	struct ifreq req = { .ifr_mtu = 0 };
	struct vmv_root root;
	int fd;

	ck_assert(vmv_linkwatch_has_changed(-1));
	if (!own_namespace(&root)) {
		SAY_SKIPPED("no network namespace of our own");
		return;
	}
	fd = vmv_linkwatch_open();
	ck_assert_int_ge(fd, 0);
	ck_assert(!vmv_linkwatch_has_changed(fd));
	for (int i = 0; i < 1000; i++) {
		req.ifr_mtu = 1400 + i % 2;
		ask_of_lo(SIOCSIFMTU, &req);
	}
	ck_assert(vmv_linkwatch_has_changed(fd));
	ck_assert(!vmv_linkwatch_has_changed(fd));
	ask_of_lo(SIOCSIFMTU, &(struct ifreq){ .ifr_mtu = 1500 });
	ck_assert(vmv_linkwatch_has_changed(fd));
	(void)close(fd);
	drop_namespace(&root);
}
END_TEST

/* -- recorded machines --------------------------------------------------------------------- */

START_TEST(a_recorded_router_shows_how_its_interfaces_hang_together)
{
	static const struct {
		const char *name, *kind, *master;
		uint64_t link;
	} want[] = {
		{ "bond0.100", "vlan", "", 4 }, { "lo", "loopback", "", 1 },
		{ "eth0", "pci", "bond0", 2 },	{ "eth1", "pci", "bond0", 3 },
		{ "bond0", "bond", "", 4 },	{ "br0", "bridge", "", 6 },
		{ "vnet0", "tap", "br0", 7 },	{ "wg0", "wireguard", "", 8 },
	};
	const struct vmv_network_sample *s;
	struct vmv_root root;
	struct kept k;

	if (!fixture_recorded("ubuntu20.04-5.4", &root)) {
		SAY_SKIPPED("not run by make check");
		return;
	}
	kept_init(&k, &vmv_collector_network);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_network, &root, NULL), 0);
	ck_assert_uint_eq(k.n, VMV_COUNTOF(want));
	for (size_t i = 0; i < k.n; i++) {
		ck_assert_str_eq(k.ids[i], want[i].name);
		s = kept_row(&k, k.ids[i]);
		ck_assert_str_eq(s->kind, want[i].kind);
		ck_assert_str_eq(s->master, want[i].master);
		ck_assert_uint_eq(s->link, want[i].link);
	}
	s = kept_row(&k, "eth1");
	ck_assert_uint_eq(s->speed, UINT64_C(10000000000));
	ck_assert_str_eq(s->duplex, "full");
	ck_assert_uint_eq(s->carrier_changes, 4);
	ck_assert_uint_eq(s->flags, 0x1903);
	ck_assert_uint_eq(s->rx_drops, 40331);
	ck_assert_uint_eq(s->rx_multicast, 812);
	s = kept_row(&k, "wg0");
	ck_assert_str_eq(s->mac, "");
	ck_assert(s->speed == VMV_UNSET);
	ck_assert_uint_eq(s->is_up, 1);
	ck_assert_uint_eq(s->rx_frame, 1);
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

START_TEST(the_interface_of_a_recorded_container_is_the_end_of_a_pair)
{
	const struct vmv_network_sample *s;
	struct vmv_root root;
	struct kept k;

	if (!fixture_recorded("alpine3.18-6.1-container", &root)) {
		SAY_SKIPPED("not run by make check");
		return;
	}
	kept_init(&k, &vmv_collector_network);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_network, &root, NULL), 0);
	s = kept_row(&k, "eth0");
	ck_assert_str_eq(s->kind, "veth");
	ck_assert_uint_eq(s->index, 410);
	ck_assert_uint_eq(s->link, 411);
	ck_assert_uint_eq(s->queue_length, 0);
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("network");
	TCase *tc = tcase_create("read");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, counters_come_from_their_columns);
	tcase_add_test(tc, numbers_may_follow_the_colon_at_once_and_names_may_have_one);
	tcase_add_loop_test(tc, malformed_netdev_fails_and_delivers_nothing, 0,
			    (int)VMV_COUNTOF(bad_devs));
	tcase_add_test(tc, an_inet6_line_is_address_flags_and_name);
	tcase_add_loop_test(tc, malformed_inet6_fails, 0, (int)VMV_COUNTOF(bad_inet6));
	tcase_add_loop_test(tc, only_addresses_worth_reporting_are_taken, 0,
			    (int)VMV_COUNTOF(addresses));
	tcase_add_test(tc, addresses_keep_their_order_and_stop_at_sixteen);
	tcase_add_test(tc, rows_come_by_default_route_then_by_index);
	tcase_add_test(tc, attributes_come_from_sysfs);
	tcase_add_test(tc, an_interface_that_vanished_keeps_its_counters_and_unknowns);
	tcase_add_test(tc, ipv6_addresses_are_global_ones_and_passing_ones_come_last);
	tcase_add_test(tc, a_recorded_tree_has_no_addresses_of_the_live_machine);
	tcase_add_test(tc, a_tree_without_route_and_ipv6_is_fine);
	tcase_add_test(tc, no_netdev_is_enoent);
	tcase_add_test(tc, default_routes_are_found_at_the_head_of_a_long_table);
	tcase_add_test(tc, state_is_reused_without_rows_of_the_reading_before);
	tcase_add_test(tc, live_loopback_is_there);
	tcase_add_loop_test(tc, a_kind_is_what_sysfs_shows_of_it, 0, (int)VMV_COUNTOF(kinds));
	tcase_add_test(tc, a_slave_names_its_master_and_a_link_its_state);
	tcase_add_test(tc, a_screenful_of_default_routes_is_read_too);
	tcase_add_test(tc, many_interfaces_are_read_in_slices);
	tcase_add_test(tc, a_reading_given_up_in_its_midst_leaves_no_rows_behind);
	tcase_add_test(tc, a_change_is_seen_by_the_next_reading);
	tcase_add_test(tc, a_reading_out_of_memory_equals_one_of_everything);
	tcase_add_test(tc, a_quiet_reading_opens_nothing);
	tcase_add_test(tc, what_nobody_tells_of_is_seen_within_a_minute);
	tcase_add_test(tc, an_interface_that_sysfs_does_not_have_is_not_asked_for_each_time);
	tcase_add_test(tc, what_sysfs_says_of_another_namespace_is_not_told);
	tcase_add_loop_test(tc, sysfs_is_believed_where_it_does_not_contradict_the_kernel, 0,
			    (int)VMV_COUNTOF(links));
	tcase_add_test(tc, what_could_not_be_read_is_read_by_the_next_reading);
	tcase_add_test(tc, lost_messages_are_a_change);
	tcase_add_test(tc, a_recorded_router_shows_how_its_interfaces_hang_together);
	tcase_add_test(tc, the_interface_of_a_recorded_container_is_the_end_of_a_pair);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
