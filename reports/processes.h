/* Processes in messages: the top of the metrics message, ProcessList, ProcessTop. */
#ifndef VMV_REPORTS_PROCESSES_H
#define VMV_REPORTS_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_facts;
struct vmv_jw;
struct vmv_process_sample;
struct vmv_rates;

enum vmv_process_order {
	VMV_BY_PID,
	VMV_BY_CPU,    /* ties by memory */
	VMV_BY_MEMORY, /* ties by CPU */
};

/* The places of the best n of total rows, best first, into picked; n is at most total. cpu holds
 * one number per row, however it was measured; NULL: nothing is known of it. */
void vmv_processes_choose(const struct vmv_process_sample *rows, const double *cpu, size_t total,
			  enum vmv_process_order order, uint32_t *picked, size_t n);

/* The array of the metrics message: the top n by CPU. Returns 0 or -ENOMEM. */
int vmv_processes_write_top(struct vmv_jw *w, const char *name, const struct vmv_facts *f,
			    const struct vmv_rates *rates, size_t n, bool has_cmdline);

/* The array of ProcessList and ProcessTop: the first n in this order. *shown is how many were
 * written, *is_cut that more would not fit the message. Returns 0 or -ENOMEM. */
int vmv_processes_write_list(struct vmv_jw *w, const char *name, const struct vmv_facts *f,
			     const struct vmv_rates *rates, enum vmv_process_order order, size_t n,
			     bool has_cmdline, size_t *shown, bool *is_cut);

#endif
