#include "collectors/collector.h"

#include <string.h>

const struct vmv_collector *vmv_collector_find(const char *name)
{
	for (size_t i = 0; vmv_collectors[i]; i++)
		if (strcmp(vmv_collectors[i]->name, name) == 0)
			return vmv_collectors[i];
	return NULL;
}

vmv_groups vmv_group(const struct vmv_collector *c)
{
	for (size_t i = 0; vmv_collectors[i]; i++)
		if (vmv_collectors[i] == c)
			return UINT64_C(1) << i;
	return 0;
}

vmv_groups vmv_groups_default(void)
{
	vmv_groups set = 0;

	for (size_t i = 0; vmv_collectors[i]; i++)
		if (vmv_collectors[i]->is_default)
			set |= UINT64_C(1) << i;
	return set;
}
