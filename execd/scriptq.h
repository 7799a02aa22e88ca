/* Scripts of hosts: taken in, run one after another, and told until a host has them. */
#ifndef VMV_EXECD_SCRIPTQ_H
#define VMV_EXECD_SCRIPTQ_H

#include "execd/execd_impl.h"

struct vmv_scriptq;

/* Opens the store and begins with what is to be run. Returns 0, or negative errno with err set. */
int vmv_scriptq_new(struct vmv_scriptq **ret, struct vmv_execd *e, struct vmv_err *err);
void vmv_scriptq_free(struct vmv_scriptq *q);

/* A verified message with scripts. refusal: why none may run, or NULL. Returns 0, or negative
 * errno with err set: the message was no good. */
int vmv_scriptq_accept(struct vmv_scriptq *q, const struct vmv_return *from,
		       struct json_object *message, const char *refusal, struct vmv_err *err);

/* A session began on this channel: what is owed is told there. */
void vmv_scriptq_opened(struct vmv_scriptq *q, const struct vmv_return *to);

/* This session, the current one of its channel, goes on: an executor that has been away does not
 * know of it. */
void vmv_scriptq_heard(struct vmv_scriptq *q, const struct vmv_return *to);
void vmv_scriptq_closed(struct vmv_scriptq *q, const char *channel);
void vmv_scriptq_peer_gone(struct vmv_scriptq *q, const struct vmv_peer *p);

/* The host has this completion. */
void vmv_scriptq_delivered(struct vmv_scriptq *q, const char *execution_id);

void vmv_scriptq_freeze(struct vmv_scriptq *q, bool is_frozen);

/* Something runs or is to be run; completions that wait for a host do not count. */
bool vmv_scriptq_is_busy(const struct vmv_scriptq *q);

#endif
