/* What clients of the QEMU guest agent may change, in a tree whose programs only write down that
 * they were called; freezing and trimming is in test_freeze.c, where filesystems are. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/root.h"
#include "tests/lib/acting.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct fixture fx;
static struct acting x;

static void up(void)
{
	fixture_up(&fx);
	acting_up(&x, &fx);
	ck_assert_int_eq(
		setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/vmvitals-bus", 1), 0);
}

static void down(void)
{
	acting_down(&x);
	fixture_down(&fx);
}

static void put_program(const char *path, const char *rest)
{
	char text[512], full[256];

	(void)snprintf(text, sizeof(text), "#!/bin/sh\necho \"${0##*/} $*\" >>%s/calls\n%s\n",
		       fx.dir, rest);
	fixture_put(&fx, path, text);
	(void)snprintf(full, sizeof(full), "%s/%s", fx.dir, path);
	ck_assert_int_eq(chmod(full, 0755), 0);
}

static void put_systemd(const char *rest)
{
	fixture_mkdir(&fx, "run");
	fixture_mkdir(&fx, "run/systemd");
	fixture_mkdir(&fx, "run/systemd/system");
	put_program("usr/bin/systemctl", rest);
}

static void expect_file(const char *name, const char *want)
{
	char path[256], text[1024] = "";

	(void)snprintf(path, sizeof(path), "%s/%s", fx.dir, name);
	(void)vmv_read_at(AT_FDCWD, path, text, sizeof(text));
	ck_assert_str_eq(text, want);
}

static void expect_failure(const char *command, const char *arguments, enum vmv_errc code,
			   const char *text)
{
	ck_assert_int_lt(acting_run_qga(&x, command, arguments, ""), 0);
	ck_assert_msg(x.err.code == code && strstr(x.err.msg, text), "%d: %s", (int)x.err.code,
		      x.err.msg);
	ck_assert_str_eq(acting_text(&x), "");
}

static void expect_return(const char *command, const char *arguments, const char *want)
{
	ck_assert_msg(acting_run_qga(&x, command, arguments, "") == 0, "%s", x.err.msg);
	ck_assert_str_eq(acting_text(&x), want);
}

/* -- guest-shutdown -----------------------------------------------------------------------------
 */

START_TEST(a_shutdown_is_promised_and_nothing_is_said)
{
	static const struct {
		const char *arguments;
		int after;
	} cases[] = {
		{ "null", VMV_AFTER_POWEROFF },
		{ "{}", VMV_AFTER_POWEROFF },
		{ "{\"mode\":\"powerdown\"}", VMV_AFTER_POWEROFF },
		{ "{\"mode\":\"halt\"}", VMV_AFTER_HALT },
		{ "{\"mode\":\"reboot\"}", VMV_AFTER_REBOOT },
	};

	put_program("sbin/shutdown", "");
	for (size_t i = 0; i < VMV_COUNTOF(cases); i++) {
		expect_return("guest-shutdown", cases[i].arguments, "");
		ck_assert_int_eq(x.action.after, cases[i].after);
		ck_assert_uint_eq(x.action.after_delay_s, 0);
		ck_assert(!x.action.after_is_forced);
	}
	expect_file("calls", ""); /* it comes after the answer */
}
END_TEST

START_TEST(a_shutdown_without_a_way_is_an_error)
{
	expect_failure("guest-shutdown", "{}", VMV_E_UNSUPPORTED, "power off");
	ck_assert_int_eq(x.action.after, VMV_AFTER_NOTHING);
	put_program("sbin/poweroff", ""); /* which cannot halt */
	expect_failure("guest-shutdown", "{\"mode\":\"halt\"}", VMV_E_UNSUPPORTED, "halt");
	ck_assert_int_eq(x.action.after, VMV_AFTER_NOTHING);
}
END_TEST

/* -- guest-suspend-* ----------------------------------------------------------------------------
 */

