#include "proto/keyfile.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY  "GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71FKcE="
#define KEY2 "L1JF5fbaFmoqGMqsHH9tGFnsYS49ywqR1D6J0eBg+Ug="

static char dir[64];
static int at;
static char text[VMV_KEYFILE_MAX];
static struct vmv_err err;

static void up(void)
{
	strcpy(dir, "/tmp/vmvitals-keyfile-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(at, 0);
	(void)umask(022);
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
	(void)close(at);
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void put(const char *name, mode_t mode, const char *what, size_t len)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, what, len), (ssize_t)len);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

static int get(const char *name, enum vmv_keyfile kind)
{
	err = (struct vmv_err){ 0 };
	return vmv_keyfile_read(at, name, kind, geteuid(), text, sizeof(text), &err);
}

/* -- files --------------------------------------------------------------------------------- */

static const struct {
	mode_t mode;
	bool is_public, is_private; /* may be read as such */
} modes[] = {
	{ 0600, true, true },	{ 0400, true, true },	{ 0644, true, false },
	{ 0640, true, false },	{ 0604, true, false },	{ 0610, true, false },
	{ 0601, true, false },	{ 0620, false, false }, { 0602, false, false },
	{ 0666, false, false }, { 0777, false, false },
};

START_TEST(who_may_write_or_read_a_file_is_looked_at)
{
	put("f", modes[_i].mode, "hello", 5);
	ck_assert_int_eq(get("f", VMV_KEYFILE_PUBLIC), modes[_i].is_public ? 5 : -EPERM);
	if (!modes[_i].is_public)
		ck_assert_int_eq(err.code, VMV_E_DENIED);
	ck_assert_int_eq(get("f", VMV_KEYFILE_PRIVATE), modes[_i].is_private ? 5 : -EPERM);
}
END_TEST

