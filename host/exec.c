#include "host/exec.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/command.h"
#include "host/cli.h"
#include "host/errand.h"
#include "host/message.h"
#include "host/outcome.h"
#include "host/progress.h"
#include "host/remote.h"
#include "host/term.h"
#include "host/text.h"
#include "proto/base64.h"
#include "proto/json_read.h"

#define EXIT_SIGPIPE 141 /* nobody reads the output any more: as a command here would end */

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

#define autoput	    VMV_CLEANUP(putp)
#define automessage VMV_CLEANUP(vmv_message_free)
#define autoremote  VMV_CLEANUP(vmv_remote_close)
#define autotext    VMV_CLEANUP(vmv_text_free)

/* -- the command ------------------------------------------------------------------------------- */

static bool is_plain(const char *word)
{
	return *word && word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					  "0123456789_./:,@%+-")] == '\0';
}

static void add_quoted(struct vmv_text *out, const char *word)
{
	char piece[2] = { 0 };

	vmv_text_add(out, "'");
	for (; *word; word++) {
		piece[0] = *word;
		vmv_text_add(out, *word == '\'' ? "'\\''" : piece);
	}
	vmv_text_add(out, "'");
}

void vmv_exec_line(char *const *words, size_t n, struct vmv_text *out)
{
	if (n == 1) {
		vmv_text_add(out, words[0]);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		vmv_text_add(out, i > 0 ? " " : "");
		/* the first one could be a word of the shell's own */
		if (i > 0 && is_plain(words[i]))
			vmv_text_add(out, words[i]);
		else
			add_quoted(out, words[i]);
	}
}

static bool quotes_otherwise(const char *shell)
{
	return shell && (strcasecmp(shell, "fish") == 0 || strcasecmp(shell, "pwsh") == 0 ||
			 strcasecmp(shell, "powershell") == 0);
}

static int check_words(const struct vmv_options *o, struct vmv_err *err)
{
	if (o->n_operands < 2)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "no command given");
	if (o->n_operands > 2 && quotes_otherwise(o->shell))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"give the whole line for %.16s as one word: it quotes otherwise",
				o->shell);
	for (size_t i = 0; i < o->env.n; i++)
		if (*o->env.words[i] == '=' || !strchr(o->env.words[i], '='))
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"option '--env' takes NAME=VALUE, not '%.64s'",
					o->env.words[i]);
	return 0;
}

static int write_env(struct vmv_jw *w, const struct vmv_words *env, struct vmv_err *err)
{
	char name[256];

	vmv_jw_open(w, "env_vars");
	for (size_t i = 0; i < env->n; i++) {
		size_t len = strcspn(env->words[i], "=");

		if (len >= sizeof(name))
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"the name of a variable is too long");
		memcpy(name, env->words[i], len);
		name[len] = '\0';
		vmv_jw_str(w, name, env->words[i] + len + 1);
	}
	vmv_jw_close(w);
	return 0;
}

static int write_command(const struct vmv_options *o, struct vmv_jw *w, struct vmv_err *err)
{
	autotext struct vmv_text line;

	vmv_text_init(&line, VMV_RAW_MAX);
	vmv_exec_line(o->operands + 1, o->n_operands - 1, &line);
	if (line.error < 0)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the command is too long");
	vmv_jw_bytes(w, "raw_command", line.buf.data ? line.buf.data : "", line.buf.len);
	if (o->shell)
		vmv_jw_str(w, "shell", o->shell);
	if (o->workdir)
		vmv_jw_str(w, "working_dir", o->workdir);
	if (o->run_as)
		vmv_jw_str(w, "run_as", o->run_as);
	return o->env.n > 0 ? write_env(w, &o->env, err) : 0;
}

static int make_message(const struct vmv_options *o, struct vmv_message *ret, struct vmv_err *err)
{
	uint32_t timeout_s = 0;
	int r = check_words(o, err);

	if (r == 0)
		r = vmv_message_timeout(o, &vmv_raw_command, &timeout_s, err);
	if (r == 0)
		r = vmv_message_begin(ret, &vmv_raw_command, err);
	if (r == 0)
		r = write_command(o, &ret->w, err);
	return r < 0 ? r : vmv_message_finish(ret, timeout_s, !o->is_json, err);
}

/* -- its output -------------------------------------------------------------------------------- */

struct sink {
	const struct vmv_cli *cli;
	struct vmv_remote *remote;
	int64_t seq;   /* of the latest message */
	int64_t bytes; /* of both streams so far */
	int error;     /* what writing said */
};

static int write_out(struct sink *s, const char *stream, const void *data, size_t len,
		     struct vmv_err *err)
{
	int fd = strcmp(stream, "stderr") == 0 ? STDERR_FILENO : s->cli->out_fd;
	int r = vmv_term_write(fd, s->remote->stop_fd, data, len);

	s->bytes += (int64_t)len;
	if (r == -ECANCELED)
		return vmv_fail(err, VMV_E_IO, ECANCELED, "stopped");
	if (r < 0) {
		s->error = r;
		return vmv_fail(err, VMV_E_IO, -r, "cannot write the output: %s", strerror(-r));
	}
	return 0;
}

static int broken(struct vmv_err *err, const char *what)
{
	return vmv_fail(err, VMV_E_PARSE, EPROTO, "the guest's output %s", what);
}

static int write_base64(struct sink *s, const char *stream, const char *data, size_t len,
			struct vmv_err *err)
{
	vmv_autofree uint8_t *bytes = malloc(VMV_BASE64_BYTES(len) + 1);
	size_t n = 0;

