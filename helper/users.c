/* The answer to "users": sessions of users, each begun by a line with its id; what follows up to
 * the next such line tells of it, in any order, and may be missing:
 *
 *   session 3
 *   user alice
 *   tty pts/0                   or the display
 *   from 192.0.2.7
 *   service sshd
 *   type tty
 *   pid 1234
 *   start 1700000000000000      microseconds since 1970
 *
 * collectors/user.c reads it. */
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

#define SERVICE	   "org.freedesktop.login1"
#define OBJECT	   "/org/freedesktop/login1"
#define MANAGER	   "org.freedesktop.login1.Manager"
#define SESSION	   "org.freedesktop.login1.Session"
#define VALUE_SIZE 256

struct session {
	char user[VALUE_SIZE], tty[VALUE_SIZE], display[VALUE_SIZE], from[VALUE_SIZE];
	char service[VALUE_SIZE], type[VALUE_SIZE], class[VALUE_SIZE], state[VALUE_SIZE];
	uint64_t start; /* 0: unknown */
	uint32_t pid;	/* 0: unknown */
};

static const struct {
	const char *name, *type;
	size_t offset;
} properties[] = {
	{ "Name", "s", offsetof(struct session, user) },
	{ "TTY", "s", offsetof(struct session, tty) },
	{ "Display", "s", offsetof(struct session, display) },
	{ "RemoteHost", "s", offsetof(struct session, from) },
	{ "Service", "s", offsetof(struct session, service) },
	{ "Type", "s", offsetof(struct session, type) },
	{ "Class", "s", offsetof(struct session, class) },
	{ "State", "s", offsetof(struct session, state) },
	{ "Timestamp", "t", offsetof(struct session, start) },
	{ "Leader", "u", offsetof(struct session, pid) },
};

/* A value must not look like the next line. */
static void copy_value(char ret[VALUE_SIZE], const char *s)
{
	(void)snprintf(ret, VALUE_SIZE, "%s", s);
	for (; *ret; ret++)
		if ((unsigned char)*ret < ' ')
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

static int read_property(sd_bus_message *m, struct session *s)
{
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	for (size_t i = 0; r > 0 && i < VMV_COUNTOF(properties); i++)
		if (strcmp(properties[i].name, name) == 0)
			return read_value(m, properties[i].type, (char *)s + properties[i].offset);
	return r > 0 ? sd_bus_message_skip(m, "v") : r;
}

static int read_properties(sd_bus_message *m, struct session *s)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_property(m, s);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

static int get_session(struct vmv_bus *b, const char *path, struct session *ret)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	sd_bus_message *call;
	int r = vmv_bus_new_call(b, path, "org.freedesktop.DBus.Properties", "GetAll", &call);

	if (r < 0)
		return r;
	r = sd_bus_message_append(call, "s", SESSION);
	if (r < 0) {
		sd_bus_message_unref(call);
		return r;
	}
	r = vmv_bus_send(b, call, &reply);
	*ret = (struct session){ .start = 0 };
	return r < 0 ? r : read_properties(reply, ret);
}

/* One that could not be told in a line of its own. */
static bool is_good_id(const char *id)
{
	size_t len = strlen(id);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)id[i] < ' ')
			return false;
	return len > 0 && len <= VMV_SESSION_ID_MAX;
}

/* Others are greeters, lock screens and managers; one that is closing is left by its user. */
static bool is_login(const struct session *s)
{
	return strncmp(s->class, "user", 4) == 0 && strcmp(s->class, "user-incomplete") != 0 &&
	       strcmp(s->state, "closing") != 0;
}

/* value: under VALUE_SIZE bytes */
static int add_line(struct vmv_buf *b, const char *key, const char *value)
{
	char line[VALUE_SIZE + 32];
	int len = snprintf(line, sizeof(line), "%s %s\n", key, value);

	return *value ? vmv_buf_add(b, line, (size_t)len) : 0;
}

static int add_number(struct vmv_buf *b, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%ju", (uintmax_t)value);
	return value ? add_line(b, key, text) : 0;
}

static int add_session(struct vmv_buf *b, const char *id, const struct session *s)
{
	int r = add_line(b, "session", id);

	if (r == 0)
		r = add_line(b, "user", s->user);
	if (r == 0)
		r = add_line(b, "tty", *s->tty ? s->tty : s->display);
	if (r == 0)
		r = add_line(b, "from", s->from);
	if (r == 0)
		r = add_line(b, "service", s->service);
	if (r == 0)
		r = add_line(b, "type", s->type);
	if (r == 0)
		r = add_number(b, "pid", s->pid);
	return r == 0 ? add_number(b, "start", s->start) : r;
}

/* Returns 1 when it has been added, 0 when it is none of ours. */
static int take_session(struct vmv_bus *bus, const char *id, const char *path, struct vmv_buf *ret)
{
	struct session s;
	size_t len = ret->len;
	int r = is_good_id(id) ? get_session(bus, path, &s) : -EBADMSG;

	/* all that follow would fail, too: a list that is cut is none */
	if (r == -ETIMEDOUT || r == -ENOENT || !vmv_bus_is_open(bus))
		return r;
	if (r < 0 || !is_login(&s))
		return 0; /* closed since it was listed */
	r = add_session(ret, id, &s);
	if (r < 0)
		ret->len = len; /* nothing by halves */
	return r < 0 ? r : 1;
}

/* Returns 1, 0 at the end of the list, or negative errno. */
static int next_session(sd_bus_message *list, const char **ret_id, const char **ret_path)
{
	const char *user, *seat;
	uint32_t uid;

	return sd_bus_message_read(list, "(susso)", ret_id, &uid, &user, &seat, ret_path);
}

static int take_sessions(struct vmv_bus *bus, sd_bus_message *list, struct vmv_buf *ret)
{
	const char *id, *path;
	unsigned n = 0;
	int r;

	while (n < VMV_SESSIONS_MAX && (r = next_session(list, &id, &path)) != 0) {
		if (r > 0)
			r = take_session(bus, id, path, ret);
		if (r < 0)
			return r == -EFBIG ? 0 : r;
		n += (unsigned)r;
	}
	return 0;
}

int vmv_answer_users(const char *argument, struct vmv_buf *ret)
{
	VMV_CLEANUP(vmv_bus_close) struct vmv_bus bus = { .bus = NULL };
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *list = NULL;
	sd_bus_message *call;
	int r;

	if (*argument)
		return -EINVAL;
	r = vmv_bus_open(&bus, SERVICE);
	if (r == 0)
		r = vmv_bus_new_call(&bus, OBJECT, MANAGER, "ListSessions", &call);
	if (r == 0)
		r = vmv_bus_send(&bus, call, &list);
	if (r == 0)
		r = sd_bus_message_enter_container(list, 'a', "(susso)");
	return r < 0 ? r : take_sessions(&bus, list, ret);
}

#else

int vmv_answer_users(const char *argument, struct vmv_buf *ret)
{
	(void)argument;
	(void)ret;
	return -ENOSYS;
}

#endif
