#include "reports/health.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "collectors/cpu.h"
#include "collectors/filesystem.h"
#include "collectors/memory.h"
#include "collectors/network.h"
#include "collectors/pressure.h"
#include "collectors/route.h"
#include "collectors/systemd.h"
#include "collectors/time.h"
#include "collectors/vmstat.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/metrics.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- a guest whose every group is made up, with the names and fields of the real ones -----------
 */

enum group { FILESYSTEM, MEMORY, NETWORK, PRESSURE, ROUTE, STAT, TIME, UNIT, VMSTAT, N_GROUPS };

#define ROWS 20

static struct {
	size_t n;
	const char *ids[ROWS];
	int result;
} given[N_GROUPS];

static struct vmv_filesystem_sample filesystems[ROWS];
static struct vmv_memory_sample memory;
static struct vmv_network_sample networks[ROWS];
static struct vmv_pressure_sample pressure;
static struct vmv_route_sample routes[ROWS];
static struct vmv_stat_sample stat;
static struct vmv_time_sample timing;
static struct vmv_unit_sample units[ROWS];
static struct vmv_vmstat_sample vmstat;

static int give(enum group g, const void *rows, size_t size, struct vmv_sink *sink,
		struct vmv_err *err)
{
	for (size_t i = 0; i < given[g].n; i++) {
		int r = sink->row(sink, given[g].ids[i] ? given[g].ids[i] : "",
				  (const char *)rows + i * size);

		if (r < 0)
			return r;
	}
	return given[g].result < 0 ? vmv_fail(err, VMV_E_IO, -given[g].result, "no") : 0;
}

#define READER(name, g, rows)                                                            \
	static int name(void *state, const struct vmv_root *root, struct vmv_sink *sink, \
			struct vmv_err *err)                                             \
	{                                                                                \
		(void)state;                                                             \
		(void)root;                                                              \
		return give(g, rows, sizeof((rows)[0]), sink, err);                      \
	}

READER(read_filesystems, FILESYSTEM, filesystems)
READER(read_memory, MEMORY, &memory)
READER(read_networks, NETWORK, networks)
READER(read_pressure, PRESSURE, &pressure)
READER(read_routes, ROUTE, routes)
READER(read_stat, STAT, &stat)
READER(read_time, TIME, &timing)
READER(read_units, UNIT, units)
READER(read_vmstat, VMSTAT, &vmstat)

static struct vmv_collector made_up[N_GROUPS];

static const struct {
	const struct vmv_collector *real;
	int (*read)(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		    struct vmv_err *err);
} models[N_GROUPS] = {
	[FILESYSTEM] = { &vmv_collector_filesystem, read_filesystems },
	[MEMORY] = { &vmv_collector_memory, read_memory },
	[NETWORK] = { &vmv_collector_network, read_networks },
	[PRESSURE] = { &vmv_collector_pressure, read_pressure },
	[ROUTE] = { &vmv_collector_route, read_routes },
	[STAT] = { &vmv_collector_stat, read_stat },
	[TIME] = { &vmv_collector_time, read_time },
	[UNIT] = { &vmv_collector_unit, read_units },
	[VMSTAT] = { &vmv_collector_vmstat, read_vmstat },
};

/* Instead of collectors/all.c, which the linker then leaves out. */
const struct vmv_collector *const vmv_collectors[] = {
	&made_up[FILESYSTEM], &made_up[MEMORY],
	&made_up[NETWORK],    &made_up[PRESSURE],
	&made_up[ROUTE],      &made_up[STAT],
	&made_up[TIME],	      &made_up[UNIT],
	&made_up[VMSTAT],     NULL,
};

static struct fixture fx;
static struct still_clock now;
static struct vmv_facts *facts;
static struct vmv_health *health;
static const char *const excluded[] = { "docker*" };
static const struct vmv_metrics_options options = { .exclude = excluded, .n_exclude = 1 };
static const char *const critical[] = { "db.service" };

static struct {
	unsigned n;
	char text[4096]; /* "check: passed to failed" */
} changes;

static void on_change(void *arg, const struct vmv_check *check, enum vmv_health_status from,
		      const struct vmv_verdict *to)
{
	size_t len = strlen(changes.text);

	ck_assert_ptr_eq(arg, &changes);
	ck_assert(*to->message);
	changes.n++;
	(void)snprintf(changes.text + len, sizeof(changes.text) - len, "%s: %s to %s\n",
		       check->name, vmv_health_word(from), vmv_health_word(to->status));
}

