#include "commands/command.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/handlers.h"
#include "commands/judge.h"
#include "proto/json_read.h"
#include "reports/response.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- the table ------------------------------------------------------------------------------- */

/* Every action of PROTOCOL.md 5.2, 5.3 and 5.5, with its level there, and what 5.5 says is not to
 * be had on Linux. */
static const struct {
	const char *name;
	enum vmv_level level;
	bool is_never; /* not on Linux */
} documented[] = {
	{ "Ping", VMV_MONITOR, false },
	{ "Describe", VMV_MONITOR, false },
	{ "GetMetrics", VMV_MONITOR, false },
	{ "GetSamples", VMV_MONITOR, false },
	{ "GetHealth", VMV_MONITOR, false },
	{ "GetState", VMV_MONITOR, false },
	{ "Subscribe", VMV_MONITOR, false },
	{ "Unsubscribe", VMV_MONITOR, false },
	{ "JobStatus", VMV_MONITOR, false },
	{ "JobCancel", VMV_MONITOR, false },

	{ "SystemInfo", VMV_MONITOR, false },
	{ "OsInfo", VMV_MONITOR, false },
	{ "ServiceList", VMV_MONITOR, false },
	{ "PackageList", VMV_MONITOR, false },
	{ "PackageSearch", VMV_MONITOR, false },
	{ "ProcessList", VMV_MONITOR, false },
	{ "ProcessTop", VMV_MONITOR, false },
	{ "UserList", VMV_MONITOR, false },
	{ "GetInstalledApplicationsWMI", VMV_MONITOR, false },
	{ "CheckLinuxUpdates", VMV_MONITOR, false },
	{ "GetPendingLinuxUpdates", VMV_MONITOR, false },
	{ "GetLinuxSecurityUpdates", VMV_MONITOR, false },
	{ "CheckApplicationUpdates", VMV_MONITOR, false },
	{ "GetAvailableUpdates", VMV_MONITOR, false },
	{ "GetSecurityUpdates", VMV_MONITOR, false },
	{ "GetApplicationDetails", VMV_MONITOR, false },
	{ "CheckSpecificAppUpdates", VMV_MONITOR, false },
	{ "EstimateUpdateSize", VMV_MONITOR, false },
	{ "CheckDiskSpace", VMV_MONITOR, false },
	{ "CheckResourceOptimization", VMV_MONITOR, false },
	{ "RunHealthCheck", VMV_MONITOR, false },
	{ "RunAllHealthChecks", VMV_MONITOR, false },
	{ "FsFreezeStatus", VMV_MONITOR, false },

	{ "ServiceControl", VMV_OPERATE, false },
	{ "ProcessKill", VMV_OPERATE, false },
	{ "PackageInstall", VMV_OPERATE, false },
	{ "PackageRemove", VMV_OPERATE, false },
	{ "PackageUpdate", VMV_OPERATE, false },
	{ "UpdateSystemSoftware", VMV_OPERATE, false },
	{ "RebootSystem", VMV_OPERATE, false },
	{ "PowerOff", VMV_OPERATE, false },
	{ "DiskCleanup", VMV_OPERATE, false },
	{ "FsFreeze", VMV_OPERATE, false },
	{ "FsThaw", VMV_OPERATE, false },
	{ "FsTrim", VMV_OPERATE, false },
	{ "SetTime", VMV_OPERATE, false },
	{ "SetHostname", VMV_OPERATE, false },
	{ "PrepareGoldenImage", VMV_FULL, false },
	{ "JoinDomain", VMV_FULL, false },
	{ "FileRead", VMV_FULL, false },
	{ "FileWrite", VMV_FULL, false },
	{ "FileStat", VMV_FULL, false },

	{ "CheckWindowsUpdates", VMV_MONITOR, true },
	{ "GetPendingUpdates", VMV_MONITOR, true },
	{ "GetUpdateHistory", VMV_MONITOR, true },
	{ "CheckWindowsDefender", VMV_MONITOR, true },
	{ "GetDefenderStatus", VMV_MONITOR, true },
	{ "GetThreatHistory", VMV_MONITOR, true },
	{ "RunDefenderQuickScan", VMV_MONITOR, true },
	{ "ExecutePowerShellScript", VMV_MONITOR, true },
	{ "AutoFixWindowsUpdates", VMV_MONITOR, true },
	{ "AutoFixDefender", VMV_MONITOR, true },
	{ "AutoOptimizeDisk", VMV_MONITOR, true },

	{ "RunMaintenanceTask", VMV_MONITOR, true },
	{ "ValidateSystemHealth", VMV_MONITOR, true },
	{ "CleanTemporaryFiles", VMV_MONITOR, true },
	{ "RestartServices", VMV_MONITOR, true },
	{ "CheckSystemIntegrity", VMV_MONITOR, true },
	{ "GetLinuxUpdateHistory", VMV_MONITOR, true },
	{ "CheckLinuxSecurity", VMV_MONITOR, true },
	{ "GetLinuxSecurityStatus", VMV_MONITOR, true },
	{ "CheckFirewallStatus", VMV_MONITOR, true },
	{ "GetLinuxFirewallStatus", VMV_MONITOR, true },
	{ "CheckSecurityModules", VMV_MONITOR, true },
};

