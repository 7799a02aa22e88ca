/* Messages between agent and executor: lines over a local SOCK_SEQPACKET socket. A packet is a flag
 * and a piece of a line: '+' when more of it follows, '.' when it is the last. */
#ifndef VMV_EXEC_LINK_H
#define VMV_EXEC_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct event_base;
struct vmv_link;

struct vmv_link_calls {
	/* A whole line, NUL-terminated, borrowed for the call. The link may be freed from here. */
	void (*line)(void *arg, const char *line, size_t len);
	/* The other end is gone (error 0), or not to be used any more: negative errno. Called once;
	 * the link is to be freed. */
	void (*lost)(void *arg, int error);
	/* All that was queued has been sent. The link may be freed from here. May be NULL. */
	void (*drained)(void *arg);
};

/* Takes fd, of a connected socket, when it succeeds. line_max: bytes of a line from the other end;
 * a longer one is -EMSGSIZE. Returns 0 and a new link, or -ENOMEM. */
int vmv_link_new(struct vmv_link **ret, struct event_base *base, int fd, size_t line_max,
		 const struct vmv_link_calls *calls, void *arg);

/* Connects to path and makes a link. Never blocks. Returns 0, or negative errno: -ENOENT and
 * -ECONNREFUSED: nobody is there. */
int vmv_link_connect(struct vmv_link **ret, struct event_base *base, const char *path,
		     size_t line_max, const struct vmv_link_calls *calls, void *arg);

/* Queues a line (copied). Never calls back from within. Returns 0 or -ENOMEM. */
int vmv_link_send(struct vmv_link *l, const char *line, size_t len);

/* Gives the link up: lost() comes with this negative errno, in a later turn of the loop. For a line
 * that could not be sent: who waits for it is to learn that it does not come. */
void vmv_link_fail(struct vmv_link *l, int error);

/* Bytes that are queued and not yet sent. */
size_t vmv_link_queued(const struct vmv_link *l);

/* While paused nothing is read: the other end has to wait. */
void vmv_link_pause(struct vmv_link *l, bool is_paused);

/* Sends what is queued as far as that goes without blocking, and closes. Takes NULL. */
void vmv_link_free(struct vmv_link *l);

#endif
