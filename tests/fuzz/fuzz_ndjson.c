/* The framer, fed in pieces, against a reference that goes byte by byte. */
#include "tests/fuzz/fuzz.h"

#include "proto/ndjson.h"

#define HEADER \
	8 /* bytes: the longest line; then lengths of pieces, one after the other, for ever */
#define RESET 0xff

/* What the framer should say. */
struct reference {
	char *line; /* the unfinished one; as much room as there is input */
	size_t len, max;
	uint64_t oversize;
	char *out; /* finished lines, each followed by LF */
	size_t out_len, out_at;
};

static void finish_line(struct reference *r)
{
	char *s = r->line;
	size_t n = r->len;

	r->len = 0;
	if (n > r->max + 1 || (n > r->max && s[n - 1] != '\r')) {
		r->oversize++;
		return;
	}
	if (n > 0 && s[n - 1] == '\r')
		n--;
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	while (n > 0 && (*s == ' ' || *s == '\t')) {
		s++;
		n--;
	}
	if (n == 0)
		return;
	memcpy(r->out + r->out_len, s, n);
	r->out_len += n;
	r->out[r->out_len++] = '\n';
}

static void feed(struct reference *r, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n')
			finish_line(r);
		else
			r->line[r->len++] = (char)data[i];
	}
}

static void compare(struct vmv_framer *f, struct reference *r)
{
	char *line;
	size_t len;

	while (vmv_framer_next(f, &line, &len)) {
		FUZZ_CHECK(len > 0 && len <= r->max);
		FUZZ_CHECK(line[len] == '\0');
		FUZZ_CHECK(r->out_at + len < r->out_len);
		FUZZ_CHECK(memcmp(r->out + r->out_at, line, len) == 0);
		FUZZ_CHECK(r->out[r->out_at + len] == '\n');
		r->out_at += len + 1;
	}
	FUZZ_CHECK(r->out_at == r->out_len);
	FUZZ_CHECK(vmv_framer_held(f) <= r->max + 1);
	/* a line that is over it already may be counted before its LF */
	FUZZ_CHECK(f->oversize == r->oversize ||
		   (f->oversize == r->oversize + 1 && r->len > r->max));
}

/* A line dropped by the reset was counted, or was not. */
static void reset(struct vmv_framer *f, struct reference *r)
{
	vmv_framer_reset(f);
	r->oversize = f->oversize;
	r->len = 0;
	FUZZ_CHECK(vmv_framer_held(f) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reference r = { .max = size > 0 ? 1 + data[0] % 64 : 1 };
	struct vmv_framer f;

	if (size < HEADER)
		return 0;
	r.line = malloc(size);
	r.out = malloc(size + 1);
	FUZZ_CHECK(r.line && r.out);
	vmv_framer_init(&f, r.max);
	for (size_t at = HEADER, k = 0; at < size; k++) {
		uint8_t piece = data[1 + k % (HEADER - 1)];
		size_t n = piece == RESET ? 1 : piece % 64 + 1;
		uint8_t *copy;

		if (piece == RESET)
			reset(&f, &r);
		n = n > size - at ? size - at : n;
		copy = fuzz_copy(data + at, n);
		FUZZ_CHECK(vmv_framer_push(&f, copy, n) == 0);
		free(copy);
		feed(&r, data + at, n);
		compare(&f, &r);
		at += n;
	}
	vmv_framer_free(&f);
	free(r.line);
	free(r.out);
	return 0;
}
