#include "execd/jobs_impl.h"

#include "base/cleanup.h"
#include "execd/qga.h"
#include "execd/reply.h"
#include "proto/json_copy.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_TO_END 124 /* exit code when the deadline struck */

/* What a job says of itself, and what its end says. */
struct outcome {
	struct json_object *result; /* owned; NULL: it said nothing */
	struct vmv_err err;
	bool has_failed;
	bool is_childs; /* output and code are a child's, and the answer */
	struct vmv_response_child child;
	const char *text;
	struct json_object *data; /* of result */
};

static void take_texts(struct vmv_response_child *c, const struct vmv_job_text texts[2])
{
	c->out = texts[0].data;
	c->out_len = texts[0].len;
	c->out_total = texts[0].total;
	c->err = texts[1].data;
	c->err_len = texts[1].len;
	c->err_total = texts[1].total;
	c->is_cut = texts[0].is_cut || texts[1].is_cut;
}

/* Whether output is the answer, and not chatter for the log. */
static bool has_output(const struct entry *e)
{
	return (e->command->flags & VMV_COMMAND_CHILD) != 0;
}

static void take_child(struct outcome *o, const struct entry *e, const struct vmv_job_end *end)
{
	const struct vmv_job_text texts[2] = { end->out, end->err };

	o->child.exit_code = end->exit_code;
	o->child.is_streamed = e->is_streamed;
	if (has_output(e))
		take_texts(&o->child, texts);
}

static void fail(struct outcome *o, enum vmv_errc code, int sys, const char *what)
{
	o->has_failed = true;
	(void)vmv_fail(&o->err, code, sys, "%s", what);
}

/* The result of an action, as job/main.c writes it. */
static void take_result(struct outcome *o, struct json_object *result)
{
	const char *code = vmv_json_str(result, "error_code");
	const char *error = vmv_json_str(result, "error");
	int64_t exit_code;

	o->text = vmv_json_str(result, "text");
	o->data = vmv_json_get(result, "data");
	o->is_childs = json_object_get_boolean(vmv_json_get(result, "is_childs"));
	if (o->is_childs && vmv_json_int(vmv_json_get(result, "exit_code"), 0, 255, &exit_code))
		o->child.exit_code = (int)exit_code;
	if (code)
		fail(o, vmv_error_of(code), 0, error ? error : "it failed");
}

/* Deadline and cancelling come before anything it may have said. */
static void judge(struct outcome *o, const struct entry *e, const struct vmv_job_end *end)
{
	char text[96];

	if (end->is_cancelled) {
		fail(o, VMV_E_CANCELLED, ECANCELED, "cancelled");
		o->child.exit_code = end->signal == SIGKILL ? 137 : 143;
		o->is_childs = true;
	} else if (end->is_timed_out) {
		(void)snprintf(text, sizeof(text), "timed out after %" PRIu64 " s",
			       (vmv_execd_now_ms(e->jobs->execd) - e->began_ms + 500) / 1000);
		fail(o, VMV_E_TIMEDOUT, ETIMEDOUT, text);
		o->child.exit_code = SECONDS_TO_END;
		o->is_childs = true;
	} else if (end->is_result_too_long) {
		fail(o, VMV_E_IO, 0, "the answer is too long");
	} else if (!o->result && (e->command == &vmv_raw_command || e->has_begun)) {
		o->is_childs = true;
	} else if (!o->result) {
		(void)snprintf(text, sizeof(text), "the job ended without a result, with %s %d",
			       end->signal ? "signal" : "exit code",
			       end->signal ? end->signal : end->exit_code);
		fail(o, VMV_E_IO, 0, text);
	}
}

static void work_out(struct outcome *o, const struct entry *e, const struct vmv_job_end *end)
{
	*o = (struct outcome){ .err = { 0 } };
	take_child(o, e, end);
	if (end->result_len > 0 &&
	    vmv_json_parse(end->result, end->result_len, &o->result, NULL) < 0)
		o->result = NULL;
	if (o->result && !end->is_cancelled && !end->is_timed_out)
		take_result(o, o->result);
	judge(o, e, end);
	if (e->is_streamed) /* how much there was is told in any case */
		o->is_childs = true;
}

