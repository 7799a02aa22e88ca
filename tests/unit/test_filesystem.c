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
#include <time.h>

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

/* -- with an asker ------------------------------------------------------------------------ */

/* Answers as the table says; counts what it was asked. */
struct fake {
	struct vmv_asker asker; /* first member: fake_ask casts back */
	const char *question, *text;
	int result;
	uint64_t age_ms;
	uint32_t oldest_ms; /* the answer is so old: given to whoever takes it */
	const char *also;   /* a second question, always answered */
	unsigned asked;
	char log[1024];
};

#define ANSWER "4096 1000 600 500 200 150\n"

static int fake_ask(struct vmv_asker *self, const char *question, uint32_t max_age_ms,
		    const char **ret_text, uint64_t *ret_age_ms)
{
	struct fake *f = (struct fake *)self;
	size_t len = strlen(f->log);

	f->asked++;
	(void)snprintf(f->log + len, sizeof(f->log) - len, "%s;", question);
	*ret_age_ms = 0;
	if (f->also && strcmp(question, f->also) == 0) {
		*ret_text = ANSWER;
		return (int)strlen(ANSWER);
	}
	if (f->question)
		ck_assert_str_eq(question, f->question);
	if (f->text && f->oldest_ms <= max_age_ms) {
		*ret_text = f->text;
		return (int)strlen(f->text);
	}
	*ret_age_ms = f->age_ms;
	return f->text ? -EAGAIN : f->result;
}

#define NFS ROOT "40 27 0:61 / /nfs rw - nfs4 server:/x rw\n"

static void *live_state(struct fake *f, const char *mountinfo)
{
	fixture_put(&fx, "proc/self/mountinfo", mountinfo);
	f->asker.ask = fake_ask;
	fx.root.is_live = true;
	fx.root.asker = &f->asker;
	return vmv_collector_filesystem.open(&fx.root);
}

static int read_on(void *state, struct kept *k)
{
	struct vmv_err err = { 0 };

	return vmv_collector_filesystem.read(state, &fx.root, &k->sink, &err);
}

/* One reading that does not wait. */
static void read_live(struct kept *k, struct fake *f, const char *mountinfo)
{
	void *state = live_state(f, mountinfo);

	ck_assert_ptr_nonnull(state);
	kept_init(k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, k), 0);
	vmv_collector_filesystem.close(state);
}

START_TEST(what_can_hang_is_asked_of_the_asker)
{
	struct fake f = { .question = "statvfs /nfs", .text = ANSWER };
	const struct vmv_filesystem_sample *s;
	struct kept k;

	read_live(&k, &f, NFS);
	CHECK_IDS(&k, "/", "/nfs");
	s = kept_row(&k, "/nfs");
	ck_assert_uint_eq(s->size, 4096000);
	ck_assert_uint_eq(s->free, 2457600);
	ck_assert_uint_eq(s->avail, 2048000);
	ck_assert_uint_eq(s->files, 200);
	ck_assert_uint_eq(s->files_free, 150);
	ck_assert_uint_eq(s->device_error, 0);
	ck_assert_uint_eq(s->stuck, 0);
	ck_assert_str_eq(f.log, "statvfs /nfs;");
	kept_clear(&k);
}
END_TEST

START_TEST(below_what_can_hang_the_asker_is_asked_too)
{
	struct fake f = { .question = "statvfs /nfs", .text = ANSWER, .also = "statvfs /nfs/a b" };
	struct kept k;

	/* /dev/sda6 is mounted elsewhere, too: nobody needs to go through NFS for it */
	fixture_mkdir(&fx, "srv/longer/path");
	read_live(&k, &f,
		  NFS "41 40 8:5 / /nfs/a\\040b rw - ext4 /dev/sda5 rw\n"
		      "42 40 8:6 / /nfs/6 rw - ext4 /dev/sda6 rw\n"
		      "43 27 8:6 / /srv/longer/path rw - ext4 /dev/sda6 rw\n");
	CHECK_IDS(&k, "/", "/nfs", "/nfs/a b", "/srv/longer/path");
	ck_assert_uint_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/nfs/a b"))->size,
			  4096000);
	ck_assert_uint_eq(f.asked, 2);
	kept_clear(&k);
}
END_TEST

