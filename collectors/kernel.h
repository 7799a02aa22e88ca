/* Tables of the kernel that can run full, and its entropy, from /proc/sys. */
#ifndef VMV_COLLECTORS_KERNEL_H
#define VMV_COLLECTORS_KERNEL_H

#include "collectors/collector.h"

struct vmv_err;

/* VMV_UNSET where this kernel has no such file, or hides it from us. */
struct vmv_kernel_sample {
	uint64_t files, files_max;     /* open file descriptions; fs/file-nr */
	uint64_t entropy, entropy_max; /* bits; kernel/random/entropy_avail, poolsize */
	/* tracked connections of this network namespace; net/netfilter, while the module is loaded
	 */
	uint64_t conntrack, conntrack_max;
};

/* One row. -ENOENT where there is none of the files. */
extern const struct vmv_collector vmv_collector_kernel;

/* Pure: the text of /proc/sys/fs/file-nr: open, free (0 since 2.6), maximum. -EINVAL with err set
 * when malformed; writes files and files_max only, and those only on success. */
int vmv_file_nr_parse(const char *text, struct vmv_kernel_sample *ret, struct vmv_err *err);

/* Pure: a file of /proc/sys with one number, called name in err. Likewise. */
int vmv_sysctl_parse(const char *text, const char *name, uint64_t *ret, struct vmv_err *err);

#endif
