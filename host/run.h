/* The verb run: any action of the table, by name. */
#ifndef VMV_HOST_RUN_H
#define VMV_HOST_RUN_H

#include "host/exits.h"

struct vmv_cli;
struct vmv_text;

enum vmv_exit vmv_run_action(const struct vmv_cli *cli);
void vmv_help_run(struct vmv_text *t);

#endif
