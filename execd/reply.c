#include "execd/reply.h"

#include "base/limits.h"
#include "proto/json_write.h"

#include <errno.h>

static const char *type_word(const struct vmv_execd *e, const struct vmv_command *c)
{
	if (c == &vmv_raw_command)
		return "unsafe";
	return c && e->config->command_type == VMV_TYPE_ACTION ? c->name : "safe";
}

int vmv_reply_write(struct vmv_execd *e, struct vmv_jw *w, const struct vmv_reply *r)
{
	static const struct vmv_err too_long = { VMV_E_IO, 0, "the answer is too long" };
	struct vmv_response response = {
		.id = r->id,
		.command_type = type_word(e, r->command),
		.elapsed_ms = vmv_execd_now_ms(e) - r->began_ms,
		.err = r->err,
		.text = r->text,
		.child = r->child,
		.data = r->data,
		.data_len = r->data_len,
	};
	char stamp[VMV_STAMP_SIZE];
	int n;

	vmv_stamp(vmv_real_ms(e->clock), stamp);
	vmv_jw_init(w, VMV_RESPONSE_MAX);
	n = vmv_response_write(w, stamp, &response);
	if (n != -EFBIG)
		return n;
	vmv_jw_free(w);
	vmv_jw_init(w, VMV_RESPONSE_MAX);
	response.err = &too_long;
	response.child = NULL;
	response.data = NULL;
	return vmv_response_write(w, stamp, &response);
}

void vmv_reply_send(struct vmv_execd *e, const struct vmv_return *to, const struct vmv_reply *r)
{
	struct vmv_jw w;

	if (vmv_reply_write(e, &w, r) == 0)
		vmv_forward(to, VMV_FORWARD_REPLY, true, !r->is_unvouched, NULL, w.buf.data,
			    w.buf.len);
	else
		vmv_peer_fail(to->peer);
	vmv_jw_free(&w);
}
