/* Collectors whose one row comes out of several files of /proc, each of which may be missing. */
#ifndef VMV_COLLECTORS_PARTS_H
#define VMV_COLLECTORS_PARTS_H

#include <stddef.h>

struct vmv_err;
struct vmv_root;

#define VMV_PARTS_MAX 6	    /* files of one collector */
#define VMV_PART_TEXT 32768 /* bytes */

struct vmv_part {
	const char *path; /* below /proc */
	size_t cap; /* bytes, NUL included: a longer text is -EFBIG. At most VMV_PART_TEXT; little
		     * for /proc/sys, where the kernel allocates and clears what we have room for */

	/* The text of the file into what is at ret; path is for err. Returns 0, or -EINVAL with err
	 * set and ret untouched. */
	int (*parse)(const char *text, const char *path, void *ret, struct vmv_err *err);
	size_t offset; /* of ret, in the sample */
};

/* The state of such a collector: the descriptors, which stay open. */
void *vmv_parts_open(const struct vmv_root *root);
void vmv_parts_close(void *state); /* takes NULL */

/* Reads all n files into *sample, which becomes VMV_UNSET everywhere (so it has nothing but
 * numbers) where a file is missing, hidden from us (containers, security modules), or switched off
 * (-EOPNOTSUPP). Returns 0, or negative errno with err set: -ENOENT when there is none of the
 * files, -EACCES or -EPERM when one is hidden and there is no other, else what the first said that
 * could not be read or parsed. */
int vmv_parts_read(void *state, const struct vmv_root *root, const struct vmv_part *parts, size_t n,
		   void *sample, size_t sample_size, struct vmv_err *err);

#endif
