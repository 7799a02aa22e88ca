#include "packages/parse.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"
#include "packages/manager.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_packages list;
static struct vmv_updates updates;
static char *text;
static size_t cap;

static void down(void)
{
	vmv_packages_free(&list);
	vmv_updates_free(&updates);
	free(text);
	text = NULL;
	cap = 0;
}

static char *recorded(const char *name)
{
	const char *top = getenv("top_srcdir");
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/tests/fixtures/packages/%s", top ? top : ".", name);
	ck_assert_int_gt(vmv_read_table_at(AT_FDCWD, path, &text, &cap, 1 << 20), 0);
	return text;
}

static const char *str(struct vmv_slice s)
{
	static char copies[8][256];
	static unsigned next;
	char *copy = copies[next++ % 8];

	(void)snprintf(copy, sizeof(copies[0]), "%.*s", (int)s.len, s.s ? s.s : "");
	return s.s ? copy : "(unknown)";
}

static void check_package(size_t i, const char *name, const char *version, const char *arch,
			  const char *description, const char *source, const char *vendor,
			  uint64_t size)
{
	ck_assert_uint_lt(i, list.n);
	ck_assert_str_eq(str(list.items[i].name), name);
	ck_assert_str_eq(str(list.items[i].version), version);
	ck_assert_str_eq(str(list.items[i].arch), arch);
	ck_assert_str_eq(str(list.items[i].description), description);
	ck_assert_str_eq(str(list.items[i].source), source);
	ck_assert_str_eq(str(list.items[i].vendor), vendor);
	ck_assert_uint_eq(list.items[i].size, size);
}

/* -- installed ------------------------------------------------------------------------------- */

START_TEST(dpkg_tells_of_what_is_installed_and_of_nothing_else)
{
	ck_assert_int_eq(vmv_parse_dpkg(recorded("dpkg-status"), &list), 0);
	ck_assert_uint_eq(list.n, 4);
	check_package(0, "bash", "5.2.15-2+b8", "amd64", "GNU Bourne Again SHell", "bash",
		      "Matthias Klose <doko@debian.org>", 7164 * 1024);
	check_package(1, "libc6", "2.36-9+deb12u14", "amd64", "GNU C Library: Shared libraries",
		      "glibc", "GNU Libc Maintainers <debian-glibc@lists.debian.org>",
		      13001 * 1024);
	check_package(2, "tzdata", "2025b-0+deb12u2", "all",
		      "time zone and daylight-saving time data", "tzdata",
		      "GNU Libc Maintainers <debian-glibc@lists.debian.org>", 2565 * 1024);
	ck_assert_str_eq(str(list.items[3].name), "zlib1g");
	ck_assert_str_eq(str(list.items[3].source), "zlib");
	for (size_t i = 0; i < list.n; i++)
		ck_assert(list.items[i].is_installed && list.items[i].installed_s == VMV_UNSET);
}
END_TEST

START_TEST(apt_cache_show_tells_what_is_to_be_fetched)
{
	ck_assert_int_eq(vmv_parse_dpkg(recorded("apt-show"), &list), 0);
	ck_assert_uint_eq(list.n, 3);
	ck_assert_str_eq(str(list.items[0].name), "bash");
	ck_assert_str_eq(str(list.items[0].version), "5.2.15-2+b13");
	ck_assert_uint_eq(list.items[0].size, 1490652);
	ck_assert_str_eq(str(list.items[2].name), "zip");
	ck_assert_uint_eq(list.items[2].size, 230316);
	ck_assert(!list.items[0].is_installed);
}
END_TEST

START_TEST(rpm_tells_of_packages_and_not_of_keys)
{
	ck_assert_int_eq(vmv_parse_rpm(recorded("rpm-qa"), &list), 0);
	ck_assert_uint_eq(list.n, 6);
	check_package(0, "bash", "5.1.8-6.el9_1", "x86_64", "The GNU Bourne Again shell", "bash",
		      "Red Hat, Inc.", 7738634);
	check_package(1, "bind-libs", "32:9.16.23-14.el9", "x86_64",
		      "Libraries used by the BIND DNS packages", "bind", "Red Hat, Inc.", 3285592);
	check_package(4, "local-tool", "1.0-1", "noarch", "A tool with a\ttab in its summary",
		      "(unknown)", "(unknown)", 120);
	check_package(5, "python3-setuptools", "53.0.0-12.el9", "noarch",
		      "Easily build and distribute Python 3 packages", "python-setuptools",
		      "Red Hat, Inc.", 4712356);
	ck_assert_uint_eq(list.items[0].installed_s, 1700000000);
}
END_TEST