START_TEST(what_the_kernel_does_not_offer_is_not_tried)
{
	put_systemd("");
	expect_failure("guest-suspend-ram", "{}", VMV_E_UNSUPPORTED, "cannot suspend");
	fixture_put(&fx, "sys/power/state", "freeze memory\n");
	expect_failure("guest-suspend-ram", "{}", VMV_E_UNSUPPORTED, "cannot suspend");
	fixture_put(&fx, "sys/power/state", "freeze mem disk\n");
	expect_failure("guest-suspend-disk", "{}", VMV_E_UNSUPPORTED, "cannot hibernate");
	fixture_put(&fx, "sys/power/disk", "[disabled]\n");
	expect_failure("guest-suspend-disk", "{}", VMV_E_UNSUPPORTED, "cannot hibernate");
	fixture_put(&fx, "sys/power/disk", "[platform] shutdown reboot test_resume\n");
	expect_failure("guest-suspend-hybrid", "{}", VMV_E_UNSUPPORTED, "cannot hybrid-sleep");
	expect_file("calls", "");
}
END_TEST

static void put_all_states(void)
{
	fixture_put(&fx, "sys/power/state", "freeze mem disk\n");
	fixture_put(&fx, "sys/power/disk", "[platform] shutdown reboot suspend test_resume\n");
}

START_TEST(systemd_suspends_where_it_runs)
{
	put_systemd("");
	put_all_states();
	expect_return("guest-suspend-ram", "{}", "");
	expect_return("guest-suspend-disk", "{}", "");
	expect_return("guest-suspend-hybrid", "{}", "");
	expect_file("calls", "systemctl --no-block suspend\nsystemctl --no-block hibernate\n"
			     "systemctl --no-block hybrid-sleep\n");
	expect_file("sys/power/state", "freeze mem disk\n");
}
END_TEST

START_TEST(what_systemd_refuses_is_not_done_behind_its_back)
{
	put_systemd("echo 'Not enough swap' >&2; echo two >&2; exit 1");
	put_all_states();
	expect_failure("guest-suspend-disk", "{}", VMV_E_IO, "exit code 1: Not enough swap");
	ck_assert_ptr_null(strchr(x.err.msg, '\n'));
	expect_file("sys/power/state", "freeze mem disk\n");
	x.deadline_ms = 1; /* over */
	expect_failure("guest-suspend-disk", "{}", VMV_E_TIMEDOUT, "systemctl");
}
END_TEST

START_TEST(without_systemd_the_kernel_is_told)
{
	put_program("usr/bin/systemctl", ""); /* there, but not what runs this */
	put_all_states();
	expect_return("guest-suspend-ram", "{}", "");
	expect_file("sys/power/state", "mem");
	put_all_states();
	expect_return("guest-suspend-disk", "{}", "");
	expect_file("sys/power/state", "disk");
	expect_file("sys/power/disk", "[platform] shutdown reboot suspend test_resume\n");
	put_all_states();
	expect_return("guest-suspend-hybrid", "{}", "");
	expect_file("sys/power/state", "disk");
	expect_file("sys/power/disk", "platform"); /* as it was chosen before */
	expect_file("calls", "");
}
END_TEST