static void set_cpu(uint64_t total, uint64_t busy, uint64_t steal)
{
	stat.all = (struct vmv_cpu_sample){
		.user = busy - (steal == VMV_UNSET ? 0 : steal),
		.idle = total - busy,
		.steal = steal,
		.guest = VMV_UNSET,
		.guest_nice = VMV_UNSET,
	};
}

/* A guest in which all is well. */
static void make_well(void)
{
	memset(given, 0, sizeof(given));
	for (size_t g = 0; g < N_GROUPS; g++)
		given[g].n = 1;
	memset(filesystems, 0xff, sizeof(filesystems));
	memset(networks, 0xff, sizeof(networks));
	memset(&pressure, 0xff, sizeof(pressure));
	memset(&memory, 0xff, sizeof(memory));
	memset(&vmstat, 0xff, sizeof(vmstat));
	memset(units, 0, sizeof(units));
	memset(routes, 0, sizeof(routes));
	given[FILESYSTEM].ids[0] = "/";
	filesystems[0].size = 1000;
	filesystems[0].free = 500;
	filesystems[0].avail = 500;
	filesystems[0].files = 100;
	filesystems[0].files_free = 90;
	filesystems[0].stuck = 0;
	memory.total = 1000;
	memory.available = 600;
	memory.swap_total = memory.swap_free = 0;
	given[NETWORK].ids[0] = "eth0";
	memset(&networks[0], 0, sizeof(networks[0]));
	strcpy(networks[0].name, "eth0");
	networks[0].is_up = 1;
	networks[0].addresses_known = 1;
	networks[0].n_ipv4 = 1;
	pressure.cpu.some.avg60 = pressure.io.some.avg60 = pressure.memory.some.avg60 = 100;
	given[ROUTE].ids[0] = "default via 10.0.2.2 dev eth0 metric 100";
	routes[0].is_default = 1;
	set_cpu(100000, 10000, 0);
	timing.is_synchronised = 1;
	given[UNIT].n = 0;
	vmstat.oom_kill = 0;
}

static void up(void)
{
	for (size_t g = 0; g < N_GROUPS; g++) {
		made_up[g] = *models[g].real;
		made_up[g].open = NULL;
		made_up[g].close = NULL;
		made_up[g].state_of = NULL;
		made_up[g].read = models[g].read;
		made_up[g].min_period_ms = 100;
	}
	fixture_up(&fx);
	fixture_mkdir(&fx, "run");
	fx.root.critical_units = critical;
	fx.root.n_critical_units = 1;
	still_clock_init(&now);
	make_well();
	memset(&changes, 0, sizeof(changes));
	facts = vmv_facts_new(&fx.root, &now.clock);
	health = vmv_health_new();
	ck_assert(facts && health);
}

static void down(void)
{
	vmv_health_free(health);
	vmv_facts_free(facts);
	fixture_down(&fx);
}

static void evaluate(void)
{
	vmv_facts_begin(facts, vmv_checks_groups());
	while (vmv_facts_step(facts))
		;
	vmv_health_update(health, facts, &options, on_change, &changes);
}

static void pass(uint64_t seconds)
{
	still_clock_pass(&now, seconds * 1000);
}

static const struct vmv_verdict *verdict(const char *check)
{
	for (size_t i = 0; i < vmv_n_checks; i++)
		if (strcmp(vmv_checks[i].name, check) == 0)
			return vmv_health_verdict(health, i);
	ck_abort_msg("no check %s", check);
}

static void expect(const char *check, enum vmv_health_status status, const char *message)
{
	const struct vmv_verdict *v = verdict(check);

	ck_assert_msg(v->status == status, "%s: %s: %s", check, vmv_health_word(v->status),
		      v->message);
	ck_assert_msg(strcmp(v->message, message) == 0, "%s: %s", check, v->message);
}

#define UNKNOWN VMV_HEALTH_UNKNOWN
#define PASSED	VMV_HEALTH_PASSED
#define WARNING VMV_HEALTH_WARNING
#define FAILED	VMV_HEALTH_FAILED

/* -- the table --------------------------------------------------------------------------------- */

