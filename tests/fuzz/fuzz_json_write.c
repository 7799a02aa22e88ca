/* Any bytes as a string, any bits as a number: the text is ASCII and says the same when it is read
 * back. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "base/utf8.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <json-c/json.h>
#include <math.h>
#include <stdbool.h>

static void check_ascii(const struct vmv_jw *w)
{
	for (size_t i = 0; i < w->buf.len; i++)
		FUZZ_CHECK(w->buf.data[i] >= 0x20 && w->buf.data[i] < 0x7f);
}

static struct json_object *read_back(const struct vmv_jw *w)
{
	struct json_object *obj = NULL;

	check_ascii(w);
	FUZZ_CHECK(vmv_json_parse(w->buf.data, w->buf.len, &obj, NULL) == 0);
	return obj;
}

/* json-c takes these for halves of a pair when they are written as a pair of escapes, and reads
 * U+FFFD (its pull request 893). */
static bool is_misread(uint32_t cp)
{
	return cp >= 0x10000 && (cp & 0xf800) == 0xd800;
}

/* The bytes as they must come back, by a reader with that fault or by one without it. */
static size_t replaced(const uint8_t *data, size_t size, bool misreads, char *out, bool *is_lossy)
{
	size_t len = 0, skip = 0, n;
	uint32_t cp;

	*is_lossy = false;
	for (size_t i = 0; i < size; i += n) {
		n = vmv_utf8_decode(data + i, size - i, &cp, &skip);
		if (n > 0 && cp != 0 && !(misreads && is_misread(cp))) {
			memcpy(out + len, data + i, n);
			len += n;
			continue;
		}
		memcpy(out + len, "\xef\xbf\xbd", 3);
		len += 3;
		*is_lossy |= n == 0 || cp == 0;
		n = n ? n : skip;
	}
	return len;
}

static bool came_back(const uint8_t *data, size_t size, bool misreads, struct json_object *obj,
		      bool was_lossy)
{
	char *want = malloc(3 * size + 1);
	size_t want_len, len = 0;
	const char *got = vmv_json_text(obj, &len);
	bool is_lossy, is_same;

	FUZZ_CHECK(want);
	want_len = replaced(data, size, misreads, want, &is_lossy);
	is_same = got && len == want_len && memcmp(got, want, len) == 0;
	FUZZ_CHECK(is_lossy == was_lossy);
	free(want);
	return is_same;
}

static void try_string(const uint8_t *data, size_t size)
{
	struct json_object *obj, *text;
	struct vmv_jw w;

	vmv_jw_init(&w, 8 * size + 64);
	vmv_jw_open(&w, NULL);
	vmv_jw_bytes(&w, "s", (const char *)data, size);
	vmv_jw_close(&w);
	FUZZ_CHECK(vmv_jw_finish(&w) == 0);
	obj = read_back(&w);
	text = vmv_json_get(obj, "s");
	FUZZ_CHECK(came_back(data, size, false, text, w.is_lossy) ||
		   came_back(data, size, true, text, w.is_lossy));
	json_object_put(obj);
	vmv_jw_free(&w);
}

static void check_double(struct json_object *obj, double v, unsigned decimals)
{
	double got = vmv_json_num(obj);
	double unit = pow(10, -(double)(decimals > 9 ? 9 : decimals));

	FUZZ_CHECK(isfinite(v) == !isnan(got));
	if (isfinite(v) && fabs(v) < 9e15)
		FUZZ_CHECK(fabs(got - v) <= 0.5000001 * unit + fabs(v) * 1e-15);
	if (isfinite(v) && decimals > 0)
		FUZZ_CHECK(json_object_is_type(obj, json_type_double));
}

/* Exactly what the digits of v say, with a point in it. */
static void check_fixed(struct json_object *obj, uint64_t v, unsigned decimals)
{
	const char *text = json_object_to_json_string(obj), *point = strchr(text, '.');
	uint64_t digits = 0;
	unsigned behind = 0;

	if (decimals == 0 || v == VMV_UNSET)
		return;
	FUZZ_CHECK(point && point > text && point[1]);
	for (const char *p = text; *p; p++) {
		digits = *p == '.' ? digits : digits * 10 + (uint64_t)(*p - '0');
		behind += p > point;
	}
	FUZZ_CHECK(behind == 1 || text[strlen(text) - 1] != '0');
	for (; behind < decimals; behind++)
		digits *= 10;
	FUZZ_CHECK(digits == v);
}

