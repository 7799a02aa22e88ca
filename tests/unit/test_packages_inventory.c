#include "packages/inventory.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "packages/reboot.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Programs of other systems are not here: what they print is recorded. */
struct program {
	const char *words; /* that the command contains */
	const char *file;  /* recorded output, or NULL */
	int code;
	bool is_cut;
};

static struct fixture fx;
static struct vmv_look look;
static struct vmv_inventory inv;
static struct vmv_pending pending;
static struct vmv_found found;
static const struct program *programs;
static char last[8192]; /* the latest command */

static void read_recorded(const char *name, char **ret, size_t *ret_cap)
{
	const char *top = getenv("top_srcdir");
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/tests/fixtures/packages/%s", top ? top : ".", name);
	ck_assert_int_gt(vmv_read_table_at(AT_FDCWD, path, ret, ret_cap, 1 << 20), 0);
}

static int run(void *arg, char *const *argv, struct vmv_buf *out, bool *ret_is_cut)
{
	size_t len = 0, cap = 0;
	char *text = NULL;

	ck_assert_ptr_eq(arg, &fx);
	last[0] = '\0';
	for (; *argv && len < sizeof(last); argv++)
		len += (size_t)snprintf(last + len, sizeof(last) - len, "%s ", *argv);
	for (const struct program *p = programs; p->words; p++) {
		if (!strstr(last, p->words))
			continue;
		if (p->file) {
			read_recorded(p->file, &text, &cap);
			ck_assert_int_eq(vmv_buf_add(out, text, strlen(text)), 0);
			free(text);
		}
		*ret_is_cut = p->is_cut;
		return p->code;
	}
	ck_abort_msg("not expected: %s", last);
	return -ENOENT;
}

static void up(void)
{
	fixture_up(&fx);
	look = (struct vmv_look){ .top = fx.root.top, .run = run, .arg = &fx };
	pending = (struct vmv_pending){ .security_count = 77 };
}

static void down(void)
{
	vmv_inventory_free(&inv);
	vmv_pending_free(&pending);
	vmv_found_free(&found);
	fixture_down(&fx);
}

static void put_program(const char *path)
{
	char full[256];

	fixture_put(&fx, path, "");
	(void)snprintf(full, sizeof(full), "%s/%s", fx.dir, path);
	ck_assert_int_eq(chmod(full, 0755), 0);
}

static void put_recorded(const char *path, const char *name)
{
	size_t cap = 0;
	char *text = NULL;

	read_recorded(name, &text, &cap);
	fixture_put(&fx, path, text);
	free(text);
}

static void be(const char *program, const char *database, const char *name)
{
	put_program(program);
	if (name)
		put_recorded(database, name);
	else
		fixture_put(&fx, database, "");
	ck_assert_int_eq(vmv_manager_detect(fx.root.top, &look.here), 0);
}

static const char *str(struct vmv_slice s)
{
	static char copies[8][256];
	static unsigned next;
	char *copy = copies[next++ % 8];

	(void)snprintf(copy, sizeof(copies[0]), "%.*s", (int)s.len, s.s ? s.s : "");
	return s.s ? copy : "(unknown)";
}

/* -- detection ------------------------------------------------------------------------------- */

static const struct {
	const char *program, *database;
	enum vmv_manager which;
} systems[] = {
	{ "usr/bin/apt-get", "var/lib/dpkg/status", VMV_APT },
	{ "usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", VMV_DNF },
	{ "usr/bin/dnf", "usr/lib/sysimage/rpm/rpmdb.sqlite", VMV_DNF },
	{ "usr/bin/yum", "var/lib/rpm/Packages", VMV_DNF },
	{ "usr/bin/zypper", "usr/lib/sysimage/rpm/Packages.db", VMV_ZYPPER },
	{ "sbin/apk", "lib/apk/db/installed", VMV_APK },
	{ "usr/bin/pacman", "var/lib/pacman/local/ALPM_DB_VERSION", VMV_PACMAN },
	/* a tool of another system, and a database that nobody here works with */
	{ "usr/bin/apt-get", "var/lib/rpm/rpmdb.sqlite", VMV_NO_MANAGER },
	{ "usr/bin/rpm", "var/lib/rpm/rpmdb.sqlite", VMV_NO_MANAGER },
};

