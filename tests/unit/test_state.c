#include "reports/state.h"

#include "agent/self.h"
#include "base/cleanup.h"
#include "base/num.h"
#include "collectors/agent.h"
#include "collectors/load.h"
#include "collectors/memory.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fixture fx;
static struct still_clock now;
static struct vmv_facts *facts;
static struct vmv_state state;
static struct vmv_jw w;
static struct json_object *said;

static void up(void)
{
	fixture_up(&fx);
	guest_put(&fx);
	still_clock_init(&now);
	facts = vmv_facts_new(&fx.root, &now.clock);
	ck_assert_ptr_nonnull(facts);
	state = (struct vmv_state){
		.now_ms = 1000000,
		.real_ms = STILL_REAL_MS,
		.began_real_ms = STILL_REAL_MS - 60000,
		.config_real_ms = STILL_REAL_MS - 30000,
		.facts = facts,
		.cost = { 1500, 500, 4096, 8192, 7, 3, 9 },
	};
	said = NULL;
	vmv_jw_init(&w, VMV_MIB);
}

static void down(void)
{
	json_object_put(said);
	vmv_jw_free(&w);
	vmv_facts_free(facts);
	fixture_down(&fx);
}

static struct json_object *tell(void)
{
	json_object_put(said);
	vmv_jw_free(&w);
	vmv_jw_init(&w, VMV_MIB);
	vmv_state_write(&w, &state);
	said = guest_json(&w);
	return said;
}

START_TEST(the_state_of_an_agent_without_anything_is_whole)
{
	(void)tell();
	ck_assert(guest_says(&w, "{\"channels\":[],\"subscriptions\":[],\"jobs\":[],"
				 "\"collectors\":[{\"name\":\"agent\",\"ok\":null,\"error\":null,"
				 "\"duration_us\":null,\"period_ms\":1000,\"age_ms\":null,"
				 "\"failures\":0},"));
	ck_assert(guest_says(&w, "],\"events\":{},\"fs_frozen\":false,\"thaw_in_ms\":null,"
				 "\"config_loaded_at\":\"2026-07-14T11:59:30.000Z\",\"cost\":{"
				 "\"cpu_ms\":2,\"rss_bytes\":4096,\"wakeups\":7}}"));
}
END_TEST

START_TEST(frozen_filesystems_are_told_and_when_they_thaw)
{
	state.thaw_in_ms = 7; /* of nothing, while they are not */
	(void)tell();
	ck_assert(guest_says(&w, "\"fs_frozen\":false,\"thaw_in_ms\":null,"));
	state.is_frozen = true;
	(void)tell();
	ck_assert(guest_says(&w, "\"fs_frozen\":true,\"thaw_in_ms\":7,"));
}
END_TEST

START_TEST(channels_are_told_with_and_without_a_host)
{
	state.n_channels = 2;
	state.channels[0] = (struct vmv_state_channel){
		.name = "virtio:a",
		.dialect = "native",
		.is_attached = true,
		.session = "f0f0",
		.since_ms = 999000,
		.bytes_in = 1,
		.bytes_out = 2,
		.queue_bytes = 3,
		.malformed = 4,
		.oversize = 5,
		.dropped_metrics = 6,
		.dropped_samples = 7,
		.refused = 8,
	};
	state.channels[1] =
		(struct vmv_state_channel){ .name = "stdio", .dialect = "native", .session = "" };
	(void)tell();
	ck_assert(guest_says(
		&w,
		"{\"name\":\"virtio:a\",\"dialect\":\"native\",\"attached\":true,\"session\":"
		"\"f0f0\",\"since\":\"2026-07-14T11:59:59.000Z\",\"bytes_in\":1,\"bytes_out\":2,"
		"\"queue_bytes\":3,\"malformed\":4,\"oversize\":5,\"dropped\":{\"metrics\":6,"
		"\"samples\":7},\"refused\":8}"));
	ck_assert(guest_says(&w, "\"attached\":false,\"session\":null,\"since\":null,"));
}
END_TEST

