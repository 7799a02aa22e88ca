#include "base/settings.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 198 /* what inih keeps of a line */

static void *member(const struct vmv_setting *s, void *target)
{
	return (char *)target + s->offset;
}

static const void *cmember(const struct vmv_setting *s, const void *target)
{
	return (const char *)target + s->offset;
}

/* -- lists ------------------------------------------------------------------------- */

static void list_clear(struct vmv_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct vmv_list){ 0 };
}

static int list_append(struct vmv_list *l, const char *item, size_t len)
{
	char **more = reallocarray(l->items, l->n + 1, sizeof(*more));
	char *copy;

	if (!more)
		return -ENOMEM;
	l->items = more;
	copy = strndup(item, len);
	if (!copy)
		return -ENOMEM;
	l->items[l->n++] = copy;
	return 0;
}

static int set_list(const struct vmv_setting *s, struct vmv_list *l, const char *value,
		    struct vmv_err *err)
{
	struct vmv_list fresh = { 0 };
	int r = 0;

	for (size_t i = 0; !l->is_fresh && i < l->n && r == 0; i++)
		r = list_append(&fresh, l->items[i], strlen(l->items[i]));
	for (const char *p = value + strspn(value, " \t"); *p && r == 0;) {
		size_t len = strcspn(p, " \t");

		r = list_append(&fresh, p, len);
		if (r == 0 && s->check)
			r = s->check(fresh.items[fresh.n - 1], err);
		p += len;
		p += strspn(p, " \t");
	}
	if (r < 0) {
		list_clear(&fresh);
		return r == -ENOMEM ? vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory") : r;
	}
	list_clear(l);
	*l = fresh;
	return 0;
}

/* -- scalars ------------------------------------------------------------------------- */

static int set_u64(const struct vmv_setting *s, uint64_t *ret, const char *value,
		   struct vmv_err *err)
{
	const char *end;
	uint64_t v;

	if (vmv_parse_u64(value, &v, &end) < 0 || *end != '\0')
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "[%s] %s: '%.60s' is no whole number",
				s->section, s->key, value);
	if ((v < s->min || v > s->max) && !(v == 0 && s->zero_ok))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"[%s] %s: %.60s is outside %llu to %llu%s", s->section, s->key,
				value, (unsigned long long)s->min, (unsigned long long)s->max,
				s->zero_ok ? " (0 is allowed)" : "");
	*ret = v;
	return 0;
}

static int set_bool(const struct vmv_setting *s, bool *ret, const char *value, struct vmv_err *err)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < VMV_COUNTOF(words); i++) {
		if (strcasecmp(words[i], value) == 0) {
			*ret = i % 2;
			return 0;
		}
	}
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "[%s] %s: '%.60s' is neither yes nor no",
			s->section, s->key, value);
}

static int set_enum(const struct vmv_setting *s, unsigned *ret, const char *value,
		    struct vmv_err *err)
{
	for (unsigned i = 0; s->choices[i]; i++) {
		if (strcasecmp(s->choices[i], value) == 0) {
			*ret = i;
			return 0;
		}
	}
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "[%s] %s: '%.60s' is not known", s->section,
			s->key, value);
}

static int set_text(const struct vmv_setting *s, char **ret, const char *value, struct vmv_err *err)
{
	char *copy;
	int r = s->check && *value ? s->check(value, err) : 0;

	if (r < 0)
		return r;
	copy = strdup(value);
	if (!copy)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	free(*ret);
	*ret = copy;
	return 0;
}

static int set_value(const struct vmv_setting *s, void *target, const char *value,
		     struct vmv_err *err)
{
	switch (s->type) {
	case VMV_SET_U64:
		return set_u64(s, member(s, target), value, err);
	case VMV_SET_BOOL:
		return set_bool(s, member(s, target), value, err);
	case VMV_SET_TEXT:
		return set_text(s, member(s, target), value, err);
	case VMV_SET_ENUM:
		return set_enum(s, member(s, target), value, err);
	case VMV_SET_LIST:
		return set_list(s, member(s, target), value, err);
	}
	return -EINVAL;
}

static void clear_place(const struct vmv_setting *s, void *target)
{
	char **place = (char **)((char *)target + s->place_offset);

	free(*place);
	*place = NULL;
}

static const struct vmv_setting *find(const struct vmv_setting *table, size_t n,
				      const char *section, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].section, section) == 0 && strcmp(table[i].key, key) == 0)
			return &table[i];
	return NULL;
}

