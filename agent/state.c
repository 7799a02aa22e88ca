#include "agent/state.h"

#include "agent/events.h"
#include "agent/self.h"
#include "agent/talk.h"
#include "base/log.h"
#include "base/num.h"
#include "reports/facts.h"
#include "reports/state.h"
#include "virtio/channel.h"

#define SUBSYS "state"

/* -- collecting -------------------------------------------------------------------------------- */

static const char *state_word(enum vmv_channel_state state)
{
	static const char *const words[] = {
		[VMV_CHANNEL_ABSENT] = "absent",
		[VMV_CHANNEL_AWAY] = "no host",
		[VMV_CHANNEL_UP] = "host attached",
	};

	return words[state];
}

static void collect_channel(struct vmv_talk *t, struct vmv_state_channel *ret)
{
	const struct vmv_channel *ch = t->channel;
	const struct vmv_channel_counters *c = vmv_channel_counters(ch);
	const struct vmv_outq *q = vmv_channel_queue(ch);
	struct vmv_talk_stats st = t->ops->stats(t);

	*ret = (struct vmv_state_channel){
		.name = vmv_channel_spec(ch)->name,
		.dialect = vmv_dialect_name(vmv_channel_spec(ch)->dialect),
		.word = state_word(vmv_channel_state(ch)),
		.is_attached = st.is_attached,
		.session = st.id,
		.since_ms = st.since_ms,
		.queue_bytes = vmv_outq_bytes(q),
		.in_flight = t->ops->in_flight(t),
		.sessions = c->sessions,
		.bytes_in = c->bytes_in,
		.bytes_out = c->bytes_out,
		.lines = st.lines,
		.turns = c->callbacks,
		.malformed = st.malformed,
		.oversize = st.oversize,
		.ignored = st.ignored,
		.refused = st.refused,
		.duplicates = st.duplicates,
		.late = st.late,
		.dropped_metrics = q->replaced,
		.dropped_samples = q->dropped_samples,
	};
}

void vmv_state_collect(struct vmv_talk *const *talks, size_t n, struct vmv_state *ret)
{
	ret->n_channels = ret->n_jobs = 0;
	for (size_t i = 0; i < n && i < VMV_CHANNELS_MAX; i++) {
		collect_channel(talks[i], &ret->channels[ret->n_channels++]);
		ret->n_jobs += talks[i]->ops->jobs(talks[i], ret->jobs + ret->n_jobs,
						   VMV_STATE_JOBS - ret->n_jobs);
	}
	vmv_cost_read(&ret->cost);
}

/* -- telling ----------------------------------------------------------------------------------- */

static const struct vmv_log_field fields[] = {
	{ "VMVITALS_EVENT", "state" },
	{ NULL, NULL },
};

static void log_channel(const struct vmv_state_channel *c, uint64_t now_ms)
{
	vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STATE, fields,
		      "channel %s: %s, session %s for %llu s, sessions %llu, in %llu B %llu lines, "
		      "out %llu B, queued %zu B, unanswered %u, malformed %llu, oversize %llu, "
		      "ignored %llu, refused %llu, duplicate ids %llu, late answers %llu, metrics "
		      "replaced %llu, samples dropped %llu, turns %llu",
		      c->name, c->word, c->is_attached ? c->session : "-",
		      (unsigned long long)(c->is_attached ? (now_ms - c->since_ms) / 1000 : 0),
		      (unsigned long long)c->sessions, (unsigned long long)c->bytes_in,
		      (unsigned long long)c->lines, (unsigned long long)c->bytes_out,
		      c->queue_bytes, c->in_flight, (unsigned long long)c->malformed,
		      (unsigned long long)c->oversize, (unsigned long long)c->ignored,
		      (unsigned long long)c->refused, (unsigned long long)c->duplicates,
		      (unsigned long long)c->late, (unsigned long long)c->dropped_metrics,
		      (unsigned long long)c->dropped_samples, (unsigned long long)c->turns);
}

static void log_collector(const struct vmv_collector_status *s, uint64_t now_ms)
{
	if (s->read_ms == 0 && s->failures == 0)
		vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STATE, fields,
			      "collector %s: not read yet", s->collector->name);
	else if (s->is_ok)
		vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STATE, fields,
			      "collector %s: ok, %llu us, %llu ms ago, failed %llu times",
			      s->collector->name, (unsigned long long)s->duration_us,
			      (unsigned long long)(now_ms - s->read_ms),
			      (unsigned long long)s->failed);
	else
		vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STATE, fields, "collector %s: %s: %s",
			      s->collector->name, s->is_absent ? "not on this guest" : "failed",
			      s->error);
}

/* "-" would be no number for who reads the log with a program. */
static unsigned long long known(uint64_t v, uint64_t unit)
{
	return v == VMV_UNSET ? 0 : v / unit;
}

void vmv_state_log(const struct vmv_state *s)
{
	const struct vmv_collector_status *c;
	size_t n;

	for (size_t i = 0; i < s->n_channels; i++)
		log_channel(&s->channels[i], s->now_ms);
	c = vmv_facts_status(s->facts, &n);
	for (size_t i = 0; i < n; i++)
		log_collector(&c[i], s->now_ms);
	vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STATE, fields,
		      "cost: CPU %llu ms, RSS %llu KiB, descriptors %llu, waits %llu",
		      known(vmv_add_sat(s->cost.user_us, s->cost.system_us), 1000),
		      known(s->cost.resident, 1024), known(s->cost.descriptors, 1),
		      known(s->cost.voluntary, 1));
}
