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

/* Every line that a kernel from 4.18 on can print, each with its own number. */
#define ALL_LINES                    \
	"Active: 1 kB\n"             \
	"Active(anon): 2 kB\n"       \
	"Active(file): 3 kB\n"       \
	"AnonHugePages: 4 kB\n"      \
	"AnonPages: 5 kB\n"          \
	"Balloon: 6 kB\n"            \
	"Bounce: 7 kB\n"             \
	"Buffers: 8 kB\n"            \
	"Cached: 9 kB\n"             \
	"CmaFree: 10 kB\n"           \
	"CmaTotal: 11 kB\n"          \
	"CommitLimit: 12 kB\n"       \
	"Committed_AS: 13 kB\n"      \
	"DirectMap1G: 14 kB\n"       \
	"DirectMap2M: 15 kB\n"       \
	"DirectMap4M: 16 kB\n"       \
	"DirectMap4k: 17 kB\n"       \
	"Dirty: 18 kB\n"             \
	"FileHugePages: 19 kB\n"     \
	"FilePmdMapped: 20 kB\n"     \
	"HardwareCorrupted: 21 kB\n" \
	"HighFree: 22 kB\n"          \
	"HighTotal: 23 kB\n"         \
	"HugePages_Free: 24\n"       \
	"HugePages_Rsvd: 25\n"       \
	"HugePages_Surp: 26\n"       \
	"HugePages_Total: 27\n"      \
	"Hugepagesize: 28 kB\n"      \
	"Hugetlb: 29 kB\n"           \
	"Inactive: 30 kB\n"          \
	"Inactive(anon): 31 kB\n"    \
	"Inactive(file): 32 kB\n"    \
	"KReclaimable: 33 kB\n"      \
	"KernelStack: 34 kB\n"       \
	"LowFree: 35 kB\n"           \
	"LowTotal: 36 kB\n"          \
	"Mapped: 37 kB\n"            \
	"MemAvailable: 38 kB\n"      \
	"MemFree: 39 kB\n"           \
	"MemTotal: 40 kB\n"          \
	"Mlocked: 41 kB\n"           \
	"NFS_Unstable: 42 kB\n"      \
	"PageTables: 43 kB\n"        \
	"Percpu: 44 kB\n"            \
	"SReclaimable: 45 kB\n"      \
	"SUnreclaim: 46 kB\n"        \
	"SecPageTables: 47 kB\n"     \
	"Shmem: 48 kB\n"             \
	"ShmemHugePages: 49 kB\n"    \
	"ShmemPmdMapped: 50 kB\n"    \
	"Slab: 51 kB\n"              \
	"SwapCached: 52 kB\n"        \
	"SwapFree: 53 kB\n"          \
	"SwapTotal: 54 kB\n"         \
	"Unaccepted: 55 kB\n"        \
	"Unevictable: 56 kB\n"       \
	"VmallocChunk: 57 kB\n"      \
	"VmallocTotal: 58 kB\n"      \
	"VmallocUsed: 59 kB\n"       \
	"Writeback: 60 kB\n"         \
	"WritebackTmp: 61 kB\n"      \
	"Zswap: 62 kB\n"             \
	"Zswapped: 63 kB\n"

