#include "virtio/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX (1 * VMV_MIB) /* per subscription */

struct vmv_outq_item {
	struct vmv_outq_item *next;
	enum vmv_class class;
	unsigned sub;
	unsigned lead;	  /* bytes in front that do not count into the session: the greeting's LF */
	bool is_greeting; /* dies with its session */
	size_t len;
	char data[];
};

static const bool windowed[VMV_N_CLASSES] = {
	[VMV_CLASS_EVENT] = true,
	[VMV_CLASS_STREAM] = true,
	[VMV_CLASS_SAMPLES] = true,
};

/* -- lists --------------------------------------------------------------------------- */

static void list_init(struct vmv_outq_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_append(struct vmv_outq_list *l, struct vmv_outq_item *it)
{
	it->next = NULL;
	*l->last = it;
	l->last = &it->next;
}

static void list_prepend(struct vmv_outq_list *l, struct vmv_outq_item *it)
{
	it->next = l->first;
	l->first = it;
	if (!it->next)
		l->last = &it->next;
}

static struct vmv_outq_item *list_shift(struct vmv_outq_list *l)
{
	struct vmv_outq_item *it = l->first;

	if (it) {
		l->first = it->next;
		if (!l->first)
			l->last = &l->first;
	}
	return it;
}

/* -- accounts ------------------------------------------------------------------------ */

static void account(struct vmv_outq *q, const struct vmv_outq_item *it)
{
	q->class_bytes[it->class] += it->len;
	if (it->class == VMV_CLASS_SAMPLES)
		q->samples_bytes[it->sub] += it->len;
}

static void dispose(struct vmv_outq *q, struct vmv_outq_item *it)
{
	q->class_bytes[it->class] -= it->len;
	if (it->class == VMV_CLASS_SAMPLES)
		q->samples_bytes[it->sub] -= it->len;
	free(it);
}

static void drop_list(struct vmv_outq *q, struct vmv_outq_list *l)
{
	struct vmv_outq_item *it;

	while ((it = list_shift(l))) {
		q->dropped_session++;
		dispose(q, it);
	}
}

size_t vmv_outq_bytes(const struct vmv_outq *q)
{
	size_t sum = 0;

	for (int c = 0; c < VMV_N_CLASSES; c++)
		sum += q->class_bytes[c];
	return sum - q->current_off;
}

size_t vmv_outq_class_bytes(const struct vmv_outq *q, enum vmv_class class)
{
	return q->class_bytes[class];
}

size_t vmv_outq_reply_bytes(const struct vmv_outq *q)
{
	return q->class_bytes[VMV_CLASS_REPLY];
}

/* -- life ---------------------------------------------------------------------------- */

void vmv_outq_init(struct vmv_outq *q)
{
	memset(q, 0, offsetof(struct vmv_outq, stage)); /* pages nobody writes to cost nothing */
	list_init(&q->current);
	for (int c = 0; c < VMV_N_CLASSES; c++)
		list_init(&q->lists[c]);
}

void vmv_outq_clear(struct vmv_outq *q)
{
	drop_list(q, &q->current);
	q->current_off = 0;
	for (int c = 0; c < VMV_N_CLASSES; c++)
		drop_list(q, &q->lists[c]);
}

void vmv_outq_free(struct vmv_outq *q)
{
	vmv_outq_clear(q);
}

void vmv_outq_detach(struct vmv_outq *q)
{
	struct vmv_outq_list kept;
	struct vmv_outq_item *it;

	list_init(&kept);
	while ((it = list_shift(&q->current)) || (it = list_shift(&q->lists[VMV_CLASS_REPLY]))) {
		if (it->class == VMV_CLASS_REPLY && !it->is_greeting) {
			list_append(&kept, it);
		} else {
			q->dropped_session++;
			dispose(q, it);
		}
	}
	q->current_off = 0;
	vmv_outq_clear(q);
	while ((it = list_shift(&kept)))
		list_append(&q->lists[VMV_CLASS_REPLY], it);
	q->is_greeting = false;
}

static struct vmv_outq_item *new_item(enum vmv_class class, const char *line, size_t len,
				      unsigned lead)
{
	struct vmv_outq_item *it = malloc(sizeof(*it) + lead + len + 1);

	if (!it)
		return NULL;
	*it = (struct vmv_outq_item){ .class = class, .lead = lead, .len = lead + len + 1 };
	memset(it->data, '\n', lead);
	memcpy(it->data + lead, line, len);
	it->data[lead + len] = '\n';
	return it;
}

int vmv_outq_begin(struct vmv_outq *q, const char *line, size_t len)
{
	struct vmv_outq_item *it = new_item(VMV_CLASS_REPLY, line, len, 1);

	if (!it)
		return -ENOMEM;
	vmv_outq_detach(q);
	it->is_greeting = true;
	account(q, it);
	list_prepend(&q->lists[VMV_CLASS_REPLY], it);
	q->sent = q->acked = q->n_lines = 0;
	q->is_greeting = true;
	return 0;
}

void vmv_outq_release(struct vmv_outq *q)
{
	q->is_greeting = false;
}

static void make_room_for_samples(struct vmv_outq *q, unsigned sub, size_t len)
{
	struct vmv_outq_list old = q->lists[VMV_CLASS_SAMPLES];
	struct vmv_outq_item *it;

	if (q->samples_bytes[sub] + len <= SAMPLES_MAX)
		return;
	if (!old.first)
		return;
	list_init(&q->lists[VMV_CLASS_SAMPLES]);
	while ((it = list_shift(&old))) {
		if (it->sub == sub && q->samples_bytes[sub] + len > SAMPLES_MAX) {
			q->dropped_samples++;
			dispose(q, it);
		} else {
			list_append(&q->lists[VMV_CLASS_SAMPLES], it);
		}
	}
}

/* What was chosen behind it waits in its class again: the window may not have room for it now. */
static void put_back_behind(struct vmv_outq *q, struct vmv_outq_item *it)
{
	struct vmv_outq_item *next, *back = NULL;

	for (struct vmv_outq_item *i = it->next; i; i = next) {
		next = i->next;
		i->next = back;
		back = i;
	}
	it->next = NULL;
	q->current.last = &it->next;
	for (; back; back = next) {
		next = back->next;
		list_prepend(&q->lists[back->class], back);
	}
}

/* Metrics take the place of older ones that are chosen but not begun: the host takes nothing. */
static bool replace_chosen(struct vmv_outq *q, struct vmv_outq_item *it)
{
	struct vmv_outq_item **at = &q->current.first, *old;

	if (*at && q->current_off > 0)
		at = &(*at)->next;
	while (*at && (*at)->class != VMV_CLASS_METRICS)
		at = &(*at)->next;
	old = *at;
	if (!old)
		return false;
	it->next = old->next;
	*at = it;
	put_back_behind(q, it);
	account(q, it);
	dispose(q, old);
	return true;
}

/* One slot: the newest wins. */
static void add_metrics(struct vmv_outq *q, struct vmv_outq_item *it)
{
	struct vmv_outq_list *slot = &q->lists[VMV_CLASS_METRICS];

	if (replace_chosen(q, it)) {
		q->replaced++;
		return;
	}
	if (slot->first) {
		q->replaced++;
		dispose(q, list_shift(slot));
	}
	account(q, it);
	list_append(slot, it);
}

int vmv_outq_add(struct vmv_outq *q, enum vmv_class class, unsigned sub, const char *line,
		 size_t len)
{
	struct vmv_outq_item *it = new_item(class, line, len, 0);

	if (!it)
		return -ENOMEM;
	it->sub = sub;
	if (class == VMV_CLASS_METRICS) {
		add_metrics(q, it);
		return 0;
	}
	if (class == VMV_CLASS_SAMPLES)
		make_room_for_samples(q, sub, it->len);
	account(q, it);
	list_append(&q->lists[class], it);
	return 0;
}

/* -- writing -------------------------------------------------------------------------- */

/* Lines chosen but not written count as sent already. */
static bool window_takes(const struct vmv_outq *q, size_t len)
{
	uint64_t chosen = q->sent, lines = q->n_lines, old;

	for (const struct vmv_outq_item *it = q->current.first; it; it = it->next) {
		chosen += it->len - it->lead;
		lines++;
	}
	if (chosen == q->acked)
		return true; /* one longer line alone may go */
	if (chosen - q->acked + len > VMV_WINDOW_BYTES)
		return false;
	if (lines < VMV_WINDOW_LINES)
		return true;
	/* the line that is VMV_WINDOW_LINES back must be acknowledged */
	if (lines - VMV_WINDOW_LINES >= q->n_lines)
		return false;
	old = q->line_ends[(lines - VMV_WINDOW_LINES) % VMV_WINDOW_LINES];
	return old <= q->acked;
}

/* The highest class that may go, or VMV_N_CLASSES; *ret_waits tells whether the window holds
 * something back. What waits for the window keeps lower classes from filling it. */
static int next_class(const struct vmv_outq *q, bool *ret_waits)
{
	bool waits = false;
	int c;

	for (c = 0; c < VMV_N_CLASSES; c++) {
		const struct vmv_outq_item *first = q->lists[c].first;

		if (!first || (windowed[c] && waits))
			continue;
		if (!windowed[c] || window_takes(q, first->len))
			break;
		waits = true;
	}
	*ret_waits = waits;
	return c;
}

bool vmv_outq_window_closed(const struct vmv_outq *q)
{
	bool waits;

	if (q->current.first || q->is_greeting)
		return false;
	return next_class(q, &waits) == VMV_N_CLASSES && waits;
}

static struct vmv_outq_item *pick_greeting(struct vmv_outq *q)
{
	struct vmv_outq_item *first = q->lists[VMV_CLASS_REPLY].first;

	if (first && first->is_greeting)
		return list_shift(&q->lists[VMV_CLASS_REPLY]);
	if (!q->lists[VMV_CLASS_METRICS].first)
		return NULL;
	q->is_greeting = false;
	return list_shift(&q->lists[VMV_CLASS_METRICS]);
}

static struct vmv_outq_item *pick(struct vmv_outq *q)
{
	bool waits;
	int c;

	if (q->is_greeting)
		return pick_greeting(q);
	c = next_class(q, &waits);
	return c < VMV_N_CLASSES ? list_shift(&q->lists[c]) : NULL;
}

/* Chooses lines until a write is full. Returns the bytes chosen. */
static size_t choose(struct vmv_outq *q)
{
	struct vmv_outq_item *it;
	size_t have = 0;

	for (it = q->current.first; it; it = it->next)
		have += it->len;
	have -= q->current_off;
	while (have < VMV_WRITE_MAX && (it = pick(q))) {
		list_append(&q->current, it);
		have += it->len;
	}
	return have;
}

const char *vmv_outq_peek(struct vmv_outq *q, size_t *len)
{
	size_t have = choose(q), off = q->current_off, filled = 0;
	struct vmv_outq_item *it = q->current.first;

	if (!it)
		return NULL;
	if (!it->next || it->len - off >= VMV_WRITE_MAX) {
		*len = it->len - off > VMV_WRITE_MAX ? VMV_WRITE_MAX : it->len - off;
		return it->data + off;
	}
	*len = have > VMV_WRITE_MAX ? VMV_WRITE_MAX : have;
	for (; filled < *len; it = it->next, off = 0) {
		size_t n = it->len - off;

		n = n > *len - filled ? *len - filled : n;
		memcpy(q->stage + filled, it->data + off, n);
		filled += n;
	}
	return q->stage;
}

static void line_done(struct vmv_outq *q, struct vmv_outq_item *it)
{
	q->sent += it->len - it->lead;
	q->line_ends[q->n_lines % VMV_WINDOW_LINES] = q->sent;
	q->n_lines++;
	dispose(q, it);
}

void vmv_outq_wrote(struct vmv_outq *q, size_t n)
{
	q->current_off += n;
	while (q->current.first && q->current_off >= q->current.first->len) {
		q->current_off -= q->current.first->len;
		line_done(q, list_shift(&q->current));
	}
}

void vmv_outq_ack(struct vmv_outq *q, uint64_t bytes)
{
	if (bytes > q->acked && bytes <= q->sent)
		q->acked = bytes;
}
