/* One channel to a host: opens and follows its transport, reads, writes the queue. VIRTIO.md's
 * state machine for ports; sockets and stdio are the simple cases of it. */
#ifndef VMV_VIRTIO_CHANNEL_H
#define VMV_VIRTIO_CHANNEL_H

#include "virtio/outq.h"
#include "virtio/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct vmv_channel;
struct vmv_clock;
struct vmv_err;

enum vmv_channel_state {
	VMV_CHANNEL_ABSENT, /* nothing open */
	VMV_CHANNEL_AWAY,   /* open, no host there */
	VMV_CHANNEL_UP,	    /* a host is attached */
};

/* Why a session ended. */
enum vmv_detach {
	VMV_DETACH_GONE,      /* the host disconnected, or end of file */
	VMV_DETACH_UNPLUGGED, /* the port was removed */
	VMV_DETACH_CLOSED,    /* we close the channel */
};

/* What happens on a channel beside data; for the log. */
enum vmv_channel_report {
	VMV_REPORT_OPENED,    /* the device or port is open, or we listen */
	VMV_REPORT_WAITING,   /* cannot be opened now; err says why; said once per reason */
	VMV_REPORT_UNPLUGGED, /* the port was removed */
	VMV_REPORT_REFUSED,   /* a further peer was turned away */
	VMV_REPORT_STUCK,     /* output makes no progress though a host is attached */
};

/* All are called from the loop, never from within a vmv_channel_... call but new's, poke's,
 * flush's and free's. */
struct vmv_channel_ops {
	void (*attached)(void *arg);
	void (*detached)(void *arg, enum vmv_detach why);
	/* Nobody came back in time: forget half lines and replies that are still to come. */
	void (*expired)(void *arg);
	void (*data)(void *arg, const char *data, size_t len);
	/* The peer sends no more (end of file on a socket or stdin), but replies reach it as long
	 * as there are some to come: false when all that was asked for is in the queue. */
	bool (*is_busy)(void *arg);
	/* Some of the queue was written. May be NULL. May not free the channel. */
	void (*written)(void *arg);
	/* A channel that does not come back (stdio) is over. */
	void (*finished)(void *arg);
	void (*report)(void *arg, enum vmv_channel_report what, const struct vmv_err *err);
};

/* The system calls on the open descriptor, so that tests can play a port. */
struct vmv_channel_io {
	ssize_t (*read)(int fd, void *buf, size_t len);
	ssize_t (*write)(int fd, const void *buf, size_t len);
};

struct vmv_channel_params {
	struct event_base *base; /* borrowed for the channel's life, like the next three */
	const struct vmv_clock *clock;
	const struct vmv_channel_ops *ops;
	const struct vmv_channel_io *io; /* NULL: read(2) and write(2) */
	void *arg;
	int sysfs;	   /* where class/virtio-ports is found; borrowed */
	bool has_monitor;  /* somebody calls vmv_channel_poke when ports change */
	size_t queue_high; /* replies: twice as much queued, and the channel is not read */
};

struct vmv_channel_counters {
	uint64_t bytes_in, bytes_out, callbacks, opens, sessions;
};

/* Starts at once; what cannot be opened now is reported and tried again. Returns 0 and a new
 * channel, or negative errno with err set (out of memory, stdio that cannot be used). */
int vmv_channel_new(struct vmv_channel **ret, const struct vmv_channel_params *params,
		    const struct vmv_spec *spec, struct vmv_err *err);

/* Closes; detached is called when a host was attached. Takes NULL. Not from a callback of this
 * channel. */
void vmv_channel_free(struct vmv_channel *ch);

/* Ports may have changed: look again. */
void vmv_channel_poke(struct vmv_channel *ch);

/* Queues a line / begins a session (virtio/outq.h says how); written soon. Returns 0 or -ENOMEM;
 * -ENOTCONN when no host is attached and none can inherit the line. */
int vmv_channel_send(struct vmv_channel *ch, enum vmv_class class, unsigned sub, const char *line,
		     size_t len);
int vmv_channel_begin(struct vmv_channel *ch, const char *line, size_t len);
void vmv_channel_drop(struct vmv_channel *ch); /* everything queued */
void vmv_channel_release(struct vmv_channel *ch);
void vmv_channel_ack(struct vmv_channel *ch, uint64_t bytes);

/* Another bound of params.queue_high. */
void vmv_channel_set_queue_high(struct vmv_channel *ch, size_t bytes);

/* While paused nothing is read. */
void vmv_channel_pause(struct vmv_channel *ch, bool is_paused);

/* Writes what can be written now without waiting; for shutdown. Returns the bytes still queued. */
size_t vmv_channel_flush(struct vmv_channel *ch);

enum vmv_channel_state vmv_channel_state(const struct vmv_channel *ch);
const struct vmv_spec *vmv_channel_spec(const struct vmv_channel *ch);
const struct vmv_outq *vmv_channel_queue(const struct vmv_channel *ch);
const struct vmv_channel_counters *vmv_channel_counters(const struct vmv_channel *ch);

#endif
