#include "reports/facts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 300000
#define SLOW_MS	     5000
#define IDS_MAX	     (256 * VMV_MIB)

struct rows {
	unsigned char *data; /* owned */
	size_t *id_at;	     /* owned: where the id of each row begins in ids */
	struct vmv_buf ids;  /* NUL-terminated, one behind the other */
	size_t n, cap;
};

struct group {
	struct vmv_collector_status status;
	void *state; /* the collector's */
	struct rows rows;
};

struct vmv_facts {
	const struct vmv_root *root;
	const struct vmv_clock *clock;
	size_t n;
	struct group *groups;
	struct vmv_collector_status *statuses; /* what vmv_facts_status hands out */

	size_t at; /* the collector being read */
	struct {
		struct vmv_sink sink; /* first member: keep_row casts back */
		const struct vmv_collector *collector;
		struct rows rows;
		uint64_t spent_ns;
	} reading;
	uint64_t mono_ns;
};

/* -- rows ---------------------------------------------------------------------------- */

static bool rows_grow(struct rows *r, size_t size)
{
	size_t cap = r->cap ? r->cap * 2 : 4;
	unsigned char *data = reallocarray(r->data, cap, size);
	size_t *id_at;

	if (!data)
		return false;
	r->data = data;
	id_at = reallocarray(r->id_at, cap, sizeof(*id_at));
	if (!id_at)
		return false;
	r->id_at = id_at;
	r->cap = cap;
	return true;
}

static int keep_row(struct vmv_sink *sink, const char *id, const void *sample)
{
	struct vmv_facts *f =
		(struct vmv_facts *)((char *)sink - offsetof(struct vmv_facts, reading));
	struct rows *r = &f->reading.rows;
	size_t size = f->reading.collector->sample_size;

	if (r->n >= VMV_PROCESSES_MAX)
		return -EFBIG;
	if (r->n == r->cap && !rows_grow(r, size))
		return -ENOMEM;
	r->ids.max = IDS_MAX;
	r->id_at[r->n] = r->ids.len;
	if (vmv_buf_add(&r->ids, id, strlen(id) + 1) < 0)
		return -ENOMEM;
	memcpy(r->data + r->n * size, sample, size);
	r->n++;
	return 0;
}

static void rows_free(struct rows *r)
{
	free(r->data);
	free(r->id_at);
	vmv_buf_free(&r->ids);
	*r = (struct rows){ 0 };
}

/* -- life ---------------------------------------------------------------------------- */

struct vmv_facts *vmv_facts_new(const struct vmv_root *root, const struct vmv_clock *clock)
{
	struct vmv_facts *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->root = root;
	f->clock = clock;
	f->reading.sink.row = keep_row;
	while (vmv_collectors[f->n])
		f->n++;
	f->groups = calloc(f->n, sizeof(*f->groups));
	f->statuses = calloc(f->n, sizeof(*f->statuses));
	if (!f->groups || !f->statuses) {
		vmv_facts_free(f);
		return NULL;
	}
	f->at = f->n;
	for (size_t i = 0; i < f->n; i++) {
		const struct vmv_collector *c = vmv_collectors[i];

		f->groups[i].status.collector = c;
		f->groups[i].state = c->open ? c->open(root) : NULL;
		if (c->open && !f->groups[i].state) {
			vmv_facts_free(f);
			return NULL;
		}
	}
	return f;
}

void vmv_facts_free(struct vmv_facts *f)
{
	if (!f)
		return;
	for (size_t i = 0; f->groups && i < f->n; i++) {
		const struct vmv_collector *c = f->groups[i].status.collector;

		if (c && c->close)
			c->close(f->groups[i].state);
		rows_free(&f->groups[i].rows);
	}
	rows_free(&f->reading.rows);
	free(f->groups);
	free(f->statuses);
	free(f);
}

/* -- reading ------------------------------------------------------------------------- */

static uint64_t pause_after(unsigned failures)
{
	unsigned doublings = failures > 1 ? failures - 1 : 0;

	if (doublings >= 16 || (RETRY_MIN_MS << doublings) > RETRY_MAX_MS)
		return RETRY_MAX_MS;
	return (uint64_t)RETRY_MIN_MS << doublings;
}

