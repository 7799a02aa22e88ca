#include "tests/lib/qga_ask.h"

#include "base/err.h"
#include "commands/request.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
	struct vmv_request req; /* first member: answer casts back */
	char *reply;
	int n;
};

/* As the keeper, which reads at once here. agent: the facts; NULL: there is no reading. */
static int fetch(void *agent, const struct vmv_ask *ask, vmv_view_cb *cb, void *arg)
{
	struct vmv_view view = { .facts = agent };

	if (!agent) {
		cb(arg, NULL);
		return 0;
	}
	vmv_facts_begin(agent, ask->groups);
	while (vmv_facts_step(agent))
		;
	cb(arg, &view);
	return 0;
}

static void answer(struct vmv_request *req, const struct vmv_err *err, const char *text,
		   const struct vmv_jw *data)
{
	struct asked *a = (struct asked *)req;

	(void)text;
	ck_assert_int_eq(a->n++, 0);
	if (err)
		ck_assert_int_gt(asprintf(&a->reply, "error: %s", err->msg), 0);
	else if (data)
		a->reply = strndup(data->buf.data, data->buf.len);
	else
		a->reply = strdup("{}");
	ck_assert_ptr_nonnull(a->reply);
	free(req->scratch);
	req->scratch = NULL;
}

static char *run_with(void *agent, void (*run)(struct vmv_request *req))
{
	static const struct vmv_services services = { .fetch = fetch };
	struct asked a = { .req = { .services = &services, .agent = agent, .answer = answer } };

	run(&a.req);
	ck_assert_int_eq(a.n, 1);
	return a.reply;
}

char *qga_ask(struct fixture *fx, void (*run)(struct vmv_request *req))
{
	struct still_clock now;
	struct vmv_facts *facts;
	char *reply;

	still_clock_init(&now);
	facts = vmv_facts_new(&fx->root, &now.clock);
	ck_assert_ptr_nonnull(facts);
	reply = run_with(facts, run);
	vmv_facts_free(facts);
	return reply;
}

char *qga_ask_abandoned(void (*run)(struct vmv_request *req))
{
	return run_with(NULL, run);
}
