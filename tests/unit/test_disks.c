#include "reports/disks.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "collectors/filesystem.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "tests/lib/fixture.h"
#include "tests/lib/guest.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB  (UINT64_C(1) << 30)
#define ROWS 400

/* -- filesystems that are made up, with the fields of the real group --------------------------- */

static struct vmv_filesystem_sample given[ROWS];
static size_t n_given;
static int result;

static int read_given(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		      struct vmv_err *err)
{
	(void)state;
	(void)root;
	for (size_t i = 0; i < n_given; i++) {
		int r = sink->row(sink, given[i].mount_point, &given[i]);

		if (r < 0)
			return r;
	}
	return result < 0 ? vmv_fail(err, VMV_E_IO, -result, "no") : 0;
}

static struct vmv_collector made_up;

/* Instead of collectors/all.c, which the linker then leaves out. */
const struct vmv_collector *const vmv_collectors[] = { &made_up, NULL };

static struct fixture fx;
static struct still_clock now;
static struct vmv_facts *facts;
static struct vmv_jw w;
static struct vmv_err err;
static char text[VMV_DISKS_TEXT];
static bool is_cut;

static void up(void)
{
	made_up = vmv_collector_filesystem;
	made_up.open = NULL;
	made_up.close = NULL;
	made_up.state_of = NULL;
	made_up.read = read_given;
	n_given = 0;
	result = 0;
	fixture_up(&fx);
	still_clock_init(&now);
	facts = vmv_facts_new(&fx.root, &now.clock);
	ck_assert_ptr_nonnull(facts);
	vmv_jw_init(&w, VMV_RESPONSE_MAX);
}

static void down(void)
{
	vmv_jw_free(&w);
	vmv_facts_free(facts);
	fixture_down(&fx);
}

static struct vmv_filesystem_sample *give(const char *mount_point, uint64_t size, uint64_t left,
					  uint64_t avail)
{
	struct vmv_filesystem_sample *s = &given[n_given++];

	*s = (struct vmv_filesystem_sample){ .fstype = "ext4",
					     .size = size,
					     .free = left,
					     .avail = avail,
					     .device_number = n_given };
	(void)snprintf(s->mount_point, sizeof(s->mount_point), "%s", mount_point);
	return s;
}

static int write_disks(double warning, double critical)
{
	const struct vmv_disk_lines lines = { warning, critical };

	guest_read(facts);
	is_cut = true;
	return vmv_disks_write(&w, facts, lines, text, &is_cut, &err);
}

START_TEST(each_filesystem_is_told_twice_in_its_two_shapes)
{
	/* root keeps 5 GiB back: used 50 of 95 */
	give("/", 100 * GIB, 50 * GIB, 45 * GIB);
	ck_assert_int_eq(write_disks(80, 90), 0);
	ck_assert_int_eq(vmv_jw_finish(&w), 0);
	ck_assert(guest_says(&w,
			     "{\"status\":\"ok\",\"disks\":[{\"mount_point\":\"/\","
			     "\"filesystem\":\"ext4\",\"total_gb\":100.0,\"used_gb\":50.0,"
			     "\"available_gb\":45.0,\"usage_percent\":52.6,\"status\":\"ok\"}],"
			     "\"drives\":[{\"drive\":\"/\",\"drive_letter\":\"/\",\"label\":\"\","
			     "\"total_gb\":100.0,\"used_gb\":50.0,\"free_gb\":45.0,"
			     "\"available_gb\":45.0,\"used_percent\":52.6,\"status\":\"ok\"}],"
			     "\"warning_threshold\":80.0,\"critical_threshold\":90.0,"
			     "\"stuck\":[]}"));
	ck_assert_str_eq(text, "ok: 1 filesystem");
	ck_assert(!is_cut);
}
END_TEST

static void expect_status(const struct json_object *obj, size_t i, const char *status)
{
	char path[64];

	(void)snprintf(path, sizeof(path), ".disks[%zu].status", i);
	ck_assert_str_eq(
		json_object_get_string(guest_at((struct json_object *)(uintptr_t)obj, path)),
		status);
}

/* One that is over the line does not hide those behind it. */
START_TEST(all_are_judged_and_the_worst_is_the_status)
{
	struct json_object *obj;

	give("/", 100, 5, 5);
	give("/a", 100, 20, 20);
	give("/b", 1000, 201, 201);
	give("/c", 100, 10, 10);
	ck_assert_int_eq(write_disks(80, 90), 0);
	obj = guest_json(&w);
	expect_status(obj, 0, "critical");
	expect_status(obj, 1, "warning"); /* at the line is beyond it */
	expect_status(obj, 2, "ok");
	expect_status(obj, 3, "critical");
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".status")), "critical");
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".drives[3].status")), "critical");
	ck_assert_str_eq(text, "critical: / 95.0 % used");
	json_object_put(obj);
}
END_TEST

