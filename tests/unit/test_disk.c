#include "collectors/disk.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"
#include "tests/lib/warp.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
	fixture_mkdir(&fx, "sys/block");
}

static void down(void)
{
	fixture_down(&fx);
}

static int keep_one(void *arg, const char *name, const struct vmv_disk_sample *sample)
{
	ck_assert_str_eq(name, "vda");
	*(struct vmv_disk_sample *)arg = *sample;
	return 0;
}

START_TEST(every_column_goes_to_its_own_member)
{
	struct vmv_disk_sample s;

	ck_assert_int_eq(
		vmv_diskstats_parse(
			" 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x\n",
			keep_one, &s, NULL),
		0);
	ck_assert_uint_eq(s.reads, 1);
	ck_assert_uint_eq(s.reads_merged, 2);
	ck_assert_uint_eq(s.read_sectors, 3);
	ck_assert_uint_eq(s.read_ms, 4);
	ck_assert_uint_eq(s.writes, 5);
	ck_assert_uint_eq(s.writes_merged, 6);
	ck_assert_uint_eq(s.write_sectors, 7);
	ck_assert_uint_eq(s.write_ms, 8);
	ck_assert_uint_eq(s.in_flight, 9);
	ck_assert_uint_eq(s.io_ms, 10);
	ck_assert_uint_eq(s.weighted_io_ms, 11);
	ck_assert_uint_eq(s.discards, 12);
	ck_assert_uint_eq(s.discards_merged, 13);
	ck_assert_uint_eq(s.discard_sectors, 14);
	ck_assert_uint_eq(s.discard_ms, 15);
	ck_assert_uint_eq(s.flushes, 16);
	ck_assert_uint_eq(s.flush_ms, 17);
	ck_assert_uint_eq(s.is_whole, 0);
	ck_assert(s.size == VMV_UNSET && s.rotational == VMV_UNSET);
	ck_assert(s.is_readonly == VMV_UNSET);
	ck_assert_str_eq(s.model, "");
	ck_assert_str_eq(s.serial, "");
}
END_TEST

START_TEST(columns_an_old_kernel_has_not_are_unset)
{
	struct vmv_disk_sample s;

	ck_assert_int_eq(
		vmv_diskstats_parse("254 0 vda 1 2 3 4 5 6 7 8 9 10 11\n", keep_one, &s, NULL), 0);
	ck_assert_uint_eq(s.weighted_io_ms, 11);
	ck_assert(s.discards == VMV_UNSET); /* unknown is not zero */
	ck_assert(s.discards_merged == VMV_UNSET);
	ck_assert(s.flushes == VMV_UNSET);

	/* 4.18 */
	ck_assert_int_eq(vmv_diskstats_parse("254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n",
					     keep_one, &s, NULL),
			 0);
	ck_assert_uint_eq(s.discard_ms, 15);
	ck_assert(s.flushes == VMV_UNSET);
	ck_assert(s.flush_ms == VMV_UNSET);
}
END_TEST

#define NUMBERS " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
#define ZEROS	" 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

static const struct vmv_disk_sample *row(const struct kept *k, const char *name)
{
	const struct vmv_disk_sample *s = kept_row(k, name);

	ck_assert_msg(s, "no row %s", name);
	return s;
}

