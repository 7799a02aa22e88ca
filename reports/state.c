#include "reports/state.h"

#include "base/clock.h"
#include "collectors/agent.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* -- GetState ---------------------------------------------------------------------------------- */

static void write_stamp(struct vmv_jw *w, const char *name, int64_t real_ms)
{
	char stamp[VMV_STAMP_SIZE];

	vmv_stamp(real_ms, stamp);
	vmv_jw_str(w, name, stamp);
}

/* A moment of the monotonic clock by the wall clock of now. */
static int64_t real_of(const struct vmv_state *s, uint64_t mono_ms)
{
	return s->real_ms - (int64_t)(s->now_ms > mono_ms ? s->now_ms - mono_ms : 0);
}

static void write_channel(struct vmv_jw *w, const struct vmv_state *s,
			  const struct vmv_state_channel *c)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", c->name);
	vmv_jw_str(w, "dialect", c->dialect);
	vmv_jw_bool(w, "attached", c->is_attached);
	vmv_jw_str_or_null(w, "session", c->session);
	if (c->is_attached)
		write_stamp(w, "since", real_of(s, c->since_ms));
	else
		vmv_jw_null(w, "since");
	vmv_jw_u64(w, "bytes_in", c->bytes_in);
	vmv_jw_u64(w, "bytes_out", c->bytes_out);
	vmv_jw_u64(w, "queue_bytes", c->queue_bytes);
	vmv_jw_u64(w, "malformed", c->malformed);
	vmv_jw_u64(w, "oversize", c->oversize);
	vmv_jw_open(w, "dropped");
	vmv_jw_u64(w, "metrics", c->dropped_metrics);
	vmv_jw_u64(w, "samples", c->dropped_samples);
	vmv_jw_close(w);
	vmv_jw_u64(w, "refused", c->refused);
	vmv_jw_close(w);
}

/* The members of JobStatus (PROTOCOL.md 6.7): what is listed here answers soon, cannot be
 * cancelled, and has no deadline of its own. */
static void write_job(struct vmv_jw *w, const struct vmv_state *s, const struct vmv_state_job *j)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "id", j->id);
	vmv_jw_str(w, "action", j->action);
	vmv_jw_str(w, "state", "running");
	write_stamp(w, "started_at", real_of(s, j->began_ms));
	vmv_jw_u64(w, "elapsed_ms", s->now_ms > j->began_ms ? s->now_ms - j->began_ms : 0);
	vmv_jw_null(w, "deadline_in_ms");
	vmv_jw_bool(w, "cancellable", false);
	vmv_jw_null(w, "output_bytes");
	vmv_jw_null(w, "response");
	vmv_jw_close(w);
}

/* How old the latest good reading is, in milliseconds; VMV_UNSET: there is none. */
static uint64_t age_of(const struct vmv_state *s, const struct vmv_collector_status *c)
{
	if (c->read_ms == 0)
		return VMV_UNSET;
	return s->now_ms > c->read_ms ? s->now_ms - c->read_ms : 0;
}

/* A collector that nobody has asked for yet is neither well nor ill. */
static void write_collector(struct vmv_jw *w, const struct vmv_state *s,
			    const struct vmv_collector_status *c)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", c->collector->name);
	if (c->tried_ms == 0)
		vmv_jw_null(w, "ok");
	else
		vmv_jw_bool(w, "ok", c->is_ok);
	vmv_jw_str_or_null(w, "error", c->is_absent ? "not on this guest" : c->error);
	vmv_jw_u64(w, "duration_us", c->tried_ms == 0 ? VMV_UNSET : c->duration_us);
	vmv_jw_u64(w, "period_ms", vmv_facts_period_ms(c));
	vmv_jw_u64(w, "age_ms", age_of(s, c));
	vmv_jw_u64(w, "failures", c->is_absent ? 0 : c->failures);
	vmv_jw_close(w);
}

static void write_collectors(struct vmv_jw *w, const struct vmv_state *s)
{
	size_t n;
	const struct vmv_collector_status *c = vmv_facts_status(s->facts, &n);

	vmv_jw_array(w, "collectors");
	for (size_t i = 0; i < n; i++)
		write_collector(w, s, &c[i]);
	vmv_jw_end(w);
}

