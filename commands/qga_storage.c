#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/blockdev.h"
#include "collectors/disk.h"
#include "commands/qga.h"
#include "commands/qga_disk.h"
#include "commands/qga_families.h"
#include "commands/qga_reading.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODE_SIZE 256
#define NAME_SIZE 64 /* of kernel names, which are shorter */

/* -- addresses -------------------------------------------------------------------------------- */

static const char *serial_of(const struct vmv_facts *facts, const char *disk)
{
	size_t n;
	const struct vmv_disk_sample *rows = vmv_facts_rows(facts, &vmv_collector_disk, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(vmv_facts_id(facts, &vmv_collector_disk, i), disk) == 0)
			return rows[i].serial;
	return "";
}

static void write_ccw(struct vmv_jw *w, const struct vmv_disk_address *a)
{
	vmv_jw_open(w, "ccw-address");
	vmv_jw_int(w, "cssid", a->cssid);
	vmv_jw_int(w, "ssid", a->ssid);
	vmv_jw_int(w, "subchno", a->subchno);
	vmv_jw_int(w, "devno", a->devno);
	vmv_jw_close(w);
}

void vmv_qga_write_address(struct vmv_jw *w, const char *name, const struct vmv_facts *facts,
			   const struct vmv_blockdev *dev)
{
	const struct vmv_root *root = vmv_facts_root(facts);
	struct vmv_disk_address a;
	struct vmv_blockdev disk;
	char node[NODE_SIZE];
	const char *serial;

	vmv_blockdev_address(root, dev, &a);
	vmv_blockdev_node(root, dev, node, sizeof(node));
	vmv_blockdev_whole(dev, &disk);
	serial = a.has_udev ? a.serial : serial_of(facts, disk.name);
	vmv_jw_open(w, name);
	vmv_jw_open(w, "pci-controller");
	vmv_jw_int(w, "domain", a.domain);
	vmv_jw_int(w, "bus", a.pci_bus);
	vmv_jw_int(w, "slot", a.slot);
	vmv_jw_int(w, "function", a.function);
	vmv_jw_close(w);
	vmv_jw_str(w, "bus-type", a.bus_type);
	vmv_jw_int(w, "bus", a.bus);
	vmv_jw_int(w, "target", a.target);
	vmv_jw_int(w, "unit", a.unit);
	if (serial[0])
		vmv_jw_str(w, "serial", serial);
	vmv_jw_str(w, "dev", node);
	if (a.has_ccw)
		write_ccw(w, &a);
	vmv_jw_close(w);
}

/* -- disks ------------------------------------------------------------------------------------ */

struct disks {
	struct vmv_jw *w;
	const struct vmv_facts *facts;
	const struct vmv_root *root;
	const char *disk; /* node of the one whose partitions are told */
};

static int write_slave(void *arg, const struct vmv_blockdev *dev)
{
	const struct disks *d = arg;
	char node[NODE_SIZE];

	vmv_blockdev_node(d->root, dev, node, sizeof(node));
	vmv_jw_str(d->w, NULL, node);
	return 0;
}

static int write_partition(void *arg, const struct vmv_blockdev *dev)
{
	const struct disks *d = arg;
	char node[NODE_SIZE];

	if (vmv_qga_is_full(d->w))
		return -EFBIG;
	vmv_blockdev_node(d->root, dev, node, sizeof(node));
	vmv_jw_open(d->w, NULL);
	vmv_jw_str(d->w, "name", node);
	vmv_jw_bool(d->w, "partition", true);
	vmv_jw_array(d->w, "dependencies");
	vmv_jw_str(d->w, NULL, d->disk);
	vmv_jw_end(d->w);
	vmv_jw_close(d->w);
	return 0;
}

/* No "smart": that takes root's rights. */
static int write_disk(void *arg, const struct vmv_blockdev *dev)
{
	struct disks *d = arg;
	char node[NODE_SIZE], alias[256];
	uint64_t size = vmv_blockdev_size(d->root, dev);

	if (size == 0 || size == VMV_UNSET)
		return 0;
	if (vmv_qga_is_full(d->w))
		return -EFBIG;
	vmv_blockdev_node(d->root, dev, node, sizeof(node));
	vmv_blockdev_alias(d->root, dev, alias, sizeof(alias));
	vmv_jw_open(d->w, NULL);
	vmv_jw_str(d->w, "name", node);
	vmv_jw_bool(d->w, "partition", false);
	vmv_jw_array(d->w, "dependencies");
	(void)vmv_blockdev_slaves(d->root, dev, write_slave, d);
	vmv_jw_end(d->w);
	if (!dev->is_virtual)
		vmv_qga_write_address(d->w, "address", d->facts, dev);
	if (alias[0])
		vmv_jw_str(d->w, "alias", alias);
	vmv_jw_close(d->w);
	d->disk = node;
	return vmv_blockdev_partitions(d->root, dev, write_partition, d) == -EFBIG ? -EFBIG : 0;
}

/* A disk takes 50 us and more, with its partitions. So it goes piece by piece: this is the scratch
 * of the request, one piece of memory. */
struct listing {
	size_t n, at; /* disks; told so far, */
	size_t len;   /* in so many bytes of text */
	char names[VMV_DISKS_MAX][NAME_SIZE];
	bool needs_comma;
	char text[];
};

