#include "collectors/answer.h"

#include "base/asker.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/collector.h"

#include <errno.h>
#include <string.h>

#define TIMER_SLACK_MS 5 /* one that ends a little early is no reason to wait twice */

static int fail(int r, const char *who, struct vmv_err *err)
{
	switch (r) {
	case -ENOENT:
	case -ENOSYS: /* built without the library, or a kernel without what it takes */
		return vmv_fail(err, VMV_E_IO, ENOENT, "%s is not to be had here", who);
	case -ETIMEDOUT:
		return vmv_fail(err, VMV_E_IO, ETIMEDOUT, "%s does not answer", who);
	case -EAGAIN:
		return vmv_fail(err, VMV_E_IO, EAGAIN, "no answer from %s yet", who);
	default:
		return vmv_fail(err, VMV_E_IO, -r, "cannot ask %s: %s", who, strerror(-r));
	}
}

int vmv_answer(const struct vmv_root *root, const char *question, uint32_t max_age_ms,
	       const char *who, const char **ret_text, size_t *ret_len, struct vmv_err *err)
{
	struct vmv_asker *asker = root->asker;
	uint64_t age_ms = 0;
	int r = -ENOENT;

	if (asker && root->is_live) /* the answer is about this machine, not a recorded one */
		r = asker->ask(asker, question, max_age_ms, ret_text, &age_ms);
	if (r == -EAGAIN && age_ms + TIMER_SLACK_MS < VMV_ASK_WAIT_MS)
		return VMV_WAIT;
	if (r == -EAGAIN)
		r = asker->ask(asker, question, VMV_ANSWER_STALE_MS, ret_text, &age_ms);
	if (r < 0)
		return fail(r, who, err);
	*ret_len = (size_t)r;
	return 0;
}
