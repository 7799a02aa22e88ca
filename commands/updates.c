#include "commands/command.h"
#include "commands/families.h"
#include "commands/software.h"

#define UPDATE	 .one = "update", .many = "updates"
#define SECURITY .one = "security update", .many = "security updates"

const struct vmv_topic vmv_update_topics[] = {
	{ .action = "CheckLinuxUpdates",
	  .word = "updates",
	  .operand = -1,
	  .has_security = true,
	  UPDATE },
	{ .action = "GetLinuxSecurityUpdates",
	  .word = "updates-security",
	  .operand = -1,
	  .has_security = true,
	  SECURITY },
	{ .action = "CheckApplicationUpdates",
	  .word = "application-updates",
	  .operand = -1,
	  .has_security = true,
	  UPDATE },
	{ .action = "GetSecurityUpdates",
	  .word = "application-updates-security",
	  .operand = -1,
	  .has_security = true,
	  SECURITY },
	{ .action = "CheckSpecificAppUpdates",
	  .word = "application-update",
	  .operand = VMV_APP_ID,
	  .is_single = true,
	  .has_security = true,
	  .one = "updates of" },
	{ .action = "EstimateUpdateSize",
	  .word = "application-update",
	  .operand = VMV_APP_ID,
	  .is_single = true,
	  .has_security = true,
	  .one = "size of the update of" },
	{ .action = NULL },
};

void vmv_run_updates(struct vmv_request *req)
{
	vmv_software_ask(req);
}

void vmv_run_security_updates(struct vmv_request *req)
{
	vmv_software_ask(req);
}

void vmv_run_applications_updates(struct vmv_request *req)
{
	vmv_software_ask(req);
}

void vmv_run_applications_security_updates(struct vmv_request *req)
{
	vmv_software_ask(req);
}

void vmv_run_application_update(struct vmv_request *req)
{
	vmv_software_ask(req);
}
