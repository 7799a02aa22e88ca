#include "collectors/memory.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/keyed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMINFO_MAX 16384 /* bytes; 6.x kernels print under 2 KiB */

#define MEMORY(member, metric, unit, key, text) \
	VMV_FIELD(struct vmv_memory_sample, member, metric, NULL, VMV_GAUGE, unit, 0, key, text)
#define NAMED(member, name, key, text) \
	MEMORY(member, "node_memory_" name "_bytes", VMV_UNIT_BYTES, key, text)
#define BYTES(member, key, text) NAMED(member, key, key, text)
#define PAGES(member, key, text) MEMORY(member, "node_memory_" key, VMV_UNIT_NONE, key, text)

/* Sorted by source, which is what the parser looks for. */
static const struct vmv_field fields[] = {
	BYTES(active, "Active", "RAM used lately, which is given up last."),
	NAMED(active_anon, "Active_anon", "Active(anon)", "Memory of programs used lately."),
	NAMED(active_file, "Active_file", "Active(file)", "Page cache used lately."),
	BYTES(anon_huge, "AnonHugePages", "Memory of programs in transparent huge pages."),
	BYTES(anon, "AnonPages", "Memory of programs that no file backs."),
	BYTES(balloon, "Balloon", "Given back to the host by a balloon driver."),
	BYTES(bounce, "Bounce", "Copies for devices that cannot reach all memory."),
	BYTES(buffers, "Buffers", "Cache of raw block devices."),
	BYTES(cached, "Cached", "Page cache, shared memory included, swap cache not."),
	BYTES(cma_free, "CmaFree", "Free memory of the area for contiguous allocations."),
	BYTES(cma_total, "CmaTotal", "Size of the area for contiguous allocations."),
	BYTES(commit_limit, "CommitLimit",
	      "What may be promised to programs where overcommit is off."),
	BYTES(committed, "Committed_AS", "Promised to programs, used or not."),
	BYTES(direct_map_1g, "DirectMap1G", "RAM that the kernel maps in pages of 1 GiB."),
	BYTES(direct_map_2m, "DirectMap2M", "RAM that the kernel maps in pages of 2 MiB."),
	BYTES(direct_map_4m, "DirectMap4M", "RAM that the kernel maps in pages of 4 MiB."),
	BYTES(direct_map_4k, "DirectMap4k", "RAM that the kernel maps in pages of 4 KiB."),
	BYTES(dirty, "Dirty", "Waiting to be written to disk."),
	BYTES(file_huge, "FileHugePages", "Page cache in transparent huge pages."),
	BYTES(file_pmd_mapped, "FilePmdMapped", "Page cache mapped into programs in huge pages."),
	BYTES(hardware_corrupted, "HardwareCorrupted", "Taken out of use after memory errors."),
	BYTES(high_free, "HighFree", "Free memory that a 32-bit kernel has not mapped."),
	BYTES(high_total, "HighTotal", "Memory that a 32-bit kernel has not mapped."),
	PAGES(huge_free, "HugePages_Free", "Reserved huge pages not used."),
	PAGES(huge_reserved, "HugePages_Rsvd",
	      "Reserved huge pages promised to programs and not used yet."),
	PAGES(huge_surplus, "HugePages_Surp", "Huge pages beyond the configured number."),
	PAGES(huge_total, "HugePages_Total", "Reserved huge pages of the default size."),
	BYTES(huge_page_size, "Hugepagesize", "Default size of a huge page."),
	BYTES(hugetlb, "Hugetlb", "Reserved for huge pages of all sizes."),
	BYTES(inactive, "Inactive", "RAM not used lately, which is given up first."),
	NAMED(inactive_anon, "Inactive_anon", "Inactive(anon)",
	      "Memory of programs not used lately."),
	NAMED(inactive_file, "Inactive_file", "Inactive(file)", "Page cache not used lately."),
	BYTES(kreclaimable, "KReclaimable", "Memory of the kernel that can be given up."),
	BYTES(kernel_stack, "KernelStack", "Stacks of threads in the kernel."),
	BYTES(low_free, "LowFree", "Free memory that a 32-bit kernel has mapped."),
	BYTES(low_total, "LowTotal", "Memory that a 32-bit kernel has mapped."),
	BYTES(mapped, "Mapped", "Page cache mapped into programs."),
	BYTES(available, "MemAvailable", "RAM that new work can get without swapping."),
	BYTES(free, "MemFree", "RAM not used for anything, caches included."),
	BYTES(total, "MemTotal", "RAM usable by the guest kernel."),
	BYTES(mlocked, "Mlocked", "Locked into RAM by programs."),
	BYTES(nfs_unstable, "NFS_Unstable",
	      "Sent to an NFS server that has not stored it yet; 0 in newer kernels."),
	BYTES(page_tables, "PageTables", "Page tables of programs."),
	BYTES(percpu, "Percpu", "Data of the kernel that exist once for each CPU."),
	BYTES(sreclaimable, "SReclaimable", "Kernel caches that can be given up."),
	BYTES(sunreclaim, "SUnreclaim", "Kernel data structures that cannot be given up."),
	BYTES(sec_page_tables, "SecPageTables", "Page tables of virtual machines and IOMMUs."),
	BYTES(shmem, "Shmem", "Shared memory and tmpfs."),
	BYTES(shmem_huge, "ShmemHugePages", "Shared memory and tmpfs in huge pages."),
	BYTES(shmem_pmd_mapped, "ShmemPmdMapped",
	      "Shared memory mapped into programs in huge pages."),
	BYTES(slab, "Slab", "Data structures of the kernel."),
	BYTES(swap_cached, "SwapCached", "In RAM and still in swap, too."),
	BYTES(swap_free, "SwapFree", "Swap not used."),
	BYTES(swap_total, "SwapTotal", "Size of all swap areas."),
	BYTES(unaccepted, "Unaccepted", "Memory that a confidential guest has not taken over yet."),
	BYTES(unevictable, "Unevictable", "RAM that cannot be given up, locked memory among it."),
	BYTES(vmalloc_chunk, "VmallocChunk", "Largest free range for vmalloc; 0 since 4.4."),
	BYTES(vmalloc_total, "VmallocTotal", "Address space for vmalloc."),
	BYTES(vmalloc_used, "VmallocUsed", "Address space that vmalloc uses; 0 from 4.4 to 5.2."),
	BYTES(writeback, "Writeback", "Being written to disk now."),
	BYTES(writeback_tmp, "WritebackTmp", "Copies that FUSE is writing."),
	BYTES(zswap, "Zswap", "RAM that compressed swap takes."),
	BYTES(zswapped, "Zswapped", "Swapped memory that lies compressed in RAM."),
};

