#include "agent/state.h"

#include "agent/events.h"
#include "agent/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "reports/facts.h"
#include "virtio/channel.h"

#include <sys/resource.h>

#define SUBSYS "state"

static const struct vmv_log_field fields[] = {
	{ "VMVITALS_EVENT", "state" },
	{ NULL, NULL },
};

static const char *state_word(enum vmv_channel_state state)
{
	static const char *const words[] = {
		[VMV_CHANNEL_ABSENT] = "absent",
		[VMV_CHANNEL_AWAY] = "no host",
		[VMV_CHANNEL_UP] = "host attached",
	};

	return words[state];
}

static void log_session(const struct vmv_session *s, uint64_t now_ms)
{
	const struct vmv_channel *ch = vmv_session_channel(s);
	const struct vmv_channel_counters *c = vmv_channel_counters(ch);
	const struct vmv_outq *q = vmv_channel_queue(ch);
	struct vmv_session_stats st = vmv_session_stats(s);

	vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STATE, fields,
		      "channel %s: %s, session %s for %llu s, sessions %llu, in %llu B %llu lines, "
		      "out %llu B, queued %zu B, unanswered %u, malformed %llu, oversize %llu, "
		      "ignored %llu, refused %llu, duplicate ids %llu, late answers %llu, metrics "
		      "replaced %llu, samples dropped %llu, turns %llu",
		      vmv_channel_spec(ch)->name, state_word(vmv_channel_state(ch)),
		      st.is_attached ? st.id : "-",
		      (unsigned long long)(st.is_attached ? (now_ms - st.since_ms) / 1000 : 0),
		      (unsigned long long)c->sessions, (unsigned long long)c->bytes_in,
		      (unsigned long long)st.lines, (unsigned long long)c->bytes_out,
		      vmv_outq_bytes(q), vmv_session_in_flight(s), (unsigned long long)st.malformed,
		      (unsigned long long)st.oversize, (unsigned long long)st.ignored,
		      (unsigned long long)st.refused, (unsigned long long)st.duplicates,
		      (unsigned long long)st.late, (unsigned long long)q->replaced,
		      (unsigned long long)q->dropped_samples, (unsigned long long)c->callbacks);
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

void vmv_state_log(struct vmv_session *const *sessions, size_t n, const struct vmv_facts *facts,
		   const struct vmv_clock *clock)
{
	uint64_t now_ms = vmv_mono_ms(clock);
	const struct vmv_collector_status *s;
	struct rusage ru;
	size_t collectors;

	for (size_t i = 0; i < n; i++)
		log_session(sessions[i], now_ms);
	s = vmv_facts_status(facts, &collectors);
	for (size_t i = 0; i < collectors; i++)
		log_collector(&s[i], now_ms);
	(void)getrusage(RUSAGE_SELF, &ru);
	vmv_log_entry(VMV_LOG_NOTICE, SUBSYS, VMV_MSG_STATE, fields,
		      "cost: CPU %lld ms, largest RSS %ld KiB, waits %ld",
		      (long long)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
			      (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000,
		      ru.ru_maxrss, ru.ru_nvcsw);
}
