#include "host/vitals.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"
#include "host/identity.h"
#include "host/listing.h"
#include "host/rates.h"
#include "host/text.h"

static struct json_object *json(const char *text)
{
	struct json_object *obj = json_tokener_parse(text);

	ck_assert_msg(obj != NULL, "the test's own JSON is wrong: %s", text);
	return obj;
}

static struct vmv_vitals parsed(const char *text)
{
	struct json_object *data = json(text);
	struct vmv_vitals v;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_vitals_parse(data, &v, &err), 0);
	json_object_put(data); /* the vitals hold their own reference */
	return v;
}

static const char full[] =
	"{\"system\":{\"cpu\":{\"usage_percent\":12.5,\"cores_usage\":[20.1,4.9],\"temperature\":"
	"41},"
	"\"memory\":{\"total_kb\":4028440,\"used_kb\":911204,\"available_kb\":3117236,"
	"\"swap_total_kb\":2097148,\"swap_used_kb\":0},"
	"\"disk\":{\"usage_stats\":[{\"mount_point\":\"/\",\"total_gb\":19.52,\"used_gb\":6.31,"
	"\"available_gb\":12.2,\"filesystem\":\"ext4\"}],\"io_stats\":{\"read_bytes_per_sec\":4096,"
	"\"write_bytes_per_sec\":81920,\"read_ops_per_sec\":1,\"write_ops_per_sec\":12,"
	"\"io_utilization_percent\":0.8}},\"network\":{\"interfaces\":[{\"name\":\"eth0\","
	"\"bytes_received\":73400320,\"bytes_sent\":1048576,\"packets_received\":61234,"
	"\"packets_sent\":9876,\"errors_in\":0,\"errors_out\":0,"
	"\"ip_addresses\":[\"10.20.0.15\"],\"is_up\":true}]},\"uptime_seconds\":86400,"
	"\"load_average\":{\"load_1min\":0.12,\"load_5min\":0.08,\"load_15min\":0.05},"
	"\"system\":{\"name\":\"Debian "
	"GNU/Linux\",\"os_version\":\"12\",\"kernel_version\":\"6.1\","
	"\"hostname\":\"web-1\"}},"
	"\"processes\":[{\"pid\":1033,\"ppid\":1,\"name\":\"mysqld\",\"exe_path\":null,"
	"\"cmd_line\":\"/usr/sbin/mysqld\",\"cpu_percent\":1.5,\"memory_kb\":402112,"
	"\"disk_read_bytes\":10485760,\"disk_write_bytes\":null,\"status\":\"Sleeping\","
	"\"start_time\":null}],"
	"\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"state\":\"Listen\",\"pid\":null,"
	"\"process_name\":\"nginx\",\"exe_path\":null,\"is_listening\":true,"
	"\"connection_count\":3}]}";

START_TEST(every_value_finds_its_place)
{
	struct vmv_vitals v = parsed(full);

	ck_assert_double_eq(v.cpu_percent, 12.5);
	ck_assert_double_eq(v.temperature, 41);
	ck_assert_uint_eq(v.n_cores, 2);
	ck_assert_double_eq(v.cores[1], 4.9);
	ck_assert_uint_eq(v.mem_total_kb, 4028440);
	ck_assert_uint_eq(v.mem_available_kb, 3117236);
	ck_assert_uint_eq(v.swap_used_kb, 0);
	ck_assert_uint_eq(v.write_ops_per_sec, 12);
	ck_assert_uint_eq(v.uptime_s, 86400);
	ck_assert_double_eq(v.load15, 0.05);
	ck_assert_str_eq(v.hostname, "web-1");
	ck_assert_uint_eq(v.n_filesystems, 1);
	ck_assert_str_eq(v.filesystems[0].type, "ext4");
	ck_assert_double_eq(v.filesystems[0].available_gb, 12.2);
	ck_assert_uint_eq(v.n_nics, 1);
	ck_assert_int_eq(v.nics[0].is_up, VMV_YES);
	ck_assert_uint_eq(v.nics[0].bytes_received, 73400320);
	ck_assert_uint_eq(v.nics[0].n_addresses, 1);
	ck_assert_str_eq(v.nics[0].addresses[0], "10.20.0.15");
	ck_assert_uint_eq(v.n_processes, 1);
	ck_assert_uint_eq(v.processes[0].pid, 1033);
	ck_assert_uint_eq(v.n_ports, 1);
	ck_assert_uint_eq(v.ports[0].port, 80);
	ck_assert_uint_eq(v.left_out, 0);
	ck_assert_uint_eq(v.bad_values, 0);
	vmv_vitals_clear(&v);
}
END_TEST

