/* RebootSystem and PowerOff, in a tree whose programs only write down that they were called, with
 * no bus but our own and a reboot(2) that is none. */
#ifdef HAVE_LIBSYSTEMD
#include "tests/lib/bus.h"
#endif

#include "base/cleanup.h"
#include "base/clock.h"
#include "job/describe.h"
#include "job/power.h"
#include "tests/lib/action.h"
#include "tests/lib/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fx;
static struct try t;
static int rebooted; /* type of the last one */
static int reboot_errno;

static int not_reboot(int type)
{
	rebooted = type;
	errno = reboot_errno;
	return reboot_errno ? -1 : 0;
}

static struct vmv_power power;

static void up(void)
{
	fixture_up(&fx);
	t = (struct try){ 0 };
	rebooted = reboot_errno = 0;
	power = (struct vmv_power){ .root = fx.dir, .reboot = not_reboot };
	ck_assert_int_eq(
		setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/vmvitals-bus", 1), 0);
}

static void down(void)
{
	fixture_down(&fx);
}

static void put_program(const char *path, int exit_code)
{
	char text[256], full[128];

	(void)snprintf(text, sizeof(text), "#!/bin/sh\necho \"${0##*/} $*\" >>%s/calls\nexit %d\n",
		       fx.dir, exit_code);
	fixture_put(&fx, path, text);
	(void)snprintf(full, sizeof(full), "%s/%s", fx.dir, path);
	ck_assert_int_eq(chmod(full, 0755), 0);
}

static void expect_calls(const char *want)
{
	char path[128], text[1024] = "";

	(void)snprintf(path, sizeof(path), "%s/calls", fx.dir);
	(void)vmv_read_at(AT_FDCWD, path, text, sizeof(text));
	ck_assert_str_eq(text, want);
	(void)unlink(path);
}

static void expect_promise(const char *action, const char *members, const char *method)
{
	struct json_object *data;

	try_action(&t, action, members, fx.dir);
	EXPECT_OK(&t);
	data = try_data(&t);
	ck_assert_str_eq(json_object_get_string(guest_at(data, ".method")), method);
	ck_assert_int_eq(json_object_get_int(guest_at(data, ".delay_s")), t.a.after_delay_s);
	json_object_put(data);
	try_done(&t);
	expect_calls(""); /* it only says so */
}

static void act(int after, bool is_forced)
{
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_power(&power, after, is_forced, &err) == 0, "%s", err.msg);
}

START_TEST(what_cannot_be_tried_is_refused)
{
	try_action(&t, "RebootSystem", "", fx.dir);
	EXPECT_FAILED(&t, VMV_E_UNSUPPORTED, "reboot");
	ck_assert_int_eq(t.a.after, VMV_AFTER_NOTHING);
	try_done(&t);
	try_action(&t, "PowerOff", "", fx.dir);
	EXPECT_FAILED(&t, VMV_E_UNSUPPORTED, "power off");
	try_done(&t);
	ck_assert_int_lt(vmv_power(&power, VMV_AFTER_REBOOT, false, NULL), 0);
	ck_assert_int_eq(rebooted, 0);
}
END_TEST

START_TEST(the_answer_says_when_and_how)
{
	put_program("sbin/reboot", 0);
	put_program("usr/sbin/poweroff", 0);
	expect_promise("RebootSystem", "", "reboot");
	ck_assert_str_eq(t.a.text, "rebooting in 3 s");
	ck_assert_int_eq(t.a.after, VMV_AFTER_REBOOT);
	ck_assert(!t.a.after_is_forced);
	expect_promise("PowerOff", "\"delay_s\":60", "poweroff");
	ck_assert_str_eq(t.a.text, "powering off in 60 s");
	ck_assert_int_eq(t.a.after, VMV_AFTER_POWEROFF);
	ck_assert_str_eq(vmv_power_method(&power, VMV_AFTER_REBOOT, true), "kernel");
	ck_assert_int_eq(rebooted, 0);
	try_action(&t, "RebootSystem", "\"force\":true", fx.dir); /* this is no system */
	EXPECT_FAILED(&t, VMV_E_UNSUPPORTED, "reboot");
	try_done(&t);
}
END_TEST

