#include "reports/samples.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "collectors/process.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every way a value can be stored. */
struct made_up {
	uint64_t plain, ticks, sectors, micro, odd;
	double number, scaled;
	char text[4096];
};

#define F(member, kind, scale) \
	VMV_FIELD(struct made_up, member, "x", NULL, kind, VMV_UNIT_NONE, scale, "x", "X.")

static const struct vmv_field fields[] = {
	F(plain, VMV_COUNTER, 0),  F(ticks, VMV_COUNTER, 0.01), F(sectors, VMV_COUNTER, 512),
	F(micro, VMV_GAUGE, 1e-6), F(odd, VMV_GAUGE, 0.3),	F(number, VMV_GAUGE, 0),
	F(scaled, VMV_GAUGE, 100), F(text, VMV_INFO, 0),
};
enum { PLAIN, TICKS, SECTORS, MICRO, ODD, NUMBER, SCALED, TEXT };

/* What the next reading of a group does. */
static struct {
	size_t rows;
	struct made_up sample;
	int result;
} many, one;

static int read_many(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		     struct vmv_err *err)
{
	(void)state;
	(void)root;
	for (size_t i = 0; i < many.rows; i++) {
		char id[32];
		int r;

		(void)snprintf(id, sizeof(id), "row %zu", i);
		r = sink->row(sink, id, &many.sample);
		if (r < 0)
			return r;
	}
	return many.result < 0 ? vmv_fail(err, VMV_E_IO, -many.result, "it says no") : 0;
}

static int read_one(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		    struct vmv_err *err)
{
	(void)state;
	(void)root;
	(void)err;
	return one.result < 0 ? one.result : sink->row(sink, "", &one.sample);
}

static const struct vmv_collector collector_many = {
	.name = "a_many",
	.file = "x",
	.key = "row",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct made_up),
	.min_period_ms = 100,
	.is_default = true,
	.read = read_many,
};

static const struct vmv_collector collector_slow = {
	.name = "b_slow",
	.file = "x",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct made_up),
	.min_period_ms = 60000,
	.read = read_one,
};

static const struct vmv_collector collector_provided = {
	.name = "c_provided",
	.file = "x",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct made_up),
	.min_period_ms = 100,
};

/* Instead of collectors/all.c, which the linker then leaves out. */
const struct vmv_collector *const vmv_collectors[] = {
	&collector_many, &collector_slow, &collector_provided, &vmv_collector_process, NULL,
};
#define MANY	 UINT64_C(1)
#define SLOW	 UINT64_C(2)
#define PROVIDED UINT64_C(4)
#define PROCESS	 UINT64_C(8)

static struct fixture fx;
static struct still_clock now;
static struct vmv_facts *facts;
static struct vmv_jw w;
static struct json_object *said;

static void up(void)
{
	static const struct made_up sample = {
		.plain = 7,
		.ticks = 12345,
		.sectors = 3,
		.micro = 1500000,
		.odd = 10,
		.number = 0.1,
		.scaled = 0.25,
		.text = "text",
	};

	fixture_up(&fx);
	still_clock_init(&now);
	many.sample = one.sample = sample;
	many.rows = 1;
	many.result = one.result = 0;
	facts = vmv_facts_new(&fx.root, &now.clock);
	ck_assert_ptr_nonnull(facts);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
	said = NULL;
}

static void down(void)
{
	json_object_put(said);
	vmv_jw_free(&w);
	vmv_facts_free(facts);
	fixture_down(&fx);
}

static void read_groups(vmv_groups groups)
{
	vmv_facts_begin(facts, groups);
	while (vmv_facts_step(facts))
		;
}

/* The groups of one message, of at most max bytes. */
static struct json_object *message(vmv_groups groups, bool must_be_new, size_t max)
{
	json_object_put(said);
	vmv_jw_free(&w);
	vmv_jw_init(&w, max);
	vmv_jw_open(&w, NULL);
	vmv_samples_write(&w, facts, groups, must_be_new);
	vmv_jw_close(&w);
	said = guest_json(&w);
	return guest_at(said, ".groups");
}

/* A cell as it stands on the wire. */
static const char *cell(size_t field, const struct made_up *sample)
{
	static char text[64];

	vmv_jw_free(&w);
	vmv_jw_init(&w, VMV_MIB);
	vmv_sample_cell(&w, &fields[field], sample);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	(void)snprintf(text, sizeof(text), "%.*s", (int)w.buf.len, w.buf.data);
	return text;
}