START_TEST(checks_are_documented_and_made_of_groups_that_there_are)
{
	static const char *const documented[] = {
		"disk_space",
		"disk_inodes",
		"disk_health",
		"filesystem_stuck",
		"reboot_required",
		"memory_usage",
		"swap_usage",
		"cpu_usage",
		"cpu_steal",
		"pressure",
		"oom_kills",
		"critical_services",
		"network_connectivity",
		"security_updates",
		"clock_sync",
	};

	ck_assert_uint_eq(vmv_n_checks, VMV_COUNTOF(documented));
	for (size_t i = 0; i < VMV_COUNTOF(documented); i++)
		(void)verdict(documented[i]);
	for (size_t i = 0; i < vmv_n_checks; i++) {
		const struct vmv_check *c = &vmv_checks[i];

		ck_assert_msg(c->help[strlen(c->help) - 1] == '.', "%s", c->name);
		for (size_t k = 0; k < VMV_CHECK_GROUPS && c->groups[k]; k++)
			ck_assert_msg(vmv_collector_find(c->groups[k]) != NULL, "%s", c->groups[k]);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(vmv_checks[k].name, c->name);
	}
	ck_assert_uint_eq(vmv_checks_groups(), (UINT64_C(1) << N_GROUPS) - 1);
}
END_TEST

START_TEST(what_cannot_be_read_is_unknown_and_never_passed)
{
	for (size_t g = 0; g < N_GROUPS; g++) {
		given[g].n = 0;
		given[g].result = -ENOENT;
	}
	fixture_link(&fx, "run/reboot-required",
		     "reboot-required"); /* a loop: neither yes nor no */
	evaluate();
	for (size_t i = 0; i < vmv_n_checks; i++) {
		const struct vmv_verdict *v = vmv_health_verdict(health, i);

		ck_assert_msg(v->status == UNKNOWN, "%s: %s", vmv_checks[i].name, v->message);
		ck_assert_msg(*v->message && isnan(v->value), "%s", vmv_checks[i].name);
	}
	ck_assert_int_eq(vmv_health_status(health), UNKNOWN);
}
END_TEST

START_TEST(a_guest_in_which_all_is_well_passes)
{
	evaluate();
	for (size_t i = 0; i < vmv_n_checks; i++) {
		const struct vmv_verdict *v = vmv_health_verdict(health, i);
		bool is_later = strncmp(vmv_checks[i].name, "cpu_", 4) == 0 ||
				strcmp(vmv_checks[i].name, "disk_health") == 0 ||
				strcmp(vmv_checks[i].name, "security_updates") == 0;

		ck_assert_msg(v->status == (is_later ? UNKNOWN : PASSED), "%s: %s",
			      vmv_checks[i].name, v->message);
	}
	ck_assert_int_eq(vmv_health_status(health), PASSED);
	ck_assert_uint_eq(changes.n, 0);
}
END_TEST

/* -- lines ------------------------------------------------------------------------------------- */

START_TEST(space_is_used_as_df_shows_it_and_the_worst_counts)
{
	given[FILESYSTEM].n = 3;
	given[FILESYSTEM].ids[1] = "/srv";
	given[FILESYSTEM].ids[2] = "/var";
	filesystems[1].size = 1000; /* 100 of it are root's: 720 of 900 */
	filesystems[1].free = 280;
	filesystems[1].avail = 180;
	evaluate();
	expect("disk_space", WARNING, "/srv: 80.0 % of the space is used");
	ck_assert_str_eq(
		verdict("disk_space")->details,
		"{\"worst\":\"/srv\",\"over\":[{\"mount_point\":\"/srv\",\"percent\":80.0}]"
		",\"left_out\":0}");
	filesystems[1].free++;
	filesystems[1].avail++;
	evaluate();
	ck_assert_int_eq(verdict("disk_space")->status, PASSED);
	filesystems[2].size = 1000;
	filesystems[2].free = filesystems[2].avail = 100;
	evaluate();
	expect("disk_space", FAILED, "/var: 90.0 % of the space is used");
}
END_TEST

START_TEST(numbers_that_cannot_be_true_are_no_use)
{
	filesystems[0].free = 2000; /* more than there is */
	filesystems[0].files_free = 2000;
	evaluate();
	ck_assert_int_eq(verdict("disk_space")->status, UNKNOWN);
	filesystems[0].size = filesystems[0].free = filesystems[0].avail = 0;
	evaluate();
	ck_assert_int_eq(verdict("disk_space")->status, UNKNOWN);
}
END_TEST

START_TEST(inodes_run_out_where_there_is_a_fixed_number)
{
	filesystems[0].files_free = 20;
	evaluate();
	expect("disk_inodes", WARNING, "/: 80.0 % of the inodes is used");
	filesystems[0].files_free = 10;
	evaluate();
	ck_assert_int_eq(verdict("disk_inodes")->status, FAILED);
	filesystems[0].files = filesystems[0].files_free = VMV_UNSET;
	evaluate();
	expect("disk_inodes", PASSED, "no filesystem has a fixed number of inodes");
}
END_TEST

