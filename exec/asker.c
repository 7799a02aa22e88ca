#include "exec/asker.h"

#include "base/backoff.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "exec/due.h"
#include "exec/fetcher.h"
#include "exec/workers.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_MS    600000 /* questions that nobody asked for so long */
#define SPARE_MS     10000  /* the same, when there is no room for another one */
#define RETRY_MIN_MS 1000   /* after a worker died of it */
#define RETRY_MAX_MS 60000

struct question {
	struct vmv_work work; /* first member: ended() casts back */
	char *text;
	uint32_t hash;
	bool is_stuck;	   /* it was, and has had no answer since: it may have been asked again */
	uint64_t asked_ms; /* when what is under way was asked */
	uint64_t wanted_ms;

	char *answer; /* NULL: there is none, or result is an error */
	int result;   /* length of the answer, or negative errno; -EAGAIN: never had any */
	uint64_t answered_ms;
	struct vmv_backoff deaths;
	uint64_t retry_ms; /* not asked before */
};

struct vmv_ask_pool {
	struct vmv_asker asker;
	const struct vmv_clock *clock;
	const struct vmv_ask_calls *calls;
	void *arg;
	char *helper;
	struct vmv_workers *workers;
	struct vmv_fetcher *fetcher;

	struct question *questions[VMV_ASK_QUESTIONS];
	size_t n_questions;
	bool has_news; /* those who wait are to be woken */
	struct event *timer;
};

static uint64_t now_ms(const struct vmv_ask_pool *p)
{
	return vmv_mono_ms(p->clock);
}

/* Not from within ask(). */
static void wake(struct vmv_ask_pool *p)
{
	if (p->has_news && p->calls->wake)
		p->calls->wake(p->arg);
	p->has_news = false;
}

static void tell_stuck(struct vmv_ask_pool *p, const struct question *q, bool is_stuck)
{
	if (p->calls->stuck)
		p->calls->stuck(p->arg, q->text, is_stuck, now_ms(p) - q->asked_ms);
}

/* -- questions -------------------------------------------------------------------------- */

/* FNV-1a. Questions begin alike, so comparing texts would take long. */
static uint32_t hash_of(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

static void question_free(struct question *q)
{
	if (!q)
		return;
	free(q->text);
	free(q->answer);
	free(q);
}

static void forget_old(struct vmv_ask_pool *p, uint64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_questions; i++) {
		struct question *q = p->questions[i];

		if (q->work.state == VMV_WORK_IDLE && now - q->wanted_ms >= FORGET_MS)
			question_free(q);
		else
			p->questions[kept++] = q;
	}
	p->n_questions = kept;
}

/* Mounts that come and go leave questions behind that nobody asks again: they must not keep new
 * ones out. What is asked in each reading stays, as a reading is shorter than that. */
static bool forget_one(struct vmv_ask_pool *p, uint64_t now)
{
	size_t oldest = p->n_questions;

	for (size_t i = 0; i < p->n_questions; i++) {
		const struct question *q = p->questions[i];

		if (q->work.state == VMV_WORK_IDLE && now - q->wanted_ms >= SPARE_MS &&
		    (oldest == p->n_questions || q->wanted_ms < p->questions[oldest]->wanted_ms))
			oldest = i;
	}
	if (oldest == p->n_questions)
		return false;
	question_free(p->questions[oldest]);
	p->questions[oldest] = p->questions[--p->n_questions];
	return true;
}

static int add_question(struct vmv_ask_pool *p, const char *text, uint32_t hash,
			struct question **ret)
{
	uint64_t now = now_ms(p);
	struct question *q;

