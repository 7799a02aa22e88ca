/* exec/job.h with real processes: vmvitals-job and the shells that it becomes, and this program in
 * its place where a job must misbehave. */
#include "exec/job.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "exec/capture.h"
#include "exec/cgroup.h"
#include "tests/lib/fixture.h"
#include "tests/lib/jobs.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static struct ran r;
static const struct how patient = { 0 };

/* -- this program as a job: the description is a number and what to write to descriptor 4 ---- */

static void put_many(int fd, char c, size_t n)
{
	char block[4096];

	memset(block, c, sizeof(block));
	while (n > 0) {
		ssize_t w = write(fd, block, n < sizeof(block) ? n : sizeof(block));

		if (w <= 0)
			return;
		n -= (size_t)w;
	}
}

static int be_job(void)
{
	char text[4096] = "";
	const char *rest;
	uint64_t n;
	ssize_t len = read(3, text, sizeof(text) - 1);

	if (len <= 0 || vmv_parse_u64(text, &n, &rest) < 0)
		return 99;
	(void)!write(4, rest + 1, strlen(rest + 1));
	put_many(4, 'x', n);
	return 0;
}

static char *own_path(void)
{
	static char path[PATH_MAX];

	ck_assert_int_gt(readlink("/proc/self/exe", path, sizeof(path) - 1), 0);
	return path;
}

/* -- set-up --------------------------------------------------------------------------------- */

static void up(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/vmv-job-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	memset(&r, 0, sizeof(r));
	jobs_up();
}

static void down(void)
{
	char command[128];

	ran_free(&r);
	jobs_down();
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void)!system(command);
}

/* Runs it with "$D" for the test's directory. */
static char *script(const char *text, const char *group)
{
	char env[128];

	(void)snprintf(env, sizeof(env), ",\"env_vars\":{\"D\":\"%s\"}", dir);
	return jobs_raw(text, env, group);
}

static void begin(const char *text, const struct how *how)
{
	char *description = script(text, how->group);

	jobs_start(&r, description, strlen(description), how);
	free(description);
}

static void run(const char *text, const struct how *how)
{
	begin(text, how);
	jobs_wait(&r);
}

static const char *file(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool is_dead(void *arg)
{
	return !is_alive(*(long *)arg);
}

/* Its end may take the kernel a moment. */
static void assert_dies(long pid)
{
	jobs_until(is_dead, &pid);
}

/* A name that no other run of the tests has. */
static const char *group_name(void)
{
	static char name[32];

	(void)snprintf(name, sizeof(name), "test-%d", getpid());
	return name;
}

/* Whether a job can get a group of its own here. */
static bool has_groups(const char **why)
{
	vmv_autoclose int mount = vmv_cgroup_mount();
	bool can;

	*why = "no cgroup2 that can be written, or systemd rules it";
	if (mount < 0 || geteuid() != 0 || access("/run/systemd/system", F_OK) == 0)
		return false;
	can = mkdirat(mount, "vmv-test-job", 0755) == 0 || errno == EEXIST;
	(void)unlinkat(mount, "vmv-test-job", AT_REMOVEDIR);
	return can;
}

static bool has_group_left(void)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "/" VMV_CGROUP_DIR "/" VMV_CGROUP_PREFIX "%s",
		       group_name());
	fd = vmv_cgroup_open(path);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

/* Loop tests run without a group (0) and with one (1). False: skipped. */
static bool choose(int i, struct how *how)
{
	const char *why;

	if (i == 0)
		return true;
	if (!has_groups(&why)) {
		SAY_SKIPPED(why);
		return false;
	}
	how->group = group_name();
	return true;
}

/* -- how it ends ---------------------------------------------------------------------------- */

START_TEST(output_and_exit_code_come_back)
{
	run("echo out; echo err >&2; exit 7", &patient);
	ck_assert_str_eq(r.out.data, "out\n");
	ck_assert_str_eq(r.err.data, "err\n");
	ck_assert_uint_eq(r.end.out.total, 4);
	ck_assert_int_eq(r.end.exit_code, 7);
	ck_assert_int_eq(r.end.signal, 0);
	ck_assert(!r.end.is_timed_out && !r.end.is_cancelled && !r.end.out.is_cut);
	ck_assert_uint_eq(r.end.result_len, 0);
	ck_assert_uint_eq(r.n_late, 0);
}
END_TEST

