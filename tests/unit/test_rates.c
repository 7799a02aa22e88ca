#include "reports/rates.h"

#include "base/cleanup.h"
#include "reports/facts.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fixture fx;
static struct still_clock now;
static struct vmv_facts *facts;
static struct vmv_baseline *before;
static struct vmv_rates rates;

static void up(void)
{
	fixture_up(&fx);
	still_clock_init(&now);
	guest_put(&fx);
	facts = vmv_facts_new(&fx.root, &now.clock);
	ck_assert_ptr_nonnull(facts);
	rates = (struct vmv_rates){ 0 };
	before = NULL;
}

static void down(void)
{
	vmv_rates_clear(&rates);
	vmv_baseline_free(before);
	vmv_facts_free(facts);
	fixture_down(&fx);
}

/* What stands in the tree now is what later readings are compared with. */
static void mark(void)
{
	guest_read(facts);
	vmv_baseline_free(before);
	before = vmv_baseline_new(facts);
	ck_assert_ptr_nonnull(before);
	ck_assert_uint_eq(vmv_baseline_mono_ns(before), now.mono_ns);
}

/* The clock, and the guest's uptime with it. */
static void pass(uint64_t ms)
{
	char text[64];

	still_clock_pass(&now, ms);
	(void)snprintf(text, sizeof(text), "%.2f 0.00\n", (double)now.mono_ns / 1e9);
	fixture_put(&fx, "proc/uptime", text);
}

static void compute(void)
{
	guest_read(facts);
	vmv_rates_clear(&rates);
	ck_assert_int_eq(vmv_rates_compute(&rates, before, facts), 0);
}

static void put_stat(const char *all, const char *rest)
{
	char text[1024];

	(void)snprintf(text, sizeof(text), "cpu  %s\n%sbtime 1784029400\n", all, rest);
	fixture_put(&fx, "proc/stat", text);
}

/* -- processors ---------------------------------------------------------------------------- */

static const struct {
	const char *what;
	const char *was, *is; /* user nice system idle iowait irq softirq steal guest guest_nice */
	double percent;
} cpus[] = {
	{ "a quarter is used", "100 0 0 100 0 0 0 0 0 0", "150 0 50 400 0 0 0 0 0 0", 25 },
	{ "every busy mode counts", "0 0 0 0 0 0 0 0 0 0", "1 2 3 79 0 4 5 6 0 0", 21 },
	{ "waiting for I/O is no use", "0 0 0 0 0 0 0 0 0 0", "10 0 0 30 60 0 0 0 0 0", 10 },
	{ "what the host took away is used", "0 0 0 0 0 0 0 0 0 0", "0 0 0 60 0 0 0 40 0 0", 40 },
	{ "guest time is in user already", "0 0 0 0 0 0 0 0 0 0", "50 0 0 50 0 0 0 0 50 0", 50 },
	{ "nice guest time is in nice already", "0 0 0 0 0 0 0 0 0 0", "0 50 0 50 0 0 0 0 0 50",
	  50 },
	{ "iowait goes backwards", "0 0 0 0 500 0 0 0 0 0", "50 0 0 50 400 0 0 0 0 0", 50 },
	{ "idle goes backwards", "0 0 0 100 0 0 0 0 0 0", "10 0 0 90 30 0 0 0 0 0", 25 },
	{ "user goes backwards", "100 0 0 0 0 0 0 0 0 0", "90 0 20 20 0 0 0 0 0 0", 50 },
	{ "all go backwards", "9 9 9 9 9 9 9 9 9 9", "1 1 1 1 1 1 1 1 1 1", 0 },
	{ "nothing has moved", "7 7 7 7 7 7 7 7 7 7", "7 7 7 7 7 7 7 7 7 7", 0 },
	{ "all of it", "0 0 0 10 10 0 0 0 0 0", "99 0 0 10 10 0 0 0 0 0", 100 },
	{ "a kernel without iowait and steal", "10 0 0 10", "20 0 0 40", 25 },
	{ "steal appears", "10 0 0 10 0 0 0", "20 0 0 40 0 0 0 900", 25 },
	{ "large counters", "9223372036854775000 0 0 9223372036854775000 0 0 0 0 0 0",
	  "9223372036854775100 0 0 9223372036854775300 0 0 0 0 0 0", 25 },
};

