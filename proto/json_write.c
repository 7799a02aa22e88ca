#include "proto/json_write.h"

#include "base/num.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXACT_MAX    ((UINT64_C(1) << 53) - 1) /* what every double holds */
#define DECIMALS_MAX 19			       /* 10^19 is the largest power in 64 bits */

void vmv_jw_init(struct vmv_jw *w, size_t max)
{
	*w = (struct vmv_jw){ .buf.max = max };
}

void vmv_jw_free(struct vmv_jw *w)
{
	vmv_buf_free(&w->buf);
}

static void put(struct vmv_jw *w, const char *s, size_t len)
{
	if (w->error == 0)
		w->error = vmv_buf_add(&w->buf, s, len);
}

static void put_escape(struct vmv_jw *w, unsigned unit)
{
	char text[8];
	int n = snprintf(text, sizeof(text), "\\u%04x", unit & 0xffffu);

	put(w, text, (size_t)n);
}

static void put_code_point(struct vmv_jw *w, uint32_t cp)
{
	if (cp >= 0x10000) {
		put_escape(w, 0xd800 + ((cp - 0x10000) >> 10));
		put_escape(w, 0xdc00 + ((cp - 0x10000) & 0x3ff));
		return;
	}
	switch (cp) {
	case '"':
		put(w, "\\\"", 2);
		return;
	case '\\':
		put(w, "\\\\", 2);
		return;
	case '\n':
		put(w, "\\n", 2);
		return;
	case '\t':
		put(w, "\\t", 2);
		return;
	case '\r':
		put(w, "\\r", 2);
		return;
	default:
		put_escape(w, cp);
	}
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_string(struct vmv_jw *w, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t plain, n, skip = 0;
	uint32_t cp;

	put(w, "\"", 1);
	for (size_t i = 0; i < len; i += n) {
		for (plain = i; plain < len && is_plain(p[plain]); plain++)
			;
		if (plain > i) {
			put(w, s + i, plain - i);
			n = plain - i;
			continue;
		}
		n = vmv_utf8_decode(p + i, len - i, &cp, &skip);
		if (n == 0 || cp == 0) {
			w->is_lossy = true;
			cp = VMV_REPLACEMENT;
			n = n ? n : skip;
		}
		put_code_point(w, cp);
	}
	put(w, "\"", 1);
}

/* What stands before every value. */
static void lead(struct vmv_jw *w, const char *name)
{
	if (w->needs_comma)
		put(w, ",", 1);
	w->needs_comma = true;
	if (name) {
		put_string(w, name, strlen(name));
		put(w, ":", 1);
	}
}

static void open_with(struct vmv_jw *w, const char *name, const char *bracket)
{
	lead(w, name);
	put(w, bracket, 1);
	w->needs_comma = false;
}

static void close_with(struct vmv_jw *w, const char *bracket)
{
	put(w, bracket, 1);
	w->needs_comma = true;
}

void vmv_jw_open(struct vmv_jw *w, const char *name)
{
	open_with(w, name, "{");
}

void vmv_jw_close(struct vmv_jw *w)
{
	close_with(w, "}");
}

void vmv_jw_array(struct vmv_jw *w, const char *name)
{
	open_with(w, name, "[");
}

void vmv_jw_end(struct vmv_jw *w)
{
	close_with(w, "]");
}

void vmv_jw_raw(struct vmv_jw *w, const char *name, const char *json, size_t len)
{
	lead(w, name);
	put(w, json, len);
}

void vmv_jw_null(struct vmv_jw *w, const char *name)
{
	vmv_jw_raw(w, name, "null", 4);
}

void vmv_jw_bool(struct vmv_jw *w, const char *name, bool v)
{
	vmv_jw_raw(w, name, v ? "true" : "false", v ? 4 : 5);
}

void vmv_jw_int(struct vmv_jw *w, const char *name, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)v);

	vmv_jw_raw(w, name, text, (size_t)n);
}