START_TEST(a_signal_is_128_and_its_number)
{
	run("kill -9 $$", &patient);
	ck_assert_int_eq(r.end.exit_code, 137);
	ck_assert_int_eq(r.end.signal, 9);
	ck_assert(!r.end.is_timed_out && !r.end.is_cancelled);
}
END_TEST

START_TEST(a_child_that_closes_its_output_goes_on)
{
	run("exec >&- 2>&-; sleep 0.7; exit 5", &patient);
	ck_assert_int_eq(r.end.exit_code, 5);
	ck_assert_uint_ge(r.ended_ms, 600);
}
END_TEST

START_TEST(a_program_that_is_missing_is_an_error_at_once)
{
	const struct vmv_job_calls none = { 0 };
	const struct vmv_job_spec spec = {
		.program = "/nonexistent/vmvitals-job",
		.description = "{}",
		.description_len = 2,
		.term_at_ms = VMV_JOB_NEVER,
		.kill_at_ms = VMV_JOB_NEVER,
		.late_at_ms = VMV_JOB_NEVER,
		.output_max = VMV_MIB,
	};
	struct vmv_job *j = NULL;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_job_start(&j, jobs_base, &vmv_clock_system, &spec, &none, NULL, &err),
			 -ENOENT);
	ck_assert_ptr_null(j);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/vmvitals-job"));
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

/* No system call that tells of the end: old kernels. */
START_TEST(without_pidfd_the_end_is_noticed_as_well)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = VMV_COUNTOF(code), .filter = code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		SAY_SKIPPED("no seccomp here");
		return;
	}
	ck_assert_int_eq(syscall(SYS_pidfd_open, getpid(), 0), -1);
	run("echo a; exit 3", &patient);
	ck_assert_int_eq(r.end.exit_code, 3);
	ck_assert_str_eq(r.out.data, "a\n");
	ran_free(&r);
	run("exec >&- 2>&-; sleep 0.5; exit 4", &patient);
	ck_assert_int_eq(r.end.exit_code, 4);
	ck_assert_uint_lt(r.ended_ms, 5000);
}
END_TEST

/* -- output --------------------------------------------------------------------------------- */

/* Most bytes that were taken in one turn of the loop, until the job's end. */
static uint64_t most_per_turn(void)
{
	uint64_t before[2], after[2], most = 0;

	while (!r.has_ended) {
		vmv_job_counts(r.job, before);
		(void)event_base_loop(jobs_base, EVLOOP_ONCE);
		if (r.has_ended)
			break;
		vmv_job_counts(r.job, after);
		if (after[0] - before[0] > most)
			most = after[0] - before[0];
	}
	return most;
}

START_TEST(a_gigabyte_passes_in_bounded_memory)
{
	struct rusage before, after;
	uint64_t most;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &before), 0);
	begin("head -c 1073741824 /dev/zero; printf end", &patient);
	most = most_per_turn();
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &after), 0);
	ck_assert_uint_eq(r.end.out.total, 1073741824u + 3);
	ck_assert(r.end.out.is_cut);
	ck_assert_uint_le(vmv_capture_encoded(r.out.data, r.out.len - 1), VMV_MIB);
	ck_assert_uint_ge(vmv_capture_encoded(r.out.data, r.out.len - 1), VMV_MIB - 256);
	ck_assert_str_eq(r.out.data + r.out.len - 4, "end");
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 16 * 1024); /* KiB */
	/* the loop has time for others meanwhile */
	ck_assert_uint_le(most, VMV_READ_BUDGET + 32 * VMV_KIB);
}
END_TEST

START_TEST(streamed_output_comes_in_pieces_up_to_its_limit)
{
	const struct how how = { .is_streamed = true, .stream_max = 5 * VMV_MIB };

	run("head -c 20000000 /dev/zero | tr '\\0' a; echo err >&2", &how);
	ck_assert_uint_eq(r.n_streamed, 5 * VMV_MIB);
	ck_assert_uint_le(r.longest, VMV_STREAM_CHUNK);
	ck_assert_uint_eq(r.end.out.total, 20000000);
	ck_assert(r.end.out.is_cut);
	ck_assert_uint_eq(r.end.out.len, 0);
	ck_assert_uint_eq(r.end.err.total, 4);
	ck_assert_int_eq(r.end.exit_code, 0);
}
END_TEST

