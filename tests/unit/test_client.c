#include "host/client.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "host/answer.h"
#include "host/cli.h"
#include "host/exits.h"
#include "host/identity.h"
#include "host/options.h"
#include "host/verbs.h"
#include "proto/json_read.h"

/* -- the other side: a child that follows a script ------------------------------------ */

#define HANDSHAKE                                                                           \
	"{\"type\":\"handshake\",\"version\":\"1.0.0\",\"protocol\":1,\"session\":\"s-1\"," \
	"\"boot_id\":\"b-1\",\"agent\":{\"name\":\"vmvitals\"},\"hostname\":\"web-1\"}"
#define HANDSHAKE_2                                                                         \
	"{\"type\":\"handshake\",\"version\":\"1.0.0\",\"protocol\":1,\"session\":\"s-2\"," \
	"\"boot_id\":\"b-1\",\"hostname\":\"web-1\"}"
#define METRICS "{\"type\":\"metrics\",\"data\":{\"system\":{\"uptime_seconds\":5}}}"

static void say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		_exit(90);
}

/* One line of the client, without LF; the test fails where it says something else. */
static void hear(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		if (recv(fd, line + n, 1, 0) != 1)
			_exit(91);
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
}

static void hear_blank(int fd)
{
	char line[512];

	hear(fd, line, sizeof(line));
	if (*line)
		_exit(92);
}

/* Hears a line that holds part; its id is left in id (may be NULL). */
static void hear_part(int fd, const char *part, char id[64])
{
	char line[512];
	const char *at;

	hear(fd, line, sizeof(line));
	if (!strstr(line, part))
		_exit(93);
	if (!id)
		return;
	at = strstr(line, "\"id\":\"");
	if (!at)
		_exit(94);
	memcpy(id, at + 6, 36);
	id[36] = '\0';
}

static void answer(int fd, const char *id, const char *rest)
{
	char line[1024];

	(void)snprintf(line, sizeof(line), "{\"type\":\"response\",\"id\":\"%s\",%s}\n", id, rest);
	say(fd, line);
}

/* Nothing may follow but the end. */
static void hear_end(int fd)
{
	char c;

	if (recv(fd, &c, 1, 0) != 0)
		_exit(95);
}

struct talk {
	struct vmv_client *client;
	pid_t peer;
};

static struct talk talk_to(void (*script)(int fd))
{
	struct talk t;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	t.peer = fork();
	ck_assert_int_ge(t.peer, 0);
	if (t.peer == 0) {
		(void)close(fds[0]);
		script(fds[1]);
		_exit(0);
	}
	(void)close(fds[1]);
	t.client = vmv_client_new(fds[0], -1, &vmv_clock_system);
	ck_assert_ptr_nonnull(t.client);
	return t;
}

/* Hangs up; the script must have come to its end. */
static void end(struct talk *t)
{
	int status;

	vmv_client_free(t->client);
	ck_assert_int_eq(waitpid(t->peer, &status, 0), t->peer);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the peer says %d",
		      WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

static uint64_t in_ms(uint64_t ms)
{
	return vmv_mono_ms(&vmv_clock_system) + ms;
}

#define LONG_MS 3000

/* -- greeting ------------------------------------------------------------------------ */

static void greets(int fd)
{
	hear_blank(fd);
	say(fd, "tail of an older line\"}\n\n" HANDSHAKE "\n" METRICS "\n");
	hear_end(fd);
}

START_TEST(the_first_byte_is_lf_and_a_first_line_that_is_no_json_is_dropped)
{
	struct talk t = talk_to(greets);
	const struct vmv_identity *id;

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), NULL), 0);
	id = vmv_client_identity(t.client);
	ck_assert_str_eq(id->hostname, "web-1");
	ck_assert_str_eq(id->session, "s-1");
	ck_assert_int_eq(id->protocol, 1);
	ck_assert_ptr_nonnull(vmv_client_handshake(t.client));
	ck_assert_int_eq(vmv_client_settle(t.client, LONG_MS, NULL), 0);
	ck_assert_ptr_nonnull(vmv_client_metrics(t.client));
	end(&t);
}
END_TEST

