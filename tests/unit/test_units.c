/* helper/units.c and helper/users.c against a bus of our own, with a service manager and a login
 * manager on it that say what this test wants. */
#include "helper/question.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "collectors/systemd.h"
#include "collectors/user.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fixture fx;
static struct vmv_buf text;

#ifdef HAVE_LIBSYSTEMD

#include "exec/bus.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#define START_MS 10000

static pid_t bus_pid, service_pid;

/* -- who answers ------------------------------------------------------------------------------- */

struct fake_unit {
	const char *name, *load, *active, *sub;
};

static const struct fake_unit loaded[] = {
	{ "a.service", "loaded", "active", "running" },
	{ "b.service", "loaded", "failed", "failed" },
	{ "c.mount", "loaded", "active", "mounted" },
	{ "d.service", "not-found", "inactive", "dead" },
	{ "e.service", "loaded", "reloading", "reload" },
	{ "f.service", "loaded", "failed", "failed" },
};

static unsigned n_more_failed;
static const char *system_state = "degraded";

static int add_unit(sd_bus_message *m, const char *name, const struct fake_unit *u)
{
	return sd_bus_message_append(m, "(ssssssouso)", name, "A unit.", u->load, u->active, u->sub,
				     "", "/unit", 0u, "", "/");
}

static int list_units(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const struct fake_unit failed = { NULL, "loaded", "failed", "failed" };
	sd_bus_message *m = NULL;
	char name[300];

	(void)arg;
	(void)error;
	(void)sd_bus_message_new_method_return(call, &m);
	(void)sd_bus_message_open_container(m, 'a', "(ssssssouso)");
	for (size_t i = 0; i < VMV_COUNTOF(loaded); i++)
		(void)add_unit(m, loaded[i].name, &loaded[i]);
	for (unsigned i = 0; i < n_more_failed; i++) {
		(void)snprintf(name, sizeof(name), "%0200u.service", i);
		(void)add_unit(m, name, &failed);
	}
	(void)sd_bus_message_close_container(m);
	(void)sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	return 1;
}

static const struct fake_unit *fake_unit(const char *name)
{
	static const struct fake_unit none = { "", "not-found", "inactive", "dead" };

	if (strcmp(name, "alias.service") == 0)
		return &loaded[0];
	for (size_t i = 0; i < VMV_COUNTOF(loaded); i++)
		if (strcmp(loaded[i].name, name) == 0)
			return &loaded[i];
	return &none;
}

static int list_units_by_names(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	const char *name;

	(void)arg;
	(void)sd_bus_message_new_method_return(call, &m);
	(void)sd_bus_message_open_container(m, 'a', "(ssssssouso)");
	(void)sd_bus_message_enter_container(call, 'a', "s");
	while (sd_bus_message_read(call, "s", &name) > 0) {
		const struct fake_unit *u = fake_unit(name);

		if (strstr(name, "@.")) {
			sd_bus_message_unref(m);
			return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
						 "Unit name %s is not valid.", name);
		}
		(void)add_unit(m, *u->name ? u->name : name, u);
	}
	(void)sd_bus_message_close_container(m);
	(void)sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	return 1;
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	(void)bus;
	(void)path;
	(void)interface;
	(void)arg;
	(void)error;
	return strcmp(property, "NJobs") == 0 ? sd_bus_message_append(reply, "u", 3u)
					      : sd_bus_message_append(reply, "s", system_state);
}

