#include "proto/envelope.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "execd/counters.h"
#include "execd/nonces.h"
#include "proto/base64.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <json-c/json.h>
#include <nettle/eddsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A guest that verifies: with the executor's own nonces and counters, in a directory of its own. */
static struct {
	struct vmv_clock clock; /* first: real_ms casts back */
	int64_t now;
	uint64_t mono;
	char dir[64];
	struct vmv_nonces *nonces;
	struct vmv_counters *counters;
	struct {
		char id[VMV_KEY_ID_SIZE];
		uint8_t pub[VMV_PUBLIC_SIZE], seed[VMV_SEED_SIZE];
		bool is_trusted;
	} keys[3];
	size_t n_keys;
} g;

static const char SESSION[] = "0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5";
static const char VM_ID[] = "3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001";
static const char SECRET[] = "9611629bbdd645fccd468a01c6511a75fe0c9c32b44cf4b45013d3208e7a96f8";

static int64_t real_ms(const struct vmv_clock *clock)
{
	(void)clock;
	return g.now;
}

static uint64_t mono_ns(const struct vmv_clock *clock)
{
	(void)clock;
	return g.mono;
}

static void up(void)
{
	g.clock = (struct vmv_clock){ mono_ns, real_ms };
	g.now = 1784030400000;
	g.mono = UINT64_C(1000000000000);
	strcpy(g.dir, "/tmp/vmvitals-envelope-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(g.dir));
	g.nonces = vmv_nonces_new(g.dir, "boot-1", &g.clock);
	ck_assert_ptr_nonnull(g.nonces);
	ck_assert_int_eq(vmv_counters_open(&g.counters, g.dir), 0);
	g.n_keys = 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void down(void)
{
	vmv_nonces_free(g.nonces);
	vmv_counters_free(g.counters);
	ck_assert_int_eq(nftw(g.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static const uint8_t *key(void *arg, const char *id)
{
	(void)arg;
	for (size_t i = 0; i < g.n_keys; i++)
		if (g.keys[i].is_trusted && strcmp(g.keys[i].id, id) == 0)
			return g.keys[i].pub;
	return NULL;
}

static int nonce(void *arg, const char *text, size_t len, int64_t until)
{
	(void)arg;
	return vmv_nonces_use(g.nonces, text, len, until);
}

static int counter(void *arg, const char *id, const char *session, int64_t v, int64_t *ret_last)
{
	(void)arg;
	return vmv_counters_use(g.counters, session, id, v, ret_last);
}

static struct vmv_verifier verifier(void)
{
	return (struct vmv_verifier){
		.secret = { SECRET, strlen(SECRET) },
		.accepts_v1 = true,
		.has_keys = g.n_keys > 0,
		.vm_id = VM_ID,
		.session = SESSION,
		.now_real_ms = g.now,
		.key = key,
		.nonce = nonce,
		.counter = counter,
	};
}

/* What the protocol calls it. */
static const char *word(int r, const struct vmv_err *err)
{
	static const char *const words[VMV_N_ERRC] = {
		[VMV_E_IO] = "INTERNAL",
		[VMV_E_RANGE] = "BAD_ARGUMENT",
		[VMV_E_UNSUPPORTED] = "UNSUPPORTED",
		[VMV_E_BUSY] = "BUSY",
		[VMV_E_SIGNATURE] = "BAD_SIGNATURE",
		[VMV_E_STALE] = "STALE",
		[VMV_E_REPLAYED] = "REPLAYED",
		[VMV_E_KEY] = "UNKNOWN_KEY",
		[VMV_E_SESSION] = "WRONG_SESSION",
		[VMV_E_LOCKED] = "LOCKED",
	};

	return r == 0 ? "ACCEPTED" : words[err->code] ? words[err->code] : "?";
}

static struct vmv_verdict verdict;
static struct vmv_err why;

static const char *verify_with(const struct vmv_verifier *v, const char *line, size_t len)
{
	struct json_object *message = NULL, *payload = NULL;
	int r = vmv_json_parse(line, len, &message, &why);

	ck_assert_msg(r == 0, "%s", why.msg);
	why = (struct vmv_err){ 0 };
	r = vmv_envelope_verify(v, message, &payload, &verdict, &why);
	ck_assert_int_eq(r == 0, payload != NULL);
	ck_assert_int_eq(r == 0, why.msg[0] == '\0');
	json_object_put(payload);
	json_object_put(message);
	return word(r, &why);
}

static const char *verify(const char *line)
{
	struct vmv_verifier v = verifier();

	return verify_with(&v, line, strlen(line));
}

/* -- the golden lines ------------------------------------------------------------------------ */

static struct json_object *golden(const char *name, char **ret_lines)
{
	const char *top = getenv("top_srcdir");
	struct json_object *expect;
	char path[512];
	char *text = NULL;
	size_t cap = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/tests/e2e/golden/%s.expect.json", top ? top : ".",
		       name);
	expect = json_object_from_file(path);
	ck_assert_msg(expect != NULL, "cannot read %s", path);
	(void)snprintf(path, sizeof(path), "%s/tests/e2e/golden/%s.ndjson", top ? top : ".", name);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(getdelim(&text, &cap, '\0', f), 0); /* all of it */
	(void)fclose(f);
	*ret_lines = text;
	return expect;
}

static void check_case(const struct vmv_verifier *v, struct json_object *c, char **line)
{
	char *end = strchr(*line, '\n');
	const char *expected = vmv_json_str(c, "verdict"), *got;

	ck_assert_ptr_nonnull(end);
	got = verify_with(v, *line, (size_t)(end - *line));
	ck_assert_msg(strcmp(got, expected) == 0, "%s: %s, expected %s (%s)",
		      vmv_json_str(c, "name"), got, expected, why.msg);
	*line = end + 1;
}

START_TEST(golden_lines_of_version_1)
{
	vmv_autofree char *lines = NULL;
	struct json_object *expect = golden("signed-v1", &lines), *cases, *c, *unused;
	char *line = lines;
	struct vmv_verifier v;

	cases = vmv_json_get(expect, "cases");
	ck_assert_uint_eq(json_object_array_length(cases), 49);
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		c = json_object_array_get_idx(cases, i);
		g.now = json_object_get_int64(vmv_json_get(c, "now_ms"));
		g.mono = (uint64_t)(g.now - 1784030000000) * 1000000u; /* no step of the clock */
		v = verifier();
		if (json_object_object_get_ex(c, "secret", &unused))
			v.secret = (struct vmv_span){ 0 };
		check_case(&v, c, &line);
	}
	ck_assert_int_eq(*line, '\0');
	json_object_put(expect);
}
END_TEST

static void load_keys(struct json_object *expect)
{
	struct json_object *list = vmv_json_get(expect, "keys"), *k;
	const char *hex, *text;
	size_t len;
	unsigned byte;

	for (size_t i = 0; i < 3; i++) {
		k = json_object_array_get_idx(list, i);
		hex = vmv_json_str(k, "private_seed_hex");
		for (size_t n = 0; n < VMV_SEED_SIZE; n++) {
			ck_assert_int_eq(sscanf(hex + 2 * n, "%2x", &byte), 1);
			g.keys[i].seed[n] = (uint8_t)byte;
		}
		vmv_key_public(g.keys[i].seed, g.keys[i].pub);
		vmv_key_id(g.keys[i].pub, g.keys[i].id);
		g.keys[i].is_trusted = json_object_get_boolean(vmv_json_get(k, "trusted"));
		/* what the lab says of itself */
		ck_assert_str_eq(g.keys[i].id, vmv_json_str(k, "id"));
		text = vmv_json_str(k, "public");
		uint8_t pub[VMV_PUBLIC_SIZE + 1];
		ck_assert(vmv_base64_decode(text, strlen(text), pub, &len));
		ck_assert_uint_eq(len, VMV_PUBLIC_SIZE);
		ck_assert_int_eq(memcmp(pub, g.keys[i].pub, len), 0);
	}
	g.n_keys = 3;
}

static void lab_keys(void)
{
	vmv_autofree char *lines = NULL;
	struct json_object *expect = golden("signed-v2", &lines);

	load_keys(expect);
	json_object_put(expect);
}

START_TEST(golden_lines_of_version_2)
{
	vmv_autofree char *lines = NULL;
	struct json_object *expect = golden("signed-v2", &lines), *cases, *c;
	char *line = lines;
	struct vmv_verifier v;

	load_keys(expect);
	cases = vmv_json_get(expect, "cases");
	ck_assert_uint_eq(json_object_array_length(cases), 32);
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		c = json_object_array_get_idx(cases, i);
		v = verifier();
		v.has_keys = vmv_json_get(c, "trusted") == NULL;
		check_case(&v, c, &line);
	}
	ck_assert_int_eq(*line, '\0');
	json_object_put(expect);
}
END_TEST

/* -- lines of our own -------------------------------------------------------------------------- */

#define SPAN(text) ((struct vmv_span){ (text), strlen(text) })
#define JSON	   "{\"type\":\"Metrics\"}"

static char *finish(struct vmv_jw *w)
{
	char *line;

	ck_assert_int_eq(vmv_jw_finish(w), 0);
	line = strndup(w->buf.data, w->buf.len);
	vmv_jw_free(w);
	return line;
}

static char *line_v1(int64_t ts, const char *text, const char *payload)
{
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_MIB);
	vmv_envelope_v1(&w, SPAN(SECRET), ts, SPAN(text), SPAN(payload));
	return finish(&w);
}

static char *line_v2(size_t k, const char *session, int64_t n, const char *payload)
{
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_MIB);
	ck_assert_int_eq(
		vmv_envelope_v2(&w, g.keys[k].seed, VM_ID, SPAN(session), n, SPAN(payload)), 0);
	return finish(&w);
}