START_TEST(a_filesystem_that_does_not_answer_fails)
{
	given[FILESYSTEM].n = 2;
	given[FILESYSTEM].ids[1] = "/nfs";
	filesystems[1].stuck = 1;
	evaluate();
	expect("filesystem_stuck", FAILED, "/nfs does not answer");
	ck_assert_str_eq(verdict("filesystem_stuck")->details, "{\"mount_points\":[\"/nfs\"]}");
	ck_assert_int_eq(verdict("disk_space")->status, PASSED); /* of those that answer */
	filesystems[1].stuck = VMV_UNSET;
	evaluate();
	expect("filesystem_stuck", PASSED, "every filesystem answers");
	filesystems[0].stuck = VMV_UNSET;
	evaluate();
	ck_assert_int_eq(verdict("filesystem_stuck")->status, UNKNOWN);
}
END_TEST

START_TEST(names_of_any_bytes_and_length_do_no_harm)
{
	static char name[512];
	struct vmv_jw w;

	memset(name, '\n', sizeof(name) - 1);
	memset(name + 50, '\xff', sizeof(name) - 51);
	given[FILESYSTEM].n = given[UNIT].n = ROWS;
	for (size_t i = 0; i < ROWS; i++) {
		static char names[ROWS][512];

		memcpy(names[i], name, sizeof(name));
		names[i][0] = (char)('a' + (int)i);
		given[FILESYSTEM].ids[i] = given[UNIT].ids[i] = names[i];
		filesystems[i] = filesystems[0];
		filesystems[i].free = filesystems[i].avail = 1;
		filesystems[i].stuck = 1;
		units[i].is_failed = 1;
	}
	evaluate();
	ck_assert_ptr_null(strchr(verdict("disk_space")->message, '\n'));
	vmv_jw_init(&w, VMV_MIB);
	vmv_health_write(&w, health);
	json_object_put(guest_json(&w));
	vmv_jw_free(&w);
}
END_TEST

START_TEST(little_memory_is_below_the_line_and_not_at_it)
{
	memory.available = 150;
	evaluate();
	expect("memory_usage", PASSED, "15.0 % of the memory is available");
	memory.available = 149;
	evaluate();
	ck_assert_int_eq(verdict("memory_usage")->status, WARNING);
	memory.available = 50;
	evaluate();
	ck_assert_int_eq(verdict("memory_usage")->status, WARNING);
	memory.available = 49;
	evaluate();
	expect("memory_usage", FAILED, "4.9 % of the memory is available");
	memory.available = VMV_UNSET;
	evaluate();
	ck_assert_int_eq(verdict("memory_usage")->status, UNKNOWN);
}
END_TEST

START_TEST(swap_is_in_use_at_the_line_and_none_is_fine)
{
	evaluate();
	expect("swap_usage", PASSED, "there is no swap");
	memory.swap_total = 100;
	memory.swap_free = 50;
	evaluate();
	expect("swap_usage", WARNING, "50.0 % of the swap is used");
	memory.swap_free = 10;
	evaluate();
	ck_assert_int_eq(verdict("swap_usage")->status, FAILED);
	memory.swap_free = 200; /* read while it was switched off */
	evaluate();
	expect("swap_usage", PASSED, "0.0 % of the swap is used");
}
END_TEST

START_TEST(pressure_is_that_of_the_resource_in_the_worst_state)
{
	pressure.io.some.avg60 = 4500; /* a warning, far beyond its line */
	pressure.cpu.some.avg60 = 7100;
	evaluate();
	expect("pressure", FAILED, "cpu: for 71.0 % of the last minute something waited for it");
	ck_assert_double_eq(verdict("pressure")->warning, 40);
	ck_assert_double_eq(verdict("pressure")->failed, 70);
	pressure.cpu.some.avg60 = 100;
	evaluate();
	expect("pressure", WARNING, "io: for 45.0 % of the last minute something waited for it");
	pressure.io.some.avg60 = pressure.cpu.some.avg60 = VMV_UNSET;
	pressure.memory.some.avg60 = 1000;
	evaluate();
	ck_assert_int_eq(verdict("pressure")->status, WARNING);
	ck_assert_str_eq(verdict("pressure")->details,
			 "{\"cpu\":null,\"io\":null,\"memory\":10.0}");
}
END_TEST

