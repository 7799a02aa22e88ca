/* The inside of a channel that speaks the QEMU guest agent's protocol, for the files qga*.c only.
 */
#ifndef VMV_AGENT_QGA_IMPL_H
#define VMV_AGENT_QGA_IMPL_H

#include "agent/qga.h"
#include "agent/session.h"
#include "base/err.h"
#include "commands/request.h"
#include "proto/qga.h"
#include "virtio/channel.h"

#define VMV_QGA_SUBSYS "qga"

struct event;

/* One request, answered in its turn. */
struct vmv_qga_item {
	struct vmv_request req; /* message: owned; NULL: it could not be parsed */
	struct vmv_qga_item *next;
	struct json_object *arguments, *id; /* borrowed from message */
	bool has_id;
	size_t len;	    /* bytes it came in */
	struct vmv_err err; /* what is wrong with it */
};

struct vmv_qga {
	struct vmv_talk talk;
	const struct vmv_session_env *env;
	struct vmv_services services;
	struct vmv_qga_framer framer;
	struct vmv_talk_stats stats;
	struct vmv_qga_item *current; /* has begun, and is not answered */
	struct vmv_qga_item *first, **last;
	unsigned n_queued;
	size_t queued_bytes;
	bool is_deaf;	 /* shutting down */
	bool is_running; /* requests are begun: one that ends need not begin the next */
	struct event *more;
	char *held; /* owned: path of the file that tells that we hold the port; NULL: none */
};

static inline struct vmv_channel *vmv_qga_channel(const struct vmv_qga *q)
{
	return q->talk.channel;
}

static inline const char *vmv_qga_name(const struct vmv_qga *q)
{
	return vmv_channel_spec(vmv_qga_channel(q))->name;
}

/* qga.c */
void vmv_qga_go_on_soon(struct vmv_qga *q);

/* qga_requests.c: what waits, is begun, and is answered */
struct vmv_qga_item *vmv_qga_item_new(struct vmv_qga *q); /* NULL: no memory */
void vmv_qga_enqueue(struct vmv_qga *q, struct vmv_qga_item *it);
bool vmv_qga_has_place(const struct vmv_qga *q); /* for one more */
bool vmv_qga_has_room(const struct vmv_qga *q);	 /* for more replies */
void vmv_qga_run(struct vmv_qga *q);
void vmv_qga_give_up(struct vmv_qga *q); /* nobody waits any more for what has begun */
void vmv_qga_drop_queue(struct vmv_qga *q);
void vmv_qga_interrupt(struct vmv_qga *q); /* answers all there is: the agent stops */
void vmv_qga_policy(void *session, struct vmv_policy *ret); /* for struct vmv_services */

#endif
