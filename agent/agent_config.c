#include "agent/agent_impl.h"

#include "agent/events.h"
#include "agent/executor.h"
#include "agent/options.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/notify.h"
#include "virtio/channel.h"

#include <stdio.h>
#include <string.h>

#define SUBSYS VMV_AGENT_SUBSYS

void vmv_agent_take_options(struct vmv_agent *a)
{
	a->metrics_options = (struct vmv_metrics_options){
		.processes = (unsigned)a->config->processes,
		.has_cmdline = a->config->has_cmdline,
		.has_ipv6 = a->config->report_ipv6,
		.exclude = (const char *const *)a->config->exclude.items,
		.n_exclude = a->config->exclude.n,
	};
	a->root.critical_units = (const char *const *)a->config->critical_units.items;
	a->root.n_critical_units = a->config->critical_units.n;
	a->env.config = a->config;
}

int vmv_agent_add_talk(struct vmv_agent *a, const char *text, struct vmv_err *err)
{
	struct vmv_spec spec;
	int r = vmv_spec_parse(text, &spec, err);

	if (r == 0)
		r = vmv_talk_new(&a->talks[a->n_talks], &a->env, &spec, err);
	if (r == 0)
		a->n_talks++;
	return r;
}

/* The same channel, spoken on in the same language. */
static bool is_same(const struct vmv_spec *a, const struct vmv_spec *b)
{
	return a->dialect == b->dialect && strcmp(a->name, b->name) == 0;
}

static bool list_has(const struct vmv_list *l, const struct vmv_spec *wanted)
{
	struct vmv_spec spec;

	for (size_t i = 0; i < l->n; i++)
		if (vmv_spec_parse(l->items[i], &spec, NULL) == 0 && is_same(&spec, wanted))
			return true;
	return false;
}

static bool has_talk(const struct vmv_agent *a, const char *text)
{
	struct vmv_spec spec;

	if (vmv_spec_parse(text, &spec, NULL) < 0)
		return true;
	for (size_t i = 0; i < a->n_talks; i++)
		if (is_same(vmv_channel_spec(a->talks[i]->channel), &spec))
			return true;
	return false;
}

/* Channels that stay are left alone; their hosts notice nothing. */
static void follow_channels(struct vmv_agent *a)
{
	struct vmv_talk *gone[VMV_CHANNELS_MAX];
	size_t kept = 0, n_gone = 0;

	for (size_t i = 0; i < a->n_talks; i++) {
		struct vmv_talk *t = a->talks[i];

		if (list_has(&a->config->channels, vmv_channel_spec(t->channel)))
			a->talks[kept++] = t;
		else
			gone[n_gone++] = t;
	}
	a->n_talks = kept; /* freeing one calls back here: it must not be found any more */
	while (n_gone > 0) {
		n_gone--;
		gone[n_gone]->ops->free(gone[n_gone]);
	}
	for (size_t i = 0; i < a->config->channels.n; i++) {
		struct vmv_err err;

		if (a->n_talks < VMV_CHANNELS_MAX && !has_talk(a, a->config->channels.items[i]) &&
		    vmv_agent_add_talk(a, a->config->channels.items[i], &err) < 0)
			vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: %s", a->config->channels.items[i],
				err.msg);
	}
}

/* Names of the settings that differ, "agent.channel metrics.interval". */
static void list_changes(const struct vmv_config *before, const struct vmv_config *after, char *buf,
			 size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < vmv_n_config_table && len < size; i++) {
		const struct vmv_setting *s = &vmv_config_table[i];
		vmv_autofree char *was = vmv_setting_text(s, before);
		vmv_autofree char *is = vmv_setting_text(s, after);

		if (was && is && strcmp(was, is) != 0)
			len += (size_t)snprintf(buf + len, size - len, "%s%s.%s", len ? " " : "",
						s->section, s->key);
	}
}

static void log_reload(const char *changes, const struct vmv_err *err)
{
	const struct vmv_log_field fields[] = {
		{ "VMVITALS_EVENT", "config_reloaded" },
		{ "VMVITALS_RESULT", err ? "refused" : "ok" },
		{ "VMVITALS_CHANGED", changes },
		{ NULL, NULL },
	};

	if (err)
		vmv_log_entry(VMV_LOG_ERROR, SUBSYS, VMV_MSG_CONFIG_RELOADED, fields,
			      "configuration refused, the old one stays: %s", err->msg);
	else
		vmv_log_entry(VMV_LOG_INFO, SUBSYS, VMV_MSG_CONFIG_RELOADED, fields,
			      "configuration read again: %s",
			      *changes ? changes : "nothing changed");
}

void vmv_agent_reload(struct vmv_agent *a)
{
	struct vmv_config *fresh, *old = a->config;
	struct vmv_err err = { 0 };
	char changes[512];

	vmv_notify_reloading();
	if (vmv_config_load(&fresh, a->options->config, &a->options->overrides, &err) < 0) {
		log_reload(NULL, &err);
		vmv_notify_ready(a->status);
		return;
	}
	list_changes(old, fresh, changes, sizeof(changes));
	if (strcmp(old->root, fresh->root) != 0 || strcmp(old->vm_id, fresh->vm_id) != 0 ||
	    strcmp(old->helper, fresh->helper) != 0)
		vmv_log(VMV_LOG_NOTICE, SUBSYS, "root, vm_id and helper take a restart");
	a->config = fresh;
	a->config_real_ms = vmv_real_ms(a->clock);
	vmv_agent_take_options(a);
	(void)vmv_executor_set_path(a->executor, fresh->executor);
	(void)vmv_log_set_levels(fresh->log_level, NULL);
	follow_channels(a);
	for (size_t i = 0; i < a->n_talks; i++)
		a->talks[i]->ops->reconfigure(a->talks[i]);
	vmv_config_free(old);
	log_reload(changes, NULL);
	vmv_notify_ready(a->status);
	vmv_agent_on_changed(a);
}
