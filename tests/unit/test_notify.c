#include "base/notify.h"

#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char dir[] = "/tmp/vmv-notify-XXXXXX";
static char path[64];
static int manager = -1;

static int listen_at(const char *name, size_t len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(a.sun_path, name, len);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	return fd;
}

/* Each test has a process of its own; SIGPIPE ends it. */
static void up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/notify", dir);
	manager = listen_at(path, strlen(path));
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	ck_assert_int_eq(unsetenv("WATCHDOG_USEC"), 0);
	ck_assert_int_eq(unsetenv("WATCHDOG_PID"), 0);
	(void)signal(SIGPIPE, SIG_DFL);
}

static void down(void)
{
	vmv_closep(&manager);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* What came since the last call, "" when nothing did. */
static const char *told(void)
{
	static char text[4096];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

START_TEST(each_message_is_one_datagram)
{
	vmv_notify_ready("2 of 3 channels have a host");
	ck_assert_str_eq(told(), "READY=1\nSTATUS=2 of 3 channels have a host");
	vmv_notify_status("idle");
	ck_assert_str_eq(told(), "STATUS=idle");
	vmv_notify_stopping();
	ck_assert_str_eq(told(), "STOPPING=1\nSTATUS=stopping");
	vmv_notify_alive();
	ck_assert_str_eq(told(), "WATCHDOG=1");
	ck_assert_str_eq(told(), "");
}
END_TEST

START_TEST(reloading_says_when)
{
	static const char before[] = "RELOADING=1\nMONOTONIC_USEC=";
	struct timespec t;
	const char *text;
	unsigned long long us, now;

	vmv_notify_reloading();
	text = told();
	ck_assert_int_eq(strncmp(text, before, sizeof(before) - 1), 0);
	us = strtoull(text + sizeof(before) - 1, NULL, 10);
	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	now = (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
	ck_assert(us <= now && us + 10000000 > now);
}
END_TEST

START_TEST(a_name_that_begins_with_an_at_sign_is_abstract)
{
	char name[64];

	vmv_closep(&manager);
	(void)snprintf(name, sizeof(name), "@vmv-notify-%ld", (long)getpid());
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	name[0] = '\0';
	manager = listen_at(name, 1 + strlen(name + 1));
	vmv_notify_status("x");
	ck_assert_str_eq(told(), "STATUS=x");
}
END_TEST

START_TEST(a_status_cannot_forge_a_second_line)
{
	char text[5000];

	vmv_notify_ready("a\nSTOPPING=1");
	ck_assert_str_eq(told(), "READY=1\nSTATUS=a");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	vmv_notify_status(text);
	ck_assert_uint_eq(strlen(told()), strlen("STATUS=") + 400);
}
END_TEST

/* 108 bytes, which leaves an address no room for its end */
#define TEN	 "0123456789"
#define TOO_LONG "/" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "0123456"

static const char *const no_managers[] = {
	"", "/", "@", "relative/path", "vsock:2:1234", "/nowhere/at/all", TOO_LONG,
};

START_TEST(without_a_manager_nothing_happens)
{
	if (_i == (int)VMV_COUNTOF(no_managers))
		ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
	else
		ck_assert_int_eq(setenv("NOTIFY_SOCKET", no_managers[_i], 1), 0);
	errno = EXDEV;
	vmv_notify_ready("x");
	vmv_notify_status("x");
	vmv_notify_reloading();
	vmv_notify_stopping();
	vmv_notify_alive();
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_str_eq(told(), "");
}
END_TEST

START_TEST(a_manager_that_has_gone_does_no_harm)
{
	vmv_closep(&manager);
	errno = EXDEV;
	vmv_notify_ready("x");
	vmv_notify_alive();
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

static double seconds(void)
{
	struct timespec t;

	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(a_manager_that_does_not_read_holds_nobody_up_for_long)
{
	double began = seconds();

	(void)alarm(20); /* a test that blocks must fail */
	for (int i = 0; i < 10000; i++)
		vmv_notify_alive();
	for (int i = 0; i < 10000; i++)
		vmv_notify_status("x");
	ck_assert_double_lt(seconds() - began, 10);
	began = seconds();
	errno = EXDEV;
	vmv_notify_ready("x"); /* this one is worth some patience */
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_double_ge(seconds() - began, 0.9);
	ck_assert_str_eq(told(), "WATCHDOG=1");
	vmv_notify_ready("y");
	while (strcmp(told(), "READY=1\nSTATUS=y") != 0)
		;
}
END_TEST

static volatile sig_atomic_t ticks;

/* The first only disturbs, the second makes room. */
static void on_tick(int number)
{
	char c;

	(void)number;
	if (++ticks == 2)
		(void)recv(manager, &c, 1, 0);
}

START_TEST(a_signal_does_not_lose_what_is_worth_some_patience)
{
	const struct itimerval tick = { { 0, 100000 }, { 0, 100000 } };
	const struct sigaction tell_ticks = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
	bool is_ready = false;
	const char *text;

	for (int i = 0; i < 10000; i++)
		vmv_notify_alive();
	ck_assert_int_eq(sigaction(SIGALRM, &tell_ticks, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &tick, NULL), 0);
	vmv_notify_ready("x");
	(void)setitimer(ITIMER_REAL, &(const struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
	ck_assert_int_ge(ticks, 2);
	while (*(text = told()))
		is_ready = is_ready || strcmp(text, "READY=1\nSTATUS=x") == 0;
	ck_assert(is_ready);
}
END_TEST

static const struct {
	const char *usec, *pid;
	uint64_t expected;
} watchdogs[] = {
	{ NULL, NULL, 0 },
	{ "400000", NULL, 400000 },
	{ "400000", "self", 400000 },
	{ "400000", "1", 0 },
	{ "400000", "", 0 },
	{ "400000", "x", 0 },
	{ "400000", "-1", 0 },
	{ NULL, "self", 0 },
	{ "0", "self", 0 },
	{ "", NULL, 0 },
	{ "4s", NULL, 0 },
	{ "-4", NULL, 0 },
	{ " 4", NULL, 0 },
	{ "18446744073709551615", NULL, 0 },
	{ "18446744073709551616", NULL, 0 },
};

START_TEST(the_watchdog_is_fed_where_it_watches_this_process)
{
	char self[32];
	const char *pid = watchdogs[_i].pid;

	(void)snprintf(self, sizeof(self), "%ld", (long)getpid());
	if (watchdogs[_i].usec)
		ck_assert_int_eq(setenv("WATCHDOG_USEC", watchdogs[_i].usec, 1), 0);
	if (pid)
		ck_assert_int_eq(setenv("WATCHDOG_PID", strcmp(pid, "self") == 0 ? self : pid, 1),
				 0);
	ck_assert_uint_eq(vmv_notify_watchdog_us(), watchdogs[_i].expected);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("notify");
	TCase *tc = tcase_create("notify");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, each_message_is_one_datagram);
	tcase_add_test(tc, reloading_says_when);
	tcase_add_test(tc, a_name_that_begins_with_an_at_sign_is_abstract);
	tcase_add_test(tc, a_status_cannot_forge_a_second_line);
	tcase_add_loop_test(tc, without_a_manager_nothing_happens, 0,
			    (int)VMV_COUNTOF(no_managers) + 1);
	tcase_add_test(tc, a_manager_that_has_gone_does_no_harm);
	tcase_add_test(tc, a_manager_that_does_not_read_holds_nobody_up_for_long);
	tcase_add_test(tc, a_signal_does_not_lose_what_is_worth_some_patience);
	tcase_add_loop_test(tc, the_watchdog_is_fed_where_it_watches_this_process, 0,
			    (int)VMV_COUNTOF(watchdogs));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
