#include "reports/rates.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "collectors/cpu.h"
#include "collectors/disk.h"
#include "collectors/load.h"
#include "collectors/process.h"
#include "reports/facts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICKS_PER_S 100.0 /* USER_HZ */
#define SECTOR	    512.0

#define CLOCKS_APART_S 1.0 /* so far two readings of the uptime may be apart */

struct core_mark {
	uint32_t number;
	struct vmv_cpu_sample ticks;
};

struct disk_mark {
	char name[32];
	struct vmv_disk_sample counters;
};

struct process_mark {
	uint32_t pid;
	uint64_t starttime, ticks;
};

struct vmv_baseline {
	uint64_t mono_ns;
	uint64_t disks_ms, processes_ms; /* when these groups were read, within the reading */
	bool has_all;
	struct vmv_cpu_sample all;
	size_t n_cores, n_disks, n_processes;
	struct core_mark *cores; /* by ascending number */
	struct disk_mark *disks;
	struct process_mark *processes; /* by ascending pid */
};

static uint32_t number_of(const char *id)
{
	uint64_t v;

	return id && vmv_parse_u64(id, &v, NULL) == 0 ? (uint32_t)v : UINT32_MAX;
}

static bool mark_cores(struct vmv_baseline *b, const struct vmv_facts *f)
{
	const struct vmv_cpu_sample *c = vmv_facts_rows(f, &vmv_collector_cpu, &b->n_cores);

	if (b->n_cores == 0)
		return true;
	b->cores = reallocarray(NULL, b->n_cores, sizeof(*b->cores));
	if (!b->cores)
		return false;
	for (size_t i = 0; i < b->n_cores; i++)
		b->cores[i] = (struct core_mark){
			number_of(vmv_facts_id(f, &vmv_collector_cpu, i)),
			c[i],
		};
	return true;
}

static bool mark_disks(struct vmv_baseline *b, const struct vmv_facts *f)
{
	size_t n;
	const struct vmv_disk_sample *d = vmv_facts_rows(f, &vmv_collector_disk, &n);

	if (n == 0)
		return true;
	b->disks = reallocarray(NULL, n, sizeof(*b->disks));
	if (!b->disks)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct disk_mark *m = &b->disks[b->n_disks];

		if (d[i].is_whole != 1)
			continue;
		m->counters = d[i];
		if (snprintf(m->name, sizeof(m->name), "%s",
			     vmv_facts_id(f, &vmv_collector_disk, i)) < (int)sizeof(m->name))
			b->n_disks++;
	}
	return true;
}

vmv_groups vmv_baseline_groups(void)
{
	return vmv_group(&vmv_collector_cpu) | vmv_group(&vmv_collector_disk) |
	       vmv_group(&vmv_collector_load) | vmv_group(&vmv_collector_process) |
	       vmv_group(&vmv_collector_stat);
}

static uint64_t ticks_of(const struct vmv_process_sample *p)
{
	return vmv_add_sat(p->utime, p->stime);
}

static bool mark_processes(struct vmv_baseline *b, const struct vmv_facts *f)
{
	const struct vmv_process_sample *p =
		vmv_facts_rows(f, &vmv_collector_process, &b->n_processes);

	if (b->n_processes == 0)
		return true;
	b->processes = reallocarray(NULL, b->n_processes, sizeof(*b->processes));
	if (!b->processes)
		return false;
	for (size_t i = 0; i < b->n_processes; i++)
		b->processes[i] = (struct process_mark){ (uint32_t)p[i].pid, p[i].starttime,
							 ticks_of(&p[i]) };
	return true;
}

static uint64_t read_ms(const struct vmv_facts *f, const struct vmv_collector *c)
{
	const struct vmv_collector_status *s = vmv_facts_status_of(f, c);

	return s ? s->read_ms : 0;
}

/* Between two readings of one group. What else was read with it takes its time, not always the
 * same: of short intervals that is a large share. */
static double seconds_since(uint64_t before_ms, const struct vmv_facts *f,
			    const struct vmv_collector *c)
{
	uint64_t now_ms = read_ms(f, c);

	return now_ms > before_ms ? (double)(now_ms - before_ms) / 1e3 : 0.0;
}

struct vmv_baseline *vmv_baseline_new(const struct vmv_facts *f)
{
	const struct vmv_stat_sample *stat = vmv_facts_row(f, &vmv_collector_stat);
	struct vmv_baseline *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->mono_ns = vmv_facts_mono_ns(f);
	b->disks_ms = read_ms(f, &vmv_collector_disk);
	b->processes_ms = read_ms(f, &vmv_collector_process);
	b->has_all = stat != NULL;
	if (stat)
		b->all = stat->all;
	if (!mark_cores(b, f) || !mark_disks(b, f) || !mark_processes(b, f)) {
		vmv_baseline_free(b);
		return NULL;
	}
	return b;
}

