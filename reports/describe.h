/* What the tables say of groups and their fields, for Describe (PROTOCOL.md 6.2). */
#ifndef VMV_REPORTS_DESCRIBE_H
#define VMV_REPORTS_DESCRIBE_H

#include <stddef.h>

struct vmv_collector;
struct vmv_field;
struct vmv_jw;

/* The object 'groups' of a NULL-terminated table. Returns the number of groups. */
size_t vmv_describe_groups(struct vmv_jw *w, const struct vmv_collector *const *collectors);

/* Where a value comes from: the kernel's file, and what in it. */
#define VMV_SOURCE_SIZE 256
void vmv_describe_source(const struct vmv_collector *c, const struct vmv_field *f,
			 char ret[VMV_SOURCE_SIZE]);

#endif
