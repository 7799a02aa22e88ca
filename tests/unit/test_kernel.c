#include "collectors/kernel.h"

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

START_TEST(every_file_goes_to_its_own_member)
{
	const struct vmv_kernel_sample *s;
	struct kept k;

	fixture_put(&fx, "proc/sys/fs/file-nr", "539\t0\t9223372036854775807\n");
	fixture_put(&fx, "proc/sys/kernel/random/entropy_avail", "255\n");
	fixture_put(&fx, "proc/sys/kernel/random/poolsize", "256\n");
	fixture_put(&fx, "proc/sys/net/netfilter/nf_conntrack_count", "17\n");
	fixture_put(&fx, "proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
	kept_init(&k, &vmv_collector_kernel);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_kernel, &fx.root, NULL), 0);
	ck_assert_uint_eq(k.n, 1);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->files, 539);
	ck_assert_uint_eq(s->files_max, INT64_MAX); /* systemd asks for no limit */
	ck_assert_uint_eq(s->entropy, 255);
	ck_assert_uint_eq(s->entropy_max, 256);
	ck_assert_uint_eq(s->conntrack, 17);
	ck_assert_uint_eq(s->conntrack_max, 262144);
	kept_clear(&k);
}
END_TEST

START_TEST(files_that_are_missing_are_unknown_until_they_come)
{
	void *state = vmv_collector_kernel.open(&fx.root);
	const struct vmv_kernel_sample *s;
	struct kept k;

	ck_assert_ptr_nonnull(state);
	kept_init(&k, &vmv_collector_kernel);
	fixture_put(&fx, "proc/sys/fs/file-nr", "1\t0\t2\n");
	ck_assert_int_eq(vmv_collector_kernel.read(state, &fx.root, &k.sink, NULL), 0);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->files, 1);
	ck_assert(s->entropy == VMV_UNSET);
	ck_assert(s->conntrack == VMV_UNSET); /* the module is not loaded: not 0 */
	ck_assert(s->conntrack_max == VMV_UNSET);
	kept_clear(&k);
	fixture_put(&fx, "proc/sys/net/netfilter/nf_conntrack_count", "0\n");
	ck_assert_int_eq(vmv_collector_kernel.read(state, &fx.root, &k.sink, NULL), 0);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->conntrack, 0);
	ck_assert_uint_eq(s->files, 1);
	vmv_collector_kernel.close(state);
	vmv_collector_kernel.close(NULL);
	kept_clear(&k);
}
END_TEST

START_TEST(none_of_the_files_is_enoent)
{
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_kernel);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_kernel, &fx.root, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

static const struct {
	const char *path, *text;
	int error;
} failures[] = {
	{ "proc/sys/kernel/random/poolsize", "many\n", -EINVAL },
	{ "proc/sys/kernel/random/poolsize", "", -EINVAL },
	{ "proc/sys/fs/file-nr", "1 0 2\n", -EINVAL },
	{ "proc/sys/fs/file-nr/not-a-file", "", -EISDIR },
	{ "proc/sys/net/netfilter/nf_conntrack_max/not-a-file", "", -EISDIR },
};

START_TEST(what_is_there_and_wrong_is_a_failure)
{
	struct vmv_err err = { 0 };
	struct kept k;

	fixture_put(&fx, "proc/sys/kernel/random/entropy_avail", "255\n");
	fixture_put(&fx, failures[_i].path, failures[_i].text);
	kept_init(&k, &vmv_collector_kernel);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_kernel, &fx.root, &err), failures[_i].error);
	ck_assert_ptr_nonnull(strstr(err.msg, "/proc/sys/"));
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

static const char *const bad_file_nr[] = {
	"",
	"\n",
	"539\t0\t2466177", /* cut before the newline */
	"539\t0\n",
	"539\t\t2466177\n",
	"539 0 2466177\n",
	"-539\t0\t2466177\n",
	"539\t0\t2466177\t1\n",
	"x\t0\t2466177\n",
	"539\t0\t18446744073709551616\n",
};

START_TEST(malformed_file_nr_fails_and_leaves_output_alone)
{
	struct vmv_kernel_sample s = { 7, 7, 7, 7, 7, 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_file_nr_parse(bad_file_nr[_i], &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert(s.files == 7 && s.files_max == 7);
}
END_TEST

static const char *const bad_numbers[] = {
	"", "\n", "12", "12 \n", " 12\n", "-12\n", "0x12\n", "12x\n", "18446744073709551616\n",
};

START_TEST(malformed_numbers_fail_and_leave_output_alone)
{
	struct vmv_err err = { 0 };
	uint64_t v = 7;

	ck_assert_int_eq(vmv_sysctl_parse(bad_numbers[_i], "sys/x", &v, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "/proc/sys/x: not a number");
	ck_assert_uint_eq(v, 7);
}
END_TEST

START_TEST(numbers_below_zero_are_unknown)
{
	struct vmv_kernel_sample s;
	uint64_t v = 7;

	ck_assert_int_eq(vmv_sysctl_parse("18446744073709551615\n", "x", &v, NULL), 0);
	ck_assert(v == VMV_UNSET);
	ck_assert_int_eq(vmv_file_nr_parse("18446744073709551614\t0\t5\n", &s, NULL), 0);
	ck_assert(s.files == VMV_UNSET);
	ck_assert_uint_eq(s.files_max, 5);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	const struct vmv_kernel_sample *s;
	struct vmv_root root;
	struct vmv_err err = { 0 };
	struct kept k;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_kernel);
	ck_assert_msg(kept_read(&k, &vmv_collector_kernel, &root, &err) == 0, "%s", err.msg);
	s = kept_row(&k, "");
	ck_assert_uint_gt(s->files, 0);
	ck_assert_uint_lt(s->files, s->files_max);
	ck_assert_uint_le(s->entropy, s->entropy_max);
	if (faccessat(root.proc, "sys/net/netfilter/nf_conntrack_count", R_OK, 0) == 0)
		ck_assert_uint_le(s->conntrack, s->conntrack_max);
	else
		SAY_SKIPPED("this kernel tracks no connections");
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kernel");
	TCase *tc = tcase_create("kernel");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, every_file_goes_to_its_own_member);
	tcase_add_test(tc, files_that_are_missing_are_unknown_until_they_come);
	tcase_add_test(tc, none_of_the_files_is_enoent);
	tcase_add_loop_test(tc, what_is_there_and_wrong_is_a_failure, 0,
			    (int)VMV_COUNTOF(failures));
	tcase_add_loop_test(tc, malformed_file_nr_fails_and_leaves_output_alone, 0,
			    (int)VMV_COUNTOF(bad_file_nr));
	tcase_add_loop_test(tc, malformed_numbers_fail_and_leave_output_alone, 0,
			    (int)VMV_COUNTOF(bad_numbers));
	tcase_add_test(tc, numbers_below_zero_are_unknown);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
