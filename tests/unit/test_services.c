/* helper/services.c against a bus of our own with a service manager on it. */
#include "helper/question.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;
static struct vmv_buf answer;

#ifdef HAVE_LIBSYSTEMD

#include "exec/bus.h"
#include "tests/lib/fake_systemd.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct fake_systemd fake;

static void up(void)
{
	char address[128];

	fixture_up(&fx);
	answer = (struct vmv_buf){ .max = VMV_ASK_LONG_MAX };
	fake = (struct fake_systemd){ .bus = 0 };
	(void)snprintf(address, sizeof(address), "unix:path=%s/bus", fx.dir);
	ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
}

static void down(void)
{
	fake_systemd_stop(&fake);
	vmv_buf_free(&answer);
	fixture_down(&fx);
}

#define START_OR_SKIP()                                     \
	do {                                                \
		if (!fake_bus_start(&fake, fx.dir)) {       \
			SAY_SKIPPED("no dbus-daemon here"); \
			return;                             \
		}                                           \
		ck_assert(fake_manager_start(&fake));       \
	} while (0)

/* The parts of the answer. */
static const char *head, *text;
static struct json_object *data;

static void split(void)
{
	char *lf;

	answer.max++;
	ck_assert_int_eq(vmv_buf_add(&answer, "", 1), 0);
	ck_assert_uint_eq(strlen(answer.data), answer.len - 1);
	head = answer.data;
	lf = strchr(head, '\n');
	ck_assert_ptr_nonnull(lf);
	*lf = '\0';
	text = strchr(lf + 1, '\n');
	ck_assert_ptr_nonnull(text);
	for (const char *p = lf + 1; p < text; p++)
		ck_assert_msg(*p >= 0x20 && *p < 0x7f, "byte %02x", (unsigned char)*p);
	answer.data[text - answer.data] = '\0';
	text++;
	data = json_tokener_parse(lf + 1);
	ck_assert_ptr_nonnull(data);
}

static struct json_object *service(const char *name)
{
	for (size_t i = 0; i < json_object_array_length(data); i++) {
		struct json_object *o = json_object_array_get_idx(data, i);

		if (strcmp(json_object_get_string(guest_at(o, ".name")), name) == 0)
			return o;
	}
	ck_abort_msg("no %s", name);
	return NULL;
}

static void expect(struct json_object *o, const char *json)
{
	struct json_object *want = json_tokener_parse(json);

	ck_assert_msg(json_object_equal(o, want), "%s", json_object_to_json_string(o));
	json_object_put(want);
}

/* -- services ---------------------------------------------------------------------------------- */

START_TEST(a_running_service_is_told_as_the_protocol_says)
{
	START_OR_SKIP();
	ck_assert_int_eq(vmv_answer_services("", &answer), 0);
	split();
	ck_assert_str_eq(head, "whole");
	ck_assert_str_eq(text, "10 services, 3 running, 1 failed");
	expect(service("run.service"),
	       "{\"name\":\"run.service\",\"display_name\":\"Runs\",\"status\":\"running\","
	       "\"description\":\"Runs\",\"can_start\":false,\"can_stop\":true,"
	       "\"can_restart\":true,\"startup_type\":\"enabled\",\"unit\":\"run.service\","
	       "\"load\":\"loaded\",\"active\":\"active\",\"sub\":\"running\"}");
	json_object_put(data);
}
END_TEST

START_TEST(services_and_nothing_else_are_listed_by_name)
{
	static const char *const names[] = {
		"broken.service",   "getty@tty1.service", "gone.service", "long.service",
		"masked.service",   "nginx.service",	  "odd.service",  "run.service",
		"starting.service", "stopping.service",
	};

	START_OR_SKIP();
	ck_assert_int_eq(vmv_answer_services("", &answer), 0);
	split();
	ck_assert_uint_eq(json_object_array_length(data), VMV_COUNTOF(names));
	for (size_t i = 0; i < VMV_COUNTOF(names); i++)
		ck_assert_str_eq(json_object_get_string(
					 guest_at(json_object_array_get_idx(data, i), ".name")),
				 names[i]);
	json_object_put(data);
}
END_TEST

