/* The command table in words: for Describe, the help of the tools, docs/COMMANDS.md and the manual.
 * Pure. */
#ifndef VMV_COMMANDS_WORDS_H
#define VMV_COMMANDS_WORDS_H

#include <stddef.h>

#include "commands/command.h"

/* "agent", "helper", "executor", "nobody" */
const char *vmv_doer_name(enum vmv_doer doer);

/* As in PROTOCOL.md: "int", "num", "bool", "str", "str[]", "T", "b64", "{str:str}". */
const char *vmv_argtype_name(enum vmv_argtype type);

#define VMV_WORDS_SIZE 320

/* What the argument may be: "1 to 4194304", "1 to 256 bytes: A-Z a-z 0-9 . _ -", "start, stop".
 * Empty when anything of its type. Returns buf. */
const char *vmv_arg_limits(const struct vmv_arg *a, char buf[VMV_WORDS_SIZE]);

/* What it is when it is left out: "60", "false", "all"; "none"; empty when it is required. Returns
 * buf. */
const char *vmv_arg_fallback(const struct vmv_arg *a, char buf[VMV_WORDS_SIZE]);

/* Actions that belong together, in the order in which people should read of them. */
struct vmv_family {
	const char *title;
	const char *const
		*actions; /* sorted, NULL-terminated; NULL: all that are in no other family */
};

extern const struct vmv_family vmv_families[];
extern const size_t vmv_n_families;

/* The next action of a family behind c (NULL: the first); NULL: that was the last. */
const struct vmv_command *vmv_family_next(const struct vmv_family *f, const struct vmv_command *c);

#endif
