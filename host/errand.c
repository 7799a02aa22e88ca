#include "host/errand.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "commands/command.h"
#include "host/answer.h"
#include "host/cli.h"
#include "host/client.h"
#include "host/message.h"
#include "host/progress.h"
#include "host/remote.h"
#include "host/signer.h"
#include "host/stop.h"
#include "host/text.h"
#include "proto/json_read.h"

#define ASK_AGAIN_MAX 8 /* new sessions during one reading command */
#define STATE_SIZE    20

struct way {
	struct vmv_remote *remote;
	const struct vmv_errand *errand;
	struct json_object *answer; /* owned */
	uint64_t began_ms, deadline_ms;
	uint64_t status_due_ms;
	char status_id[VMV_UUID_SIZE]; /* of the question that is on its way; empty: none */
	char state[STATE_SIZE];
	unsigned asked;
	bool has_rest;	 /* output behind the answer is over, whatever is missing */
	bool is_lost;	 /* a new session began: the answer comes by JobStatus only */
	bool has_failed; /* output could not be taken: why is what is kept */
	struct vmv_err why;
};

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

#define autoput	    VMV_CLEANUP(putp)
#define automessage VMV_CLEANUP(vmv_message_free)

static uint64_t now_ms(const struct way *w)
{
	return vmv_mono_ms(w->remote->cli->clock);
}

static const struct vmv_message *message_of(const struct way *w)
{
	return w->errand->message;
}

/* -- how it stands ----------------------------------------------------------------------------- */

/* Sends JobStatus or JobCancel of this command; the id of the question to ret_id. */
static int ask_about(struct way *w, const char *action, char ret_id[VMV_UUID_SIZE],
		     struct vmv_err *err)
{
	automessage struct vmv_message m;
	int r = vmv_message_begin(&m, vmv_command_find(action), err);

	if (r < 0)
		return r;
	vmv_jw_str(&m.w, "job", message_of(w)->id);
	r = vmv_message_finish(&m, m.command->timeout_s, false, err);
	if (r == 0)
		r = vmv_remote_send(w->remote, m.w.buf.data, m.w.buf.len, err);
	if (r == 0)
		memcpy(ret_id, m.id, sizeof(m.id));
	return r;
}

/* The element of JobStatus that is about this command; NULL: none. */
static struct json_object *job_in(const struct way *w, struct json_object *data)
{
	struct json_object *jobs = vmv_json_get(data, "jobs");
	size_t n = json_object_is_type(jobs, json_type_array) ? json_object_array_length(jobs) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);
		const char *id = vmv_json_str(job, "id");

		if (id && strcmp(id, message_of(w)->id) == 0)
			return job;
	}
	return NULL;
}

/* What became of a command whose session is over. */
static int take_fate(struct way *w, struct json_object *job, struct vmv_err *err)
{
	struct json_object *response = vmv_json_get(job, "response");

	if (strcmp(w->state, "queued") == 0 || strcmp(w->state, "running") == 0)
		return 0;
	if (!response)
		return vmv_fail(err, VMV_E_IO, EREMOTEIO,
				"a new session began; the command is over, but its result is gone");
	w->answer = json_object_get(response);
	return 0;
}

static int take_status(struct way *w, struct json_object *msg, struct vmv_err *err)
{
	struct json_object *data = NULL, *job;
	struct vmv_err wrong = { 0 };
	const char *state;
	int r = vmv_answer_check(msg, "JobStatus", &data, &wrong);

	w->status_id[0] = '\0';
	job = r == 0 ? job_in(w, data) : NULL;
	if (w->is_lost && ((r == 0 && !job) || wrong.code == VMV_E_NOTFOUND))
		return vmv_fail(err, VMV_E_IO, ECONNRESET,
				"a new session began before the guest had the command, or it has "
				"forgotten it");
	state = vmv_json_str(job, "state");
	if (!state)
		return 0;
	(void)vmv_text_clean(w->state, sizeof(w->state), state);
	return w->is_lost ? take_fate(w, job, err) : 0;
}

