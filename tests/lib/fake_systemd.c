#ifdef HAVE_LIBSYSTEMD

#include "tests/lib/fake_systemd.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define START_MS  10000
#define MANAGER	  "org.freedesktop.systemd1"
#define UNIT_PATH "/org/freedesktop/systemd1/unit"
#define UNIT_TYPE "(ssssssouso)"

/* -- what there is ----------------------------------------------------------------------------- */

struct unit {
	const char *name, *description, *load, *active, *sub;
	const char *file, *state; /* FragmentPath, UnitFileState */
	const char *result;	  /* of services, sockets, timers */
	uint64_t active_enter, active_exit, inactive_enter, inactive_exit;
	uint32_t pid; /* MainPID; 1: the manager's */
};

/* One character of two bytes, over and over: more than anybody wants to read. */
static char long_text[3000];

static struct unit units[] = {
	{ "nginx.service", "A high performance web server", "loaded", "active", "running",
	  "/lib/systemd/system/nginx.service", "enabled", "success", 1700000000000000, 0, 0, 0, 1 },
	{ "run.service", "Runs", "loaded", "active", "running", "/lib/systemd/system/run.service",
	  "enabled", "success", 1700000000123456, 0, 0, 1699999999000000, 1 },
	{ "broken.service", "Breaks", "loaded", "failed", "failed",
	  "/etc/systemd/system/broken.service", "static", "exit-code", 1700000000000000,
	  1700000001000000, 1700000002000000, 1699999999000000, 0 },
	{ "data.mount", "A mount", "loaded", "active", "mounted", "", "generated", NULL, 1, 0, 0, 1,
	  0 },
	{ "gone.service", "gone.service", "not-found", "inactive", "dead", "", "", "success", 0, 0,
	  0, 0, 0 },
	{ "getty@tty1.service", "Getty on tty1", "loaded", "active", "running",
	  "/lib/systemd/system/getty@.service", "enabled", "success", 1700000000000000, 0, 0, 0,
	  0 },
	{ "masked.service", "masked.service", "masked", "inactive", "dead", "/dev/null", "masked",
	  "success", 0, 0, 0, 0, 0 },
	{ "starting.service", "", "loaded", "activating", "start-pre", "", "disabled", "success", 0,
	  0, 0, 1700000003000000, 0 },
	{ "stopping.service", "Stops", "loaded", "deactivating", "stop-sigterm", "", "disabled",
	  "success", 1700000000000000, 1700000004000000, 0, 0, 0 },
	{ "odd.service", "two\nlines\x7f\t\xc3\xa4", "loaded", "inactive", "dead", "", "",
	  "success", 0, 0, 0, 0, 0 },
	{ "long.service", long_text, "loaded", "inactive", "dead", "", "disabled", "success", 0, 0,
	  0, 0, 0 },
	{ "clean.timer", "Cleans", "loaded", "active", "waiting", "/lib/systemd/system/clean.timer",
	  "enabled", "success", 1700000000000000, 0, 0, 0, 0 },
};

static const char *const files[][2] = {
	{ "/lib/systemd/system/run.service", "enabled" },
	{ "/lib/systemd/system/nginx.service", "enabled" },
	{ "/etc/systemd/system/broken.service", "static" },
	{ "/lib/systemd/system/getty@.service", "enabled" },
	{ "/etc/systemd/system/masked.service", "masked" },
	{ "/lib/systemd/system/clean.timer", "enabled" },
	{ "/lib/systemd/system/long.service", "disabled" },
	{ "never-loaded.service", "disabled" },
};

