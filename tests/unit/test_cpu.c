#include "collectors/cpu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

/* A 6.x kernel; CPU 1 is offline. */
#define MODERN                                 \
	"cpu  300 20 100 9000 50 6 7 8 9 10\n" \
	"cpu0 100 10 40 4000 20 1 2 3 4 5\n"   \
	"cpu2 200 10 60 5000 30 5 5 5 5 5\n"   \
	"intr 12345 0 9 0 0 4\n"               \
	"ctxt 1990473\n"                       \
	"btime 1700000000\n"                   \
	"processes 2915\n"                     \
	"procs_running 3\n"                    \
	"procs_blocked 1\n"                    \
	"softirq 183433 0 21755 12 39 1137 231 21459 2263\n"

START_TEST(a_row_for_each_online_cpu_with_all_modes)
{
	const struct vmv_cpu_sample *s;
	struct kept k;

	kept_init(&k, &vmv_collector_cpu);
	fixture_put(&fx, "proc/stat", MODERN);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_cpu, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_str_eq(k.ids[0], "0");
	ck_assert_str_eq(k.ids[1], "2");
	s = kept_row(&k, "0");
	ck_assert_uint_eq(s->user, 100);
	ck_assert_uint_eq(s->nice, 10);
	ck_assert_uint_eq(s->system, 40);
	ck_assert_uint_eq(s->idle, 4000);
	ck_assert_uint_eq(s->iowait, 20);
	ck_assert_uint_eq(s->irq, 1);
	ck_assert_uint_eq(s->softirq, 2);
	ck_assert_uint_eq(s->steal, 3);
	ck_assert_uint_eq(s->guest, 4);
	ck_assert_uint_eq(s->guest_nice, 5);
	kept_clear(&k);
}
END_TEST

START_TEST(one_row_of_kernel_wide_counters)
{
	const struct vmv_stat_sample *s;
	struct kept k;

	kept_init(&k, &vmv_collector_stat);
	fixture_put(&fx, "proc/stat", MODERN);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_stat, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	s = kept_row(&k, "");
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->all.user, 300);
	ck_assert_uint_eq(s->all.guest_nice, 10);
	ck_assert_uint_eq(s->intr, 12345);
	ck_assert_uint_eq(s->ctxt, 1990473);
	ck_assert_uint_eq(s->btime, 1700000000);
	ck_assert_uint_eq(s->processes, 2915);
	ck_assert_uint_eq(s->procs_running, 3);
	ck_assert_uint_eq(s->procs_blocked, 1);
	kept_clear(&k);
}
END_TEST

START_TEST(columns_and_lines_an_old_kernel_has_not_are_unset)
{
	struct vmv_stat_sample s;

	ck_assert_int_eq(vmv_stat_parse("cpu  1 2 3 4\n", &s, NULL, NULL, NULL), 0);
	ck_assert_uint_eq(s.all.idle, 4);
	ck_assert(s.all.iowait == VMV_UNSET); /* unknown is not zero */
	ck_assert(s.all.steal == VMV_UNSET);
	ck_assert(s.all.guest_nice == VMV_UNSET);
	ck_assert(s.btime == VMV_UNSET);
	ck_assert(s.procs_blocked == VMV_UNSET);

	ck_assert_int_eq(vmv_stat_parse("cpu  1 2 3 4 5 6 7 8\n", &s, NULL, NULL, NULL), 0);
	ck_assert_uint_eq(s.all.steal, 8);
	ck_assert(s.all.guest == VMV_UNSET);
}
END_TEST

START_TEST(columns_and_lines_of_later_kernels_are_left_alone)
{
	struct vmv_stat_sample s;

	ck_assert_int_eq(vmv_stat_parse("cpu  1 2 3 4 5 6 7 8 9 10 11 x\n"
					"cpuidle nonsense\n"
					"\n"
					"ctxtx y\n",
					&s, NULL, NULL, NULL),
			 0);
	ck_assert_uint_eq(s.all.guest_nice, 10);
	ck_assert(s.ctxt == VMV_UNSET);
}
END_TEST

static int count_rows(void *arg, unsigned cpu, const struct vmv_cpu_sample *sample)
{
	unsigned *n = arg;

	ck_assert_uint_eq(cpu, *n);
	ck_assert_uint_eq(sample->user, *n);
	++*n;
	return *n == 5000 ? -ECANCELED : 0;
}

/* The text of a machine with 4096 CPUs: 64 KiB are far from enough. */
static char *large_text(size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	ck_assert_ptr_nonnull(f);
	(void)fputs("cpu  1 2 3 4\n", f);
	for (unsigned i = 0; i < 4096; i++)
		(void)fprintf(f, "cpu%u %u 2 3 4 5 6 7 8 9 10\n", i, i);
	(void)fputs("intr 77", f);
	for (unsigned i = 0; i < 40000; i++)
		(void)fputs(" 0", f);
	(void)fputs("\nctxt 5\n", f);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

START_TEST(thousands_of_cpus_fit)
{
	vmv_autofree char *text = NULL;
	const struct vmv_stat_sample *s;
	size_t len;
	struct kept k;
	unsigned n = 0;

	text = large_text(&len);
	ck_assert_uint_gt(len, 128 * 1024);
	fixture_put_bytes(&fx, "proc/stat", text, len);
	kept_init(&k, &vmv_collector_stat);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_stat, &fx.root, NULL), 0);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->intr, 77);
	ck_assert_uint_eq(s->ctxt, 5);
	kept_clear(&k);
	ck_assert_int_eq(vmv_stat_parse(text, &(struct vmv_stat_sample){ 0 }, count_rows, &n, NULL),
			 0);
	ck_assert_uint_eq(n, 4096);
}
END_TEST

