#include "base/err.h"
#include "commands/qga.h"
#include "commands/qga_families.h"
#include "commands/request.h"

void vmv_qga_fsinfo(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_disks(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_diskstats(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}
