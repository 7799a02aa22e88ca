/* Small messages: keep_alive, agent_event, error, request_pending_scripts (PROTOCOL.md 3.4). */
#ifndef VMV_REPORTS_NOTICES_H
#define VMV_REPORTS_NOTICES_H

#include <stddef.h>
#include <stdint.h>

struct vmv_jw;

int vmv_keep_alive_write(struct vmv_jw *w, const char *stamp, int64_t sequence_number);

int vmv_script_request_write(struct vmv_jw *w, const char *stamp, const char *vm_id);

/* How a script ended; texts are borrowed, any bytes, already cut. */
struct vmv_script_completion {
	const char *execution_id;
	int exit_code;
	const char *out, *err;
	size_t out_len, err_len;
};

int vmv_script_completion_write(struct vmv_jw *w, const char *stamp,
				const struct vmv_script_completion *c);

/* What agent_event tells; texts are borrowed. */
struct vmv_notice {
	const char *severity; /* "debug", "info", "warn", "error" */
	const char *source;   /* "transport", "agent", ... */
	const char *kind, *subject;
	const char *message;
	int64_t real_ms; /* when it happened */
	int64_t count;	 /* data.count; below 0: data is {} */
	uint64_t suppressed;
};

int vmv_notice_write(struct vmv_jw *w, const char *stamp, const struct vmv_notice *n);

/* error, to vmvitals hosts only. component "framing" or "session". */
int vmv_error_write(struct vmv_jw *w, const char *stamp, const char *text, const char *component,
		    const char *error_code, uint64_t count);

#endif
