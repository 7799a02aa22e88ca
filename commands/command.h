/* The command table: everything a host may ask for, in data. The dispatcher, Describe, the help of
 * the tools, docs/COMMANDS.md and the manual come from it; agent, executor and job each look into
 * it for themselves. */
#ifndef VMV_COMMANDS_COMMAND_H
#define VMV_COMMANDS_COMMAND_H

#include "commands/charset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_err;

/* What a host must be allowed to do (PROTOCOL.md 4.3), lowest first. */
enum vmv_level {
	VMV_MONITOR, /* reads */
	VMV_OPERATE, /* named, validated changes */
	VMV_FULL,    /* raw commands, scripts, files */
};

/* "monitor", "operate", "full" */
const char *vmv_level_name(enum vmv_level level);

/* Who does it. */
enum vmv_doer {
	VMV_BY_AGENT,	 /* the agent, from what it has read */
	VMV_BY_HELPER,	 /* the agent, which asks its helper: commands/handlers.c has both */
	VMV_BY_EXECUTOR, /* the executor alone: job/actions.c */
	VMV_BY_NOBODY,	 /* known, but not to be had: on Linux, or in this version */
};

enum vmv_argtype {
	VMV_ARG_INT, /* a JSON integer within min and max */
	VMV_ARG_NUM, /* any JSON number within min and max */
	VMV_ARG_BOOL,
	VMV_ARG_ENUM,	/* a string out of choices, in any case */
	VMV_ARG_TEXT,	/* a string of min to max bytes without NUL, of the characters of charset */
	VMV_ARG_NAMES,	/* an array of at most max strings without NUL, out of choices if any */
	VMV_ARG_TIME,	/* a string: a moment as in RFC 3339; number: ms since 1970 */
	VMV_ARG_BASE64, /* a string: canonical base64 of at most max bytes, not decoded */
	VMV_ARG_MAP,	/* an object of at most max strings without NUL */
	VMV_ARG_LIST,	/* QGA only: an array of at most max elements, checked by who does it */
	VMV_ARG_ANY,	/* QGA only: any JSON, likewise */
};

struct vmv_arg {
	const char *name;
	const char *alias;	 /* another name for it, or NULL */
	bool is_alias_in_params; /* the alias counts within params only */
	enum vmv_argtype type;
	bool is_required;
	enum vmv_charset charset; /* text */
	int64_t min, max;
	int64_t fallback;	    /* int, num, bool; enum: index; -1 of an int: none */
	const char *const *choices; /* enum, names: NULL-terminated */
	const char *fallback_text;  /* for people, where absence means something of its own */
	const char *help;	    /* with the unit */
};

#define VMV_ARGS_MAX 12

struct vmv_value {
	bool is_given;
	int64_t number;		  /* int, bool, time; enum: index */
	double num;		  /* num */
	const char *text;	  /* text, base64; borrowed from the request */
	size_t len;		  /* of text */
	struct json_object *json; /* names, map; borrowed likewise */
};

enum {
	VMV_COMMAND_ASYNC = 1 << 0, /* may answer after run() has returned: counts as in flight */
	VMV_COMMAND_VMVITALS = 1 << 1, /* who asks this knows section 6 of the protocol */
	VMV_COMMAND_RENEWS = 1 << 2,   /* may begin a session, and is answered in that one */
	VMV_COMMAND_CHILD = 1 << 3,    /* runs a child whose output is its own: can be streamed */
	VMV_COMMAND_SCOPE = 1 << 4,    /* has a scope or control group of its own */
	VMV_COMMAND_FINISHES = 1 << 5, /* never killed: half of it is worse than late (5.5) */
	VMV_COMMAND_SERIAL = 1 << 6,   /* one of these after another: they share a lock */
	VMV_COMMAND_FROZEN = 1 << 7,   /* served while filesystems are frozen (5.8) */
	VMV_COMMAND_SPARE = 1 << 8,    /* has places of its own in flight: it can make room */
	VMV_COMMAND_SILENT = 1 << 9,   /* QGA: nothing is said on success */
	VMV_COMMAND_SYNC = 1 << 10,    /* QGA: its client has given up what it asked before */
};

struct vmv_command {
	const char *name;
	const char *alias_of; /* another name of that action; it has its own row for lookups */
	enum vmv_level level;
	enum vmv_doer doer;
	const struct vmv_arg *args;
	size_t n_args;
	unsigned flags;
	uint32_t timeout_s, timeout_max_s; /* default, and the most a host may ask for */
	const char *help;
	const char *reads;   /* the 'operation' that only reads, at level monitor; or NULL */
	const char *why_not; /* by nobody: completes "not supported ..." */
};

/* Sorted by name. */
extern const struct vmv_command vmv_commands[];
extern const size_t vmv_n_commands;

/* Raw commands are a message of their own, no action: not in the list above. */
extern const struct vmv_command vmv_raw_command;

/* NULL: no such action. Names are matched exactly. */
const struct vmv_command *vmv_command_find(const char *name);

