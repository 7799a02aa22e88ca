/* Rates between two metrics messages of one guest. */
#ifndef VMV_HOST_RATES_H
#define VMV_HOST_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

struct vmv_vitals;

/* Bytes per second of the interface at the same index of the newer vitals; NaN is unknown. */
struct vmv_rates {
	double received[VMV_METRICS_INTERFACES];
	double sent[VMV_METRICS_INTERFACES];
};

/* Interfaces are matched by name. A rate is unknown when the interface was not there before, when
 * its counter is unknown or went backwards, when is_same_boot is false, or when elapsed_ns is 0.
 * before may be NULL: then all are unknown. */
void vmv_rates_between(const struct vmv_vitals *before, const struct vmv_vitals *now,
		       uint64_t elapsed_ns, bool is_same_boot, struct vmv_rates *ret);

#endif
