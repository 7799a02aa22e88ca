/* Asks the helper program: a few processes, each with one question at a time, which a question that
 * hangs keeps for itself. Questions that begin with the same word never take all of them. */
#ifndef VMV_EXEC_ASKER_H
#define VMV_EXEC_ASKER_H

#include "base/asker.h"

#include <stdbool.h>

struct event_base;
struct vmv_ask_pool;
struct vmv_clock;

/* Who is told what; both may be NULL. Neither is called from within ask(). */
struct vmv_ask_calls {
	/* Something has an answer, or none within the deadline: those who wait may go on:
	 * this may call ask(). */
	void (*wake)(void *arg);
	/* A question became stuck after waited_ms, or is so no longer. This may not call ask(),
	 * which changes what is being gone through. */
	void (*stuck)(void *arg, const char *question, bool is_stuck, uint64_t waited_ms);
};

/* Starts nothing yet. All pointers are borrowed for the pool's life, but helper, the absolute path
 * of the program, is copied. NULL: out of memory. */
struct vmv_ask_pool *vmv_ask_pool_new(struct event_base *base, const struct vmv_clock *clock,
				      const char *helper, const struct vmv_ask_calls *calls,
				      void *arg);

/* Kills what is left, and waits 20 ms at most for its end: what hangs in the kernel is taken over
 * by init. Takes NULL. */
void vmv_ask_pool_free(struct vmv_ask_pool *p);

/* The table that collectors meet; it lives as long as the pool. A question of which the helper died
 * is -EIO, and asked again after a pause that grows; an answer that is no answer is -EPROTO
 * likewise, one that is too long -EFBIG, and an error -EAGAIN or -ETIMEDOUT is -EIO, too. */
struct vmv_asker *vmv_ask_pool_asker(struct vmv_ask_pool *p);

#endif
