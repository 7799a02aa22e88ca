/* The agent itself. Nothing is read here: the agent provides these rows (vmv_facts_provide), so
 * that they are true for itself whatever tree the others are read from. */
#ifndef VMV_COLLECTORS_AGENT_H
#define VMV_COLLECTORS_AGENT_H

#include "collectors/collector.h"

/* One row. */
struct vmv_agent_sample {
	char version[32];
	uint64_t user_us, system_us;	 /* CPU time */
	uint64_t resident, virtual;	 /* bytes */
	uint64_t voluntary, involuntary; /* context switches */
	uint64_t descriptors;		 /* open */
	uint64_t start_ms;		 /* since 1970, by the clock of then */
	uint64_t resets;		 /* counters found lower than before */
	uint64_t jobs;			 /* commands not answered yet */
};

extern const struct vmv_collector vmv_collector_agent;

/* One row per channel, its name as id. */
struct vmv_channel_sample {
	char dialect[16];
	uint64_t attached; /* 0, 1 */
	uint64_t bytes_in, bytes_out;
	uint64_t queue_bytes;
	uint64_t lines, sessions;
	uint64_t malformed, oversize, ignored; /* lines */
	uint64_t refused;		       /* commands */
	uint64_t dropped_metrics, dropped_samples;
};

extern const struct vmv_collector vmv_collector_channel;

/* One row per collector, its name as id. */
struct vmv_collector_sample {
	uint64_t success;     /* 0, 1; VMV_UNSET: not read yet, or not on this guest */
	uint64_t duration_us; /* of the latest reading */
	uint64_t failed, runs;
	uint64_t age_ms; /* of the latest good reading */
	uint64_t period_ms;
};

extern const struct vmv_collector vmv_collector_collector;

#endif