static bool wants_status(const struct way *w)
{
	const struct vmv_progress *p = w->errand->progress;

	return w->is_lost || (p && p->is_on && !message_of(w)->is_reading);
}

/* What is due each second. */
static int tick(struct way *w, struct vmv_err *err)
{
	uint64_t elapsed_s = (now_ms(w) - w->began_ms) / 1000;
	int r = 0;

	w->status_due_ms = now_ms(w) + VMV_ERRAND_STATUS_MS;
	if (w->errand->progress && elapsed_s > 0)
		vmv_progress_show(w->errand->progress, "%s: %" PRIu64 " s%s%s",
				  message_of(w)->command->name, elapsed_s, *w->state ? ", " : "",
				  w->state);
	if (wants_status(w) && !*w->status_id)
		r = ask_about(w, "JobStatus", w->status_id, err);
	return r;
}

/* -- its end ----------------------------------------------------------------------------------- */

static int cancel(struct way *w, struct vmv_err *err)
{
	char id[VMV_UUID_SIZE];
	uint64_t until = now_ms(w) + VMV_ERRAND_CANCEL_MS;

	if (until < w->deadline_ms)
		w->deadline_ms = until;
	return ask_about(w, "JobCancel", id, err);
}

static int stop(struct way *w, struct vmv_err *err)
{
	int number = vmv_stop_take(w->remote->stop_fd);
	bool is_first = w->remote->signal == 0;

	if (number == 0)
		return 0;
	w->remote->signal = number;
	if (!is_first || message_of(w)->is_reading)
		return vmv_fail(err, VMV_E_IO, ECANCELED, "stopped");
	return cancel(w, err);
}

/* The output of a command that nobody wants any more is read on, until it has been cancelled. */
static int take_output(struct way *w, struct json_object *msg, struct vmv_err *err)
{
	if (!w->errand->output || w->has_failed)
		return 0;
	if (w->errand->progress) {
		vmv_progress_clear(w->errand->progress);
		w->errand->progress->is_on = false;
	}
	if (w->errand->output(w->errand->arg, msg, &w->why) == 0) {
		if (w->answer)
			w->deadline_ms = now_ms(w) + VMV_ERRAND_REST_MS;
		return 0;
	}
	if (w->why.sys == ECANCELED) /* a signal while nobody took the output */
		return stop(w, err);
	w->has_failed = true;
	return cancel(w, err);
}

/* -- messages ---------------------------------------------------------------------------------- */

static int send_command(struct way *w, struct vmv_err *err)
{
	const struct vmv_message *m = message_of(w);

	w->asked++;
	return vmv_remote_send(w->remote, m->w.buf.data, m->w.buf.len, err);
}

/* What the former session has not answered it will not. */
static int begin_again(struct way *w, struct vmv_err *err)
{
	w->status_id[0] = '\0';
	if (message_of(w)->is_reading && w->asked < ASK_AGAIN_MAX)
		return send_command(w, err);
	if (message_of(w)->is_reading || message_of(w)->is_streamed)
		return vmv_fail(err, VMV_E_IO, ECONNRESET,
				"a new session began: whatever ran in the old one is cancelled");
	w->is_lost = true;
	return tick(w, err);
}

/* Another program has used the key with a clock that is ahead: the guest tells how far, and has
 * done nothing. */
static bool can_pass(const struct way *w, struct json_object *msg)
{
	const char *code = vmv_json_str(msg, "error_code");
	struct json_object *last = vmv_json_get(vmv_json_get(msg, "data"), "last_counter");
	int64_t counter;

	if (!w->remote->signer || w->asked >= ASK_AGAIN_MAX || !code ||
	    strcmp(code, "REPLAYED") != 0 || !vmv_json_int(last, 1, VMV_INT_MAX, &counter))
		return false;
	vmv_signer_passed(w->remote->signer, counter);
	return true;
}

