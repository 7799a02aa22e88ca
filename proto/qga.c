#include "proto/qga.h"

#include "base/err.h"
#include "base/limits.h"
#include "proto/json_read.h"

#include <errno.h>
#include <json-c/json.h>
#include <json-c/json_object_iterator.h>
#include <string.h>

#define KEEP  (64 * VMV_KIB) /* memory kept between requests */
#define FLUSH ((char)0xff)

void vmv_qga_framer_set_max(struct vmv_qga_framer *f, size_t max)
{
	f->max = max;
	f->buf.max = max + 2 + 2 * VMV_READ_BUDGET;
}

void vmv_qga_framer_init(struct vmv_qga_framer *f, size_t max)
{
	*f = (struct vmv_qga_framer){ .max = 0 };
	vmv_qga_framer_set_max(f, max);
}

void vmv_qga_framer_free(struct vmv_qga_framer *f)
{
	vmv_buf_free(&f->buf);
}

static void forget_state(struct vmv_qga_framer *f)
{
	f->depth = 0;
	f->in_string = f->is_escaped = false;
}

void vmv_qga_framer_reset(struct vmv_qga_framer *f)
{
	vmv_buf_clear(&f->buf, KEEP);
	f->taken = f->scanned = 0;
	f->is_skipping = false;
	forget_state(f);
}

size_t vmv_qga_framer_held(const struct vmv_qga_framer *f)
{
	return f->buf.len - f->taken;
}

static void compact(struct vmv_qga_framer *f)
{
	if (f->taken == 0)
		return;
	f->scanned -= f->taken;
	if (f->taken == f->buf.len)
		vmv_buf_clear(&f->buf, KEEP);
	else
		vmv_buf_drain(&f->buf, f->taken);
	f->taken = 0;
}

int vmv_qga_framer_push(struct vmv_qga_framer *f, const void *data, size_t len)
{
	int r;

	compact(f);
	r = vmv_buf_add(&f->buf, data, len);
	if (r == 0)
		return 0;
	vmv_qga_framer_reset(f); /* whoever does not take what there is gets this */
	f->is_skipping = true;
	return r == -EFBIG ? 0 : r;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Ends the piece at hand before offset end, and goes on at next. False: there was nothing in it. */
static bool cut(struct vmv_qga_framer *f, size_t end, size_t next, const char **text, size_t *len)
{
	const char *p = f->buf.data + f->taken;
	size_t n = end - f->taken;

	f->taken = f->scanned = next;
	forget_state(f);
	while (n > 0 && is_blank(p[n - 1]))
		n--;
	while (n > 0 && is_blank(*p)) {
		p++;
		n--;
	}
	*text = p;
	*len = n;
	return n > 0;
}

/* The same, and nobody is told what was in it. */
static void flush(struct vmv_qga_framer *f, size_t end, size_t next)
{
	const char *text;
	size_t len;

	f->flushed += cut(f, end, next, &text, &len);
}

/* One character of what is at hand. True: it closes the outermost bracket. */
static bool step(struct vmv_qga_framer *f, char c)
{
	if (f->is_escaped) {
		f->is_escaped = false;
	} else if (f->in_string) {
		f->is_escaped = c == '\\';
		f->in_string = c != '"';
	} else if (c == '"') {
		f->in_string = f->depth > 0; /* outside of brackets it is junk anyway */
	} else if (c == '{' || c == '[') {
		f->depth++;
	} else if ((c == '}' || c == ']') && f->depth > 0) {
		return --f->depth == 0;
	}
	return false;
}

/* Up to where it ends, or nothing of it is left. */
static bool skip(struct vmv_qga_framer *f)
{
	while (f->scanned < f->buf.len) {
		char c = f->buf.data[f->scanned++];

		f->taken = f->scanned;
		if (c != '\n' && c != FLUSH)
			continue;
		f->is_skipping = false;
		f->oversize++;
		return c == '\n';
	}
	return false;
}

static bool overflow(struct vmv_qga_framer *f)
{
	if (f->scanned - f->taken <= f->max)
		return false;
	f->taken = f->scanned;
	forget_state(f);
	f->is_skipping = true;
	return skip(f);
}

/* The next character. */
static enum vmv_qga_piece scan(struct vmv_qga_framer *f, const char **text, size_t *len)
{
	size_t at = f->scanned;
	char c = f->buf.data[at];

	if (c == FLUSH) {
		flush(f, at, at + 1);
		return VMV_QGA_NONE;
	}
	if (c == '\n')
		return cut(f, at, at + 1, text, len) ? VMV_QGA_JUNK : VMV_QGA_NONE;
	/* what nobody ended before a request begins on its line was another client's */
	if (c == '{' && f->depth == 0)
		flush(f, at, at);
	f->scanned = at + 1;
	if (step(f, c)) {
		(void)cut(f, at + 1, at + 1, text, len);
		return VMV_QGA_REQUEST;
	}
	return overflow(f) ? VMV_QGA_TOO_LONG : VMV_QGA_NONE;
}

enum vmv_qga_piece vmv_qga_framer_next(struct vmv_qga_framer *f, const char **text, size_t *len)
{
	enum vmv_qga_piece kind = VMV_QGA_NONE;

	*text = NULL;
	*len = 0;
	if (f->is_skipping && skip(f))
		return VMV_QGA_TOO_LONG;
	while (kind == VMV_QGA_NONE && f->scanned < f->buf.len)
		kind = scan(f, text, len);
	if (kind == VMV_QGA_NONE || kind == VMV_QGA_TOO_LONG) {
		*text = NULL;
		*len = 0;
	}
	return kind;
}

static bool begins_request(const char *p, size_t len)
{
	static const char word[] = "\"execute\"";
	size_t i = 1;

	if (len == 0 || *p != '{')
		return false;
	while (i < len && is_blank(p[i]))
		i++;
	return len - i >= sizeof(word) - 1 && memcmp(p + i, word, sizeof(word) - 1) == 0;
}

size_t vmv_qga_restart(const char *text, size_t len)
{
	for (size_t at = len; at-- > 1;)
		if (begins_request(text + at, len - at))
			return at;
	return len;
}

/* -- parsing ------------------------------------------------------------------------------------
 */

/* The digits behind a minus sign: an integer below 64 bits, which json-c would make the least one
 * that there is. */
static bool is_underflow(const char *digits, size_t len)
{
	static const char least[] = "9223372036854775808";
	size_t n = 0;

	while (n < len && digits[n] >= '0' && digits[n] <= '9')
		n++;
	if (n < len && strchr(".eE", digits[n]))
		return false;
	return n > sizeof(least) - 1 || (n == sizeof(least) - 1 && memcmp(digits, least, n) > 0);
}

/* Colons outside of strings: one for each member that was written. */
static size_t count_written(const char *text, size_t len, bool *has_underflow)
{
	bool in_string = false, is_escaped = false;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (is_escaped)
			is_escaped = false;
		else if (in_string && text[i] == '\\')
			is_escaped = true;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string && text[i] == '-')
			*has_underflow |= is_underflow(text + i + 1, len - i - 1);
		else
			n += !in_string && text[i] == ':';
	}
	return n;
}

