#include "collectors/pressure.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
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

#define LINE(name, n) name " avg10=0." n " avg60=1." n " avg300=22." n " total=" n "0000\n"

START_TEST(every_number_goes_to_its_own_member)
{
	const struct vmv_pressure_sample *s;
	struct kept k;

	fixture_put(&fx, "proc/pressure/cpu", LINE("some", "11") LINE("full", "12"));
	fixture_put(&fx, "proc/pressure/io", LINE("some", "13") LINE("full", "14"));
	fixture_put(&fx, "proc/pressure/irq", LINE("full", "15"));
	fixture_put(&fx, "proc/pressure/memory", LINE("some", "16") LINE("full", "17"));
	kept_init(&k, &vmv_collector_pressure);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_pressure, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->cpu.some.avg10, 11);
	ck_assert_uint_eq(s->cpu.some.avg60, 111);
	ck_assert_uint_eq(s->cpu.some.avg300, 2211);
	ck_assert_uint_eq(s->cpu.some.total, 110000);
	ck_assert_uint_eq(s->cpu.full.avg60, 112);
	ck_assert_uint_eq(s->cpu.full.total, 120000);
	ck_assert_uint_eq(s->io.some.avg10, 13);
	ck_assert_uint_eq(s->io.full.total, 140000);
	ck_assert(s->irq.some.avg10 == VMV_UNSET); /* there is no such line */
	ck_assert(s->irq.some.total == VMV_UNSET);
	ck_assert_uint_eq(s->irq.full.avg300, 2215);
	ck_assert_uint_eq(s->irq.full.total, 150000);
	ck_assert_uint_eq(s->memory.some.avg60, 116);
	ck_assert_uint_eq(s->memory.full.avg60, 117);
	kept_clear(&k);
}
END_TEST

/* The value of a field as it goes out. */
static double told(const struct vmv_pressure_sample *s, const char *name, const char *labels)
{
	const struct vmv_collector *c = &vmv_collector_pressure;

	for (size_t i = 0; i < c->n_fields; i++) {
		const struct vmv_field *f = &c->fields[i];
		uint64_t v;

		if (strcmp(f->name, name) != 0 || strcmp(f->labels ? f->labels : "", labels) != 0)
			continue;
		memcpy(&v, (const char *)s + f->offset, sizeof(v));
		return (double)v * f->scale;
	}
	ck_abort_msg("no %s{%s}", name, labels);
}

START_TEST(shares_are_told_as_ratios_and_totals_as_seconds)
{
	struct vmv_pressure_sample s = { 0 };

	ck_assert_int_eq(vmv_pressure_parse("some avg10=68.06 avg60=100.00 avg300=0.00 "
					    "total=1390118625\n"
					    "full avg10=0.00 avg60=0.01 avg300=0.00 total=1\n",
					    "pressure/cpu", &s.cpu, NULL),
			 0);
	s.io = s.cpu;
	ck_assert_double_eq_tol(told(&s, "vmvitals_pressure_some_avg10_ratio", "resource=\"cpu\""),
				0.6806, 1e-12);
	ck_assert_double_eq_tol(told(&s, "vmvitals_pressure_some_avg60_ratio", "resource=\"cpu\""),
				1, 1e-12);
	ck_assert_double_eq_tol(told(&s, "vmvitals_pressure_full_avg60_ratio", "resource=\"io\""),
				0.0001, 1e-12);
	ck_assert_double_eq_tol(told(&s, "node_pressure_cpu_waiting_seconds_total", ""),
				1390.118625, 1e-9);
	ck_assert_double_eq_tol(told(&s, "node_pressure_io_stalled_seconds_total", ""), 0.000001,
				1e-12);
}
END_TEST

START_TEST(a_kernel_of_4_20_has_no_irq_and_no_full_of_cpu)
{
	const struct vmv_pressure_sample *s;
	struct kept k;

	fixture_put(&fx, "proc/pressure/cpu", LINE("some", "11"));
	fixture_put(&fx, "proc/pressure/io", LINE("some", "13") LINE("full", "14"));
	fixture_put(&fx, "proc/pressure/memory", LINE("some", "16") LINE("full", "17"));
	kept_init(&k, &vmv_collector_pressure);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_pressure, &fx.root, NULL), 0);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->cpu.some.total, 110000);
	ck_assert(s->cpu.full.avg10 == VMV_UNSET);
	ck_assert(s->irq.full.total == VMV_UNSET);
	ck_assert_uint_eq(s->memory.full.total, 170000);
	kept_clear(&k);
}
END_TEST

