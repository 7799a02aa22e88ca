#include "collectors/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"

#define TABLE_MAX   (4 * VMV_MIB)
#define ROUTES_HEAD 4096 /* bytes read of /proc/net/route */
#define N_COLS	    16	 /* counters in a line of /proc/net/dev */
#define ROWS_START  8
#define MEGABIT	    UINT64_C(1000000)
#define SPEED_NONE  UINT32_MAX /* SPEED_UNKNOWN as kernels before 3.x print it */

#define S struct vmv_network_sample

static const struct vmv_field fields[] = {
	VMV_FIELD(S, mac, "address", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/sys/class/net/*/address",
		  "Ethernet address."),
	VMV_FIELD(S, operstate, "operstate", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/sys/class/net/*/operstate", "Operational state as RFC 2863 names it."),
	VMV_FIELD(S, is_up, "node_network_up", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "/sys/class/net/*/flags, operstate",
		  "1 when the interface is set up and its state is up or unknown, else 0."),
	VMV_FIELD(S, index, "node_network_iface_id", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "/sys/class/net/*/ifindex", "Index of the interface."),
	VMV_FIELD(S, is_loopback, "vmvitals_network_loopback", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "/sys/class/net/*/flags", "1 for a loopback interface, else 0."),
	VMV_FIELD(S, default_metric, "vmvitals_network_default_route_metric", NULL, VMV_GAUGE,
		  VMV_UNIT_NONE, 0, "/proc/net/route Metric",
		  "Lowest metric of an IPv4 default route through the interface."),
	VMV_FIELD(S, speed, "node_network_speed_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES, 0.125,
		  "/sys/class/net/*/speed", "Speed of the link in bytes per second."),
	VMV_FIELD(S, mtu, "node_network_mtu_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES, 0,
		  "/sys/class/net/*/mtu", "Largest packet the interface sends."),
	VMV_FIELD(S, rx_bytes, "node_network_receive_bytes_total", NULL, VMV_COUNTER,
		  VMV_UNIT_BYTES, 0, "Receive bytes", "Bytes received."),
	VMV_FIELD(S, rx_packets, "node_network_receive_packets_total", NULL, VMV_COUNTER,
		  VMV_UNIT_NONE, 0, "Receive packets", "Packets received."),
	VMV_FIELD(S, rx_errors, "node_network_receive_errs_total", NULL, VMV_COUNTER, VMV_UNIT_NONE,
		  0, "Receive errs", "Packets that arrived broken."),
	VMV_FIELD(S, rx_drops, "node_network_receive_drop_total", NULL, VMV_COUNTER, VMV_UNIT_NONE,
		  0, "Receive drop",
		  "Packets that arrived and were dropped, missed ones included."),
	VMV_FIELD(S, tx_bytes, "node_network_transmit_bytes_total", NULL, VMV_COUNTER,
		  VMV_UNIT_BYTES, 0, "Transmit bytes", "Bytes sent."),
	VMV_FIELD(S, tx_packets, "node_network_transmit_packets_total", NULL, VMV_COUNTER,
		  VMV_UNIT_NONE, 0, "Transmit packets", "Packets sent."),
	VMV_FIELD(S, tx_errors, "node_network_transmit_errs_total", NULL, VMV_COUNTER,
		  VMV_UNIT_NONE, 0, "Transmit errs", "Packets that could not be sent."),
	VMV_FIELD(S, tx_drops, "node_network_transmit_drop_total", NULL, VMV_COUNTER, VMV_UNIT_NONE,
		  0, "Transmit drop", "Packets dropped instead of being sent."),
};

#undef S

static const struct vmv_network_sample unknown = {
	.index = VMV_UNSET,
	.is_up = VMV_UNSET,
	.is_loopback = VMV_UNSET,
	.default_metric = VMV_UNSET,
	.speed = VMV_UNSET,
	.mtu = VMV_UNSET,
	.rx_bytes = VMV_UNSET,
	.rx_packets = VMV_UNSET,
	.rx_errors = VMV_UNSET,
	.rx_drops = VMV_UNSET,
	.tx_bytes = VMV_UNSET,
	.tx_packets = VMV_UNSET,
	.tx_errors = VMV_UNSET,
	.tx_drops = VMV_UNSET,
};

struct network_state {
	char *text;
	size_t text_cap;
	struct vmv_network_sample *rows;
	size_t n, cap;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Behind a column: the next one or the end of the line. */
static bool is_end(char c)
{
	return is_blank(c) || c == '\n';
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* An interface name of len bytes; it becomes part of a sysfs path. */
static bool take_name(char ret[static IFNAMSIZ], const char *s, size_t len)
{
	if (len == 0 || len >= IFNAMSIZ || memchr(s, '/', len))
		return false;
	memcpy(ret, s, len);
	ret[len] = '\0';
	return strcmp(ret, ".") != 0 && strcmp(ret, "..") != 0;
}

/* "  eth0: 1 2 ...": there may be no blank behind the colon, and aliases of old kernels have
 * a colon in their name. */
static int parse_netdev_line(const char *line, const char *nl, struct vmv_network_sample *ret)
{
	const char *name = skip_blanks(line);
	const char *s = memrchr(line, ':', (size_t)(nl - line));
	uint64_t col[N_COLS];

	if (!s || s < name || !take_name(ret->name, name, (size_t)(s - name)))
		return -EINVAL;
	s++;
	for (size_t i = 0; i < N_COLS; i++)
		if (vmv_parse_u64(skip_blanks(s), &col[i], &s) < 0 || !is_end(*s))
			return -EINVAL;
	ret->rx_bytes = col[0];
	ret->rx_packets = col[1];
	ret->rx_errors = col[2];
	ret->rx_drops = col[3];
	ret->tx_bytes = col[8];
	ret->tx_packets = col[9];
	ret->tx_errors = col[10];
	ret->tx_drops = col[11];
	return 0;
}

int vmv_netdev_parse(const char *text, vmv_netdev_row *row, void *arg, struct vmv_err *err)
{
	unsigned n = 0;
	int r;

	for (const char *line = text, *nl; *line; line = nl + 1) {
		struct vmv_network_sample s = unknown;

		nl = strchr(line, '\n');
		if (!nl)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/net/dev: cut line");
		if (n++ < 2) { /* two lines of headings, which have a bar in them */
			if (!memchr(line, '|', (size_t)(nl - line)))
				return vmv_fail(err, VMV_E_PARSE, EINVAL,
						"/proc/net/dev: no headings");
			continue;
		}
		if (parse_netdev_line(line, nl, &s) < 0)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/net/dev: malformed line");
		r = row(arg, s.name, &s);
		if (r < 0)
			return r;
	}
	if (n < 2)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/net/dev: no headings");
	return 0;
}

/* Columns of /proc/net/route. */
enum {
	RT_IFACE,
	RT_DESTINATION,
	RT_GATEWAY,
	RT_FLAGS,
	RT_REFCNT,
	RT_USE,
	RT_METRIC,
	RT_MASK,
	RT_COLS,
};

struct route {
	char ifname[IFNAMSIZ];
	uint64_t destination, mask, flags, metric;
};

static bool hex_column(const char *s, uint64_t *ret)
{
	const char *end;

	return vmv_parse_hex(s, ret, &end) == 0 && is_end(*end);
}

static int parse_route_line(const char *line, struct route *ret)
{
	const char *col[RT_COLS];
	const char *end = line;
	int64_t metric;

	for (size_t i = 0; i < RT_COLS; i++) {
		col[i] = skip_blanks(end);
		end = col[i] + strcspn(col[i], " \t\n");
		if (end == col[i])
			return -EINVAL;
	}
	if (!take_name(ret->ifname, col[RT_IFACE], strcspn(col[RT_IFACE], " \t")) ||
	    !hex_column(col[RT_DESTINATION], &ret->destination) ||
	    !hex_column(col[RT_FLAGS], &ret->flags) || !hex_column(col[RT_MASK], &ret->mask))
		return -EINVAL;
	if (vmv_parse_i64(col[RT_METRIC], &metric, &end) < 0 || !is_end(*end) ||
	    metric < INT32_MIN || metric > UINT32_MAX)
		return -EINVAL;
	ret->metric = (uint32_t)metric; /* the kernel prints its u32 with %d */
	return 0;
}

static bool is_default(const struct route *rt)
{
	return rt->destination == 0 && rt->mask == 0 && (rt->flags & RTF_UP) &&
	       !(rt->flags & RTF_REJECT);
}

int vmv_route_parse(const char *text, vmv_route_row *row, void *arg, struct vmv_err *err)
{
	for (const char *line = text, *nl; *line; line = nl + 1) {
		struct route rt;

		nl = strchr(line, '\n');
		if (!nl)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/net/route: cut line");
		if (line == text) { /* headings; a namespace without a route has not even those */
			if (strncmp(line, "Iface\t", 6) != 0)
				return vmv_fail(err, VMV_E_PARSE, EINVAL,
						"/proc/net/route: no headings");
			continue;
		}
		if (parse_route_line(line, &rt) < 0)
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"/proc/net/route: malformed line");
		if (is_default(&rt))
			row(arg, rt.ifname, rt.metric);
	}
	return 0;
}

struct inet6_line {
	struct in6_addr addr;
	char ifname[IFNAMSIZ];
	uint64_t flags;
};

static bool parse_in6(const char *s, struct in6_addr *ret)
{
	if (strspn(s, "0123456789abcdefABCDEF") != 32)
		return false;
	for (size_t i = 0; i < sizeof(ret->s6_addr); i++) {
		char byte[] = { s[2 * i], s[2 * i + 1], '\0' };
		uint64_t v;

		(void)vmv_parse_hex(byte, &v, NULL);
		ret->s6_addr[i] = (uint8_t)v;
	}
	return true;
}

/* "fe80...56 02 40 20 80     eth0": address, index, prefix length, scope, flags, name. */
static int parse_inet6_line(const char *line, struct inet6_line *ret)
{
	const char *s;

	if (!parse_in6(line, &ret->addr))
		return -EINVAL;
	s = line + 32;
	for (unsigned i = 0; i < 4; i++)
		if (!is_blank(*s) || vmv_parse_hex(skip_blanks(s), &ret->flags, &s) < 0)
			return -EINVAL;
	if (!is_blank(*s) || ret->flags > 0xff)
		return -EINVAL;
	s = skip_blanks(s);
	return take_name(ret->ifname, s, strcspn(s, " \t\n")) ? 0 : -EINVAL;
}

int vmv_inet6_parse(const char *text, vmv_inet6_row *row, void *arg, struct vmv_err *err)
{
	for (const char *line = text, *nl; *line; line = nl + 1) {
		struct inet6_line in;

		nl = strchr(line, '\n');
		if (!nl || parse_inet6_line(line, &in) < 0)
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"/proc/net/if_inet6: malformed line");
		row(arg, in.ifname, &in.addr, (unsigned)in.flags);
	}
	return 0;
}

static struct vmv_network_sample *find_row(struct vmv_network_sample *rows, size_t n,
					   const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(rows[i].name, name, len) == 0 && rows[i].name[len] == '\0')
			return &rows[i];
	return NULL;
}

