#include "base/cleanup.h"
#include "base/log.h"
#include "execd/jobs_impl.h"
#include "execd/qga.h"
#include "execd/reply.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SUBSYS "jobs"

/* A host gives up after so much of its time: TERM comes margin before it, KILL half of that. */
#define MARGIN_MIN_MS 200
#define MARGIN_MAX_MS 2000
#define AFTER_MS      120000 /* a reboot gets so long to begin */
#define ANSWER_MS     50     /* before the host gives up, at the latest */

static uint64_t now_ms(const struct vmv_jobs *js)
{
	return vmv_execd_now_ms(js->execd);
}

/* -- entries ------------------------------------------------------------------------------------
 */

static void entry_free(struct entry *e)
{
	vmv_job_free(e->job);
	if (e->turn)
		event_free(e->turn);
	free(e->payload);
	free(e->response);
	free(e);
}

static void enqueue(struct vmv_jobs *js, struct entry *e)
{
	*js->last = e;
	js->last = &e->next;
	js->n_queued++;
	js->queued_bytes += e->payload_len;
}

/* From those that wait or run to those that are over. None is freed that anybody could be looking
 * at: whoever walks the first list and ends one entry of it has the next one still. */
static void move_over(struct vmv_jobs *js, struct entry *e)
{
	struct entry **at = &js->first;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	if (!e->next)
		js->last = at;
	e->next = NULL;
	if (e->is_qga) { /* has no id that anybody could ask after, and there are many of them */
		if (js->last_qga)
			entry_free(js->last_qga);
		js->last_qga = e;
		return;
	}
	*js->last_over = e;
	js->last_over = &e->next;
	js->n_finished++;
	js->kept_bytes += e->response_len;
	vmv_kept_add(e);
}

/* What is over is kept for JobStatus: so many, so long, so much; the newest in any case. */
static void forget_old(struct vmv_jobs *js)
{
	uint64_t now = now_ms(js);

	for (struct entry *e; (e = js->over) && e->next;) {
		if (js->n_finished <= VMV_JOBS_KEPT && js->kept_bytes <= VMV_JOBS_KEPT_BYTES &&
		    now - e->ended_ms < VMV_JOBS_KEPT_MS)
			return;
		js->over = e->next;
		js->n_finished--;
		js->kept_bytes -= e->response_len;
		vmv_kept_remove(e);
		entry_free(e);
	}
}

/* -- begin --------------------------------------------------------------------------------------
 */

static bool has_flag(const struct entry *e, unsigned flag)
{
	return (e->command->flags & flag) != 0;
}

static uint64_t margin_ms(uint64_t total_ms)
{
	uint64_t margin = total_ms / 10;

	if (margin < MARGIN_MIN_MS)
		return MARGIN_MIN_MS;
	return margin > MARGIN_MAX_MS ? MARGIN_MAX_MS : margin;
}

static void set_deadlines(const struct entry *e, struct vmv_job_spec *spec)
{
	uint64_t total = e->end_ms - e->began_ms;
	uint64_t hard = e->jobs->execd->config->hard_limit_s * 1000;

	if (has_flag(e, VMV_COMMAND_FINISHES)) {
		spec->late_at_ms = e->end_ms - e->margin_ms;
		spec->term_at_ms = e->began_ms + (hard > total ? hard : total);
		spec->kill_at_ms = spec->term_at_ms + VMV_CANCEL_KILL_MS;
		return;
	}
	spec->term_at_ms = e->end_ms - e->margin_ms;
	spec->kill_at_ms = e->end_ms - e->margin_ms / 2;
	spec->late_at_ms = e->script ? VMV_JOB_NEVER : e->end_ms - ANSWER_MS;
}

