#include "collectors/walk.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/collector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_MAX    (64 * VMV_MIB) /* about 400 000 sockets; beyond it the reading fails */
#define TABLE_KEPT   (64 * VMV_KIB) /* a larger buffer is given back after the reading */
#define TURN_SOCKETS 100	    /* netlink: a turn ends with the buffer that reaches it */
#define REFUSED_MS   600000	    /* then netlink is tried again */

struct table {
	const char *path; /* below /proc */
	bool is_optional; /* IPv6 and UDP may be compiled out or turned off */
};

struct protocol {
	enum vmv_diag_what dumps[2];
	size_t n_dumps;
	struct table tables[2];
};

enum { TCP, UDP, N_PROTOCOLS };

static const struct protocol protocols[N_PROTOCOLS] = {
	[TCP] = { .dumps = { VMV_DIAG_TCP },
		  .n_dumps = 1,
		  .tables = { { "net/tcp", false }, { "net/tcp6", true } } },
	[UDP] = { .dumps = { VMV_DIAG_UDP4, VMV_DIAG_UDP6 },
		  .n_dumps = 2,
		  .tables = { { "net/udp", true }, { "net/udp6", true } } },
};

struct vmv_walk {
	struct vmv_diag *diag; /* NULL until it is needed, and after an error */
	struct {
		bool is_refused;
		uint64_t since_ms;
	} netlink[N_PROTOCOLS];
	char *text;
	size_t text_cap;

	/* The walk under way. */
	const void *user; /* who walks: their arg; NULL: nobody */
	unsigned protocol;
	size_t at; /* index of dumps[] or tables[] */
	bool is_diag;
	bool is_asked; /* replies are to come */
	bool is_interrupted, is_second;
};

