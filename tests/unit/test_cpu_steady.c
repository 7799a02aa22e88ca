#include "collectors/cpu_steady.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_cpu_mark mark;

static void up(void)
{
	vmv_cpu_mark_init(&mark);
}

/* All columns v, but idle and iowait. */
static struct vmv_cpu_sample ticks(uint64_t v, uint64_t idle, uint64_t iowait)
{
	return (struct vmv_cpu_sample){ v, v, v, idle, iowait, v, v, v, v, v };
}

static struct vmv_cpu_sample settle(struct vmv_cpu_sample c, unsigned steps)
{
	ck_assert_uint_eq(vmv_cpu_mark_settle(&mark, &c), steps);
	return c;
}

START_TEST(the_first_reading_is_told_as_it_is)
{
	struct vmv_cpu_sample c = settle(ticks(100, 5000, 0), 0);

	ck_assert_uint_eq(c.user, 100);
	ck_assert_uint_eq(c.idle, 5000);
	ck_assert_uint_eq(c.iowait, 0);
	ck_assert_uint_eq(c.guest_nice, 100);
}
END_TEST

START_TEST(what_grows_is_told_as_it_is)
{
	struct vmv_cpu_sample c;

	(void)settle(ticks(100, 5000, 10), 0);
	c = settle(ticks(101, 5000, 2000), 0);
	ck_assert_uint_eq(c.user, 101);
	ck_assert_uint_eq(c.idle, 5000);
	ck_assert_uint_eq(c.iowait, 2000);
}
END_TEST

START_TEST(a_small_step_back_keeps_the_column_until_it_has_caught_up)
{
	struct vmv_cpu_sample c;

	(void)settle(ticks(100, 5000, 10), 0);
	c = settle(ticks(110, 4990, 10), 1);
	ck_assert_uint_eq(c.idle, 5000);
	ck_assert_uint_eq(c.user, 110);	     /* the others go on */
	c = settle(ticks(110, 4995, 10), 0); /* not a further step */
	ck_assert_uint_eq(c.idle, 5000);
	c = settle(ticks(110, 5003, 10), 0);
	ck_assert_uint_eq(c.idle, 5003);
}
END_TEST

START_TEST(each_column_counts)
{
	struct vmv_cpu_sample c;

	(void)settle(ticks(100, 5000, 10), 0);
	c = settle(ticks(100, 4999, 9), 2);
	ck_assert_uint_eq(c.idle, 5000);
	ck_assert_uint_eq(c.iowait, 10);
	(void)settle(ticks(99, 4998, 8), 10);
}
END_TEST

START_TEST(a_step_of_three_seconds_is_a_cpu_that_began_anew)
{
	struct vmv_cpu_sample c;

	(void)settle(ticks(100, 5000, 10), 0);
	c = settle(ticks(99, 4701, 10), 9); /* 2.99 s: kept, with the eight that lost a tick */
	ck_assert_uint_eq(c.idle, 5000);
	ck_assert_uint_eq(c.user, 100);
	c = settle(ticks(98, 4700, 9), 1);
	ck_assert_uint_eq(c.idle, 4700);
	ck_assert_uint_eq(c.user, 98); /* all columns, not only that one */
	ck_assert_uint_eq(c.iowait, 9);
	c = settle(ticks(98, 4701, 9), 0); /* counted from there */
	ck_assert_uint_eq(c.idle, 4701);
}
END_TEST

START_TEST(small_steps_do_not_add_up_unseen)
{
	struct vmv_cpu_sample c;

	(void)settle(ticks(100, 5000, 10), 0);
	(void)settle(ticks(100, 4800, 10), 1);
	c = settle(ticks(100, 4690, 10), 1); /* 3.1 s behind what was told */
	ck_assert_uint_eq(c.idle, 4690);
}
END_TEST

