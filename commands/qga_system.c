#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/load.h"
#include "collectors/os.h"
#include "collectors/timezone.h"
#include "collectors/user.h"
#include "commands/qga.h"
#include "commands/qga_families.h"
#include "commands/qga_reading.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* -- the clock --------------------------------------------------------------------------------- */

static struct timespec now(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return ts;
}

void vmv_qga_time(struct vmv_request *req)
{
	const struct timespec ts = now();
	struct vmv_jw w;

	vmv_qga_begin(&w);
	vmv_jw_int(&w, NULL, (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
	vmv_qga_send(req, &w);
}

static void timezone_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct vmv_timezone zone;
	struct vmv_err err;
	struct vmv_jw w;

	if (!root)
		return;
	if (vmv_timezone_read(root, now().tv_sec, &zone, &err) < 0) {
		vmv_request_fail(req, &err);
		return;
	}
	vmv_qga_begin(&w);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "zone", zone.name);
	vmv_jw_int(&w, "offset", zone.offset);
	vmv_jw_close(&w);
	vmv_qga_send(req, &w);
}

void vmv_qga_timezone(struct vmv_request *req)
{
	vmv_qga_with_root(req, timezone_ready);
}

/* -- names ------------------------------------------------------------------------------------- */

static void write_known(struct vmv_jw *w, const char *name, const char *s)
{
	if (*s)
		vmv_jw_str(w, name, s);
}

static void write_release(struct vmv_jw *w, const struct vmv_os_release *r)
{
	static const char *const names[VMV_OS_KEYS] = {
		[VMV_OS_ID] = "id",
		[VMV_OS_NAME] = "name",
		[VMV_OS_PRETTY_NAME] = "pretty-name",
		[VMV_OS_VERSION] = "version",
		[VMV_OS_VERSION_ID] = "version-id",
		[VMV_OS_VARIANT] = "variant",
		[VMV_OS_VARIANT_ID] = "variant-id",
	};

	for (size_t i = 0; i < VMV_OS_KEYS; i++)
		if (r->values[i].is_there)
			vmv_jw_str(w, names[i], r->values[i].text);
}

/* The group os is read once a minute only, and has defaults for what the file does not say. */
static void osinfo_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct vmv_os_release release;
	struct vmv_os_kernel kernel;
	struct vmv_jw w;

	if (!root)
		return;
	vmv_os_release_read(root, &release);
	vmv_os_kernel_read(root, &kernel);
	vmv_qga_begin(&w);
	vmv_jw_open(&w, NULL);
	write_known(&w, "kernel-release", kernel.release);
	write_known(&w, "kernel-version", kernel.version);
	write_known(&w, "machine", kernel.machine);
	write_release(&w, &release);
	vmv_jw_close(&w);
	vmv_qga_send(req, &w);
}

void vmv_qga_osinfo(struct vmv_request *req)
{
	vmv_qga_with_root(req, osinfo_ready);
}

static void host_name_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	char name[VMV_OS_HOSTNAME];
	struct vmv_err err;
	struct vmv_jw w;
	int r;

	if (!root)
		return;
	r = vmv_os_hostname_read(root, name);
	if (r < 0) {
		(void)vmv_fail(&err, VMV_E_IO, -r, "the host name is unknown: %s", strerror(-r));
		vmv_request_fail(req, &err);
		return;
	}
	vmv_qga_begin(&w);
	vmv_jw_open(&w, NULL);
	vmv_jw_str(&w, "host-name", name);
	vmv_jw_close(&w);
	vmv_qga_send(req, &w);
}

void vmv_qga_host_name(struct vmv_request *req)
{
	vmv_qga_with_root(req, host_name_ready);
}

/* -- users ------------------------------------------------------------------------------------- */

#define USERS_AGE_MS	  10000
#define USERS_DEADLINE_MS 600 /* after a reading that has waited already */

/* Whoever has no login time cannot be told: the member is not optional. */
static bool is_login(const struct vmv_user_sample *s)
{
	return s->user[0] && s->start != VMV_UNSET;
}

/* Of this user's logins the earliest, and of two at the same time the first. */
static bool is_earliest(const struct vmv_user_sample *all, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (k != i && is_login(&all[k]) && strcmp(all[k].user, all[i].user) == 0 &&
		    (all[k].start < all[i].start || (all[k].start == all[i].start && k < i)))
			return false;
	return true;
}

