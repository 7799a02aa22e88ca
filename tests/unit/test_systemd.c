#include "collectors/systemd.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/answer.h"
#include "tests/lib/fake_asker.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;
static struct fake_asker fake;
static struct vmv_units units;
static struct vmv_err err;
static struct kept kept;
static void *state;

static void up(void)
{
	fixture_up(&fx);
	fake = (struct fake_asker){ .asker = { .ask = fake_ask } };
	fx.root.asker = &fake.asker;
	fx.root.is_live = true;
	units = (struct vmv_units){ .n = 0 };
	err = (struct vmv_err){ 0 };
	kept_init(&kept, &vmv_collector_systemd);
	state = vmv_collector_systemd.open(&fx.root);
	ck_assert_ptr_nonnull(state);
}

static void down(void)
{
	vmv_collector_systemd.close(state);
	kept_clear(&kept);
	free(units.list);
	fixture_down(&fx);
}

#define COUNTS                                                                         \
	"count activating 1\ncount active 120\ncount deactivating 0\ncount failed 2\n" \
	"count inactive 60\ncount reloading 0\n"
#define NORMAL                                                                          \
	"state degraded\njobs 3\n" COUNTS                                               \
	"unit a.service loaded failed failed\nunit ssh.service loaded active running\n" \
	"unit x.service not-found inactive dead\n"

/* -- parse ------------------------------------------------------------------------------------- */

