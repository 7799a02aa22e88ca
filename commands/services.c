#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STATUS_MAX_S 10 /* the action's own bounds are those of its changes */
#define NAME_SIZE    (256 + sizeof(".service"))

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

/* ".service" is added to a name that has none of the suffixes a service can be asked for by. */
static void full_name(const char *name, char ret[NAME_SIZE])
{
	static const char *const suffixes[] = { ".service", ".socket", ".timer", ".path" };
	size_t len = strlen(name);
	bool has_one = false;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);

		has_one |= len > n && strcmp(name + len - n, suffixes[i]) == 0;
	}
	(void)snprintf(ret, NAME_SIZE, "%s%s", name, has_one ? "" : ".service");
}

static void fail_not_found(struct vmv_request *req)
{
	char name[NAME_SIZE];
	struct vmv_err err;

	full_name(req->args[VMV_SERVICE_NAME].text, name);
	(void)vmv_fail(&err, VMV_E_NOTFOUND, ENOENT, "Unit %s could not be found", name);
	vmv_request_fail(req, &err);
}

static uint32_t timeout_s(const struct vmv_request *req)
{
	uint32_t s = vmv_command_timeout_s(req->command, req->message);

	return s < STATUS_MAX_S ? s : STATUS_MAX_S;
}

/* result: negative errno of the helper's, or of who asks it. */
static void fail_with(struct vmv_request *req, int result)
{
	struct vmv_err err;

	switch (-result) {
	case ENOSYS:
		fail_unsupported(req, "systemd does not run this system");
		return;
	case ESRCH:
		fail_not_found(req);
		return;
	case ETIMEDOUT:
	case ETIME:
		(void)vmv_fail(&err, VMV_E_TIMEDOUT, ETIMEDOUT, "timed out after %.1f s",
			       (double)(vmv_mono_ms(&vmv_clock_system) - req->began_ms) / 1000);
		break;
	case EBUSY:
		(void)vmv_fail(&err, VMV_E_BUSY, EBUSY,
			       "too many questions wait for an answer; ask again later");
		break;
	case EHOSTDOWN:
		(void)vmv_fail(&err, VMV_E_IO, EHOSTDOWN, "systemd does not answer yet");
		break;
	case ECANCELED:
		(void)vmv_fail(&err, VMV_E_IO, ECANCELED, "interrupted: the agent stops");
		break;
	case ENOENT:
		(void)vmv_fail(&err, VMV_E_IO, ENOENT, "the helper program cannot be started");
		break;
	default:
		(void)vmv_fail(&err, VMV_E_IO, -result, "systemd cannot be asked: %s",
			       strerror(-result));
	}
	vmv_request_fail(req, &err);
}

/* -- the answer -------------------------------------------------------------------------------- */

/* Parts of the helper's answer (helper/services.c); borrowed. */
struct parts {
	bool is_cut;
	const char *json, *text;
	size_t json_len;
};

/* False for what is no such answer: JSON goes out as it came in. */
static bool split(const char *answer, struct parts *ret)
{
	const char *json = strchr(answer, '\n'), *text = json ? strchr(json + 1, '\n') : NULL;

	if (!text || (json[1] != '[' && json[1] != '{'))
		return false;
	for (const char *p = ++json; p < text; p++)
		if (*p < 0x20 || *p >= 0x7f)
			return false;
	*ret = (struct parts){
		.is_cut = strncmp(answer, "cut\n", 4) == 0,
		.json = json,
		.json_len = (size_t)(text - json),
		.text = text + 1,
	};
	return true;
}

static void answer_ready(void *arg, int result, const char *answer, uint64_t age_ms)
{
	struct vmv_request *req = arg;
	struct parts parts;
	struct vmv_jw w;

	(void)age_ms;
	if (result < 0 || !split(answer, &parts)) {
		fail_with(req, result < 0 ? result : -EBADMSG);
		return;
	}
	req->is_truncated = parts.is_cut;
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_jw_raw(&w, NULL, parts.json, parts.json_len);
	vmv_request_done(req, parts.text, &w);
	vmv_jw_free(&w);
}

/* The helper is stopped early enough for the answer to be in time (PROTOCOL.md 4.4-6). */
static uint32_t deadline_ms(const struct vmv_request *req)
{
	uint32_t ms = timeout_s(req) * 1000, margin = ms / 10;

	margin = margin < 200 ? 200 : margin > 2000 ? 2000 : margin;
	return ms - margin;
}

static void inquire(struct vmv_request *req, const char *question, uint32_t max_age_ms)
{
	const struct vmv_wish wish = {
		.question = question,
		.max_age_ms = max_age_ms,
		.deadline_ms = deadline_ms(req),
	};
	int r = req->services->inquire(req->agent, &wish, answer_ready, req);

	if (r == -ENOENT)
		fail_unsupported(req, "there is no helper to ask systemd");
	else if (r < 0)
		fail_with(req, r);
}

void vmv_run_service_list(struct vmv_request *req)
{
	inquire(req, "services", VMV_SERVICES_AGE_MS);
}

/* Somebody who asks has often just changed it. */
void vmv_run_service_status(struct vmv_request *req)
{
	char question[sizeof("service-status ") + NAME_SIZE], name[NAME_SIZE];

	full_name(req->args[VMV_SERVICE_NAME].text, name);
	(void)snprintf(question, sizeof(question), "service-status %s", name);
	inquire(req, question, 0);
}
