#include "base/cleanup.h"
#include "base/err.h"
#include "commands/qga.h"
#include "proto/json_read.h"

#include <errno.h>
#include <json-c/json.h>
#include <json-c/json_object_iterator.h>
#include <stdio.h>
#include <string.h>

/* -- requests -----------------------------------------------------------------------------------
 */

static int unexpected(struct vmv_err *err, const char *name)
{
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "QMP input member '%.100s' is unexpected", name);
}

/* Members in their order: what comes first is complained of first. */
static int check_members(struct json_object *request, struct vmv_err *err)
{
	struct json_object_iterator at = json_object_iter_begin(request);
	struct json_object_iterator end = json_object_iter_end(request);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		struct json_object *v = json_object_iter_peek_value(&at);

		if (strcmp(name, "execute") == 0) {
			if (!json_object_is_type(v, json_type_string))
				return vmv_fail(err, VMV_E_RANGE, EINVAL,
						"QMP input member 'execute' must be a string");
		} else if (strcmp(name, "arguments") == 0) {
			if (!json_object_is_type(v, json_type_object))
				return vmv_fail(err, VMV_E_RANGE, EINVAL,
						"QMP input member 'arguments' must be an object");
		} else if (strcmp(name, "id") != 0) {
			return unexpected(err, name);
		}
	}
	return 0;
}

int vmv_qga_call(struct json_object *request, struct vmv_qga_call *ret, struct vmv_err *err)
{
	int r;

	*ret = (struct vmv_qga_call){ .name = NULL };
	if (!json_object_is_type(request, json_type_object))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "QMP input must be a JSON object");
	ret->has_id = json_object_object_get_ex(request, "id", &ret->id);
	r = check_members(request, err);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(request, "execute", NULL))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "QMP input lacks member 'execute'");
	ret->arguments = vmv_json_get(request, "arguments");
	ret->name = vmv_json_str(request, "execute"); /* NULL: it holds NUL */
	ret->command = ret->name ? vmv_qga_find(ret->name) : NULL;
	if (!ret->command)
		return vmv_fail(err, VMV_E_UNKNOWN, ENOENT, "The command %.100s has not been found",
				json_object_get_string(vmv_json_get(request, "execute")));
	return 0;
}

/* -- arguments ----------------------------------------------------------------------------------
 */

static int wrong_type(struct vmv_err *err, const char *name, const char *expected)
{
	return vmv_fail(err, VMV_E_RANGE, EINVAL,
			"Invalid parameter type for '%.100s', expected: %s", name, expected);
}

static int bad_value(struct vmv_err *err, const char *name, const char *value)
{
	return vmv_fail(err, VMV_E_RANGE, EINVAL,
			"Parameter '%.100s' does not accept value '%.100s'", name, value);
}

/* NULL: no string, or one that holds NUL. */
static const char *plain_text(struct json_object *json, size_t *len)
{
	const char *text = vmv_json_text(json, len);

	return text && strlen(text) == *len ? text : NULL;
}

/* json-c clamps what does not fit, so the text is asked. */
static bool get_int(struct json_object *json, int64_t *ret)
{
	char text[24];
	int64_t v = json_object_get_int64(json);

	if (!json_object_is_type(json, json_type_int))
		return false;
	(void)snprintf(text, sizeof(text), "%lld", (long long)v);
	if (strcmp(text, json_object_get_string(json)) != 0)
		return false; /* beyond int64 */
	*ret = v;
	return true;
}

static int check_text(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	v->text = plain_text(json, &v->len);
	if (!v->text)
		return wrong_type(err, a->name, "string");
	if ((int64_t)v->len > a->max)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter '%s' is too long", a->name);
	return 0;
}

static int check_enum(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	size_t len = 0;
	const char *text = plain_text(json, &len);

	if (!text)
		return wrong_type(err, a->name, "string");
	for (int i = 0; a->choices[i]; i++) {
		if (strcmp(a->choices[i], text) == 0) {
			v->number = i;
			return 0;
		}
	}
	return bad_value(err, a->name, text);
}