/* Addresses by which somebody else can reach this guest. */
static bool is_reportable_ipv4(struct in_addr in)
{
	uint32_t net = ntohl(in.s_addr) >> 24;

	return net != 0 && net != 127 && net < 224;
}

static bool is_reportable_ipv6(const struct in6_addr *in)
{
	return (in->s6_addr[0] & 0xe0) == 0x20 || /* 2000::/3, global */
	       (in->s6_addr[0] & 0xfe) == 0xfc;	  /* fc00::/7, unique local */
}

void vmv_network_take_addresses(const struct ifaddrs *list, struct vmv_network_sample *rows,
				size_t n)
{
	for (; list; list = list->ifa_next) {
		struct vmv_network_sample *s;
		struct sockaddr_in in;

		if (!list->ifa_addr || list->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&in, list->ifa_addr, sizeof(in));
		if (!is_reportable_ipv4(in.sin_addr))
			continue;
		/* libc gives the label of the address here, "eth0:1" for one of eth0 */
		s = find_row(rows, n, list->ifa_name, strcspn(list->ifa_name, ":"));
		if (!s || s->n_ipv4 >= VMV_ADDRESSES_EACH)
			continue;
		(void)inet_ntop(AF_INET, &in.sin_addr, s->ipv4[s->n_ipv4], sizeof(s->ipv4[0]));
		s->n_ipv4++;
	}
}

