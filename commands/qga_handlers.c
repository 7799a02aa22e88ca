#include "commands/qga.h"
#include "commands/qga_families.h"

#include <stdlib.h>
#include <string.h>

/* Sorted by name; tests/unit/test_qga_table.c holds us to it. */
const struct vmv_handler vmv_qga_handlers[] = {
	{ "guest-fsfreeze-status", vmv_qga_freeze_status },
	{ "guest-get-cpustats", vmv_qga_cpustats },
	{ "guest-get-disks", vmv_qga_disks },
	{ "guest-get-diskstats", vmv_qga_diskstats },
	{ "guest-get-fsinfo", vmv_qga_fsinfo },
	{ "guest-get-host-name", vmv_qga_host_name },
	{ "guest-get-load", vmv_qga_load },
	{ "guest-get-memory-block-info", vmv_qga_memory_block_info },
	{ "guest-get-memory-blocks", vmv_qga_memory_blocks },
	{ "guest-get-osinfo", vmv_qga_osinfo },
	{ "guest-get-time", vmv_qga_time },
	{ "guest-get-timezone", vmv_qga_timezone },
	{ "guest-get-users", vmv_qga_users },
	{ "guest-get-vcpus", vmv_qga_vcpus },
	{ "guest-info", vmv_qga_info },
	{ "guest-network-get-interfaces", vmv_qga_interfaces },
	{ "guest-network-get-route", vmv_qga_route },
	{ "guest-ping", vmv_qga_ping },
	{ "guest-sync", vmv_qga_sync },
	{ "guest-sync-delimited", vmv_qga_sync },
	{ "vmvitals-get-health", vmv_qga_vitals_health },
	{ "vmvitals-get-memory", vmv_qga_vitals_memory },
	{ "vmvitals-get-pressure", vmv_qga_vitals_pressure },
};
const size_t vmv_n_qga_handlers = sizeof(vmv_qga_handlers) / sizeof(vmv_qga_handlers[0]);

static int by_name(const void *key, const void *elem)
{
	return strcmp(key, ((const struct vmv_handler *)elem)->action);
}

const struct vmv_handler *vmv_qga_handler(const char *name)
{
	return bsearch(name, vmv_qga_handlers, vmv_n_qga_handlers, sizeof(vmv_qga_handlers[0]),
		       by_name);
}
