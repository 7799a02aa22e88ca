/* The descendants of a job that has no control group of its own, as far as /proc tells: those in
 * its session, the children of its members, theirs, and so on. */
#ifndef VMV_EXEC_KIN_H
#define VMV_EXEC_KIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vmv_kin_one {
	pid_t pid;
	uint64_t start; /* ticks since boot: a number that is used again has another one */
};

/* Plain values; zero it, set root. */
struct vmv_kin {
	pid_t root;		   /* leads the session; not yet reaped, so nobody else has it */
	struct vmv_kin_one *known; /* owned: found by an earlier look */
	size_t n;
};

/* Looks who there is; whoever was found once is known ever after, wherever it went. Returns how
 * many live, root not counted, or negative errno. */
int vmv_kin_look(struct vmv_kin *k);

/* Sends a signal to those that the last look found. */
void vmv_kin_signal(const struct vmv_kin *k, int signal);

void vmv_kin_free(struct vmv_kin *k);

#endif
