#include "reports/samples.h"

#include "base/err.h"
#include "collectors/collector.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"
#include "reports/hello.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

/* Names that are no group, as the data of the refusal. Returns whether there is one; err names the
 * first. */
static bool list_unknown(struct json_object *names, struct vmv_jw *w, struct vmv_err *err)
{
	size_t n = names ? json_object_array_length(names) : 0;
	bool has_any = false;

	vmv_jw_open(w, NULL);
	vmv_jw_array(w, "unknown");
	for (size_t i = 0; i < n; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));

		if (vmv_collector_find(name))
			continue;
		if (!has_any)
			(void)vmv_fail(err, VMV_E_RANGE, EINVAL, "no group named '%.100s'", name);
		has_any = true;
		vmv_jw_str(w, NULL, name);
	}
	vmv_jw_end(w);
	vmv_jw_close(w);
	return has_any;
}

/* All of them known. */
static vmv_groups set_of(struct json_object *names)
{
	size_t n = names ? json_object_array_length(names) : 0;
	vmv_groups set = names ? 0 : vmv_groups_default();

	for (size_t i = 0; i < n; i++)
		set |= vmv_group(vmv_collector_find(
			json_object_get_string(json_object_array_get_idx(names, i))));
	return set;
}

static void samples_ready(void *arg, const struct vmv_view *view)
{
	static const struct vmv_err abandoned = { VMV_E_IO, 0, "the reading was abandoned" };
	struct vmv_request *req = arg;
	vmv_groups groups = set_of(req->args[VMV_GET_SAMPLES_GROUPS].json);
	struct vmv_hello hello;
	char text[32];
	struct vmv_jw w;
	int n;

	if (!view) {
		vmv_request_fail(req, &abandoned);
		return;
	}
	req->services->hello(req->session, &hello);
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_samples_data(&w, view->facts, groups, hello.schema);
	n = __builtin_popcountll(groups);
	(void)snprintf(text, sizeof(text), "%d group%s", n, n == 1 ? "" : "s");
	vmv_request_done(req, text, &w);
	vmv_jw_free(&w);
}

void vmv_run_get_samples(struct vmv_request *req)
{
	static const struct vmv_err no_memory = { VMV_E_IO, 0, "out of memory" };
	struct json_object *names = req->args[VMV_GET_SAMPLES_GROUPS].json;
	struct vmv_err err;
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	if (list_unknown(names, &w, &err)) {
		vmv_request_fail_with(req, &err, &w);
	} else {
		const struct vmv_ask ask = { .groups = set_of(names) };

		if (req->services->fetch(req->agent, &ask, samples_ready, req) < 0)
			vmv_request_fail(req, &no_memory);
	}
	vmv_jw_free(&w);
}
