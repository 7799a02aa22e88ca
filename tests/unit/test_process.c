#include "collectors/process.h"

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

/* Columns 4 to 13, then utime 250, stime 130, four more, 3 threads, a zero, starttime 93484,
 * vsize 3133440, 362 pages, and some of the rest. */
#define NUMBERS "4787 4787 3510 0 -1 4194304 100 0 0 0 250 130 0 -1 20 -5 3 0 93484 3133440 362"
#define REST	" 18446744073709551615 94031869718528 1 0 0\n"

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

/* A reading by hand: the state outlives it, and the turns are counted. */
struct reading {
	struct vmv_root root;
	struct kept k;
	struct vmv_err err;
	void *state;
	unsigned turns;
};

static void reading_up(struct reading *r)
{
	*r = (struct reading){ .turns = 0 };
	ck_assert_int_eq(vmv_root_open(&r->root, "/", &r->err), 0);
	kept_init(&r->k, &vmv_collector_process);
	r->state = vmv_collector_process.open(&r->root);
	ck_assert_ptr_nonnull(r->state);
}

static int reading_turn(struct reading *r)
{
	r->turns++;
	return vmv_collector_process.read(r->state, &r->root, &r->k.sink, &r->err);
}

static int reading_rest(struct reading *r)
{
	int got;

	do {
		got = reading_turn(r);
	} while (got == VMV_MORE);
	return got;
}

static const struct vmv_process_sample *reading_row(const struct reading *r, pid_t pid)
{
	char id[16];

	(void)snprintf(id, sizeof(id), "%d", (int)pid);
	return kept_row(&r->k, id);
}

static void reading_down(struct reading *r)
{
	kept_clear(&r->k);
	vmv_collector_process.close(r->state);
	vmv_root_close(&r->root);
}

START_TEST(a_stat_line_is_taken_apart)
{
	struct vmv_process_sample s;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_process_parse("4799 (cat) R " NUMBERS REST, 4096, &s, &err), 0);
	ck_assert_uint_eq(s.pid, 4799);
	ck_assert_uint_eq(s.ppid, 4787);
	ck_assert_str_eq(s.comm, "cat");
	ck_assert_str_eq(s.state, "R");
	ck_assert_uint_eq(s.utime, 250);
	ck_assert_uint_eq(s.stime, 130);
	ck_assert_uint_eq(s.threads, 3);
	ck_assert_uint_eq(s.starttime, 93484);
	ck_assert_uint_eq(s.vsize, 3133440);
	ck_assert_uint_eq(s.rss, 1482752); /* 362 pages of 4096 bytes */
}
END_TEST

static const struct {
	const char *text, *comm;
} comms[] = {
	{ "1 (systemd) S " NUMBERS "\n", "systemd" },
	{ "1 (a b c) S " NUMBERS "\n", "a b c" },
	{ "1 (a) (b) S " NUMBERS "\n", "a) (b" },
	{ "1 (a) R 1 2 3) S " NUMBERS "\n", "a) R 1 2 3" },
	{ "1 (()) S " NUMBERS "\n", "()" },
	{ "1 ()) S " NUMBERS "\n", ")" },
	{ "1 (a\nb) S " NUMBERS "\n", "a\nb" },
	{ "1 (\xff\xfe) S " NUMBERS "\n", "\xff\xfe" },
	{ "1 () S " NUMBERS "\n", "?" },
	{ "1 ( ) S " NUMBERS "\n", " " },
	{ "1 (kworker/u16:3-events_unbound_very_long_name_of_a_work_queue_is63) I " NUMBERS "\n",
	  "kworker/u16:3-events_unbound_very_long_name_of_a_work_queue_is6" },
};

START_TEST(comm_may_hold_anything)
{
	struct vmv_process_sample s;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_process_parse(comms[_i].text, 4096, &s, &err), 0);
	ck_assert_str_eq(s.comm, comms[_i].comm);
	ck_assert_uint_eq(s.rss, 1482752);
}
END_TEST

