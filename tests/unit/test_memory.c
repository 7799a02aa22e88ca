#include "collectors/memory.h"

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

START_TEST(reads_kib_as_bytes_and_marks_missing_lines)
{
	const struct vmv_memory_sample *s;
	struct kept k;

	/* A 3.10 kernel: no MemAvailable. */
	fixture_put(&fx, "proc/meminfo",
		    "MemTotal:        2048 kB\n"
		    "MemFree:          512 kB\n"
		    "Buffers:            1 kB\n"
		    "Cached:             2 kB\n"
		    "HugePages_Total:    0\n"
		    "SwapTotal:          0 kB\n"
		    "SwapFree:           0 kB\n");
	kept_init(&k, &vmv_collector_memory);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_memory, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->total, 2048 * 1024);
	ck_assert_uint_eq(s->free, 512 * 1024);
	ck_assert_uint_eq(s->buffers, 1024);
	ck_assert_uint_eq(s->cached, 2048);
	ck_assert_uint_eq(s->swap_total, 0);
	ck_assert_uint_eq(s->swap_free, 0);
	ck_assert(s->available == VMV_UNSET); /* unknown is not zero */
	ck_assert(s->committed == VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(every_line_goes_to_its_own_member)
{
	struct vmv_memory_sample s;

	ck_assert_int_eq(vmv_memory_parse("MemTotal: 1 kB\nMemFree: 2 kB\nMemAvailable: 3 kB\n"
					  "Buffers: 4 kB\nCached: 5 kB\nSwapCached: 6 kB\n"
					  "SwapTotal: 7 kB\nSwapFree: 8 kB\nDirty: 9 kB\n"
					  "Writeback: 10 kB\nAnonPages: 11 kB\nShmem: 12 kB\n"
					  "Slab: 13 kB\nSReclaimable: 14 kB\n"
					  "Committed_AS: 15 kB\n",
					  &s, NULL),
			 0);
	ck_assert_uint_eq(s.total, 1024);
	ck_assert_uint_eq(s.free, 2048);
	ck_assert_uint_eq(s.available, 3072);
	ck_assert_uint_eq(s.buffers, 4096);
	ck_assert_uint_eq(s.cached, 5120);
	ck_assert_uint_eq(s.swap_cached, 6144);
	ck_assert_uint_eq(s.swap_total, 7168);
	ck_assert_uint_eq(s.swap_free, 8192);
	ck_assert_uint_eq(s.dirty, 9216);
	ck_assert_uint_eq(s.writeback, 10240);
	ck_assert_uint_eq(s.anon, 11264);
	ck_assert_uint_eq(s.shmem, 12288);
	ck_assert_uint_eq(s.slab, 13312);
	ck_assert_uint_eq(s.sreclaimable, 14336);
	ck_assert_uint_eq(s.committed, 15360);
}
END_TEST

START_TEST(absent_file_is_enoent_until_it_is_there)
{
	void *state = vmv_collector_memory.open(&fx.root);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_memory);
	ck_assert_int_eq(vmv_collector_memory.read(state, &fx.root, &k.sink, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_uint_eq(k.n, 0);
	fixture_put(&fx, "proc/meminfo", "MemTotal: 1 kB\n");
	ck_assert_int_eq(vmv_collector_memory.read(state, &fx.root, &k.sink, &err), 0);
	ck_assert_uint_eq(k.n, 1);
	vmv_collector_memory.close(state);
	vmv_collector_memory.close(NULL);
	kept_clear(&k);
}
END_TEST

static const char *const bad[] = {
	"",
	"MemFree: 1 kB\n", /* no MemTotal */
	"MemTotal: 1 kB",  /* cut before the newline */
	"MemTotal: -1 kB\n",
	"MemTotal: kB\n",
	"MemTotal: 1\n",
	"MemTotal: 1 MB\n",		       /* a unit we do not know */
	"MemTotal: 99999999999999999999 kB\n", /* past UINT64_MAX */
	"MemTotal: 18446744073709551615 kB\n", /* fits, times 1024 does not */
	"MemTotal\n: 1 kB\n",
	"MemTotal: 1 kB\nno colon\n",
};

START_TEST(malformed_input_fails_and_leaves_output_alone)
{
	struct vmv_memory_sample s = { .total = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_memory_parse(bad[_i], &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(s.total, 7);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	const struct vmv_memory_sample *s;
	struct vmv_root root;
	struct vmv_err err = { 0 };
	struct kept k;
	double expected = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_memory);
	ck_assert_msg(kept_read(&k, &vmv_collector_memory, &root, &err) == 0, "%s", err.msg);
	s = kept_row(&k, "");
	ck_assert_double_eq_tol((double)s->total, expected, expected / 100);
	ck_assert_uint_lt(s->available, s->total);
	ck_assert_uint_le(s->free, s->total);
	ck_assert(s->committed != VMV_UNSET && s->sreclaimable != VMV_UNSET);
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory");
	TCase *tc = tcase_create("memory");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, reads_kib_as_bytes_and_marks_missing_lines);
	tcase_add_test(tc, every_line_goes_to_its_own_member);
	tcase_add_test(tc, absent_file_is_enoent_until_it_is_there);
	tcase_add_loop_test(tc, malformed_input_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
