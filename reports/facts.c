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
#define ABSENT_MS    60000 /* it may come yet: a service later in the boot, a module */
#define SLOW_MS	     5000
#define IDS_MAX	     (256 * VMV_MIB)

struct rows {
	unsigned char *data; /* owned */
	size_t *id_at;	     /* owned: where the id of each row begins in ids */
	struct vmv_buf ids;  /* NUL-terminated, one behind the other */
	size_t n, cap;
};

struct group {
	void *state; /* the collector's; another group's where that is shared */
	struct rows rows;
	vmv_provider *provider; /* of a collector without read */
	void *provider_arg;
};

struct vmv_facts {
	const struct vmv_root *root;
	const struct vmv_clock *clock;
	size_t n;
	struct group *groups;
	struct vmv_collector_status *statuses;

	vmv_groups wanted;
	size_t at; /* the turn: first those that read, then those that are provided */
	struct {
		struct vmv_sink sink; /* first member: keep_row casts back */
		const struct vmv_collector *collector;
		struct rows rows;
		uint64_t left_out;
		uint64_t spent_ns;
		bool is_under_way;
	} reading;
	uint64_t mono_ns;
	int64_t real_ms;
};

/* -- rows ---------------------------------------------------------------------------- */

static bool rows_grow(struct rows *r, size_t size)
{
	size_t cap = r->cap ? r->cap * 2 : 1;
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

	if (r->n >= VMV_ROWS_MAX) {
		f->reading.left_out++;
		return 0;
	}
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

static size_t index_of(const struct vmv_facts *f, const struct vmv_collector *c)
{
	size_t i = 0;

	while (i < f->n && f->statuses[i].collector != c)
		i++;
	return i;
}

static bool open_states(struct vmv_facts *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct vmv_collector *c = vmv_collectors[i];

		f->statuses[i].collector = c;
		f->groups[i].state = c->open ? c->open(f->root) : NULL;
		if (c->open && !f->groups[i].state)
			return false;
	}
	for (size_t i = 0; i < f->n; i++) {
		size_t of = index_of(f, vmv_collectors[i]->state_of);

		if (vmv_collectors[i]->state_of && of < f->n)
			f->groups[i].state = f->groups[of].state;
	}
	return true;
}

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
	f->at = 2 * f->n;
	if (!f->groups || !f->statuses || !open_states(f)) {
		vmv_facts_free(f);
		return NULL;
	}
	return f;
}

void vmv_facts_free(struct vmv_facts *f)
{
	if (!f)
		return;
	for (size_t i = 0; f->groups && f->statuses && i < f->n; i++) {
		const struct vmv_collector *c = f->statuses[i].collector;

		if (c && c->close && !c->state_of)
			c->close(f->groups[i].state);
		rows_free(&f->groups[i].rows);
	}
	rows_free(&f->reading.rows);
	free(f->groups);
	free(f->statuses);
	free(f);
}

void vmv_facts_provide(struct vmv_facts *f, const struct vmv_collector *c, vmv_provider *read,
		       void *arg)
{
	size_t i = index_of(f, c);

	if (i < f->n) {
		f->groups[i].provider = read;
		f->groups[i].provider_arg = arg;
	}
}

/* -- reading ------------------------------------------------------------------------- */

/* A first failure may be chance: the next reading tries again. From the second on the time between
 * two attempts doubles. */
static uint64_t pause_after(const struct vmv_collector_status *s, uint64_t last_try_ms,
			    uint64_t now_ms)
{
	uint64_t gap = last_try_ms ? now_ms - last_try_ms : 0;

	if (s->failures < 2)
		return RETRY_MIN_MS;
	gap = gap > RETRY_MIN_MS ? gap * 2 : RETRY_MIN_MS * 2;
	return gap < RETRY_MAX_MS ? gap : RETRY_MAX_MS;
}

static void mark_failed(struct vmv_collector_status *s, int r, const struct vmv_err *err,
			uint64_t last_try_ms, uint64_t now_ms)
{
	s->is_ok = false;
	s->is_absent = r == -ENOENT;
	s->failures++;
	s->failed += !s->is_absent;
	s->due_ms = now_ms + (s->is_absent ? ABSENT_MS : pause_after(s, last_try_ms, now_ms));
	(void)snprintf(s->error, sizeof(s->error), "%.159s",
		       err->code != VMV_OK ? err->msg : strerror(-r));
}

static void mark_good(struct vmv_collector_status *s, uint64_t now_ms)
{
	s->is_ok = true;
	s->is_absent = false;
	s->failures = 0;
	s->error[0] = '\0';
	s->due_ms = 0;
	s->read_ms = now_ms;
}

