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

#define VMV_SPEC_TARGET_MAX 256

struct vmv_spec {
	enum vmv_transport transport;
	char target[VMV_SPEC_TARGET_MAX];    /* NAME, DEVICE or PATH; "" for stdio */
	uint32_t port;			     /* vsock */
	char name[VMV_SPEC_TARGET_MAX + 32]; /* without the suffix: how logs and hosts see it */
};

/* "virtio:NAME[,dialect=native]" and so on. Returns 0, or -EINVAL with err set. */
int vmv_spec_parse(const char *text, struct vmv_spec *ret, struct vmv_err *err);

#endif
