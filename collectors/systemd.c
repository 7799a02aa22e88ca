#include "collectors/systemd.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/answer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AGE_MS   30000
#define UNITS_MAX    (VMV_FAILED_UNITS + VMV_CRITICAL_UNITS)
#define QUESTION_MAX (32 * VMV_KIB)

static const char *const actives[] = {
	[VMV_SYSTEMD_ACTIVATING] = "activating",     [VMV_SYSTEMD_ACTIVE] = "active",
	[VMV_SYSTEMD_DEACTIVATING] = "deactivating", [VMV_SYSTEMD_FAILED] = "failed",
	[VMV_SYSTEMD_INACTIVE] = "inactive",	     [VMV_SYSTEMD_RELOADING] = "reloading",
};

static const char *const states[] = {
	[VMV_SYSTEMD_INITIALIZING] = "initializing", [VMV_SYSTEMD_STARTING] = "starting",
	[VMV_SYSTEMD_RUNNING] = "running",	     [VMV_SYSTEMD_DEGRADED] = "degraded",
	[VMV_SYSTEMD_MAINTENANCE] = "maintenance",   [VMV_SYSTEMD_STOPPING] = "stopping",
};

#define GAUGE(member, metric, lbl, src, text)                                                  \
	VMV_FIELD(struct vmv_systemd_sample, member, metric, lbl, VMV_GAUGE, VMV_UNIT_NONE, 0, \
		  src, text)
#define UNITS(which, word)                                                                       \
	GAUGE(units[which], "node_systemd_units", "state=\"" word "\"", "ListUnits ActiveState", \
	      "Units that systemd has loaded, by state.")
#define STATE(which, word)                                                                 \
	GAUGE(state[which], "vmvitals_systemd_state", "state=\"" word "\"", "SystemState", \
	      "Whether this is the state of the system as a whole, 1 or 0.")

static const struct vmv_field systemd_fields[] = {
	UNITS(VMV_SYSTEMD_ACTIVATING, "activating"),
	UNITS(VMV_SYSTEMD_ACTIVE, "active"),
	UNITS(VMV_SYSTEMD_DEACTIVATING, "deactivating"),
	UNITS(VMV_SYSTEMD_FAILED, "failed"),
	UNITS(VMV_SYSTEMD_INACTIVE, "inactive"),
	UNITS(VMV_SYSTEMD_RELOADING, "reloading"),
	GAUGE(is_running, "node_systemd_system_running", NULL, "SystemState",
	      "Whether all is started and nothing failed, 1 or 0."),
	STATE(VMV_SYSTEMD_INITIALIZING, "initializing"),
	STATE(VMV_SYSTEMD_STARTING, "starting"),
	STATE(VMV_SYSTEMD_DEGRADED, "degraded"),
	STATE(VMV_SYSTEMD_MAINTENANCE, "maintenance"),
	STATE(VMV_SYSTEMD_RUNNING, "running"),
	STATE(VMV_SYSTEMD_STOPPING, "stopping"),
	GAUGE(jobs, "vmvitals_systemd_jobs", NULL, "NJobs",
	      "Units waiting to be started or stopped, or at it."),
};

#define INFO(member, src, text)                                                                   \
	VMV_FIELD(struct vmv_unit_sample, member, #member, NULL, VMV_INFO, VMV_UNIT_NONE, 0, src, \
		  text)

static const struct vmv_field unit_fields[] = {
	INFO(load, "LoadState", "Whether its definition could be read, in systemd's words."),
	INFO(active, "ActiveState", "State that is the same for all types of units."),
	INFO(sub, "SubState", "State in the words of its type."),
	VMV_FIELD(struct vmv_unit_sample, is_failed, "vmvitals_unit_failed", NULL, VMV_GAUGE,
		  VMV_UNIT_NONE, 0, "ActiveState", "Whether the unit failed, 1 or 0."),
};

/* -- the answer -------------------------------------------------------------------------------- */

static int malformed(const char *what, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_PARSE, EINVAL, "answer about units: %s", what);
}

/* The next word up to a blank or the end of the line; *at moves behind the blank, unless that is
 * the last of the line and nobody's. */
static size_t take_word(const char **at, const char **ret_word)
{
	size_t len = strcspn(*at, " \n");

	*ret_word = *at;
	*at += len;
	*at += **at == ' ' && (*at)[1] != '\n';
	return len;
}

