#include "host/run.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "commands/command.h"
#include "host/arguments.h"
#include "host/cli.h"
#include "host/errand.h"
#include "host/message.h"
#include "host/outcome.h"
#include "host/progress.h"
#include "host/remote.h"
#include "host/term.h"
#include "host/text.h"
#include "proto/json_read.h"

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

#define autoput	    VMV_CLEANUP(putp)
#define automessage VMV_CLEANUP(vmv_message_free)
#define autoremote  VMV_CLEANUP(vmv_remote_close)
#define autotext    VMV_CLEANUP(vmv_text_free)

/* -- what is asked ----------------------------------------------------------------------------- */

static int command_of(const struct vmv_options *o, const struct vmv_command **ret,
		      struct vmv_err *err)
{
	if (o->n_operands < 2)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "no action named (see vmvitals help)");
	*ret = vmv_message_command(o->operands[1]);
	if (!*ret)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"unknown action '%.64s' (see vmvitals help)", o->operands[1]);
	return 0;
}

/* Everything that can be wrong with the command line is found here, before anything is sent. */
static int make_message(const struct vmv_options *o, struct vmv_message *ret, struct vmv_err *err)
{
	const struct vmv_command *c;
	uint32_t timeout_s = 0;
	int r = command_of(o, &c, err);

	if (r == 0)
		r = vmv_message_timeout(o, c, &timeout_s, err);
	if (r == 0)
		r = vmv_message_begin(ret, c, err);
	if (r == 0)
		r = vmv_arguments_write(c, o->operands + 2, o->n_operands - 2, &ret->w, err);
	return r < 0 ? r : vmv_message_finish(ret, timeout_s, false, err);
}

/* -- what is printed --------------------------------------------------------------------------- */

static enum vmv_exit print_json(const struct vmv_cli *cli, struct json_object *response)
{
	autotext struct vmv_text t;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	vmv_text_json(&t, response);
	return vmv_cli_print(cli, &t);
}

static void add_member(struct vmv_text *t, struct json_object *response, const char *name)
{
	size_t len = 0;
	const char *text = vmv_json_text(vmv_json_get(response, name), &len);

	if (text && len > 0)
		vmv_text_lines(t, text, len);
}

static void add_data(struct vmv_text *t, struct json_object *data)
{
	const char *text;

	if (!data)
		return;
	text = json_object_to_json_string_ext(data, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		vmv_text_lines(t, text, strlen(text));
	else
		t->error = -ENOMEM;
}

/* Standard error of what ran; not again what the response has as its error anyway. */
static void print_errors(struct json_object *response)
{
	const char *error = vmv_json_str(response, "error");
	const char *text = vmv_json_str(response, "stderr");
	autotext struct vmv_text t;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	if (!error || !text || strcmp(error, text) != 0)
		add_member(&t, response, "stderr");
	if (t.error == 0 && t.buf.len > 0)
		(void)vmv_term_write(STDERR_FILENO, -1, t.buf.data, t.buf.len);
}

static enum vmv_exit print_text(const struct vmv_cli *cli, struct json_object *response)
{
	autotext struct vmv_text t;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	add_member(&t, response, "stdout");
	add_data(&t, vmv_json_get(response, "data"));
	print_errors(response);
	return vmv_cli_print(cli, &t);
}

static enum vmv_exit conclude(const struct vmv_remote *remote, const struct vmv_message *m,
			      struct json_object *response)
{
	bool is_json = remote->cli->options->is_json;
	enum vmv_exit printed =
		is_json ? print_json(remote->cli, response) : print_text(remote->cli, response);

	if (!is_json && !remote->signal)
		vmv_outcome_tell(remote, m, response, false);
	if (remote->signal)
		return (enum vmv_exit)(VMV_EXIT_SIGNAL + remote->signal);
	return printed == VMV_EXIT_OK ? vmv_outcome_exit(response) : printed;
}

enum vmv_exit vmv_run_action(const struct vmv_cli *cli)
{
	autoremote struct vmv_remote remote = { .stop_fd = -1 };
	automessage struct vmv_message m = { 0 };
	autoput struct json_object *response = NULL;
	struct vmv_progress progress = { .is_on = cli->has_progress };
	const struct vmv_errand errand = { .message = &m, .progress = &progress };
	struct vmv_err err;
	int r = make_message(cli->options, &m, &err);

	if (r == 0)
		r = vmv_remote_open(cli, &remote, &err);
	if (r == 0)
		r = vmv_errand_run(&remote, &errand, &response, &err);
	return r < 0 ? vmv_outcome_fail(&remote, &err) : conclude(&remote, &m, response);
}

void vmv_help_run(struct vmv_text *t)
{
	vmv_text_add(
		t, "\nvmvitals help lists the actions, vmvitals help ACTION the arguments of one.\n"
		   "A list is comma separated, or its name comes again and again; a member of a\n"
		   "map is NAME.KEY=VALUE; binary data is NAME=@FILE; of a text, NAME@=FILE takes\n"
		   "what the file holds, so that a password need not be typed here.\n"
		   "\nWhat changes the guest must be signed: --key or --secret.\n"
		   "--timeout is the time that the guest has; --json prints the whole response.\n"
		   "\nExit status: 0 success, that of what ran in the guest and failed, 124 timed\n"
		   "out, 64 also what the guest did not take.\n");
}
