#include "proto/envelope.h"

#include "base/err.h"
#include "base/limits.h"
#include "proto/base64.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <nettle/memops.h>
#include <string.h>

/* The members of an envelope that are there and of the right type. */
struct envelope {
	struct vmv_span nonce, session, key, payload, sig;
	int64_t number; /* ts or counter */
};

static struct vmv_span text_of(struct json_object *message, const char *name)
{
	struct vmv_span span = { 0 };

	span.s = vmv_json_text(vmv_json_get(message, name), &span.len);
	return span;
}

static bool is_text(struct vmv_span span, const char *text)
{
	return span.s && span.len == strlen(text) && memcmp(span.s, text, span.len) == 0;
}

/* -- what both versions have in common ----------------------------------------------------- */

static int parse_payload(struct vmv_span payload, struct json_object **ret, struct vmv_err *err)
{
	struct vmv_err why;
	int r = vmv_json_parse(payload.s, payload.len, ret, &why);

	if (r == 0)
		return 0;
	if (why.code == VMV_E_IO)
		return vmv_fail(err, VMV_E_IO, -r, "%s", why.msg);
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "the payload is no acceptable JSON object: %s",
			why.msg);
}

static int malformed(struct vmv_err *err, const char *member)
{
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "malformed envelope: '%s'", member);
}

static int unverified(struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_SIGNATURE, EBADMSG, "wrong signature");
}

/* -- version 1 ------------------------------------------------------------------------------ */

/* -1: no digit. Without a table and without a branch that depends on more than the class. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_mac(struct vmv_span sig, uint8_t ret[VMV_MAC_SIZE])
{
	if (!sig.s || sig.len != (size_t)2 * VMV_MAC_SIZE)
		return false;
	for (size_t i = 0; i < VMV_MAC_SIZE; i++) {
		int high = hex_value(sig.s[2 * i]), low = hex_value(sig.s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Check 2, but for v, which is an integer other than 2. */
static int read_v1(struct json_object *message, struct envelope *e, struct vmv_err *err)
{
	/* what json-c has cut to the largest number is not the number that was signed */
	if (!vmv_json_int(vmv_json_get(message, "ts"), 0, INT64_MAX - 1, &e->number))
		return malformed(err, "ts");
	e->nonce = text_of(message, "nonce");
	/* a line feed would let the signed text be cut in another place: same signature, new nonce
	 */
	if (!e->nonce.s || e->nonce.len < 1 || e->nonce.len > VMV_NONCE_MAX ||
	    memchr(e->nonce.s, '\n', e->nonce.len))
		return malformed(err, "nonce");
	e->payload = text_of(message, "payload");
	if (!e->payload.s)
		return malformed(err, "payload");
	e->sig = text_of(message, "sig");
	return 0;
}

/* Both are from 0 on; a clock before 1970 is not, and far from anything. */
static bool is_fresh(int64_t now, int64_t ts)
{
	int64_t skew;

	return !__builtin_sub_overflow(ts, now, &skew) && skew >= -VMV_V1_WINDOW_MS &&
	       skew <= VMV_V1_WINDOW_MS;
}

static int stale(struct vmv_verdict *ret, struct vmv_err *err)
{
	int64_t age;
	uint64_t tenths;

	ret->has_times = true;
	if (__builtin_sub_overflow(ret->guest_time_ms, ret->ts, &age))
		age = INT64_MIN;
	tenths = (age < 0 ? -(uint64_t)age : (uint64_t)age) / 100;
	return vmv_fail(err, VMV_E_STALE, ETIME,
			"the envelope is %" PRIu64 ".%" PRIu64
			" s %s by the clock of this guest, %d s are allowed",
			tenths / 10, tenths % 10, age < 0 ? "ahead" : "old",
			VMV_V1_WINDOW_MS / 1000);
}

/* Check 5. */
static int use_nonce(const struct vmv_verifier *v, const struct envelope *e, struct vmv_err *err)
{
	int64_t later = e->number > v->now_real_ms ? e->number : v->now_real_ms;
	int r = v->nonce(v->arg, e->nonce.s, e->nonce.len, later + VMV_V1_WINDOW_MS);

	if (r == 0)
		return 0;
	if (r == -EEXIST)
		return vmv_fail(err, VMV_E_REPLAYED, EEXIST, "the nonce was used before");
	if (r == -ENOSPC)
		return vmv_fail(err, VMV_E_BUSY, ENOSPC, "too many nonces are alive");
	return vmv_fail(err, VMV_E_IO, -r, "cannot record the nonce: %s", strerror(-r));
}

