#include "execd/options.h"

#include "base/cleanup.h"
#include "base/num.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

#define IDLE_S	 30
#define IDLE_MAX 86400

/* All take a text but --idle-exit. */
static const struct {
	const char *name, *unit, *fallback, *help;
	size_t offset;
} texts[] = {
#define TEXT(member) offsetof(struct vmv_execd_options, member)
	{ "config", "FILE", NULL, "Read FILE and FILE.d/*.conf.", TEXT(config) },
	{ "socket", "PATH", NULL,
	  "Listen there, instead of at what the service manager hands over.", TEXT(socket) },
	{ "run-dir", "DIR", VMV_EXECD_RUN_DIR, "Sessions, and what runs.", TEXT(run_dir) },
	{ "state-dir", "DIR", VMV_EXECD_STATE_DIR, "Nonces and scripts.", TEXT(state_dir) },
	{ "config-dir", "DIR", SYSCONFDIR "/vmvitals", "Folder of trusted-keys.d and fsfreeze.d.",
	  TEXT(config_dir) },
	{ "secret-env", "FILE", SYSCONFDIR "/infiniservice/agent.env",
	  "File with a line INFINISERVICE_SHARED_SECRET=.", TEXT(secret_env) },
	{ "root", "DIR", "/", "Where proc/, sys/ and etc/ are found.", TEXT(root) },
	{ "job", "PATH", VMV_JOB_PATH, "The program that runs one job.", TEXT(job) },
	{ "agent-user", "USER", "vmvitals", "Whose processes are served, beside root's.",
	  TEXT(agent_user) },
	{ "log-level", "LEVEL", NULL, "Over what the configuration says.", TEXT(log_level) },
#undef TEXT
};

enum { OPT_HELP = 256, OPT_VERSION, OPT_IDLE, OPT_TEXT };

static const char **member(struct vmv_execd_options *o, size_t i)
{
	return (const char **)(void *)((char *)o + texts[i].offset);
}

enum vmv_execd_mode vmv_execd_options_parse(struct vmv_execd_options *ret, int argc, char **argv)
{
	struct option table[VMV_COUNTOF(texts) + 4] = {
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "idle-exit", required_argument, NULL, OPT_IDLE },
	};
	int value;

	*ret = (struct vmv_execd_options){ .idle_s = IDLE_S };
	for (size_t i = 0; i < VMV_COUNTOF(texts); i++) {
		table[3 + i] = (struct option){ texts[i].name, required_argument, NULL,
						OPT_TEXT + (int)i };
		*member(ret, i) = texts[i].fallback;
	}
	while ((value = getopt_long(argc, argv, "", table, NULL)) != -1) {
		const char *end;

		if (value == OPT_HELP)
			return VMV_EXECD_HELP;
		if (value == OPT_VERSION)
			return VMV_EXECD_VERSION;
		if (value >= OPT_TEXT)
			*member(ret, (size_t)(value - OPT_TEXT)) = optarg;
		else if (value != OPT_IDLE || vmv_parse_u64(optarg, &ret->idle_s, &end) < 0 ||
			 *end != '\0' || ret->idle_s > IDLE_MAX)
			return VMV_EXECD_USAGE;
	}
	return optind < argc ? VMV_EXECD_USAGE : VMV_EXECD_RUN;
}

void vmv_execd_help(void)
{
	(void)puts(
		"Usage: vmvitals-execd [OPTION]...\n"
		"Verifies what hosts have signed, and does what the policy allows of it. Started "
		"by its socket.\n");
	for (size_t i = 0; i < VMV_COUNTOF(texts); i++) {
		char left[40];

		(void)snprintf(left, sizeof(left), "--%s %s", texts[i].name, texts[i].unit);
		(void)printf("  %-22s %s%s%s%s\n", left, texts[i].help,
			     texts[i].fallback ? " (default: " : "",
			     texts[i].fallback ? texts[i].fallback : "",
			     texts[i].fallback ? ")" : "");
	}
	(void)puts("  --idle-exit S          Exit after S seconds without work; 0: never (default: "
		   "30).\n"
		   "  --help                 Print this.\n"
		   "  --version              Print the version.");
}
