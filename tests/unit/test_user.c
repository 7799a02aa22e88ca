#include "collectors/user.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "tests/lib/fake_asker.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utmpx.h>

static struct fixture fx;
static struct fake_asker fake;
static struct vmv_sessions all;
static struct vmv_err err;
static struct kept kept;

static void up(void)
{
	fixture_up(&fx);
	fake = (struct fake_asker){ .asker = { .ask = fake_ask } };
	all = (struct vmv_sessions){ .n = 0 };
	err = (struct vmv_err){ 0 };
	kept_init(&kept, &vmv_collector_user);
}

static void down(void)
{
	free(all.list);
	kept_clear(&kept);
	fixture_down(&fx);
}

static int read_users(void)
{
	kept_clear(&kept);
	kept_init(&kept, &vmv_collector_user);
	return kept_read(&kept, &vmv_collector_user, &fx.root, &err);
}

static const struct vmv_user_sample *row(const char *id)
{
	const struct vmv_user_sample *s = kept_row(&kept, id);

	ck_assert_msg(s, "no row %s", id);
	return s;
}

/* -- the login manager ------------------------------------------------------------------------- */

#define TWO                                                                                       \
	"session 3\nuser alice\ntty pts/0\nfrom fe80::1%eth0\nservice sshd\ntype tty\npid 1234\n" \
	"start 1700000000000001\nsession c1\nuser Bob Q. Public\n"

