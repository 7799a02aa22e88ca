#include "reports/disks.h"

#include "base/err.h"
#include "collectors/filesystem.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"

#include <errno.h>

static struct vmv_disk_lines lines_of(const struct vmv_request *req)
{
	return (struct vmv_disk_lines){
		.warning = req->args[VMV_DISK_SPACE_WARNING].num,
		.critical = req->args[VMV_DISK_SPACE_CRITICAL].num,
	};
}

static void disks_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_err err = { VMV_E_IO, 0, "the reading was abandoned" };
	struct vmv_request *req = arg;
	char text[VMV_DISKS_TEXT];
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	if (!view ||
	    vmv_disks_write(&w, view->facts, lines_of(req), text, &req->is_truncated, &err) < 0)
		vmv_request_fail(req, &err);
	else
		vmv_request_done(req, text, &w);
	vmv_jw_free(&w);
}

void vmv_run_disk_space(struct vmv_request *req)
{
	const struct vmv_ask ask = { .groups = vmv_group(&vmv_collector_filesystem) };
	static const struct vmv_err no_memory = { VMV_E_IO, 0, "out of memory" };
	struct vmv_err err;

	if (lines_of(req).critical < lines_of(req).warning) {
		(void)vmv_fail(
			&err, VMV_E_RANGE, EINVAL,
			"argument 'critical_threshold' (%g) is below 'warning_threshold' (%g)",
			lines_of(req).critical, lines_of(req).warning);
		vmv_request_fail(req, &err);
		return;
	}
	if (req->services->fetch(req->agent, &ask, disks_ready, req) < 0)
		vmv_request_fail(req, &no_memory);
}
