#include "reports/facts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "collectors/cpu.h"
#include "collectors/disk.h"
#include "collectors/filesystem.h"
#include "collectors/load.h"
#include "collectors/memory.h"
#include "collectors/network.h"
#include "collectors/os.h"
#include "collectors/process.h"
#include "collectors/socket.h"
#include "collectors/temperature.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the next readings of a made-up collector do. */
struct script {
	unsigned slices; /* that a reading takes */
	unsigned rows;	 /* in each */
	int result;	 /* of the last slice */
	bool has_text;	 /* a failure fills err */
	bool no_memory;	 /* to open */
	unsigned at, calls, closed;
	uint64_t takes_ms; /* each slice */
};

struct made_up {
	uint64_t value;
};

static struct fixture fx;
static struct still_clock now;
static struct script first, last;

static void *open_first(const struct vmv_root *root)
{
	(void)root;
	return first.no_memory ? NULL : &first;
}

static void *open_last(const struct vmv_root *root)
{
	(void)root;
	return last.no_memory ? NULL : &last;
}

static void close_script(void *state)
{
	if (state)
		((struct script *)state)->closed++;
}

static int read_script(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	struct script *s = state;
	char id[16];

	(void)root;
	s->calls++;
	still_clock_pass(&now, s->takes_ms);
	for (unsigned i = 0; i < s->rows; i++) {
		struct made_up sample = { s->at * 100 + i };
		int r;

		(void)snprintf(id, sizeof(id), "%u.%u", s->at, i);
		r = sink->row(sink, id, &sample);
		if (r < 0)
			return r;
	}
	if (++s->at < s->slices)
		return VMV_MORE;
	s->at = 0;
	if (s->result < 0 && s->has_text)
		return vmv_fail(err, VMV_E_IO, -s->result, "it says no");
	return s->result;
}

static const struct vmv_collector collector_first = {
	.name = "a_first",
	.sample_size = sizeof(struct made_up),
	.min_period_ms = 100,
	.open = open_first,
	.close = close_script,
	.read = read_script,
};

static const struct vmv_collector collector_last = {
	.name = "z_last",
	.sample_size = sizeof(struct made_up),
	.min_period_ms = 5000,
	.open = open_last,
	.close = close_script,
	.read = read_script,
};

/* Instead of collectors/all.c, which the linker then leaves out. */
const struct vmv_collector *const vmv_collectors[] = {
	&collector_first,	&vmv_collector_cpu,
	&vmv_collector_disk,	&vmv_collector_filesystem,
	&vmv_collector_load,	&vmv_collector_memory,
	&vmv_collector_network, &vmv_collector_os,
	&vmv_collector_port,	&vmv_collector_process,
	&vmv_collector_stat,	&vmv_collector_temperature,
	&collector_last,	NULL,
};
#define N_COLLECTORS (VMV_COUNTOF(vmv_collectors) - 1)

static void up(void)
{
	fixture_up(&fx);
	still_clock_init(&now);
	first = last = (struct script){ .slices = 1, .rows = 1 };
}

static void down(void)
{
	fixture_down(&fx);
}

static struct vmv_facts *new_facts(void)
{
	struct vmv_facts *f = vmv_facts_new(&fx.root, &now.clock);

	ck_assert_ptr_nonnull(f);
	return f;
}

static struct vmv_collector_status status_of(const struct vmv_facts *f,
					     const struct vmv_collector *c)
{
	size_t n;
	const struct vmv_collector_status *s = vmv_facts_status(f, &n);

	ck_assert_uint_eq(n, N_COLLECTORS);
	for (size_t i = 0; i < n; i++)
		if (s[i].collector == c)
			return s[i];
	ck_abort_msg("no status of %s", c->name);
}

static size_t count(const struct vmv_facts *f, const struct vmv_collector *c)
{
	size_t n = 77;
	const void *rows = vmv_facts_rows(f, c, &n);

	ck_assert((rows != NULL) == (n > 0));
	return n;
}

