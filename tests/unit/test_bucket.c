#include "base/bucket.h"

#include <check.h>
#include <stdlib.h>

static unsigned take_all(struct vmv_bucket *b, uint64_t now_ms)
{
	unsigned n = 0;

	while (vmv_bucket_take(b, now_ms))
		n++;
	return n;
}

START_TEST(a_burst_then_one_token_per_period)
{
	struct vmv_bucket b = VMV_BUCKET(20, 200);

	b.filled_ms = 5000;
	ck_assert_uint_eq(take_all(&b, 5000), 20);
	ck_assert(!vmv_bucket_take(&b, 5199));
	ck_assert(vmv_bucket_take(&b, 5200));
	ck_assert(!vmv_bucket_take(&b, 5200));
	ck_assert(!vmv_bucket_take(&b, 5399));
	ck_assert_uint_eq(take_all(&b, 6000), 4);
}
END_TEST

START_TEST(asking_often_loses_no_fraction_of_a_token)
{
	struct vmv_bucket b = VMV_BUCKET(3, 100);
	unsigned n = 0;

	ck_assert_uint_eq(take_all(&b, 1000), 3);
	for (uint64_t now = 1000; now <= 11000; now += 7)
		n += vmv_bucket_take(&b, now);
	ck_assert_uint_eq(n, 99); /* the last question came at 10996 */
	ck_assert(vmv_bucket_take(&b, 11000));
}
END_TEST

START_TEST(never_holds_more_than_its_burst)
{
	struct vmv_bucket b = VMV_BUCKET(5, 10);

	ck_assert_uint_eq(take_all(&b, UINT64_C(1) << 60), 5);
	ck_assert_uint_eq(take_all(&b, (UINT64_C(1) << 60) + 49), 4);
	/* one token is left of a full bucket's time: it starts to fill when taken from */
	ck_assert_uint_eq(take_all(&b, (UINT64_C(1) << 60) + 100000), 5);
	ck_assert_uint_eq(take_all(&b, (UINT64_C(1) << 60) + 100009), 0);
	ck_assert_uint_eq(take_all(&b, (UINT64_C(1) << 60) + 100010), 1);
}
END_TEST

START_TEST(a_full_bucket_saves_no_time_up)
{
	struct vmv_bucket b = VMV_BUCKET(2, 100);

	ck_assert(vmv_bucket_take(&b, 1099)); /* full all the time: nothing has begun */
	ck_assert(vmv_bucket_take(&b, 1100));
	ck_assert(!vmv_bucket_take(&b, 1198));
	ck_assert(vmv_bucket_take(&b, 1199));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bucket");
	TCase *tc = tcase_create("bucket");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, a_burst_then_one_token_per_period);
	tcase_add_test(tc, asking_often_loses_no_fraction_of_a_token);
	tcase_add_test(tc, never_holds_more_than_its_burst);
	tcase_add_test(tc, a_full_bucket_saves_no_time_up);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
