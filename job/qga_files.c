/* guest-file-*: nothing is open between two requests. What the executor keeps of a file is its
 * path, which one it was (device, inode), how it was opened, and the position. Each request finds
 * it again, by the same rules as at first: if another one is there by now, it is not that file any
 * more. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/charset.h"
#include "commands/qga.h"
#include "job/qga.h"
#include "job/safepath.h"
#include "proto/base64.h"
#include "proto/json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_MAX   (2 * VMV_MIB)	     /* bytes of one answer */
#define COUNT_MAX  ((int64_t)(48 * VMV_MIB)) /* that may be asked for: as qemu-ga has it */
#define MODE_NEW   0644 /* of a file that was not there: root's, so nobody else writes */
#define LINKS_MAX  16	/* one leading to the next */
#define TRIES	   3	/* somebody creates and removes it meanwhile */
#define ACCESS(fl) ((fl)&O_ACCMODE)

/* -- modes ----------------------------------------------------------------------------------------
 */

static const struct {
	const char *word;
	int flags;
} modes[] = {
	{ "r", O_RDONLY },
	{ "rb", O_RDONLY },
	{ "w", O_WRONLY | O_CREAT | O_TRUNC },
	{ "wb", O_WRONLY | O_CREAT | O_TRUNC },
	{ "a", O_WRONLY | O_CREAT | O_APPEND },
	{ "ab", O_WRONLY | O_CREAT | O_APPEND },
	{ "r+", O_RDWR },
	{ "rb+", O_RDWR },
	{ "r+b", O_RDWR },
	{ "w+", O_RDWR | O_CREAT | O_TRUNC },
	{ "wb+", O_RDWR | O_CREAT | O_TRUNC },
	{ "w+b", O_RDWR | O_CREAT | O_TRUNC },
	{ "a+", O_RDWR | O_CREAT | O_APPEND },
	{ "ab+", O_RDWR | O_CREAT | O_APPEND },
	{ "a+b", O_RDWR | O_CREAT | O_APPEND },
};

static int find_mode(const char *word, int *ret, struct vmv_err *err)
{
	for (size_t i = 0; i < VMV_COUNTOF(modes); i++) {
		if (strcmp(modes[i].word, word) == 0) {
			*ret = modes[i].flags;
			return 0;
		}
	}
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter 'mode' does not accept value '%.20s'",
			word);
}

/* -- opening --------------------------------------------------------------------------------------
 */

/* In a directory where others may make names, a file with several of them may be one that they
 * could not write to themselves. */
