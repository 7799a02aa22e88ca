#include "base/err.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"

#include <errno.h>

static void answer(struct vmv_request *req, const struct vmv_err *err, const char *data, size_t len)
{
	struct vmv_jw w;

	if (err) {
		vmv_request_fail(req, err);
		return;
	}
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_jw_raw(&w, NULL, data, len);
	vmv_request_done(req, "jobs of the executor", &w);
	vmv_jw_free(&w);
}

/* Without an executor there are no jobs: that is an answer, too. */
static void answer_none(struct vmv_request *req, const char *job)
{
	struct vmv_err err;
	struct vmv_jw w;

	if (job) {
		(void)vmv_fail(&err, VMV_E_NOTFOUND, ENOENT, "no job '%.100s' is known", job);
		vmv_request_fail(req, &err);
		return;
	}
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_array(&w, "jobs");
	vmv_jw_end(&w);
	vmv_jw_close(&w);
	vmv_request_done(req, "no jobs", &w);
	vmv_jw_free(&w);
}

static void ask(struct vmv_request *req, const char *op)
{
	const char *job = req->args[VMV_JOB_ID].text;

	if (req->services->jobs_of(req, op, job, answer) < 0)
		answer_none(req, job);
}

void vmv_run_job_status(struct vmv_request *req)
{
	ask(req, "status");
}

void vmv_run_job_cancel(struct vmv_request *req)
{
	ask(req, "cancel");
}