START_TEST(percent_of_all_cpus)
{
	char core[256];

	(void)snprintf(core, sizeof(core), "cpu0 %s\n", cpus[_i].was);
	put_stat(cpus[_i].was, core);
	mark();
	pass(1000);
	(void)snprintf(core, sizeof(core), "cpu0 %s\n", cpus[_i].is);
	put_stat(cpus[_i].is, core);
	compute();
	ck_assert_msg(fabs(rates.cpu - cpus[_i].percent) < 1e-9, "%s: %f", cpus[_i].what,
		      rates.cpu);
	ck_assert_uint_eq(rates.n_cores, 1);
	ck_assert_double_eq_tol(rates.cores[0], cpus[_i].percent, 1e-9);
}
END_TEST

START_TEST(without_a_reading_before_it_is_the_average_since_boot)
{
	put_stat("50 0 0 150 0 0 0 0 0 0",
		 "cpu0 50 0 0 50 0 0 0 0 0 0\ncpu1 0 0 0 100 0 0 0 0 0 0\n");
	compute();
	ck_assert_double_eq_tol(rates.cpu, 25, 1e-9);
	ck_assert_uint_eq(rates.n_cores, 2);
	ck_assert_double_eq_tol(rates.cores[0], 50, 1e-9);
	ck_assert_double_eq_tol(rates.cores[1], 0, 1e-9);
	ck_assert_double_eq(rates.seconds, 0);
	ck_assert(!rates.has_io);
}
END_TEST

START_TEST(a_cpu_is_known_by_its_number_not_its_place)
{
	put_stat("0 0 0 0", "cpu0 0 0 0 0\ncpu1 100 0 0 100\ncpu3 1000 0 0 0\n");
	mark();
	pass(1000);
	/* cpu0 has gone, cpu2 has come */
	put_stat("9 0 0 9", "cpu1 110 0 0 190\ncpu2 30 0 0 70\ncpu3 1050 0 0 50\n");
	compute();
	ck_assert_uint_eq(rates.n_cores, 3);
	ck_assert_double_eq_tol(rates.cores[0], 10, 1e-9);
	ck_assert_double_eq_tol(rates.cores[1], 30, 1e-9); /* since it came */
	ck_assert_double_eq_tol(rates.cores[2], 50, 1e-9);
	mark();
	pass(1000);
	put_stat("9 0 0 9", "cpu0 0 0 0 0\ncpu1 110 0 0 190\n"); /* and back, with nothing done */
	compute();
	ck_assert_uint_eq(rates.n_cores, 2);
	ck_assert_double_eq(rates.cores[0], 0);
	ck_assert_double_eq(rates.cores[1], 0);
}
END_TEST

/* Kernels before 6.8 count idle and iowait of a CPU from 0 again when it comes online, and only
 * these. */
START_TEST(a_cpu_that_was_offline_for_a_moment_is_not_taken_for_busy)
{
	put_stat("60000 0 0 9000000 50 0 0 0 0 0",
		 "cpu0 10000 0 0 4500000 0 0 0 0 0 0\ncpu1 50000 0 0 4500000 50 0 0 0 0 0\n");
	mark();
	pass(10000);
	put_stat("60250 0 0 4501150 0 0 0 0 0 0",
		 "cpu0 10200 0 0 4500800 0 0 0 0 0 0\ncpu1 50050 0 0 350 0 0 0 0 0 0\n");
	compute();
	ck_assert_double_eq_tol(rates.cores[0], 20, 1e-9);
	ck_assert_double_eq_tol(rates.cores[1], 5, 1e-9); /* 50 of 1000 ticks */
	ck_assert_double_eq_tol(rates.cpu, 12.5, 1e-9);
	ck_assert_uint_gt(rates.resets, 0);
}
END_TEST

START_TEST(a_cpu_that_was_offline_before_is_not_taken_for_busy)
{
	put_stat("60000 0 0 9000000 50 0 0 0 0 0", "cpu0 10000 0 0 4500000 0 0 0 0 0 0\n");
	mark();
	pass(10000);
	put_stat("60250 0 0 9001150 50 0 0 0 0 0",
		 "cpu0 10200 0 0 4500800 0 0 0 0 0 0\ncpu1 50050 0 0 350 0 0 0 0 0 0\n");
	compute();
	ck_assert_double_eq_tol(rates.cores[0], 20, 1e-9);
	ck_assert_double_eq(rates.cores[1], 0); /* not known, and counted */
	ck_assert_uint_eq(rates.resets, 1);
}
END_TEST

