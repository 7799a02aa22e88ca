/* Freezing and thawing filesystems, for both languages: FsFreeze, FsThaw, guest-fsfreeze-*. */
#ifndef VMV_JOB_FREEZE_H
#define VMV_JOB_FREEZE_H

#include "job/hooks.h"

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct vmv_action;
struct vmv_err;
struct vmv_guard_report;
struct vmv_points;

/* The first part is the caller's to fill, the second is there after vmv_freeze, and is owned. */
struct vmv_freezing {
	const struct vmv_action *action; /* settings and deadline */
	struct json_object *names;	 /* as of vmv_points_open, likewise: */
	bool is_lenient;
	uint32_t timeout_ms; /* until they are thawed, whatever happens */

	struct vmv_hooks hooks;
	struct vmv_points *points;
	struct vmv_guard_report *report; /* what of them is frozen */
	int dir, lock, listener;
};

/* Runs the hooks, then freezes all, by a guard (job/guard.h). Returns 0, or negative errno with err
 * set: then all is thawed, or is being thawed; VMV_E_BUSY: something is frozen already.
 * vmv_freezing_clear in both cases. */
int vmv_freeze(struct vmv_freezing *f, struct vmv_err *err);
void vmv_freezing_clear(struct vmv_freezing *f);

/* Thaws what a guard has frozen, or has left behind. Returns 0, how many there were (0: nothing
 * was frozen) and for how long (VMV_UNSET: nobody knows); or negative errno with err set. */
int vmv_thaw(const struct vmv_action *a, uint64_t *ret_count, uint64_t *ret_frozen_ms,
	     struct vmv_err *err);

#endif
