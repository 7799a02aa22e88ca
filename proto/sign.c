#include "proto/sign.h"

#include "base/cleanup.h"
#include "proto/base64.h"
#include "proto/json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/eddsa.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V2_PREFIX   "vmvitals-signed-v2\n"
#define NUMBER_SIZE 24 /* a decimal int64_t, a line feed, NUL */

static const char digits[] = "0123456789abcdef";

static void to_hex(const uint8_t *data, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++) {
		*ret++ = digits[data[i] >> 4];
		*ret++ = digits[data[i] & 0xf];
	}
	*ret = '\0';
}

/* -- keys ------------------------------------------------------------------------------- */

void vmv_key_id(const uint8_t pub[VMV_PUBLIC_SIZE], char ret[VMV_KEY_ID_SIZE])
{
	struct sha256_ctx ctx;
	uint8_t digest[8];

	sha256_init(&ctx);
	sha256_update(&ctx, VMV_PUBLIC_SIZE, pub);
	sha256_digest(&ctx, sizeof(digest), digest);
	to_hex(digest, sizeof(digest), ret);
}

bool vmv_key_id_valid(const char *id, size_t len)
{
	if (len != VMV_KEY_ID_SIZE - 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (id[i] == '\0' || !strchr(digits, id[i]))
			return false;
	return true;
}

void vmv_key_public(const uint8_t seed[VMV_SEED_SIZE], uint8_t ret[VMV_PUBLIC_SIZE])
{
	ed25519_sha512_public_key(ret, seed);
}

/* -- version 1 -------------------------------------------------------------------------- */

void vmv_sign_v1(struct vmv_span secret, int64_t ts, struct vmv_span nonce, struct vmv_span payload,
		 uint8_t ret[VMV_MAC_SIZE])
{
	struct hmac_sha256_ctx ctx;
	char head[NUMBER_SIZE + 2];
	int n = snprintf(head, sizeof(head), "1\n%" PRId64 "\n", ts);

	hmac_sha256_set_key(&ctx, secret.len, (const uint8_t *)secret.s);
	hmac_sha256_update(&ctx, (size_t)n, (const uint8_t *)head);
	hmac_sha256_update(&ctx, nonce.len, (const uint8_t *)nonce.s);
	hmac_sha256_update(&ctx, 1, (const uint8_t *)"\n");
	hmac_sha256_update(&ctx, payload.len, (const uint8_t *)payload.s);
	hmac_sha256_digest(&ctx, VMV_MAC_SIZE, ret);
	explicit_bzero(&ctx, sizeof(ctx));
}

void vmv_envelope_v1(struct vmv_jw *w, struct vmv_span secret, int64_t ts, struct vmv_span nonce,
		     struct vmv_span payload)
{
	uint8_t mac[VMV_MAC_SIZE];
	char hex[2 * VMV_MAC_SIZE + 1];

	vmv_sign_v1(secret, ts, nonce, payload, mac);
	to_hex(mac, sizeof(mac), hex);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "signed");
	vmv_jw_int(w, "v", 1);
	vmv_jw_int(w, "ts", ts);
	vmv_jw_bytes(w, "nonce", nonce.s, nonce.len);
	vmv_jw_bytes(w, "payload", payload.s, payload.len);
	vmv_jw_str(w, "sig", hex);
	vmv_jw_close(w);
}

/* -- version 2 -------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

/* Ed25519 goes over the message twice: it must be in one piece. NULL: no memory. */
static uint8_t *input_v2(const char *vm_id, struct vmv_span session, int64_t counter,
			 struct vmv_span payload, size_t *ret_len)
{
	char number[NUMBER_SIZE];
	size_t n = (size_t)snprintf(number, sizeof(number), "\n%" PRId64 "\n", counter);
	size_t id_len = strlen(vm_id);
	uint8_t *input, *p;

	input = malloc(strlen(V2_PREFIX) + id_len + 1 + session.len + n + payload.len);
	if (!input)
		return NULL;
	p = put(input, V2_PREFIX, strlen(V2_PREFIX));
	p = put(p, vm_id, id_len);
	*p++ = '\n';
	p = put(p, session.s, session.len);
	p = put(p, number, n);
	p = put(p, payload.s, payload.len);
	*ret_len = (size_t)(p - input);
	return input;
}

int vmv_sign_v2(const uint8_t seed[VMV_SEED_SIZE], const char *vm_id, struct vmv_span session,
		int64_t counter, struct vmv_span payload, uint8_t ret[VMV_SIGNATURE_SIZE])
{
	uint8_t pub[VMV_PUBLIC_SIZE];
	size_t len = 0;
	vmv_autofree uint8_t *input = input_v2(vm_id, session, counter, payload, &len);

	if (!input)
		return -ENOMEM;
	vmv_key_public(seed, pub);
	ed25519_sha512_sign(pub, seed, len, input, ret);
	return 0;
}

int vmv_sign_v2_verify(const uint8_t pub[VMV_PUBLIC_SIZE], const char *vm_id,
		       struct vmv_span session, int64_t counter, struct vmv_span payload,
		       const uint8_t sig[VMV_SIGNATURE_SIZE])
{
	size_t len = 0;
	vmv_autofree uint8_t *input = input_v2(vm_id, session, counter, payload, &len);

	if (!input)
		return -ENOMEM;
	return ed25519_sha512_verify(pub, len, input, sig) ? 0 : -EBADMSG;
}

int vmv_envelope_v2(struct vmv_jw *w, const uint8_t seed[VMV_SEED_SIZE], const char *vm_id,
		    struct vmv_span session, int64_t counter, struct vmv_span payload)
{
	uint8_t pub[VMV_PUBLIC_SIZE], sig[VMV_SIGNATURE_SIZE];
	char id[VMV_KEY_ID_SIZE], text[VMV_BASE64_LEN(VMV_SIGNATURE_SIZE) + 1];
	int r = vmv_sign_v2(seed, vm_id, session, counter, payload, sig);

	if (r < 0)
		return r;
	vmv_key_public(seed, pub);
	vmv_key_id(pub, id);
	vmv_base64(sig, sizeof(sig), text);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "signed");
	vmv_jw_int(w, "v", 2);
	vmv_jw_str(w, "key", id);
	vmv_jw_bytes(w, "session", session.s, session.len);
	vmv_jw_int(w, "counter", counter);
	vmv_jw_bytes(w, "payload", payload.s, payload.len);
	vmv_jw_str(w, "sig", text);
	vmv_jw_close(w);
	return 0;
}
