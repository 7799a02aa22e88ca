#include "job/action.h"

#include <errno.h>

int vmv_do_join_domain(struct vmv_action *a, struct vmv_err *err)
{
	(void)a;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
}
