#include "commands/qga.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "commands/handlers.h"
#include "commands/request.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/health.h"
#include "reports/metrics.h"
#include "tests/lib/devices.h"
#include "tests/lib/fake_asker.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

#define CPU    "sys/devices/system/cpu/"
#define MEMORY "sys/devices/system/memory/"

static struct fixture fx;
static struct still_clock clk;
static struct vmv_facts *facts;
static struct vmv_health *health;
static struct vmv_request req;
static const struct vmv_metrics_options options;

static struct fake_asker asker;

/* What was asked of the keeper of readings, and how it is to behave. */
static struct {
	struct vmv_ask ask; /* the last one */
	unsigned n;
	unsigned n_later; /* with an age of 0 */
	int refusal;
	bool is_stopping;
	vmv_view_cb *cb; /* waits for its turn; NULL: nobody does */
} keeper;

static struct {
	unsigned n;
	bool is_failure;
	struct vmv_err err;
	char *data;		  /* owned */
	struct json_object *json; /* owned */
} answered;

static void call_back(vmv_view_cb *cb)
{
	const struct vmv_view view = { .facts = facts, .options = &options };

	cb(&req, keeper.is_stopping ? NULL : &view);
}

static int fetch(void *agent, const struct vmv_ask *ask, vmv_view_cb *cb, void *arg)
{
	ck_assert_ptr_eq(agent, &keeper);
	ck_assert_ptr_eq(arg, &req);
	ck_assert(!keeper.cb);
	keeper.ask = *ask;
	keeper.n++;
	if (keeper.refusal)
		return keeper.refusal;
	vmv_facts_begin(facts, ask->groups);
	while (vmv_facts_step(facts))
		;
	keeper.n_later += ask->max_age_ms == 0;
	if (ask->max_age_ms == 0)
		keeper.cb = cb;
	else
		call_back(cb);
	return 0;
}

static void changed(void *arg, const struct vmv_check *check, enum vmv_health_status from,
		    const struct vmv_verdict *to)
{
	(void)arg;
	(void)check;
	(void)from;
	(void)to;
}

static const struct vmv_health *evaluate(void *agent, const struct vmv_view *view)
{
	ck_assert_ptr_eq(agent, &keeper);
	vmv_health_update(health, view->facts, &options, changed, NULL);
	return health;
}

/* Asks past the keeper. */
static int inquire(void *agent, const struct vmv_wish *wish, vmv_answer_cb *cb, void *arg)
{
	ck_assert_ptr_eq(agent, &keeper);
	ck_assert_ptr_eq(arg, &req);
	return asker.asker.fetch(&asker.asker, wish, cb, arg);
}

static const struct vmv_services services = { .fetch = fetch,
					      .health = evaluate,
					      .inquire = inquire };

static void answer(struct vmv_request *r, const struct vmv_err *err, const char *text,
		   const struct vmv_jw *data)
{
	ck_assert_ptr_eq(r, &req);
	ck_assert_ptr_null(text);
	answered.n++;
	answered.is_failure = err != NULL;
	if (err)
		answered.err = *err;
	if (data) {
		answered.data = strndup(data->buf.data, data->buf.len);
		ck_assert_ptr_nonnull(answered.data);
		if (strchr("[{", answered.data[0]))
			answered.json = guest_json(data);
	}
	free(r->scratch);
	r->scratch = NULL;
}

static void forget(void)
{
	free(answered.data);
	json_object_put(answered.json);
	memset(&answered, 0, sizeof(answered));
}

static void up(void)
{
	fixture_up(&fx);
	still_clock_init(&clk);
	guest_put(&fx);
	facts = vmv_facts_new(&fx.root, &clk.clock);
	health = vmv_health_new();
	ck_assert(facts && health);
}

static void down(void)
{
	forget();
	free(req.scratch);
	vmv_health_free(health);
	vmv_facts_free(facts);
	fixture_down(&fx);
}

static void begin(const char *name)
{
	const struct vmv_handler *h = vmv_qga_handler(name);

	forget();
	ck_assert_ptr_nonnull(h);
	req = (struct vmv_request){
		.services = &services,
		.agent = &keeper,
		.command = vmv_qga_find(name),
		.began_ms = vmv_mono_ms(&vmv_clock_system),
		.answer = answer,
	};
	h->run(&req);
}