static int start(struct entry *e, struct vmv_err *err)
{
	static const struct vmv_job_calls calls = {
		.output = vmv_jobs_on_output,
		.late = vmv_jobs_on_late,
		.ended = vmv_jobs_on_ended,
	};
	static const struct vmv_job_calls program_calls = {
		.late = vmv_jobs_on_late,
		.began = vmv_jobs_qga_on_began,
		.ended = vmv_jobs_on_ended,
	};
	bool is_program = vmv_jobs_is_program(e);
	struct vmv_execd *x = e->jobs->execd;
	struct vmv_job_spec spec = {
		.program = x->options->job,
		.output_max = is_program ? VMV_QGA_OUTPUT_MAX : x->config->output_max_kib * VMV_KIB,
		.raw_left = is_program ? &e->jobs->programs_left : NULL,
		.is_streamed = e->is_streamed,
		.stream_max = x->config->stream_max_mib * VMV_MIB,
	};
	char group[32];
	struct vmv_jw w;
	int r;

	(void)snprintf(group, sizeof(group), "%d-%u", (int)getpid(), e->number);
	if (has_flag(e, VMV_COMMAND_SCOPE))
		spec.group = group;
	set_deadlines(e, &spec);
	vmv_jw_init(&w, VMV_LINK_LINE_MAX);
	r = vmv_jobs_describe(e,
			      has_flag(e, VMV_COMMAND_FINISHES) ? VMV_JOB_NEVER : spec.term_at_ms,
			      spec.group, &w);
	if (r < 0) {
		vmv_jw_free(&w);
		return vmv_fail(err, VMV_E_IO, -r, "the job's description: %s", strerror(-r));
	}
	spec.description = w.buf.data;
	spec.description_len = w.buf.len;
	vmv_records_add(e->jobs, e, spec.group);
	r = vmv_job_start(&e->job, x->base, x->clock, &spec, is_program ? &program_calls : &calls,
			  e, err);
	if (r < 0)
		vmv_records_remove(e->jobs, e->number);
	vmv_jw_free(&w);
	return r;
}

static void drop_payload(struct entry *e)
{
	free(e->payload);
	e->payload = NULL;
	e->payload_len = 0;
}

static void leave_queue(struct entry *e)
{
	if (e->turn)
		event_free(e->turn);
	e->turn = NULL;
	e->jobs->n_queued--;
	e->jobs->queued_bytes -= e->payload_len;
}

/* While it waited the policy may have become another one, or filesystems frozen: it would hang as
 * what ran then does. Returns whether it was refused, and is over. */
static int check_now(struct entry *e, struct vmv_err *err)
{
	struct vmv_execd *x = e->jobs->execd;
	struct vmv_policy policy;
	int r;

	if (e->is_qga)
		return vmv_jobs_qga_check(e, err);
	vmv_execd_policy(x, &policy);
	r = vmv_policy_check(&policy, e->command, err);
	if (r == 0 && !has_flag(e, VMV_COMMAND_FROZEN) && vmv_execd_is_frozen(x))
		r = vmv_fail(err, VMV_E_BUSY, EBUSY, "filesystems are frozen");
	return r;
}

static bool refuse_now(struct entry *e)
{
	struct vmv_err err;

	if (check_now(e, &err) == 0)
		return false;
	vmv_jobs_refuse(e, &err);
	vmv_jobs_over(e, JOB_FINISHED);
	return true;
}

/* The time of a program is counted from here; that it begins is waited for no longer than clients
 * wait. */
static void start_clock(struct entry *e)
{
	struct timeval tv = { .tv_sec = VMV_QGA_START_MS / 1000 };

	e->end_ms = now_ms(e->jobs) + (uint64_t)e->command->timeout_s * 1000;
	e->turn = event_new(e->jobs->execd->base, -1, 0, vmv_jobs_qga_on_slow, e);
	if (e->turn)
		(void)event_add(e->turn, &tv);
}

static void begin(struct entry *e)
{
	struct vmv_jobs *js = e->jobs;
	struct vmv_err err = { 0 };
	int r;

	leave_queue(e);
	if (vmv_jobs_is_program(e))
		start_clock(e);
	e->state = JOB_RUNNING;
	e->started_real_ms = vmv_real_ms(js->execd->clock);
	js->n_running++;
	if (has_flag(e, VMV_COMMAND_SERIAL))
		js->is_serial_running = true;
	(void)vmv_execd_is_frozen(js->execd); /* they are from now on, if that is what this does */
	r = start(e, &err);
	drop_payload(e);
	if (r < 0) {
		vmv_jobs_refuse(e, &err);
		vmv_jobs_over(e, JOB_FINISHED);
	}
}

static bool is_thaw(const struct entry *e)
{
	return has_flag(e, VMV_COMMAND_FROZEN);
}

/* Those of the other protocol that wait, or run and have a place. */
static size_t count_qga(const struct vmv_jobs *js, enum job_state state)
{
	size_t n = 0;

	for (const struct entry *e = js->first; e; e = e->next)
		n += e->is_qga && e->state == state && !e->has_begun;
	return n;
}

/* What nobody has signed can be asked for without end: it leaves a place to what somebody has, and
 * its answers must not fill our memory while who asked does not read. */
