/* The verbs that need no guest: keys, and signing by hand. */
#ifndef VMV_HOST_KEYS_H
#define VMV_HOST_KEYS_H

#include "host/exits.h"

struct vmv_cli;
struct vmv_err;
struct vmv_text;

/* keys generate FILE; keys trust FILE; keys list */
enum vmv_exit vmv_run_keys(const struct vmv_cli *cli);
void vmv_help_keys(struct vmv_text *t);

/* One signed line on standard output. */
enum vmv_exit vmv_run_sign(const struct vmv_cli *cli);
void vmv_help_sign(struct vmv_text *t);

/* As vmv_cli_fail, for errors of files: that they cannot be read does not mean that no agent is
 * there. */
enum vmv_exit vmv_keys_fail(const struct vmv_err *err);

#endif
