#include "collectors/route.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#define HEADINGS                                                                          \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\t" \
	"IRTT \n"

#define ZEROS "00000000000000000000000000000000"

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

struct routes {
	struct vmv_route v[8];
	size_t n;
};

static int keep_route(void *arg, const struct vmv_route *route)
{
	struct routes *r = arg;

	ck_assert_uint_lt(r->n, VMV_COUNTOF(r->v));
	r->v[r->n++] = *route;
	return 0;
}

START_TEST(an_ipv4_line_is_a_route)
{
	static const uint8_t network[] = { 10, 0, 2, 0 }, gateway[] = { 192, 0, 2, 1 };
	struct routes r = { .n = 0 };
	struct vmv_err err = { 0 };
	char text[512];
	uint32_t words[3];

	/* the kernel prints words of its memory: what they look like depends on the machine */
	memcpy(&words[0], network, 4);
	memcpy(&words[1], gateway, 4);
	memcpy(&words[2], (const uint8_t[]){ 255, 255, 255, 0 }, 4);
	(void)snprintf(text, sizeof(text),
		       HEADINGS "eth0\t%08X\t%08X\t0003\t2\t3\t100\t%08X\t1400\t64\t5   \n",
		       words[0], words[1], words[2]);
	ck_assert_int_eq(vmv_route4_parse(text, keep_route, &r, &err), 0);
	ck_assert_uint_eq(r.n, 1);
	ck_assert_str_eq(r.v[0].device, "eth0");
	ck_assert(!r.v[0].is_ipv6);
	ck_assert_uint_eq(r.v[0].prefix_len, 24);
	ck_assert_mem_eq(r.v[0].destination, network, 4);
	ck_assert_mem_eq(r.v[0].gateway, gateway, 4);
	ck_assert_uint_eq(r.v[0].metric, 100);
	ck_assert_uint_eq(r.v[0].flags, 3);
	ck_assert_uint_eq(r.v[0].refcnt, 2);
	ck_assert_uint_eq(r.v[0].use, 3);
	ck_assert_uint_eq(r.v[0].mtu, 1400);
	ck_assert_uint_eq(r.v[0].window, 64);
	ck_assert_uint_eq(r.v[0].irtt, 5);
}
END_TEST

START_TEST(what_is_no_count_is_unknown)
{
	struct routes r = { .n = 0 };

	ck_assert_int_eq(
		vmv_route4_parse(HEADINGS
				 "eth0\t00000000\t00000000\t0001\t-1\tx\t0\t00000000\t-5\n",
				 keep_route, &r, NULL),
		0);
	ck_assert_uint_eq(r.n, 1);
	ck_assert(r.v[0].refcnt == VMV_UNSET && r.v[0].use == VMV_UNSET);
	ck_assert(r.v[0].mtu == VMV_UNSET && r.v[0].window == VMV_UNSET &&
		  r.v[0].irtt == VMV_UNSET);
}
END_TEST

START_TEST(an_ipv6_line_is_a_route)
{
	struct routes r = { .n = 0 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_route6_parse("20010db8000000000000000000000000 40 "
					  "20010db8000100000000000000000000 30 "
					  "fe800000000000000000000000000001 ffffffff 0000000a "
					  "00000010 80000003     eth0\n",
					  keep_route, &r, &err),
			 0);
	ck_assert_uint_eq(r.n, 1);
	ck_assert_str_eq(r.v[0].device, "eth0");
	ck_assert(r.v[0].is_ipv6);
	ck_assert_uint_eq(r.v[0].prefix_len, 64);
	ck_assert_uint_eq(r.v[0].source_len, 48);
	ck_assert_uint_eq(r.v[0].destination[3], 0xb8);
	ck_assert_uint_eq(r.v[0].source[5], 1);
	ck_assert_uint_eq(r.v[0].gateway[15], 1);
	ck_assert_uint_eq(r.v[0].metric, UINT32_MAX);
	ck_assert_uint_eq(r.v[0].flags, 0x80000003);
	ck_assert_uint_eq(r.v[0].refcnt, 10);
	ck_assert_uint_eq(r.v[0].use, 16);
	ck_assert(r.v[0].mtu == VMV_UNSET);
}
END_TEST

static int stop_at_once(void *arg, const struct vmv_route *route)
{
	(void)route;
	++*(unsigned *)arg;
	return -EINTR;
}

