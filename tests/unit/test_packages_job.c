#include "job/package.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"
#include "job/relay.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct vmv_inventory before, after;
static struct vmv_argv argv;

static void down(void)
{
	vmv_packages_free(&before.list);
	vmv_packages_free(&after.list);
	vmv_argv_free(&argv);
}

static void load(struct vmv_inventory *inv, const char *status)
{
	ck_assert_int_eq(vmv_parse_dpkg(status, &inv->list), 0);
	vmv_packages_sort(&inv->list);
}

#define OF(name, version) "Package: " name "\nArchitecture: amd64\nVersion: " version "\n\n"

/* -- commands -------------------------------------------------------------------------------- */

static const struct vmv_manager_here heres[] = {
	{ VMV_APT, "/usr/bin/apt-get", "var/lib/dpkg/status" },
	{ VMV_DNF, "/usr/bin/dnf", "var/lib/rpm/rpmdb.sqlite" },
	{ VMV_ZYPPER, "/usr/bin/zypper", "var/lib/rpm/Packages.db" },
	{ VMV_APK, "/sbin/apk", "lib/apk/db/installed" },
	{ VMV_PACMAN, "/usr/bin/pacman", "var/lib/pacman/local" },
};

#define APT_OPTIONS                                    \
	"-y -q -o Dpkg::Options::=--force-confdef -o " \
	"Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=57"

static const struct {
	enum vmv_manager manager;
	enum vmv_operation operation;
	const char *words;
} commands[] = {
	{ VMV_APT, VMV_OP_REFRESH, "/usr/bin/apt-get -q -o DPkg::Lock::Timeout=57 update" },
	{ VMV_APT, VMV_OP_INSTALL, "/usr/bin/apt-get " APT_OPTIONS " install -- g++" },
	{ VMV_APT, VMV_OP_REMOVE, "/usr/bin/apt-get " APT_OPTIONS " remove -- g++" },
	{ VMV_APT, VMV_OP_UPDATE,
	  "/usr/bin/apt-get " APT_OPTIONS " --only-upgrade install -- g++" },
	{ VMV_APT, VMV_OP_UPGRADE, "/usr/bin/apt-get " APT_OPTIONS " --with-new-pkgs upgrade" },
	{ VMV_APT, VMV_OP_SEARCH, "/usr/bin/apt-cache search -- g++" },
	{ VMV_DNF, VMV_OP_REFRESH, "/usr/bin/dnf -q clean expire-cache" },
	{ VMV_DNF, VMV_OP_INSTALL, "/usr/bin/dnf -y install g++" },
	{ VMV_DNF, VMV_OP_REMOVE, "/usr/bin/dnf -y remove g++" },
	{ VMV_DNF, VMV_OP_UPDATE, "/usr/bin/dnf -y upgrade g++" },
	{ VMV_DNF, VMV_OP_UPGRADE, "/usr/bin/dnf -y upgrade" },
	{ VMV_DNF, VMV_OP_UPDATES, "/usr/bin/dnf -C -q check-update" },
	{ VMV_ZYPPER, VMV_OP_REFRESH, "/usr/bin/zypper --non-interactive refresh" },
	{ VMV_ZYPPER, VMV_OP_INSTALL,
	  "/usr/bin/zypper --non-interactive install --auto-agree-with-licenses -- g++" },
	{ VMV_ZYPPER, VMV_OP_REMOVE, "/usr/bin/zypper --non-interactive remove -- g++" },
	{ VMV_ZYPPER, VMV_OP_UPDATE,
	  "/usr/bin/zypper --non-interactive update --auto-agree-with-licenses -- g++" },
	{ VMV_ZYPPER, VMV_OP_UPGRADE,
	  "/usr/bin/zypper --non-interactive update --auto-agree-with-licenses" },
	{ VMV_ZYPPER, VMV_OP_SECURITY,
	  "/usr/bin/zypper --non-interactive --no-refresh --xmlout list-patches --category "
	  "security" },
	{ VMV_APK, VMV_OP_REFRESH, "/sbin/apk --no-progress --wait 57 update" },
	{ VMV_APK, VMV_OP_INSTALL, "/sbin/apk --no-progress --wait 57 add -- g++" },
	{ VMV_APK, VMV_OP_REMOVE, "/sbin/apk --no-progress --wait 57 del -- g++" },
	{ VMV_APK, VMV_OP_UPDATE, "/sbin/apk --no-progress --wait 57 upgrade -- g++" },
	{ VMV_APK, VMV_OP_UPGRADE, "/sbin/apk --no-progress --wait 57 upgrade" },
	{ VMV_APK, VMV_OP_UPDATES, "/sbin/apk --no-network version -l <" },
	{ VMV_PACMAN, VMV_OP_REFRESH, "/usr/bin/pacman --noconfirm --noprogressbar -Sy" },
	{ VMV_PACMAN, VMV_OP_INSTALL,
	  "/usr/bin/pacman --noconfirm --noprogressbar -S --needed -- g++" },
	{ VMV_PACMAN, VMV_OP_REMOVE, "/usr/bin/pacman --noconfirm --noprogressbar -R -- g++" },
	{ VMV_PACMAN, VMV_OP_UPGRADE, "/usr/bin/pacman --noconfirm --noprogressbar -Su" },
	{ VMV_APT, VMV_OP_INVENTORY, NULL }, /* read from its file */
	{ VMV_APK, VMV_OP_SECURITY, NULL },
};

