/* ServiceControl: what systemctl does, over the bus, and with its result. */
#include "job/unit.h"

#include "base/cleanup.h"
#include "job/action.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int vmv_unit_name(const char *name, char ret[VMV_UNIT_NAME_SIZE])
{
	static const char *const suffixes[] = { ".service", ".socket", ".timer", ".path" };
	const char *add = ".service";
	size_t len = strlen(name);

	for (size_t i = 0; i < VMV_COUNTOF(suffixes); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && strcmp(name + len - n, suffixes[i]) == 0)
			add = "";
	}
	return snprintf(ret, VMV_UNIT_NAME_SIZE, "%s%s", name, add) < VMV_UNIT_NAME_SIZE
		       ? 0
		       : -ENAMETOOLONG;
}

bool vmv_unit_is_template(const char *unit)
{
	const char *at = strchr(unit, '@');

	return at && at[1] == '.' && !strchr(at + 2, '.');
}

bool vmv_unit_is_ours(const char *unit)
{
	static const char *const ours[] = { "vmvitalsd.service", "infiniservice.service",
					    "vmvitals-execd.service", "vmvitals-execd.socket" };

	for (size_t i = 0; i < VMV_COUNTOF(ours); i++)
		if (strcmp(unit, ours[i]) == 0)
			return true;
	return false;
}

static const struct verb {
	const char *word, *done; /* "restart", "restarted" */
	const char *method;
	bool ends_it; /* refused for units of ours */
	bool is_job;  /* else it changes files */
} verbs[] = {
	[VMV_SERVICE_START] = { "start", "started", "StartUnit", false, true },
	[VMV_SERVICE_STOP] = { "stop", "stopped", "StopUnit", true, true },
	[VMV_SERVICE_RESTART] = { "restart", "restarted", "RestartUnit", true, true },
	[VMV_SERVICE_RELOAD] = { "reload", "reloaded", "ReloadUnit", false, true },
	[VMV_SERVICE_ENABLE] = { "enable", "enabled", "EnableUnitFiles", false, false },
	[VMV_SERVICE_DISABLE] = { "disable", "disabled", "DisableUnitFiles", true, false },
};

static int refuse_ours(const struct verb *v, const char *unit, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_DENIED, EPERM, "%s of '%s': it belongs to vmvitals: protected",
			v->word, unit);
}

#ifdef HAVE_LIBSYSTEMD

#include "base/clock.h"
#include "base/num.h"
#include "exec/bus.h"
#include "job/margin.h"

#include <systemd/sd-daemon.h>

#define SERVICE	   VMV_BUS_SYSTEMD
#define OBJECT	   "/org/freedesktop/systemd1"
#define MANAGER	   "org.freedesktop.systemd1.Manager"
#define UNIT	   "org.freedesktop.systemd1.Unit"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define LOST_MS	   2000 /* without news: systemd is asked whether the job is still there */
#define PATH_SIZE  600	/* of an object: each byte of a unit's name can become three */
#define WORD_SIZE  32

struct control {
	struct vmv_bus bus;
	const struct verb *verb;
	char unit[VMV_UNIT_NAME_SIZE];
	char path[3 * VMV_UNIT_NAME_SIZE]; /* of its object; "" before it is known */
	uint64_t until_ms;
	uint32_t job;		    /* number */
	char job_path[PATH_SIZE];   /* "" before it is known */
	char systemd[32];	    /* its name on the bus: only its signals count */
	char job_result[WORD_SIZE]; /* "" not known */
	char load[WORD_SIZE], active[WORD_SIZE], sub[WORD_SIZE];
};

/* -- words ------------------------------------------------------------------------------------- */

static bool is_error(const sd_bus_error *e, const char *name)
{
	return e->name && strcmp(e->name, name) == 0;
}

static bool is_not_found(const sd_bus_error *e)
{
	return is_error(e, "org.freedesktop.systemd1.NoSuchUnit") ||
	       is_error(e, "org.freedesktop.DBus.Error.FileNotFound") ||
	       is_error(e, "System.Error.ENOENT");
}

static int no_systemd(struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "needs systemd, which does not run here");
}

