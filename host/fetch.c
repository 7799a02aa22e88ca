#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/command.h"
#include "host/cli.h"
#include "host/copy.h"
#include "host/message.h"
#include "host/remote.h"
#include "host/term.h"
#include "proto/base64.h"
#include "proto/json_read.h"

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

#define autoput	    VMV_CLEANUP(putp)
#define automessage VMV_CLEANUP(vmv_message_free)

/* What the first chunk said of the file: all of them must. */
struct fetch {
	struct vmv_copy *copy;
	int fd; /* where the bytes go */
	bool has_first;
	int64_t size;
	char mtime[64], inode[32]; /* as JSON, whatever their form is */
	uint8_t *bytes;		   /* of one chunk; owned */
	struct vmv_copy_stat stat;
};

/* -- the file here ----------------------------------------------------------------------------- */

static int here_failed(const char *path, int sys, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, EREMOTEIO, "cannot write '%.200s': %s", path, strerror(sys));
}

/* A target that is replaced at the end by a file that is complete. */
struct target {
	char path[PATH_MAX]; /* without links */
	char temp[PATH_MAX]; /* empty: there is none */
	int fd;
};

static void target_done(struct target *t)
{
	if (*t->temp)
		(void)unlink(t->temp);
	vmv_closep(&t->fd);
}

/* The path that is meant: in a directory, the name that the file has in the guest. */
static int resolve(const struct vmv_copy *c, char ret[PATH_MAX], struct vmv_err *err)
{
	vmv_autofree char *real = realpath(c->local, NULL);
	const char *path = real ? real : c->local;
	bool is_dir = false;
	struct stat st;
	int n;

	if (stat(path, &st) == 0) {
		is_dir = S_ISDIR(st.st_mode);
		if (!is_dir && !S_ISREG(st.st_mode))
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%.200s' is no ordinary file",
					c->local);
	}
	n = snprintf(ret, PATH_MAX, "%s%s%s", path, is_dir ? "/" : "",
		     is_dir ? vmv_copy_basename(c->guest) : "");
	return n < PATH_MAX ? 0 : here_failed(c->local, ENAMETOOLONG, err);
}

static int open_target(const struct vmv_copy *c, struct target *t, struct vmv_err *err)
{
	int r = resolve(c, t->path, err), n, dir_len;

	if (r < 0)
		return r;
	dir_len = (int)(vmv_copy_basename(t->path) - t->path);
	n = snprintf(t->temp, sizeof(t->temp), "%.*s.vmvitals-XXXXXX", dir_len, t->path);
	if (n >= (int)sizeof(t->temp)) {
		t->temp[0] = '\0';
		return here_failed(c->local, ENAMETOOLONG, err);
	}
	t->fd = mkostemp(t->temp, O_CLOEXEC);
	if (t->fd < 0) {
		t->temp[0] = '\0';
		return here_failed(t->path, errno, err);
	}
	return 0;
}

/* A rename is only as lasting as its directory. */
static int sync_dir(const char *path)
{
	char dir[PATH_MAX];
	size_t len = (size_t)(vmv_copy_basename(path) - path);
	vmv_autoclose int fd = -1;

	memcpy(dir, path, len);
	dir[len] = '\0';
	fd = open(len ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* some filesystems cannot sync a directory */
	return fd < 0 || (fsync(fd) < 0 && errno != EINVAL) ? -errno : 0;
}

static int publish(struct target *t, uint32_t mode, struct vmv_err *err)
{
	int r;

	if (fchmod(t->fd, mode) < 0 || fsync(t->fd) < 0 || rename(t->temp, t->path) < 0)
		return here_failed(t->path, errno, err);
	t->temp[0] = '\0';
	r = sync_dir(t->path);
	return r < 0 ? here_failed(t->path, -r, err) : 0;
}

/* -- chunks ------------------------------------------------------------------------------------ */

static int malformed(struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_PARSE, EPROTO, "FileRead: the answer does not fit the question");
}

/* A member as JSON; false: it is missing, or too long. */
static bool take_member(struct json_object *data, const char *name, char *ret, size_t size)
{
	struct json_object *v = vmv_json_get(data, name);
	const char *text = v ? json_object_to_json_string(v) : NULL;

	if (!text || strlen(text) >= size)
		return false;
	memcpy(ret, text, strlen(text) + 1);
	return true;
}

/* The file must be the same one for all chunks, and not change. */
static int check_same(struct fetch *f, struct json_object *data, struct vmv_err *err)
{
	char mtime[sizeof(f->mtime)], inode[sizeof(f->inode)];
	int64_t size;

	if (!vmv_json_int(vmv_json_get(data, "size"), 0, VMV_INT_MAX, &size) ||
	    !take_member(data, "mtime", mtime, sizeof(mtime)) ||
	    !take_member(data, "inode", inode, sizeof(inode)))
		return malformed(err);
	if (!f->has_first) {
		f->has_first = true;
		f->size = size;
		f->copy->size = (uint64_t)size;
		memcpy(f->inode, inode, sizeof(inode));
		memcpy(f->mtime, mtime, sizeof(mtime));
	}
	if (f->size != size || strcmp(f->inode, inode) != 0 || strcmp(f->mtime, mtime) != 0)
		return vmv_fail(err, VMV_E_BUSY, EBUSY,
				"the file changed in the guest while it was read");
	return 0;
}

