#include "commands/qga_families.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "proto/json_write.h"
#include "tests/lib/devices.h"
#include "tests/lib/fake_asker.h"
#include "tests/lib/fixture.h"
#include "tests/lib/qga_ask.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

static struct fixture fx;
static struct statvfs space;
static unsigned n_looked;

/* Instead of the C library's. */
int fstatvfs(int fd, struct statvfs *ret)
{
	(void)fd;
	n_looked++;
	*ret = space;
	return 0;
}

static void up(void)
{
	fixture_up(&fx);
	n_looked = 0;
	space = (struct statvfs){
		.f_frsize = 4096, .f_blocks = 1000, .f_bfree = 400, .f_bavail = 300
	};
	fixture_put(&fx, "proc/diskstats", "");
}

static void down(void)
{
	fixture_down(&fx);
}

static void expect(void (*run)(struct vmv_request *req), const char *want)
{
	vmv_autofree char *got = qga_ask(&fx, run);

	ck_assert_str_eq(got, want);
}

/* The same of a list, by its elements. */
static void expect_list(void (*run)(struct vmv_request *req), const char *const *want)
{
	char text[4096] = "[";
	size_t len = 1;

	for (size_t i = 0; want[i]; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? "," : "",
					want[i]);
		ck_assert_uint_lt(len + 1, sizeof(text));
	}
	text[len] = ']';
	text[len + 1] = '\0';
	expect(run, text);
}

#define EXPECT_LIST(run, ...) expect_list(run, (const char *const[]){ __VA_ARGS__, NULL })

/* -- filesystems ------------------------------------------------------------------------------ */

#define SIZES "\"used-bytes\":2457600,\"total-bytes\":3686400,\"total-bytes-privileged\":4096000,"
#define FS(name, mountpoint, type, sizes, disks)                                                \
	"{\"name\":\"" name "\",\"mountpoint\":\"" mountpoint "\",\"type\":\"" type "\"," sizes \
	"\"disk\":[" disks "]}"
#define PCI(slot)                                                                       \
	"\"pci-controller\":{\"domain\":0,\"bus\":0,\"slot\":" slot ",\"function\":0}," \
	"\"bus-type\":\"virtio\",\"bus\":0,\"target\":0,\"unit\":0,"

#define ON(slot, dev) "{" PCI(slot) "\"dev\":\"/dev/" dev "\"}"
#define WITH_SERIAL(slot, serial, dev) \
	"{" PCI(slot) "\"serial\":\"" serial "\",\"dev\":\"/dev/" dev "\"}"

#define VDA "pci0000:00/0000:00:05.0/virtio1/block/vda"
#define VDB "pci0000:00/0000:00:06.0/virtio2/block/vdb"

static void put_disks(void)
{
	devices_put(&fx, VDA, "254:0", 100);
	devices_put_partition(&fx, VDA "/vda1", "254:1", 50);
	devices_put_partition(&fx, VDA "/vda2", "254:2", 50);
	devices_put(&fx, VDB, "254:16", 100);
}

START_TEST(filesystems_on_disks_are_listed_the_last_one_first)
{
	put_disks();
	devices_udev(&fx, "254:1", "E:ID_SERIAL=root-disk\n");
	fixture_mkdir(&fx, "boot");
	fixture_mkdir(&fx, "cd");
	devices_put(&fx, "virtual/block/loop0", "7:0", 8);
	fixture_put(&fx, "proc/self/mountinfo",
		    "20 1 0:20 / /proc rw - proc proc rw\n"
		    "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
		    "22 21 0:22 / /tmp rw - tmpfs tmpfs rw\n"
		    "23 21 254:2 / /boot rw - xfs /dev/vda2 rw\n"
		    "24 21 0:24 / /srv rw - nfs4 server:/x rw\n"
		    "25 21 7:0 / /cd ro - squashfs /dev/loop0 ro\n"
		    "26 21 0:26 / /var/lib/overlay rw - overlay overlay rw\n");
	EXPECT_LIST(vmv_qga_fsinfo, FS("loop0", "/cd", "squashfs", SIZES, ""),
		    FS("vda2", "/boot", "xfs", SIZES, ON("5", "vda2")),
		    FS("vda1", "/", "ext4", SIZES, WITH_SERIAL("5", "root-disk", "vda1")));
}
END_TEST

