/* Programs that guest-exec has started: each is told of once after its end, with its output. */
#ifndef VMV_EXECD_QGA_CHILDREN_H
#define VMV_EXECD_QGA_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vmv_err;
struct vmv_job_end;
struct vmv_jw;
struct vmv_qga_children;

struct vmv_qga_children *vmv_qga_children_new(void);	/* NULL: out of memory */
void vmv_qga_children_free(struct vmv_qga_children *c); /* takes NULL */

/* 0, or -EBUSY with err set: with n more there would be over VMV_QGA_CHILDREN that run. */
int vmv_qga_children_room(const struct vmv_qga_children *c, size_t n, struct vmv_err *err);

/* One runs. Of those that have ended the oldest gives way where there are too many; so does one
 * that had this number before. Returns 0 or -ENOMEM. */
int vmv_qga_children_add(struct vmv_qga_children *c, pid_t pid);

/* It has ended; its output is copied. Those that ended earlier give way when there is more than
 * VMV_QGA_KEPT_BYTES of it. Unknown ones are ignored. now_ms: monotonic. */
void vmv_qga_children_ended(struct vmv_qga_children *c, pid_t pid, const struct vmv_job_end *end,
			    uint64_t now_ms);

/* Writes what guest-exec-status returns; of one that has ended this was the last time. Returns 0,
 * or -ESRCH with err set. */
int vmv_qga_children_status(struct vmv_qga_children *c, int64_t pid, struct vmv_jw *w,
			    struct vmv_err *err);

/* Forgets those that ended VMV_QGA_CHILD_MS ago, or earlier. Returns how many were forgotten since
 * this was last asked, by this or for want of room. */
unsigned vmv_qga_children_forget(struct vmv_qga_children *c, uint64_t now_ms);

/* When the next one is to be forgotten; UINT64_MAX: none has ended. */
uint64_t vmv_qga_children_due(const struct vmv_qga_children *c);

bool vmv_qga_children_is_empty(const struct vmv_qga_children *c);

#endif