void vmv_state_write(struct vmv_jw *w, const struct vmv_state *s)
{
	uint64_t cpu_us = vmv_add_sat(s->cost.user_us, s->cost.system_us);

	vmv_jw_open(w, NULL);
	vmv_jw_array(w, "channels");
	for (size_t i = 0; i < s->n_channels; i++)
		write_channel(w, s, &s->channels[i]);
	vmv_jw_end(w);
	vmv_jw_array(w, "subscriptions");
	vmv_jw_end(w);
	vmv_jw_array(w, "jobs");
	for (size_t i = 0; i < s->n_jobs; i++)
		write_job(w, s, &s->jobs[i]);
	vmv_jw_end(w);
	write_collectors(w, s);
	vmv_jw_open(w, "events"); /* none is kept yet */
	vmv_jw_close(w);
	vmv_jw_bool(w, "fs_frozen", s->is_frozen);
	vmv_jw_u64(w, "thaw_in_ms", s->is_frozen ? s->thaw_in_ms : VMV_UNSET);
	write_stamp(w, "config_loaded_at", s->config_real_ms);
	vmv_jw_open(w, "cost");
	vmv_jw_u64(w, "cpu_ms", cpu_us == VMV_UNSET ? VMV_UNSET : cpu_us / 1000);
	vmv_jw_u64(w, "rss_bytes", s->cost.resident);
	vmv_jw_u64(w, "wakeups", s->cost.voluntary);
	vmv_jw_close(w);
	vmv_jw_close(w);
}

/* -- groups ------------------------------------------------------------------------------------ */

int vmv_state_agent_rows(const struct vmv_state *s, struct vmv_sink *sink)
{
	struct vmv_agent_sample row = {
		.user_us = s->cost.user_us,
		.system_us = s->cost.system_us,
		.resident = s->cost.resident,
		.virtual = s->cost.virtual,
		.voluntary = s->cost.voluntary,
		.involuntary = s->cost.involuntary,
		.descriptors = s->cost.descriptors,
		.start_ms = s->began_real_ms > 0 ? (uint64_t)s->began_real_ms : VMV_UNSET,
		.resets = s->resets,
	};

	for (size_t i = 0; i < s->n_channels; i++)
		row.jobs += s->channels[i].in_flight;
	(void)snprintf(row.version, sizeof(row.version), "%s", PACKAGE_VERSION);
	return sink->row(sink, "", &row);
}

int vmv_state_channel_rows(const struct vmv_state *s, struct vmv_sink *sink)
{
	int r = 0;

	for (size_t i = 0; i < s->n_channels && r == 0; i++) {
		const struct vmv_state_channel *c = &s->channels[i];
		struct vmv_channel_sample row = {
			.attached = c->is_attached,
			.bytes_in = c->bytes_in,
			.bytes_out = c->bytes_out,
			.queue_bytes = c->queue_bytes,
			.lines = c->lines,
			.sessions = c->sessions,
			.malformed = c->malformed,
			.oversize = c->oversize,
			.ignored = c->ignored,
			.refused = c->refused,
			.dropped_metrics = c->dropped_metrics,
			.dropped_samples = c->dropped_samples,
		};

		(void)snprintf(row.dialect, sizeof(row.dialect), "%s", c->dialect);
		r = sink->row(sink, c->name, &row);
	}
	return r;
}

static struct vmv_collector_sample collector_row(const struct vmv_state *s,
						 const struct vmv_collector_status *c)
{
	bool is_known = c->tried_ms > 0 && !c->is_absent;
	uint64_t age_ms = age_of(s, c);

	return (struct vmv_collector_sample){
		.success = is_known ? c->is_ok : VMV_UNSET,
		.duration_us = is_known ? c->duration_us : VMV_UNSET,
		.failed = c->failed,
		.runs = c->runs,
		.age_ms = age_ms,
		.period_ms = vmv_facts_period_ms(c),
	};
}

int vmv_state_collector_rows(const struct vmv_state *s, struct vmv_sink *sink)
{
	size_t n;
	const struct vmv_collector_status *c = vmv_facts_status(s->facts, &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct vmv_collector_sample row = collector_row(s, &c[i]);

		r = sink->row(sink, c[i].collector->name, &row);
	}
	return r;
}
