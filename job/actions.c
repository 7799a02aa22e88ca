#include "job/action.h"

#include <stdlib.h>
#include <string.h>

/* Sorted by name; tests/unit/test_actions.c holds us to it. */
const struct vmv_action_row vmv_actions[] = {
	{ "DiskCleanup", vmv_do_disk_cleanup },
	{ "FileRead", vmv_do_file_read },
	{ "FileStat", vmv_do_file_stat },
	{ "FileWrite", vmv_do_file_write },
	{ "FsFreeze", vmv_do_fs_freeze },
	{ "FsThaw", vmv_do_fs_thaw },
	{ "FsTrim", vmv_do_fs_trim },
	{ "JoinDomain", vmv_do_join_domain },
	{ "PackageInstall", vmv_do_package_install },
	{ "PackageRemove", vmv_do_package_remove },
	{ "PackageUpdate", vmv_do_package_update },
	{ "PowerOff", vmv_do_power_off },
	{ "PrepareGoldenImage", vmv_do_prepare_golden_image },
	{ "ProcessKill", vmv_do_process_kill },
	{ "RebootSystem", vmv_do_reboot },
	{ "ServiceControl", vmv_do_service_control },
	{ "SetHostname", vmv_do_set_hostname },
	{ "SetTime", vmv_do_set_time },
	{ "UpdateSystemSoftware", vmv_do_update_system },
};
const size_t vmv_n_actions = sizeof(vmv_actions) / sizeof(vmv_actions[0]);

static int by_name(const void *key, const void *elem)
{
	return strcmp(key, ((const struct vmv_action_row *)elem)->name);
}

const struct vmv_action_row *vmv_action_find(const char *name)
{
	return bsearch(name, vmv_actions, vmv_n_actions, sizeof(vmv_actions[0]), by_name);
}
