#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "commands/qga.h"
#include "job/action.h"
#include "job/describe.h"
#include "job/group.h"
#include "job/launch.h"
#include "job/power.h"
#include "job/qga.h"
#include "proto/json_read.h"
#include "reports/response.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define DESCRIPTION_FD	3
#define RESULT_FD	4
#define DESCRIPTION_MAX (VMV_LINK_LINE_MAX + VMV_MIB)
#define DATA_MAX	(VMV_JOB_RESULT_MAX - 4 * VMV_KIB) /* the rest is for what is around it */

/* -- the result ----------------------------------------------------------------------------------
 */

static int write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(RESULT_FD, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* err: NULL for success. Returns the exit status of this program. */
static int tell(const struct vmv_action *a, const struct vmv_err *err)
{
	struct vmv_jw w;
	int r = EXIT_FAILURE;

	vmv_jw_init(&w, VMV_JOB_RESULT_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "error_code", err ? vmv_error_code(err->code) : NULL);
	vmv_jw_str(&w, "error", err ? err->msg : NULL);
	vmv_jw_str(&w, "text", a->text);
	if (a->data.buf.len > 0)
		vmv_jw_raw(&w, "data", a->data.buf.data, a->data.buf.len);
	else
		vmv_jw_null(&w, "data");
	vmv_jw_bool(&w, "is_childs", a->is_childs);
	vmv_jw_int(&w, "exit_code", a->is_childs ? a->exit_code : err ? 1 : 0);
	vmv_jw_str(&w, "after", vmv_after_word(a->after));
	vmv_jw_bool(&w, "after_forced", a->after_is_forced);
	vmv_jw_int(&w, "after_delay_s", a->after_delay_s);
	vmv_jw_close(&w);
	if (vmv_jw_finish(&w) == 0 && write_all(w.buf.data, w.buf.len) == 0)
		r = EXIT_SUCCESS;
	vmv_jw_free(&w);
	return r;
}

static int tell_failure(const struct vmv_err *err)
{
	const struct vmv_action none = { 0 };

	return tell(&none, err);
}

/* -- the work ------------------------------------------------------------------------------------
 */

static int run_action(const struct vmv_description *d, const struct vmv_command *c,
		      const struct vmv_value *args)
{
	const struct vmv_action_row *row =
		d->is_qga ? vmv_qga_action_find(c->name)
			  : vmv_action_find(c->alias_of ? c->alias_of : c->name);
	struct vmv_err err = { 0 };
	struct vmv_action a = {
		.command = c,
		.args = args,
		.message = d->message,
		.settings = &d->settings,
		.deadline_ms = d->deadline_ms,
	};
	int r;

	vmv_jw_init(&a.data, DATA_MAX);
	r = row ? row->run(&a, &err)
		: vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "'%s' is not the executor's", c->name);
	if (r == 0 && vmv_jw_finish(&a.data) < 0)
		r = vmv_fail(&err, VMV_E_TOOLARGE, EFBIG, "the answer is too long");
	if (a.data.error < 0) /* what there is of it is no JSON */
		vmv_buf_clear(&a.data.buf, 0);
	r = tell(&a, r < 0 ? &err : NULL);
	vmv_jw_free(&a.data);
	return r;
}

static int check_qga(const struct vmv_description *d, const struct vmv_command **ret,
		     struct vmv_value args[VMV_ARGS_MAX], struct vmv_err *err)
{
	const char *name = vmv_json_str(d->message, "command");
	const struct vmv_command *c = name ? vmv_qga_find(name) : NULL;

	if (!c || c->doer != VMV_BY_EXECUTOR)
		return vmv_fail(err, VMV_E_PARSE, EINVAL,
				"the job's description has a bad 'command'");
	*ret = c;
	return vmv_qga_args(c, vmv_json_get(d->message, "arguments"), args, err);
}

static int check(const struct vmv_description *d, const struct vmv_command **ret,
		 struct vmv_value args[VMV_ARGS_MAX], struct vmv_err *err)
{
	const struct vmv_command *c;