static bool has_place(const struct entry *e)
{
	const struct vmv_jobs *js = e->jobs;
	uint64_t places = js->execd->config->exec_jobs;

	if (js->n_running >= places)
		return false;
	return !e->is_qga || ((places == 1 || count_qga(js, JOB_RUNNING) + 1 < places) &&
			      !vmv_peer_is_slow(e->to.peer));
}

/* The thaw waits for nobody: what runs may be waiting for it. */
static bool may_begin(const struct entry *e)
{
	const struct vmv_jobs *js = e->jobs;

	return !js->is_stopping && (is_thaw(e) || has_place(e)) &&
	       now_ms(js) < e->end_ms - e->margin_ms &&
	       !(has_flag(e, VMV_COMMAND_SERIAL) && js->is_serial_running);
}

void vmv_jobs_start_next(struct vmv_jobs *js)
{
	for (struct entry *e = js->first, *next; e; e = next) {
		next = e->next;
		if (e->state == JOB_QUEUED && may_begin(e) && !refuse_now(e))
			begin(e);
	}
	vmv_execd_busy(js->execd);
}

static bool is_freeze(const struct vmv_command *c)
{
	static const char *const names[] = { "FsFreeze", "guest-fsfreeze-freeze",
					     "guest-fsfreeze-freeze-list" };

	for (size_t i = 0; i < VMV_COUNTOF(names); i++)
		if (strcmp(c->name, names[i]) == 0)
			return true;
	return false;
}

bool vmv_jobs_is_freezing(const struct vmv_jobs *js)
{
	for (const struct entry *e = js->first; e; e = e->next)
		if (e->state == JOB_RUNNING && is_freeze(e->command))
			return true;
	return false;
}

void vmv_jobs_give_place(struct entry *e)
{
	e->has_begun = true;
	e->jobs->n_running--;
	e->jobs->n_programs++;
	if (e->turn)
		event_free(e->turn);
	e->turn = NULL;
}

/* It has no place any more, whichever that was. */
static void leave_running(struct entry *e)
{
	struct vmv_jobs *js = e->jobs;

	if (e->has_begun)
		js->n_programs--;
	else
		js->n_running--;
	if (has_flag(e, VMV_COMMAND_SERIAL))
		js->is_serial_running = false;
	vmv_records_remove(js, e->number);
}

void vmv_jobs_over(struct entry *e, enum job_state state)
{
	struct vmv_jobs *js = e->jobs;

	if (e->state == JOB_RUNNING) {
		leave_running(e);
	} else if (e->state == JOB_QUEUED) {
		leave_queue(e);
	}
	e->state = state;
	e->ended_ms = now_ms(js);
	e->to.peer = NULL;
	drop_payload(e);
	vmv_job_free(e->job);
	e->job = NULL;
	if (e->turn)
		event_free(e->turn);
	e->turn = NULL;
	move_over(js, e);
	forget_old(js);
}

/* -- taking in ----------------------------------------------------------------------------------
 */

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct entry *e = arg;
	struct vmv_err err;

	(void)fd;
	(void)what;
	(void)vmv_fail(&err, VMV_E_BUSY, EBUSY, "its turn did not come in time");
	vmv_jobs_refuse(e, &err);
	vmv_jobs_over(e, JOB_FINISHED);
}

/* Members that stand beside 'timeout' (PROTOCOL.md 6.7). */
static void take_manner(struct entry *e, struct json_object *message)
{
	const char *word = vmv_json_str(message, "on_disconnect");

	e->is_streamed = has_flag(e, VMV_COMMAND_CHILD) &&
			 json_object_get_boolean(vmv_json_get(message, "stream"));
	e->is_binary = e->is_streamed && json_object_get_boolean(vmv_json_get(message, "binary"));
	e->ends_with_session = word ? strcasecmp(word, "cancel") == 0 : e->is_streamed;
	if (has_flag(e, VMV_COMMAND_FINISHES))
		e->ends_with_session = false;
}

static struct entry *entry_new(struct vmv_jobs *js, const struct vmv_command *c, const char *id,
			       uint32_t timeout_s)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->jobs = js;
	e->command = c;
	(void)snprintf(e->id, sizeof(e->id), "%s", id);
	e->began_ms = now_ms(js);
	e->end_ms = e->began_ms + (uint64_t)timeout_s * 1000;
	e->margin_ms = margin_ms((uint64_t)timeout_s * 1000);
	e->number = ++js->number;
	e->state = JOB_QUEUED;
	return e;
}