START_TEST(the_answer_is_taken_apart)
{
	const struct vmv_user_sample *s;

	ck_assert_msg(vmv_users_parse(TWO, &all, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(all.n, 2);
	ck_assert_str_eq(all.list[0].id, "3");
	s = &all.list[0].sample;
	ck_assert_str_eq(s->user, "alice");
	ck_assert_str_eq(s->tty, "pts/0");
	ck_assert_str_eq(s->from, "fe80::1%eth0");
	ck_assert_str_eq(s->service, "sshd");
	ck_assert_str_eq(s->type, "tty");
	ck_assert_uint_eq(s->pid, 1234);
	ck_assert_uint_eq(s->start, 1700000000000001);
	ck_assert_str_eq(all.list[1].id, "c1");
	s = &all.list[1].sample;
	ck_assert_str_eq(s->user, "Bob Q. Public");
	ck_assert_str_eq(s->tty, "");
	ck_assert_uint_eq(s->pid, VMV_UNSET);
	ck_assert_uint_eq(s->start, VMV_UNSET);
}
END_TEST

START_TEST(nobody_is_an_answer_too)
{
	ck_assert_int_eq(vmv_users_parse("", &all, &err), 0);
	ck_assert_uint_eq(all.n, 0);
}
END_TEST

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const char *const bad[] = {
	"\n",
	"user alice\n",
	"session\n",
	"session \n",
	"session 3",
	"session " X64 "\n",
	"session 3\nuser\n",
	"session 3\nuser \n",
	"session 3\nuser alice",
	"session 3\nuser alice\nuser bob\n",
	"session 3\npid x\n",
	"session 3\npid -1\n",
	"session 3\npid 1 \n",
	"session 3\npid 1\npid 1\n",
	"session 3\nstart 99999999999999999999\n",
	"session 3\nstart 18446744073709551615\n",
	"session 3\ncolor red\n",
	"session 3\n\n",
	"session 3\nsession 4\nsession 3\n",
};

START_TEST(a_malformed_answer_fails_and_leaves_the_output_alone)
{
	all.n = 7;
	ck_assert_int_eq(vmv_users_parse(bad[_i], &all, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_uint_eq(all.n, 7);
	ck_assert_ptr_null(all.list);
}
END_TEST

START_TEST(long_texts_are_cut)
{
	ck_assert_int_eq(vmv_users_parse("session 1\nuser " X64 X64 "\ntype x11\n", &all, &err), 0);
	ck_assert_uint_eq(strlen(all.list[0].sample.user), sizeof(all.list[0].sample.user) - 1);
	ck_assert_str_eq(all.list[0].sample.type, "x11");
}
END_TEST

START_TEST(sessions_are_bounded)
{
	vmv_autofree char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < VMV_SESSIONS_MAX + 5; i++)
		(void)fprintf(f, "session %d\nuser u\n", i);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(vmv_users_parse(text, &all, &err), 0);
	ck_assert_uint_eq(all.n, VMV_SESSIONS_MAX);
}
END_TEST

/* -- utmp -------------------------------------------------------------------------------------- */

static struct utmpx record(short type, int pid, const char *line, const char *user,
			   const char *host, int64_t s)
{
	struct utmpx u;

	memset(&u, 0, sizeof(u));
	u.ut_type = type;
	u.ut_pid = pid;
	memcpy(u.ut_line, line, strnlen(line, sizeof(u.ut_line)));
	memcpy(u.ut_user, user, strnlen(user, sizeof(u.ut_user)));
	memcpy(u.ut_host, host, strnlen(host, sizeof(u.ut_host)));
	u.ut_tv.tv_sec = (__typeof__(u.ut_tv.tv_sec))s;
	u.ut_tv.tv_usec = 250000;
	return u;
}

static void put_utmp(const char *path, const struct utmpx *u, size_t n)
{
	fixture_put_bytes(&fx, path, u, n * sizeof(*u));
}

START_TEST(logins_of_utmp_are_rows_by_terminal)
{
	const struct utmpx u[] = {
		record(BOOT_TIME, 0, "~", "reboot", "6.1.0", 1600000000),
		record(RUN_LVL, 53, "~", "runlevel", "6.1.0", 1600000001),
		record(LOGIN_PROCESS, 700, "tty1", "LOGIN", "", 1600000002),
		record(USER_PROCESS, 800, "pts/0", "alice", "192.0.2.7", 1700000000),
		record(USER_PROCESS, 801, ":0", "bob", ":0", 1700000001),
		record(DEAD_PROCESS, 802, "pts/1", "carol", "", 1700000002),
		record(USER_PROCESS, 803, "pts/2", "gone", "", 1700000003),
		record(USER_PROCESS, 804, "", "nowhere", "", 0),
	};

	put_utmp("run/utmp", u, VMV_COUNTOF(u));
	fixture_mkdir(&fx, "proc/700");
	fixture_mkdir(&fx, "proc/800");
	fixture_mkdir(&fx, "proc/801");
	fixture_mkdir(&fx, "proc/802");
	fixture_mkdir(&fx, "proc/804");
	ck_assert_msg(read_users() == 0, "%s", err.msg);
	ck_assert_int_eq(err.code, VMV_OK);
	ck_assert_uint_eq(kept.n, 3);
	ck_assert_str_eq(row("pts/0")->user, "alice");
	ck_assert_str_eq(row("pts/0")->tty, "pts/0");
	ck_assert_str_eq(row("pts/0")->from, "192.0.2.7");
	ck_assert_str_eq(row("pts/0")->service, "");
	ck_assert_uint_eq(row("pts/0")->pid, 800);
	ck_assert_uint_eq(row("pts/0")->start, 1700000000250000);
	ck_assert_str_eq(row(":0")->user, "bob");
	ck_assert_str_eq(row("pid804")->tty, "");
	ck_assert_uint_eq(row("pid804")->start, VMV_UNSET);
}
END_TEST

static bool all_live(void *arg, uint64_t pid)
{
	(void)arg;
	(void)pid;
	return true;
}

/* Byte by byte, as glibc has written it since long before this program. */
START_TEST(the_record_of_x86_64_is_understood)
{
#ifdef __x86_64__
	unsigned char b[384] = { 7, 0, 0, 0, 0xd2, 4, 0, 0 }; /* type; pid 1234 */

	memcpy(b + 8, "pts/0", 5);
	memcpy(b + 44, "alice", 5);
	memcpy(b + 76, "192.0.2.7", 9);
	memcpy(b + 340, "\x00\xf1\x53\x65\x40\x0d\x03\x00", 8); /* 1700000000, 200000 */
	ck_assert_int_eq(vmv_utmp_parse(b, sizeof(b), all_live, NULL, &all), 0);
	ck_assert_uint_eq(all.n, 1);
	ck_assert_str_eq(all.list[0].id, "pts/0");
	ck_assert_str_eq(all.list[0].sample.user, "alice");
	ck_assert_str_eq(all.list[0].sample.from, "192.0.2.7");
	ck_assert_uint_eq(all.list[0].sample.pid, 1234);
	ck_assert_uint_eq(all.list[0].sample.start, 1700000000200000);
#else
	SAY_SKIPPED("other machines have other records");
#endif
}
END_TEST

START_TEST(fields_without_a_nul_end_where_they_end)
{
	struct utmpx u;

	memset(&u, 'x', sizeof(u));
	u.ut_type = USER_PROCESS;
	u.ut_pid = 1;
	ck_assert_int_eq(vmv_utmp_parse(&u, sizeof(u), all_live, NULL, &all), 0);
	ck_assert_uint_eq(all.n, 1);
	ck_assert_uint_eq(strlen(all.list[0].sample.user), sizeof(u.ut_user));
	ck_assert_uint_eq(strlen(all.list[0].id), sizeof(u.ut_line));
	ck_assert_uint_eq(strlen(all.list[0].sample.from), sizeof(all.list[0].sample.from) - 1);
}
END_TEST

START_TEST(of_two_logins_on_one_terminal_the_later_stays)
{
	const struct utmpx u[] = {
		record(USER_PROCESS, 1, "pts/0", "old", "", 1700000000),
		record(USER_PROCESS, 2, "pts/0", "new", "", 1700000009),
		record(USER_PROCESS, 3, "pts/0", "older", "", 1600000000),
		record(USER_PROCESS, 4, "pts/0", "timeless", "", 0),
	};

	ck_assert_int_eq(vmv_utmp_parse(u, sizeof(u), all_live, NULL, &all), 0);
	ck_assert_uint_eq(all.n, 1);
	ck_assert_str_eq(all.list[0].sample.user, "new");
}
END_TEST

START_TEST(garbage_in_utmp_is_skipped)
{
	struct utmpx u[] = {
		record(USER_PROCESS, 0, "pts/0", "a", "", 1700000000),
		record(USER_PROCESS, -5, "pts/1", "b", "", 1700000000),
		record(USER_PROCESS, 3, "pts/2", "", "", 1700000000),
		record(99, 4, "pts/3", "d", "", 1700000000),
		record(USER_PROCESS, 5, "pts/4", "e", "", 1700000000),
		record(USER_PROCESS, 6, "pts/5", "cut", "", 1700000000),
	};

	u[4].ut_tv.tv_usec = -1;
	ck_assert_int_eq(vmv_utmp_parse(u, sizeof(u) - 1, all_live, NULL, &all), 0);
	ck_assert_uint_eq(all.n, 1);
	ck_assert_str_eq(all.list[0].id, "pts/4");
	ck_assert_uint_eq(all.list[0].sample.start, 1700000000000000);
	free(all.list);
	ck_assert_int_eq(vmv_utmp_parse("", 0, all_live, NULL, &all), 0);
	ck_assert_uint_eq(all.n, 0);
}
END_TEST

START_TEST(times_after_2038_are_not_negative)
{
	struct utmpx u = record(USER_PROCESS, 1, "pts/0", "a", "", INT64_C(4000000000));

	ck_assert_int_eq(vmv_utmp_parse(&u, sizeof(u), all_live, NULL, &all), 0);
	ck_assert_uint_eq(all.list[0].sample.start, UINT64_C(4000000000250000));
}
END_TEST

START_TEST(logins_of_utmp_are_bounded)
{
	vmv_autofree struct utmpx *u = calloc(VMV_SESSIONS_MAX + 50, sizeof(*u));
	char line[16];

	ck_assert_ptr_nonnull(u);
	for (int i = 0; i < VMV_SESSIONS_MAX + 50; i++) {
		(void)snprintf(line, sizeof(line), "pts/%d", i);
		u[i] = record(USER_PROCESS, i + 1, line, "a", "", 1700000000);
	}
	ck_assert_int_eq(
		vmv_utmp_parse(u, (VMV_SESSIONS_MAX + 50) * sizeof(*u), all_live, NULL, &all), 0);
	ck_assert_uint_eq(all.n, VMV_SESSIONS_MAX);
}
END_TEST

START_TEST(a_huge_utmp_is_an_error)
{
	vmv_autofree char *zeros = calloc(1, VMV_UTMP_MAX + 1);

	ck_assert_ptr_nonnull(zeros);
	fixture_put_bytes(&fx, "run/utmp", zeros, VMV_UTMP_MAX + 1);
	ck_assert_int_eq(read_users(), -EFBIG);
	ck_assert_int_eq(err.code, VMV_E_IO);
	fixture_put_bytes(&fx, "run/utmp", zeros, VMV_UTMP_MAX);
	ck_assert_int_eq(read_users(), 0);
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

START_TEST(utmp_may_lie_in_var_run)
{
	const struct utmpx u = record(USER_PROCESS, 800, "tty1", "alice", "", 1700000000);

	put_utmp("var/run/utmp", &u, 1);
	fixture_mkdir(&fx, "proc/800");
	ck_assert_int_eq(read_users(), 0);
	ck_assert_str_eq(row("tty1")->user, "alice");
}
END_TEST

/* var/run -> /run, which is another machine's here */
START_TEST(links_out_of_a_recorded_tree_are_not_followed)
{
	const struct utmpx u = record(USER_PROCESS, 800, "tty1", "alice", "", 1700000000);
	char target[128];

	put_utmp("other/utmp", &u, 1);
	fixture_mkdir(&fx, "proc/800");
	(void)snprintf(target, sizeof(target), "%s/other", fx.dir);
	fixture_link(&fx, "var/run", target);
	ck_assert_int_eq(read_users(), -ENOENT);
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

/* -- which of the two -------------------------------------------------------------------------- */

static void put_one_in_utmp(void)
{
	const struct utmpx u = record(USER_PROCESS, 800, "pts/9", "dave", "", 1700000000);

	put_utmp("run/utmp", &u, 1);
	fixture_mkdir(&fx, "proc/800");
}

START_TEST(with_a_login_manager_utmp_is_not_read)
{
	put_one_in_utmp();
	fx.root.asker = &fake.asker;
	fx.root.is_live = true;
	fake.text = TWO;
	ck_assert_int_eq(read_users(), 0);
	ck_assert_str_eq(fake.question, "users");
	ck_assert_uint_eq(kept.n, 2);
	ck_assert_str_eq(row("3")->user, "alice");
	ck_assert_str_eq(row("c1")->user, "Bob Q. Public");
	fake.text = "";
	ck_assert_int_eq(read_users(), 0);
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

static const int nobody[] = { -ENOENT, -ENOSYS };

START_TEST(without_one_it_is)
{
	put_one_in_utmp();
	fx.root.asker = &fake.asker;
	fx.root.is_live = true;
	fake.result = nobody[_i];
	ck_assert_int_eq(read_users(), 0);
	ck_assert_int_eq(err.code, VMV_OK);
	ck_assert_uint_eq(kept.n, 1);
	ck_assert_str_eq(row("pts/9")->user, "dave");
}
END_TEST

START_TEST(a_recorded_tree_has_utmp_only)
{
	put_one_in_utmp();
	fx.root.asker = &fake.asker;
	fake.text = TWO;
	ck_assert_int_eq(read_users(), 0);
	ck_assert_uint_eq(fake.n, 0);
	ck_assert_uint_eq(kept.n, 1);
}
END_TEST

/* Its sessions would come back under other names. */
START_TEST(a_login_manager_that_is_silent_is_not_replaced)
{
	put_one_in_utmp();
	fx.root.asker = &fake.asker;
	fx.root.is_live = true;
	ck_assert_int_eq(read_users(), VMV_WAIT);
	fake.asked_ms = VMV_ASK_WAIT_MS;
	ck_assert_int_eq(read_users(), -EAGAIN);
	fake.result = -ETIMEDOUT;
	ck_assert_int_eq(read_users(), -ETIMEDOUT);
	ck_assert_str_eq(err.msg, "the login manager does not answer");
	fake.result = 0;
	fake.text = "garbage\n";
	ck_assert_int_eq(read_users(), -EINVAL);
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

START_TEST(neither_of_the_two_is_enoent)
{
	ck_assert_int_eq(read_users(), -ENOENT);
	ck_assert_uint_eq(kept.n, 0);
}
END_TEST

/* -- live -------------------------------------------------------------------------------------- */

START_TEST(the_system_we_run_on_is_understood)
{
	struct vmv_root root;
	int r;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	r = kept_read(&kept, &vmv_collector_user, &root, &err);
	if (r == -ENOENT)
		SAY_SKIPPED("there is no utmp here");
	else
		ck_assert_msg(r == 0, "%s", err.msg);
	for (size_t i = 0; i < kept.n; i++)
		ck_assert_str_ne(row(kept.ids[i])->user, "");
	vmv_root_close(&root);
}
END_TEST

/* What the kernel says of processes, with hidepid or without: init is there, and we are. */
START_TEST(processes_of_the_kernel_we_run_on_are_alive)
{
	struct vmv_root live;
	const struct utmpx u[] = {
		record(USER_PROCESS, 1, "tty1", "init", "", 1700000000),
		record(USER_PROCESS, getpid(), "tty2", "me", "", 1700000000),
		record(USER_PROCESS, 0x3fffffff, "tty3", "nobody", "", 1700000000),
	};

	ck_assert_int_eq(vmv_root_open(&live, "/", NULL), 0);
	put_utmp("run/utmp", u, VMV_COUNTOF(u));
	vmv_closep(&live.top);
	live.top = fx.root.top; /* our utmp, its processes */
	ck_assert_int_eq(kept_read(&kept, &vmv_collector_user, &live, &err), 0);
	ck_assert_uint_eq(kept.n, 2);
	ck_assert_str_eq(row("tty1")->user, "init");
	ck_assert_str_eq(row("tty2")->user, "me");
	live.top = -1;
	vmv_root_close(&live);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("user");
	TCase *tc = tcase_create("user");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, the_answer_is_taken_apart);
	tcase_add_test(tc, nobody_is_an_answer_too);
	tcase_add_loop_test(tc, a_malformed_answer_fails_and_leaves_the_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, long_texts_are_cut);
	tcase_add_test(tc, sessions_are_bounded);
	tcase_add_test(tc, logins_of_utmp_are_rows_by_terminal);
	tcase_add_test(tc, the_record_of_x86_64_is_understood);
	tcase_add_test(tc, fields_without_a_nul_end_where_they_end);
	tcase_add_test(tc, of_two_logins_on_one_terminal_the_later_stays);
	tcase_add_test(tc, garbage_in_utmp_is_skipped);
	tcase_add_test(tc, times_after_2038_are_not_negative);
	tcase_add_test(tc, logins_of_utmp_are_bounded);
	tcase_add_test(tc, a_huge_utmp_is_an_error);
	tcase_add_test(tc, utmp_may_lie_in_var_run);
	tcase_add_test(tc, links_out_of_a_recorded_tree_are_not_followed);
	tcase_add_test(tc, with_a_login_manager_utmp_is_not_read);
	tcase_add_loop_test(tc, without_one_it_is, 0, (int)VMV_COUNTOF(nobody));
	tcase_add_test(tc, a_recorded_tree_has_utmp_only);
	tcase_add_test(tc, a_login_manager_that_is_silent_is_not_replaced);
	tcase_add_test(tc, neither_of_the_two_is_enoent);
	tcase_add_test(tc, the_system_we_run_on_is_understood);
	tcase_add_test(tc, processes_of_the_kernel_we_run_on_are_alive);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