/* The turns that the loop would give it. */
static void finish(void)
{
	while (keeper.cb)
		call_back(VMV_TAKE(keeper.cb, NULL));
	ck_assert_uint_eq(answered.n, 1);
}

static void run(const char *name)
{
	begin(name);
	finish();
}

/* What it answers, word for word. */
static void expect(const char *name, const char *data)
{
	run(name);
	ck_assert_msg(!answered.is_failure, "%s", answered.err.msg);
	ck_assert_str_eq(answered.data, data);
}

static void expect_failure(const char *name, const char *message)
{
	run(name);
	ck_assert(answered.is_failure);
	ck_assert_ptr_null(answered.data);
	ck_assert_msg(strstr(answered.err.msg, message), "%s", answered.err.msg);
	ck_assert_str_eq(vmv_qga_class(&answered.err), "GenericError");
}

/* -- all --------------------------------------------------------------------------------------- */

static const char *const readers[] = {
	"guest-get-osinfo",    "guest-get-host-name",	  "guest-get-timezone",
	"guest-get-users",     "guest-get-load",	  "guest-get-cpustats",
	"guest-get-vcpus",     "guest-get-memory-blocks", "guest-get-memory-block-info",
	"vmvitals-get-memory", "vmvitals-get-pressure",	  "vmvitals-get-health",
};

START_TEST(without_a_reading_it_is_an_error)
{
	keeper.is_stopping = true;
	expect_failure(readers[_i], "abandoned");
	keeper.is_stopping = false;
	keeper.refusal = -ENOMEM;
	expect_failure(readers[_i], "out of memory");
	keeper.refusal = -ECANCELED;
	expect_failure(readers[_i], "abandoned");
}
END_TEST

/* -- the system -------------------------------------------------------------------------------- */

START_TEST(the_time_is_in_nanoseconds)
{
	struct timespec before, after;
	int64_t ns;

	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &before), 0);
	run("guest-get-time");
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &after), 0);
	ck_assert_int_eq(vmv_parse_i64(answered.data, &ns, NULL), 0);
	ck_assert_int_ge(ns, before.tv_sec * INT64_C(1000000000) + before.tv_nsec);
	ck_assert_int_le(ns, after.tv_sec * INT64_C(1000000000) + after.tv_nsec);
	ck_assert_uint_eq(keeper.n, 0);
}
END_TEST

/* The machine is of this kernel, and no file tells it. */
static void expect_osinfo(const char *release)
{
	char want[512];

	run("guest-get-osinfo");
	(void)snprintf(want, sizeof(want),
		       "{\"kernel-release\":\"6.1.0-28-cloud-amd64\",\"machine\":\"%s\"%s}",
		       json_object_get_string(guest_at(answered.json, ".machine")), release);
	ck_assert_str_eq(answered.data, want);
}

START_TEST(osinfo_says_what_os_release_says)
{
	fixture_put(&fx, "proc/sys/kernel/version", "#1 SMP Debian 6.1.119-1\n");
	run("guest-get-osinfo");
	ck_assert_str_eq(json_object_get_string(guest_at(answered.json, ".kernel-version")),
			 "#1 SMP Debian 6.1.119-1");
	ck_assert_int_eq(unlinkat(fx.root.proc, "sys/kernel/version", 0), 0);
	expect_osinfo(",\"id\":\"debian\",\"name\":\"Debian GNU/Linux\","
		      "\"pretty-name\":\"Debian GNU/Linux 12 (bookworm)\",\"version-id\":\"12\"");
	fixture_put(&fx, "etc/os-release",
		    "VERSION='39 (Server Edition)'\nVARIANT=\"Server Edition\"\n"
		    "VARIANT_ID=server\n");
	expect_osinfo(",\"version\":\"39 (Server Edition)\",\"variant\":\"Server Edition\","
		      "\"variant-id\":\"server\"");
}
END_TEST

START_TEST(osinfo_has_no_defaults_and_knows_empty_from_absent)
{
	fixture_put(&fx, "etc/os-release", "VERSION_ID=\n");
	expect_osinfo(",\"version-id\":\"\"");
	ck_assert_int_eq(unlinkat(fx.root.etc, "os-release", 0), 0);
	expect_osinfo("");
}
END_TEST

