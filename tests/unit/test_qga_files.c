/* guest-file-*: job/qga_files.c, and what of the kernel's may be read (job/safepath.c). */
#include "base/cleanup.h"
#include "base/limits.h"
#include "proto/base64.h"
#include "tests/lib/acting_qga.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fx;
static struct acting x;
static int top;
static char file[1024]; /* what the executor would keep: a member of the message */
static const char *const secrets[] = { "/etc/vmvitals/secret", "/etc/vmvitals/keys.d" };

static void up(void)
{
	fixture_up(&fx);
	acting_up(&x, &fx);
	x.settings.secret_paths = secrets;
	x.settings.n_secret_paths = VMV_COUNTOF(secrets);
	top = open(fx.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top, 0);
	(void)umask(022); /* as job/main.c has it */
}

static void down(void)
{
	(void)close(top);
	acting_down(&x);
	fixture_down(&fx);
}

/* -- as the executor does it ----------------------------------------------------------------- */

static int open_as(const char *path, const char *mode)
{
	char args[512];
	int r;

	(void)snprintf(args, sizeof(args), "{\"path\":\"%s\",\"mode\":\"%s\"}", path, mode);
	r = acting_qga(&x, "guest-file-open", args, "");
	if (r == 0)
		(void)snprintf(file, sizeof(file), ",\"file\":%s",
			       json_object_to_json_string(acting_get(&x, "file")));
	return r;
}

static void opened(const char *path, const char *mode)
{
	ck_assert_msg(open_as(path, mode) == 0, "%s, %s: %s", path, mode, x.err.msg);
}

static void refused(const char *path, const char *mode, enum vmv_errc code)
{
	ck_assert_msg(open_as(path, mode) < 0, "%s was opened", path);
	ck_assert_msg(x.err.code == code, "%s: %d %s", path, (int)x.err.code, x.err.msg);
	ck_assert_ptr_null(x.data);
}

/* more: further arguments, beginning with a comma. Notes the position. */
static int act(const char *command, const char *more)
{
	char args[512];
	struct json_object *kept, *position;
	int r;

	(void)snprintf(args, sizeof(args), "{\"handle\":1000%s}", more);
	r = acting_qga(&x, command, args, file);
	if (r < 0 || !x.data)
		return r;
	ck_assert(json_object_object_get_ex(x.message, "file", &kept));
	position = acting_get(&x, "position");
	ck_assert_int_eq(json_object_object_add(kept, "position", json_object_get(position)), 0);
	(void)snprintf(file, sizeof(file), ",\"file\":%s", json_object_to_json_string(kept));
	return r;
}

static struct json_object *returned(const char *name)
{
	struct json_object *v;

	ck_assert(json_object_object_get_ex(acting_get(&x, "return"), name, &v));
	return v;
}

static void reads(const char *more, const char *base64, int64_t count, bool is_end)
{
	ck_assert_msg(act("guest-file-read", more) == 0, "%s", x.err.msg);
	ck_assert_str_eq(json_object_get_string(returned("buf-b64")), base64);
	ck_assert_int_eq(json_object_get_int64(returned("count")), count);
	ck_assert_int_eq(json_object_get_boolean(returned("eof")), is_end);
}

static void writes(const char *more, int64_t count)
{
	ck_assert_msg(act("guest-file-write", more) == 0, "%s", x.err.msg);
	ck_assert_int_eq(json_object_get_int64(returned("count")), count);
	ck_assert(!json_object_get_boolean(returned("eof")));
}

static void seeks(const char *more, int64_t position)
{
	ck_assert_msg(act("guest-file-seek", more) == 0, "%s", x.err.msg);
	ck_assert_int_eq(json_object_get_int64(returned("position")), position);
	ck_assert_int_eq(acting_int(&x, "position"), position);
	ck_assert(!json_object_get_boolean(returned("eof")));
}

static void fails(const char *command, const char *more, enum vmv_errc code)
{
	ck_assert_msg(act(command, more) < 0, "%s %s was done", command, more);
	ck_assert_msg(x.err.code == code, "%s %s: %d %s", command, more, (int)x.err.code,
		      x.err.msg);
	ck_assert_ptr_null(x.data);
}

