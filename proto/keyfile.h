/* Files with keys and secrets: public keys (6.8), private keys, the secret of version 1. */
#ifndef VMV_PROTO_KEYFILE_H
#define VMV_PROTO_KEYFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base64.h"
#include "proto/sign.h"

struct vmv_err;

#define VMV_KEYFILE_MAX	    4096 /* bytes of such a file, its NUL included; longer ones are refused */
#define VMV_KEY_COMMENT_MAX 128 /* with NUL; longer ones are cut */
#define VMV_SECRET_MAX	    512 /* bytes */

enum vmv_keyfile {
	VMV_KEYFILE_ANY,     /* whoever owns it, and may write it: who names it vouches for it */
	VMV_KEYFILE_PUBLIC,  /* group and others must not write it; it is no symbolic link */
	VMV_KEYFILE_PRIVATE, /* group and others must not read it either */
};

/* Reads a regular file that belongs to root or to owner. buf receives its text and a NUL; the
 * caller wipes it. Returns the length, or negative errno with err set: VMV_E_IO (-ENOENT: there is
 * none), VMV_E_DENIED (-EPERM: owner, mode, or no regular file), VMV_E_PARSE (too long, or a NUL in
 * it). */
int vmv_keyfile_read(int dirfd, const char *path, enum vmv_keyfile kind, uid_t owner, char *buf,
		     size_t cap, struct vmv_err *err);

/* A new file; never over an old one. Returns 0, or negative errno with err set, and then there is
 * none. */
int vmv_keyfile_create(int dirfd, const char *path, mode_t mode, const char *text,
		       struct vmv_err *err);

/* The same, but over an old one if there is one, at once and whole, mode 0644. name has no slash.
 */
int vmv_keyfile_install(int dirfd, const char *name, const char *text, struct vmv_err *err);

/* The first line that is neither blank nor a comment ("# ..."): base64 of the key, a blank, a
 * comment. Pure. Returns 0 or -EINVAL with err set; comment may be NULL. */
int vmv_public_parse(const char *text, uint8_t ret[VMV_PUBLIC_SIZE],
		     char comment[VMV_KEY_COMMENT_MAX], struct vmv_err *err);

/* The first such line: "vmvitals-ed25519-seed", a blank, base64 of the seed. */
int vmv_seed_parse(const char *text, uint8_t ret[VMV_SEED_SIZE], struct vmv_err *err);

/* The first line without blanks and CR at its end. *ret points into text. Returns 0, or -EINVAL
 * with err set: nothing, more than VMV_SECRET_MAX bytes, or control characters. */
int vmv_secret_parse(const char *text, struct vmv_span *ret, struct vmv_err *err);

#define VMV_PUBLIC_LINE_SIZE (VMV_BASE64_LEN(VMV_PUBLIC_SIZE) + 2 + VMV_KEY_COMMENT_MAX)
#define VMV_SEED_TEXT_SIZE   256

/* "<base64> <comment>\n"; comment NULL or "": without. It must be one line. */
void vmv_public_line(const uint8_t pub[VMV_PUBLIC_SIZE], const char *comment, char *ret,
		     size_t size);

/* What vmv_seed_parse reads, with a comment that says what it is. */
void vmv_seed_text(const uint8_t seed[VMV_SEED_SIZE], char ret[VMV_SEED_TEXT_SIZE]);

#endif
