#include "agent/keeper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "collectors/memory.h"
#include "reports/facts.h"
#include "reports/metrics.h"
#include "reports/rates.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"
#include "tests/lib/warp.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;
static struct event_base *base;
static struct vmv_keeper *keeper;
static struct vmv_metrics_options options = { .processes = 20 };

/* What one asker was told. */
struct seen {
	unsigned calls, nulls;
	uint64_t at_ms;	    /* when, last */
	uint64_t read_ns;   /* end of the reading */
	double seconds;	    /* that rates are over */
	uint64_t total_kib; /* MemTotal */
	unsigned asks;	    /* so often it asks again from its callback */
	struct seen *forgets;
};

static struct vmv_ask whole(uint32_t max_age_ms)
{
	return (struct vmv_ask){ vmv_metrics_groups(), max_age_ms, true };
}

static void on_view(void *arg, const struct vmv_view *view)
{
	struct seen *s = arg;

	s->calls++;
	s->nulls += !view;
	s->at_ms = warp_ms();
	if (view) {
		const struct vmv_memory_sample *m =
			vmv_facts_row(view->facts, &vmv_collector_memory);

		s->read_ns = vmv_facts_mono_ns(view->facts);
		s->seconds = view->rates->seconds;
		s->total_kib = m ? m->total / 1024 : 0;
		ck_assert_ptr_eq(view->options, &options);
		ck_assert_ptr_nonnull(view->addresses);
	}
	if (s->forgets)
		vmv_keeper_forget(keeper, s->forgets);
	if (s->asks > 0) {
		const struct vmv_ask again = whole(0);

		s->asks--;
		(void)vmv_keeper_ask(keeper, &again, on_view, s);
	}
}

static void ask(uint32_t max_age_ms, struct seen *s)
{
	const struct vmv_ask what = whole(max_age_ms);

	ck_assert_int_eq(vmv_keeper_ask(keeper, &what, on_view, s), 0);
}

static void put_memory(unsigned total_kib)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "MemTotal: %u kB\nMemAvailable: 1 kB\n", total_kib);
	fixture_put(&fx, "proc/meminfo", text);
}

static void up(void)
{
	fixture_up(&fx);
	guest_put(&fx);
	put_memory(1000);
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	keeper = vmv_keeper_new(base, &vmv_clock_system, &fx.root, &options);
	ck_assert_ptr_nonnull(keeper);
}

static void down(void)
{
	vmv_keeper_free(keeper);
	event_base_free(base);
	fixture_down(&fx);
}

/* Until nobody waits. */
static void settle(void)
{
	ck_assert_int_ge(event_base_dispatch(base), 0);
}

/* One asker, whole. */
static struct seen read_now(uint32_t max_age_ms)
{
	struct seen s = { 0 };

	ask(max_age_ms, &s);
	settle();
	ck_assert_uint_eq(s.calls, 1);
	ck_assert_uint_eq(s.nulls, 0);
	return s;
}

