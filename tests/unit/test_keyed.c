#include "collectors/keyed.h"

#include "base/cleanup.h"
#include "collectors/memory.h"
#include "collectors/netstat.h"
#include "collectors/vmstat.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
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

struct numbers {
	uint64_t a, b, c, d;
};

static const struct vmv_field fields[] = {
	{ .source = "Ip In", .offset = offsetof(struct numbers, a) },
	{ .source = "Tcp In", .offset = offsetof(struct numbers, b) },
	{ .source = "Tcp InErrs", .offset = offsetof(struct numbers, c) },
	{ .source = "TcpExt In", .offset = offsetof(struct numbers, d) },
};
static const struct vmv_keys keys = { .fields = fields, .n = VMV_COUNTOF(fields) };

static const struct {
	const char *key;
	int at; /* -1: not found */
} lookups[] = {
	{ "Ip In", 0 },	    { "Tcp In", 1 },   { "Tcp InErrs", 2 },   { "TcpExt In", 3 },
	{ "", -1 },	    { "A", -1 },       { "Ip", -1 },	      { "Ip I", -1 },
	{ "Ip In ", -1 },   { "Tcp InE", -1 }, { "Tcp InErrsX", -1 }, { "Zzz", -1 },
	{ "TcpExt I", -1 }, { "tcp In", -1 },
};

START_TEST(a_key_is_found_whole_or_not_at_all)
{
	const char *key = lookups[_i].key;
	const struct vmv_field *f = vmv_keys_find(&keys, key, strlen(key));

	if (lookups[_i].at < 0)
		ck_assert_ptr_null(f);
	else
		ck_assert_ptr_eq(f, &fields[lookups[_i].at]);
}
END_TEST

START_TEST(a_key_need_not_end_where_its_text_ends)
{
	ck_assert_ptr_eq(vmv_keys_find(&keys, "Tcp InErrs 12\n", 6), &fields[1]);
	ck_assert_ptr_eq(vmv_keys_find(&keys, "Tcp InErrs 12\n", 10), &fields[2]);
}
END_TEST

START_TEST(a_prefix_has_its_own_keys_only)
{
	struct vmv_keys tcp = vmv_keys_under(&keys, "Tcp: In", 3);
	struct vmv_keys ext = vmv_keys_under(&keys, "TcpExt", 6);

	ck_assert_uint_eq(tcp.n, 2);
	ck_assert_ptr_eq(vmv_keys_find(&tcp, "In", 2), &fields[1]);
	ck_assert_ptr_eq(vmv_keys_find(&tcp, "InErrs", 6), &fields[2]);
	ck_assert_ptr_null(vmv_keys_find(&tcp, "Tcp In", 6));
	ck_assert_uint_eq(ext.n, 1);
	ck_assert_ptr_eq(vmv_keys_find(&ext, "In", 2), &fields[3]);
	ck_assert_uint_eq(vmv_keys_under(&keys, "Udp", 3).n, 0);
	ck_assert_uint_eq(vmv_keys_under(&keys, "Tc", 2).n, 0);
	ck_assert_uint_eq(vmv_keys_under(&keys, "", 0).n, 0);
}
END_TEST

START_TEST(a_value_goes_to_the_member_of_its_field)
{
	struct numbers n = { 1, 2, 3, 4 };

	vmv_keys_put(&n, &fields[2], 7);
	ck_assert(n.a == 1 && n.b == 2 && n.c == 7 && n.d == 4);
}
END_TEST

/* What is looked up by halving must be sorted. */
START_TEST(the_tables_that_are_searched_are_sorted)
{
	static const struct vmv_collector *const searched[] = {
		&vmv_collector_memory,
		&vmv_collector_netstat,
		&vmv_collector_sockstat,
		&vmv_collector_vmstat,
	};
	const struct vmv_collector *c = searched[_i];

	for (size_t i = 1; i < c->n_fields; i++)
		ck_assert_msg(strcmp(c->fields[i - 1].source, c->fields[i].source) < 0, "%s: %s",
			      c->name, c->fields[i].source);
}
END_TEST

