#include "base/err.h"
#include "commands/qga.h"
#include "job/qga.h"

#include <errno.h>

int vmv_do_qga_shutdown(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_freeze(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_thaw(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_trim(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_set_time(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_set_vcpus(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_set_memory_blocks(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}

int vmv_do_qga_suspend(struct vmv_action *a, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not there yet", a->command->name);
}
