#include "collectors/mountinfo.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[4096];
static struct vmv_mounts all;

static void parse(const char *mountinfo)
{
	struct vmv_err err = { 0 };

	ck_assert_uint_lt(strlen(mountinfo), sizeof(text));
	(void)snprintf(text, sizeof(text), "%s", mountinfo);
	vmv_mounts_free(&all);
	ck_assert_msg(vmv_mountinfo_parse(text, &all, &err) == 0, "%s", err.msg);
}

static void down(void)
{
	vmv_mounts_free(&all);
}

static const struct vmv_mount *mount_with(uint32_t id)
{
	for (size_t i = 0; i < all.n; i++)
		if (all.v[i].id == id)
			return &all.v[i];
	ck_abort_msg("no mount %u", id);
}

START_TEST(a_line_with_everything)
{
	const struct vmv_mount *m;

	parse("36 35 98:16 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root "
	      "rw,errors=continue\n");
	ck_assert_uint_eq(all.n, 1);
	m = &all.v[0];
	ck_assert_uint_eq(m->id, 36);
	ck_assert_uint_eq(m->parent, 35);
	ck_assert_uint_eq(m->major, 98);
	ck_assert_uint_eq(m->minor, 16);
	ck_assert_str_eq(m->root, "/mnt1");
	ck_assert_str_eq(m->target, "/mnt2");
	ck_assert_str_eq(m->options, "rw,noatime");
	ck_assert_str_eq(m->type, "ext3");
	ck_assert_str_eq(m->source, "/dev/root");
	ck_assert_str_eq(m->super_options, "rw,errors=continue");
	ck_assert_ptr_null(vmv_mounts_parent(&all, m));
}
END_TEST

START_TEST(optional_fields_are_any_number_of_any_kind)
{
	parse("1 0 0:1 / / rw - rootfs rootfs rw\n"
	      "2 1 0:2 / /a rw unbindable - tmpfs x rw\n"
	      "3 1 0:3 / /b rw shared:1 master:2 propagate_from:3 unbindable new:thing -- - tmpfs "
	      "y ro\n");
	ck_assert_uint_eq(all.n, 3);
	ck_assert_str_eq(all.v[0].source, "rootfs");
	ck_assert_str_eq(all.v[1].source, "x");
	ck_assert_str_eq(all.v[2].source, "y");
	ck_assert_str_eq(all.v[2].super_options, "ro");
}
END_TEST

START_TEST(escapes_are_undone_and_only_those)
{
	parse("1 0 0:1 /a\\040b /c\\011d\\012e\\134f\\043g rw - fuse.x\\040y me@\\134\\134host "
	      "rw,x=\\054\n"
	      "2 0 0:1 / /\\040 rw - t \\0400 rw\n"
	      "3 0 0:1 / /\\\\x\\04\\9\\ rw - t \\400\\777\\000 rw\n"
	      "4 0 0:1 / /\\303\\244 rw - t \\134040 rw\n");
	ck_assert_str_eq(all.v[0].root, "/a b");
	ck_assert_str_eq(all.v[0].target, "/c\td\ne\\f#g");
	ck_assert_str_eq(all.v[0].type, "fuse.x y");
	ck_assert_str_eq(all.v[0].source, "me@\\\\host");
	ck_assert_str_eq(all.v[0].super_options, "rw,x=,");
	ck_assert_str_eq(all.v[1].target, "/ ");
	ck_assert_str_eq(all.v[1].source, " 0");
	ck_assert_str_eq(all.v[2].target, "/\\\\x\\04\\9\\");
	ck_assert_str_eq(all.v[2].source, "\\400\\777\\000"); /* no NUL comes out of it */
	ck_assert_str_eq(all.v[3].target, "/\xc3\xa4");
	ck_assert_str_eq(all.v[3].source, "\\040"); /* once, not twice */
}
END_TEST

START_TEST(what_the_kernel_really_writes_at_times)
{
	/* no source; a namespace as root; blanks in options; a mount point that was removed */
	parse("1 0 0:1 / / rw - tmpfs  rw\n"
	      "2 1 0:4 net:[4026532281] /run/netns/x rw shared:3 - nsfs nsfs rw\n"
	      "3 1 0:9 / /c rw - cifs //srv/a\\040b rw,password=a b\n"
	      "4 1 0:9 / /old//deleted rw - ext4 /dev/sda rw\n");
	ck_assert_str_eq(all.v[0].source, "");
	ck_assert_str_eq(all.v[0].super_options, "rw");
	ck_assert_str_eq(all.v[1].root, "net:[4026532281]");
	ck_assert_str_eq(all.v[2].source, "//srv/a b");
	ck_assert_str_eq(all.v[2].super_options, "rw,password=a b");
	ck_assert_str_eq(all.v[3].target, "/old//deleted");
}
END_TEST

START_TEST(nothing_mounted_is_an_empty_list)
{
	parse("");
	ck_assert_uint_eq(all.n, 0);
}
END_TEST

#define GOOD "27 1 254:0 / / rw - ext4 /dev/vda1 rw\n"

