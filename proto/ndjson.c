#include "proto/ndjson.h"

#include "base/limits.h"

#include <errno.h>
#include <string.h>

#define KEEP (64 * VMV_KIB) /* memory kept between lines */

void vmv_framer_set_max(struct vmv_framer *f, size_t line_max)
{
	f->line_max = line_max;
	/* one turn's worth of whole lines may wait in front of the longest line */
	f->buf.max = line_max + 2 + 2 * VMV_READ_BUDGET;
}

void vmv_framer_init(struct vmv_framer *f, size_t line_max)
{
	*f = (struct vmv_framer){ 0 };
	vmv_framer_set_max(f, line_max);
}

void vmv_framer_free(struct vmv_framer *f)
{
	vmv_buf_free(&f->buf);
}

void vmv_framer_reset(struct vmv_framer *f)
{
	vmv_buf_clear(&f->buf, KEEP);
	f->taken = f->scanned = 0;
	f->is_skipping = false;
}

size_t vmv_framer_held(const struct vmv_framer *f)
{
	return f->buf.len - f->taken;
}

static void compact(struct vmv_framer *f)
{
	if (f->taken == 0)
		return;
	if (f->taken == f->buf.len)
		vmv_buf_clear(&f->buf, KEEP);
	else
		vmv_buf_drain(&f->buf, f->taken);
	f->scanned = f->scanned > f->taken ? f->scanned - f->taken : 0;
	f->taken = 0;
}

/* Drops the unfinished line at the end of the buffer; the rest of it is still to come. */
static void skip_line(struct vmv_framer *f)
{
	size_t held = f->buf.len - f->taken;
	const char *lf = held ? memrchr(f->buf.data + f->taken, '\n', held) : NULL;

	f->buf.len = lf ? (size_t)(lf - f->buf.data) + 1 : f->taken;
	if (f->scanned > f->buf.len)
		f->scanned = f->buf.len;
	f->is_skipping = true;
	f->oversize++;
}

/* Length of the unfinished line at the end of the buffer. */
static size_t tail_len(const struct vmv_framer *f)
{
	const char *start = f->buf.data + f->scanned;
	size_t len = f->buf.len - f->scanned;
	const char *lf = len ? memrchr(start, '\n', len) : NULL;

	return lf ? (size_t)(f->buf.data + f->buf.len - lf) - 1 : f->buf.len - f->taken;
}

static int push_piece(struct vmv_framer *f, const char *data, size_t len)
{
	int r = vmv_buf_add(&f->buf, data, len);

	if (r < 0)
		skip_line(f);
	return r == -EFBIG ? 0 : r;
}

int vmv_framer_push(struct vmv_framer *f, const void *data, size_t len)
{
	const char *p = data;
	const char *lf;
	int r = 0;

	compact(f);
	while (len > 0) {
		size_t piece;

		lf = memchr(p, '\n', len);
		piece = lf ? (size_t)(lf - p) + 1 : len;
		if (!f->is_skipping) {
			int one = push_piece(f, p, piece);

			if (one < 0)
				r = one;
			else if (!f->is_skipping && !lf && tail_len(f) > f->line_max + 1)
				skip_line(f);
		}
		if (f->is_skipping && lf)
			f->is_skipping = false;
		p += piece;
		len -= piece;
	}
	return r;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Strips what may stand around the object. */
static void strip(char **line, size_t *len)
{
	if (*len > 0 && (*line)[*len - 1] == '\r')
		--*len;
	while (*len > 0 && is_blank((*line)[*len - 1]))
		--*len;
	while (*len > 0 && is_blank(**line)) {
		++*line;
		--*len;
	}
	(*line)[*len] = '\0'; /* over the LF, the CR or a blank */
}

bool vmv_framer_next(struct vmv_framer *f, char **line, size_t *len)
{
	while (f->taken < f->buf.len) {
		size_t from = f->scanned > f->taken ? f->scanned : f->taken;
		char *start = f->buf.data + f->taken;
		char *lf = from < f->buf.len ? memchr(f->buf.data + from, '\n', f->buf.len - from)
					     : NULL;
		size_t n;

		if (!lf) {
			f->scanned = f->buf.len;
			return false;
		}
		n = (size_t)(lf - start);
		f->taken += n + 1;
		f->scanned = f->taken;
		if (n > f->line_max + 1 || (n > f->line_max && start[n - 1] != '\r')) {
			f->oversize++;
			continue;
		}
		strip(&start, &n);
		if (n == 0)
			continue;
		*line = start;
		*len = n;
		return true;
	}
	return false;
}
