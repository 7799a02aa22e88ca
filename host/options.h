/* The options of vmvitals: one table, from which parser and help come. */
#ifndef VMV_HOST_OPTIONS_H
#define VMV_HOST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct vmv_err;

#define VMV_SOCKET_DEFAULT   "/run/vmvitals/agent.sock"
#define VMV_KEYS_DIR_DEFAULT "/etc/vmvitals/trusted-keys.d"

/* What an option that may be given again and again has collected; borrowed from argv. */
struct vmv_words {
	const char *words[VMV_ENV_VARS];
	size_t n;
};

/* Plain values. */
struct vmv_options {
	const char *socket; /* borrowed from argv or the environment */
	uint64_t timeout_ms;
	uint64_t interval_ms;
	uint64_t count; /* 0: no end */
	bool is_json;
	bool no_color;
	bool wants_help;
	bool wants_version;
	const char *key;    /* file that signs, version 2; NULL: none. Borrowed, as all below */
	const char *secret; /* the same, version 1 */
	const char *vm_id;  /* the guest must be this one; NULL: any */
	const char *run_as; /* of exec; NULL: the guest's default, as those below */
	const char *shell;
	const char *workdir;
	struct vmv_words env;  /* NAME=VALUE */
	const char *comment;   /* of a key; NULL: none */
	const char *dir;       /* of trusted keys; NULL: the guest's */
	const char *session;   /* to sign for; NULL: none */
	uint64_t counter;      /* to sign with; 0: the next one */
	char *const *operands; /* verb and what follows it; borrowed from argv */
	size_t n_operands;
	unsigned given; /* VMV_OPT_ bits of the options that were given */
};

/* Options that only some verbs have. */
enum {
	VMV_OPT_INTERVAL = 1 << 0,
	VMV_OPT_COUNT = 1 << 1,
	VMV_OPT_SIGN = 1 << 2, /* key, secret, vm-id */
	VMV_OPT_RAW = 1 << 3,  /* env, run-as, shell, workdir */
	VMV_OPT_TIMEOUT = 1 << 4,
	VMV_OPT_KEYS = 1 << 5,	  /* comment, dir */
	VMV_OPT_SESSION = 1 << 6, /* counter, session */
};

#define VMV_OPT_COMMON VMV_OPT_TIMEOUT /* every verb has it; the bit tells whether it was given */

enum vmv_option_type {
	VMV_OPTION_FLAG,    /* bool */
	VMV_OPTION_TEXT,    /* const char *, not empty */
	VMV_OPTION_SECONDS, /* uint64_t, milliseconds; a number with up to 3 decimals */
	VMV_OPTION_NUMBER,  /* uint64_t */
	VMV_OPTION_WORDS,   /* struct vmv_words; each not empty */
};

struct vmv_option {
	const char *name;
	const char *arg; /* what stands for its argument in the help; NULL: it has none */
	const char *help;
	enum vmv_option_type type;
	char letter;	   /* 0: none */
	unsigned bit;	   /* VMV_OPT_; 0 or COMMON: every verb has it */
	uint64_t min, max; /* of the value, in the unit it is kept in */
	size_t offset;	   /* in struct vmv_options */
};

/* Sorted by name. */
extern const struct vmv_option vmv_options[];
extern const size_t vmv_n_options;

/* Options may stand before and behind the verb; "--" ends them. socket and no_color are what the
 * environment says (NULL: nothing). argv is permuted. Returns 0, or -EINVAL with err set:
 * VMV_E_UNKNOWN no such option, VMV_E_RANGE a missing or bad argument. */
int vmv_cli_parse(int argc, char **argv, const char *env_socket, const char *env_no_color,
		  struct vmv_options *ret, struct vmv_err *err);

#endif
