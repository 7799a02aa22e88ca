#include "config/settings.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "commands/command.h"
#include "commands/qga.h"
#include "virtio/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@:-"
#define UNIT_NAME_MAX	(255 - strlen(".automount")) /* systemd's bound, without a suffix */
#define UNIT_NAMES_MAX	(7 * VMV_KIB)		     /* all together: they are one question */

static const char *const levels[] = {
	[VMV_MONITOR] = "monitor",
	[VMV_OPERATE] = "operate",
	[VMV_FULL] = "full",
	NULL,
};

static const char *const command_types[] = {
	[VMV_TYPE_CLASS] = "class",
	[VMV_TYPE_ACTION] = "action",
	NULL,
};

static int check_channel(const char *value, struct vmv_err *err)
{
	struct vmv_spec spec;

	return vmv_spec_parse(value, &spec, err);
}

static int check_vm_id(const char *value, struct vmv_err *err)
{
	/* a comment for whoever reads the dump back */
	bool is_good = strlen(value) <= VMV_ID_MAX && *value != ';' && *value != '#';

	for (const char *p = value; *p; p++)
		is_good = is_good && *p > 0x20 && *p < 0x7f && *p != '"' && *p != '\\';
	if (!is_good)
		return vmv_fail(
			err, VMV_E_RANGE, EINVAL,
			"[agent] vm_id: at most %d printable ASCII characters without blanks",
			VMV_ID_MAX);
	return 0;
}

static int check_path(const char *value, struct vmv_err *err)
{
	if (*value == '/' || *value == '\0')
		return 0;
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%.60s' is no absolute path", value);
}

static int check_account(const char *value, struct vmv_err *err)
{
	if (*value != '\0' && vmv_charset_allows(VMV_CHARS_ACCOUNT, value))
		return 0;
	return vmv_fail(err, VMV_E_RANGE, EINVAL,
			"[exec] run_as_allow: '%.60s' is no name of an account", value);
}

static int check_file_root(const char *value, struct vmv_err *err)
{
	if (vmv_charset_allows(VMV_CHARS_PATH, value))
		return 0;
	return vmv_fail(err, VMV_E_RANGE, EINVAL,
			"[exec] file_roots: '%.60s' is no absolute path without . and .. parts",
			value);
}

static int check_action(const char *key, const char *value, struct vmv_err *err)
{
	if (vmv_command_find(value) || strcmp(value, vmv_raw_command.name) == 0)
		return 0;
	/* a misspelt deny would allow what was to be forbidden */
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "[policy] %s: there is no action '%.60s'", key,
			value);
}

static int check_allow(const char *value, struct vmv_err *err)
{
	return check_action("allow", value, err);
}

static int check_deny(const char *value, struct vmv_err *err)
{
	return check_action("deny", value, err);
}

static int check_qga(const char *key, const char *value, struct vmv_err *err)
{
	if (vmv_qga_find(value))
		return 0;
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "[qga] %s: there is no command '%.60s'", key,
			value);
}

static int check_qga_allow(const char *value, struct vmv_err *err)
{
	return check_qga("allow", value, err);
}

static int check_qga_deny(const char *value, struct vmv_err *err)
{
	return check_qga("deny", value, err);
}

static const char *const unit_types[] = {
	".automount", ".device", ".mount", ".path",   ".scope", ".service",
	".slice",     ".socket", ".swap",  ".target", ".timer",
};

/* What systemd tells types of units by; NULL when there is none of these. */
static const char *unit_suffix(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < VMV_COUNTOF(unit_types); i++)
		if (strcmp(dot, unit_types[i]) == 0)
			return dot;
	return NULL;
}

static int check_unit(const char *value, struct vmv_err *err)
{
	const char *suffix = unit_suffix(value);
	size_t len = suffix ? (size_t)(suffix - value) : strlen(value);

	if (value[strspn(value, UNIT_CHARACTERS)] != '\0')
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"[health] critical_units: '%.60s' has other characters than "
				"A-Z a-z 0-9 . _ @ : -",
				value);
	/* a template, "getty@.service", is nothing that runs */
	if (len == 0 || value[0] == '@' || value[len - 1] == '@' || len > UNIT_NAME_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"[health] critical_units: '%.60s' is not the name of a unit",
				value);
	return 0;
}
#define PLACE(member) .place_offset = offsetof(struct vmv_config, member)