START_TEST(a_manager_is_a_program_with_its_database)
{
	char program[64];
	int r;

	put_program(systems[_i].program);
	fixture_put(&fx, systems[_i].database, "");
	r = vmv_manager_detect(fx.root.top, &look.here);
	if (systems[_i].which == VMV_NO_MANAGER) {
		ck_assert_int_eq(r, -EOPNOTSUPP);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq((int)look.here.which, (int)systems[_i].which);
	(void)snprintf(program, sizeof(program), "/%s", systems[_i].program);
	ck_assert_str_eq(look.here.program, program);
	ck_assert_ptr_nonnull(vmv_manager_name(look.here.which));
}
END_TEST

START_TEST(a_program_that_cannot_be_run_is_none)
{
	fixture_put(&fx, "usr/bin/apt-get", "");
	fixture_put(&fx, "var/lib/dpkg/status", "");
	ck_assert_int_eq(vmv_manager_detect(fx.root.top, &look.here), -EOPNOTSUPP);
}
END_TEST

/* -- inventory ------------------------------------------------------------------------------- */

START_TEST(files_of_managers_are_read_without_them)
{
	static const struct program none[] = { { NULL, NULL, 0, false } };

	programs = none;
	be("sbin/apk", "lib/apk/db/installed", "apk-installed");
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), 0);
	ck_assert_uint_eq(inv.list.n, 3);
	ck_assert_str_eq(str(inv.list.items[0].name), ".build-deps"); /* sorted */
}
END_TEST

START_TEST(each_package_of_pacman_is_a_directory)
{
	static const char kernel[] = "%NAME%\nlinux\n\n%VERSION%\n6.9.1.arch1-1\n";

	be("usr/bin/pacman", "var/lib/pacman/local/ALPM_DB_VERSION", NULL);
	put_recorded("var/lib/pacman/local/bash-5.1.016-4/desc", "pacman-local");
	fixture_put(&fx, "var/lib/pacman/local/linux-6.9.1.arch1-1/desc", kernel);
	fixture_mkdir(&fx, "var/lib/pacman/local/half-1");
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), 0);
	ck_assert_uint_eq(inv.list.n, 2);
	ck_assert_str_eq(str(inv.list.items[0].name), "bash");
	ck_assert_str_eq(str(inv.list.items[1].version), "6.9.1.arch1-1");
}
END_TEST

START_TEST(rpm_that_fails_or_says_too_much_is_an_error)
{
	static const struct program failing[] = { { "rpm -qa", "rpm-qa", 1, false },
						  { NULL, NULL, 0, false } };
	static const struct program long_one[] = { { "rpm -qa", "rpm-qa", 0, true },
						   { NULL, NULL, 0, false } };

	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	programs = failing;
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), -EIO);
	vmv_inventory_free(&inv);
	programs = long_one;
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), -EFBIG);
}
END_TEST

/* -- updates --------------------------------------------------------------------------------- */

static const struct program of_dnf[] = {
	{ "rpm -qa", "rpm-qa", 0, false },
	{ "check-update", "dnf-check-update", 100, false },
	{ "updateinfo", "dnf-updateinfo", 0, false },
	{ "repoquery", "dnf-repoquery", 0, false },
	{ " search ", "dnf-search", 0, false },
	{ NULL, NULL, 0, false },
};

static void check_update(size_t i, const char *name, const char *current, uint64_t size,
			 int security)
{
	const struct vmv_update *u = &pending.list.items[i];

	ck_assert_uint_lt(i, pending.list.n);
	ck_assert_str_eq(str(u->name), name);
	ck_assert_str_eq(str(u->current), current);
	ck_assert_uint_eq(u->size, size);
	ck_assert_int_eq((int)u->security, security);
}

static int load_pending(const struct program *p)
{
	programs = p;
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), 0);
	return vmv_inventory_pending(&look, &inv, &pending);
}

START_TEST(updates_of_dnf_are_put_together)
{
	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	ck_assert_int_eq(load_pending(of_dnf), 0);
	ck_assert_uint_eq(pending.list.n, 4);
	ck_assert_uint_eq(pending.security_count, 2);
	check_update(0, "bash", "5.1.8-6.el9_1", 1761280, VMV_SECURITY_NO);
	check_update(1, "bind-libs", "32:9.16.23-14.el9", 1293942, VMV_SECURITY_YES);
	/* the kernel that was installed last; the size that is known is another version's */
	check_update(2, "kernel-core", "5.14.0-362.8.1.el9_3", VMV_UNSET, VMV_SECURITY_YES);
	check_update(3, "python3-setuptools", "53.0.0-12.el9", VMV_UNSET, VMV_SECURITY_NO);
	ck_assert_ptr_nonnull(strstr(last, " bash.x86_64 bind-libs.x86_64 "));
}
END_TEST

