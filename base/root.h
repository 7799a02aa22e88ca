/* Where the kernel's files are read from, and how to read them. */
#ifndef VMV_BASE_ROOT_H
#define VMV_BASE_ROOT_H

#include <stdbool.h>
#include <stddef.h>

struct vmv_asker;
struct vmv_err;

/* Directory descriptors of the trees that collectors may read. Production opens "/"; a test
 * opens a fixture tree. Collectors never hold an absolute path. */
struct vmv_root {
	int top;  /* the prefix itself: mount points are looked up below it */
	int proc; /* prefix/proc */
	int sys;  /* prefix/sys */
	int etc;  /* prefix/etc; -1 when the tree has none */
	/* proc is this kernel's: what no file tells (system calls, netlink) is of the same machine.
	 * False for a recorded tree, where it would be another one's. */
	bool is_live;
	struct vmv_asker *asker; /* borrowed; NULL: nobody answers what may block */
	/* Names of units ("ssh.service") that are reported whatever their state; borrowed. */
	const char *const *critical_units;
	size_t n_critical_units;
};

#define VMV_ROOT_NONE ((struct vmv_root){ .top = -1, .proc = -1, .sys = -1, .etc = -1 })

/* Opens prefix ("/" or a directory that holds proc/ and sys/). Returns 0 or negative errno
 * with err set; ret is written only on success and then owned by the caller. */
int vmv_root_open(struct vmv_root *ret, const char *prefix, struct vmv_err *err);
void vmv_root_close(struct vmv_root *root);

/* Reads a single-record virtual file (a sysfs attribute, /proc/meminfo, /proc/stat) with one
 * read(2): a second read may see a newer value.
 *
 * buf  receives the text and a terminating NUL; unspecified on error
 * cap  size of buf in bytes; the text must be at most cap - 1 bytes
 * Returns the length in bytes, or negative errno: -ENOENT no such file, -EFBIG longer than
 * cap - 1, else what open(2) or read(2) said. */
int vmv_read_at(int dirfd, const char *path, char *buf, size_t cap);

/* The same on a descriptor that stays open, from offset 0 (pread), for files that are read
 * again and again. */
int vmv_read_fd(int fd, char *buf, size_t cap);

/* The same for a table of records (/proc/diskstats, /proc/net/dev, maps), which the kernel
 * hands out about one page per read(2): reads to end of file into memory that grows.
 *
 * *buf, *cap  borrowed and kept between calls (start with NULL, 0); the caller frees *buf
 * max         text longer than this is -EFBIG
 * Returns the length in bytes, NUL-terminated, or negative errno as above; -ENOMEM. Rows are
 * whole, but may come from different moments. */
int vmv_read_table_at(int dirfd, const char *path, char **buf, size_t *cap, size_t max);

/* The same on a descriptor that stays open, from offset 0 (pread), for tables that are read again
 * and again. */
int vmv_read_table_fd(int fd, char **buf, size_t *cap, size_t max);

/* A sysfs attribute of one line: the text without its trailing newline and blanks, cut to
 * cap - 1 bytes. Returns the length or negative errno. */
int vmv_read_attr_at(int dirfd, const char *path, char *buf, size_t cap);

/* A small file somewhere below the root, as vmv_read_at: links, absolute ones too, are followed
 * within it where the kernel can do so (5.6). */
int vmv_read_below(const struct vmv_root *root, const char *path, char *buf, size_t cap);

#endif
