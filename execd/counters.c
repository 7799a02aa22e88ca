#include "execd/counters.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "base/uuid.h"
#include "proto/sign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file has a slot for each key: "KEY COUNTER\n", the counter in 20 digits. It is written with one
 * pwrite to a file in memory, which a kill does not cut short. */
#define PREFIX	  "counters-"
#define SLOT_SIZE 38
#define FILE_SIZE ((size_t)SLOT_SIZE * VMV_KEYS_MAX)
#define NAME_SIZE (sizeof(PREFIX) + VMV_UUID_SIZE)

struct vmv_counters {
	int dir;
};

struct slots {
	char text[FILE_SIZE + 1];
	size_t n;
};

static bool name_of(const char *session, char ret[NAME_SIZE])
{
	size_t len = strlen(session);

	if (len == 0 || len >= VMV_UUID_SIZE || strspn(session, "0123456789abcdef-") != len)
		return false;
	(void)snprintf(ret, NAME_SIZE, PREFIX "%s", session);
	return true;
}

static int check_owner(int fd, mode_t type)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != type || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	return 0;
}

int vmv_counters_open(struct vmv_counters **ret, const char *dir)
{
	vmv_autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct vmv_counters *c;
	int r = fd < 0 ? -errno : check_owner(fd, S_IFDIR);

	if (r < 0)
		return r;
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->dir = VMV_TAKE(fd, -1);
	*ret = c;
	return 0;
}

void vmv_counters_free(struct vmv_counters *c)
{
	if (!c)
		return;
	(void)close(c->dir);
	free(c);
}

/* -- slots ---------------------------------------------------------------------------------- */

static bool parse_slot(const char *slot, int64_t *ret)
{
	char text[SLOT_SIZE + 1];
	const char *end;

	memcpy(text, slot, SLOT_SIZE);
	text[SLOT_SIZE] = '\0';
	return vmv_key_id_valid(text, strcspn(text, " ")) &&
	       vmv_parse_i64(text + VMV_KEY_ID_SIZE, ret, &end) == 0 &&
	       end == text + SLOT_SIZE - 1 && strcmp(end, "\n") == 0;
}

/* A file that is not as we write it tells nothing that could be trusted: -EBADMSG. */
static int read_slots(int fd, struct slots *ret)
{
	ssize_t n = pread(fd, ret->text, sizeof(ret->text), 0);
	int64_t v;

	if (n < 0)
		return -errno;
	if (n % SLOT_SIZE != 0 || (size_t)n > FILE_SIZE)
		return -EBADMSG;
	ret->n = (size_t)n / SLOT_SIZE;
	for (size_t i = 0; i < ret->n; i++)
		if (!parse_slot(ret->text + i * SLOT_SIZE, &v))
			return -EBADMSG;
	return 0;
}

/* Its slot, or the first free one, with 0. */
static size_t find_slot(const struct slots *s, const char *key, int64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < s->n; i++) {
		const char *slot = s->text + i * SLOT_SIZE;

		if (memcmp(slot, key, VMV_KEY_ID_SIZE - 1) == 0) {
			(void)parse_slot(slot, ret);
			return i;
		}
	}
	return s->n;
}

static int write_slot(int fd, size_t i, const char *key, int64_t counter)
{
	char text[SLOT_SIZE + 1];
	ssize_t n;

	(void)snprintf(text, sizeof(text), "%s %020" PRId64 "\n", key, counter);
	n = pwrite(fd, text, SLOT_SIZE, (off_t)(i * SLOT_SIZE));
	if (n < 0)
		return -errno;
	return n == SLOT_SIZE ? 0 : -EIO; /* and from now on it cannot be read */
}

static int use(int fd, const char *key, int64_t counter, int64_t *ret_last)
{
	struct slots s;
	int64_t last;
	size_t i;
	int r = read_slots(fd, &s);

	if (r < 0)
		return r;
	i = find_slot(&s, key, &last);
	*ret_last = last;
	if (counter == 0)
		return 0;
	if (counter <= last)
		return -EEXIST;
	return i < VMV_KEYS_MAX ? write_slot(fd, i, key, counter) : -ENOSPC;
}

int vmv_counters_use(struct vmv_counters *c, const char *session, const char *key, int64_t counter,
		     int64_t *ret_last)
{
	vmv_autoclose int fd = -1;
	char name[NAME_SIZE];
	int r;

	if (!name_of(session, name) || !vmv_key_id_valid(key, strlen(key)) || counter < 0)
		return -EINVAL;
	fd = openat(c->dir, name,
		    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (counter > 0 ? O_CREAT : 0),
		    0600);
	if (fd < 0 && errno == ENOENT && counter == 0) {
		*ret_last = 0;
		return 0;
	}
	r = fd < 0 ? -errno : check_owner(fd, S_IFREG);
	if (r == 0)
		r = use(fd, key, counter, ret_last);
	if (r < 0 && r != -EEXIST && r != -ENOSPC)
		vmv_log(VMV_LOG_ERROR, "counters", "cannot use '%s': %s", name, strerror(-r));
	return r;
}

/* -- the end of sessions ---------------------------------------------------------------------- */

static void remove_file(const struct vmv_counters *c, const char *name)
{
	if (unlinkat(c->dir, name, 0) < 0 && errno != ENOENT)
		vmv_log(VMV_LOG_WARNING, "counters", "cannot remove '%s', ignoring: %s", name,
			strerror(errno));
}

void vmv_counters_drop(struct vmv_counters *c, const char *session)
{
	char name[NAME_SIZE];

	if (name_of(session, name))
		remove_file(c, name);
}

static bool is_kept(const char *session, const char *const *sessions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(sessions[i], session) == 0)
			return true;
	return false;
}

void vmv_counters_keep_only(struct vmv_counters *c, const char *const *sessions, size_t n)
{
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((e = readdir(d)))
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		    !is_kept(e->d_name + strlen(PREFIX), sessions, n))
			remove_file(c, e->d_name);
}
