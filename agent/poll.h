/* Asks the host for pending scripts (PROTOCOL.md 7.1): after the greeting, again when no answer
 * comes, then every now and then. Nothing waits for it. */
#ifndef VMV_AGENT_POLL_H
#define VMV_AGENT_POLL_H

#include <stdint.h>

struct event_base;
struct vmv_poll;

/* ask is called from the loop whenever a request is to be sent. NULL: out of memory. */
struct vmv_poll *vmv_poll_new(struct event_base *base, void (*ask)(void *arg), void *arg);
void vmv_poll_free(struct vmv_poll *p);

/* A session began: asks at once. period_s 0: only now. */
void vmv_poll_start(struct vmv_poll *p, uint64_t period_s);
void vmv_poll_stop(struct vmv_poll *p);

/* The host answered. */
void vmv_poll_answered(struct vmv_poll *p);

#endif
