/* The fingerprint of the field tables (PROTOCOL.md 6.2). */
#ifndef VMV_REPORTS_SCHEMA_H
#define VMV_REPORTS_SCHEMA_H

#include "base/metric.h"

#include <stddef.h>

struct vmv_buf;
struct vmv_collector;

#define VMV_SCHEMA_SIZE 17 /* 16 hex digits and NUL */

/* The wire's words. */
const char *vmv_kind_name(enum vmv_kind kind);
const char *vmv_unit_name(enum vmv_unit unit);

/* The text that is hashed, for a NULL-terminated table sorted by name. Returns 0 or -ENOMEM. */
int vmv_schema_text(const struct vmv_collector *const *collectors, struct vmv_buf *ret);

/* That of vmv_collectors. It is written into the program (make update-docs; a test compares): a library
 * of cryptography costs more memory than all collectors, for one hash at the start. */
extern const char vmv_schema_id[VMV_SCHEMA_SIZE];

/* The first 16 hex digits of the text's SHA-256. Returns 0 or -ENOMEM. Not part of the agent. */
int vmv_schema(const struct vmv_collector *const *collectors, char ret[VMV_SCHEMA_SIZE]);

#endif
