#include "execd/jobs_impl.h"
#include "proto/base64.h"
#include "proto/json_write.h"

#include <string.h>

static void send_output(struct entry *e, int stream, const char *data, size_t len)
{
	char stamp[VMV_STAMP_SIZE];
	struct vmv_jw w;

	if (!e->to.peer)
		return;
	vmv_stamp(vmv_real_ms(e->jobs->execd->clock), stamp);
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "output");
	vmv_jw_str(&w, "timestamp", stamp);
	vmv_jw_str(&w, "id", e->id);
	vmv_jw_str(&w, "stream", stream == 1 ? "stdout" : "stderr");
	vmv_jw_u64(&w, "seq", ++e->seq);
	if (e->is_binary) {
		char text[VMV_BASE64_LEN(VMV_STREAM_CHUNK) + 1];

		vmv_base64(data, len, text);
		vmv_jw_str(&w, "data", text);
	} else {
		vmv_jw_bytes(&w, "data", data, len);
	}
	if (w.is_lossy)
		vmv_jw_bool(&w, "lossy", true);
	if (e->is_binary)
		vmv_jw_str(&w, "encoding", "base64");
	vmv_jw_close(&w);
	if (vmv_jw_finish(&w) == 0) {
		e->unread += w.buf.len + 1;
		vmv_forward(&e->to, VMV_FORWARD_STREAM, false, true, NULL, w.buf.data, w.buf.len);
	}
	vmv_jw_free(&w);
	if (e->unread >= VMV_STREAM_QUEUED || vmv_peer_is_slow(e->to.peer))
		vmv_job_pause(e->job, true);
}

void vmv_jobs_on_output(void *arg, int stream, const char *data, size_t len)
{
	send_output(arg, stream, data, len);
}

/* What the host is said to have read is the agent's word: what it has not read itself we know. */
static void go_on(struct entry *e)
{
	if (e->job && e->unread < VMV_STREAM_QUEUED / 2 && !vmv_peer_is_slow(e->to.peer))
		vmv_job_pause(e->job, false);
}

void vmv_jobs_taken(struct vmv_jobs *js, const struct vmv_peer *p, uint64_t ref, uint64_t bytes)
{
	for (struct entry *e = js->first; e; e = e->next) {
		if (e->to.peer != p || e->to.ref != ref || e->state != JOB_RUNNING)
			continue;
		e->unread = bytes < e->unread ? e->unread - (size_t)bytes : 0;
		go_on(e);
	}
}

void vmv_jobs_drained(struct vmv_jobs *js, const struct vmv_peer *p)
{
	for (struct entry *e = js->first; e; e = e->next)
		if (e->to.peer == p && e->state == JOB_RUNNING)
			go_on(e);
	vmv_jobs_start_next(js);
}
