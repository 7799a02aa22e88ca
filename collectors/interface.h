/* What sysfs tells of one network interface, and when that may have changed. */
#ifndef VMV_COLLECTORS_INTERFACE_H
#define VMV_COLLECTORS_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ifaddrs;
struct vmv_network_sample;
struct vmv_root;

/* Fills the attributes of ret->name from /sys/class/net/NAME: mac, operstate, duplex, kind, master,
 * index, is_up, is_loopback, speed, mtu, carrier, carrier_changes, flags, link and queue_length.
 * What sysfs does not say keeps its value. Returns 0, or negative errno when the interface has no
 * directory (it vanished, or sysfs is another network namespace's). */
int vmv_interface_read(const struct vmv_root *root, struct vmv_network_sample *ret);

/* Pure: holds what sysfs said of the n rows against the links of a getifaddrs(3) list, which are of
 * our network namespace. Where they contradict each other, sysfs is another one's (a container that
 * is shown the host's /sys), and all that came from it becomes unknown; where one was set up or
 * down meanwhile, what came of this one does. Then fills index, mac, is_up and is_loopback where
 * they are unknown. */
void vmv_interface_check(const struct ifaddrs *list, struct vmv_network_sample *rows, size_t n);

/* The row of this name, of len bytes, or NULL. *at is where the search begins, 0 at first: behind
 * the one that was found last, as lists are mostly in one order. */
struct vmv_network_sample *vmv_interface_find(struct vmv_network_sample *rows, size_t n, size_t *at,
					      const char *name, size_t len);

/* A netlink socket that hears of every change of a link or an address. Returns a descriptor that
 * the caller owns, or negative errno. What waits in it is bounded: a lost message is a change too.
 */
int vmv_linkwatch_open(void);

/* True when something may have changed since the last call, which is so for fd -1 too. Never
 * blocks. Ask first and read then: what changes in between is told by the next call. */
bool vmv_linkwatch_has_changed(int fd);

#endif
