#include "docs/commands.h"

#include "base/cleanup.h"
#include "commands/command.h"
#include "commands/qga.h"
#include "commands/words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void put_time(const struct vmv_command *c)
{
	(void)printf("%u s", c->timeout_s);
	if (c->timeout_max_s > c->timeout_s)
		(void)printf(", at most %u s", c->timeout_max_s);
}

/* What else is to be known, as sentences. */
static void put_notes(const struct vmv_command *c, void (*put)(const char *text))
{
	if (c->alias_of) {
		put(" Another name of ");
		put(c->alias_of);
		put(".");
	}
	if (c->reads) {
		put(" With operation ");
		put(c->reads);
		put(": level monitor, and done by the helper.");
	}
	if (c->flags & VMV_COMMAND_FINISHES)
		put(" Never killed: it goes on when its time is over.");
	if (c->flags & VMV_COMMAND_CHILD)
		put(" Its output can be streamed.");
	if (c->flags & VMV_COMMAND_FROZEN)
		put(" Served while filesystems are frozen.");
	if (c == &vmv_raw_command)
		put(" A message of its own: the arguments are its members.");
	if (c->why_not) {
		put(" Not supported ");
		put(c->why_not);
		put(".");
	}
}

/* A family of which nothing is to be had needs no arguments and no times. */
static bool is_empty(const struct vmv_family *f)
{
	return !f->actions;
}

/* -- Markdown ---------------------------------------------------------------------------------- */

static void put_argument(const struct vmv_arg *a)
{
	char text[VMV_WORDS_SIZE];

	(void)printf("| `%s` | %s | ", a->name, vmv_argtype_name(a->type));
	put_cell(vmv_arg_limits(a, text));
	(void)printf(" | ");
	put_cell(a->is_required ? "required" : vmv_arg_fallback(a, text));
	(void)printf(" | ");
	put_cell(a->help);
	if (a->alias)
		(void)printf("; also `%s`%s", a->alias, a->is_alias_in_params ? " in params" : "");
	(void)printf(" |\n");
}

static void put_action(const struct vmv_command *c)
{
	(void)printf("\n### %s\n\n%s", c->name, c->help);
	put_notes(c, put_cell);
	(void)printf("\n\nLevel %s, by %s, ", vmv_level_name(c->level), vmv_doer_name(c->doer));
	put_time(c);
	(void)printf(".\n");
	if (c->n_args == 0)
		return;
	(void)printf("\n| argument | type | limits | default | help |\n"
		     "| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < c->n_args; i++)
		put_argument(&c->args[i]);
}

static void put_family(const struct vmv_family *f)
{
	const struct vmv_command *c = NULL;

	(void)printf("\n## %s\n", f->title);
	if (is_empty(f))
		(void)printf("\nAnswered with UNSUPPORTED.\n\n");
	while ((c = vmv_family_next(f, c))) {
		if (is_empty(f))
			(void)printf("- `%s`: not supported %s\n", c->name, c->why_not);
		else
			put_action(c);
	}
}

/* -- the second language ------------------------------------------------------------------------
 */

static void put_qga_arguments(const struct vmv_command *c)
{
	for (size_t i = 0; i < c->n_args; i++)
		(void)printf("%s`%s`%s", i > 0 ? ", " : "", c->args[i].name,
			     c->args[i].is_required ? "" : "?");
}

static void put_qga(void)
{
	(void)printf(
		"\n## QEMU guest agent\n\n"
		"What channels that speak that protocol know ([QGA.md](QGA.md)); nothing of it is "
		"signed, so `[qga] level`,\n`allow` and `deny` say what the executor does. With a "
		"question mark: optional.\n\n"
		"| command | level | by | time | arguments | |\n"
		"| --- | --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < vmv_n_qga_commands; i++) {
		const struct vmv_command *c = &vmv_qga_commands[i];

		(void)printf("| %s | %s | %s | ", c->name, vmv_level_name(c->level),
			     vmv_doer_name(c->doer));
		put_time(c);
		(void)printf(" | ");
		put_qga_arguments(c);
		(void)printf(" | ");
		put_cell(c->help);
		if (c->flags & VMV_COMMAND_FROZEN)
			(void)printf(" Served while filesystems are frozen.");
		if (c->flags & VMV_COMMAND_SILENT)
			(void)printf(" Nothing is said on success.");
		(void)printf(" |\n");
	}
}

static void put_index(void)
{
	(void)printf("| action | level | by | time | |\n| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < vmv_n_families; i++) {
		const struct vmv_command *c = NULL;

		while (!is_empty(&vmv_families[i]) && (c = vmv_family_next(&vmv_families[i], c))) {
			(void)printf("| %s | %s | %s | ", c->name, vmv_level_name(c->level),
				     vmv_doer_name(c->doer));
			put_time(c);
			(void)printf(" | ");
			put_cell(c->help);
			(void)printf(" |\n");
		}
	}
}

void put_commands(void)
{
	(void)printf(
		"<!-- Written by docs/generate from the tables in commands/: make update-docs. "
		"-->\n"
		"# Commands\n\n"
		"Everything that a host can ask for. `vmvitals run ACTION NAME=VALUE...` asks for "
		"one,\n"
		"`vmvitals help ACTION` prints what stands here. What an answer holds is in\n"
		"[PROTOCOL.md](PROTOCOL.md), section 5.\n\n"
		"Level: what the guest's policy must allow. monitor only reads; operate are "
		"named,\n"
		"validated changes; full are raw commands, scripts and files. Above monitor a "
		"command must\n"
		"be signed. By: who does it. The agent and its helper have no rights; the executor "
		"is root,\n"
		"verifies and decides itself, and need not be installed. Time: the default, and "
		"the most\n"
		"that a host may ask for.\n\n"
		"Types: int, num, bool, str, `str[]` a list, T a moment as in RFC 3339, b64 "
		"base64,\n"
		"`{str:str}` an object of strings.\n\n");
	put_index();
	for (size_t i = 0; i < vmv_n_families; i++)
		put_family(&vmv_families[i]);
	put_qga();
}

/* -- the manual -------------------------------------------------------------------------------- */

/* Text of a manual page, never at the beginning of a line. */
static void put_roff(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			(void)printf("\\e");
		else
			(void)printf(*text == '-' ? "\\-" : "%c", *text);
	}
}

