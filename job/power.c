#include "job/power.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "job/action.h"
#include "job/program.h"
#include "job/tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_MS 15000 /* for a program that is to begin it */
#define SYNC_MS	   5000	 /* a server that is down would hold it for ever */
#define SYNC_TICK  20
#define ARGS_MAX   6 /* and a NULL */

/* One way. Forced ones do not stop units. */
struct way {
	const char *method;
	int after;
	bool is_forced;
	bool needs_systemd;
	const char *args[ARGS_MAX + 1]; /* [0]: the program; none: by hand */
};

/* In the order in which they are tried, logind before all that are not forced, the kernel after
 * those that are. systemd itself is asked, not logind once more: what inhibits it has been
 * asked, and the host has been told that it happens. */
static const struct way ways[] = {
	{ "systemctl",
	  VMV_AFTER_REBOOT,
	  false,
	  true,
	  { "systemctl", "--no-block", "--job-mode=replace-irreversibly", "start",
	    "reboot.target" } },
	{ "systemctl",
	  VMV_AFTER_POWEROFF,
	  false,
	  true,
	  { "systemctl", "--no-block", "--job-mode=replace-irreversibly", "start",
	    "poweroff.target" } },
	{ "systemctl",
	  VMV_AFTER_HALT,
	  false,
	  true,
	  { "systemctl", "--no-block", "--job-mode=replace-irreversibly", "start",
	    "halt.target" } },
	{ "reboot", VMV_AFTER_REBOOT, false, false, { "reboot" } },
	{ "poweroff", VMV_AFTER_POWEROFF, false, false, { "poweroff" } },
	{ "halt", VMV_AFTER_HALT, false, false, { "halt" } },
	{ "shutdown", VMV_AFTER_REBOOT, false, false, { "shutdown", "-r", "now" } },
	{ "shutdown", VMV_AFTER_POWEROFF, false, false, { "shutdown", "-h", "-P", "now" } },
	{ "shutdown", VMV_AFTER_HALT, false, false, { "shutdown", "-h", "-H", "now" } },
	{ "systemctl", VMV_AFTER_REBOOT, true, true, { "systemctl", "--force", "reboot" } },
	{ "systemctl", VMV_AFTER_POWEROFF, true, true, { "systemctl", "--force", "poweroff" } },
	{ "systemctl", VMV_AFTER_HALT, true, true, { "systemctl", "--force", "halt" } },
};

/* By VMV_AFTER_*. */
static const struct kind {
	const char *word, *verb, *participle;
	const char *can, *method; /* of logind */
	int reboot;		  /* of reboot(2) */
} kinds[] = {
	[VMV_AFTER_REBOOT] = { "reboot", "reboot", "rebooting", "CanReboot", "Reboot",
			       RB_AUTOBOOT },
	[VMV_AFTER_POWEROFF] = { "poweroff", "power off", "powering off", "CanPowerOff", "PowerOff",
				 RB_POWER_OFF },
	[VMV_AFTER_HALT] = { "halt", "halt", "halting", "CanHalt", "Halt", (int)RB_HALT_SYSTEM },
};

const char *vmv_after_word(int after)
{
	return kinds[after].word;
}

int vmv_after_of(const char *word)
{
	for (size_t i = 0; i < VMV_COUNTOF(kinds); i++)
		if (kinds[i].word && strcmp(kinds[i].word, word) == 0)
			return (int)i;
	return VMV_AFTER_NOTHING;
}

static const char *verb(int after)
{
	return kinds[after].verb;
}

static bool is_usable(const struct vmv_power *p, const struct way *w, int after, bool is_forced,
		      char program[VMV_PROGRAM_SIZE])
{
	return w->after == after && w->is_forced == is_forced &&
	       (!w->needs_systemd || vmv_runs_systemd(p->root)) &&
	       vmv_program_find(p->root, w->args[0], program) == 0;
}

/* -- logind ------------------------------------------------------------------------------------ */

#ifdef HAVE_LIBSYSTEMD

#include "exec/bus.h"

#define SERVICE	  "org.freedesktop.login1"
#define OBJECT	  "/org/freedesktop/login1"
#define INTERFACE "org.freedesktop.login1.Manager"

/* 0, or negative with error (the caller's) set if somebody said something. */
static int ask_logind(struct vmv_bus *b, const char *method, bool is_question, sd_bus_error *error,
		      sd_bus_message **reply)
{
	sd_bus_message *call;
	int r = vmv_bus_new_call(b, OBJECT, INTERFACE, method, &call);

	if (r < 0)
		return r;
	if (!is_question)
		r = sd_bus_message_append(call, "b", 0); /* nobody there who could be asked */
	if (r < 0) {
		sd_bus_message_unref(call);
		return r;
	}
	return vmv_bus_call(b, call, error, reply);
}

