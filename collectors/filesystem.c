#include "collectors/filesystem.h"

#include "base/asker.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "base/utf8.h"
#include "collectors/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define LOOP_MAJOR 7
#define DEPTH_MAX  64		  /* mounts below mounts; deeper ones are left out */
#define TABLE_MAX  (32 * VMV_MIB) /* 100 000 mounts, which is the kernel's bound (fs.mount-max) */
#define YOUNG_MS   1000		  /* an answer that is so young is as good as a new one */
#define OLD_MS	   60000	  /* one that is so old is better than none: it answers slowly */
#define SLACK_MS   20		  /* timers may be early */
#define POINT_MAX  sizeof(((struct vmv_filesystem_sample *)0)->mount_point)

#define FIELD(member, metric, labels, kind, unit, src, text) \
	VMV_FIELD(struct vmv_filesystem_sample, member, metric, labels, kind, unit, 0, src, text)

/* The mount point is the row's id and so a label already. */
static const struct vmv_field fields[] = {
	FIELD(fstype, "fstype", NULL, VMV_INFO, VMV_UNIT_NONE, "mountinfo field 9",
	      "Type of the filesystem."),
	FIELD(device, "device", NULL, VMV_INFO, VMV_UNIT_NONE, "mountinfo field 10",
	      "What is mounted."),
	FIELD(size, "node_filesystem_size_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES,
	      "statvfs f_blocks * f_frsize", "Size."),
	FIELD(free, "node_filesystem_free_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES,
	      "statvfs f_bfree * f_frsize", "Free, what is reserved for root included."),
	FIELD(avail, "node_filesystem_avail_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES,
	      "statvfs f_bavail * f_frsize", "Free for ordinary users."),
	FIELD(files, "node_filesystem_files", NULL, VMV_GAUGE, VMV_UNIT_NONE, "statvfs f_files",
	      "Inodes, used and free."),
	FIELD(files_free, "node_filesystem_files_free", NULL, VMV_GAUGE, VMV_UNIT_NONE,
	      "statvfs f_ffree", "Free inodes."),
	FIELD(readonly, "node_filesystem_readonly", NULL, VMV_GAUGE, VMV_UNIT_NONE,
	      "mountinfo field 11", "1 when nothing can write to the filesystem."),
	FIELD(device_error, "node_filesystem_device_error", NULL, VMV_GAUGE, VMV_UNIT_NONE,
	      "statvfs errno", "1 when size and use cannot be had."),
	FIELD(stuck, "vmvitals_filesystem_stuck", NULL, VMV_GAUGE, VMV_UNIT_NONE,
	      "no answer from statvfs",
	      "1 when its server or daemon did not answer within 2 seconds and has not since."),
};

static const char *const pseudo_types[] = {
	"autofs",   "binfmt_misc", "bpf",     "configfs",	 "debugfs",    "devpts",
	"devtmpfs", "efivarfs",	   "erofs",   "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal",
	"fusectl",  "hugetlbfs",   "iso9660", "mqueue",		 "nsfs",       "overlay",
	"proc",	    "pstore",	   "ramfs",   "rpc_pipefs",	 "securityfs", "squashfs",
	"sysfs",    "tmpfs",	   "tracefs",
};

/* What a server, another guest, the host or a daemon must answer for; fuse.* goes without
 * saying. fuseblk is not here: its daemon serves a local disk. */
static const char *const hanging_types[] = {
	"9p",	  "acfs",  "afs",	"beegfs", "ceph",  "cifs",   "coda",	 "curlftpfs",
	"fhgfs",  "fuse",  "glusterfs", "gfs",	  "gfs2",  "gpfs",   "kafs",	 "lustre",
	"mfs",	  "ncp",   "ncpfs",	"nfs",	  "nfs4",  "ocfs2",  "orangefs", "panfs",
	"prl_fs", "pvfs2", "smb2",	"smb3",	  "smbfs", "vboxsf", "virtiofs", "vmhgfs",
};

static bool is_listed(const char *const *list, size_t n, const char *fstype)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], fstype) == 0)
			return true;
	return false;
}

