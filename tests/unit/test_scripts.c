/* The store of scripts: what stands on disk before each step, and what a crash between any two of
 * them leaves. */
#include "execd/scripts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "execd/script_file.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOOT   "11111111-1111-4111-8111-111111111111"
#define BOOT_2 "22222222-2222-4222-8222-222222222222"
#define EXPIRE 7200

/* -- crashes ----------------------------------------------------------------------------------- */

/* The calls by which something gets to the disk come here, as this program has them before libc
 * has. Of a child that counts them one is the last thing it does, or the first that it does not. */
static int steps_left = -1;
static int fails_with; /* instead of a crash */

static bool is_struck(void)
{
	if (steps_left < 0)
		return false;
	if (steps_left > 0) {
		steps_left--;
		return false;
	}
	if (!fails_with)
		_exit(77);
	errno = fails_with;
	return true;
}

int fsync(int fd)
{
	return is_struck() ? -1 : (int)syscall(SYS_fsync, fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return is_struck() ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int unlinkat(int dir, const char *name, int flags)
{
	return is_struck() ? -1 : (int)syscall(SYS_unlinkat, dir, name, flags);
}

/* -- the store --------------------------------------------------------------------------------- */

static struct fixture fx;
static struct still_clock now;
static struct vmv_scripts *store;
static char told[8192]; /* "id exit text\n" of each that was settled at once */

static void open_store(const char *boot)
{
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_scripts_open(&store, fx.dir, boot, EXPIRE, &now.clock, &err) == 0, "%s",
		      err.msg);
}

static void open_again(const char *boot)
{
	vmv_scripts_free(store);
	open_store(boot);
}

static void up(void)
{
	fixture_up(&fx);
	still_clock_init(&now);
	told[0] = '\0';
	steps_left = -1;
	fails_with = 0;
	open_store(BOOT);
}

static void down(void)
{
	vmv_scripts_free(store);
	fixture_down(&fx);
}

static void note(void *arg, const struct vmv_script_outcome *o)
{
	size_t len = strlen(told);

	(void)arg;
	(void)snprintf(told + len, sizeof(told) - len, "%s %d %.*s%.*s\n", o->id, o->exit_code,
		       (int)o->out_len, o->out, (int)o->err_len, o->err);
}

static struct vmv_scripts_counts accept_as(const char *json, const char *refusal)
{
	struct json_object *scripts = json_tokener_parse(json);
	struct vmv_scripts_counts counts;
	struct vmv_err err = { 0 };

	ck_assert_ptr_nonnull(scripts);
	ck_assert_msg(vmv_scripts_accept(store, scripts, "org.example.0", refusal, note, NULL,
					 &counts, &err) == 0,
		      "%s", err.msg);
	json_object_put(scripts);
	return counts;
}

static struct vmv_scripts_counts accept_json(const char *json)
{
	return accept_as(json, NULL);
}

#define SCRIPT(id, type, text)                                                                \
	"{\"execution_id\":\"" id "\",\"script_id\":\"s\",\"script_name\":\"n\","             \
	"\"script_content\":\"" text "\",\"shell\":\"BASH\",\"execution_type\":\"" type "\"," \
	"\"input_values\":{},\"timeout_seconds\":5,\"run_as\":null}"
#define ONE "[" SCRIPT("a", "ON_DEMAND", "echo a") "]"

static void expect_next(const char *id)
{
	struct vmv_script s;

	if (!id) {
		ck_assert(!vmv_scripts_next(store, &s));
		return;
	}
	ck_assert(vmv_scripts_next(store, &s));
	ck_assert_str_eq(s.id, id);
}

static void start(const char *id)
{
	struct vmv_err err = { 0 };

	expect_next(id);
	ck_assert_msg(vmv_scripts_started(store, id, &err) == 0, "%s", err.msg);
}

static void run(const char *id, int exit_code)
{
	start(id);
	ck_assert_int_eq(vmv_scripts_finished(store, id, exit_code, "out\n", 4, "err\n", 4), 0);
}

static void expect_owed(uint64_t session, const char *id, int exit_code, const char *out,
			const char *err)
{
	struct vmv_script_outcome o;

	if (!id) {
		ck_assert(!vmv_scripts_owed(store, session, &o));
		return;
	}
	ck_assert(vmv_scripts_owed(store, session, &o));
	ck_assert_str_eq(o.id, id);
	ck_assert_int_eq(o.exit_code, exit_code);
	ck_assert_uint_eq(o.out_len, strlen(out));
	ck_assert_mem_eq(o.out, out, o.out_len);
	ck_assert_uint_eq(o.err_len, strlen(err));
	ck_assert_mem_eq(o.err, err, o.err_len);
	ck_assert_str_eq(o.channel, "org.example.0");
}

static void path_of(const char *id, const char *suffix, char ret[256])
{
	char name[VMV_SCRIPT_FILE_SIZE];

	vmv_script_file_name(id, suffix, name);
	(void)snprintf(ret, 256, "%s/scripts/%s", fx.dir, name);
}

static bool is_there(const char *id, const char *suffix)
{
	char path[256];

	path_of(id, suffix, path);
	return access(path, F_OK) == 0;
}

static bool file_has(const char *id, const char *text)
{
	char path[256], *data = NULL;
	size_t cap = 0;
	bool has;

	path_of(id, VMV_SCRIPT_SUFFIX, path);
	ck_assert_int_ge(vmv_read_table_at(AT_FDCWD, path, &data, &cap, 64 * VMV_MIB), 0);
	has = strstr(data, text) != NULL;
	free(data);
	return has;
}

/* -- the ordinary way -------------------------------------------------------------------------- */

START_TEST(a_script_goes_its_way_and_all_of_it_is_told)
{
	struct vmv_scripts_counts c = accept_json(ONE);
	struct vmv_script s;

	ck_assert_uint_eq(c.accepted, 1);
	ck_assert_str_eq(told, "");
	ck_assert(file_has("a", "echo a"));
	ck_assert(file_has("a", "\"accepted\""));
	ck_assert(vmv_scripts_next(store, &s));
	ck_assert_str_eq(s.id, "a");
	ck_assert_str_eq(s.name, "n");
	ck_assert_str_eq(s.shell, "BASH");
	ck_assert_ptr_null(s.run_as);
	ck_assert_uint_eq(s.timeout_s, 5);
	ck_assert_uint_eq(s.content_len, 6);
	ck_assert_mem_eq(s.content, "echo a", 6);
	ck_assert_str_eq(s.channel, "org.example.0");
	ck_assert_int_eq(vmv_scripts_started(store, "a", NULL), 0);
	ck_assert_mem_eq(s.content, "echo a", 6); /* still lent */
	ck_assert(file_has("a", "\"running\""));
	expect_owed(1, NULL, 0, "", "");
	ck_assert_int_eq(vmv_scripts_finished(store, "a", 3, "o\xff", 2, "e", 1), 0);
	ck_assert(file_has("a", "\"finished\""));
	expect_owed(1, "a", 3, "o\xef\xbf\xbd", "e");
	vmv_scripts_sent(store, "a", 1);
	expect_owed(1, NULL, 0, "", "");
	expect_owed(2, "a", 3, "o\xef\xbf\xbd", "e");
	ck_assert(vmv_scripts_has_work(store));
	ck_assert_int_eq(vmv_scripts_delivered(store, "a"), 0);
	ck_assert(!vmv_scripts_has_work(store));
	expect_owed(3, NULL, 0, "", "");
	ck_assert(file_has("a", "\"reported\""));
	ck_assert(!file_has("a", "echo a"));
	ck_assert(!file_has("a", "stdout"));
	ck_assert_int_eq(vmv_scripts_delivered(store, "a"), -ENOENT);
}
END_TEST

START_TEST(scripts_run_one_at_a_time_in_order_of_arrival)
{
	(void)accept_json("[" SCRIPT("z", "ON_DEMAND", "1") "," SCRIPT("a", "FIRST_BOOT", "2") "]");
	(void)accept_json("[" SCRIPT("m", "SCHEDULED", "3") "]");
	open_again(BOOT);
	start("z");
	expect_next(NULL);
	ck_assert_int_eq(vmv_scripts_finished(store, "z", 0, "", 0, "", 0), 0);
	run("a", 0);
	run("m", 0);
	expect_next(NULL);
	expect_owed(1, "z", 0, "", "");
	vmv_scripts_sent(store, "z", 1);
	expect_owed(1, "a", 0, "out\n", "err\n");
}
END_TEST

START_TEST(the_directory_is_for_root_alone)
{
	struct stat st;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/scripts", fx.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(chmod(path, 0777), 0);
	open_again(BOOT);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	(void)accept_json(ONE);
	path_of("a", VMV_SCRIPT_SUFFIX, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

/* -- once -------------------------------------------------------------------------------------- */

START_TEST(an_id_that_waits_runs_or_has_ended_is_not_run_again)
{
	ck_assert_uint_eq(
		accept_json("[" SCRIPT("a", "SCHEDULED", "x") "," SCRIPT("a", "SCHEDULED", "x") "]")
			.known,
		1);
	ck_assert_uint_eq(accept_json("[" SCRIPT("a", "SCHEDULED", "x") "]").known, 1);
	start("a");
	ck_assert_uint_eq(accept_json("[" SCRIPT("a", "SCHEDULED", "x") "]").known, 1);
	ck_assert_int_eq(vmv_scripts_finished(store, "a", 0, "", 0, "", 0), 0);
	vmv_scripts_sent(store, "a", 5);
	expect_owed(5, NULL, 0, "", "");
	ck_assert_uint_eq(accept_json("[" SCRIPT("a", "SCHEDULED", "x") "]").known, 1);
	expect_owed(5, "a", 0, "", ""); /* reported again */
	expect_next(NULL);
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(what_was_reported_is_told_again_and_only_scheduled_ones_run_again)
{
	(void)accept_json("[" SCRIPT("a", "ON_DEMAND", "x") "," SCRIPT("b", "SCHEDULED", "x") "]");
	run("a", 7);
	run("b", 8);
	ck_assert_int_eq(vmv_scripts_delivered(store, "a"), 0);
	ck_assert_int_eq(vmv_scripts_delivered(store, "b"), 0);
	open_again(BOOT_2);
	ck_assert_uint_eq(accept_json("[" SCRIPT("a", "FIRST_BOOT",
						 "y") "," SCRIPT("b", "scheduled", "y") "]")
				  .answered,
			  1);
	ck_assert_str_eq(told, "a 7 already run\n");
	run("b", 9);
	expect_next(NULL);
	expect_owed(1, "b", 9, "out\n", "err\n");
}
END_TEST

START_TEST(reported_ids_are_kept_thirty_days_and_a_thousand)
{
	char json[512], id[32];

	for (unsigned i = 0; i <= VMV_SCRIPTS_KEPT; i++) {
		(void)snprintf(id, sizeof(id), "n%u", i);
		(void)snprintf(json, sizeof(json),
			       "[{\"execution_id\":\"%s\",\"script_content\":\"x\"}]", id);
		ck_assert_uint_eq(accept_json(json).accepted, 1);
		run(id, 0);
		ck_assert_int_eq(vmv_scripts_delivered(store, id), 0);
	}
	ck_assert(!is_there("n0", VMV_SCRIPT_SUFFIX));
	ck_assert(is_there("n1", VMV_SCRIPT_SUFFIX));
	still_clock_pass(&now, 29ull * 86400 * 1000);
	open_again(BOOT);
	ck_assert(is_there("n1", VMV_SCRIPT_SUFFIX));
	still_clock_pass(&now, 2ull * 86400 * 1000);
	open_again(BOOT);
	ck_assert(!is_there("n1", VMV_SCRIPT_SUFFIX));
	ck_assert(!is_there("n1000", VMV_SCRIPT_SUFFIX));
}
END_TEST

/* -- bounds and refusals ----------------------------------------------------------------------- */

START_TEST(elements_that_cannot_be_told_are_skipped_and_others_are_told_why)
{
	static const struct {
		const char *json, *told;
		unsigned skipped;
	} cases[] = {
		{ "[1,null,\"x\",[],{}]", "", 5 },
		{ "[{\"execution_id\":\"a\"},{\"script_content\":\"x\"}]", "", 2 },
		{ "[{\"execution_id\":\"\",\"script_content\":\"x\"}]", "", 1 },
		{ "[{\"execution_id\":5,\"script_content\":\"x\"}]", "", 1 },
		{ "[{\"execution_id\":\"a\\u0000b\",\"script_content\":\"x\"}]", "", 1 },
		{ "[{\"execution_id\":\"a\",\"script_content\":\"x\\u0000y\"}]",
		  "a -1 refused: script_content: NUL in it\n", 0 },
		{ "[{\"execution_id\":\"a\",\"script_content\":\"x\",\"shell\":3}]",
		  "a -1 refused: shell: not a string, or too long\n", 0 },
		{ "[{\"execution_id\":\"a\",\"script_content\":\"x\",\"run_as\":[]}]",
		  "a -1 refused: run_as: not a string, or too long\n", 0 },
	};

	for (size_t i = 0; i < VMV_COUNTOF(cases); i++) {
		struct vmv_scripts_counts c;

		told[0] = '\0';
		c = accept_json(cases[i].json);
		ck_assert_str_eq(told, cases[i].told);
		ck_assert_uint_eq(c.skipped, cases[i].skipped);
		ck_assert_uint_eq(c.accepted, 0);
		expect_next(NULL);
	}
}
END_TEST

START_TEST(scripts_that_are_no_array_are_an_error)
{
	struct json_object *o = json_object_new_object();
	struct vmv_scripts_counts c;

	ck_assert_int_eq(vmv_scripts_accept(store, o, "c", NULL, note, NULL, &c, NULL), -EINVAL);
	ck_assert_int_eq(vmv_scripts_accept(store, NULL, "c", NULL, note, NULL, &c, NULL), -EINVAL);
	json_object_put(o);
}
END_TEST

START_TEST(timeouts_are_defaulted_and_capped)
{
	static const struct {
		const char *text;
		uint32_t want;
	} cases[] = { { "0", 600 },	{ "-1", 600 },	{ "\"5\"", 600 },
		      { "null", 600 },	{ "1", 1 },	{ "3600", 3600 },
		      { "3601", 3600 }, { "1e9", 600 }, { "99999999", 3600 } };
	struct vmv_script s;
	char json[256], id[8];

	for (size_t i = 0; i < VMV_COUNTOF(cases); i++) {
		(void)snprintf(id, sizeof(id), "t%zu", i);
		(void)snprintf(json, sizeof(json),
			       "[{\"execution_id\":\"%s\",\"script_content\":\"x\","
			       "\"timeout_seconds\":%s}]",
			       id, cases[i].text);
		(void)accept_json(json);
		ck_assert(vmv_scripts_next(store, &s));
		ck_assert_uint_eq(s.timeout_s, cases[i].want);
		run(id, 0);
	}
}
END_TEST

START_TEST(a_refusal_is_told_to_each_and_nothing_is_written)
{
	(void)accept_as(ONE, "scripts need policy level full, this guest is at operate");
	ck_assert_str_eq(told, "a -1 refused: scripts need policy level full, this guest is at "
			       "operate\n");
	ck_assert(!is_there("a", VMV_SCRIPT_SUFFIX));
	expect_next(NULL);
}
END_TEST

/* Policy was changed in between: what runs is told once, when it has ended. */
START_TEST(a_refusal_does_not_touch_what_was_accepted_before)
{
	(void)accept_json(ONE);
	start("a");
	ck_assert_uint_eq(accept_as(ONE, "scripts need policy level full").known, 1);
	ck_assert_str_eq(told, "");
	ck_assert_int_eq(vmv_scripts_finished(store, "a", 0, "", 0, "", 0), 0);
	expect_owed(1, "a", 0, "", "");
}
END_TEST

static char *many(unsigned from, unsigned n, size_t text_len)
{
	size_t size = n * (text_len + 100) + 16, len = 1;
	char *json = malloc(size);

	ck_assert_ptr_nonnull(json);
	json[0] = '[';
	for (unsigned i = 0; i < n; i++) {
		len += (size_t)snprintf(json + len, size - len,
					"%s{\"execution_id\":\"m%u\",\"script_content\":\"",
					i ? "," : "", from + i);
		memset(json + len, 'x', text_len);
		len += text_len;
		len += (size_t)snprintf(json + len, size - len, "\"}");
	}
	(void)snprintf(json + len, size - len, "]");
	return json;
}

START_TEST(a_message_has_bounds)
{
	vmv_autofree char *scripts = many(0, VMV_SCRIPTS_MESSAGE + 1, 1),
			  *text = many(100, 3, 400000);

	ck_assert_uint_eq(accept_json(scripts).accepted, VMV_SCRIPTS_MESSAGE);
	ck_assert_str_eq(told, "m64 -1 refused: too many scripts in one message\n");
	told[0] = '\0';
	ck_assert_uint_eq(accept_json(text).accepted, 2);
	ck_assert_str_eq(told, "m102 -1 refused: too much script text in one message\n");
}
END_TEST

START_TEST(so_many_wait_and_no_more)
{
	for (unsigned i = 0; i < VMV_SCRIPTS_LIVE / VMV_SCRIPTS_MESSAGE; i++) {
		vmv_autofree char *json = many(i * VMV_SCRIPTS_MESSAGE, VMV_SCRIPTS_MESSAGE, 1);

		ck_assert_uint_eq(accept_json(json).accepted, VMV_SCRIPTS_MESSAGE);
	}
	(void)accept_json(ONE);
	ck_assert_str_eq(told, "a -1 refused: too many scripts are waiting\n");
}
END_TEST

/* -- restarts ---------------------------------------------------------------------------------- */

START_TEST(what_ran_at_a_restart_is_told_and_not_run_again)
{
	struct vmv_script_outcome o;

	(void)accept_json("[" SCRIPT("a", "ON_DEMAND", "x") "," SCRIPT("b", "SCHEDULED", "x") "]");
	start("a");
	open_again(BOOT_2);
	expect_owed(1, "a", -1, "",
		    "interrupted: the guest restarted while the script ran, it was not run again");
	ck_assert(vmv_scripts_owed(store, 1, &o));
	ck_assert(o.is_interrupted);
	start("b");
	open_again(BOOT_2);
	vmv_scripts_sent(store, "a", 1);
	expect_owed(1, "b", -1, "",
		    "interrupted: the executor restarted while the script ran, it was not run "
		    "again");
	expect_next(NULL);
	open_again(BOOT_2);
	expect_owed(1, "a", -1, "",
		    "interrupted: the guest restarted while the script ran, it was not run again");
}
END_TEST

START_TEST(what_waited_too_long_over_a_restart_expires)
{
	(void)accept_json(ONE);
	still_clock_pass(&now, (EXPIRE + 1) * 1000ull);
	expect_next("a"); /* no restart: it waited for its turn */
	open_again(BOOT);
	expect_next(NULL);
	expect_owed(1, "a", -1, "",
		    "expired: it was accepted at 2026-07-14T12:00:00.000Z, it was not run");
	(void)accept_json("[" SCRIPT("b", "ON_DEMAND", "x") "]");
	still_clock_pass(&now, EXPIRE * 1000ull - 1);
	open_again(BOOT);
	expect_next("b");
}
END_TEST

START_TEST(a_clock_that_is_set_makes_nothing_expire_in_the_same_boot)
{
	(void)accept_json(ONE);
	now.real_ms += INT64_C(86400000) * 365;
	open_again(BOOT);
	expect_next("a");
	now.real_ms -= INT64_C(86400000) * 3650;
	open_again(BOOT);
	expect_next("a");
	open_again(BOOT_2); /* back, over a reboot: not older than now */
	expect_next("a");
	now.real_ms += INT64_C(86400000) * 3650;
	open_again(BOOT_2);
	expect_next(NULL);
}
END_TEST

START_TEST(damaged_files_are_put_aside_and_never_run)
{
	char path[256];
	vmv_autofree char *data = NULL;
	size_t cap = 0;
	int len;
	FILE *f;

	/* it would be told by the hundred */
	ck_assert_ptr_nonnull(freopen("/dev/null", "we", stderr));
	(void)accept_json("[" SCRIPT("a", "ON_DEMAND", "echo a") "]");
	path_of("a", VMV_SCRIPT_SUFFIX, path);
	len = vmv_read_table_at(AT_FDCWD, path, &data, &cap, VMV_MIB);
	ck_assert_int_gt(len, 0);
	for (int i = 0; i <= len; i++) {
		char c = data[i];

		told[0] = '\0';
		vmv_scripts_free(store);
		f = fopen(path, "we");
		ck_assert_ptr_nonnull(f);
		data[i] ^= 1; /* one bit, of each byte; then of none, but cut */
		ck_assert_uint_eq(fwrite(data, 1, (size_t)(i < len ? len : len - 1), f),
				  (size_t)(i < len ? len : len - 1));
		data[i] = c;
		(void)fclose(f);
		open_store(BOOT);
		expect_next(NULL);
		ck_assert(!is_there("a", VMV_SCRIPT_SUFFIX));
		ck_assert(is_there("a", VMV_SCRIPT_SUFFIX_BAD));
		(void)accept_json(ONE);
		ck_assert_str_eq(told, "a -1 its record is damaged: whether it ran is not known\n");
	}
}
END_TEST

START_TEST(a_file_that_is_damaged_while_it_waits_is_not_run)
{
	char path[256];
	FILE *f;

	(void)accept_json(ONE);
	path_of("a", VMV_SCRIPT_SUFFIX, path);
	f = fopen(path, "ae");
	ck_assert_ptr_nonnull(f);
	(void)fputs("x", f);
	(void)fclose(f);
	expect_next(NULL);
	expect_owed(1, "a", -1, "", "its record on disk is damaged, it was not run");
	open_again(BOOT);
	expect_owed(1, "a", -1, "", "its record on disk is damaged, it was not run");
}
END_TEST

START_TEST(a_link_is_no_record)
{
	char path[256], other[256];

	(void)accept_json(ONE);
	vmv_scripts_free(store);
	path_of("a", VMV_SCRIPT_SUFFIX, path);
	(void)snprintf(other, sizeof(other), "%s/other", fx.dir);
	ck_assert_int_eq(rename(path, other), 0);
	ck_assert_int_eq(symlink(other, path), 0);
	open_store(BOOT);
	expect_next(NULL);
}
END_TEST

/* -- a disk that says no ----------------------------------------------------------------------- */

static unsigned lines_of_told(void)
{
	unsigned n = 0;

	for (const char *p = told; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	return n;
}

/* How many are owed, and of each that it was not written down. */
static unsigned count_owed(void)
{
	struct vmv_script_outcome o;
	unsigned n = 0;

	for (; vmv_scripts_owed(store, 1, &o); n++) {
		ck_assert_int_eq(o.exit_code, -1);
		ck_assert_mem_eq(o.err, "cannot be written down: ", 24);
		vmv_scripts_sent(store, o.id, 1);
	}
	return n;
}

/* From some step on everything fails, the taking back, too. */
START_TEST(when_one_cannot_be_written_down_none_starts)
{
	unsigned accepted = 0, n;
	int step;

	for (step = 0; accepted == 0; step++) {
		vmv_scripts_free(store);
		fixture_down(&fx);
		fixture_up(&fx);
		open_store(BOOT);
		told[0] = '\0';
		fails_with = ENOSPC;
		steps_left = step;
		accepted = accept_json("[" SCRIPT("a", "ON_DEMAND",
						  "x") "," SCRIPT("b", "SCHEDULED", "x") "]")
				   .accepted;
		expect_next(accepted ? "a" : NULL);
		n = lines_of_told() + count_owed();
		steps_left = -1;
		if (accepted)
			break;
		still_clock_pass(&now, 60000);
		expect_next(NULL);
		ck_assert_uint_eq(n + count_owed(), 2);
		open_again(BOOT);
		expect_next(NULL);
	}
	ck_assert_int_gt(step, 4);
	ck_assert_uint_eq(accepted, 2);
}
END_TEST

/* A real one, where it can be had. */
START_TEST(a_full_disk_loses_nothing_and_runs_nothing_twice)
{
	char path[128], filler[160];
	static char block[65536];
	struct vmv_err err = { 0 };
	int fd;

	vmv_scripts_free(store);
	store = NULL;
	(void)snprintf(path, sizeof(path), "%s/state", fx.dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	/* in a namespace, so that nothing is left when this fails */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", path, "tmpfs", 0, "size=256k") < 0) {
		SAY_SKIPPED("no tmpfs can be mounted here");
		return;
	}
	ck_assert_int_eq(vmv_scripts_open(&store, path, BOOT, EXPIRE, &now.clock, &err), 0);
	ck_assert_uint_eq(accept_json(ONE).accepted, 1);
	(void)snprintf(filler, sizeof(filler), "%s/filler", path);
	fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) > 0 || write(fd, block, 4096) > 0)
		;
	(void)close(fd);
	(void)accept_json("[" SCRIPT("b", "ON_DEMAND", "x") "]");
	ck_assert_str_eq(told, "b -1 cannot be written down: No space left on device\n");
	expect_next("a");
	ck_assert_int_eq(vmv_scripts_started(store, "a", &err), -ENOSPC);
	expect_next(NULL); /* not now */
	ck_assert_uint_ne(vmv_scripts_wait_ms(store), UINT64_MAX);
	ck_assert_int_eq(unlink(filler), 0);
	still_clock_pass(&now, 60000);
	start("a");
	fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) > 0 || write(fd, block, 4096) > 0)
		;
	(void)close(fd);
	ck_assert_int_eq(vmv_scripts_finished(store, "a", 4, "out", 3, "", 0), 0);
	expect_owed(1, "a", 4, "out", "");
	ck_assert_int_eq(unlink(filler), 0);
	still_clock_pass(&now, 60000);
	expect_owed(1, "a", 4, "out", ""); /* and is written by now */
	vmv_scripts_free(store);
	store = NULL;
	ck_assert_int_eq(vmv_scripts_open(&store, path, BOOT, EXPIRE, &now.clock, &err), 0);
	expect_owed(1, "a", 4, "out", "");
	vmv_scripts_free(store);
	store = NULL;
	ck_assert_int_eq(umount(path), 0);
}
END_TEST

/* On disk it is accepted still: told now, it might yet run after a restart. */
START_TEST(an_outcome_that_a_restart_could_undo_waits_for_the_disk)
{
	static const char expired[] =
		"expired: it was accepted at 2026-07-14T12:00:00.000Z, it was not run";

	(void)accept_json(ONE);
	still_clock_pass(&now, (EXPIRE + 1) * 1000ull);
	open_again(BOOT);
	fails_with = EROFS;
	steps_left = 0;
	expect_next(NULL);
	expect_owed(1, NULL, 0, "", "");
	ck_assert(vmv_scripts_has_work(store));
	steps_left = -1;
	still_clock_pass(&now, 60000);
	expect_owed(1, "a", -1, "", expired);
	open_again(BOOT);
	expect_owed(1, "a", -1, "", expired);
}
END_TEST

START_TEST(while_frozen_nothing_is_written_and_nothing_is_lost)
{
	(void)accept_json("[" SCRIPT("a", "ON_DEMAND", "x") "," SCRIPT("c", "ON_DEMAND", "x") "]");
	start("a");
	vmv_scripts_freeze(store, true);
	fails_with = EIO;
	steps_left = 0; /* whatever is written fails */
	(void)accept_json("[" SCRIPT("b", "ON_DEMAND", "x") "]");
	ck_assert_str_eq(told, "b -1 refused: filesystems are frozen\n");
	ck_assert_int_eq(vmv_scripts_finished(store, "a", 2, "out", 3, "", 0), 0);
	expect_owed(1, NULL, 0, "", "");
	expect_next(NULL);
	steps_left = -1;
	vmv_scripts_freeze(store, false);
	expect_owed(1, "a", 2, "out", "");
	expect_next("c");
	open_again(BOOT);
	expect_owed(1, "a", 2, "out", "");
}
END_TEST

/* -- a crash anywhere -------------------------------------------------------------------------- */

static const char both[] = "[" SCRIPT("a", "ON_DEMAND", "x") "," SCRIPT("b", "FIRST_BOOT", "x") "]";

/* What happened outside the store, which a crash does not take back. */
static void mark(const char *what, const char *id)
{
	char path[128], line[32];
	int fd, len;

	(void)snprintf(path, sizeof(path), "%s/marks", fx.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	len = snprintf(line, sizeof(line), "%s %s\n", what, id);
	ck_assert_int_eq(write(fd, line, (size_t)len), len);
	(void)close(fd);
}

static unsigned count_marks(const char *what, const char *id)
{
	char path[128], line[32], want[32];
	unsigned n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/marks", fx.dir);
	(void)snprintf(want, sizeof(want), "%s %s\n", what, id);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		n += strcmp(line, want) == 0;
	if (f)
		(void)fclose(f);
	return n;
}

static void mark_told(void *arg, const struct vmv_script_outcome *o)
{
	(void)arg;
	mark("told", o->id);
}

static void take_both(void)
{
	struct json_object *scripts = json_tokener_parse(both);
	struct vmv_scripts_counts c;

	ck_assert_int_eq(vmv_scripts_accept(store, scripts, "org.example.0", NULL, mark_told, NULL,
					    &c, NULL),
			 0);
	json_object_put(scripts);
}

static void work(uint64_t session)
{
	struct vmv_script_outcome o;
	struct vmv_script s;

	while (vmv_scripts_next(store, &s)) {
		ck_assert_int_eq(vmv_scripts_started(store, s.id, NULL), 0);
		mark("ran", s.id);
		ck_assert_int_eq(vmv_scripts_finished(store, s.id, 0, "o", 1, "", 0), 0);
	}
	while (vmv_scripts_owed(store, session, &o)) {
		char id[8];

		(void)snprintf(id, sizeof(id), "%s", o.id);
		mark("told", id);
		vmv_scripts_sent(store, id, session);
		ck_assert_int_eq(vmv_scripts_delivered(store, id), 0);
	}
}

/* True when the child came to its end before the step that was to be its last. */
static bool live_and_crash(int step)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		steps_left = step;
		take_both();
		mark("accepted", "all");
		work(1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
	return WEXITSTATUS(status) == 0;
}

static void check_both(bool was_accepted)
{
	static const char *const ids[] = { "a", "b" };

	for (size_t i = 0; i < VMV_COUNTOF(ids); i++) {
		ck_assert_uint_le(count_marks("ran", ids[i]), 1);
		if (was_accepted)
			ck_assert_uint_ge(count_marks("told", ids[i]), 1);
	}
}

START_TEST(a_crash_at_any_step_runs_nothing_twice_and_forgets_nothing)
{
	char marks[128];
	bool is_through = false;
	int step;

	(void)snprintf(marks, sizeof(marks), "%s/marks", fx.dir);
	for (step = 0; !is_through; step++) {
		vmv_scripts_free(store);
		fixture_down(&fx);
		fixture_up(&fx);
		(void)snprintf(marks, sizeof(marks), "%s/marks", fx.dir);
		open_store(BOOT);
		is_through = live_and_crash(step);
		open_again(BOOT_2);
		work(2);
		check_both(count_marks("accepted", "all") == 1);
		take_both(); /* the host asks for them again */
		work(3);
		check_both(true);
		open_again(BOOT_2);
		ck_assert(!vmv_scripts_has_work(store));
	}
	ck_assert_int_gt(step, 20);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scripts");
	TCase *tc = tcase_create("scripts");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_script_goes_its_way_and_all_of_it_is_told);
	tcase_add_test(tc, scripts_run_one_at_a_time_in_order_of_arrival);
	tcase_add_test(tc, the_directory_is_for_root_alone);
	tcase_add_test(tc, an_id_that_waits_runs_or_has_ended_is_not_run_again);
	tcase_add_test(tc, what_was_reported_is_told_again_and_only_scheduled_ones_run_again);
	tcase_add_test(tc, reported_ids_are_kept_thirty_days_and_a_thousand);
	tcase_add_test(tc, elements_that_cannot_be_told_are_skipped_and_others_are_told_why);
	tcase_add_test(tc, scripts_that_are_no_array_are_an_error);
	tcase_add_test(tc, timeouts_are_defaulted_and_capped);
	tcase_add_test(tc, a_refusal_is_told_to_each_and_nothing_is_written);
	tcase_add_test(tc, a_refusal_does_not_touch_what_was_accepted_before);
	tcase_add_test(tc, a_message_has_bounds);
	tcase_add_test(tc, so_many_wait_and_no_more);
	tcase_add_test(tc, what_ran_at_a_restart_is_told_and_not_run_again);
	tcase_add_test(tc, what_waited_too_long_over_a_restart_expires);
	tcase_add_test(tc, a_clock_that_is_set_makes_nothing_expire_in_the_same_boot);
	tcase_add_test(tc, damaged_files_are_put_aside_and_never_run);
	tcase_add_test(tc, a_file_that_is_damaged_while_it_waits_is_not_run);
	tcase_add_test(tc, a_link_is_no_record);
	tcase_add_test(tc, when_one_cannot_be_written_down_none_starts);
	tcase_add_test(tc, a_full_disk_loses_nothing_and_runs_nothing_twice);
	tcase_add_test(tc, an_outcome_that_a_restart_could_undo_waits_for_the_disk);
	tcase_add_test(tc, while_frozen_nothing_is_written_and_nothing_is_lost);
	tcase_add_test(tc, a_crash_at_any_step_runs_nothing_twice_and_forgets_nothing);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
