/* SHA-256 of a file, through a descriptor that is open already. */
#ifndef VMV_JOB_DIGEST_H
#define VMV_JOB_DIGEST_H

#include <stdint.h>

#define VMV_DIGEST_MAX (UINT64_C(1) << 30) /* bytes; of larger files there is none */
#define VMV_HEX_SIZE   65		   /* 64 lower-case digits and NUL */

struct vmv_err;

/* From the beginning to the end, wherever the descriptor's offset is. Returns 0, or negative errno
 * with err set: VMV_E_TOOLARGE, VMV_E_TIMEDOUT, VMV_E_IO. */
int vmv_digest(int fd, uint64_t deadline_ms, char ret[VMV_HEX_SIZE], struct vmv_err *err);

#endif