static void expect(char *line, const char *expected)
{
	const char *got = verify(line);

	ck_assert_msg(strcmp(got, expected) == 0, "%s, expected %s (%s): %.200s", got, expected,
		      why.msg, line);
	free(line);
}

START_TEST(vectors_of_the_protocol)
{
	uint8_t mac[VMV_MAC_SIZE];
	char hex[2 * VMV_MAC_SIZE + 1];

	vmv_sign_v1(SPAN("cross-lang-test-key"), 1700000000000, SPAN("fixed-nonce-123"), SPAN(JSON),
		    mac);
	for (size_t i = 0; i < sizeof(mac); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", mac[i]);
	ck_assert_str_eq(hex, "417f2b895d7dd56461af56b07525ca476532ac795f8b92aab6c78a560686bdf5");
}
END_TEST

START_TEST(what_we_sign_we_verify)
{
	static const char *const payloads[] = {
		JSON,
		"{\"a\":\"\xf0\x9f\x98\x80 \xc3\xa9 \xf0\x9d\xa0\x80 \xf4\x8f\xbf\xbf\"}",
		"{\"a\":\"\\\\ud835\\\\udc00 \\ud835\\udc00\"}",
		" {\r\n\t\"a\" : 1 } ",
	};
	char name[16];

	lab_keys();
	for (size_t i = 0; i < VMV_COUNTOF(payloads); i++) {
		(void)snprintf(name, sizeof(name), "n%zu", i);
		expect(line_v1(g.now, name, payloads[i]), "ACCEPTED");
		ck_assert(verdict.is_vouched && verdict.version == 1);
		expect(line_v2(0, SESSION, (int64_t)i + 1, payloads[i]), "ACCEPTED");
		ck_assert(verdict.is_vouched && verdict.version == 2);
		ck_assert_str_eq(verdict.key, "cf9d615d778ec445");
	}
}
END_TEST

START_TEST(any_changed_byte_is_noticed)
{
	vmv_autofree char *v1 = line_v1(g.now, "nonce", JSON);
	vmv_autofree char *v2 = NULL;
	char *const *lines[] = { &v1, &v2 };
	struct vmv_verifier v;
	size_t refused = 0;

	lab_keys();
	v2 = line_v2(0, SESSION, 7, JSON);
	v = verifier();
	for (size_t k = 0; k < 2; k++) {
		char *line = *lines[k];

		for (size_t i = 0; line[i]; i++) {
			struct json_object *message = NULL, *payload = NULL;

			line[i] ^= 1;
			if (vmv_json_parse(line, strlen(line), &message, NULL) == 0) {
				int r = vmv_envelope_verify(&v, message, &payload, &verdict, &why);

				/* hex digits of v1 may change their case, that is not this bit */
				ck_assert_msg(r < 0, "taken: %s", line);
				ck_assert(!verdict.is_vouched);
				refused++;
			}
			json_object_put(payload);
			json_object_put(message);
			line[i] ^= 1;
		}
	}
	ck_assert_uint_gt(refused, 200);
	ck_assert_str_eq(verify(v1), "ACCEPTED"); /* nothing was used up by all these */
	ck_assert_str_eq(verify(v2), "ACCEPTED");
}
END_TEST

START_TEST(a_signature_vouches_for_refusals_after_it_only)
{
	lab_keys();
	expect(line_v1(g.now - 300001, "a", JSON), "STALE");
	ck_assert(verdict.is_vouched && verdict.has_times && !verdict.has_counter);
	expect(line_v1(g.now, "b", "[]"), "BAD_ARGUMENT");
	ck_assert(verdict.is_vouched);
	expect(line_v1(g.now, "b", JSON), "REPLAYED");
	ck_assert(verdict.is_vouched && !verdict.has_times);
	expect(line_v2(0, "c3d1f7a2-8e60-4b19-a5d4-7e9f0a1b2c3d", 9, JSON), "WRONG_SESSION");
	ck_assert(verdict.is_vouched && verdict.has_counter);
	expect(line_v2(1, SESSION, 9, JSON), "UNKNOWN_KEY");
	ck_assert(!verdict.is_vouched);
	ck_assert_str_eq(verify("{\"type\":\"signed\",\"v\":2}"), "BAD_ARGUMENT");
	ck_assert(!verdict.is_vouched);
	ck_assert_str_eq(verify(JSON), "BAD_SIGNATURE");
	ck_assert(!verdict.is_vouched && verdict.version == 0);
}
END_TEST

static char *data_text(void)
{
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_MIB);
	vmv_verdict_data(&w, NULL, &verdict);
	return finish(&w);
}

