/* The processes of the helper program, each with one question at a time. Who asks, and what becomes
 * of the answers, is their owner's (exec/asker.c). */
#ifndef VMV_EXEC_WORKERS_H
#define VMV_EXEC_WORKERS_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct vmv_clock;
struct vmv_workers;

/* Each class has processes of its own, so that none waits for the other. */
enum vmv_work_class {
	VMV_WORK_QUICK, /* up to VMV_ASK_WORKERS; late: stuck, and left alone with its process */
	VMV_WORK_SLOW,	/* up to VMV_ASK_FETCHERS; late: its process group is killed */
	VMV_N_WORK_CLASSES,
};

enum vmv_work_state {
	VMV_WORK_IDLE,	 /* nothing under way */
	VMV_WORK_QUEUED, /* waits for a process */
	VMV_WORK_SENT,	 /* a process has it */
	VMV_WORK_STUCK,	 /* the same, and it is late */
};

enum vmv_work_end {
	VMV_WORK_ANSWERED,
	VMV_WORK_DIED,	  /* its process did, or does not keep to the protocol */
	VMV_WORK_EVICTED, /* its process was killed, to make room */
	VMV_WORK_KILLED,  /* it was late: -ETIMEDOUT */
	VMV_WORK_REFUSED, /* it was queued, but there is no process to be had */
};

/* A question; lives in its owner's struct, which stays where it is until the work is idle. */
struct vmv_work {
	const char *question; /* borrowed; up to VMV_ASK_QUESTION_MAX bytes */
	enum vmv_work_class class;
	size_t max;	      /* bytes of an answer; a longer one is -EFBIG */
	uint32_t deadline_ms; /* late after so long in a process, */
	uint64_t until_ms;    /* or then, monotonic, if that is sooner */

	enum vmv_work_state state; /* to be read only, as is what follows */
	struct vmv_work *next;
	int refusal; /* why */
};

/* None of them may free the workers. */
struct vmv_worker_calls {
	/* w is idle again. answer: to be taken, NUL-terminated, when result >= 0, its length; else
	 * NULL. Never from within vmv_workers_put(). */
	void (*ended)(void *arg, struct vmv_work *w, enum vmv_work_end how, int result,
		      char *answer);
	/* w became stuck. */
	void (*late)(void *arg, struct vmv_work *w);
	/* After any of the above that time or a process brought about, and when
	 * vmv_workers_next_due() may have changed. */
	void (*turned)(void *arg);
};

/* Starts nothing yet. All pointers are borrowed, helper too. NULL: out of memory. */
struct vmv_workers *vmv_workers_new(struct event_base *base, const struct vmv_clock *clock,
				    const char *helper, const struct vmv_worker_calls *calls,
				    void *arg);

/* Kills what is left, and waits 20 ms at most for its end. Calls nobody. Takes NULL. */
void vmv_workers_free(struct vmv_workers *p);

/* Gives idle work to a process, or queues it. Returns 0, or why neither can be (-ENOENT: no helper
 * program; -EBUSY: all that might serve it are stuck); then it stays idle. */
int vmv_workers_put(struct vmv_workers *p, struct vmv_work *w);

/* What is queued becomes idle; what a process has stays there. */
void vmv_workers_withdraw(struct vmv_workers *p, struct vmv_work *w);

/* Time has come: deadlines, ends, starts. turned() is left to the caller. */
void vmv_workers_tick(struct vmv_workers *p, uint64_t now_ms);

/* When that is to be called next; UINT64_MAX: never. */
uint64_t vmv_workers_next_due(const struct vmv_workers *p, uint64_t now_ms);

#endif
