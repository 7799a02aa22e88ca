/* Which process has a socket open: looked up by the socket's inode in /proc/PID/fd, and kept. */
#ifndef VMV_COLLECTORS_OWNER_H
#define VMV_COLLECTORS_OWNER_H

#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_root;

struct vmv_owners;

struct vmv_owners *vmv_owners_new(void);    /* NULL: out of memory */
void vmv_owners_free(struct vmv_owners *o); /* takes NULL */

/* Makes them those of these sockets, with what was known about them; inodes may repeat, in any
 * order, and 0 (a socket without a file) is left out. Ends a search. 0 or -ENOMEM. */
int vmv_owners_set(struct vmv_owners *o, const uint64_t *inodes, size_t n);

/* One turn of making sure of all owners. /proc is searched only when there is a socket that was
 * not searched for before, or not for long. Returns 0; VMV_MORE (collectors/collector.h); or
 * negative errno with err set, after which the next call begins anew. */
int vmv_owners_find(struct vmv_owners *o, const struct vmv_root *root, struct vmv_err *err);

/* The lowest pid that has it; 0: none that we can see. */
uint32_t vmv_owners_pid(const struct vmv_owners *o, uint64_t inode);

/* Ends a search that is under way, and gives back what it needed. */
void vmv_owners_rest(struct vmv_owners *o);

#endif
