#include "collectors/cgroup_id.h"

#include "base/cleanup.h"
#include "collectors/collector.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct fixture fx;
static struct vmv_cgroup_ids *ids;

static void up(void)
{
	fixture_up(&fx);
	ids = vmv_cgroup_ids_new();
	ck_assert_ptr_nonnull(ids);
}

static void down(void)
{
	vmv_cgroup_ids_free(ids);
	vmv_cgroup_ids_free(NULL);
	fixture_down(&fx);
}

static const struct {
	const char *path, *unit;
} names[] = {
	{ "", "" },
	{ "/", "" },
	{ "/system.slice/ssh.service", "ssh.service" },
	{ "/system.slice/ssh.service/", "ssh.service" },
	{ "/system.slice/foo.service/payload/1", "foo.service" },
	{ "/system.slice", "system.slice" },
	{ "/init.scope", "init.scope" },
	{ "/user.slice/user-1000.slice/session-3.scope", "session-3.scope" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", "web.service" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice", "app.slice" },
	{ "/system.slice/docker-0123456789ab.scope", "docker-0123456789ab.scope" },
	{ "/system.slice/docker-0123456789ab.scope/init", "docker-0123456789ab.scope" },
	{ "/system.slice/dbus.socket", "dbus.socket" },
	{ "/system.slice/_cgroup.service", "cgroup.service" },
	/* no unit stands for it */
	{ "/docker/0123456789ab", "/docker/0123456789ab" },
	{ "/kubepods/besteffort/pod1/0123", "/kubepods/besteffort/pod1/0123" },
	{ "/kubepods.slice/pod1/0123", "/kubepods.slice/pod1/0123" },
	{ "/a.service.d", "/a.service.d" },
	{ "/.service", "/.service" },
	{ "/_", "/_" },
};

START_TEST(the_unit_of_a_path)
{
	char unit[64];

	ck_assert_str_eq(vmv_cgroup_unit(names[_i].path, unit, sizeof(unit)), names[_i].unit);
}
END_TEST

START_TEST(a_name_that_does_not_fit_is_unknown)
{
	char unit[8] = "1234567";

	ck_assert_str_eq(vmv_cgroup_unit("/longer.service", unit, sizeof(unit)), "");
	ck_assert_str_eq(vmv_cgroup_unit("/a.scope", unit, sizeof(unit)), "a.scope");
	ck_assert_str_eq(vmv_cgroup_unit("/docker/1", unit, sizeof(unit)), "");
}
END_TEST

static uint64_t id_of(const char *path)
{
	struct stat st;

	ck_assert_msg(fstatat(fx.root.sys, path, &st, 0) == 0, "%s: %s", path, strerror(errno));
	return st.st_ino;
}

/* Returns the number of turns. */
static unsigned find(const uint64_t *wanted, size_t n)
{
	unsigned turns = 1;
	int r;

	while ((r = vmv_cgroup_ids_find(ids, &fx.root, wanted, n)) == VMV_MORE)
		turns++;
	ck_assert_int_eq(r, 0);
	return turns;
}

/* Where clang looks for undefined behaviour, arithmetic with NULL is found. */
START_TEST(before_anything_is_known_there_is_no_unit)
{
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, 1), "");
}
END_TEST

START_TEST(groups_are_found_by_their_inode)
{
	uint64_t wanted[6];

	fixture_put(&fx, "sys/fs/cgroup/cgroup.controllers", "cpu\n");
	fixture_put(&fx, "sys/fs/cgroup/system.slice/ssh.service/cgroup.procs", "");
	fixture_put(&fx, "sys/fs/cgroup/system.slice/web.service/cgroup.procs", "");
	fixture_put(&fx, "sys/fs/cgroup/docker/abc/cgroup.procs", "");
	wanted[0] = id_of("fs/cgroup/system.slice/web.service");
	wanted[1] = id_of("fs/cgroup/docker/abc");
	wanted[2] = wanted[0];
	wanted[3] = id_of("fs/cgroup");
	wanted[4] = 0; /* not known of that socket */
	wanted[5] = id_of("fs/cgroup/system.slice/ssh.service/cgroup.procs"); /* no group */
	(void)find(wanted, 6);
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted[0]), "web.service");
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted[1]), "/docker/abc");
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted[3]), "");
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, 0), "");
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted[5]), "");
	/* nobody asked for it */
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, id_of("fs/cgroup/system.slice/ssh.service")), "");
}
END_TEST

