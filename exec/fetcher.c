#include "exec/fetcher.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/limits.h"
#include "exec/due.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define DELIVER_MAX  16	  /* callbacks per turn: each may write a long message */
#define RETRY_MIN_MS 1000 /* after a process died of it */
#define RETRY_MAX_MS 60000

/* Of whoever waits for its delivery, and of the question while it is kept. */
struct answer {
	unsigned refs;
	char *text; /* NUL-terminated */
	size_t len;
};

struct waiter {
	struct waiter *next;
	vmv_answer_cb *cb;
	void *arg;
	uint64_t until_ms;
	/* once it is ready */
	int result;
	struct answer *answer; /* NULL: result is an error */
	uint64_t answered_ms;
};

struct errand {
	struct vmv_work work; /* first member: vmv_fetcher_ended() casts back */
	char *text;
	struct waiter *waiters; /* oldest first */
	uint64_t wanted_ms;
	uint32_t worth_ms; /* nobody has wished for an older answer */

	struct answer *answer;
	int result; /* its length, or negative errno; -EAGAIN: there is none */
	uint64_t answered_ms;
	struct vmv_backoff deaths;
	uint64_t retry_ms; /* not run before */
};

struct vmv_fetcher {
	const struct vmv_clock *clock;
	struct vmv_workers *workers;
	struct errand *errands[VMV_ASK_FETCHED];
	size_t n_errands;
	size_t n_waiters; /* the ready ones included */
	struct waiter *ready, **ready_end;
	struct event *deliver;
	bool is_ending;
};

static uint64_t now_ms(const struct vmv_fetcher *f)
{
	return vmv_mono_ms(f->clock);
}

/* -- answers ----------------------------------------------------------------------------- */

static void answer_unref(struct answer *a)
{
	if (!a || --a->refs > 0)
		return;
	free(a->text);
	free(a);
}

/* Takes text. NULL: out of memory. */
static struct answer *answer_new(char *text, size_t len)
{
	struct answer *a = malloc(sizeof(*a));

	if (!a) {
		free(text);
		return NULL;
	}
	*a = (struct answer){ .refs = 1, .text = text, .len = len };
	return a;
}

static void drop_answer(struct errand *e)
{
	answer_unref(e->answer);
	e->answer = NULL;
	e->result = -EAGAIN;
}

static size_t kept_bytes(const struct vmv_fetcher *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_errands; i++)
		if (f->errands[i]->answer)
			n += f->errands[i]->answer->len;
	return n;
}

/* Those that nobody wished for for the longest time go, but not the newest. Who still waits for a
 * delivery holds the answer itself. */
static void bound_memory(struct vmv_fetcher *f, const struct errand *newest)
{
	while (kept_bytes(f) > VMV_ASK_KEPT_BYTES) {
		struct errand *oldest = NULL;

		for (size_t i = 0; i < f->n_errands; i++) {
			struct errand *e = f->errands[i];

			if (e != newest && e->answer &&
			    (!oldest || e->wanted_ms < oldest->wanted_ms))
				oldest = e;
		}
		if (!oldest)
			return;
		drop_answer(oldest);
	}
}

/* -- those who wait ---------------------------------------------------------------------- */

static void waiter_free(struct vmv_fetcher *f, struct waiter *w)
{
	answer_unref(w->answer);
	free(w);
	f->n_waiters--;
}

/* Takes w, which is on no list. */
static void make_ready(struct vmv_fetcher *f, struct waiter *w, int result, struct answer *answer,
		       uint64_t answered_ms)
{
	const struct timeval now = { 0 };

	w->result = result;
	w->answer = answer;
	if (answer)
		answer->refs++;
	w->answered_ms = answered_ms;
	w->next = NULL;
	*f->ready_end = w;
	f->ready_end = &w->next;
	(void)event_add(f->deliver, &now);
}

static void make_all_ready(struct vmv_fetcher *f, struct errand *e, int result,
			   struct answer *answer)
{
	while (e->waiters) {
		struct waiter *w = e->waiters;

		e->waiters = w->next;
		make_ready(f, w, result, answer, now_ms(f));
	}
}

/* The callback may fetch and forget. */
static void deliver_one(struct vmv_fetcher *f)
{
	struct waiter *w = f->ready;
	uint64_t age;

	f->ready = w->next;
	if (!f->ready)
		f->ready_end = &f->ready;
	age = now_ms(f) - w->answered_ms;
	w->cb(w->arg, w->result, w->answer ? w->answer->text : NULL, age);
	waiter_free(f, w);
}

static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_fetcher *f = arg;
	const struct timeval now = { 0 };

	(void)fd;
	(void)what;
	for (int i = 0; i < DELIVER_MAX && f->ready; i++)
		deliver_one(f);
	if (f->ready)
		(void)event_add(f->deliver, &now);
}

