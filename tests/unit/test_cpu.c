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

/* The two collectors as the agent has them: one state. */
struct pair {
	void *state;
	struct kept cpu, stat;
};

static void pair_up(struct pair *p)
{
	p->state = vmv_collector_cpu.open(&fx.root);
	ck_assert_ptr_nonnull(p->state);
	kept_init(&p->cpu, &vmv_collector_cpu);
	kept_init(&p->stat, &vmv_collector_stat);
}

static void pair_down(struct pair *p)
{
	vmv_collector_cpu.close(p->state);
	kept_clear(&p->cpu);
	kept_clear(&p->stat);
}

static int read_cpu(struct pair *p)
{
	kept_clear(&p->cpu);
	return vmv_collector_cpu.read(p->state, &fx.root, &p->cpu.sink, NULL);
}

static const struct vmv_stat_sample *read_stat(struct pair *p)
{
	kept_clear(&p->stat);
	ck_assert_int_eq(vmv_collector_stat.read(p->state, &fx.root, &p->stat.sink, NULL), 0);
	ck_assert_uint_eq(p->stat.n, 1);
	return kept_row(&p->stat, "");
}

/* One CPU that was idle for so long, by both lines. */
static void put_idle(unsigned user, unsigned idle)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
		       "cpu  %u 0 0 %u 0 0 0 0 0 0\ncpu0 %u 0 0 %u 0 0 0 0 0 0\nctxt 9\n", user,
		       idle, user, idle);
	fixture_put(&fx, "proc/stat", text);
}

static const struct vmv_cpu_sample *reread_cpu(struct pair *p, const char *id)
{
	ck_assert_int_eq(read_cpu(p), 0);
	return kept_row(&p->cpu, id);
}

START_TEST(stat_has_the_state_of_cpu)
{
	ck_assert_ptr_eq(vmv_collector_stat.state_of, &vmv_collector_cpu);
	ck_assert(!vmv_collector_stat.open);
}
END_TEST

START_TEST(both_groups_come_out_of_one_read)
{
	struct pair p;

	pair_up(&p);
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nctxt 5\n");
	ck_assert_int_eq(read_cpu(&p), 0);
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nctxt 6\n");
	ck_assert_uint_eq(read_stat(&p)->ctxt, 5); /* of the same moment as the CPUs */
	ck_assert_uint_eq(read_stat(&p)->ctxt, 6); /* which was told: reads itself */
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nctxt 7\n");
	ck_assert_int_eq(read_cpu(&p), 0);
	ck_assert_uint_eq(read_stat(&p)->ctxt, 7);
	pair_down(&p);
}
END_TEST

START_TEST(stat_alone_reads_itself)
{
	struct pair p;

	pair_up(&p);
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\nctxt 5\n");
	ck_assert_uint_eq(read_stat(&p)->ctxt, 5);
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\nctxt 6\n");
	ck_assert_uint_eq(read_stat(&p)->ctxt, 6);
	pair_down(&p);
}
END_TEST

START_TEST(what_only_cpu_was_asked_for_is_not_told_later)
{
	struct pair p;

	pair_up(&p);
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nctxt 5\n");
	ck_assert_int_eq(read_cpu(&p), 0);
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nctxt 6\n");
	p.stat.sink.reading++; /* the next one */
	ck_assert_uint_eq(read_stat(&p)->ctxt, 6);
	pair_down(&p);
}
END_TEST

