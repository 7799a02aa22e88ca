/* The tables of the QEMU guest agent's commands and of who in the agent does them. */
#include "base/cleanup.h"
#include "commands/qga.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(both_tables_are_sorted)
{
	for (size_t i = 1; i < vmv_n_qga_commands; i++)
		ck_assert_str_lt(vmv_qga_commands[i - 1].name, vmv_qga_commands[i].name);
	for (size_t i = 1; i < vmv_n_qga_handlers; i++)
		ck_assert_str_lt(vmv_qga_handlers[i - 1].action, vmv_qga_handlers[i].action);
}
END_TEST

START_TEST(each_command_is_found_and_nothing_else)
{
	static const char *const others[] = { "", "guest-pin", "guest-pings", "Guest-ping",
					      "Ping" };

	for (size_t i = 0; i < vmv_n_qga_commands; i++)
		ck_assert_ptr_eq(vmv_qga_find(vmv_qga_commands[i].name), &vmv_qga_commands[i]);
	for (size_t i = 0; i < VMV_COUNTOF(others); i++)
		ck_assert_ptr_null(vmv_qga_find(others[i]));
}
END_TEST

START_TEST(each_command_of_the_agent_has_a_handler)
{
	size_t n = 0;

	for (size_t i = 0; i < vmv_n_qga_commands; i++) {
		const struct vmv_command *c = &vmv_qga_commands[i];
		const struct vmv_handler *h = vmv_qga_handler(c->name);
		bool is_agents = c->doer == VMV_BY_AGENT || c->doer == VMV_BY_HELPER;

		ck_assert_msg(is_agents == (h != NULL), "%s", c->name);
		ck_assert_msg(!h || h->run != NULL, "%s", c->name);
		ck_assert_msg(is_agents || c->doer == VMV_BY_EXECUTOR, "%s", c->name);
		n += is_agents;
	}
	ck_assert_uint_eq(n, vmv_n_qga_handlers);
}
END_TEST

/* Docs and checks are made out of these. */
START_TEST(rows_are_complete)
{
	for (size_t i = 0; i < vmv_n_qga_commands; i++) {
		const struct vmv_command *c = &vmv_qga_commands[i];

		ck_assert_msg(c->help && *c->help, "%s", c->name);
		ck_assert_msg(c->timeout_s > 0 && c->timeout_s <= c->timeout_max_s, "%s", c->name);
		ck_assert_msg(c->n_args <= VMV_ARGS_MAX, "%s", c->name);
		for (size_t k = 0; k < c->n_args; k++)
			ck_assert_msg(c->args[k].name && c->args[k].help, "%s[%zu]", c->name, k);
	}
}
END_TEST

static bool is_one_of(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

/* That the rows for which has() says so are those of the list. */
static void expect_set(bool (*has)(const struct vmv_command *), const char *const *list)
{
	for (size_t i = 0; i < vmv_n_qga_commands; i++)
		ck_assert_msg(has(&vmv_qga_commands[i]) ==
				      is_one_of(list, vmv_qga_commands[i].name),
			      "%s", vmv_qga_commands[i].name);
	for (; *list; list++)
		ck_assert_msg(vmv_qga_find(*list) != NULL, "no %s", *list);
}

static bool is_operate(const struct vmv_command *c)
{
	return c->level == VMV_OPERATE;
}

static bool is_full(const struct vmv_command *c)
{
	return c->level == VMV_FULL;
}

static bool is_executors(const struct vmv_command *c)
{
	return c->doer == VMV_BY_EXECUTOR;
}

static bool is_changing(const struct vmv_command *c)
{
	return c->level != VMV_MONITOR;
}

static bool is_silent(const struct vmv_command *c)
{
	return (c->flags & VMV_COMMAND_SILENT) != 0;
}

static bool is_for_the_frozen(const struct vmv_command *c)
{
	return (c->flags & VMV_COMMAND_FROZEN) != 0;
}

#define OPERATE                                                                                 \
	"guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "guest-fsfreeze-thaw",           \
		"guest-fstrim", "guest-set-memory-blocks", "guest-set-time", "guest-set-vcpus", \
		"guest-shutdown", "guest-suspend-disk", "guest-suspend-hybrid",                 \
		"guest-suspend-ram"
#define FULL                                                                                 \
	"guest-exec", "guest-exec-status", "guest-file-close", "guest-file-flush",           \
		"guest-file-open", "guest-file-read", "guest-file-seek", "guest-file-write", \
		"guest-set-user-password", "guest-ssh-add-authorized-keys",                  \
		"guest-ssh-get-authorized-keys", "guest-ssh-remove-authorized-keys"

START_TEST(levels_are_what_was_agreed)
{
	static const char *const operate[] = { OPERATE, NULL };
	static const char *const full[] = { FULL, NULL };
	static const char *const both[] = { OPERATE, FULL, NULL };

	expect_set(is_operate, operate);
	expect_set(is_full, full);
	expect_set(is_changing, both);
	expect_set(is_executors, both);
}
END_TEST

/* libvirt waits for the end of the guest after these, and takes an answer for that of its next. */
START_TEST(silent_are_those_that_end_or_suspend_the_guest)
{
	static const char *const silent[] = { "guest-shutdown", "guest-suspend-disk",
					      "guest-suspend-hybrid", "guest-suspend-ram", NULL };

	expect_set(is_silent, silent);
}
END_TEST

START_TEST(six_commands_work_while_frozen)
{
	static const char *const six[] = { "guest-fsfreeze-status",
					   "guest-fsfreeze-thaw",
					   "guest-info",
					   "guest-ping",
					   "guest-sync",
					   "guest-sync-delimited",
					   NULL };

	expect_set(is_for_the_frozen, six);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_table");
	TCase *tc = tcase_create("tables");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, both_tables_are_sorted);
	tcase_add_test(tc, each_command_is_found_and_nothing_else);
	tcase_add_test(tc, each_command_of_the_agent_has_a_handler);
	tcase_add_test(tc, rows_are_complete);
	tcase_add_test(tc, levels_are_what_was_agreed);
	tcase_add_test(tc, silent_are_those_that_end_or_suspend_the_guest);
	tcase_add_test(tc, six_commands_work_while_frozen);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
