#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/links.h"
#include "collectors/network.h"
#include "collectors/route.h"
#include "commands/qga.h"
#include "commands/qga_families.h"
#include "commands/qga_reading.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* -- interfaces ------------------------------------------------------------------------------- */

/* Both lists are mostly in the same order: it is behind the one that was found last. */
static const struct vmv_network_sample *row_of(const struct vmv_network_sample *rows, size_t n,
					       size_t *at, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = (*at + i) % n;

		if (strcmp(rows[k].name, name) != 0)
			continue;
		*at = k + 1;
		return &rows[k];
	}
	return NULL;
}

/* An interface without one has zeros, as hosts know it of lo. */
static void write_hardware(struct vmv_jw *w, const struct vmv_link *l)
{
	static const uint8_t none[6];
	const uint8_t *bytes = l->hardware_len > 0 ? l->hardware : none;
	size_t len = l->hardware_len > 0 ? l->hardware_len : sizeof(none);
	char text[3 * VMV_HARDWARE_MAX + 1] = "";

	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 3 * i, 4, "%02x:", bytes[i]);
	vmv_jw_bytes(w, "hardware-address", text, 3 * len - 1);
}

static void write_addresses(struct vmv_jw *w, const struct vmv_links *links,
			    const struct vmv_link *l)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (l->n == 0)
		return;
	vmv_jw_array(w, "ip-addresses");
	for (size_t i = l->first; i < l->first + l->n; i++) {
		const struct vmv_link_address *a = &links->addresses[i];

		(void)inet_ntop(a->is_ipv6 ? AF_INET6 : AF_INET, a->address, text, sizeof(text));
		vmv_jw_open(w, NULL);
		vmv_jw_str(w, "ip-address", text);
		vmv_jw_str(w, "ip-address-type", a->is_ipv6 ? "ipv6" : "ipv4");
		vmv_jw_int(w, "prefix", a->prefix_len);
		vmv_jw_close(w);
	}
	vmv_jw_end(w);
}

static void write_statistics(struct vmv_jw *w, const struct vmv_network_sample *s)
{
	vmv_jw_open(w, "statistics");
	vmv_jw_u64(w, "rx-bytes", s->rx_bytes);
	vmv_jw_u64(w, "rx-packets", s->rx_packets);
	vmv_jw_u64(w, "rx-errs", s->rx_errors);
	vmv_jw_u64(w, "rx-dropped", s->rx_drops);
	vmv_jw_u64(w, "tx-bytes", s->tx_bytes);
	vmv_jw_u64(w, "tx-packets", s->tx_packets);
	vmv_jw_u64(w, "tx-errs", s->tx_errors);
	vmv_jw_u64(w, "tx-dropped", s->tx_drops);
	vmv_jw_close(w);
}

static void write_links(struct vmv_jw *w, const struct vmv_links *links,
			const struct vmv_network_sample *rows, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < links->n; i++) {
		const struct vmv_link *l = &links->v[i];
		const struct vmv_network_sample *s =
			l->is_label ? NULL : row_of(rows, n, &at, l->name);

		vmv_jw_open(w, NULL);
		vmv_jw_str(w, "name", l->name);
		write_hardware(w, l);
		write_addresses(w, links, l);
		if (s)
			write_statistics(w, s);
		vmv_jw_close(w);
	}
}

/* Of a recorded tree, or without netlink: what the group knows by itself, which of addresses is not
 * enough. */
static void write_rows(struct vmv_jw *w, const struct vmv_network_sample *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		vmv_jw_open(w, NULL);
		vmv_jw_str(w, "name", rows[i].name);
		if (rows[i].mac[0])
			vmv_jw_str(w, "hardware-address", rows[i].mac);
		write_statistics(w, &rows[i]);
		vmv_jw_close(w);
	}
}

static void interfaces_ready(void *arg, const struct vmv_view *view)
{
	VMV_CLEANUP(vmv_links_free) struct vmv_links links = { 0 };
	const struct vmv_network_sample *rows;
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	bool has_links = root && vmv_links_read(root, &links) == 0;
	struct vmv_jw w;
	size_t n;

	if (!root || (!has_links && !vmv_qga_has(req, view, &vmv_collector_network)))
		return;
	rows = vmv_facts_rows(view->facts, &vmv_collector_network, &n);
	vmv_qga_begin(&w);
	vmv_jw_array(&w, NULL);
	if (has_links)
		write_links(&w, &links, rows, n);
	else
		write_rows(&w, rows, n);
	vmv_qga_send_list(req, &w, 0, NULL);
}

void vmv_qga_interfaces(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_group(&vmv_collector_network), interfaces_ready);
}

/* -- routes ----------------------------------------------------------------------------------- */

static void write_address(struct vmv_jw *w, const char *name, const struct vmv_route *rt,
			  const uint8_t *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(rt->is_ipv6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	vmv_jw_str(w, name, text);
}

/* The protocol wants text. */
static void write_len(struct vmv_jw *w, const char *name, unsigned bits)
{
	char text[12];

	(void)snprintf(text, sizeof(text), "%u", bits);
	vmv_jw_str(w, name, text);
}

static void write_ipv4(struct vmv_jw *w, const struct vmv_route *rt)
{
	uint8_t mask[4];

	for (unsigned i = 0; i < sizeof(mask); i++) {
		unsigned ones = rt->prefix_len > 8 * i ? rt->prefix_len - 8 * i : 0;

		mask[i] = (uint8_t)(ones >= 8 ? 0xff : 0xff00 >> ones);
	}
	write_address(w, "gateway", rt, rt->gateway);
	write_address(w, "mask", rt, mask);
	vmv_qga_known(w, "irtt", rt->irtt);
	vmv_qga_known(w, "mtu", rt->mtu);
	vmv_qga_known(w, "window", rt->window);
}

static void write_ipv6(struct vmv_jw *w, const struct vmv_route *rt)
{
	write_len(w, "desprefixlen", rt->prefix_len);
	write_address(w, "source", rt, rt->source);
	write_len(w, "srcprefixlen", rt->source_len);
	write_address(w, "nexthop", rt, rt->gateway);
}

/* What does not fit is left out. */
static int write_route(void *arg, const struct vmv_route *rt)
{
	struct vmv_jw *w = arg;

	if (vmv_qga_is_full(w))
		return -EFBIG;
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "iface", rt->device);
	write_address(w, "destination", rt, rt->destination);
	vmv_jw_u64(w, "metric", rt->metric);
	vmv_jw_u64(w, "flags", rt->flags);
	vmv_qga_known(w, "refcnt", rt->refcnt);
	vmv_qga_known(w, "use", rt->use);
	if (rt->is_ipv6)
		write_ipv6(w, rt);
	else
		write_ipv4(w, rt);
	vmv_jw_int(w, "version", rt->is_ipv6 ? 6 : 4);
	vmv_jw_close(w);
	return 0;
}

static void route_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct vmv_err err;
	struct vmv_jw w;

	if (!root)
		return;
	vmv_qga_begin(&w);
	vmv_jw_array(&w, NULL);
	vmv_qga_send_list(req, &w, vmv_routes_read(root, write_route, &w, &err), &err);
}

/* All lines, so not those of the group, which leaves out what is of no interest to people. */
void vmv_qga_route(struct vmv_request *req)
{
	vmv_qga_with_root(req, route_ready);
}
