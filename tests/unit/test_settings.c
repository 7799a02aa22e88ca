#include "base/settings.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What VMV_SETTING() refers to. */
struct vmv_config {
	uint64_t interval, port;
	bool enabled;
	char *name;
	unsigned color;
	struct vmv_list channels, words;
	char *color_place, *words_place;
};

static int check_name(const char *value, struct vmv_err *err)
{
	if (strlen(value) > 150)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the name is too long");
	return 0;
}

static int check_channel(const char *value, struct vmv_err *err)
{
	if (!strchr(value, ':'))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "'%.60s' has no colon", value);
	return 0;
}

static const char *const colors[] = { "red", "green", "blue", NULL };

static const struct vmv_setting table[] = {
	{ "metrics", "interval", VMV_SETTING(VMV_SET_U64, interval), .min = 5, .max = 3600,
	  .fallback = "30", .help = "Seconds between two readings." },
	{ "metrics", "port", VMV_SETTING(VMV_SET_U64, port), .min = 1000, .max = UINT64_MAX,
	  .zero_ok = true, .fallback = "0", .help = "A number." },
	{ "metrics", "enabled", VMV_SETTING(VMV_SET_BOOL, enabled), .fallback = "yes",
	  .help = "Whether." },
	{ "agent", "name", VMV_SETTING(VMV_SET_TEXT, name), .fallback = "", .check = check_name,
	  .help = "A name." },
	{ "agent", "color", VMV_SETTING(VMV_SET_ENUM, color), .choices = colors,
	  .fallback = "green", .place_offset = offsetof(struct vmv_config, color_place),
	  .help = "A color." },
	{ "agent", "channel", VMV_SETTING(VMV_SET_LIST, channels), .fallback = "a:1 b:2",
	  .check = check_channel, .help = "Channels." },
	{ "words", "word", VMV_SETTING(VMV_SET_LIST, words), .fallback = "",
	  .place_offset = offsetof(struct vmv_config, words_place), .help = "Words." },
};
#define N VMV_COUNTOF(table)

static struct fixture fx;
static struct vmv_config c;
static char path[128]; /* of main.conf */

static void up(void)
{
	fixture_up(&fx);
	(void)snprintf(path, sizeof(path), "%s/etc/main.conf", fx.dir);
	memset(&c, 0, sizeof(c));
	ck_assert_int_eq(vmv_settings_defaults(table, N, &c), 0);
}

static void down(void)
{
	vmv_settings_free(table, N, &c);
	fixture_down(&fx);
}

static int set(const char *section, const char *key, const char *value, struct vmv_err *err)
{
	return vmv_settings_set(table, N, &c, section, key, value, err);
}

static int load(const char *text, struct vmv_err *err)
{
	fixture_put(&fx, "etc/main.conf", text);
	return vmv_settings_load(table, N, &c, path, err);
}

/* "a|b|c" */
static const char *joined(const struct vmv_list *l)
{
	static char text[512];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < l->n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "|" : "",
					l->items[i]);
	return text;
}

static void check_defaults(void)
{
	ck_assert_uint_eq(c.interval, 30);
	ck_assert_uint_eq(c.port, 0);
	ck_assert(c.enabled);
	ck_assert_str_eq(c.name, "");
	ck_assert_uint_eq(c.color, 1);
	ck_assert_str_eq(joined(&c.channels), "a:1|b:2");
	ck_assert_uint_eq(c.words.n, 0);
}

START_TEST(defaults_are_those_of_the_table)
{
	check_defaults();
}
END_TEST

static const struct {
	const char *section, *key, *value, *text; /* as printed then */
} good[] = {
	{ "metrics", "interval", "5", "5" },
	{ "metrics", "interval", "3600", "3600" },
	{ "metrics", "interval", "0060", "60" },
	{ "metrics", "port", "0", "0" },
	{ "metrics", "port", "1000", "1000" },
	{ "metrics", "port", "18446744073709551615", "18446744073709551615" },
	{ "metrics", "enabled", "no", "no" },
	{ "metrics", "enabled", "YES", "yes" },
	{ "metrics", "enabled", "0", "no" },
	{ "metrics", "enabled", "1", "yes" },
	{ "metrics", "enabled", "Off", "no" },
	{ "metrics", "enabled", "on", "yes" },
	{ "metrics", "enabled", "false", "no" },
	{ "metrics", "enabled", "true", "yes" },
	{ "agent", "name", "some name; with = signs", "some name; with = signs" },
	{ "agent", "name", "", "" },
	{ "agent", "color", "red", "red" },
	{ "agent", "color", "BLUE", "blue" },
	{ "words", "word", "  x\ty  z ", "x y z" },
};

