#include "base/log.h"
#include "execd/execd_impl.h"

#include <inttypes.h>
#include <stdio.h>

#define SUBSYS	  "audit"
#define MSG_AUDIT "6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b10" /* a decision of the executor */

void vmv_audit(const struct vmv_audit *a)
{
	const char *command = a->command ? a->command : "-", *id = a->id ? a->id : "-";
	char duration[24];
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", a->is_refusal ? "command_refused" : "command_done" },
		{ "VMVITALS_COMMAND", a->command },
		{ "VMVITALS_COMMAND_ID", a->id },
		{ "VMVITALS_CHANNEL", a->channel },
		{ "VMVITALS_SESSION", a->session },
		{ "VMVITALS_KEY", a->key },
		{ "VMVITALS_RESULT", a->result },
		{ "VMVITALS_DURATION_US", duration },
		{ NULL, NULL },
	};

	(void)snprintf(duration, sizeof(duration), "%" PRIu64, a->duration_us);
	vmv_log_entry(a->is_refusal ? VMV_LOG_NOTICE : VMV_LOG_INFO, SUBSYS, MSG_AUDIT, fields,
		      "%s: %s %s: %s%s%s, %" PRIu64 " ms", a->channel ? a->channel : "-", command,
		      id, a->result, a->reason ? ": " : "", a->reason ? a->reason : "",
		      a->duration_us / 1000);
}