START_TEST(null_and_absent_stay_unknown_and_are_no_fault)
{
	struct vmv_vitals v = parsed("{\"system\":{\"cpu\":{\"usage_percent\":null},"
				     "\"network\":{\"interfaces\":[{\"name\":\"eth0\"}]}},"
				     "\"processes\":[{\"pid\":7}]}");

	ck_assert(isnan(v.cpu_percent));
	ck_assert(isnan(v.temperature));
	ck_assert(v.mem_total_kb == VMV_UNSET);
	ck_assert(v.uptime_s == VMV_UNSET);
	ck_assert_ptr_null(v.hostname);
	ck_assert_int_eq(v.nics[0].is_up, VMV_MAYBE);
	ck_assert(v.nics[0].bytes_sent == VMV_UNSET);
	ck_assert(v.processes[0].memory_kb == VMV_UNSET);
	ck_assert_ptr_null(v.processes[0].cmd_line);
	ck_assert_uint_eq(v.bad_values, 0);
	vmv_vitals_clear(&v);
}
END_TEST

/* Each puts one bad value at memory.total_kb: unknown, and counted. */
static const char *const bad_ints[] = {
	"-1", "1.0", "1e3", "\"1\"", "true", "[]", "{}", "9007199254740992", "99999999999999999999",
};

START_TEST(an_integer_of_wrong_type_or_range_is_unknown)
{
	char text[128];
	struct vmv_vitals v;

	(void)snprintf(text, sizeof(text), "{\"system\":{\"memory\":{\"total_kb\":%s}}}",
		       bad_ints[_i]);
	v = parsed(text);
	ck_assert(v.mem_total_kb == VMV_UNSET);
	ck_assert_uint_eq(v.bad_values, 1);
	vmv_vitals_clear(&v);
}
END_TEST

static const char *const bad_percents[] = { "-0.1", "100.1", "1e300", "\"12\"", "false", "[1]" };

START_TEST(a_percentage_of_wrong_type_or_range_is_unknown)
{
	char text[160];
	struct vmv_vitals v;

	(void)snprintf(text, sizeof(text),
		       "{\"system\":{\"cpu\":{\"usage_percent\":%s,\"cores_usage\":[%s,5]}}}",
		       bad_percents[_i], bad_percents[_i]);
	v = parsed(text);
	ck_assert(isnan(v.cpu_percent));
	ck_assert_uint_eq(v.n_cores, 2);
	ck_assert(isnan(v.cores[0]));
	ck_assert_double_eq(v.cores[1], 5);
	ck_assert_uint_eq(v.bad_values, 2);
	vmv_vitals_clear(&v);
}
END_TEST

/* None of these holds metrics. */
static const char *const malformed[] = {
	"{}",
	"[]",
	"\"system\"",
	"{\"system\":null}",
	"{\"system\":[]}",
	"{\"system\":\"x\"}",
	"{\"System\":{}}",
};

