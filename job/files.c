/* FileStat and FileRead: PROTOCOL.md 6.7. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "job/action.h"
#include "job/digest.h"
#include "job/safepath.h"
#include "job/tool.h"
#include "proto/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *type_word(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
		return "block";
	case S_IFCHR:
		return "char";
	default:
		return NULL;
	}
}

static void write_mtime(struct vmv_jw *w, const struct stat *st)
{
	char stamp[VMV_STAMP_SIZE];

	vmv_stamp((int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000, stamp);
	vmv_jw_str(w, "mtime", stamp);
}

/* -- FileStat ------------------------------------------------------------------------------- */

static void write_stat(struct vmv_jw *w, const char *path, const struct stat *st, const char *hash)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "path", path);
	vmv_jw_str(w, "type", type_word(st->st_mode));
	vmv_jw_int(w, "size", st->st_size);
	vmv_jw_int(w, "mode", st->st_mode & 07777);
	vmv_jw_u64(w, "uid", st->st_uid);
	vmv_jw_u64(w, "gid", st->st_gid);
	write_mtime(w, st);
	vmv_jw_u64(w, "inode", st->st_ino);
	vmv_jw_str_or_null(w, "sha256", hash);
	vmv_jw_close(w);
}

static int check_size(const struct stat *st, struct vmv_err *err)
{
	if ((uint64_t)st->st_size <= VMV_DIGEST_MAX)
		return 0;
	return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "it is larger than 1 GiB");
}

static int hash_file(const struct vmv_action *a, const struct vmv_place *p, struct stat *st,
		     char ret[VMV_HEX_SIZE], struct vmv_err *err)
{
	vmv_autoclose int fd = vmv_place_open_file(a->settings, p, O_RDONLY, st, err);
	int r;

	if (fd < 0)
		return fd;
	r = check_size(st, err);
	return r < 0 ? r : vmv_digest(fd, vmv_tool_soft_deadline(a->deadline_ms), ret, err);
}

static int stat_place(const struct vmv_action *a, const struct vmv_place *p, struct stat *st,
		      char hash[VMV_HEX_SIZE], struct vmv_err *err)
{
	int r = vmv_place_stat(a->settings, p, st, err);

	*hash = '\0';
	if (r == 0 && a->args[VMV_FILE_STAT_HASH].number && S_ISREG(st->st_mode))
		r = hash_file(a, p, st, hash, err);
	return r;
}

int vmv_do_file_stat(struct vmv_action *a, struct vmv_err *err)
{
	const char *path = a->args[VMV_FILE_STAT_PATH].text;
	char hash[VMV_HEX_SIZE];
	struct vmv_place place;
	struct stat st;
	int r = vmv_place_open(a->settings, path, &place, err);

	if (r < 0)
		return r;
	r = stat_place(a, &place, &st, hash, err);
	vmv_place_close(&place);
	if (r < 0)
		return r;
	write_stat(&a->data, path, &st, hash);
	(void)snprintf(a->text, sizeof(a->text), "%s, %lld bytes",
		       type_word(st.st_mode) ? type_word(st.st_mode) : "unknown",
		       (long long)st.st_size);
	return 0;
}

/* -- FileRead ------------------------------------------------------------------------------- */

struct chunk {
	char *bytes; /* owned */
	size_t len;
	bool is_last;
	char hash[VMV_HEX_SIZE]; /* "": not the last */
	struct stat st;
};

static int read_chunk(const struct vmv_action *a, int fd, struct chunk *c, struct vmv_err *err)
{
	off_t offset = a->args[VMV_FILE_READ_OFFSET].number;
	size_t wanted = (size_t)a->args[VMV_FILE_READ_LENGTH].number;
	bool is_end = false;

	c->bytes = malloc(wanted);
	if (!c->bytes)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	while (c->len < wanted && !is_end) {
		ssize_t n = pread(fd, c->bytes + c->len, wanted - c->len, offset + (off_t)c->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmv_fail(err, VMV_E_IO, errno, "cannot read it: %s",
					strerror(errno));
		is_end = n == 0;
		c->len += (size_t)n;
	}
	if (fstat(fd, &c->st) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot look at it: %s", strerror(errno));
	c->is_last = is_end || offset + (off_t)c->len >= c->st.st_size;
	return c->is_last ? vmv_digest(fd, vmv_tool_soft_deadline(a->deadline_ms), c->hash, err)
			  : 0;
}

static int read_file(const struct vmv_action *a, const char *path, struct chunk *c,
		     struct vmv_err *err)
{
	vmv_autoclose int fd = -1;
	struct vmv_place place;
	int r = vmv_place_open(a->settings, path, &place, err);

	if (r < 0)
		return r;
	fd = vmv_place_open_file(a->settings, &place, O_RDONLY, &c->st, err);
	vmv_place_close(&place);
	if (fd < 0)
		return fd;
	r = check_size(&c->st, err);
	return r < 0 ? r : read_chunk(a, fd, c, err);
}

static int write_chunk(struct vmv_action *a, const char *path, const struct chunk *c,
		       struct vmv_err *err)
{
	vmv_autofree char *text = malloc(VMV_BASE64_LEN(c->len) + 1);
	struct vmv_jw *w = &a->data;

	if (!text)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	vmv_base64(c->bytes, c->len, text);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "path", path);
	vmv_jw_int(w, "offset", a->args[VMV_FILE_READ_OFFSET].number);
	vmv_jw_u64(w, "length", c->len);
	vmv_jw_int(w, "size", c->st.st_size);
	write_mtime(w, &c->st);
	vmv_jw_u64(w, "inode", c->st.st_ino);
	vmv_jw_bool(w, "eof", c->is_last);
	vmv_jw_str(w, "data", text);
	vmv_jw_str_or_null(w, "sha256", c->hash);
	vmv_jw_close(w);
	(void)snprintf(a->text, sizeof(a->text), "%zu bytes%s", c->len,
		       c->is_last ? ", the last" : "");
	return 0;
}

int vmv_do_file_read(struct vmv_action *a, struct vmv_err *err)
{
	const char *path = a->args[VMV_FILE_READ_PATH].text;
	struct chunk c = { 0 };
	int r = read_file(a, path, &c, err);

	if (r == 0)
		r = write_chunk(a, path, &c, err);
	free(c.bytes);
	return r;
}