static const char *const bad[] = {
	"",
	"\n",
	"1",
	"1 (cat",
	"1 (cat)",
	"1 (cat) ",
	"1 (cat) R",
	"1 (cat) R 4787\n",
	"1 (cat) R 4787 4787 3510 0 -1 4194304 100 0 0 0 250 130 0 0 20 0 3 0 93484 3133440\n",
	"1 (cat) R " NUMBERS, /* cut: there may be more digits */
	"1 (cat) 1 " NUMBERS REST,
	"1 (cat)R " NUMBERS REST,
	"1 (cat) R  " NUMBERS REST,
	"1(cat) R " NUMBERS REST,
	"x (cat) R " NUMBERS REST,
	"-1 (cat) R " NUMBERS REST,
	"1 ) R " NUMBERS REST,
	"1 (cat R " NUMBERS REST,
	"99999999999999999999 (cat) R " NUMBERS REST,
	"1 (cat) R -1 4787 3510 0 -1 4194304 100 0 0 0 250 130 0 0 20 0 3 0 93484 3133440 362\n",
	"1 (cat) R 1 4787 3510 0 -1 4194304 100 0 0 0 -2 130 0 0 20 0 3 0 93484 3133440 362\n",
	"1 (cat) R 1 4787 3510 0 -1 4194304 100 0 0 0 x 130 0 0 20 0 3 0 93484 3133440 362\n",
	/* times 4096 it does not fit */
	"1 (cat) R 1 1 1 0 -1 1 1 0 0 0 2 1 0 0 20 0 3 0 9 3 4503599627370496\n",
	"1 (cat) R 1 1 1 0 -1 1 1 0 0 0 2 1 0 0 20 0 3 0 9 3 99999999999999999999\n",
};

