/* The last counter of each key in each session: envelopes of version 2 (PROTOCOL.md 6.8). */
#ifndef VMV_EXECD_COUNTERS_H
#define VMV_EXECD_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

struct vmv_counters;

/* dir: /run/vmvitals-execd, ours and not writable by others. They are kept in a file for each
 * session there, and nowhere else: whenever this process is killed, what was accepted stays so.
 * Returns 0, or negative errno; -EPERM: owner or mode. */
int vmv_counters_open(struct vmv_counters **ret, const char *dir);
void vmv_counters_free(struct vmv_counters *c);

/* Uses up a counter (1 to 2^53 - 1); 0 only asks. *ret_last is the last one before (0: none);
 * written also with -EEXIST. Returns 0, -EEXIST counter is not greater than that, -ENOSPC
 * VMV_KEYS_MAX other keys were used in this session, or another errno: it cannot be read or
 * written, and then nothing is accepted. key: 16 hexadecimal digits; session: a uuid. */
int vmv_counters_use(struct vmv_counters *c, const char *session, const char *key, int64_t counter,
		     int64_t *ret_last);

/* The session is over. */
void vmv_counters_drop(struct vmv_counters *c, const char *session);

/* All others are over, too: at start. */
void vmv_counters_keep_only(struct vmv_counters *c, const char *const *sessions, size_t n);

#endif
