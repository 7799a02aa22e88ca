#include "collectors/user.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utmpx.h>

#define MAX_AGE_MS 10000
#define USEC	   1e-6

#define INFO(member, src, text)                                                                   \
	VMV_FIELD(struct vmv_user_sample, member, #member, NULL, VMV_INFO, VMV_UNIT_NONE, 0, src, \
		  text)

static const struct vmv_field fields[] = {
	INFO(user, "Name, ut_user", "Name of the user."),
	INFO(tty, "TTY, ut_line", "Terminal or display."),
	INFO(from, "RemoteHost, ut_host", "Host from which the session was opened."),
	INFO(service, "Service", "PAM service that opened it."),
	INFO(type, "Type", "What kind of session it is: tty, x11, wayland, mir or unspecified."),
	VMV_FIELD(struct vmv_user_sample, start, "vmvitals_user_session_start_timestamp_seconds",
		  NULL, VMV_GAUGE, VMV_UNIT_SECONDS, USEC, "Timestamp, ut_tv",
		  "When the session was opened, counted from 1970."),
	VMV_FIELD(struct vmv_user_sample, pid, "vmvitals_user_session_leader_pid", NULL, VMV_GAUGE,
		  VMV_UNIT_NONE, 0, "Leader, ut_pid", "Pid of its first process."),
};

static void copy_text(char *ret, size_t cap, const char *s, size_t len)
{
	if (len >= cap)
		len = cap - 1;
	memcpy(ret, s, len);
	ret[len] = '\0';
}

/* -- the answer of the login manager ----------------------------------------------------------- */

enum { TEXT, NUMBER };

/* What a line begins with, and where the rest of it goes. */
static const struct {
	const char *key;
	int type;
	size_t offset, size;
} keys[] = {
#define ROW(name, member, type)                                       \
	{                                                             \
		name, type, offsetof(struct vmv_user_sample, member), \
			sizeof(((struct vmv_user_sample *)0)->member) \
	}
	ROW("from ", from, TEXT),     ROW("pid ", pid, NUMBER), ROW("service ", service, TEXT),
	ROW("start ", start, NUMBER), ROW("tty ", tty, TEXT),	ROW("type ", type, TEXT),
	ROW("user ", user, TEXT),
#undef ROW
};

static int set_text(char *to, size_t size, const char *value, size_t len)
{
	if (*to || len == 0) /* twice, or not worth a line */
		return -EINVAL;
	copy_text(to, size, value, len);
	return 0;
}

static int set_number(void *to, const char *value, size_t len)
{
	uint64_t was, v;
	const char *end;

	memcpy(&was, to, sizeof(was));
	if (was != VMV_UNSET || vmv_parse_u64(value, &v, &end) < 0 || end != value + len ||
	    v == VMV_UNSET)
		return -EINVAL;
	memcpy(to, &v, sizeof(v));
	return 0;
}

static int parse_fact(const char *line, size_t len, struct vmv_user_sample *s)
{
	for (size_t i = 0; i < VMV_COUNTOF(keys); i++) {
		size_t n = strlen(keys[i].key);
		char *to = (char *)s + keys[i].offset;

		if (len < n || memcmp(line, keys[i].key, n) != 0)
			continue;
		return keys[i].type == TEXT ? set_text(to, keys[i].size, line + n, len - n)
					    : set_number(to, line + n, len - n);
	}
	return -EINVAL;
}

static bool has_session(const struct vmv_sessions *all, const char *id)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->list[i].id, id) == 0)
			return true;
	return false;
}

static const struct vmv_user_sample unknown = { .start = VMV_UNSET, .pid = VMV_UNSET };