static void expect_data(const char *expected)
{
	vmv_autofree char *text = data_text();

	ck_assert_str_eq(text, expected);
}

START_TEST(a_stale_host_can_correct_itself)
{
	g.now = 1784031022400;
	expect(line_v1(1784030410000, "a", JSON), "STALE");
	expect_data("{\"guest_time_ms\":1784031022400,\"ts\":1784030410000,\"skew_ms\":-612400}");
	ck_assert_str_eq(why.msg, "the envelope is 612.4 s old by the clock of this guest, "
				  "300 s are allowed");
	expect(line_v1(g.now + 300001, "a", JSON), "STALE");
	ck_assert_str_eq(why.msg, "the envelope is 300.0 s ahead by the clock of this guest, "
				  "300 s are allowed");
	expect(line_v1(INT64_MAX - 1, "a", JSON), "STALE");
	expect_data("{\"guest_time_ms\":1784031022400,\"ts\":9007199254740991,"
		    "\"skew_ms\":9007199254740991}");
	g.now = -5; /* a clock before 1970 */
	expect(line_v1(1784030410000, "a", JSON), "STALE");
	expect_data("{\"guest_time_ms\":-5,\"ts\":1784030410000,\"skew_ms\":1784030410005}");
	expect(line_v1(0, "a", JSON), "ACCEPTED");
	expect_data("null");
}
END_TEST

