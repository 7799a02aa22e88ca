#include "reports/system.h"
#include "base/err.h"
#include "collectors/memory.h"
#include "collectors/os.h"
#include "collectors/process.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/hello.h"
#include "reports/metrics.h"
#include "reports/processes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

/* A list that is asked for shows what is there now. */
static const struct vmv_ask list_ask = { .has_rates = true };

static const struct vmv_err no_memory = { VMV_E_IO, 0, "out of memory" };
static const struct vmv_err abandoned = { VMV_E_IO, 0, "the reading was abandoned" };

/* -- identity ------------------------------------------------------------------------------- */

static void answer_system(struct vmv_request *req, const struct vmv_view *view, bool with_os)
{
	const struct vmv_os_sample *os =
		view ? vmv_facts_row(view->facts, &vmv_collector_os) : NULL;
	struct vmv_hello hello;
	struct vmv_jw w;

	req->services->hello(req->session, &hello);
	if (!os)
		os = hello.os; /* what was known when the agent started */
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	vmv_jw_open(&w, NULL);
	vmv_system_members(&w, os, view ? vmv_facts_row(view->facts, &vmv_collector_memory) : NULL);
	if (with_os)
		vmv_os_members(&w, os);
	vmv_jw_close(&w);
	vmv_request_done(req, os->pretty_name, &w);
	vmv_jw_free(&w);
}

static void system_ready(void *arg, const struct vmv_view *view)
{
	answer_system(arg, view, false);
}

static void os_ready(void *arg, const struct vmv_view *view)
{
	answer_system(arg, view, true);
}

/* Nothing in these answers grows old: any reading will do. */
static struct vmv_ask identity(void)
{
	return (struct vmv_ask){
		.groups = vmv_group(&vmv_collector_os) | vmv_group(&vmv_collector_memory),
		.max_age_ms = UINT32_MAX,
	};
}

void vmv_run_system_info(struct vmv_request *req)
{
	const struct vmv_ask ask = identity();

	if (req->services->fetch(req->agent, &ask, system_ready, req) < 0)
		vmv_request_fail(req, &no_memory);
}

void vmv_run_os_info(struct vmv_request *req)
{
	const struct vmv_ask ask = identity();

	if (req->services->fetch(req->agent, &ask, os_ready, req) < 0)
		vmv_request_fail(req, &no_memory);
}

/* -- processes ------------------------------------------------------------------------------ */

/* There is always one: an empty table is one that could not be read. */
static bool has_processes(const struct vmv_view *view, struct vmv_err *err)
{
	size_t n;
	const struct vmv_collector_status *s = vmv_facts_status(view->facts, &n);

	(void)vmv_fail(err, VMV_E_IO, ENODATA, "processes cannot be read");
	for (size_t i = 0; i < n; i++)
		if (s[i].collector == &vmv_collector_process && s[i].error[0])
			(void)vmv_fail(err, VMV_E_IO, ENODATA, "%s", s[i].error);
	(void)vmv_facts_rows(view->facts, &vmv_collector_process, &n);
	return n > 0;
}

static void answer_processes(struct vmv_request *req, const struct vmv_view *view,
			     enum vmv_process_order order, int64_t limit)
{
	static const char *const words[] = {
		[VMV_BY_PID] = "",
		[VMV_BY_CPU] = " by cpu",
		[VMV_BY_MEMORY] = " by memory",
	};
	struct vmv_err err;
	char text[64];
	struct vmv_jw w;
	size_t shown;

	if (!view || !has_processes(view, &err)) {
		vmv_request_fail(req, view ? &err : &abandoned);
		return;
	}
	if (limit <= 0 || limit > VMV_PROCESS_LIST_MAX)
		limit = VMV_PROCESS_LIST_MAX;
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	if (vmv_processes_write_list(&w, NULL, view->facts, view->rates, order, (size_t)limit,
				     view->options->has_cmdline, &shown, &req->is_truncated) < 0) {
		vmv_request_fail(req, &no_memory);
	} else {
		(void)snprintf(text, sizeof(text), "%zu process%s%s", shown, shown == 1 ? "" : "es",
			       words[order]);
		vmv_request_done(req, text, &w);
	}
	vmv_jw_free(&w);
}

static void list_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;

	answer_processes(req, view, VMV_BY_PID, req->args[VMV_PROCESS_LIST_LIMIT].number);
}

static void top_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	bool by_cpu = req->args[VMV_PROCESS_TOP_SORT_BY].number == VMV_SORT_CPU;

	answer_processes(req, view, by_cpu ? VMV_BY_CPU : VMV_BY_MEMORY,
			 req->args[VMV_PROCESS_TOP_LIMIT].number);
}

void vmv_run_process_list(struct vmv_request *req)
{
	if (req->services->fetch(req->agent, &list_ask, list_ready, req) < 0)
		vmv_request_fail(req, &no_memory);
}

void vmv_run_process_top(struct vmv_request *req)
{
	if (req->services->fetch(req->agent, &list_ask, top_ready, req) < 0)
		vmv_request_fail(req, &no_memory);
}
