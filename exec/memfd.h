/* Bytes as a file that is in no directory and on no disk, and that nobody can change. */
#ifndef VMV_EXEC_MEMFD_H
#define VMV_EXEC_MEMFD_H

#include <stddef.h>

/* Readable by anybody who has it or its path in /proc; CLOEXEC; at its beginning. name is for
 * people who look into /proc. Returns a new descriptor, or negative errno. */
int vmv_memfd(const char *name, const void *data, size_t len);

#endif
