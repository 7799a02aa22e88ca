#include "agent/session_impl.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "proto/json_write.h"
#include "reports/notices.h"

#include <stdio.h>

static void tell_compatible(struct vmv_session *s, const char *stamp, const char *kind,
			    const char *text, uint64_t count)
{
	struct vmv_jw w;

	if (!vmv_bucket_take(&s->notices, vmv_session_now_ms(s))) {
		s->suppressed++;
		return;
	}
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_notice_write(&w, stamp,
			       &(struct vmv_notice){
				       .severity = "warn",
				       .source = "transport",
				       .kind = kind,
				       .subject = vmv_session_name(s),
				       .message = text,
				       .real_ms = vmv_real_ms(s->env->clock),
				       .count = (int64_t)count,
				       .suppressed = s->suppressed,
			       });
	if (vmv_session_send(s, VMV_CLASS_NOTICE, &w) == 0)
		s->suppressed = 0;
}

/* Never with the input itself. */
static void tell(struct vmv_session *s, struct complaint *c, bool is_oversize)
{
	char stamp[VMV_STAMP_SIZE], text[128];
	uint64_t n = c->pending;
	const char *plural = n == 1 ? "line was" : "lines were";
	struct vmv_jw w;

	if (is_oversize)
		(void)snprintf(text, sizeof(text), "%llu %s longer than %zu bytes and dropped",
			       (unsigned long long)n, plural, s->framer.line_max);
	else
		(void)snprintf(text, sizeof(text), "%llu %s no JSON object and dropped",
			       (unsigned long long)n, plural);
	c->pending = 0;
	c->told_ms = vmv_session_now_ms(s);
	vmv_log(VMV_LOG_WARNING, VMV_SESSION_SUBSYS, "%s: %s", vmv_session_name(s), text);
	vmv_session_stamp(s, stamp);
	if (!s->is_vmvitals) {
		tell_compatible(s, stamp, is_oversize ? "oversize" : "malformed", text, n);
		return;
	}
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_error_write(&w, stamp, text, "framing",
			      is_oversize ? "TOO_LARGE" : "BAD_ARGUMENT", n);
	(void)vmv_session_send(s, VMV_CLASS_REPLY, &w);
}

void vmv_session_complain(struct vmv_session *s)
{
	uint64_t now = vmv_session_now_ms(s), wait = 0;
	struct complaint *all[] = { &s->malformed, &s->oversize };

	for (size_t i = 0; i < VMV_COUNTOF(all); i++) {
		struct complaint *c = all[i];

		if (c->pending == 0)
			continue;
		if (c->told_ms == 0 || now - c->told_ms >= VMV_REPORT_MS)
			tell(s, c, c == &s->oversize);
		else
			wait = VMV_REPORT_MS - (now - c->told_ms);
	}
	if (wait > 0 && !event_pending(s->complain, EV_TIMEOUT, NULL))
		vmv_session_timer(s->complain, wait);
}

void vmv_session_on_complain_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	vmv_session_complain(arg);
}
