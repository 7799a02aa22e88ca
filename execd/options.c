#include "execd/options.h"

int vmv_execd_options_parse(struct vmv_execd_options *ret, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	*ret = (struct vmv_execd_options){ .idle_s = 30 };
	return 0;
}