START_TEST(a_root_that_can_hang_is_asked_about_as_any_other)
{
	struct fake f = { .question = "statvfs /", .text = ANSWER };
	struct kept k;

	fixture_mkdir(&fx, "data");
	read_live(&k, &f,
		  "27 1 0:40 / / rw - virtiofs rootfs rw\n"
		  "28 27 8:1 / /data rw - ext4 /dev/sda1 rw\n");
	CHECK_IDS(&k, "/", "/data");
	ck_assert_uint_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/"))->size, 4096000);
	ck_assert_uint_eq(f.asked, 1);
	kept_clear(&k);
}
END_TEST

START_TEST(what_is_stuck_says_so_and_the_others_have_their_sizes)
{
	struct fake f = { .question = "statvfs /nfs", .result = -ETIMEDOUT, .age_ms = 99999 };
	struct kept k;

	read_live(&k, &f, NFS);
	CHECK_IDS(&k, "/", "/nfs");
	check_unknown(&k, "/nfs", 1, 1);
	ck_assert(((const struct vmv_filesystem_sample *)kept_row(&k, "/"))->size != VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(an_error_of_the_asker_is_an_error_of_the_filesystem)
{
	static const int errors[] = { EACCES, EIO, ESTALE, EFBIG, EPROTO };

	for (size_t i = 0; i < VMV_COUNTOF(errors); i++) {
		struct fake f = { .question = "statvfs /nfs", .result = -errors[i] };
		struct kept k;

		read_live(&k, &f, NFS);
		check_unknown(&k, "/nfs", 1, 0);
		kept_clear(&k);
	}
}
END_TEST

START_TEST(without_a_helper_nothing_is_known_of_what_can_hang)
{
	struct fake f = { .question = "statvfs /nfs", .result = -ENOENT };
	struct kept k;

	read_live(&k, &f, NFS);
	check_unknown(&k, "/nfs", VMV_UNSET, VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(whether_one_that_could_not_be_asked_is_stuck_is_unknown)
{
	struct fake f = { .question = "statvfs /nfs", .result = -EBUSY };
	struct kept k;

	read_live(&k, &f, NFS);
	check_unknown(&k, "/nfs", 1, VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(a_reading_waits_for_the_answer_and_then_goes_on)
{
	struct fake f = { .question = "statvfs /nfs", .result = -EAGAIN, .also = "statvfs /b" };
	void *state = live_state(&f, NFS "41 27 0:62 / /b rw - fuse.sshfs me: rw\n");
	struct kept k;

	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), VMV_WAIT);
	ck_assert_uint_eq(k.n, 0);
	f.age_ms = VMV_ASK_WAIT_MS / 2;
	ck_assert_int_eq(read_on(state, &k), VMV_WAIT);
	f.text = ANSWER;
	f.oldest_ms = 1100; /* young when the reading began */
	ck_assert_int_eq(read_on(state, &k), 0);
	CHECK_IDS(&k, "/", "/b", "/nfs");
	ck_assert_uint_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/nfs"))->size,
			  4096000);
	/* what has its answer is not asked again in the same reading */
	ck_assert_str_eq(f.log, "statvfs /nfs;statvfs /b;statvfs /nfs;statvfs /nfs;");
	kept_clear(&k);

	/* the next reading is a new one */
	f.oldest_ms = 0;
	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), 0);
	ck_assert_uint_eq(k.n, 3);
	kept_clear(&k);
	vmv_collector_filesystem.close(state);
}
END_TEST

START_TEST(local_ones_are_looked_at_before_others_are_waited_for)
{
	struct fake f = { .question = "statvfs /nfs", .result = -EAGAIN };
	void *state = live_state(&f, NFS "41 27 8:17 / /disk rw - ext4 /dev/sdb1 rw\n");
	struct kept k;

	fixture_put(&fx, "disk", "");
	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), VMV_WAIT);
	ck_assert_int_eq(unlinkat(fx.root.top, "disk", 0), 0);
	f.text = ANSWER;
	ck_assert_int_eq(read_on(state, &k), 0);
	CHECK_IDS(&k, "/", "/disk", "/nfs");
	kept_clear(&k);
	vmv_collector_filesystem.close(state);
}
END_TEST

