#include "collectors/socket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/process.h"

#define TABLE_MAX    (64 * VMV_MIB) /* about 400 000 sockets; beyond it the reading fails */
#define TABLE_KEPT   (64 * VMV_KIB) /* a larger buffer is given back after the reading */
#define ARRAY_START  32
#define LINKS_SLICE  2048   /* descriptors of processes looked at per turn */
#define ASK_AGAIN_MS 600000 /* search again for owners that were not visible */

#define NO_INODE 0

enum {
	STATE_ESTABLISHED = 1,
	STATE_CLOSE = 7,
	STATE_LISTEN = 10,
};

#define S struct vmv_port_sample

static const struct vmv_field fields[] = {
	VMV_FIELD(S, protocol, "protocol", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/proc/net/tcp, udp",
		  "Transport protocol, tcp or udp."),
	VMV_FIELD(S, comm, "name", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/proc/PID/stat comm",
		  "Name of the process that owns the port."),
	VMV_FIELD(S, exe, "exe", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/proc/PID/exe",
		  "Program file of the process that owns the port."),
	VMV_FIELD(S, connections, "vmvitals_port_connections", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "/proc/net/tcp st", "Established TCP connections on the port; 0 for UDP."),
	VMV_FIELD(S, port, "vmvitals_port_number", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "/proc/net/tcp local_address", "Number of the port."),
	VMV_FIELD(S, pid, "vmvitals_port_owner_pid", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "/proc/PID/fd", "Pid of the process that owns the port, the lowest of several."),
};

#undef S

struct table {
	const char *path; /* below /proc */
	enum vmv_socket_proto proto;
	bool is_optional; /* IPv6 and UDP may be compiled out or turned off */
};

static const struct table tables[] = {
	{ "net/tcp", VMV_TCP, false },
	{ "net/tcp6", VMV_TCP, true },
	{ "net/udp", VMV_UDP, true },
	{ "net/udp6", VMV_UDP, true },
};

/* One listening socket. Several may share a port: IPv4 and IPv6, SO_REUSEPORT. */
struct listener {
	uint64_t inode;
	uint32_t connections; /* counted in one of the sockets that share the port */
	uint16_t port;
	uint8_t proto; /* enum vmv_socket_proto */
};

/* What is known about the owner of one listening socket. */
struct owner {
	uint64_t inode;
	uint64_t searched_ms; /* when nobody was found */
	uint32_t pid;	      /* 0: nobody found */
	int fd;		      /* the socket's number in that process */
	bool is_searched;
};

struct port_state {
	size_t phase; /* index of phases[] */
	size_t at;    /* how far the phase has come */

	char *text;
	size_t text_cap;
	enum vmv_socket_proto proto; /* of the text */
	struct listener *listeners;  /* by protocol, port, inode */
	size_t n_listeners, cap_listeners;
	uint16_t *established; /* local ports */
	size_t n_established, cap_established;

	struct owner *owners; /* by inode; kept between readings */
	size_t n_owners;

	bool is_searching;
	size_t n_missing; /* owners without a pid, while searching */
	struct vmv_pids pids;
	DIR *fds; /* of pids.pid[at], when a turn ended in the midst of it */
};

/* Column helpers: each expects its column at *at and leaves *at behind it. */

static bool skip_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool skip_column(const char **at)
{
	size_t blanks = strspn(*at, " ");
	size_t len = strcspn(*at + blanks, " \n");

	*at += blanks + len;
	return len > 0;
}

static bool take_decimal(const char **at, uint64_t *ret)
{
	*at += strspn(*at, " ");
	return vmv_parse_u64(*at, ret, at) == 0 && (**at == ' ' || **at == '\n');
}

/* "0100007F:0016", IPv6 with 32 digits. */
static bool take_address(const char **at, bool *ret_is_any, uint16_t *ret_port)
{
	const char *s = *at + strspn(*at, " ");
	size_t len = strspn(s, "0123456789ABCDEFabcdef");
	uint64_t port;

	if ((len != 8 && len != 32) || s[len] != ':')
		return false;
	*ret_is_any = strspn(s, "0") == len;
	if (vmv_parse_hex(s + len + 1, &port, at) < 0 || port > UINT16_MAX || **at != ' ')
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

/* "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0
 * 1210 1 ...": slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode. */
static bool take_line(const char *s, struct vmv_socket_line *ret)
{
	bool is_any;
	uint64_t n;

	s += strspn(s, " ");
	if (vmv_parse_u64(s, &n, &s) < 0 || !skip_char(&s, ':'))
		return false;
	if (!take_address(&s, &is_any, &ret->local_port) ||
	    !take_address(&s, &is_any, &ret->remote_port))
		return false;
	ret->has_peer = !is_any || ret->remote_port != 0;
	s++;
	if (vmv_parse_hex(s, &n, &s) < 0 || n > UINT8_MAX || *s != ' ')
		return false;
	ret->state = (unsigned)n;
	return skip_column(&s) && skip_column(&s) && skip_column(&s) &&
	       take_decimal(&s, &ret->uid) && skip_column(&s) && take_decimal(&s, &ret->inode);
}

int vmv_socket_parse(const char *text, vmv_socket_row *row, void *arg, struct vmv_err *err)
{
	const char *nl = strchr(text, '\n');
	int r;

	if (!nl || strncmp(text + strspn(text, " "), "sl ", 3) != 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "socket table: no headings");
	for (const char *line = nl + 1; *line; line = nl + 1) {
		struct vmv_socket_line l;

		nl = strchr(line, '\n');
		if (!nl || !take_line(line, &l))
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "socket table: malformed line");
		r = row(arg, &l);
		if (r < 0)
			return r;
	}
	return 0;
}

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

