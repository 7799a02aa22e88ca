/* A guest that is asked for more than a look: the connection, who signs, and the signals that end
 * the tool. */
#ifndef VMV_HOST_REMOTE_H
#define VMV_HOST_REMOTE_H

#include <stddef.h>

struct vmv_cli;
struct vmv_client;
struct vmv_err;
struct vmv_signer;

#define VMV_REMOTE_CONNECT_MS 10000 /* connecting and greeting, however long the command has */

/* Plain values; all are owned. */
struct vmv_remote {
	const struct vmv_cli *cli; /* borrowed */
	struct vmv_client *client;
	struct vmv_signer *signer; /* NULL: lines go bare */
	int stop_fd;
	int signal; /* that asked to stop; 0: none */
};

/* Opens the key or the secret if the options name one, connects and greets. Returns 0, or negative
 * errno with err set; vmv_remote_close in either case. */
int vmv_remote_open(const struct vmv_cli *cli, struct vmv_remote *ret, struct vmv_err *err);
void vmv_remote_close(struct vmv_remote *r);

/* Sends a message, without its LF, in an envelope for the current session if there is a signer.
 * Refuses (VMV_E_DENIED) where another guest answers than the one the options name. */
int vmv_remote_send(struct vmv_remote *r, const char *message, size_t len, struct vmv_err *err);

#endif
