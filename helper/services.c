/* The answers to "services" and "service-status NAME". Both have three parts:
 *
 *   whole                     or "cut": there are more than the list shows
 *   [{"name":"ssh.service"…   the data of the command (PROTOCOL.md 5.3), JSON in one line
 *   3 services, 1 running     text for people, one line or more, up to the end
 *
 * commands/services.c passes them on. Instead of them -ENOSYS says that no systemd runs this
 * machine, -ESRCH that it has no such unit, -ETIME that it did not answer in time. */
#include "helper/question.h"

#include <errno.h>

#ifdef HAVE_LIBSYSTEMD

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "base/utf8.h"
#include "exec/bus.h"
#include "proto/json_write.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT	   "/org/freedesktop/systemd1"
#define MANAGER	   VMV_BUS_SYSTEMD ".Manager"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define UNIT_TYPE  "(ssssssouso)"
#define FILE_TYPE  "(ss)"
#define VALUE_SIZE 512		    /* bytes of a text of systemd's; longer ones are cut */
#define TEXT_SIZE  (6 * VALUE_SIZE) /* the text for people */
#define ROOM	   (TEXT_SIZE + 16)
#define UNKNOWN	   "unknown"

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len > n && strcmp(s + len - n, end) == 0;
}

static bool is_same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* -ENOENT would be taken for a helper that is not there, and -ETIMEDOUT for one that hangs. */
static int result(int r)
{
	if (r == -ENOENT)
		return -ENOSYS;
	return r == -ETIMEDOUT ? -ETIME : r;
}

/* JSON has its share of the packet, and of the response that it becomes a part of. */
static size_t room_for_json(const struct vmv_buf *ret)
{
	size_t most = VMV_RESPONSE_MAX - 2 * VMV_JW_TAIL, left = ret->max - ret->len;

	left = left > ROOM ? left - ROOM : 0;
	return left < most ? left : most;
}

static int put_parts(struct vmv_buf *ret, bool is_cut, const struct vmv_jw *w, const char *text)
{
	const char *head = is_cut ? "cut\n" : "whole\n";
	int r = vmv_jw_finish(w);

	if (r == 0)
		r = vmv_buf_add(ret, head, strlen(head));
	if (r == 0)
		r = vmv_buf_add(ret, w->buf.data, w->buf.len);
	if (r == 0)
		r = vmv_buf_add(ret, "\n", 1);
	return r == 0 ? vmv_buf_add(ret, text, strlen(text)) : r;
}

/* Takes call. */
static int send_call(struct vmv_bus *b, sd_bus_message *call, int appended, sd_bus_message **ret)
{
	if (appended < 0) {
		sd_bus_message_unref(call);
		return appended;
	}
	return vmv_bus_send(b, call, ret);
}

/* -- the list ---------------------------------------------------------------------------------- */

/* All texts are borrowed from the messages. */
struct unit {
	const char *name, *description, *load, *active, *sub;
};

struct unit_file {
	const char *name, *state;
};

struct list {
	struct vmv_bus bus;
	sd_bus_message *units_reply, *files_reply;
	struct unit *units; /* owned, like the next */
	struct unit_file *files;
	size_t n_units, n_files;
};

static void list_done(struct list *l)
{
	free(l->units);
	free(l->files);
	sd_bus_message_unref(l->units_reply);
	sd_bus_message_unref(l->files_reply);
	vmv_bus_close(&l->bus);
}

/* Room for one more in an array that grows by doubling. */
static int grow(void *array, size_t n, size_t size)
{
	void **p = array, *more;

	if (n & (n - 1)) /* no power of two: there is room */
		return 0;
	more = reallocarray(*p, n ? 2 * n : 1, size);
	if (!more)
		return -ENOMEM;
	*p = more;
	return 0;
}

