#include "job/tool.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "exec/child.h"
#include "job/action.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SOFT_MS	    1000 /* for the answer, before a deadline */
#define ARGS_MAX    300
#define DO_ARGS_MAX 8
#define SAYS_MAX    256

uint64_t vmv_tool_soft_deadline(uint64_t deadline_ms)
{
	if (deadline_ms == UINT64_MAX)
		return deadline_ms;
	return deadline_ms > SOFT_MS ? deadline_ms - SOFT_MS : 0;
}

bool vmv_tool_find(const struct vmv_job_settings *s, const char *name, char ret[PATH_MAX])
{
	static const char *const dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					    "/usr/bin",	       "/sbin",		 "/bin" };
	const char *root = strcmp(s->root, "/") == 0 ? "" : s->root;

	for (size_t i = 0; i < VMV_COUNTOF(dirs); i++) {
		struct stat st;

		if (snprintf(ret, PATH_MAX, "%s%s/%s", root, dirs[i], name) < PATH_MAX &&
		    stat(ret, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & S_IXUSR)
			return true;
	}
	return false;
}

static int judge(const struct vmv_child_end *end, const char *path, struct vmv_buf *out,
		 struct vmv_err *err)
{
	if (end->is_timed_out)
		return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "'%.200s' took too long", path);
	if (out && vmv_buf_add(out, end->out.data, end->out.len) < 0)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	return end->exit_code;
}

int vmv_tool_run_path(const char *path, const char *const *argv, uint64_t deadline_ms,
		      struct vmv_buf *out, struct vmv_err *err)
{
	static const char *const env[] = { "DEBIAN_FRONTEND=noninteractive", NULL };
	const char *args[ARGS_MAX + 1] = { path };
	struct vmv_child c = { .argv = args,
			       .env = env,
			       .out_max = out ? out->max - out->len : 0,
			       .passes_out = !out,
			       .passes_err = true,
			       .deadline_ms = deadline_ms };
	struct vmv_child_end end;
	int r;

	for (size_t i = 1; argv[i]; i++) {
		if (i == ARGS_MAX)
			return vmv_fail(err, VMV_E_IO, E2BIG, "too many arguments");
		args[i] = argv[i];
	}
	r = vmv_child_run(&end, &c);
	if (r == -ETIMEDOUT)
		return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "no time is left for '%.200s'",
				path);
	if (r < 0)
		return vmv_fail(err, r == -ENOENT ? VMV_E_UNSUPPORTED : VMV_E_IO, -r,
				"cannot run '%.200s': %s", path, strerror(-r));
	r = judge(&end, path, out, err);
	vmv_child_end_free(&end);
	return r;
}

int vmv_tool_run(const struct vmv_job_settings *s, const char *const *argv, uint64_t deadline_ms,
		 struct vmv_buf *out, struct vmv_err *err)
{
	char path[PATH_MAX];

	if (!vmv_tool_find(s, argv[0], path))
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOENT, "there is no '%s' here", argv[0]);
	return vmv_tool_run_path(path, argv, deadline_ms, out, err);
}

/* One line of it, without what would break ours. */
static void tidy(char *text)
{
	text[strcspn(text, "\n")] = '\0';
}

int vmv_tool_do(const char *path, const char *const *argv, uint64_t deadline_ms,
		struct vmv_err *err)
{
	const char *args[DO_ARGS_MAX + 1] = { path };
	const struct vmv_child c = {
		.argv = args,
		.out_max = SAYS_MAX,
		.err_max = SAYS_MAX,
		.deadline_ms = deadline_ms,
	};
	struct vmv_child_end end;
	int r;

	for (size_t i = 1; argv[i] && i < DO_ARGS_MAX; i++)
		args[i] = argv[i];
	r = vmv_child_run(&end, &c);
	if (r < 0)
		return vmv_fail(err, r == -ETIMEDOUT ? VMV_E_TIMEDOUT : VMV_E_IO, -r, "%s: %s",
				argv[0], strerror(-r));
	tidy(end.err.data);
	if (end.is_timed_out)
		r = vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "%s took too long", argv[0]);
	else if (end.exit_code != 0)
		r = vmv_fail(err, VMV_E_IO, EIO, "%s: exit code %d: %.200s", argv[0], end.exit_code,
			     end.err.data);
	vmv_child_end_free(&end);
	return r;
}