static int verify_v1(const struct vmv_verifier *v, struct json_object *message, bool is_1,
		     struct vmv_verdict *ret, struct vmv_err *err)
{
	struct envelope e = { 0 };
	uint8_t is[VMV_MAC_SIZE], should[VMV_MAC_SIZE];
	int64_t version;
	int r;

	if (!v->secret.s || !v->accepts_v1)
		return vmv_fail(err, VMV_E_LOCKED, EACCES, "%s",
				v->secret.s ? "envelopes of version 1 are switched off"
					    : "no secret is installed");
	if (!is_1) {
		if (vmv_json_int(vmv_json_get(message, "v"), INT64_MIN, INT64_MAX, &version))
			return vmv_fail(err, VMV_E_UNSUPPORTED, EPROTONOSUPPORT,
					"no such version of the envelope");
		return malformed(err, "v");
	}
	r = read_v1(message, &e, err);
	if (r < 0)
		return r;
	ret->payload = e.payload;
	ret->guest_time_ms = v->now_real_ms;
	ret->ts = e.number;
	if (!read_mac(e.sig, is))
		return unverified(err);
	vmv_sign_v1(v->secret, e.number, e.nonce, e.payload, should);
	if (!memeql_sec(is, should, sizeof(is)))
		return unverified(err);
	ret->is_vouched = true;
	if (!is_fresh(v->now_real_ms, e.number))
		return stale(ret, err);
	return use_nonce(v, &e, err);
}

/* -- version 2 ------------------------------------------------------------------------------ */

static int read_v2(struct json_object *message, struct envelope *e, struct vmv_err *err)
{
	e->key = text_of(message, "key");
	if (!e->key.s || !vmv_key_id_valid(e->key.s, e->key.len))
		return malformed(err, "key");
	e->session = text_of(message, "session");
	if (!e->session.s)
		return malformed(err, "session");
	if (!vmv_json_int(vmv_json_get(message, "counter"), 1, VMV_INT_MAX, &e->number))
		return malformed(err, "counter");
	e->payload = text_of(message, "payload");
	if (!e->payload.s)
		return malformed(err, "payload");
	e->sig = text_of(message, "sig");
	return 0;
}

/* Check 3. */
static int check_v2(const struct vmv_verifier *v, const struct envelope *e, const uint8_t *pub,
		    struct vmv_err *err)
{
	uint8_t sig[VMV_BASE64_BYTES(VMV_BASE64_LEN(VMV_SIGNATURE_SIZE))];
	size_t len = 0;
	int r;

	if (!e->sig.s || e->sig.len != VMV_BASE64_LEN(VMV_SIGNATURE_SIZE) ||
	    !vmv_base64_decode(e->sig.s, e->sig.len, sig, &len) || len != VMV_SIGNATURE_SIZE)
		return unverified(err);
	r = vmv_sign_v2_verify(pub, v->vm_id, e->session, e->number, e->payload, sig);
	if (r == -ENOMEM)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	return r < 0 ? unverified(err) : 0;
}

/* Check 4. */
static int check_session(const struct vmv_verifier *v, const struct envelope *e,
			 struct vmv_verdict *ret, struct vmv_err *err)
{
	int64_t last = 0;

	if (v->session && is_text(e->session, v->session))
		return 0;
	ret->has_counter = !v->session || v->counter(v->arg, ret->key, v->session, 0, &last) == 0;
	ret->last_counter = last;
	return vmv_fail(err, VMV_E_SESSION, EINVAL, "signed for another session");
}

/* Check 5. */
static int use_counter(const struct vmv_verifier *v, const struct envelope *e,
		       struct vmv_verdict *ret, struct vmv_err *err)
{
	int r = v->counter(v->arg, ret->key, v->session, e->number, &ret->last_counter);

