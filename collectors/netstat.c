#include "collectors/netstat.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/keyed.h"
#include "collectors/parts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SNMP_MAX     VMV_PART_TEXT /* netstat of a 6.x kernel is under 8 KiB */
#define SOCKSTAT_MAX 4096	   /* bytes; both are under 300 */

/* -- fields ---------------------------------------------------------------------------- */

#define NETSTAT(member, proto, key, kind, text)                                                 \
	VMV_FIELD(struct vmv_netstat_sample, member, "node_netstat_" proto "_" key, NULL, kind, \
		  VMV_UNIT_NONE, 0, proto " " key, text)
#define COUNT(member, proto, key, text) NETSTAT(member, proto, key, VMV_COUNTER, text)
#define NOW(member, proto, key, text)	NETSTAT(member, proto, key, VMV_GAUGE, text)

/* Sorted by source: the protocol and the name that the parsers look for. */
static const struct vmv_field netstat_fields[] = {
	COUNT(icmp.in_errors, "Icmp", "InErrors", "ICMP messages received with errors."),
	COUNT(icmp.in_msgs, "Icmp", "InMsgs", "ICMP messages received."),
	COUNT(icmp.out_msgs, "Icmp", "OutMsgs", "ICMP messages sent."),
	COUNT(icmp6.in_errors, "Icmp6", "InErrors", "ICMPv6 messages received with errors."),
	COUNT(icmp6.in_msgs, "Icmp6", "InMsgs", "ICMPv6 messages received."),
	COUNT(icmp6.out_msgs, "Icmp6", "OutMsgs", "ICMPv6 messages sent."),
	NOW(ip_forwarding, "Ip", "Forwarding", "Whether IPv4 packets are forwarded: 1 yes, 2 no."),
	COUNT(ip6.in_octets, "Ip6", "InOctets", "Bytes of IPv6 packets received."),
	COUNT(ip6.out_octets, "Ip6", "OutOctets", "Bytes of IPv6 packets sent."),
	COUNT(ip.in_octets, "IpExt", "InOctets", "Bytes of IPv4 packets received."),
	COUNT(ip.out_octets, "IpExt", "OutOctets", "Bytes of IPv4 packets sent."),
	COUNT(tcp.active_opens, "Tcp", "ActiveOpens", "Connections begun from here."),
	NOW(tcp.curr_estab, "Tcp", "CurrEstab", "Connections that are established."),
	COUNT(tcp.in_errs, "Tcp", "InErrs", "Segments received with errors."),
	COUNT(tcp.in_segs, "Tcp", "InSegs", "Segments received."),
	COUNT(tcp.out_rsts, "Tcp", "OutRsts", "Resets sent."),
	COUNT(tcp.out_segs, "Tcp", "OutSegs", "Segments sent, those sent again left out."),
	COUNT(tcp.passive_opens, "Tcp", "PassiveOpens", "Connections accepted."),
	COUNT(tcp.retrans_segs, "Tcp", "RetransSegs", "Segments sent again."),
	COUNT(tcp.listen_drops, "TcpExt", "ListenDrops",
	      "Connection requests dropped, for whatever reason."),
	COUNT(tcp.listen_overflows, "TcpExt", "ListenOverflows",
	      "Connection requests dropped because a program was slow to accept."),
	COUNT(tcp.syncookies_failed, "TcpExt", "SyncookiesFailed", "SYN cookies that were wrong."),
	COUNT(tcp.syncookies_recv, "TcpExt", "SyncookiesRecv", "SYN cookies that came back."),
	COUNT(tcp.syncookies_sent, "TcpExt", "SyncookiesSent", "SYN cookies sent."),
	COUNT(tcp.ofo_queue, "TcpExt", "TCPOFOQueue", "Segments received out of order."),
	COUNT(tcp.rcvq_drop, "TcpExt", "TCPRcvQDrop",
	      "Segments dropped because a receive queue was full."),
	COUNT(tcp.syn_retrans, "TcpExt", "TCPSynRetrans", "Connection requests sent again."),
	COUNT(tcp.timeouts, "TcpExt", "TCPTimeouts", "Times that no acknowledgement came in time."),
	COUNT(udp.in_datagrams, "Udp", "InDatagrams", "UDP datagrams received."),
	COUNT(udp.in_errors, "Udp", "InErrors", "UDP datagrams received and not delivered."),
	COUNT(udp.no_ports, "Udp", "NoPorts", "UDP datagrams received for which nobody listened."),
	COUNT(udp.out_datagrams, "Udp", "OutDatagrams", "UDP datagrams sent."),
	COUNT(udp.rcvbuf_errors, "Udp", "RcvbufErrors",
	      "UDP datagrams dropped because a receive buffer was full."),
	COUNT(udp.sndbuf_errors, "Udp", "SndbufErrors",
	      "UDP datagrams not sent because a send buffer was full."),
	COUNT(udp6.in_datagrams, "Udp6", "InDatagrams", "UDP datagrams received over IPv6."),
	COUNT(udp6.in_errors, "Udp6", "InErrors",
	      "UDP datagrams received over IPv6 and not delivered."),
	COUNT(udp6.no_ports, "Udp6", "NoPorts",
	      "UDP datagrams received over IPv6 for which nobody listened."),
	COUNT(udp6.out_datagrams, "Udp6", "OutDatagrams", "UDP datagrams sent over IPv6."),
	COUNT(udp6.rcvbuf_errors, "Udp6", "RcvbufErrors",
	      "UDP datagrams over IPv6 dropped because a receive buffer was full."),
	COUNT(udp6.sndbuf_errors, "Udp6", "SndbufErrors",
	      "UDP datagrams over IPv6 not sent because a send buffer was full."),
	COUNT(udplite_in_errors, "UdpLite", "InErrors",
	      "UDP-Lite datagrams received and not delivered."),
	COUNT(udplite6_in_errors, "UdpLite6", "InErrors",
	      "UDP-Lite datagrams received over IPv6 and not delivered."),
};

