#include "base/cleanup.h"
#include "base/limits.h"
#include "job/caches.h"
#include "tests/lib/acting.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define LONG_AGO 1000000000 /* 2001 */
#define DAY_S	 86400

static struct fixture fx;
static struct acting x;
static int top;

static void up(void)
{
	fixture_up(&fx);
	acting_up(&x, &fx);
	top = open(fx.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top, 0);
}

static void down(void)
{
	(void)close(top);
	acting_down(&x);
	fixture_down(&fx);
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void age(const char *path, time_t t)
{
	struct timespec ts[2] = { { .tv_sec = t }, { .tv_sec = t } };

	ck_assert_int_eq(utimensat(top, path, ts, AT_SYMLINK_NOFOLLOW), 0);
}

/* A program in the tree. */
static void put_tool(const char *path, const char *script)
{
	fixture_put(&fx, path, script);
	ck_assert_int_eq(fchmodat(top, path, 0755, 0), 0);
}

/* The change time of a file cannot be set: the second in which it was made has to pass. */
static void let_a_second_pass(const char *path)
{
	struct stat st;

	ck_assert_int_eq(fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	while (time(NULL) <= st.st_ctime)
		(void)sched_yield();
}

static struct json_object *target(const char *name)
{
	struct json_object *v;

	ck_assert(json_object_object_get_ex(acting_get(&x, "per_target"), name, &v));
	return v;
}

static int64_t number_of(const char *name, const char *member)
{
	struct json_object *v;

	ck_assert(json_object_object_get_ex(target(name), member, &v));
	ck_assert(json_object_is_type(v, json_type_int));
	return json_object_get_int64(v);
}

START_TEST(old_temporary_files_go)
{
	fixture_put(&fx, "tmp/d/f", "text");
	fixture_put(&fx, "var/tmp/g", "text");
	age("tmp/d/f", LONG_AGO);
	age("var/tmp/g", LONG_AGO);
	age("tmp/d", LONG_AGO);
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{}"), 0);
	ck_assert(is_there("tmp/d/f")); /* changed just now */
	ck_assert_int_eq(acting_int(&x, "files_deleted"), 0);

	x.settings.temp_age_days = 0;
	let_a_second_pass("tmp/d");
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{\"dry_run\":true}"), 0);
	ck_assert(is_there("tmp/d/f") && is_there("var/tmp/g"));
	ck_assert_int_eq(acting_int(&x, "files_deleted"), 2);
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{}"), 0);
	ck_assert(!is_there("tmp/d") && !is_there("var/tmp/g"));
	ck_assert(is_there("tmp") && is_there("var/tmp"));
	ck_assert_int_eq(acting_int(&x, "files_deleted"), 2);
	ck_assert_int_eq(acting_int(&x, "errors"), 0);
	ck_assert(acting_num(&x, "space_cleared_mb") > 0);
	ck_assert_int_eq(number_of("temp_files", "files_deleted"), 2);
	ck_assert_int_eq(number_of("package_cache", "files_deleted"), 0);
}
END_TEST

START_TEST(targets_have_other_names_and_each_is_done_once)
{
	struct json_object *done;

	ck_assert_int_eq(acting_run(&x, "DiskCleanup",
				    "{\"targets\":[\"Temp-Files\",\"temp_files\",\"cache\","
				    "\"system_cache\",\"old-kernels\",\"recycle_bin\"]}"),
			 0);
	done = acting_get(&x, "targets_processed");
	ck_assert_str_eq(json_object_to_json_string_ext(done, JSON_C_TO_STRING_PLAIN),
			 "[\"temp_files\",\"package_cache\",\"old_kernels\",\"recycle_bin\"]");
}
END_TEST

START_TEST(a_link_instead_of_tmp_is_not_followed)
{
	fixture_put(&fx, "victim/f", "");
	fixture_link(&fx, "tmp", "victim");
	fixture_link(&fx, "var/tmp", "../victim");
	x.settings.temp_age_days = 0;
	let_a_second_pass("victim/f");
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{}"), 0);
	ck_assert(is_there("victim/f"));
	ck_assert_int_eq(acting_int(&x, "files_deleted"), 0);
}
END_TEST

START_TEST(the_manager_cleans_its_cache)
{
	fixture_put(&fx, "var/cache/apt/archives/a_1_amd64.deb", "0123456789");
	fixture_put(&fx, "var/cache/apt/archives/partial/b.deb", "0123456789");
	fixture_put(&fx, "var/cache/apt/archives/lock", "");
	put_tool("usr/bin/apt-get", "#!/bin/sh\n"
				    "root=${0%/usr/bin/apt-get}\n"
				    "[ \"$*\" = clean ] || exit 9\n"
				    "rm $root/var/cache/apt/archives/*.deb\n"
				    "rm $root/var/cache/apt/archives/partial/*\n");
	ck_assert_int_eq(
		acting_run(&x, "DiskCleanup", "{\"targets\":[\"cache\"],\"dry_run\":true}"), 0);
	ck_assert_int_eq(acting_int(&x, "files_deleted"), 2);
	ck_assert(is_there("var/cache/apt/archives/a_1_amd64.deb"));
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{\"targets\":[\"cache\"]}"), 0);
	ck_assert_int_eq(acting_int(&x, "files_deleted"), 2);
	ck_assert(acting_num(&x, "space_cleared_mb") > 0);
	ck_assert(!is_there("var/cache/apt/archives/a_1_amd64.deb"));
	ck_assert(is_there("var/cache/apt/archives/lock"));
}
END_TEST

