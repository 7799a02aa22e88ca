#include "base/cleanup.h"
#include "tests/lib/acting.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static off_t size_of(const char *path)
{
	struct stat st;

	return fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -1 : st.st_size;
}

static bool is_there(const char *path)
{
	return size_of(path) >= 0;
}

static void put_tool(const char *name, int exit_code)
{
	char path[64], script[256];

	(void)snprintf(path, sizeof(path), "usr/bin/%s", name);
	(void)snprintf(script, sizeof(script),
		       "#!/bin/sh\n"
		       "echo \"%s $*\" >> ${0%%/usr/bin/*}/called\n"
		       "echo output of %s\n"
		       "exit %d\n",
		       name, name, exit_code);
	fixture_put(&fx, path, script);
	ck_assert_int_eq(fchmodat(top, path, 0755, 0), 0);
}

static char out[8192], errors[8192], called[4096];

static void read_text(const char *path, char *buf, size_t cap)
{
	*buf = '\0';
	if (is_there(path))
		ck_assert_int_ge(vmv_read_at(top, path, buf, cap), 0);
}

/* What goes to our standard streams is caught. */
static int run(const char *arguments)
{
	int kept[2] = { fcntl(1, F_DUPFD_CLOEXEC, 3), fcntl(2, F_DUPFD_CLOEXEC, 3) };
	int to[2] = { openat(top, "out", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
		      openat(top, "errors", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) };
	int r;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(dup2(to[i], i + 1), i + 1);
	r = acting_run(&x, "PrepareGoldenImage", arguments);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(dup2(kept[i], i + 1), i + 1);
		(void)close(kept[i]);
		(void)close(to[i]);
	}
	read_text("out", out, sizeof(out));
	read_text("errors", errors, sizeof(errors));
	read_text("called", called, sizeof(called));
	return r;
}

static const char *const always_gone[] = {
	"var/log/syslog.1",
	"var/log/apt/history.log.2.gz",
	"var/log/journal/0123/system.journal",
	"var/lib/dbus/machine-id",
	"etc/ssh/ssh_host_rsa_key",
	"etc/ssh/ssh_host_rsa_key.pub",
	"root/.bash_history",
	"home/ann/.zsh_history",
	"var/lib/vmvitals-execd/nonces",
	"var/lib/vmvitals-execd/scripts/1",
	"var/lib/vmvitals/spool/1",
	"var/lib/vmvitals/events.ndjson",
};

static const char *const gone_from_standard[] = {
	"etc/NetworkManager/system-connections/wifi.nmconnection",
	"etc/netplan/50-cloud-init.yaml",
	"var/lib/dhcp/dhclient.eth0.leases",
};

static const char *const never_gone[] = {
	"var/log/dpkg.status",		 "etc/ssh/sshd_config",	      "etc/netplan/01-own.yaml",
	"etc/vmvitals/secret",		 "etc/vmvitals/keys.d/a.pub", "root/.bashrc",
	"var/lib/vmvitals-execd/secret", "var/lib/dhcp/README",	      "victim/f",
};

#define PASSWD                                    \
	"root:x:0:0:root:/root:/bin/sh\n"         \
	"daemon:x:1:1::/:/bin/false\n"            \
	"ann:x:1000:1000:Ann:/home/ann:/bin/sh\n" \
	"-o:x:1003:1003::/home/o:/bin/sh\n"       \
	"nobody:x:65534:65534::/:/bin/false\n"    \
	"bob:x:1001:1001::/home/bob:/bin/sh\n"    \
	"broken\n"                                \
	"+nis:x:1004:::::\n"

static void put_all(const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fixture_put(&fx, paths[i], "text");
}

static void put_system(void)
{
	put_all(always_gone, VMV_COUNTOF(always_gone));
	put_all(gone_from_standard, VMV_COUNTOF(gone_from_standard));
	put_all(never_gone, VMV_COUNTOF(never_gone));
	fixture_put(&fx, "var/log/dpkg.log", "text");
	fixture_put(&fx, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	fixture_put(&fx, "etc/os-release", "ID=debian\nNAME=Debian\n");
	fixture_put(&fx, "etc/passwd", PASSWD);
	fixture_put(&fx, "var/lib/dpkg/status", "");
	fixture_put(&fx, "var/lib/rpm/db", "");
	fixture_put(&fx, "home/ann/deep/er/letter.txt", "text");
	fixture_link(&fx, "home/ann/link", "../../victim");
	fixture_link(&fx, "var/log/evil.log", "../../victim/f");
	put_tool("cloud-init", 0);
	put_tool("apt-get", 0);
	put_tool("userdel", 0);
	put_tool("journalctl", 0);
}

static void check_gone(const char *const *paths, size_t n, bool is_gone)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(is_there(paths[i]) != is_gone, "%s is %s", paths[i],
			      is_gone ? "there" : "gone");
}

