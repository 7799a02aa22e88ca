#include "reports/users.h"

#include "base/err.h"
#include "base/root.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void fail(struct vmv_request *req, int error)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_IO, error, "the accounts cannot be read: %s", strerror(error));
	vmv_request_fail(req, &err);
}

static void users_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	struct vmv_jw w;
	char text[64];
	size_t n;
	int r;

	if (!view) {
		fail(req, ECANCELED);
		return;
	}
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	r = vmv_users_write(&w, vmv_facts_root(view->facts), &n, &req->is_truncated);
	if (r < 0) {
		fail(req, -r);
	} else {
		(void)snprintf(text, sizeof(text), "%zu user%s", n, n == 1 ? "" : "s");
		vmv_request_done(req, text, &w);
	}
	vmv_jw_free(&w);
}

/* No group is wanted, so this calls back at once: what is wanted is the root they are read from. */
void vmv_run_user_list(struct vmv_request *req)
{
	const struct vmv_ask ask = { .max_age_ms = UINT32_MAX };
	int r = req->services->fetch(req->agent, &ask, users_ready, req);

	if (r < 0)
		fail(req, -r);
}
