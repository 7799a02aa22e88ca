#include "collectors/route.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define TEXT4_MAX     (256 * VMV_KIB) /* read of each file: a router's take the kernel milliseconds */
#define TEXT4_ALL_MAX VMV_MIB	      /* the same when all of them were asked for */
#define TEXT6_MAX     VMV_MIB	      /* more, because the default route may be at the end */
#define ROWS_START    16
#define KEEP_MAX      (64 * VMV_KIB) /* bytes kept for the next reading */
#define ID_SIZE	      256

/* Of linux/ipv6_route.h, which does not go together with net/route.h. */
#define ROUTE_ANYCAST 0x00100000u
#define ROUTE_CACHE   0x01000000u
#define ROUTE_LOCAL   0x80000000u

#define S struct vmv_route_sample

static const struct vmv_field fields[] = {
	VMV_FIELD(S, destination, "destination", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "Destination",
		  "Where the route leads to, 0.0.0.0/0 or ::/0 for a default route."),
	VMV_FIELD(S, gateway, "gateway", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "Gateway",
		  "The next hop; none when the destination is on the link."),
	VMV_FIELD(S, device, "device", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "Iface",
		  "The interface it goes out of."),
	VMV_FIELD(S, family, "family", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "the file's name",
		  "One of ipv4 and ipv6."),
	VMV_FIELD(S, metric, "vmvitals_route_metric", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0, "Metric",
		  "Of routes to one destination the lowest wins."),
	VMV_FIELD(S, is_default, "vmvitals_route_default", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "Destination, Mask", "1 for a default route, else 0."),
};

#undef S

/* Behind a column: the next one or the end of the line. */
static bool is_end(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Splits a line at blanks into at most n columns; returns how many there are. */
static size_t split(const char *line, const char **col, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		col[i] = line + strspn(line, " \t");
		line = col[i] + strcspn(col[i], " \t\n");
		if (line == col[i])
			return i;
	}
	return n;
}

static bool take_name(char ret[static IFNAMSIZ], const char *s)
{
	size_t len = strcspn(s, " \t\n");

	if (len >= IFNAMSIZ)
		return false;
	memcpy(ret, s, len);
	ret[len] = '\0';
	return true;
}