static const char *joined(void)
{
	static char text[1024];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < argv.n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					argv.words[i]);
	ck_assert_ptr_null(argv.words[argv.n]);
	return text;
}

START_TEST(commands_never_ask_and_wait_for_the_lock)
{
	int r = vmv_manager_argv(&heres[commands[_i].manager], commands[_i].operation, "g++", 57,
				 &argv);

	if (commands[_i].words) {
		ck_assert_int_eq(r, 0);
		ck_assert_str_eq(joined(), commands[_i].words);
	} else {
		ck_assert_int_eq(r, -EOPNOTSUPP);
	}
}
END_TEST

START_TEST(the_environment_keeps_questions_away)
{
	ck_assert_int_eq(vmv_manager_environment(VMV_APT, 57, &argv), 0);
	ck_assert_str_eq(joined(), "DEBIAN_FRONTEND=noninteractive");
	vmv_argv_free(&argv);
	ck_assert_int_eq(vmv_manager_environment(VMV_ZYPPER, 57, &argv), 0);
	ck_assert_str_eq(joined(), "ZYPP_LOCK_TIMEOUT=57");
	vmv_argv_free(&argv);
	ck_assert_int_eq(vmv_manager_environment(VMV_APK, 57, &argv), 0);
	ck_assert_uint_eq(argv.n, 0);
}
END_TEST

START_TEST(a_query_is_no_regular_expression)
{
	char text[32], little[8];

	ck_assert_uint_eq(vmv_manager_literal("g++-1.2", text, sizeof(text)), 13);
	ck_assert_str_eq(text, "g[+][+]-1[.]2");
	(void)vmv_manager_literal("a.b.c.d", little, sizeof(little));
	ck_assert_str_eq(little, "a[.]b");
}
END_TEST

/* -- decisions ------------------------------------------------------------------------------- */

static const struct {
	enum vmv_operation operation;
	const char *name;
	bool is_known;
	enum vmv_errc code;
} names[] = {
	{ VMV_OP_INSTALL, "zip", false, VMV_OK },
	{ VMV_OP_INSTALL, "zip-", true, VMV_E_RANGE }, /* would be removed */
	{ VMV_OP_INSTALL, "-zip", true, VMV_E_RANGE },
	{ VMV_OP_INSTALL, "", true, VMV_E_RANGE },
	{ VMV_OP_INSTALL, "python3.9", true, VMV_OK },
	{ VMV_OP_INSTALL, "python3.9", false, VMV_E_NOTFOUND }, /* would be an expression */
	{ VMV_OP_INSTALL, "g++", true, VMV_OK },
	{ VMV_OP_INSTALL, "g+", false, VMV_E_NOTFOUND },
	{ VMV_OP_REMOVE, "bash", false, VMV_OK },
	{ VMV_OP_REMOVE, "bash:amd64", false, VMV_OK },
	{ VMV_OP_REMOVE, "bash+", true, VMV_E_NOTFOUND }, /* would be installed */
	{ VMV_OP_REMOVE, "ba.h", true, VMV_E_NOTFOUND },
	{ VMV_OP_REMOVE, "zip", true, VMV_E_NOTFOUND },
	{ VMV_OP_UPDATE, "bash", false, VMV_OK },
	{ VMV_OP_UPDATE, "zip", true, VMV_E_NOTFOUND },
};

START_TEST(a_name_is_a_name_and_nothing_more)
{
	struct vmv_err err = { .code = VMV_OK };
	int r;

	load(&before, OF("bash", "1"));
	r = vmv_package_check(VMV_APT, names[_i].operation, names[_i].name, &before,
			      names[_i].is_known, &err);
	ck_assert_msg(err.code == names[_i].code, "%s: %s", names[_i].name, err.msg);
	ck_assert_int_eq(r < 0, names[_i].code != VMV_OK);
}
END_TEST

static const struct {
	const char *before, *after;
	bool has_changed;
	uint64_t n_new;
} changes[] = {
	{ "", "", false, 0 },
	{ "", OF("a", "1"), true, 1 },
	{ OF("a", "1"), "", true, 0 },
	{ OF("a", "1"), OF("a", "1"), false, 0 },
	{ OF("a", "1"), OF("a", "2"), true, 1 },
	{ OF("a", "1"), OF("a", "1") OF("b", "1"), false, 1 },
	{ OF("b", "1"), OF("b", "2"), false, 1 },
	{ OF("a", "1"), OF("a", "1") OF("a", "2"), true, 1 },
	{ OF("a", "1") OF("a", "2"), OF("a", "2") OF("a", "3"), true, 1 },
	{ OF("a", "1") OF("a", "2"), OF("a", "1"), true, 0 },
	{ OF("a", "1") OF("a", "2"), OF("a", "2") OF("a", "1"), false, 0 },
};

