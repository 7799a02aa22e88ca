#include "collectors/mountinfo.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- lines ------------------------------------------------------------------------------- */

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* "\040" to ' ': the kernel escapes blank, tab, newline, backslash and '#'. Filesystems write some
 * of the fields themselves, so a backslash that begins nothing stays what it is. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && is_octal(s[2]) &&
		    is_octal(s[3]) && (s[1] != '0' || s[2] != '0' || s[3] != '0')) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* The field at *at, which goes on behind the blank that ends it. NULL at the end of the line. */
static char *cut_field(char **at)
{
	char *field = *at;
	char *end = strchr(field, ' ');

	if (!end)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return field;
}

/* Digits, and what must stand behind them. */
static bool cut_number(char **at, char behind, uint32_t *ret)
{
	const char *end;
	uint64_t v;

	if (vmv_parse_u64(*at, &v, &end) < 0 || *end != behind || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	*at += end - *at + 1;
	return true;
}

static bool cut_text(char **at, const char **ret)
{
	char *field = cut_field(at);

	if (!field)
		return false;
	if (strchr(field, '\\'))
		unescape(field);
	*ret = field;
	return true;
}

/* "shared:3 master:1 - ": any number, up to a hyphen. */
static bool skip_optional(char **at)
{
	const char *field;

	do {
		field = cut_field(at);
	} while (field && strcmp(field, "-") != 0);
	return field != NULL;
}

static bool parse_line(char *at, struct vmv_mount *ret)
{
	if (!cut_number(&at, ' ', &ret->id) || !cut_number(&at, ' ', &ret->parent) ||
	    !cut_number(&at, ':', &ret->major) || !cut_number(&at, ' ', &ret->minor) ||
	    !cut_text(&at, &ret->root) || !cut_text(&at, &ret->target) ||
	    !cut_text(&at, &ret->options) || !skip_optional(&at) || !cut_text(&at, &ret->type) ||
	    !cut_text(&at, &ret->source))
		return false;
	unescape(at); /* the rest, blanks and all */
	ret->super_options = at;
	return ret->target[0] == '/' && ret->root[0] && ret->options[0] && ret->type[0] &&
	       ret->super_options[0];
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

/* -- order ------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const struct vmv_mount *x = *(const struct vmv_mount *const *)a;
	const struct vmv_mount *y = *(const struct vmv_mount *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

static int by_parent(const void *a, const void *b)
{
	const struct vmv_mount *x = *(const struct vmv_mount *const *)a;
	const struct vmv_mount *y = *(const struct vmv_mount *const *)b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	return strcmp(x->target, y->target);
}

/* Thousands of mounts are looked up by what they are mounted on, each several times. */
static bool index_mounts(struct vmv_mounts *all)
{
	all->by_id = calloc(all->n + 1, sizeof(const struct vmv_mount *));
	all->by_parent = calloc(all->n + 1, sizeof(const struct vmv_mount *));
	if (!all->by_id || !all->by_parent)
		return false;
	for (size_t i = 0; i < all->n; i++)
		all->by_id[i] = all->by_parent[i] = &all->v[i];
	qsort(all->by_id, all->n, sizeof(const struct vmv_mount *), by_id);
	qsort(all->by_parent, all->n, sizeof(const struct vmv_mount *), by_parent);
	return true;
}

int vmv_mountinfo_parse(char *text, struct vmv_mounts *ret, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_mounts_free) struct vmv_mounts all = { 0 };

	all.v = calloc(count_lines(text) + 1, sizeof(*all.v));
	if (!all.v)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	while (*text) {
		char *end = strchr(text, '\n');

		if (end)
			*end = '\0';
		if (!end || !parse_line(text, &all.v[all.n]))
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"/proc/self/mountinfo: line %zu is malformed", all.n + 1);
		all.n++;
		text = end + 1;
	}
	if (!index_mounts(&all))
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	*ret = VMV_TAKE(all, (struct vmv_mounts){ 0 });
	return 0;
}

void vmv_mounts_free(struct vmv_mounts *all)
{
	free(all->v);
	free(all->by_id);
	free(all->by_parent);
	*all = (struct vmv_mounts){ 0 };
}

/* -- looking up -------------------------------------------------------------------------- */

const struct vmv_mount *vmv_mounts_parent(const struct vmv_mounts *all, const struct vmv_mount *m)
{
	const struct vmv_mount key = { .id = m->parent };
	const struct vmv_mount *key_at = &key;
	const struct vmv_mount **found =
		bsearch(&key_at, all->by_id, all->n, sizeof(const struct vmv_mount *), by_id);

	return found && *found != m ? *found : NULL;
}

static int compare(const struct vmv_mount *m, uint32_t parent, const char *path, size_t len)
{
	int r;

	if (m->parent != parent)
		return m->parent < parent ? -1 : 1;
	r = strncmp(m->target, path, len);
	return r != 0 ? r : m->target[len] != '\0';
}

/* Whether a mount other than m is mounted on that parent at the first len characters of path. */
static bool has_mount_at(const struct vmv_mounts *all, uint32_t parent, const char *path,
			 size_t len, const struct vmv_mount *m)
{
	size_t low = 0, high = all->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(all->by_parent[mid], parent, path, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < all->n && compare(all->by_parent[low], parent, path, len) == 0; low++)
		if (all->by_parent[low] != m)
			return true;
	return false;
}

bool vmv_mounts_is_covered(const struct vmv_mounts *all, const struct vmv_mount *m)
{
	return has_mount_at(all, m->id, m->target, strlen(m->target), m);
}

bool vmv_mounts_is_hidden(const struct vmv_mounts *all, const struct vmv_mount *m)
{
	const char *slash = m->target;

	if (m->target[1] == '\0')
		return false;
	if (has_mount_at(all, m->parent, "/", 1, m))
		return true;
	while ((slash = strchr(slash + 1, '/')))
		if (has_mount_at(all, m->parent, m->target, (size_t)(slash - m->target), m))
			return true;
	return false;
}

bool vmv_mount_has_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (;;) {
		size_t this = strcspn(options, ",");

		if (this == len && memcmp(options, name, len) == 0)
			return true;
		if (options[this] == '\0')
			return false;
		options += this + 1;
	}
}