START_TEST(a_small_guest_is_read_whole)
{
	struct vmv_facts *f = new_facts();
	const struct vmv_memory_sample *m;
	const struct vmv_process_sample *p;
	size_t n;

	guest_put(&fx);
	guest_read(f);
	ck_assert_uint_eq(count(f, &vmv_collector_cpu), 2);
	ck_assert_str_eq(vmv_facts_id(f, &vmv_collector_cpu, 0), "0");
	ck_assert_str_eq(vmv_facts_id(f, &vmv_collector_cpu, 1), "1");
	ck_assert_ptr_null(vmv_facts_id(f, &vmv_collector_cpu, 2));
	m = vmv_facts_row(f, &vmv_collector_memory);
	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(m->total, UINT64_C(4028440) * 1024);
	p = vmv_facts_rows(f, &vmv_collector_process, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(p->comm, "init");
	ck_assert_ptr_null(vmv_facts_row(f, &vmv_collector_cpu)); /* there are two */
	ck_assert_ptr_eq(vmv_facts_root(f), &fx.root);
	vmv_facts_free(f);
}
END_TEST

START_TEST(the_system_we_run_on_is_read_whole)
{
	struct vmv_root root = VMV_ROOT_NONE;
	const struct vmv_process_sample *p;
	const struct vmv_collector_status *s;
	struct vmv_facts *f;
	bool has_us = false;
	size_t n;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	f = vmv_facts_new(&root, &vmv_clock_system);
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 3; i++) {
		guest_read(f);
		s = vmv_facts_status(f, &n);
		for (size_t k = 0; k < n; k++)
			ck_assert_msg(s[k].is_ok || s[k].is_absent, "%s: %s", s[k].collector->name,
				      s[k].error);
	}
	p = vmv_facts_rows(f, &vmv_collector_process, &n);
	for (size_t i = 0; i < n; i++) {
		has_us |= p[i].pid == (uint64_t)getpid();
		ck_assert(i == 0 || p[i - 1].pid < p[i].pid);
	}
	ck_assert(has_us);
	ck_assert_ptr_nonnull(vmv_facts_row(f, &vmv_collector_load));
	ck_assert_ptr_nonnull(vmv_facts_row(f, &vmv_collector_stat));
	ck_assert_uint_gt(count(f, &vmv_collector_cpu), 0);
	vmv_facts_free(f);
	vmv_root_close(&root);
}
END_TEST

START_TEST(nothing_is_known_before_the_first_reading)
{
	static const struct vmv_collector stranger = { .name = "stranger" };
	struct vmv_facts *f = new_facts();
	struct vmv_collector_status s = status_of(f, &collector_first);
	size_t n = 77;

	ck_assert(!s.is_ok && !s.is_absent);
	ck_assert_uint_eq(s.read_ms, 0);
	ck_assert_uint_eq(s.failures, 0);
	ck_assert_uint_eq(vmv_facts_mono_ns(f), 0);
	ck_assert_uint_eq(count(f, &collector_first), 0);
	ck_assert_ptr_null(vmv_facts_row(f, &collector_first));
	ck_assert_ptr_null(vmv_facts_id(f, &collector_first, 0));
	ck_assert_ptr_null(vmv_facts_rows(f, &stranger, &n));
	ck_assert_uint_eq(n, 0);
	ck_assert_ptr_null(vmv_facts_id(f, &stranger, 0));
	vmv_facts_free(f);
	ck_assert_uint_eq(first.closed, 1);
	ck_assert_uint_eq(last.closed, 1);
	ck_assert_uint_eq(first.calls, 0);
}
END_TEST

