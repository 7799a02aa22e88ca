#include "host/client.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "host/answer.h"
#include "host/identity.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "proto/ndjson.h"

#define READ_SIZE     (64 * VMV_KIB)
#define OUT_MAX	      (16 * VMV_MIB) /* not read by the agent: further lines are refused */
#define REQUEST_MAX   (64 * VMV_KIB)
#define ASK_AGAIN_MAX 8 /* new sessions during one call */

struct vmv_client {
	const struct vmv_clock *clock;
	int fd;	     /* owned */
	int stop_fd; /* borrowed; -1: none */
	struct vmv_framer in;
	struct vmv_buf out;
	uint64_t received;	/* bytes since connecting */
	uint64_t session_start; /* received, at the first byte of the latest handshake */
	uint64_t ack_sent;	/* bytes of the session acknowledged */
	unsigned ack_lines;	/* lines since then */
	uint64_t ack_since_ms;	/* when the first of them came */
	unsigned sessions;	/* handshakes seen */
	unsigned doubts;	/* lines in a row that are no messages */
	bool has_ended;		/* end of file */
	struct vmv_identity identity;
	struct json_object *handshake; /* owned */
	struct json_object *metrics;   /* owned */
};

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

#define autoput VMV_CLEANUP(putp)

int vmv_client_dial(const char *path, struct vmv_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	vmv_autoclose int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return vmv_fail(err, VMV_E_IO, ENAMETOOLONG, "socket path '%.64s...' is too long",
				path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno == EAGAIN)
			return vmv_fail(err, VMV_E_BUSY, EAGAIN,
					"'%s' is busy: others are waiting for it already", path);
		return vmv_fail(err, VMV_E_IO, errno, "cannot connect to '%s': %s", path,
				strerror(errno));
	}
	return VMV_TAKE(fd, -1);
}

struct vmv_client *vmv_client_new(int fd, int stop_fd, const struct vmv_clock *clock)
{
	struct vmv_client *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)close(fd);
		return NULL;
	}
	c->clock = clock;
	c->fd = fd;
	c->stop_fd = stop_fd;
	c->out.max = OUT_MAX;
	vmv_framer_init(&c->in, VMV_RESPONSE_MAX);
	return c;
}

void vmv_client_free(struct vmv_client *c)
{
	if (!c)
		return;
	(void)close(c->fd);
	vmv_framer_free(&c->in);
	vmv_buf_free(&c->out);
	json_object_put(c->handshake);
	json_object_put(c->metrics);
	free(c);
}

const struct vmv_identity *vmv_client_identity(const struct vmv_client *c)
{
	return &c->identity;
}

struct json_object *vmv_client_handshake(const struct vmv_client *c)
{
	return c->handshake;
}

struct json_object *vmv_client_metrics(const struct vmv_client *c)
{
	return c->metrics;
}

/* -- the socket ---------------------------------------------------------------------- */

/* An agent that listens serves one peer at a time, and hangs up on others without a word. */
static int hung_up(const struct vmv_client *c, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, ECONNRESET, "the agent hung up%s",
			c->received > 0 ? "" : "; is another program connected there?");
}

static int socket_failed(const struct vmv_client *c, int sys, struct vmv_err *err)
{
	if (sys == EPIPE || sys == ECONNRESET)
		return hung_up(c, err);
	return vmv_fail(err, VMV_E_IO, sys, "the connection failed: %s", strerror(sys));
}

/* Once the other side has gone, what it sent before is still read; so writing ends quietly. */
static int flush(struct vmv_client *c, struct vmv_err *err)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			vmv_buf_drain(&c->out, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return 0;
		if (errno != EPIPE && errno != ECONNRESET)
			return socket_failed(c, errno, err);
		vmv_buf_clear(&c->out, 0);
	}
	return 0;
}

static int fill(struct vmv_client *c, struct vmv_err *err)
{
	char data[READ_SIZE];
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : socket_failed(c, errno, err);
	if (n == 0)
		c->has_ended = true;
	c->received += (uint64_t)n;
	if (vmv_framer_push(&c->in, data, (size_t)n) < 0)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	return 0;
}

