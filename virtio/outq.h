/* The bounded output queue of one channel: classes, session window, partial writes. Pure. */
#ifndef VMV_VIRTIO_OUTQ_H
#define VMV_VIRTIO_OUTQ_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Highest first; first in, first out within a class. Lines are never interleaved. */
enum vmv_class {
	VMV_CLASS_REPLY,   /* handshake, response, keep_alive, error: never dropped */
	VMV_CLASS_NOTICE,  /* agent_event, script_completion, request_pending_scripts: likewise */
	VMV_CLASS_EVENT,   /* event: never dropped, held back by the window */
	VMV_CLASS_STREAM,  /* output: held back by the window; its producer is slowed down */
	VMV_CLASS_METRICS, /* one slot, the newest wins */
	VMV_CLASS_SAMPLES, /* held back by the window; the oldest of a subscription goes */
	VMV_N_CLASSES,
};

struct vmv_outq_item;

struct vmv_outq_list {
	struct vmv_outq_item *first, **last;
};

/* Plain values; set up by vmv_outq_init. */
struct vmv_outq {
	struct vmv_outq_list lists[VMV_N_CLASSES];
	struct vmv_outq_list current;	   /* chosen for writing, in order */
	size_t current_off;		   /* bytes of the first of them already written */
	size_t class_bytes[VMV_N_CLASSES]; /* queued, with those in current */
	size_t samples_bytes[VMV_SUBSCRIPTIONS_MAX];
	bool is_greeting; /* nothing but the greeting and the first metrics goes */

	/* the session's window, in bytes from the first byte of its handshake on */
	uint64_t sent, acked;
	uint64_t line_ends[VMV_WINDOW_LINES]; /* of the latest lines; n_lines modulo size */
	uint64_t n_lines;

	uint64_t replaced;	   /* metrics that a newer one took the place of */
	uint64_t dropped_samples;  /* samples dropped for want of room */
	uint64_t dropped_session;  /* lines dropped when their session ended */
	char stage[VMV_WRITE_MAX]; /* several lines in one write: a port's queue has few slots */
};

void vmv_outq_init(struct vmv_outq *q);
void vmv_outq_free(struct vmv_outq *q);

/* Begins a session: drops everything but held replies, puts LF and this handshake first, and
 * holds everything else back until metrics have gone or vmv_outq_release. line is copied, LF is
 * added. Returns 0 or -ENOMEM. */
int vmv_outq_begin(struct vmv_outq *q, const char *line, size_t len);

/* Ends the greeting: what waits may go. */
void vmv_outq_release(struct vmv_outq *q);

/* Queues one line (copied; LF is added). sub: which subscription, 0 for all but samples. Returns 0
 * or -ENOMEM. */
int vmv_outq_add(struct vmv_outq *q, enum vmv_class class, unsigned sub, const char *line,
		 size_t len);

/* Up to VMV_WRITE_MAX contiguous bytes that may be written now, or NULL. Borrowed until the next
 * call. */
const char *vmv_outq_peek(struct vmv_outq *q, size_t *len);

/* The first n bytes of what peek returned are written. */
void vmv_outq_wrote(struct vmv_outq *q, size_t n);

/* The host has read so many bytes of this session (numbers not yet sent are ignored). */
void vmv_outq_ack(struct vmv_outq *q, uint64_t bytes);

/* The host is gone: keeps replies from their first byte on, drops everything else. */
void vmv_outq_detach(struct vmv_outq *q);

/* Drops everything. */
void vmv_outq_clear(struct vmv_outq *q);

/* Bytes waiting: in all, and of replies. */
size_t vmv_outq_bytes(const struct vmv_outq *q);
size_t vmv_outq_class_bytes(const struct vmv_outq *q, enum vmv_class class);
size_t vmv_outq_reply_bytes(const struct vmv_outq *q);

/* True when something waits that only the window holds back. */
bool vmv_outq_window_closed(const struct vmv_outq *q);

#endif
