/* The jobs of the executor: those that wait for their turn, run, and are over. */
#ifndef VMV_EXECD_JOBS_H
#define VMV_EXECD_JOBS_H

#include "execd/execd_impl.h"

struct vmv_jobs;
struct vmv_job_end;

/* Starts nothing; kills what a former executor left running that may be killed. */
int vmv_jobs_new(struct vmv_jobs **ret, struct vmv_execd *e, struct vmv_err *err);

/* Kills what runs, but for what must be let finish. Takes NULL. */
void vmv_jobs_free(struct vmv_jobs *js);

/* A verified, allowed command with checked arguments. payload is its JSON text, copied; key for the
 * audit. Answers by itself, now or later. */
void vmv_jobs_add(struct vmv_jobs *js, const struct vmv_return *to, const struct vmv_command *c,
		  struct json_object *message, const char *payload, size_t len, const char *key);

/* A command of the QEMU guest agent, that is allowed and has checked arguments. handle: the file it
 * works on, or 0. message: that of job/qga.h, copied. Answers by itself, now or later. */
struct vmv_jobs_qga {
	const struct vmv_command *command;
	uint64_t handle;
	const char *message;
	size_t len;
};
void vmv_jobs_add_qga(struct vmv_jobs *js, const struct vmv_return *to,
		      const struct vmv_jobs_qga *q);

/* How many of that command wait, or run and are not answered. */
size_t vmv_jobs_count(const struct vmv_jobs *js, const struct vmv_command *c);

/* One that works on this file waits or runs. */
bool vmv_jobs_uses_handle(const struct vmv_jobs *js, uint64_t handle);

/* A script: a raw command whose end is told to ended() instead of to a host. The description is
 * that of a raw command. Returns 0 or negative errno: it could not be started. */
struct vmv_jobs_script {
	const char *id, *text, *shell, *run_as;
	uint32_t timeout_s;
	void (*ended)(void *arg, const struct vmv_job_end *end, const struct vmv_err *err);
	void *arg;
};
int vmv_jobs_run_script(struct vmv_jobs *js, const struct vmv_jobs_script *s, struct vmv_err *err);

/* JobStatus and JobCancel (PROTOCOL.md 6.7): 0 and data, or negative errno with err set. id NULL:
 * all. */
int vmv_jobs_status(struct vmv_jobs *js, const char *id, struct vmv_jw *data, struct vmv_err *err);
int vmv_jobs_cancel(struct vmv_jobs *js, const char *id, struct vmv_jw *data, struct vmv_err *err);

/* All that was queued for the peer has been sent. */
void vmv_jobs_drained(struct vmv_jobs *js, const struct vmv_peer *p);

/* The host read so many bytes of a job's output lines. */
void vmv_jobs_taken(struct vmv_jobs *js, const struct vmv_peer *p, uint64_t ref, uint64_t bytes);

void vmv_jobs_session_ended(struct vmv_jobs *js, const char *channel, const char *session);
void vmv_jobs_peer_gone(struct vmv_jobs *js, const struct vmv_peer *p);

/* A job runs that freezes filesystems: whatever is written now may be too late. */
bool vmv_jobs_is_freezing(const struct vmv_jobs *js);

/* Something runs, waits, or is still to be done. */
bool vmv_jobs_is_busy(const struct vmv_jobs *js);

/* The executor stops: ends what may be ended, and answers it as interrupted. */
void vmv_jobs_interrupt(struct vmv_jobs *js);

#endif
