/* The settings of the agent: the table behind agent.conf, the options and --dump-config. */
#ifndef VMV_AGENT_SETTINGS_H
#define VMV_AGENT_SETTINGS_H

#include "base/settings.h"

#define VMV_CONFIG_PATH SYSCONFDIR "/vmvitals/agent.conf"

enum vmv_command_type { VMV_TYPE_CLASS, VMV_TYPE_ACTION };

struct vmv_config {
	/* [agent] */
	struct vmv_list channels;
	char *vm_id;	 /* "" means: found by agent/identity.c */
	char *log_level; /* base/log.h */
	char *root;
	char *helper; /* path of the program */
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
	struct vmv_list deny;
	bool require_signature;
	char *policy_level_place, *deny_place, *require_signature_place; /* base/settings.h */
	/* [compat] */
	unsigned command_type; /* enum vmv_command_type */
	/* [scripts] */
	bool scripts_enabled;
	uint64_t scripts_poll_s;
	/* [events] */
	uint64_t agent_event_rate; /* per minute */
};

extern const struct vmv_setting vmv_agent_settings[];
extern const size_t vmv_n_agent_settings;

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
