/* Runs one job: a child with deadlines, its output, and its end with all its descendants. The child
 * is vmvitals-job (job/), which reads a description from descriptor 3, may write a result to
 * descriptor 4, and does the work or becomes the shell that does.
 *
 * Descriptor 4 begins with one line: the path of the control group that the child is in, below the
 * mount of cgroup2; empty when it has none of its own. What follows is the result. */
#ifndef VMV_EXEC_JOB_H
#define VMV_EXEC_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct vmv_clock;
struct vmv_err;
struct vmv_job;

#define VMV_JOB_NEVER UINT64_MAX

struct vmv_job_spec {
	const char *program; /* absolute path of vmvitals-job */
	const char *description;
	size_t description_len;
	/* Name of its own control group, or NULL: [a-z0-9-]. The child moves itself there, or into
	 * a scope of systemd of that name; all that is in it is killed with the job. Without one,
	 * its descendants are, as far as /proc tells. */
	const char *group;
	/* Monotonic ms, VMV_JOB_NEVER: not. late: told so, and goes on; a job that waits for
	 * nothing but pipes then ends. */
	uint64_t term_at_ms, kill_at_ms, late_at_ms;
	size_t output_max; /* bytes as encoded in JSON that are kept of each stream */
	/* NULL, or: the first output_max bytes that come are kept, and no last ones, as long as
	 * this is above 0, which is how many all jobs may still keep; borrowed for its life. */
	size_t *raw_left;
	bool is_streamed;    /* output goes to calls->output instead of being kept */
	uint64_t stream_max; /* bytes of both streams; what is beyond is read and thrown away */
};

/* One stream as kept: all of it, or its first three quarters and its last quarter with the mark
 * between (exec/capture.h); or, raw, its first bytes. */
struct vmv_job_text {
	const char *data; /* borrowed for the call; any bytes; never NULL */
	size_t len;
	uint64_t total; /* bytes that came */
	bool is_cut;
};

struct vmv_job_end {
	int exit_code; /* of the child: 0-255, 128+n after signal n */
	int signal;    /* that ended it, or 0 */
	/* Ended because of its deadline, or because of vmv_job_cancel: it was sent a signal. */
	bool is_timed_out, is_cancelled;
	struct vmv_job_text out, err; /* empty when streamed, but for total and is_cut */
	const char *result;	      /* what it wrote to descriptor 4, NUL-terminated; "" when
				       * nothing, or more than VMV_JOB_RESULT_MAX bytes: */
	size_t result_len;
	bool is_result_too_long;
};

struct vmv_job_calls {
	/* Streamed output: stream is 1 or 2. Never more than VMV_STREAM_CHUNK bytes, and never the
	 * beginning of a character whose end is still to come. */
	void (*output)(void *arg, int stream, const char *data, size_t len);
	/* late_at_ms has come, and the child has not ended. May be NULL. */
	void (*late)(void *arg);
	/* Once, before ended(): descriptor 4 was closed without a result, as it is when the child
	 * becomes another program. One that dies before it could do either looks the same. Not
	 * called for one that is being ended. May be NULL. */
	void (*began)(void *arg, pid_t pid);
	/* Once, at the end; the job may be freed from here, and from nowhere else within calls. */
	void (*ended)(void *arg, const struct vmv_job_end *end);
};

/* Starts it. Of what is in spec nothing is needed afterwards; the rest is borrowed for the job's
 * life. Never calls back from within. Returns 0 and a new job, or negative errno with err set: it
 * could not be started. */
int vmv_job_start(struct vmv_job **ret, struct event_base *base, const struct vmv_clock *clock,
		  const struct vmv_job_spec *spec, const struct vmv_job_calls *calls, void *arg,
		  struct vmv_err *err);

/* TERM now, KILL after VMV_CANCEL_KILL_MS; ended() comes as usual. */
void vmv_job_cancel(struct vmv_job *j);

/* Streamed output is not read for a while: the child waits. Deadlines and vmv_job_cancel do not:
 * what they leave in the pipes then is lost. */
void vmv_job_pause(struct vmv_job *j, bool is_paused);

/* Bytes that came of stdout and stderr so far. */
void vmv_job_counts(const struct vmv_job *j, uint64_t ret[2]);

/* What was kept of stdout and stderr so far, for an answer that cannot wait for the end. Returns 0
 * or -ENOMEM; data is new: the caller frees both. */
int vmv_job_so_far(const struct vmv_job *j, char *ret_data[2], struct vmv_job_text ret[2]);

pid_t vmv_job_pid(const struct vmv_job *j);

/* Lets it go on, though nobody will read what it writes or see how it ends; no ended(). Frees j. */
void vmv_job_let_go(struct vmv_job *j);

/* Kills what is left, without ended(), and waits for its end, 20 ms at most. Takes NULL. */
void vmv_job_free(struct vmv_job *j);

#endif
