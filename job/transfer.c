/* FileWrite: PROTOCOL.md 6.7. A transfer is a temporary file beside its target. Nobody keeps a
 * list of them: whoever begins one removes those in the same directory that nobody has touched for
 * ten minutes. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "job/action.h"
#include "job/digest.h"
#include "job/safepath.h"
#include "job/tool.h"
#include "proto/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IDLE_S	     600
#define MODE_DEFAULT 0600
#define NAMES_MAX    16384 /* one account or group; those with more members are an error */

struct transfer {
	struct vmv_action *action;
	struct vmv_place place;
	char temporary[96];
	int fd;
	uint64_t size;	/* of the temporary file */
	uint8_t *bytes; /* owned */
	size_t len;
	/* of the file to be */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool is_written;
};

static const struct vmv_value *arg(const struct transfer *t, int place)
{
	return &t->action->args[place];
}

/* -- before ------------------------------------------------------------------------------- */

static int find_owner(const char *name, uid_t *ret, struct vmv_err *err)
{
	vmv_autofree char *buf = malloc(NAMES_MAX);
	struct passwd pw, *found = NULL;
	int r = buf ? getpwnam_r(name, &pw, buf, NAMES_MAX, &found) : ENOMEM;

	if (found)
		*ret = pw.pw_uid;
	else if (r != 0)
		return vmv_fail(err, VMV_E_IO, r, "cannot look up '%s': %s", name, strerror(r));
	return found ? 0 : vmv_fail(err, VMV_E_RANGE, EINVAL, "there is no account '%s'", name);
}

static int find_group(const char *name, gid_t *ret, struct vmv_err *err)
{
	vmv_autofree char *buf = malloc(NAMES_MAX);
	struct group gr, *found = NULL;
	int r = buf ? getgrnam_r(name, &gr, buf, NAMES_MAX, &found) : ENOMEM;

	if (found)
		*ret = gr.gr_gid;
	else if (r != 0)
		return vmv_fail(err, VMV_E_IO, r, "cannot look up '%s': %s", name, strerror(r));
	return found ? 0 : vmv_fail(err, VMV_E_RANGE, EINVAL, "there is no group '%s'", name);
}

/* What the file is to be like: as asked for, else as the one that is there, else root's. */
static int find_looks(struct transfer *t, struct vmv_err *err)
{
	struct vmv_err why;
	struct stat st;
	int r = vmv_place_stat(t->action->settings, &t->place, &st, &why);

	if (r == 0 && !S_ISREG(st.st_mode))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "what is there is no regular file");
	if (r == 0 && !arg(t, VMV_FILE_WRITE_OVERWRITE)->number)
		return vmv_fail(err, VMV_E_RANGE, EEXIST, "it exists already");
	if (r < 0 && why.code != VMV_E_NOTFOUND) {
		if (err)
			*err = why;
		return r;
	}
	t->mode = r == 0 ? st.st_mode & 07777 : MODE_DEFAULT;
	t->uid = r == 0 ? st.st_uid : 0;
	t->gid = r == 0 ? st.st_gid : 0;
	if (arg(t, VMV_FILE_WRITE_MODE)->number >= 0)
		t->mode = (mode_t)arg(t, VMV_FILE_WRITE_MODE)->number;
	r = 0;
	if (arg(t, VMV_FILE_WRITE_OWNER)->text)
		r = find_owner(arg(t, VMV_FILE_WRITE_OWNER)->text, &t->uid, err);
	if (r == 0 && arg(t, VMV_FILE_WRITE_GROUP)->text)
		r = find_group(arg(t, VMV_FILE_WRITE_GROUP)->text, &t->gid, err);
	return r;
}

static int decode(struct transfer *t, struct vmv_err *err)
{
	const struct vmv_value *data = arg(t, VMV_FILE_WRITE_DATA);

	t->bytes = malloc(VMV_BASE64_BYTES(data->len) + 1);
	if (!t->bytes)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (!vmv_base64_decode(data->text, data->len, t->bytes, &t->len))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument 'data' is no base64");
	if (t->len > VMV_FILE_CHUNK_MAX)
		return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "argument 'data' is too large");
	if ((uint64_t)arg(t, VMV_FILE_WRITE_OFFSET)->number + t->len > VMV_DIGEST_MAX)
		return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "it would be larger than 1 GiB");
	if (arg(t, VMV_FILE_WRITE_LAST)->number && !arg(t, VMV_FILE_WRITE_SHA256)->text)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument 'sha256' is missing from the last chunk");
	return 0;
}

/* -- the temporary file ------------------------------------------------------------------- */

/* Whose directory it is may put a file there, or link ours to another name: that one is not
 * written to. */
static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1 &&
	       !(st->st_mode & 077);
}

static void remove_idle(int dirfd)
{
	vmv_autoclosedir DIR *dir = NULL;
	const struct dirent *e;
	struct stat st;
	time_t now = time(NULL);
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || !(dir = fdopendir(fd))) {
		vmv_closep(&fd);
		return;
	}
	while ((e = readdir(dir)))
		if (fnmatch(".vmvitals-*.tmp", e->d_name, 0) == 0 &&
		    fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < now - IDLE_S)
			(void)unlinkat(dirfd, e->d_name, 0);
}

