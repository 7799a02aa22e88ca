/* What is signed, and the signatures: HMAC-SHA256 of envelope version 1, Ed25519 of version 2. */
#ifndef VMV_PROTO_SIGN_H
#define VMV_PROTO_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_jw;

#define VMV_MAC_SIZE	   32 /* bytes */
#define VMV_SIGNATURE_SIZE 64
#define VMV_PUBLIC_SIZE	   32
#define VMV_SEED_SIZE	   32 /* a private key as RFC 8032 has it */
#define VMV_KEY_ID_SIZE	   17 /* 16 hexadecimal digits and NUL */

/* key = first 16 lower-case hexadecimal digits of SHA-256 of the public key. */
void vmv_key_id(const uint8_t pub[VMV_PUBLIC_SIZE], char ret[VMV_KEY_ID_SIZE]);
bool vmv_key_id_valid(const char *id, size_t len);

void vmv_key_public(const uint8_t seed[VMV_SEED_SIZE], uint8_t ret[VMV_PUBLIC_SIZE]);

/* A string of so many bytes; it may contain NUL. Borrowed. */
struct vmv_span {
	const char *s;
	size_t len;
};

/* "1\n<ts>\n<nonce>\n<payload>", keyed with the bytes of the secret as they are. */
void vmv_sign_v1(struct vmv_span secret, int64_t ts, struct vmv_span nonce, struct vmv_span payload,
		 uint8_t ret[VMV_MAC_SIZE]);

/* "vmvitals-signed-v2\n<vm_id>\n<session>\n<counter>\n<payload>". Return 0 or -ENOMEM;
 * verify also -EBADMSG: the signature is wrong. */
int vmv_sign_v2(const uint8_t seed[VMV_SEED_SIZE], const char *vm_id, struct vmv_span session,
		int64_t counter, struct vmv_span payload, uint8_t ret[VMV_SIGNATURE_SIZE]);
int vmv_sign_v2_verify(const uint8_t pub[VMV_PUBLIC_SIZE], const char *vm_id,
		       struct vmv_span session, int64_t counter, struct vmv_span payload,
		       const uint8_t sig[VMV_SIGNATURE_SIZE]);

/* Whole envelopes, for hosts. The caller finishes w. Strings are well-formed UTF-8 without NUL
 * (else what is signed is not what the guest reads): the caller sees to it. */
void vmv_envelope_v1(struct vmv_jw *w, struct vmv_span secret, int64_t ts, struct vmv_span nonce,
		     struct vmv_span payload);
int vmv_envelope_v2(struct vmv_jw *w, const uint8_t seed[VMV_SEED_SIZE], const char *vm_id,
		    struct vmv_span session, int64_t counter, struct vmv_span payload);

#endif