START_TEST(apk_tells_of_packages)
{
	ck_assert_int_eq(vmv_parse_apk(recorded("apk-installed"), &list), 0);
	ck_assert_uint_eq(list.n, 3);
	check_package(0, "alpine-baselayout", "3.4.3-r1", "x86_64",
		      "Alpine base dir structure and init scripts", "alpine-baselayout",
		      "Natanael Copa <ncopa@alpinelinux.org>", 315392);
	check_package(1, "busybox", "1.36.1-r0", "x86_64",
		      "Size optimized toolbox of many common UNIX utilities", "busybox",
		      "S\xc3\xb6ren Tempel <soeren+alpine@soeren-tempel.net>", 962560);
	check_package(2, ".build-deps", "20240101.000000", "noarch", "virtual meta package",
		      "(unknown)", "(unknown)", 0);
	ck_assert(list.items[0].is_installed);
}
END_TEST

START_TEST(pacman_tells_of_packages)
{
	ck_assert_int_eq(vmv_parse_pacman(recorded("pacman-local"), &list), 0);
	ck_assert_uint_eq(list.n, 1);
	check_package(0, "bash", "5.1.016-4", "x86_64", "The GNU Bourne Again shell", "bash",
		      "Felix Yan <felixonmars@archlinux.org>", 8863744);
	ck_assert_uint_eq(list.items[0].installed_s, 1690000000);
}
END_TEST

static const struct {
	int (*parse)(const char *text, struct vmv_packages *ret);
	const char *text;
	size_t n;
} odd[] = {
	{ vmv_parse_dpkg, "", 0 },
	{ vmv_parse_dpkg, "\n\n\n", 0 },
	{ vmv_parse_dpkg, "Package: a\nStatus: install ok installed\n", 0 }, /* no version */
	{ vmv_parse_dpkg, "Package: a\nVersion: 1\nStatus: install ok installed", 1 },
	{ vmv_parse_dpkg, "Package: a\r\nVersion: 1\r\nStatus: install ok installed\r\n\r\n", 1 },
	{ vmv_parse_dpkg, "Package: a\nVersion: 1\nStatus: installed\n", 0 },
	{ vmv_parse_dpkg, "Package: a\nVersion: 1\nStatus: install ok installed x\n", 0 },
	{ vmv_parse_dpkg, "Package: a\nVersion: 1\nStatus:\n", 0 },
	{ vmv_parse_dpkg, "Package:\nVersion: 1\nStatus: install ok installed\n", 0 },
	{ vmv_parse_dpkg, ": x\nPackage\n Package: b\n\tVersion: 1\n", 0 },
	{ vmv_parse_rpm, "", 0 },
	{ vmv_parse_rpm, "a\t1\tnoarch\t(none)\t(none)\t1\t1\n", 0 }, /* too few fields */
	{ vmv_parse_rpm, "a\t1\tnoarch\t(none)\t(none)\t1\t1\t", 1 },
	{ vmv_parse_rpm, "a\t1\t\t\t\t\t\t\n", 1 },
	{ vmv_parse_rpm, "\t1\tnoarch\t(none)\t(none)\t1\t1\tx\n", 0 },
	{ vmv_parse_rpm, "(none)\t1\tnoarch\t(none)\t(none)\t1\t1\tx\n", 0 },
	{ vmv_parse_apk, "P:a\n\nV:1\n\n", 0 },
	{ vmv_parse_apk, "P:a\nV:1", 1 },
	{ vmv_parse_apk, "P:\nV:\n\n:\nP\n", 0 },
	{ vmv_parse_pacman, "%NAME%\na\n", 0 },
	{ vmv_parse_pacman, "%NAME%\na\n%VERSION%\n1\n%NAME%\nb\n%VERSION%\n2", 2 },
	{ vmv_parse_pacman, "a\n1\n%%\n%\n%NAME%", 0 },
	{ vmv_parse_apt_search, "a-b\n - c\n - \n", 0 },
	{ vmv_parse_apt_search, "a - \nb - c - d", 2 },
	{ vmv_parse_dnf_search, "Last metadata expiration check: 0:01:02 ago.\n", 0 },
	{ vmv_parse_dnf_search, "bash.x86_64\n:\n : \nbash : shell\n.x : y\nx. : y\n", 0 },
	{ vmv_parse_dnf_search, "bash.x86_64 :\n", 1 },
	{ vmv_parse_dnf_details, "bash.x86_64 1-1\nbash 1-1 5\n\n", 0 },
	{ vmv_parse_apk_search, "bash - x\n-1 - x\n - \n", 0 },
	{ vmv_parse_pacman_search, "bash 1\n    x\n/bash 1\ncore/ 1\ncore/bash\n", 0 },
	{ vmv_parse_pacman_search, "core/bash 1", 1 },
};

