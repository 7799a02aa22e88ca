/* Verification of signed envelopes: PROTOCOL.md 4.1 (version 1), 6.8 (version 2), row by row. */
#ifndef VMV_PROTO_ENVELOPE_H
#define VMV_PROTO_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/sign.h"

struct json_object;
struct vmv_err;
struct vmv_jw;

/* What to verify with. Everything is borrowed for the length of the call. */
struct vmv_verifier {
	struct vmv_span secret; /* s NULL: none is installed */
	bool accepts_v1;	/* [policy] accept_v1 */
	bool has_keys;		/* any key is trusted */
	const char *vm_id;	/* this guest's, as its handshake says */
	const char *session;	/* the current one of the channel; NULL: there is none */
	int64_t now_real_ms;

	/* The public key with this id (16 hexadecimal digits), or NULL: not trusted. Borrowed until
	 * the call is over. */
	const uint8_t *(*key)(void *arg, const char *id);

	/* Uses a nonce (1 to VMV_NONCE_MAX bytes, which may contain NUL) up, durably, and until
	 * then. 0, -EEXIST used before, -ENOSPC too many are alive, else it cannot be recorded. */
	int (*nonce)(void *arg, const char *nonce, size_t len, int64_t keep_until_real_ms);

	/* Uses up the counter (1 to 2^53 - 1) of that key in that session; 0 only asks. *ret_last
	 * is the last accepted one before (0: none), written unless it cannot be told. 0, -EEXIST
	 * not greater than that, -ENOSPC too many keys, else it cannot be recorded. */
	int (*counter)(void *arg, const char *key, const char *session, int64_t counter,
		       int64_t *ret_last);
	void *arg;
};

/* What became of an envelope, good or refused. Plain values. */
struct vmv_verdict {
	int version;		   /* 1 or 2; 0: it is no envelope of either */
	bool is_vouched;	   /* the signature was right, whatever followed */
	char key[VMV_KEY_ID_SIZE]; /* version 2: the key it names; "": none, or malformed */
	struct vmv_span payload;   /* its text; s NULL: it has none. Borrowed from message */
	int64_t guest_time_ms, ts; /* version 1 */
	bool has_times;		   /* VMV_E_STALE: these two belong into the answer */
	int64_t last_counter;	   /* version 2 */
	bool has_counter;	   /* VMV_E_SESSION, VMV_E_REPLAYED: likewise, with */
	const char *session;	   /* the channel's; NULL: it has none. Borrowed */
};

/* message is a whole parsed line, an envelope or not. Returns 0 and the parsed payload, a new
 * reference, in *ret_payload; or negative errno with err set, the first failure:
 *
 * VMV_E_LOCKED       nothing to verify with
 * VMV_E_RANGE        malformed, or the payload is no object within the limits
 * VMV_E_UNSUPPORTED  another version
 * VMV_E_SIGNATURE    not signed, or wrong
 * VMV_E_STALE, VMV_E_REPLAYED, VMV_E_KEY, VMV_E_SESSION
 * VMV_E_BUSY         no room for one more nonce or key
 * VMV_E_IO           out of memory, or it could not be recorded: not done, may be sent again
 *
 * *ret is written in any case. */
int vmv_envelope_verify(const struct vmv_verifier *v, struct json_object *message,
			struct json_object **ret_payload, struct vmv_verdict *ret,
			struct vmv_err *err);

/* The same without looking at the signature: the message inside, for who grants nothing by it.
 * Returns 0, or -EINVAL with VMV_E_RANGE: no envelope, or its payload is no object. */
int vmv_envelope_peek(struct json_object *message, struct json_object **ret_payload,
		      struct vmv_err *err);

/* The member "data" of an answer to a refused envelope: an object, or null. */
void vmv_verdict_data(struct vmv_jw *w, const char *name, const struct vmv_verdict *verdict);

#endif
