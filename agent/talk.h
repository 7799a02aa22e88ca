/* What goes on on one channel, whatever its language: what the agent needs of it. */
#ifndef VMV_AGENT_TALK_H
#define VMV_AGENT_TALK_H

#include "virtio/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_channel;
struct vmv_err;
struct vmv_session_env;
struct vmv_spec;
struct vmv_state_job;
struct vmv_talk;

struct vmv_talk_stats {
	bool is_attached;
	const char *id;	   /* "" when none */
	uint64_t since_ms; /* monotonic: the session began */
	uint64_t lines;	   /* taken in, ever, like the following */
	uint64_t malformed, oversize, ignored, refused, late, duplicates;
};

struct vmv_talk_ops {
	void (*free)(struct vmv_talk *t);
	/* An address of this guest changed. May be NULL. */
	void (*addresses_changed)(struct vmv_talk *t);
	void (*reconfigure)(struct vmv_talk *t); /* the configuration changed */
	/* Something is still to be sent for what was asked or begun. */
	bool (*is_busy)(struct vmv_talk *t);
	/* Shutdown: takes no more lines. Then, for what is still running: answers it as
	 * interrupted. */
	void (*stop_intake)(struct vmv_talk *t);
	void (*interrupt)(struct vmv_talk *t);
	unsigned (*in_flight)(struct vmv_talk *t); /* commands still running */
	/* Those, max of them at most. Returns how many; texts are borrowed until the loop goes
	 * on. */
	size_t (*jobs)(struct vmv_talk *t, struct vmv_state_job *ret, size_t max);
	struct vmv_talk_stats (*stats)(struct vmv_talk *t);
	/* A script ended. May be NULL. */
	void (*completion)(struct vmv_talk *t, struct json_object *m);
};

/* The first member of what implements it. */
struct vmv_talk {
	const struct vmv_talk_ops *ops;
	struct vmv_channel *channel; /* owned */
};

/* Opens the channel and serves it in its dialect. Returns 0 and a new talk, or negative errno with
 * err set. Ends with ops->free. */
int vmv_talk_new(struct vmv_talk **ret, const struct vmv_session_env *env,
		 const struct vmv_spec *spec, struct vmv_err *err);

/* The coming and going of hosts and ports, in the journal: is_loud at the usual level, else at that
 * of debugging. session may be "". */
void vmv_talk_log_port(const struct vmv_talk *t, bool is_loud, const char *session,
		       const char *message_id, const char *event, const char *text);
void vmv_talk_report(const struct vmv_talk *t, const char *session, enum vmv_channel_report what,
		     const struct vmv_err *err);

#endif
