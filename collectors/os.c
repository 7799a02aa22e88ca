#include "collectors/os.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "base/utf8.h"

#define OS_RELEASE_MAX (16 * VMV_KIB) /* real ones are below 1 KiB */

#define S struct vmv_os_sample

static const struct vmv_field fields[] = {
	VMV_FIELD(S, id, "id", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "os-release ID",
		  "Short name of the system, in lower case."),
	VMV_FIELD(S, version_id, "version_id", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "os-release VERSION_ID", "Version of the system; a rolling release has none."),
	VMV_FIELD(S, name, "name", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "os-release NAME",
		  "Name of the system."),
	VMV_FIELD(S, pretty_name, "pretty_name", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "os-release PRETTY_NAME", "Name and version of the system for people."),
	VMV_FIELD(S, kernel, "kernel", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/proc/sys/kernel/osrelease", "Release of the running kernel."),
	VMV_FIELD(S, arch, "arch", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "uname machine",
		  "Processor architecture of the running kernel."),
	VMV_FIELD(S, hostname, "hostname", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/proc/sys/kernel/hostname", "Host name, no domain added."),
	VMV_FIELD(S, boot_id, "boot_id", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/proc/sys/kernel/random/boot_id", "UUID that is new with every boot."),
	VMV_FIELD(S, machine_id, "machine_id", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "/etc/machine-id",
		  "Id that this installation keeps."),
};

#undef S

static const char *const keys[VMV_OS_KEYS] = {
	[VMV_OS_ID] = "ID",
	[VMV_OS_NAME] = "NAME",
	[VMV_OS_PRETTY_NAME] = "PRETTY_NAME",
	[VMV_OS_VERSION] = "VERSION",
	[VMV_OS_VERSION_ID] = "VERSION_ID",
	[VMV_OS_VARIANT] = "VARIANT",
	[VMV_OS_VARIANT_ID] = "VARIANT_ID",
};

static void put_text(char *ret, size_t cap, const char *s, size_t len)
{
	len = vmv_utf8_cut(s, len, cap - 1);
	memcpy(ret, s, len);
	ret[len] = '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_escapable(char c, char quote)
{
	return quote == '"' ? c && strchr("\"$\\`", c) : c != '\0';
}

/* Nothing may follow a value but blanks and a comment. */
static bool is_end_of_value(const char *s)
{
	size_t blanks = strspn(s, " \t\r");

	return s[blanks] == '\0' || (blanks > 0 && s[blanks] == '#');
}

/* Undoes the quoting of the value at s, which ends with a NUL, in place. Returns its length;
 * -EINVAL when a quote stays open, stands in the middle or something follows the value. */
static int unquote(char *s)
{
	char quote = *s == '"' || *s == '\'' ? *s : '\0';
	const char *from = s + (quote != '\0');
	char *to = s;

	for (; *from && *from != quote; from++) {
		if (!quote && is_blank(*from))
			break;
		if (!quote && (*from == '"' || *from == '\''))
			return -EINVAL;
		if (*from == '\\' && quote != '\'' && is_escapable(from[1], quote))
			from++;
		*to++ = *from;
	}
	if (quote) {
		if (*from != quote)
			return -EINVAL;
		from++;
	}
	if (!is_end_of_value(from))
		return -EINVAL;
	return (int)(to - s);
}

static struct vmv_os_value *find_value(const char *key, size_t len, struct vmv_os_release *ret)
{
	for (size_t i = 0; i < VMV_OS_KEYS; i++)
		if (strlen(keys[i]) == len && memcmp(keys[i], key, len) == 0)
			return &ret->values[i];
	return NULL;
}

static void parse_line(const char *line, size_t len, struct vmv_os_release *ret)
{
	char value[1024]; /* four times the longest value */
	struct vmv_os_value *v;
	const char *eq;
	int n;

	for (; len > 0 && is_blank(*line); len--)
		line++;
	eq = memchr(line, '=', len);
	v = eq ? find_value(line, (size_t)(eq - line), ret) : NULL;
	if (!v)
		return;
	len -= (size_t)(eq + 1 - line);
	if (len >= sizeof(value))
		return;
	memcpy(value, eq + 1, len);
	value[len] = '\0';
	n = unquote(value);
	if (n < 0)
		return;
	put_text(v->text, sizeof(v->text), value, (size_t)n);
	v->is_there = true;
}

void vmv_os_release_values(const char *text, struct vmv_os_release *ret)
{
	for (size_t i = 0; i < VMV_OS_KEYS; i++)
		ret->values[i] = (struct vmv_os_value){ .is_there = false };
	while (*text) {
		size_t len = strcspn(text, "\n");

		parse_line(text, len, ret);
		text += len + (text[len] == '\n');
	}
}

/* What is absent is empty, too. */
static void put_value(char *ret, size_t cap, const struct vmv_os_release *r, enum vmv_os_key key,
		      const char *fallback)
{
	const char *s = r->values[key].text;

	if (!*s)
		s = fallback;
	put_text(ret, cap, s, strlen(s));
}

static void fill_sample(const struct vmv_os_release *r, struct vmv_os_sample *ret)
{
	put_value(ret->id, sizeof(ret->id), r, VMV_OS_ID, "linux");
	put_value(ret->version_id, sizeof(ret->version_id), r, VMV_OS_VERSION_ID, "");
	put_value(ret->name, sizeof(ret->name), r, VMV_OS_NAME, "Linux");
	put_value(ret->pretty_name, sizeof(ret->pretty_name), r, VMV_OS_PRETTY_NAME, ret->name);
}

void vmv_os_release_parse(const char *text, struct vmv_os_sample *ret)
{
	struct vmv_os_release r;

	vmv_os_release_values(text, &r);
	fill_sample(&r, ret);
}

void vmv_os_release_read(const struct vmv_root *root, struct vmv_os_release *ret)
{
	char text[OS_RELEASE_MAX];

	if (vmv_read_below(root, "etc/os-release", text, sizeof(text)) < 0 &&
	    vmv_read_below(root, "usr/lib/os-release", text, sizeof(text)) < 0)
		text[0] = '\0';
	vmv_os_release_values(text, ret);
}

/* 32 hexadecimal digits; "uninitialized" stands there during the first boot. */
static void read_machine_id(const struct vmv_root *root, char ret[static 33])
{
	char text[64];

	if (vmv_read_below(root, "etc/machine-id", text, sizeof(text)) < 0)
		return;
	if (strspn(text, "0123456789abcdef") == 32 && (text[32] == '\0' || text[32] == '\n'))
		put_text(ret, 33, text, 32);
}

static void read_proc(const struct vmv_root *root, const char *path, char *ret, size_t cap)
{
	if (vmv_read_attr_at(root->proc, path, ret, cap) < 0)
		ret[0] = '\0';
}

static void read_arch(char *ret, size_t cap)
{
	struct utsname u;

	ret[0] = '\0';
	if (uname(&u) == 0)
		put_text(ret, cap, u.machine, strlen(u.machine));
}

void vmv_os_kernel_read(const struct vmv_root *root, struct vmv_os_kernel *ret)
{
	read_proc(root, "sys/kernel/osrelease", ret->release, sizeof(ret->release));
	read_proc(root, "sys/kernel/version", ret->version, sizeof(ret->version));
	read_arch(ret->machine, sizeof(ret->machine));
}

int vmv_os_hostname_read(const struct vmv_root *root, char ret[static VMV_OS_HOSTNAME])
{
	char text[VMV_OS_HOSTNAME];
	int r = vmv_read_attr_at(root->proc, "sys/kernel/hostname", text, sizeof(text));

	if (r <= 0)
		return r < 0 ? r : -ENODATA;
	memcpy(ret, text, sizeof(text));
	return 0;
}

static int os_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		   struct vmv_err *err)
{
	struct vmv_os_sample s = { .id = "" };
	struct vmv_os_release release;

	(void)state;
	(void)err;
	vmv_os_release_read(root, &release);
	fill_sample(&release, &s);
	read_proc(root, "sys/kernel/osrelease", s.kernel, sizeof(s.kernel));
	read_arch(s.arch, sizeof(s.arch));
	read_proc(root, "sys/kernel/hostname", s.hostname, sizeof(s.hostname));
	read_proc(root, "sys/kernel/random/boot_id", s.boot_id, sizeof(s.boot_id));
	if (strspn(s.boot_id, "0123456789abcdef-") != 36)
		s.boot_id[0] = '\0';
	read_machine_id(root, s.machine_id);
	return sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_os = {
	.name = "os",
	.help = "Which system, kernel and machine this is.",
	.file = "/etc/os-release",
	.info = "node_os_info",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_os_sample),
	.min_period_ms = 60000,
	.is_default = true,
	.read = os_read,
};
