#include "collectors/cgroup.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/cgroup_files.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BASE "sys/fs/cgroup/"

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

static const struct vmv_cgroup_sample *row(const struct kept *k, const char *id)
{
	const struct vmv_cgroup_sample *s = kept_row(k, id);

	ck_assert_msg(s, "no row %s", id);
	return s;
}

static void read_rows(struct kept *k)
{
	struct vmv_err err = { 0 };

	kept_init(k, &vmv_collector_cgroup);
	ck_assert_msg(kept_read(k, &vmv_collector_cgroup, &fx.root, &err) == 0, "%s", err.msg);
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[1024];

	(void)snprintf(path, sizeof(path), BASE "%s/%s", dir, file);
	fixture_put(&fx, path, text);
}

/* -- version 2 --------------------------------------------------------------------------------- */

static void put_v2_service(const char *dir)
{
	put(dir, "cpu.stat",
	    "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\nnice_usec 0\n"
	    "core_sched.force_idle_usec 0\nnr_periods 40\nnr_throttled 4\nthrottled_usec 250000\n"
	    "nr_bursts 0\nburst_usec 0\n");
	put(dir, "memory.current", "104857600\n");
	put(dir, "memory.max", "209715200\n");
	put(dir, "memory.swap.current", "4096\n");
	put(dir, "memory.events", "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n");
	put(dir, "memory.pressure",
	    "some avg10=0.00 avg60=1.25 avg300=0.50 total=1234567\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=7654\n");
	put(dir, "pids.current", "12\n");
	put(dir, "io.stat",
	    "252:0 rbytes=1000 wbytes=2000 rios=1 wios=2 dbytes=0 dios=0\n"
	    "252:16 rbytes=30 wbytes=4 rios=1 wios=1 dbytes=0 dios=0\n");
}

