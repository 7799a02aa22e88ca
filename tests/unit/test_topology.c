#include "collectors/topology.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CPU    "sys/devices/system/cpu/"
#define MEMORY "sys/devices/system/memory/"

static struct fixture fx;
static struct vmv_numbers numbers;
static struct vmv_err err;

static void up(void)
{
	fixture_up(&fx);
	numbers = (struct vmv_numbers){ NULL, 0 };
	err = (struct vmv_err){ 0 };
}

static void down(void)
{
	free(numbers.list);
	fixture_down(&fx);
}

START_TEST(cpus_are_listed_by_number_and_nothing_else)
{
	static const char *const names[] = { "cpu10",
					     "cpu2",
					     "cpu0",
					     "cpufreq",
					     "cpu",
					     "cpu1x",
					     "cpu-1",
					     "xcpu3",
					     "smt",
					     "cpuidle",
					     "cpu99999999999999999999" };
	static const uint32_t want[] = { 0, 2, 10 };
	char path[128];

	for (size_t i = 0; i < VMV_COUNTOF(names); i++) {
		(void)snprintf(path, sizeof(path), CPU "%s", names[i]);
		fixture_mkdir(&fx, path);
	}
	ck_assert_int_eq(vmv_cpus_list(&fx.root, &numbers, &err), 0);
	ck_assert_uint_eq(numbers.n, VMV_COUNTOF(want));
	ck_assert_mem_eq(numbers.list, want, sizeof(want));
}
END_TEST

START_TEST(more_cpus_than_there_may_be_are_left_out)
{
	ck_assert_int_eq(mkdirat(fx.root.sys, "devices", 0777), 0);
	ck_assert_int_eq(mkdirat(fx.root.sys, "devices/system", 0777), 0);
	ck_assert_int_eq(mkdirat(fx.root.sys, "devices/system/cpu", 0777), 0);
	for (unsigned i = 0; i < VMV_CPUS_MAX + 3; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%u", i);
		ck_assert_int_eq(mkdirat(fx.root.sys, path, 0777), 0);
	}
	ck_assert_int_eq(vmv_cpus_list(&fx.root, &numbers, &err), 0);
	ck_assert_uint_eq(numbers.n, VMV_CPUS_MAX);
	ck_assert_uint_eq(numbers.list[VMV_CPUS_MAX - 1], VMV_CPUS_MAX - 1);
}
END_TEST