START_TEST(what_is_malformed_is_skipped)
{
	ck_assert_int_eq(odd[_i].parse(odd[_i].text, &list), 0);
	ck_assert_msg(list.n == odd[_i].n, "%zu in \"%s\"", list.n, odd[_i].text);
}
END_TEST

static const struct {
	const char *text;
	uint64_t size;
} sizes[] = {
	{ "0", 0 },
	{ "12", 12 * 1024 },
	{ "", VMV_UNSET },
	{ "-1", VMV_UNSET },
	{ "12 kB", VMV_UNSET },
	{ "1.5", VMV_UNSET },
	{ "0x10", VMV_UNSET },
	{ "99999999999999999999", VMV_UNSET },
	{ " 3 ", 3 * 1024 },
	{ "9007199254740993", VMV_UNSET }, /* times 1024: more than JSON's integers */
};

START_TEST(sizes_that_are_no_sizes_are_unknown)
{
	char stanza[200];

	(void)snprintf(stanza, sizeof(stanza), "Package: a\nVersion: 1\nInstalled-Size: %s\n",
		       sizes[_i].text);
	ck_assert_int_eq(vmv_parse_dpkg(stanza, &list), 0);
	ck_assert_uint_eq(list.n, 1);
	ck_assert_uint_eq(list.items[0].size, sizes[_i].size);
}
END_TEST

START_TEST(a_list_that_is_too_long_is_cut_and_says_so)
{
	const struct vmv_package p = { .name = vmv_slice_of("a"), .version = vmv_slice_of("1") };

	for (size_t i = 0; i < VMV_PACKAGES_MAX; i++)
		ck_assert_int_eq(vmv_packages_add(&list, &p), 0);
	ck_assert(!list.is_cut);
	ck_assert_int_eq(vmv_packages_add(&list, &p), 0);
	ck_assert(list.is_cut);
	ck_assert_uint_eq(list.n, VMV_PACKAGES_MAX);
}
END_TEST

START_TEST(packages_are_found_by_name_and_architecture)
{
	static const char status[] = "Package: libc6\nArchitecture: i386\nVersion: 1\n\n"
				     "Package: python3.9\nArchitecture: amd64\nVersion: 2\n\n"
				     "Package: libc6\nArchitecture: amd64\nVersion: 3\n\n";
	const struct vmv_slice any = { NULL, 0 }, name = vmv_slice_of("libc6");

	ck_assert_int_eq(vmv_parse_dpkg(status, &list), 0);
	vmv_packages_sort(&list);
	ck_assert_str_eq(str(vmv_packages_find(&list, name, any)->arch), "amd64");
	ck_assert_str_eq(str(vmv_packages_find(&list, name, vmv_slice_of("i386"))->version), "1");
	ck_assert_ptr_null(vmv_packages_find(&list, name, vmv_slice_of("arm64")));
	ck_assert_ptr_null(vmv_packages_find(&list, vmv_slice_of("libc"), any));
	ck_assert_str_eq(str(vmv_packages_named(&list, "libc6:i386")->version), "1");
	ck_assert_str_eq(str(vmv_packages_named(&list, "libc6.amd64")->version), "3");
	ck_assert_str_eq(str(vmv_packages_named(&list, "python3.9")->version), "2");
	ck_assert_ptr_null(vmv_packages_named(&list, "python3"));
	ck_assert_ptr_null(vmv_packages_named(&list, "libc6:"));
	ck_assert_ptr_null(vmv_packages_named(&list, ":"));
	vmv_packages_free(&list);
	ck_assert_ptr_null(vmv_packages_named(&list, "libc6"));
}
END_TEST