START_TEST(what_is_not_told_of_updates_stays_unknown)
{
	static const struct program poor[] = {
		{ "rpm -qa", "rpm-qa", 0, false },
		{ "check-update", "dnf-check-update", 100, false },
		{ "updateinfo", NULL, 1, false },
		{ "repoquery", NULL, 1, false },
		{ NULL, NULL, 0, false },
	};

	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	ck_assert_int_eq(load_pending(poor), 0);
	ck_assert_uint_eq(pending.security_count, VMV_UNSET);
	check_update(0, "bash", "5.1.8-6.el9_1", VMV_UNSET, VMV_SECURITY_UNKNOWN);
}
END_TEST

START_TEST(a_manager_that_fails_has_no_list_of_updates)
{
	static const struct program failing[] = { { "rpm -qa", "rpm-qa", 0, false },
						  { "check-update", NULL, 1, false },
						  { NULL, NULL, 0, false } };

	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	ck_assert_int_eq(load_pending(failing), -EIO);
}
END_TEST

START_TEST(a_list_of_updates_that_is_cut_is_no_list)
{
	static const struct program cut[] = { { "rpm -qa", "rpm-qa", 0, false },
					      { "check-update", "dnf-check-update", 100, true },
					      { NULL, NULL, 0, false } };

	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	ck_assert_int_eq(load_pending(cut), -EFBIG);
}
END_TEST

static const struct {
	const char *patches;
	size_t n;
	int security;
} zypper_patches[] = {
	{ "zypper-no-patches", 0, VMV_SECURITY_NO },
	{ "zypper-patches", 1, VMV_SECURITY_UNKNOWN },
};

START_TEST(security_of_zypper_is_told_in_patches)
{
	const struct program p[] = {
		{ "rpm -qa", "rpm-qa", 0, false },
		{ "list-updates", "zypper-updates", 0, false },
		{ "list-patches", zypper_patches[_i].patches, 0, false },
		{ NULL, NULL, 0, false },
	};

	be("usr/bin/zypper", "usr/lib/sysimage/rpm/Packages.db", NULL);
	ck_assert_int_eq(load_pending(p), 0);
	ck_assert_uint_eq(pending.security_count, zypper_patches[_i].n);
	ck_assert_uint_eq(pending.patches.n, zypper_patches[_i].n);
	check_update(0, "bash", "5.1.8-6.el9_1", VMV_UNSET, zypper_patches[_i].security);
}
END_TEST

START_TEST(apk_and_pacman_do_not_tell_of_security)
{
	static const struct program of_apk[] = { { "version -l <", "apk-version", 0, false },
						 { NULL, NULL, 0, false } };

	be("sbin/apk", "lib/apk/db/installed", "apk-installed");
	ck_assert_int_eq(load_pending(of_apk), 0);
	ck_assert_uint_eq(pending.list.n, 2);
	ck_assert_uint_eq(pending.security_count, VMV_UNSET);
	check_update(0, "busybox", "1.36.1-r0", VMV_UNSET, VMV_SECURITY_UNKNOWN);
	ck_assert_str_eq(str(pending.list.items[0].arch), "x86_64"); /* of what is installed */
}
END_TEST

/* -- search ---------------------------------------------------------------------------------- */

START_TEST(what_is_found_is_compared_with_what_is_installed)
{
	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	programs = of_dnf;
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), 0);
	ck_assert_int_eq(vmv_inventory_search(&look, &inv, "bash", 2000, &found), 0);
	ck_assert_uint_eq(found.list.n, 3);
	ck_assert(!found.is_cut);
	ck_assert(found.list.items[0].is_installed);
	ck_assert_str_eq(str(found.list.items[0].version), "5.1.8-9.el9");
	ck_assert(!found.list.items[1].is_installed);
	ck_assert_str_eq(str(found.list.items[1].version), "(unknown)");
}
END_TEST

START_TEST(more_than_is_wanted_is_cut)
{
	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	programs = of_dnf;
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), 0);
	ck_assert_int_eq(vmv_inventory_search(&look, &inv, "bash", 2, &found), 0);
	ck_assert_uint_eq(found.list.n, 2);
	ck_assert(found.is_cut);
}
END_TEST

