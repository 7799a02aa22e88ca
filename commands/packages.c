#include "commands/command.h"
#include "commands/families.h"
#include "commands/software.h"

const struct vmv_topic vmv_package_topics[] = {
	{ .action = "PackageList",
	  .word = "packages",
	  .operand = -1,
	  .one = "package",
	  .many = "packages" },
	{ .action = "PackageSearch",
	  .word = "search",
	  .operand = VMV_PACKAGE_SEARCH_QUERY,
	  .is_fresh = true,
	  .one = "package",
	  .many = "packages" },
	{ .action = "GetInstalledApplicationsWMI",
	  .word = "applications",
	  .operand = -1,
	  .one = "application",
	  .many = "applications" },
	{ .action = "GetApplicationDetails",
	  .word = "application",
	  .operand = VMV_APP_ID,
	  .is_single = true,
	  .one = "application" },
	{ .action = NULL },
};

void vmv_run_package_list(struct vmv_request *req)
{
	vmv_software_ask(req);
}

void vmv_run_package_search(struct vmv_request *req)
{
	vmv_software_ask(req);
}

void vmv_run_applications(struct vmv_request *req)
{
	vmv_software_ask(req);
}

void vmv_run_application_details(struct vmv_request *req)
{
	vmv_software_ask(req);
}