/* What the bus or systemd said, put as an error of ours. */
static int said(const struct control *c, int r, const sd_bus_error *e, struct vmv_err *err)
{
	const char *text = e->message ? e->message : strerror(-r);

	if (r == -ENOENT && !e->name)
		return no_systemd(err);
	if (is_error(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    is_error(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return sd_booted() > 0 ? vmv_fail(err, VMV_E_IO, EHOSTDOWN, "systemd is not ready")
				       : no_systemd(err);
	if (is_not_found(e))
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "no unit '%s'", c->unit);
	if (is_error(e, SD_BUS_ERROR_INVALID_ARGS))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "service: %s", text);
	if (r == -ETIMEDOUT)
		return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "systemd did not answer in time");
	if (r == -EHOSTDOWN && !e->name)
		return vmv_fail(err, VMV_E_IO, EHOSTDOWN, "systemd is not ready");
	return vmv_fail(err, VMV_E_IO, -r, "%s of '%s': %s", c->verb->word, c->unit, text);
}

/* -- calls ------------------------------------------------------------------------------------- */

/* A call of the manager with text arguments; reply may be NULL. Returns 0, or negative with error
 * (the caller's) set when somebody said something. */
static int ask(struct control *c, sd_bus_error *error, const char *method, const char *first,
	       const char *second, sd_bus_message **reply)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *unwanted = NULL;
	sd_bus_message *call;
	int r = vmv_bus_new_call(&c->bus, OBJECT, MANAGER, method, &call);

	if (r < 0)
		return r;
	if (first)
		r = sd_bus_message_append(call, "s", first);
	if (r >= 0 && second)
		r = sd_bus_message_append(call, "s", second);
	if (r < 0) {
		sd_bus_message_unref(call);
		return r;
	}
	return vmv_bus_call(&c->bus, call, error, reply ? reply : &unwanted);
}

static int get_word(struct control *c, const char *property, char ret[], size_t size)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	sd_bus_message *call;
	const char *text;
	int r = vmv_bus_new_call(&c->bus, c->path, PROPERTIES, "Get", &call);

	if (r < 0)
		return r;
	r = sd_bus_message_append(call, "ss", UNIT, property);
	if (r < 0) {
		sd_bus_message_unref(call);
		return r;
	}
	r = vmv_bus_send(&c->bus, call, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "v", "s", &text);
	if (r < 0)
		return r;
	(void)snprintf(ret, size, "%s", text);
	return 0;
}

/* What systemd knows by this name, loaded if need be; an alias becomes the name it stands for. */
static int look_up(struct control *c, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	VMV_CLEANUP(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	char id[VMV_UNIT_NAME_SIZE];
	const char *path;
	int r = ask(c, &e, "LoadUnit", c->unit, NULL, &reply);

	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r < 0)
		return said(c, r, &e, err);
	(void)snprintf(c->path, sizeof(c->path), "%s", path);
	r = get_word(c, "Id", id, sizeof(id));
	if (r == 0)
		r = get_word(c, "LoadState", c->load, sizeof(c->load));
	if (r < 0)
		return said(c, r, &e, err);
	if (c->verb->ends_it && vmv_unit_is_ours(id))
		return refuse_ours(c->verb, id, err);
	if (strcmp(c->load, "not-found") == 0)
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "no unit '%s'", c->unit);
	return 0;
}

/* A template cannot be loaded; systemd knows the state of its file. */
static int look_up_template(struct control *c, struct vmv_err *err)
{
	VMV_CLEANUP(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = ask(c, &e, "GetUnitFileState", c->unit, NULL, NULL);

	return r < 0 ? said(c, r, &e, err) : 0;
}

static void look_again(struct control *c)
{
	if (!*c->path || get_word(c, "ActiveState", c->active, sizeof(c->active)) < 0 ||
	    get_word(c, "SubState", c->sub, sizeof(c->sub)) < 0)
		c->active[0] = c->sub[0] = '\0';
}

/* -- jobs -------------------------------------------------------------------------------------- */

static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct control *c = arg;
	const char *path, *unit, *result, *sender = sd_bus_message_get_sender(m);
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0 || !sender ||
	    strcmp(sender, c->systemd) != 0 || strcmp(path, c->job_path) != 0)
		return 0;
	(void)snprintf(c->job_result, sizeof(c->job_result), "%s", result);
	return 0;
}

