#include "collectors/kernel.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "collectors/keyed.h"
#include "collectors/parts.h"

#include <errno.h>

#define TEXT_MAX 128 /* bytes; three numbers at most */
#define FILE_NR	 "sys/fs/file-nr"

#define KERNEL(member, metric, src, text)                                                      \
	VMV_FIELD(struct vmv_kernel_sample, member, metric, NULL, VMV_GAUGE, VMV_UNIT_NONE, 0, \
		  src, text)

static const struct vmv_field fields[] = {
	KERNEL(files, "node_filefd_allocated", "/proc/sys/fs/file-nr, column 1",
	       "Open files of all processes."),
	KERNEL(files_max, "node_filefd_maximum", "/proc/sys/fs/file-nr, column 3",
	       "Open files that there can be."),
	KERNEL(entropy, "node_entropy_available_bits", "/proc/sys/kernel/random/entropy_avail",
	       "Entropy in the pool; the full pool once it was filled, since 5.18."),
	KERNEL(entropy_max, "node_entropy_pool_size_bits", "/proc/sys/kernel/random/poolsize",
	       "Entropy that the pool can hold."),
	KERNEL(conntrack, "node_nf_conntrack_entries", "/proc/sys/net/netfilter/nf_conntrack_count",
	       "Connections that the packet filter tracks."),
	KERNEL(conntrack_max, "node_nf_conntrack_entries_limit",
	       "/proc/sys/net/netfilter/nf_conntrack_max",
	       "Connections that the packet filter can track; packets of further ones are lost."),
};

/* A number that ends at end. */
static bool parse_number(const char *s, char end, uint64_t *ret, const char **behind)
{
	return vmv_parse_count(s, ret, &s) == 0 && *s == end && (*behind = s + 1);
}

int vmv_file_nr_parse(const char *text, struct vmv_kernel_sample *ret, struct vmv_err *err)
{
	uint64_t files, unused, max;
	const char *s = text;

	if (!parse_number(s, '\t', &files, &s) || !parse_number(s, '\t', &unused, &s) ||
	    !parse_number(s, '\n', &max, &s))
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/" FILE_NR ": malformed");
	ret->files = files;
	ret->files_max = max;
	return 0;
}

int vmv_sysctl_parse(const char *text, const char *name, uint64_t *ret, struct vmv_err *err)
{
	const char *end;
	uint64_t v;

	if (!parse_number(text, '\n', &v, &end))
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/%s: not a number", name);
	*ret = v;
	return 0;
}

static int parse_file_nr(const char *text, const char *path, void *ret, struct vmv_err *err)
{
	(void)path;
	return vmv_file_nr_parse(text, ret, err);
}

static int parse_sysctl(const char *text, const char *path, void *ret, struct vmv_err *err)
{
	return vmv_sysctl_parse(text, path, ret, err);
}

#define SYSCTL(name, member)                                                                    \
	{                                                                                       \
		"sys/" name, TEXT_MAX, parse_sysctl, offsetof(struct vmv_kernel_sample, member) \
	}

static const struct vmv_part parts[] = {
	{ FILE_NR, TEXT_MAX, parse_file_nr, 0 },
	SYSCTL("kernel/random/entropy_avail", entropy),
	SYSCTL("kernel/random/poolsize", entropy_max),
	SYSCTL("net/netfilter/nf_conntrack_count", conntrack),
	SYSCTL("net/netfilter/nf_conntrack_max", conntrack_max),
};

static int kernel_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	struct vmv_kernel_sample s;
	int r = vmv_parts_read(state, root, parts, VMV_COUNTOF(parts), &s, sizeof(s), err);

	return r < 0 ? r : sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_kernel = {
	.name = "kernel",
	.help = "Tables of the kernel that can run full, and its entropy.",
	.file = "/proc/sys/fs/file-nr, /proc/sys/kernel/random, /proc/sys/net/netfilter",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_kernel_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.open = vmv_parts_open,
	.close = vmv_parts_close,
	.read = kernel_read,
};