START_TEST(state_and_startup_say_what_can_be_done)
{
	static const struct {
		const char *name, *status, *startup;
		bool can_start, can_stop, can_restart;
	} wanted[] = {
		{ "run.service", "running", "enabled", false, true, true },
		{ "broken.service", "failed", "static", true, false, false },
		{ "getty@tty1.service", "running", "enabled", false, true, true },
		{ "gone.service", "stopped", "unknown", false, false, false },
		{ "masked.service", "stopped", "masked", false, false, false },
		{ "starting.service", "start-pre", "unknown", false, true, true },
		{ "long.service", "stopped", "disabled", true, false, false },
	};

	START_OR_SKIP();
	ck_assert_int_eq(vmv_answer_services("", &answer), 0);
	split();
	for (size_t i = 0; i < VMV_COUNTOF(wanted); i++) {
		struct json_object *o = service(wanted[i].name);

		ck_assert_str_eq(json_object_get_string(guest_at(o, ".status")), wanted[i].status);
		ck_assert_str_eq(json_object_get_string(guest_at(o, ".startup_type")),
				 wanted[i].startup);
		ck_assert_int_eq(json_object_get_boolean(guest_at(o, ".can_start")),
				 wanted[i].can_start);
		ck_assert_int_eq(json_object_get_boolean(guest_at(o, ".can_stop")),
				 wanted[i].can_stop);
		ck_assert_int_eq(json_object_get_boolean(guest_at(o, ".can_restart")),
				 wanted[i].can_restart);
	}
	/* without a description the name is shown */
	ck_assert_str_eq(
		json_object_get_string(guest_at(service("starting.service"), ".display_name")),
		"starting.service");
	ck_assert_str_eq(
		json_object_get_string(guest_at(service("starting.service"), ".description")), "");
	json_object_put(data);
}
END_TEST

START_TEST(descriptions_are_cut_between_characters)
{
	struct json_object *o;
	size_t len;

	START_OR_SKIP();
	ck_assert_int_eq(vmv_answer_services("", &answer), 0);
	split();
	o = guest_at(service("long.service"), ".description");
	len = (size_t)json_object_get_string_len(o);
	ck_assert_uint_gt(len, 500);
	ck_assert_uint_lt(len, 520);
	ck_assert_ptr_null(strstr(json_object_get_string(o), "\xef\xbf\xbd"));
	json_object_put(data);
}
END_TEST

START_TEST(a_list_that_finds_no_room_is_cut_and_says_so)
{
	size_t n;

	fake.n_more = 2000;
	START_OR_SKIP();
	answer.max = VMV_ASK_ANSWER_MAX;
	ck_assert_int_eq(vmv_answer_services("", &answer), 0);
	ck_assert_uint_le(answer.len, VMV_ASK_ANSWER_MAX);
	split();
	n = json_object_array_length(data);
	ck_assert_str_eq(head, "cut");
	ck_assert_uint_gt(n, 100);
	ck_assert_uint_lt(n, 2010);
	/* what is counted is all there is */
	ck_assert_str_eq(text, "2010 services, 2003 running, 1 failed");
	json_object_put(data);
}
END_TEST

START_TEST(as_many_as_there_may_be_find_room)
{
	fake.n_more = 2000;
	START_OR_SKIP();
	ck_assert_int_eq(vmv_answer_services("", &answer), 0);
	split();
	ck_assert_str_eq(head, "whole");
	ck_assert_uint_eq(json_object_array_length(data), 2010);
	json_object_put(data);
}
END_TEST

START_TEST(a_manager_that_dies_is_no_answer)
{
	fake.dies = true;
	START_OR_SKIP();
	ck_assert_int_lt(vmv_answer_services("", &answer), 0);
	ck_assert_uint_eq(answer.len, 0);
}
END_TEST

