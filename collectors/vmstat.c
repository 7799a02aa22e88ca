#include "collectors/vmstat.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/keyed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 32768 /* bytes; 6.x kernels print under 6 KiB */

#define EVENTS(member, metric, key, text)                                                        \
	VMV_FIELD(struct vmv_vmstat_sample, member, metric, NULL, VMV_COUNTER, VMV_UNIT_NONE, 0, \
		  key, text)
#define VMSTAT(member, text) EVENTS(member, "node_vmstat_" #member, #member, text)

/* Sorted by source, which is what the parser looks for. */
static const struct vmv_field fields[] = {
	EVENTS(allocstall, "vmvitals_vmstat_allocstall_total", "allocstall",
	       "Allocations that had to reclaim memory themselves, in all zones."),
	VMSTAT(balloon_deflate, "Pages that the balloon gave back to the guest."),
	VMSTAT(balloon_inflate, "Pages that the balloon took for the host."),
	VMSTAT(balloon_migrate, "Pages of the balloon that were moved."),
	VMSTAT(compact_fail, "Allocations that waited for compaction in vain."),
	VMSTAT(compact_stall, "Allocations that waited for compaction."),
	VMSTAT(drop_pagecache, "Times that somebody had the page cache dropped."),
	VMSTAT(drop_slab, "Times that somebody had kernel caches dropped."),
	VMSTAT(numa_foreign, "Pages meant for one node and taken from another."),
	VMSTAT(numa_hit, "Pages taken from the node they were meant for."),
	VMSTAT(numa_miss, "Pages taken from a node because the one meant was full."),
	VMSTAT(numa_pages_migrated, "Pages moved to the node that uses them."),
	VMSTAT(oom_kill, "Processes killed because memory ran out."),
	VMSTAT(pgfault, "Page faults, minor and major."),
	VMSTAT(pgmajfault, "Page faults that had to wait for a disk."),
	VMSTAT(pgpgin, "KiB read from block devices."),
	VMSTAT(pgpgout, "KiB written to block devices."),
	VMSTAT(pgscan_direct, "Pages that allocations looked at to reclaim them."),
	VMSTAT(pgscan_direct_throttle, "Times that an allocation was made to wait for reclaim."),
	VMSTAT(pgscan_kswapd, "Pages that kswapd looked at to reclaim them."),
	VMSTAT(pgsteal_direct, "Pages that allocations reclaimed."),
	VMSTAT(pgsteal_kswapd, "Pages that kswapd reclaimed."),
	VMSTAT(pswpin, "Pages read from swap."),
	VMSTAT(pswpout, "Pages written to swap."),
	VMSTAT(thp_collapse_alloc, "Huge pages made of small ones."),
	VMSTAT(thp_fault_alloc, "Huge pages given at a page fault."),
	VMSTAT(thp_fault_fallback, "Page faults that got small pages for want of a huge one."),
	VMSTAT(thp_split_page, "Huge pages split into small ones."),
	VMSTAT(workingset_refault, "Pages read again soon after they were reclaimed, before 5.9."),
	VMSTAT(workingset_refault_anon,
	       "Pages of programs read from swap again soon after they were reclaimed."),
	VMSTAT(workingset_refault_file,
	       "Pages of files read again soon after they were reclaimed."),
	VMSTAT(zswpin, "Pages read from compressed swap."),
	VMSTAT(zswpout, "Pages written to compressed swap."),
};

static const struct vmv_keys keys = { .fields = fields, .n = VMV_COUNTOF(fields) };

/* What some kernels count by zone. allocstall is since 4.10, the others were until 4.7. */
static const char *const zoned[] = {
	"allocstall", "pgscan_direct", "pgscan_kswapd", "pgsteal_direct", "pgsteal_kswapd",
};
static const char *const zones[] = { "dma", "dma32", "normal", "high", "movable", "device" };

static bool is_one_of(const char *const *words, size_t n, const char *word, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
			return true;
	return false;
}

/* The field that "allocstall_normal" is a part of, or NULL. */
static const struct vmv_field *field_of_zone(const char *key, size_t len)
{
	size_t base = len;

	if (*key != 'a' && *key != 'p') /* most lines */
		return NULL;
	while (base > 0 && key[base - 1] != '_')
		base--;
	if (base == 0 || !is_one_of(zones, VMV_COUNTOF(zones), key + base, len - base) ||
	    !is_one_of(zoned, VMV_COUNTOF(zoned), key, base - 1))
		return NULL;
	return vmv_keys_find(&keys, key, base - 1);
}

static void add_to(struct vmv_vmstat_sample *s, const struct vmv_field *f, uint64_t v)
{
	uint64_t sum;

	memcpy(&sum, (const char *)s + f->offset, sizeof(sum));
	vmv_keys_put(s, f, sum == VMV_UNSET ? v : vmv_add_sat(sum, v));
}

/* "pgfault 12": line points at the key. */
static int parse_line(const char *line, struct vmv_vmstat_sample *s, struct vmv_err *err)
{
	size_t len = strcspn(line, " \n");
	const struct vmv_field *f = vmv_keys_find(&keys, line, len);
	const struct vmv_field *whole = f ? NULL : field_of_zone(line, len);
	const char *end;
	uint64_t v;

	if (!f && !whole)
		return 0;
	if (line[len] != ' ' || vmv_parse_count(line + len + 1, &v, &end) < 0 || *end != '\n' ||
	    (whole && v == VMV_UNSET)) /* of which no sum can be made */
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/vmstat: bad '%.*s' line", (int)len,
				line);
	if (f)
		vmv_keys_put(s, f, v);
	else
		add_to(s, whole, v);
	return 0;
}

int vmv_vmstat_parse(const char *text, struct vmv_vmstat_sample *ret, struct vmv_err *err)
{
	struct vmv_vmstat_sample s;
	int r;

	memset(&s, 0xff, sizeof(s)); /* VMV_UNSET everywhere */
	for (const char *line = text, *nl; *line; line = nl + 1) {
		nl = strchr(line, '\n');
		if (!nl)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/vmstat: cut off");
		r = parse_line(line, &s, err);
		if (r < 0)
			return r;
	}
	if (s.pgfault == VMV_UNSET)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/vmstat: no 'pgfault' line");
	*ret = s;
	return 0;
}

struct vmstat_state {
	int fd; /* -1 until it could be opened */
};

static void vmstat_close(void *state)
{
	struct vmstat_state *v = state;

	if (!v)
		return;
	vmv_closep(&v->fd);
	free(v);
}

static void *vmstat_open(const struct vmv_root *root)
{
	struct vmstat_state *v = malloc(sizeof(*v));

	(void)root;
	if (v)
		v->fd = -1;
	return v;
}

static int vmstat_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	struct vmstat_state *v = state;
	struct vmv_vmstat_sample s;
	char text[TEXT_MAX];
	int r = vmv_reread_table(&v->fd, root->proc, "vmstat", text, sizeof(text));

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/vmstat: %s", strerror(-r));
	r = vmv_vmstat_parse(text, &s, err);
	return r < 0 ? r : sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_vmstat = {
	.name = "vmstat",
	.help = "What the memory management has done: faults, swapping, reclaim, balloon.",
	.file = "/proc/vmstat",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_vmstat_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.open = vmstat_open,
	.close = vmstat_close,
	.read = vmstat_read,
};
