/* The service manager: counts of units, and the units that matter. */
#ifndef VMV_COLLECTORS_SYSTEMD_H
#define VMV_COLLECTORS_SYSTEMD_H

#include "base/limits.h"
#include "collectors/collector.h"

#include <stddef.h>
#include <stdint.h>

struct vmv_err;

enum vmv_systemd_active {
	VMV_SYSTEMD_ACTIVATING,
	VMV_SYSTEMD_ACTIVE,
	VMV_SYSTEMD_DEACTIVATING,
	VMV_SYSTEMD_FAILED,
	VMV_SYSTEMD_INACTIVE,
	VMV_SYSTEMD_RELOADING,
	VMV_SYSTEMD_ACTIVES, /* how many */
};

enum vmv_systemd_state {
	VMV_SYSTEMD_INITIALIZING,
	VMV_SYSTEMD_STARTING,
	VMV_SYSTEMD_RUNNING,
	VMV_SYSTEMD_DEGRADED,
	VMV_SYSTEMD_MAINTENANCE,
	VMV_SYSTEMD_STOPPING,
	VMV_SYSTEMD_STATES, /* how many */
};

/* One row: the manager. Counts; VMV_UNSET where the answer does not say. */
struct vmv_systemd_sample {
	uint64_t units[VMV_SYSTEMD_ACTIVES];
	uint64_t is_running;		    /* 0 or 1, as the next ones */
	uint64_t state[VMV_SYSTEMD_STATES]; /* 1 for what it is */
	uint64_t jobs;			    /* queued and running */
};

/* Rows by name: units that failed, and those of root->critical_units. States are systemd's words;
 * one that does not exist has load "not-found". */
struct vmv_unit_sample {
	uint64_t is_failed; /* 0 or 1 */
	char load[32], active[32], sub[32];
};

extern const struct vmv_collector vmv_collector_systemd;
extern const struct vmv_collector vmv_collector_unit;

#define VMV_UNIT_NAME_SIZE (VMV_UNIT_NAME_MAX + 1)

struct vmv_unit_state {
	char name[VMV_UNIT_NAME_SIZE];
	struct vmv_unit_sample sample;
};

struct vmv_units {
	struct vmv_systemd_sample manager;
	struct vmv_unit_state *list; /* owned; free() it */
	size_t n;
};

/* Pure: the answer of the helper to "units" (helper/units.c says what it looks like). Returns 0, or
 * -EINVAL (malformed: an unknown word or number, a fact twice, no state) or -ENOMEM with err set,
 * and then ret is untouched. */
int vmv_systemd_parse(const char *text, struct vmv_units *ret, struct vmv_err *err);

#endif