/* "session 3" begins one, the lines up to the next tell of it. */
static int parse_line(const char *line, size_t len, struct vmv_sessions *all)
{
	struct vmv_session *s = &all->list[all->n];

	if (len <= 8 || memcmp(line, "session ", 8) != 0)
		return all->n == 0 ? -EINVAL : parse_fact(line, len, &s[-1].sample);
	if (len - 8 >= sizeof(s->id))
		return -EINVAL;
	copy_text(s->id, sizeof(s->id), line + 8, len - 8);
	if (has_session(all, s->id))
		return -EINVAL;
	s->sample = unknown;
	all->n++;
	return 0;
}

static size_t count_sessions(const char *text)
{
	size_t n = 0;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		n += strncmp(line, "session ", 8) == 0;
	}
	return n;
}

int vmv_users_parse(const char *text, struct vmv_sessions *ret, struct vmv_err *err)
{
	vmv_autofree struct vmv_session *list = calloc(count_sessions(text) + 1, sizeof(*list));
	struct vmv_sessions all = { .list = list };

	if (!list)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (line[len] != '\n' || parse_line(line, len, &all) < 0)
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"answer about users: malformed line");
		line += len + 1;
	}
	if (all.n > VMV_SESSIONS_MAX)
		all.n = VMV_SESSIONS_MAX;
	*ret = all;
	list = NULL; /* owned by ret now */
	return 0;
}

/* -- utmp -------------------------------------------------------------------------------------- */

/* Seconds are signed and of 32 bits on most 64-bit machines, which stretches to 2106 if nobody
 * means times before 1970. */
static uint64_t start_of(const struct utmpx *u)
{
	uint64_t s = sizeof(u->ut_tv.tv_sec) == 4 ? (uint32_t)u->ut_tv.tv_sec
						  : (uint64_t)u->ut_tv.tv_sec;
	uint64_t us = (uint64_t)u->ut_tv.tv_usec;

	if (s == 0 || s > UINT32_MAX)
		return VMV_UNSET;
	return s * 1000000 + (us < 1000000 ? us : 0);
}

static void copy_session(struct vmv_session *s, const struct utmpx *u)
{
	s->sample = unknown;
	s->sample.pid = (uint64_t)u->ut_pid;
	s->sample.start = start_of(u);
	copy_text(s->sample.user, sizeof(s->sample.user), u->ut_user,
		  strnlen(u->ut_user, sizeof(u->ut_user)));
	copy_text(s->sample.tty, sizeof(s->sample.tty), u->ut_line,
		  strnlen(u->ut_line, sizeof(u->ut_line)));
	copy_text(s->sample.from, sizeof(s->sample.from), u->ut_host,
		  strnlen(u->ut_host, sizeof(u->ut_host)));
	if (s->sample.tty[0])
		memcpy(s->id, s->sample.tty, sizeof(s->id));
	else
		(void)snprintf(s->id, sizeof(s->id), "pid%ju", (uintmax_t)s->sample.pid);
}

_Static_assert(sizeof(((struct vmv_session *)0)->id) == sizeof(((struct vmv_user_sample *)0)->tty),
	       "a terminal is an id");

/* A terminal whose last user crashed may be in there twice; unknown times are the oldest. */
static void add_session(struct vmv_sessions *all, const struct vmv_session *s)
{
	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(all->list[i].id, s->id) != 0)
			continue;
		if (all->list[i].sample.start + 1 <= s->sample.start + 1)
			all->list[i] = *s;
		return;
	}
	if (all->n < VMV_SESSIONS_MAX)
		all->list[all->n++] = *s;
}

static size_t count_logins(const char *bytes, size_t len)
{
	struct utmpx u;
	size_t n = 0;

	for (size_t at = 0; len - at >= sizeof(u); at += sizeof(u)) {
		memcpy(&u, bytes + at, sizeof(u));
		n += u.ut_type == USER_PROCESS;
	}
	return n < VMV_SESSIONS_MAX ? n : VMV_SESSIONS_MAX;
}

