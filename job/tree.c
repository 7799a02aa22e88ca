#include "job/tree.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define BLOCK 512 /* st_blocks counts these, whatever the filesystem's own are */

/* Where a directory is: two mounts of one filesystem have one st_dev. */
struct place {
	dev_t dev;
	uint64_t mount; /* 0: a kernel before 5.8, which does not say */
};

struct dir {
	struct vmv_sweep *sweep;
	struct place place;
	unsigned depth; /* of the entries */
};

static int sweep_dir(int dirfd, const struct dir *d);

uint64_t vmv_tree_mount_of(int fd)
{
#ifdef STATX_MNT_ID
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) == 0 && x.stx_mask & STATX_MNT_ID)
		return x.stx_mnt_id;
#else
	(void)fd;
#endif
	return 0;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_somebodys(const char *name)
{
	return fnmatch("systemd-private-*", name, 0) == 0 || fnmatch(".X*-unix", name, 0) == 0 ||
	       strcmp(name, ".ICE-unix") == 0;
}

static bool is_old(const struct vmv_sweep *s, const struct stat *st)
{
	if (s->before_s == INT64_MAX)
		return true;
	return st->st_mtime < s->before_s &&
	       (s->is_mtime_only || (st->st_atime < s->before_s && st->st_ctime < s->before_s));
}

/* Gone meanwhile is as good as deleted, by somebody else. */
static void count_error(struct vmv_sweep *s, int error)
{
	if (error != ENOENT)
		s->errors++;
}

/* One with another link is left alone: that may be in a directory of somebody else. */
static int truncate_file(int dirfd, const char *name, const struct stat *seen)
{
	vmv_autoclose int fd =
		openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino || st.st_nlink != 1)
		return -EXDEV;
	return ftruncate(fd, 0) < 0 ? -errno : 0;
}

static int dispose(int dirfd, const char *name, const struct stat *st, const struct vmv_sweep *s)
{
	if (s->is_dry)
		return 0;
	if (s->truncates)
		return truncate_file(dirfd, name, st);
	return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
}

static void sweep_file(int dirfd, const char *name, const struct stat *st, struct vmv_sweep *s)
{
	int r;

	if (!is_old(s, st) || (s->wants && !s->wants(name)) ||
	    (s->truncates && (!S_ISREG(st->st_mode) || st->st_nlink != 1)))
		return;
	r = dispose(dirfd, name, st, s);
	if (r < 0) {
		count_error(s, -r);
		return;
	}
	s->files++;
	if (st->st_nlink == 1)
		s->bytes += (uint64_t)st->st_blocks * BLOCK;
}

/* Reading a directory must not make it young: the owner or root may ask for that. */
static int open_dir(int dirfd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	int fd = openat(dirfd, name, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = openat(dirfd, name, flags);
	return fd < 0 ? -errno : fd;
}

/* -EXDEV: it is not the one that was looked at, or is of another mount. */
static int enter(int dirfd, const char *name, const struct stat *seen, const struct place *place)
{
	vmv_autoclose int fd = open_dir(dirfd, name);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino ||
	    vmv_tree_mount_of(fd) != place->mount)
		return -EXDEV;
	return VMV_TAKE(fd, -1);
}

/* How old it is was seen before: deleting what is in it makes it young. */
static void sweep_subdir(int dirfd, const char *name, const struct stat *st, const struct dir *d)
{
	struct vmv_sweep *s = d->sweep;
	struct dir below = { .sweep = s, .place = d->place, .depth = d->depth + 1 };
	vmv_autoclose int fd = -1;

	if (is_somebodys(name) || d->depth >= s->depth)
		return;
	fd = enter(dirfd, name, st, &d->place);
	if (fd < 0) {
		if (fd != -EXDEV && fd != -ELOOP && fd != -ENOTDIR) /* exchanged: left alone */
			count_error(s, -fd);
		return;
	}
	if (sweep_dir(fd, &below) < 0 || s->is_late || s->is_dry || s->keeps_dirs || !is_old(s, st))
		return;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST &&
	    errno != ENOTDIR)
		count_error(s, errno);
}

static void sweep_entry(int dirfd, const char *name, const struct dir *d)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		count_error(d->sweep, errno);
	else if (st.st_dev != d->place.dev)
		return;
	else if (S_ISDIR(st.st_mode))
		sweep_subdir(dirfd, name, &st, d);
	else if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		sweep_file(dirfd, name, &st, d->sweep);
}

static bool is_late(struct vmv_sweep *s)
{
	if (!s->is_late && vmv_mono_ms(&vmv_clock_system) >= s->deadline_ms)
		s->is_late = true;
	return s->is_late;
}

/* -EWOULDBLOCK: somebody holds a lock on it. Ours ends with this call. */
static int sweep_dir(int dirfd, const struct dir *d)
{
	vmv_autoclosedir DIR *dir = NULL;
	int own = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);

	if (own < 0 || !(dir = fdopendir(own))) {
		vmv_closep(&own);
		d->sweep->errors++;
		return -ENOMEM;
	}
	if (flock(dirfd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EWOULDBLOCK;
	while (!is_late(d->sweep)) {
		const struct dirent *e;

		errno = 0;
		e = readdir(dir);
		if (!e) {
			if (errno)
				d->sweep->errors++;
			break;
		}
		if (!is_dots(e->d_name))
			sweep_entry(dirfd, e->d_name, d);
	}
	return 0;
}

int vmv_tree_sweep(int dirfd, struct vmv_sweep *s)
{
	/* a description of its own: where readdir(3) is, and the lock, are not the caller's */
	vmv_autoclose int fd = open_dir(dirfd, ".");
	struct stat st;
	struct dir d = { .sweep = s, .depth = 1 };

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	d.place = (struct place){ .dev = st.st_dev, .mount = vmv_tree_mount_of(fd) };
	(void)sweep_dir(fd, &d);
	return 0;
}

int vmv_tree_open(int dirfd, const char *path)
{
	vmv_autoclose int fd = open_dir(dirfd, ".");
	unsigned depth = 0;

	while (fd >= 0 && *path) {
		char part[NAME_MAX + 1];
		size_t len = strcspn(path, "/");
		int next;

		if (len == 0 || len > NAME_MAX)
			return len ? -ENAMETOOLONG : -EINVAL;
		memcpy(part, path, len);
		part[len] = '\0';
		if (strcmp(part, "..") == 0 && depth-- == 0)
			return -EXDEV;
		if (!is_dots(part))
			depth++;
		next = open_dir(fd, part);
		vmv_closep(&fd);
		fd = next;
		path += len + (path[len] == '/');
	}
	return VMV_TAKE(fd, -1);
}

int vmv_tree_sweep_at(int dirfd, const char *path, struct vmv_sweep *s)
{
	vmv_autoclose int fd = vmv_tree_open(dirfd, path);

	if (fd == -ENOENT)
		return 0;
	return fd < 0 ? fd : vmv_tree_sweep(fd, s);
}

struct vmv_sweep vmv_tree_measure(uint64_t deadline_ms)
{
	return (struct vmv_sweep){ .before_s = INT64_MAX,
				   .depth = VMV_TREE_DEPTH,
				   .deadline_ms = deadline_ms,
				   .is_dry = true,
				   .keeps_dirs = true };
}
