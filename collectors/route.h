/* The routing tables of IPv4 and IPv6. */
#ifndef VMV_COLLECTORS_ROUTE_H
#define VMV_COLLECTORS_ROUTE_H

#include "collectors/collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_root;

/* One line of either file. */
struct vmv_route {
	char device[16];
	bool is_ipv6;
	uint8_t prefix_len, source_len; /* bits; source_len is 0 for IPv4 */
	/* in network order; IPv4 uses the first four bytes */
	uint8_t destination[16], source[16], gateway[16]; /* gateway: zeros when there is none */
	uint32_t metric;
	uint32_t flags; /* RTF_... of linux/route.h and linux/ipv6_route.h */
	/* As the files print them; VMV_UNSET: not there, as the last three are not for IPv6. */
	uint64_t refcnt, use;
	uint64_t mtu, window; /* bytes; 0: none is set */
	uint64_t irtt;	      /* initial round-trip time, milliseconds; likewise */
};

struct vmv_route_sample {
	char destination[52]; /* "0.0.0.0/0", "2001:db8::/64" */
	char gateway[46];     /* "" none: on the link */
	char device[16];
	char family[5];	     /* "ipv4", "ipv6" */
	uint64_t metric;     /* the lowest wins */
	uint64_t is_default; /* 0 or 1 */
};

/* One row per route by which packets leave the guest; id as "ip route" would say it, "default via
 * 10.0.2.2 dev eth0 metric 100", an IPv6 default route as "::/0 ...". Default routes come first,
 * IPv4 before IPv6, then by destination and metric.
 * Left out: routes that are down, reject, or lead to the guest itself, multicast, link-local IPv6
 * networks (each interface has one), and what differs from its predecessor only in what is not
 * shown (TOS). Of an IPv4 route with several next hops the kernel shows the first.
 * IPv4: main table only; IPv6: all tables, since the file does not tell them apart.
 * Of a router's tables the beginning is read, some 2000 routes of IPv4 and 7000 of IPv6: what lies
 * behind it is not counted. IPv4 default routes are at the head of theirs, IPv6 ones may be at the
 * end, and then are not seen. */
extern const struct vmv_collector vmv_collector_route;

/* Up, and for any destination (from any source). */
bool vmv_route_is_default(const struct vmv_route *route);

/* Returns 0, or negative errno, which ends the parse and is returned by it. */
typedef int vmv_route_row(void *arg, const struct vmv_route *route);

/* Pure: the text of /proc/net/route (of this machine's byte order) or /proc/net/ipv6_route: calls
 * row for each line. -EINVAL with err set when malformed. An empty text is fine: no route. */
int vmv_route4_parse(const char *text, vmv_route_row *row, void *arg, struct vmv_err *err);
int vmv_route6_parse(const char *text, vmv_route_row *row, void *arg, struct vmv_err *err);

/* Calls row for every line of both files, IPv4 first, in the kernel's order; of a router's tables
 * for the beginning, some 8000 routes of IPv4 and 7000 of IPv6. One file is enough: the other one
 * may be missing or malformed (its good lines are told then). Returns 0, what row returned, or
 * negative errno with err set when neither could be read. */
int vmv_routes_read(const struct vmv_root *root, vmv_route_row *row, void *arg,
		    struct vmv_err *err);

#endif
