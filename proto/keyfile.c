#include "proto/keyfile.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEED_WORD "vmvitals-ed25519-seed"

/* -- reading -------------------------------------------------------------------------------- */

static int denied(struct vmv_err *err, const char *path, const char *why)
{
	return vmv_fail(err, VMV_E_DENIED, EPERM, "'%.128s' %s", path, why);
}

static int check_file(int fd, const char *path, enum vmv_keyfile kind, uid_t owner,
		      struct vmv_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot look at '%.128s': %s", path,
				strerror(errno));
	if (!S_ISREG(st.st_mode))
		return denied(err, path, "is no regular file");
	if (kind == VMV_KEYFILE_ANY)
		return 0;
	if (st.st_uid != 0 && st.st_uid != owner)
		return denied(err, path, "belongs to somebody else");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return denied(err, path, "can be written by others");
	if (kind == VMV_KEYFILE_PRIVATE && (st.st_mode & (S_IRWXG | S_IRWXO)))
		return denied(err, path, "can be read by others");
	return 0;
}

/* Returns the length, or negative errno; -EFBIG when it does not fit with a NUL. */
static int read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, buf + len, cap - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len == cap)
			return -EFBIG;
	}
	buf[len] = '\0';
	return (int)len;
}

int vmv_keyfile_read(int dirfd, const char *path, enum vmv_keyfile kind, uid_t owner, char *buf,
		     size_t cap, struct vmv_err *err)
{
	/* NONBLOCK: a FIFO must not hold us up */
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	vmv_autoclose int fd = -1;
	int r;

	fd = openat(dirfd, path, flags | (kind == VMV_KEYFILE_PUBLIC ? O_NOFOLLOW : 0));
	if (fd < 0 && errno == ELOOP)
		return denied(err, path, "is a symbolic link");
	if (fd < 0) {
		r = errno;
		return vmv_fail(err, VMV_E_IO, r, "cannot open '%.128s': %s", path, strerror(r));
	}
	r = check_file(fd, path, kind, owner, err);
	if (r < 0)
		return r;
	r = read_all(fd, buf, cap);
	if (r == -EFBIG)
		return vmv_fail(err, VMV_E_PARSE, EFBIG, "'%.128s' is too long", path);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read '%.128s': %s", path, strerror(-r));
	if (strlen(buf) != (size_t)r)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "'%.128s' is no text", path);
	return r;
}

/* -- writing -------------------------------------------------------------------------------- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Mode as given whatever the umask; on the disk before this returns. */
static int fill(int fd, mode_t mode, const char *text)
{
	int r;

	if (fchmod(fd, mode) < 0)
		return -errno;
	r = write_all(fd, text, strlen(text));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int vmv_keyfile_create(int dirfd, const char *path, mode_t mode, const char *text,
		       struct vmv_err *err)
{
	vmv_autoclose int fd = -1;
	int r;

	fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    mode & (S_IRUSR | S_IWUSR));
	if (fd < 0) {
		r = errno;
		return vmv_fail(err, VMV_E_IO, r, "cannot create '%.128s': %s", path, strerror(r));
	}
	r = fill(fd, mode, text);
	if (r == 0)
		return 0;
	(void)unlinkat(dirfd, path, 0);
	return vmv_fail(err, VMV_E_IO, -r, "cannot write '%.128s': %s", path, strerror(-r));
}

int vmv_keyfile_install(int dirfd, const char *name, const char *text, struct vmv_err *err)
{
	char uuid[VMV_UUID_SIZE], temp[VMV_UUID_SIZE + 8];
	int r = vmv_uuid_random(uuid);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "no random numbers: %s", strerror(-r));
	(void)snprintf(temp, sizeof(temp), ".%s.new", uuid); /* it does not end in .pub */
	r = vmv_keyfile_create(dirfd, temp, 0644, text, err);
	if (r < 0)
		return r;
	if (renameat(dirfd, temp, dirfd, name) < 0) {
		r = errno;
		(void)unlinkat(dirfd, temp, 0);
		return vmv_fail(err, VMV_E_IO, r, "cannot write '%.128s': %s", name, strerror(r));
	}
	if (fsync(dirfd) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot write the directory: %s",
				strerror(errno));
	return 0;
}

/* -- texts ---------------------------------------------------------------------------------- */

