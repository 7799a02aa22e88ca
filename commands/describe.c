#include "reports/describe.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "collectors/collector.h"
#include "commands/families.h"
#include "commands/judge.h"
#include "commands/request.h"
#include "commands/words.h"
#include "proto/json_write.h"
#include "reports/hello.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <strings.h>

enum part { GROUPS, ACTIONS, EVENTS, N_PARTS };

static const char *const part_names[] = {
	[GROUPS] = "groups",
	[ACTIONS] = "actions",
	[EVENTS] = "events",
};

/* What the argument is when the host leaves it out. */
static void write_default(struct vmv_jw *w, const struct vmv_arg *a)
{
	if (!a->is_required && (a->type == VMV_ARG_INT || a->type == VMV_ARG_NUM) &&
	    a->fallback >= a->min)
		vmv_jw_int(w, "default", a->fallback);
	else if (!a->is_required && a->type == VMV_ARG_BOOL)
		vmv_jw_bool(w, "default", a->fallback != 0);
	else if (!a->is_required && a->type == VMV_ARG_ENUM)
		vmv_jw_str(w, "default", a->choices[a->fallback]);
	else
		vmv_jw_null(w, "default");
}

/* Its help, with limits and with what absence means: they have no members of their own. */
static void write_help(struct vmv_jw *w, const struct vmv_arg *a)
{
	char limits[VMV_WORDS_SIZE], text[2 * VMV_WORDS_SIZE];

	(void)vmv_arg_limits(a, limits);
	(void)snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s", a->help, *limits ? " (" : "", limits,
		       *limits ? ")" : "", a->fallback_text ? "; default: " : "",
		       a->fallback_text ? a->fallback_text : "", a->alias ? "; also called " : "",
		       a->alias ? a->alias : "");
	vmv_jw_str(w, "help", text);
}

static void write_argument(struct vmv_jw *w, const struct vmv_arg *a)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", a->name);
	vmv_jw_str(w, "type", vmv_argtype_name(a->type));
	write_default(w, a);
	vmv_jw_bool(w, "required", a->is_required);
	write_help(w, a);
	vmv_jw_close(w);
}

static void write_action(struct vmv_jw *w, const struct vmv_command *c,
			 const struct vmv_policy *policy)
{
	char why[VMV_WHY_SIZE];
	bool is_enabled = vmv_command_is_enabled(policy, c, why);

	vmv_jw_open(w, c->name);
	vmv_jw_str(w, "level", vmv_level_name(c->level));
	vmv_jw_str(w, "by", vmv_doer_name(c->doer));
	vmv_jw_str(w, "help", c->help);
	vmv_jw_bool(w, "enabled", is_enabled);
	vmv_jw_str(w, "disabled_by", is_enabled ? NULL : why);
	vmv_jw_array(w, "arguments");
	for (size_t i = 0; i < c->n_args; i++)
		write_argument(w, &c->args[i]);
	vmv_jw_end(w);
	vmv_jw_close(w);
}

static size_t write_actions(struct vmv_jw *w, const struct vmv_policy *policy)
{
	vmv_jw_open(w, "actions");
	for (size_t i = 0; i < vmv_n_commands; i++)
		write_action(w, &vmv_commands[i], policy);
	write_action(w, &vmv_raw_command, policy);
	vmv_jw_close(w);
	return vmv_n_commands + 1;
}

/* Nothing here watches for events yet: none is announced. */
static size_t write_events(struct vmv_jw *w)
{
	vmv_jw_open(w, "events");
	vmv_jw_close(w);
	return 0;
}

/* Which parts are asked for; all when none is named. Returns 0, or -EINVAL with err set. */
static int parts_of(const struct vmv_value *what, bool ret[N_PARTS], struct vmv_err *err)
{
	size_t n = what->json ? json_object_array_length(what->json) : 0;

	for (size_t part = 0; part < N_PARTS; part++)
		ret[part] = n == 0;
	for (size_t i = 0; i < n; i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(what->json, i));
		size_t part = 0;

		while (part < N_PARTS && strcasecmp(word, part_names[part]) != 0)
			part++;
		if (part == N_PARTS)
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"argument 'what': there is no part '%.60s'", word);
		ret[part] = true;
	}
	return 0;
}

/* Members are always there: null for a part that was not asked for. */
static void write_parts(struct vmv_jw *w, const struct vmv_request *req, const bool wanted[N_PARTS],
			size_t counts[N_PARTS])
{
	struct vmv_policy policy;

	req->services->policy(req->session, &policy);
	for (size_t part = 0; part < N_PARTS; part++)
		if (!wanted[part])
			vmv_jw_null(w, part_names[part]);
		else if (part == GROUPS)
			counts[part] = vmv_describe_groups(w, vmv_collectors);
		else if (part == ACTIONS)
			counts[part] = write_actions(w, &policy);
		else
			counts[part] = write_events(w);
}

void vmv_run_describe(struct vmv_request *req)
{
	size_t counts[N_PARTS] = { 0 };
	struct vmv_hello hello;
	bool wanted[N_PARTS];
	struct vmv_err err;
	char text[96];
	struct vmv_jw w;

	if (parts_of(&req->args[VMV_DESCRIBE_WHAT], wanted, &err) < 0) {
		vmv_request_fail(req, &err);
		return;
	}
	req->services->hello(req->session, &hello);
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "schema", hello.schema);
	write_parts(&w, req, wanted, counts);
	vmv_jw_close(&w);
	(void)snprintf(text, sizeof(text), "%zu groups, %zu actions, %zu events", counts[GROUPS],
		       counts[ACTIONS], counts[EVENTS]);
	vmv_request_done(req, text, &w);
	vmv_jw_free(&w);
}
