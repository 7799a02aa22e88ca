/* Whether a command may run, and who is to be asked: the order of judgement of PROTOCOL.md 6.10, as
 * far as it is the agent's. */
#ifndef VMV_COMMANDS_JUDGE_H
#define VMV_COMMANDS_JUDGE_H

#include "commands/command.h"

#include <stdbool.h>
#include <stddef.h>

struct vmv_policy {
	enum vmv_level level;	 /* in force */
	const char *const *deny; /* names of actions */
	size_t n_deny;
	const char *const *allow; /* names of actions that the level does not reach */
	size_t n_allow;
	bool requires_signature; /* of reading commands, too */
	bool has_executor;
	bool can_verify; /* the executor has a secret or a key */
	bool is_frozen;	 /* filesystems are: little is served */
	/* where each stands, "FILE:LINE"; NULL: nowhere, it is the default */
	const char *level_place, *deny_place, *signature_place;
};

/* Whether the policy and this system let the command run at all, whatever its arguments. If not,
 * why says by what it is disabled: the rule, and where it stands. */
#define VMV_WHY_SIZE 256
bool vmv_command_is_enabled(const struct vmv_policy *policy, const struct vmv_command *c,
			    char why[VMV_WHY_SIZE]);

/* The level and the lists alone (PROTOCOL.md 4.3): 0, or -EPERM with err naming the rule. */
int vmv_policy_check(const struct vmv_policy *policy, const struct vmv_command *c,
		     struct vmv_err *err);

enum vmv_judgement {
	VMV_JUDGED_RUN,	   /* the agent does it; args are checked */
	VMV_JUDGED_VERIFY, /* the same, once the executor has verified the line */
	VMV_JUDGED_SUBMIT, /* the executor verifies and does it */
};

/* A message of type SafeCommand, UnsafeCommand or unknown, bare or (is_signed) out of an envelope.
 * Returns what is to be done, or negative errno with err set; *ret is the command where one was
 * named. */
int vmv_command_judge(const struct vmv_policy *policy, struct json_object *message, bool is_signed,
		      const struct vmv_command **ret, struct vmv_value args[VMV_ARGS_MAX],
		      struct vmv_err *err);

#endif
