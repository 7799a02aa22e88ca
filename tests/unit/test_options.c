#include "agent/options.h"

#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_options o;

static void up(void)
{
	o = (struct vmv_options){ 0 };
	/* what getopt says of wrong options is for people, not for the test's output */
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

static void down(void)
{
	free(o.overrides.list);
}

/* The words as the command line has them. */
static int parse(const char *const *words)
{
	static char *argv[16];
	static char copies[16][64];
	int argc = 0;

	for (; words[argc]; argc++) {
		ck_assert_uint_lt(strlen(words[argc]), sizeof(copies[0]));
		argv[argc] = strcpy(copies[argc], words[argc]);
	}
	argv[argc] = NULL;
	free(o.overrides.list);
	optind = 0; /* from the beginning again */
	return vmv_options_parse(&o, argc, argv);
}

#define PARSE(...) parse((const char *const[]){ "vmvitalsd", __VA_ARGS__, NULL })

START_TEST(without_options_it_runs)
{
	static const char *const words[] = { "vmvitalsd", NULL };

	ck_assert_int_eq(parse(words), 0);
	ck_assert_int_eq(o.mode, VMV_MODE_RUN);
	ck_assert_ptr_null(o.config);
	ck_assert_uint_eq(o.overrides.n, 0);
}
END_TEST

START_TEST(modes_have_options)
{
	static const struct {
		const char *word;
		enum vmv_mode mode;
	} modes[] = {
		{ "--once", VMV_MODE_ONCE },	    { "--check-config", VMV_MODE_CHECK },
		{ "--dump-config", VMV_MODE_DUMP }, { "--help", VMV_MODE_HELP },
		{ "--version", VMV_MODE_VERSION },  { "--foreground", VMV_MODE_RUN },
	};

	for (size_t i = 0; i < VMV_COUNTOF(modes); i++) {
		ck_assert_int_eq(PARSE(modes[i].word), 0);
		ck_assert_int_eq(o.mode, modes[i].mode);
		/* what says nothing of the mode leaves it alone, before and behind */
		ck_assert_int_eq(PARSE("--foreground", modes[i].word, "--config", "x"), 0);
		ck_assert_int_eq(o.mode, modes[i].mode);
		ck_assert_int_eq(PARSE(modes[i].word, "--foreground"), 0);
		ck_assert_int_eq(o.mode, modes[i].mode);
	}
}
END_TEST

START_TEST(the_configuration_can_be_another_file)
{
	ck_assert_int_eq(PARSE("--config", "/a/b.conf"), 0);
	ck_assert_str_eq(o.config, "/a/b.conf");
	ck_assert_int_eq(PARSE("--config=/c"), 0);
	ck_assert_str_eq(o.config, "/c");
}
END_TEST

START_TEST(settings_are_kept_in_their_order)
{
	ck_assert_int_eq(PARSE("--interval", "5", "--channel", "stdio", "--once",
			       "--channel=unix-listen:/x", "--vm-id", ""),
			 0);
	ck_assert_int_eq(o.mode, VMV_MODE_ONCE);
	ck_assert_uint_eq(o.overrides.n, 4);
	ck_assert_str_eq(o.overrides.list[0].setting->key, "interval");
	ck_assert_str_eq(o.overrides.list[0].setting->section, "metrics");
	ck_assert_str_eq(o.overrides.list[0].value, "5");
	ck_assert_str_eq(o.overrides.list[1].setting->key, "channel");
	ck_assert_str_eq(o.overrides.list[1].value, "stdio");
	ck_assert_str_eq(o.overrides.list[2].setting->key, "channel");
	ck_assert_str_eq(o.overrides.list[2].value, "unix-listen:/x");
	ck_assert_str_eq(o.overrides.list[3].setting->key, "vm_id");
	ck_assert_str_eq(o.overrides.list[3].value, "");
}
END_TEST

START_TEST(every_setting_with_an_option_has_it)
{
	size_t n = 0;

	for (size_t i = 0; i < vmv_n_config_table; i++) {
		char word[64];

		if (!vmv_config_table[i].option)
			continue;
		n++;
		(void)snprintf(word, sizeof(word), "--%s", vmv_config_table[i].option);
		ck_assert_msg(PARSE(word, "7") == 0, "%s", word);
		ck_assert_uint_eq(o.overrides.n, 1);
		ck_assert_ptr_eq(o.overrides.list[0].setting, &vmv_config_table[i]);
	}
	ck_assert_uint_ge(n, 5);
}
END_TEST

START_TEST(what_is_no_option_is_refused)
{
	ck_assert_int_lt(PARSE("--nonsense"), 0);
	ck_assert_int_lt(PARSE("-x"), 0);
	ck_assert_int_lt(PARSE("--config"), 0); /* of what? */
	ck_assert_int_lt(PARSE("--once=yes"), 0);
	ck_assert_int_lt(PARSE("--c", "x"), 0); /* channel, config, check-config */
	ck_assert_int_lt(PARSE("stray"), 0);
	ck_assert_int_lt(PARSE("--once", "stray"), 0);
	ck_assert_int_lt(PARSE("--", "--once"), 0);
	ck_assert_int_lt(PARSE(""), 0);
	ck_assert_int_lt(PARSE("--interval", "5", "--nonsense"), 0); /* nothing leaks */
}
END_TEST

START_TEST(help_names_every_option)
{
	static const char *const fixed[] = { "--config FILE", "--check-config", "--dump-config",
					     "--once",	      "--foreground",	"--help",
					     "--version" };
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	vmv_options_help(f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(strncmp(text, "Usage: vmvitalsd ", 17), 0);
	ck_assert_int_eq(text[len - 1], '\n');
	for (size_t i = 0; i < VMV_COUNTOF(fixed); i++)
		ck_assert_msg(strstr(text, fixed[i]) != NULL, "%s", fixed[i]);
	for (size_t i = 0; i < vmv_n_config_table; i++) {
		const struct vmv_setting *s = &vmv_config_table[i];
		char word[128];

		if (!s->option)
			continue;
		(void)snprintf(word, sizeof(word), "--%s %s", s->option, s->unit);
		ck_assert_msg(strstr(text, word) != NULL, "%s", word);
		ck_assert_msg(strstr(text, s->help) != NULL, "%s", s->help);
	}
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("options");
	TCase *tc = tcase_create("options");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, without_options_it_runs);
	tcase_add_test(tc, modes_have_options);
	tcase_add_test(tc, the_configuration_can_be_another_file);
	tcase_add_test(tc, settings_are_kept_in_their_order);
	tcase_add_test(tc, every_setting_with_an_option_has_it);
	tcase_add_test(tc, what_is_no_option_is_refused);
	tcase_add_test(tc, help_names_every_option);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
