#include "commands/request.h"

#include "base/err.h"
#include "proto/json_write.h"

#include <errno.h>
#include <string.h>

void vmv_request_fail(struct vmv_request *req, const struct vmv_err *err)
{
	req->answer(req, err, NULL, NULL);
}

void vmv_request_fail_with(struct vmv_request *req, const struct vmv_err *err,
			   const struct vmv_jw *data)
{
	req->answer(req, err, NULL, vmv_jw_finish(data) == 0 ? data : NULL);
}

void vmv_request_done(struct vmv_request *req, const char *text, const struct vmv_jw *data)
{
	struct vmv_err err;
	int r = data ? vmv_jw_finish(data) : 0;

	if (r < 0) {
		(void)vmv_fail(&err, VMV_E_IO, -r, "the answer cannot be written: %s",
			       strerror(-r));
		vmv_request_fail(req, &err);
		return;
	}
	req->answer(req, NULL, text, data);
}
