/* The compatible 'metrics' message (PROTOCOL.md 3.2). */
#ifndef VMV_REPORTS_METRICS_H
#define VMV_REPORTS_METRICS_H

#include "collectors/collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_facts;
struct vmv_jw;
struct vmv_rates;

struct vmv_metrics_options {
	unsigned processes;	    /* how many at most, 0 to 200 */
	bool has_cmdline;	    /* command lines may be told */
	bool has_ipv6;		    /* report IPv6 addresses */
	const char *const *exclude; /* name patterns of interfaces left out */
	size_t n_exclude;
};

/* What is known of addresses from earlier messages: hosts store what they are told, so a message
 * must not lose addresses because one reading failed. Zero it before the first. */
struct vmv_address_memory {
	struct vmv_address_entry *entries; /* owned: the last lists that were read well */
	size_t n;
	bool had_any;	 /* the last message held an address */
	bool is_doubted; /* the last reading found none where there had been some */
	uint64_t doubted_ms;
	uint64_t signature; /* of all lists: changes when an address does */
};

void vmv_address_memory_clear(struct vmv_address_memory *m);

/* Takes note of a reading. Returns true when the addresses differ from those noted before. Sets
 * is_doubted when the last address has vanished and 5 s have not passed: read again then. */
bool vmv_address_memory_update(struct vmv_address_memory *m, const struct vmv_facts *f,
			       const struct vmv_metrics_options *o, uint64_t now_ms);

/* What the message is made of. */
vmv_groups vmv_metrics_groups(void);

/* Writes the 'data' object under this name (NULL: as a value). Returns 0, or -ENODATA with err set
 * when something that must not be missing is not known: then nothing may be sent. */
int vmv_metrics_write(struct vmv_jw *w, const char *name, const struct vmv_facts *f,
		      const struct vmv_rates *rates, const struct vmv_address_memory *m,
		      const struct vmv_metrics_options *o, struct vmv_err *err);

/* The whole message. Returns as above. */
int vmv_metrics_message(struct vmv_jw *w, const char *stamp, const struct vmv_facts *f,
			const struct vmv_rates *rates, const struct vmv_address_memory *m,
			const struct vmv_metrics_options *o, struct vmv_err *err);

#endif