	if (strlen(text) > VMV_ASK_QUESTION_MAX)
		return -EINVAL;
	forget_old(p, now);
	if (p->n_questions == VMV_ASK_QUESTIONS && !forget_one(p, now))
		return -EBUSY;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	*q = (struct question){
		.work = { .class = VMV_WORK_QUICK,
			  .max = VMV_ASK_ANSWER_MAX,
			  .deadline_ms = VMV_ASK_DEADLINE_MS,
			  .until_ms = VMV_DUE_NEVER },
		.text = strdup(text),
		.hash = hash,
		.result = -EAGAIN,
		.deaths = { .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS },
	};
	if (!q->text) {
		question_free(q);
		return -ENOMEM;
	}
	q->work.question = q->text;
	p->questions[p->n_questions++] = q;
	*ret = q;
	return 0;
}

static int find_question(struct vmv_ask_pool *p, const char *text, struct question **ret)
{
	uint32_t hash = hash_of(text);

	for (size_t i = 0; i < p->n_questions; i++) {
		struct question *q = p->questions[i];

		if (q->hash == hash && strcmp(q->text, text) == 0) {
			*ret = q;
			return 0;
		}
	}
	return add_question(p, text, hash, ret);
}

/* -- answers ----------------------------------------------------------------------------- */

/* Takes the answer. */
static void settle(struct vmv_ask_pool *p, struct question *q, int result, char *answer)
{
	bool was_stuck = q->is_stuck;

	q->is_stuck = false;
	free(q->answer);
	q->answer = answer;
	q->result = result;
	q->answered_ms = now_ms(p);
	if (was_stuck)
		tell_stuck(p, q, false);
}

/* Still stuck as far as anybody knows, but no worker has it. */
static void drop(struct question *q)
{
	free(q->answer);
	q->answer = NULL;
	q->result = -ETIMEDOUT;
	q->answered_ms = q->asked_ms;
}

static void on_ended(void *arg, struct vmv_work *w, enum vmv_work_end how, int result, char *answer)
{
	struct vmv_ask_pool *p = arg;
	struct question *q = (struct question *)w;

	if (w->class == VMV_WORK_SLOW) {
		vmv_fetcher_ended(p->fetcher, w, how, result, answer);
		return;
	}
	p->has_news = true;
	if (how == VMV_WORK_REFUSED) /* asked again, it gets the reason */
		return;
	if (how == VMV_WORK_ANSWERED) {
		vmv_backoff_reset(&q->deaths);
		q->retry_ms = 0;
	} else {
		q->retry_ms = now_ms(p) + vmv_backoff_next(&q->deaths);
	}
	if (how == VMV_WORK_EVICTED)
		drop(q);
	else
		settle(p, q, result, answer);
}

static void on_late(void *arg, struct vmv_work *w)
{
	struct vmv_ask_pool *p = arg;
	struct question *q = (struct question *)w;

	p->has_news = true;
	if (!q->is_stuck)
		tell_stuck(p, q, true);
	q->is_stuck = true;
}

/* -- time -------------------------------------------------------------------------------- */

static uint64_t next_due(const struct vmv_ask_pool *p, uint64_t now)
{
	uint64_t workers = vmv_workers_next_due(p->workers, now);
	uint64_t fetcher = vmv_fetcher_next_due(p->fetcher, now);

	return workers < fetcher ? workers : fetcher;
}

static void arm(struct vmv_ask_pool *p)
{
	uint64_t now = now_ms(p);
	uint64_t due = next_due(p, now);
	uint64_t ms = due - now;
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (due == VMV_DUE_NEVER)
		(void)event_del(p->timer);
	else
		(void)event_add(p->timer, &tv);
}

static void on_turned(void *arg)
{
	struct vmv_ask_pool *p = arg;

	arm(p);
	wake(p);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_ask_pool *p = arg;
	uint64_t now = now_ms(p);

	(void)fd;
	(void)what;
	vmv_workers_tick(p->workers, now);
	vmv_fetcher_tick(p->fetcher, now);
	forget_old(p, now);
	arm(p);
	wake(p);
}

static const struct vmv_worker_calls worker_calls = {
	.ended = on_ended,
	.late = on_late,
	.turned = on_turned,
};

