#include "execd/jobs_impl.h"
#include "proto/json_write.h"

#include <errno.h>
#include <string.h>

static const char *const state_words[] = {
	[JOB_QUEUED] = "queued",	   [JOB_RUNNING] = "running",
	[JOB_FINISHED] = "finished",	   [JOB_CANCELLED] = "cancelled",
	[JOB_INTERRUPTED] = "interrupted",
};

static bool is_cancellable(const struct entry *e)
{
	return e->state == JOB_QUEUED ||
	       (e->state == JOB_RUNNING && !(e->command->flags & VMV_COMMAND_FINISHES));
}

static void write_entry(struct vmv_jw *w, const struct entry *e)
{
	struct vmv_execd *x = e->jobs->execd;
	uint64_t now = vmv_execd_now_ms(x), totals[2] = { e->totals[0], e->totals[1] };
	bool is_over = e->state > JOB_RUNNING;
	char stamp[VMV_STAMP_SIZE];

	if (e->job)
		vmv_job_counts(e->job, totals);
	vmv_stamp(e->started_real_ms, stamp);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "id", e->id);
	vmv_jw_str(w, "action", e->script_copy.id ? "Script" : e->command->name);
	vmv_jw_str(w, "state", state_words[e->state]);
	vmv_jw_str(w, "started_at", e->started_real_ms ? stamp : NULL);
	vmv_jw_u64(w, "elapsed_ms", (is_over ? e->ended_ms : now) - e->began_ms);
	if (is_over)
		vmv_jw_null(w, "deadline_in_ms");
	else
		vmv_jw_u64(w, "deadline_in_ms", e->end_ms > now ? e->end_ms - now : 0);
	vmv_jw_bool(w, "cancellable", is_cancellable(e));
	vmv_jw_u64(w, "output_bytes", totals[0] + totals[1]);
	if (e->response)
		vmv_jw_raw(w, "response", e->response, e->response_len);
	else
		vmv_jw_null(w, "response");
	vmv_jw_close(w);
}

static void write_asked(struct vmv_jw *w, const struct entry *e, const char *id, bool *is_found,
			bool *is_cut)
{
	struct vmv_jw_mark mark = vmv_jw_mark(w);

	if (id && strcmp(e->id, id) != 0)
		return;
	*is_found = true;
	write_entry(w, e);
	if (w->error == -EFBIG || vmv_jw_remaining(w) < VMV_JW_TAIL) {
		vmv_jw_rewind(w, mark);
		*is_cut = true;
	}
}

int vmv_jobs_status(struct vmv_jobs *js, const char *id, struct vmv_jw *w, struct vmv_err *err)
{
	bool is_found = false, is_cut = false;

	vmv_jw_open(w, NULL);
	vmv_jw_array(w, "jobs");
	for (const struct entry *e = js->over; e; e = e->next)
		write_asked(w, e, id, &is_found, &is_cut);
	for (const struct entry *e = js->first; e; e = e->next)
		write_asked(w, e, id, &is_found, &is_cut);
	vmv_jw_end(w);
	if (is_cut)
		vmv_jw_bool(w, "truncated", true);
	vmv_jw_close(w);
	if (id && !is_found)
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "no job '%.100s' is known", id);
	return 0;
}

static struct entry *find_in(struct entry *first, const char *id)
{
	struct entry *found = NULL;

	for (struct entry *e = first; e; e = e->next)
		if (strcmp(e->id, id) == 0)
			found = e; /* the newest of that id */
	return found;
}

static struct entry *find_newest(const struct vmv_jobs *js, const char *id)
{
	struct entry *live = find_in(js->first, id);

	return live ? live : find_in(js->over, id);
}

int vmv_jobs_cancel(struct vmv_jobs *js, const char *id, struct vmv_jw *w, struct vmv_err *err)
{
	struct entry *e = find_newest(js, id);
	struct vmv_err cancelled;

	if (!e)
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "no job '%.100s' is known", id);
	if (e->state == JOB_RUNNING && !is_cancellable(e))
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"%s is not ended once it has begun: half of it is worse",
				e->command->name);
	if (e->state == JOB_QUEUED) {
		(void)vmv_fail(&cancelled, VMV_E_CANCELLED, ECANCELED, "cancelled");
		vmv_jobs_refuse(e, &cancelled);
		vmv_jobs_over(e, JOB_CANCELLED);
	} else if (e->state == JOB_RUNNING) {
		vmv_job_cancel(e->job);
	}
	vmv_jw_open(w, NULL); /* what was ended last is the last to be forgotten */
	vmv_jw_str(w, "state", state_words[e->state]);
	vmv_jw_close(w);
	return 0;
}
