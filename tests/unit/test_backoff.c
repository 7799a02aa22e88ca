#include "base/backoff.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

static void check_pause(struct vmv_backoff *b, uint32_t ceiling)
{
	uint32_t pause = vmv_backoff_next(b);

	ck_assert_uint_ge(pause, ceiling - ceiling / 2);
	ck_assert_uint_le(pause, ceiling);
}

START_TEST(doubles_up_to_the_maximum_and_begins_anew)
{
	struct vmv_backoff b = { .min_ms = 1000, .max_ms = 30000 };

	for (int round = 0; round < 20; round++) {
		check_pause(&b, 1000);
		check_pause(&b, 2000);
		check_pause(&b, 4000);
		check_pause(&b, 8000);
		check_pause(&b, 16000);
		check_pause(&b, 30000);
		check_pause(&b, 30000);
		vmv_backoff_reset(&b);
	}
}
END_TEST

START_TEST(pauses_differ)
{
	struct vmv_backoff b = { .min_ms = 1000000, .max_ms = 1000000 };
	uint32_t first = vmv_backoff_next(&b);
	bool differ = false;

	for (int i = 0; i < 50; i++)
		differ |= vmv_backoff_next(&b) != first;
	ck_assert(differ);
}
END_TEST

START_TEST(extremes_do_not_overflow)
{
	struct vmv_backoff none = { 0 };
	struct vmv_backoff one = { .min_ms = 1, .max_ms = 1 };
	struct vmv_backoff big = { .min_ms = 3000000000u, .max_ms = UINT32_MAX };

	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(vmv_backoff_next(&none), 0);
		check_pause(&one, 1);
	}
	check_pause(&big, 3000000000u);
	check_pause(&big, UINT32_MAX);
	check_pause(&big, UINT32_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("backoff");
	TCase *tc = tcase_create("backoff");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, doubles_up_to_the_maximum_and_begins_anew);
	tcase_add_test(tc, pauses_differ);
	tcase_add_test(tc, extremes_do_not_overflow);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