static int check_names(const struct vmv_place *p, const struct stat *st, struct vmv_err *err)
{
	struct stat dir;

	if (st->st_nlink <= 1)
		return 0;
	if (fstat(p->dir, &dir) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot look at a directory: %s",
				strerror(errno));
	if (dir.st_uid == geteuid() && !(dir.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return vmv_fail(err, VMV_E_DENIED, EACCES,
			"it has other names, where others may give them");
}

static int open_there(const struct vmv_job_settings *s, const struct vmv_place *p, int flags,
		      struct stat *ret, struct vmv_err *err)
{
	vmv_autoclose int fd = vmv_place_open_file(s, p, flags & ~(O_CREAT | O_TRUNC), ret, err);
	int r = fd;

	if (r >= 0 && ACCESS(flags) != O_RDONLY)
		r = check_names(p, ret, err);
	if (r < 0)
		return r;
	if (flags & O_TRUNC && ftruncate(fd, 0) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot empty it: %s", strerror(errno));
	return VMV_TAKE(fd, -1);
}

static int create(const struct vmv_place *p, int flags, struct stat *ret, struct vmv_err *err)
{
	vmv_autoclose int fd = openat(p->dir, p->name,
				      flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE_NEW);

	if (fd < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot create it: %s", strerror(errno));
	if (fstat(fd, ret) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot look at it: %s", strerror(errno));
	return VMV_TAKE(fd, -1);
}

static int open_or_create(const struct vmv_job_settings *s, const struct vmv_place *p, int flags,
			  struct stat *ret, struct vmv_err *err)
{
	int r = -ENOENT;

	for (int i = 0; i < TRIES; i++) {
		struct vmv_err why = { 0 };

		r = open_there(s, p, flags, ret, &why);
		if (r < 0 && why.code == VMV_E_NOTFOUND && flags & O_CREAT)
			r = create(p, flags, ret, &why);
		if (r >= 0)
			return r;
		if (err)
			*err = why;
		if (r != -EEXIST)
			break;
	}
	return r;
}

/* Where the link at the place leads to: ret. Only root's own links are followed: with another one
 * an account could have root read or write what it may not. Returns 1, 0 when there is no link, or
 * negative errno with err set. */
static int follow(const struct vmv_place *p, const char *path, char ret[PATH_MAX],
		  struct vmv_err *err)
{
	vmv_autoclose int fd = openat(p->dir, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;
	int dir_len = (int)(strrchr(path, '/') - path);

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISLNK(st.st_mode))
		return 0; /* who opens it says what is wrong */
	if (st.st_uid != geteuid())
		return vmv_fail(err, VMV_E_DENIED, EACCES, "it is a link, and not one of root's");
	len = readlinkat(fd, "", target, sizeof(target));
	if (len <= 0 || len == sizeof(target))
		return vmv_fail(err, VMV_E_IO, len < 0 ? errno : ENAMETOOLONG,
				"cannot tell where it leads");
	target[len] = '\0';
	if (*target == '/')
		dir_len = 0;
	if (snprintf(ret, PATH_MAX, "%.*s%s%s", dir_len, path, *target == '/' ? "" : "/", target) >=
	    PATH_MAX)
		return vmv_fail(err, VMV_E_IO, ENAMETOOLONG, "it leads too far");
	return 1;
}

static int open_kernels(const struct vmv_job_settings *s, const char *path, int flags,
			struct stat *ret, struct vmv_err *err)
{
	if (ACCESS(flags) != O_RDONLY)
		return vmv_fail(err, VMV_E_DENIED, EACCES,
				"nothing below '/proc' or '/sys' is written to");
	return vmv_place_open_kernels(s, path, ret, err);
}

static int open_links(const struct vmv_job_settings *s, const char *given, int flags,
		      struct stat *ret, struct vmv_err *err)
{
	char path[PATH_MAX], next[PATH_MAX];

	if (!vmv_charset_allows(VMV_CHARS_PATH, given) ||
	    snprintf(path, sizeof(path), "%s", given) >= (int)sizeof(path))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter 'path' must be: %s",
				vmv_charset_text(VMV_CHARS_PATH));
	for (int i = 0; i < LINKS_MAX; i++) {
		struct vmv_place place;
		bool is_link;
		int r;

		if (vmv_place_is_kernels(path))
			return open_kernels(s, path, flags, ret, err);
		r = vmv_place_open(s, path, &place, err);
		if (r < 0)
			return r;
		r = follow(&place, path, next, err);
		is_link = r > 0;
		if (r == 0)
			r = open_or_create(s, &place, flags, ret, err);
		vmv_place_close(&place);
		if (!is_link)
			return r;
		(void)stpcpy(path, next);
	}
	return vmv_fail(err, VMV_E_RANGE, ELOOP, "too many links");
}

/* Returns a descriptor and what it is, or negative errno with err set. A path that may not be had
 * is an error of this request: VMV_E_DENIED would say that there is no such command here. */
static int open_path(const struct vmv_job_settings *s, const char *path, int flags,
		     struct stat *ret, struct vmv_err *err)
{
	int r = open_links(s, path, flags, ret, err);

	if (r < 0 && err && err->code == VMV_E_DENIED)
		err->code = VMV_E_RANGE;
	return r;
}

/* -- again ----------------------------------------------------------------------------------------
 */

/* What the executor has kept. */
struct kept {
	const char *path; /* borrowed */
	int flags;
	int64_t position;
	int fd; /* owned; -1: not open */
	struct stat st;
};

static void kept_done(struct kept *k)
{
	vmv_closep(&k->fd);
}

static bool is_same(const struct kept *k, struct json_object *file)
{
	uint64_t dev = json_object_get_uint64(vmv_json_get(file, "dev"));
	uint64_t ino = json_object_get_uint64(vmv_json_get(file, "ino"));

	/* /proc gives new numbers whenever it likes; its files cannot be exchanged */
	return dev == (uint64_t)k->st.st_dev &&
	       (ino == (uint64_t)k->st.st_ino || vmv_place_is_kernels(k->path));
}

static int find_again(const struct vmv_action *a, struct kept *k, struct vmv_err *err)
{
	struct json_object *file = vmv_json_get(a->message, "file");
	const char *mode = vmv_json_str(file, "mode");
	struct vmv_err why = { 0 };
	int r;

	k->path = vmv_json_str(file, "path");
	if (!k->path || !mode ||
	    !vmv_json_int(vmv_json_get(file, "position"), 0, INT64_MAX, &k->position))
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "the job's description has a bad 'file'");
	r = find_mode(mode, &k->flags, err);
	if (r < 0)
		return r;
	k->fd = open_path(a->settings, k->path, k->flags & ~(O_CREAT | O_TRUNC), &k->st, &why);
	if (k->fd < 0 && why.code != VMV_E_NOTFOUND) {
		if (err)
			*err = why;
		return k->fd;
	}
	if (k->fd < 0 || !is_same(k, file))
		return vmv_fail(err, VMV_E_NOTFOUND, ESTALE,
				"'%.200s': it is not that file any more", k->path);
	return 0;
}

static int check_count(int64_t count, int64_t max, struct vmv_err *err)
{
	return count >= 0 && count <= max
		       ? 0
		       : vmv_fail(err, VMV_E_RANGE, EINVAL,
				  "Parameter 'count' must be 0 to %" PRId64, max);
}

/* -- open -----------------------------------------------------------------------------------------
 */

int vmv_do_qga_file_open(struct vmv_action *a, struct vmv_err *err)
{
	const char *path = a->args[VMV_QGA_OPEN_PATH].text, *mode = a->args[VMV_QGA_OPEN_MODE].text;
	struct stat st = { 0 };
	int flags = 0, fd, r = find_mode(mode ? mode : "r", &flags, err);

	if (r < 0)
		return r;
	fd = open_path(a->settings, path, flags, &st, err);
	if (fd < 0)
		return fd;
	vmv_closep(&fd);
	vmv_jw_open(&a->data, NULL);
	vmv_jw_open(&a->data, "file");
	vmv_jw_str(&a->data, "path", path);
	vmv_jw_str(&a->data, "mode", mode ? mode : "r");
	vmv_jw_u64(&a->data, "dev", st.st_dev);
	vmv_jw_u64(&a->data, "ino", st.st_ino);
	vmv_jw_int(&a->data, "position", 0);
	vmv_jw_close(&a->data);
	vmv_jw_close(&a->data);
	return 0;
}

/* -- read -----------------------------------------------------------------------------------------
 */

/* Returns how many bytes there were; fewer than wanted: that is the end. */
static ssize_t read_all(const struct kept *k, char *ret, size_t wanted)
{
	size_t len = 0;

	while (len < wanted) {
		ssize_t n = pread(k->fd, ret + len, wanted - len, k->position + (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && len == 0)
			return -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static void write_read(struct vmv_jw *w, const char *base64, size_t len, bool is_end,
		       int64_t position)
{
	vmv_jw_open(w, NULL);
	vmv_jw_open(w, "return");
	vmv_jw_u64(w, "count", len);
	vmv_jw_str(w, "buf-b64", base64);
	vmv_jw_bool(w, "eof", is_end);
	vmv_jw_close(w);
	vmv_jw_int(w, "position", position);
	vmv_jw_close(w);
}

static int read_some(struct vmv_action *a, const struct kept *k, size_t wanted, struct vmv_err *err)
{
	vmv_autofree char *bytes = malloc(wanted + 1);
	vmv_autofree char *base64 = malloc(VMV_BASE64_LEN(wanted) + 1);
	ssize_t len;

	if (!bytes || !base64)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	len = read_all(k, bytes, wanted);
	if (len < 0)
		return vmv_fail(err, VMV_E_IO, (int)-len, "cannot read it: %s",
				strerror((int)-len));
	vmv_base64(bytes, (size_t)len, base64);
	write_read(&a->data, base64, (size_t)len, (size_t)len < wanted, k->position + len);
	return 0;
}

int vmv_do_qga_file_read(struct vmv_action *a, struct vmv_err *err)
{
	VMV_CLEANUP(kept_done) struct kept k = { .fd = -1 };
	int64_t count = a->args[VMV_QGA_READ_COUNT].number;
	int r = check_count(count, COUNT_MAX, err);

	if (r == 0)
		r = find_again(a, &k, err);
	if (r < 0)
		return r;
	if (ACCESS(k.flags) == O_WRONLY)
		return vmv_fail(err, VMV_E_RANGE, EBADF, "it is not open for reading");
	if (k.position > INT64_MAX - COUNT_MAX)
		return vmv_fail(err, VMV_E_RANGE, EOVERFLOW, "nothing is that far out");
	return read_some(a, &k, (size_t)count < READ_MAX ? (size_t)count : READ_MAX, err);
}

/* -- write ----------------------------------------------------------------------------------------
 */

/* Returns how many bytes were written, which may be fewer when no more fit, or negative errno. */
static ssize_t write_all(const struct kept *k, const uint8_t *bytes, size_t len)
{
	size_t done = 0;

	if (lseek(k->fd, k->position, SEEK_SET) < 0)
		return -errno;
	while (done < len) {
		ssize_t n = write(k->fd, bytes + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && done == 0)
			return -errno;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int write_some(struct vmv_action *a, const struct kept *k, const uint8_t *bytes, size_t len,
		      struct vmv_err *err)
{
	ssize_t n = write_all(k, bytes, len);
	off_t end = n < 0 ? -1 : lseek(k->fd, 0, SEEK_CUR); /* appending has moved it */

	if (n < 0)
		return vmv_fail(err, VMV_E_IO, (int)-n, "cannot write to it: %s",
				strerror((int)-n));
	if (end < 0)
		return vmv_fail(err, VMV_E_IO, errno, "it is written, but where: %s",
				strerror(errno));
	vmv_jw_open(&a->data, NULL);
	vmv_jw_open(&a->data, "return");
	vmv_jw_int(&a->data, "count", n);
	vmv_jw_bool(&a->data, "eof", false);
	vmv_jw_close(&a->data);
	vmv_jw_int(&a->data, "position", end);
	vmv_jw_close(&a->data);
	return 0;
}

int vmv_do_qga_file_write(struct vmv_action *a, struct vmv_err *err)
{
	const struct vmv_value *buf = &a->args[VMV_QGA_WRITE_BUF];
	const struct vmv_value *count = &a->args[VMV_QGA_WRITE_COUNT];
	VMV_CLEANUP(kept_done) struct kept k = { .fd = -1 };
	vmv_autofree uint8_t *bytes = malloc(VMV_BASE64_BYTES(buf->len) + 1);
	size_t len = 0;
	int r;

	if (!bytes)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (!vmv_base64_decode(buf->text, buf->len, bytes, &len))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter 'buf-b64' is no base64");
	r = count->is_given ? check_count(count->number, (int64_t)len, err) : 0;
	if (r == 0)
		r = find_again(a, &k, err);
	if (r < 0)
		return r;
	if (ACCESS(k.flags) == O_RDONLY)
		return vmv_fail(err, VMV_E_RANGE, EBADF, "it is not open for writing");
	return write_some(a, &k, bytes, count->is_given ? (size_t)count->number : len, err);
}

/* -- seek -----------------------------------------------------------------------------------------
 */

static int find_whence(struct json_object *json, int *ret, struct vmv_err *err)
{
	static const char *const words[] = { "set", "cur", "end" };
	size_t len = 0;
	const char *word = vmv_json_text(json, &len);
	int64_t number;

	if (!word && !json_object_is_type(json, json_type_int))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"Invalid parameter type for 'whence', expected: "
				"string or integer");
	for (int i = 0; i < (int)VMV_COUNTOF(words); i++) {
		if (word ? strcmp(words[i], word) == 0 && strlen(word) == len
			 : vmv_json_int(json, i, i, &number)) {
			*ret = i;
			return 0;
		}
	}
	return vmv_fail(err, VMV_E_RANGE, EINVAL,
			"Parameter 'whence' does not accept value '%.100s'",
			word ? word : json_object_get_string(json));
}

int vmv_do_qga_file_seek(struct vmv_action *a, struct vmv_err *err)
{
	VMV_CLEANUP(kept_done) struct kept k = { .fd = -1 };
	int64_t position, from[3] = { 0 };
	int whence = 0, r = find_whence(a->args[VMV_QGA_SEEK_WHENCE].json, &whence, err);

	if (r == 0)
		r = find_again(a, &k, err);
	if (r < 0)
		return r;
	from[1] = k.position;
	from[2] = k.st.st_size;
	if (__builtin_add_overflow(from[whence], a->args[VMV_QGA_SEEK_OFFSET].number, &position) ||
	    position < 0)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "there is no such position");
	vmv_jw_open(&a->data, NULL);
	vmv_jw_open(&a->data, "return");
	vmv_jw_int(&a->data, "position", position);
	vmv_jw_bool(&a->data, "eof", false);
	vmv_jw_close(&a->data);
	vmv_jw_int(&a->data, "position", position);
	vmv_jw_close(&a->data);
	return 0;
}

/* -- flush ----------------------------------------------------------------------------------------
 */

int vmv_do_qga_file_flush(struct vmv_action *a, struct vmv_err *err)
{
	VMV_CLEANUP(kept_done) struct kept k = { .fd = -1 };
	int r = find_again(a, &k, err);

	if (r < 0)
		return r;
	if (ACCESS(k.flags) != O_RDONLY && fsync(k.fd) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "it may not be on the disk: %s",
				strerror(errno));
	return 0;
}