/* -- cells ------------------------------------------------------------------------------------- */

START_TEST(cells_stand_in_the_order_of_the_fields_behind_the_id)
{
	read_groups(MANY);
	(void)message(MANY, false, VMV_MIB);
	ck_assert(guest_says(&w,
			     "{\"groups\":{\"a_many\":{\"ok\":true,\"us\":0,\"rows\":[[\"row 0\",7,"
			     "123.45,1536,1.5,3.0,0.1,25.0,\"text\"]]}}}"));
}
END_TEST

START_TEST(a_group_of_one_row_has_no_id)
{
	read_groups(SLOW);
	ck_assert_ptr_null(guest_at(message(SLOW, false, VMV_MIB), ".b_slow.rows[0][0]"));
}
END_TEST

START_TEST(unknown_is_null_and_so_is_what_is_no_number)
{
	struct made_up s = { .ticks = VMV_UNSET };

	memset(&s, 0xff, offsetof(struct made_up, number));
	s.number = (double)NAN;
	s.scaled = (double)INFINITY;
	for (size_t i = 0; i < VMV_COUNTOF(fields); i++)
		ck_assert_msg(strcmp(cell(i, &s), "null") == 0, "%zu: %s", i, cell(i, &s));
	ck_assert_str_eq(cell(TEXT, &(struct made_up){ .text = "" }), "null");
}
END_TEST

START_TEST(nothing_is_nought_and_not_null)
{
	static const char *const awaited[] = {
		"0", "0.0", "0", "0.0", "0.0", "0.0", "0.0", "null"
	};
	static const struct made_up s = { .number = -0.0 };

	for (size_t i = 0; i < VMV_COUNTOF(fields); i++)
		ck_assert_str_eq(cell(i, &s), awaited[i]);
}
END_TEST

START_TEST(integers_that_a_double_cannot_hold_are_strings)
{
	struct made_up s = { .plain = (UINT64_C(1) << 53) - 1, .sectors = UINT64_C(1) << 44 };

	ck_assert_str_eq(cell(PLAIN, &s), "9007199254740991");
	ck_assert_str_eq(cell(SECTORS, &s), "\"9007199254740992\"");
	s.plain++;
	ck_assert_str_eq(cell(PLAIN, &s), "\"9007199254740992\"");
	s.plain = UINT64_MAX - 1;
	s.sectors = UINT64_MAX - 1; /* stops at the top, and is never little by wrapping */
	ck_assert_str_eq(cell(PLAIN, &s), "\"18446744073709551614\"");
	ck_assert_str_eq(cell(SECTORS, &s), "\"18446744073709551614\"");
}
END_TEST

START_TEST(ticks_are_exact_whatever_their_number)
{
	struct made_up s = { .ticks = UINT64_MAX - 1, .micro = 1 };

	ck_assert_str_eq(cell(TICKS, &s), "184467440737095516.14");
	ck_assert_str_eq(cell(MICRO, &s), "0.000001");
	s.ticks = 29; /* 29 * 0.01 is 0.28999999999999998 */
	ck_assert_str_eq(cell(TICKS, &s), "0.29");
	s.ticks = 100;
	ck_assert_str_eq(cell(TICKS, &s), "1.0");
}
END_TEST

START_TEST(texts_of_any_bytes_are_written)
{
	struct made_up s = { .text = "\xff\"\n" };

	ck_assert_str_eq(cell(TEXT, &s), "\"\\ufffd\\\"\\n\"");
	ck_assert(w.is_lossy);
}
END_TEST

/* -- groups ------------------------------------------------------------------------------------ */

START_TEST(only_groups_that_are_asked_for_are_written)
{
	struct json_object *groups;

	read_groups(VMV_GROUPS_ALL);
	groups = message(SLOW, false, VMV_MIB);
	ck_assert_int_eq(json_object_object_length(groups), 1);
	(void)guest_at(groups, ".b_slow");
	ck_assert_int_eq(json_object_object_length(message(0, false, VMV_MIB)), 0);
}
END_TEST