	if (d->is_qga)
		return check_qga(d, ret, args, err);
	c = vmv_command_of(d->message, err);
	if (!c)
		return -EINVAL;
	if (c->doer != VMV_BY_EXECUTOR || (c == &vmv_raw_command) != d->is_raw)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "the job's description has a bad 'kind'");
	*ret = c;
	return vmv_command_args(c, d->message, args, err);
}

/* Nobody is there any more who could read the result. */
static bool is_left(void)
{
	struct pollfd p = { .fd = RESULT_FD, .events = 0 };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

/* With the executor goes what it started, but for what must not be broken off: that goes on without
 * somebody to tell. Returns false when the executor is gone already. */
static bool tie_to_executor(const struct vmv_command *c)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (c->flags & VMV_COMMAND_FINISHES) {
		(void)sigaction(SIGPIPE, &ignore, NULL);
		return true;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return !is_left();
}

/* Its path, or an empty line: then those whose parents end become children of this process, so
 * that they can be found as long as it lives. */
static int tell_group(const char *name)
{
	char path[VMV_GROUP_PATH_SIZE] = "";
	struct vmv_err err = { 0 };

	if (!name || vmv_group_enter(name, path, &err) < 0) {
		*path = '\0';
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	}
	return write_all(path, strlen(path)) < 0 ? -1 : write_all("\n", 1);
}

/* The answer has gone out: now the deed. */
static int work_after(const struct vmv_description *d)
{
	const struct vmv_power power = { .root = d->settings.root };
	struct vmv_err err = { 0 };

	if (tell_group(NULL) < 0)
		return EXIT_FAILURE;
	if (vmv_power(&power, d->after, d->is_forced, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		(void)tell_failure(&err);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int work(const struct vmv_description *d)
{
	const struct vmv_command *c = NULL;
	struct vmv_value args[VMV_ARGS_MAX];
	struct vmv_err err = { 0 };
	int r = check(d, &c, args, &err);

	if (c && !tie_to_executor(c))
		return EXIT_FAILURE;
	if (tell_group(c ? d->group : NULL) < 0)
		return EXIT_FAILURE;
	if (r == 0 && !d->is_raw)
		return run_action(d, c, args);
	if (r == 0)
		(void)vmv_launch(args, &d->settings, &err);
	return tell_failure(&err);
}

/* -- start ---------------------------------------------------------------------------------------
 */

static bool set_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0;
}

static int read_description(struct vmv_buf *b)
{
	ssize_t n;
	int r;

	for (;;) {
		r = vmv_buf_reserve(b, 64 * VMV_KIB);
		if (r < 0)
			return r;
		n = read(DESCRIPTION_FD, b->data + b->len, b->cap - b->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		b->len += (size_t)n;
	}
}

static int run_job(void)
{
	struct vmv_buf text = { .max = DESCRIPTION_MAX };
	struct vmv_description d = { 0 };
	struct vmv_err err = { 0 };
	int r = read_description(&text);

	if (r < 0)
		r = vmv_fail(&err, VMV_E_IO, -r, "cannot read the job's description: %s",
			     strerror(-r));
	else
		r = vmv_description_parse(&d, text.data, text.len, &err);
	(void)close(DESCRIPTION_FD);
	vmv_buf_free(&text);
	if (r == 0)
		r = d.is_after ? work_after(&d) : work(&d);
	else
		r = write_all("\n", 1) == 0 ? tell_failure(&err) : EXIT_FAILURE;
	vmv_description_free(&d);
	return r;
}

static void print_help(FILE *out)
{
	(void)fputs(
		"Usage: vmvitals-job [--help | --version]\n"
		"Does one job of vmvitals-execd, which starts it with the job's description on\n"
		"descriptor 3, and reads the result from descriptor 4.\n",
		out);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_help(stdout);
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("vmvitals-job " PACKAGE_VERSION);
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (argc > 1 || !set_cloexec(DESCRIPTION_FD) || !set_cloexec(RESULT_FD)) {
		print_help(stderr);
		return EX_USAGE;
	}
	/* what the executor was given without CLOEXEC and does not know of */
	vmv_close_from(RESULT_FD + 1);
	(void)umask(022);
	if (chdir("/") < 0)
		return EX_OSERR;
	return run_job();
}