int vmv_client_send(struct vmv_client *c, const char *line, size_t len, struct vmv_err *err)
{
	if (len >= OUT_MAX - c->out.len)
		return vmv_fail(err, VMV_E_BUSY, ENOBUFS, "the agent does not read");
	if (vmv_buf_add(&c->out, line, len) < 0)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (vmv_buf_add(&c->out, "\n", 1) < 0) {
		c->out.len -= len;
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	return flush(c, err);
}

/* -- acknowledgement ----------------------------------------------------------------- */

/* Bytes of the session in complete lines, LF included, that were taken. */
static uint64_t session_bytes(const struct vmv_client *c)
{
	return c->received - vmv_framer_held(&c->in) - c->session_start;
}

/* Only hosts of ours may say 'ack', and only once they know what the count begins with. */
static bool may_ack(const struct vmv_client *c)
{
	return c->identity.protocol > 0 && c->sessions > 0 && !c->in.is_skipping;
}

static uint64_t ack_due_ms(const struct vmv_client *c)
{
	if (!may_ack(c) || c->ack_lines == 0)
		return UINT64_MAX;
	if (c->ack_lines >= VMV_CLIENT_ACK_LINES ||
	    session_bytes(c) - c->ack_sent >= VMV_CLIENT_ACK_BYTES)
		return 0;
	return c->ack_since_ms + VMV_CLIENT_ACK_MS;
}

static int acknowledge(struct vmv_client *c, struct vmv_err *err)
{
	char line[64];
	uint64_t bytes;
	int n;

	/* a queue that does not move needs no more of them: the next one says all */
	if (c->out.len > 0 || vmv_mono_ms(c->clock) < ack_due_ms(c))
		return 0;
	bytes = session_bytes(c);
	n = snprintf(line, sizeof(line), "{\"type\":\"ack\",\"bytes\":%llu}",
		     (unsigned long long)bytes);
	c->ack_sent = bytes;
	c->ack_lines = 0;
	return vmv_client_send(c, line, (size_t)n, err);
}

/* -- messages ------------------------------------------------------------------------ */

static void replace(struct json_object **slot, struct json_object *obj)
{
	json_object_put(*slot);
	*slot = json_object_get(obj);
}

/* A handshake, at the beginning or in mid-stream: what was known is over. line_bytes: its length
 * with LF. */
static void begin_session(struct vmv_client *c, struct json_object *msg, uint64_t line_bytes)
{
	c->sessions++;
	c->session_start = c->received - vmv_framer_held(&c->in) - line_bytes;
	c->ack_sent = 0;
	c->ack_lines = 0;
	vmv_identity_parse(msg, &c->identity);
	replace(&c->handshake, msg);
	replace(&c->metrics, NULL);
}

static void take_in(struct vmv_client *c, struct json_object *msg, uint64_t line_bytes)
{
	const char *type = vmv_json_str(msg, "type");

	if (strcmp(type, "handshake") == 0)
		begin_session(c, msg, line_bytes);
	else if (strcmp(type, "metrics") == 0)
		replace(&c->metrics, vmv_json_get(msg, "data"));
	if (c->ack_lines++ == 0)
		c->ack_since_ms = vmv_mono_ms(c->clock);
}

/* The next line that is a message. Returns 1 with *ret set, 0 when no whole line is left. A line
 * that is none is dropped; many in a row are not an agent. */
static int next_line(struct vmv_client *c, struct json_object **ret, struct vmv_err *err)
{
	char *line;
	size_t len;

	while (vmv_framer_next(&c->in, &line, &len)) {
		autoput struct json_object *msg = NULL;
		uint64_t line_bytes = c->in.taken - (size_t)(line - c->in.buf.data);
		struct vmv_err wrong;
		int r = vmv_json_parse(line, len, &msg, &wrong);

		if (r == -ENOMEM)
			return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
		if (r == 0 && vmv_json_str(msg, "type")) {
			c->doubts = 0;
			take_in(c, msg, line_bytes);
			*ret = VMV_TAKE(msg, NULL);
			return 1;
		}
		if (++c->doubts >= VMV_CLIENT_DOUBTS_MAX)
			return vmv_fail(err, VMV_E_PARSE, EPROTO,
					"whoever answers there does not speak vmvitals");
	}
	return 0;
}

static int timed_out(const struct vmv_client *c, struct vmv_err *err)
{
	if (c->doubts > 0)
		return vmv_fail(err, VMV_E_PARSE, ETIMEDOUT,
				"no answer in time, only lines that are no messages");
	return vmv_fail(err, VMV_E_IO, ETIMEDOUT, "no answer in time%s",
			c->received > 0 ? "" : "; is another program connected there?");
}

/* Milliseconds for poll(2) until the earlier of the two. */
static int wait_ms(uint64_t now, uint64_t deadline_ms, uint64_t ack_ms)
{
	uint64_t until = deadline_ms < ack_ms ? deadline_ms : ack_ms;

	if (until <= now)
		return 0;
	return until - now > INT_MAX ? INT_MAX : (int)(until - now);
}

/* One turn: waits for the socket, the stop descriptor or the time, and moves bytes. */
static int turn(struct vmv_client *c, uint64_t deadline_ms, struct vmv_err *err)
{
	struct pollfd fds[] = {
		{ .fd = c->fd, .events = (short)(POLLIN | (c->out.len > 0 ? POLLOUT : 0)) },
		{ .fd = c->stop_fd, .events = POLLIN },
	};
	uint64_t ack_ms = c->out.len > 0 ? UINT64_MAX : ack_due_ms(c);
	int r;

	if (poll(fds, VMV_COUNTOF(fds), wait_ms(vmv_mono_ms(c->clock), deadline_ms, ack_ms)) < 0) {
		if (errno == EINTR)
			return 0;
		return vmv_fail(err, VMV_E_IO, errno, "cannot wait: %s", strerror(errno));
	}
	if (fds[1].revents)
		return vmv_fail(err, VMV_E_IO, ECANCELED, "stopped");
	r = flush(c, err);
	if (r == 0 && (fds[0].revents & ~POLLOUT))
		r = fill(c, err);
	return r;
}

int vmv_client_next(struct vmv_client *c, uint64_t deadline_ms, struct json_object **ret,
		    struct vmv_err *err)
{
	/* the time comes first: a peer that floods must not keep anybody here */
	while (vmv_mono_ms(c->clock) < deadline_ms) {
		int r = next_line(c, ret, err);

		if (r == 0)
			r = acknowledge(c, err);
		if (r != 0)
			return r < 0 ? r : 0;
		if (c->has_ended)
			return hung_up(c, err);
		r = turn(c, deadline_ms, err);
		if (r < 0)
			return r;
	}
	return timed_out(c, err);
}

/* -- questions ----------------------------------------------------------------------- */

static int send_request(struct vmv_client *c, const char *id, const char *action,
			const struct vmv_client_arg *args, uint64_t deadline_ms,
			struct vmv_err *err)
{
	uint64_t now = vmv_mono_ms(c->clock);
	uint64_t left_ms = deadline_ms > now ? deadline_ms - now : 0;
	struct vmv_jw w;
	int r;

	vmv_jw_init(&w, REQUEST_MAX);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "type", "SafeCommand");
	vmv_jw_str(&w, "id", id);
	vmv_jw_open(&w, "command_type");
	vmv_jw_str(&w, "action", action);
	for (; args && args->name; args++)
		vmv_jw_raw(&w, args->name, args->json, strlen(args->json));
	vmv_jw_close(&w);
	vmv_jw_null(&w, "params");
	vmv_jw_u64(&w, "timeout", (left_ms + 999) / 1000);
	vmv_jw_close(&w);
	r = vmv_jw_finish(&w);
	if (r < 0)
		r = vmv_fail(err, VMV_E_RANGE, -r, "cannot write the request");
	else
		r = vmv_client_send(c, w.buf.data, w.buf.len, err);
	vmv_jw_free(&w);
	return r;
}

