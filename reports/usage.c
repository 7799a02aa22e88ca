#include "reports/usage.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"
#include "collectors/cpu.h"
#include "collectors/memory.h"
#include "reports/facts.h"
#include "reports/pick.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SLOT_MS	    300000
#define DAY_SLOTS   288
#define N_DAYS	    (VMV_USAGE_DAYS + 1) /* the first and the last of 30 days are parts of two */
#define MEMORY_UNIT 65536		 /* bytes */
#define CPU_UNITS   10000		 /* hundredths of a percent */

/* Eight bytes: a month of them is 68 KiB. */
struct slot {
	uint32_t memory;  /* units; UINT32_MAX: unknown */
	uint16_t cpu;	  /* hundredths of a percent */
	uint16_t seconds; /* that it covers; 0: a gap */
};

struct day {
	uint64_t number; /* slots / DAY_SLOTS since boot */
	struct slot slots[DAY_SLOTS];
};

/* What the slot under way is made of. */
struct sum {
	uint64_t ms, busy, total;
	uint64_t memory_ms, unit_ms; /* time of which memory is known; units multiplied by it */
};

struct vmv_usage {
	struct day *days[N_DAYS]; /* owned; NULL: nothing is known. An agent begins with none */
	bool has_last;
	struct vmv_usage_mark last;
	uint64_t slot;
	struct sum sum;
};

struct vmv_usage *vmv_usage_new(void)
{
	return calloc(1, sizeof(struct vmv_usage));
}

void vmv_usage_free(struct vmv_usage *u)
{
	for (size_t i = 0; u && i < N_DAYS; i++)
		free(u->days[i]);
	free(u);
}

/* -- keeping ----------------------------------------------------------------------------------- */

/* The place of a slot, which takes that of one a month ago; NULL: out of memory. */
static struct slot *place_of(struct vmv_usage *u, uint64_t slot)
{
	uint64_t number = slot / DAY_SLOTS;
	struct day **day = &u->days[number % N_DAYS];

	if (!*day)
		*day = calloc(1, sizeof(**day));
	else if ((*day)->number != number)
		memset(*day, 0, sizeof(**day));
	if (!*day)
		return NULL;
	(*day)->number = number;
	return &(*day)->slots[slot % DAY_SLOTS];
}

static struct slot slot_of(const struct sum *s)
{
	uint64_t seconds = s->ms / 1000;
	uint64_t units = s->memory_ms > 0 ? s->unit_ms / s->memory_ms : UINT32_MAX;
	double cpu = CPU_UNITS * (double)s->busy / (double)s->total;

	return (struct slot){
		.memory = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX,
		.cpu = cpu < CPU_UNITS ? (uint16_t)(cpu + 0.5) : CPU_UNITS,
		.seconds = seconds < UINT16_MAX ? (uint16_t)seconds : UINT16_MAX,
	};
}

/* Belongs to the slot in which it ends: they begin and end a reading late. */
static void take(struct vmv_usage *u, const struct vmv_usage_mark *now, uint64_t busy,
		 uint64_t total)
{
	uint64_t ms = now->at_ms - u->last.at_ms, slot = (now->at_ms - 1) / SLOT_MS;
	struct slot *place = place_of(u, slot);

	if (slot != u->slot)
		u->sum = (struct sum){ .ms = 0 };
	u->slot = slot;
	u->sum.ms += ms;
	u->sum.busy += busy;
	u->sum.total += total;
	if (now->used != VMV_UNSET) {
		u->sum.memory_ms += ms;
		u->sum.unit_ms += now->used / MEMORY_UNIT * ms;
	}
	if (place)
		*place = slot_of(&u->sum);
}

