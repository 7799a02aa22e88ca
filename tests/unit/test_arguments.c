#include "host/arguments.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/command.h"
#include "host/exec.h"
#include "host/message.h"
#include "host/options.h"
#include "host/text.h"
#include "proto/json_write.h"

/* -- typed words ------------------------------------------------------------------------------- */

static int write_words(const char *action, const char *const *words, struct vmv_jw *w,
		       struct vmv_err *err)
{
	char *argv[8];
	size_t n = 0;
	int r;

	for (; words[n]; n++)
		ck_assert_ptr_nonnull(argv[n] = strdup(words[n]));
	vmv_jw_init(w, VMV_MIB);
	vmv_jw_open(w, NULL);
	r = vmv_arguments_write(vmv_message_command(action), argv, n, w, err);
	vmv_jw_close(w);
	while (n > 0)
		free(argv[--n]);
	return r;
}

static const struct {
	const char *action;
	const char *words[4];
	const char *json;
} good[] = {
	{ "SystemInfo", { NULL }, "{}" },
	{ "RebootSystem", { "force=on", "delay_s=60" }, "{\"force\":true,\"delay_s\":60}" },
	{ "ProcessKill", { "pid=-1" }, "{\"pid\":-1}" }, /* limits are looked at later */
	{ "CheckDiskSpace", { "critical_threshold=99.25" }, "{\"critical_threshold\":99.25}" },
	{ "CheckDiskSpace", { "critical_threshold=-3" }, "{\"critical_threshold\":-3.0}" },
	{ "PackageInstall", { "package_name=x" }, "{\"package\":\"x\"}" },
	{ "PackageInstall", { "package=" }, "{\"package\":\"\"}" },
	{ "FsTrim", { "mountpoints=/,/a" }, "{\"mountpoints\":[\"/\",\"/a\"]}" },
	{ "FsTrim", { "mountpoints=/", "mountpoints=/a," }, "{\"mountpoints\":[\"/\",\"/a\"]}" },
	{ "FsTrim", { "mountpoints=" }, "{\"mountpoints\":[]}" },
	{ "UnsafeCommand",
	  { "env_vars.A=1=2", "raw_command=a=b", "env_vars.B.C=" },
	  "{\"raw_command\":\"a=b\",\"env_vars\":{\"A\":\"1=2\",\"B.C\":\"\"}}" },
	{ "FileStat", { "path=@/a" }, "{\"path\":\"@/a\"}" }, /* a text is no file */
};

START_TEST(words_become_what_the_table_says)
{
	struct vmv_err err = { 0 };
	struct vmv_jw w;

	ck_assert_int_eq(write_words(good[_i].action, good[_i].words, &w, &err), 0);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	ck_assert_int_eq(vmv_buf_add(&w.buf, "", 1), 0);
	ck_assert_str_eq(w.buf.data, good[_i].json);
	vmv_jw_free(&w);
}
END_TEST

static const struct {
	const char *action, *word;
} bad[] = {
	{ "SystemInfo", "a=b" },
	{ "RebootSystem", "" },
	{ "RebootSystem", "=1" },
	{ "RebootSystem", "delay_s" },
	{ "RebootSystem", "delay_s=" },
	{ "RebootSystem", "delay_s=1 " },
	{ "RebootSystem", "delay_s=0x1" },
	{ "RebootSystem", "delay_s=99999999999999999999" },
	{ "RebootSystem", "delay_s@=/etc/hostname" },
	{ "RebootSystem", "delay_s.x=1" },
	{ "RebootSystem", "force=TRUE" },
	{ "RebootSystem", "Force=true" },
	{ "RebootSystem", "forc=true" },
	{ "RebootSystem", "forced=true" },
	{ "CheckDiskSpace", "warning_threshold=1e1" },
	{ "CheckDiskSpace", "warning_threshold=--1" },
	{ "CheckDiskSpace", "warning_threshold=nan" },
	{ "ServiceControl", "action=start" }, /* an alias in params only */
	{ "UnsafeCommand", "env_vars=a" },
	{ "UnsafeCommand", "env_vars.=a" },
	{ "UnsafeCommand", "env_vars.A@=/etc/hostname" },
	{ "FileWrite", "data=@/nonexistent/file" },
	{ "FileWrite", "data=@/" },
	{ "JoinDomain", "password@=/nonexistent/file" },
};

