#include "tests/lib/jobs.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "proto/json_write.h"

#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct event_base *jobs_base;

void jobs_up(void)
{
	jobs_base = event_base_new();
	ck_assert_ptr_nonnull(jobs_base);
}

void jobs_down(void)
{
	event_base_free(jobs_base);
	jobs_base = NULL;
}

/* -- descriptions --------------------------------------------------------------------------- */

char *jobs_describe(const char *kind, const char *message, const char *group,
		    const char *run_as_allow)
{
	struct vmv_jw w;
	char *text;

	vmv_jw_init(&w, 32 * VMV_MIB);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "kind", kind);
	vmv_jw_raw(&w, "message", message, strlen(message));
	vmv_jw_null(&w, "deadline_ms");
	vmv_jw_str(&w, "group", group);
	vmv_jw_open(&w, "settings");
	vmv_jw_str(&w, "root", "/");
	vmv_jw_str(&w, "run_dir", "/run/vmvitals/execd");
	vmv_jw_str(&w, "state_dir", "/var/lib/vmvitals");
	vmv_jw_str(&w, "config_dir", "/etc/vmvitals");
	vmv_jw_raw(&w, "run_as_allow", run_as_allow, strlen(run_as_allow));
	vmv_jw_raw(&w, "file_roots", "[\"/\"]", 5);
	vmv_jw_raw(&w, "secret_paths", "[]", 2);
	vmv_jw_int(&w, "temp_age_days", 10);
	vmv_jw_int(&w, "executor", getpid());
	vmv_jw_int(&w, "agent", 0);
	vmv_jw_close(&w);
	vmv_jw_close(&w);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	text = strndup(w.buf.data, w.buf.len);
	vmv_jw_free(&w);
	ck_assert_ptr_nonnull(text);
	return text;
}

char *jobs_raw(const char *command, const char *extra, const char *group)
{
	struct vmv_jw w;
	char *message, *text;

	vmv_jw_init(&w, 32 * VMV_MIB);
	vmv_jw_str(&w, NULL, command);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	ck_assert_int_gt(
		asprintf(&message,
			 "{\"type\":\"UnsafeCommand\",\"id\":\"1\",\"raw_command\":%.*s%s}",
			 (int)w.buf.len, w.buf.data, extra),
		0);
	vmv_jw_free(&w);
	text = jobs_describe("raw", message, group, "[]");
	free(message);
	return text;
}

char *jobs_action(const char *action, const char *params, const char *group)
{
	char *message, *text;

	ck_assert_int_gt(asprintf(&message,
				  "{\"type\":\"SafeCommand\",\"id\":\"1\",\"command_type\":{"
				  "\"action\":\"%s\",\"params\":%s}}",
				  action, params),
			 0);
	text = jobs_describe("action", message, group, "[]");
	free(message);
	return text;
}

/* -- runs ----------------------------------------------------------------------------------- */

static void keep(struct vmv_buf *b, const char *data, size_t len)
{
	b->max = 64 * VMV_MIB;
	ck_assert_int_eq(vmv_buf_add(b, data, len), 0);
}

static void on_output(void *arg, int stream, const char *data, size_t len)
{
	struct ran *r = arg;

	ck_assert(stream == 1 || stream == 2);
	ck_assert_uint_gt(len, 0);
	if (r->n_output < VMV_COUNTOF(r->sizes))
		r->sizes[r->n_output] = len;
	r->n_output++;
	r->n_streamed += len;
	if (len > r->longest)
		r->longest = len;
	if (r->streamed[stream - 1].len < VMV_MIB)
		keep(&r->streamed[stream - 1], data, len);
	if (r->pause_after > 0 && r->n_output == r->pause_after)
		vmv_job_pause(r->job, true);
}

static void on_late(void *arg)
{
	struct ran *r = arg;

	r->n_late++;
	r->late_ms = vmv_mono_ms(&vmv_clock_system) - r->started_ms;
}

static void on_ended(void *arg, const struct vmv_job_end *end)
{
	struct ran *r = arg;

	r->n_ended++;
	r->has_ended = true;
	r->ended_ms = vmv_mono_ms(&vmv_clock_system) - r->started_ms;
	r->end = *end;
	keep(&r->out, end->out.data, end->out.len);
	keep(&r->err, end->err.data, end->err.len);
	keep(&r->result, end->result, end->result_len);
	keep(&r->out, "", 1);
	keep(&r->err, "", 1);
	keep(&r->result, "", 1);
	vmv_job_free(r->job);
	r->job = NULL;
}

