#include "reports/processes.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "collectors/cpu.h"
#include "collectors/process.h"
#include "proto/json_write.h"
#include "reports/accounts.h"
#include "reports/facts.h"
#include "reports/rates.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *state_name(const char *letter)
{
	static const struct {
		char letter;
		const char *name;
	} names[] = {
		{ 'R', "Running" }, { 'S', "Sleeping" },     { 'D', "Disk Sleep" },
		{ 'T', "Stopped" }, { 't', "Tracing Stop" }, { 'Z', "Zombie" },
		{ 'X', "Dead" },    { 'I', "Idle" },
	};

	for (size_t i = 0; i < VMV_COUNTOF(names); i++)
		if (names[i].letter == letter[0])
			return names[i].name;
	return "Unknown";
}

/* -- choosing ------------------------------------------------------------------------------ */

struct table {
	const struct vmv_process_sample *rows;
	const double *percent;
	enum vmv_process_order order;
};

static double percent_of(const struct table *t, uint32_t i)
{
	double v = t->percent ? t->percent[i] : (double)NAN;

	return isnan(v) ? -1.0 : v;
}

static uint64_t rss_of(const struct table *t, uint32_t i)
{
	return t->rows[i].rss == VMV_UNSET ? 0 : t->rows[i].rss;
}

static int compare_rss(const struct table *t, uint32_t a, uint32_t b)
{
	return (rss_of(t, a) > rss_of(t, b)) - (rss_of(t, a) < rss_of(t, b));
}

static int compare_cpu(const struct table *t, uint32_t a, uint32_t b)
{
	return (percent_of(t, a) > percent_of(t, b)) - (percent_of(t, a) < percent_of(t, b));
}

/* True when a comes before b; rows are in order of pid. */
static bool precedes(const struct table *t, uint32_t a, uint32_t b)
{
	int first = 0, second = 0;

	if (t->order == VMV_BY_CPU) {
		first = compare_cpu(t, a, b);
		second = compare_rss(t, a, b);
	} else if (t->order == VMV_BY_MEMORY) {
		first = compare_rss(t, a, b);
		second = compare_cpu(t, a, b);
	}
	if (first)
		return first > 0;
	return second ? second > 0 : a < b;
}

/* A heap of the best n so far with the worst on top: n is small, the table may be large. */
static void sift_down(const struct table *t, uint32_t *heap, size_t n, size_t at)
{
	for (;;) {
		size_t worst = at, left = 2 * at + 1, right = left + 1;
		uint32_t v;

		if (left < n && precedes(t, heap[worst], heap[left]))
			worst = left;
		if (right < n && precedes(t, heap[worst], heap[right]))
			worst = right;
		if (worst == at)
			return;
		v = heap[at];
		heap[at] = heap[worst];
		heap[worst] = v;
		at = worst;
	}
}

/* The best n of total rows, in order, into picked. */
static void choose(const struct table *t, size_t total, uint32_t *picked, size_t n)
{
	for (size_t i = 0; i < n; i++)
		picked[i] = (uint32_t)i;
	for (size_t i = n / 2; i-- > 0;)
		sift_down(t, picked, n, i);
	for (size_t i = n; n > 0 && i < total; i++) {
		if (precedes(t, (uint32_t)i, picked[0])) {
			picked[0] = (uint32_t)i;
			sift_down(t, picked, n, 0);
		}
	}
	for (size_t end = n; end > 1; end--) {
		uint32_t v = picked[0];

		picked[0] = picked[end - 1];
		picked[end - 1] = v;
		sift_down(t, picked, end - 1, 0);
	}
}

void vmv_processes_choose(const struct vmv_process_sample *rows, const double *cpu, size_t total,
			  enum vmv_process_order order, uint32_t *picked, size_t n)
{
	const struct table t = { rows, cpu, order };

	choose(&t, total, picked, n);
}

/* -- writing -------------------------------------------------------------------------------- */

struct writer {
	struct vmv_jw *w;
	const struct vmv_facts *facts;
	struct vmv_accounts *accounts; /* NULL: users are not shown */
	bool has_cmdline;
	int64_t boot_ms; /* since 1970; INT64_MIN: unknown */
};

static void write_start(struct writer *wr, const struct vmv_process_sample *p)
{
	char stamp[VMV_STAMP_SIZE];

	if (wr->boot_ms == INT64_MIN || p->starttime == VMV_UNSET) {
		vmv_jw_null(wr->w, "start_time");
		return;
	}
	vmv_stamp(wr->boot_ms + (int64_t)(p->starttime * 10), stamp);
	vmv_jw_str(wr->w, "start_time", stamp);
}

static void write_cmdline(struct writer *wr, const char *name, const struct vmv_process_detail *d)
{
	if (wr->has_cmdline && d && d->has_cmdline)
		vmv_jw_bytes(wr->w, name, d->cmdline,
			     vmv_utf8_cut(d->cmdline, d->cmdline_len, VMV_CMDLINE_MAX));
	else
		vmv_jw_null(wr->w, name);
}

static const char *exe_of(const struct vmv_process_detail *d)
{
	return d && d->has_exe ? d->exe : NULL;
}

static double shown_percent(double v)
{
	return isnan(v) ? 0.0 : v; /* the member is marked M: a number in any case */
}

