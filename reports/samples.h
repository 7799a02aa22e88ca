/* Samples: rows of groups as they are, for GetSamples and for subscriptions (PROTOCOL.md 6.3). */
#ifndef VMV_REPORTS_SAMPLES_H
#define VMV_REPORTS_SAMPLES_H

#include "collectors/collector.h"

#include <stdbool.h>

struct vmv_facts;
struct vmv_jw;

#define VMV_SAMPLE_ROWS 512 /* of a group in one message; the rest is counted in 'truncated' */

/* Writes the object 'groups' of one message: these groups of the latest reading, in the order of
 * the table. With must_be_new those that were not read for it are left out, as a subscription wants
 * it; else they tell how old they are (age_ms).
 *
 * A group that this guest does not have is ok:false, "not on this guest", without rows. No group
 * takes more than an even share of what is left of the writer's bound, less VMV_JW_TAIL for what
 * follows: so a message always fits, and one endless group silences no other. What does not fit is
 * counted in 'truncated', together with rows that were never kept. Of processes those with most CPU
 * time and most memory stay, of other groups the first rows. */
void vmv_samples_write(struct vmv_jw *w, const struct vmv_facts *f, vmv_groups groups,
		       bool must_be_new);

/* schema, timestamp and mono_ns of the latest reading, and these groups: the data of GetSamples. */
void vmv_samples_data(struct vmv_jw *w, const struct vmv_facts *f, vmv_groups groups,
		      const char *schema);

/* One cell: the member of a sample that this field describes, in its base unit. */
void vmv_sample_cell(struct vmv_jw *w, const struct vmv_field *field, const void *sample);

#endif