START_TEST(a_malformed_line_fails_and_leaves_output_alone)
{
	struct vmv_process_sample s = { .pid = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_process_parse(bad[_i], 4096, &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(s.pid, 7);
}
END_TEST

static void put_process(const char *pid, const char *stat)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%s/stat", pid);
	fixture_put(&fx, path, stat);
}

START_TEST(rows_are_in_order_of_pid_and_a_vanished_process_is_left_out)
{
	struct vmv_err err = { 0 };
	struct kept k;

	put_process("100", "100 (c) S " NUMBERS "\n");
	put_process("20", "20 (b) S " NUMBERS "\n");
	put_process("3", "3 (a) S " NUMBERS "\n");
	fixture_mkdir(&fx, "proc/50"); /* listed, but its stat is gone */
	put_process("self", "3 (a) S " NUMBERS "\n");
	put_process("7x", "7 (x) S " NUMBERS "\n");
	fixture_put(&fx, "proc/uptime", "1.00 1.00\n");

	kept_init(&k, &vmv_collector_process);
	ck_assert_msg(kept_read(&k, &vmv_collector_process, &fx.root, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(k.n, 3);
	ck_assert_str_eq(k.ids[0], "3");
	ck_assert_str_eq(k.ids[1], "20");
	ck_assert_str_eq(k.ids[2], "100");
	ck_assert_int_eq(err.code, VMV_OK);
	kept_clear(&k);
}
END_TEST

/* Past the listing, which is a slice of its own. */
static int read_rest(void *state, struct vmv_sink *sink, struct vmv_err *err)
{
	int r;

	do {
		r = vmv_collector_process.read(state, &fx.root, sink, err);
	} while (r == VMV_MORE);
	return r;
}

START_TEST(a_malformed_stat_fails_the_reading_and_the_next_call_starts_anew)
{
	void *state = vmv_collector_process.open(&fx.root);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_process);
	put_process("3", "3 (a) S " NUMBERS "\n");
	put_process("4", "4 (b)\n");
	ck_assert_int_eq(read_rest(state, &k.sink, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(k.n, 1);
	kept_clear(&k);
	put_process("4", "4 (b) S " NUMBERS "\n");
	ck_assert_int_eq(read_rest(state, &k.sink, &err), 0);
	ck_assert_uint_eq(k.n, 2);
	kept_clear(&k);
	vmv_collector_process.close(state);
	vmv_collector_process.close(NULL);
}
END_TEST

static int refuse_row(struct vmv_sink *sink, const char *id, const void *sample)
{
	(void)sink;
	(void)id;
	(void)sample;
	return -ENOBUFS;
}

START_TEST(an_error_of_the_sink_ends_the_reading)
{
	struct vmv_sink sink = { .row = refuse_row };
	void *state = vmv_collector_process.open(&fx.root);
	struct vmv_err err = { 0 };

	put_process("3", "3 (a) S " NUMBERS "\n");
	ck_assert_int_eq(read_rest(state, &sink, &err), -ENOBUFS);
	vmv_collector_process.close(state);
}
END_TEST

START_TEST(live_we_are_in_the_list)
{
	const struct vmv_process_sample *s;
	struct reading r;

	ck_assert_int_eq(prctl(PR_SET_NAME, "vmv) (test 1"), 0);
	reading_up(&r);
	ck_assert_int_eq(reading_rest(&r), 0);
	s = reading_row(&r, getpid());
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->pid, (uint64_t)getpid());
	ck_assert_uint_eq(s->ppid, (uint64_t)getppid());
	ck_assert_str_eq(s->comm, "vmv) (test 1");
	ck_assert_str_eq(s->state, "R");
	ck_assert_uint_eq(s->threads, 1);
	ck_assert_uint_gt(s->rss, 0);
	ck_assert_uint_gt(s->vsize, s->rss);
	ck_assert_uint_gt(s->starttime, 0);
	s = (const void *)r.k.samples;
	for (size_t i = 0; i < r.k.n; i++)
		ck_assert_str_ne(s[i].comm, "");
	reading_down(&r);
}
END_TEST

START_TEST(live_an_empty_name_becomes_a_question_mark)
{
	struct vmv_process_sample s;
	struct vmv_err err = { 0 };
	struct vmv_root root;

	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	ck_assert_int_eq(prctl(PR_SET_NAME, ""), 0);
	ck_assert_int_eq(vmv_process_stat(&root, (uint64_t)getpid(), &s, &err), 0);
	ck_assert_str_eq(s.comm, "?");
	vmv_root_close(&root);
}
END_TEST

static pid_t start_child(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void end_child(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

#define N_CHILDREN 200

static void check_ascending(const struct kept *k)
{
	const struct vmv_process_sample *s = (const void *)k->samples;

	for (size_t i = 1; i < k->n; i++)
		ck_assert_uint_lt(s[i - 1].pid, s[i].pid);
}

START_TEST(live_scan_works_in_slices_and_leaves_out_who_ended_between_them)
{
	pid_t child[N_CHILDREN];
	size_t last = 0;
	struct reading r;

	for (size_t i = 0; i < N_CHILDREN; i++) {
		child[i] = start_child();
		if (child[i] > child[last])
			last = i;
	}
	reading_up(&r);
	do {
		ck_assert_int_eq(reading_turn(&r), VMV_MORE);
	} while (r.k.n == 0); /* listing */
	ck_assert_uint_le(r.k.n, VMV_SCAN_SLICE);
	end_child(child[last]);
	ck_assert_int_eq(reading_rest(&r), 0);
	ck_assert_uint_ge(r.turns, 4); /* over 200 processes */
	for (size_t i = 0; i < N_CHILDREN; i++)
		ck_assert_int_eq(reading_row(&r, child[i]) != NULL, i != last);
	check_ascending(&r.k);

	/* the next reading is a whole one again */
	kept_clear(&r.k);
	ck_assert_int_eq(reading_rest(&r), 0);
	ck_assert_ptr_nonnull(reading_row(&r, getpid()));
	ck_assert_ptr_null(reading_row(&r, child[last]));
	reading_down(&r);
	for (size_t i = 0; i < N_CHILDREN; i++)
		if (i != last)
			end_child(child[i]);
}
END_TEST

START_TEST(live_no_free_descriptor_fails_the_reading)
{
	struct rlimit before, none;
	struct reading r;
	int got;

	reading_up(&r);
	ck_assert_int_eq(reading_rest(&r), 0);
	kept_clear(&r.k);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	got = reading_rest(&r);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(got, -EMFILE);
	ck_assert_int_eq(r.err.code, VMV_E_IO);
	ck_assert_int_eq(r.err.sys, EMFILE);
	ck_assert_uint_eq(r.k.n, 0);
	ck_assert_int_eq(reading_rest(&r), 0);
	ck_assert_ptr_nonnull(reading_row(&r, getpid()));
	reading_down(&r);
}
END_TEST

START_TEST(live_details_are_those_of_the_process)
{
	vmv_autofree struct vmv_process_detail *d = malloc(sizeof(*d));
	struct vmv_process_sample s;
	struct vmv_err err = { 0 };
	struct vmv_root root;
	char path[32], exe[4096] = "";
	pid_t child = start_child();

	ck_assert_ptr_nonnull(d);
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)child);
	ck_assert_int_gt(readlink(path, exe, sizeof(exe) - 1), 0);
	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	ck_assert_int_eq(vmv_process_stat(&root, (uint64_t)child, &s, &err), 0);
	ck_assert_int_eq(vmv_process_detail(&root, s.pid, s.starttime, d), 0);
	ck_assert(d->has_exe);
	ck_assert_str_eq(d->exe, exe);
	ck_assert(d->has_cmdline);
	ck_assert_ptr_nonnull(strstr(d->cmdline, "test_process"));
	ck_assert_uint_eq(d->cmdline_len, strlen(d->cmdline));
	ck_assert(d->has_uid);
	ck_assert_uint_eq(d->uid, geteuid());
	end_child(child);
	vmv_root_close(&root);
}
END_TEST

START_TEST(live_another_start_time_is_another_process)
{
	vmv_autofree struct vmv_process_detail *d = calloc(1, sizeof(*d));
	struct vmv_process_sample s;
	struct vmv_err err = { 0 };
	struct vmv_root root;
	pid_t child = start_child();

	ck_assert_int_eq(vmv_root_open(&root, "/", &err), 0);
	ck_assert_int_eq(vmv_process_stat(&root, (uint64_t)child, &s, &err), 0);
	ck_assert_int_eq(vmv_process_detail(&root, s.pid, s.starttime + 1, d), -ESRCH);
	ck_assert_int_eq(vmv_process_detail(&root, s.pid, s.starttime, d), 0);
	d->uid = 7;
	end_child(child);
	ck_assert_int_eq(vmv_process_detail(&root, s.pid, s.starttime, d), -ESRCH);
	ck_assert_uint_eq(d->uid, 7); /* untouched */
	vmv_root_close(&root);
}
END_TEST

static void read_detail(struct vmv_process_detail *d)
{
	put_process("7", "7 (x) S " NUMBERS "\n");
	ck_assert_int_eq(vmv_process_detail(&fx.root, 7, 93484, d), 0);
}

START_TEST(arguments_are_joined_by_blanks)
{
	static const char args[] = "/usr/bin/x\0-a\0two words\0\0\0";
	struct vmv_process_detail d;

	fixture_put_bytes(&fx, "proc/7/cmdline", args, sizeof(args));
	fixture_link(&fx, "proc/7/exe", "/usr/bin/x (deleted)");
	fixture_put(&fx, "proc/7/io",
		    "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\n"
		    "read_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 5\n");
	read_detail(&d);
	ck_assert(d.has_cmdline);
	ck_assert_str_eq(d.cmdline, "/usr/bin/x -a two words");
	ck_assert_uint_eq(d.cmdline_len, 23);
	ck_assert(d.has_exe);
	ck_assert_str_eq(d.exe, "/usr/bin/x (deleted)");
	ck_assert(d.has_io);
	ck_assert_uint_eq(d.read_bytes, 4096);
	ck_assert_uint_eq(d.write_bytes, 8192);
}
END_TEST

START_TEST(a_kernel_thread_has_neither_program_nor_arguments)
{
	struct vmv_process_detail d;

	fixture_put(&fx, "proc/7/cmdline", "");
	read_detail(&d);
	ck_assert(!d.has_cmdline);
	ck_assert_str_eq(d.cmdline, "");
	ck_assert(!d.has_exe);
	ck_assert_str_eq(d.exe, "");
	ck_assert(!d.has_io);
	ck_assert(d.read_bytes == VMV_UNSET);
	ck_assert(d.write_bytes == VMV_UNSET);
}
END_TEST

START_TEST(long_arguments_are_cut)
{
	struct vmv_process_detail d;
	char args[6000];

	memset(args, 'a', sizeof(args));
	fixture_put_bytes(&fx, "proc/7/cmdline", args, sizeof(args));
	read_detail(&d);
	ck_assert(d.has_cmdline);
	ck_assert_uint_eq(d.cmdline_len, 4095);
	ck_assert_uint_eq(strlen(d.cmdline), 4095);
}
END_TEST

static const char *const bad_io[] = {
	"",
	"read_bytes: 1\n",
	"write_bytes: 1\n",
	"read_bytes: x\nwrite_bytes: 1\n",
	"cancelled_read_bytes: 1\ncancelled_write_bytes: 1\n",
};

START_TEST(malformed_io_is_unknown)
{
	struct vmv_process_detail d;

	fixture_put(&fx, "proc/7/io", bad_io[_i]);
	read_detail(&d);
	ck_assert(!d.has_io);
	ck_assert(d.read_bytes == VMV_UNSET);
}
END_TEST

START_TEST(no_process_is_esrch)
{
	struct vmv_process_detail d;

	ck_assert_int_eq(vmv_process_detail(&fx.root, 7, 1, &d), -ESRCH);
}
END_TEST

START_TEST(only_a_subscription_that_names_it_gets_it)
{
	ck_assert(!vmv_collector_process.is_default);
	ck_assert_str_eq(vmv_collector_process.key, "pid");
}
END_TEST

/* -- what is kept between readings ------------------------------------------------------ */

/* How many of our descriptors lead to a stat file of /proc. */
static size_t count_kept(void)
{
	char path[64], target[64];
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		ssize_t len;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		n += strncmp(target, "/proc/", 6) == 0 && strstr(target, "/stat") != NULL;
	}
	return n;
}

static void read_again(struct reading *r)
{
	kept_clear(&r->k);
	ck_assert_int_eq(reading_rest(r), 0);
}

START_TEST(live_descriptors_are_kept_from_the_second_reading_on)
{
	struct rlimit enough = { 0 };
	pid_t child = start_child();
	struct reading r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &enough), 0);
	if (enough.rlim_cur < 1024 || enough.rlim_cur == RLIM_INFINITY)
		enough.rlim_cur = 1024;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &enough), 0);
	reading_up(&r);
	read_again(&r);
	ck_assert_uint_eq(count_kept(), 0); /* most processes that are seen once have ended */
	read_again(&r);
	ck_assert_uint_ge(count_kept(), 3);
	ck_assert_ptr_nonnull(reading_row(&r, child));
	read_again(&r);
	ck_assert_ptr_nonnull(reading_row(&r, child));
	ck_assert_ptr_nonnull(reading_row(&r, getpid()));
	end_child(child);
	read_again(&r);
	ck_assert_ptr_null(reading_row(&r, child));
	reading_down(&r);
	ck_assert_uint_eq(count_kept(), 0);
}
END_TEST

