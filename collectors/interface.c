#include "collectors/interface.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/network.h"

#define MEGABIT	    UINT64_C(1000000)
#define SPEED_NONE  UINT32_MAX /* SPEED_UNKNOWN as kernels before 3.x print it */
#define TUN_FLAG    UINT64_C(1)
#define TAP_FLAG    UINT64_C(2)
#define WATCH_BYTES 1	/* of receive buffer: the kernel makes its minimum of it */
#define WATCH_DRAIN 256 /* messages a call; beyond that the next one drains on */

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

static uint64_t read_hex(int dir, const char *name)
{
	char text[32];
	const char *end;
	uint64_t v;

	if (vmv_read_attr_at(dir, name, text, sizeof(text)) < 0 || strncmp(text, "0x", 2) != 0 ||
	    vmv_parse_hex(text + 2, &v, &end) < 0 || *end)
		return VMV_UNSET;
	return v;
}

static void read_word(int dir, const char *name, char *ret, size_t cap)
{
	if (vmv_read_attr_at(dir, name, ret, cap) < 0)
		ret[0] = '\0';
}

/* The last part of where a link leads to; "" when there is none, or too long a one. */
static void read_link_name(int dir, const char *name, char *ret, size_t cap)
{
	char path[256];
	ssize_t n = readlinkat(dir, name, path, sizeof(path) - 1);
	const char *base;

	ret[0] = '\0';
	if (n <= 0)
		return;
	path[n] = '\0';
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	if (strlen(base) < cap)
		memcpy(ret, base, strlen(base) + 1);
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
	s->flags = read_hex(dir, "flags");
	if (s->flags == VMV_UNSET)
		return;
	s->is_loopback = (s->flags & IFF_LOOPBACK) != 0;
	if (!(s->flags & IFF_UP))
		s->is_up = 0;
	else if (s->operstate[0])
		s->is_up = strcmp(s->operstate, "up") == 0 || strcmp(s->operstate, "unknown") == 0;
}

