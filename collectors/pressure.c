#include "collectors/pressure.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/keyed.h"

#include <errno.h>
#include <stdlib.h>
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

static const struct {
	const char *path; /* below /proc */
	size_t offset;
} files[] = {
	{ "pressure/cpu", offsetof(struct vmv_pressure_sample, cpu) },
	{ "pressure/io", offsetof(struct vmv_pressure_sample, io) },
	{ "pressure/irq", offsetof(struct vmv_pressure_sample, irq) },
	{ "pressure/memory", offsetof(struct vmv_pressure_sample, memory) },
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
	    vmv_keyed_number(s + sizeof(total) - 1, &l.total, &s) < 0 || (*s != '\n' && *s != ' '))
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

struct pressure_state {
	int fds[VMV_COUNTOF(files)]; /* -1 until they could be opened */
};

static void pressure_close(void *state)
{
	struct pressure_state *p = state;

	if (!p)
		return;
	for (size_t i = 0; i < VMV_COUNTOF(files); i++)
		vmv_closep(&p->fds[i]);
	free(p);
}

static void *pressure_open(const struct vmv_root *root)
{
	struct pressure_state *p = malloc(sizeof(*p));

	(void)root;
	for (size_t i = 0; p && i < VMV_COUNTOF(files); i++)
		p->fds[i] = -1;
	return p;
}

/* Returns 1, 0 when the kernel keeps no account of this resource, or negative errno. */
static int read_file(int *fd, const char *path, const struct vmv_root *root,
		     struct vmv_pressure *ret, struct vmv_err *err)
{
	char text[TEXT_MAX];
	int r = vmv_reread(fd, root->proc, path, text, sizeof(text));

	if (r == -ENOENT || r == -EOPNOTSUPP) /* the latter: psi=0, irq without its accounting */
		return 0;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/%s: %s", path, strerror(-r));
	r = vmv_pressure_parse(text, path, ret, err);
	return r < 0 ? r : 1;
}

static int pressure_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			 struct vmv_err *err)
{
	struct pressure_state *p = state;
	struct vmv_pressure_sample s;
	int n = 0, r;

	memset(&s, 0xff, sizeof(s)); /* VMV_UNSET everywhere */
	for (size_t i = 0; i < VMV_COUNTOF(files); i++) {
		r = read_file(&p->fds[i], files[i].path, root,
			      (struct vmv_pressure *)((char *)&s + files[i].offset), err);
		if (r < 0)
			return r;
		n += r;
	}
	if (n == 0)
		return vmv_fail(err, VMV_E_IO, ENOENT, "this kernel keeps no /proc/pressure");
	return sink->row(sink, "", &s);
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
	.open = pressure_open,
	.close = pressure_close,
	.read = pressure_read,
};