START_TEST(live_a_kept_descriptor_tells_what_changed)
{
	const struct vmv_process_sample *s;
	uint64_t before;
	struct reading r;

	reading_up(&r);
	for (int i = 0; i < 3; i++)
		read_again(&r);
	s = reading_row(&r, getpid());
	ck_assert_ptr_nonnull(s);
	before = s->utime + s->stime;
	ck_assert_int_eq(prctl(PR_SET_NAME, "renamed"), 0);
	do {
		read_again(&r);
		s = reading_row(&r, getpid());
		ck_assert_ptr_nonnull(s);
	} while (s->utime + s->stime <= before); /* each reading takes CPU time */
	ck_assert_str_eq(s->comm, "renamed");
	reading_down(&r);
}
END_TEST

START_TEST(live_a_new_process_is_seen_at_once)
{
	struct reading r;
	pid_t child;

	reading_up(&r);
	for (int i = 0; i < 3; i++)
		read_again(&r);
	for (int i = 0; i < 5; i++) {
		child = start_child();
		read_again(&r);
		ck_assert_ptr_nonnull(reading_row(&r, child));
		end_child(child);
		read_again(&r);
		ck_assert_ptr_null(reading_row(&r, child));
	}
	reading_down(&r);
}
END_TEST

/* On the other side of the pipes, in the namespace of /proc: at a byte, another process. */
static pid_t start_maker(int order, int made)
{
	pid_t pid = fork(), child;
	char byte;

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(order, &byte, 1) == 1) {
		child = start_child();
		(void)!write(made, &child, sizeof(child));
		(void)!read(order, &byte, 1); /* the end of it */
	}
	_exit(EXIT_SUCCESS);
}