static int call_list(struct list *l, const char *member, const char *type, sd_bus_message **ret)
{
	sd_bus_message *call;
	int r = vmv_bus_new_call(&l->bus, OBJECT, MANAGER, member, &call);

	if (r == 0)
		r = vmv_bus_send(&l->bus, call, ret);
	return r < 0 ? r : sd_bus_message_enter_container(*ret, 'a', type);
}

static int read_units(struct list *l)
{
	const char *followed, *path, *job_type, *job_path;
	struct unit u;
	uint32_t job;
	int r = call_list(l, "ListUnits", UNIT_TYPE, &l->units_reply);

	while (r >= 0 &&
	       (r = sd_bus_message_read(l->units_reply, UNIT_TYPE, &u.name, &u.description, &u.load,
					&u.active, &u.sub, &followed, &path, &job, &job_type,
					&job_path)) > 0) {
		if (!ends_with(u.name, ".service"))
			continue;
		r = grow(&l->units, l->n_units, sizeof(u));
		if (r == 0)
			l->units[l->n_units++] = u;
	}
	return r;
}

static int read_files(struct list *l)
{
	struct unit_file f;
	const char *path;
	int r = call_list(l, "ListUnitFiles", FILE_TYPE, &l->files_reply);

	while (r >= 0 &&
	       (r = sd_bus_message_read(l->files_reply, FILE_TYPE, &path, &f.state)) > 0) {
		const char *slash = strrchr(path, '/');

		f.name = slash ? slash + 1 : path;
		if (!ends_with(f.name, ".service"))
			continue;
		r = grow(&l->files, l->n_files, sizeof(f));
		if (r == 0)
			l->files[l->n_files++] = f;
	}
	return r;
}

static int by_unit_name(const void *a, const void *b)
{
	return strcmp(((const struct unit *)a)->name, ((const struct unit *)b)->name);
}

static int by_file_name(const void *a, const void *b)
{
	return strcmp(((const struct unit_file *)a)->name, ((const struct unit_file *)b)->name);
}

static const struct unit_file *find_file(const struct list *l, const char *name)
{
	const struct unit_file key = { name, NULL };

	return l->n_files ? bsearch(&key, l->files, l->n_files, sizeof(key), by_file_name) : NULL;
}

/* An instance without a file of its own is as its template is: getty@tty1 as getty@. */
static const char *startup_of(const struct list *l, const char *name)
{
	const struct unit_file *f = find_file(l, name);
	const char *at = strchr(name, '@');
	char template[VMV_UNIT_NAME_MAX + 1];

	if (!f && at) {
		(void)snprintf(template, sizeof(template), "%.*s@.service", (int)(at - name), name);
		f = find_file(l, template);
	}
	return f && *f->state ? f->state : UNKNOWN;
}

static bool is_up(const char *active)
{
	return !is_same(active, "inactive") && !is_same(active, "failed");
}

static void write_cut(struct vmv_jw *w, const char *name, const char *text)
{
	vmv_jw_bytes(w, name, text, vmv_utf8_cut(text, strlen(text), VALUE_SIZE - 1));
}

/* CanStart and the like are properties of each unit, a call for each: what is told instead is what
 * would make sense with a unit in this state. A masked one is not "loaded". */
static void write_unit(struct vmv_jw *w, const struct list *l, const struct unit *u)
{
	bool is_loaded = is_same(u->load, "loaded"), runs = is_up(u->active);

	vmv_jw_open(w, NULL);
	write_cut(w, "name", u->name);
	write_cut(w, "display_name", *u->description ? u->description : u->name);
	write_cut(w, "status", is_same(u->sub, "dead") ? "stopped" : u->sub);
	write_cut(w, "description", u->description);
	vmv_jw_bool(w, "can_start", is_loaded && !runs);
	vmv_jw_bool(w, "can_stop", runs);
	vmv_jw_bool(w, "can_restart", is_loaded && runs);
	write_cut(w, "startup_type", startup_of(l, u->name));
	write_cut(w, "unit", u->name);
	write_cut(w, "load", u->load);
	write_cut(w, "active", u->active);
	write_cut(w, "sub", u->sub);
	vmv_jw_close(w);
}

