#include "host/text.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/utf8.h"

#define ELLIPSIS    "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"

void vmv_text_init(struct vmv_text *t, size_t max)
{
	*t = (struct vmv_text){ .buf.max = max };
}

void vmv_text_free(struct vmv_text *t)
{
	vmv_buf_free(&t->buf);
}

static void put(struct vmv_text *t, const char *s, size_t len)
{
	if (t->error == 0)
		t->error = vmv_buf_add(&t->buf, s, len);
}

void vmv_text_add(struct vmv_text *t, const char *s)
{
	put(t, s, strlen(s));
}

void vmv_text_fmt(struct vmv_text *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		put(t, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void vmv_text_pad(struct vmv_text *t, size_t columns)
{
	while (columns-- > 0)
		put(t, " ", 1);
}

struct range {
	uint32_t first, last;
};

/* Characters that steer: the terminal, the line, the reading direction; and those that hide. */
static const struct range steering[] = {
	{ 0x0000, 0x001f },   /* C0 */
	{ 0x007f, 0x009f },   /* DEL, C1 */
	{ 0x00ad, 0x00ad },   /* soft hyphen */
	{ 0x061c, 0x061c },   /* Arabic letter mark */
	{ 0x180e, 0x180e },   /* Mongolian vowel separator */
	{ 0x200b, 0x200f },   /* zero width, direction marks */
	{ 0x2028, 0x202e },   /* line, paragraph, embeddings, overrides */
	{ 0x2060, 0x206f },   /* invisible operators, isolates */
	{ 0xfeff, 0xfeff },   /* BOM */
	{ 0xfff9, 0xfffb },   /* interlinear annotation */
	{ 0xe0000, 0xe0fff }, /* tags */
};

static bool is_steering(uint32_t cp)
{
	for (size_t i = 0; i < VMV_COUNTOF(steering); i++)
		if (cp >= steering[i].first && cp <= steering[i].last)
			return true;
	return false;
}

/* One column of guest text. */
struct glyph {
	const char *s;
	size_t len;
};

/* The glyph for what stands at s; *used bytes of it are consumed. len > 0. */
static struct glyph glyph_at(const char *s, size_t len, size_t *used)
{
	size_t skip = 1;
	uint32_t cp;

	*used = vmv_utf8_decode((const unsigned char *)s, len, &cp, &skip);
	if (*used == 0) {
		*used = skip;
		return (struct glyph){ REPLACEMENT, strlen(REPLACEMENT) };
	}
	if (is_steering(cp))
		return (struct glyph){ "?", 1 };
	return (struct glyph){ s, *used };
}

size_t vmv_text_columns(const char *s)
{
	size_t columns = 0;

	if (!s || !*s)
		return 1;
	for (size_t len = strlen(s), used; len > 0; s += used, len -= used) {
		(void)glyph_at(s, len, &used);
		columns++;
	}
	return columns;
}

size_t vmv_text_guest(struct vmv_text *t, const char *s, size_t max)
{
	size_t columns = 0;

	if (max == 0)
		return 0;
	if (!s || !*s)
		s = "-";
	for (size_t len = strlen(s), used; len > 0; s += used, len -= used) {
		struct glyph g = glyph_at(s, len, &used);

		if (columns + 1 == max && len > used)
			g = (struct glyph){ ELLIPSIS, strlen(ELLIPSIS) };
		put(t, g.s, g.len);
		if (++columns == max)
			break;
	}
	return columns;
}

void vmv_text_cell(struct vmv_text *t, const char *s, size_t width)
{
	vmv_text_pad(t, width - vmv_text_guest(t, s, width));
}

void vmv_text_cell_right(struct vmv_text *t, const char *s, size_t width)
{
	size_t columns = vmv_text_columns(s);

	if (columns < width)
		vmv_text_pad(t, width - columns);
	(void)vmv_text_guest(t, s, width);
}

void vmv_text_word(struct vmv_text *t, const char *s)
{
	for (size_t len = strlen(s), used; len > 0; s += used, len -= used) {
		struct glyph g = glyph_at(s, len, &used);

		if (g.len == 1 && *g.s == ' ')
			vmv_text_add(t, "\\040");
		else if (g.len == 1 && *g.s == '\\')
			vmv_text_add(t, "\\134");
		else
			put(t, g.s, g.len);
	}
}

void vmv_text_lines(struct vmv_text *t, const char *s, size_t len)
{
	bool ends = len == 0 || s[len - 1] == '\n';

	for (size_t used; len > 0; s += used, len -= used) {
		struct glyph g = glyph_at(s, len, &used);

		if (*s == '\n' || *s == '\t')
			put(t, s, 1);
		else
			put(t, g.s, g.len);
	}
	if (!ends)
		put(t, "\n", 1);
}

const char *vmv_text_clean(char *buf, size_t size, const char *s)
{
	size_t at = 0;

	for (size_t len = strlen(s), used; len > 0; s += used, len -= used) {
		struct glyph g = glyph_at(s, len, &used);

		if (g.len >= size - at)
			break;
		memcpy(buf + at, g.s, g.len);
		at += g.len;
	}
	buf[at] = '\0';
	return buf;
}

static void put_escaped(struct vmv_text *t, uint32_t cp)
{
	if (cp >= 0x10000)
		vmv_text_fmt(t, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((cp - 0x10000) >> 10)),
			     (unsigned)(0xdc00 + ((cp - 0x10000) & 0x3ff)));
	else
		vmv_text_fmt(t, "\\u%04x", (unsigned)cp);
}

void vmv_text_json(struct vmv_text *t, struct json_object *obj)
{
	/* json-c escapes C0 itself; everything beyond ASCII stands inside strings */
	const char *s = json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
								    JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t skip = 1, used;
	uint32_t cp;

	if (!s) {
		t->error = -ENOMEM;
		return;
	}
	for (size_t len = strlen(s); len > 0; s += used, len -= used) {
		size_t plain = 0;

		while (plain < len && s[plain] >= 0x20 && s[plain] < 0x7f)
			plain++;
		used = plain;
		if (plain > 0) {
			put(t, s, plain);
			continue;
		}
		used = vmv_utf8_decode((const unsigned char *)s, len, &cp, &skip);
		put_escaped(t, used ? cp : VMV_REPLACEMENT);
		used = used ? used : skip;
	}
	put(t, "\n", 1);
}

const char *vmv_size_text_num(char buf[VMV_SIZE_TEXT], double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t u = 0;

	if (!isfinite(bytes) || bytes < 0) {
		(void)snprintf(buf, VMV_SIZE_TEXT, "-");
		return buf;
	}
	/* 999.95 would be rounded up to four digits */
	while (bytes >= 999.95 && u + 1 < VMV_COUNTOF(units)) {
		bytes /= 1024;
		u++;
	}
	(void)snprintf(buf, VMV_SIZE_TEXT, "%.*f %s", u > 0, bytes, units[u]);
	return buf;
}

const char *vmv_size_text(char buf[VMV_SIZE_TEXT], uint64_t bytes)
{
	return vmv_size_text_num(buf, bytes == VMV_UNSET ? (double)NAN : (double)bytes);
}
