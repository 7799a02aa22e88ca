#include "reports/notices.h"

#include "base/clock.h"
#include "proto/json_write.h"

int vmv_keep_alive_write(struct vmv_jw *w, const char *stamp, int64_t sequence_number)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "keep_alive");
	vmv_jw_int(w, "sequence_number", sequence_number);
	vmv_jw_str(w, "timestamp", stamp);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

int vmv_script_request_write(struct vmv_jw *w, const char *stamp, const char *vm_id)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "request_pending_scripts");
	vmv_jw_str(w, "vm_id", vm_id);
	vmv_jw_str(w, "timestamp", stamp);
	vmv_jw_str(w, "request_timestamp", stamp);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

int vmv_script_completion_write(struct vmv_jw *w, const char *stamp,
				const struct vmv_script_completion *c)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "script_completion");
	vmv_jw_str(w, "timestamp", stamp);
	vmv_jw_str(w, "execution_id", c->execution_id);
	vmv_jw_int(w, "exit_code", c->exit_code);
	vmv_jw_bytes(w, "stdout", c->out, c->out_len);
	vmv_jw_bytes(w, "stderr", c->err, c->err_len);
	vmv_jw_null(w, "log_file");
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

int vmv_notice_write(struct vmv_jw *w, const char *stamp, const struct vmv_notice *n)
{
	char happened[VMV_STAMP_SIZE];

	vmv_stamp(n->real_ms, happened);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "agent_event");
	vmv_jw_str(w, "severity", n->severity);
	vmv_jw_str(w, "source", n->source);
	vmv_jw_str(w, "message", n->message);
	vmv_jw_null(w, "executionId");
	vmv_jw_open(w, "context");
	vmv_jw_str(w, "kind", n->kind);
	vmv_jw_str(w, "subject", n->subject);
	vmv_jw_str(w, "event_timestamp", happened);
	vmv_jw_null(w, "seq");
	vmv_jw_open(w, "data");
	if (n->count >= 0)
		vmv_jw_int(w, "count", n->count);
	vmv_jw_close(w);
	vmv_jw_u64(w, "suppressed", n->suppressed);
	vmv_jw_close(w);
	vmv_jw_str(w, "timestamp", stamp);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

int vmv_error_write(struct vmv_jw *w, const char *stamp, const char *text, const char *component,
		    const char *error_code, uint64_t count)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "error");
	vmv_jw_str(w, "timestamp", stamp);
	vmv_jw_str(w, "error", text);
	vmv_jw_open(w, "details");
	vmv_jw_str(w, "component", component);
	vmv_jw_str(w, "error_code", error_code);
	vmv_jw_u64(w, "count", count);
	vmv_jw_close(w);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}