static void forget_in(struct vmv_fetcher *f, struct waiter **at, const void *arg)
{
	while (*at) {
		struct waiter *w = *at;

		if (w->arg == arg) {
			*at = w->next;
			waiter_free(f, w);
		} else {
			at = &w->next;
		}
	}
}

/* What runs goes on: its answer may be wished for again. */
void vmv_fetcher_forget(struct vmv_fetcher *f, const void *arg)
{
	for (size_t i = 0; i < f->n_errands; i++) {
		struct errand *e = f->errands[i];

		forget_in(f, &e->waiters, arg);
		if (!e->waiters)
			vmv_workers_withdraw(f->workers, &e->work);
	}
	forget_in(f, &f->ready, arg);
	f->ready_end = &f->ready;
	while (*f->ready_end)
		f->ready_end = &(*f->ready_end)->next;
}

/* -- errands ----------------------------------------------------------------------------- */

static void errand_free(struct errand *e)
{
	answer_unref(e->answer);
	free(e->text);
	free(e);
}

static bool is_unused(const struct errand *e)
{
	return e->work.state == VMV_WORK_IDLE && !e->waiters;
}

static uint32_t good_for_ms(const struct errand *e, uint32_t max_age_ms)
{
	return e->result < 0 && max_age_ms > VMV_ASK_ERROR_MS ? VMV_ASK_ERROR_MS : max_age_ms;
}

/* When nobody can want any more what is kept of it. One that processes die of is remembered for
 * longer, so that the pauses can grow. */
static uint64_t expiry_of(const struct errand *e)
{
	uint64_t at = e->answered_ms + good_for_ms(e, e->worth_ms) + 1;

	if (e->result == -EAGAIN)
		at = 0;
	return e->retry_ms > 0 && e->retry_ms + RETRY_MAX_MS > at ? e->retry_ms + RETRY_MAX_MS : at;
}

static void remove_old(struct vmv_fetcher *f, uint64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n_errands; i++) {
		struct errand *e = f->errands[i];

		if (is_unused(e) && now >= expiry_of(e))
			errand_free(e);
		else
			f->errands[kept++] = e;
	}
	f->n_errands = kept;
}

static bool remove_one(struct vmv_fetcher *f)
{
	size_t oldest = f->n_errands;

	for (size_t i = 0; i < f->n_errands; i++)
		if (is_unused(f->errands[i]) &&
		    (oldest == f->n_errands ||
		     f->errands[i]->wanted_ms < f->errands[oldest]->wanted_ms))
			oldest = i;
	if (oldest == f->n_errands)
		return false;
	errand_free(f->errands[oldest]);
	f->errands[oldest] = f->errands[--f->n_errands];
	return true;
}

static int add_errand(struct vmv_fetcher *f, const char *text, struct errand **ret)
{
	struct errand *e;

	if (strlen(text) > VMV_ASK_QUESTION_MAX)
		return -EINVAL;
	remove_old(f, now_ms(f));
	if (f->n_errands == VMV_ASK_FETCHED && !remove_one(f))
		return -EBUSY;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	*e = (struct errand){
		.work = { .class = VMV_WORK_SLOW, .max = VMV_ASK_LONG_MAX },
		.text = strdup(text),
		.result = -EAGAIN,
		.deaths = { .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS },
	};
	if (!e->text) {
		errand_free(e);
		return -ENOMEM;
	}
	e->work.question = e->text;
	f->errands[f->n_errands++] = e;
	*ret = e;
	return 0;
}

static int find_errand(struct vmv_fetcher *f, const char *text, struct errand **ret)
{
	for (size_t i = 0; i < f->n_errands; i++) {
		if (strcmp(f->errands[i]->text, text) == 0) {
			*ret = f->errands[i];
			return 0;
		}
	}
	return add_errand(f, text, ret);
}

static bool has_answer(const struct errand *e, uint32_t max_age_ms, uint64_t now)
{
	if (e->result == -EAGAIN)
		return false;
	if (now - e->answered_ms <= good_for_ms(e, max_age_ms))
		return true;
	return e->work.state == VMV_WORK_IDLE && now < e->retry_ms;
}

/* Its run lasts as long as somebody waits, but no longer than one of them was ready to. */
static void extend(struct errand *e, uint32_t deadline_ms, uint64_t until_ms)
{
	bool is_new = e->work.state == VMV_WORK_IDLE;

	if (is_new || e->work.deadline_ms < deadline_ms)
		e->work.deadline_ms = deadline_ms;
	if (is_new || e->work.until_ms < until_ms)
		e->work.until_ms = until_ms;
}

