#include "agent/agent_impl.h"

#include "base/notify.h"
#include "virtio/channel.h"

#define STOP_STEP_MS 10	 /* while stopping: how often it is looked whether all is done */
#define FLUSH_MS     500 /* for hosts to take what is queued */

static size_t flush_all(struct vmv_agent *a)
{
	size_t left = 0;

	for (size_t i = 0; i < a->n_talks; i++)
		left += vmv_channel_flush(a->talks[i]->channel);
	return left;
}

static bool is_busy(const struct vmv_agent *a)
{
	for (size_t i = 0; i < a->n_talks; i++)
		if (a->talks[i]->ops->is_busy(a->talks[i]))
			return true;
	return false;
}

/* Running commands and a greeting may finish within the grace time; what remains is answered; then
 * everything queued is given to hosts that take it. */
static void stop_step(struct vmv_agent *a)
{
	uint64_t elapsed = vmv_agent_now_ms(a) - a->stop_ms;
	uint64_t grace = a->config->stop_grace_s * 1000;

	if (!a->is_interrupted && is_busy(a) && elapsed < grace) {
		vmv_agent_arm(a->stopping, STOP_STEP_MS);
		return;
	}
	if (!a->is_interrupted) {
		a->is_interrupted = true;
		for (size_t i = 0; i < a->n_talks; i++)
			a->talks[i]->ops->interrupt(a->talks[i]);
		a->stop_ms = vmv_agent_now_ms(a) - grace; /* from here on the flush is timed */
		elapsed = grace;
	}
	if (flush_all(a) > 0 && elapsed < grace + FLUSH_MS)
		vmv_agent_arm(a->stopping, STOP_STEP_MS);
	else
		(void)event_base_loopbreak(a->base);
}

void vmv_agent_on_stopping(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stop_step(arg);
}

void vmv_agent_stop(struct vmv_agent *a)
{
	if (a->stop_ms) { /* asked twice: at once */
		(void)event_base_loopbreak(a->base);
		return;
	}
	a->stop_ms = vmv_agent_now_ms(a);
	vmv_notify_stopping();
	for (size_t i = 0; i < a->n_talks; i++)
		a->talks[i]->ops->stop_intake(a->talks[i]);
	stop_step(a);
}

void vmv_agent_on_finished(void *arg)
{
	struct vmv_agent *a = arg;

	vmv_agent_arm(a->done, 0);
}

/* A channel that was standard input and output is over; without another one there is nothing to
 * stay for. */
void vmv_agent_on_done(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_agent *a = arg;

	(void)fd;
	(void)what;
	if (a->n_talks <= 1)
		vmv_agent_stop(a);
}