START_TEST(failed_units_warn_and_critical_ones_that_do_not_run_fail)
{
	given[UNIT].n = 2;
	given[UNIT].ids[0] = "a.service";
	given[UNIT].ids[1] = "db.service";
	strcpy(units[1].active, "active");
	evaluate();
	expect("critical_services", PASSED, "no unit failed");
	units[0].is_failed = 1;
	strcpy(units[0].active, "failed");
	evaluate();
	expect("critical_services", WARNING, "a.service failed");
	strcpy(units[1].active, "inactive");
	evaluate();
	expect("critical_services", FAILED, "db.service does not run and is critical");
	ck_assert_str_eq(verdict("critical_services")->details,
			 "{\"units\":[\"a.service\",\"db.service\"]}");
	ck_assert_double_eq(verdict("critical_services")->value, 2);
	strcpy(units[1].active, "activating");
	evaluate();
	ck_assert_int_eq(verdict("critical_services")->status, WARNING);
	given[UNIT].result = -EIO;
	evaluate();
	ck_assert_int_eq(verdict("critical_services")->status, UNKNOWN);
}
END_TEST

static const struct {
	uint64_t is_up, n_ipv4, n_ipv6, known;
	const char *name;
	bool has_route;
	enum vmv_health_status status;
	const char *message;
} links[] = {
	{ 1, 1, 0, 1, "eth0", true, PASSED, "there is a default route, and an address" },
	{ 1, 0, 1, 1, "eth0", true, PASSED, "there is a default route, and an address" },
	{ 1, 1, 0, 1, "eth0", false, WARNING, "there is no default route" },
	{ 1, 0, 0, 1, "eth0", true, WARNING, "no interface that is up has an address" },
	{ 0, 1, 0, 1, "eth0", true, WARNING, "no interface is up" },
	{ 1, 1, 0, 1, "docker0", true, WARNING, "no interface is up" },
	{ 1, 1, 0, 1, "lo", true, WARNING, "no interface is up" },
	{ 1, 0, 0, 0, "eth0", true, UNKNOWN, "addresses or routes cannot be read" },
	{ 1, 0, 0, 0, "eth0", false, WARNING, "there is no default route" },
};

START_TEST(the_network_takes_a_route_and_an_address)
{
	networks[0].is_up = links[_i].is_up;
	networks[0].n_ipv4 = links[_i].n_ipv4;
	networks[0].n_ipv6 = links[_i].n_ipv6;
	networks[0].addresses_known = links[_i].known;
	strcpy(networks[0].name, links[_i].name);
	given[ROUTE].n = links[_i].has_route;
	evaluate();
	expect("network_connectivity", links[_i].status, links[_i].message);
}
END_TEST

START_TEST(an_ipv6_default_route_is_one_too)
{
	given[ROUTE].ids[0] = "::/0 via fe80::1 dev eth0 metric 1024";
	evaluate();
	ck_assert_int_eq(verdict("network_connectivity")->status, PASSED);
	routes[0].is_default = 0;
	evaluate();
	ck_assert_int_eq(verdict("network_connectivity")->status, WARNING);
}
END_TEST

START_TEST(a_reboot_that_packages_ask_for_is_told)
{
	evaluate();
	expect("reboot_required", PASSED, "nothing asks for a reboot");
	fixture_put(&fx, "run/reboot-required", "*** System restart required ***\n");
	evaluate();
	expect("reboot_required", WARNING, "installed updates take a reboot");
	ck_assert_str_eq(verdict("reboot_required")->details, "{\"packages\":[]}");
	fixture_put(&fx, "run/reboot-required.pkgs", "linux-image-6.1\nlibc6");
	evaluate();
	ck_assert_str_eq(verdict("reboot_required")->details,
			 "{\"packages\":[\"linux-image-6.1\",\"libc6\"]}");
}
END_TEST

/* -- over time --------------------------------------------------------------------------------- */

START_TEST(cpu_use_is_unknown_before_a_minute_of_data)
{
	evaluate();
	expect("cpu_usage", UNKNOWN, "less than 60 s of data");
	pass(59);
	set_cpu(101000, 11000, 0);
	evaluate();
	expect("cpu_usage", UNKNOWN, "less than 60 s of data");
	pass(11);
	set_cpu(102000, 11800, 100);
	evaluate(); /* 1800 of 2000, 100 of them stolen */
	expect("cpu_usage", WARNING, "90.0 % of CPU time was used, over 70 s");
	expect("cpu_steal", WARNING, "5.0 % of CPU time went to other guests, over 70 s");
}
END_TEST