static struct unit *find(const char *name)
{
	if (strcmp(name, "alias.service") == 0)
		name = "run.service";
	for (size_t i = 0; i < VMV_COUNTOF(units); i++)
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

/* -- the manager ------------------------------------------------------------------------------- */

static int add_unit(sd_bus_message *m, const struct unit *u)
{
	return sd_bus_message_append(m, UNIT_TYPE, u->name, u->description, u->load, u->active,
				     u->sub, "", "/unit", 0u, "", "/");
}

static int list_units(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const struct fake_systemd *f = arg;
	struct unit more = {
		.description = "One of many", .load = "loaded", .active = "active", .sub = "running"
	};
	sd_bus_message *m = NULL;
	char name[64];

	(void)error;
	(void)sd_bus_message_new_method_return(call, &m);
	(void)sd_bus_message_open_container(m, 'a', UNIT_TYPE);
	for (size_t i = 0; i < VMV_COUNTOF(units); i++)
		(void)add_unit(m, &units[i]);
	for (unsigned i = 0; i < f->n_more; i++) {
		(void)snprintf(name, sizeof(name), "more-%04u.service", i);
		more.name = name;
		(void)add_unit(m, &more);
	}
	(void)sd_bus_message_close_container(m);
	(void)sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	if (f->dies) {
		(void)sd_bus_flush(sd_bus_message_get_bus(call));
		_exit(0);
	}
	return 1;
}

static int list_files(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	sd_bus_message *m = NULL;

	(void)arg;
	(void)error;
	(void)sd_bus_message_new_method_return(call, &m);
	(void)sd_bus_message_open_container(m, 'a', "(ss)");
	for (size_t i = 0; i < VMV_COUNTOF(files); i++)
		(void)sd_bus_message_append(m, "(ss)", files[i][0], files[i][1]);
	(void)sd_bus_message_close_container(m);
	(void)sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	return 1;
}

/* As systemd does: a name that no unit can have is refused, any other has an object. */
static int load_unit(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const char *name;
	char *path = NULL;
	int r = sd_bus_message_read(call, "s", &name);

	(void)arg;
	if (r < 0)
		return r;
	if (strstr(name, "@."))
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "Unit name %s is not valid.", name);
	r = sd_bus_path_encode(UNIT_PATH, name, &path);
	if (r >= 0)
		r = sd_bus_reply_method_return(call, "o", path);
	free(path);
	return r;
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	(void)bus;
	(void)path;
	(void)interface;
	(void)arg;
	(void)error;
	return strcmp(property, "NJobs") == 0 ? sd_bus_message_append(reply, "u", 0u)
					      : sd_bus_message_append(reply, "s", "running");
}

