#include "job/scrub.h"

#include "base/buf.h"

#include <string.h>

static bool is_at(const char *at, const char *end, const char *secret, size_t len)
{
	return (size_t)(end - at) >= len && memcmp(at, secret, len) == 0;
}

static int add_scrubbed(struct vmv_buf *to, const char *at, const char *end, const char *secret)
{
	size_t len = strlen(secret);

	while (at < end) {
		const char *next = at;
		int r;

		while (next < end && !is_at(next, end, secret, len))
			next++;
		r = vmv_buf_add(to, at, (size_t)(next - at));
		if (r == 0 && next < end)
			r = vmv_buf_add(to, "***", 3);
		if (r < 0)
			return r;
		at = next < end ? next + len : end;
	}
	return 0;
}

/* Bytes at the end of text that are the beginning of secret. */
static size_t begun(const struct vmv_buf *text, const char *secret)
{
	size_t n = strlen(secret) - 1;

	if (n > text->len)
		n = text->len;
	while (n > 0 && memcmp(text->data + text->len - n, secret, n) != 0)
		n--;
	return n;
}

int vmv_scrub(struct vmv_buf *text, const char *secret, bool is_cut)
{
	struct vmv_buf clean = { .max = text->max > text->len * 3 ? text->max : text->len * 3 };
	int r;

	if (text->len == 0)
		return 0;
	if (is_cut)
		text->len -= begun(text, secret);
	r = add_scrubbed(&clean, text->data, text->data + text->len, secret);
	vmv_buf_free(text);
	if (r < 0) {
		vmv_buf_free(&clean);
		return r;
	}
	*text = clean;
	return 0;
}
