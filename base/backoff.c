#include "base/backoff.h"

#include "base/uuid.h"

uint32_t vmv_backoff_next(struct vmv_backoff *b)
{
	uint32_t ceiling = b->next_ms ? b->next_ms : b->min_ms;
	uint32_t half = ceiling / 2;

	b->next_ms = ceiling > b->max_ms / 2 ? b->max_ms : ceiling * 2;
	return ceiling - vmv_random_below(half + 1);
}

void vmv_backoff_reset(struct vmv_backoff *b)
{
	b->next_ms = 0;
}
