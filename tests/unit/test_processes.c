#include "reports/processes.h"

#include "base/cleanup.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/rates.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fx;
static struct still_clock now;
static struct vmv_facts *facts;
static struct vmv_rates rates;
static struct vmv_jw w;

static void up(void)
{
	fixture_up(&fx);
	still_clock_init(&now);
	facts = vmv_facts_new(&fx.root, &now.clock);
	ck_assert_ptr_nonnull(facts);
	guest_put_cpu(&fx, 0, 0, 0, 0);
	vmv_jw_init(&w, 1 << 20);
}

static void down(void)
{
	vmv_jw_free(&w);
	vmv_rates_clear(&rates);
	vmv_facts_free(facts);
	fixture_down(&fx);
}

static void put(unsigned pid, uint64_t rss_kib)
{
	guest_put_process(&fx, &(struct guest_process){ .pid = pid,
							.ppid = 1,
							.comm = "p",
							.state = 'S',
							.starttime = 100,
							.rss_kib = rss_kib });
}

/* The CPU percentages of the rows, in their order. */
static void set_percent(const double *percent, size_t n)
{
	vmv_rates_clear(&rates);
	rates.processes = calloc(n, sizeof(*percent));
	ck_assert_ptr_nonnull(rates.processes);
	memcpy(rates.processes, percent, n * sizeof(*percent));
	rates.n_processes = n;
}

static struct json_object *list(enum vmv_process_order order, size_t n)
{
	struct json_object *obj;
	size_t shown = 77;
	bool is_cut = true;

	vmv_jw_free(&w);
	vmv_jw_init(&w, 1 << 20);
	ck_assert_int_eq(
		vmv_processes_write_list(&w, NULL, facts, &rates, order, n, true, &shown, &is_cut),
		0);
	ck_assert(!is_cut);
	obj = guest_json(&w);
	ck_assert_uint_eq(json_object_array_length(obj), shown);
	return obj;
}

static void expect(struct json_object *obj, const char *path, const char *json)
{
	const char *text = json_object_to_json_string_ext(
		guest_at(obj, path), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	ck_assert_msg(strcmp(text, json) == 0, "%s is %s, not %s", path, text, json);
}

/* -- order ------------------------------------------------------------------------------------ */

struct naive {
	unsigned pid;
	double percent;
	uint64_t rss;
};

static enum vmv_process_order naive_order;

static int by_number(double a, double b)
{
	return (a < b) - (a > b);
}

static int by_order(const void *a, const void *b)
{
	const struct naive *x = a, *y = b;
	int cpu =
		by_number(isnan(x->percent) ? -1 : x->percent, isnan(y->percent) ? -1 : y->percent);
	int rss = (x->rss < y->rss) - (x->rss > y->rss);
	int pid = (x->pid > y->pid) - (x->pid < y->pid);

	if (naive_order == VMV_BY_PID)
		return pid;
	if (naive_order == VMV_BY_CPU)
		return cpu ? cpu : rss ? rss : pid;
	return rss ? rss : cpu ? cpu : pid;
}

static uint32_t state;

static uint32_t random_below(uint32_t bound)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % bound;
}

#define N_RANDOM 150

static void put_random(struct naive all[N_RANDOM])
{
	double percent[N_RANDOM];

	for (size_t i = 0; i < N_RANDOM; i++) {
		/* few values, so that there are ties in everything */
		all[i] = (struct naive){
			.pid = (unsigned)i * 3 + 2,
			.percent = random_below(6) ? (double)random_below(8) / 4 : (double)NAN,
			.rss = (uint64_t)random_below(6) * 64,
		};
		percent[i] = all[i].percent;
		put(all[i].pid, all[i].rss);
	}
	guest_read(facts);
	set_percent(percent, N_RANDOM);
}