int vmv_utmp_parse(const void *bytes, size_t len, bool (*is_alive)(void *arg, uint64_t pid),
		   void *arg, struct vmv_sessions *ret)
{
	struct vmv_sessions all = { .list = calloc(count_logins(bytes, len) + 1,
						   sizeof(*all.list)) };
	struct vmv_session s;
	struct utmpx u;

	if (!all.list)
		return -ENOMEM;
	for (size_t at = 0; len - at >= sizeof(u); at += sizeof(u)) {
		memcpy(&u, (const char *)bytes + at, sizeof(u));
		if (u.ut_type != USER_PROCESS || u.ut_pid <= 0 || !u.ut_user[0] ||
		    !is_alive(arg, (uint64_t)u.ut_pid))
			continue;
		copy_session(&s, &u);
		add_session(&all, &s);
	}
	*ret = all;
	return 0;
}

/* -- reading ----------------------------------------------------------------------------------- */

struct user_state {
	char *text; /* kept for the next reading of utmp */
	size_t cap;
};

static void *user_open(const struct vmv_root *root)
{
	(void)root;
	return calloc(1, sizeof(struct user_state));
}

static void user_close(void *state)
{
	struct user_state *st = state;

	if (st)
		free(st->text);
	free(st);
}

/* With hidepid, /proc keeps processes of others to itself; a signal of none tells. */
static bool is_alive(void *arg, uint64_t pid)
{
	const struct vmv_root *root = arg;
	char path[24];

	(void)snprintf(path, sizeof(path), "%ju", (uintmax_t)pid);
	if (faccessat(root->proc, path, F_OK, 0) == 0)
		return true;
	return root->is_live && kill((pid_t)pid, 0) < 0 && errno == EPERM;
}

/* var/run is a link to run for a long time; in a recorded tree it would lead out of the tree. */
static int read_utmp(struct user_state *st, const struct vmv_root *root)
{
	vmv_autoclose int run = -1;
	int r = vmv_read_table_at(root->top, "run/utmp", &st->text, &st->cap, VMV_UTMP_MAX);

	if (r != -ENOENT)
		return r;
	run = openat(root->top, "var/run", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (run < 0)
		return -ENOENT;
	return vmv_read_table_at(run, "utmp", &st->text, &st->cap, VMV_UTMP_MAX);
}

static int take_utmp(struct user_state *st, const struct vmv_root *root, struct vmv_sessions *ret,
		     struct vmv_err *err)
{
	int len = read_utmp(st, root);
	int r = len;

	if (len >= 0)
		r = vmv_utmp_parse(st->text, (size_t)len, is_alive, (void *)(uintptr_t)root, ret);
	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "cannot read /run/utmp: %s", strerror(-r)) : 0;
}

int vmv_utmp_read(const struct vmv_root *root, struct vmv_sessions *ret, struct vmv_err *err)
{
	struct user_state st = { NULL, 0 };
	int r = take_utmp(&st, root, ret, err);

	free(st.text);
	return r;
}

static int user_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	struct vmv_sessions all = { NULL, 0 };
	const char *text;
	size_t len;
	struct vmv_err why; /* without a login manager it is no error */
	int r = vmv_answer(root, "users", MAX_AGE_MS, "the login manager", &text, &len, &why);

	if (r == 0)
		r = vmv_users_parse(text, &all, err);
	else if (r == -ENOENT)
		r = take_utmp(state, root, &all, err);
	else if (r < 0 && err)
		*err = why;
	for (size_t i = 0; r == 0 && i < all.n; i++)
		r = sink->row(sink, all.list[i].id, &all.list[i].sample);
	free(all.list);
	return r;
}

const struct vmv_collector vmv_collector_user = {
	.name = "user",
	.help = "Users who are logged in, a row for each session.",
	.file = "org.freedesktop.login1, /run/utmp",
	.key = "session",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_user_sample),
	.min_period_ms = 5000,
	.is_default = true,
	.open = user_open,
	.close = user_close,
	.read = user_read,
};
