/* A line from the host, verified; and the same bytes signed and verified: what is signed here must
 * be taken there, and nothing else. */
#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "proto/base64.h"
#include "proto/envelope.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "proto/keyfile.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>

#define NOW INT64_C(1784030411000) /* when most golden lines are fresh */

static const char SECRET[] = "9611629bbdd645fccd468a01c6511a75fe0c9c32b44cf4b45013d3208e7a96f8";
static const char SESSION[] = "0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5";
static const char VM_ID[] = "3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001";

/* The public key 1 of the golden lines, and one whose seed is here. */
static const char LAB_KEY[] = "GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71FKcE=";
static const uint8_t SEED[VMV_SEED_SIZE] = { 1, 2, 3 };

struct guest {
	uint8_t pub[2][VMV_PUBLIC_SIZE + 1];
	char id[2][VMV_KEY_ID_SIZE];
	unsigned used; /* nonces and counters */
	int64_t counter;
};

static const uint8_t *key(void *arg, const char *id)
{
	struct guest *g = arg;

	FUZZ_CHECK(vmv_key_id_valid(id, strlen(id)));
	for (int i = 0; i < 2; i++)
		if (strcmp(g->id[i], id) == 0)
			return g->pub[i];
	return NULL;
}

static int nonce(void *arg, const char *text, size_t len, int64_t until)
{
	struct guest *g = arg;

	FUZZ_CHECK(len >= 1 && len <= VMV_NONCE_MAX && text[len] == '\0');
	FUZZ_CHECK(until >= NOW + VMV_V1_WINDOW_MS && until <= NOW + 2 * VMV_V1_WINDOW_MS);
	return g->used++ > 0 ? -EEXIST : 0;
}

static int counter(void *arg, const char *id, const char *session, int64_t v, int64_t *ret_last)
{
	struct guest *g = arg;

	FUZZ_CHECK(key(arg, id) && strcmp(session, SESSION) == 0 && v >= 0 && v <= VMV_INT_MAX);
	*ret_last = g->counter;
	if (v == 0)
		return 0;
	g->used++;
	if (v <= g->counter)
		return -EEXIST;
	g->counter = v;
	return 0;
}

static struct vmv_verifier verifier(struct guest *g)
{
	return (struct vmv_verifier){
		.secret = { SECRET, sizeof(SECRET) - 1 },
		.accepts_v1 = true,
		.has_keys = true,
		.vm_id = VM_ID,
		.session = SESSION,
		.now_real_ms = NOW,
		.key = key,
		.nonce = nonce,
		.counter = counter,
		.arg = g,
	};
}

static void set_up(struct guest *g)
{
	size_t len;

	*g = (struct guest){ 0 };
	FUZZ_CHECK(vmv_base64_decode(LAB_KEY, strlen(LAB_KEY), g->pub[0], &len));
	vmv_key_public(SEED, g->pub[1]);
	for (int i = 0; i < 2; i++)
		vmv_key_id(g->pub[i], g->id[i]);
}

static void check_verdict(int r, const struct vmv_verdict *verdict, const struct vmv_err *err,
			  const struct guest *g)
{
	struct vmv_jw w;

	FUZZ_CHECK(r < 0 || (verdict->is_vouched && verdict->version > 0));
	FUZZ_CHECK(verdict->is_vouched || g->used == 0); /* a forgery changes nothing */
	FUZZ_CHECK(!verdict->has_times || err->code == VMV_E_STALE);
	FUZZ_CHECK(!verdict->has_counter || err->code == VMV_E_SESSION ||
		   err->code == VMV_E_REPLAYED);
	if (r < 0 && !verdict->is_vouched)
		FUZZ_CHECK(err->code == VMV_E_RANGE || err->code == VMV_E_UNSUPPORTED ||
			   err->code == VMV_E_SIGNATURE || err->code == VMV_E_KEY);
	vmv_jw_init(&w, 4096);
	vmv_verdict_data(&w, NULL, verdict);
	FUZZ_CHECK(vmv_jw_finish(&w) == 0);
	vmv_jw_free(&w);
}

/* Returns what became of a line: VMV_OK it was accepted. */
static enum vmv_errc verify(struct guest *g, const char *line, size_t len)
{
	struct vmv_verifier v = verifier(g);
	struct json_object *message = NULL, *payload = NULL;
	struct vmv_verdict verdict;
	struct vmv_err err = { 0 };
	int r;

