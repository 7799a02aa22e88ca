#include "collectors/agent.h"

#include "base/cleanup.h"

#define MICRO 1e-6
#define MILLI 1e-3

#define A struct vmv_agent_sample

static const struct vmv_field agent_fields[] = {
	VMV_FIELD(A, version, "version", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "vmvitalsd --version",
		  "Version of the agent."),
	VMV_FIELD(A, user_us, "vmvitals_agent_cpu_seconds_total", "mode=\"user\"", VMV_COUNTER,
		  VMV_UNIT_SECONDS, MICRO, "getrusage(2): ru_utime",
		  "CPU time the agent spent in user mode."),
	VMV_FIELD(A, system_us, "vmvitals_agent_cpu_seconds_total", "mode=\"system\"", VMV_COUNTER,
		  VMV_UNIT_SECONDS, MICRO, "getrusage(2): ru_stime",
		  "CPU time the agent spent in kernel mode."),
	VMV_FIELD(A, resident, "vmvitals_agent_resident_memory_bytes", NULL, VMV_GAUGE,
		  VMV_UNIT_BYTES, 0, "/proc/self/statm: resident",
		  "Memory of the agent that is in RAM, shared pages included."),
	VMV_FIELD(A, virtual, "vmvitals_agent_virtual_memory_bytes", NULL, VMV_GAUGE,
		  VMV_UNIT_BYTES, 0, "/proc/self/statm: size", "Address space of the agent."),
	VMV_FIELD(A, voluntary, "vmvitals_agent_context_switches_total", "kind=\"voluntary\"",
		  VMV_COUNTER, VMV_UNIT_NONE, 0, "getrusage(2): ru_nvcsw",
		  "Times the agent waited; each ended with a wake-up."),
	VMV_FIELD(A, involuntary, "vmvitals_agent_context_switches_total", "kind=\"involuntary\"",
		  VMV_COUNTER, VMV_UNIT_NONE, 0, "getrusage(2): ru_nivcsw",
		  "Times the agent had to make way for something else."),
	VMV_FIELD(A, descriptors, "vmvitals_agent_open_fds", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "/proc/self/fd", "File descriptors the agent has open."),
	VMV_FIELD(A, start_ms, "vmvitals_agent_start_time_seconds", NULL, VMV_GAUGE,
		  VMV_UNIT_SECONDS, MILLI, "CLOCK_REALTIME",
		  "When the agent started, since 1970 by the clock of then."),
	VMV_FIELD(A, resets, "vmvitals_agent_counter_resets_total", NULL, VMV_COUNTER,
		  VMV_UNIT_NONE, 0, "the agent's own count",
		  "Counters of the kernel that were found lower than before."),
	VMV_FIELD(A, jobs, "vmvitals_agent_jobs", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "the agent's own count", "Commands that are being carried out."),
};

#undef A

const struct vmv_collector vmv_collector_agent = {
	.name = "agent",
	.help = "What the agent itself costs.",
	.file = "getrusage(2), /proc/self/statm",
	.fields = agent_fields,
	.n_fields = VMV_COUNTOF(agent_fields),
	.sample_size = sizeof(struct vmv_agent_sample),
	.min_period_ms = 1000,
	.is_default = true,
};

#define C   struct vmv_channel_sample
#define OWN "the agent's own count"

#define COUNT(member, metric, label, text) \
	VMV_FIELD(C, member, metric, label, VMV_COUNTER, VMV_UNIT_NONE, 0, OWN, text)

static const struct vmv_field channel_fields[] = {
	VMV_FIELD(C, dialect, "dialect", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "agent.conf",
		  "Language that is spoken on the channel."),
	VMV_FIELD(C, attached, "vmvitals_channel_attached", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "state of the port or socket", "1 while a host is attached."),
	VMV_FIELD(C, bytes_in, "vmvitals_channel_receive_bytes_total", NULL, VMV_COUNTER,
		  VMV_UNIT_BYTES, 0, OWN, "Bytes read from hosts."),
	VMV_FIELD(C, bytes_out, "vmvitals_channel_transmit_bytes_total", NULL, VMV_COUNTER,
		  VMV_UNIT_BYTES, 0, OWN, "Bytes written to hosts."),
	VMV_FIELD(C, queue_bytes, "vmvitals_channel_queue_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES,
		  0, OWN, "Bytes that wait for the host to read."),
	COUNT(lines, "vmvitals_channel_receive_lines_total", NULL, "Lines taken from hosts."),
	COUNT(sessions, "vmvitals_channel_sessions_total", NULL, "Sessions begun."),
	COUNT(malformed, "vmvitals_channel_malformed_lines_total", NULL,
	      "Lines from hosts that were no message."),
	COUNT(oversize, "vmvitals_channel_oversize_lines_total", NULL,
	      "Lines from hosts that were too long."),
	COUNT(ignored, "vmvitals_channel_ignored_lines_total", NULL,
	      "Messages from hosts that could not be answered or used."),
	COUNT(refused, "vmvitals_channel_refused_commands_total", NULL, "Commands refused."),
	COUNT(dropped_metrics, "vmvitals_channel_dropped_messages_total", "class=\"metrics\"",
	      "Metrics messages that a newer one took the place of, unread."),
	COUNT(dropped_samples, "vmvitals_channel_dropped_messages_total", "class=\"samples\"",
	      "Samples messages dropped for want of room."),
};

#undef C
#undef COUNT

const struct vmv_collector vmv_collector_channel = {
	.name = "channel",
	.help = "Channels between the agent and its hosts.",
	.file = "the agent itself",
	.key = "channel",
	.fields = channel_fields,
	.n_fields = VMV_COUNTOF(channel_fields),
	.sample_size = sizeof(struct vmv_channel_sample),
	.min_period_ms = 1000,
	.is_default = true,
};

#define R struct vmv_collector_sample

static const struct vmv_field collector_fields[] = {
	VMV_FIELD(R, success, "node_scrape_collector_success", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  OWN, "1 when the latest reading was good, 0 when it failed."),
	VMV_FIELD(R, duration_us, "node_scrape_collector_duration_seconds", NULL, VMV_GAUGE,
		  VMV_UNIT_SECONDS, MICRO, "CLOCK_MONOTONIC", "How long the latest reading took."),
	VMV_FIELD(R, failed, "vmvitals_collector_failures_total", NULL, VMV_COUNTER, VMV_UNIT_NONE,
		  0, OWN, "Readings that failed."),
	VMV_FIELD(R, runs, "vmvitals_collector_runs_total", NULL, VMV_COUNTER, VMV_UNIT_NONE, 0,
		  OWN, "Readings, good and bad."),
	VMV_FIELD(R, age_ms, "vmvitals_collector_age_seconds", NULL, VMV_GAUGE, VMV_UNIT_SECONDS,
		  MILLI, "CLOCK_MONOTONIC", "Time since the latest good reading."),
	VMV_FIELD(R, period_ms, "vmvitals_collector_period_seconds", NULL, VMV_GAUGE,
		  VMV_UNIT_SECONDS, MILLI, OWN,
		  "Time that has to pass between two readings, longer after failures."),
};

#undef R

const struct vmv_collector vmv_collector_collector = {
	.name = "collector",
	.help = "How the readings of all groups went.",
	.file = "the agent itself",
	.key = "collector",
	.fields = collector_fields,
	.n_fields = VMV_COUNTOF(collector_fields),
	.sample_size = sizeof(struct vmv_collector_sample),
	.min_period_ms = 1000,
	.is_default = true,
};
