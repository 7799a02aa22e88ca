#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/num.h"
#include "exec/asker.h"
#include "helper/question.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIGITS	 "0123456789ABCDEFGHIJKLMNOPQRSTU"
#define PERIOD	 31    /* of no power of two: a part that is misplaced is seen */
#define PATIENCE 20000 /* ms; for what surely comes */

/* The helper's loop on one side, the agent's asker on the other: as in production. */

/* -- the helper: this program, when standard input is the asker's socket ------------------- */

/* So many bytes, of which each tells its place. */
static int fill(const char *argument, struct vmv_buf *ret)
{
	uint64_t len;
	int r = vmv_parse_u64(argument, &len, NULL);

	for (uint64_t i = 0; i < len && r == 0; i++)
		r = vmv_buf_add(ret, &DIGITS[i % PERIOD], 1);
	return r;
}

static int half(const char *argument, struct vmv_buf *ret)
{
	(void)argument;
	(void)vmv_buf_add(ret, "half", 4);
	return -EACCES;
}

static const struct vmv_question questions[] = {
	{ .name = "half", .help = "h", .answer = half, .is_long = true },
	{ .name = "long", .help = "h", .answer = fill, .is_long = true },
	{ .name = "short", .help = "h", .answer = fill },
	{ 0 },
};

static int be_helper(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing */
	vmv_questions_serve(questions, STDIN_FILENO);
	return EXIT_SUCCESS;
}

/* -- the tests ---------------------------------------------------------------------------- */

static const struct vmv_ask_calls calls;
static struct event_base *base;
static struct vmv_ask_pool *pool;
static char self[PATH_MAX];
static bool is_done;
static char *got; /* NULL: an error */
static int result;

static void up(void)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	pool = vmv_ask_pool_new(base, &vmv_clock_system, self, &calls, NULL);
	ck_assert_ptr_nonnull(pool);
}

static void down(void)
{
	vmv_ask_pool_free(pool);
	event_base_free(base);
	free(got);
	got = NULL;
}

static void on_answer(void *arg, int r, const char *text, uint64_t age_ms)
{
	(void)arg;
	(void)age_ms;
	free(got);
	got = text ? strdup(text) : NULL;
	result = r;
	is_done = true;
}

static int fetch(const char *question)
{
	const struct vmv_wish w = { question, 0, PATIENCE };
	struct vmv_asker *a = vmv_ask_pool_asker(pool);

	is_done = false;
	ck_assert_int_eq(a->fetch(a, &w, on_answer, NULL), 0);
	while (!is_done)
		(void)event_base_loop(base, EVLOOP_ONCE);
	return result;
}

static void check_long(size_t len)
{
	char question[64];

	(void)snprintf(question, sizeof(question), "long %zu", len);
	ck_assert_int_eq(fetch(question), (int)len);
	ck_assert_uint_eq(strlen(got), len);
	for (size_t i = 0; i < len; i++)
		if (got[i] != DIGITS[i % PERIOD])
			ck_abort_msg("of %zu, byte %zu", len, i);
}

START_TEST(long_answers_arrive_whole_whatever_their_length)
{
	static const size_t around[] = { 1, 2, 48 };

	check_long(0);
	check_long(1);
	for (size_t i = 0; i < VMV_COUNTOF(around); i++) {
		check_long(around[i] * VMV_ASK_ANSWER_MAX - 1);
		check_long(around[i] * VMV_ASK_ANSWER_MAX);
		if (around[i] * VMV_ASK_ANSWER_MAX < VMV_ASK_LONG_MAX)
			check_long(around[i] * VMV_ASK_ANSWER_MAX + 1);
	}
	check_long(1000000);
}
END_TEST

START_TEST(over_the_bound_it_is_an_error_and_the_next_is_answered)
{
	char question[64];

	(void)snprintf(question, sizeof(question), "long %zu", VMV_ASK_LONG_MAX + 1);
	ck_assert_int_eq(fetch(question), -EFBIG);
	check_long(10);
	(void)snprintf(question, sizeof(question), "short %zu", VMV_ASK_ANSWER_MAX + 1);
	ck_assert_int_eq(fetch(question), -EFBIG);
	(void)snprintf(question, sizeof(question), "short %zu", VMV_ASK_ANSWER_MAX);
	ck_assert_int_eq(fetch(question), (int)VMV_ASK_ANSWER_MAX);
	ck_assert_int_eq(fetch("half"), -EACCES); /* and nothing of what there was */
	ck_assert_int_eq(fetch("long x"), -EINVAL);
	ck_assert_int_eq(fetch("nothing"), -EINVAL);
	check_long(10);
}
END_TEST

int main(void)
{
	socklen_t len = sizeof(int);
	int type = 0, failed;

	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET)
		return be_helper();

	Suite *s = suite_create("serve");
	TCase *tc = tcase_create("serve");
	SRunner *sr = srunner_create(s);
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return EXIT_FAILURE;
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, long_answers_arrive_whole_whatever_their_length);
	tcase_add_test(tc, over_the_bound_it_is_an_error_and_the_next_is_answered);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
