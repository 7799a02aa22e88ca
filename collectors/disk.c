#include "collectors/disk.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX    (4 * VMV_MIB)
#define NAME_SIZE   64 /* bytes with NUL; the kernel's own bound is 32 */
#define COLUMNS_MIN 11 /* what every kernel since 2.6.25 prints for disks and partitions */

/* After so long all devices are looked up in sysfs again: a dm or md device gets its members after
 * it appeared, and disks of guests grow. */
#define LOOK_MS 60000

#define DISK(member, metric, kind, unit, scale, column, text)                      \
	VMV_FIELD(struct vmv_disk_sample, member, metric, NULL, kind, unit, scale, \
		  "diskstats field " column, text)
#define COUNT(member, metric, column, text) \
	DISK(member, metric, VMV_COUNTER, VMV_UNIT_NONE, 0, column, text)
#define BYTES(member, metric, column, text) \
	DISK(member, metric, VMV_COUNTER, VMV_UNIT_BYTES, 512, column, text)
#define TIME(member, metric, column, text) \
	DISK(member, metric, VMV_COUNTER, VMV_UNIT_SECONDS, 0.001, column, text)

/* Numbered as in the kernel's Documentation/admin-guide/iostats.rst. */
static const struct vmv_field fields[] = {
	COUNT(reads, "node_disk_reads_completed_total", "1", "Reads completed."),
	COUNT(reads_merged, "node_disk_reads_merged_total", "2", "Reads merged into others."),
	BYTES(read_sectors, "node_disk_read_bytes_total", "3", "Bytes read."),
	TIME(read_ms, "node_disk_read_time_seconds_total", "4",
	     "Time of reads, summed over requests."),
	COUNT(writes, "node_disk_writes_completed_total", "5", "Writes completed."),
	COUNT(writes_merged, "node_disk_writes_merged_total", "6", "Writes merged into others."),
	BYTES(write_sectors, "node_disk_written_bytes_total", "7", "Bytes written."),
	TIME(write_ms, "node_disk_write_time_seconds_total", "8",
	     "Time of writes, summed over requests."),
	DISK(in_flight, "node_disk_io_now", VMV_GAUGE, VMV_UNIT_NONE, 0, "9",
	     "Requests in progress."),
	TIME(io_ms, "node_disk_io_time_seconds_total", "10",
	     "Time with at least one request in progress."),
	TIME(weighted_io_ms, "node_disk_io_time_weighted_seconds_total", "11",
	     "Time of requests in progress, summed over requests."),
	COUNT(discards, "node_disk_discards_completed_total", "12", "Discards completed."),
	COUNT(discards_merged, "node_disk_discards_merged_total", "13",
	      "Discards merged into others."),
	COUNT(discard_sectors, "node_disk_discarded_sectors_total", "14",
	      "Sectors of 512 bytes discarded."),
	TIME(discard_ms, "node_disk_discard_time_seconds_total", "15",
	     "Time of discards, summed over requests."),
	COUNT(flushes, "node_disk_flush_requests_total", "16", "Flushes completed."),
	TIME(flush_ms, "node_disk_flush_requests_time_seconds_total", "17",
	     "Time of flushes, summed over requests."),
	VMV_FIELD(struct vmv_disk_sample, is_whole, "vmvitals_disk_is_whole", NULL, VMV_GAUGE,
		  VMV_UNIT_NONE, 0, "/sys/block",
		  "1 for a disk of its own, 0 for partitions, members of others and the like."),
	VMV_FIELD(struct vmv_disk_sample, size, "vmvitals_disk_size_bytes", NULL, VMV_GAUGE,
		  VMV_UNIT_BYTES, 512, "/sys/block/*/size", "Size of the device."),
	VMV_FIELD(struct vmv_disk_sample, rotational, "vmvitals_disk_rotational", NULL, VMV_GAUGE,
		  VMV_UNIT_NONE, 0, "/sys/block/*/queue/rotational",
		  "1 when the device says that it rotates, as virtual ones often do, else 0."),
	VMV_FIELD(struct vmv_disk_sample, is_readonly, "vmvitals_disk_readonly", NULL, VMV_GAUGE,
		  VMV_UNIT_NONE, 0, "/sys/block/*/ro", "1 when it cannot be written to, else 0."),
	VMV_FIELD(struct vmv_disk_sample, model, "model", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/sys/block/*/device/model", "Model of a SCSI or NVMe disk."),
	VMV_FIELD(struct vmv_disk_sample, serial, "serial", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/sys/block/*/serial, device/serial", "Serial number of a virtio or NVMe disk."),
};

/* Where a line's columns go; further ones of a later kernel are left alone. */
static const size_t columns[] = {
	offsetof(struct vmv_disk_sample, reads),
	offsetof(struct vmv_disk_sample, reads_merged),
	offsetof(struct vmv_disk_sample, read_sectors),
	offsetof(struct vmv_disk_sample, read_ms),
	offsetof(struct vmv_disk_sample, writes),
	offsetof(struct vmv_disk_sample, writes_merged),
	offsetof(struct vmv_disk_sample, write_sectors),
	offsetof(struct vmv_disk_sample, write_ms),
	offsetof(struct vmv_disk_sample, in_flight),
	offsetof(struct vmv_disk_sample, io_ms),
	offsetof(struct vmv_disk_sample, weighted_io_ms),
	offsetof(struct vmv_disk_sample, discards),
	offsetof(struct vmv_disk_sample, discards_merged),
	offsetof(struct vmv_disk_sample, discard_sectors),
	offsetof(struct vmv_disk_sample, discard_ms),
	offsetof(struct vmv_disk_sample, flushes),
	offsetof(struct vmv_disk_sample, flush_ms),
};

/* s points behind the name. */
static int parse_columns(const char *s, struct vmv_disk_sample *ret)
{
	struct vmv_disk_sample d = {
		.size = VMV_UNSET,
		.rotational = VMV_UNSET,
		.is_readonly = VMV_UNSET,
	};
	uint64_t v = VMV_UNSET;
	size_t n;

	for (n = 0; n < VMV_COUNTOF(columns); n++)
		memcpy((char *)&d + columns[n], &v, sizeof(v));
	for (n = 0; n < VMV_COUNTOF(columns) && s[strspn(s, " ")] != '\n'; n++) {
		if (vmv_parse_count(s + strspn(s, " "), &v, &s) < 0 || (*s != ' ' && *s != '\n'))
			return -EINVAL;
		memcpy((char *)&d + columns[n], &v, sizeof(v));
	}
	if (n < COLUMNS_MIN)
		return -EINVAL;
	*ret = d;
	return 0;
}

/* " 254       0 vda 1 2 3 ...". */
static int parse_line(const char *s, char name[NAME_SIZE], struct vmv_disk_sample *ret)
{
	uint64_t major, minor;
	size_t len;
	int r;

	s += strspn(s, " ");
	if (vmv_parse_u64(s, &major, &s) < 0 || *s != ' ' ||
	    vmv_parse_u64(s + strspn(s, " "), &minor, &s) < 0 || *s != ' ' || major > UINT32_MAX ||
	    minor > UINT32_MAX)
		return -EINVAL;
	s += strspn(s, " ");
	len = strcspn(s, " \n");
	if (len == 0 || len >= NAME_SIZE)
		return -EINVAL;
	memcpy(name, s, len);
	name[len] = '\0';
	r = parse_columns(s + len, ret);
	if (r == 0)
		ret->device_number = major << 32 | minor;
	return r;
}

int vmv_diskstats_parse(const char *text, vmv_disk_row *row, void *arg, struct vmv_err *err)
{
	struct vmv_disk_sample s;
	char name[NAME_SIZE];
	int r;

	for (const char *line = text, *nl; *line; line = nl + 1) {
		nl = strchr(line, '\n');
		if (!nl || parse_line(line, name, &s) < 0)
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"/proc/diskstats: malformed line");
		r = row(arg, name, &s);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What sysfs says of a device. */
struct device {
	char name[NAME_SIZE];
	bool in_block; /* has an entry in /sys/block: no partition */
	bool is_whole;
	uint64_t size, rotational, is_readonly;
	char model[sizeof(((struct vmv_disk_sample *)NULL)->model)];
	char serial[sizeof(((struct vmv_disk_sample *)NULL)->serial)];
};

struct devices {
	struct device *v;
	size_t n, cap;
};

struct disk_state {
	char *text;
	size_t cap;
	struct devices known; /* by the last reading, in its order */
	struct devices fresh; /* by this one */
	int diskstats;	      /* open; -1 until it was read */
	uint64_t looked_ms;   /* when the devices were looked up; 0: never */
};

/* A name that begins so and goes on with a number: "loop0", "loop0p1". */
static bool is_kind(const char *name, const char *kind)
{
	size_t len = strlen(kind);

	return strncmp(name, kind, len) == 0 && name[len] >= '0' && name[len] <= '9';
}

static bool is_skipped(const char *name)
{
	return is_kind(name, "loop") || is_kind(name, "ram");
}

static bool is_never_whole(const char *name)
{
	return is_kind(name, "zram") || is_kind(name, "sr") || is_kind(name, "fd");
}

/* 1 or 0, or negative errno. */
static int has_entries(int dirfd, const char *path)
{
	vmv_autoclose int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	fd = -1; /* owned by d now */
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return 1;
	return 0;
}

static uint64_t read_number(int dir, const char *name)
{
	char text[32];
	const char *end;
	uint64_t v;

	if (vmv_read_attr_at(dir, name, text, sizeof(text)) < 0 ||
	    vmv_parse_u64(text, &v, &end) < 0 || *end)
		return VMV_UNSET;
	return v;
}

static int read_text(int dir, const char *name, char *ret, size_t cap)
{
	int r = vmv_read_attr_at(dir, name, ret, cap);

	if (r < 0)
		ret[0] = '\0';
	return r;
}

/* What does not matter enough to fail for. */
static void read_attributes(int dir, struct device *ret)
{
	ret->size = read_number(dir, "size");
	ret->is_readonly = read_number(dir, "ro");
	ret->rotational = read_number(dir, "queue/rotational");
	(void)read_text(dir, "device/model", ret->model, sizeof(ret->model));
	if (read_text(dir, "serial", ret->serial, sizeof(ret->serial)) < 0) /* virtio */
		(void)read_text(dir, "device/serial", ret->serial, sizeof(ret->serial));
}

/* Returns 0, or negative errno when sysfs did not answer (out of descriptors): a guess would
 * stay wrong for a long time. */
static int look_up(const struct vmv_root *root, const char *name, struct device *ret)
{
	char path[NAME_SIZE + sizeof("block/")];
	vmv_autoclose int dir = -1;
	int r;

	*ret = (struct device){
		.size = VMV_UNSET,
		.rotational = VMV_UNSET,
		.is_readonly = VMV_UNSET,
	};
	memcpy(ret->name, name, strlen(name) + 1);
	(void)snprintf(path, sizeof(path), "block/%s", name);
	for (char *p = path + strlen("block/"); (p = strchr(p, '/'));)
		*p = '!'; /* sysfs writes "cciss/c0d0" so */
	dir = openat(root->sys, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	ret->in_block = true;
	r = has_entries(dir, "slaves");
	if (r < 0)
		return r;
	/* one path of several to an NVMe disk, which is counted itself */
	ret->is_whole = r == 0 && !is_never_whole(name) && read_number(dir, "hidden") != 1;
	read_attributes(dir, ret);
	return 0;
}

static const struct device *find(const struct devices *known, const char *name, size_t hint)
{
	/* nearly always the devices come in the order of the last reading, or close behind */
	for (size_t n = 0; n < known->n; n++) {
		const struct device *d = &known->v[(hint + n) % known->n];

		if (strcmp(d->name, name) == 0)
			return d;
	}
	return NULL;
}

/* Out of memory, or with very many devices, it is not kept: that only costs another look in
 * the next reading. */
static void keep(struct devices *list, const struct device *d)
{
	size_t want = list->cap ? list->cap * 2 : 16;
	struct device *bigger;

	if (list->n == list->cap) {
		if (list->cap >= VMV_DISKS_MAX)
			return;
		bigger = realloc(list->v, want * sizeof(*bigger));
		if (!bigger)
			return;
		list->v = bigger;
		list->cap = want;
	}
	list->v[list->n++] = *d;
}

static void *disk_open(const struct vmv_root *root)
{
	struct disk_state *st = calloc(1, sizeof(*st));

	(void)root;
	if (st)
		st->diskstats = -1;
	return st;
}

static void disk_close(void *state)
{
	struct disk_state *st = state;

	if (!st)
		return;
	vmv_closep(&st->diskstats);
	free(st->text);
	free(st->known.v);
	free(st->fresh.v);
	free(st);
}

struct reading {
	struct disk_state *st;
	const struct vmv_root *root;
	struct vmv_sink *sink;
	struct vmv_err *err;
};

/* From the last reading, or from sysfs. */
static int device_of(const struct reading *rd, const char *name, struct device *ret)
{
	const struct device *known = find(&rd->st->known, name, rd->st->fresh.n);
	int r;

	if (known) {
		*ret = *known;
	} else {
		r = look_up(rd->root, name, ret);
		if (r < 0)
			return vmv_fail(rd->err, VMV_E_IO, -r, "cannot read /sys/block/%s: %s",
					name, strerror(-r));
	}
	keep(&rd->st->fresh, ret);
	return 0;
}

static int disk_row(void *arg, const char *name, const struct vmv_disk_sample *sample)
{
	const struct reading *rd = arg;
	struct vmv_disk_sample s = *sample;
	struct device d;
	int r;

	if (is_skipped(name))
		return 0;
	r = device_of(rd, name, &d);
	if (r < 0)
		return r;
	if (!d.in_block && s.reads == 0 && s.writes == 0)
		return 0; /* a partition that was never used */
	s.is_whole = d.is_whole;
	s.size = d.size;
	s.rotational = d.rotational;
	s.is_readonly = d.is_readonly;
	memcpy(s.model, d.model, sizeof(s.model));
	memcpy(s.serial, d.serial, sizeof(s.serial));
	return rd->sink->row(rd->sink, name, &s);
}

static void swap_devices(struct disk_state *st)
{
	struct devices last = st->known;

	st->known = st->fresh;
	st->fresh = last;
}

static int read_diskstats(struct disk_state *st, const struct vmv_root *root)
{
	if (st->diskstats < 0)
		st->diskstats = openat(root->proc, "diskstats", O_RDONLY | O_CLOEXEC);
	if (st->diskstats < 0)
		return -errno;
	return vmv_read_table_fd(st->diskstats, &st->text, &st->cap, TEXT_MAX);
}

static void forget_in_time(struct disk_state *st)
{
	uint64_t now = vmv_mono_ms(&vmv_clock_system);

	if (st->looked_ms != 0 && now - st->looked_ms < LOOK_MS)
		return;
	st->known.n = 0;
	st->looked_ms = now;
}

static int cannot_read(int r, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/diskstats: %s", strerror(-r));
}

int vmv_diskstats_read(const struct vmv_root *root, vmv_disk_row *row, void *arg,
		       struct vmv_err *err)
{
	vmv_autofree char *text = NULL;
	size_t cap = 0;
	int r = vmv_read_table_at(root->proc, "diskstats", &text, &cap, TEXT_MAX);

	return r < 0 ? cannot_read(r, err) : vmv_diskstats_parse(text, row, arg, err);
}

static int disk_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct disk_state *st = state;
	struct reading rd = { .st = st, .root = root, .sink = sink, .err = err };
	int r = read_diskstats(st, root);

	if (r < 0)
		return cannot_read(r, err);
	forget_in_time(st);
	st->fresh.n = 0;
	r = vmv_diskstats_parse(st->text, disk_row, &rd, err);
	if (r == 0)
		swap_devices(st);
	return r;
}

const struct vmv_collector vmv_collector_disk = {
	.name = "disk",
	.help = "I/O of block devices and partitions.",
	.file = "/proc/diskstats, /sys/block",
	.key = "device",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_disk_sample),
	.min_period_ms = VMV_SAMPLE_PERIOD_MIN,
	.is_default = true,
	.open = disk_open,
	.close = disk_close,
	.read = disk_read,
};
