#include "config/identity.h"

#include "base/cleanup.h"
#include "base/uuid.h"
#include "collectors/os.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MACHINE_ID   "3f2b6c1e9a444d7c8d526a1f0c9be001"
#define MACHINE_UUID "3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001"

static struct fixture fx;
static struct vmv_os_sample os;
static char id[VMV_VM_ID_SIZE];

static void up(void)
{
	fixture_up(&fx);
	os = (struct vmv_os_sample){ .machine_id = MACHINE_ID };
}

static void down(void)
{
	fixture_down(&fx);
}

static void expect(const char *configured, const char *from_env, const char *expected)
{
	memset(id, 'x', sizeof(id));
	vmv_vm_id(configured, from_env, &fx.root, &os, id);
	ck_assert_str_eq(id, expected);
}

START_TEST(the_first_source_that_has_one_counts)
{
	fixture_put(&fx, "etc/environment", "PATH=/bin\nINFINIBAY_VM_ID=from-file\n");
	expect("configured", "from-env", "configured");
	expect("", "from-env", "from-env");
	expect("", "", "from-file");
	expect("", NULL, "from-file");
	fixture_put(&fx, "etc/environment", "PATH=/bin\n");
	expect("", NULL, MACHINE_UUID);
	os.machine_id[0] = '\0';
	expect("", NULL, VMV_UUID_NIL);
	ck_assert_str_eq(VMV_UUID_NIL, "00000000-0000-0000-0000-000000000000");
}
END_TEST

START_TEST(without_the_file_there_is_the_machine_id)
{
	expect("", NULL, MACHINE_UUID);
}
END_TEST

/* Lines of /etc/environment; NULL: none of them counts. */
static const struct {
	const char *text, *id;
} lines[] = {
	{ "INFINIBAY_VM_ID=a\n", "a" },
	{ "INFINIBAY_VM_ID=a", "a" },
	{ "INFINIBAY_VM_ID=a \r\n", "a" },
	{ "INFINIBAY_VM_ID=\"a\"\n", "a" },
	{ "INFINIBAY_VM_ID='a'\n", "a" },
	{ "\n\n# x\nINFINIBAY_VM_ID=a\nINFINIBAY_VM_ID=b\n", "a" },
	{ "INFINIBAY_VM_IDS=a\nINFINIBAY_VM_ID=b\n", "b" },
	{ "#INFINIBAY_VM_ID=a\n", NULL },
	{ "XINFINIBAY_VM_ID=a\n", NULL },
	{ "INFINIBAY_VM_ID=\n", NULL },
	{ "INFINIBAY_VM_ID=\"\"\n", NULL },
	{ "INFINIBAY_VM_ID=a b\n", NULL },
	{ "INFINIBAY_VM_ID=a\"b\n", NULL },
	{ "INFINIBAY_VM_ID=a\\b\n", NULL },
	{ "INFINIBAY_VM_ID=\xc3\xa4\n", NULL },
	{ "INFINIBAY_VM_ID=a\x01\n", NULL },
	{ "INFINIBAY_VM_ID", NULL },
	{ "", NULL },
};

START_TEST(what_stands_in_the_file)
{
	fixture_put(&fx, "etc/environment", lines[_i].text);
	expect("", NULL, lines[_i].id ? lines[_i].id : MACHINE_UUID);
}
END_TEST

START_TEST(an_id_has_128_characters_at_most)
{
	char text[VMV_ID_MAX + 2];

	memset(text, 'i', sizeof(text) - 1);
	text[VMV_ID_MAX] = '\0';
	expect("", text, text);
	text[VMV_ID_MAX] = 'i';
	text[VMV_ID_MAX + 1] = '\0';
	expect("", text, MACHINE_UUID);
}
END_TEST

START_TEST(what_cannot_be_an_id_is_passed_over)
{
	expect("a b", "from-env", "from-env");
	expect("", "a\nb", MACHINE_UUID);
	expect("", "\"", MACHINE_UUID);
}
END_TEST

START_TEST(a_tree_without_etc_is_fine)
{
	struct vmv_root no_etc = fx.root;

	no_etc.etc = -1;
	vmv_vm_id("", NULL, &no_etc, &os, id);
	ck_assert_str_eq(id, MACHINE_UUID);
}
END_TEST

START_TEST(the_system_is_read_once)
{
	guest_put(&fx);
	memset(&os, 'x', sizeof(os));
	vmv_os_read(&fx.root, &os);
	ck_assert_str_eq(os.id, "debian");
	ck_assert_str_eq(os.hostname, "web-1");
	ck_assert_str_eq(os.boot_id, "5f0c2d1a-7b3e-4a86-91d2-0c4e8f6a2b17");
	expect("", NULL, MACHINE_UUID);
}
END_TEST

START_TEST(an_empty_tree_says_little)
{
	memset(&os, 'x', sizeof(os));
	vmv_os_read(&fx.root, &os);
	ck_assert_str_eq(os.machine_id, "");
	ck_assert_str_eq(os.boot_id, "");
	expect("", NULL, VMV_UUID_NIL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("identity");
	TCase *tc = tcase_create("identity");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, the_first_source_that_has_one_counts);
	tcase_add_test(tc, without_the_file_there_is_the_machine_id);
	tcase_add_loop_test(tc, what_stands_in_the_file, 0, (int)VMV_COUNTOF(lines));
	tcase_add_test(tc, an_id_has_128_characters_at_most);
	tcase_add_test(tc, what_cannot_be_an_id_is_passed_over);
	tcase_add_test(tc, a_tree_without_etc_is_fine);
	tcase_add_test(tc, the_system_is_read_once);
	tcase_add_test(tc, an_empty_tree_says_little);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
