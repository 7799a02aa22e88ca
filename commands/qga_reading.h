/* How handlers of QGA commands get at readings of collectors; for commands/ only. */
#ifndef VMV_COMMANDS_QGA_READING_H
#define VMV_COMMANDS_QGA_READING_H

#include "commands/request.h"

#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_jw;
struct vmv_root;

/* Calls back with a reading of these groups that is no older than VMV_REUSE_MS. The request has
 * failed already when there is none. */
void vmv_qga_read(struct vmv_request *req, vmv_groups groups, vmv_view_cb *cb);

/* The same at once and without a reading: only to know the root. */
void vmv_qga_with_root(struct vmv_request *req, vmv_view_cb *cb);

/* The same in a later turn of the loop, for who has worked enough for this one. What it has to
 * remember is in req->scratch: the request may be dropped meanwhile. */
void vmv_qga_later(struct vmv_request *req, vmv_view_cb *cb);

/* After so long the loop sees to the others. */
#define VMV_QGA_SLICE_NS 500000

/* Whether the latest reading of this collector, which was asked for, went well. If not, req has
 * failed in its words, or because view is NULL. */
bool vmv_qga_has(struct vmv_request *req, const struct vmv_view *view,
		 const struct vmv_collector *c);

/* The one row of such a collector; NULL: req has failed. */
const void *vmv_qga_row(struct vmv_request *req, const struct vmv_view *view,
			const struct vmv_collector *c);

/* Where files are to be read; NULL: req has failed. */
const struct vmv_root *vmv_qga_root(struct vmv_request *req, const struct vmv_view *view);

/* Fails for want of memory. */
void vmv_qga_no_memory(struct vmv_request *req);

/* Begins the value of "return"; sends it, and frees w. */
void vmv_qga_begin(struct vmv_jw *w);
void vmv_qga_send(struct vmv_request *req, struct vmv_jw *w);

/* Whether a list has no room for a further element. Who makes it then stops with -EFBIG. */
bool vmv_qga_is_full(const struct vmv_jw *w);

/* Ends the list that is the value of "return", and sends it; r is what the listing came to. -EFBIG
 * is no failure: what does not fit is left out. With another negative errno req fails with err. */
void vmv_qga_send_list(struct vmv_request *req, struct vmv_jw *w, int r, const struct vmv_err *err);

/* A member that is left out when it is VMV_UNSET. */
void vmv_qga_known(struct vmv_jw *w, const char *name, uint64_t v);

#endif
