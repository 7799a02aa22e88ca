/* ServiceControl against a bus of our own, with a service manager on it that does what the name of
 * the unit says. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "job/unit.h"
#include "tests/lib/action.h"
#include "tests/lib/fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef HAVE_LIBSYSTEMD

#include "tests/lib/bus.h"

static struct fixture fx;
static struct test_bus bus;
static struct try t;

/* -- who answers ------------------------------------------------------------------------------- */

#define UNITS "/org/freedesktop/systemd1/unit/"
#define JOB   "/org/freedesktop/systemd1/job/7"

struct fake_unit {
	const char *name, *id, *load, *active, *sub;
};

static struct fake_unit units[] = {
	{ "good.service", "good.service", "loaded", "active", "running" },
	{ "bad.service", "bad.service", "loaded", "failed", "failed" },
	{ "slow.service", "slow.service", "loaded", "activating", "start" },
	{ "lost.service", "lost.service", "loaded", "active", "running" },
	{ "forged.service", "forged.service", "loaded", "active", "running" },
	{ "early.service", "early.service", "loaded", "active", "running" },
	{ "masked.service", "masked.service", "masked", "inactive", "dead" },
	{ "alias.service", "vmvitalsd.service", "loaded", "active", "running" },
	{ "vmvitalsd.service", "vmvitalsd.service", "loaded", "active", "running" },
	{ "none.service", "none.service", "not-found", "inactive", "dead" },
};

static const char *target; /* the unit that the job is about, in the service */

static void note(const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/calls", fx.dir);
	f = fopen(path, "ae");
	(void)fprintf(f, "%s\n", text);
	(void)fclose(f);
}

static void unit_path(const char *name, char ret[128])
{
	(void)snprintf(ret, 128, UNITS "%.*s_2eservice", (int)strcspn(name, "."), name);
}

static int load_unit(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const char *name;
	char path[128];

	(void)arg;
	if (sd_bus_message_read(call, "s", &name) < 0)
		return -EINVAL;
	if (strstr(name, "@."))
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "Unit name %s is missing the instance name.", name);
	unit_path(name, path);
	return sd_bus_reply_method_return(call, "o", path);
}

static void send_removed(sd_bus *b, const char *to, const char *result)
{
	sd_bus_message *m = NULL;

	(void)sd_bus_message_new_signal(b, &m, "/org/freedesktop/systemd1",
					"org.freedesktop.systemd1.Manager", "JobRemoved");
	(void)sd_bus_message_append(m, "uoss", 7u, JOB, target, result);
	if (to)
		(void)sd_bus_message_set_destination(m, to);
	(void)sd_bus_send(b, m, NULL);
	sd_bus_message_unref(m);
}

/* Somebody who may use the bus, and is not systemd. */
static void forge(const char *to)
{
	sd_bus *other = NULL;

	(void)sd_bus_open_system(&other);
	send_removed(other, to, "failed");
	/* its answer comes when the signal has been passed on */
	(void)sd_bus_call_method(other, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				 "org.freedesktop.DBus", "GetId", NULL, NULL, NULL);
	sd_bus_flush_close_unref(other);
}

static int run_unit(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	static char kept[64];
	const char *name, *mode;
	sd_bus *b = sd_bus_message_get_bus(call);
	char text[256];

	(void)arg;
	if (sd_bus_message_read(call, "ss", &name, &mode) < 0)
		return -EINVAL;
	(void)snprintf(kept, sizeof(kept), "%s", name);
	target = kept;
	(void)snprintf(text, sizeof(text), "%s %s %s", sd_bus_message_get_member(call), name, mode);
	note(text);
	if (strcmp(name, "masked.service") == 0)
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.UnitMasked",
					 "Unit masked.service is masked.");
	if (strcmp(name, "early.service") == 0)
		send_removed(b, NULL, "done");
	if (strcmp(name, "forged.service") == 0)
		forge(sd_bus_message_get_sender(call));
	(void)sd_bus_reply_method_return(call, "o", JOB);
	if (strcmp(name, "good.service") == 0 || strcmp(name, "forged.service") == 0 ||
	    strcmp(name, "alias.service") == 0)
		send_removed(b, NULL, "done");
	if (strcmp(name, "bad.service") == 0)
		send_removed(b, NULL, "failed");
	return 1;
}

static int get_job(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	uint32_t id;

	(void)arg;
	if (sd_bus_message_read(call, "u", &id) < 0 || id != 7)
		return -EINVAL;
	if (target && strcmp(target, "lost.service") == 0)
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.NoSuchJob",
					 "Job 7 does not exist.");
	return sd_bus_reply_method_return(call, "o", JOB);
}

