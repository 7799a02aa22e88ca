#include "packages/parse.h"

#include "base/cleanup.h"
#include "base/num.h"

#include <string.h>

#define KIB 1024

static const struct vmv_package nothing = { .size = VMV_UNSET, .installed_s = VMV_UNSET };

/* Ends a stanza: adds what it told of, and begins anew. */
static int end_package(struct vmv_package *p, struct vmv_packages *ret)
{
	int r = p->name.len > 0 && p->version.len > 0 ? vmv_packages_add(ret, p) : 0;

	*p = nothing;
	return r;
}

/* Known, and not empty. */
static void set(struct vmv_slice *to, struct vmv_slice value)
{
	value = vmv_slice_trim(value);
	if (value.len > 0)
		*to = value;
}

/* Splits "Key: value" at the first sep. */
static bool split(struct vmv_slice line, char sep, struct vmv_slice *ret_key,
		  struct vmv_slice *ret_value)
{
	const char *at = line.len > 0 ? memchr(line.s, sep, line.len) : NULL;

	if (!at || at == line.s)
		return false;
	*ret_key = (struct vmv_slice){ line.s, (size_t)(at - line.s) };
	*ret_value = (struct vmv_slice){ at + 1, line.len - ret_key->len - 1 };
	return true;
}

/* -- dpkg ------------------------------------------------------------------------------------ */

struct dpkg_stanza {
	struct vmv_package p;
	bool has_status;
	uint64_t download;
};

/* "install ok installed": what is wanted, flag, state. */
static bool says_installed(struct vmv_slice status)
{
	struct vmv_slice word = { NULL, 0 };
	unsigned n = 0;

	while (vmv_slice_word(&status, &word))
		n++;
	return n == 3 && vmv_slice_is(word, "installed");
}

static struct vmv_slice first_word(struct vmv_slice s)
{
	struct vmv_slice word = { NULL, 0 };

	(void)vmv_slice_word(&s, &word);
	return word;
}

static void take_dpkg(struct dpkg_stanza *d, struct vmv_slice key, struct vmv_slice value)
{
	if (vmv_slice_is(key, "Package")) {
		set(&d->p.name, value);
	} else if (vmv_slice_is(key, "Version")) {
		set(&d->p.version, value);
	} else if (vmv_slice_is(key, "Architecture")) {
		set(&d->p.arch, value);
	} else if (vmv_slice_is(key, "Source")) {
		set(&d->p.source, first_word(value)); /* "glibc (2.36-9)" */
	} else if (vmv_slice_is(key, "Maintainer")) {
		set(&d->p.vendor, value);
	} else if (vmv_slice_is(key, "Description") || vmv_slice_is(key, "Description-en")) {
		set(&d->p.description, value);
	} else if (vmv_slice_is(key, "Installed-Size")) {
		d->p.size = vmv_slice_number(value, KIB);
	} else if (vmv_slice_is(key, "Size")) {
		d->download = vmv_slice_number(value, 1);
	} else if (vmv_slice_is(key, "Status")) {
		d->has_status = true;
		d->p.is_installed = says_installed(value);
	}
}

static int end_dpkg(struct dpkg_stanza *d, struct vmv_packages *ret)
{
	int r;

	if (d->download != VMV_UNSET)
		d->p.size = d->download;
	if (!d->p.source.s)
		d->p.source = d->p.name; /* as deb-control(5) has it */
	if (d->has_status && !d->p.is_installed)
		d->p = nothing;
	r = end_package(&d->p, ret);
	*d = (struct dpkg_stanza){ .p = nothing, .download = VMV_UNSET };
	return r;
}

int vmv_parse_dpkg(const char *text, struct vmv_packages *ret)
{
	struct dpkg_stanza d = { .p = nothing, .download = VMV_UNSET };
	struct vmv_slice line, key, value;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		if (line.len == 0)
			r = end_dpkg(&d, ret);
		else if (line.s[0] != ' ' && line.s[0] != '\t' && split(line, ':', &key, &value))
			take_dpkg(&d, key, value);
	}
	return r == 0 ? end_dpkg(&d, ret) : r;
}

/* -- rpm ------------------------------------------------------------------------------------- */

enum { R_NAME, R_VERSION, R_ARCH, R_SOURCE, R_VENDOR, R_SIZE, R_TIME, R_SUMMARY, R_N };

/* The rest of the line is the last field. Returns how many there were. */
static size_t split_tabs(struct vmv_slice line, struct vmv_slice ret[R_N])
{
	size_t n = 0;

	for (; n < R_N - 1; n++) {
		const char *tab = line.len > 0 ? memchr(line.s, '\t', line.len) : NULL;

		if (!tab)
			break;
		ret[n] = (struct vmv_slice){ line.s, (size_t)(tab - line.s) };
		line = (struct vmv_slice){ tab + 1, line.len - ret[n].len - 1 };
	}
	ret[n] = line;
	return n + 1;
}