struct take_ipv6 {
	struct network_state *st;
	bool is_second; /* first those that stay, then temporary and deprecated ones */
};

static void take_ipv6(void *arg, const char *ifname, const struct in6_addr *addr, unsigned flags)
{
	const struct take_ipv6 *take = arg;
	bool is_passing = flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED);
	struct vmv_network_sample *s;

	/* not, or not yet, ours: duplicate address detection */
	if (flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE))
		return;
	if (is_passing != take->is_second || !is_reportable_ipv6(addr))
		return;
	s = find_row(take->st->rows, take->st->n, ifname, strlen(ifname));
	if (!s || s->n_ipv6 >= VMV_ADDRESSES_EACH)
		return;
	(void)inet_ntop(AF_INET6, addr, s->ipv6[s->n_ipv6], sizeof(s->ipv6[0]));
	s->n_ipv6++;
}

/* From the file, because getifaddrs() does not tell temporary and deprecated addresses. */
static int read_ipv6(struct network_state *st, const struct vmv_root *root)
{
	struct take_ipv6 take = { .st = st };
	int r = vmv_read_table_at(root->proc, "net/if_inet6", &st->text, &st->text_cap, TABLE_MAX);

	if (r == -ENOENT)
		return 0; /* IPv6 is off */
	if (r < 0)
		return r;
	r = vmv_inet6_parse(st->text, take_ipv6, &take, NULL);
	if (r < 0)
		return r;
	take.is_second = true;
	return vmv_inet6_parse(st->text, take_ipv6, &take, NULL);
}

