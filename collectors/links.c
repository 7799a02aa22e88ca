#include "collectors/links.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/root.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The room of its address in the C library's structure is larger than the type says. */
#define HARDWARE_AT   offsetof(struct sockaddr_ll, sll_addr)
#define HARDWARE_ROOM 24

/* Lists are mostly in one order: behind the one that was found last. */
static struct vmv_link *find(const struct vmv_links *links, size_t *at, const char *name,
			     size_t len)
{
	for (size_t i = 0; i < links->n; i++) {
		struct vmv_link *l = &links->v[(*at + i) % links->n];

		if (strncmp(l->name, name, len) == 0 && l->name[len] == '\0') {
			*at = (size_t)(l - links->v);
			return l;
		}
	}
	return NULL;
}

/* NULL: there are too many, or the name is none. */
static struct vmv_link *find_or_add(struct vmv_links *links, size_t *at, const char *name)
{
	size_t len = strlen(name);
	struct vmv_link *l;

	if (len == 0 || len >= sizeof(l->name))
		return NULL;
	l = find(links, at, name, len);
	if (l || links->n == VMV_INTERFACES_MAX)
		return l;
	l = &links->v[links->n++];
	memcpy(l->name, name, len + 1);
	l->is_label = strchr(name, ':') != NULL;
	return l;
}

static void take_hardware(const struct sockaddr *address, struct vmv_link *ret)
{
	struct sockaddr_ll ll;

	memcpy(&ll, address, sizeof(ll));
	if (ll.sll_halen > HARDWARE_ROOM)
		return;
	memcpy(ret->hardware, (const uint8_t *)address + HARDWARE_AT, ll.sll_halen);
	ret->hardware_len = ll.sll_halen;
}

static uint8_t count_ones(const uint8_t *mask, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += (unsigned)__builtin_popcount(mask[i]);
	return (uint8_t)n;
}

/* False: of no family that has addresses. */
static bool take_address(const struct ifaddrs *from, struct vmv_link_address *ret)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (from->ifa_addr->sa_family == AF_INET) {
		memcpy(&in, from->ifa_addr, sizeof(in));
		memcpy(ret->address, &in.sin_addr, 4);
		if (from->ifa_netmask) {
			memcpy(&in, from->ifa_netmask, sizeof(in));
			ret->prefix_len = count_ones((const uint8_t *)&in.sin_addr, 4);
		}
		return true;
	}
	if (from->ifa_addr->sa_family != AF_INET6)
		return false;
	ret->is_ipv6 = true;
	memcpy(&in6, from->ifa_addr, sizeof(in6));
	memcpy(ret->address, &in6.sin6_addr, 16);
	if (from->ifa_netmask) {
		memcpy(&in6, from->ifa_netmask, sizeof(in6));
		ret->prefix_len = count_ones((const uint8_t *)&in6.sin6_addr, 16);
	}
	return true;
}

static void take_entry(struct vmv_links *links, size_t *at, const struct ifaddrs *from)
{
	struct vmv_link_address a = { .at = links->n_addresses };
	struct vmv_link *l;

	if (!from->ifa_name)
		return;
	l = find_or_add(links, at, from->ifa_name);
	if (!l || !from->ifa_addr)
		return;
	if (from->ifa_addr->sa_family == AF_PACKET) {
		take_hardware(from->ifa_addr, l);
	} else if (links->n_addresses < VMV_LINK_ADDRESSES_MAX && take_address(from, &a)) {
		a.link = (size_t)(l - links->v);
		links->addresses[links->n_addresses++] = a;
	}
}

static int by_link(const void *a, const void *b)
{
	const struct vmv_link_address *x = a, *y = b;

	if (x->link != y->link)
		return x->link < y->link ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static void arrange(struct vmv_links *links)
{
	size_t next = 0, at = 0;

	if (links->n_addresses > 1)
		qsort(links->addresses, links->n_addresses, sizeof(*links->addresses), by_link);
	for (size_t i = 0; i < links->n; i++) {
		struct vmv_link *l = &links->v[i];
		const struct vmv_link *of;

		l->first = next;
		while (next < links->n_addresses && links->addresses[next].link == i)
			next++;
		l->n = next - l->first;
		of = l->is_label ? find(links, &at, l->name, strcspn(l->name, ":")) : NULL;
		if (!of)
			continue;
		memcpy(l->hardware, of->hardware, sizeof(l->hardware));
		l->hardware_len = of->hardware_len;
	}
}

int vmv_links_take(const struct ifaddrs *list, struct vmv_links *ret)
{
	VMV_CLEANUP(vmv_links_free) struct vmv_links links = { 0 };
	size_t n = 0, at = 0;

	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		n++;
	links.v = calloc((n < VMV_INTERFACES_MAX ? n : VMV_INTERFACES_MAX) + 1, sizeof(*links.v));
	links.addresses = calloc((n < VMV_LINK_ADDRESSES_MAX ? n : VMV_LINK_ADDRESSES_MAX) + 1,
				 sizeof(*links.addresses));
	if (!links.v || !links.addresses)
		return -ENOMEM;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		take_entry(&links, &at, i);
	arrange(&links);
	*ret = VMV_TAKE(links, (struct vmv_links){ 0 });
	return 0;
}

int vmv_links_read(const struct vmv_root *root, struct vmv_links *ret)
{
	struct ifaddrs *list;
	int r;

	if (!root->is_live)
		return -ENOENT;
	if (getifaddrs(&list) < 0)
		return -errno;
	r = vmv_links_take(list, ret);
	freeifaddrs(list);
	return r;
}

void vmv_links_free(struct vmv_links *links)
{
	free(links->v);
	free(links->addresses);
	*links = (struct vmv_links){ 0 };
}