static int change_files(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const char *name, *member = sd_bus_message_get_member(call);
	int runtime = 1, force = 1, enables = strcmp(member, "EnableUnitFiles") == 0;
	sd_bus_message *m = NULL;
	char text[256];

	(void)arg;
	if (sd_bus_message_enter_container(call, 'a', "s") < 0 ||
	    sd_bus_message_read(call, "s", &name) < 0)
		return -EINVAL;
	(void)snprintf(text, sizeof(text), "%s %s", member, name);
	if (sd_bus_message_exit_container(call) < 0 ||
	    sd_bus_message_read(call, "b", &runtime) < 0 ||
	    (enables && sd_bus_message_read(call, "b", &force) < 0))
		return -EINVAL;
	if (runtime || (enables && force))
		return -EINVAL;
	note(text);
	if (strcmp(name, "masked.service") == 0)
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.UnitMasked",
					 "Unit /etc/systemd/system/masked.service is masked.");
	(void)sd_bus_message_new_method_return(call, &m);
	if (enables)
		(void)sd_bus_message_append(m, "b", 1);
	(void)sd_bus_message_append(m, "a(sss)", 0);
	(void)sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	return 1;
}

static int file_state(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const char *name;

	(void)arg;
	if (sd_bus_message_read(call, "s", &name) < 0)
		return -EINVAL;
	if (strcmp(name, "many@.service") != 0)
		return sd_bus_error_setf(error, "org.freedesktop.DBus.Error.FileNotFound",
					 "No such file or directory");
	return sd_bus_reply_method_return(call, "s", "disabled");
}

static int nothing(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	(void)arg;
	(void)error;
	note(sd_bus_message_get_member(call));
	return sd_bus_reply_method_return(call, NULL);
}

#define METHOD(name, in, out, fn) SD_BUS_METHOD(name, in, out, fn, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable manager_table[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("LoadUnit", "s", "o", load_unit),
	METHOD("Subscribe", "", "", nothing),
	METHOD("Reload", "", "", nothing),
	METHOD("StartUnit", "ss", "o", run_unit),
	METHOD("StopUnit", "ss", "o", run_unit),
	METHOD("RestartUnit", "ss", "o", run_unit),
	METHOD("ReloadUnit", "ss", "o", run_unit),
	METHOD("GetJob", "u", "o", get_job),
	METHOD("GetUnitFileState", "s", "s", file_state),
	METHOD("EnableUnitFiles", "asbb", "ba(sss)", change_files),
	METHOD("DisableUnitFiles", "asb", "a(sss)", change_files),
	SD_BUS_VTABLE_END,
};

#define TEXT(name, member) SD_BUS_PROPERTY(name, "s", NULL, offsetof(struct fake_unit, member), 0)

static const sd_bus_vtable unit_table[] = {
	SD_BUS_VTABLE_START(0),	     TEXT("Id", id),	    TEXT("LoadState", load),
	TEXT("ActiveState", active), TEXT("SubState", sub), SD_BUS_VTABLE_END,
};

static int setup(sd_bus *b)
{
	char path[128];
	int r = sd_bus_add_object_vtable(b, NULL, "/org/freedesktop/systemd1",
					 "org.freedesktop.systemd1.Manager", manager_table, NULL);

	for (size_t i = 0; r >= 0 && i < VMV_COUNTOF(units); i++) {
		unit_path(units[i].name, path);
		r = sd_bus_add_object_vtable(b, NULL, path, "org.freedesktop.systemd1.Unit",
					     unit_table, &units[i]);
	}
	return r < 0 ? r : sd_bus_request_name(b, "org.freedesktop.systemd1", 0);
}

/* -- the tests --------------------------------------------------------------------------------- */

static bool has_bus;

static void up(void)
{
	fixture_up(&fx);
	t = (struct try){ 0 };
	bus_name(&fx);
	has_bus = bus_start(&bus, &fx);
	if (has_bus)
		bus_serve(&bus, setup);
}

static void down(void)
{
	bus_stop(&bus);
	fixture_down(&fx);
}

#define NEEDS_BUS()                                         \
	do {                                                \
		if (!has_bus) {                             \
			SAY_SKIPPED("no dbus-daemon here"); \
			return;                             \
		}                                           \
	} while (0)

static void control(const char *service, const char *operation)
{
	char members[600];

	(void)snprintf(members, sizeof(members), "\"service\":\"%s\",\"operation\":\"%s\"", service,
		       operation);
	if (!t.a.deadline_ms)
		t.a.deadline_ms = vmv_mono_ms(&vmv_clock_system) + 30000;
	try_action(&t, "ServiceControl", members, fx.dir);
}

static const char *text_at(struct json_object *data, const char *path)
{
	return json_object_get_string(guest_at(data, path));
}