START_TEST(whole_disks_are_told_from_partitions_and_from_what_is_built_on_them)
{
	struct kept k;

	fixture_mkdir(&fx, "sys/block/vda/slaves");
	fixture_mkdir(&fx, "sys/block/nvme0n1"); /* no slaves directory at all */
	fixture_mkdir(&fx, "sys/block/dm-0/slaves/vda2");
	fixture_mkdir(&fx, "sys/block/md127/slaves/vdb");
	fixture_mkdir(&fx, "sys/block/cciss!c0d0/slaves");
	fixture_mkdir(&fx, "sys/block/sr0/slaves");
	fixture_mkdir(&fx, "sys/block/fd0/slaves");
	fixture_mkdir(&fx, "sys/block/zram0/slaves");
	fixture_mkdir(&fx, "sys/block/loop0/slaves");
	fixture_mkdir(&fx, "sys/block/ram0/slaves");
	fixture_put(&fx, "proc/diskstats",
		    " 254 0 vda" NUMBERS " 254 2 vda2" NUMBERS " 259 0 nvme0n1" NUMBERS
		    " 253 0 dm-0" NUMBERS " 9 127 md127" NUMBERS " 104 0 cciss/c0d0" NUMBERS
		    " 11 0 sr0" NUMBERS " 2 0 fd0" NUMBERS " 252 0 zram0" NUMBERS
		    " 7 0 loop0" NUMBERS " 259 9 loop0p1" NUMBERS " 1 0 ram0" NUMBERS);
	kept_init(&k, &vmv_collector_disk);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 9);
	ck_assert_uint_eq(row(&k, "vda")->is_whole, 1);
	ck_assert_uint_eq(row(&k, "nvme0n1")->is_whole, 1);
	ck_assert_uint_eq(row(&k, "cciss/c0d0")->is_whole, 1);
	ck_assert_uint_eq(row(&k, "vda2")->is_whole, 0);
	ck_assert_uint_eq(row(&k, "dm-0")->is_whole, 0);
	ck_assert_uint_eq(row(&k, "md127")->is_whole, 0);
	ck_assert_uint_eq(row(&k, "sr0")->is_whole, 0);
	ck_assert_uint_eq(row(&k, "fd0")->is_whole, 0);
	ck_assert_uint_eq(row(&k, "zram0")->is_whole, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(idle_disks_are_rows_and_partitions_never_used_are_not)
{
	struct kept k;

	fixture_mkdir(&fx, "sys/block/vda/slaves");
	fixture_put(&fx, "proc/diskstats", "254 0 vda" ZEROS "254 1 vda1" ZEROS);
	kept_init(&k, &vmv_collector_disk);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_uint_eq(row(&k, "vda")->reads, 0);
	kept_clear(&k);
}
END_TEST

/* One more reading with the same state. */
static struct vmv_disk_sample row_now(void *state, const char *name)
{
	struct vmv_disk_sample ret;
	struct kept k;

	kept_init(&k, &vmv_collector_disk);
	ck_assert_int_eq(vmv_collector_disk.read(state, &fx.root, &k.sink, NULL), 0);
	ret = *row(&k, name);
	kept_clear(&k);
	return ret;
}

START_TEST(sysfs_is_asked_about_a_device_when_it_is_new_and_once_a_minute)
{
	void *state = vmv_collector_disk.open(&fx.root);
	struct vmv_disk_sample s;

	ck_assert_ptr_nonnull(state);
	fixture_mkdir(&fx, "sys/block/dm-0/slaves");
	fixture_put(&fx, "sys/block/dm-0/size", "2048\n");
	fixture_put(&fx, "proc/diskstats", "253 0 dm-0" NUMBERS);
	s = row_now(state, "dm-0");
	ck_assert_uint_eq(s.is_whole, 1);
	ck_assert_uint_eq(s.size, 2048);
	fixture_mkdir(&fx, "sys/block/dm-0/slaves/vda");
	fixture_put(&fx, "sys/block/dm-0/size", "4096\n");
	warp_pass(59999);
	s = row_now(state, "dm-0");
	ck_assert_uint_eq(s.is_whole, 1);
	ck_assert_uint_eq(s.size, 2048);
	warp_pass(1);
	s = row_now(state, "dm-0");
	ck_assert_uint_eq(s.is_whole, 0);
	ck_assert_uint_eq(s.size, 4096);
	vmv_collector_disk.close(state);
	vmv_collector_disk.close(NULL);
}
END_TEST

START_TEST(sysfs_tells_size_and_make)
{
	const struct vmv_disk_sample *s;
	struct kept k;

	fixture_put(&fx, "sys/block/vda/size", "41943040\n");
	fixture_put(&fx, "sys/block/vda/ro", "0\n");
	fixture_put(&fx, "sys/block/vda/queue/rotational", "1\n");
	fixture_put(&fx, "sys/block/vda/serial", "root-disk-1");
	fixture_put(&fx, "sys/block/nvme0n1/size", "16777216\n");
	fixture_put(&fx, "sys/block/nvme0n1/ro", "1\n");
	fixture_put(&fx, "sys/block/nvme0n1/queue/rotational", "0\n");
	fixture_put(&fx, "sys/block/nvme0n1/device/model",
		    "Amazon Elastic Block Store              \n");
	fixture_put(&fx, "sys/block/nvme0n1/device/serial", "vol0123456789abcdef0\n");
	fixture_put(&fx, "sys/block/sda/size", "many\n");
	fixture_put(&fx, "sys/block/sda/device/model",
		    "a model whose name is much longer than what there is room for\n");
	fixture_put(&fx, "proc/diskstats",
		    "254 0 vda" NUMBERS "254 1 vda1" NUMBERS "259 0 nvme0n1" NUMBERS
		    "8 0 sda" NUMBERS);
	kept_init(&k, &vmv_collector_disk);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &fx.root, NULL), 0);
	s = row(&k, "vda");
	ck_assert_uint_eq(s->size, 41943040);
	ck_assert_uint_eq(s->is_readonly, 0);
	ck_assert_uint_eq(s->rotational, 1);
	ck_assert_str_eq(s->model, "");
	ck_assert_str_eq(s->serial, "root-disk-1");
	s = row(&k, "nvme0n1");
	ck_assert_uint_eq(s->size, 16777216);
	ck_assert_uint_eq(s->is_readonly, 1);
	ck_assert_uint_eq(s->rotational, 0);
	ck_assert_str_eq(s->model, "Amazon Elastic Block Store");
	ck_assert_str_eq(s->serial, "vol0123456789abcdef0");
	s = row(&k, "sda");
	ck_assert(s->size == VMV_UNSET && s->is_readonly == VMV_UNSET);
	ck_assert_str_eq(s->model, "a model whose name is much longer than what the");
	ck_assert_str_eq(s->serial, "");
	s = row(&k, "vda1");
	ck_assert(s->size == VMV_UNSET);
	kept_clear(&k);
}
END_TEST

