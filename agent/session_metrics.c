#include "agent/session_impl.h"

#include "agent/keeper.h"
#include "base/err.h"
#include "base/log.h"
#include "commands/request.h"
#include "config/settings.h"
#include "proto/json_write.h"
#include "reports/metrics.h"

/* When the next message is due: the interval, or sooner while no address is known. */
static uint64_t metrics_pause(const struct vmv_session *s)
{
	uint64_t interval = s->env->config->interval_s * 1000;
	bool is_young = vmv_session_now_ms(s) - s->stats.since_ms < VMV_METRICS_SOON_FOR;

	if (vmv_keeper_doubts(s->env->keeper) ||
	    (is_young && !vmv_keeper_has_address(s->env->keeper)))
		return interval < VMV_METRICS_SOON_MS ? interval : VMV_METRICS_SOON_MS;
	return interval;
}

static void schedule_metrics(struct vmv_session *s, uint64_t due_ms)
{
	uint64_t now = vmv_session_now_ms(s);

	s->metrics_due_ms = due_ms > now ? due_ms : now;
	vmv_session_timer(s->metrics, s->metrics_due_ms - now);
}

static void send_metrics(struct vmv_session *s, const struct vmv_view *view)
{
	struct vmv_err err = { VMV_E_IO, 0, "out of memory" };
	char stamp[VMV_STAMP_SIZE];
	struct vmv_jw w;

	vmv_session_stamp(s, stamp);
	vmv_jw_init(&w, VMV_METRICS_MAX);
	if (view && vmv_metrics_message(&w, stamp, view->facts, view->rates, view->addresses,
					view->options, &err) == 0) {
		(void)vmv_session_send(s, VMV_CLASS_METRICS, &w);
		s->metrics_failed = false;
		return;
	}
	vmv_jw_free(&w);
	vmv_channel_release(s->talk.channel);
	if (!s->metrics_failed)
		vmv_log(VMV_LOG_ERROR, VMV_SESSION_SUBSYS, "%s: %s", vmv_session_name(s), err.msg);
	s->metrics_failed = true;
}

static void on_view(void *arg, const struct vmv_view *view)
{
	struct vmv_session *s = arg;
	uint64_t pause, next;

	s->is_reading = false;
	if (!s->is_attached)
		return;
	send_metrics(s, view);
	/* The first pause is shortened at random: many guests may have been greeted by one host at
	 * one moment. From then on a fixed grid: counted from when the last one was due. */
	pause = metrics_pause(s);
	if (s->metrics_ms == 0)
		pause -= vmv_random_below((uint32_t)(pause / 2));
	s->metrics_ms = vmv_session_now_ms(s);
	next = s->metrics_due_ms + pause;
	schedule_metrics(s, next > s->metrics_ms ? next : s->metrics_ms + pause);
}

void vmv_session_ask_metrics(struct vmv_session *s)
{
	const struct vmv_ask ask = { .groups = vmv_metrics_groups(), .has_rates = true };

	if (s->is_reading)
		return;
	s->is_reading = true;
	(void)event_del(s->metrics);
	if (vmv_keeper_ask(s->env->keeper, &ask, on_view, s) < 0) {
		s->is_reading = false;
		schedule_metrics(s, vmv_session_now_ms(s) + metrics_pause(s));
	}
}

void vmv_session_on_metrics_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	vmv_session_ask_metrics(arg);
}

/* Brings the next message forward to due_ms. */
void vmv_session_metrics_by(struct vmv_session *s, uint64_t due_ms)
{
	uint64_t now = vmv_session_now_ms(s);

	if (!s->is_attached || s->is_reading)
		return;
	if (due_ms <= now) {
		s->metrics_due_ms = now;
		vmv_session_ask_metrics(s);
	} else if (due_ms < s->metrics_due_ms) {
		schedule_metrics(s, due_ms);
	}
}

void vmv_session_addresses_changed(struct vmv_talk *t)
{
	struct vmv_session *s = vmv_session_of(t);
	/* a second, to gather what belongs together */
	uint64_t soon = vmv_session_now_ms(s) + 1000, again = s->metrics_ms + VMV_METRICS_SOON_MS;

	vmv_session_metrics_by(s, soon > again ? soon : again);
}
