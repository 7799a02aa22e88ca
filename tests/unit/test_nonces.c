#include "execd/nonces.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW ((int64_t)VMV_V1_WINDOW_MS)

static char dir[64], file[128];
static int64_t real_now, mono_now;
static struct vmv_nonces *n;

static int64_t real_ms(const struct vmv_clock *clock)
{
	(void)clock;
	return real_now;
}

static uint64_t mono_ns(const struct vmv_clock *clock)
{
	(void)clock;
	return (uint64_t)mono_now * 1000000u;
}

static const struct vmv_clock test_clock = { mono_ns, real_ms };

/* In place of the C library's: counted, and failing when asked to. */
static int syncs, sync_error;

static int sync_with(long call, int fd)
{
	syncs++;
	if (sync_error) {
		errno = sync_error;
		return -1;
	}
	return (int)syscall(call, fd);
}

int fdatasync(int fd)
{
	return sync_with(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	return sync_with(SYS_fsync, fd);
}

static struct vmv_nonces *open_as(const char *boot_id)
{
	struct vmv_nonces *it = vmv_nonces_new(dir, boot_id, &test_clock);

	ck_assert_ptr_nonnull(it);
	return it;
}

static void restart(const char *boot_id)
{
	vmv_nonces_free(n);
	n = open_as(boot_id);
}

static void up(void)
{
	strcpy(dir, "/tmp/vmvitals-nonces-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(file, sizeof(file), "%s/nonces", dir);
	real_now = 1784030400000;
	mono_now = 1000000;
	n = open_as("boot-1");
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void down(void)
{
	vmv_nonces_free(n);
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int use(const char *text)
{
	return vmv_nonces_use(n, text, strlen(text), real_now + WINDOW);
}

static void pass(int64_t ms)
{
	real_now += ms;
	mono_now += ms;
}

static off_t size_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

static void add_text(const char *text)
{
	FILE *f = fopen(file, "a");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* -- what is used stays used -------------------------------------------------------------- */

START_TEST(a_nonce_passes_once)
{
	ck_assert_int_eq(use("a"), 0);
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("b"), 0);
	ck_assert_int_eq(use("ab"), 0);
	ck_assert_int_eq(vmv_nonces_use(n, "a\0x", 3, real_now + WINDOW), 0);
	ck_assert_int_eq(vmv_nonces_use(n, "a\0x", 3, real_now + WINDOW), -EEXIST);
	ck_assert_int_eq(vmv_nonces_use(n, "a\0y", 3, real_now + WINDOW), 0);
	ck_assert_uint_eq(vmv_nonces_count(n), 5);
}
END_TEST

START_TEST(it_stays_used_over_a_restart_and_a_reboot)
{
	static const char bytes[] = "\0\n\xff ' \x80";

	ck_assert_int_eq(use("a"), 0);
	ck_assert_int_eq(vmv_nonces_use(n, bytes, sizeof(bytes), real_now + WINDOW), 0);
	restart("boot-1");
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(vmv_nonces_use(n, bytes, sizeof(bytes), real_now + WINDOW), -EEXIST);
	mono_now = 5000; /* another boot's */
	restart("boot-2");
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("b"), 0); /* the file is this boot's from now on */
	restart("boot-2");
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("b"), -EEXIST);
	ck_assert_uint_eq(vmv_nonces_count(n), 3);
}
END_TEST

START_TEST(it_is_on_disk_when_it_is_accepted)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)use("first");
		(void)use("second");
		(void)raise(SIGKILL);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(use("first"), -EEXIST);
	ck_assert_int_eq(use("second"), -EEXIST);
}
END_TEST

START_TEST(a_power_cut_forgets_nothing_either)
{
	ck_assert_int_eq(use("a"), 0);
	ck_assert_int_eq(syncs, 2); /* the new file, and its name */
	ck_assert_int_eq(use("b"), 0);
	ck_assert_int_eq(syncs, 3);
	ck_assert_int_eq(use("b"), -EEXIST);
	ck_assert_int_eq(syncs, 3);
	restart("boot-2");
	ck_assert_int_eq(use("c"), 0);
	ck_assert_int_eq(syncs, 5);
	ck_assert_int_eq(vmv_nonces_set_frozen(n, true), 0);
	ck_assert_int_eq(use("d"), 0);
	ck_assert_int_eq(use("e"), 0);
	ck_assert_int_eq(syncs, 5);
	ck_assert_int_eq(vmv_nonces_set_frozen(n, false), 0);
	ck_assert_int_eq(syncs, 6);
}
END_TEST