START_TEST(a_new_host_name_shows_at_once)
{
	expect("guest-get-host-name", "{\"host-name\":\"web-1\"}");
	fixture_put(&fx, "proc/sys/kernel/hostname", "db-2\n");
	expect("guest-get-host-name", "{\"host-name\":\"db-2\"}");
}
END_TEST

START_TEST(an_unknown_host_name_is_an_error)
{
	fixture_put(&fx, "proc/sys/kernel/hostname", "\n");
	expect_failure("guest-get-host-name", "host name is unknown");
	ck_assert_int_eq(unlinkat(fx.root.proc, "sys/kernel/hostname", 0), 0);
	expect_failure("guest-get-host-name", "host name is unknown");
}
END_TEST

START_TEST(the_time_zone_is_the_guests)
{
	char file[128] = "";

	expect("guest-get-timezone", "{\"zone\":\"UTC\",\"offset\":0}");
	/* two blocks with nothing in them, and a rule */
	memcpy(file, "TZif2", 5);
	memcpy(file + 44, "TZif2", 5);
	memcpy(file + 88, "\n<+0330>-3:30\n", 15);
	fixture_put_bytes(&fx, "etc/localtime", file, 88 + 14);
	expect("guest-get-timezone", "{\"zone\":\"+0330\",\"offset\":12600}");
	fixture_put(&fx, "etc/localtime", "nonsense");
	expect_failure("guest-get-timezone", "/etc/localtime: malformed");
}
END_TEST

START_TEST(load_is_three_numbers)
{
	expect("guest-get-load", "{\"load1m\":0.12,\"load5m\":0.08,\"load15m\":0.05}");
	ck_assert_uint_eq(keeper.ask.max_age_ms, 1000);
	ck_assert(!keeper.ask.has_rates);
}
END_TEST

START_TEST(what_cannot_be_read_is_an_error)
{
	fixture_put(&fx, "proc/loadavg", "nonsense\n");
	expect_failure("guest-get-load", "/proc/loadavg");
	fixture_put(&fx, "proc/meminfo", "nonsense\n");
	expect_failure("vmvitals-get-memory", "/proc/meminfo");
	fixture_put(&fx, "proc/stat", "nonsense\n");
	expect_failure("guest-get-cpustats", "/proc/stat");
	expect_failure("vmvitals-get-pressure", "");
	expect_failure("guest-get-memory-block-info", "block_size_bytes");
	expect_failure("guest-get-vcpus", "/sys/devices/system/cpu");
}
END_TEST

/* -- users ------------------------------------------------------------------------------------- */

static struct utmpx login(const char *user, const char *line, uint32_t s, unsigned us)
{
	struct utmpx u;

	memset(&u, 0, sizeof(u));
	u.ut_type = USER_PROCESS;
	u.ut_pid = 1;
	memcpy(u.ut_user, user, strnlen(user, sizeof(u.ut_user)));
	memcpy(u.ut_line, line, strlen(line));
	u.ut_tv.tv_sec = (__typeof__(u.ut_tv.tv_sec))s;
	u.ut_tv.tv_usec = (__typeof__(u.ut_tv.tv_usec))us;
	return u;
}

START_TEST(each_user_is_told_once_with_the_first_login)
{
	/* a name of 32 characters has no end in there */
	const struct utmpx u[] = {
		login("ana", "pts/0", 1700000300, 0),
		login("ben", "tty1", 1700000200, 123456),
		login("ana", "pts/1", 1700000100, 250000),
		login("ana", "pts/2", 1700000400, 0),
		login("ben", "tty2", 1700000200, 123456),
		login("abcdefghijklmnopqrstuvwxyzabcdef", "tty3", 1700000500, 0),
		login("never", "tty4", 0, 0),
	};

	fixture_put_bytes(&fx, "run/utmp", u, sizeof(u));
	expect("guest-get-users",
	       "[{\"user\":\"ben\",\"login-time\":1700000200.123456},"
	       "{\"user\":\"ana\",\"login-time\":1700000100.25},"
	       "{\"user\":\"abcdefghijklmnopqrstuvwxyzabcdef\",\"login-time\":1700000500.0}]");
}
END_TEST

