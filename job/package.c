#include "job/action.h"

#include <errno.h>

int vmv_do_package_install(struct vmv_action *a, struct vmv_err *err)
{
	(void)a;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
}

int vmv_do_package_remove(struct vmv_action *a, struct vmv_err *err)
{
	(void)a;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
}

int vmv_do_package_update(struct vmv_action *a, struct vmv_err *err)
{
	(void)a;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
}

int vmv_do_update_system(struct vmv_action *a, struct vmv_err *err)
{
	(void)a;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
}
