#include "base/err.h"
#include "base/limits.h"
#include "base/rfc3339.h"
#include "commands/command.h"
#include "proto/json_read.h"

#include <errno.h>
#include <json-c/json.h>
#include <json-c/json_object_iterator.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* -- where arguments are ------------------------------------------------------------------------
 */

static struct json_object *get_in(struct json_object *where, const struct vmv_arg *a,
				  bool is_params)
{
	struct json_object *v = vmv_json_get(where, a->name);

	if (!v && a->alias && (is_params || !a->is_alias_in_params))
		v = vmv_json_get(where, a->alias);
	return v;
}

struct json_object *vmv_command_argument(const struct vmv_command *c, struct json_object *message,
					 const struct vmv_arg *a)
{
	struct json_object *type = vmv_json_get(message, "command_type"), *v;

	if (c == &vmv_raw_command)
		return vmv_json_get(message, a->name);
	v = get_in(type, a, false);
	if (!v)
		v = get_in(vmv_json_get(type, "params"), a, true);
	if (!v)
		v = get_in(vmv_json_get(message, "params"), a, true);
	return v;
}

/* -- what they may be ---------------------------------------------------------------------------
 */

static int fail(struct vmv_err *err, const struct vmv_arg *a, const char *what)
{
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' %s", a->name, what);
}

static int find_word(const char *const *choices, const char *text)
{
	for (int i = 0; choices[i]; i++)
		if (strcasecmp(choices[i], text) == 0)
			return i;
	return -1;
}

/* NULL: no string, or one that holds NUL. */
static const char *plain_text(struct json_object *json, size_t *len)
{
	const char *text = vmv_json_text(json, len);

	return text && strlen(text) == *len ? text : NULL;
}

static int check_int(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		     struct vmv_err *err)
{
	if (vmv_json_int(json, a->min, a->max, &v->number))
		return 0;
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' is no integer from %lld to %lld",
			a->name, (long long)a->min, (long long)a->max);
}

static int check_num(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		     struct vmv_err *err)
{
	v->num = vmv_json_num(json);
	if (v->num >= (double)a->min && v->num <= (double)a->max) /* NaN is not */
		return 0;
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' is no number from %lld to %lld",
			a->name, (long long)a->min, (long long)a->max);
}

static int check_bool(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	if (!json_object_is_type(json, json_type_boolean))
		return fail(err, a, "is neither true nor false");
	v->number = json_object_get_boolean(json);
	return 0;
}

static int check_enum(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	size_t len = 0;
	const char *text = plain_text(json, &len);

	v->number = text ? find_word(a->choices, text) : -1;
	return v->number >= 0 ? 0 : fail(err, a, "is none of the words it may be");
}

static int check_text(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	v->text = plain_text(json, &v->len);
	if (!v->text)
		return fail(err, a, "is no string, or holds NUL");
	if ((int64_t)v->len < a->min || (int64_t)v->len > a->max)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument '%s' must have %lld to %lld bytes", a->name,
				(long long)a->min, (long long)a->max);
	if (!vmv_charset_allows(a->charset, v->text))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' must be: %s", a->name,
				vmv_charset_text(a->charset));
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
		const char *text = plain_text(json_object_array_get_idx(json, i), &len);

		if (!text)
			return fail(err, a, "must hold strings only, without NUL");
		if (a->choices && find_word(a->choices, text) < 0)
			return fail(err, a, "has an element that is none of the words it may be");
	}
	v->json = json;
	return 0;
}

static int check_time(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		      struct vmv_err *err)
{
	size_t len = 0;
	const char *text = plain_text(json, &len);

	if (!text || !vmv_rfc3339_parse(text, &v->number))
		return fail(err, a, "is no moment as in RFC 3339");
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
	if (!v->text || !is_base64(v->text, v->len))
		return fail(err, a, "is no base64");
	if (v->len > ((size_t)a->max + 2) / 3 * 4)
		return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "argument '%s' is over %lld bytes",
				a->name, (long long)a->max);
	return 0;
}