START_TEST(without_systemd_its_programs_are_called)
{
	put_program("sbin/reboot", 0);
	put_program("sbin/poweroff", 0);
	put_program("usr/bin/systemctl", 0); /* there, but not what runs this */
	act(VMV_AFTER_REBOOT, false);
	expect_calls("reboot \n");
	act(VMV_AFTER_POWEROFF, false);
	expect_calls("poweroff \n");
	act(VMV_AFTER_REBOOT, true);
	expect_calls("");
	ck_assert_int_eq(rebooted, RB_AUTOBOOT);
	act(VMV_AFTER_POWEROFF, true);
	ck_assert_int_eq(rebooted, RB_POWER_OFF);
	ck_assert_ptr_null(vmv_power_method(&power, VMV_AFTER_HALT, false));
	put_program("sbin/shutdown", 0);
	act(VMV_AFTER_HALT, false);
	expect_calls("shutdown -h -H now\n");
	put_program("sbin/halt", 0);
	ck_assert_str_eq(vmv_power_method(&power, VMV_AFTER_HALT, false), "halt");
	act(VMV_AFTER_HALT, false);
	expect_calls("halt \n");
	act(VMV_AFTER_HALT, true);
	ck_assert_int_eq(rebooted, (int)RB_HALT_SYSTEM);
}
END_TEST

START_TEST(job_and_executor_have_words_for_it)
{
	static const int all[] = { VMV_AFTER_REBOOT, VMV_AFTER_POWEROFF, VMV_AFTER_HALT };

	for (size_t i = 0; i < VMV_COUNTOF(all); i++)
		ck_assert_int_eq(vmv_after_of(vmv_after_word(all[i])), all[i]);
	ck_assert_str_eq(vmv_after_word(VMV_AFTER_HALT), "halt");
	ck_assert_ptr_null(vmv_after_word(VMV_AFTER_NOTHING));
	ck_assert_int_eq(vmv_after_of("Halt"), VMV_AFTER_NOTHING);
	ck_assert_int_eq(vmv_after_of(""), VMV_AFTER_NOTHING);
}
END_TEST

/* What the executor says to the job that does it. */
static int describe(const char *after, struct vmv_description *ret)
{
	char text[512];
	int len = snprintf(
		text, sizeof(text),
		"{\"kind\":\"after\",\"after\":\"%s\",\"forced\":false,\"deadline_ms\":null,"
		"\"group\":null,\"settings\":{\"root\":\"/\",\"run_dir\":\"/r\","
		"\"state_dir\":\"/s\",\"config_dir\":\"/c\",\"temp_age_days\":1,\"executor\":1,"
		"\"agent\":1,\"run_as_allow\":[],\"file_roots\":[],\"secret_paths\":[]}}",
		after);

	return vmv_description_parse(ret, text, (size_t)len, NULL);
}

START_TEST(a_description_says_which)
{
	struct vmv_description d;

	ck_assert_int_eq(describe("halt", &d), 0);
	ck_assert_int_eq(d.after, VMV_AFTER_HALT);
	vmv_description_free(&d);
	ck_assert_int_eq(describe("poweroff", &d), 0);
	ck_assert_int_eq(d.after, VMV_AFTER_POWEROFF);
	vmv_description_free(&d);
	ck_assert_int_eq(describe("kexec", &d), -EINVAL);
	ck_assert_int_eq(describe("", &d), -EINVAL);
}
END_TEST

START_TEST(systemd_is_asked_where_it_runs)
{
	fixture_mkdir(&fx, "run");
	fixture_mkdir(&fx, "run/systemd");
	fixture_mkdir(&fx, "run/systemd/system");
	put_program("usr/bin/systemctl", 0);
	put_program("sbin/reboot", 0);
	expect_promise("RebootSystem", "", "systemctl");
	act(VMV_AFTER_REBOOT, false);
	expect_calls("systemctl --no-block --job-mode=replace-irreversibly start reboot.target\n");
	act(VMV_AFTER_POWEROFF, false);
	expect_calls(
		"systemctl --no-block --job-mode=replace-irreversibly start poweroff.target\n");
	expect_promise("RebootSystem", "\"force\":true,\"delay_s\":1", "systemctl");
	ck_assert(t.a.after_is_forced);
	ck_assert_uint_eq(t.a.after_delay_s, 1);
	act(VMV_AFTER_REBOOT, true);
	expect_calls("systemctl --force reboot\n");
	act(VMV_AFTER_POWEROFF, true);
	expect_calls("systemctl --force poweroff\n");
	act(VMV_AFTER_HALT, false);
	expect_calls("systemctl --no-block --job-mode=replace-irreversibly start halt.target\n");
	act(VMV_AFTER_HALT, true);
	expect_calls("systemctl --force halt\n");
	ck_assert_int_eq(rebooted, 0);
}
END_TEST