	if (r == 0)
		return 0;
	if (r == -ENOSPC)
		return vmv_fail(err, VMV_E_BUSY, ENOSPC, "too many keys are in use");
	if (r != -EEXIST)
		return vmv_fail(err, VMV_E_IO, -r, "cannot record the counter: %s", strerror(-r));
	ret->has_counter = true;
	if (e->number == ret->last_counter)
		return vmv_fail(err, VMV_E_REPLAYED, EEXIST, "counter %" PRId64 " was used before",
				e->number);
	return vmv_fail(err, VMV_E_REPLAYED, EEXIST,
			"counter %" PRId64 " is below the last one, %" PRId64, e->number,
			ret->last_counter);
}

static int verify_v2(const struct vmv_verifier *v, struct json_object *message,
		     struct vmv_verdict *ret, struct vmv_err *err)
{
	struct envelope e = { 0 };
	const uint8_t *pub;
	int r = read_v2(message, &e, err);

	if (r < 0)
		return r;
	memcpy(ret->key, e.key.s, VMV_KEY_ID_SIZE);
	ret->payload = e.payload;
	ret->session = v->session;
	if (!v->has_keys)
		return vmv_fail(err, VMV_E_LOCKED, EACCES, "no key is trusted here");
	pub = v->key(v->arg, ret->key);
	if (!pub)
		return vmv_fail(err, VMV_E_KEY, ENOKEY, "key '%s' is not trusted here", ret->key);
	r = check_v2(v, &e, pub, err);
	if (r < 0)
		return r;
	ret->is_vouched = true;
	r = check_session(v, &e, ret, err);
	return r < 0 ? r : use_counter(v, &e, ret, err);
}

/* -- both ------------------------------------------------------------------------------------ */

/* Unsigned where a signature is needed (6.10). */
static int unsigned_line(const struct vmv_verifier *v, struct vmv_err *err)
{
	if (!v->secret.s && !v->has_keys)
		return vmv_fail(err, VMV_E_LOCKED, EACCES, "neither secret nor key is installed");
	return vmv_fail(err, VMV_E_SIGNATURE, EBADMSG, "not signed");
}

int vmv_envelope_verify(const struct vmv_verifier *v, struct json_object *message,
			struct json_object **ret_payload, struct vmv_verdict *ret,
			struct vmv_err *err)
{
	int64_t version = 0;
	int r;

	*ret = (struct vmv_verdict){ 0 };
	if (!is_text(text_of(message, "type"), "signed"))
		return unsigned_line(v, err);
	if (vmv_json_int(vmv_json_get(message, "v"), 1, 2, &version))
		ret->version = (int)version;
	r = version == 2 ? verify_v2(v, message, ret, err)
			 : verify_v1(v, message, version == 1, ret, err);
	return r < 0 ? r : parse_payload(ret->payload, ret_payload, err);
}

int vmv_envelope_peek(struct json_object *message, struct json_object **ret_payload,
		      struct vmv_err *err)
{
	struct vmv_span payload = text_of(message, "payload");

	if (!is_text(text_of(message, "type"), "signed") || !payload.s)
		return malformed(err, "payload");
	return parse_payload(payload, ret_payload, err);
}

/* Integers on the wire are within plus, minus 2^53 - 1. */
static int64_t clamp(int64_t v)
{
	return v > VMV_INT_MAX ? VMV_INT_MAX : v < -VMV_INT_MAX ? -VMV_INT_MAX : v;
}

void vmv_verdict_data(struct vmv_jw *w, const char *name, const struct vmv_verdict *verdict)
{
	int64_t skew;

	if (!verdict->has_times && !verdict->has_counter) {
		vmv_jw_null(w, name);
		return;
	}
	vmv_jw_open(w, name);
	if (verdict->has_times) {
		if (__builtin_sub_overflow(verdict->ts, verdict->guest_time_ms, &skew))
			skew = VMV_INT_MAX; /* ts is not negative */
		vmv_jw_int(w, "guest_time_ms", clamp(verdict->guest_time_ms));
		vmv_jw_int(w, "ts", clamp(verdict->ts));
		vmv_jw_int(w, "skew_ms", clamp(skew));
	} else {
		vmv_jw_str(w, "session", verdict->session);
		vmv_jw_int(w, "last_counter", verdict->last_counter);
	}
	vmv_jw_close(w);
}