START_TEST(every_documented_action_is_there_and_no_other)
{
	ck_assert_uint_eq(vmv_n_commands, VMV_COUNTOF(documented));
	for (size_t i = 0; i < VMV_COUNTOF(documented); i++) {
		const struct vmv_command *c = vmv_command_find(documented[i].name);

		ck_assert_msg(c != NULL, "%s", documented[i].name);
		ck_assert_str_eq(c->name, documented[i].name);
		ck_assert_msg(c->level == documented[i].level, "%s", c->name);
		ck_assert_msg((c->doer == VMV_BY_NOBODY && strcmp(c->why_not, "on linux") == 0) ==
				      documented[i].is_never,
			      "%s", c->name);
		/* only what reads is done, or left undone, by the agent */
		ck_assert_msg((c->doer == VMV_BY_EXECUTOR) == (c->level > VMV_MONITOR), "%s",
			      c->name);
	}
}
END_TEST

START_TEST(the_table_is_sorted_and_documented)
{
	for (size_t i = 0; i < vmv_n_commands; i++) {
		const struct vmv_command *c = &vmv_commands[i];
		size_t len = strlen(c->help);

		ck_assert_msg(i == 0 || strcmp(c[-1].name, c->name) < 0, "%s", c->name);
		ck_assert_msg(len > 5 && c->help[len - 1] == '.' && !strstr(c->help, ". "), "%s",
			      c->name);
		ck_assert_msg((c->doer == VMV_BY_AGENT || c->doer == VMV_BY_HELPER || c->reads) ==
				      (vmv_handler_find(c->name) != NULL),
			      "%s", c->name);
		ck_assert_msg(c->timeout_s > 0 && c->timeout_max_s >= c->timeout_s, "%s", c->name);
		ck_assert_msg((c->doer == VMV_BY_NOBODY) == (c->why_not != NULL), "%s", c->name);
		ck_assert_ptr_eq(vmv_command_find(c->name), c);
	}
}
END_TEST

static void check_argument(const char *command, const struct vmv_arg *a)
{
	ck_assert_msg(a->name && *a->name && a->help && *a->help, "%s", command);
	if (a->type == VMV_ARG_INT || a->type == VMV_ARG_NUM)
		ck_assert_msg(a->min < a->max &&
				      ((a->fallback >= a->min && a->fallback <= a->max) ||
				       a->is_required || a->fallback_text),
			      "%s: %s", command, a->name);
	if (a->type == VMV_ARG_BOOL)
		ck_assert_msg(a->fallback == 0 || a->fallback == 1, "%s: %s", command, a->name);
	if (a->type == VMV_ARG_TEXT || a->type == VMV_ARG_NAMES)
		ck_assert_msg(a->max > 0 && a->min >= 0, "%s: %s", command, a->name);
	ck_assert_msg(a->type == VMV_ARG_NAMES || (a->type == VMV_ARG_ENUM) == (a->choices != NULL),
		      "%s: %s", command, a->name);
	for (int i = 0; a->type == VMV_ARG_ENUM && i <= a->fallback; i++)
		ck_assert_msg(a->choices[i] != NULL, "%s: %s", command, a->name);
}

START_TEST(arguments_are_documented_and_bounded)
{
	for (size_t i = 0; i < vmv_n_commands; i++) {
		const struct vmv_command *c = &vmv_commands[i];

		ck_assert_uint_le(c->n_args, VMV_ARGS_MAX);
		for (size_t k = 0; k < c->n_args; k++) {
			check_argument(c->name, &c->args[k]);
			for (size_t j = 0; j < k; j++)
				ck_assert_str_ne(c->args[j].name, c->args[k].name);
		}
	}
}
END_TEST

