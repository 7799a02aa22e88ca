#include "helper/software.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/num.h"
#include "helper/question.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;
static struct vmv_software s;
static struct json_object *data;
static const char *printed; /* by every program */
static char *names, *scratch;

static int print(void *arg, char *const *argv, struct vmv_buf *out, bool *ret_is_cut)
{
	bool is_list = false;

	(void)arg;
	*ret_is_cut = false;
	for (; *argv; argv++)
		is_list |= strcmp(*argv, "list-updates") == 0 || strcmp(*argv, "list") == 0 ||
			   strcmp(*argv, "search") == 0;
	return is_list ? vmv_buf_add(out, printed, strlen(printed)) : 1;
}

static void up(void)
{
	fixture_up(&fx);
	s = (struct vmv_software){
		.look = { .top = fx.root.top, .here = { .which = VMV_APT }, .run = print },
		.now_ms = INT64_C(1700000000000),
		.security = VMV_UNSET,
	};
	vmv_jw_init(&s.w, VMV_SOFTWARE_DATA_MAX);
}

static void down(void)
{
	if (data)
		json_object_put(data);
	vmv_jw_free(&s.w);
	vmv_inventory_free(&s.inventory);
	free(names);
	free(scratch);
	fixture_down(&fx);
}

/* The answer, which is whole JSON whatever was cut. */
static void finish(void)
{
	ck_assert_int_eq(vmv_jw_finish(&s.w), 0);
	scratch = strndup(s.w.buf.data, s.w.buf.len);
	ck_assert_ptr_nonnull(scratch);
	data = json_tokener_parse(scratch);
	ck_assert_ptr_nonnull(data);
}

static struct json_object *get(const char *name)
{
	return json_object_object_get(data, name);
}

/* So many packages, each with so long a description. */
static void put_packages(size_t n, size_t description)
{
	const size_t size = 16;

	names = calloc(n, size + 1);
	ck_assert_ptr_nonnull(names);
	for (size_t i = 0; i < n; i++) {
		struct vmv_package p = { .version = vmv_slice_of("1.0"), .size = 1 << 20 };

		p.name.s = names + i * size;
		p.name.len = (size_t)snprintf(names + i * size, size, "package%07zu", i);
		p.description = (struct vmv_slice){ names, description };
		p.installed_s = 1600000000;
		ck_assert_int_eq(vmv_packages_add(&s.inventory.list, &p), 0);
	}
	vmv_packages_sort(&s.inventory.list);
}

START_TEST(packages_that_do_not_fit_are_cut_from_the_end)
{
	put_packages(60000, 12);
	ck_assert_int_eq(vmv_software_packages(&s), 0);
	ck_assert(s.is_cut);
	ck_assert_uint_le(s.w.buf.len, VMV_SOFTWARE_DATA_MAX);
	ck_assert_uint_gt(s.w.buf.len, VMV_SOFTWARE_DATA_MAX - 2 * VMV_JW_TAIL);
	finish();
	ck_assert_uint_eq(json_object_array_length(get("packages")), s.count);
	ck_assert_int_eq(json_object_get_int(get("count")), (int)s.count);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(
				 json_object_array_get_idx(get("packages"), s.count - 1), "name")),
			 s.inventory.list.items[s.count - 1].name.s);
}
END_TEST

START_TEST(packages_that_fit_are_all_there)
{
	put_packages(3, 0);
	ck_assert_int_eq(vmv_software_packages(&s), 0);
	ck_assert(!s.is_cut);
	finish();
	ck_assert_uint_eq(json_object_array_length(get("packages")), 3);
	ck_assert_str_eq(json_object_get_string(get("generated_at")), "2023-11-14T22:13:20.000Z");
}
END_TEST

START_TEST(applications_have_bounds_of_their_own)
{
	vmv_jw_free(&s.w);
	vmv_jw_init(&s.w, VMV_APPLICATIONS_DATA_MAX);
	put_packages(5001, 0);
	ck_assert_int_eq(vmv_software_applications(&s), 0);
	ck_assert(s.is_cut);
	ck_assert_uint_le(s.count, 5000);
	ck_assert_uint_le(s.w.buf.len, 512 * VMV_KIB);
	finish();
	ck_assert_uint_eq(json_object_array_length(get("applications")), s.count);
	ck_assert_str_eq(
		json_object_to_json_string_ext(json_object_array_get_idx(get("applications"), 0),
					       JSON_C_TO_STRING_PLAIN),
		"{\"name\":\"package0000000\",\"version\":\"1.0\",\"publisher\":null,"
		"\"install_date\":\"2020-09-13T12:26:40.000Z\",\"install_location\":null,"
		"\"size_mb\":1.0}");
}
END_TEST

