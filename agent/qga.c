#include "agent/qga.h"

#include "agent/events.h"
#include "agent/qga_impl.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "commands/qga.h"
#include "config/settings.h"
#include "reports/state.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct vmv_qga *qga_of(struct vmv_talk *t)
{
	return (struct vmv_qga *)t;
}

void vmv_qga_go_on_soon(struct vmv_qga *q)
{
	static const struct timeval now = { 0 };

	(void)event_add(q->more, &now);
}

/* -- input --------------------------------------------------------------------------------------
 */

/* Junk that holds a request of somebody who could not know what was there before is no junk. */
static int parse(struct vmv_qga_item *it, const char *text, size_t len)
{
	int r = vmv_qga_parse(text, len, &it->req.message, &it->err);
	size_t at = r < 0 ? vmv_qga_restart(text, len) : len;

	if (at < len && vmv_qga_parse(text + at, len - at, &it->req.message, NULL) == 0) {
		it->err.code = VMV_OK;
		r = 0;
	}
	return r;
}

static void take_piece(struct vmv_qga *q, struct vmv_qga_item *it, enum vmv_qga_piece kind,
		       const char *text, size_t len)
{
	struct vmv_qga_call call = { .name = NULL };

	if (kind == VMV_QGA_TOO_LONG) {
		q->stats.oversize++;
		(void)vmv_fail(&it->err, VMV_E_TOOLARGE, EFBIG,
			       "JSON parse error, the request is too long");
	} else if (parse(it, text, len) < 0) {
		q->stats.malformed++;
	} else if (vmv_qga_call(it->req.message, &call, &it->err) < 0) {
		q->stats.refused++;
	}
	it->req.command = call.command;
	it->arguments = call.arguments;
	it->id = call.id;
	it->has_id = call.has_id;
	it->len = len;
}

static void take_pieces(struct vmv_qga *q)
{
	enum vmv_qga_piece kind;
	const char *text;
	struct vmv_qga_item *it;
	size_t len;

	while (vmv_qga_has_place(q)) {
		kind = vmv_qga_framer_next(&q->framer, &text, &len);
		if (kind == VMV_QGA_NONE)
			break;
		it = vmv_qga_item_new(q);
		if (!it) {
			vmv_log(VMV_LOG_ERROR, VMV_QGA_SUBSYS,
				"%s: out of memory: a request is dropped", vmv_qga_name(q));
			break;
		}
		take_piece(q, it, kind, text, len);
		vmv_qga_enqueue(q, it);
	}
}

static void go_on(struct vmv_qga *q)
{
	if (!q->stats.is_attached)
		return;
	if (!q->is_deaf)
		take_pieces(q);
	vmv_qga_run(q);
	if (q->is_deaf)
		return;
	vmv_channel_pause(vmv_qga_channel(q), !vmv_qga_has_place(q));
	if (q->n_queued == 0 && q->framer.scanned < q->framer.buf.len)
		vmv_qga_go_on_soon(q); /* what there was no place for */
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	go_on(arg);
}

static void on_data(void *arg, const char *data, size_t len)
{
	struct vmv_qga *q = arg;

	if (q->is_deaf)
		return;
	if (vmv_qga_framer_push(&q->framer, data, len) < 0)
		vmv_log(VMV_LOG_ERROR, VMV_QGA_SUBSYS, "%s: out of memory: input is dropped",
			vmv_qga_name(q));
	go_on(q);
}

/* -- the channel --------------------------------------------------------------------------------
 */

static void on_attached(void *arg)
{
	struct vmv_qga *q = arg;

	q->stats.is_attached = true;
	q->stats.since_ms = vmv_mono_ms(q->env->clock);
	vmv_talk_log_port(&q->talk, false, "", VMV_MSG_PORT_OPENED, "port_opened", "host attached");
	q->env->changed(q->env->agent);
	vmv_qga_go_on_soon(q);
}

/* What was asked may be the next client's already (VIRTIO.md 7): it is kept until the time of
 * grace is over. */
static void on_detached(void *arg, enum vmv_detach why)
{
	struct vmv_qga *q = arg;

	(void)why;
	q->stats.is_attached = false;
	(void)event_del(q->more);
	vmv_channel_pause(vmv_qga_channel(q), false);
	vmv_talk_log_port(&q->talk, false, "", VMV_MSG_PORT_CLOSED, "port_closed", "host gone");
	q->env->changed(q->env->agent);
}

static void on_expired(void *arg)
{
	struct vmv_qga *q = arg;

	vmv_qga_framer_reset(&q->framer);
	vmv_qga_give_up(q);
	vmv_qga_drop_queue(q);
	(void)event_del(q->more);
	vmv_channel_pause(vmv_qga_channel(q), false);
}

static bool qga_is_busy(struct vmv_talk *t)
{
	const struct vmv_qga *q = qga_of(t);

	return q->current || q->first || event_pending(q->more, EV_TIMEOUT, NULL);
}

static bool on_is_busy(void *arg)
{
	struct vmv_qga *q = arg;

	return qga_is_busy(&q->talk);
}

static void on_written(void *arg)
{
	struct vmv_qga *q = arg;

	if (q->first && !q->current && vmv_qga_has_room(q))
		vmv_qga_go_on_soon(q);
}

