#include "commands/qga_reading.h"

#include "base/err.h"
#include "base/limits.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <errno.h>

static const struct vmv_err abandoned = { VMV_E_IO, 0, "the reading was abandoned" };

void vmv_qga_no_memory(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_IO, ENOMEM, "out of memory" };

	vmv_request_fail(req, &err);
}

static void fetch(struct vmv_request *req, const struct vmv_ask *ask, vmv_view_cb *cb)
{
	int r = req->services->fetch(req->agent, ask, cb, req);

	if (r == -ENOMEM)
		vmv_qga_no_memory(req);
	else if (r < 0)
		vmv_request_fail(req, &abandoned);
}

void vmv_qga_read(struct vmv_request *req, vmv_groups groups, vmv_view_cb *cb)
{
	const struct vmv_ask ask = { .groups = groups, .max_age_ms = VMV_REUSE_MS };

	fetch(req, &ask, cb);
}

void vmv_qga_with_root(struct vmv_request *req, vmv_view_cb *cb)
{
	const struct vmv_ask ask = { .max_age_ms = UINT32_MAX };

	fetch(req, &ask, cb);
}

/* A reading of nothing: it has its turn after those that are under way. */
void vmv_qga_later(struct vmv_request *req, vmv_view_cb *cb)
{
	const struct vmv_ask ask = { .max_age_ms = 0 };

	fetch(req, &ask, cb);
}

bool vmv_qga_has(struct vmv_request *req, const struct vmv_view *view,
		 const struct vmv_collector *c)
{
	const struct vmv_collector_status *s = view ? vmv_facts_status_of(view->facts, c) : NULL;
	struct vmv_err err;

	if (s && s->is_ok)
		return true;
	if (!view) {
		vmv_request_fail(req, &abandoned);
		return false;
	}
	(void)vmv_fail(&err, VMV_E_IO, 0, "%s",
		       s && s->error[0] ? s->error : "it could not be read yet");
	vmv_request_fail(req, &err);
	return false;
}

const void *vmv_qga_row(struct vmv_request *req, const struct vmv_view *view,
			const struct vmv_collector *c)
{
	static const struct vmv_err none = { VMV_E_IO, 0, "nothing is known of it" };
	const void *row;

	if (!vmv_qga_has(req, view, c))
		return NULL;
	row = vmv_facts_row(view->facts, c);
	if (!row)
		vmv_request_fail(req, &none);
	return row;
}

const struct vmv_root *vmv_qga_root(struct vmv_request *req, const struct vmv_view *view)
{
	if (view)
		return vmv_facts_root(view->facts);
	vmv_request_fail(req, &abandoned);
	return NULL;
}

void vmv_qga_begin(struct vmv_jw *w)
{
	vmv_jw_init(w, VMV_QGA_REPLY_MAX);
}

void vmv_qga_send(struct vmv_request *req, struct vmv_jw *w)
{
	vmv_request_done(req, NULL, w);
	vmv_jw_free(w);
}

bool vmv_qga_is_full(const struct vmv_jw *w)
{
	return vmv_jw_remaining(w) < VMV_JW_TAIL;
}

void vmv_qga_send_list(struct vmv_request *req, struct vmv_jw *w, int r, const struct vmv_err *err)
{
	if (r == 0 || r == -EFBIG) {
		vmv_jw_end(w);
		vmv_qga_send(req, w);
		return;
	}
	vmv_jw_free(w);
	vmv_request_fail(req, err);
}

void vmv_qga_known(struct vmv_jw *w, const char *name, uint64_t v)
{
	if (v != VMV_UNSET)
		vmv_jw_u64(w, name, v);
}