START_TEST(cpu_use_is_that_of_five_minutes)
{
	/* ten minutes of full use, then five of none */
	for (uint64_t minute = 0; minute <= 15; minute++) {
		uint64_t used = minute < 10 ? minute : 10;

		set_cpu(100000 + minute * 6000, 10000 + used * 6000, 0);
		evaluate();
		if (minute == 10)
			expect("cpu_usage", FAILED, "100.0 % of CPU time was used, over 300 s");
		if (minute == 12)
			expect("cpu_usage", PASSED, "60.0 % of CPU time was used, over 300 s");
		pass(60);
	}
	expect("cpu_usage", PASSED, "0.0 % of CPU time was used, over 300 s");
}
END_TEST

START_TEST(evaluations_in_quick_succession_do_not_use_up_the_past)
{
	for (unsigned i = 0; i < 1000; i++) {
		set_cpu(100000 + i * 100, 10000 + i * 50, 0);
		evaluate();
		pass(1);
	}
	ck_assert_int_eq(verdict("cpu_usage")->status, PASSED);
	ck_assert(verdict("cpu_usage")->value > 49.9 && verdict("cpu_usage")->value < 50.1);
	ck_assert_ptr_nonnull(strstr(verdict("cpu_usage")->message, "over 299 s"));
}
END_TEST

START_TEST(counters_that_run_backwards_are_no_use_and_never_negative)
{
	evaluate();
	pass(70);
	set_cpu(1000, 500, 0);
	evaluate();
	expect("cpu_usage", UNKNOWN, "less than 60 s of data");
	pass(70);
	set_cpu(8000, 400, 0); /* less was used than before */
	evaluate();
	ck_assert_int_eq(verdict("cpu_usage")->status, UNKNOWN);
	ck_assert(isnan(verdict("cpu_usage")->value));
	pass(70);
	set_cpu(16000, 2000, VMV_UNSET);
	evaluate();
	expect("cpu_steal", UNKNOWN, "less than 60 s of data");
}
END_TEST

START_TEST(kills_count_for_an_hour)
{
	vmstat.oom_kill = 7; /* before anybody looked */
	evaluate();
	expect("oom_kills", PASSED, "no process was killed for want of memory");
	pass(60);
	vmstat.oom_kill = 8;
	evaluate();
	expect("oom_kills", WARNING, "kills for want of memory within the hour: 1");
	for (unsigned i = 0; i < 30; i++) {
		pass(60);
		evaluate();
	}
	vmstat.oom_kill = 10;
	pass(60);
	evaluate();
	expect("oom_kills", FAILED, "kills for want of memory within the hour: 3");
	for (unsigned i = 0; i < 30; i++) {
		pass(60);
		evaluate();
	}
	expect("oom_kills", WARNING, "kills for want of memory within the hour: 2");
	pass(1900);
	evaluate();
	expect("oom_kills", PASSED, "no process was killed for want of memory");
	vmstat.oom_kill = 2; /* another count altogether */
	evaluate();
	expect("oom_kills", PASSED, "no process was killed for want of memory");
}
END_TEST

START_TEST(kills_while_nobody_looked_for_long_cannot_be_dated)
{
	evaluate();
	pass(8 * 3600);
	vmstat.oom_kill = 1;
	evaluate();
	expect("oom_kills", UNKNOWN, "processes were killed for want of memory, nobody knows when");
	pass(60);
	evaluate();
	expect("oom_kills", PASSED, "no process was killed for want of memory");
}
END_TEST

START_TEST(a_clock_may_be_wrong_for_ten_minutes)
{
	timing.is_synchronised = 0;
	evaluate();
	expect("clock_sync", PASSED, "the clock has not been synchronised for 0 s");
	pass(599);
	evaluate();
	ck_assert_int_eq(verdict("clock_sync")->status, PASSED);
	pass(1);
	evaluate();
	expect("clock_sync", WARNING, "the clock has not been synchronised for 600 s");
	timing.is_synchronised = 1;
	evaluate();
	expect("clock_sync", PASSED, "the clock is synchronised");
	timing.is_synchronised = 0;
	evaluate();
	expect("clock_sync", PASSED, "the clock has not been synchronised for 0 s");
}
END_TEST

/* -- since, and changes ------------------------------------------------------------------------ */

static const char *since(const char *check)
{
	static char text[32];
	struct json_object *obj, *list;
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_MIB);
	vmv_health_write(&w, health);
	obj = guest_json(&w);
	list = guest_at(obj, ".checks");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *c = json_object_array_get_idx(list, i);

		if (strcmp(json_object_get_string(guest_at(c, ".name")), check) == 0)
			(void)snprintf(text, sizeof(text), "%s",
				       json_object_get_string(guest_at(c, ".since")) + 11);
	}
	json_object_put(obj);
	vmv_jw_free(&w);
	return text;
}