/* One who walks, for the functions below. */
struct walker {
	const struct vmv_root *root;
	uint32_t states;
	vmv_socket_row *row;
	void *arg;
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

/* "0A 00000000:00000000": state, bytes to send, bytes to read. */
static bool take_state(const char **at, struct vmv_socket_line *ret)
{
	uint64_t state;

	*at += strspn(*at, " ");
	if (vmv_parse_hex(*at, &state, at) < 0 || state > UINT8_MAX || !skip_char(at, ' '))
		return false;
	ret->state = (unsigned)state;
	return vmv_parse_hex(*at, &ret->tx_queue, at) == 0 && skip_char(at, ':') &&
	       vmv_parse_hex(*at, &ret->rx_queue, at) == 0 && **at == ' ';
}

/* "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0
 * 1210 1 ...": slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode. */
static bool take_line(const char *s, struct vmv_socket_line *ret)
{
	bool is_any;
	uint64_t n;

	*ret = (struct vmv_socket_line){ 0 };
	s += strspn(s, " ");
	if (vmv_parse_u64(s, &n, &s) < 0 || !skip_char(&s, ':'))
		return false;
	if (!take_address(&s, &is_any, &ret->local_port) ||
	    !take_address(&s, &is_any, &ret->remote_port))
		return false;
	ret->has_peer = !is_any || ret->remote_port != 0;
	return take_state(&s, ret) && skip_column(&s) && skip_column(&s) &&
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

struct vmv_walk *vmv_walk_new(void)
{
	return calloc(1, sizeof(struct vmv_walk));
}

static void drop_diag(struct vmv_walk *w)
{
	vmv_diag_free(VMV_TAKE(w->diag, NULL));
	w->is_asked = false;
}

void vmv_walk_free(struct vmv_walk *w)
{
	if (!w)
		return;
	drop_diag(w);
	free(w->text);
	free(w);
}

void vmv_walk_rest(struct vmv_walk *w)
{
	if (w->is_asked)
		drop_diag(w); /* replies that nobody will take */
	w->user = NULL;
	if (w->text_cap <= TABLE_KEPT)
		return;
	free(VMV_TAKE(w->text, NULL));
	w->text_cap = 0;
}

/* -- netlink ------------------------------------------------------------------------------- */

static bool may_use_diag(const struct vmv_walk *w, const struct vmv_root *root, unsigned protocol)
{
	return root->is_live &&
	       (!w->netlink[protocol].is_refused ||
		vmv_mono_ms(&vmv_clock_system) - w->netlink[protocol].since_ms >= REFUSED_MS);
}

static int restart(struct vmv_walk *w, const struct walker *by)
{
	w->at = 0;
	w->is_interrupted = false;
	return by->row(by->arg, NULL);
}

/* True for what would fail the tables, too. All else says that netlink is not to be had here:
 * no such family, protocol or module, a sandbox, replies that make no sense. */
static bool is_shortage(int r)
{
	return r == -ENOMEM || r == -ENOBUFS || r == -EMFILE || r == -ENFILE;
}

static int fall_back(struct vmv_walk *w, const struct walker *by)
{
	int r;

	w->netlink[w->protocol].is_refused = true;
	w->netlink[w->protocol].since_ms = vmv_mono_ms(&vmv_clock_system);
	w->is_diag = false;
	r = restart(w, by);
	return r < 0 ? r : VMV_MORE;
}

static int ask(struct vmv_walk *w, const struct walker *by, struct vmv_err *err)
{
	int r;

	if (w->is_asked)
		return 0;
	if (!w->diag) {
		r = vmv_diag_open(&w->diag, err);
		if (r < 0)
			return r;
	}
	r = vmv_diag_start(w->diag, protocols[w->protocol].dumps[w->at], by->states, err);
	w->is_asked = r == 0;
	return r;
}

/* The end of one dump. One that was interrupted is tried once more; where sockets come and go
 * without pause, the second may be no better and is taken as it is. */
static int end_dump(struct vmv_walk *w, const struct walker *by)
{
	int r;

	w->is_asked = false;
	if (w->is_interrupted && !w->is_second) {
		w->is_second = true;
		r = restart(w, by);
		return r < 0 ? r : VMV_MORE;
	}
	w->at++;
	return 0;
}

static int turn_of_diag(struct vmv_walk *w, const struct walker *by, struct vmv_err *err)
{
	struct vmv_diag_replies replies;
	size_t n = 0;
	int r;

	while (w->at < protocols[w->protocol].n_dumps) {
		if (n >= TURN_SOCKETS)
			return VMV_MORE;
		r = ask(w, by, err);
		if (r < 0)
			return r;
		r = vmv_diag_next(w->diag, by->row, by->arg, &replies, err);
		if (r < 0)
			return r;
		n += replies.n;
		w->is_interrupted |= replies.is_interrupted;
		r = replies.is_end ? end_dump(w, by) : 0;
		if (r != 0)
			return r;
	}
	return 0;
}

static int use_diag(struct vmv_walk *w, const struct walker *by, struct vmv_err *err)
{
	struct vmv_err why = { 0 };
	int r = turn_of_diag(w, by, &why);

	if (r >= 0)
		return r;
	drop_diag(w);
	if (!is_shortage(r))
		return fall_back(w, by);
	return why.code == VMV_OK ? r : vmv_fail(err, why.code, -r, "%s", why.msg);
}

/* -- tables -------------------------------------------------------------------------------- */

static int read_table(struct vmv_walk *w, const struct walker *by, const struct table *t,
		      struct vmv_err *err)
{
	int r = vmv_read_table_at(by->root->proc, t->path, &w->text, &w->text_cap, TABLE_MAX);

	if (r == -ENOENT && t->is_optional)
		return 0;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read '/proc/%s': %s", t->path,
				strerror(-r));
	return vmv_socket_parse(w->text, by->row, by->arg, err);
}

/* One a turn: the kernel walks hash tables that grow with the machine's memory, which takes
 * milliseconds. */
static int turn_of_tables(struct vmv_walk *w, const struct walker *by, struct vmv_err *err)
{
	const struct protocol *p = &protocols[w->protocol];
	int r = read_table(w, by, &p->tables[w->at], err);

	if (r < 0)
		return r;
	return ++w->at < VMV_COUNTOF(p->tables) ? VMV_MORE : 0;
}

/* -- both ---------------------------------------------------------------------------------- */

static int begin(struct vmv_walk *w, const struct walker *by, unsigned protocol)
{
	if (w->is_asked)
		drop_diag(w); /* replies to somebody else */
	w->user = by->arg;
	w->protocol = protocol;
	w->is_diag = may_use_diag(w, by->root, protocol);
	w->is_second = false;
	return restart(w, by);
}

static int walk(struct vmv_walk *w, const struct walker *by, unsigned protocol, struct vmv_err *err)
{
	int r = 0;

	if (w->user != by->arg || w->protocol != protocol)
		r = begin(w, by, protocol);
	if (r == 0)
		r = w->is_diag ? use_diag(w, by, err) : turn_of_tables(w, by, err);
	if (r != VMV_MORE)
		w->user = NULL;
	return r;
}

int vmv_walk_tcp(struct vmv_walk *w, const struct vmv_root *root, uint32_t states,
		 vmv_socket_row *row, void *arg, struct vmv_err *err)
{
	struct walker by = { .root = root, .states = states, .row = row, .arg = arg };

	return walk(w, &by, TCP, err);
}

int vmv_walk_udp(struct vmv_walk *w, const struct vmv_root *root, uint32_t states,
		 vmv_socket_row *row, void *arg, struct vmv_err *err)
{
	struct walker by = { .root = root, .states = states, .row = row, .arg = arg };

	return walk(w, &by, UDP, err);
}
