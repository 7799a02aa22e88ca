#include "helper/question.h"

#include "base/buf.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define GOOD	    "ok\n"
#define PART	    "more\n"
#define KEPT_BUFFER 4096 /* bytes that stay allocated between questions */

static const struct vmv_question *find_question(const struct vmv_question *table, const char *text,
						size_t len)
{
	for (const struct vmv_question *q = table; q->name; q++)
		if (strlen(q->name) == len && memcmp(q->name, text, len) == 0)
			return q;
	return NULL;
}

static int answer(const struct vmv_question *table, const char *question, struct vmv_buf *ret)
{
	size_t len = strcspn(question, " ");
	const struct vmv_question *q = find_question(table, question, len);

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

void vmv_questions_serve(const struct vmv_question *table, int fd)
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
			r = answer(table, question, &b);
		goes_on = reply(fd, r, &b);
		vmv_buf_clear(&b, KEPT_BUFFER);
	}
	vmv_buf_free(&b);
}
