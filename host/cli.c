#include "host/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "host/term.h"
#include "host/text.h"

#define HELP_MAX (64 * 1024)

enum vmv_exit vmv_cli_fail(const struct vmv_err *err)
{
	if (err->sys == ECANCELED)
		return VMV_EXIT_OK;
	(void)fprintf(stderr, "vmvitals: %s\n", err->msg);
	return vmv_exit_of(err);
}

enum vmv_exit vmv_cli_wrote(int r)
{
	if (r == 0 || r == -EPIPE || r == -ECANCELED)
		return VMV_EXIT_OK;
	(void)fprintf(stderr, "vmvitals: cannot write to standard output: %s\n", strerror(-r));
	return VMV_EXIT_OUTPUT;
}

enum vmv_exit vmv_cli_print(const struct vmv_cli *cli, const struct vmv_text *text)
{
	if (text->error < 0) {
		(void)fprintf(stderr, "vmvitals: cannot make the text: %s\n",
			      strerror(-text->error));
		return VMV_EXIT_INTERNAL;
	}
	return vmv_cli_wrote(vmv_term_write(cli->out_fd, -1, text->buf.data, text->buf.len));
}

/* -- help ---------------------------------------------------------------------------- */

static void help_option(struct vmv_text *t, const struct vmv_option *o)
{
	char left[64];

	if (o->letter)
		vmv_text_fmt(t, "  -%c, ", o->letter);
	else
		vmv_text_add(t, "      ");
	(void)snprintf(left, sizeof(left), "--%s%s%s", o->name, o->arg ? " " : "",
		       o->arg ? o->arg : "");
	vmv_text_fmt(t, "%-16s  %s\n", left, o->help);
}

static void help_options(struct vmv_text *t, unsigned bits)
{
	vmv_text_add(t, "\nOptions:\n");
	for (size_t i = 0; i < vmv_n_options; i++)
		if (vmv_options[i].bit == 0 || (vmv_options[i].bit & (bits | VMV_OPT_COMMON)))
			help_option(t, &vmv_options[i]);
}

static void help_verb(struct vmv_text *t, const struct vmv_verb *verb)
{
	vmv_text_fmt(t, "Usage: vmvitals [OPTION]... %s%s%s\n\n%s\n", verb->name,
		     verb->operands ? " " : "", verb->operands ? verb->operands : "", verb->help);
	help_options(t, verb->options);
	if (verb->more)
		verb->more(t);
}

static void help_all(struct vmv_text *t)
{
	vmv_text_add(
		t, "Usage: vmvitals [OPTION]... VERB\n"
		   "See what is going on inside a guest, and do there what it allows.\n\nVerbs:\n");
	for (size_t i = 0; i < vmv_n_verbs; i++)
		vmv_text_fmt(t, "  %-20s  %s\n", vmv_verbs[i].name, vmv_verbs[i].help);
	help_options(t, ~0u);
	vmv_text_add(t, "\nExit status: 0 done, 64 usage, 69 no agent or no answer, 70 internal,\n"
			"74 output, 75 busy, 76 protocol, 77 refused; of health also\n"
			"1 warning, 2 failed, 3 unknown; of run and exec also the status of\n"
			"what ran in the guest, 124 timed out, 128+N stopped by signal N.\n");
}

enum vmv_exit vmv_cli_help(const struct vmv_cli *cli, const struct vmv_verb *verb)
{
	struct vmv_text t;
	enum vmv_exit status;

	vmv_text_init(&t, HELP_MAX);
	if (verb)
		help_verb(&t, verb);
	else
		help_all(&t);
	status = vmv_cli_print(cli, &t);
	vmv_text_free(&t);
	return status;
}

static enum vmv_exit version(const struct vmv_cli *cli)
{
	struct vmv_text t;
	enum vmv_exit status;

	vmv_text_init(&t, HELP_MAX);
	vmv_text_add(&t, "vmvitals " PACKAGE_VERSION "\n");
	status = vmv_cli_print(cli, &t);
	vmv_text_free(&t);
	return status;
}

/* -- which verb ---------------------------------------------------------------------- */

enum vmv_exit vmv_cli_usage(const struct vmv_err *err)
{
	(void)fprintf(stderr,
		      "vmvitals: %s\n"
		      "Usage: vmvitals [OPTION]... VERB (see vmvitals --help)\n",
		      err->msg);
	return VMV_EXIT_USAGE;
}

const struct vmv_verb *vmv_cli_verb(const char *name)
{
	for (size_t i = 0; i < vmv_n_verbs; i++)
		if (strcmp(vmv_verbs[i].name, name) == 0)
			return &vmv_verbs[i];
	return NULL;
}

/* An option that was given and that the verb does not have; NULL: none. */
static const struct vmv_option *foreign_option(const struct vmv_verb *verb, unsigned given)
{
	for (size_t i = 0; i < vmv_n_options; i++)
		if (vmv_options[i].bit & given & ~verb->options & ~VMV_OPT_COMMON)
			return &vmv_options[i];
	return NULL;
}

/* *ret is NULL when no verb was named. */
static int find_verb(const struct vmv_options *opt, const struct vmv_verb **ret,
		     struct vmv_err *err)
{
	const struct vmv_option *foreign;
	const struct vmv_verb *verb;

	*ret = NULL;
	if (opt->n_operands == 0)
		return 0;
	verb = vmv_cli_verb(opt->operands[0]);
	if (!verb)
		return vmv_fail(err, VMV_E_UNKNOWN, EINVAL, "unknown verb '%.64s'",
				opt->operands[0]);
	if (opt->n_operands - 1 > verb->n_operands)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%s' does not take '%.64s'", verb->name,
				opt->operands[1 + verb->n_operands]);
	foreign = foreign_option(verb, opt->given);
	if (foreign)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%s' has no option '--%s'", verb->name,
				foreign->name);
	*ret = verb;
	return 0;
}

static bool can_be_steered(int fd, const char *term)
{
	return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

enum vmv_exit vmv_cli_run(int argc, char **argv, const struct vmv_cli_env *env)
{
	struct vmv_options opt;
	struct vmv_cli cli = { .options = &opt,
			       .clock = &vmv_clock_system,
			       .out_fd = STDOUT_FILENO };
	const struct vmv_verb *verb = NULL;
	struct vmv_err err;
	int r = vmv_cli_parse(argc, argv, env->socket, env->no_color, &opt, &err);

	if (r == 0)
		r = find_verb(&opt, &verb, &err);
	if (r < 0)
		return vmv_cli_usage(&err);
	if (opt.wants_help)
		return vmv_cli_help(&cli, verb);
	if (opt.wants_version)
		return version(&cli);
	if (!verb) {
		(void)vmv_fail(&err, VMV_E_RANGE, EINVAL, "no verb given");
		return vmv_cli_usage(&err);
	}
	cli.is_terminal = can_be_steered(cli.out_fd, env->term);
	cli.has_progress = can_be_steered(STDERR_FILENO, env->term);
	cli.is_color = cli.is_terminal && !opt.no_color;
	return verb->run(&cli);
}
