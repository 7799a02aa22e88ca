#include "helper/software.h"

#include "base/cleanup.h"
#include "exec/child.h"

#include <errno.h>

/* Nothing of what the agent was started with but what exec/child.h says: what programs print must
 * not depend on it. No deadline: when the answer is late, the agent ends us and them. */
int vmv_software_run(void *arg, char *const *argv, struct vmv_buf *out, bool *ret_is_cut)
{
	const struct vmv_child child = {
		.argv = (const char *const *)argv,
		.out_max = out->max,
		.deadline_ms = VMV_CHILD_NEVER,
		.is_in_our_group = true,
	};
	struct vmv_child_end end;
	int r = vmv_child_run(&end, &child);

	(void)arg;
	if (r < 0)
		return r;
	*ret_is_cut = end.is_out_cut;
	r = vmv_buf_add(out, end.out.data, end.out.len);
	vmv_child_end_free(&end);
	return r < 0 ? r : end.exit_code;
}