/* Into the midst of a reading: one slice of it. */
static void one_turn(void)
{
	ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* -- when ----------------------------------------------------------------------------------------
 */

START_TEST(the_first_reading_has_the_gap_and_the_next_has_not)
{
	uint64_t began = warp_ms();
	struct seen s = read_now(0);

	ck_assert_uint_eq(s.at_ms, began + VMV_CPU_GAP_MS);
	ck_assert_double_eq_tol(s.seconds, 0.25, 1e-9);
	ck_assert_uint_eq(s.total_kib, 1000);
	warp_pass(600);
	began = warp_ms();
	s = read_now(0);
	ck_assert_uint_eq(s.at_ms, began);
	ck_assert_double_eq_tol(s.seconds, 0.85, 1e-9); /* since the first, which began before */
	warp_pass(30000);
	s = read_now(0);
	ck_assert_double_eq_tol(s.seconds, 30, 1e-9);
}
END_TEST

START_TEST(rates_are_never_over_less_than_half_a_second_without_a_gap)
{
	struct seen s = read_now(0);

	for (unsigned i = 0; i < 40; i++) {
		uint64_t began;

		warp_pass(40 + i * 13 % 400);
		began = warp_ms();
		s = read_now(0);
		if (s.at_ms == began)
			ck_assert_double_ge(s.seconds, 0.5);
		else
			ck_assert_double_eq_tol(s.seconds, 0.25, 1e-9);
		ck_assert_double_le(s.seconds, 120);
	}
}
END_TEST

START_TEST(readings_in_quick_succession_compare_with_the_same_older_one)
{
	struct seen s;

	(void)read_now(0);
	warp_pass(1000);
	(void)read_now(0);
	warp_pass(100); /* too close to the last one: the one before serves */
	s = read_now(0);
	ck_assert_double_eq_tol(s.seconds, 1.35, 1e-9);
	warp_pass(100);
	s = read_now(0);
	ck_assert_double_eq_tol(s.seconds, 1.45, 1e-9);
	warp_pass(300);
	s = read_now(0);
	ck_assert_double_eq_tol(s.seconds, 0.5, 1e-9);
}
END_TEST

START_TEST(a_reading_of_two_minutes_ago_is_of_no_use)
{
	uint64_t began;
	struct seen s;

	(void)read_now(0);
	warp_pass(120000 - VMV_CPU_GAP_MS);
	began = warp_ms();
	s = read_now(0);
	ck_assert_uint_eq(s.at_ms, began); /* exactly so old will do */
	ck_assert_double_eq_tol(s.seconds, 120, 1e-9);
	warp_pass(120001);
	began = warp_ms();
	s = read_now(0);
	ck_assert_uint_eq(s.at_ms, began + VMV_CPU_GAP_MS);
	ck_assert_double_eq_tol(s.seconds, 0.25, 1e-9);
}
END_TEST

/* -- for whom
 * -------------------------------------------------------------------------------------- */

START_TEST(one_reading_serves_all_who_asked)
{
	struct seen all[20] = { 0 };

	for (size_t i = 0; i < VMV_COUNTOF(all); i++)
		ask(i % 2 ? 0 : 1000, &all[i]);
	settle();
	for (size_t i = 0; i < VMV_COUNTOF(all); i++) {
		ck_assert_uint_eq(all[i].calls, 1);
		ck_assert_uint_eq(all[i].nulls, 0);
		ck_assert_uint_eq(all[i].read_ns, all[0].read_ns);
	}
}
END_TEST

START_TEST(a_young_reading_is_handed_out_at_once)
{
	struct seen first = read_now(0), s = { 0 };

	put_memory(2000);
	warp_pass(999);
	ask(1000, &s);
	ck_assert_uint_eq(s.calls, 1); /* in the call */
	ck_assert_uint_eq(s.read_ns, first.read_ns);
	ck_assert_uint_eq(s.total_kib, 1000);
	warp_pass(1);
	ask(1000, &s);
	ck_assert_uint_eq(s.calls, 1);
	settle();
	ck_assert_uint_eq(s.calls, 2);
	ck_assert_uint_eq(s.total_kib, 2000);
	warp_pass(1000000);
	put_memory(3000);
	ask(UINT32_MAX, &s); /* of whatever age */
	ck_assert_uint_eq(s.calls, 3);
	ck_assert_uint_eq(s.total_kib, 2000);
}
END_TEST

START_TEST(an_age_of_zero_is_a_reading_that_begins_now)
{
	struct seen s = read_now(0);

	put_memory(2000);
	s = read_now(0); /* no time has passed */
	ck_assert_uint_eq(s.total_kib, 2000);
}
END_TEST

static void on_total(void *arg, const struct vmv_view *view)
{
	const struct vmv_memory_sample *m = vmv_facts_row(view->facts, &vmv_collector_memory);
	uint64_t *ret = arg;

	*ret = m->total / 1024;
}

static void count_view(void *arg, const struct vmv_view *view)
{
	ck_assert_ptr_nonnull(view);
	++*(unsigned *)arg;
}

/* For who works piece by piece: the loop sees to the others before it is called. */
START_TEST(a_reading_of_nothing_has_a_later_turn)
{
	const struct vmv_ask nothing = { .max_age_ms = 0 };
	const struct vmv_ask any = { .max_age_ms = UINT32_MAX };
	uint64_t began;
	unsigned calls = 0;

	(void)read_now(0);
	began = warp_ms();
	ck_assert_int_eq(vmv_keeper_ask(keeper, &any, count_view, &calls), 0);
	ck_assert_uint_eq(calls, 1);
	ck_assert_int_eq(vmv_keeper_ask(keeper, &nothing, count_view, &calls), 0);
	ck_assert_uint_eq(calls, 1);
	settle();
	ck_assert_uint_eq(calls, 2);
	ck_assert_uint_eq(warp_ms(), began);
	ck_assert_int_eq(vmv_keeper_ask(keeper, &nothing, count_view, &calls), 0);
	vmv_keeper_forget(keeper, &calls);
	settle();
	ck_assert_uint_eq(calls, 2);
}
END_TEST

START_TEST(what_any_reading_tells_does_not_wait_for_the_one_under_way)
{
	const struct vmv_ask any = { .groups = vmv_group(&vmv_collector_memory),
				     .max_age_ms = UINT32_MAX };
	struct seen before = read_now(0), fresh = { 0 };
	uint64_t total_kib = 0;

	ck_assert_uint_eq(before.calls, 1);
	warp_pass(5000);
	put_memory(2000);
	ask(0, &fresh);
	ck_assert_int_eq(vmv_keeper_ask(keeper, &any, on_total, &total_kib), 0);
	ck_assert_uint_eq(total_kib, 1000); /* in the call */
	ck_assert_uint_eq(fresh.calls, 0);
	settle();
	ck_assert_uint_eq(fresh.total_kib, 2000);
}
END_TEST

START_TEST(who_asks_during_a_reading_for_a_new_one_gets_a_new_one)
{
	struct seen before = { 0 }, fresh = { 0 }, any = { 0 };

	(void)read_now(0);
	warp_pass(1000);
	ask(0, &before);
	one_turn(); /* memory has been read */
	ck_assert_uint_eq(before.calls, 0);
	put_memory(2000);
	ask(0, &fresh);
	ask(1000, &any);
	ck_assert_uint_eq(any.calls, 0);
	settle();
	ck_assert_uint_eq(before.total_kib, 1000);
	ck_assert_uint_eq(fresh.total_kib, 2000);
	ck_assert_uint_eq(any.total_kib, 1000); /* the one under way is young enough */
	ck_assert_uint_eq(before.calls + fresh.calls + any.calls, 3);
}
END_TEST

START_TEST(who_asks_before_the_second_reading_begins_gets_that)
{
	struct seen first = { 0 }, in_gap = { 0 };

	ask(0, &first);
	warp_run(base, 100); /* waiting for the second */
	ck_assert_uint_eq(first.calls, 0);
	put_memory(2000);
	ask(0, &in_gap);
	settle();
	ck_assert_uint_eq(in_gap.calls, 1);
	ck_assert_uint_eq(in_gap.read_ns, first.read_ns);
	ck_assert_uint_eq(in_gap.total_kib, 2000);
}
END_TEST

START_TEST(a_callback_may_ask_again)
{
	struct seen s = { .asks = 3 }, other = { 0 };

	ask(0, &s);
	ask(0, &other);
	settle();
	ck_assert_uint_eq(s.calls, 4);
	ck_assert_uint_eq(s.nulls, 0);
	ck_assert_uint_eq(other.calls, 1);
}
END_TEST

/* -- forgetting
 * ------------------------------------------------------------------------------------ */

START_TEST(who_is_forgotten_is_not_called)
{
	struct seen a = { 0 }, b = { 0 }, c = { 0 };

	ask(0, &a);
	ask(0, &b);
	ask(0, &a);
	ask(0, &c);
	vmv_keeper_forget(keeper, &a);
	settle();
	ck_assert_uint_eq(a.calls, 0);
	ck_assert_uint_eq(b.calls, 1);
	ck_assert_uint_eq(c.calls, 1);
	vmv_keeper_forget(keeper, &a); /* nobody waits */

	/* those who wait for the reading after this one, too */
	ask(0, &b);
	one_turn();
	ask(0, &a);
	vmv_keeper_forget(keeper, &a);
	settle();
	ck_assert_uint_eq(a.calls, 0);
	ck_assert_uint_eq(b.calls, 2);
}
END_TEST

START_TEST(all_may_be_forgotten)
{
	struct seen a = { 0 };

	ask(0, &a);
	one_turn();
	vmv_keeper_forget(keeper, &a);
	settle();
	ck_assert_uint_eq(a.calls, 0);
	(void)read_now(0);
}
END_TEST

START_TEST(a_callback_may_forget_others_and_itself)
{
	struct seen a = { 0 }, b = { 0 }, c = { 0 };

	a.forgets = &b;
	c.forgets = &c;
	ask(0, &a);
	ask(0, &b);
	ask(0, &c);
	ask(0, &c);
	settle();
	ck_assert_uint_eq(a.calls, 1);
	ck_assert_uint_eq(b.calls, 0);
	ck_assert_uint_eq(c.calls, 1);
}
END_TEST

/* -- the end
 * --------------------------------------------------------------------------------------- */

static void free_keeper(void)
{
	vmv_keeper_free(keeper);
	keeper = NULL;
}

START_TEST(whoever_waits_at_the_end_is_told_so)
{
	struct seen current = { 0 }, next = { 0 };

	(void)read_now(0);
	warp_pass(1000);
	ask(0, &current);
	one_turn();
	ask(0, &next);
	free_keeper();
	ck_assert_uint_eq(current.calls, 1);
	ck_assert_uint_eq(current.nulls, 1);
	ck_assert_uint_eq(next.calls, 1);
	ck_assert_uint_eq(next.nulls, 1);
	settle(); /* and no timer is left */
	vmv_keeper_free(NULL);
}
END_TEST

START_TEST(who_asks_again_at_the_end_does_not_hold_it_up)
{
	struct seen s = { .asks = 1000000 }, gap = { .asks = 1000000 };

	ask(0, &gap);
	warp_run(base, 100);
	free_keeper();
	ck_assert_uint_eq(gap.calls, 1);
	keeper = vmv_keeper_new(base, &vmv_clock_system, &fx.root, &options);
	ask(0, &s);
	free_keeper();
	ck_assert_uint_eq(s.calls, 1);
	ck_assert_uint_eq(s.nulls, 1);
}
END_TEST

START_TEST(a_keeper_nobody_asked_reads_nothing)
{
	size_t n;
	const struct vmv_collector_status *s;

	warp_run(base, 60000);
	s = vmv_facts_status(vmv_keeper_facts(keeper), &n);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(s[i].read_ms, 0);
	ck_assert(!vmv_keeper_has_address(keeper));
	ck_assert(!vmv_keeper_doubts(keeper));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("keeper");
	TCase *tc = tcase_create("keeper");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_first_reading_has_the_gap_and_the_next_has_not);
	tcase_add_test(tc, rates_are_never_over_less_than_half_a_second_without_a_gap);
	tcase_add_test(tc, readings_in_quick_succession_compare_with_the_same_older_one);
	tcase_add_test(tc, a_reading_of_two_minutes_ago_is_of_no_use);
	tcase_add_test(tc, one_reading_serves_all_who_asked);
	tcase_add_test(tc, a_young_reading_is_handed_out_at_once);
	tcase_add_test(tc, an_age_of_zero_is_a_reading_that_begins_now);
	tcase_add_test(tc, a_reading_of_nothing_has_a_later_turn);
	tcase_add_test(tc, what_any_reading_tells_does_not_wait_for_the_one_under_way);
	tcase_add_test(tc, who_asks_during_a_reading_for_a_new_one_gets_a_new_one);
	tcase_add_test(tc, who_asks_before_the_second_reading_begins_gets_that);
	tcase_add_test(tc, a_callback_may_ask_again);
	tcase_add_test(tc, who_is_forgotten_is_not_called);
	tcase_add_test(tc, all_may_be_forgotten);
	tcase_add_test(tc, a_callback_may_forget_others_and_itself);
	tcase_add_test(tc, whoever_waits_at_the_end_is_told_so);
	tcase_add_test(tc, who_asks_again_at_the_end_does_not_hold_it_up);
	tcase_add_test(tc, a_keeper_nobody_asked_reads_nothing);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