static void expect_data(const char *service, const char *operation, const char *active,
			const char *sub, const char *result)
{
	struct json_object *data = try_data(&t);

	ck_assert_ptr_nonnull(data);
	ck_assert_str_eq(text_at(data, ".service"), service);
	ck_assert_str_eq(text_at(data, ".operation"), operation);
	ck_assert_pstr_eq(text_at(data, ".active"), active);
	ck_assert_pstr_eq(text_at(data, ".sub"), sub);
	ck_assert_pstr_eq(text_at(data, ".job_result"), result);
	json_object_put(data);
}

static void expect_calls(const char *want)
{
	char path[128], text[1024] = "";

	(void)snprintf(path, sizeof(path), "%s/calls", fx.dir);
	(void)vmv_read_at(AT_FDCWD, path, text, sizeof(text));
	ck_assert_str_eq(text, want);
}

START_TEST(a_unit_is_started_and_its_result_waited_for)
{
	NEEDS_BUS();
	control("good", "Restart");
	EXPECT_OK(&t);
	expect_data("good.service", "restart", "active", "running", "done");
	ck_assert_str_eq(t.a.text, "good.service restarted: active (running)");
	expect_calls("Subscribe\nRestartUnit good.service replace\n");
	try_done(&t);
}
END_TEST

START_TEST(each_operation_has_its_method)
{
	static const struct {
		const char *word, *calls;
	} cases[] = {
		{ "start", "Subscribe\nStartUnit good.service replace\n" },
		{ "stop", "Subscribe\nStopUnit good.service replace\n" },
		{ "reload", "Subscribe\nReloadUnit good.service replace\n" },
		{ "enable", "EnableUnitFiles good.service\nReload\n" },
		{ "disable", "DisableUnitFiles good.service\nReload\n" },
	};
	char path[128];

	NEEDS_BUS();
	(void)snprintf(path, sizeof(path), "%s/calls", fx.dir);
	for (size_t i = 0; i < VMV_COUNTOF(cases); i++) {
		(void)unlink(path);
		control("good.service", cases[i].word);
		EXPECT_OK(&t);
		expect_data("good.service", cases[i].word, "active", "running",
			    i < 3 ? "done" : NULL);
		expect_calls(cases[i].calls);
		try_done(&t);
	}
}
END_TEST

START_TEST(a_result_that_comes_before_the_answer_counts)
{
	NEEDS_BUS();
	control("early", "start");
	EXPECT_OK(&t);
	expect_data("early.service", "start", "active", "running", "done");
	try_done(&t);
}
END_TEST

START_TEST(a_job_that_fails_is_a_failure_with_its_result)
{
	NEEDS_BUS();
	control("bad", "start");
	EXPECT_FAILED(&t, VMV_E_IO, "result 'failed', it is failed (failed)");
	expect_data("bad.service", "start", "failed", "failed", "failed");
	try_done(&t);
}
END_TEST

START_TEST(a_job_that_goes_on_is_told_at_the_deadline)
{
	struct json_object *data;
	uint64_t began_ms = vmv_mono_ms(&vmv_clock_system);

	NEEDS_BUS();
	t.a.deadline_ms = began_ms + 5000;
	control("slow", "start");
	EXPECT_FAILED(&t, VMV_E_TIMEDOUT, "goes on with it");
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system), t.a.deadline_ms);
	ck_assert_uint_ge(vmv_mono_ms(&vmv_clock_system), began_ms + 4000);
	data = try_data(&t);
	ck_assert(json_object_get_boolean(guest_at(data, ".still_running")));
	json_object_put(data);
	try_done(&t);
}
END_TEST

START_TEST(a_signal_that_is_lost_does_not_cost_the_answer)
{
	NEEDS_BUS();
	control("lost", "start");
	EXPECT_OK(&t);
	expect_data("lost.service", "start", "active", "running", NULL);
	try_done(&t);
	control("lost", "stop"); /* and is active still */
	EXPECT_FAILED(&t, VMV_E_IO, "result 'unknown', it is active");
	try_done(&t);
}
END_TEST

START_TEST(signals_of_others_do_not_count)
{
	NEEDS_BUS();
	control("forged", "start");
	EXPECT_OK(&t);
	expect_data("forged.service", "start", "active", "running", "done");
	try_done(&t);
}
END_TEST

START_TEST(a_unit_that_is_not_there_is_not_found)
{
	static const char *const operations[] = { "start", "stop", "enable", "disable" };

	NEEDS_BUS();
	for (size_t i = 0; i < VMV_COUNTOF(operations); i++) {
		control("none", operations[i]);
		EXPECT_FAILED(&t, VMV_E_NOTFOUND, "no unit 'none.service'");
		ck_assert_uint_eq(t.a.data.buf.len, 0);
		try_done(&t);
	}
	expect_calls("");
}
END_TEST

