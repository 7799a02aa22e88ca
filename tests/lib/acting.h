/* Runs an action of the executor as vmvitals-job does, with settings of a tree of its own. */
#ifndef VMV_TESTS_ACTING_H
#define VMV_TESTS_ACTING_H

#include "job/action.h"
#include "tests/lib/fixture.h"

#include <json-c/json.h>

struct acting {
	struct vmv_job_settings settings; /* may be changed before acting_run */
	uint64_t deadline_ms;		  /* likewise, of acting_run_qga; 0: none */
	char run_dir[96], config_dir[96], state_dir[96];
	struct vmv_value args[VMV_ARGS_MAX];
	struct json_object *message;
	struct vmv_action action;
	struct vmv_err err;
	struct json_object *data; /* what the last one wrote, or NULL */
};

/* root, run/, etc/ and var/ are in the fixture's tree. */
void acting_up(struct acting *x, const struct fixture *fx);
void acting_down(struct acting *x);

/* Arguments are JSON: {"hash":true}. They are checked as those of a host, and a failure there
 * fails the test. What the action returned; x->err, x->action and x->data say more. */
int acting_run(struct acting *x, const char *action, const char *arguments);

/* The same with a command of the QEMU guest agent. members: of the message, beside command and
 * arguments ("\"thaw_after_s\":600"), or "". x->data may be any JSON. */
int acting_run_qga(struct acting *x, const char *command, const char *arguments,
		   const char *members);

/* x->data as text, without blanks; "" when there is none. */
const char *acting_text(const struct acting *x);

/* Members of x->data; each fails the test when it is not there, or of another type. */
int64_t acting_int(const struct acting *x, const char *name);
double acting_num(const struct acting *x, const char *name);
const char *acting_str(const struct acting *x, const char *name);
bool acting_bool(const struct acting *x, const char *name);
struct json_object *acting_get(const struct acting *x, const char *name);

#endif