START_TEST(the_first_of_any_order_are_those_of_a_plain_sort)
{
	static const size_t wanted[] = { 0,  1,	 2,   3,	10,	      20,
					 64, 99, 149, N_RANDOM, N_RANDOM + 1, 2000 };
	struct naive all[N_RANDOM];

	state = (uint32_t)_i * 7919 + 1;
	put_random(all);
	for (naive_order = VMV_BY_PID; naive_order <= VMV_BY_MEMORY; naive_order++) {
		qsort(all, N_RANDOM, sizeof(all[0]), by_order);
		for (size_t k = 0; k < VMV_COUNTOF(wanted); k++) {
			size_t n = wanted[k] > N_RANDOM ? N_RANDOM : wanted[k];
			struct json_object *obj = list(naive_order, wanted[k]);

			ck_assert_uint_eq(json_object_array_length(obj), n);
			for (size_t i = 0; i < n; i++) {
				struct json_object *p = json_object_array_get_idx(obj, i);

				ck_assert_uint_eq(json_object_get_uint64(guest_at(p, ".pid")),
						  all[i].pid);
				ck_assert_uint_eq(json_object_get_uint64(guest_at(p, ".memory_kb")),
						  all[i].rss);
			}
			json_object_put(obj);
		}
	}
}
END_TEST

START_TEST(the_top_of_the_metrics_message_is_by_cpu_then_memory)
{
	static const double percent[] = { 1, 5, 5, 0 };
	struct json_object *obj;

	put(10, 400);
	put(11, 100);
	put(12, 200);
	put(13, 900);
	guest_read(facts);
	set_percent(percent, 4);
	ck_assert_int_eq(vmv_processes_write_top(&w, NULL, facts, &rates, 3, true), 0);
	obj = guest_json(&w);
	ck_assert_uint_eq(json_object_array_length(obj), 3);
	expect(obj, "[0].pid", "12");
	expect(obj, "[1].pid", "11");
	expect(obj, "[2].pid", "10");
	json_object_put(obj);
}
END_TEST

START_TEST(percentages_of_another_reading_are_not_used)
{
	static const double percent[] = { 50, 60, 70 };
	struct json_object *obj;

	put(10, 100);
	put(11, 200);
	guest_read(facts);
	set_percent(percent, 3);
	obj = list(VMV_BY_CPU, 10);
	expect(obj, "[0].pid", "11");
	expect(obj, "[0].cpu_percent", "0.0");
	json_object_put(obj);
}
END_TEST

START_TEST(nothing_to_list_is_an_empty_list)
{
	struct json_object *obj;

	obj = list(VMV_BY_PID, 10);
	ck_assert_uint_eq(json_object_array_length(obj), 0);
	json_object_put(obj);
	put(10, 100);
	guest_read(facts);
	obj = list(VMV_BY_CPU, 0);
	ck_assert_uint_eq(json_object_array_length(obj), 0);
	json_object_put(obj);
}
END_TEST

/* -- one of them ----------------------------------------------------------------------------- */

static void put_mysqld(void)
{
	guest_put_process(&fx, &(struct guest_process){ .pid = 1033,
							.ppid = 1,
							.comm = "mysqld",
							.state = 'S',
							.starttime = 900,
							.rss_kib = 402112,
							.cmdline = "/usr/sbin/mysqld",
							.exe = "/usr/sbin/mysqld" });
}

static void put_passwd(const char *name)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
		       "nobody:x:4000000000:1::/:/bin/sh\n%s:x:%u:1::/:/bin/sh\n", name, geteuid());
	fixture_put(&fx, "etc/passwd", text);
}

START_TEST(a_process_as_the_protocol_shows_it)
{
	static const double percent[] = { 1.5 };
	struct json_object *obj;

	put_mysqld();
	put_passwd("mysql");
	guest_read(facts);
	set_percent(percent, 1);
	obj = list(VMV_BY_MEMORY, 10);
	expect(obj, "",
	       "[{\"pid\":1033,\"ppid\":1,\"name\":\"mysqld\",\"cpu_usage\":1.5,"
	       "\"cpu_percent\":1.5,\"memory_kb\":402112,\"status\":\"Sleeping\","
	       "\"user\":\"mysql\",\"command_line\":\"/usr/sbin/mysqld\","
	       "\"exe_path\":\"/usr/sbin/mysqld\","
	       "\"start_time\":\"2026-07-14T11:43:29.000Z\",\"threads\":1}]");
	json_object_put(obj);
}
END_TEST

