#include "commands/handlers.h"

#include "commands/command.h"
#include "commands/families.h"

#include <stdlib.h>
#include <string.h>

/* Sorted by name; tests/unit/test_command.c holds us to it. */
const struct vmv_handler vmv_handlers[] = {
	{ "CheckApplicationUpdates", vmv_run_applications_updates },
	{ "CheckDiskSpace", vmv_run_disk_space },
	{ "CheckLinuxUpdates", vmv_run_updates },
	{ "CheckResourceOptimization", vmv_run_optimization },
	{ "CheckSpecificAppUpdates", vmv_run_application_update },
	{ "Describe", vmv_run_describe },
	{ "EstimateUpdateSize", vmv_run_application_update },
	{ "FsFreezeStatus", vmv_run_freeze_status },
	{ "GetApplicationDetails", vmv_run_application_details },
	{ "GetHealth", vmv_run_get_health },
	{ "GetInstalledApplicationsWMI", vmv_run_applications },
	{ "GetLinuxSecurityUpdates", vmv_run_security_updates },
	{ "GetMetrics", vmv_run_get_metrics },
	{ "GetSamples", vmv_run_get_samples },
	{ "GetSecurityUpdates", vmv_run_applications_security_updates },
	{ "GetState", vmv_run_get_state },
	{ "JobCancel", vmv_run_job_cancel },
	{ "JobStatus", vmv_run_job_status },
	{ "OsInfo", vmv_run_os_info },
	{ "PackageList", vmv_run_package_list },
	{ "PackageSearch", vmv_run_package_search },
	{ "Ping", vmv_run_ping },
	{ "ProcessList", vmv_run_process_list },
	{ "ProcessTop", vmv_run_process_top },
	{ "RunAllHealthChecks", vmv_run_all_health_checks },
	{ "RunHealthCheck", vmv_run_health_check },
	{ "ServiceControl", vmv_run_service_status },
	{ "ServiceList", vmv_run_service_list },
	{ "SystemInfo", vmv_run_system_info },
	{ "UserList", vmv_run_user_list },
};
const size_t vmv_n_handlers = sizeof(vmv_handlers) / sizeof(vmv_handlers[0]);

static int by_action(const void *key, const void *elem)
{
	return strcmp(key, ((const struct vmv_handler *)elem)->action);
}

const struct vmv_handler *vmv_handler_find(const char *action)
{
	const struct vmv_command *c = vmv_command_find(action);

	if (c && c->alias_of)
		action = c->alias_of;
	return bsearch(action, vmv_handlers, vmv_n_handlers, sizeof(vmv_handlers[0]), by_action);
}