static const sd_bus_vtable systemd_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("SystemState", "s", get_state, 0, 0),
	SD_BUS_PROPERTY("NJobs", "u", get_state, 0, 0),
	SD_BUS_METHOD("ListUnits", "", "a(ssssssouso)", list_units, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListUnitsByNames", "as", "a(ssssssouso)", list_units_by_names,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

struct fake_session {
	const char *id, *path, *name, *tty, *display, *from, *service, *type, *class, *state;
	uint64_t timestamp;
	uint32_t leader, number;
};

#define SESSION_PATH "/org/freedesktop/login1/session/"

static char long_id[4000];

static struct fake_session sessions[] = {
	{ "3", SESSION_PATH "_33", "alice", "pts/0", "", "192.0.2.7", "sshd", "tty", "user",
	  "active", 1700000000000001, 1234, 0 },
	{ "c1", SESSION_PATH "c1", "gdm", "tty1", "", "", "gdm", "wayland", "greeter", "online", 1,
	  2, 0 },
	{ "4", SESSION_PATH "_34", "bob", "", ":0", "evil\nsession 9", "", "x11", "user", "online",
	  1700000000000002, 0, 0 },
	{ "5", SESSION_PATH "_35", "carol", "pts/3", "", "", "sshd", "tty", "user", "closing", 1, 5,
	  0 },
	{ "6", SESSION_PATH "_36", "dora", "", "", "", "systemd-user", "unspecified", "manager",
	  "active", 1, 6, 0 },
	/* listed, and gone when it is asked for */
	{ "7", SESSION_PATH "_37", NULL, "", "", "", "", "", "user", "active", 1, 7, 0 },
	/* ids that would be taken for something else, or run over what holds them */
	{ "", SESSION_PATH "_38", "eve", "", "", "", "", "tty", "user", "active", 1, 8, 0 },
	{ "9\nuser root", SESSION_PATH "_39", "eve", "", "", "", "", "tty", "user", "active", 1, 9,
	  0 },
	{ long_id, SESSION_PATH "_3a", "eve", "", "", "", "", "tty", "user", "active", 1, 10, 0 },
};

static enum { LIVES, SERVICE_DIES, BUS_DIES } fate; /* after sessions were listed */

static int list_sessions(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	sd_bus_message *m = NULL;

	(void)arg;
	(void)error;
	(void)sd_bus_message_new_method_return(call, &m);
	(void)sd_bus_message_open_container(m, 'a', "(susso)");
	memset(long_id, 'x', sizeof(long_id) - 1);
	for (size_t i = 0; i < VMV_COUNTOF(sessions); i++)
		(void)sd_bus_message_append(m, "(susso)", sessions[i].id, 1000u, "user", "seat0",
					    sessions[i].path);
	(void)sd_bus_message_close_container(m);
	(void)sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	if (fate == SERVICE_DIES) {
		(void)sd_bus_flush(sd_bus_message_get_bus(call));
		_exit(0);
	}
	return 1;
}

static int get_class(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct fake_session *s = arg;

	(void)bus;
	(void)path;
	(void)interface;
	(void)property;
	(void)error;
	if (fate == BUS_DIES)
		(void)kill(bus_pid, SIGKILL);
	return sd_bus_message_append(reply, "s", s->class);
}

static const sd_bus_vtable login_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("ListSessions", "", "a(susso)", list_sessions, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

#define TEXT(name, member) \
	SD_BUS_PROPERTY(name, "s", NULL, offsetof(struct fake_session, member), 0)

static const sd_bus_vtable session_table[] = {
	SD_BUS_VTABLE_START(0),
	TEXT("Id", id),
	TEXT("Name", name),
	TEXT("TTY", tty),
	TEXT("Display", display),
	TEXT("RemoteHost", from),
	TEXT("Service", service),
	TEXT("Type", type),
	SD_BUS_PROPERTY("Class", "s", get_class, 0, 0),
	TEXT("State", state),
	SD_BUS_PROPERTY("Timestamp", "t", NULL, offsetof(struct fake_session, timestamp), 0),
	SD_BUS_PROPERTY("Leader", "u", NULL, offsetof(struct fake_session, leader), 0),
	SD_BUS_PROPERTY("VTNr", "u", NULL, offsetof(struct fake_session, number), 0),
	SD_BUS_VTABLE_END,
};

static void serve(int ready)
{
	sd_bus *bus = NULL;
	int r = sd_bus_open_system(&bus);

	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1",
					     "org.freedesktop.systemd1.Manager", systemd_table,
					     NULL);
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/login1",
					     "org.freedesktop.login1.Manager", login_table, NULL);
	for (size_t i = 0; r >= 0 && i < VMV_COUNTOF(sessions); i++)
		if (sessions[i].name)
			r = sd_bus_add_object_vtable(bus, NULL, sessions[i].path,
						     "org.freedesktop.login1.Session",
						     session_table, &sessions[i]);
	if (r >= 0)
		r = sd_bus_request_name(bus, "org.freedesktop.systemd1", 0);
	if (r >= 0)
		r = sd_bus_request_name(bus, "org.freedesktop.login1", 0);
	if (r >= 0)
		r = (int)write(ready, "r", 1);
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	_exit(1);
}

/* -- the bus ----------------------------------------------------------------------------------- */

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

