#include "execd/scriptq.h"

#include "base/limits.h"
#include "base/log.h"
#include "exec/job.h"
#include "execd/jobs.h"
#include "execd/scripts.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/notices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSYS	     "scripts"
#define BOOT_ID_SIZE 40
#define SESSIONS_MAX VMV_CHANNELS_MAX

/* A session that completions may be told in. */
struct listener {
	struct vmv_return to;
	uint64_t number; /* ascending over all sessions */
};

struct vmv_scriptq {
	struct vmv_execd *execd;
	struct vmv_scripts *store;
	struct listener listeners[SESSIONS_MAX];
	size_t n_listeners;
	uint64_t number;
	struct event *again; /* the disk was not to be had */
	bool is_running, is_tending;
	char running[VMV_ID_MAX * 4 + 1];
};

static void tend(struct vmv_scriptq *q);

/* -- telling ------------------------------------------------------------------------------------
 */

static void tell(const struct vmv_scriptq *q, const struct vmv_return *to,
		 const struct vmv_script_outcome *o)
{
	struct vmv_script_completion c = {
		.execution_id = o->id,
		.exit_code = o->exit_code,
		.out = o->out,
		.out_len = o->out_len,
		.err = o->err,
		.err_len = o->err_len,
	};
	char stamp[VMV_STAMP_SIZE];
	struct vmv_jw w;

	vmv_stamp(vmv_real_ms(q->execd->clock), stamp);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	if (vmv_script_completion_write(&w, stamp, &c) == 0)
		vmv_forward(to, VMV_FORWARD_NOTICE, false, true, o->id, w.buf.data, w.buf.len);
	vmv_jw_free(&w);
}

/* One script is told in one session at a time: the channel it came in on, if that has one, else
 * whichever began last. */
static struct listener *listener_for(struct vmv_scriptq *q, const char *channel)
{
	struct listener *best = NULL;

	for (size_t i = 0; i < q->n_listeners; i++) {
		struct listener *l = &q->listeners[i];

		if (channel && strcmp(l->to.channel, channel) == 0)
			return l;
		if (!best || l->number > best->number)
			best = l;
	}
	return best;
}

static void tell_owed(struct vmv_scriptq *q)
{
	struct vmv_script_outcome o;
	struct listener *l;

	if (q->n_listeners == 0)
		return;
	while (vmv_scripts_owed(q->store, listener_for(q, NULL)->number, &o)) {
		char id[sizeof(q->running)];

		l = listener_for(q, o.channel);
		if (o.sent_in < l->number) /* it is another channel's session that is new */
			tell(q, &l->to, &o);
		(void)snprintf(id, sizeof(id), "%s", o.id);
		/* the newest number: it is not told again until another session begins */
		vmv_scripts_sent(q->store, id, listener_for(q, NULL)->number);
	}
}

/* -- running ------------------------------------------------------------------------------------
 */

static void on_script_ended(void *arg, const struct vmv_job_end *end, const struct vmv_err *err)
{
	struct vmv_scriptq *q = arg;
	const char *text = end->err.data;
	size_t len = end->err.len;

	if (len == 0 && err) {
		text = err->msg;
		len = strlen(err->msg);
	}
	q->is_running = false;
	(void)vmv_scripts_finished(q->store, q->running, end->exit_code,
				   end->out.data ? end->out.data : "", end->out.len,
				   text ? text : "", len);
	tend(q);
}

static void fail_script(struct vmv_scriptq *q, const struct vmv_err *err)
{
	q->is_running = false;
	(void)vmv_scripts_finished(q->store, q->running, -1, "", 0, err->msg, strlen(err->msg));
}

static void refuse_script(struct vmv_scriptq *q, const struct vmv_err *err)
{
	char text[sizeof(err->msg) + 16];

	(void)snprintf(text, sizeof(text), "refused: %s", err->msg);
	q->is_running = false;
	(void)vmv_scripts_finished(q->store, q->running, -1, "", 0, text, strlen(text));
}

/* Returns whether one began. */
static bool run_next(struct vmv_scriptq *q)
{
	struct vmv_policy policy;
	struct vmv_script script;
	struct vmv_err err = { 0 };

	if (q->is_running || !vmv_scripts_next(q->store, &script))
		return false;
	const struct vmv_jobs_script s = {
		.id = q->running,
		.text = script.content,
		.shell = script.shell,
		.run_as = script.run_as,
		.timeout_s = script.timeout_s,
		.ended = on_script_ended,
		.arg = q,
	};

	(void)snprintf(q->running, sizeof(q->running), "%s", script.id);
	if (vmv_scripts_started(q->store, script.id, &err) < 0) {
		vmv_log(VMV_LOG_ERROR, SUBSYS, "script %s cannot begin: %s", script.id, err.msg);
		return false;
	}
	q->is_running = true;
	vmv_execd_policy(q->execd, &policy); /* it may be another one than when it came */
	if (vmv_policy_check(&policy, &vmv_raw_command, &err) < 0)
		refuse_script(q, &err);
	else if (vmv_jobs_run_script(q->execd->jobs, &s, &err) < 0)
		fail_script(q, &err);
	return true;
}

