#include "commands/judge.h"

#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_listed(const char *const *list, size_t n, const char *action)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], action) == 0)
			return true;
	return false;
}

static bool is_denied(const struct vmv_policy *policy, const struct vmv_command *c)
{
	return is_listed(policy->deny, policy->n_deny, c->name);
}

static bool is_reached(const struct vmv_policy *policy, const struct vmv_command *c)
{
	return c->level <= policy->level || is_listed(policy->allow, policy->n_allow, c->name);
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
	if (is_denied(policy, c))
		return disabled_by(why, "policy deny", "", policy->deny_place);
	if (needs_executor && !is_reached(policy, c))
		return disabled_by(why, "policy level ", vmv_level_name(policy->level),
				   policy->level_place);
	if (needs_executor && !policy->can_verify)
		return disabled_by(why, "no secret and no trusted key", "", NULL);
	return true;
}

int vmv_policy_check(const struct vmv_policy *policy, const struct vmv_command *c,
		     struct vmv_err *err)
{
	if (is_denied(policy, c))
		return vmv_fail(err, VMV_E_DENIED, EPERM, "[policy] deny names %s", c->name);
	if (!is_reached(policy, c))
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"%s needs [policy] level %s, and level %s is in force", c->name,
				vmv_level_name(c->level), vmv_level_name(policy->level));
	return 0;
}

static int no_executor(struct vmv_err *err, const char *what)
{
	return vmv_fail(err, VMV_E_NOEXECUTOR, EPERM,
			"%s needs the executor, which is not installed or not to be reached", what);
}

static int judge_reading(const struct vmv_policy *policy, const struct vmv_command *c,
			 struct json_object *message, bool is_signed,
			 struct vmv_value args[VMV_ARGS_MAX], struct vmv_err *err)
{
	int r;

	if (policy->requires_signature && !policy->has_executor)
		return no_executor(err, "checking the signature that the policy demands");
	if (policy->requires_signature && !is_signed)
		return vmv_fail(err, VMV_E_SIGNATURE, EPERM, "not signed");
	r = is_denied(policy, c) ? vmv_policy_check(policy, c, err)
				 : vmv_command_args(c, message, args, err);
	if (r < 0)
		return r;
	if (policy->is_frozen && !(c->flags & VMV_COMMAND_FROZEN))
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "filesystems are frozen");
	return policy->requires_signature ? VMV_JUDGED_VERIFY : VMV_JUDGED_RUN;
}

static int judge_changing(const struct vmv_policy *policy, const struct vmv_command *c,
			  bool is_signed, struct vmv_err *err)
{
	if (!policy->has_executor)
		return no_executor(err, c->name);
	if (is_signed)
		return VMV_JUDGED_SUBMIT;
	if (!policy->can_verify)
		return vmv_fail(err, VMV_E_LOCKED, EPERM, "no secret and no trusted key here");
	return vmv_fail(err, VMV_E_SIGNATURE, EPERM, "not signed");
}

int vmv_command_judge(const struct vmv_policy *policy, struct json_object *message, bool is_signed,
		      const struct vmv_command **ret, struct vmv_value args[VMV_ARGS_MAX],
		      struct vmv_err *err)
{
	const struct vmv_command *c = vmv_command_of(message, err);

	*ret = c;
	if (!c)
		return err->code == VMV_E_UNKNOWN ? -ENOENT : -EINVAL;
	if (c->doer == VMV_BY_NOBODY)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported %s: %s", c->why_not,
				c->name);
	if (c->doer == VMV_BY_EXECUTOR && !vmv_command_only_reads(c, message))
		return judge_changing(policy, c, is_signed, err);
	return judge_reading(policy, c, message, is_signed, args, err);
}
