#include "execd/sessions.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME    "sessions"
#define TEMP_NAME    "sessions.tmp"
#define NAME_MAX_LEN 255
#define FILE_MAX     (VMV_CHANNELS_MAX * (NAME_MAX_LEN + VMV_UUID_SIZE + 2))

struct session {
	char channel[NAME_MAX_LEN + 1];
	char id[VMV_UUID_SIZE];
};

struct vmv_sessions {
	int dir;
	struct session list[VMV_CHANNELS_MAX]; /* in the order in which they began */
	size_t n;
};

/* Its place, or s->n. */
static size_t find(const struct vmv_sessions *s, const char *channel)
{
	size_t i = 0;

	while (i < s->n && strcmp(s->list[i].channel, channel) != 0)
		i++;
	return i;
}

/* -- the file: "UUID CHANNEL" a line ------------------------------------------------------------
 */

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Lies on a tmpfs: what counts is that no reader ever finds half of it. */
static int save(const struct vmv_sessions *s)
{
	struct vmv_buf text = { .max = FILE_MAX };
	char line[NAME_MAX_LEN + VMV_UUID_SIZE + 3];
	vmv_autoclose int fd = openat(s->dir, TEMP_NAME,
				      O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : 0;

	for (size_t i = 0; r == 0 && i < s->n; i++) {
		int n = snprintf(line, sizeof(line), "%s %s\n", s->list[i].id, s->list[i].channel);

		r = vmv_buf_add(&text, line, (size_t)n);
	}
	if (r == 0 && text.len > 0)
		r = write_all(fd, text.data, text.len);
	if (r == 0 && renameat(s->dir, TEMP_NAME, s->dir, FILE_NAME) < 0)
		r = -errno;
	vmv_buf_free(&text);
	return r;
}

static void parse_line(struct vmv_sessions *s, const char *line, size_t len)
{
	struct session *to = &s->list[s->n];
	size_t id = VMV_UUID_SIZE - 1;

	if (s->n == VMV_CHANNELS_MAX || len < id + 2 || line[id] != ' ' ||
	    len - id - 1 > NAME_MAX_LEN)
		return;
	memcpy(to->id, line, id);
	to->id[id] = '\0';
	memcpy(to->channel, line + id + 1, len - id - 1);
	to->channel[len - id - 1] = '\0';
	s->n++;
}

static int load(struct vmv_sessions *s)
{
	char text[FILE_MAX + 1];
	vmv_autoclose int fd = openat(s->dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (line[len] == '\0') /* cannot be: it was renamed into place */
			break;
		parse_line(s, line, len);
		line += len + 1;
	}
	return 0;
}

/* -- the table ----------------------------------------------------------------------------------
 */

int vmv_sessions_open(struct vmv_sessions **ret, const char *run_dir, struct vmv_err *err)
{
	struct vmv_sessions *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	s->dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = s->dir < 0 ? -errno : load(s);
	if (r < 0) {
		vmv_sessions_free(s);
		return vmv_fail(err, VMV_E_IO, -r, "%s: %s", run_dir, strerror(-r));
	}
	*ret = s;
	return 0;
}

void vmv_sessions_free(struct vmv_sessions *s)
{
	if (!s)
		return;
	vmv_closep(&s->dir);
	free(s);
}

static void take_out(struct vmv_sessions *s, size_t at)
{
	s->n--;
	memmove(&s->list[at], &s->list[at + 1], (s->n - at) * sizeof(s->list[0]));
}

int vmv_sessions_begin(struct vmv_sessions *s, const char *channel, char ret[VMV_UUID_SIZE])
{
	const struct vmv_sessions before = *s;
	size_t at = find(s, channel);
	struct session *to;
	int r;

	if (strlen(channel) > NAME_MAX_LEN)
		return -EINVAL;
	if (at == VMV_CHANNELS_MAX)
		return -ENOSPC;
	if (at < s->n)
		take_out(s, at);
	to = &s->list[s->n++];
	*to = (struct session){ .id = "" };
	(void)snprintf(to->channel, sizeof(to->channel), "%s", channel);
	r = vmv_uuid_random(to->id);
	if (r == 0)
		r = save(s);
	if (r == 0)
		memcpy(ret, to->id, VMV_UUID_SIZE);
	else
		*s = before;
	return r;
}

const char *vmv_sessions_oldest(const struct vmv_sessions *s)
{
	return s->n > 0 ? s->list[0].channel : NULL;
}

const char *vmv_sessions_of(const struct vmv_sessions *s, const char *channel)
{
	size_t at = find(s, channel);

	return at < s->n ? s->list[at].id : NULL;
}

const char *vmv_sessions_id(const struct vmv_sessions *s, size_t i)
{
	return i < s->n ? s->list[i].id : NULL;
}

bool vmv_sessions_end(struct vmv_sessions *s, const char *channel, const char *session)
{
	size_t at = find(s, channel);

	if (at == s->n || strcmp(s->list[at].id, session) != 0)
		return false;
	take_out(s, at);
	/* one that came back, without its counters, would take again what was signed for it: then
	 * rather none comes back */
	if (save(s) < 0)
		(void)unlinkat(s->dir, FILE_NAME, 0);
	return true;
}
