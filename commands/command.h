/* The command table: everything a host may ask for, in data. */
#ifndef VMV_COMMANDS_COMMAND_H
#define VMV_COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_err;
struct vmv_request;

/* What a host must be allowed to do (PROTOCOL.md 4.3), lowest first. */
enum vmv_level {
	VMV_MONITOR, /* reads */
	VMV_OPERATE, /* named, validated changes */
	VMV_FULL,    /* raw commands, scripts, files */
};

/* Who does it. */
enum vmv_doer {
	VMV_BY_AGENT,	 /* here; run is set */
	VMV_BY_EXECUTOR, /* the executor alone */
	VMV_BY_NOBODY,	 /* known, but not to be had: on Linux, or in this version */
};

enum vmv_argtype {
	VMV_ARG_INT, /* a JSON integer within min and max */
	VMV_ARG_BOOL,
	VMV_ARG_ENUM,  /* a string out of choices, in any case */
	VMV_ARG_TEXT,  /* a string of min to max bytes without NUL */
	VMV_ARG_NAMES, /* an array of strings without NUL */
};

struct vmv_arg {
	const char *name;
	enum vmv_argtype type;
	bool is_required;
	int64_t min, max;
	int64_t fallback;	    /* int, bool; enum: index */
	const char *const *choices; /* enum: NULL-terminated */
	const char *help;	    /* with the unit */
};

#define VMV_ARGS_MAX 8

struct vmv_value {
	bool is_given;
	int64_t number;		  /* int, bool; enum: index */
	const char *text;	  /* borrowed from the request */
	struct json_object *json; /* names; borrowed likewise */
};

enum {
	VMV_COMMAND_ASYNC = 1 << 0, /* may answer after run() has returned: counts as in flight */
	VMV_COMMAND_VMVITALS = 1 << 1, /* who asks this knows section 6 of the protocol */
	VMV_COMMAND_RENEWS = 1 << 2,   /* may begin a session, and is answered in that one */
};

struct vmv_command {
	const char *name;
	enum vmv_level level;
	enum vmv_doer doer;
	const struct vmv_arg *args;
	size_t n_args;
	unsigned flags;
	const char *help;
	const char *reads;   /* the 'operation' that only reads, at level monitor; or NULL */
	const char *why_not; /* by nobody: completes "not supported ..." */
	/* Arguments are checked. Answers the request exactly once, now or (ASYNC) later, with
	 * vmv_request_done or vmv_request_fail. */
	void (*run)(struct vmv_request *req);
};

/* Sorted by name. */
extern const struct vmv_command vmv_commands[];
extern const size_t vmv_n_commands;

/* NULL: no such action. Names are matched exactly. */
const struct vmv_command *vmv_command_find(const char *name);

/* An argument where it is found (PROTOCOL.md 4.4-3), or NULL. Borrowed. */
struct json_object *vmv_command_argument(struct json_object *message, const char *name);

/* Checks the arguments of a message against the command's table (PROTOCOL.md 4.4-3, 4.4-4): looked
 * up in command_type, then command_type.params, then params. Returns 0, or -EINVAL with err
 * set; ret then is unspecified. */
int vmv_command_args(const struct vmv_command *c, struct json_object *message,
		     struct vmv_value ret[VMV_ARGS_MAX], struct vmv_err *err);

#endif
