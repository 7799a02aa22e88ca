/* The table of actions and the table of commands do not drift apart. */
#include "job/action.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(actions_are_sorted)
{
	for (size_t i = 1; i < vmv_n_actions; i++)
		ck_assert_str_lt(vmv_actions[i - 1].name, vmv_actions[i].name);
}
END_TEST

START_TEST(each_command_of_the_executor_has_an_action)
{
	size_t n = 0;

	for (size_t i = 0; i < vmv_n_commands; i++) {
		const struct vmv_command *c = &vmv_commands[i];
		const struct vmv_action_row *row;

		if (c->doer != VMV_BY_EXECUTOR)
			continue;
		row = vmv_action_find(c->alias_of ? c->alias_of : c->name);
		ck_assert_msg(row != NULL, "%s", c->name);
		ck_assert_msg(row->run != NULL, "%s", c->name);
		n += !c->alias_of;
	}
	ck_assert_uint_eq(n, vmv_n_actions);
}
END_TEST

START_TEST(each_action_is_a_command_of_the_executor)
{
	for (size_t i = 0; i < vmv_n_actions; i++) {
		const struct vmv_command *c = vmv_command_find(vmv_actions[i].name);

		ck_assert_msg(c != NULL, "%s", vmv_actions[i].name);
		ck_assert_msg(c->doer == VMV_BY_EXECUTOR, "%s", c->name);
		ck_assert_msg(c->level > VMV_MONITOR, "%s", c->name);
	}
}
END_TEST

START_TEST(there_is_no_action_for_what_others_do)
{
	static const char *const others[] = { "Ping", "UnsafeCommand", "", "diskcleanup",
					      "DiskCleanupX" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_ptr_null(vmv_action_find(others[i]));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("actions");
	TCase *tc = tcase_create("tables");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, actions_are_sorted);
	tcase_add_test(tc, each_command_of_the_executor_has_an_action);
	tcase_add_test(tc, each_action_is_a_command_of_the_executor);
	tcase_add_test(tc, there_is_no_action_for_what_others_do);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