START_TEST(a_group_not_read_again_tells_its_age_or_is_left_out)
{
	struct json_object *groups;

	read_groups(MANY | SLOW);
	groups = message(MANY | SLOW, false, VMV_MIB);
	ck_assert(!json_object_object_get_ex(guest_at(groups, ".b_slow"), "age_ms", NULL));
	still_clock_pass(&now, 1500);
	read_groups(MANY | SLOW);
	groups = message(MANY | SLOW, false, VMV_MIB);
	ck_assert_int_eq(json_object_get_int(guest_at(groups, ".b_slow.age_ms")), 1500);
	ck_assert_int_eq(json_object_array_length(guest_at(groups, ".b_slow.rows")), 1);
	ck_assert(!json_object_object_get_ex(guest_at(groups, ".a_many"), "age_ms", NULL));
	groups = message(MANY | SLOW, true, VMV_MIB);
	ck_assert_int_eq(json_object_object_length(groups), 1);
	(void)guest_at(groups, ".a_many");
}
END_TEST

START_TEST(a_failure_has_its_reason_and_silences_no_other_group)
{
	struct json_object *groups;

	many.result = -EIO;
	read_groups(MANY | SLOW);
	groups = message(MANY | SLOW, false, VMV_MIB);
	ck_assert(!json_object_get_boolean(guest_at(groups, ".a_many.ok")));
	ck_assert_str_eq(json_object_get_string(guest_at(groups, ".a_many.error")), "it says no");
	ck_assert_int_eq(json_object_array_length(guest_at(groups, ".a_many.rows")), 0);
	ck_assert(json_object_get_boolean(guest_at(groups, ".b_slow.ok")));
	/* while it backs off there is still the reason for who asks, and nothing for who subscribed
	 */
	read_groups(MANY);
	ck_assert_str_eq(
		json_object_get_string(guest_at(message(MANY, false, VMV_MIB), ".a_many.error")),
		"it says no");
	ck_assert_int_eq(json_object_object_length(message(MANY, true, VMV_MIB)), 0);
}
END_TEST

START_TEST(a_group_that_this_guest_does_not_have_says_so)
{
	struct json_object *groups;

	one.result = -ENOENT;
	read_groups(SLOW | PROVIDED);
	groups = message(SLOW | PROVIDED, false, VMV_MIB);
	ck_assert_str_eq(json_object_get_string(guest_at(groups, ".b_slow.error")),
			 "not on this guest");
	ck_assert_str_eq(json_object_get_string(guest_at(groups, ".c_provided.error")),
			 "not on this guest");
	ck_assert(!json_object_get_boolean(guest_at(groups, ".c_provided.ok")));
	ck_assert_int_eq(json_object_array_length(guest_at(groups, ".c_provided.rows")), 0);
}
END_TEST

START_TEST(time_is_when_the_reading_ended)
{
	read_groups(MANY);
	still_clock_pass(&now, 60000);
	vmv_samples_data(&w, facts, MANY, "0123456789abcdef");
	ck_assert(guest_says(&w,
			     "{\"schema\":\"0123456789abcdef\",\"timestamp\":\"2026-07-14T12:00:"
			     "00.000Z\",\"mono_ns\":1000000000000,\"groups\":{\"a_many\""));
	said = guest_json(&w);
}
END_TEST

/* -- bounds ------------------------------------------------------------------------------------ */

START_TEST(rows_beyond_the_bound_are_counted)
{
	struct json_object *groups;

	many.rows = 512;
	read_groups(MANY);
	groups = message(MANY, false, VMV_MIB);
	ck_assert_int_eq(json_object_array_length(guest_at(groups, ".a_many.rows")), 512);
	ck_assert(!json_object_object_get_ex(guest_at(groups, ".a_many"), "truncated", NULL));
	many.rows = 700;
	still_clock_pass(&now, 1000);
	read_groups(MANY);
	groups = message(MANY, false, VMV_MIB);
	ck_assert_int_eq(json_object_array_length(guest_at(groups, ".a_many.rows")), 512);
	ck_assert_int_eq(json_object_get_int(guest_at(groups, ".a_many.truncated")), 188);
	ck_assert_str_eq(json_object_get_string(guest_at(groups, ".a_many.rows[511][0]")),
			 "row 511");
}
END_TEST

/* Every character of it takes six on the wire: one group would fill three messages. */
START_TEST(a_message_fits_whatever_its_rows_hold)
{
	struct json_object *groups;
	size_t n;

	many.rows = 700;
	memset(many.sample.text, '\xff', sizeof(many.sample.text) - 1);
	read_groups(VMV_GROUPS_ALL & ~PROCESS);
	groups = message(VMV_GROUPS_ALL & ~PROCESS, false, VMV_LINE_OUT_MAX);
	n = json_object_array_length(guest_at(groups, ".a_many.rows"));
	ck_assert_uint_gt(n, 10);
	ck_assert_uint_lt(n, 42);
	ck_assert_int_eq(json_object_get_int(guest_at(groups, ".a_many.truncated")), 700 - (int)n);
	ck_assert_int_eq(json_object_array_length(guest_at(groups, ".b_slow.rows")), 1);
}
END_TEST

