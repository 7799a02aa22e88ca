/* Questions that commands wait for: long answers, a deadline each, one run for all who wish for the
 * same. The half of the asker (base/asker.h) that is called back. */
#ifndef VMV_EXEC_FETCHER_H
#define VMV_EXEC_FETCHER_H

#include "base/asker.h"
#include "exec/workers.h"

struct event_base;
struct vmv_clock;
struct vmv_fetcher;

/* All pointers are borrowed for its life. NULL: out of memory. */
struct vmv_fetcher *vmv_fetcher_new(struct event_base *base, const struct vmv_clock *clock,
				    struct vmv_workers *workers);

/* Calls back all who wait, with -ECANCELED; from now on fetching is -EBUSY. Takes NULL. */
void vmv_fetcher_cancel(struct vmv_fetcher *f);

/* After vmv_fetcher_cancel(); and the workers, who hold its work, are freed before. Takes NULL. */
void vmv_fetcher_free(struct vmv_fetcher *f);

/* As fetch and forget of base/asker.h. */
int vmv_fetcher_fetch(struct vmv_fetcher *f, const struct vmv_wish *wish, vmv_answer_cb *cb,
		      void *arg);
void vmv_fetcher_forget(struct vmv_fetcher *f, const void *arg);

/* What the workers said of slow work: as ended() of exec/workers.h. */
void vmv_fetcher_ended(struct vmv_fetcher *f, struct vmv_work *w, enum vmv_work_end how, int result,
		       char *answer);

/* After vmv_workers_tick(): whose deadline struck in the queue, and what is too old to be kept. */
void vmv_fetcher_tick(struct vmv_fetcher *f, uint64_t now_ms);
uint64_t vmv_fetcher_next_due(const struct vmv_fetcher *f, uint64_t now_ms);

#endif