/* Takes w. */
static void enlist(struct vmv_fetcher *f, struct errand *e, struct waiter *w)
{
	struct waiter **at = &e->waiters;
	int r = 0;

	while (*at)
		at = &(*at)->next;
	*at = w;
	if (e->work.state == VMV_WORK_IDLE)
		r = vmv_workers_put(f->workers, &e->work);
	if (r < 0)
		make_all_ready(f, e, r, NULL);
}

int vmv_fetcher_fetch(struct vmv_fetcher *f, const struct vmv_wish *wish, vmv_answer_cb *cb,
		      void *arg)
{
	uint64_t now = now_ms(f);
	struct waiter *w;
	struct errand *e;
	int r;

	if (f->is_ending || f->n_waiters == VMV_ASK_WAITERS)
		return -EBUSY;
	r = find_errand(f, wish->question, &e);
	if (r < 0)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct waiter){ .cb = cb, .arg = arg, .until_ms = now + wish->deadline_ms };
	f->n_waiters++;
	e->wanted_ms = now;
	if (e->worth_ms < wish->max_age_ms)
		e->worth_ms = wish->max_age_ms;
	if (has_answer(e, wish->max_age_ms, now)) {
		make_ready(f, w, e->result, e->answer, e->answered_ms);
		return 0;
	}
	extend(e, wish->deadline_ms, w->until_ms);
	enlist(f, e, w);
	return 0;
}

static void keep(struct errand *e, int result, char *text, uint64_t now)
{
	drop_answer(e);
	e->result = result;
	e->answered_ms = now;
	if (result < 0)
		return;
	e->answer = answer_new(text, (size_t)result);
	if (!e->answer)
		e->result = -ENOMEM;
}

void vmv_fetcher_ended(struct vmv_fetcher *f, struct vmv_work *w, enum vmv_work_end how, int result,
		       char *answer)
{
	struct errand *e = (struct errand *)w;
	uint64_t now = now_ms(f);

	if (how == VMV_WORK_REFUSED) { /* no answer, so that the next may have one */
		make_all_ready(f, e, result, NULL);
		return;
	}
	e->retry_ms = 0;
	if (how == VMV_WORK_DIED)
		e->retry_ms = now + vmv_backoff_next(&e->deaths);
	else
		vmv_backoff_reset(&e->deaths);
	keep(e, result, answer, now);
	bound_memory(f, e);
	make_all_ready(f, e, e->result, e->answer);
}

/* -- time -------------------------------------------------------------------------------- */

/* Its run, if any, is ended by the workers when the last one's time is over. */
static void time_out(struct vmv_fetcher *f, struct errand *e, uint64_t now)
{
	struct waiter **at = &e->waiters;

	while (*at) {
		struct waiter *w = *at;

		if (now < w->until_ms) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		make_ready(f, w, -ETIMEDOUT, NULL, now);
	}
	if (!e->waiters)
		vmv_workers_withdraw(f->workers, &e->work);
}

void vmv_fetcher_tick(struct vmv_fetcher *f, uint64_t now)
{
	for (size_t i = 0; i < f->n_errands; i++)
		time_out(f, f->errands[i], now);
	remove_old(f, now);
}

uint64_t vmv_fetcher_next_due(const struct vmv_fetcher *f, uint64_t now)
{
	uint64_t due = VMV_DUE_NEVER;

	for (size_t i = 0; i < f->n_errands; i++) {
		const struct errand *e = f->errands[i];

		for (const struct waiter *w = e->waiters; w; w = w->next)
			vmv_due_must(&due, w->until_ms, now);
		if (is_unused(e))
			vmv_due_must(&due, expiry_of(e), now);
	}
	return due;
}

/* -- life -------------------------------------------------------------------------------- */

struct vmv_fetcher *vmv_fetcher_new(struct event_base *base, const struct vmv_clock *clock,
				    struct vmv_workers *workers)
{
	struct vmv_fetcher *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->clock = clock;
	f->workers = workers;
	f->ready_end = &f->ready;
	f->deliver = event_new(base, -1, 0, on_deliver, f);
	if (!f->deliver) {
		free(f);
		return NULL;
	}
	return f;
}

void vmv_fetcher_cancel(struct vmv_fetcher *f)
{
	if (!f)
		return;
	f->is_ending = true;
	for (size_t i = 0; i < f->n_errands; i++)
		make_all_ready(f, f->errands[i], -ECANCELED, NULL);
	while (f->ready)
		deliver_one(f);
}

void vmv_fetcher_free(struct vmv_fetcher *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_errands; i++)
		errand_free(f->errands[i]);
	event_free(f->deliver);
	free(f);
}
