#include "packages/parse.h"

#include "base/cleanup.h"
#include "base/num.h"

#include <string.h>

static const struct vmv_package nothing = { .size = VMV_UNSET, .installed_s = VMV_UNSET };

static struct vmv_slice rest_from(struct vmv_slice s, size_t n)
{
	return (struct vmv_slice){ s.s + n, s.len - n };
}

/* Splits "a - b" at the first " - ". */
static bool split_dash(struct vmv_slice line, struct vmv_slice *ret_left,
		       struct vmv_slice *ret_right)
{
	const char *at = line.len > 0 ? memmem(line.s, line.len, " - ", 3) : NULL;

	if (!at || at == line.s)
		return false;
	*ret_left = (struct vmv_slice){ line.s, (size_t)(at - line.s) };
	*ret_right = vmv_slice_trim(rest_from(line, ret_left->len + 3));
	if (ret_right->len == 0)
		ret_right->s = NULL;
	return true;
}

int vmv_parse_apt_search(const char *text, struct vmv_packages *ret)
{
	struct vmv_slice line;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		struct vmv_package p = nothing;

		if (split_dash(line, &p.name, &p.description))
			r = vmv_packages_add(ret, &p);
	}
	return r;
}

bool vmv_parse_name_arch(struct vmv_slice id, struct vmv_slice *ret_name,
			 struct vmv_slice *ret_arch)
{
	const char *dot = id.len > 0 ? memrchr(id.s, '.', id.len) : NULL;
	size_t len = dot ? (size_t)(dot - id.s) : 0;

	if (len == 0 || len + 1 == id.len)
		return false;
	*ret_name = (struct vmv_slice){ id.s, len };
	*ret_arch = rest_from(id, len + 1);
	return true;
}

/* "bash.x86_64 : The shell" of dnf 4, " bash.x86_64: The shell" or a tab of dnf 5; headings have
 * no such word in front. */
static bool take_dnf_hit(struct vmv_slice line, struct vmv_package *ret)
{
	struct vmv_slice id, sep = { NULL, 0 };
	bool has_mark;

	if (!vmv_slice_word(&line, &id))
		return false;
	has_mark = id.s[id.len - 1] == ':' || (line.len > 0 && line.s[0] == '\t');
	if (id.s[id.len - 1] == ':')
		id.len--;
	line = vmv_slice_trim(line);
	if (line.len > 0 && line.s[0] == ':') {
		has_mark = true;
		(void)vmv_slice_word(&line, &sep);
		line = vmv_slice_trim(line);
	}
	*ret = nothing;
	if (line.len > 0)
		ret->description = line;
	return has_mark && vmv_parse_name_arch(id, &ret->name, &ret->arch);
}

int vmv_parse_dnf_search(const char *text, struct vmv_packages *ret)
{
	struct vmv_slice line;
	struct vmv_package p;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line))
		if (take_dnf_hit(line, &p))
			r = vmv_packages_add(ret, &p);
	return r;
}

int vmv_parse_dnf_details(const char *text, struct vmv_packages *ret)
{
	struct vmv_slice line, id, size;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		struct vmv_package p = nothing;

		if (!vmv_slice_word(&line, &id) || !vmv_slice_word(&line, &p.version) ||
		    !vmv_slice_word(&line, &size) || !vmv_parse_name_arch(id, &p.name, &p.arch))
			continue;
		p.size = vmv_slice_number(size, 1);
		r = vmv_packages_add(ret, &p);
	}
	return r;
}

int vmv_parse_zypper_search(char *text, struct vmv_packages *ret)
{
	enum { NAME, STATUS, SUMMARY, KIND, N };
	static const char *const names[N] = { "name", "status", "summary", "kind" };
	struct vmv_slice v[N];
	int r = 0;

	while (r == 0 && (text = vmv_parse_tag(text, "solvable", names, v, N))) {
		struct vmv_package p = nothing;

		p.name = v[NAME];
		p.description = v[SUMMARY].len > 0 ? v[SUMMARY] : (struct vmv_slice){ NULL, 0 };
		p.is_installed = vmv_slice_is(v[STATUS], "installed");
		if (p.name.len > 0 && vmv_slice_is(v[KIND], "package"))
			r = vmv_packages_add(ret, &p);
	}
	return r;
}

/* The version begins behind a dash with a digit; "-r" and a number end it. */
bool vmv_parse_apk_id(struct vmv_slice id, struct vmv_slice *ret_name,
		      struct vmv_slice *ret_version)
{
	for (size_t i = id.len; i > 1; i--) {
		if (id.s[i - 1] != '-' || i >= id.len || id.s[i] < '0' || id.s[i] > '9')
			continue;
		*ret_name = (struct vmv_slice){ id.s, i - 1 };
		*ret_version = rest_from(id, i);
		return true;
	}
	return false;
}

int vmv_parse_apk_search(const char *text, struct vmv_packages *ret)
{
	struct vmv_slice line, id;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		struct vmv_package p = nothing;

		if (split_dash(line, &id, &p.description) &&
		    vmv_parse_apk_id(id, &p.name, &p.version))
			r = vmv_packages_add(ret, &p);
	}
	return r;
}

/* "core/bash 5.2-1 (base) [installed: 5.1-1]", then an indented line that describes it. */
static bool take_pacman_hit(struct vmv_slice line, struct vmv_package *ret)
{
	struct vmv_slice id, rest = line;
	const char *slash;

	if (line.len == 0 || line.s[0] == ' ' || !vmv_slice_word(&rest, &id) ||
	    !vmv_slice_word(&rest, &ret->version))
		return false;
	slash = memchr(id.s, '/', id.len);
	if (!slash || slash == id.s || slash + 1 == id.s + id.len)
		return false;
	ret->repository = (struct vmv_slice){ id.s, (size_t)(slash - id.s) };
	ret->name = rest_from(id, ret->repository.len + 1);
	ret->is_installed = rest.len > 0 && memmem(rest.s, rest.len, "[installed", 10);
	return true;
}

int vmv_parse_pacman_search(const char *text, struct vmv_packages *ret)
{
	struct vmv_package p = nothing;
	struct vmv_slice line;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		struct vmv_package next = nothing;

		if (take_pacman_hit(line, &next)) {
			r = p.name.s ? vmv_packages_add(ret, &p) : 0;
			p = next;
		} else if (p.name.s && !p.description.s && vmv_slice_trim(line).len > 0) {
			p.description = vmv_slice_trim(line);
		}
	}
	return r == 0 && p.name.s ? vmv_packages_add(ret, &p) : r;
}