START_TEST(where_nobody_counts_logins_there_are_none)
{
	expect("guest-get-users", "[]");
}
END_TEST

START_TEST(logins_that_cannot_be_read_are_no_empty_list)
{
	fixture_mkdir(&fx, "run/utmp");
	expect_failure("guest-get-users", "/run/utmp");
}
END_TEST

/* A login manager that says nothing before the reading goes on without it. */
static void put_slow_manager(void)
{
	asker.asker = (struct vmv_asker){ .ask = fake_ask, .fetch = fake_fetch };
	asker.asked_ms = 1000;
	fx.root.asker = &asker.asker;
	fx.root.is_live = true;
}

START_TEST(a_login_manager_that_is_slow_is_waited_for_once)
{
	put_slow_manager();
	begin("guest-get-users");
	ck_assert_uint_eq(answered.n, 0);
	ck_assert_uint_eq(asker.n_fetched, 1);
	ck_assert_uint_le(asker.waiting[0].deadline_ms + VMV_ASK_WAIT_MS, 900);
	ck_assert_uint_eq(fake_give(&asker, "users", 0,
				    "session 3\nuser ana\nstart 1700000100250000\n"
				    "session 4\nuser ana\nstart 1700000000000000\n",
				    0),
			  1);
	ck_assert_uint_eq(answered.n, 1);
	ck_assert_str_eq(answered.data, "[{\"user\":\"ana\",\"login-time\":1700000000.0}]");
	still_clock_pass(&clk, 5000);
	expect_failure("guest-get-users", "no answer from the login manager yet");
	ck_assert_uint_eq(asker.n_fetched, 1);
}
END_TEST

START_TEST(a_login_manager_that_stays_silent_is_an_error)
{
	put_slow_manager();
	begin("guest-get-users");
	ck_assert_uint_eq(fake_give(&asker, "users", -ETIMEDOUT, NULL, 0), 1);
	ck_assert_uint_eq(answered.n, 1);
	ck_assert_ptr_nonnull(strstr(answered.err.msg, "does not answer"));
	begin("guest-get-users");
	ck_assert_uint_eq(fake_give(&asker, "users", 0, "nonsense\n", 0), 1);
	ck_assert_uint_eq(answered.n, 1);
	ck_assert_ptr_nonnull(strstr(answered.err.msg, "malformed"));
	asker.fetch_result = -EBUSY;
	expect_failure("guest-get-users", "no answer from the login manager yet");
}
END_TEST

/* One that had to be started, and could not. */
START_TEST(where_there_is_no_login_manager_after_all_it_is_utmp)
{
	const struct utmpx u = login("ana", "pts/0", 1700000300, 0);

	fixture_mkdir(&fx, "proc/1");
	fixture_put_bytes(&fx, "run/utmp", &u, sizeof(u));
	put_slow_manager();
	begin("guest-get-users");
	ck_assert_uint_eq(answered.n, 0);
	asker.result = -ENOENT;
	ck_assert_uint_eq(fake_give(&asker, "users", -ENOENT, NULL, 0), 1);
	finish();
	ck_assert_msg(!answered.is_failure, "%s", answered.err.msg);
	ck_assert_str_eq(answered.data, "[{\"user\":\"ana\",\"login-time\":1700000300.0}]");
	ck_assert_uint_eq(asker.n_fetched, 1);
}
END_TEST

/* -- CPUs -------------------------------------------------------------------------------------- */

START_TEST(ticks_are_told_in_milliseconds)
{
	fixture_put(&fx, "proc/stat",
		    "cpu  22 44 66 88 0 0 0 0 0 0\n"
		    "cpu0 11 22 33 44 55 66 77 88 5 2\n"
		    "cpu7 1 2 3 4 5 6 7\n"
		    "ctxt 1\n");
	expect("guest-get-cpustats",
	       "[{\"type\":\"linux\",\"cpu\":0,\"user\":110,\"nice\":220,\"system\":330,"
	       "\"idle\":440,\"iowait\":550,\"irq\":660,\"softirq\":770,\"steal\":880,"
	       "\"guest\":50,\"guestnice\":20},"
	       "{\"type\":\"linux\",\"cpu\":7,\"user\":10,\"nice\":20,\"system\":30,"
	       "\"idle\":40,\"iowait\":50,\"irq\":60,\"softirq\":70}]");
}
END_TEST

