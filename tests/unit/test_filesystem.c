#include "collectors/filesystem.h"

#include "base/asker.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* Mount points in the fixture are plain directories: what statvfs says there is of the file
 * system that holds the fixture; which rows there are is what these tests look at. */
static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

#define ROOT "27 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw,discard\n"

static void read_rows(struct kept *k, const char *mountinfo)
{
	struct vmv_err err = { 0 };

	fixture_put(&fx, "proc/self/mountinfo", mountinfo);
	kept_init(k, &vmv_collector_filesystem);
	ck_assert_msg(kept_read(k, &vmv_collector_filesystem, &fx.root, &err) == 0, "%s", err.msg);
}

static void check_ids(const struct kept *k, const char *const *ids, size_t n)
{
	ck_assert_uint_eq(k->n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(k->ids[i], ids[i]);
}

#define CHECK_IDS(k, ...)                                    \
	check_ids((k), (const char *const[]){ __VA_ARGS__ }, \
		  VMV_COUNTOF(((const char *const[]){ __VA_ARGS__ })))

START_TEST(a_filesystem_with_all_that_is_known_of_it)
{
	const struct vmv_filesystem_sample *s;
	struct statvfs vfs;
	struct kept k;

	ck_assert_int_eq(statvfs(fx.dir, &vfs), 0);
	read_rows(&k, ROOT);
	CHECK_IDS(&k, "/");
	s = kept_row(&k, "/");
	ck_assert_str_eq(s->mount_point, "/");
	ck_assert_str_eq(s->fstype, "ext4");
	ck_assert_str_eq(s->device, "/dev/vda1");
	ck_assert_uint_eq(s->size, (uint64_t)vfs.f_blocks * vfs.f_frsize);
	ck_assert_uint_le(s->avail, s->free);
	ck_assert_uint_le(s->free, s->size);
	ck_assert(s->files == (vfs.f_files ? vfs.f_files : VMV_UNSET));
	ck_assert_uint_eq(s->readonly, 0);
	ck_assert_uint_eq(s->device_number, UINT64_C(254) << 32);
	kept_clear(&k);
}
END_TEST

START_TEST(root_first_then_by_mount_point_in_byte_order)
{
	struct kept k;

	fixture_mkdir(&fx, "srv");
	fixture_mkdir(&fx, "boot/efi");
	fixture_mkdir(&fx, "boot-2");
	read_rows(&k, "30 27 8:1 / /srv rw - xfs /dev/sda1 rw\n"
		      "31 27 8:2 / /boot rw - ext4 /dev/sda2 rw\n"
		      "32 31 8:3 / /boot/efi rw - vfat /dev/sda3 rw\n"
		      "33 27 8:4 / /boot-2 rw - ext4 /dev/sda4 rw\n" ROOT);
	CHECK_IDS(&k, "/", "/boot", "/boot-2", "/boot/efi", "/srv");
	kept_clear(&k);
}
END_TEST

START_TEST(pseudo_types_images_and_loop_devices_are_left_out)
{
	struct kept k;

	fixture_mkdir(&fx, "snap");
	fixture_mkdir(&fx, "image");
	fixture_mkdir(&fx, "run");
	fixture_mkdir(&fx, "merged");
	read_rows(&k, ROOT "40 27 0:21 / /proc rw - proc proc rw\n"
			   "41 27 0:22 / /sys rw - sysfs sysfs rw\n"
			   "42 27 0:23 / /run rw - tmpfs tmpfs rw\n"
			   "43 27 7:3 / /snap ro - ext4 /dev/mapper/x ro\n"
			   "44 27 8:9 / /image ro - ext4 /dev/loop4 ro\n"
			   "45 27 0:55 / /merged rw - overlay overlay rw\n");
	CHECK_IDS(&k, "/");
	kept_clear(&k);
}
END_TEST

static void check_unknown(const struct kept *k, const char *id, uint64_t device_error,
			  uint64_t stuck)
{
	const struct vmv_filesystem_sample *s = kept_row(k, id);

	ck_assert_msg(s != NULL, "%s", id);
	ck_assert(s->size == VMV_UNSET && s->free == VMV_UNSET && s->avail == VMV_UNSET);
	ck_assert(s->files == VMV_UNSET && s->files_free == VMV_UNSET);
	ck_assert_msg(s->device_error == device_error, "%s", id);
	ck_assert_msg(s->stuck == stuck, "%s", id);
}

START_TEST(without_an_asker_what_can_hang_is_unknown_and_so_is_what_lies_below_it)
{
	const struct vmv_filesystem_sample *s;
	struct kept k;

	fixture_mkdir(&fx, "nfs/local");
	fixture_mkdir(&fx, "sshfs");
	fixture_mkdir(&fx, "ntfs");
	read_rows(&k, ROOT "40 27 0:61 / /nfs rw - nfs4 server:/x rw\n"
			   "41 40 8:5 / /nfs/local rw - ext4 /dev/sda5 rw\n"
			   "42 27 0:62 / /sshfs rw - fuse.sshfs me@there: rw\n"
			   "43 27 8:6 / /ntfs rw - fuseblk /dev/sda6 rw\n");
	CHECK_IDS(&k, "/", "/nfs", "/nfs/local", "/ntfs", "/sshfs");
	check_unknown(&k, "/nfs", VMV_UNSET, VMV_UNSET);
	check_unknown(&k, "/nfs/local", VMV_UNSET, VMV_UNSET);
	check_unknown(&k, "/sshfs", VMV_UNSET, VMV_UNSET);
	s = kept_row(&k, "/nfs");
	ck_assert_str_eq(s->device, "server:/x");
	ck_assert_str_eq(s->fstype, "nfs4");
	ck_assert_uint_eq(s->readonly, 0);
	s = kept_row(&k, "/ntfs");
	ck_assert(s->size != VMV_UNSET && s->device_error == 0 && s->stuck == 0);
	kept_clear(&k);
}
END_TEST

START_TEST(below_a_root_that_can_hang_the_others_are_still_asked)
{
	struct kept k;

	fixture_mkdir(&fx, "data");
	read_rows(&k, "27 1 0:40 / / rw - virtiofs rootfs rw\n"
		      "28 27 8:1 / /data rw - ext4 /dev/sda1 rw\n");
	CHECK_IDS(&k, "/", "/data");
	check_unknown(&k, "/", VMV_UNSET, VMV_UNSET);
	ck_assert(((const struct vmv_filesystem_sample *)kept_row(&k, "/data"))->size != VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(one_row_for_each_device_at_its_shortest_mount_point)
{
	struct kept k;

	fixture_mkdir(&fx, "var/lib/docker");
	fixture_mkdir(&fx, "mnt/b");
	fixture_mkdir(&fx, "mnt/a");
	fixture_mkdir(&fx, "home");
	fixture_put(&fx, "etc/resolv.conf", "");
	read_rows(&k, "40 27 254:0 /docker /var/lib/docker rw - ext4 /dev/vda1 rw\n"
		      "41 27 254:0 /x /etc/resolv.conf rw - ext4 /dev/vda1 rw\n"
		      "42 27 8:1 / /mnt/b rw - ext4 /dev/sda1 rw\n"
		      "43 27 8:1 / /mnt/a rw - ext4 /dev/sda1 rw\n"
		      "44 27 0:30 /@home /home rw - btrfs /dev/sdb rw,subvol=/@home\n"
		      "45 27 0:30 /@var /var rw - btrfs /dev/sdb rw,subvol=/@var\n" ROOT);
	CHECK_IDS(&k, "/", "/mnt/a", "/var");
	kept_clear(&k);
}
END_TEST

START_TEST(a_mount_point_may_be_a_file)
{
	struct kept k;

	fixture_put(&fx, "etc/hosts", "");
	read_rows(&k, "27 1 0:50 / / rw - overlay overlay rw\n"
		      "28 27 254:0 /x /etc/hosts rw - ext4 /dev/vda1 rw\n");
	CHECK_IDS(&k, "/", "/etc/hosts");
	kept_clear(&k);
}
END_TEST

START_TEST(the_last_mount_on_a_mount_point_is_the_one_that_is_seen)
{
	struct kept k;

	fixture_mkdir(&fx, "data");
	read_rows(&k, "1 1 0:2 / / rw - ext4 /dev/old rw\n"
		      "27 1 254:0 / / rw - ext4 /dev/vda1 rw\n"
		      "30 27 8:1 / /data rw - ext4 /dev/sda1 rw\n"
		      "31 30 8:2 / /data rw - xfs /dev/sda2 rw\n");
	CHECK_IDS(&k, "/", "/data");
	ck_assert_str_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/"))->device,
			 "/dev/vda1");
	ck_assert_str_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/data"))->device,
			 "/dev/sda2");
	kept_clear(&k);
}
END_TEST

START_TEST(a_mount_hides_what_was_mounted_below_its_mount_point)
{
	struct kept k;

	fixture_mkdir(&fx, "mnt/deep/er");
	fixture_mkdir(&fx, "mnt/new");
	read_rows(&k, ROOT "40 27 8:1 / /mnt/deep rw - ext4 /dev/sda1 rw\n"
			   "41 40 8:2 / /mnt/deep/er rw - ext4 /dev/sda2 rw\n"
			   "42 27 8:3 / /mnt rw - ext4 /dev/sda3 rw\n"
			   "43 42 8:4 / /mnt/new rw - ext4 /dev/sda4 rw\n");
	CHECK_IDS(&k, "/", "/mnt", "/mnt/new");
	kept_clear(&k);
}
END_TEST

START_TEST(an_overlay_counts_on_the_root_only_and_only_when_it_is_seen)
{
	struct kept k;

	fixture_mkdir(&fx, "data");
	read_rows(&k, "27 1 0:50 / / rw - overlay overlay rw\n"
		      "28 27 8:1 / /data rw - ext4 /dev/sda1 rw\n");
	CHECK_IDS(&k, "/", "/data");
	ck_assert_str_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/"))->fstype,
			 "overlay");
	kept_clear(&k);

	read_rows(&k, "26 1 0:50 / / rw - overlay overlay rw\n"
		      "27 26 254:0 / / rw - ext4 /dev/vda1 rw\n");
	CHECK_IDS(&k, "/");
	ck_assert_str_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/"))->fstype, "ext4");
	kept_clear(&k);
}
END_TEST