/* No file in /proc lists IPv4 addresses by interface, so these come from the running kernel. In
 * a recorded tree they would be another machine's. */
static int read_ipv4(struct network_state *st, const struct vmv_root *root)
{
	struct ifaddrs *list;

	if (!root->is_live)
		return -ENOENT;
	if (getifaddrs(&list) < 0)
		return -errno;
	vmv_network_take_addresses(list, st->rows, st->n);
	freeifaddrs(list);
	return 0;
}

static void read_addresses(struct network_state *st, const struct vmv_root *root)
{
	bool is_known = read_ipv4(st, root) == 0;

	is_known = read_ipv6(st, root) == 0 && is_known;
	for (size_t i = 0; i < st->n; i++)
		st->rows[i].addresses_known = is_known;
}

/* A negative number, as of an unknown speed, is unknown. */
static uint64_t read_number(int dir, const char *name)
{
	char text[32];
	const char *end;
	uint64_t v;

	if (vmv_read_attr_at(dir, name, text, sizeof(text)) < 0 ||
	    vmv_parse_u64(text, &v, &end) < 0 || *end)
		return VMV_UNSET;
	return v;
}

static uint64_t read_speed(int dir)
{
	uint64_t mbits = read_number(dir, "speed");

	return mbits == 0 || mbits >= SPEED_NONE ? VMV_UNSET : mbits * MEGABIT;
}

/* Tunnels and InfiniBand have addresses of other lengths, loopback has zeros. */
static void read_mac(int dir, char ret[static 18])
{
	char text[64];

	if (vmv_read_attr_at(dir, "address", text, sizeof(text)) != 17 ||
	    strspn(text, "0123456789abcdef:") != 17 || strcmp(text, "00:00:00:00:00:00") == 0)
		return;
	memcpy(ret, text, 18);
}

static void read_flags(int dir, struct vmv_network_sample *s)
{
	char text[32];
	uint64_t flags;

	if (vmv_read_attr_at(dir, "flags", text, sizeof(text)) < 0 || strncmp(text, "0x", 2) != 0 ||
	    vmv_parse_hex(text + 2, &flags, NULL) < 0)
		return;
	s->is_loopback = (flags & IFF_LOOPBACK) != 0;
	if (!(flags & IFF_UP))
		s->is_up = 0;
	else if (s->operstate[0])
		s->is_up = strcmp(s->operstate, "up") == 0 || strcmp(s->operstate, "unknown") == 0;
}