/* Below zero: the kernel has lost count. */
START_TEST(a_cpu_whose_times_are_unknown_is_left_out)
{
	fixture_put(&fx, "proc/stat",
		    "cpu  1 1 1 1 0 0 0 0 0 0\n"
		    "cpu0 1 1 1 18446744073709551615 0 0 0 0 0 0\n"
		    "cpu1 1 1 1 1 18446744073709551615 0 0 0 0 0\n");
	expect("guest-get-cpustats",
	       "[{\"type\":\"linux\",\"cpu\":1,\"user\":10,\"nice\":10,\"system\":10,"
	       "\"idle\":10,\"irq\":0,\"softirq\":0,\"steal\":0,\"guest\":0,\"guestnice\":0}]");
}
END_TEST

START_TEST(vcpus_always_tell_whether_they_can_be_offline)
{
	fixture_mkdir(&fx, CPU "cpu0");
	fixture_put(&fx, CPU "cpu10/online", "1\n");
	fixture_put(&fx, CPU "cpu2/online", "0\n");
	fixture_put(&fx, CPU "online", "0,10\n");
	expect("guest-get-vcpus", "[{\"logical-id\":0,\"online\":true,\"can-offline\":false},"
				  "{\"logical-id\":2,\"online\":false,\"can-offline\":true},"
				  "{\"logical-id\":10,\"online\":true,\"can-offline\":true}]");
}
END_TEST

/* -- memory blocks ----------------------------------------------------------------------------- */

START_TEST(memory_blocks_tell_their_state)
{
	expect("guest-get-memory-blocks", "[]");
	fixture_put(&fx, MEMORY "block_size_bytes", "8000000\n");
	expect("guest-get-memory-blocks", "[]");
	expect("guest-get-memory-block-info", "{\"size\":134217728}");
	fixture_put(&fx, MEMORY "memory40/state", "online\n");
	fixture_put(&fx, MEMORY "memory40/removable", "1\n");
	fixture_put(&fx, MEMORY "memory5/state", "offline\n");
	fixture_put(&fx, MEMORY "memory5/removable", "0\n");
	fixture_put(&fx, MEMORY "memory6/state", "online\n");
	fixture_mkdir(&fx, MEMORY "memory7");
	expect("guest-get-memory-blocks",
	       "[{\"phys-index\":5,\"online\":false,\"can-offline\":false},"
	       "{\"phys-index\":6,\"online\":true},"
	       "{\"phys-index\":40,\"online\":true,\"can-offline\":true}]");
}
END_TEST

#define BLOCKS 300

static void put_blocks(void)
{
	char path[64];

	for (unsigned i = 0; i < BLOCKS; i++) {
		(void)snprintf(path, sizeof(path), MEMORY "memory%u/state", i);
		fixture_put(&fx, path, "online\n");
		(void)snprintf(path, sizeof(path), MEMORY "memory%u/removable", i);
		fixture_put(&fx, path, "1\n");
	}
}

/* They take several turns of the loop; an age of 0 means a later one. */
START_TEST(many_memory_blocks_are_read_piece_by_piece)
{
	put_blocks();
	begin("guest-get-memory-blocks");
	ck_assert_uint_eq(answered.n, 0);
	ck_assert(keeper.cb != NULL);
	ck_assert_uint_eq(keeper.ask.groups, 0);
	finish();
	ck_assert_uint_ge(keeper.n_later, 1);
	ck_assert_uint_eq(json_object_array_length(answered.json), BLOCKS);
	ck_assert_int_eq(json_object_get_int(guest_at(answered.json, "[299].phys-index")), 299);
	ck_assert(json_object_get_boolean(guest_at(answered.json, "[299].can-offline")));
}
END_TEST

#define DISKS 150

static void put_disks(void)
{
	char path[96], number[32];

	for (unsigned i = 0; i < DISKS; i++) {
		(void)snprintf(path, sizeof(path), "pci0000:00/0000:00:07.0/virtio%u/block/vd%u", i,
			       i);
		(void)snprintf(number, sizeof(number), "254:%u", i);
		devices_put(&fx, path, number, 1);
	}
}

