#include "commands/software.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "commands/handlers.h"
#include "commands/request.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGE_MS	1800000
#define OK_TEXT "3 0 2\n{\"a\":[1,2,3]}"

/* What the helper was asked, and what it is to say. */
static struct {
	char question[1024];
	struct vmv_wish wish;
	vmv_answer_cb *cb;
	void *arg;
	int refusal;
	unsigned n;
} asked;

static struct {
	unsigned n;
	struct vmv_err err;
	bool is_failure;
	char text[512], data[512];
	bool is_truncated;
} answered;

static struct {
	unsigned n;
	uint64_t security, age_ms;
} noted;

static struct vmv_request req;

static int inquire(void *agent, const struct vmv_wish *wish, vmv_answer_cb *cb, void *arg)
{
	ck_assert_ptr_eq(agent, &asked);
	if (asked.refusal)
		return asked.refusal;
	ck_assert_uint_lt(strlen(wish->question), sizeof(asked.question));
	strcpy(asked.question, wish->question);
	asked.wish = *wish;
	asked.cb = cb;
	asked.arg = arg;
	asked.n++;
	return 0;
}

static uint32_t packages_age_ms(void *agent)
{
	ck_assert_ptr_eq(agent, &asked);
	return AGE_MS;
}

static void note_updates(void *agent, uint64_t security, uint64_t age_ms)
{
	ck_assert_ptr_eq(agent, &asked);
	noted.n++;
	noted.security = security;
	noted.age_ms = age_ms;
}

static const struct vmv_services services = {
	.inquire = inquire,
	.packages_age_ms = packages_age_ms,
	.note_updates = note_updates,
};

static void answer(struct vmv_request *r, const struct vmv_err *err, const char *text,
		   const struct vmv_jw *data)
{
	ck_assert_ptr_eq(r, &req);
	answered.n++;
	answered.is_failure = err != NULL;
	if (err)
		answered.err = *err;
	(void)snprintf(answered.text, sizeof(answered.text), "%s", text ? text : "");
	(void)snprintf(answered.data, sizeof(answered.data), "%.*s", data ? (int)data->buf.len : 0,
		       data ? data->buf.data : "");
	answered.is_truncated = r->is_truncated;
}

static void down(void)
{
	if (req.message)
		json_object_put(req.message);
}

/* Begins a command; the helper has been asked for the stamp. */
static void begin(const char *action, const char *arguments)
{
	char line[512];
	struct vmv_err err;
	int len = snprintf(line, sizeof(line),
			   "{\"type\":\"SafeCommand\",\"id\":\"1\",\"command_type\":"
			   "{\"action\":\"%s\"%s}}",
			   action, arguments);

	req = (struct vmv_request){
		.services = &services,
		.agent = &asked,
		.command = vmv_command_find(action),
		.began_ms = vmv_mono_ms(&vmv_clock_system),
		.answer = answer,
	};
	ck_assert_ptr_nonnull(req.command);
	ck_assert_int_eq(vmv_json_parse(line, (size_t)len, &req.message, &err), 0);
	ck_assert_msg(vmv_command_args(req.command, req.message, req.args, &err) == 0, "%s",
		      err.msg);
	vmv_handler_find(action)->run(&req);
}

static void say(int result, const char *text, uint64_t age_ms)
{
	vmv_answer_cb *cb = asked.cb;

	ck_assert(cb != NULL);
	asked.cb = NULL;
	cb(asked.arg, result ? result : (int)strlen(text), text, age_ms);
}

static const struct {
	const char *action, *arguments, *question, *text;
	uint32_t timeout_ms, max_age_ms;
	bool is_noted;
} asks[] = {
	{ "PackageList", "", "software packages s1", "3 packages", 45000, AGE_MS, false },
	{ "PackageSearch", ",\"query\":\"g++\"", "software search g++ s1",
	  "Found 3 packages matching 'g++'", 45000, 1000, false },
	{ "GetInstalledApplicationsWMI", "", "software applications s1", "3 applications", 120000,
	  AGE_MS, false },
	{ "GetApplicationDetails", ",\"app_id\":\"bash\"", "software application bash s1",
	  "application bash", 30000, AGE_MS, false },
	{ "CheckLinuxUpdates", "", "software updates s1", "3 updates", 290000, AGE_MS, true },
	{ "GetPendingLinuxUpdates", "", "software updates s1", "3 updates", 290000, AGE_MS, true },
	{ "GetLinuxSecurityUpdates", "", "software updates-security s1", "3 security updates",
	  290000, AGE_MS, true },
	{ "CheckApplicationUpdates", "", "software application-updates s1", "3 updates", 240000,
	  AGE_MS, true },
	{ "GetAvailableUpdates", "", "software application-updates s1", "3 updates", 240000, AGE_MS,
	  true },
	{ "GetSecurityUpdates", "", "software application-updates-security s1",
	  "3 security updates", 240000, AGE_MS, true },
	{ "CheckSpecificAppUpdates", ",\"app_id\":\"bash\"", "software application-update bash s1",
	  "updates of bash", 30000, AGE_MS, true },
	{ "EstimateUpdateSize", ",\"app_id\":\"bash\"", "software application-update bash s1",
	  "size of the update of bash", 30000, AGE_MS, true },
};