static const struct vmv_keys netstat_keys = { .fields = netstat_fields,
					      .n = VMV_COUNTOF(netstat_fields) };

#define SOCKSTAT(member, metric, unit, src, text)                                               \
	VMV_FIELD(struct vmv_sockstat_sample, member, "node_sockstat_" metric, NULL, VMV_GAUGE, \
		  unit, 0, src, text)
#define SOCKETS(member, proto, key, text) \
	SOCKSTAT(member, proto "_" key, VMV_UNIT_NONE, proto " " key, text)
/* No key of the kernel has blanks: the parser never finds these. */
#define MEM_BYTES(member, proto, text) \
	SOCKSTAT(member, proto "_mem_bytes", VMV_UNIT_BYTES, proto " mem times page size", text)

/* Sorted by source, likewise. */
static const struct vmv_field sockstat_fields[] = {
	SOCKETS(frag.inuse, "FRAG", "inuse", "IPv4 packets of which fragments are missing."),
	SOCKETS(frag.memory, "FRAG", "memory", "Bytes that fragments of IPv4 packets take."),
	SOCKETS(frag6.inuse, "FRAG6", "inuse", "IPv6 packets of which fragments are missing."),
	SOCKETS(frag6.memory, "FRAG6", "memory", "Bytes that fragments of IPv6 packets take."),
	SOCKETS(raw_inuse, "RAW", "inuse", "Raw sockets over IPv4."),
	SOCKETS(raw6_inuse, "RAW6", "inuse", "Raw sockets over IPv6."),
	SOCKETS(tcp.alloc, "TCP", "alloc", "TCP sockets that exist, of all network namespaces."),
	SOCKETS(tcp.inuse, "TCP", "inuse", "TCP sockets over IPv4 in use."),
	SOCKETS(tcp.mem, "TCP", "mem", "Pages that buffers of TCP take."),
	MEM_BYTES(tcp.mem_bytes, "TCP", "Memory that buffers of TCP take."),
	SOCKETS(tcp.orphan, "TCP", "orphan", "TCP connections that no process has open."),
	SOCKETS(tcp.tw, "TCP", "tw", "TCP connections in TIME-WAIT."),
	SOCKETS(tcp6_inuse, "TCP6", "inuse", "TCP sockets over IPv6 in use."),
	SOCKETS(udp.inuse, "UDP", "inuse", "UDP sockets over IPv4 in use."),
	SOCKETS(udp.mem, "UDP", "mem", "Pages that buffers of UDP take."),
	MEM_BYTES(udp.mem_bytes, "UDP", "Memory that buffers of UDP take."),
	SOCKETS(udp6_inuse, "UDP6", "inuse", "UDP sockets over IPv6 in use."),
	SOCKETS(udplite_inuse, "UDPLITE", "inuse", "UDP-Lite sockets over IPv4 in use."),
	SOCKETS(udplite6_inuse, "UDPLITE6", "inuse", "UDP-Lite sockets over IPv6 in use."),
	SOCKETS(used, "sockets", "used", "Sockets of all families."),
};

