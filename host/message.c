#include "host/message.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/command.h"
#include "host/options.h"
#include "proto/json_read.h"

#define MESSAGE_MAX (8 * VMV_MIB) /* a line that a guest takes */

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

#define autoput VMV_CLEANUP(putp)

const struct vmv_command *vmv_message_command(const char *name)
{
	return strcmp(name, vmv_raw_command.name) == 0 ? &vmv_raw_command : vmv_command_find(name);
}

int vmv_message_timeout(const struct vmv_options *o, const struct vmv_command *c, uint32_t *ret,
			struct vmv_err *err)
{
	uint64_t s = (o->timeout_ms + 999) / 1000;

	if (!(o->given & VMV_OPT_TIMEOUT)) {
		*ret = c->timeout_s;
		return 0;
	}
	if (s > c->timeout_max_s && c->doer == VMV_BY_EXECUTOR)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "%s has %u seconds at most", c->name,
				c->timeout_max_s);
	*ret = s < c->timeout_max_s ? (uint32_t)s : c->timeout_max_s;
	return 0;
}

int vmv_message_begin(struct vmv_message *m, const struct vmv_command *c, struct vmv_err *err)
{
	int r;

	*m = (struct vmv_message){ .command = c };
	vmv_jw_init(&m->w, MESSAGE_MAX);
	r = vmv_uuid_random(m->id);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "no random numbers: %s", strerror(-r));
	vmv_jw_open(&m->w, NULL);
	vmv_jw_str(&m->w, "type", c == &vmv_raw_command ? c->name : "SafeCommand");
	vmv_jw_str(&m->w, "id", m->id);
	if (c == &vmv_raw_command)
		return 0;
	vmv_jw_open(&m->w, "command_type");
	vmv_jw_str(&m->w, "action", c->name);
	return 0;
}

/* As the guest will look at it. */
static int check(struct vmv_message *m, struct vmv_err *err)
{
	autoput struct json_object *json = NULL;
	struct vmv_value values[VMV_ARGS_MAX];
	int r = vmv_json_parse(m->w.buf.data, m->w.buf.len, &json, err);

	if (r == 0)
		r = vmv_command_args(m->command, json, values, err);
	if (r == 0)
		m->is_reading = m->command->doer != VMV_BY_EXECUTOR ||
				vmv_command_only_reads(m->command, json);
	return r;
}

int vmv_message_finish(struct vmv_message *m, uint32_t timeout_s, bool is_streamed,
		       struct vmv_err *err)
{
	int r;

	m->timeout_s = timeout_s;
	m->is_streamed = is_streamed;
	if (m->command != &vmv_raw_command) {
		vmv_jw_close(&m->w);
		vmv_jw_null(&m->w, "params");
	}
	vmv_jw_u64(&m->w, "timeout", timeout_s);
	if (is_streamed) {
		vmv_jw_bool(&m->w, "stream", true);
		vmv_jw_bool(&m->w, "binary", true);
	}
	vmv_jw_close(&m->w);
	r = vmv_jw_finish(&m->w);
	if (r == -EFBIG)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the command is too long");
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "out of memory");
	if (m->w.is_lossy)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the command is no UTF-8");
	return check(m, err);
}

void vmv_message_free(struct vmv_message *m)
{
	vmv_jw_free(&m->w);
}
