/* Whether this guest is larger than its work (PROTOCOL.md 5.3): CheckResourceOptimization. */
#ifndef VMV_REPORTS_ADVICE_H
#define VMV_REPORTS_ADVICE_H

#include "collectors/collector.h"

struct vmv_facts;
struct vmv_jw;
struct vmv_rates;
struct vmv_usage;

/* What the answer is made of, beside rates. */
vmv_groups vmv_advice_groups(void);

/* Writes the data: what the days before this reading advise. usage NULL: nothing was kept yet. What
 * is known of less than VMV_USAGE_ENOUGH_S makes no advice: "unknown". *ret_text is one line for
 * people. Returns 0 or -ENOMEM. */
int vmv_advice_write(struct vmv_jw *w, const struct vmv_usage *usage, unsigned days,
		     const struct vmv_facts *f, const struct vmv_rates *rates,
		     const char **ret_text);

#endif
