#include "base/root.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#define TABLE_START 4096 /* bytes; grows by doubling */

static int open_dir(int top, const char *name)
{
	return openat(top, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_procfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

int vmv_root_open(struct vmv_root *ret, const char *prefix, struct vmv_err *err)
{
	vmv_autoclose int top = open(prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclose int proc = -1;
	vmv_autoclose int sys = -1;
	bool is_live;
	int etc;

	if (top < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open '%s': %s", prefix,
				strerror(errno));
	proc = open_dir(top, "proc");
	if (proc < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open 'proc' in '%s': %s", prefix,
				strerror(errno));
	sys = open_dir(top, "sys");
	if (sys < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open 'sys' in '%s': %s", prefix,
				strerror(errno));

	etc = open_dir(top, "etc"); /* optional */
	is_live = is_procfs(proc);  /* before proc is taken: initializers have no order */
	*ret = (struct vmv_root){
		.is_live = is_live,
		.top = VMV_TAKE(top, -1),
		.proc = VMV_TAKE(proc, -1),
		.sys = VMV_TAKE(sys, -1),
		.etc = etc,
	};
	return 0;
}

void vmv_root_close(struct vmv_root *root)
{
	vmv_closep(&root->top);
	vmv_closep(&root->proc);
	vmv_closep(&root->sys);
	vmv_closep(&root->etc);
	*root = VMV_ROOT_NONE;
}

static int open_file(int dirfd, const char *path)
{
	/* an absent tree has descriptor -1, but so does AT_FDCWD's relative: never the cwd */
	if (dirfd < 0 && dirfd != AT_FDCWD)
		return -ENOENT;
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static ssize_t read_some(int fd, char *buf, size_t len, off_t at)
{
	ssize_t n;

	do {
		n = at < 0 ? read(fd, buf, len) : pread(fd, buf, len, at);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int vmv_read_fd(int fd, char *buf, size_t cap)
{
	ssize_t n = read_some(fd, buf, cap, 0);

	if (n < 0)
		return (int)n;
	if ((size_t)n == cap)
		return -EFBIG;
	buf[n] = '\0';
	return (int)n;
}

int vmv_read_at(int dirfd, const char *path, char *buf, size_t cap)
{
	vmv_autoclose int fd = open_file(dirfd, path);

	return fd < 0 ? fd : vmv_read_fd(fd, buf, cap);
}

int vmv_read_attr_at(int dirfd, const char *path, char *buf, size_t cap)
{
	vmv_autoclose int fd = open_file(dirfd, path);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read_some(fd, buf, cap - 1, 0);
	if (n < 0)
		return (int)n;
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == ' '))
		n--;
	buf[n] = '\0';
	return (int)n;
}

static int grow(char **buf, size_t *cap, size_t max)
{
	size_t want = *cap ? *cap * 2 : TABLE_START;
	char *bigger;

	if (*cap > max)
		return -EFBIG;
	bigger = realloc(*buf, want);
	if (!bigger)
		return -ENOMEM;
	*buf = bigger;
	*cap = want;
	return 0;
}

int vmv_read_table_fd(int fd, char **buf, size_t *cap, size_t max)
{
	size_t len = 0;
	ssize_t n;
	int r;

	if (max >= INT_MAX)
		max = INT_MAX - 1;
	for (;;) {
		if (len + 1 >= *cap) {
			r = grow(buf, cap, max);
			if (r < 0)
				return r;
		}
		n = read_some(fd, *buf + len, *cap - 1 - len, (off_t)len);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	(*buf)[len] = '\0';
	return (int)len;
}

int vmv_read_table_at(int dirfd, const char *path, char **buf, size_t *cap, size_t max)
{
	vmv_autoclose int fd = open_file(dirfd, path);

	return fd < 0 ? fd : vmv_read_table_fd(fd, buf, cap, max);
}

/* Links, absolute ones too, are followed within the root. */
static int open_below(const struct vmv_root *root, const char *path)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
#ifdef SYS_openat2
	int fd;
	struct open_how how = { .flags = (uint64_t)flags, .resolve = RESOLVE_IN_ROOT };

	fd = (int)syscall(SYS_openat2, root->top, path, &how, sizeof(how));
	/* before Linux 5.6, or under a seccomp filter that is older than the call */
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return fd;
#endif
	return openat(root->top, path, flags);
}

int vmv_read_below(const struct vmv_root *root, const char *path, char *buf, size_t cap)
{
	vmv_autoclose int fd = open_below(root, path);

	return fd < 0 ? -errno : vmv_read_fd(fd, buf, cap);
}
