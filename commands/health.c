#include "reports/health.h"

#include "base/err.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"

#include <errno.h>

static void health_ready(void *arg, const struct vmv_view *view)
{
	static const struct vmv_err abandoned = { VMV_E_IO, 0, "the reading was abandoned" };
	struct vmv_request *req = arg;
	const struct vmv_health *health;
	struct vmv_jw w;

	if (!view) {
		vmv_request_fail(req, &abandoned);
		return;
	}
	health = req->services->health(req->agent, view);
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_health_write(&w, health);
	vmv_request_done(req, vmv_health_word(vmv_health_status(health)), &w);
	vmv_jw_free(&w);
}

void vmv_run_get_health(struct vmv_request *req)
{
	static const struct vmv_err no_memory = { VMV_E_IO, 0, "out of memory" };
	const struct vmv_ask ask = { .groups = vmv_checks_groups() };

	if (req->services->fetch(req->agent, &ask, health_ready, req) < 0)
		vmv_request_fail(req, &no_memory);
}

void vmv_run_health_check(struct vmv_request *req)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
	vmv_request_fail(req, &err);
}

void vmv_run_all_health_checks(struct vmv_request *req)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported in this version");
	vmv_request_fail(req, &err);
}
