#include "tests/lib/acting_qga.h"

#include "base/limits.h"
#include "commands/qga.h"
#include "job/qga.h"
#include "proto/json_read.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void prepare(struct acting *x, const struct vmv_command *c, const char *arguments,
		    const char *more)
{
	char *text;
	int r;

	ck_assert_int_gt(asprintf(&text, "{\"command\":\"%s\",\"arguments\":%s%s}", c->name,
				  arguments, more),
			 0);
	r = vmv_json_parse(text, strlen(text), &x->message, &x->err);
	ck_assert_msg(r == 0, "%s: %s", text, x->err.msg);
	free(text);
	r = vmv_qga_args(c, vmv_json_get(x->message, "arguments"), x->args, &x->err);
	ck_assert_msg(r == 0, "%s", x->err.msg);
	x->action = (struct vmv_action){ .command = c,
					 .args = x->args,
					 .message = x->message,
					 .settings = &x->settings,
					 .deadline_ms = UINT64_MAX };
	vmv_jw_init(&x->action.data, VMV_JOB_RESULT_MAX - 4 * VMV_KIB);
}

int acting_qga(struct acting *x, const char *command, const char *arguments, const char *more)
{
	const struct vmv_action_row *row = vmv_qga_action_find(command);
	const struct vmv_command *c = vmv_qga_find(command);
	int r;

	acting_down(x); /* the one before */
	ck_assert_ptr_nonnull(row);
	ck_assert_ptr_nonnull(c);
	prepare(x, c, arguments, more);
	r = row->run(&x->action, &x->err);
	ck_assert_int_eq(r < 0, x->err.code != VMV_OK);
	if (r == 0 && x->action.data.buf.len > 0) {
		ck_assert_int_eq(vmv_jw_finish(&x->action.data), 0);
		ck_assert_int_eq(vmv_json_parse(x->action.data.buf.data, x->action.data.buf.len,
						&x->data, &x->err),
				 0);
	}
	return r;
}