static bool start_bus(void)
{
	char written[sizeof(config) + sizeof(fx.dir)], path[128];
	int ready[2];
	bool is_up;

	(void)snprintf(written, sizeof(written), config, fx.dir);
	fixture_put(&fx, "bus.conf", written);
	(void)snprintf(path, sizeof(path), "--config-file=%s/bus.conf", fx.dir);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	bus_pid = fork();
	if (bus_pid == 0) {
		(void)dup2(ready[1], STDOUT_FILENO);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		(void)execlp("dbus-daemon", "dbus-daemon", path, "--nofork", "--print-address",
			     (char *)NULL);
		_exit(127);
	}
	(void)close(ready[1]);
	is_up = wait_for_word(ready[0]);
	(void)close(ready[0]);
	return is_up;
}

static void start_services(void)
{
	int ready[2];

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	service_pid = fork();
	if (service_pid == 0)
		serve(ready[1]);
	(void)close(ready[1]);
	ck_assert(wait_for_word(ready[0]));
	(void)close(ready[0]);
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		(void)kill(*pid, SIGKILL);
		(void)waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static void up(void)
{
	char address[128];

	fixture_up(&fx);
	text = (struct vmv_buf){ .max = VMV_ASK_ANSWER_MAX };
	(void)snprintf(address, sizeof(address), "unix:path=%s/bus", fx.dir);
	ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
}

static void down(void)
{
	stop(&service_pid);
	stop(&bus_pid);
	vmv_buf_free(&text);
	fixture_down(&fx);
}

static void expect(const char *want)
{
	ck_assert_int_eq(vmv_buf_add(&text, "", 1), 0);
	ck_assert_str_eq(text.data, want);
}

#define START_OR_SKIP()                                     \
	do {                                                \
		if (!start_bus()) {                         \
			SAY_SKIPPED("no dbus-daemon here"); \
			return;                             \
		}                                           \
	} while (0)

/* -- units ------------------------------------------------------------------------------------- */

#define HEAD                                                                                 \
	"state degraded\njobs 3\ncount activating 0\ncount active 2\ncount deactivating 0\n" \
	"count failed 2\ncount inactive 1\ncount reloading 1\n"

START_TEST(counts_and_failed_units_are_told)
{
	START_OR_SKIP();
	start_services();
	ck_assert_int_eq(vmv_answer_units("", &text), 0);
	expect(HEAD "unit b.service loaded failed failed\nunit f.service loaded failed failed\n");
}
END_TEST

START_TEST(named_units_are_told_whatever_they_are_and_once)
{
	START_OR_SKIP();
	start_services();
	ck_assert_int_eq(
		vmv_answer_units("a.service alias.service f.service a.service x.service", &text),
		0);
	expect(HEAD
	       "unit a.service loaded active running\nunit alias.service loaded active running\n"
	       "unit f.service loaded failed failed\nunit x.service not-found inactive dead\n"
	       "unit b.service loaded failed failed\n");
}
END_TEST

START_TEST(a_name_that_is_refused_spoils_no_other)
{
	START_OR_SKIP();
	start_services();
	ck_assert_int_eq(vmv_answer_units("a.service b@.service c.mount", &text), 0);
	expect(HEAD "unit a.service loaded active running\nunit b@.service error unknown unknown\n"
		    "unit c.mount loaded active mounted\nunit b.service loaded failed failed\n"
		    "unit f.service loaded failed failed\n");
}
END_TEST

START_TEST(the_collector_understands_the_answer)
{
	struct vmv_units u;
	struct vmv_err err;

	START_OR_SKIP();
	system_state = "running";
	n_more_failed = 10;
	start_services();
	ck_assert_int_eq(vmv_answer_units("a.service b@.service x.service", &text), 0);
	ck_assert_int_eq(vmv_buf_add(&text, "", 1), 0);
	ck_assert_msg(vmv_systemd_parse(text.data, &u, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(u.manager.is_running, 1);
	ck_assert_uint_eq(u.manager.jobs, 3);
	ck_assert_uint_eq(u.manager.units[VMV_SYSTEMD_FAILED], 12);
	ck_assert_uint_eq(u.n, 15);
	free(u.list);
}
END_TEST

/* Fewer find room than there may be. */
START_TEST(failed_units_that_find_no_room_are_only_counted)
{
	struct vmv_units u;
	struct vmv_err err;

	START_OR_SKIP();
	n_more_failed = 1000;
	start_services();
	ck_assert_int_eq(vmv_answer_units("a.service", &text), 0);
	text.max++; /* the collector gets it with a NUL */
	ck_assert_int_eq(vmv_buf_add(&text, "", 1), 0);
	ck_assert_msg(vmv_systemd_parse(text.data, &u, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(u.manager.units[VMV_SYSTEMD_FAILED], 1002);
	ck_assert_uint_gt(u.n, 200);
	ck_assert_uint_le(u.n, VMV_FAILED_UNITS + 1);
	free(u.list);
}
END_TEST

START_TEST(too_many_names_are_refused)
{
	char names[4 * (VMV_CRITICAL_UNITS + 1) + 1] = "";

	for (int i = 0; i <= VMV_CRITICAL_UNITS; i++)
		(void)snprintf(names + 4 * i, sizeof(names) - (size_t)(4 * i), "u%02d ", i);
	ck_assert_int_eq(vmv_answer_units(names, &text), -E2BIG);
}
END_TEST

/* -- users ------------------------------------------------------------------------------------- */

START_TEST(sessions_of_users_are_told)
{
	struct vmv_sessions all;
	struct vmv_err err;

	START_OR_SKIP();
	start_services();
	ck_assert_int_eq(vmv_answer_users("", &text), 0);
	expect("session 3\nuser alice\ntty pts/0\nfrom 192.0.2.7\nservice sshd\ntype tty\npid "
	       "1234\n"
	       "start 1700000000000001\n"
	       "session 4\nuser bob\ntty :0\nfrom evil?session 9\ntype x11\n"
	       "start 1700000000000002\n");
	ck_assert_msg(vmv_users_parse(text.data, &all, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(all.n, 2);
	free(all.list);
}
END_TEST

START_TEST(a_list_that_is_cut_short_is_no_answer)
{
	START_OR_SKIP();
	fate = SERVICE_DIES;
	start_services();
	ck_assert_int_lt(vmv_answer_users("", &text), 0);
	stop(&bus_pid);
	stop(&service_pid);
	ck_assert(start_bus());
	fate = BUS_DIES;
	start_services();
	ck_assert_int_lt(vmv_answer_users("", &text), 0);
}
END_TEST

START_TEST(users_is_a_question_of_one_word)
{
	ck_assert_int_eq(vmv_answer_users("alice", &text), -EINVAL);
}
END_TEST

/* -- nobody ------------------------------------------------------------------------------------ */

START_TEST(no_bus_is_enoent)
{
	ck_assert_int_eq(vmv_answer_units("", &text), -ENOENT);
	ck_assert_int_eq(vmv_answer_users("", &text), -ENOENT);
}
END_TEST

START_TEST(a_bus_without_those_services_is_enoent)
{
	START_OR_SKIP();
	ck_assert_int_eq(vmv_answer_units("", &text), -ENOENT);
	ck_assert_int_eq(vmv_answer_users("", &text), -ENOENT);
}
END_TEST

/* It takes connections, and nothing else: a bus that was stopped. */
START_TEST(a_bus_that_hangs_is_not_waited_for_longer_than_was_agreed)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	vmv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t began_ms = vmv_mono_ms(&vmv_clock_system);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/bus", fx.dir);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(vmv_answer_units("", &text), -ETIMEDOUT);
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system) - began_ms, VMV_BUS_DEADLINE_MS + 5000);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, counts_and_failed_units_are_told);
	tcase_add_test(tc, named_units_are_told_whatever_they_are_and_once);
	tcase_add_test(tc, a_name_that_is_refused_spoils_no_other);
	tcase_add_test(tc, the_collector_understands_the_answer);
	tcase_add_test(tc, failed_units_that_find_no_room_are_only_counted);
	tcase_add_test(tc, too_many_names_are_refused);
	tcase_add_test(tc, sessions_of_users_are_told);
	tcase_add_test(tc, a_list_that_is_cut_short_is_no_answer);
	tcase_add_test(tc, users_is_a_question_of_one_word);
	tcase_add_test(tc, no_bus_is_enoent);
	tcase_add_test(tc, a_bus_without_those_services_is_enoent);
	tcase_add_test(tc, a_bus_that_hangs_is_not_waited_for_longer_than_was_agreed);
}

#else

START_TEST(without_the_library_there_is_no_answer)
{
	(void)fx;
	ck_assert_int_eq(vmv_answer_units("", &text), -ENOSYS);
	ck_assert_int_eq(vmv_answer_users("", &text), -ENOSYS);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, without_the_library_there_is_no_answer);
}

#endif

int main(void)
{
	Suite *s = suite_create("units");
	TCase *tc = tcase_create("units");
	SRunner *sr = srunner_create(s);
	int failed;

	add_tests(tc);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
