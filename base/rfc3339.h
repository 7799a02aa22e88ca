/* Moments as RFC 3339 writes them. */
#ifndef VMV_BASE_RFC3339_H
#define VMV_BASE_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-07-14T12:00:00.123Z", with an offset "+02:00" instead of Z, any number of decimals (cut to
 * milliseconds), 't', 'z' and a blank for T as well. *ret: milliseconds since 1970. A leap second
 * counts as the next second's begin. Pure. False, and *ret unchanged, for anything else. */
bool vmv_rfc3339_parse(const char *text, int64_t *ret);

#endif
