/* The verb cp: one file into the guest or out of it. */
#ifndef VMV_HOST_CP_H
#define VMV_HOST_CP_H

#include "host/exits.h"

struct vmv_cli;
struct vmv_text;

enum vmv_exit vmv_run_cp(const struct vmv_cli *cli);
void vmv_help_cp(struct vmv_text *t);

#endif