static bool take_hex(const char *s, uint32_t *ret)
{
	const char *end;
	uint64_t v;

	if (vmv_parse_hex(s, &v, &end) < 0 || !is_end(*end) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Columns of /proc/net/route. */
enum {
	V4_IFACE,
	V4_DESTINATION,
	V4_GATEWAY,
	V4_FLAGS,
	V4_REFCNT,
	V4_USE,
	V4_METRIC,
	V4_MASK,
	V4_COLS, /* that are needed */
	V4_MTU = V4_COLS,
	V4_WINDOW,
	V4_IRTT,
	V4_COLS_ALL,
};

/* The kernel prints its u32 with %d. */
static bool take_metric(const char *s, uint32_t *ret)
{
	const char *end;
	int64_t v;

	if (vmv_parse_i64(s, &v, &end) < 0 || !is_end(*end) || v < INT32_MIN || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* What is only shown: unknown when it is no number. */
static uint64_t count_of(const char *s)
{
	const char *end;
	uint64_t v;

	return vmv_parse_u64(s, &v, &end) == 0 && is_end(*end) ? v : VMV_UNSET;
}

/* Ones, then zeros, in network order. */
static bool take_mask(uint32_t mask, uint8_t *ret_len)
{
	uint32_t zeros = ~ntohl(mask);

	if (zeros & (zeros + 1))
		return false;
	*ret_len = (uint8_t)(32 - __builtin_popcount(zeros));
	return true;
}

static bool parse_line4(const char *line, struct vmv_route *ret)
{
	const char *col[V4_COLS_ALL];
	uint32_t destination, gateway, mask;
	size_t n = split(line, col, V4_COLS_ALL);

	*ret = (struct vmv_route){ .is_ipv6 = false };
	if (n < V4_COLS || !take_name(ret->device, col[V4_IFACE]) ||
	    !take_hex(col[V4_DESTINATION], &destination) || !take_hex(col[V4_GATEWAY], &gateway) ||
	    !take_hex(col[V4_FLAGS], &ret->flags) || !take_metric(col[V4_METRIC], &ret->metric) ||
	    !take_hex(col[V4_MASK], &mask) || !take_mask(mask, &ret->prefix_len))
		return false;
	/* the numbers are those of the kernel's memory */
	memcpy(ret->destination, &destination, sizeof(destination));
	memcpy(ret->gateway, &gateway, sizeof(gateway));
	ret->refcnt = count_of(col[V4_REFCNT]);
	ret->use = count_of(col[V4_USE]);
	ret->mtu = n > V4_MTU ? count_of(col[V4_MTU]) : VMV_UNSET;
	ret->window = n > V4_WINDOW ? count_of(col[V4_WINDOW]) : VMV_UNSET;
	ret->irtt = n > V4_IRTT ? count_of(col[V4_IRTT]) : VMV_UNSET;
	return true;
}

int vmv_route4_parse(const char *text, vmv_route_row *row, void *arg, struct vmv_err *err)
{
	int r;

	for (const char *line = text, *nl; *line; line = nl + 1) {
		struct vmv_route rt;

		nl = strchr(line, '\n');
		if (!nl)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/net/route: cut line");
		if (line == text) { /* headings; a namespace without a route has not even those */
			if (strncmp(line, "Iface\t", 6) != 0)
				return vmv_fail(err, VMV_E_PARSE, EINVAL,
						"/proc/net/route: no headings");
			continue;
		}
		if (!parse_line4(line, &rt))
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"/proc/net/route: malformed line");
		r = row(arg, &rt);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Columns of /proc/net/ipv6_route. */
enum {
	V6_DESTINATION,
	V6_PREFIX_LEN,
	V6_SOURCE,
	V6_SOURCE_LEN,
	V6_GATEWAY,
	V6_METRIC,
	V6_REFCNT,
	V6_USE,
	V6_FLAGS,
	V6_IFACE,
	V6_COLS,
};

static bool take_address(const char *s, uint8_t ret[static 16])
{
	if (strspn(s, "0123456789abcdefABCDEF") != 32 || !is_end(s[32]))
		return false;
	for (size_t i = 0; i < 16; i++) {
		char byte[] = { s[2 * i], s[2 * i + 1], '\0' };
		uint64_t v;

		(void)vmv_parse_hex(byte, &v, NULL);
		ret[i] = (uint8_t)v;
	}
	return true;
}

static bool take_len(const char *s, uint8_t *ret)
{
	uint32_t v;

	if (!take_hex(s, &v) || v > 128)
		return false;
	*ret = (uint8_t)v;
	return true;
}

/* As count_of. */
static uint64_t hex_count_of(const char *s)
{
	uint32_t v;

	return take_hex(s, &v) ? v : VMV_UNSET;
}

static bool parse_line6(const char *line, struct vmv_route *ret)
{
	const char *col[V6_COLS];

	*ret = (struct vmv_route){
		.is_ipv6 = true,
		.mtu = VMV_UNSET,
		.window = VMV_UNSET,
		.irtt = VMV_UNSET,
	};
	if (split(line, col, V6_COLS) < V6_COLS)
		return false;
	ret->refcnt = hex_count_of(col[V6_REFCNT]);
	ret->use = hex_count_of(col[V6_USE]);
	return take_address(col[V6_DESTINATION], ret->destination) &&
	       take_len(col[V6_PREFIX_LEN], &ret->prefix_len) &&
	       take_address(col[V6_SOURCE], ret->source) &&
	       take_len(col[V6_SOURCE_LEN], &ret->source_len) &&
	       take_address(col[V6_GATEWAY], ret->gateway) &&
	       take_hex(col[V6_METRIC], &ret->metric) && take_hex(col[V6_FLAGS], &ret->flags) &&
	       take_name(ret->device, col[V6_IFACE]);
}

int vmv_route6_parse(const char *text, vmv_route_row *row, void *arg, struct vmv_err *err)
{
	int r;

	for (const char *line = text, *nl; *line; line = nl + 1) {
		struct vmv_route rt;

		nl = strchr(line, '\n');
		if (!nl || !parse_line6(line, &rt))
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"/proc/net/ipv6_route: malformed line");
		r = row(arg, &rt);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static bool is_usable(const struct vmv_route *rt)
{
	return (rt->flags & RTF_UP) && !(rt->flags & RTF_REJECT);
}

bool vmv_route_is_default(const struct vmv_route *rt)
{
	return is_usable(rt) && rt->prefix_len == 0 && rt->source_len == 0 &&
	       is_zero(rt->destination, sizeof(rt->destination));
}

/* By which packets leave the guest for somewhere. */
static bool is_shown4(const struct vmv_route *rt)
{
	return rt->destination[0] != 127 && (rt->destination[0] & 0xf0) != 224;
}

static bool is_shown6(const struct vmv_route *rt)
{
	bool is_link_local = rt->destination[0] == 0xfe && (rt->destination[1] & 0xc0) == 0x80;

	return !(rt->flags & (ROUTE_LOCAL | ROUTE_ANYCAST | ROUTE_CACHE)) && !is_link_local &&
	       rt->destination[0] != 0xff;
}

static bool is_shown(const struct vmv_route *rt)
{
	if (!is_usable(rt) || strcmp(rt->device, "lo") == 0 || strcmp(rt->device, "*") == 0)
		return false;
	return rt->is_ipv6 ? is_shown6(rt) : is_shown4(rt);
}

struct route_state {
	char *text;
	size_t cap;
	struct vmv_route *rows;
	size_t n, rows_cap;
};

static int add_route(void *arg, const struct vmv_route *route)
{
	struct route_state *st = arg;
	size_t want = st->rows_cap ? st->rows_cap * 2 : ROWS_START;
	struct vmv_route *bigger;

	if (!is_shown(route))
		return 0;
	if (st->n == st->rows_cap) {
		bigger = reallocarray(st->rows, want, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		st->rows = bigger;
		st->rows_cap = want;
	}
	st->rows[st->n++] = *route;
	return 0;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* What the id is made of. */
static int by_importance(const void *a, const void *b)
{
	const struct vmv_route *x = a, *y = b;
	int r = compare(vmv_route_is_default(y), vmv_route_is_default(x));

	if (r == 0)
		r = compare(x->is_ipv6, y->is_ipv6);
	if (r == 0)
		r = memcmp(x->destination, y->destination, sizeof(x->destination));
	if (r == 0)
		r = compare(x->prefix_len, y->prefix_len);
	if (r == 0)
		r = compare(x->metric, y->metric);
	if (r == 0)
		r = memcmp(x->gateway, y->gateway, sizeof(x->gateway));
	if (r == 0)
		r = strcmp(x->device, y->device);
	if (r == 0)
		r = memcmp(x->source, y->source, sizeof(x->source));
	return r ? r : compare(x->source_len, y->source_len);
}

/* Room for an address and "/128". */
static void write_prefix(char ret[static 52], int family, const uint8_t *address, unsigned len)
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(family, address, text, sizeof(text));
	(void)snprintf(ret, 52, "%s/%u", text, len);
}

static void fill_sample(const struct vmv_route *rt, struct vmv_route_sample *ret)
{
	int family = rt->is_ipv6 ? AF_INET6 : AF_INET;

	*ret = (struct vmv_route_sample){
		.metric = rt->metric,
		.is_default = vmv_route_is_default(rt),
	};
	write_prefix(ret->destination, family, rt->destination, rt->prefix_len);
	if (!is_zero(rt->gateway, sizeof(rt->gateway)))
		(void)inet_ntop(family, rt->gateway, ret->gateway, sizeof(ret->gateway));
	memcpy(ret->device, rt->device, sizeof(ret->device));
	memcpy(ret->family, rt->is_ipv6 ? "ipv6" : "ipv4", sizeof(ret->family));
}

static void write_id(char ret[static ID_SIZE], const struct vmv_route *rt,
		     const struct vmv_route_sample *s)
{
	bool is_plain = s->is_default && !rt->is_ipv6;
	char source[52] = "";

	if (rt->source_len > 0)
		write_prefix(source, AF_INET6, rt->source, rt->source_len);
	(void)snprintf(ret, ID_SIZE, "%s%s%s%s%s dev %s metric %u",
		       is_plain ? "default" : s->destination, source[0] ? " from " : "", source,
		       s->gateway[0] ? " via " : "", s->gateway, rt->device, rt->metric);
}

/* A file, and what is done with its lines. */
struct source {
	const char *path; /* below /proc */
	size_t max;	  /* bytes that are read */
	int (*parse)(const char *text, vmv_route_row *row, void *arg, struct vmv_err *err);
};

static const struct source source4 = { "net/route", TEXT4_MAX, vmv_route4_parse };
static const struct source source6 = { "net/ipv6_route", TEXT6_MAX, vmv_route6_parse };

/* Whole lines of the first max bytes. */
static int read_head(struct route_state *st, const struct vmv_root *root, const char *path,
		     size_t max)
{
	vmv_autoclose int fd = openat(root->proc, path, O_RDONLY | O_CLOEXEC);
	char *nl;
	int r;

	if (fd < 0)
		return -errno;
	r = vmv_read_table_fd(fd, &st->text, &st->cap, max);
	if (r != -EFBIG)
		return r;
	st->text[max] = '\0';
	nl = strrchr(st->text, '\n');
	if (!nl)
		return -EINVAL;
	nl[1] = '\0';
	return 0;
}

static int read_file(struct route_state *st, const struct vmv_root *root,
		     const struct source *source, vmv_route_row *row, void *arg,
		     struct vmv_err *err)
{
	int r = read_head(st, root, source->path, source->max);

	if (r == -ENOENT)
		return r;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/%s: %s", source->path,
				strerror(-r));
	r = source->parse(st->text, row, arg, err);
	if (r == -ENOMEM)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "no memory for the routes");
	return r;
}

static int no_table(struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, ENOENT, "no routing table in /proc/net");
}

/* Either file may be missing, the kernel being without that protocol; not both. */
static int read_files(struct route_state *st, const struct vmv_root *root, struct vmv_err *err)
{
	int r4, r6;

	st->n = 0;
	r4 = read_file(st, root, &source4, add_route, st, err);
	if (r4 < 0 && r4 != -ENOENT)
		return r4;
	r6 = read_file(st, root, &source6, add_route, st, err);
	if (r4 == -ENOENT && r6 == -ENOENT)
		return no_table(err);
	return r6 == -ENOENT ? 0 : r6;
}

/* Keeps what the caller's row says apart from what is wrong with a file. */
struct telling {
	vmv_route_row *row;
	void *arg;
	int result;
};

static int tell_row(void *arg, const struct vmv_route *route)
{
	struct telling *t = arg;

	t->result = t->row(t->arg, route);
	return t->result;
}

int vmv_routes_read(const struct vmv_root *root, vmv_route_row *row, void *arg, struct vmv_err *err)
{
	static const struct source all4 = { "net/route", TEXT4_ALL_MAX, vmv_route4_parse };
	struct telling t = { .row = row, .arg = arg };
	struct route_state st = { 0 };
	int r4 = read_file(&st, root, &all4, tell_row, &t, err);
	int r6 = t.result < 0 ? 0 : read_file(&st, root, &source6, tell_row, &t, err);

	free(st.text);
	if (t.result < 0)
		return t.result;
	if (r4 == -ENOENT && r6 == -ENOENT)
		return no_table(err);
	return r4 < 0 && r6 < 0 ? r6 : 0;
}

static void *route_open(const struct vmv_root *root)
{
	(void)root;
	return calloc(1, sizeof(struct route_state));
}

static void route_close(void *state)
{
	struct route_state *st = state;

	if (!st)
		return;
	free(st->text);
	free(st->rows);
	free(st);
}

/* A router's tables take megabytes: not between readings. */
static void trim(struct route_state *st)
{
	if (st->cap > KEEP_MAX) {
		free(st->text);
		st->text = NULL;
		st->cap = 0;
	}
	if (st->rows_cap * sizeof(*st->rows) > KEEP_MAX) {
		free(st->rows);
		st->rows = NULL;
		st->rows_cap = 0;
	}
}

static int deliver(const struct route_state *st, struct vmv_sink *sink)
{
	struct vmv_route_sample s;
	char id[ID_SIZE];
	int r = 0;

	for (size_t i = 0; r == 0 && i < st->n; i++) {
		if (i > 0 && by_importance(&st->rows[i - 1], &st->rows[i]) == 0)
			continue; /* differs in what is not shown */
		fill_sample(&st->rows[i], &s);
		write_id(id, &st->rows[i], &s);
		r = sink->row(sink, id, &s);
	}
	return r;
}

static int route_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		      struct vmv_err *err)
{
	struct route_state *st = state;
	int r = read_files(st, root, err);

	if (r == 0 && st->n > 1)
		qsort(st->rows, st->n, sizeof(*st->rows), by_importance);
	if (r == 0)
		r = deliver(st, sink);
	trim(st);
	return r;
}

const struct vmv_collector vmv_collector_route = {
	.name = "route",
	.help = "Routes to other machines, default routes first.",
	.file = "/proc/net/route, /proc/net/ipv6_route",
	.key = "route",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_route_sample),
	.min_period_ms = 5000,
	.open = route_open,
	.close = route_close,
	.read = route_read,
};