START_TEST(without_proc_stat_the_percentage_is_unknown)
{
	mark();
	pass(1000);
	fixture_put(&fx, "proc/stat", "nonsense\n");
	compute();
	ck_assert(isnan(rates.cpu));
	ck_assert_uint_eq(rates.n_cores, 0);
	ck_assert_ptr_null(rates.cores);
}
END_TEST

START_TEST(a_reading_before_without_proc_stat_is_as_none)
{
	fixture_put(&fx, "proc/stat", "nonsense\n");
	mark();
	pass(2000);
	put_stat("25 0 0 75", "cpu0 25 0 0 75\n");
	compute();
	ck_assert_double_eq_tol(rates.cpu, 25, 1e-9);
	ck_assert_double_eq_tol(rates.cores[0], 25, 1e-9);
}
END_TEST

/* -- disks ----------------------------------------------------------------------------------- */

START_TEST(disk_rates_are_of_whole_disks_only)
{
	fixture_mkdir(&fx, "sys/block/dm-0/slaves/vda");
	fixture_mkdir(&fx, "sys/block/sr0");
	fixture_mkdir(&fx, "sys/block/vdb");
	fixture_put(&fx, "proc/diskstats",
		    " 254 0 vda 100 0 800 0 200 0 1600 0 0 1000 0\n"
		    " 254 1 vda1 100 0 800 0 200 0 1600 0 0 1000 0\n"
		    " 254 16 vdb 0 0 0 0 0 0 0 0 0 0 0\n"
		    " 253 0 dm-0 100 0 800 0 200 0 1600 0 0 1000 0\n"
		    "  11 0 sr0 1 0 8 0 0 0 0 0 0 10 0\n");
	mark();
	pass(2000);
	fixture_put(&fx, "proc/diskstats",
		    " 254 0 vda 120 0 1000 0 240 0 2400 0 0 1500 0\n"
		    " 254 1 vda1 120 0 1000 0 240 0 2400 0 0 1500 0\n"
		    " 254 16 vdb 2 0 16 0 0 0 0 0 0 100 0\n"
		    " 253 0 dm-0 120 0 1000 0 240 0 2400 0 0 1500 0\n"
		    "  11 0 sr0 1001 0 8008 0 0 0 0 0 0 2000 0\n");
	compute();
	ck_assert(rates.has_io);
	ck_assert_double_eq_tol(rates.seconds, 2, 1e-9);
	ck_assert_double_eq_tol(rates.read_bytes, (200 + 16) * 512 / 2, 1e-6);
	ck_assert_double_eq_tol(rates.write_bytes, 800 * 512 / 2, 1e-6);
	ck_assert_double_eq_tol(rates.read_ops, 11, 1e-6);
	ck_assert_double_eq_tol(rates.write_ops, 20, 1e-6);
	ck_assert_double_eq_tol(rates.io_utilization, 25, 1e-6); /* the busiest, no mean */
}
END_TEST

START_TEST(disks_that_come_go_or_begin_anew_have_no_rate)
{
	fixture_mkdir(&fx, "sys/block/vdb");
	fixture_mkdir(&fx, "sys/block/vdc");
	fixture_put(&fx, "proc/diskstats",
		    " 254 0 vda 100 0 800 0 200 0 1600 0 0 1000 0\n"
		    " 254 16 vdb 100 0 800 0 200 0 1600 0 0 1000 0\n");
	mark();
	pass(1000);
	fixture_put(&fx, "proc/diskstats",
		    " 254 0 vda 10 0 80 0 20 0 160 0 0 100 0\n"	    /* another one of that name */
		    " 254 32 vdc 500 0 4000 0 0 0 0 0 0 1000 0\n"); /* plugged in */
	compute();
	ck_assert(rates.has_io);
	ck_assert_double_eq(rates.read_bytes, 0);
	ck_assert_double_eq(rates.write_bytes, 0);
	ck_assert_double_eq(rates.read_ops, 0);
	ck_assert_double_eq(rates.write_ops, 0);
	ck_assert_double_eq(rates.io_utilization, 0);
}
END_TEST

/* The kernel prints milliseconds as 32 bits. */
START_TEST(a_time_that_wraps_is_no_huge_one)
{
	fixture_put(&fx, "proc/diskstats", " 254 0 vda 10 0 800 5 20 0 1600 6 0 4294967200 11\n");
	mark();
	pass(1000);
	fixture_put(&fx, "proc/diskstats", " 254 0 vda 11 0 808 5 20 0 1600 6 0 404 11\n");
	compute();
	ck_assert_double_eq_tol(rates.io_utilization, 50, 1e-9); /* 500 ms */
	ck_assert_uint_eq(rates.resets, 0);
	ck_assert_double_eq_tol(rates.read_bytes, 8 * 512, 1e-6);
}
END_TEST

