/* Answers to commands, and the closed list of error codes (PROTOCOL.md 3.3, 6.10). */
#ifndef VMV_REPORTS_RESPONSE_H
#define VMV_REPORTS_RESPONSE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_jw;

/* The wire's word for an internal code. */
const char *vmv_error_code(enum vmv_errc code);

/* True for codes that mean: nothing was started. */
bool vmv_error_is_refusal(enum vmv_errc code);

struct vmv_response {
	const char *id;
	const char *command_type; /* "safe", "unsafe" or the action's name */
	uint64_t elapsed_ms;
	const struct vmv_err *err; /* NULL: success */
	const char *text;	   /* success: one line for people */
	const char *data;	   /* JSON; NULL is null */
	size_t data_len;
	bool is_truncated, is_lossy;
};

/* One response line. Returns 0, or -EFBIG, -ENOMEM. */
int vmv_response_write(struct vmv_jw *w, const char *stamp, const struct vmv_response *r);

#endif
