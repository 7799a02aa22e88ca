/* Which interfaces and addresses the metrics message shows; for reports/ only. */
#ifndef VMV_REPORTS_INTERFACES_H
#define VMV_REPORTS_INTERFACES_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct vmv_address_memory;
struct vmv_metrics_options;
struct vmv_network_sample;

struct vmv_address_entry {
	char name[16];
	size_t n;
	char address[VMV_METRICS_ADDRESSES][46];
};

bool vmv_interface_is_shown(const struct vmv_network_sample *s,
			    const struct vmv_metrics_options *o);

/* The addresses of one interface in the order the message has them. */
void vmv_interface_addresses(const struct vmv_network_sample *s,
			     const struct vmv_metrics_options *o, struct vmv_address_entry *ret);

/* What was last known of this interface, or NULL. */
const struct vmv_address_entry *vmv_address_memory_find(const struct vmv_address_memory *m,
							const char *name);

#endif