START_TEST(without_a_disk_utilization_is_unknown_and_rates_are_zero)
{
	fixture_put(&fx, "proc/diskstats", "");
	mark();
	pass(1000);
	compute();
	ck_assert(rates.has_io);
	ck_assert(isnan(rates.io_utilization));
	ck_assert_double_eq(rates.read_bytes, 0);
}
END_TEST

START_TEST(utilization_is_a_hundred_at_most)
{
	mark();
	pass(1000);
	/* io_ms is brought up to date when a request ends: it can jump */
	fixture_put(&fx, "proc/diskstats", " 254 0 vda 10 0 800 5 20 0 1600 6 0 9000 11\n");
	compute();
	ck_assert_double_eq(rates.io_utilization, 100);
}
END_TEST

START_TEST(no_time_between_readings_is_no_rate)
{
	mark();
	fixture_put(&fx, "proc/diskstats", " 254 0 vda 99 0 99999 5 20 0 1600 6 0 9000 11\n");
	compute();
	ck_assert(!rates.has_io);
	ck_assert_double_eq(rates.read_bytes, 0);
	for (size_t i = 0; i < rates.n_processes; i++)
		ck_assert(isfinite(rates.processes[i]));
}
END_TEST

/* -- processes --------------------------------------------------------------------------------- */

static void put_process(unsigned pid, uint64_t utime, uint64_t stime, uint64_t starttime)
{
	guest_put_process(&fx, &(struct guest_process){
				       .pid = pid,
				       .comm = "p",
				       .state = 'S',
				       .utime = utime,
				       .stime = stime,
				       .starttime = starttime,
			       });
}

static void remove_process(unsigned pid)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/proc/%u/stat", fx.dir, pid);
	ck_assert_int_eq(unlink(path), 0);
}

START_TEST(shares_of_processes_are_over_the_interval_or_their_life)
{
	/* 10 s pass from an uptime of 1000 s on */
	put_process(10, 100, 100, 500);
	put_process(20, 5000, 0, 600); /* its number goes to another one */
	put_process(30, 70, 0, 700);   /* ends */
	put_process(40, 300, 0, 800);  /* goes backwards */
	mark();
	pass(10000);
	put_process(10, 500, 200, 500);	 /* 5 s of 10 */
	put_process(20, 100, 0, 100500); /* 1 s in the last 5 */
	remove_process(30);
	put_process(40, 200, 0, 800);
	put_process(50, 60, 40, 100800); /* 1 s in the last 2 */
	compute();
	ck_assert_uint_eq(rates.n_processes, 5);
	ck_assert_double_eq_tol(rates.processes[0], 0, 1e-9);
	ck_assert_double_eq_tol(rates.processes[1], 50, 1e-6);
	ck_assert_double_eq_tol(rates.processes[2], 20, 1e-6);
	ck_assert_double_eq_tol(rates.processes[3], 0, 1e-9);
	ck_assert_double_eq_tol(rates.processes[4], 50, 1e-6);
}
END_TEST

START_TEST(without_a_reading_before_shares_are_over_their_life)
{
	put_process(10, 20000, 30000, 50000); /* 500 s in 500 s */
	compute();
	ck_assert_double_eq_tol(rates.processes[0], 100.0 * 100 / (100000 - 1), 1e-6); /* init */
	ck_assert_double_eq_tol(rates.processes[1], 100, 1e-6);
}
END_TEST

START_TEST(nobody_has_more_than_all_cpus)
{
	put_process(10, 0, 0, 500);
	mark();
	pass(250);
	put_process(10, 900, 0, 500);	/* ticks in plenty */
	put_process(20, 50, 0, 100025); /* just started */
	compute();
	ck_assert_double_eq_tol(rates.processes[1], 200, 1e-9);
	ck_assert_double_eq_tol(rates.processes[2], 200, 1e-9);
}
END_TEST

START_TEST(without_an_uptime_nothing_is_said_of_new_processes)
{
	put_process(10, 100, 0, 500);
	mark();
	pass(1000);
	fixture_put(&fx, "proc/uptime", "nonsense\n");
	put_process(10, 150, 0, 500);
	put_process(20, 1, 0, 100050);
	compute();
	ck_assert_double_eq_tol(rates.processes[1], 50, 1e-6);
	ck_assert(isnan(rates.processes[2]));
}
END_TEST