START_TEST(only_regular_files_of_ours_are_read)
{
	put("f", 0600, "x", 1);
	ck_assert_int_eq(symlinkat("f", at, "link"), 0);
	ck_assert_int_eq(mkfifoat(at, "fifo", 0600), 0);
	ck_assert_int_eq(mkdirat(at, "dir", 0700), 0);
	ck_assert_int_eq(get("link", VMV_KEYFILE_PUBLIC), -EPERM);
	ck_assert_int_eq(get("link", VMV_KEYFILE_PRIVATE), 1);
	ck_assert_int_eq(get("fifo", VMV_KEYFILE_PUBLIC), -EPERM); /* and nobody waits */
	ck_assert_int_eq(get("dir", VMV_KEYFILE_PUBLIC), -EPERM);
	ck_assert_int_eq(get("none", VMV_KEYFILE_PUBLIC), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	if (geteuid() != 0) {
		(void)printf("skipped: only root can give files away\n");
		return;
	}
	ck_assert_int_eq(fchownat(at, "f", 12345, 0, 0), 0);
	ck_assert_int_eq(get("f", VMV_KEYFILE_PUBLIC), -EPERM);
	ck_assert_int_eq(
		vmv_keyfile_read(at, "f", VMV_KEYFILE_PRIVATE, 12345, text, sizeof(text), &err), 1);
}
END_TEST

START_TEST(long_files_and_bytes_are_no_keys)
{
	char big[VMV_KEYFILE_MAX];

	memset(big, 'x', sizeof(big));
	put("f", 0600, big, sizeof(big) - 1);
	ck_assert_int_eq(get("f", VMV_KEYFILE_PUBLIC), VMV_KEYFILE_MAX - 1);
	put("f", 0600, big, sizeof(big));
	ck_assert_int_eq(get("f", VMV_KEYFILE_PUBLIC), -EFBIG);
	put("f", 0600, "a\0b", 3);
	ck_assert_int_eq(get("f", VMV_KEYFILE_PUBLIC), -EINVAL);
	put("f", 0600, "", 0);
	ck_assert_int_eq(get("f", VMV_KEYFILE_PUBLIC), 0);
	ck_assert_str_eq(text, "");
}
END_TEST

static mode_t mode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

START_TEST(a_new_file_is_new)
{
	(void)umask(0777);
	ck_assert_int_eq(vmv_keyfile_create(at, "f", 0600, "one", &err), 0);
	ck_assert_uint_eq(mode_of("f"), S_IFREG | 0600);
	ck_assert_int_eq(vmv_keyfile_create(at, "f", 0600, "two", &err), -EEXIST);
	ck_assert_int_eq(get("f", VMV_KEYFILE_PRIVATE), 3);
	ck_assert_str_eq(text, "one");
	ck_assert_int_eq(symlinkat("elsewhere", at, "link"), 0);
	ck_assert_int_eq(vmv_keyfile_create(at, "link", 0600, "two", &err), -EEXIST);
	ck_assert_int_lt(faccessat(at, "elsewhere", F_OK, 0), 0);
}
END_TEST

START_TEST(an_installed_file_replaces_the_old_one)
{
	put("other", 0600, "other", 5);
	ck_assert_int_eq(symlinkat("other", at, "f"), 0);
	ck_assert_int_eq(vmv_keyfile_install(at, "f", "one", &err), 0);
	ck_assert_uint_eq(mode_of("f"), S_IFREG | 0644); /* the link, not what it led to */
	ck_assert_int_eq(vmv_keyfile_install(at, "f", "two", &err), 0);
	ck_assert_int_eq(get("f", VMV_KEYFILE_PUBLIC), 3);
	ck_assert_str_eq(text, "two");
	ck_assert_int_eq(get("other", VMV_KEYFILE_PUBLIC), 5);
	ck_assert_int_eq(mkdirat(at, "d", 0700), 0);
	ck_assert_int_lt(vmv_keyfile_install(at, "d", "one", &err), 0);
	ck_assert_str_ne(err.msg, "");
	ck_assert_int_eq(unlinkat(at, "d", AT_REMOVEDIR), 0);
	ck_assert_int_eq(unlinkat(at, "f", 0), 0);
	ck_assert_int_eq(unlinkat(at, "other", 0), 0);
	ck_assert_int_eq(rmdir(dir), 0); /* nothing half done is left */
	ck_assert_int_eq(mkdir(dir, 0700), 0);
}
END_TEST

/* -- texts --------------------------------------------------------------------------------- */

static const struct {
	const char *text, *comment; /* NULL: refused */
} publics[] = {
	{ KEY, "" },
	{ KEY "\n", "" },
	{ KEY " host 1\n", "host 1" },
	{ KEY "\t host 1 \r\n" KEY2 " two\n", "host 1" },
	{ "\n  \n# " KEY2 "\n  # x\n" KEY " c", "c" },
	{ KEY "\r\n", "" },
	{ "", NULL },
	{ "# " KEY "\n", NULL },
	{ " " KEY "\n", NULL },
	{ KEY "x\n", NULL },
	{ KEY "=\n", NULL },
	{ "nonsense\n" KEY "\n", NULL },
	{ "GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71FKcE\n", NULL },
	{ "GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71FKcF=\n", NULL },
	{ "GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71FKcEA\n", NULL },
	{ "GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71F\nKcE=", NULL },
	{ "GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71FKc==\n", NULL },
};

START_TEST(public_keys_are_read)
{
	uint8_t pub[VMV_PUBLIC_SIZE] = { 7 };
	char comment[VMV_KEY_COMMENT_MAX] = "?", id[VMV_KEY_ID_SIZE];
	vmv_autofree char *copy = strdup(publics[_i].text);
	int r = vmv_public_parse(copy, pub, comment, &err);

	if (!publics[_i].comment) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_uint_eq(pub[0], 7);
		return;
	}
	ck_assert_int_eq(r, 0);
	vmv_key_id(pub, id);
	ck_assert_str_eq(id, "cf9d615d778ec445");
	ck_assert_str_eq(comment, publics[_i].comment);
}
END_TEST

START_TEST(long_comments_are_cut)
{
	char line[VMV_PUBLIC_LINE_SIZE], comment[VMV_KEY_COMMENT_MAX], more[300];
	uint8_t pub[VMV_PUBLIC_SIZE], back[VMV_PUBLIC_SIZE];

	ck_assert_int_eq(vmv_public_parse(KEY, pub, NULL, &err), 0);
	memset(more, 'c', sizeof(more));
	more[299] = '\0';
	vmv_public_line(pub, more, line, sizeof(line));
	ck_assert_uint_eq(strlen(line), 44 + 1 + 127 + 1);
	ck_assert_int_eq(vmv_public_parse(line, back, comment, &err), 0);
	ck_assert_uint_eq(strlen(comment), 127);
	ck_assert_int_eq(memcmp(pub, back, sizeof(pub)), 0);
	vmv_public_line(pub, NULL, line, sizeof(line));
	ck_assert_str_eq(line, KEY "\n");
}
END_TEST

