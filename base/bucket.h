/* Token bucket: a burst, then a steady rate. */
#ifndef VMV_BASE_BUCKET_H
#define VMV_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Plain values. Starts full: { .burst = 20, .refill_ms = 200, .tokens = 20 }. */
struct vmv_bucket {
	uint32_t burst;	    /* tokens it holds at most */
	uint32_t refill_ms; /* time for one token */
	uint32_t tokens;
	uint64_t filled_ms; /* monotonic: when tokens was last brought up to date */
};

#define VMV_BUCKET(n, ms) ((struct vmv_bucket){ .burst = (n), .refill_ms = (ms), .tokens = (n) })

/* Takes one token; false when there is none. now_ms is monotonic. */
bool vmv_bucket_take(struct vmv_bucket *b, uint64_t now_ms);

#endif
