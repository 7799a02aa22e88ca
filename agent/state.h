/* The state of the agent, for people who read the log. */
#ifndef VMV_AGENT_STATE_H
#define VMV_AGENT_STATE_H

#include <stddef.h>

struct vmv_clock;
struct vmv_facts;
struct vmv_session;

/* One entry per channel and per collector, and one for the agent's own cost. */
void vmv_state_log(struct vmv_session *const *sessions, size_t n, const struct vmv_facts *facts,
		   const struct vmv_clock *clock);

#endif
