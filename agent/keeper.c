#include "agent/keeper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "collectors/network.h"
#include "reports/facts.h"
#include "reports/metrics.h"
#include "reports/rates.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Slices of a reading are strung together for so long, and so many, then the loop sees to everybody
 * else: a request is answered within two of these. */
#define TURN_NS	   100000
#define TURN_STEPS 4

struct waiter {
	struct waiter *next;
	struct vmv_ask ask;
	vmv_view_cb *cb;
	void *arg;
};

enum phase {
	IDLE,
	FIRST, /* reading only to have something to compare with */
	GAP,   /* waiting for the second */
	FINAL, /* reading what is handed out */
	SERVE, /* handing it out, to one asker a turn: some make long answers of it */
	END,   /* afterwards: what nobody has to wait for */
};

struct vmv_keeper {
	const struct vmv_clock *clock;
	const struct vmv_metrics_options *options;
	struct vmv_facts *facts;
	struct vmv_rates rates;
	struct vmv_address_memory addresses;
	uint64_t resets;

	/* Two earlier readings: the newer may be too young to compare with, then the older serves.
	 */
	struct vmv_baseline *older, *newer;

	vmv_groups wanted; /* by the reading under way */
	bool wants_rates;
	vmv_groups complete; /* the facts hold these, of one whole reading */
	bool has_rates;	     /* computed from it */

