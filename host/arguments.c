#include "host/arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "commands/command.h"
#include "proto/base64.h"
#include "proto/json_write.h"

#define FILE_MAX (4 * VMV_MIB) /* of a file that is an argument; longer ones are refused */

#define autobuf VMV_CLEANUP(vmv_buf_free)

/* A word, taken apart: key[.name][@]=value. */
struct word {
	size_t key_len;
	const char *name; /* of a map's member; NULL: none */
	size_t name_len;
	const char *value;
	bool is_file;
};

static bool is_named(const char *name, const char *word, size_t len)
{
	return name && strlen(name) == len && memcmp(name, word, len) == 0;
}

static bool split(const char *text, struct word *ret)
{
	const char *equals = strchr(text, '='), *dot;
	size_t len;

	if (!equals || equals == text)
		return false;
	len = (size_t)(equals - text);
	*ret = (struct word){ .value = equals + 1, .is_file = text[len - 1] == '@' };
	len -= ret->is_file;
	dot = memchr(text, '.', len);
	ret->key_len = dot ? (size_t)(dot - text) : len;
	if (dot) {
		ret->name = dot + 1;
		ret->name_len = len - ret->key_len - 1;
	}
	return true;
}

static const struct vmv_arg *arg_of(const struct vmv_command *c, const char *text,
				    const struct word *word)
{
	for (size_t i = 0; i < c->n_args; i++) {
		const struct vmv_arg *a = &c->args[i];

		if (is_named(a->name, text, word->key_len) ||
		    (!a->is_alias_in_params && is_named(a->alias, text, word->key_len)))
			return a;
	}
	return NULL;
}

/* -- files ------------------------------------------------------------------------------------- */

static int read_file(const char *path, struct vmv_buf *ret, struct vmv_err *err)
{
	vmv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char piece[16 * VMV_KIB];
	ssize_t n = 0;

	if (fd < 0)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "cannot open '%.200s': %s", path,
				strerror(errno));
	while ((n = read(fd, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR)) {
		int r = n > 0 ? vmv_buf_add(ret, piece, (size_t)n) : 0;

		if (r < 0)
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "cannot read '%.200s': %s", path,
					r == -EFBIG ? "it is too long" : strerror(-r));
	}
	if (n < 0)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "cannot read '%.200s': %s", path,
				strerror(errno));
	return 0;
}

static int write_text_file(struct vmv_jw *w, const struct vmv_arg *a, const char *path,
			   struct vmv_err *err)
{
	autobuf struct vmv_buf text = { .max = FILE_MAX };
	int r = read_file(path, &text, err);

	if (r < 0)
		return r;
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	vmv_jw_bytes(w, a->name, text.data ? text.data : "", text.len);
	return 0;
}

static int write_base64(struct vmv_jw *w, const struct vmv_arg *a, const char *value,
			struct vmv_err *err)
{
	autobuf struct vmv_buf bytes = { .max = FILE_MAX };
	vmv_autofree char *text = NULL;
	int r;

	if (*value != '@') {
		vmv_jw_str(w, a->name, value);
		return 0;
	}
	r = read_file(value + 1, &bytes, err);
	if (r < 0)
		return r;
	text = malloc(VMV_BASE64_LEN(bytes.len) + 1);
	if (!text)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	vmv_base64(bytes.data, bytes.len, text);
	vmv_jw_str(w, a->name, text);
	return 0;
}

/* -- plain values ------------------------------------------------------------------------------ */

static int refuse(const struct vmv_arg *a, const char *value, const char *what, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s': '%.64s' is no %s", a->name, value,
			what);
}

static int write_int(struct vmv_jw *w, const struct vmv_arg *a, const char *value,
		     struct vmv_err *err)
{
	const char *end;
	int64_t v;

	if (vmv_parse_i64(value, &v, &end) < 0 || *end)
		return refuse(a, value, "integer", err);
	vmv_jw_int(w, a->name, v);
	return 0;
}

static int write_num(struct vmv_jw *w, const struct vmv_arg *a, const char *value,
		     struct vmv_err *err)
{
	const char *digits = value + (*value == '-'), *end;
	uint64_t v;

	if (vmv_parse_fixed(digits, 6, &v, &end) < 0 || *end)
		return refuse(a, value, "number", err);
	vmv_jw_num(w, a->name, *value == '-' ? -(double)v / 1e6 : (double)v / 1e6, 6);
	return 0;
}

static int write_bool(struct vmv_jw *w, const struct vmv_arg *a, const char *value,
		      struct vmv_err *err)
{
	static const char *const words[][2] = {
		{ "false", "true" }, { "no", "yes" }, { "off", "on" }, { "0", "1" }
	};