START_TEST(of_one_device_there_is_one_mount_that_shows_all_of_it)
{
	put_disks();
	fixture_mkdir(&fx, "a");
	fixture_mkdir(&fx, "z");
	fixture_put(&fx, "proc/self/mountinfo",
		    "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
		    "22 21 254:16 /part /a rw - ext4 /dev/vdb rw\n"
		    "23 21 254:16 / /z rw - ext4 /dev/vdb rw\n"
		    "24 21 254:1 /etc /a/etc rw - ext4 /dev/vda1 rw\n"
		    "25 21 254:16 / /b rw - ext4 /dev/vdb rw\n");
	EXPECT_LIST(vmv_qga_fsinfo, FS("vdb", "/z", "ext4", SIZES, ON("6", "vdb")),
		    FS("vda1", "/", "ext4", SIZES, ON("5", "vda1")));
}
END_TEST

START_TEST(a_btrfs_lies_on_the_device_that_it_names)
{
	put_disks();
	fixture_put(&fx, "proc/self/mountinfo",
		    "21 1 0:30 /@ / rw - btrfs /dev/vda2 rw\n"
		    "22 21 0:30 /@home /home rw - btrfs /dev/vda2 rw\n"
		    "23 21 0:31 / /gone rw - btrfs /dev/none rw\n");
	EXPECT_LIST(vmv_qga_fsinfo, FS("vda2", "/", "btrfs", SIZES, ON("5", "vda2")));
}
END_TEST

START_TEST(a_volume_lies_on_all_its_disks)
{
	put_disks();
	devices_put(&fx, "virtual/block/md0", "9:0", 100);
	devices_slave(&fx, "virtual/block/md0", "vda1");
	devices_slave(&fx, "virtual/block/md0", "vdb");
	devices_put_partition(&fx, "virtual/block/md0/md0p1", "259:0", 50);
	devices_put(&fx, "virtual/block/dm-0", "253:0", 40);
	devices_slave(&fx, "virtual/block/dm-0", "md0p1");
	fixture_put(&fx, "proc/self/mountinfo", "21 1 253:0 / / rw - ext4 /dev/mapper/root rw\n");
	EXPECT_LIST(vmv_qga_fsinfo,
		    FS("dm-0", "/", "ext4", SIZES, ON("5", "vda1") "," ON("6", "vdb")));
}
END_TEST

START_TEST(devices_that_lie_on_themselves_have_no_disk)
{
	devices_put(&fx, "virtual/block/dm-0", "253:0", 40);
	devices_slave(&fx, "virtual/block/dm-0", "dm-0");
	fixture_put(&fx, "proc/self/mountinfo", "21 1 253:0 / / rw - ext4 /dev/mapper/root rw\n");
	EXPECT_LIST(vmv_qga_fsinfo, FS("dm-0", "/", "ext4", SIZES, ""));
}
END_TEST

/* Each volume lies on both of the next ones, the last ones on a disk: there are 512 ways down. */
START_TEST(not_all_ways_down_are_gone)
{
	char path[64], slave[16], number[16];
	vmv_autofree char *got = NULL;
	size_t n = 0;

	put_disks();
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(path, sizeof(path), "virtual/block/dm-%u", i);
		(void)snprintf(number, sizeof(number), "253:%u", i);
		devices_put(&fx, path, number, 1);
		for (unsigned j = 2; i < 18 && j < 4; j++) {
			(void)snprintf(slave, sizeof(slave), "dm-%u", i / 2 * 2 + j);
			devices_slave(&fx, path, slave);
		}
	}
	devices_slave(&fx, "virtual/block/dm-18", "vda");
	devices_slave(&fx, "virtual/block/dm-19", "vda");
	fixture_put(&fx, "proc/self/mountinfo", "21 1 253:0 / / rw - ext4 /dev/dm-0 rw\n");
	got = qga_ask(&fx, vmv_qga_fsinfo);
	for (const char *s = got; (s = strstr(s, "/dev/vda")); s++)
		n++;
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_lt(n, 256);
}
END_TEST

START_TEST(what_hangs_has_no_sizes)
{
	struct fake_asker asker = {
		.asker = { .ask = fake_ask, .fetch = fake_fetch, .forget = fake_forget },
		.result = -ETIMEDOUT
	};

	put_disks();
	fx.root.is_live = true;
	fx.root.asker = &asker.asker;
	fixture_put(&fx, "proc/self/mountinfo",
		    "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
		    "22 21 0:40 / /net rw - nfs4 server:/x rw\n"
		    "23 22 254:16 / /net/disk rw - ext4 /dev/vdb rw\n"
		    "24 22 254:2 / /net/image rw - iso9660 /dev/vda2 rw\n");
	EXPECT_LIST(vmv_qga_fsinfo, FS("vda2", "/net/image", "iso9660", "", ON("5", "vda2")),
		    FS("vdb", "/net/disk", "ext4", "", ON("6", "vdb")),
		    FS("vda1", "/", "ext4", SIZES, ON("5", "vda1")));
	ck_assert_uint_eq(n_looked, 1); /* at "/" only */
}
END_TEST

