#include "host/help.h"

#include <errno.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "commands/command.h"
#include "commands/words.h"
#include "host/cli.h"
#include "host/message.h"
#include "host/text.h"

#define autotext VMV_CLEANUP(vmv_text_free)

/* -- all actions ------------------------------------------------------------------------------- */

static void add_family(struct vmv_text *t, const struct vmv_family *f)
{
	const struct vmv_command *c = NULL;

	vmv_text_fmt(t, "\n%s:\n", f->title);
	while ((c = vmv_family_next(f, c)))
		vmv_text_fmt(t, "  %-28s %-8s %s\n", c->name, vmv_level_name(c->level), c->help);
}

static void add_list(struct vmv_text *t)
{
	vmv_text_add(t,
		     "Actions: name, the level that the guest's policy must allow, what it does.\n"
		     "vmvitals help ACTION tells its arguments, vmvitals run ACTION asks for it.\n"
		     "What is above level monitor must be signed: --key FILE, or --secret FILE.\n");
	for (size_t i = 0; i < vmv_n_families; i++)
		add_family(t, &vmv_families[i]);
}

/* -- one action -------------------------------------------------------------------------------- */

static void add_argument(struct vmv_text *t, const struct vmv_arg *a)
{
	char limits[VMV_WORDS_SIZE], fallback[VMV_WORDS_SIZE];

	vmv_text_fmt(t, "  %s=%s%s\n      %s\n", a->name, vmv_argtype_name(a->type),
		     a->is_required ? "  (required)" : "", a->help);
	if (*vmv_arg_limits(a, limits))
		vmv_text_fmt(t, "      limits: %s\n", limits);
	if (*vmv_arg_fallback(a, fallback))
		vmv_text_fmt(t, "      default: %s\n", fallback);
	if (a->alias && !a->is_alias_in_params)
		vmv_text_fmt(t, "      also called: %s\n", a->alias);
}

static void add_action(struct vmv_text *t, const struct vmv_command *c)
{
	vmv_text_fmt(t, "Usage: vmvitals run %s%s\n\n%s\n", c->name,
		     c->n_args > 0 ? " [NAME=VALUE]..." : "", c->help);
	if (c->alias_of)
		vmv_text_fmt(t, "Another name of %s.\n", c->alias_of);
	if (c->why_not)
		vmv_text_fmt(t, "Not supported %s.\n", c->why_not);
	vmv_text_fmt(t, "\nLevel %s%s, done by: %s\n", vmv_level_name(c->level),
		     c->level > VMV_MONITOR ? " (must be signed)" : "", vmv_doer_name(c->doer));
	if (c->reads)
		vmv_text_fmt(t, "With operation=%s: level monitor\n", c->reads);
	vmv_text_fmt(t, "Time: %u s", c->timeout_s);
	if (c->timeout_max_s > c->timeout_s)
		vmv_text_fmt(t, ", at most %u s", c->timeout_max_s);
	vmv_text_add(t, c->flags & VMV_COMMAND_FINISHES ? "; never killed: it goes on after that\n"
							: "\n");
	if (c->n_args > 0)
		vmv_text_add(t, "\nArguments:\n");
	for (size_t i = 0; i < c->n_args; i++)
		add_argument(t, &c->args[i]);
}

/* -- the verb ---------------------------------------------------------------------------------- */

static enum vmv_exit help_action(const struct vmv_cli *cli, const struct vmv_command *c)
{
	autotext struct vmv_text t;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	if (c)
		add_action(&t, c);
	else
		add_list(&t);
	return vmv_cli_print(cli, &t);
}

enum vmv_exit vmv_run_help(const struct vmv_cli *cli)
{
	const struct vmv_options *o = cli->options;
	const char *name = o->n_operands > 1 ? o->operands[1] : NULL;
	const struct vmv_command *c = name ? vmv_message_command(name) : NULL;
	struct vmv_err err;

	if (!name || c)
		return help_action(cli, c);
	if (vmv_cli_verb(name))
		return vmv_cli_help(cli, vmv_cli_verb(name));
	(void)vmv_fail(&err, VMV_E_RANGE, EINVAL, "no action and no verb is called '%.64s'", name);
	return vmv_cli_usage(&err);
}