START_TEST(the_helper_is_asked_for_the_stamp_and_then_for_the_answer)
{
	begin(asks[_i].action, asks[_i].arguments);
	ck_assert_str_eq(asked.question, "software-stamp");
	ck_assert_uint_eq(asked.wish.max_age_ms, 1000);
	ck_assert_uint_le(asked.wish.deadline_ms, 5000);
	ck_assert_uint_eq(answered.n, 0);
	say(0, "s1", 3);
	ck_assert_str_eq(asked.question, asks[_i].question);
	ck_assert_uint_eq(asked.wish.max_age_ms, asks[_i].max_age_ms);
	/* a little is left for the way to the host */
	ck_assert_uint_le(asked.wish.deadline_ms, asks[_i].timeout_ms - 200);
	ck_assert_uint_gt(asked.wish.deadline_ms, asks[_i].timeout_ms / 2);
	ck_assert_uint_eq(answered.n, 0);
	say(0, OK_TEXT, 1234);
	ck_assert_uint_eq(answered.n, 1);
	ck_assert(!answered.is_failure);
	ck_assert_str_eq(answered.text, asks[_i].text);
	ck_assert_str_eq(answered.data, "{\"a\":[1,2,3]}");
	ck_assert(!answered.is_truncated);
	ck_assert_uint_eq(noted.n, asks[_i].is_noted);
	ck_assert(!noted.n || (noted.security == 2 && noted.age_ms == 1234));
}
END_TEST

START_TEST(another_stamp_is_another_question)
{
	begin("PackageList", "");
	say(0, "s2", 0);
	ck_assert_str_eq(asked.question, "software packages s2");
}
END_TEST

START_TEST(a_list_that_is_cut_says_so)
{
	begin("PackageList", "");
	say(0, "s1", 0);
	say(0, "1 1 -\n{}", 0);
	ck_assert_str_eq(answered.text, "1 package");
	ck_assert(answered.is_truncated);
}
END_TEST

START_TEST(what_is_not_installed_is_not_found)
{
	begin("CheckSpecificAppUpdates", ",\"app_id\":\"nosuch\"");
	say(0, "s1", 0);
	say(0, "0 0 -\nnull", 0);
	ck_assert_uint_eq(answered.n, 1);
	ck_assert_int_eq(answered.err.code, VMV_E_NOTFOUND);
	ck_assert_str_eq(answered.err.msg, "'nosuch' is not installed");
	ck_assert_uint_eq(noted.n, 0); /* no list was made */
}
END_TEST

START_TEST(security_that_is_not_told_is_noted_as_unknown)
{
	begin("CheckLinuxUpdates", "");
	say(0, "s1", 0);
	say(0, "3 0 -\n{}", 0);
	ck_assert_uint_eq(noted.n, 1);
	ck_assert_uint_eq(noted.security, VMV_UNSET);
}
END_TEST

static const struct {
	int result;
	enum vmv_errc code;
	const char *message; /* part of it */
} failures[] = {
	{ -EOPNOTSUPP, VMV_E_UNSUPPORTED, "not supported here: PackageList" },
	{ -ETIMEDOUT, VMV_E_TIMEDOUT, "timed out after 45 s" },
	{ -EBUSY, VMV_E_BUSY, "ask again later" },
	{ -ECANCELED, VMV_E_IO, "interrupted" },
	{ -EIO, VMV_E_IO, "cannot be asked" },
	{ -ENOENT, VMV_E_IO, "cannot be started" },
};

