#include "commands/qga.h"
#include "commands/qga_families.h"
#include "commands/request.h"
#include "proto/json_write.h"

void vmv_qga_ping(struct vmv_request *req)
{
	vmv_request_done(req, NULL, NULL);
}

void vmv_qga_sync(struct vmv_request *req)
{
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_int(&w, NULL, req->args[VMV_QGA_SYNC_ID].number);
	vmv_request_done(req, NULL, &w);
	vmv_jw_free(&w);
}

static void write_command(struct vmv_jw *w, const struct vmv_policy *policy,
			  const struct vmv_command *c)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", c->name);
	vmv_jw_bool(w, "enabled", vmv_qga_judge(policy, c, NULL) == 0);
	vmv_jw_bool(w, "success-response", !(c->flags & VMV_COMMAND_SILENT));
	vmv_jw_close(w);
}

void vmv_qga_info(struct vmv_request *req)
{
	struct vmv_policy policy;
	struct vmv_jw w;

	req->services->policy(req->session, &policy);
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "version", PACKAGE_VERSION);
	vmv_jw_array(&w, "supported_commands");
	for (size_t i = 0; i < vmv_n_qga_commands; i++)
		write_command(&w, &policy, &vmv_qga_commands[i]);
	vmv_jw_end(&w);
	vmv_jw_close(&w);
	vmv_request_done(req, NULL, &w);
	vmv_jw_free(&w);
}

void vmv_qga_freeze_status(struct vmv_request *req)
{
	struct vmv_freeze_state state;
	struct vmv_jw w;

	req->services->freeze_state(req->agent, &state);
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_str(&w, NULL, state.is_frozen ? "frozen" : "thawed");
	vmv_request_done(req, NULL, &w);
	vmv_jw_free(&w);
}
