#include "packages/parse.h"

#include "base/cleanup.h"
#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct vmv_update nothing = { .size = VMV_UNSET };

int vmv_updates_add(struct vmv_updates *list, const struct vmv_update *u)
{
	if (list->n >= VMV_PACKAGES_MAX) {
		list->is_cut = true;
		return 0;
	}
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		struct vmv_update *items = reallocarray(list->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->cap = cap;
	}
	list->items[list->n++] = *u;
	return 0;
}

void vmv_updates_free(struct vmv_updates *list)
{
	free(list->items);
	*list = (struct vmv_updates){ .n = 0 };
}

/* -- apt ------------------------------------------------------------------------------------- */

#define FROM "[upgradable from: "

/* Suites are separated by commas: "bookworm-security,stable". */
static bool is_for_security(struct vmv_slice suites)
{
	static const char mark[] = "-security";

	return suites.len > 0 && memmem(suites.s, suites.len, mark, sizeof(mark) - 1);
}

/* "bash/stable-security 5.2-2 amd64 [upgradable from: 5.2-1]" */
static bool take_apt(struct vmv_slice line, struct vmv_update *ret)
{
	struct vmv_slice id;
	const char *slash,
		*from = line.len > 0 ? memmem(line.s, line.len, FROM, strlen(FROM)) : NULL;

	if (!from || line.s[line.len - 1] != ']')
		return false;
	ret->current.s = from + strlen(FROM);
	ret->current.len = (size_t)(line.s + line.len - 1 - ret->current.s);
	line.len = (size_t)(from - line.s);
	if (ret->current.len == 0 || !vmv_slice_word(&line, &id) ||
	    !vmv_slice_word(&line, &ret->available) || !vmv_slice_word(&line, &ret->arch))
		return false;
	slash = memchr(id.s, '/', id.len);
	if (!slash || slash == id.s)
		return false;
	ret->name = (struct vmv_slice){ id.s, (size_t)(slash - id.s) };
	if (ret->name.len + 1 < id.len)
		ret->repository = (struct vmv_slice){ slash + 1, id.len - ret->name.len - 1 };
	ret->security = is_for_security(ret->repository) ? VMV_SECURITY_YES : VMV_SECURITY_NO;
	return true;
}

int vmv_parse_apt_updates(const char *text, struct vmv_updates *ret)
{
	struct vmv_slice line;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		struct vmv_update u = nothing;

		if (take_apt(line, &u))
			r = vmv_updates_add(ret, &u);
	}
	return r;
}

/* -- dnf ------------------------------------------------------------------------------------- */

/* Up to three words; a further one makes it prose. Returns how many there are. */
static size_t words_of(struct vmv_slice line, struct vmv_slice ret[3])
{
	struct vmv_slice further;
	size_t n = 0;

	while (n < 3 && vmv_slice_word(&line, &ret[n]))
		n++;
	return n + vmv_slice_word(&line, &further);
}

static bool take_dnf(const struct vmv_slice words[3], struct vmv_update *ret)
{
	*ret = nothing;
	ret->available = words[1];
	ret->repository = words[2];
	return vmv_parse_name_arch(words[0], &ret->name, &ret->arch);
}

/* Lines of "name.arch version repository"; a long name stands on a line of its own, and what
 * belongs to it on the next. What is obsoleted is listed behind, and is no update. */
int vmv_parse_dnf_updates(const char *text, struct vmv_updates *ret)
{
	struct vmv_slice line, words[3], name = { NULL, 0 };
	struct vmv_update u;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		size_t n = words_of(line, words);

		if (n == 2 && name.s) {
			words[2] = words[1];
			words[1] = words[0];
			words[0] = name;
			n = 3;
		} else if (n == 2 && vmv_slice_is(words[0], "Obsoleting")) {
			break;
		}
		name = n == 1 ? words[0] : (struct vmv_slice){ NULL, 0 };
		if (n == 3 && take_dnf(words, &u))
			r = vmv_updates_add(ret, &u);
	}
	return r;
}

/* Whether word is "name-version.arch" of this update; the epoch, which is part of the version in
 * one place ("1:1.0-2"), is in the other in front, or left out. */
static bool is_nevra_of(struct vmv_slice word, const struct vmv_update *u)
{
	struct vmv_slice v = u->available;
	const char *colon = v.len > 0 ? memchr(v.s, ':', v.len) : NULL;
	const struct {
		struct vmv_slice part;
		char end; /* 0: there the word ends */
	} parts[] = { { u->name, '-' }, { { NULL, 0 }, '.' }, { u->arch, '\0' } };

	for (size_t i = 0; i < VMV_COUNTOF(parts); i++) {
		struct vmv_slice part = i == 1 ? v : parts[i].part;

		if (i == 1 && colon && (word.len < v.len || memcmp(word.s, v.s, v.len) != 0)) {
			part.len = v.len - (size_t)(colon + 1 - v.s);
			part.s = colon + 1;
		}
		if (word.len < part.len + (parts[i].end != '\0') ||
		    memcmp(word.s, part.s, part.len) != 0)
			return false;
		word.s += part.len;
		word.len -= part.len;
		if (!parts[i].end)
			break;
		if (word.s[0] != parts[i].end)
			return false;
		word.s++;
		word.len--;
	}
	return word.len == 0;
}

