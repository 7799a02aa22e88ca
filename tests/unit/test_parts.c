#include "collectors/parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pair {
	uint64_t a, b;
};

static struct fixture fx;
static struct pair pair;
static struct vmv_err err;
static void *state;

static void up(void)
{
	fixture_up(&fx);
	state = vmv_parts_open(&fx.root);
	ck_assert_ptr_nonnull(state);
	pair = (struct pair){ 0 };
	err = (struct vmv_err){ 0 };
}

static void down(void)
{
	vmv_parts_close(state);
	fixture_down(&fx);
}

static int parse(const char *text, const char *path, void *ret, struct vmv_err *e)
{
	uint64_t v;

	if (vmv_parse_u64(text, &v, NULL) < 0)
		return vmv_fail(e, VMV_E_PARSE, EINVAL, "%s says nothing", path);
	memcpy(ret, &v, sizeof(v));
	return 0;
}

static const struct vmv_part parts[] = {
	{ "one/a", VMV_PART_TEXT, parse, offsetof(struct pair, a) },
	{ "one/b", 4, parse, offsetof(struct pair, b) },
};

static int read_pair(void)
{
	return vmv_parts_read(state, &fx.root, parts, VMV_COUNTOF(parts), &pair, sizeof(pair),
			      &err);
}

START_TEST(each_file_goes_to_its_own_place_each_time)
{
	fixture_put(&fx, "proc/one/a", "1");
	fixture_put(&fx, "proc/one/b", "2");
	ck_assert_int_eq(read_pair(), 0);
	ck_assert(pair.a == 1 && pair.b == 2);
	fixture_put(&fx, "proc/one/a", "3");
	ck_assert_int_eq(read_pair(), 0);
	ck_assert(pair.a == 3 && pair.b == 2);
	ck_assert_int_eq(err.code, VMV_OK);
}
END_TEST

START_TEST(a_file_that_is_missing_is_unknown_until_it_comes)
{
	fixture_put(&fx, "proc/one/b", "2");
	ck_assert_int_eq(read_pair(), 0);
	ck_assert(pair.a == VMV_UNSET && pair.b == 2);
	ck_assert_int_eq(err.code, VMV_OK);
	fixture_put(&fx, "proc/one/a", "1");
	ck_assert_int_eq(read_pair(), 0);
	ck_assert(pair.a == 1 && pair.b == 2);
}
END_TEST

START_TEST(no_file_at_all_is_enoent)
{
	ck_assert_int_eq(read_pair(), -ENOENT);
	ck_assert_str_eq(err.msg, "cannot read /proc/one/a: No such file or directory");
	ck_assert_int_eq(err.code, VMV_E_IO);
}
END_TEST

static void hide(const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", fx.dir, path);
	ck_assert_int_eq(chmod(full, 0), 0);
}

START_TEST(a_file_that_is_hidden_is_unknown_and_alone_a_failure)
{
	bool is_root = geteuid() == 0;

	fixture_put(&fx, "proc/one/a", "1");
	fixture_put(&fx, "proc/one/b", "2");
	hide("proc/one/a");
	if (is_root)
		ck_assert_int_eq(seteuid(65534), 0); /* from whom nothing is hidden */
	ck_assert_int_eq(read_pair(), 0);
	ck_assert(pair.a == VMV_UNSET && pair.b == 2);
	ck_assert_int_eq(err.code, VMV_OK);
	if (is_root)
		ck_assert_int_eq(seteuid(0), 0);

	vmv_parts_close(state);
	state = vmv_parts_open(&fx.root);
	ck_assert_int_eq(unlinkat(fx.root.proc, "one/b", 0), 0);
	if (is_root)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(read_pair(), -EACCES); /* not quiet, as -ENOENT would be */
	ck_assert_str_eq(err.msg, "cannot read /proc/one/a: Permission denied");
	if (is_root)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_failure)
{
	fixture_put(&fx, "proc/one/a", "1");
	fixture_mkdir(&fx, "proc/one/b");
	ck_assert_int_eq(read_pair(), -EISDIR);
	ck_assert_str_eq(err.msg, "cannot read /proc/one/b: Is a directory");
}
END_TEST

START_TEST(a_file_that_is_malformed_is_a_failure)
{
	fixture_put(&fx, "proc/one/a", "1");
	fixture_put(&fx, "proc/one/b", "x");
	ck_assert_int_eq(read_pair(), -EINVAL);
	ck_assert_str_eq(err.msg, "one/b says nothing");
}
END_TEST

START_TEST(each_file_has_its_bound)
{
	static char text[VMV_PART_TEXT + 1];

	fixture_put(&fx, "proc/one/b", "123");
	ck_assert_int_eq(read_pair(), 0);
	ck_assert_uint_eq(pair.b, 123);
	fixture_put(&fx, "proc/one/b", "1234");
	ck_assert_int_eq(read_pair(), -EFBIG);
	ck_assert_str_eq(err.msg, "cannot read /proc/one/b: File too large");
	memset(text, '1', VMV_PART_TEXT);
	fixture_put(&fx, "proc/one/a", text);
	ck_assert_int_eq(read_pair(), -EFBIG);
}
END_TEST

START_TEST(nothing_is_closed_twice)
{
	vmv_parts_close(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parts");
	TCase *tc = tcase_create("parts");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, each_file_goes_to_its_own_place_each_time);
	tcase_add_test(tc, a_file_that_is_missing_is_unknown_until_it_comes);
	tcase_add_test(tc, no_file_at_all_is_enoent);
	tcase_add_test(tc, a_file_that_is_hidden_is_unknown_and_alone_a_failure);
	tcase_add_test(tc, a_file_that_cannot_be_read_is_a_failure);
	tcase_add_test(tc, a_file_that_is_malformed_is_a_failure);
	tcase_add_test(tc, each_file_has_its_bound);
	tcase_add_test(tc, nothing_is_closed_twice);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