/* Does it see a process that the maker makes after some readings? */
static bool sees_new_process(int order, int made)
{
	struct reading r;
	pid_t child;
	bool is_seen;

	reading_up(&r);
	for (int i = 0; i < 3; i++)
		read_again(&r);
	ck_assert_int_eq(write(order, "", 1), 1);
	ck_assert_int_eq(read(made, &child, sizeof(child)), sizeof(child));
	read_again(&r);
	is_seen = reading_row(&r, child) != NULL;
	reading_down(&r);
	return is_seen;
}

#define SKIPPED 77

/* In a child of its own: who has left his pid namespace cannot start threads, as LeakSanitizer does
 * at the end. */
static int read_from_another_namespace(int order, int made)
{
	pid_t reader;
	int status;

	if (unshare(CLONE_NEWPID) < 0)
		return SKIPPED;
	reader = fork();
	if (reader == 0)
		_exit(sees_new_process(order, made) ? EXIT_SUCCESS : EXIT_FAILURE);
	return reader > 0 && waitpid(reader, &status, 0) == reader && status == 0 ? EXIT_SUCCESS
										  : EXIT_FAILURE;
}

/* As in a container that is shown the machine's /proc: the last pid in loadavg is that of the
 * reader's namespace. */
START_TEST(live_a_new_process_of_another_pid_namespace_is_seen_at_once)
{
	int order[2], made[2], status;
	pid_t maker, reader;

	ck_assert_int_eq(pipe(order), 0);
	ck_assert_int_eq(pipe(made), 0);
	maker = start_maker(order[0], made[1]);
	reader = fork();
	ck_assert_int_ge(reader, 0);
	if (reader == 0)
		_exit(read_from_another_namespace(order[1], made[0]));
	ck_assert_int_eq(waitpid(reader, &status, 0), reader);
	end_child(maker);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		SAY_SKIPPED("no pid namespace of our own");
	else
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	for (int i = 0; i < 2; i++) {
		(void)close(order[i]);
		(void)close(made[i]);
	}
}
END_TEST

