#include "commands/words.h"

#include "base/cleanup.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vmv_arg *arg(const char *action, const char *name)
{
	const struct vmv_command *c = strcmp(action, vmv_raw_command.name) == 0
					      ? &vmv_raw_command
					      : vmv_command_find(action);

	ck_assert_ptr_nonnull(c);
	for (size_t i = 0; i < c->n_args; i++)
		if (strcmp(c->args[i].name, name) == 0)
			return &c->args[i];
	ck_abort_msg("%s has no argument %s", action, name);
}

static const struct {
	const char *action, *name, *limits, *fallback;
} words[] = {
	{ "ProcessKill", "pid", "1 to 4194304", "" },
	{ "ProcessKill", "start_time", "", "none" },
	{ "RebootSystem", "force", "", "false" },
	{ "RebootSystem", "delay_s", "1 to 60", "3" },
	{ "PrepareGoldenImage", "shutdown_after", "", "true" },
	{ "PrepareGoldenImage", "cleanup_level", "minimal, standard, deep", "standard" },
	{ "CheckDiskSpace", "warning_threshold", "1 to 100", "80" },
	{ "FileWrite", "mode", "0 to 4095", "as it is, else 384 (0600)" },
	{ "FileWrite", "sha256", "64 bytes: 0-9 a-f", "none" },
	{ "FileWrite", "data", "at most 524288 bytes, decoded", "" },
	{ "FsFreeze", "mountpoints", "at most 256", "all that can be frozen" },
	{ "Describe", "what", "groups, actions, events", "all" },
	{ "UnsafeCommand", "env_vars", "at most 256 members", "none" },
	{ "UnsafeCommand", "run_as", "at most 256 bytes", "root" },
};

START_TEST(an_argument_is_told_as_its_table_has_it)
{
	const struct vmv_arg *a = arg(words[_i].action, words[_i].name);
	char buf[VMV_WORDS_SIZE];

	ck_assert_str_eq(vmv_arg_limits(a, buf), words[_i].limits);
	ck_assert_str_eq(vmv_arg_fallback(a, buf), words[_i].fallback);
}
END_TEST

/* What is cut would be cut in the manual, too. */
START_TEST(no_limits_are_cut)
{
	char buf[VMV_WORDS_SIZE];

	for (size_t i = 0; i < vmv_n_commands; i++)
		for (size_t k = 0; k < vmv_commands[i].n_args; k++) {
			(void)vmv_arg_limits(&vmv_commands[i].args[k], buf);
			ck_assert_uint_lt(strlen(buf), sizeof(buf) - 1);
		}
}
END_TEST

START_TEST(each_action_is_in_one_family)
{
	unsigned seen[256] = { 0 }, n_raw = 0;

	ck_assert_uint_lt(vmv_n_commands, VMV_COUNTOF(seen));
	for (size_t i = 0; i < vmv_n_families; i++) {
		const struct vmv_command *c = NULL;

		while ((c = vmv_family_next(&vmv_families[i], c)))
			if (c == &vmv_raw_command)
				n_raw++;
			else
				seen[c - vmv_commands]++;
	}
	for (size_t i = 0; i < vmv_n_commands; i++)
		ck_assert_msg(seen[i] == 1, "%s is in %u families", vmv_commands[i].name, seen[i]);
	ck_assert_uint_eq(n_raw, 1);
}
END_TEST

START_TEST(families_are_sorted_and_name_only_what_there_is)
{
	for (size_t i = 0; i < vmv_n_families; i++) {
		const char *const *names = vmv_families[i].actions;

		for (size_t k = 0; names && names[k]; k++) {
			ck_assert_msg(vmv_command_find(names[k]) ||
					      strcmp(names[k], vmv_raw_command.name) == 0,
				      "there is no action %s", names[k]);
			if (k > 0)
				ck_assert_str_lt(names[k - 1], names[k]);
		}
	}
}
END_TEST

/* The last family is printed without arguments and times. */
START_TEST(the_rest_is_what_nobody_does)
{
	const struct vmv_family *rest = &vmv_families[vmv_n_families - 1];
	const struct vmv_command *c = NULL;
	size_t n = 0;

	ck_assert_ptr_null(rest->actions);
	for (; (c = vmv_family_next(rest, c)); n++)
		ck_assert_msg(c->doer == VMV_BY_NOBODY, "%s belongs into a family", c->name);
	ck_assert_uint_gt(n, 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("words");
	TCase *tc = tcase_create("tables");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, an_argument_is_told_as_its_table_has_it, 0,
			    (int)VMV_COUNTOF(words));
	tcase_add_test(tc, no_limits_are_cut);
	tcase_add_test(tc, each_action_is_in_one_family);
	tcase_add_test(tc, families_are_sorted_and_name_only_what_there_is);
	tcase_add_test(tc, the_rest_is_what_nobody_does);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