static void write_users(struct vmv_jw *w, const struct vmv_user_sample *all, size_t n)
{
	vmv_jw_array(w, NULL);
	for (size_t i = 0; i < n; i++) {
		if (!is_login(&all[i]) || !is_earliest(all, n, i))
			continue;
		vmv_jw_open(w, NULL);
		vmv_jw_str(w, "user", all[i].user);
		vmv_jw_fixed(w, "login-time", all[i].start, 6);
		vmv_jw_close(w);
	}
	vmv_jw_end(w);
}

/* A guest that keeps no account of logins has none to tell. */
static bool has_no_logins(const struct vmv_view *view)
{
	const struct vmv_collector_status *s =
		view ? vmv_facts_status_of(view->facts, &vmv_collector_user) : NULL;

	return s && s->is_absent;
}

static void send_users(struct vmv_request *req, const struct vmv_user_sample *all, size_t n)
{
	struct vmv_jw w;

	vmv_qga_begin(&w);
	write_users(&w, all, n);
	vmv_qga_send(req, &w);
}

/* Takes what is in sessions. */
static int send_sessions(struct vmv_request *req, struct vmv_sessions *sessions,
			 struct vmv_err *err)
{
	vmv_autofree struct vmv_user_sample *all = calloc(sessions->n + 1, sizeof(*all));

	for (size_t i = 0; all && i < sessions->n; i++)
		all[i] = sessions->list[i].sample;
	free(sessions->list);
	if (!all)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	send_users(req, all, sessions->n);
	return 0;
}

static int send_parsed(struct vmv_request *req, const char *text, struct vmv_err *err)
{
	struct vmv_sessions sessions;
	int r = vmv_users_parse(text, &sessions, err);

	return r < 0 ? r : send_sessions(req, &sessions, err);
}

static void utmp_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_root *root = vmv_qga_root(req, view);
	struct vmv_sessions sessions;
	struct vmv_err err;
	int r;

	if (!root)
		return;
	r = vmv_utmp_read(root, &sessions, &err);
	if (r == -ENOENT) {
		send_users(req, NULL, 0);
		return;
	}
	if (r == 0)
		r = send_sessions(req, &sessions, &err);
	if (r < 0)
		vmv_request_fail(req, &err);
}

static void users_answered(void *arg, int result, const char *text, uint64_t age_ms)
{
	struct vmv_request *req = arg;
	struct vmv_err err;

	(void)age_ms;
	if (result == -ENOENT) { /* there is none, after all */
		vmv_qga_with_root(req, utmp_ready);
		return;
	}
	if (result >= 0)
		result = send_parsed(req, text, &err);
	else
		(void)vmv_fail(&err, VMV_E_IO, -result, "the login manager does not answer: %s",
			       strerror(-result));
	if (result < 0)
		vmv_request_fail(req, &err);
}

/* A reading waits for the login manager no longer than all readings may be held up, which is short
 * for one that has just been started. A single request can wait longer; but once only, as the next
 * one waits behind it. */
static bool ask_again(struct vmv_request *req, const struct vmv_view *view)
{
	static const struct vmv_wish wish = { "users", USERS_AGE_MS, USERS_DEADLINE_MS };
	const struct vmv_collector_status *s =
		view ? vmv_facts_status_of(view->facts, &vmv_collector_user) : NULL;

	return s && !s->is_ok && s->failures == 1 && vmv_facts_root(view->facts)->is_live &&
	       req->services->inquire(req->agent, &wish, users_answered, req) == 0;
}

static void users_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_user_sample *all;
	size_t n;

	if (has_no_logins(view)) {
		send_users(req, NULL, 0);
		return;
	}
	if (ask_again(req, view) || !vmv_qga_has(req, view, &vmv_collector_user))
		return;
	all = vmv_facts_rows(view->facts, &vmv_collector_user, &n);
	send_users(req, all, n);
}

void vmv_qga_users(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_group(&vmv_collector_user), users_ready);
}

/* -- load -------------------------------------------------------------------------------------- */

static void load_ready(void *arg, const struct vmv_view *view)
{
	struct vmv_request *req = arg;
	const struct vmv_load_sample *l = vmv_qga_row(req, view, &vmv_collector_load);
	struct vmv_jw w;

	if (!l)
		return;
	vmv_qga_begin(&w);
	vmv_jw_open(&w, NULL);
	vmv_jw_fixed(&w, "load1m", l->load1, 2);
	vmv_jw_fixed(&w, "load5m", l->load5, 2);
	vmv_jw_fixed(&w, "load15m", l->load15, 2);
	vmv_jw_close(&w);
	vmv_qga_send(req, &w);
}

void vmv_qga_load(struct vmv_request *req)
{
	vmv_qga_read(req, vmv_group(&vmv_collector_load), load_ready);
}