START_TEST(a_user_without_a_name_is_a_number)
{
	struct json_object *obj;
	char number[24];

	(void)snprintf(number, sizeof(number), "\"%u\"", geteuid());
	put_mysqld();
	guest_read(facts);
	obj = list(VMV_BY_PID, 10); /* no passwd at all */
	expect(obj, "[0].user", number);
	json_object_put(obj);
	fixture_put(&fx, "etc/passwd", "nobody:x:4000000000:1::/:/bin/sh\n");
	obj = list(VMV_BY_PID, 10);
	expect(obj, "[0].user", number);
	json_object_put(obj);
}
END_TEST

static void remove_file(const char *path)
{
	char full[128];

	(void)snprintf(full, sizeof(full), "%s/%s", fx.dir, path);
	ck_assert_int_eq(remove(full), 0);
}

static void expect_no_details(void)
{
	struct json_object *obj = list(VMV_BY_PID, 10);

	expect(obj, "[0].pid", "1033");
	expect(obj, "[0].name", "\"mysqld\"");
	expect(obj, "[0].memory_kb", "402112");
	expect(obj, "[0].user", "null");
	expect(obj, "[0].command_line", "null");
	expect(obj, "[0].exe_path", "null");
	json_object_put(obj);
}

START_TEST(one_that_has_gone_meanwhile_has_no_details)
{
	put_mysqld();
	guest_read(facts);
	remove_file("proc/1033/stat");
	expect_no_details();
	remove_file("proc/1033/cmdline");
	remove_file("proc/1033/exe");
	remove_file("proc/1033");
	expect_no_details();
}
END_TEST

START_TEST(details_of_another_process_with_that_number_are_not_told)
{
	put_mysqld();
	guest_read(facts);
	remove_file("proc/1033/exe");
	guest_put_process(&fx, &(struct guest_process){ .pid = 1033,
							.comm = "secret",
							.state = 'S',
							.starttime = 5000,
							.cmdline = "secret --password",
							.exe = "/secret" });
	expect_no_details();
}
END_TEST

START_TEST(without_a_boot_time_a_start_is_unknown)
{
	struct json_object *obj;

	put_mysqld();
	fixture_put(&fx, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\n");
	guest_read(facts);
	obj = list(VMV_BY_PID, 10);
	expect(obj, "[0].start_time", "null");
	json_object_put(obj);
}
END_TEST

START_TEST(a_list_that_does_not_fit_is_cut_and_says_so)
{
	struct json_object *obj;
	size_t shown = 0;
	bool is_cut = false;

	for (unsigned pid = 10; pid < 110; pid++)
		put(pid, 100);
	guest_read(facts);
	vmv_jw_free(&w);
	vmv_jw_init(&w, 12000);
	ck_assert_int_eq(vmv_processes_write_list(&w, NULL, facts, &rates, VMV_BY_PID, 2000, true,
						  &shown, &is_cut),
			 0);
	ck_assert(is_cut);
	ck_assert_uint_gt(shown, 5);
	ck_assert_uint_lt(shown, 50);
	obj = guest_json(&w);
	ck_assert_uint_eq(json_object_array_length(obj), shown);
	expect(obj, "[0].pid", "10");
	json_object_put(obj);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("processes");
	TCase *tc = tcase_create("processes");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, the_first_of_any_order_are_those_of_a_plain_sort, 0, 5);
	tcase_add_test(tc, the_top_of_the_metrics_message_is_by_cpu_then_memory);
	tcase_add_test(tc, percentages_of_another_reading_are_not_used);
	tcase_add_test(tc, nothing_to_list_is_an_empty_list);
	tcase_add_test(tc, a_process_as_the_protocol_shows_it);
	tcase_add_test(tc, a_user_without_a_name_is_a_number);
	tcase_add_test(tc, one_that_has_gone_meanwhile_has_no_details);
	tcase_add_test(tc, details_of_another_process_with_that_number_are_not_told);
	tcase_add_test(tc, without_a_boot_time_a_start_is_unknown);
	tcase_add_test(tc, a_list_that_does_not_fit_is_cut_and_says_so);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
