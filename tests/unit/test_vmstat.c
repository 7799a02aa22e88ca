#include "collectors/vmstat.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

/* Parts of what a 6.x kernel prints. */
#define MODERN                                                                                 \
	"nr_free_pages 1874206\nnr_zone_inactive_anon 2365\nnuma_hit 1\nnuma_miss 2\n"         \
	"numa_foreign 3\nnuma_interleave 1116\nworkingset_nodes 28698\n"                       \
	"workingset_refault_anon 4\nworkingset_refault_file 5\nworkingset_activate_anon 99\n"  \
	"pgpgin 6\npgpgout 7\npswpin 8\npswpout 9\npgalloc_normal 99\nallocstall_dma 1\n"      \
	"allocstall_dma32 2\nallocstall_normal 3\nallocstall_movable 4\nallocstall_device 0\n" \
	"pgskip_normal 99\npgfault 11\npgmajfault 12\npgsteal_kswapd 13\npgsteal_direct 14\n"  \
	"pgsteal_khugepaged 99\npgscan_kswapd 15\npgscan_direct 16\npgscan_khugepaged 99\n"    \
	"pgscan_direct_throttle 17\npgscan_anon 99\ndrop_pagecache 18\ndrop_slab 19\n"         \
	"oom_kill 20\nnuma_pages_migrated 21\ncompact_stall 22\ncompact_fail 23\n"             \
	"thp_fault_alloc 24\nthp_fault_fallback 25\nthp_fault_fallback_charge 99\n"            \
	"thp_collapse_alloc 26\nthp_collapse_alloc_failed 99\nthp_split_page 27\n"             \
	"thp_split_page_failed 99\nballoon_inflate 28\nballoon_deflate 29\n"                   \
	"balloon_migrate 30\nswap_ra 99\nzswpin 31\nzswpout 32\nnr_unstable 0\n"

START_TEST(every_line_goes_to_its_own_member)
{
	const struct vmv_vmstat_sample *s;
	struct kept k;

	fixture_put(&fx, "proc/vmstat", MODERN);
	kept_init(&k, &vmv_collector_vmstat);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_vmstat, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->numa_hit, 1);
	ck_assert_uint_eq(s->numa_miss, 2);
	ck_assert_uint_eq(s->numa_foreign, 3);
	ck_assert_uint_eq(s->workingset_refault_anon, 4);
	ck_assert_uint_eq(s->workingset_refault_file, 5);
	ck_assert_uint_eq(s->pgpgin, 6);
	ck_assert_uint_eq(s->pgpgout, 7);
	ck_assert_uint_eq(s->pswpin, 8);
	ck_assert_uint_eq(s->pswpout, 9);
	ck_assert_uint_eq(s->allocstall, 10); /* 1 + 2 + 3 + 4 */
	ck_assert_uint_eq(s->pgfault, 11);
	ck_assert_uint_eq(s->pgmajfault, 12);
	ck_assert_uint_eq(s->pgsteal_kswapd, 13);
	ck_assert_uint_eq(s->pgsteal_direct, 14);
	ck_assert_uint_eq(s->pgscan_kswapd, 15);
	ck_assert_uint_eq(s->pgscan_direct, 16);
	ck_assert_uint_eq(s->pgscan_direct_throttle, 17);
	ck_assert_uint_eq(s->drop_pagecache, 18);
	ck_assert_uint_eq(s->drop_slab, 19);
	ck_assert_uint_eq(s->oom_kill, 20);
	ck_assert_uint_eq(s->numa_pages_migrated, 21);
	ck_assert_uint_eq(s->compact_stall, 22);
	ck_assert_uint_eq(s->compact_fail, 23);
	ck_assert_uint_eq(s->thp_fault_alloc, 24);
	ck_assert_uint_eq(s->thp_fault_fallback, 25);
	ck_assert_uint_eq(s->thp_collapse_alloc, 26);
	ck_assert_uint_eq(s->thp_split_page, 27);
	ck_assert_uint_eq(s->balloon_inflate, 28);
	ck_assert_uint_eq(s->balloon_deflate, 29);
	ck_assert_uint_eq(s->balloon_migrate, 30);
	ck_assert_uint_eq(s->zswpin, 31);
	ck_assert_uint_eq(s->zswpout, 32);
	ck_assert(s->workingset_refault == VMV_UNSET); /* which is two counters since 5.9 */
	kept_clear(&k);
}
END_TEST

START_TEST(what_old_kernels_count_by_zone_is_added_up)
{
	struct vmv_vmstat_sample s;

	/* 3.10: allocstall is whole, reclaim by zone */
	ck_assert_int_eq(vmv_vmstat_parse("pgfault 1\n"
					  "pgsteal_kswapd_dma 1\npgsteal_kswapd_dma32 20\n"
					  "pgsteal_kswapd_normal 300\npgsteal_kswapd_movable 0\n"
					  "pgsteal_direct_dma 2\npgsteal_direct_normal 5\n"
					  "pgscan_kswapd_dma32 3\npgscan_kswapd_normal 4\n"
					  "pgscan_direct_normal 8\npgscan_direct_high 1\n"
					  "pgscan_direct_throttle 70\nallocstall 6\n"
					  "workingset_refault 9\n",
					  &s, NULL),
			 0);
	ck_assert_uint_eq(s.pgsteal_kswapd, 321);
	ck_assert_uint_eq(s.pgsteal_direct, 7);
	ck_assert_uint_eq(s.pgscan_kswapd, 7);
	ck_assert_uint_eq(s.pgscan_direct, 9); /* throttle is no zone */
	ck_assert_uint_eq(s.pgscan_direct_throttle, 70);
	ck_assert_uint_eq(s.allocstall, 6);
	ck_assert_uint_eq(s.workingset_refault, 9);
}
END_TEST