START_TEST(what_is_unknown_stays_unknown_and_is_no_step)
{
	struct vmv_cpu_sample c;

	(void)settle(ticks(100, 5000, VMV_UNSET), 0);
	c = settle(ticks(100, VMV_UNSET, 10), 0);
	ck_assert(c.idle == VMV_UNSET);
	ck_assert_uint_eq(c.iowait, 10);
	c = settle(ticks(100, 4990, VMV_UNSET), 1); /* measured by what was known before */
	ck_assert_uint_eq(c.idle, 5000);
	ck_assert(c.iowait == VMV_UNSET);
	c = settle(ticks(100, 5001, 11), 0);
	ck_assert_uint_eq(c.idle, 5001);
	ck_assert_uint_eq(c.iowait, 11);
}
END_TEST

START_TEST(numbers_at_the_limit_do_not_wrap)
{
	struct vmv_cpu_sample c;

	(void)settle(ticks(VMV_UNSET - 1, 0, 0), 0);
	c = settle(ticks(VMV_UNSET - 2, 0, 0), 8);
	ck_assert_uint_eq(c.user, VMV_UNSET - 1);
	c = settle(ticks(0, 7, 7), 1);
	ck_assert_uint_eq(c.user, 0);
}
END_TEST

START_TEST(each_cpu_has_its_own_past)
{
	struct vmv_cpu_steady s = { 0 };
	struct vmv_cpu_sample c = ticks(1, 900, 0);

	ck_assert_int_eq(vmv_cpu_steady_settle(&s, 0, &c), 0);
	c = ticks(1, 500, 0);
	ck_assert_int_eq(vmv_cpu_steady_settle(&s, 7, &c), 0); /* between them none */
	ck_assert_uint_eq(c.idle, 500);
	ck_assert_uint_eq(s.steps, 0);
	c = ticks(1, 890, 0);
	ck_assert_int_eq(vmv_cpu_steady_settle(&s, 0, &c), 0);
	ck_assert_uint_eq(c.idle, 900);
	c = ticks(1, 499, 0);
	ck_assert_int_eq(vmv_cpu_steady_settle(&s, 7, &c), 0);
	ck_assert_uint_eq(c.idle, 500);
	ck_assert_uint_eq(s.steps, 2);
	vmv_cpu_steady_done(&s);
	ck_assert_ptr_null(s.cpus);
	vmv_cpu_steady_done(&s);
}
END_TEST

START_TEST(memory_has_a_bound)
{
	struct vmv_cpu_steady s = { 0 };
	struct vmv_cpu_sample c = ticks(1, 900, 0);

	ck_assert_int_eq(vmv_cpu_steady_settle(&s, UINT32_MAX, &c), 0);
	ck_assert_int_eq(vmv_cpu_steady_settle(&s, VMV_CPUS_MAX, &c), 0);
	ck_assert_uint_eq(s.n, 0);
	ck_assert_uint_eq(c.idle, 900);
	ck_assert_int_eq(vmv_cpu_steady_settle(&s, VMV_CPUS_MAX - 1, &c), 0);
	ck_assert_uint_eq(s.n, VMV_CPUS_MAX);
	vmv_cpu_steady_done(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cpu_steady");
	TCase *tc = tcase_create("cpu_steady");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, NULL);
	tcase_add_test(tc, the_first_reading_is_told_as_it_is);
	tcase_add_test(tc, what_grows_is_told_as_it_is);
	tcase_add_test(tc, a_small_step_back_keeps_the_column_until_it_has_caught_up);
	tcase_add_test(tc, each_column_counts);
	tcase_add_test(tc, a_step_of_three_seconds_is_a_cpu_that_began_anew);
	tcase_add_test(tc, small_steps_do_not_add_up_unseen);
	tcase_add_test(tc, what_is_unknown_stays_unknown_and_is_no_step);
	tcase_add_test(tc, numbers_at_the_limit_do_not_wrap);
	tcase_add_test(tc, each_cpu_has_its_own_past);
	tcase_add_test(tc, memory_has_a_bound);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