static uint64_t moment(uint64_t now, uint64_t ms)
{
	return ms > 0 ? now + ms : VMV_JOB_NEVER;
}

void jobs_start(struct ran *r, const char *description, size_t len, const struct how *how)
{
	char own[PATH_MAX] = "";
	uint64_t now = vmv_mono_ms(&vmv_clock_system);
	struct vmv_err err = { 0 };
	unsigned pause_after = r->pause_after;

	if (!how->program) {
		ck_assert_ptr_nonnull(getcwd(own, sizeof(own) - 20));
		(void)stpcpy(own + strlen(own), "/vmvitals-job");
	}
	*r = (struct ran){
		.calls = { .output = on_output, .late = on_late, .ended = on_ended },
		.started_ms = now,
		.pause_after = pause_after,
	};
	const struct vmv_job_spec spec = {
		.program = how->program ? how->program : own,
		.description = description,
		.description_len = len,
		.group = how->group,
		.term_at_ms = moment(now, how->term_ms),
		.kill_at_ms = moment(now, how->kill_ms),
		.late_at_ms = moment(now, how->late_ms),
		.output_max = how->output_max ? how->output_max : VMV_MIB,
		.raw_left = how->raw_left,
		.is_streamed = how->is_streamed,
		.stream_max = how->stream_max ? how->stream_max : 64 * VMV_MIB,
	};
	ck_assert_msg(vmv_job_start(&r->job, jobs_base, &vmv_clock_system, &spec, &r->calls, r,
				    &err) == 0,
		      "%s", err.msg);
	ck_assert_uint_eq(r->n_ended, 0);
}

static void nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void jobs_until(bool (*is_true)(void *arg), void *arg)
{
	uint64_t until = vmv_mono_ms(&vmv_clock_system) + JOBS_PATIENCE_MS;
	struct timeval tick = { .tv_usec = 5000 };
	struct event *e = event_new(jobs_base, -1, EV_PERSIST, nothing, NULL);

	(void)event_add(e, &tick);
	while (!is_true(arg)) {
		ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system), until);
		(void)event_base_loop(jobs_base, EVLOOP_ONCE);
	}
	event_free(e);
}

static bool has_ended(void *arg)
{
	return ((struct ran *)arg)->has_ended;
}

void jobs_wait(struct ran *r)
{
	jobs_until(has_ended, r);
	ck_assert_uint_eq(r->n_ended, 1);
}

static bool has_come(void *arg)
{
	return vmv_mono_ms(&vmv_clock_system) >= *(uint64_t *)arg;
}

void jobs_for(unsigned ms)
{
	uint64_t until = vmv_mono_ms(&vmv_clock_system) + ms;

	jobs_until(has_come, &until);
}

void jobs_run(struct ran *r, char *description, const struct how *how)
{
	jobs_start(r, description, strlen(description), how);
	free(description);
	jobs_wait(r);
}

void ran_free(struct ran *r)
{
	vmv_job_free(r->job);
	vmv_buf_free(&r->out);
	vmv_buf_free(&r->err);
	vmv_buf_free(&r->result);
	vmv_buf_free(&r->streamed[0]);
	vmv_buf_free(&r->streamed[1]);
	*r = (struct ran){ 0 };
}

/* -- processes ------------------------------------------------------------------------------ */

bool is_alive(long pid)
{
	char path[64], text[512];
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (vmv_read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	at = strrchr(text, ')');
	return at && at[1] == ' ' && !strchr("ZX", at[2]);
}

static bool has_pid(void *arg)
{
	char text[32];
	const char *path = arg;
	int n = vmv_read_at(AT_FDCWD, path, text, sizeof(text));

	return n > 1 && text[n - 1] == '\n';
}

long pid_in(const char *path)
{
	char text[32], copy[PATH_MAX];
	uint64_t pid;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	jobs_until(has_pid, copy);
	ck_assert_int_gt(vmv_read_at(AT_FDCWD, path, text, sizeof(text)), 0);
	ck_assert_int_eq(vmv_parse_u64(text, &pid, NULL), 0);
	return (long)pid;
}
