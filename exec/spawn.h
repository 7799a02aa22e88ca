/* Starts programs: descriptors, environment, signals and limits of a child are what is said here,
 * and nothing else of ours. posix_spawn(3), so a large agent is not copied for it. */
#ifndef VMV_EXEC_SPAWN_H
#define VMV_EXEC_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VMV_SPAWN_NULL	  (-1) /* instead of a descriptor of ours: /dev/null */
#define VMV_SPAWN_FDS_MAX 8

struct vmv_spawn_fd {
	int ours;   /* or VMV_SPAWN_NULL */
	int theirs; /* its number in the child, 0 to 63 */
};

enum vmv_spawn_group {
	VMV_SPAWN_OWN_GROUP,   /* the child leads one: kill(-pid) reaches it and its children */
	VMV_SPAWN_OWN_SESSION, /* the same, in a session of its own: no terminal */
	VMV_SPAWN_OUR_GROUP,   /* it ends with ours */
};

struct vmv_spawn {
	const char *path;		/* absolute */
	const char *const *argv;	/* NULL-terminated, as env */
	const char *const *env;		/* the whole environment */
	const struct vmv_spawn_fd *fds; /* borrowed; in any order, numbers of ours and theirs may
					 * overlap. Not named: 0 and 1 are /dev/null, 2 is ours, all
					 * others are closed (ours have to be CLOEXEC for that;
					 * since glibc 2.34 those that are not, too) */
	size_t n_fds;			/* up to VMV_SPAWN_FDS_MAX */
	enum vmv_spawn_group group;
};

/* All signals have their default action and none is blocked. The working directory is ours.
 * Returns 0 and the process, which is the caller's to wait for, or negative errno: what exec said
 * included (-ENOENT, -EACCES ...); then there is no child. */
int vmv_spawn(pid_t *ret, const struct vmv_spawn *s);

/* For a program that raises its own soft limit of descriptors: children get this one, from their
 * first instruction on. 0, as at the beginning: they get ours. */
void vmv_spawn_set_nofile(uint64_t soft);

#endif
