#include "agent/agent_impl.h"

#include "agent/executor.h"
#include "agent/keeper.h"
#include "agent/state.h"
#include "base/freeze.h"
#include "collectors/agent.h"
#include "reports/facts.h"
#include "reports/health.h"
#include "reports/state.h"

#include <errno.h>

/* -- services for commands -------------------------------------------------------------------- */

static int service_fetch(void *agent, const struct vmv_ask *ask, vmv_view_cb *cb, void *arg)
{
	struct vmv_agent *a = agent;

	return vmv_keeper_ask(a->keeper, ask, cb, arg);
}

static int service_inquire(void *agent, const struct vmv_wish *wish, vmv_answer_cb *cb, void *arg)
{
	struct vmv_agent *a = agent;

	return a->root.asker ? a->root.asker->fetch(a->root.asker, wish, cb, arg) : -ENOENT;
}

static const struct vmv_usage *service_usage(void *agent)
{
	const struct vmv_agent *a = agent;

	return a->usage;
}

void vmv_agent_state(void *agent, struct vmv_state *ret)
{
	struct vmv_agent *a = agent;
	struct vmv_freeze_state freeze;

	ret->now_ms = vmv_agent_now_ms(a);
	ret->real_ms = vmv_real_ms(a->clock);
	ret->began_real_ms = a->began_real_ms;
	ret->config_real_ms = a->config_real_ms;
	ret->facts = vmv_keeper_facts(a->keeper);
	ret->resets = vmv_keeper_resets(a->keeper);
	vmv_agent_freeze_state(a, &freeze);
	ret->is_frozen = freeze.is_frozen;
	ret->thaw_in_ms = freeze.thaw_in_ms;
	vmv_state_collect(a->talks, a->n_talks, ret);
}

static uint32_t service_packages_age_ms(void *agent)
{
	const struct vmv_agent *a = agent;

	return (uint32_t)(a->config->packages_age_min * 60000);
}

static void service_note_updates(void *agent, uint64_t security, uint64_t age_ms)
{
	struct vmv_agent *a = agent;

	vmv_health_note_updates(a->health_checks, security,
				vmv_real_ms(a->clock) - (int64_t)age_ms);
}

static uint64_t service_uptime_s(void *agent)
{
	struct vmv_agent *a = agent;

	return (vmv_agent_now_ms(a) - a->began_ms) / 1000;
}

static unsigned service_jobs(void *agent)
{
	struct vmv_agent *a = agent;
	unsigned n = 0;

	for (size_t i = 0; i < a->n_talks; i++)
		n += a->talks[i]->ops->in_flight(a->talks[i]);
	return n;
}

void vmv_agent_freeze_state(void *agent, struct vmv_freeze_state *ret)
{
	const struct vmv_agent *a = agent;
	struct vmv_freeze_record r;
	uint64_t now_ms = vmv_agent_now_ms(a);
	int error = vmv_freeze_read(vmv_executor_dir(a->executor), &r);

	*ret = (struct vmv_freeze_state){ .is_frozen = false };
	if (error < 0 && error != -ESRCH) /* a guard that was killed has thawed nothing */
		return;
	*ret = (struct vmv_freeze_state){
		.is_frozen = true,
		.since_real_ms = r.since_real_ms,
		.thaw_in_ms = error == 0 && r.thaw_at_ms > now_ms ? r.thaw_at_ms - now_ms : 0,
	};
}

bool vmv_agent_is_frozen(void *agent)
{
	struct vmv_freeze_state state;

	vmv_agent_freeze_state(agent, &state);
	return state.is_frozen;
}

const struct vmv_services vmv_agent_services = {
	.fetch = service_fetch,
	.hello = vmv_session_hello,
	.policy = vmv_session_policy,
	.renew = vmv_session_renew,
	.health = vmv_agent_evaluate,
	.state = vmv_agent_state,
	.inquire = service_inquire,
	.usage = service_usage,
	.note_updates = service_note_updates,
	.uptime_s = service_uptime_s,
	.jobs = service_jobs,
	.jobs_of = vmv_session_jobs_of,
	.packages_age_ms = service_packages_age_ms,
	.freeze_state = vmv_agent_freeze_state,
};

/* -- groups about the agent itself --------------------------------------------------------------
 */

static int provide_agent(void *arg, struct vmv_sink *sink, struct vmv_err *err)
{
	struct vmv_state s;

	(void)err;
	vmv_agent_state(arg, &s);
	return vmv_state_agent_rows(&s, sink);
}

static int provide_channels(void *arg, struct vmv_sink *sink, struct vmv_err *err)
{
	struct vmv_state s;

	(void)err;
	vmv_agent_state(arg, &s);
	return vmv_state_channel_rows(&s, sink);
}

static int provide_collectors(void *arg, struct vmv_sink *sink, struct vmv_err *err)
{
	struct vmv_state s;

	(void)err;
	vmv_agent_state(arg, &s);
	return vmv_state_collector_rows(&s, sink);
}

void vmv_agent_provide(struct vmv_agent *a)
{
	struct vmv_facts *f = vmv_keeper_facts(a->keeper);

	vmv_facts_provide(f, &vmv_collector_agent, provide_agent, a);
	vmv_facts_provide(f, &vmv_collector_channel, provide_channels, a);
	vmv_facts_provide(f, &vmv_collector_collector, provide_collectors, a);
}
