#include "collectors/network.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/address.h"
#include "collectors/interface.h"
#include "collectors/route.h"

#define TABLE_MAX  (4 * VMV_MIB)
#define ROWS_START 8
#define LOOK_MS	   60000 /* after so long all is read again, whatever the kernel said */
#define LOOK_SLICE 1	 /* interfaces looked up in sysfs per turn: some 130 us each */
#define TELL_SLICE 64	 /* rows handed out per turn */

/* Bytes read of /proc/net/route: nearly always the first are enough. */
#define ROUTES_HEAD 1024
#define ROUTES_MAX  4096 /* the kernel gives no more at once */

#define S struct vmv_network_sample
#define GAUGE(member, metric, attr, text)                                                         \
	VMV_FIELD(S, member, metric, NULL, VMV_GAUGE, VMV_UNIT_NONE, 0, "/sys/class/net/*/" attr, \
		  text)
#define COUNT(member, what, column, text)                                                        \
	VMV_FIELD(S, member, "node_network_" what "_total", NULL, VMV_COUNTER, VMV_UNIT_NONE, 0, \
		  column, text)

static const struct vmv_field fields[] = {
	VMV_FIELD(S, mac, "address", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/sys/class/net/*/address",
		  "Ethernet address."),
	VMV_FIELD(S, duplex, "duplex", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/sys/class/net/*/duplex",
		  "Mode of the link: full, half or unknown."),
	VMV_FIELD(S, kind, "kind", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/sys/class/net/*/uevent DEVTYPE, tun_flags, device/subsystem",
		  "What it is: bond, vlan, bridge, veth, tun, wireguard, or the bus of a device."),
	VMV_FIELD(S, master, "master", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/sys/class/net/*/master",
		  "The bond or bridge that the interface belongs to."),
	GAUGE(is_operational, "node_network_up", "operstate",
	      "1 when the operational state is up; not for those that have none, like lo."),
	GAUGE(is_up, "vmvitals_network_up", "flags, operstate",
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
	GAUGE(carrier, "node_network_carrier", "carrier",
	      "1 when the link is there, 0 when it is not; unknown while set down."),
	VMV_FIELD(S, carrier_changes, "node_network_carrier_changes_total", NULL, VMV_COUNTER,
		  VMV_UNIT_NONE, 0, "/sys/class/net/*/carrier_changes",
		  "Times that the link came or went."),
	GAUGE(flags, "node_network_flags", "flags", "Flags of the interface, IFF_UP and so on."),
	GAUGE(link, "node_network_iface_link", "iflink",
	      "Index of the interface it stands on or is paired with, else its own."),
	GAUGE(queue_length, "node_network_transmit_queue_length", "tx_queue_len",
	      "Longest transmit queue."),
	VMV_FIELD(S, rx_bytes, "node_network_receive_bytes_total", NULL, VMV_COUNTER,
		  VMV_UNIT_BYTES, 0, "Receive bytes", "Bytes received."),
	COUNT(rx_packets, "receive_packets", "Receive packets", "Packets received."),
	COUNT(rx_errors, "receive_errs", "Receive errs", "Packets that arrived broken."),
	COUNT(rx_drops, "receive_drop", "Receive drop",
	      "Packets that arrived and were dropped, missed ones included."),
	COUNT(rx_fifo, "receive_fifo", "Receive fifo",
	      "Packets lost to a full buffer of the device."),
	COUNT(rx_frame, "receive_frame", "Receive frame",
	      "Packets with a wrong length, checksum or framing."),
	COUNT(rx_compressed, "receive_compressed", "Receive compressed",
	      "Compressed packets received."),
	COUNT(rx_multicast, "receive_multicast", "Receive multicast",
	      "Multicast packets received."),
	VMV_FIELD(S, tx_bytes, "node_network_transmit_bytes_total", NULL, VMV_COUNTER,
		  VMV_UNIT_BYTES, 0, "Transmit bytes", "Bytes sent."),
	COUNT(tx_packets, "transmit_packets", "Transmit packets", "Packets sent."),
	COUNT(tx_errors, "transmit_errs", "Transmit errs", "Packets that could not be sent."),
	COUNT(tx_drops, "transmit_drop", "Transmit drop", "Packets dropped instead of being sent."),
	COUNT(tx_fifo, "transmit_fifo", "Transmit fifo",
	      "Packets lost to an empty buffer of the device."),
	COUNT(tx_colls, "transmit_colls", "Transmit colls", "Collisions."),
	COUNT(tx_carrier, "transmit_carrier", "Transmit carrier",
	      "Packets not sent for want of a carrier, aborted and late ones included."),
	COUNT(tx_compressed, "transmit_compressed", "Transmit compressed",
	      "Compressed packets sent."),
};

#undef S

static const struct vmv_network_sample unknown = {
	.index = VMV_UNSET,
	.is_up = VMV_UNSET,
	.is_operational = VMV_UNSET,
	.is_loopback = VMV_UNSET,
	.default_metric = VMV_UNSET,
	.speed = VMV_UNSET,
	.mtu = VMV_UNSET,
	.carrier = VMV_UNSET,
	.carrier_changes = VMV_UNSET,
	.flags = VMV_UNSET,
	.link = VMV_UNSET,
	.queue_length = VMV_UNSET,
	.rx_bytes = VMV_UNSET,
	.rx_packets = VMV_UNSET,
	.rx_errors = VMV_UNSET,
	.rx_drops = VMV_UNSET,
	.rx_fifo = VMV_UNSET,
	.rx_frame = VMV_UNSET,
	.rx_compressed = VMV_UNSET,
	.rx_multicast = VMV_UNSET,
	.tx_bytes = VMV_UNSET,
	.tx_packets = VMV_UNSET,
	.tx_errors = VMV_UNSET,
	.tx_drops = VMV_UNSET,
	.tx_fifo = VMV_UNSET,
	.tx_colls = VMV_UNSET,
	.tx_carrier = VMV_UNSET,
	.tx_compressed = VMV_UNSET,
};

/* Where the columns of /proc/net/dev go. */
static const size_t columns[] = {
	offsetof(struct vmv_network_sample, rx_bytes),
	offsetof(struct vmv_network_sample, rx_packets),
	offsetof(struct vmv_network_sample, rx_errors),
	offsetof(struct vmv_network_sample, rx_drops),
	offsetof(struct vmv_network_sample, rx_fifo),
	offsetof(struct vmv_network_sample, rx_frame),
	offsetof(struct vmv_network_sample, rx_compressed),
	offsetof(struct vmv_network_sample, rx_multicast),
	offsetof(struct vmv_network_sample, tx_bytes),
	offsetof(struct vmv_network_sample, tx_packets),
	offsetof(struct vmv_network_sample, tx_errors),
	offsetof(struct vmv_network_sample, tx_drops),
	offsetof(struct vmv_network_sample, tx_fifo),
	offsetof(struct vmv_network_sample, tx_colls),
	offsetof(struct vmv_network_sample, tx_carrier),
	offsetof(struct vmv_network_sample, tx_compressed),
};

#define N_COLS VMV_COUNTOF(columns)

/* What only changes when the kernel says so stays in the rows from one reading to the next; the
 * counters are put into them. */
struct network_state {
	int watch; /* tells of changes; -1: nobody does, all is read each time */
	int dev;   /* /proc/net/dev, open; -1 until it was read */
	int route; /* /proc/net/route, likewise */
	char *text;
	size_t text_cap;
	char routes[ROUTES_MAX];	 /* the default routes that the rows' metrics are from */
	struct vmv_network_sample *rows; /* as in /proc/net/dev */
	const struct vmv_network_sample **order; /* as they are delivered */
	size_t n, cap;
	size_t n_updated;   /* rows that this reading has put counters into */
	bool is_complete;   /* the rows are good for the next reading */
	uint64_t looked_ms; /* when all was read */

	/* The reading under way. */
	uint64_t reading;
	size_t phase;	 /* index of phases[] */
	size_t at;	 /* how far the phase has come */
	bool is_anew;	 /* the rows are new ones */
	bool has_failed; /* an attribute that is there could not be read */
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
		if (vmv_parse_count(skip_blanks(s), &col[i], &s) < 0 || !is_end(*s))
			return -EINVAL;
	for (size_t i = 0; i < N_COLS; i++)
		memcpy((char *)ret + columns[i], &col[i], sizeof(col[i]));
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

static struct vmv_network_sample *find_row(struct vmv_network_sample *rows, size_t n,
					   const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(rows[i].name, name, len) == 0 && rows[i].name[len] == '\0')
			return &rows[i];
	return NULL;
}

static int take_route(void *arg, const struct vmv_route *route)
{
	struct network_state *st = arg;
	struct vmv_network_sample *s;

	if (!vmv_route_is_default(route))
		return 0;
	s = find_row(st->rows, st->n, route->device, strlen(route->device));
	if (s && route->metric < s->default_metric)
		s->default_metric = route->metric;
	return 0;
}

static int keep_open(int *fd, const struct vmv_root *root, const char *path)
{
	if (*fd < 0)
		*fd = openat(root->proc, path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* Whole lines at the head of the file, up to cap - 1 bytes. */
static int read_head(int fd, char *buf, size_t cap)
{
	ssize_t n = pread(fd, buf, cap - 1, 0);
	const char *nl;

	if (n < 0)
		return -errno;
	nl = memrchr(buf, '\n', (size_t)n);
	if (n > 0 && !nl)
		return -EINVAL;
	buf[n > 0 ? nl - buf + 1 : 0] = '\0';
	return 0;
}

/* Whether the last line is one with destination 0.0.0.0. */
static bool ends_in_default(const char *text)
{
	const char *last = text[0] ? memrchr(text, '\n', strlen(text) - 1) : NULL;
	const char *destination = last ? strchr(last, '\t') : NULL;

	return destination && strncmp(destination, "\t00000000\t", 10) == 0;
}

/* The kernel lists routes in order of their destination, default routes first, and a router may
 * have a million of them: reads more only when all that was read are default ones. */
static int read_default_routes(int fd, char buf[static ROUTES_MAX])
{
	int r = read_head(fd, buf, ROUTES_HEAD);

	return r == 0 && ends_in_default(buf) ? read_head(fd, buf, ROUTES_MAX) : r;
}

/* The metrics of the rows, anew if the routes are not those of the last reading. Sets *ret_changed
 * then. */
static int read_routes(struct network_state *st, const struct vmv_root *root, bool *ret_changed,
		       struct vmv_err *err)
{
	char text[ROUTES_MAX];
	int r = keep_open(&st->route, root, "net/route");

	text[0] = '\0'; /* a kernel without IPv4 has no such file */
	if (r == 0)
		r = read_default_routes(st->route, text);
	if (r < 0 && r != -ENOENT)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/net/route: %s", strerror(-r));
	if (!*ret_changed && strcmp(text, st->routes) == 0)
		return 0;
	*ret_changed = true;
	for (size_t i = 0; i < st->n; i++)
		st->rows[i].default_metric = VMV_UNSET;
	memcpy(st->routes, text, strlen(text) + 1);
	return vmv_route4_parse(st->routes, take_route, st, err);
}

static int grow(struct network_state *st)
{
	size_t want = st->cap ? st->cap * 2 : ROWS_START;
	struct vmv_network_sample *rows = reallocarray(st->rows, want, sizeof(*rows));
	const struct vmv_network_sample **order;

	if (!rows)
		return -ENOMEM;
	st->rows = rows;
	order = reallocarray(st->order, want, sizeof(const struct vmv_network_sample *));
	if (!order)
		return -ENOMEM;
	st->order = order;
	st->cap = want;
	return 0;
}

static int add_row(void *arg, const char *name, const struct vmv_network_sample *sample)
{
	struct network_state *st = arg;
	int r;

	(void)name;
	if (st->n == VMV_INTERFACES_MAX)
		return 0;
	if (st->n == st->cap) {
		r = grow(st);
		if (r < 0)
			return r;
	}
	st->rows[st->n++] = *sample;
	return 0;
}

/* -ESTALE: these are not the interfaces of the last reading. */
static int update_row(void *arg, const char *name, const struct vmv_network_sample *sample)
{
	struct network_state *st = arg;
	struct vmv_network_sample *row;

	if (st->n_updated == VMV_INTERFACES_MAX)
		return 0;
	if (st->n_updated == st->n)
		return -ESTALE;
	row = &st->rows[st->n_updated++];
	if (strcmp(row->name, name) != 0)
		return -ESTALE;
	for (size_t i = 0; i < N_COLS; i++)
		memcpy((char *)row + columns[i], (const char *)sample + columns[i],
		       sizeof(uint64_t));
	return 0;
}

/* Everything anew, beginning with the names. */
static int take_rows(struct network_state *st, struct vmv_err *err)
{
	int r;

	st->n = 0;
	st->is_complete = false;
	st->has_failed = false;
	st->looked_ms = vmv_mono_ms(&vmv_clock_system);
	r = vmv_netdev_parse(st->text, add_row, st, err);
	if (r == -ENOMEM)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "no memory for the network interfaces");
	return r;
}

static bool must_look(const struct network_state *st)
{
	return vmv_linkwatch_has_changed(st->watch) || !st->is_complete ||
	       vmv_mono_ms(&vmv_clock_system) - st->looked_ms >= LOOK_MS;
}

static int read_counters(struct network_state *st, const struct vmv_root *root,
			 struct vmv_sink *sink, struct vmv_err *err)
{
	int r = keep_open(&st->dev, root, "net/dev");

	(void)sink;
	st->is_anew = must_look(st);
	if (r == 0)
		r = vmv_read_table_fd(st->dev, &st->text, &st->text_cap, TABLE_MAX);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/net/dev: %s", strerror(-r));
	if (!st->is_anew) {
		st->n_updated = 0;
		r = vmv_netdev_parse(st->text, update_row, st, err);
		if (r < 0 && r != -ESTALE)
			return r;
		st->is_anew = r == -ESTALE || st->n_updated != st->n;
	}
	return st->is_anew ? take_rows(st, err) : 0;
}

/* A row whose attributes could not be read is tried again by the next reading; not so one that
 * sysfs does not have, which vanished, or is of another namespace than sysfs. */
static int read_attributes(struct network_state *st, const struct vmv_root *root,
			   struct vmv_sink *sink, struct vmv_err *err)
{
	int r;

	(void)sink;
	(void)err;
	if (!st->is_anew)
		return 0;
	for (size_t i = 0; i < LOOK_SLICE && st->at < st->n; i++, st->at++) {
		r = vmv_interface_read(root, &st->rows[st->at]);
		if (r < 0 && r != -ENOENT)
			st->has_failed = true;
	}
	return st->at < st->n ? VMV_MORE : 0;
}

static int read_addresses(struct network_state *st, const struct vmv_root *root,
			  struct vmv_sink *sink, struct vmv_err *err)
{
	bool is_known;

	(void)sink;
	(void)err;
	if (!st->is_anew)
		return 0;
	is_known = vmv_addresses_read(root, st->rows, st->n, &st->text, &st->text_cap);
	st->is_complete = is_known && !st->has_failed;
	return 0;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* VMV_UNSET is the largest number: without a default route, without an index comes last. */
static int by_importance(const void *a, const void *b)
{
	const struct vmv_network_sample *x = *(const struct vmv_network_sample *const *)a;
	const struct vmv_network_sample *y = *(const struct vmv_network_sample *const *)b;
	int r = compare(x->default_metric, y->default_metric);

	if (r == 0)
		r = compare(x->index, y->index);
	return r ? r : strcmp(x->name, y->name);
}

static void sort_rows(struct network_state *st)
{
	for (size_t i = 0; i < st->n; i++)
		st->order[i] = &st->rows[i];
	if (st->n > 1)
		qsort(st->order, st->n, sizeof(*st->order), by_importance);
}

static void *network_open(const struct vmv_root *root)
{
	struct network_state *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->dev = -1;
	st->route = -1;
	/* without it, as in a sandbox that knows no netlink, each reading costs more: no failure */
	st->watch = root->is_live ? vmv_linkwatch_open() : -1;
	return st;
}

static void network_close(void *state)
{
	struct network_state *st = state;

	if (!st)
		return;
	vmv_closep(&st->watch);
	vmv_closep(&st->dev);
	vmv_closep(&st->route);
	free(st->text);
	free(st->rows);
	free(st->order);
	free(st);
}

static int arrange(struct network_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		   struct vmv_err *err)
{
	bool is_changed = st->is_anew;
	int r = read_routes(st, root, &is_changed, err);

	(void)sink;
	if (r == 0 && is_changed)
		sort_rows(st);
	return r;
}

static int tell(struct network_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		struct vmv_err *err)
{
	int r;

	(void)root;
	(void)err;
	for (size_t n = 0; st->at < st->n; n++, st->at++) {
		if (n == TELL_SLICE)
			return VMV_MORE;
		r = sink->row(sink, st->order[st->at]->name, st->order[st->at]);
		if (r < 0)
			return r;
	}
	return 0;
}

typedef int phase_fn(struct network_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err);

static phase_fn *const phases[] = { read_counters, read_attributes, read_addresses, arrange, tell };

static int network_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			struct vmv_err *err)
{
	struct network_state *st = state;
	int r = 0;

	if (st->reading != sink->reading) /* the one before may have been given up in its midst */
		st->phase = st->at = 0;
	st->reading = sink->reading;
	while (r == 0 && st->phase < VMV_COUNTOF(phases)) {
		r = phases[st->phase](st, root, sink, err);
		if (r == 0) {
			st->phase++;
			st->at = 0;
		}
	}
	if (r < 0)
		st->is_complete = false;
	if (r != VMV_MORE)
		st->phase = st->at = 0;
	return r;
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
