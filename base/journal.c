#include "base/journal.h"

#include "base/cleanup.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u /* Linux 6.3 */
#endif

#define PIECES_MAX 5 /* of one field: name, newline, length, value, newline */
#define SEALS	   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* An entry as pieces of memory that lie elsewhere. */
struct entry {
	struct iovec iov[VMV_JOURNAL_FIELDS_MAX * PIECES_MAX];
	uint64_t lengths[VMV_JOURNAL_FIELDS_MAX]; /* little-endian, of values with newlines */
	size_t n_iov, n_fields;
};

int vmv_journal_open(void)
{
	const int room =
		1 << 20; /* the kernel may give less; the default holds some ninety entries */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return fd;
}

/* Neither sendmsg nor writev writes to what it is given; their type just cannot say so. */
static struct iovec piece(const void *data, size_t len)
{
	union {
		const void *from;
		void *to;
	} u = { .from = data };

	return (struct iovec){ .iov_base = u.to, .iov_len = len };
}

/* NAME=value, or with a newline in the value: NAME, newline, 64 bits of length, value. */
static void add_field(struct entry *e, const struct vmv_log_field *f)
{
	size_t len = strlen(f->value);
	uint64_t *length = &e->lengths[e->n_fields++];

	e->iov[e->n_iov++] = piece(f->name, strlen(f->name));
	if (memchr(f->value, '\n', len)) {
		*length = htole64(len);
		e->iov[e->n_iov++] = piece("\n", 1);
		e->iov[e->n_iov++] = piece(length, sizeof(*length));
	} else {
		e->iov[e->n_iov++] = piece("=", 1);
	}
	e->iov[e->n_iov++] = piece(f->value, len);
	e->iov[e->n_iov++] = piece("\n", 1);
}

static int make_entry(struct entry *e, const struct vmv_log_field *fields, size_t n)
{
	if (n > VMV_JOURNAL_FIELDS_MAX)
		return -E2BIG;
	e->n_iov = e->n_fields = 0;
	for (size_t i = 0; i < n; i++)
		if (fields[i].value)
			add_field(e, &fields[i]);
	return e->n_fields > 0 ? 0 : -EINVAL;
}

static int make_address(struct sockaddr_un *ret, const char *path)
{
	size_t len = strlen(path);

	if (len >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, len + 1);
	return 0;
}

static int send_message(int fd, const struct msghdr *m)
{
	return sendmsg(fd, m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Consumes the pieces. */
static int write_all(int fd, struct iovec *iov, size_t n)
{
	while (n > 0) {
		ssize_t done = writev(fd, iov, (int)n);

		if (done < 0 && errno != EINTR)
			return -errno;
		for (; n > 0 && done >= (ssize_t)iov->iov_len; iov++, n--)
			done -= (ssize_t)iov->iov_len;
		if (n > 0 && done > 0) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= (size_t)done;
		}
	}
	return 0;
}

/* Kernels since 6.3 may refuse memory files that could be executed; older ones know no other. */
static int open_memory(void)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("vmvitals-journal", flags | MFD_NOEXEC_SEAL);

	return fd < 0 && errno == EINVAL ? memfd_create("vmvitals-journal", flags) : fd;
}

/* journald takes the descriptor of a file that nobody can change any more. */
static int send_descriptor(int fd, int memory, struct msghdr *m)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct cmsghdr *c;

	m->msg_iov = NULL;
	m->msg_iovlen = 0;
	m->msg_control = control.bytes;
	m->msg_controllen = sizeof(control.bytes);
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &memory, sizeof(memory));
	return send_message(fd, m);
}

static int send_as_file(int fd, struct entry *e, struct msghdr *m)
{
	vmv_autoclose int memory = open_memory();
	int r;

	if (memory < 0)
		return -errno;
	r = write_all(memory, e->iov, e->n_iov);
	if (r < 0)
		return r;
	if (fcntl(memory, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return send_descriptor(fd, memory, m);
}

int vmv_journal_send(int fd, const char *socket_path, const struct vmv_log_field *fields, size_t n)
{
	struct sockaddr_un address;
	struct entry e;
	struct msghdr m = {
		.msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = e.iov,
	};
	int r;

	r = make_address(&address, socket_path);
	if (r < 0)
		return r;
	r = make_entry(&e, fields, n);
	if (r < 0)
		return r;
	m.msg_iovlen = e.n_iov;
	r = send_message(fd, &m);
	return r == -EMSGSIZE || r == -ENOBUFS ? send_as_file(fd, &e, &m) : r;
}