/* A lease holds up who opens the file for writing, as a driver would who writes there. */
START_TEST(a_kernel_that_hangs_is_not_waited_for)
{
	char path[256];
	vmv_autoclose int fd = -1;

	put_all_states();
	(void)snprintf(path, sizeof(path), "%s/sys/power/state", fx.dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	(void)sigaction(SIGIO, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
		SAY_SKIPPED("no leases on this filesystem");
		return;
	}
	x.deadline_ms = vmv_mono_ms(&vmv_clock_system) + 1200; /* a second of it is spare */
	expect_failure("guest-suspend-ram", "{}", VMV_E_TIMEDOUT, "not suspended yet");
}
END_TEST

/* -- guest-set-vcpus ----------------------------------------------------------------------------
 */

#define CPU "sys/devices/system/cpu/cpu"

static void put_cpus(void)
{
	fixture_mkdir(&fx, "sys/devices");
	fixture_mkdir(&fx, "sys/devices/system");
	fixture_mkdir(&fx, "sys/devices/system/cpu");
	fixture_mkdir(&fx, CPU "0"); /* cannot be taken offline */
	fixture_put(&fx, CPU "1/online", "1\n");
	fixture_put(&fx, CPU "2/online", "0\n");
}

START_TEST(cpus_go_online_and_offline)
{
	put_cpus();
	expect_return("guest-set-vcpus",
		      "{\"vcpus\":[{\"logical-id\":1,\"online\":false},"
		      "{\"online\":true,\"logical-id\":2,\"can-offline\":true}]}",
		      "2");
	expect_file(CPU "1/online", "0");
	expect_file(CPU "2/online", "1");
	expect_return("guest-set-vcpus", "{\"vcpus\":[]}", "0");
}
END_TEST

START_TEST(cpus_that_are_so_already_are_not_written)
{
	put_cpus();
	expect_return("guest-set-vcpus",
		      "{\"vcpus\":[{\"logical-id\":0,\"online\":true},"
		      "{\"logical-id\":1,\"online\":true},{\"logical-id\":2,\"online\":false}]}",
		      "3");
	expect_file(CPU "1/online", "1\n"); /* a write would be without newline */
	expect_file(CPU "2/online", "0\n");
}
END_TEST

START_TEST(only_a_first_cpu_that_fails_is_an_error)
{
	put_cpus();
	expect_failure("guest-set-vcpus",
		       "{\"vcpus\":[{\"logical-id\":0,\"online\":false},"
		       "{\"logical-id\":1,\"online\":false}]}",
		       VMV_E_UNSUPPORTED, "CPU 0 cannot be taken offline");
	expect_failure("guest-set-vcpus", "{\"vcpus\":[{\"logical-id\":9,\"online\":true}]}",
		       VMV_E_NOTFOUND, "no CPU 9");
	expect_failure("guest-set-vcpus", "{\"vcpus\":[{\"logical-id\":-1,\"online\":true}]}",
		       VMV_E_NOTFOUND, "no CPU -1");
	expect_file(CPU "1/online", "1\n");
	expect_return("guest-set-vcpus",
		      "{\"vcpus\":[{\"logical-id\":1,\"online\":false},"
		      "{\"logical-id\":9,\"online\":true},{\"logical-id\":2,\"online\":true}]}",
		      "1");
	expect_file(CPU "1/online", "0");
	expect_file(CPU "2/online", "0\n"); /* it stops at the failure */
	x.deadline_ms = 1;
	expect_failure("guest-set-vcpus", "{\"vcpus\":[{\"logical-id\":1,\"online\":true}]}",
		       VMV_E_TIMEDOUT, "no time");
	expect_file(CPU "1/online", "0");
}
END_TEST

static const struct {
	const char *elements, *error;
} bad_vcpus[] = {
	{ "1", "Invalid parameter type for 'vcpus[1]', expected: object" },
	{ "null", "Invalid parameter type for 'vcpus[1]', expected: object" },
	{ "{\"online\":true}", "Parameter 'vcpus[1].logical-id' is missing" },
	{ "{\"logical-id\":2}", "Parameter 'vcpus[1].online' is missing" },
	{ "{\"logical-id\":\"2\",\"online\":true}",
	  "Invalid parameter type for 'vcpus[1].logical-id', expected: integer" },
	{ "{\"logical-id\":2.0,\"online\":true}",
	  "Invalid parameter type for 'vcpus[1].logical-id', expected: integer" },
	{ "{\"logical-id\":18446744073709551616,\"online\":true}",
	  "Invalid parameter type for 'vcpus[1].logical-id', expected: integer" },
	{ "{\"logical-id\":2,\"online\":1}",
	  "Invalid parameter type for 'vcpus[1].online', expected: boolean" },
	{ "{\"logical-id\":2,\"online\":true,\"can-offline\":0}",
	  "Invalid parameter type for 'vcpus[1].can-offline', expected: boolean" },
	{ "{\"logical-id\":2,\"online\":true,\"x\":0}", "Parameter 'vcpus[1].x' is unexpected" },
};

START_TEST(of_a_list_that_is_wrong_nothing_is_done)
{
	char text[256];

	put_cpus();
	(void)snprintf(text, sizeof(text), "{\"vcpus\":[{\"logical-id\":1,\"online\":false},%s]}",
		       bad_vcpus[_i].elements);
	expect_failure("guest-set-vcpus", text, VMV_E_RANGE, bad_vcpus[_i].error);
	expect_file(CPU "1/online", "1\n");
}
END_TEST

/* -- guest-set-memory-blocks --------------------------------------------------------------------
 */

#define MEMORY "sys/devices/system/memory/memory"

START_TEST(memory_blocks_are_answered_one_by_one)
{
	fixture_put(&fx, MEMORY "0/state", "online\n");
	fixture_put(&fx, MEMORY "1/state", "offline\n");
	fixture_put(&fx, MEMORY "7/removable", "0\n");
	fixture_mkdir(&fx, MEMORY "8");
	fixture_mkdir(&fx, MEMORY "8/state"); /* cannot be read */
	expect_return("guest-set-memory-blocks",
		      "{\"mem-blks\":[{\"phys-index\":1,\"online\":true},"
		      "{\"phys-index\":9,\"online\":true},{\"phys-index\":7,\"online\":false},"
		      "{\"phys-index\":8,\"online\":false},"
		      "{\"phys-index\":0,\"online\":true,\"can-offline\":true}]}",
		      "[{\"phys-index\":1,\"response\":\"success\"},"
		      "{\"phys-index\":9,\"response\":\"not-found\"},"
		      "{\"phys-index\":7,\"response\":\"operation-not-supported\"},"
		      "{\"phys-index\":8,\"response\":\"operation-failed\",\"error-code\":21},"
		      "{\"phys-index\":0,\"response\":\"success\"}]");
	expect_file(MEMORY "1/state", "online");
	expect_file(MEMORY "0/state", "online\n"); /* not written */
	expect_return("guest-set-memory-blocks", "{\"mem-blks\":[]}", "[]");
	expect_failure("guest-set-memory-blocks",
		       "{\"mem-blks\":[{\"phys-index\":-1,\"online\":true}]}", VMV_E_RANGE,
		       "Invalid parameter type for 'mem-blks[0].phys-index', expected: uint64");
	expect_failure("guest-set-memory-blocks", "{\"mem-blks\":[{\"phys-index\":0}]}",
		       VMV_E_RANGE, "Parameter 'mem-blks[0].online' is missing");
}
END_TEST

START_TEST(a_memory_block_whose_time_is_over_has_failed)
{
	fixture_put(&fx, MEMORY "0/state", "online\n");
	fixture_put(&fx, MEMORY "1/state", "offline\n");
	x.deadline_ms = 1;
	expect_return("guest-set-memory-blocks",
		      "{\"mem-blks\":[{\"phys-index\":0,\"online\":true},"
		      "{\"phys-index\":1,\"online\":true}]}",
		      "[{\"phys-index\":0,\"response\":\"success\"},"
		      "{\"phys-index\":1,\"response\":\"operation-failed\",\"error-code\":110}]");
	expect_file(MEMORY "1/state", "offline\n");
}
END_TEST

/* -- guest-set-time -----------------------------------------------------------------------------
 */

/* What would set a clock must not be able to. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = { 0 };

	ck_assert_int_eq(syscall(SYS_capset, &head, caps), 0);
}

START_TEST(a_tree_that_is_no_system_has_no_clock)
{
	drop_capabilities();
	expect_failure("guest-set-time", "{\"time\":1784030400000000000}", VMV_E_UNSUPPORTED,
		       "not that of the tree");
	expect_failure("guest-set-time", "{}", VMV_E_UNSUPPORTED, "not that of the tree");
}
END_TEST

START_TEST(times_before_1970_and_after_2069_are_refused)
{
	static const char *const times[] = { "-1", "-9223372036854775808", "3155760000000000000",
					     "9223372036854775807" };

	drop_capabilities();
	x.settings.root = "/";
	for (size_t i = 0; i < VMV_COUNTOF(times); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "{\"time\":%s}", times[i]);
		expect_failure("guest-set-time", text, VMV_E_RANGE, "1970 and 2069");
	}
	expect_failure("guest-set-time", "{\"time\":3155759999999999999}", VMV_E_IO,
		       "cannot set the clock: Operation not permitted");
}
END_TEST

/* Whether this machine has an RTC or not. */
START_TEST(a_clock_that_cannot_be_set_from_the_hardware_is_an_error)
{
	drop_capabilities();
	x.settings.root = "/";
	ck_assert_int_lt(acting_run_qga(&x, "guest-set-time", "{}", ""), 0);
	ck_assert_msg(strstr(x.err.msg, "clock"), "%s", x.err.msg);
}
END_TEST

/* -- guest-fstrim, guest-fsfreeze-* --------------------------------------------------------------
 */

START_TEST(what_cannot_be_trimmed_is_an_entry_of_the_list)
{
	fixture_put(&fx, "proc/self/mountinfo",
		    "1 0 0:20 / /proc rw - proc proc rw\n"
		    "2 0 253:1 / /none rw - ext4 /dev/vda1 rw\n");
	expect_return("guest-fstrim", "{\"minimum\":-1}",
		      "{\"paths\":[{\"path\":\"/none\","
		      "\"error\":\"cannot trim: No such file or directory\"}]}");
	fixture_put(&fx, "proc/self/mountinfo", "1 0 0:20 / /proc rw - proc proc rw\n");
	expect_return("guest-fstrim", "null", "{\"paths\":[]}");
}
END_TEST

START_TEST(a_freeze_without_an_end_is_refused)
{
	static const char *const members[] = { "", "\"thaw_after_s\":4", "\"thaw_after_s\":3601",
					       "\"thaw_after_s\":\"60\"", "\"thaw_after_s\":null" };

	fixture_put(&fx, "proc/self/mountinfo", "1 0 0:20 / /proc rw - proc proc rw\n");
	for (size_t i = 0; i < VMV_COUNTOF(members); i++) {
		ck_assert_int_eq(acting_run_qga(&x, "guest-fsfreeze-freeze", "null", members[i]),
				 -EINVAL);
		ck_assert_int_eq(x.err.code, VMV_E_PARSE);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_operate");
	TCase *tc = tcase_create("qga_operate");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_shutdown_is_promised_and_nothing_is_said);
	tcase_add_test(tc, a_shutdown_without_a_way_is_an_error);
	tcase_add_test(tc, what_the_kernel_does_not_offer_is_not_tried);
	tcase_add_test(tc, systemd_suspends_where_it_runs);
	tcase_add_test(tc, what_systemd_refuses_is_not_done_behind_its_back);
	tcase_add_test(tc, without_systemd_the_kernel_is_told);
	tcase_add_test(tc, a_kernel_that_hangs_is_not_waited_for);
	tcase_add_test(tc, cpus_go_online_and_offline);
	tcase_add_test(tc, cpus_that_are_so_already_are_not_written);
	tcase_add_test(tc, only_a_first_cpu_that_fails_is_an_error);
	tcase_add_loop_test(tc, of_a_list_that_is_wrong_nothing_is_done, 0,
			    (int)VMV_COUNTOF(bad_vcpus));
	tcase_add_test(tc, memory_blocks_are_answered_one_by_one);
	tcase_add_test(tc, a_memory_block_whose_time_is_over_has_failed);
	tcase_add_test(tc, a_tree_that_is_no_system_has_no_clock);
	tcase_add_test(tc, times_before_1970_and_after_2069_are_refused);
	tcase_add_test(tc, a_clock_that_cannot_be_set_from_the_hardware_is_an_error);
	tcase_add_test(tc, what_cannot_be_trimmed_is_an_entry_of_the_list);
	tcase_add_test(tc, a_freeze_without_an_end_is_refused);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
