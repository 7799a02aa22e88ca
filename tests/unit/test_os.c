#include "collectors/os.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

static struct vmv_os_sample read_one(const struct vmv_root *root)
{
	struct vmv_err err = { 0 };
	struct vmv_os_sample s;
	struct kept k;

	kept_init(&k, &vmv_collector_os);
	ck_assert_msg(kept_read(&k, &vmv_collector_os, root, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_str_eq(k.ids[0], "");
	memcpy(&s, k.samples, sizeof(s));
	kept_clear(&k);
	return s;
}

static const struct {
	const char *text, *name;
} quoting[] = {
	{ "NAME=Debian\n", "Debian" },
	{ "NAME=Debian", "Debian" }, /* no newline at the end */
	{ "NAME=Debian  \t\n", "Debian" },
	{ "NAME=Debian\r\n", "Debian" },
	{ "  NAME=Debian\n", "Debian" },
	{ "NAME=\"Debian GNU/Linux\"\n", "Debian GNU/Linux" },
	{ "NAME='Debian GNU/Linux'\n", "Debian GNU/Linux" },
	{ "NAME=\"Debian\" # a comment\n", "Debian" },
	{ "NAME=\"a\\\"b\\$c\\\\d\\`e\"\n", "a\"b$c\\d`e" },
	{ "NAME=\"a\\nb\"\n", "a\\nb" },     /* in double quotes n is not special */
	{ "NAME='a\\$b\"c'\n", "a\\$b\"c" }, /* in single quotes nothing is */
	{ "NAME=a\\ b\\$\n", "a b$" },
	{ "NAME=\"a#b\"\n", "a#b" },
	{ "NAME=a#b\n", "a#b" },
	{ "NAME=first\nNAME=second\n", "second" }, /* the last assignment counts */
	{ "NAME=first\nNAME=\"open\n", "first" },
	{ "#NAME=first\n# NAME=second\n", "Linux" },
	{ "NAMES=first\nXNAME=second\nNAME =third\n", "Linux" },
	{ "NAME=\n", "Linux" },
	{ "NAME=\"\"\n", "Linux" },
	{ "NAME=\"a\"b\n", "Linux" },
	{ "NAME=a\"b\"\n", "Linux" },
	{ "NAME=two words\n", "Linux" },
	{ "NAME='it\n", "Linux" },
	{ "NAME=\"a\\\"\n", "Linux" },
	{ "NAME\n=\n\n", "Linux" },
	{ "", "Linux" },
};

START_TEST(os_release_values_are_unquoted_and_malformed_lines_skipped)
{
	struct vmv_os_sample s = { .kernel = "6.1.0" };

	vmv_os_release_parse(quoting[_i].text, &s);
	ck_assert_str_eq(s.name, quoting[_i].name);
	ck_assert_str_eq(s.kernel, "6.1.0"); /* not one of the four */
}
END_TEST

START_TEST(what_os_release_does_not_say_has_defaults)
{
	struct vmv_os_sample s = { .id = "old", .version_id = "old", .pretty_name = "old" };

	vmv_os_release_parse("NAME=\"Arch Linux\"\n", &s);
	ck_assert_str_eq(s.id, "linux");
	ck_assert_str_eq(s.version_id, "");
	ck_assert_str_eq(s.name, "Arch Linux");
	ck_assert_str_eq(s.pretty_name, "Arch Linux");
}
END_TEST

START_TEST(absent_keys_are_known_from_empty_ones)
{
	struct vmv_os_release r;

	memset(&r, 'x', sizeof(r));
	vmv_os_release_values("VERSION_ID=\nVARIANT_ID=\"\"\nVERSION='12 (bookworm)'\n"
			      "VARIANT=two words\nID=a\nID=\"open\n",
			      &r);
	ck_assert(r.values[VMV_OS_VERSION_ID].is_there);
	ck_assert_str_eq(r.values[VMV_OS_VERSION_ID].text, "");
	ck_assert(r.values[VMV_OS_VARIANT_ID].is_there);
	ck_assert_str_eq(r.values[VMV_OS_VERSION].text, "12 (bookworm)");
	ck_assert_str_eq(r.values[VMV_OS_ID].text, "a");
	ck_assert(!r.values[VMV_OS_VARIANT].is_there); /* malformed */
	ck_assert(!r.values[VMV_OS_NAME].is_there);
	ck_assert(!r.values[VMV_OS_PRETTY_NAME].is_there);
}
END_TEST

START_TEST(a_value_too_long_is_cut_between_characters)
{
	struct vmv_os_sample s = { .id = "" };
	char text[256] = "ID=";

	memset(text + 3, 'a', 62);
	memcpy(text + 65, "\xc3\xa4\n", 4); /* bytes 63 and 64 of the value are one letter */
	vmv_os_release_parse(text, &s);
	ck_assert_uint_eq(strlen(s.id), 62);
}
END_TEST

START_TEST(the_kernel_tells_release_and_version)
{
	struct vmv_os_kernel k;
	struct utsname u;

	ck_assert_int_eq(uname(&u), 0);
	vmv_os_kernel_read(&fx.root, &k);
	ck_assert_str_eq(k.release, "");
	ck_assert_str_eq(k.version, "");
	ck_assert_str_eq(k.machine, u.machine);
	fixture_put(&fx, "proc/sys/kernel/osrelease", "6.1.0-13-amd64\n");
	fixture_put(&fx, "proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1\n");
	vmv_os_kernel_read(&fx.root, &k);
	ck_assert_str_eq(k.release, "6.1.0-13-amd64");
	ck_assert_str_eq(k.version, "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1");
}
END_TEST

START_TEST(the_host_name_is_read_or_unknown)
{
	char name[VMV_OS_HOSTNAME] = "old";

	ck_assert_int_eq(vmv_os_hostname_read(&fx.root, name), -ENOENT);
	fixture_put(&fx, "proc/sys/kernel/hostname", "\n");
	ck_assert_int_eq(vmv_os_hostname_read(&fx.root, name), -ENODATA);
	ck_assert_str_eq(name, "old");
	fixture_put(&fx, "proc/sys/kernel/hostname", "web1\n");
	ck_assert_int_eq(vmv_os_hostname_read(&fx.root, name), 0);
	ck_assert_str_eq(name, "web1");
}
END_TEST

START_TEST(a_whole_tree_is_read)
{
	struct vmv_os_sample s;

	fixture_put(&fx, "etc/os-release",
		    "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
		    "NAME=\"Debian GNU/Linux\"\n"
		    "VERSION_ID=\"12\"\n"
		    "ID=debian\n");
	fixture_put(&fx, "proc/sys/kernel/osrelease", "6.1.0-13-amd64\n");
	fixture_put(&fx, "proc/sys/kernel/hostname", "web1\n");
	fixture_put(&fx, "proc/sys/kernel/random/boot_id",
		    "0f9d2a4e-53c1-4c0e-9a57-1d2f3a4b5c6d\n");
	fixture_put(&fx, "etc/machine-id", "4c4c4544004b3510804ac4c04f4d3132\n");

	s = read_one(&fx.root);
	ck_assert_str_eq(s.id, "debian");
	ck_assert_str_eq(s.version_id, "12");
	ck_assert_str_eq(s.name, "Debian GNU/Linux");
	ck_assert_str_eq(s.pretty_name, "Debian GNU/Linux 12 (bookworm)");
	ck_assert_str_eq(s.kernel, "6.1.0-13-amd64");
	ck_assert_str_eq(s.hostname, "web1");
	ck_assert_str_eq(s.boot_id, "0f9d2a4e-53c1-4c0e-9a57-1d2f3a4b5c6d");
	ck_assert_str_eq(s.machine_id, "4c4c4544004b3510804ac4c04f4d3132");
}
END_TEST

START_TEST(an_empty_tree_is_no_failure)
{
	struct vmv_os_sample s = read_one(&fx.root);
	struct utsname u;

	ck_assert_int_eq(uname(&u), 0);
	ck_assert_str_eq(s.id, "linux");
	ck_assert_str_eq(s.name, "Linux");
	ck_assert_str_eq(s.pretty_name, "Linux");
	ck_assert_str_eq(s.arch, u.machine);
	ck_assert_str_eq(s.kernel, "");
	ck_assert_str_eq(s.hostname, "");
	ck_assert_str_eq(s.boot_id, "");
	ck_assert_str_eq(s.machine_id, "");
}
END_TEST

START_TEST(usr_lib_is_read_when_etc_has_no_os_release)
{
	fixture_put(&fx, "usr/lib/os-release", "ID=fedora\n");
	ck_assert_str_eq(read_one(&fx.root).id, "fedora");
}
END_TEST

static const char *const targets[] = { "../usr/lib/os-release", "/usr/lib/os-release",
				       "../../../../../../usr/lib/os-release" };

/* Older kernels and valgrind have no openat2(): then links can lead out of the root. */
static bool has_openat2(void)
{
	(void)syscall(SYS_openat2, -1, "", NULL, 0);
	return errno != ENOSYS;
}

START_TEST(links_are_followed_within_the_root)
{
	if (_i > 0 && !has_openat2()) {
		SAY_SKIPPED("no openat2()");
		return;
	}
	fixture_put(&fx, "usr/lib/os-release", "ID=inside\n");
	fixture_link(&fx, "etc/os-release", targets[_i]);
	ck_assert_str_eq(read_one(&fx.root).id, "inside");
}
END_TEST

static const char *const bad_machine_ids[] = {
	"",
	"uninitialized\n",
	"4c4c4544004b3510804ac4c04f4d313\n",
	"4c4c4544004b3510804ac4c04f4d31322\n",
	"4c4c4544-004b-3510-804a-c4c04f4d3132\n",
	"4c4c4544004b3510804ac4c04f4d313g\n",
};

START_TEST(a_malformed_machine_id_is_unknown)
{
	fixture_put(&fx, "etc/machine-id", bad_machine_ids[_i]);
	ck_assert_str_eq(read_one(&fx.root).machine_id, "");
}
END_TEST

START_TEST(live_values_are_those_of_uname)
{
	struct vmv_err err = { 0 };
	struct vmv_os_sample s;
	struct vmv_root root;
	struct utsname u;

	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	ck_assert_int_eq(uname(&u), 0);
	s = read_one(&root);
	ck_assert_str_eq(s.kernel, u.release);
	ck_assert_str_eq(s.arch, u.machine);
	ck_assert_str_eq(s.hostname, u.nodename);
	ck_assert_uint_eq(strlen(s.boot_id), 36);
	ck_assert_str_ne(s.id, "");
	vmv_root_close(&root);
}
END_TEST

START_TEST(its_fields_stand_for_one_info_metric)
{
	ck_assert_str_eq(vmv_collector_os.info, "node_os_info");
	ck_assert_ptr_null(vmv_collector_os.key);
	for (size_t i = 0; i < vmv_collector_os.n_fields; i++)
		ck_assert_int_eq(vmv_collector_os.fields[i].kind, VMV_INFO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("os");
	TCase *tc = tcase_create("read");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_loop_test(tc, os_release_values_are_unquoted_and_malformed_lines_skipped, 0,
			    (int)VMV_COUNTOF(quoting));
	tcase_add_test(tc, what_os_release_does_not_say_has_defaults);
	tcase_add_test(tc, absent_keys_are_known_from_empty_ones);
	tcase_add_test(tc, the_kernel_tells_release_and_version);
	tcase_add_test(tc, the_host_name_is_read_or_unknown);
	tcase_add_test(tc, a_value_too_long_is_cut_between_characters);
	tcase_add_test(tc, a_whole_tree_is_read);
	tcase_add_test(tc, an_empty_tree_is_no_failure);
	tcase_add_test(tc, usr_lib_is_read_when_etc_has_no_os_release);
	tcase_add_loop_test(tc, links_are_followed_within_the_root, 0, (int)VMV_COUNTOF(targets));
	tcase_add_loop_test(tc, a_malformed_machine_id_is_unknown, 0,
			    (int)VMV_COUNTOF(bad_machine_ids));
	tcase_add_test(tc, live_values_are_those_of_uname);
	tcase_add_test(tc, its_fields_stand_for_one_info_metric);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