/* The first line that is neither blank nor a comment; NULL: there is none. */
static const char *first_line(const char *text, size_t *ret_len)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		size_t blanks = strspn(text, " \t\r");

		if (blanks < len && text[blanks] != '#') {
			*ret_len = len;
			return text;
		}
		text += len + (text[len] == '\n');
	}
	return NULL;
}

static size_t without_tail(const char *line, size_t len)
{
	while (len > 0 && strchr(" \t\r", line[len - 1]))
		len--;
	return len;
}

/* A key, public or private, in base64, and behind it the end or a blank. */
static bool read_key(const char *line, size_t len, uint8_t ret[VMV_PUBLIC_SIZE])
{
	size_t n = VMV_BASE64_LEN(VMV_PUBLIC_SIZE), got = 0;
	uint8_t bytes[VMV_BASE64_BYTES(VMV_BASE64_LEN(VMV_PUBLIC_SIZE))];
	bool ok = len >= n && (len == n || strchr(" \t", line[n])) &&
		  vmv_base64_decode(line, n, bytes, &got) && got == VMV_PUBLIC_SIZE;

	if (ok)
		memcpy(ret, bytes, VMV_PUBLIC_SIZE);
	explicit_bzero(bytes, sizeof(bytes)); /* it may be a seed */
	return ok;
}

int vmv_public_parse(const char *text, uint8_t ret[VMV_PUBLIC_SIZE],
		     char comment[VMV_KEY_COMMENT_MAX], struct vmv_err *err)
{
	size_t len = 0, n = VMV_BASE64_LEN(VMV_PUBLIC_SIZE);
	const char *line = first_line(text, &len);

	if (line)
		len = without_tail(line, len);
	if (!line || !read_key(line, len, ret))
		return vmv_fail(err, VMV_E_PARSE, EINVAL,
				"no public key: 44 characters of base64 are expected");
	if (!comment)
		return 0;
	n += strspn(line + n, " \t");
	len = n < len ? len - n : 0;
	if (len >= VMV_KEY_COMMENT_MAX)
		len = VMV_KEY_COMMENT_MAX - 1;
	memcpy(comment, line + n, len);
	comment[len] = '\0';
	return 0;
}

int vmv_seed_parse(const char *text, uint8_t ret[VMV_SEED_SIZE], struct vmv_err *err)
{
	size_t len = 0, n = strlen(SEED_WORD);
	const char *line = first_line(text, &len);

	if (line)
		len = without_tail(line, len);
	if (!line || len < n || memcmp(line, SEED_WORD, n) != 0 || !strchr(" \t", line[n]))
		return vmv_fail(err, VMV_E_PARSE, EINVAL,
				"no private key: '" SEED_WORD "' is expected");
	n += strspn(line + n, " \t");
	if (n > len || !read_key(line + n, len - n, ret))
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "a malformed private key");
	return 0;
}

int vmv_secret_parse(const char *text, struct vmv_span *ret, struct vmv_err *err)
{
	size_t len = without_tail(text, strcspn(text, "\n"));

	if (len == 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "no secret in its first line");
	if (len > VMV_SECRET_MAX)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "the secret is too long");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20)
			return vmv_fail(err, VMV_E_PARSE, EINVAL,
					"a control character in the secret");
	*ret = (struct vmv_span){ text, len };
	return 0;
}

void vmv_public_line(const uint8_t pub[VMV_PUBLIC_SIZE], const char *comment, char *ret,
		     size_t size)
{
	char text[VMV_BASE64_LEN(VMV_PUBLIC_SIZE) + 1];

	vmv_base64(pub, VMV_PUBLIC_SIZE, text);
	if (comment && *comment)
		(void)snprintf(ret, size, "%s %.*s\n", text, VMV_KEY_COMMENT_MAX - 1, comment);
	else
		(void)snprintf(ret, size, "%s\n", text);
}

void vmv_seed_text(const uint8_t seed[VMV_SEED_SIZE], char ret[VMV_SEED_TEXT_SIZE])
{
	char text[VMV_BASE64_LEN(VMV_SEED_SIZE) + 1];

	vmv_base64(seed, VMV_SEED_SIZE, text);
	(void)snprintf(ret, VMV_SEED_TEXT_SIZE,
		       "# Private key for signing commands to guests. Whoever has it commands "
		       "them.\n" SEED_WORD " %s\n",
		       text);
	explicit_bzero(text, sizeof(text));
}