static int take_response(struct way *w, struct json_object *msg, const char *id,
			 struct vmv_err *err)
{
	if (strcmp(id, message_of(w)->id) == 0 && can_pass(w, msg))
		return send_command(w, err);
	if (strcmp(id, message_of(w)->id) == 0) {
		json_object_put(w->answer);
		w->answer = json_object_get(msg);
		w->deadline_ms = now_ms(w) + VMV_ERRAND_REST_MS;
		return 0;
	}
	return *w->status_id && strcmp(id, w->status_id) == 0 ? take_status(w, msg, err) : 0;
}

static int take(struct way *w, struct json_object *msg, struct vmv_err *err)
{
	const char *type = vmv_json_str(msg, "type"), *id = vmv_json_str(msg, "id");

	if (strcmp(type, "handshake") == 0)
		return begin_again(w, err);
	if (strcmp(type, "response") == 0 && id)
		return take_response(w, msg, id, err);
	if (strcmp(type, "output") == 0 && id && strcmp(id, message_of(w)->id) == 0)
		return take_output(w, msg, err);
	return 0;
}

/* Nobody waits for the rest of what was to be stopped. */
static bool is_over(const struct way *w)
{
	const struct vmv_errand *e = w->errand;

	return w->answer && (!e->is_complete || w->has_rest || w->has_failed || w->remote->signal ||
			     e->is_complete(e->arg, w->answer));
}

/* What the guest has thrown away is counted in its answer all the same. */
static int end_rest(struct way *w, struct vmv_err *err)
{
	struct json_object *truncated = vmv_json_get(w->answer, "truncated");

	w->has_rest = json_object_is_type(truncated, json_type_boolean) &&
		      json_object_get_boolean(truncated);
	if (w->has_rest)
		return 0;
	return vmv_fail(err, VMV_E_PARSE, EPROTO, "some of the guest's output did not come");
}

static int no_answer(const struct way *w, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, ETIMEDOUT, "%s: no answer in time%s",
			message_of(w)->command->name,
			message_of(w)->is_reading ? "" : ", it may go on in the guest");
}

static int step(struct way *w, struct vmv_err *err)
{
	autoput struct json_object *msg = NULL;
	uint64_t now = now_ms(w), until;
	int r = 0;

	if (now >= w->deadline_ms)
		return w->answer ? end_rest(w, err) : no_answer(w, err);
	if (now >= w->status_due_ms)
		r = tick(w, err);
	if (r < 0)
		return r;
	until = w->status_due_ms < w->deadline_ms ? w->status_due_ms : w->deadline_ms;
	r = vmv_client_next(w->remote->client, until, &msg, err);
	if (r == -ETIMEDOUT)
		return 0;
	if (r == -ECANCELED)
		return stop(w, err);
	return r < 0 ? r : take(w, msg, err);
}

int vmv_errand_run(struct vmv_remote *remote, const struct vmv_errand *errand,
		   struct json_object **ret, struct vmv_err *err)
{
	struct way w = { .remote = remote, .errand = errand };
	int r;

	w.began_ms = now_ms(&w);
	w.status_due_ms = w.began_ms + VMV_ERRAND_STATUS_MS;
	w.deadline_ms =
		w.began_ms + errand->message->timeout_s * UINT64_C(1000) + VMV_ERRAND_GRACE_MS;
	r = send_command(&w, err);
	while (r == 0 && !is_over(&w))
		r = step(&w, err);
	if (errand->progress)
		vmv_progress_clear(errand->progress);
	if (w.has_failed)
		*err = w.why;
	if (w.has_failed || r < 0) {
		json_object_put(w.answer);
		return w.has_failed ? -EIO : r;
	}
	*ret = w.answer;
	return 0;
}

int vmv_errand_ask(struct vmv_remote *remote, const struct vmv_message *message,
		   struct json_object **ret, struct vmv_err *err)
{
	const struct vmv_errand errand = { .message = message };
	autoput struct json_object *answer = NULL;
	struct json_object *data = NULL;
	int r = vmv_errand_run(remote, &errand, &answer, err);

	if (r == 0 && remote->signal)
		r = vmv_fail(err, VMV_E_IO, ECANCELED, "stopped");
	if (r == 0)
		r = vmv_answer_check(answer, message->command->name, &data, err);
	if (r == 0)
		*ret = json_object_get(data);
	return r;
}
