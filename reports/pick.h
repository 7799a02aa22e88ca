/* Values found by the names their tables give them. */
#ifndef VMV_REPORTS_PICK_H
#define VMV_REPORTS_PICK_H

#include <stdbool.h>
#include <stddef.h>

struct vmv_collector;
struct vmv_facts;

/* The field of this name and these labels (NULL: none), or NULL. */
const struct vmv_field *vmv_pick_field(const struct vmv_collector *c, const char *name,
				       const char *labels);

/* A member in its base unit; NaN when it is unknown, a text, or field is NULL. */
double vmv_pick_number(const struct vmv_field *field, const void *sample);

/* A text; "" when it is unknown, a number, or field is NULL. Borrowed from the sample. */
const char *vmv_pick_text(const struct vmv_field *field, const void *sample);

/* The sample of a group of one row; NULL: there is no such group, or it could not be read. *ret
 * (may be NULL) is the collector. */
const void *vmv_pick_row(const struct vmv_facts *f, const char *group,
			 const struct vmv_collector **ret);

/* A value of a group of one row; NaN when it is unknown. */
double vmv_pick_value(const struct vmv_facts *f, const char *group, const char *name,
		      const char *labels);

/* The rows of a group, in the order of its reading. */
struct vmv_pick {
	const struct vmv_facts *facts;
	const struct vmv_collector *collector; /* NULL: there is no such group */
	const char *rows;
	size_t n;
	bool is_ok; /* it was read, though there may be no row */
};

struct vmv_pick vmv_pick_rows(const struct vmv_facts *f, const char *group);
const void *vmv_pick_at(const struct vmv_pick *p, size_t i);
const char *vmv_pick_id(const struct vmv_pick *p, size_t i);

#endif