static const struct vmv_keys keys = { .fields = fields, .n = VMV_COUNTOF(fields) };

/* "MemTotal:     1024 kB", "HugePages_Total:    0": line points at the key, colon at the ':'. */
static int parse_line(const char *line, const char *colon, struct vmv_memory_sample *s,
		      struct vmv_err *err)
{
	const struct vmv_field *f = vmv_keys_find(&keys, line, (size_t)(colon - line));
	const char *unit, *end;
	uint64_t v;

	if (!f)
		return 0;
	unit = f->unit == VMV_UNIT_BYTES ? " kB\n" : "\n";
	if (vmv_parse_count(colon + 1 + strspn(colon + 1, " "), &v, &end) < 0 ||
	    strncmp(end, unit, strlen(unit)) != 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/meminfo: bad '%s' line",
				f->source);
	/* what does not fit is pages below zero in KiB: one such number is no reason to lose all */
	if (f->unit == VMV_UNIT_BYTES && __builtin_mul_overflow(v, UINT64_C(1024), &v))
		v = VMV_UNSET;
	vmv_keys_put(s, f, v);
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

	(void)root;
	if (m)
		m->fd = -1;
	return m;
}

static int memory_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	struct memory_state *m = state;
	char text[MEMINFO_MAX];
	struct vmv_memory_sample s;
	int r = vmv_reread(&m->fd, root->proc, "meminfo", text, sizeof(text));

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
