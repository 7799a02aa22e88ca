#include "base/cleanup.h"
#include "base/num.h"
#include "collectors/cpu.h"
#include "reports/checks.h"
#include "reports/facts.h"
#include "reports/pick.h"

#include <math.h>

#define CPU_GAP_MS   10000   /* between two marks: 64 of them are over ten minutes */
#define OOM_DATED_MS 3780000 /* evaluations further apart cannot tell whether it was in an hour */

/* guest time is inside user: not added twice. */
static uint64_t total_of(const struct vmv_cpu_sample *c)
{
	uint64_t sum = vmv_add_sat(vmv_add_sat(c->user, c->nice), vmv_add_sat(c->system, c->idle));

	sum = vmv_add_sat(sum, vmv_add_sat(c->iowait, vmv_add_sat(c->irq, c->softirq)));
	return vmv_add_sat(sum, c->steal == VMV_UNSET ? 0 : c->steal);
}

static void note_cpu(struct vmv_history *h, const struct vmv_stat_sample *s, uint64_t now_ms)
{
	size_t last = (h->next_cpu + VMV_CPU_MARKS - 1) % VMV_CPU_MARKS;
	uint64_t total = total_of(&s->all), still = vmv_add_sat(s->all.idle, s->all.iowait);

	if (total == VMV_UNSET || still == VMV_UNSET)
		return;
	/* another kernel's counters, or a restored snapshot: what was before means nothing */
	if (h->n_cpu > 0 && (h->cpu[last].total > total || h->cpu[last].at_ms > now_ms))
		h->n_cpu = h->next_cpu = 0;
	h->now = (struct vmv_cpu_mark){ now_ms, total, total - still, s->all.steal };
	if (h->n_cpu > 0 && now_ms - h->cpu[last].at_ms < CPU_GAP_MS)
		return;
	h->cpu[h->next_cpu] = h->now;
	h->next_cpu = (h->next_cpu + 1) % VMV_CPU_MARKS;
	if (h->n_cpu < VMV_CPU_MARKS)
		h->n_cpu++;
}

/* Kills since the evaluation before happened somewhere in between: when that is longer than the
 * hour that counts, nobody knows whether in it. */
static void note_oom(struct vmv_history *h, uint64_t count, uint64_t now_ms)
{
	uint64_t more = 0;

	h->is_oom_undated = false;
	if (h->has_oom && vmv_counter_delta(h->oom_count, count, &more) && more > 0) {
		h->is_oom_undated = now_ms - h->oom_at_ms > OOM_DATED_MS;
		h->oom[h->next_oom].at_ms = h->is_oom_undated ? h->oom_at_ms : now_ms;
		h->oom[h->next_oom].kills = more;
		h->next_oom = (h->next_oom + 1) % VMV_OOM_MARKS;
		if (h->n_oom < VMV_OOM_MARKS)
			h->n_oom++;
	}
	h->has_oom = true;
	h->oom_at_ms = now_ms;
	h->oom_count = count;
}

static void note_sync(struct vmv_history *h, double status, uint64_t now_ms)
{
	bool is_unsynced = status < 0.5;

	if (is_unsynced && (!h->is_unsynced || h->unsynced_ms > now_ms))
		h->unsynced_ms = now_ms;
	h->is_unsynced = is_unsynced;
}

void vmv_history_update(struct vmv_history *h, const struct vmv_facts *f)
{
	uint64_t now_ms = vmv_facts_mono_ns(f) / 1000000;
	const struct vmv_stat_sample *stat = vmv_pick_row(f, "stat", NULL);
	double kills = vmv_pick_value(f, "vmstat", "node_vmstat_oom_kill", NULL);
	double sync = vmv_pick_value(f, "time", "node_timex_sync_status", NULL);

	if (stat)
		note_cpu(h, stat, now_ms);
	if (isfinite(kills) && kills >= 0)
		note_oom(h, (uint64_t)kills, now_ms);
	if (isfinite(sync))
		note_sync(h, sync, now_ms);
}