START_TEST(a_step_is_one_slice_and_rows_change_when_it_is_whole)
{
	struct vmv_facts *f = new_facts();
	const struct made_up *rows;
	size_t n;

	guest_put(&fx);
	first.slices = 3;
	first.rows = 10; /* the arrays grow in between */
	vmv_facts_begin(f, VMV_GROUPS_ALL);
	for (unsigned i = 1; i <= 2; i++) {
		ck_assert_int_eq(vmv_facts_step(f), VMV_MORE);
		ck_assert_uint_eq(first.calls, i);
		ck_assert_uint_eq(count(f, &collector_first), 0);
	}
	ck_assert_int_eq(vmv_facts_step(f), VMV_MORE);
	ck_assert_uint_eq(first.calls, 3);
	rows = vmv_facts_rows(f, &collector_first, &n);
	ck_assert_uint_eq(n, 30);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(rows[i].value, i / 10 * 100 + i % 10);
	ck_assert_str_eq(vmv_facts_id(f, &collector_first, 0), "0.0");
	ck_assert_str_eq(vmv_facts_id(f, &collector_first, 29), "2.9");
	ck_assert_uint_eq(vmv_facts_mono_ns(f), 0); /* the whole reading is not done */
	while (vmv_facts_step(f))
		;
	ck_assert_uint_eq(vmv_facts_mono_ns(f), now.mono_ns);

	/* the next reading: what was read before stays until it is replaced */
	first.rows = 1;
	vmv_facts_begin(f, VMV_GROUPS_ALL);
	ck_assert_int_eq(vmv_facts_step(f), VMV_MORE);
	ck_assert_uint_eq(count(f, &collector_first), 30);
	while (vmv_facts_step(f))
		;
	ck_assert_uint_eq(count(f, &collector_first), 3);
	vmv_facts_free(f);
}
END_TEST

START_TEST(time_of_all_slices_is_counted)
{
	struct vmv_facts *f = new_facts();
	struct vmv_collector_status s;
	uint64_t began_ms = vmv_mono_ms(&now.clock);

	guest_put(&fx);
	first.slices = 4;
	first.takes_ms = 3;
	guest_read(f);
	s = status_of(f, &collector_first);
	ck_assert_uint_eq(s.duration_us, 12000);
	ck_assert_uint_eq(s.read_ms, began_ms + 12);
	ck_assert_uint_eq(status_of(f, &vmv_collector_cpu).duration_us, 0);
	vmv_facts_free(f);
}
END_TEST

START_TEST(one_that_fails_has_no_rows_and_silences_no_other)
{
	struct vmv_facts *f = new_facts();
	struct vmv_collector_status s;

	guest_put(&fx);
	guest_read(f);
	ck_assert_uint_eq(count(f, &collector_first), 1);
	first.result = -EIO;
	first.has_text = true;
	first.slices = 2; /* rows of the slices before the failure are dropped */
	guest_read(f);
	s = status_of(f, &collector_first);
	ck_assert(!s.is_ok && !s.is_absent);
	ck_assert_str_eq(s.error, "it says no");
	ck_assert_uint_eq(s.failures, 1);
	ck_assert_uint_eq(s.failed, 1);
	ck_assert_uint_eq(count(f, &collector_first), 0);
	ck_assert_ptr_null(vmv_facts_id(f, &collector_first, 0));
	ck_assert_uint_eq(count(f, &vmv_collector_cpu), 2);
	ck_assert_uint_eq(count(f, &vmv_collector_process), 1);
	ck_assert_uint_eq(count(f, &collector_last), 1);
	ck_assert_uint_eq(vmv_facts_mono_ns(f), now.mono_ns);
	vmv_facts_free(f);
}
END_TEST

START_TEST(a_failure_without_words_gets_those_of_errno)
{
	struct vmv_facts *f = new_facts();

	first.result = -EACCES;
	guest_read(f);
	ck_assert_str_eq(status_of(f, &collector_first).error, strerror(EACCES));
	vmv_facts_free(f);
}
END_TEST

START_TEST(the_pause_doubles_to_five_minutes_and_ends_with_success)
{
	static const unsigned pauses[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300 };
	struct vmv_facts *f = new_facts();
	unsigned calls = 0;

	first.result = -EIO;
	for (size_t i = 0; i < VMV_COUNTOF(pauses); i++) {
		guest_read(f);
		ck_assert_uint_eq(first.calls, ++calls);
		still_clock_pass(&now, pauses[i] * 1000 - 1);
		guest_read(f); /* still too early, and still failed */
		ck_assert_uint_eq(first.calls, calls);
		ck_assert(!status_of(f, &collector_first).is_ok);
		ck_assert_uint_eq(status_of(f, &collector_first).failures, i + 1);
		still_clock_pass(&now, 1);
	}
	first.result = 0;
	guest_read(f);
	ck_assert(status_of(f, &collector_first).is_ok);
	ck_assert_uint_eq(status_of(f, &collector_first).failures, 0);
	ck_assert_uint_eq(status_of(f, &collector_first).failed, VMV_COUNTOF(pauses));
	ck_assert_str_eq(status_of(f, &collector_first).error, "");
	first.result = -EIO;
	guest_read(f);
	still_clock_pass(&now, 1000); /* the pause begins small again */
	calls = first.calls;
	guest_read(f);
	ck_assert_uint_eq(first.calls, calls + 1);
	vmv_facts_free(f);
}
END_TEST

