/* Whether a command may run: the order of judgement of PROTOCOL.md 6.10. */
#ifndef VMV_COMMANDS_JUDGE_H
#define VMV_COMMANDS_JUDGE_H

#include "commands/command.h"

#include <stdbool.h>
#include <stddef.h>

struct vmv_policy {
	enum vmv_level level;	 /* in force */
	const char *const *deny; /* names of actions */
	size_t n_deny;
	bool requires_signature; /* of reading commands, too */
	bool has_executor;
	/* where each stands, "FILE:LINE"; NULL: nowhere, it is the default */
	const char *level_place, *deny_place, *signature_place;
};

/* "monitor", "operate", "full" */
const char *vmv_level_name(enum vmv_level level);

/* Whether the policy and this system let the command run at all, whatever its arguments. If not,
 * why says by what it is disabled: the rule, and where it stands. */
#define VMV_WHY_SIZE 256
bool vmv_command_is_enabled(const struct vmv_policy *policy, const struct vmv_command *c,
			    char why[VMV_WHY_SIZE]);

/* The id of a message when it can be answered (PROTOCOL.md 4.4-1), else NULL. Borrowed. */
const char *vmv_command_id(struct json_object *message);

/* A message of type SafeCommand, UnsafeCommand or unknown. Returns 0 and the command with its
 * checked arguments, or negative errno with err set; *ret then is the command where one was named.
 */
int vmv_command_judge(const struct vmv_policy *policy, struct json_object *message,
		      const struct vmv_command **ret, struct vmv_value args[VMV_ARGS_MAX],
		      struct vmv_err *err);

#endif