START_TEST(names_are_unescaped_and_long_ones_cut_or_left_out)
{
	const struct vmv_filesystem_sample *s;
	char line[2048], path[601], source[301];
	struct kept k;

	fixture_mkdir(&fx, "a b");
	fixture_mkdir(&fx, "c\\d");
	fixture_mkdir(&fx, "e");
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[250] = '/';
	path[500] = '/';
	path[600] = '\0';
	fixture_mkdir(&fx, path + 1);
	memset(source, 's', sizeof(source));
	source[254] = '\xc3';
	source[255] = '\xa9';
	source[300] = '\0';
	(void)snprintf(line, sizeof(line),
		       ROOT "40 27 8:1 / /a\\040b rw shared:3 master:1 - ext4 /dev/my\\040disk rw\n"
			    "41 27 8:2 / /c\\134d rw - ext4 none rw\n"
			    "42 27 8:3 / %s rw - ext4 /dev/sda3 rw\n"
			    "43 27 8:4 / /e rw - zfs %s rw\n",
		       path, source);
	read_rows(&k, line);
	CHECK_IDS(&k, "/", "/a b", "/c\\d", "/e");
	s = kept_row(&k, "/a b");
	ck_assert_str_eq(s->mount_point, "/a b");
	ck_assert_str_eq(s->device, "/dev/my disk");
	ck_assert_str_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/c\\d"))->device, "");
	/* no half of a character at the end */
	s = kept_row(&k, "/e");
	ck_assert_uint_eq(strlen(s->device), 254);
	kept_clear(&k);
}
END_TEST

