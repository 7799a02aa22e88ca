#include "reports/advice.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"
#include "collectors/cpu.h"
#include "collectors/memory.h"
#include "collectors/process.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/pick.h"
#include "reports/processes.h"
#include "reports/rates.h"
#include "reports/usage.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MIB	    (1024.0 * 1024.0)
#define TOP	    10
#define CPU_IDLE    10.0 /* percent: a guest below is larger than its work */
#define CPU_TARGET  60.0 /* percent: what it may be used afterwards */
#define MEMORY_IDLE 0.3
#define MEMORY_MIN  (2048 * MIB) /* bytes: a smaller guest is not told to shrink */
#define MEMORY_ROOM 1.5

struct advice {
	bool is_known;
	struct vmv_usage_summary summary;
	size_t cpus, cpus_advised;     /* advised 0: they are right */
	double memory, memory_advised; /* bytes, likewise */
};

vmv_groups vmv_advice_groups(void)
{
	return vmv_group(&vmv_collector_cpu) | vmv_group(&vmv_collector_memory) |
	       vmv_group(&vmv_collector_process) | vmv_group(&vmv_collector_stat);
}

static void judge_cpus(struct advice *a)
{
	double wanted = ceil(a->summary.cpu_p95 * (double)a->cpus / CPU_TARGET);

	if (a->cpus > 1 && a->summary.cpu_p95 < CPU_IDLE)
		a->cpus_advised = wanted > 1 ? (size_t)wanted : 1;
}

static void judge_memory(struct advice *a)
{
	double peak = (double)a->summary.memory_peak;

	if (a->summary.memory_peak != VMV_UNSET && a->memory >= MEMORY_MIN &&
	    peak < MEMORY_IDLE * a->memory)
		a->memory_advised = ceil(MEMORY_ROOM * peak / MIB) * MIB;
}

static int judge(struct advice *a, const struct vmv_usage *usage, unsigned days,
		 const struct vmv_facts *f)
{
	const struct vmv_memory_sample *m = vmv_pick_row(f, "memory", NULL);
	int r = usage ? vmv_usage_summarise(usage, vmv_facts_mono_ns(f) / 1000000, days,
					    &a->summary)
		      : 0;

	if (r < 0)
		return r;
	a->is_known = a->summary.seconds >= VMV_USAGE_ENOUGH_S;
	a->cpus = vmv_pick_rows(f, "cpu").n;
	a->memory = m && m->total != VMV_UNSET ? (double)m->total : 0;
	if (a->is_known) {
		judge_cpus(a);
		judge_memory(a);
	}
	return 0;
}

static void write_one(struct vmv_jw *w, const char *resource, double current, double advised,
		      const char *unit, const char *reason)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "resource", resource);
	vmv_jw_int(w, "current_value", (int64_t)current);
	vmv_jw_int(w, "recommended_value", (int64_t)advised);
	vmv_jw_str(w, "unit", unit);
	vmv_jw_str(w, "reason", reason);
	vmv_jw_num(w, "potential_savings_percent", 100 * (1 - advised / current), 1);
	vmv_jw_close(w);
}

static void write_recommendations(struct vmv_jw *w, const struct advice *a)
{
	char reason[160];

	vmv_jw_array(w, "recommendations");
	if (a->cpus_advised > 0) {
		(void)snprintf(reason, sizeof(reason),
			       "for 95 %% of the time at most %.1f %% of the CPUs was used",
			       a->summary.cpu_p95);
		write_one(w, "cpu", (double)a->cpus, (double)a->cpus_advised, "cpus", reason);
	}
	if (a->memory_advised > 0) {
		(void)snprintf(reason, sizeof(reason), "at most %.0f MiB of memory was used",
			       ceil((double)a->summary.memory_peak / MIB));
		write_one(w, "memory", floor(a->memory / MIB), a->memory_advised / MIB, "MiB",
			  reason);
	}
	vmv_jw_end(w);
}

static void write_process(struct vmv_jw *w, const struct vmv_facts *f,
			  const struct vmv_process_sample *p, double percent)
{
	struct vmv_process_detail d;
	bool is_there = vmv_process_detail(vmv_facts_root(f), p->pid, p->starttime, &d) == 0;

	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", p->comm);
	vmv_jw_str(w, "executablePath", is_there && d.has_exe ? d.exe : NULL);
	vmv_jw_num(w, "cpuPercent", percent, 1);
	vmv_jw_u64(w, "memoryKB", p->rss == VMV_UNSET ? VMV_UNSET : p->rss / 1024);
	vmv_jw_u64(w, "pid", p->pid);
	vmv_jw_close(w);
}

static void write_processes(struct vmv_jw *w, const struct vmv_facts *f,
			    const struct vmv_rates *rates)
{
	struct vmv_pick p = vmv_pick_rows(f, "process");
	const struct vmv_process_sample *rows =
		(const struct vmv_process_sample *)(const void *)p.rows;
	const double *cpu = rates->n_processes == p.n ? rates->processes : NULL;
	size_t n = p.n < TOP ? p.n : TOP;
	uint32_t picked[TOP];

	vmv_jw_array(w, "processes");
	vmv_processes_choose(rows, cpu, p.n, VMV_BY_CPU, picked, n);
	for (size_t i = 0; i < n; i++)
		write_process(w, f, &rows[picked[i]], cpu ? cpu[picked[i]] : (double)NAN);
	vmv_jw_end(w);
}

int vmv_advice_write(struct vmv_jw *w, const struct vmv_usage *usage, unsigned days,
		     const struct vmv_facts *f, const struct vmv_rates *rates,
		     const char **ret_text)
{
	struct advice a = { .summary = { .cpu_p95 = (double)NAN, .memory_peak = VMV_UNSET } };
	int r = judge(&a, usage, days, f);
	bool is_too_large = a.cpus_advised > 0 || a.memory_advised > 0;

	if (r < 0)
		return r;
	*ret_text = !a.is_known ? "unknown" : is_too_large ? "suboptimal" : "optimal";
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "status", *ret_text);
	write_recommendations(w, &a);
	write_processes(w, f, rates);
	vmv_jw_bool(w, "cpu_optimization_available", a.cpus_advised > 0);
	vmv_jw_bool(w, "memory_optimization_available", a.memory_advised > 0);
	vmv_jw_bool(w, "disk_optimization_available", false);
	vmv_jw_u64(w, "evaluated_seconds", a.summary.seconds);
	vmv_jw_close(w);
	return 0;
}
