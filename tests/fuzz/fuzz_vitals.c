/* What a guest sends, as the host's tool reads and shows it: nothing may steer the terminal. */
#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "host/answer.h"
#include "host/identity.h"
#include "host/listing.h"
#include "host/show.h"
#include "host/text.h"
#include "host/vitals.h"
#include "proto/json_read.h"

#include <json-c/json.h>

static void check_clean(const struct vmv_text *t)
{
	const unsigned char *s = (const unsigned char *)t->buf.data;

	FUZZ_CHECK(t->error == 0);
	FUZZ_CHECK(vmv_utf8_valid(s, t->buf.len));
	for (size_t i = 0; i < t->buf.len; i++) {
		FUZZ_CHECK((s[i] >= 0x20 && s[i] != 0x7f) || s[i] == '\n');
		/* C1: U+0080 to U+009F */
		FUZZ_CHECK(s[i] != 0xc2 || i + 1 == t->buf.len || s[i + 1] >= 0xa0);
	}
}

static void show(const struct vmv_vitals *v, const struct vmv_identity *identity, size_t width)
{
	struct vmv_page page = { .identity = identity, .vitals = v, .width = width };
	struct vmv_text t;

	vmv_text_init(&t, 16 * VMV_MIB);
	vmv_show(&page, &t);
	check_clean(&t);
	vmv_text_free(&t);
	vmv_text_init(&t, 16 * VMV_MIB);
	vmv_listing(v, &t);
	check_clean(&t);
	vmv_text_free(&t);
}

static void read_message(struct json_object *obj)
{
	struct json_object *data = vmv_json_get(obj, "data"), *answer = NULL;
	struct vmv_identity identity;
	struct vmv_err err = { 0 };
	struct vmv_vitals v;
	int r;

	vmv_identity_parse(obj, &identity);
	FUZZ_CHECK(memchr(identity.hostname, '\0', sizeof(identity.hostname)));
	r = vmv_answer_check(obj, "Ping", &answer, &err);
	fuzz_check_result(r, &err);
	err = (struct vmv_err){ 0 };
	r = vmv_vitals_parse(data, &v, &err);
	fuzz_check_result(r, &err);
	if (r < 0)
		return;
	show(&v, &identity, VMV_PAGE_WIDTH_MIN);
	show(&v, &identity, VMV_PAGE_WIDTH_MAX);
	vmv_vitals_clear(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size);
	struct json_object *obj = NULL;

	if (vmv_json_parse((const char *)copy, size, &obj, NULL) == 0)
		read_message(obj);
	json_object_put(obj);
	free(copy);
	return 0;
}