/* -- search ---------------------------------------------------------------------------------- */

static void check_hit(size_t i, const char *name, const char *version, const char *description,
		      bool is_installed)
{
	ck_assert_uint_lt(i, list.n);
	ck_assert_str_eq(str(list.items[i].name), name);
	ck_assert_str_eq(str(list.items[i].version), version);
	ck_assert_str_eq(str(list.items[i].description), description);
	ck_assert_int_eq(list.items[i].is_installed, is_installed);
}

START_TEST(searches_of_all_managers_are_read)
{
	ck_assert_int_eq(vmv_parse_apt_search(recorded("apt-search"), &list), 0);
	ck_assert_uint_eq(list.n, 3);
	check_hit(0, "libcupt4-2-downloadmethod-curl", "(unknown)",
		  "flexible package manager -- libcurl download method", false);
	down();
	ck_assert_int_eq(vmv_parse_dnf_search(recorded("dnf-search"), &list), 0);
	ck_assert_uint_eq(list.n, 3);
	check_hit(0, "bash", "(unknown)", "The GNU Bourne Again shell", false);
	check_hit(2, "python3.9-argcomplete", "(unknown)",
		  "Bash tab completion for argparse: in Python", false);
	ck_assert_str_eq(str(list.items[2].arch), "noarch");
	down();
	ck_assert_int_eq(vmv_parse_dnf_search(recorded("dnf5-search"), &list), 0);
	ck_assert_uint_eq(list.n, 3);
	check_hit(1, "bash-color-prompt", "(unknown)", "Color prompt for bash", false);
	check_hit(2, "shfmt", "(unknown)", "Shell formatter", false);
	down();
	ck_assert_int_eq(vmv_parse_zypper_search(recorded("zypper-search"), &list), 0);
	ck_assert_uint_eq(list.n, 3);
	check_hit(0, "bash", "(unknown)", "The GNU Bourne-Again Shell", true);
	check_hit(1, "bash-loadables", "(unknown)", "Loadable bash builtins & \"more\" <here>",
		  false);
	check_hit(2, "bash-sh", "(unknown)", "(unknown)", false);
	down();
	ck_assert_int_eq(vmv_parse_apk_search(recorded("apk-search"), &list), 0);
	ck_assert_uint_eq(list.n, 3);
	check_hit(0, "bash", "5.2.15-r5", "The GNU Bourne Again shell", false);
	check_hit(2, "py3-argcomplete", "3.0.8-r1", "Bash tab completion - for argparse", false);
	down();
	ck_assert_int_eq(vmv_parse_pacman_search(recorded("pacman-ss"), &list), 0);
	ck_assert_uint_eq(list.n, 2);
	check_hit(0, "bash", "5.2.026-2", "The GNU Bourne Again shell", true);
	check_hit(1, "bash-completion", "2.14.0-2", "Programmable completion for the bash shell",
		  false);
	ck_assert_str_eq(str(list.items[1].repository), "extra");
}
END_TEST

/* -- updates --------------------------------------------------------------------------------- */

static void check_update(size_t i, const char *name, const char *current, const char *available,
			 const char *arch, const char *repository, int security)
{
	const struct vmv_update *u = &updates.items[i];

	ck_assert_uint_lt(i, updates.n);
	ck_assert_str_eq(str(u->name), name);
	ck_assert_str_eq(str(u->current), current);
	ck_assert_str_eq(str(u->available), available);
	ck_assert_str_eq(str(u->arch), arch);
	ck_assert_str_eq(str(u->repository), repository);
	ck_assert_int_eq((int)u->security, security);
	ck_assert_uint_eq(u->size, VMV_UNSET);
}

