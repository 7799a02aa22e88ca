#include "base/buf.h"

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

START_TEST(grows_and_keeps_what_is_in_it)
{
	struct vmv_buf b = { .max = 100000 };

	for (unsigned i = 0; i < 25000; i++)
		ck_assert_int_eq(vmv_buf_add(&b, &(uint32_t){ i }, 4), 0);
	ck_assert_uint_eq(b.len, 100000);
	for (unsigned i = 0; i < 25000; i++)
		ck_assert_int_eq(memcmp(b.data + 4 * i, &(uint32_t){ i }, 4), 0);
	vmv_buf_free(&b);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.len + b.cap, 0);
}
END_TEST

START_TEST(over_its_bound_it_is_as_it_was)
{
	struct vmv_buf b = { .max = 700 };
	char chunk[701];

	memset(chunk, 'x', sizeof(chunk));
	ck_assert_int_eq(vmv_buf_add(&b, chunk, 701), -EFBIG);
	ck_assert_ptr_null(b.data);
	ck_assert_int_eq(vmv_buf_add(&b, chunk, 699), 0);
	ck_assert_int_eq(vmv_buf_add(&b, chunk, 2), -EFBIG);
	ck_assert_int_eq(vmv_buf_reserve(&b, 2), -EFBIG);
	ck_assert_int_eq(vmv_buf_reserve(&b, SIZE_MAX), -EFBIG); /* len + more wraps */
	ck_assert_uint_eq(b.len, 699);
	ck_assert_int_eq(vmv_buf_add(&b, chunk, 1), 0);
	ck_assert_uint_eq(b.len, 700);
	ck_assert_int_eq(vmv_buf_add(&b, chunk, 0), 0);
	ck_assert_uint_eq(b.len, 700);
	vmv_buf_free(&b);
}
END_TEST

START_TEST(takes_no_more_memory_than_its_bound)
{
	struct vmv_buf b = { .max = 700 };

	ck_assert_int_eq(vmv_buf_reserve(&b, 600), 0);
	ck_assert_uint_ge(b.cap, 600);
	ck_assert_uint_le(b.cap, 700);
	vmv_buf_free(&b);
}
END_TEST

START_TEST(an_absent_piece_of_no_bytes_can_be_added)
{
	struct vmv_buf b = { .max = 0 };

	ck_assert_int_eq(vmv_buf_add(&b, NULL, 0), 0);
	ck_assert_int_eq(vmv_buf_add(&b, "x", 1), -EFBIG);
	vmv_buf_free(&b);
}
END_TEST

START_TEST(drain_moves_the_rest_to_the_front)
{
	struct vmv_buf b = { .max = 100 };

	ck_assert_int_eq(vmv_buf_add(&b, "abcdef", 6), 0);
	vmv_buf_drain(&b, 0);
	ck_assert_uint_eq(b.len, 6);
	vmv_buf_drain(&b, 4);
	ck_assert_uint_eq(b.len, 2);
	ck_assert_int_eq(memcmp(b.data, "ef", 2), 0);
	vmv_buf_drain(&b, 2);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_int_eq(vmv_buf_add(&b, "g", 1), 0);
	ck_assert_int_eq(b.data[0], 'g');
	vmv_buf_free(&b);
}
END_TEST

START_TEST(clear_gives_back_what_is_more_than_to_be_kept)
{
	struct vmv_buf b = { .max = 100000 };

	ck_assert_int_eq(vmv_buf_reserve(&b, 4096), 0);
	vmv_buf_clear(&b, 4096);
	ck_assert_ptr_nonnull(b.data);
	ck_assert_int_eq(vmv_buf_reserve(&b, 5000), 0);
	vmv_buf_clear(&b, 4096);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.cap, 0);
	ck_assert_uint_eq(b.max, 100000);
	ck_assert_int_eq(vmv_buf_add(&b, "x", 1), 0);
	vmv_buf_free(&b);
	vmv_buf_free(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("buf");
	TCase *tc = tcase_create("buf");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, grows_and_keeps_what_is_in_it);
	tcase_add_test(tc, over_its_bound_it_is_as_it_was);
	tcase_add_test(tc, takes_no_more_memory_than_its_bound);
	tcase_add_test(tc, an_absent_piece_of_no_bytes_can_be_added);
	tcase_add_test(tc, drain_moves_the_rest_to_the_front);
	tcase_add_test(tc, clear_gives_back_what_is_more_than_to_be_kept);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
