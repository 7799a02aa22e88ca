#include "config/identity.h"

#include "base/cleanup.h"
#include "base/root.h"
#include "base/uuid.h"
#include "collectors/os.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLE	"INFINIBAY_VM_ID="
#define ENVIRONMENT_MAX (64 * VMV_KIB)

static bool take(const char *value, size_t len, char ret[VMV_VM_ID_SIZE])
{
	if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0]) {
		value++;
		len -= 2;
	}
	if (len == 0 || len >= VMV_VM_ID_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		if (value[i] <= 0x20 || value[i] >= 0x7f || value[i] == '"' || value[i] == '\\')
			return false;
	memcpy(ret, value, len);
	ret[len] = '\0';
	return true;
}

static bool from_file(const struct vmv_root *root, char ret[VMV_VM_ID_SIZE])
{
	vmv_autofree char *text = NULL;
	size_t cap = 0;

	if (vmv_read_table_at(root->etc, "environment", &text, &cap, ENVIRONMENT_MAX) < 0)
		return false;
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		size_t end = len;

		while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\r'))
			end--;
		if (end > strlen(VARIABLE) && strncmp(line, VARIABLE, strlen(VARIABLE)) == 0)
			return take(line + strlen(VARIABLE), end - strlen(VARIABLE), ret);
		line += len;
		line += *line == '\n';
	}
	return false;
}

void vmv_vm_id(const char *configured, const char *from_env, const struct vmv_root *root,
	       const struct vmv_os_sample *os, char ret[VMV_VM_ID_SIZE])
{
	if (take(configured, strlen(configured), ret) ||
	    (from_env && take(from_env, strlen(from_env), ret)) || from_file(root, ret) ||
	    vmv_uuid_from_hex(os->machine_id, ret))
		return;
	memcpy(ret, VMV_UUID_NIL, VMV_UUID_SIZE);
}

struct keep {
	struct vmv_sink sink; /* first member: keep_row casts back */
	struct vmv_os_sample *os;
};

static int keep_row(struct vmv_sink *sink, const char *id, const void *sample)
{
	struct keep *k = (struct keep *)sink;

	(void)id;
	*k->os = *(const struct vmv_os_sample *)sample;
	return 0;
}

void vmv_os_read(const struct vmv_root *root, struct vmv_os_sample *ret)
{
	const struct vmv_collector *c = &vmv_collector_os;
	struct keep k = { { .row = keep_row }, ret };
	void *state = c->open ? c->open(root) : NULL;

	memset(ret, 0, sizeof(*ret));
	while (c->read(state, root, &k.sink, NULL) == VMV_MORE)
		;
	if (c->close)
		c->close(state);
}
