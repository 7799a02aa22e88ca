/* What is installed and what could be, as JSON; for helper/software*.c only. */
#ifndef VMV_HELPER_SOFTWARE_H
#define VMV_HELPER_SOFTWARE_H

#include "base/limits.h"
#include "packages/inventory.h"
#include "proto/json_write.h"

#include <stdbool.h>
#include <stdint.h>

#define VMV_SOFTWARE_DATA_MAX	  (VMV_RESPONSE_MAX - 128 * VMV_KIB)
#define VMV_APPLICATIONS_DATA_MAX (512 * VMV_KIB)
#define VMV_APPLICATIONS_MAX	  5000
#define VMV_FOUND_MAX		  2000

struct vmv_software {
	struct vmv_look look;
	struct vmv_inventory inventory;
	int64_t now_ms; /* wall clock */
	const char *operand;

	/* The answer. */
	struct vmv_jw w;
	uint64_t count;	   /* what the list holds; 0 of a single object: there is none */
	uint64_t security; /* of updates; VMV_UNSET: unknown */
	bool is_cut;
};

/* Each writes the answer; returns 0 or negative errno. */
int vmv_software_packages(struct vmv_software *s);
int vmv_software_search(struct vmv_software *s);
int vmv_software_applications(struct vmv_software *s);
int vmv_software_application(struct vmv_software *s);
int vmv_software_updates(struct vmv_software *s);
int vmv_software_updates_security(struct vmv_software *s);
int vmv_software_application_updates(struct vmv_software *s);
int vmv_software_application_updates_security(struct vmv_software *s);
int vmv_software_application_update(struct vmv_software *s);

/* For lists that are cut from the end. Before an element: take a mark. After it: true when it was
 * one too much; it is gone then, and is_cut set. What follows the list has VMV_JW_TAIL. */
bool vmv_software_full(struct vmv_software *s, struct vmv_jw_mark mark);

void vmv_software_text(struct vmv_jw *w, const char *name, struct vmv_slice v);
void vmv_software_time(struct vmv_jw *w, const char *name, int64_t ms); /* -1: null */

/* Runs a child in our own process group, which the agent kills when the answer is late. */
vmv_run_fn vmv_software_run;

#endif