void vmv_baseline_free(struct vmv_baseline *b)
{
	if (!b)
		return;
	free(b->cores);
	free(b->disks);
	free(b->processes);
	free(b);
}

uint64_t vmv_baseline_mono_ns(const struct vmv_baseline *b)
{
	return b->mono_ns;
}

/* -- processors ------------------------------------------------------------------------ */

/* A counter that is lower than before was begun anew; what it counted meanwhile is not known, and
 * that is counted. */
static double since(struct vmv_rates *r, uint64_t before, uint64_t now)
{
	uint64_t d;

	if (vmv_counter_delta(before, now, &d))
		return (double)d;
	r->resets += before != VMV_UNSET && now != VMV_UNSET;
	return 0.0;
}

/* The same of one that wraps at 2^32. */
static double since32(struct vmv_rates *r, uint64_t before, uint64_t now, double most)
{
	uint64_t d;

	return vmv_counter_delta32(before, now, (uint64_t)most, &d) ? (double)d
								    : since(r, before, now);
}

/* All but idle and iowait is use, steal included; guest time is in user already. ticks: what the
 * CPUs have together in the interval; 0 when before is the boot. */
static double busy_percent(struct vmv_rates *r, const struct vmv_cpu_sample *before,
			   const struct vmv_cpu_sample *now, double ticks)
{
	uint64_t resets = r->resets;
	double idle = since(r, before->idle, now->idle) + since(r, before->iowait, now->iowait);
	bool is_anew = r->resets > resets;
	double busy = since(r, before->user, now->user) + since(r, before->nice, now->nice) +
		      since(r, before->system, now->system) + since(r, before->irq, now->irq) +
		      since(r, before->softirq, now->softirq) + since(r, before->steal, now->steal);

	/* it was offline meanwhile: only its idle time began anew, the rest goes on */
	if (is_anew)
		idle = busy < ticks ? ticks - busy : 0;
	return idle + busy > 0 ? 100.0 * busy / (idle + busy) : 0.0;
}

/* All that it ever counted, for how long it has been there. */
static double ticks_of_cpu(const struct vmv_cpu_sample *c)
{
	const uint64_t columns[] = { c->user, c->nice,	  c->system, c->idle,
				     c->irq,  c->softirq, c->iowait, c->steal };
	double sum = 0;

	for (size_t i = 0; i < VMV_COUNTOF(columns); i++)
		sum += columns[i] == VMV_UNSET ? 0.0 : (double)columns[i];
	return sum;
}

/* CPUs come and go: only one that was there before has a difference. Both are in order of number:
 * one walk through both. */
static const struct vmv_cpu_sample *core_before(const struct vmv_baseline *b, size_t *at,
						uint32_t number)
{
	while (*at < b->n_cores && b->cores[*at].number < number)
		++*at;
	return *at < b->n_cores && b->cores[*at].number == number ? &b->cores[*at].ticks : NULL;
}

static const struct vmv_cpu_sample boot = { 0 };

static double core_percent(struct vmv_rates *r, const struct vmv_baseline *b, size_t *at,
			   uint32_t number, const struct vmv_cpu_sample *now)
{
	double ticks = r->seconds * TICKS_PER_S;
	const struct vmv_cpu_sample *was;

	if (!b || !b->has_all)
		return busy_percent(r, &boot, now, 0);
	was = core_before(b, at, number);
	if (was)
		return busy_percent(r, was, now, ticks);
	/* it was offline, not plugged in since: what it did in the interval is not known */
	if (ticks_of_cpu(now) > 1.5 * ticks) {
		r->resets++;
		return 0.0;
	}
	return busy_percent(r, &boot, now, 0);
}

static int compute_cpu(struct vmv_rates *r, const struct vmv_baseline *b, const struct vmv_facts *f)
{
	const struct vmv_stat_sample *stat = vmv_facts_row(f, &vmv_collector_stat);
	const struct vmv_cpu_sample *rows = vmv_facts_rows(f, &vmv_collector_cpu, &r->n_cores);
	size_t at = 0;

	r->cpu = stat ? busy_percent(r, b && b->has_all ? &b->all : &boot, &stat->all,
				     r->seconds * TICKS_PER_S * (double)r->n_cores)
		      : (double)NAN;
	if (r->n_cores == 0)
		return 0;
	r->cores = calloc(r->n_cores, sizeof(*r->cores));
	if (!r->cores)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_cores; i++)
		r->cores[i] = core_percent(
			r, b, &at, number_of(vmv_facts_id(f, &vmv_collector_cpu, i)), &rows[i]);
	return 0;
}

/* -- disks ------------------------------------------------------------------------------ */

/* The kernel keeps its order: nearly always it is the one at *at, which moves on behind it. */
static const struct vmv_disk_sample *disk_before(const struct vmv_baseline *b, size_t *at,
						 const char *name)
{
	for (size_t n = 0; n < b->n_disks; n++) {
		size_t i = (*at + n) % b->n_disks;

		if (strcmp(b->disks[i].name, name) == 0) {
			*at = i + 1;
			return &b->disks[i].counters;
		}
	}
	return NULL;
}

