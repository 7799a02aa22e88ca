/* A file on its way: what both directions of cp have in common. */
#ifndef VMV_HOST_COPY_H
#define VMV_HOST_COPY_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/progress.h"

struct json_object;
struct vmv_err;
struct vmv_message;
struct vmv_remote;

#define VMV_COPY_HEX_SIZE (2 * SHA256_DIGEST_SIZE + 1)

/* Plain values. */
struct vmv_copy {
	struct vmv_remote *remote; /* borrowed */
	const char *local;	   /* path; "-": standard input or output */
	const char *guest;	   /* absolute path, without slashes at its end */
	bool is_guest_dir;	   /* it had one */
	struct vmv_progress progress;
	uint64_t began_ms;
	uint64_t done; /* bytes that were copied */
	uint64_t size; /* of the file; VMV_UNSET: unknown */
	struct sha256_ctx hash;
	char sha256[VMV_COPY_HEX_SIZE]; /* of the whole, at the end */
};

/* What a path of the guest is. */
struct vmv_copy_stat {
	char type[32];
	uint64_t size;
	uint32_t mode; /* permission bits for user, group and others */
};

/* Errors of all that follow, with err set: as vmv_errand_ask; VMV_E_PARSE the guest's answer does
 * not fit, or what arrived is not what was sent; VMV_E_BUSY the file changed meanwhile; VMV_E_IO
 * with EREMOTEIO of files that are here, so that the status is that of an internal failure. */

/* FileStat. */
int vmv_copy_stat(struct vmv_copy *c, struct vmv_copy_stat *ret, struct vmv_err *err);

/* The last part of a path that the user named. Borrowed. */
const char *vmv_copy_basename(const char *path);

/* So many bytes more; shows how far it is. */
void vmv_copy_count(struct vmv_copy *c, const void *data, size_t len);

/* Ends the hash. */
void vmv_copy_digest(struct vmv_copy *c);

/* Asks with a message that has its arguments; a reference to the data in *ret. --timeout is the
 * time of each, within what it may have. */
int vmv_copy_ask(struct vmv_copy *c, struct vmv_message *m, struct json_object **ret,
		 struct vmv_err *err);

/* Reads the file of the guest into the local one, which is replaced at the end, or not at all. */
int vmv_copy_fetch(struct vmv_copy *c, struct vmv_err *err);

/* Writes the local file into the guest. */
int vmv_copy_store(struct vmv_copy *c, struct vmv_err *err);

#endif
