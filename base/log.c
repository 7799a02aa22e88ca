#include "base/log.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/journal.h"
#include "base/num.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_WAIT_MS 4 /* so long, so often */
#define JOURNAL_TRIES	5
#define JOURNAL_REST_MS 2000
#define MESSAGE_SIZE	1024
#define LINE_SIZE	(MESSAGE_SIZE + 128) /* a pipe takes up to 4096 at once */
#define OVERRIDES_MAX	16
#define SUBSYS_SIZE	24
#define FIELD_TEXT_MAX	4096

struct override {
	char subsys[SUBSYS_SIZE];
	enum vmv_log_level level;
};

struct levels {
	enum vmv_log_level common;
	size_t n;
	struct override overrides[OVERRIDES_MAX];
};

/* The one mutable global of the libraries: a log that has to be handed down everywhere would
 * not be used where it is needed most. */
static struct {
	const char *identifier;
	struct levels levels;
	bool is_journal;	     /* standard error leads to the journal */
	int journal;		     /* the socket for structured entries to it; -1: none */
	uint64_t impatient_until_ms; /* monotonic: journald does not keep up */
} state = { .identifier = "vmvitals", .levels = { .common = VMV_LOG_INFO }, .journal = -1 };

static const struct {
	const char *name;
	enum vmv_log_level level;
} level_names[] = {
	{ "error", VMV_LOG_ERROR }, { "warning", VMV_LOG_WARNING }, { "notice", VMV_LOG_NOTICE },
	{ "info", VMV_LOG_INFO },   { "debug", VMV_LOG_DEBUG },
};

/* systemd tells which descriptor leads to the journal: device and inode of standard error. */
static bool stderr_is_journal(void)
{
	const char *value = secure_getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;

	return value && vmv_parse_u64(value, &device, &value) == 0 && *value == ':' &&
	       vmv_parse_u64(value + 1, &inode, NULL) == 0 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

void vmv_log_open(const char *identifier)
{
	state.identifier = identifier;
	state.is_journal = stderr_is_journal();
	vmv_closep(&state.journal);
	state.journal = state.is_journal ? vmv_journal_open() : -1;
}

static bool find_level(const char *name, size_t len, enum vmv_log_level *ret)
{
	for (size_t i = 0; i < VMV_COUNTOF(level_names); i++) {
		if (strlen(level_names[i].name) == len &&
		    memcmp(level_names[i].name, name, len) == 0) {
			*ret = level_names[i].level;
			return true;
		}
	}
	return false;
}

static int parse_levels(const char *spec, struct levels *ret, struct vmv_err *err)
{
	struct levels l = { .common = VMV_LOG_INFO };

	for (const char *p = spec;; p++) {
		size_t len = strcspn(p, ",");
		const char *eq = memchr(p, '=', len);
		size_t key = eq ? (size_t)(eq - p) : 0;
		enum vmv_log_level level;

		if (!find_level(eq ? eq + 1 : p, eq ? len - key - 1 : len, &level))
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"'%s': levels are error, warning, notice, info, debug",
					spec);
		if (!eq) {
			l.common = level;
		} else {
			if (l.n == OVERRIDES_MAX || key == 0 || key >= SUBSYS_SIZE)
				return vmv_fail(err, VMV_E_RANGE, EINVAL,
						"'%s': bad or too many subsystems", spec);
			memcpy(l.overrides[l.n].subsys, p, key);
			l.overrides[l.n++].level = level;
		}
		p += len;
		if (*p == '\0')
			break;
	}
	*ret = l;
	return 0;
}

int vmv_log_check_levels(const char *spec, struct vmv_err *err)
{
	struct levels l;

	return parse_levels(spec, &l, err);
}

int vmv_log_set_levels(const char *spec, struct vmv_err *err)
{
	return parse_levels(spec, &state.levels, err);
}

bool vmv_log_wants(enum vmv_log_level level, const char *subsys)
{
	for (size_t i = 0; i < state.levels.n; i++)
		if (strcmp(state.levels.overrides[i].subsys, subsys) == 0)
			return level <= state.levels.overrides[i].level;
	return level <= state.levels.common;
}

/* journald may be a little behind after a burst: an entry that waits for it a moment keeps its
 * fields. One that does not catch up is not waited for again for a while. */
static int send_entry(const struct vmv_log_field *all, size_t n)
{
	int r = vmv_journal_send(state.journal, VMV_JOURNAL_SOCKET, all, n);

	for (int tries = 0; r == -EAGAIN && tries < JOURNAL_TRIES; tries++) {
		uint64_t now_ms = vmv_mono_ms(&vmv_clock_system);

		if (now_ms < state.impatient_until_ms)
			break;
		(void)poll(NULL, 0, JOURNAL_WAIT_MS);
		r = vmv_journal_send(state.journal, VMV_JOURNAL_SOCKET, all, n);
		if (r == -EAGAIN && tries == JOURNAL_TRIES - 1)
			state.impatient_until_ms = now_ms + JOURNAL_REST_MS;
	}
	return r;
}

static bool to_journal(enum vmv_log_level level, const char *subsys, const char *message_id,
		       const struct vmv_log_field *fields, const char *message)
{
	char priority[2] = { (char)('0' + (int)level), '\0' };
	struct vmv_log_field all[VMV_JOURNAL_FIELDS_MAX] = {
		{ "MESSAGE", message },
		{ "PRIORITY", priority },
		{ "SYSLOG_IDENTIFIER", state.identifier },
		{ "VMVITALS_SUBSYSTEM", subsys },
		{ "MESSAGE_ID", message_id },
	};
	size_t n = 5;

	for (size_t i = 0; fields && fields[i].name && i < VMV_LOG_FIELDS_MAX; i++)
		if (fields[i].value && strlen(fields[i].value) <= FIELD_TEXT_MAX)
			all[n++] = fields[i];
	return send_entry(all, n) == 0;
}

/* While nobody reads what was written (journald, a pipe to a logger that hangs, a terminal that was
 * stopped) the line is lost: an agent that waits for its log is worse. What poll() calls writable
 * takes so short a line at once. */
static void write_line(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (send(STDERR_FILENO, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno != ENOTSOCK)
		return;
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
		(void)!write(STDERR_FILENO, line, len);
}

static const char *severity(enum vmv_log_level level)
{
	if (level <= VMV_LOG_ERROR)
		return "error: ";
	return level == VMV_LOG_WARNING ? "warning: " : "";
}

static void to_stderr(enum vmv_log_level level, const char *subsys, const char *message)
{
	char line[LINE_SIZE];
	int len = state.is_journal
			  ? snprintf(line, sizeof(line), "<%d>%s: %s", (int)level, subsys, message)
			  : snprintf(line, sizeof(line), "%s: %s%s: %s", state.identifier,
				     severity(level), subsys, message);
	size_t n = len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1;

	line[n++] = '\n';
	write_line(line, n);
}

/* Text from outside may be part of a message: it must not forge a second line. */
static void flatten(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void vmv_log_entry(enum vmv_log_level level, const char *subsys, const char *message_id,
		   const struct vmv_log_field *fields, const char *fmt, ...)
{
	char message[MESSAGE_SIZE];
	int saved = errno;
	va_list ap;

	if (!vmv_log_wants(level, subsys))
		return;
	va_start(ap, fmt);
	errno = saved; /* for %m */
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	flatten(message);
	if (state.journal < 0 || !to_journal(level, subsys, message_id, fields, message))
		to_stderr(level, subsys, message);
	errno = saved;
}