void vmv_jobs_audit(const struct entry *e, const char *result)
{
	const struct vmv_audit a = {
		.command = e->script ? "Script" : e->command->name,
		.id = e->id,
		.channel = e->to.channel,
		.session = e->is_qga ? NULL : e->to.session,
		.key = *e->key ? e->key : NULL,
		.result = result,
		.duration_us = (vmv_execd_now_ms(e->jobs->execd) - e->began_ms) * 1000,
	};

	vmv_audit(&a);
}

static void audit(const struct entry *e, const struct outcome *o)
{
	char word[24];
	const char *code = o->has_failed ? vmv_error_code(o->err.code) : NULL;

	if (o->is_childs && o->child.exit_code != 0)
		(void)snprintf(word, sizeof(word), "exit %d", o->child.exit_code);
	else
		(void)snprintf(word, sizeof(word), "ok");
	vmv_jobs_audit(e, code ? code : o->has_failed ? "CANCELLED" : word);
}

/* That a file was opened is told, not each piece of it: who has the agent could ask for any number
 * of them, and drown what else there is. */
static bool is_worth_telling(const struct entry *e, const struct outcome *o)
{
	if (!e->handle)
		return true;
	return o->has_failed && vmv_execd_may_log(e->jobs->execd);
}

/* Its output is read and thrown away: who does the work must not wait for a reader. */
void vmv_jobs_tell_no_more(struct entry *e)
{
	e->to.peer = NULL;
	if (e->job)
		vmv_job_pause(e->job, false);
}

/* Keeps the answer for JobStatus, and sends it unless the host was told earlier. */
static void answer(struct entry *e, const struct vmv_reply *reply)
{
	struct vmv_jw w;

	if (vmv_reply_write(e->jobs->execd, &w, reply) < 0) {
		vmv_peer_fail(e->to.peer); /* who hears nothing must hear that */
		vmv_jw_free(&w);
		return;
	}
	if (!e->is_answered)
		vmv_forward(&e->to, VMV_FORWARD_REPLY, true, true, NULL, w.buf.data, w.buf.len);
	e->is_answered = true;
	vmv_jobs_tell_no_more(e);
	free(e->response);
	e->response = strndup(w.buf.data, w.buf.len);
	e->response_len = e->response ? w.buf.len : 0;
	vmv_jw_free(&w);
}

static const struct after_what whats[] = {
	{ "reboot", "reboot", "rebooting" },
	{ "poweroff", "power-off", "powering off" },
	{ "halt", "halt", "halting" },
};

static const struct after_what *find_after(const char *word)
{
	for (size_t i = 0; word && i < VMV_COUNTOF(whats); i++)
		if (strcmp(whats[i].word, word) == 0)
			return &whats[i];
	return NULL;
}

/* A reboot that was asked for begins when the answer has had time to get out. */
static void note_after(struct entry *e, struct json_object *result)
{
	const struct after_what *what = find_after(vmv_json_str(result, "after"));
	struct after *a = &e->jobs->after;
	int64_t delay_s;

	if (!what || a->is_set)
		return;
	if (!vmv_json_int(vmv_json_get(result, "after_delay_s"), 0, 3600, &delay_s))
		delay_s = 3;
	a->is_set = true;
	a->what = what;
	a->is_forced = json_object_get_boolean(vmv_json_get(result, "after_forced"));
	(void)event_add(a->timer, &(struct timeval){ .tv_sec = (time_t)delay_s });
}

static void end_script(struct entry *e, const struct outcome *o, const struct vmv_job_end *end)
{
	struct vmv_job_end told = *end;
	const struct vmv_jobs_script *s = e->script;

	told.exit_code = o->child.exit_code;
	e->script = NULL;
	s->ended(s->arg, &told, o->has_failed ? &o->err : NULL);
}

