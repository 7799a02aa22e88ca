#include "execd/secret.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "proto/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void vmv_secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* -- the environment -------------------------------------------------------------------------- */

/* The value if it is that variable. */
static char *value_of(char *entry)
{
	size_t len = strlen(VMV_SECRET_NAME);

	return strncmp(entry, VMV_SECRET_NAME, len) == 0 && entry[len] == '=' ? entry + len + 1
									      : NULL;
}

char *vmv_secret_take(char **env)
{
	char *found = NULL;
	char **to = env;

	for (char **from = env; *from; from++) {
		char *value = value_of(*from);

		if (!value) {
			*to++ = *from;
			continue;
		}
		if (!found && *value)
			found = strdup(value);
		explicit_bzero(value, strlen(value));
	}
	*to = NULL;
	return found;
}

/* -- files ------------------------------------------------------------------------------------- */

static char *copy_of(struct vmv_span secret)
{
	return strndup(secret.s, secret.len);
}

/* The value behind NAME=, up to the end of its line; what is left of it is in line[len]. */
static struct vmv_span unquoted(const char *value, size_t len)
{
	while (len > 0 && strchr(" \t\r", value[len - 1]))
		len--;
	if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0])
		return (struct vmv_span){ value + 1, len - 2 };
	return (struct vmv_span){ value, len };
}

/* Of several such lines the last counts, as a service manager has it. s NULL: none. */
static struct vmv_span find_line(char *text)
{
	struct vmv_span found = { 0 };

	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		char *value = value_of(line + strspn(line, " \t"));

		if (value)
			found = unquoted(value, strcspn(value, "\n"));
		line += len + (line[len] == '\n');
	}
	return found;
}

/* agent.env: it may well be there without the secret. Returns false when that is an end. */
static bool parse_env(char *text, char **ret, struct vmv_err *err)
{
	struct vmv_span line = find_line(text), secret;
	char copy[VMV_SECRET_MAX + 2];

	if (line.len == 0)
		return true;
	if (line.len > VMV_SECRET_MAX) {
		(void)vmv_fail(err, VMV_E_PARSE, EINVAL, "the secret is too long");
		return false;
	}
	memcpy(copy, line.s, line.len);
	copy[line.len] = '\0';
	if (vmv_secret_parse(copy, &secret, err) < 0)
		return false;
	*ret = copy_of(secret);
	explicit_bzero(copy, sizeof(copy));
	return true;
}

static bool parse_file(const char *text, char **ret, struct vmv_err *err)
{
	struct vmv_span secret;

	if (vmv_secret_parse(text, &secret, err) < 0)
		return false;
	*ret = copy_of(secret);
	return true;
}

/* Returns whether to go on to the next place, if *ret is still NULL. */
static bool try_file(const char *path, bool is_env, uid_t owner, char **ret)
{
	char text[VMV_CONFIG_FILE_MAX];
	struct vmv_err err = { 0 };
	int r = vmv_keyfile_read(AT_FDCWD, path, VMV_KEYFILE_PRIVATE, owner, text, sizeof(text),
				 &err);
	bool ok;

	if (r == -ENOENT)
		return true;
	ok = r >= 0 && (is_env ? parse_env(text, ret, &err) : parse_file(text, ret, &err));
	explicit_bzero(text, sizeof(text));
	if (!ok)
		vmv_log(VMV_LOG_ERROR, "keys", "no secret is installed: '%s': %s", path, err.msg);
	return ok;
}

char *vmv_secret_load(const struct vmv_secret_places *places)
{
	char *secret = NULL;
	bool go_on = true;

	if (places->file && *places->file) {
		go_on = try_file(places->file, false, places->owner, &secret);
		if (go_on && !secret)
			vmv_log(VMV_LOG_WARNING, "keys", "there is no '%s', ignoring",
				places->file);
	}
	if (go_on && !secret && places->taken && *places->taken)
		secret = strdup(places->taken);
	if (go_on && !secret && places->env)
		(void)try_file(places->env, true, places->owner, &secret);
	return secret;
}