static const char *last_disk(void)
{
	size_t n = json_object_array_length(answered.json);
	struct json_object *last = json_object_array_get_idx(answered.json, n - 1);

	return json_object_get_string(guest_at(last, ".name"));
}

START_TEST(many_disks_are_listed_piece_by_piece)
{
	put_disks();
	begin("guest-get-disks");
	ck_assert_uint_eq(answered.n, 0);
	finish();
	ck_assert_uint_ge(keeper.n_later, 1);
	ck_assert_uint_eq(json_object_array_length(answered.json), DISKS);
	ck_assert_str_eq(last_disk(), "/dev/vd149");
	begin("guest-get-disks");
	ck_assert(keeper.cb != NULL);
	/* one that goes meanwhile is left out */
	ck_assert_int_eq(unlinkat(fx.root.sys, "class/block/vd149", 0), 0);
	finish();
	ck_assert_uint_eq(json_object_array_length(answered.json), DISKS - 1);
	ck_assert_str_eq(last_disk(), "/dev/vd148");
}
END_TEST

static const struct {
	const char *command;
	void (*put)(void);
} piecemeal[] = {
	{ "guest-get-memory-blocks", put_blocks },
	{ "guest-get-disks", put_disks },
};

/* Nothing of it is left, says LeakSanitizer, when its owner frees the scratch. */
START_TEST(a_request_that_is_dropped_meanwhile_owns_one_piece_of_memory)
{
	piecemeal[_i].put();
	begin(piecemeal[_i].command);
	ck_assert(keeper.cb != NULL);
	keeper.cb = NULL;
	ck_assert_ptr_nonnull(req.scratch);
	ck_assert_uint_eq(answered.n, 0);
}
END_TEST

/* As if it had begun long ago. */
START_TEST(what_takes_too_long_is_told_without_can_offline)
{
	const struct vmv_handler *h = vmv_qga_handler("guest-get-memory-blocks");

	fixture_put(&fx, MEMORY "memory1/state", "online\n");
	fixture_put(&fx, MEMORY "memory1/removable", "1\n");
	req = (struct vmv_request){ .services = &services,
				    .agent = &keeper,
				    .began_ms = vmv_mono_ms(&vmv_clock_system) - 900,
				    .answer = answer };
	h->run(&req);
	finish();
	ck_assert_str_eq(answered.data, "[{\"phys-index\":1,\"online\":true}]");
}
END_TEST

/* -- vitals ------------------------------------------------------------------------------------ */

static int64_t number(const char *path)
{
	return json_object_get_int64(guest_at(answered.json, path));
}

START_TEST(memory_is_told_in_bytes_and_null_where_unknown)
{
	run("vmvitals-get-memory");
	ck_assert_int_eq(number(".total_bytes"), INT64_C(4028440) * 1024);
	ck_assert_int_eq(number(".available_bytes"), INT64_C(3117236) * 1024);
	ck_assert_int_eq(number(".used_bytes"), INT64_C(911204) * 1024);
	ck_assert_int_eq(number(".free_bytes"), INT64_C(1000000) * 1024);
	ck_assert_int_eq(number(".buffers_bytes"), INT64_C(10000) * 1024);
	ck_assert_int_eq(number(".cached_bytes"), INT64_C(500000) * 1024);
	ck_assert_int_eq(number(".swap_total_bytes"), INT64_C(2097148) * 1024);
	ck_assert_int_eq(number(".swap_used_bytes"), 0);
	ck_assert_ptr_null(guest_at(answered.json, ".slab_bytes"));
	ck_assert_ptr_null(guest_at(answered.json, ".balloon_bytes"));
}
END_TEST

START_TEST(used_memory_is_never_below_nothing_and_null_when_unknown)
{
	fixture_put(&fx, "proc/meminfo",
		    "MemTotal: 100 kB\nMemAvailable: 101 kB\nSwapTotal: 1 kB\nSwapFree: 2 kB\n");
	run("vmvitals-get-memory");
	ck_assert_int_eq(number(".used_bytes"), 0);
	ck_assert_ptr_nonnull(guest_at(answered.json, ".used_bytes"));
	ck_assert_ptr_null(guest_at(answered.json, ".swap_used_bytes"));
	fixture_put(&fx, "proc/meminfo", "MemTotal: 100 kB\nMemFree: 1 kB\n");
	run("vmvitals-get-memory");
	ck_assert_ptr_null(guest_at(answered.json, ".used_bytes"));
	ck_assert_ptr_null(guest_at(answered.json, ".swap_total_bytes"));
}
END_TEST

