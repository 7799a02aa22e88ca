#include "commands/judge.h"

#include "base/err.h"
#include "base/limits.h"
#include "proto/json_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

static int no_executor(struct vmv_err *err, const char *what)
{
	return vmv_fail(err, VMV_E_NOEXECUTOR, EPERM,
			"%s needs the executor, which is not installed", what);
}

static bool is_denied(const struct vmv_policy *policy, const char *action)
{
	for (size_t i = 0; i < policy->n_deny; i++)
		if (strcmp(policy->deny[i], action) == 0)
			return true;
	return false;
}

const char *vmv_level_name(enum vmv_level level)
{
	static const char *const names[] = {
		[VMV_MONITOR] = "monitor",
		[VMV_OPERATE] = "operate",
		[VMV_FULL] = "full",
	};

	return names[level];
}

static bool disabled_by(char why[VMV_WHY_SIZE], const char *rule, const char *detail,
			const char *place)
{
	if (place)
		(void)snprintf(why, VMV_WHY_SIZE, "%s%s (%s)", rule, detail, place);
	else
		(void)snprintf(why, VMV_WHY_SIZE, "%s%s", rule, detail);
	return false;
}

bool vmv_command_is_enabled(const struct vmv_policy *policy, const struct vmv_command *c,
			    char why[VMV_WHY_SIZE])
{
	bool needs_executor = c->doer == VMV_BY_EXECUTOR;

	if (c->doer == VMV_BY_NOBODY)
		return disabled_by(why, "not supported ", c->why_not, NULL);
	if (needs_executor && !policy->has_executor)
		return disabled_by(why, "no executor", "", NULL);
	if (policy->requires_signature && !policy->has_executor)
		return disabled_by(why, "policy require_signature, and no executor", "",
				   policy->signature_place);
	if (is_denied(policy, c->name))
		return disabled_by(why, "policy deny", "", policy->deny_place);
	if (needs_executor && c->level > policy->level)
		return disabled_by(why, "policy level ", vmv_level_name(policy->level),
				   policy->level_place);
	return true;
}

/* Asked to read only, a changing command needs no executor. */
static bool only_reads(const struct vmv_command *c, struct json_object *message)
{
	size_t len = 0;
	const char *word = vmv_json_text(vmv_command_argument(message, "operation"), &len);

	return word && strlen(word) == len && strcasecmp(word, c->reads) == 0;
}

static int judge_action(const struct vmv_policy *policy, struct json_object *message,
			const char *action, const struct vmv_command **ret,
			struct vmv_value args[VMV_ARGS_MAX], struct vmv_err *err)
{
	const struct vmv_command *c = vmv_command_find(action);

	if (!c)
		return vmv_fail(err, VMV_E_UNKNOWN, ENOENT, "unknown action: %.100s", action);
	*ret = c;
	if (c->reads && only_reads(c, message))
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
				"not supported in this version: %s %s", c->name, c->reads);
	if (c->doer == VMV_BY_NOBODY)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported %s: %s", c->why_not,
				c->name);
	if (c->doer == VMV_BY_EXECUTOR)
		return no_executor(err, c->name);
	if (policy->requires_signature)
		return no_executor(err, "checking the signature that the policy demands");
	if (is_denied(policy, c->name))
		return vmv_fail(err, VMV_E_DENIED, EPERM, "[policy] deny names %s", c->name);
	return vmv_command_args(c, message, args, err);
}

int vmv_command_judge(const struct vmv_policy *policy, struct json_object *message,
		      const struct vmv_command **ret, struct vmv_value args[VMV_ARGS_MAX],
		      struct vmv_err *err)
{
	const char *type = vmv_json_str(message, "type");
	const char *action;

	*ret = NULL;
	if (!type)
		type = "";
	if (strcmp(type, "UnsafeCommand") == 0)
		return no_executor(err, type);
	if (strcmp(type, "SafeCommand") != 0)
		return vmv_fail(err, VMV_E_UNKNOWN, ENOENT, "unknown message type: %.100s", type);
	action = vmv_json_str(vmv_json_get(message, "command_type"), "action");
	if (!action)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "command_type names no action");
	return judge_action(policy, message, action, ret, args, err);
}