static int check_list(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	size_t n;

	if (!json_object_is_type(json, json_type_array))
		return wrong_type(err, a->name, "array");
	n = json_object_array_length(json);
	if ((int64_t)n > a->max)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter '%s' has too many elements",
				a->name);
	for (size_t i = 0; a->type == VMV_ARG_NAMES && i < n; i++) {
		char name[64];
		size_t len;

		(void)snprintf(name, sizeof(name), "%s[%zu]", a->name, i);
		if (!plain_text(json_object_array_get_idx(json, i), &len))
			return wrong_type(err, name, "string");
	}
	v->json = json;
	return 0;
}

static bool is_base64(const char *text, size_t len)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

	return len % 4 == 0 && len - n <= 2 && n + strspn(text + n, "=") == len;
}

static int check_base64(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
			struct vmv_err *err)
{
	v->text = plain_text(json, &v->len);
	if (!v->text)
		return wrong_type(err, a->name, "string");
	if (!is_base64(v->text, v->len)) /* not told: it may be a password that nobody encoded */
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter '%s' is no base64", a->name);
	if (v->len > ((size_t)a->max + 2) / 3 * 4)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter '%s' is over %lld bytes",
				a->name, (long long)a->max);
	return 0;
}

static int check_one(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		     struct vmv_err *err)
{
	switch (a->type) {
	case VMV_ARG_INT:
		return get_int(json, &v->number) ? 0 : wrong_type(err, a->name, "integer");
	case VMV_ARG_BOOL:
		if (!json_object_is_type(json, json_type_boolean))
			return wrong_type(err, a->name, "boolean");
		v->number = json_object_get_boolean(json);
		return 0;
	case VMV_ARG_ENUM:
		return check_enum(a, json, v, err);
	case VMV_ARG_TEXT:
		return check_text(a, json, v, err);
	case VMV_ARG_NAMES:
	case VMV_ARG_LIST:
		return check_list(a, json, v, err);
	case VMV_ARG_BASE64:
		return check_base64(a, json, v, err);
	case VMV_ARG_ANY:
		v->json = json;
		return 0;
	case VMV_ARG_NUM:
	case VMV_ARG_TIME:
	case VMV_ARG_MAP:
		break;
	}
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter '%s' is of no type of this protocol",
			a->name);
}

static int find_unexpected(const struct vmv_command *c, struct json_object *arguments,
			   struct vmv_err *err)
{
	struct json_object_iterator at = json_object_iter_begin(arguments);
	struct json_object_iterator end = json_object_iter_end(arguments);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		size_t i = 0;

		while (i < c->n_args && strcmp(c->args[i].name, name) != 0)
			i++;
		if (i == c->n_args)
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"Parameter '%.100s' is unexpected", name);
	}
	return 0;
}

int vmv_qga_args(const struct vmv_command *c, struct json_object *arguments,
		 struct vmv_value ret[VMV_ARGS_MAX], struct vmv_err *err)
{
	for (size_t i = 0; i < c->n_args; i++) {
		const struct vmv_arg *a = &c->args[i];
		struct json_object *json = NULL;
		bool is_there = arguments && json_object_object_get_ex(arguments, a->name, &json);
		int r;

		ret[i] = (struct vmv_value){ .number = a->fallback, .is_given = is_there };
		if (!is_there && a->is_required)
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter '%s' is missing",
					a->name);
		r = is_there ? check_one(a, json, &ret[i], err) : 0;
		if (r < 0)
			return r;
	}
	return arguments ? find_unexpected(c, arguments, err) : 0;
}

/* -- policy -------------------------------------------------------------------------------------
 */

static bool is_listed(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

static bool is_allowed(const struct vmv_policy *p, const struct vmv_command *c)
{
	if (is_listed(p->deny, p->n_deny, c->name))
		return false;
	if (c->doer == VMV_BY_EXECUTOR && !p->has_executor)
		return false;
	return c->level <= p->level || is_listed(p->allow, p->n_allow, c->name);
}

int vmv_qga_judge(const struct vmv_policy *policy, const struct vmv_command *c, struct vmv_err *err)
{
	if (!is_allowed(policy, c))
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"Command %s has been disabled: the command is not allowed",
				c->name);
	if (policy->is_frozen && !(c->flags & VMV_COMMAND_FROZEN))
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"Command %s has been disabled: the agent is in frozen state",
				c->name);
	return 0;
}

const char *vmv_qga_class(const struct vmv_err *err)
{
	return err->code == VMV_E_UNKNOWN || err->code == VMV_E_DENIED ? "CommandNotFound"
								       : "GenericError";
}