/* A child with this very pid; -1: not possible here. */
static pid_t start_child_as(pid_t pid)
{
	for (int tries = 0; tries < 50; tries++) {
		FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "w");
		pid_t got;

		if (!f)
			return -1;
		(void)fprintf(f, "%d", (int)pid - 1);
		if (fclose(f) != 0)
			return -1;
		got = start_child();
		if (got == pid)
			return got;
		end_child(got); /* somebody else was quicker */
	}
	return -1;
}

START_TEST(live_a_pid_that_is_used_again_is_another_process)
{
	const struct vmv_process_sample *s;
	pid_t child = start_child(), other;
	uint64_t began;
	struct reading r;

	reading_up(&r);
	for (int i = 0; i < 3; i++)
		read_again(&r); /* its descriptor is kept by now */
	s = reading_row(&r, child);
	ck_assert_ptr_nonnull(s);
	began = s->starttime;
	end_child(child);
	(void)usleep(20000); /* start times are told in ticks of 10 ms */
	other = start_child_as(child);
	if (other < 0) {
		SAY_SKIPPED("pids cannot be chosen here (/proc/sys/kernel/ns_last_pid)");
		reading_down(&r);
		return;
	}
	for (int i = 0; i < 3; i++) {
		read_again(&r);
		s = reading_row(&r, other);
		ck_assert_ptr_nonnull(s);
		ck_assert_uint_gt(s->starttime, began);
	}
	end_child(other);
	reading_down(&r);
}
END_TEST

