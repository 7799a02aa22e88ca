#include "collectors/memory.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define MEMINFO_MAX 16384 /* bytes; 6.x kernels print under 2 KiB */

#define BYTES(member, key, text)                                                                  \
	VMV_FIELD(struct vmv_memory_sample, member, "node_memory_" key "_bytes", NULL, VMV_GAUGE, \
		  VMV_UNIT_BYTES, 0, key, text)

/* The sources are also what the parser looks for. */
static const struct vmv_field fields[] = {
	BYTES(total, "MemTotal", "RAM usable by the guest kernel."),
	BYTES(free, "MemFree", "RAM not used for anything, caches included."),
	BYTES(available, "MemAvailable", "RAM that new work can get without swapping."),
	BYTES(buffers, "Buffers", "Cache of raw block devices."),
	BYTES(cached, "Cached", "Page cache, shared memory included, swap cache not."),
	BYTES(sreclaimable, "SReclaimable", "Kernel caches that can be given up."),
	BYTES(shmem, "Shmem", "Shared memory and tmpfs."),
	BYTES(dirty, "Dirty", "Waiting to be written to disk."),
	BYTES(writeback, "Writeback", "Being written to disk now."),
	BYTES(anon, "AnonPages", "Memory of programs that no file backs."),
	BYTES(slab, "Slab", "Data structures of the kernel."),
	BYTES(committed, "Committed_AS", "Promised to programs, used or not."),
	BYTES(swap_total, "SwapTotal", "Size of all swap areas."),
	BYTES(swap_free, "SwapFree", "Swap not used."),
	BYTES(swap_cached, "SwapCached", "In RAM and still in swap, too."),
};

static const struct vmv_field *field_for(const char *line, size_t key_len)
{
	for (size_t i = 0; i < VMV_COUNTOF(fields); i++)
		if (strlen(fields[i].source) == key_len &&
		    memcmp(fields[i].source, line, key_len) == 0)
			return &fields[i];
	return NULL;
}

/* "MemTotal:     1024 kB": line points at the key, colon at the ':'. */
static int parse_line(const char *line, const char *colon, struct vmv_memory_sample *s,
		      struct vmv_err *err)
{
	const struct vmv_field *f = field_for(line, (size_t)(colon - line));
	const char *end;
	uint64_t kib, bytes;

	if (!f)
		return 0;
	if (vmv_parse_u64(colon + 1 + strspn(colon + 1, " "), &kib, &end) < 0 ||
	    strncmp(end, " kB\n", 4) != 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/meminfo: bad '%s' line",
				f->source);
	if (__builtin_mul_overflow(kib, UINT64_C(1024), &bytes))
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/meminfo: '%s' too large",
				f->source);
	memcpy((char *)s + f->offset, &bytes, sizeof(bytes));
	return 0;
}

int vmv_memory_parse(const char *text, struct vmv_memory_sample *ret, struct vmv_err *err)
{
	struct vmv_memory_sample s;
	int r;

	memset(&s, 0xff, sizeof(s)); /* VMV_UNSET everywhere */
	for (const char *line = text, *nl; *line; line = nl + 1) {
		const char *colon = strchr(line, ':');

		nl = strchr(line, '\n');
		if (!nl || !colon || colon > nl)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/meminfo: malformed line");
		r = parse_line(line, colon, &s, err);
		if (r < 0)
			return r;
	}
	if (s.total == VMV_UNSET)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/meminfo: no 'MemTotal' line");
	*ret = s;
	return 0;
}

struct memory_state {
	int fd; /* -1 until it could be opened */
};

static int open_meminfo(const struct vmv_root *root)
{
	return openat(root->proc, "meminfo", O_RDONLY | O_CLOEXEC);
}

static void memory_close(void *state)
{
	struct memory_state *m = state;

	if (!m)
		return;
	vmv_closep(&m->fd);
	free(m);
}

static void *memory_open(const struct vmv_root *root)
{
	struct memory_state *m = malloc(sizeof(*m));

	if (m)
		m->fd = open_meminfo(root);
	return m;
}

static int read_text(struct memory_state *m, const struct vmv_root *root, char *text, size_t cap)
{
	int r;

	if (m->fd < 0)
		m->fd = open_meminfo(root);
	if (m->fd < 0)
		return -errno;
	r = vmv_read_fd(m->fd, text, cap);
	if (r < 0) {
		vmv_closep(&m->fd); /* not trusted with the next reading */
		m->fd = -1;
	}
	return r;
}

static int memory_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	char text[MEMINFO_MAX];
	struct vmv_memory_sample s;
	int r = read_text(state, root, text, sizeof(text));

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/meminfo: %s", strerror(-r));
	r = vmv_memory_parse(text, &s, err);
	return r < 0 ? r : sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_memory = {
	.name = "memory",
	.help = "Memory of the guest as the guest kernel sees it.",
	.file = "/proc/meminfo",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_memory_sample),
	.min_period_ms = VMV_SAMPLE_PERIOD_MIN,
	.is_default = true,
	.open = memory_open,
	.close = memory_close,
	.read = memory_read,
};