START_TEST(what_systemd_says_is_told)
{
	NEEDS_BUS();
	control("masked", "start");
	EXPECT_FAILED(&t, VMV_E_IO, "start of 'masked.service': Unit masked.service is masked.");
	try_done(&t);
	control("masked", "enable");
	EXPECT_FAILED(&t, VMV_E_IO, "masked.service is masked.");
	try_done(&t);
	control("many@", "start");
	EXPECT_FAILED(&t, VMV_E_RANGE, "missing the instance name");
	try_done(&t);
}
END_TEST

START_TEST(templates_can_be_enabled)
{
	NEEDS_BUS();
	control("many@", "enable");
	EXPECT_OK(&t);
	expect_data("many@.service", "enable", NULL, NULL, NULL);
	try_done(&t);
	control("other@.service", "disable");
	EXPECT_FAILED(&t, VMV_E_NOTFOUND, "no unit 'other@.service'");
	try_done(&t);
	expect_calls("EnableUnitFiles many@.service\nReload\n");
}
END_TEST

START_TEST(our_own_units_are_spared_under_any_name)
{
	static const char *const names[] = { "vmvitalsd", "infiniservice.service", "vmvitals-execd",
					     "vmvitals-execd.socket", "alias" };
	static const char *const operations[] = { "stop", "restart", "disable" };

	NEEDS_BUS();
	for (size_t i = 0; i < VMV_COUNTOF(names); i++) {
		for (size_t k = 0; k < VMV_COUNTOF(operations); k++) {
			control(names[i], operations[k]);
			EXPECT_FAILED(&t, VMV_E_DENIED, "belongs to vmvitals");
			try_done(&t);
		}
	}
	expect_calls("");
	control("alias", "start");
	EXPECT_OK(&t);
	try_done(&t);
}
END_TEST

START_TEST(without_systemd_it_is_unsupported)
{
	bus_stop_one(&bus.service);
	control("good", "start");
	EXPECT_FAILED(&t, VMV_E_UNSUPPORTED, "needs systemd");
	try_done(&t);
	bus_stop_one(&bus.bus);
	control("good", "start");
	EXPECT_FAILED(&t, VMV_E_UNSUPPORTED, "needs systemd");
	try_done(&t);
	control("vmvitalsd", "stop");
	EXPECT_FAILED(&t, VMV_E_DENIED, "belongs to vmvitals");
	try_done(&t);
}
END_TEST

#endif

START_TEST(names_get_a_suffix)
{
	static const struct {
		const char *name, *unit;
	} cases[] = {
		{ "nginx", "nginx.service" },
		{ "nginx.service", "nginx.service" },
		{ "a.socket", "a.socket" },
		{ "a.timer", "a.timer" },
		{ "a.path", "a.path" },
		{ "a.mount", "a.mount.service" },
		{ "a.b", "a.b.service" },
		{ "a@b", "a@b.service" },
		{ ".service", ".service.service" },
		{ "a@", "a@.service" },
	};
	char unit[VMV_UNIT_NAME_SIZE], name[300];

	for (size_t i = 0; i < VMV_COUNTOF(cases); i++) {
		ck_assert_int_eq(vmv_unit_name(cases[i].name, unit), 0);
		ck_assert_str_eq(unit, cases[i].unit);
	}
	memset(name, 'a', sizeof(name));
	name[247] = '\0';
	ck_assert_int_eq(vmv_unit_name(name, unit), 0);
	name[247] = 'a';
	name[248] = '\0';
	ck_assert_int_eq(vmv_unit_name(name, unit), -ENAMETOOLONG);
	ck_assert(vmv_unit_is_template("a@.service"));
	ck_assert(!vmv_unit_is_template("a@b.service"));
	ck_assert(!vmv_unit_is_template("a.service"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("service_action");
	TCase *tc = tcase_create("service_action");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 90);
#ifdef HAVE_LIBSYSTEMD
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_unit_is_started_and_its_result_waited_for);
	tcase_add_test(tc, each_operation_has_its_method);
	tcase_add_test(tc, a_result_that_comes_before_the_answer_counts);
	tcase_add_test(tc, a_job_that_fails_is_a_failure_with_its_result);
	tcase_add_test(tc, a_job_that_goes_on_is_told_at_the_deadline);
	tcase_add_test(tc, a_signal_that_is_lost_does_not_cost_the_answer);
	tcase_add_test(tc, signals_of_others_do_not_count);
	tcase_add_test(tc, a_unit_that_is_not_there_is_not_found);
	tcase_add_test(tc, what_systemd_says_is_told);
	tcase_add_test(tc, templates_can_be_enabled);
	tcase_add_test(tc, our_own_units_are_spared_under_any_name);
	tcase_add_test(tc, without_systemd_it_is_unsupported);
#endif
	tcase_add_test(tc, names_get_a_suffix);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
