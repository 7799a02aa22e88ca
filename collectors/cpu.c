#include "collectors/cpu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/cpu_steady.h"
#include "collectors/keyed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_START  4096 /* bytes; doubles when the text does not fit */
#define TEXT_MAX    (4 * VMV_MIB)
#define COLUMNS_MIN 4 /* user, nice, system, idle: what every kernel has */

#define TIME(type, member, metric, mode, src, text)                                               \
	VMV_FIELD(type, member, metric, "mode=\"" mode "\"", VMV_COUNTER, VMV_UNIT_SECONDS, 0.01, \
		  src, text)

#define CPU(member, mode, column, text) \
	TIME(struct vmv_cpu_sample, member, "node_cpu_seconds_total", mode, "cpuN, " column, text)
#define CPU_GUEST(member, mode, column, text)                                                      \
	TIME(struct vmv_cpu_sample, member, "node_cpu_guest_seconds_total", mode, "cpuN, " column, \
	     text)

static const struct vmv_field cpu_fields[] = {
	CPU(user, "user", "column 1", "Time in user mode, guest time included."),
	CPU(nice, "nice", "column 2", "Time in user mode at low priority, guest time included."),
	CPU(system, "system", "column 3", "Time in the kernel."),
	CPU(idle, "idle", "column 4", "Time with nothing to do."),
	CPU(iowait, "iowait", "column 5", "Idle time while a task waited for I/O."),
	CPU(irq, "irq", "column 6", "Time serving interrupts."),
	CPU(softirq, "softirq", "column 7", "Time serving soft interrupts."),
	CPU(steal, "steal", "column 8", "Time the hypervisor gave to others while we were ready."),
	CPU_GUEST(guest, "user", "column 9", "Time running virtual CPUs of own guests."),
	CPU_GUEST(guest_nice, "nice", "column 10",
		  "Time running virtual CPUs of own guests at low priority."),
};

#define ALL(member, mode, column, text)                                                  \
	TIME(struct vmv_stat_sample, all.member, "vmvitals_cpu_all_seconds_total", mode, \
	     "cpu, " column, text)
#define ALL_GUEST(member, mode, column, text)                                                  \
	TIME(struct vmv_stat_sample, all.member, "vmvitals_cpu_all_guest_seconds_total", mode, \
	     "cpu, " column, text)