/* After a failed sync nobody knows what is on the disk: not before all is written anew, it is
 * trusted again. */
START_TEST(what_the_disk_did_not_keep_is_not_used)
{
	static const char *const names[] = { "a", "b", "c", "d" };

	ck_assert_int_eq(use("a"), 0);
	ck_assert_int_eq(use("b"), 0);
	sync_error = EIO;
	ck_assert_int_eq(use("c"), -EIO);
	ck_assert_int_eq(use("c"), -EIO);
	sync_error = 0;
	syncs = 0;
	ck_assert_int_eq(use("c"), 0);
	ck_assert_int_eq(syncs, 2);
	ck_assert_int_eq(use("d"), 0);
	ck_assert_int_eq(syncs, 3);
	restart("boot-1");
	for (size_t i = 0; i < VMV_COUNTOF(names); i++)
		ck_assert_int_eq(use(names[i]), -EEXIST);
	ck_assert_uint_eq(vmv_nonces_count(n), 4);
}
END_TEST

START_TEST(the_file_is_for_nobody_else)
{
	struct stat st;

	ck_assert_int_eq(use("a"), 0);
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

/* -- how long it stays so --------------------------------------------------------------------- */

START_TEST(it_dies_when_its_time_has_passed)
{
	ck_assert_int_eq(vmv_nonces_use(n, "a", 1, real_now + 2 * WINDOW), 0);
	pass(2 * WINDOW);
	ck_assert_int_eq(use("a"), -EEXIST);
	pass(1);
	ck_assert_int_eq(use("a"), 0);
	ck_assert_int_eq(use("a"), -EEXIST);
	restart("boot-1");
	ck_assert_int_eq(use("a"), -EEXIST); /* the later of its two lines */
}
END_TEST

START_TEST(a_step_of_the_clock_does_not_end_it)
{
	ck_assert_int_eq(use("a"), 0);
	real_now += 86400000; /* forward */
	ck_assert_int_eq(use("a"), -EEXIST);
	real_now -= 86400000; /* and back: the envelope is fresh again */
	ck_assert_int_eq(use("a"), -EEXIST);
	real_now += 86400000;
	restart("boot-1"); /* which forgets nothing of that */
	real_now -= 86400000;
	ck_assert_int_eq(use("a"), -EEXIST);
	real_now -= 3600000; /* back: fresh again in an hour, whatever has passed by then */
	mono_now += 3600000;
	ck_assert_int_eq(use("a"), -EEXIST);
	restart("boot-1");
	ck_assert_int_eq(use("a"), -EEXIST);
}
END_TEST

/* What the former boot's clock said of its time is not compared with this one's. */
START_TEST(nor_does_a_wrong_clock_after_a_reboot)
{
	mono_now = 5000;
	ck_assert_int_eq(use("a"), 0);
	mono_now = 10000000;
	real_now += 86400000;
	restart("boot-2");
	ck_assert_int_eq(use("a"), -EEXIST);
	real_now -= 86400000; /* set right */
	ck_assert_int_eq(use("a"), -EEXIST);
}
END_TEST

/* What anybody does who may use guest-set-time: to the clock of an hour ago, with the envelopes of
 * then, whose nonces were forgotten since. */
START_TEST(set_back_the_clock_lets_nothing_pass_that_was_forgotten)
{
	static const char *const boots[] = { "boot-1", "boot-1", "boot-2" };
	int64_t then = real_now;
	char text[32];

	ck_assert_int_eq(vmv_nonces_set_frozen(n, true), 0);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(text, sizeof(text), "nonce-%d", i);
		ck_assert_int_eq(use(text), 0);
	}
	ck_assert_int_eq(vmv_nonces_set_frozen(n, false), 0);
	pass(3600000);
	restart("boot-1");
	ck_assert_int_eq(use("other"), 0); /* they are forgotten, and the file is a new one */
	ck_assert_int_lt(size_of(file), 4096);
	for (size_t i = 0; i < VMV_COUNTOF(boots); i++) {
		real_now = then;
		for (int k = 0; k < 3000; k += 999) {
			(void)snprintf(text, sizeof(text), "nonce-%d", k);
			ck_assert_int_eq(use(text), -EEXIST);
		}
		ck_assert_int_eq(use("new"), -EEXIST); /* nobody can tell that it is */
		real_now++;
		(void)snprintf(text, sizeof(text), "new-%zu", i);
		ck_assert_int_eq(use(text), 0);
		restart(boots[i]);
	}
}
END_TEST

