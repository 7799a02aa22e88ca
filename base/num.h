/* Numbers out of text, and arithmetic on kernel counters that cannot lie. */
#ifndef VMV_BASE_NUM_H
#define VMV_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

#define VMV_UNSET UINT64_MAX /* the kernel did not say; null on the wire */

/* Each reads digits at s: no sign (but for i64), no blanks, no prefix. ret is the value, *end
 * (may be NULL) the first character behind it. Returns 0, -EINVAL when there is no digit
 * at s, -ERANGE when the value does not fit; outputs are written only on success. */
int vmv_parse_u64(const char *s, uint64_t *ret, const char **end);
int vmv_parse_i64(const char *s, int64_t *ret, const char **end);
int vmv_parse_hex(const char *s, uint64_t *ret, const char **end);

/* A number of the kernel's, as vmv_parse_u64. One above INT64_MAX is a sum that ran below zero:
 * VMV_UNSET. */
int vmv_parse_count(const char *s, uint64_t *ret, const char **end);

/* "12.34" in units of 10^-decimals: ("12.345", 2) gives 1234; further decimals are cut. */
int vmv_parse_fixed(const char *s, unsigned decimals, uint64_t *ret, const char **end);

/* now - before for counters. False, and *ret untouched, when either is VMV_UNSET or the
 * counter went backwards (reset, wrap, object re-created): then there is no rate. */
bool vmv_counter_delta(uint64_t before, uint64_t now, uint64_t *ret);

/* The same for a counter that the kernel keeps in 32 bits: one that is lower than before has
 * wrapped if that makes a difference of no more than most, else it was reset. */
bool vmv_counter_delta32(uint64_t before, uint64_t now, uint64_t most, uint64_t *ret);

/* a + b and a * b that stop at VMV_UNSET - 1; VMV_UNSET if either is VMV_UNSET. */
uint64_t vmv_add_sat(uint64_t a, uint64_t b);
uint64_t vmv_mul_sat(uint64_t a, uint64_t b);

#endif
