#include "agent/session_impl.h"

#include "base/log.h"
#include "proto/json_write.h"

#include <errno.h>
#include <string.h>

uint64_t vmv_session_now_ms(const struct vmv_session *s)
{
	return vmv_mono_ms(s->env->clock);
}

void vmv_session_timer(struct event *timer, uint64_t ms)
{
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(timer, &tv);
}

const char *vmv_session_name(const struct vmv_session *s)
{
	return vmv_channel_spec(s->talk.channel)->name;
}

void vmv_session_stamp(const struct vmv_session *s, char stamp[VMV_STAMP_SIZE])
{
	vmv_stamp(vmv_real_ms(s->env->clock), stamp);
}

/* Queues what was written, if it was written well. */
int vmv_session_send(struct vmv_session *s, enum vmv_class class, struct vmv_jw *w)
{
	int r = vmv_jw_finish(w);

	if (r == 0)
		r = vmv_channel_send(s->talk.channel, class, 0, w->buf.data, w->buf.len);
	if (r < 0 && r != -ENOTCONN)
		vmv_log(VMV_LOG_ERROR, VMV_SESSION_SUBSYS, "%s: a message is lost: %s",
			vmv_session_name(s), strerror(-r));
	vmv_jw_free(w);
	return r;
}