void vmv_jw_u64(struct vmv_jw *w, const char *name, uint64_t v)
{
	char text[24];
	int n;

	if (v == VMV_UNSET) {
		vmv_jw_null(w, name);
		return;
	}
	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	vmv_jw_raw(w, name, text, (size_t)n);
}

void vmv_jw_num(struct vmv_jw *w, const char *name, double v, unsigned decimals)
{
	char text[340]; /* the largest double without exponent, and decimals */
	int n;

	if (!isfinite(v)) {
		vmv_jw_null(w, name);
		return;
	}
	n = snprintf(text, sizeof(text), "%.*f", (int)(decimals > 9 ? 9 : decimals), v);
	if (decimals > 0)
		while (n > 2 && text[n - 1] == '0' && text[n - 2] != '.')
			n--;
	if (n > 1 && text[0] == '-' && strspn(text + 1, "0.") >= (size_t)n - 1) {
		vmv_jw_raw(w, name, text + 1, (size_t)n - 1); /* no minus zero */
		return;
	}
	vmv_jw_raw(w, name, text, (size_t)n);
}

void vmv_jw_cell_u64(struct vmv_jw *w, const char *name, uint64_t v)
{
	char text[24];

	if (v <= EXACT_MAX || v == VMV_UNSET) {
		vmv_jw_u64(w, name, v);
		return;
	}
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	vmv_jw_str(w, name, text);
}

void vmv_jw_fixed(struct vmv_jw *w, const char *name, uint64_t v, unsigned decimals)
{
	char text[64];
	uint64_t unit = 1;
	int n;

	if (decimals > DECIMALS_MAX)
		decimals = DECIMALS_MAX;
	if (v == VMV_UNSET || decimals == 0) {
		vmv_jw_u64(w, name, v);
		return;
	}
	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	n = snprintf(text, sizeof(text), "%llu.%0*llu", (unsigned long long)(v / unit),
		     (int)decimals, (unsigned long long)(v % unit));
	while (text[n - 1] == '0' && text[n - 2] != '.')
		n--;
	vmv_jw_raw(w, name, text, (size_t)n);
}

void vmv_jw_double(struct vmv_jw *w, const char *name, double v)
{
	char text[32];
	int n;

	if (!isfinite(v)) {
		vmv_jw_null(w, name);
		return;
	}
	/* rounded up, the largest ones would be infinite for who reads them; no minus zero */
	n = snprintf(text, sizeof(text), "%.*g", fabs(v) < 1e308 ? 15 : 17, v == 0.0 ? 0.0 : v);
	if (!strpbrk(text, ".e"))
		n = (int)(stpcpy(text + n, ".0") - text);
	vmv_jw_raw(w, name, text, (size_t)n);
}

void vmv_jw_bytes(struct vmv_jw *w, const char *name, const char *s, size_t len)
{
	lead(w, name);
	put_string(w, s, len);
}

void vmv_jw_str(struct vmv_jw *w, const char *name, const char *s)
{
	if (s)
		vmv_jw_bytes(w, name, s, strlen(s));
	else
		vmv_jw_null(w, name);
}

void vmv_jw_str_or_null(struct vmv_jw *w, const char *name, const char *s)
{
	vmv_jw_str(w, name, s && *s ? s : NULL);
}

struct vmv_jw_mark vmv_jw_mark(const struct vmv_jw *w)
{
	return (struct vmv_jw_mark){ w->buf.len, w->needs_comma, w->is_lossy, w->error };
}

void vmv_jw_rewind(struct vmv_jw *w, struct vmv_jw_mark mark)
{
	if (w->buf.len > mark.len)
		w->buf.len = mark.len;
	w->needs_comma = mark.needs_comma;
	w->is_lossy = mark.is_lossy;
	if (w->error == -EFBIG)
		w->error = mark.error;
}

size_t vmv_jw_remaining(const struct vmv_jw *w)
{
	return w->error ? 0 : w->buf.max - w->buf.len;
}

int vmv_jw_finish(const struct vmv_jw *w)
{
	return w->error;
}