/* It is refused what would have died already, not what comes a little earlier than the last. */
START_TEST(a_clock_that_is_set_right_is_no_reason_to_refuse)
{
	real_now += WINDOW; /* as far ahead as envelopes allow */
	ck_assert_int_eq(use("a"), 0);
	pass(WINDOW + 1);
	restart("boot-1");
	real_now -= WINDOW;
	ck_assert_int_eq(use("b"), 0);
	restart("boot-2");
	ck_assert_int_eq(use("c"), 0);
}
END_TEST

/* The executor ends when idle, and starts again for each command: that must not prolong lives. */
START_TEST(restarts_do_not_keep_it_alive_for_ever)
{
	ck_assert_int_eq(use("a"), 0);
	for (int i = 0; i < 20; i++) {
		pass(WINDOW / 20);
		restart("boot-1");
		ck_assert_int_eq(use("a"), -EEXIST);
	}
	pass(1);
	restart("boot-1");
	ck_assert_int_eq(use("a"), 0);
	restart("boot-2"); /* a reboot does, by at most one life, */
	ck_assert_int_eq(use("b"), 0);
	for (int i = 0; i < 3; i++) { /* but not each start after it */
		pass(WINDOW);
		restart("boot-2");
	}
	ck_assert_int_eq(use("a"), 0);
}
END_TEST

/* -- files that are not as they should be ---------------------------------------------------------
 */

START_TEST(a_torn_last_line_is_forgotten)
{
	off_t whole;

	ck_assert_int_eq(use("a"), 0);
	whole = size_of(file);
	ck_assert_int_eq(use("bbbb"), 0);
	for (off_t size = size_of(file) - 1; size >= whole; size--) {
		ck_assert_int_eq(truncate(file, size), 0);
		restart("boot-1");
		ck_assert_int_eq(use("a"), -EEXIST);
		ck_assert_uint_eq(vmv_nonces_count(n), 1);
	}
	add_text("178403070");
	restart("boot-1");
	ck_assert_int_eq(use("c"), 0); /* not glued to what was torn */
	restart("boot-1");
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("c"), -EEXIST);
	ck_assert_uint_eq(vmv_nonces_count(n), 2);
}
END_TEST

static int count_lines(void)
{
	FILE *f = fopen(file, "r");
	int lines = 0, ch;

	ck_assert_ptr_nonnull(f);
	while ((ch = getc(f)) != EOF)
		lines += ch == '\n';
	(void)fclose(f);
	return lines;
}

static const char *const garbled[] = {
	"\n",
	" \n",
	"x\n",
	"1784030700000 1300000 61 00000000\n",
	"1784030700000 1300000 6 12345678\n",
	"9223372036854775808 1 61 12345678\n",
	"1 1  12345678\n",
	"\xff\xfe\x80 61 61 61\n",
};

START_TEST(garbled_lines_cost_only_themselves)
{
	ck_assert_int_eq(use("a"), 0);
	add_text(garbled[_i]);
	vmv_nonces_free(n);
	n = open_as("boot-1");
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("b"), 0);
	ck_assert_int_eq(count_lines(), 3); /* they are gone, not complained of at each start */
	restart("boot-1");
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("b"), -EEXIST);
	ck_assert_uint_eq(vmv_nonces_count(n), 2);
}
END_TEST

/* Whichever byte a disk spoils, no other nonce takes the place of one that was used. */
START_TEST(a_spoilt_byte_is_noticed)
{
	int fd;
	char c;

	ck_assert_int_eq(use("abc"), 0);
	for (off_t at = 0; at < size_of(file); at++) {
		fd = open(file, O_RDWR | O_CLOEXEC);
		ck_assert_int_eq(pread(fd, &c, 1, at), 1);
		c ^= 1;
		ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
		restart("boot-1");
		ck_assert_int_eq(vmv_nonces_use(n, "", 0, 0), -EINVAL); /* reads */
		ck_assert_uint_le(vmv_nonces_count(n), 1);
		if (vmv_nonces_count(n) == 1)
			ck_assert_int_eq(use("abc"), -EEXIST);
		c ^= 1;
		ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
		(void)close(fd);
	}
}
END_TEST

START_TEST(a_file_that_cannot_be_read_lets_nothing_pass)
{
	ck_assert_int_eq(use("a"), 0);
	vmv_nonces_free(n);
	n = open_as("boot-1");
	ck_assert_int_eq(chmod(file, 0622), 0); /* others could have written it */
	ck_assert_int_eq(use("b"), -EPERM);
	ck_assert_int_eq(chmod(file, 0600), 0);
	ck_assert_int_eq(chmod(dir, 0777), 0); /* or replaced it */
	ck_assert_int_eq(use("b"), -EPERM);
	ck_assert_int_eq(chmod(dir, 0700), 0);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(symlink("/dev/null", file), 0);
	ck_assert_int_eq(use("b"), -ELOOP);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(mkdir(file, 0700), 0);
	ck_assert_int_eq(use("b"), -EPERM);
	ck_assert_int_eq(rmdir(file), 0);
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	ck_assert_int_eq(use("b"), -EPERM);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(use("b"), 0);
}
END_TEST