static int begin(struct transfer *t)
{
	remove_idle(t->place.dir);
	if (unlinkat(t->place.dir, t->temporary, 0) < 0 && errno != ENOENT)
		return -errno;
	t->fd = openat(t->place.dir, t->temporary,
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return t->fd < 0 ? -errno : 0;
}

/* -ENOENT: there is none, -EPERM: there is one, but not of ours. */
static int resume(struct transfer *t)
{
	struct stat st;

	t->fd = openat(t->place.dir, t->temporary,
		       O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (t->fd < 0)
		return errno == ELOOP || errno == ENXIO || errno == EISDIR ? -EPERM : -errno;
	if (fstat(t->fd, &st) < 0)
		return -errno;
	if (!is_ours(&st))
		return -EPERM;
	t->size = (uint64_t)st.st_size;
	return 0;
}

static int open_temporary(struct transfer *t, struct vmv_err *err)
{
	uint64_t offset = (uint64_t)arg(t, VMV_FILE_WRITE_OFFSET)->number;
	int r = offset == 0 ? begin(t) : resume(t);

	if (r == -EPERM)
		return vmv_fail(err, VMV_E_DENIED, EPERM, "'%s' is not of ours", t->temporary);
	if (r < 0 && r != -ENOENT)
		return vmv_fail(err, VMV_E_IO, -r, "cannot open '%s': %s", t->temporary,
				strerror(-r));
	if (r == 0 && flock(t->fd, LOCK_EX | LOCK_NB) < 0)
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "this transfer is being written to");
	if (r == 0 && t->size == offset)
		return 0;
	vmv_jw_open(&t->action->data, NULL);
	vmv_jw_u64(&t->action->data, "next_offset", t->size);
	vmv_jw_bool(&t->action->data, "written", false);
	vmv_jw_close(&t->action->data);
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "the next offset is %" PRIu64, t->size);
}

/* All of it, or nothing: then the host can send it again. */
static int add_chunk(struct transfer *t, struct vmv_err *err)
{
	size_t done = 0;

	while (done < t->len) {
		ssize_t n = pwrite(t->fd, t->bytes + done, t->len - done, (off_t)(t->size + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n < 0 ? errno : EIO;

			(void)!ftruncate(t->fd, (off_t)t->size);
			return vmv_fail(err, VMV_E_IO, error, "cannot write: %s", strerror(error));
		}
		done += (size_t)n;
	}
	t->size += done;
	return 0;
}

/* -- the end ------------------------------------------------------------------------------ */

static int verify(const struct transfer *t, struct vmv_err *err)
{
	char hash[VMV_HEX_SIZE];
	int r = vmv_digest(t->fd, vmv_tool_soft_deadline(t->action->deadline_ms), hash, err);

	if (r < 0)
		return r;
	if (strcmp(hash, arg(t, VMV_FILE_WRITE_SHA256)->text) != 0)
		return vmv_fail(err, VMV_E_RANGE, EBADMSG,
				"sha256 is that of something else: nothing is written");
	return 0;
}

/* fchown takes setuid bits away: first it, then the mode. */
static int dress(const struct transfer *t)
{
	if (fchown(t->fd, t->uid, t->gid) < 0 || fchmod(t->fd, t->mode) < 0 || fsync(t->fd) < 0)
		return -errno;
	return 0;
}

static int take_place(const struct transfer *t)
{
	int dir = t->place.dir;

	if (arg(t, VMV_FILE_WRITE_OVERWRITE)->number)
		return renameat(dir, t->temporary, dir, t->place.name) < 0 ? -errno : 0;
	if (renameat2(dir, t->temporary, dir, t->place.name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* a filesystem without it: a link does not replace anything either */
	if (linkat(dir, t->temporary, dir, t->place.name, 0) < 0)
		return -errno;
	(void)unlinkat(dir, t->temporary, 0);
	return 0;
}

static int put(struct transfer *t, struct vmv_err *err)
{
	int r = verify(t, err);

	if (r < 0)
		return r;
	r = dress(t);
	if (r == 0)
		r = take_place(t);
	if (r == -EEXIST)
		return vmv_fail(err, VMV_E_RANGE, EEXIST, "it exists already");
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot put it in its place: %s", strerror(-r));
	t->is_written = true;
	return fsync(t->place.dir) < 0
		       ? vmv_fail(err, VMV_E_IO, errno, "it is there, but may not last: %s",
				  strerror(errno))
		       : 0;
}

static int finish(struct transfer *t, struct vmv_err *err)
{
	int r = put(t, err);

	if (r < 0 && !t->is_written)
		(void)unlinkat(t->place.dir, t->temporary, 0);
	return r;
}

static int run(struct transfer *t, struct vmv_err *err)
{
	struct vmv_jw *w = &t->action->data;
	int r = find_looks(t, err);

	if (r == 0)
		r = open_temporary(t, err);
	if (r == 0)
		r = add_chunk(t, err);
	if (r == 0 && arg(t, VMV_FILE_WRITE_LAST)->number)
		r = finish(t, err);
	if (r < 0)
		return r;
	vmv_jw_open(w, NULL);
	vmv_jw_u64(w, "next_offset", t->size);
	vmv_jw_bool(w, "written", t->is_written);
	vmv_jw_close(w);
	(void)snprintf(t->action->text, sizeof(t->action->text), "%" PRIu64 " bytes%s", t->size,
		       t->is_written ? ", written" : "");
	return 0;
}

int vmv_do_file_write(struct vmv_action *a, struct vmv_err *err)
{
	struct transfer t = { .action = a, .place = { .dir = -1 }, .fd = -1 };
	int r = decode(&t, err);

	(void)snprintf(t.temporary, sizeof(t.temporary), ".vmvitals-%s.tmp",
		       a->args[VMV_FILE_WRITE_TRANSFER].text);
	if (r == 0)
		r = vmv_place_open(a->settings, a->args[VMV_FILE_WRITE_PATH].text, &t.place, err);
	if (r == 0)
		r = run(&t, err);
	vmv_closep(&t.fd);
	vmv_place_close(&t.place);
	free(t.bytes);
	return r;
}