START_TEST(live_when_descriptors_run_out_the_kept_ones_are_given_back)
{
	struct rlimit before, few;
	struct reading r;
	size_t kept;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ .rlim_cur = 1024, .rlim_max = before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	reading_up(&r);
	for (int i = 0; i < 3; i++)
		read_again(&r);
	kept = count_kept();
	ck_assert_uint_ge(kept, 3);
	few.rlim_cur = 0; /* what is open stays open, and nothing can be opened */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	pid_t child = start_child();
	kept_clear(&r.k);
	int got = reading_rest(&r);
	few.rlim_cur = 1024;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(got, -EMFILE); /* it tried, and gave back all it had */
	ck_assert_uint_eq(count_kept(), 0);
	read_again(&r);
	ck_assert_ptr_nonnull(reading_row(&r, child));
	end_child(child);
	reading_down(&r);
}
END_TEST

START_TEST(what_is_kept_is_bounded_by_memory_and_descriptors)
{
	const uint64_t mib = 1 << 20, gib = 1 << 30;

	ck_assert_uint_eq(vmv_process_kept_max(512 * mib, 65536), 227);
	ck_assert_uint_eq(vmv_process_kept_max(8 * gib, 65536), 3640);
	ck_assert_uint_eq(vmv_process_kept_max(64 * gib, 65536), VMV_KEPT_STATS_MAX);
	ck_assert_uint_eq(vmv_process_kept_max(64 * gib, 1024), 1024 - VMV_NOFILE_RESERVE);
	ck_assert_uint_eq(vmv_process_kept_max(64 * gib, 256), 0);
	ck_assert_uint_eq(vmv_process_kept_max(64 * gib, UINT64_MAX), VMV_KEPT_STATS_MAX);
	ck_assert_uint_eq(vmv_process_kept_max(0, 1024), 0);
}
END_TEST

/* -- counts ------------------------------------------------------------------------------- */

/* Both groups of one reading, or the counts alone. */
static struct vmv_processes_sample counts(struct reading *r, bool with_processes, uint64_t number)
{
	struct vmv_processes_sample ret;
	struct kept k;
	int got;

	kept_init(&k, &vmv_collector_processes);
	k.sink.reading = r->k.sink.reading = number;
	kept_clear(&r->k);
	if (with_processes)
		ck_assert_int_eq(reading_rest(r), 0);
	do {
		got = vmv_collector_processes.read(r->state, &r->root, &k.sink, &r->err);
	} while (got == VMV_MORE);
	ck_assert_int_eq(got, 0);
	ck_assert_uint_eq(k.n, 1);
	memcpy(&ret, kept_row(&k, ""), sizeof(ret));
	kept_clear(&k);
	return ret;
}

static uint64_t sum(const struct vmv_processes_sample *c)
{
	return c->running + c->sleeping + c->disk_sleep + c->idle + c->stopped + c->tracing_stop +
	       c->zombie + c->dead;
}

START_TEST(live_counts_are_of_the_same_scan_as_the_processes)
{
	struct vmv_processes_sample c;
	struct reading r;

	reading_up(&r);
	c = counts(&r, true, 1);
	ck_assert_uint_eq(c.pids, r.k.n);
	ck_assert_uint_eq(sum(&c), c.pids);
	ck_assert_uint_ge(c.threads, c.pids);
	ck_assert_uint_ge(c.running, 1); /* us */
	ck_assert_uint_ge(c.max_processes, c.pids);
	ck_assert(c.max_threads == VMV_UNSET || c.max_threads > 0);
	reading_down(&r);
}
END_TEST

START_TEST(live_counts_can_be_had_alone_and_are_of_now)
{
	struct vmv_processes_sample c;
	struct reading r;
	pid_t child;

	reading_up(&r);
	r.k.sink.reading = 1;
	read_again(&r); /* of an earlier reading, which did not ask for counts */
	child = start_child();
	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(child, NULL, WUNTRACED), child);
	c = counts(&r, false, 2);
	ck_assert_uint_eq(sum(&c), c.pids);
	ck_assert_uint_ge(c.stopped, 1);
	end_child(child);
	reading_down(&r);
}
END_TEST