START_TEST(names_are_matched_exactly)
{
	static const char *const strangers[] = { "",	  "ping", "PING",  "Ping ",
						 " Ping", "Pin",  "Pingg", "UnsafeCommand",
						 "~",	  "A",	  "\xff" };

	for (size_t i = 0; i < VMV_COUNTOF(strangers); i++)
		ck_assert_msg(!vmv_command_find(strangers[i]), "%s", strangers[i]);
}
END_TEST

/* -- ids ------------------------------------------------------------------------------------- */

static struct json_object *parse(const char *text)
{
	struct json_object *obj = NULL;
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_json_parse(text, strlen(text), &obj, &err) == 0, "%s: %s", text, err.msg);
	return obj;
}

static void expect_id(const char *text, const char *id)
{
	struct json_object *obj = parse(text);
	const char *got = vmv_command_id(obj);

	ck_assert_msg(id ? got && strcmp(got, id) == 0 : !got, "%s", text);
	json_object_put(obj);
}

START_TEST(ids_that_can_be_answered)
{
	char text[300];

	expect_id("{\"id\":\"b1d7f0c2-0001-4a6e-9c11-aa00bb11cc02\"}",
		  "b1d7f0c2-0001-4a6e-9c11-aa00bb11cc02");
	expect_id("{\"id\":\"~ !\"}", "~ !");
	expect_id("{\"id\":\"a\",\"id\":\"b\"}", "b"); /* the last counts */
	expect_id("{}", NULL);
	expect_id("{\"id\":null}", NULL);
	expect_id("{\"id\":7}", NULL);
	expect_id("{\"id\":[\"x\"]}", NULL);
	expect_id("{\"id\":\"\"}", NULL);
	expect_id("{\"id\":\"a\\\"b\"}", NULL);
	expect_id("{\"id\":\"a\\\\b\"}", NULL);
	expect_id("{\"id\":\"a\\nb\"}", NULL);
	expect_id("{\"id\":\"a\\u0000b\"}", NULL);
	expect_id("{\"id\":\"a\\u007f\"}", NULL);
	expect_id("{\"id\":\"\xc3\xa4\"}", NULL);
	for (size_t n = VMV_ID_MAX; n <= VMV_ID_MAX + 1; n++) {
		char id[VMV_ID_MAX + 2];

		memset(id, 'i', n);
		id[n] = '\0';
		(void)snprintf(text, sizeof(text), "{\"id\":\"%s\"}", id);
		expect_id(text, n == VMV_ID_MAX ? id : NULL);
	}
}
END_TEST

/* -- judgement -------------------------------------------------------------------------------- */

static const char *const denied[] = { "ProcessTop", "Describe", "PackageInstall" };

static const struct vmv_policy plain = { .deny = NULL };
static const struct vmv_policy denying = { .deny = denied, .n_deny = VMV_COUNTOF(denied) };
static const struct vmv_policy strict = { .deny = denied,
					  .n_deny = VMV_COUNTOF(denied),
					  .requires_signature = true };

#define SAFE(inside) "{\"type\":\"SafeCommand\",\"id\":\"x\",\"command_type\":" inside "}"