static bool is_answer(struct json_object *msg, const char *id)
{
	const char *type = vmv_json_str(msg, "type"), *for_id = vmv_json_str(msg, "id");

	return type && for_id && strcmp(type, "response") == 0 && strcmp(for_id, id) == 0;
}

static int new_id(char id[VMV_UUID_SIZE], struct vmv_err *err)
{
	int r = vmv_uuid_random(id);

	return r < 0 ? vmv_fail(err, VMV_E_RANGE, -r, "no random numbers: %s", strerror(-r)) : 0;
}

static int take_answer(struct json_object *msg, const char *action, struct json_object **ret,
		       struct vmv_err *err)
{
	struct json_object *data;
	int r = vmv_answer_check(msg, action, &data, err);

	if (r == 0)
		*ret = json_object_get(data);
	return r;
}

int vmv_client_call(struct vmv_client *c, const char *action, const struct vmv_client_arg *args,
		    uint64_t deadline_ms, struct json_object **ret, struct vmv_err *err)
{
	char id[VMV_UUID_SIZE];
	unsigned sessions = c->sessions, asked = 1;
	int r = new_id(id, err);

	if (r == 0)
		r = send_request(c, id, action, args, deadline_ms, err);
	while (r == 0) {
		autoput struct json_object *msg = NULL;

		r = vmv_client_next(c, deadline_ms, &msg, err);
		if (r < 0)
			break;
		if (is_answer(msg, id))
			return take_answer(msg, action, ret, err);
		/* an agent that has it in flight already drops the second one: same id */
		if (c->sessions != sessions && asked++ < ASK_AGAIN_MAX) {
			sessions = c->sessions;
			r = send_request(c, id, action, args, deadline_ms, err);
		}
	}
	return r;
}

