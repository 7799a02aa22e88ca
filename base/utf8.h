/* UTF-8: what is well-formed, and how to go through text that may not be. */
#ifndef VMV_BASE_UTF8_H
#define VMV_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMV_REPLACEMENT 0xfffdu

/* Length of the well-formed sequence at s (len bytes are there), 1 to 4, with *ret the code
 * point; or 0 when it is ill-formed: then *skip is the length of its maximal ill-formed part
 * (at least 1), which becomes one U+FFFD. len > 0. No surrogates, no overlong forms. */
size_t vmv_utf8_decode(const unsigned char *s, size_t len, uint32_t *ret, size_t *skip);

bool vmv_utf8_valid(const unsigned char *s, size_t len);

/* The longest prefix of at most max bytes that does not split a character. */
size_t vmv_utf8_cut(const char *s, size_t len, size_t max);

#endif
