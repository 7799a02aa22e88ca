#include "commands/judge.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "proto/json_read.h"
#include "reports/response.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define SAFE(inside) "{\"type\":\"SafeCommand\",\"id\":\"x\",\"command_type\":{" inside "}}"

/* One of each kind. */
static const char *const commands[] = {
	SAFE("\"action\":\"Ping\""),   /* reads, and is served while filesystems are frozen */
	SAFE("\"action\":\"OsInfo\""), /* reads, and is not */
	SAFE("\"action\":\"OsInfo\",\"timeout\":\"x\""),
	SAFE("\"action\":\"ProcessTop\",\"limit\":-1"),
	SAFE("\"action\":\"UserList\""), /* denied below */
	SAFE("\"action\":\"ServiceControl\",\"service\":\"a\",\"operation\":\"status\""),
	SAFE("\"action\":\"ServiceControl\",\"service\":\"a\",\"operation\":\"stop\""),
	SAFE("\"action\":\"RebootSystem\",\"delay_s\":-1"), /* the executor looks at arguments */
	SAFE("\"action\":\"PowerOff\""),		    /* denied below: the executor says so */
	SAFE("\"action\":\"FsThaw\""),
	"{\"type\":\"UnsafeCommand\",\"id\":\"x\",\"raw_command\":\"ls\"}",
	SAFE("\"action\":\"CheckWindowsUpdates\""),
	SAFE("\"action\":\"NoSuchAction\""),
	"{\"type\":\"NoSuchType\",\"id\":\"x\"}",
};
static const char *const deny[] = { "UserList", "PowerOff" };

#define ANYHOW "UNSUPPORTED", "UNKNOWN_ACTION", "UNKNOWN_ACTION"
#define NO     "NO_EXECUTOR"
#define BAD    "BAD_SIGNATURE"
#define ARG    "BAD_ARGUMENT"
#define NOT    "NOT_ALLOWED"

enum { EXECUTOR = 1, VERIFIES = 2, STRICT = 4, FROZEN = 8, SIGNED = 16 };

/* PROTOCOL.md 4.3, 5.8, 6.10, by hand. */
static const struct {
	unsigned how;
	const char *expected[VMV_COUNTOF(commands)];
} rows[] = {
	{ 0, { "run", "run", "run", ARG, NOT, "run", NO, NO, NO, NO, NO, ANYHOW } },
	{ SIGNED, { "run", "run", "run", ARG, NOT, "run", NO, NO, NO, NO, NO, ANYHOW } },
	{ FROZEN, { "run", "BUSY", "BUSY", ARG, NOT, "BUSY", NO, NO, NO, NO, NO, ANYHOW } },
	{ STRICT, { NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, ANYHOW } },
	{ STRICT | SIGNED, { NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, ANYHOW } },
	{ STRICT | SIGNED | FROZEN, { NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, ANYHOW } },

	/* nothing to verify with: the executor itself says LOCKED to what is signed */
	{ EXECUTOR,
	  { "run", "run", "run", ARG, NOT, "run", "LOCKED", "LOCKED", "LOCKED", "LOCKED", "LOCKED",
	    ANYHOW } },
	{ EXECUTOR | SIGNED,
	  { "run", "run", "run", ARG, NOT, "run", "submit", "submit", "submit", "submit", "submit",
	    ANYHOW } },
	{ EXECUTOR | STRICT,
	  { BAD, BAD, BAD, BAD, BAD, BAD, "LOCKED", "LOCKED", "LOCKED", "LOCKED", "LOCKED",
	    ANYHOW } },
	{ EXECUTOR | STRICT | SIGNED,
	  { "verify", "verify", "verify", ARG, NOT, "verify", "submit", "submit", "submit",
	    "submit", "submit", ANYHOW } },

	{ EXECUTOR | VERIFIES,
	  { "run", "run", "run", ARG, NOT, "run", BAD, BAD, BAD, BAD, BAD, ANYHOW } },
	{ EXECUTOR | VERIFIES | SIGNED,
	  { "run", "run", "run", ARG, NOT, "run", "submit", "submit", "submit", "submit", "submit",
	    ANYHOW } },
	/* whether an executor that is frozen has time is its own to say */
	{ EXECUTOR | VERIFIES | SIGNED | FROZEN,
	  { "run", "BUSY", "BUSY", ARG, NOT, "BUSY", "submit", "submit", "submit", "submit",
	    "submit", ANYHOW } },
	{ EXECUTOR | VERIFIES | FROZEN,
	  { "run", "BUSY", "BUSY", ARG, NOT, "BUSY", BAD, BAD, BAD, BAD, BAD, ANYHOW } },
	{ EXECUTOR | VERIFIES | STRICT,
	  { BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, ANYHOW } },
	{ EXECUTOR | VERIFIES | STRICT | SIGNED,
	  { "verify", "verify", "verify", ARG, NOT, "verify", "submit", "submit", "submit",
	    "submit", "submit", ANYHOW } },
	{ EXECUTOR | VERIFIES | STRICT | FROZEN | SIGNED,
	  { "verify", "BUSY", "BUSY", ARG, NOT, "BUSY", "submit", "submit", "submit", "submit",
	    "submit", ANYHOW } },
};

static const char *word_of(int r, const struct vmv_err *err)
{
	if (r < 0)
		return vmv_error_code(err->code);
	switch ((enum vmv_judgement)r) {
	case VMV_JUDGED_RUN:
		return "run";
	case VMV_JUDGED_VERIFY:
		return "verify";
	case VMV_JUDGED_SUBMIT:
		return "submit";
	}
	return "?";
}

static void check(size_t row, size_t which, enum vmv_level level)
{
	const unsigned how = rows[row].how;
	const struct vmv_policy policy = {
		.level = level,
		.deny = deny,
		.n_deny = VMV_COUNTOF(deny),
		.requires_signature = how & STRICT,
		.has_executor = how & EXECUTOR,
		.can_verify = how & VERIFIES,
		.is_frozen = how & FROZEN,
	};
	const char *text = commands[which], *expected = rows[row].expected[which], *got;
	const struct vmv_command *c = NULL;
	struct vmv_value args[VMV_ARGS_MAX];
	struct vmv_err err = { 0 };
	struct json_object *m = NULL;

	ck_assert_int_eq(vmv_json_parse(text, strlen(text), &m, NULL), 0);
	got = word_of(vmv_command_judge(&policy, m, how & SIGNED, &c, args, &err), &err);
	ck_assert_msg(strcmp(got, expected) == 0, "row %zu, level %d, %s: %s (%s), not %s", row,
		      (int)level, text, got, err.msg, expected);
	ck_assert(c != NULL || strcmp(got, "UNKNOWN_ACTION") == 0);
	json_object_put(m);
}

/* The level is the executor's matter: what it says here changes nothing. */
START_TEST(each_kind_is_judged_as_written)
{
	for (size_t i = 0; i < VMV_COUNTOF(commands); i++)
		for (enum vmv_level level = VMV_MONITOR; level <= VMV_FULL; level++)
			check((size_t)_i, i, level);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("judge");
	TCase *tc = tcase_create("judge");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, each_kind_is_judged_as_written, 0, (int)VMV_COUNTOF(rows));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
