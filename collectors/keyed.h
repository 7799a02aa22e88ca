/* What collectors share whose kernel files hold numbers by key ("pgfault 12") and are read again
 * and again: finding the field that a key names, and keeping the file open. */
#ifndef VMV_COLLECTORS_KEYED_H
#define VMV_COLLECTORS_KEYED_H

#include "base/metric.h"

#include <stddef.h>
#include <stdint.h>

/* A field table whose sources are the kernel's keys, sorted in byte order; or the part of it whose
 * sources begin with one prefix. Borrows the table. */
struct vmv_keys {
	const struct vmv_field *fields;
	size_t n;
	size_t skip; /* bytes at the beginning of each source that belong to the prefix */
};

/* Those whose source is prefix, one blank, and a key: of "Tcp InSegs" under "Tcp" the key is
 * "InSegs". prefix need not be terminated. May be empty. */
struct vmv_keys vmv_keys_under(const struct vmv_keys *keys, const char *prefix, size_t len);

/* The field of this key, which need not be terminated, or NULL. */
const struct vmv_field *vmv_keys_find(const struct vmv_keys *keys, const char *key, size_t len);

/* Writes to the member of sample that the field stands for, which is a uint64_t. */
void vmv_keys_put(void *sample, const struct vmv_field *f, uint64_t v);

/* vmv_read_fd on *fd, which is opened first while it is -1 (path relative to dirfd). One that
 * failed is closed, but for -EFBIG: the next reading starts anew. The caller closes *fd. */
int vmv_reread(int *fd, int dirfd, const char *path, char *buf, size_t cap);

/* The same for a file that the kernel hands out piece by piece (/proc/vmstat): to its end. Lines
 * are whole, but may come from different moments. */
int vmv_reread_table(int *fd, int dirfd, const char *path, char *buf, size_t cap);

#endif
