/* Runs the system's own programs for an action, and waits for them. */
#ifndef VMV_JOB_TOOL_H
#define VMV_JOB_TOOL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct vmv_buf;
struct vmv_err;
struct vmv_job_settings;

/* Looks in the directories of PATH (PROTOCOL.md 5.1) below settings->root. Returns whether it is
 * there; ret is its path then. */
bool vmv_tool_find(const struct vmv_job_settings *s, const char *name, char ret[PATH_MAX]);

/* Runs argv, whose first is a name to be looked for. out gets what it prints, up to its max, the
 * rest is lost; NULL: that goes to our stdout. Its standard error is ours, its input empty.
 * Returns its exit code (128 + n after signal n), -ENOENT: there is no such program (err is
 * VMV_E_UNSUPPORTED), -ETIMEDOUT (VMV_E_TIMEDOUT), or other negative errno, with err set. */
int vmv_tool_run(const struct vmv_job_settings *s, const char *const *argv, uint64_t deadline_ms,
		 struct vmv_buf *out, struct vmv_err *err);

/* The same with a program of this path. */
int vmv_tool_run_path(const char *path, const char *const *argv, uint64_t deadline_ms,
		      struct vmv_buf *out, struct vmv_err *err);

/* The same, but it has to succeed, and what it says on its standard error is in err when it does
 * not (VMV_E_IO, or VMV_E_TIMEDOUT). */
int vmv_tool_do(const char *path, const char *const *argv, uint64_t deadline_ms,
		struct vmv_err *err);

/* The moment that an action has to stop at by itself, so that its answer is written before it is
 * told to end. */
uint64_t vmv_tool_soft_deadline(uint64_t deadline_ms);

#endif
