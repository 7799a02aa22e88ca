#include "collectors/tcp.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"
#include "collectors/socket.h"
#include "collectors/walk.h"

#include <errno.h>
#include <string.h>

#define S struct vmv_tcp_sample

#define STATE(label, state, text)                                                              \
	VMV_FIELD(S, by_state[VMV_SOCKET_##state], "node_tcp_connection_states",               \
		  "state=\"" label "\"", VMV_GAUGE, VMV_UNIT_NONE, 0, "sock_diag idiag_state", \
		  text)

static const struct vmv_field fields[] = {
	STATE("established", ESTABLISHED, "Open connections."),
	STATE("syn_sent", SYN_SENT, "Connections asked for, without an answer yet."),
	STATE("syn_recv", SYN_RECV, "Connections asked for by others, not confirmed yet."),
	STATE("fin_wait1", FIN_WAIT1, "Closed by us, not confirmed yet."),
	STATE("fin_wait2", FIN_WAIT2, "Closed by us, not yet by the other side."),
	STATE("time_wait", TIME_WAIT, "Closed by both, kept for packets that come late."),
	STATE("close", CLOSE, "Sockets without a connection that are still in use."),
	STATE("close_wait", CLOSE_WAIT, "Closed by the other side, not yet by our program."),
	STATE("last_ack", LAST_ACK, "Closed by both, our end not confirmed yet."),
	STATE("listen", LISTEN, "Sockets that wait for connections."),
	STATE("closing", CLOSING, "Closed by both at once, not confirmed yet."),
	VMV_FIELD(S, rx_queued, "vmvitals_tcp_queued_bytes", "queue=\"receive\"", VMV_GAUGE,
		  VMV_UNIT_BYTES, 0, "sock_diag idiag_rqueue",
		  "Bytes received that programs have not read yet."),
	VMV_FIELD(S, tx_queued, "vmvitals_tcp_queued_bytes", "queue=\"send\"", VMV_GAUGE,
		  VMV_UNIT_BYTES, 0, "sock_diag idiag_wqueue",
		  "Bytes of programs that the other side has not confirmed yet."),
};

#undef S

void vmv_tcp_count(struct vmv_tcp_sample *s, const struct vmv_socket_line *line)
{
	if (line->state == 0 || line->state >= VMV_SOCKET_STATES)
		return;
	s->by_state[line->state]++;
	/* its queue holds connections; to add them to bytes, as node_exporter does, means nothing
	 */
	if (line->state == VMV_SOCKET_LISTEN)
		return;
	s->rx_queued = vmv_add_sat(s->rx_queued, line->rx_queue);
	s->tx_queued = vmv_add_sat(s->tx_queued, line->tx_queue);
}

/* The length of the word at s, which ends at a blank or at the line's end. */
static size_t word(const char *s)
{
	return strcspn(s, " \n");
}

/* "Tcp: RtoAlgorithm ... CurrEstab ...\nTcp: 1 ... 5 ...\n" */
int vmv_tcp_parse_established(const char *text, uint64_t *ret)
{
	static const char prefix[] = "Tcp: ";
	static const char key[] = "CurrEstab";
	const char *names = text, *values, *end;
	uint64_t n;

	while (names && strncmp(names, prefix, sizeof(prefix) - 1) != 0) {
		names = strchr(names, '\n');
		if (names)
			names++;
	}
	values = names ? strchr(names, '\n') : NULL;
	if (!values || strncmp(++values, prefix, sizeof(prefix) - 1) != 0)
		return -EINVAL;
	while (word(names) != sizeof(key) - 1 || memcmp(names, key, sizeof(key) - 1) != 0) {
		names += word(names);
		values += word(values);
		if (*names != ' ' || *values != ' ')
			return -EINVAL;
		names++;
		values++;
	}
	if (vmv_parse_u64(values, &n, &end) < 0 || (*end != ' ' && *end != '\n'))
		return -EINVAL;
	*ret = n;
	return 0;
}

static int take_socket(void *arg, const struct vmv_socket_line *line)
{
	struct vmv_tcp_shared *shared = arg;

	if (line)
		vmv_tcp_count(&shared->counts, line);
	else
		shared->counts = (struct vmv_tcp_sample){ 0 };
	return 0;
}

static int tcp_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		    struct vmv_err *err)
{
	struct vmv_tcp_shared *shared = vmv_port_shared(state);
	int r;

	shared->is_wanted = true;
	if (!shared->is_counted || shared->reading != sink->reading) {
		shared->is_counted = false;
		r = vmv_walk_tcp(shared->walk, root, VMV_SOCKET_ALL, take_socket, shared, err);
		if (r != 0)
			return r;
		vmv_walk_rest(shared->walk);
	}
	shared->is_counted = false;
	return sink->row(sink, "", &shared->counts);
}

const struct vmv_collector vmv_collector_tcp = {
	.name = "tcp",
	.help = "TCP sockets by state.",
	.file = "sock_diag, else /proc/net/tcp, tcp6",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_tcp_sample),
	.min_period_ms = 5000,
	.is_default = true,
	.state_of = &vmv_collector_port,
	.read = tcp_read,
};