START_TEST(a_change_takes_two_equal_evaluations)
{
	evaluate();
	ck_assert_str_eq(since("memory_usage"), "12:00:00.000Z");
	pass(60);
	memory.available = 100;
	evaluate();
	ck_assert_int_eq(verdict("memory_usage")->status, WARNING);
	ck_assert_str_eq(since("memory_usage"), "12:01:00.000Z");
	ck_assert_uint_eq(changes.n, 0);
	pass(60);
	evaluate();
	ck_assert_str_eq(changes.text, "memory_usage: passed to warning\n");
	ck_assert_str_eq(since("memory_usage"), "12:01:00.000Z");
	pass(60);
	memory.available = 10; /* once only */
	evaluate();
	pass(60);
	memory.available = 100;
	evaluate();
	ck_assert_uint_eq(changes.n, 1);
	ck_assert_str_eq(since("memory_usage"), "12:01:00.000Z");
}
END_TEST

START_TEST(what_flaps_between_two_other_states_is_not_confirmed)
{
	evaluate();
	for (unsigned i = 0; i < 6; i++) {
		pass(60);
		memory.available = i % 2 ? 100 : 10;
		evaluate();
	}
	ck_assert_uint_eq(changes.n, 0);
}
END_TEST

START_TEST(asking_twice_at_once_confirms_nothing)
{
	evaluate();
	memory.available = 100;
	pass(60);
	for (unsigned i = 0; i < 9; i++) {
		evaluate();
		still_clock_pass(&now, 100);
	}
	ck_assert_uint_eq(changes.n, 0);
	still_clock_pass(&now, 200);
	evaluate();
	ck_assert_uint_eq(changes.n, 1);
}
END_TEST

START_TEST(steps_of_the_wall_clock_change_no_judgement)
{
	evaluate();
	now.real_ms -= INT64_C(86400000) * 365;
	pass(70);
	set_cpu(107000, 10700, 0);
	timing.is_synchronised = 0;
	evaluate();
	ck_assert_double_eq(verdict("cpu_usage")->value, 10);
	ck_assert_double_eq(verdict("clock_sync")->value, 0);
	now.real_ms += INT64_C(86400000) * 3650;
	pass(70);
	evaluate();
	ck_assert_double_eq(verdict("clock_sync")->value, 70);
	ck_assert_uint_eq(changes.n, 2); /* cpu_usage, cpu_steal: unknown to passed */
}
END_TEST

/* -- the answer -------------------------------------------------------------------------------- */

START_TEST(the_answer_has_the_shape_of_the_protocol)
{
	struct json_object *obj;
	struct vmv_jw w;

	filesystems[0].free = filesystems[0].avail = 50;
	evaluate();
	vmv_jw_init(&w, VMV_MIB);
	vmv_health_write(&w, health);
	obj = guest_json(&w);
	ck_assert(guest_says(&w,
			     "{\"status\":\"failed\",\"since\":\"2026-07-14T12:00:00.000Z\","
			     "\"checks\":[{\"name\":\"disk_space\",\"status\":\"failed\","
			     "\"message\":\"/: 95.0 % of the space is used\",\"value\":95.0,"
			     "\"unit\":\"percent\",\"warning\":80.0,\"critical\":90.0,\"since\":"
			     "\"2026-07-14T12:00:00.000Z\",\"details\":{\"worst\":\"/\",\"over\":"
			     "[{\"mount_point\":\"/\",\"percent\":95.0}],\"left_out\":0}},"));
	ck_assert(guest_says(&w,
			     "{\"name\":\"network_connectivity\",\"status\":\"passed\","
			     "\"message\":\"there is a default route, and an address\",\"value\":"
			     "null,\"unit\":null,\"warning\":null,\"critical\":null,"));
	ck_assert_uint_eq(json_object_array_length(guest_at(obj, ".checks")), vmv_n_checks);
	json_object_put(obj);
	vmv_jw_free(&w);
}
END_TEST

START_TEST(before_any_evaluation_nothing_is_claimed)
{
	struct vmv_jw w;

	vmv_jw_init(&w, VMV_MIB);
	vmv_health_write(&w, health);
	ck_assert(guest_says(&w, "{\"status\":\"unknown\",\"since\":null,"));
	vmv_jw_free(&w);
}
END_TEST

