/* A connection to one agent: its listening socket, the host end of QEMU's virtio-serial chardev,
 * or a guest socket of the hub. For tools that live shortly: every call waits, but never beyond
 * its deadline. PROTOCOL.md 2 tells what it does. */
#ifndef VMV_HOST_CLIENT_H
#define VMV_HOST_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_client;
struct vmv_clock;
struct vmv_err;
struct vmv_identity;

#define VMV_CLIENT_GREETING_MS 2000 /* no handshake in this time: a new session is asked for */
#define VMV_CLIENT_ACK_BYTES   (16 * 1024)
#define VMV_CLIENT_ACK_LINES   16
#define VMV_CLIENT_ACK_MS      1000
#define VMV_CLIENT_DOUBTS_MAX  32 /* lines in a row that are no messages: not an agent */

/* Common errors of all calls that wait, with err set:
 * -ETIMEDOUT the deadline (monotonic, milliseconds) passed; VMV_E_IO, or VMV_E_PARSE when nothing
 *            but lines that are no messages came
 * -ECONNRESET the other side hung up, VMV_E_IO
 * -ECANCELED stop_fd became readable
 * -EPROTO too many lines that are no messages, VMV_E_PARSE
 * -ENOMEM, and what the socket said, VMV_E_IO */

/* A connected stream socket for the unix socket at path, not blocking. Returns the descriptor, or
 * negative errno with err set: VMV_E_BUSY when its queue is full, else VMV_E_IO. */
int vmv_client_dial(const char *path, struct vmv_err *err);

/* Takes fd (also when it fails). stop_fd (-1: none) and clock are borrowed. NULL: out of memory. */
struct vmv_client *vmv_client_new(int fd, int stop_fd, const struct vmv_clock *clock);
void vmv_client_free(struct vmv_client *c);

/* Begins: sends the first LF and waits for a handshake; after greeting_ms without one asks for a
 * new session by Ping and takes the identity from whichever comes. An agent that refuses that Ping
 * is taken as it is, with an unknown identity. Returns 0 or a common error. */
int vmv_client_greet(struct vmv_client *c, uint64_t greeting_ms, uint64_t deadline_ms,
		     struct vmv_err *err);

/* Queues one line, without its LF, and writes what goes at once; the rest goes while waiting.
 * Returns 0, -ENOBUFS (VMV_E_BUSY) when the agent has not read for long, or as above. */
int vmv_client_send(struct vmv_client *c, const char *line, size_t len, struct vmv_err *err);

/* The next message, of whatever type: a new reference in *ret. Handshakes have done their work
 * by then. Returns 0 or a common error. */
int vmv_client_next(struct vmv_client *c, uint64_t deadline_ms, struct json_object **ret,
		    struct vmv_err *err);

/* A JSON value for an argument of an action. */
struct vmv_client_arg {
	const char *name;
	const char *json;
};

/* Asks for an action and waits for its answer; messages in between are dropped. If a new session
 * begins meanwhile the question is asked again. args ends with a NULL name, or is NULL. Returns 0
 * and a new reference to the answer's data in *ret (NULL if null), a common error, or what
 * vmv_answer_check says. */
int vmv_client_call(struct vmv_client *c, const char *action, const struct vmv_client_arg *args,
		    uint64_t deadline_ms, struct json_object **ret, struct vmv_err *err);

/* Waits until the greeting is over: the session's first metrics are here, or settle_ms have passed
 * (an agent holds replies back so long). Returns 0 or a common error other than -ETIMEDOUT. */
int vmv_client_settle(struct vmv_client *c, uint64_t settle_ms, struct vmv_err *err);

/* Of the current session. Borrowed until the next call that waits. */
const struct vmv_identity *vmv_client_identity(const struct vmv_client *c);
/* The latest handshake or, without one, the data of the Ping; NULL when there was neither. */
struct json_object *vmv_client_handshake(const struct vmv_client *c);
/* The data of the session's latest metrics message; NULL when there was none. */
struct json_object *vmv_client_metrics(const struct vmv_client *c);

#endif