/* Before 6.4 the disk itself counted nothing: the path is shown, and not added up. */
START_TEST(a_path_to_an_nvme_disk_is_no_disk_of_its_own)
{
	struct kept k;

	fixture_put(&fx, "sys/block/nvme0n1/hidden", "0\n");
	fixture_put(&fx, "sys/block/nvme0c0n1/hidden", "1\n");
	fixture_put(&fx, "proc/diskstats", "259 0 nvme0c0n1" NUMBERS "259 1 nvme0n1" NUMBERS);
	kept_init(&k, &vmv_collector_disk);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &fx.root, NULL), 0);
	ck_assert_uint_eq(row(&k, "nvme0n1")->is_whole, 1);
	ck_assert_uint_eq(row(&k, "nvme0c0n1")->is_whole, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(counters_of_32_bits_are_passed_on_as_they_are)
{
	struct vmv_disk_sample s;

	ck_assert_int_eq(vmv_diskstats_parse("254 0 vda 1 2 3 4294967295 5 6 7 8 9 4294967290 0\n",
					     keep_one, &s, NULL),
			 0);
	ck_assert_uint_eq(s.read_ms, UINT32_MAX);
	ck_assert_uint_eq(s.io_ms, UINT32_MAX - 5);
	ck_assert_uint_eq(s.weighted_io_ms, 0);
}
END_TEST

START_TEST(devices_may_come_and_go_between_readings)
{
	void *state = vmv_collector_disk.open(&fx.root);
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_disk);
	fixture_mkdir(&fx, "sys/block/vda");
	fixture_mkdir(&fx, "sys/block/vdc");
	fixture_put(&fx, "proc/diskstats",
		    "254 0 vda" NUMBERS "254 1 vda1" NUMBERS "8 0 vdc" NUMBERS);
	ck_assert_int_eq(vmv_collector_disk.read(state, &fx.root, &k.sink, NULL), 0);
	ck_assert_uint_eq(k.n, 3);
	kept_clear(&k);
	kept_init(&k, &vmv_collector_disk);
	fixture_mkdir(&fx, "sys/block/vdb");
	fixture_put(&fx, "proc/diskstats",
		    "8 0 vdc" NUMBERS "8 0 vdb" NUMBERS "254 1 vda1" NUMBERS);
	ck_assert_int_eq(vmv_collector_disk.read(state, &fx.root, &k.sink, NULL), 0);
	ck_assert_uint_eq(k.n, 3);
	ck_assert_uint_eq(row(&k, "vdc")->is_whole, 1);
	ck_assert_uint_eq(row(&k, "vdb")->is_whole, 1);
	ck_assert_uint_eq(row(&k, "vda1")->is_whole, 0);
	kept_clear(&k);
	vmv_collector_disk.close(state);
}
END_TEST

