#include "host/copy.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "commands/command.h"
#include "host/cli.h"
#include "host/errand.h"
#include "host/message.h"
#include "host/remote.h"
#include "host/text.h"
#include "proto/json_read.h"

#define SHOW_MS 200 /* between two lines of progress */

static void putp(struct json_object **obj)
{
	json_object_put(*obj);
}

#define autoput	    VMV_CLEANUP(putp)
#define automessage VMV_CLEANUP(vmv_message_free)

int vmv_copy_ask(struct vmv_copy *c, struct vmv_message *m, struct json_object **ret,
		 struct vmv_err *err)
{
	uint32_t timeout_s = m->command->timeout_max_s;
	int r;

	(void)vmv_message_timeout(c->remote->cli->options, m->command, &timeout_s, NULL);
	r = vmv_message_finish(m, timeout_s, false, err);
	return r < 0 ? r : vmv_errand_ask(c->remote, m, ret, err);
}

static int parse_stat(struct json_object *data, struct vmv_copy_stat *ret, struct vmv_err *err)
{
	const char *type = vmv_json_str(data, "type");
	int64_t size, mode;

	if (!type || !vmv_json_int(vmv_json_get(data, "size"), 0, VMV_INT_MAX, &size) ||
	    !vmv_json_int(vmv_json_get(data, "mode"), 0, VMV_INT_MAX, &mode))
		return vmv_fail(err, VMV_E_PARSE, EPROTO, "FileStat: the answer is malformed");
	(void)vmv_text_clean(ret->type, sizeof(ret->type), type);
	ret->size = (uint64_t)size;
	ret->mode = (uint32_t)(mode & 0777);
	return 0;
}

int vmv_copy_stat(struct vmv_copy *c, struct vmv_copy_stat *ret, struct vmv_err *err)
{
	autoput struct json_object *data = NULL;
	automessage struct vmv_message m;
	int r = vmv_message_begin(&m, vmv_command_find("FileStat"), err);

	if (r < 0)
		return r;
	vmv_jw_str(&m.w, "path", c->guest);
	r = vmv_copy_ask(c, &m, &data, err);
	return r < 0 ? r : parse_stat(data, ret, err);
}

const char *vmv_copy_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static uint64_t elapsed_ms(const struct vmv_copy *c)
{
	return vmv_mono_ms(c->remote->cli->clock) - c->began_ms;
}

static void show(struct vmv_copy *c)
{
	char done[VMV_SIZE_TEXT], size[VMV_SIZE_TEXT], rate[VMV_SIZE_TEXT];
	uint64_t ms = elapsed_ms(c);

	if (ms < SHOW_MS)
		return;
	(void)vmv_size_text(done, c->done);
	(void)vmv_size_text(rate, c->done * 1000 / ms);
	if (c->size == VMV_UNSET || c->size == 0)
		vmv_progress_show(&c->progress, "%s, %s/s", done, rate);
	else
		vmv_progress_show(&c->progress, "%3" PRIu64 " %% of %s, %s/s",
				  c->done * 100 / c->size, vmv_size_text(size, c->size), rate);
}

void vmv_copy_count(struct vmv_copy *c, const void *data, size_t len)
{
	c->done += len;
	sha256_update(&c->hash, len, data);
	show(c);
}

void vmv_copy_digest(struct vmv_copy *c)
{
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(&c->hash, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(c->sha256 + 2 * i, 3, "%02x", digest[i]);
}
