/* The verbs that ask once and print once, and what all verbs share. */
#ifndef VMV_HOST_VERBS_H
#define VMV_HOST_VERBS_H

#include <stdint.h>

struct json_object;
struct vmv_cli;
struct vmv_client;
struct vmv_err;

/* When an answer that is asked for now must be there; monotonic milliseconds. */
uint64_t vmv_verb_deadline(const struct vmv_cli *cli);

/* Connects and greets. Returns 0 with a client in *ret (vmv_client_free), or negative errno with
 * err set. stop_fd as in vmv_client_new. */
int vmv_verb_connect(const struct vmv_cli *cli, int stop_fd, struct vmv_client **ret,
		     struct vmv_err *err);

/* The same with a deadline of its own. */
int vmv_verb_connect_until(const struct vmv_cli *cli, int stop_fd, uint64_t deadline_ms,
			   struct vmv_client **ret, struct vmv_err *err);

/* The data of fresh metrics: by GetMetrics, or where the agent does not know that, the next metrics
 * message, or the one that has come already. A new reference in *ret. */
int vmv_verb_metrics(struct vmv_client *c, uint64_t deadline_ms, struct json_object **ret,
		     struct vmv_err *err);

#endif