START_TEST(beside_older_hierarchies_cgroup2_has_a_directory)
{
	uint64_t wanted;

	fixture_put(&fx, "sys/fs/cgroup/systemd/x.service/cgroup.procs", "");
	fixture_put(&fx, "sys/fs/cgroup/unified/y.service/cgroup.procs", "");
	wanted = id_of("fs/cgroup/unified/y.service");
	(void)find(&wanted, 1);
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted), "y.service");
}
END_TEST

START_TEST(without_cgroup2_there_are_no_groups)
{
	uint64_t wanted = 42;

	ck_assert_uint_eq(find(&wanted, 1), 1);
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted), "");
}
END_TEST

START_TEST(what_is_not_found_is_not_looked_for_again_at_once)
{
	uint64_t wanted[2];

	fixture_put(&fx, "sys/fs/cgroup/cgroup.controllers", "cpu\n");
	fixture_put(&fx, "sys/fs/cgroup/a.service/cgroup.procs", "");
	wanted[0] = id_of("fs/cgroup/a.service");
	wanted[1] = id_of("fs/cgroup/cgroup.controllers");
	(void)find(wanted, 2);
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted[0]), "a.service");
	fixture_put(&fx, "sys/fs/cgroup/b.service/cgroup.procs", "");
	wanted[1] = id_of("fs/cgroup/b.service");
	(void)find(wanted, 2);
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted[0]), "a.service");
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted[1]), "");
}
END_TEST

START_TEST(many_groups_are_walked_in_slices)
{
	uint64_t wanted;
	char path[80];

	fixture_put(&fx, "sys/fs/cgroup/cgroup.controllers", "cpu\n");
	for (int i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "sys/fs/cgroup/%d/x/cgroup.procs", i);
		fixture_put(&fx, path, "");
	}
	fixture_put(&fx, "sys/fs/cgroup/1/x/y/z.scope/cgroup.procs", "");
	wanted = id_of("fs/cgroup/1/x/y/z.scope");
	ck_assert_uint_ge(find(&wanted, 1), 12);
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted), "z.scope");
	ck_assert_uint_eq(find(&wanted, 1), 1);
}
END_TEST

START_TEST(a_walk_can_be_given_up)
{
	uint64_t wanted = 1;
	char path[80];

	fixture_put(&fx, "sys/fs/cgroup/cgroup.controllers", "cpu\n");
	for (int i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "sys/fs/cgroup/%d", i);
		fixture_mkdir(&fx, path);
	}
	ck_assert_int_eq(vmv_cgroup_ids_find(ids, &fx.root, &wanted, 1), VMV_MORE);
	vmv_cgroup_ids_rest(ids);
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted), "");
	ck_assert_int_eq(vmv_cgroup_ids_find(ids, &fx.root, &wanted, 1), 0);
}
END_TEST

START_TEST(links_and_deep_paths_do_no_harm)
{
	char path[4000] = "sys/fs/cgroup";
	uint64_t wanted = 1;

	fixture_put(&fx, "sys/fs/cgroup/cgroup.controllers", "cpu\n");
	fixture_link(&fx, "sys/fs/cgroup/loop", ".");
	for (size_t len = strlen(path); len + 60 < sizeof(path) / 2; len = strlen(path))
		(void)snprintf(path + len, sizeof(path) - len, "/%050d", 7);
	fixture_mkdir(&fx, path);
	(void)find(&wanted, 1);
	ck_assert_str_eq(vmv_cgroup_ids_unit(ids, wanted), "");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cgroup_id");
	TCase *tc = tcase_create("cgroup_id");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_loop_test(tc, the_unit_of_a_path, 0, (int)VMV_COUNTOF(names));
	tcase_add_test(tc, a_name_that_does_not_fit_is_unknown);
	tcase_add_test(tc, before_anything_is_known_there_is_no_unit);
	tcase_add_test(tc, groups_are_found_by_their_inode);
	tcase_add_test(tc, beside_older_hierarchies_cgroup2_has_a_directory);
	tcase_add_test(tc, without_cgroup2_there_are_no_groups);
	tcase_add_test(tc, what_is_not_found_is_not_looked_for_again_at_once);
	tcase_add_test(tc, many_groups_are_walked_in_slices);
	tcase_add_test(tc, a_walk_can_be_given_up);
	tcase_add_test(tc, links_and_deep_paths_do_no_harm);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