static const char *const bad[] = {
	"\n",
	" \n",
	"x\n",
	"27\n",
	"27 1 254:0 / / rw - ext4 /dev/vda1 rw",  /* no end */
	"27 1 254:0 / / rw - ext4 /dev/vda1\n",	  /* a field too few */
	"27 1 254:0 / / rw - ext4 /dev/vda1 \n",  /* the same, empty */
	"27 1 254:0 / / rw - ext4\n",		  /* cut */
	"27 1 254:0 / / rw -\n",		  /* cut */
	"27 1 254:0 / / rw shared:1 ext4 x rw\n", /* no hyphen */
	"27 1 254:0 / / rw -ext4 x rw\n",	  /* no hyphen of its own */
	"27 1 254:0 / / rw -  x rw\n",		  /* no type */
	"27 1 254:0 / /  - ext4 x rw\n",	  /* no options */
	"27 1 254:0  / rw - ext4 x rw\n",	  /* no root */
	"27 1 254:0 /  rw - ext4 x rw\n",	  /* no mount point */
	"27 1 254:0 / relative rw - ext4 x rw\n",
	"27 1 254 / / rw - ext4 x rw\n",
	"27 1 254: / / rw - ext4 x rw\n",
	"27 1 :0 / / rw - ext4 x rw\n",
	"27 1 254:0: / / rw - ext4 x rw\n",
	"-27 1 254:0 / / rw - ext4 x rw\n",
	"27 -1 254:0 / / rw - ext4 x rw\n",
	"27 1 254:-1 / / rw - ext4 x rw\n",
	"0x1b 1 254:0 / / rw - ext4 x rw\n",
	"4294967296 1 254:0 / / rw - ext4 x rw\n",
	"27 99999999999999999999 254:0 / / rw - ext4 x rw\n",
	" 27 1 254:0 / / rw - ext4 x rw\n",
	"27  1 254:0 / / rw - ext4 x rw\n",
	"27\t1\t254:0\t/\t/\trw\t-\text4\tx\trw\n",
	"proc /proc proc rw 0 0\n", /* /proc/mounts */
	GOOD "\n",
	GOOD "garbage\n",
	("garbage\n" GOOD),
};