START_TEST(the_answer_is_taken_apart)
{
	const struct vmv_systemd_sample *m = &units.manager;

	ck_assert_msg(vmv_systemd_parse(NORMAL, &units, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(m->units[VMV_SYSTEMD_ACTIVATING], 1);
	ck_assert_uint_eq(m->units[VMV_SYSTEMD_ACTIVE], 120);
	ck_assert_uint_eq(m->units[VMV_SYSTEMD_DEACTIVATING], 0);
	ck_assert_uint_eq(m->units[VMV_SYSTEMD_FAILED], 2);
	ck_assert_uint_eq(m->units[VMV_SYSTEMD_INACTIVE], 60);
	ck_assert_uint_eq(m->units[VMV_SYSTEMD_RELOADING], 0);
	ck_assert_uint_eq(m->jobs, 3);
	ck_assert_uint_eq(m->is_running, 0);
	ck_assert_uint_eq(m->state[VMV_SYSTEMD_DEGRADED], 1);
	ck_assert_uint_eq(m->state[VMV_SYSTEMD_RUNNING], 0);
	ck_assert_uint_eq(m->state[VMV_SYSTEMD_STARTING], 0);
	ck_assert_uint_eq(units.n, 3);
	ck_assert_str_eq(units.list[0].name, "a.service");
	ck_assert_uint_eq(units.list[0].sample.is_failed, 1);
	ck_assert_str_eq(units.list[1].sample.load, "loaded");
	ck_assert_str_eq(units.list[1].sample.active, "active");
	ck_assert_str_eq(units.list[1].sample.sub, "running");
	ck_assert_uint_eq(units.list[1].sample.is_failed, 0);
	ck_assert_str_eq(units.list[2].sample.load, "not-found");
	ck_assert_uint_eq(units.list[2].sample.is_failed, 0);
}
END_TEST

START_TEST(what_the_answer_does_not_say_is_unknown)
{
	ck_assert_int_eq(vmv_systemd_parse("state running\n", &units, &err), 0);
	ck_assert_uint_eq(units.manager.is_running, 1);
	ck_assert_uint_eq(units.manager.state[VMV_SYSTEMD_RUNNING], 1);
	ck_assert_uint_eq(units.manager.jobs, VMV_UNSET);
	for (size_t i = 0; i < VMV_SYSTEMD_ACTIVES; i++)
		ck_assert_uint_eq(units.manager.units[i], VMV_UNSET);
	ck_assert_uint_eq(units.n, 0);
}
END_TEST

START_TEST(words_of_a_systemd_to_come_are_no_error)
{
	ck_assert_int_eq(vmv_systemd_parse("state hibernating\ncount refreshing 1\n", &units, &err),
			 0);
	for (size_t i = 0; i < VMV_SYSTEMD_STATES; i++)
		ck_assert_uint_eq(units.manager.state[i], 0);
	ck_assert_uint_eq(units.manager.is_running, 0);
}
END_TEST

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const char *const bad[] = {
	"",
	"\n",
	"jobs 3\n", /* no state */
	"state running",
	"state \n",
	"state\n",
	"state running \n",
	"state running x\n",
	"state running\nstate running\n",
	"state running\njobs\n",
	"state running\njobs -1\n",
	"state running\njobs 3 \n",
	"state running\njobs 3x\n",
	"state running\njobs 3\njobs 3\n",
	"state running\njobs 18446744073709551615\n",
	"state running\njobs 99999999999999999999\n",
	"state running\ncount\n",
	"state running\ncount active\n",
	"state running\ncount active x\n",
	"state running\ncount  3\n",
	"state running\ncount active 3\ncount active 3\n",
	"state running\ncount unheard-of x\n",
	"state running\nunit\n",
	"state running\nunit a\n",
	"state running\nunit a loaded active\n",
	"state running\nunit a loaded active running",
	"state running\nunit a loaded active running more\n",
	"state running\nunit a loaded  running\n",
	"state running\nunit a loaded active a-word-that-is-longer-than-all-of-them\n",
	"state running\nunit " X64 X64 X64 X64 " loaded active running\n",
	"state running\nunit a l a s\nunit b l a s\nunit a l a s\n",
	"state running\nnonsense 1\n",
	"state running\n\n",
	" state running\n",
};

START_TEST(a_malformed_answer_fails_and_leaves_the_output_alone)
{
	units.n = 7;
	ck_assert_int_eq(vmv_systemd_parse(bad[_i], &units, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(units.n, 7);
	ck_assert_ptr_null(units.list);
}
END_TEST

static char *many_units(unsigned n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	(void)fputs("state degraded\n", f);
	for (unsigned i = 0; i < n; i++)
		(void)fprintf(f, "unit u%u.service loaded failed failed\n", i);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

START_TEST(units_are_bounded)
{
	vmv_autofree char *most = many_units(VMV_FAILED_UNITS + VMV_CRITICAL_UNITS);
	vmv_autofree char *more = many_units(VMV_FAILED_UNITS + VMV_CRITICAL_UNITS + 1);

	ck_assert_int_eq(vmv_systemd_parse(more, &units, &err), -EINVAL);
	ck_assert_int_eq(vmv_systemd_parse(most, &units, &err), 0);
	ck_assert_uint_eq(units.n, VMV_FAILED_UNITS + VMV_CRITICAL_UNITS);
}
END_TEST

/* -- a reading --------------------------------------------------------------------------------- */

static int read_systemd(void)
{
	kept_clear(&kept);
	kept_init(&kept, &vmv_collector_systemd);
	return vmv_collector_systemd.read(state, &fx.root, &kept.sink, &err);
}

static int read_unit(void)
{
	kept_clear(&kept);
	kept_init(&kept, &vmv_collector_unit);
	return vmv_collector_unit.read(state, &fx.root, &kept.sink, &err);
}

START_TEST(one_answer_serves_both_groups)
{
	const struct vmv_systemd_sample *m;
	const struct vmv_unit_sample *u;

	fake.text = NORMAL;
	ck_assert_msg(read_systemd() == 0, "%s", err.msg);
	ck_assert_uint_eq(kept.n, 1);
	m = kept_row(&kept, "");
	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(m->units[VMV_SYSTEMD_ACTIVE], 120);

	ck_assert_msg(read_unit() == 0, "%s", err.msg);
	ck_assert_uint_eq(kept.n, 3);
	u = kept_row(&kept, "a.service");
	ck_assert_ptr_nonnull(u);
	ck_assert_uint_eq(u->is_failed, 1);
	ck_assert_str_eq(u->load, "loaded");
	ck_assert_int_eq(err.code, VMV_OK);
	ck_assert(vmv_collector_unit.state_of == &vmv_collector_systemd);
}
END_TEST

START_TEST(a_new_answer_replaces_the_old_one)
{
	fake.text = NORMAL;
	ck_assert_int_eq(read_unit(), 0);
	fake.text = "state running\nunit b.service loaded active running\n";
	ck_assert_int_eq(read_unit(), 0);
	ck_assert_uint_eq(kept.n, 1);
	ck_assert_str_eq(kept.ids[0], "b.service");
	fake.text = "state running\n"; /* nothing failed */
	ck_assert_int_eq(read_unit(), 0);
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

START_TEST(garbage_is_a_failure_and_is_not_remembered)
{
	fake.text = NORMAL;
	ck_assert_int_eq(read_systemd(), 0);
	fake.text = "garbage\n";
	ck_assert_int_eq(read_systemd(), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(kept.n, 0);
	ck_assert_int_eq(read_unit(), -EINVAL);
	fake.text = NORMAL;
	ck_assert_int_eq(read_unit(), 0);
	ck_assert_uint_eq(kept.n, 3);
}
END_TEST

START_TEST(critical_units_are_asked_for_sorted_and_once)
{
	static const char *const names[] = { "ssh.service", "cron.service", "ssh.service" };

	fake.text = NORMAL;
	ck_assert_int_eq(read_systemd(), 0);
	ck_assert_str_eq(fake.question, "units");
	fx.root.critical_units = names;
	fx.root.n_critical_units = VMV_COUNTOF(names);
	ck_assert_int_eq(read_systemd(), 0);
	ck_assert_str_eq(fake.question, "units cron.service ssh.service");
	ck_assert_int_eq(read_unit(), 0);
	ck_assert_str_eq(fake.question, "units cron.service ssh.service");
}
END_TEST

START_TEST(a_reading_waits_a_while_for_the_first_answer)
{
	ck_assert_int_eq(read_systemd(), VMV_WAIT);
	ck_assert_uint_eq(kept.n, 0);
	fake.asked_ms = 100;
	ck_assert_int_eq(read_systemd(), VMV_WAIT);
	fake.text = NORMAL;
	ck_assert_int_eq(read_systemd(), 0);
	ck_assert_uint_eq(kept.n, 1);
}
END_TEST

START_TEST(without_any_answer_it_fails_after_that)
{
	ck_assert_int_eq(read_unit(), VMV_WAIT);
	fake.asked_ms = VMV_ASK_WAIT_MS;
	ck_assert_int_eq(read_unit(), -EAGAIN);
	ck_assert_str_eq(err.msg, "no answer from systemd yet");
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

START_TEST(an_older_answer_serves_when_the_new_one_is_slow)
{
	fake.text = NORMAL;
	fake.age_ms = 31000;
	ck_assert_int_eq(read_systemd(), VMV_WAIT);
	fake.asked_ms = VMV_ASK_WAIT_MS;
	ck_assert_int_eq(read_systemd(), 0);
	ck_assert_uint_eq(kept.n, 1);
	/* but not one from another age of the world */
	fake.age_ms = VMV_ANSWER_STALE_MS + 1;
	ck_assert_int_eq(read_systemd(), -EAGAIN);
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

static const struct {
	int result, want;
	const char *msg;
} refusals[] = {
	{ -ETIMEDOUT, -ETIMEDOUT, "systemd does not answer" },
	{ -ENOENT, -ENOENT, "systemd is not to be had here" },
	{ -ENOSYS, -ENOENT, "systemd is not to be had here" },
	{ -EBUSY, -EBUSY, "cannot ask systemd: Device or resource busy" },
	{ -EACCES, -EACCES, "cannot ask systemd: Permission denied" },
	{ -EFBIG, -EFBIG, "cannot ask systemd: File too large" },
};

START_TEST(what_is_said_instead_of_an_answer_is_told)
{
	fake.result = refusals[_i].result;
	ck_assert_int_eq(read_systemd(), refusals[_i].want);
	ck_assert_str_eq(err.msg, refusals[_i].msg);
	ck_assert_int_eq(read_unit(), refusals[_i].want);
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

START_TEST(nobody_to_ask_is_enoent)
{
	fx.root.asker = NULL;
	ck_assert_int_eq(read_systemd(), -ENOENT);
	ck_assert_int_eq(read_unit(), -ENOENT);
}
END_TEST

START_TEST(a_recorded_tree_is_not_asked_about)
{
	fx.root.is_live = false;
	fake.text = NORMAL;
	ck_assert_int_eq(read_systemd(), -ENOENT);
	ck_assert_uint_eq(fake.n, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("systemd");
	TCase *tc = tcase_create("systemd");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, the_answer_is_taken_apart);
	tcase_add_test(tc, what_the_answer_does_not_say_is_unknown);
	tcase_add_test(tc, words_of_a_systemd_to_come_are_no_error);
	tcase_add_loop_test(tc, a_malformed_answer_fails_and_leaves_the_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, units_are_bounded);
	tcase_add_test(tc, one_answer_serves_both_groups);
	tcase_add_test(tc, a_new_answer_replaces_the_old_one);
	tcase_add_test(tc, garbage_is_a_failure_and_is_not_remembered);
	tcase_add_test(tc, critical_units_are_asked_for_sorted_and_once);
	tcase_add_test(tc, a_reading_waits_a_while_for_the_first_answer);
	tcase_add_test(tc, without_any_answer_it_fails_after_that);
	tcase_add_test(tc, an_older_answer_serves_when_the_new_one_is_slow);
	tcase_add_loop_test(tc, what_is_said_instead_of_an_answer_is_told, 0,
			    (int)VMV_COUNTOF(refusals));
	tcase_add_test(tc, nobody_to_ask_is_enoent);
	tcase_add_test(tc, a_recorded_tree_is_not_asked_about);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
