/* Listening ports and who owns them, from /proc/net/{tcp,tcp6,udp,udp6}. */
#ifndef VMV_COLLECTORS_SOCKET_H
#define VMV_COLLECTORS_SOCKET_H

#include "collectors/collector.h"

struct vmv_err;

enum vmv_socket_proto { VMV_TCP, VMV_UDP };

/* One per (protocol, local port): TCP listening, UDP bound without a peer; IPv4 and IPv6
 * together. */
struct vmv_port_sample {
	char protocol[4]; /* "tcp", "udp" */
	uint64_t port;
	uint64_t connections; /* established TCP connections on that local port; 0 for UDP */
	uint64_t pid;	      /* the owner with the lowest pid; VMV_UNSET: not visible to us */
	char comm[64];	      /* of that process; "" unknown */
	char exe[512];	      /* its /proc/PID/exe; "" unknown, or longer */
};

/* Rows by protocol (tcp first), then port; id "tcp:80". Owners are looked up by the inode of
 * the socket in /proc/PID/fd, and kept: /proc is searched again only when a listening socket
 * appears that was not searched for before. */
extern const struct vmv_collector vmv_collector_port;

/* One line of such a table. */
struct vmv_socket_line {
	uint16_t local_port, remote_port;
	bool has_peer;
	unsigned state; /* as in include/net/tcp_states.h: 1 established, 7 close, 10 listen */
	uint64_t inode;
	uint64_t uid;
};

typedef int vmv_socket_row(void *arg, const struct vmv_socket_line *line);

/* Pure: the text of one of the four files. -EINVAL with err set on a malformed line. */
int vmv_socket_parse(const char *text, vmv_socket_row *row, void *arg, struct vmv_err *err);

#endif