static void finish_group(struct vmv_facts *f, size_t i, int r, const struct vmv_err *err)
{
	struct vmv_collector_status *s = &f->statuses[i];
	uint64_t now_ms = vmv_mono_ms(f->clock), last_try_ms = s->tried_ms;

	s->duration_us = f->reading.spent_ns / 1000;
	s->left_out = f->reading.left_out;
	s->tried_ms = now_ms;
	s->has_run = true;
	s->runs++;
	rows_free(&f->groups[i].rows);
	if (r < 0) {
		rows_free(&f->reading.rows);
		mark_failed(s, r, err, last_try_ms, now_ms);
	} else {
		f->groups[i].rows = VMV_TAKE(f->reading.rows, (struct rows){ 0 });
		mark_good(s, now_ms);
	}
}

static void begin_group(struct vmv_facts *f)
{
	f->reading.spent_ns = 0;
	f->reading.left_out = 0;
	f->reading.is_under_way = false;
	rows_free(&f->reading.rows);
}

void vmv_facts_begin(struct vmv_facts *f, vmv_groups groups)
{
	f->at = 0;
	f->reading.sink.reading++;
	f->wanted = groups;
	for (size_t i = 0; i < f->n; i++)
		f->statuses[i].has_run = false;
	begin_group(f);
}

/* What changes slowly is not read again before its period is over. Everything else is part of every
 * reading: rates need all of it from one moment. */
static bool is_fresh(const struct vmv_collector_status *s, uint64_t now_ms)
{
	return s->is_ok && s->collector->min_period_ms >= SLOW_MS &&
	       now_ms - s->read_ms < s->collector->min_period_ms;
}

static bool is_due(const struct vmv_facts *f, size_t at, uint64_t now_ms)
{
	const struct vmv_collector_status *s = &f->statuses[at % f->n];
	bool is_provided_turn = at >= f->n;

	if (!(f->wanted >> (at % f->n) & 1) || !s->collector->read != is_provided_turn)
		return false;
	if (is_provided_turn)
		return f->groups[at % f->n].provider != NULL;
	return !is_fresh(s, now_ms) && s->due_ms <= now_ms;
}

static int read_group(struct vmv_facts *f, size_t i, struct vmv_err *err)
{
	const struct vmv_collector *c = f->statuses[i].collector;

	f->reading.collector = c;
	f->reading.is_under_way = true;
	return c->read ? c->read(f->groups[i].state, f->root, &f->reading.sink, err)
		       : f->groups[i].provider(f->groups[i].provider_arg, &f->reading.sink, err);
}

int vmv_facts_step(struct vmv_facts *f)
{
	uint64_t before = vmv_mono_ns(f->clock);
	struct vmv_err err = { 0 };
	int r;

	while (f->at < 2 * f->n && !f->reading.is_under_way && !is_due(f, f->at, before / 1000000))
		f->at++;
	if (f->at < 2 * f->n) {
		r = read_group(f, f->at % f->n, &err);
		f->reading.spent_ns += vmv_mono_ns(f->clock) - before;
		if (r == VMV_MORE || r == VMV_WAIT)
			return r;
		finish_group(f, f->at % f->n, r, &err);
		begin_group(f);
		f->at++;
	}
	if (f->at < 2 * f->n)
		return VMV_MORE;
	f->mono_ns = vmv_mono_ns(f->clock);
	f->real_ms = vmv_real_ms(f->clock);
	return 0;
}

/* -- looking ------------------------------------------------------------------------- */

const void *vmv_facts_rows(const struct vmv_facts *f, const struct vmv_collector *c, size_t *n)
{
	size_t i = index_of(f, c);

	*n = i < f->n ? f->groups[i].rows.n : 0;
	return *n ? f->groups[i].rows.data : NULL;
}

const void *vmv_facts_row(const struct vmv_facts *f, const struct vmv_collector *c)
{
	size_t n;
	const void *rows = vmv_facts_rows(f, c, &n);

	return n == 1 ? rows : NULL;
}

const char *vmv_facts_id(const struct vmv_facts *f, const struct vmv_collector *c, size_t row)
{
	size_t i = index_of(f, c);

	if (i == f->n || row >= f->groups[i].rows.n)
		return NULL;
	return f->groups[i].rows.ids.data + f->groups[i].rows.id_at[row];
}

const struct vmv_collector_status *vmv_facts_status(const struct vmv_facts *f, size_t *n)
{
	*n = f->n;
	return f->statuses;
}

const struct vmv_collector_status *vmv_facts_status_of(const struct vmv_facts *f,
						       const struct vmv_collector *c)
{
	size_t i = index_of(f, c);

	return i < f->n ? &f->statuses[i] : NULL;
}

uint64_t vmv_facts_period_ms(const struct vmv_collector_status *s)
{
	if (s->due_ms > s->tried_ms)
		return s->due_ms - s->tried_ms;
	return s->collector->min_period_ms;
}

const struct vmv_root *vmv_facts_root(const struct vmv_facts *f)
{
	return f->root;
}

uint64_t vmv_facts_mono_ns(const struct vmv_facts *f)
{
	return f->mono_ns;
}

int64_t vmv_facts_real_ms(const struct vmv_facts *f)
{
	return f->real_ms;
}
