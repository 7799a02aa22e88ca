/* Ports that sockets wait on, and who owns them. */
#ifndef VMV_COLLECTORS_SOCKET_H
#define VMV_COLLECTORS_SOCKET_H

#include "collectors/collector.h"

struct vmv_tcp_shared;

/* One per (protocol, local port): TCP listening, UDP bound without a peer; IPv4 and IPv6
 * together. Where several sockets share a port, uid and unit are of that which the owner has,
 * the one with the lowest inode when there is none. */
struct vmv_port_sample {
	char protocol[4]; /* "tcp", "udp" */
	uint64_t port;
	uint64_t connections; /* established TCP connections on that local port; 0 for UDP */
	uint64_t pid;	      /* the owner with the lowest pid; VMV_UNSET: not visible to us */
	uint64_t uid;	      /* user of the socket, who need not be that of the owner */
	char comm[64];	      /* of that process; "" unknown */
	char exe[512];	      /* its /proc/PID/exe; "" unknown, or longer */
	char unit[256];	      /* unit or control group that made the socket; "" unknown */
};

/* Rows by protocol (tcp first), then port; id "tcp:80". Owners are looked up by the inode of
 * the socket in /proc/PID/fd, and kept: /proc is searched again only when a listening socket
 * appears that was not searched for before. Processes of others are not visible without
 * privileges; of their sockets uid and unit (sock_diag since 5.7, cgroup2) are. */
extern const struct vmv_collector vmv_collector_port;

/* Of the state of that collector: what it shares with the group 'tcp'. */
struct vmv_tcp_shared *vmv_port_shared(void *state);

#endif
