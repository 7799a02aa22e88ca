#include "execd/qga_files.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "base/root.h"
#include "proto/json_copy.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUBSYS	   "qga"
#define DIR_NAME   "qga-files"
#define NEXT_NAME  "next"
#define TEMP_NAME  ".new"
#define RECORD_MAX (32 * VMV_KIB) /* a path of 4096 bytes, each of which may become \uXXXX */
#define NAME_SIZE  24
#define HANDLE_MAX VMV_INT_MAX

struct file {
	uint64_t handle;
	uint64_t used_ms;	    /* monotonic */
	struct json_object *record; /* owned */
};

struct vmv_qga_files {
	int dir;
	uint64_t next; /* handle */
	struct file list[VMV_QGA_FILES];
	size_t n;
};

static struct file *find(struct vmv_qga_files *f, uint64_t handle)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i].handle == handle)
			return &f->list[i];
	return NULL;
}

/* -- on the tmpfs -------------------------------------------------------------------------------
 */

/* No reader ever finds half of it. */
static int put(int dir, const char *name, const char *data, size_t len)
{
	vmv_autoclose int fd =
		openat(dir, TEMP_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, data, len);

	if (n < 0)
		return -errno;
	if ((size_t)n != len)
		return -ENOSPC;
	return renameat(dir, TEMP_NAME, dir, name) < 0 ? -errno : 0;
}

static void name_of(uint64_t handle, char ret[NAME_SIZE])
{
	(void)snprintf(ret, NAME_SIZE, "%" PRIu64, handle);
}

static int save(const struct vmv_qga_files *f, const struct file *file)
{
	char name[NAME_SIZE];
	struct vmv_jw w;
	int r;

	name_of(file->handle, name);
	vmv_jw_init(&w, RECORD_MAX);
	vmv_jw_copy(&w, NULL, file->record);
	r = vmv_jw_finish(&w);
	if (r == 0)
		r = put(f->dir, name, w.buf.data, w.buf.len);
	vmv_jw_free(&w);
	return r;
}

static int save_next(const struct vmv_qga_files *f, uint64_t next)
{
	char name[NAME_SIZE];

	name_of(next, name);
	return put(f->dir, NEXT_NAME, name, strlen(name));
}

static bool parse_handle(const char *text, uint64_t *ret)
{
	const char *end;

	return vmv_parse_u64(text, ret, &end) == 0 && *end == '\0' && *ret >= VMV_QGA_HANDLE_MIN &&
	       *ret <= HANDLE_MAX;
}

/* A file is found by its path, and read from its position. */
static bool is_record(struct json_object *record)
{
	const char *path = vmv_json_str(record, "path");
	int64_t position;

	return path && *path == '/' &&
	       vmv_json_int(vmv_json_get(record, "position"), 0, INT64_MAX, &position);
}

static void load_one(struct vmv_qga_files *f, const char *name, uint64_t now_ms)
{
	struct file *to = &f->list[f->n];
	struct json_object *record = NULL;
	char *text = NULL;
	size_t cap = 0;
	uint64_t handle;
	int len;

	if (f->n == VMV_QGA_FILES || !parse_handle(name, &handle)) {
		(void)unlinkat(f->dir, name, 0);
		return;
	}
	len = vmv_read_table_at(f->dir, name, &text, &cap, RECORD_MAX + 1);
	if (len > 0 && vmv_json_parse(text, (size_t)len, &record, NULL) == 0 && is_record(record)) {
		*to = (struct file){ .handle = handle, .used_ms = now_ms, .record = record };
		f->n++;
	} else {
		json_object_put(record);
		(void)unlinkat(f->dir, name, 0);
	}
	free(text);
	if (handle >= f->next) /* should the counter be lost */
		f->next = handle + 1;
}

static int is_own(const struct dirent *d)
{
	return d->d_name[0] != '.' && strcmp(d->d_name, NEXT_NAME) != 0;
}

