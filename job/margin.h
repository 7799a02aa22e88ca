/* Until when an action may wait for somebody else, so that it can still say what came of it. */
#ifndef VMV_JOB_MARGIN_H
#define VMV_JOB_MARGIN_H

#include <stdint.h>

#define VMV_ACTION_MARGIN_MS 250

/* deadline_ms as in job/action.h, monotonic. */
static inline uint64_t vmv_action_until(uint64_t deadline_ms)
{
	return deadline_ms > VMV_ACTION_MARGIN_MS && deadline_ms != UINT64_MAX
		       ? deadline_ms - VMV_ACTION_MARGIN_MS
		       : deadline_ms;
}

#endif
