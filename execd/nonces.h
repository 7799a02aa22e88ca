/* The nonces of version 1 envelopes that were used, in memory and on disk (PROTOCOL.md 4.1). */
#ifndef VMV_EXECD_NONCES_H
#define VMV_EXECD_NONCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_clock;
struct vmv_nonces;

/* dir: where the file "nonces" is; it must be ours and not writable by others, else whoever can
 * remove the file could make old envelopes pass. boot_id: of this boot, one word of at most 63
 * characters. Both are copied; clock is borrowed. Nothing is read before the first use. NULL: no
 * memory, or a bad boot_id. */
struct vmv_nonces *vmv_nonces_new(const char *dir, const char *boot_id,
				  const struct vmv_clock *clock);
void vmv_nonces_free(struct vmv_nonces *n);

/* Uses a nonce up: on disk when this returns 0 (while frozen: in memory). It is alive as long as
 * the clock has not passed keep_until, and besides for as long a time by the monotonic clock, in
 * which a step of the clock does not count.
 *
 * Returns 0, -EEXIST it is alive, or may be one that is forgotten (it lives no longer than one that
 * has died before: the clock was set back), -ENOSPC VMV_NONCES_MAX are alive, or another errno:
 * what is known cannot be read, or the nonce cannot be written. After any of these it is as unused
 * as before. */
int vmv_nonces_use(struct vmv_nonces *n, const char *nonce, size_t len, int64_t keep_until_real_ms);

/* While file systems are frozen nothing is written: it would hang. What came meanwhile is written
 * when they are thawed; returns 0 then, or negative errno: it is tried again at the next use. */
int vmv_nonces_set_frozen(struct vmv_nonces *n, bool is_frozen);

/* Those that are known, alive or not purged yet. */
size_t vmv_nonces_count(const struct vmv_nonces *n);

#endif