/* Order: unknown, unsupported, level, deny list, arguments. */
static const struct {
	const struct vmv_policy *policy;
	const char *message;
	const char *code; /* NULL: it may run */
	const char *text; /* that the error holds */
} judged[] = {
	{ &plain, SAFE("{\"action\":\"Ping\"}"), NULL, NULL },
	{ &plain, SAFE("{\"action\":\"ProcessTop\",\"limit\":5}"), NULL, NULL },
	{ &denying, SAFE("{\"action\":\"Ping\"}"), NULL, NULL },

	{ &plain, SAFE("{\"action\":\"NoSuchAction\"}"), "UNKNOWN_ACTION",
	  "unknown action: NoSuchAction" },
	{ &plain, SAFE("{\"action\":\"ping\"}"), "UNKNOWN_ACTION", "unknown action: ping" },
	{ &plain, SAFE("{\"action\":\"\"}"), "UNKNOWN_ACTION", "unknown action: " },
	{ &strict, SAFE("{\"action\":\"NoSuchAction\"}"), "UNKNOWN_ACTION",
	  "unknown action: NoSuchAction" },
	{ &plain, "{\"type\":\"NoSuchType\",\"id\":\"x\"}", "UNKNOWN_ACTION", "NoSuchType" },
	{ &plain, "{\"id\":\"x\"}", "UNKNOWN_ACTION", "" },
	{ &plain, "{\"type\":7,\"id\":\"x\"}", "UNKNOWN_ACTION", "" },

	{ &plain, SAFE("{\"action\":\"CheckWindowsUpdates\"}"), "UNSUPPORTED",
	  "not supported on linux: CheckWindowsUpdates" },
	{ &strict, SAFE("{\"action\":\"CheckWindowsUpdates\"}"), "UNSUPPORTED",
	  "not supported on linux: CheckWindowsUpdates" },
	{ &denying, SAFE("{\"action\":\"Subscribe\"}"), "UNSUPPORTED",
	  "not supported in this version: Subscribe" },

	{ &plain, SAFE("{\"action\":\"PackageInstall\"}"), "NO_EXECUTOR", "PackageInstall" },
	{ &denying, SAFE("{\"action\":\"PackageInstall\"}"), "NO_EXECUTOR", "PackageInstall" },
	{ &plain, SAFE("{\"action\":\"FileRead\",\"path\":7}"), "NO_EXECUTOR", "FileRead" },
	{ &plain, "{\"type\":\"UnsafeCommand\",\"id\":\"x\",\"raw_command\":\"ls\"}", "NO_EXECUTOR",
	  "UnsafeCommand" },
	{ &strict, "{\"type\":\"UnsafeCommand\",\"id\":\"x\"}", "NO_EXECUTOR", "UnsafeCommand" },
	{ &strict, SAFE("{\"action\":\"Ping\"}"), "NO_EXECUTOR", "signature" },
	{ &strict, SAFE("{\"action\":\"ProcessTop\",\"limit\":-1}"), "NO_EXECUTOR", "signature" },

	/* its one operation that only reads is of level monitor */
	{ &plain,
	  SAFE("{\"action\":\"ServiceControl\",\"service\":\"a\",\"operation\":\"Status\"}"), NULL,
	  NULL },
	{ &plain,
	  SAFE("{\"action\":\"ServiceControl\",\"params\":{\"service_name\":\"a\",\"action\":"
	       "\"status\"}}"),
	  NULL, NULL },
	{ &plain,
	  SAFE("{\"action\":\"ServiceControl\",\"service\":\"-a\",\"operation\":\"Status\"}"),
	  "BAD_ARGUMENT", "service" },
	{ &plain, SAFE("{\"action\":\"ServiceControl\",\"operation\":\"restart\"}"), "NO_EXECUTOR",
	  "ServiceControl" },
	{ &plain, SAFE("{\"action\":\"ServiceControl\",\"operation\":7}"), "NO_EXECUTOR",
	  "ServiceControl" },
	{ &plain, SAFE("{\"action\":\"ServiceControl\"}"), "NO_EXECUTOR", "ServiceControl" },

	{ &denying, SAFE("{\"action\":\"ProcessTop\"}"), "NOT_ALLOWED", "ProcessTop" },
	{ &denying, SAFE("{\"action\":\"ProcessTop\",\"limit\":-1}"), "NOT_ALLOWED", "deny" },

	{ &plain, SAFE("{\"action\":\"ProcessTop\",\"limit\":-1}"), "BAD_ARGUMENT", "limit" },
	{ &plain, SAFE("{\"action\":\"ProcessTop\",\"limit\":2001}"), "BAD_ARGUMENT", "limit" },
	{ &plain, SAFE("{\"action\":\"ProcessTop\",\"sort_by\":\"x\"}"), "BAD_ARGUMENT",
	  "sort_by" },
	{ &plain, SAFE("{\"action\":\"Ping\",\"new_session\":1}"), "BAD_ARGUMENT", "new_session" },
	{ &plain, SAFE("{}"), "BAD_ARGUMENT", "action" },
	{ &plain, SAFE("{\"action\":7}"), "BAD_ARGUMENT", "action" },
	{ &plain, SAFE("{\"action\":null}"), "BAD_ARGUMENT", "action" },
	{ &plain, SAFE("\"Ping\""), "BAD_ARGUMENT", "action" },
	{ &plain, SAFE("null"), "BAD_ARGUMENT", "action" },
	{ &plain, "{\"type\":\"SafeCommand\",\"id\":\"x\"}", "BAD_ARGUMENT", "action" },
	{ &plain, SAFE("{\"action\":\"Ping\\u0000\"}"), "BAD_ARGUMENT", "action" },
};