static void compute_io(struct vmv_rates *r, const struct vmv_baseline *b, const struct vmv_facts *f)
{
	size_t n, at = 0;
	const struct vmv_disk_sample *d = vmv_facts_rows(f, &vmv_collector_disk, &n);
	double seconds;

	r->io_utilization = (double)NAN;
	seconds = b ? seconds_since(b->disks_ms, f, &vmv_collector_disk) : 0.0;
	r->has_io = seconds > 0;
	for (size_t i = 0; r->has_io && i < n; i++) {
		const struct vmv_disk_sample *was;
		double busy;

		was = d[i].is_whole == 1
			      ? disk_before(b, &at, vmv_facts_id(f, &vmv_collector_disk, i))
			      : NULL;
		if (!was)
			continue;
		r->read_bytes += since(r, was->read_sectors, d[i].read_sectors) * SECTOR / seconds;
		r->write_bytes +=
			since(r, was->write_sectors, d[i].write_sectors) * SECTOR / seconds;
		r->read_ops += since(r, was->reads, d[i].reads) / seconds;
		r->write_ops += since(r, was->writes, d[i].writes) / seconds;
		busy = since32(r, was->io_ms, d[i].io_ms, 1500.0 * seconds) / 10.0 / seconds;
		if (busy > 100.0)
			busy = 100.0;
		if (!(r->io_utilization >= busy))
			r->io_utilization = busy;
	}
}

/* -- processes --------------------------------------------------------------------------- */

static const struct process_mark *process_before(const struct vmv_baseline *b, size_t *at,
						 const struct vmv_process_sample *p)
{
	if (!b)
		return NULL;
	/* both are in order of pid: one walk through both */
	while (*at < b->n_processes && b->processes[*at].pid < p->pid)
		++*at;
	if (*at < b->n_processes && b->processes[*at].pid == p->pid &&
	    b->processes[*at].starttime == p->starttime)
		return &b->processes[*at];
	return NULL;
}

/* Seconds since boot when the processes had been read; NaN: unknown. The uptime in the reading was
 * read before, and some of them may be younger. */
static double uptime_of(const struct vmv_facts *f)
{
	const struct vmv_load_sample *load = vmv_facts_row(f, &vmv_collector_load);

	if (!load)
		return (double)NAN;
	return (double)load->uptime / 100.0 + (double)read_ms(f, &vmv_collector_process) / 1e3 -
	       (double)read_ms(f, &vmv_collector_load) / 1e3;
}

static double share(struct vmv_rates *r, const struct vmv_process_sample *p,
		    const struct process_mark *was, double seconds, double uptime)
{
	double ticks;

	if (!was)
		seconds = uptime - (double)p->starttime / TICKS_PER_S; /* its age */
	/* it starts in the future: the uptime is a container's (lxcfs), all else the machine's */
	if (ticks_of(p) == VMV_UNSET || isnan(seconds) || seconds < -CLOCKS_APART_S)
		return (double)NAN;
	ticks = was ? since(r, was->ticks, ticks_of(p)) : (double)ticks_of(p);
	if (!(seconds > 0.01)) /* one tick: less cannot be measured */
		seconds = 0.01;
	return 100.0 * ticks / TICKS_PER_S / seconds;
}

static int compute_processes(struct vmv_rates *r, const struct vmv_baseline *b,
			     const struct vmv_facts *f)
{
	const struct vmv_process_sample *p =
		vmv_facts_rows(f, &vmv_collector_process, &r->n_processes);
	double seconds = b ? seconds_since(b->processes_ms, f, &vmv_collector_process) : 0.0;
	double uptime = uptime_of(f);
	double most = 100.0 * (double)(r->n_cores ? r->n_cores : 1);
	size_t at = 0;

	if (r->n_processes == 0)
		return 0;
	r->processes = calloc(r->n_processes, sizeof(*r->processes));
	if (!r->processes)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_processes; i++) {
		double v = share(r, &p[i], process_before(b, &at, &p[i]), seconds, uptime);

		r->processes[i] = v > most ? most : v; /* ticks are coarser than short intervals */
	}
	return 0;
}

int vmv_rates_compute(struct vmv_rates *ret, const struct vmv_baseline *before,
		      const struct vmv_facts *now)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	if (before)
		ret->seconds = (double)(vmv_facts_mono_ns(now) - before->mono_ns) / 1e9;
	r = compute_cpu(ret, before, now);
	if (r < 0)
		return r;
	compute_io(ret, before, now);
	return compute_processes(ret, before, now);
}

void vmv_rates_clear(struct vmv_rates *r)
{
	free(r->cores);
	free(r->processes);
	memset(r, 0, sizeof(*r));
}
