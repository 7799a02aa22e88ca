#include "host/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "host/cli.h"
#include "host/client.h"
#include "host/cp.h"
#include "host/exec.h"
#include "host/help.h"
#include "host/identity.h"
#include "host/inquiries.h"
#include "host/keys.h"
#include "host/listing.h"
#include "host/run.h"
#include "host/show.h"
#include "host/term.h"
#include "host/text.h"
#include "host/vitals.h"
#include "host/watch.h"
#include "proto/json_read.h"

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

static void clientp(struct vmv_client **c)
{
	vmv_client_free(*c);
}

#define autoput	   VMV_CLEANUP(putp)
#define autoclient VMV_CLEANUP(clientp)
#define autotext   VMV_CLEANUP(vmv_text_free)
#define autovitals VMV_CLEANUP(vmv_vitals_clear)

uint64_t vmv_verb_deadline(const struct vmv_cli *cli)
{
	return vmv_mono_ms(cli->clock) + cli->options->timeout_ms;
}

int vmv_verb_connect(const struct vmv_cli *cli, int stop_fd, struct vmv_client **ret,
		     struct vmv_err *err)
{
	return vmv_verb_connect_until(cli, stop_fd, vmv_verb_deadline(cli), ret, err);
}

int vmv_verb_connect_until(const struct vmv_cli *cli, int stop_fd, uint64_t deadline_ms,
			   struct vmv_client **ret, struct vmv_err *err)
{
	autoclient struct vmv_client *c = NULL;
	int r = vmv_client_dial(cli->options->socket, err);

	if (r < 0)
		return r;
	c = vmv_client_new(r, stop_fd, cli->clock);
	if (!c)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	r = vmv_client_greet(c, VMV_CLIENT_GREETING_MS, deadline_ms, err);
	if (r < 0)
		return r;
	*ret = VMV_TAKE(c, NULL);
	return 0;
}

/* For agents without GetMetrics. */
static int await_metrics(struct vmv_client *c, uint64_t deadline_ms, struct json_object **ret,
			 struct vmv_err *err)
{
	static const char ask[] = "{\"type\":\"Metrics\"}";
	int r = vmv_client_send(c, ask, strlen(ask), err);

	while (r == 0 && !vmv_client_metrics(c)) {
		autoput struct json_object *msg = NULL;

		r = vmv_client_next(c, deadline_ms, &msg, err);
	}
	if (r == 0)
		*ret = json_object_get(vmv_client_metrics(c));
	return r;
}

int vmv_verb_metrics(struct vmv_client *c, uint64_t deadline_ms, struct json_object **ret,
		     struct vmv_err *err)
{
	int r = vmv_client_call(c, "GetMetrics", NULL, deadline_ms, ret, err);

	if (r < 0 && (err->code == VMV_E_UNKNOWN || err->code == VMV_E_UNSUPPORTED))
		r = await_metrics(c, deadline_ms, ret, err);
	return r;
}

static enum vmv_exit print_json(const struct vmv_cli *cli, struct json_object *obj)
{
	autotext struct vmv_text t;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	vmv_text_json(&t, obj);
	return vmv_cli_print(cli, &t);
}

static enum vmv_exit no_memory(void)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_IO, ENOMEM, "out of memory");
	return vmv_cli_fail(&err);
}

/* -- ping ---------------------------------------------------------------------------- */

static enum vmv_exit print_pong_json(const struct vmv_cli *cli, struct json_object *data,
				     uint64_t rtt_us)
{
	char text[32];
	struct json_object *rtt;

	(void)snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64, rtt_us / 1000, rtt_us % 1000);
	rtt = json_object_new_double_s((double)rtt_us / 1000, text);
	if (!rtt || json_object_object_add(data, "rtt_ms", rtt) < 0) {
		json_object_put(rtt);
		return no_memory();
	}
	return print_json(cli, data);
}

static enum vmv_exit print_pong(const struct vmv_cli *cli, struct json_object *data,
				uint64_t rtt_us)
{
	autotext struct vmv_text t;
	struct vmv_identity id;

	vmv_identity_parse(data, &id);
	vmv_text_init(&t, VMV_OUTPUT_MAX);
	vmv_text_add(&t, "pong from ");
	(void)vmv_text_guest(&t, id.hostname, sizeof(id.hostname));
	vmv_text_add(&t, " (");
	(void)vmv_text_guest(&t, *id.agent ? id.agent : "agent", sizeof(id.agent));
	vmv_text_add(&t, " ");
	(void)vmv_text_guest(&t, id.version, sizeof(id.version));
	vmv_text_add(&t, ", session ");
	(void)vmv_text_guest(&t, id.session, sizeof(id.session));
	vmv_text_fmt(&t, ") in %" PRIu64 ".%02" PRIu64 " ms\n", rtt_us / 1000, rtt_us % 1000 / 10);
	return vmv_cli_print(cli, &t);
}

