/* The verbs that ask an agent about itself: describe, health, samples, state. */
#ifndef VMV_HOST_INQUIRIES_H
#define VMV_HOST_INQUIRIES_H

#include "host/exits.h"

struct vmv_cli;
struct vmv_text;

enum vmv_exit vmv_run_describe(const struct vmv_cli *cli);
enum vmv_exit vmv_run_samples(const struct vmv_cli *cli);
enum vmv_exit vmv_run_state(const struct vmv_cli *cli);

/* Exits with what monitoring plugins exit with: 0 passed, 1 warning, 2 failed, 3 unknown. */
enum vmv_exit vmv_run_health(const struct vmv_cli *cli);

/* The groups of this version, for the help of samples. */
void vmv_help_samples(struct vmv_text *t);

#endif