/* Returns how many there was room for. */
static size_t write_units(struct vmv_jw *w, const struct list *l)
{
	size_t n;

	vmv_jw_array(w, NULL);
	for (n = 0; n < l->n_units; n++) {
		struct vmv_jw_mark mark = vmv_jw_mark(w);

		write_unit(w, l, &l->units[n]);
		if (vmv_jw_remaining(w) < 2) {
			vmv_jw_rewind(w, mark);
			break;
		}
	}
	vmv_jw_end(w);
	return n;
}

static void list_text(const struct list *l, char ret[TEXT_SIZE])
{
	size_t running = 0, failed = 0;

	for (size_t i = 0; i < l->n_units; i++) {
		running += is_same(l->units[i].sub, "running");
		failed += is_same(l->units[i].active, "failed");
	}
	(void)snprintf(ret, TEXT_SIZE, "%zu service%s, %zu running, %zu failed", l->n_units,
		       l->n_units == 1 ? "" : "s", running, failed);
}

static int put_list(const struct list *l, struct vmv_buf *ret)
{
	char text[TEXT_SIZE];
	struct vmv_jw w;
	size_t n;
	int r;

	if (l->n_units > 0)
		qsort(l->units, l->n_units, sizeof(*l->units), by_unit_name);
	if (l->n_files > 0)
		qsort(l->files, l->n_files, sizeof(*l->files), by_file_name);
	list_text(l, text);
	vmv_jw_init(&w, room_for_json(ret));
	n = write_units(&w, l);
	r = put_parts(ret, n < l->n_units, &w, text);
	vmv_jw_free(&w);
	return r;
}

int vmv_answer_services(const char *argument, struct vmv_buf *ret)
{
	VMV_CLEANUP(list_done) struct list l = { .n_units = 0 };
	int r;

	if (*argument)
		return -EINVAL;
	r = vmv_bus_open(&l.bus, VMV_BUS_SYSTEMD);
	if (r == 0)
		r = read_units(&l);
	if (r >= 0)
		r = read_files(&l);
	return r < 0 ? result(r) : put_list(&l, ret);
}

/* -- one unit ---------------------------------------------------------------------------------- */

struct status {
	char name[VALUE_SIZE], description[VALUE_SIZE], load[VALUE_SIZE], active[VALUE_SIZE];
	char sub[VALUE_SIZE], startup[VALUE_SIZE], file[VALUE_SIZE], result[VALUE_SIZE];
	/* microseconds since 1970; 0: never */
	uint64_t active_enter, active_exit, inactive_enter, inactive_exit;
	uint32_t main_pid; /* 0: none */
};

#define PROPERTY(name, type, member)                        \
	{                                                   \
		name, type, offsetof(struct status, member) \
	}

static const struct {
	const char *name, *type;
	size_t offset;
} properties[] = {
	PROPERTY("Id", "s", name),
	PROPERTY("Description", "s", description),
	PROPERTY("LoadState", "s", load),
	PROPERTY("ActiveState", "s", active),
	PROPERTY("SubState", "s", sub),
	PROPERTY("UnitFileState", "s", startup),
	PROPERTY("FragmentPath", "s", file),
	PROPERTY("ActiveEnterTimestamp", "t", active_enter),
	PROPERTY("ActiveExitTimestamp", "t", active_exit),
	PROPERTY("InactiveEnterTimestamp", "t", inactive_enter),
	PROPERTY("InactiveExitTimestamp", "t", inactive_exit),
};

/* A value is a part of a line. */
static void copy_value(char ret[VALUE_SIZE], const char *s)
{
	(void)snprintf(ret, VALUE_SIZE, "%.*s", (int)vmv_utf8_cut(s, strlen(s), VALUE_SIZE - 1), s);
	for (; *ret; ret++)
		if ((unsigned char)*ret < ' ' || *ret == 0x7f)
			*ret = '?';
}