START_TEST(a_search_that_fails_did_not_find_nothing)
{
	static const struct program failing[] = { { "rpm -qa", "rpm-qa", 0, false },
						  { " search ", NULL, 1, false },
						  { NULL, NULL, 0, false } };

	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	programs = failing;
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), 0);
	ck_assert_int_eq(vmv_inventory_search(&look, &inv, "bash", 2000, &found), -EIO);
}
END_TEST

START_TEST(zypper_has_a_code_for_nothing_found)
{
	static const struct program nothing[] = { { "rpm -qa", "rpm-qa", 0, false },
						  { " search ", NULL, 104, false },
						  { NULL, NULL, 0, false } };

	be("usr/bin/zypper", "usr/lib/sysimage/rpm/Packages.db", NULL);
	programs = nothing;
	ck_assert_int_eq(vmv_inventory_load(&look, &inv), 0);
	ck_assert_int_eq(vmv_inventory_search(&look, &inv, "bash", 2000, &found), 0);
	ck_assert_uint_eq(found.list.n, 0);
	ck_assert_ptr_nonnull(strstr(last, "-- bash "));
}
END_TEST

/* -- when ------------------------------------------------------------------------------------ */

static void stamp(char ret[64])
{
	ck_assert_int_eq(vmv_inventory_stamp(fx.root.top, &look.here, ret, 64), 0);
	ck_assert_ptr_null(strpbrk(ret, " \n"));
}

START_TEST(the_stamp_changes_with_database_lists_and_reboot)
{
	static const char *const touched[] = { "var/lib/dpkg/status", "var/lib/apt/lists/x",
					       "run/reboot-required" };
	char was[64], is[64];

	be("usr/bin/apt-get", "var/lib/dpkg/status", "dpkg-status");
	fixture_mkdir(&fx, "var/lib/apt/lists");
	stamp(was);
	stamp(is);
	ck_assert_str_eq(is, was);
	for (size_t i = 0; i < VMV_COUNTOF(touched); i++) {
		fixture_put(&fx, touched[i], i == 0 ? "Package: x\n" : "");
		stamp(is);
		ck_assert_str_ne(is, was);
		memcpy(was, is, sizeof(was));
	}
	ck_assert_int_eq(vmv_inventory_stamp(fx.root.top, &look.here, is, 3), -ENOSPC);
}
END_TEST

START_TEST(lists_are_as_old_as_their_newest_file)
{
	const struct timespec old[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };
	const struct timespec newer[2] = { { .tv_sec = 1700000100 },
					   { .tv_sec = 1700000100, .tv_nsec = 250000000 } };
	int top = fx.root.top;

	be("usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite", NULL);
	ck_assert_int_eq(vmv_lists_refreshed_ms(&look), -1);
	fixture_put(&fx, "var/cache/dnf/baseos-1/repodata/repomd.xml", "");
	ck_assert_int_eq(utimensat(top, "var/cache/dnf/baseos-1/repodata/repomd.xml", newer, 0), 0);
	ck_assert_int_eq(utimensat(top, "var/cache/dnf/baseos-1", old, 0), 0);
	ck_assert_int_eq(utimensat(top, "var/cache/dnf", old, 0), 0);
	ck_assert_int_eq(vmv_lists_refreshed_ms(&look), INT64_C(1700000100250));
}
END_TEST

/* -- reboot, distribution -------------------------------------------------------------------- */

static const struct {
	const char *release, *running;
	bool is_newer;
} kernels[] = {
	{ "6.1.0-20-amd64", "6.1.0-9-amd64", true },
	{ "6.1.0-9-amd64", "6.1.0-20-amd64", false },
	{ "6.1.0-20-amd64", "6.1.0-20-amd64", false },
	{ "6.1.0-20-cloud-amd64", "6.1.0-9-amd64", false }, /* not of a kind */
	{ "6.1.0-20-rt-amd64", "6.1.0-20-amd64", false },
	{ "5.14.0-503.14.1.el9_5.x86_64", "5.14.0-362.8.1.el9_3.x86_64", true },
	{ "5.14.0-362.8.1.el9_3.x86_64", "5.14.0-503.14.1.el9_5.x86_64", false },
	{ "5.14.0-503.14.1.el9_5.x86_64+debug", "5.14.0-362.8.1.el9_3.x86_64", false },
	{ "6.4.0-150600.23.7-default", "6.4.0-150600.21-default", true },
	{ "6.10.2-arch1-1", "6.9.1-arch2-1", true },
	{ "6.6.30-0-lts", "6.6.14-0-lts", true },
	{ "", "6.1.0-9-amd64", false },
};

