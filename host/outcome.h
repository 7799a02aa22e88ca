/* What a response to a command means for the one who gave it: the exit status, and what to say. */
#ifndef VMV_HOST_OUTCOME_H
#define VMV_HOST_OUTCOME_H

#include <stdbool.h>

#include "host/exits.h"

struct json_object;
struct vmv_err;
struct vmv_message;
struct vmv_remote;

#define VMV_EXIT_TIMED_OUT 124 /* as timeout(1) */
#define VMV_EXIT_SIGNAL	   128 /* and the signal's number, as shells have it */

/* 0; the status of what ran in the guest and failed; VMV_EXIT_TIMED_OUT; VMV_EXIT_USAGE for
 * arguments that the guest did not take; else as vmv_exit_of. */
enum vmv_exit vmv_outcome_exit(struct json_object *response);

/* Says on standard error why a command failed, and what helps; nothing for a success, nor, with
 * is_own_words, where what ran in the guest has ended by itself: it has said why. */
void vmv_outcome_tell(const struct vmv_remote *remote, const struct vmv_message *message,
		      struct json_object *response, bool is_own_words);

/* For failures without a response: says why, and returns the status. */
enum vmv_exit vmv_outcome_fail(const struct vmv_remote *remote, const struct vmv_err *err);

#endif
