/* The settings of agent and executor: the table behind agent.conf, the options and --dump-config.
 * Both read all of it; what [policy], [exec] and [scripts] say counts as the executor reads it. */
#ifndef VMV_CONFIG_SETTINGS_H
#define VMV_CONFIG_SETTINGS_H

#include "base/settings.h"

#define VMV_CONFIG_PATH SYSCONFDIR "/vmvitals/agent.conf"

enum vmv_command_type { VMV_TYPE_CLASS, VMV_TYPE_ACTION };

struct vmv_config {
	/* [agent] */
	struct vmv_list channels;
	char *vm_id;	 /* "" means: found by config/identity.c */
	char *log_level; /* base/log.h */
	char *root;
	char *helper;	/* path of the program */
	char *executor; /* its socket; "" means: none */
	uint64_t stop_grace_s;
	/* [metrics] */
	uint64_t interval_s;
	uint64_t processes;
	bool has_cmdline;
	/* [health] */
	uint64_t health_interval_s;
	struct vmv_list critical_units; /* with their suffix: "ssh.service" */
	/* [network] */
	struct vmv_list exclude;
	bool report_ipv6;
	/* [protocol] */
	uint64_t line_in_mib, queue_high_mib, in_flight;
	/* [policy] */
	unsigned policy_level; /* enum vmv_level */
	struct vmv_list allow, deny;
	bool require_signature, accept_v1;
	char *secret_file; /* "" means: the other places of PROTOCOL.md 4.1 */
	char *policy_level_place, *deny_place, *require_signature_place; /* base/settings.h */
	/* [compat] */
	unsigned command_type; /* enum vmv_command_type */
	/* [scripts] */
	bool scripts_enabled;
	uint64_t scripts_poll_s, scripts_expire_s;
	/* [exec] */
	uint64_t exec_jobs, hard_limit_s, temp_age_days;
	uint64_t output_max_kib, stream_max_mib;
	struct vmv_list run_as_allow, file_roots;
	/* [qga] */
	unsigned qga_level; /* enum vmv_level */
	struct vmv_list qga_allow, qga_deny;
	char *qga_level_place, *qga_deny_place;
	uint64_t qga_thaw_after_s;
	/* [cache] */
	uint64_t packages_age_min;
	/* [events] */
	uint64_t agent_event_rate; /* per minute */
};

extern const struct vmv_setting vmv_config_table[];
extern const size_t vmv_n_config_table;

/* The values of options, in their order, to be laid over what files say. */
struct vmv_overrides {
	struct {
		const struct vmv_setting *setting;
		const char *value; /* borrowed from argv */
	} * list;		   /* owned */
	size_t n;
};

/* Defaults, then the file and its drop-ins, then the options. path NULL: the built-in path, which
 * need not exist. Returns 0 and a new configuration, or negative errno with err set. */
int vmv_config_load(struct vmv_config **ret, const char *path, const struct vmv_overrides *o,
		    struct vmv_err *err);
void vmv_config_free(struct vmv_config *c);

#endif
