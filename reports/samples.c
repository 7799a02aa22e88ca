#include "reports/samples.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "collectors/process.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/processes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes around the rows of a group, at most: names, numbers, and an error text in which every
 * character is escaped. */
#define FRAME_MAX 1280

/* -- cells ------------------------------------------------------------------------------------- */

/* 2 for 0.01; 0 when the scale is no such fraction. */
static unsigned decimals_of(double scale)
{
	static const double powers[] = { 1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9 };

	for (unsigned i = 1; i < VMV_COUNTOF(powers); i++)
		if (scale >= powers[i] && scale <= powers[i])
			return i;
	return 0;
}

/* Counters are integers in the kernel's unit: as long as the scale allows, what is written is
 * exact. */
static void u64_cell(struct vmv_jw *w, double scale, uint64_t v)
{
	unsigned decimals = decimals_of(scale);

	if (decimals > 0)
		vmv_jw_fixed(w, NULL, v, decimals);
	else if (scale >= 1 && scale <= 1e9 && (double)(uint64_t)scale >= scale)
		vmv_jw_cell_u64(w, NULL, vmv_mul_sat(v, (uint64_t)scale));
	else
		vmv_jw_double(w, NULL, v == VMV_UNSET ? (double)NAN : (double)v * scale);
}

void vmv_sample_cell(struct vmv_jw *w, const struct vmv_field *field, const void *sample)
{
	const char *at = (const char *)sample + field->offset;
	double scale = field->scale > 0 ? field->scale : 1, d;
	uint64_t u;

	switch (field->ctype) {
	case VMV_U64:
		memcpy(&u, at, sizeof(u));
		u64_cell(w, scale, u);
		return;
	case VMV_F64:
		memcpy(&d, at, sizeof(d));
		vmv_jw_double(w, NULL, d * scale);
		return;
	case VMV_TEXT:
		vmv_jw_str_or_null(w, NULL, at);
		return;
	}
}

/* -- rows -------------------------------------------------------------------------------------- */

/* What is written of one group. */
struct group {
	const struct vmv_facts *facts;
	const struct vmv_collector_status *status;
	const struct vmv_collector *collector;
	const char *rows; /* borrowed from the facts */
	size_t total;
	uint64_t age_ms;  /* 0: as old as the message */
	uint32_t *picked; /* owned: places of the rows that are shown, ascending; NULL: the
			     first ones */
	size_t n_shown;
};

