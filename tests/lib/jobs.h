/* Real jobs for tests: vmvitals-job of the build folder, or this program itself, run by exec/job.h
 * on a loop of their own. */
#ifndef VMV_TESTS_JOBS_H
#define VMV_TESTS_JOBS_H

#include "base/buf.h"
#include "exec/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

#define JOBS_PATIENCE_MS 30000 /* for what surely comes */

/* One job as the test sees it. */
struct ran {
	struct vmv_job *job; /* NULL after its end */
	struct vmv_job_calls calls;
	bool has_ended;
	unsigned n_ended, n_late;
	uint64_t ended_ms; /* since jobs_start */
	uint64_t late_ms;
	uint64_t started_ms;	/* monotonic */
	struct vmv_job_end end; /* texts are not kept: they are here */
	struct vmv_buf out, err, result;
	/* streamed */
	struct vmv_buf streamed[2];
	unsigned n_output;
	size_t longest;	 /* piece */
	size_t sizes[4]; /* of the first ones */
	uint64_t n_streamed;
	unsigned pause_after; /* pauses itself after so many pieces; 0: never */
};

/* How a job is run; zero: patient, 1 MiB of output. Times are ms from now; 0: never. */
struct how {
	const char *program; /* NULL: ./vmvitals-job */
	const char *group;
	uint64_t term_ms, kill_ms, late_ms;
	size_t output_max;
	size_t *raw_left;
	bool is_streamed;
	uint64_t stream_max; /* 0: 64 MiB */
};

extern struct event_base *jobs_base;

void jobs_up(void);
void jobs_down(void);

/* A description as the executor writes it. extra: further members of the message, beginning with a
 * comma, or "". The caller frees it. */
char *jobs_raw(const char *command, const char *extra, const char *group);
char *jobs_action(const char *action, const char *params, const char *group);

/* The same with a message and a list of accounts in JSON. */
char *jobs_describe(const char *kind, const char *message, const char *group,
		    const char *run_as_allow);

void jobs_start(struct ran *r, const char *description, size_t len, const struct how *how);

/* Until it has ended; fails the test when it does not. */
void jobs_wait(struct ran *r);

/* Goes on with the loop until is_true says so; fails the test when it never does. */
void jobs_until(bool (*is_true)(void *arg), void *arg);

/* The loop for so long. */
void jobs_for(unsigned ms);

/* Start and wait. */
void jobs_run(struct ran *r, char *description, const struct how *how); /* frees description */

void ran_free(struct ran *r);

/* Whether there is such a process, and it is no zombie. */
bool is_alive(long pid);

/* The process whose number is in that file, once it is there. */
long pid_in(const char *path);

#endif