#define SERVERS                                             \
	ROOT "40 27 0:61 / /n1 rw - nfs4 one:/a rw\n"       \
	     "41 27 0:62 / /n2 rw - nfs4 one:/b rw\n"       \
	     "42 27 0:63 / /c1 rw - cifs //one/a rw\n"      \
	     "43 27 0:64 / /c2 rw - cifs //one/b rw\n"      \
	     "44 27 0:65 / /n3 rw - nfs4 one.org:/a rw\n"   \
	     "45 27 0:66 / /f1 rw - fuse.sshfs one:/a rw\n" \
	     "46 27 0:67 / /f2 rw - fuse.sshfs one:/b rw\n" \
	     "47 27 0:68 / /v1 rw - virtiofs one rw\n"      \
	     "48 27 0:69 / /v2 rw - virtiofs one rw\n"

START_TEST(of_each_server_one_is_asked_first)
{
	struct fake f = { .result = -EAGAIN };
	void *state = live_state(&f, SERVERS);
	struct kept k;

	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), VMV_WAIT);
	ck_assert_str_eq(f.log, "statvfs /n1;statvfs /c1;statvfs /n3;statvfs /f1;statvfs /f2;"
				"statvfs /v1;statvfs /v2;");
	f.log[0] = '\0';
	f.text = ANSWER;
	ck_assert_int_eq(read_on(state, &k), 0);
	ck_assert_uint_eq(k.n, 10);
	for (size_t i = 1; i < k.n; i++)
		ck_assert_uint_eq(
			((const struct vmv_filesystem_sample *)kept_row(&k, k.ids[i]))->size,
			4096000);
	kept_clear(&k);
	vmv_collector_filesystem.close(state);
}
END_TEST

START_TEST(when_one_of_a_server_is_stuck_the_others_are_left_alone)
{
	struct fake f = { .result = -ETIMEDOUT };
	struct kept k;

	read_live(&k, &f, SERVERS);
	ck_assert_str_eq(f.log, "statvfs /n1;statvfs /c1;statvfs /n3;statvfs /f1;statvfs /f2;"
				"statvfs /v1;statvfs /v2;");
	check_unknown(&k, "/n1", 1, 1);
	check_unknown(&k, "/n2", 1, VMV_UNSET);
	check_unknown(&k, "/c2", 1, VMV_UNSET);
	check_unknown(&k, "/n3", 1, 1);
	check_unknown(&k, "/f2", 1, 1);
	kept_clear(&k);
}
END_TEST

START_TEST(what_is_late_of_a_server_does_not_make_a_reading_wait_for_its_others)
{
	struct fake f = { .result = -EAGAIN, .age_ms = VMV_ASK_WAIT_MS };
	struct kept k;

	read_live(&k, &f,
		  ROOT "40 27 0:61 / /n1 rw - nfs4 one:/a rw\n"
		       "41 27 0:62 / /n2 rw - nfs4 one:/b rw\n");
	check_unknown(&k, "/n1", VMV_UNSET, 0);
	check_unknown(&k, "/n2", VMV_UNSET, 0);
	kept_clear(&k);
}
END_TEST

static double ms_since(const struct timespec *begin)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - begin->tv_nsec) / 1e6;
}

static char *many_servers(unsigned mounts, unsigned servers)
{
	size_t len, cap = mounts * 100 + 200;
	char *text = malloc(cap);

	ck_assert_ptr_nonnull(text);
	len = (size_t)snprintf(text, cap, ROOT);
	for (unsigned i = 0; i < mounts; i++)
		len += (size_t)snprintf(text + len, cap - len,
					"%u 27 0:%u / /n%u rw - nfs4 server%u:/x%u rw\n", 1000 + i,
					1000 + i, i, i % servers, i);
	return text;
}

