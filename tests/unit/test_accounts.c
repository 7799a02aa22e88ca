#include "reports/accounts.h"

#include "base/cleanup.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

static void expect(const struct vmv_accounts *a, uid_t uid, const char *name)
{
	const char *got = vmv_accounts_name(a, uid);

	ck_assert_msg((got == NULL) == (name == NULL) && (!name || strcmp(got, name) == 0),
		      "%u is %s", uid, got ? got : "nobody");
}

START_TEST(names_are_found_by_number)
{
	struct vmv_accounts *a;

	fixture_put(&fx, "etc/passwd",
		    "root:x:0:0:root:/root:/bin/bash\n"
		    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
		    "toor:x:0:0:the same number again:/root:/bin/sh\n"
		    "max:x:4294967294:1::/:\n"
		    "last:x:1000:1000:no line end:/home/last:/bin/sh");
	a = vmv_accounts_read(&fx.root);
	ck_assert_ptr_nonnull(a);
	expect(a, 0, "root"); /* the first one, as getpwuid(3) has it */
	expect(a, 1, "daemon");
	expect(a, 1000, "last");
	expect(a, 4294967294, "max");
	expect(a, 2, NULL);
	vmv_accounts_free(a);
}
END_TEST

START_TEST(lines_that_are_no_accounts_are_skipped)
{
	struct vmv_accounts *a;

	fixture_put(&fx, "etc/passwd",
		    "# a comment\n"
		    "\n"
		    "broken\n"
		    "broken:x\n"
		    "broken:x:abc:1::/:\n"
		    "broken:x:-1:1::/:\n"
		    "broken:x:99999999999:1::/:\n"
		    "broken:x::1::/:\n"
		    ":x:5:1::/:\n"
		    "+nis:x:6:1::/:\n"
		    "+::::::\n"
		    "-nis::::::\n"
		    "good:x:7:1:::\n");
	a = vmv_accounts_read(&fx.root);
	ck_assert_ptr_nonnull(a);
	expect(a, 0, NULL);
	expect(a, 1, NULL);
	expect(a, 5, NULL);
	expect(a, 6, NULL);
	expect(a, 7, "good");
	vmv_accounts_free(a);
}
END_TEST

START_TEST(a_line_of_any_length_hides_no_other)
{
	struct vmv_accounts *a;
	char *text = malloc(100000), *p = text;

	ck_assert_ptr_nonnull(text);
	p = stpcpy(p, "first:x:1:1::/:\nlong:x:2:1:");
	memset(p, 'a', 70000);
	p = stpcpy(p + 70000, ":/:\nlast:x:3:1::/:\n");
	fixture_put(&fx, "etc/passwd", text);
	a = vmv_accounts_read(&fx.root);
	ck_assert_ptr_nonnull(a);
	expect(a, 1, "first");
	expect(a, 2, "long");
	expect(a, 3, "last");
	vmv_accounts_free(a);
	free(text);
}
END_TEST

START_TEST(without_the_file_nobody_has_a_name)
{
	struct vmv_accounts *a = vmv_accounts_read(&fx.root);

	expect(a, 0, NULL);
	vmv_accounts_free(a);
	fixture_put(&fx, "etc/passwd", "");
	a = vmv_accounts_read(&fx.root);
	expect(a, 0, NULL);
	vmv_accounts_free(a);
	expect(NULL, 0, NULL);
	vmv_accounts_free(NULL);
}
END_TEST

START_TEST(the_system_we_run_on_is_understood)
{
	struct vmv_root root;
	struct vmv_accounts *a;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	a = vmv_accounts_read(&root);
	expect(a, 0, "root");
	vmv_accounts_free(a);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("accounts");
	TCase *tc = tcase_create("accounts");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, names_are_found_by_number);
	tcase_add_test(tc, lines_that_are_no_accounts_are_skipped);
	tcase_add_test(tc, a_line_of_any_length_hides_no_other);
	tcase_add_test(tc, without_the_file_nobody_has_a_name);
	tcase_add_test(tc, the_system_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