static int decode(struct fetch *f, struct json_object *data, size_t *ret_len, struct vmv_err *err)
{
	size_t len = 0;
	const char *text = vmv_json_text(vmv_json_get(data, "data"), &len);
	int64_t offset, length;

	if (!text || VMV_BASE64_BYTES(len) > VMV_FILE_CHUNK_MAX + 2 ||
	    !vmv_json_int(vmv_json_get(data, "offset"), 0, VMV_INT_MAX, &offset) ||
	    !vmv_json_int(vmv_json_get(data, "length"), 0, (int64_t)VMV_FILE_CHUNK_MAX, &length) ||
	    !vmv_base64_decode(text, len, f->bytes, ret_len) || *ret_len != (size_t)length ||
	    (uint64_t)offset != f->copy->done)
		return malformed(err);
	return 0;
}

static int write_here(struct fetch *f, size_t len, struct vmv_err *err)
{
	int r = vmv_term_write(f->fd, f->copy->remote->stop_fd, (const char *)f->bytes, len);

	if (r == -ECANCELED)
		return vmv_fail(err, VMV_E_IO, ECANCELED, "stopped");
	if (r < 0)
		return here_failed(f->copy->local, -r, err);
	vmv_copy_count(f->copy, f->bytes, len);
	return 0;
}

static int ask_chunk(struct fetch *f, struct json_object **ret, struct vmv_err *err)
{
	automessage struct vmv_message m;
	int r = vmv_message_begin(&m, vmv_command_find("FileRead"), err);

	if (r < 0)
		return r;
	vmv_jw_str(&m.w, "path", f->copy->guest);
	vmv_jw_u64(&m.w, "offset", f->copy->done);
	vmv_jw_u64(&m.w, "length", VMV_FILE_CHUNK_MAX);
	return vmv_copy_ask(f->copy, &m, ret, err);
}

/* The hash of the guest is that of what it has read: what arrived must have the same. */
static int check_end(struct fetch *f, struct json_object *data, struct vmv_err *err)
{
	const char *sha256 = vmv_json_str(data, "sha256");

	vmv_copy_digest(f->copy);
	if (!sha256 || f->copy->done != (uint64_t)f->size)
		return malformed(err);
	if (strcmp(sha256, f->copy->sha256) != 0)
		return vmv_fail(err, VMV_E_PARSE, EBADMSG,
				"what arrived is not what was sent: the checksums differ");
	return 0;
}

static int next_chunk(struct fetch *f, bool *ret_end, struct vmv_err *err)
{
	autoput struct json_object *data = NULL;
	struct json_object *eof;
	size_t len = 0;
	int r = ask_chunk(f, &data, err);

	if (r == 0)
		r = check_same(f, data, err);
	if (r == 0)
		r = decode(f, data, &len, err);
	if (r == 0)
		r = write_here(f, len, err);
	if (r < 0)
		return r;
	eof = vmv_json_get(data, "eof");
	*ret_end = json_object_is_type(eof, json_type_boolean) && json_object_get_boolean(eof);
	if (*ret_end)
		return check_end(f, data, err);
	return len > 0 && f->copy->done < (uint64_t)f->size ? 0 : malformed(err);
}

static int read_all(struct fetch *f, struct vmv_err *err)
{
	bool is_end = false;
	int r = 0;

	while (r == 0 && !is_end)
		r = next_chunk(f, &is_end, err);
	return r;
}

/* -- the whole --------------------------------------------------------------------------------- */

static int fetch_to(struct fetch *f, struct vmv_err *err)
{
	VMV_CLEANUP(target_done) struct target t = { .fd = -1 };
	int r;

	if (strcmp(f->copy->local, "-") == 0) {
		f->fd = f->copy->remote->cli->out_fd;
		return read_all(f, err);
	}
	r = open_target(f->copy, &t, err);
	if (r < 0)
		return r;
	f->fd = t.fd;
	r = read_all(f, err);
	return r < 0 ? r : publish(&t, f->stat.mode, err);
}

int vmv_copy_fetch(struct vmv_copy *c, struct vmv_err *err)
{
	struct fetch f = { .copy = c };
	int r = vmv_copy_stat(c, &f.stat, err);

	if (r < 0)
		return r;
	if (strcmp(f.stat.type, "file") != 0)
		return vmv_fail(err, VMV_E_UNSUPPORTED, EOPNOTSUPP,
				"'%.120s' is no ordinary file in the guest, but of type %s",
				c->guest, f.stat.type);
	f.bytes = malloc(VMV_FILE_CHUNK_MAX + 3);
	if (!f.bytes)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	r = fetch_to(&f, err);
	free(f.bytes);
	return r;
}
