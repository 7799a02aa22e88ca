/* All interfaces with all their addresses, as the kernel lists them. The network group reports
 * those addresses only by which somebody else can reach the guest (collectors/address.h). */
#ifndef VMV_COLLECTORS_LINKS_H
#define VMV_COLLECTORS_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ifaddrs;
struct vmv_root;

/* Most addresses of all interfaces together, of any family; further ones are left out. Links
 * beyond VMV_INTERFACES_MAX likewise. */
#define VMV_LINK_ADDRESSES_MAX 8192

/* Longest address of a link: the kernel's MAX_ADDR_LEN. InfiniBand has 20 bytes. */
#define VMV_HARDWARE_MAX 32

struct vmv_link_address {
	size_t link; /* index of its link */
	size_t at;   /* its place in the kernel's list */
	bool is_ipv6;
	uint8_t prefix_len;  /* bits */
	uint8_t address[16]; /* network order; IPv4 uses the first four bytes */
};

struct vmv_link {
	/* "eth0"; or a label of IPv4 addresses, "eth0:1", which is an entry of its own */
	char name[16];
	bool is_label;
	uint8_t hardware[VMV_HARDWARE_MAX]; /* of a label: that of its interface */
	size_t hardware_len;		    /* bytes; 0: has none, or it is not known */
	size_t first, n;		    /* its addresses */
};

struct vmv_links {
	struct vmv_link *v; /* owned; in the order in which names appear first */
	size_t n;
	struct vmv_link_address *addresses; /* owned; by link, then in the kernel's order */
	size_t n_addresses;
};

/* Pure: what a getifaddrs(3) list says. Returns 0, or -ENOMEM; ret is written only on success, then
 * to be freed. */
int vmv_links_take(const struct ifaddrs *list, struct vmv_links *ret);

/* The same of the running kernel. -ENOENT in a recorded tree, where they would be another
 * machine's; else what getifaddrs(3) said. */
int vmv_links_read(const struct vmv_root *root, struct vmv_links *ret);

void vmv_links_free(struct vmv_links *links);

#endif