static void greets_when_asked(int fd)
{
	char id[64];

	hear_blank(fd);
	hear_part(fd, "\"command_type\":{\"action\":\"Ping\",\"new_session\":true}", id);
	say(fd, "\n" HANDSHAKE "\n");
	hear_end(fd);
}

START_TEST(without_a_handshake_a_new_session_is_asked_for)
{
	struct talk t = talk_to(greets_when_asked);

	ck_assert_int_eq(vmv_client_greet(t.client, 50, in_ms(LONG_MS), NULL), 0);
	ck_assert_str_eq(vmv_client_identity(t.client)->session, "s-1");
	end(&t);
}
END_TEST

static void answers_the_ping_only(int fd)
{
	char id[64];

	hear_blank(fd);
	hear_part(fd, "Ping", id);
	answer(fd, id, "\"success\":true,\"data\":{\"hostname\":\"db-1\",\"protocol\":1}");
	hear_end(fd);
}

START_TEST(the_answer_to_that_ping_identifies_as_well)
{
	struct talk t = talk_to(answers_the_ping_only);

	ck_assert_int_eq(vmv_client_greet(t.client, 50, in_ms(LONG_MS), NULL), 0);
	ck_assert_str_eq(vmv_client_identity(t.client)->hostname, "db-1");
	ck_assert_ptr_nonnull(vmv_client_handshake(t.client));
	end(&t);
}
END_TEST

static void refuses_the_ping(int fd)
{
	char id[64];

	hear_blank(fd);
	hear_part(fd, "Ping", id);
	answer(fd, id, "\"success\":false,\"error_code\":\"UNKNOWN_ACTION\",\"data\":null");
	hear_end(fd);
}

START_TEST(an_agent_that_refuses_that_ping_is_taken_without_identity)
{
	struct talk t = talk_to(refuses_the_ping);

	ck_assert_int_eq(vmv_client_greet(t.client, 50, in_ms(LONG_MS), NULL), 0);
	ck_assert_str_eq(vmv_client_identity(t.client)->hostname, "");
	ck_assert_ptr_null(vmv_client_handshake(t.client));
	end(&t);
}
END_TEST

static void is_silent(int fd)
{
	char line[512];

	while (recv(fd, line, sizeof(line), 0) > 0)
		;
}

START_TEST(a_silent_peer_costs_no_more_than_the_deadline)
{
	struct talk t = talk_to(is_silent);
	struct vmv_err err = { 0 };
	uint64_t begun = vmv_mono_ms(&vmv_clock_system), took;

	ck_assert_int_eq(vmv_client_greet(t.client, 50, in_ms(150), &err), -ETIMEDOUT);
	took = vmv_mono_ms(&vmv_clock_system) - begun;
	ck_assert_uint_ge(took, 150);
	ck_assert_uint_lt(took, 2000);
	ck_assert_int_eq(vmv_exit_of(&err), VMV_EXIT_NO_AGENT);
	end(&t);
}
END_TEST

static void hangs_up(int fd)
{
	(void)fd;
}

START_TEST(a_peer_that_hangs_up_is_no_agent)
{
	struct talk t = talk_to(hangs_up);
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), &err), -ECONNRESET);
	ck_assert_int_eq(vmv_exit_of(&err), VMV_EXIT_NO_AGENT);
	end(&t);
}
END_TEST

static void speaks_something_else(int fd)
{
	for (int i = 0; i < VMV_CLIENT_DOUBTS_MAX; i++)
		say(fd, i % 2 ? "{\"QMP\":{}}\n" : "220 mail.example.org ESMTP\r\n");
	is_silent(fd);
}

START_TEST(a_peer_that_speaks_something_else_is_a_protocol_error)
{
	struct talk t = talk_to(speaks_something_else);
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), &err), -EPROTO);
	ck_assert_int_eq(vmv_exit_of(&err), VMV_EXIT_PROTOCOL);
	end(&t);
}
END_TEST

static void floods(int fd)
{
	while (send(fd, METRICS "\n", strlen(METRICS "\n"), MSG_NOSIGNAL) > 0)
		;
}