START_TEST(jobs_are_told_and_never_began_in_the_future)
{
	state.n_jobs = 2;
	state.jobs[0] = (struct vmv_state_job){ "one", "ProcessList", 999500 };
	state.jobs[1] = (struct vmv_state_job){ "two", "GetSamples", 2000000 };
	(void)tell();
	ck_assert(guest_says(&w,
			     "{\"id\":\"one\",\"action\":\"ProcessList\",\"state\":\"running\","
			     "\"started_at\":\"2026-07-14T11:59:59.500Z\",\"elapsed_ms\":500,"
			     "\"deadline_in_ms\":null,\"cancellable\":false,\"output_bytes\":null,"
			     "\"response\":null}"));
	ck_assert_int_eq(json_object_get_int(guest_at(said, ".jobs[1].elapsed_ms")), 0);
}
END_TEST

START_TEST(unknown_cost_is_null)
{
	memset(&state.cost, 0xff, sizeof(state.cost));
	(void)tell();
	ck_assert(guest_says(&w, "\"cost\":{\"cpu_ms\":null,\"rss_bytes\":null,\"wakeups\":null}"));
}
END_TEST

static struct json_object *collector_named(const char *name)
{
	struct json_object *list = guest_at(tell(), ".collectors");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *c = json_object_array_get_idx(list, i);

		if (strcmp(json_object_get_string(guest_at(c, ".name")), name) == 0)
			return c;
	}
	ck_abort_msg("no collector %s", name);
}

START_TEST(collectors_are_well_ill_or_not_on_this_guest)
{
	fixture_put(&fx, "proc/loadavg", "nonsense\n");
	guest_read(facts);
	state.now_ms = 1000250;
	ck_assert(json_object_get_boolean(guest_at(collector_named("memory"), ".ok")));
	ck_assert_int_eq(json_object_get_int(guest_at(collector_named("memory"), ".age_ms")), 250);
	ck_assert(!json_object_get_boolean(guest_at(collector_named("load"), ".ok")));
	ck_assert_int_eq(json_object_get_int(guest_at(collector_named("load"), ".failures")), 1);
	ck_assert_ptr_null(guest_at(collector_named("load"), ".age_ms"));
	ck_assert_ptr_nonnull(strstr(
		json_object_get_string(guest_at(collector_named("load"), ".error")), "loadavg"));
	/* nobody provides it here, and it was never tried */
	ck_assert_ptr_null(guest_at(collector_named("channel"), ".ok"));
}
END_TEST

/* -- groups ------------------------------------------------------------------------------------ */

START_TEST(the_row_of_the_agent_holds_what_it_costs)
{
	const struct vmv_agent_sample *row;
	struct kept k;

	kept_init(&k, &vmv_collector_agent);
	state.n_channels = 2;
	state.channels[0].in_flight = 2;
	state.channels[1].in_flight = 3;
	state.resets = 4;
	ck_assert_int_eq(vmv_state_agent_rows(&state, &k.sink), 0);
	row = kept_row(&k, "");
	ck_assert_ptr_nonnull(row);
	ck_assert_str_eq(row->version, PACKAGE_VERSION);
	ck_assert_uint_eq(row->user_us, 1500);
	ck_assert_uint_eq(row->system_us, 500);
	ck_assert_uint_eq(row->resident, 4096);
	ck_assert_uint_eq(row->virtual, 8192);
	ck_assert_uint_eq(row->voluntary, 7);
	ck_assert_uint_eq(row->involuntary, 3);
	ck_assert_uint_eq(row->descriptors, 9);
	ck_assert_uint_eq(row->start_ms, (uint64_t)STILL_REAL_MS - 60000);
	ck_assert_uint_eq(row->resets, 4);
	ck_assert_uint_eq(row->jobs, 5);
	kept_clear(&k);
}
END_TEST

START_TEST(a_clock_before_1970_makes_the_start_unknown)
{
	const struct vmv_agent_sample *row;
	struct kept k;

	kept_init(&k, &vmv_collector_agent);
	state.began_real_ms = -5;
	ck_assert_int_eq(vmv_state_agent_rows(&state, &k.sink), 0);
	row = kept_row(&k, "");
	ck_assert(row->start_ms == VMV_UNSET);
	kept_clear(&k);
}
END_TEST