static void check_text(const char *path, const char *expected)
{
	char text[256];

	ck_assert_int_ge(vmv_read_at(top, path, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_account(const char *path, uid_t uid)
{
	ck_assert_int_eq(fchownat(top, path, uid, (gid_t)uid, AT_SYMLINK_NOFOLLOW), 0);
}

/* -- reading --------------------------------------------------------------------------------- */

START_TEST(open_tells_what_to_keep)
{
	struct json_object *kept, *v;
	struct stat st;

	fixture_put(&fx, "f", "hello");
	ck_assert_int_eq(acting_qga(&x, "guest-file-open", "{\"path\":\"/f\"}", ""), 0);
	kept = acting_get(&x, "file");
	ck_assert_int_eq(json_object_object_length(kept), 5);
	ck_assert(json_object_object_get_ex(kept, "path", &v));
	ck_assert_str_eq(json_object_get_string(v), "/f");
	ck_assert(json_object_object_get_ex(kept, "mode", &v));
	ck_assert_str_eq(json_object_get_string(v), "r");
	ck_assert_int_eq(fstatat(top, "f", &st, 0), 0);
	ck_assert(json_object_object_get_ex(kept, "dev", &v));
	ck_assert_uint_eq(json_object_get_uint64(v), st.st_dev);
	ck_assert(json_object_object_get_ex(kept, "ino", &v));
	ck_assert_uint_eq(json_object_get_uint64(v), st.st_ino);
	ck_assert(json_object_object_get_ex(kept, "position", &v));
	ck_assert_int_eq(json_object_get_int64(v), 0);
}
END_TEST

START_TEST(a_file_is_read_on_from_the_position)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "rb");
	reads(",\"count\":2", "aGU=", 2, false);
	reads(",\"count\":3", "bGxv", 3, false); /* nobody has looked behind it yet */
	reads(",\"count\":1", "", 0, true);
	reads("", "", 0, true);
	seeks(",\"offset\":1,\"whence\":\"set\"", 1);
	reads("", "ZWxsbw==", 4, true);
	seeks(",\"offset\":0,\"whence\":0", 0);
	reads(",\"count\":0", "", 0, false);
}
END_TEST

START_TEST(the_count_is_4096_unless_told)
{
	char text[5001] = "";

	memset(text, 'x', 5000);
	fixture_put(&fx, "f", text);
	opened("/f", "r");
	ck_assert_int_eq(act("guest-file-read", ""), 0);
	ck_assert_int_eq(json_object_get_int64(returned("count")), 4096);
	ck_assert(!json_object_get_boolean(returned("eof")));
	ck_assert_int_eq(acting_int(&x, "position"), 4096);
}
END_TEST

START_TEST(at_most_2_mib_come_at_once)
{
	int fd;

	fixture_put(&fx, "f", "");
	fd = openat(top, "f", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, 2 * VMV_MIB + 7), 0);
	(void)close(fd);
	opened("/f", "r");
	ck_assert_int_eq(act("guest-file-read", ",\"count\":50331648"), 0);
	ck_assert_int_eq(json_object_get_int64(returned("count")), 2 * VMV_MIB);
	ck_assert(!json_object_get_boolean(returned("eof")));
	reads(",\"count\":50331648", "AAAAAAAAAA==", 7, true);
}
END_TEST

START_TEST(bad_counts_are_refused)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "r+");
	fails("guest-file-read", ",\"count\":-1", VMV_E_RANGE);
	fails("guest-file-read", ",\"count\":50331649", VMV_E_RANGE);
	fails("guest-file-write", ",\"buf-b64\":\"aGU=\",\"count\":3", VMV_E_RANGE);
	fails("guest-file-write", ",\"buf-b64\":\"aGU=\",\"count\":-1", VMV_E_RANGE);
	fails("guest-file-write", ",\"buf-b64\":\"aGV=\"", VMV_E_RANGE);
	check_text("f", "hello");
}
END_TEST

