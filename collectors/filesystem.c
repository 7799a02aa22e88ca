#include "collectors/filesystem.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount/libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#define LOOP_MAJOR 7
#define DEPTH_MAX  64 /* mounts below mounts; deeper ones are left out */

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

/* One line of mountinfo; texts belong to the libmount table. */
struct mount {
	struct libmnt_fs *fs;
	const char *target;
	const char *type;
	int id, parent;
	dev_t devno;
	bool is_wanted;
};

struct mounts {
	struct mount *v; /* in the kernel's order, which is that of mounting */
	size_t n;
};

/* A filesystem that answered. */
struct answer {
	const struct mount *mount;
	struct statvfs vfs;
};

static bool is_root(const struct mount *m)
{
	return strcmp(m->target, "/") == 0;
}

/* "/home/x" is below "/home" and "/"; no path is below itself. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return path[0] == '/' && path[1] != '\0';
	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* Something was mounted on this very mount: that is what one sees there. Order in the file tells
 * nothing: in a mount namespace with propagation (a service's sandbox) a later mount can go below.
 */
static bool is_overmounted(const struct mounts *all, const struct mount *m)
{
	for (const struct mount *o = all->v; o < all->v + all->n; o++)
		if (o != m && o->parent == m->id && strcmp(o->target, m->target) == 0)
			return true;
	return false;
}

/* Something was mounted on a directory above the mount point, within the same parent: looking
 * the path up ends in that one instead. */
static bool is_hidden(const struct mounts *all, const struct mount *m)
{
	for (const struct mount *o = all->v; o < all->v + all->n; o++)
		if (o->parent == m->parent && is_below(m->target, o->target))
			return true;
	return false;
}

static const struct mount *parent_of(const struct mounts *all, const struct mount *m)
{
	for (const struct mount *o = all->v; o < all->v + all->n; o++)
		if (o->id == m->parent && o != m)
			return o;
	return NULL;
}

/* Whether looking its path up leads to this mount, through none that can hang. The root itself
 * is not asked about: when that hangs, so do we. */
static bool is_reachable(const struct mounts *all, const struct mount *m)
{
	if (is_overmounted(all, m))
		return false;
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		if (is_hidden(all, m))
			return false;
		m = parent_of(all, m);
		if (!m)
			return true;
		if (!is_root(m) && vmv_filesystem_can_hang(m->type))
			return false;
	}
	return false;
}

static bool is_loop(const struct mount *m)
{
	const char *source = mnt_fs_get_source(m->fs);

	return major(m->devno) == LOOP_MAJOR ||
	       (source && strncmp(source, "/dev/loop", strlen("/dev/loop")) == 0);
}

/* All that can be said of a mount without looking at the others. */
static bool is_wanted(const struct mount *m)
{
	/* an overlay is the root of a container or of a live system, or a layer of no interest;
	 * what is seen on "/" is there alone, as over-mounted ones are not reachable */
	if (vmv_filesystem_is_pseudo(m->type) && !(is_root(m) && strcmp(m->type, "overlay") == 0))
		return false;
	/* Not asked at all in this version, as if they were stuck: statvfs would block the whole
	 * agent. A helper process with a deadline comes later. */
	if (vmv_filesystem_can_hang(m->type))
		return false;
	/* mount points that do not fit are left out and counted in nothing */
	if (strlen(m->target) >= sizeof(((struct vmv_filesystem_sample *)0)->mount_point))
		return false;
	return !is_loop(m);
}

static void unref_tablep(struct libmnt_table **tb)
{
	mnt_unref_table(*tb);
}

static void free_mountsp(struct mounts *all)
{
	free(all->v);
}

static void unref_iterp(struct libmnt_iter **itr)
{
	mnt_free_iter(*itr);
}

/* libmount skips lines that it does not understand, unless told otherwise. */
static int refuse_line(struct libmnt_table *tb, const char *filename, int line)
{
	(void)tb;
	(void)filename;
	(void)line;
	return -EINVAL;
}

