/* Signs what a host sends: envelopes of version 2 with a private key, of version 1 with the VM's
 * secret. */
#ifndef VMV_HOST_SIGNER_H
#define VMV_HOST_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_buf;
struct vmv_err;
struct vmv_signer;

/* Exactly one of the two files is given, the other is NULL: a private key of 'vmvitals keys
 * generate', or a file whose first line is the VM's secret. Either must be ours or root's and must
 * not be readable by group or others. Returns 0 and a new signer (vmv_signer_free), or negative
 * errno with err set: VMV_E_IO it cannot be read, VMV_E_DENIED its owner or mode, VMV_E_PARSE it
 * holds something else. */
int vmv_signer_open(struct vmv_signer **ret, const char *key_file, const char *secret_file,
		    struct vmv_err *err);

/* Wipes what was secret. Takes NULL. */
void vmv_signer_free(struct vmv_signer *s);

/* One envelope without LF, appended to ret; ret->max bounds it. Version 2 uses vm_id, session and
 * the counter max(last + 1, Unix time in us); version 1 uses neither (they may be NULL), but the
 * time of now and a random nonce. payload is the JSON text of the message. Returns 0; or, with err
 * set, -EINVAL: the payload is ill-formed UTF-8 or holds a NUL, or vm_id or session are missing;
 * -EFBIG (VMV_E_TOOLARGE), -ENOMEM. */
int vmv_signer_line(struct vmv_signer *s, const char *vm_id, const char *session,
		    const char *payload, size_t len, struct vmv_buf *ret, struct vmv_err *err);

/* The counter of the next line is greater than this, for a host that was told so ('last_counter'
 * of a refusal). */
void vmv_signer_passed(struct vmv_signer *s, int64_t last_counter);

/* The counter of the next line is this one (1 to 2^53 - 1), whatever was before and is now. */
void vmv_signer_set_counter(struct vmv_signer *s, int64_t counter);

/* 16 hexadecimal digits, or NULL: it signs with a secret. Borrowed. */
const char *vmv_signer_key_id(const struct vmv_signer *s);

#endif
