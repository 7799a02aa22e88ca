#include "agent/talk.h"

#include "agent/events.h"
#include "agent/qga.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"
#include "virtio/channel.h"
#include "virtio/spec.h"

#include <errno.h>

#define SUBSYS "session"

int vmv_talk_new(struct vmv_talk **ret, const struct vmv_session_env *env,
		 const struct vmv_spec *spec, struct vmv_err *err)
{
	switch (spec->dialect) {
	case VMV_DIALECT_QGA:
		return vmv_qga_new(ret, env, spec, err);
	case VMV_DIALECT_NATIVE:
	default:
		return vmv_session_new(ret, env, spec, err);
	}
}

void vmv_talk_log_port(const struct vmv_talk *t, bool is_loud, const char *session,
		       const char *message_id, const char *event, const char *text)
{
	const char *name = vmv_channel_spec(t->channel)->name;
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", event },
		{ "VMVITALS_CHANNEL", name },
		{ "VMVITALS_SESSION", *session ? session : NULL },
		{ NULL, NULL },
	};

	vmv_log_entry(is_loud ? VMV_LOG_INFO : VMV_LOG_DEBUG, SUBSYS, message_id, fields,
		      "%s: %s%s%s", name, text, *session ? ", session " : "", session);
}

void vmv_talk_report(const struct vmv_talk *t, const char *session, enum vmv_channel_report what,
		     const struct vmv_err *err)
{
	const char *name = vmv_channel_spec(t->channel)->name;

	switch (what) {
	case VMV_REPORT_OPENED:
		vmv_log(VMV_LOG_INFO, SUBSYS, "%s: open", name);
		return;
	case VMV_REPORT_WAITING:
		vmv_log(err->sys == ENOENT ? VMV_LOG_INFO : VMV_LOG_WARNING, SUBSYS,
			"%s: %s; waiting for it", name, err->msg);
		return;
	case VMV_REPORT_UNPLUGGED:
		vmv_talk_log_port(t, true, session, VMV_MSG_PORT_UNPLUGGED, "port_unplugged",
				  "port unplugged");
		return;
	case VMV_REPORT_REFUSED:
		vmv_log(VMV_LOG_NOTICE, SUBSYS, "%s: turned a peer away: %s", name, err->msg);
		return;
	case VMV_REPORT_STUCK:
		vmv_talk_log_port(t, true, session, VMV_MSG_PORT_STUCK, "port_stuck",
				  "the host does not read");
		return;
	}
}