START_TEST(streamed_output_is_whole_when_it_is_below_the_limit)
{
	const struct how how = { .is_streamed = true };

	run("seq 100000; echo err >&2", &how);
	ck_assert_uint_eq(r.n_streamed, 588895 + 4);
	ck_assert_int_eq(memcmp(r.streamed[0].data + 588895 - 7, "100000\n", 7), 0);
	ck_assert_uint_eq(r.streamed[1].len, 4);
	ck_assert(!r.end.out.is_cut && !r.end.err.is_cut);
}
END_TEST

static bool has_output(void *arg)
{
	return ((struct ran *)arg)->n_output > 0;
}

static void touch(const char *name)
{
	int fd = open(file(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	(void)close(fd);
}

START_TEST(streamed_output_does_not_wait_to_be_more)
{
	const struct how how = { .is_streamed = true, .kill_ms = 60000 };

	begin("echo first; while [ ! -e $D/go ]; do sleep 0.05; done; echo second", &how);
	jobs_until(has_output, &r);
	ck_assert(!r.has_ended);
	ck_assert_uint_eq(r.streamed[0].len, 6);
	touch("go");
	jobs_wait(&r);
	ck_assert_uint_eq(r.streamed[0].len, 13);
	ck_assert_uint_ge(r.n_output, 2);
}
END_TEST

static bool has_two(void *arg)
{
	return ((struct ran *)arg)->n_output >= 2;
}

START_TEST(a_character_is_never_split_between_pieces)
{
	const struct how how = { .is_streamed = true };

	begin("w() { while [ ! -e $D/$1 ]; do sleep 0.05; done; }; "
	      "printf 'a\\342\\202'; w go; printf '\\254'; w on; printf '\\303'",
	      &how);
	jobs_until(has_output, &r);
	jobs_for(2 * VMV_STREAM_AGE_MS);
	ck_assert_uint_eq(r.n_output, 1);
	ck_assert_uint_eq(r.sizes[0], 1);
	touch("go");
	jobs_until(has_two, &r);
	ck_assert_uint_eq(r.sizes[1], 3);
	touch("on");
	jobs_wait(&r);
	ck_assert_uint_eq(r.n_output, 3);
	ck_assert_uint_eq(r.sizes[2], 1); /* the half at the end */
	ck_assert_int_eq(memcmp(r.streamed[0].data, "a\xe2\x82\xac\xc3", 5), 0);
}
END_TEST

START_TEST(a_paused_child_waits_and_nothing_is_lost)
{
	const struct how how = { .is_streamed = true };
	uint64_t counts[2], again[2];

	r.pause_after = 2;
	begin("head -c 3000000 /dev/zero", &how);
	jobs_until(has_two, &r);
	jobs_for(300);
	vmv_job_counts(r.job, counts);
	jobs_for(300);
	vmv_job_counts(r.job, again);
	ck_assert_uint_eq(counts[0], again[0]);
	ck_assert_uint_lt(counts[0], 2000000);
	ck_assert(is_alive(vmv_job_pid(r.job)));
	vmv_job_pause(r.job, false);
	jobs_wait(&r);
	ck_assert_uint_eq(r.n_streamed, 3000000);
	ck_assert(!r.end.out.is_cut);
	ck_assert_int_eq(r.end.exit_code, 0);
}
END_TEST

static bool is_zombie(void *arg)
{
	return !is_alive(*(pid_t *)arg);
}

/* The host reads slowly: what the child has said meanwhile is kept for it, for longer than pipes
 * linger otherwise. */
START_TEST(a_child_that_ended_while_paused_is_read_afterwards)
{
	const struct how how = { .is_streamed = true };
	pid_t pid;

	begin("echo one", &how);
	vmv_job_pause(r.job, true);
	pid = vmv_job_pid(r.job);
	jobs_until(is_zombie, &pid);
	jobs_for(2 * VMV_PIPES_LINGER_MS);
	ck_assert(!r.has_ended);
	vmv_job_pause(r.job, false);
	jobs_wait(&r);
	ck_assert_uint_eq(r.streamed[0].len, 4);
	ck_assert(!r.end.out.is_cut && !r.end.is_timed_out);
}
END_TEST

START_TEST(a_pause_ends_with_the_deadline)
{
	const struct how how = { .is_streamed = true, .term_ms = 3000, .kill_ms = 3500 };

	begin("echo one", &how);
	vmv_job_pause(r.job, true);
	jobs_wait(&r);
	ck_assert_uint_ge(r.ended_ms, 2900);
	ck_assert(!r.end.is_timed_out); /* it had ended long before */
	ck_assert_int_eq(r.end.exit_code, 0);
}
END_TEST

/* -- deadlines ------------------------------------------------------------------------------ */

START_TEST(term_is_ignored_and_kill_follows)
{
	struct how how = { .term_ms = 3000, .kill_ms = 3500 };
	long pid;

	if (!choose(_i, &how))
		return;
	begin("trap '' TERM; sleep 1000 & echo $! >$D/pid; echo here; wait", &how);
	pid = pid_in(file("pid"));
	jobs_wait(&r);
	ck_assert(r.end.is_timed_out && !r.end.is_cancelled);
	ck_assert_int_eq(r.end.signal, SIGKILL);
	ck_assert_int_eq(r.end.exit_code, 137);
	ck_assert_uint_ge(r.ended_ms, 3500);
	ck_assert_str_eq(r.out.data, "here\n"); /* what was said until then */
	assert_dies(pid);
}
END_TEST

/* The shell waits for something that is out of its process group; were that killed first, the shell
 * would see it end, and do what comes next. */
START_TEST(nothing_goes_on_after_kill)
{
	struct how how = { .kill_ms = 3000 };

	if (!choose(_i, &how))
		return;
	run("trap '' TERM; setsid sleep 1000; echo next; touch $D/next", &how);
	ck_assert(r.end.is_timed_out);
	ck_assert_int_eq(r.end.signal, SIGKILL);
	ck_assert_str_eq(r.out.data, "");
	ck_assert_int_lt(access(file("next"), F_OK), 0);
}
END_TEST

START_TEST(term_gives_time_for_last_words)
{
	const struct how how = { .term_ms = 3000, .kill_ms = 60000 };

	run("trap 'echo bye; exit 3' TERM; sleep 1000 & wait", &how);
	ck_assert(r.end.is_timed_out);
	ck_assert_int_eq(r.end.exit_code, 3);
	ck_assert_str_eq(r.out.data, "bye\n");
	ck_assert_uint_lt(r.ended_ms, 50000);
}
END_TEST

START_TEST(a_daemon_survives_a_natural_end)
{
	struct how how = { .term_ms = 20000, .kill_ms = 25000 };
	long pid;

	if (!choose(_i, &how))
		return;
	run("sleep 1000 & echo $! >$D/pid; echo done", &how);
	pid = pid_in(file("pid"));
	ck_assert_str_eq(r.out.data, "done\n");
	ck_assert_int_eq(r.end.exit_code, 0);
	ck_assert(!r.end.is_timed_out);
	/* it holds the pipes open, and delays the answer no longer than that */
	ck_assert_uint_ge(r.ended_ms, VMV_PIPES_LINGER_MS);
	ck_assert_uint_lt(r.ended_ms, 10000);
	jobs_for(200);
	ck_assert(is_alive(pid));
	ck_assert(_i == 0 || has_group_left());
	(void)kill((pid_t)pid, SIGKILL);
	assert_dies(pid);
	if (_i == 0)
		return;
	/* the next job sweeps up */
	ran_free(&r);
	how.group = "test-sweeper";
	run("true", &how);
	ck_assert(!has_group_left());
}
END_TEST

START_TEST(a_daemon_without_pipes_delays_nothing)
{
	struct how how = { .kill_ms = 20000 };
	long pid;

	if (!choose(_i, &how))
		return;
	run("nohup setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >$D/pid", &how);
	pid = pid_in(file("pid"));
	ck_assert_int_eq(r.end.exit_code, 0);
	jobs_for(200);
	ck_assert(is_alive(pid));
	(void)kill((pid_t)pid, SIGKILL);
}
END_TEST

/* Out of the session, out of the process group, an orphan, deaf to TERM, without a pipe: dead all
 * the same. */
START_TEST(a_runaway_dies_at_the_deadline)
{
	struct how how = { .term_ms = 4000, .kill_ms = 5000 };
	long pid, child;

	if (!choose(_i, &how))
		return;
	begin("trap '' TERM; setsid -f sh -c 'sleep 1000 & echo $! >$D/child; echo $$ >$D/pid; "
	      "exec sleep 1001' >/dev/null 2>&1; trap - TERM; sleep 1002",
	      &how);
	pid = pid_in(file("pid"));
	child = pid_in(file("child"));
	jobs_for(100);
	ck_assert(is_alive(pid) && is_alive(child));
	jobs_wait(&r);
	ck_assert(r.end.is_timed_out);
	ck_assert_int_eq(r.end.signal, SIGTERM); /* the shell itself is not deaf */
	ck_assert(!is_alive(pid));
	ck_assert(!is_alive(child));
	ck_assert(_i == 0 || !has_group_left());
}
END_TEST

START_TEST(a_stopped_job_dies_as_well)
{
	struct how how = { .term_ms = 3000, .kill_ms = 3500 };
	long pid;

	if (!choose(_i, &how))
		return;
	begin("sleep 1000 & echo $! >$D/pid; kill -STOP $!; kill -STOP $$", &how);
	pid = pid_in(file("pid"));
	jobs_wait(&r);
	ck_assert(r.end.is_timed_out);
	assert_dies(pid);
}
END_TEST

/* Each one that is killed has already started others. */
START_TEST(a_storm_of_forks_ends_with_its_group)
{
	struct how how = { .term_ms = 3000, .kill_ms = 3500 };
	long pid;

	if (!choose(1, &how))
		return;
	begin("trap '' TERM; f() { while :; do setsid sleep 1000 & n=$((n + 1)); "
	      "[ $n -gt 200 ] && { wait -n; }; done; }; f & f & echo $! >$D/pid; wait",
	      &how);
	pid = pid_in(file("pid"));
	jobs_wait(&r);
	ck_assert(r.end.is_timed_out);
	ck_assert(!is_alive(pid));
	ck_assert(!has_group_left());
}
END_TEST

static bool has_pids_controller(void)
{
	vmv_autoclose int mount = vmv_cgroup_mount();
	char text[512];

	return mount >= 0 && vmv_read_at(mount, "cgroup.controllers", text, sizeof(text)) > 0 &&
	       strstr(text, "pids");
}

START_TEST(a_fork_bomb_does_not_outgrow_its_group)
{
	struct how how = { .term_ms = 3000, .kill_ms = 4000 };

	if (!has_pids_controller()) {
		SAY_SKIPPED("the pids controller is not in cgroup2 here");
		return;
	}
	if (!choose(1, &how))
		return;
	run("trap '' TERM; b() { b | b & }; b; sleep 1000", &how);
	ck_assert(r.end.is_timed_out);
	ck_assert(!has_group_left());
}
END_TEST

START_TEST(late_is_told_once_and_the_job_goes_on)
{
	const struct how how = { .late_ms = 300 };

	run("echo early; sleep 1; echo end", &how);
	ck_assert_uint_eq(r.n_late, 1);
	ck_assert_uint_ge(r.late_ms, 300);
	ck_assert_uint_lt(r.late_ms, r.ended_ms);
	ck_assert(!r.end.is_timed_out);
	ck_assert_int_eq(r.end.exit_code, 0);
	ck_assert_str_eq(r.out.data, "early\nend\n");
}
END_TEST

static bool has_said(void *arg)
{
	uint64_t counts[2];

	(void)arg;
	vmv_job_counts(r.job, counts);
	return counts[0] >= 6;
}

START_TEST(what_was_said_so_far_can_be_had)
{
	struct vmv_job_text text[2];
	char *data[2];

	begin("echo early; exec sleep 1000", &patient);
	jobs_until(has_said, NULL);
	ck_assert_int_eq(vmv_job_so_far(r.job, data, text), 0);
	ck_assert_uint_eq(text[0].len, 6);
	ck_assert_int_eq(memcmp(data[0], "early\n", 6), 0);
	ck_assert_uint_eq(text[1].len, 0);
	free(data[0]);
	free(data[1]);
}
END_TEST

/* -- cancelling ----------------------------------------------------------------------------- */

START_TEST(cancelled_it_gets_term)
{
	struct how how = { 0 };
	long pid;

	if (!choose(_i, &how))
		return;
	begin("sleep 1000 & echo $! >$D/pid; wait", &how);
	pid = pid_in(file("pid"));
	vmv_job_cancel(r.job);
	ck_assert_uint_eq(r.n_ended, 0);
	jobs_wait(&r);
	ck_assert(r.end.is_cancelled && !r.end.is_timed_out);
	ck_assert_int_eq(r.end.exit_code, 143);
	ck_assert(!is_alive(pid));
}
END_TEST

START_TEST(cancelled_and_deaf_it_is_killed_after_two_seconds)
{
	const struct how how = { .is_streamed = true };
	uint64_t at;

	/* paused and with a full pipe, too */
	begin("trap '' TERM; echo $$ >$D/pid; yes", &how);
	(void)pid_in(file("pid"));
	vmv_job_pause(r.job, true);
	jobs_for(100);
	at = vmv_mono_ms(&vmv_clock_system);
	vmv_job_cancel(r.job);
	vmv_job_cancel(r.job);
	jobs_wait(&r);
	ck_assert(r.end.is_cancelled && !r.end.is_timed_out);
	ck_assert_int_eq(r.end.exit_code, 137);
	ck_assert_uint_ge(vmv_mono_ms(&vmv_clock_system) - at, VMV_CANCEL_KILL_MS);
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system) - at, 15000);
}
END_TEST

