/* Runs a program and waits for it: for processes that may block (helper/, job/). */
#ifndef VMV_EXEC_CHILD_H
#define VMV_EXEC_CHILD_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMV_CHILD_PATH	    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define VMV_CHILD_INPUT_MAX 4096 /* bytes: what any pipe takes at once */
#define VMV_CHILD_KILL_MS   1000 /* from TERM to KILL */
#define VMV_CHILD_NEVER	    UINT64_MAX

/* What to run. All is borrowed; what is 0 is the usual. */
struct vmv_child {
	const char *const *argv; /* [0]: an absolute path, or a name without slash, which is
				  * searched in VMV_CHILD_PATH */
	const char *const *env;	 /* NAME=VALUE ..., NULL; NULL: none. Beside, or instead of those
				  * with the same name: PATH (VMV_CHILD_PATH), LANG=C.UTF-8, and
				  * HOME, USER, LOGNAME, SHELL of the account we run as */
	const char *input;	 /* standard input; NULL: /dev/null */
	size_t input_len;	 /* up to VMV_CHILD_INPUT_MAX */
	size_t out_max, err_max; /* bytes that are kept; what is beyond is read and thrown away */
	bool passes_out, passes_err; /* these are our own instead, and nothing is kept */
	uint64_t deadline_ms; /* monotonic, has to be set: TERM then, KILL after VMV_CHILD_KILL_MS;
				 or NEVER */
	/* It stays in our process group, so that who kills that kills it, too; at the deadline the
	 * child alone is killed. Else it leads its own, which is killed with what it left there. */
	bool is_in_our_group;
};

struct vmv_child_end {
	int exit_code;	    /* 0-255; 128 + n after signal n */
	int signal;	    /* that ended it, or 0 */
	bool is_timed_out;  /* the deadline struck before it ended */
	struct vmv_buf out; /* any bytes, and a NUL behind len: data is never NULL */
	struct vmv_buf err; /* likewise */
	bool is_out_cut, is_err_cut;
};

/* Waits until the program has ended and so have its pipes, but for those no longer than
 * VMV_PIPES_LINGER_MS after it: it may leave somebody behind who holds them open. One that not even
 * KILL ends, as it hangs in the kernel, is left behind a second later, with exit_code 137.
 * Returns 0 with *ret, to be freed with vmv_child_end_free(), however the program ended; or, and
 * then it was not started or not waited for: -ENOENT, -EACCES: no such program; -ETIMEDOUT: the
 * deadline was over before; -EINVAL, -EFBIG: input; else as spawn, pipe and malloc. */
int vmv_child_run(struct vmv_child_end *ret, const struct vmv_child *c);

void vmv_child_end_free(struct vmv_child_end *e);

/* Where a program is: an absolute path (as it is) or a name, which is searched in VMV_CHILD_PATH.
 * Returns 0, -ENOENT, -EACCES (there, but not to be executed), -EINVAL (a relative path, or "") or
 * -ENAMETOOLONG. cap: size of ret. */
int vmv_child_find(const char *name, char *ret, size_t cap);

#endif
