/* Finding and opening what a channel runs over: ports, devices, sockets. */
#ifndef VMV_VIRTIO_PORT_H
#define VMV_VIRTIO_PORT_H

#include <stddef.h>
#include <stdint.h>

struct vmv_err;

#define VMV_NODE_SIZE 32 /* "vport12p30" */

/* The device node of the virtio-serial port of this exact name, from
 * sys/class/virtio-ports/NODE/name. Returns 0, or -ENOENT when there is no such port (yet). */
int vmv_port_find(int sysfs, const char *name, char node[VMV_NODE_SIZE]);

/* Each returns a descriptor (non-blocking, close-on-exec, owned by the caller) or negative errno
 * with err set. -ENOENT: not there (yet). -EBUSY: another process holds the port. */
int vmv_port_open(int sysfs, const char *name, struct vmv_err *err);
int vmv_device_open(const char *path, struct vmv_err *err); /* a terminal is made raw */
int vmv_unix_connect(const char *path, struct vmv_err *err);

/* Listening sockets. A socket file that nobody listens on any more is replaced; one in use is
 * -EADDRINUSE. The file gets mode 0660. */
int vmv_unix_listen(const char *path, struct vmv_err *err);
int vmv_vsock_listen(uint32_t port, struct vmv_err *err);

/* Accepts one connection. Returns the descriptor or negative errno (-EAGAIN: none waits). */
int vmv_socket_accept(int listener);

#endif
