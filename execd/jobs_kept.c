#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/root.h"
#include "execd/jobs_impl.h"
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

#define SUBSYS	    "jobs"
#define DIR_NAME    "done"
#define NAME_SIZE   48
#define HEADER_MAX  1024
#define FILE_MAX    (HEADER_MAX + VMV_RESPONSE_MAX)
#define SCRIPT_NAME "Script"

/* What is over is told for an hour, by whatever process is the executor then: each is a file, named
 * by the time of its end, of one line about the job and one that is its answer. Lies on a tmpfs,
 * and so is of this boot, in which monotonic times are good. */

static void name_of(const struct entry *e, char ret[NAME_SIZE])
{
	(void)snprintf(ret, NAME_SIZE, "%020" PRIu64 "-%u", e->ended_ms, e->number);
}

/* -- writing ------------------------------------------------------------------------------------
 */

static int write_header(const struct entry *e, struct vmv_jw *w)
{
	vmv_jw_init(w, HEADER_MAX);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "id", e->id);
	vmv_jw_str(w, "action", e->script_copy.id ? SCRIPT_NAME : e->command->name);
	vmv_jw_int(w, "state", e->state);
	vmv_jw_int(w, "started", e->started_real_ms);
	vmv_jw_u64(w, "began", e->began_ms);
	vmv_jw_u64(w, "ended", e->ended_ms);
	vmv_jw_int(w, "number", e->number);
	vmv_jw_u64(w, "stdout", e->totals[0]);
	vmv_jw_u64(w, "stderr", e->totals[1]);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

void vmv_kept_add(const struct entry *e)
{
	char name[NAME_SIZE];
	struct vmv_jw header;
	int dir = e->jobs->kept;
	vmv_autoclose int fd = -1;

	name_of(e, name);
	if (write_header(e, &header) == 0)
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || !write_all(fd, header.buf.data, header.buf.len) || !write_all(fd, "\n", 1) ||
	    !write_all(fd, e->response ? e->response : "", e->response_len)) {
		vmv_log(VMV_LOG_WARNING, SUBSYS, "%s: its answer is not kept: %s", e->id,
			strerror(errno));
		(void)unlinkat(dir, name, 0);
	}
	vmv_jw_free(&header);
}

void vmv_kept_remove(const struct entry *e)
{
	char name[NAME_SIZE];

	name_of(e, name);
	(void)unlinkat(e->jobs->kept, name, 0);
}

/* -- reading ------------------------------------------------------------------------------------
 */

static bool take_u64(struct json_object *from, const char *name, uint64_t *ret)
{
	int64_t v;

	if (!vmv_json_int(vmv_json_get(from, name), 0, INT64_MAX, &v))
		return false;
	*ret = (uint64_t)v;
	return true;
}

static const struct vmv_command *command_of(const char *action)
{
	const struct vmv_command *c = vmv_command_find(action);

	return c ? c : &vmv_raw_command; /* a script is one, too */
}

static bool take_header(struct entry *e, struct json_object *h)
{
	const char *id = vmv_json_str(h, "id"), *action = vmv_json_str(h, "action");
	uint64_t state, number;
	int64_t started;

	if (!id || !action || strlen(id) >= sizeof(e->id) || !take_u64(h, "state", &state) ||
	    state <= JOB_RUNNING || state > JOB_INTERRUPTED || !take_u64(h, "number", &number) ||
	    !vmv_json_int(vmv_json_get(h, "started"), 0, INT64_MAX, &started) ||
	    !take_u64(h, "began", &e->began_ms) || !take_u64(h, "ended", &e->ended_ms) ||
	    !take_u64(h, "stdout", &e->totals[0]) || !take_u64(h, "stderr", &e->totals[1]))
		return false;
	memcpy(e->id, id, strlen(id) + 1);
	e->command = command_of(action);
	if (strcmp(action, SCRIPT_NAME) == 0)
		e->script_copy.id = e->id;
	e->state = (enum job_state)state;
	e->number = (unsigned)number;
	e->started_real_ms = started;
	return true;
}

/* text: the whole file. NULL: it is none of ours, or memory is out. */
static struct entry *parse(struct vmv_jobs *js, const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);
	size_t header_len = end ? (size_t)(end - text) : len;
	struct entry *e = calloc(1, sizeof(*e));
	struct json_object *header = NULL;
	bool is_good;

	if (!e || !end || vmv_json_parse(text, header_len, &header, NULL) < 0) {
		free(e);
		return NULL;
	}
	e->jobs = js;
	is_good = take_header(e, header);
	json_object_put(header);
	if (is_good && len > header_len + 1)
		e->response = strndup(end + 1, len - header_len - 1);
	e->response_len = e->response ? len - header_len - 1 : 0;
	if (!is_good) {
		free(e->response);
		free(e);
		return NULL;
	}
	return e;
}

static void load_one(struct vmv_jobs *js, const char *name)
{
	char *text = NULL;
	size_t cap = 0;
	int len = vmv_read_table_at(js->kept, name, &text, &cap, FILE_MAX);
	struct entry *e = len > 0 ? parse(js, text, (size_t)len) : NULL;

	free(text);
	if (!e) {
		(void)unlinkat(js->kept, name, 0);
		return;
	}
	*js->last_over = e;
	js->last_over = &e->next;
	js->n_finished++;
	js->kept_bytes += e->response_len;
}

static int is_file(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void load_all(struct vmv_jobs *js)
{
	struct dirent **names;
	int n = scandirat(js->kept, ".", &names, is_file, alphasort); /* by the time of their end */

	for (int i = 0; i < n; i++) {
		load_one(js, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int vmv_kept_open(struct vmv_jobs *js, struct vmv_err *err)
{
	const char *run_dir = js->execd->options->run_dir;
	vmv_autoclose int run = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (run < 0 || (mkdirat(run, DIR_NAME, 0700) < 0 && errno != EEXIST))
		return vmv_fail(err, VMV_E_IO, errno, "%s/" DIR_NAME ": %s", run_dir,
				strerror(errno));
	js->kept = openat(run, DIR_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (js->kept < 0)
		return vmv_fail(err, VMV_E_IO, errno, "%s/" DIR_NAME ": %s", run_dir,
				strerror(errno));
	load_all(js);
	return 0;
}