/* -- updates ----------------------------------------------------------------------------------- */

START_TEST(security_updates_are_those_of_the_latest_list)
{
	const int64_t later_ms = INT64_C(4102444800000); /* than any file of the test */

	evaluate();
	expect("security_updates", UNKNOWN, "no list of updates has been made yet");
	vmv_health_note_updates(health, 0, later_ms);
	evaluate();
	expect("security_updates", PASSED, "0 security updates are not installed");
	ck_assert_double_eq(verdict("security_updates")->value, 0);
	vmv_health_note_updates(health, 1, later_ms);
	evaluate();
	expect("security_updates", WARNING, "1 security update is not installed");
	vmv_health_note_updates(health, 250, later_ms);
	evaluate();
	expect("security_updates", WARNING, "250 security updates are not installed");
	vmv_health_note_updates(health, VMV_UNSET, later_ms);
	evaluate();
	expect("security_updates", UNKNOWN,
	       "the package manager does not tell which updates are for security");
	ck_assert(isnan(verdict("security_updates")->value));
}
END_TEST

static const char *const databases[] = { "var/lib/dpkg/status", "var/lib/rpm/rpmdb.sqlite",
					 "usr/lib/sysimage/rpm/rpmdb.sqlite",
					 "lib/apk/db/installed", "var/lib/pacman/local/x" };

START_TEST(a_list_from_before_packages_changed_says_nothing)
{
	fixture_put(&fx, databases[_i], "");
	vmv_health_note_updates(health, 3, INT64_C(4102444800000));
	evaluate();
	ck_assert_int_eq(verdict("security_updates")->status, WARNING);
	vmv_health_note_updates(health, 3, 1000);
	evaluate();
	expect("security_updates", UNKNOWN,
	       "packages have changed since the list of updates was made");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("health");
	TCase *tc = tcase_create("health");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, checks_are_documented_and_made_of_groups_that_there_are);
	tcase_add_test(tc, what_cannot_be_read_is_unknown_and_never_passed);
	tcase_add_test(tc, a_guest_in_which_all_is_well_passes);
	tcase_add_test(tc, space_is_used_as_df_shows_it_and_the_worst_counts);
	tcase_add_test(tc, numbers_that_cannot_be_true_are_no_use);
	tcase_add_test(tc, inodes_run_out_where_there_is_a_fixed_number);
	tcase_add_test(tc, a_filesystem_that_does_not_answer_fails);
	tcase_add_test(tc, names_of_any_bytes_and_length_do_no_harm);
	tcase_add_test(tc, little_memory_is_below_the_line_and_not_at_it);
	tcase_add_test(tc, swap_is_in_use_at_the_line_and_none_is_fine);
	tcase_add_test(tc, pressure_is_that_of_the_resource_in_the_worst_state);
	tcase_add_test(tc, failed_units_warn_and_critical_ones_that_do_not_run_fail);
	tcase_add_loop_test(tc, the_network_takes_a_route_and_an_address, 0,
			    (int)VMV_COUNTOF(links));
	tcase_add_test(tc, an_ipv6_default_route_is_one_too);
	tcase_add_test(tc, a_reboot_that_packages_ask_for_is_told);
	tcase_add_test(tc, cpu_use_is_unknown_before_a_minute_of_data);
	tcase_add_test(tc, cpu_use_is_that_of_five_minutes);
	tcase_add_test(tc, evaluations_in_quick_succession_do_not_use_up_the_past);
	tcase_add_test(tc, counters_that_run_backwards_are_no_use_and_never_negative);
	tcase_add_test(tc, kills_count_for_an_hour);
	tcase_add_test(tc, kills_while_nobody_looked_for_long_cannot_be_dated);
	tcase_add_test(tc, a_clock_may_be_wrong_for_ten_minutes);
	tcase_add_test(tc, a_change_takes_two_equal_evaluations);
	tcase_add_test(tc, what_flaps_between_two_other_states_is_not_confirmed);
	tcase_add_test(tc, asking_twice_at_once_confirms_nothing);
	tcase_add_test(tc, steps_of_the_wall_clock_change_no_judgement);
	tcase_add_test(tc, the_answer_has_the_shape_of_the_protocol);
	tcase_add_test(tc, before_any_evaluation_nothing_is_claimed);
	tcase_add_test(tc, security_updates_are_those_of_the_latest_list);
	tcase_add_loop_test(tc, a_list_from_before_packages_changed_says_nothing, 0,
			    VMV_COUNTOF(databases));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
