/* Whether filesystems are frozen (PROTOCOL.md 5.8): the guard that froze them (job/guard.h) says
 * so in a file that everybody may read, and that is there for as long as they are. */
#ifndef VMV_BASE_FREEZE_H
#define VMV_BASE_FREEZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VMV_FREEZE_FILE	  "fsfreeze"	  /* in the executor's run_dir: root's, 0644 */
#define VMV_FREEZE_SOCKET "fsfreeze.sock" /* beside it, 0600: whoever connects has them thawed */
#define VMV_FREEZE_LOCK	  "fsfreeze.lock" /* locked by the guard from before until after */

struct vmv_freeze_record {
	int64_t since_real_ms;	/* since 1970 */
	uint64_t since_mono_ms; /* monotonic, as the next */
	uint64_t thaw_at_ms;
	pid_t guard;
	uint64_t guard_start; /* ticks after boot: /proc/PID/stat, field 22 */
	uint32_t count;	      /* filesystems */
};

/* Pure. Returns 0 or -EINVAL; ret is written only on success. */
int vmv_freeze_parse(const char *text, struct vmv_freeze_record *ret);

/* The text of a record, with a newline; returns its length. cap of 128 is enough. */
int vmv_freeze_format(const struct vmv_freeze_record *r, char *buf, size_t cap);

/* Reads the file in run_dir, which is trusted when it belongs to root, and whoever it was that
 * wrote it is still there. Returns 0 and the record: frozen; -ENOENT: not frozen; -ESRCH and the
 * record: they may be, and there is no guard any more; other negative errno: not known. */
int vmv_freeze_read(const char *run_dir, struct vmv_freeze_record *ret);

/* When a process began, ticks after boot. Returns 0 or negative errno. */
int vmv_freeze_started(pid_t pid, uint64_t *ret);

#endif