START_TEST(a_host_is_told_where_the_counter_stands)
{
	struct vmv_verifier v;
	vmv_autofree char *line = NULL;

	lab_keys();
	expect(line_v2(0, "c3d1f7a2-8e60-4b19-a5d4-7e9f0a1b2c3d", 9, JSON), "WRONG_SESSION");
	expect_data("{\"session\":\"0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5\",\"last_counter\":0}");
	expect(line_v2(0, SESSION, 5, JSON), "ACCEPTED");
	expect(line_v2(0, "c3d1f7a2-8e60-4b19-a5d4-7e9f0a1b2c3d", 9, JSON), "WRONG_SESSION");
	expect_data("{\"session\":\"0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5\",\"last_counter\":5}");
	expect(line_v2(0, SESSION, 5, JSON), "REPLAYED");
	ck_assert_str_eq(why.msg, "counter 5 was used before");
	expect_data("{\"session\":\"0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5\",\"last_counter\":5}");
	expect(line_v2(2, SESSION, 1, JSON), "ACCEPTED"); /* each key has its own */
	line = line_v2(0, SESSION, 6, JSON);
	v = verifier();
	v.session = NULL;
	ck_assert_str_eq(verify_with(&v, line, strlen(line)), "WRONG_SESSION");
	expect_data("{\"session\":null,\"last_counter\":0}");
	expect(line_v2(0, SESSION, 6, JSON), "ACCEPTED");
}
END_TEST

/* Ends in the middle of the text that is signed: the LF between nonce and payload could be moved.
 */
START_TEST(the_signed_text_cannot_be_cut_elsewhere)
{
	expect(line_v1(g.now, "n", "\n" JSON), "ACCEPTED");
	expect(line_v1(g.now, "n\n", JSON), "BAD_ARGUMENT"); /* the same text, the same signature */
}
END_TEST

