#include "collectors/load.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/keyed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 256 /* bytes; both files hold one line of five short words at most */

#define LOAD(member, metric, column, text)                                                      \
	VMV_FIELD(struct vmv_load_sample, member, metric, NULL, VMV_GAUGE, VMV_UNIT_NONE, 0.01, \
		  "/proc/loadavg, " column, text)

static const struct vmv_field fields[] = {
	LOAD(load1, "node_load1", "column 1", "Load average over 1 minute."),
	LOAD(load5, "node_load5", "column 2", "Load average over 5 minutes."),
	LOAD(load15, "node_load15", "column 3", "Load average over 15 minutes."),
	VMV_FIELD(struct vmv_load_sample, uptime, "vmvitals_uptime_seconds", NULL, VMV_GAUGE,
		  VMV_UNIT_SECONDS, 0.01, "/proc/uptime, column 1",
		  "Time since boot, suspend included."),
};

/* "0.20 " to 20: two decimals, and the blank that proves that nothing was cut off. */
static int parse_hundredths(const char *s, uint64_t *ret, const char **end)
{
	uint64_t v;

	if (vmv_parse_fixed(s, 2, &v, &s) < 0 || *s != ' ')
		return -EINVAL;
	*ret = v;
	*end = s + 1;
	return 0;
}

int vmv_loadavg_parse(const char *text, struct vmv_load_sample *ret, struct vmv_err *err)
{
	uint64_t load1, load5, load15;
	const char *s = text;

	if (parse_hundredths(s, &load1, &s) < 0 || parse_hundredths(s, &load5, &s) < 0 ||
	    parse_hundredths(s, &load15, &s) < 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/loadavg: malformed");
	ret->load1 = load1;
	ret->load5 = load5;
	ret->load15 = load15;
	return 0;
}

int vmv_uptime_parse(const char *text, struct vmv_load_sample *ret, struct vmv_err *err)
{
	const char *end;

	if (parse_hundredths(text, &ret->uptime, &end) < 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/uptime: malformed");
	return 0;
}

struct load_state {
	int loadavg, uptime; /* descriptors; -1 until they could be opened */
};

static void load_close(void *state)
{
	struct load_state *l = state;

	if (!l)
		return;
	vmv_closep(&l->loadavg);
	vmv_closep(&l->uptime);
	free(l);
}

static void *load_open(const struct vmv_root *root)
{
	struct load_state *l = malloc(sizeof(*l));

	(void)root;
	if (l)
		*l = (struct load_state){ -1, -1 };
	return l;
}

static int read_text(int *fd, const struct vmv_root *root, const char *name, char text[TEXT_MAX],
		     struct vmv_err *err)
{
	int r = vmv_reread(fd, root->proc, name, text, TEXT_MAX);

	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/%s: %s", name, strerror(-r))
		     : 0;
}

static int load_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct load_state *l = state;
	struct vmv_load_sample s;
	char text[TEXT_MAX];
	int r;

	r = read_text(&l->loadavg, root, "loadavg", text, err);
	if (r < 0)
		return r;
	r = vmv_loadavg_parse(text, &s, err);
	if (r < 0)
		return r;
	r = read_text(&l->uptime, root, "uptime", text, err);
	if (r < 0)
		return r;
	r = vmv_uptime_parse(text, &s, err);
	return r < 0 ? r : sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_load = {
	.name = "load",
	.help = "Load averages and uptime.",
	.file = "/proc/loadavg, /proc/uptime",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_load_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.open = load_open,
	.close = load_close,
	.read = load_read,
};
