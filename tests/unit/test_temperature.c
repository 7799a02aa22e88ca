#include "collectors/temperature.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

static const struct vmv_temperature_sample *row(const struct kept *k, const char *id)
{
	const struct vmv_temperature_sample *s = kept_row(k, id);

	ck_assert_msg(s, "no row %s", id);
	return s;
}

static void read_rows(struct kept *k)
{
	struct vmv_err err = { 0 };

	kept_init(k, &vmv_collector_temperature);
	ck_assert_msg(kept_read(k, &vmv_collector_temperature, &fx.root, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(err.code, VMV_OK);
}

START_TEST(sensors_of_both_classes_in_order_of_their_numbers)
{
	struct kept k;

	/* entries of the class are links, as in sysfs */
	fixture_put(&fx, "sys/devices/coretemp/name", "coretemp\n");
	fixture_put(&fx, "sys/devices/coretemp/temp1_input", "45000\n");
	fixture_put(&fx, "sys/devices/coretemp/temp1_label", "Package id 0\n");
	fixture_put(&fx, "sys/devices/coretemp/temp1_max", "80000\n");
	fixture_put(&fx, "sys/devices/coretemp/temp10_input", "44000\n");
	fixture_put(&fx, "sys/devices/coretemp/temp2_input", "43500\n");
	fixture_put(&fx, "sys/devices/coretemp/fan1_input", "1200\n");
	fixture_link(&fx, "sys/class/hwmon/hwmon2", "../../devices/coretemp");
	fixture_put(&fx, "sys/class/hwmon/hwmon10/temp1_input", "38123\n");
	fixture_put(&fx, "sys/class/thermal/thermal_zone0/temp", "27800\n");
	fixture_put(&fx, "sys/class/thermal/thermal_zone0/type", "acpitz\n");
	fixture_put(&fx, "sys/class/thermal/cooling_device0/type", "Processor\n");

	read_rows(&k);
	ck_assert_uint_eq(k.n, 5);
	ck_assert_str_eq(k.ids[0], "hwmon2/temp1");
	ck_assert_str_eq(k.ids[1], "hwmon2/temp2");
	ck_assert_str_eq(k.ids[2], "hwmon2/temp10");
	ck_assert_str_eq(k.ids[3], "hwmon10/temp1");
	ck_assert_str_eq(k.ids[4], "thermal_zone0");

	ck_assert_double_eq(row(&k, "hwmon2/temp1")->celsius, 45.0);
	ck_assert_uint_eq(row(&k, "hwmon2/temp1")->is_hwmon, 1);
	ck_assert_str_eq(row(&k, "hwmon2/temp1")->chip, "coretemp");
	ck_assert_str_eq(row(&k, "hwmon2/temp1")->label, "Package id 0");
	ck_assert_double_eq(row(&k, "hwmon2/temp2")->celsius, 43.5);
	ck_assert_str_eq(row(&k, "hwmon2/temp2")->label, "temp2");
	ck_assert_double_eq(row(&k, "hwmon10/temp1")->celsius, 38.123);
	ck_assert_str_eq(row(&k, "hwmon10/temp1")->chip, ""); /* it has no name */
	ck_assert_double_eq(row(&k, "thermal_zone0")->celsius, 27.8);
	ck_assert_uint_eq(row(&k, "thermal_zone0")->is_hwmon, 0);
	ck_assert_str_eq(row(&k, "thermal_zone0")->chip, "acpitz");
	ck_assert_str_eq(row(&k, "thermal_zone0")->label, "");
	kept_clear(&k);
}
END_TEST

static const char *const implausible[] = {
	"-1\n",	  "150001\n", "-273150\n",
	"",	  "\n",	      "x\n",
	"45.0\n", "45000x\n", "99999999999999999999\n",
};

START_TEST(a_sensor_that_says_nonsense_is_left_out_alone)
{
	struct kept k;

	fixture_put(&fx, "sys/class/hwmon/hwmon0/temp1_input", implausible[_i]);
	fixture_put(&fx, "sys/class/hwmon/hwmon0/temp2_input", "150000\n");
	fixture_put(&fx, "sys/class/hwmon/hwmon0/temp3_input", "0\n");
	fixture_put(&fx, "sys/class/thermal/thermal_zone0/temp", implausible[_i]);
	read_rows(&k);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_double_eq(row(&k, "hwmon0/temp2")->celsius, 150.0);
	ck_assert_double_eq(row(&k, "hwmon0/temp3")->celsius, 0.0);
	kept_clear(&k);
}
END_TEST

START_TEST(a_sensor_that_cannot_be_read_is_left_out_alone)
{
	struct kept k;

	fixture_mkdir(&fx, "sys/class/hwmon/hwmon0/temp1_input"); /* read(2) says EISDIR */
	fixture_put(&fx, "sys/class/hwmon/hwmon0/temp2_input", "30000\n");
	fixture_link(&fx, "sys/class/hwmon/hwmon1", "nowhere");
	fixture_mkdir(&fx, "sys/class/thermal/thermal_zone3");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_double_eq(row(&k, "hwmon0/temp2")->celsius, 30.0);
	kept_clear(&k);
}
END_TEST

START_TEST(one_class_is_enough)
{
	struct kept k;

	fixture_mkdir(&fx, "sys/class/hwmon");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
}
END_TEST

START_TEST(the_other_class_is_enough_too)
{
	struct kept k;

	fixture_put(&fx, "sys/class/thermal/thermal_zone1/temp", "20000\n");
	read_rows(&k);
	ck_assert_uint_eq(k.n, 1);
	kept_clear(&k);
}
END_TEST

START_TEST(no_class_at_all_is_enoent)
{
	struct vmv_err err = { 0 };
	struct kept k;

	kept_init(&k, &vmv_collector_temperature);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_temperature, &fx.root, &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	kept_clear(&k);
}
END_TEST

START_TEST(a_class_that_is_no_directory_is_a_failure)
{
	struct vmv_err err = { 0 };
	struct kept k;

	fixture_put(&fx, "sys/class/hwmon", "");
	kept_init(&k, &vmv_collector_temperature);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_temperature, &fx.root, &err), -ENOTDIR);
	ck_assert_ptr_nonnull(strstr(err.msg, "/sys/class/hwmon"));
	kept_clear(&k);
}
END_TEST

START_TEST(the_kernel_we_run_on_is_understood)
{
	struct vmv_root root;
	struct vmv_err err = { 0 };
	struct kept k;
	int r;

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	kept_init(&k, &vmv_collector_temperature);
	r = kept_read(&k, &vmv_collector_temperature, &root, &err);
	ck_assert_msg(r == 0 || r == -ENOENT, "%s", err.msg);
	for (size_t i = 0; i < k.n; i++) {
		ck_assert_double_ge(row(&k, k.ids[i])->celsius, 0.0);
		ck_assert_double_le(row(&k, k.ids[i])->celsius, 150.0);
	}
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("temperature");
	TCase *tc = tcase_create("temperature");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, sensors_of_both_classes_in_order_of_their_numbers);
	tcase_add_loop_test(tc, a_sensor_that_says_nonsense_is_left_out_alone, 0,
			    (int)VMV_COUNTOF(implausible));
	tcase_add_test(tc, a_sensor_that_cannot_be_read_is_left_out_alone);
	tcase_add_test(tc, one_class_is_enough);
	tcase_add_test(tc, the_other_class_is_enough_too);
	tcase_add_test(tc, no_class_at_all_is_enoent);
	tcase_add_test(tc, a_class_that_is_no_directory_is_a_failure);
	tcase_add_test(tc, the_kernel_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