static int by_place(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double *cpu_times(const struct vmv_process_sample *rows, size_t n)
{
	double *ret = reallocarray(NULL, n, sizeof(*ret));

	for (size_t i = 0; ret && i < n; i++) {
		uint64_t ticks = vmv_add_sat(rows[i].utime, rows[i].stime);

		ret[i] = ticks == VMV_UNSET ? (double)NAN : (double)ticks;
	}
	return ret;
}

/* Half of the places go to those with most CPU time, the others to those with most memory among the
 * rest. Without memory for it the lowest pids are shown, which is not wrong either. */
static void pick_processes(struct group *g)
{
	const struct vmv_process_sample *rows = (const struct vmv_process_sample *)g->rows;
	size_t half = VMV_SAMPLE_ROWS / 2, n = half;
	uint32_t by_memory[VMV_SAMPLE_ROWS];
	vmv_autofree double *cpu = cpu_times(rows, g->total);
	vmv_autofree bool *taken = calloc(g->total, sizeof(*taken));
	uint32_t *picked = calloc(VMV_SAMPLE_ROWS, sizeof(*picked));

	if (!cpu || !taken || !picked) {
		free(picked);
		return;
	}
	vmv_processes_choose(rows, cpu, g->total, VMV_BY_CPU, picked, half);
	for (size_t i = 0; i < half; i++)
		taken[picked[i]] = true;
	vmv_processes_choose(rows, cpu, g->total, VMV_BY_MEMORY, by_memory, VMV_SAMPLE_ROWS);
	for (size_t i = 0; i < VMV_SAMPLE_ROWS && n < VMV_SAMPLE_ROWS; i++)
		if (!taken[by_memory[i]])
			picked[n++] = by_memory[i];
	qsort(picked, n, sizeof(*picked), by_place);
	g->picked = picked;
}

static void write_row(struct vmv_jw *w, const struct group *g, size_t place)
{
	const struct vmv_collector *c = g->collector;

	vmv_jw_array(w, NULL);
	vmv_jw_str(w, NULL, c->key ? vmv_facts_id(g->facts, c, place) : NULL);
	for (size_t i = 0; i < c->n_fields; i++)
		vmv_sample_cell(w, &c->fields[i], g->rows + place * c->sample_size);
	vmv_jw_end(w);
}

/* As many of the rows as may stand there within max bytes. Returns how many. */
static size_t write_rows(struct vmv_jw *w, const struct group *g, size_t max)
{
	size_t start = w->buf.len, i;

	vmv_jw_array(w, "rows");
	for (i = 0; i < g->n_shown; i++) {
		struct vmv_jw_mark mark = vmv_jw_mark(w);

		write_row(w, g, g->picked ? g->picked[i] : i);
		if (w->error == -EFBIG || w->buf.len - start > max) {
			vmv_jw_rewind(w, mark);
			break;
		}
	}
	vmv_jw_end(w);
	return i;
}

/* -- groups ------------------------------------------------------------------------------------ */

static const char *error_of(const struct vmv_collector_status *s)
{
	/* a group that nobody provides has never been tried */
	if (s->is_absent || s->tried_ms == 0)
		return "not on this guest";
	return *s->error ? s->error : "the reading failed";
}

static size_t write_group(struct vmv_jw *w, const struct group *g, size_t max)
{
	const struct vmv_collector_status *s = g->status;
	uint64_t left_out = s->left_out + (g->total - g->n_shown);
	size_t n;

	vmv_jw_open(w, g->collector->name);
	vmv_jw_bool(w, "ok", s->is_ok);
	vmv_jw_u64(w, "us", s->duration_us);
	if (g->age_ms > 0)
		vmv_jw_u64(w, "age_ms", g->age_ms);
	if (!s->is_ok)
		vmv_jw_str(w, "error", error_of(s));
	if (left_out > 0)
		vmv_jw_u64(w, "truncated", left_out);
	n = write_rows(w, g, max);
	vmv_jw_close(w);
	return n;
}

static uint64_t age_of(const struct vmv_collector_status *s, const struct vmv_facts *f)
{
	uint64_t now_ms = vmv_facts_mono_ns(f) / 1000000;

	if (!s->is_ok || s->has_run || s->read_ms >= now_ms)
		return 0;
	return now_ms - s->read_ms;
}

static void write_whole(struct vmv_jw *w, const struct vmv_facts *f,
			const struct vmv_collector_status *s, size_t max)
{
	struct group g = { .facts = f, .status = s, .collector = s->collector };
	struct vmv_jw_mark mark = vmv_jw_mark(w);
	size_t n;

	g.rows = vmv_facts_rows(f, s->collector, &g.total);
	g.age_ms = age_of(s, f);
	g.n_shown = g.total < VMV_SAMPLE_ROWS ? g.total : VMV_SAMPLE_ROWS;
	if (g.total > VMV_SAMPLE_ROWS && s->collector == &vmv_collector_process)
		pick_processes(&g);
	n = write_group(w, &g, max);
	if (n < g.n_shown) { /* once more, now that it is known how many are left out */
		vmv_jw_rewind(w, mark);
		g.n_shown = n;
		(void)write_group(w, &g, max);
	}
	free(g.picked);
}

static bool is_wanted(const struct vmv_collector_status *s, size_t i, vmv_groups groups,
		      bool must_be_new)
{
	return (groups >> i & 1) && (s->has_run || !must_be_new);
}

void vmv_samples_write(struct vmv_jw *w, const struct vmv_facts *f, vmv_groups groups,
		       bool must_be_new)
{
	size_t n, left = 0;
	const struct vmv_collector_status *s = vmv_facts_status(f, &n);

	for (size_t i = 0; i < n; i++)
		left += is_wanted(&s[i], i, groups, must_be_new);
	vmv_jw_open(w, "groups");
	for (size_t i = 0; i < n; i++) {
		size_t room = vmv_jw_remaining(w);

		if (!is_wanted(&s[i], i, groups, must_be_new))
			continue;
		/* of the share, a part is for what stands around the rows */
		room = room > VMV_JW_TAIL ? (room - VMV_JW_TAIL) / left : 0;
		write_whole(w, f, &s[i], room > FRAME_MAX ? room - FRAME_MAX : 0);
		left--;
	}
	vmv_jw_close(w);
}

void vmv_samples_data(struct vmv_jw *w, const struct vmv_facts *f, vmv_groups groups,
		      const char *schema)
{
	char stamp[VMV_STAMP_SIZE];

	vmv_stamp(vmv_facts_real_ms(f), stamp);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "schema", schema);
	vmv_jw_str(w, "timestamp", stamp);
	vmv_jw_u64(w, "mono_ns", vmv_facts_mono_ns(f));
	vmv_samples_write(w, f, groups, false);
	vmv_jw_close(w);
}
