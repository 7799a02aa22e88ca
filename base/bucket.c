#include "base/bucket.h"

bool vmv_bucket_take(struct vmv_bucket *b, uint64_t now_ms)
{
	uint64_t gained = (now_ms - b->filled_ms) / b->refill_ms;

	if (gained >= b->burst - b->tokens) {
		b->tokens = b->burst;
		b->filled_ms = now_ms;
	} else {
		b->tokens += (uint32_t)gained;
		b->filled_ms += gained * b->refill_ms; /* what is left of a token counts on */
	}
	if (b->tokens == 0)
		return false;
	b->tokens--;
	return true;
}
