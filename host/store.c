#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/uuid.h"
#include "commands/command.h"
#include "host/cli.h"
#include "host/copy.h"
#include "host/message.h"
#include "host/remote.h"
#include "proto/base64.h"
#include "proto/json_read.h"

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

#define autoput	    VMV_CLEANUP(putp)
#define automessage VMV_CLEANUP(vmv_message_free)

struct store {
	struct vmv_copy *copy;
	int fd;		     /* that is read */
	struct stat st;	     /* of it, at the beginning */
	bool is_file;	     /* else a stream of unknown length */
	char path[PATH_MAX]; /* in the guest */
	char transfer[VMV_UUID_SIZE];
	char *bytes; /* of one chunk; owned */
	char *text;  /* the same in base64; owned */
};

static void store_done(struct store *s)
{
	if (s->fd != STDIN_FILENO)
		vmv_closep(&s->fd);
	free(s->bytes);
	free(s->text);
}

/* -- the file here ----------------------------------------------------------------------------- */

static int here_failed(const struct store *s, int sys, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, EREMOTEIO, "cannot read '%.200s': %s", s->copy->local,
			strerror(sys));
}

static int open_source(struct store *s, struct vmv_err *err)
{
	bool is_stdin = strcmp(s->copy->local, "-") == 0;

	/* nothing waits for the other end of a fifo that nobody meant */
	s->fd = is_stdin ? STDIN_FILENO
			 : open(s->copy->local, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (s->fd < 0 || fstat(s->fd, &s->st) < 0)
		return here_failed(s, errno, err);
	s->is_file = S_ISREG(s->st.st_mode);
	if (!is_stdin && !s->is_file)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%.200s' is no ordinary file",
				s->copy->local);
	s->copy->size = s->is_file && !is_stdin ? (uint64_t)s->st.st_size : VMV_UNSET;
	return 0;
}

/* Until there is something to read, or the tool is to stop. */
static int wait_readable(const struct store *s, struct vmv_err *err)
{
	struct pollfd fds[] = {
		{ .fd = s->fd, .events = POLLIN },
		{ .fd = s->copy->remote->stop_fd, .events = POLLIN },
	};

	while (poll(fds, VMV_COUNTOF(fds), -1) < 0)
		if (errno != EINTR)
			return here_failed(s, errno, err);
	return fds[1].revents ? vmv_fail(err, VMV_E_IO, ECANCELED, "stopped") : 0;
}

/* A whole chunk; less is the end. */
static int read_chunk(const struct store *s, size_t *ret, struct vmv_err *err)
{
	size_t len = 0;

	while (len < VMV_FILE_CHUNK_MAX) {
		ssize_t n;
		int r = wait_readable(s, err);

		if (r < 0)
			return r;
		n = read(s->fd, s->bytes + len, VMV_FILE_CHUNK_MAX - len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return here_failed(s, errno, err);
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	*ret = len;
	return 0;
}

/* What was read is one state of the file, or the copy is not finished. */
static int check_unchanged(const struct store *s, struct vmv_err *err)
{
	struct stat st;

	if (s->copy->size == VMV_UNSET)
		return 0;
	if (fstat(s->fd, &st) < 0)
		return here_failed(s, errno, err);
	if (st.st_size != s->st.st_size || st.st_mtim.tv_sec != s->st.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != s->st.st_mtim.tv_nsec || s->copy->done != s->copy->size)
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "'%.200s' changed while it was read",
				s->copy->local);
	return 0;
}

/* -- the guest --------------------------------------------------------------------------------- */

/* A directory is meant as a place for a file of the same name. */
static int find_path(struct store *s, struct vmv_err *err)
{
	bool is_stdin = strcmp(s->copy->local, "-") == 0;
	struct vmv_copy_stat st = { .type = "" };
	int r = vmv_copy_stat(s->copy, &st, err), n;
	bool is_dir = r == 0 && strcmp(st.type, "directory") == 0;

	if (r < 0 && err->code != VMV_E_NOTFOUND)
		return r;
	if (s->copy->is_guest_dir && !is_dir)
		return vmv_fail(err, VMV_E_NOTFOUND, ENOTDIR,
				"'%.200s/' is no directory in the guest", s->copy->guest);
	if (is_dir && is_stdin)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%.200s' is a directory in the guest",
				s->copy->guest);
	n = snprintf(s->path, sizeof(s->path), "%s%s%s", s->copy->guest,
		     is_dir && strcmp(s->copy->guest, "/") != 0 ? "/" : "",
		     is_dir ? vmv_copy_basename(s->copy->local) : "");
	if (n >= (int)sizeof(s->path))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the path in the guest is too long");
	return 0;
}

