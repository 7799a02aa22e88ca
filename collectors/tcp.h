/* How many TCP sockets are in which state. */
#ifndef VMV_COLLECTORS_TCP_H
#define VMV_COLLECTORS_TCP_H

#include "collectors/collector.h"
#include "collectors/diag.h"

struct vmv_err;
struct vmv_root;
struct vmv_walk;

/* IPv4 and IPv6 together, of our network namespace. */
struct vmv_tcp_sample {
	uint64_t by_state[VMV_SOCKET_STATES]; /* by enum vmv_socket_state; [0] is not used */
	uint64_t rx_queued, tx_queued;	      /* bytes, of connections: what a listening socket has
					       * there are connections */
};

/* One row. Where the group 'port' is part of the same reading, that one's walk through the sockets
 * serves both. */
extern const struct vmv_collector vmv_collector_tcp;

/* Adds one socket; states that we do not know are left out. */
void vmv_tcp_count(struct vmv_tcp_sample *s, const struct vmv_socket_line *line);

/* Pure: CurrEstab out of the text of /proc/net/snmp: connections that are ESTABLISHED or in
 * CLOSE_WAIT, of both families. -EINVAL when the text has none, or malformed; ret is written
 * only on success. */
int vmv_tcp_parse_established(const char *text, uint64_t *ret);

/* What the groups share: the walk, and what that of the group 'port' counted. */
struct vmv_tcp_shared {
	struct vmv_walk *walk;
	struct vmv_tcp_sample counts;
	uint64_t reading; /* that the counts belong to, when is_counted */
	bool is_counted;  /* by the group 'port', and not used yet */
	bool is_wanted;	  /* the group 'port' should count */
};

#endif
