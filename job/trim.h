/* Discarding the unused blocks of one filesystem, for both languages: FsTrim, guest-fstrim. */
#ifndef VMV_JOB_TRIM_H
#define VMV_JOB_TRIM_H

#include <stdbool.h>
#include <stdint.h>

struct vmv_action;
struct vmv_point;

struct vmv_trimmed {
	uint64_t bytes;
	uint64_t minimum; /* bytes of a free range, as the filesystem has rounded it */
};

/* FITRIM. Returns 0 and ret, or negative errno: -ETIMEDOUT when the action's deadline is near: it
 * was not begun. */
int vmv_trim(const struct vmv_action *a, const struct vmv_point *p, uint64_t minimum,
	     struct vmv_trimmed *ret);

/* Of what vmv_trim returned: this filesystem, or its disk, has no such thing. */
bool vmv_trim_cannot(int r);

#endif