static bool can_logind(int after)
{
	VMV_CLEANUP(vmv_bus_close) struct vmv_bus b = { 0 };
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *word;

	return vmv_bus_open(&b, SERVICE) == 0 &&
	       ask_logind(&b, kinds[after].can, true, NULL, &reply) == 0 &&
	       sd_bus_message_read(reply, "s", &word) > 0 && strcmp(word, "yes") == 0;
}

static int by_logind(int after, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_bus_close) struct vmv_bus b = { 0 };
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	VMV_CLEANUP(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = vmv_bus_open(&b, SERVICE);

	if (r == 0)
		r = ask_logind(&b, kinds[after].method, false, &e, &reply);
	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "logind: %s",
				e.message ? e.message : strerror(-r))
		     : 0;
}

#else

static bool can_logind(int after)
{
	(void)after;
	return false;
}

static int by_logind(int after, struct vmv_err *err)
{
	(void)after;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "built without libsystemd");
}

#endif

/* -- the kernel -------------------------------------------------------------------------------- */

/* In a process of its own: it can hang, and what it has done by then is better than nothing. */
static void sync_for_a_while(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		sync();
		_exit(0);
	}
	for (int left = SYNC_MS; pid > 0 && left > 0; left -= SYNC_TICK) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		(void)poll(NULL, 0, SYNC_TICK);
	}
	if (pid > 0)
		(void)kill(pid, SIGKILL);
}

/* A tree of its own, for tests, has no kernel of its own. */
static bool has_kernel(const struct vmv_power *p)
{
	return p->reboot || strcmp(p->root, "/") == 0;
}

static int by_kernel(const struct vmv_power *p, int after, struct vmv_err *err)
{
	int type = kinds[after].reboot;

	if (!has_kernel(p))
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "no kernel to %s", verb(after));
	sync_for_a_while();
	if ((p->reboot ? p->reboot(type) : reboot(type)) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot %s: %s", verb(after),
				strerror(errno));
	return 0;
}

/* -- all of them ------------------------------------------------------------------------------- */

const char *vmv_power_method(const struct vmv_power *p, int after, bool is_forced)
{
	char program[VMV_PROGRAM_SIZE];

	if (!is_forced && can_logind(after))
		return "logind";
	for (size_t i = 0; i < VMV_COUNTOF(ways); i++)
		if (is_usable(p, &ways[i], after, is_forced, program))
			return ways[i].method;
	return is_forced && has_kernel(p) ? "kernel" : NULL;
}

int vmv_power(const struct vmv_power *p, int after, bool is_forced, struct vmv_err *err)
{
	char program[VMV_PROGRAM_SIZE];
	int r = vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "no way to %s", verb(after));

	if (!is_forced) {
		r = by_logind(after, err);
		if (r == 0)
			return 0;
	}
	for (size_t i = 0; i < VMV_COUNTOF(ways); i++) {
		if (!is_usable(p, &ways[i], after, is_forced, program))
			continue;
		r = vmv_tool_do(program, ways[i].args, vmv_mono_ms(&vmv_clock_system) + PROGRAM_MS,
				err);
		if (r == 0)
			return 0;
	}
	return is_forced ? by_kernel(p, after, err) : r;
}

/* -- the actions ------------------------------------------------------------------------------- */

int vmv_power_promise(struct vmv_action *a, int after, bool is_forced, uint32_t delay_s,
		      const char **ret_method, struct vmv_err *err)
{
	const struct vmv_power p = { .root = a->settings->root };
	const char *method = vmv_power_method(&p, after, is_forced);

	if (!method)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
				"neither logind nor a program that can %s is there", verb(after));
	a->after = after;
	a->after_is_forced = is_forced;
	a->after_delay_s = delay_s;
	*ret_method = method;
	return 0;
}

static int promise(struct vmv_action *a, int after, struct vmv_err *err)
{
	const char *method = NULL;
	int r = vmv_power_promise(a, after, a->args[VMV_REBOOT_FORCE].number != 0,
				  (uint32_t)a->args[VMV_REBOOT_DELAY_S].number, &method, err);

	if (r < 0)
		return r;
	vmv_jw_open(&a->data, NULL);
	vmv_jw_u64(&a->data, "delay_s", a->after_delay_s);
	vmv_jw_str(&a->data, "method", method);
	vmv_jw_close(&a->data);
	(void)snprintf(a->text, sizeof(a->text), "%s in %u s", kinds[after].participle,
		       a->after_delay_s);
	return 0;
}

int vmv_do_reboot(struct vmv_action *a, struct vmv_err *err)
{
	return promise(a, VMV_AFTER_REBOOT, err);
}

int vmv_do_power_off(struct vmv_action *a, struct vmv_err *err)
{
	return promise(a, VMV_AFTER_POWEROFF, err);
}
