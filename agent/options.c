#include "agent/options.h"

#include "base/cleanup.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* Options that are no settings. Values beyond any character, then the settings' ones. */
enum {
	OPT_CONFIG = 256,
	OPT_CHECK,
	OPT_DUMP,
	OPT_ONCE,
	OPT_FOREGROUND,
	OPT_HELP,
	OPT_VERSION,
	OPT_SETTING
};

static const struct {
	const char *name;
	const char *unit;
	int value;
	enum vmv_mode mode;
	const char *help;
} fixed[] = {
	{ "config", "FILE", OPT_CONFIG, VMV_MODE_RUN,
	  "Read FILE and FILE.d/*.conf (default: " VMV_CONFIG_PATH ")." },
	{ "check-config", NULL, OPT_CHECK, VMV_MODE_CHECK,
	  "Say whether the configuration is good: exit 0 or 78." },
	{ "dump-config", NULL, OPT_DUMP, VMV_MODE_DUMP,
	  "Print the configuration in force as a file, with help." },
	{ "once", NULL, OPT_ONCE, VMV_MODE_ONCE,
	  "Print one metrics message on standard output and exit." },
	{ "foreground", NULL, OPT_FOREGROUND, VMV_MODE_RUN,
	  "Stay in the foreground, which is what vmvitalsd always does." },
	{ "help", NULL, OPT_HELP, VMV_MODE_HELP, "Print this." },
	{ "version", NULL, OPT_VERSION, VMV_MODE_VERSION, "Print the version." },
};

static struct option *make_table(void)
{
	struct option *t = calloc(VMV_COUNTOF(fixed) + vmv_n_config_table + 1, sizeof(*t));
	size_t n = 0;

	for (size_t i = 0; t && i < VMV_COUNTOF(fixed); i++)
		t[n++] = (struct option){ fixed[i].name,
					  fixed[i].unit ? required_argument : no_argument, NULL,
					  fixed[i].value };
	for (size_t i = 0; t && i < vmv_n_config_table; i++)
		if (vmv_config_table[i].option)
			t[n++] = (struct option){ vmv_config_table[i].option, required_argument,
						  NULL, OPT_SETTING + (int)i };
	return t;
}

static int override(struct vmv_options *o, const struct vmv_setting *s, const char *value)
{
	void *more =
		reallocarray(o->overrides.list, o->overrides.n + 1, sizeof(*o->overrides.list));

	if (!more)
		return -ENOMEM;
	o->overrides.list = more;
	o->overrides.list[o->overrides.n].setting = s;
	o->overrides.list[o->overrides.n++].value = value;
	return 0;
}

static int take(struct vmv_options *o, int value, const char *arg)
{
	if (value >= OPT_SETTING)
		return override(o, &vmv_config_table[value - OPT_SETTING], arg);
	if (value == OPT_CONFIG)
		o->config = arg;
	for (size_t i = 0; i < VMV_COUNTOF(fixed); i++)
		if (fixed[i].value == value && fixed[i].mode != VMV_MODE_RUN)
			o->mode = fixed[i].mode;
	return 0;
}

int vmv_options_parse(struct vmv_options *ret, int argc, char **argv)
{
	vmv_autofree struct option *table = make_table();
	int value, r = table ? 0 : -ENOMEM;

	*ret = (struct vmv_options){ 0 };
	while (r == 0 && (value = getopt_long(argc, argv, "", table, NULL)) != -1)
		r = value == '?' ? -EINVAL : take(ret, value, optarg);
	if (r == 0 && optind < argc) {
		(void)fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[optind]);
		r = -EINVAL;
	}
	return r;
}

static void help_one(FILE *out, const char *name, const char *unit, const char *text)
{
	char left[48];

	(void)snprintf(left, sizeof(left), "--%s%s%s", name, unit ? " " : "", unit ? unit : "");
	(void)fprintf(out, "  %-24s %s\n", left, text);
}

void vmv_options_help(FILE *out)
{
	(void)fputs("Usage: vmvitalsd [OPTION]...\n"
		    "Tells the host what is going on in this guest.\n\n",
		    out);
	for (size_t i = 0; i < VMV_COUNTOF(fixed); i++)
		help_one(out, fixed[i].name, fixed[i].unit, fixed[i].help);
	(void)fputs("\nSettings, over what the configuration says:\n", out);
	for (size_t i = 0; i < vmv_n_config_table; i++)
		if (vmv_config_table[i].option)
			help_one(out, vmv_config_table[i].option, vmv_config_table[i].unit,
				 vmv_config_table[i].help);
	(void)fputs("\nSignals: TERM stops, HUP reads the configuration again, USR1 writes the "
		    "state to "
		    "the log.\n",
		    out);
}