START_TEST(a_kernel_without_any_account_is_quietly_absent)
{
	void *state = vmv_collector_pressure.open(&fx.root);
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_pressure);
	ck_assert_int_eq(vmv_collector_pressure.read(state, &fx.root, &k.sink, &err), -ENOENT);
	fixture_mkdir(&fx, "proc/pressure");
	ck_assert_int_eq(vmv_collector_pressure.read(state, &fx.root, &k.sink, &err), -ENOENT);
	ck_assert_uint_eq(k.n, 0);
	fixture_put(&fx, "proc/pressure/cpu", LINE("some", "11"));
	ck_assert_int_eq(vmv_collector_pressure.read(state, &fx.root, &k.sink, &err), 0);
	fixture_put(&fx, "proc/pressure/cpu", LINE("some", "12"));
	ck_assert_int_eq(vmv_collector_pressure.read(state, &fx.root, &k.sink, &err), 0);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_uint_eq(((const struct vmv_pressure_sample *)k.samples)[1].cpu.some.avg10, 12);
	vmv_collector_pressure.close(state);
	vmv_collector_pressure.close(NULL);
	kept_clear(&k);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_failure)
{
	struct vmv_err err = { 0 };
	struct kept k;

	fixture_put(&fx, "proc/pressure/cpu", LINE("some", "11"));
	fixture_mkdir(&fx, "proc/pressure/io");
	kept_init(&k, &vmv_collector_pressure);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_pressure, &fx.root, &err), -EISDIR);
	ck_assert_int_eq(strncmp(err.msg, "cannot read /proc/pressure/io: ", 31), 0);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(lines_and_columns_of_later_kernels_are_left_alone)
{
	struct vmv_pressure p;

	ck_assert_int_eq(vmv_pressure_parse("most avg10=x\n"
					    "some avg10=1.00 avg60=2.00 avg300=3.00 total=4 x=5\n",
					    "pressure/cpu", &p, NULL),
			 0);
	ck_assert_uint_eq(p.some.avg10, 100);
	ck_assert_uint_eq(p.some.total, 4);
	ck_assert(p.full.total == VMV_UNSET);
}
END_TEST

START_TEST(a_total_below_zero_is_unknown)
{
	struct vmv_pressure p;

	ck_assert_int_eq(vmv_pressure_parse("some avg10=1.00 avg60=2.00 avg300=3.00 "
					    "total=18446744073709551000\n",
					    "pressure/cpu", &p, NULL),
			 0);
	ck_assert(p.some.total == VMV_UNSET);
	ck_assert_uint_eq(p.some.avg60, 200);
}
END_TEST

static const char *const bad[] = {
	"",
	"\n",
	"most avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	"some avg10=0.00 avg60=0.00 avg300=0.00 total=0", /* cut before the newline */
	"some avg10=0.00 avg60=0.00 avg300=0.00 total=\n",
	"some avg10=0.00 avg60=0.00 avg300=0.00\n",
	"some avg60=0.00 avg10=0.00 avg300=0.00 total=0\n",
	"some avg10=100.01 avg60=0.00 avg300=0.00 total=0\n", /* more than all the time */
	"some avg10=-1.00 avg60=0.00 avg300=0.00 total=0\n",
	"some avg10=x avg60=0.00 avg300=0.00 total=0\n",
	"some avg10= avg60=0.00 avg300=0.00 total=0\n",
	"some avg10=0.00  avg60=0.00 avg300=0.00 total=0\n",
	"some avg10=0.00 avg60=0.00 avg300=0.00 total=-5\n",
	"some avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709551616\n",
	"some avg10=99999999999999999999.00 avg60=0.00 avg300=0.00 total=0\n",
	"some avg10=0.00 avg60=0.00 avg300=0.00 total=5x\n",
	"some \n",
	"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00\n",
};

START_TEST(malformed_input_fails_and_leaves_output_alone)
{
	struct vmv_pressure p = { .some.total = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_pressure_parse(bad[_i], "pressure/io", &p, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_int_eq(strncmp(err.msg, "/proc/pressure/io: ", 19), 0);
	ck_assert_uint_eq(p.some.total, 7);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	struct vmv_root root;
	struct vmv_err err = { 0 };
	struct kept k;
	int r;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_pressure);
	r = kept_read(&k, &vmv_collector_pressure, &root, &err);
	if (r == -ENOENT) {
		SAY_SKIPPED("this kernel has no /proc/pressure, or psi=0");
	} else {
		const struct vmv_pressure_sample *s = kept_row(&k, "");

		ck_assert_msg(r == 0, "%s", err.msg);
		ck_assert(s->cpu.some.total != VMV_UNSET && s->cpu.some.total > 0);
		ck_assert(s->io.full.total <= s->io.some.total);
		ck_assert(s->memory.full.total <= s->memory.some.total);
		ck_assert_uint_le(s->cpu.some.avg60, 10000);
	}
	SAY_SKIPPED("psi=0: no file here answers EOPNOTSUPP");
	if (faccessat(root.proc, "pressure/irq", R_OK, 0) < 0)
		SAY_SKIPPED("this kernel has no /proc/pressure/irq");
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pressure");
	TCase *tc = tcase_create("pressure");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, every_number_goes_to_its_own_member);
	tcase_add_test(tc, shares_are_told_as_ratios_and_totals_as_seconds);
	tcase_add_test(tc, a_kernel_of_4_20_has_no_irq_and_no_full_of_cpu);
	tcase_add_test(tc, a_kernel_without_any_account_is_quietly_absent);
	tcase_add_test(tc, a_file_that_cannot_be_read_is_a_failure);
	tcase_add_test(tc, lines_and_columns_of_later_kernels_are_left_alone);
	tcase_add_test(tc, a_total_below_zero_is_unknown);
	tcase_add_loop_test(tc, malformed_input_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