#define STAT(member, metric, kind, unit, text) \
	VMV_FIELD(struct vmv_stat_sample, member, metric, NULL, kind, unit, 0, #member, text)

/* The sums have a name of their own: under node_cpu_seconds_total they would double every
 * sum over CPUs in existing dashboards. */
static const struct vmv_field stat_fields[] = {
	ALL(user, "user", "column 1", "Time of all CPUs in user mode, guest time included."),
	ALL(nice, "nice", "column 2", "Time of all CPUs in user mode at low priority."),
	ALL(system, "system", "column 3", "Time of all CPUs in the kernel."),
	ALL(idle, "idle", "column 4", "Time of all CPUs with nothing to do."),
	ALL(iowait, "iowait", "column 5", "Idle time of all CPUs while a task waited for I/O."),
	ALL(irq, "irq", "column 6", "Time of all CPUs serving interrupts."),
	ALL(softirq, "softirq", "column 7", "Time of all CPUs serving soft interrupts."),
	ALL(steal, "steal", "column 8", "Time of all CPUs that the hypervisor gave to others."),
	ALL_GUEST(guest, "user", "column 9", "Time of all CPUs running own guests."),
	ALL_GUEST(guest_nice, "nice", "column 10",
		  "Time of all CPUs running own guests at low priority."),
	STAT(btime, "node_boot_time_seconds", VMV_GAUGE, VMV_UNIT_SECONDS,
	     "Time of boot since 1970, as the kernel reckons it now."),
	STAT(ctxt, "node_context_switches_total", VMV_COUNTER, VMV_UNIT_NONE, "Context switches."),
	STAT(intr, "node_intr_total", VMV_COUNTER, VMV_UNIT_NONE, "Interrupts serviced."),
	STAT(processes, "node_forks_total", VMV_COUNTER, VMV_UNIT_NONE,
	     "Processes and threads created."),
	STAT(procs_running, "node_procs_running", VMV_GAUGE, VMV_UNIT_NONE, "Runnable threads."),
	STAT(procs_blocked, "node_procs_blocked", VMV_GAUGE, VMV_UNIT_NONE,
	     "Threads waiting for I/O to complete."),
	VMV_FIELD(struct vmv_stat_sample, backward_steps, "vmvitals_cpu_backward_steps_total", NULL,
		  VMV_COUNTER, VMV_UNIT_NONE, 0, "cpuN, all columns",
		  "Times that the kernel counted a CPU's time backwards, since the agent's start."),
};

/* Lines of one number: "ctxt 1990473". intr and softirq go on with one number per source. */
static const struct {
	const char *key;
	size_t offset;
} scalars[] = {
	{ "btime", offsetof(struct vmv_stat_sample, btime) },
	{ "ctxt", offsetof(struct vmv_stat_sample, ctxt) },
	{ "intr", offsetof(struct vmv_stat_sample, intr) },
	{ "processes", offsetof(struct vmv_stat_sample, processes) },
	{ "procs_blocked", offsetof(struct vmv_stat_sample, procs_blocked) },
	{ "procs_running", offsetof(struct vmv_stat_sample, procs_running) },
};

struct parse {
	struct vmv_stat_sample sample;
	bool has_all;
	vmv_cpu_row *row;
	void *arg;
};

/* A blank and a number that ends at a blank or at the end of the line. */
static int parse_number(const char *s, uint64_t *ret, const char **end)
{
	uint64_t v;

	if (*s != ' ' || vmv_parse_count(s + strspn(s, " "), &v, &s) < 0 ||
	    (*s != ' ' && *s != '\n'))
		return -EINVAL;
	*ret = v;
	*end = s;
	return 0;
}

/* s points behind the key. Columns that this kernel has not stay VMV_UNSET, those that we do
 * not know are left alone. */
static int parse_columns(const char *s, struct vmv_cpu_sample *ret)
{
	struct vmv_cpu_sample c;
	uint64_t *const columns[] = { &c.user, &c.nice,	   &c.system, &c.idle,	&c.iowait,
				      &c.irq,  &c.softirq, &c.steal,  &c.guest, &c.guest_nice };
	size_t n;

	memset(&c, 0xff, sizeof(c)); /* VMV_UNSET everywhere */
	for (n = 0; n < VMV_COUNTOF(columns) && s[strspn(s, " ")] != '\n'; n++)
		if (parse_number(s, columns[n], &s) < 0)
			return -EINVAL;
	if (n < COLUMNS_MIN)
		return -EINVAL;
	*ret = c;
	return 0;
}

static int parse_cpu(const char *line, size_t key_len, struct parse *p)
{
	struct vmv_cpu_sample c;
	const char *end;
	uint64_t number;

	if (parse_columns(line + key_len, &c) < 0)
		return -EINVAL;
	if (key_len == strlen("cpu")) {
		p->sample.all = c;
		p->has_all = true;
		return 0;
	}
	if (vmv_parse_u64(line + strlen("cpu"), &number, &end) < 0 || end != line + key_len ||
	    number > UINT32_MAX)
		return -EINVAL;
	return p->row ? p->row(p->arg, (unsigned)number, &c) : 0;
}

static int parse_scalar(const char *line, size_t key_len, struct vmv_stat_sample *ret)
{
	const char *end;
	uint64_t v;

	for (size_t i = 0; i < VMV_COUNTOF(scalars); i++) {
		if (strlen(scalars[i].key) != key_len || memcmp(scalars[i].key, line, key_len) != 0)
			continue;
		if (parse_number(line + key_len, &v, &end) < 0)
			return -EINVAL;
		memcpy((char *)ret + scalars[i].offset, &v, sizeof(v));
		return 0;
	}
	return 0;
}

static bool is_cpu_line(const char *line)
{
	return strncmp(line, "cpu", 3) == 0 &&
	       (line[3] == ' ' || (line[3] >= '0' && line[3] <= '9'));
}

int vmv_stat_parse(const char *text, struct vmv_stat_sample *ret, vmv_cpu_row *row, void *arg,
		   struct vmv_err *err)
{
	struct parse p = { .row = row, .arg = arg };
	int r;

	memset(&p.sample, 0xff, sizeof(p.sample)); /* VMV_UNSET everywhere */
	for (const char *line = text, *nl; *line; line = nl + 1) {
		size_t key_len = strcspn(line, " \n");

		nl = strchr(line, '\n');
		if (!nl)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/stat: cut off");
		r = is_cpu_line(line) ? parse_cpu(line, key_len, &p)
				      : parse_scalar(line, key_len, &p.sample);
		if (r == -EINVAL)
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/stat: bad '%.*s' line",
					key_len < 32 ? (int)key_len : 32, line);
		if (r < 0)
			return r;
	}
	if (!p.has_all)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/stat: no 'cpu' line");
	*ret = p.sample;
	return 0;
}

