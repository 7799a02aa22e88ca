#include "base/limits.h"
#include "collectors/network.h"
#include "reports/facts.h"
#include "reports/interfaces.h"
#include "reports/metrics.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define DOUBT_MS 5000 /* a second reading so much later must agree that no address is left */

void vmv_address_memory_clear(struct vmv_address_memory *m)
{
	free(m->entries);
	memset(m, 0, sizeof(*m));
}

bool vmv_interface_is_shown(const struct vmv_network_sample *s, const struct vmv_metrics_options *o)
{
	if (s->is_loopback == 1 || strcmp(s->name, "lo") == 0)
		return false;
	for (size_t i = 0; i < o->n_exclude; i++)
		if (fnmatch(o->exclude[i], s->name, 0) == 0)
			return false;
	return true;
}

void vmv_interface_addresses(const struct vmv_network_sample *s,
			     const struct vmv_metrics_options *o, struct vmv_address_entry *ret)
{
	size_t n4 = s->n_ipv4 < VMV_ADDRESSES_EACH ? s->n_ipv4 : VMV_ADDRESSES_EACH;
	size_t n6 = s->n_ipv6 < VMV_ADDRESSES_EACH ? s->n_ipv6 : VMV_ADDRESSES_EACH;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->name, s->name, sizeof(ret->name));
	for (size_t i = 0; i < n4 && ret->n < VMV_METRICS_ADDRESSES; i++)
		memcpy(ret->address[ret->n++], s->ipv4[i], sizeof(s->ipv4[i]));
	for (size_t i = 0; o->has_ipv6 && i < n6 && ret->n < VMV_METRICS_ADDRESSES; i++)
		memcpy(ret->address[ret->n++], s->ipv6[i], sizeof(s->ipv6[i]));
}

const struct vmv_address_entry *vmv_address_memory_find(const struct vmv_address_memory *m,
							const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->entries[i].name, name) == 0)
			return &m->entries[i];
	return NULL;
}

static uint64_t hash(uint64_t h, const char *s)
{
	do {
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211); /* FNV-1a */
	} while (*s++);
	return h;
}

static uint64_t sign(const struct vmv_address_entry *e, size_t n)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < n; i++) {
		if (e[i].n)
			h = hash(h, e[i].name);
		for (size_t a = 0; a < e[i].n; a++)
			h = hash(h, e[i].address[a]);
	}
	return h;
}

static bool fill(struct vmv_address_entry *entries, size_t *n, const struct vmv_facts *f,
		 const struct vmv_metrics_options *o)
{
	size_t rows;
	const struct vmv_network_sample *s = vmv_facts_rows(f, &vmv_collector_network, &rows);
	bool has_any = false;

	*n = 0;
	for (size_t i = 0; i < rows && *n < VMV_METRICS_INTERFACES; i++) {
		if (!vmv_interface_is_shown(&s[i], o))
			continue;
		vmv_interface_addresses(&s[i], o, &entries[*n]);
		has_any |= entries[*n].n > 0;
		++*n;
	}
	return has_any;
}

bool vmv_address_memory_update(struct vmv_address_memory *m, const struct vmv_facts *f,
			       const struct vmv_metrics_options *o, uint64_t now_ms)
{
	size_t rows, n;
	const struct vmv_network_sample *s = vmv_facts_rows(f, &vmv_collector_network, &rows);
	struct vmv_address_entry *fresh;
	bool has_any, changed;
	uint64_t was = m->signature;

	if (rows == 0 || s[0].addresses_known != 1)
		return false; /* the reading failed: what was known is repeated */
	fresh = calloc(VMV_METRICS_INTERFACES, sizeof(*fresh));
	if (!fresh)
		return false;
	has_any = fill(fresh, &n, f, o);
	if (!has_any && m->had_any) {
		if (!m->is_doubted)
			m->doubted_ms = now_ms;
		m->is_doubted = now_ms - m->doubted_ms < DOUBT_MS;
		if (m->is_doubted) {
			free(fresh);
			return false;
		}
	}
	free(m->entries);
	m->entries = n ? reallocarray(fresh, n, sizeof(*fresh)) : NULL;
	if (!m->entries) {
		free(fresh);
		n = 0;
	}
	m->n = n;
	m->is_doubted = false;
	m->had_any = has_any;
	m->signature = sign(m->entries, n);
	changed = was != 0 && was != m->signature;
	return changed;
}