START_TEST(pressure_is_told_in_percent_and_microseconds)
{
	fixture_put(&fx, "proc/pressure/cpu",
		    "some avg10=1.50 avg60=0.25 avg300=100.00 total=123456789\n");
	fixture_put(&fx, "proc/pressure/memory",
		    "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
		    "full avg10=0.01 avg60=0.00 avg300=0.00 total=7\n");
	expect("vmvitals-get-pressure",
	       "{\"cpu\":{\"some\":{\"avg10\":1.5,\"avg60\":0.25,\"avg300\":100.0,"
	       "\"total_us\":123456789},\"full\":null},"
	       "\"memory\":{\"some\":{\"avg10\":0.0,\"avg60\":0.0,\"avg300\":0.0,\"total_us\":0},"
	       "\"full\":{\"avg10\":0.01,\"avg60\":0.0,\"avg300\":0.0,\"total_us\":7}},"
	       "\"io\":{\"some\":null,\"full\":null},\"irq\":{\"some\":null,\"full\":null}}");
}
END_TEST

START_TEST(health_is_what_gethealth_says)
{
	struct vmv_jw w;

	run("vmvitals-get-health");
	ck_assert_uint_eq(keeper.ask.groups, vmv_checks_groups());
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	vmv_health_write(&w, health);
	ck_assert_uint_eq(strlen(answered.data), w.buf.len);
	ck_assert_mem_eq(answered.data, w.buf.data, w.buf.len);
	ck_assert_uint_eq(json_object_array_length(guest_at(answered.json, ".checks")),
			  vmv_n_checks);
	vmv_jw_free(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_system");
	TCase *tc = tcase_create("system");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, without_a_reading_it_is_an_error, 0, (int)VMV_COUNTOF(readers));
	tcase_add_test(tc, the_time_is_in_nanoseconds);
	tcase_add_test(tc, osinfo_says_what_os_release_says);
	tcase_add_test(tc, osinfo_has_no_defaults_and_knows_empty_from_absent);
	tcase_add_test(tc, a_new_host_name_shows_at_once);
	tcase_add_test(tc, an_unknown_host_name_is_an_error);
	tcase_add_test(tc, the_time_zone_is_the_guests);
	tcase_add_test(tc, load_is_three_numbers);
	tcase_add_test(tc, what_cannot_be_read_is_an_error);
	tcase_add_test(tc, each_user_is_told_once_with_the_first_login);
	tcase_add_test(tc, where_nobody_counts_logins_there_are_none);
	tcase_add_test(tc, logins_that_cannot_be_read_are_no_empty_list);
	tcase_add_test(tc, a_login_manager_that_is_slow_is_waited_for_once);
	tcase_add_test(tc, a_login_manager_that_stays_silent_is_an_error);
	tcase_add_test(tc, where_there_is_no_login_manager_after_all_it_is_utmp);
	tcase_add_test(tc, ticks_are_told_in_milliseconds);
	tcase_add_test(tc, a_cpu_whose_times_are_unknown_is_left_out);
	tcase_add_test(tc, vcpus_always_tell_whether_they_can_be_offline);
	tcase_add_test(tc, memory_blocks_tell_their_state);
	tcase_add_test(tc, many_memory_blocks_are_read_piece_by_piece);
	tcase_add_test(tc, many_disks_are_listed_piece_by_piece);
	tcase_add_loop_test(tc, a_request_that_is_dropped_meanwhile_owns_one_piece_of_memory, 0,
			    (int)VMV_COUNTOF(piecemeal));
	tcase_add_test(tc, what_takes_too_long_is_told_without_can_offline);
	tcase_add_test(tc, memory_is_told_in_bytes_and_null_where_unknown);
	tcase_add_test(tc, used_memory_is_never_below_nothing_and_null_when_unknown);
	tcase_add_test(tc, pressure_is_told_in_percent_and_microseconds);
	tcase_add_test(tc, health_is_what_gethealth_says);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
