#include "job/safepath.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "job/action.h"
#include "job/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#ifndef SYS_openat2
#define SYS_openat2 437 /* of every architecture */
#endif

/* linux/openat2.h, which older systems do not have */
struct how {
	uint64_t flags, mode, resolve;
};
#define NO_MAGICLINKS 0x02
#define BENEATH	      0x08
#define IN_ROOT	      0x10

#define TRIES  16  /* EAGAIN: somebody renamed a directory meanwhile */
#define UP_MAX 128 /* directories above a place, symlinks resolved */

static const char *const kernels_own[] = { "/proc", "/sys", "/dev" };

/* -- judging ------------------------------------------------------------------------------ */

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	while (len > 0 && top[len - 1] == '/')
		len--;
	return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The forbidden top that path is at or below, or NULL. */
static const char *forbidden_top(const struct vmv_job_settings *s, const char *path)
{
	for (size_t i = 0; i < VMV_COUNTOF(kernels_own); i++)
		if (is_below(path, kernels_own[i]))
			return kernels_own[i];
	for (size_t i = 0; i < s->n_secret_paths; i++)
		if (is_below(path, s->secret_paths[i]))
			return s->secret_paths[i];
	return NULL;
}

static int deny(struct vmv_err *err, const char *top)
{
	return vmv_fail(err, VMV_E_DENIED, EACCES, "nothing at or below '%.200s'", top);
}