static void set_rpm(struct vmv_slice *to, struct vmv_slice value)
{
	if (!vmv_slice_is(value, "(none)"))
		set(to, value);
}

/* "bash-5.1.8-6.el9.src.rpm" is of bash. */
static struct vmv_slice source_name(struct vmv_slice file)
{
	unsigned dashes = 0;

	for (size_t i = file.len; i > 1; i--)
		if (file.s[i - 1] == '-' && ++dashes == 2)
			return (struct vmv_slice){ file.s, i - 1 };
	return file;
}

static int take_rpm(const struct vmv_slice f[R_N], struct vmv_packages *ret)
{
	struct vmv_package p = nothing;

	set_rpm(&p.name, f[R_NAME]);
	set_rpm(&p.version, f[R_VERSION]);
	set_rpm(&p.arch, f[R_ARCH]);
	set_rpm(&p.source, f[R_SOURCE]);
	set_rpm(&p.vendor, f[R_VENDOR]);
	set_rpm(&p.description, f[R_SUMMARY]);
	p.size = vmv_slice_number(f[R_SIZE], 1);
	p.installed_s = vmv_slice_number(f[R_TIME], 1);
	p.is_installed = true;
	if (p.source.s)
		p.source = source_name(p.source);
	/* keys live in the same database */
	return vmv_slice_is(p.name, "gpg-pubkey") ? 0 : end_package(&p, ret);
}

int vmv_parse_rpm(const char *text, struct vmv_packages *ret)
{
	struct vmv_slice line, fields[R_N];
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line))
		if (split_tabs(line, fields) == R_N)
			r = take_rpm(fields, ret);
	return r;
}

/* -- apk ------------------------------------------------------------------------------------- */

static void take_apk(struct vmv_package *p, char key, struct vmv_slice value)
{
	switch (key) {
	case 'P':
		set(&p->name, value);
		break;
	case 'V':
		set(&p->version, value);
		break;
	case 'A':
		set(&p->arch, value);
		break;
	case 'T':
		set(&p->description, value);
		break;
	case 'o':
		set(&p->source, value);
		break;
	case 'm':
		set(&p->vendor, value);
		break;
	case 'I':
		p->size = vmv_slice_number(value, 1);
		break;
	default: /* dependencies and files */
		break;
	}
}

int vmv_parse_apk(const char *text, struct vmv_packages *ret)
{
	struct vmv_package p = nothing;
	struct vmv_slice line;
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		p.is_installed = true;
		if (line.len == 0)
			r = end_package(&p, ret);
		else if (line.len > 2 && line.s[1] == ':')
			take_apk(&p, line.s[0], (struct vmv_slice){ line.s + 2, line.len - 2 });
	}
	p.is_installed = true;
	return r == 0 ? end_package(&p, ret) : r;
}

/* -- pacman ---------------------------------------------------------------------------------- */

static void take_pacman(struct vmv_package *p, struct vmv_slice key, struct vmv_slice value)
{
	const struct {
		const char *key;
		struct vmv_slice *to;
	} texts[] = {
		{ "%NAME%", &p->name },	  { "%VERSION%", &p->version },
		{ "%ARCH%", &p->arch },	  { "%DESC%", &p->description },
		{ "%BASE%", &p->source }, { "%PACKAGER%", &p->vendor },
	};

	for (size_t i = 0; i < VMV_COUNTOF(texts); i++)
		if (vmv_slice_is(key, texts[i].key))
			set(texts[i].to, value);
	if (vmv_slice_is(key, "%SIZE%"))
		p->size = vmv_slice_number(value, 1);
	else if (vmv_slice_is(key, "%INSTALLDATE%"))
		p->installed_s = vmv_slice_number(value, 1);
	p->is_installed = true;
}

static bool is_pacman_key(struct vmv_slice line)
{
	return line.len > 2 && line.s[0] == '%' && line.s[line.len - 1] == '%';
}

/* A value is the first line behind its key; further ones are of lists. */
int vmv_parse_pacman(const char *text, struct vmv_packages *ret)
{
	struct vmv_package p = nothing;
	struct vmv_slice line, key = { NULL, 0 };
	int r = 0;

	while (r == 0 && vmv_slice_line(&text, &line)) {
		if (is_pacman_key(line)) {
			key = line;
			if (vmv_slice_is(key, "%NAME%"))
				r = end_package(&p, ret);
		} else if (key.s) {
			take_pacman(&p, key, line);
			key.s = NULL;
			key.len = 0;
		}
	}
	return r == 0 ? end_package(&p, ret) : r;
}