void vmv_usage_add(struct vmv_usage *u, const struct vmv_usage_mark *mark)
{
	uint64_t busy, total;

	if (u->has_last && mark->at_ms >= u->last.at_ms &&
	    mark->at_ms - u->last.at_ms <= VMV_USAGE_GAP_MS &&
	    vmv_counter_delta(u->last.busy, mark->busy, &busy) &&
	    vmv_counter_delta(u->last.total, mark->total, &total)) {
		if (total == 0 || mark->at_ms == u->last.at_ms)
			return; /* no tick since: the next one will tell of this time, too */
		take(u, mark, busy, total);
	}
	u->last = *mark;
	u->has_last = true;
}

/* guest time is inside user: not added twice. */
static uint64_t busy_of(const struct vmv_cpu_sample *c)
{
	uint64_t sum = vmv_add_sat(vmv_add_sat(c->user, c->nice), c->system);

	sum = vmv_add_sat(sum, vmv_add_sat(c->irq, c->softirq));
	return vmv_add_sat(sum, c->steal == VMV_UNSET ? 0 : c->steal);
}

void vmv_usage_note(struct vmv_usage *u, const struct vmv_facts *f)
{
	const struct vmv_stat_sample *stat = vmv_pick_row(f, "stat", NULL);
	const struct vmv_memory_sample *m = vmv_pick_row(f, "memory", NULL);
	struct vmv_usage_mark mark = {
		.at_ms = vmv_facts_mono_ns(f) / 1000000,
		.used = VMV_UNSET,
	};

	if (!stat)
		return;
	mark.busy = busy_of(&stat->all);
	mark.total = vmv_add_sat(mark.busy, vmv_add_sat(stat->all.idle, stat->all.iowait));
	if (m && m->total != VMV_UNSET && m->available != VMV_UNSET)
		mark.used = m->available < m->total ? m->total - m->available : 0;
	vmv_usage_add(u, &mark);
}

/* -- looking back ------------------------------------------------------------------------------ */

struct look {
	uint64_t first, last; /* slots */
	uint64_t seconds;
	uint32_t memory;   /* the highest; UINT32_MAX: none is known */
	uint32_t *weights; /* seconds by hundredths of a percent */
};

static void look_at_day(struct look *l, const struct day *day)
{
	for (size_t i = 0; i < DAY_SLOTS; i++) {
		const struct slot *s = &day->slots[i];
		uint64_t number = day->number * DAY_SLOTS + i;

		if (s->seconds == 0 || number < l->first || number > l->last)
			continue;
		l->seconds += s->seconds;
		l->weights[s->cpu] += s->seconds;
		if (s->memory != UINT32_MAX && (l->memory == UINT32_MAX || s->memory > l->memory))
			l->memory = s->memory;
	}
}

/* The lowest use that is not exceeded for 95 % of the time. */
static double percentile_of(const struct look *l)
{
	uint64_t sum = 0;

	for (unsigned i = 0; l->seconds > 0 && i <= CPU_UNITS; i++) {
		sum += l->weights[i];
		if (sum * 100 >= l->seconds * 95)
			return (double)i * 100 / CPU_UNITS;
	}
	return (double)NAN;
}

int vmv_usage_summarise(const struct vmv_usage *u, uint64_t now_ms, unsigned days,
			struct vmv_usage_summary *ret)
{
	vmv_autofree uint32_t *weights = calloc(CPU_UNITS + 1, sizeof(*weights));
	uint64_t span = (uint64_t)days * DAY_SLOTS;
	struct look l = {
		.last = now_ms / SLOT_MS,
		.memory = UINT32_MAX,
		.weights = weights,
	};

	if (!weights)
		return -ENOMEM;
	l.first = l.last >= span ? l.last - span + 1 : 0;
	for (size_t i = 0; i < N_DAYS; i++)
		if (u->days[i])
			look_at_day(&l, u->days[i]);
	*ret = (struct vmv_usage_summary){
		.seconds = l.seconds,
		.cpu_p95 = percentile_of(&l),
		.memory_peak =
			l.memory == UINT32_MAX ? VMV_UNSET : (uint64_t)l.memory * MEMORY_UNIT,
	};
	return 0;
}
