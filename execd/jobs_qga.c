#include "commands/qga.h"
#include "execd/jobs_impl.h"
#include "execd/qga.h"
#include "proto/json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

bool vmv_jobs_is_program(const struct entry *e)
{
	return e->is_qga && (e->command->flags & VMV_COMMAND_CHILD);
}

/* By the same rules as when it came, and in the same words. */
int vmv_jobs_qga_check(struct entry *e, struct vmv_err *err)
{
	struct vmv_policy policy;

	vmv_execd_qga_policy(e->jobs->execd, &policy);
	return vmv_qga_judge(&policy, e->command, err);
}

void vmv_jobs_qga_answer(struct entry *e, const struct vmv_err *err, const char *data, size_t len)
{
	if (!e->is_answered)
		vmv_execd_qga_result(&e->to, err, data, len);
	e->is_answered = true;
	vmv_jobs_tell_no_more(e);
}

/* -- programs -----------------------------------------------------------------------------------
 */

static void tell_pid(struct entry *e, pid_t pid)
{
	char text[40];
	int len = snprintf(text, sizeof(text), "{\"pid\":%d}", (int)pid);

	vmv_jobs_qga_answer(e, NULL, text, (size_t)len);
}

/* It has become the program: that is the answer. It runs on, for as long as it likes. */
void vmv_jobs_qga_on_began(void *arg, pid_t pid)
{
	struct entry *e = arg;
	struct vmv_err err;

	vmv_jobs_give_place(e);
	e->pid = pid;
	vmv_jobs_audit(e, "started");
	if (vmv_execd_qga_began(e->jobs->execd, pid, &err) == 0) {
		tell_pid(e, pid);
	} else { /* nobody could ask after it */
		vmv_jobs_qga_answer(e, &err, NULL, 0);
		vmv_job_cancel(e->job);
	}
	vmv_jobs_start_next(e->jobs);
}

/* Its file may lie where nobody answers. */
void vmv_jobs_qga_on_slow(evutil_socket_t fd, short what, void *arg)
{
	struct entry *e = arg;
	struct vmv_err err;

	(void)fd;
	(void)what;
	(void)vmv_fail(&err, VMV_E_TIMEDOUT, ETIMEDOUT, "the program did not begin in time");
	vmv_jobs_qga_answer(e, &err, NULL, 0);
	if (e->job)
		vmv_job_cancel(e->job);
}

/* -- ends ---------------------------------------------------------------------------------------
 */

static void answer_value(struct entry *e, struct json_object *data)
{
	struct vmv_err err;
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_QGA_REPLY_MAX);
	if (vmv_execd_qga_take(e->jobs->execd, e->command, e->handle, data, &w, &err) < 0)
		vmv_jobs_qga_answer(e, &err, NULL, 0);
	else
		vmv_jobs_qga_answer(e, NULL, w.buf.data, w.buf.len);
	vmv_jw_free(&w);
}

/* What a job was denied is no word about the command: clients would take it for disabled. */
static void answer_failure(struct entry *e, const struct vmv_err *err)
{
	struct vmv_err told = *err;

	if (told.code == VMV_E_DENIED || told.code == VMV_E_UNKNOWN)
		told.code = VMV_E_RANGE;
	vmv_jobs_qga_answer(e, &told, NULL, 0);
}

void vmv_jobs_qga_ended(struct entry *e, const struct vmv_err *err, struct json_object *data,
			const struct vmv_job_end *end)
{
	if (e->has_begun)
		vmv_execd_qga_ended(e->jobs->execd, e->pid, end);
	else if (err)
		answer_failure(e, err);
	/* or a file would be open that nobody knows of; of one that is, the position has moved */
	else if (e->handle || (!e->is_answered && e->to.peer))
		answer_value(e, data);
}