static bool is_inode_of(const struct vmv_job_settings *s, const char *path, const struct stat *st)
{
	char full[PATH_MAX];
	struct stat own;

	return snprintf(full, sizeof(full), "%s%s", strcmp(s->root, "/") == 0 ? "" : s->root,
			path) < (int)sizeof(full) &&
	       stat(full, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

static int check_inode(const struct vmv_job_settings *s, const struct stat *st, struct vmv_err *err)
{
	for (size_t i = 0; i < VMV_COUNTOF(kernels_own); i++)
		if (is_inode_of(s, kernels_own[i], st))
			return deny(err, kernels_own[i]);
	for (size_t i = 0; i < s->n_secret_paths; i++)
		if (is_inode_of(s, s->secret_paths[i], st))
			return deny(err, s->secret_paths[i]);
	return 0;
}

/* From the directory up to the top: none of them may be a forbidden one. */
static int check_ancestors(const struct vmv_job_settings *s, int dir, struct vmv_err *err)
{
	vmv_autoclose int fd = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st, before = { 0 };
	struct statfs fs;

	for (int i = 0; i < UP_MAX; i++) {
		int up, r;

		if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
			return vmv_fail(err, VMV_E_IO, errno, "cannot look at a directory: %s",
					strerror(errno));
		if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
			return deny(err, fs.f_type == SYSFS_MAGIC ? "/sys" : "/proc");
		if (i > 0 && st.st_dev == before.st_dev && st.st_ino == before.st_ino)
			return 0; /* the top is above itself */
		r = check_inode(s, &st, err);
		if (r < 0)
			return r;
		before = st;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		vmv_closep(&fd);
		fd = up;
	}
	return vmv_fail(err, VMV_E_DENIED, ELOOP, "too deep");
}

/* -- resolving ---------------------------------------------------------------------------- */

/* The file root that path is below: the longest. */
static const char *find_root(const struct vmv_job_settings *s, const char *path)
{
	const char *best = NULL;

	for (size_t i = 0; i < s->n_file_roots; i++)
		if (is_below(path, s->file_roots[i]) &&
		    (!best || strlen(s->file_roots[i]) > strlen(best)))
			best = s->file_roots[i];
	return best;
}

static int open_root(const struct vmv_job_settings *s, const char *root)
{
	char full[PATH_MAX];
	int fd;

	if (snprintf(full, sizeof(full), "%s%s", strcmp(s->root, "/") == 0 ? "" : s->root, root) >=
	    (int)sizeof(full))
		return -ENAMETOOLONG;
	fd = open(full, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* path: below root, "" for root itself. In "/" an absolute link means what it says; in any other
 * root it leads out. */
static int resolve(int root, const char *path, bool is_top)
{
	struct how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			   .resolve = NO_MAGICLINKS | (is_top ? IN_ROOT : BENEATH) };
	long fd = -1;

	for (int i = 0; i < TRIES; i++) {
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* EPERM: a container's filter */
		return vmv_tree_open(root, path);
	return fd < 0 ? -errno : (int)fd;
}

static int explain(int r, const char *path, struct vmv_err *err)
{
	switch (-r) {
	case ENOENT:
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "there is no directory of '%.200s'",
				path);
	case EXDEV:
	case ELOOP:
	case EAGAIN:
		return vmv_fail(err, VMV_E_DENIED, -r, "a link leads out of [exec] file_roots");
	case ENOTDIR:
		return vmv_fail(err, VMV_E_RANGE, ENOTDIR,
				"a part of '%.200s' is no directory, or a link", path);
	default:
		return vmv_fail(err, VMV_E_IO, -r, "cannot open the directory of '%.200s': %s",
				path, strerror(-r));
	}
}

static int open_dir(const struct vmv_job_settings *s, const char *root, const char *path,
		    size_t dir_len)
{
	vmv_autoclose int top = open_root(s, root);
	vmv_autoclose int dir = -1;
	size_t skip = strlen(root);
	char below[PATH_MAX];
	int fd;

	if (top < 0)
		return top;
	while (skip > 0 && root[skip - 1] == '/')
		skip--;
	skip += skip < dir_len && path[skip] == '/';
	if (snprintf(below, sizeof(below), "%.*s", skip < dir_len ? (int)(dir_len - skip) : 0,
		     path + skip) >= (int)sizeof(below))
		return -ENAMETOOLONG;
	dir = resolve(top, below, strcmp(root, "/") == 0);
	if (dir < 0)
		return dir;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vmv_place_open(const struct vmv_job_settings *s, const char *path, struct vmv_place *ret,
		   struct vmv_err *err)
{
	const char *slash = strrchr(path, '/'), *root = find_root(s, path);
	const char *forbidden = forbidden_top(s, path);
	vmv_autoclose int dir = -1;
	size_t dir_len;
	int r;

	if (forbidden)
		return deny(err, forbidden);
	if (!root || !slash)
		return vmv_fail(err, VMV_E_DENIED, EACCES, "not below [exec] file_roots");
	if (strlen(slash + 1) > NAME_MAX)
		return vmv_fail(err, VMV_E_RANGE, ENAMETOOLONG, "the name is too long");
	dir_len = (size_t)(slash - path);
	if (dir_len + 1 < strlen(root) || !slash[1]) /* the root itself */
		dir_len = strlen(path);
	dir = open_dir(s, root, path, dir_len);
	if (dir < 0)
		return explain(dir, path, err);
	r = check_ancestors(s, dir, err);
	if (r < 0)
		return r;
	(void)snprintf(ret->name, sizeof(ret->name), "%s",
		       dir_len == strlen(path) ? "." : slash + 1);
	ret->dir = VMV_TAKE(dir, -1);
	return 0;
}

void vmv_place_close(struct vmv_place *p)
{
	vmv_closep(&p->dir);
	p->dir = -1;
}

/* -- what is there ------------------------------------------------------------------------ */

static int fail_to_look(int error, struct vmv_err *err)
{
	return error == ENOENT
		       ? vmv_fail(err, VMV_E_NOTFOUND, error, "there is no such file")
		       : vmv_fail(err, VMV_E_IO, error, "cannot look at it: %s", strerror(error));
}

int vmv_place_stat(const struct vmv_job_settings *s, const struct vmv_place *p, struct stat *ret,
		   struct vmv_err *err)
{
	struct stat st;
	int r;

	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_to_look(errno, err);
	r = check_inode(s, &st, err);
	if (r == 0)
		*ret = st;
	return r;
}

int vmv_place_open_file(const struct vmv_job_settings *s, const struct vmv_place *p, int flags,
			struct stat *ret, struct vmv_err *err)
{
	/* what it is, is seen before it is opened, and cannot be exchanged between */
	vmv_autoclose int path = openat(p->dir, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char own[32];
	int fd, r;

	if (path < 0 || fstat(path, ret) < 0)
		return fail_to_look(errno, err);
	r = check_inode(s, ret, err);
	if (r < 0)
		return r;
	if (!S_ISREG(ret->st_mode))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "it is no regular file");
	(void)snprintf(own, sizeof(own), "/proc/self/fd/%d", path);
	fd = open(own, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? vmv_fail(err, VMV_E_IO, errno, "cannot open it: %s", strerror(errno)) : fd;
}

/* -- what the kernel tells ---------------------------------------------------------------- */

static const char *const told[] = { "/proc", "/sys" };

static const char *told_top(const char *path)
{
	for (size_t i = 0; i < VMV_COUNTOF(told); i++)
		if (is_below(path, told[i]))
			return told[i];
	return NULL;
}

bool vmv_place_is_kernels(const char *path)
{
	return told_top(path);
}

/* A process, by its number or as "self": also where links lead, as they do from /proc/mounts. */
static int check_no_process(int fd, struct vmv_err *err)
{
	char own[32], full[PATH_MAX];
	ssize_t len;

	(void)snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	len = readlink(own, full, sizeof(full) - 1);
	if (len < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot look at it: %s", strerror(errno));
	full[len] = '\0';
	if (strncmp(full, "/proc/", 6) == 0 && full[6] >= '0' && full[6] <= '9')
		return vmv_fail(err, VMV_E_DENIED, EACCES, "nothing of a process, below '/proc'");
	return 0;
}

static int check_told(int fd, struct stat *ret, struct vmv_err *err)
{
	struct statfs fs;

	if (fstat(fd, ret) < 0 || fstatfs(fd, &fs) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot look at it: %s", strerror(errno));
	if (!S_ISREG(ret->st_mode))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "it is no regular file");
	if ((fs.f_type != PROC_SUPER_MAGIC && fs.f_type != SYSFS_MAGIC) ||
	    !(ret->st_mode & S_IROTH))
		return vmv_fail(err, VMV_E_DENIED, EACCES,
				"of '/proc' and '/sys' only what everybody may read");
	return check_no_process(fd, err);
}

/* The file itself is a part of the way, too: links of /sys are to directories, and those of /proc
 * to processes. */
int vmv_place_open_kernels(const struct vmv_job_settings *s, const char *path, struct stat *ret,
			   struct vmv_err *err)
{
	const char *top = told_top(path), *slash = strrchr(path, '/');
	vmv_autoclose int root = -1, dir = -1, fd = -1;
	char below[PATH_MAX], own[32];
	size_t skip;
	int r;

	if (!top || !find_root(s, path))
		return vmv_fail(err, VMV_E_DENIED, EACCES, "not below [exec] file_roots");
	skip = strlen(top) + (path + strlen(top) < slash);
	if (snprintf(below, sizeof(below), "%.*s",
		     path + skip < slash ? (int)(slash - path - skip) : 0,
		     path + skip) >= (int)sizeof(below))
		return explain(-ENAMETOOLONG, path, err);
	root = open_root(s, top);
	dir = root < 0 ? root : resolve(root, below, false);
	if (dir < 0)
		return explain(dir, path, err);
	fd = openat(dir, slash + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_to_look(errno, err);
	r = check_told(fd, ret, err);
	if (r < 0)
		return r;
	(void)snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	r = open(own, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return r < 0 ? vmv_fail(err, VMV_E_IO, errno, "cannot open it: %s", strerror(errno)) : r;
}
