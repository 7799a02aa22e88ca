/* An action of the executor as the job would run it: arguments out of JSON, settings for a tree of
 * its own. */
#ifndef VMV_TESTS_ACTION_H
#define VMV_TESTS_ACTION_H

#include "base/err.h"
#include "base/limits.h"
#include "commands/command.h"
#include "job/action.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct
try {
	struct vmv_job_settings settings;
	struct vmv_value args[VMV_ARGS_MAX];
	struct vmv_action a;
	struct vmv_err err;
	int result;
};

/* Runs the action of this name with command_type members as given ("\"pid\":1"). root as in the
 * settings. try_done is the caller's. */
static inline void try_action(struct try *t, const char *name, const char *members,
			      const char *root)
{
	char text[4096];
	const struct vmv_action_row *row = vmv_action_find(name);

	(void)snprintf(
		text, sizeof(text),
		"{\"type\":\"SafeCommand\",\"id\":\"x\",\"command_type\":{\"action\":\"%s\"%s"
		"%s}}",
		name, *members ? "," : "", members);
	ck_assert_ptr_nonnull(row);
	t->settings.root = root;
	t->err = (struct vmv_err){ 0 };
	t->a = (struct vmv_action){
		.command = vmv_command_find(name),
		.args = t->args,
		.message = json_tokener_parse(text),
		.settings = &t->settings,
		.deadline_ms = t->a.deadline_ms ? t->a.deadline_ms : UINT64_MAX,
	};
	ck_assert_ptr_nonnull(t->a.message);
	vmv_jw_init(&t->a.data, VMV_MIB);
	ck_assert_msg(vmv_command_args(t->a.command, t->a.message, t->args, &t->err) == 0, "%s",
		      t->err.msg);
	t->result = row->run(&t->a, &t->err);
}

/* What is in data, or NULL: the caller puts it. */
static inline struct json_object *try_data(struct try *t)
{
	return t->a.data.buf.len > 0 ? guest_json(&t->a.data) : NULL;
}

static inline void try_done(struct try *t)
{
	json_object_put(t->a.message);
	vmv_jw_free(&t->a.data);
}

#define EXPECT_OK(t) ck_assert_msg((t)->result == 0, "%d: %s", (t)->result, (t)->err.msg)
#define EXPECT_FAILED(t, want, text)                                                           \
	do {                                                                                   \
		ck_assert_int_lt((t)->result, 0);                                              \
		ck_assert_msg((t)->err.code == (want) && strstr((t)->err.msg, text), "%d: %s", \
			      (int)(t)->err.code, (t)->err.msg);                               \
	} while (0)

#endif