START_TEST(a_directory_that_is_not_there_yet_is_not_an_empty_one)
{
	char other[80];

	ck_assert_int_eq(use("a"), 0);
	vmv_nonces_free(n);
	n = open_as("boot-1");
	(void)snprintf(other, sizeof(other), "%s-x", dir);
	ck_assert_int_eq(rename(dir, other), 0);
	ck_assert_int_eq(use("a"), -ENOENT);
	ck_assert_int_eq(rename(other, dir), 0); /* mounted */
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("b"), 0);
}
END_TEST

/* -- disks that do not take it ---------------------------------------------------------------- */

static void limit_files(rlim_t size)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(what_is_not_written_is_not_used)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	off_t size;

	ck_assert_int_eq(sigaction(SIGXFSZ, &ignore, NULL), 0);
	ck_assert_int_eq(use("a"), 0);
	size = size_of(file);
	limit_files((rlim_t)size + 10); /* it breaks off in the middle of a line */
	ck_assert_int_eq(use("b"), -EFBIG);
	ck_assert_int_eq(size_of(file), size);
	ck_assert_int_eq(use("b"), -EFBIG); /* not 'used before' */
	ck_assert_int_eq(use("a"), -EEXIST);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(use("b"), 0);
	restart("boot-1");
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("b"), -EEXIST);
}
END_TEST

START_TEST(a_full_disk_costs_nothing_but_the_command)
{
	char text[16];
	int used = 0, r = 0;

	/* of this test's own: it is gone with it */
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=16k,mode=0700") < 0) {
		(void)printf("skipped: no tmpfs can be mounted (%s)\n", strerror(errno));
		return;
	}
	while (r == 0) {
		(void)snprintf(text, sizeof(text), "n%d", used);
		r = use(text);
		used += r == 0;
	}
	ck_assert_int_eq(r, -ENOSPC);
	ck_assert_int_gt(used, 10);
	restart("boot-1");
	for (int i = 0; i < used; i++) {
		(void)snprintf(text, sizeof(text), "n%d", i);
		ck_assert_int_eq(use(text), -EEXIST);
	}
	ck_assert_int_eq(mount("none", dir, "tmpfs", MS_REMOUNT, "size=1m,mode=0700"), 0);
	(void)snprintf(text, sizeof(text), "n%d", used);
	ck_assert_int_eq(use(text), 0);
	vmv_nonces_free(n);
	n = NULL;
	ck_assert_int_eq(umount(dir), 0);
}
END_TEST

/* -- frozen
 * ---------------------------------------------------------------------------------------- */

START_TEST(while_frozen_nothing_is_written)
{
	off_t size;

	ck_assert_int_eq(use("a"), 0);
	size = size_of(file);
	ck_assert_int_eq(vmv_nonces_set_frozen(n, true), 0);
	ck_assert_int_eq(use("b"), 0);
	ck_assert_int_eq(use("b"), -EEXIST);
	ck_assert_int_eq(use("c"), 0);
	ck_assert_int_eq(size_of(file), size);
	ck_assert_int_eq(vmv_nonces_set_frozen(n, false), 0);
	ck_assert_int_gt(size_of(file), size);
	restart("boot-1");
	ck_assert_int_eq(use("a"), -EEXIST);
	ck_assert_int_eq(use("b"), -EEXIST);
	ck_assert_int_eq(use("c"), -EEXIST);
	/* one that starts while it is frozen, with nothing there yet */
	ck_assert_int_eq(unlink(file), 0);
	restart("boot-1");
	ck_assert_int_eq(vmv_nonces_set_frozen(n, true), 0);
	ck_assert_int_eq(use("d"), 0);
	ck_assert_int_lt(access(file, F_OK), 0);
	ck_assert_int_eq(vmv_nonces_set_frozen(n, false), 0);
	restart("boot-1");
	ck_assert_int_eq(use("d"), -EEXIST);
}
END_TEST