static int read_value(sd_bus_message *m, const char *type, void *to)
{
	const char *s;
	int r;

	if (*type != 's')
		return sd_bus_message_read(m, "v", type, to);
	r = sd_bus_message_read(m, "v", "s", &s);
	if (r > 0)
		copy_value(to, s);
	return r;
}

static int read_property(sd_bus_message *m, struct status *s)
{
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	for (size_t i = 0; r > 0 && i < VMV_COUNTOF(properties); i++)
		if (is_same(properties[i].name, name))
			return read_value(m, properties[i].type, (char *)s + properties[i].offset);
	return r > 0 ? sd_bus_message_skip(m, "v") : r;
}

static int read_properties(sd_bus_message *m, struct status *s)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_property(m, s);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

static int get_unit(struct vmv_bus *b, const char *path, struct status *s)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	sd_bus_message *call;
	int r = vmv_bus_new_call(b, path, PROPERTIES, "GetAll", &call);

	if (r < 0)
		return r;
	r = send_call(b, call, sd_bus_message_append(call, "s", VMV_BUS_SYSTEMD ".Unit"), &reply);
	return r < 0 ? r : read_properties(reply, s);
}

/* What only units of its type have. GetAll of a service would be some 200 properties. */
static int get_one(struct vmv_bus *b, const char *path, const char *interface, const char *property,
		   const char *type, void *to)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	sd_bus_message *call;
	int r = vmv_bus_new_call(b, path, PROPERTIES, "Get", &call);

	if (r < 0)
		return r;
	r = send_call(b, call, sd_bus_message_append(call, "ss", interface, property), &reply);
	return r < 0 ? r : read_value(reply, type, to);
}

static const char *interface_of(const char *name)
{
	static const struct {
		const char *suffix, *interface;
	} types[] = {
		{ ".service", VMV_BUS_SYSTEMD ".Service" },
		{ ".socket", VMV_BUS_SYSTEMD ".Socket" },
		{ ".timer", VMV_BUS_SYSTEMD ".Timer" },
		{ ".path", VMV_BUS_SYSTEMD ".Path" },
	};

	for (size_t i = 0; i < VMV_COUNTOF(types); i++)
		if (ends_with(name, types[i].suffix))
			return types[i].interface;
	return NULL;
}

static int get_type(struct vmv_bus *b, const char *path, struct status *s)
{
	const char *interface = interface_of(s->name);
	int r = 0;

	if (interface)
		r = get_one(b, path, interface, "Result", "s", s->result);
	if (r >= 0 && interface && ends_with(s->name, ".service"))
		r = get_one(b, path, interface, "MainPID", "u", &s->main_pid);
	return r;
}

/* systemd refuses names that no unit can have. */
static int load_unit(struct vmv_bus *b, const char *name, sd_bus_message **ret,
		     const char **ret_path)
{
	sd_bus_message *call;
	int r = vmv_bus_new_call(b, OBJECT, MANAGER, "LoadUnit", &call);

	if (r < 0)
		return r;
	r = send_call(b, call, sd_bus_message_append(call, "s", name), ret);
	if (r == -EINVAL)
		return -ESRCH;
	return r < 0 ? r : sd_bus_message_read(*ret, "o", ret_path);
}

static int get_status(struct vmv_bus *b, const char *name, struct status *s)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *path;
	int r = load_unit(b, name, &reply, &path);

	if (r >= 0)
		r = get_unit(b, path, s);
	if (r >= 0 && is_same(s->load, "not-found"))
		return -ESRCH;
	return r < 0 ? r : get_type(b, path, s);
}

/* When it came to be in the state it is in, as systemctl shows it; 0: unknown. */
static uint64_t since_of(const struct status *s)
{
	if (is_same(s->active, "active") || is_same(s->active, "reloading"))
		return s->active_enter;
	if (is_same(s->active, "inactive") || is_same(s->active, "failed"))
		return s->inactive_enter;
	return is_same(s->active, "activating") ? s->inactive_exit : s->active_exit;
}

