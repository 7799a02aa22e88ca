/* guest-exec: this process becomes the program. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/qga.h"
#include "exec/memfd.h"
#include "job/launch.h"
#include "job/program.h"
#include "job/qga.h"
#include "proto/base64.h"
#include "proto/json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- what is kept of its output -------------------------------------------------------------------
 */

struct capture {
	bool keeps_out, keeps_err, is_merged;
};

static const struct {
	const char *word;
	struct capture capture;
} captures[] = {
	{ "none", { false, false, false } },  { "stdout", { true, false, false } },
	{ "stderr", { false, true, false } }, { "separated", { true, true, false } },
	{ "merged", { true, true, true } },
};

static int find_capture(struct json_object *json, struct capture *ret, struct vmv_err *err)
{
	size_t len = 0;
	const char *word = vmv_json_text(json, &len);

	if (json_object_is_type(json, json_type_boolean)) {
		ret->keeps_out = ret->keeps_err = json_object_get_boolean(json);
		return 0;
	}
	if (!word)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"Invalid parameter type for 'capture-output', expected: "
				"boolean or string");
	for (size_t i = 0; i < VMV_COUNTOF(captures); i++) {
		if (strlen(word) == len && strcmp(captures[i].word, word) == 0) {
			*ret = captures[i].capture;
			return 0;
		}
	}
	return vmv_fail(err, VMV_E_RANGE, EINVAL,
			"Parameter 'capture-output' does not accept value '%.100s'", word);
}

/* -- which program --------------------------------------------------------------------------------
 */

static int cannot_run(const char *path, int error, struct vmv_err *err)
{
	return vmv_fail(err, error == ENOENT ? VMV_E_NOTFOUND : VMV_E_IO, error,
			"cannot run '%.200s': %s", path, strerror(error));
}

/* Asked before anything is changed, so that the usual mistakes have a plain answer; exec(2) has the
 * last word. */
static int check_program(const char *path, struct vmv_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return cannot_run(path, errno, err);
	if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return cannot_run(path, EACCES, err);
	return 0;
}

static int find_program(const struct vmv_job_settings *s, const char *name, char ret[PATH_MAX],
			struct vmv_err *err)
{
	char found[VMV_PROGRAM_SIZE];
	int r;

	if (strchr(name, '/')) {
		if (snprintf(ret, PATH_MAX, "%s", name) >= PATH_MAX)
			return cannot_run(name, ENAMETOOLONG, err);
		return check_program(ret, err);
	}
	r = *name ? vmv_program_find(s->root, name, found) : -ENOENT;
	if (r < 0)
		return cannot_run(name, -r, err);
	(void)snprintf(ret, PATH_MAX, "%s", found);
	return 0;
}

/* -- arguments and environment --------------------------------------------------------------------
 */

/* A NULL-terminated list of the array's texts (NULL: none), after first unless that is NULL.
 * What it holds is borrowed. NULL: out of memory. */
static const char **texts_of(const char *first, struct json_object *array)
{
	size_t n = array ? json_object_array_length(array) : 0, at = 0;
	const char **list = calloc(n + 2, sizeof(*list));

	if (list && first)
		list[at++] = first;
	for (size_t i = 0; list && i < n; i++)
		list[at++] = json_object_get_string(json_object_array_get_idx(array, i));
	return list;
}

static int check_env(struct json_object *array, struct vmv_err *err)
{
	size_t n = array ? json_object_array_length(array) : 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		const char *v = json_object_get_string(json_object_array_get_idx(array, i));
		int name = (int)strcspn(v, "=");

		if (name == 0 || v[name] != '=')
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "'env[%zu]' is no NAME=VALUE", i);
		if (vmv_launch_is_refused(v))
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%.*s' cannot be set",
					name < 60 ? name : 60, v);
		sum += strlen(v) + 1;
		if (sum > VMV_ENV_BYTES)
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "'env' is over %zu bytes",
					VMV_ENV_BYTES);
	}
	return 0;
}

/* -- its streams ----------------------------------------------------------------------------------
 */

/* Its standard input, as a file, so that nobody has to wait until it is read. */
static int put_input(const struct vmv_value *v, struct vmv_err *err)
{
	vmv_autofree uint8_t *bytes = malloc(VMV_BASE64_BYTES(v->len) + 1);
	vmv_autoclose int fd = -1;
	size_t len = 0;

	if (!bytes)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (!vmv_base64_decode(v->text, v->len, bytes, &len))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter 'input-data' is no base64");
	fd = vmv_memfd("vmvitals-input", bytes, len);
	if (fd < 0)
		return vmv_fail(err, VMV_E_IO, -fd, "cannot keep the input: %s", strerror(-fd));
	if (dup3(fd, STDIN_FILENO, 0) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot hand the input over: %s",
				strerror(errno));
	return 0;
}

/* Standard input is /dev/null already, and the others are pipes to the executor. */
static int put_streams(const struct vmv_value *input, const struct capture *c, struct vmv_err *err)
{
	vmv_autoclose int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int r = input->text ? put_input(input, err) : 0;

	if (r < 0)
		return r;
	if (null < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open /dev/null: %s", strerror(errno));
	if ((!c->keeps_out && dup3(null, STDOUT_FILENO, 0) < 0) ||
	    (!c->keeps_err && dup3(null, STDERR_FILENO, 0) < 0) ||
	    (c->is_merged && dup3(STDOUT_FILENO, STDERR_FILENO, 0) < 0))
		return vmv_fail(err, VMV_E_IO, errno, "cannot set up its output: %s",
				strerror(errno));
	return 0;
}

/* -- all of it ------------------------------------------------------------------------------------
 */

static int run(const char *path, const char *const *argv, const char *const *env,
	       struct vmv_err *err)
{
	union {
		const char *const *given;
		char *const *wanted; /* POSIX promises that the texts are left alone */
	} args = { .given = argv }, vars = { .given = env };

	(void)execve(path, args.wanted, vars.wanted);
	return cannot_run(path, errno, err);
}

static int launch(const struct vmv_action *a, const char *path, const struct capture *c,
		  struct vmv_err *err)
{
	struct json_object *given = a->args[VMV_QGA_EXEC_ENV].json;
	vmv_autofree const char **argv =
		texts_of(a->args[VMV_QGA_EXEC_PATH].text, a->args[VMV_QGA_EXEC_ARG].json);
	vmv_autofree const char **env = texts_of(NULL, given);
	char **usual = NULL;
	int r;

	if (!argv || !env)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	r = vmv_launch_as_root(a->settings, &usual, err);
	if (r == 0)
		r = put_streams(&a->args[VMV_QGA_EXEC_INPUT], c, err);
	if (r == 0)
		r = run(path, argv, given ? env : (const char *const *)usual, err);
	vmv_launch_free_env(usual);
	return r;
}

int vmv_do_qga_exec(struct vmv_action *a, struct vmv_err *err)
{
	const struct vmv_value *wanted = &a->args[VMV_QGA_EXEC_CAPTURE];
	struct capture c = { 0 };
	char path[PATH_MAX];
	int r = wanted->is_given ? find_capture(wanted->json, &c, err) : 0;

	if (r == 0)
		r = check_env(a->args[VMV_QGA_EXEC_ENV].json, err);
	if (r == 0)
		r = find_program(a->settings, a->args[VMV_QGA_EXEC_PATH].text, path, err);
	return r < 0 ? r : launch(a, path, &c, err);
}