bool vmv_filesystem_is_pseudo(const char *fstype)
{
	return strncmp(fstype, "cgroup", strlen("cgroup")) == 0 ||
	       is_listed(pseudo_types, VMV_COUNTOF(pseudo_types), fstype);
}

bool vmv_filesystem_can_hang(const char *fstype)
{
	return strncmp(fstype, "fuse.", strlen("fuse.")) == 0 ||
	       is_listed(hanging_types, VMV_COUNTOF(hanging_types), fstype);
}

/* What came of asking a filesystem. */
enum outcome {
	PENDING, /* asked, and to be waited for */
	GOOD,
	GONE,	 /* nothing there, or nothing that has a size: left out */
	FAILED,	 /* it, or the asker, says no */
	STUCK,	 /* no answer within the deadline */
	LATE,	 /* none yet */
	BUSY,	 /* not asked: too many others are stuck, or another of its server */
	UNKNOWN, /* nobody is there to ask */
};

/* All mounts of one device, of which one stands for all. */
struct device {
	const struct vmv_mount **mounts; /* shortest mount point first */
	size_t n;
	const struct vmv_mount *chosen;
	bool can_hang;	      /* nothing but the asker may touch it */
	size_t server_len;    /* of the server's name, at the beginning of the source; 0: none */
	struct device *first; /* of those of the same server; itself without a server */
	enum outcome outcome;
	bool is_late;		/* no answer in time; the outcome may be that of the time before */
	struct vmv_space space; /* when GOOD */
};

/* What is kept between readings is the descriptor alone: mountinfo is read each time, as the
 * kernel tells of new mounts, but not of a filesystem that turned read-only by itself. */
struct filesystem_state {
	int fd;
	bool is_waiting;  /* in the midst of a reading, of which is the rest */
	uint64_t wait_ms; /* monotonic: since when */
	char *text;
	size_t cap;
	struct vmv_mounts all;
	const struct vmv_mount **wanted; /* by device */
	struct device *devices;
	size_t n_devices;
};

/* -- which mounts ------------------------------------------------------------------------ */

static bool is_root(const struct vmv_mount *m)
{
	return strcmp(m->target, "/") == 0;
}

/* Whether looking its path up leads to this mount; *ret_can_hang says whether it or one on the way
 * can hang. The root itself is no such one: when that hangs, so do we. */
static bool is_reachable(const struct vmv_mounts *all, const struct vmv_mount *m,
			 bool *ret_can_hang)
{
	*ret_can_hang = vmv_filesystem_can_hang(m->type);
	if (vmv_mounts_is_covered(all, m))
		return false;
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		if (vmv_mounts_is_hidden(all, m))
			return false;
		m = vmv_mounts_parent(all, m);
		if (!m)
			return true;
		*ret_can_hang = *ret_can_hang || (!is_root(m) && vmv_filesystem_can_hang(m->type));
	}
	return false;
}

static bool is_loop(const struct vmv_mount *m)
{
	return m->major == LOOP_MAJOR || strncmp(m->source, "/dev/loop", strlen("/dev/loop")) == 0;
}

/* All that can be said of a mount without looking at the others. */
static bool is_wanted(const struct vmv_mount *m)
{
	/* an overlay is the root of a container or of a live system, or a layer of no interest;
	 * what is seen on "/" is there alone, as covered ones are not reachable */
	if (vmv_filesystem_is_pseudo(m->type) && !(is_root(m) && strcmp(m->type, "overlay") == 0))
		return false;
	/* mount points that do not fit are left out and counted in nothing */
	return strlen(m->target) < POINT_MAX && !is_loop(m);
}

static bool is_same_device(const struct vmv_mount *a, const struct vmv_mount *b)
{
	return a->major == b->major && a->minor == b->minor;
}

/* By device number, the mount that stands for the filesystem first. The numbers are those of
 * mountinfo: of the superblock, so that all subvolumes of a btrfs have the same one, while
 * their st_dev differ. */
