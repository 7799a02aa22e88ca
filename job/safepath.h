/* Paths that a host names: PROTOCOL.md 6.7. They are resolved once, to a directory that stays
 * open and a name in it, and judged by what was found there and not by their text alone. */
#ifndef VMV_JOB_SAFEPATH_H
#define VMV_JOB_SAFEPATH_H

#include <limits.h>
#include <stdbool.h>

struct stat;
struct vmv_err;
struct vmv_job_settings;

struct vmv_place {
	int dir; /* open for reading; owned */
	char name[NAME_MAX + 1];
};

/* path is as VMV_CHARS_PATH says. It has to lie below one of settings->file_roots, and symlinks on
 * the way may not lead out of that one; before Linux 5.6 there may be none at all. /proc, /sys,
 * /dev and settings->secret_paths are refused, and what is below them, whatever name leads there:
 * links, bind mounts. Nothing need be there yet. Returns 0, or negative errno with err set:
 * VMV_E_DENIED, VMV_E_NOTFOUND (no such directory), VMV_E_IO; ret is written only on success. */
int vmv_place_open(const struct vmv_job_settings *s, const char *path, struct vmv_place *ret,
		   struct vmv_err *err);

void vmv_place_close(struct vmv_place *p);

/* Whether this is a path for vmv_place_open_kernels. */
bool vmv_place_is_kernels(const char *path);

/* What is there, the last part not followed. Returns 0, or negative errno with err set:
 * VMV_E_NOTFOUND, VMV_E_DENIED (it is a secret by another name), VMV_E_IO. */
int vmv_place_stat(const struct vmv_job_settings *s, const struct vmv_place *p, struct stat *ret,
		   struct vmv_err *err);

/* Opens a regular file with these flags (O_RDONLY ...); nothing else is ever opened, since that
 * can block or do something. Returns a descriptor or negative errno with err set: as above, and
 * VMV_E_RANGE: it is no regular file. */
int vmv_place_open_file(const struct vmv_job_settings *s, const struct vmv_place *p, int flags,
			struct stat *ret, struct vmv_err *err);

/* Opens what the kernel tells everybody, for reading: a file below /proc or /sys that all may read.
 * It has to lie below one of settings->file_roots, as above. Links may not lead out of /proc or
 * /sys, and nothing in the directories of processes is to be had: that is other names of files, and
 * memory. Returns a descriptor or negative errno with err set, as above. */
int vmv_place_open_kernels(const struct vmv_job_settings *s, const char *path, struct stat *ret,
			   struct vmv_err *err);

#endif
