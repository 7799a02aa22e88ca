/* Exponential back-off with jitter. */
#ifndef VMV_BASE_BACKOFF_H
#define VMV_BASE_BACKOFF_H

#include <stdint.h>

/* Plain values: the owner sets min and max and zeroes the rest. Milliseconds. */
struct vmv_backoff {
	uint32_t min_ms, max_ms;
	uint32_t next_ms; /* ceiling of the next pause; 0: min_ms */
};

/* The pause before the next try: random between half the ceiling and the ceiling, which
 * doubles with each call up to max_ms. */
uint32_t vmv_backoff_next(struct vmv_backoff *b);

/* Success: the next pause is short again. */
void vmv_backoff_reset(struct vmv_backoff *b);

#endif
