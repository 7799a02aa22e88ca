#include "exec/capture.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK	  "[vmvitals: truncated, %llu bytes left out]"
#define MARK_ROOM 96 /* as encoded, with 20 digits and two newlines */
#define UNIT_MAX  4  /* bytes of a character */

void vmv_capture_init(struct vmv_capture *c, size_t limit)
{
	*c = (struct vmv_capture){
		.limit = limit,
		.head = { .max = limit - limit / 4 },
		.tail_cap = limit / 4 + UNIT_MAX,
	};
}

void vmv_capture_init_raw(struct vmv_capture *c, size_t limit, size_t *left)
{
	*c = (struct vmv_capture){ .limit = limit, .head = { .max = limit }, .left = left };
}

void vmv_capture_free(struct vmv_capture *c)
{
	if (c->left)
		*c->left += c->head.len;
	c->left = NULL;
	vmv_buf_free(&c->head);
	free(c->tail);
	c->tail = NULL;
}

static void add_tail(struct vmv_capture *c, const char *data, size_t len)
{
	if (!c->tail)
		c->tail = malloc(c->tail_cap);
	if (!c->tail) {
		c->is_short = true;
		return;
	}
	while (len > 0) {
		size_t at = (size_t)(c->n_tail % c->tail_cap);
		size_t n = len < c->tail_cap - at ? len : c->tail_cap - at;

		memcpy(c->tail + at, data, n);
		c->n_tail += n;
		data += n;
		len -= n;
	}
}

/* Without a gap: once there was no room, nothing more is kept. */
static void add_raw(struct vmv_capture *c, const char *data, size_t len)
{
	size_t room = c->head.max - c->head.len;
	size_t n = len < room ? len : room;

	if (n > *c->left)
		n = *c->left;
	c->is_short = n < len;
	if (n > 0 && vmv_buf_add(&c->head, data, n) < 0)
		c->is_short = true;
	else
		*c->left -= n;
}

void vmv_capture_add(struct vmv_capture *c, const char *data, size_t len)
{
	size_t room = c->head.max - c->head.len;
	size_t n = len < room ? len : room;

	c->total += len;
	if (c->is_short) /* a text with a hole would look whole */
		return;
	if (c->left) {
		add_raw(c, data, len);
		return;
	}
	if (vmv_buf_add(&c->head, data, n) < 0) {
		c->is_short = true;
		return;
	}
	if (len > n)
		add_tail(c, data + n, len - n);
}

/* -- characters ---------------------------------------------------------------------------------
 */

/* Bytes of the character at s, or of the ill-formed part there, and how many the JSON has. */
static size_t unit(const char *s, size_t len, size_t *ret_encoded)
{
	unsigned char c = (unsigned char)*s;
	size_t n, skip = 1;
	uint32_t cp = 0;

	if (c < 0x80) {
		bool is_short = strchr("\"\\\n\t\r", c) != NULL && c != '\0';

		*ret_encoded = is_short ? 2 : c >= 0x20 && c < 0x7f ? 1 : 6;
		return 1;
	}
	n = vmv_utf8_decode((const unsigned char *)s, len, &cp, &skip);
	*ret_encoded = n > 0 && cp >= 0x10000 ? 12 : 6;
	return n > 0 ? n : skip;
}

size_t vmv_capture_encoded(const char *s, size_t len)
{
	size_t sum = 0, e;

	for (size_t i = 0; i < len; sum += e)
		i += unit(s + i, len - i, &e);
	return sum;
}

size_t vmv_capture_whole(const char *s, size_t len)
{
	for (size_t back = 1; back < UNIT_MAX && back <= len; back++) {
		unsigned char c = (unsigned char)s[len - back];
		size_t wants = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

		if ((c & 0xc0) == 0x80)
			continue;
		return wants > back ? len - back : len;
	}
	return len;
}

/* The longest prefix that has at most max bytes as encoded. */
static size_t prefix(const char *s, size_t len, size_t max)
{
	size_t i = 0, n, e;

	for (; i < len; i += n) {
		n = unit(s + i, len - i, &e);
		if (e > max)
			break;
		max -= e;
	}
	return i;
}

/* Where the longest suffix begins that has. */
static size_t suffix(const char *s, size_t len, size_t max)
{
	size_t sum = vmv_capture_encoded(s, len), i = 0, e;

	while (sum > max) {
		i += unit(s + i, len - i, &e);
		sum -= e;
	}
	return i;
}

/* -- the text -----------------------------------------------------------------------------------
 */

static bool has_hole(const struct vmv_capture *c)
{
	return c->is_short || c->n_tail > c->tail_cap;
}

/* Head and tail in one piece. Returns the length, or -ENOMEM. */
static ssize_t unroll(const struct vmv_capture *c, char **ret)
{
	size_t n = c->n_tail < c->tail_cap ? (size_t)c->n_tail : c->tail_cap;
	size_t start = c->n_tail > c->tail_cap ? (size_t)(c->n_tail % c->tail_cap) : 0;
	char *text = malloc(c->head.len + n + 1);

	if (!text)
		return -ENOMEM;
	if (c->head.len > 0)
		memcpy(text, c->head.data, c->head.len);
	if (n > 0) {
		memcpy(text + c->head.len, c->tail + start, n - start);
		memcpy(text + c->head.len + n - start, c->tail, start);
	}
	text[c->head.len + n] = '\0';
	*ret = text;
	return (ssize_t)(c->head.len + n);
}

/* The first n bytes, the mark, and what begins at from. */
static int join(const struct vmv_capture *c, const char *text, size_t n, size_t from, size_t len,
		struct vmv_captured *ret)
{
	size_t rest = len - from, at;
	char mark[MARK_ROOM];
	int mark_len = snprintf(mark, sizeof(mark), "%s" MARK "\n",
				n > 0 && text[n - 1] != '\n' ? "\n" : "",
				(unsigned long long)(c->total - n - rest));
	char *data = malloc(n + (size_t)mark_len + rest + 1);

	if (!data)
		return -ENOMEM;
	memcpy(data, text, n);
	at = n;
	memcpy(data + at, mark, (size_t)mark_len);
	at += (size_t)mark_len;
	memcpy(data + at, text + from, rest);
	at += rest;
	data[at] = '\0';
	*ret = (struct vmv_captured){ .data = data, .len = at, .is_cut = true };
	return 0;
}

int vmv_capture_text(const struct vmv_capture *c, struct vmv_captured *ret)
{
	vmv_autofree char *text = NULL;
	ssize_t r = unroll(c, &text);
	size_t len, first, from, quarter = c->limit / 4;

	if (r < 0)
		return (int)r;
	len = (size_t)r;
	if (c->left) {
		*ret = (struct vmv_captured){ .data = VMV_TAKE(text, NULL),
					      .len = len,
					      .is_cut = c->total > len };
		return 0;
	}
	if (!has_hole(c) && vmv_capture_encoded(text, len) <= c->limit) {
		*ret = (struct vmv_captured){ .data = VMV_TAKE(text, NULL), .len = len };
		return 0;
	}
	first = has_hole(c) ? vmv_capture_whole(text, c->head.len) : len;
	first = prefix(text, first, c->limit - quarter);
	from = first;
	if (has_hole(c)) {
		from = c->head.len;
		/* the rest of a character whose beginning is lost */
		for (int i = 1; i < UNIT_MAX && from < len && (text[from] & 0xc0) == 0x80; i++)
			from++;
	}
	from += suffix(text + from, len - from, quarter > MARK_ROOM ? quarter - MARK_ROOM : 0);
	return join(c, text, first, from, len, ret);
}