static int by_device(const void *a, const void *b)
{
	const struct vmv_mount *x = *(const struct vmv_mount *const *)a;
	const struct vmv_mount *y = *(const struct vmv_mount *const *)b;
	size_t x_len = strlen(x->target), y_len = strlen(y->target);

	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	if (x->minor != y->minor)
		return x->minor < y->minor ? -1 : 1;
	if (x_len != y_len)
		return x_len < y_len ? -1 : 1;
	return strcmp(x->target, y->target);
}

/* "/" is first by itself: it is a prefix of every mount point. */
static int by_mount_point(const void *a, const void *b)
{
	return strcmp(((const struct device *)a)->chosen->target,
		      ((const struct device *)b)->chosen->target);
}

/* The first that can be reached without the asker; without one, the first that can be reached. When
 * the type is what can hang, that holds for all of them, and hosts of containers have thousands of
 * mounts of one device. */
static void choose(const struct vmv_mounts *all, struct device *d)
{
	for (size_t i = 0; i < d->n; i++) {
		bool can_hang;

		if (!is_reachable(all, d->mounts[i], &can_hang))
			continue;
		if (!d->chosen || !can_hang) {
			d->chosen = d->mounts[i];
			d->can_hang = can_hang;
		}
		if (!can_hang || vmv_filesystem_can_hang(d->chosen->type))
			return;
	}
}

static bool list_wanted(struct filesystem_state *st)
{
	const struct vmv_mounts *all = &st->all;
	size_t n = 0;

	st->wanted = calloc(all->n + 1, sizeof(const struct vmv_mount *));
	st->devices = calloc(all->n + 1, sizeof(*st->devices));
	if (!st->wanted || !st->devices)
		return false;
	for (size_t i = 0; i < all->n; i++)
		if (is_wanted(&all->v[i]))
			st->wanted[n++] = &all->v[i];
	qsort(st->wanted, n, sizeof(const struct vmv_mount *), by_device);
	for (size_t i = 0; i < n; i++) {
		struct device *d = &st->devices[st->n_devices];

		if (d->n == 0)
			d->mounts = &st->wanted[i];
		d->n++;
		if (i + 1 == n || !is_same_device(st->wanted[i], st->wanted[i + 1]))
			st->n_devices++;
	}
	return true;
}

/* Those that cannot be reached are left out. */
static void choose_all(struct filesystem_state *st)
{
	size_t kept = 0;

	for (size_t i = 0; i < st->n_devices; i++) {
		choose(&st->all, &st->devices[i]);
		if (st->devices[i].chosen)
			st->devices[kept++] = st->devices[i];
	}
	st->n_devices = kept;
}

/* -- asking ------------------------------------------------------------------------------ */

int vmv_filesystem_parse_answer(const char *text, struct vmv_space *ret)
{
	uint64_t n[6];

	for (size_t i = 0; i < VMV_COUNTOF(n); i++) {
		if (vmv_parse_u64(text, &n[i], &text) < 0 ||
		    *text++ != (i + 1 < VMV_COUNTOF(n) ? ' ' : '\n'))
			return -EINVAL;
	}
	if (*text != '\0')
		return -EINVAL;
	*ret = (struct vmv_space){ .unit = n[0],
				   .blocks = n[1],
				   .free = n[2],
				   .avail = n[3],
				   .files = n[4],
				   .files_free = n[5] };
	return 0;
}

static enum outcome outcome_of(int r, struct vmv_space *space, const char *text)
{
	if (r == -ETIMEDOUT)
		return STUCK;
	if (r == -EAGAIN)
		return LATE;
	if (r == -EBUSY)
		return BUSY;
	if (r == -ENOENT) /* no helper, or gone since mountinfo was read: neither is its error */
		return UNKNOWN;
	if (r < 0 || vmv_filesystem_parse_answer(text, space) < 0)
		return FAILED;
	return space->blocks > 0 ? GOOD : GONE;
}

/* The length of the server's name, with what is around it, in "server:/export" and
 * "//server/share"; 0: there is none, or it is a daemon of this machine's that may hang by itself.
 */
static size_t server_len(const struct vmv_mount *m)
{
	const char *end;

	if (strncmp(m->type, "fuse", strlen("fuse")) == 0)
		return 0;
	if (strncmp(m->source, "//", 2) == 0)
		return 2 + strcspn(m->source + 2, "/");
	end = strstr(m->source, ":/");
	return end ? (size_t)(end - m->source) + 1 : 0;
}