	enum phase phase;
	bool is_waiting;	/* for the asker */
	struct waiter *current; /* served by the reading under way */
	struct waiter *next;	/* asked after it began */
	struct event *step;	/* the next slice; the gap */
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

static struct vmv_view view_of(const struct vmv_keeper *k, const struct vmv_ask *ask)
{
	return (struct vmv_view){ k->facts, ask->has_rates ? &k->rates : NULL, &k->addresses,
				  k->options };
}

/* Takes the first one off the list and calls it. Returns whether there was one. */
static bool serve_one(struct vmv_keeper *k, struct waiter **list, bool has_view)
{
	struct waiter *w = *list;
	struct vmv_view view;

	if (!w)
		return false;
	*list = w->next;
	view = view_of(k, &w->ask);
	w->cb(w->arg, has_view ? &view : NULL);
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

/* -- reading ------------------------------------------------------------------------------- */

static void next_slice(struct vmv_keeper *k, uint32_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	(void)event_add(k->step, &tv);
}

static void begin_reading(struct vmv_keeper *k, enum phase phase, vmv_groups groups)
{
	k->phase = phase;
	k->complete = 0;
	k->has_rates = false;
	vmv_facts_begin(k->facts, groups);
}

/* Slices, until the turn is over. What vmv_facts_step returned last. */
static int read_turn(struct vmv_keeper *k)
{
	uint64_t until = vmv_mono_ns(k->clock) + TURN_NS;
	int r = VMV_MORE;

	for (int i = 0; i < TURN_STEPS && r == VMV_MORE; i++) {
		r = vmv_facts_step(k->facts);
		if (vmv_mono_ns(k->clock) >= until)
			break;
	}
	return r;
}

/* The reading is whole: what it says is computed once for all who asked. */
static void compute(struct vmv_keeper *k)
{
	const struct vmv_baseline *before = usable(k, vmv_facts_mono_ns(k->facts));

	/* after the gap the first reading is younger than usable() asks for */
	if (!before)
		before = k->newer;
	vmv_rates_clear(&k->rates);
	k->has_rates = vmv_rates_compute(&k->rates, before, k->facts) == 0;
	k->resets += k->rates.resets;
}

static void finish(struct vmv_keeper *k)
{
	k->complete = k->wanted;
	if (k->wants_rates)
		compute(k);
	if (k->wanted & vmv_group(&vmv_collector_network))
		(void)vmv_address_memory_update(&k->addresses, k->facts, k->options,
						vmv_mono_ms(k->clock));
	k->phase = SERVE;
}

static void serve_turn(struct vmv_keeper *k)
{
	(void)serve_one(k, &k->current, k->has_rates || !k->wants_rates);
	if (!k->current)
		k->phase = END;
	next_slice(k, 0);
}

static void end_turn(struct vmv_keeper *k)
{
	if (k->has_rates)
		remember(k);
	k->phase = IDLE;
	(void)malloc_trim(0);
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

static void reading_turn(struct vmv_keeper *k)
{
	int r = read_turn(k);

	k->is_waiting = r == VMV_WAIT;
	if (r != 0)
		next_slice(k, r == VMV_WAIT ? VMV_ASK_WAIT_MS : 0);
	else if (k->phase == FIRST)
		begin_gap(k);
	else {
		finish(k);
		next_slice(k, 0);
	}
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_keeper *k = arg;

	(void)fd;
	(void)what;
	if (k->phase == GAP)
		begin_reading(k, FINAL, k->wanted);
	if (k->phase == SERVE)
		serve_turn(k);
	else if (k->phase == END)
		end_turn(k);
	else
		reading_turn(k);
}

void vmv_keeper_poke(struct vmv_keeper *k)
{
	if (!k->is_waiting)
		return;
	k->is_waiting = false;
	next_slice(k, 0);
}

static vmv_groups groups_of(const struct vmv_ask *ask)
{
	return ask->has_rates ? ask->groups | vmv_baseline_groups() : ask->groups;
}

static void start(struct vmv_keeper *k)
{
	bool is_first;

	k->current = VMV_TAKE(k->next, NULL);
	k->wanted = 0;
	k->wants_rates = false;
	for (const struct waiter *w = k->current; w; w = w->next) {
		k->wanted |= groups_of(&w->ask);
		k->wants_rates |= w->ask.has_rates;
	}
	is_first = k->wants_rates && !usable(k, vmv_mono_ns(k->clock));
	begin_reading(k, is_first ? FIRST : FINAL, is_first ? vmv_baseline_groups() : k->wanted);
	next_slice(k, 0);
}

/* What was read at any time is there, whole, also while other groups are being read. */
static bool was_read(const struct vmv_keeper *k, vmv_groups groups)
{
	size_t n;
	const struct vmv_collector_status *s = vmv_facts_status(k->facts, &n);

	for (size_t i = 0; i < n; i++)
		if ((groups & vmv_group(s[i].collector)) && (s[i].read_ms == 0 || !s[i].is_ok))
			return false;
	return true;
}

/* The latest reading will do. */
static bool is_young(const struct vmv_keeper *k, const struct vmv_ask *ask)
{
	uint64_t age_ms;

	if (ask->max_age_ms == UINT32_MAX && !ask->has_rates)
		return was_read(k, groups_of(ask));
	if ((groups_of(ask) & ~k->complete) || (ask->has_rates && !k->has_rates) ||
	    ask->max_age_ms == 0)
		return false;
	age_ms = (vmv_mono_ns(k->clock) - vmv_facts_mono_ns(k->facts)) / 1000000;
	return age_ms < ask->max_age_ms || ask->max_age_ms == UINT32_MAX;
}

/* The reading under way will do. Until the second one begins, what is handed out is still to be
 * read, and anything can be added to it. */
static bool can_join(struct vmv_keeper *k, const struct vmv_ask *ask)
{
	if (k->phase == FIRST || k->phase == GAP) {
		k->wanted |= groups_of(ask);
		return true;
	}
	return k->phase == FINAL && ask->max_age_ms > 0 && !(groups_of(ask) & ~k->wanted) &&
	       (k->wants_rates || !ask->has_rates);
}

int vmv_keeper_ask(struct vmv_keeper *k, const struct vmv_ask *ask, vmv_view_cb *cb, void *arg)
{
	struct waiter *w;

	if (k->is_over)
		return -ECANCELED;
	if (is_young(k, ask)) {
		struct vmv_view view = view_of(k, ask);

		cb(arg, &view);
		return 0;
	}
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct waiter){ .ask = *ask, .cb = cb, .arg = arg };
	append(can_join(k, ask) ? &k->current : &k->next, w);
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
	while (serve_one(k, &k->current, false) || serve_one(k, &k->next, false))
		;
	vmv_baseline_free(k->older);
	vmv_baseline_free(k->newer);
	vmv_rates_clear(&k->rates);
	vmv_address_memory_clear(&k->addresses);
	vmv_facts_free(k->facts);
	free(k);
}

struct vmv_facts *vmv_keeper_facts(const struct vmv_keeper *k)
{
	return k->facts;
}

uint64_t vmv_keeper_resets(const struct vmv_keeper *k)
{
	return k->resets;
}

bool vmv_keeper_has_address(const struct vmv_keeper *k)
{
	return k->addresses.had_any;
}

bool vmv_keeper_doubts(const struct vmv_keeper *k)
{
	return k->addresses.is_doubted;
}