START_TEST(a_peer_that_floods_costs_no_more_than_the_deadline)
{
	struct talk t = talk_to(floods);
	uint64_t begun = vmv_mono_ms(&vmv_clock_system);

	ck_assert_int_eq(vmv_client_greet(t.client, 50, in_ms(150), NULL), -ETIMEDOUT);
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system) - begun, 2000);
	end(&t);
}
END_TEST

START_TEST(a_readable_stop_descriptor_ends_the_waiting)
{
	int fds[2], stop[2];
	struct vmv_client *c;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, stop), 0);
	c = vmv_client_new(fds[0], stop[0], &vmv_clock_system);
	say(stop[1], "x");
	ck_assert_int_eq(vmv_client_greet(c, LONG_MS, in_ms(LONG_MS), &err), -ECANCELED);
	vmv_client_free(c);
	(void)close(fds[1]);
	(void)close(stop[0]);
	(void)close(stop[1]);
}
END_TEST

/* -- calls --------------------------------------------------------------------------- */

static void answers_among_others(int fd)
{
	char id[64];

	hear_blank(fd);
	say(fd, HANDSHAKE "\n");
	hear_part(fd, "GetMetrics", id);
	say(fd, METRICS "\n");
	answer(fd, "11111111-2222-4333-8444-555555555555", "\"success\":true,\"data\":{\"a\":1}");
	say(fd, "not JSON\n{\"type\":\"novelty\"}\n{\"no\":\"type\"}\n[]\n");
	answer(fd, id, "\"success\":true,\"data\":{\"a\":2}");
	hear_end(fd);
}

START_TEST(a_call_takes_the_answer_with_its_own_id)
{
	struct talk t = talk_to(answers_among_others);
	struct json_object *data = NULL;
	int64_t a = 0;

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), NULL), 0);
	ck_assert_int_eq(vmv_client_call(t.client, "GetMetrics", NULL, in_ms(LONG_MS), &data, NULL),
			 0);
	ck_assert(vmv_json_int(vmv_json_get(data, "a"), 0, 9, &a));
	ck_assert_int_eq(a, 2);
	json_object_put(data);
	end(&t);
}
END_TEST

static void begins_a_new_session_in_mid_call(int fd)
{
	char first[64], second[64];

	hear_blank(fd);
	say(fd, HANDSHAKE "\n" METRICS "\n");
	hear_part(fd, "GetMetrics", first);
	say(fd, "half a li\n" HANDSHAKE_2 "\n");
	hear_part(fd, "GetMetrics", second);
	if (strcmp(first, second) != 0)
		_exit(96);
	answer(fd, second, "\"success\":true,\"data\":null");
	hear_end(fd);
}

START_TEST(a_call_is_asked_again_in_a_new_session)
{
	struct talk t = talk_to(begins_a_new_session_in_mid_call);
	struct json_object *data = NULL;

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), NULL), 0);
	ck_assert_int_eq(vmv_client_settle(t.client, LONG_MS, NULL), 0);
	ck_assert_int_eq(vmv_client_call(t.client, "GetMetrics", NULL, in_ms(LONG_MS), &data, NULL),
			 0);
	ck_assert_ptr_null(data);
	ck_assert_str_eq(vmv_client_identity(t.client)->session, "s-2");
	ck_assert_ptr_null(vmv_client_metrics(t.client)); /* the old session's are forgotten */
	end(&t);
}
END_TEST

static void knows_metrics_only(int fd)
{
	char id[64];

	hear_blank(fd);
	say(fd, HANDSHAKE "\n");
	hear_part(fd, "GetMetrics", id);
	answer(fd, id, "\"success\":false,\"error\":\"no\",\"error_code\":\"UNKNOWN_ACTION\"");
	hear_part(fd, "{\"type\":\"Metrics\"}", NULL);
	say(fd, METRICS "\n");
	hear_end(fd);
}

START_TEST(metrics_are_awaited_where_get_metrics_is_unknown)
{
	struct talk t = talk_to(knows_metrics_only);
	struct json_object *data = NULL;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), NULL), 0);
	ck_assert_int_eq(vmv_verb_metrics(t.client, in_ms(LONG_MS), &data, &err), 0);
	ck_assert_ptr_nonnull(vmv_json_get(data, "system"));
	json_object_put(data);
	end(&t);
}
END_TEST