static int check_map(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		     struct vmv_err *err)
{
	struct json_object_iterator at, end;

	if (!json_object_is_type(json, json_type_object) ||
	    json_object_object_length(json) > a->max)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument '%s' is no object, or has more than %lld members",
				a->name, (long long)a->max);
	at = json_object_iter_begin(json);
	end = json_object_iter_end(json);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		size_t len = 0;

		if (!plain_text(json_object_iter_peek_value(&at), &len))
			return fail(err, a, "must hold strings only, without NUL");
	}
	v->json = json;
	return 0;
}

static int check_one(const struct vmv_arg *a, struct json_object *json, struct vmv_value *v,
		     struct vmv_err *err)
{
	static int (*const checks[])(const struct vmv_arg *, struct json_object *,
				     struct vmv_value *, struct vmv_err *) = {
		[VMV_ARG_INT] = check_int,   [VMV_ARG_NUM] = check_num,
		[VMV_ARG_BOOL] = check_bool, [VMV_ARG_ENUM] = check_enum,
		[VMV_ARG_TEXT] = check_text, [VMV_ARG_NAMES] = check_names,
		[VMV_ARG_TIME] = check_time, [VMV_ARG_BASE64] = check_base64,
		[VMV_ARG_MAP] = check_map,
	};

	return checks[a->type](a, json, v, err);
}

int vmv_command_args(const struct vmv_command *c, struct json_object *message,
		     struct vmv_value ret[VMV_ARGS_MAX], struct vmv_err *err)
{
	for (size_t i = 0; i < c->n_args; i++) {
		const struct vmv_arg *a = &c->args[i];
		struct json_object *json = vmv_command_argument(c, message, a);
		int r;

		ret[i] = (struct vmv_value){
			.number = a->fallback,
			.num = (double)a->fallback,
			.is_given = json != NULL,
		};
		if (!json && a->is_required)
			return fail(err, a, "is missing");
		r = json ? check_one(a, json, &ret[i], err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* -- the rest of a message ----------------------------------------------------------------------
 */

const char *vmv_command_id(struct json_object *message)
{
	const char *id = vmv_json_str(message, "id");
	size_t len = id ? strlen(id) : 0;

	if (len == 0 || len > VMV_ID_MAX)
		return NULL;
	for (size_t i = 0; i < len; i++)
		if (id[i] < 0x20 || id[i] >= 0x7f || id[i] == '"' || id[i] == '\\')
			return NULL;
	return id;
}

const struct vmv_command *vmv_command_of(struct json_object *message, struct vmv_err *err)
{
	const char *type = vmv_json_str(message, "type"), *action;
	const struct vmv_command *c;

	if (!type)
		type = "";
	if (strcmp(type, vmv_raw_command.name) == 0)
		return &vmv_raw_command;
	if (strcmp(type, "SafeCommand") != 0) {
		(void)vmv_fail(err, VMV_E_UNKNOWN, ENOENT, "unknown message type: %.100s", type);
		return NULL;
	}
	action = vmv_json_str(vmv_json_get(message, "command_type"), "action");
	if (!action) {
		(void)vmv_fail(err, VMV_E_RANGE, EINVAL, "command_type names no action");
		return NULL;
	}
	c = vmv_command_find(action);
	if (!c)
		(void)vmv_fail(err, VMV_E_UNKNOWN, ENOENT, "unknown action: %.100s", action);
	return c;
}

bool vmv_command_only_reads(const struct vmv_command *c, struct json_object *message)
{
	for (size_t i = 0; c->reads && i < c->n_args; i++) {
		size_t len = 0;
		const char *word;

		if (strcmp(c->args[i].name, "operation") != 0)
			continue;
		word = plain_text(vmv_command_argument(c, message, &c->args[i]), &len);
		return word && strcasecmp(word, c->reads) == 0;
	}
	return false;
}

uint32_t vmv_command_timeout_s(const struct vmv_command *c, struct json_object *message)
{
	int64_t s;

	if (!vmv_json_int(vmv_json_get(message, "timeout"), 1, INT64_MAX, &s))
		return c->timeout_s;
	return s < (int64_t)c->timeout_max_s ? (uint32_t)s : c->timeout_max_s;
}
