#include "host/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"

#define AT(member) .offset = offsetof(struct vmv_options, member)

const struct vmv_option vmv_options[] = {
	{ .name = "comment",
	  .arg = "TEXT",
	  .help = "what the key is, or whose",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_KEYS,
	  AT(comment) },
	{ .name = "count",
	  .letter = 'n',
	  .arg = "N",
	  .help = "end after N frames; 0, the default: go on",
	  .type = VMV_OPTION_NUMBER,
	  .bit = VMV_OPT_COUNT,
	  .max = UINT32_MAX,
	  AT(count) },
	{ .name = "counter",
	  .arg = "N",
	  .help = "sign with this counter (default: Unix time in microseconds)",
	  .type = VMV_OPTION_NUMBER,
	  .bit = VMV_OPT_SESSION,
	  .min = 1,
	  .max = (UINT64_C(1) << 53) - 1,
	  AT(counter) },
	{ .name = "dir",
	  .arg = "DIR",
	  .help = "where trusted keys are (default: " VMV_KEYS_DIR_DEFAULT ")",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_KEYS,
	  AT(dir) },
	{ .name = "env",
	  .letter = 'e',
	  .arg = "K=V",
	  .help = "set this variable for the command; can be given again",
	  .type = VMV_OPTION_WORDS,
	  .bit = VMV_OPT_RAW,
	  AT(env) },
	{ .name = "help",
	  .letter = 'h',
	  .help = "print this help and exit",
	  .type = VMV_OPTION_FLAG,
	  AT(wants_help) },
	{ .name = "interval",
	  .letter = 'i',
	  .arg = "S",
	  .help = "seconds between frames, at least 1 (default 2)",
	  .type = VMV_OPTION_SECONDS,
	  .bit = VMV_OPT_INTERVAL,
	  .min = 1000,
	  .max = 86400 * UINT64_C(1000),
	  AT(interval_ms) },
	{ .name = "json",
	  .letter = 'j',
	  .help = "print JSON, one object a line",
	  .type = VMV_OPTION_FLAG,
	  AT(is_json) },
	{ .name = "key",
	  .letter = 'k',
	  .arg = "FILE",
	  .help = "sign with this private key (envelope version 2)",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_SIGN,
	  AT(key) },
	{ .name = "no-color",
	  .help = "no colours on a terminal either (likewise: NO_COLOR)",
	  .type = VMV_OPTION_FLAG,
	  AT(no_color) },
	{ .name = "run-as",
	  .letter = 'u',
	  .arg = "USER",
	  .help = "account that the command runs as (default: root)",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_RAW,
	  AT(run_as) },
	{ .name = "secret",
	  .arg = "FILE",
	  .help = "sign with the VM's secret in this file (envelope version 1)",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_SIGN,
	  AT(secret) },
	{ .name = "session",
	  .arg = "UUID",
	  .help = "sign for this session of the guest",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_SESSION,
	  AT(session) },
	{ .name = "shell",
	  .arg = "NAME",
	  .help = "bash, sh, dash, zsh, fish or pwsh (default: bash, else sh)",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_RAW,
	  AT(shell) },
	{ .name = "socket",
	  .letter = 's',
	  .arg = "PATH",
	  .help = "the agent's socket (default: VMVITALS_SOCKET, else " VMV_SOCKET_DEFAULT ")",
	  .type = VMV_OPTION_TEXT,
	  AT(socket) },
	{ .name = "timeout",
	  .letter = 't',
	  .arg = "S",
	  .help = "seconds to wait for an answer (default 10; of a command, its own)",
	  .type = VMV_OPTION_SECONDS,
	  .bit = VMV_OPT_TIMEOUT,
	  .min = 1,
	  .max = 86400 * UINT64_C(1000),
	  AT(timeout_ms) },
	{ .name = "version",
	  .letter = 'V',
	  .help = "print the version and exit",
	  .type = VMV_OPTION_FLAG,
	  AT(wants_version) },
	{ .name = "vm-id",
	  .arg = "ID",
	  .help = "sign for this guest only, whatever another says",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_SIGN,
	  AT(vm_id) },
	{ .name = "workdir",
	  .letter = 'w',
	  .arg = "DIR",
	  .help = "directory in the guest where the command starts",
	  .type = VMV_OPTION_TEXT,
	  .bit = VMV_OPT_RAW,
	  AT(workdir) },
};
const size_t vmv_n_options = VMV_COUNTOF(vmv_options);