static void load(struct vmv_qga_files *f, uint64_t now_ms)
{
	struct dirent **names = NULL;
	char text[NAME_SIZE];
	int n;

	f->next = VMV_QGA_HANDLE_MIN;
	if (vmv_read_at(f->dir, NEXT_NAME, text, sizeof(text)) < 0 || !parse_handle(text, &f->next))
		f->next = VMV_QGA_HANDLE_MIN;
	n = scandirat(f->dir, ".", &names, is_own, alphasort);
	for (int i = 0; i < n; i++) {
		load_one(f, names[i]->d_name, now_ms);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int vmv_qga_files_open(struct vmv_qga_files **ret, const char *run_dir, uint64_t now_ms,
		       struct vmv_err *err)
{
	vmv_autoclose int run = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct vmv_qga_files *f;
	int dir;

	if (run < 0 || (mkdirat(run, DIR_NAME, 0700) < 0 && errno != EEXIST))
		return vmv_fail(err, VMV_E_IO, errno, "%s/" DIR_NAME ": %s", run_dir,
				strerror(errno));
	dir = openat(run, DIR_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return vmv_fail(err, VMV_E_IO, errno, "%s/" DIR_NAME ": %s", run_dir,
				strerror(errno));
	f = calloc(1, sizeof(*f));
	if (!f) {
		(void)close(dir);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	f->dir = dir;
	load(f, now_ms);
	*ret = f;
	return 0;
}

void vmv_qga_files_free(struct vmv_qga_files *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		json_object_put(f->list[i].record);
	(void)close(f->dir);
	free(f);
}

/* -- the table ----------------------------------------------------------------------------------
 */

static struct file *unused_longest(struct vmv_qga_files *f)
{
	struct file *found = NULL;

	for (size_t i = 0; i < f->n; i++)
		if (!found || f->list[i].used_ms < found->used_ms)
			found = &f->list[i];
	return found;
}

/* Clients that came and went without closing must not lock out those that come. */
int vmv_qga_files_room(struct vmv_qga_files *f, size_t n, uint64_t now_ms, struct vmv_err *err)
{
	while (f->n + n > VMV_QGA_FILES) {
		const struct file *old = unused_longest(f);

		if (!old || now_ms - old->used_ms < VMV_QGA_CHILD_MS)
			return vmv_fail(err, VMV_E_BUSY, EBUSY, "too many files are open");
		vmv_log(VMV_LOG_NOTICE, SUBSYS,
			"handle %" PRIu64 " was not used for an hour, and makes room", old->handle);
		vmv_qga_files_remove(f, old->handle);
	}
	return 0;
}

int vmv_qga_files_add(struct vmv_qga_files *f, struct json_object *record, uint64_t now_ms,
		      uint64_t *ret, struct vmv_err *err)
{
	struct file *to = &f->list[f->n];
	int r;

	if (!is_record(record))
		return vmv_fail(err, VMV_E_IO, EINVAL, "the file that was opened is not told");
	if (f->n == VMV_QGA_FILES || f->next > HANDLE_MAX)
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "too many files are open");
	*to = (struct file){ .handle = f->next, .used_ms = now_ms, .record = record };
	r = save_next(f, f->next + 1); /* first: a number is never given twice */
	if (r == 0)
		r = save(f, to);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "the open file cannot be noted: %s",
				strerror(-r));
	(void)json_object_get(record);
	f->next++;
	f->n++;
	*ret = to->handle;
	return 0;
}

struct json_object *vmv_qga_files_find(struct vmv_qga_files *f, int64_t handle, uint64_t now_ms,
				       struct vmv_err *err)
{
	struct file *file = handle < 0 ? NULL : find(f, (uint64_t)handle);

	if (!file) {
		(void)vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "handle '%lld' has not been found",
			       (long long)handle);
		return NULL;
	}
	file->used_ms = now_ms;
	return file->record;
}

void vmv_qga_files_move(struct vmv_qga_files *f, uint64_t handle, int64_t position)
{
	const struct file *file = find(f, handle);
	struct json_object *v = file ? json_object_new_int64(position) : NULL;
	int r = -ENOMEM;

	if (!file)
		return;
	if (v && json_object_object_add(file->record, "position", v) < 0)
		json_object_put(v);
	else if (v)
		r = save(f, file);
	if (r < 0)
		vmv_log(VMV_LOG_WARNING, SUBSYS, "handle %" PRIu64 ": its position is lost: %s",
			handle, strerror(-r));
}

void vmv_qga_files_remove(struct vmv_qga_files *f, uint64_t handle)
{
	struct file *file = find(f, handle);
	char name[NAME_SIZE];

	if (!file)
		return;
	name_of(handle, name);
	(void)unlinkat(f->dir, name, 0);
	json_object_put(file->record);
	*file = f->list[--f->n];
}

size_t vmv_qga_files_count(const struct vmv_qga_files *f)
{
	return f->n;
}