static void write_top(struct writer *wr, const struct vmv_process_sample *p, double percent,
		      const struct vmv_process_detail *d)
{
	struct vmv_jw *w = wr->w;

	vmv_jw_open(w, NULL);
	vmv_jw_u64(w, "pid", p->pid);
	vmv_jw_u64(w, "ppid", p->ppid);
	vmv_jw_str(w, "name", p->comm);
	vmv_jw_str(w, "exe_path", exe_of(d));
	write_cmdline(wr, "cmd_line", d);
	vmv_jw_num(w, "cpu_percent", shown_percent(percent), 1);
	vmv_jw_u64(w, "memory_kb", p->rss == VMV_UNSET ? 0 : p->rss / 1024);
	vmv_jw_u64(w, "disk_read_bytes", d && d->has_io ? d->read_bytes : VMV_UNSET);
	vmv_jw_u64(w, "disk_write_bytes", d && d->has_io ? d->write_bytes : VMV_UNSET);
	vmv_jw_str(w, "status", state_name(p->state));
	write_start(wr, p);
	vmv_jw_close(w);
}

static void write_user(struct writer *wr, const struct vmv_process_detail *d)
{
	const char *name;
	char number[16];

	if (!d || !d->has_uid) {
		vmv_jw_null(wr->w, "user");
		return;
	}
	name = vmv_accounts_name(wr->accounts, d->uid);
	if (!name) {
		(void)snprintf(number, sizeof(number), "%u", d->uid);
		name = number;
	}
	vmv_jw_str(wr->w, "user", name);
}

static void write_listed(struct writer *wr, const struct vmv_process_sample *p, double percent,
			 const struct vmv_process_detail *d)
{
	struct vmv_jw *w = wr->w;

	vmv_jw_open(w, NULL);
	vmv_jw_u64(w, "pid", p->pid);
	vmv_jw_u64(w, "ppid", p->ppid);
	vmv_jw_str(w, "name", p->comm);
	vmv_jw_num(w, "cpu_usage", shown_percent(percent), 1);
	vmv_jw_num(w, "cpu_percent", shown_percent(percent), 1);
	vmv_jw_u64(w, "memory_kb", p->rss == VMV_UNSET ? 0 : p->rss / 1024);
	vmv_jw_str(w, "status", state_name(p->state));
	write_user(wr, d);
	write_cmdline(wr, "command_line", d);
	vmv_jw_str(w, "exe_path", exe_of(d));
	write_start(wr, p);
	vmv_jw_u64(w, "threads", p->threads);
	vmv_jw_close(w);
}

typedef void write_row(struct writer *wr, const struct vmv_process_sample *p, double percent,
		       const struct vmv_process_detail *d);

static int write_chosen(struct writer *wr, const char *name, const struct vmv_rates *rates,
			enum vmv_process_order order, size_t n, write_row *row, size_t *shown,
			bool *is_cut)
{
	size_t total;
	struct table t = {
		.rows = vmv_facts_rows(wr->facts, &vmv_collector_process, &total),
		.percent = rates->n_processes == total ? rates->processes : NULL,
		.order = order,
	};
	struct vmv_process_detail d;
	uint32_t *picked;
	size_t i;

	n = n > total ? total : n;
	*is_cut = false;
	picked = reallocarray(NULL, n ? n : 1, sizeof(*picked));
	if (!picked)
		return -ENOMEM;
	choose(&t, total, picked, n);
	vmv_jw_array(wr->w, name);
	for (i = 0; i < n; i++) {
		const struct vmv_process_sample *p = &t.rows[picked[i]];
		bool is_there = vmv_process_detail(vmv_facts_root(wr->facts), p->pid, p->starttime,
						   &d) == 0;
		struct vmv_jw_mark mark = vmv_jw_mark(wr->w);

		row(wr, p, t.percent ? t.percent[picked[i]] : (double)NAN, is_there ? &d : NULL);
		if (vmv_jw_remaining(wr->w) < VMV_JW_TAIL) {
			vmv_jw_rewind(wr->w, mark);
			*is_cut = true;
			break;
		}
	}
	vmv_jw_end(wr->w);
	*shown = i;
	free(picked);
	return 0;
}

static struct writer writer_for(struct vmv_jw *w, const struct vmv_facts *f, bool has_cmdline)
{
	const struct vmv_stat_sample *stat = vmv_facts_row(f, &vmv_collector_stat);

	return (struct writer){
		.w = w,
		.facts = f,
		.has_cmdline = has_cmdline,
		.boot_ms = stat && stat->btime < INT32_MAX * 4ull ? (int64_t)stat->btime * 1000
								  : INT64_MIN,
	};
}

int vmv_processes_write_top(struct vmv_jw *w, const char *name, const struct vmv_facts *f,
			    const struct vmv_rates *rates, size_t n, bool has_cmdline)
{
	struct writer wr = writer_for(w, f, has_cmdline);
	size_t shown;
	bool is_cut;

	return write_chosen(&wr, name, rates, VMV_BY_CPU, n, write_top, &shown, &is_cut);
}

int vmv_processes_write_list(struct vmv_jw *w, const char *name, const struct vmv_facts *f,
			     const struct vmv_rates *rates, enum vmv_process_order order, size_t n,
			     bool has_cmdline, size_t *shown, bool *is_cut)
{
	struct writer wr = writer_for(w, f, has_cmdline);
	int r;

	wr.accounts = vmv_accounts_read(vmv_facts_root(f));
	r = write_chosen(&wr, name, rates, order, n, write_listed, shown, is_cut);
	vmv_accounts_free(wr.accounts);
	return r;
}
