#include "base/err.h"
#include "commands/qga.h"
#include "job/qga.h"

#include <errno.h>

int vmv_do_qga_set_password(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_ssh_get(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_ssh_add(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_ssh_remove(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}
