#include "base/uuid.h"

#include "base/cleanup.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void check_form(const char *uuid)
{
	ck_assert_uint_eq(strlen(uuid), 36);
	for (size_t i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23)
			ck_assert_int_eq(uuid[i], '-');
		else
			ck_assert_ptr_nonnull(strchr("0123456789abcdef", uuid[i]));
	}
}

START_TEST(random_ones_are_version_4_and_differ)
{
	char ids[200][VMV_UUID_SIZE];

	for (size_t i = 0; i < VMV_COUNTOF(ids); i++) {
		ck_assert_int_eq(vmv_uuid_random(ids[i]), 0);
		check_form(ids[i]);
		ck_assert_int_eq(ids[i][14], '4');
		ck_assert_ptr_nonnull(strchr("89ab", ids[i][19]));
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(ids[i], ids[k]);
	}
	check_form(VMV_UUID_NIL);
}
END_TEST

static const struct {
	const char *hex;
	const char *uuid; /* NULL: refused */
} ids[] = {
	{ "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef" },
	{ "0123456789ABCDEF0123456789ABCDEF", "01234567-89ab-cdef-0123-456789abcdef" },
	{ "", NULL },
	{ "0123456789abcdef0123456789abcde", NULL },
	{ "0123456789abcdef0123456789abcdef0", NULL },
	{ "0123456789abcdef0123456789abcdef\n", NULL },
	{ "0123456789abcdef0123456789abcdeg", NULL },
	{ "01234567-89ab-cdef-0123-456789abcdef", NULL },
	{ "uninitialized", NULL },
	{ "0123456789abcdef0123456789abcd\xc3\xa9", NULL },
};

START_TEST(a_machine_id_becomes_a_uuid)
{
	char buf[VMV_UUID_SIZE] = "as it was";

	ck_assert(vmv_uuid_from_hex(ids[_i].hex, buf) == (ids[_i].uuid != NULL));
	ck_assert_str_eq(buf, ids[_i].uuid ? ids[_i].uuid : "as it was");
}
END_TEST

START_TEST(random_numbers_keep_below_their_bound)
{
	bool seen[3] = { false };

	ck_assert_uint_eq(vmv_random_below(0), 0);
	ck_assert_uint_eq(vmv_random_below(1), 0);
	for (int i = 0; i < 1000; i++) {
		uint32_t v = vmv_random_below(3);

		ck_assert_uint_lt(v, 3);
		seen[v] = true;
	}
	ck_assert(seen[0] && seen[1] && seen[2]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uuid");
	TCase *tc = tcase_create("uuid");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, random_ones_are_version_4_and_differ);
	tcase_add_loop_test(tc, a_machine_id_becomes_a_uuid, 0, (int)VMV_COUNTOF(ids));
	tcase_add_test(tc, random_numbers_keep_below_their_bound);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