START_TEST(wrong_words_are_a_mistake_of_the_user)
{
	const char *const words[] = { bad[_i].word, NULL };
	struct vmv_err err = { 0 };
	struct vmv_jw w;

	ck_assert_int_eq(write_words(bad[_i].action, words, &w, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_RANGE);
	ck_assert_str_ne(err.msg, "");
	vmv_jw_free(&w);
}
END_TEST

START_TEST(a_file_that_is_too_long_is_no_argument)
{
	char path[] = "/tmp/vmv-test-XXXXXX", word[64];
	const char *const words[] = { word, NULL };
	struct vmv_err err = { 0 };
	struct vmv_jw w;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)(4 * VMV_MIB + 1)), 0);
	(void)close(fd);
	(void)snprintf(word, sizeof(word), "data=@%s", path);
	ck_assert_int_eq(write_words("FileWrite", words, &w, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "too long"));
	vmv_jw_free(&w);
	(void)unlink(path);
}
END_TEST

/* -- time -------------------------------------------------------------------------------------- */

START_TEST(time_is_that_of_the_command_unless_it_is_given)
{
	const struct vmv_command *reading = vmv_command_find("Ping");
	const struct vmv_command *changing = vmv_command_find("FsTrim");
	struct vmv_options o = { .timeout_ms = 10000 };
	uint32_t s = 7;

	ck_assert_int_eq(vmv_message_timeout(&o, changing, &s, NULL), 0);
	ck_assert_uint_eq(s, 300);
	o.given = VMV_OPT_TIMEOUT;
	ck_assert_int_eq(vmv_message_timeout(&o, changing, &s, NULL), 0);
	ck_assert_uint_eq(s, 10);
	ck_assert_int_eq(vmv_message_timeout(&o, reading, &s, NULL), 0);
	ck_assert_uint_eq(s, 5);
	o.timeout_ms = 1; /* 0 would be the default of the guest */
	ck_assert_int_eq(vmv_message_timeout(&o, changing, &s, NULL), 0);
	ck_assert_uint_eq(s, 1);
	o.timeout_ms = 3600001;
	ck_assert_int_eq(vmv_message_timeout(&o, changing, &s, NULL), -EINVAL);
	ck_assert_uint_eq(s, 1);
}
END_TEST

/* -- lines for a shell ------------------------------------------------------------------------- */

static const struct {
	const char *words[4];
	const char *line;
} lines[] = {
	{ { "ls -l | wc" }, "ls -l | wc" },
	{ { "" }, "" },
	{ { "ls", "-l" }, "'ls' -l" },
	{ { "ls", "a b", "" }, "'ls' 'a b' ''" },
	{ { "A=b", "x" }, "'A=b' x" }, /* no assignment */
	{ { "if", "true" }, "'if' true" },
	{ { "echo", "it's", "$x" }, "'echo' 'it'\\''s' '$x'" },
	{ { "echo", "'", "''" }, "'echo' ''\\''' ''\\'''\\'''" },
	{ { "echo", "~", "#" }, "'echo' '~' '#'" },
	{ { "echo", "a\nb" }, "'echo' 'a\nb'" },
};

START_TEST(words_are_quoted_where_they_must_be)
{
	char *argv[4];
	struct vmv_text t;
	size_t n = 0;

	for (; n < 4 && lines[_i].words[n]; n++)
		ck_assert_ptr_nonnull(argv[n] = strdup(lines[_i].words[n]));
	vmv_text_init(&t, VMV_KIB);
	vmv_exec_line(argv, n, &t);
	ck_assert_int_eq(t.error, 0);
	ck_assert_int_eq(vmv_buf_add(&t.buf, "", 1), 0);
	ck_assert_str_eq(t.buf.data, lines[_i].line);
	vmv_text_free(&t);
	while (n > 0)
		free(argv[--n]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arguments");
	TCase *tc = tcase_create("words");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, words_become_what_the_table_says, 0, (int)VMV_COUNTOF(good));
	tcase_add_loop_test(tc, wrong_words_are_a_mistake_of_the_user, 0, (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, a_file_that_is_too_long_is_no_argument);
	tcase_add_test(tc, time_is_that_of_the_command_unless_it_is_given);
	tcase_add_loop_test(tc, words_are_quoted_where_they_must_be, 0, (int)VMV_COUNTOF(lines));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
