#include "base/journal.h"

#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[] = "/tmp/vmv-journal-XXXXXX";
static char path[64];
static int journald = -1, fd = -1;

static int listen_at(const char *where)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(a.sun_path, where);
	ck_assert_int_eq(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	return s;
}

/* Each test has a process of its own; SIGPIPE ends it. */
static void up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	journald = listen_at(path);
	fd = vmv_journal_open();
	ck_assert_int_ge(fd, 0);
	(void)signal(SIGPIPE, SIG_DFL);
}

static void down(void)
{
	vmv_closep(&journald);
	vmv_closep(&fd);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* The next datagram; *memory (may be NULL) is the descriptor that came with it, or -1. */
static ssize_t receive(char *buf, size_t cap, int *memory)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { buf, cap };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(journald, &m, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);

	if (memory)
		*memory = -1;
	if (memory && c) {
		ck_assert_int_eq(c->cmsg_type, SCM_RIGHTS);
		ck_assert_uint_eq(c->cmsg_len, CMSG_LEN(sizeof(int)));
		memcpy(memory, CMSG_DATA(c), sizeof(int));
	} else {
		ck_assert_ptr_null(c);
	}
	return n;
}

static int send_one(const char *name, const char *value)
{
	const struct vmv_log_field f = { name, value };

	return vmv_journal_send(fd, path, &f, 1);
}

static void expect_bytes(const char *bytes, size_t len)
{
	char got[4096];
	ssize_t n = receive(got, sizeof(got), NULL);

	ck_assert_int_eq(n, (ssize_t)len);
	ck_assert_mem_eq(got, bytes, len);
}

#define EXPECT(text) expect_bytes(text, sizeof(text) - 1)

START_TEST(fields_are_lines_of_one_datagram)
{
	const struct vmv_log_field fields[] = {
		{ "MESSAGE", "a=b c" }, { "PRIORITY", "6" },	{ "LEFT_OUT", NULL },
		{ "EMPTY", "" },	{ "LAST", "\xc3\xa4" },
	};

	ck_assert_int_eq(vmv_journal_send(fd, path, fields, VMV_COUNTOF(fields)), 0);
	EXPECT("MESSAGE=a=b c\nPRIORITY=6\nEMPTY=\nLAST=\xc3\xa4\n");
	ck_assert_int_lt(receive(NULL, 0, NULL), 0); /* and no second one */
}
END_TEST

START_TEST(a_value_with_newlines_has_its_length_in_front)
{
	const struct vmv_log_field fields[] = {
		{ "MESSAGE", "one\ntwo\n" },
		{ "PRIORITY", "6" },
		{ "NOTHING_ELSE", "\n" },
	};

	ck_assert_int_eq(vmv_journal_send(fd, path, fields, VMV_COUNTOF(fields)), 0);
	EXPECT("MESSAGE\n\x08\0\0\0\0\0\0\0one\ntwo\n\nPRIORITY=6\n"
	       "NOTHING_ELSE\n\x01\0\0\0\0\0\0\0\n\n");
}
END_TEST

START_TEST(as_many_fields_as_are_promised)
{
	struct vmv_log_field fields[VMV_JOURNAL_FIELDS_MAX + 1];
	char got[4096];

	for (size_t i = 0; i < VMV_COUNTOF(fields); i++)
		fields[i] = (struct vmv_log_field){ "N", "\n" };
	ck_assert_int_eq(vmv_journal_send(fd, path, fields, VMV_JOURNAL_FIELDS_MAX), 0);
	ck_assert_int_eq(receive(got, sizeof(got), NULL), VMV_JOURNAL_FIELDS_MAX * 12);
	ck_assert_int_eq(vmv_journal_send(fd, path, fields, VMV_JOURNAL_FIELDS_MAX + 1), -E2BIG);
	ck_assert_int_lt(receive(got, sizeof(got), NULL), 0);
}
END_TEST

START_TEST(an_entry_without_a_value_is_none)
{
	ck_assert_int_eq(send_one("MESSAGE", NULL), -EINVAL);
	ck_assert_int_eq(vmv_journal_send(fd, path, NULL, 0), -EINVAL);
}
END_TEST

#define LARGE (3u << 20)

