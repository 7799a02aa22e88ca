#include "job/action.h"

#include <errno.h>

int vmv_do_file_read(struct vmv_action *a, struct vmv_err *err)
{
	(void)a;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
}

int vmv_do_file_stat(struct vmv_action *a, struct vmv_err *err)
{
	(void)a;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
}

int vmv_do_file_write(struct vmv_action *a, struct vmv_err *err)
{
	(void)a;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
}
