/* SetHostname: in a UTS namespace of its own, so that this machine keeps its name. */
#ifdef HAVE_LIBSYSTEMD
#include "tests/lib/bus.h"
#endif

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/action.h"
#include "tests/lib/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fx;
static struct try t;
static bool has_namespace;

static void up(void)
{
	fixture_up(&fx);
	t = (struct try){ 0 };
	has_namespace = unshare(CLONE_NEWUTS) == 0 && sethostname("before", 6) == 0;
	ck_assert_int_eq(
		setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/vmvitals-bus", 1), 0);
}

static void down(void)
{
	fixture_down(&fx);
}

#define NEEDS_NAMESPACE()                                                \
	do {                                                             \
		if (!has_namespace) {                                    \
			SAY_SKIPPED("no UTS namespace can be had here"); \
			return;                                          \
		}                                                        \
	} while (0)

static void try_name(const char *name)
{
	char members[400];

	(void)snprintf(members, sizeof(members), "\"hostname\":\"%s\"", name);
	try_action(&t, "SetHostname", members, fx.dir);
}

static void expect_names(const char *kernel, const char *file)
{
	char name[128] = "", path[128], text[256] = "";

	ck_assert_int_eq(gethostname(name, sizeof(name)), 0);
	ck_assert_str_eq(name, kernel);
	(void)snprintf(path, sizeof(path), "%s/etc/hostname", fx.dir);
	if (!file) {
		ck_assert_int_eq(vmv_read_at(AT_FDCWD, path, text, sizeof(text)), -ENOENT);
		return;
	}
	ck_assert_int_gt(vmv_read_at(AT_FDCWD, path, text, sizeof(text)), 0);
	ck_assert_str_eq(text, file);
}

static void expect_data(const char *before, const char *after)
{
	struct json_object *data = try_data(&t);

	ck_assert_str_eq(json_object_get_string(guest_at(data, ".before")), before);
	ck_assert_str_eq(json_object_get_string(guest_at(data, ".after")), after);
	json_object_put(data);
}

static unsigned files_in_etc(void)
{
	char path[128];
	unsigned n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/etc", fx.dir);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n - 2;
}

START_TEST(without_hostnamed_kernel_and_file_are_set)
{
	struct stat st;
	char path[128];

	NEEDS_NAMESPACE();
	try_name("web-1.example.org");
	EXPECT_OK(&t);
	expect_data("before", "web-1.example.org");
	try_done(&t);
	expect_names("web-1.example.org", "web-1.example.org\n");
	(void)snprintf(path, sizeof(path), "%s/etc/hostname", fx.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(chmod(path, 0640), 0);
	try_name("web-2");
	EXPECT_OK(&t);
	expect_data("web-1.example.org", "web-2");
	try_done(&t);
	expect_names("web-2", "web-2\n");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_uint_eq(files_in_etc(), 1);
}
END_TEST

START_TEST(a_link_is_not_followed_and_nothing_is_changed)
{
	char path[128], other[128], text[64];

	NEEDS_NAMESPACE();
	fixture_put(&fx, "other", "mine\n");
	(void)snprintf(other, sizeof(other), "%s/other", fx.dir);
	fixture_link(&fx, "etc/hostname", other);
	try_name("web-1");
	EXPECT_FAILED(&t, VMV_E_IO, "no plain file");
	try_done(&t);
	(void)snprintf(path, sizeof(path), "%s/etc/hostname", fx.dir);
	ck_assert_int_gt(vmv_read_at(AT_FDCWD, other, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "mine\n");
	ck_assert_int_eq(gethostname(text, sizeof(text)), 0);
	ck_assert_str_eq(text, "before");
	ck_assert_uint_eq(files_in_etc(), 1);
}
END_TEST

START_TEST(names_that_the_kernel_cannot_keep_are_refused)
{
	char name[80];

	NEEDS_NAMESPACE();
	memset(name, 'a', sizeof(name));
	name[32] = '.';
	name[65] = '\0';
	try_name(name);
	EXPECT_FAILED(&t, VMV_E_RANGE, "longer than 64");
	try_done(&t);
	expect_names("before", NULL);
	name[64] = '\0';
	try_name(name);
	EXPECT_OK(&t);
	try_done(&t);
	ck_assert_uint_eq(files_in_etc(), 1);
}
END_TEST

#ifdef HAVE_LIBSYSTEMD

static struct test_bus bus;
static bool says_no, says_nothing;

/* What it is told stands in one file, in order. */
static int set_name(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const char *name;
	char path[128];
	int is_asked;
	FILE *f;

	(void)arg;
	if (says_nothing)
		return 1;
	if (says_no)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "Invalid static hostname");
	if (sd_bus_message_read(call, "sb", &name, &is_asked) < 0)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "%s/told", fx.dir);
	f = fopen(path, "ae");
	(void)fprintf(f, "%s %s %d\n", sd_bus_message_get_member(call), name, is_asked);
	(void)fclose(f);
	(void)sethostname(name, strlen(name));
	return sd_bus_reply_method_return(call, NULL);
}

static const sd_bus_vtable hostname_table[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("SetStaticHostname", "sb", "", set_name, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetHostname", "sb", "", set_name, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int setup(sd_bus *b)
{
	int r = sd_bus_add_object_vtable(b, NULL, "/org/freedesktop/hostname1",
					 "org.freedesktop.hostname1", hostname_table, NULL);

	return r < 0 ? r : sd_bus_request_name(b, "org.freedesktop.hostname1", 0);
}

static bool start_bus(void)
{
	bus_name(&fx);
	if (bus_start(&bus, &fx))
		return true;
	SAY_SKIPPED("no dbus-daemon here");
	return false;
}

START_TEST(hostnamed_is_asked_first)
{
	char path[128], text[256];

	NEEDS_NAMESPACE();
	if (!start_bus())
		return;
	bus_serve(&bus, setup);
	try_name("web-1");
	EXPECT_OK(&t);
	expect_data("before", "web-1");
	try_done(&t);
	(void)snprintf(path, sizeof(path), "%s/told", fx.dir);
	ck_assert_int_gt(vmv_read_at(AT_FDCWD, path, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "SetStaticHostname web-1 0\nSetHostname web-1 0\n");
	expect_names("web-1", NULL);
	bus_stop(&bus);
}
END_TEST

START_TEST(what_hostnamed_says_is_told)
{
	NEEDS_NAMESPACE();
	if (!start_bus())
		return;
	says_no = true;
	bus_serve(&bus, setup);
	try_name("web-1");
	EXPECT_FAILED(&t, VMV_E_IO, "hostnamed: Invalid static hostname");
	try_done(&t);
	expect_names("before", NULL);
	bus_stop(&bus);
}
END_TEST

START_TEST(hostnamed_is_waited_for_until_the_deadline)
{
	uint64_t began_ms = vmv_mono_ms(&vmv_clock_system);

	NEEDS_NAMESPACE();
	if (!start_bus())
		return;
	says_nothing = true;
	bus_serve(&bus, setup);
	t.a.deadline_ms = began_ms + 1500;
	try_name("web-1");
	EXPECT_FAILED(&t, VMV_E_TIMEDOUT, "hostnamed");
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system), t.a.deadline_ms);
	try_done(&t);
	bus_stop(&bus);
}
END_TEST

START_TEST(a_bus_without_hostnamed_is_none)
{
	NEEDS_NAMESPACE();
	if (!start_bus())
		return;
	try_name("web-1");
	EXPECT_OK(&t);
	try_done(&t);
	expect_names("web-1", "web-1\n");
	bus_stop(&bus);
}
END_TEST

#endif

int main(void)
{
	Suite *s = suite_create("hostname");
	TCase *tc = tcase_create("hostname");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, without_hostnamed_kernel_and_file_are_set);
	tcase_add_test(tc, a_link_is_not_followed_and_nothing_is_changed);
	tcase_add_test(tc, names_that_the_kernel_cannot_keep_are_refused);
#ifdef HAVE_LIBSYSTEMD
	tcase_add_test(tc, hostnamed_is_asked_first);
	tcase_add_test(tc, what_hostnamed_says_is_told);
	tcase_add_test(tc, hostnamed_is_waited_for_until_the_deadline);
	tcase_add_test(tc, a_bus_without_hostnamed_is_none);
#endif
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
