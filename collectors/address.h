/* Addresses of network interfaces by which somebody else can reach the guest. */
#ifndef VMV_COLLECTORS_ADDRESS_H
#define VMV_COLLECTORS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

struct ifaddrs;
struct in6_addr;
struct vmv_err;
struct vmv_network_sample;
struct vmv_root;

/* Pure: the text of /proc/net/if_inet6: calls row for each address, of whatever scope. flags
 * are the IFA_F_ bits below 0x100. An empty text is fine: no address. */
typedef void vmv_inet6_row(void *arg, const char *ifname, const struct in6_addr *addr,
			   unsigned flags);
int vmv_inet6_parse(const char *text, vmv_inet6_row *row, void *arg, struct vmv_err *err);

/* Pure: appends the IPv4 addresses of a getifaddrs(3) list that are worth reporting to the
 * lists of the n rows they belong to, in their order. */
void vmv_network_take_addresses(const struct ifaddrs *list, struct vmv_network_sample *rows,
				size_t n);

/* Fills the lists of the n rows, which are empty, and addresses_known; on the running kernel it
 * holds the rows against its links, too (vmv_interface_check). *text and *cap are a buffer
 * that the caller keeps and frees, as for vmv_read_table_fd. Returns whether the addresses are
 * known: not so in a recorded tree, where those of IPv4 would be another machine's. */
bool vmv_addresses_read(const struct vmv_root *root, struct vmv_network_sample *rows, size_t n,
			char **text, size_t *cap);

#endif