static void mark(struct vmv_updates *list, struct vmv_slice word)
{
	for (size_t i = 0; i < list->n; i++)
		if (is_nevra_of(word, &list->items[i]))
			list->items[i].security = VMV_SECURITY_YES;
}

void vmv_parse_dnf_security(const char *text, struct vmv_updates *list)
{
	struct vmv_slice line, word;

	for (size_t i = 0; i < list->n; i++)
		list->items[i].security = VMV_SECURITY_NO;
	while (vmv_slice_line(&text, &line))
		while (vmv_slice_word(&line, &word))
			mark(list, word);
}

/* -- apk, pacman ----------------------------------------------------------------------------- */

/* "busybox-1.36.1-r0 < 1.36.1-r2" */
static bool take_apk(struct vmv_slice line, struct vmv_update *ret)
{
	struct vmv_slice id, sign;

	return vmv_slice_word(&line, &id) && vmv_slice_word(&line, &sign) &&
	       vmv_slice_is(sign, "<") && vmv_slice_word(&line, &ret->available) &&
	       vmv_parse_apk_id(id, &ret->name, &ret->current);
}

/* "linux 6.1.1-1 -> 6.1.2-1" and perhaps "[ignored]", which is not going to be installed */
static bool take_pacman(struct vmv_slice line, struct vmv_update *ret)
{
	struct vmv_slice sign, further;

	return vmv_slice_word(&line, &ret->name) && vmv_slice_word(&line, &ret->current) &&
	       vmv_slice_word(&line, &sign) && vmv_slice_is(sign, "->") &&
	       vmv_slice_word(&line, &ret->available) && !vmv_slice_word(&line, &further);
}

static int parse_lines(const char *text, bool (*take)(struct vmv_slice, struct vmv_update *),
		       struct vmv_updates *ret)
{
	struct vmv_slice line;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		struct vmv_update u = nothing;

		if (take(line, &u))
			r = vmv_updates_add(ret, &u);
	}
	return r;
}

int vmv_parse_apk_updates(const char *text, struct vmv_updates *ret)
{
	return parse_lines(text, take_apk, ret);
}

int vmv_parse_pacman_updates(const char *text, struct vmv_updates *ret)
{
	return parse_lines(text, take_pacman, ret);
}

/* -- zypper ---------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	char is;
} entities[] = {
	{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' },
};

/* Replaces entities in place; returns the length that is left. */
static size_t unescape(char *s, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		s[out] = s[i];
		for (size_t e = 0; s[i] == '&' && e < VMV_COUNTOF(entities); e++) {
			size_t n = strlen(entities[e].text);

			if (len - i < n || memcmp(s + i, entities[e].text, n) != 0)
				continue;
			s[out] = entities[e].is;
			i += n - 1;
			break;
		}
		out++;
	}
	return out;
}

/* One attribute at *at. False: there is none any more. */
static bool next_attribute(char **at, struct vmv_slice *ret_name, struct vmv_slice *ret_value)
{
	char *s = *at + strspn(*at, " \t\r\n"), *value;
	size_t len = strcspn(s, "= \t\r\n/>"), n;

	if (len == 0 || s[len] != '=' || (s[len + 1] != '"' && s[len + 1] != '\''))
		return false;
	value = s + len + 2;
	n = strcspn(value, s[len + 1] == '"' ? "\"" : "'");
	if (!value[n])
		return false;
	*ret_name = (struct vmv_slice){ s, len };
	*at = value + n + 1;
	*ret_value = (struct vmv_slice){ value, unescape(value, n) };
	return true;
}

char *vmv_parse_tag(char *text, const char *tag, const char *const *names, struct vmv_slice *ret,
		    size_t n)
{
	size_t len = strlen(tag);
	struct vmv_slice name, value;

	for (; (text = strchr(text, '<')); text++)
		if (strncmp(text + 1, tag, len) == 0 && text[len + 1] &&
		    strchr(" \t\r\n/>", text[len + 1]))
			break;
	if (!text)
		return NULL;
	text += len + 1;
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct vmv_slice){ NULL, 0 };
	while (next_attribute(&text, &name, &value))
		for (size_t i = 0; i < n; i++)
			if (vmv_slice_is(name, names[i]))
				ret[i] = value;
	return text;
}

/* The source of an update is a tag within it. */
static struct vmv_slice alias_of_source(char *text)
{
	static const char *const names[] = { "alias" };
	struct vmv_slice alias = { NULL, 0 };
	char *end = strstr(text, "</update>"), saved = '\0';

	if (!end)
		return alias;
	saved = *end;
	*end = '\0';
	(void)vmv_parse_tag(text, "source", names, &alias, 1);
	*end = saved;
	return alias;
}

int vmv_parse_zypper_updates(char *text, struct vmv_updates *ret)
{
	enum { NAME, EDITION, OLD, ARCH, N };
	static const char *const names[N] = { "name", "edition", "edition-old", "arch" };
	struct vmv_slice v[N];
	int r = 0;

	while (r == 0 && (text = vmv_parse_tag(text, "update", names, v, N))) {
		struct vmv_update u = nothing;

		u.name = v[NAME];
		u.available = v[EDITION];
		u.current = v[OLD];
		u.arch = v[ARCH];
		u.repository = alias_of_source(text);
		if (u.name.len > 0 && u.available.len > 0)
			r = vmv_updates_add(ret, &u);
	}
	return r;
}