START_TEST(read_only_is_what_the_filesystem_is_and_not_the_mount)
{
	struct kept k;

	fixture_mkdir(&fx, "a");
	fixture_mkdir(&fx, "b");
	fixture_mkdir(&fx, "c");
	read_rows(&k, ROOT "40 27 8:1 / /a ro,relatime - ext4 /dev/sda1 rw,errors=remount-ro\n"
			   "41 27 8:2 / /b rw,relatime - ext4 /dev/sda2 ro,data=ordered\n"
			   "42 27 8:3 / /c rw,relatime - ext4 /dev/sda3 ro\n");
	ck_assert_uint_eq(k.n, 4);
	ck_assert_uint_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/a"))->readonly, 0);
	ck_assert_uint_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/b"))->readonly, 1);
	ck_assert_uint_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/c"))->readonly, 1);
	kept_clear(&k);
}
END_TEST

START_TEST(what_does_not_answer_is_left_out_and_the_next_of_its_mounts_asked)
{
	struct kept k;

	fixture_mkdir(&fx, "longer");
	fixture_mkdir(&fx, "empty");
	read_rows(&k, ROOT "40 27 8:1 / /gone rw - ext4 /dev/sda1 rw\n"
			   "41 27 8:1 / /longer rw - ext4 /dev/sda1 rw\n"
			   "42 27 8:2 / /gone2//deleted rw - ext4 /dev/sda2 rw\n");
	CHECK_IDS(&k, "/", "/longer");
	kept_clear(&k);
}
END_TEST

static const char *const bad[] = {
	"x\n",
	"27\n",
	"proc /proc proc rw 0 0\n",	/* fstab, not mountinfo */
	"27 1 254:0 / / rw,relatime\n", /* no type */
	"27 1 254:0 / / rw,relatime - \n",
	"27 1 254 / / rw - ext4 /dev/vda1 rw\n",
	ROOT "28 27 8:1\n",
	ROOT "garbage\n",
};