START_TEST(what_no_datagram_holds_goes_as_a_sealed_file)
{
	vmv_autofree char *value = malloc(LARGE + 1), *got = NULL;
	vmv_autoclose int memory = -1;
	char byte;
	struct stat st;
	struct vmv_log_field fields[] = { { "MESSAGE", value }, { "PRIORITY", "3" } };
	size_t len = strlen("MESSAGE=") + LARGE + strlen("\nPRIORITY=3\n");

	memset(value, 'x', LARGE);
	value[LARGE] = '\0';
	value[LARGE - 1] = 'y';
	ck_assert_int_eq(vmv_journal_send(fd, path, fields, 2), 0);
	ck_assert_int_eq(receive(&byte, 1, &memory), 0);
	ck_assert_int_ge(memory, 0);
	ck_assert_int_eq(fstat(memory, &st), 0);
	ck_assert_int_eq(st.st_size, (off_t)len);
	ck_assert_int_eq(fcntl(memory, F_GET_SEALS) & 0xf,
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	ck_assert_int_lt(pwrite(memory, "z", 1, 0), 0);

	got = malloc(len);
	ck_assert_int_eq(pread(memory, got, len, 0), (ssize_t)len);
	ck_assert_mem_eq(got, "MESSAGE=", 8);
	ck_assert_mem_eq(got + 8, value, LARGE);
	ck_assert_mem_eq(got + 8 + LARGE, "\nPRIORITY=3\n", 12);
}
END_TEST

/* Newlines, too, and with a memory file that is left behind nowhere. */
START_TEST(a_large_value_with_newlines_keeps_its_length)
{
	vmv_autofree char *value = malloc(LARGE + 1);
	vmv_autoclose int memory = -1;
	char got[32];
	int before = fcntl(fd, F_DUPFD_CLOEXEC, 0), after;

	memset(value, '\n', LARGE);
	value[LARGE] = '\0';
	ck_assert_int_eq(send_one("M", value), 0);
	ck_assert_int_eq(receive(got, 1, &memory), 0);
	ck_assert_int_eq(pread(memory, got, 11, 0), 11);
	ck_assert_mem_eq(got, "M\n\0\0\x30\0\0\0\0\0\n", 11);
	vmv_closep(&memory);
	memory = -1;
	after = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ck_assert_int_eq(after, before + 1);
	vmv_closep(&before);
	vmv_closep(&after);
}
END_TEST

START_TEST(a_journald_that_does_not_read_is_not_waited_for)
{
	char got[64];
	int sent = 0, r;

	(void)alarm(20); /* a test that blocks must fail */
	while ((r = send_one("MESSAGE", "x")) == 0 && sent < 1000000)
		sent++;
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_int_gt(sent, 0);
	ck_assert_int_eq(receive(got, sizeof(got), NULL), 10);
	ck_assert_int_eq(send_one("MESSAGE", "y"), 0); /* it reads again */
}
END_TEST

START_TEST(a_file_for_a_journald_that_does_not_read_is_not_left_open)
{
	vmv_autofree char *value = malloc(LARGE + 1);
	int before, after;

	memset(value, 'x', LARGE);
	value[LARGE] = '\0';
	while (send_one("MESSAGE", "x") == 0)
		;
	before = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ck_assert_int_lt(send_one("MESSAGE", value), 0);
	after = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ck_assert_int_eq(after, before + 1);
	vmv_closep(&before);
	vmv_closep(&after);
}
END_TEST

START_TEST(without_journald_the_caller_is_told)
{
	vmv_closep(&journald);
	journald = -1;
	ck_assert_int_eq(send_one("MESSAGE", "x"), -ECONNREFUSED); /* it died */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(send_one("MESSAGE", "x"), -ENOENT); /* it never ran */
}
END_TEST

START_TEST(a_new_journald_gets_what_the_same_descriptor_sends)
{
	ck_assert_int_eq(send_one("MESSAGE", "x"), 0);
	EXPECT("MESSAGE=x\n");
	vmv_closep(&journald);
	ck_assert_int_eq(send_one("MESSAGE", "lost"), -ECONNREFUSED);
	ck_assert_int_eq(unlink(path), 0);
	journald = listen_at(path);
	ck_assert_int_eq(send_one("MESSAGE", "again"), 0);
	EXPECT("MESSAGE=again\n");
}
END_TEST

START_TEST(an_address_that_is_too_long_is_refused)
{
	char long_path[109];
	const struct vmv_log_field f = { "MESSAGE", "x" };

	memset(long_path, 'x', sizeof(long_path));
	long_path[108] = '\0';
	ck_assert_int_eq(vmv_journal_send(fd, long_path, &f, 1), -ENAMETOOLONG);
	ck_assert_int_eq(vmv_journal_send(-1, path, &f, 1), -EBADF);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("journal");
	TCase *tc = tcase_create("journal");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, fields_are_lines_of_one_datagram);
	tcase_add_test(tc, a_value_with_newlines_has_its_length_in_front);
	tcase_add_test(tc, as_many_fields_as_are_promised);
	tcase_add_test(tc, an_entry_without_a_value_is_none);
	tcase_add_test(tc, what_no_datagram_holds_goes_as_a_sealed_file);
	tcase_add_test(tc, a_large_value_with_newlines_keeps_its_length);
	tcase_add_test(tc, a_journald_that_does_not_read_is_not_waited_for);
	tcase_add_test(tc, a_file_for_a_journald_that_does_not_read_is_not_left_open);
	tcase_add_test(tc, without_journald_the_caller_is_told);
	tcase_add_test(tc, a_new_journald_gets_what_the_same_descriptor_sends);
	tcase_add_test(tc, an_address_that_is_too_long_is_refused);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
