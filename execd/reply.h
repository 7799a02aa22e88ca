/* Answers to commands, as lines for the host. */
#ifndef VMV_EXECD_REPLY_H
#define VMV_EXECD_REPLY_H

#include "execd/execd_impl.h"
#include "reports/response.h"

/* What is answered; texts are borrowed. */
struct vmv_reply {
	const char *id;
	const struct vmv_command *command; /* NULL: of no known one */
	uint64_t began_ms;		   /* monotonic: the line came */
	const struct vmv_err *err;	   /* NULL: success */
	const struct vmv_response_child *child;
	const char *text;
	const char *data; /* JSON; NULL: null */
	size_t data_len;
	bool is_unvouched; /* a refusal, and nobody knows whether the id is anybody's */
};

/* Writes the line into w, which is initialised here; what does not fit becomes an error. Returns 0
 * or -ENOMEM. */
int vmv_reply_write(struct vmv_execd *e, struct vmv_jw *w, const struct vmv_reply *r);

/* Writes and sends it: the last for this ref. */
void vmv_reply_send(struct vmv_execd *e, const struct vmv_return *to, const struct vmv_reply *r);

#endif
