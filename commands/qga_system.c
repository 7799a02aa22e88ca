#include "base/err.h"
#include "commands/qga.h"
#include "commands/qga_families.h"
#include "commands/request.h"

void vmv_qga_time(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_osinfo(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_host_name(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_timezone(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_users(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_load(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_cpustats(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_vcpus(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_memory_blocks(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}

void vmv_qga_memory_block_info(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_UNSUPPORTED, 0, "not there yet" };

	vmv_request_fail(req, &err);
}