/* The beginning of a large file is not read for its end. */
START_TEST(the_end_of_a_large_file_is_read)
{
	int fd;

	fixture_put(&fx, "f", "");
	fd = openat(top, "f", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "end", 3, (off_t)1 << 40), 3);
	(void)close(fd);
	opened("/f", "r");
	seeks(",\"offset\":-3,\"whence\":\"end\"", (int64_t)1 << 40);
	reads("", "ZW5k", 3, true);
}
END_TEST

START_TEST(what_is_open_for_one_is_not_for_the_other)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "r");
	fails("guest-file-write", ",\"buf-b64\":\"aGU=\"", VMV_E_RANGE);
	opened("/f", "a");
	fails("guest-file-read", "", VMV_E_RANGE);
	check_text("f", "hello");
}
END_TEST

/* -- seeking --------------------------------------------------------------------------------- */

START_TEST(positions_are_counted_from_three_places)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "r");
	seeks(",\"offset\":3,\"whence\":\"set\"", 3);
	seeks(",\"offset\":1,\"whence\":\"cur\"", 4);
	seeks(",\"offset\":-2,\"whence\":1", 2);
	seeks(",\"offset\":-1,\"whence\":2", 4);
	seeks(",\"offset\":10,\"whence\":\"end\"", 15);
	reads("", "", 0, true);
	fails("guest-file-seek", ",\"offset\":-6,\"whence\":\"end\"", VMV_E_RANGE);
	fails("guest-file-seek", ",\"offset\":-1,\"whence\":\"set\"", VMV_E_RANGE);
	fails("guest-file-seek", ",\"offset\":9223372036854775807,\"whence\":\"cur\"", VMV_E_RANGE);
	seeks(",\"offset\":0,\"whence\":\"cur\"", 15);
	seeks(",\"offset\":9223372036854775807,\"whence\":0", INT64_MAX);
	fails("guest-file-read", "", VMV_E_RANGE);
}
END_TEST

START_TEST(other_places_are_refused)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "r");
	fails("guest-file-seek", ",\"offset\":0,\"whence\":\"hole\"", VMV_E_RANGE);
	ck_assert_str_eq(x.err.msg, "Parameter 'whence' does not accept value 'hole'");
	fails("guest-file-seek", ",\"offset\":0,\"whence\":3", VMV_E_RANGE);
	fails("guest-file-seek", ",\"offset\":0,\"whence\":-1", VMV_E_RANGE);
	fails("guest-file-seek", ",\"offset\":0,\"whence\":true", VMV_E_RANGE);
	ck_assert_ptr_nonnull(strstr(x.err.msg, "Invalid parameter type for 'whence', expected"));
	fails("guest-file-seek", ",\"offset\":0,\"whence\":null", VMV_E_RANGE);
}
END_TEST

/* -- writing --------------------------------------------------------------------------------- */

START_TEST(w_empties_it_once)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "w");
	check_text("f", "");
	writes(",\"buf-b64\":\"aGVsbG8=\"", 5);
	writes(",\"buf-b64\":\"IQ==\"", 1);
	check_text("f", "hello!");
	seeks(",\"offset\":1,\"whence\":\"set\"", 1);
	writes(",\"buf-b64\":\"QUJD\",\"count\":2", 2);
	check_text("f", "hABlo!");
	ck_assert_int_eq(acting_int(&x, "position"), 3);
	ck_assert_int_eq(act("guest-file-flush", ""), 0);
	ck_assert_ptr_null(x.data);
	check_text("f", "hABlo!");
}
END_TEST

START_TEST(a_appends_wherever_it_is)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "a+");
	reads(",\"count\":2", "aGU=", 2, false);
	writes(",\"buf-b64\":\"IQ==\"", 1);
	check_text("f", "hello!");
	ck_assert_int_eq(acting_int(&x, "position"), 6);
	seeks(",\"offset\":0,\"whence\":\"set\"", 0);
	writes(",\"buf-b64\":\"IQ==\"", 1);
	check_text("f", "hello!!");
}
END_TEST

