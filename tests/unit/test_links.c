#include "collectors/links.h"

#include "base/limits.h"
#include "tests/lib/fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 10000

/* -- a list of addresses that is made up ------------------------------------------------------ */

/* The address of a link may be longer than its type has room for. */
union any {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_ll ll;
	unsigned char bytes[64];
};

static struct ifaddrs entries[MOST];
static union any addresses[MOST], masks[MOST];
static char names[MOST][20];
static size_t n;

static struct vmv_links links;

static void up(void)
{
	n = 0;
	memset(entries, 0, sizeof(entries));
}

static void down(void)
{
	vmv_links_free(&links);
}

static struct ifaddrs *add(const char *name)
{
	struct ifaddrs *e = &entries[n];

	ck_assert_uint_lt(n, MOST);
	(void)snprintf(names[n], sizeof(names[n]), "%s", name);
	e->ifa_name = names[n];
	if (n > 0)
		entries[n - 1].ifa_next = e;
	n++;
	return e;
}

static void add_link(const char *name, size_t len)
{
	struct ifaddrs *e = add(name);
	union any *a = &addresses[n - 1];

	memset(a, 0, sizeof(*a));
	a->ll.sll_family = AF_PACKET;
	a->ll.sll_halen = (unsigned char)len;
	for (size_t i = 0; i < len; i++)
		a->bytes[offsetof(struct sockaddr_ll, sll_addr) + i] = (unsigned char)(i + 1);
	e->ifa_addr = &a->sa;
}

static void add_address(const char *name, const char *address, const char *mask)
{
	struct ifaddrs *e = add(name);
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	union any *a = &addresses[n - 1], *m = &masks[n - 1];

	memset(a, 0, sizeof(*a));
	memset(m, 0, sizeof(*m));
	a->sa.sa_family = m->sa.sa_family = (sa_family_t)family;
	ck_assert_int_eq(
		inet_pton(family, address,
			  family == AF_INET ? (void *)&a->in.sin_addr : (void *)&a->in6.sin6_addr),
		1);
	ck_assert_int_eq(
		inet_pton(family, mask,
			  family == AF_INET ? (void *)&m->in.sin_addr : (void *)&m->in6.sin6_addr),
		1);
	e->ifa_addr = &a->sa;
	e->ifa_netmask = &m->sa;
}

static void take(void)
{
	ck_assert_int_eq(vmv_links_take(n > 0 ? entries : NULL, &links), 0);
}

static const struct vmv_link_address *address_of(size_t link, size_t at)
{
	ck_assert_uint_lt(link, links.n);
	ck_assert_uint_lt(at, links.v[link].n);
	return &links.addresses[links.v[link].first + at];
}

/* -- tests ------------------------------------------------------------------------------------ */

