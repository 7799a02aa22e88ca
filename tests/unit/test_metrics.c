#include "reports/metrics.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "collectors/cpu.h"
#include "collectors/disk.h"
#include "collectors/filesystem.h"
#include "collectors/load.h"
#include "collectors/memory.h"
#include "collectors/network.h"
#include "collectors/os.h"
#include "collectors/process.h"
#include "collectors/socket.h"
#include "collectors/temperature.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/rates.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sizes of filesystems and addresses come from the running kernel, whatever the tree says: these
 * two collectors are made up here, and the linker then leaves the real ones out. */
static struct vmv_network_sample nets[80];
static struct vmv_filesystem_sample mounts[80];
static size_t n_nets, n_mounts;
static int nets_result;

static int read_nets(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	(void)state;
	(void)root;
	(void)err;
	for (size_t i = 0; i < n_nets && nets_result == 0; i++)
		ck_assert_int_eq(sink->row(sink, nets[i].name, &nets[i]), 0);
	return nets_result;
}

static int read_mounts(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	(void)state;
	(void)root;
	(void)err;
	for (size_t i = 0; i < n_mounts; i++)
		ck_assert_int_eq(sink->row(sink, mounts[i].mount_point, &mounts[i]), 0);
	return 0;
}

const struct vmv_collector vmv_collector_network = {
	.name = "network",
	.sample_size = sizeof(struct vmv_network_sample),
	.read = read_nets,
};

const struct vmv_collector vmv_collector_filesystem = {
	.name = "filesystem",
	.sample_size = sizeof(struct vmv_filesystem_sample),
	.read = read_mounts,
};

const struct vmv_collector *const vmv_collectors[] = {
	&vmv_collector_cpu,  &vmv_collector_disk,	 &vmv_collector_filesystem,
	&vmv_collector_load, &vmv_collector_memory,	 &vmv_collector_network,
	&vmv_collector_os,   &vmv_collector_port,	 &vmv_collector_process,
	&vmv_collector_stat, &vmv_collector_temperature, NULL,
};

static const char *const exclude[] = { "docker*", "veth*" };

static struct fixture fx;
static struct still_clock now;
static struct vmv_facts *facts;
static struct vmv_rates rates;
static struct vmv_address_memory addresses;
static struct vmv_metrics_options options;
static struct vmv_jw w;

static void up(void)
{
	fixture_up(&fx);
	still_clock_init(&now);
	guest_put(&fx);
	n_nets = n_mounts = 0;
	nets_result = 0;
	facts = vmv_facts_new(&fx.root, &now.clock);
	ck_assert_ptr_nonnull(facts);
	options = (struct vmv_metrics_options){
		.processes = 20,
		.has_cmdline = true,
		.exclude = exclude,
		.n_exclude = VMV_COUNTOF(exclude),
	};
	vmv_jw_init(&w, VMV_METRICS_MAX);
}

static void down(void)
{
	vmv_jw_free(&w);
	vmv_rates_clear(&rates);
	vmv_address_memory_clear(&addresses);
	vmv_facts_free(facts);
	fixture_down(&fx);
}

/* -- what the tests put --------------------------------------------------------------------- */

static void put_text(char *ret, size_t size, const char *text)
{
	ck_assert_uint_lt(strlen(text), size);
	memcpy(ret, text, strlen(text) + 1);
}

static struct vmv_network_sample *put_net(const char *name)
{
	struct vmv_network_sample *s = &nets[n_nets++];

	ck_assert_uint_le(n_nets, VMV_COUNTOF(nets));
	*s = (struct vmv_network_sample){
		.index = n_nets,
		.is_up = 1,
		.default_metric = VMV_UNSET,
		.rx_bytes = 1,
		.rx_packets = 2,
		.tx_bytes = 4,
		.tx_packets = 5,
		.addresses_known = 1,
	};
	put_text(s->name, sizeof(s->name), name);
	return s;
}

static void put_ipv4(struct vmv_network_sample *s, const char *address)
{
	put_text(s->ipv4[s->n_ipv4++], sizeof(s->ipv4[0]), address);
}

static void put_ipv6(struct vmv_network_sample *s, const char *address)
{
	put_text(s->ipv6[s->n_ipv6++], sizeof(s->ipv6[0]), address);
}

#define GIB (UINT64_C(1) << 30)

static struct vmv_filesystem_sample *put_mount(const char *mount_point, const char *fstype,
					       uint64_t size, uint64_t free_, uint64_t avail)
{
	struct vmv_filesystem_sample *s = &mounts[n_mounts++];

	ck_assert_uint_le(n_mounts, VMV_COUNTOF(mounts));
	*s = (struct vmv_filesystem_sample){ .size = size, .free = free_, .avail = avail };
	put_text(s->mount_point, sizeof(s->mount_point), mount_point);
	put_text(s->fstype, sizeof(s->fstype), fstype);
	return s;
}

/* -- what they do with it ---------------------------------------------------------------------- */

static int write_message(struct vmv_err *err)
{
	vmv_jw_free(&w);
	vmv_jw_init(&w, VMV_METRICS_MAX);
	return vmv_metrics_message(&w, "2026-07-14T12:00:10.000Z", facts, &rates, &addresses,
				   &options, err);
}

/* A reading, and what the agent does after each. Returns whether addresses changed. */
static bool read_again(const struct vmv_baseline *before)
{
	guest_read(facts);
	vmv_rates_clear(&rates);
	ck_assert_int_eq(vmv_rates_compute(&rates, before, facts), 0);
	return vmv_address_memory_update(&addresses, facts, &options, vmv_mono_ms(&now.clock));
}

/* The whole message as JSON; the caller puts it. */
static struct json_object *message(void)
{
	struct vmv_err err = { 0 };

	read_again(NULL);
	ck_assert_msg(write_message(&err) == 0, "%s", err.msg);
	ck_assert_uint_le(w.buf.len, VMV_METRICS_MAX);
	return guest_json(&w);
}

