#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "collectors/cpu.h"
#include "collectors/topology.h"
#include "commands/qga.h"
#include "commands/qga_families.h"
#include "commands/qga_reading.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- cpustats ---------------------------------------------------------------------------------- */

#define MS_PER_TICK 10 /* of USER_HZ, as the collector has them */

static const struct {
	const char *name;
	bool is_optional;
	size_t offset;
} times[] = {
#define TIME(n, opt, member)                                    \
	{                                                       \
		n, opt, offsetof(struct vmv_cpu_sample, member) \
	}
	TIME("user", false, user),	TIME("nice", false, nice),
	TIME("system", false, system),	TIME("idle", false, idle),
	TIME("iowait", true, iowait),	TIME("irq", true, irq),
	TIME("softirq", true, softirq), TIME("steal", true, steal),
	TIME("guest", true, guest),	TIME("guestnice", true, guest_nice),
#undef TIME
};

static uint64_t time_of(const struct vmv_cpu_sample *s, size_t i)
{
	uint64_t ticks;

	memcpy(&ticks, (const char *)s + times[i].offset, sizeof(ticks));
	return vmv_mul_sat(ticks, MS_PER_TICK);
}

/* Its number; false when there is none, or something is unknown that has to be told. */
static bool can_tell(const struct vmv_cpu_sample *s, const char *id, uint64_t *ret_cpu)
{
	const char *end;

	for (size_t i = 0; i < VMV_COUNTOF(times); i++)
		if (!times[i].is_optional && time_of(s, i) == VMV_UNSET)
			return false;
	return id && vmv_parse_u64(id, ret_cpu, &end) == 0 && !*end;
}

static void write_times(struct vmv_jw *w, const struct vmv_cpu_sample *s, uint64_t cpu)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "linux");
	vmv_jw_u64(w, "cpu", cpu);
	for (size_t i = 0; i < VMV_COUNTOF(times); i++)
		if (time_of(s, i) != VMV_UNSET)
			vmv_jw_u64(w, times[i].name, time_of(s, i));
	vmv_jw_close(w);
}

static void cpustats_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_cpu_sample *all;
	struct vmv_jw w;
	uint64_t cpu;
	size_t n;

	if (!vmv_qga_has(req, view, &vmv_collector_cpu))
		return;
	all = vmv_facts_rows(view->facts, &vmv_collector_cpu, &n);
	vmv_qga_begin(&w);
	vmv_jw_array(&w, NULL);
	for (size_t i = 0; i < n; i++)
		if (can_tell(&all[i], vmv_facts_id(view->facts, &vmv_collector_cpu, i), &cpu))
			write_times(&w, &all[i], cpu);
	vmv_jw_end(&w);
	vmv_qga_send(req, &w);
}

void vmv_qga_cpustats(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_group(&vmv_collector_cpu), cpustats_ready);
}

/* -- what can be taken offline ----------------------------------------------------------------- */

/* Reading the attributes of 8192 memory blocks takes more than 50 ms; nobody else is to wait for
 * that. */

/* Before Linux 5.8 each block is searched when 'removable' is read. After so long that is unknown,
 * and the answer still in time. */
#define SEARCH_MS 600

struct kind {
	int (*list)(const struct vmv_root *root, struct vmv_numbers *ret, struct vmv_err *err);
	int (*read)(const struct vmv_root *root, uint32_t number, bool has_time,
		    struct vmv_plug *ret);
	const char *number;
};

static int read_cpu(const struct vmv_root *root, uint32_t cpu, bool has_time, struct vmv_plug *ret)
{
	(void)has_time;
	return vmv_cpu_plug(root, cpu, ret);
}

static const struct kind cpus = { vmv_cpus_list, read_cpu, "logical-id" };
static const struct kind blocks = { vmv_memory_blocks_list, vmv_memory_block_plug, "phys-index" };

/* The scratch of the request: one piece of memory, freed with it, come what may. */
struct work {
	const struct kind *kind;
	size_t n, at;
	struct {
		uint32_t number;
		bool is_there;
		struct vmv_plug plug;
	} all[];
};

static void send_plugs(struct vmv_request *req, const struct work *k)
{
	struct vmv_jw w;

	vmv_qga_begin(&w);
	vmv_jw_array(&w, NULL);
	for (size_t i = 0; i < k->n; i++) {
		const struct vmv_plug *p = &k->all[i].plug;

		if (!k->all[i].is_there)
			continue;
		vmv_jw_open(&w, NULL);
		vmv_jw_u64(&w, k->kind->number, k->all[i].number);
		vmv_jw_bool(&w, "online", p->is_online);
		if (p->knows_offline)
			vmv_jw_bool(&w, "can-offline", p->can_offline);
		vmv_jw_close(&w);
	}
	vmv_jw_end(&w);
	vmv_qga_send(req, &w);
}

/* One that cannot be read was taken away meanwhile. */
static void read_slice(const struct vmv_request *req, struct work *k, const struct vmv_root *root)
{
	uint64_t began = vmv_mono_ns(&vmv_clock_system), now = began;

	for (; k->at < k->n && now - began < VMV_QGA_SLICE_NS; k->at++) {
		bool has_time = now / 1000000 < req->began_ms + SEARCH_MS;

		k->all[k->at].is_there = k->kind->read(root, k->all[k->at].number, has_time,
						       &k->all[k->at].plug) == 0;
		now = vmv_mono_ns(&vmv_clock_system);
	}
}

static void go_on(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct work *k = req->scratch;

	if (!root)
		return;
	read_slice(req, k, root);
	if (k->at < k->n)
		vmv_qga_later(req, go_on);
	else
		send_plugs(req, k);
}

static struct work *work_new(const struct kind *kind, const struct vmv_numbers *numbers)
{
	struct work *k = calloc(1, sizeof(*k) + numbers->n * sizeof(k->all[0]));

	if (!k)
		return NULL;
	k->kind = kind;
	k->n = numbers->n;
	for (size_t i = 0; i < k->n; i++)
		k->all[i].number = numbers->list[i];
	return k;
}

static void begin(struct vmv_request *req, const struct vmv_view *view, const struct kind *kind)
{
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct vmv_numbers numbers;
	struct vmv_err err;

	if (!root)
		return;
	if (kind->list(root, &numbers, &err) < 0) {
		vmv_request_fail(req, &err);
		return;
	}
	req->scratch = work_new(kind, &numbers);
	free(numbers.list);
	if (req->scratch)
		go_on(req, view);
	else
		vmv_qga_no_memory(req);
}

static void vcpus_ready(void *arg, const struct vmv_view *view)
{
	begin(arg, view, &cpus);
}

void vmv_qga_vcpus(struct vmv_request *req)
{
	vmv_qga_with_root(req, vcpus_ready);
}

static void blocks_ready(void *arg, const struct vmv_view *view)
{
	begin(arg, view, &blocks);
}

void vmv_qga_memory_blocks(struct vmv_request *req)
{
	vmv_qga_with_root(req, blocks_ready);
}

static void block_info_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct vmv_err err;
	struct vmv_jw w;
	uint64_t size;

	if (!root)
		return;
	if (vmv_memory_block_size(root, &size, &err) < 0) {
		vmv_request_fail(req, &err);
		return;
	}
	vmv_qga_begin(&w);
	vmv_jw_open(&w, NULL);
	vmv_jw_u64(&w, "size", size);
	vmv_jw_close(&w);
	vmv_qga_send(req, &w);
}

void vmv_qga_memory_block_info(struct vmv_request *req)
{
	vmv_qga_with_root(req, block_info_ready);
}
