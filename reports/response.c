#include "reports/response.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "proto/json_write.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *code;
	bool is_refusal;
} codes[] = {
	[VMV_OK] = { "INTERNAL", false },
	[VMV_E_IO] = { "INTERNAL", false },
	[VMV_E_PARSE] = { "BAD_ARGUMENT", true },
	[VMV_E_RANGE] = { "BAD_ARGUMENT", true },
	[VMV_E_UNKNOWN] = { "UNKNOWN_ACTION", true },
	[VMV_E_DENIED] = { "NOT_ALLOWED", true },
	[VMV_E_UNSUPPORTED] = { "UNSUPPORTED", true },
	[VMV_E_BUSY] = { "BUSY", true },
	[VMV_E_NOTFOUND] = { "NOT_FOUND", false },
	[VMV_E_NOEXECUTOR] = { "NO_EXECUTOR", true },
	[VMV_E_SIGNATURE] = { "BAD_SIGNATURE", true },
	[VMV_E_STALE] = { "STALE", true },
	[VMV_E_REPLAYED] = { "REPLAYED", true },
	[VMV_E_KEY] = { "UNKNOWN_KEY", true },
	[VMV_E_SESSION] = { "WRONG_SESSION", true },
	[VMV_E_LOCKED] = { "LOCKED", true },
	[VMV_E_TOOLARGE] = { "TOO_LARGE", true },
	[VMV_E_TIMEDOUT] = { "TIMED_OUT", false },
	[VMV_E_CANCELLED] = { NULL, false },
};
_Static_assert(sizeof(codes) / sizeof(codes[0]) == VMV_N_ERRC, "one row for each code");

const char *vmv_error_code(enum vmv_errc code)
{
	return codes[code].code;
}

enum vmv_errc vmv_error_of(const char *word)
{
	/* of codes with one word the last is the common one: VMV_E_RANGE */
	for (size_t i = VMV_N_ERRC - 1; i > VMV_E_IO; i--)
		if (codes[i].code && strcmp(codes[i].code, word) == 0)
			return (enum vmv_errc)i;
	return VMV_E_IO;
}

bool vmv_error_is_refusal(enum vmv_errc code)
{
	return codes[code].is_refusal;
}

/* Hosts ask again when they read one of these, which here would be a name or the system's text. */
static const struct {
	const char *word, *instead;
} retried[] = {
	{ "timeout", "time-out" },
	{ "closed", "shut" },
	{ "not connected", "unconnected" },
	{ "No connection", "no connection" },
};

/* ret holds twice as much as err->msg: no word grows by more. */
static void without_retried(const char *msg, char *ret)
{
	while (*msg) {
		size_t i = 0;

		while (i < VMV_COUNTOF(retried) &&
		       strncmp(msg, retried[i].word, strlen(retried[i].word)) != 0)
			i++;
		if (i == VMV_COUNTOF(retried)) {
			*ret++ = *msg++;
			continue;
		}
		ret = stpcpy(ret, retried[i].instead);
		msg += strlen(retried[i].word);
	}
	*ret = '\0';
}

/* Whatever happens, it is not empty; nor longer than hosts are told to expect. */
static void error_text(const struct vmv_err *err, char ret[VMV_ERROR_TEXT_MAX + 1])
{
	const char *word = vmv_error_is_refusal(err->code) ? "refused: " : "";
	char msg[2 * sizeof(err->msg)];
	size_t len;

	without_retried(*err->msg ? err->msg : "failed for no known reason", msg);
	len = vmv_utf8_cut(msg, strlen(msg), VMV_ERROR_TEXT_MAX - strlen(word));

	(void)snprintf(ret, VMV_ERROR_TEXT_MAX + 1, "%s%.*s", word, (int)len, msg);
}

/* Returns whether it failed; error then says why. */
static bool judge(const struct vmv_response *r, char error[VMV_ERROR_TEXT_MAX + 1])
{
	if (r->err)
		error_text(r->err, error);
	else if (r->child && r->child->exit_code != 0)
		(void)snprintf(error, VMV_ERROR_TEXT_MAX + 1, "ended with exit code %d",
			       r->child->exit_code);
	return *error != '\0';
}

static void write_outputs(struct vmv_jw *w, const struct vmv_response *r, const char *error)
{
	const struct vmv_response_child *c = r->child;
	bool has_err = c && !c->is_streamed && c->err_len > 0;

	vmv_jw_int(w, "exit_code", c ? c->exit_code : *error ? 1 : 0);
	if (c && !c->is_streamed)
		vmv_jw_bytes(w, "stdout", c->out ? c->out : "", c->out_len);
	else
		vmv_jw_str(w, "stdout", c || *error || !r->text ? "" : r->text);
	if (has_err)
		vmv_jw_bytes(w, "stderr", c->err, c->err_len);
	else
		vmv_jw_str(w, "stderr", error);
}

static void write_sizes(struct vmv_jw *w, const struct vmv_response_child *c)
{
	vmv_jw_open(w, "output_bytes");
	vmv_jw_u64(w, "stdout", c->out_total);
	vmv_jw_u64(w, "stderr", c->err_total);
	vmv_jw_close(w);
}

int vmv_response_write(struct vmv_jw *w, const char *stamp, const struct vmv_response *r)
{
	char error[VMV_ERROR_TEXT_MAX + 1] = "";
	bool has_failed = judge(r, error);
	bool is_cut = r->is_truncated || (r->child && r->child->is_cut);

	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "response");
	vmv_jw_str(w, "timestamp", stamp);
	vmv_jw_str(w, "id", r->id);
	vmv_jw_bool(w, "success", !has_failed);
	write_outputs(w, r, error);
	vmv_jw_u64(w, "execution_time_ms", r->elapsed_ms);
	vmv_jw_str(w, "command_type", r->command_type);
	if (r->data)
		vmv_jw_raw(w, "data", r->data, r->data_len);
	else
		vmv_jw_null(w, "data");
	if (has_failed)
		vmv_jw_str(w, "error", error);
	if (r->err && vmv_error_code(r->err->code))
		vmv_jw_str(w, "error_code", vmv_error_code(r->err->code));
	if (is_cut)
		vmv_jw_bool(w, "truncated", true);
	if (r->child && (is_cut || r->child->is_streamed))
		write_sizes(w, r->child);
	if (r->is_lossy || w->is_lossy)
		vmv_jw_bool(w, "lossy", true);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}