static const struct vmv_keys sockstat_keys = { .fields = sockstat_fields,
					       .n = VMV_COUNTOF(sockstat_fields) };

/* -- parse ----------------------------------------------------------------------------- */

/* The number at s, which ends at a blank or at the end of the line. Sums over CPUs that race are
 * below zero for a moment, and some are printed with their sign. */
static bool parse_value(const char *s, void *sample, const struct vmv_field *f)
{
	bool is_negative = *s == '-';
	const char *end;
	uint64_t v;

	if (vmv_parse_count(s + is_negative, &v, &end) < 0 || (*end != ' ' && *end != '\n'))
		return false;
	vmv_keys_put(sample, f, is_negative ? VMV_UNSET : v);
	return true;
}

/* names and values point behind the ':' of two lines; " ActiveOpens PassiveOpens", " 12 7". */
static bool parse_columns(const struct vmv_keys *keys, const char *names, const char *values,
			  void *sample)
{
	while (*names == ' ' && *values == ' ') {
		size_t len = strcspn(++names, " \n");
		const struct vmv_field *f = vmv_keys_find(keys, names, len);

		values++;
		if (f && !parse_value(values, sample, f))
			return false;
		names += len;
		values += strcspn(values, " \n");
	}
	return *names == '\n' && *values == '\n';
}

/* Length of the word before the ':', 0 when there is none. */
static size_t word_len(const char *line)
{
	size_t len = strcspn(line, ": \n");

	return line[len] == ':' ? len : 0;
}

/* Two whole lines of one protocol. */
static bool parse_pair(const char *names, const char *values, struct vmv_netstat_sample *s)
{
	size_t len = word_len(names);
	struct vmv_keys keys;

	if (len == 0 || strncmp(names, values, len + 1) != 0)
		return false;
	keys = vmv_keys_under(&netstat_keys, names, len);
	return keys.n == 0 || parse_columns(&keys, names + len + 1, values + len + 1, s);
}

int vmv_snmp_parse(const char *text, const char *name, struct vmv_netstat_sample *ret,
		   struct vmv_err *err)
{
	struct vmv_netstat_sample s = *ret;

	for (const char *names = text, *values, *end; *names; names = end + 1) {
		values = strchr(names, '\n');
		end = values ? strchr(++values, '\n') : NULL;
		if (!end)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/%s: cut off", name);
		if (!parse_pair(names, values, &s))
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/%s: bad '%.*s' lines",
					name, (int)strcspn(names, ": \n"), names);
	}
	*ret = s;
	return 0;
}

/* "Udp6InDatagrams                 \t0": the protocol ends with the first 6. */
static bool parse_snmp6_line(const char *line, struct vmv_netstat_sample *s)
{
	size_t len = strcspn(line, " \t\n");
	size_t proto = strcspn(line, "6 \t\n") + 1;
	const struct vmv_field *f;
	struct vmv_keys keys;

	if (proto >= len)
		return true;
	keys = vmv_keys_under(&netstat_keys, line, proto);
	f = vmv_keys_find(&keys, line + proto, len - proto);
	return !f || parse_value(line + len + strspn(line + len, " \t"), s, f);
}

int vmv_snmp6_parse(const char *text, struct vmv_netstat_sample *ret, struct vmv_err *err)
{
	struct vmv_netstat_sample s = *ret;

	for (const char *line = text, *nl; *line; line = nl + 1) {
		nl = strchr(line, '\n');
		if (!nl)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/net/snmp6: cut off");
		if (!parse_snmp6_line(line, &s))
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"/proc/net/snmp6: bad '%.*s' line",
					(int)strcspn(line, " \t\n"), line);
	}
	*ret = s;
	return 0;
}