static int add_listener(struct port_state *st, const struct vmv_socket_line *line)
{
	struct listener *l =
		make_room(st->listeners, st->n_listeners, &st->cap_listeners, sizeof(*l));

	if (!l)
		return -ENOMEM;
	st->listeners = l;
	l[st->n_listeners++] = (struct listener){
		.proto = (uint8_t)st->proto,
		.port = line->local_port,
		.inode = line->inode,
	};
	return 0;
}

static int add_established(struct port_state *st, uint16_t port)
{
	uint16_t *ports =
		make_room(st->established, st->n_established, &st->cap_established, sizeof(*ports));

	if (!ports)
		return -ENOMEM;
	st->established = ports;
	ports[st->n_established++] = port;
	return 0;
}

static bool is_listening(const struct port_state *st, const struct vmv_socket_line *line)
{
	if (line->local_port == 0)
		return false;
	if (st->proto == VMV_TCP)
		return line->state == STATE_LISTEN;
	return line->state == STATE_CLOSE && !line->has_peer;
}

static int take_socket(void *arg, const struct vmv_socket_line *line)
{
	struct port_state *st = arg;

	if (is_listening(st, line))
		return st->n_listeners < VMV_SOCKETS_MAX ? add_listener(st, line) : 0;
	if (st->proto == VMV_TCP && line->state == STATE_ESTABLISHED)
		return st->n_established < VMV_SOCKETS_MAX ? add_established(st, line->local_port)
							   : 0;
	return 0;
}

static int read_table(struct port_state *st, const struct vmv_root *root, const struct table *t,
		      struct vmv_err *err)
{
	int r = vmv_read_table_at(root->proc, t->path, &st->text, &st->text_cap, TABLE_MAX);

	if (r == -ENOENT && t->is_optional)
		return 0;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read '/proc/%s': %s", t->path,
				strerror(-r));
	st->proto = t->proto;
	r = vmv_socket_parse(st->text, take_socket, st, err);
	return r == -ENOMEM ? vmv_fail(err, VMV_E_IO, ENOMEM, "no memory for the ports") : r;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static uint64_t port_key(const struct listener *l)
{
	return (uint64_t)l->proto << 16 | l->port;
}

static int by_port(const void *a, const void *b)
{
	const struct listener *x = a;
	const struct listener *y = b;

	return compare(port_key(x), port_key(y));
}

static int by_port_and_inode(const void *a, const void *b)
{
	const struct listener *x = a;
	const struct listener *y = b;
	int r = by_port(a, b);

	return r ? r : compare(x->inode, y->inode);
}

static int by_inode(const void *a, const void *b)
{
	const struct owner *x = a;
	const struct owner *y = b;

	return compare(x->inode, y->inode);
}

static struct owner *find_owner(const struct port_state *st, uint64_t inode)
{
	struct owner key = { .inode = inode };

	if (st->n_owners == 0)
		return NULL;
	return bsearch(&key, st->owners, st->n_owners, sizeof(key), by_inode);
}

static void count_connections(struct port_state *st)
{
	for (size_t i = 0; i < st->n_established && st->n_listeners > 0; i++) {
		struct listener key = { .proto = VMV_TCP, .port = st->established[i] };
		struct listener *l =
			bsearch(&key, st->listeners, st->n_listeners, sizeof(key), by_port);

		if (l)
			l->connections++;
	}
}

