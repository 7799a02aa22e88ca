/* The table of the QEMU guest agent's actions and that of its commands do not drift apart. */
#include "commands/qga.h"
#include "job/qga.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* These the executor answers itself: what they ask for is kept there. */
static bool is_its_own(const char *name)
{
	return strcmp(name, "guest-exec-status") == 0 || strcmp(name, "guest-file-close") == 0;
}

START_TEST(actions_are_sorted)
{
	for (size_t i = 1; i < vmv_n_qga_actions; i++)
		ck_assert_str_lt(vmv_qga_actions[i - 1].name, vmv_qga_actions[i].name);
}
END_TEST

START_TEST(each_command_of_the_executor_has_one_action)
{
	size_t n = 0;

	for (size_t i = 0; i < vmv_n_qga_commands; i++) {
		const struct vmv_command *c = &vmv_qga_commands[i];
		const struct vmv_action_row *row = vmv_qga_action_find(c->name);
		bool is_wanted = c->doer == VMV_BY_EXECUTOR && !is_its_own(c->name);

		ck_assert_msg(is_wanted == (row != NULL), "%s", c->name);
		ck_assert_msg(!row || row->run != NULL, "%s", c->name);
		n += is_wanted;
	}
	ck_assert_uint_eq(n, vmv_n_qga_actions);
}
END_TEST

START_TEST(there_is_no_action_for_what_others_do)
{
	static const char *const others[] = { "guest-ping", "FsFreeze", "", "guest-exe",
					      "guest-execs" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_ptr_null(vmv_qga_action_find(others[i]));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_actions");
	TCase *tc = tcase_create("tables");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, actions_are_sorted);
	tcase_add_test(tc, each_command_of_the_executor_has_one_action);
	tcase_add_test(tc, there_is_no_action_for_what_others_do);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