START_TEST(every_line_goes_to_its_own_member)
{
	struct vmv_memory_sample s;

	ck_assert_int_eq(vmv_memory_parse(ALL_LINES, &s, NULL), 0);
	ck_assert_uint_eq(s.active, 1 * 1024);
	ck_assert_uint_eq(s.active_anon, 2 * 1024);
	ck_assert_uint_eq(s.active_file, 3 * 1024);
	ck_assert_uint_eq(s.anon_huge, 4 * 1024);
	ck_assert_uint_eq(s.anon, 5 * 1024);
	ck_assert_uint_eq(s.balloon, 6 * 1024);
	ck_assert_uint_eq(s.bounce, 7 * 1024);
	ck_assert_uint_eq(s.buffers, 8 * 1024);
	ck_assert_uint_eq(s.cached, 9 * 1024);
	ck_assert_uint_eq(s.cma_free, 10 * 1024);
	ck_assert_uint_eq(s.cma_total, 11 * 1024);
	ck_assert_uint_eq(s.commit_limit, 12 * 1024);
	ck_assert_uint_eq(s.committed, 13 * 1024);
	ck_assert_uint_eq(s.direct_map_1g, 14 * 1024);
	ck_assert_uint_eq(s.direct_map_2m, 15 * 1024);
	ck_assert_uint_eq(s.direct_map_4m, 16 * 1024);
	ck_assert_uint_eq(s.direct_map_4k, 17 * 1024);
	ck_assert_uint_eq(s.dirty, 18 * 1024);
	ck_assert_uint_eq(s.file_huge, 19 * 1024);
	ck_assert_uint_eq(s.file_pmd_mapped, 20 * 1024);
	ck_assert_uint_eq(s.hardware_corrupted, 21 * 1024);
	ck_assert_uint_eq(s.high_free, 22 * 1024);
	ck_assert_uint_eq(s.high_total, 23 * 1024);
	ck_assert_uint_eq(s.huge_free, 24);
	ck_assert_uint_eq(s.huge_reserved, 25);
	ck_assert_uint_eq(s.huge_surplus, 26);
	ck_assert_uint_eq(s.huge_total, 27);
	ck_assert_uint_eq(s.huge_page_size, 28 * 1024);
	ck_assert_uint_eq(s.hugetlb, 29 * 1024);
	ck_assert_uint_eq(s.inactive, 30 * 1024);
	ck_assert_uint_eq(s.inactive_anon, 31 * 1024);
	ck_assert_uint_eq(s.inactive_file, 32 * 1024);
	ck_assert_uint_eq(s.kreclaimable, 33 * 1024);
	ck_assert_uint_eq(s.kernel_stack, 34 * 1024);
	ck_assert_uint_eq(s.low_free, 35 * 1024);
	ck_assert_uint_eq(s.low_total, 36 * 1024);
	ck_assert_uint_eq(s.mapped, 37 * 1024);
	ck_assert_uint_eq(s.available, 38 * 1024);
	ck_assert_uint_eq(s.free, 39 * 1024);
	ck_assert_uint_eq(s.total, 40 * 1024);
	ck_assert_uint_eq(s.mlocked, 41 * 1024);
	ck_assert_uint_eq(s.nfs_unstable, 42 * 1024);
	ck_assert_uint_eq(s.page_tables, 43 * 1024);
	ck_assert_uint_eq(s.percpu, 44 * 1024);
	ck_assert_uint_eq(s.sreclaimable, 45 * 1024);
	ck_assert_uint_eq(s.sunreclaim, 46 * 1024);
	ck_assert_uint_eq(s.sec_page_tables, 47 * 1024);
	ck_assert_uint_eq(s.shmem, 48 * 1024);
	ck_assert_uint_eq(s.shmem_huge, 49 * 1024);
	ck_assert_uint_eq(s.shmem_pmd_mapped, 50 * 1024);
	ck_assert_uint_eq(s.slab, 51 * 1024);
	ck_assert_uint_eq(s.swap_cached, 52 * 1024);
	ck_assert_uint_eq(s.swap_free, 53 * 1024);
	ck_assert_uint_eq(s.swap_total, 54 * 1024);
	ck_assert_uint_eq(s.unaccepted, 55 * 1024);
	ck_assert_uint_eq(s.unevictable, 56 * 1024);
	ck_assert_uint_eq(s.vmalloc_chunk, 57 * 1024);
	ck_assert_uint_eq(s.vmalloc_total, 58 * 1024);
	ck_assert_uint_eq(s.vmalloc_used, 59 * 1024);
	ck_assert_uint_eq(s.writeback, 60 * 1024);
	ck_assert_uint_eq(s.writeback_tmp, 61 * 1024);
	ck_assert_uint_eq(s.zswap, 62 * 1024);
	ck_assert_uint_eq(s.zswapped, 63 * 1024);
	ck_assert_uint_eq(sizeof(s), 63 * sizeof(uint64_t)); /* none forgotten here */
}
END_TEST