struct refusal {
	const char *response;
	int r;
	enum vmv_exit status;
};

static const struct refusal refusals[] = {
	{ "{\"success\":false,\"error_code\":\"BUSY\"}", -EBUSY, VMV_EXIT_BUSY },
	{ "{\"success\":false,\"error_code\":\"NOT_ALLOWED\"}", -EPERM, VMV_EXIT_DENIED },
	{ "{\"success\":false,\"error_code\":\"BAD_SIGNATURE\"}", -EPERM, VMV_EXIT_DENIED },
	{ "{\"success\":false,\"error_code\":\"LOCKED\"}", -EPERM, VMV_EXIT_DENIED },
	{ "{\"success\":false,\"error_code\":\"NO_EXECUTOR\"}", -EPERM, VMV_EXIT_DENIED },
	{ "{\"success\":false,\"error_code\":\"STALE\"}", -EPERM, VMV_EXIT_DENIED },
	{ "{\"success\":false,\"error_code\":\"REPLAYED\"}", -EPERM, VMV_EXIT_DENIED },
	{ "{\"success\":false,\"error_code\":\"UNKNOWN_KEY\"}", -EPERM, VMV_EXIT_DENIED },
	{ "{\"success\":false,\"error_code\":\"WRONG_SESSION\"}", -EPERM, VMV_EXIT_DENIED },
	{ "{\"success\":false,\"error_code\":\"BAD_ARGUMENT\"}", -EINVAL, VMV_EXIT_PROTOCOL },
	{ "{\"success\":false,\"error_code\":\"UNKNOWN_ACTION\"}", -ENOSYS, VMV_EXIT_PROTOCOL },
	{ "{\"success\":false,\"error_code\":\"UNSUPPORTED\"}", -EOPNOTSUPP, VMV_EXIT_INTERNAL },
	{ "{\"success\":false,\"error_code\":\"NOT_FOUND\"}", -ENOENT, VMV_EXIT_INTERNAL },
	{ "{\"success\":false,\"error_code\":\"TOO_LARGE\"}", -E2BIG, VMV_EXIT_INTERNAL },
	{ "{\"success\":false,\"error_code\":\"TIMED_OUT\"}", -ETIMEDOUT, VMV_EXIT_NO_AGENT },
	{ "{\"success\":false,\"error_code\":\"INTERNAL\"}", -EREMOTEIO, VMV_EXIT_INTERNAL },
	{ "{\"success\":false,\"error_code\":\"NOVELTY\"}", -EREMOTEIO, VMV_EXIT_INTERNAL },
	{ "{\"success\":false,\"error_code\":7}", -EREMOTEIO, VMV_EXIT_INTERNAL },
	{ "{\"success\":false}", -EREMOTEIO, VMV_EXIT_INTERNAL },
	{ "{}", -EPROTO, VMV_EXIT_PROTOCOL },
	{ "{\"success\":null,\"data\":{}}", -EPROTO, VMV_EXIT_PROTOCOL },
	{ "{\"success\":\"true\",\"data\":{}}", -EPROTO, VMV_EXIT_PROTOCOL },
	{ "{\"success\":1,\"data\":{}}", -EPROTO, VMV_EXIT_PROTOCOL },
};

START_TEST(each_refusal_has_its_exit_status)
{
	struct json_object *response = json_tokener_parse(refusals[_i].response);
	struct json_object *data = response;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_answer_check(response, "Ping", &data, &err), refusals[_i].r);
	ck_assert_int_eq(vmv_exit_of(&err), refusals[_i].status);
	ck_assert_ptr_eq(data, response); /* untouched */
	json_object_put(response);
}
END_TEST

START_TEST(the_words_of_a_refusal_cannot_steer_the_terminal)
{
	struct json_object *response =
		json_tokener_parse("{\"success\":false,\"error\":\"a\\u001b[31mb\\nc\\u202e\"}");
	struct json_object *data;
	struct vmv_err err = { 0 };

	ck_assert_int_lt(vmv_answer_check(response, "Ping", &data, &err), 0);
	ck_assert_str_eq(err.msg, "Ping: a?[31mb?c?");
	json_object_put(response);
}
END_TEST