START_TEST(malformed_input_fails_and_leaves_output_alone)
{
	struct vmv_mounts untouched = { .n = 7 };
	struct vmv_err err = { 0 };

	(void)snprintf(text, sizeof(text), "%s", bad[_i]);
	ck_assert_int_eq(vmv_mountinfo_parse(text, &untouched, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_ptr_nonnull(strstr(err.msg, "line"));
	ck_assert_uint_eq(untouched.n, 7);
	ck_assert_ptr_null(untouched.v);
}
END_TEST

START_TEST(a_parent_is_found_by_its_number)
{
	parse("90 27 0:3 / /c rw - ext4 x rw\n"
	      "27 1 0:1 / / rw - ext4 x rw\n"
	      "30 27 0:2 / /b rw - ext4 x rw\n"
	      "31 90 0:2 / /c/d rw - ext4 x rw\n"
	      "5 5 0:7 / /self rw - ext4 x rw\n");
	ck_assert_ptr_eq(vmv_mounts_parent(&all, mount_with(30)), mount_with(27));
	ck_assert_ptr_eq(vmv_mounts_parent(&all, mount_with(31)), mount_with(90));
	ck_assert_ptr_null(vmv_mounts_parent(&all, mount_with(27)));
	ck_assert_ptr_null(vmv_mounts_parent(&all, mount_with(5)));
}
END_TEST

START_TEST(a_mount_is_covered_by_one_on_itself)
{
	parse("27 1 0:1 / / rw - ext4 x rw\n"
	      "30 27 0:2 / /data rw - ext4 x rw\n"
	      "31 30 0:3 / /data rw - ext4 x rw\n"
	      "32 31 0:4 / /data/x rw - ext4 x rw\n"
	      "33 27 0:5 / /data2 rw - ext4 x rw\n"
	      "1 1 0:6 / / rw - rootfs x rw\n");
	ck_assert(vmv_mounts_is_covered(&all, mount_with(30)));
	ck_assert(!vmv_mounts_is_covered(&all, mount_with(31)));
	ck_assert(!vmv_mounts_is_covered(&all, mount_with(27)));
	ck_assert(!vmv_mounts_is_covered(&all, mount_with(33)));
	ck_assert(vmv_mounts_is_covered(&all, mount_with(1))); /* its own parent, and 27's */
}
END_TEST

START_TEST(a_mount_is_hidden_by_one_above_it_on_the_same_parent)
{
	parse("27 1 0:1 / / rw - ext4 x rw\n"
	      "40 27 0:2 / /mnt/deep rw - ext4 x rw\n"
	      "41 40 0:3 / /mnt/deep/er rw - ext4 x rw\n"
	      "42 27 0:4 / /mnt rw - ext4 x rw\n"
	      "43 42 0:5 / /mnt/deep rw - ext4 x rw\n"
	      "44 27 0:6 / /mnt2 rw - ext4 x rw\n"
	      "45 27 0:7 / /mn rw - ext4 x rw\n");
	ck_assert(vmv_mounts_is_hidden(&all, mount_with(40)));
	ck_assert(!vmv_mounts_is_hidden(&all, mount_with(41))); /* its parent is */
	ck_assert(!vmv_mounts_is_hidden(&all, mount_with(42)));
	ck_assert(!vmv_mounts_is_hidden(&all, mount_with(43)));
	ck_assert(!vmv_mounts_is_hidden(&all, mount_with(44)));
	ck_assert(!vmv_mounts_is_hidden(&all, mount_with(27)));
	/* "/" hides all that is on the same parent */
	parse("1 0 0:1 / / rw - ext4 x rw\n"
	      "2 0 0:2 / /a rw - ext4 x rw\n");
	ck_assert(vmv_mounts_is_hidden(&all, mount_with(2)));
	ck_assert(!vmv_mounts_is_hidden(&all, mount_with(1)));
}
END_TEST

/* What the index says, said by looking at all of them. */
static bool is_covered_slowly(const struct vmv_mount *m)
{
	for (size_t i = 0; i < all.n; i++)
		if (&all.v[i] != m && all.v[i].parent == m->id &&
		    strcmp(all.v[i].target, m->target) == 0)
			return true;
	return false;
}

static bool is_hidden_slowly(const struct vmv_mount *m)
{
	for (size_t i = 0; i < all.n; i++) {
		const char *dir = all.v[i].target;
		size_t len = strlen(dir);
		bool is_below =
			len == 1 ? m->target[1] != '\0'
				 : strncmp(m->target, dir, len) == 0 && m->target[len] == '/';

		if (all.v[i].parent == m->parent && is_below)
			return true;
	}
	return false;
}

START_TEST(the_index_agrees_with_looking_at_all)
{
	static const char *const names[] = { "/", "/a", "/a/b", "/a/b/c", "/a-b", "/b", "/a!" };
	unsigned seed = 12345;
	size_t len = 0;

	for (unsigned id = 0; id < 60; id++) {
		unsigned parent, name;

		seed = seed * 1103515245u + 12345u;
		parent = (seed >> 16) % 12;
		seed = seed * 1103515245u + 12345u;
		name = (seed >> 16) % VMV_COUNTOF(names);
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%u %u 0:%u / %s rw - t s rw\n", id, parent, id,
					names[name]);
	}
	ck_assert_int_eq(vmv_mountinfo_parse(text, &all, NULL), 0);
	for (size_t i = 0; i < all.n; i++) {
		ck_assert(vmv_mounts_is_covered(&all, &all.v[i]) == is_covered_slowly(&all.v[i]));
		ck_assert(vmv_mounts_is_hidden(&all, &all.v[i]) == is_hidden_slowly(&all.v[i]));
	}
}
END_TEST

START_TEST(options_are_whole_words)
{
	ck_assert(vmv_mount_has_option("ro", "ro"));
	ck_assert(vmv_mount_has_option("rw,ro", "ro"));
	ck_assert(vmv_mount_has_option("ro,x", "ro"));
	ck_assert(!vmv_mount_has_option("", "ro"));
	ck_assert(!vmv_mount_has_option("rw,errors=remount-ro", "ro"));
	ck_assert(!vmv_mount_has_option("ro=1,root,r,,", "ro"));
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	vmv_autofree char *live = NULL;
	struct vmv_err err = { 0 };
	struct vmv_root root;
	bool has_root = false;
	size_t cap = 0, lines = 0;
	int len;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	len = vmv_read_table_at(root.proc, "self/mountinfo", &live, &cap, 1 << 24);
	ck_assert_int_gt(len, 0);
	for (int i = 0; i < len; i++)
		lines += live[i] == '\n';
	ck_assert_msg(vmv_mountinfo_parse(live, &all, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(all.n, lines);
	for (size_t i = 0; i < all.n; i++)
		has_root = has_root || (strcmp(all.v[i].target, "/") == 0 &&
					!vmv_mounts_is_covered(&all, &all.v[i]) &&
					!vmv_mounts_is_hidden(&all, &all.v[i]));
	if (!has_root) /* in a chroot it is no mount */
		SAY_SKIPPED("nothing is mounted on / as seen from here");
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mountinfo");
	TCase *tc = tcase_create("mountinfo");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, NULL, down);
	tcase_add_test(tc, a_line_with_everything);
	tcase_add_test(tc, optional_fields_are_any_number_of_any_kind);
	tcase_add_test(tc, escapes_are_undone_and_only_those);
	tcase_add_test(tc, what_the_kernel_really_writes_at_times);
	tcase_add_test(tc, nothing_mounted_is_an_empty_list);
	tcase_add_loop_test(tc, malformed_input_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, a_parent_is_found_by_its_number);
	tcase_add_test(tc, a_mount_is_covered_by_one_on_itself);
	tcase_add_test(tc, a_mount_is_hidden_by_one_above_it_on_the_same_parent);
	tcase_add_test(tc, the_index_agrees_with_looking_at_all);
	tcase_add_test(tc, options_are_whole_words);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
