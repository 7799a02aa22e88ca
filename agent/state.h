/* The state of the agent: collected here, told by reports/state.c and in the log. */
#ifndef VMV_AGENT_STATE_H
#define VMV_AGENT_STATE_H

#include <stddef.h>

struct vmv_talk;
struct vmv_state;

/* Adds what sessions know, and what the agent costs, to the rest. */
void vmv_state_collect(struct vmv_talk *const *talks, size_t n, struct vmv_state *ret);

/* For people who read the log: one entry per channel and per collector, and one for the agent's own
 * cost. */
void vmv_state_log(const struct vmv_state *s);

#endif