START_TEST(r_plus_writes_in_place)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "r+b");
	writes(",\"buf-b64\":\"SEU=\"", 2);
	check_text("f", "HEllo");
	reads("", "bGxv", 3, true);
	refused("/none", "r+", VMV_E_NOTFOUND);
	ck_assert(!is_there("none"));
}
END_TEST

START_TEST(a_new_file_is_not_for_others_to_write)
{
	static const char *const words[] = { "w", "a", "w+b", "ab+" };
	struct stat st;

	for (size_t i = 0; i < VMV_COUNTOF(words); i++) {
		opened("/new", words[i]);
		ck_assert_int_eq(fstatat(top, "new", &st, 0), 0);
		ck_assert_int_eq(st.st_mode, S_IFREG | 0644);
		writes(",\"buf-b64\":\"aGk=\"", 2);
		check_text("new", "hi");
		ck_assert_int_eq(unlinkat(top, "new", 0), 0);
	}
	refused("/none/f", "w", VMV_E_NOTFOUND);
}
END_TEST

START_TEST(the_mode_of_one_that_is_there_stays)
{
	struct stat st;

	fixture_put(&fx, "f", "hello");
	ck_assert_int_eq(fchmodat(top, "f", 0600, 0), 0);
	opened("/f", "w");
	ck_assert_int_eq(fstatat(top, "f", &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(what_fits_is_told_when_the_disk_is_full)
{
	opened("/f", "w");
	seeks(",\"offset\":9223372036854775807,\"whence\":0", INT64_MAX);
	fails("guest-file-write", ",\"buf-b64\":\"aGk=\"", VMV_E_IO);
	check_text("f", "");
}
END_TEST

static const char *const bad_modes[] = { "",	"x",  "rw",  "r++", "+r",   "w+x", "rbb",
					 "r b", "re", "a,c", "R",   "r\\n", "+",   "b" };

START_TEST(other_modes_are_refused)
{
	fixture_put(&fx, "f", "hello");
	refused("/f", bad_modes[_i], VMV_E_RANGE);
	check_text("f", "hello");
}
END_TEST

/* -- which file ------------------------------------------------------------------------------ */

START_TEST(another_file_of_that_name_is_not_touched)
{
	fixture_put(&fx, "f", "hello");
	opened("/f", "r+");
	ck_assert_int_eq(renameat(top, "f", top, "old"), 0);
	fails("guest-file-read", "", VMV_E_NOTFOUND);
	fixture_put(&fx, "f", "other");
	fails("guest-file-read", "", VMV_E_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(x.err.msg, "it is not that file any more"));
	fails("guest-file-write", ",\"buf-b64\":\"aGU=\"", VMV_E_NOTFOUND);
	fails("guest-file-seek", ",\"offset\":0,\"whence\":0", VMV_E_NOTFOUND);
	fails("guest-file-flush", "", VMV_E_NOTFOUND);
	check_text("f", "other");
	check_text("old", "hello");
	ck_assert_int_eq(renameat(top, "old", top, "f"), 0);
	reads("", "aGVsbG8=", 5, true);
}
END_TEST

/* "w" and "a" create at open, and never later. */
START_TEST(one_that_is_gone_is_not_made_again)
{
	opened("/f", "w");
	ck_assert_int_eq(unlinkat(top, "f", 0), 0);
	fails("guest-file-write", ",\"buf-b64\":\"aGU=\"", VMV_E_NOTFOUND);
	ck_assert(!is_there("f"));
}
END_TEST

static const char *const bad_files[] = {
	"",
	",\"file\":null",
	",\"file\":7",
	",\"file\":{\"path\":\"/f\",\"mode\":\"r\",\"dev\":1,\"ino\":1}",
	",\"file\":{\"path\":\"/f\",\"mode\":\"r\",\"dev\":1,\"ino\":1,\"position\":-1}",
	",\"file\":{\"path\":\"/f\",\"dev\":1,\"ino\":1,\"position\":0}",
	",\"file\":{\"mode\":\"r\",\"dev\":1,\"ino\":1,\"position\":0}",
};

START_TEST(a_bad_description_is_refused)
{
	fixture_put(&fx, "f", "hello");
	(void)snprintf(file, sizeof(file), "%s", bad_files[_i]);
	fails("guest-file-read", "", VMV_E_PARSE);
}
END_TEST

START_TEST(the_policy_counts_each_time)
{
	static const char *const roots[] = { "/srv" };

	fixture_put(&fx, "f", "hello");
	opened("/f", "r");
	x.settings.file_roots = roots;
	fails("guest-file-read", "", VMV_E_DENIED);
}
END_TEST

/* -- which paths ----------------------------------------------------------------------------- */

START_TEST(outside_of_the_file_roots_is_nothing)
{
	static const char *const roots[] = { "/srv" };

	x.settings.file_roots = roots;
	fixture_put(&fx, "srv/f", "hello");
	fixture_put(&fx, "etc/f", "hello");
	fixture_link(&fx, "srv/up", "../etc");
	fixture_link(&fx, "srv/l", "../etc/f");
	fixture_link(&fx, "srv/abs", "/etc/f");
	fixture_link(&fx, "srv/in", "/srv/f");
	opened("/srv/f", "r");
	opened("/srv/in", "r");
	refused("/etc/f", "r", VMV_E_DENIED);
	refused("/etc/new", "w", VMV_E_DENIED);
	refused("/srv/up/f", "r", VMV_E_DENIED);
	refused("/srv/l", "r", VMV_E_DENIED);
	refused("/srv/abs", "r", VMV_E_DENIED);
	refused("/srv/l", "w", VMV_E_DENIED);
	refused("/srv/../etc/f", "r", VMV_E_RANGE);
	refused("/proc/version", "r", VMV_E_DENIED);
	check_text("etc/f", "hello");
}
END_TEST

START_TEST(secrets_stay_secret)
{
	fixture_put(&fx, "etc/vmvitals/secret", "hidden");
	fixture_put(&fx, "etc/vmvitals/keys.d/k", "hidden");
	fixture_mkdir(&fx, "d");
	fixture_link(&fx, "d/l", "/etc/vmvitals/secret");
	fixture_link(&fx, "d/rel", "../etc/./vmvitals/secret");
	fixture_link(&fx, "d/keys", "/etc/vmvitals/keys.d");
	ck_assert_int_eq(linkat(top, "etc/vmvitals/secret", top, "d/hard", 0), 0);
	refused("/etc/vmvitals/secret", "r", VMV_E_DENIED);
	refused("/etc/vmvitals/secret", "w", VMV_E_DENIED);
	refused("/etc/vmvitals/keys.d/new", "w", VMV_E_DENIED);
	refused("/d/l", "r", VMV_E_DENIED);
	refused("/d/l", "a", VMV_E_DENIED);
	refused("/d/rel", "r", VMV_E_DENIED);
	refused("/d/keys/k", "r", VMV_E_DENIED);
	refused("/d/keys/new", "w", VMV_E_DENIED);
	refused("/d/hard", "r", VMV_E_DENIED);
	refused("/d/hard", "w", VMV_E_DENIED);
	check_text("etc/vmvitals/secret", "hidden");
}
END_TEST

START_TEST(links_of_root_are_followed)
{
	fixture_put(&fx, "usr/lib/os-release", "ID=x\n");
	fixture_link(&fx, "etc/os-release", "../usr/lib/os-release");
	fixture_link(&fx, "etc/again", "/etc/os-release");
	fixture_link(&fx, "etc/dangling", "new");
	fixture_link(&fx, "etc/round", "round");
	fixture_link(&fx, "etc/dir", "../usr");
	opened("/etc/os-release", "r");
	reads("", "SUQ9eAo=", 5, true);
	opened("/etc/again", "r");
	reads("", "SUQ9eAo=", 5, true);
	refused("/etc/dangling", "r", VMV_E_NOTFOUND);
	opened("/etc/dangling", "w");
	check_text("etc/new", "");
	refused("/etc/round", "r", VMV_E_RANGE);
	refused("/etc/dir", "r", VMV_E_RANGE);
}
END_TEST

/* Whose link it is could have root write to what he may not. */
START_TEST(links_of_others_are_not)
{
	if (geteuid() != 0) {
		SAY_SKIPPED("not root");
		return;
	}
	fixture_put(&fx, "etc/passwd", "root");
	fixture_link(&fx, "home/u/notes", "/etc/passwd");
	fixture_link(&fx, "home/u/none", "/etc/new");
	put_account("home/u/notes", 4242);
	put_account("home/u/none", 4242);
	refused("/home/u/notes", "r", VMV_E_DENIED);
	refused("/home/u/notes", "w", VMV_E_DENIED);
	refused("/home/u/none", "a", VMV_E_DENIED);
	check_text("etc/passwd", "root");
	ck_assert(!is_there("etc/new"));
}
END_TEST

/* The same with a second name, which an account can give to what it cannot write to. */
START_TEST(a_file_with_other_names_is_not_written_to_where_others_give_them)
{
	fixture_put(&fx, "etc/passwd", "root");
	fixture_mkdir(&fx, "tmp");
	ck_assert_int_eq(fchmodat(top, "tmp", 01777, 0), 0);
	ck_assert_int_eq(linkat(top, "etc/passwd", top, "tmp/notes", 0), 0);
	refused("/tmp/notes", "w", VMV_E_DENIED);
	refused("/tmp/notes", "r+", VMV_E_DENIED);
	refused("/tmp/notes", "a", VMV_E_DENIED);
	check_text("etc/passwd", "root");
	opened("/tmp/notes", "r");
	opened("/etc/passwd", "w");
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(fchmodat(top, "tmp", 0755, 0), 0);
	put_account("tmp", 4242);
	refused("/tmp/notes", "w", VMV_E_DENIED);
}
END_TEST

START_TEST(nothing_but_regular_files_is_opened)
{
	char path[128];

	fixture_mkdir(&fx, "d");
	ck_assert_int_eq(mkfifoat(top, "fifo", 0600), 0);
	refused("/d", "r", VMV_E_RANGE);
	refused("/d", "w", VMV_E_RANGE);
	refused("/fifo", "r", VMV_E_RANGE); /* and nobody waits for its other end */
	refused("/fifo", "w", VMV_E_RANGE);
	refused("/", "r", VMV_E_RANGE);
	refused("/dev/null", "r", VMV_E_DENIED);
	(void)snprintf(path, sizeof(path), "%s/null", fx.dir);
	if (geteuid() == 0 && mknod(path, S_IFCHR | 0666, (dev_t)0x103) == 0)
		refused("/null", "w", VMV_E_RANGE);
}
END_TEST

static const char *const bad_paths[] = { "",	"f",	 "./f",	 "~/f",	    "/d/",
					 "//f", "/d//f", "/./f", "/d/../f", "/d/.." };

START_TEST(paths_are_absolute_and_plain)
{
	fixture_put(&fx, "f", "hello");
	fixture_put(&fx, "d/f", "hello");
	refused(bad_paths[_i], "r", VMV_E_RANGE);
	refused(bad_paths[_i], "w", VMV_E_RANGE);
	check_text("f", "hello");
}
END_TEST

/* -- what the kernel tells ------------------------------------------------------------------- */

START_TEST(proc_and_sys_are_read_as_far_as_all_may)
{
	x.settings.root = "/";
	opened("/proc/version", "r");
	reads(",\"count\":6", "TGludXgg", 6, false);
	reads(",\"count\":0", "", 0, false);
	ck_assert_int_eq(acting_int(&x, "position"), 6);
	opened("/proc/sys/kernel/ostype", "r");
	reads("", "TGludXgK", 6, true);
	if (access("/sys/class/net/lo/mtu", R_OK) == 0)
		opened("/sys/class/net/lo/mtu", "r"); /* lo is a link */
}
END_TEST

static const char *const bad_told[] = {
	"/proc/1/status",
	"/proc/self/status",
	"/proc/self/environ",
	"/proc/self/mem",
	"/proc/self/root/etc/passwd",
	"/proc/self/cwd/etc/passwd",
	"/proc/1/root/etc/passwd",
	"/proc/thread-self/status",
	"/proc/net/dev",
	"/proc/mounts",
	"/proc/kcore",
	"/proc/kmsg",
	"/proc/sysrq-trigger",
	"/proc",
	"/proc/sys",
	"/sys",
	"/sys/kernel",
};

START_TEST(nothing_of_processes_and_nothing_of_roots_own)
{
	x.settings.root = "/";
	ck_assert_msg(open_as(bad_told[_i], "r") < 0, "%s was opened", bad_told[_i]);
	ck_assert_ptr_null(x.data);
}
END_TEST

START_TEST(nothing_of_the_kernels_is_written_to)
{
	/* a file that takes anything: what is tested is that nobody asks it */
	x.settings.root = "/";
	refused("/proc/self/comm", "w", VMV_E_DENIED);
	refused("/proc/sys/kernel/ostype", "r+", VMV_E_DENIED);
	refused("/sys/kernel/new", "w", VMV_E_DENIED);
	refused("/proc/version", "a", VMV_E_DENIED);
}
END_TEST

/* A tree that only looks like it, as where something else is mounted there. */
START_TEST(what_only_looks_like_proc_is_not_read)
{
	fixture_put(&fx, "proc/version", "hello");
	fixture_link(&fx, "d", "proc");
	refused("/proc/version", "r", VMV_E_DENIED);
	refused("/d/version", "r", VMV_E_DENIED);
}
END_TEST

#define LOOP(test, table) tcase_add_loop_test(tc, test, 0, (int)VMV_COUNTOF(table))

int main(void)
{
	Suite *s = suite_create("qga_files");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, open_tells_what_to_keep);
	tcase_add_test(tc, a_file_is_read_on_from_the_position);
	tcase_add_test(tc, the_count_is_4096_unless_told);
	tcase_add_test(tc, at_most_2_mib_come_at_once);
	tcase_add_test(tc, bad_counts_are_refused);
	tcase_add_test(tc, the_end_of_a_large_file_is_read);
	tcase_add_test(tc, what_is_open_for_one_is_not_for_the_other);
	tcase_add_test(tc, positions_are_counted_from_three_places);
	tcase_add_test(tc, other_places_are_refused);
	tcase_add_test(tc, w_empties_it_once);
	tcase_add_test(tc, a_appends_wherever_it_is);
	tcase_add_test(tc, r_plus_writes_in_place);
	tcase_add_test(tc, a_new_file_is_not_for_others_to_write);
	tcase_add_test(tc, the_mode_of_one_that_is_there_stays);
	tcase_add_test(tc, what_fits_is_told_when_the_disk_is_full);
	LOOP(other_modes_are_refused, bad_modes);
	tcase_add_test(tc, another_file_of_that_name_is_not_touched);
	tcase_add_test(tc, one_that_is_gone_is_not_made_again);
	LOOP(a_bad_description_is_refused, bad_files);
	tcase_add_test(tc, the_policy_counts_each_time);
	tcase_add_test(tc, outside_of_the_file_roots_is_nothing);
	tcase_add_test(tc, secrets_stay_secret);
	tcase_add_test(tc, links_of_root_are_followed);
	tcase_add_test(tc, links_of_others_are_not);
	tcase_add_test(tc, a_file_with_other_names_is_not_written_to_where_others_give_them);
	tcase_add_test(tc, nothing_but_regular_files_is_opened);
	LOOP(paths_are_absolute_and_plain, bad_paths);
	tcase_add_test(tc, proc_and_sys_are_read_as_far_as_all_may);
	LOOP(nothing_of_processes_and_nothing_of_roots_own, bad_told);
	tcase_add_test(tc, nothing_of_the_kernels_is_written_to);
	tcase_add_test(tc, what_only_looks_like_proc_is_not_read);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