START_TEST(each_channel_has_a_row_by_its_name)
{
	const struct vmv_channel_sample *row;
	struct kept k;

	kept_init(&k, &vmv_collector_channel);
	state.n_channels = 2;
	state.channels[0] = (struct vmv_state_channel){ .name = "a", .dialect = "native" };
	state.channels[1] = (struct vmv_state_channel){
		.name = "b",
		.dialect = "native",
		.is_attached = true,
		.bytes_in = 1,
		.bytes_out = 2,
		.queue_bytes = 3,
		.lines = 4,
		.sessions = 5,
		.malformed = 6,
		.oversize = 7,
		.ignored = 8,
		.refused = 9,
		.dropped_metrics = 10,
		.dropped_samples = 11,
	};
	ck_assert_int_eq(vmv_state_channel_rows(&state, &k.sink), 0);
	ck_assert_uint_eq(k.n, 2);
	row = kept_row(&k, "a");
	ck_assert_uint_eq(row->attached, 0);
	row = kept_row(&k, "b");
	ck_assert_str_eq(row->dialect, "native");
	ck_assert_uint_eq(row->attached, 1);
	ck_assert_uint_eq(row->bytes_in, 1);
	ck_assert_uint_eq(row->bytes_out, 2);
	ck_assert_uint_eq(row->queue_bytes, 3);
	ck_assert_uint_eq(row->lines, 4);
	ck_assert_uint_eq(row->sessions, 5);
	ck_assert_uint_eq(row->malformed, 6);
	ck_assert_uint_eq(row->oversize, 7);
	ck_assert_uint_eq(row->ignored, 8);
	ck_assert_uint_eq(row->refused, 9);
	ck_assert_uint_eq(row->dropped_metrics, 10);
	ck_assert_uint_eq(row->dropped_samples, 11);
	kept_clear(&k);
}
END_TEST

START_TEST(each_collector_has_a_row_and_unknown_is_not_failed)
{
	const struct vmv_collector_sample *row;
	struct kept k;

	fixture_put(&fx, "proc/loadavg", "nonsense\n");
	guest_read(facts);
	state.now_ms = 1000250;
	kept_init(&k, &vmv_collector_collector);
	ck_assert_int_eq(vmv_state_collector_rows(&state, &k.sink), 0);
	row = kept_row(&k, "memory");
	ck_assert_uint_eq(row->success, 1);
	ck_assert_uint_eq(row->age_ms, 250);
	ck_assert_uint_eq(row->runs, 1);
	ck_assert_uint_eq(row->failed, 0);
	row = kept_row(&k, "load");
	ck_assert_uint_eq(row->success, 0);
	ck_assert_uint_eq(row->failed, 1);
	ck_assert(row->age_ms == VMV_UNSET);
	row = kept_row(&k, "channel");
	ck_assert(row->success == VMV_UNSET && row->duration_us == VMV_UNSET);
	kept_clear(&k);
}
END_TEST

/* -- the process itself ------------------------------------------------------------------------ */

START_TEST(the_cost_of_this_process_is_read_from_this_kernel)
{
	struct vmv_cost before, after;
	int fds[2];

	vmv_cost_read(&before);
	ck_assert(before.user_us != VMV_UNSET && before.system_us != VMV_UNSET);
	ck_assert_uint_gt(before.resident, 65536);
	ck_assert_uint_gt(before.virtual, before.resident);
	ck_assert_uint_ne(before.voluntary, VMV_UNSET);
	ck_assert_uint_ge(before.descriptors, 3);
	ck_assert_int_eq(pipe(fds), 0);
	vmv_cost_read(&after);
	ck_assert_uint_eq(after.descriptors, before.descriptors + 2);
	ck_assert_uint_ge(after.user_us, before.user_us);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("state");
	TCase *tc = tcase_create("state");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, the_state_of_an_agent_without_anything_is_whole);
	tcase_add_test(tc, frozen_filesystems_are_told_and_when_they_thaw);
	tcase_add_test(tc, channels_are_told_with_and_without_a_host);
	tcase_add_test(tc, jobs_are_told_and_never_began_in_the_future);
	tcase_add_test(tc, unknown_cost_is_null);
	tcase_add_test(tc, collectors_are_well_ill_or_not_on_this_guest);
	tcase_add_test(tc, the_row_of_the_agent_holds_what_it_costs);
	tcase_add_test(tc, a_clock_before_1970_makes_the_start_unknown);
	tcase_add_test(tc, each_channel_has_a_row_by_its_name);
	tcase_add_test(tc, each_collector_has_a_row_and_unknown_is_not_failed);
	tcase_add_test(tc, the_cost_of_this_process_is_read_from_this_kernel);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
