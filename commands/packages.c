#include "base/err.h"
#include "commands/families.h"
#include "commands/request.h"

#include <errno.h>

void vmv_run_package_list(struct vmv_request *req)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
	vmv_request_fail(req, &err);
}

void vmv_run_package_search(struct vmv_request *req)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
	vmv_request_fail(req, &err);
}

void vmv_run_applications(struct vmv_request *req)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
	vmv_request_fail(req, &err);
}

void vmv_run_application_details(struct vmv_request *req)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
	vmv_request_fail(req, &err);
}
