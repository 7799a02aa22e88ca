#include "base/err.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"
#include "reports/hello.h"
#include "reports/metrics.h"
#include "reports/state.h"

#include <stdio.h>

static void answer_ping(void *arg)
{
	struct vmv_request *req = arg;
	struct vmv_hello hello;
	struct vmv_jw w;

	req->services->hello(req->session, &hello);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	vmv_jw_open(&w, NULL);
	vmv_hello_members(&w, &hello);
	vmv_jw_u64(&w, "jobs", req->services->jobs(req->agent));
	vmv_jw_u64(&w, "uptime_s", req->services->uptime_s(req->agent));
	vmv_jw_close(&w);
	vmv_request_done(req, "pong", &w);
	vmv_jw_free(&w);
}

void vmv_run_ping(struct vmv_request *req)
{
	if (req->args[VMV_PING_NEW_SESSION].number)
		req->services->renew(req->session, answer_ping, req);
	else
		answer_ping(req);
}

static void metrics_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	struct vmv_err err = { VMV_E_IO, 0, "the reading was abandoned" };
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_METRICS_MAX);
	if (!view || vmv_metrics_write(&w, NULL, view->facts, view->rates, view->addresses,
				       view->options, &err) < 0)
		vmv_request_fail(req, &err);
	else
		vmv_request_done(req, "metrics", &w);
	vmv_jw_free(&w);
}

void vmv_run_get_metrics(struct vmv_request *req)
{
	static const struct vmv_err err = { VMV_E_IO, 0, "out of memory" };
	const struct vmv_ask ask = {
		.groups = vmv_metrics_groups(),
		.max_age_ms = VMV_REUSE_MS,
		.has_rates = true,
	};

	if (req->services->fetch(req->agent, &ask, metrics_ready, req) < 0)
		vmv_request_fail(req, &err);
}

void vmv_run_get_state(struct vmv_request *req)
{
	struct vmv_state state;
	struct vmv_jw w;
	char text[64];

	req->services->state(req->agent, &state);
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_state_write(&w, &state);
	(void)snprintf(text, sizeof(text), "%zu channel%s, %zu job%s", state.n_channels,
		       state.n_channels == 1 ? "" : "s", state.n_jobs,
		       state.n_jobs == 1 ? "" : "s");
	vmv_request_done(req, text, &w);
	vmv_jw_free(&w);
}