/* -- the table --------------------------------------------------------------------------- */

static int give(const struct question *q, uint64_t now, const char **ret_text, uint64_t *ret_age_ms)
{
	*ret_age_ms = now - q->answered_ms;
	if (q->result >= 0)
		*ret_text = q->answer;
	return q->result;
}

static int submit(struct vmv_ask_pool *p, struct question *q, uint64_t now)
{
	int r;

	if (!q->is_stuck)
		q->asked_ms = now;
	r = vmv_workers_put(p->workers, &q->work);
	arm(p);
	return r == 0 ? -EAGAIN : r;
}

static struct vmv_ask_pool *pool_of(struct vmv_asker *self)
{
	return (struct vmv_ask_pool *)((char *)self - offsetof(struct vmv_ask_pool, asker));
}

static int ask(struct vmv_asker *self, const char *text, uint32_t max_age_ms, const char **ret_text,
	       uint64_t *ret_age_ms)
{
	struct vmv_ask_pool *p = pool_of(self);
	uint64_t now = now_ms(p);
	struct question *q;
	int r = find_question(p, text, &q);

	*ret_age_ms = 0;
	if (r < 0)
		return r;
	q->wanted_ms = now;
	if (q->result < 0 && max_age_ms > VMV_ASK_ERROR_MS)
		max_age_ms = VMV_ASK_ERROR_MS;
	if (q->work.state != VMV_WORK_STUCK && q->result != -EAGAIN &&
	    now - q->answered_ms <= max_age_ms)
		return give(q, now, ret_text, ret_age_ms);
	if (q->work.state == VMV_WORK_IDLE && now < q->retry_ms)
		return give(q, now, ret_text, ret_age_ms);
	r = q->work.state == VMV_WORK_IDLE ? submit(p, q, now) : -EAGAIN;
	*ret_age_ms = r == -EAGAIN || q->is_stuck ? now - q->asked_ms : 0;
	return q->is_stuck ? -ETIMEDOUT : r;
}

static int fetch(struct vmv_asker *self, const struct vmv_wish *wish, vmv_answer_cb *cb, void *arg)
{
	struct vmv_ask_pool *p = pool_of(self);
	int r = vmv_fetcher_fetch(p->fetcher, wish, cb, arg);

	arm(p);
	return r;
}

static void forget(struct vmv_asker *self, void *arg)
{
	vmv_fetcher_forget(pool_of(self)->fetcher, arg);
}

/* -- life -------------------------------------------------------------------------------- */

struct vmv_ask_pool *vmv_ask_pool_new(struct event_base *base, const struct vmv_clock *clock,
				      const char *helper, const struct vmv_ask_calls *calls,
				      void *arg)
{
	struct vmv_ask_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->asker = (struct vmv_asker){ .ask = ask, .fetch = fetch, .forget = forget };
	p->clock = clock;
	p->calls = calls;
	p->arg = arg;
	p->helper = strdup(helper);
	p->timer = event_new(base, -1, 0, on_timer, p);
	if (p->helper)
		p->workers = vmv_workers_new(base, clock, p->helper, &worker_calls, p);
	if (p->workers)
		p->fetcher = vmv_fetcher_new(base, clock, p->workers);
	if (!p->fetcher || !p->timer) {
		vmv_ask_pool_free(p);
		return NULL;
	}
	return p;
}

void vmv_ask_pool_free(struct vmv_ask_pool *p)
{
	if (!p)
		return;
	vmv_fetcher_cancel(p->fetcher);
	vmv_workers_free(p->workers);
	vmv_fetcher_free(p->fetcher);
	for (size_t i = 0; i < p->n_questions; i++)
		question_free(p->questions[i]);
	if (p->timer)
		event_free(p->timer);
	free(p->helper);
	free(p);
}

struct vmv_asker *vmv_ask_pool_asker(struct vmv_ask_pool *p)
{
	return &p->asker;
}