/* Only what the kernel says: no mtab, no utab, both of which are files that people write. */
static int parse_mountinfo(const struct vmv_root *root, struct libmnt_table *tb,
			   struct vmv_err *err)
{
	vmv_autoclose int fd = openat(root->proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	vmv_autofclose FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	int r;

	if (!f)
		return vmv_fail(err, VMV_E_IO, errno, "cannot read /proc/self/mountinfo: %s",
				strerror(errno));
	fd = -1; /* owned by f now */
	(void)mnt_table_set_parser_errcb(tb, refuse_line);
	r = mnt_table_parse_stream(tb, f, "mountinfo");
	if (ferror(f))
		return vmv_fail(err, VMV_E_IO, EIO, "cannot read /proc/self/mountinfo");
	if (r == -ENOMEM)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (r != 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/self/mountinfo: malformed line");
	return 0;
}

static int take_mount(struct libmnt_fs *fs, struct mount *ret, struct vmv_err *err)
{
	struct mount m = {
		.fs = fs,
		.target = mnt_fs_get_target(fs),
		.type = mnt_fs_get_fstype(fs),
		.id = mnt_fs_get_id(fs),
		.parent = mnt_fs_get_parent_id(fs),
		.devno = mnt_fs_get_devno(fs),
	};

	/* libmount takes a line for one of fstab when it does not begin like mountinfo's */
	if (!mnt_fs_is_kernel(fs) || !m.target || m.target[0] != '/' || !m.type)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/self/mountinfo: malformed line");
	*ret = m;
	return 0;
}

/* On success ret->v is new, its texts borrowed from tb. */
static int list_mounts(struct libmnt_table *tb, struct mounts *ret, struct vmv_err *err)
{
	size_t n = (size_t)mnt_table_get_nents(tb);
	VMV_CLEANUP(unref_iterp) struct libmnt_iter *itr = mnt_new_iter(MNT_ITER_FORWARD);
	vmv_autofree struct mount *v = calloc(n + 1, sizeof(*v));
	struct libmnt_fs *fs;
	size_t i = 0;
	int r;

	if (!itr || !v)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	while (i < n && mnt_table_next_fs(tb, itr, &fs) == 0) {
		r = take_mount(fs, &v[i++], err);
		if (r < 0)
			return r;
	}
	ret->n = i;
	ret->v = VMV_TAKE(v, NULL);
	return 0;
}

static size_t mark_wanted(const struct mounts *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		all->v[i].is_wanted = is_wanted(&all->v[i]);
		n += all->v[i].is_wanted;
	}
	return n;
}

/* By device number, the mount that stands for the filesystem first. The numbers are those of
 * mountinfo: of the superblock, so that all subvolumes of a btrfs have the same one, while
 * their st_dev differ. */
static int by_device(const void *a, const void *b)
{
	const struct mount *x = ((const struct answer *)a)->mount;
	const struct mount *y = ((const struct answer *)b)->mount;
	size_t x_len = strlen(x->target), y_len = strlen(y->target);

	if (x->devno != y->devno)
		return x->devno < y->devno ? -1 : 1;
	if (x_len != y_len)
		return x_len < y_len ? -1 : 1;
	return strcmp(x->target, y->target);
}

/* "/" is first by itself: it is a prefix of every mount point. */
static int by_mount_point(const void *a, const void *b)
{
	return strcmp(((const struct answer *)a)->mount->target,
		      ((const struct answer *)b)->mount->target);
}

/* False when it does not answer, or has no size. O_PATH needs no right to read the directory,
 * and a mount point may be a file (a bind mount such as a container's /etc/resolv.conf). */
static bool ask(const struct vmv_root *root, const struct mount *m, struct statvfs *ret)
{
	const char *path = is_root(m) ? "." : m->target + 1;
	vmv_autoclose int fd = openat(root->top, path, O_PATH | O_CLOEXEC);

	return fd >= 0 && fstatvfs(fd, ret) == 0 && ret->f_blocks > 0;
}

/* Asks one mount of each device; those that answer come to stand in front, their number is
 * returned. Whether a mount is reachable is looked at last: it means going through all of
 * them, and hosts of containers have thousands of bind mounts of one device. */
static size_t ask_all(const struct vmv_root *root, const struct mounts *all, struct answer *v,
		      size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(*v), by_device);
	for (size_t i = 0; i < n; i++) {
		const struct mount *m = v[i].mount;

		if (kept > 0 && v[kept - 1].mount->devno == m->devno)
			continue;
		if (is_reachable(all, m) && ask(root, m, &v[kept].vfs))
			v[kept++].mount = m;
	}
	qsort(v, kept, sizeof(*v), by_mount_point);
	return kept;
}

