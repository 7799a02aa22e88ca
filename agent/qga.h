/* One channel that speaks the QEMU guest agent's protocol: requests in, each answered once and in
 * order, and not a byte beside. */
#ifndef VMV_AGENT_QGA_H
#define VMV_AGENT_QGA_H

#include "agent/talk.h"

int vmv_qga_new(struct vmv_talk **ret, const struct vmv_session_env *env,
		const struct vmv_spec *spec, struct vmv_err *err);

#endif
