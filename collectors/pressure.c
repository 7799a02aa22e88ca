#include "collectors/pressure.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "collectors/keyed.h"
#include "collectors/parts.h"

#include <errno.h>
#include <string.h>

#define TEXT_MAX  512 /* bytes; two lines of under 100 */
#define SHARE_MAX 10000

#define TOTAL(member, metric, src, text)                                                         \
	VMV_FIELD(struct vmv_pressure_sample, member.total,                                      \
		  "node_pressure_" metric "_seconds_total", NULL, VMV_COUNTER, VMV_UNIT_SECONDS, \
		  0.000001, src " total", text)
#define SHARE(resource, line, window, text)                                                      \
	VMV_FIELD(struct vmv_pressure_sample, resource.line.window,                              \
		  "vmvitals_pressure_" #line "_" #window "_ratio", "resource=\"" #resource "\"", \
		  VMV_GAUGE, VMV_UNIT_RATIO, 0.0001, #resource ", " #line " " #window, text)
#define SHARES(resource, line, text)                                       \
	SHARE(resource, line, avg10, text " in the last 10 seconds."),     \
		SHARE(resource, line, avg60, text " in the last minute."), \
		SHARE(resource, line, avg300, text " in the last 5 minutes.")

static const struct vmv_field fields[] = {
	TOTAL(cpu.some, "cpu_waiting", "cpu, some", "Time that a task waited for a CPU."),
	TOTAL(io.full, "io_stalled", "io, full", "Time that all work waited for I/O."),
	TOTAL(io.some, "io_waiting", "io, some", "Time that a task waited for I/O."),
	TOTAL(irq.full, "irq_stalled", "irq, full",
	      "Time that interrupts kept tasks from running."),
	TOTAL(memory.full, "memory_stalled", "memory, full",
	      "Time that all work waited for memory."),
	TOTAL(memory.some, "memory_waiting", "memory, some", "Time that a task waited for memory."),
	SHARES(cpu, some, "Share of time that a task waited for a CPU"),
	SHARES(io, some, "Share of time that a task waited for I/O"),
	SHARES(memory, some, "Share of time that a task waited for memory"),
	SHARES(cpu, full,
	       "Always 0 for a whole guest: share of time that all work waited for a CPU"),
	SHARES(io, full, "Share of time that all work waited for I/O"),
	SHARES(irq, full, "Share of time that interrupts kept tasks from running"),
	SHARES(memory, full, "Share of time that all work waited for memory"),
};

/* " avg10=12.34" and what follows at *s: "12.34" in hundredths. */
static bool parse_share(const char **s, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	return strncmp(*s, key, len) == 0 && vmv_parse_fixed(*s + len, 2, ret, s) == 0 &&
	       *ret <= SHARE_MAX;
}

/* s points behind "some" or "full". */
static bool parse_line(const char *s, struct vmv_pressure_line *ret)
{
	static const char total[] = " total=";
	struct vmv_pressure_line l;

	if (!parse_share(&s, " avg10=", &l.avg10) || !parse_share(&s, " avg60=", &l.avg60) ||
	    !parse_share(&s, " avg300=", &l.avg300) || strncmp(s, total, sizeof(total) - 1) != 0 ||
	    vmv_parse_count(s + sizeof(total) - 1, &l.total, &s) < 0 || (*s != '\n' && *s != ' '))
		return false;
	*ret = l;
	return true;
}

static struct vmv_pressure_line *line_of(const char *line, struct vmv_pressure *p)
{
	if (strncmp(line, "some ", 5) == 0)
		return &p->some;
	return strncmp(line, "full ", 5) == 0 ? &p->full : NULL;
}

int vmv_pressure_parse(const char *text, const char *name, struct vmv_pressure *ret,
		       struct vmv_err *err)
{
	struct vmv_pressure p;
	bool has_line = false;

	memset(&p, 0xff, sizeof(p)); /* VMV_UNSET everywhere */
	for (const char *line = text, *nl; *line; line = nl + 1) {
		struct vmv_pressure_line *l = line_of(line, &p);

		nl = strchr(line, '\n');
		if (!nl || (l && !parse_line(line + strlen("some"), l)))
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/%s: malformed", name);
		has_line |= l != NULL;
	}
	if (!has_line)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/%s: neither 'some' nor 'full'",
				name);
	*ret = p;
	return 0;
}

static int parse_part(const char *text, const char *path, void *ret, struct vmv_err *err)
{
	return vmv_pressure_parse(text, path, ret, err);
}

static const struct vmv_part parts[] = {
	{ "pressure/cpu", TEXT_MAX, parse_part, offsetof(struct vmv_pressure_sample, cpu) },
	{ "pressure/io", TEXT_MAX, parse_part, offsetof(struct vmv_pressure_sample, io) },
	{ "pressure/irq", TEXT_MAX, parse_part, offsetof(struct vmv_pressure_sample, irq) },
	{ "pressure/memory", TEXT_MAX, parse_part, offsetof(struct vmv_pressure_sample, memory) },
};

static int pressure_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			 struct vmv_err *err)
{
	struct vmv_pressure_sample s;
	int r = vmv_parts_read(state, root, parts, VMV_COUNTOF(parts), &s, sizeof(s), err);

	return r < 0 ? r : sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_pressure = {
	.name = "pressure",
	.help = "For how long work waited for CPU, memory, I/O and interrupts.",
	.file = "/proc/pressure",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_pressure_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.open = vmv_parts_open,
	.close = vmv_parts_close,
	.read = pressure_read,
};
