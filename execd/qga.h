/* The QEMU guest agent's commands that change something: judged here by [qga] of our own
 * configuration, whatever the agent thinks of it, and done by jobs (job/qga.h). Whoever has the
 * agent can send any of this. */
#ifndef VMV_EXECD_QGA_H
#define VMV_EXECD_QGA_H

#include "execd/execd_impl.h"

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_command;
struct vmv_execd_qga;
struct vmv_job_end;

/* Reads what a former executor left of open files. */
int vmv_execd_qga_new(struct vmv_execd_qga **ret, struct vmv_execd *e, struct vmv_err *err);
void vmv_execd_qga_free(struct vmv_execd_qga *q); /* takes NULL */

/* One request; arguments NULL: none. Exactly one result, now or later. */
void vmv_execd_qga_ask(struct vmv_execd *e, const struct vmv_return *to, const char *command,
		       struct json_object *arguments);

/* The policy of [qga] as it is now, and whether filesystems are frozen. */
void vmv_execd_qga_policy(struct vmv_execd *e, struct vmv_policy *ret);

/* The one result of a request. data: the value to return, JSON; NULL: there is none. */
void vmv_execd_qga_result(const struct vmv_return *to, const struct vmv_err *err, const char *data,
			  size_t len);

/* What a job said of success, and of what is to be remembered of it. handle: of guest-file-*, else
 * 0. data: what the action wrote, NULL: nothing. Writes the value to return into ret. Returns 0 or
 * negative errno with err set. */
int vmv_execd_qga_take(struct vmv_execd *e, const struct vmv_command *c, uint64_t handle,
		       struct json_object *data, struct vmv_jw *ret, struct vmv_err *err);

/* A program of guest-exec runs; it has ended. */
int vmv_execd_qga_began(struct vmv_execd *e, pid_t pid, struct vmv_err *err);
void vmv_execd_qga_ended(struct vmv_execd *e, pid_t pid, const struct vmv_job_end *end);

/* Somebody may still ask how a program ended: it is known to nobody else. */
bool vmv_execd_qga_is_busy(const struct vmv_execd *e);

#endif
