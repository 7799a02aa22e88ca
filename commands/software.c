#include "commands/software.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "commands/request.h"
#include "proto/json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "software-stamp" is a look at a handful of files: an answer is good for those who ask at once. */
#define STAMP_AGE_MS	  1000
#define STAMP_DEADLINE_MS 5000
#define STAMP_MAX	  256
#define FRESH_AGE_MS	  1000
#define MARGIN_MIN_MS	  200
#define MARGIN_MAX_MS	  2000

static const struct vmv_topic *find_topic(const struct vmv_topic *t, const char *action)
{
	while (t->action && strcmp(t->action, action) != 0)
		t++;
	return t->action ? t : NULL;
}

/* The request is all that callbacks are given, so that it can be forgotten: what it is about is
 * found by its name. Never NULL for what is in commands/handlers.c. */
static const struct vmv_topic *topic_of(const struct vmv_request *req)
{
	const char *name = req->command->alias_of ? req->command->alias_of : req->command->name;
	const struct vmv_topic *t = find_topic(vmv_package_topics, name);

	return t ? t : find_topic(vmv_update_topics, name);
}

static const char *operand_of(const struct vmv_request *req)
{
	int place = topic_of(req)->operand;

	return place < 0 ? "" : req->args[place].text;
}

/* -- what went wrong --------------------------------------------------------------------------- */

static void fail_unsupported(struct vmv_request *req, const char *why)
{
	struct vmv_err err;
	struct vmv_jw w;

	(void)vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported here: %s: %s",
		       req->command->name, why);
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_jw_open(&w, NULL);
	vmv_jw_bool(&w, "supported", false);
	vmv_jw_str(&w, "platform", "linux");
	vmv_jw_close(&w);
	vmv_request_fail_with(req, &err, &w);
	vmv_jw_free(&w);
}

static void fail_not_found(struct vmv_request *req)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_NOTFOUND, ENOENT, "'%.200s' is not installed", operand_of(req));
	vmv_request_fail(req, &err);
}

/* result: negative errno of the helper's, or of who asks it. */
static void fail_with(struct vmv_request *req, int result)
{
	struct vmv_err err;

	switch (-result) {
	case EOPNOTSUPP:
		fail_unsupported(req, "no package manager that is known here tells of this");
		return;
	case ETIMEDOUT:
		(void)vmv_fail(&err, VMV_E_TIMEDOUT, ETIMEDOUT, "timed out after %u s",
			       vmv_command_timeout_s(req->command, req->message));
		break;
	case EBUSY:
		(void)vmv_fail(&err, VMV_E_BUSY, EBUSY,
			       "too many questions wait for an answer; ask again later");
		break;
	case ECANCELED:
		(void)vmv_fail(&err, VMV_E_IO, ECANCELED, "interrupted: the agent stops");
		break;
	case ENOENT:
		(void)vmv_fail(&err, VMV_E_IO, ENOENT, "the helper program cannot be started");
		break;
	default:
		(void)vmv_fail(&err, VMV_E_IO, -result, "the package manager cannot be asked: %s",
			       strerror(-result));
	}
	vmv_request_fail(req, &err);
}

/* -- the answer -------------------------------------------------------------------------------- */

/* "412 0 -" or "12 1 3" and LF, then JSON */
bool vmv_software_split(const char *text, size_t len, struct vmv_software_answer *ret)
{
	const char *at, *end = text + len;
	uint64_t cut;

	if (vmv_parse_u64(text, &ret->count, &at) < 0 || *at++ != ' ' ||
	    vmv_parse_u64(at, &cut, &at) < 0 || cut > 1 || *at++ != ' ')
		return false;
	ret->is_cut = cut == 1;
	ret->security = VMV_UNSET;
	if (*at == '-')
		at++;
	else if (vmv_parse_u64(at, &ret->security, &at) < 0)
		return false;
	if (*at++ != '\n')
		return false;
	ret->json = at;
	ret->len = (size_t)(end - at);
	/* it goes out as it came in: a line of its own it must not be */
	for (; at < end; at++)
		if (*at < ' ' || *at > '~')
			return false;
	return ret->len > 0;
}

