#include "exec/asker.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HUGE_LEN 100000
#define PATIENCE 10000 /* ms; for what surely comes */

/* -- the helper: this program, when standard input is the asker's socket ------------------- */

static void say(const void *data, size_t len)
{
	(void)send(STDIN_FILENO, data, len, MSG_NOSIGNAL);
}

static void say_text(const char *text)
{
	say(text, strlen(text));
}

static void rest(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* What a child of the agent gets from it. */
static void say_inheritance(void)
{
	extern char **environ;
	struct sigaction usr1 = { 0 }, pipe_action = { 0 };
	char text[1024], target[256] = "";
	sigset_t mask;
	int n = 0, others = 0;

	(void)sigprocmask(SIG_BLOCK, NULL, &mask);
	(void)sigaction(SIGUSR1, NULL, &usr1);
	(void)sigaction(SIGPIPE, NULL, &pipe_action);
	for (int fd = 3; fd < 100; fd++)
		others += fcntl(fd, F_GETFD) >= 0;
	if (readlink("/proc/self/fd/1", target, sizeof(target) - 1) < 0)
		target[0] = '\0';
	n = snprintf(text, sizeof(text),
		     "ok\nblocked %d, default %d %d, own group %d, others %d, out %s, env",
		     sigismember(&mask, SIGUSR1), usr1.sa_handler == SIG_DFL,
		     pipe_action.sa_handler == SIG_DFL, getpgrp() == getpid(), others, target);
	for (char **e = environ; *e && n < 900; e++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %.60s", *e);
	say_text(text);
}

static void say_huge(void)
{
	char *text = calloc(1, HUGE_LEN);

	if (text)
		memcpy(text, "ok\n", 3);
	say(text, HUGE_LEN);
	free(text);
}

static void say_longest(size_t len)
{
	char *text = malloc(len + 3);

	if (!text)
		return;
	memset(text, 'x', len + 3);
	memcpy(text, "ok\n", 3);
	say(text, len + 3);
	free(text);
}

static void say_filled(const char *word, size_t len)
{
	size_t head = strlen(word);
	char *text = malloc(head + len + 1);

	if (!text)
		return;
	memcpy(text, word, head);
	memset(text + head, 'x', len);
	say(text, head + len);
	free(text);
}

/* "parts 3 100 5": three parts of 100 bytes, and a rest of 5. */
static void say_parts(const char *numbers)
{
	uint64_t n = 0, len = 0, rest_len = 0;

	(void)vmv_parse_u64(numbers, &n, &numbers);
	(void)vmv_parse_u64(numbers + 1, &len, &numbers);
	(void)vmv_parse_u64(numbers + 1, &rest_len, NULL);
	while (n-- > 0)
		say_filled("more\n", len);
	say_filled("ok\n", rest_len);
}

/* Leaves a mark, so that runs can be counted. */
static void mark(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	(void)!write(fd, "x", 1);
	(void)close(fd);
}

/* With a child, which nothing but a signal ends, and whose number it leaves in the file. */
static void hang_with_child(const char *path)
{
	char part[300];
	pid_t pid = fork();
	FILE *f;

	if (pid == 0) {
		(void)close(STDIN_FILENO); /* as all have something else there */
		(void)alarm(120);
		for (;;)
			(void)pause();
	}
	(void)snprintf(part, sizeof(part), "%.250s.part", path);
	f = fopen(part, "we");
	if (f) {
		(void)fprintf(f, "%d", (int)pid);
		(void)fclose(f);
		(void)rename(part, path);
	}
	for (;;)
		(void)pause();
}

static void answer_fetched(const char *q)
{
	if (strncmp(q, "parts ", 6) == 0) {
		say_parts(q + 6);
	} else if (strncmp(q, "count ", 6) == 0) {
		mark(q + 6);
		rest(20);
		say_text("ok\ncounted");
	} else if (strncmp(q, "heavy ", 6) == 0) {
		mark(q + 6);
		say_parts("47 65536 65000");
	} else if (strncmp(q, "family ", 7) == 0) {
		hang_with_child(q + 7);
	} else if (strcmp(q, "nul-part") == 0) {
		say("more\na\0b", 8);
		say_text("ok\n");
	} else if (strcmp(q, "part-error") == 0) {
		say_text("more\nhalf");
		say_text("error 13");
	} else if (strcmp(q, "part-die") == 0) {
		say_text("more\nhalf");
		_exit(1);
	} else {
		_exit(1);
	}
}

static void answer(const char *q)
{
	char text[300];

	if (strncmp(q, "echo ", 5) == 0) {
		(void)snprintf(text, sizeof(text), "ok\n%.200s", q + 5);
		say_text(text);
	} else if (strncmp(q, "pid", 3) == 0) {
		(void)snprintf(text, sizeof(text), "ok\n%d", getpid());
		say_text(text);
	} else if (strncmp(q, "slow ", 5) == 0) {
		rest(200);
		say_text("ok\nat last");
	} else if (strncmp(q, "until ", 6) == 0) {
		while (access(q + 6, F_OK) < 0)
			rest(2);
		say_text("ok\nback");
	} else if (strncmp(q, "hang", 4) == 0) {
		for (;;)
			(void)pause();
	} else if (strncmp(q, "say ", 4) == 0) {
		say_text(q + 4);
	} else if (strcmp(q, "inheritance") == 0) {
		say_inheritance();
	} else if (strcmp(q, "twice") == 0) {
		say_text("ok\n1");
		say_text("ok\n2");
	} else if (strcmp(q, "empty") == 0) {
		say("", 0);
	} else if (strcmp(q, "nul") == 0) {
		say("ok\na\0b", 6);
	} else if (strcmp(q, "huge") == 0) {
		say_huge();
	} else if (strcmp(q, "longest") == 0) {
		say_longest(VMV_ASK_ANSWER_MAX);
	} else if (strcmp(q, "longer") == 0) {
		say_longest(VMV_ASK_ANSWER_MAX + 1);
	} else {
		answer_fetched(q);
	}
}

static int be_helper(void)
{
	char q[VMV_ASK_QUESTION_MAX + 1];
	ssize_t n;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing */
	while ((n = recv(STDIN_FILENO, q, sizeof(q) - 1, 0)) > 0) {
		q[n] = '\0';
		answer(q);
	}
	return EXIT_SUCCESS;
}

/* -- the asker ---------------------------------------------------------------------------- */

/* The system's time, and what tests add to it. */
static uint64_t ahead_ms;
static unsigned n_looks; /* at the clock */

static uint64_t shifted_ns(const struct vmv_clock *clock)
{
	(void)clock;
	n_looks++;
	return vmv_mono_ns(&vmv_clock_system) + ahead_ms * 1000000;
}

static const struct vmv_clock shifted = { .mono_ns = shifted_ns };

static struct event_base *base;
static struct vmv_ask_pool *pool;
static unsigned wakes, stucks, unstucks;
static char self[PATH_MAX];

static void on_wake(void *arg)
{
	(void)arg;
	wakes++;
}

static void on_stuck(void *arg, const char *question, bool is_stuck, uint64_t waited_ms)
{
	ck_assert_ptr_eq(arg, &wakes);
	ck_assert(*question);
	ck_assert_uint_ge(waited_ms, is_stuck ? VMV_ASK_DEADLINE_MS : 0);
	stucks += is_stuck;
	unstucks += !is_stuck;
}

static const struct vmv_ask_calls calls = { .wake = on_wake, .stuck = on_stuck };

static void start_pool(const char *helper)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	pool = vmv_ask_pool_new(base, &shifted, helper, &calls, &wakes);
	ck_assert_ptr_nonnull(pool);
}

static void up(void)
{
	ahead_ms = 0;
	wakes = stucks = unstucks = 0;
	start_pool(self);
}

static void down(void)
{
	vmv_ask_pool_free(pool);
	event_base_free(base);
}

static int ask_at_most(const char *question, uint32_t max_age_ms, const char **text, uint64_t *age)
{
	struct vmv_asker *a = vmv_ask_pool_asker(pool);

	return a->ask(a, question, max_age_ms, text, age);
}

static int ask(const char *question, const char **text)
{
	uint64_t age;

	return ask_at_most(question, 3600000, text, &age);
}

static void turn(void)
{
	const struct timeval soon = { .tv_usec = 2000 };

	(void)event_base_loopexit(base, &soon);
	(void)event_base_dispatch(base);
}

static int wait_answer(const char *question, const char **text)
{
	uint64_t begin = vmv_mono_ms(&vmv_clock_system);
	int r;

	while ((r = ask(question, text)) == -EAGAIN) {
		ck_assert_msg(vmv_mono_ms(&vmv_clock_system) - begin < PATIENCE, "'%s'", question);
		turn();
	}
	return r;
}

static void check_answer(const char *question, const char *expected)
{
	const char *text = NULL;
	int r = wait_answer(question, &text);

	ck_assert_msg(r >= 0, "'%s': %d", question, r);
	ck_assert_int_eq(r, (int)strlen(expected));
	ck_assert_str_eq(text, expected);
}

static bool has_children(void)
{
	return waitpid(-1, NULL, WNOHANG) >= 0;
}

/* Of the worker that answers now. */
static pid_t some_pid(void)
{
	static unsigned serial;
	const char *text = NULL;
	char question[32];
	uint64_t pid;

	(void)snprintf(question, sizeof(question), "pid %u", ++serial); /* none that is kept */
	ck_assert_int_ge(wait_answer(question, &text), 0);
	ck_assert_int_eq(vmv_parse_u64(text, &pid, NULL), 0);
	return (pid_t)pid;
}

/* Until nothing of the process is left: not even a zombie. */
static void wait_gone(pid_t pid)
{
	uint64_t begin = vmv_mono_ms(&vmv_clock_system);

	while (kill(pid, 0) == 0) {
		ck_assert(vmv_mono_ms(&vmv_clock_system) - begin < PATIENCE);
		turn();
	}
}

START_TEST(an_answer_comes_later_and_is_kept_as_long_as_it_is_young_enough)
{
	const char *text = NULL;
	uint64_t age = 99;

	ck_assert_int_eq(ask_at_most("echo a", 1000, &text, &age), -EAGAIN);
	ck_assert_uint_lt(age, 1000);
	check_answer("echo a", "a");
	ck_assert_uint_ge(wakes, 1);
	ck_assert_int_eq(ask_at_most("echo a", 1000, &text, &age), 1);
	ahead_ms += 1001;
	ck_assert_int_eq(ask_at_most("echo a", 1000, &text, &age), -EAGAIN);
	ck_assert_uint_eq(age, 0);
	/* the old one still serves whom it is young enough for */
	ck_assert_int_eq(ask_at_most("echo a", 5000, &text, &age), 1);
	ck_assert_uint_ge(age, 1001);
	check_answer("echo a", "a");
}
END_TEST

START_TEST(quick_questions_share_one_worker)
{
	const char *text;
	char q[32], first[16];

	(void)snprintf(first, sizeof(first), "%d", some_pid());
	for (int i = 0; i < 50; i++) {
		(void)snprintf(q, sizeof(q), "pid of %d", i);
		ck_assert_int_eq(ask(q, &text), -EAGAIN);
	}
	for (int i = 0; i < 50; i++) {
		(void)snprintf(q, sizeof(q), "pid of %d", i);
		ck_assert_int_ge(wait_answer(q, &text), 0);
		if (strcmp(text, first) != 0) {
			SAY_SKIPPED("the machine is slow: a further worker was started");
			return;
		}
	}
}
END_TEST

START_TEST(an_error_is_the_answer)
{
	const char *text = "untouched";
	uint64_t age;

	ck_assert_int_eq(wait_answer("say error 13", &text), -EACCES);
	ck_assert_int_eq(wait_answer("say error 116", &text), -ESTALE);
	/* these two mean something else to whoever asks */
	ck_assert_int_eq(wait_answer("say error 110", &text), -EIO);
	ck_assert_int_eq(wait_answer("say error 11", &text), -EIO);
	ck_assert_str_eq(text, "untouched");
	/* it may be chance, a service that is not there yet: nobody has to live with it for long */
	ck_assert_int_eq(ask_at_most("say error 13", 30000, &text, &age), -EACCES);
	ahead_ms += VMV_ASK_ERROR_MS + 1;
	ck_assert_int_eq(ask_at_most("say error 13", 30000, &text, &age), -EAGAIN);
}
END_TEST

START_TEST(what_is_no_answer_costs_the_worker_and_is_asked_again_after_a_pause)
{
	static const char *const bad[] = {
		"say hello",	"say ok",	"say OK\n1", "say error",      "say error 0",
		"say error -5", "say error 5x", "nul",	     "say error 4096", "say error ",
	};
	const char *text;
	uint64_t age;
	pid_t before, after;

	for (size_t i = 0; i < VMV_COUNTOF(bad); i++) {
		before = some_pid();
		ck_assert_msg(wait_answer(bad[i], &text) == -EPROTO, "'%s'", bad[i]);
		wait_gone(before);
		/* too early: the answer stays, whatever age is asked for */
		ck_assert_int_eq(ask_at_most(bad[i], 0, &text, &age), -EPROTO);
		ahead_ms += 3600;
		after = some_pid();
		ck_assert_int_ne(before, after);
	}
	ck_assert_int_eq(ask_at_most(bad[0], 0, &text, &age), -EAGAIN);
}
END_TEST

START_TEST(an_empty_packet_is_an_end)
{
	const char *text;

	ck_assert_int_eq(wait_answer("empty", &text), -EIO);
}
END_TEST

START_TEST(a_worker_that_dies_takes_its_question_only)
{
	const char *text;
	uint64_t age;
	pid_t first;

	check_answer("echo a", "a");
	first = some_pid();
	ck_assert_int_eq(wait_answer("die", &text), -EIO);
	wait_gone(first);
	check_answer("echo a", "a");
	check_answer("echo b", "b");
	ck_assert_int_eq(ask_at_most("die", 0, &text, &age), -EIO);
	ahead_ms += 1000; /* the first pause is at most this */
	ck_assert_int_eq(ask_at_most("die", 0, &text, &age), -EAGAIN);
	ck_assert_int_eq(wait_answer("die", &text), -EIO);
}
END_TEST

START_TEST(a_worker_killed_while_idle_is_replaced)
{
	pid_t first = some_pid();

	ck_assert_int_eq(kill(first, SIGKILL), 0);
	wait_gone(first);
	check_answer("echo a", "a");
}
END_TEST

START_TEST(a_program_that_ends_at_once_is_not_started_again_and_again)
{
	const char *text;

	down();
	start_pool("/bin/true");
	ck_assert_int_eq(wait_answer("echo a", &text), -EIO);
	ck_assert_int_eq(wait_answer("echo b", &text), -EIO);
	ck_assert_int_eq(ask("echo c", &text), -EIO);
	turn();
	turn();
	turn();
	ck_assert_int_eq(ask("echo c", &text), -EIO);
}
END_TEST

START_TEST(without_the_program_the_reason_is_the_answer)
{
	const char *text;
	uint64_t age;

	down();
	start_pool("/nonexistent/helper");
	ck_assert_int_eq(ask("echo a", &text), -ENOENT);
	ck_assert_int_eq(ask("echo a", &text), -ENOENT);
	down();
	start_pool("/etc/passwd");
	ck_assert_int_eq(ask_at_most("echo a", 0, &text, &age), -EACCES);
	ck_assert(!has_children());
}
END_TEST

/* Until the timer has noticed the time that tests add. */
static void let_time_pass(uint64_t ms)
{
	const char *text;
	uint64_t age;

	ahead_ms += ms;
	(void)ask_at_most("echo time", 0, &text, &age);
	for (int i = 0; i < 10; i++)
		turn();
}

START_TEST(no_answer_within_the_deadline_is_stuck_until_it_comes)
{
	char flag[] = "/tmp/test_asker_XXXXXX", question[64];
	const char *text;
	uint64_t age;
	int fd = mkstemp(flag);

	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	(void)unlink(flag);
	(void)snprintf(question, sizeof(question), "until %s", flag);
	ck_assert_int_eq(ask(question, &text), -EAGAIN);
	let_time_pass(VMV_ASK_DEADLINE_MS - 500);
	ck_assert_int_eq(ask_at_most(question, 0, &text, &age), -EAGAIN);
	ck_assert_uint_ge(age, VMV_ASK_DEADLINE_MS - 500);
	wakes = 0;
	let_time_pass(500);
	ck_assert_int_eq(ask_at_most(question, 0, &text, &age), -ETIMEDOUT);
	ck_assert_uint_ge(age, VMV_ASK_DEADLINE_MS);
	ck_assert_uint_eq(stucks, 1);
	ck_assert_uint_ge(wakes, 1);
	/* others go to another worker */
	check_answer("echo b", "b");

	fd = open(flag, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	while (ask(question, &text) == -ETIMEDOUT)
		turn();
	(void)unlink(flag);
	check_answer(question, "back");
	ck_assert_uint_eq(stucks, 1);
	ck_assert_uint_eq(unstucks, 1);
}
END_TEST

START_TEST(the_deadline_needs_nobody_to_ask)
{
	const char *text;
	uint64_t begin = vmv_mono_ms(&vmv_clock_system);

	ck_assert_int_eq(ask("hang", &text), -EAGAIN);
	while (wakes == 0)
		turn();
	ck_assert_uint_ge(vmv_mono_ms(&vmv_clock_system) - begin, VMV_ASK_DEADLINE_MS);
	ck_assert_int_eq(ask("hang", &text), -ETIMEDOUT);
}
END_TEST

/* Each is left waiting long enough for a further worker. */
static void ask_and_leave(const char *question)
{
	const char *text;

	ck_assert_int_eq(ask(question, &text), -EAGAIN);
	for (int k = 0; k < 20; k++)
		turn();
}

START_TEST(one_kind_of_questions_leaves_a_worker_to_the_others)
{
	const char *text;
	uint64_t age;
	char q[32];

	for (int i = 0; i < VMV_ASK_WORKERS + 1; i++) {
		(void)snprintf(q, sizeof(q), "hang %d", i);
		ask_and_leave(q);
	}
	check_answer("echo a", "a"); /* overtakes those that wait */
	let_time_pass(VMV_ASK_DEADLINE_MS);
	ck_assert_uint_eq(stucks, VMV_ASK_WORKERS - 1);
	ck_assert_int_eq(ask_at_most("hang 0", 0, &text, &age), -ETIMEDOUT);
	ck_assert_int_eq(ask("hang 3", &text), -EBUSY);
	ck_assert_int_eq(ask("hang 4", &text), -EBUSY);
	ck_assert_int_eq(ask("hang 5", &text), -EBUSY);
	check_answer("echo b", "b");
}
END_TEST

START_TEST(when_all_workers_are_stuck_further_questions_are_refused)
{
	static const char *const hanging[VMV_ASK_WORKERS] = { "hang 0", "hang 1", "hang-on 0",
							      "hang-on 1" };
	const char *text;
	uint64_t age;

	for (size_t i = 0; i < VMV_COUNTOF(hanging); i++)
		ask_and_leave(hanging[i]);
	ck_assert_int_eq(ask("echo a", &text), -EAGAIN); /* queued: they may still answer */
	let_time_pass(VMV_ASK_DEADLINE_MS);
	ck_assert_uint_eq(stucks, VMV_ASK_WORKERS);
	ck_assert_int_eq(ask("echo a", &text), -EBUSY);
	ck_assert_int_eq(ask_at_most("hang 0", 0, &text, &age), -ETIMEDOUT);
}
END_TEST

/* More than there are workers are dead: the others are not given up for them. */
START_TEST(what_is_stuck_makes_room_for_what_may_have_an_answer)
{
	const char *text;
	uint64_t age;
	char q[32];

	for (int i = 0; i < VMV_ASK_WORKERS - 1; i++) {
		(void)snprintf(q, sizeof(q), "hang %d", i);
		ask_and_leave(q);
	}
	let_time_pass(VMV_ASK_DEADLINE_MS);
	ck_assert_uint_eq(stucks, VMV_ASK_WORKERS - 1);
	ck_assert_int_eq(ask("hang x", &text), -EBUSY);
	ck_assert_uint_eq(unstucks, 0);
	let_time_pass(10000);
	ck_assert_int_eq(ask("hang y", &text), -EBUSY); /* but now one has to go */
	while (ask("hang y", &text) == -EBUSY)
		turn();
	ck_assert_int_eq(ask("hang y", &text), -EAGAIN);
	/* what had to go is as stuck as before, and when it is asked again, too */
	for (int i = 0; i < VMV_ASK_WORKERS - 1; i++) {
		(void)snprintf(q, sizeof(q), "hang %d", i);
		ck_assert_int_eq(ask_at_most(q, 0, &text, &age), -ETIMEDOUT);
		ck_assert_uint_ge(age, VMV_ASK_DEADLINE_MS + 10000);
	}
	check_answer("echo a", "a");
	let_time_pass(VMV_ASK_DEADLINE_MS);
	ck_assert_uint_eq(stucks, VMV_ASK_WORKERS);
	ck_assert_int_eq(ask_at_most("hang 0", 0, &text, &age), -ETIMEDOUT);
	ck_assert_uint_eq(stucks, VMV_ASK_WORKERS); /* told once */
	ck_assert_uint_eq(unstucks, 0);
}
END_TEST

START_TEST(what_made_room_is_asked_again_and_may_answer)
{
	char flag[] = "/tmp/test_asker_XXXXXX", q[VMV_ASK_WORKERS - 1][64];
	const char *text;
	uint64_t age;
	int fd = mkstemp(flag);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(flag), 0);
	(void)close(fd);
	for (size_t i = 0; i < VMV_COUNTOF(q); i++) { /* different questions, one flag */
		(void)snprintf(q[i], sizeof(q[i]), "until %.*s%s", (int)i, "///", flag);
		ask_and_leave(q[i]);
	}
	let_time_pass(VMV_ASK_DEADLINE_MS);
	let_time_pass(10000);
	while (ask("until /proc", &text) == -EBUSY)
		turn();
	check_answer("until /proc", "back");
	ck_assert_uint_eq(stucks, VMV_COUNTOF(q));
	ck_assert_uint_eq(unstucks, 0);
	fd = open(flag, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	(void)close(fd);
	ahead_ms += 5000; /* the pause is over */
	for (size_t i = 0; i < VMV_COUNTOF(q); i++) {
		while (ask_at_most(q[i], 1000, &text, &age) == -ETIMEDOUT)
			turn();
		check_answer(q[i], "back");
	}
	ck_assert_uint_eq(unstucks, VMV_COUNTOF(q));
	(void)unlink(flag);
}
END_TEST

START_TEST(a_stuck_worker_that_is_killed_frees_its_place)
{
	const char *text;
	uint64_t age;
	FILE *f;
	int pid;

	ck_assert_int_eq(ask("hang", &text), -EAGAIN);
	f = fopen("/proc/thread-self/children", "re");
	if (!f || fscanf(f, "%d", &pid) != 1) {
		if (f)
			(void)fclose(f);
		SAY_SKIPPED("this kernel does not list children (CONFIG_PROC_CHILDREN)");
		return;
	}
	(void)fclose(f);
	let_time_pass(VMV_ASK_DEADLINE_MS);
	ck_assert_int_eq(ask("hang", &text), -ETIMEDOUT);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	wait_gone(pid);
	ck_assert_int_eq(ask_at_most("hang", 0, &text, &age), -EIO);
	ck_assert_uint_eq(unstucks, 1);
}
END_TEST

START_TEST(workers_without_work_end_and_leave_nothing)
{
	const char *text;
	pid_t first, second;

	ck_assert_int_eq(ask("slow 1", &text), -EAGAIN);
	for (int i = 0; i < 20; i++)
		turn();
	second = some_pid();
	check_answer("slow 1", "at last");
	first = some_pid();
	ck_assert_int_ne(first, second);
	ahead_ms += VMV_ASK_IDLE_MS;
	(void)ask("echo a", &text); /* takes one of them; sets the timer anew */
	for (int i = 0; i < 5; i++)
		turn();
	wait_gone(first == some_pid() ? second : first);
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
	char *question = malloc(VMV_ASK_QUESTION_MAX + 2);
	const char *text;
	pid_t first;

	ck_assert_ptr_nonnull(question);
	memset(question, 'q', VMV_ASK_QUESTION_MAX + 1);
	question[VMV_ASK_QUESTION_MAX + 1] = '\0';
	ck_assert_int_eq(ask(question, &text), -EINVAL);
	memcpy(question, "echo ", 5);
	question[VMV_ASK_QUESTION_MAX] = '\0';
	ck_assert_int_eq(wait_answer(question, &text), 200);
	free(question);

	first = some_pid();
	ck_assert_int_eq(wait_answer("longest", &text), (int)VMV_ASK_ANSWER_MAX);
	ck_assert_uint_eq(strlen(text), VMV_ASK_ANSWER_MAX);
	ck_assert_int_eq(wait_answer("longer", &text), -EFBIG);
	ck_assert_int_eq(wait_answer("huge", &text), -EFBIG);
	ck_assert_int_eq(first, some_pid());
}
END_TEST

START_TEST(an_answer_that_nobody_asked_for_ends_the_worker)
{
	const char *text;
	pid_t first = some_pid();

	check_answer("twice", "1");
	wait_gone(first);
	ck_assert_int_ge(wait_answer("twice", &text), 0);
}
END_TEST

START_TEST(questions_have_a_bound_and_are_forgotten)
{
	const char *text;
	char q[32];

	for (int i = 0; i < VMV_ASK_QUESTIONS; i++) {
		(void)snprintf(q, sizeof(q), "echo %d", i);
		ck_assert_int_eq(ask(q, &text), -EAGAIN);
	}
	ck_assert_int_eq(ask("echo over", &text), -EBUSY);
	for (int i = 0; i < VMV_ASK_QUESTIONS; i++) {
		(void)snprintf(q, sizeof(q), "echo %d", i);
		check_answer(q, q + 5);
	}
	ck_assert_int_eq(ask("echo over", &text), -EBUSY);
	ahead_ms += 600000;
	check_answer("echo over", "over");
}
END_TEST

/* As mounts do that come and go. */
START_TEST(what_nobody_asks_any_more_keeps_nothing_out)
{
	const char *text = NULL;
	char q[32];

	for (int i = 0; i < 3 * VMV_ASK_QUESTIONS; i++) {
		(void)snprintf(q, sizeof(q), "echo %d", i);
		check_answer(q, q + strlen("echo "));
		check_answer("echo always", "always");
		ahead_ms += 100;
	}
	/* but what is asked in one reading keeps its place */
	for (int i = 0; i < VMV_ASK_QUESTIONS; i++) {
		(void)snprintf(q, sizeof(q), "echo now %d", i);
		(void)ask(q, &text);
	}
	ck_assert_int_eq(ask("echo more", &text), -EBUSY);
	check_answer("echo always", "always");
}
END_TEST

START_TEST(a_worker_inherits_nothing_that_was_not_meant_for_it)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t usr1;

	for (int fd = 3; fd < 100; fd++) /* libcheck's; the agent has none without */
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	ck_assert_int_eq(setenv("SECRET", "1", 1), 0);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &usr1, NULL), 0);
	ck_assert_int_eq(sigaction(SIGUSR1, &ignore, NULL), 0);
	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	check_answer("inheritance",
		     "blocked 0, default 1 1, own group 1, others 0, out /dev/null, env "
		     "PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C");
}
END_TEST