START_TEST(a_device_that_sysfs_does_not_know_has_its_sources_name)
{
	fixture_put(&fx, "proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/disk/root rw\n");
	EXPECT_LIST(vmv_qga_fsinfo, FS("root", "/", "ext4", SIZES, ""));
}
END_TEST

#define PRIVILEGED "\"total-bytes-privileged\":4096000,"

START_TEST(sizes_that_contradict_each_other_are_left_out)
{
	put_disks();
	space.f_bfree = 2000;
	fixture_put(&fx, "proc/self/mountinfo", "21 1 254:0 / / rw - ext4 /dev/vda rw\n");
	EXPECT_LIST(vmv_qga_fsinfo, FS("vda", "/", "ext4", PRIVILEGED, ON("5", "vda")));
}
END_TEST

START_TEST(mountinfo_may_be_missing_or_malformed)
{
	vmv_autofree char *got = NULL;

	expect(vmv_qga_fsinfo,
	       "error: cannot read /proc/self/mountinfo: No such file or directory");
	fixture_put(&fx, "proc/self/mountinfo", "21 1 254:0 / /\n");
	got = qga_ask(&fx, vmv_qga_fsinfo);
	ck_assert(strncmp(got, "error: /proc/self/mountinfo", 27) == 0);
}
END_TEST

/* -- disks ------------------------------------------------------------------------------------ */

#define DISK(name, dependencies, rest)                                                             \
	"{\"name\":\"/dev/" name "\",\"partition\":false,\"dependencies\":[" dependencies "]" rest \
	"}"
#define PARTITION(name, disk) \
	"{\"name\":\"/dev/" name "\",\"partition\":true,\"dependencies\":[\"/dev/" disk "\"]}"
#define AT(address) ",\"address\":" address
#define DM0	    DISK("dm-0", "\"/dev/vda2\",\"/dev/vdb\"", ",\"alias\":\"vg-root\"")

START_TEST(disks_come_with_partitions_and_what_they_are_made_of)
{
	put_disks();
	devices_put(&fx, "virtual/block/dm-0", "253:0", 40);
	devices_slave(&fx, "virtual/block/dm-0", "vda2");
	devices_slave(&fx, "virtual/block/dm-0", "vdb");
	fixture_put(&fx, "sys/devices/virtual/block/dm-0/dm/name", "vg-root\n");
	devices_put(&fx, "virtual/block/loop0", "7:0", 0);
	devices_put(&fx, "virtual/block/loop1", "7:1", 1);
	fixture_put(&fx, "sys/devices/virtual/block/loop2", "vanished\n");
	EXPECT_LIST(vmv_qga_disks, DM0, DISK("loop1", "", ""), DISK("vda", "", AT(ON("5", "vda"))),
		    PARTITION("vda1", "vda"), PARTITION("vda2", "vda"),
		    DISK("vdb", "", AT(ON("6", "vdb"))));
}
END_TEST

START_TEST(without_udev_the_group_knows_the_serial_number)
{
	devices_put(&fx, VDA, "254:0", 100);
	fixture_put(&fx, "proc/diskstats", "254 0 vda 1 2 3 4 5 6 7 8 9 10 11\n");
	fixture_put(&fx, "sys/devices/" VDA "/serial", "S-42\n");
	EXPECT_LIST(vmv_qga_disks, DISK("vda", "", AT(WITH_SERIAL("5", "S-42", "vda"))));
	devices_udev(&fx, "254:0", "I:1\n");
	EXPECT_LIST(vmv_qga_disks, DISK("vda", "", AT(ON("5", "vda"))));
}
END_TEST

#define CHANNEL                                                                                    \
	"{\"pci-controller\":{\"domain\":-1,\"bus\":-1,\"slot\":-1,\"function\":-1},\"bus-type\":" \
	"\"virtio\",\"bus\":0,\"target\":0,\"unit\":0,\"dev\":\"/dev/vdc\",\"ccw-address\":{"      \
	"\"cssid\":0,\"ssid\":0,\"subchno\":1,\"devno\":254}}"

START_TEST(a_disk_on_a_channel_tells_which)
{
	devices_put(&fx, "css0/0.0.0001/0.0.00fe/virtio0/block/vdc", "254:0", 100);
	EXPECT_LIST(vmv_qga_disks, DISK("vdc", "", AT(CHANNEL)));
}
END_TEST

START_TEST(no_block_devices_is_no_disk)
{
	expect(vmv_qga_disks, "[]");
}
END_TEST

/* -- counters --------------------------------------------------------------------------------- */