/* Its answer must be out before the host gives up, and there must be time for the work. */
static int arm_turn(struct entry *e)
{
	uint64_t ms = e->end_ms - e->began_ms - e->margin_ms;
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	e->turn = event_new(e->jobs->execd->base, -1, 0, on_turn, e);
	return e->turn && event_add(e->turn, &tv) == 0 ? 0 : -ENOMEM;
}

static bool is_known(const struct vmv_jobs *js, const char *id)
{
	for (const struct entry *e = js->first; e; e = e->next)
		if (!e->script && !e->is_qga && strcmp(e->id, id) == 0)
			return true;
	return false;
}

/* What is not signed fills the queue of the other language only, and half of the memory. */
static bool is_queue_full(const struct vmv_jobs *js, const struct entry *e)
{
	size_t n_qga = count_qga(js, JOB_QUEUED);
	size_t max = e->is_qga ? VMV_JOBS_WAIT_BYTES / 2 : VMV_JOBS_WAIT_BYTES;

	return (e->is_qga ? n_qga : js->n_queued - n_qga) >= VMV_JOBS_QUEUED ||
	       js->queued_bytes + e->payload_len > max;
}

/* For a thaw there is a place however many wait for it, but not for any number of them. */
static bool is_full(const struct vmv_jobs *js, const struct entry *e)
{
	unsigned n_thaws = 0;

	if (!is_thaw(e))
		return is_queue_full(js, e);
	for (const struct entry *other = js->first; other; other = other->next)
		n_thaws += is_thaw(other);
	return n_thaws >= VMV_JOBS_THAWS;
}

/* Why it cannot even wait; 0: it may. */
static int judge_new(struct vmv_jobs *js, const struct entry *e, struct vmv_err *err)
{
	if (js->is_stopping)
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "the executor stops");
	if (!e->is_qga && is_known(js, e->id))
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "a job of that id waits or runs");
	if (!e->is_qga && !has_flag(e, VMV_COMMAND_FROZEN) && vmv_execd_is_frozen(js->execd))
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "filesystems are frozen");
	if (is_full(js, e))
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "too many jobs wait; ask again later");
	return 0;
}

static int set_payload(struct entry *e, const char *payload, size_t len)
{
	e->payload = malloc(len + 1);
	if (!e->payload)
		return -ENOMEM;
	memcpy(e->payload, payload, len);
	e->payload[len] = '\0';
	e->payload_len = len;
	return 0;
}

/* NULL: out of memory. */
static struct entry *entry_of(struct vmv_jobs *js, const struct vmv_return *to,
			      const struct vmv_command *c, struct json_object *message,
			      const char *payload, size_t len, const char *key)
{
	struct entry *e =
		entry_new(js, c, vmv_command_id(message), vmv_command_timeout_s(c, message));

	if (!e)
		return NULL;
	if (set_payload(e, payload, len) < 0) {
		entry_free(e);
		return NULL;
	}
	e->to = *to;
	(void)snprintf(e->key, sizeof(e->key), "%s", key ? key : "");
	take_manner(e, message);
	return e;
}

static void refuse_new(struct vmv_jobs *js, const struct vmv_return *to,
		       const struct vmv_command *c, const char *id)
{
	static const struct vmv_err err = { VMV_E_IO, ENOMEM, "out of memory" };
	const struct vmv_reply reply = {
		.id = id, .command = c, .began_ms = now_ms(js), .err = &err
	};

	vmv_log(VMV_LOG_ERROR, SUBSYS, "out of memory: a command is not run");
	vmv_reply_send(js->execd, to, &reply);
}

/* Who thaws wants nothing to be frozen after that, by what did not have its turn yet, either. */
static void drop_freezes(struct vmv_jobs *js)
{
	struct vmv_err err;

	for (struct entry *e = js->first, *next; e; e = next) {
		next = e->next;
		if (e->state != JOB_QUEUED || !is_freeze(e->command))
			continue;
		(void)vmv_fail(&err, VMV_E_CANCELLED, ECANCELED, "thawed before it began");
		vmv_jobs_refuse(e, &err);
		vmv_jobs_over(e, JOB_CANCELLED);
	}
}

/* Takes e. */
static void take_in(struct vmv_jobs *js, struct entry *e)
{
	struct vmv_err err;
	int r;

	r = judge_new(js, e, &err);
	if (r == 0 && arm_turn(e) < 0)
		r = vmv_fail(&err, VMV_E_IO, ENOMEM, "out of memory");
	if (r < 0) { /* JobStatus tells of what waited or ran, not of this */
		vmv_jobs_refuse(e, &err);
		entry_free(e);
		return;
	}
	if (is_thaw(e))
		drop_freezes(js);
	enqueue(js, e);
	vmv_jobs_start_next(js);
}

