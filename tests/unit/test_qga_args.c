#include "commands/qga.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "proto/qga.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL(name, args) "{\"execute\":\"" name "\",\"arguments\":" args "}"

static const struct vmv_policy everything = { .level = VMV_FULL, .has_executor = true };

/* What the agent and the executor do with a request, up to its start. Returns 0, or negative errno
 * with err set. Values stay valid as long as the request. */
static int judge(const char *text, struct json_object **request, struct vmv_qga_call *call,
		 struct vmv_value values[VMV_ARGS_MAX], struct vmv_err *err)
{
	int r = vmv_qga_parse(text, strlen(text), request, err);

	if (r == 0)
		r = vmv_qga_call(*request, call, err);
	if (r == 0)
		r = vmv_qga_judge(&everything, call->command, err);
	return r < 0 ? r : vmv_qga_args(call->command, call->arguments, values, err);
}

/* -- what is refused, literally -----------------------------------------------------------------
 */

#define MISSING "GenericError: Parameter 'id' is missing"
#define TYPE	"GenericError: Invalid parameter type for 'id', expected: integer"

#define TOO_SMALL "GenericError: JSON parse error, a number too small"

static const struct {
	const char *text, *expected; /* class: desc */
} refused[] = {
	/* requests */
	{ "[]", "GenericError: QMP input must be a JSON object" },
	{ "1", "GenericError: QMP input must be a JSON object" },
	{ "{}", "GenericError: QMP input lacks member 'execute'" },
	{ "{\"id\":1}", "GenericError: QMP input lacks member 'execute'" },
	{ "{\"execute\":7}", "GenericError: QMP input member 'execute' must be a string" },
	{ "{\"execute\":null}", "GenericError: QMP input member 'execute' must be a string" },
	{ "{\"execute\":[\"guest-ping\"]}",
	  "GenericError: QMP input member 'execute' must be a string" },
	{ "{\"execute\":\"guest-ping\",\"bogus\":1}",
	  "GenericError: QMP input member 'bogus' is unexpected" },
	{ "{\"exec-oob\":\"guest-ping\"}",
	  "GenericError: QMP input member 'exec-oob' is unexpected" },
	{ CALL("guest-ping", "null"),
	  "GenericError: QMP input member 'arguments' must be an object" },
	{ CALL("guest-ping", "[]"),
	  "GenericError: QMP input member 'arguments' must be an object" },
	{ CALL("guest-ping", "7"), "GenericError: QMP input member 'arguments' must be an object" },
	{ "{\"execute\":\"no-such\"}", "CommandNotFound: The command no-such has not been found" },
	{ "{\"execute\":\"\"}", "CommandNotFound: The command  has not been found" },
	{ "{\"execute\":\"Guest-Ping\"}",
	  "CommandNotFound: The command Guest-Ping has not been found" },
	{ "{\"execute\":\"guest-ping\\u0000\"}",
	  "CommandNotFound: The command guest-ping has not been found" },
	/* arguments */
	{ CALL("guest-ping", "{\"foo\":1}"), "GenericError: Parameter 'foo' is unexpected" },
	{ CALL("guest-sync", "{\"id\":1,\"foo\":1}"),
	  "GenericError: Parameter 'foo' is unexpected" },
	{ "{\"execute\":\"guest-sync\"}", MISSING },
	{ CALL("guest-sync", "{}"), MISSING },
	{ CALL("guest-sync", "{\"foo\":1}"), MISSING }, /* before what is too much */
	{ CALL("guest-sync", "{\"id\":\"5\"}"), TYPE },
	{ CALL("guest-sync", "{\"id\":1.0}"), TYPE },
	{ CALL("guest-sync", "{\"id\":1e3}"), TYPE },
	{ CALL("guest-sync", "{\"id\":null}"), TYPE },
	{ CALL("guest-sync", "{\"id\":true}"), TYPE },
	{ CALL("guest-sync", "{\"id\":[1]}"), TYPE },
	{ CALL("guest-sync", "{\"id\":{}}"), TYPE },
	{ CALL("guest-sync", "{\"id\":9223372036854775808}"), TYPE },
	{ CALL("guest-sync", "{\"id\":18446744073709551615}"), TYPE },
	{ CALL("guest-sync", "{\"id\":18446744073709551616}"), TYPE },
	{ CALL("guest-sync", "{\"id\":-9223372036854775809}"), TOO_SMALL },
	{ CALL("guest-sync", "{\"id\":-99999999999999999999999}"), TOO_SMALL },
	{ CALL("guest-sync", "{\"id\":-9223372036854775809.0}"), TYPE },
	{ CALL("guest-sync", "{\"id\":-9223372036854775809e0}"), TYPE },
	{ CALL("guest-shutdown", "{\"mode\":\"x\"}"),
	  "GenericError: Parameter 'mode' does not accept value 'x'" },
	{ CALL("guest-shutdown", "{\"mode\":\"\"}"),
	  "GenericError: Parameter 'mode' does not accept value ''" },
	{ CALL("guest-shutdown", "{\"mode\":\"Halt\"}"),
	  "GenericError: Parameter 'mode' does not accept value 'Halt'" },
	{ CALL("guest-shutdown", "{\"mode\":1}"),
	  "GenericError: Invalid parameter type for 'mode', expected: string" },
	{ CALL("guest-shutdown", "{\"mode\":\"halt\\u0000\"}"),
	  "GenericError: Invalid parameter type for 'mode', expected: string" },
	{ CALL("guest-set-vcpus", "{\"vcpus\":{}}"),
	  "GenericError: Invalid parameter type for 'vcpus', expected: array" },
	{ CALL("guest-set-vcpus", "{}"), "GenericError: Parameter 'vcpus' is missing" },
	{ CALL("guest-fsfreeze-freeze-list", "{\"mountpoints\":\"/\"}"),
	  "GenericError: Invalid parameter type for 'mountpoints', expected: array" },
	{ CALL("guest-fsfreeze-freeze-list", "{\"mountpoints\":[\"/\",7]}"),
	  "GenericError: Invalid parameter type for 'mountpoints[1]', expected: string" },
	{ CALL("guest-fsfreeze-freeze-list", "{\"mountpoints\":[\"/\\u0000\"]}"),
	  "GenericError: Invalid parameter type for 'mountpoints[0]', expected: string" },
	{ CALL("guest-ssh-add-authorized-keys", "{\"username\":\"u\",\"keys\":[],\"reset\":1}"),
	  "GenericError: Invalid parameter type for 'reset', expected: boolean" },
	{ CALL("guest-set-user-password",
	       "{\"username\":\"u\",\"password\":\"!\",\"crypted\":true}"),
	  "GenericError: Parameter 'password' is no base64" },
	{ CALL("guest-set-user-password",
	       "{\"username\":\"u\",\"password\":\"eA=\",\"crypted\":true}"),
	  "GenericError: Parameter 'password' is no base64" },
	{ CALL("guest-set-user-password",
	       "{\"username\":\"u\",\"password\":\"====\",\"crypted\":true}"),
	  "GenericError: Parameter 'password' is no base64" },
	{ CALL("guest-set-user-password",
	       "{\"username\":\"u\",\"password\":\"eA==eA==\",\"crypted\":true}"),
	  "GenericError: Parameter 'password' is no base64" },
};

