#include "agent/poll.h"

#include "base/limits.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

#define FIRST_PAUSE_S 2 /* then 4 */

struct vmv_poll {
	void (*ask)(void *arg);
	void *arg;
	struct event *timer;
	uint64_t period_s;
	unsigned tries; /* of the present question */
	bool is_waiting;
};

static void arm(struct vmv_poll *p, uint64_t s)
{
	struct timeval tv = { .tv_sec = (time_t)s };

	(void)event_add(p->timer, &tv);
}

static void ask(struct vmv_poll *p)
{
	p->tries++;
	p->is_waiting = true;
	arm(p, VMV_POLL_WAIT_MS / 1000);
	p->ask(p->arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_poll *p = arg;

	(void)fd;
	(void)what;
	if (!p->is_waiting) { /* a pause is over */
		ask(p);
		return;
	}
	p->is_waiting = false;
	if (p->tries < VMV_POLL_TRIES)
		arm(p, (uint64_t)FIRST_PAUSE_S << (p->tries - 1));
	else
		p->tries = 0; /* this host has no answer: no more in this session */
}

struct vmv_poll *vmv_poll_new(struct event_base *base, void (*ask_cb)(void *arg), void *arg)
{
	struct vmv_poll *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->ask = ask_cb;
	p->arg = arg;
	p->timer = event_new(base, -1, 0, on_timer, p);
	if (!p->timer) {
		free(p);
		return NULL;
	}
	return p;
}

void vmv_poll_free(struct vmv_poll *p)
{
	if (!p)
		return;
	event_free(p->timer);
	free(p);
}

void vmv_poll_start(struct vmv_poll *p, uint64_t period_s)
{
	p->period_s = period_s;
	p->tries = 0;
	ask(p);
}

void vmv_poll_stop(struct vmv_poll *p)
{
	(void)event_del(p->timer);
	p->is_waiting = false;
	p->tries = 0;
}

void vmv_poll_answered(struct vmv_poll *p)
{
	if (p->tries == 0)
		return; /* nothing is being asked */
	p->is_waiting = false;
	p->tries = 0;
	(void)event_del(p->timer);
	if (p->period_s > 0)
		arm(p, p->period_s);
}