START_TEST(a_guest_without_cpus_is_an_error_and_one_without_blocks_is_none)
{
	ck_assert_int_eq(vmv_cpus_list(&fx.root, &numbers, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/sys/devices/system/cpu"));
	numbers.n = 7;
	ck_assert_int_eq(vmv_memory_blocks_list(&fx.root, &numbers, &err), 0);
	ck_assert_uint_eq(numbers.n, 0);
	ck_assert_ptr_null(numbers.list);
}
END_TEST

START_TEST(what_is_no_directory_is_an_error)
{
	fixture_put(&fx, "sys/devices/system/memory", "");
	ck_assert_int_eq(vmv_memory_blocks_list(&fx.root, &numbers, &err), -ENOTDIR);
	ck_assert_int_eq(err.code, VMV_E_IO);
}
END_TEST

START_TEST(blocks_are_listed_without_their_settings)
{
	static const uint32_t want[] = { 3, 32 };

	fixture_put(&fx, MEMORY "block_size_bytes", "8000000\n");
	fixture_put(&fx, MEMORY "auto_online_blocks", "offline\n");
	fixture_put(&fx, MEMORY "memory32/state", "online\n");
	fixture_put(&fx, MEMORY "memory3/state", "online\n");
	ck_assert_int_eq(vmv_memory_blocks_list(&fx.root, &numbers, &err), 0);
	ck_assert_uint_eq(numbers.n, VMV_COUNTOF(want));
	ck_assert_mem_eq(numbers.list, want, sizeof(want));
}
END_TEST

static void expect(const struct vmv_plug *p, bool is_online, bool can_offline, bool knows_offline)
{
	ck_assert_int_eq(p->is_online, is_online);
	ck_assert_int_eq(p->can_offline, can_offline);
	ck_assert_int_eq(p->knows_offline, knows_offline);
}

START_TEST(a_cpu_without_the_file_stays_online)
{
	struct vmv_plug p;

	fixture_mkdir(&fx, CPU "cpu0");
	fixture_put(&fx, CPU "cpu1/online", "1\n");
	fixture_put(&fx, CPU "cpu2/online", "0\n");
	fixture_put(&fx, CPU "cpu3/online", "2\n");
	ck_assert_int_eq(vmv_cpu_plug(&fx.root, 0, &p), 0);
	expect(&p, true, false, true);
	ck_assert_int_eq(vmv_cpu_plug(&fx.root, 1, &p), 0);
	expect(&p, true, true, true);
	ck_assert_int_eq(vmv_cpu_plug(&fx.root, 2, &p), 0);
	expect(&p, false, true, true);
	ck_assert_int_eq(vmv_cpu_plug(&fx.root, 3, &p), -EINVAL);
	ck_assert_int_eq(vmv_cpu_plug(&fx.root, 4, &p), -ENOENT);
}
END_TEST

START_TEST(blocks_tell_their_state)
{
	struct vmv_plug p;

	fixture_put(&fx, MEMORY "memory0/state", "online\n");
	fixture_put(&fx, MEMORY "memory0/removable", "0\n");
	fixture_put(&fx, MEMORY "memory1/state", "offline\n");
	fixture_put(&fx, MEMORY "memory1/removable", "1\n");
	fixture_put(&fx, MEMORY "memory2/state", "going-offline\n");
	fixture_put(&fx, MEMORY "memory3/state", "ERROR-UNKNOWN-7\n");
	ck_assert_int_eq(vmv_memory_block_plug(&fx.root, 0, true, &p), 0);
	expect(&p, true, false, true);
	ck_assert_int_eq(vmv_memory_block_plug(&fx.root, 1, true, &p), 0);
	expect(&p, false, true, true);
	ck_assert_int_eq(vmv_memory_block_plug(&fx.root, 1, false, &p), 0);
	expect(&p, false, false, false);
	ck_assert_int_eq(vmv_memory_block_plug(&fx.root, 2, true, &p), 0);
	expect(&p, false, false, false);
	ck_assert_int_eq(vmv_memory_block_plug(&fx.root, 3, true, &p), -EINVAL);
	ck_assert_int_eq(vmv_memory_block_plug(&fx.root, 4, true, &p), -ENOENT);
}
END_TEST

START_TEST(the_size_of_blocks_is_hexadecimal)
{
	static const char *const bad[] = {
		"", "\n", "0\n", "x\n", "0x80\n", "80 00\n", "10000000000000000\n"
	};
	uint64_t size = 7;

	ck_assert_int_eq(vmv_memory_block_size(&fx.root, &size, &err), -ENOENT);
	for (size_t i = 0; i < VMV_COUNTOF(bad); i++) {
		fixture_put(&fx, MEMORY "block_size_bytes", bad[i]);
		ck_assert_int_eq(vmv_memory_block_size(&fx.root, &size, &err), -EINVAL);
		ck_assert_uint_eq(size, 7);
	}
	fixture_put(&fx, MEMORY "block_size_bytes", "8000000\n");
	ck_assert_int_eq(vmv_memory_block_size(&fx.root, &size, &err), 0);
	ck_assert_uint_eq(size, 134217728);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("topology");
	TCase *tc = tcase_create("topology");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, cpus_are_listed_by_number_and_nothing_else);
	tcase_add_test(tc, more_cpus_than_there_may_be_are_left_out);
	tcase_add_test(tc, a_guest_without_cpus_is_an_error_and_one_without_blocks_is_none);
	tcase_add_test(tc, what_is_no_directory_is_an_error);
	tcase_add_test(tc, blocks_are_listed_without_their_settings);
	tcase_add_test(tc, a_cpu_without_the_file_stays_online);
	tcase_add_test(tc, blocks_tell_their_state);
	tcase_add_test(tc, the_size_of_blocks_is_hexadecimal);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