START_TEST(what_this_guest_has_not_is_left_alone_quietly)
{
	struct vmv_facts *f = new_facts();
	struct vmv_collector_status s;

	first.result = -ENOENT;
	guest_read(f);
	s = status_of(f, &collector_first);
	ck_assert(s.is_absent && !s.is_ok);
	ck_assert_uint_eq(s.failed, 0);
	still_clock_pass(&now, 59999);
	guest_read(f);
	ck_assert_uint_eq(first.calls, 1);
	still_clock_pass(&now, 1);
	first.result = 0; /* a module was loaded */
	guest_read(f);
	ck_assert(status_of(f, &collector_first).is_ok);
	ck_assert(!status_of(f, &collector_first).is_absent);
	ck_assert_uint_eq(count(f, &collector_first), 1);
	vmv_facts_free(f);
}
END_TEST

START_TEST(what_changes_slowly_is_kept_for_its_period)
{
	struct vmv_facts *f = new_facts();

	guest_read(f);
	ck_assert_uint_eq(last.calls, 1);
	still_clock_pass(&now, 4999);
	guest_read(f);
	ck_assert_uint_eq(last.calls, 1); /* its rows are there all the same */
	ck_assert_uint_eq(count(f, &collector_last), 1);
	ck_assert_uint_eq(first.calls, 2);
	still_clock_pass(&now, 1);
	guest_read(f);
	ck_assert_uint_eq(last.calls, 2);
	vmv_facts_free(f);
}
END_TEST

START_TEST(a_reading_in_which_all_are_left_out_ends_at_once)
{
	struct vmv_facts *f = new_facts();

	guest_read(f);
	vmv_facts_begin(f, VMV_GROUPS_ALL);
	vmv_facts_begin(f, VMV_GROUPS_ALL); /* twice is once */
	ck_assert_int_eq(vmv_facts_step(f), VMV_MORE);
	while (vmv_facts_step(f))
		;
	ck_assert_int_eq(vmv_facts_step(f), 0); /* nothing was begun */
	vmv_facts_free(f);
	vmv_facts_free(NULL);
}
END_TEST

START_TEST(no_memory_to_open_one_is_no_memory)
{
	last.no_memory = true;
	ck_assert_ptr_null(vmv_facts_new(&fx.root, &now.clock));
	ck_assert_uint_eq(first.closed, 1);
	ck_assert_uint_eq(last.closed, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("facts");
	TCase *tc = tcase_create("facts");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_small_guest_is_read_whole);
	tcase_add_test(tc, the_system_we_run_on_is_read_whole);
	tcase_add_test(tc, nothing_is_known_before_the_first_reading);
	tcase_add_test(tc, a_step_is_one_slice_and_rows_change_when_it_is_whole);
	tcase_add_test(tc, time_of_all_slices_is_counted);
	tcase_add_test(tc, one_that_fails_has_no_rows_and_silences_no_other);
	tcase_add_test(tc, a_failure_without_words_gets_those_of_errno);
	tcase_add_test(tc, the_pause_doubles_to_five_minutes_and_ends_with_success);
	tcase_add_test(tc, what_this_guest_has_not_is_left_alone_quietly);
	tcase_add_test(tc, what_changes_slowly_is_kept_for_its_period);
	tcase_add_test(tc, a_reading_in_which_all_are_left_out_ends_at_once);
	tcase_add_test(tc, no_memory_to_open_one_is_no_memory);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