START_TEST(commands_are_judged_in_the_order_of_the_protocol)
{
	/* what makes hosts try again: no error may say it */
	static const char *const words[] = { "timeout", "closed", "not connected",
					     "No connection" };
	struct json_object *obj = parse(judged[_i].message);
	const struct vmv_command *c = NULL;
	struct vmv_value args[VMV_ARGS_MAX];
	struct vmv_err err = { 0 };
	int r = vmv_command_judge(judged[_i].policy, obj, false, &c, args, &err);

	if (judged[_i].code) {
		ck_assert_int_lt(r, 0);
		ck_assert_msg(strcmp(vmv_error_code(err.code), judged[_i].code) == 0, "%s: %s, %s",
			      judged[_i].message, vmv_error_code(err.code), err.msg);
		ck_assert_msg(strstr(err.msg, judged[_i].text) != NULL, "%s", err.msg);
		for (size_t i = 0; i < VMV_COUNTOF(words); i++)
			ck_assert_ptr_null(strstr(err.msg, words[i]));
	} else {
		ck_assert_msg(r == 0, "%s: %s", judged[_i].message, err.msg);
		ck_assert_ptr_nonnull(c);
		ck_assert_ptr_nonnull(vmv_handler_find(c->name));
	}
	json_object_put(obj);
}
END_TEST

static const struct vmv_policy executing = { .level = VMV_OPERATE,
					     .deny = denied,
					     .n_deny = VMV_COUNTOF(denied),
					     .has_executor = true,
					     .can_verify = true,
					     .level_place = "/etc/a.conf:4",
					     .deny_place = "/etc/a.conf:5" };

/* What Describe says of an action. */
static const struct {
	const struct vmv_policy *policy;
	const char *action;
	const char *why; /* NULL: it is enabled */
} abilities[] = {
	{ &plain, "Ping", NULL },
	{ &plain, "CheckWindowsUpdates", "not supported on linux" },
	{ &plain, "Subscribe", "not supported in this version" },
	{ &plain, "RebootSystem", "no executor" },
	{ &denying, "ProcessTop", "policy deny" },
	{ &strict, "Ping", "policy require_signature, and no executor" },
	{ &executing, "Ping", NULL },
	{ &executing, "ProcessTop", "policy deny (/etc/a.conf:5)" },
	{ &executing, "RebootSystem", NULL },
	{ &executing, "FileRead", "policy level operate (/etc/a.conf:4)" },
};

START_TEST(what_is_disabled_says_by_which_rule)
{
	char why[VMV_WHY_SIZE] = "";
	bool is_enabled = vmv_command_is_enabled(abilities[_i].policy,
						 vmv_command_find(abilities[_i].action), why);

	ck_assert_msg(is_enabled == !abilities[_i].why, "%s: %s", abilities[_i].action, why);
	if (abilities[_i].why)
		ck_assert_str_eq(why, abilities[_i].why);
}
END_TEST

START_TEST(every_action_of_the_table_is_judged_by_its_doer)
{
	for (size_t i = 0; i < vmv_n_commands; i++) {
		const struct vmv_command *c = &vmv_commands[i], *got = NULL;
		struct vmv_value args[VMV_ARGS_MAX];
		struct vmv_err err = { 0 };
		struct json_object *obj;
		char text[200];
		int r;

		(void)snprintf(text, sizeof(text), SAFE("{\"action\":\"%s\"}"), c->name);
		obj = parse(text);
		r = vmv_command_judge(&plain, obj, false, &got, args, &err);
		ck_assert_ptr_eq(got, c);
		if (c->doer == VMV_BY_AGENT || c->doer == VMV_BY_HELPER)
			ck_assert_msg(r == 0 || err.code == VMV_E_RANGE, "%s", c->name);
		else
			ck_assert_msg(r < 0, "%s", c->name);
		if (c->doer == VMV_BY_NOBODY)
			ck_assert_int_eq(err.code, VMV_E_UNSUPPORTED);
		if (c->doer == VMV_BY_EXECUTOR)
			ck_assert_int_eq(err.code, VMV_E_NOEXECUTOR);
		json_object_put(obj);
	}
}
END_TEST