START_TEST(what_is_wrong_is_told_literally)
{
	struct vmv_value values[VMV_ARGS_MAX];
	struct json_object *request = NULL;
	struct vmv_qga_call call;
	struct vmv_err err = { .code = VMV_OK };
	char got[400];

	ck_assert_int_lt(judge(refused[_i].text, &request, &call, values, &err), 0);
	(void)snprintf(got, sizeof(got), "%s: %s", vmv_qga_class(&err), err.msg);
	ck_assert_str_eq(got, refused[_i].expected);
	json_object_put(request);
}
END_TEST

/* -- what is taken ------------------------------------------------------------------------------
 */

static const struct {
	const char *text;
	int64_t number; /* of the first argument */
} taken[] = {
	{ CALL("guest-sync", "{\"id\":0}"), 0 },
	{ CALL("guest-sync", "{\"id\":-0}"), 0 },
	{ CALL("guest-sync", "{\"id\":9223372036854775807}"), INT64_MAX },
	{ CALL("guest-sync", "{\"id\":-9223372036854775808}"), INT64_MIN },
	{ CALL("guest-shutdown", "{\"mode\":\"halt\"}"), VMV_QGA_HALT },
	{ CALL("guest-shutdown", "{}"), VMV_QGA_POWERDOWN },
	{ "{\"execute\":\"guest-shutdown\"}", VMV_QGA_POWERDOWN },
	{ "{\"arguments\":{\"id\":7},\"id\":null,\"execute\":\"guest-sync\"}", 7 },
};