/* An interface that vanished since /proc/net/dev was read keeps its unknowns. */
static void read_sysfs(const struct vmv_root *root, struct vmv_network_sample *s)
{
	vmv_autoclose int dir = -1;
	char path[32];

	(void)snprintf(path, sizeof(path), "class/net/%s", s->name);
	dir = openat(root->sys, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	if (vmv_read_attr_at(dir, "operstate", s->operstate, sizeof(s->operstate)) < 0)
		s->operstate[0] = '\0';
	s->index = read_number(dir, "ifindex");
	s->mtu = read_number(dir, "mtu");
	s->speed = read_speed(dir);
	read_mac(dir, s->mac);
	read_flags(dir, s);
}

static void take_route(void *arg, const char *ifname, uint64_t metric)
{
	struct network_state *st = arg;
	struct vmv_network_sample *s = find_row(st->rows, st->n, ifname, strlen(ifname));

	if (s && metric < s->default_metric)
		s->default_metric = metric;
}

/* The first part of the file, in whole lines. The kernel lists routes in order of their
 * destination, default routes first, and a router may have a million of them. */
static int read_routes_head(const struct vmv_root *root, char *buf, size_t cap)
{
	vmv_autoclose int fd = openat(root->proc, "net/route", O_RDONLY | O_CLOEXEC);
	const char *nl;
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, buf, cap - 1);
	if (n < 0)
		return -errno;
	nl = memrchr(buf, '\n', (size_t)n);
	if (n > 0 && !nl)
		return -EINVAL;
	buf[n > 0 ? nl - buf + 1 : 0] = '\0';
	return 0;
}

static int read_routes(struct network_state *st, const struct vmv_root *root, struct vmv_err *err)
{
	char text[ROUTES_HEAD];
	int r = read_routes_head(root, text, sizeof(text));

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/net/route: %s", strerror(-r));
	return vmv_route_parse(text, take_route, st, err);
}

static int add_row(void *arg, const char *name, const struct vmv_network_sample *sample)
{
	struct network_state *st = arg;

	(void)name;
	if (st->n == VMV_INTERFACES_MAX)
		return 0;
	if (st->n == st->cap) {
		size_t want = st->cap ? st->cap * 2 : ROWS_START;
		struct vmv_network_sample *bigger = reallocarray(st->rows, want, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		st->rows = bigger;
		st->cap = want;
	}
	st->rows[st->n++] = *sample;
	return 0;
}

static int read_counters(struct network_state *st, const struct vmv_root *root, struct vmv_err *err)
{
	int r = vmv_read_table_at(root->proc, "net/dev", &st->text, &st->text_cap, TABLE_MAX);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/net/dev: %s", strerror(-r));
	st->n = 0;
	r = vmv_netdev_parse(st->text, add_row, st, err);
	if (r == -ENOMEM)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "no memory for the network interfaces");
	return r;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* VMV_UNSET is the largest number: without a default route, without an index comes last. */
static int by_importance(const void *a, const void *b)
{
	const struct vmv_network_sample *x = a;
	const struct vmv_network_sample *y = b;
	int r = compare(x->default_metric, y->default_metric);

	if (r == 0)
		r = compare(x->index, y->index);
	return r ? r : strcmp(x->name, y->name);
}

static void *network_open(const struct vmv_root *root)
{
	(void)root;
	return calloc(1, sizeof(struct network_state));
}

static void network_close(void *state)
{
	struct network_state *st = state;

	if (!st)
		return;
	free(st->text);
	free(st->rows);
	free(st);
}

static int network_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			struct vmv_err *err)
{
	struct network_state *st = state;
	int r;

	r = read_counters(st, root, err);
	if (r < 0)
		return r;
	r = read_routes(st, root, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < st->n; i++)
		read_sysfs(root, &st->rows[i]);
	read_addresses(st, root);
	if (st->n > 1)
		qsort(st->rows, st->n, sizeof(*st->rows), by_importance);
	for (size_t i = 0; i < st->n; i++) {
		r = sink->row(sink, st->rows[i].name, &st->rows[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

const struct vmv_collector vmv_collector_network = {
	.name = "network",
	.help = "Network interfaces: traffic, errors, state, speed.",
	.file = "/proc/net/dev",
	.key = "device",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_network_sample),
	.min_period_ms = VMV_SAMPLE_PERIOD_MIN,
	.is_default = true,
	.open = network_open,
	.close = network_close,
	.read = network_read,
};
