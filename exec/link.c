#include "exec/link.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIECE_MAX      (32 * VMV_KIB) /* of a line in one packet */
#define PACKETS_BUDGET 64	      /* per turn of the loop */
#define KEPT_BUFFER    (64 * VMV_KIB)
#define LAST	       '.'
#define MORE	       '+'

struct piece {
	struct piece *next;
	size_t len;
	char data[]; /* with the flag */
};

struct vmv_link {
	const struct vmv_link_calls *calls;
	void *arg;
	int fd;
	struct event *readable, *writable;
	struct vmv_buf line; /* what has come of the line under way */
	struct piece *first, **last;
	size_t queued;
	int failure; /* negative errno: to be told when the loop goes on */
	bool is_lost;
	bool *is_freed; /* set by free() when a callback is under way */
	char packet[1 + PIECE_MAX + 1];
};

static void lose(struct vmv_link *l, int error)
{
	if (l->is_lost)
		return;
	l->is_lost = true;
	(void)event_del(l->readable);
	(void)event_del(l->writable);
	l->calls->lost(l->arg, error);
}

/* -- in -----------------------------------------------------------------------------------------
 */

/* Returns false when the link is gone or lost. */
static bool give_line(struct vmv_link *l)
{
	bool is_freed = false;
	int r = vmv_buf_add(&l->line, "", 1);

	if (r < 0) {
		lose(l, r == -EFBIG ? -EMSGSIZE : r);
		return false;
	}
	l->is_freed = &is_freed;
	l->calls->line(l->arg, l->line.data, l->line.len - 1);
	if (is_freed)
		return false;
	l->is_freed = NULL;
	vmv_buf_clear(&l->line, KEPT_BUFFER);
	return !l->is_lost;
}

static bool take_packet(struct vmv_link *l, size_t len)
{
	char flag = l->packet[0];
	int r;

	if (len > 1 + PIECE_MAX || (flag != LAST && flag != MORE)) {
		lose(l, -EPROTO);
		return false;
	}
	r = vmv_buf_add(&l->line, l->packet + 1, len - 1);
	if (r < 0) {
		lose(l, r == -EFBIG ? -EMSGSIZE : r);
		return false;
	}
	return flag == MORE || give_line(l);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_link *l = arg;
	bool goes_on = true;

	(void)what;
	for (int budget = PACKETS_BUDGET; goes_on && budget > 0; budget--) {
		ssize_t n = recv((int)fd, l->packet, sizeof(l->packet), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			lose(l, n < 0 ? -errno : 0);
			return;
		}
		goes_on = take_packet(l, (size_t)n) && event_pending(l->readable, EV_READ, NULL);
	}
}

/* -- out ----------------------------------------------------------------------------------------
 */

/* As much as goes without blocking, and within the budget, since the other end may take it as fast
 * as it is given. Returns 0, or negative errno when the other end is gone. */
static int flush(struct vmv_link *l, unsigned budget)
{
	for (; l->first && budget > 0; budget--) {
		struct piece *p = l->first;

		if (send(l->fd, p->data, p->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
		l->first = p->next;
		if (!l->first)
			l->last = &l->first;
		l->queued -= p->len;
		free(p);
	}
	if (!l->first)
		(void)event_del(l->writable);
	return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_link *l = arg;
	int r = l->failure < 0 ? l->failure : flush(l, PACKETS_BUDGET);

	(void)fd;
	(void)what;
	if (r < 0)
		lose(l, r == -EPIPE || r == -ECONNRESET ? 0 : r);
	else if (!l->first && l->calls->drained)
		l->calls->drained(l->arg);
}

static struct piece *piece_new(const char *data, size_t len, bool is_last)
{
	struct piece *p = malloc(sizeof(*p) + 1 + len);

	if (!p)
		return NULL;
	p->next = NULL;
	p->len = 1 + len;
	p->data[0] = is_last ? LAST : MORE;
	memcpy(p->data + 1, data, len);
	return p;
}

static void pieces_free(struct piece *p)
{
	while (p) {
		struct piece *next = p->next;

		free(p);
		p = next;
	}
}

int vmv_link_send(struct vmv_link *l, const char *line, size_t len)
{
	struct piece *first = NULL, **at = &first;
	size_t total = 0;

	if (l->is_lost)
		return 0; /* lost() has said so */
	for (size_t off = 0; off == 0 || off < len; off += PIECE_MAX) {
		size_t n = len - off < PIECE_MAX ? len - off : PIECE_MAX;

		*at = piece_new(line + off, n, off + n == len);
		if (!*at) {
			pieces_free(first);
			return -ENOMEM;
		}
		total += (*at)->len;
		at = &(*at)->next;
	}
	*l->last = first;
	l->last = at;
	l->queued += total;
	(void)event_add(l->writable, NULL);
	return 0;
}

void vmv_link_fail(struct vmv_link *l, int error)
{
	if (l->is_lost || l->failure < 0)
		return;
	l->failure = error;
	(void)event_del(l->readable);
	event_active(l->writable, EV_WRITE, 0);
}

size_t vmv_link_queued(const struct vmv_link *l)
{
	return l->queued;
}

void vmv_link_pause(struct vmv_link *l, bool is_paused)
{
	if (l->is_lost || l->failure < 0)
		return;
	if (is_paused)
		(void)event_del(l->readable);
	else
		(void)event_add(l->readable, NULL);
}

/* -- life ---------------------------------------------------------------------------------------
 */

int vmv_link_new(struct vmv_link **ret, struct event_base *base, int fd, size_t line_max,
		 const struct vmv_link_calls *calls, void *arg)
{
	struct vmv_link *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->calls = calls;
	l->arg = arg;
	l->fd = -1;
	l->line.max = line_max + 1;
	l->last = &l->first;
	l->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, l);
	l->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, l);
	if (!l->readable || !l->writable || evutil_make_socket_nonblocking(fd) < 0 ||
	    event_add(l->readable, NULL) < 0) {
		vmv_link_free(l);
		return -ENOMEM;
	}
	l->fd = fd;
	*ret = l;
	return 0;
}

int vmv_link_connect(struct vmv_link **ret, struct event_base *base, const char *path,
		     size_t line_max, const struct vmv_link_calls *calls, void *arg)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	vmv_autoclose int fd = -1;
	int r;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	r = vmv_link_new(ret, base, fd, line_max, calls, arg);
	if (r == 0)
		fd = -1;
	return r;
}

void vmv_link_free(struct vmv_link *l)
{
	if (!l)
		return;
	if (l->is_freed)
		*l->is_freed = true;
	if (l->fd >= 0 && !l->is_lost)
		(void)flush(l, UINT_MAX);
	if (l->readable)
		event_free(l->readable);
	if (l->writable)
		event_free(l->writable);
	pieces_free(l->first);
	vmv_buf_free(&l->line);
	vmv_closep(&l->fd);
	free(l);
}