START_TEST(what_is_right_is_taken)
{
	struct vmv_value values[VMV_ARGS_MAX];
	struct json_object *request = NULL;
	struct vmv_qga_call call;
	struct vmv_err err = { .code = VMV_OK };

	ck_assert_msg(judge(taken[_i].text, &request, &call, values, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(values[0].number, taken[_i].number);
	json_object_put(request);
}
END_TEST

START_TEST(texts_and_lists_are_borrowed_from_the_request)
{
	static const char text[] =
		CALL("guest-exec", "{\"path\":\"\\u002fbin\",\"arg\":[\"a\",\"\"],"
				   "\"input-data\":\"eA==\",\"capture-output\":\"merged\"}");
	struct vmv_value v[VMV_ARGS_MAX];
	struct json_object *request = NULL;
	struct vmv_qga_call call;
	struct vmv_err err = { .code = VMV_OK };

	ck_assert_msg(judge(text, &request, &call, v, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(v[VMV_QGA_EXEC_PATH].text, "/bin");
	ck_assert_uint_eq(v[VMV_QGA_EXEC_PATH].len, 4);
	ck_assert_uint_eq(json_object_array_length(v[VMV_QGA_EXEC_ARG].json), 2);
	ck_assert_str_eq(v[VMV_QGA_EXEC_INPUT].text, "eA==");
	ck_assert_str_eq(json_object_get_string(v[VMV_QGA_EXEC_CAPTURE].json), "merged");
	ck_assert(!v[VMV_QGA_EXEC_ENV].is_given && !v[VMV_QGA_EXEC_ENV].json);
	json_object_put(request);
}
END_TEST

/* -- id -----------------------------------------------------------------------------------------
 */

static const struct {
	const char *text;
	bool has_id, is_null;
} ids[] = {
	{ "{\"execute\":\"guest-ping\"}", false, true },
	{ "{\"execute\":\"guest-ping\",\"id\":null}", true, true },
	{ "{\"execute\":\"guest-ping\",\"id\":{\"a\":1}}", true, false },
	{ "{\"execute\":\"no-such\",\"id\":1}", true, false },
	{ "{\"execute\":7,\"id\":1}", true, false }, /* whatever else is wrong */
	{ "{\"id\":1,\"bogus\":2}", true, false },
	{ "{\"id\":1}", true, false },
};

START_TEST(the_id_is_known_whatever_else_is_wrong)
{
	struct json_object *request = NULL;
	struct vmv_qga_call call;

	ck_assert_int_eq(vmv_qga_parse(ids[_i].text, strlen(ids[_i].text), &request, NULL), 0);
	(void)vmv_qga_call(request, &call, NULL);
	ck_assert_int_eq(call.has_id, ids[_i].has_id);
	ck_assert_int_eq(call.id == NULL, ids[_i].is_null);
	json_object_put(request);
}
END_TEST

/* -- bounds -------------------------------------------------------------------------------------
 */

/* The first argument, a text of so many bytes or a list of so many elements. */
static int judge_long(const char *command, const char *name, size_t n, bool is_list)
{
	size_t size = n * 4 + 200, at;
	vmv_autofree char *text = malloc(size);
	struct vmv_value values[VMV_ARGS_MAX];
	struct json_object *request = NULL;
	struct vmv_err err = { .code = VMV_OK };
	struct vmv_qga_call call;
	int r;

	ck_assert_ptr_nonnull(text);
	at = (size_t)snprintf(text, size, "{\"execute\":\"%s\",\"arguments\":{\"%s\":%s", command,
			      name, is_list ? "[" : "\"");
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, size - at, "%s", !is_list ? "x" : i ? ",0" : "0");
	(void)snprintf(text + at, size - at, "%s}}", is_list ? "]" : "\"");
	r = judge(text, &request, &call, values, &err);
	if (r < 0)
		ck_assert_msg(strstr(err.msg, name) &&
				      strcmp(vmv_qga_class(&err), "GenericError") == 0,
			      "%s", err.msg);
	json_object_put(request);
	return r;
}

START_TEST(long_texts_and_lists_are_refused)
{
	ck_assert_int_eq(judge_long("guest-file-open", "path", 4096, false), 0);
	ck_assert_int_eq(judge_long("guest-file-open", "path", 4097, false), -EINVAL);
	ck_assert_int_eq(judge_long("guest-set-vcpus", "vcpus", VMV_CPUS_MAX, true), 0);
	ck_assert_int_eq(judge_long("guest-set-vcpus", "vcpus", VMV_CPUS_MAX + 1, true), -EINVAL);
}
END_TEST

START_TEST(a_long_name_does_not_overflow_the_message)
{
	struct json_object *request = NULL;
	struct vmv_err err = { .code = VMV_OK };
	struct vmv_qga_call call;
	char text[1024];

	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"execute\":\"", 12);
	memcpy(text + 1000, "\"}", 3);
	ck_assert_int_eq(vmv_qga_parse(text, 1002, &request, NULL), 0);
	ck_assert_int_lt(vmv_qga_call(request, &call, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "xx has not been found"));
	json_object_put(request);
}
END_TEST

/* -- policy -------------------------------------------------------------------------------------
 */

static const char *const denied[] = { "guest-ping", "guest-shutdown" };
static const char *const allowed[] = { "guest-exec", "guest-ping" };

#define NOT_ALLOWED "Command %s has been disabled: the command is not allowed"
#define IS_FROZEN   "Command %s has been disabled: the agent is in frozen state"

static const struct {
	const char *command;
	struct vmv_policy policy;
	const char *desc; /* NULL: it may run */
} rows[] = {
	{ "guest-ping", { .level = VMV_MONITOR }, NULL },
	{ "guest-ping", { .level = VMV_MONITOR, .is_frozen = true }, NULL },
	{ "guest-info", { .level = VMV_MONITOR, .is_frozen = true }, NULL },
	{ "guest-sync", { .level = VMV_MONITOR, .is_frozen = true }, NULL },
	{ "guest-sync-delimited", { .level = VMV_MONITOR, .is_frozen = true }, NULL },
	{ "guest-fsfreeze-status", { .level = VMV_MONITOR, .is_frozen = true }, NULL },
	{ "guest-fsfreeze-thaw",
	  { .level = VMV_OPERATE, .is_frozen = true, .has_executor = true },
	  NULL },
	{ "guest-get-time", { .level = VMV_MONITOR, .is_frozen = true }, IS_FROZEN },
	{ "guest-fsfreeze-freeze",
	  { .level = VMV_FULL, .is_frozen = true, .has_executor = true },
	  IS_FROZEN },
	{ "guest-shutdown", { .level = VMV_OPERATE, .has_executor = true }, NULL },
	{ "guest-shutdown", { .level = VMV_MONITOR, .has_executor = true }, NOT_ALLOWED },
	{ "guest-shutdown", { .level = VMV_OPERATE }, NOT_ALLOWED }, /* nobody to do it */
	{ "guest-exec", { .level = VMV_OPERATE, .has_executor = true }, NOT_ALLOWED },
	{ "guest-exec",
	  { .level = VMV_OPERATE, .has_executor = true, .allow = allowed, .n_allow = 2 },
	  NULL },
	{ "guest-exec", { .level = VMV_FULL, .allow = allowed, .n_allow = 2 }, NOT_ALLOWED },
	{ "guest-ping", { .level = VMV_FULL, .deny = denied, .n_deny = 2 }, NOT_ALLOWED },
	{ "guest-ping", /* deny wins */
	  { .level = VMV_FULL, .deny = denied, .n_deny = 2, .allow = allowed, .n_allow = 2 },
	  NOT_ALLOWED },
};

START_TEST(the_policy_decides)
{
	const struct vmv_command *c = vmv_qga_find(rows[_i].command);
	struct vmv_err err = { .code = VMV_OK };
	char desc[160] = "";
	int r;

	ck_assert_ptr_nonnull(c);
	r = vmv_qga_judge(&rows[_i].policy, c, &err);
	if (!rows[_i].desc) {
		ck_assert_msg(r == 0, "%s", err.msg);
		return;
	}
	(void)snprintf(desc, sizeof(desc), "%.60s%s%s", "Command ", c->name,
		       strstr(rows[_i].desc, " has"));
	ck_assert_int_eq(r, -EPERM);
	ck_assert_str_eq(err.msg, desc);
	ck_assert_str_eq(vmv_qga_class(&err), "CommandNotFound");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_args");
	TCase *tc = tcase_create("args");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, what_is_wrong_is_told_literally, 0, (int)VMV_COUNTOF(refused));
	tcase_add_loop_test(tc, what_is_right_is_taken, 0, (int)VMV_COUNTOF(taken));
	tcase_add_test(tc, texts_and_lists_are_borrowed_from_the_request);
	tcase_add_loop_test(tc, the_id_is_known_whatever_else_is_wrong, 0, (int)VMV_COUNTOF(ids));
	tcase_add_test(tc, long_texts_and_lists_are_refused);
	tcase_add_test(tc, a_long_name_does_not_overflow_the_message);
	tcase_add_loop_test(tc, the_policy_decides, 0, (int)VMV_COUNTOF(rows));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