	if (vmv_json_parse(line, len, &message, NULL) < 0)
		return VMV_E_PARSE;
	r = vmv_envelope_verify(&v, message, &payload, &verdict, &err);
	fuzz_check_result(r, &err);
	FUZZ_CHECK((r == 0) == (payload != NULL));
	check_verdict(r, &verdict, &err, g);
	json_object_put(payload);
	json_object_put(message);
	return err.code;
}

static void check_signed(struct vmv_jw *w, bool is_object)
{
	struct guest g;

	set_up(&g);
	FUZZ_CHECK(vmv_jw_finish(w) == 0);
	FUZZ_CHECK(verify(&g, w->buf.data, w->buf.len) == (is_object ? VMV_OK : VMV_E_RANGE));
	FUZZ_CHECK(g.used == 1);
	FUZZ_CHECK(verify(&g, w->buf.data, w->buf.len) == VMV_E_REPLAYED);
	vmv_jw_free(w);
}

/* Any text can be signed, and comes through JSON as it was. */
static void sign_and_verify(const uint8_t *data, size_t size)
{
	struct vmv_span text = { (const char *)data, size };
	struct vmv_span session = { SESSION, strlen(SESSION) };
	struct json_object *obj = NULL;
	struct vmv_jw w;
	bool is_object;

	if (!vmv_utf8_valid(data, size) || memchr(data, '\0', size))
		return;
	is_object = vmv_json_parse(text.s, text.len, &obj, NULL) == 0;
	json_object_put(obj);
	vmv_jw_init(&w, 16 * VMV_MIB);
	vmv_envelope_v1(&w, (struct vmv_span){ SECRET, strlen(SECRET) }, NOW, session, text);
	check_signed(&w, is_object);
	vmv_jw_init(&w, 16 * VMV_MIB);
	FUZZ_CHECK(vmv_envelope_v2(&w, SEED, VM_ID, session, 7, text) == 0);
	check_signed(&w, is_object);
}

/* What is taken as base64 is the one way to write it. */
static void check_base64(const uint8_t *data, size_t size)
{
	uint8_t *bytes = calloc(1, VMV_BASE64_BYTES(size) + 1);
	char *back = calloc(1, VMV_BASE64_LEN(size) + 4);
	size_t len = 0;

	FUZZ_CHECK(bytes && back);
	if (vmv_base64_decode((const char *)data, size, bytes, &len)) {
		FUZZ_CHECK(len <= VMV_BASE64_BYTES(size) && VMV_BASE64_LEN(len) == size);
		vmv_base64(bytes, len, back);
		FUZZ_CHECK(memcmp(back, data, size) == 0);
	}
	free(bytes);
	bytes = calloc(1, size + 1);
	FUZZ_CHECK(bytes);
	vmv_base64(data, size, back);
	FUZZ_CHECK(vmv_base64_decode(back, strlen(back), bytes, &len) && len == size);
	FUZZ_CHECK(size == 0 || memcmp(bytes, data, size) == 0);
	free(bytes);
	free(back);
}

static void check_key_files(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), comment[VMV_KEY_COMMENT_MAX];
	uint8_t bytes[VMV_PUBLIC_SIZE], back[VMV_PUBLIC_SIZE];
	char line[VMV_PUBLIC_LINE_SIZE], seed[VMV_SEED_TEXT_SIZE];
	struct vmv_err err = { 0 };
	struct vmv_span span;
	int r = vmv_public_parse(text, bytes, comment, &err);

	fuzz_check_result(r, &err);
	if (r == 0) {
		vmv_public_line(bytes, comment, line, sizeof(line));
		FUZZ_CHECK(vmv_public_parse(line, back, NULL, NULL) == 0);
		FUZZ_CHECK(memcmp(bytes, back, sizeof(back)) == 0);
	}
	err = (struct vmv_err){ 0 };
	r = vmv_seed_parse(text, bytes, &err);
	fuzz_check_result(r, &err);
	if (r == 0) {
		vmv_seed_text(bytes, seed);
		FUZZ_CHECK(vmv_seed_parse(seed, back, NULL) == 0);
		FUZZ_CHECK(memcmp(bytes, back, sizeof(back)) == 0);
	}
	if (vmv_secret_parse(text, &span, NULL) == 0)
		FUZZ_CHECK(span.len >= 1 && span.len <= VMV_SECRET_MAX && span.s == text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size);
	struct guest g;

	set_up(&g);
	(void)verify(&g, (const char *)copy, size);
	sign_and_verify(copy, size);
	check_base64(copy, size);
	check_key_files(copy, size);
	free(copy);
	return 0;
}