/* "DEVTYPE=bridge\nINTERFACE=br0\n...": many a driver names its kind there. */
static void read_devtype(int dir, char *ret, size_t cap)
{
	char text[512];
	const char *s;
	size_t len;

	if (vmv_read_at(dir, "uevent", text, sizeof(text)) < 0)
		return;
	s = strncmp(text, "DEVTYPE=", 8) == 0 ? text : strstr(text, "\nDEVTYPE=");
	if (!s)
		return;
	s = strchr(s, '=') + 1;
	len = strcspn(s, "\n");
	if (len >= cap || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
		return;
	memcpy(ret, s, len);
	ret[len] = '\0';
}

static bool is_there(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

/* Whether it stands on another interface of this namespace. */
static bool has_lower(int dir)
{
	vmv_autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return true; /* cannot be told */
	fd = -1;	     /* owned by d now */
	while ((e = readdir(d)))
		if (strncmp(e->d_name, "lower_", strlen("lower_")) == 0)
			return true;
	return false;
}

/* An Ethernet without device behind it whose link is another interface: the end of a pair, when it
 * does not stand on one. (macvlan and ipvlan do; moved into a container they cannot be told from a
 * pair by files.) */
static bool is_pair(int dir, const struct vmv_network_sample *s)
{
	return read_number(dir, "type") == ARPHRD_ETHER && s->link != VMV_UNSET &&
	       s->index != VMV_UNSET && s->link != s->index && !has_lower(dir);
}

static void set_kind(struct vmv_network_sample *s, const char *kind)
{
	(void)snprintf(s->kind, sizeof(s->kind), "%s", kind);
}

/* Needs flags, index and link. */
static void read_kind(int dir, struct vmv_network_sample *s)
{
	uint64_t tun;

	read_devtype(dir, s->kind, sizeof(s->kind));
	if (s->kind[0])
		return;
	tun = read_hex(dir, "tun_flags");
	if (s->is_loopback == 1)
		set_kind(s, "loopback");
	else if (tun != VMV_UNSET)
		set_kind(s, tun & TAP_FLAG ? "tap" : tun & TUN_FLAG ? "tun" : "");
	else if (is_there(dir, "bonding"))
		set_kind(s, "bond");
	else if (is_there(dir, "bridge"))
		set_kind(s, "bridge");
	else if (is_there(dir, "device"))
		read_link_name(dir, "device/subsystem", s->kind, sizeof(s->kind));
	else if (is_pair(dir, s))
		set_kind(s, "veth");
}

int vmv_interface_read(const struct vmv_root *root, struct vmv_network_sample *ret)
{
	vmv_autoclose int dir = -1;
	char path[32];

	(void)snprintf(path, sizeof(path), "class/net/%s", ret->name);
	dir = openat(root->sys, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	read_word(dir, "operstate", ret->operstate, sizeof(ret->operstate));
	if (ret->operstate[0])
		ret->is_operational = strcmp(ret->operstate, "up") == 0;
	read_word(dir, "duplex", ret->duplex, sizeof(ret->duplex));
	read_link_name(dir, "master", ret->master, sizeof(ret->master));
	ret->index = read_number(dir, "ifindex");
	ret->link = read_number(dir, "iflink");
	ret->mtu = read_number(dir, "mtu");
	ret->carrier = read_number(dir, "carrier");
	ret->carrier_changes = read_number(dir, "carrier_changes");
	ret->queue_length = read_number(dir, "tx_queue_len");
	ret->speed = read_speed(dir);
	read_mac(dir, ret->mac);
	read_flags(dir, ret);
	read_kind(dir, ret);
	return 0;
}

/* What vmv_interface_read fills. */
static void forget(struct vmv_network_sample *s)
{
	s->mac[0] = s->operstate[0] = s->duplex[0] = s->kind[0] = s->master[0] = '\0';
	s->index = s->is_up = s->is_operational = s->is_loopback = VMV_UNSET;
	s->speed = s->mtu = s->carrier = s->carrier_changes = VMV_UNSET;
	s->flags = s->link = s->queue_length = VMV_UNSET;
}

struct vmv_network_sample *vmv_interface_find(struct vmv_network_sample *rows, size_t n, size_t *at,
					      const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		struct vmv_network_sample *s = &rows[(*at + i) % n];

		if (strncmp(s->name, name, len) == 0 && s->name[len] == '\0') {
			*at = (*at + i) % n;
			return s;
		}
	}
	return NULL;
}

/* One link of the list, without its name. */
struct link {
	unsigned flags;
	uint64_t index; /* VMV_UNSET: not told, as of links without an address */
	char mac[18];
};

/* False for what is no link but an address of one. */
static bool take_link(const struct ifaddrs *entry, struct link *ret)
{
	static const unsigned char none[6];
	struct sockaddr_ll ll;

	if (entry->ifa_addr && entry->ifa_addr->sa_family != AF_PACKET)
		return false;
	*ret = (struct link){ .flags = entry->ifa_flags, .index = VMV_UNSET };
	if (!entry->ifa_addr)
		return true;
	memcpy(&ll, entry->ifa_addr, sizeof(ll));
	if (ll.sll_ifindex > 0)
		ret->index = (uint64_t)ll.sll_ifindex;
	if (ll.sll_halen == sizeof(none) && memcmp(ll.sll_addr, none, sizeof(none)) != 0)
		(void)snprintf(ret->mac, sizeof(ret->mac), "%02x:%02x:%02x:%02x:%02x:%02x",
			       ll.sll_addr[0], ll.sll_addr[1], ll.sll_addr[2], ll.sll_addr[3],
			       ll.sll_addr[4], ll.sll_addr[5]);
	return true;
}

static bool contradicts(const struct vmv_network_sample *s, const struct link *l)
{
	if (s->index != VMV_UNSET && l->index != VMV_UNSET && s->index != l->index)
		return true;
	return s->mac[0] && l->mac[0] && strcmp(s->mac, l->mac) != 0;
}

/* lo has the same index and no address in all namespaces; others may have been set up or down since
 * sysfs was read: of more than this one it proves nothing. */
static bool has_other_state(const struct vmv_network_sample *s, const struct link *l)
{
	return s->flags != VMV_UNSET && ((s->flags ^ l->flags) & (IFF_UP | IFF_LOOPBACK));
}

/* The kernel's IFF_RUNNING is an operational state of up or unknown. */
static void complete(struct vmv_network_sample *s, const struct link *l)
{
	const unsigned up = IFF_UP | IFF_RUNNING;

	if (has_other_state(s, l))
		forget(s);
	if (s->index == VMV_UNSET)
		s->index = l->index;
	if (!s->mac[0])
		memcpy(s->mac, l->mac, sizeof(s->mac));
	if (s->is_up == VMV_UNSET)
		s->is_up = (l->flags & up) == up;
	if (s->is_loopback == VMV_UNSET)
		s->is_loopback = (l->flags & IFF_LOOPBACK) != 0;
}

/* With each row that is in the list, and what the list says of it; until step says true. */
static bool each_link(const struct ifaddrs *list, struct vmv_network_sample *rows, size_t n,
		      bool (*step)(struct vmv_network_sample *s, const struct link *l))
{
	struct vmv_network_sample *s;
	struct link l;
	size_t at = 0;

	for (; list; list = list->ifa_next) {
		if (!take_link(list, &l))
			continue;
		s = vmv_interface_find(rows, n, &at, list->ifa_name, strlen(list->ifa_name));
		if (s && step(s, &l))
			return true;
	}
	return false;
}

static bool step_contradicts(struct vmv_network_sample *s, const struct link *l)
{
	return contradicts(s, l);
}

static bool step_complete(struct vmv_network_sample *s, const struct link *l)
{
	complete(s, l);
	return false;
}

void vmv_interface_check(const struct ifaddrs *list, struct vmv_network_sample *rows, size_t n)
{
	if (each_link(list, rows, n, step_contradicts))
		for (size_t i = 0; i < n; i++)
			forget(&rows[i]);
	(void)each_link(list, rows, n, step_complete);
}

int vmv_linkwatch_open(void)
{
	const struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	const int bytes = WATCH_BYTES;
	vmv_autoclose int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0 ||
	    bind(fd, (const struct sockaddr *)(const void *)&groups, sizeof(groups)) < 0)
		return -errno;
	return VMV_TAKE(fd, -1);
}

bool vmv_linkwatch_has_changed(int fd)
{
	bool has_changed = fd < 0;
	char byte;

	/* any other error is news too: ENOBUFS says that messages were lost */
	for (unsigned i = 0; fd >= 0 && i < WATCH_DRAIN; i++) {
		if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			break;
		has_changed = true;
	}
	return has_changed;
}