START_TEST(one_text_that_is_too_long_ends_the_list_before_it)
{
	put_packages(2, 0);
	scratch = calloc(1, 1 << 20);
	s.inventory.list.items[1].description = (struct vmv_slice){ scratch, 1 << 20 };
	ck_assert_int_eq(vmv_software_packages(&s), 0);
	ck_assert(s.is_cut); /* each NUL is six characters */
	free(scratch);
	finish();
	ck_assert_uint_eq(json_object_array_length(get("packages")), 1);
}
END_TEST

#define LIST                                 \
	"a/x 2 amd64 [upgradable from: 1]\n" \
	"b/x-security 2 amd64 [upgradable from: 1]\n"

START_TEST(updates_have_the_shape_of_the_protocol)
{
	printed = LIST;
	fixture_put(&fx, "run/reboot-required", "");
	fixture_put(&fx, "run/reboot-required.pkgs", "libc6\n\nlinux\n");
	ck_assert_int_eq(vmv_software_updates(&s), 0);
	ck_assert_uint_eq(s.count, 2);
	ck_assert_uint_eq(s.security, 1);
	finish();
	ck_assert_str_eq(
		json_object_to_json_string_ext(get("pending_updates"), JSON_C_TO_STRING_PLAIN),
		"[{\"package_name\":\"a\",\"current_version\":\"1\",\"available_version\":\"2\","
		"\"repository\":\"x\",\"is_security\":false,\"size_kb\":null,"
		"\"architecture\":\"amd64\"},"
		"{\"package_name\":\"b\",\"current_version\":\"1\",\"available_version\":\"2\","
		"\"repository\":\"x-security\",\"is_security\":true,\"size_kb\":null,"
		"\"architecture\":\"amd64\"}]");
	ck_assert_int_eq(json_object_get_int(get("security_updates_count")), 1);
	ck_assert_int_eq(json_object_get_int(get("total_pending_count")), 2);
	ck_assert_ptr_null(get("lists_refreshed_at"));
	ck_assert(json_object_get_boolean(get("reboot_required")));
	ck_assert_str_eq(
		json_object_to_json_string_ext(get("reboot_reasons"), JSON_C_TO_STRING_PLAIN),
		"[\"libc6\",\"linux\"]");
}
END_TEST

START_TEST(a_list_of_security_updates_has_those_only)
{
	printed = LIST;
	ck_assert_int_eq(vmv_software_application_updates_security(&s), 0);
	ck_assert_uint_eq(s.count, 1);
	finish();
	ck_assert_str_eq(json_object_to_json_string_ext(get("summary"), JSON_C_TO_STRING_PLAIN),
			 "{\"total\":2,\"security\":1}");
	ck_assert_uint_eq(json_object_array_length(get("applications")), 1);
}
END_TEST

START_TEST(security_that_is_not_told_cannot_be_listed)
{
	printed = "linux-1-r0 < 2-r0\n";
	s.look.here = (struct vmv_manager_here){ VMV_DNF, "/usr/bin/dnf", "x" };
	ck_assert_int_lt(vmv_software_updates_security(&s), 0);
	s.look.here = (struct vmv_manager_here){ VMV_PACMAN, "/usr/bin/pacman", "x" };
	ck_assert_int_eq(vmv_software_updates_security(&s), -EOPNOTSUPP);
}
END_TEST

START_TEST(what_is_not_installed_is_null)
{
	put_packages(1, 0);
	s.operand = "nothing";
	ck_assert_int_eq(vmv_software_application(&s), 0);
	ck_assert_uint_eq(s.count, 0);
	ck_assert_uint_eq(s.w.buf.len, 4);
	ck_assert_mem_eq(s.w.buf.data, "null", 4);
}
END_TEST

static const char *const bad[] = { "",		"nothing",     "search",	 "search ",
				   "search -o", "application", "application  x", " packages",
				   "PACKAGES" };

START_TEST(bad_questions_are_refused)
{
	struct vmv_buf b = { .max = 1 << 20 };

	ck_assert_int_eq(vmv_answer_software(bad[_i], &b), -EINVAL);
	ck_assert_int_eq(vmv_answer_software_stamp("x", &b), -EINVAL);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("packages_helper");
	TCase *tc = tcase_create("packages_helper");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, packages_that_do_not_fit_are_cut_from_the_end);
	tcase_add_test(tc, packages_that_fit_are_all_there);
	tcase_add_test(tc, applications_have_bounds_of_their_own);
	tcase_add_test(tc, one_text_that_is_too_long_ends_the_list_before_it);
	tcase_add_test(tc, updates_have_the_shape_of_the_protocol);
	tcase_add_test(tc, a_list_of_security_updates_has_those_only);
	tcase_add_test(tc, security_that_is_not_told_cannot_be_listed);
	tcase_add_test(tc, what_is_not_installed_is_null);
	tcase_add_loop_test(tc, bad_questions_are_refused, 0, VMV_COUNTOF(bad));
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