static void expect_no_message(const char *about)
{
	struct vmv_err err = { 0 };

	read_again(NULL);
	ck_assert_int_eq(write_message(&err), -ENODATA);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_msg(strstr(err.msg, about) != NULL, "%s", err.msg);
}

static size_t length(struct json_object *obj, const char *path)
{
	struct json_object *list = guest_at(obj, path);

	ck_assert_msg(json_object_is_type(list, json_type_array), "%s", path);
	return json_object_array_length(list);
}

static void expect(struct json_object *obj, const char *path, const char *json)
{
	struct json_object *v = guest_at(obj, path);
	const char *text = json_object_to_json_string_ext(
		v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	ck_assert_msg(strcmp(text, json) == 0, "%s is %s, not %s", path, text, json);
}

/* -- the whole -----------------------------------------------------------------------------------
 */

static const char expected[] =
	"{\"type\":\"metrics\",\"timestamp\":\"2026-07-14T12:00:10.000Z\",\"data\":{\"system\":{"
	"\"cpu\":{\"usage_percent\":20.0,\"cores_usage\":[20.0,20.0],\"temperature\":45.5},"
	"\"memory\":{\"total_kb\":4028440,\"used_kb\":911204,\"available_kb\":3117236,"
	"\"swap_total_kb\":2097148,\"swap_used_kb\":0},"
	"\"disk\":{\"usage_stats\":["
	"{\"mount_point\":\"/\",\"total_gb\":20.0,\"used_gb\":5.5,\"available_gb\":13.25,"
	"\"filesystem\":\"ext4\"},"
	"{\"mount_point\":\"/srv/d\\u00e4ten\",\"total_gb\":0.1,\"used_gb\":0.0,"
	"\"available_gb\":0.1,\"filesystem\":\"xfs\"}],"
	"\"io_stats\":{\"read_bytes_per_sec\":40960,\"write_bytes_per_sec\":8192,"
	"\"read_ops_per_sec\":10,\"write_ops_per_sec\":2,\"io_utilization_percent\":2.5}},"
	"\"network\":{\"interfaces\":["
	"{\"name\":\"eth0\",\"bytes_received\":73400320,\"bytes_sent\":1048576,"
	"\"packets_received\":61234,\"packets_sent\":9876,\"errors_in\":3,\"errors_out\":4,"
	"\"ip_addresses\":[\"10.20.0.15\",\"10.20.0.16\"],\"is_up\":true},"
	"{\"name\":\"eth1\",\"bytes_received\":0,\"bytes_sent\":0,\"packets_received\":0,"
	"\"packets_sent\":0,\"errors_in\":0,\"errors_out\":0,\"ip_addresses\":[],"
	"\"is_up\":false}]},"
	"\"uptime_seconds\":1010,"
	"\"load_average\":{\"load_1min\":0.12,\"load_5min\":0.08,\"load_15min\":0.05},"
	"\"system\":{\"name\":\"Debian GNU/Linux\",\"os_version\":\"12\","
	"\"kernel_version\":\"6.1.0-28-cloud-amd64\",\"hostname\":\"web-1\","
	"\"uptime_seconds\":1010,"
	"\"load_average\":{\"load_1min\":0.12,\"load_5min\":0.08,\"load_15min\":0.05}}},"
	"\"processes\":["
	"{\"pid\":1033,\"ppid\":1,\"name\":\"mysqld\",\"exe_path\":\"/usr/sbin/mysqld\","
	"\"cmd_line\":\"/usr/sbin/mysqld\",\"cpu_percent\":1.5,\"memory_kb\":402112,"
	"\"disk_read_bytes\":10485760,\"disk_write_bytes\":52428800,\"status\":\"Sleeping\","
	"\"start_time\":\"2026-07-14T11:43:29.000Z\"},"
	"{\"pid\":812,\"ppid\":1,\"name\":\"nginx\",\"exe_path\":null,"
	"\"cmd_line\":\"nginx: master process\",\"cpu_percent\":0.3,\"memory_kb\":10240,"
	"\"disk_read_bytes\":null,\"disk_write_bytes\":null,\"status\":\"Running\","
	"\"start_time\":\"2026-07-14T11:43:27.000Z\"},"
	"{\"pid\":1,\"ppid\":0,\"name\":\"init\",\"exe_path\":null,\"cmd_line\":\"/sbin/init\","
	"\"cpu_percent\":0.0,\"memory_kb\":10240,\"disk_read_bytes\":null,"
	"\"disk_write_bytes\":null,\"status\":\"Sleeping\","
	"\"start_time\":\"2026-07-14T11:43:20.010Z\"},"
	"{\"pid\":31,\"ppid\":2,\"name\":\"kswapd0\",\"exe_path\":null,\"cmd_line\":null,"
	"\"cpu_percent\":0.0,\"memory_kb\":0,\"disk_read_bytes\":null,"
	"\"disk_write_bytes\":null,\"status\":\"Disk Sleep\","
	"\"start_time\":\"2026-07-14T11:43:20.020Z\"}],"
	"\"ports\":["
	"{\"port\":80,\"protocol\":\"TCP\",\"state\":\"Listen\",\"pid\":812,"
	"\"process_name\":\"nginx\",\"exe_path\":null,\"is_listening\":true,"
	"\"connection_count\":2},"
	"{\"port\":3306,\"protocol\":\"TCP\",\"state\":\"Listen\",\"pid\":1033,"
	"\"process_name\":\"mysqld\",\"exe_path\":\"/usr/sbin/mysqld\",\"is_listening\":true,"
	"\"connection_count\":0},"
	"{\"port\":68,\"protocol\":\"UDP\",\"state\":\"UDP\",\"pid\":null,"
	"\"process_name\":null,\"exe_path\":null,\"is_listening\":true,"
	"\"connection_count\":0}]}}";

static void put_whole_guest(bool is_later)
{
	guest_put_process(&fx, &(struct guest_process){
				       .pid = 1033,
				       .ppid = 1,
				       .comm = "mysqld",
				       .state = 'S',
				       .utime = is_later ? 110 : 100,
				       .stime = is_later ? 105 : 100,
				       .starttime = 900,
				       .rss_kib = 402112,
				       .cmdline = "/usr/sbin/mysqld",
				       .exe = is_later ? NULL : "/usr/sbin/mysqld",
				       .io = "rchar: 1\nread_bytes: 10485760\n"
					     "write_bytes: 52428800\n",
			       });
	guest_put_process(&fx, &(struct guest_process){
				       .pid = 812,
				       .ppid = 1,
				       .comm = "nginx",
				       .state = 'R',
				       .utime = is_later ? 3 : 0,
				       .starttime = 700,
				       .rss_kib = 10240,
				       .cmdline = "nginx: master process",
			       });
	guest_put_process(
		&fx,
		&(struct guest_process){
			.pid = 31, .ppid = 2, .comm = "kswapd0", .state = 'D', .starttime = 2 });
	if (!is_later)
		return;
	guest_put_cpu(&fx, 2100, 1100, 190700, 300);
	fixture_put(&fx, "proc/uptime", "1010.00 1900.00\n");
	fixture_put(&fx, "proc/diskstats", " 254 0 vda 110 0 1600 5 40 0 1760 6 0 350 11\n");
}

#define SOCKET(local, remote, state, inode)                                            \
	" 0: " local " " remote " " state " 00000000:00000000 00:00000000 00000000   " \
	"  0        0 " inode " 1 0 100 0 0 10 0\n"

START_TEST(the_message_of_a_small_guest)
{
	struct vmv_network_sample *eth0 = put_net("eth0"), *eth1 = put_net("eth1");
	struct vmv_baseline *before;
	struct vmv_err err = { 0 };

	eth0->rx_bytes = 73400320;
	eth0->tx_bytes = 1048576;
	eth0->rx_packets = 61234;
	eth0->tx_packets = 9876;
	eth0->rx_errors = 3;
	eth0->tx_errors = 4;
	put_ipv4(eth0, "10.20.0.15");
	put_ipv4(eth0, "10.20.0.16");
	put_ipv6(eth0, "fd00::1"); /* not asked for */
	eth1->rx_bytes = eth1->tx_bytes = eth1->rx_packets = eth1->tx_packets = 0;
	eth1->is_up = 0;
	put_mount("/", "ext4", 20 * GIB, 20 * GIB - 11 * GIB / 2, 53 * GIB / 4);
	put_mount("/srv/d\xc3\xa4ten", "xfs", GIB / 10, GIB / 10, GIB / 10);
	fixture_put(&fx, "sys/class/hwmon/hwmon0/temp1_input", "40000\n");
	fixture_put(&fx, "sys/class/hwmon/hwmon1/temp1_input", "45500\n");
	fixture_put(&fx, "sys/class/thermal/thermal_zone0/temp", "80000\n");
	fixture_put(&fx, "proc/net/tcp",
		    "  sl  local_address rem_address   st\n" /* 80, 80 twice taken, 3306 */
		    SOCKET("00000000:0050", "00000000:0000", "0A", "1210")
			    SOCKET("0F00140A:0050", "0200140A:C350", "01", "1300")
				    SOCKET("0F00140A:0050", "0300140A:C350", "01", "1301")
					    SOCKET("0100007F:0CEA", "00000000:0000", "0A", "1211"));
	fixture_put(&fx, "proc/net/udp",
		    "  sl  local_address rem_address   st\n" SOCKET("00000000:0044",
								    "00000000:0000", "07", "1212"));
	fixture_link(&fx, "proc/812/fd/3", "socket:[1210]");
	fixture_link(&fx, "proc/1033/fd/9", "socket:[1211]");
	put_whole_guest(false);
	read_again(NULL);
	before = vmv_baseline_new(facts);
	put_whole_guest(true);
	still_clock_pass(&now, 10000);
	read_again(before);
	ck_assert_int_eq(write_message(&err), 0);
	ck_assert_uint_eq(w.buf.len, strlen(expected));
	for (size_t i = 0; i < w.buf.len; i++)
		ck_assert_msg(w.buf.data[i] == expected[i], "at %zu: ...%.60s... is ...%.60s...", i,
			      expected + i - (i < 30 ? i : 30), w.buf.data + i - (i < 30 ? i : 30));
	json_object_put(guest_json(&w));
	vmv_baseline_free(before);
}
END_TEST

/* What PROTOCOL.md 3.2 marks M, with its type; [] is each element. */
static const struct {
	const char *list, *path;
	enum json_type type;
} marked[] = {
	{ NULL, ".type", json_type_string },
	{ NULL, ".timestamp", json_type_string },
	{ NULL, ".data.system.cpu.usage_percent", json_type_double },
	{ NULL, ".data.system.cpu.cores_usage[0]", json_type_double },
	{ NULL, ".data.system.memory.total_kb", json_type_int },
	{ NULL, ".data.system.memory.available_kb", json_type_int },
	{ NULL, ".data.system.memory.used_kb", json_type_int },
	{ NULL, ".data.system.disk.usage_stats", json_type_array },
	{ ".data.system.disk.usage_stats", ".mount_point", json_type_string },
	{ ".data.system.disk.usage_stats", ".filesystem", json_type_string },
	{ ".data.system.disk.usage_stats", ".total_gb", json_type_double },
	{ ".data.system.disk.usage_stats", ".used_gb", json_type_double },
	{ ".data.system.disk.usage_stats", ".available_gb", json_type_double },
	{ NULL, ".data.system.disk.io_stats.read_bytes_per_sec", json_type_int },
	{ NULL, ".data.system.disk.io_stats.write_bytes_per_sec", json_type_int },
	{ NULL, ".data.system.disk.io_stats.read_ops_per_sec", json_type_int },
	{ NULL, ".data.system.disk.io_stats.write_ops_per_sec", json_type_int },
	{ NULL, ".data.system.network.interfaces", json_type_array },
	{ ".data.system.network.interfaces", ".name", json_type_string },
	{ ".data.system.network.interfaces", ".is_up", json_type_boolean },
	{ ".data.system.network.interfaces", ".bytes_received", json_type_int },
	{ ".data.system.network.interfaces", ".bytes_sent", json_type_int },
	{ ".data.system.network.interfaces", ".packets_received", json_type_int },
	{ ".data.system.network.interfaces", ".packets_sent", json_type_int },
	{ ".data.system.network.interfaces", ".ip_addresses", json_type_array },
	{ NULL, ".data.system.uptime_seconds", json_type_int },
	{ NULL, ".data.system.load_average.load_1min", json_type_double },
	{ NULL, ".data.system.load_average.load_5min", json_type_double },
	{ NULL, ".data.system.load_average.load_15min", json_type_double },
	{ NULL, ".data.processes", json_type_array },
	{ ".data.processes", ".pid", json_type_int },
	{ ".data.processes", ".name", json_type_string },
	{ ".data.processes", ".cpu_percent", json_type_double },
	{ ".data.processes", ".memory_kb", json_type_int },
	{ ".data.processes", ".status", json_type_string },
	{ NULL, ".data.ports", json_type_array },
	{ ".data.ports", ".port", json_type_int },
	{ ".data.ports", ".protocol", json_type_string },
	{ ".data.ports", ".state", json_type_string },
	{ ".data.ports", ".is_listening", json_type_boolean },
	{ ".data.ports", ".connection_count", json_type_int },
};

static void check_marked(struct json_object *obj)
{
	for (size_t i = 0; i < VMV_COUNTOF(marked); i++) {
		size_t n = marked[i].list ? length(obj, marked[i].list) : 1;

		for (size_t k = 0; k < n; k++) {
			struct json_object *in = marked[i].list
							 ? json_object_array_get_idx(
								   guest_at(obj, marked[i].list), k)
							 : obj;

			ck_assert_msg(
				json_object_is_type(guest_at(in, marked[i].path), marked[i].type),
				"%s%s", marked[i].list ? marked[i].list : "", marked[i].path);
		}
	}
}

START_TEST(what_hosts_rely_on_is_there_from_the_first_message_on)
{
	struct json_object *obj;

	put_net("eth0");
	put_mount("/", "ext4", GIB, 0, 0);
	obj = message();
	check_marked(obj);
	ck_assert_uint_eq(length(obj, ".data.system.network.interfaces"), 1);
	ck_assert_uint_eq(length(obj, ".data.processes"), 1);
	/* an agent's first */
	expect(obj, ".data.system.disk.io_stats.read_bytes_per_sec", "0");
	expect(obj, ".data.system.disk.io_stats.write_ops_per_sec", "0");
	expect(obj, ".data.system.disk.io_stats.io_utilization_percent", "null");
	expect(obj, ".data.system.cpu.temperature", "null");
	json_object_put(obj);
}
END_TEST

START_TEST(a_counter_that_jumps_makes_no_rate_below_zero)
{
	struct vmv_baseline *before;
	struct vmv_err err = { 0 };
	struct json_object *obj;

	put_net("eth0");
	fixture_put(&fx, "proc/diskstats", " 254 0 vda 1 0 8 0 0 0 0 0 0 0 0\n");
	guest_read(facts);
	before = vmv_baseline_new(facts);
	ck_assert_ptr_nonnull(before);
	still_clock_pass(&now, 1000);
	fixture_put(&fx, "proc/diskstats",
		    " 254 0 vda 9223372036854775807 0 9223372036854775807 0 0 0 0 0 0 0 0\n");
	read_again(before);
	ck_assert_msg(write_message(&err) == 0, "%s", err.msg);
	obj = guest_json(&w);
	expect(obj, ".data.system.disk.io_stats.read_bytes_per_sec", "9007199254740992");
	expect(obj, ".data.system.disk.io_stats.read_ops_per_sec", "9007199254740992");
	json_object_put(obj);
	vmv_baseline_free(before);
}
END_TEST

START_TEST(on_the_system_we_run_on_too)
{
	struct vmv_root root;
	struct json_object *obj;

	vmv_facts_free(facts);
	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	facts = vmv_facts_new(&root, &vmv_clock_system);
	options.processes = 200;
	obj = message();
	check_marked(obj);
	ck_assert_uint_gt(length(obj, ".data.processes"), 0);
	json_object_put(obj);
	vmv_facts_free(facts);
	vmv_root_close(&root);
	facts = vmv_facts_new(&fx.root, &now.clock);
}
END_TEST

/* -- what is missing ------------------------------------------------------------------------------
 */

static const struct {
	const char *path, *text, *about;
} missing[] = {
	{ "proc/meminfo", "", "/proc/meminfo" },
	{ "proc/meminfo", "MemFree: 1 kB\n", "/proc/meminfo" },
	{ "proc/stat", "", "/proc/stat" },
	{ "proc/stat", "cpu  1 2 3 4\n", "/proc/stat" }, /* no CPU at all */
	{ "proc/loadavg", "", "/proc/loadavg" },
	{ "proc/uptime", "", "/proc/uptime" },
	{ "proc/meminfo", "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 1 kB\n", "MemAvailable" },
};

START_TEST(without_what_hosts_rely_on_nothing_is_sent)
{
	fixture_put(&fx, missing[_i].path, missing[_i].text);
	expect_no_message(missing[_i].about);
}
END_TEST

START_TEST(without_the_file_nothing_is_sent)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/proc/meminfo", fx.dir);
	ck_assert_int_eq(unlink(path), 0);
	vmv_facts_free(facts); /* the collector keeps the file open */
	facts = vmv_facts_new(&fx.root, &now.clock);
	expect_no_message("/proc/meminfo");
}
END_TEST

