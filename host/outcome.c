#include "host/outcome.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "commands/command.h"
#include "host/answer.h"
#include "host/cli.h"
#include "host/message.h"
#include "host/remote.h"
#include "proto/json_read.h"

static bool is_code(struct json_object *response, const char *word)
{
	const char *code = vmv_json_str(response, "error_code");

	return code && strcmp(code, word) == 0;
}

enum vmv_exit vmv_outcome_exit(struct json_object *response)
{
	struct json_object *data = NULL;
	struct vmv_err err = { 0 };
	int64_t code;

	if (vmv_answer_check(response, "", &data, &err) == 0)
		return VMV_EXIT_OK;
	if (is_code(response, "TIMED_OUT"))
		return (enum vmv_exit)VMV_EXIT_TIMED_OUT;
	if (is_code(response, "BAD_ARGUMENT"))
		return VMV_EXIT_USAGE;
	if (!vmv_json_get(response, "error_code") &&
	    vmv_json_int(vmv_json_get(response, "exit_code"), 1, 255, &code))
		return (enum vmv_exit)code;
	return vmv_exit_of(&err);
}

static bool goes_on(struct json_object *response)
{
	struct json_object *on = vmv_json_get(vmv_json_get(response, "data"), "still_running");

	return json_object_is_type(on, json_type_boolean) && json_object_get_boolean(on);
}

void vmv_outcome_tell(const struct vmv_remote *remote, const struct vmv_message *message,
		      struct json_object *response, bool is_own_words)
{
	struct json_object *data = NULL;
	struct vmv_err err = { 0 };

	if (vmv_answer_check(response, message->command->name, &data, &err) == 0)
		return;
	if (is_own_words && err.code != VMV_E_PARSE && !vmv_json_get(response, "error_code"))
		return;
	(void)fprintf(stderr, "vmvitals: %s\n", err.msg);
	if (!remote->signer && (is_code(response, "BAD_SIGNATURE") || is_code(response, "LOCKED")))
		(void)fprintf(stderr,
			      "vmvitals: what changes a guest must be signed: --key FILE, or "
			      "--secret FILE (see vmvitals(1))\n");
	if (goes_on(response))
		(void)fprintf(stderr,
			      "vmvitals: it goes on in the guest: vmvitals run JobStatus job=%s\n",
			      message->id);
}

enum vmv_exit vmv_outcome_fail(const struct vmv_remote *remote, const struct vmv_err *err)
{
	if (remote->signal)
		return (enum vmv_exit)(VMV_EXIT_SIGNAL + remote->signal);
	if (err->code == VMV_E_RANGE && err->sys == EINVAL)
		return vmv_cli_usage(err);
	return vmv_cli_fail(err);
}
