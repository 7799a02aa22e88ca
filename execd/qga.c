#include "execd/qga.h"

#include "base/limits.h"
#include "base/log.h"
#include "commands/qga.h"
#include "execd/jobs.h"
#include "execd/qga_children.h"
#include "execd/qga_files.h"
#include "proto/json_copy.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/response.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define SUBSYS	    "qga"
#define NAME_PREFIX "guest-file-"

struct vmv_execd_qga {
	struct vmv_qga_files *files;
	struct vmv_qga_children *children;
	struct event *forgetting; /* programs that nobody asks after */
};

/* -- policy -------------------------------------------------------------------------------------
 */

void vmv_execd_qga_policy(struct vmv_execd *e, struct vmv_policy *ret)
{
	const struct vmv_config *c = e->config;

	*ret = (struct vmv_policy){
		.level = (enum vmv_level)c->qga_level,
		.deny = (const char *const *)c->qga_deny.items,
		.n_deny = c->qga_deny.n,
		.allow = (const char *const *)c->qga_allow.items,
		.n_allow = c->qga_allow.n,
		.has_executor = true,
		.is_frozen = vmv_execd_is_frozen(e),
	};
}

/* -- results ------------------------------------------------------------------------------------
 */

void vmv_execd_qga_result(const struct vmv_return *to, const struct vmv_err *err, const char *data,
			  size_t len)
{
	struct vmv_jw w;

	if (!to->peer)
		return;
	vmv_jw_init(&w, VMV_LINK_LINE_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "result");
	vmv_jw_u64(&w, "ref", to->ref);
	vmv_jw_str(&w, "error_code", err ? vmv_error_code(err->code) : NULL);
	vmv_jw_str(&w, "error", err ? err->msg : NULL);
	if (!err && len > 0)
		vmv_jw_raw(&w, "data", data, len);
	else
		vmv_jw_null(&w, "data");
	vmv_jw_close(&w);
	vmv_peer_send(to->peer, &w);
}

static void refuse(struct vmv_execd *e, const struct vmv_return *to, const struct vmv_command *c,
		   const struct vmv_err *err)
{
	const struct vmv_audit a = {
		.command = c ? c->name : NULL,
		.channel = to->channel,
		.result = vmv_error_code(err->code),
		.reason = err->msg,
		.is_refusal = true,
	};

	if (vmv_execd_may_log(e))
		vmv_audit(&a);
	vmv_execd_qga_result(to, err, NULL, 0);
}

/* -- programs -----------------------------------------------------------------------------------
 */

/* Looks after those that have ended, and when to look again. */
static void forget(struct vmv_execd *e)
{
	struct vmv_execd_qga *q = e->qga;
	uint64_t now = vmv_execd_now_ms(e), due;
	unsigned n = vmv_qga_children_forget(q->children, now);
	struct timeval tv;

	if (n > 0)
		vmv_log(VMV_LOG_NOTICE, SUBSYS,
			"%u programs of guest-exec are forgotten: nobody asked how they ended", n);
	due = vmv_qga_children_due(q->children);
	if (due == UINT64_MAX)
		return;
	tv = (struct timeval){ .tv_sec = due > now ? (time_t)((due - now) / 1000 + 1) : 1 };
	(void)event_add(q->forgetting, &tv);
}

static void on_forgetting(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	forget(arg);
}

int vmv_execd_qga_began(struct vmv_execd *e, pid_t pid, struct vmv_err *err)
{
	if (vmv_qga_children_add(e->qga->children, pid) < 0)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	forget(e);
	return 0;
}

void vmv_execd_qga_ended(struct vmv_execd *e, pid_t pid, const struct vmv_job_end *end)
{
	vmv_qga_children_ended(e->qga->children, pid, end, vmv_execd_now_ms(e));
	forget(e);
}

bool vmv_execd_qga_is_busy(const struct vmv_execd *e)
{
	return !vmv_qga_children_is_empty(e->qga->children);
}

/* -- what a job has said ------------------------------------------------------------------------
 */

static int take_file(struct vmv_execd *e, struct json_object *data, struct vmv_jw *ret,
		     struct vmv_err *err)
{
	uint64_t handle = 0;
	int r = vmv_qga_files_add(e->qga->files, vmv_json_get(data, "file"), vmv_execd_now_ms(e),
				  &handle, err);

	if (r == 0)
		vmv_jw_u64(ret, NULL, handle);
	return r;
}

int vmv_execd_qga_take(struct vmv_execd *e, const struct vmv_command *c, uint64_t handle,
		       struct json_object *data, struct vmv_jw *ret, struct vmv_err *err)
{
	int64_t position;
	int r = 0;

	if (strcmp(c->name, "guest-file-open") == 0) {
		r = take_file(e, data, ret, err);
	} else if (handle && data) {
		if (vmv_json_int(vmv_json_get(data, "position"), 0, INT64_MAX, &position))
			vmv_qga_files_move(e->qga->files, handle, position);
		vmv_jw_copy(ret, NULL, vmv_json_get(data, "return"));
	} else if (data) {
		vmv_jw_copy(ret, NULL, data);
	}
	if (r == 0 && vmv_jw_finish(ret) < 0)
		r = vmv_fail(err, VMV_E_IO, 0, "the answer is too long");
	return r;
}

/* -- requests -----------------------------------------------------------------------------------
 */

/* One that has been understood. */
struct ask {
	struct vmv_execd *execd;
	const struct vmv_return *to;
	const struct vmv_command *command;
	struct json_object *arguments; /* NULL: none */
	struct vmv_value args[VMV_ARGS_MAX];
	uint64_t handle;	  /* 0: none */
	struct json_object *file; /* its record, borrowed */
};