static void on_finished(void *arg)
{
	struct vmv_qga *q = arg;

	q->env->finished(q->env->agent);
}

/* While it is there, qemu-guest-agent.service does not start: it could not open the port, and fail.
 */
static void tell_held(struct vmv_qga *q, bool is_held)
{
	int fd;

	if (!q->held)
		return;
	if (!is_held) {
		(void)unlink(q->held);
		return;
	}
	fd = open(q->held, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		vmv_log(VMV_LOG_NOTICE, VMV_QGA_SUBSYS, "%s: %s", q->held, strerror(errno));
	else
		(void)close(fd);
}

static void on_report(void *arg, enum vmv_channel_report what, const struct vmv_err *err)
{
	struct vmv_qga *q = arg;

	if (what == VMV_REPORT_OPENED || what == VMV_REPORT_UNPLUGGED)
		tell_held(q, what == VMV_REPORT_OPENED);
	vmv_talk_report(&q->talk, "", what, err);
}

static const struct vmv_channel_ops channel_ops = {
	.attached = on_attached,
	.detached = on_detached,
	.expired = on_expired,
	.data = on_data,
	.is_busy = on_is_busy,
	.written = on_written,
	.finished = on_finished,
	.report = on_report,
};

/* -- life ---------------------------------------------------------------------------------------
 */

static void qga_free(struct vmv_talk *t)
{
	struct vmv_qga *q = qga_of(t);

	vmv_channel_free(q->talk.channel);
	tell_held(q, false);
	vmv_qga_give_up(q);
	vmv_qga_drop_queue(q);
	if (q->more)
		event_free(q->more);
	vmv_qga_framer_free(&q->framer);
	free(q->held);
	free(q);
}

static void qga_reconfigure(struct vmv_talk *t)
{
	struct vmv_qga *q = qga_of(t);
	const struct vmv_config *c = q->env->config;

	vmv_qga_framer_set_max(&q->framer, c->line_in_mib * VMV_MIB);
	vmv_channel_set_queue_high(vmv_qga_channel(q), c->queue_high_mib * VMV_MIB);
}

static void qga_stop_intake(struct vmv_talk *t)
{
	struct vmv_qga *q = qga_of(t);

	q->is_deaf = true;
}

static void qga_interrupt(struct vmv_talk *t)
{
	vmv_qga_interrupt(qga_of(t));
}

static unsigned qga_in_flight(struct vmv_talk *t)
{
	const struct vmv_qga *q = qga_of(t);

	return q->current ? 1 : 0;
}

static size_t qga_jobs(struct vmv_talk *t, struct vmv_state_job *ret, size_t max)
{
	const struct vmv_qga *q = qga_of(t);

	if (!q->current || max == 0)
		return 0;
	*ret = (struct vmv_state_job){ "", q->current->req.command->name,
				       q->current->req.began_ms };
	return 1;
}

static struct vmv_talk_stats qga_stats(struct vmv_talk *t)
{
	struct vmv_talk_stats st = qga_of(t)->stats;

	st.id = "";
	return st;
}

static const struct vmv_talk_ops talk_ops = {
	.free = qga_free,
	.reconfigure = qga_reconfigure,
	.is_busy = qga_is_busy,
	.stop_intake = qga_stop_intake,
	.interrupt = qga_interrupt,
	.in_flight = qga_in_flight,
	.jobs = qga_jobs,
	.stats = qga_stats,
};

/* Where the service manager made us a folder, the unit of qemu-ga looks for it there. */
static char *held_path(const char *dir, const struct vmv_spec *spec)
{
	char path[256];

	if (!dir || strchr(dir, ':') || spec->transport != VMV_TRANSPORT_VIRTIO ||
	    strcmp(spec->target, VMV_SPEC_QGA_PORT) != 0 ||
	    snprintf(path, sizeof(path), "%s/%s.held", dir, spec->target) >= (int)sizeof(path))
		return NULL;
	return strdup(path);
}

int vmv_qga_new(struct vmv_talk **ret, const struct vmv_session_env *env,
		const struct vmv_spec *spec, struct vmv_err *err)
{
	struct vmv_qga *q = calloc(1, sizeof(*q));
	const struct vmv_channel_params params = {
		.base = env->base,
		.clock = env->clock,
		.ops = &channel_ops,
		.arg = q,
		.sysfs = env->sysfs,
		.has_monitor = env->has_monitor,
		.queue_high = env->config->queue_high_mib * VMV_MIB,
	};
	int r;

	if (!q)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	q->talk.ops = &talk_ops;
	q->env = env;
	q->services = *env->services;
	q->services.hello = NULL; /* of native sessions */
	q->services.renew = NULL;
	q->services.jobs_of = NULL;
	q->services.policy = vmv_qga_policy;
	q->last = &q->first;
	q->held = held_path(env->runtime_dir, spec);
	vmv_qga_framer_init(&q->framer, env->config->line_in_mib * VMV_MIB);
	q->more = event_new(env->base, -1, 0, on_more, q);
	if (!q->more) {
		qga_free(&q->talk);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	r = vmv_channel_new(&q->talk.channel, &params, spec, err);
	if (r < 0) {
		qga_free(&q->talk);
		return r;
	}
	*ret = &q->talk;
	return 0;
}
