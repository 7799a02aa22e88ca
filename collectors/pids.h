/* The processes that /proc lists. */
#ifndef VMV_COLLECTORS_PIDS_H
#define VMV_COLLECTORS_PIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_root;

/* Start with all zero; memory and descriptor are kept between listings. */
struct vmv_pids {
	int fd; /* when is_open */
	bool is_open;
	bool is_listing; /* between two steps */
	uint32_t *pid;	 /* ascending, when the listing is complete */
	size_t n, cap;
};

/* Replaces the list by what is there now, some dozens of processes a call: the kernel looks each of
 * them up. Returns VMV_MORE (call again), 0 when it is complete, or negative errno with err set;
 * then the list is empty. */
int vmv_pids_step(struct vmv_pids *pids, const struct vmv_root *root, struct vmv_err *err);

void vmv_pids_done(struct vmv_pids *pids); /* frees, back to all zero */

#endif