START_TEST(what_was_not_written_after_a_thaw_is_tried_again)
{
	ck_assert_int_eq(use("a"), 0);
	ck_assert_int_eq(vmv_nonces_set_frozen(n, true), 0);
	ck_assert_int_eq(use("b"), 0);
	ck_assert_int_eq(unlink(file), 0);
	restart("boot-1");
	ck_assert_int_eq(vmv_nonces_set_frozen(n, true), 0);
	ck_assert_int_eq(use("b"), 0);
	ck_assert_int_eq(chmod(dir, 0777), 0);
	ck_assert_int_eq(vmv_nonces_set_frozen(n, false), -EPERM);
	ck_assert_int_eq(use("b"), -EEXIST);
	ck_assert_int_eq(use("c"), -EPERM);
	ck_assert_int_eq(chmod(dir, 0700), 0);
	ck_assert_int_eq(use("c"), 0);
	restart("boot-1");
	ck_assert_int_eq(use("b"), -EEXIST);
	ck_assert_int_eq(use("c"), -EEXIST);
}
END_TEST

/* -- many
 * ------------------------------------------------------------------------------------------- */

START_TEST(a_hundred_thousand_and_no_more)
{
	char text[32];

	/* as when a disk is slow: one write for all of them */
	ck_assert_int_eq(vmv_nonces_set_frozen(n, true), 0);
	for (int i = 0; i < VMV_NONCES_MAX; i++) {
		(void)snprintf(text, sizeof(text), "nonce-%d", i);
		ck_assert_int_eq(use(text), 0);
	}
	ck_assert_int_eq(use("one more"), -ENOSPC);
	ck_assert_int_eq(vmv_nonces_set_frozen(n, false), 0);
	restart("boot-1");
	ck_assert_int_eq(use("nonce-0"), -EEXIST);
	ck_assert_int_eq(use("nonce-99999"), -EEXIST);
	ck_assert_int_eq(use("one more"), -ENOSPC);
	pass(WINDOW + 1);
	ck_assert_int_eq(use("one more"), 0);	   /* by then all are dead */
	ck_assert_uint_eq(vmv_nonces_count(n), 2); /* and the last that died */
	ck_assert_int_lt(size_of(file), 4096);	   /* and the file is small again */
	restart("boot-1");
	ck_assert_int_eq(use("one more"), -EEXIST);
}
END_TEST

START_TEST(the_file_does_not_grow_for_ever)
{
	char text[32];
	off_t most = 0;

	for (int i = 0; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "nonce-%d", i);
		ck_assert_int_eq(use(text), 0);
		pass(WINDOW / 100);
		if (size_of(file) > most)
			most = size_of(file);
	}
	ck_assert_int_lt(most, 400000);
	ck_assert_uint_lt(vmv_nonces_count(n), 2000);
	restart("boot-1");
	for (int i = 19950; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "nonce-%d", i);
		ck_assert_int_eq(use(text), -EEXIST);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nonces");
	TCase *tc = tcase_create("nonces");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_nonce_passes_once);
	tcase_add_test(tc, it_stays_used_over_a_restart_and_a_reboot);
	tcase_add_test(tc, it_is_on_disk_when_it_is_accepted);
	tcase_add_test(tc, a_power_cut_forgets_nothing_either);
	tcase_add_test(tc, what_the_disk_did_not_keep_is_not_used);
	tcase_add_test(tc, the_file_is_for_nobody_else);
	tcase_add_test(tc, it_dies_when_its_time_has_passed);
	tcase_add_test(tc, a_step_of_the_clock_does_not_end_it);
	tcase_add_test(tc, nor_does_a_wrong_clock_after_a_reboot);
	tcase_add_test(tc, set_back_the_clock_lets_nothing_pass_that_was_forgotten);
	tcase_add_test(tc, a_clock_that_is_set_right_is_no_reason_to_refuse);
	tcase_add_test(tc, restarts_do_not_keep_it_alive_for_ever);
	tcase_add_test(tc, a_torn_last_line_is_forgotten);
	tcase_add_loop_test(tc, garbled_lines_cost_only_themselves, 0, (int)VMV_COUNTOF(garbled));
	tcase_add_test(tc, a_spoilt_byte_is_noticed);
	tcase_add_test(tc, a_file_that_cannot_be_read_lets_nothing_pass);
	tcase_add_test(tc, a_directory_that_is_not_there_yet_is_not_an_empty_one);
	tcase_add_test(tc, what_is_not_written_is_not_used);
	tcase_add_test(tc, a_full_disk_costs_nothing_but_the_command);
	tcase_add_test(tc, while_frozen_nothing_is_written);
	tcase_add_test(tc, what_was_not_written_after_a_thaw_is_tried_again);
	tcase_add_test(tc, a_hundred_thousand_and_no_more);
	tcase_add_test(tc, the_file_does_not_grow_for_ever);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
