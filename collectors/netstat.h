/* What the network protocols have done since boot, from /proc/net/snmp, netstat and snmp6, and the
 * sockets that there are, from /proc/net/sockstat and sockstat6. Of the agent's network namespace.
 */
#ifndef VMV_COLLECTORS_NETSTAT_H
#define VMV_COLLECTORS_NETSTAT_H

#include "collectors/collector.h"

struct vmv_err;

/* Packets, datagrams, segments, connections; VMV_UNSET where this kernel has no such column. On a
 * 32-bit kernel most of them wrap at 2^32. */
struct vmv_netstat_sample {
	struct {
		uint64_t in_msgs, in_errors, out_msgs;
	} icmp, icmp6;
	uint64_t ip_forwarding; /* 1 yes, 2 no */
	struct {
		uint64_t in_octets, out_octets;
	} ip, ip6;
	struct {
		uint64_t active_opens, passive_opens, curr_estab;
		uint64_t in_segs, in_errs, out_segs, out_rsts, retrans_segs;
		uint64_t listen_overflows, listen_drops;
		uint64_t syncookies_sent, syncookies_recv, syncookies_failed;
		uint64_t ofo_queue, rcvq_drop, syn_retrans, timeouts;
	} tcp;
	struct {
		uint64_t in_datagrams, out_datagrams, in_errors, no_ports;
		uint64_t rcvbuf_errors, sndbuf_errors;
	} udp, udp6;
	uint64_t udplite_in_errors, udplite6_in_errors; /* until 6.x took UDP-Lite out */
};

/* One row. -ENOENT where there is none of the three files. */
extern const struct vmv_collector vmv_collector_netstat;

/* Pure: the text of /proc/net/snmp or /proc/net/netstat, called name in err: pairs of lines, names
 * and values. Unknown ones are skipped. -EINVAL with err set when malformed; writes only what the
 * text says, and that only on success: begin with VMV_UNSET everywhere. */
int vmv_snmp_parse(const char *text, const char *name, struct vmv_netstat_sample *ret,
		   struct vmv_err *err);

/* Pure: the text of /proc/net/snmp6, a name and a value a line. Likewise. */
int vmv_snmp6_parse(const char *text, struct vmv_netstat_sample *ret, struct vmv_err *err);

/* Sockets, and pages where it says mem; VMV_UNSET where this kernel does not say, or gave a number
 * below zero (its sums over CPUs can). */
struct vmv_sockstat_sample {
	uint64_t used; /* of all families */
	struct {
		uint64_t inuse, orphan, tw, alloc, mem;
		uint64_t mem_bytes;
	} tcp;
	struct {
		uint64_t inuse, mem;
		uint64_t mem_bytes;
	} udp;
	uint64_t tcp6_inuse, udp6_inuse;
	uint64_t udplite_inuse, udplite6_inuse, raw_inuse, raw6_inuse;
	struct {
		uint64_t inuse, memory; /* queues, bytes */
	} frag, frag6;
};

/* One row. -ENOENT where there is none of the two files. The sizes in bytes are unknown in a
 * recorded tree, which does not tell its page size. */
extern const struct vmv_collector vmv_collector_sockstat;

/* Pure: the text of /proc/net/sockstat or sockstat6, called name in err. Unknown lines and words
 * are skipped. -EINVAL with err set when malformed; writes only what the text says, without the
 * sizes in bytes, and that only on success: begin with VMV_UNSET everywhere. */
int vmv_sockstat_parse(const char *text, const char *name, struct vmv_sockstat_sample *ret,
		       struct vmv_err *err);

#endif
