#include "agent/poll.h"

#include "base/cleanup.h"
#include "tests/lib/warp.h"

#include <check.h>
#include <event2/event.h>
#include <stdlib.h>

static struct event_base *base;
static struct vmv_poll *scripts;
static struct event *answer; /* of the host */
static uint64_t began_ms;
static uint64_t asked_ms[16]; /* since the session began */
static size_t n_asked;

static void on_ask(void *arg)
{
	ck_assert_ptr_eq(arg, &n_asked);
	ck_assert_uint_lt(n_asked, VMV_COUNTOF(asked_ms));
	asked_ms[n_asked++] = warp_ms() - began_ms;
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	vmv_poll_answered(scripts);
}

static void up(void)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	scripts = vmv_poll_new(base, on_ask, &n_asked);
	ck_assert_ptr_nonnull(scripts);
	answer = event_new(base, -1, 0, on_answer, NULL);
	ck_assert_ptr_nonnull(answer);
	n_asked = 0;
}

static void down(void)
{
	event_free(answer);
	vmv_poll_free(scripts);
	event_base_free(base);
}

static void begin(uint64_t period_s)
{
	n_asked = 0;
	began_ms = warp_ms();
	vmv_poll_start(scripts, period_s);
}

/* The host's answer comes so long from now. */
static void answer_after(unsigned s)
{
	const struct timeval tv = { .tv_sec = s };

	(void)event_add(answer, &tv);
}

static void expect(const unsigned *s, size_t n)
{
	ck_assert_uint_eq(n_asked, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(asked_ms[i], s[i] * 1000);
}

#define EXPECT(...)                               \
	expect((const unsigned[]){ __VA_ARGS__ }, \
	       sizeof((const unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))

#define LONG_MS 900000 /* longer than the period */

START_TEST(a_host_that_never_answers_is_asked_three_times)
{
	begin(600);
	EXPECT(0); /* at once, not in the next turn */
	warp_run(base, LONG_MS);
	EXPECT(0, 10 + 2, 10 + 2 + 10 + 4);
}
END_TEST

START_TEST(a_host_that_answers_is_asked_again_after_the_period)
{
	begin(600);
	answer_after(1);
	warp_run(base, 602 * 1000);
	EXPECT(0, 601);
	answer_after(3);
	warp_run(base, 610 * 1000);
	EXPECT(0, 601, 602 + 3 + 600);
}
END_TEST

START_TEST(an_answer_to_the_second_try_is_an_answer)
{
	begin(600);
	answer_after(13);
	warp_run(base, 620 * 1000);
	EXPECT(0, 12, 613);
}
END_TEST

START_TEST(an_answer_in_the_pause_before_a_try_saves_it)
{
	begin(600);
	answer_after(11);
	warp_run(base, 615 * 1000);
	EXPECT(0, 611);
}
END_TEST

START_TEST(a_host_that_falls_silent_later_is_asked_three_times_then)
{
	begin(600);
	answer_after(0);
	warp_run(base, LONG_MS);
	EXPECT(0, 600, 612, 626);
}
END_TEST

START_TEST(a_period_of_zero_is_never_again)
{
	begin(0);
	answer_after(1);
	warp_run(base, LONG_MS);
	EXPECT(0);
	begin(0); /* but retries there are */
	warp_run(base, LONG_MS);
	EXPECT(0, 12, 26);
}
END_TEST

/* Hosts push scripts without being asked. */
START_TEST(an_answer_to_no_question_changes_nothing)
{
	vmv_poll_answered(scripts); /* before any session */
	warp_run(base, 700 * 1000);
	ck_assert_uint_eq(n_asked, 0);
	begin(600);
	answer_after(1);
	warp_run(base, 300 * 1000);
	vmv_poll_answered(scripts); /* the period goes on */
	warp_run(base, 305 * 1000);
	EXPECT(0, 601);
}
END_TEST

START_TEST(after_three_tries_there_are_no_more_in_this_session)
{
	begin(600);
	answer_after(40); /* too late */
	warp_run(base, LONG_MS);
	EXPECT(0, 12, 26);
	begin(600); /* the next session */
	answer_after(1);
	warp_run(base, 605 * 1000);
	EXPECT(0, 601);
}
END_TEST

START_TEST(no_questions_after_the_session)
{
	begin(600);
	warp_run(base, 5000);
	vmv_poll_stop(scripts);
	warp_run(base, LONG_MS);
	EXPECT(0);
	begin(600);
	warp_run(base, 11000); /* in the pause */
	vmv_poll_stop(scripts);
	vmv_poll_stop(scripts);
	warp_run(base, LONG_MS);
	EXPECT(0);
}
END_TEST

/* The next session may be one without scripts; a push in it must not begin to ask. */
START_TEST(an_answer_after_the_session_begins_nothing)
{
	begin(600);
	warp_run(base, 5000);
	vmv_poll_stop(scripts);
	vmv_poll_answered(scripts);
	warp_run(base, LONG_MS);
	EXPECT(0);
}
END_TEST

START_TEST(a_session_that_begins_anew_has_all_its_tries)
{
	begin(600);
	warp_run(base, 27000); /* the third has just been asked */
	EXPECT(0, 12, 26);
	begin(600);
	warp_run(base, LONG_MS);
	EXPECT(0, 12, 26);
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
	vmv_poll_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("poll");
	TCase *tc = tcase_create("poll");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_host_that_never_answers_is_asked_three_times);
	tcase_add_test(tc, a_host_that_answers_is_asked_again_after_the_period);
	tcase_add_test(tc, an_answer_to_the_second_try_is_an_answer);
	tcase_add_test(tc, an_answer_in_the_pause_before_a_try_saves_it);
	tcase_add_test(tc, a_host_that_falls_silent_later_is_asked_three_times_then);
	tcase_add_test(tc, a_period_of_zero_is_never_again);
	tcase_add_test(tc, an_answer_to_no_question_changes_nothing);
	tcase_add_test(tc, after_three_tries_there_are_no_more_in_this_session);
	tcase_add_test(tc, no_questions_after_the_session);
	tcase_add_test(tc, an_answer_after_the_session_begins_nothing);
	tcase_add_test(tc, a_session_that_begins_anew_has_all_its_tries);
	tcase_add_test(tc, freeing_nothing_is_fine);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