START_TEST(numbers_and_nonces_at_their_bounds)
{
	char long_nonce[VMV_NONCE_MAX + 2];

	lab_keys();
	memset(long_nonce, 'x', sizeof(long_nonce));
	long_nonce[VMV_NONCE_MAX + 1] = '\0';
	expect(line_v1(g.now, long_nonce, JSON), "BAD_ARGUMENT");
	long_nonce[VMV_NONCE_MAX] = '\0';
	expect(line_v1(g.now, long_nonce, JSON), "ACCEPTED");
	expect(line_v1(g.now, "", JSON), "BAD_ARGUMENT");
	expect(line_v1(-1, "m", JSON), "BAD_ARGUMENT");
	expect(line_v1(INT64_MAX, "m", JSON), "BAD_ARGUMENT");
	expect(line_v2(0, SESSION, 0, JSON), "BAD_ARGUMENT");
	expect(line_v2(0, SESSION, -1, JSON), "BAD_ARGUMENT");
	expect(line_v2(0, SESSION, VMV_INT_MAX + 1, JSON), "BAD_ARGUMENT");
	expect(line_v2(0, SESSION, VMV_INT_MAX, JSON), "ACCEPTED");
	ck_assert_str_eq(verify("{\"type\":\"signed\",\"v\":0}"), "UNSUPPORTED");
	ck_assert_str_eq(verify("{\"type\":\"signed\",\"v\":99999999999999999999}"), "UNSUPPORTED");
	ck_assert_str_eq(verify("{\"type\":\"signed\",\"v\":1.0}"), "BAD_ARGUMENT");
	ck_assert_str_eq(verify("{\"type\":\"signed\",\"v\":2.0}"), "BAD_ARGUMENT");
	ck_assert_str_eq(verify("{\"type\":\"signed\"}"), "BAD_ARGUMENT");
	ck_assert_str_eq(verify("{\"type\":\"signed\\u0000\",\"v\":1}"), "BAD_SIGNATURE");
}
END_TEST

/* PROTOCOL.md 1.2: the same limits again inside. */
START_TEST(the_payload_has_limits_of_its_own)
{
	char deep[128];

	memset(deep, 0, sizeof(deep));
	strcpy(deep, "{\"a\":");
	memset(deep + 5, '[', 32);
	memset(deep + 37, ']', 32);
	strcpy(deep + 69, "}");
	expect(line_v1(g.now, "deep", deep), "BAD_ARGUMENT");
	memmove(deep + 5, deep + 6, strlen(deep + 5));
	memmove(deep + 36, deep + 37, strlen(deep + 36));
	expect(line_v1(g.now, "not so deep", deep), "ACCEPTED");
	expect(line_v1(g.now, "text", "{\"a\":\"\\ud800\"}"), "ACCEPTED");
	expect(line_v1(g.now, "none", ""), "BAD_ARGUMENT");
	expect(line_v1(g.now, "two", JSON JSON), "BAD_ARGUMENT");
}
END_TEST

START_TEST(what_is_not_installed_is_locked)
{
	vmv_autofree char *v1 = line_v1(g.now, "a", JSON);
	struct vmv_verifier v = verifier();

	ck_assert(!v.has_keys);
	ck_assert_str_eq(verify(JSON), "BAD_SIGNATURE"); /* there is a secret to sign with */
	v.secret = (struct vmv_span){ 0 };
	ck_assert_str_eq(verify_with(&v, v1, strlen(v1)), "LOCKED");
	ck_assert_str_eq(verify_with(&v, JSON, strlen(JSON)), "LOCKED");
	v = verifier();
	v.accepts_v1 = false;
	ck_assert_str_eq(verify_with(&v, v1, strlen(v1)), "LOCKED");
	ck_assert_str_eq(verify(v1), "ACCEPTED");
}
END_TEST