START_TEST(links_have_their_addresses_in_the_kernels_order)
{
	add_link("lo", 6);
	add_link("eth0", 6);
	add_address("lo", "127.0.0.1", "255.0.0.0");
	add_address("eth0", "192.0.2.2", "255.255.255.128");
	add_address("lo", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	add_address("eth0", "fe80::1", "ffff:ffff:ffff:ffff::");
	add_address("eth0", "10.0.0.1", "255.255.255.255");
	take();
	ck_assert_uint_eq(links.n, 2);
	ck_assert_str_eq(links.v[0].name, "lo");
	ck_assert_str_eq(links.v[1].name, "eth0");
	ck_assert_uint_eq(links.v[0].n, 2);
	ck_assert_uint_eq(links.v[1].n, 3);
	ck_assert_uint_eq(address_of(0, 0)->prefix_len, 8);
	ck_assert(address_of(0, 1)->is_ipv6);
	ck_assert_uint_eq(address_of(0, 1)->prefix_len, 128);
	ck_assert_uint_eq(address_of(1, 0)->address[0], 192);
	ck_assert_uint_eq(address_of(1, 0)->prefix_len, 25);
	ck_assert(address_of(1, 1)->is_ipv6);
	ck_assert_uint_eq(address_of(1, 1)->prefix_len, 64);
	ck_assert_uint_eq(address_of(1, 2)->address[0], 10);
}
END_TEST

START_TEST(an_address_has_all_its_bytes)
{
	add_link("eth0", 6);
	add_link("ib0", 20);
	add_link("tun0", 0);
	add_link("sit0", 4);
	add_link("odd0", 25); /* the C library has no room for so many, and leaves them out */
	take();
	ck_assert_uint_eq(links.n, 5);
	ck_assert_uint_eq(links.v[0].hardware_len, 6);
	ck_assert_uint_eq(links.v[1].hardware_len, 20);
	ck_assert_uint_eq(links.v[1].hardware[19], 20);
	ck_assert_uint_eq(links.v[2].hardware_len, 0);
	ck_assert_uint_eq(links.v[3].hardware_len, 4);
	ck_assert_uint_eq(links.v[4].hardware_len, 0);
}
END_TEST

START_TEST(a_label_is_an_entry_with_the_hardware_of_its_interface)
{
	add_link("eth0", 6);
	add_address("eth0:1", "192.0.2.3", "255.255.255.0");
	add_address("gone0:1", "192.0.2.4", "255.255.255.0");
	take();
	ck_assert_uint_eq(links.n, 3);
	ck_assert(!links.v[0].is_label);
	ck_assert_uint_eq(links.v[0].n, 0);
	ck_assert(links.v[1].is_label);
	ck_assert_str_eq(links.v[1].name, "eth0:1");
	ck_assert_uint_eq(links.v[1].n, 1);
	ck_assert_mem_eq(links.v[1].hardware, links.v[0].hardware, 6);
	ck_assert_uint_eq(links.v[1].hardware_len, 6);
	ck_assert_uint_eq(links.v[2].hardware_len, 0);
}
END_TEST

START_TEST(entries_may_lack_what_they_are_about)
{
	struct ifaddrs *e;

	e = add("");
	e->ifa_addr = &addresses[0].sa;
	add("quiet0"); /* no address */
	add("a-name-that-is-too-long");
	e = add("");
	e->ifa_name = NULL;
	add_address("ppp0", "10.0.0.1", "255.255.255.255");
	entries[n - 1].ifa_netmask = NULL;
	add_link("bt0", 0);
	addresses[n - 1].sa.sa_family = AF_BLUETOOTH;
	take();
	ck_assert_uint_eq(links.n, 3);
	ck_assert_str_eq(links.v[0].name, "quiet0");
	ck_assert_str_eq(links.v[1].name, "ppp0");
	ck_assert_uint_eq(address_of(1, 0)->prefix_len, 0);
	ck_assert_str_eq(links.v[2].name, "bt0");
	ck_assert_uint_eq(links.n_addresses, 1);
}
END_TEST

START_TEST(nothing_is_no_link)
{
	take();
	ck_assert_uint_eq(links.n, 0);
	ck_assert_uint_eq(links.n_addresses, 0);
}
END_TEST

START_TEST(what_is_too_much_is_left_out)
{
	char name[16];

	for (unsigned i = 0; i < VMV_INTERFACES_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "eth%u", i);
		add_link(name, 6);
	}
	for (unsigned i = 0; i < VMV_LINK_ADDRESSES_MAX + 10; i++)
		add_address("eth1", "192.0.2.3", "255.255.255.0");
	take();
	ck_assert_uint_eq(links.n, VMV_INTERFACES_MAX);
	ck_assert_uint_eq(links.n_addresses, VMV_LINK_ADDRESSES_MAX);
	ck_assert_uint_eq(links.v[1].n, VMV_LINK_ADDRESSES_MAX);
}
END_TEST

START_TEST(a_recorded_tree_has_no_links)
{
	struct fixture fx;

	fixture_up(&fx);
	ck_assert_int_eq(vmv_links_read(&fx.root, &links), -ENOENT);
	fixture_down(&fx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("links");
	TCase *tc = tcase_create("links");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, links_have_their_addresses_in_the_kernels_order);
	tcase_add_test(tc, an_address_has_all_its_bytes);
	tcase_add_test(tc, a_label_is_an_entry_with_the_hardware_of_its_interface);
	tcase_add_test(tc, entries_may_lack_what_they_are_about);
	tcase_add_test(tc, nothing_is_no_link);
	tcase_add_test(tc, what_is_too_much_is_left_out);
	tcase_add_test(tc, a_recorded_tree_has_no_links);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
