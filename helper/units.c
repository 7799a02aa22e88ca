/* The answer to "units [NAME...]", one fact a line, words separated by one blank:
 *
 *   state running                           SystemState
 *   jobs 0                                  NJobs
 *   count active 120                        units by ActiveState, a line for each
 *   unit ssh.service loaded active running  LoadState, ActiveState, SubState
 *
 * Units are first those named, under the names they were named by, then those that failed. A named
 * one that does not exist is "not-found inactive dead"; one whose name systemd refuses is
 * "error unknown unknown". collectors/systemd.c reads it. */
#include "helper/question.h"

#include <errno.h>

#ifdef HAVE_LIBSYSTEMD

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "exec/bus.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE	  VMV_BUS_SYSTEMD
#define OBJECT	  "/org/freedesktop/systemd1"
#define MANAGER	  "org.freedesktop.systemd1.Manager"
#define UNIT_TYPE "(ssssssouso)"
#define LINE_SIZE 512

struct unit {
	const char *name, *load, *active, *sub; /* borrowed from the message */
};

static const char *const actives[] = { "activating", "active",	 "deactivating",
				       "failed",     "inactive", "reloading" };

struct units {
	struct vmv_bus bus;
	struct vmv_buf *text;		     /* borrowed */
	char *names_text;		     /* owned */
	char *names[VMV_CRITICAL_UNITS + 1]; /* words of it, NULL behind the last */
	size_t n_names;
};

static void units_done(struct units *u)
{
	vmv_bus_close(&u->bus);
	free(u->names_text);
}

static bool is_named(const struct units *u, const char *name)
{
	for (size_t i = 0; i < u->n_names; i++)
		if (strcmp(u->names[i], name) == 0)
			return true;
	return false;
}

static int split_names(struct units *u, const char *argument)
{
	char *s = strdup(argument);

	u->names_text = s;
	if (!s)
		return -ENOMEM;
	for (s += strspn(s, " "); *s; s += strspn(s, " ")) {
		char *name = s;

		s += strcspn(s, " ");
		if (*s)
			*s++ = '\0';
		if (is_named(u, name))
			continue;
		if (u->n_names == VMV_CRITICAL_UNITS)
			return -E2BIG;
		u->names[u->n_names++] = name;
	}
	return 0;
}

/* systemd's words have no blanks; if one ever had, the line would still have its shape. */
static const char *word(const char *s)
{
	return *s && !strpbrk(s, " \n") ? s : "unknown";
}

static int add_unit(struct units *u, const struct unit *unit)
{
	char line[LINE_SIZE];
	int len = snprintf(line, sizeof(line), "unit %s %.31s %.31s %.31s\n", unit->name,
			   word(unit->load), word(unit->active), word(unit->sub));

	if (!*unit->name || strpbrk(unit->name, " \n") || strlen(unit->name) > VMV_UNIT_NAME_MAX)
		return 0;
	return vmv_buf_add(u->text, line, (size_t)len);
}

/* Returns 1, 0 at the end of the list, or negative errno. */
static int next_unit(sd_bus_message *m, struct unit *ret)
{
	const char *description, *followed, *path, *job_type, *job_path;
	uint32_t job;

	return sd_bus_message_read(m, UNIT_TYPE, &ret->name, &description, &ret->load, &ret->active,
				   &ret->sub, &followed, &path, &job, &job_type, &job_path);
}

static int get_property(struct units *u, const char *property, const char *type, void *ret,
			sd_bus_message **reply)
{
	sd_bus_message *call;
	int r = vmv_bus_new_call(&u->bus, OBJECT, "org.freedesktop.DBus.Properties", "Get", &call);

	if (r < 0)
		return r;
	r = sd_bus_message_append(call, "ss", MANAGER, property);
	if (r < 0) {
		sd_bus_message_unref(call);
		return r;
	}
	r = vmv_bus_send(&u->bus, call, reply);
	return r < 0 ? r : sd_bus_message_read(*reply, "v", type, ret);
}

static int add_state(struct units *u)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *state;
	char line[LINE_SIZE];
	int r = get_property(u, "SystemState", "s", &state, &reply);

	if (r < 0)
		return r;
	r = snprintf(line, sizeof(line), "state %.64s\n", word(state));
	return vmv_buf_add(u->text, line, (size_t)r);
}