static int take_name(void *arg, const struct vmv_blockdev *dev)
{
	struct listing *k = arg;
	size_t len = strlen(dev->name);

	if (k->n < VMV_DISKS_MAX && len < NAME_SIZE)
		memcpy(k->names[k->n++], dev->name, len + 1);
	return 0;
}

/* One that cannot be found was taken away meanwhile. Returns 0 or -EFBIG. */
static int write_slice(struct disks *d, struct listing *k)
{
	uint64_t began = vmv_mono_ns(&vmv_clock_system);
	struct vmv_blockdev dev;
	int r = 0;

	do {
		if (vmv_blockdev_by_name(d->root, k->names[k->at++], &dev) == 0)
			r = write_disk(d, &dev);
	} while (r == 0 && k->at < k->n &&
		 vmv_mono_ns(&vmv_clock_system) - began < VMV_QGA_SLICE_NS);
	return r;
}

static void disks_go_on(void *arg, const struct vmv_view *view);

/* Keeps what is written for a later turn. */
static void put_off(struct vmv_request *req, const struct vmv_jw *w)
{
	struct listing *k = realloc(req->scratch, sizeof(*k) + w->buf.len);

	if (!k) {
		vmv_qga_no_memory(req);
		return;
	}
	req->scratch = k;
	memcpy(k->text, w->buf.data, w->buf.len);
	k->len = w->buf.len;
	k->needs_comma = w->needs_comma;
	vmv_qga_later(req, disks_go_on);
}

/* What does not fit is left out. */
static void disks_go_on(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	struct listing *k = req->scratch;
	struct vmv_jw w;
	struct disks d = { .w = &w, .root = vmv_qga_root(req, view) };
	int r = 0;

	if (!d.root)
		return;
	d.facts = view->facts;
	vmv_qga_begin(&w);
	vmv_jw_raw(&w, NULL, k->text, k->len);
	w.needs_comma = k->needs_comma;
	if (k->at < k->n)
		r = write_slice(&d, k);
	if (r < 0 || w.error || k->at == k->n) {
		vmv_qga_send_list(req, &w, 0, NULL);
		return;
	}
	put_off(req, &w);
	vmv_jw_free(&w);
}

static void disks_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct vmv_err err;
	struct listing *k;
	int r;

	if (!root)
		return;
	k = req->scratch = calloc(1, sizeof(*k) + 1);
	if (!k) {
		vmv_qga_no_memory(req);
		return;
	}
	k->text[k->len++] = '[';
	r = vmv_blockdev_disks(root, take_name, k);
	if (r == 0 || r == -ENOENT) {
		disks_go_on(req, view);
		return;
	}
	(void)vmv_fail(&err, VMV_E_IO, -r, "cannot read /sys/block: %s", strerror(-r));
	vmv_request_fail(req, &err);
}

void vmv_qga_disks(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_group(&vmv_collector_disk), disks_ready);
}

/* -- counters --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t offset;
} stats[] = {
#define STAT(key, member)                                     \
	{                                                     \
		key, offsetof(struct vmv_disk_sample, member) \
	}
	STAT("read-ios", reads),
	STAT("read-merges", reads_merged),
	STAT("read-sectors", read_sectors),
	STAT("read-ticks", read_ms),
	STAT("write-ios", writes),
	STAT("write-merges", writes_merged),
	STAT("write-sectors", write_sectors),
	STAT("write-ticks", write_ms),
	STAT("ios-pgr", in_flight),
	STAT("total-ticks", io_ms),
	STAT("weight-ticks", weighted_io_ms),
	STAT("discard-ios", discards),
	STAT("discard-merges", discards_merged),
	STAT("discard-sectors", discard_sectors),
	STAT("discard-ticks", discard_ms),
	STAT("flush-ios", flushes),
	STAT("flush-ticks", flush_ms),
#undef STAT
};

/* Those that the kernel does not count are left out. */
static int write_stats(void *arg, const char *name, const struct vmv_disk_sample *s)
{
	struct vmv_jw *w = arg;
	uint64_t v;

	if (vmv_qga_is_full(w))
		return -EFBIG;
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", name);
	vmv_jw_u64(w, "major", s->device_number >> 32);
	vmv_jw_u64(w, "minor", s->device_number & UINT32_MAX);
	vmv_jw_open(w, "stats");
	for (size_t i = 0; i < VMV_COUNTOF(stats); i++) {
		memcpy(&v, (const char *)s + stats[i].offset, sizeof(v));
		vmv_qga_known(w, stats[i].name, v);
	}
	vmv_jw_close(w);
	vmv_jw_close(w);
	return 0;
}

static void diskstats_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct vmv_err err;
	struct vmv_jw w;

	if (!root)
		return;
	vmv_qga_begin(&w);
	vmv_jw_array(&w, NULL);
	vmv_qga_send_list(req, &w, vmv_diskstats_read(root, write_stats, &w, &err), &err);
}

/* All lines, so not those of the group, which leaves out loop and ram devices. */
void vmv_qga_diskstats(struct vmv_request *req)
{
	vmv_qga_with_root(req, diskstats_ready);
}