/* " inuse 1 orphan 0" behind "TCP:". */
static bool parse_words(const struct vmv_keys *keys, const char *s, void *sample)
{
	while (*s == ' ') {
		size_t len = strcspn(++s, " \n");
		const struct vmv_field *f = vmv_keys_find(keys, s, len);

		s += len;
		if (*s != ' ' || (f && !parse_value(s + 1, sample, f)))
			return false;
		s += 1 + strcspn(s + 1, " \n");
	}
	return *s == '\n';
}

int vmv_sockstat_parse(const char *text, const char *name, struct vmv_sockstat_sample *ret,
		       struct vmv_err *err)
{
	struct vmv_sockstat_sample s = *ret;

	for (const char *line = text, *nl; *line; line = nl + 1) {
		size_t len = word_len(line);
		struct vmv_keys keys = vmv_keys_under(&sockstat_keys, line, len);

		nl = strchr(line, '\n');
		if (!nl || len == 0 || (keys.n > 0 && !parse_words(&keys, line + len + 1, &s)))
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/%s: malformed", name);
	}
	*ret = s;
	return 0;
}

/* -- read ------------------------------------------------------------------------------ */

static int parse_snmp(const char *text, const char *name, void *sample, struct vmv_err *err)
{
	return vmv_snmp_parse(text, name, sample, err);
}

static int parse_snmp6(const char *text, const char *name, void *sample, struct vmv_err *err)
{
	(void)name;
	return vmv_snmp6_parse(text, sample, err);
}

static int parse_sockstat(const char *text, const char *name, void *sample, struct vmv_err *err)
{
	return vmv_sockstat_parse(text, name, sample, err);
}

static const struct vmv_part netstat_parts[] = {
	{ "net/snmp", SNMP_MAX, parse_snmp, 0 },
	{ "net/netstat", SNMP_MAX, parse_snmp, 0 },
	{ "net/snmp6", SNMP_MAX, parse_snmp6, 0 }, /* a kernel without IPv6 lacks it */
};

static int netstat_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			struct vmv_err *err)
{
	struct vmv_netstat_sample s;
	int r = vmv_parts_read(state, root, netstat_parts, VMV_COUNTOF(netstat_parts), &s,
			       sizeof(s), err);

	return r < 0 ? r : sink->row(sink, "", &s);
}

static const struct vmv_part sockstat_parts[] = {
	{ "net/sockstat", SOCKSTAT_MAX, parse_sockstat, 0 },
	{ "net/sockstat6", SOCKSTAT_MAX, parse_sockstat, 0 },
};

static int sockstat_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			 struct vmv_err *err)
{
	/* that of the kernel that we run on, which a recorded tree is not from */
	long page = root->is_live ? sysconf(_SC_PAGESIZE) : -1;
	struct vmv_sockstat_sample s;
	int r = vmv_parts_read(state, root, sockstat_parts, VMV_COUNTOF(sockstat_parts), &s,
			       sizeof(s), err);

	if (r < 0)
		return r;
	if (page > 0) {
		s.tcp.mem_bytes = vmv_mul_sat(s.tcp.mem, (uint64_t)page);
		s.udp.mem_bytes = vmv_mul_sat(s.udp.mem, (uint64_t)page);
	}
	return sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_netstat = {
	.name = "netstat",
	.help = "What IP, ICMP, TCP and UDP have done.",
	.file = "/proc/net/snmp, /proc/net/netstat, /proc/net/snmp6",
	.fields = netstat_fields,
	.n_fields = VMV_COUNTOF(netstat_fields),
	.sample_size = sizeof(struct vmv_netstat_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.open = vmv_parts_open,
	.close = vmv_parts_close,
	.read = netstat_read,
};

const struct vmv_collector vmv_collector_sockstat = {
	.name = "sockstat",
	.help = "Sockets in use and the memory of their buffers.",
	.file = "/proc/net/sockstat, /proc/net/sockstat6",
	.fields = sockstat_fields,
	.n_fields = VMV_COUNTOF(sockstat_fields),
	.sample_size = sizeof(struct vmv_sockstat_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.open = vmv_parts_open,
	.close = vmv_parts_close,
	.read = sockstat_read,
};