/* The depth is bounded: it was parsed. */
static size_t count_read(struct json_object *json)
{
	size_t n = 0;

	if (json_object_is_type(json, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(json); i++)
			n += count_read(json_object_array_get_idx(json, i));
	} else if (json_object_is_type(json, json_type_object)) {
		struct json_object_iterator at = json_object_iter_begin(json);
		struct json_object_iterator end = json_object_iter_end(json);

		for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
			n += 1 + count_read(json_object_iter_peek_value(&at));
	}
	return n;
}

/* What begins with no bracket may be JSON still: the parser is for objects and takes it as a
 * member.
 */
static bool is_scalar(const char *text, size_t len)
{
	struct vmv_buf b = { .max = len + 16 };
	struct json_object *json = NULL;
	bool is_one = false;

	if (len > 0 && *text != '{' && vmv_buf_add(&b, "{\"\":", 4) == 0 &&
	    vmv_buf_add(&b, text, len) == 0 && vmv_buf_add(&b, "}", 1) == 0)
		is_one = vmv_json_parse(b.data, b.len, &json, NULL) == 0 &&
			 json_object_object_length(json) == 1;
	vmv_buf_free(&b);
	json_object_put(json);
	return is_one;
}

int vmv_qga_parse(const char *text, size_t len, struct json_object **ret, struct vmv_err *err)
{
	struct json_object *json = NULL;
	struct vmv_err why = { .code = VMV_OK };
	bool has_underflow = false;
	const char *wrong = NULL;
	int r = vmv_json_parse(text, len, &json, &why);

	if (r == -ENOMEM)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (r < 0 && is_scalar(text, len))
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "QMP input must be a JSON object");
	if (r < 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "JSON parse error, %.200s", why.msg);
	if (count_read(json) != count_written(text, len, &has_underflow))
		wrong = "duplicate key";
	else if (has_underflow)
		wrong = "a number too small";
	if (wrong) {
		json_object_put(json);
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "JSON parse error, %s", wrong);
	}
	*ret = json;
	return 0;
}