START_TEST(names_are_those_of_node_exporter)
{
	static const struct {
		const char *source, *name;
	} some[] = {
		{ "MemTotal", "node_memory_MemTotal_bytes" },
		{ "Active(anon)", "node_memory_Active_anon_bytes" },
		{ "Inactive(file)", "node_memory_Inactive_file_bytes" },
		{ "Committed_AS", "node_memory_Committed_AS_bytes" },
		{ "HugePages_Total", "node_memory_HugePages_Total" }, /* pages */
		{ "Hugepagesize", "node_memory_Hugepagesize_bytes" },
		{ "DirectMap4k", "node_memory_DirectMap4k_bytes" },
	};
	const struct vmv_collector *c = &vmv_collector_memory;
	size_t found = 0;

	for (size_t i = 0; i < c->n_fields; i++)
		for (size_t k = 0; k < VMV_COUNTOF(some); k++) {
			if (strcmp(c->fields[i].source, some[k].source) != 0)
				continue;
			ck_assert_str_eq(c->fields[i].name, some[k].name);
			found++;
		}
	ck_assert_uint_eq(found, VMV_COUNTOF(some));
}
END_TEST

START_TEST(sums_below_zero_are_unknown_and_the_rest_is_known)
{
	struct vmv_memory_sample s;

	ck_assert_int_eq(
		vmv_memory_parse("MemTotal: 1 kB\n"
				 "Cached: 18446744073709551612 kB\n"
				 "HugePages_Rsvd: 18446744073709551615\n"
				 "HugePages_Surp: 18446744073709551614\n"
				 "Percpu: 9007199254740992000 kB\n" /* times 1024: too much */
				 "Slab: 2 kB\n",
				 &s, NULL),
		0);
	ck_assert(s.cached == VMV_UNSET);
	ck_assert(s.huge_reserved == VMV_UNSET);
	ck_assert(s.huge_surplus == VMV_UNSET);
	ck_assert(s.percpu == VMV_UNSET);
	ck_assert_uint_eq(s.slab, 2048);
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
	"MemTotal: 18446744073709551615 kB\n", /* below zero: without it nothing means anything */
	"MemTotal: 1 kB\nHugePages_Total: 1 kB\n", /* pages have no unit */
	"MemTotal: 1 kB\nHugePages_Total: x\n",
	"MemTotal: 1 kB\nPercpu: 1\n",
	"MemTotal: 1 kBytes\n",
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

/* A line of a newer kernel that has no field yet should be noticed here. */
static void check_that_all_lines_are_known(const struct vmv_root *root,
					   const struct vmv_memory_sample *s)
{
	const struct vmv_collector *c = &vmv_collector_memory;
	size_t known = 0, lines = 0;
	char text[16384];

	ck_assert_int_gt(vmv_read_at(root->proc, "meminfo", text, sizeof(text)), 0);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	for (size_t i = 0; i < c->n_fields; i++) {
		uint64_t v;

		memcpy(&v, (const char *)s + c->fields[i].offset, sizeof(v));
		known += v != VMV_UNSET;
	}
	if (known < lines)
		SAY_SKIPPED("this kernel prints lines that no field is for");
	ck_assert_uint_ge(known, 30);
	ck_assert_uint_le(known, lines);
}

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
	ck_assert(s->active_anon != VMV_UNSET && s->page_tables != VMV_UNSET);
	ck_assert_uint_le(s->active, s->total);
	ck_assert_uint_ge(s->slab, s->sreclaimable);
	check_that_all_lines_are_known(&root, s);
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
	tcase_add_test(tc, names_are_those_of_node_exporter);
	tcase_add_test(tc, sums_below_zero_are_unknown_and_the_rest_is_known);
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
