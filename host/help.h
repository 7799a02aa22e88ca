/* The verb help: what actions there are, and what each takes, out of the command table. */
#ifndef VMV_HOST_HELP_H
#define VMV_HOST_HELP_H

#include "host/exits.h"

struct vmv_cli;

enum vmv_exit vmv_run_help(const struct vmv_cli *cli);

#endif