/* Before the job, as it may be over before we are told its name. Answers to neither are waited
 * for: the call that follows comes after them. */
static int listen_for_jobs(struct control *c, struct vmv_err *err)
{
	VMV_CLEANUP(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = sd_bus_match_signal_async(c->bus.bus, NULL, SERVICE, OBJECT, MANAGER, "JobRemoved",
					  on_job_removed, NULL, c);

	if (r >= 0)
		r = ask(c, &e, "Subscribe", NULL, NULL, NULL);
	return r < 0 ? said(c, r, &e, err) : 0;
}

static int begin_job(struct control *c, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	VMV_CLEANUP(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	const char *path = NULL, *sender, *number;
	uint64_t id;
	int r = ask(c, &e, c->verb->method, c->unit, "replace", &reply);

	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r < 0)
		return said(c, r, &e, err);
	sender = sd_bus_message_get_sender(reply);
	number = strrchr(path, '/');
	(void)snprintf(c->job_path, sizeof(c->job_path), "%s", path);
	(void)snprintf(c->systemd, sizeof(c->systemd), "%s", sender ? sender : "");
	if (number && vmv_parse_u64(number + 1, &id, NULL) == 0 && id <= UINT32_MAX)
		c->job = (uint32_t)id;
	return 0;
}

/* A signal can get lost: when systemd is executed anew, for one. */
static bool is_job_gone(struct control *c)
{
	VMV_CLEANUP(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	sd_bus_message *call;
	int r;

	if (vmv_bus_new_call(&c->bus, OBJECT, MANAGER, "GetJob", &call) < 0)
		return false;
	r = sd_bus_message_append(call, "u", c->job);
	if (r < 0) {
		sd_bus_message_unref(call);
		return false;
	}
	r = vmv_bus_call(&c->bus, call, &e, &reply);
	return r < 0 && is_error(&e, "org.freedesktop.systemd1.NoSuchJob");
}

/* Handles all that has come already. */
static int drain(struct control *c)
{
	int r;

	while ((r = sd_bus_process(c->bus.bus, NULL)) > 0)
		;
	return r;
}

/* Returns 0 with job_result, which stays "" when nobody knows it; -ETIMEDOUT; or what the
 * connection said. */
static int wait_for_job(struct control *c)
{
	while (!*c->job_result) {
		uint64_t news_ms = vmv_mono_ms(&vmv_clock_system) + LOST_MS;
		int r;

		c->bus.until_ms = news_ms < c->until_ms ? news_ms : c->until_ms;
		r = vmv_bus_turn(&c->bus);
		if (r < 0 && r != -ETIMEDOUT)
			return r;
		if (r == 0)
			continue;
		if (vmv_mono_ms(&vmv_clock_system) >= c->until_ms)
			return -ETIMEDOUT;
		c->bus.until_ms = c->until_ms;
		if (is_job_gone(c))
			return drain(c);
	}
	return 0;
}

static bool has_succeeded(const struct control *c)
{
	/* skipped: nothing was to be done, as systemctl sees it, too */
	if (strcmp(c->job_result, "done") == 0 || strcmp(c->job_result, "skipped") == 0)
		return true;
	/* its signal was lost: the unit itself has to tell */
	return !*c->job_result && *c->active && strcmp(c->active, "failed") != 0 &&
	       (strcmp(c->active, "active") == 0) == (strcmp(c->verb->word, "stop") != 0);
}

static int run_job(struct control *c, bool *ret_runs, struct vmv_err *err)
{
	int r = listen_for_jobs(c, err);

	if (r == 0)
		r = begin_job(c, err);
	if (r < 0)
		return r;
	r = wait_for_job(c);
	if (r == -ETIMEDOUT) {
		*ret_runs = true;
		return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT,
				"%s of '%s' is not over yet; systemd goes on with it",
				c->verb->word, c->unit);
	}
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "systemd's answer is lost: %s", strerror(-r));
	look_again(c);
	if (!has_succeeded(c))
		return vmv_fail(err, VMV_E_IO, EIO, "%s of '%s': result '%s', it is %s (%s)",
				c->verb->word, c->unit, *c->job_result ? c->job_result : "unknown",
				*c->active ? c->active : "unknown", *c->sub ? c->sub : "unknown");
	return 0;
}