START_TEST(what_this_kernel_does_not_count_is_unknown)
{
	struct vmv_vmstat_sample s;

	ck_assert_int_eq(
		vmv_vmstat_parse("pgfault 0\npgskip_normal 5\nnormal 6\n_normal 7\n", &s, NULL), 0);
	ck_assert_uint_eq(s.pgfault, 0);
	ck_assert(s.oom_kill == VMV_UNSET);
	ck_assert(s.allocstall == VMV_UNSET);
	ck_assert(s.balloon_inflate == VMV_UNSET);
	ck_assert(s.numa_miss == VMV_UNSET);
}
END_TEST

START_TEST(a_sum_of_zones_stops_at_the_limit)
{
	struct vmv_vmstat_sample s;

	ck_assert_int_eq(vmv_vmstat_parse("pgfault 1\n"
					  "allocstall_dma 9223372036854775807\n"
					  "allocstall_dma32 9223372036854775807\n"
					  "allocstall_normal 9223372036854775807\n"
					  "oom_kill 18446744073709551615\n",
					  &s, NULL),
			 0);
	ck_assert(s.allocstall == VMV_UNSET - 1);
	ck_assert(s.oom_kill == VMV_UNSET);
}
END_TEST

static const char *const bad[] = {
	"",
	"\n",
	"nr_free_pages 1\n", /* no kernel is without pgfault */
	"pgfault 1",	     /* cut before the newline */
	"pgfault\n",
	"pgfault \n",
	"pgfault x\n",
	"pgfault -1\n",
	"pgfault 1 2\n",
	"pgfault 1x\n",
	"pgfault  1\n",
	"pgfault\t1\n",
	"pgfault 18446744073709551616\n", /* past UINT64_MAX */
	"pgfault 18446744073709551615\n", /* below zero */
	"pgfault 1\nallocstall_normal x\n",
	"pgfault 1\nallocstall_normal 18446744073709551615\n",
};

START_TEST(malformed_input_fails_and_leaves_output_alone)
{
	struct vmv_vmstat_sample s = { .pgfault = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_vmstat_parse(bad[_i], &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_int_eq(strncmp(err.msg, "/proc/vmstat: ", 14), 0);
	ck_assert_uint_eq(s.pgfault, 7);
}
END_TEST

START_TEST(absent_file_is_enoent_until_it_is_there)
{
	void *state = vmv_collector_vmstat.open(&fx.root);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_vmstat);
	ck_assert_int_eq(vmv_collector_vmstat.read(state, &fx.root, &k.sink, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	fixture_put(&fx, "proc/vmstat", "pgfault 1\n");
	ck_assert_int_eq(vmv_collector_vmstat.read(state, &fx.root, &k.sink, &err), 0);
	fixture_put(&fx, "proc/vmstat", "broken");
	ck_assert_int_eq(vmv_collector_vmstat.read(state, &fx.root, &k.sink, &err), -EINVAL);
	ck_assert_uint_eq(k.n, 1);
	vmv_collector_vmstat.close(state);
	vmv_collector_vmstat.close(NULL);
	kept_clear(&k);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	char *pages = malloc(4 << 20);
	struct vmv_vmstat_sample before;
	const struct vmv_vmstat_sample *s;
	struct vmv_root root;
	struct vmv_err err = { 0 };
	void *state;
	struct kept k;

	ck_assert_ptr_nonnull(pages);
	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	state = vmv_collector_vmstat.open(&root);
	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_vmstat);
	ck_assert_msg(vmv_collector_vmstat.read(state, &root, &k.sink, &err) == 0, "%s", err.msg);
	before = *(const struct vmv_vmstat_sample *)kept_row(&k, "");
	kept_clear(&k);
	memset(pages, 1, 4 << 20); /* a fault for each page, be it a huge one */
	ck_assert_ptr_null(memchr(pages, 0, 4 << 20));
	ck_assert_msg(vmv_collector_vmstat.read(state, &root, &k.sink, &err) == 0, "%s", err.msg);
	s = kept_row(&k, "");
	ck_assert_uint_gt(s->pgfault, before.pgfault);
	ck_assert_uint_ge(s->pgmajfault, before.pgmajfault);
	ck_assert(s->pgmajfault <= s->pgfault);
	ck_assert(s->oom_kill != VMV_UNSET && s->pgpgin != VMV_UNSET);
	ck_assert(s->allocstall != VMV_UNSET && s->pgscan_kswapd != VMV_UNSET);
	ck_assert((s->workingset_refault == VMV_UNSET) !=
		  (s->workingset_refault_file == VMV_UNSET));
	vmv_collector_vmstat.close(state);
	kept_clear(&k);
	vmv_root_close(&root);
	free(pages);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vmstat");
	TCase *tc = tcase_create("vmstat");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, every_line_goes_to_its_own_member);
	tcase_add_test(tc, what_old_kernels_count_by_zone_is_added_up);
	tcase_add_test(tc, what_this_kernel_does_not_count_is_unknown);
	tcase_add_test(tc, a_sum_of_zones_stops_at_the_limit);
	tcase_add_loop_test(tc, malformed_input_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, absent_file_is_enoent_until_it_is_there);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