typedef int reread(int *fd, int dirfd, const char *path, char *buf, size_t cap);
static reread *const both[] = { vmv_reread, vmv_reread_table };

START_TEST(a_file_is_opened_when_it_comes_and_read_from_its_beginning)
{
	vmv_autoclose int fd = -1;
	char text[16];

	ck_assert_int_eq(both[_i](&fd, fx.root.proc, "x/y", text, sizeof(text)), -ENOENT);
	ck_assert_int_eq(fd, -1);
	fixture_put(&fx, "proc/x/y", "first\n");
	ck_assert_int_eq(both[_i](&fd, fx.root.proc, "x/y", text, sizeof(text)), 6);
	ck_assert_str_eq(text, "first\n");
	ck_assert_int_ge(fd, 0);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	fixture_put(&fx, "proc/x/y", "next\n");
	ck_assert_int_eq(both[_i](&fd, fx.root.proc, "x/y", text, sizeof(text)), 5);
	ck_assert_str_eq(text, "next\n");
	ck_assert_int_eq(both[_i](&fd, -1, "x/y", text, sizeof(text)), -ENOENT);
}
END_TEST

START_TEST(a_text_that_is_too_long_is_refused_and_the_file_stays_open)
{
	vmv_autoclose int fd = -1;
	char text[16], room[17];

	fixture_put(&fx, "proc/x", "0123456789abcdef");
	ck_assert_int_eq(both[_i](&fd, fx.root.proc, "x", text, sizeof(text)), -EFBIG);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(both[_i](&fd, fx.root.proc, "x", room, sizeof(room)), 16);
	ck_assert_str_eq(room, "0123456789abcdef");
}
END_TEST

START_TEST(a_descriptor_that_fails_is_given_up)
{
	vmv_autoclose int fd = -1;
	char text[16];

	fixture_mkdir(&fx, "proc/x"); /* opens, and does not read */
	ck_assert_int_eq(both[_i](&fd, fx.root.proc, "x", text, sizeof(text)), -EISDIR);
	ck_assert_int_eq(fd, -1);
}
END_TEST

/* A page is 4 KiB, and a read(2) of this file gives no more. */
START_TEST(what_the_kernel_gives_in_pieces_is_read_whole_each_time)
{
	vmv_autoclose int fd = -1;
	struct vmv_root root;
	char text[65536];

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	for (int i = 0; i < 3; i++) {
		int len = vmv_reread_table(&fd, root.proc, "vmstat", text, sizeof(text));

		ck_assert_int_gt(len, 2000);
		ck_assert_uint_eq(strlen(text), (size_t)len);
		ck_assert_int_eq(text[len - 1], '\n');
		ck_assert_int_eq(strncmp(text, "nr_free_pages ", 14), 0);
		ck_assert_ptr_null(strstr(text + 1, "\nnr_free_pages "));
	}
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("keyed");
	TCase *tc = tcase_create("keyed");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_loop_test(tc, a_key_is_found_whole_or_not_at_all, 0, (int)VMV_COUNTOF(lookups));
	tcase_add_test(tc, a_key_need_not_end_where_its_text_ends);
	tcase_add_test(tc, a_prefix_has_its_own_keys_only);
	tcase_add_test(tc, a_value_goes_to_the_member_of_its_field);
	tcase_add_loop_test(tc, the_tables_that_are_searched_are_sorted, 0, 4);
	tcase_add_loop_test(tc, a_file_is_opened_when_it_comes_and_read_from_its_beginning, 0,
			    (int)VMV_COUNTOF(both));
	tcase_add_loop_test(tc, a_text_that_is_too_long_is_refused_and_the_file_stays_open, 0,
			    (int)VMV_COUNTOF(both));
	tcase_add_loop_test(tc, a_descriptor_that_fails_is_given_up, 0, (int)VMV_COUNTOF(both));
	tcase_add_test(tc, what_the_kernel_gives_in_pieces_is_read_whole_each_time);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
