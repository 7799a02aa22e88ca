/* When a timer is to fire that serves many. */
#ifndef VMV_EXEC_DUE_H
#define VMV_EXEC_DUE_H

#include <stdint.h>

#define VMV_DUE_NEVER UINT64_MAX

/* What is overdue is looked at in a moment. */
static inline void vmv_due_must(uint64_t *due, uint64_t when, uint64_t now)
{
	when = when > now ? when : now + 1;
	if (when < *due)
		*due = when;
}

/* What is past has had its chance. */
static inline void vmv_due_may(uint64_t *due, uint64_t when, uint64_t now)
{
	if (when > now)
		vmv_due_must(due, when, now);
}

#endif