/* Each answer wakes the reading, and there are as many answers as mounts. */
START_TEST(thousands_of_servers_that_are_waited_for_take_little_time)
{
	enum { MOUNTS = 4000, WAKES = 10 };
	struct fake f = { .result = -EAGAIN };
	char *text = many_servers(MOUNTS, MOUNTS / 2);
	void *state = live_state(&f, text);
	struct timespec begin;
	struct kept k;
	int r = VMV_WAIT;

	kept_init(&k, &vmv_collector_filesystem);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < WAKES && r == VMV_WAIT; i++)
		r = read_on(state, &k);
	ck_assert_msg(ms_since(&begin) < 500, "%.0f ms", ms_since(&begin));
	kept_clear(&k);
	vmv_collector_filesystem.close(state);
	free(text);
}
END_TEST

/* Whatever ages the asker tells. */
START_TEST(a_reading_waits_no_longer_than_it_may)
{
	struct fake f = { .question = "statvfs /nfs", .result = -EAGAIN };
	const struct timespec wait = { 0, VMV_ASK_WAIT_MS * 1000000 };
	void *state = live_state(&f, NFS);
	struct kept k;

	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), VMV_WAIT);
	(void)nanosleep(&wait, NULL);
	ck_assert_int_eq(read_on(state, &k), 0);
	check_unknown(&k, "/nfs", VMV_UNSET, 0);
	kept_clear(&k);
	vmv_collector_filesystem.close(state);
}
END_TEST

START_TEST(a_reading_does_not_wait_for_ever)
{
	struct fake f = { .question = "statvfs /nfs", .result = -EAGAIN };
	void *state = live_state(&f, NFS);
	struct kept k;

	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), VMV_WAIT);
	f.age_ms = VMV_ASK_WAIT_MS;
	ck_assert_int_eq(read_on(state, &k), 0);
	check_unknown(&k, "/nfs", VMV_UNSET, 0); /* late is not stuck */
	kept_clear(&k);

	/* asked by an earlier reading: this one has nothing to wait for */
	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), 0);
	check_unknown(&k, "/nfs", VMV_UNSET, 0);
	kept_clear(&k);

	/* who always answers late has the answer of the time before */
	f.text = ANSWER;
	f.oldest_ms = 30000;
	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), 0);
	ck_assert_uint_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/nfs"))->size,
			  4096000);
	kept_clear(&k);
	f.oldest_ms = 70000;
	kept_init(&k, &vmv_collector_filesystem);
	ck_assert_int_eq(read_on(state, &k), 0);
	check_unknown(&k, "/nfs", VMV_UNSET, 0);
	kept_clear(&k);
	vmv_collector_filesystem.close(state);
}
END_TEST

START_TEST(a_recorded_tree_asks_nobody)
{
	struct fake f = { .question = "", .asker = { .ask = fake_ask } };
	struct kept k;

	fx.root.asker = &f.asker;
	read_rows(&k, NFS);
	check_unknown(&k, "/nfs", VMV_UNSET, VMV_UNSET);
	ck_assert_uint_eq(f.asked, 0);
	kept_clear(&k);
}
END_TEST

static const struct {
	const char *text;
	uint64_t size, free, avail, files, files_free;
} odd[] = {
	{ "1 10 5 5 0 7\n", 10, 5, 5, VMV_UNSET, VMV_UNSET },
	{ "4096 10 5 18446744073709551615 3 3\n", 40960, 20480, 0, 3, 3 }, /* -1 for users */
	{ "4096 18446744073709551615 5 5 3 3\n", VMV_UNSET, 20480, 20480, 3, 3 },
	{ "2 9223372036854775807 5 5 3 3\n", VMV_UNSET, 10, 10, 3, 3 },
	{ "1 9223372036854775807 5 5 3 3\n", INT64_MAX, 5, 5, 3, 3 },
	{ "1 1 1 1 18446744073709551615 18446744073709551614\n", 1, 1, 1, VMV_UNSET, VMV_UNSET },
};

START_TEST(odd_numbers_become_none_that_is_wrong)
{
	struct fake f = { .question = "statvfs /nfs", .text = odd[_i].text };
	const struct vmv_filesystem_sample *s;
	struct kept k;

	read_live(&k, &f, NFS);
	s = kept_row(&k, "/nfs");
	ck_assert(s->size == odd[_i].size);
	ck_assert(s->free == odd[_i].free);
	ck_assert(s->avail == odd[_i].avail);
	ck_assert(s->files == odd[_i].files);
	ck_assert(s->files_free == odd[_i].files_free);
	kept_clear(&k);
}
END_TEST

