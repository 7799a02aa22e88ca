/* Files that are open for clients of the QEMU guest agent's protocol: nothing is open in truth, a
 * handle names a record with which a job finds the file again (job/qga.h). Records are files on a
 * tmpfs, so that they outlive this process, and end with the boot. */
#ifndef VMV_EXECD_QGA_FILES_H
#define VMV_EXECD_QGA_FILES_H

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_err;
struct vmv_qga_files;

#define VMV_QGA_HANDLE_MIN 1000 /* the first handle */

/* What is in run_dir is read; what is no record there is removed. now_ms: monotonic, of all of
 * these. Returns 0 or negative errno with err set. */
int vmv_qga_files_open(struct vmv_qga_files **ret, const char *run_dir, uint64_t now_ms,
		       struct vmv_err *err);
void vmv_qga_files_free(struct vmv_qga_files *f); /* takes NULL */

/* 0, or -EBUSY with err set: n more cannot be taken. One that nobody has used for VMV_QGA_CHILD_MS
 * gives way. */
int vmv_qga_files_room(struct vmv_qga_files *f, size_t n, uint64_t now_ms, struct vmv_err *err);

/* A new record, referenced: an object with "path" and "position". Returns 0 and a handle that was
 * never given before since the boot, or negative errno with err set. */
int vmv_qga_files_add(struct vmv_qga_files *f, struct json_object *record, uint64_t now_ms,
		      uint64_t *ret, struct vmv_err *err);

/* The record, borrowed, or NULL with err set: there is no such handle. Counts as use. */
struct json_object *vmv_qga_files_find(struct vmv_qga_files *f, int64_t handle, uint64_t now_ms,
				       struct vmv_err *err);

/* Where the next request begins. Unknown handles are ignored. */
void vmv_qga_files_move(struct vmv_qga_files *f, uint64_t handle, int64_t position);

void vmv_qga_files_remove(struct vmv_qga_files *f, uint64_t handle);

size_t vmv_qga_files_count(const struct vmv_qga_files *f);

#endif
