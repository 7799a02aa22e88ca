#include "collectors/kernel.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/keyed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Files of one number. */
static const struct {
	const char *path; /* below /proc */
	size_t offset;
} numbers[] = {
	{ "sys/kernel/random/entropy_avail", offsetof(struct vmv_kernel_sample, entropy) },
	{ "sys/kernel/random/poolsize", offsetof(struct vmv_kernel_sample, entropy_max) },
	{ "sys/net/netfilter/nf_conntrack_count", offsetof(struct vmv_kernel_sample, conntrack) },
	{ "sys/net/netfilter/nf_conntrack_max", offsetof(struct vmv_kernel_sample, conntrack_max) },
};

/* A number that ends at end. */
static bool parse_number(const char *s, char end, uint64_t *ret, const char **behind)
{
	return vmv_keyed_number(s, ret, &s) == 0 && *s == end && (*behind = s + 1);
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

struct kernel_state {
	int file_nr; /* descriptors; -1 until they could be opened */
	int numbers[VMV_COUNTOF(numbers)];
};

static void kernel_close(void *state)
{
	struct kernel_state *k = state;

	if (!k)
		return;
	vmv_closep(&k->file_nr);
	for (size_t i = 0; i < VMV_COUNTOF(numbers); i++)
		vmv_closep(&k->numbers[i]);
	free(k);
}

static void *kernel_open(const struct vmv_root *root)
{
	struct kernel_state *k = malloc(sizeof(*k));

	(void)root;
	if (!k)
		return NULL;
	k->file_nr = -1;
	for (size_t i = 0; i < VMV_COUNTOF(numbers); i++)
		k->numbers[i] = -1;
	return k;
}

/* Returns 1, 0 when there is no such file, or negative errno. */
static int read_text(int *fd, const char *path, const struct vmv_root *root, char text[TEXT_MAX],
		     struct vmv_err *err)
{
	int r = vmv_reread(fd, root->proc, path, text, TEXT_MAX);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/%s: %s", path, strerror(-r));
	return 1;
}

static int read_number(int *fd, const char *path, const struct vmv_root *root, uint64_t *ret,
		       struct vmv_err *err)
{
	char text[TEXT_MAX];
	int r = read_text(fd, path, root, text, err);

	if (r <= 0)
		return r;
	r = vmv_sysctl_parse(text, path, ret, err);
	return r < 0 ? r : 1;
}

static int read_file_nr(int *fd, const struct vmv_root *root, struct vmv_kernel_sample *ret,
			struct vmv_err *err)
{
	char text[TEXT_MAX];
	int r = read_text(fd, FILE_NR, root, text, err);

	if (r <= 0)
		return r;
	r = vmv_file_nr_parse(text, ret, err);
	return r < 0 ? r : 1;
}

static int kernel_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	struct kernel_state *k = state;
	struct vmv_kernel_sample s;
	int n, r;

	memset(&s, 0xff, sizeof(s)); /* VMV_UNSET everywhere */
	n = read_file_nr(&k->file_nr, root, &s, err);
	if (n < 0)
		return n;
	for (size_t i = 0; i < VMV_COUNTOF(numbers); i++) {
		r = read_number(&k->numbers[i], numbers[i].path, root,
				(uint64_t *)((char *)&s + numbers[i].offset), err);
		if (r < 0)
			return r;
		n += r;
	}
	if (n == 0)
		return vmv_fail(err, VMV_E_IO, ENOENT, "none of the files of /proc/sys is there");
	return sink->row(sink, "", &s);
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
	.open = kernel_open,
	.close = kernel_close,
	.read = kernel_read,
};
