#include "execd/jobs_impl.h"
#include "proto/json_write.h"

#include <unistd.h>

static void write_list(struct vmv_jw *w, const char *name, const struct vmv_list *list)
{
	vmv_jw_array(w, name);
	for (size_t i = 0; i < list->n; i++)
		vmv_jw_str(w, NULL, list->items[i]);
	vmv_jw_end(w);
}

/* What files are never read or written: with what they grant, nobody would need to. */
static void write_secrets(struct vmv_jw *w, const struct vmv_execd *x)
{
	const struct vmv_execd_options *o = x->options;

	vmv_jw_array(w, "secret_paths");
	vmv_jw_str(w, NULL, o->config_dir);
	vmv_jw_str(w, NULL, o->state_dir);
	vmv_jw_str(w, NULL, o->run_dir);
	vmv_jw_str(w, NULL, o->secret_env);
	if (*x->config->secret_file)
		vmv_jw_str(w, NULL, x->config->secret_file);
	if (o->config)
		vmv_jw_str(w, NULL, o->config);
	vmv_jw_end(w);
}

static void write_settings(struct vmv_jw *w, const struct vmv_execd *x, pid_t agent)
{
	const struct vmv_execd_options *o = x->options;

	vmv_jw_open(w, "settings");
	vmv_jw_str(w, "root", o->root);
	vmv_jw_str(w, "run_dir", o->run_dir);
	vmv_jw_str(w, "state_dir", o->state_dir);
	vmv_jw_str(w, "config_dir", o->config_dir);
	write_list(w, "run_as_allow", &x->config->run_as_allow);
	write_list(w, "file_roots", &x->config->file_roots);
	write_secrets(w, x);
	vmv_jw_u64(w, "temp_age_days", x->config->temp_age_days);
	vmv_jw_int(w, "executor", getpid());
	vmv_jw_int(w, "agent", agent);
	vmv_jw_close(w);
}

/* A script is a raw command that came in another message. */
static void write_script(struct vmv_jw *w, const struct vmv_jobs_script *s)
{
	vmv_jw_open(w, "message");
	vmv_jw_str(w, "type", vmv_raw_command.name);
	vmv_jw_str(w, "id", "script");
	vmv_jw_str(w, "raw_command", s->text);
	vmv_jw_str(w, "shell", s->shell);
	vmv_jw_str(w, "run_as", s->run_as);
	vmv_jw_close(w);
}

static const char *kind_of(const struct entry *e)
{
	if (e->is_qga)
		return "qga";
	return e->command == &vmv_raw_command ? "raw" : "action";
}

int vmv_jobs_describe(const struct entry *e, uint64_t deadline_ms, const char *group,
		      struct vmv_jw *w)
{
	const struct vmv_execd *x = e->jobs->execd;

	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "kind", kind_of(e));
	if (e->script)
		write_script(w, e->script);
	else
		vmv_jw_raw(w, "message", e->payload, e->payload_len);
	if (deadline_ms == VMV_JOB_NEVER)
		vmv_jw_null(w, "deadline_ms");
	else
		vmv_jw_u64(w, "deadline_ms", deadline_ms);
	vmv_jw_str(w, "group", group);
	write_settings(w, x, e->to.peer ? e->to.peer->pid : 0);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

int vmv_jobs_describe_after(const struct vmv_jobs *js, struct vmv_jw *w)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "kind", "after");
	vmv_jw_str(w, "after", js->after.what->word);
	vmv_jw_bool(w, "forced", js->after.is_forced);
	vmv_jw_null(w, "deadline_ms");
	vmv_jw_null(w, "group");
	write_settings(w, js->execd, 0);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}