/* -- acknowledgement ----------------------------------------------------------------- */

static void wants_acks(int fd)
{
	size_t bytes = strlen(HANDSHAKE "\n") + strlen(METRICS "\n");
	char expected[64];

	hear_blank(fd);
	say(fd, "half of an old line\n\n" HANDSHAKE "\n");
	for (int i = 1; i < VMV_CLIENT_ACK_LINES; i++, bytes += strlen(METRICS "\n\n"))
		say(fd, METRICS "\n\n");
	hear_part(fd, "{\"type\":\"ack\",\"bytes\":", NULL); /* by lines */
	say(fd, METRICS "\n");
	(void)snprintf(expected, sizeof(expected), "{\"type\":\"ack\",\"bytes\":%zu}", bytes);
	hear_part(fd, expected, NULL); /* by time */
	hear_end(fd);
}

START_TEST(bytes_are_acknowledged_by_lines_and_by_time)
{
	struct talk t = talk_to(wants_acks);
	uint64_t until;
	int r = 0;

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), NULL), 0);
	until = in_ms(VMV_CLIENT_ACK_MS + 500);
	while (r == 0) {
		struct json_object *msg = NULL;

		r = vmv_client_next(t.client, until, &msg, NULL);
		json_object_put(msg);
	}
	ck_assert_int_eq(r, -ETIMEDOUT);
	end(&t);
}
END_TEST

static void counts_from_the_latest_handshake(int fd)
{
	hear_blank(fd);
	say(fd, HANDSHAKE "\n" METRICS "\n\n" HANDSHAKE_2 "\n{\"type\":\"no");
	hear_part(fd, "{\"type\":\"ack\",\"bytes\":103}", NULL);
	hear_end(fd);
}

START_TEST(bytes_count_from_the_latest_handshake_in_whole_lines)
{
	struct talk t = talk_to(counts_from_the_latest_handshake);
	uint64_t until = in_ms(VMV_CLIENT_ACK_MS + 500);
	int r = 0;

	ck_assert_uint_eq(strlen(HANDSHAKE_2 "\n"), 103);
	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), NULL), 0);
	while (r == 0) {
		struct json_object *msg = NULL;

		r = vmv_client_next(t.client, until, &msg, NULL);
		json_object_put(msg);
	}
	ck_assert_int_eq(r, -ETIMEDOUT);
	end(&t);
}
END_TEST

static void is_of_another_make(int fd)
{
	hear_blank(fd);
	say(fd, "{\"type\":\"handshake\",\"version\":\"0.9\"}\n");
	for (int i = 0; i < 40; i++)
		say(fd, METRICS "\n");
	hear_end(fd);
}

START_TEST(an_agent_of_another_make_is_sent_no_ack)
{
	struct talk t = talk_to(is_of_another_make);
	uint64_t until = in_ms(VMV_CLIENT_ACK_MS + 200);
	int r = 0;

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), NULL), 0);
	while (r == 0) {
		struct json_object *msg = NULL;

		r = vmv_client_next(t.client, until, &msg, NULL);
		json_object_put(msg);
	}
	end(&t);
}
END_TEST

static void sends_a_line_without_end(int fd)
{
	static char block[65536];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 100; i++) /* twice what a line may have */
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
			_exit(90);
	say(fd, "\n" HANDSHAKE "\n");
	is_silent(fd);
}

START_TEST(an_endless_line_is_skipped_and_the_next_one_heard)
{
	struct talk t = talk_to(sends_a_line_without_end);

	ck_assert_int_eq(vmv_client_greet(t.client, LONG_MS, in_ms(LONG_MS), NULL), 0);
	ck_assert_str_eq(vmv_client_identity(t.client)->hostname, "web-1");
	end(&t);
}
END_TEST

static void never_reads(int fd)
{
	(void)fd;
	(void)pause();
}

