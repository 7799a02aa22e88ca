/* The executor: takes unopened envelopes from the agent, verifies them, decides, and runs jobs. */
#ifndef VMV_EXECD_EXECD_H
#define VMV_EXECD_EXECD_H

struct vmv_err;
struct vmv_execd;
struct vmv_execd_options;

/* options is borrowed. secret: of vmv_secret_take; taken, whatever comes of it. */
int vmv_execd_new(struct vmv_execd **ret, const struct vmv_execd_options *options, char *secret,
		  struct vmv_err *err);

/* Serves until it is idle or told to stop. Returns 0 or negative errno with err set. */
int vmv_execd_run(struct vmv_execd *e, struct vmv_err *err);
void vmv_execd_free(struct vmv_execd *e);

#endif