void vmv_jobs_add(struct vmv_jobs *js, const struct vmv_return *to, const struct vmv_command *c,
		  struct json_object *message, const char *payload, size_t len, const char *key)
{
	struct entry *e = entry_of(js, to, c, message, payload, len, key);

	if (e)
		take_in(js, e);
	else
		refuse_new(js, to, c, vmv_command_id(message));
}

/* A program may run for long, but its turn is waited for no longer than that of the others. */
static uint32_t patience_s(const struct vmv_command *c)
{
	return c->timeout_s > VMV_QGA_START_MS / 1000 && (c->flags & VMV_COMMAND_CHILD)
		       ? VMV_QGA_START_MS / 1000
		       : c->timeout_s;
}

void vmv_jobs_add_qga(struct vmv_jobs *js, const struct vmv_return *to,
		      const struct vmv_jobs_qga *q)
{
	static const struct vmv_err no_memory = { VMV_E_IO, ENOMEM, "out of memory" };
	struct entry *e = entry_new(js, q->command, "", patience_s(q->command));

	if (!e || set_payload(e, q->message, q->len) < 0) {
		if (e)
			entry_free(e);
		vmv_execd_qga_result(to, &no_memory, NULL, 0);
		return;
	}
	(void)snprintf(e->id, sizeof(e->id), "qga-%u", e->number);
	e->is_qga = true;
	e->handle = q->handle;
	e->to = *to;
	take_in(js, e);
}

size_t vmv_jobs_count(const struct vmv_jobs *js, const struct vmv_command *c)
{
	size_t n = 0;

	for (const struct entry *e = js->first; e; e = e->next)
		n += e->command == c && !e->has_begun;
	return n;
}

bool vmv_jobs_uses_handle(const struct vmv_jobs *js, uint64_t handle)
{
	for (const struct entry *e = js->first; e; e = e->next)
		if (e->handle == handle)
			return true;
	return false;
}

int vmv_jobs_run_script(struct vmv_jobs *js, const struct vmv_jobs_script *s, struct vmv_err *err)
{
	struct entry *e = entry_new(js, &vmv_raw_command, s->id, s->timeout_s);
	int r;

	if (!e)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	e->script_copy = *s;
	e->script = &e->script_copy;
	enqueue(js, e);
	js->n_queued--;
	e->state = JOB_RUNNING;
	e->started_real_ms = vmv_real_ms(js->execd->clock);
	js->n_running++;
	r = start(e, err);
	if (r < 0) {
		e->script = NULL;
		vmv_jobs_over(e, JOB_FINISHED);
	}
	return r;
}

/* -- ends of others -----------------------------------------------------------------------------
 */

static void end_with_session(struct entry *e)
{
	struct vmv_err err;

	if (!e->ends_with_session)
		return;
	if (e->state == JOB_RUNNING && e->job) {
		vmv_job_cancel(e->job);
	} else if (e->state == JOB_QUEUED) {
		(void)vmv_fail(&err, VMV_E_CANCELLED, ECANCELED, "cancelled");
		vmv_jobs_refuse(e, &err);
		vmv_jobs_over(e, JOB_CANCELLED);
	}
}

void vmv_jobs_session_ended(struct vmv_jobs *js, const char *channel, const char *session)
{
	for (struct entry *e = js->first, *next; e; e = next) {
		next = e->next;
		if (strcmp(e->to.channel, channel) != 0 || strcmp(e->to.session, session) != 0)
			continue;
		if (!e->is_answered && e->to.peer)
			vmv_settle(&e->to);
		vmv_jobs_tell_no_more(e);
		end_with_session(e);
	}
}

void vmv_jobs_peer_gone(struct vmv_jobs *js, const struct vmv_peer *p)
{
	for (struct entry *e = js->first, *next; e; e = next) {
		next = e->next;
		if (e->to.peer != p)
			continue;
		vmv_jobs_tell_no_more(e);
		end_with_session(e);
	}
	vmv_jobs_start_next(js); /* those that waited for it to read need not any more */
}

/* -- what follows an answer ---------------------------------------------------------------------
 */