START_TEST(a_kernel_before_3_14_has_no_MemAvailable)
{
	struct json_object *obj;

	fixture_put(&fx, "proc/meminfo",
		    "MemTotal: 2000000 kB\nMemFree: 500000 kB\nBuffers: 100 kB\n"
		    "Cached: 2000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
	obj = message();
	expect(obj, ".data.system.memory.available_kb", "502100");
	expect(obj, ".data.system.memory.used_kb", "1497900");
	expect(obj, ".data.system.memory.swap_total_kb", "0"); /* none is 0, not null */
	expect(obj, ".data.system.memory.swap_used_kb", "0");
	json_object_put(obj);
}
END_TEST

START_TEST(what_the_kernel_does_not_say_of_swap_is_null)
{
	struct json_object *obj;

	fixture_put(&fx, "proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 2000 kB\n");
	obj = message();
	expect(obj, ".data.system.memory.available_kb", "1000"); /* never more than there is */
	expect(obj, ".data.system.memory.used_kb", "0");
	expect(obj, ".data.system.memory.swap_total_kb", "null");
	expect(obj, ".data.system.memory.swap_used_kb", "null");
	json_object_put(obj);
}
END_TEST

START_TEST(an_os_without_names_is_null)
{
	struct json_object *obj;

	fixture_put(&fx, "etc/os-release", "NAME=Arch\n");
	obj = message();
	expect(obj, ".data.system.system.os_version", "null");
	expect(obj, ".data.system.system.name", "\"Arch\"");
	json_object_put(obj);
}
END_TEST

START_TEST(filesystems_that_say_nonsense_are_left_out)
{
	struct json_object *obj;

	put_mount("/a", "ext4", 10 * GIB, 11 * GIB, GIB);
	put_mount("/b", "ext4", VMV_UNSET, GIB, GIB);
	put_mount("/c", "ext4", GIB, GIB, 0);
	obj = message();
	ck_assert_uint_eq(length(obj, ".data.system.disk.usage_stats"), 1);
	expect(obj, ".data.system.disk.usage_stats[0].mount_point", "\"/c\"");
	json_object_put(obj);
}
END_TEST

/* -- what is too much ---------------------------------------------------------------------------
 */

static void put_processes(unsigned n, const char *cmdline, const char *exe)
{
	for (unsigned i = 0; i < n; i++)
		guest_put_process(&fx, &(struct guest_process){
					       .pid = 1000 + i,
					       .comm = "p",
					       .state = 'S',
					       .utime = i,
					       .starttime = 100,
					       .rss_kib = 1024,
					       .cmdline = cmdline,
					       .exe = exe,
				       });
}

static void fill(char *text, size_t size, char c)
{
	memset(text, c, size - 1);
	text[size - 1] = '\0';
}

START_TEST(so_many_processes_as_asked_for)
{
	static const unsigned wanted[] = { 0, 1, 20, 30, 31, 200 };
	static const size_t got[] = { 0, 1, 20, 30, 31, 31 };
	struct json_object *obj;

	put_processes(30, "x", NULL);
	options.processes = wanted[_i];
	obj = message();
	ck_assert_uint_eq(length(obj, ".data.processes"), got[_i]);
	json_object_put(obj);
}
END_TEST

START_TEST(long_processes_are_cut_to_fit)
{
	char cmdline[2000], exe[4000];
	struct json_object *obj;
	size_t n;

	fill(cmdline, sizeof(cmdline), '\x01'); /* six bytes each on the wire */
	fill(exe, sizeof(exe), '/');
	put_processes(200, cmdline, exe);
	options.processes = 200;
	obj = message();
	check_marked(obj);
	n = length(obj, ".data.processes");
	ck_assert_uint_gt(n, 30);
	ck_assert_uint_lt(n, 200);
	expect(obj, ".data.processes[0].pid", "1199"); /* from the end of the list */
	ck_assert_int_eq(json_object_get_string_len(guest_at(obj, ".data.processes[0].cmd_line")),
			 512);
	ck_assert_uint_gt(w.buf.len, VMV_METRICS_MAX / 2); /* no less than would fit */
	json_object_put(obj);
}
END_TEST

START_TEST(a_command_line_is_not_cut_within_a_character)
{
	struct json_object *obj;
	char cmdline[1024];

	for (size_t i = 0; i + 2 < sizeof(cmdline); i += 2)
		memcpy(cmdline + 1 + i, "\xc3\xa4", 2);
	cmdline[0] = 'x';
	cmdline[1023] = '\0';
	put_processes(1, cmdline, NULL);
	obj = message();
	/* one 'x' and as many whole two-byte characters as 512 bytes hold */
	ck_assert_int_eq(json_object_get_string_len(guest_at(obj, ".data.processes[1].cmd_line")),
			 511);
	ck_assert(!guest_says(&w, "ufffd"));
	json_object_put(obj);
}
END_TEST

static void put_ports(unsigned n, const char *link)
{
	char *text = malloc(n * 160 + 100), *p = text;
	char path[64], target[32];

	ck_assert_ptr_nonnull(text);
	p = stpcpy(p, "  sl  local_address rem_address   st\n");
	for (unsigned i = 0; i < n; i++) {
		p += snprintf(p, 160,
			      " 0: 00000000:%04X 00000000:0000 0A 00000000:00000000 00:00000000 "
			      "00000000     0        0 %u 1 0 100 0 0 10 0\n",
			      i + 1, i + 5000);
		if (link) {
			(void)snprintf(path, sizeof(path), "proc/1000/fd/%u", i);
			(void)snprintf(target, sizeof(target), "socket:[%u]", i + 5000);
			fixture_link(&fx, path, target);
		}
	}
	if (link)
		put_processes(1, NULL, link);
	fixture_put(&fx, "proc/net/tcp", text);
	free(text);
}

START_TEST(a_thousand_ports_at_most)
{
	struct json_object *obj;

	put_ports(1200, NULL);
	obj = message();
	ck_assert_uint_eq(length(obj, ".data.ports"), 1000);
	expect(obj, ".data.ports[999].port", "1000");
	json_object_put(obj);
}
END_TEST

START_TEST(long_ports_are_cut_to_fit)
{
	struct json_object *obj;
	char exe[500];

	fill(exe, sizeof(exe), 'x');
	put_ports(1000, exe);
	obj = message();
	check_marked(obj);
	ck_assert_uint_gt(length(obj, ".data.ports"), 300);
	ck_assert_uint_lt(length(obj, ".data.ports"), 1000);
	expect(obj, ".data.ports[0].port", "1");
	json_object_put(obj);
}
END_TEST

START_TEST(sixty_four_filesystems_and_interfaces_at_most)
{
	struct json_object *obj;
	char name[16];

	for (unsigned i = 0; i < 70; i++) {
		(void)snprintf(name, sizeof(name), "/m%02u", i);
		put_mount(name, "ext4", GIB, 0, 0);
		(void)snprintf(name, sizeof(name), "eth%02u", i);
		put_net(name);
	}
	obj = message();
	ck_assert_uint_eq(length(obj, ".data.system.disk.usage_stats"), 64);
	ck_assert_uint_eq(length(obj, ".data.system.network.interfaces"), 64);
	expect(obj, ".data.system.disk.usage_stats[63].mount_point", "\"/m63\"");
	expect(obj, ".data.system.network.interfaces[63].name", "\"eth63\"");
	json_object_put(obj);
}
END_TEST

START_TEST(the_longest_of_everything_is_still_a_message)
{
	char name[16], mount_point[512], fstype[64], cmdline[2000], exe[500], release[1024];
	struct json_object *obj;

	options.has_ipv6 = true;
	fill(mount_point, sizeof(mount_point), '\x01');
	fill(fstype, sizeof(fstype), '\x01');
	for (unsigned i = 0; i < 70; i++) {
		struct vmv_network_sample *s;

		put_mount(mount_point, fstype, GIB, 0, 0);
		(void)snprintf(name, sizeof(name), "\x01\x01\x01\x01\x01\x01\x01\x01\x01%02u", i);
		s = put_net(name);
		while (s->n_ipv6 < VMV_ADDRESSES_EACH)
			put_ipv6(s, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff");
	}
	fill(cmdline, sizeof(cmdline), '\x01');
	fill(exe, sizeof(exe), '\x01');
	put_ports(300, exe);
	put_processes(200, cmdline, NULL);
	(void)snprintf(release, sizeof(release), "NAME=\"%.120s\"\nVERSION_ID=\"%.60s\"\n", cmdline,
		       cmdline);
	fixture_put(&fx, "etc/os-release", release);
	cmdline[250] = '\0';
	fixture_put(&fx, "proc/sys/kernel/hostname", cmdline);
	fixture_put(&fx, "proc/sys/kernel/osrelease", cmdline);
	options.processes = 200;
	obj = message();
	check_marked(obj);
	ck_assert_uint_gt(length(obj, ".data.system.disk.usage_stats"), 0);
	json_object_put(obj);
}
END_TEST

START_TEST(what_does_not_fit_at_all_is_an_error_and_no_broken_text)
{
	struct vmv_err err = { 0 };

	read_again(NULL);
	for (size_t max = 0; max < 3000; max++) {
		vmv_jw_free(&w);
		vmv_jw_init(&w, max);
		if (vmv_metrics_message(&w, "2026-07-14T12:00:10.000Z", facts, &rates, &addresses,
					&options, &err) == 0)
			json_object_put(guest_json(&w));
	}
}
END_TEST

/* -- what is strange ------------------------------------------------------------------------------
 */

START_TEST(names_that_are_no_utf8_are_replaced)
{
	struct json_object *obj;

	guest_put_process(&fx, &(struct guest_process){ .pid = 7,
							.comm = "b\xff\xfe) R (\"x",
							.state = 'Z',
							.utime = 9999,
							.cmdline = "\xc3" });
	put_mount("/\xf0\x28", "ext4", GIB, 0, 0);
	obj = message();
	expect(obj, ".data.processes[0].name", "\"b\xef\xbf\xbd\xef\xbf\xbd) R (\\\"x\"");
	expect(obj, ".data.processes[0].cmd_line", "\"\xef\xbf\xbd\"");
	expect(obj, ".data.processes[0].status", "\"Zombie\"");
	expect(obj, ".data.system.disk.usage_stats[0].mount_point", "\"/\xef\xbf\xbd(\"");
	ck_assert(w.is_lossy);
	json_object_put(obj);
}
END_TEST

START_TEST(a_name_is_never_empty)
{
	struct json_object *obj;

	guest_put_process(
		&fx, &(struct guest_process){ .pid = 7, .comm = "", .state = 'S', .utime = 9999 });
	obj = message();
	ck_assert_int_gt(json_object_get_string_len(guest_at(obj, ".data.processes[0].name")), 0);
	json_object_put(obj);
}
END_TEST

START_TEST(command_lines_can_be_kept_secret)
{
	struct json_object *obj;

	options.has_cmdline = false;
	obj = message();
	expect(obj, ".data.processes[0].cmd_line", "null");
	ck_assert(!guest_says(&w, "/sbin/init"));
	json_object_put(obj);
}
END_TEST

START_TEST(all_states_have_names)
{
	static const struct {
		char letter;
		const char *name;
	} states[] = { { 'R', "\"Running\"" },	    { 'S', "\"Sleeping\"" },
		       { 'D', "\"Disk Sleep\"" },   { 'T', "\"Stopped\"" },
		       { 't', "\"Tracing Stop\"" }, { 'Z', "\"Zombie\"" },
		       { 'X', "\"Dead\"" },	    { 'I', "\"Idle\"" },
		       { 'P', "\"Unknown\"" } };

	for (size_t i = 0; i < VMV_COUNTOF(states); i++) {
		struct json_object *obj;

		guest_put_process(&fx, &(struct guest_process){ .pid = 7,
								.comm = "p",
								.state = states[i].letter,
								.utime = 9999 });
		obj = message();
		expect(obj, ".data.processes[0].status", states[i].name);
		json_object_put(obj);
	}
}
END_TEST

START_TEST(thermal_zones_count_where_no_hwmon_is)
{
	struct json_object *obj;

	fixture_put(&fx, "sys/class/thermal/thermal_zone0/temp", "41000\n");
	fixture_put(&fx, "sys/class/thermal/thermal_zone1/temp", "42000\n");
	fixture_put(&fx, "sys/class/thermal/thermal_zone2/temp", "250000\n"); /* broken */
	obj = message();
	expect(obj, ".data.system.cpu.temperature", "42.0");
	json_object_put(obj);
}
END_TEST

/* -- interfaces and addresses -------------------------------------------------------------------
 */

START_TEST(interfaces_that_say_nothing_to_hosts_are_left_out)
{
	struct json_object *obj;

	put_net("docker0");
	put_net("veth12ab");
	put_net("lo");
	put_net("dummy0")->is_loopback = 1;
	put_net("gone0")->is_up = VMV_UNSET;
	put_net("gone1")->rx_bytes = VMV_UNSET;
	put_net("eth0")->is_loopback = VMV_UNSET;
	put_net("mydocker0");
	obj = message();
	ck_assert_uint_eq(length(obj, ".data.system.network.interfaces"), 2);
	expect(obj, ".data.system.network.interfaces[0].name", "\"eth0\"");
	expect(obj, ".data.system.network.interfaces[1].name", "\"mydocker0\"");
	json_object_put(obj);
}
END_TEST

START_TEST(ipv6_is_reported_on_request_and_after_ipv4)
{
	struct vmv_network_sample *eth0 = put_net("eth0");
	struct json_object *obj;

	put_ipv4(eth0, "10.0.0.2");
	put_ipv4(eth0, "10.0.0.3");
	put_ipv6(eth0, "2001:db8::2");
	obj = message();
	expect(obj, ".data.system.network.interfaces[0].ip_addresses",
	       "[\"10.0.0.2\",\"10.0.0.3\"]");
	json_object_put(obj);
	options.has_ipv6 = true;
	obj = message();
	expect(obj, ".data.system.network.interfaces[0].ip_addresses",
	       "[\"10.0.0.2\",\"10.0.0.3\",\"2001:db8::2\"]");
	json_object_put(obj);
}
END_TEST

START_TEST(sixteen_addresses_at_most)
{
	struct vmv_network_sample *eth0 = put_net("eth0");
	struct json_object *obj;
	char text[32];

	for (unsigned i = 0; i < 15; i++) {
		(void)snprintf(text, sizeof(text), "10.0.0.%u", i);
		put_ipv4(eth0, text);
		(void)snprintf(text, sizeof(text), "2001:db8::%u", i);
		put_ipv6(eth0, text);
	}
	options.has_ipv6 = true;
	obj = message();
	ck_assert_uint_eq(length(obj, ".data.system.network.interfaces[0].ip_addresses"), 16);
	expect(obj, ".data.system.network.interfaces[0].ip_addresses[14]", "\"10.0.0.14\"");
	expect(obj, ".data.system.network.interfaces[0].ip_addresses[15]", "\"2001:db8::0\"");
	json_object_put(obj);
}
END_TEST

static void expect_addresses(const char *json)
{
	struct json_object *obj;
	struct vmv_err err = { 0 };

	ck_assert_msg(write_message(&err) == 0, "%s", err.msg);
	obj = guest_json(&w);
	expect(obj, ".data.system.network.interfaces[0].ip_addresses", json);
	json_object_put(obj);
}

START_TEST(addresses_are_repeated_while_they_cannot_be_read)
{
	struct vmv_network_sample *eth0 = put_net("eth0");

	eth0->addresses_known = 0;
	ck_assert(!read_again(NULL));
	expect_addresses("[]"); /* nothing was ever known */
	eth0->addresses_known = 1;
	put_ipv4(eth0, "10.0.0.2");
	ck_assert(!read_again(NULL)); /* the first that are known are no change */
	expect_addresses("[\"10.0.0.2\"]");
	eth0->addresses_known = 0;
	eth0->n_ipv4 = 0;
	for (int i = 0; i < 3; i++) {
		still_clock_pass(&now, 30000);
		ck_assert(!read_again(NULL));
		expect_addresses("[\"10.0.0.2\"]");
		ck_assert(!addresses.is_doubted);
	}
	eth0->addresses_known = 1;
	put_ipv4(eth0, "10.0.0.3");
	ck_assert(read_again(NULL));
	expect_addresses("[\"10.0.0.3\"]");
	ck_assert(!read_again(NULL));
}
END_TEST

START_TEST(the_last_address_goes_only_when_a_reading_5_s_later_agrees)
{
	struct vmv_network_sample *eth0 = put_net("eth0");

	put_ipv4(eth0, "10.0.0.2");
	ck_assert(!read_again(NULL));
	eth0->n_ipv4 = 0;
	still_clock_pass(&now, 1000);
	ck_assert(!read_again(NULL));
	ck_assert(addresses.is_doubted);
	expect_addresses("[\"10.0.0.2\"]");
	still_clock_pass(&now, 4999);
	ck_assert(!read_again(NULL));
	ck_assert(addresses.is_doubted);
	expect_addresses("[\"10.0.0.2\"]");
	still_clock_pass(&now, 1);
	ck_assert(read_again(NULL));
	ck_assert(!addresses.is_doubted);
	ck_assert(!addresses.had_any);
	expect_addresses("[]");
	still_clock_pass(&now, 30000); /* and that is no news any more */
	ck_assert(!read_again(NULL));
	expect_addresses("[]");
}
END_TEST

START_TEST(an_address_that_comes_back_ends_the_doubt)
{
	struct vmv_network_sample *eth0 = put_net("eth0");

	put_ipv4(eth0, "10.0.0.2");
	read_again(NULL);
	eth0->n_ipv4 = 0;
	read_again(NULL);
	ck_assert(addresses.is_doubted);
	eth0->n_ipv4 = 1;
	still_clock_pass(&now, 1000);
	ck_assert(!read_again(NULL));
	ck_assert(!addresses.is_doubted);
	/* the next doubt is a new one with 5 s of its own */
	still_clock_pass(&now, 30000);
	eth0->n_ipv4 = 0;
	read_again(NULL);
	ck_assert(addresses.is_doubted);
	expect_addresses("[\"10.0.0.2\"]");
}
END_TEST

START_TEST(one_of_two_addresses_goes_at_once)
{
	struct vmv_network_sample *eth0 = put_net("eth0"), *eth1 = put_net("eth1");

	put_ipv4(eth0, "10.0.0.2");
	put_ipv4(eth1, "10.0.1.2");
	read_again(NULL);
	eth0->n_ipv4 = 0;
	ck_assert(read_again(NULL));
	expect_addresses("[]");
	ck_assert(!addresses.is_doubted);
}
END_TEST

START_TEST(an_address_that_moves_is_a_change)
{
	struct vmv_network_sample *eth0 = put_net("eth0"), *eth1 = put_net("eth1");

	put_ipv4(eth0, "10.0.0.2");
	read_again(NULL);
	eth0->n_ipv4 = 0;
	put_ipv4(eth1, "10.0.0.2");
	ck_assert(read_again(NULL));
	eth0->rx_bytes++; /* traffic is none */
	ck_assert(!read_again(NULL));
}
END_TEST

/* The addresses of interfaces that are left out do not count. */
START_TEST(addresses_that_are_not_shown_do_not_count)
{
	struct vmv_network_sample *docker0 = put_net("docker0"), *eth0 = put_net("eth0");

	put_ipv4(docker0, "172.17.0.1");
	put_ipv6(eth0, "fd00::1");
	read_again(NULL);
	ck_assert(!addresses.had_any);
	docker0->n_ipv4 = 0;
	ck_assert(!read_again(NULL));
	options.has_ipv6 = true;
	read_again(NULL);
	ck_assert(addresses.had_any);
}
END_TEST

/* A message without interfaces would erase the addresses that hosts have stored. */
START_TEST(without_interfaces_where_there_were_addresses_nothing_is_sent)
{
	struct vmv_network_sample *eth0 = put_net("eth0");
	struct vmv_err err = { 0 };

	nets_result = -EIO; /* before anything is known it does no harm */
	json_object_put(message());
	nets_result = 0;
	still_clock_pass(&now, 30000);
	put_ipv4(eth0, "10.0.0.2");
	read_again(NULL);
	expect_addresses("[\"10.0.0.2\"]");
	nets_result = -EIO;
	expect_no_message("/proc/net/dev");
	nets_result = 0;
	still_clock_pass(&now, 30000);
	read_again(NULL);
	ck_assert_int_eq(write_message(&err), 0);
	expect_addresses("[\"10.0.0.2\"]");
}
END_TEST

START_TEST(the_memory_of_addresses_is_cleared)
{
	put_ipv4(put_net("eth0"), "10.0.0.2");
	read_again(NULL);
	ck_assert_uint_eq(addresses.n, 1);
	vmv_address_memory_clear(&addresses);
	ck_assert_uint_eq(addresses.n, 0);
	ck_assert(!addresses.had_any);
	vmv_address_memory_clear(&addresses);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("metrics");
	TCase *tc = tcase_create("metrics");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_message_of_a_small_guest);
	tcase_add_test(tc, what_hosts_rely_on_is_there_from_the_first_message_on);
	tcase_add_test(tc, a_counter_that_jumps_makes_no_rate_below_zero);
	tcase_add_test(tc, on_the_system_we_run_on_too);
	tcase_add_loop_test(tc, without_what_hosts_rely_on_nothing_is_sent, 0,
			    (int)VMV_COUNTOF(missing));
	tcase_add_test(tc, without_the_file_nothing_is_sent);
	tcase_add_test(tc, a_kernel_before_3_14_has_no_MemAvailable);
	tcase_add_test(tc, what_the_kernel_does_not_say_of_swap_is_null);
	tcase_add_test(tc, an_os_without_names_is_null);
	tcase_add_test(tc, filesystems_that_say_nonsense_are_left_out);
	tcase_add_loop_test(tc, so_many_processes_as_asked_for, 0, 6);
	tcase_add_test(tc, long_processes_are_cut_to_fit);
	tcase_add_test(tc, a_command_line_is_not_cut_within_a_character);
	tcase_add_test(tc, a_thousand_ports_at_most);
	tcase_add_test(tc, long_ports_are_cut_to_fit);
	tcase_add_test(tc, sixty_four_filesystems_and_interfaces_at_most);
	tcase_add_test(tc, the_longest_of_everything_is_still_a_message);
	tcase_add_test(tc, what_does_not_fit_at_all_is_an_error_and_no_broken_text);
	tcase_add_test(tc, names_that_are_no_utf8_are_replaced);
	tcase_add_test(tc, a_name_is_never_empty);
	tcase_add_test(tc, command_lines_can_be_kept_secret);
	tcase_add_test(tc, all_states_have_names);
	tcase_add_test(tc, thermal_zones_count_where_no_hwmon_is);
	tcase_add_test(tc, interfaces_that_say_nothing_to_hosts_are_left_out);
	tcase_add_test(tc, ipv6_is_reported_on_request_and_after_ipv4);
	tcase_add_test(tc, sixteen_addresses_at_most);
	tcase_add_test(tc, addresses_are_repeated_while_they_cannot_be_read);
	tcase_add_test(tc, the_last_address_goes_only_when_a_reading_5_s_later_agrees);
	tcase_add_test(tc, an_address_that_comes_back_ends_the_doubt);
	tcase_add_test(tc, one_of_two_addresses_goes_at_once);
	tcase_add_test(tc, an_address_that_moves_is_a_change);
	tcase_add_test(tc, addresses_that_are_not_shown_do_not_count);
	tcase_add_test(tc, without_interfaces_where_there_were_addresses_nothing_is_sent);
	tcase_add_test(tc, the_memory_of_addresses_is_cleared);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
