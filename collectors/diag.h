/* Sockets of our network namespace as the kernel tells them over netlink (NETLINK_SOCK_DIAG). */
#ifndef VMV_COLLECTORS_DIAG_H
#define VMV_COLLECTORS_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;

/* TCP states, include/net/tcp_states.h. UDP sockets use the first, with a peer, and CLOSE. */
enum vmv_socket_state {
	VMV_SOCKET_ESTABLISHED = 1,
	VMV_SOCKET_SYN_SENT,
	VMV_SOCKET_SYN_RECV,
	VMV_SOCKET_FIN_WAIT1,
	VMV_SOCKET_FIN_WAIT2,
	VMV_SOCKET_TIME_WAIT,
	VMV_SOCKET_CLOSE,
	VMV_SOCKET_CLOSE_WAIT,
	VMV_SOCKET_LAST_ACK,
	VMV_SOCKET_LISTEN,
	VMV_SOCKET_CLOSING,
	VMV_SOCKET_STATES, /* one more than the last */
};

/* Sets of them. */
#define VMV_SOCKET_BIT(state) (UINT32_C(1) << (state))
#define VMV_SOCKET_ALL	      (VMV_SOCKET_BIT(VMV_SOCKET_STATES) - 2)

/* One socket, wherever it was read. */
struct vmv_socket_line {
	uint16_t local_port, remote_port;
	bool has_peer;	   /* an address or a port of the other side */
	unsigned state;	   /* enum vmv_socket_state; later kernels may have further ones */
	uint64_t inode;	   /* 0: no longer a file (TIME_WAIT, not yet accepted) */
	uint64_t uid;	   /* of the file */
	uint64_t rx_queue; /* bytes to read; LISTEN: connections to accept */
	uint64_t tx_queue; /* bytes not acknowledged; LISTEN: bound of the above, or 0 */
	uint64_t cgroup;   /* inode of its directory in cgroup2; 0 unknown (before 5.7, /proc) */
};

/* Takes one socket. line NULL: a walk begins (anew); what came before in it counts no more.
 * Negative errno ends the walk. */
typedef int vmv_socket_row(void *arg, const struct vmv_socket_line *line);

/* What can be dumped. */
enum vmv_diag_what {
	VMV_DIAG_TCP,  /* IPv4 and IPv6 in one walk */
	VMV_DIAG_UDP4, /* IPv4 and IPv6 have handlers of their own */
	VMV_DIAG_UDP6,
};

/* What one buffer of replies said, next to its sockets. */
struct vmv_diag_replies {
	size_t n;	     /* sockets */
	bool is_end;	     /* no reply follows */
	bool is_interrupted; /* sockets changed in a way that may have hidden some */
};

/* Pure: the replies in buf (of a dump with this seq; those of another are skipped). Returns 0;
 * what the kernel answered instead of sockets (-ENOENT: no such handler ...), -EINVAL when
 * malformed, or what row returned. err is set then but in the last case; ret is written only
 * on success. buf is aligned as malloc does. */
int vmv_diag_parse(const void *buf, size_t len, uint32_t seq, vmv_socket_row *row, void *arg,
		   struct vmv_diag_replies *ret, struct vmv_err *err);

/* One netlink socket, one dump at a time. */
struct vmv_diag;

/* Returns 0 and new *ret, or negative errno with err set: -EAFNOSUPPORT, -EPROTONOSUPPORT,
 * -EPERM ... where there is none or a sandbox forbids it. */
int vmv_diag_open(struct vmv_diag **ret, struct vmv_err *err);
void vmv_diag_free(struct vmv_diag *d); /* takes NULL */

/* Asks for all sockets in one of these states. LISTEN alone spares the kernel the walk of the
 * hash of connections, which grows with the machine's memory. Returns 0 or negative errno with
 * err set; after an error d is good for nothing but vmv_diag_free, here and below: replies of
 * a dump that was given up would come in between. */
int vmv_diag_start(struct vmv_diag *d, enum vmv_diag_what what, uint32_t states,
		   struct vmv_err *err);

/* Takes the next buffer of replies, about a hundred sockets; never blocks. Results as those of
 * vmv_diag_parse. */
int vmv_diag_next(struct vmv_diag *d, vmv_socket_row *row, void *arg, struct vmv_diag_replies *ret,
		  struct vmv_err *err);

#endif