START_TEST(every_failure_is_answered_once)
{
	for (int when = 0; when < 2; when++) {
		memset(&answered, 0, sizeof(answered));
		down();
		begin("PackageList", "");
		if (when == 1)
			say(0, "s1", 0);
		say(failures[_i].result, NULL, 0);
		ck_assert_uint_eq(answered.n, 1);
		ck_assert(answered.is_failure);
		ck_assert_int_eq(answered.err.code, failures[_i].code);
		ck_assert_msg(strstr(answered.err.msg, failures[_i].message) != NULL, "%s",
			      answered.err.msg);
		/* hosts try again on these words (PROTOCOL.md 3.3) */
		ck_assert(!strstr(answered.err.msg, "timeout"));
		ck_assert(!strstr(answered.err.msg, "closed"));
	}
	ck_assert_int_eq(strcmp(answered.data, "{\"supported\":false,\"platform\":\"linux\"}") == 0,
			 failures[_i].code == VMV_E_UNSUPPORTED);
}
END_TEST

START_TEST(without_a_helper_nothing_is_left_waiting)
{
	asked.refusal = -ENOENT;
	begin("PackageList", "");
	ck_assert_uint_eq(answered.n, 1);
	ck_assert_int_eq(answered.err.code, VMV_E_UNSUPPORTED);
	down();
	asked.refusal = 0;
	begin("PackageList", "");
	asked.refusal = -ENOMEM;
	say(0, "s1", 0);
	ck_assert_uint_eq(answered.n, 2);
	ck_assert(answered.is_failure);
}
END_TEST

static const char *const bad_stamps[] = { "", "a b", "a\n" };

START_TEST(a_stamp_that_is_none_is_not_asked_with)
{
	begin("PackageList", "");
	asked.cb(asked.arg, (int)strlen(bad_stamps[_i]), bad_stamps[_i], 0);
	ck_assert_uint_eq(answered.n, 1);
	ck_assert_int_eq(answered.err.code, VMV_E_IO);
	ck_assert_uint_eq(asked.n, 1);
}
END_TEST

static const char *const bad_answers[] = {
	"",
	"3",
	"3 0",
	"3 0 -",
	"3 0 -\n",
	"3 2 -\n{}",
	"3 0 x\n{}",
	"-1 0 -\n{}",
	" 3 0 -\n{}",
	"3 0 -\n{\"a\":\n1}",
	"3  0 -\n{}",
	"3 0 -\r\n{}",
	"3 0 1 1\n{}",
	"3 0 -\n\xc3\xa4",
	"99999999999999999999 0 -\n{}",
};

START_TEST(an_answer_that_is_none_is_not_handed_on)
{
	struct vmv_software_answer a;

	ck_assert(!vmv_software_split(bad_answers[_i], strlen(bad_answers[_i]), &a));
	begin("PackageList", "");
	say(0, "s1", 0);
	asked.cb(asked.arg, (int)strlen(bad_answers[_i]), bad_answers[_i], 0);
	ck_assert_uint_eq(answered.n, 1);
	ck_assert_int_eq(answered.err.code, VMV_E_IO);
}
END_TEST

START_TEST(time_that_is_spent_is_not_there_any_more)
{
	begin("PackageList", "");
	req.began_ms -= 40000;
	say(0, "s1", 0);
	ck_assert_uint_le(asked.wish.deadline_ms, 3000);
	down();
	begin("PackageList", "");
	req.began_ms -= 60000;
	say(0, "s1", 0);
	ck_assert_uint_eq(asked.wish.deadline_ms, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("packages_command");
	TCase *tc = tcase_create("packages_command");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, NULL, down);
	tcase_add_loop_test(tc, the_helper_is_asked_for_the_stamp_and_then_for_the_answer, 0,
			    VMV_COUNTOF(asks));
	tcase_add_test(tc, another_stamp_is_another_question);
	tcase_add_test(tc, a_list_that_is_cut_says_so);
	tcase_add_test(tc, what_is_not_installed_is_not_found);
	tcase_add_test(tc, security_that_is_not_told_is_noted_as_unknown);
	tcase_add_loop_test(tc, every_failure_is_answered_once, 0, VMV_COUNTOF(failures));
	tcase_add_test(tc, without_a_helper_nothing_is_left_waiting);
	tcase_add_loop_test(tc, a_stamp_that_is_none_is_not_asked_with, 0, VMV_COUNTOF(bad_stamps));
	tcase_add_loop_test(tc, an_answer_that_is_none_is_not_handed_on, 0,
			    VMV_COUNTOF(bad_answers));
	tcase_add_test(tc, time_that_is_spent_is_not_there_any_more);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