#define SEED "vmvitals-ed25519-seed"

static const struct {
	const char *text;
	bool ok;
} seeds[] = {
	{ SEED " " KEY, true },
	{ "# c\n\n" SEED " \t" KEY "\r\nmore\n", true },
	{ "", false },
	{ KEY, false },
	{ SEED, false },
	{ SEED " ", false },
	{ SEED "\n" KEY, false },
	{ SEED KEY, false },
	{ SEED " " KEY "x", false },
	{ SEED " AAAA", false },
	{ "#" SEED " " KEY, false },
};

START_TEST(private_keys_are_read)
{
	uint8_t seed[VMV_SEED_SIZE] = { 7 }, expected[VMV_SEED_SIZE];
	vmv_autofree char *copy = strdup(seeds[_i].text);

	ck_assert_int_eq(vmv_seed_parse(copy, seed, &err), seeds[_i].ok ? 0 : -EINVAL);
	ck_assert_int_eq(vmv_public_parse(KEY, expected, NULL, &err), 0);
	if (seeds[_i].ok)
		ck_assert_int_eq(memcmp(seed, expected, sizeof(seed)), 0);
	else
		ck_assert_uint_eq(seed[0], 7);
}
END_TEST

START_TEST(a_private_key_comes_back)
{
	uint8_t seed[VMV_SEED_SIZE], back[VMV_SEED_SIZE];
	char out[VMV_SEED_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)(i * 37);
	vmv_seed_text(seed, out);
	ck_assert_uint_lt(strlen(out), sizeof(out) - 1); /* not cut */
	ck_assert_int_eq(vmv_seed_parse(out, back, &err), 0);
	ck_assert_int_eq(memcmp(seed, back, sizeof(seed)), 0);
}
END_TEST

static const struct {
	const char *text, *secret; /* NULL: refused */
} secrets[] = {
	{ "abc", "abc" },
	{ "abc\n", "abc" },
	{ "abc \t\r\nmore\n", "abc" },
	{ "a b\n", "a b" },
	{ "", NULL },
	{ "\nabc\n", NULL },
	{ " \n", NULL },
	{ "a\x01"
	  "b",
	  NULL },
};

START_TEST(a_secret_is_a_first_line)
{
	struct vmv_span span = { 0 };
	int r = vmv_secret_parse(secrets[_i].text, &span, &err);

	ck_assert_int_eq(r, secrets[_i].secret ? 0 : -EINVAL);
	if (secrets[_i].secret) {
		ck_assert_uint_eq(span.len, strlen(secrets[_i].secret));
		ck_assert_int_eq(memcmp(span.s, secrets[_i].secret, span.len), 0);
	}
}
END_TEST

START_TEST(a_secret_has_a_bound)
{
	char big[VMV_SECRET_MAX + 2];
	struct vmv_span span;

	memset(big, 'x', sizeof(big));
	big[VMV_SECRET_MAX + 1] = '\0';
	ck_assert_int_eq(vmv_secret_parse(big, &span, &err), -EINVAL);
	big[VMV_SECRET_MAX] = '\0';
	ck_assert_int_eq(vmv_secret_parse(big, &span, &err), 0);
}
END_TEST

#define LOOP(tc, test, table) tcase_add_loop_test((tc), test, 0, (int)VMV_COUNTOF(table))

int main(void)
{
	Suite *s = suite_create("keyfile");
	TCase *tc = tcase_create("keyfile");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	LOOP(tc, who_may_write_or_read_a_file_is_looked_at, modes);
	tcase_add_test(tc, only_regular_files_of_ours_are_read);
	tcase_add_test(tc, long_files_and_bytes_are_no_keys);
	tcase_add_test(tc, a_new_file_is_new);
	tcase_add_test(tc, an_installed_file_replaces_the_old_one);
	LOOP(tc, public_keys_are_read, publics);
	tcase_add_test(tc, long_comments_are_cut);
	LOOP(tc, private_keys_are_read, seeds);
	tcase_add_test(tc, a_private_key_comes_back);
	LOOP(tc, a_secret_is_a_first_line, secrets);
	tcase_add_test(tc, a_secret_has_a_bound);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