const struct vmv_setting vmv_config_table[] = {
	{ "agent", "channel", VMV_SETTING(VMV_SET_LIST, channels), .option = "channel",
	  .fallback = "virtio:org.vmvitals.agent.0 virtio:org.infinibay.agent "
		      "virtio:" VMV_SPEC_QGA_PORT,
	  .unit = "SPEC", .check = check_channel,
	  .help = "Where hosts are served; one a line. virtio:NAME, path:DEVICE, unix-listen:PATH, "
		  "unix-connect:PATH, vsock-listen:PORT or stdio; with ,dialect=qga the "
		  "QEMU guest agent's protocol is spoken there." },
	{ "agent", "vm_id", VMV_SETTING(VMV_SET_TEXT, vm_id), .option = "vm-id", .fallback = "",
	  .unit = "ID", .check = check_vm_id,
	  .help = "Name of this guest for its hosts; empty: INFINIBAY_VM_ID, else the machine "
		  "id." },
	{ "agent", "log_level", VMV_SETTING(VMV_SET_TEXT, log_level), .option = "log-level",
	  .fallback = "info", .unit = "LEVEL", .check = vmv_log_check_levels,
	  .help = "error, warning, notice, info or debug; per subsystem: info,channel=debug." },
	{ "agent", "root", VMV_SETTING(VMV_SET_TEXT, root), .option = "root", .fallback = "/",
	  .unit = "DIR", .help = "Where proc/, sys/ and etc/ are found." },
	{ "agent", "helper", VMV_SETTING(VMV_SET_TEXT, helper), .option = "helper",
	  .fallback = VMV_HELPER_PATH, .unit = "PATH", .check = check_path,
	  .help = "The program that is asked what may block, such as the size of a network "
		  "filesystem; "
		  "empty: nobody." },
	{ "agent", "executor", VMV_SETTING(VMV_SET_TEXT, executor), .option = "executor",
	  .fallback = VMV_EXECUTOR_PATH, .unit = "PATH", .check = check_path,
	  .help = "Socket of the executor, which alone changes anything; empty: nobody does." },
	{ "agent", "stop_grace", VMV_SETTING(VMV_SET_U64, stop_grace_s), .max = 60, .fallback = "5",
	  .unit = "S",
	  .help = "Seconds that running commands get to finish when the agent stops." },

	{ "metrics", "interval", VMV_SETTING(VMV_SET_U64, interval_s), .min = 1, .max = 3600,
	  .option = "interval", .fallback = "30", .unit = "S",
	  .help = "Seconds between metrics messages; below 5 for demonstrations." },
	{ "metrics", "processes", VMV_SETTING(VMV_SET_U64, processes), .max = 200, .fallback = "20",
	  .unit = "N", .help = "Processes in a metrics message." },
	{ "metrics", "cmdline", VMV_SETTING(VMV_SET_BOOL, has_cmdline), .fallback = "yes",
	  .help = "Tell command lines of processes." },

	{ "health", "interval", VMV_SETTING(VMV_SET_U64, health_interval_s), .min = 10, .max = 3600,
	  .fallback = "60", .unit = "S",
	  .help = "Seconds between evaluations of the agent's health." },
	{ "health", "critical_units", VMV_SETTING(VMV_SET_LIST, critical_units), .fallback = "",
	  .unit = "UNIT", .check = check_unit,
	  .help = "Units of systemd that are reported whatever their state; blanks separate "
		  "names, without a suffix they are services." },

	{ "network", "exclude", VMV_SETTING(VMV_SET_LIST, exclude),
	  .fallback = "docker* br-* veth* virbr* cni* flannel* cali* lxc* podman* kube-*",
	  .unit = "PATTERN",
	  .help = "Interfaces that are not reported; blanks separate patterns." },
	{ "network", "report_ipv6", VMV_SETTING(VMV_SET_BOOL, report_ipv6), .fallback = "no",
	  .help = "Report global IPv6 addresses, too." },

	{ "protocol", "line_in", VMV_SETTING(VMV_SET_U64, line_in_mib), .min = 1, .max = 64,
	  .fallback = "8", .unit = "MIB", .help = "Longest line taken from a host, in MiB." },
	{ "protocol", "queue_high", VMV_SETTING(VMV_SET_U64, queue_high_mib), .min = 1, .max = 64,
	  .fallback = "4", .unit = "MIB",
	  .help = "Answers queued, in MiB, above which requests are refused as busy." },
	{ "protocol", "in_flight", VMV_SETTING(VMV_SET_U64, in_flight), .min = 8, .max = 1024,
	  .fallback = "64", .unit = "N",
	  .help = "Commands of one channel that may be unanswered at a time." },

	{ "policy", "level", VMV_SETTING(VMV_SET_ENUM, policy_level), .choices = levels,
	  .fallback = "monitor", .unit = "LEVEL", PLACE(policy_level_place),
	  .help = "What hosts may do; more than monitor takes the executor." },
	{ "policy", "allow", VMV_SETTING(VMV_SET_LIST, allow), .fallback = "", .unit = "ACTION",
	  .check = check_allow,
	  .help = "Actions that are allowed, signed, though the level does not reach them." },
	{ "policy", "deny", VMV_SETTING(VMV_SET_LIST, deny), .fallback = "", .unit = "ACTION",
	  .check = check_deny, PLACE(deny_place),
	  .help = "Actions that are refused whatever the level." },
	{ "policy", "require_signature", VMV_SETTING(VMV_SET_BOOL, require_signature),
	  .fallback = "no", PLACE(require_signature_place),
	  .help = "Refuse reading commands, too, unless they are signed." },
	{ "policy", "accept_v1", VMV_SETTING(VMV_SET_BOOL, accept_v1), .fallback = "yes",
	  .help = "Accept envelopes of version 1, signed with the secret of this guest." },
	{ "policy", "secret_file", VMV_SETTING(VMV_SET_TEXT, secret_file), .fallback = "",
	  .unit = "PATH", .check = check_path,
	  .help = "File whose first line is that secret; empty: INFINISERVICE_SHARED_SECRET, "
		  "else that line in /etc/infiniservice/agent.env." },

	{ "compat", "command_type", VMV_SETTING(VMV_SET_ENUM, command_type),
	  .choices = command_types, .fallback = "class",
	  .help = "What responses carry as command_type: safe and unsafe, or the action's name." },

	{ "scripts", "enabled", VMV_SETTING(VMV_SET_BOOL, scripts_enabled), .fallback = "yes",
	  .help = "Ask hosts for pending scripts where scripts can run." },
	{ "scripts", "poll", VMV_SETTING(VMV_SET_U64, scripts_poll_s), .min = 60, .max = 86400,
	  .zero_ok = true, .fallback = "600", .unit = "S",
	  .help = "Seconds between such questions; 0: only once in a session." },
	{ "scripts", "expire", VMV_SETTING(VMV_SET_U64, scripts_expire_s), .max = 604800,
	  .zero_ok = true, .fallback = "7200", .unit = "S",
	  .help = "Seconds after which a script that was accepted and could not begin is given "
		  "up." },

	{ "exec", "jobs", VMV_SETTING(VMV_SET_U64, exec_jobs), .min = 1, .max = 32, .fallback = "8",
	  .unit = "N", .help = "Jobs that run at a time; others wait." },
	{ "exec", "output_max", VMV_SETTING(VMV_SET_U64, output_max_kib), .min = 64, .max = 1280,
	  .fallback = "1024", .unit = "KIB",
	  .help = "Output kept of each job, in KiB as encoded, of stdout and stderr each." },
	{ "exec", "stream_max", VMV_SETTING(VMV_SET_U64, stream_max_mib), .min = 1, .max = 65536,
	  .fallback = "64", .unit = "MIB", .help = "Output streamed of each job, in MiB." },
	{ "exec", "hard_limit", VMV_SETTING(VMV_SET_U64, hard_limit_s), .min = 60, .max = 86400,
	  .fallback = "7200", .unit = "S",
	  .help = "Seconds that jobs get which are not killed at their deadline, such as package "
		  "transactions." },
	{ "exec", "run_as_allow", VMV_SETTING(VMV_SET_LIST, run_as_allow), .fallback = "",
	  .unit = "ACCOUNT", .check = check_account,
	  .help = "Accounts that raw commands and scripts may run as; none named: any." },
	{ "exec", "file_roots", VMV_SETTING(VMV_SET_LIST, file_roots), .fallback = "/",
	  .unit = "DIR", .check = check_file_root, .help = "Where files may be read and written." },
	{ "exec", "temp_age_days", VMV_SETTING(VMV_SET_U64, temp_age_days), .min = 1, .max = 3650,
	  .fallback = "10", .unit = "DAYS",
	  .help = "DiskCleanup leaves temporary files alone that are not older." },

	{ "qga", "level", VMV_SETTING(VMV_SET_ENUM, qga_level), .choices = levels,
	  .fallback = "operate", .unit = "LEVEL", PLACE(qga_level_place),
	  .help = "What may be done with the commands of the QEMU guest agent, which are not "
		  "signed; "
		  "more than monitor takes the executor." },
	{ "qga", "allow", VMV_SETTING(VMV_SET_LIST, qga_allow), .fallback = "", .unit = "COMMAND",
	  .check = check_qga_allow,
	  .help = "Commands of it that are allowed though the level does not reach them." },
	{ "qga", "deny", VMV_SETTING(VMV_SET_LIST, qga_deny), .fallback = "", .unit = "COMMAND",
	  .check = check_qga_deny, PLACE(qga_deny_place),
	  .help = "Commands of it that are disabled whatever the level." },
	{ "qga", "thaw_after", VMV_SETTING(VMV_SET_U64, qga_thaw_after_s), .min = 5, .max = 3600,
	  .fallback = "600", .unit = "S",
	  .help = "Seconds after which filesystems are thawed that were frozen with it, whatever "
		  "happens." },

	{ "cache", "packages", VMV_SETTING(VMV_SET_U64, packages_age_min), .min = 1, .max = 1440,
	  .fallback = "30", .unit = "MIN",
	  .help = "Minutes that lists of packages and updates are good for." },

	{ "events", "agent_event_rate", VMV_SETTING(VMV_SET_U64, agent_event_rate), .min = 1,
	  .max = 600, .fallback = "10", .unit = "N",
	  .help = "agent_event messages per minute and channel." },
};
const size_t vmv_n_config_table = sizeof(vmv_config_table) / sizeof(vmv_config_table[0]);