START_TEST(a_failing_manager_is_told)
{
	put_tool("usr/bin/dnf", "#!/bin/sh\nexit 3\n");
	ck_assert_int_lt(acting_run(&x, "DiskCleanup", "{\"targets\":[\"cache\"]}"), 0);
	ck_assert_int_eq(x.err.code, VMV_E_IO);
	ck_assert_ptr_nonnull(strstr(x.err.msg, "exit code 3"));
	ck_assert_int_eq(acting_int(&x, "errors"), 1);
	/* but the others are done all the same */
	fixture_mkdir(&fx, "tmp");
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{}"), 0);
	ck_assert_int_eq(acting_int(&x, "errors"), 1);
	ck_assert_int_eq(number_of("package_cache", "errors"), 1);
}
END_TEST

START_TEST(a_manager_that_hangs_is_ended_in_time)
{
	put_tool("usr/bin/dnf", "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n");
	ck_assert_int_lt(vmv_cache_clean(&x.settings, 1, &x.err), 0);
	ck_assert_int_eq(x.err.code, VMV_E_TIMEDOUT);
}
END_TEST

START_TEST(old_rotated_logs_go)
{
	static const char *const gone[] = { "var/log/syslog.2.gz", "var/log/messages-20240131",
					    "var/log/apt/term.log.1", "var/log/Xorg.0.log.old" };
	static const char *const kept[] = { "var/log/syslog", "var/log/notes-20249999",
					    "var/log/young.gz", "var/log/app/data.txt" };
	time_t now = time(NULL);

	for (size_t i = 0; i < VMV_COUNTOF(gone); i++) {
		fixture_put(&fx, gone[i], "x");
		age(gone[i], now - 31 * DAY_S);
	}
	for (size_t i = 0; i < VMV_COUNTOF(kept); i++) {
		fixture_put(&fx, kept[i], "x");
		age(kept[i], now - (strstr(kept[i], "young") ? 29 : 31) * DAY_S);
	}
	put_tool("usr/bin/journalctl", "#!/bin/sh\n"
				       "echo \"$*\" > ${0%/usr/bin/journalctl}/said\n");
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{\"targets\":[\"logs\"]}"), 0);
	for (size_t i = 0; i < VMV_COUNTOF(gone); i++)
		ck_assert_msg(!is_there(gone[i]), "%s", gone[i]);
	for (size_t i = 0; i < VMV_COUNTOF(kept); i++)
		ck_assert_msg(is_there(kept[i]), "%s", kept[i]);
	ck_assert_int_eq(acting_int(&x, "files_deleted"), (int)VMV_COUNTOF(gone));
	ck_assert(is_there("said"));
}
END_TEST

static const char autoremove[] = "Reading package lists...\n"
				 "The following packages will be REMOVED:\n"
				 "  libfoo1 linux-image-6.1.0-10-amd64\n"
				 "Remv libfoo1 [1.0]\n"
				 "Remv linux-image-6.1.0-10-amd64 [6.1.37-1]\n"
				 "Remv linux-image-6.1.0-13-amd64 [6.1.55-1]\n"
				 "Remv linux-headers-6.1.0-13-common [6.1.55-1]\n"
				 "Remv linux-image-6.1.0-9-amd64:amd64 [6.1.20-1]\n"
				 "Remv linux-modules-extra-6.1.0-130-generic [6.1.20-1]\n"
				 "Remv linux-image-6.1.0-18-amd64 [6.1.76-1]\n"
				 "Remv linux-image-amd64 [6.1.76-1]\n"
				 "Remv linux-base [4.9]\n"
				 "Remv linux-libc-dev-6.1.0 [6.1]\n"
				 "Remv linux-firmware-6.1.0 [6.1]\n"
				 "Remv ";