START_TEST(a_text_without_end_is_refused)
{
	size_t len = 5 << 20;
	vmv_autofree char *text = malloc(len);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(text);
	memset(text, ' ', len);
	fixture_put_bytes(&fx, "proc/stat", text, len);
	kept_init(&k, &vmv_collector_cpu);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_cpu, &fx.root, &err), -EFBIG);
	ck_assert_int_eq(err.code, VMV_E_IO);
	kept_clear(&k);
}
END_TEST

static int refuse_row(void *arg, unsigned cpu, const struct vmv_cpu_sample *sample)
{
	(void)arg;
	(void)cpu;
	(void)sample;
	return -ECANCELED;
}

START_TEST(a_row_that_is_refused_ends_the_parse)
{
	struct vmv_stat_sample s = { .ctxt = 7 };

	ck_assert_int_eq(vmv_stat_parse(MODERN, &s, refuse_row, NULL, NULL), -ECANCELED);
	ck_assert_uint_eq(s.ctxt, 7);
}
END_TEST

static const char *const bad[] = {
	"",
	"ctxt 1\n",			     /* no cpu line */
	"cpu  1 2 3 4",			     /* cut before the newline */
	"cpu  1 2 3\n",			     /* no kernel has so few columns */
	"cpu  1 2 3 4 x\n",		     /* no number */
	"cpu  1 2 3 4x 5\n",		     /* number with a tail */
	"cpu  1 -2 3 4\n",		     /* a sign */
	"cpu \n",			     /* no columns */
	"cpu  1 2 3 99999999999999999999\n", /* past UINT64_MAX */
	"cpu  1 2 3 4\ncpu0 1 2\n",
	"cpu  1 2 3 4\ncpu0x 1 2 3 4\n",
	"cpu  1 2 3 4\ncpu99999999999 1 2 3 4\n",
	"cpu  1 2 3 4\nctxt\n",
	"cpu  1 2 3 4\nctxt \n",
	"cpu  1 2 3 4\nctxt 5x\n",
	"cpu  1 2 3 4\nbtime -5\n",
	"cpu  1 2 3 4\nintr 1 2 3", /* cut within a long line */
};

START_TEST(malformed_input_fails_and_leaves_output_alone)
{
	struct vmv_stat_sample s = { .ctxt = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_stat_parse(bad[_i], &s, NULL, NULL, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(s.ctxt, 7);
}
END_TEST

START_TEST(a_file_that_comes_later_is_read_then)
{
	void *state = vmv_collector_cpu.open(&fx.root);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_cpu);
	ck_assert_int_eq(vmv_collector_cpu.read(state, &fx.root, &k.sink, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_int_eq(strncmp(err.msg, "cannot read /proc/stat: ", 24), 0);
	fixture_put(&fx, "proc/stat", MODERN);
	ck_assert_int_eq(vmv_collector_cpu.read(state, &fx.root, &k.sink, &err), 0);
	ck_assert_uint_eq(k.n, 2);
	/* the same descriptor, read anew from its beginning */
	ck_assert_int_eq(vmv_collector_cpu.read(state, &fx.root, &k.sink, &err), 0);
	ck_assert_uint_eq(k.n, 4);
	vmv_collector_cpu.close(state);
	vmv_collector_cpu.close(NULL);
	kept_clear(&k);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	const struct vmv_stat_sample *s;
	struct vmv_root root;
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_cpu);
	ck_assert_msg(kept_read(&k, &vmv_collector_cpu, &root, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(k.n, sysconf(_SC_NPROCESSORS_ONLN));
	kept_clear(&k);
	kept_init(&k, &vmv_collector_stat);
	ck_assert_msg(kept_read(&k, &vmv_collector_stat, &root, &err) == 0, "%s", err.msg);
	s = kept_row(&k, "");
	ck_assert_uint_gt(s->ctxt, 0);
	ck_assert_uint_gt(s->btime, 1000000000);
	ck_assert(s->all.steal != VMV_UNSET);
	ck_assert_uint_ge(s->procs_running, 1); /* we are */
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cpu");
	TCase *tc = tcase_create("cpu");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_row_for_each_online_cpu_with_all_modes);
	tcase_add_test(tc, one_row_of_kernel_wide_counters);
	tcase_add_test(tc, columns_and_lines_an_old_kernel_has_not_are_unset);
	tcase_add_test(tc, columns_and_lines_of_later_kernels_are_left_alone);
	tcase_add_test(tc, thousands_of_cpus_fit);
	tcase_add_test(tc, a_text_without_end_is_refused);
	tcase_add_test(tc, a_row_that_is_refused_ends_the_parse);
	tcase_add_loop_test(tc, malformed_input_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, a_file_that_comes_later_is_read_then);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