START_TEST(good_values_are_taken)
{
	vmv_autofree char *text = NULL;

	ck_assert_int_eq(set(good[_i].section, good[_i].key, good[_i].value, NULL), 0);
	for (size_t i = 0; i < N; i++)
		if (strcmp(table[i].section, good[_i].section) == 0 &&
		    strcmp(table[i].key, good[_i].key) == 0)
			text = vmv_setting_text(&table[i], &c);
	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, good[_i].text);
}
END_TEST

static const struct {
	const char *section, *key, *value;
	enum vmv_errc code;
} bad[] = {
	{ "metrics", "interval", "4", VMV_E_RANGE },
	{ "metrics", "interval", "3601", VMV_E_RANGE },
	{ "metrics", "interval", "0", VMV_E_RANGE },
	{ "metrics", "interval", "", VMV_E_RANGE },
	{ "metrics", "interval", "-5", VMV_E_RANGE },
	{ "metrics", "interval", "+5", VMV_E_RANGE },
	{ "metrics", "interval", " 5", VMV_E_RANGE },
	{ "metrics", "interval", "5s", VMV_E_RANGE },
	{ "metrics", "interval", "5.0", VMV_E_RANGE },
	{ "metrics", "interval", "0x10", VMV_E_RANGE },
	{ "metrics", "interval", "18446744073709551646", VMV_E_RANGE }, /* 30 modulo 2^64 */
	{ "metrics", "port", "999", VMV_E_RANGE },
	{ "metrics", "enabled", "", VMV_E_RANGE },
	{ "metrics", "enabled", "maybe", VMV_E_RANGE },
	{ "metrics", "enabled", "2", VMV_E_RANGE },
	{ "agent", "color", "", VMV_E_RANGE },
	{ "agent", "color", "gree", VMV_E_RANGE },
	{ "agent", "channel", "c:3 broken d:4", VMV_E_RANGE },
	{ "agent", "interval", "30", VMV_E_UNKNOWN },
	{ "metrics", "Interval", "30", VMV_E_UNKNOWN },
	{ "", "interval", "30", VMV_E_UNKNOWN },
	{ "metrics", "", "30", VMV_E_UNKNOWN },
};

START_TEST(bad_values_change_nothing)
{
	struct vmv_err err = { 0 };

	ck_assert_int_eq(set(bad[_i].section, bad[_i].key, bad[_i].value, &err), -EINVAL);
	ck_assert_int_eq(err.code, bad[_i].code);
	ck_assert_str_ne(err.msg, "");
	check_defaults();
}
END_TEST