START_TEST(what_holds_no_system_fails_and_leaves_output_alone)
{
	struct json_object *data = json(malformed[_i]);
	struct vmv_vitals v = { .uptime_s = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_vitals_parse(data, &v, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(v.uptime_s, 7);
	json_object_put(data);
}
END_TEST

START_TEST(no_data_at_all_is_malformed)
{
	struct vmv_vitals v;

	ck_assert_int_eq(vmv_vitals_parse(NULL, &v, NULL), -EINVAL);
}
END_TEST

START_TEST(elements_that_are_none_are_left_out_and_counted)
{
	struct vmv_vitals v = parsed(
		"{\"system\":{\"disk\":{\"usage_stats\":[null,7,\"x\",[],{},{\"mount_point\":7},"
		"{\"mount_point\":\"/\\u0000\"},{\"mount_point\":\"/a\"}]},"
		"\"network\":{\"interfaces\":[null,{\"name\":\"a\",\"ip_addresses\":[\"1.1.1.1\"]},"
		"{\"name\":null,\"ip_addresses\":[\"2.2.2.2\"]},"
		"{\"name\":\"b\",\"ip_addresses\":[null,\"3.3.3.3\",7]},"
		"{\"name\":\"c\",\"ip_addresses\":\"4.4.4.4\"}]}},"
		"\"processes\":[{\"pid\":-1},{\"pid\":\"1\"},{\"name\":\"init\"}],"
		"\"ports\":[{\"port\":80},{\"protocol\":\"TCP\"}]}");

	ck_assert_uint_eq(v.n_filesystems, 1);
	ck_assert_str_eq(v.filesystems[0].mount_point, "/a");
	ck_assert_uint_eq(v.n_nics, 3);
	ck_assert_str_eq(v.nics[0].addresses[0], "1.1.1.1");
	ck_assert_uint_eq(v.nics[1].n_addresses, 1);
	ck_assert_str_eq(v.nics[1].addresses[0], "3.3.3.3");
	ck_assert_uint_eq(v.nics[2].n_addresses, 0);
	ck_assert_uint_eq(v.n_processes, 0);
	ck_assert_uint_eq(v.n_ports, 0);
	ck_assert_uint_eq(v.left_out, 7 + 2 + 2 + 3 + 2);
	vmv_vitals_clear(&v);
}
END_TEST

START_TEST(lists_of_a_wrong_type_are_empty)
{
	struct vmv_vitals v =
		parsed("{\"system\":{\"cpu\":{\"cores_usage\":{}},\"disk\":{\"usage_stats\":\"x\"},"
		       "\"network\":[]},\"processes\":{},\"ports\":7}");

	ck_assert_uint_eq(v.n_cores, 0);
	ck_assert_uint_eq(v.n_filesystems, 0);
	ck_assert_uint_eq(v.n_nics, 0);
	ck_assert_uint_eq(v.n_processes, 0);
	ck_assert_uint_eq(v.n_ports, 0);
	ck_assert_uint_eq(v.bad_values, 3);
	vmv_vitals_clear(&v);
}
END_TEST

static struct json_object *array_of(size_t n, const char *element)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(json_object_array_add(array, json(element)), 0);
	return array;
}

START_TEST(every_list_has_a_cap)
{
	struct json_object *data = json("{\"system\":{\"cpu\":{},\"disk\":{},\"network\":{}}}");
	struct json_object *system = json_object_object_get(data, "system"), *nic;
	struct vmv_vitals v;

	nic = json("{\"name\":\"eth0\"}");
	json_object_object_add(nic, "ip_addresses", array_of(100, "\"10.0.0.1\""));
	json_object_object_add(json_object_object_get(system, "cpu"), "cores_usage",
			       array_of(5000, "1.5"));
	json_object_object_add(json_object_object_get(system, "disk"), "usage_stats",
			       array_of(500, "{\"mount_point\":\"/\"}"));
	json_object_object_add(json_object_object_get(system, "network"), "interfaces",
			       array_of(500, "{\"name\":\"lo\"}"));
	json_object_array_put_idx(
		json_object_object_get(json_object_object_get(system, "network"), "interfaces"), 0,
		nic);
	json_object_object_add(data, "processes", array_of(500, "{\"pid\":1}"));
	json_object_object_add(data, "ports", array_of(5000, "{\"protocol\":\"TCP\",\"port\":1}"));

	ck_assert_int_eq(vmv_vitals_parse(data, &v, NULL), 0);
	json_object_put(data);
	ck_assert_uint_eq(v.n_cores, VMV_CPUS_MAX);
	ck_assert_uint_eq(v.n_filesystems, VMV_METRICS_MOUNTS);
	ck_assert_uint_eq(v.n_nics, VMV_METRICS_INTERFACES);
	ck_assert_uint_eq(v.nics[0].n_addresses, VMV_METRICS_ADDRESSES);
	ck_assert_uint_eq(v.n_processes, VMV_VITALS_PROCESSES_MAX);
	ck_assert_uint_eq(v.n_ports, VMV_METRICS_PORTS);
	ck_assert_uint_eq(v.left_out, (5000 - 4096) + 2 * (500 - 64) + (100 - 16) + (500 - 200) +
					      (5000 - 1000));
	vmv_vitals_clear(&v);
}
END_TEST

START_TEST(clearing_twice_is_harmless)
{
	struct vmv_vitals v = parsed(full);

	vmv_vitals_clear(&v);
	vmv_vitals_clear(&v);
}
END_TEST

/* -- the listing --------------------------------------------------------------------- */

static char *listing_of(struct vmv_vitals *v)
{
	struct vmv_text t;

	vmv_text_init(&t, 1 << 20);
	vmv_listing(v, &t);
	ck_assert_int_eq(t.error, 0);
	ck_assert_int_eq(vmv_buf_add(&t.buf, "", 1), 0);
	vmv_vitals_clear(v);
	return t.buf.data;
}

START_TEST(the_listing_has_a_line_for_every_value)
{
	struct vmv_vitals v = parsed(full);
	vmv_autofree char *text = listing_of(&v);

	ck_assert_str_eq(text, "cpu.usage_percent 12.5\n"
			       "cpu.temperature 41\n"
			       "memory.total_kb 4028440\n"
			       "memory.used_kb 911204\n"
			       "memory.available_kb 3117236\n"
			       "memory.swap_total_kb 2097148\n"
			       "memory.swap_used_kb 0\n"
			       "disk.io_stats.read_bytes_per_sec 4096\n"
			       "disk.io_stats.write_bytes_per_sec 81920\n"
			       "disk.io_stats.read_ops_per_sec 1\n"
			       "disk.io_stats.write_ops_per_sec 12\n"
			       "disk.io_stats.io_utilization_percent 0.8\n"
			       "uptime_seconds 86400\n"
			       "load_average.load_1min 0.12\n"
			       "load_average.load_5min 0.08\n"
			       "load_average.load_15min 0.05\n"
			       "system.name Debian GNU/Linux\n"
			       "system.os_version 12\n"
			       "system.kernel_version 6.1\n"
			       "system.hostname web-1\n"
			       "cpu.cores_usage[0] 20.1\n"
			       "cpu.cores_usage[1] 4.9\n"
			       "disk.usage_stats[/].filesystem ext4\n"
			       "disk.usage_stats[/].total_gb 19.52\n"
			       "disk.usage_stats[/].used_gb 6.31\n"
			       "disk.usage_stats[/].available_gb 12.2\n"
			       "network.interfaces[eth0].is_up true\n"
			       "network.interfaces[eth0].bytes_received 73400320\n"
			       "network.interfaces[eth0].bytes_sent 1048576\n"
			       "network.interfaces[eth0].packets_received 61234\n"
			       "network.interfaces[eth0].packets_sent 9876\n"
			       "network.interfaces[eth0].errors_in 0\n"
			       "network.interfaces[eth0].errors_out 0\n"
			       "processes[1033].ppid 1\n"
			       "processes[1033].name mysqld\n"
			       "processes[1033].exe_path -\n"
			       "processes[1033].cmd_line /usr/sbin/mysqld\n"
			       "processes[1033].cpu_percent 1.5\n"
			       "processes[1033].memory_kb 402112\n"
			       "processes[1033].disk_read_bytes 10485760\n"
			       "processes[1033].disk_write_bytes -\n"
			       "processes[1033].status Sleeping\n"
			       "processes[1033].start_time -\n"
			       "ports[TCP/80].state Listen\n"
			       "ports[TCP/80].pid -\n"
			       "ports[TCP/80].process_name nginx\n"
			       "ports[TCP/80].exe_path -\n"
			       "ports[TCP/80].is_listening true\n"
			       "ports[TCP/80].connection_count 3\n"
			       "network.interfaces[eth0].ip_addresses[0] 10.20.0.15\n");
}
END_TEST

START_TEST(a_hostile_name_cannot_break_out_of_its_line)
{
	struct vmv_vitals v = parsed(
		"{\"system\":{\"network\":{\"interfaces\":[{\"name\":\"a b\\\\\\ncpu 1\\u001b\","
		"\"is_up\":false}]}}}");
	vmv_autofree char *text = listing_of(&v);

	ck_assert_ptr_nonnull(strstr(
		text, "\nnetwork.interfaces[a\\040b\\134?cpu\\0401?].is_up false\nnetwork."));
}
END_TEST

/* -- rates --------------------------------------------------------------------------- */

#define NIC(n, rx, tx)                                                                    \
	{                                                                                 \
		.name = (n), .bytes_received = (rx), .bytes_sent = (tx), .is_up = VMV_YES \
	}

START_TEST(rates_are_differences_over_time)
{
	struct vmv_vitals_nic old[] = { NIC("eth0", 1000, 500), NIC("eth1", 0, 0) };
	struct vmv_vitals_nic new[] = { NIC("eth1", 10, 0), NIC("eth0", 3000, 500) };
	struct vmv_vitals before = { .nics = old, .n_nics = 2 }, now = { .nics = new, .n_nics = 2 };
	struct vmv_rates r;

	vmv_rates_between(&before, &now, UINT64_C(2000000000), true, &r);
	ck_assert_double_eq(r.received[0], 5);
	ck_assert_double_eq(r.sent[0], 0);
	ck_assert_double_eq(r.received[1], 1000);
	ck_assert_double_eq(r.sent[1], 0);
}
END_TEST

struct no_rate {
	const char *why;
	uint64_t before, now, elapsed_ns;
	const char *name;
	bool is_same_boot;
};

static const struct no_rate no_rates[] = {
	{ "went backwards", 1000, 999, 1000000000, "eth0", true },
	{ "unknown before", VMV_UNSET, 1000, 1000000000, "eth0", true },
	{ "unknown now", 1000, VMV_UNSET, 1000000000, "eth0", true },
	{ "no time passed", 1000, 2000, 0, "eth0", true },
	{ "not there before", 1000, 2000, 1000000000, "eth9", true },
	{ "another boot", 1000, 2000, 1000000000, "eth0", false },
};

START_TEST(a_rate_that_cannot_be_known_is_unknown)
{
	const struct no_rate *c = &no_rates[_i];
	struct vmv_vitals_nic old[] = { NIC("eth0", c->before, c->before) };
	struct vmv_vitals_nic new[] = { NIC(c->name, c->now, c->now) };
	struct vmv_vitals before = { .nics = old, .n_nics = 1 }, now = { .nics = new, .n_nics = 1 };
	struct vmv_rates r;

	vmv_rates_between(&before, &now, c->elapsed_ns, c->is_same_boot, &r);
	ck_assert_msg(isnan(r.received[0]) && isnan(r.sent[0]), "%s", c->why);
	vmv_rates_between(NULL, &now, c->elapsed_ns, true, &r);
	ck_assert(isnan(r.received[0]));
}
END_TEST

/* -- identity ------------------------------------------------------------------------ */

START_TEST(an_identity_is_cut_to_its_arrays_without_splitting_characters)
{
	char text[512] = "{\"hostname\":\"";
	struct vmv_identity id;
	struct json_object *obj;
	size_t at = strlen(text);

	for (int i = 0; i < 150; i++, at += 2)
		memcpy(text + at, "\xc3\xa4", 2);
	memcpy(text + at, "\",\"protocol\":1}", 16);
	obj = json(text);
	vmv_identity_parse(obj, &id);
	json_object_put(obj);
	ck_assert_uint_eq(strlen(id.hostname), 254);
	ck_assert_int_eq(id.protocol, 1);
	ck_assert_str_eq(id.boot_id, "");
}
END_TEST

static const char *const odd_identities[] = {
	"{}",
	"[]",
	"{\"os\":7,\"agent\":[],\"hostname\":{},\"version\":null,\"protocol\":\"1\"}",
	"{\"os\":{\"name\":7},\"agent\":{\"name\":true},\"protocol\":0}",
	"{\"protocol\":-1,\"session\":1.5,\"hostname\":\"a\\u0000b\"}",
};

START_TEST(an_odd_identity_is_unknown)
{
	struct json_object *obj = json(odd_identities[_i]);
	struct vmv_identity id;

	vmv_identity_parse(obj, &id);
	json_object_put(obj);
	ck_assert_str_eq(id.hostname, "");
	ck_assert_str_eq(id.os, "");
	ck_assert_str_eq(id.agent, "");
	ck_assert_str_eq(id.session, "");
	ck_assert_int_eq(id.protocol, 0);
}
END_TEST

#define LOOP(tc, test, table) tcase_add_loop_test((tc), test, 0, (int)VMV_COUNTOF(table))

int main(void)
{
	Suite *s = suite_create("vitals");
	TCase *tc = tcase_create("parse");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, every_value_finds_its_place);
	tcase_add_test(tc, null_and_absent_stay_unknown_and_are_no_fault);
	LOOP(tc, an_integer_of_wrong_type_or_range_is_unknown, bad_ints);
	LOOP(tc, a_percentage_of_wrong_type_or_range_is_unknown, bad_percents);
	LOOP(tc, what_holds_no_system_fails_and_leaves_output_alone, malformed);
	tcase_add_test(tc, no_data_at_all_is_malformed);
	tcase_add_test(tc, elements_that_are_none_are_left_out_and_counted);
	tcase_add_test(tc, lists_of_a_wrong_type_are_empty);
	tcase_add_test(tc, every_list_has_a_cap);
	tcase_add_test(tc, clearing_twice_is_harmless);
	tcase_add_test(tc, the_listing_has_a_line_for_every_value);
	tcase_add_test(tc, a_hostile_name_cannot_break_out_of_its_line);
	tcase_add_test(tc, rates_are_differences_over_time);
	LOOP(tc, a_rate_that_cannot_be_known_is_unknown, no_rates);
	tcase_add_test(tc, an_identity_is_cut_to_its_arrays_without_splitting_characters);
	LOOP(tc, an_odd_identity_is_unknown, odd_identities);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
