/* What sysfs tells of one network interface, and when that may have changed. */
#ifndef VMV_COLLECTORS_INTERFACE_H
#define VMV_COLLECTORS_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

struct vmv_network_sample;
struct vmv_root;

/* Fills the attributes of ret->name from /sys/class/net/NAME: mac, operstate, duplex, kind, master,
 * index, is_up, is_loopback, speed, mtu, carrier, carrier_changes, flags, link and queue_length.
 * What sysfs does not say keeps its value. Returns 0, or negative errno when the interface has no
 * directory (it vanished, or sysfs is another network namespace's). */
int vmv_interface_read(const struct vmv_root *root, struct vmv_network_sample *ret);

/* A netlink socket that hears of every change of a link or an address. Returns a descriptor that
 * the caller owns, or negative errno. What waits in it is bounded: a lost message is a change too.
 */
int vmv_linkwatch_open(void);

/* True when something may have changed since the last call, which is so for fd -1 too. Never
 * blocks. Ask first and read then: what changes in between is told by the next call. */
bool vmv_linkwatch_has_changed(int fd);

#endif
