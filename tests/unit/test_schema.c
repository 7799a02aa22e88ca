#include "reports/schema.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "collectors/collector.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* The field table of the lab, behind line 56 of the golden lines. */

static const struct vmv_field cpu_fields[] = {
	{ .name = "node_cpu_seconds_total",
	  .labels = "mode=\"user\"",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
	{ .name = "node_cpu_seconds_total",
	  .labels = "mode=\"nice\"",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
	{ .name = "node_cpu_seconds_total",
	  .labels = "mode=\"system\"",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
	{ .name = "node_cpu_seconds_total",
	  .labels = "mode=\"idle\"",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
	{ .name = "node_cpu_seconds_total",
	  .labels = "mode=\"iowait\"",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
	{ .name = "node_cpu_seconds_total",
	  .labels = "mode=\"irq\"",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
	{ .name = "node_cpu_seconds_total",
	  .labels = "mode=\"softirq\"",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
	{ .name = "node_cpu_seconds_total",
	  .labels = "mode=\"steal\"",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
};

static const struct vmv_field filesystem_fields[] = {
	{ .name = "device", .kind = VMV_INFO, .unit = VMV_UNIT_NONE },
	{ .name = "fstype", .kind = VMV_INFO, .unit = VMV_UNIT_NONE },
	{ .name = "node_filesystem_size_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
	{ .name = "node_filesystem_free_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
	{ .name = "node_filesystem_avail_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
	{ .name = "node_filesystem_files", .kind = VMV_GAUGE, .unit = VMV_UNIT_NONE },
	{ .name = "node_filesystem_files_free", .kind = VMV_GAUGE, .unit = VMV_UNIT_NONE },
	{ .name = "node_filesystem_readonly", .kind = VMV_GAUGE, .unit = VMV_UNIT_NONE },
};

static const struct vmv_field load_fields[] = {
	{ .name = "node_load1", .kind = VMV_GAUGE, .unit = VMV_UNIT_NONE },
	{ .name = "node_load5", .kind = VMV_GAUGE, .unit = VMV_UNIT_NONE },
	{ .name = "node_load15", .kind = VMV_GAUGE, .unit = VMV_UNIT_NONE },
};

static const struct vmv_field memory_fields[] = {
	{ .name = "node_memory_MemTotal_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
	{ .name = "node_memory_MemAvailable_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
	{ .name = "node_memory_MemFree_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
	{ .name = "node_memory_Cached_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
	{ .name = "node_memory_SwapTotal_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
	{ .name = "node_memory_SwapFree_bytes", .kind = VMV_GAUGE, .unit = VMV_UNIT_BYTES },
};

static const struct vmv_field network_fields[] = {
	{ .name = "node_network_receive_bytes_total", .kind = VMV_COUNTER, .unit = VMV_UNIT_BYTES },
	{ .name = "node_network_receive_packets_total",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_NONE },
	{ .name = "node_network_receive_errs_total", .kind = VMV_COUNTER, .unit = VMV_UNIT_NONE },
	{ .name = "node_network_receive_drop_total", .kind = VMV_COUNTER, .unit = VMV_UNIT_NONE },
	{ .name = "node_network_transmit_bytes_total",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_BYTES },
	{ .name = "node_network_transmit_packets_total",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_NONE },
	{ .name = "node_network_transmit_errs_total", .kind = VMV_COUNTER, .unit = VMV_UNIT_NONE },
	{ .name = "node_network_transmit_drop_total", .kind = VMV_COUNTER, .unit = VMV_UNIT_NONE },
};

static const struct vmv_field processes_fields[] = {
	{ .name = "name", .kind = VMV_INFO, .unit = VMV_UNIT_NONE },
	{ .name = "vmvitals_process_cpu_seconds_total",
	  .kind = VMV_COUNTER,
	  .unit = VMV_UNIT_SECONDS },
	{ .name = "vmvitals_process_resident_memory_bytes",
	  .kind = VMV_GAUGE,
	  .unit = VMV_UNIT_BYTES },
};

static const struct vmv_field uname_fields[] = {
	{ .name = "sysname", .kind = VMV_INFO, .unit = VMV_UNIT_NONE },
	{ .name = "release", .kind = VMV_INFO, .unit = VMV_UNIT_NONE },
	{ .name = "version", .kind = VMV_INFO, .unit = VMV_UNIT_NONE },
	{ .name = "machine", .kind = VMV_INFO, .unit = VMV_UNIT_NONE },
	{ .name = "nodename", .kind = VMV_INFO, .unit = VMV_UNIT_NONE },
};

#define FIELDS(a) .fields = (a), .n_fields = VMV_COUNTOF(a)

static const struct vmv_collector lab[] = {
	{ .name = "cpu", .key = "cpu", FIELDS(cpu_fields) },
	{ .name = "filesystem", .key = "mountpoint", FIELDS(filesystem_fields) },
	{ .name = "load", FIELDS(load_fields) },
	{ .name = "memory", FIELDS(memory_fields) },
	{ .name = "network", .key = "device", FIELDS(network_fields) },
	{ .name = "processes", .key = "pid", FIELDS(processes_fields) },
	{ .name = "uname", FIELDS(uname_fields) },
};

static const struct vmv_collector *const lab_collectors[] = { &lab[0], &lab[1], &lab[2], &lab[3],
							      &lab[4], &lab[5], &lab[6], NULL };

START_TEST(the_lab_table_has_the_golden_fingerprint)
{
	char schema[VMV_SCHEMA_SIZE];

	ck_assert_int_eq(vmv_schema(lab_collectors, schema), 0);
	ck_assert_str_eq(schema, "e91e97583bfc899d");
}
END_TEST

START_TEST(the_text_that_is_hashed)
{
	static const struct vmv_field fields[] = {
		{ .name = "a_total",
		  .labels = "k=\"v\",l=\"w\"",
		  .kind = VMV_COUNTER,
		  .unit = VMV_UNIT_RATIO },
		{ .name = "b", .kind = VMV_INFO, .unit = VMV_UNIT_CELSIUS },
		{ .name = "c", .kind = VMV_GAUGE, .unit = VMV_UNIT_HERTZ },
	};
	static const struct vmv_collector first = { .name = "first", FIELDS(fields) };
	static const struct vmv_collector second = { .name = "second", .key = "device" };
	const struct vmv_collector *const all[] = { &first, &second, NULL };
	static const char expected[] = "group first -\n"
				       "field a_total{k=\"v\",l=\"w\"} counter ratio\n"
				       "field b info celsius\n"
				       "field c gauge hertz\n"
				       "group second device\n";
	struct vmv_buf text = { .max = 1000 };

	ck_assert_int_eq(vmv_schema_text(all, &text), 0);
	ck_assert_uint_eq(text.len, strlen(expected));
	ck_assert_int_eq(memcmp(text.data, expected, text.len), 0);
	vmv_buf_free(&text);
}
END_TEST

START_TEST(no_group_at_all_is_the_hash_of_nothing)
{
	static const struct vmv_collector *const none[] = { NULL };
	char schema[VMV_SCHEMA_SIZE];

	ck_assert_int_eq(vmv_schema(none, schema), 0);
	ck_assert_str_eq(schema, "e3b0c44298fc1c14"); /* SHA-256 of "" */
}
END_TEST

START_TEST(a_text_too_long_is_an_error)
{
	struct vmv_buf text = { .max = 100 };

	ck_assert_int_lt(vmv_schema_text(lab_collectors, &text), 0);
	vmv_buf_free(&text);
}
END_TEST

START_TEST(our_own_fingerprint_is_16_hex_digits)
{
	char schema[VMV_SCHEMA_SIZE], again[VMV_SCHEMA_SIZE];

	ck_assert_int_eq(vmv_schema(vmv_collectors, schema), 0);
	ck_assert_uint_eq(strspn(schema, "0123456789abcdef"), 16);
	ck_assert_uint_eq(strlen(schema), 16);
	ck_assert_int_eq(vmv_schema(vmv_collectors, again), 0);
	ck_assert_str_eq(schema, again);
}
END_TEST

START_TEST(all_kinds_and_units_have_the_words_of_the_protocol)
{
	ck_assert_str_eq(vmv_kind_name(VMV_COUNTER), "counter");
	ck_assert_str_eq(vmv_kind_name(VMV_GAUGE), "gauge");
	ck_assert_str_eq(vmv_kind_name(VMV_INFO), "info");
	ck_assert_str_eq(vmv_unit_name(VMV_UNIT_NONE), "none");
	ck_assert_str_eq(vmv_unit_name(VMV_UNIT_SECONDS), "seconds");
	ck_assert_str_eq(vmv_unit_name(VMV_UNIT_BYTES), "bytes");
	ck_assert_str_eq(vmv_unit_name(VMV_UNIT_RATIO), "ratio");
	ck_assert_str_eq(vmv_unit_name(VMV_UNIT_CELSIUS), "celsius");
	ck_assert_str_eq(vmv_unit_name(VMV_UNIT_HERTZ), "hertz");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schema");
	TCase *tc = tcase_create("schema");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, the_lab_table_has_the_golden_fingerprint);
	tcase_add_test(tc, the_text_that_is_hashed);
	tcase_add_test(tc, no_group_at_all_is_the_hash_of_nothing);
	tcase_add_test(tc, a_text_too_long_is_an_error);
	tcase_add_test(tc, our_own_fingerprint_is_16_hex_digits);
	tcase_add_test(tc, all_kinds_and_units_have_the_words_of_the_protocol);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