START_TEST(freed_it_is_killed_and_nobody_is_told)
{
	struct how how = { 0 };
	long pid, daemon;

	if (!choose(_i, &how))
		return;
	begin("trap '' TERM; setsid sleep 1000 & echo $! >$D/daemon; echo $$ >$D/pid; wait", &how);
	daemon = pid_in(file("daemon"));
	pid = pid_in(file("pid"));
	vmv_job_free(r.job);
	r.job = NULL;
	assert_dies(pid);
	assert_dies(daemon);
	ck_assert_uint_eq(r.n_ended, 0);
	ck_assert_int_eq(waitpid((pid_t)pid, NULL, WNOHANG), -1); /* reaped */
}
END_TEST

static bool has_done(void *arg)
{
	(void)arg;
	return access(file("done"), F_OK) == 0;
}

START_TEST(let_go_it_goes_on)
{
	struct how how = { 0 };
	long pid;

	if (!choose(_i, &how))
		return;
	begin("trap '' PIPE; echo $$ >$D/pid; until test -e $D/go; do sleep 0.05; done; "
	      "echo on; : >$D/done",
	      &how);
	pid = pid_in(file("pid"));
	vmv_job_let_go(r.job);
	r.job = NULL;
	ck_assert_int_eq(close(open(file("go"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	jobs_until(has_done, NULL);
	ck_assert_uint_eq(r.n_ended, 0);
	ck_assert_int_eq(waitpid((pid_t)pid, NULL, 0), pid);
}
END_TEST

/* -- descriptions and results --------------------------------------------------------------- */

START_TEST(a_description_may_be_long)
{
	size_t len = 5 * VMV_MIB;
	char *pad = malloc(len + 32), *description;
	int n;

	n = snprintf(pad, 32, ",\"pad\":\"");
	memset(pad + n, 'x', len);
	(void)stpcpy(pad + (size_t)n + len, "\"");
	description = jobs_raw("echo long", pad, NULL);
	free(pad);
	jobs_run(&r, description, &patient);
	ck_assert_str_eq(r.out.data, "long\n");
	ck_assert_int_eq(r.end.exit_code, 0);
}
END_TEST

START_TEST(what_is_no_description_is_said_to_be_none)
{
	static const char *const bad[] = {
		"", "{", "[]", "null", "{}", "{\"kind\":\"raw\"}",
	};

	for (size_t i = 0; i < VMV_COUNTOF(bad); i++) {
		jobs_run(&r, strdup(bad[i]), &patient);
		ck_assert_msg(strstr(r.result.data, "\"error\":\"the job's description"), "%s: %s",
			      bad[i], r.result.data);
		ran_free(&r);
	}
}
END_TEST

static void run_own(uint64_t n, const char *text)
{
	struct how how = { .program = own_path() };
	char description[256];

	(void)snprintf(description, sizeof(description), "%llu %s", (unsigned long long)n, text);
	jobs_start(&r, description, strlen(description), &how);
	jobs_wait(&r);
	ck_assert_int_eq(r.end.exit_code, 0);
}

START_TEST(the_result_is_what_follows_the_first_line)
{
	run_own(0, "\n{\"a\":1}\n");
	ck_assert_str_eq(r.result.data, "{\"a\":1}\n");
	ck_assert(!r.end.is_result_too_long);
}
END_TEST

START_TEST(a_result_that_just_fits_comes_whole)
{
	run_own(VMV_JOB_RESULT_MAX, "\n");
	ck_assert_uint_eq(r.end.result_len, VMV_JOB_RESULT_MAX);
	ck_assert(!r.end.is_result_too_long);
}
END_TEST

START_TEST(a_result_that_is_too_long_is_none)
{
	run_own(VMV_JOB_RESULT_MAX + 1, "\n");
	ck_assert_uint_eq(r.end.result_len, 0);
	ck_assert(r.end.is_result_too_long);
	ran_free(&r);
	run_own(100 * VMV_MIB, "/x\n");
	ck_assert(r.end.is_result_too_long);
}
END_TEST

START_TEST(without_a_first_line_there_is_no_result)
{
	run_own(100, "x");
	ck_assert_uint_eq(r.end.result_len, 0);
}
END_TEST

/* What is not the job's own group is never killed: this process is in it. */
START_TEST(a_group_that_is_not_its_own_is_not_believed)
{
	static const char *const lies[] = {
		"/",
		"/vmvitals",
		"/vmvitals/job-other",
		"/vmvitals/../vmvitals/job-mine",
		"/system.slice/vmvitals-execd.service",
		"vmvitals/job-mine",
		"/a.slice/vmvitals-job-other.scope",
	};

	for (size_t i = 0; i < VMV_COUNTOF(lies); i++)
		ck_assert_msg(!vmv_cgroup_is_of(lies[i], "mine"), "%s", lies[i]);
	ck_assert(vmv_cgroup_is_of("/vmvitals/job-mine", "mine"));
	ck_assert(vmv_cgroup_is_of("/vmvitals.slice/vmvitals-job-mine.scope", "mine"));
}
END_TEST

/* -- becoming another program --------------------------------------------------------------- */

static pid_t begun_pid;
static unsigned n_begun;

static void on_began(void *arg, pid_t pid)
{
	ck_assert_ptr_eq(arg, &r);
	ck_assert(!r.has_ended);
	begun_pid = pid;
	n_begun++;
}

static bool has_begun_and_written(void *arg)
{
	uint64_t counts[2];

	(void)arg;
	vmv_job_counts(r.job, counts);
	return n_begun > 0 && counts[0] > 0;
}

START_TEST(who_becomes_a_program_has_begun)
{
	n_begun = 0;
	begin("echo $$; exec sleep 1000", &patient);
	r.calls.began = on_began;
	jobs_until(has_begun_and_written, NULL);
	ck_assert_int_eq(begun_pid, vmv_job_pid(r.job));
	ck_assert_int_eq(kill(begun_pid, SIGTERM), 0);
	jobs_wait(&r);
	ck_assert_int_eq(r.end.signal, SIGTERM);
	ck_assert_int_eq(atoi(r.out.data), begun_pid);
	ck_assert_uint_eq(n_begun, 1);
}
END_TEST

START_TEST(a_program_that_ends_at_once_has_begun)
{
	n_begun = 0;
	begin("exit 3", &patient);
	r.calls.began = on_began;
	jobs_wait(&r);
	ck_assert_uint_eq(n_begun, 1);
	ck_assert_int_eq(r.end.exit_code, 3);
}
END_TEST

/* A result, too long a one, and a child that ended before it was anything. */
static const char *const never_begun[] = { "0 \n{}", "4000000 \n", "0 x" };

START_TEST(who_says_something_or_comes_to_nothing_has_not_begun)
{
	struct how how = { .program = own_path() };

	n_begun = 0;
	jobs_start(&r, never_begun[_i], strlen(never_begun[_i]), &how);
	r.calls.began = on_began;
	jobs_wait(&r);
	ck_assert_uint_eq(n_begun, 0);
}
END_TEST

START_TEST(raw_output_is_its_beginning_and_shares_a_bound)
{
	size_t left = 3 * VMV_MIB;
	const struct how how = { .output_max = 2 * VMV_MIB, .raw_left = &left };

	run("head -c 2097152 /dev/zero; head -c 2000000 /dev/zero >&2", &how);
	ck_assert_uint_eq(r.end.out.len + r.end.err.len, 3 * VMV_MIB);
	ck_assert(r.end.err.is_cut || r.end.out.is_cut);
	ck_assert_uint_eq(r.end.out.total, 2097152);
	ran_free(&r);
	ck_assert_uint_eq(left, 3 * VMV_MIB);
}
END_TEST

/* -- several -------------------------------------------------------------------------------- */

START_TEST(eight_at_once_do_not_mix)
{
	static struct ran all[8];
	char command[160], expected[32];

	for (int i = 0; i < 8; i++) {
		char *description;

		(void)snprintf(command, sizeof(command),
			       "head -c %d /dev/zero | tr '\\0' %c; sleep 0.2; exit %d", 100000 + i,
			       'a' + i, i);
		description = jobs_raw(command, "", NULL);
		jobs_start(&all[i], description, strlen(description), &patient);
		free(description);
	}
	for (int i = 0; i < 8; i++)
		jobs_wait(&all[i]);
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(all[i].end.exit_code, i);
		ck_assert_uint_eq(all[i].end.out.total, 100000u + (unsigned)i);
		(void)snprintf(expected, sizeof(expected), "%c", 'a' + i);
		ck_assert_uint_eq(strspn(all[i].out.data, expected), 100000u + (unsigned)i);
		ran_free(&all[i]);
	}
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}
END_TEST

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(a_job_leaves_no_descriptor_open)
{
	unsigned before = open_descriptors();

	for (int i = 0; i < 3; i++) {
		run("echo x", &patient);
		ran_free(&r);
	}
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, output_and_exit_code_come_back);
	tcase_add_test(tc, a_signal_is_128_and_its_number);
	tcase_add_test(tc, a_child_that_closes_its_output_goes_on);
	tcase_add_test(tc, a_program_that_is_missing_is_an_error_at_once);
	tcase_add_test(tc, without_pidfd_the_end_is_noticed_as_well);
	tcase_add_test(tc, a_gigabyte_passes_in_bounded_memory);
	tcase_add_test(tc, streamed_output_comes_in_pieces_up_to_its_limit);
	tcase_add_test(tc, streamed_output_is_whole_when_it_is_below_the_limit);
	tcase_add_test(tc, streamed_output_does_not_wait_to_be_more);
	tcase_add_test(tc, a_character_is_never_split_between_pieces);
	tcase_add_test(tc, a_paused_child_waits_and_nothing_is_lost);
	tcase_add_test(tc, a_child_that_ended_while_paused_is_read_afterwards);
	tcase_add_test(tc, a_pause_ends_with_the_deadline);
	tcase_add_loop_test(tc, term_is_ignored_and_kill_follows, 0, 2);
	tcase_add_loop_test(tc, nothing_goes_on_after_kill, 0, 2);
	tcase_add_test(tc, term_gives_time_for_last_words);
	tcase_add_loop_test(tc, a_daemon_survives_a_natural_end, 0, 2);
	tcase_add_loop_test(tc, a_daemon_without_pipes_delays_nothing, 0, 2);
	tcase_add_loop_test(tc, a_runaway_dies_at_the_deadline, 0, 2);
	tcase_add_loop_test(tc, a_stopped_job_dies_as_well, 0, 2);
	tcase_add_test(tc, a_storm_of_forks_ends_with_its_group);
	tcase_add_test(tc, a_fork_bomb_does_not_outgrow_its_group);
	tcase_add_test(tc, late_is_told_once_and_the_job_goes_on);
	tcase_add_test(tc, what_was_said_so_far_can_be_had);
	tcase_add_loop_test(tc, cancelled_it_gets_term, 0, 2);
	tcase_add_test(tc, cancelled_and_deaf_it_is_killed_after_two_seconds);
	tcase_add_loop_test(tc, freed_it_is_killed_and_nobody_is_told, 0, 2);
	tcase_add_loop_test(tc, let_go_it_goes_on, 0, 2);
	tcase_add_test(tc, a_description_may_be_long);
	tcase_add_test(tc, what_is_no_description_is_said_to_be_none);
	tcase_add_test(tc, the_result_is_what_follows_the_first_line);
	tcase_add_test(tc, a_result_that_just_fits_comes_whole);
	tcase_add_test(tc, a_result_that_is_too_long_is_none);
	tcase_add_test(tc, without_a_first_line_there_is_no_result);
	tcase_add_test(tc, a_group_that_is_not_its_own_is_not_believed);
	tcase_add_test(tc, who_becomes_a_program_has_begun);
	tcase_add_test(tc, a_program_that_ends_at_once_has_begun);
	tcase_add_loop_test(tc, who_says_something_or_comes_to_nothing_has_not_begun, 0,
			    (int)VMV_COUNTOF(never_begun));
	tcase_add_test(tc, raw_output_is_its_beginning_and_shares_a_bound);
	tcase_add_test(tc, eight_at_once_do_not_mix);
	tcase_add_test(tc, a_job_leaves_no_descriptor_open);
}

int main(int argc, char **argv)
{
	Suite *s;
	TCase *tc;
	SRunner *sr;
	int failed;

	if (argc == 1 && strcmp(argv[0], "vmvitals-job") == 0)
		return be_job();
	s = suite_create("job");
	tc = tcase_create("jobs");
	sr = srunner_create(s);
	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 120);
	add_tests(tc);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
