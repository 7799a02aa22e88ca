#include "tests/lib/acting.h"

#include "base/limits.h"
#include "commands/command.h"
#include "commands/qga.h"
#include "job/qga.h"
#include "proto/json_read.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void acting_up(struct acting *x, const struct fixture *fx)
{
	static const char *const roots[] = { "/" };

	*x = (struct acting){ 0 };
	(void)snprintf(x->run_dir, sizeof(x->run_dir), "%s/run-execd", fx->dir);
	(void)snprintf(x->config_dir, sizeof(x->config_dir), "%s/etc/vmvitals", fx->dir);
	(void)snprintf(x->state_dir, sizeof(x->state_dir), "%s/var/lib/vmvitals-execd", fx->dir);
	x->settings = (struct vmv_job_settings){
		.root = fx->dir,
		.run_dir = x->run_dir,
		.state_dir = x->state_dir,
		.config_dir = x->config_dir,
		.file_roots = roots,
		.n_file_roots = 1,
		.temp_age_days = 10,
		.executor = getpid(),
	};
}

static void forget(struct acting *x)
{
	json_object_put(x->data);
	json_object_put(x->message);
	vmv_jw_free(&x->action.data);
	x->data = x->message = NULL;
	x->action = (struct vmv_action){ 0 };
	x->err = (struct vmv_err){ 0 };
}

void acting_down(struct acting *x)
{
	forget(x);
}

int acting_run(struct acting *x, const char *action, const char *arguments)
{
	const struct vmv_action_row *row = vmv_action_find(action);
	const struct vmv_command *c = vmv_command_find(action);
	size_t cap = strlen(arguments) + 128;
	char *text = malloc(cap);
	int r;

	forget(x);
	ck_assert_ptr_nonnull(row);
	ck_assert_ptr_nonnull(text);
	(void)snprintf(text, cap,
		       "{\"type\":\"SafeCommand\",\"command_type\":{\"action\":\"%s\"},"
		       "\"params\":%s}",
		       action, arguments);
	ck_assert_int_eq(vmv_json_parse(text, strlen(text), &x->message, NULL), 0);
	free(text);
	r = vmv_command_args(c, x->message, x->args, &x->err);
	ck_assert_msg(r == 0, "%s", x->err.msg);
	x->action = (struct vmv_action){ .command = c,
					 .args = x->args,
					 .message = x->message,
					 .settings = &x->settings,
					 .deadline_ms = UINT64_MAX };
	vmv_jw_init(&x->action.data, VMV_JOB_RESULT_MAX);
	r = row->run(&x->action, &x->err);
	if (r < 0)
		ck_assert_int_ne(x->err.code, VMV_OK);
	if (x->action.data.buf.len > 0) {
		ck_assert_int_eq(vmv_jw_finish(&x->action.data), 0);
		ck_assert_int_eq(vmv_json_parse(x->action.data.buf.data, x->action.data.buf.len,
						&x->data, &x->err),
				 0);
	}
	return r;
}

int acting_run_qga(struct acting *x, const char *command, const char *arguments,
		   const char *members)
{
	const struct vmv_action_row *row = vmv_qga_action_find(command);
	const struct vmv_command *c = vmv_qga_find(command);
	size_t cap = strlen(arguments) + strlen(members) + 128;
	uint64_t deadline_ms = x->deadline_ms ? x->deadline_ms : UINT64_MAX;
	char *text = malloc(cap);
	int r;

	forget(x);
	ck_assert(row != NULL && c != NULL && text != NULL);
	(void)snprintf(text, cap, "{\"command\":\"%s\",\"arguments\":%s%s%s}", command, arguments,
		       *members ? "," : "", members);
	ck_assert_int_eq(vmv_json_parse_own(text, strlen(text), 16, &x->message, NULL), 0);
	free(text);
	r = vmv_qga_args(c, vmv_json_get(x->message, "arguments"), x->args, &x->err);
	ck_assert_msg(r == 0, "%s", x->err.msg);
	x->action = (struct vmv_action){ .command = c,
					 .args = x->args,
					 .message = x->message,
					 .settings = &x->settings,
					 .deadline_ms = deadline_ms };
	vmv_jw_init(&x->action.data, VMV_JOB_RESULT_MAX);
	r = row->run(&x->action, &x->err);
	if (r < 0)
		ck_assert_int_ne(x->err.code, VMV_OK);
	if (x->action.data.buf.len > 0) {
		ck_assert_int_eq(vmv_jw_finish(&x->action.data), 0);
		x->data = json_tokener_parse(x->action.data.buf.data);
		ck_assert_ptr_nonnull(x->data);
	}
	return r;
}

const char *acting_text(const struct acting *x)
{
	return x->data ? json_object_to_json_string_ext(
				 x->data, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
		       : "";
}

struct json_object *acting_get(const struct acting *x, const char *name)
{
	struct json_object *v;

	ck_assert_ptr_nonnull(x->data);
	ck_assert_msg(json_object_object_get_ex(x->data, name, &v), "no '%s'", name);
	return v;
}

int64_t acting_int(const struct acting *x, const char *name)
{
	struct json_object *v = acting_get(x, name);

	ck_assert_msg(json_object_is_type(v, json_type_int), "'%s' is no integer", name);
	return json_object_get_int64(v);
}

double acting_num(const struct acting *x, const char *name)
{
	double v = vmv_json_num(acting_get(x, name));

	ck_assert_msg(!(v != v), "'%s' is no number", name);
	return v;
}

const char *acting_str(const struct acting *x, const char *name)
{
	struct json_object *v = acting_get(x, name);

	ck_assert_msg(json_object_is_type(v, json_type_string), "'%s' is no string", name);
	return json_object_get_string(v);
}

bool acting_bool(const struct acting *x, const char *name)
{
	struct json_object *v = acting_get(x, name);

	ck_assert_msg(json_object_is_type(v, json_type_boolean), "'%s' is no boolean", name);
	return json_object_get_boolean(v);
}