START_TEST(a_text_that_fails_its_check_changes_nothing)
{
	struct vmv_err err = { 0 };
	char text[152];

	memset(text, 'x', sizeof(text));
	text[151] = '\0';
	ck_assert_int_eq(set("agent", "name", text, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "the name is too long");
	ck_assert_str_eq(c.name, "");
	text[150] = '\0';
	ck_assert_int_eq(set("agent", "name", text, &err), 0);
	ck_assert_str_eq(c.name, text);
}
END_TEST

START_TEST(a_source_replaces_the_lists_of_earlier_ones_and_adds_to_its_own)
{
	ck_assert_int_eq(
		load("[agent]\nchannel = c:1\nchannel = d:1 d:2\n[words]\nword = x\n", NULL), 0);
	ck_assert_str_eq(joined(&c.channels), "c:1|d:1|d:2");
	ck_assert_str_eq(joined(&c.words), "x");
	/* a source that does not mention a list leaves it */
	ck_assert_int_eq(load("[words]\nword = y\n", NULL), 0);
	ck_assert_str_eq(joined(&c.channels), "c:1|d:1|d:2");
	ck_assert_str_eq(joined(&c.words), "y");
	/* options are one source */
	vmv_settings_new_source(table, N, &c);
	ck_assert_int_eq(set("agent", "channel", "e:1", NULL), 0);
	ck_assert_int_eq(set("agent", "channel", "e:2", NULL), 0);
	ck_assert_str_eq(joined(&c.channels), "e:1|e:2");
	/* a refused item leaves what was there, and the next one still replaces it */
	vmv_settings_new_source(table, N, &c);
	ck_assert_int_lt(set("agent", "channel", "bad", NULL), 0);
	ck_assert_str_eq(joined(&c.channels), "e:1|e:2");
	ck_assert_int_eq(set("agent", "channel", "f:1", NULL), 0);
	ck_assert_str_eq(joined(&c.channels), "f:1");
	/* nothing is a list, too */
	ck_assert_int_eq(load("[agent]\nchannel =\n", NULL), 0);
	ck_assert_uint_eq(c.channels.n, 0);
}
END_TEST

START_TEST(a_file_with_everything_is_read)
{
	ck_assert_int_eq(load("\xef\xbb\xbf# comment\n"
			      "; comment\n"
			      "\n"
			      "[metrics]\r\n"
			      "interval=60\r\n"
			      "  port   =   2000  \n"
			      "\tenabled: no\n"
			      "\n"
			      "[agent]\n"
			      "name = a b=c#d ; a comment\n"
			      "interval_not = in this section\n",
			      NULL),
			 -EINVAL);
	ck_assert_uint_eq(c.interval, 60);
	ck_assert_uint_eq(c.port, 2000);
	ck_assert(!c.enabled);
	ck_assert_str_eq(c.name, "a b=c#d");
}
END_TEST

/* inih takes an indented line for more of the value above it. */
START_TEST(indenting_means_nothing)
{
	ck_assert_int_eq(load("[agent]\n"
			      "  name = foo\n"
			      "  color = red\n"
			      "[metrics]\n"
			      "  interval = 60\n"
			      "\t# comment\n"
			      "\tenabled = no\n",
			      NULL),
			 0);
	ck_assert_str_eq(c.name, "foo");
	ck_assert_uint_eq(c.color, 0);
	ck_assert_uint_eq(c.interval, 60);
	ck_assert(!c.enabled);
}
END_TEST

#define X50   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG  "# " X50 X50 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" /* 198 bytes */
#define LONG1 LONG "x"

static const struct {
	const char *text;
	int line; /* where the error is; 0: the file is good */
} files[] = {
	{ "", 0 },
	{ "\n\n\n", 0 },
	{ "[metrics]\ninterval = 60", 0 },
	{ "[metrics]\n\ninterval = 4\n", 3 },
	{ "[metrics]\nintervall = 60\n", 2 },
	{ "interval = 60\n", 1 },
	{ "[metrics]\ngarbage\n", 2 },
	{ "[metrics\ninterval = 60\n", 1 },
	{ "[metrics]\nenabled = perhaps\ngarbage\n", 2 },
	{ "[metrics]\nenabled = yes\n# c\ngarbage\nenabled = perhaps\n", 4 },
	{ "[metrics]\nenabled = perhaps\nenabled = never\n", 2 },
	{ "[agent]\nchannel = a:1\nchannel = b\n", 3 },
	{ LONG "\n[metrics]\ninterval = 4\n", 3 },
	{ LONG, 0 },
	{ LONG1 "\n", 1 },
	{ "[metrics]\n" LONG1 "\ninterval = 60\n", 2 },
	{ "[metrics]\ninterval = 60\n" LONG1, 3 },
	{ "[agent]\nname = a\n  b\n", 3 },
};

START_TEST(errors_name_file_and_line)
{
	struct vmv_err err = { 0 };
	char want[160];
	int r = load(files[_i].text, &err);

	if (files[_i].line == 0) {
		ck_assert_msg(r == 0, "%s", err.msg);
		return;
	}
	ck_assert_int_eq(r, -EINVAL);
	(void)snprintf(want, sizeof(want), "%s:%d: ", path, files[_i].line);
	ck_assert_msg(strncmp(err.msg, want, strlen(want)) == 0, "'%s' instead of '%s'", err.msg,
		      want);
}
END_TEST

START_TEST(the_error_said_is_the_one_of_its_line)
{
	struct vmv_err err = { 0 };

	ck_assert_int_eq(load("[metrics]\ngarbage\nenabled = perhaps\n", &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_ptr_null(strstr(err.msg, "perhaps"));
	ck_assert_int_eq(load("[metrics]\nenabled = perhaps\ngarbage\n", &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_RANGE);
	ck_assert_ptr_nonnull(strstr(err.msg, "'perhaps' is neither yes nor no"));
}
END_TEST

START_TEST(a_nul_byte_and_a_huge_file_are_refused)
{
	static const char with_nul[] = "[metrics]\ninterval = 60\n\0interval = 70\n";
	struct vmv_err err = { 0 };
	vmv_autofree char *big = malloc(64 * 1024 + 1);

	fixture_put_bytes(&fx, "etc/main.conf", with_nul, sizeof(with_nul) - 1);
	ck_assert_int_eq(vmv_settings_load(table, N, &c, path, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	ck_assert_uint_eq(c.interval, 30);
	ck_assert_ptr_nonnull(big);
	memset(big, '\n', 64 * 1024 + 1);
	fixture_put_bytes(&fx, "etc/main.conf", big, 64 * 1024);
	ck_assert_int_eq(vmv_settings_load(table, N, &c, path, &err), 0);
	fixture_put_bytes(&fx, "etc/main.conf", big, 64 * 1024 + 1);
	ck_assert_int_eq(vmv_settings_load(table, N, &c, path, &err), -EFBIG);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
}
END_TEST

START_TEST(an_absent_file_is_told_or_allowed)
{
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_settings_load(table, N, &c, path, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_int_eq(err.sys, ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	ck_assert_int_eq(vmv_settings_load_all(table, N, &c, path, true, &err), -ENOENT);
	ck_assert_int_eq(vmv_settings_load_all(table, N, &c, path, false, &err), 0);
	/* but one that cannot be read is not */
	fixture_mkdir(&fx, "etc/main.conf");
	ck_assert_int_lt(vmv_settings_load_all(table, N, &c, path, false, &err), 0);
	check_defaults();
}
END_TEST

START_TEST(drop_ins_come_after_the_file_in_byte_order)
{
	fixture_put(&fx, "etc/main.conf",
		    "[metrics]\ninterval = 10\nport = 1001\n[words]\nword = m\n");
	fixture_put(&fx, "etc/main.conf.d/10-a.conf",
		    "[metrics]\ninterval = 11\n[agent]\nname = ten\n");
	fixture_put(&fx, "etc/main.conf.d/9-b.conf",
		    "[metrics]\ninterval = 12\n[words]\nword = nine\n");
	fixture_put(&fx, "etc/main.conf.d/Z.conf", "[agent]\nname = Z\n");
	fixture_put(&fx, "etc/main.conf.d/a.conf", "[agent]\nname = a\n");
	/* none of these is one */
	fixture_put(&fx, "etc/main.conf.d/.hidden.conf", "garbage\n");
	fixture_put(&fx, "etc/main.conf.d/b.conf~", "garbage\n");
	fixture_put(&fx, "etc/main.conf.d/c.conf.dpkg-old", "garbage\n");
	fixture_put(&fx, "etc/main.conf.d/.conf", "garbage\n");
	fixture_put(&fx, "etc/main.conf.d/README", "garbage\n");
	ck_assert_int_eq(vmv_settings_load_all(table, N, &c, path, true, NULL), 0);
	ck_assert_uint_eq(c.interval, 12);
	ck_assert_uint_eq(c.port, 1001);
	ck_assert_str_eq(c.name, "a");
	ck_assert_str_eq(joined(&c.words), "nine");
}
END_TEST

START_TEST(drop_ins_work_without_the_file_and_name_themselves)
{
	struct vmv_err err = { 0 };

	fixture_put(&fx, "etc/main.conf.d/a.conf", "[agent]\nname = a\n");
	ck_assert_int_eq(vmv_settings_load_all(table, N, &c, path, false, NULL), 0);
	ck_assert_str_eq(c.name, "a");
	fixture_put(&fx, "etc/main.conf.d/b.conf", "\n[agent]\ncolor = pink\n");
	ck_assert_int_eq(vmv_settings_load_all(table, N, &c, path, false, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "main.conf.d/b.conf:3: "));
	/* a link that leads nowhere is a mistake, not an absent file */
	fixture_put(&fx, "etc/main.conf.d/b.conf", "");
	fixture_link(&fx, "etc/main.conf.d/c.conf", "nowhere");
	ck_assert_int_lt(vmv_settings_load_all(table, N, &c, path, false, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "c.conf"));
}
END_TEST

START_TEST(where_a_value_was_set_is_kept)
{
	ck_assert_ptr_null(c.color_place); /* a default */
	fixture_put(&fx, "etc/main.conf.d/a.conf", "[words]\nword = a b\n");
	ck_assert_int_eq(load("[agent]\n\ncolor = red\n[words]\nword = x\nword = y\n", NULL), 0);
	ck_assert_ptr_nonnull(strstr(c.color_place, "/etc/main.conf:3"));
	/* several lines make up a list: none of them is the one */
	ck_assert_ptr_nonnull(strstr(c.words_place, "/etc/main.conf"));
	ck_assert_ptr_null(strchr(c.words_place, ':'));
	ck_assert_int_eq(vmv_settings_load_all(table, N, &c, path, true, NULL), 0);
	ck_assert_ptr_nonnull(strstr(c.words_place, "/etc/main.conf.d/a.conf:2"));
	ck_assert_int_eq(set("agent", "color", "pink", NULL), -EINVAL);
	ck_assert_ptr_nonnull(c.color_place);
	ck_assert_int_eq(set("agent", "color", "blue", NULL), 0); /* an option */
	ck_assert_ptr_null(c.color_place);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_an_error)
{
	char longest[PATH_MAX];
	struct vmv_err err = { 0 };

	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_lt(vmv_settings_load_all(table, N, &c, longest, false, &err), 0);
	ck_assert_int_eq(err.sys, EISDIR); /* 4095 slashes are a directory */
	memcpy(longest + sizeof(longest) - 9, "/nothing", 8);
	ck_assert_int_eq(vmv_settings_load_all(table, N, &c, longest, false, &err), -ENAMETOOLONG);
}
END_TEST

static char *dump(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	vmv_settings_dump(table, N, &c, f);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

START_TEST(what_is_dumped_reads_back_the_same)
{
	vmv_autofree char *defaults = dump();
	vmv_autofree char *first = NULL;
	vmv_autofree char *second = NULL;
	char item[170];

	ck_assert_int_eq(set("metrics", "interval", "77", NULL), 0);
	ck_assert_int_eq(set("metrics", "port", "18446744073709551615", NULL), 0);
	ck_assert_int_eq(set("metrics", "enabled", "no", NULL), 0);
	ck_assert_int_eq(set("agent", "name", "a name = \"quoted\" #5: x;y", NULL), 0);
	ck_assert_int_eq(set("agent", "color", "blue", NULL), 0);
	vmv_settings_new_source(table, N, &c);
	memset(item, 'x', sizeof(item));
	item[5] = ':';
	item[sizeof(item) - 1] = '\0';
	for (int i = 0; i < 40; i++) /* together they would not fit on a line */
		ck_assert_int_eq(set("agent", "channel", item, NULL), 0);
	first = dump();
	ck_assert_str_ne(first, defaults);

	vmv_settings_free(table, N, &c);
	memset(&c, 0, sizeof(c));
	ck_assert_int_eq(vmv_settings_defaults(table, N, &c), 0);
	ck_assert_int_eq(load(first, NULL), 0);
	ck_assert_uint_eq(c.interval, 77);
	ck_assert_uint_eq(c.channels.n, 40);
	second = dump();
	ck_assert_str_eq(first, second);
	/* and back to the defaults, which have an empty list and an empty text */
	ck_assert_int_eq(set("words", "word", "x y", NULL), 0);
	ck_assert_int_eq(load(defaults, NULL), 0);
	check_defaults();
}
END_TEST

START_TEST(the_dump_explains_itself)
{
	vmv_autofree char *text = dump();

	ck_assert_str_eq(text, "[metrics]\n"
			       "# Seconds between two readings. 5 to 3600.\n"
			       "interval = 30\n"
			       "# A number. 1000 to 18446744073709551615, or 0.\n"
			       "port = 0\n"
			       "# Whether.\n"
			       "enabled = yes\n"
			       "\n"
			       "[agent]\n"
			       "# A name.\n"
			       "name = \n"
			       "# A color. One of: red, green, blue\n"
			       "color = green\n"
			       "# Channels.\n"
			       "channel = a:1\n"
			       "channel = b:2\n"
			       "\n"
			       "[words]\n"
			       "# Words.\n"
			       "word =\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("settings");
	TCase *tc = tcase_create("settings");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, defaults_are_those_of_the_table);
	tcase_add_loop_test(tc, good_values_are_taken, 0, (int)VMV_COUNTOF(good));
	tcase_add_loop_test(tc, bad_values_change_nothing, 0, (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, a_text_that_fails_its_check_changes_nothing);
	tcase_add_test(tc, a_source_replaces_the_lists_of_earlier_ones_and_adds_to_its_own);
	tcase_add_test(tc, a_file_with_everything_is_read);
	tcase_add_test(tc, indenting_means_nothing);
	tcase_add_loop_test(tc, errors_name_file_and_line, 0, (int)VMV_COUNTOF(files));
	tcase_add_test(tc, the_error_said_is_the_one_of_its_line);
	tcase_add_test(tc, a_nul_byte_and_a_huge_file_are_refused);
	tcase_add_test(tc, an_absent_file_is_told_or_allowed);
	tcase_add_test(tc, drop_ins_come_after_the_file_in_byte_order);
	tcase_add_test(tc, drop_ins_work_without_the_file_and_name_themselves);
	tcase_add_test(tc, where_a_value_was_set_is_kept);
	tcase_add_test(tc, a_path_that_is_too_long_is_an_error);
	tcase_add_test(tc, what_is_dumped_reads_back_the_same);
	tcase_add_test(tc, the_dump_explains_itself);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