START_TEST(updates_of_apt_are_for_security_by_their_suite)
{
	ck_assert_int_eq(vmv_parse_apt_updates(recorded("apt-list"), &updates), 0);
	ck_assert_uint_eq(updates.n, 11);
	check_update(0, "appstream", "0.16.1-2", "0.16.1-2+b1", "amd64", "oldstable",
		     VMV_SECURITY_NO);
	check_update(1, "apt-transport-https", "2.6.1", "2.6.2", "all", "oldstable-security",
		     VMV_SECURITY_YES);
	vmv_updates_free(&updates);
	ck_assert_int_eq(vmv_parse_apt_updates("a/jammy-updates,jammy-security 2 amd64 "
					       "[upgradable from: 1]\n"
					       "b/now 1 amd64 [installed,local]\n"
					       "c/x 2 amd64 [upgradable from: ]\n"
					       "/x 2 amd64 [upgradable from: 1]\n"
					       "d 2 amd64 [upgradable from: 1]\n"
					       "e/x 2 [upgradable from: 1]\n"
					       "f/x 2 amd64 [upgradable from: 1\n"
					       "g/ 2 amd64 [upgradable from: 1]",
					       &updates),
			 0);
	ck_assert_uint_eq(updates.n, 2);
	check_update(0, "a", "1", "2", "amd64", "jammy-updates,jammy-security", VMV_SECURITY_YES);
	check_update(1, "g", "1", "2", "amd64", "(unknown)", VMV_SECURITY_NO);
}
END_TEST

START_TEST(updates_of_dnf_and_yum_are_read)
{
	ck_assert_int_eq(vmv_parse_dnf_updates(recorded("dnf-check-update"), &updates), 0);
	ck_assert_uint_eq(updates.n, 4);
	check_update(0, "bash", "(unknown)", "5.1.8-9.el9", "x86_64", "baseos",
		     VMV_SECURITY_UNKNOWN);
	check_update(3, "python3-setuptools", "(unknown)", "53.0.0-13.el9_5.1", "noarch", "baseos",
		     VMV_SECURITY_UNKNOWN);
	down();
	ck_assert_int_eq(vmv_parse_dnf_updates(recorded("yum-check-update"), &updates), 0);
	ck_assert_uint_eq(updates.n, 2);
	check_update(1, "java-1.8.0-openjdk-headless-slowdebug", "(unknown)",
		     "1:1.8.0.412.b08-1.el7_9", "x86_64", "updates", VMV_SECURITY_UNKNOWN);
}
END_TEST

static const struct {
	const char *file;
	int security[4];
} advisories[] = {
	{ "dnf-updateinfo",
	  { VMV_SECURITY_NO, VMV_SECURITY_YES, VMV_SECURITY_YES, VMV_SECURITY_NO } },
	/* without epochs */
	{ "dnf5-advisories",
	  { VMV_SECURITY_YES, VMV_SECURITY_YES, VMV_SECURITY_NO, VMV_SECURITY_NO } },
};

START_TEST(advisories_mark_the_very_version_they_name)
{
	char *listed = strdup(recorded("dnf-check-update"));

	ck_assert_int_eq(vmv_parse_dnf_updates(listed, &updates), 0);
	vmv_parse_dnf_security(recorded(advisories[_i].file), &updates);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq((int)updates.items[i].security, advisories[_i].security[i]);
	vmv_parse_dnf_security("", &updates);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq((int)updates.items[i].security, VMV_SECURITY_NO);
	vmv_parse_dnf_security("bash- bash-5.1.8-9.el9 bash-5.1.8-9.el9.x86_6 "
			       "bash-5.1.8-9.el9.x86_64x xbash-5.1.8-9.el9.x86_64",
			       &updates);
	ck_assert_int_eq((int)updates.items[0].security, VMV_SECURITY_NO);
	free(listed);
}
END_TEST

START_TEST(updates_and_patches_of_zypper_are_read)
{
	ck_assert_int_eq(vmv_parse_zypper_updates(recorded("zypper-updates"), &updates), 0);
	ck_assert_uint_eq(updates.n, 2);
	check_update(0, "bash", "5.1.8-6.el9_1", "5.1.8-9.1", "x86_64", "repo-sle-update",
		     VMV_SECURITY_UNKNOWN);
	check_update(1, "zypper", "1.14.64-150400.3.32.1", "1.14.71-150400.3.45.2", "x86_64",
		     "(unknown)", VMV_SECURITY_UNKNOWN);
	down();
	ck_assert_int_eq(vmv_parse_zypper_updates(recorded("zypper-patches"), &updates), 0);
	ck_assert_uint_eq(updates.n, 1);
	check_update(0, "openSUSE-SLE-15.5-2024-305", "(unknown)", "1", "noarch", "repo-sle-update",
		     VMV_SECURITY_UNKNOWN);
}
END_TEST

