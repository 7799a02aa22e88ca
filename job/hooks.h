/* Programs of the administrator's that run before filesystems are frozen and after they were
 * thawed: <config_dir>/fsfreeze.d, in order of names, and in reverse. */
#ifndef VMV_JOB_HOOKS_H
#define VMV_JOB_HOOKS_H

#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_job_settings;

#define VMV_HOOK_MS   30000 /* each; then it is ended, and has failed */
#define VMV_HOOKS_MAX 64    /* more are an error */

struct vmv_hooks {
	char *paths[VMV_HOOKS_MAX]; /* sorted; owned */
	size_t n;
	size_t n_begun; /* were run with "freeze" */
};

/* Looks for them: regular files that can be executed, of root's, and nobody else's to write, in
 * a directory likewise; others are left out with a line on stderr. No directory: there are none.
 * Returns 0, or negative errno with err set; vmv_hooks_clear in both cases. */
int vmv_hooks_find(const struct vmv_job_settings *s, struct vmv_hooks *ret, struct vmv_err *err);

/* Runs all with "freeze" until one fails, or somebody knocks at the listener, who wants them to be
 * thawed: negative errno with err set, then. */
int vmv_hooks_freeze(struct vmv_hooks *h, int listener, uint64_t deadline_ms, struct vmv_err *err);

/* Runs those that were begun with "thaw", in reverse, whatever they say. */
void vmv_hooks_thaw(struct vmv_hooks *h);

void vmv_hooks_clear(struct vmv_hooks *h);

#endif