static bool is_word(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}

static int index_of(const char *const *words, size_t n, const char *word, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (is_word(word, len, words[i]))
			return (int)i;
	return -1;
}

static int take_count(const char *s, uint64_t *ret, const char **end)
{
	uint64_t v;

	if (*ret != VMV_UNSET || vmv_parse_u64(s, &v, end) < 0 || **end != '\n' || v == VMV_UNSET)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* "state running"; a word of a systemd to come is none of those we know. */
static int parse_state(const char *s, struct vmv_systemd_sample *ret, const char **end)
{
	const char *word;
	size_t len = take_word(&s, &word);
	int which = index_of(states, VMV_COUNTOF(states), word, len);

	if (len == 0 || *s != '\n' || ret->is_running != VMV_UNSET)
		return -EINVAL;
	for (size_t i = 0; i < VMV_SYSTEMD_STATES; i++)
		ret->state[i] = (int)i == which;
	ret->is_running = which == VMV_SYSTEMD_RUNNING;
	*end = s;
	return 0;
}

/* "count active 120"; the rest of states (maintenance) is not of interest. */
static int parse_count(const char *s, struct vmv_systemd_sample *ret, const char **end)
{
	uint64_t other = VMV_UNSET;
	const char *word;
	size_t len = take_word(&s, &word);
	int which = index_of(actives, VMV_COUNTOF(actives), word, len);

	return len == 0 ? -EINVAL : take_count(s, which < 0 ? &other : &ret->units[which], end);
}

static bool take_text(const char **at, char *ret, size_t cap)
{
	const char *word;
	size_t len = take_word(at, &word);

	if (len == 0 || len >= cap)
		return false;
	memcpy(ret, word, len);
	ret[len] = '\0';
	return true;
}

/* "unit ssh.service loaded active running" */
static int parse_unit(const char *s, struct vmv_units *u, const char **end)
{
	struct vmv_unit_state *unit = &u->list[u->n];

	if (u->n == UNITS_MAX)
		return -EINVAL;
	*unit = (struct vmv_unit_state){ .name = "" };
	if (!take_text(&s, unit->name, sizeof(unit->name)) ||
	    !take_text(&s, unit->sample.load, sizeof(unit->sample.load)) ||
	    !take_text(&s, unit->sample.active, sizeof(unit->sample.active)) ||
	    !take_text(&s, unit->sample.sub, sizeof(unit->sample.sub)) || *s != '\n')
		return -EINVAL;
	for (size_t i = 0; i < u->n; i++)
		if (strcmp(u->list[i].name, unit->name) == 0)
			return -EINVAL;
	unit->sample.is_failed = strcmp(unit->sample.active, "failed") == 0;
	u->n++;
	*end = s;
	return 0;
}

static int parse_line(const char *line, struct vmv_units *u, const char **end)
{
	const char *word;
	size_t len = take_word(&line, &word);

	if (is_word(word, len, "unit"))
		return parse_unit(line, u, end);
	if (is_word(word, len, "count"))
		return parse_count(line, &u->manager, end);
	if (is_word(word, len, "jobs"))
		return take_count(line, &u->manager.jobs, end);
	if (is_word(word, len, "state"))
		return parse_state(line, &u->manager, end);
	return -EINVAL;
}

static size_t count_units(const char *text)
{
	size_t n = 0;

	for (const char *line = text; line && n < UNITS_MAX; line = strchr(line, '\n')) {
		line += *line == '\n';
		n += strncmp(line, "unit ", 5) == 0;
	}
	return n;
}

int vmv_systemd_parse(const char *text, struct vmv_units *ret, struct vmv_err *err)
{
	vmv_autofree struct vmv_unit_state *list = calloc(count_units(text) + 1, sizeof(*list));
	struct vmv_units u = { .list = list };

	if (!list)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	memset(&u.manager, 0xff, sizeof(u.manager)); /* VMV_UNSET everywhere */
	for (const char *line = text, *end; *line; line = end + 1)
		if (parse_line(line, &u, &end) < 0)
			return malformed("malformed line", err);
	if (u.manager.is_running == VMV_UNSET)
		return malformed("no state", err);
	*ret = u;
	list = NULL; /* owned by ret now */
	return 0;
}

/* -- reading ----------------------------------------------------------------------------------- */

struct systemd_state {
	struct vmv_buf question; /* NUL-terminated */
	/* What the facts were parsed from: two groups come out of one answer, and one answer
	 * serves several readings. */
	struct vmv_buf text;
	struct vmv_units units;
	bool has_units;
};

static void *systemd_open(const struct vmv_root *root)
{
	struct systemd_state *st = calloc(1, sizeof(*st));

	(void)root;
	if (!st)
		return NULL;
	st->question.max = QUESTION_MAX;
	st->text.max = VMV_ASK_ANSWER_MAX;
	return st;
}

static void systemd_close(void *state)
{
	struct systemd_state *st = state;

	if (!st)
		return;
	vmv_buf_free(&st->question);
	vmv_buf_free(&st->text);
	free(st->units.list);
	free(st);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Always the same words in the same order: the asker keeps answers by question. */
static int make_question(struct vmv_buf *b, const struct vmv_root *root)
{
	const char *names[VMV_CRITICAL_UNITS];
	size_t n = root->n_critical_units < VMV_CRITICAL_UNITS ? root->n_critical_units
							       : VMV_CRITICAL_UNITS;
	int r;

	for (size_t i = 0; i < n; i++)
		names[i] = root->critical_units[i];
	qsort(names, n, sizeof(names[0]), by_text);
	vmv_buf_clear(b, QUESTION_MAX);
	r = vmv_buf_add(b, "units", 5);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
			continue;
		r = vmv_buf_add(b, " ", 1);
		if (r == 0)
			r = vmv_buf_add(b, names[i], strlen(names[i]));
	}
	return r == 0 ? vmv_buf_add(b, "", 1) : r;
}

static bool is_parsed(const struct systemd_state *st, const char *text, size_t len)
{
	return st->has_units && st->text.len == len && memcmp(st->text.data, text, len) == 0;
}

static int take_answer(struct systemd_state *st, const char *text, size_t len, struct vmv_err *err)
{
	struct vmv_units fresh;
	int r;

	if (is_parsed(st, text, len))
		return 0;
	st->has_units = false;
	r = vmv_systemd_parse(text, &fresh, err);
	if (r < 0)
		return r;
	free(st->units.list);
	st->units = fresh;
	vmv_buf_clear(&st->text, VMV_ASK_ANSWER_MAX);
	/* without a copy the same is parsed again next time */
	st->has_units = vmv_buf_add(&st->text, text, len) == 0;
	return 0;
}

/* Returns 0 with st->units set, VMV_WAIT or negative errno. */
static int ask(struct systemd_state *st, const struct vmv_root *root, struct vmv_err *err)
{
	const char *text;
	size_t len;
	/* the other group's state may not have come to be */
	int r = st ? make_question(&st->question, root) : -ENOMEM;

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot ask systemd: %s", strerror(-r));
	r = vmv_answer(root, st->question.data, MAX_AGE_MS, "systemd", &text, &len, err);
	return r == 0 ? take_answer(st, text, len, err) : r;
}

static int systemd_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			struct vmv_err *err)
{
	struct systemd_state *st = state;
	int r = ask(st, root, err);

	return r == 0 ? sink->row(sink, "", &st->units.manager) : r;
}

static int unit_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct systemd_state *st = state;
	int r = ask(st, root, err);

	if (r != 0)
		return r;
	for (size_t i = 0; r == 0 && i < st->units.n; i++)
		r = sink->row(sink, st->units.list[i].name, &st->units.list[i].sample);
	return r;
}

const struct vmv_collector vmv_collector_systemd = {
	.name = "systemd",
	.help = "The service manager: state of the system, units by state.",
	.file = "org.freedesktop.systemd1",
	.fields = systemd_fields,
	.n_fields = VMV_COUNTOF(systemd_fields),
	.sample_size = sizeof(struct vmv_systemd_sample),
	.min_period_ms = 10000,
	.is_default = true,
	.open = systemd_open,
	.close = systemd_close,
	.read = systemd_read,
};

const struct vmv_collector vmv_collector_unit = {
	.name = "unit",
	.help = "Units that failed, and those that the configuration calls critical.",
	.file = "org.freedesktop.systemd1",
	.key = "unit",
	.fields = unit_fields,
	.n_fields = VMV_COUNTOF(unit_fields),
	.sample_size = sizeof(struct vmv_unit_sample),
	.min_period_ms = 10000,
	.is_default = true,
	.state_of = &vmv_collector_systemd,
	.read = unit_read,
};