static const struct {
	const char *text;
	size_t n;
} tags[] = {
	{ "", 0 },
	{ "<", 0 },
	{ "<update", 0 },
	{ "<update ", 0 },
	{ "<update name", 0 },
	{ "<update name=", 0 },
	{ "<update name=a edition=b>", 0 },
	{ "<update name='a' edition=\"b", 0 },
	{ "<update name='a' edition=\"b\"", 1 },
	{ "<updates name='a' edition='b'/>", 0 },
	{ "<update-list name='a' edition='b'/>", 0 },
	{ "<update\n\tname='a'\r\nedition='b'\n/>", 1 },
	{ "<update name='' edition='b'/>", 0 },
	{ "<update name='a' edition='b'/><update name='c' edition='d'/>", 2 },
	{ "<update name='&' edition='&amp'/>", 1 },
};

START_TEST(xml_that_is_cut_or_odd_is_survived)
{
	char copy[200];

	(void)snprintf(copy, sizeof(copy), "%s", tags[_i].text);
	ck_assert_int_eq(vmv_parse_zypper_updates(copy, &updates), 0);
	ck_assert_msg(updates.n == tags[_i].n, "%zu of %s", updates.n, tags[_i].text);
}
END_TEST

START_TEST(updates_of_apk_and_pacman_are_read)
{
	ck_assert_int_eq(vmv_parse_apk_updates(recorded("apk-version"), &updates), 0);
	ck_assert_uint_eq(updates.n, 2);
	check_update(0, "busybox", "1.36.1-r0", "1.36.1-r29", "(unknown)", "(unknown)",
		     VMV_SECURITY_UNKNOWN);
	check_update(1, "libcrypto3", "3.1.1-r1", "3.1.8-r0", "(unknown)", "(unknown)",
		     VMV_SECURITY_UNKNOWN);
	down();
	/* what is ignored is not going to be installed */
	ck_assert_int_eq(vmv_parse_pacman_updates(recorded("pacman-qu"), &updates), 0);
	ck_assert_uint_eq(updates.n, 2);
	check_update(1, "linux", "6.9.1.arch1-1", "6.10.2.arch1-1", "(unknown)", "(unknown)",
		     VMV_SECURITY_UNKNOWN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("packages_parse");
	TCase *tc = tcase_create("installed");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, NULL, down);
	tcase_add_test(tc, dpkg_tells_of_what_is_installed_and_of_nothing_else);
	tcase_add_test(tc, apt_cache_show_tells_what_is_to_be_fetched);
	tcase_add_test(tc, rpm_tells_of_packages_and_not_of_keys);
	tcase_add_test(tc, apk_tells_of_packages);
	tcase_add_test(tc, pacman_tells_of_packages);
	tcase_add_loop_test(tc, what_is_malformed_is_skipped, 0, VMV_COUNTOF(odd));
	tcase_add_loop_test(tc, sizes_that_are_no_sizes_are_unknown, 0, VMV_COUNTOF(sizes));
	tcase_add_test(tc, a_list_that_is_too_long_is_cut_and_says_so);
	tcase_add_test(tc, packages_are_found_by_name_and_architecture);
	suite_add_tcase(s, tc);

	tc = tcase_create("search and updates");
	tcase_add_checked_fixture(tc, NULL, down);
	tcase_add_test(tc, searches_of_all_managers_are_read);
	tcase_add_test(tc, updates_of_apt_are_for_security_by_their_suite);
	tcase_add_test(tc, updates_of_dnf_and_yum_are_read);
	tcase_add_loop_test(tc, advisories_mark_the_very_version_they_name, 0,
			    VMV_COUNTOF(advisories));
	tcase_add_test(tc, updates_and_patches_of_zypper_are_read);
	tcase_add_loop_test(tc, xml_that_is_cut_or_odd_is_survived, 0, VMV_COUNTOF(tags));
	tcase_add_test(tc, updates_of_apk_and_pacman_are_read);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