#define N	  VMV_COUNTOF(vmv_options)
#define LONG_ONLY 256 /* val of a long option is its index above this */

static void build_tables(char letters[2 * N + 2], struct option longs[N + 1])
{
	*letters++ = ':'; /* tell a missing argument from an unknown option */
	for (size_t i = 0; i < N; i++) {
		longs[i] = (struct option){
			.name = vmv_options[i].name,
			.has_arg = vmv_options[i].arg ? required_argument : no_argument,
			.val = (int)(LONG_ONLY + i),
		};
		if (vmv_options[i].letter)
			*letters++ = vmv_options[i].letter;
		if (vmv_options[i].letter && vmv_options[i].arg)
			*letters++ = ':';
	}
	*letters = '\0';
	longs[N] = (struct option){ 0 };
}

/* val: what getopt_long returned, or optopt. */
static const struct vmv_option *option_of(int val)
{
	for (size_t i = 0; i < N; i++)
		if (val == (int)(LONG_ONLY + i) ||
		    (vmv_options[i].letter && val == vmv_options[i].letter))
			return &vmv_options[i];
	return NULL;
}

static int parse_number(const struct vmv_option *o, const char *arg, uint64_t *ret)
{
	const char *end;
	uint64_t v;
	int r = o->type == VMV_OPTION_SECONDS ? vmv_parse_fixed(arg, 3, &v, &end)
					      : vmv_parse_u64(arg, &v, &end);

	if (r < 0 || *end || v < o->min || v > o->max)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int add_word(struct vmv_words *list, const char *arg)
{
	if (!*arg || list->n == VMV_COUNTOF(list->words))
		return -EINVAL;
	list->words[list->n++] = arg;
	return 0;
}

static int apply(const struct vmv_option *o, const char *arg, struct vmv_options *opt,
		 struct vmv_err *err)
{
	void *member = (char *)opt + o->offset;
	int r = 0;

	switch (o->type) {
	case VMV_OPTION_FLAG:
		*(bool *)member = true;
		break;
	case VMV_OPTION_TEXT:
		r = *arg ? 0 : -EINVAL;
		*(const char **)member = arg;
		break;
	case VMV_OPTION_SECONDS:
	case VMV_OPTION_NUMBER:
		r = parse_number(o, arg, member);
		break;
	case VMV_OPTION_WORDS:
		r = add_word(member, arg);
		break;
	}
	if (r < 0)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "option '--%s' does not take '%.64s'",
				o->name, arg);
	opt->given |= o->bit;
	return 0;
}

static int refuse(int what, char *const *argv, struct vmv_err *err)
{
	const struct vmv_option *o = option_of(optopt);

	if (what == ':' && o)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "option '--%s' needs an argument",
				o->name);
	if (o)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "option '--%s' takes no argument",
				o->name);
	if (optopt)
		return vmv_fail(err, VMV_E_UNKNOWN, EINVAL, "unknown option '-%c'", optopt);
	return vmv_fail(err, VMV_E_UNKNOWN, EINVAL, "unknown option '%.64s'", argv[optind - 1]);
}

int vmv_cli_parse(int argc, char **argv, const char *env_socket, const char *env_no_color,
		  struct vmv_options *ret, struct vmv_err *err)
{
	struct vmv_options opt = {
		.socket = env_socket && *env_socket ? env_socket : VMV_SOCKET_DEFAULT,
		.timeout_ms = 10000,
		.interval_ms = 2000,
		.no_color = env_no_color && *env_no_color,
	};
	struct option longs[N + 1];
	char letters[2 * N + 2];
	int c, r;

	build_tables(letters, longs);
	opterr = 0;
	optind = 0; /* glibc and musl: begin anew */
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct vmv_option *o = c == '?' || c == ':' ? NULL : option_of(c);

		r = o ? apply(o, optarg, &opt, err) : refuse(c, argv, err);
		if (r < 0)
			return r;
	}
	opt.operands = argv + optind;
	opt.n_operands = (size_t)(argc - optind);
	*ret = opt;
	return 0;
}