/* Waits for a handshake, or for the answer to id (may be NULL), which is put into *ret. Returns
 * 0 for either. */
static int await_greeting(struct vmv_client *c, const char *id, uint64_t deadline_ms,
			  struct json_object **ret, struct vmv_err *err)
{
	unsigned sessions = c->sessions;

	while (c->sessions == sessions) {
		autoput struct json_object *msg = NULL;
		int r = vmv_client_next(c, deadline_ms, &msg, err);

		if (r < 0)
			return r;
		if (id && is_answer(msg, id)) {
			*ret = VMV_TAKE(msg, NULL);
			return 0;
		}
	}
	return 0;
}

static int ask_new_session(struct vmv_client *c, uint64_t deadline_ms, struct vmv_err *err)
{
	static const struct vmv_client_arg args[] = { { "new_session", "true" }, { NULL, NULL } };
	autoput struct json_object *answer = NULL;
	struct json_object *data = NULL;
	char id[VMV_UUID_SIZE];
	int r = new_id(id, err);

	if (r == 0)
		r = send_request(c, id, "Ping", args, deadline_ms, err);
	if (r == 0)
		r = await_greeting(c, id, deadline_ms, &answer, err);
	if (r < 0 || !answer)
		return r;
	if (vmv_answer_check(answer, "Ping", &data, NULL) == 0) {
		vmv_identity_parse(data, &c->identity);
		replace(&c->handshake, data);
	}
	return 0;
}

int vmv_client_greet(struct vmv_client *c, uint64_t greeting_ms, uint64_t deadline_ms,
		     struct vmv_err *err)
{
	uint64_t until = vmv_mono_ms(c->clock) + greeting_ms;
	int r = vmv_client_send(c, "", 0, err);

	if (r == 0)
		r = await_greeting(c, NULL, until < deadline_ms ? until : deadline_ms, NULL, err);
	if (r == -ETIMEDOUT && until < deadline_ms)
		r = ask_new_session(c, deadline_ms, err);
	return r;
}

int vmv_client_settle(struct vmv_client *c, uint64_t settle_ms, struct vmv_err *err)
{
	uint64_t until = vmv_mono_ms(c->clock) + settle_ms;

	while (!c->metrics) {
		autoput struct json_object *msg = NULL;
		int r = vmv_client_next(c, until, &msg, err);

		if (r < 0)
			return r == -ETIMEDOUT ? 0 : r;
	}
	return 0;
}
