#include "collectors/socket.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/cgroup_id.h"
#include "collectors/owner.h"
#include "collectors/process.h"
#include "collectors/tcp.h"
#include "collectors/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_MAX    (64 * VMV_KIB) /* a larger array is given back after the reading */
#define ARRAY_START 32
#define COUNT_SLICE 4096 /* connections looked up per turn */
#define MANY	    1024 /* listeners: what is done with all of them at once gets turns of its own */
#define SNMP_MAX    (8 * VMV_KIB)

#define S struct vmv_port_sample

static const struct vmv_field fields[] = {
	VMV_FIELD(S, protocol, "protocol", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/proc/net/tcp, udp",
		  "Transport protocol, tcp or udp."),
	VMV_FIELD(S, comm, "name", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/proc/PID/stat comm",
		  "Name of the process that owns the port."),
	VMV_FIELD(S, exe, "exe", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/proc/PID/exe",
		  "Program file of the process that owns the port."),
	VMV_FIELD(S, unit, "unit", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "sock_diag INET_DIAG_CGROUP_ID",
		  "Unit or control group in which the socket was made."),
	VMV_FIELD(S, connections, "vmvitals_port_connections", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "sock_diag idiag_state", "Established TCP connections on the port; 0 for UDP."),
	VMV_FIELD(S, port, "vmvitals_port_number", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "sock_diag idiag_sport", "Number of the port."),
	VMV_FIELD(S, pid, "vmvitals_port_owner_pid", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "/proc/PID/fd", "Pid of the process that owns the port, the lowest of several."),
	VMV_FIELD(S, uid, "vmvitals_port_uid", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "sock_diag idiag_uid", "Number of the user whose socket it is."),
};

#undef S

enum { TCP, UDP }; /* in the order of the rows */

/* One listening socket. Several may share a port: IPv4 and IPv6, SO_REUSEPORT. */
struct listener {
	uint64_t inode;
	uint64_t cgroup;
	uint32_t connections; /* counted in one of the sockets that share the port */
	uint32_t uid;
	uint16_t port;
	uint8_t proto;
};

/* The process that was looked at last: ports of one are often neighbours. */
struct process {
	uint32_t pid; /* 0: none */
	bool is_gone;
	char comm[sizeof(((struct vmv_port_sample *)0)->comm)];
	char exe[sizeof(((struct vmv_port_sample *)0)->exe)];
};

struct port_state {
	uint64_t reading; /* the one under way */
	size_t phase;	  /* index of phases[] */
	size_t at;	  /* how far the phase has come */

	int snmp;	 /* /proc/net/snmp; -1 until it could be opened */
	uint32_t states; /* of TCP, in this reading; 0 before it is decided */
	struct vmv_tcp_sample counts;
	struct vmv_tcp_shared shared;

	size_t n_tcp;		    /* of listeners; those of UDP come after them */
	struct listener *listeners; /* by protocol, port, inode */
	size_t n_listeners, cap_listeners;
	uint16_t *established;		       /* local ports */
	size_t n_established, cap_established; /* until the next walk */

	struct process process;
	struct vmv_owners *owners;	/* kept between readings, as is */
	struct vmv_cgroup_ids *cgroups; /* this */
};

/* items, or a larger copy of it, with room for one more than n; NULL when out of memory. */
static void *make_room(void *items, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? *cap * 2 : ARRAY_START;
	void *bigger;

	if (n < *cap)
		return items;
	bigger = reallocarray(items, want, size);
	if (bigger)
		*cap = want;
	return bigger;
}

static int add_listener(struct port_state *st, uint8_t proto, const struct vmv_socket_line *line)
{
	struct listener *l;

	if (st->n_listeners >= VMV_SOCKETS_MAX || line->local_port == 0)
		return 0;
	l = make_room(st->listeners, st->n_listeners, &st->cap_listeners, sizeof(*l));
	if (!l)
		return -ENOMEM;
	st->listeners = l;
	l[st->n_listeners++] = (struct listener){
		.proto = proto,
		.port = line->local_port,
		.inode = line->inode,
		.cgroup = line->cgroup,
		.uid = line->uid > UINT32_MAX ? UINT32_MAX : (uint32_t)line->uid,
	};
	return 0;
}