/* Those of one server side by side, in the order of the list. */
static int by_server(const void *a, const void *b)
{
	const struct device *x = *(const struct device *const *)a;
	const struct device *y = *(const struct device *const *)b;
	int r = strcmp(x->chosen->type, y->chosen->type);

	if (r == 0 && x->server_len != y->server_len)
		return x->server_len < y->server_len ? -1 : 1;
	if (r == 0)
		r = memcmp(x->chosen->source, y->chosen->source, x->server_len);
	return r != 0 ? r : (x > y) - (x < y);
}

static bool is_same_server(const struct device *a, const struct device *b)
{
	return a->server_len == b->server_len && strcmp(a->chosen->type, b->chosen->type) == 0 &&
	       memcmp(a->chosen->source, b->chosen->source, a->server_len) == 0;
}

/* There may be thousands of both, so this is found out once for each reading. */
static int find_servers(struct filesystem_state *st)
{
	vmv_autofree struct device **list = calloc(st->n_devices + 1, sizeof(struct device *));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < st->n_devices; i++) {
		struct device *d = &st->devices[i];

		d->first = d;
		d->server_len = d->can_hang ? server_len(d->chosen) : 0;
		if (d->server_len > 0)
			list[n++] = d;
	}
	qsort(list, n, sizeof(struct device *), by_server);
	for (size_t i = 1; i < n; i++)
		if (is_same_server(list[i - 1], list[i]))
			list[i]->first = list[i - 1]->first;
	return 0;
}

static bool has_time(const struct filesystem_state *st)
{
	return !st->is_waiting ||
	       vmv_mono_ms(&vmv_clock_system) - st->wait_ms + SLACK_MS < VMV_ASK_WAIT_MS;
}

/* Sets the outcome: PENDING as long as the answer is worth waiting for. */
static void ask(const struct filesystem_state *st, struct vmv_asker *asker, struct device *d,
		bool is_server_late)
{
	/* while others were waited for, what was young does not get too old */
	uint32_t young_ms = st->is_waiting ? YOUNG_MS + 2 * VMV_ASK_WAIT_MS : YOUNG_MS;
	char question[sizeof("statvfs ") + POINT_MAX];
	const char *text = "";
	uint64_t age_ms = 0;
	int r = -EAGAIN;

	(void)snprintf(question, sizeof(question), "statvfs %s", d->chosen->target);
	if (!is_server_late)
		r = asker->ask(asker, question, young_ms, &text, &age_ms);
	if (r == -EAGAIN && !is_server_late && age_ms + SLACK_MS < VMV_ASK_WAIT_MS &&
	    has_time(st)) {
		d->outcome = PENDING;
		return;
	}
	d->is_late = r == -EAGAIN;
	if (d->is_late)
		r = asker->ask(asker, question, OLD_MS, &text, &age_ms);
	d->outcome = outcome_of(r, &d->space, text);
}

/* One filesystem of each server is asked first: when the server is down, each that is asked holds a
 * process, and there are few. */
static void ask_after_first(const struct filesystem_state *st, struct vmv_asker *asker,
			    struct device *d)
{
	const struct device *first = d->first;

	if (first != d && first->outcome == PENDING)
		return;
	if (first != d && (first->outcome == STUCK || first->outcome == BUSY))
		d->outcome = BUSY;
	else
		ask(st, asker, d, first != d && first->is_late);
}

/* Returns whether some are still to be waited for. */
static bool ask_all(struct filesystem_state *st, const struct vmv_root *root)
{
	struct vmv_asker *asker = root->is_live ? root->asker : NULL;
	bool is_pending = false;

	for (size_t i = 0; i < st->n_devices; i++) {
		struct device *d = &st->devices[i];

		if (!d->can_hang || d->outcome != PENDING)
			continue;
		if (asker)
			ask_after_first(st, asker, d);
		else
			d->outcome = UNKNOWN;
		is_pending = is_pending || d->outcome == PENDING;
	}
	return is_pending;
}