START_TEST(malformed_mountinfo_fails_without_a_row)
{
	struct vmv_err err = { 0 };
	struct kept k;

	fixture_put(&fx, "proc/self/mountinfo", bad[_i]);
	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_filesystem, &fx.root, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(parents_that_go_in_circles_do_no_harm)
{
	struct kept k;

	fixture_mkdir(&fx, "a");
	read_rows(&k, "1 2 8:1 / /a rw - ext4 /dev/sda1 rw\n2 1 8:2 / /a rw - ext4 /dev/sda2 rw\n");
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(absent_file_is_enoent)
{
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_filesystem, &fx.root, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	kept_clear(&k);
}
END_TEST

START_TEST(types_are_known)
{
	static const char *const pseudo[] = {
		"tmpfs",    "devtmpfs",	  "ramfs",	"sysfs",	   "proc",	  "cgroup",
		"cgroup2",  "overlay",	  "squashfs",	"erofs",	   "iso9660",	  "devpts",
		"mqueue",   "debugfs",	  "tracefs",	"securityfs",	   "pstore",	  "bpf",
		"autofs",   "fusectl",	  "configfs",	"hugetlbfs",	   "binfmt_misc", "nsfs",
		"efivarfs", "rpc_pipefs", "fuse.lxcfs", "fuse.gvfsd-fuse", "fuse.portal",
	};
	static const char *const hanging[] = {
		"nfs",	  "nfs4",	"cifs",	 "smb3",   "smbfs",	"ceph",
		"fuse",	  "fuse.sshfs", "9p",	 "afs",	   "virtiofs",	"ncpfs",
		"lustre", "gfs2",	"ocfs2", "beegfs", "glusterfs",
	};
	static const char *const local[] = {
		"ext2",	 "ext3",  "ext4",    "xfs",  "btrfs",	 "zfs",	 "vfat",
		"exfat", "ntfs3", "fuseblk", "f2fs", "bcachefs", "nfsd", "fused",
	};

	for (size_t i = 0; i < VMV_COUNTOF(pseudo); i++)
		ck_assert_msg(vmv_filesystem_is_pseudo(pseudo[i]), "%s", pseudo[i]);
	for (size_t i = 0; i < VMV_COUNTOF(hanging); i++) {
		ck_assert_msg(vmv_filesystem_can_hang(hanging[i]), "%s", hanging[i]);
		ck_assert_msg(!vmv_filesystem_is_pseudo(hanging[i]), "%s", hanging[i]);
	}
	for (size_t i = 0; i < VMV_COUNTOF(local); i++) {
		ck_assert_msg(!vmv_filesystem_can_hang(local[i]), "%s", local[i]);
		ck_assert_msg(!vmv_filesystem_is_pseudo(local[i]), "%s", local[i]);
	}
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	struct vmv_root root;
	struct vmv_err err = { 0 };
	struct statvfs vfs;
	size_t matches = 0;
	struct kept k;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_msg(kept_read(&k, &vmv_collector_filesystem, &root, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < k.n; i++) {
		const struct vmv_filesystem_sample *s = kept_row(&k, k.ids[i]);

		ck_assert_int_eq(statvfs(s->mount_point, &vfs), 0);
		matches += s->size == (uint64_t)vfs.f_blocks * vfs.f_frsize;
		ck_assert_uint_le(s->avail, s->size);
	}
	ck_assert_uint_eq(matches, k.n);
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("filesystem");
	TCase *tc = tcase_create("filesystem");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_filesystem_with_all_that_is_known_of_it);
	tcase_add_test(tc, root_first_then_by_mount_point_in_byte_order);
	tcase_add_test(tc, pseudo_types_images_and_loop_devices_are_left_out);
	tcase_add_test(tc, without_an_asker_what_can_hang_is_unknown_and_so_is_what_lies_below_it);
	tcase_add_test(tc, below_a_root_that_can_hang_the_others_are_still_asked);
	tcase_add_test(tc, one_row_for_each_device_at_its_shortest_mount_point);
	tcase_add_test(tc, a_mount_point_may_be_a_file);
	tcase_add_test(tc, the_last_mount_on_a_mount_point_is_the_one_that_is_seen);
	tcase_add_test(tc, a_mount_hides_what_was_mounted_below_its_mount_point);
	tcase_add_test(tc, an_overlay_counts_on_the_root_only_and_only_when_it_is_seen);
	tcase_add_test(tc, names_are_unescaped_and_long_ones_cut_or_left_out);
	tcase_add_test(tc, read_only_is_what_the_filesystem_is_and_not_the_mount);
	tcase_add_test(tc, what_does_not_answer_is_left_out_and_the_next_of_its_mounts_asked);
	tcase_add_loop_test(tc, malformed_mountinfo_fails_without_a_row, 0, (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, parents_that_go_in_circles_do_no_harm);
	tcase_add_test(tc, absent_file_is_enoent);
	tcase_add_test(tc, types_are_known);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
