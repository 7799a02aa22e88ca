#include "base/root.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1024u * 1024u)

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

START_TEST(a_tree_without_etc_is_a_root_too)
{
	struct vmv_root root = VMV_ROOT_NONE;
	char path[128];

	fixture_mkdir(&fx, "tree/proc");
	fixture_mkdir(&fx, "tree/sys");
	(void)snprintf(path, sizeof(path), "%s/tree", fx.dir);
	ck_assert_int_eq(vmv_root_open(&root, path, NULL), 0);
	ck_assert_int_ge(root.top, 0);
	ck_assert_int_ge(root.proc, 0);
	ck_assert_int_ge(root.sys, 0);
	ck_assert_int_eq(root.etc, -1);
	ck_assert_int_eq(fcntl(root.top, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(root.proc, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(root.sys, F_GETFD), FD_CLOEXEC);
	vmv_root_close(&root);
	ck_assert_int_eq(root.top, -1);
	vmv_root_close(&root); /* does nothing */
}
END_TEST

START_TEST(only_the_running_kernels_proc_is_live)
{
	struct vmv_root root;

	ck_assert(!fx.root.is_live);
	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	ck_assert(root.is_live);
	vmv_root_close(&root);
}
END_TEST

START_TEST(an_open_table_is_read_from_its_beginning_each_time)
{
	vmv_autofree char *buf = NULL;
	size_t cap = 0;
	vmv_autoclose int fd = -1;

	fixture_put(&fx, "proc/table", "one\ntwo\n");
	fd = openat(fx.root.proc, "table", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(vmv_read_table_fd(fd, &buf, &cap, 100), 8);
	ck_assert_str_eq(buf, "one\ntwo\n");
	fixture_put(&fx, "proc/table", "three\n");
	ck_assert_int_eq(vmv_read_table_fd(fd, &buf, &cap, 100), 6);
	ck_assert_str_eq(buf, "three\n");
	ck_assert_int_eq(vmv_read_table_fd(-1, &buf, &cap, 100), -EBADF);
}
END_TEST

START_TEST(etc_is_opened_when_it_is_there)
{
	char buf[8];

	fixture_put(&fx, "etc/x", "y");
	ck_assert_int_ge(fx.root.etc, 0);
	ck_assert_int_eq(vmv_read_at(fx.root.etc, "x", buf, sizeof(buf)), 1);
}
END_TEST

START_TEST(a_directory_that_is_no_root_is_refused_and_output_left_alone)
{
	struct vmv_root root = { .top = 7, .proc = 7, .sys = 7, .etc = 7 };
	struct vmv_err err = { 0 };
	char path[128];

	fixture_mkdir(&fx, "tree/proc");
	(void)snprintf(path, sizeof(path), "%s/tree", fx.dir);
	ck_assert_int_eq(vmv_root_open(&root, path, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_int_eq(vmv_root_open(&root, "/nowhere/at/all", &err), -ENOENT);
	ck_assert_int_eq(root.top, 7);
	ck_assert_int_eq(root.sys, 7);
}
END_TEST

START_TEST(a_record_must_fit_with_its_nul)
{
	char buf[8];

	fixture_put(&fx, "proc/seven", "1234567");
	fixture_put(&fx, "proc/eight", "12345678");
	fixture_put(&fx, "proc/none", "");
	ck_assert_int_eq(vmv_read_at(fx.root.proc, "seven", buf, sizeof(buf)), 7);
	ck_assert_str_eq(buf, "1234567");
	ck_assert_int_eq(vmv_read_at(fx.root.proc, "eight", buf, sizeof(buf)), -EFBIG);
	ck_assert_int_eq(vmv_read_at(fx.root.proc, "none", buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "");
	ck_assert_int_eq(vmv_read_at(fx.root.proc, "absent", buf, sizeof(buf)), -ENOENT);
	ck_assert_int_eq(vmv_read_at(fx.root.proc, ".", buf, sizeof(buf)), -EISDIR);
	ck_assert_int_eq(vmv_read_at(-1, "seven", buf, sizeof(buf)), -ENOENT);
}
END_TEST

START_TEST(a_descriptor_is_read_from_its_beginning_each_time)
{
	vmv_autoclose int fd = -1;
	char buf[16];

	fixture_put(&fx, "proc/x", "first");
	fd = openat(fx.root.proc, "x", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(vmv_read_fd(fd, buf, sizeof(buf)), 5);
	fixture_put(&fx, "proc/x", "second");
	ck_assert_int_eq(vmv_read_fd(fd, buf, sizeof(buf)), 6);
	ck_assert_str_eq(buf, "second");
	ck_assert_int_eq(vmv_read_fd(-1, buf, sizeof(buf)), -EBADF);
}
END_TEST

START_TEST(a_table_grows_its_memory_up_to_its_bound)
{
	size_t len = 100000, cap = 0;
	vmv_autofree char *text = malloc(len);
	vmv_autofree char *buf = NULL;

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', len);
	fixture_put_bytes(&fx, "proc/table", text, len);
	ck_assert_int_eq(vmv_read_table_at(fx.root.proc, "table", &buf, &cap, 99999), -EFBIG);
	ck_assert_int_eq(vmv_read_table_at(fx.root.proc, "table", &buf, &cap, 100000), 100000);
	ck_assert_uint_gt(cap, len);
	ck_assert_uint_eq(strlen(buf), len);
	/* what is there is used again */
	fixture_put(&fx, "proc/table", "short");
	ck_assert_int_eq(vmv_read_table_at(fx.root.proc, "table", &buf, &cap, 100000), 5);
	ck_assert_str_eq(buf, "short");
	ck_assert_int_eq(vmv_read_table_at(fx.root.proc, "none", &buf, &cap, 100000), -ENOENT);
}
END_TEST

START_TEST(an_attribute_loses_its_end_of_line_and_is_cut)
{
	char buf[6];

	fixture_put(&fx, "sys/a", "up \n");
	ck_assert_int_eq(vmv_read_attr_at(fx.root.sys, "a", buf, sizeof(buf)), 2);
	ck_assert_str_eq(buf, "up");
	fixture_put(&fx, "sys/a", "1234567\n");
	ck_assert_int_eq(vmv_read_attr_at(fx.root.sys, "a", buf, sizeof(buf)), 5);
	ck_assert_str_eq(buf, "12345");
	fixture_put(&fx, "sys/a", "\n");
	ck_assert_int_eq(vmv_read_attr_at(fx.root.sys, "a", buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "");
	ck_assert_int_eq(vmv_read_attr_at(fx.root.sys, "b", buf, sizeof(buf)), -ENOENT);
}
END_TEST

/* Plain files cannot show it: the kernel hands out a table about one page per read(2), so
 * that one read of /proc/self/maps ends long before the stack, however large the buffer. */
START_TEST(one_read_of_a_table_stops_early_and_a_table_reader_does_not)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), cap = 0;
	vmv_autofree char *once = malloc(MIB);
	vmv_autofree char *whole = NULL;
	struct vmv_root root;
	char *map;

	ck_assert_ptr_nonnull(once);
	map = mmap(NULL, 400 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	for (size_t i = 0; i < 400; i += 2) /* every other page differs: 400 lines */
		ck_assert_int_eq(mprotect(map + i * page, page, PROT_NONE), 0);

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	ck_assert_int_gt(vmv_read_at(root.proc, "self/maps", once, MIB), 0);
	ck_assert_ptr_null(strstr(once, "[stack]"));
	ck_assert_int_gt(vmv_read_table_at(root.proc, "self/maps", &whole, &cap, MIB), 16384);
	ck_assert_ptr_nonnull(strstr(whole, "[stack]"));
	vmv_root_close(&root);
	ck_assert_int_eq(munmap(map, 400 * page), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("root");
	TCase *tc = tcase_create("root");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_tree_without_etc_is_a_root_too);
	tcase_add_test(tc, etc_is_opened_when_it_is_there);
	tcase_add_test(tc, only_the_running_kernels_proc_is_live);
	tcase_add_test(tc, an_open_table_is_read_from_its_beginning_each_time);
	tcase_add_test(tc, a_directory_that_is_no_root_is_refused_and_output_left_alone);
	tcase_add_test(tc, a_record_must_fit_with_its_nul);
	tcase_add_test(tc, a_descriptor_is_read_from_its_beginning_each_time);
	tcase_add_test(tc, a_table_grows_its_memory_up_to_its_bound);
	tcase_add_test(tc, an_attribute_loses_its_end_of_line_and_is_cut);
	tcase_add_test(tc, one_read_of_a_table_stops_early_and_a_table_reader_does_not);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