/* The row that a message of type SafeCommand or UnsafeCommand names, or NULL with err set: no such
 * type or action (VMV_E_UNKNOWN), or none named (VMV_E_RANGE). */
const struct vmv_command *vmv_command_of(struct json_object *message, struct vmv_err *err);

/* The id of a message when it can be answered (PROTOCOL.md 4.4-1), else NULL. Borrowed. */
const char *vmv_command_id(struct json_object *message);

/* Whether this message asks the command for what only reads (ServiceControl with status). */
bool vmv_command_only_reads(const struct vmv_command *c, struct json_object *message);

/* An argument where it is found (PROTOCOL.md 4.4-3), or NULL. Borrowed. */
struct json_object *vmv_command_argument(const struct vmv_command *c, struct json_object *message,
					 const struct vmv_arg *a);

/* Checks the arguments of a message against the command's table (PROTOCOL.md 4.4-3, 4.4-4): looked
 * up in command_type, then command_type.params, then params; of a raw command in the message
 * itself. Returns 0, or -EINVAL with err set; ret then is unspecified. */
int vmv_command_args(const struct vmv_command *c, struct json_object *message,
		     struct vmv_value ret[VMV_ARGS_MAX], struct vmv_err *err);

/* Seconds a command has (PROTOCOL.md 4.4-6): what the message says within bounds, else the default.
 */
uint32_t vmv_command_timeout_s(const struct vmv_command *c, struct json_object *message);

/* Places of arguments in what vmv_command_args returns. */
enum { VMV_PING_NEW_SESSION };
enum { VMV_DESCRIBE_WHAT };
enum { VMV_GET_SAMPLES_GROUPS };
enum { VMV_JOB_ID };
enum { VMV_PROCESS_LIST_LIMIT };
enum { VMV_PROCESS_TOP_LIMIT, VMV_PROCESS_TOP_SORT_BY };
enum { VMV_SORT_CPU, VMV_SORT_MEMORY, VMV_SORT_MEM };
enum { VMV_PACKAGE_SEARCH_QUERY };
enum { VMV_APP_ID };
enum { VMV_DISK_SPACE_WARNING, VMV_DISK_SPACE_CRITICAL };
enum { VMV_OPTIMIZATION_DAYS };
enum { VMV_HEALTH_CHECK_NAME };

enum { VMV_SERVICE_NAME, VMV_SERVICE_OPERATION };
enum {
	VMV_SERVICE_START,
	VMV_SERVICE_STOP,
	VMV_SERVICE_RESTART,
	VMV_SERVICE_RELOAD,
	VMV_SERVICE_ENABLE,
	VMV_SERVICE_DISABLE,
	VMV_SERVICE_STATUS,
};
enum { VMV_KILL_PID, VMV_KILL_FORCE, VMV_KILL_START_TIME };
enum { VMV_PACKAGE_NAME };
enum { VMV_REBOOT_FORCE, VMV_REBOOT_DELAY_S };
enum { VMV_CLEANUP_TARGETS, VMV_CLEANUP_DRY_RUN };
enum { VMV_FREEZE_MOUNTPOINTS, VMV_FREEZE_TIMEOUT_S };
enum { VMV_TRIM_MOUNTPOINTS, VMV_TRIM_MINIMUM };
enum { VMV_SET_TIME_REALTIME_MS };
enum { VMV_SET_HOSTNAME_NAME };
enum { VMV_GOLDEN_LEVEL, VMV_GOLDEN_SANITIZE, VMV_GOLDEN_SHUTDOWN };
enum { VMV_GOLDEN_MINIMAL, VMV_GOLDEN_STANDARD, VMV_GOLDEN_DEEP };
enum {
	VMV_DOMAIN_NAME,
	VMV_DOMAIN_USER,
	VMV_DOMAIN_PASSWORD,
	VMV_DOMAIN_OU,
	VMV_DOMAIN_COMPUTER,
	VMV_DOMAIN_RESTART,
};
enum { VMV_FILE_STAT_PATH, VMV_FILE_STAT_HASH };
enum { VMV_FILE_READ_PATH, VMV_FILE_READ_OFFSET, VMV_FILE_READ_LENGTH };
enum {
	VMV_FILE_WRITE_PATH,
	VMV_FILE_WRITE_TRANSFER,
	VMV_FILE_WRITE_OFFSET,
	VMV_FILE_WRITE_DATA,
	VMV_FILE_WRITE_LAST,
	VMV_FILE_WRITE_SHA256,
	VMV_FILE_WRITE_MODE,
	VMV_FILE_WRITE_OWNER,
	VMV_FILE_WRITE_GROUP,
	VMV_FILE_WRITE_OVERWRITE,
};
enum { VMV_RAW_TEXT, VMV_RAW_SHELL, VMV_RAW_WORKING_DIR, VMV_RAW_ENV_VARS, VMV_RAW_RUN_AS };

#endif
