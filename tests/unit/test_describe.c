#include "reports/describe.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "collectors/collector.h"
#include "proto/json_write.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct made_up {
	uint64_t a, b;
	char text[8];
};

static const struct vmv_field fields[] = {
	VMV_FIELD(struct made_up, a, "node_a_seconds_total", "cpu=\"0\",mode=\"idle\"", VMV_COUNTER,
		  VMV_UNIT_SECONDS, 0.01, "column 4", "Time of a."),
	VMV_FIELD(struct made_up, b, "vmvitals_b_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES, 0,
		  "/sys/b", "Size of b."),
};

static const struct vmv_field infos[] = {
	VMV_FIELD(struct made_up, text, "release", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "uname(2)",
		  "Release."),
};

static const struct vmv_collector keyed = {
	.name = "keyed",
	.help = "Rows.",
	.file = "/proc/keyed",
	.key = "device",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.min_period_ms = 100,
	.is_default = true,
};

static const struct vmv_collector single = {
	.name = "single",
	.help = "One row.",
	.file = "uname(2)",
	.info = "node_uname_info",
	.fields = infos,
	.n_fields = VMV_COUNTOF(infos),
	.min_period_ms = 60000,
};

static const struct vmv_collector *const table[] = { &keyed, &single, NULL };

START_TEST(groups_are_what_their_tables_say)
{
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_MIB);
	vmv_jw_open(&w, NULL);
	ck_assert_uint_eq(vmv_describe_groups(&w, table), 2);
	vmv_jw_close(&w);
	json_object_put(guest_json(&w));
	ck_assert(guest_says(
		&w,
		"{\"groups\":{\"keyed\":{\"help\":\"Rows.\",\"key\":\"device\",\"default\":true,"
		"\"min_interval_ms\":100,\"info\":null,\"fields\":[{\"name\":"
		"\"node_a_seconds_total\",\"labels\":{\"cpu\":\"0\",\"mode\":\"idle\"},\"kind\":"
		"\"counter\",\"unit\":\"seconds\",\"help\":\"Time of a.\",\"source\":"
		"\"/proc/keyed: column 4\"},{\"name\":\"vmvitals_b_bytes\",\"kind\":\"gauge\","
		"\"unit\":\"bytes\",\"help\":\"Size of b.\",\"source\":\"/sys/b\"}]},"));
	ck_assert(guest_says(&w,
			     "\"single\":{\"help\":\"One row.\",\"key\":null,\"default\":false,"
			     "\"min_interval_ms\":60000,\"info\":\"node_uname_info\",\"fields\":"
			     "[{\"name\":\"release\",\"kind\":\"info\",\"unit\":\"none\",\"help\":"
			     "\"Release.\",\"source\":\"uname(2)\"}]}}}"));
	vmv_jw_free(&w);
}
END_TEST

START_TEST(the_tables_of_this_program_fit_an_answer)
{
	struct json_object *obj, *groups;
	struct vmv_jw w;
	size_t n;

	vmv_jw_init(&w, VMV_LINE_OUT_MAX);
	vmv_jw_open(&w, NULL);
	n = vmv_describe_groups(&w, vmv_collectors);
	vmv_jw_close(&w);
	obj = guest_json(&w);
	groups = guest_at(obj, ".groups");
	ck_assert_uint_eq((size_t)json_object_object_length(groups), n);
	ck_assert_str_eq(json_object_get_string(guest_at(groups, ".cpu.fields[0].labels.mode")),
			 "user");
	json_object_put(obj);
	vmv_jw_free(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("describe");
	TCase *tc = tcase_create("describe");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, groups_are_what_their_tables_say);
	tcase_add_test(tc, the_tables_of_this_program_fit_an_answer);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