static void summary(const struct vmv_request *req, const struct vmv_software_answer *a, char *buf,
		    size_t cap)
{
	const struct vmv_topic *t = topic_of(req);
	const char *what = a->count == 1 ? t->one : t->many;

	if (t->is_single)
		(void)snprintf(buf, cap, "%s %.200s", t->one, operand_of(req));
	else if (t->operand >= 0)
		(void)snprintf(buf, cap, "Found %" PRIu64 " %s matching '%.200s'", a->count, what,
			       operand_of(req));
	else
		(void)snprintf(buf, cap, "%" PRIu64 " %s", a->count, what);
}

static void take_answer(struct vmv_request *req, const struct vmv_software_answer *a)
{
	char text[300];
	struct vmv_jw w;

	summary(req, a, text, sizeof(text));
	req->is_truncated = a->is_cut;
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_jw_raw(&w, NULL, a->json, a->len);
	vmv_request_done(req, text, &w);
	vmv_jw_free(&w);
}

static void answer_ready(void *arg, int result, const char *text, uint64_t age_ms)
{
	struct vmv_request *req = arg;
	const struct vmv_topic *t = topic_of(req);
	struct vmv_software_answer a;

	if (result < 0 || !vmv_software_split(text, (size_t)result, &a)) {
		fail_with(req, result < 0 ? result : -EBADMSG);
		return;
	}
	/* for the health check: it does not ask itself */
	if (t->has_security && req->services->note_updates && !(t->is_single && a.count == 0))
		req->services->note_updates(req->agent, a.security, age_ms);
	if (t->is_single && a.count == 0)
		fail_not_found(req);
	else
		take_answer(req, &a);
}

/* -- the question ------------------------------------------------------------------------------ */

/* What is left for the helper: it is stopped early enough for the answer to be in time. */
static uint32_t deadline_ms(const struct vmv_request *req)
{
	uint32_t ms = vmv_command_timeout_s(req->command, req->message) * 1000, margin = ms / 10;
	uint64_t spent = vmv_mono_ms(&vmv_clock_system) - req->began_ms;

	margin = margin < MARGIN_MIN_MS	  ? MARGIN_MIN_MS
		 : margin > MARGIN_MAX_MS ? MARGIN_MAX_MS
					  : margin;
	if (margin + spent >= ms)
		return 1;
	return ms - margin - (uint32_t)spent;
}

static void inquire(struct vmv_request *req, const char *question, uint32_t max_age_ms,
		    uint32_t deadline, vmv_answer_cb *cb)
{
	const struct vmv_wish wish = { question, max_age_ms, deadline };
	int r = req->services->inquire(req->agent, &wish, cb, req);

	if (r == -ENOENT)
		fail_unsupported(req, "there is no helper to ask the package manager");
	else if (r < 0)
		fail_with(req, r);
}

static void ask(struct vmv_request *req, const char *stamp)
{
	const struct vmv_topic *t = topic_of(req);
	const char *operand = operand_of(req);
	char question[STAMP_MAX + 512];

	(void)snprintf(question, sizeof(question), "software %s %s%s%s", t->word, operand,
		       *operand ? " " : "", stamp);
	inquire(req, question,
		t->is_fresh ? FRESH_AGE_MS : req->services->packages_age_ms(req->agent),
		deadline_ms(req), answer_ready);
}

static void stamp_ready(void *arg, int result, const char *text, uint64_t age_ms)
{
	struct vmv_request *req = arg;

	(void)age_ms;
	if (result < 0)
		fail_with(req, result);
	else if (result == 0 || result > STAMP_MAX || strpbrk(text, " \n"))
		fail_with(req, -EBADMSG);
	else
		ask(req, text);
}

/* A question with the stamp is another one when what is installed, or could be, has changed: what
 * was computed before is then not asked for any more. */
void vmv_software_ask(struct vmv_request *req)
{
	uint32_t deadline = deadline_ms(req);

	if (deadline > STAMP_DEADLINE_MS)
		deadline = STAMP_DEADLINE_MS;
	inquire(req, "software-stamp", STAMP_AGE_MS, deadline, stamp_ready);
}
