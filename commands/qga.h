/* The second language: the commands of the QEMU guest agent, in a table of their own. Agent,
 * executor and job each look into it; docs/QGA.md comes from it. */
#ifndef VMV_COMMANDS_QGA_H
#define VMV_COMMANDS_QGA_H

#include "commands/command.h"
#include "commands/handlers.h"
#include "commands/judge.h"

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct vmv_err;

/* Sorted by name. Of each row timeout_s is what the work may take: requests name none. */
extern const struct vmv_command vmv_qga_commands[];
extern const size_t vmv_n_qga_commands;

/* NULL: no such command. */
const struct vmv_command *vmv_qga_find(const char *name);

/* One request, as far as it could be understood; all is borrowed from it. */
struct vmv_qga_call {
	const char *name;		   /* what it asks for; NULL: cannot be told */
	const struct vmv_command *command; /* NULL: unknown */
	struct json_object *arguments;	   /* NULL: none */
	struct json_object *id;
	bool has_id; /* id NULL then is a JSON null */
};

/* Takes a request apart. Returns 0, or negative errno with err set in the words of the protocol:
 * VMV_E_UNKNOWN for what has class CommandNotFound. What was understood until then is in ret. */
int vmv_qga_call(struct json_object *request, struct vmv_qga_call *ret, struct vmv_err *err);

/* Checks arguments (NULL: none) against the command's table. Returns 0, or -EINVAL with err set in
 * those words; ret then is unspecified. */
int vmv_qga_args(const struct vmv_command *c, struct json_object *arguments,
		 struct vmv_value ret[VMV_ARGS_MAX], struct vmv_err *err);

/* Whether the policy, which is that of [qga], lets the command run: 0, or negative errno with err
 * set in those words (VMV_E_DENIED: class CommandNotFound, too). Agent and executor ask. */
int vmv_qga_judge(const struct vmv_policy *policy, const struct vmv_command *c,
		  struct vmv_err *err);

/* The class of an error: "CommandNotFound" or "GenericError". */
const char *vmv_qga_class(const struct vmv_err *err);

/* Who in the agent does which command: one for each row that agent or helper do. Handlers answer
 * with vmv_request_done, whose text is for nobody and whose data is the value of "return" (NULL:
 * {}), or vmv_request_fail, whose message is the description. Sorted by name. */
extern const struct vmv_handler vmv_qga_handlers[];
extern const size_t vmv_n_qga_handlers;
const struct vmv_handler *vmv_qga_handler(const char *name);

/* Places of arguments in what vmv_qga_args returns. */
enum { VMV_QGA_SYNC_ID };
enum { VMV_QGA_SHUTDOWN_MODE };
enum { VMV_QGA_POWERDOWN, VMV_QGA_HALT, VMV_QGA_REBOOT };
enum { VMV_QGA_MOUNTPOINTS };
enum { VMV_QGA_TRIM_MINIMUM };
enum { VMV_QGA_TIME };
enum { VMV_QGA_VCPUS };
enum { VMV_QGA_MEM_BLKS };
enum {
	VMV_QGA_EXEC_PATH,
	VMV_QGA_EXEC_ARG,
	VMV_QGA_EXEC_ENV,
	VMV_QGA_EXEC_INPUT,
	VMV_QGA_EXEC_CAPTURE
};
enum { VMV_QGA_PID };
enum { VMV_QGA_OPEN_PATH, VMV_QGA_OPEN_MODE };
enum { VMV_QGA_HANDLE, VMV_QGA_READ_COUNT };
enum { VMV_QGA_WRITE_BUF = 1, VMV_QGA_WRITE_COUNT };
enum { VMV_QGA_SEEK_OFFSET = 1, VMV_QGA_SEEK_WHENCE };
enum { VMV_QGA_USERNAME, VMV_QGA_PASSWORD, VMV_QGA_CRYPTED };
enum { VMV_QGA_KEYS = 1, VMV_QGA_KEYS_RESET };

#endif
