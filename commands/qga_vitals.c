#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "collectors/memory.h"
#include "collectors/pressure.h"
#include "commands/qga.h"
#include "commands/qga_families.h"
#include "commands/qga_reading.h"
#include "proto/json_write.h"
#include "reports/health.h"

/* Commands of our own have the manners of our own protocol: units in names, every member always
 * there, null what is unknown. */

/* -- memory ------------------------------------------------------------------------------------ */

static uint64_t difference(uint64_t all, uint64_t part)
{
	return all == VMV_UNSET || part == VMV_UNSET || part > all ? VMV_UNSET : all - part;
}

/* The kernel's estimate of what is available may be over what there is. */
static uint64_t used(const struct vmv_memory_sample *m)
{
	return m->available != VMV_UNSET && m->available > m->total
		       ? 0
		       : difference(m->total, m->available);
}

static void write_memory(struct vmv_jw *w, const struct vmv_memory_sample *m)
{
	const struct {
		const char *name;
		uint64_t bytes;
	} members[] = {
		{ "total_bytes", m->total },
		{ "used_bytes", used(m) },
		{ "available_bytes", m->available },
		{ "free_bytes", m->free },
		{ "buffers_bytes", m->buffers },
		{ "cached_bytes", m->cached },
		{ "shmem_bytes", m->shmem },
		{ "slab_bytes", m->slab },
		{ "sreclaimable_bytes", m->sreclaimable },
		{ "active_bytes", m->active },
		{ "inactive_bytes", m->inactive },
		{ "unevictable_bytes", m->unevictable },
		{ "dirty_bytes", m->dirty },
		{ "writeback_bytes", m->writeback },
		{ "committed_bytes", m->committed },
		{ "commit_limit_bytes", m->commit_limit },
		{ "hugetlb_bytes", m->hugetlb },
		{ "balloon_bytes", m->balloon },
		{ "swap_total_bytes", m->swap_total },
		{ "swap_used_bytes", difference(m->swap_total, m->swap_free) },
		{ "swap_free_bytes", m->swap_free },
		{ "swap_cached_bytes", m->swap_cached },
	};

	vmv_jw_open(w, NULL);
	for (size_t i = 0; i < VMV_COUNTOF(members); i++)
		vmv_jw_u64(w, members[i].name, members[i].bytes);
	vmv_jw_close(w);
}

static void memory_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_memory_sample *m = vmv_qga_row(req, view, &vmv_collector_memory);
	struct vmv_jw w;

	if (!m)
		return;
	vmv_qga_begin(&w);
	write_memory(&w, m);
	vmv_qga_send(req, &w);
}

void vmv_qga_vitals_memory(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_group(&vmv_collector_memory), memory_ready);
}

/* -- pressure ---------------------------------------------------------------------------------- */

/* Shares are hundredths of a percent in the sample, percent here, as in the kernel's file. */
static void write_line(struct vmv_jw *w, const char *name, const struct vmv_pressure_line *l)
{
	if (l->total == VMV_UNSET && l->avg10 == VMV_UNSET) {
		vmv_jw_null(w, name);
		return;
	}
	vmv_jw_open(w, name);
	vmv_jw_fixed(w, "avg10", l->avg10, 2);
	vmv_jw_fixed(w, "avg60", l->avg60, 2);
	vmv_jw_fixed(w, "avg300", l->avg300, 2);
	vmv_jw_u64(w, "total_us", l->total);
	vmv_jw_close(w);
}

static void write_pressure(struct vmv_jw *w, const char *name, const struct vmv_pressure *p)
{
	vmv_jw_open(w, name);
	write_line(w, "some", &p->some);
	write_line(w, "full", &p->full);
	vmv_jw_close(w);
}

static void pressure_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_pressure_sample *s = vmv_qga_row(req, view, &vmv_collector_pressure);
	struct vmv_jw w;

	if (!s)
		return;
	vmv_qga_begin(&w);
	vmv_jw_open(&w, NULL);
	write_pressure(&w, "cpu", &s->cpu);
	write_pressure(&w, "memory", &s->memory);
	write_pressure(&w, "io", &s->io);
	write_pressure(&w, "irq", &s->irq);
	vmv_jw_close(&w);
	vmv_qga_send(req, &w);
}

void vmv_qga_vitals_pressure(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_group(&vmv_collector_pressure), pressure_ready);
}

/* -- health ------------------------------------------------------------------------------------ */

/* What GetHealth says. Checks whose groups could not be read are unknown. */
static void health_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	struct vmv_jw w;

	if (!vmv_qga_root(req, view))
		return;
	vmv_qga_begin(&w);
	vmv_health_write(&w, req->services->health(req->agent, view));
	vmv_qga_send(req, &w);
}

void vmv_qga_vitals_health(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_checks_groups(), health_ready);
}