static void on_after_ended(void *arg, const struct vmv_job_end *end)
{
	struct vmv_jobs *js = arg;

	if (end->exit_code != 0)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s failed: exit code %d", js->after.what->noun,
			end->exit_code);
	vmv_job_free(js->after.job);
	js->after.job = NULL;
	js->after.is_set = false;
}

static void on_after(evutil_socket_t fd, short what, void *arg)
{
	static const struct vmv_job_calls calls = { .ended = on_after_ended };
	struct vmv_jobs *js = arg;
	uint64_t now = now_ms(js);
	struct vmv_job_spec spec = {
		.program = js->execd->options->job,
		.term_at_ms = now + AFTER_MS,
		.kill_at_ms = now + AFTER_MS + VMV_CANCEL_KILL_MS,
		.late_at_ms = VMV_JOB_NEVER,
		.output_max = VMV_KIB,
	};
	struct vmv_err err = { 0 };
	struct vmv_jw w;

	(void)fd;
	(void)what;
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_jobs_describe_after(js, &w);
	spec.description = w.buf.data;
	spec.description_len = w.buf.len;
	vmv_log(VMV_LOG_NOTICE, SUBSYS, "%s, as a host asked for", js->after.what->participle);
	if (vmv_job_start(&js->after.job, js->execd->base, js->execd->clock, &spec, &calls, js,
			  &err) < 0) {
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s", err.msg);
		js->after.is_set = false;
	}
	vmv_jw_free(&w);
}

/* -- life ---------------------------------------------------------------------------------------
 */

int vmv_jobs_new(struct vmv_jobs **ret, struct vmv_execd *x, struct vmv_err *err)
{
	struct vmv_jobs *js = calloc(1, sizeof(*js));
	int r;

	if (!js)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	js->execd = x;
	js->last = &js->first;
	js->last_over = &js->over;
	js->records = js->kept = -1;
	js->programs_left = VMV_QGA_KEPT_BYTES;
	js->after.timer = event_new(x->base, -1, 0, on_after, js);
	if (!js->after.timer) {
		vmv_jobs_free(js);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	r = vmv_records_open(js, err);
	if (r == 0)
		r = vmv_kept_open(js, err);
	if (r < 0) {
		vmv_jobs_free(js);
		return r;
	}
	*ret = js;
	return 0;
}

/* What did not see its end here is told of by the next executor. */
static void keep_interrupted(struct entry *e)
{
	if (e->state > JOB_RUNNING || e->script || !e->response)
		return;
	e->state = JOB_INTERRUPTED;
	e->ended_ms = now_ms(e->jobs);
	vmv_kept_add(e);
}

/* What must not be broken off goes on without us. */
static void let_go(struct entry *e)
{
	if (!e->job || !has_flag(e, VMV_COMMAND_FINISHES))
		return;
	vmv_log(VMV_LOG_NOTICE, SUBSYS, "%s goes on without the executor, as process %d",
		e->command->name, (int)vmv_job_pid(e->job));
	vmv_job_let_go(e->job);
	e->job = NULL;
}

static void free_list(struct entry *first)
{
	for (struct entry *e; (e = first);) {
		first = e->next;
		keep_interrupted(e);
		let_go(e);
		entry_free(e);
	}
}

void vmv_jobs_free(struct vmv_jobs *js)
{
	if (!js)
		return;
	free_list(js->first);
	free_list(js->over);
	if (js->last_qga)
		entry_free(js->last_qga);
	if (js->after.job)
		vmv_job_let_go(js->after.job);
	if (js->after.timer)
		event_free(js->after.timer);
	vmv_closep(&js->records);
	vmv_closep(&js->kept);
	free(js);
}

bool vmv_jobs_is_busy(const struct vmv_jobs *js)
{
	return js->n_running > 0 || js->n_queued > 0 || js->n_programs > 0 || js->after.is_set;
}

void vmv_jobs_interrupt(struct vmv_jobs *js)
{
	struct vmv_err ended, left;

	js->is_stopping = true;
	(void)vmv_fail(&ended, VMV_E_IO, 0, "interrupted: the executor stops");
	(void)vmv_fail(&left, VMV_E_IO, 0, "interrupted: the executor stops, the work goes on");
	for (struct entry *e = js->first, *next; e; e = next) {
		next = e->next;
		if (e->script || e->has_begun)
			continue;
		vmv_jobs_refuse(e, e->job && has_flag(e, VMV_COMMAND_FINISHES) ? &left : &ended);
		if (e->state == JOB_QUEUED)
			vmv_jobs_over(e, JOB_INTERRUPTED);
	}
}