static const sd_bus_vtable manager_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("SystemState", "s", get_state, 0, 0),
	SD_BUS_PROPERTY("NJobs", "u", get_state, 0, 0),
	SD_BUS_METHOD("ListUnits", "", "a(ssssssouso)", list_units, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListUnitFiles", "", "a(ss)", list_files, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("LoadUnit", "s", "o", load_unit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* -- units ------------------------------------------------------------------------------------- */

static int find_object(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
		       sd_bus_error *error)
{
	static char missing[256];
	static struct unit none;
	struct unit *u;
	char *name = NULL;
	int r = sd_bus_path_decode(path, UNIT_PATH, &name);

	(void)bus;
	(void)interface;
	(void)arg;
	(void)error;
	if (r <= 0)
		return 0;
	u = find(name);
	if (!u) {
		(void)snprintf(missing, sizeof(missing), "%s", name);
		none = (struct unit){ missing,	 missing, "not-found", "inactive", "dead", "", "",
				      "success", 0,	  0,	       0,	   0,	   0 };
		u = &none;
	}
	free(name);
	*ret = u;
	return 1;
}

#define TEXT(name, member) SD_BUS_PROPERTY(name, "s", NULL, offsetof(struct unit, member), 0)
#define TIME(name, member) SD_BUS_PROPERTY(name, "t", NULL, offsetof(struct unit, member), 0)

static const sd_bus_vtable unit_table[] = {
	SD_BUS_VTABLE_START(0),
	TEXT("Id", name),
	TEXT("Description", description),
	TEXT("LoadState", load),
	TEXT("ActiveState", active),
	TEXT("SubState", sub),
	TEXT("FragmentPath", file),
	TEXT("UnitFileState", state),
	TIME("ActiveEnterTimestamp", active_enter),
	TIME("ActiveExitTimestamp", active_exit),
	TIME("InactiveEnterTimestamp", inactive_enter),
	TIME("InactiveExitTimestamp", inactive_exit),
	SD_BUS_VTABLE_END,
};

static int get_pid(sd_bus *bus, const char *path, const char *interface, const char *property,
		   sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct unit *u = arg;

	(void)bus;
	(void)path;
	(void)interface;
	(void)property;
	(void)error;
	return sd_bus_message_append(reply, "u", u->pid ? (uint32_t)getpid() : 0u);
}

static const sd_bus_vtable service_table[] = {
	SD_BUS_VTABLE_START(0),
	TEXT("Result", result),
	SD_BUS_PROPERTY("MainPID", "u", get_pid, 0, 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable other_table[] = {
	SD_BUS_VTABLE_START(0),
	TEXT("Result", result),
	SD_BUS_VTABLE_END,
};

static int serve(struct fake_systemd *f, int ready)
{
	sd_bus *bus = NULL;
	int r = sd_bus_open_system(&bus);

	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1",
					     MANAGER ".Manager", manager_table, f);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(bus, NULL, UNIT_PATH, MANAGER ".Unit", unit_table,
					       find_object, NULL);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(bus, NULL, UNIT_PATH, MANAGER ".Service",
					       service_table, find_object, NULL);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(bus, NULL, UNIT_PATH, MANAGER ".Timer", other_table,
					       find_object, NULL);
	if (r >= 0)
		r = sd_bus_request_name(bus, MANAGER, 0);
	if (r >= 0)
		r = (int)write(ready, "r", 1);
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	return r;
}

/* -- life -------------------------------------------------------------------------------------- */

static bool wait_for_word(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&p, 1, START_MS) == 1 && read(fd, &c, 1) == 1;
}

static const char config[] =
	"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
	" \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
	"<busconfig><type>session</type><listen>unix:path=%s/bus</listen>\n"
	"<policy context=\"default\"><allow send_destination=\"*\"/>\n"
	"<allow receive_sender=\"*\"/><allow own=\"*\"/></policy>\n"
	"</busconfig>\n";

static bool write_config(const char *path, const char *dir)
{
	FILE *f = fopen(path, "we");
	bool is_good = f && fprintf(f, config, dir) > 0;

	return f && fclose(f) == 0 && is_good;
}

bool fake_bus_start(struct fake_systemd *f, const char *dir)
{
	char path[256], option[300];
	pid_t parent = getpid();
	bool is_up = false;
	int ready[2];

	(void)snprintf(path, sizeof(path), "%s/bus.conf", dir);
	(void)snprintf(option, sizeof(option), "--config-file=%s", path);
	if (!write_config(path, dir) || pipe2(ready, O_CLOEXEC) < 0)
		return false;
	f->bus = fork();
	if (f->bus == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(ready[1], STDOUT_FILENO);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		if (getppid() == parent)
			(void)execlp("dbus-daemon", "dbus-daemon", option, "--nofork",
				     "--print-address", (char *)NULL);
		_exit(127);
	}
	(void)close(ready[1]);
	is_up = f->bus > 0 && wait_for_word(ready[0]);
	(void)close(ready[0]);
	return is_up;
}

bool fake_manager_start(struct fake_systemd *f)
{
	pid_t parent = getpid();
	bool is_up = false;
	int ready[2];

	for (size_t i = 0; i + 2 < sizeof(long_text); i += 2)
		memcpy(long_text + i, "\xc3\xaf", 2);
	if (pipe2(ready, O_CLOEXEC) < 0)
		return false;
	f->manager = fork();
	if (f->manager == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, "fake manager");
		if (getppid() == parent)
			(void)serve(f, ready[1]);
		_exit(1);
	}
	(void)close(ready[1]);
	is_up = f->manager > 0 && wait_for_word(ready[0]);
	(void)close(ready[0]);
	return is_up;
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		(void)kill(*pid, SIGKILL);
		(void)waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

void fake_systemd_stop(struct fake_systemd *f)
{
	stop(&f->manager);
	stop(&f->bus);
}

#else
/* ISO C wants something in each file. */
typedef int fake_systemd_is_not_built;
#endif