static void try_cells(const uint8_t *data, size_t size)
{
	struct json_object *obj, *cell;
	struct vmv_jw w;
	uint64_t bits;
	size_t len;
	double v;

	if (size < 9)
		return;
	memcpy(&bits, data, 8);
	memcpy(&v, data, 8);
	vmv_jw_init(&w, 4096);
	vmv_jw_open(&w, NULL);
	vmv_jw_fixed(&w, "f", bits, data[8] % 20);
	vmv_jw_cell_u64(&w, "c", bits);
	vmv_jw_double(&w, "d", v);
	vmv_jw_close(&w);
	FUZZ_CHECK(vmv_jw_finish(&w) == 0);
	obj = read_back(&w);
	check_fixed(vmv_json_get(obj, "f"), bits, data[8] % 20);
	cell = vmv_json_get(obj, "c");
	FUZZ_CHECK(!cell == (bits == VMV_UNSET));
	FUZZ_CHECK(!vmv_json_text(cell, &len) == (bits == VMV_UNSET || bits < (UINT64_C(1) << 53)));
	FUZZ_CHECK(isfinite(v) == !isnan(vmv_json_num(vmv_json_get(obj, "d"))));
	if (isfinite(v))
		FUZZ_CHECK(fabs(vmv_json_num(vmv_json_get(obj, "d")) - v) <= fabs(v) * 1e-14);
	json_object_put(obj);
	vmv_jw_free(&w);
}

static void try_numbers(const uint8_t *data, size_t size)
{
	struct json_object *obj;
	struct vmv_jw w;
	unsigned decimals;
	uint64_t bits;
	double v;

	if (size < 9)
		return;
	memcpy(&bits, data, 8);
	memcpy(&v, data, 8);
	decimals = data[8] % 12;
	vmv_jw_init(&w, 4096);
	vmv_jw_open(&w, NULL);
	vmv_jw_num(&w, "d", v, decimals);
	vmv_jw_u64(&w, "u", bits);
	vmv_jw_int(&w, "i", (int64_t)bits);
	vmv_jw_bool(&w, "b", bits & 1);
	vmv_jw_str_or_null(&w, "n", "");
	vmv_jw_close(&w);
	FUZZ_CHECK(vmv_jw_finish(&w) == 0);
	obj = read_back(&w);
	check_double(vmv_json_get(obj, "d"), v, decimals);
	if (bits == VMV_UNSET)
		FUZZ_CHECK(!vmv_json_get(obj, "u"));
	else
		FUZZ_CHECK(json_object_get_uint64(vmv_json_get(obj, "u")) == bits);
	FUZZ_CHECK(json_object_get_int64(vmv_json_get(obj, "i")) == (int64_t)bits);
	FUZZ_CHECK(!vmv_json_get(obj, "n"));
	json_object_put(obj);
	vmv_jw_free(&w);
}

/* A list that is cut to fit: the way the process list is written. */
static void try_cut(const uint8_t *data, size_t size)
{
	size_t max = 16 + (size > 0 ? data[0] : 0), n = 0;
	struct json_object *obj;
	struct vmv_jw w;

	vmv_jw_init(&w, max);
	vmv_jw_open(&w, NULL);
	vmv_jw_array(&w, "a");
	for (size_t at = 1; at < size; at += 7) {
		struct vmv_jw_mark mark = vmv_jw_mark(&w);

		vmv_jw_bytes(&w, NULL, (const char *)data + at, size - at < 7 ? size - at : 7);
		if (vmv_jw_remaining(&w) < 2) { /* what closes it */
			vmv_jw_rewind(&w, mark);
			break;
		}
		n++;
	}
	vmv_jw_end(&w);
	vmv_jw_close(&w);
	FUZZ_CHECK(vmv_jw_finish(&w) == 0);
	FUZZ_CHECK(w.buf.len <= max);
	obj = read_back(&w);
	FUZZ_CHECK(json_object_array_length(vmv_json_get(obj, "a")) == n);
	json_object_put(obj);
	vmv_jw_free(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size);

	try_string(copy, size);
	try_numbers(copy, size);
	try_cells(copy, size);
	try_cut(copy, size);
	free(copy);
	return 0;
}
