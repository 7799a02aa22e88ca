/* Runs a short program and collects what it prints. Blocks: not for the loop. */
#ifndef VMV_EXEC_CAPTURE_H
#define VMV_EXEC_CAPTURE_H

#include <stdbool.h>

struct vmv_buf;

/* argv[0] is absolute; stdin and stderr are /dev/null, env is the whole environment. The child
 * stays in our process group: whoever ends that ends it, too. What is beyond out->max is read and
 * thrown away, *ret_is_cut set. Returns its exit code, 128+n after signal n, or negative errno: it
 * could not be run (-ENOENT: there is no such program), or -ENOMEM. */
int vmv_capture(const char *const *argv, const char *const *env, struct vmv_buf *out,
		bool *ret_is_cut);

#endif
