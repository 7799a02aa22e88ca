#include "collectors/load.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

START_TEST(hundredths_of_load_and_of_seconds)
{
	const struct vmv_load_sample *s;
	struct kept k;

	fixture_put(&fx, "proc/loadavg", "0.20 1.08 123.45 1/80 11206\n");
	fixture_put(&fx, "proc/uptime", "350735.47 234388.90\n");
	kept_init(&k, &vmv_collector_load);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_load, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->load1, 20);
	ck_assert_uint_eq(s->load5, 108);
	ck_assert_uint_eq(s->load15, 12345);
	ck_assert_uint_eq(s->uptime, 35073547);
	kept_clear(&k);
}
END_TEST

START_TEST(each_of_the_two_files_is_needed)
{
	void *state = vmv_collector_load.open(&fx.root);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_load);
	ck_assert_int_eq(vmv_collector_load.read(state, &fx.root, &k.sink, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/proc/loadavg"));
	fixture_put(&fx, "proc/loadavg", "0.00 0.00 0.00 1/80 11206\n");
	ck_assert_int_eq(vmv_collector_load.read(state, &fx.root, &k.sink, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/proc/uptime"));
	ck_assert_uint_eq(k.n, 0);
	fixture_put(&fx, "proc/uptime", "1.00 1.00\n");
	ck_assert_int_eq(vmv_collector_load.read(state, &fx.root, &k.sink, &err), 0);
	ck_assert_uint_eq(k.n, 1);
	vmv_collector_load.close(state);
	vmv_collector_load.close(NULL);
	kept_clear(&k);
}
END_TEST

static const char *const bad_loadavg[] = {
	"",
	"\n",
	"0.20\n",
	"0.20 0.18\n",
	"0.20 0.18 0.12", /* cut: there may have been more digits */
	"0.20 0.18 0.12\n",
	"0.20  0.18 0.12 1/80 1\n",
	"-0.20 0.18 0.12 1/80 1\n",
	"0.20 x 0.12 1/80 1\n",
	"0.20 0.18 0.12x 1/80 1\n",
	"0. 0.18 0.12 1/80 1\n",
	"184467440737095517.00 0.18 0.12 1/80 1\n", /* fits, times 100 does not */
};

START_TEST(malformed_loadavg_fails_and_leaves_output_alone)
{
	struct vmv_load_sample s = { 7, 7, 7, 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_loadavg_parse(bad_loadavg[_i], &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert(s.load1 == 7 && s.load5 == 7 && s.load15 == 7 && s.uptime == 7);
}
END_TEST

static const char *const bad_uptime[] = {
	"",
	"\n",
	"350735.47",
	"350735.47\n",
	"-1.00 1.00\n",
	"x 1.00\n",
	"99999999999999999999.00 1\n",
};

START_TEST(malformed_uptime_fails_and_leaves_output_alone)
{
	struct vmv_load_sample s = { 7, 7, 7, 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_uptime_parse(bad_uptime[_i], &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert(s.load1 == 7 && s.load5 == 7 && s.load15 == 7 && s.uptime == 7);
}
END_TEST

START_TEST(each_parser_writes_its_own_members_only)
{
	struct vmv_load_sample s = { 7, 7, 7, 7 };

	ck_assert_int_eq(vmv_uptime_parse("2.50 1.00\n", &s, NULL), 0);
	ck_assert(s.load1 == 7 && s.load5 == 7 && s.load15 == 7 && s.uptime == 250);
	ck_assert_int_eq(vmv_loadavg_parse("1.00 2.00 3.00 1/2 3\n", &s, NULL), 0);
	ck_assert(s.load1 == 100 && s.load5 == 200 && s.load15 == 300 && s.uptime == 250);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	const struct vmv_load_sample *s;
	struct vmv_root root;
	struct sysinfo info;
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_load);
	ck_assert_msg(kept_read(&k, &vmv_collector_load, &root, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(sysinfo(&info), 0);
	s = kept_row(&k, "");
	ck_assert_double_eq_tol((double)s->uptime / 100, (double)info.uptime, 5);
	ck_assert_double_eq_tol((double)s->load15 / 100, (double)info.loads[2] / 65536, 0.5);
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("load");
	TCase *tc = tcase_create("load");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, hundredths_of_load_and_of_seconds);
	tcase_add_test(tc, each_of_the_two_files_is_needed);
	tcase_add_loop_test(tc, malformed_loadavg_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad_loadavg));
	tcase_add_loop_test(tc, malformed_uptime_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad_uptime));
	tcase_add_test(tc, each_parser_writes_its_own_members_only);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
