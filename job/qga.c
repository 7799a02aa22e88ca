#include "job/qga.h"

#include <stdlib.h>
#include <string.h>

/* Sorted by name; tests/unit/test_qga_actions.c holds us to it. */
const struct vmv_action_row vmv_qga_actions[] = {
	{ "guest-exec", vmv_do_qga_exec },
	{ "guest-file-flush", vmv_do_qga_file_flush },
	{ "guest-file-open", vmv_do_qga_file_open },
	{ "guest-file-read", vmv_do_qga_file_read },
	{ "guest-file-seek", vmv_do_qga_file_seek },
	{ "guest-file-write", vmv_do_qga_file_write },
	{ "guest-fsfreeze-freeze", vmv_do_qga_freeze },
	{ "guest-fsfreeze-freeze-list", vmv_do_qga_freeze },
	{ "guest-fsfreeze-thaw", vmv_do_qga_thaw },
	{ "guest-fstrim", vmv_do_qga_trim },
	{ "guest-set-memory-blocks", vmv_do_qga_set_memory_blocks },
	{ "guest-set-time", vmv_do_qga_set_time },
	{ "guest-set-user-password", vmv_do_qga_set_password },
	{ "guest-set-vcpus", vmv_do_qga_set_vcpus },
	{ "guest-shutdown", vmv_do_qga_shutdown },
	{ "guest-ssh-add-authorized-keys", vmv_do_qga_ssh_add },
	{ "guest-ssh-get-authorized-keys", vmv_do_qga_ssh_get },
	{ "guest-ssh-remove-authorized-keys", vmv_do_qga_ssh_remove },
	{ "guest-suspend-disk", vmv_do_qga_suspend },
	{ "guest-suspend-hybrid", vmv_do_qga_suspend },
	{ "guest-suspend-ram", vmv_do_qga_suspend },
};
const size_t vmv_n_qga_actions = sizeof(vmv_qga_actions) / sizeof(vmv_qga_actions[0]);

static int by_name(const void *key, const void *elem)
{
	return strcmp(key, ((const struct vmv_action_row *)elem)->name);
}

const struct vmv_action_row *vmv_qga_action_find(const char *name)
{
	return bsearch(name, vmv_qga_actions, vmv_n_qga_actions, sizeof(vmv_qga_actions[0]),
		       by_name);
}