START_TEST(a_peer_that_never_reads_is_refused_more)
{
	struct talk t = talk_to(never_reads);
	static char line[60000];
	struct vmv_err err = { 0 };
	int r = 0;

	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 1000 && r == 0; i++)
		r = vmv_client_send(t.client, line, sizeof(line), &err);
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert_int_eq(vmv_exit_of(&err), VMV_EXIT_BUSY);
	vmv_client_free(t.client);
	ck_assert_int_eq(kill(t.peer, SIGKILL), 0);
	ck_assert_int_eq(waitpid(t.peer, NULL, 0), t.peer);
}
END_TEST

/* -- dialling ------------------------------------------------------------------------ */

START_TEST(what_cannot_be_dialled_is_no_agent)
{
	static char path[200];
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_client_dial("/nonexistent/agent.sock", &err), -ENOENT);
	ck_assert_int_eq(vmv_exit_of(&err), VMV_EXIT_NO_AGENT);
	memset(path, 'x', sizeof(path) - 1);
	ck_assert_int_eq(vmv_client_dial(path, &err), -ENAMETOOLONG);
	ck_assert_int_eq(vmv_exit_of(&err), VMV_EXIT_NO_AGENT);
}
END_TEST

START_TEST(a_socket_with_a_full_queue_is_busy)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/vmvitals-test-XXXXXX";
	struct vmv_err err = { 0 };
	int fds[16], n = 0, r = 0;
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	ck_assert_int_eq(bind(server, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(server, 1), 0);
	while (n < 16 && (r = vmv_client_dial(addr.sun_path, &err)) >= 0)
		fds[n++] = r;
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_int_eq(vmv_exit_of(&err), VMV_EXIT_BUSY);
	while (n > 0)
		(void)close(fds[--n]);
	(void)close(server);
	(void)unlink(addr.sun_path);
	(void)rmdir(dir);
}
END_TEST

/* -- options ------------------------------------------------------------------------- */

static char *words[8];

static int count_words(const char *line, char *copy)
{
	int n = 0;

	for (const char *p = line; *p;) {
		size_t len = strcspn(p, " ");

		words[n++] = copy;
		memcpy(copy, p, len);
		copy[len] = '\0';
		copy += len + 1;
		p += len + (p[len] == ' ');
	}
	words[n] = NULL;
	return n;
}

START_TEST(options_stand_before_and_behind_the_verb)
{
	char copy[128];
	int argc = count_words("vmvitals -j watch --interval 1.5 -n3 -s/x", copy);
	struct vmv_options o;

	ck_assert_int_eq(vmv_cli_parse(argc, words, "/env", NULL, &o, NULL), 0);
	ck_assert(o.is_json && !o.no_color && !o.wants_help);
	ck_assert_uint_eq(o.interval_ms, 1500);
	ck_assert_uint_eq(o.timeout_ms, 10000);
	ck_assert_uint_eq(o.count, 3);
	ck_assert_str_eq(o.socket, "/x");
	ck_assert_uint_eq(o.n_operands, 1);
	ck_assert_str_eq(o.operands[0], "watch");
	ck_assert_uint_eq(o.given, VMV_OPT_INTERVAL | VMV_OPT_COUNT);
}
END_TEST

START_TEST(the_environment_gives_defaults)
{
	char copy[128];
	int argc = count_words("vmvitals show", copy);
	struct vmv_options o;

	ck_assert_int_eq(vmv_cli_parse(argc, words, "/env", "1", &o, NULL), 0);
	ck_assert_str_eq(o.socket, "/env");
	ck_assert(o.no_color);
	ck_assert_int_eq(vmv_cli_parse(argc, words, "", "", &o, NULL), 0);
	ck_assert_str_eq(o.socket, VMV_SOCKET_DEFAULT);
	ck_assert(!o.no_color);
}
END_TEST

static const char *const bad_lines[] = {
	"vmvitals -x",
	"vmvitals --nonsense",
	"vmvitals show -t",
	"vmvitals show -t -1",
	"vmvitals show -t 0",
	"vmvitals show -t 1s",
	"vmvitals show -t 1e3",
	"vmvitals show -t 86401",
	"vmvitals watch -i 0.999",
	"vmvitals watch -n -1",
	"vmvitals watch -n 1.5",
	"vmvitals watch -n 99999999999",
	"vmvitals show --json=1",
	"vmvitals show --socket=",
};

