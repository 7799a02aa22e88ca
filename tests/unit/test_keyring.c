#include "execd/keyring.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "execd/secret.h"
#include "proto/base64.h"
#include "proto/sign.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY1 "GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71FKcE="
#define KEY2 "L1JF5fbaFmoqGMqsHH9tGFnsYS49ywqR1D6J0eBg+Ug="
#define KEY3 "cqe3xjLFqlZpMq5bR/0GOD0teAUJBjkDInsZeRWTaAw="
#define ID1  "cf9d615d778ec445"
#define ID2  "977d85ef3a2e7766"
#define ID3  "0ca17e36efb61ea3"

static char dir[64];
static struct vmv_keyring *k;

static void up(void)
{
	strcpy(dir, "/tmp/vmvitals-keyring-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)umask(022);
	k = vmv_keyring_new(dir, geteuid());
	ck_assert_ptr_nonnull(k);
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
	vmv_keyring_free(k);
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static const char *path(const char *name)
{
	static char buf[192];

	(void)snprintf(buf, sizeof(buf), "%s/%s", dir, name);
	return buf;
}

static void put(const char *name, mode_t mode, const char *text)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* Reloads; the ids, each followed by a blank. */
static const char *ids(void)
{
	static char text[VMV_KEYS_MAX * 20];

	ck_assert_int_eq(vmv_keyring_reload(k), 0);
	text[0] = '\0';
	for (size_t i = 0; i < vmv_keyring_count(k); i++) {
		strcat(text, vmv_keyring_id(k, i));
		strcat(text, " ");
	}
	return text;
}

START_TEST(keys_are_found_by_their_ids)
{
	uint8_t pub[VMV_PUBLIC_SIZE + 1];
	size_t len = 0;

	ck_assert_str_eq(ids(), "");
	put("b.pub", 0644, "# lab\n" KEY1 " key 1\n");
	put("a.pub", 0600, KEY3 "\n");
	ck_assert_str_eq(ids(), ID3 " " ID1 " ");
	ck_assert(vmv_base64_decode(KEY1, strlen(KEY1), pub, &len));
	ck_assert_int_eq(memcmp(vmv_keyring_find(k, ID1), pub, len), 0);
	ck_assert_ptr_null(vmv_keyring_find(k, ID2));
	ck_assert_ptr_null(vmv_keyring_find(k, ""));
}
END_TEST

START_TEST(a_reload_sees_what_came_and_went)
{
	put("a.pub", 0644, KEY1);
	ck_assert_str_eq(ids(), ID1 " ");
	put("b.pub", 0644, KEY2);
	ck_assert_int_eq(unlink(path("a.pub")), 0);
	ck_assert_str_eq(ids(), ID2 " ");
	ck_assert_ptr_null(vmv_keyring_find(k, ID1));
	ck_assert_int_eq(unlink(path("b.pub")), 0);
	ck_assert_str_eq(ids(), "");
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_str_eq(ids(), "");
	ck_assert_int_eq(mkdir(dir, 0755), 0);
}
END_TEST

START_TEST(what_others_can_write_is_ignored)
{
	put("a.pub", 0664, KEY1);
	put("b.pub", 0646, KEY1);
	put("c.pub", 0644, KEY2);
	put("d", 0644, KEY3);
	ck_assert_int_eq(symlink("d", path("d.pub")), 0);
	ck_assert_int_eq(mkfifo(path("e.pub"), 0644), 0);
	ck_assert_int_eq(mkdir(path("f.pub"), 0755), 0);
	ck_assert_str_eq(ids(), ID2 " ");
	ck_assert_int_eq(chmod(dir, 0775), 0);
	ck_assert_str_eq(ids(), "");
	ck_assert_int_eq(chmod(dir, 0777), 0);
	ck_assert_str_eq(ids(), "");
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_str_eq(ids(), ID2 " ");
	if (geteuid() != 0) {
		(void)printf("skipped: only root can give files away\n");
		return;
	}
	ck_assert_int_eq(chown(path("c.pub"), 12345, 0), 0);
	ck_assert_str_eq(ids(), "");
	ck_assert_int_eq(chown(path("c.pub"), 0, 0), 0);
	ck_assert_int_eq(chown(dir, 12345, 0), 0);
	ck_assert_str_eq(ids(), "");
	ck_assert_int_eq(chown(dir, 0, 0), 0);
}
END_TEST

START_TEST(other_names_and_other_texts_are_ignored)
{
	put("a", 0644, KEY1);
	put("a.pub~", 0644, KEY1);
	put(".pub", 0644, KEY1);
	put(".hidden.pub", 0644, KEY1);
	put("b.pub", 0644, "ssh-ed25519 AAAA\n");
	put("c.pub", 0644, "");
	put("d.pub", 0644, KEY2);
	put("e.pub", 0644, KEY2 " the same again");
	ck_assert_str_eq(ids(), ID2 " ");
}
END_TEST

START_TEST(no_more_than_64_keys)
{
	uint8_t pub[VMV_PUBLIC_SIZE] = { 0 };
	char name[16], text[64];

	for (int i = 0; i < VMV_KEYS_MAX + 3; i++) {
		pub[0] = (uint8_t)i;
		vmv_base64(pub, sizeof(pub), text);
		(void)snprintf(name, sizeof(name), "%03d.pub", i);
		put(name, 0644, text);
	}
	(void)ids();
	ck_assert_uint_eq(vmv_keyring_count(k), VMV_KEYS_MAX);
	vmv_key_id(pub, text);
	ck_assert_ptr_null(vmv_keyring_find(k, text));
}
END_TEST

/* Out of descriptors: nobody knows who is trusted now, so it is who was. */
START_TEST(a_reload_that_fails_changes_nothing)
{
	struct rlimit limit, none;

	put("a.pub", 0644, KEY1);
	ck_assert_str_eq(ids(), ID1 " ");
	put("b.pub", 0644, KEY2);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(vmv_keyring_reload(k), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(vmv_keyring_count(k), 1);
	ck_assert_ptr_nonnull(vmv_keyring_find(k, ID1));
	ck_assert_str_eq(ids(), ID1 " " ID2 " ");
}
END_TEST

/* -- the secret ------------------------------------------------------------------------------ */

static struct vmv_secret_places places;
static char file[192], env[192];

static void secret_up(void)
{
	up();
	(void)snprintf(file, sizeof(file), "%s", path("secret"));
	(void)snprintf(env, sizeof(env), "%s", path("agent.env"));
	places = (struct vmv_secret_places){ .file = file, .env = env, .owner = geteuid() };
}

static void expect(const char *expected)
{
	char *secret = vmv_secret_load(&places);

	if (expected)
		ck_assert_str_eq(secret, expected);
	else
		ck_assert_ptr_null(secret);
	vmv_secret_free(secret);
}

#define LINE "INFINISERVICE_SHARED_SECRET="

START_TEST(the_first_place_counts)
{
	expect(NULL);
	put("agent.env", 0600, LINE "three\n");
	expect("three");
	places.taken = "two";
	expect("two");
	put("secret", 0600, "one\nnot this\n");
	expect("one");
	places.file = NULL;
	expect("two");
	places.file = "";
	places.taken = NULL;
	places.env = NULL;
	expect(NULL);
}
END_TEST

START_TEST(a_secret_that_others_can_read_is_none)
{
	places.taken = "two";
	put("secret", 0640, "one\n");
	expect(NULL); /* nor is an older one taken in its place */
	put("secret", 0604, "one\n");
	expect(NULL);
	put("secret", 0600, "\n");
	expect(NULL);
	put("secret", 0400, "one\n");
	expect("one");
	ck_assert_int_eq(unlink(file), 0);
	places.taken = NULL;
	put("agent.env", 0644, LINE "three\n");
	expect(NULL);
	put("agent.env", 0600, LINE "three\n");
	expect("three");
}
END_TEST

static const struct {
	const char *text, *secret;
} lines[] = {
	{ LINE "abc", "abc" },
	{ "A=1\n" LINE "abc\nB=2\n", "abc" },
	{ LINE "abc \t\r\n", "abc" },
	{ LINE "\"abc\"\n", "abc" },
	{ LINE "'abc' \r\n", "abc" },
	{ LINE "\"abc\n", "\"abc" },
	{ LINE "\"abc'\n", "\"abc'" },
	{ LINE "\"\"abc\"\"\n", "\"abc\"" },
	{ LINE "\"a c\"\n", "a c" },
	{ "  " LINE "abc\n", "abc" },
	{ LINE "a=b\n", "a=b" },
	{ LINE "old\n" LINE "new\n", "new" },
	{ "", NULL },
	{ LINE "\n", NULL },
	{ LINE "\"\"\n", NULL },
	{ "#" LINE "abc\n", NULL },
	{ "X" LINE "abc\n", NULL },
	{ "INFINISERVICE_SHARED_SECRETS=abc\n", NULL },
	{ "INFINISERVICE_SHARED_SECRET\n", NULL },
	{ LINE "\"a\x01\"\n", NULL },
};

START_TEST(agent_env_is_read_as_its_writers_mean_it)
{
	put("agent.env", 0600, lines[_i].text);
	expect(lines[_i].secret);
}
END_TEST

START_TEST(it_is_taken_out_of_the_environment)
{
	char a[] = "A=1", s1[] = LINE "abc", b[] = "INFINISERVICE_SHARED_SECRETS=x";
	char s2[] = LINE "def", z[] = "Z=";
	char *list[] = { a, s1, b, s2, z, NULL };
	char *none[] = { a, NULL };
	char *secret = vmv_secret_take(list);
	static const char zeros[3] = "";

	ck_assert_str_eq(secret, "abc");
	ck_assert_ptr_eq(list[0], a);
	ck_assert_ptr_eq(list[1], b);
	ck_assert_ptr_eq(list[2], z);
	ck_assert_ptr_null(list[3]);
	ck_assert_int_eq(memcmp(s1 + strlen(LINE), zeros, 3), 0);
	ck_assert_int_eq(memcmp(s2 + strlen(LINE), zeros, 3), 0);
	ck_assert_str_eq(b, "INFINISERVICE_SHARED_SECRETS=x");
	vmv_secret_free(secret);
	ck_assert_ptr_null(vmv_secret_take(none));
	ck_assert_ptr_eq(none[0], a);
	vmv_secret_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("keyring");
	TCase *keys = tcase_create("keyring"), *secret = tcase_create("secret");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(keys, up, down);
	tcase_add_test(keys, keys_are_found_by_their_ids);
	tcase_add_test(keys, a_reload_sees_what_came_and_went);
	tcase_add_test(keys, what_others_can_write_is_ignored);
	tcase_add_test(keys, other_names_and_other_texts_are_ignored);
	tcase_add_test(keys, no_more_than_64_keys);
	tcase_add_test(keys, a_reload_that_fails_changes_nothing);
	suite_add_tcase(s, keys);
	tcase_add_checked_fixture(secret, secret_up, down);
	tcase_add_test(secret, the_first_place_counts);
	tcase_add_test(secret, a_secret_that_others_can_read_is_none);
	tcase_add_loop_test(secret, agent_env_is_read_as_its_writers_mean_it, 0,
			    (int)VMV_COUNTOF(lines));
	tcase_add_test(secret, it_is_taken_out_of_the_environment);
	suite_add_tcase(s, secret);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