static int add_jobs(struct units *u)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	uint32_t jobs;
	char line[LINE_SIZE];
	int r = get_property(u, "NJobs", "u", &jobs, &reply);

	if (r < 0)
		return r;
	r = snprintf(line, sizeof(line), "jobs %u\n", jobs);
	return vmv_buf_add(u->text, line, (size_t)r);
}

static int list_units(struct units *u, char **names, sd_bus_message **ret)
{
	sd_bus_message *call;
	int r = vmv_bus_new_call(&u->bus, OBJECT, MANAGER, names ? "ListUnitsByNames" : "ListUnits",
				 &call);

	if (r < 0)
		return r;
	r = names ? sd_bus_message_append_strv(call, names) : 0;
	if (r < 0) {
		sd_bus_message_unref(call);
		return r;
	}
	r = vmv_bus_send(&u->bus, call, ret);
	return r < 0 ? r : sd_bus_message_enter_container(*ret, 'a', UNIT_TYPE);
}

/* In the order of the names; an alias comes back under its proper name, and is told under that
 * which was asked for. */
static int add_named(struct units *u, char **names)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct unit unit;
	int r = list_units(u, names, &reply);

	for (; *names && r >= 0; names++) {
		r = next_unit(reply, &unit);
		if (r <= 0)
			return r < 0 ? r : -EBADMSG;
		unit.name = *names;
		r = add_unit(u, &unit);
	}
	return r < 0 ? r : 0;
}

/* One name that systemd refuses makes it refuse all. */
static int add_named_singly(struct units *u)
{
	int r = 0;

	for (size_t i = 0; i < u->n_names && r >= 0; i++) {
		const struct unit refused = { u->names[i], "error", "", "" };
		char *one[] = { u->names[i], NULL };

		r = add_named(u, one);
		if (r < 0 && r != -ETIMEDOUT && r != -ENOENT && r != -EFBIG &&
		    vmv_bus_is_open(&u->bus))
			r = add_unit(u, &refused);
	}
	return r;
}

static int add_counts(struct units *u, sd_bus_message *list)
{
	uint64_t counts[VMV_COUNTOF(actives)] = { 0 };
	char line[LINE_SIZE];
	struct unit unit;
	int r;

	while ((r = next_unit(list, &unit)) > 0)
		for (size_t i = 0; i < VMV_COUNTOF(actives); i++)
			counts[i] += strcmp(actives[i], unit.active) == 0;
	for (size_t i = 0; i < VMV_COUNTOF(actives) && r == 0; i++) {
		int len = snprintf(line, sizeof(line), "count %s %ju\n", actives[i],
				   (uintmax_t)counts[i]);

		r = vmv_buf_add(u->text, line, (size_t)len);
	}
	return r;
}

/* As many as may be and find room; they are counted in any case. */
static int add_failed(struct units *u, sd_bus_message *list)
{
	struct unit unit;
	size_t n = 0;
	int r;

	while (n < VMV_FAILED_UNITS && (r = next_unit(list, &unit)) != 0) {
		if (r < 0)
			return r;
		if (strcmp(unit.active, "failed") != 0 || is_named(u, unit.name))
			continue;
		r = add_unit(u, &unit);
		if (r < 0)
			return r == -EFBIG ? 0 : r;
		n++;
	}
	return 0;
}

static int add_all_named(struct units *u)
{
	size_t len = u->text->len;
	int r = u->n_names > 0 ? add_named(u, u->names) : 0;

	if (r != -EINVAL)
		return r;
	u->text->len = len;
	return add_named_singly(u);
}

/* Counts first: what comes behind them may not find room. */
static int add_units(struct units *u)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *list = NULL;
	int r = list_units(u, NULL, &list);

	if (r >= 0)
		r = add_counts(u, list);
	if (r >= 0)
		r = add_all_named(u);
	if (r >= 0)
		r = sd_bus_message_rewind(list, 0); /* of the list, which is open */
	return r < 0 ? r : add_failed(u, list);
}

int vmv_answer_units(const char *argument, struct vmv_buf *ret)
{
	VMV_CLEANUP(units_done) struct units u = { .text = ret };
	int r = split_names(&u, argument);

	if (r == 0)
		r = vmv_bus_open(&u.bus, SERVICE);
	if (r == 0)
		r = add_state(&u);
	if (r == 0)
		r = add_jobs(&u);
	return r == 0 ? add_units(&u) : r;
}

#else

int vmv_answer_units(const char *argument, struct vmv_buf *ret)
{
	(void)argument;
	(void)ret;
	return -ENOSYS;
}

#endif
