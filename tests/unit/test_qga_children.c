#include "execd/qga_children.h"

#include "base/err.h"
#include "base/limits.h"
#include "exec/job.h"
#include "proto/json_write.h"

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_qga_children *c;
static struct vmv_jw w;

static void up(void)
{
	c = vmv_qga_children_new();
	ck_assert_ptr_nonnull(c);
	vmv_jw_init(&w, VMV_QGA_REPLY_MAX);
}

static void down(void)
{
	vmv_qga_children_free(c);
	vmv_jw_free(&w);
}

static void add(pid_t pid)
{
	ck_assert_int_eq(vmv_qga_children_add(c, pid), 0);
}

static void end_with(pid_t pid, int code, int sig, const char *out, size_t out_len, uint64_t now)
{
	const struct vmv_job_end end = {
		.exit_code = code,
		.signal = sig,
		.out = { .data = out, .len = out_len, .total = out_len },
		.err = { .data = "" },
		.result = "",
	};

	vmv_qga_children_ended(c, pid, &end, now);
}

static void end(pid_t pid, uint64_t now)
{
	end_with(pid, 0, 0, "", 0, now);
}

static int status_of(int64_t pid)
{
	struct vmv_err err = { 0 };

	vmv_jw_free(&w);
	vmv_jw_init(&w, VMV_QGA_REPLY_MAX);
	return vmv_qga_children_status(c, pid, &w, &err);
}

static void assert_status(pid_t pid, const char *json)
{
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_uint_eq(w.buf.len, strlen(json));
	ck_assert(memcmp(w.buf.data, json, w.buf.len) == 0);
}

START_TEST(one_is_told_of_until_it_has_ended_and_once_more)
{
	add(7);
	assert_status(7, "{\"exited\":false}");
	assert_status(7, "{\"exited\":false}");
	end_with(7, 3, 0, "a\n", 2, 1000);
	assert_status(7, "{\"exited\":true,\"exitcode\":3,\"out-data\":\"YQo=\"}");
	ck_assert_int_eq(status_of(7), -ESRCH);
	ck_assert(vmv_qga_children_is_empty(c));
	ck_assert_uint_eq(vmv_qga_children_forget(c, UINT64_MAX / 2), 0);
}
END_TEST

START_TEST(a_signal_is_no_exit_code)
{
	add(7);
	end_with(7, 137, 9, "", 0, 1000);
	assert_status(7, "{\"exited\":true,\"signal\":9}");
}
END_TEST

START_TEST(what_was_cut_is_said_of_each_stream)
{
	const struct vmv_job_end e = {
		.out = { .data = "", .is_cut = true },
		.err = { .data = "\xff", .len = 1, .is_cut = true },
		.result = "",
	};

	add(7);
	vmv_qga_children_ended(c, 7, &e, 0);
	assert_status(7, "{\"exited\":true,\"exitcode\":0,\"out-truncated\":true,"
			 "\"err-data\":\"/w==\",\"err-truncated\":true}");
}
END_TEST

static const int64_t unknown[] = { 0, -1, 8, INT64_MIN, INT64_MAX, INT64_C(0x100000007) };

START_TEST(nobody_else_is_told_of)
{
	struct vmv_err err = { 0 };

	add(7);
	ck_assert_int_eq(status_of(unknown[_i]), -ESRCH);
	ck_assert_int_eq(vmv_qga_children_status(c, 8, &w, &err), -ESRCH);
	ck_assert_int_eq(err.code, VMV_E_NOTFOUND);
	ck_assert_str_eq(err.msg, "PID 8 does not exist");
	end(8, 0); /* and such ends are nobody's */
	assert_status(7, "{\"exited\":false}");
}
END_TEST

