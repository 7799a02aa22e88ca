#include "base/err.h"
#include "commands/command.h"
#include "proto/json_read.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <strings.h>

/* Names some hosts use instead. */
static const struct {
	const char *name, *other;
	bool is_in_params_only;
} aliases[] = {
	{ "service", "service_name", false },
	{ "operation", "action", true }, /* beside command_type's own 'action' it is that */
};

static struct json_object *get_in(struct json_object *where, const char *name, bool is_params)
{
	struct json_object *v = vmv_json_get(where, name);

	for (size_t i = 0; !v && i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcmp(aliases[i].name, name) == 0 &&
		    (is_params || !aliases[i].is_in_params_only))
			v = vmv_json_get(where, aliases[i].other);
	return v;
}

struct json_object *vmv_command_argument(struct json_object *message, const char *name)
{
	struct json_object *type = vmv_json_get(message, "command_type");
	struct json_object *v = get_in(type, name, false);

	if (!v)
		v = get_in(vmv_json_get(type, "params"), name, true);
	if (!v)
		v = get_in(vmv_json_get(message, "params"), name, true);
	return v;
}

static int check_enum(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	size_t len = 0;
	const char *text = vmv_json_text(json, &len);

	for (int i = 0; text && strlen(text) == len && a->choices[i]; i++) {
		if (strcasecmp(a->choices[i], text) == 0) {
			v->number = i;
			return 0;
		}
	}
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' is none of the words it may be",
			a->name);
}

static int check_text(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	size_t len = 0;

	v->text = vmv_json_text(json, &len);
	if (!v->text || strlen(v->text) != len)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument '%s' is no string, or holds NUL", a->name);
	if ((int64_t)len < a->min || (int64_t)len > a->max)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument '%s' must have %lld to %lld bytes", a->name,
				(long long)a->min, (long long)a->max);
	return 0;
}

static int check_names(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		       struct vmv_err *err)
{
	size_t n = json_object_is_type(json, json_type_array) ? json_object_array_length(json) : 0;

	if (!json_object_is_type(json, json_type_array) || (int64_t)n > a->max)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument '%s' is no array, or has more than %lld elements",
				a->name, (long long)a->max);
	for (size_t i = 0; i < n; i++) {
		size_t len = 0;
		const char *text = vmv_json_text(json_object_array_get_idx(json, i), &len);

		if (!text || strlen(text) != len)
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"argument '%s' must hold strings only, without NUL",
					a->name);
	}
	v->json = json;
	return 0;
}

static int check_one(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		     struct vmv_err *err)
{
	switch (a->type) {
	case VMV_ARG_INT:
		if (vmv_json_int(json, a->min, a->max, &v->number))
			return 0;
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument '%s' is no integer from %lld to %lld", a->name,
				(long long)a->min, (long long)a->max);
	case VMV_ARG_BOOL:
		if (!json_object_is_type(json, json_type_boolean))
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"argument '%s' is neither true nor false", a->name);
		v->number = json_object_get_boolean(json);
		return 0;
	case VMV_ARG_ENUM:
		return check_enum(a, json, v, err);
	case VMV_ARG_TEXT:
		return check_text(a, json, v, err);
	case VMV_ARG_NAMES:
		return check_names(a, json, v, err);
	}
	return -EINVAL;
}

int vmv_command_args(const struct vmv_command *c, struct json_object *message,
		     struct vmv_value ret[VMV_ARGS_MAX], struct vmv_err *err)
{
	for (size_t i = 0; i < c->n_args; i++) {
		const struct vmv_arg *a = &c->args[i];
		struct json_object *json = vmv_command_argument(message, a->name);
		int r;

		ret[i] = (struct vmv_value){ .number = a->fallback, .is_given = json != NULL };
		if (!json && a->is_required)
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' is missing",
					a->name);
		r = json ? check_one(a, json, &ret[i], err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}
