/* A walk through all sockets of our network namespace: over netlink where the kernel lets us,
 * else through the tables below /proc/net, which tell the same (but for the cgroup) for more:
 * the kernel visits the whole hash of connections for each of them. */
#ifndef VMV_COLLECTORS_WALK_H
#define VMV_COLLECTORS_WALK_H

#include "collectors/diag.h"

struct vmv_err;
struct vmv_root;

/* Pure: the text of /proc/net/{tcp,tcp6,udp,udp6}. 0; -EINVAL with err set on a malformed
 * line; what row returned. */
int vmv_socket_parse(const char *text, vmv_socket_row *row, void *arg, struct vmv_err *err);

/* One who walks at a time; who comes while another is under way takes over, and the other one
 * starts anew. Opaque. */
struct vmv_walk;

struct vmv_walk *vmv_walk_new(void);	/* NULL: out of memory */
void vmv_walk_free(struct vmv_walk *w); /* takes NULL */

/* One turn of the walk through the sockets of one protocol (IPv4 and IPv6) that are in one of
 * states, a set of VMV_SOCKET_BIT; further ones may come along. row gets NULL first, and again
 * when the walk has to start anew. Returns 0 at the end; VMV_MORE (collectors/collector.h): call
 * again, with the same arguments; negative errno with err set, -ENOENT: no such protocol. */
int vmv_walk_tcp(struct vmv_walk *w, const struct vmv_root *root, uint32_t states,
		 vmv_socket_row *row, void *arg, struct vmv_err *err);
int vmv_walk_udp(struct vmv_walk *w, const struct vmv_root *root, uint32_t states,
		 vmv_socket_row *row, void *arg, struct vmv_err *err);

/* The reading is over: ends a walk that is under way, gives back a buffer that a rush made large.
 */
void vmv_walk_rest(struct vmv_walk *w);

#endif