START_TEST(freeing_does_not_wait_and_kills_what_hangs)
{
	struct event_base *own = event_base_new();
	struct vmv_ask_pool *p = vmv_ask_pool_new(own, &vmv_clock_system, self, &calls, &wakes);
	struct vmv_asker *a = vmv_ask_pool_asker(p);
	uint64_t begin, age;
	const char *text;
	int status;

	ck_assert_int_eq(a->ask(a, "hang", 0, &text, &age), -EAGAIN);
	begin = vmv_mono_ms(&vmv_clock_system);
	vmv_ask_pool_free(p);
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system) - begin, 1000);
	event_base_free(own);
	if (waitpid(-1, &status, 0) > 0) /* else the freeing has seen its end, as it mostly does */
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	vmv_ask_pool_free(NULL);
}
END_TEST

/* With no file descriptors left there is no worker, and no harm. */
START_TEST(it_goes_on_when_no_worker_can_be_had_for_a_while)
{
	const struct rlimit few = { 128, 128 };
	int fds[128], n = 0;
	const char *text;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < 128 && (fds[n] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
		n++;
	ck_assert_int_eq(ask("echo a", &text), -EMFILE);
	while (n > 0)
		(void)close(fds[--n]);
	ahead_ms += 1000;
	check_answer("echo a", "a");
}
END_TEST

/* -- what is fetched ----------------------------------------------------------------------- */

struct got {
	unsigned n; /* calls */
	int result;
	uint64_t age_ms;
	size_t len;
	char text[64]; /* the beginning */
};

static bool is_fetching;

static void on_fetched(void *arg, int result, const char *text, uint64_t age_ms)
{
	struct got *g = arg;

	ck_assert(!is_fetching);
	ck_assert_int_eq(text != NULL, result >= 0);
	g->n++;
	g->result = result;
	g->age_ms = age_ms;
	g->len = text ? strlen(text) : 0;
	if (text)
		ck_assert_uint_eq(g->len, (size_t)result);
	(void)snprintf(g->text, sizeof(g->text), "%.60s", text ? text : "");
}

static int fetch(const char *question, uint32_t max_age_ms, uint32_t deadline_ms, struct got *g)
{
	const struct vmv_wish w = { question, max_age_ms, deadline_ms };
	struct vmv_asker *a = vmv_ask_pool_asker(pool);
	int r;

	is_fetching = true;
	r = a->fetch(a, &w, on_fetched, g);
	is_fetching = false;
	return r;
}

static void wait_got(const struct got *g, unsigned n)
{
	uint64_t begin = vmv_mono_ms(&vmv_clock_system);

	while (g->n < n) {
		ck_assert(vmv_mono_ms(&vmv_clock_system) - begin < PATIENCE);
		turn();
	}
	ck_assert_uint_eq(g->n, n);
}

static struct got fetched(const char *question, uint32_t max_age_ms)
{
	struct got g = { 0 };

	ck_assert_int_eq(fetch(question, max_age_ms, 60000, &g), 0);
	ck_assert_uint_eq(g.n, 0);
	wait_got(&g, 1);
	return g;
}

/* A path where there is nothing, for a question of this form. */
static void new_path(char path[32])
{
	int fd;

	(void)snprintf(path, 32, "/tmp/test_asker_XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	(void)unlink(path);
}

static int runs_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (int)st.st_size : 0;
}

START_TEST(a_burst_of_the_same_wishes_is_one_run)
{
	char path[32], question[64];
	struct got g[100] = { 0 };

	new_path(path);
	(void)snprintf(question, sizeof(question), "count %s", path);
	for (size_t i = 0; i < VMV_COUNTOF(g); i++)
		ck_assert_int_eq(fetch(question, 0, 60000, &g[i]), 0);
	for (size_t i = 0; i < VMV_COUNTOF(g); i++) {
		wait_got(&g[i], 1);
		ck_assert_int_eq(g[i].result, 7);
		ck_assert_str_eq(g[i].text, "counted");
	}
	for (int i = 0; i < 20; i++)
		turn();
	for (size_t i = 0; i < VMV_COUNTOF(g); i++)
		ck_assert_uint_eq(g[i].n, 1);
	ck_assert_int_eq(runs_of(path), 1);
	ck_assert_int_eq(fetched(question, 0).result, 7);
	ck_assert_int_eq(runs_of(path), 2);
	(void)unlink(path);
}
END_TEST

START_TEST(an_answer_serves_as_long_as_it_is_young_enough)
{
	char path[32], question[64];
	struct got g;

	new_path(path);
	(void)snprintf(question, sizeof(question), "count %s", path);
	(void)fetched(question, 5000);
	ahead_ms += 3000;
	g = fetched(question, 5000);
	ck_assert_int_eq(runs_of(path), 1);
	ck_assert_uint_ge(g.age_ms, 3000);
	ck_assert_str_eq(g.text, "counted");
	g = fetched(question, 2000);
	ck_assert_int_eq(runs_of(path), 2);
	ck_assert_uint_lt(g.age_ms, 2000);
	ahead_ms += 5001;
	(void)fetched(question, 5000);
	ck_assert_int_eq(runs_of(path), 3);
	(void)unlink(path);
}
END_TEST

START_TEST(a_fetched_error_is_not_kept_for_long)
{
	struct got g = fetched("say error 13", 3600000);

	ck_assert_int_eq(g.result, -EACCES);
	ahead_ms += VMV_ASK_ERROR_MS - 500;
	g = fetched("say error 13", 3600000);
	ck_assert_uint_ge(g.age_ms, VMV_ASK_ERROR_MS - 500);
	ahead_ms += 501;
	g = fetched("say error 13", 3600000);
	ck_assert_uint_lt(g.age_ms, 500);
	ck_assert_int_eq(fetched("part-error", 0).result, -EACCES);
	/* these say something else of a fetch */
	ck_assert_int_eq(fetched("say error 110", 0).result, -EIO);
	ck_assert_int_eq(fetched("say error 125", 0).result, -EIO);
}
END_TEST

START_TEST(parts_are_put_together_up_to_the_bound)
{
	const char *text;
	char q[64];
	struct got g = fetched("parts 3 100 5", 0);
	pid_t before;

	ck_assert_int_eq(g.result, 305);
	ck_assert_int_eq(fetched("parts 0 0 0", 0).result, 0);
	ck_assert_int_eq(fetched("parts 5 0 1", 0).result, 1);
	before = some_pid();
	(void)snprintf(q, sizeof(q), "parts 47 %zu %zu", VMV_ASK_ANSWER_MAX, VMV_ASK_ANSWER_MAX);
	ck_assert_uint_eq(48 * VMV_ASK_ANSWER_MAX, VMV_ASK_LONG_MAX);
	ck_assert_int_eq(fetched(q, 0).result, (int)VMV_ASK_LONG_MAX);
	/* one byte more, in the last part and before it; and an end to it */
	(void)snprintf(q, sizeof(q), "parts 48 %zu 1", VMV_ASK_ANSWER_MAX);
	ck_assert_int_eq(fetched(q, 0).result, -EFBIG);
	ck_assert_int_eq(before, some_pid());
	(void)snprintf(q, sizeof(q), "parts 1000000 %zu 1", VMV_ASK_ANSWER_MAX);
	ck_assert_int_eq(fetched(q, 0).result, -EFBIG);
	wait_gone(before);
	/* the bound of what is asked is as before, in however many parts */
	ck_assert_int_eq(wait_answer("parts 2 30000 5000", &text), 65000);
	ck_assert_uint_eq(strlen(text), 65000);
	ck_assert_int_eq(wait_answer("parts 2 30000 6000", &text), -EFBIG);
}
END_TEST

START_TEST(a_fetch_whose_process_dies_is_an_error_and_run_again_after_a_pause)
{
	struct got g;

	ck_assert_int_eq(fetched("part-die", 0).result, -EIO);
	ahead_ms += 300; /* the first pause is longer */
	g = fetched("part-die", 0);
	ck_assert_int_eq(g.result, -EIO);
	ck_assert_uint_ge(g.age_ms, 300);
	ahead_ms += 1000;
	g = fetched("part-die", 0);
	ck_assert_int_eq(g.result, -EIO);
	ck_assert_uint_lt(g.age_ms, 300);
	ck_assert_int_eq(fetched("nul-part", 0).result, -EPROTO);
	check_answer("echo a", "a"); /* others do not have to wait for a new process */
}
END_TEST

static pid_t wait_pid_in(const char *path)
{
	uint64_t begin = vmv_mono_ms(&vmv_clock_system), pid = 0;
	char text[32] = "";

	while (access(path, F_OK) < 0) {
		ck_assert(vmv_mono_ms(&vmv_clock_system) - begin < PATIENCE);
		turn();
	}
	vmv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
	ck_assert_int_eq(vmv_parse_u64(text, &pid, NULL), 0);
	(void)unlink(path);
	return (pid_t)pid;
}

/* What was not our child: nobody here has to reap it. */
static void wait_dead(pid_t pid)
{
	uint64_t begin = vmv_mono_ms(&vmv_clock_system);
	char path[64], text[256];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (;;) {
		vmv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = '\0';
		if (n <= 0 || strstr(text, ") Z ") || strstr(text, ") X "))
			return;
		ck_assert(vmv_mono_ms(&vmv_clock_system) - begin < PATIENCE);
		turn();
	}
}

START_TEST(at_its_deadline_a_fetch_ends_with_its_children)
{
	char path[32], question[64];
	struct got g = { 0 };
	pid_t child;

	new_path(path);
	(void)snprintf(question, sizeof(question), "family %s", path);
	ck_assert_int_eq(fetch(question, 0, 5000, &g), 0);
	child = wait_pid_in(path);
	let_time_pass(4500);
	ck_assert_uint_eq(g.n, 0);
	ck_assert_int_eq(kill(child, 0), 0);
	ck_assert_uint_eq(stucks, 0); /* it is no quick question that hangs */
	let_time_pass(500);
	wait_got(&g, 1);
	ck_assert_int_eq(g.result, -ETIMEDOUT);
	wait_dead(child);
	/* known for a moment, then tried again */
	g = (struct got){ 0 };
	ck_assert_int_eq(fetch(question, 3600000, 5000, &g), 0);
	wait_got(&g, 1);
	ck_assert_int_eq(g.result, -ETIMEDOUT);
	ahead_ms += VMV_ASK_ERROR_MS + 1;
	(void)unlink(path); /* on a slow machine it was not known any more, and tried */
	ck_assert_int_eq(fetch(question, 3600000, 5000, &g), 0);
	child = wait_pid_in(path);
	ck_assert_int_eq(kill(child, 0), 0);
	down(); /* the end of all, for its children, too */
	ck_assert_uint_eq(g.n, 2);
	ck_assert_int_eq(g.result, -ECANCELED);
	start_pool(self);
	wait_dead(child);
}
END_TEST

START_TEST(what_a_process_leaves_behind_ends_with_it)
{
	char path[32], question[64];
	struct got g = { 0 };
	pid_t child, parent;

	new_path(path);
	(void)snprintf(question, sizeof(question), "family %s", path);
	ck_assert_int_eq(fetch(question, 0, 60000, &g), 0);
	child = wait_pid_in(path);
	parent = getpgid(child);
	ck_assert_int_ne(parent, getpgrp());
	ck_assert_int_eq(kill(parent, SIGKILL), 0); /* it alone, as when memory runs out */
	wait_got(&g, 1);
	ck_assert_int_eq(g.result, -EIO);
	wait_dead(child);
}
END_TEST

START_TEST(the_deadline_of_a_fetch_needs_nobody_to_ask)
{
	struct got g = { 0 };

	ck_assert_int_eq(fetch("hang", 0, 300, &g), 0);
	wait_got(&g, 1);
	ck_assert_int_eq(g.result, -ETIMEDOUT);
}
END_TEST

START_TEST(each_waits_no_longer_than_it_said)
{
	struct got patient = { 0 }, hasty = { 0 };

	ck_assert_int_eq(fetch("hang", 0, 30000, &patient), 0);
	ck_assert_int_eq(fetch("hang", 0, 10000, &hasty), 0);
	let_time_pass(10000);
	wait_got(&hasty, 1);
	ck_assert_int_eq(hasty.result, -ETIMEDOUT);
	let_time_pass(19000);
	ck_assert_uint_eq(patient.n, 0);
	/* who comes late does not keep it alive for ever */
	ck_assert_int_eq(fetch("hang", 0, 30000, &hasty), 0);
	let_time_pass(1000);
	wait_got(&patient, 1);
	wait_got(&hasty, 2);
	ck_assert_int_eq(patient.result, -ETIMEDOUT);
	ck_assert_int_eq(hasty.result, -ETIMEDOUT);
}
END_TEST

START_TEST(what_is_asked_never_waits_for_what_is_fetched)
{
	struct got g[4] = { 0 };
	char q[32];

	/* all that may be fetched at once, and more */
	ck_assert_int_eq(fetch("hang-a", 0, 290000, &g[0]), 0);
	ck_assert_int_eq(fetch("hang-b", 0, 290000, &g[1]), 0);
	ck_assert_int_eq(fetch("hang-c", 0, 290000, &g[2]), 0);
	ck_assert_int_eq(fetch("hang-d", 0, 290000, &g[3]), 0);
	check_answer("echo a", "a");
	/* and a dead server beside it */
	for (int i = 0; i < VMV_ASK_WORKERS - 1; i++) {
		(void)snprintf(q, sizeof(q), "hang %d", i);
		ask_and_leave(q);
	}
	check_answer("echo b", "b");
	ck_assert_uint_eq(g[0].n + g[1].n + g[2].n + g[3].n, 0);
	let_time_pass(290000);
	for (size_t i = 0; i < VMV_COUNTOF(g); i++) {
		wait_got(&g[i], 1);
		ck_assert_int_eq(g[i].result, -ETIMEDOUT);
	}
}
END_TEST

START_TEST(what_is_fetched_never_waits_for_what_is_asked)
{
	static const char *const hanging[VMV_ASK_WORKERS] = { "hang 0", "hang 1", "hang-on 0",
							      "hang-on 1" };

	for (size_t i = 0; i < VMV_COUNTOF(hanging); i++)
		ask_and_leave(hanging[i]);
	ck_assert_str_eq(fetched("echo a", 0).text, "a");
	let_time_pass(VMV_ASK_DEADLINE_MS);
	ck_assert_uint_eq(stucks, VMV_ASK_WORKERS);
	ck_assert_str_eq(fetched("echo b", 0).text, "b");
}
END_TEST

START_TEST(one_kind_of_fetches_leaves_a_process_to_the_others)
{
	struct got g[VMV_ASK_FETCHERS + 1] = { 0 };
	char q[32];

	for (size_t i = 0; i < VMV_COUNTOF(g); i++) {
		(void)snprintf(q, sizeof(q), "hang %zu", i);
		ck_assert_int_eq(fetch(q, 0, 60000, &g[i]), 0);
	}
	ck_assert_str_eq(fetched("echo a", 0).text, "a"); /* overtakes those that wait */
	let_time_pass(60000);
	for (size_t i = 0; i < VMV_COUNTOF(g); i++) {
		wait_got(&g[i], 1); /* of the queue, too */
		ck_assert_int_eq(g[i].result, -ETIMEDOUT);
	}
}
END_TEST

/* What had to wait for a process. */
START_TEST(what_began_late_ends_with_those_who_wait)
{
	struct got busy = { 0 }, first = { 0 }, second = { 0 };
	char path[VMV_ASK_FETCHERS][32], q[VMV_ASK_FETCHERS][64];
	bool is_joined = _i == 1;
	uint64_t begin;
	pid_t child;

	for (size_t i = 0; i < VMV_ASK_FETCHERS; i++) {
		bool is_last = i == VMV_ASK_FETCHERS - 1;

		new_path(path[i]);
		(void)snprintf(q[i], sizeof(q[i]), "family %.31s", path[i]);
		ck_assert_int_eq(fetch(q[i], 0, is_last ? 15000 : 10000, is_last ? &first : &busy),
				 0);
		if (!is_last)
			(void)wait_pid_in(path[i]);
	}
	let_time_pass(10000);
	wait_got(&busy, VMV_ASK_FETCHERS - 1);
	child = wait_pid_in(path[VMV_ASK_FETCHERS - 1]);
	let_time_pass(4000);
	if (is_joined)
		ck_assert_int_eq(fetch(q[VMV_ASK_FETCHERS - 1], 0, 15000, &second), 0);
	let_time_pass(1000);
	wait_got(&first, 1);
	ck_assert_int_eq(first.result, -ETIMEDOUT);
	if (is_joined) {
		ck_assert_int_eq(kill(child, 0), 0);
		ck_assert_uint_eq(second.n, 0);
		let_time_pass(10000);
		wait_got(&second, 1);
		ck_assert_int_eq(second.result, -ETIMEDOUT);
	}
	begin = vmv_mono_ms(&vmv_clock_system);
	wait_dead(child);
	ck_assert_uint_lt(vmv_mono_ms(&vmv_clock_system) - begin, 5000); /* not by its own time */
}
END_TEST

START_TEST(who_is_forgotten_is_not_called)
{
	struct vmv_asker *a = vmv_ask_pool_asker(pool);
	char path[32], question[64];
	struct got one = { 0 }, other = { 0 }, queued = { 0 };

	new_path(path);
	(void)snprintf(question, sizeof(question), "count %s", path);
	ck_assert_int_eq(fetch(question, 60000, 60000, &one), 0);
	ck_assert_int_eq(fetch(question, 60000, 60000, &other), 0);
	a->forget(a, &one);
	wait_got(&other, 1);
	ck_assert_uint_eq(one.n, 0);
	/* one that is to be called in a moment */
	ck_assert_int_eq(fetch(question, 60000, 60000, &one), 0);
	ck_assert_int_eq(fetch(question, 60000, 60000, &other), 0);
	a->forget(a, &one);
	wait_got(&other, 2);
	ck_assert_uint_eq(one.n, 0);
	ck_assert_int_eq(runs_of(path), 1);
	(void)unlink(path);
	/* what nobody waits for any more is not begun */
	for (int i = 0; i < VMV_ASK_FETCHERS - 1; i++) {
		char hang[64];

		(void)snprintf(hang, sizeof(hang), "family %s.%d", path, i);
		ck_assert_int_eq(fetch(hang, 0, 10000, &other), 0);
	}
	(void)snprintf(question, sizeof(question), "family %s", path);
	ck_assert_int_eq(fetch(question, 0, 60000, &queued), 0);
	a->forget(a, &queued);
	let_time_pass(10000);
	wait_got(&other, 2 + VMV_ASK_FETCHERS - 1);
	for (int i = 0; i < 100; i++)
		turn();
	ck_assert_uint_eq(queued.n, 0);
	ck_assert_int_lt(access(path, F_OK), 0);
	for (int i = 0; i < VMV_ASK_FETCHERS - 1; i++) {
		(void)snprintf(question, sizeof(question), "%s.%d", path, i);
		(void)unlink(question);
	}
}
END_TEST

/* Fetches once more from within, and asks. */
static void on_again(void *arg, int result, const char *text, uint64_t age_ms)
{
	struct got *g = arg;
	struct vmv_asker *a = vmv_ask_pool_asker(pool);
	const struct vmv_wish again = { "echo again", 0, 60000 };
	const char *asked;
	uint64_t age;

	ck_assert_int_eq(a->fetch(a, &again, on_fetched, g), 0);
	(void)a->ask(a, "echo asked", 0, &asked, &age);
	a->forget(a, &age);		/* nobody */
	ck_assert_str_eq(text, "once"); /* still there */
	on_fetched(g, result, text, age_ms);
}

START_TEST(who_is_called_may_fetch)
{
	struct vmv_asker *a = vmv_ask_pool_asker(pool);
	const struct vmv_wish w = { "echo once", 0, 60000 };
	struct got g[2] = { 0 };

	for (size_t i = 0; i < VMV_COUNTOF(g); i++)
		ck_assert_int_eq(a->fetch(a, &w, on_again, &g[i]), 0);
	for (size_t i = 0; i < VMV_COUNTOF(g); i++) {
		wait_got(&g[i], 2);
		ck_assert_str_eq(g[i].text, "again");
	}
}
END_TEST

START_TEST(at_the_end_all_who_wait_are_told)
{
	struct got g[3] = { 0 };

	ck_assert_int_eq(fetch("hang", 0, 60000, &g[0]), 0);
	ck_assert_int_eq(fetch("hang", 0, 60000, &g[1]), 0);
	(void)fetched("echo a", 60000);
	ck_assert_int_eq(fetch("echo a", 60000, 60000, &g[2]), 0);
	down();
	for (size_t i = 0; i < VMV_COUNTOF(g); i++)
		ck_assert_uint_eq(g[i].n, 1);
	ck_assert_int_eq(g[0].result, -ECANCELED);
	ck_assert_int_eq(g[1].result, -ECANCELED);
	ck_assert_str_eq(g[2].text, "a"); /* it was there already */
	start_pool(self);
}
END_TEST

START_TEST(a_fetch_without_the_program_has_the_reason)
{
	down();
	start_pool("/nonexistent/helper");
	ck_assert_int_eq(fetched("echo a", 0).result, -ENOENT);
	ck_assert_int_eq(fetched("echo b", 60000).result, -ENOENT);
	down();
	start_pool("/bin/true");
	ck_assert_int_eq(fetched("echo a", 0).result, -EIO);
	while (has_children()) /* they are reaped */
		turn();
}
END_TEST

START_TEST(fetches_have_bounds_of_their_own)
{
	char *question = malloc(VMV_ASK_QUESTION_MAX + 2), q[32];
	struct got g = { 0 };
	int r;

	ck_assert_ptr_nonnull(question);
	memset(question, 'q', VMV_ASK_QUESTION_MAX + 1);
	question[VMV_ASK_QUESTION_MAX + 1] = '\0';
	ck_assert_int_eq(fetch(question, 0, 60000, &g), -EINVAL);
	free(question);
	for (int i = 0; i < VMV_ASK_FETCHED; i++) {
		(void)snprintf(q, sizeof(q), "echo %d", i);
		ck_assert_int_eq(fetch(q, 3600000, 60000, &g), 0);
	}
	ck_assert_int_eq(fetch("echo over", 0, 60000, &g), -EBUSY);
	check_answer("echo asked", "asked"); /* has its own */
	wait_got(&g, VMV_ASK_FETCHED);
	/* what nobody waits for makes room */
	ck_assert_int_eq(fetch("echo over", 0, 60000, &g), 0);
	wait_got(&g, VMV_ASK_FETCHED + 1);
	ck_assert_str_eq(g.text, "over");
	for (int i = 0; i < VMV_ASK_WAITERS; i++)
		ck_assert_int_eq(fetch("hang", 0, 60000, &g), 0);
	r = fetch("hang", 0, 60000, &g);
	ck_assert_int_eq(r, -EBUSY);
	g.n = 0;
	let_time_pass(60000);
	wait_got(&g, VMV_ASK_WAITERS);
}
END_TEST

START_TEST(long_answers_that_are_kept_have_a_bound)
{
	char path[2][32], question[2][128];

	for (size_t i = 0; i < 2; i++) {
		new_path(path[i]);
		(void)snprintf(question[i], sizeof(question[i]), "heavy %s", path[i]);
		ck_assert_int_gt(fetched(question[i], 3600000).result, 3000000);
	}
	/* the second took the place of the first, and the other way round */
	ck_assert_int_gt(fetched(question[1], 3600000).result, 3000000);
	ck_assert_int_eq(runs_of(path[1]), 1);
	ck_assert_int_gt(fetched(question[0], 3600000).result, 3000000);
	ck_assert_int_eq(runs_of(path[0]), 2);
	ck_assert_int_gt(fetched(question[1], 3600000).result, 3000000);
	ck_assert_int_eq(runs_of(path[1]), 2);
	(void)unlink(path[0]);
	(void)unlink(path[1]);
}
END_TEST

START_TEST(an_agent_without_work_is_not_woken)
{
	const struct timeval a_while = { .tv_usec = 300000 };
	struct got g = fetched("echo a", 100); /* is forgotten in between */

	ck_assert_str_eq(g.text, "a");
	ck_assert_int_eq(fetched("say error 13", 3600000).result, -EACCES);
	check_answer("echo b", "b");
	for (int i = 0; i < 20; i++)
		turn();
	n_looks = 0;
	(void)event_base_loopexit(base, &a_while);
	(void)event_base_dispatch(base);
	ck_assert_uint_lt(n_looks, 30);
	ck_assert_int_eq(fetch("hang", 0, 60000, &g), 0); /* nor one that waits */
	turn();
	n_looks = 0;
	(void)event_base_loopexit(base, &a_while);
	(void)event_base_dispatch(base);
	ck_assert_uint_lt(n_looks, 30);
	vmv_ask_pool_asker(pool)->forget(vmv_ask_pool_asker(pool), &g);
}
END_TEST

int main(void)
{
	socklen_t len = sizeof(int);
	int type = 0;

	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET)
		return be_helper();

	Suite *s = suite_create("asker");
	TCase *tc = tcase_create("asker");
	SRunner *sr = srunner_create(s);
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int failed;

	if (n < 0)
		return EXIT_FAILURE;
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, an_answer_comes_later_and_is_kept_as_long_as_it_is_young_enough);
	tcase_add_test(tc, quick_questions_share_one_worker);
	tcase_add_test(tc, an_error_is_the_answer);
	tcase_add_test(tc, what_is_no_answer_costs_the_worker_and_is_asked_again_after_a_pause);
	tcase_add_test(tc, an_empty_packet_is_an_end);
	tcase_add_test(tc, a_worker_that_dies_takes_its_question_only);
	tcase_add_test(tc, a_worker_killed_while_idle_is_replaced);
	tcase_add_test(tc, a_program_that_ends_at_once_is_not_started_again_and_again);
	tcase_add_test(tc, without_the_program_the_reason_is_the_answer);
	tcase_add_test(tc, no_answer_within_the_deadline_is_stuck_until_it_comes);
	tcase_add_test(tc, the_deadline_needs_nobody_to_ask);
	tcase_add_test(tc, one_kind_of_questions_leaves_a_worker_to_the_others);
	tcase_add_test(tc, when_all_workers_are_stuck_further_questions_are_refused);
	tcase_add_test(tc, what_is_stuck_makes_room_for_what_may_have_an_answer);
	tcase_add_test(tc, what_made_room_is_asked_again_and_may_answer);
	tcase_add_test(tc, a_stuck_worker_that_is_killed_frees_its_place);
	tcase_add_test(tc, workers_without_work_end_and_leave_nothing);
	tcase_add_test(tc, what_is_too_long_is_refused);
	tcase_add_test(tc, an_answer_that_nobody_asked_for_ends_the_worker);
	tcase_add_test(tc, questions_have_a_bound_and_are_forgotten);
	tcase_add_test(tc, what_nobody_asks_any_more_keeps_nothing_out);
	tcase_add_test(tc, a_worker_inherits_nothing_that_was_not_meant_for_it);
	tcase_add_test(tc, freeing_does_not_wait_and_kills_what_hangs);
	tcase_add_test(tc, it_goes_on_when_no_worker_can_be_had_for_a_while);
	suite_add_tcase(s, tc);
	tc = tcase_create("fetch");
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_burst_of_the_same_wishes_is_one_run);
	tcase_add_test(tc, an_answer_serves_as_long_as_it_is_young_enough);
	tcase_add_test(tc, a_fetched_error_is_not_kept_for_long);
	tcase_add_test(tc, parts_are_put_together_up_to_the_bound);
	tcase_add_test(tc, a_fetch_whose_process_dies_is_an_error_and_run_again_after_a_pause);
	tcase_add_test(tc, at_its_deadline_a_fetch_ends_with_its_children);
	tcase_add_test(tc, what_a_process_leaves_behind_ends_with_it);
	tcase_add_test(tc, the_deadline_of_a_fetch_needs_nobody_to_ask);
	tcase_add_test(tc, each_waits_no_longer_than_it_said);
	tcase_add_test(tc, what_is_asked_never_waits_for_what_is_fetched);
	tcase_add_test(tc, what_is_fetched_never_waits_for_what_is_asked);
	tcase_add_test(tc, one_kind_of_fetches_leaves_a_process_to_the_others);
	tcase_add_loop_test(tc, what_began_late_ends_with_those_who_wait, 0, 2);
	tcase_add_test(tc, who_is_forgotten_is_not_called);
	tcase_add_test(tc, who_is_called_may_fetch);
	tcase_add_test(tc, at_the_end_all_who_wait_are_told);
	tcase_add_test(tc, a_fetch_without_the_program_has_the_reason);
	tcase_add_test(tc, fetches_have_bounds_of_their_own);
	tcase_add_test(tc, long_answers_that_are_kept_have_a_bound);
	tcase_add_test(tc, an_agent_without_work_is_not_woken);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