START_TEST(a_long_name_is_not_repeated_whole)
{
	char text[5000], name[4500];
	const struct vmv_command *c;
	struct vmv_value args[VMV_ARGS_MAX];
	struct vmv_err err = { 0 };
	struct json_object *obj;

	memset(name, 'A', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(text, sizeof(text), SAFE("{\"action\":\"%s\"}"), name);
	obj = parse(text);
	ck_assert_int_lt(vmv_command_judge(&plain, obj, false, &c, args, &err), 0);
	ck_assert_uint_lt(strlen(err.msg), 200);
	ck_assert_ptr_null(c);
	json_object_put(obj);
}
END_TEST

START_TEST(defaults_are_those_of_the_protocol)
{
	struct json_object *obj = parse(SAFE("{\"action\":\"ProcessTop\"}"));
	const struct vmv_command *c;
	struct vmv_value args[VMV_ARGS_MAX];

	ck_assert_int_eq(vmv_command_judge(&plain, obj, false, &c, args, NULL), 0);
	ck_assert_int_eq(args[0].number, 10);
	ck_assert_int_eq(args[1].number, 0); /* cpu */
	ck_assert(!args[0].is_given && !args[1].is_given);
	json_object_put(obj);
	obj = parse(SAFE("{\"action\":\"ProcessList\"}"));
	ck_assert_int_eq(vmv_command_judge(&plain, obj, false, &c, args, NULL), 0);
	ck_assert_int_eq(args[0].number, 0);
	json_object_put(obj);
	obj = parse(SAFE("{\"action\":\"Ping\"}"));
	ck_assert_int_eq(vmv_command_judge(&plain, obj, false, &c, args, NULL), 0);
	ck_assert_int_eq(args[0].number, 0);
	json_object_put(obj);
}
END_TEST

/* -- arguments --------------------------------------------------------------------------------- */

static const char *const shells[] = { "bash", "sh", NULL };

enum { LIMIT, FORCE, SHELL, SERVICE, OPERATION, TARGETS };

static const struct vmv_arg args_of[] = {
	[LIMIT] = { .name = "limit", .type = VMV_ARG_INT, .min = -5, .max = 100, .fallback = 42 },
	[FORCE] = { .name = "force", .type = VMV_ARG_BOOL, .fallback = 1 },
	[SHELL] = { .name = "shell", .type = VMV_ARG_ENUM, .choices = shells, .fallback = 1 },
	[SERVICE] = { .name = "service",
		      .alias = "service_name",
		      .type = VMV_ARG_TEXT,
		      .min = 1,
		      .max = 8 },
	[OPERATION] = { .name = "operation",
			.alias = "action",
			.is_alias_in_params = true,
			.type = VMV_ARG_TEXT,
			.max = 8 },
	[TARGETS] = { .name = "targets", .type = VMV_ARG_NAMES, .max = 3 },
};

static const struct vmv_arg args_needed[] = {
	{ .name = "query", .type = VMV_ARG_TEXT, .min = 1, .max = 8, .is_required = true },
};

static const struct vmv_command made_up = {
	.name = "MadeUp",
	.args = args_of,
	.n_args = VMV_COUNTOF(args_of),
};

static const struct vmv_command needing = {
	.name = "Needing",
	.args = args_needed,
	.n_args = VMV_COUNTOF(args_needed),
};

/* Where an argument stands; the first that is there and not null counts. */
static const struct {
	const char *message;
	int64_t limit;
} places[] = {
	{ "{}", 42 },
	{ "{\"limit\":1}", 42 }, /* not at the top */
	{ "{\"command_type\":{\"limit\":1}}", 1 },
	{ "{\"command_type\":{\"params\":{\"limit\":2}}}", 2 },
	{ "{\"params\":{\"limit\":3}}", 3 },
	{ "{\"command_type\":{\"limit\":1,\"params\":{\"limit\":2}},\"params\":{\"limit\":3}}", 1 },
	{ "{\"command_type\":{\"params\":{\"limit\":2}},\"params\":{\"limit\":3}}", 2 },
	{ "{\"command_type\":{\"limit\":null,\"params\":{\"limit\":2}}}", 2 },
	{ "{\"command_type\":{\"limit\":null,\"params\":{\"limit\":null}},\"params\":"
	  "{\"limit\":3}}",
	  3 },
	{ "{\"command_type\":{\"limit\":null},\"params\":null}", 42 },
	{ "{\"command_type\":\"x\",\"params\":{\"limit\":3}}", 3 },
	{ "{\"command_type\":{\"params\":\"x\"},\"params\":[1]}", 42 },
	{ "{\"command_type\":{\"limit\":1,\"limit\":2}}", 2 }, /* of one name twice, the last */
	{ "{\"command_type\":{\"limit\":-5}}", -5 },
	{ "{\"command_type\":{\"limit\":100}}", 100 },
	{ "{\"command_type\":{\"limit\":-0}}", 0 },
	{ "{\"command_type\":{\"Limit\":1,\"unknown\":{}}}", 42 },
};

START_TEST(arguments_are_found_where_hosts_put_them)
{
	struct json_object *obj = parse(places[_i].message);
	struct vmv_value v[VMV_ARGS_MAX];
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_command_args(&made_up, obj, v, &err) == 0, "%s: %s", places[_i].message,
		      err.msg);
	ck_assert_msg(v[LIMIT].number == places[_i].limit, "%s: %lld", places[_i].message,
		      (long long)v[LIMIT].number);
	ck_assert_int_eq(v[FORCE].number, 1);
	ck_assert_int_eq(v[SHELL].number, 1);
	ck_assert_ptr_null(v[SERVICE].text);
	ck_assert_ptr_null(v[TARGETS].json);
	json_object_put(obj);
}
END_TEST

