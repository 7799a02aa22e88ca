/* The guard: a process that freezes filesystems and has one duty, that they are thawed again. It
 * outlives the job that started it, lies in memory that is locked, and does not need a disk, the
 * agent, the executor or the host for it. It thaws
 *
 * - when the time is over that was given,
 * - when the executor ends, or somebody sends it TERM, INT or HUP (so does the end of a service),
 * - when somebody connects to its socket in run_dir,
 * - when one filesystem cannot be frozen, or the job ended before it was told of all.
 *
 * FIFREEZE may wait for a slow disk for long, and nothing can interrupt it. So it is done by a
 * child of the guard, the freezer: what is frozen already does not wait for what is not. */
#ifndef VMV_JOB_GUARD_H
#define VMV_JOB_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vmv_err;
struct vmv_points;

struct vmv_guard_spec {
	const struct vmv_points *points;
	int dir;	     /* vmv_guard_dir */
	int lock;	     /* vmv_guard_lock */
	int listener;	     /* vmv_guard_listen */
	uint32_t timeout_ms; /* from now until they are thawed */
	uint64_t give_up_ms; /* monotonic: frozen by then, or not at all */
	pid_t executor;
	/* Called in the guard when all is thawed, whether all or nothing had been frozen. Its
	 * standard streams are /dev/null. */
	void (*thawed)(void *arg);
	void *arg;
};

struct vmv_guard_report {
	uint32_t count;
	uint64_t thaw_at_ms; /* monotonic */
	bool is_frozen[];    /* for each of points */
};

/* Opens run_dir, and makes it if it is not there. It must be root's alone, since what is in it
 * is trusted. Returns a descriptor, or negative errno with err set. */
int vmv_guard_dir(const char *run_dir, struct vmv_err *err);

/* Only one guard at a time. Returns a descriptor: whoever has it, or a copy, has the lock; or
 * -EBUSY (VMV_E_BUSY), or other negative errno, with err set. */
int vmv_guard_lock(int dir, struct vmv_err *err);

/* Opens the socket at which the guard will be asked to thaw. It is there from before the hooks run:
 * who asks while they do is heard by the guard as soon as there is one, which then freezes nothing
 * for longer than that takes. The lock must be held. Returns a descriptor, or negative errno with
 * err set. */
int vmv_guard_listen(int dir, struct vmv_err *err);

/* Starts a guard and waits until it has frozen all of points; those that are not named and have no
 * such operation are left out. Returns 0 and a report (to be freed), or negative errno with err
 * set; then nothing is frozen, or is thawed at once, and spec->thawed is called by the guard if
 * *ret_begun, else it is the caller's to do that work. */
int vmv_guard_start(const struct vmv_guard_spec *spec, struct vmv_guard_report **ret,
		    bool *ret_begun, struct vmv_err *err);

/* Asks the guard to thaw, one that is yet to come, too. Returns 0 and what it says, or -ENOENT:
 * there is none, and none came; or negative errno with err set. */
int vmv_guard_thaw(int dir, uint64_t deadline_ms, uint64_t *ret_count, uint64_t *ret_frozen_ms,
		   struct vmv_err *err);

#endif