/* Makes the owners those of the sockets that listen now, with what was known about them. */
static int renew_owners(struct port_state *st)
{
	vmv_autofree struct owner *owners = calloc(st->n_listeners + 1, sizeof(*owners));
	const struct owner *known;
	size_t n = 0;

	if (!owners)
		return -ENOMEM;
	for (size_t i = 0; i < st->n_listeners; i++) {
		known = find_owner(st, st->listeners[i].inode);
		owners[i] = known ? *known : (struct owner){ .inode = st->listeners[i].inode };
	}
	qsort(owners, st->n_listeners, sizeof(*owners), by_inode);
	for (size_t i = 0; i < st->n_listeners; i++)
		if (owners[i].inode != (n ? owners[n - 1].inode : NO_INODE))
			owners[n++] = owners[i];
	free(st->owners);
	st->owners = VMV_TAKE(owners, NULL);
	st->n_owners = n;
	return 0;
}

/* Phase 1: which sockets listen. One table a turn: the kernel walks hash tables that grow with the
 * machine's memory, which takes milliseconds. */
static int collect(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		   struct vmv_err *err)
{
	int r;

	(void)sink;
	if (st->at == 0)
		st->n_listeners = st->n_established = 0;
	r = read_table(st, root, &tables[st->at], err);
	if (r < 0)
		return r;
	if (++st->at < VMV_COUNTOF(tables))
		return VMV_MORE;
	if (st->n_listeners > 1)
		qsort(st->listeners, st->n_listeners, sizeof(*st->listeners), by_port_and_inode);
	count_connections(st);
	r = renew_owners(st);
	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "no memory for the ports") : 0;
}

/* The inode that PID/fd/N leads to; NO_INODE when that is no socket or cannot be read. */
static uint64_t socket_inode(int dir, const char *path)
{
	static const char prefix[] = "socket:[";
	char target[64];
	uint64_t inode;
	ssize_t n = readlinkat(dir, path, target, sizeof(target) - 1);

	if (n < 0)
		return NO_INODE;
	target[n] = '\0';
	if (strncmp(target, prefix, sizeof(prefix) - 1) != 0 ||
	    vmv_parse_u64(target + sizeof(prefix) - 1, &inode, NULL) < 0)
		return NO_INODE;
	return inode;
}

static bool still_owns(const struct vmv_root *root, const struct owner *o)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "%u/fd/%d", o->pid, o->fd);
	return socket_inode(root->proc, path) == o->inode;
}

/* Phase 2: are the known owners still right? That a process of this number has the very socket
 * open says more than the time it started: it may have closed the socket since. */
static int check(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		 struct vmv_err *err)
{
	(void)sink;
	(void)err;
	for (size_t n = 0; st->at < st->n_owners; st->at++, n++) {
		struct owner *o = &st->owners[st->at];

		if (n == VMV_SCAN_SLICE)
			return VMV_MORE;
		if (o->pid && !still_owns(root, o)) {
			o->pid = 0;
			o->is_searched = false;
		}
	}
	return 0;
}

static bool needs_search(const struct port_state *st)
{
	uint64_t now = vmv_mono_ms(&vmv_clock_system);

	for (size_t i = 0; i < st->n_owners; i++) {
		const struct owner *o = &st->owners[i];

		if (!o->is_searched || (o->pid == 0 && now - o->searched_ms >= ASK_AGAIN_MS))
			return true;
	}
	return false;
}

static size_t count_missing(const struct port_state *st)
{
	size_t n = 0;

	for (size_t i = 0; i < st->n_owners; i++)
		n += st->owners[i].pid == 0;
	return n;
}

static void finish_search(struct port_state *st)
{
	uint64_t now = vmv_mono_ms(&vmv_clock_system);

	for (size_t i = 0; i < st->n_owners; i++) {
		struct owner *o = &st->owners[i];

		o->is_searched = true;
		if (o->pid == 0)
			o->searched_ms = now;
	}
	vmv_pids_done(&st->pids);
	st->is_searching = false;
}

/* Returns 0 with st->fds still NULL when this process is not ours to look into. */
static int open_fds(struct port_state *st, const struct vmv_root *root, uint32_t pid,
		    struct vmv_err *err)
{
	vmv_autoclose int fd = -1;
	char path[24];
	int r;

	(void)snprintf(path, sizeof(path), "%u/fd", pid);
	fd = openat(root->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	st->fds = fd < 0 ? NULL : fdopendir(fd);
	r = st->fds ? 0 : -errno;
	if (vmv_process_is_gone(r))
		return 0;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot list '/proc/%s': %s", path,
				strerror(-r));
	(void)VMV_TAKE(fd, -1);
	return 0;
}

static void take_fd(struct port_state *st, const char *name, uint32_t pid)
{
	const char *end;
	struct owner *o;
	uint64_t fd;

	if (vmv_parse_u64(name, &fd, &end) < 0 || *end || fd > INT32_MAX)
		return;
	o = find_owner(st, socket_inode(dirfd(st->fds), name));
	if (!o || o->pid)
		return; /* pids come in ascending order: the first one stays */
	st->n_missing--;
	o->pid = pid;
	o->fd = (int)fd;
	o->is_searched = true;
}