START_TEST(of_apts_kernels_neither_the_running_nor_the_newest_goes)
{
	struct vmv_kernel_packages k = { .n = 0 };

	vmv_kernels_parse_apt(autoremove, "6.1.0-13-amd64", "6.1.0-18-amd64", &k);
	ck_assert_uint_eq(k.n, 3);
	ck_assert_str_eq(k.names[0], "linux-image-6.1.0-10-amd64");
	ck_assert_str_eq(k.names[1], "linux-image-6.1.0-9-amd64");
	ck_assert_str_eq(k.names[2], "linux-modules-extra-6.1.0-130-generic");
	vmv_kernels_free(&k);
}
END_TEST

START_TEST(of_dnfs_kernels_neither_the_running_nor_the_newest_goes)
{
	struct vmv_kernel_packages k = { .n = 0 };

	vmv_kernels_parse_list("kernel-core-5.14.0-70.el9.x86_64\n\n"
			       "kernel-core-5.14.0-162.el9.x86_64\n"
			       "kernel-modules-5.14.0-284.el9.x86_64\n"
			       "gpg-pubkey-1-2.noarch\n",
			       "5.14.0-162.el9.x86_64", "5.14.0-284.el9.x86_64", &k);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_str_eq(k.names[0], "kernel-core-5.14.0-70.el9.x86_64");
	vmv_kernels_free(&k);
}
END_TEST

START_TEST(old_kernels_are_removed_by_the_manager)
{
	struct utsname name;
	char script[1024];

	ck_assert_int_eq(uname(&name), 0);
	(void)snprintf(
		script, sizeof(script),
		"#!/bin/sh\n"
		"root=${0%%/usr/bin/apt-get}\n"
		"case \"$*\" in\n"
		"'-s autoremove') echo 'Remv linux-image-1.2.3-4-x [1]'\n"
		"echo 'Remv linux-image-99.0.0-1-x [1]'\n"
		"echo 'Remv linux-image-%s [1]';;\n"
		"'-y -q remove -- linux-image-1.2.3-4-x') rm -r $root/lib/modules/1.2.3-4-x;;\n"
		"*) exit 9;;\n"
		"esac\n",
		name.release);
	put_tool("usr/bin/apt-get", script);
	fixture_put(&fx, "lib/modules/1.2.3-4-x/modules.dep", "0123456789");
	fixture_put(&fx, "lib/modules/99.0.0-1-x/modules.dep", "0123456789");
	ck_assert_int_eq(
		acting_run(&x, "DiskCleanup", "{\"targets\":[\"old_kernels\"],\"dry_run\":true}"),
		0);
	ck_assert(json_object_object_length(target("old_kernels")) > 0);
	ck_assert(is_there("lib/modules/1.2.3-4-x"));
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{\"targets\":[\"old_kernels\"]}"), 0);
	ck_assert(!is_there("lib/modules/1.2.3-4-x"));
	ck_assert(is_there("lib/modules/99.0.0-1-x"));
	ck_assert_int_eq(acting_int(&x, "files_deleted"), 1);
}
END_TEST

START_TEST(the_deadline_ends_it_with_what_was_done)
{
	fixture_put(&fx, "tmp/f", "");
	ck_assert_int_eq(acting_run(&x, "DiskCleanup", "{\"targets\":[\"temp_files\"]}"), 0);
	x.action.deadline_ms = 1;
	vmv_jw_free(&x.action.data);
	vmv_jw_init(&x.action.data, VMV_JOB_RESULT_MAX);
	ck_assert_int_lt(vmv_do_disk_cleanup(&x.action, &x.err), 0);
	ck_assert_int_eq(x.err.code, VMV_E_TIMEDOUT);
	ck_assert_int_eq(vmv_jw_finish(&x.action.data), 0);
	ck_assert_uint_gt(x.action.data.buf.len, 0);
	ck_assert(is_there("tmp/f"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cleanup");
	TCase *tc = tcase_create("targets");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, old_temporary_files_go);
	tcase_add_test(tc, targets_have_other_names_and_each_is_done_once);
	tcase_add_test(tc, a_link_instead_of_tmp_is_not_followed);
	tcase_add_test(tc, the_manager_cleans_its_cache);
	tcase_add_test(tc, a_failing_manager_is_told);
	tcase_add_test(tc, a_manager_that_hangs_is_ended_in_time);
	tcase_add_test(tc, old_rotated_logs_go);
	tcase_add_test(tc, of_apts_kernels_neither_the_running_nor_the_newest_goes);
	tcase_add_test(tc, of_dnfs_kernels_neither_the_running_nor_the_newest_goes);
	tcase_add_test(tc, old_kernels_are_removed_by_the_manager);
	tcase_add_test(tc, the_deadline_ends_it_with_what_was_done);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