	for (size_t i = 0; i < VMV_COUNTOF(words); i++)
		for (size_t v = 0; v < 2; v++)
			if (strcmp(value, words[i][v]) == 0) {
				vmv_jw_bool(w, a->name, v);
				return 0;
			}
	return refuse(a, value, "'true' or 'false'", err);
}

static int write_plain(struct vmv_jw *w, const struct vmv_arg *a, const struct word *word,
		       struct vmv_err *err)
{
	switch (a->type) {
	case VMV_ARG_INT:
		return write_int(w, a, word->value, err);
	case VMV_ARG_NUM:
		return write_num(w, a, word->value, err);
	case VMV_ARG_BOOL:
		return write_bool(w, a, word->value, err);
	case VMV_ARG_BASE64:
		return write_base64(w, a, word->value, err);
	case VMV_ARG_ENUM:
	case VMV_ARG_TEXT:
	case VMV_ARG_TIME:
	case VMV_ARG_NAMES:
	case VMV_ARG_MAP:
	case VMV_ARG_LIST:
	case VMV_ARG_ANY:
		break;
	}
	if (word->is_file)
		return write_text_file(w, a, word->value, err);
	vmv_jw_str(w, a->name, word->value);
	return 0;
}

/* -- lists and maps ---------------------------------------------------------------------------- */

/* An empty value is an empty list. */
static void write_list(struct vmv_jw *w, const char *value)
{
	while (*value) {
		size_t len = strcspn(value, ",");

		vmv_jw_bytes(w, NULL, value, len);
		value += len + (value[len] == ',');
	}
}

static void write_member(struct vmv_jw *w, const struct word *word)
{
	char name[256];

	memcpy(name, word->name, word->name_len);
	name[word->name_len] = '\0';
	vmv_jw_str(w, name, word->value);
}

static void write_many(const struct vmv_command *c, const struct vmv_arg *a, char *const *words,
		       size_t n, struct vmv_jw *w)
{
	bool is_map = a->type == VMV_ARG_MAP;
	struct word word;

	if (is_map)
		vmv_jw_open(w, a->name);
	else
		vmv_jw_array(w, a->name);
	for (size_t i = 0; i < n; i++) {
		if (!split(words[i], &word) || arg_of(c, words[i], &word) != a)
			continue;
		if (is_map)
			write_member(w, &word);
		else
			write_list(w, word.value);
	}
	if (is_map)
		vmv_jw_close(w);
	else
		vmv_jw_end(w);
}

/* -- all of them ------------------------------------------------------------------------------- */

static bool is_text(const struct vmv_arg *a)
{
	return a->type == VMV_ARG_TEXT || a->type == VMV_ARG_ENUM || a->type == VMV_ARG_TIME;
}

static int check_form(const struct vmv_arg *a, const char *text, const struct word *word,
		      struct vmv_err *err)
{
	if (a->type == VMV_ARG_MAP &&
	    (!word->name || word->name_len == 0 || word->name_len >= 256 || word->is_file))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "write '%s.NAME=VALUE', not '%.64s'",
				a->name, text);
	if (a->type != VMV_ARG_MAP && word->name)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' has no parts", a->name);
	if (word->is_file && !is_text(a))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' is not taken from a file",
				a->name);
	return 0;
}

static int check_words(const struct vmv_command *c, char *const *words, size_t n,
		       struct vmv_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct vmv_arg *a;
		struct word word;
		int r;

		if (!split(words[i], &word))
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%.64s' is not NAME=VALUE",
					words[i]);
		a = arg_of(c, words[i], &word);
		if (!a)
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"%s has no argument '%.*s' (see vmvitals help %s)", c->name,
					(int)(word.key_len < 64 ? word.key_len : 64), words[i],
					c->name);
		r = check_form(a, words[i], &word, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_one(const struct vmv_command *c, const struct vmv_arg *a, char *const *words,
		     size_t n, struct vmv_jw *w, struct vmv_err *err)
{
	const char *found = NULL;
	struct word word, last = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (!split(words[i], &word) || arg_of(c, words[i], &word) != a)
			continue;
		if (found && a->type != VMV_ARG_NAMES && a->type != VMV_ARG_MAP)
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument '%s' is given twice",
					a->name);
		found = words[i];
		last = word;
	}
	if (!found)
		return 0;
	if (a->type != VMV_ARG_NAMES && a->type != VMV_ARG_MAP)
		return write_plain(w, a, &last, err);
	write_many(c, a, words, n, w);
	return 0;
}

int vmv_arguments_write(const struct vmv_command *c, char *const *words, size_t n, struct vmv_jw *w,
			struct vmv_err *err)
{
	int r = check_words(c, words, n, err);

	for (size_t i = 0; r == 0 && i < c->n_args; i++)
		r = write_one(c, &c->args[i], words, n, w, err);
	return r;
}