static void put_roff_limits(const struct vmv_arg *a)
{
	char text[VMV_WORDS_SIZE];

	(void)printf("\\&(%s", vmv_argtype_name(a->type));
	if (*vmv_arg_limits(a, text)) {
		(void)printf("; ");
		put_roff(text);
	}
	if (a->is_required) {
		(void)printf("; required");
	} else {
		(void)printf("; default: ");
		put_roff(vmv_arg_fallback(a, text));
	}
	(void)printf(")\n");
}

static void put_roff_argument(const struct vmv_arg *a)
{
	(void)printf(".TP\n.B ");
	put_roff(a->name);
	(void)printf("\n\\&");
	put_roff(a->help);
	if (a->alias && !a->is_alias_in_params) {
		(void)printf("; also ");
		put_roff(a->alias);
	}
	(void)printf("\n.br\n");
	put_roff_limits(a);
}

static void put_roff_action(const struct vmv_command *c)
{
	(void)printf(".SS %s\n\\&", c->name);
	put_roff(c->help);
	put_notes(c, put_roff);
	(void)printf("\n.br\nLevel %s, by %s, ", vmv_level_name(c->level), vmv_doer_name(c->doer));
	put_time(c);
	(void)printf(".\n");
	for (size_t i = 0; i < c->n_args; i++)
		put_roff_argument(&c->args[i]);
}

static void put_roff_family(const struct vmv_family *f)
{
	const struct vmv_command *c = NULL;

	(void)printf(".SH \"");
	for (const char *s = f->title; *s; s++) /* headings are upper case */
		(void)putchar(*s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s);
	(void)printf("\"\n");
	if (is_empty(f))
		(void)printf("These are answered with UNSUPPORTED:\n");
	while ((c = vmv_family_next(f, c))) {
		if (is_empty(f))
			(void)printf(".br\n%s\n", c->name);
		else
			put_roff_action(c);
	}
}

static void put_roff_qga(void)
{
	(void)printf(".SH \"QEMU GUEST AGENT\"\n"
		     "Channels that speak that protocol know these instead, unsigned, as far as\n"
		     ".I [qga] level\n"
		     "goes.\n");
	for (size_t i = 0; i < vmv_n_qga_commands; i++) {
		const struct vmv_command *c = &vmv_qga_commands[i];

		(void)printf(".TP\n.B ");
		put_roff(c->name);
		(void)printf("\n\\&");
		put_roff(c->help);
		(void)printf(" Level %s.\n", vmv_level_name(c->level));
	}
}

void put_commands_man(void)
{
	(void)printf(".\\\" Written by docs/generate from the tables in commands/: make "
		     "update\\-docs.\n"
		     ".TH VMVITALS\\-COMMANDS 7 \"\" \"vmvitals " PACKAGE_VERSION
		     "\" \"Miscellaneous Information\"\n"
		     ".SH NAME\n"
		     "vmvitals\\-commands \\- what a guest with vmvitals can be asked for\n"
		     ".SH DESCRIPTION\n"
		     ".B \"vmvitals run\"\n"
		     ".I ACTION\n"
		     ".RI [ NAME=VALUE ]...\n"
		     "asks a guest for one of these actions; see\n"
		     ".BR vmvitals (1).\n"
		     ".PP\n"
		     "The level is what the guest's policy must allow: monitor only reads; operate "
		     "are named,\n"
		     "validated changes; full are raw commands, scripts and files. Above monitor a "
		     "command\n"
		     "must be signed. The time is the default, and the most that can be asked "
		     "for.\n"
		     ".PP\n"
		     "Types: int, num, bool, str; str[] a list; T a moment as in RFC 3339; b64 "
		     "base64;\n"
		     "{str:str} an object of strings.\n");
	for (size_t i = 0; i < vmv_n_families; i++)
		put_roff_family(&vmv_families[i]);
	put_roff_qga();
	(void)printf(".SH \"SEE ALSO\"\n.BR vmvitals (1),\n.BR vmvitalsd (8)\n");
}
