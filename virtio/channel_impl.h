/* The inside of a channel, for the files channel*.c only. */
#ifndef VMV_VIRTIO_CHANNEL_IMPL_H
#define VMV_VIRTIO_CHANNEL_IMPL_H

#include "base/backoff.h"
#include "virtio/channel.h"

#include <event2/event.h>

/* How transports differ. A port keeps its descriptor while hosts come and go: reading 0 bytes means
 * that none is attached. A stream is its host: 0 bytes is the end. */
struct vmv_channel_traits {
	bool is_port;
	bool is_listener;
	uint32_t retry_min_ms, retry_max_ms;
};

struct vmv_channel {
	struct vmv_channel_params p;
	struct vmv_spec spec;
	const struct vmv_channel_traits *traits;
	struct vmv_outq queue;
	struct vmv_channel_counters counters;

	enum vmv_channel_state state;
	int rfd, wfd;	     /* the same but for stdio; -1 */
	int listener;	     /* -1 */
	uint64_t socket_ino; /* of the listening socket's file, ours to remove; 0: none */
	int spare;    /* a descriptor kept back, to turn peers away when there is none left */
	bool is_edge; /* the base can do edge-triggered events */
	bool is_file; /* stdin or stdout that epoll does not take: always ready */
	bool is_paused, is_throttled; /* by the owner; by our own queue */
	uint64_t paused_ms;	      /* when last so by the owner */
	bool has_ended;		      /* the peer sends no more */
	bool is_blocked;	      /* the latest write said EAGAIN */
	bool is_tty;   /* a terminal, which does not come back once its other end has gone */
	bool in_turn;  /* what is queued now is written at the end of the turn */
	bool is_stuck; /* reported */
	int said;      /* errno of the last VMV_REPORT_WAITING */
	int stdin_flags, stdout_flags; /* to put back; -1 */
	uint64_t progress_ms;	       /* when output last moved, or was empty */
	uint64_t opened_ms;
	uint64_t tick_due_ms;
	struct vmv_backoff backoff;

	struct event *rev, *wev; /* of rfd; of wfd where that is another one */
	struct event *lev;	 /* of listener */
	struct event *kick;	 /* something was queued */
	struct event *grace;	 /* the rest of a session expires */
	struct event *linger;	 /* a peer that has ended gets so long for its replies */
	struct event *tick;	 /* insurance for ports, and progress watch */
	struct event *retry;	 /* opening again */
};

/* channel_link.c: the open descriptor, its states, reading and writing */
void vmv_channel_timer(struct event *timer, uint32_t ms);
void vmv_channel_forget_event(struct event **ev);
void vmv_channel_tell(struct vmv_channel *ch, enum vmv_channel_report what,
		      const struct vmv_err *err);
bool vmv_channel_make_events(struct vmv_channel *ch); /* all but retry and the descriptors' */
bool vmv_channel_arm(struct vmv_channel *ch);
void vmv_channel_again(struct vmv_channel *ch);	     /* a turn, soon */
void vmv_channel_write_soon(struct vmv_channel *ch); /* there is something to write */
void vmv_channel_turn(struct vmv_channel *ch);
bool vmv_channel_write(struct vmv_channel *ch); /* false: the link is gone */
void vmv_channel_set_up(struct vmv_channel *ch);
bool vmv_channel_hung_up(const struct vmv_channel *ch);
void vmv_channel_drop_link(struct vmv_channel *ch, enum vmv_detach why);
void vmv_channel_retry_later(struct vmv_channel *ch);
void vmv_channel_put_back_stdio(struct vmv_channel *ch);

/* channel_open.c: how each transport gets its descriptor */
const struct vmv_channel_traits *vmv_channel_traits(enum vmv_transport transport);
int vmv_channel_open_link(struct vmv_channel *ch, struct vmv_err *err);
void vmv_channel_try_open(struct vmv_channel *ch);
void vmv_channel_on_retry(evutil_socket_t fd, short what, void *arg); /* of ch->retry */

#endif