START_TEST(hundreds_of_disks_fit)
{
	vmv_autofree char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct kept k;

	ck_assert_ptr_nonnull(f);
	for (unsigned i = 0; i < 2000; i++)
		(void)fprintf(f, "8 %u sd%u" NUMBERS, i, i);
	ck_assert_int_eq(fclose(f), 0);
	fixture_put_bytes(&fx, "proc/diskstats", text, len);
	kept_init(&k, &vmv_collector_disk);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 2000);
	kept_clear(&k);
}
END_TEST

START_TEST(absent_file_is_enoent)
{
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_disk);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &fx.root, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(no_disk_at_all_is_no_failure)
{
	struct kept k;

	kept_init(&k, &vmv_collector_disk);
	fixture_put(&fx, "proc/diskstats", "");
	ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

#define NAME_64 "0123456789012345678901234567890123456789012345678901234567890123"

static const char *const bad[] = {
	"\n",
	"254\n",
	"254 0\n",
	"254 0 \n",
	"254 0 vda\n",
	"254 0 vda 1 2 3 4 5 6 7 8 9 10\n",  /* one column too few */
	"254 0 vda 1 2 3 4 5 6 7 8 9 10 11", /* cut before the newline */
	"x 0 vda 1 2 3 4 5 6 7 8 9 10 11\n",
	"254 x vda 1 2 3 4 5 6 7 8 9 10 11\n",
	"254 0 vda 1 2 3 4 5 6 7 8 9 10 11x\n",
	"254 0 vda 1 2 -3 4 5 6 7 8 9 10 11\n",
	"254 0 vda 1 2 3 4 5 6 7 8 9 10 99999999999999999999\n", /* past UINT64_MAX */
	"254 4294967296 vda 1 2 3 4 5 6 7 8 9 10 11\n", /* the kernel's numbers have 32 bits */
	"254 0 " NAME_64 " 1 2 3 4 5 6 7 8 9 10 11\n",
};

START_TEST(malformed_input_fails_without_a_row)
{
	struct vmv_disk_sample s = { .reads = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_diskstats_parse(bad[_i], keep_one, &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(s.reads, 7);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	struct vmv_root root;
	struct vmv_err err = { 0 };
	char path[600];
	struct kept k;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_disk);
	ck_assert_msg(kept_read(&k, &vmv_collector_disk, &root, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < k.n; i++) {
		const struct vmv_disk_sample *s = kept_row(&k, k.ids[i]);

		(void)snprintf(path, sizeof(path), "/sys/block/%s", k.ids[i]);
		if (!strchr(k.ids[i], '/') && access(path, F_OK) != 0)
			ck_assert_uint_eq(s->is_whole, 0);
		ck_assert(s->reads != VMV_UNSET && s->io_ms != VMV_UNSET);
	}
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

START_TEST(recorded_machines_have_their_disks)
{
	static const struct {
		const char *tree, *disks; /* those that count, with their gigabytes of 10^9 */
		size_t n;		  /* of rows */
	} want[] = {
		{ "rhel8-4.18", "nvme0n1 107;", 5 },
		{ "ubuntu20.04-5.4", "vda 21;", 5 },
		{ "alpine3.18-6.1-container", "sda 1000;", 2 },
		{ "opensuse-btrfs-6.4", "vda 43;", 4 },
		{ "amzn2-5.10", "nvme0n1 21;nvme1n1 107;", 4 },
		{ "arch-6.10", "nvme0n1 512;", 5 },
		{ "hidepid", "sda 32;", 2 },
	};

	for (size_t t = 0; t < VMV_COUNTOF(want); t++) {
		char got[128] = "";
		struct vmv_root root;
		struct kept k;
		size_t len = 0;

		if (!fixture_recorded(want[t].tree, &root)) {
			SAY_SKIPPED("not run by make check");
			return;
		}
		kept_init(&k, &vmv_collector_disk);
		ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &root, NULL), 0);
		for (size_t i = 0; i < k.n; i++) {
			const struct vmv_disk_sample *s = row(&k, k.ids[i]);

			if (s->is_whole == 1)
				len += (size_t)snprintf(got + len, sizeof(got) - len, "%s %.0f;",
							k.ids[i], (double)s->size * 512e-9);
		}
		ck_assert_str_eq(got, want[t].disks);
		ck_assert_msg(k.n == want[t].n, "%s: %zu rows", want[t].tree, k.n);
		kept_clear(&k);
		vmv_root_close(&root);
	}
}
END_TEST

/* 4.18 has no flushes, and prints discards. */
START_TEST(an_old_recorded_machine_has_no_flushes)
{
	const struct vmv_disk_sample *s;
	struct vmv_root root;
	struct kept k;

	if (!fixture_recorded("rhel8-4.18", &root)) {
		SAY_SKIPPED("not run by make check");
		return;
	}
	kept_init(&k, &vmv_collector_disk);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_disk, &root, NULL), 0);
	s = row(&k, "nvme0n1");
	ck_assert_uint_eq(s->reads, 9120331);
	ck_assert_uint_eq(s->discards, 120);
	ck_assert_uint_eq(s->discard_sectors, 96120832);
	ck_assert(s->flushes == VMV_UNSET && s->flush_ms == VMV_UNSET);
	ck_assert_str_eq(s->model, "QEMU NVMe Ctrl");
	ck_assert_str_eq(s->serial, "rhel8-root");
	ck_assert_uint_eq(row(&k, "dm-1")->is_whole, 0);
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("disk");
	TCase *tc = tcase_create("disk");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, every_column_goes_to_its_own_member);
	tcase_add_test(tc, columns_an_old_kernel_has_not_are_unset);
	tcase_add_test(tc, whole_disks_are_told_from_partitions_and_from_what_is_built_on_them);
	tcase_add_test(tc, idle_disks_are_rows_and_partitions_never_used_are_not);
	tcase_add_test(tc, sysfs_is_asked_about_a_device_when_it_is_new_and_once_a_minute);
	tcase_add_test(tc, sysfs_tells_size_and_make);
	tcase_add_test(tc, a_path_to_an_nvme_disk_is_no_disk_of_its_own);
	tcase_add_test(tc, counters_of_32_bits_are_passed_on_as_they_are);
	tcase_add_test(tc, devices_may_come_and_go_between_readings);
	tcase_add_test(tc, hundreds_of_disks_fit);
	tcase_add_test(tc, absent_file_is_enoent);
	tcase_add_test(tc, no_disk_at_all_is_no_failure);
	tcase_add_loop_test(tc, malformed_input_fails_without_a_row, 0, (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	tcase_add_test(tc, recorded_machines_have_their_disks);
	tcase_add_test(tc, an_old_recorded_machine_has_no_flushes);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
