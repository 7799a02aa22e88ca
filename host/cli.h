/* The command line: which verb, with which options, and what it returns. */
#ifndef VMV_HOST_CLI_H
#define VMV_HOST_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "host/exits.h"
#include "host/options.h"

struct vmv_clock;
struct vmv_err;
struct vmv_text;

#define VMV_OUTPUT_MAX (16 * 1024 * 1024) /* bytes of one text; beyond it: VMV_EXIT_INTERNAL */

/* What the environment says; NULL where it says nothing. Borrowed. */
struct vmv_cli_env {
	const char *socket; /* VMVITALS_SOCKET */
	const char *no_color;
	const char *term;
};

/* What a verb has to work with. Borrowed. */
struct vmv_cli {
	const struct vmv_options *options;
	const struct vmv_clock *clock;
	int out_fd;
	bool is_terminal; /* out_fd is one that can be steered */
	bool is_color;
	bool has_progress; /* standard error is a terminal: it can show how far things are */
};

struct vmv_verb {
	const char *name;
	const char *help;  /* one sentence */
	unsigned options;  /* VMV_OPT_ bits it has beside the common ones */
	size_t n_operands; /* words it takes behind its name, at most */
	enum vmv_exit (*run)(const struct vmv_cli *cli);
	const char *operands;		  /* as they stand in its help; NULL: it takes none */
	void (*more)(struct vmv_text *t); /* more help, behind its options; or NULL */
};

/* Sorted by name. */
extern const struct vmv_verb vmv_verbs[];
extern const size_t vmv_n_verbs;

/* Says what is wrong with the command line. Returns VMV_EXIT_USAGE. */
enum vmv_exit vmv_cli_usage(const struct vmv_err *err);

/* Says "vmvitals: ..." on standard error, unless it was asked to stop. Returns the exit status. */
enum vmv_exit vmv_cli_fail(const struct vmv_err *err);

/* Writes a text to standard output. A reader that has gone is no failure: it has seen enough. */
enum vmv_exit vmv_cli_print(const struct vmv_cli *cli, const struct vmv_text *text);

/* The same judgement of what vmv_term_write returned. */
enum vmv_exit vmv_cli_wrote(int r);

/* NULL: no such verb. */
const struct vmv_verb *vmv_cli_verb(const char *name);

/* Prints the help of a verb. */
enum vmv_exit vmv_cli_help(const struct vmv_cli *cli, const struct vmv_verb *verb);

/* Parses, runs the verb, returns the exit status. argv is permuted. */
enum vmv_exit vmv_cli_run(int argc, char **argv, const struct vmv_cli_env *env);

#endif
