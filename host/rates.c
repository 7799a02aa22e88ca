#include "host/rates.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/num.h"
#include "host/vitals.h"

static double rate(uint64_t before, uint64_t now, uint64_t elapsed_ns)
{
	uint64_t delta;

	if (elapsed_ns == 0 || !vmv_counter_delta(before, now, &delta))
		return (double)NAN;
	return (double)delta * 1e9 / (double)elapsed_ns;
}

static const struct vmv_vitals_nic *nic_named(const struct vmv_vitals *v, const char *name)
{
	for (size_t i = 0; i < v->n_nics; i++)
		if (strcmp(v->nics[i].name, name) == 0)
			return &v->nics[i];
	return NULL;
}

void vmv_rates_between(const struct vmv_vitals *before, const struct vmv_vitals *now,
		       uint64_t elapsed_ns, bool is_same_boot, struct vmv_rates *ret)
{
	for (size_t i = 0; i < now->n_nics && i < VMV_METRICS_INTERFACES; i++) {
		const struct vmv_vitals_nic *nic = &now->nics[i], *old = NULL;

		if (before && is_same_boot)
			old = nic_named(before, nic->name);
		ret->received[i] =
			!old ? (double)NAN
			     : rate(old->bytes_received, nic->bytes_received, elapsed_ns);
		ret->sent[i] =
			!old ? (double)NAN : rate(old->bytes_sent, nic->bytes_sent, elapsed_ns);
	}
}
