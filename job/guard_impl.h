/* Inside of the guard: what guard.c (starting and asking one), guarding.c (its life) and freezer.c
 * share. */
#ifndef VMV_JOB_GUARD_IMPL_H
#define VMV_JOB_GUARD_IMPL_H

#include "job/guard.h"
#include "job/points.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

enum vmv_point_state {
	VMV_POINT_UNTRIED,
	VMV_POINT_TRYING, /* the freezer is at it: FIFREEZE may succeed at any moment */
	VMV_POINT_FROZEN,
	VMV_POINT_SKIPPED, /* cannot be frozen, and nobody said that it must; or somebody else's */
	VMV_POINT_FAILED,
	VMV_POINT_THAWED,
};

/* In memory that guard and freezer share. */
struct vmv_frost {
	atomic_bool is_over; /* nothing is to be frozen any more */
	atomic_int state[VMV_POINTS_MAX];
	atomic_int error[VMV_POINTS_MAX]; /* errno of FAILED */
};

/* What a guard tells the job that started it. */
struct vmv_guard_word {
	int32_t error;	 /* errno; 0: all are frozen */
	uint32_t failed; /* which point, or VMV_POINTS_MAX */
	uint32_t count;
	uint64_t thaw_at_ms;
	bool is_frozen[VMV_POINTS_MAX];
};

/* The freezer's whole life; last mounted first. guard: its parent. */
void vmv_freezer_run(const struct vmv_points *points, struct vmv_frost *frost, pid_t guard);

/* Thaws a filesystem that is frozen. Returns 0, -EINVAL when it was not, or negative errno. */
int vmv_point_thaw(const struct vmv_point *p);

/* The guard's whole life. report: a descriptor; the caller then ends the process. */
void vmv_guard_run(const struct vmv_guard_spec *spec, int report);

#endif
