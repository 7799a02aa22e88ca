/* Who this guest is for its hosts. */
#ifndef VMV_AGENT_IDENTITY_H
#define VMV_AGENT_IDENTITY_H

#include "base/limits.h"

struct vmv_os_sample;
struct vmv_root;

#define VMV_VM_ID_SIZE (VMV_ID_MAX + 1)

/* The VM id, first found: configured (not empty); from_env (INFINIBAY_VM_ID of the environment, may
 * be NULL); that line in etc/environment; the machine id written as a uuid; the nil uuid. */
void vmv_vm_id(const char *configured, const char *from_env, const struct vmv_root *root,
	       const struct vmv_os_sample *os, char ret[VMV_VM_ID_SIZE]);

/* One reading of the os collector. On failure everything unknown. */
void vmv_os_read(const struct vmv_root *root, struct vmv_os_sample *ret);

#endif
