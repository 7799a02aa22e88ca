/* What the guest runs on, and the memory that its host has taken back. */
#ifndef VMV_COLLECTORS_VIRTUAL_H
#define VMV_COLLECTORS_VIRTUAL_H

#include "collectors/collector.h"

struct vmv_err;

/* "" and VMV_UNSET are unknown. */
struct vmv_virtual_sample {
	uint64_t is_guest;    /* 0 or 1 */
	uint64_t has_balloon; /* 1: a virtio-balloon device is in use, else 0 */
	uint64_t balloon;     /* bytes in the balloon now */
	char hypervisor[16];  /* as vmv_hypervisor_judge says; "none" on hardware */
	char container[32];   /* its manager: "docker", "lxc"; "" when this is none */
	char vendor[64];      /* of the machine, as its firmware says */
	char product[64];
};

/* Pure: the text of /proc/vmstat to pages in balloons: nr_balloon_pages (since Linux 6.18), else
 * balloon_inflate - balloon_deflate, which are counted since Linux 3.17; never below 0, VMV_UNSET
 * when this kernel has neither. -EINVAL with err set on a malformed line of these. */
int vmv_virtual_parse_balloon(const char *vmstat, uint64_t *ret_pages, struct vmv_err *err);

/* Pure: the word that a manager of containers has left, or "other" where that is no word. */
void vmv_virtual_container_name(const char *text, char *ret, size_t cap);

/* One row, id "". All but the balloon is found out once, by the first reading. On x86 the processor
 * itself is asked when the root is live. */
extern const struct vmv_collector vmv_collector_virtual;

#endif
