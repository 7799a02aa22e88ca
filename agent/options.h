/* The command line of vmvitalsd. */
#ifndef VMV_AGENT_OPTIONS_H
#define VMV_AGENT_OPTIONS_H

#include "config/settings.h"

enum vmv_mode {
	VMV_MODE_RUN,
	VMV_MODE_ONCE,	/* one metrics message on standard output */
	VMV_MODE_CHECK, /* is the configuration good? */
	VMV_MODE_DUMP,	/* print it */
	VMV_MODE_HELP,
	VMV_MODE_VERSION,
};

struct vmv_options {
	enum vmv_mode mode;
	const char *config; /* NULL: the built-in path */
	struct vmv_overrides overrides;
};

/* Returns 0, or -EINVAL after saying on standard error what is wrong. Free overrides.list in any
 * case. */
int vmv_options_parse(struct vmv_options *ret, int argc, char **argv);

void vmv_options_help(FILE *out);

#endif
