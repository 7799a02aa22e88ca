/* Answers to commands, and the closed list of error codes (PROTOCOL.md 3.3, 6.10). */
#ifndef VMV_REPORTS_RESPONSE_H
#define VMV_REPORTS_RESPONSE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_jw;

/* The wire's word for an internal code; NULL: it has none. */
const char *vmv_error_code(enum vmv_errc code);

/* The code that has this word; VMV_E_IO for one that nobody knows. */
enum vmv_errc vmv_error_of(const char *word);

/* True for codes that mean: nothing was started. */
bool vmv_error_is_refusal(enum vmv_errc code);

/* What a child wrote and how it ended. */
struct vmv_response_child {
	int exit_code;
	const char *out, *err; /* any bytes, already cut */
	size_t out_len, err_len;
	uint64_t out_total, err_total;
	bool is_cut, is_streamed; /* streamed: what was sent before is told by its size alone */
};

struct vmv_response {
	const char *id;
	const char *command_type; /* "safe", "unsafe" or the action's name */
	uint64_t elapsed_ms;
	const struct vmv_err *err; /* NULL: success */
	const char *text;	   /* success: one line for people */
	/* NULL: nothing was run. A code that is not 0 is a failure; err then says so, or more. */
	const struct vmv_response_child *child;
	const char *data;	   /* JSON; NULL is null */
	size_t data_len;
	bool is_truncated, is_lossy;
};

/* One response line. Returns 0, or -EFBIG, -ENOMEM. */
int vmv_response_write(struct vmv_jw *w, const char *stamp, const struct vmv_response *r);

#endif