static const char *const bad_answers[] = {
	"",
	"\n",
	"1 2 3 4 5\n",
	"1 2 3 4 5 6",
	"1 2 3 4 5 6 7\n",
	"1 2 3 4 5 6\n\n",
	"1 2 3 4 5 -6\n",
	"1  2 3 4 5 6\n",
	" 1 2 3 4 5 6\n",
	"a b c d e f\n",
	"1 2 3 4 5 99999999999999999999\n",
};

START_TEST(a_malformed_answer_is_none)
{
	struct fake f = { .question = "statvfs /nfs", .text = bad_answers[_i] };
	struct vmv_space space = { .unit = 7 };
	struct kept k;

	ck_assert_int_eq(vmv_filesystem_parse_answer(bad_answers[_i], &space), -EINVAL);
	ck_assert_uint_eq(space.unit, 7);
	read_live(&k, &f, NFS);
	check_unknown(&k, "/nfs", 1, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(without_a_size_it_is_no_real_filesystem)
{
	struct fake f = { .question = "statvfs /nfs", .text = "4096 0 0 0 0 0\n" };
	struct kept k;

	read_live(&k, &f, NFS);
	CHECK_IDS(&k, "/");
	kept_clear(&k);
}
END_TEST

START_TEST(a_local_filesystem_that_says_no_is_there_with_its_error)
{
	struct kept k;

	/* a loop of links is an error that root gets, too */
	fixture_mkdir(&fx, "fine");
	fixture_link(&fx, "broken", "broken");
	fixture_link(&fx, "a", "a");
	read_rows(&k, ROOT "40 27 8:1 / /broken rw - xfs /dev/sda1 rw\n"
			   "41 27 8:2 / /a rw - xfs /dev/sda2 rw\n"
			   "42 27 8:2 /x /fine rw - xfs /dev/sda2 rw\n");
	CHECK_IDS(&k, "/", "/broken", "/fine");
	check_unknown(&k, "/broken", 1, 0);
	ck_assert(((const struct vmv_filesystem_sample *)kept_row(&k, "/fine"))->size != VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(it_follows_mounts_that_come_and_go)
{
	struct vmv_err err = { 0 };
	void *state;
	struct kept k;

	fixture_mkdir(&fx, "srv");
	fixture_put(&fx, "proc/self/mountinfo", ROOT);
	state = vmv_collector_filesystem.open(&fx.root);
	for (int i = 0; i < 3; i++) {
		FILE *f;
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/proc/self/mountinfo", fx.dir);
		f = fopen(path, "we"); /* the same file, as the kernel's is */
		ck_assert_ptr_nonnull(f);
		(void)fputs(ROOT, f);
		if (i == 1)
			(void)fputs("40 27 8:1 / /srv ro - xfs /dev/sda1 ro\n", f);
		ck_assert_int_eq(fclose(f), 0);
		kept_init(&k, &vmv_collector_filesystem);
		ck_assert_int_eq(vmv_collector_filesystem.read(state, &fx.root, &k.sink, &err), 0);
		ck_assert_uint_eq(k.n, i == 1 ? 2 : 1);
		kept_clear(&k);
	}
	vmv_collector_filesystem.close(state);
	vmv_collector_filesystem.close(NULL);
}
END_TEST

/* -- recorded systems --------------------------------------------------------------------- */

/* Debian with LVM, a btrfs with subvolumes, an NVMe disk, a CD, snaps. */
static const char server[] =
	"22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw\n"
	"23 28 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n"
	"24 28 0:5 / /dev rw,nosuid,relatime shared:2 - devtmpfs udev rw,size=1967872k,mode=755\n"
	"26 28 0:24 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,mode=755\n"
	"28 1 253:1 / / rw,relatime shared:1 - ext4 /dev/mapper/vg0-root "
	"rw,errors=remount-ro\n"
	"29 23 0:6 / /sys/kernel/security rw,nosuid shared:8 - securityfs securityfs rw\n"
	"35 22 0:31 / /proc/sys/fs/binfmt_misc rw,relatime shared:14 - autofs systemd-1 "
	"rw,fd=29,pgrp=1,timeout=0,minproto=5,maxproto=5,direct\n"
	"90 28 259:2 / /boot rw,relatime shared:47 - ext4 /dev/nvme0n1p2 rw\n"
	"92 90 259:1 / /boot/efi rw,relatime shared:49 - vfat /dev/nvme0n1p1 "
	"rw,fmask=0077,errors=remount-ro\n"
	"94 28 0:45 /@srv /srv rw,relatime shared:51 - btrfs /dev/vdb "
	"rw,space_cache=v2,subvolid=257,subvol=/@srv\n"
	"95 28 0:45 /@home /home rw,relatime shared:52 - btrfs /dev/vdb "
	"rw,space_cache=v2,subvolid=256,subvol=/@home\n"
	"96 28 11:0 / /media/cdrom0 ro,nosuid shared:53 - iso9660 /dev/sr0 ro\n"
	"97 28 7:1 / /snap/core/1 ro,nodev,relatime shared:54 - squashfs /dev/loop1 ro\n"
	"98 28 0:50 / /tank rw,xattr shared:60 - zfs tank rw,xattr,noacl\n"
	"99 98 0:51 / /tank/data rw,xattr shared:61 - zfs tank/data rw,xattr,noacl\n"
	"120 26 0:52 / /run/user/1000 rw,nosuid shared:70 - tmpfs tmpfs rw,mode=700\n"
	"121 120 0:53 / /run/user/1000/doc rw shared:71 - fuse.portal portal rw,user_id=1000\n";

START_TEST(a_server_has_its_disks_and_nothing_else)
{
	struct kept k;

	fixture_mkdir(&fx, "boot/efi");
	fixture_mkdir(&fx, "srv");
	fixture_mkdir(&fx, "home");
	fixture_mkdir(&fx, "tank/data");
	read_rows(&k, server);
	CHECK_IDS(&k, "/", "/boot", "/boot/efi", "/srv", "/tank", "/tank/data");
	ck_assert_str_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/"))->device,
			 "/dev/mapper/vg0-root");
	ck_assert_str_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/boot/efi"))->device,
			 "/dev/nvme0n1p1");
	ck_assert_uint_eq(
		((const struct vmv_filesystem_sample *)kept_row(&k, "/boot"))->device_number,
		UINT64_C(259) << 32 | 2);
	kept_clear(&k);
}
END_TEST

/* Docker: an overlay, and files of the host's disk. */
static const char container[] =
	"612 500 0:60 / / rw,relatime master:200 - overlay overlay "
	"rw,lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B,upperdir=/u,"
	"workdir=/w\n"
	"613 612 0:63 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"
	"614 612 0:64 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n"
	"615 614 0:65 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620\n"
	"616 612 0:66 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro\n"
	"618 612 254:1 /var/lib/docker/containers/c/resolv.conf /etc/resolv.conf rw,relatime - "
	"ext4 "
	"/dev/vda1 rw,discard\n"
	"619 612 254:1 /var/lib/docker/containers/c/hostname /etc/hostname rw,relatime - ext4 "
	"/dev/vda1 rw,discard\n"
	"620 612 254:1 /var/lib/docker/containers/c/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 "
	"rw,discard\n"
	"521 613 0:63 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw\n"
	"524 613 0:64 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n";

START_TEST(a_container_has_its_root_and_the_disk_below)
{
	struct kept k;

	fixture_put(&fx, "etc/hosts", "");
	fixture_put(&fx, "etc/hostname", "");
	fixture_put(&fx, "etc/resolv.conf", "");
	read_rows(&k, container);
	CHECK_IDS(&k, "/", "/etc/hosts");
	ck_assert_str_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/"))->fstype,
			 "overlay");
	kept_clear(&k);
}
END_TEST

/* A service with ProtectSystem=strict: every mount is read-only, and the filesystem is not. */
START_TEST(a_sandbox_does_not_make_filesystems_read_only)
{
	struct kept k;

	read_rows(&k, "310 309 254:1 / / ro,relatime shared:200 master:1 - ext4 /dev/vda1 rw\n"
		      "311 310 0:5 / /dev ro,nosuid shared:201 master:2 - devtmpfs udev rw\n"
		      "340 310 254:1 /var/lib/x /var/lib/x rw,relatime shared:202 master:1 - ext4 "
		      "/dev/vda1 rw\n");
	CHECK_IDS(&k, "/");
	ck_assert_uint_eq(((const struct vmv_filesystem_sample *)kept_row(&k, "/"))->readonly, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(thousands_of_mounts_take_little_time)
{
	enum { MOUNTS = 5000 };
	struct timespec begin;
	size_t len, cap = MOUNTS * 200;
	char *text = malloc(cap);
	struct kept k;

	ck_assert_ptr_nonnull(text);
	len = (size_t)snprintf(text, cap, ROOT);
	/* bind mounts of one device, and as many devices that cannot be opened */
	for (unsigned i = 0; i < MOUNTS; i++)
		len += (size_t)snprintf(
			text + len, cap - len,
			"%u 27 %s:%u / /var/lib/containers/%u/rootfs rw - ext4 /dev/x rw\n",
			1000 + i, i % 2 ? "8" : "9", i % 2 ? 1 : i, i);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	read_rows(&k, text);
	ck_assert_msg(ms_since(&begin) < 2000, "%.0f ms", ms_since(&begin));
	CHECK_IDS(&k, "/");
	kept_clear(&k);
	free(text);
}
END_TEST

static const char *const bad[] = {
	"x\n",
	"27\n",
	"proc /proc proc rw 0 0\n",	/* fstab, not mountinfo */
	"27 1 254:0 / / rw,relatime\n", /* no type */
	"27 1 254:0 / / rw,relatime - \n",
	"27 1 254 / / rw - ext4 /dev/vda1 rw\n",
	"27 1 254:0 / / rw - ext4 /dev/vda1 rw", /* cut */
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

		if (s->size == VMV_UNSET) { /* nobody is there to ask, or it says no */
			ck_assert(s->device_error != 0);
			matches++;
			continue;
		}
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
	tcase_add_test(tc, what_can_hang_is_asked_of_the_asker);
	tcase_add_test(tc, below_what_can_hang_the_asker_is_asked_too);
	tcase_add_test(tc, a_root_that_can_hang_is_asked_about_as_any_other);
	tcase_add_test(tc, what_is_stuck_says_so_and_the_others_have_their_sizes);
	tcase_add_test(tc, an_error_of_the_asker_is_an_error_of_the_filesystem);
	tcase_add_test(tc, without_a_helper_nothing_is_known_of_what_can_hang);
	tcase_add_test(tc, whether_one_that_could_not_be_asked_is_stuck_is_unknown);
	tcase_add_test(tc, a_reading_waits_for_the_answer_and_then_goes_on);
	tcase_add_test(tc, of_each_server_one_is_asked_first);
	tcase_add_test(tc, when_one_of_a_server_is_stuck_the_others_are_left_alone);
	tcase_add_test(tc, what_is_late_of_a_server_does_not_make_a_reading_wait_for_its_others);
	tcase_add_test(tc, thousands_of_servers_that_are_waited_for_take_little_time);
	tcase_add_test(tc, local_ones_are_looked_at_before_others_are_waited_for);
	tcase_add_test(tc, a_reading_waits_no_longer_than_it_may);
	tcase_add_test(tc, a_reading_does_not_wait_for_ever);
	tcase_add_test(tc, a_recorded_tree_asks_nobody);
	tcase_add_loop_test(tc, odd_numbers_become_none_that_is_wrong, 0, (int)VMV_COUNTOF(odd));
	tcase_add_loop_test(tc, a_malformed_answer_is_none, 0, (int)VMV_COUNTOF(bad_answers));
	tcase_add_test(tc, without_a_size_it_is_no_real_filesystem);
	tcase_add_test(tc, a_local_filesystem_that_says_no_is_there_with_its_error);
	tcase_add_test(tc, it_follows_mounts_that_come_and_go);
	tcase_add_test(tc, a_server_has_its_disks_and_nothing_else);
	tcase_add_test(tc, a_container_has_its_root_and_the_disk_below);
	tcase_add_test(tc, a_sandbox_does_not_make_filesystems_read_only);
	tcase_add_test(tc, thousands_of_mounts_take_little_time);
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
