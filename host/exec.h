/* The verb exec: a raw command in the guest, with its output as it comes. */
#ifndef VMV_HOST_EXEC_H
#define VMV_HOST_EXEC_H

#include <stddef.h>

#include "host/exits.h"

struct vmv_cli;
struct vmv_text;

enum vmv_exit vmv_run_exec(const struct vmv_cli *cli);
void vmv_help_exec(struct vmv_text *t);

/* The line for a shell that runs these words as they are: each is quoted where it must be. A single
 * word is a line already. */
void vmv_exec_line(char *const *words, size_t n, struct vmv_text *out);

#endif