/* Looks through the descriptors of one process. VMV_MORE when *links ran out; then the next
 * call goes on with it. */
static int search_process(struct port_state *st, const struct vmv_root *root, uint32_t pid,
			  unsigned *links, struct vmv_err *err)
{
	const struct dirent *d;

	if (!st->fds) {
		int r = open_fds(st, root, pid, err);

		if (r < 0 || !st->fds)
			return r;
	}
	while ((d = readdir(st->fds))) { /* an error is the process's end: it is left alone */
		take_fd(st, d->d_name, pid);
		if (--*links == 0)
			return VMV_MORE;
	}
	vmv_closedirp(&st->fds);
	st->fds = NULL;
	return 0;
}

/* Phase 3: one walk through all descriptors of all processes, for all sockets whose owner is
 * not known; only when there is one that was not searched for lately. */
static int search(struct port_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		  struct vmv_err *err)
{
	unsigned links = LINKS_SLICE;
	int r;

	(void)sink;
	if (!st->is_searching) {
		if (!needs_search(st))
			return 0;
		r = vmv_pids_read(&st->pids, root, err);
		if (r < 0)
			return r;
		st->n_missing = count_missing(st);
		st->is_searching = true;
	}
	for (size_t n = 0; st->at < st->pids.n && st->n_missing > 0; st->at++, n++) {
		if (n == VMV_SCAN_SLICE)
			return VMV_MORE;
		r = search_process(st, root, st->pids.pid[st->at], &links, err);
		if (r != 0)
			return r;
	}
	finish_search(st);
	return 0;
}

/* The number of listeners from l on that share its port, at most n. */
static size_t port_run(const struct listener *l, size_t n)
{
	size_t i = 1;

	while (i < n && by_port(&l[0], &l[i]) == 0)
		i++;
	return i;
}

static void read_owner(const struct vmv_root *root, uint32_t pid, struct vmv_port_sample *s)
{
	struct vmv_process_sample p;
	char path[24];
	ssize_t n;

	if (vmv_process_stat(root, pid, &p, NULL) < 0)
		return; /* it ended meanwhile */
	s->pid = pid;
	memcpy(s->comm, p.comm, sizeof(s->comm));
	(void)snprintf(path, sizeof(path), "%u/exe", pid);
	n = readlinkat(root->proc, path, s->exe, sizeof(s->exe) - 1);
	/* a path that does not fit is unknown, not another one */
	s->exe[n > 0 && (size_t)n < sizeof(s->exe) - 1 ? n : 0] = '\0';
}

static int deliver(const struct port_state *st, const struct vmv_root *root,
		   const struct listener *l, size_t n, struct vmv_sink *sink)
{
	struct vmv_port_sample s = { .port = l->port, .pid = VMV_UNSET };
	uint32_t pid = 0;
	char id[16];

	memcpy(s.protocol, l->proto == VMV_TCP ? "tcp" : "udp", sizeof(s.protocol));
	for (size_t i = 0; i < n; i++) {
		const struct owner *o = find_owner(st, l[i].inode);

		s.connections += l[i].connections;
		if (o && o->pid && (!pid || o->pid < pid))
			pid = o->pid;
	}
	if (pid)
		read_owner(root, pid, &s);
	(void)snprintf(id, sizeof(id), "%s:%u", s.protocol, l->port);
	return sink->row(sink, id, &s);
}

/* Phase 4: the rows. */
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

static phase_fn *const phases[] = { collect, check, search, emit };

/* The reading is over; owners stay, and buffers unless a rush made them large. */
static void finish(struct port_state *st)
{
	vmv_closedirp(&st->fds);
	st->fds = NULL;
	vmv_pids_done(&st->pids);
	st->is_searching = false;
	st->phase = 0;
	st->at = 0;
	if (st->text_cap > TABLE_KEPT) {
		free(VMV_TAKE(st->text, NULL));
		st->text_cap = 0;
	}
	if (st->cap_established > TABLE_KEPT / sizeof(*st->established)) {
		free(VMV_TAKE(st->established, NULL));
		st->cap_established = 0;
	}
}

static void *port_open(const struct vmv_root *root)
{
	(void)root;
	return calloc(1, sizeof(struct port_state));
}

static void port_close(void *state)
{
	struct port_state *st = state;

	if (!st)
		return;
	finish(st);
	free(st->text);
	free(st->listeners);
	free(st->established);
	free(st->owners);
	free(st);
}

static int port_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct port_state *st = state;
	int r;

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
	.file = "/proc/net/tcp, tcp6, udp, udp6",
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