int vmv_settings_set(const struct vmv_setting *table, size_t n, void *target, const char *section,
		     const char *key, const char *value, struct vmv_err *err)
{
	const struct vmv_setting *s = find(table, n, section, key);

	if (s) {
		int r = set_value(s, target, value, err);

		if (r == 0 && s->place_offset > 0)
			clear_place(s, target);
		return r;
	}
	return vmv_fail(err, VMV_E_UNKNOWN, EINVAL,
			"there is no setting '%.60s' in section [%.60s]", key, section);
}

void vmv_settings_new_source(const struct vmv_setting *table, size_t n, void *target)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].type == VMV_SET_LIST)
			((struct vmv_list *)member(&table[i], target))->is_fresh = true;
}

int vmv_settings_defaults(const struct vmv_setting *table, size_t n, void *target)
{
	for (size_t i = 0; i < n; i++) {
		struct vmv_err err;
		int r = set_value(&table[i], target, table[i].fallback, &err);

		if (r < 0)
			return r;
	}
	return 0;
}

void vmv_settings_free(const struct vmv_setting *table, size_t n, void *target)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i].place_offset > 0)
			clear_place(&table[i], target);
		if (table[i].type == VMV_SET_LIST) {
			list_clear(member(&table[i], target));
		} else if (table[i].type == VMV_SET_TEXT) {
			char **text = member(&table[i], target);

			free(*text);
			*text = NULL;
		}
	}
}

/* -- files --------------------------------------------------------------------------- */

struct load {
	const struct vmv_setting *table;
	size_t n;
	void *target;
	const char *path;
	const char *rest;     /* of the text */
	int line;	      /* number of the one read last */
	struct vmv_err first; /* the first refusal, which ends the reading */
};

/* Hands inih one line like fgets: by ourselves, because handlers are not told its number, and
 * because inih would take an indented line for the value of the key above it. */
static char *next_line(char *str, int num, void *stream)
{
	struct load *l = stream;
	size_t skip = strspn(l->rest, " \t");
	size_t len = strcspn(l->rest + skip, "\n");

	if (*l->rest == '\0' || l->first.code != VMV_OK)
		return NULL;
	(void)snprintf(str, (size_t)num, "%.*s", (int)len, l->rest + skip);
	l->rest += skip + len;
	l->rest += *l->rest == '\n';
	l->line++;
	return str;
}

static int note_place(const struct load *l, const struct vmv_setting *s, bool has_line)
{
	char **place = (char **)((char *)l->target + s->place_offset);
	char text[PATH_MAX + 16];

	if (s->place_offset == 0)
		return 0;
	if (has_line)
		(void)snprintf(text, sizeof(text), "%s:%d", l->path, l->line);
	else
		(void)snprintf(text, sizeof(text), "%s", l->path);
	*place = strdup(text);
	return *place ? 0 : -ENOMEM;
}

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
	struct load *l = user;
	const struct vmv_setting *s = find(l->table, l->n, section, key);
	const struct vmv_list *list = s && s->type == VMV_SET_LIST ? member(s, l->target) : NULL;
	bool has_line = !list || list->is_fresh || list->n == 0;
	int r = vmv_settings_set(l->table, l->n, l->target, section, key, value ? value : "",
				 &l->first);

	if (r == 0 && note_place(l, s, has_line) < 0)
		r = vmv_fail(&l->first, VMV_E_IO, ENOMEM, "out of memory");
	return r == 0;
}

/* inih cuts long lines silently, and text behind a NUL would not be seen. */
static int check_text(const char *text, size_t len, const char *path, struct vmv_err *err)
{
	unsigned line = 1;

	if (memchr(text, '\0', len))
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "%s: holds a NUL byte", path);
	for (const char *p = text; *p; line++) {
		size_t n = strcspn(p, "\n");

		if (n > LINE_MAX_BYTES)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "%s:%u: longer than %d bytes",
					path, line, LINE_MAX_BYTES);
		p += n;
		p += *p == '\n';
	}
	return 0;
}

int vmv_settings_load(const struct vmv_setting *table, size_t n, void *target, const char *path,
		      struct vmv_err *err)
{
	struct load l = { .table = table, .n = n, .target = target, .path = path };
	vmv_autofree char *text = NULL;
	size_t cap = 0;
	int r = vmv_read_table_at(AT_FDCWD, path, &text, &cap, VMV_CONFIG_FILE_MAX);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read '%s': %s", path, strerror(-r));
	r = check_text(text, (size_t)r, path, err);
	if (r < 0)
		return r;
	vmv_settings_new_source(table, n, target);
	l.rest = text;
	r = ini_parse_stream(next_line, &l, on_pair, &l);
	/* whatever was wrong first; a line that is no setting does not end the reading */
	if (l.first.code != VMV_OK && r == l.line)
		return vmv_fail(err, l.first.code, l.first.sys, "%s:%d: %.200s", path, r,
				l.first.msg);
	if (r != 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL,
				"%s:%d: neither a section nor 'key = value'", path, r);
	return 0;
}