/* A file system that takes nothing: nothing is granted, and nothing is used up. */
START_TEST(what_cannot_be_recorded_is_not_accepted)
{
	vmv_autofree char *v1 = line_v1(g.now, "a", JSON);
	vmv_autofree char *v2 = NULL;
	char other[128];

	lab_keys();
	v2 = line_v2(0, SESSION, 5, JSON);
	(void)snprintf(other, sizeof(other), "%s-gone", g.dir);
	ck_assert_int_eq(rename(g.dir, other), 0);
	ck_assert_str_eq(verify(v1), "INTERNAL");
	ck_assert(verdict.is_vouched);
	ck_assert_int_eq(rename(other, g.dir), 0);
	ck_assert_str_eq(verify(v1), "ACCEPTED");
	ck_assert_str_eq(verify(v1), "REPLAYED");
	ck_assert_str_eq(verify(v2), "ACCEPTED");
	/* a file of counters that makes no sense */
	(void)snprintf(other, sizeof(other), "%s/counters-%s", g.dir, SESSION);
	ck_assert_int_eq(truncate(other, 7), 0);
	expect(line_v2(0, SESSION, 6, JSON), "INTERNAL");
}
END_TEST

START_TEST(the_inside_can_be_read_without_verifying)
{
	struct json_object *message = NULL, *payload = NULL;
	vmv_autofree char *line = line_v1(g.now, "a", JSON);

	ck_assert_int_eq(vmv_json_parse(line, strlen(line), &message, NULL), 0);
	ck_assert_int_eq(vmv_envelope_peek(message, &payload, NULL), 0);
	ck_assert_str_eq(vmv_json_str(payload, "type"), "Metrics");
	ck_assert_int_lt(vmv_envelope_peek(payload, &payload, &why), 0);
	ck_assert_int_eq(why.code, VMV_E_RANGE);
	json_object_put(payload);
	json_object_put(message);
}
END_TEST

/* -- base64 ------------------------------------------------------------------------------------ */

static const struct {
	const char *text;
	int len; /* of what it stands for; -1: refused */
	const char *bytes;
} texts[] = {
	{ "", 0, "" },		 { "Zg==", 1, "f" },	    { "Zm8=", 2, "fo" },
	{ "Zm9v", 3, "foo" },	 { "Zm9vYg==", 4, "foob" }, { "+/+/", 3, "\xfb\xff\xbf" },
	{ "AAAA", 3, "\0\0\0" }, { "Zh==", -1, NULL }, /* unused bits */
	{ "Zm9=", -1, NULL },	 { "Zg", -1, NULL },	    { "Zg=", -1, NULL },
	{ "Zg===", -1, NULL },	 { "=", -1, NULL },	    { "====", -1, NULL },
	{ "Z===", -1, NULL },	 { "Zg==Zg==", -1, NULL },  { "Zm9v\n", -1, NULL },
	{ "Zm\n9", -1, NULL },	 { "Zm 9vYg=", -1, NULL },  { "Zm9-", -1, NULL },
	{ "Zm9_", -1, NULL },	 { "Zm9\xc3", -1, NULL },   { "Z=9v", -1, NULL },
};

START_TEST(base64_is_canonical)
{
	vmv_autofree char *copy = strdup(texts[_i].text);
	uint8_t out[16];
	char back[32];
	size_t len = 99;
	bool ok = vmv_base64_decode(copy, strlen(copy), out, &len);

	ck_assert_int_eq(ok, texts[_i].len >= 0);
	if (!ok)
		return;
	ck_assert_int_eq((int)len, texts[_i].len);
	ck_assert_int_eq(memcmp(out, texts[_i].bytes, len), 0);
	vmv_base64(out, len, back);
	ck_assert_str_eq(back, texts[_i].text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("envelope");
	TCase *tc = tcase_create("envelope");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, golden_lines_of_version_1);
	tcase_add_test(tc, golden_lines_of_version_2);
	tcase_add_test(tc, vectors_of_the_protocol);
	tcase_add_test(tc, what_we_sign_we_verify);
	tcase_add_test(tc, any_changed_byte_is_noticed);
	tcase_add_test(tc, a_signature_vouches_for_refusals_after_it_only);
	tcase_add_test(tc, a_stale_host_can_correct_itself);
	tcase_add_test(tc, a_host_is_told_where_the_counter_stands);
	tcase_add_test(tc, the_signed_text_cannot_be_cut_elsewhere);
	tcase_add_test(tc, numbers_and_nonces_at_their_bounds);
	tcase_add_test(tc, the_payload_has_limits_of_its_own);
	tcase_add_test(tc, what_is_not_installed_is_locked);
	tcase_add_test(tc, what_cannot_be_recorded_is_not_accepted);
	tcase_add_test(tc, the_inside_can_be_read_without_verifying);
	tcase_add_loop_test(tc, base64_is_canonical, 0, (int)VMV_COUNTOF(texts));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
