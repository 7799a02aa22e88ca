/* The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram an entry. Spoken
 * here because libsystemd costs an agent about a megabyte of memory. */
#ifndef VMV_BASE_JOURNAL_H
#define VMV_BASE_JOURNAL_H

#include "base/log.h"

#include <stddef.h>

#define VMV_JOURNAL_SOCKET     "/run/systemd/journal/socket"
#define VMV_JOURNAL_FIELDS_MAX (VMV_LOG_FIELDS_MAX + 5)

/* Returns a new descriptor for vmv_journal_send, which never blocks on it, or negative errno. It
 * outlives journald: nothing is connected. */
int vmv_journal_open(void);

/* Sends one entry to the journal at socket_path. Values may be of any length and hold newlines; a
 * field whose value is NULL is left out. What is too large for a datagram goes as a sealed memory
 * file. Never blocks, never raises SIGPIPE, allocates nothing.
 *
 * Returns 0, or negative errno, and then nothing was sent: -ENOENT or -ECONNREFUSED no journald,
 * -EAGAIN it does not keep up, -E2BIG more than VMV_JOURNAL_FIELDS_MAX fields, -ENAMETOOLONG
 * socket_path does not fit an address, -EINVAL not one field has a value, or what the kernel
 * said. */
int vmv_journal_send(int fd, const char *socket_path, const struct vmv_log_field *fields, size_t n);

#endif
