/* The inside of the job table, for jobs*.c only. */
#ifndef VMV_EXECD_JOBS_IMPL_H
#define VMV_EXECD_JOBS_IMPL_H

#include "base/limits.h"
#include "exec/job.h"
#include "execd/jobs.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_FINISHED, JOB_CANCELLED, JOB_INTERRUPTED };

struct entry {
	struct entry *next;
	struct vmv_jobs *jobs;
	char id[VMV_ID_MAX + 1];
	const struct vmv_command *command;
	char *payload; /* owned; NULL once it has begun, or is over */
	size_t payload_len;
	struct vmv_return to;
	char key[17]; /* "": the secret, or none */
	enum job_state state;
	uint64_t began_ms, ended_ms; /* monotonic: the line came; it was over */
	int64_t started_real_ms;     /* since 1970; 0: not yet */
	uint64_t end_ms;	     /* monotonic: the host gives up; so long before that it is */
	uint64_t margin_ms; /* ended, told that it goes on, or that its turn did not come */
	unsigned number;    /* of its group and record */

	bool is_streamed, is_binary, ends_with_session;
	bool is_answered; /* told that it is still running: nothing more goes to the host */
	bool is_qga;	  /* of the QEMU guest agent's protocol: a result on the link, not a line */
	bool has_begun;	  /* a program of guest-exec: it runs, and has no place of the others */
	uint64_t handle;  /* of guest-file-*, or 0 */
	pid_t pid;	  /* of that program */
	struct vmv_job *job;
	struct event *turn; /* queued: its turn did not come */
	uint64_t seq;	    /* of output messages */
	size_t unread;	    /* bytes of them that the host has not been given yet */
	uint64_t totals[2];
	char *response; /* owned; as it was answered */
	size_t response_len;

	const struct vmv_jobs_script *script; /* NULL: a command */
	struct vmv_jobs_script script_copy;
};

/* What is to happen when an answer has gone out. */
struct after_what {
	const char *word; /* between job and executor */
	const char *noun, *participle;
};

struct after {
	bool is_set, is_forced;
	const struct after_what *what;
	struct event *timer;
	struct vmv_job *job;
};

struct vmv_jobs {
	struct vmv_execd *execd;
	struct entry *first, **last;	 /* that wait or run, in order of arrival */
	struct entry *over, **last_over; /* that are over, by their end, for JobStatus */
	size_t queued_bytes;		 /* payloads of those that wait */
	size_t kept_bytes;		 /* answers of those that are over */
	struct entry *last_qga;		 /* of the other protocol: nobody asks after it any more */
	unsigned n_running, n_queued, n_finished;
	unsigned n_programs;  /* of guest-exec, that run */
	size_t programs_left; /* bytes that may still be kept of what they write */
	bool is_serial_running;
	unsigned number;
	int records; /* <run_dir>/jobs */
	int kept;    /* <run_dir>/done */
	struct after after;
	bool is_stopping;
};

/* jobs.c */
void vmv_jobs_start_next(struct vmv_jobs *js);
void vmv_jobs_over(struct entry *e, enum job_state state);
void vmv_jobs_give_place(struct entry *e); /* it runs on beside the others */

/* jobs_output.c: streamed output, as messages */
void vmv_jobs_on_output(void *arg, int stream, const char *data, size_t len);

/* jobs_end.c: what a job's end means, and its answer */
void vmv_jobs_on_ended(void *arg, const struct vmv_job_end *end);
void vmv_jobs_on_late(void *arg);
void vmv_jobs_refuse(struct entry *e, const struct vmv_err *err);
void vmv_jobs_audit(const struct entry *e, const char *result);
/* Nothing of it goes to a host any more; what it does goes on, unread. */
void vmv_jobs_tell_no_more(struct entry *e);

/* jobs_qga.c: what is different for the QEMU guest agent's commands */
bool vmv_jobs_is_program(const struct entry *e); /* guest-exec */
int vmv_jobs_qga_check(struct entry *e, struct vmv_err *err);
void vmv_jobs_qga_on_began(void *arg, pid_t pid);
void vmv_jobs_qga_on_slow(evutil_socket_t fd, short what, void *arg);
/* err NULL: success, and data is what the action said. */
void vmv_jobs_qga_ended(struct entry *e, const struct vmv_err *err, struct json_object *data,
			const struct vmv_job_end *end);
void vmv_jobs_qga_answer(struct entry *e, const struct vmv_err *err, const char *data, size_t len);

/* jobs_describe.c: what vmvitals-job is told */
int vmv_jobs_describe_after(const struct vmv_jobs *js, struct vmv_jw *w);
int vmv_jobs_describe(const struct entry *e, uint64_t deadline_ms, const char *group,
		      struct vmv_jw *w);

/* jobs_kept.c: what is over, kept for whatever process is the executor when it is asked for */
int vmv_kept_open(struct vmv_jobs *js, struct vmv_err *err);
void vmv_kept_add(const struct entry *e);
void vmv_kept_remove(const struct entry *e);

/* jobs_record.c: what runs is written down, for the executor that comes after a crash */
int vmv_records_open(struct vmv_jobs *js, struct vmv_err *err);
void vmv_records_add(struct vmv_jobs *js, const struct entry *e, const char *group);
void vmv_records_remove(struct vmv_jobs *js, unsigned number);

#endif
