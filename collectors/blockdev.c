#include "collectors/blockdev.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/metric.h"
#include "base/num.h"
#include "base/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 64
#define LINK_SIZE (VMV_BLOCKDEV_PATH + sizeof("/partition"))

/* -- looking up --------------------------------------------------------------------------- */

static void set_path(struct vmv_blockdev *dev, const struct vmv_root *root)
{
	char path[LINK_SIZE];

	dev->name = strrchr(dev->path, '/') + 1;
	dev->is_virtual = strncmp(dev->path, "devices/virtual/block/", 22) == 0;
	(void)snprintf(path, sizeof(path), "%s/partition", dev->path);
	dev->is_partition = faccessat(root->sys, path, F_OK, 0) == 0;
}

/* Such a link is relative and climbs to /sys first: "../../devices/...". */
static int follow(const struct vmv_root *root, const char *link, struct vmv_blockdev *ret)
{
	char target[VMV_BLOCKDEV_PATH];
	const char *path = target;
	ssize_t n = readlinkat(root->sys, link, target, sizeof(target));

	if (n < 0)
		return -errno;
	if ((size_t)n >= sizeof(target))
		return -ENAMETOOLONG;
	target[n] = '\0';
	while (strncmp(path, "../", 3) == 0)
		path += 3;
	if (strncmp(path, "devices/", 8) != 0 || strstr(path, "/../"))
		return -ENOENT;
	memcpy(ret->path, path, strlen(path) + 1);
	set_path(ret, root);
	return 0;
}

int vmv_blockdev_by_number(const struct vmv_root *root, uint32_t major, uint32_t minor,
			   struct vmv_blockdev *ret)
{
	char link[64];

	(void)snprintf(link, sizeof(link), "dev/block/%u:%u", major, minor);
	return follow(root, link, ret);
}

