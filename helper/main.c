#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "helper/question.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

#define GOOD	    "ok\n"
#define PART	    "more\n"
#define KEPT_BUFFER 4096 /* bytes that stay allocated between questions */

/* Sorted by name; tests/unit/test_helper.c holds us to it. */
const struct vmv_question vmv_questions[] = {
	{ .name = "software",
	  .help = "What is installed, and what could be.",
	  .answer = vmv_answer_software,
	  .is_long = true },
	{ .name = "software-stamp",
	  .help = "Changes when that may have changed.",
	  .answer = vmv_answer_software_stamp },
	{ .name = "statvfs",
	  .help = "Size and use of the filesystem mounted there.",
	  .answer = vmv_answer_statvfs },
	{ .name = "units",
	  .help = "State of the service manager, failed units and those named.",
	  .answer = vmv_answer_units },
	{ .name = "users",
	  .help = "Sessions that the login manager knows.",
	  .answer = vmv_answer_users },
	{ 0 },
};

static const struct vmv_question *find_question(const char *text, size_t len)
{
	for (const struct vmv_question *q = vmv_questions; q->name; q++)
		if (strlen(q->name) == len && memcmp(q->name, text, len) == 0)
			return q;
	return NULL;
}

static int answer(const char *question, struct vmv_buf *ret)
{
	size_t len = strcspn(question, " ");
	const struct vmv_question *q = find_question(question, len);

	if (!q)
		return -EINVAL;
	ret->max = q->is_long ? VMV_ASK_LONG_MAX : VMV_ASK_ANSWER_MAX;
	return q->answer(question + len + (question[len] == ' '), ret);
}

/* One packet: a word and text. Returns false when nobody is there any more to answer to. */
static bool send_part(int fd, const char *word, char *text, size_t len)
{
	char head[sizeof(PART)];
	struct iovec parts[] = {
		{ .iov_base = head, .iov_len = strlen(word) },
		{ .iov_base = text, .iov_len = len },
	};
	const struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n;

	memcpy(head, word, strlen(word));
	do {
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n >= 0;
}

/* Likewise. */
static bool reply(int fd, int r, const struct vmv_buf *b)
{
	char error[32];
	size_t sent = 0;

	if (r < 0) {
		(void)snprintf(error, sizeof(error), "error %d", -r);
		return send_part(fd, "", error, strlen(error));
	}
	for (; b->len - sent > VMV_ASK_ANSWER_MAX; sent += VMV_ASK_ANSWER_MAX)
		if (!send_part(fd, PART, b->data + sent, VMV_ASK_ANSWER_MAX))
			return false;
	return send_part(fd, GOOD, b->len > 0 ? b->data + sent : NULL, b->len - sent);
}

/* The next question. Returns its length, which is over cap - 1 for one that was cut; 0 at the end.
 */
static ssize_t next_question(int fd, char *buf, size_t cap)
{
	ssize_t n;

	do {
		n = recv(fd, buf, cap - 1, MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && (size_t)n < cap)
		buf[n] = '\0';
	return n;
}

static int serve(int fd)
{
	struct vmv_buf b = { 0 };
	char question[VMV_ASK_QUESTION_MAX + 1];
	bool goes_on = true;
	ssize_t n;
	int r;

	while (goes_on && (n = next_question(fd, question, sizeof(question))) > 0) {
		/* a NUL in the question would make it another one */
		if ((size_t)n >= sizeof(question) || strlen(question) != (size_t)n)
			r = -EINVAL;
		else
			r = answer(question, &b);
		goes_on = reply(fd, r, &b);
		vmv_buf_clear(&b, KEPT_BUFFER);
	}
	vmv_buf_free(&b);
	return EXIT_SUCCESS;
}

static void print_help(FILE *out)
{
	(void)fputs(
		"Usage: vmvitals-helper [--help | --version]\n"
		"Answers what may block, so that the agent does not. Started by vmvitalsd, with "
		"a\nSOCK_SEQPACKET socket as standard input; one packet a question.\n\n",
		out);
	for (const struct vmv_question *q = vmv_questions; q->name; q++)
		(void)fprintf(out, "  %-10s %s\n", q->name, q->help);
}

static bool is_asker(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

/* An agent that died before it could be said that this is to be known, closed its end before that.
 * A question that is still to be read would be asked for nobody, and could hang for ever. */
static bool is_left(int fd)
{
	struct pollfd p = { .fd = fd, .events = 0 };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_help(stdout);
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("vmvitals-helper " PACKAGE_VERSION);
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (argc > 1 || !is_asker(STDIN_FILENO)) {
		print_help(stderr);
		return EX_USAGE;
	}
	/* it ends with its socket, too, but not while a question hangs */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (is_left(STDIN_FILENO))
		return EXIT_SUCCESS;
#ifdef SYS_close_range
	/* what the agent was given without CLOEXEC and does not know of */
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
#endif
	return serve(STDIN_FILENO);
}
