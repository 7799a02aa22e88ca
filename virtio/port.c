#include "virtio/port.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define CLASS "class/virtio-ports"

static bool has_name(int class_dir, const char *node, const char *want)
{
	char path[64], name[256];

	/* the attribute appears a moment after the node: no name yet is no match */
	return snprintf(path, sizeof(path), "%s/name", node) < (int)sizeof(path) &&
	       vmv_read_attr_at(class_dir, path, name, sizeof(name)) >= 0 &&
	       strcmp(name, want) == 0;
}

int vmv_port_find(int sysfs, const char *name, char node[VMV_NODE_SIZE])
{
	int fd = openat(sysfs, CLASS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	}
	while ((d = readdir(dir))) {
		if (strncmp(d->d_name, "vport", 5) != 0 || strlen(d->d_name) >= VMV_NODE_SIZE)
			continue;
		if (has_name(dirfd(dir), d->d_name, name)) {
			memcpy(node, d->d_name, strlen(d->d_name) + 1);
			return 0;
		}
	}
	return -ENOENT;
}

static int open_device(const char *path, struct vmv_err *err)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0)
		return fd;
	/* the node can go between the look into sysfs and the open */
	if (errno == ENXIO || errno == ENODEV)
		errno = ENOENT;
	return vmv_fail(err, VMV_E_IO, errno, "cannot open '%s': %s", path, strerror(errno));
}

int vmv_port_open(int sysfs, const char *name, struct vmv_err *err)
{
	char node[VMV_NODE_SIZE], path[512];
	int r = vmv_port_find(sysfs, name, node);

	if (r < 0 && r != -ENOENT)
		return vmv_fail(err, VMV_E_IO, -r, "cannot look for port '%s': %s", name,
				strerror(-r));
	if (r == 0)
		(void)snprintf(path, sizeof(path), "/dev/%s", node);
	else /* sysfs not mounted: udev's link */
		(void)snprintf(path, sizeof(path), "/dev/virtio-ports/%s", name);
	return open_device(path, err);
}

int vmv_device_open(const char *path, struct vmv_err *err)
{
	vmv_autoclose int fd = open_device(path, err);
	struct termios t;

	if (fd >= 0 && isatty(fd) && tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		t.c_cflag |= CLOCAL;
		if (tcsetattr(fd, TCSANOW, &t) < 0)
			return vmv_fail(err, VMV_E_IO, errno, "cannot make '%s' raw: %s", path,
					strerror(errno));
	}
	return VMV_TAKE(fd, -1);
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

static int unix_socket(struct vmv_err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot make a socket: %s", strerror(errno));
	return fd;
}

int vmv_unix_connect(const char *path, struct vmv_err *err)
{
	struct sockaddr_un a = unix_address(path);
	vmv_autoclose int fd = unix_socket(err);

	if (fd < 0)
		return fd;
	/* a unix socket connects at once or says EAGAIN: its backlog is full */
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot connect to '%s': %s", path,
				strerror(errno));
	return VMV_TAKE(fd, -1);
}

/* Removes a socket file that a former listener left behind. */
static int clear_stale(const char *path, const struct sockaddr_un *a, struct vmv_err *err)
{
	vmv_autoclose int probe = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return vmv_fail(err, VMV_E_IO, EEXIST, "'%s' is there and is no socket", path);
	probe = unix_socket(err);
	if (probe < 0)
		return probe;
	if (connect(probe, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN)
		return vmv_fail(err, VMV_E_IO, EADDRINUSE, "another process listens on '%s'", path);
	if (errno == ECONNREFUSED && unlink(path) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot replace '%s': %s", path,
				strerror(errno));
	return 0;
}

int vmv_unix_listen(const char *path, struct vmv_err *err)
{
	struct sockaddr_un a = unix_address(path);
	vmv_autoclose int fd = -1;
	mode_t mask;
	int r = clear_stale(path, &a, err);

	if (r < 0)
		return r;
	fd = unix_socket(err);
	if (fd < 0)
		return fd;
	mask = umask(0117); /* 0660 from its first moment */
	r = bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0 || listen(fd, 8) < 0)
		return vmv_fail(err, VMV_E_IO, r < 0 ? -r : errno, "cannot listen on '%s': %s",
				path, strerror(r < 0 ? -r : errno));
	return VMV_TAKE(fd, -1);
}

int vmv_vsock_listen(uint32_t port, struct vmv_err *err)
{
	struct sockaddr_vm a = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	vmv_autoclose int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot listen on vsock port %u: %s", port,
				strerror(errno));
	return VMV_TAKE(fd, -1);
}

int vmv_socket_accept(int listener)
{
	int fd;

	do {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	return fd < 0 ? -errno : fd;
}
