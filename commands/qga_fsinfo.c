#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/blockdev.h"
#include "collectors/blockfs.h"
#include "collectors/disk.h"
#include "collectors/filesystem.h"
#include "collectors/mountinfo.h"
#include "commands/qga.h"
#include "commands/qga_disk.h"
#include "commands/qga_families.h"
#include "commands/qga_reading.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16  /* devices upon devices */
#define BELOW_MAX 256 /* devices seen for one filesystem; further ones are left out */

/* Answers one request. Filesystems are written one by one, and then told in reverse. */
struct answer {
	const struct vmv_facts *facts;
	const struct vmv_root *root;
	struct vmv_jw parts; /* an element each, one behind the other */
	size_t starts[VMV_BLOCKFS_MAX + 1];
	size_t n;
};

/* -- disks below ------------------------------------------------------------------------------ */

struct below {
	struct vmv_jw *w;
	const struct answer *a;
	unsigned depth, n; /* above this one; seen */
};

static int write_below(void *arg, const struct vmv_blockdev *dev)
{
	struct below *b = arg;
	struct vmv_blockdev whole;

	if (b->n == BELOW_MAX || b->depth == DEPTH_MAX)
		return 0;
	b->n++;
	if (!dev->is_virtual) {
		vmv_qga_write_address(b->w, NULL, b->a->facts, dev);
		return 0;
	}
	/* a partition of an array lies on what the array does */
	vmv_blockdev_whole(dev, &whole);
	b->depth++;
	(void)vmv_blockdev_slaves(b->a->root, &whole, write_below, b);
	b->depth--;
	return 0;
}

/* -- sizes ------------------------------------------------------------------------------------ */

struct sizes {
	uint64_t used, total, privileged; /* bytes; VMV_UNSET unknown */
};

static struct sizes sizes_of(uint64_t size, uint64_t left, uint64_t avail)
{
	struct sizes s = { VMV_UNSET, VMV_UNSET, size };

	if (size != VMV_UNSET && left <= size)
		s.used = size - left;
	if (s.used != VMV_UNSET && avail != VMV_UNSET &&
	    __builtin_add_overflow(s.used, avail, &s.total))
		s.total = VMV_UNSET;
	return s;
}

static uint64_t bytes(uint64_t units, uint64_t unit)
{
	uint64_t n;

	return __builtin_mul_overflow(units, unit, &n) ? VMV_UNSET : n;
}

static const struct vmv_filesystem_sample *row_of(const struct answer *a, const struct vmv_mount *m)
{
	size_t n;
	const struct vmv_filesystem_sample *rows =
		vmv_facts_rows(a->facts, &vmv_collector_filesystem, &n);

	for (size_t i = 0; i < n; i++)
		if (rows[i].device_number == ((uint64_t)m->major << 32 | m->minor))
			return &rows[i];
	return NULL;
}

/* Of the group, which does not wait for what hangs. What it leaves out, images and such, cannot
 * hang, or is not looked at. */
static struct sizes find_sizes(const struct answer *a, const struct vmv_blockfs *fs)
{
	const struct vmv_filesystem_sample *s = row_of(a, fs->mount);
	struct vmv_space space;

	if (s)
		return sizes_of(s->size, s->free, s->avail);
	if (vmv_filesystem_look(a->root, fs->all, fs->mount, &space) < 0)
		return (struct sizes){ VMV_UNSET, VMV_UNSET, VMV_UNSET };
	return sizes_of(bytes(space.blocks, space.unit), bytes(space.free, space.unit),
			bytes(space.avail, space.unit));
}

/* -- the list --------------------------------------------------------------------------------- */

static const char *last_component(const char *source)
{
	const char *slash = strrchr(source, '/');

	return slash ? slash + 1 : source;
}

static int write_fs(void *arg, const struct vmv_blockfs *fs)
{
	struct answer *a = arg;
	struct vmv_jw *w = &a->parts;
	struct below below = { .w = w, .a = a };
	struct sizes sizes = find_sizes(a, fs);
	struct vmv_blockdev dev;
	bool has_dev = vmv_blockdev_by_number(a->root, fs->major, fs->minor, &dev) == 0;

	if (vmv_qga_is_full(w))
		return -EFBIG;
	w->needs_comma = false;
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", has_dev ? dev.name : last_component(fs->mount->source));
	vmv_jw_str(w, "mountpoint", fs->mount->target);
	vmv_jw_str(w, "type", fs->mount->type);
	vmv_qga_known(w, "used-bytes", sizes.used);
	vmv_qga_known(w, "total-bytes", sizes.total);
	vmv_qga_known(w, "total-bytes-privileged", sizes.privileged);
	vmv_jw_array(w, "disk");
	if (has_dev)
		(void)write_below(&below, &dev);
	vmv_jw_end(w);
	vmv_jw_close(w);
	a->starts[++a->n] = w->buf.len;
	return 0;
}

/* The last mount first, which hosts turn round. */
static void write_all(struct vmv_jw *w, const struct answer *a)
{
	vmv_jw_array(w, NULL);
	for (size_t i = a->n; i-- > 0;)
		vmv_jw_raw(w, NULL, a->parts.buf.data + a->starts[i],
			   a->starts[i + 1] - a->starts[i]);
	vmv_jw_end(w);
}

static void answer_with(struct vmv_request *req, struct answer *a)
{
	struct vmv_err err = { 0 };
	struct vmv_jw w;
	int r;

	vmv_jw_init(&a->parts, VMV_QGA_REPLY_MAX - VMV_JW_TAIL);
	r = vmv_blockfs_read(a->root, write_fs, a, &err);
	if (r == 0 || r == -EFBIG)
		r = vmv_jw_finish(&a->parts);
	if (r < 0) {
		if (err.code == VMV_OK)
			(void)vmv_fail(&err, VMV_E_IO, -r, "cannot write: %s", strerror(-r));
		vmv_request_fail(req, &err);
	} else {
		vmv_qga_begin(&w);
		write_all(&w, a);
		vmv_qga_send(req, &w);
	}
	vmv_jw_free(&a->parts);
}

static void fsinfo_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct answer *a;

	if (!root)
		return;
	a = calloc(1, sizeof(*a));
	if (!a) {
		vmv_qga_no_memory(req);
		return;
	}
	a->facts = view->facts;
	a->root = root;
	answer_with(req, a);
	free(a);
}

void vmv_qga_fsinfo(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_group(&vmv_collector_filesystem) | vmv_group(&vmv_collector_disk),
		     fsinfo_ready);
}