/* -- service-status ---------------------------------------------------------------------------- */

static void ask_status(const char *name)
{
	ck_assert_int_eq(vmv_answer_service_status(name, &answer), 0);
	split();
	ck_assert_str_eq(head, "whole");
}

START_TEST(status_of_a_running_service)
{
	char wanted[512];

	START_OR_SKIP();
	ask_status("run.service");
	(void)snprintf(wanted, sizeof(wanted),
		       "{\"name\":\"run.service\",\"load\":\"loaded\",\"active\":\"active\","
		       "\"sub\":\"running\",\"startup_type\":\"enabled\",\"main_pid\":%d,"
		       "\"since\":\"2023-11-14T22:13:20.123Z\",\"result\":\"success\"}",
		       fake.manager);
	expect(data, wanted);
	(void)snprintf(wanted, sizeof(wanted),
		       "\u25cf run.service - Runs\n"
		       "     Loaded: loaded (/lib/systemd/system/run.service; enabled)\n"
		       "     Active: active (running) since 2023-11-14T22:13:20.123Z\n"
		       "   Main PID: %d (fake manager)",
		       fake.manager);
	ck_assert_str_eq(text, wanted);
	json_object_put(data);
}
END_TEST

START_TEST(status_of_a_failed_service)
{
	START_OR_SKIP();
	ask_status("broken.service");
	expect(data, "{\"name\":\"broken.service\",\"load\":\"loaded\",\"active\":\"failed\","
		     "\"sub\":\"failed\",\"startup_type\":\"static\",\"main_pid\":null,"
		     "\"since\":\"2023-11-14T22:13:22.000Z\",\"result\":\"exit-code\"}");
	ck_assert_str_eq(text,
			 "\u00d7 broken.service - Breaks\n"
			 "     Loaded: loaded (/etc/systemd/system/broken.service; static)\n"
			 "     Active: failed (Result: exit-code) since 2023-11-14T22:13:22.000Z");
	json_object_put(data);
}
END_TEST

START_TEST(since_is_of_the_state_a_unit_is_in)
{
	static const struct {
		const char *name, *since;
	} wanted[] = {
		{ "starting.service", "2023-11-14T22:13:23.000Z" },
		{ "stopping.service", "2023-11-14T22:13:24.000Z" },
		{ "clean.timer", "2023-11-14T22:13:20.000Z" },
		{ "masked.service", NULL },
	};

	START_OR_SKIP();
	for (size_t i = 0; i < VMV_COUNTOF(wanted); i++) {
		const char *since;

		answer.len = 0;
		ask_status(wanted[i].name);
		since = json_object_get_string(guest_at(data, ".since"));
		ck_assert_pstr_eq(since, wanted[i].since);
		json_object_put(data);
	}
}
END_TEST

START_TEST(an_alias_is_told_under_the_proper_name)
{
	START_OR_SKIP();
	ask_status("alias.service");
	ck_assert_str_eq(json_object_get_string(guest_at(data, ".name")), "run.service");
	json_object_put(data);
}
END_TEST

/* The text has the lines that we make, and no others. */
START_TEST(values_cannot_make_lines)
{
	START_OR_SKIP();
	ask_status("odd.service");
	ck_assert_str_eq(text, "\u25cb odd.service - two?lines??\u00e4\n"
			       "     Loaded: loaded (unknown)\n"
			       "     Active: inactive (dead)");
	json_object_put(data);
}
END_TEST

START_TEST(long_values_are_cut)
{
	START_OR_SKIP();
	ask_status("long.service");
	ck_assert_uint_lt(strlen(text), 700);
	ck_assert_ptr_nonnull(strstr(text, "Active: inactive (dead)"));
	json_object_put(data);
}
END_TEST