/* O_PATH needs no right to read the directory, and a mount point may be a file (a bind mount such
 * as a container's /etc/resolv.conf). 0 or negative errno; -ENODATA: it has no size. */
static int look(const struct vmv_root *root, const struct vmv_mount *m, struct vmv_space *ret)
{
	const char *path = is_root(m) ? "." : m->target + 1;
	vmv_autoclose int fd = openat(root->top, path, O_PATH | O_CLOEXEC);
	struct statvfs vfs;

	if (fd < 0 || fstatvfs(fd, &vfs) < 0)
		return -errno;
	if (vfs.f_blocks == 0)
		return -ENODATA;
	*ret = (struct vmv_space){
		.unit = vfs.f_frsize ? vfs.f_frsize : vfs.f_bsize,
		.blocks = vfs.f_blocks,
		.free = vfs.f_bfree,
		.avail = vfs.f_bavail,
		.files = vfs.f_files,
		.files_free = vfs.f_ffree,
	};
	return 0;
}

static enum outcome outcome_of_look(int r)
{
	if (r == 0)
		return GOOD;
	return r == -ENOENT || r == -ENOTDIR || r == -ENODATA ? GONE : FAILED;
}

int vmv_filesystem_look(const struct vmv_root *root, const struct vmv_mounts *all,
			const struct vmv_mount *m, struct vmv_space *ret)
{
	bool can_hang;

	return is_reachable(all, m, &can_hang) && !can_hang ? look(root, m, ret) : -EAGAIN;
}

/* The first of its mounts that says how large it is; without one, the first that fails. */
static void look_at_device(const struct filesystem_state *st, const struct vmv_root *root,
			   struct device *d)
{
	size_t first = 0;
	bool can_hang;

	while (d->mounts[first] != d->chosen)
		first++;
	d->outcome = GONE;
	for (size_t i = first; i < d->n; i++) {
		enum outcome o;

		if (!is_reachable(&st->all, d->mounts[i], &can_hang) || can_hang)
			continue;
		o = outcome_of_look(look(root, d->mounts[i], &d->space));
		if (o == GOOD || (o == FAILED && d->outcome == GONE)) {
			d->chosen = d->mounts[i];
			d->outcome = o;
		}
		if (o == GOOD)
			return;
	}
}

/* At once, not after waiting for the others: the later, the more likely one of the mounts is gone,
 * and what lies below would be taken for it. */
static void look_at_all(struct filesystem_state *st, const struct vmv_root *root)
{
	for (size_t i = 0; i < st->n_devices; i++)
		if (!st->devices[i].can_hang)
			look_at_device(st, root, &st->devices[i]);
}

/* -- rows -------------------------------------------------------------------------------- */

/* Cut to what fits, between characters. */
static void put_text(char *ret, size_t cap, const char *text)
{
	size_t len = vmv_utf8_cut(text, strlen(text), cap - 1);

	memcpy(ret, text, len);
	ret[len] = '\0';
}

/* Filesystems in user space may say anything: more than 2^63 is none that a disk has. */
static uint64_t plausible(uint64_t n)
{
	return n > INT64_MAX ? VMV_UNSET : n;
}

static uint64_t bytes(uint64_t blocks, uint64_t unit)
{
	uint64_t n;

	return __builtin_mul_overflow(blocks, unit, &n) ? VMV_UNSET : plausible(n);
}

static void fill_space(const struct vmv_space *space, struct vmv_filesystem_sample *ret)
{
	ret->size = bytes(space->blocks, space->unit);
	ret->free = bytes(space->free, space->unit);
	/* some count what is reserved for root as less than nothing */
	ret->avail = space->avail > INT64_MAX ? 0 : bytes(space->avail, space->unit);
	if (space->files > 0) {
		ret->files = plausible(space->files);
		ret->files_free = plausible(space->files_free);
	}
}

static const struct {
	uint64_t device_error, stuck;
} shown[] = {
	[GOOD] = { 0, 0 },	   [FAILED] = { 1, 0 },	      [STUCK] = { 1, 1 },
	[LATE] = { VMV_UNSET, 0 }, [BUSY] = { 1, VMV_UNSET }, [UNKNOWN] = { VMV_UNSET, VMV_UNSET },
};

