#include "host/inquiries.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "host/cli.h"
#include "host/client.h"
#include "host/tables.h"
#include "host/text.h"
#include "host/verbs.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

static void clientp(struct vmv_client **c)
{
	vmv_client_free(*c);
}

#define autoput	   VMV_CLEANUP(putp)
#define autoclient VMV_CLEANUP(clientp)
#define autotext   VMV_CLEANUP(vmv_text_free)
#define autojw	   VMV_CLEANUP(vmv_jw_free)

/* The data of an answer, which must be an object. */
static int ask(const struct vmv_cli *cli, struct vmv_client *c, const char *action,
	       const struct vmv_client_arg *args, struct json_object **ret, struct vmv_err *err)
{
	autoput struct json_object *data = NULL;
	int r = vmv_client_call(c, action, args, vmv_verb_deadline(cli), &data, err);

	if (r < 0)
		return r;
	if (!json_object_is_type(data, json_type_object))
		return vmv_fail(err, VMV_E_PARSE, EPROTO, "%s: the answer holds no object", action);
	*ret = VMV_TAKE(data, NULL);
	return 0;
}

static enum vmv_exit print_table(const struct vmv_cli *cli, struct json_object *data,
				 void (*table)(struct json_object *data, struct vmv_text *out))
{
	autotext struct vmv_text t;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	if (cli->options->is_json)
		vmv_text_json(&t, data);
	else
		table(data, &t);
	return vmv_cli_print(cli, &t);
}

/* -- describe, state, health ------------------------------------------------------------------- */

static int ask_once(const struct vmv_cli *cli, const char *action, struct json_object **ret,
		    struct vmv_err *err)
{
	autoclient struct vmv_client *c = NULL;
	int r = vmv_verb_connect(cli, -1, &c, err);

	return r < 0 ? r : ask(cli, c, action, NULL, ret, err);
}

enum vmv_exit vmv_run_describe(const struct vmv_cli *cli)
{
	autoput struct json_object *data = NULL;
	struct vmv_err err;

	if (ask_once(cli, "Describe", &data, &err) < 0)
		return vmv_cli_fail(&err);
	return print_table(cli, data, vmv_table_describe);
}

enum vmv_exit vmv_run_state(const struct vmv_cli *cli)
{
	autoput struct json_object *data = NULL;
	struct vmv_err err;

	if (ask_once(cli, "GetState", &data, &err) < 0)
		return vmv_cli_fail(&err);
	return print_table(cli, data, vmv_table_state);
}

static enum vmv_exit exit_of_status(const char *status)
{
	static const struct {
		const char *status;
		enum vmv_exit exit;
	} exits[] = {
		{ "passed", VMV_EXIT_OK },
		{ "warning", VMV_EXIT_WARNING },
		{ "failed", VMV_EXIT_FAILED },
	};

	for (size_t i = 0; status && i < VMV_COUNTOF(exits); i++)
		if (strcmp(exits[i].status, status) == 0)
			return exits[i].exit;
	return VMV_EXIT_UNKNOWN;
}

enum vmv_exit vmv_run_health(const struct vmv_cli *cli)
{
	autoput struct json_object *data = NULL;
	enum vmv_exit printed;
	struct vmv_err err;

	if (ask_once(cli, "GetHealth", &data, &err) < 0)
		return vmv_cli_fail(&err);
	printed = print_table(cli, data, vmv_table_health);
	return printed == VMV_EXIT_OK ? exit_of_status(vmv_json_str(data, "status")) : printed;
}

/* -- samples ----------------------------------------------------------------------------------- */

/* The operands behind the verb as a JSON array, NUL-terminated; null when there is none. */
static int write_groups(const struct vmv_cli *cli, struct vmv_jw *w, struct vmv_err *err)
{
	const struct vmv_options *o = cli->options;

	if (o->n_operands < 2) {
		vmv_jw_null(w, NULL);
	} else {
		vmv_jw_array(w, NULL);
		for (size_t i = 1; i < o->n_operands; i++)
			vmv_jw_str(w, NULL, o->operands[i]);
		vmv_jw_end(w);
	}
	if (vmv_jw_finish(w) < 0 || vmv_buf_add(&w->buf, "", 1) < 0)
		return vmv_fail(err, VMV_E_RANGE, E2BIG, "the names of the groups are too long");
	return 0;
}

/* *groups, what Describe says of them, only where a table is made. */
static int ask_samples(const struct vmv_cli *cli, const char *names, struct json_object **groups,
		       struct json_object **data, struct vmv_err *err)
{
	const struct vmv_client_arg what[] = { { "what", "[\"groups\"]" }, { NULL, NULL } };
	const struct vmv_client_arg which[] = { { "groups", names }, { NULL, NULL } };
	autoclient struct vmv_client *c = NULL;
	int r = vmv_verb_connect(cli, -1, &c, err);

	if (r == 0 && !cli->options->is_json)
		r = ask(cli, c, "Describe", what, groups, err);
	if (r == 0)
		r = ask(cli, c, "GetSamples", which, data, err);
	return r;
}

/* An argument that the agent does not take is the name of a group, as it was typed. */
static enum vmv_exit fail_samples(const struct vmv_err *err)
{
	enum vmv_exit status = vmv_cli_fail(err);

	return err->code == VMV_E_PARSE && err->sys == EINVAL ? VMV_EXIT_USAGE : status;
}

enum vmv_exit vmv_run_samples(const struct vmv_cli *cli)
{
	autoput struct json_object *description = NULL;
	autoput struct json_object *data = NULL;
	autotext struct vmv_text t;
	autojw struct vmv_jw names;
	struct vmv_err err;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	vmv_jw_init(&names, 16 * VMV_KIB);
	if (write_groups(cli, &names, &err) < 0 ||
	    ask_samples(cli, names.buf.data, &description, &data, &err) < 0)
		return fail_samples(&err);
	if (cli->options->is_json)
		vmv_text_json(&t, data);
	else
		vmv_table_samples(vmv_json_get(description, "groups"), data, &t);
	return vmv_cli_print(cli, &t);
}

void vmv_help_samples(struct vmv_text *t)
{
	static const struct {
		const char *name, *help;
		bool is_default;
	} groups[] = {
#include "host/groups.inc"
	};

	vmv_text_add(t, "\nGroups of this version (* those that are read when none is named):\n");
	for (size_t i = 0; i < VMV_COUNTOF(groups); i++)
		vmv_text_fmt(t, " %c %-18s  %s\n", groups[i].is_default ? '*' : ' ', groups[i].name,
			     groups[i].help);
}