static bool is(const struct ask *a, const char *name)
{
	return strcmp(a->command->name, name) == 0;
}

static int write_message(const struct ask *a, struct vmv_jw *w)
{
	/* of what the link lets through a few jobs would take more memory than there is for all */
	vmv_jw_init(w, VMV_QGA_MESSAGE_MAX);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "command", a->command->name);
	vmv_jw_copy(w, "arguments", a->arguments);
	if (is(a, "guest-fsfreeze-freeze") || is(a, "guest-fsfreeze-freeze-list"))
		vmv_jw_u64(w, "thaw_after_s", a->execd->config->qga_thaw_after_s);
	if (a->file)
		vmv_jw_copy(w, "file", a->file);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

/* Reading where another one is writing would leave the position to chance. */
static int find_file(struct ask *a, struct vmv_err *err)
{
	int64_t handle = a->args[VMV_QGA_HANDLE].number;
	struct vmv_execd *e = a->execd;

	a->file = vmv_qga_files_find(e->qga->files, handle, vmv_execd_now_ms(e), err);
	if (!a->file)
		return -ENOENT;
	a->handle = (uint64_t)handle;
	if (vmv_jobs_uses_handle(e->jobs, a->handle))
		return vmv_fail(err, VMV_E_BUSY, EBUSY,
				"handle '%lld' is busy with another request", (long long)handle);
	return 0;
}

/* Whether there is a place for what it will leave here, beside that of those under way. */
static int prepare(struct ask *a, struct vmv_err *err)
{
	struct vmv_execd *e = a->execd;
	size_t n = vmv_jobs_count(e->jobs, a->command) + 1;

	if (is(a, "guest-file-open"))
		return vmv_qga_files_room(e->qga->files, n, vmv_execd_now_ms(e), err);
	if (is(a, "guest-exec"))
		return vmv_qga_children_room(e->qga->children, n, err);
	if (strncmp(a->command->name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0)
		return find_file(a, err);
	return 0;
}

static int start_job(const struct ask *a, struct vmv_err *err)
{
	struct vmv_jobs_qga q = { .command = a->command, .handle = a->handle };
	struct vmv_jw w;
	int r = write_message(a, &w);

	if (r == 0) {
		q.message = w.buf.data;
		q.len = w.buf.len;
		vmv_jobs_add_qga(a->execd->jobs, a->to, &q);
	} else {
		r = vmv_fail(err, VMV_E_IO, -r, "the request cannot be passed on: %s",
			     strerror(-r));
	}
	vmv_jw_free(&w);
	return r;
}

static int tell_status(const struct ask *a, struct vmv_err *err)
{
	struct vmv_jw w;
	int r;

	vmv_jw_init(&w, VMV_QGA_REPLY_MAX);
	r = vmv_qga_children_status(a->execd->qga->children, a->args[VMV_QGA_PID].number, &w, err);
	if (r == 0)
		vmv_execd_qga_result(a->to, NULL, w.buf.data, w.buf.len);
	vmv_jw_free(&w);
	return r;
}

static int run(struct ask *a, struct vmv_err *err)
{
	int r;

	if (is(a, "guest-exec-status"))
		return tell_status(a, err);
	r = prepare(a, err);
	if (r < 0)
		return r;
	if (is(a, "guest-file-close")) {
		vmv_qga_files_remove(a->execd->qga->files, a->handle);
		vmv_execd_qga_result(a->to, NULL, NULL, 0);
		return 0;
	}
	return start_job(a, err);
}

/* Which command it is, whether it may run, and its arguments: in this order. */
static int judge(struct ask *a, const char *name, struct vmv_err *err)
{
	struct vmv_policy policy;
	int r;

	a->command = name ? vmv_qga_find(name) : NULL;
	if (!a->command)
		return vmv_fail(err, VMV_E_UNKNOWN, ENOENT, "The command %.100s has not been found",
				name ? name : "-");
	if (a->command->doer != VMV_BY_EXECUTOR)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "%s is not the executor's to do",
				a->command->name);
	vmv_execd_qga_policy(a->execd, &policy);
	r = vmv_qga_judge(&policy, a->command, err);
	if (r == 0 && a->arguments && !json_object_is_type(a->arguments, json_type_object))
		r = vmv_fail(err, VMV_E_RANGE, EINVAL,
			     "QMP input member 'arguments' must be an object");
	return r < 0 ? r : vmv_qga_args(a->command, a->arguments, a->args, err);
}

void vmv_execd_qga_ask(struct vmv_execd *e, const struct vmv_return *to, const char *command,
		       struct json_object *arguments)
{
	struct ask a = { .execd = e, .to = to, .arguments = arguments };
	struct vmv_err err = { 0 };

	if (judge(&a, command, &err) < 0 || run(&a, &err) < 0)
		refuse(e, to, a.command, &err);
}

/* -- life ---------------------------------------------------------------------------------------
 */

int vmv_execd_qga_new(struct vmv_execd_qga **ret, struct vmv_execd *e, struct vmv_err *err)
{
	struct vmv_execd_qga *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	q->children = vmv_qga_children_new();
	q->forgetting = event_new(e->base, -1, 0, on_forgetting, e);
	r = q->children && q->forgetting
		    ? vmv_qga_files_open(&q->files, e->options->run_dir, vmv_execd_now_ms(e), err)
		    : vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (r < 0) {
		vmv_execd_qga_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

void vmv_execd_qga_free(struct vmv_execd_qga *q)
{
	if (!q)
		return;
	vmv_qga_children_free(q->children);
	vmv_qga_files_free(q->files);
	if (q->forgetting)
		event_free(q->forgetting);
	free(q);
}