	if (!bytes)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (!vmv_base64_decode(data, len, bytes, &n))
		return broken(err, "is no base64");
	return write_out(s, stream, bytes, n, err);
}

/* One message of type output. Parts come in order and none is missing. */
static int take_output(void *arg, struct json_object *msg, struct vmv_err *err)
{
	const char *stream = vmv_json_str(msg, "stream"), *coding = vmv_json_str(msg, "encoding");
	struct sink *s = arg;
	size_t len = 0;
	const char *data = vmv_json_text(vmv_json_get(msg, "data"), &len);
	int64_t seq;

	if (!stream || !data || !vmv_json_int(vmv_json_get(msg, "seq"), 1, VMV_INT_MAX, &seq))
		return broken(err, "is malformed");
	if (seq != s->seq + 1)
		return broken(err, "has a gap");
	s->seq = seq;
	if (!coding)
		return write_out(s, stream, data, len, err);
	if (strcmp(coding, "base64") != 0)
		return broken(err, "is coded in an unknown way");
	return write_base64(s, stream, data, len, err);
}

static bool is_true(struct json_object *obj, const char *name)
{
	struct json_object *v = vmv_json_get(obj, name);

	return json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v);
}

static bool is_complete(void *arg, struct json_object *response)
{
	struct json_object *sizes = vmv_json_get(response, "output_bytes");
	const struct sink *s = arg;
	int64_t out, err;

	if (!vmv_json_int(vmv_json_get(sizes, "stdout"), 0, VMV_INT_MAX, &out) ||
	    !vmv_json_int(vmv_json_get(sizes, "stderr"), 0, VMV_INT_MAX, &err))
		return true;
	return s->bytes >= out + err;
}

/* A guest that does not stream has it all in its answer. */
static int write_rest(struct sink *s, struct json_object *response, struct vmv_err *err)
{
	static const char *const streams[] = { "stdout", "stderr" };
	int r = 0;

	for (size_t i = 0; r == 0 && s->seq == 0 && i < VMV_COUNTOF(streams); i++) {
		size_t len = 0;
		const char *text = vmv_json_text(vmv_json_get(response, streams[i]), &len);
		const char *error = vmv_json_str(response, "error");

		/* on failure the error stands there, too, where there is nothing else */
		if (text && len > 0 && !(error && strcmp(text, error) == 0))
			r = write_out(s, streams[i], text, len, err);
	}
	return r;
}

/* -- the verb ---------------------------------------------------------------------------------- */

static enum vmv_exit fail(const struct sink *s, const struct vmv_err *err)
{
	if (s->error == -EPIPE)
		return (enum vmv_exit)EXIT_SIGPIPE;
	if (s->error < 0)
		return vmv_cli_wrote(s->error);
	return vmv_outcome_fail(s->remote, err);
}

static enum vmv_exit conclude(struct sink *s, const struct vmv_message *m,
			      struct json_object *response)
{
	struct vmv_err err;

	if (write_rest(s, response, &err) < 0)
		return fail(s, &err);
	if (s->remote->signal)
		return (enum vmv_exit)(VMV_EXIT_SIGNAL + s->remote->signal);
	if (is_true(response, "truncated"))
		(void)fprintf(stderr,
			      "vmvitals: some of the output was too much, and is missing\n");
	vmv_outcome_tell(s->remote, m, response, true);
	return vmv_outcome_exit(response);
}

static enum vmv_exit conclude_json(const struct sink *s, struct json_object *response)
{
	autotext struct vmv_text t;
	enum vmv_exit printed;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	vmv_text_json(&t, response);
	printed = vmv_cli_print(s->cli, &t);
	if (s->remote->signal)
		return (enum vmv_exit)(VMV_EXIT_SIGNAL + s->remote->signal);
	return printed == VMV_EXIT_OK ? vmv_outcome_exit(response) : printed;
}

enum vmv_exit vmv_run_exec(const struct vmv_cli *cli)
{
	autoremote struct vmv_remote remote = { .stop_fd = -1 };
	automessage struct vmv_message m = { 0 };
	autoput struct json_object *response = NULL;
	struct vmv_progress progress = { .is_on = cli->has_progress };
	struct sink sink = { .cli = cli, .remote = &remote };
	const struct vmv_errand errand = {
		.message = &m,
		.progress = &progress,
		.output = take_output,
		.is_complete = cli->options->is_json ? NULL : is_complete,
		.arg = &sink,
	};
	struct vmv_err err;
	int r = make_message(cli->options, &m, &err);

	if (r == 0)
		r = vmv_remote_open(cli, &remote, &err);
	if (r == 0)
		r = vmv_errand_run(&remote, &errand, &response, &err);
	if (r < 0)
		return fail(&sink, &err);
	return cli->options->is_json ? conclude_json(&sink, response)
				     : conclude(&sink, &m, response);
}

void vmv_help_exec(struct vmv_text *t)
{
	vmv_text_add(
		t,
		"\nOne word is a line for the shell as it is; several are one command with its\n"
		"arguments, each quoted, so that blanks in them stay. The command has no\n"
		"standard input. Its output comes as it is written, byte for byte.\n"
		"\nIt must be signed: --key or --secret. Ctrl-C cancels it.\n"
		"--timeout is the time it has (default 30 s, at most 3600 s); --json prints the\n"
		"whole response at its end instead.\n"
		"\nExit status: that of the command; 124 timed out; 130 stopped by Ctrl-C;\n"
		"64 and above as below, where the command was not started.\n");
}