static enum vmv_exit run_ping(const struct vmv_cli *cli)
{
	autoclient struct vmv_client *c = NULL;
	autoput struct json_object *data = NULL;
	struct vmv_err err;
	uint64_t sent_ns = 0, rtt_us;
	int r = vmv_verb_connect(cli, -1, &c, &err);

	/* else the time would be that of the first reading, which replies wait for */
	if (r == 0)
		r = vmv_client_settle(c, VMV_GREETING_MS, &err);
	if (r == 0) {
		sent_ns = vmv_mono_ns(cli->clock);
		r = vmv_client_call(c, "Ping", NULL, vmv_verb_deadline(cli), &data, &err);
	}
	if (r == 0 && !json_object_is_type(data, json_type_object))
		r = vmv_fail(&err, VMV_E_PARSE, EPROTO, "Ping: the answer holds no object");
	if (r < 0)
		return vmv_cli_fail(&err);
	rtt_us = (vmv_mono_ns(cli->clock) - sent_ns) / 1000;
	return cli->options->is_json ? print_pong_json(cli, data, rtt_us)
				     : print_pong(cli, data, rtt_us);
}

/* -- metrics, show ------------------------------------------------------------------- */

/* Connects and reads the metrics once: what metrics and show have in common. */
static int fetch(const struct vmv_cli *cli, struct vmv_client **c, struct json_object **data,
		 struct vmv_vitals *vitals, struct vmv_err *err)
{
	int r = vmv_verb_connect(cli, -1, c, err);

	if (r == 0)
		r = vmv_verb_metrics(*c, vmv_verb_deadline(cli), data, err);
	if (r == 0)
		r = vmv_vitals_parse(*data, vitals, err);
	return r;
}

static enum vmv_exit run_metrics(const struct vmv_cli *cli)
{
	autoclient struct vmv_client *c = NULL;
	autoput struct json_object *data = NULL;
	autovitals struct vmv_vitals vitals = { 0 };
	autotext struct vmv_text t;
	struct vmv_err err;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	if (fetch(cli, &c, &data, &vitals, &err) < 0)
		return vmv_cli_fail(&err);
	if (cli->options->is_json)
		return print_json(cli, data);
	vmv_listing(&vitals, &t);
	return vmv_cli_print(cli, &t);
}

/* {"handshake":{...},"metrics":{...}} */
static enum vmv_exit print_show_json(const struct vmv_cli *cli, const struct vmv_client *c,
				     struct json_object *data)
{
	autoput struct json_object *obj = json_object_new_object();
	struct json_object *handshake = json_object_get(vmv_client_handshake(c));

	if (!obj || json_object_object_add(obj, "handshake", handshake) < 0) {
		json_object_put(handshake);
		return no_memory();
	}
	data = json_object_get(data);
	if (json_object_object_add(obj, "metrics", data) < 0) {
		json_object_put(data);
		return no_memory();
	}
	return print_json(cli, obj);
}

static enum vmv_exit run_show(const struct vmv_cli *cli)
{
	autoclient struct vmv_client *c = NULL;
	autoput struct json_object *data = NULL;
	autovitals struct vmv_vitals vitals = { 0 };
	autotext struct vmv_text t;
	struct vmv_page page = {
		.vitals = &vitals,
		.width = vmv_term_size(cli->out_fd).columns,
		.is_color = cli->is_color,
	};
	struct vmv_err err;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	if (fetch(cli, &c, &data, &vitals, &err) < 0)
		return vmv_cli_fail(&err);
	if (cli->options->is_json)
		return print_show_json(cli, c, data);
	page.identity = vmv_client_identity(c);
	vmv_show(&page, &t);
	return vmv_cli_print(cli, &t);
}

/* With groups: what these hold, under the names that Prometheus knows. */
static enum vmv_exit run_metrics_or_groups(const struct vmv_cli *cli)
{
	return cli->options->n_operands > 1 ? vmv_run_samples(cli) : run_metrics(cli);
}