static int apply(struct vmv_config *c, const struct vmv_overrides *o, struct vmv_err *err)
{
	vmv_settings_new_source(vmv_config_table, vmv_n_config_table, c);
	for (size_t i = 0; i < o->n; i++) {
		const struct vmv_setting *s = o->list[i].setting;
		int r = vmv_settings_set(vmv_config_table, vmv_n_config_table, c, s->section,
					 s->key, o->list[i].value, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int complete_units(struct vmv_list *units, struct vmv_err *err)
{
	size_t len = 0;

	if (units->n > VMV_CRITICAL_UNITS)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"[health] critical_units: more than %d units", VMV_CRITICAL_UNITS);
	for (size_t i = 0; i < units->n; i++) {
		char *whole;

		len += strlen(units->items[i]) + strlen(" .service");
		if (len > UNIT_NAMES_MAX)
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"[health] critical_units: the names are too long");
		if (unit_suffix(units->items[i]))
			continue;
		if (asprintf(&whole, "%s.service", units->items[i]) < 0)
			return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
		free(units->items[i]);
		units->items[i] = whole;
	}
	return 0;
}

/* One channel may be written in two ways: names tell. */
static int check_whole(const struct vmv_config *c, struct vmv_err *err)
{
	struct vmv_spec specs[VMV_CHANNELS_MAX];
	int r;

	if (c->channels.n > VMV_CHANNELS_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "more than %d channels",
				VMV_CHANNELS_MAX);
	for (size_t i = 0; i < c->channels.n; i++) {
		r = vmv_spec_parse(c->channels.items[i], &specs[i], err);
		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (strcmp(specs[i].name, specs[k].name) == 0)
				return vmv_fail(err, VMV_E_RANGE, EINVAL,
						"channel '%s' is named twice", specs[i].name);
	}
	return 0;
}

int vmv_config_load(struct vmv_config **ret, const char *path, const struct vmv_overrides *o,
		    struct vmv_err *err)
{
	struct vmv_config *c = calloc(1, sizeof(*c));
	int r;

	if (!c || vmv_settings_defaults(vmv_config_table, vmv_n_config_table, c) < 0) {
		vmv_config_free(c);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	r = vmv_settings_load_all(vmv_config_table, vmv_n_config_table, c,
				  path ? path : VMV_CONFIG_PATH, path != NULL, err);
	if (r == 0)
		r = apply(c, o, err);
	if (r == 0)
		r = check_whole(c, err);
	if (r == 0)
		r = complete_units(&c->critical_units, err);
	if (r < 0) {
		vmv_config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void vmv_config_free(struct vmv_config *c)
{
	if (!c)
		return;
	vmv_settings_free(vmv_config_table, vmv_n_config_table, c);
	free(c);
}