static int add_established(struct port_state *st, uint16_t port)
{
	uint16_t *ports;

	if (st->n_established >= VMV_SOCKETS_MAX)
		return 0;
	ports = make_room(st->established, st->n_established, &st->cap_established, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	st->established = ports;
	ports[st->n_established++] = port;
	return 0;
}

static int take_tcp(void *arg, const struct vmv_socket_line *line)
{
	struct port_state *st = arg;

	if (!line) {
		st->n_listeners = st->n_established = 0;
		st->counts = (struct vmv_tcp_sample){ 0 };
		return 0;
	}
	vmv_tcp_count(&st->counts, line);
	if (line->state == VMV_SOCKET_LISTEN)
		return add_listener(st, TCP, line);
	return line->state == VMV_SOCKET_ESTABLISHED ? add_established(st, line->local_port) : 0;
}

static int take_udp(void *arg, const struct vmv_socket_line *line)
{
	struct port_state *st = arg;

	if (!line) {
		st->n_listeners = st->n_tcp;
		return 0;
	}
	return line->state == VMV_SOCKET_CLOSE && !line->has_peer ? add_listener(st, UDP, line) : 0;
}

/* True when the kernel says so; it counts CLOSE_WAIT among them, too. Where there were some a
 * moment ago it is not worth asking. */
static bool has_no_connections(struct port_state *st, const struct vmv_root *root)
{
	char text[SNMP_MAX];
	uint64_t n;

	if (st->n_established > 0)
		return false;
	if (st->snmp < 0)
		st->snmp = openat(root->proc, "net/snmp", O_RDONLY | O_CLOEXEC);
	return st->snmp >= 0 && vmv_read_fd(st->snmp, text, sizeof(text)) >= 0 &&
	       vmv_tcp_parse_established(text, &n) == 0 && n == 0;
}

/* Which sockets to ask for. For the group 'tcp', which comes after us, all of them: it is our
 * walk that counts, for as long as somebody takes the counts. */
static uint32_t choose_states(struct port_state *st, const struct vmv_root *root)
{
	bool is_used = st->shared.is_wanted;

	st->shared.is_wanted = false;
	if (is_used)
		return VMV_SOCKET_ALL;
	if (root->is_live && has_no_connections(st, root))
		return VMV_SOCKET_BIT(VMV_SOCKET_LISTEN);
	return VMV_SOCKET_BIT(VMV_SOCKET_LISTEN) | VMV_SOCKET_BIT(VMV_SOCKET_ESTABLISHED);
}

static uint64_t port_key(const struct listener *l)
{
	return (uint64_t)l->proto << 16 | l->port;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_port(const void *a, const void *b)
{
	return compare(port_key(a), port_key(b));
}

static int by_port_and_inode(const void *a, const void *b)
{
	const struct listener *x = a;
	const struct listener *y = b;
	int r = by_port(a, b);

	return r ? r : compare(x->inode, y->inode);
}

static int no_memory(int r, struct vmv_err *err)
{
	return r == -ENOMEM ? vmv_fail(err, VMV_E_IO, ENOMEM, "no memory for the ports") : r;
}

static int collect_tcp(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	int r;

	if (st->states == 0)
		st->states = choose_states(st, root);
	r = vmv_walk_tcp(st->shared.walk, root, st->states, take_tcp, st, err);
	if (r != 0)
		return no_memory(r, err);
	st->n_tcp = st->n_listeners;
	if (st->states == VMV_SOCKET_ALL) {
		st->shared.counts = st->counts;
		st->shared.reading = sink->reading;
		st->shared.is_counted = true;
	}
	return 0;
}

/* A turn of its own: the kernel may have walked large tables for the one before. */
static int pause_turn(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		      struct vmv_err *err)
{
	(void)root;
	(void)sink;
	(void)err;
	return st->at++ == 0 ? VMV_MORE : 0;
}

static int collect_udp(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	uint32_t states = VMV_SOCKET_BIT(VMV_SOCKET_CLOSE);

	(void)sink;
	return no_memory(vmv_walk_udp(st->shared.walk, root, states, take_udp, st, err), err);
}

/* Anybody may have a hundred thousand of them. */
static int pause_if_many(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
			 struct vmv_err *err)
{
	return st->n_listeners > MANY ? pause_turn(st, root, sink, err) : 0;
}

/* With all listeners there. */
static int arrange(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		   struct vmv_err *err)
{
	(void)root;
	(void)sink;
	(void)err;
	if (st->n_listeners > 1)
		qsort(st->listeners, st->n_listeners, sizeof(*st->listeners), by_port_and_inode);
	return 0;
}

/* What is already known about them. */
static int recall_owners(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
			 struct vmv_err *err)
{
	vmv_autofree uint64_t *inodes = calloc(st->n_listeners + 1, sizeof(*inodes));

	(void)root;
	(void)sink;
	if (!inodes)
		return no_memory(-ENOMEM, err);
	for (size_t i = 0; i < st->n_listeners; i++)
		inodes[i] = st->listeners[i].inode;
	return no_memory(vmv_owners_set(st->owners, inodes, st->n_listeners), err);
}

static int count_connections(struct port_state *st, const struct vmv_root *root,
			     struct vmv_sink *sink, struct vmv_err *err)
{
	size_t end = st->at + COUNT_SLICE;

	(void)root;
	(void)sink;
	(void)err;
	if (st->n_listeners == 0)
		return 0;
	for (; st->at < st->n_established && st->at < end; st->at++) {
		struct listener key = { .proto = TCP, .port = st->established[st->at] };
		struct listener *l =
			bsearch(&key, st->listeners, st->n_listeners, sizeof(key), by_port);

		if (l)
			l->connections++;
	}
	return st->at < st->n_established ? VMV_MORE : 0;
}

static int find_owners(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	(void)sink;
	return vmv_owners_find(st->owners, root, err);
}

static int find_cgroups(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
			struct vmv_err *err)
{
	vmv_autofree uint64_t *ids = calloc(st->n_listeners + 1, sizeof(*ids));

	(void)sink;
	if (!ids)
		return no_memory(-ENOMEM, err);
	for (size_t i = 0; i < st->n_listeners; i++)
		ids[i] = st->listeners[i].cgroup;
	return no_memory(vmv_cgroup_ids_find(st->cgroups, root, ids, st->n_listeners), err);
}

/* The number of listeners from l on that share its port, at most n. */
static size_t port_run(const struct listener *l, size_t n)
{
	size_t i = 1;

	while (i < n && by_port(&l[0], &l[i]) == 0)
		i++;
	return i;
}

static void read_process(struct process *p, const struct vmv_root *root, uint32_t pid)
{
	struct vmv_process_sample stat;
	char path[24];
	ssize_t n;

	*p = (struct process){ .pid = pid };
	p->is_gone = vmv_process_stat(root, pid, &stat, NULL) < 0;
	if (p->is_gone)
		return;
	memcpy(p->comm, stat.comm, sizeof(p->comm));
	(void)snprintf(path, sizeof(path), "%u/exe", pid);
	n = readlinkat(root->proc, path, p->exe, sizeof(p->exe) - 1);
	/* a path that does not fit is unknown, not another one */
	p->exe[n > 0 && (size_t)n < sizeof(p->exe) - 1 ? n : 0] = '\0';
}

static void show_owner(struct port_state *st, const struct vmv_root *root, uint32_t pid,
		       struct vmv_port_sample *s)
{
	if (pid == 0)
		return;
	if (st->process.pid != pid)
		read_process(&st->process, root, pid);
	if (st->process.is_gone)
		return; /* it ended meanwhile */
	s->pid = pid;
	memcpy(s->comm, st->process.comm, sizeof(s->comm));
	memcpy(s->exe, st->process.exe, sizeof(s->exe));
}

static int deliver(struct port_state *st, const struct vmv_root *root, const struct listener *l,
		   size_t n, struct vmv_sink *sink)
{
	struct vmv_port_sample s = { .port = l->port, .pid = VMV_UNSET };
	const struct listener *owned = l;
	uint32_t lowest = 0;
	char id[16];

	memcpy(s.protocol, l->proto == TCP ? "tcp" : "udp", sizeof(s.protocol));
	for (size_t i = 0; i < n; i++) {
		uint32_t pid = vmv_owners_pid(st->owners, l[i].inode);

		s.connections += l[i].connections;
		if (pid == 0 || (lowest != 0 && pid >= lowest))
			continue;
		lowest = pid;
		owned = &l[i];
	}
	show_owner(st, root, lowest, &s);
	s.uid = owned->uid;
	(void)snprintf(s.unit, sizeof(s.unit), "%s",
		       vmv_cgroup_ids_unit(st->cgroups, owned->cgroup));
	(void)snprintf(id, sizeof(id), "%s:%u", s.protocol, l->port);
	return sink->row(sink, id, &s);
}

static int emit(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		struct vmv_err *err)
{
	int r;

	(void)err;
	for (size_t n = 0; st->at < st->n_listeners; n++) {
		const struct listener *l = &st->listeners[st->at];
		size_t run = port_run(l, st->n_listeners - st->at);

		if (n == VMV_SCAN_SLICE)
			return VMV_MORE;
		r = deliver(st, root, l, run, sink);
		if (r < 0)
			return r;
		st->at += run;
	}
	return 0;
}

typedef int phase_fn(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err);

static phase_fn *const phases[] = {
	collect_tcp,   pause_turn,	  collect_udp,	 pause_if_many, arrange,      pause_if_many,
	recall_owners, count_connections, pause_if_many, find_owners,	find_cgroups, pause_if_many,
	emit,
};

/* The reading is over; what is known stays, and arrays unless a rush made them large. */
static void finish(struct port_state *st)
{
	vmv_walk_rest(st->shared.walk);
	vmv_owners_rest(st->owners);
	vmv_cgroup_ids_rest(st->cgroups);
	st->phase = 0;
	st->at = 0;
	st->states = 0;
	st->process.pid = 0;
	if (st->cap_listeners > KEPT_MAX / sizeof(*st->listeners)) {
		free(VMV_TAKE(st->listeners, NULL));
		st->cap_listeners = 0;
	}
	if (st->cap_established > KEPT_MAX / sizeof(*st->established)) {
		free(VMV_TAKE(st->established, NULL));
		st->cap_established = 0;
	}
}

static void port_close(void *state)
{
	struct port_state *st = state;

	if (!st)
		return;
	vmv_walk_free(st->shared.walk);
	vmv_owners_free(st->owners);
	vmv_cgroup_ids_free(st->cgroups);
	vmv_closep(&st->snmp);
	free(st->listeners);
	free(st->established);
	free(st);
}

static void *port_open(const struct vmv_root *root)
{
	struct port_state *st = calloc(1, sizeof(*st));

	(void)root;
	if (!st)
		return NULL;
	st->snmp = -1;
	/* both groups are read by default: taken for granted until a reading shows otherwise */
	st->shared.is_wanted = true;
	st->shared.walk = vmv_walk_new();
	st->owners = vmv_owners_new();
	st->cgroups = vmv_cgroup_ids_new();
	if (st->shared.walk && st->owners && st->cgroups)
		return st;
	port_close(st);
	return NULL;
}

struct vmv_tcp_shared *vmv_port_shared(void *state)
{
	struct port_state *st = state;

	return &st->shared;
}

static int port_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct port_state *st = state;
	int r;

	if (st->reading != sink->reading)
		finish(st); /* the one before may have been given up in its midst */
	st->reading = sink->reading;
	do {
		r = phases[st->phase](st, root, sink, err);
		if (r == 0) {
			st->phase++;
			st->at = 0;
		}
	} while (r == 0 && st->phase < VMV_COUNTOF(phases));
	if (r != VMV_MORE)
		finish(st);
	return r;
}

const struct vmv_collector vmv_collector_port = {
	.name = "port",
	.help = "Ports that wait for connections or datagrams, and who owns them.",
	.file = "sock_diag, else /proc/net/tcp, tcp6, udp, udp6; /proc/PID/fd",
	.key = "port",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_port_sample),
	.min_period_ms = 5000,
	.is_default = true,
	.open = port_open,
	.close = port_close,
	.read = port_read,
};
