#include "execd/script_file.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DIGEST_SIZE (2 * (size_t)SHA256_DIGEST_SIZE) /* as text */
#define RECORD_MAX  (40 * VMV_MIB) /* two outputs of VMV_RESPONSE_MAX, all of it escaped */

static const char *const state_words[] = { "accepted", "running", "finished", "reported" };

static void digest_text(const void *data, size_t len, char ret[DIGEST_SIZE + 1])
{
	uint8_t raw[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	sha256_digest(&ctx, sizeof(raw), raw);
	for (size_t i = 0; i < sizeof(raw); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", raw[i]);
}

void vmv_script_file_name(const char *id, const char *suffix, char ret[VMV_SCRIPT_FILE_SIZE])
{
	char digest[DIGEST_SIZE + 1];

	digest_text(id, strlen(id), digest);
	(void)snprintf(ret, VMV_SCRIPT_FILE_SIZE, "%s%.7s", digest, suffix);
}

int vmv_script_dir_open(const char *state_dir, struct vmv_err *err)
{
	vmv_autoclose int parent = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclose int fd = -1;
	struct stat st;

	if (parent < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open '%s': %s", state_dir,
				strerror(errno));
	if (mkdirat(parent, "scripts", 0700) < 0 && errno != EEXIST)
		return vmv_fail(err, VMV_E_IO, errno, "cannot make '%s/scripts': %s", state_dir,
				strerror(errno));
	fd = openat(parent, "scripts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open '%s/scripts': %s", state_dir,
				strerror(errno));
	if (st.st_uid != geteuid())
		return vmv_fail(err, VMV_E_IO, EPERM, "'%s/scripts' is not ours", state_dir);
	if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot protect '%s/scripts': %s", state_dir,
				strerror(errno));
	return VMV_TAKE(fd, -1);
}

/* -- writing ----------------------------------------------------------------------------------- */

static void write_accepted(struct vmv_jw *w, const struct vmv_script_record *rec)
{
	vmv_jw_str(w, "name", rec->name);
	vmv_jw_str(w, "shell", rec->shell);
	vmv_jw_str(w, "run_as", rec->run_as);
	vmv_jw_int(w, "timeout_s", rec->timeout_s);
	vmv_jw_bytes(w, "content", rec->content, rec->content_len);
}

static int encode(const struct vmv_script_record *rec, struct vmv_jw *w)
{
	vmv_jw_open(w, NULL);
	vmv_jw_int(w, "version", 1);
	vmv_jw_str(w, "id", rec->id);
	vmv_jw_str(w, "state", state_words[rec->state]);
	vmv_jw_u64(w, "order", rec->order);
	vmv_jw_str(w, "channel", rec->channel);
	vmv_jw_bool(w, "repeated", rec->is_repeated);
	vmv_jw_int(w, "accepted_ms", rec->accepted_ms);
	vmv_jw_int(w, "changed_ms", rec->changed_ms);
	vmv_jw_u64(w, "accepted_mono_ms", rec->accepted_mono_ms);
	vmv_jw_str(w, "boot_id", rec->boot_id);
	if (rec->state == VMV_SCRIPT_ACCEPTED)
		write_accepted(w, rec);
	vmv_jw_int(w, "exit_code", rec->exit_code);
	if (rec->state == VMV_SCRIPT_FINISHED) {
		vmv_jw_bool(w, "interrupted", rec->is_interrupted);
		vmv_jw_bytes(w, "stdout", rec->out ? rec->out : "", rec->out_len);
		vmv_jw_bytes(w, "stderr", rec->err ? rec->err : "", rec->err_len);
	}
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* First line: checksum of what follows. */
static int write_file(int fd, const struct vmv_jw *w)
{
	char digest[DIGEST_SIZE + 2];
	int r;

	digest_text(w->buf.data, w->buf.len, digest);
	digest[DIGEST_SIZE] = '\n';
	r = write_all(fd, digest, DIGEST_SIZE + 1);
	if (r == 0)
		r = write_all(fd, w->buf.data, w->buf.len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int vmv_script_prepare(int dir, const struct vmv_script_record *rec)
{
	char name[VMV_SCRIPT_FILE_SIZE];
	VMV_CLEANUP(vmv_jw_free) struct vmv_jw w;
	vmv_autoclose int fd = -1;
	int r;

	vmv_jw_init(&w, RECORD_MAX);
	r = encode(rec, &w);
	if (r < 0)
		return r;
	vmv_script_file_name(rec->id, VMV_SCRIPT_SUFFIX_TMP, name);
	(void)unlinkat(dir, name, 0); /* of a former attempt */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_file(fd, &w);
	if (r < 0)
		(void)unlinkat(dir, name, 0);
	return r;
}

int vmv_script_commit(int dir, const char *id)
{
	char from[VMV_SCRIPT_FILE_SIZE], to[VMV_SCRIPT_FILE_SIZE];

	vmv_script_file_name(id, VMV_SCRIPT_SUFFIX_TMP, from);
	vmv_script_file_name(id, VMV_SCRIPT_SUFFIX, to);
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

int vmv_script_sync(int dir)
{
	return fsync(dir) < 0 ? -errno : 0;
}

void vmv_script_drop(int dir, const char *id)
{
	char name[VMV_SCRIPT_FILE_SIZE];

	vmv_script_file_name(id, VMV_SCRIPT_SUFFIX_TMP, name);
	(void)unlinkat(dir, name, 0);
}

int vmv_script_write(int dir, const struct vmv_script_record *rec)
{
	int r = vmv_script_prepare(dir, rec);

	if (r == 0) {
		r = vmv_script_commit(dir, rec->id);
		if (r < 0)
			vmv_script_drop(dir, rec->id);
	}
	return r == 0 ? vmv_script_sync(dir) : r;
}

/* -- reading ----------------------------------------------------------------------------------- */

static int read_whole(int fd, struct vmv_buf *ret)
{
	for (;;) {
		ssize_t n;
		int r = vmv_buf_reserve(ret, 64 * VMV_KIB);

		if (r < 0)
			return r;
		n = read(fd, ret->data + ret->len, ret->cap - ret->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		ret->len += (size_t)n;
	}
}

static bool has_its_checksum(const struct vmv_buf *text)
{
	char digest[DIGEST_SIZE + 1];

	if (text->len <= DIGEST_SIZE + 1 || text->data[DIGEST_SIZE] != '\n')
		return false;
	digest_text(text->data + DIGEST_SIZE + 1, text->len - DIGEST_SIZE - 1, digest);
	return memcmp(text->data, digest, DIGEST_SIZE) == 0;
}

static bool get_int(struct json_object *o, const char *name, int64_t min, int64_t *ret)
{
	return vmv_json_int(vmv_json_get(o, name), min, VMV_INT_MAX, ret);
}

static bool get_state(struct json_object *o, enum vmv_script_state *ret)
{
	const char *word = vmv_json_str(o, "state");

	for (size_t i = 0; word && i < VMV_COUNTOF(state_words); i++) {
		if (strcmp(word, state_words[i]) == 0) {
			*ret = (enum vmv_script_state)i;
			return true;
		}
	}
	return false;
}

static bool get_bool(struct json_object *o, const char *name)
{
	return json_object_get_boolean(vmv_json_get(o, name));
}

static bool decode(struct json_object *o, struct vmv_script_record *ret)
{
	struct vmv_script_record rec = {
		.id = vmv_json_str(o, "id"),
		.channel = vmv_json_str(o, "channel"),
		.boot_id = vmv_json_str(o, "boot_id"),
		.name = vmv_json_str(o, "name"),
		.shell = vmv_json_str(o, "shell"),
		.run_as = vmv_json_str(o, "run_as"),
		.is_repeated = get_bool(o, "repeated"),
		.is_interrupted = get_bool(o, "interrupted"),
	};
	int64_t order, accepted, changed, mono, timeout = 0, exit_code;

	if (!rec.id || !rec.boot_id || !get_state(o, &rec.state) ||
	    !get_int(o, "order", 0, &order) ||
	    !get_int(o, "accepted_ms", -VMV_INT_MAX, &accepted) ||
	    !get_int(o, "changed_ms", -VMV_INT_MAX, &changed) ||
	    !get_int(o, "accepted_mono_ms", 0, &mono) ||
	    !get_int(o, "exit_code", INT_MIN, &exit_code) || exit_code > INT_MAX)
		return false;
	rec.content = vmv_json_text(vmv_json_get(o, "content"), &rec.content_len);
	rec.out = vmv_json_text(vmv_json_get(o, "stdout"), &rec.out_len);
	rec.err = vmv_json_text(vmv_json_get(o, "stderr"), &rec.err_len);
	if (rec.state == VMV_SCRIPT_ACCEPTED &&
	    (!rec.content || !get_int(o, "timeout_s", 1, &timeout) || timeout > VMV_SCRIPT_SECONDS))
		return false;
	if (rec.state == VMV_SCRIPT_FINISHED && (!rec.out || !rec.err))
		return false;
	rec.order = (uint64_t)order;
	rec.accepted_ms = accepted;
	rec.changed_ms = changed;
	rec.accepted_mono_ms = (uint64_t)mono;
	rec.timeout_s = (uint32_t)timeout;
	rec.exit_code = (int)exit_code;
	*ret = rec;
	return true;
}

static bool is_named_after(const char *file, const char *id)
{
	char name[VMV_SCRIPT_FILE_SIZE];

	vmv_script_file_name(id, VMV_SCRIPT_SUFFIX, name);
	return strcmp(file, name) == 0;
}

int vmv_script_read(int dir, const char *file, struct vmv_script_record *ret,
		    struct json_object **ret_owner, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_buf_free) struct vmv_buf text = { .max = RECORD_MAX + VMV_KIB * 128 };
	vmv_autoclose int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct json_object *o;
	int r = fd < 0 ? -errno : read_whole(fd, &text);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read '%s': %s", file, strerror(-r));
	if (!has_its_checksum(&text))
		return vmv_fail(err, VMV_E_PARSE, EBADMSG, "'%s' is damaged", file);
	r = vmv_json_parse(text.data + DIGEST_SIZE + 1, text.len - DIGEST_SIZE - 1, &o, err);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return vmv_fail(err, VMV_E_PARSE, EBADMSG, "'%s' is no record", file);
	if (!decode(o, ret) || !is_named_after(file, ret->id)) {
		json_object_put(o);
		return vmv_fail(err, VMV_E_PARSE, EBADMSG, "'%s' is no record of a script", file);
	}
	*ret_owner = o;
	return 0;
}

/* -- names ------------------------------------------------------------------------------------- */

int vmv_script_set_aside(int dir, const char *file)
{
	char to[VMV_SCRIPT_FILE_SIZE];

	(void)snprintf(to, sizeof(to), "%.*s%s", (int)strcspn(file, "."), file,
		       VMV_SCRIPT_SUFFIX_BAD);
	return renameat(dir, file, dir, to) < 0 ? -errno : 0;
}

bool vmv_script_was_set_aside(int dir, const char *id)
{
	char name[VMV_SCRIPT_FILE_SIZE];
	struct stat st;

	vmv_script_file_name(id, VMV_SCRIPT_SUFFIX_BAD, name);
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int vmv_script_remove(int dir, const char *id)
{
	char name[VMV_SCRIPT_FILE_SIZE];

	vmv_script_file_name(id, VMV_SCRIPT_SUFFIX, name);
	return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}