START_TEST(counts_of_a_recorded_tree)
{
	struct reading r = { .turns = 0 };
	struct vmv_processes_sample c;

	put_process("1", "1 (init) S " NUMBERS "\n");
	put_process("2", "2 (kthreadd) I " NUMBERS "\n");
	put_process("9", "9 (z) Z " NUMBERS "\n");
	put_process("10", "10 (odd) P " NUMBERS "\n");
	fixture_put(&fx, "proc/sys/kernel/pid_max", "4194304\n");
	r.root = fx.root;
	kept_init(&r.k, &vmv_collector_process);
	r.state = vmv_collector_process.open(&fx.root);
	c = counts(&r, false, 1);
	ck_assert_uint_eq(c.pids, 4);
	ck_assert_uint_eq(c.threads, 12);
	ck_assert_uint_eq(c.sleeping, 1);
	ck_assert_uint_eq(c.idle, 1);
	ck_assert_uint_eq(c.zombie, 1);
	ck_assert_uint_eq(sum(&c), 3);
	ck_assert_uint_eq(c.max_processes, 4194304);
	ck_assert(c.max_threads == VMV_UNSET);
	put_process("11", "11 (new) R " NUMBERS "\n");
	c = counts(&r, false, 2);
	ck_assert_uint_eq(c.pids,
			  5); /* a tree has no counter of pids handed out: listed each time */
	kept_clear(&r.k);
	vmv_collector_process.close(r.state);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("process");
	TCase *tc = tcase_create("read");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_stat_line_is_taken_apart);
	tcase_add_loop_test(tc, comm_may_hold_anything, 0, (int)VMV_COUNTOF(comms));
	tcase_add_loop_test(tc, a_malformed_line_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, rows_are_in_order_of_pid_and_a_vanished_process_is_left_out);
	tcase_add_test(tc, a_malformed_stat_fails_the_reading_and_the_next_call_starts_anew);
	tcase_add_test(tc, an_error_of_the_sink_ends_the_reading);
	tcase_add_test(tc, live_we_are_in_the_list);
	tcase_add_test(tc, live_an_empty_name_becomes_a_question_mark);
	tcase_add_test(tc, live_scan_works_in_slices_and_leaves_out_who_ended_between_them);
	tcase_add_test(tc, live_no_free_descriptor_fails_the_reading);
	tcase_add_test(tc, live_details_are_those_of_the_process);
	tcase_add_test(tc, live_another_start_time_is_another_process);
	tcase_add_test(tc, arguments_are_joined_by_blanks);
	tcase_add_test(tc, a_kernel_thread_has_neither_program_nor_arguments);
	tcase_add_test(tc, long_arguments_are_cut);
	tcase_add_loop_test(tc, malformed_io_is_unknown, 0, (int)VMV_COUNTOF(bad_io));
	tcase_add_test(tc, no_process_is_esrch);
	tcase_add_test(tc, only_a_subscription_that_names_it_gets_it);
	tcase_add_test(tc, live_descriptors_are_kept_from_the_second_reading_on);
	tcase_add_test(tc, live_a_kept_descriptor_tells_what_changed);
	tcase_add_test(tc, live_a_new_process_is_seen_at_once);
	tcase_add_test(tc, live_a_new_process_of_another_pid_namespace_is_seen_at_once);
	tcase_add_test(tc, live_a_pid_that_is_used_again_is_another_process);
	tcase_add_test(tc, live_when_descriptors_run_out_the_kept_ones_are_given_back);
	tcase_add_test(tc, what_is_kept_is_bounded_by_memory_and_descriptors);
	tcase_add_test(tc, live_counts_are_of_the_same_scan_as_the_processes);
	tcase_add_test(tc, live_counts_can_be_had_alone_and_are_of_now);
	tcase_add_test(tc, counts_of_a_recorded_tree);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
