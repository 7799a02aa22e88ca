/* What a collector is: parse, read, and a field table. */
#ifndef VMV_COLLECTORS_COLLECTOR_H
#define VMV_COLLECTORS_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"

struct vmv_err;
struct vmv_root;

/* Receives rows. id is unique within one reading and "" for a collector with exactly one
 * row; both are borrowed for the length of the call. Returns 0, or negative errno, which
 * ends the reading and is returned by it. */
struct vmv_sink {
	uint64_t reading; /* number of the reading: groups that share a state can tell whether what
			     the other one left there is of this one */
	int (*row)(struct vmv_sink *sink, const char *id, const void *sample);
};

/* read() returns this when it used up its turn: call it again, with the same sink, in the
 * next turn of the loop. */
#define VMV_MORE 1

/* The same, but not before the asker (base/asker.h) has an answer, or VMV_ASK_WAIT_MS have passed:
 * then what is still not answered is unknown. */
#define VMV_WAIT 2

struct vmv_collector {
	const char *name; /* the group's name on the wire */
	const char *help; /* one sentence */
	const char *file; /* what it reads, for docs and error texts */
	const char *key;  /* label that the row id stands for; NULL for a single row */
	const char *info; /* metric that carries the info fields of a group without values */
	const struct vmv_field *fields;
	size_t n_fields;
	size_t sample_size;	/* of the struct that fields point into */
	unsigned min_period_ms; /* reading it more often is a waste */
	bool is_default;	/* part of a subscription that names no group */

	/* Shares the state of this one, which opens and closes it and is read before, where both
	 * are asked for: two groups out of one file. */
	const struct vmv_collector *state_of;

	/* Optional: what is kept between readings (open descriptors, caches, buffers).
	 * Returns new state or NULL when out of memory; root is borrowed as long as the
	 * state lives. */
	void *(*open)(const struct vmv_root *root);
	void (*close)(void *state); /* takes NULL */

	/* One reading. state is what open returned, NULL without open. NULL: its rows are not read
	 * here, the program that has the facts provides them. Returns 0, VMV_MORE, VMV_WAIT,
	 * or negative errno with err filled; rows delivered before a failure are good. After
	 * a failure the next call starts a new reading. -ENOENT means that this guest has no
	 * such subsystem: the scheduler stops asking, quietly. */
	int (*read)(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		    struct vmv_err *err);
};

/* NULL-terminated, sorted by name (collectors/all.c); at most VMV_GROUPS_MAX. */
extern const struct vmv_collector *const vmv_collectors[];

/* A set of them: bit i stands for vmv_collectors[i]. */
typedef uint64_t vmv_groups;
#define VMV_GROUPS_ALL UINT64_MAX
#define VMV_GROUPS_MAX 64

/* NULL: there is no such group. */
const struct vmv_collector *vmv_collector_find(const char *name);

/* The set that holds this one only; empty when it is not in the table. */
vmv_groups vmv_group(const struct vmv_collector *c);

/* Those with is_default. */
vmv_groups vmv_groups_default(void);

#endif