START_TEST(all_lines_are_told_until_somebody_has_enough)
{
	struct routes r = { .n = 0 };
	struct vmv_err err = { 0 };
	unsigned n = 0;

	ck_assert_int_eq(vmv_routes_read(&fx.root, keep_route, &r, &err), -ENOENT);
	ck_assert_int_ne(err.code, VMV_OK);
	fixture_put(&fx, "proc/net/ipv6_route",
		    ZEROS " 00 " ZEROS " 00 " ZEROS " ffffffff 00000001 00000000 00200200 lo\n");
	ck_assert_int_eq(vmv_routes_read(&fx.root, keep_route, &r, NULL), 0);
	ck_assert_uint_eq(r.n, 1); /* a rejecting one, which the group does not show */
	fixture_put(&fx, "proc/net/route", "malformed\n");
	ck_assert_int_eq(vmv_routes_read(&fx.root, keep_route, &r, NULL), 0);
	ck_assert_uint_eq(r.n, 2);
	fixture_put(&fx, "proc/net/route",
		    HEADINGS "lo\t0000007F\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n");
	ck_assert_int_eq(vmv_routes_read(&fx.root, stop_at_once, &n, NULL), -EINTR);
	ck_assert_uint_eq(n, 1);
	fixture_put(&fx, "proc/net/route", "malformed\n");
	fixture_put(&fx, "proc/net/ipv6_route", "malformed\n");
	ck_assert_int_eq(vmv_routes_read(&fx.root, keep_route, &r, NULL), -EINVAL);
}
END_TEST

START_TEST(only_default_routes_that_are_up_are_default_routes)
{
	static const struct {
		const char *device;
		uint32_t metric;
		bool is_default;
	} want[] = {
		{ "eth1", 100, true }, { "eth0", 0, true }, { "eth2", 4294967294, true },
		{ "eth3", 1, false },  { "*", 1, false },   { "eth4", 1, false },
		{ "eth5", 1, false },
	};
	struct routes r = { .n = 0 };
	struct vmv_err err = { 0 };

	/* masks of whole ones, so that the byte order does not matter */
	ck_assert_int_eq(
		vmv_route4_parse(HEADINGS
				 "eth1\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0   \n"
				 "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
				 "eth2\t00000000\t010200C0\t0003\t0\t0\t-2\t00000000\t0\t0\t0\n"
				 "eth3\t00000000\t010200C0\t0002\t0\t0\t1\t00000000\t0\t0\t0\n"
				 "*\t00000000\t00000000\t0201\t0\t0\t1\t00000000\t0\t0\t0\n"
				 "eth4\t00000000\t00000000\t0001\t0\t0\t1\tFFFFFFFF\t0\t0\t0\n"
				 "eth5\t000200C0\t00000000\t0001\t0\t0\t1\tFFFFFFFF\t0\t0\t0\n",
				 keep_route, &r, &err),
		0);
	ck_assert_uint_eq(r.n, VMV_COUNTOF(want));
	for (size_t i = 0; i < r.n; i++) {
		ck_assert_str_eq(r.v[i].device, want[i].device);
		ck_assert_uint_eq(r.v[i].metric, want[i].metric);
		ck_assert_int_eq(vmv_route_is_default(&r.v[i]), want[i].is_default);
	}
}
END_TEST

START_TEST(no_text_is_no_route)
{
	struct routes r = { .n = 0 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_route4_parse("", keep_route, &r, &err), 0);
	ck_assert_int_eq(vmv_route6_parse("", keep_route, &r, &err), 0);
	ck_assert_uint_eq(r.n, 0);
}
END_TEST

static const char *const bad4[] = {
	"\n",
	"eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n",
	"Iface\tDestination",
	HEADINGS "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0",
	HEADINGS "eth0\t00000000\t00000000\t0001\t0\t0\t0\n",
	HEADINGS "eth0\t0000000z\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n",
	HEADINGS "eth0\t100000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n",
	HEADINGS "eth0\t00000000\tgateway\t0001\t0\t0\t0\t00000000\t0\t0\t0\n",
	HEADINGS "eth0\t00000000\t00000000\tup\t0\t0\t0\t00000000\t0\t0\t0\n",
	HEADINGS "eth0\t00000000\t00000000\t0001\t0\t0\tx\t00000000\t0\t0\t0\n",
	HEADINGS "eth0\t00000000\t00000000\t0001\t0\t0\t4294967296\t00000000\t0\t0\t0\n",
	HEADINGS "eth0\t00000000\t00000000\t0001\t0\t0\t0\tFF00FF00\t0\t0\t0\n", /* a hole */
	HEADINGS "a-name-of-16-chr\t00000000\t00000000\t0001\t0\t0\t0\t00000000\n",
};

