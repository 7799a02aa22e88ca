#include "host/identity.h"

#include <string.h>

#include "base/utf8.h"
#include "proto/json_read.h"

static void copy(char *buf, size_t size, const char *s)
{
	size_t len = s ? vmv_utf8_cut(s, strlen(s), size - 1) : 0;

	if (len > 0)
		memcpy(buf, s, len);
	buf[len] = '\0';
}

#define COPY(array, obj, name) copy((array), sizeof(array), vmv_json_str((obj), (name)))

void vmv_identity_parse(struct json_object *obj, struct vmv_identity *ret)
{
	struct json_object *os = vmv_json_get(obj, "os");
	struct vmv_identity id = { 0 };
	int64_t protocol;

	COPY(id.hostname, obj, "hostname");
	COPY(id.os, os, "name");
	COPY(id.kernel, os, "kernel");
	COPY(id.arch, os, "arch");
	COPY(id.agent, vmv_json_get(obj, "agent"), "name");
	COPY(id.version, obj, "version");
	COPY(id.session, obj, "session");
	COPY(id.boot_id, obj, "boot_id");
	if (vmv_json_int(vmv_json_get(obj, "protocol"), 1, VMV_INT_MAX, &protocol))
		id.protocol = protocol;
	*ret = id;
}
