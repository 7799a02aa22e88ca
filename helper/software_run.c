#include "helper/software.h"

#include "base/cleanup.h"
#include "exec/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS 10

/* They take a hundred megabytes and a second of a processor: when memory runs short they are to die
 * and not the agent, whose control group they share; and whoever has work to do comes first. It
 * holds for this process, too, from now on. */
static void be_modest(void)
{
	static const char most[] = "1000";
	vmv_autoclose int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? write(fd, most, strlen(most)) : 0;

	(void)n; /* without it they are only less polite */
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
}

/* apt cannot work without a directory for temporary files, and to a service that may write to its
 * own directories only (ProtectSystem=strict) /tmp is none. Returns the first that is. */
static const char *temporary(void)
{
	static const char *const places[] = { "TMPDIR=/tmp", "TMPDIR=/run/vmvitals",
					      "TMPDIR=/var/lib/vmvitals", "TMPDIR=/dev/shm" };

	for (size_t i = 0; i < VMV_COUNTOF(places); i++)
		if (access(places[i] + strlen("TMPDIR="), W_OK | X_OK) == 0)
			return places[i];
	return places[0];
}

/* Nothing of what the agent was started with but what exec/child.h says: what programs print must
 * not depend on it. No deadline: when the answer is late, the agent ends us and them. */
int vmv_software_run(void *arg, char *const *argv, struct vmv_buf *out, bool *ret_is_cut)
{
	const char *const environment[] = { temporary(), NULL };
	const struct vmv_child child = {
		.argv = (const char *const *)argv,
		.env = environment,
		.out_max = out->max,
		.deadline_ms = VMV_CHILD_NEVER,
		.is_in_our_group = true,
	};
	struct vmv_child_end end;
	int r;

	(void)arg;
	be_modest();
	r = vmv_child_run(&end, &child);
	if (r < 0)
		return r;
	*ret_is_cut = end.is_out_cut;
	end.out.max = out->max;
	vmv_buf_free(out);
	*out = VMV_TAKE(end.out, (struct vmv_buf){ .data = NULL });
	vmv_child_end_free(&end);
	return end.exit_code;
}