START_TEST(what_has_changed_is_told_by_versions)
{
	load(&before, changes[_i].before);
	load(&after, changes[_i].after);
	ck_assert_int_eq(vmv_package_has_changed(&before, &after, "a"), changes[_i].has_changed);
	ck_assert_uint_eq(vmv_package_count_new(&before, &after), changes[_i].n_new);
}
END_TEST

START_TEST(some_codes_of_zypper_are_no_failure)
{
	ck_assert_int_eq(vmv_package_exit_code(VMV_ZYPPER, 102), 0);
	ck_assert_int_eq(vmv_package_exit_code(VMV_ZYPPER, 103), 0);
	ck_assert_int_eq(vmv_package_exit_code(VMV_ZYPPER, 104), 104);
	ck_assert_int_eq(vmv_package_exit_code(VMV_APT, 102), 102);
}
END_TEST

/* -- the relay ------------------------------------------------------------------------------- */

/* What a shell prints that is run so; both streams in one. */
static int relay(const char *script, char *ret, size_t cap)
{
	static const char *const more[] = { "DEBIAN_FRONTEND=noninteractive", NULL };
	const char *const words[] = { "/bin/sh", "-c", script, NULL };
	int fd = memfd_create("output", 0), r;
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	r = vmv_relay_run(words, more);
	n = pread(fd, ret, cap - 1, 0);
	ck_assert_int_ge((int)n, 0);
	ret[n] = '\0';
	return r;
}

START_TEST(a_relay_hands_on_both_streams_and_the_exit_code)
{
	char text[512];

	ck_assert_int_eq(relay("cat; echo out; echo err >&2; exit 3", text, sizeof(text)), 3);
	ck_assert_ptr_nonnull(strstr(text, "out\n"));
	ck_assert_ptr_nonnull(strstr(text, "err\n"));
	ck_assert_uint_eq(strlen(text), 8);
}
END_TEST

START_TEST(a_relay_gives_roots_environment_and_what_is_added)
{
	char text[2048];

	(void)setenv("VMV_LEAKED", "yes", 1);
	ck_assert_int_eq(relay("unset PWD SHLVL OLDPWD _; /usr/bin/env | sort", text, sizeof(text)),
			 0);
	ck_assert_str_eq(text, "DEBIAN_FRONTEND=noninteractive\nHOME=/root\nLANG=C.UTF-8\n"
			       "LOGNAME=root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			       "/usr/bin:/sbin:/bin\nSHELL=/bin/sh\nUSER=root\n");
}
END_TEST

static uint64_t number_of(const char *text)
{
	uint64_t n;

	ck_assert_int_eq(vmv_parse_u64(text, &n, NULL), 0);
	return n;
}

START_TEST(a_relay_does_not_wait_for_who_was_left_behind)
{
	struct timespec began, ended;
	char text[512];

	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	ck_assert_int_eq(relay("sleep 60 & echo $!", text, sizeof(text)), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	ck_assert_int_lt(ended.tv_sec - began.tv_sec, 30);
	(void)kill((pid_t)number_of(text), SIGKILL);
}
END_TEST

START_TEST(a_relay_tells_of_signals_and_of_programs_that_are_not_there)
{
	static const char *const words[] = { "/no/such/program", NULL };
	char text[64];

	ck_assert_int_eq(relay("kill -9 $$", text, sizeof(text)), 128 + 9);
	ck_assert_int_eq(vmv_relay_run(words, NULL), -ENOENT);
}
END_TEST

START_TEST(a_relay_goes_on_when_nobody_reads)
{
	const char *const words[] = { "/bin/sh", "-c",
				      "i=0; while [ $i -lt 2000 ]; do echo $i || exit 9; "
				      "i=$((i+1)); done; exit 4",
				      NULL };
	int fds[2];

	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	ck_assert_int_eq(pipe(fds), 0);
	(void)close(fds[0]);
	ck_assert_int_eq(dup2(fds[1], STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_int_eq(vmv_relay_run(words, NULL), 4);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("packages_job");
	TCase *tc = tcase_create("packages_job");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, NULL, down);
	tcase_add_loop_test(tc, commands_never_ask_and_wait_for_the_lock, 0, VMV_COUNTOF(commands));
	tcase_add_test(tc, the_environment_keeps_questions_away);
	tcase_add_test(tc, a_query_is_no_regular_expression);
	tcase_add_loop_test(tc, a_name_is_a_name_and_nothing_more, 0, VMV_COUNTOF(names));
	tcase_add_loop_test(tc, what_has_changed_is_told_by_versions, 0, VMV_COUNTOF(changes));
	tcase_add_test(tc, some_codes_of_zypper_are_no_failure);
	tcase_add_test(tc, a_relay_hands_on_both_streams_and_the_exit_code);
	tcase_add_test(tc, a_relay_gives_roots_environment_and_what_is_added);
	tcase_add_test(tc, a_relay_does_not_wait_for_who_was_left_behind);
	tcase_add_test(tc, a_relay_tells_of_signals_and_of_programs_that_are_not_there);
	tcase_add_test(tc, a_relay_goes_on_when_nobody_reads);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
