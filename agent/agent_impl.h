/* What the parts of the agent share: agent*.c only. */
#ifndef VMV_AGENT_IMPL_H
#define VMV_AGENT_IMPL_H

#include "agent/agent.h"
#include "agent/session.h"
#include "base/clock.h"
#include "base/root.h"
#include "collectors/os.h"
#include "commands/request.h"
#include "config/identity.h"
#include "config/settings.h"
#include "reports/metrics.h"

#include <event2/event.h>

struct vmv_executor;
struct vmv_health;
struct vmv_keeper;
struct vmv_monitor;
struct vmv_rtnetlink;
struct vmv_state;
struct vmv_usage;

#define VMV_AGENT_SUBSYS "agent"

struct vmv_agent {
	const struct vmv_options *options;
	struct vmv_agent_env environment;
	struct vmv_config *config;
	struct vmv_root root;
	struct event_base *base;
	const struct vmv_clock *clock;
	uint64_t began_ms;
	int64_t began_real_ms, config_real_ms; /* since 1970; the configuration was read */

	struct vmv_metrics_options metrics_options;
	struct vmv_ask_pool *asker;
	struct vmv_executor *executor;
	struct vmv_keeper *keeper;
	struct vmv_os_sample os;
	char vm_id[VMV_VM_ID_SIZE];
	struct vmv_session_env env;
	struct vmv_talk *talks[VMV_CHANNELS_MAX];
	size_t n_talks;
	struct vmv_monitor *monitor;
	struct vmv_rtnetlink *rtnetlink;

	struct event *signals[4];
	struct vmv_health *health_checks;
	struct vmv_usage *usage;
	struct event *health, *watchdog;
	struct event *stopping; /* steps of the shutdown */
	struct event *done;	/* a channel is over: looked at outside its callbacks */
	uint64_t stop_ms;	/* monotonic: when the shutdown began; 0: it has not */
	bool is_interrupted;	/* what was running has been answered */
	char status[160];	/* as last told to the service manager */
	bool *collector_failed; /* said so; one per collector */
	size_t n_collectors;
};

static inline uint64_t vmv_agent_now_ms(const struct vmv_agent *a)
{
	return vmv_mono_ms(a->clock);
}

static inline void vmv_agent_arm(struct event *ev, uint64_t ms)
{
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(ev, &tv);
}

/* agent_services.c: what commands need of the agent, and the groups about the agent itself. */
extern const struct vmv_services vmv_agent_services;
void vmv_agent_state(void *agent, struct vmv_state *ret); /* borrows until the loop goes on */
void vmv_agent_provide(struct vmv_agent *a);
void vmv_agent_freeze_state(void *agent, struct vmv_freeze_state *ret);
bool vmv_agent_is_frozen(void *agent);

/* agent_health.c: what the service manager and the journal are told of how things are. */
size_t vmv_agent_count_attached(const struct vmv_agent *a);
void vmv_agent_tell_status(struct vmv_agent *a);
const struct vmv_health *vmv_agent_evaluate(void *agent, const struct vmv_view *view);
void vmv_agent_on_health(evutil_socket_t fd, short what, void *arg);
void vmv_agent_on_changed(void *arg); /* a host came or left */

/* agent_stop.c: intake ends, commands finish, the rest is answered, queues are flushed. */
void vmv_agent_stop(struct vmv_agent *a);
void vmv_agent_on_stopping(evutil_socket_t fd, short what, void *arg);
void vmv_agent_on_finished(void *arg); /* a channel is over */
void vmv_agent_on_done(evutil_socket_t fd, short what, void *arg);

/* agent_config.c: the configuration, at the start and when it is read again. */
void vmv_agent_take_options(struct vmv_agent *a);
int vmv_agent_add_talk(struct vmv_agent *a, const char *text, struct vmv_err *err);
void vmv_agent_reload(struct vmv_agent *a);

#endif
