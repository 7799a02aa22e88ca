#include "collectors/blockfs.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/blockdev.h"
#include "collectors/mountinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_MAX (32 * VMV_MIB) /* 100 000 mounts, which is the kernel's bound (fs.mount-max) */

struct found {
	struct vmv_blockfs fs;
	size_t at; /* in the list of mounts */
};

/* The number of a btrfs is of no device; its source is one of its devices. */
static bool find_device(const struct vmv_root *root, const struct vmv_mount *m,
			struct vmv_blockfs *ret)
{
	struct vmv_blockdev dev;
	char path[VMV_BLOCKDEV_PATH + 8], text[32];
	const char *s;
	uint64_t major, minor;

	if (strcmp(m->type, "btrfs") != 0 || vmv_blockdev_by_source(root, m->source, &dev) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s/dev", dev.path);
	if (vmv_read_attr_at(root->sys, path, text, sizeof(text)) < 0 ||
	    vmv_parse_u64(text, &major, &s) < 0 || *s != ':' ||
	    vmv_parse_u64(s + 1, &minor, &s) < 0 || *s || major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	ret->major = (uint32_t)major;
	ret->minor = (uint32_t)minor;
	return true;
}

static bool is_same(const struct vmv_mount *a, const struct vmv_mount *b)
{
	return a->major == b->major && a->minor == b->minor;
}

/* By device, what shows all of it first, then in the order of mounting. */
static int by_device(const void *a, const void *b)
{
	const struct vmv_mount *x = *(const struct vmv_mount *const *)a;
	const struct vmv_mount *y = *(const struct vmv_mount *const *)b;
	bool x_all = strcmp(x->root, "/") == 0, y_all = strcmp(y->root, "/") == 0;

	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	if (x->minor != y->minor)
		return x->minor < y->minor ? -1 : 1;
	if (x_all != y_all)
		return x_all ? -1 : 1;
	return (x > y) - (x < y);
}

static int by_mounting(const void *a, const void *b)
{
	size_t x = ((const struct found *)a)->at, y = ((const struct found *)b)->at;

	return (x > y) - (x < y);
}

static bool is_wanted(const struct vmv_mount *m)
{
	return m->major != 0 || strcmp(m->type, "btrfs") == 0;
}

/* One of each device; returns how many. */
static size_t choose(const struct vmv_root *root, const struct vmv_mounts *all,
		     const struct vmv_mount **sorted, struct found *ret)
{
	size_t n = 0, found = 0;

	for (size_t i = 0; i < all->n; i++)
		if (is_wanted(&all->v[i]))
			sorted[n++] = &all->v[i];
	qsort(sorted, n, sizeof(const struct vmv_mount *), by_device);
	for (size_t i = 0; i < n && found < VMV_BLOCKFS_MAX; i++) {
		const struct vmv_mount *m = sorted[i];
		struct found f = { .at = (size_t)(m - all->v) };

		if (i > 0 && is_same(sorted[i - 1], m))
			continue;
		f.fs = (struct vmv_blockfs){ m, all, m->major, m->minor };
		if (m->major != 0 || find_device(root, m, &f.fs))
			ret[found++] = f;
	}
	qsort(ret, found, sizeof(*ret), by_mounting);
	return found;
}

static int tell(const struct vmv_root *root, const struct vmv_mounts *all, vmv_blockfs_row *row,
		void *arg, struct vmv_err *err)
{
	vmv_autofree const struct vmv_mount **sorted =
		calloc(all->n + 1, sizeof(const struct vmv_mount *));
	vmv_autofree struct found *found = calloc(VMV_BLOCKFS_MAX, sizeof(*found));
	size_t n;
	int r = 0;

	if (!sorted || !found)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	n = choose(root, all, sorted, found);
	for (size_t i = 0; i < n && r == 0; i++)
		r = row(arg, &found[i].fs);
	return r;
}

int vmv_blockfs_read(const struct vmv_root *root, vmv_blockfs_row *row, void *arg,
		     struct vmv_err *err)
{
	VMV_CLEANUP(vmv_mounts_free) struct vmv_mounts all = { 0 };
	vmv_autofree char *text = NULL;
	size_t cap = 0;
	int r = vmv_read_table_at(root->proc, "self/mountinfo", &text, &cap, TABLE_MAX);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/self/mountinfo: %s",
				strerror(-r));
	r = vmv_mountinfo_parse(text, &all, err);
	return r < 0 ? r : tell(root, &all, row, arg, err);
}
