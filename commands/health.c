#include "reports/health.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "commands/families.h"
#include "commands/request.h"
#include "proto/json_write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OVERALL "overall"

static const struct vmv_err no_memory = { VMV_E_IO, 0, "out of memory" };
static const struct vmv_err abandoned = { VMV_E_IO, 0, "the reading was abandoned" };

static void ask(struct vmv_request *req, vmv_view_cb *ready)
{
	const struct vmv_ask what = { .groups = vmv_checks_groups() };

	if (req->services->fetch(req->agent, &what, ready, req) < 0)
		vmv_request_fail(req, &no_memory);
}

/* -- GetHealth --------------------------------------------------------------------------------- */

static void health_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_health *health;
	struct vmv_jw w;

	if (!view) {
		vmv_request_fail(req, &abandoned);
		return;
	}
	health = req->services->health(req->agent, view);
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_health_write(&w, health);
	vmv_request_done(req, vmv_health_word(vmv_health_status(health)), &w);
	vmv_jw_free(&w);
}

void vmv_run_get_health(struct vmv_request *req)
{
	ask(req, health_ready);
}

/* -- what older hosts ask ---------------------------------------------------------------------- */

/* Checks that hosts know from Windows, where alone they mean something; sorted. */
static const char *const windows_checks[] = {
	"disk_fragmentation", "event_log_errors", "performance_counters",
	"registry_health",    "startup_programs", "system_files",
	"update_services",    "windows_defender", "windows_updates",
};

static bool is_of_windows(const char *name)
{
	for (size_t i = 0; i < VMV_COUNTOF(windows_checks); i++)
		if (strcmp(windows_checks[i], name) == 0)
			return true;
	return false;
}

/* Its place; vmv_n_checks: there is none. */
static size_t find_check(const char *name)
{
	size_t i = 0;

	while (i < vmv_n_checks && strcmp(vmv_checks[i].name, name) != 0)
		i++;
	return i;
}

/* The worst first, "2 warnings, 12 passed, 1 unknown". */
static void count_text(const struct vmv_health *h, char *ret, size_t size)
{
	unsigned counts[VMV_HEALTH_FAILED + 1] = { 0 };
	size_t len = 0;

	for (size_t i = 0; i < vmv_n_checks; i++)
		counts[vmv_health_verdict(h, i)->status]++;
	if (counts[VMV_HEALTH_FAILED])
		len += (size_t)snprintf(ret, size, "%u failed, ", counts[VMV_HEALTH_FAILED]);
	if (counts[VMV_HEALTH_WARNING])
		len += (size_t)snprintf(ret + len, size - len, "%u warning%s, ",
					counts[VMV_HEALTH_WARNING],
					counts[VMV_HEALTH_WARNING] == 1 ? "" : "s");
	(void)snprintf(ret + len, size - len, "%u passed, %u unknown", counts[VMV_HEALTH_PASSED],
		       counts[VMV_HEALTH_UNKNOWN]);
}

static void write_details(struct vmv_jw *w, const struct vmv_verdict *v)
{
	const char *details = v->details ? v->details : "{}";

	vmv_jw_raw(w, "details", details, strlen(details));
}

/* The members of one check within an object that is open. */
static void write_verdict(struct vmv_jw *w, const struct vmv_verdict *v)
{
	vmv_jw_str(w, "status", vmv_health_word(v->status));
	vmv_jw_str(w, "message", v->message);
	write_details(w, v);
}

static void write_overall(struct vmv_jw *w, const struct vmv_health *h)
{
	char message[VMV_CHECK_MESSAGE];

	count_text(h, message, sizeof(message));
	vmv_jw_str(w, "status", vmv_health_word(vmv_health_status(h)));
	vmv_jw_str(w, "message", message);
	vmv_jw_open(w, "details");
	for (size_t i = 0; i < vmv_n_checks; i++)
		vmv_jw_str(w, vmv_checks[i].name,
			   vmv_health_word(vmv_health_verdict(h, i)->status));
	vmv_jw_close(w);
}

/* What is asked for: OVERALL, unless the host names a check. */
static const char *name_of(const struct vmv_request *req)
{
	const struct vmv_value *v = &req->args[VMV_HEALTH_CHECK_NAME];

	return v->is_given && strcmp(v->text, "all") != 0 ? v->text : OVERALL;
}

