#include "reports/advice.h"

#include "base/err.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"

static const struct vmv_err no_memory = { VMV_E_IO, 0, "out of memory" };

static void advice_ready(void *arg, const struct vmv_view *view)
{
	static const struct vmv_err abandoned = { VMV_E_IO, 0, "the reading was abandoned" };
	struct vmv_request *req = arg;
	const char *text;
	struct vmv_jw w;

	if (!view) {
		vmv_request_fail(req, &abandoned);
		return;
	}
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	if (vmv_advice_write(&w, req->services->usage(req->agent),
			     (unsigned)req->args[VMV_OPTIMIZATION_DAYS].number, view->facts,
			     view->rates, &text) < 0)
		vmv_request_fail(req, &no_memory);
	else
		vmv_request_done(req, text, &w);
	vmv_jw_free(&w);
}

void vmv_run_optimization(struct vmv_request *req)
{
	const struct vmv_ask ask = { .groups = vmv_advice_groups(), .has_rates = true };

	if (req->services->fetch(req->agent, &ask, advice_ready, req) < 0)
		vmv_request_fail(req, &no_memory);
}