static void arm_again(struct vmv_scriptq *q)
{
	uint64_t due = vmv_scripts_wait_ms(q->store), now = vmv_execd_now_ms(q->execd);
	uint64_t ms = due > now ? due - now : 1;
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (due == UINT64_MAX)
		(void)event_del(q->again);
	else
		(void)event_add(q->again, &tv);
}

/* A script that cannot be started ends at once, and comes here again: a loop, not a recursion. */
static void tend(struct vmv_scriptq *q)
{
	(void)vmv_execd_is_frozen(q->execd); /* before anything is written down */
	if (q->is_tending)
		return;
	q->is_tending = true;
	do
		tell_owed(q);
	while (run_next(q) && !q->is_running);
	tell_owed(q);
	arm_again(q);
	q->is_tending = false;
	vmv_execd_busy(q->execd);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tend(arg);
}

/* -- hosts --------------------------------------------------------------------------------------
 */

struct telling {
	const struct vmv_scriptq *queue;
	const struct vmv_return *to;
};

static void tell_at_once(void *arg, const struct vmv_script_outcome *o)
{
	const struct telling *t = arg;

	tell(t->queue, t->to, o);
}

int vmv_scriptq_accept(struct vmv_scriptq *q, const struct vmv_return *from,
		       struct json_object *message, const char *refusal, struct vmv_err *err)
{
	struct telling telling = { q, from };
	struct vmv_scripts_counts n;
	int r = vmv_scripts_accept(q->store, vmv_json_get(message, "scripts"), from->channel,
				   refusal, tell_at_once, &telling, &n, err);

	if (r < 0)
		return r;
	vmv_log(VMV_LOG_INFO, SUBSYS,
		"%s: scripts: %u accepted, %u known, %u answered at once, %u without id or text",
		from->channel, n.accepted, n.known, n.answered, n.skipped);
	tend(q);
	return 0;
}

static void drop_listener(struct vmv_scriptq *q, size_t i)
{
	q->listeners[i] = q->listeners[--q->n_listeners];
}

void vmv_scriptq_closed(struct vmv_scriptq *q, const char *channel)
{
	for (size_t i = 0; i < q->n_listeners; i++)
		if (strcmp(q->listeners[i].to.channel, channel) == 0)
			drop_listener(q, i--);
}

void vmv_scriptq_peer_gone(struct vmv_scriptq *q, const struct vmv_peer *p)
{
	for (size_t i = 0; i < q->n_listeners; i++)
		if (q->listeners[i].to.peer == p)
			drop_listener(q, i--);
}

void vmv_scriptq_opened(struct vmv_scriptq *q, const struct vmv_return *to)
{
	vmv_scriptq_closed(q, to->channel);
	if (q->n_listeners == SESSIONS_MAX)
		return;
	q->listeners[q->n_listeners++] = (struct listener){ *to, ++q->number };
	tend(q);
}

void vmv_scriptq_heard(struct vmv_scriptq *q, const struct vmv_return *to)
{
	for (size_t i = 0; i < q->n_listeners; i++)
		if (strcmp(q->listeners[i].to.channel, to->channel) == 0)
			return;
	vmv_scriptq_opened(q, to);
}

void vmv_scriptq_delivered(struct vmv_scriptq *q, const char *execution_id)
{
	(void)vmv_scripts_delivered(q->store, execution_id);
}

void vmv_scriptq_freeze(struct vmv_scriptq *q, bool is_frozen)
{
	vmv_scripts_freeze(q->store, is_frozen);
	if (!is_frozen)
		tend(q);
}

bool vmv_scriptq_is_busy(const struct vmv_scriptq *q)
{
	return q->is_running || event_pending(q->again, EV_TIMEOUT, NULL);
}

/* -- life ---------------------------------------------------------------------------------------
 */

int vmv_scriptq_new(struct vmv_scriptq **ret, struct vmv_execd *e, struct vmv_err *err)
{
	struct vmv_scriptq *q = calloc(1, sizeof(*q));
	char boot_id[BOOT_ID_SIZE] = "";
	int r;

	if (!q)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	q->execd = e;
	(void)vmv_read_attr_at(e->root.proc, "sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	q->again = event_new(e->base, -1, 0, on_again, q);
	r = q->again ? vmv_scripts_open(&q->store, e->options->state_dir, boot_id,
					e->config->scripts_expire_s, e->clock, err)
		     : vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (r < 0) {
		vmv_scriptq_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

void vmv_scriptq_free(struct vmv_scriptq *q)
{
	if (!q)
		return;
	vmv_scripts_free(q->store);
	if (q->again)
		event_free(q->again);
	free(q);
}