static int is_drop_in(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && strcmp(d->d_name + len - 5, ".conf") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_drop_ins(const struct vmv_setting *table, size_t n, void *target, const char *path,
			 struct vmv_err *err)
{
	char dir[PATH_MAX], file[PATH_MAX];
	struct dirent **names = NULL;
	int count, r = 0;

	if (snprintf(dir, sizeof(dir), "%s.d", path) >= (int)sizeof(dir))
		return vmv_fail(err, VMV_E_RANGE, ENAMETOOLONG, "'%.100s...': path too long", path);
	count = scandir(dir, &names, is_drop_in, by_bytes);
	if (count < 0)
		return errno == ENOENT ? 0
				       : vmv_fail(err, VMV_E_IO, errno, "cannot read '%s': %s", dir,
						  strerror(errno));
	for (int i = 0; i < count; i++) {
		if (r == 0 && snprintf(file, sizeof(file), "%s/%s", dir, names[i]->d_name) >=
				      (int)sizeof(file))
			r = vmv_fail(err, VMV_E_RANGE, ENAMETOOLONG, "'%.100s...': path too long",
				     file);
		if (r == 0)
			r = vmv_settings_load(table, n, target, file, err);
		free(names[i]);
	}
	free(names);
	return r;
}

int vmv_settings_load_all(const struct vmv_setting *table, size_t n, void *target, const char *path,
			  bool must_exist, struct vmv_err *err)
{
	int r = vmv_settings_load(table, n, target, path, err);

	if (r < 0 && (r != -ENOENT || must_exist))
		return r;
	return load_drop_ins(table, n, target, path, err);
}

/* -- printing ------------------------------------------------------------------------ */

static char *list_text(const struct vmv_list *l)
{
	size_t len = 1;
	char *text, *p;

	for (size_t i = 0; i < l->n; i++)
		len += strlen(l->items[i]) + 1;
	text = calloc(1, len);
	if (!text)
		return NULL;
	p = text;
	for (size_t i = 0; i < l->n; i++) {
		if (i > 0)
			*p++ = ' ';
		p = stpcpy(p, l->items[i]);
	}
	return text;
}

char *vmv_setting_text(const struct vmv_setting *s, const void *target)
{
	const void *m = cmember(s, target);
	char *text = NULL;

	switch (s->type) {
	case VMV_SET_U64:
		return asprintf(&text, "%llu", (unsigned long long)*(const uint64_t *)m) < 0 ? NULL
											     : text;
	case VMV_SET_BOOL:
		return strdup(*(const bool *)m ? "yes" : "no");
	case VMV_SET_TEXT:
		return strdup(*(char *const *)m ? *(char *const *)m : "");
	case VMV_SET_ENUM:
		return strdup(s->choices[*(const unsigned *)m]);
	case VMV_SET_LIST:
		return list_text(m);
	}
	return NULL;
}

static void dump_one(const struct vmv_setting *s, const void *target, FILE *out)
{
	if (s->type == VMV_SET_LIST) {
		const struct vmv_list *l = cmember(s, target);

		/* one item a line: a long list would not fit inih's line */
		for (size_t i = 0; i < l->n; i++)
			(void)fprintf(out, "%s = %s\n", s->key, l->items[i]);
		if (l->n == 0)
			(void)fprintf(out, "%s =\n", s->key);
		return;
	}
	vmv_autofree char *text = vmv_setting_text(s, target);

	(void)fprintf(out, "%s = %s\n", s->key, text ? text : "");
}

void vmv_settings_dump(const struct vmv_setting *table, size_t n, const void *target, FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < n; i++) {
		if (strcmp(section, table[i].section) != 0) {
			section = table[i].section;
			(void)fprintf(out, "%s[%s]\n", i ? "\n" : "", section);
		}
		(void)fprintf(out, "# %s", table[i].help);
		if (table[i].type == VMV_SET_U64)
			(void)fprintf(out, " %llu to %llu%s.", (unsigned long long)table[i].min,
				      (unsigned long long)table[i].max,
				      table[i].zero_ok ? ", or 0" : "");
		for (unsigned c = 0; table[i].type == VMV_SET_ENUM && table[i].choices[c]; c++)
			(void)fprintf(out, "%s%s", c ? ", " : " One of: ", table[i].choices[c]);
		(void)fputc('\n', out);
		dump_one(&table[i], target, out);
	}
}
