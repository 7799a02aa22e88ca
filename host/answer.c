#include "host/answer.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/text.h"
#include "proto/json_read.h"

struct meaning {
	const char *word; /* error_code on the wire */
	enum vmv_errc code;
	int sys;
};

/* Sorted by word. */
static const struct meaning meanings[] = {
	{ "BAD_ARGUMENT", VMV_E_PARSE, EINVAL },
	{ "BAD_SIGNATURE", VMV_E_DENIED, EPERM },
	{ "BUSY", VMV_E_BUSY, EBUSY },
	{ "INTERNAL", VMV_E_IO, EREMOTEIO },
	{ "LOCKED", VMV_E_DENIED, EPERM },
	{ "NOT_ALLOWED", VMV_E_DENIED, EPERM },
	{ "NOT_FOUND", VMV_E_NOTFOUND, ENOENT },
	{ "NO_EXECUTOR", VMV_E_NOEXECUTOR, EPERM },
	{ "REPLAYED", VMV_E_DENIED, EPERM },
	{ "STALE", VMV_E_DENIED, EPERM },
	{ "TIMED_OUT", VMV_E_IO, ETIMEDOUT },
	{ "TOO_LARGE", VMV_E_RANGE, E2BIG },
	{ "UNKNOWN_ACTION", VMV_E_UNKNOWN, ENOSYS },
	{ "UNKNOWN_KEY", VMV_E_DENIED, EPERM },
	{ "UNSUPPORTED", VMV_E_UNSUPPORTED, EOPNOTSUPP },
	{ "WRONG_SESSION", VMV_E_DENIED, EPERM },
};

/* A failure without a word we know is one inside the guest. */
static const struct meaning unknown = { "", VMV_E_IO, EREMOTEIO };

static const struct meaning *meaning_of(const char *word)
{
	for (size_t i = 0; word && i < VMV_COUNTOF(meanings); i++)
		if (strcmp(meanings[i].word, word) == 0)
			return &meanings[i];
	return &unknown;
}

int vmv_answer_check(struct json_object *response, const char *action, struct json_object **ret,
		     struct vmv_err *err)
{
	struct json_object *success = vmv_json_get(response, "success");
	const char *text = vmv_json_str(response, "error");
	const struct meaning *m;
	char clean[200];

	if (!json_object_is_type(success, json_type_boolean))
		return vmv_fail(err, VMV_E_PARSE, EPROTO, "%s: the answer does not say 'success'",
				action);
	if (json_object_get_boolean(success)) {
		*ret = vmv_json_get(response, "data");
		return 0;
	}
	m = meaning_of(vmv_json_str(response, "error_code"));
	return vmv_fail(err, m->code, m->sys, "%s: %s", action,
			vmv_text_clean(clean, sizeof(clean), text ? text : "failed"));
}