START_TEST(counters_are_all_lines_with_what_the_kernel_counts)
{
	fixture_put(&fx, "proc/diskstats",
		    "   7       0 loop0 1 2 3 4 5 6 7 8 9 10 11\n"
		    " 254       1 vda1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n"
		    " 259 1048575 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n");
#define FIRST                                                                              \
	"\"stats\":{\"read-ios\":1,\"read-merges\":2,\"read-sectors\":3,\"read-ticks\":4," \
	"\"write-ios\":5,\"write-merges\":6,\"write-sectors\":7,\"write-ticks\":8,"        \
	"\"ios-pgr\":9,\"total-ticks\":10,\"weight-ticks\":11"
#define DISCARDS \
	",\"discard-ios\":12,\"discard-merges\":13,\"discard-sectors\":14,\"discard-ticks\":15"
	expect(vmv_qga_diskstats,
	       "[{\"name\":\"loop0\",\"major\":7,\"minor\":0," FIRST "}},"
	       "{\"name\":\"vda1\",\"major\":254,\"minor\":1," FIRST DISCARDS "}},"
	       "{\"name\":\"nvme0n1\",\"major\":259,\"minor\":1048575," FIRST DISCARDS
	       ",\"flush-ios\":16,\"flush-ticks\":17}}]");
}
END_TEST

START_TEST(counters_may_be_missing_or_malformed)
{
	fixture_put(&fx, "proc/diskstats", "1 2 what\n");
	expect(vmv_qga_diskstats, "error: /proc/diskstats: malformed line");
	fixture_put(&fx, "proc/diskstats", "4294967296 0 vda 1 2 3 4 5 6 7 8 9 10 11\n");
	expect(vmv_qga_diskstats, "error: /proc/diskstats: malformed line");
}
END_TEST

START_TEST(very_many_counters_have_an_answer_that_fits)
{
	size_t size = 2 << 20, len = 0;
	vmv_autofree char *text = malloc(size);
	vmv_autofree char *got = NULL;

	ck_assert_ptr_nonnull(text);
	for (unsigned i = 0; len + 100 < size; i++)
		len += (size_t)snprintf(text + len, size - len,
					"8 %u sd%u 1 2 3 4 5 6 7 8 9 10 11\n", i, i);
	fixture_put(&fx, "proc/diskstats", text);
	got = qga_ask(&fx, vmv_qga_diskstats);
	ck_assert_uint_le(strlen(got), VMV_QGA_REPLY_MAX);
	ck_assert_uint_gt(strlen(got), VMV_QGA_REPLY_MAX - VMV_JW_TAIL - 1024);
	ck_assert_str_eq(got + strlen(got) - 3, "}}]");
}
END_TEST

START_TEST(what_is_abandoned_is_an_error)
{
	static void (*const all[])(struct vmv_request *) = { vmv_qga_fsinfo, vmv_qga_disks,
							     vmv_qga_diskstats };

	for (size_t i = 0; i < VMV_COUNTOF(all); i++) {
		vmv_autofree char *got = qga_ask_abandoned(all[i]);

		ck_assert_str_eq(got, "error: the reading was abandoned");
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_storage");
	TCase *tc = tcase_create("qga_storage");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, filesystems_on_disks_are_listed_the_last_one_first);
	tcase_add_test(tc, of_one_device_there_is_one_mount_that_shows_all_of_it);
	tcase_add_test(tc, a_btrfs_lies_on_the_device_that_it_names);
	tcase_add_test(tc, a_volume_lies_on_all_its_disks);
	tcase_add_test(tc, devices_that_lie_on_themselves_have_no_disk);
	tcase_add_test(tc, not_all_ways_down_are_gone);
	tcase_add_test(tc, what_hangs_has_no_sizes);
	tcase_add_test(tc, a_device_that_sysfs_does_not_know_has_its_sources_name);
	tcase_add_test(tc, sizes_that_contradict_each_other_are_left_out);
	tcase_add_test(tc, mountinfo_may_be_missing_or_malformed);
	tcase_add_test(tc, disks_come_with_partitions_and_what_they_are_made_of);
	tcase_add_test(tc, without_udev_the_group_knows_the_serial_number);
	tcase_add_test(tc, a_disk_on_a_channel_tells_which);
	tcase_add_test(tc, no_block_devices_is_no_disk);
	tcase_add_test(tc, counters_are_all_lines_with_what_the_kernel_counts);
	tcase_add_test(tc, counters_may_be_missing_or_malformed);
	tcase_add_test(tc, very_many_counters_have_an_answer_that_fits);
	tcase_add_test(tc, what_is_abandoned_is_an_error);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