/* -- files ------------------------------------------------------------------------------------- */

static int change_files(struct control *c, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	VMV_CLEANUP(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	bool enables = c->verb == &verbs[VMV_SERVICE_ENABLE];
	sd_bus_message *call;
	int r = vmv_bus_new_call(&c->bus, OBJECT, MANAGER, c->verb->method, &call);

	if (r < 0)
		return said(c, r, &e, err);
	r = sd_bus_message_append(call, "asb", 1, c->unit, 0); /* not for this boot only */
	if (r >= 0 && enables)
		r = sd_bus_message_append(call, "b", 0); /* links of others are left alone */
	if (r < 0) {
		sd_bus_message_unref(call);
		return said(c, r, &e, err);
	}
	r = vmv_bus_call(&c->bus, call, &e, &reply);
	if (r >= 0)
		r = ask(c, &e, "Reload", NULL, NULL, NULL);
	if (r < 0)
		return said(c, r, &e, err);
	look_again(c);
	return 0;
}

/* -- the action -------------------------------------------------------------------------------- */

static void tell(struct vmv_action *a, const struct control *c, bool runs)
{
	struct vmv_jw *w = &a->data;

	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "service", c->unit);
	vmv_jw_str(w, "operation", c->verb->word);
	vmv_jw_str_or_null(w, "active", c->active);
	vmv_jw_str_or_null(w, "sub", c->sub);
	vmv_jw_str_or_null(w, "job_result", c->job_result);
	if (runs)
		vmv_jw_bool(w, "still_running", true);
	vmv_jw_close(w);
	if (*c->active)
		(void)snprintf(a->text, sizeof(a->text), "%.150s %s: %s (%s)", c->unit,
			       c->verb->done, c->active, c->sub);
	else
		(void)snprintf(a->text, sizeof(a->text), "%.150s %s", c->unit, c->verb->done);
}

static int control(struct vmv_action *a, struct control *c, struct vmv_err *err)
{
	bool runs = false;
	int r = vmv_bus_open(&c->bus, SERVICE);

	if (r < 0)
		return said(c, r, &SD_BUS_ERROR_NULL, err);
	c->bus.until_ms = c->until_ms = vmv_action_until(a->deadline_ms);
	r = !c->verb->is_job && vmv_unit_is_template(c->unit) ? look_up_template(c, err)
							      : look_up(c, err);
	if (r < 0)
		return r;
	r = c->verb->is_job ? run_job(c, &runs, err) : change_files(c, err);
	if (r == 0 || runs || *c->job_result)
		tell(a, c, runs);
	return r;
}

static int act(struct vmv_action *a, const struct verb *verb, const char *unit, struct vmv_err *err)
{
	struct control c = { .verb = verb };
	int r;

	(void)snprintf(c.unit, sizeof(c.unit), "%s", unit);
	r = control(a, &c, err);
	vmv_bus_close(&c.bus);
	return r;
}

#else

static int act(struct vmv_action *a, const struct verb *verb, const char *unit, struct vmv_err *err)
{
	(void)a;
	(void)verb;
	(void)unit;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "built without libsystemd");
}

#endif

int vmv_do_service_control(struct vmv_action *a, struct vmv_err *err)
{
	int64_t operation = a->args[VMV_SERVICE_OPERATION].number;
	char unit[VMV_UNIT_NAME_SIZE];
	const struct verb *verb;

	if (operation < 0 || (size_t)operation >= VMV_COUNTOF(verbs)) /* status only reads */
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "operation: the agent answers this one");
	verb = &verbs[operation];
	if (vmv_unit_name(a->args[VMV_SERVICE_NAME].text, unit) < 0)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "service: longer than %d characters",
				VMV_UNIT_NAME_SIZE - 1);
	if (verb->ends_it && vmv_unit_is_ours(unit))
		return refuse_ours(verb, unit, err);
	return act(a, verb, unit, err);
}