START_TEST(who_nobody_asks_after_is_forgotten_in_time)
{
	add(1);
	add(2);
	add(3);
	ck_assert_uint_eq(vmv_qga_children_due(c), UINT64_MAX);
	end(2, 1000);
	end(1, 5000);
	ck_assert_uint_eq(vmv_qga_children_due(c), 1000 + VMV_QGA_CHILD_MS);
	ck_assert_uint_eq(vmv_qga_children_forget(c, 999 + VMV_QGA_CHILD_MS), 0);
	ck_assert_uint_eq(vmv_qga_children_forget(c, 1000 + VMV_QGA_CHILD_MS), 1);
	ck_assert_int_eq(status_of(2), -ESRCH);
	ck_assert_uint_eq(vmv_qga_children_due(c), 5000 + VMV_QGA_CHILD_MS);
	ck_assert_uint_eq(vmv_qga_children_forget(c, 9000 + VMV_QGA_CHILD_MS), 1);
	ck_assert_uint_eq(vmv_qga_children_forget(c, 9000 + VMV_QGA_CHILD_MS), 0);
	assert_status(3, "{\"exited\":false}"); /* it runs */
}
END_TEST

START_TEST(those_that_run_have_a_bound)
{
	struct vmv_err err = { 0 };

	for (pid_t pid = 1; pid <= VMV_QGA_CHILDREN; pid++) {
		ck_assert_int_eq(vmv_qga_children_room(c, 1, &err), 0);
		add(pid);
	}
	ck_assert_int_eq(vmv_qga_children_room(c, 1, &err), -EBUSY);
	ck_assert_int_eq(err.code, VMV_E_BUSY);
	end(5, 0);
	ck_assert_int_eq(vmv_qga_children_room(c, 1, &err), 0);
	ck_assert_int_eq(vmv_qga_children_room(c, 2, &err), -EBUSY);
}
END_TEST

START_TEST(who_has_ended_makes_room_the_oldest_first)
{
	for (pid_t pid = 1; pid <= VMV_QGA_CHILDREN; pid++)
		add(pid);
	end(9, 10);
	end(4, 20);
	add(1000);
	ck_assert_int_eq(status_of(9), -ESRCH);
	assert_status(4, "{\"exited\":true,\"exitcode\":0}");
	assert_status(1000, "{\"exited\":false}");
	ck_assert_uint_eq(vmv_qga_children_forget(c, 20), 1); /* and it is told that one was lost */
}
END_TEST

START_TEST(a_number_is_that_of_the_latest)
{
	add(7);
	end_with(7, 1, 0, "old", 3, 10);
	add(7);
	assert_status(7, "{\"exited\":false}");
	end_with(7, 2, 0, "", 0, 20);
	assert_status(7, "{\"exited\":true,\"exitcode\":2}");
	ck_assert_int_eq(status_of(7), -ESRCH);
}
END_TEST

START_TEST(output_has_a_bound_altogether_and_the_latest_is_kept)
{
	const size_t len = VMV_QGA_OUTPUT_MAX;
	const int fit = (int)(VMV_QGA_KEPT_BYTES / VMV_QGA_OUTPUT_MAX);
	char *out = calloc(1, len);

	ck_assert_ptr_nonnull(out);
	for (pid_t pid = 1; pid <= fit + 2; pid++) {
		add(pid);
		end_with(pid, 0, 0, out, len, (uint64_t)pid);
	}
	ck_assert_uint_eq(vmv_qga_children_forget(c, 100), 2);
	ck_assert_int_eq(status_of(1), -ESRCH);
	ck_assert_int_eq(status_of(2), -ESRCH);
	ck_assert_int_eq(status_of(3), 0);
	ck_assert_int_eq(status_of(fit + 2), 0);
	ck_assert_uint_gt(w.buf.len, len); /* whole */
	free(out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qga_children");
	TCase *tc = tcase_create("children");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, one_is_told_of_until_it_has_ended_and_once_more);
	tcase_add_test(tc, a_signal_is_no_exit_code);
	tcase_add_test(tc, what_was_cut_is_said_of_each_stream);
	tcase_add_loop_test(tc, nobody_else_is_told_of, 0,
			    (int)(sizeof(unknown) / sizeof(unknown[0])));
	tcase_add_test(tc, who_nobody_asks_after_is_forgotten_in_time);
	tcase_add_test(tc, those_that_run_have_a_bound);
	tcase_add_test(tc, who_has_ended_makes_room_the_oldest_first);
	tcase_add_test(tc, a_number_is_that_of_the_latest);
	tcase_add_test(tc, output_has_a_bound_altogether_and_the_latest_is_kept);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