START_TEST(newer_kernels_are_of_the_same_kind)
{
	ck_assert_int_eq(vmv_kernel_is_newer(kernels[_i].release, kernels[_i].running),
			 kernels[_i].is_newer);
}
END_TEST

START_TEST(a_reboot_is_required_by_the_mark_or_by_a_kernel)
{
	struct vmv_reboot r;

	fixture_mkdir(&fx, "lib/modules/6.1.0-20-amd64");
	vmv_reboot_look(fx.root.top, "6.1.0-9-amd64", &r);
	ck_assert(!r.is_required); /* modules without a kernel */
	fixture_put(&fx, "boot/vmlinuz-6.1.0-20-amd64", "");
	vmv_reboot_look(fx.root.top, "6.1.0-9-amd64", &r);
	ck_assert(r.is_required);
	ck_assert_int_gt(r.since_ms, 0);
	ck_assert_str_eq(r.reasons, "kernel 6.1.0-20-amd64\n");
	vmv_reboot_look(fx.root.top, "6.1.0-20-amd64", &r);
	ck_assert(!r.is_required);
	ck_assert_int_eq(r.since_ms, -1);
	ck_assert_str_eq(r.reasons, "");
	fixture_put(&fx, "run/reboot-required", "*** System restart required ***\n");
	fixture_put(&fx, "run/reboot-required.pkgs", "libc6\nlinux-base\n");
	vmv_reboot_look(fx.root.top, "6.1.0-20-amd64", &r);
	ck_assert(r.is_required);
	ck_assert_int_gt(r.since_ms, 0);
	ck_assert_str_eq(r.reasons, "libc6\nlinux-base\n");
}
END_TEST

START_TEST(the_distribution_has_a_name)
{
	char name[64];

	ck_assert_int_eq(vmv_distro_name(fx.root.top, name, sizeof(name)), -ENOENT);
	ck_assert_str_eq(name, "");
	fixture_put(&fx, "usr/lib/os-release", "NAME=Fedora\n");
	ck_assert_int_eq(vmv_distro_name(fx.root.top, name, sizeof(name)), 0);
	ck_assert_str_eq(name, "Fedora");
	fixture_put(&fx, "etc/os-release", "PRETTY_NAME=\"x\"\nNAME=\"Debian GNU/Linux\"\n");
	ck_assert_int_eq(vmv_distro_name(fx.root.top, name, sizeof(name)), 0);
	ck_assert_str_eq(name, "Debian GNU/Linux");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("packages_inventory");
	TCase *tc = tcase_create("packages_inventory");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_loop_test(tc, a_manager_is_a_program_with_its_database, 0, VMV_COUNTOF(systems));
	tcase_add_test(tc, a_program_that_cannot_be_run_is_none);
	tcase_add_test(tc, files_of_managers_are_read_without_them);
	tcase_add_test(tc, each_package_of_pacman_is_a_directory);
	tcase_add_test(tc, rpm_that_fails_or_says_too_much_is_an_error);
	tcase_add_test(tc, updates_of_dnf_are_put_together);
	tcase_add_test(tc, what_is_not_told_of_updates_stays_unknown);
	tcase_add_test(tc, a_manager_that_fails_has_no_list_of_updates);
	tcase_add_test(tc, a_list_of_updates_that_is_cut_is_no_list);
	tcase_add_loop_test(tc, security_of_zypper_is_told_in_patches, 0,
			    VMV_COUNTOF(zypper_patches));
	tcase_add_test(tc, apk_and_pacman_do_not_tell_of_security);
	tcase_add_test(tc, what_is_found_is_compared_with_what_is_installed);
	tcase_add_test(tc, more_than_is_wanted_is_cut);
	tcase_add_test(tc, a_search_that_fails_did_not_find_nothing);
	tcase_add_test(tc, zypper_has_a_code_for_nothing_found);
	tcase_add_test(tc, the_stamp_changes_with_database_lists_and_reboot);
	tcase_add_test(tc, lists_are_as_old_as_their_newest_file);
	tcase_add_loop_test(tc, newer_kernels_are_of_the_same_kind, 0, VMV_COUNTOF(kernels));
	tcase_add_test(tc, a_reboot_is_required_by_the_mark_or_by_a_kernel);
	tcase_add_test(tc, the_distribution_has_a_name);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