START_TEST(a_row_that_alone_is_too_long_is_left_out)
{
	struct json_object *groups;

	memset(many.sample.text, '\xff', sizeof(many.sample.text) - 1);
	read_groups(MANY | SLOW);
	groups = message(MANY | SLOW, false, 24 * VMV_KIB);
	ck_assert_int_eq(json_object_array_length(guest_at(groups, ".a_many.rows")), 0);
	ck_assert_int_eq(json_object_get_int(guest_at(groups, ".a_many.truncated")), 1);
	ck_assert_int_eq(json_object_array_length(guest_at(groups, ".b_slow.rows")), 1);
}
END_TEST

static void put_process(unsigned pid, uint64_t ticks, uint64_t rss_kib)
{
	char comm[16];

	(void)snprintf(comm, sizeof(comm), "p%u", pid);
	guest_put_process(&fx, &(struct guest_process){
				       .pid = pid,
				       .comm = comm,
				       .state = 'S',
				       .utime = ticks,
				       .starttime = 1,
				       .rss_kib = rss_kib,
			       });
}

/* Of 600: 256 with most CPU time (the highest pids), the rest of the places by memory (the lowest).
 */
START_TEST(of_many_processes_those_that_matter_are_shown)
{
	struct json_object *groups, *rows;

	for (unsigned pid = 1; pid <= 600; pid++)
		put_process(pid, pid, (uint64_t)(601 - pid) * 64);
	read_groups(PROCESS);
	groups = message(PROCESS, false, VMV_MIB);
	rows = guest_at(groups, ".process.rows");
	ck_assert_int_eq(json_object_array_length(rows), 512);
	ck_assert_int_eq(json_object_get_int(guest_at(groups, ".process.truncated")), 88);
	ck_assert_str_eq(json_object_get_string(guest_at(rows, "[0][0]")), "1");
	ck_assert_str_eq(json_object_get_string(guest_at(rows, "[255][0]")), "256");
	ck_assert_str_eq(json_object_get_string(guest_at(rows, "[256][0]")), "345");
	ck_assert_str_eq(json_object_get_string(guest_at(rows, "[511][0]")), "600");
}
END_TEST

/* The same ones by both measures: the places left go to the next by memory. */
START_TEST(no_place_stays_empty)
{
	struct json_object *rows;

	for (unsigned pid = 1; pid <= 600; pid++)
		put_process(pid, pid, (uint64_t)pid * 64);
	read_groups(PROCESS);
	rows = guest_at(message(PROCESS, false, VMV_MIB), ".process.rows");
	ck_assert_int_eq(json_object_array_length(rows), 512);
	ck_assert_str_eq(json_object_get_string(guest_at(rows, "[0][0]")), "89");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("samples");
	TCase *tc = tcase_create("samples");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, cells_stand_in_the_order_of_the_fields_behind_the_id);
	tcase_add_test(tc, a_group_of_one_row_has_no_id);
	tcase_add_test(tc, unknown_is_null_and_so_is_what_is_no_number);
	tcase_add_test(tc, nothing_is_nought_and_not_null);
	tcase_add_test(tc, integers_that_a_double_cannot_hold_are_strings);
	tcase_add_test(tc, ticks_are_exact_whatever_their_number);
	tcase_add_test(tc, texts_of_any_bytes_are_written);
	tcase_add_test(tc, only_groups_that_are_asked_for_are_written);
	tcase_add_test(tc, a_group_not_read_again_tells_its_age_or_is_left_out);
	tcase_add_test(tc, a_failure_has_its_reason_and_silences_no_other_group);
	tcase_add_test(tc, a_group_that_this_guest_does_not_have_says_so);
	tcase_add_test(tc, time_is_when_the_reading_ended);
	tcase_add_test(tc, rows_beyond_the_bound_are_counted);
	tcase_add_test(tc, a_message_fits_whatever_its_rows_hold);
	tcase_add_test(tc, a_row_that_alone_is_too_long_is_left_out);
	tcase_add_test(tc, of_many_processes_those_that_matter_are_shown);
	tcase_add_test(tc, no_place_stays_empty);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
