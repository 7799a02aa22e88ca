/* passwd, and login.defs behind a line of '='. */
#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "proto/json_write.h"
#include "reports/users.h"

#include <json-c/json.h>

#define BETWEEN "\n=\n"

static void check_users(struct json_object *o, size_t count)
{
	struct json_object *users = json_object_object_get(o, "users");

	FUZZ_CHECK(json_object_array_length(users) == count);
	FUZZ_CHECK(json_object_get_int64(json_object_object_get(o, "count")) == (int64_t)count);
	for (size_t i = 0; i < count; i++) {
		struct json_object *u = json_object_array_get_idx(users, i);
		int64_t uid = json_object_get_int64(json_object_object_get(u, "uid"));

		FUZZ_CHECK(uid >= 0 && uid < UINT32_MAX);
		FUZZ_CHECK(json_object_get_string_len(json_object_object_get(u, "name")) > 0);
		FUZZ_CHECK(json_object_object_length(u) == 6);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *defs = strstr(text, BETWEEN);
	struct json_object *o;
	struct vmv_jw w;
	size_t count = 77;
	bool is_cut;

	if (defs) {
		defs[1] = '\0';
		defs += strlen(BETWEEN);
	}
	vmv_jw_init(&w, 65536);
	vmv_users_write_text(&w, text, defs, &count, &is_cut);
	FUZZ_CHECK(vmv_jw_finish(&w) == 0);
	FUZZ_CHECK(count <= VMV_USERS_MAX);
	FUZZ_CHECK(vmv_buf_add(&w.buf, "", 1) == 0);
	o = json_tokener_parse(w.buf.data);
	FUZZ_CHECK(o);
	check_users(o, count);
	json_object_put(o);
	vmv_jw_free(&w);
	free(text);
	return 0;
}
