#include "agent/keeper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "reports/facts.h"
#include "reports/metrics.h"
#include "reports/rates.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

struct waiter {
	struct waiter *next;
	vmv_view_cb *cb;
	void *arg;
};

enum phase {
	IDLE,
	FIRST, /* reading only to have something to compare with */
	GAP,   /* waiting for the second */
	FINAL, /* reading what is handed out */
	SERVE, /* handing it out, to one asker a turn: some make long answers of it */
};

struct vmv_keeper {
	const struct vmv_clock *clock;
	const struct vmv_metrics_options *options;
	struct vmv_facts *facts;
	struct vmv_rates rates;
	struct vmv_address_memory addresses;

	/* Two earlier readings: the newer may be too young to compare with, then the older serves.
	 */
	struct vmv_baseline *older, *newer;
	bool is_complete; /* facts and rates are of one whole reading */

	enum phase phase;
	struct waiter *current; /* served by the reading under way */
	struct waiter *next;	/* asked after it began */
	struct event *step;	/* the next slice; the gap */
	bool is_waiting;	/* for what the asker will say */
	bool is_over;		/* being freed: nobody may ask any more */
};

static void start(struct vmv_keeper *k);

/* -- baselines ------------------------------------------------------------------------------- */

static bool is_usable(const struct vmv_baseline *b, uint64_t now_ns)
{
	uint64_t age_ms;

	if (!b)
		return false;
	age_ms = (now_ns - vmv_baseline_mono_ns(b)) / 1000000;
	return age_ms >= VMV_CPU_AGE_MIN_MS && age_ms <= VMV_CPU_AGE_MAX_MS;
}

static const struct vmv_baseline *usable(const struct vmv_keeper *k, uint64_t now_ns)
{
	if (is_usable(k->newer, now_ns))
		return k->newer;
	return is_usable(k->older, now_ns) ? k->older : NULL;
}

/* The present reading becomes the newer one once that is old enough to be the older. */
static void remember(struct vmv_keeper *k)
{
	struct vmv_baseline *b;
	uint64_t now = vmv_facts_mono_ns(k->facts);

	if (k->newer && (now - vmv_baseline_mono_ns(k->newer)) / 1000000 < VMV_CPU_AGE_MIN_MS)
		return;
	b = vmv_baseline_new(k->facts);
	if (!b)
		return; /* the next reading compares with an older one, or does the gap */
	vmv_baseline_free(k->older);
	k->older = k->newer;
	k->newer = b;
}

/* -- waiters ----------------------------------------------------------------------------------- */

/* Calls the first one. Returns whether there was one. */
static bool serve_one(struct waiter **list, const struct vmv_view *view)
{
	struct waiter *w = *list;

	if (!w)
		return false;
	*list = w->next;
	w->cb(w->arg, view);
	free(w);
	return true;
}

static void append(struct waiter **list, struct waiter *w)
{
	while (*list)
		list = &(*list)->next;
	*list = w;
}

void vmv_keeper_forget(struct vmv_keeper *k, const void *arg)
{
	struct waiter **lists[] = { &k->current, &k->next };

	for (size_t i = 0; i < VMV_COUNTOF(lists); i++) {
		for (struct waiter **p = lists[i]; *p;) {
			struct waiter *w = *p;

			if (w->arg == arg) {
				*p = w->next;
				free(w);
			} else {
				p = &w->next;
			}
		}
	}
}

static struct vmv_view view_of(const struct vmv_keeper *k)
{
	return (struct vmv_view){ k->facts, &k->rates, &k->addresses, k->options };
}

/* -- reading
 * --------------------------------------------------------------------------------------- */

static void next_slice(struct vmv_keeper *k, uint32_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	(void)event_add(k->step, &tv);
}

/* The reading is whole: what it says is computed once for all who asked. */
static void finish(struct vmv_keeper *k)
{
	const struct vmv_baseline *before = usable(k, vmv_facts_mono_ns(k->facts));

	/* after the gap the first reading is younger than usable() asks for */
	if (!before)
		before = k->newer;
	vmv_rates_clear(&k->rates);
	k->is_complete = vmv_rates_compute(&k->rates, before, k->facts) == 0;
	remember(k);
	(void)vmv_address_memory_update(&k->addresses, k->facts, k->options, vmv_mono_ms(k->clock));
	k->phase = SERVE;
}

