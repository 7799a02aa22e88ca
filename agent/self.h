/* What the agent itself has used up, as this kernel says, whatever tree is read otherwise. */
#ifndef VMV_AGENT_SELF_H
#define VMV_AGENT_SELF_H

struct vmv_cost;

/* What cannot be read is VMV_UNSET. */
void vmv_cost_read(struct vmv_cost *ret);

#endif