START_TEST(everything_of_the_standard_goes_and_nothing_else)
{
	put_system();
	ck_assert_int_eq(run("{}"), 0);
	ck_assert_str_eq(errors, "");
	check_gone(always_gone, VMV_COUNTOF(always_gone), true);
	check_gone(gone_from_standard, VMV_COUNTOF(gone_from_standard), true);
	check_gone(never_gone, VMV_COUNTOF(never_gone), false);
	ck_assert_int_eq(size_of("var/log/dpkg.log"), 0);
	ck_assert_int_eq(size_of("etc/machine-id"), 0);
	ck_assert_int_eq(size_of("victim/f"), 4);
	ck_assert(is_there("home") && !is_there("home/ann"));
	ck_assert(!is_there(".autorelabel")); /* a Debian, although it has rpm */
	ck_assert_str_eq(called, "cloud-init clean --logs --seed\n"
				 "journalctl --quiet --rotate --vacuum-time=1s\n"
				 "apt-get clean\n"
				 "userdel -f -- ann\n"
				 "userdel -f -- bob\n");
	ck_assert_ptr_nonnull(strstr(out, "output of cloud-init\ncloud-init: done\n"));
	ck_assert_ptr_nonnull(strstr(out, "accounts: done\n"));
	ck_assert_ptr_null(strstr(out, "trim"));

	ck_assert_str_eq(acting_str(&x, "os"), "linux");
	ck_assert_str_eq(acting_str(&x, "distro"), "debian");
	ck_assert_str_eq(acting_str(&x, "cleanup_level"), "standard");
	ck_assert(acting_bool(&x, "sanitize_user_data"));
	ck_assert(acting_bool(&x, "shutdown_after"));
	ck_assert_int_eq(x.action.after, VMV_AFTER_POWEROFF);
	ck_assert_uint_eq(x.action.after_delay_s, 3);
	ck_assert(x.action.is_childs);
	ck_assert_int_eq(x.action.exit_code, 0);
}
END_TEST

START_TEST(the_minimum_leaves_network_and_people_alone)
{
	put_system();
	ck_assert_int_eq(run("{\"cleanup_level\":\"minimal\",\"sanitize_user_data\":false,"
			     "\"shutdown_after\":false}"),
			 0);
	check_gone(always_gone, VMV_COUNTOF(always_gone), true);
	check_gone(gone_from_standard, VMV_COUNTOF(gone_from_standard), false);
	ck_assert(is_there("home/ann/deep/er/letter.txt"));
	ck_assert_ptr_null(strstr(called, "userdel"));
	ck_assert_int_eq(x.action.after, VMV_AFTER_NOTHING);
	ck_assert_str_eq(acting_str(&x, "cleanup_level"), "minimal");
	ck_assert(!acting_bool(&x, "sanitize_user_data"));
	ck_assert(!acting_bool(&x, "shutdown_after"));
}
END_TEST

START_TEST(what_fails_is_a_warning_and_the_rest_is_done)
{
	put_system();
	put_tool("cloud-init", 7);
	put_tool("userdel", 8);
	ck_assert_int_eq(unlinkat(top, "etc/machine-id", 0), 0);
	fixture_link(&fx, "etc/machine-id", "../victim/f");
	ck_assert_int_eq(run("{}"), 0);
	ck_assert_ptr_nonnull(strstr(errors, "cloud-init: 'cloud-init' failed with exit code 7\n"));
	ck_assert_ptr_nonnull(strstr(errors, "machine id: etc/machine-id: "));
	ck_assert_ptr_nonnull(strstr(errors, "accounts: cannot delete 'bob'"));
	ck_assert_int_eq(size_of("victim/f"), 4);
	check_gone(always_gone, VMV_COUNTOF(always_gone), true);
	ck_assert(!is_there("home/ann")); /* although the account is there still */
	ck_assert_int_eq(x.action.after, VMV_AFTER_POWEROFF);
}
END_TEST

START_TEST(an_rpm_system_is_relabelled)
{
	put_system();
	ck_assert_int_eq(unlinkat(top, "var/lib/dpkg/status", 0), 0);
	ck_assert_int_eq(run("{}"), 0);
	ck_assert_int_eq(size_of(".autorelabel"), 0);
}
END_TEST

/* Nothing is mounted in the tree: there is nothing to trim, and that is told. */
START_TEST(the_deepest_trims)
{
	put_system();
	fixture_put(&fx, "proc/self/mountinfo", "1 0 0:5 / / rw - overlay overlay rw\n");
	ck_assert_int_eq(run("{\"cleanup_level\":\"DEEP\"}"), 0);
	ck_assert_ptr_nonnull(strstr(out, "0 bytes of 0 filesystems trimmed."));
	ck_assert_str_eq(acting_str(&x, "cleanup_level"), "deep");
}
END_TEST

START_TEST(an_empty_tree_is_no_failure)
{
	fixture_put(&fx, "etc/passwd", "");
	ck_assert_int_eq(run("{}"), 0);
	ck_assert_str_eq(errors, "");
	ck_assert_ptr_null(acting_get(&x, "distro"));
}
END_TEST

START_TEST(without_a_system_it_does_not_begin)
{
	x.settings.root = "/nowhere/at/all";
	ck_assert_int_eq(run("{}"), -ENOENT);
	ck_assert_int_eq(x.err.code, VMV_E_IO);
	ck_assert_int_eq(x.action.after, VMV_AFTER_NOTHING);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("golden");
	TCase *tc = tcase_create("steps");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, everything_of_the_standard_goes_and_nothing_else);
	tcase_add_test(tc, the_minimum_leaves_network_and_people_alone);
	tcase_add_test(tc, what_fails_is_a_warning_and_the_rest_is_done);
	tcase_add_test(tc, an_rpm_system_is_relabelled);
	tcase_add_test(tc, the_deepest_trims);
	tcase_add_test(tc, an_empty_tree_is_no_failure);
	tcase_add_test(tc, without_a_system_it_does_not_begin);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
