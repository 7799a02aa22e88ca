/* Keeps the facts: reads them when somebody asks, once for all who ask, slice by slice. */
#ifndef VMV_AGENT_KEEPER_H
#define VMV_AGENT_KEEPER_H

#include "commands/request.h"

#include <stdint.h>

struct event_base;
struct vmv_clock;
struct vmv_keeper;
struct vmv_root;

/* All pointers are borrowed for the keeper's life. NULL: out of memory. */
struct vmv_keeper *vmv_keeper_new(struct event_base *base, const struct vmv_clock *clock,
				  const struct vmv_root *root,
				  const struct vmv_metrics_options *options);

/* Whoever still waits is called with NULL. */
void vmv_keeper_free(struct vmv_keeper *k);

/* Calls back once, in a later turn of the loop or at once, with such a reading; rates are over at
 * least VMV_CPU_AGE_MIN_MS where there is a reading to compare with, else over VMV_CPU_GAP_MS.
 * Returns 0, or -ENOMEM, or -ECANCELED while the keeper is being freed: then it does not call back.
 */
int vmv_keeper_ask(struct vmv_keeper *k, const struct vmv_ask *ask, vmv_view_cb *cb, void *arg);

/* The asker has news: a reading that waits for it goes on, in a later turn. */
void vmv_keeper_poke(struct vmv_keeper *k);

/* Those who wait with this arg are not called any more. */
void vmv_keeper_forget(struct vmv_keeper *k, const void *arg);

/* The latest reading. */
struct vmv_facts *vmv_keeper_facts(const struct vmv_keeper *k);

/* How often a counter was found lower than before, and its rate so unknown. */
uint64_t vmv_keeper_resets(const struct vmv_keeper *k);

/* Whether an address is known, and whether the end of the last one is still doubted. */
bool vmv_keeper_has_address(const struct vmv_keeper *k);
bool vmv_keeper_doubts(const struct vmv_keeper *k);

#endif