static const struct {
	const char *message;
	const char *service, *operation;
} names[] = {
	{ "{\"command_type\":{\"service\":\"a\"}}", "a", NULL },
	{ "{\"command_type\":{\"service_name\":\"a\"}}", "a", NULL },
	{ "{\"command_type\":{\"service_name\":\"a\",\"service\":\"b\"}}", "b", NULL },
	{ "{\"command_type\":{\"service\":null,\"service_name\":\"a\"}}", "a", NULL },
	{ "{\"command_type\":{\"params\":{\"service_name\":\"a\"}}}", "a", NULL },
	{ "{\"params\":{\"service_name\":\"a\"}}", "a", NULL },
	{ "{\"command_type\":{\"service_name\":\"a\"},\"params\":{\"service\":\"b\"}}", "a", NULL },
	/* beside the action's own name, 'action' is that; inside params it is the operation */
	{ "{\"command_type\":{\"action\":\"X\"}}", NULL, NULL },
	{ "{\"command_type\":{\"action\":\"X\",\"operation\":\"stop\"}}", NULL, "stop" },
	{ "{\"command_type\":{\"action\":\"X\",\"params\":{\"action\":\"stop\"}}}", NULL, "stop" },
	{ "{\"command_type\":{\"action\":\"X\"},\"params\":{\"action\":\"stop\"}}", NULL, "stop" },
	{ "{\"params\":{\"action\":\"stop\",\"operation\":\"start\"}}", NULL, "start" },
	{ "{\"command_type\":{\"action\":\"X\",\"operation\":\"start\",\"params\":"
	  "{\"action\":\"stop\"}}}",
	  NULL, "start" },
};

static void expect_text(const struct vmv_value *v, const char *text, const char *message)
{
	ck_assert_msg(text ? v->text && strcmp(v->text, text) == 0 : !v->text, "%s: %s", message,
		      v->text);
	ck_assert_int_eq(v->is_given, text != NULL);
}

START_TEST(arguments_have_other_names_too)
{
	struct json_object *obj = parse(names[_i].message);
	struct vmv_value v[VMV_ARGS_MAX];
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_command_args(&made_up, obj, v, &err) == 0, "%s", err.msg);
	expect_text(&v[SERVICE], names[_i].service, names[_i].message);
	expect_text(&v[OPERATION], names[_i].operation, names[_i].message);
	json_object_put(obj);
}
END_TEST

/* Each names its argument in the error, and is BAD_ARGUMENT. */
static const char *const wrong[][2] = {
	{ "limit", "\"1\"" },
	{ "limit", "1.0" },
	{ "limit", "1e1" },
	{ "limit", "true" },
	{ "limit", "[1]" },
	{ "limit", "{}" },
	{ "limit", "-6" },
	{ "limit", "101" },
	{ "limit", "9223372036854775807" },
	{ "limit", "9223372036854775808" },
	{ "limit", "18446744073709551615" },
	{ "limit", "99999999999999999999999" },
	{ "limit", "-99999999999999999999999" },
	{ "force", "1" },
	{ "force", "0" },
	{ "force", "\"true\"" },
	{ "force", "[]" },
	{ "shell", "\"zsh\"" },
	{ "shell", "\"\"" },
	{ "shell", "\"bash \"" },
	{ "shell", "\"ba\"" },
	{ "shell", "\"bash\\u0000\"" },
	{ "shell", "0" },
	{ "shell", "[\"bash\"]" },
	{ "service", "\"\"" },
	{ "service", "\"123456789\"" },
	{ "service", "\"a\\u0000b\"" },
	{ "service", "\"\\u0000\"" },
	{ "service", "7" },
	{ "service", "[\"a\"]" },
	{ "targets", "\"a\"" },
	{ "targets", "{}" },
	{ "targets", "[1]" },
	{ "targets", "[\"a\",null]" },
	{ "targets", "[[\"a\"]]" },
	{ "targets", "[\"a\",\"b\",\"c\",\"d\"]" },
	{ "targets", "[\"a\",\"b\\u0000c\"]" },
};

