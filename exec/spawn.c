#include "exec/spawn.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <features.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/resource.h>

#define THEIRS_MAX 63

/* What main found before it raised its limit: a property of the process, as the limit is. */
static rlim_t children_nofile;

void vmv_spawn_set_nofile(uint64_t soft)
{
	children_nofile = (rlim_t)soft;
}

static int set_attributes(posix_spawnattr_t *attr, enum vmv_spawn_group group)
{
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	sigset_t all, none;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	if (group == VMV_SPAWN_OWN_GROUP)
		flags |= POSIX_SPAWN_SETPGROUP; /* 0, which it is from the beginning: its own */
	else if (group == VMV_SPAWN_OWN_SESSION)
		flags |= POSIX_SPAWN_SETSID;
	if (posix_spawnattr_setflags(attr, flags) != 0 ||
	    posix_spawnattr_setsigdefault(attr, &all) != 0 ||
	    posix_spawnattr_setsigmask(attr, &none) != 0)
		return -EINVAL;
	return 0;
}

static bool is_named(const struct vmv_spawn *s, int theirs)
{
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].theirs == theirs)
			return true;
	return false;
}

/* The first number that the child does not need: what it is given is there meanwhile. */
static int first_free(const struct vmv_spawn *s)
{
	int top = STDERR_FILENO;

	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].theirs > top)
			top = s->fds[i].theirs;
	return top + 1;
}

static int check(const struct vmv_spawn *s)
{
	if (s->path[0] != '/' || s->n_fds > VMV_SPAWN_FDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].ours < VMV_SPAWN_NULL || s->fds[i].theirs < 0 ||
		    s->fds[i].theirs > THEIRS_MAX)
			return -EINVAL;
	return 0;
}

/* A copy above all numbers of the child, so that putting one in its place overwrites none that is
 * still to be put, and none is in its place already, which would leave it CLOEXEC. */
static int add(posix_spawn_file_actions_t *files, int ours, int theirs, int floor, int *ret_copy)
{
	*ret_copy = fcntl(ours, F_DUPFD_CLOEXEC, floor);
	if (*ret_copy < 0)
		return -errno;
	return -posix_spawn_file_actions_adddup2(files, *ret_copy, theirs);
}

/* copies: what is to be closed afterwards, as many as there are rows. */
static int set_files(posix_spawn_file_actions_t *files, const struct vmv_spawn *s, int null,
		     int *copies)
{
	int floor = first_free(s), r = 0;

	for (size_t i = 0; i < s->n_fds && r == 0; i++)
		r = add(files, s->fds[i].ours < 0 ? null : s->fds[i].ours, s->fds[i].theirs, floor,
			&copies[i]);
	for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO && r == 0; fd++)
		if (!is_named(s, fd))
			r = add(files, null, fd, floor, &copies[s->n_fds + (size_t)fd]);
	for (int fd = STDERR_FILENO + 1; fd < floor && r == 0; fd++)
		if (!is_named(s, fd))
			r = -posix_spawn_file_actions_addclose(files, fd);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
	if (r == 0)
		r = -posix_spawn_file_actions_addclosefrom_np(files, floor);
#endif
	return r;
}

/* Setting it in the child afterwards would be too late for a program that asks at once. What is
 * open above the limit stays open meanwhile. */
static int run(pid_t *ret, const struct vmv_spawn *s, const posix_spawn_file_actions_t *files,
	       const posix_spawnattr_t *attr)
{
	union {
		const char *const *given;
		char *const *wanted; /* POSIX promises that the texts are left alone */
	} argv = { .given = s->argv }, env = { .given = s->env };
	struct rlimit ours, theirs;
	bool is_lowered = false;
	int r;

	if (children_nofile > 0 && getrlimit(RLIMIT_NOFILE, &ours) == 0 &&
	    children_nofile < ours.rlim_cur) {
		theirs = (struct rlimit){ .rlim_cur = children_nofile, .rlim_max = ours.rlim_max };
		is_lowered = setrlimit(RLIMIT_NOFILE, &theirs) == 0;
	}
	r = -posix_spawn(ret, s->path, files, attr, argv.wanted, env.wanted);
	if (is_lowered)
		(void)setrlimit(RLIMIT_NOFILE, &ours);
	return r;
}

int vmv_spawn(pid_t *ret, const struct vmv_spawn *s)
{
	int copies[VMV_SPAWN_FDS_MAX + 2];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	pid_t pid = -1;
	int r = check(s);

	if (r < 0)
		return r;
	vmv_autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	if (posix_spawnattr_init(&attr) != 0)
		return -ENOMEM;
	if (posix_spawn_file_actions_init(&files) != 0) {
		(void)posix_spawnattr_destroy(&attr);
		return -ENOMEM;
	}
	for (size_t i = 0; i < VMV_COUNTOF(copies); i++)
		copies[i] = -1;
	r = set_attributes(&attr, s->group);
	if (r == 0)
		r = set_files(&files, s, null, copies);
	if (r == 0)
		r = run(&pid, s, &files, &attr);
	for (size_t i = 0; i < VMV_COUNTOF(copies); i++)
		vmv_closep(&copies[i]);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	if (r == 0)
		*ret = pid;
	return r;
}
