#include "collectors/keyed.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* -- keys ------------------------------------------------------------------------------ */

static bool begins_with(const char *source, const char *prefix, size_t len)
{
	size_t i = 0;

	while (i < len && source[i] == prefix[i] && source[i] != '\0')
		i++;
	return i == len;
}

struct vmv_keys vmv_keys_under(const struct vmv_keys *keys, const char *prefix, size_t len)
{
	struct vmv_keys under = { .skip = keys->skip + len + 1 };

	for (size_t i = 0; i < keys->n; i++) {
		const char *source = keys->fields[i].source + keys->skip;

		if (!begins_with(source, prefix, len) || source[len] != ' ') {
			if (under.n > 0)
				break; /* they stand together */
			continue;
		}
		if (under.n++ == 0)
			under.fields = &keys->fields[i];
	}
	return under;
}

/* Byte by byte: most differ in the first few, which is sooner found out than a call is made. */
static int compare(const char *key, size_t len, const char *source)
{
	size_t i = 0;

	while (i < len && key[i] == source[i] && key[i] != '\0')
		i++;
	return i < len ? (unsigned char)key[i] - (unsigned char)source[i]
		       : -(unsigned char)source[i];
}

const struct vmv_field *vmv_keys_find(const struct vmv_keys *keys, const char *key, size_t len)
{
	size_t from = 0, to = keys->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct vmv_field *f = &keys->fields[middle];
		int r = compare(key, len, f->source + keys->skip);

		if (r == 0)
			return f;
		if (r < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

void vmv_keys_put(void *sample, const struct vmv_field *f, uint64_t v)
{
	memcpy((char *)sample + f->offset, &v, sizeof(v));
}

/* -- files ------------------------------------------------------------------------------ */

static int read_pieces(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = pread(fd, buf + len, cap - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len == cap)
			return -EFBIG;
	}
	buf[len] = '\0';
	return (int)len;
}

static int reread(int *fd, int dirfd, const char *path, char *buf, size_t cap,
		  int (*read_fd)(int fd, char *buf, size_t cap))
{
	int r;

	if (dirfd < 0) /* an absent tree, never the working directory */
		return -ENOENT;
	if (*fd < 0)
		*fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	r = *fd < 0 ? -errno : read_fd(*fd, buf, cap);
	if (r < 0 && r != -EFBIG) {
		vmv_closep(fd);
		*fd = -1;
	}
	return r;
}

int vmv_reread(int *fd, int dirfd, const char *path, char *buf, size_t cap)
{
	return reread(fd, dirfd, path, buf, cap, vmv_read_fd);
}

int vmv_reread_table(int *fd, int dirfd, const char *path, char *buf, size_t cap)
{
	return reread(fd, dirfd, path, buf, cap, read_pieces);
}
