/* The framer of the second language, fed in pieces: whatever the pieces, the same comes out. What
 * it hands out is parsed, judged and its arguments are looked at. */
#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "commands/qga.h"
#include "proto/qga.h"

#include <json-c/json.h>

#define HEADER 4 /* bytes: the longest request; then lengths of pieces, one after the other */

/* What comes out: kind, text, LF. */
struct outcome {
	char *text;
	size_t len, size;
};

static void note(struct outcome *o, enum vmv_qga_piece kind, const char *text, size_t len)
{
	FUZZ_CHECK(o->len + len + 2 <= o->size);
	o->text[o->len++] = (char)('0' + kind);
	if (len > 0)
		memcpy(o->text + o->len, text, len);
	o->len += len;
	o->text[o->len++] = '\n';
}

static void judge(const char *text, size_t len)
{
	static const struct vmv_policy policy = { .level = VMV_FULL, .has_executor = true };
	struct vmv_value values[VMV_ARGS_MAX];
	struct json_object *request = NULL;
	struct vmv_err err = { .code = VMV_OK };
	struct vmv_qga_call call;
	int r = vmv_qga_parse(text, len, &request, &err);

	fuzz_check_result(r, &err);
	FUZZ_CHECK((r == 0) == (request != NULL));
	FUZZ_CHECK(vmv_qga_restart(text, len) <= len);
	if (r == 0) {
		r = vmv_qga_call(request, &call, &err);
		fuzz_check_result(r, &err);
		FUZZ_CHECK((r == 0) == (call.command != NULL));
	}
	if (r == 0) {
		FUZZ_CHECK(vmv_qga_judge(&policy, call.command, &err) == 0);
		fuzz_check_result(vmv_qga_args(call.command, call.arguments, values, &err), &err);
	}
	json_object_put(request);
}

static void take_all(struct vmv_qga_framer *f, struct outcome *o, bool judges)
{
	enum vmv_qga_piece kind;
	const char *text;
	size_t len;

	while ((kind = vmv_qga_framer_next(f, &text, &len)) != VMV_QGA_NONE) {
		FUZZ_CHECK(kind == VMV_QGA_TOO_LONG ? len == 0 : len > 0 && len <= f->max + 1);
		FUZZ_CHECK(!len || !memchr(text, '\xff', len));
		FUZZ_CHECK(!len || !memchr(text, '\n', len));
		FUZZ_CHECK(kind != VMV_QGA_REQUEST || text[len - 1] == '}' || text[len - 1] == ']');
		if (judges && len > 0) {
			uint8_t *copy = fuzz_copy((const uint8_t *)text, len);

			judge((const char *)copy, len);
			free(copy);
		}
		note(o, kind, text, len);
	}
	FUZZ_CHECK(vmv_qga_framer_held(f) <= f->max + 1);
}

static void feed(struct outcome *o, size_t max, const uint8_t *lengths, const uint8_t *data,
		 size_t size)
{
	struct vmv_qga_framer f;

	vmv_qga_framer_init(&f, max);
	for (size_t at = 0, k = 0; at < size; k++) {
		size_t n = lengths ? lengths[k % (HEADER - 1)] % 64 + 1u : 1;

		n = n > size - at ? size - at : n;
		FUZZ_CHECK(vmv_qga_framer_push(&f, data + at, n) == 0);
		take_all(&f, o, lengths != NULL);
		at += n;
	}
	vmv_qga_framer_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome one = { .size = 4 * size + 16 }, other = one;
	size_t max;

	if (size < HEADER)
		return 0;
	max = 1 + data[0] * 4u;
	one.text = malloc(one.size);
	other.text = malloc(other.size);
	FUZZ_CHECK(one.text && other.text);
	feed(&one, max, data + 1, data + HEADER, size - HEADER);
	feed(&other, max, NULL, data + HEADER, size - HEADER);
	FUZZ_CHECK(one.len == other.len);
	FUZZ_CHECK(one.len == 0 || memcmp(one.text, other.text, one.len) == 0);
	free(one.text);
	free(other.text);
	return 0;
}