void vmv_jobs_on_ended(void *arg, const struct vmv_job_end *end)
{
	struct entry *e = arg;
	struct vmv_jobs *js = e->jobs;
	struct outcome o;

	(void)vmv_execd_is_frozen(js->execd);
	work_out(&o, e, end);
	e->totals[0] = end->out.total;
	e->totals[1] = end->err.total;
	if (is_worth_telling(e, &o))
		audit(e, &o);
	if (e->script) {
		end_script(e, &o, end);
	} else if (e->is_qga) {
		vmv_jobs_qga_ended(e, o.has_failed ? &o.err : NULL, o.data, end);
		if (o.result && !o.has_failed)
			note_after(e, o.result);
	} else {
		struct vmv_jw data;

		vmv_jw_init(&data, VMV_RESPONSE_MAX);
		vmv_jw_copy(&data, NULL, o.data);
		if (vmv_jw_finish(&data) < 0)
			fail(&o, VMV_E_IO, 0, "the answer is too long");
		const struct vmv_reply reply = {
			.id = e->id,
			.command = e->command,
			.began_ms = e->began_ms,
			.err = o.has_failed ? &o.err : NULL,
			.child = o.is_childs ? &o.child : NULL,
			.text = o.text,
			.data = data.error ? NULL : data.buf.data,
			.data_len = data.buf.len,
		};

		answer(e, &reply);
		vmv_jw_free(&data);
		if (o.result && !o.has_failed)
			note_after(e, o.result);
	}
	json_object_put(o.result);
	vmv_jobs_over(e, end->is_cancelled ? JOB_CANCELLED : JOB_FINISHED);
	(void)vmv_execd_is_frozen(js->execd); /* that may have been the freezing, or the thaw */
	vmv_jobs_start_next(js);
}

static void late(const struct entry *e, struct vmv_err *ret)
{
	(void)vmv_fail(ret, VMV_E_TIMEDOUT, ETIMEDOUT, "timed out after %" PRIu64 " s, it goes on",
		       (vmv_execd_now_ms(e->jobs->execd) - e->began_ms + 500) / 1000);
}

/* The host gives up now: it is told that the work goes on, with what there is of its output. */
void vmv_jobs_on_late(void *arg)
{
	static const char data[] = "{\"still_running\":true}";
	struct entry *e = arg;
	struct vmv_response_child child = { .exit_code = SECONDS_TO_END,
					    .is_streamed = e->is_streamed };
	struct vmv_job_text texts[2];
	char *owned[2] = { NULL, NULL };
	struct vmv_err err;
	const struct vmv_reply reply = {
		.id = e->id,
		.command = e->command,
		.began_ms = e->began_ms,
		.err = &err,
		.child = &child,
		.data = data,
		.data_len = strlen(data),
	};

	if (e->script || e->is_answered)
		return;
	if (e->is_qga) {
		late(e, &err);
		vmv_jobs_qga_answer(e, &err, NULL, 0);
		return;
	}
	if (has_output(e) && vmv_job_so_far(e->job, owned, texts) == 0)
		take_texts(&child, texts);
	late(e, &err);
	answer(e, &reply);
	free(owned[0]);
	free(owned[1]);
}

void vmv_jobs_refuse(struct entry *e, const struct vmv_err *err)
{
	const struct vmv_reply reply = {
		.id = e->id, .command = e->command, .began_ms = e->began_ms, .err = err
	};
	const char *code = vmv_error_code(err->code);
	const struct vmv_audit a = {
		.command = e->command->name,
		.id = e->id,
		.channel = e->to.channel,
		.session = e->is_qga ? NULL : e->to.session,
		.key = *e->key ? e->key : NULL,
		.result = code ? code : "CANCELLED",
		.reason = err->msg,
		.duration_us = (vmv_execd_now_ms(e->jobs->execd) - e->began_ms) * 1000,
		.is_refusal = e->state == JOB_QUEUED, /* or it has begun */
	};

	/* nobody has signed those of the other protocol: they can be sent without end */
	if (!e->is_qga || e->state != JOB_QUEUED || vmv_execd_may_log(e->jobs->execd))
		vmv_audit(&a);
	if (e->is_qga)
		vmv_jobs_qga_answer(e, err, NULL, 0);
	else
		answer(e, &reply);
}
