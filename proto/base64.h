/* Base64 of RFC 4648 with padding, and nothing but its canonical form. */
#ifndef VMV_PROTO_BASE64_H
#define VMV_PROTO_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that len bytes become, without NUL. */
#define VMV_BASE64_LEN(len) (((size_t)(len) + 2) / 3 * 4)

/* Bytes that so many characters hold at most. */
#define VMV_BASE64_BYTES(chars) ((size_t)(chars) / 4 * 3)

/* Writes VMV_BASE64_LEN(len) characters and a NUL. */
void vmv_base64(const void *data, size_t len, char *ret);

/* Strict: padded, no blanks, no unused bits set. ret has room for VMV_BASE64_BYTES(len) bytes;
 * their number goes to *ret_len. False for anything else, and then what ret holds is
 * unspecified. Takes a time that depends on text only by its length. */
bool vmv_base64_decode(const char *text, size_t len, uint8_t *ret, size_t *ret_len);

#endif