static void write_status(struct vmv_jw *w, const struct status *s, const char *since)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", s->name);
	vmv_jw_str_or_null(w, "load", s->load);
	vmv_jw_str_or_null(w, "active", s->active);
	vmv_jw_str_or_null(w, "sub", s->sub);
	vmv_jw_str(w, "startup_type", *s->startup ? s->startup : UNKNOWN);
	vmv_jw_u64(w, "main_pid", s->main_pid ? s->main_pid : VMV_UNSET);
	vmv_jw_str_or_null(w, "since", since);
	vmv_jw_str_or_null(w, "result", s->result);
	vmv_jw_close(w);
}

static const char *dot_of(const struct status *s)
{
	if (is_same(s->active, "failed"))
		return "\u00d7";
	return is_same(s->active, "inactive") ? "\u25cb" : "\u25cf";
}

/* As systemctl status heads it; values are under VALUE_SIZE bytes, which makes them all fit. */
static void status_text(const struct status *s, const char *since, char ret[TEXT_SIZE])
{
	bool has_failed = is_same(s->active, "failed");
	char path[32], comm[VALUE_SIZE], shown[VALUE_SIZE];
	int len = snprintf(ret, TEXT_SIZE, "%s %s - %s\n     Loaded: %s (%s%s%s)\n", dot_of(s),
			   s->name, s->description, s->load, s->file, *s->file ? "; " : "",
			   *s->startup ? s->startup : UNKNOWN);

	len += snprintf(ret + len, TEXT_SIZE - (size_t)len, "     Active: %.40s (%s%.40s)%s%s",
			s->active, has_failed ? "Result: " : "", has_failed ? s->result : s->sub,
			*since ? " since " : "", since);
	if (s->main_pid == 0)
		return;
	len += snprintf(ret + len, TEXT_SIZE - (size_t)len, "\n   Main PID: %u", s->main_pid);
	(void)snprintf(path, sizeof(path), "/proc/%u/comm", s->main_pid);
	if (vmv_read_attr_at(AT_FDCWD, path, comm, sizeof(comm)) <= 0)
		return;
	copy_value(shown, comm);
	(void)snprintf(ret + len, TEXT_SIZE - (size_t)len, " (%.64s)", shown);
}

static int put_status(const struct status *s, struct vmv_buf *ret)
{
	char since[VMV_STAMP_SIZE] = "", text[TEXT_SIZE];
	uint64_t since_us = since_of(s);
	struct vmv_jw w;
	int r;

	if (since_us > 0)
		vmv_stamp((int64_t)(since_us / 1000), since);
	status_text(s, since, text);
	vmv_jw_init(&w, room_for_json(ret));
	write_status(&w, s, since);
	r = put_parts(ret, false, &w, text);
	vmv_jw_free(&w);
	return r;
}

/* The asker has checked it; this keeps it what it is if it did not. */
static bool is_unit_name(const char *s)
{
	size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			       "._@:\\-");

	return len > 0 && !s[len] && *s != '-' && interface_of(s);
}

int vmv_answer_service_status(const char *argument, struct vmv_buf *ret)
{
	VMV_CLEANUP(vmv_bus_close) struct vmv_bus bus = { .bus = NULL };
	struct status s = { .main_pid = 0 };
	int r;

	if (!is_unit_name(argument))
		return -EINVAL;
	if (strlen(argument) > VMV_UNIT_NAME_MAX)
		return -ESRCH;
	r = vmv_bus_open(&bus, VMV_BUS_SYSTEMD);
	if (r == 0)
		r = get_status(&bus, argument, &s);
	return r < 0 ? result(r) : put_status(&s, ret);
}

#else

int vmv_answer_services(const char *argument, struct vmv_buf *ret)
{
	(void)argument;
	(void)ret;
	return -ENOSYS;
}

int vmv_answer_service_status(const char *argument, struct vmv_buf *ret)
{
	(void)argument;
	(void)ret;
	return -ENOSYS;
}

#endif