static void fill(const struct device *d, struct vmv_filesystem_sample *ret)
{
	const struct vmv_mount *m = d->chosen;

	*ret = (struct vmv_filesystem_sample){
		.size = VMV_UNSET,
		.free = VMV_UNSET,
		.avail = VMV_UNSET,
		.files = VMV_UNSET,
		.files_free = VMV_UNSET,
		/* of the superblock: the agent's own sandbox has all mounts read-only */
		.readonly = vmv_mount_has_option(m->super_options, "ro"),
		.device_error = shown[d->outcome].device_error,
		.stuck = shown[d->outcome].stuck,
		.device_number = (uint64_t)m->major << 32 | m->minor,
	};
	if (d->outcome == GOOD)
		fill_space(&d->space, ret);
	put_text(ret->mount_point, sizeof(ret->mount_point), m->target);
	put_text(ret->fstype, sizeof(ret->fstype), m->type);
	if (strcmp(m->source, "none") != 0)
		put_text(ret->device, sizeof(ret->device), m->source);
}

static int report(struct filesystem_state *st, struct vmv_sink *sink)
{
	struct vmv_filesystem_sample s;
	int r = 0;

	qsort(st->devices, st->n_devices, sizeof(*st->devices), by_mount_point);
	for (size_t i = 0; i < st->n_devices && r == 0; i++) {
		if (st->devices[i].outcome == GONE)
			continue;
		fill(&st->devices[i], &s);
		r = sink->row(sink, s.mount_point, &s);
	}
	return r;
}

/* -- readings ---------------------------------------------------------------------------- */

static int open_mountinfo(const struct vmv_root *root)
{
	return openat(root->proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
}

static void *filesystem_open(const struct vmv_root *root)
{
	struct filesystem_state *st = calloc(1, sizeof(*st));

	if (st)
		st->fd = open_mountinfo(root);
	return st;
}

/* The table would be the largest thing that an idle agent holds. */
static void end_reading(struct filesystem_state *st)
{
	vmv_mounts_free(&st->all);
	free(st->text);
	free(st->wanted);
	free(st->devices);
	*st = (struct filesystem_state){ .fd = st->fd };
}

static void filesystem_close(void *state)
{
	struct filesystem_state *st = state;

	if (!st)
		return;
	end_reading(st);
	vmv_closep(&st->fd);
	free(st);
}

static int read_text(struct filesystem_state *st, const struct vmv_root *root)
{
	int r;

	if (st->fd < 0)
		st->fd = open_mountinfo(root);
	if (st->fd < 0)
		return -errno;
	r = vmv_read_table_fd(st->fd, &st->text, &st->cap, TABLE_MAX);
	if (r < 0) {
		vmv_closep(&st->fd); /* not trusted with the next reading */
		st->fd = -1;
	}
	return r;
}

static int begin_reading(struct filesystem_state *st, const struct vmv_root *root,
			 struct vmv_err *err)
{
	int r = read_text(st, root);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/self/mountinfo: %s",
				strerror(-r));
	r = vmv_mountinfo_parse(st->text, &st->all, err);
	if (r < 0)
		return r;
	if (!list_wanted(st))
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	choose_all(st);
	if (find_servers(st) < 0)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	look_at_all(st, root);
	return 0;
}

static int filesystem_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			   struct vmv_err *err)
{
	struct filesystem_state *st = state;
	int r = st->is_waiting ? 0 : begin_reading(st, root, err);

	if (r == 0 && ask_all(st, root)) {
		if (!st->is_waiting)
			st->wait_ms = vmv_mono_ms(&vmv_clock_system);
		st->is_waiting = true;
		return VMV_WAIT;
	}
	if (r == 0)
		r = report(st, sink);
	end_reading(st);
	return r;
}

const struct vmv_collector vmv_collector_filesystem = {
	.name = "filesystem",
	.help = "Size and use of mounted real filesystems.",
	.file = "/proc/self/mountinfo, statvfs",
	.key = "mountpoint",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_filesystem_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.open = filesystem_open,
	.close = filesystem_close,
	.read = filesystem_read,
};