START_TEST(malformed_ipv4_fails)
{
	struct routes r = { .n = 0 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_route4_parse(bad4[_i], keep_route, &r, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(r.n, 0);
}
END_TEST

#define TAIL " 00000400 00000002 00000000 00000003     eth0\n"

static const char *const bad6[] = {
	"\n",
	ZEROS "\n",
	ZEROS " 00 " ZEROS " 00 " ZEROS " 00000400 00000002 00000000 00000003     eth0",
	ZEROS " 00 " ZEROS " 00 " ZEROS " 00000400 00000002 00000000 00000003\n",
	ZEROS " 81 " ZEROS " 00 " ZEROS TAIL, /* 129 bits */
	ZEROS " 00 " ZEROS " ff " ZEROS TAIL,
	ZEROS "0 00 " ZEROS " 00 " ZEROS TAIL,
	"0000 00 " ZEROS " 00 " ZEROS TAIL,
	ZEROS " 00 " ZEROS " 00 z0000000000000000000000000000000" TAIL,
	ZEROS " 00 " ZEROS " 00 " ZEROS " x 00000002 00000000 00000003     eth0\n",
	ZEROS " 00 " ZEROS " 00 " ZEROS " 100000000 00000002 00000000 00000003     eth0\n",
	ZEROS " 00 " ZEROS " 00 " ZEROS " 00000400 00000002 00000000 -1     eth0\n",
	ZEROS " 00 " ZEROS " 00 " ZEROS " 00000400 00000002 00000000 00000003 a-name-of-16-chr\n",
};

START_TEST(malformed_ipv6_fails)
{
	struct routes r = { .n = 0 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_route6_parse(bad6[_i], keep_route, &r, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(r.n, 0);
}
END_TEST

/* -- the group ---------------------------------------------------------------------------- */

static void read_tree(struct kept *k)
{
	struct vmv_err err = { 0 };

	kept_init(k, &vmv_collector_route);
	ck_assert_msg(kept_read(k, &vmv_collector_route, &fx.root, &err) == 0, "%s", err.msg);
}

#define LINE6(dst, len, gw, metric, flags, dev) \
	dst " " len " " ZEROS " 00 " gw " " metric " 00000002 00000000 " flags "     " dev "\n"

START_TEST(rows_are_the_routes_out_of_the_guest_default_ones_first)
{
	static const char *const want[] = {
		"default via 192.0.2.1 dev eth0 metric 100",
		"default dev wg0 metric 200",
		"::/0 via fe80::1 dev eth0 metric 1024",
		"::/0 dev wg0 metric 4096",
		"0.0.0.1/32 dev eth0 metric 0",
		"192.0.2.0/24 dev eth0 metric 100",
		"2001:db8::/64 dev eth0 metric 256",
	};
	const struct vmv_route_sample *s;
	struct kept k;

	if (htonl(1) == 1) {
		SAY_SKIPPED("the text below is of a little-endian kernel");
		return;
	}
	fixture_put(&fx, "proc/net/route",
		    HEADINGS
		    "wg0\t00000000\t00000000\t0001\t0\t0\t200\t00000000\t0\t0\t0\n"
		    "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
		    "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" /* TOS */
		    "eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
		    "eth0\t01000000\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
		    "*\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0\n"	   /* unreachable */
		    "eth1\t0000000A\t00000000\t0000\t0\t0\t0\t000000FF\t0\t0\t0\n" /* down */
		    "lo\t0000000B\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"
		    "eth0\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"
		    "eth0\t000000E0\t00000000\t0001\t0\t0\t0\t000000F0\t0\t0\t0\n");
	fixture_put(&fx, "proc/net/ipv6_route",
		    LINE6("20010db8000000000000000000000000", "40", ZEROS, "00000100", "00000001",
			  "eth0") LINE6("fe800000000000000000000000000000", "40", ZEROS, "00000100",
					"00000001", "eth0")
			    LINE6(ZEROS, "00", "fe800000000000000000000000000001", "00000400",
				  "00450003",
				  "eth0") LINE6(ZEROS, "00", ZEROS, "00001000", "00000001", "wg0")
				    LINE6("00000000000000000000000000000001", "80", ZEROS,
					  "00000000", "80200001",
					  "lo") LINE6("20010db8000000000000000000000042", "80",
						      ZEROS, "00000000", "80200001", "eth0")
					    LINE6("20010db8000000000000000000000000", "80", ZEROS,
						  "00000000", "80300001", "eth0")
						    LINE6("ff000000000000000000000000000000", "08",
							  ZEROS, "00000100", "00000001", "eth0")
							    LINE6(ZEROS, "00", ZEROS, "ffffffff",
								  "00200200", "lo"));
	read_tree(&k);
	ck_assert_uint_eq(k.n, VMV_COUNTOF(want));
	for (size_t i = 0; i < k.n; i++)
		ck_assert_str_eq(k.ids[i], want[i]);
	s = kept_row(&k, want[0]);
	ck_assert_str_eq(s->destination, "0.0.0.0/0");
	ck_assert_str_eq(s->gateway, "192.0.2.1");
	ck_assert_str_eq(s->device, "eth0");
	ck_assert_str_eq(s->family, "ipv4");
	ck_assert_uint_eq(s->metric, 100);
	ck_assert_uint_eq(s->is_default, 1);
	s = kept_row(&k, want[2]);
	ck_assert_str_eq(s->destination, "::/0");
	ck_assert_str_eq(s->gateway, "fe80::1");
	ck_assert_str_eq(s->family, "ipv6");
	ck_assert_uint_eq(s->is_default, 1);
	s = kept_row(&k, want[5]);
	ck_assert_str_eq(s->gateway, "");
	ck_assert_uint_eq(s->is_default, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(a_route_from_some_sources_only_is_no_default_route)
{
	struct kept k;

	fixture_put(&fx, "proc/net/ipv6_route",
		    ZEROS " 00 20010db8000000000000000000000000 20 "
			  "fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n");
	read_tree(&k);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_str_eq(k.ids[0], "::/0 from 2001:db8::/32 via fe80::1 dev eth0 metric 1024");
	ck_assert_uint_eq(((const struct vmv_route_sample *)kept_row(&k, k.ids[0]))->is_default, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(one_protocol_may_be_missing_but_not_both)
{
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_route);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_route, &fx.root, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	fixture_put(&fx, "proc/net/ipv6_route", "");
	err = (struct vmv_err){ 0 };
	ck_assert_int_eq(kept_read(&k, &vmv_collector_route, &fx.root, &err), 0);
	ck_assert_int_eq(err.code, VMV_OK);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(malformed_files_fail_the_reading)
{
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_route);
	fixture_put(&fx, "proc/net/route", "nonsense\n");
	ck_assert_int_eq(kept_read(&k, &vmv_collector_route, &fx.root, &err), -EINVAL);
	fixture_put(&fx, "proc/net/route", "");
	fixture_put(&fx, "proc/net/ipv6_route", "nonsense\n");
	ck_assert_int_eq(kept_read(&k, &vmv_collector_route, &fx.root, &err), -EINVAL);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

struct tally {
	struct vmv_sink sink; /* first member: the callback casts back */
	size_t n;
	char second[128];
};

static int count_row(struct vmv_sink *sink, const char *id, const void *sample)
{
	struct tally *t = (struct tally *)sink;

	(void)sample;
	if (++t->n == 2)
		(void)snprintf(t->second, sizeof(t->second), "%s", id);
	return 0;
}

/* 256 KiB are 3449 lines of 76 bytes, less the headings and the cut one. */
START_TEST(of_a_huge_table_the_beginning_is_read)
{
	void *state = vmv_collector_route.open(&fx.root);
	vmv_autofree char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct vmv_err err = { 0 };

	ck_assert_ptr_nonnull(f);
	(void)fputs(HEADINGS "eth0\t00000000\t010200C0\t0003\t0\t0\t7\t00000000\t0\t0\t0\n", f);
	for (unsigned i = 1; i <= 20000; i++)
		(void)fprintf(f, "eth0\t%08X\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0%24s\n",
			      htonl(0x0a000000 + i), "");
	ck_assert_int_eq(fclose(f), 0);
	fixture_put_bytes(&fx, "proc/net/route", text, len);
	for (int i = 0; i < 2; i++) {
		struct tally t = { .sink = { .row = count_row } };

		ck_assert_msg(vmv_collector_route.read(state, &fx.root, &t.sink, &err) == 0, "%s",
			      err.msg);
		ck_assert_uint_gt(t.n, 3400);
		ck_assert_uint_lt(t.n, 3600);
		ck_assert_str_eq(t.second, "10.0.0.1/32 dev eth0 metric 0");
	}
	vmv_collector_route.close(state);
	vmv_collector_route.close(NULL);
}
END_TEST

START_TEST(a_huge_file_without_a_line_is_malformed)
{
	vmv_autofree char *text = calloc(1, 2000000);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', 1999999);
	fixture_put(&fx, "proc/net/ipv6_route", text);
	kept_init(&k, &vmv_collector_route);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_route, &fx.root, &err), -EINVAL);
	kept_clear(&k);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	struct vmv_err err = { 0 };
	struct vmv_root root;
	struct kept k;

	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	kept_init(&k, &vmv_collector_route);
	ck_assert_msg(kept_read(&k, &vmv_collector_route, &root, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < k.n; i++) {
		const struct vmv_route_sample *s = kept_row(&k, k.ids[i]);

		ck_assert_ptr_nonnull(strchr(s->destination, '/'));
		ck_assert_str_ne(s->device, "");
		ck_assert_str_ne(s->device, "lo");
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(k.ids[i], k.ids[j]);
	}
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

/* The ids of all rows, one a line. */
static void check_recorded(const char *name, const char *want)
{
	struct vmv_err err = { 0 };
	char got[2048] = "";
	struct vmv_root root;
	struct kept k;
	size_t len = 0;

	if (!fixture_recorded(name, &root)) {
		SAY_SKIPPED("not run by make check");
		return;
	}
	kept_init(&k, &vmv_collector_route);
	ck_assert_msg(kept_read(&k, &vmv_collector_route, &root, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < k.n && len < sizeof(got); i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s\n", k.ids[i]);
	ck_assert_str_eq(got, want);
	kept_clear(&k);
	vmv_root_close(&root);
}

START_TEST(recorded_machines_have_the_routes_that_matter)
{
	if (htonl(1) == 1) {
		SAY_SKIPPED("the recorded machines are little-endian ones");
		return;
	}
	check_recorded("ubuntu20.04-5.4", "default via 203.0.113.1 dev bond0.100 metric 0\n"
					  "::/0 via 2001:db8:113::1 dev bond0.100 metric 1024\n"
					  "10.66.0.0/24 dev wg0 metric 0\n"
					  "192.168.122.0/24 dev br0 metric 0\n"
					  "203.0.113.0/24 dev bond0.100 metric 0\n"
					  "2001:db8:113::/64 dev bond0.100 metric 256\n"
					  "fd66::/64 dev wg0 metric 256\n");
	check_recorded("arch-6.10", "default via 192.168.178.1 dev wlan0 metric 600\n"
				    "::/0 via fe80::2e91:abff:fe11:2233 dev wlan0 metric 600\n"
				    "0.0.0.0/1 via 10.8.0.1 dev tun0 metric 50\n"
				    "10.8.0.0/24 dev tun0 metric 0\n"
				    "192.168.178.0/24 dev wlan0 metric 600\n"
				    "2001:db8:178::/64 dev wlan0 metric 600\n");
	check_recorded("amzn2-5.10", "default via 172.31.16.1 dev eth0 metric 0\n"
				     "default via 172.31.16.1 dev eth1 metric 10001\n"
				     "169.254.169.254/32 dev eth0 metric 0\n"
				     "172.31.16.0/20 dev eth0 metric 0\n"
				     "172.31.16.0/20 dev eth1 metric 0\n");
	check_recorded("hidepid", "default via 192.0.2.1 dev eth0 metric 0\n"
				  "192.0.2.0/24 dev eth0 metric 0\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("route");
	TCase *tc = tcase_create("route");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, an_ipv4_line_is_a_route);
	tcase_add_test(tc, an_ipv6_line_is_a_route);
	tcase_add_test(tc, what_is_no_count_is_unknown);
	tcase_add_test(tc, all_lines_are_told_until_somebody_has_enough);
	tcase_add_test(tc, only_default_routes_that_are_up_are_default_routes);
	tcase_add_test(tc, no_text_is_no_route);
	tcase_add_loop_test(tc, malformed_ipv4_fails, 0, (int)VMV_COUNTOF(bad4));
	tcase_add_loop_test(tc, malformed_ipv6_fails, 0, (int)VMV_COUNTOF(bad6));
	tcase_add_test(tc, rows_are_the_routes_out_of_the_guest_default_ones_first);
	tcase_add_test(tc, a_route_from_some_sources_only_is_no_default_route);
	tcase_add_test(tc, one_protocol_may_be_missing_but_not_both);
	tcase_add_test(tc, malformed_files_fail_the_reading);
	tcase_add_test(tc, of_a_huge_table_the_beginning_is_read);
	tcase_add_test(tc, a_huge_file_without_a_line_is_malformed);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	tcase_add_test(tc, recorded_machines_have_the_routes_that_matter);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