static void check_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const char *name = name_of(req);
	size_t i = find_check(name);
	enum vmv_health_status status;
	const struct vmv_health *h;
	char text[96];
	struct vmv_jw w;

	if (!view) {
		vmv_request_fail(req, &abandoned);
		return;
	}
	h = req->services->health(req->agent, view);
	status = i < vmv_n_checks ? vmv_health_verdict(h, i)->status : vmv_health_status(h);
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "check_name", name);
	if (i < vmv_n_checks)
		write_verdict(&w, vmv_health_verdict(h, i));
	else
		write_overall(&w, h);
	vmv_jw_close(&w);
	(void)snprintf(text, sizeof(text), "%s: %s", name, vmv_health_word(status));
	vmv_request_done(req, text, &w);
	vmv_jw_free(&w);
}

static void begin_unknown(struct vmv_jw *w, const char *message)
{
	vmv_jw_init(w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "status", vmv_health_word(VMV_HEALTH_UNKNOWN));
	vmv_jw_str(w, "message", message);
}

static void fail_windows(struct vmv_request *req, const char *name)
{
	struct vmv_err err;
	struct vmv_jw w;

	(void)vmv_fail(&err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported on linux: health check %s",
		       name);
	begin_unknown(&w, err.msg);
	vmv_jw_bool(&w, "supported", false);
	vmv_jw_str(&w, "platform", "linux");
	vmv_jw_open(&w, "details");
	vmv_jw_close(&w);
	vmv_jw_close(&w);
	vmv_request_fail_with(req, &err, &w);
	vmv_jw_free(&w);
}

static void fail_unknown(struct vmv_request *req, const char *name)
{
	struct vmv_err err;
	struct vmv_jw w;

	(void)vmv_fail(&err, VMV_E_RANGE, EINVAL, "argument 'check_name': no check '%s'", name);
	begin_unknown(&w, err.msg);
	vmv_jw_open(&w, "details");
	vmv_jw_array(&w, "known");
	for (size_t i = 0; i < vmv_n_checks; i++)
		vmv_jw_str(&w, NULL, vmv_checks[i].name);
	vmv_jw_end(&w);
	vmv_jw_close(&w);
	vmv_jw_close(&w);
	vmv_request_fail_with(req, &err, &w);
	vmv_jw_free(&w);
}

void vmv_run_health_check(struct vmv_request *req)
{
	const char *name = name_of(req);

	if (is_of_windows(name))
		fail_windows(req, name);
	else if (strcmp(name, OVERALL) != 0 && find_check(name) == vmv_n_checks)
		fail_unknown(req, name);
	else
		ask(req, check_ready);
}

/* Nothing known is nothing to call healthy. */
static const char *overall_word(const struct vmv_health *h)
{
	static const char *const words[] = {
		[VMV_HEALTH_UNKNOWN] = "Warning",
		[VMV_HEALTH_PASSED] = "Healthy",
		[VMV_HEALTH_WARNING] = "Warning",
		[VMV_HEALTH_FAILED] = "Critical",
	};

	return words[vmv_health_status(h)];
}

static void write_list(struct vmv_jw *w, const struct vmv_health *h)
{
	vmv_jw_array(w, "checks");
	for (size_t i = 0; i < vmv_n_checks; i++) {
		const struct vmv_verdict *v = vmv_health_verdict(h, i);

		vmv_jw_open(w, NULL);
		vmv_jw_str(w, "name", vmv_checks[i].name);
		vmv_jw_str(w, "status", vmv_health_word(v->status));
		vmv_jw_str(w, "message", v->message);
		vmv_jw_close(w);
	}
	vmv_jw_end(w);
}

static void all_checks_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_health *h;
	char text[VMV_CHECK_MESSAGE];
	struct vmv_jw w;

	if (!view) {
		vmv_request_fail(req, &abandoned);
		return;
	}
	h = req->services->health(req->agent, view);
	vmv_jw_init(&w, VMV_RESPONSE_MAX - VMV_JW_TAIL);
	vmv_jw_open(&w, NULL);
	for (size_t i = 0; i < vmv_n_checks; i++) {
		vmv_jw_open(&w, vmv_checks[i].name);
		write_verdict(&w, vmv_health_verdict(h, i));
		vmv_jw_close(&w);
	}
	vmv_jw_str(&w, "overall_health", overall_word(h));
	write_list(&w, h);
	vmv_jw_close(&w);
	count_text(h, text, sizeof(text));
	vmv_request_done(req, text, &w);
	vmv_jw_free(&w);
}

void vmv_run_all_health_checks(struct vmv_request *req)
{
	ask(req, all_checks_ready);
}
