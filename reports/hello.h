/* The handshake, and what Ping tells again (PROTOCOL.md 3.1, 5.2). */
#ifndef VMV_REPORTS_HELLO_H
#define VMV_REPORTS_HELLO_H

#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_jw;
struct vmv_os_sample;

/* Everything but the clock; texts are borrowed. */
struct vmv_hello {
	const char *vm_id;
	const char *const *capabilities; /* NULL-terminated */
	const char *session;
	const struct vmv_os_sample *os;
	const char *schema;
	const char *policy_level; /* "monitor", "operate", "full" */
	bool has_executor, requires_signature;
	uint64_t line_in, in_flight;
};

/* One handshake line. Returns 0 or -EFBIG, -ENOMEM. */
int vmv_hello_write(struct vmv_jw *w, const char *stamp, const struct vmv_hello *h);

/* All its members after vm_id, into an open object. */
void vmv_hello_members(struct vmv_jw *w, const struct vmv_hello *h);

#endif