START_TEST(units_that_do_not_exist_are_esrch)
{
	char name[300];

	START_OR_SKIP();
	ck_assert_int_eq(vmv_answer_service_status("nothing.service", &answer), -ESRCH);
	ck_assert_int_eq(vmv_answer_service_status("gone.service", &answer), -ESRCH);
	/* systemd refuses this name: no unit has it */
	ck_assert_int_eq(vmv_answer_service_status("getty@.service", &answer), -ESRCH);
	memset(name, 'x', sizeof(name));
	memcpy(name + sizeof(name) - 9, ".service", 9);
	ck_assert_int_eq(vmv_answer_service_status(name, &answer), -ESRCH);
	ck_assert_uint_eq(answer.len, 0);
}
END_TEST

START_TEST(names_that_are_none_are_refused)
{
	static const char *const bad[] = {
		"",
		"run",
		"-oops.service",
		"run.service\n",
		"run service",
		"$(id).service",
		"a/b.service",
		"run.service x.service",
		".service",
		"data.mount",
		"r\xc3\xa4.service",
	};

	for (size_t i = 0; i < VMV_COUNTOF(bad); i++)
		ck_assert_int_eq(vmv_answer_service_status(bad[i], &answer), -EINVAL);
	ck_assert_int_eq(vmv_answer_services("run.service", &answer), -EINVAL);
}
END_TEST

/* -- nobody ------------------------------------------------------------------------------------ */

START_TEST(without_systemd_it_is_enosys)
{
	ck_assert_int_eq(vmv_answer_services("", &answer), -ENOSYS);
	ck_assert_int_eq(vmv_answer_service_status("run.service", &answer), -ENOSYS);
	if (!fake_bus_start(&fake, fx.dir)) {
		SAY_SKIPPED("no dbus-daemon here");
		return;
	}
	/* a bus, and nobody on it */
	ck_assert_int_eq(vmv_answer_services("", &answer), -ENOSYS);
	ck_assert_int_eq(vmv_answer_service_status("run.service", &answer), -ENOSYS);
}
END_TEST

/* It takes connections, and nothing else. */
START_TEST(a_bus_that_hangs_is_not_waited_for_longer_than_was_agreed)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	vmv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t began_ms = vmv_mono_ms(&vmv_clock_system);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/bus", fx.dir);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(vmv_answer_services("", &answer), -ETIME);
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system) - began_ms, VMV_BUS_DEADLINE_MS + 5000);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_running_service_is_told_as_the_protocol_says);
	tcase_add_test(tc, services_and_nothing_else_are_listed_by_name);
	tcase_add_test(tc, state_and_startup_say_what_can_be_done);
	tcase_add_test(tc, descriptions_are_cut_between_characters);
	tcase_add_test(tc, a_list_that_finds_no_room_is_cut_and_says_so);
	tcase_add_test(tc, as_many_as_there_may_be_find_room);
	tcase_add_test(tc, a_manager_that_dies_is_no_answer);
	tcase_add_test(tc, status_of_a_running_service);
	tcase_add_test(tc, status_of_a_failed_service);
	tcase_add_test(tc, since_is_of_the_state_a_unit_is_in);
	tcase_add_test(tc, an_alias_is_told_under_the_proper_name);
	tcase_add_test(tc, values_cannot_make_lines);
	tcase_add_test(tc, long_values_are_cut);
	tcase_add_test(tc, units_that_do_not_exist_are_esrch);
	tcase_add_test(tc, names_that_are_none_are_refused);
	tcase_add_test(tc, without_systemd_it_is_enosys);
	tcase_add_test(tc, a_bus_that_hangs_is_not_waited_for_longer_than_was_agreed);
}

#else

START_TEST(without_the_library_there_is_no_answer)
{
	(void)fx;
	ck_assert_int_eq(vmv_answer_services("", &answer), -ENOSYS);
	ck_assert_int_eq(vmv_answer_service_status("run.service", &answer), -ENOSYS);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, without_the_library_there_is_no_answer);
}

#endif

int main(void)
{
	Suite *s = suite_create("services");
	TCase *tc = tcase_create("services");
	SRunner *sr = srunner_create(s);
	int failed;

	add_tests(tc);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
