/* The current session of each channel, which the executor draws, and which outlives its process. */
#ifndef VMV_EXECD_SESSIONS_H
#define VMV_EXECD_SESSIONS_H

#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>

struct vmv_err;
struct vmv_sessions;

/* Reads <run_dir>/sessions, if it is there. run_dir is borrowed and must be root's own. Returns 0
 * and a new table, or negative errno with err set. */
int vmv_sessions_open(struct vmv_sessions **ret, const char *run_dir, struct vmv_err *err);
void vmv_sessions_free(struct vmv_sessions *s);

/* A fresh session for the channel; its former one ends. It is written down before it is returned:
 * 0, or negative errno (-ENOSPC: too many channels, and one must be ended first). */
int vmv_sessions_begin(struct vmv_sessions *s, const char *channel, char ret[VMV_UUID_SIZE]);

/* The channel's current one, or NULL. Borrowed until the table changes. */
const char *vmv_sessions_of(const struct vmv_sessions *s, const char *channel);

/* The channel whose session began before all others; NULL: there is none. Borrowed likewise. */
const char *vmv_sessions_oldest(const struct vmv_sessions *s);

/* The i-th of those there are, or NULL. Borrowed likewise. */
const char *vmv_sessions_id(const struct vmv_sessions *s, size_t i);

/* Ends it if it is the current one; false: it is not. */
bool vmv_sessions_end(struct vmv_sessions *s, const char *channel, const char *session);

#endif
