#include "base/clock.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"

/* Without somebody who freezes, nothing of ours is frozen. */
static struct vmv_freeze_state state_of(const struct vmv_request *req)
{
	struct vmv_freeze_state state = { .is_frozen = false };

	if (req->services->freeze_state)
		req->services->freeze_state(req->agent, &state);
	return state;
}

void vmv_run_freeze_status(struct vmv_request *req)
{
	struct vmv_freeze_state state = state_of(req);
	const char *status = state.is_frozen ? "frozen" : "thawed";
	char since[VMV_STAMP_SIZE];
	struct vmv_jw w;

	vmv_stamp(state.since_real_ms, since);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "status", status);
	vmv_jw_str(&w, "since", state.is_frozen ? since : NULL);
	vmv_jw_u64(&w, "thaw_in_ms", state.is_frozen ? state.thaw_in_ms : VMV_UNSET);
	vmv_jw_close(&w);
	vmv_request_done(req, status, &w);
	vmv_jw_free(&w);
}