START_TEST(lines_may_have_fractions_and_be_equal)
{
	struct json_object *obj;

	give("/", 1000, 195, 195);
	ck_assert_int_eq(write_disks(80.5, 80.5), 0);
	obj = guest_json(&w);
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".status")), "critical");
	ck_assert_double_eq(json_object_get_double(guest_at(obj, ".warning_threshold")), 80.5);
	json_object_put(obj);
}
END_TEST

START_TEST(what_is_unknown_is_in_no_list_of_sizes)
{
	struct json_object *obj;

	give("/", 100, 85, 85);
	give("/stuck", VMV_UNSET, VMV_UNSET, VMV_UNSET)->stuck = 1;
	give("/denied", VMV_UNSET, VMV_UNSET, VMV_UNSET)->device_error = 1;
	give("/sibling", VMV_UNSET, VMV_UNSET, VMV_UNSET)->stuck = VMV_UNSET;
	give("/broken", 100, 101, 100);
	give("/nothing", 100, 100, 0);
	ck_assert_int_eq(write_disks(80, 90), 0);
	obj = guest_json(&w);
	ck_assert_uint_eq(json_object_array_length(guest_at(obj, ".disks")), 1);
	ck_assert_uint_eq(json_object_array_length(guest_at(obj, ".drives")), 1);
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".status")), "ok");
	ck_assert_uint_eq(json_object_array_length(guest_at(obj, ".stuck")), 1);
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".stuck[0]")), "/stuck");
	ck_assert_str_eq(text, "ok: 1 filesystem; 1 stuck");
	ck_assert(!is_cut);
	json_object_put(obj);
}
END_TEST

START_TEST(nothing_known_is_no_answer)
{
	give("/stuck", VMV_UNSET, VMV_UNSET, VMV_UNSET)->stuck = 1;
	ck_assert_int_eq(write_disks(80, 90), -ENODATA);
	ck_assert_str_eq(err.msg, "none of 1 filesystems tells its size, 1 of them are stuck");
	n_given = 0;
	result = -EACCES;
	now.mono_ns += UINT64_C(1000000000000);
	ck_assert_int_eq(write_disks(80, 90), -ENODATA);
}
END_TEST

/* A container may have none. */
START_TEST(no_filesystem_is_an_answer)
{
	ck_assert_int_eq(write_disks(80, 90), 0);
	ck_assert(guest_says(&w, "{\"status\":\"ok\",\"disks\":[],\"drives\":[],"));
	ck_assert_str_eq(text, "ok: 0 filesystems");
}
END_TEST

START_TEST(a_mount_point_makes_no_lines)
{
	give("/a\nb\x7f", 100, 1, 1);
	ck_assert_int_eq(write_disks(80, 90), 0);
	ck_assert_str_eq(text, "critical: /a?b? 99.0 % used");
	ck_assert(guest_says(&w, "\"mount_point\":\"/a\\nb"));
}
END_TEST

START_TEST(lists_that_find_no_room_are_cut_alike)
{
	struct json_object *obj;
	char name[512];

	memset(name, 1, sizeof(name) - 1); /* six characters each on the wire */
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < ROWS; i++) {
		(void)snprintf(name + 1, 8, "%03zu", i);
		name[4] = 'x';
		give(name, 100, i == ROWS - 1 ? 1 : 99, i == ROWS - 1 ? 1 : 99)->stuck = 1;
	}
	ck_assert_int_eq(write_disks(80, 90), 0);
	obj = guest_json(&w);
	ck_assert(is_cut);
	ck_assert_uint_gt(json_object_array_length(guest_at(obj, ".disks")), 100);
	ck_assert_uint_eq(json_object_array_length(guest_at(obj, ".disks")),
			  json_object_array_length(guest_at(obj, ".drives")));
	/* the status is of those that are not shown, too */
	ck_assert_str_eq(json_object_get_string(guest_at(obj, ".status")), "critical");
	json_object_put(obj);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("disks");
	TCase *tc = tcase_create("disks");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, each_filesystem_is_told_twice_in_its_two_shapes);
	tcase_add_test(tc, all_are_judged_and_the_worst_is_the_status);
	tcase_add_test(tc, lines_may_have_fractions_and_be_equal);
	tcase_add_test(tc, what_is_unknown_is_in_no_list_of_sizes);
	tcase_add_test(tc, nothing_known_is_no_answer);
	tcase_add_test(tc, no_filesystem_is_an_answer);
	tcase_add_test(tc, a_mount_point_makes_no_lines);
	tcase_add_test(tc, lists_that_find_no_room_are_cut_alike);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