static void write_arguments(struct store *s, struct vmv_jw *w, size_t len, bool is_last)
{
	vmv_base64(s->bytes, len, s->text);
	vmv_jw_str(w, "path", s->path);
	vmv_jw_str(w, "transfer", s->transfer);
	vmv_jw_u64(w, "offset", s->copy->done);
	vmv_jw_str(w, "data", s->text);
	if (!is_last)
		return;
	vmv_jw_bool(w, "last", true);
	vmv_jw_str(w, "sha256", s->copy->sha256);
	if (s->is_file)
		vmv_jw_u64(w, "mode", s->st.st_mode & 0777);
}

static int check_answer(const struct store *s, struct json_object *data, bool is_last,
			struct vmv_err *err)
{
	struct json_object *written = vmv_json_get(data, "written");
	int64_t next;

	if (!vmv_json_int(vmv_json_get(data, "next_offset"), 0, VMV_INT_MAX, &next) ||
	    (uint64_t)next != s->copy->done || !json_object_is_type(written, json_type_boolean) ||
	    !!json_object_get_boolean(written) != is_last)
		return vmv_fail(err, VMV_E_PARSE, EPROTO,
				"FileWrite: the answer does not fit what was sent");
	return 0;
}

static int send_chunk(struct store *s, size_t len, bool is_last, struct vmv_err *err)
{
	autoput struct json_object *data = NULL;
	automessage struct vmv_message m;
	int r = vmv_message_begin(&m, vmv_command_find("FileWrite"), err);

	if (r < 0)
		return r;
	write_arguments(s, &m.w, len, is_last);
	r = vmv_copy_ask(s->copy, &m, &data, err);
	if (r < 0)
		return r;
	s->copy->done += len;
	return check_answer(s, data, is_last, err);
}

static int next_chunk(struct store *s, bool *ret_last, struct vmv_err *err)
{
	size_t len = 0;
	int r = read_chunk(s, &len, err);

	if (r < 0)
		return r;
	*ret_last = len < VMV_FILE_CHUNK_MAX;
	vmv_copy_count(s->copy, s->bytes, len);
	if (*ret_last) {
		r = check_unchanged(s, err);
		vmv_copy_digest(s->copy);
	}
	s->copy->done -= len; /* the offset is that of its first byte */
	return r < 0 ? r : send_chunk(s, len, *ret_last, err);
}

int vmv_copy_store(struct vmv_copy *c, struct vmv_err *err)
{
	VMV_CLEANUP(store_done) struct store s = { .copy = c, .fd = -1 };
	bool is_last = false;
	int r = open_source(&s, err);

	if (r == 0)
		r = vmv_uuid_random(s.transfer);
	if (r == 0)
		r = find_path(&s, err);
	if (r < 0)
		return r;
	s.bytes = malloc(VMV_FILE_CHUNK_MAX);
	s.text = malloc(VMV_BASE64_LEN(VMV_FILE_CHUNK_MAX) + 1);
	if (!s.bytes || !s.text)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	while (r == 0 && !is_last)
		r = next_chunk(&s, &is_last, err);
	return r;
}