START_TEST(a_way_that_fails_is_followed_by_the_next)
{
	struct vmv_err err = { 0 };

	fixture_mkdir(&fx, "run");
	fixture_mkdir(&fx, "run/systemd");
	fixture_mkdir(&fx, "run/systemd/system");
	put_program("usr/bin/systemctl", 1);
	put_program("sbin/reboot", 1);
	put_program("sbin/shutdown", 0);
	act(VMV_AFTER_REBOOT, false);
	expect_calls("systemctl --no-block --job-mode=replace-irreversibly start reboot.target\n"
		     "reboot \nshutdown -r now\n");
	act(VMV_AFTER_REBOOT, true);
	expect_calls("systemctl --force reboot\n");
	ck_assert_int_eq(rebooted, RB_AUTOBOOT);
	reboot_errno = EPERM;
	ck_assert_int_eq(vmv_power(&power, VMV_AFTER_REBOOT, true, &err), -EPERM);
	ck_assert_str_eq(err.msg, "cannot reboot: Operation not permitted");
	put_program("sbin/shutdown", 1);
	ck_assert_int_lt(vmv_power(&power, VMV_AFTER_REBOOT, false, &err), 0);
	ck_assert_str_eq(err.msg, "shutdown: exit code 1: ");
}
END_TEST

#ifdef HAVE_LIBSYSTEMD

static struct test_bus bus;
static const char *can = "yes";
static bool says_no;

static int tell_can(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	(void)arg;
	(void)error;
	return sd_bus_reply_method_return(call, "s", can);
}

static int go(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	char path[128];
	int interactive;
	FILE *f;

	(void)arg;
	if (says_no)
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "Operation inhibited by \"backup\"");
	if (sd_bus_message_read(call, "b", &interactive) < 0)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "%s/calls", fx.dir);
	f = fopen(path, "ae");
	(void)fprintf(f, "%s %d\n", sd_bus_message_get_member(call), interactive);
	(void)fclose(f);
	return sd_bus_reply_method_return(call, NULL);
}

static const sd_bus_vtable login_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("CanReboot", "", "s", tell_can, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("CanPowerOff", "", "s", tell_can, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("CanHalt", "", "s", tell_can, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reboot", "b", "", go, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("PowerOff", "b", "", go, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Halt", "b", "", go, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int setup(sd_bus *b)
{
	int r = sd_bus_add_object_vtable(b, NULL, "/org/freedesktop/login1",
					 "org.freedesktop.login1.Manager", login_table, NULL);

	return r < 0 ? r : sd_bus_request_name(b, "org.freedesktop.login1", 0);
}

static bool start_bus(void)
{
	bus_name(&fx);
	if (!bus_start(&bus, &fx)) {
		SAY_SKIPPED("no dbus-daemon here");
		return false;
	}
	bus_serve(&bus, setup);
	return true;
}

START_TEST(logind_comes_first)
{
	put_program("sbin/reboot", 0);
	if (!start_bus())
		return;
	expect_promise("RebootSystem", "", "logind");
	expect_promise("PowerOff", "", "logind");
	act(VMV_AFTER_REBOOT, false);
	expect_calls("Reboot 0\n");
	act(VMV_AFTER_POWEROFF, false);
	expect_calls("PowerOff 0\n");
	ck_assert_str_eq(vmv_power_method(&power, VMV_AFTER_HALT, false), "logind");
	act(VMV_AFTER_HALT, false);
	expect_calls("Halt 0\n");
	act(VMV_AFTER_REBOOT, true);
	expect_calls("");
	ck_assert_int_eq(rebooted, RB_AUTOBOOT);
	bus_stop(&bus);
}
END_TEST

START_TEST(a_logind_that_will_not_is_passed_by)
{
	put_program("sbin/reboot", 0);
	says_no = true;
	can = "no";
	if (!start_bus())
		return;
	expect_promise("RebootSystem", "", "reboot");
	act(VMV_AFTER_REBOOT, false);
	expect_calls("reboot \n");
	bus_stop(&bus);
}
END_TEST

#endif

int main(void)
{
	Suite *s = suite_create("power");
	TCase *tc = tcase_create("power");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, what_cannot_be_tried_is_refused);
	tcase_add_test(tc, the_answer_says_when_and_how);
	tcase_add_test(tc, without_systemd_its_programs_are_called);
	tcase_add_test(tc, job_and_executor_have_words_for_it);
	tcase_add_test(tc, a_description_says_which);
	tcase_add_test(tc, systemd_is_asked_where_it_runs);
	tcase_add_test(tc, a_way_that_fails_is_followed_by_the_next);
#ifdef HAVE_LIBSYSTEMD
	tcase_add_test(tc, logind_comes_first);
	tcase_add_test(tc, a_logind_that_will_not_is_passed_by);
#endif
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