START_TEST(everything_of_version_2_is_read)
{
	const struct vmv_cgroup_sample *s;
	struct kept k;

	put(".", "cgroup.controllers", "cpuset cpu io memory pids\n");
	put(".", "cpu.stat", "usage_usec 9000000\nuser_usec 6000000\nsystem_usec 3000000\n");
	put_v2_service("system.slice/ssh.service");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 2); /* nothing is known of the slice */
	s = row(&k, "/system.slice/ssh.service");
	ck_assert_uint_eq(s->cpu_usage, 5000000);
	ck_assert_uint_eq(s->cpu_user, 3000000);
	ck_assert_uint_eq(s->cpu_system, 2000000);
	ck_assert_uint_eq(s->cpu_periods, 40);
	ck_assert_uint_eq(s->cpu_throttled_periods, 4);
	ck_assert_uint_eq(s->cpu_throttled, 250000);
	ck_assert_uint_eq(s->memory, 104857600);
	ck_assert_uint_eq(s->memory_max, 209715200);
	ck_assert_uint_eq(s->swap, 4096);
	ck_assert_uint_eq(s->oom_kills, 2);
	ck_assert_uint_eq(s->memory_waiting, 1234567);
	ck_assert_uint_eq(s->pids, 12);
	ck_assert_uint_eq(s->io_read, 1030);
	ck_assert_uint_eq(s->io_written, 2004);
	ck_assert_uint_eq(s->left_out, VMV_UNSET);

	s = row(&k, "/");
	ck_assert_uint_eq(s->cpu_usage, 9000000);
	ck_assert_uint_eq(s->cpu_periods, VMV_UNSET);
	ck_assert_uint_eq(s->memory, VMV_UNSET); /* the kernel has no such file there */
	ck_assert_uint_eq(s->io_read, VMV_UNSET);
	ck_assert_uint_eq(s->left_out, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(slices_services_scopes_and_containers_are_rows)
{
	static const char *const dirs[] = {
		"init.scope",
		"system.slice",
		"system.slice/docker-0123.scope",
		"user.slice/user-1000.slice/user@1000.service/app.slice/a b.service",
		"kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope",
	};
	char id[128];
	struct kept k;

	put(".", "cgroup.controllers", "");
	for (size_t i = 0; i < VMV_COUNTOF(dirs); i++)
		put(dirs[i], "cpu.stat", "usage_usec 1\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, VMV_COUNTOF(dirs) + 1);
	for (size_t i = 0; i < VMV_COUNTOF(dirs); i++) {
		(void)snprintf(id, sizeof(id), "/%s", dirs[i]);
		ck_assert_uint_eq(row(&k, id)->cpu_usage, 1);
	}
	kept_clear(&k);
}
END_TEST

/* With a namespace of its own, a container's root is an ordinary control group for the kernel. */
START_TEST(a_container_has_values_at_its_root)
{
	struct kept k;

	put(".", "cgroup.controllers", "cpu io memory pids\n");
	put_v2_service(".");
	put(".", "memory.max", "max\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_uint_eq(row(&k, "/")->memory, 104857600);
	ck_assert_uint_eq(row(&k, "/")->memory_max, VMV_UNSET); /* no limit */
	ck_assert_uint_eq(row(&k, "/")->pids, 12);
	kept_clear(&k);
}
END_TEST

START_TEST(what_lies_too_deep_is_in_its_parents_only)
{
	struct kept k;

	put(".", "cgroup.controllers", "");
	put("1/2/3/4/5/6/7/8", "cpu.stat", "usage_usec 8\n");
	put("1/2/3/4/5/6/7/8/9", "cpu.stat", "usage_usec 9\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_uint_eq(row(&k, "/1/2/3/4/5/6/7/8")->cpu_usage, 8);
	kept_clear(&k);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_counted)
{
	char name[252], dir[600];
	struct kept k;

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(dir, sizeof(dir), "%s/%s", name, name);
	put(".", "cgroup.controllers", "");
	put(name, "cpu.stat", "usage_usec 1\n");
	put(dir, "cpu.stat", "usage_usec 2\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_uint_eq(row(&k, "/")->left_out, 1);
	kept_clear(&k);
}
END_TEST

static void put_stack(void)
{
	fixture_mkdir(&fx, "sys/devices/vda/slaves");
	fixture_link(&fx, "sys/devices/vda/holders/dm-0", "../../dm-0");
	fixture_link(&fx, "sys/devices/dm-0/slaves/vda2", "../../vda2");
	fixture_link(&fx, "sys/devices/dm-0/holders/dm-1", "../../dm-1");
	fixture_link(&fx, "sys/devices/dm-1/slaves/dm-0", "../../dm-0");
	fixture_mkdir(&fx, "sys/devices/dm-1/holders");
	fixture_link(&fx, "sys/dev/block/252:0", "../../devices/vda");
	fixture_link(&fx, "sys/dev/block/253:0", "../../devices/dm-0");
	fixture_link(&fx, "sys/dev/block/253:1", "../../devices/dm-1");
	put(".", "cgroup.controllers", "io\n");
}

/* A volume on encryption on a disk: what is read is counted by each of them, what is written is by
 * the upper two, because a thread of the kernel writes it to the disk. */
START_TEST(stacked_devices_are_not_counted_twice)
{
	struct kept k;

	put_stack();
	put("a", "io.stat",
	    "253:1 rbytes=4096 wbytes=8192 rios=1 wios=1 dbytes=0 dios=0\n"
	    "253:0 rbytes=4096 wbytes=8192 rios=1 wios=1 dbytes=0 dios=0\n"
	    "252:0 rbytes=5000 rios=2 wios=0 dbytes=0 dios=0\n");
	put("b", "io.stat",
	    "253:1 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n"
	    "7:0 rbytes=3 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"
	    "252:0 rbytes=3 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");
	read_rows(&k);
	ck_assert_uint_eq(row(&k, "/a")->io_read, 5000); /* some of it past the volume */
	ck_assert_uint_eq(row(&k, "/a")->io_written, 8192);
	ck_assert_uint_eq(row(&k, "/b")->io_read, 4);
	ck_assert_uint_eq(row(&k, "/b")->io_written, 2);
	kept_clear(&k);
}
END_TEST

/* -- version 1 --------------------------------------------------------------------------------- */

static void put_v1_service(const char *cpu, const char *cpuacct)
{
	char dir[128];

	(void)snprintf(dir, sizeof(dir), "%s/system.slice/a.service", cpuacct);
	put(dir, "cpuacct.usage", "5000000999\n");
	put(dir, "cpuacct.stat", "user 300\nsystem 200\n");
	(void)snprintf(dir, sizeof(dir), "%s/system.slice/a.service", cpu);
	put(dir, "cpu.stat", "nr_periods 40\nnr_throttled 4\nthrottled_time 250000000\n");
	put("memory/system.slice/a.service", "memory.usage_in_bytes", "1048576\n");
	put("memory/system.slice/a.service", "memory.memsw.usage_in_bytes", "1052672\n");
	put("memory/system.slice/a.service", "memory.limit_in_bytes", "9223372036854771712\n");
	put("memory/system.slice/a.service", "memory.oom_control",
	    "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	put("pids/system.slice/a.service", "pids.current", "3\n");
	put("blkio/system.slice/a.service", "blkio.throttle.io_service_bytes_recursive",
	    "8:0 Read 100\n8:0 Write 200\n8:0 Sync 300\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 300\n"
	    "8:16 Read 1\n8:16 Write 2\n8:16 Total 3\nTotal 303\n");
}

static void check_v1_service(void)
{
	const struct vmv_cgroup_sample *s;
	struct kept k;

	read_rows(&k);
	ck_assert_uint_eq(k.n, 2); /* and the root, of which nothing else is known */
	s = row(&k, "/system.slice/a.service");
	ck_assert_uint_eq(s->cpu_usage, 5000000);
	ck_assert_uint_eq(s->cpu_user, 3000000);
	ck_assert_uint_eq(s->cpu_system, 2000000);
	ck_assert_uint_eq(s->cpu_periods, 40);
	ck_assert_uint_eq(s->cpu_throttled_periods, 4);
	ck_assert_uint_eq(s->cpu_throttled, 250000);
	ck_assert_uint_eq(s->memory, 1048576);
	ck_assert_uint_eq(s->memory_max, VMV_UNSET);
	ck_assert_uint_eq(s->swap, 4096);
	ck_assert_uint_eq(s->oom_kills, 2);
	ck_assert_uint_eq(s->memory_waiting, VMV_UNSET);
	ck_assert_uint_eq(s->pids, 3);
	ck_assert_uint_eq(s->io_read, 101);
	ck_assert_uint_eq(s->io_written, 202);
	kept_clear(&k);
}

START_TEST(everything_of_version_1_is_read)
{
	put_v1_service("cpu", "cpuacct");
	fixture_mkdir(&fx, BASE "systemd/system.slice/other.service");
	check_v1_service();
}
END_TEST

START_TEST(controllers_may_share_a_directory)
{
	put_v1_service("cpu,cpuacct", "cpu,cpuacct");
	fixture_link(&fx, BASE "cpu", "cpu,cpuacct");
	fixture_link(&fx, BASE "cpuacct", "cpu,cpuacct");
	check_v1_service();
}
END_TEST

START_TEST(hierarchies_of_version_1_may_hold_different_groups)
{
	struct kept k;

	put("memory/vm", "memory.usage_in_bytes", "10\n");
	put("memory/both", "memory.usage_in_bytes", "20\n");
	put("pids/both", "pids.current", "2\n");
	put("pids/only/here", "pids.current", "3\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 4);
	ck_assert_uint_eq(row(&k, "/vm")->memory, 10);
	ck_assert_uint_eq(row(&k, "/vm")->pids, VMV_UNSET);
	ck_assert_uint_eq(row(&k, "/both")->memory, 20);
	ck_assert_uint_eq(row(&k, "/both")->pids, 2);
	ck_assert_uint_eq(row(&k, "/only/here")->pids, 3);
	kept_clear(&k);
}
END_TEST

START_TEST(swap_of_version_1_is_never_negative)
{
	struct kept k;

	put("memory/a", "memory.usage_in_bytes", "8192\n");
	put("memory/a", "memory.memsw.usage_in_bytes", "4096\n");
	put("memory/b", "memory.usage_in_bytes", "8192\n"); /* swapaccount=0 */
	read_rows(&k);
	ck_assert_uint_eq(row(&k, "/a")->swap, 0);
	ck_assert_uint_eq(row(&k, "/b")->swap, VMV_UNSET);
	kept_clear(&k);
}
END_TEST

/* Kernels without the recursive file count only what a group did itself. */
START_TEST(old_io_counts_are_taken_only_where_nothing_is_below)
{
	struct kept k;

	put("blkio/s", "blkio.throttle.io_service_bytes", "8:0 Read 7\n8:0 Write 8\nTotal 15\n");
	put("blkio/s/leaf", "blkio.throttle.io_service_bytes", "8:0 Read 5\nTotal 5\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_uint_eq(row(&k, "/s/leaf")->io_read, 5);
	kept_clear(&k);
}
END_TEST

/* -- both -------------------------------------------------------------------------------------- */

START_TEST(a_hybrid_takes_from_version_2_what_version_1_has_not)
{
	struct kept k;

	put("memory/a", "memory.usage_in_bytes", "10\n");
	put("unified", "cgroup.controllers", "pids\n");
	put("unified/a", "cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
	put("unified/a", "pids.current", "4\n");
	put("unified/a", "memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
	put("unified/b", "pids.current", "5\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 3);
	ck_assert_uint_eq(row(&k, "/a")->memory, 10);
	ck_assert_uint_eq(row(&k, "/a")->cpu_usage, 30);
	ck_assert_uint_eq(row(&k, "/a")->pids, 4);
	ck_assert_uint_eq(row(&k, "/a")->memory_waiting, 5);
	ck_assert_uint_eq(row(&k, "/b")->pids, 5);
	kept_clear(&k);
}
END_TEST

/* cpu of version 1 without cpuacct: the limit from one, the use from the other. */
START_TEST(both_versions_of_cpu_stat_have_their_part)
{
	struct kept k;

	put("cpu/a", "cpu.stat", "nr_periods 4\nnr_throttled 1\nthrottled_time 3000\n");
	put("unified", "cgroup.controllers", "\n");
	put("unified/a", "cpu.stat",
	    "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 99\n");
	read_rows(&k);
	ck_assert_uint_eq(row(&k, "/a")->cpu_usage, 30);
	ck_assert_uint_eq(row(&k, "/a")->cpu_user, 20);
	ck_assert_uint_eq(row(&k, "/a")->cpu_periods, 4);
	ck_assert_uint_eq(row(&k, "/a")->cpu_throttled_periods, 1);
	ck_assert_uint_eq(row(&k, "/a")->cpu_throttled, 3);
	kept_clear(&k);
}
END_TEST

/* Where all controllers are of version 1, version 2 is only how the service manager keeps order. */
START_TEST(a_unified_tree_without_use_is_not_walked)
{
	struct kept k;

	put("cpu/a", "cpu.stat", "nr_periods 4\n");
	put("cpuacct/a", "cpuacct.usage", "1000\n");
	put("memory/a", "memory.usage_in_bytes", "10\n");
	put("pids/a", "pids.current", "10\n");
	fixture_mkdir(&fx, BASE "blkio");
	put("unified", "cgroup.controllers", "\n");
	put("unified/z", "cpu.stat", "usage_usec 30\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_uint_eq(row(&k, "/a")->cpu_usage, 1);
	kept_clear(&k);
}
END_TEST

static const char *const nothing[] = { NULL, BASE "systemd/a", BASE "unified/a" };

START_TEST(no_hierarchy_is_enoent)
{
	struct vmv_err err = { 0 };
	struct kept k;

	if (nothing[_i])
		fixture_mkdir(&fx, nothing[_i]);
	kept_init(&k, &vmv_collector_cgroup);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_cgroup, &fx.root, &err), -ENOENT);
	ck_assert_int_ne(err.code, VMV_OK);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

/* -- garbled ----------------------------------------------------------------------------------- */

static const struct {
	const char *file, *text;
	size_t offset; /* of what is unknown then */
} garbled[] = {
#define AT(member) offsetof(struct vmv_cgroup_sample, member)
	{ "cpu.stat", "usage_usec\n", AT(cpu_usage) },
	{ "cpu.stat", "usage_usec -5\n", AT(cpu_usage) },
	{ "cpu.stat", "usage_usec 5", AT(cpu_usage) },
	{ "cpu.stat", "usage_usec 5\nuser_usec x\n", AT(cpu_usage) },
	{ "cpu.stat", "usage_usec 5\n\n", AT(cpu_usage) },
	{ "cpu.stat", "usage_usec 99999999999999999999\n", AT(cpu_usage) },
	{ "cpu.stat", "usage_usec 18446744073709551615\n", AT(cpu_usage) },
	{ "cpu.stat", "", AT(cpu_usage) },
	{ "memory.current", "", AT(memory) },
	{ "memory.current", "-1\n", AT(memory) },
	{ "memory.current", "12", AT(memory) },
	{ "memory.current", "12 kB\n", AT(memory) },
	{ "memory.max", "maximum\n", AT(memory_max) },
	{ "memory.swap.current", "x\n", AT(swap) },
	{ "memory.events", "oom_kill two\n", AT(oom_kills) },
	{ "memory.pressure", "full avg10=0.00 total=3\n", AT(memory_waiting) },
	{ "memory.pressure", "some avg10=0.00 total=\n", AT(memory_waiting) },
	{ "memory.pressure", "some avg10=0.00 total=3", AT(memory_waiting) },
	{ "memory.pressure", "some \n", AT(memory_waiting) },
	{ "pids.current", "3 4\n", AT(pids) },
	{ "io.stat", "252:0 rbytes=x\n", AT(io_read) },
	{ "io.stat", "252:0 rbytes=5", AT(io_read) },
	{ "io.stat", "252:0 rbytes=5x wbytes=3\n", AT(io_read) },
	{ "io.stat", "252 rbytes=5\n", AT(io_read) },
	{ "io.stat", "(unknown) rbytes=5\n", AT(io_read) },
	{ "io.stat", "252:0 rbytes=18446744073709551615\n", AT(io_read) },
	{ "io.stat", "252:0 Read\n", AT(io_read) },
	{ "io.stat", "Total 5", AT(io_read) },
};

START_TEST(a_garbled_file_makes_its_values_unknown_and_no_others)
{
	struct vmv_cgroup_sample good, bad;
	struct kept k;

	put(".", "cgroup.controllers", "\n");
	put_v2_service("good");
	put_v2_service("bad");
	put("bad", garbled[_i].file, garbled[_i].text);
	read_rows(&k);
	good = *row(&k, "/good");
	bad = *row(&k, "/bad");
	ck_assert_uint_eq(*(const uint64_t *)((const char *)&bad + garbled[_i].offset), VMV_UNSET);
	ck_assert_uint_ne(*(const uint64_t *)((const char *)&good + garbled[_i].offset), VMV_UNSET);
	if (strcmp(garbled[_i].file, "pids.current") != 0)
		ck_assert_uint_eq(bad.pids, 12);
	else
		ck_assert_uint_eq(bad.memory, 104857600);
	kept_clear(&k);
}
END_TEST

static const struct {
	const char *text;
	uint64_t read, written;
} io[] = {
	{ "", 0, 0 },
	{ "252:0 \n252:16\n", 0, 0 }, /* never used */
	{ "252:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n", 1, 2 },
	{ "252:0 wbytes=2 rbytes=1\n", 1, 2 },
	{ "252:0 rbytes=18446744073709551614\n8:0 rbytes=9 wbytes=1\n", UINT64_MAX - 1, 1 },
	{ "Total 0\n", 0, 0 },
	{ "8:0 Read 3\n8:0 Write 4\n8:0 Total 7\nTotal 7\n", 3, 4 },
};

START_TEST(io_of_all_devices_is_added)
{
	uint64_t r = 7, w = 7;

	ck_assert_int_eq(vmv_cgroup_parse_io(io[_i].text, NULL, NULL, &r, &w), 0);
	ck_assert_uint_eq(r, io[_i].read);
	ck_assert_uint_eq(w, io[_i].written);
}
END_TEST

START_TEST(outputs_are_left_alone_by_failures)
{
	uint64_t r = 7, w = 8;

	ck_assert_int_eq(vmv_cgroup_parse_io("1:1 rbytes=5\nx\n", NULL, NULL, &r, &w), -EINVAL);
	ck_assert_int_eq(vmv_cgroup_parse_value("x\n", &r), -EINVAL);
	ck_assert_int_eq(vmv_cgroup_parse_pressure("some", &r), -EINVAL);
	ck_assert_uint_eq(r, 7);
	ck_assert_uint_eq(w, 8);
}
END_TEST

/* -- many -------------------------------------------------------------------------------------- */

struct reading {
	struct kept k;
	void *state;
	unsigned turns;
};

static void read_again(struct reading *r)
{
	struct vmv_err err = { 0 };
	int got;

	kept_clear(&r->k);
	r->turns = 0;
	do {
		size_t before = r->k.n;

		got = vmv_collector_cgroup.read(r->state, &fx.root, &r->k.sink, &err);
		ck_assert_uint_le(r->k.n - before, VMV_CGROUP_SLICE);
		r->turns++;
	} while (got == VMV_MORE);
	ck_assert_msg(got == 0, "%s", err.msg);
}

static void begin(struct reading *r)
{
	kept_init(&r->k, &vmv_collector_cgroup);
	r->state = vmv_collector_cgroup.open(&fx.root);
	ck_assert_ptr_nonnull(r->state);
}

static void end(struct reading *r)
{
	vmv_collector_cgroup.close(r->state);
	kept_clear(&r->k);
}

static void put_number(const char *dir, const char *file, const char *key, uint64_t v)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s%ju\n", key, (uintmax_t)v);
	put(dir, file, text);
}

/* 2000 containers: number i used i seconds of CPU; memory the other way round. */
static void put_many(unsigned n)
{
	char dir[64];

	put(".", "cgroup.controllers", "cpu memory\n");
	for (unsigned i = 1; i <= n; i++) {
		(void)snprintf(dir, sizeof(dir), "docker/c%u", i);
		put_number(dir, "cpu.stat", "usage_usec ", i * UINT64_C(1000000));
		put_number(dir, "memory.current", "", (n - i) * UINT64_C(4096));
	}
}

START_TEST(of_many_those_stay_that_use_most)
{
	struct reading r;

	put_many(2000);
	begin(&r);
	read_again(&r);
	ck_assert_uint_eq(r.k.n, VMV_CGROUP_ROWS);
	ck_assert_uint_gt(r.turns, 2 * 2000 / VMV_CGROUP_SLICE);
	ck_assert_uint_eq(row(&r.k, "/")->left_out, 2002 - VMV_CGROUP_ROWS);
	ck_assert_ptr_nonnull(kept_row(&r.k, "/docker/c2000")); /* most CPU */
	ck_assert_ptr_nonnull(kept_row(&r.k, "/docker/c1745"));
	ck_assert_ptr_null(kept_row(&r.k, "/docker/c1744"));
	ck_assert_ptr_nonnull(kept_row(&r.k, "/docker/c1")); /* most memory */
	ck_assert_ptr_nonnull(kept_row(&r.k, "/docker/c250"));
	ck_assert_ptr_null(kept_row(&r.k, "/docker/c300"));

	/* what was used before the last reading is no merit any more */
	put_number("docker/c1000", "cpu.stat", "usage_usec ", 1000000001);
	read_again(&r);
	ck_assert_ptr_nonnull(kept_row(&r.k, "/docker/c1000"));
	ck_assert_ptr_null(kept_row(&r.k, "/docker/c2000"));
	ck_assert_ptr_nonnull(kept_row(&r.k, "/docker/c1"));
	ck_assert_uint_eq(row(&r.k, "/")->left_out, 2002 - VMV_CGROUP_ROWS);
	end(&r);
}
END_TEST

START_TEST(as_many_as_there_are_rows_all_stay)
{
	struct reading r;

	put_many(VMV_CGROUP_ROWS - 2); /* with the root and /docker */
	begin(&r);
	read_again(&r);
	ck_assert_uint_eq(r.k.n, VMV_CGROUP_ROWS - 1);
	ck_assert_uint_eq(row(&r.k, "/")->left_out, 0);
	end(&r);
}
END_TEST

START_TEST(more_than_are_looked_at_are_counted)
{
	struct reading r;
	char dir[64];

	put(".", "cgroup.controllers", "\n");
	for (unsigned i = 0; i < VMV_CGROUPS_MAX + 10; i++) {
		(void)snprintf(dir, sizeof(dir), BASE "c%u", i);
		fixture_mkdir(&fx, dir);
	}
	begin(&r);
	read_again(&r);
	ck_assert_uint_eq(row(&r.k, "/")->left_out, VMV_CGROUPS_MAX + 11 - VMV_CGROUP_ROWS);
	end(&r);
}
END_TEST

START_TEST(what_vanishes_between_two_turns_is_left_out)
{
	struct vmv_err err = { 0 };
	char path[160];
	struct reading r;
	char dir[64];

	put(".", "cgroup.controllers", "\n");
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(dir, sizeof(dir), "c%u", i);
		put(dir, "cpu.stat", "usage_usec 1\n");
	}
	begin(&r);
	/* all are found after four turns, none is read */
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(vmv_collector_cgroup.read(r.state, &fx.root, &r.k.sink, &err),
				 VMV_MORE);
	ck_assert_uint_eq(r.k.n, 0);
	(void)snprintf(path, sizeof(path), "%s/" BASE "c50/cpu.stat", fx.dir);
	ck_assert_int_eq(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/" BASE "c50", fx.dir);
	ck_assert_int_eq(rmdir(path), 0);
	while (vmv_collector_cgroup.read(r.state, &fx.root, &r.k.sink, &err) == VMV_MORE)
		;
	ck_assert_uint_eq(r.k.n, 100); /* with the root */
	ck_assert_ptr_null(kept_row(&r.k, "/c50"));
	ck_assert_int_eq(err.code, VMV_OK);
	end(&r);
}
END_TEST

static int refuse_row(struct vmv_sink *sink, const char *id, const void *sample)
{
	(void)sink;
	(void)id;
	(void)sample;
	return -ENOSPC;
}

START_TEST(a_failure_ends_the_reading_and_the_next_one_is_new)
{
	struct vmv_sink full = { .row = refuse_row };
	struct vmv_err err = { 0 };
	struct reading r;

	put(".", "cgroup.controllers", "\n");
	put("a", "cpu.stat", "usage_usec 1\n");
	begin(&r);
	ck_assert_int_eq(vmv_collector_cgroup.read(r.state, &fx.root, &full, &err), -ENOSPC);
	read_again(&r);
	ck_assert_uint_eq(r.k.n, 2);
	end(&r);
}
END_TEST

/* -- live -------------------------------------------------------------------------------------- */

/* What is found by counting links is all that is there. */
START_TEST(no_group_of_the_kernel_we_run_on_is_missed)
{
	struct vmv_cgroup_tree t;
	struct vmv_root root;
	struct stat sb;
	size_t n = 0;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	if (vmv_cgroup_tree_open(&t, root.sys) < 0) {
		SAY_SKIPPED("no control groups are mounted here");
	} else if (!t.has_links) {
		SAY_SKIPPED("the file system of control groups is not the kernel's own");
	} else {
		for (size_t i = 0; i < t.n_walk; i++) {
			vmv_autoclosedir DIR *d = fdopendir(
				openat(t.walk[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
			const struct dirent *e;

			ck_assert_ptr_nonnull(d);
			ck_assert_int_eq(fstat(t.walk[i], &sb), 0);
			for (n = 0; (e = readdir(d));)
				n += e->d_type == DT_DIR; /* with . and .. */
			ck_assert_uint_eq(sb.st_nlink, n);
		}
	}
	vmv_cgroup_tree_close(&t);
	vmv_root_close(&root);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	const struct vmv_cgroup_sample *s;
	struct vmv_err err = { 0 };
	struct vmv_root root;
	uint64_t known = 0;
	struct kept k;
	int r;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_cgroup);
	r = kept_read(&k, &vmv_collector_cgroup, &root, &err);
	if (r == -ENOENT) {
		SAY_SKIPPED("no control groups are mounted here");
	} else {
		ck_assert_msg(r == 0, "%s", err.msg);
		s = row(&k, "/");
		ck_assert_uint_ne(s->left_out, VMV_UNSET);
		for (size_t i = 0; i < k.n; i++) {
			s = row(&k, k.ids[i]);
			ck_assert(s->cpu_usage == VMV_UNSET || s->cpu_usage < UINT64_C(1) << 62);
			ck_assert(s->memory == VMV_UNSET || s->memory < UINT64_C(1) << 50);
			ck_assert(s->swap == VMV_UNSET || s->swap < UINT64_C(1) << 50);
			known += (s->cpu_usage != VMV_UNSET) + (s->memory != VMV_UNSET);
		}
		ck_assert_uint_gt(known, 0);
	}
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cgroup");
	TCase *tc = tcase_create("cgroup");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60); /* thousands of files */
	tcase_add_test(tc, everything_of_version_2_is_read);
	tcase_add_test(tc, slices_services_scopes_and_containers_are_rows);
	tcase_add_test(tc, a_container_has_values_at_its_root);
	tcase_add_test(tc, what_lies_too_deep_is_in_its_parents_only);
	tcase_add_test(tc, a_path_that_is_too_long_is_counted);
	tcase_add_test(tc, stacked_devices_are_not_counted_twice);
	tcase_add_test(tc, everything_of_version_1_is_read);
	tcase_add_test(tc, controllers_may_share_a_directory);
	tcase_add_test(tc, hierarchies_of_version_1_may_hold_different_groups);
	tcase_add_test(tc, swap_of_version_1_is_never_negative);
	tcase_add_test(tc, old_io_counts_are_taken_only_where_nothing_is_below);
	tcase_add_test(tc, a_hybrid_takes_from_version_2_what_version_1_has_not);
	tcase_add_test(tc, both_versions_of_cpu_stat_have_their_part);
	tcase_add_test(tc, a_unified_tree_without_use_is_not_walked);
	tcase_add_loop_test(tc, no_hierarchy_is_enoent, 0, (int)VMV_COUNTOF(nothing));
	tcase_add_loop_test(tc, a_garbled_file_makes_its_values_unknown_and_no_others, 0,
			    (int)VMV_COUNTOF(garbled));
	tcase_add_loop_test(tc, io_of_all_devices_is_added, 0, (int)VMV_COUNTOF(io));
	tcase_add_test(tc, outputs_are_left_alone_by_failures);
	tcase_add_test(tc, of_many_those_stay_that_use_most);
	tcase_add_test(tc, as_many_as_there_are_rows_all_stay);
	tcase_add_test(tc, more_than_are_looked_at_are_counted);
	tcase_add_test(tc, what_vanishes_between_two_turns_is_left_out);
	tcase_add_test(tc, a_failure_ends_the_reading_and_the_next_one_is_new);
	tcase_add_test(tc, no_group_of_the_kernel_we_run_on_is_missed);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
