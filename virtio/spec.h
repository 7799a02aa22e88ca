/* Channel specifications as they stand in options and agent.conf. */
#ifndef VMV_VIRTIO_SPEC_H
#define VMV_VIRTIO_SPEC_H

#include <stdint.h>

struct vmv_err;

enum vmv_transport {
	VMV_TRANSPORT_VIRTIO,	    /* virtio:NAME */
	VMV_TRANSPORT_PATH,	    /* path:DEVICE */
	VMV_TRANSPORT_UNIX_LISTEN,  /* unix-listen:PATH */
	VMV_TRANSPORT_UNIX_CONNECT, /* unix-connect:PATH */
	VMV_TRANSPORT_VSOCK_LISTEN, /* vsock-listen:PORT */
	VMV_TRANSPORT_STDIO,	    /* stdio */
};

/* The language that is spoken on it. */
enum vmv_dialect {
	VMV_DIALECT_NATIVE,
	VMV_DIALECT_QGA, /* the QEMU guest agent's: docs/QGA.md */
};

#define VMV_SPEC_TARGET_MAX 256
#define VMV_SPEC_QGA_PORT   "org.qemu.guest_agent.0" /* speaks it unless told otherwise */

struct vmv_spec {
	enum vmv_transport transport;
	enum vmv_dialect dialect;
	char target[VMV_SPEC_TARGET_MAX];    /* NAME, DEVICE or PATH; "" for stdio */
	uint32_t port;			     /* vsock */
	char name[VMV_SPEC_TARGET_MAX + 32]; /* without the suffix: how logs and hosts see it */
};

/* "virtio:NAME[,dialect=native|qga]" and so on. Returns 0, or -EINVAL with err set. */
int vmv_spec_parse(const char *text, struct vmv_spec *ret, struct vmv_err *err);

/* "native", "qga" */
const char *vmv_dialect_name(enum vmv_dialect dialect);

#endif