static void serve_turn(struct vmv_keeper *k)
{
	const struct vmv_view view = view_of(k);

	(void)serve_one(&k->current, k->is_complete ? &view : NULL);
	if (k->current) {
		next_slice(k, 0);
		return;
	}
	k->phase = IDLE;
	if (k->next)
		start(k);
}

/* Whatever was remembered is too old to compare with. */
static void begin_gap(struct vmv_keeper *k)
{
	vmv_baseline_free(k->newer);
	k->newer = vmv_baseline_new(k->facts);
	k->phase = GAP;
	next_slice(k, VMV_CPU_GAP_MS);
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_keeper *k = arg;

	(void)fd;
	(void)what;
	if (k->phase == GAP) {
		k->phase = FINAL;
		vmv_facts_begin(k->facts);
	}
	k->is_waiting = false;
	if (k->phase != SERVE) {
		int r = vmv_facts_step(k->facts);

		if (r != 0) {
			k->is_waiting = r == VMV_WAIT;
			next_slice(k, r == VMV_WAIT ? VMV_ASK_WAIT_MS : 0);
			return;
		}
		if (k->phase == FIRST) {
			begin_gap(k);
			return;
		}
		finish(k);
	}
	serve_turn(k);
}

void vmv_keeper_poke(struct vmv_keeper *k)
{
	if (k->is_waiting)
		next_slice(k, 0);
}

static void start(struct vmv_keeper *k)
{
	k->current = VMV_TAKE(k->next, NULL);
	k->phase = usable(k, vmv_mono_ns(k->clock)) ? FINAL : FIRST;
	vmv_facts_begin(k->facts);
	next_slice(k, 0);
}

static bool is_young(const struct vmv_keeper *k, uint32_t max_age_ms)
{
	uint64_t age_ms;

	if (!k->is_complete || (k->phase != IDLE && k->phase != SERVE))
		return false;
	age_ms = (vmv_mono_ns(k->clock) - vmv_facts_mono_ns(k->facts)) / 1000000;
	return max_age_ms > 0 && (age_ms < max_age_ms || max_age_ms == UINT32_MAX);
}

int vmv_keeper_ask(struct vmv_keeper *k, uint32_t max_age_ms, vmv_view_cb *cb, void *arg)
{
	struct waiter *w;

	if (k->is_over)
		return -ECANCELED;
	if (is_young(k, max_age_ms)) {
		struct vmv_view view = view_of(k);

		cb(arg, &view);
		return 0;
	}
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct waiter){ .cb = cb, .arg = arg };
	/* until the second reading begins, what will be handed out is still to be read */
	if (k->phase == FIRST || k->phase == GAP || (k->phase == FINAL && max_age_ms > 0))
		append(&k->current, w);
	else
		append(&k->next, w);
	if (k->phase == IDLE)
		start(k);
	return 0;
}

/* -- life ---------------------------------------------------------------------------------------
 */

struct vmv_keeper *vmv_keeper_new(struct event_base *base, const struct vmv_clock *clock,
				  const struct vmv_root *root,
				  const struct vmv_metrics_options *options)
{
	struct vmv_keeper *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->clock = clock;
	k->options = options;
	k->facts = vmv_facts_new(root, clock);
	k->step = event_new(base, -1, 0, on_step, k);
	if (!k->facts || !k->step) {
		vmv_keeper_free(k);
		return NULL;
	}
	return k;
}

void vmv_keeper_free(struct vmv_keeper *k)
{
	if (!k)
		return;
	if (k->step)
		event_free(k->step);
	k->is_over = true;
	while (serve_one(&k->current, NULL) || serve_one(&k->next, NULL))
		;
	vmv_baseline_free(k->older);
	vmv_baseline_free(k->newer);
	vmv_rates_clear(&k->rates);
	vmv_address_memory_clear(&k->addresses);
	vmv_facts_free(k->facts);
	free(k);
}

const struct vmv_facts *vmv_keeper_facts(const struct vmv_keeper *k)
{
	return k->facts;
}

bool vmv_keeper_has_address(const struct vmv_keeper *k)
{
	return k->addresses.had_any;
}

bool vmv_keeper_doubts(const struct vmv_keeper *k)
{
	return k->addresses.is_doubted;
}