static void mark_failed(struct group *g, int r, const struct vmv_err *err, uint64_t now_ms)
{
	struct vmv_collector_status *s = &g->status;

	s->is_ok = false;
	s->is_absent = r == -ENOENT;
	s->failures++;
	s->failed += !s->is_absent;
	s->due_ms = now_ms + (s->is_absent ? RETRY_MAX_MS : pause_after(s->failures));
	(void)snprintf(s->error, sizeof(s->error), "%.159s",
		       err->code != VMV_OK ? err->msg : strerror(-r));
}

static void mark_good(struct group *g, uint64_t now_ms)
{
	g->status.is_ok = true;
	g->status.is_absent = false;
	g->status.failures = 0;
	g->status.error[0] = '\0';
	g->status.due_ms = 0;
	g->status.read_ms = now_ms;
}

static void finish_group(struct vmv_facts *f, struct group *g, int r, const struct vmv_err *err)
{
	uint64_t now_ms = vmv_mono_ms(f->clock);

	g->status.duration_us = f->reading.spent_ns / 1000;
	rows_free(&g->rows);
	if (r < 0) {
		rows_free(&f->reading.rows);
		mark_failed(g, r, err, now_ms);
	} else {
		g->rows = VMV_TAKE(f->reading.rows, (struct rows){ 0 });
		mark_good(g, now_ms);
	}
	f->reading.spent_ns = 0;
	f->at++;
}

void vmv_facts_begin(struct vmv_facts *f)
{
	f->at = 0;
	f->reading.spent_ns = 0;
	rows_free(&f->reading.rows);
}

/* What changes slowly is not read again before its period is over. Everything else is part of every
 * reading: rates need all of it from one moment. */
static bool is_fresh(const struct group *g, uint64_t now_ms)
{
	return g->status.is_ok && g->status.collector->min_period_ms >= SLOW_MS &&
	       now_ms - g->status.read_ms < g->status.collector->min_period_ms;
}

int vmv_facts_step(struct vmv_facts *f)
{
	uint64_t before = vmv_mono_ns(f->clock);
	struct vmv_err err = { 0 };
	struct group *g;
	int r;

	while (f->at < f->n && f->reading.spent_ns == 0 &&
	       (is_fresh(&f->groups[f->at], before / 1000000) ||
		f->groups[f->at].status.due_ms > before / 1000000))
		f->at++;
	if (f->at < f->n) {
		g = &f->groups[f->at];
		f->reading.collector = g->status.collector;
		r = g->status.collector->read(g->state, f->root, &f->reading.sink, &err);
		f->reading.spent_ns += vmv_mono_ns(f->clock) - before + 1;
		if (r == VMV_MORE || r == VMV_WAIT)
			return r;
		finish_group(f, g, r, &err);
	}
	if (f->at < f->n)
		return VMV_MORE;
	f->mono_ns = vmv_mono_ns(f->clock);
	return 0;
}

/* -- looking ------------------------------------------------------------------------- */

const void *vmv_facts_rows(const struct vmv_facts *f, const struct vmv_collector *c, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < f->n; i++) {
		if (f->groups[i].status.collector == c) {
			*n = f->groups[i].rows.n;
			return *n ? f->groups[i].rows.data : NULL;
		}
	}
	return NULL;
}

const void *vmv_facts_row(const struct vmv_facts *f, const struct vmv_collector *c)
{
	size_t n;
	const void *rows = vmv_facts_rows(f, c, &n);

	return n == 1 ? rows : NULL;
}

const char *vmv_facts_id(const struct vmv_facts *f, const struct vmv_collector *c, size_t row)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->groups[i].status.collector == c && row < f->groups[i].rows.n)
			return f->groups[i].rows.ids.data + f->groups[i].rows.id_at[row];
	return NULL;
}

const struct vmv_collector_status *vmv_facts_status(const struct vmv_facts *f, size_t *n)
{
	for (size_t i = 0; i < f->n; i++)
		f->statuses[i] = f->groups[i].status;
	*n = f->n;
	return f->statuses;
}

const struct vmv_root *vmv_facts_root(const struct vmv_facts *f)
{
	return f->root;
}

uint64_t vmv_facts_mono_ns(const struct vmv_facts *f)
{
	return f->mono_ns;
}
