/* The public keys whose owners may command this guest (PROTOCOL.md 6.8). */
#ifndef VMV_EXECD_KEYRING_H
#define VMV_EXECD_KEYRING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vmv_keyring;

/* dir: /etc/vmvitals/trusted-keys.d; copied. owner: beside root, who may own it and the files in it
 * (0 in production). NULL: no memory. There are no keys until the first reload. */
struct vmv_keyring *vmv_keyring_new(const char *dir, uid_t owner);
void vmv_keyring_free(struct vmv_keyring *k);

/* Reads all files NAME.pub, in byte order of their names, at most VMV_KEYS_MAX keys. Whatever is
 * wrong with a file, it is ignored with a line in the log. A directory that is not there has none;
 * one that others may write has none either, and that is logged. Returns 0; or negative errno, and
 * then the keys are those of before: a file or the directory could not be read for a reason that
 * may pass. Keys that were borrowed are gone. */
int vmv_keyring_reload(struct vmv_keyring *k);

/* The public key with this id, or NULL. Borrowed until the next reload. */
const uint8_t *vmv_keyring_find(const struct vmv_keyring *k, const char *id);

size_t vmv_keyring_count(const struct vmv_keyring *k);

/* The i-th id, in the order of the files. Borrowed likewise. */
const char *vmv_keyring_id(const struct vmv_keyring *k, size_t i);

#endif
