#include "collectors/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/interface.h"
#include "collectors/network.h"

#define TABLE_MAX (4 * VMV_MIB)

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
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
	size_t len;

	if (!parse_in6(line, &ret->addr))
		return -EINVAL;
	s = line + 32;
	for (unsigned i = 0; i < 4; i++)
		if (!is_blank(*s) || vmv_parse_hex(skip_blanks(s), &ret->flags, &s) < 0)
			return -EINVAL;
	if (!is_blank(*s) || ret->flags > 0xff)
		return -EINVAL;
	s = skip_blanks(s);
	len = strcspn(s, " \t\n");
	if (len == 0 || len >= sizeof(ret->ifname) || memchr(s, '/', len))
		return -EINVAL;
	memcpy(ret->ifname, s, len);
	ret->ifname[len] = '\0';
	return 0;
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
	size_t at = 0;

	for (; list; list = list->ifa_next) {
		struct vmv_network_sample *s;
		struct sockaddr_in in;

		if (!list->ifa_addr || list->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&in, list->ifa_addr, sizeof(in));
		if (!is_reportable_ipv4(in.sin_addr))
			continue;
		/* libc gives the label of the address here, "eth0:1" for one of eth0 */
		s = vmv_interface_find(rows, n, &at, list->ifa_name, strcspn(list->ifa_name, ":"));
		if (!s || s->n_ipv4 >= VMV_ADDRESSES_EACH)
			continue;
		(void)inet_ntop(AF_INET, &in.sin_addr, s->ipv4[s->n_ipv4], sizeof(s->ipv4[0]));
		s->n_ipv4++;
	}
}

struct rows {
	struct vmv_network_sample *v;
	size_t n;
	char **text; /* the caller's buffer */
	size_t *cap;
};

struct take_ipv6 {
	const struct rows *rows;
	size_t at;	/* for vmv_interface_find */
	bool is_second; /* first those that stay, then temporary and deprecated ones */
};

static void take_ipv6(void *arg, const char *ifname, const struct in6_addr *addr, unsigned flags)
{
	struct take_ipv6 *take = arg;
	bool is_passing = flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED);
	struct vmv_network_sample *s;

	/* not, or not yet, ours: duplicate address detection */
	if (flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE))
		return;
	if (is_passing != take->is_second || !is_reportable_ipv6(addr))
		return;
	s = vmv_interface_find(take->rows->v, take->rows->n, &take->at, ifname, strlen(ifname));
	if (!s || s->n_ipv6 >= VMV_ADDRESSES_EACH)
		return;
	(void)inet_ntop(AF_INET6, addr, s->ipv6[s->n_ipv6], sizeof(s->ipv6[0]));
	s->n_ipv6++;
}

/* From the file, because getifaddrs() does not tell temporary and deprecated addresses. */
static int read_ipv6(const struct rows *rows, const struct vmv_root *root)
{
	struct take_ipv6 take = { .rows = rows };
	int r = vmv_read_table_at(root->proc, "net/if_inet6", rows->text, rows->cap, TABLE_MAX);

	if (r == -ENOENT)
		return 0; /* IPv6 is off */
	if (r < 0)
		return r;
	r = vmv_inet6_parse(*rows->text, take_ipv6, &take, NULL);
	if (r < 0)
		return r;
	take.is_second = true;
	return vmv_inet6_parse(*rows->text, take_ipv6, &take, NULL);
}

/* No file in /proc lists IPv4 addresses by interface, so these come from the running kernel. In
 * a recorded tree they would be another machine's. */
static int read_ipv4(const struct rows *rows, const struct vmv_root *root)
{
	struct ifaddrs *list;

	if (!root->is_live)
		return -ENOENT;
	if (getifaddrs(&list) < 0)
		return -errno;
	vmv_interface_check(list, rows->v, rows->n);
	vmv_network_take_addresses(list, rows->v, rows->n);
	freeifaddrs(list);
	return 0;
}

bool vmv_addresses_read(const struct vmv_root *root, struct vmv_network_sample *rows, size_t n,
			char **text, size_t *cap)
{
	const struct rows all = { .v = rows, .n = n, .text = text, .cap = cap };
	bool is_known = read_ipv4(&all, root) == 0;

	is_known = read_ipv6(&all, root) == 0 && is_known;
	for (size_t i = 0; i < n; i++)
		rows[i].addresses_known = is_known;
	return is_known;
}