START_TEST(arguments_of_another_type_or_range_are_refused)
{
	struct vmv_value v[VMV_ARGS_MAX];
	struct vmv_err err = { 0 };
	struct json_object *obj;
	char text[200];

	(void)snprintf(text, sizeof(text), "{\"params\":{\"%s\":%s}}", wrong[_i][0], wrong[_i][1]);
	obj = parse(text);
	ck_assert_msg(vmv_command_args(&made_up, obj, v, &err) == -EINVAL, "%s", text);
	ck_assert_str_eq(vmv_error_code(err.code), "BAD_ARGUMENT");
	ck_assert_msg(strstr(err.msg, wrong[_i][0]) != NULL, "%s", err.msg);
	json_object_put(obj);
}
END_TEST

START_TEST(arguments_of_every_type_are_taken)
{
	struct json_object *obj =
		parse("{\"params\":{\"limit\":7,\"force\":false,\"shell\":\"BaSh\","
		      "\"service\":\"12345678\",\"operation\":\"\","
		      "\"targets\":[\"a\",\"\",\"b\"]}}");
	struct vmv_value v[VMV_ARGS_MAX];

	ck_assert_int_eq(vmv_command_args(&made_up, obj, v, NULL), 0);
	ck_assert_int_eq(v[LIMIT].number, 7);
	ck_assert_int_eq(v[FORCE].number, 0);
	ck_assert_int_eq(v[SHELL].number, 0);
	ck_assert_str_eq(v[SERVICE].text, "12345678");
	ck_assert_str_eq(v[OPERATION].text, "");
	ck_assert_uint_eq(json_object_array_length(v[TARGETS].json), 3);
	for (size_t i = 0; i < made_up.n_args; i++)
		ck_assert(v[i].is_given);
	json_object_put(obj);
}
END_TEST

START_TEST(what_has_no_default_must_be_given)
{
	static const char *const without[] = { "{}", "{\"params\":{}}",
					       "{\"params\":{\"query\":null}}" };
	struct vmv_value v[VMV_ARGS_MAX];
	struct json_object *obj;

	for (size_t i = 0; i < VMV_COUNTOF(without); i++) {
		struct vmv_err err = { 0 };

		obj = parse(without[i]);
		ck_assert_int_eq(vmv_command_args(&needing, obj, v, &err), -EINVAL);
		ck_assert_str_eq(vmv_error_code(err.code), "BAD_ARGUMENT");
		ck_assert_ptr_nonnull(strstr(err.msg, "query"));
		json_object_put(obj);
	}
	obj = parse("{\"params\":{\"query\":\"x\"}}");
	ck_assert_int_eq(vmv_command_args(&needing, obj, v, NULL), 0);
	json_object_put(obj);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("command");
	TCase *tc = tcase_create("command");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, every_documented_action_is_there_and_no_other);
	tcase_add_test(tc, the_table_is_sorted_and_documented);
	tcase_add_test(tc, arguments_are_documented_and_bounded);
	tcase_add_test(tc, names_are_matched_exactly);
	tcase_add_test(tc, ids_that_can_be_answered);
	tcase_add_loop_test(tc, commands_are_judged_in_the_order_of_the_protocol, 0,
			    (int)VMV_COUNTOF(judged));
	tcase_add_loop_test(tc, what_is_disabled_says_by_which_rule, 0,
			    (int)VMV_COUNTOF(abilities));
	tcase_add_test(tc, every_action_of_the_table_is_judged_by_its_doer);
	tcase_add_test(tc, a_long_name_is_not_repeated_whole);
	tcase_add_test(tc, defaults_are_those_of_the_protocol);
	tcase_add_loop_test(tc, arguments_are_found_where_hosts_put_them, 0,
			    (int)VMV_COUNTOF(places));
	tcase_add_loop_test(tc, arguments_have_other_names_too, 0, (int)VMV_COUNTOF(names));
	tcase_add_loop_test(tc, arguments_of_another_type_or_range_are_refused, 0,
			    (int)VMV_COUNTOF(wrong));
	tcase_add_test(tc, arguments_of_every_type_are_taken);
	tcase_add_test(tc, what_has_no_default_must_be_given);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