START_TEST(a_bad_option_is_refused_and_leaves_output_alone)
{
	char copy[128];
	int argc = count_words(bad_lines[_i], copy);
	struct vmv_options o = { .count = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_cli_parse(argc, words, NULL, NULL, &o, &err), -EINVAL);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(o.count, 7);
}
END_TEST

START_TEST(the_table_of_options_is_sorted_and_documented)
{
	for (size_t i = 0; i < vmv_n_options; i++) {
		ck_assert(vmv_options[i].help && *vmv_options[i].help);
		ck_assert_int_eq(vmv_options[i].type == VMV_OPTION_FLAG, !vmv_options[i].arg);
		for (size_t j = 0; j < i; j++)
			ck_assert(!vmv_options[i].letter ||
				  vmv_options[i].letter != vmv_options[j].letter);
		if (i > 0)
			ck_assert_str_lt(vmv_options[i - 1].name, vmv_options[i].name);
	}
}
END_TEST

START_TEST(the_table_of_verbs_is_sorted_and_documented)
{
	for (size_t i = 0; i < vmv_n_verbs; i++) {
		ck_assert(vmv_verbs[i].help && *vmv_verbs[i].help);
		ck_assert(vmv_verbs[i].run != NULL);
		if (i > 0)
			ck_assert_str_lt(vmv_verbs[i - 1].name, vmv_verbs[i].name);
	}
}
END_TEST

#define LOOP(tc, test, table) tcase_add_loop_test((tc), test, 0, (int)VMV_COUNTOF(table))

static TCase *talks(void)
{
	TCase *tc = tcase_create("talk");

	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, the_first_byte_is_lf_and_a_first_line_that_is_no_json_is_dropped);
	tcase_add_test(tc, without_a_handshake_a_new_session_is_asked_for);
	tcase_add_test(tc, the_answer_to_that_ping_identifies_as_well);
	tcase_add_test(tc, an_agent_that_refuses_that_ping_is_taken_without_identity);
	tcase_add_test(tc, a_silent_peer_costs_no_more_than_the_deadline);
	tcase_add_test(tc, a_peer_that_hangs_up_is_no_agent);
	tcase_add_test(tc, a_peer_that_speaks_something_else_is_a_protocol_error);
	tcase_add_test(tc, a_peer_that_floods_costs_no_more_than_the_deadline);
	tcase_add_test(tc, a_readable_stop_descriptor_ends_the_waiting);
	tcase_add_test(tc, a_call_takes_the_answer_with_its_own_id);
	tcase_add_test(tc, a_call_is_asked_again_in_a_new_session);
	tcase_add_test(tc, metrics_are_awaited_where_get_metrics_is_unknown);
	tcase_add_test(tc, bytes_are_acknowledged_by_lines_and_by_time);
	tcase_add_test(tc, bytes_count_from_the_latest_handshake_in_whole_lines);
	tcase_add_test(tc, an_agent_of_another_make_is_sent_no_ack);
	tcase_add_test(tc, an_endless_line_is_skipped_and_the_next_one_heard);
	tcase_add_test(tc, a_peer_that_never_reads_is_refused_more);
	tcase_add_test(tc, what_cannot_be_dialled_is_no_agent);
	tcase_add_test(tc, a_socket_with_a_full_queue_is_busy);
	return tc;
}

static TCase *tables(void)
{
	TCase *tc = tcase_create("tables");

	LOOP(tc, each_refusal_has_its_exit_status, refusals);
	tcase_add_test(tc, the_words_of_a_refusal_cannot_steer_the_terminal);
	tcase_add_test(tc, options_stand_before_and_behind_the_verb);
	tcase_add_test(tc, the_environment_gives_defaults);
	LOOP(tc, a_bad_option_is_refused_and_leaves_output_alone, bad_lines);
	tcase_add_test(tc, the_table_of_options_is_sorted_and_documented);
	tcase_add_test(tc, the_table_of_verbs_is_sorted_and_documented);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("client");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, talks());
	suite_add_tcase(s, tables());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