/* What both collectors share. */
struct stat_state {
	int fd; /* -1 until it could be opened */
	char *text;
	size_t cap;
	struct vmv_cpu_steady steady;
	struct vmv_cpu_mark all;
	struct vmv_stat_sample sample; /* of the newest reading */
	bool is_fresh;		       /* not told yet */
	uint64_t reading;	       /* that it is of */
};

static void stat_close(void *state)
{
	struct stat_state *t = state;

	if (!t)
		return;
	vmv_closep(&t->fd);
	vmv_cpu_steady_done(&t->steady);
	free(t->text);
	free(t);
}

static void *stat_open(const struct vmv_root *root)
{
	struct stat_state *t = calloc(1, sizeof(*t));
	char *text = malloc(TEXT_START);

	(void)root;
	if (!t || !text) {
		free(t);
		free(text);
		return NULL;
	}
	t->fd = -1;
	t->text = text;
	t->cap = TEXT_START;
	vmv_cpu_mark_init(&t->all);
	return t;
}

static int grow(struct stat_state *t)
{
	char *bigger;

	if (t->cap >= TEXT_MAX)
		return -EFBIG;
	bigger = realloc(t->text, t->cap * 2);
	if (!bigger)
		return -ENOMEM;
	t->text = bigger;
	t->cap *= 2;
	return 0;
}

/* The whole text by one read(2); when it turns out too long (the intr line of a machine with
 * many CPUs), what was read is thrown away and read anew. */
static int read_whole(struct stat_state *t, const struct vmv_root *root)
{
	int r;

	while ((r = vmv_reread(&t->fd, root->proc, "stat", t->text, t->cap)) == -EFBIG) {
		r = grow(t);
		if (r < 0)
			return r;
	}
	return r;
}

struct rows {
	struct vmv_cpu_steady *steady;
	struct vmv_sink *sink; /* NULL: nobody asked for them */
};

static int take_row(void *arg, unsigned cpu, const struct vmv_cpu_sample *sample)
{
	struct rows *rows = arg;
	struct vmv_cpu_sample c = *sample;
	char id[16];
	int r = vmv_cpu_steady_settle(rows->steady, cpu, &c);

	if (r < 0 || !rows->sink)
		return r;
	(void)snprintf(id, sizeof(id), "%u", cpu);
	return rows->sink->row(rows->sink, id, &c);
}

/* Reads the file into the sample, and tells the rows of CPUs to sink, unless that is NULL. */
static int read_stat(struct stat_state *t, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct rows rows = { &t->steady, sink };
	int r = read_whole(t, root);

	t->is_fresh = false;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/stat: %s", strerror(-r));
	r = vmv_stat_parse(t->text, &t->sample, take_row, &rows, err);
	if (r < 0)
		return r;
	(void)vmv_cpu_mark_settle(&t->all, &t->sample.all);
	t->sample.backward_steps = t->steady.steps;
	return 0;
}

static int cpu_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		    struct vmv_err *err)
{
	struct stat_state *t = state;
	int r = read_stat(t, root, sink, err);

	if (r < 0)
		return r;
	t->is_fresh = true;
	t->reading = sink->reading;
	return 0;
}

/* What cpu read in the same reading. Where only cpu was asked for, it stays untold, and must not be
 * taken for the state of a later time. */
static int stat_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct stat_state *t = state;
	bool is_fresh = t->is_fresh && t->reading == sink->reading;
	int r = is_fresh ? 0 : read_stat(t, root, NULL, err);

	t->is_fresh = false;
	return r < 0 ? r : sink->row(sink, "", &t->sample);
}

const struct vmv_collector vmv_collector_cpu = {
	.name = "cpu",
	.help = "Processor time by mode, for each online CPU.",
	.file = "/proc/stat",
	.key = "cpu",
	.fields = cpu_fields,
	.n_fields = VMV_COUNTOF(cpu_fields),
	.sample_size = sizeof(struct vmv_cpu_sample),
	.min_period_ms = VMV_SAMPLE_PERIOD_MIN,
	.is_default = true,
	.open = stat_open,
	.close = stat_close,
	.read = cpu_read,
};

const struct vmv_collector vmv_collector_stat = {
	.name = "stat",
	.help = "Processor time of all CPUs together, and counters of the whole kernel.",
	.file = "/proc/stat",
	.fields = stat_fields,
	.n_fields = VMV_COUNTOF(stat_fields),
	.sample_size = sizeof(struct vmv_stat_sample),
	.min_period_ms = VMV_SAMPLE_PERIOD_MIN,
	.is_default = true,
	.state_of = &vmv_collector_cpu,
	.read = stat_read,
};