static bool is_name(const char *name)
{
	return name[0] && strlen(name) < NAME_SIZE && !strchr(name, '/') &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int vmv_blockdev_by_name(const struct vmv_root *root, const char *name, struct vmv_blockdev *ret)
{
	char link[sizeof("class/block/") + NAME_SIZE];

	if (!is_name(name))
		return -ENOENT;
	(void)snprintf(link, sizeof(link), "class/block/%s", name);
	return follow(root, link, ret);
}

void vmv_blockdev_whole(const struct vmv_blockdev *dev, struct vmv_blockdev *ret)
{
	*ret = *dev;
	if (dev->is_partition) {
		*strrchr(ret->path, '/') = '\0';
		ret->is_partition = false;
	}
	ret->name = strrchr(ret->path, '/') + 1;
}

/* -- lists -------------------------------------------------------------------------------- */

struct names {
	char (*v)[NAME_SIZE]; /* owned */
	size_t n, cap;
};

static void names_free(struct names *names)
{
	free(names->v);
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(a, b);
}

static int add_name(struct names *names, const char *name)
{
	size_t want = names->cap ? names->cap * 2 : 16;
	void *bigger;

	if (names->n == names->cap) {
		bigger = reallocarray(names->v, want, sizeof(*names->v));
		if (!bigger)
			return -ENOMEM;
		names->v = bigger;
		names->cap = want;
	}
	memcpy(names->v[names->n++], name, strlen(name) + 1);
	return 0;
}

/* Entries of a directory whose names begin so. */
static int list(int dirfd, const char *path, const char *prefix, struct names *ret)
{
	vmv_autoclose int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	fd = -1; /* owned by d now */
	while (r == 0 && ret->n < VMV_DISKS_MAX && (e = readdir(d)))
		if (is_name(e->d_name) && strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			r = add_name(ret, e->d_name);
	if (r == 0 && ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return r;
}

static int tell(const struct vmv_root *root, const struct names *names, bool is_partition,
		vmv_blockdev_row *row, void *arg)
{
	struct vmv_blockdev dev;
	int r = 0;

	for (size_t i = 0; i < names->n && r >= 0; i++)
		if (vmv_blockdev_by_name(root, names->v[i], &dev) == 0 &&
		    dev.is_partition >= is_partition)
			r = row(arg, &dev);
	return r;
}

int vmv_blockdev_disks(const struct vmv_root *root, vmv_blockdev_row *row, void *arg)
{
	VMV_CLEANUP(names_free) struct names names = { 0 };
	int r = list(root->sys, "block", "", &names);

	return r < 0 ? r : tell(root, &names, false, row, arg);
}

int vmv_blockdev_partitions(const struct vmv_root *root, const struct vmv_blockdev *disk,
			    vmv_blockdev_row *row, void *arg)
{
	VMV_CLEANUP(names_free) struct names names = { 0 };
	int r = list(root->sys, disk->path, disk->name, &names);

	return r < 0 ? r : tell(root, &names, true, row, arg);
}

int vmv_blockdev_slaves(const struct vmv_root *root, const struct vmv_blockdev *dev,
			vmv_blockdev_row *row, void *arg)
{
	VMV_CLEANUP(names_free) struct names names = { 0 };
	char path[LINK_SIZE];
	int r;

	(void)snprintf(path, sizeof(path), "%s/slaves", dev->path);
	r = list(root->sys, path, "", &names);
	return r < 0 ? r : tell(root, &names, false, row, arg);
}

/* -- attributes --------------------------------------------------------------------------- */

static int read_attr(const struct vmv_root *root, const struct vmv_blockdev *dev, const char *name,
		     char *ret, size_t cap)
{
	char path[VMV_BLOCKDEV_PATH + 32];
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s", dev->path, name);
	r = vmv_read_attr_at(root->sys, path, ret, cap);
	if (r < 0)
		ret[0] = '\0';
	return r;
}

uint64_t vmv_blockdev_size(const struct vmv_root *root, const struct vmv_blockdev *dev)
{
	char text[32];
	uint64_t v;

	if (read_attr(root, dev, "size", text, sizeof(text)) < 0 ||
	    vmv_parse_u64(text, &v, NULL) < 0)
		return VMV_UNSET;
	return v;
}

void vmv_blockdev_node(const struct vmv_root *root, const struct vmv_blockdev *dev, char *ret,
		       size_t cap)
{
	char path[LINK_SIZE], text[1024] = "\n";
	const char *name;

	(void)snprintf(path, sizeof(path), "%s/uevent", dev->path);
	if (vmv_read_at(root->sys, path, text + 1, sizeof(text) - 1) < 0)
		text[1] = '\0';
	name = strstr(text, "\nDEVNAME=");
	if (name)
		(void)snprintf(ret, cap, "/dev/%.*s", (int)strcspn(name + 9, "\n"), name + 9);
	else
		(void)snprintf(ret, cap, "/dev/%s", dev->name);
}

void vmv_blockdev_alias(const struct vmv_root *root, const struct vmv_blockdev *dev, char *ret,
			size_t cap)
{
	(void)read_attr(root, dev, "dm/name", ret, cap);
}

/* -- sources ------------------------------------------------------------------------------ */

struct wanted {
	const struct vmv_root *root;
	const char *alias;
	char name[NAME_SIZE];
};

static int is_alias(void *arg, const struct vmv_blockdev *dev)
{
	struct wanted *wanted = arg;
	char alias[256];

	vmv_blockdev_alias(wanted->root, dev, alias, sizeof(alias));
	if (strcmp(alias, wanted->alias) != 0)
		return 0;
	memcpy(wanted->name, dev->name, strlen(dev->name) + 1);
	return -EEXIST;
}

int vmv_blockdev_by_source(const struct vmv_root *root, const char *source,
			   struct vmv_blockdev *ret)
{
	struct wanted wanted = { .root = root };

	if (strncmp(source, "/dev/", 5) != 0)
		return -ENOENT;
	if (strncmp(source, "/dev/mapper/", 12) != 0)
		return vmv_blockdev_by_name(root, source + 5, ret);
	wanted.alias = source + 12;
	if (!wanted.alias[0] || vmv_blockdev_disks(root, is_alias, &wanted) != -EEXIST)
		return -ENOENT;
	return vmv_blockdev_by_name(root, wanted.name, ret);
}