/* Cut to what fits, between characters. */
static void put_text(char *ret, size_t cap, const char *text)
{
	size_t len = vmv_utf8_cut(text, strlen(text), cap - 1);

	memcpy(ret, text, len);
	ret[len] = '\0';
}

static bool is_readonly(const struct mount *m)
{
	const char *options = mnt_fs_get_fs_options(m->fs);

	/* of the superblock: the agent's own sandbox has all mounts read-only */
	return options && mnt_optstr_get_option(options, "ro", NULL, NULL) == 0;
}

static void fill(const struct answer *a, struct vmv_filesystem_sample *ret)
{
	const struct mount *m = a->mount;
	const struct statvfs *vfs = &a->vfs;
	const char *source = mnt_fs_get_source(m->fs);
	uint64_t unit = vfs->f_frsize ? vfs->f_frsize : vfs->f_bsize;

	*ret = (struct vmv_filesystem_sample){
		.size = vmv_mul_sat(vfs->f_blocks, unit),
		.free = vmv_mul_sat(vfs->f_bfree, unit),
		.avail = vmv_mul_sat(vfs->f_bavail, unit),
		.files = vfs->f_files ? vfs->f_files : VMV_UNSET,
		.files_free = vfs->f_files ? vfs->f_ffree : VMV_UNSET,
		.readonly = is_readonly(m),
		.device_number = (uint64_t)major(m->devno) << 32 | minor(m->devno),
	};
	put_text(ret->mount_point, sizeof(ret->mount_point), m->target);
	put_text(ret->fstype, sizeof(ret->fstype), m->type);
	if (source && strcmp(source, "none") != 0)
		put_text(ret->device, sizeof(ret->device), source);
}

static int report(const struct vmv_root *root, const struct mounts *all, struct vmv_sink *sink,
		  struct vmv_err *err)
{
	size_t n = mark_wanted(all);
	vmv_autofree struct answer *v = calloc(n + 1, sizeof(*v));
	struct vmv_filesystem_sample s;
	size_t at = 0;
	int r;

	if (!v)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].is_wanted)
			v[at++].mount = &all->v[i];
	n = ask_all(root, all, v, n);
	for (size_t i = 0; i < n; i++) {
		fill(&v[i], &s);
		r = sink->row(sink, s.mount_point, &s);
		if (r < 0)
			return r;
	}
	return 0;
}

/* No state: the table would be the largest thing that an idle agent holds. */
static int filesystem_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			   struct vmv_err *err)
{
	VMV_CLEANUP(unref_tablep) struct libmnt_table *tb = mnt_new_table();
	VMV_CLEANUP(free_mountsp) struct mounts all = { 0 };
	int r;

	(void)state;
	if (!tb)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	r = parse_mountinfo(root, tb, err);
	if (r < 0)
		return r;
	r = list_mounts(tb, &all, err);
	return r < 0 ? r : report(root, &all, sink, err);
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
	.read = filesystem_read,
};