static void help_groups(struct vmv_text *t)
{
	static const struct {
		const char *group, *name, *kind, *unit, *help;
	} all[] = {
#include "host/metrics.inc"
	};

	for (size_t i = 0; i < VMV_COUNTOF(all); i++) {
		if (i == 0 || strcmp(all[i - 1].group, all[i].group) != 0)
			vmv_text_fmt(t, "\nGroup %s:\n", all[i].group);
		vmv_text_fmt(t, "  %s  (%s%s%s)\n      %s\n", all[i].name, all[i].kind,
			     strcmp(all[i].unit, "none") == 0 ? "" : ", ",
			     strcmp(all[i].unit, "none") == 0 ? "" : all[i].unit, all[i].help);
	}
}

/* The paths that are there in any guest; lists have as many elements as the guest. Then the groups.
 */
static void help_metrics(struct vmv_text *t)
{
	vmv_text_add(t, "\nNames without a group, those of the message that hosts get:\n");
	for (size_t i = 0; i < vmv_n_vital_scalars; i++)
		vmv_text_fmt(t, "  %s\n", vmv_vital_scalars[i].path);
	for (size_t i = 0; i < vmv_n_vital_lists; i++)
		for (size_t k = 0; k < vmv_vital_lists[i].n_rows; k++)
			if (!vmv_vital_lists[i].rows[k].is_key)
				vmv_text_fmt(t, "  %s[...].%s\n", vmv_vital_lists[i].path,
					     vmv_vital_lists[i].rows[k].path);
	help_groups(t);
}

/* -- the table ----------------------------------------------------------------------- */

const struct vmv_verb vmv_verbs[] = {
	{ .name = "cp",
	  .help = "Copy a file into the guest or out of it.",
	  .options = VMV_OPT_SIGN,
	  .n_operands = 2,
	  .operands = "SOURCE DESTINATION",
	  .run = vmv_run_cp,
	  .more = vmv_help_cp },
	{ .name = "describe",
	  .help = "Tell what the agent can measure and do.",
	  .run = vmv_run_describe },
	{ .name = "exec",
	  .help = "Run a command in the guest, as ssh does.",
	  .options = VMV_OPT_SIGN | VMV_OPT_RAW,
	  .n_operands = SIZE_MAX,
	  .operands = "-- COMMAND [ARGUMENT]...",
	  .run = vmv_run_exec,
	  .more = vmv_help_exec },
	{ .name = "health",
	  .help = "Check the guest; the exit status is that of a monitoring plugin.",
	  .run = vmv_run_health },
	{ .name = "help",
	  .help = "List the actions that run knows, or explain one of them, or a verb.",
	  .n_operands = 1,
	  .operands = "[ACTION | VERB]",
	  .run = vmv_run_help },
	{ .name = "keys",
	  .help = "Make keys that sign commands, and let a guest trust them.",
	  .options = VMV_OPT_KEYS,
	  .n_operands = 2,
	  .operands = "generate FILE | trust FILE | list",
	  .run = vmv_run_keys,
	  .more = vmv_help_keys },
	{ .name = "metrics",
	  .help = "Print every metric, one per line; of groups, their raw values.",
	  .n_operands = 64,
	  .operands = "[GROUP]...",
	  .run = run_metrics_or_groups,
	  .more = help_metrics },
	{ .name = "ping", .help = "Ask the agent whether it is there.", .run = run_ping },
	{ .name = "run",
	  .help = "Ask the guest for an action.",
	  .options = VMV_OPT_SIGN,
	  .n_operands = SIZE_MAX,
	  .operands = "ACTION [NAME=VALUE]...",
	  .run = vmv_run_action,
	  .more = vmv_help_run },
	{ .name = "samples",
	  .help = "Print every value of some groups, or of the default ones.",
	  .n_operands = 64,
	  .operands = "[GROUP]...",
	  .run = vmv_run_samples,
	  .more = vmv_help_samples },
	{ .name = "show", .help = "Show the guest on one page.", .run = run_show },
	{ .name = "sign",
	  .help = "Sign a message and print the line that a guest takes.",
	  .options = VMV_OPT_SIGN | VMV_OPT_SESSION,
	  .n_operands = 1,
	  .operands = "[MESSAGE]",
	  .run = vmv_run_sign,
	  .more = vmv_help_sign },
	{ .name = "state",
	  .help = "Tell how the agent itself is, and what it costs.",
	  .run = vmv_run_state },
	{ .name = "watch",
	  .help = "Show the page again and again, with rates.",
	  .options = VMV_OPT_INTERVAL | VMV_OPT_COUNT,
	  .run = vmv_watch },
};
const size_t vmv_n_verbs = VMV_COUNTOF(vmv_verbs);
