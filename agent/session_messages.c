#include "agent/session_impl.h"

#include "agent/poll.h"
#include "base/cleanup.h"
#include "config/settings.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "reports/notices.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>

static void handle_keep_alive(struct vmv_session *s, struct json_object *message)
{
	char stamp[VMV_STAMP_SIZE];
	struct vmv_jw w;
	int64_t n;

	if (!vmv_json_int(vmv_json_get(message, "sequence_number"), 0, VMV_INT_MAX, &n) ||
	    !vmv_bucket_take(&s->keep_alives, vmv_session_now_ms(s))) {
		s->stats.ignored++;
		return;
	}
	vmv_session_stamp(s, stamp);
	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	(void)vmv_keep_alive_write(&w, stamp, n);
	(void)vmv_session_send(s, VMV_CLASS_REPLY, &w);
}

static void handle_metrics(struct vmv_session *s, struct json_object *message)
{
	(void)message;
	/* asked for too early: one message serves all who ask within the second */
	vmv_session_metrics_by(s, s->metrics_ms + VMV_METRICS_MIN_MS);
}

static void handle_ack(struct vmv_session *s, struct json_object *message)
{
	int64_t bytes;

	s->is_vmvitals = true;
	if (vmv_json_int(vmv_json_get(message, "bytes"), 0, VMV_INT_MAX, &bytes))
		vmv_channel_ack(s->talk.channel, (uint64_t)bytes);
	vmv_session_acknowledge_scripts(s, vmv_json_get(message, "scripts"));
}

/* They have no id: bare ones, and those that nobody here can run, are ignored. */
static void handle_scripts(struct vmv_session *s, struct json_object *message)
{
	struct json_object *scripts = vmv_json_get(message, "scripts");
	bool is_empty = json_object_is_type(scripts, json_type_array) &&
			json_object_array_length(scripts) == 0;

	vmv_poll_answered(s->poll);
	if (is_empty && s->is_signed)
		return; /* the usual answer; not worth starting the executor for */
	if (!s->is_signed || vmv_session_submit_scripts(s) < 0)
		s->stats.ignored++;
}

static void handle_nothing(struct vmv_session *s, struct json_object *message)
{
	(void)s;
	(void)message;
}

static void handle_signed(struct vmv_session *s, struct json_object *message);

static void handle_command(struct vmv_session *s, struct json_object *message)
{
	vmv_session_command(s, message, s->is_signed);
}

static const struct {
	const char *type;
	void (*handle)(struct vmv_session *s, struct json_object *message);
	bool is_bare_only; /* means nothing inside an envelope */
	bool needs_trust;  /* under [policy] require_signature; commands see to it themselves */
} types[] = {
	{ "Metrics", handle_metrics, false, true },
	{ "SafeCommand", handle_command, false, false },
	{ "UnsafeCommand", handle_command, false, false },
	{ "ack", handle_ack, false, false },
	{ "keep_alive_request", handle_keep_alive, false, true },
	{ "keep_alive_response", handle_nothing, false, false },
	{ "pending_scripts_response", handle_scripts, false, false },
	{ "signed", handle_signed, true, false },
};

static void hand_to(struct vmv_session *s, struct json_object *message, size_t type)
{
	if (!types[type].needs_trust || !s->env->config->require_signature)
		types[type].handle(s, message);
	else if (s->is_signed)
		vmv_session_verify_message(s, message, types[type].handle);
	else
		s->stats.ignored++;
}

static void dispatch(struct vmv_session *s, struct json_object *message, bool is_payload)
{
	struct json_object *type = vmv_json_get(message, "type");
	const char *name = vmv_json_str(message, "type"); /* NULL, too, when it holds NUL */

	for (size_t i = 0; name && i < VMV_COUNTOF(types); i++) {
		if (strcmp(types[i].type, name) == 0 && !(is_payload && types[i].is_bare_only)) {
			hand_to(s, message, i);
			return;
		}
	}
	if (json_object_is_type(type, json_type_string))
		handle_command(s, message); /* an unknown type with an id is answered */
	else
		s->stats.ignored++;
}

/* What reads is done as if it had come bare: nothing is granted that a bare line would not get, so
 * the signature is not looked at. What changes something needs the executor, signed or not. */
static void handle_signed(struct vmv_session *s, struct json_object *message)
{
	struct json_object *inner;
	int64_t version;
	size_t len = 0;
	const char *payload = vmv_json_text(vmv_json_get(message, "payload"), &len);

	if (vmv_json_int(vmv_json_get(message, "v"), 2, 2, &version))
		s->is_vmvitals = true;
	if (!payload || vmv_json_parse(payload, len, &inner, NULL) < 0) {
		s->stats.ignored++; /* no id is known to answer to */
		return;
	}
	s->is_signed = true;
	dispatch(s, inner, true);
	s->is_signed = false;
	json_object_put(inner);
}

void vmv_session_dispatch(struct vmv_session *s, struct json_object *message)
{
	dispatch(s, message, false);
}