/* lxcfs shows the container's uptime, but start times are of the machine's clock. */
START_TEST(a_process_from_the_future_has_no_share)
{
	mark();
	pass(1000);
	put_process(20, 5, 0, 90000000);
	compute();
	ck_assert_uint_eq(rates.n_processes, 2);
	ck_assert(isnan(rates.processes[1]));
}
END_TEST

/* The uptime is read first, the processes some time later in the same reading. */
START_TEST(a_process_that_starts_during_the_reading_is_not_100_percent)
{
	mark();
	pass(10000);
	fixture_put(&fx, "proc/uptime", "1010.00 0.00\n");
	vmv_facts_begin(facts, VMV_GROUPS_ALL);
	while (vmv_facts_step(facts)) {
		size_t n;
		const struct vmv_collector_status *s = vmv_facts_status(facts, &n);

		for (size_t i = 0; i < n; i++)
			if (strcmp(s[i].collector->name, "load") == 0 &&
			    s[i].read_ms == now.mono_ns / 1000000) {
				still_clock_pass(&now, 1000);
				put_process(20, 10, 0, 101050); /* half a second ago */
			}
	}
	ck_assert_int_eq(vmv_rates_compute(&rates, before, facts), 0);
	ck_assert_uint_eq(rates.n_processes, 2);
	ck_assert_double_eq_tol(rates.processes[1], 20, 1e-6);
}
END_TEST

START_TEST(many_processes_are_matched_whatever_comes_and_goes)
{
	for (unsigned pid = 10; pid < 400; pid++)
		if (pid % 3)
			put_process(pid, pid, 0, pid);
	mark();
	pass(1000);
	for (unsigned pid = 10; pid < 400; pid++)
		if (pid % 3)
			put_process(pid, pid + pid % 50, 0, pid);
		else
			put_process(pid, 3, 0, 100070); /* 0.1 of 0.3 s */
	compute();
	ck_assert_uint_eq(rates.n_processes, 391);
	for (unsigned pid = 10; pid < 400; pid++)
		ck_assert_double_eq_tol(rates.processes[pid - 9], pid % 3 ? pid % 50 : 10, 1e-6);
}
END_TEST

START_TEST(clearing_twice_and_freeing_nothing_is_fine)
{
	compute();
	vmv_rates_clear(&rates);
	vmv_rates_clear(&rates);
	ck_assert_ptr_null(rates.cores);
	vmv_baseline_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rates");
	TCase *tc = tcase_create("rates");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, percent_of_all_cpus, 0, (int)VMV_COUNTOF(cpus));
	tcase_add_test(tc, without_a_reading_before_it_is_the_average_since_boot);
	tcase_add_test(tc, a_cpu_is_known_by_its_number_not_its_place);
	tcase_add_test(tc, a_cpu_that_was_offline_for_a_moment_is_not_taken_for_busy);
	tcase_add_test(tc, a_cpu_that_was_offline_before_is_not_taken_for_busy);
	tcase_add_test(tc, a_process_from_the_future_has_no_share);
	tcase_add_test(tc, without_proc_stat_the_percentage_is_unknown);
	tcase_add_test(tc, a_reading_before_without_proc_stat_is_as_none);
	tcase_add_test(tc, disk_rates_are_of_whole_disks_only);
	tcase_add_test(tc, disks_that_come_go_or_begin_anew_have_no_rate);
	tcase_add_test(tc, a_time_that_wraps_is_no_huge_one);
	tcase_add_test(tc, without_a_disk_utilization_is_unknown_and_rates_are_zero);
	tcase_add_test(tc, utilization_is_a_hundred_at_most);
	tcase_add_test(tc, no_time_between_readings_is_no_rate);
	tcase_add_test(tc, shares_of_processes_are_over_the_interval_or_their_life);
	tcase_add_test(tc, without_a_reading_before_shares_are_over_their_life);
	tcase_add_test(tc, nobody_has_more_than_all_cpus);
	tcase_add_test(tc, without_an_uptime_nothing_is_said_of_new_processes);
	tcase_add_test(tc, a_process_that_starts_during_the_reading_is_not_100_percent);
	tcase_add_test(tc, many_processes_are_matched_whatever_comes_and_goes);
	tcase_add_test(tc, clearing_twice_and_freeing_nothing_is_fine);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
