/* The state of the agent itself: collected once, told in several ways: GetState (PROTOCOL.md 5.2),
 * the groups agent, channel and collector, and the log (agent/state.c). */
#ifndef VMV_REPORTS_STATE_H
#define VMV_REPORTS_STATE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_facts;
struct vmv_jw;
struct vmv_sink;

/* Texts are borrowed. */
struct vmv_state_channel {
	const char *name;    /* as the configuration writes it */
	const char *dialect; /* "native" */
	const char *word;    /* for people: "absent", "no host", "host attached" */
	bool is_attached;
	const char *session; /* "" when none */
	uint64_t since_ms;   /* monotonic: the session began */
	size_t queue_bytes;
	unsigned in_flight; /* commands not answered yet */
	/* ever */
	uint64_t sessions, bytes_in, bytes_out, lines, turns;
	uint64_t malformed, oversize, ignored, refused, duplicates, late;
	uint64_t dropped_metrics, dropped_samples;
};

/* A command that is being carried out. */
struct vmv_state_job {
	const char *id, *action; /* borrowed */
	uint64_t began_ms;	 /* monotonic */
};

/* What the agent has used up; VMV_UNSET where the kernel does not say. */
struct vmv_cost {
	uint64_t user_us, system_us;	 /* CPU time */
	uint64_t resident, virtual;	 /* bytes */
	uint64_t voluntary, involuntary; /* context switches; each voluntary one was a wait, and
					    ended with a wake-up */
	uint64_t descriptors;		 /* open */
};

struct vmv_state {
	uint64_t now_ms;		       /* monotonic */
	int64_t real_ms;		       /* since 1970, at the same time */
	int64_t began_real_ms, config_real_ms; /* the agent started; its configuration was read */
	struct vmv_state_channel channels[VMV_CHANNELS_MAX];
	size_t n_channels;
	struct vmv_state_job jobs[VMV_STATE_JOBS];
	size_t n_jobs; /* that are listed: at most as many as there is room */
	const struct vmv_facts *facts;
	uint64_t resets; /* counters found lower than before */
	struct vmv_cost cost;
	bool is_frozen; /* filesystems are */
	uint64_t thaw_in_ms;
};

/* The data of GetState. */
void vmv_state_write(struct vmv_jw *w, const struct vmv_state *s);

/* The rows of the groups that tell of the agent itself, like a collector's read. Each returns
 * 0, or what the sink returned. */
int vmv_state_agent_rows(const struct vmv_state *s, struct vmv_sink *sink);
int vmv_state_channel_rows(const struct vmv_state *s, struct vmv_sink *sink);
int vmv_state_collector_rows(const struct vmv_state *s, struct vmv_sink *sink);

#endif
