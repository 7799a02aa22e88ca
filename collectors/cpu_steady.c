#include "collectors/cpu_steady.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESTART_TICKS 300 /* 3 s, as node_exporter has it */

static const size_t columns[] = {
	offsetof(struct vmv_cpu_sample, user),	  offsetof(struct vmv_cpu_sample, nice),
	offsetof(struct vmv_cpu_sample, system),  offsetof(struct vmv_cpu_sample, idle),
	offsetof(struct vmv_cpu_sample, iowait),  offsetof(struct vmv_cpu_sample, irq),
	offsetof(struct vmv_cpu_sample, softirq), offsetof(struct vmv_cpu_sample, steal),
	offsetof(struct vmv_cpu_sample, guest),	  offsetof(struct vmv_cpu_sample, guest_nice),
};

static uint64_t *column(struct vmv_cpu_sample *c, size_t i)
{
	return (uint64_t *)((char *)c + columns[i]);
}

/* How far now is behind; 0 when it is not, or when either is unknown. */
static uint64_t behind(uint64_t before, uint64_t now)
{
	uint64_t d;

	return vmv_counter_delta(now, before, &d) ? d : 0;
}

static bool has_restarted(struct vmv_cpu_mark *mark, struct vmv_cpu_sample *c)
{
	for (size_t i = 0; i < VMV_COUNTOF(columns); i++)
		if (behind(*column(&mark->told, i), *column(c, i)) >= RESTART_TICKS)
			return true;
	return false;
}

/* Returns whether this column of the kernel's stepped back. */
static bool settle_column(uint64_t *kernel, uint64_t *told, uint64_t *now)
{
	bool is_step = behind(*kernel, *now) > 0;

	if (*now == VMV_UNSET)
		return false;
	*kernel = *now;
	if (behind(*told, *now) > 0)
		*now = *told;
	*told = *now;
	return is_step;
}

void vmv_cpu_mark_init(struct vmv_cpu_mark *mark)
{
	memset(mark, 0xff, sizeof(*mark)); /* VMV_UNSET everywhere */
}

unsigned vmv_cpu_mark_settle(struct vmv_cpu_mark *mark, struct vmv_cpu_sample *c)
{
	unsigned steps = 0;

	if (has_restarted(mark, c)) {
		mark->kernel = mark->told = *c;
		return 1;
	}
	for (size_t i = 0; i < VMV_COUNTOF(columns); i++)
		steps += settle_column(column(&mark->kernel, i), column(&mark->told, i),
				       column(c, i));
	return steps;
}

static int grow(struct vmv_cpu_steady *s, size_t n)
{
	struct vmv_cpu_mark *cpus = reallocarray(s->cpus, n, sizeof(*cpus));

	if (!cpus)
		return -ENOMEM;
	s->cpus = cpus;
	while (s->n < n)
		vmv_cpu_mark_init(&s->cpus[s->n++]);
	return 0;
}

int vmv_cpu_steady_settle(struct vmv_cpu_steady *s, unsigned cpu, struct vmv_cpu_sample *c)
{
	int r;

	if (cpu >= VMV_CPUS_MAX)
		return 0;
	if (cpu >= s->n) {
		r = grow(s, cpu + 1);
		if (r < 0)
			return r;
	}
	s->steps += vmv_cpu_mark_settle(&s->cpus[cpu], c);
	return 0;
}

void vmv_cpu_steady_done(struct vmv_cpu_steady *s)
{
	free(s->cpus);
	*s = (struct vmv_cpu_steady){ 0 };
}