START_TEST(what_cpu_failed_to_read_is_not_told)
{
	struct vmv_err err = { 0 };
	struct pair p;

	pair_up(&p);
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nctxt 5\n");
	ck_assert_int_eq(read_cpu(&p), 0);
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2\n");
	ck_assert_int_eq(read_cpu(&p), -EINVAL);
	ck_assert_int_eq(vmv_collector_stat.read(p.state, &fx.root, &p.stat.sink, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "/proc/stat: bad 'cpu0' line");
	ck_assert_uint_eq(p.stat.n, 0);
	pair_down(&p);
}
END_TEST

START_TEST(idle_that_steps_back_a_little_keeps_its_value)
{
	const struct vmv_stat_sample *s;
	struct pair p;

	pair_up(&p);
	put_idle(100, 5000);
	ck_assert_uint_eq(reread_cpu(&p, "0")->idle, 5000);
	ck_assert_uint_eq(read_stat(&p)->backward_steps, 0);
	put_idle(105, 4990);
	ck_assert_uint_eq(reread_cpu(&p, "0")->idle, 5000);
	ck_assert_uint_eq(((const struct vmv_cpu_sample *)kept_row(&p.cpu, "0"))->user, 105);
	s = read_stat(&p);
	ck_assert_uint_eq(s->backward_steps, 1); /* the sum of all does not count again */
	ck_assert_uint_eq(s->all.idle, 5000);
	ck_assert_uint_eq(s->all.user, 105);
	put_idle(105, 5001);
	ck_assert_uint_eq(reread_cpu(&p, "0")->idle, 5001);
	s = read_stat(&p);
	ck_assert_uint_eq(s->all.idle, 5001);
	ck_assert_uint_eq(s->backward_steps, 1);
	pair_down(&p);
}
END_TEST

START_TEST(steps_are_counted_where_only_stat_is_asked_for)
{
	struct pair p;

	pair_up(&p);
	put_idle(100, 5000);
	ck_assert_uint_eq(read_stat(&p)->backward_steps, 0);
	put_idle(100, 4990);
	ck_assert_uint_eq(read_stat(&p)->backward_steps, 1);
	pair_down(&p);
}
END_TEST

START_TEST(a_cpu_that_comes_back_counts_anew)
{
	struct pair p;

	pair_up(&p);
	fixture_put(&fx, "proc/stat",
		    "cpu  110 0 0 9000 0\ncpu0 100 0 0 4000 0\ncpu1 10 0 0 5000 0\n");
	ck_assert_uint_eq(reread_cpu(&p, "1")->idle, 5000);
	ck_assert_uint_eq(p.cpu.n, 2);
	fixture_put(&fx, "proc/stat", "cpu  110 0 0 9000 0\ncpu0 100 0 0 4100 0\n");
	ck_assert_ptr_null(reread_cpu(&p, "1")); /* offline: no row */
	ck_assert_uint_eq(p.cpu.n, 1);
	ck_assert_uint_eq(read_stat(&p)->backward_steps, 0);
	fixture_put(&fx, "proc/stat",
		    "cpu  108 0 0 4280 0\ncpu0 100 0 0 4200 0\ncpu1 8 0 0 80 0\n");
	ck_assert_uint_eq(reread_cpu(&p, "1")->idle, 80);
	ck_assert_uint_eq(((const struct vmv_cpu_sample *)kept_row(&p.cpu, "1"))->user, 8);
	ck_assert_uint_eq(((const struct vmv_cpu_sample *)kept_row(&p.cpu, "0"))->idle, 4200);
	ck_assert_uint_eq(read_stat(&p)->backward_steps, 1);
	pair_down(&p);
}
END_TEST

START_TEST(time_below_zero_is_unknown)
{
	const struct vmv_cpu_sample *c;
	const struct vmv_stat_sample *s;
	struct pair p;

	pair_up(&p);
	fixture_put(&fx, "proc/stat",
		    "cpu  1 2 3 10000000000000000000 5 6 7 8 9 10\n"
		    "cpu0 1 2 3 4 5 6 7 10000000000000000000 9 18446744073709551615\n"
		    "ctxt 18446744073709551614\n");
	c = reread_cpu(&p, "0");
	ck_assert_uint_eq(c->idle, 4);
	ck_assert(c->steal == VMV_UNSET);
	ck_assert(c->guest_nice == VMV_UNSET);
	s = read_stat(&p);
	ck_assert(s->all.idle == VMV_UNSET);
	ck_assert_uint_eq(s->all.guest_nice, 10);
	ck_assert(s->ctxt == VMV_UNSET);
	/* and back to its senses: known again, no step */
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
	ck_assert_uint_eq(reread_cpu(&p, "0")->steal, 8);
	ck_assert_uint_eq(read_stat(&p)->backward_steps, 0);
	pair_down(&p);
}
END_TEST

START_TEST(columns_an_old_kernel_has_not_stay_unset_from_reading_to_reading)
{
	struct pair p;

	pair_up(&p);
	for (int i = 0; i < 3; i++) {
		fixture_put(&fx, "proc/stat", "cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\n");
		ck_assert(reread_cpu(&p, "0")->steal == VMV_UNSET);
		ck_assert(read_stat(&p)->all.guest == VMV_UNSET);
		ck_assert_uint_eq(read_stat(&p)->backward_steps, 0);
	}
	pair_down(&p);
}
END_TEST

START_TEST(time_never_runs_backwards_on_the_kernel_we_run_on)
{
	struct vmv_cpu_sample last = { 0 };
	struct vmv_root root;
	struct pair p;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	pair_up(&p);
	for (int i = 0; i < 200; i++) {
		const struct vmv_cpu_sample *c;

		kept_clear(&p.cpu);
		ck_assert_int_eq(vmv_collector_cpu.read(p.state, &root, &p.cpu.sink, NULL), 0);
		c = kept_row(&p.cpu, "0");
		if (!c) {
			SAY_SKIPPED("CPU 0 is offline");
			break;
		}
		ck_assert(c->user >= last.user && c->idle >= last.idle &&
			  c->iowait >= last.iowait && c->system >= last.system);
		last = *c;
	}
	pair_down(&p);
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
	tcase_add_test(tc, stat_has_the_state_of_cpu);
	tcase_add_test(tc, both_groups_come_out_of_one_read);
	tcase_add_test(tc, stat_alone_reads_itself);
	tcase_add_test(tc, what_only_cpu_was_asked_for_is_not_told_later);
	tcase_add_test(tc, what_cpu_failed_to_read_is_not_told);
	tcase_add_test(tc, idle_that_steps_back_a_little_keeps_its_value);
	tcase_add_test(tc, steps_are_counted_where_only_stat_is_asked_for);
	tcase_add_test(tc, a_cpu_that_comes_back_counts_anew);
	tcase_add_test(tc, time_below_zero_is_unknown);
	tcase_add_test(tc, columns_an_old_kernel_has_not_stay_unset_from_reading_to_reading);
	tcase_add_test(tc, time_never_runs_backwards_on_the_kernel_we_run_on);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
