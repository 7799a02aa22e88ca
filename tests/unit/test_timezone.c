#include "collectors/timezone.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define SPRING INT64_C(1774746000) /* 2026-03-29 01:00 UTC */
#define AUTUMN INT64_C(1792890000) /* 2026-10-25 01:00 UTC */
#define ZONE   "etc/localtime"

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

/* -- rules ------------------------------------------------------------------------------------- */

static const struct {
	const char *rule;
	int64_t at;
	const char *name;
	int32_t offset;
} rules[] = {
	{ "UTC0", 0, "UTC", 0 },
	{ "<+0330>-3:30", 0, "+0330", 12600 },
	{ "<-03>3", 0, "-03", -10800 },
	{ "LMT+0:53:28", 0, "LMT", -3208 },
	{ BERLIN, SPRING - 1, "CET", 3600 },
	{ BERLIN, SPRING, "CEST", 7200 },
	{ BERLIN, AUTUMN - 1, "CEST", 7200 },
	{ BERLIN, AUTUMN, "CET", 3600 },
	{ BERLIN, INT64_C(13585190400), "CEST", 7200 }, /* 2400-07-01 */
	{ BERLIN, -15897600, "CEST", 7200 },		/* 1969-07-01 */
	/* south of the equator a year begins and ends in summer */
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1767225600, "AEDT", 39600 },
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1775318399, "AEDT", 39600 },
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1775318400, "AEST", 36000 },
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1791043199, "AEST", 36000 },
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1791043200, "AEDT", 39600 },
	/* Irish winter time is summer time below the standard */
	{ "IST-1GMT0,M10.5.0,M3.5.0/1", SPRING - 1, "GMT", 0 },
	{ "IST-1GMT0,M10.5.0,M3.5.0/1", SPRING, "IST", 3600 },
	{ "IST-1GMT0,M10.5.0,M3.5.0/1", AUTUMN, "GMT", 0 },
	/* an hour of the day before */
	{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", SPRING - 1, "-02", -7200 },
	{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", SPRING, "-01", -3600 },
	{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", AUTUMN, "-02", -7200 },
	/* summer all year round */
	{ "XXX3EDT4,0/0,J365/23", 1767225600, "EDT", -14400 },
	{ "XXX3EDT4,0/0,J365/23", 1798761600, "EDT", -14400 },
	/* 1 March is J60 in each year, */
	{ "AAA0BBB,J60/0,J61/1", 1835481599, "AAA", 0 },
	{ "AAA0BBB,J60/0,J61/1", 1835481600, "BBB", 3600 }, /* 2028 */
	{ "AAA0BBB,J60/0,J61/1", 1835568000, "AAA", 0 },
	{ "AAA0BBB,J60/0,J61/1", 1803859200, "BBB", 3600 }, /* 2027 */
	/* and 59 or 60 otherwise */
	{ "AAA0BBB,59/0,60/1", 1835395200, "BBB", 3600 },
	{ "AAA0BBB,59/0,60/1", 1835481600, "AAA", 0 },
	{ "AAA0BBB,59/0,60/1", 1803859200, "BBB", 3600 },
};

START_TEST(rules_tell_what_is_in_force)
{
	struct vmv_timezone z;

	ck_assert_int_eq(vmv_tzrule_parse(rules[_i].rule, rules[_i].at, &z), 0);
	ck_assert_str_eq(z.name, rules[_i].name);
	ck_assert_int_eq(z.offset, rules[_i].offset);
}
END_TEST

static const char *const bad_rules[] = {
	"",
	"UT0",
	"UTC",
	"UTC-",
	"UTC26",
	"UTC168",
	"UTC0:60",
	"UTC0:0:60",
	"UTC0 ",
	"<+030-3",
	"<+03",
	"<a b>0",
	"CET-1CEST",
	"CET-1CEST,",
	"CET-1CEST,M3.5.0",
	"CET-1CEST,M3.5.0,",
	"CET-1CEST,M0.5.0,M10.5.0",
	"CET-1CEST,M13.5.0,M10.5.0",
	"CET-1CEST,M3.0.0,M10.5.0",
	"CET-1CEST,M3.6.0,M10.5.0",
	"CET-1CEST,M3.5.7,M10.5.0",
	"CET-1CEST,M3.5,M10.5.0",
	"CET-1CEST,J0,J1",
	"CET-1CEST,J366,J1",
	"CET-1CEST,366,1",
	"CET-1CEST,M3.5.0/168,M10.5.0",
	"CET-1CEST,M3.5.0/,M10.5.0",
	"CET-1CEST,M3.5.0,M10.5.0/3x",
	"CET-1CEST26,M3.5.0,M10.5.0",
	"CET-1CEST,M99999999999999999999.5.0,M10.5.0",
	"<AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA>0",
};

START_TEST(malformed_rules_are_refused)
{
	struct vmv_timezone z = { "old", 7 };

	ck_assert_int_eq(vmv_tzrule_parse(bad_rules[_i], SPRING, &z), -EINVAL);
	ck_assert_str_eq(z.name, "old");
}
END_TEST

START_TEST(times_beyond_all_clocks_are_refused)
{
	struct vmv_timezone z;

	ck_assert_int_eq(vmv_tzrule_parse(BERLIN, INT64_MAX, &z), -EINVAL);
	ck_assert_int_eq(vmv_tzrule_parse(BERLIN, INT64_MIN, &z), -EINVAL);
}
END_TEST

/* -- files ------------------------------------------------------------------------------------- */

/* A file under construction. */
static struct {
	unsigned char bytes[1024];
	size_t len;
} file;

static void put(const void *bytes, size_t len)
{
	ck_assert_uint_le(file.len + len, sizeof(file.bytes));
	memcpy(file.bytes + file.len, bytes, len);
	file.len += len;
}

static void put_number(int64_t v, unsigned size)
{
	for (unsigned i = size; i-- > 0;)
		put(&(unsigned char){ (unsigned char)((uint64_t)v >> 8 * i) }, 1);
}

/* LMT of 3208 s, from -1000 on CET, from 1000 on CEST of "CEST", then CET again at 2000. */
static void put_block(char version, unsigned time_size)
{
	static const int64_t times[] = { -1000, 1000, 2000 };
	static const unsigned char indexes[] = { 1, 2, 1 };
	static const unsigned counts[] = { 0, 0, 0, 3, 3, 13 };
	static const char chars[] = "LMT\0CET\0CEST"; /* and its NUL */

	put("TZif", 4);
	put(&version, 1);
	put("\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15);
	for (size_t i = 0; i < VMV_COUNTOF(counts); i++)
		put_number(counts[i], 4);
	for (size_t i = 0; i < VMV_COUNTOF(times); i++)
		put_number(times[i], time_size);
	put(indexes, sizeof(indexes));
	put_number(3208, 4);
	put("\0\0", 2);
	put_number(3600, 4);
	put("\0\4", 2);
	put_number(7200, 4);
	put("\1\10", 2);
	put(chars, sizeof(chars));
}

static void build(const char *rule)
{
	file.len = 0;
	put_block('2', 4);
	put_block('2', 8);
	put("\n", 1);
	put(rule, strlen(rule));
	put("\n", 1);
}

static void expect(int64_t at, const char *name, int32_t offset)
{
	struct vmv_timezone z;
	vmv_autofree unsigned char *copy = malloc(file.len); /* ends where it ends */

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, file.bytes, file.len);
	ck_assert_int_eq(vmv_tzfile_parse(copy, file.len, at, &z), 0);
	ck_assert_str_eq(z.name, name);
	ck_assert_int_eq(z.offset, offset);
}

static int parse(size_t len)
{
	vmv_autofree unsigned char *copy = malloc(len + 1);
	struct vmv_timezone z;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, file.bytes, len);
	return vmv_tzfile_parse(copy, len, 1500, &z);
}

static void expect_past(void)
{
	expect(-1000000000000, "LMT", 3208);
	expect(-1001, "LMT", 3208);
	expect(-1000, "CET", 3600);
	expect(999, "CET", 3600);
	expect(1000, "CEST", 7200);
	expect(1999, "CEST", 7200);
}

START_TEST(changes_are_looked_up)
{
	build("");
	expect_past();
	expect(2000, "CET", 3600);
	expect(SPRING, "CET", 3600);
}
END_TEST

START_TEST(after_the_last_change_the_rule_counts)
{
	build("EST5");
	expect_past();
	expect(2000, "EST", -18000);
	build(BERLIN);
	expect(SPRING - 1, "CET", 3600);
	expect(SPRING, "CEST", 7200);
}
END_TEST

START_TEST(files_of_the_first_version_have_no_rule)
{
	file.len = 0;
	put_block('\0', 4);
	expect_past();
	expect(SPRING, "CET", 3600);
}
END_TEST

START_TEST(a_file_that_is_cut_is_malformed)
{
	build(BERLIN);
	for (size_t len = 0; len < file.len; len++)
		ck_assert_msg(parse(len) == -EINVAL, "%zu bytes", len);
	ck_assert_int_eq(parse(file.len), 0);
	file.len = 0;
	put_block('\0', 4);
	for (size_t len = 0; len < file.len; len++)
		ck_assert_msg(parse(len) == -EINVAL, "%zu bytes", len);
}
END_TEST

/* Places in the second block; each alone makes the file malformed, or another one. */
START_TEST(numbers_that_lead_nowhere_are_malformed)
{
	enum { BLOCK = 44 + 3 * 4 + 3 + 3 * 6 + 13, TYPES = 44 + 3 * 8 + 3 };
	static const struct {
		size_t at;
		unsigned char byte;
	} cases[] = {
		{ 0, 'X' },			     /* no file of this kind */
		{ BLOCK, 'X' },			     /* nor its second half */
		{ BLOCK + 32, 0xff },		     /* more changes than bytes */
		{ BLOCK + 36, 0xff },		     /* more types */
		{ BLOCK + 39, 2 },		     /* fewer types than are meant */
		{ BLOCK + 44 + 3 * 8 + 1, 3 },	     /* a type that is not there */
		{ BLOCK + TYPES + 2 * 6 + 5, 13 },   /* a name that is not there */
		{ BLOCK + TYPES + 2 * 6 + 5, 12 },   /* an empty one */
		{ BLOCK + TYPES + 3 * 6 + 12, 'X' }, /* one without end */
		{ BLOCK + TYPES + 2 * 6, 0x7f },     /* an offset of years */
	};

	for (size_t i = 0; i < VMV_COUNTOF(cases); i++) {
		build(BERLIN);
		ck_assert_int_eq(parse(file.len), 0);
		file.bytes[cases[i].at] = cases[i].byte;
		ck_assert_msg(parse(file.len) == -EINVAL, "case %zu", i);
	}
}
END_TEST

START_TEST(a_file_without_types_says_nothing)
{
	file.len = 0;
	put("TZif", 4);
	put("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	for (int i = 0; i < 6; i++)
		put_number(0, 4);
	ck_assert_int_eq(parse(file.len), -EINVAL);
}
END_TEST

/* -- the guest's ------------------------------------------------------------------------------- */

static void expect_here(const char *name, int32_t offset)
{
	struct vmv_timezone z;
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_timezone_read(&fx.root, 1500, &z, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(z.name, name);
	ck_assert_int_eq(z.offset, offset);
}

START_TEST(without_the_file_it_is_utc)
{
	expect_here("UTC", 0);
}
END_TEST

START_TEST(a_change_of_the_link_shows_at_once)
{
	build(BERLIN);
	fixture_put_bytes(&fx, "usr/share/zoneinfo/Europe/Berlin", file.bytes, file.len);
	file.len = 0;
	put_block('\0', 4);
	file.bytes[44 + 3 * 4 + 3 + 2 * 6 + 3] = 0x21; /* 7200 becomes 7201 */
	fixture_put_bytes(&fx, "usr/share/zoneinfo/Other", file.bytes, file.len);
	fixture_link(&fx, ZONE, "../usr/share/zoneinfo/Europe/Berlin");
	expect_here("CEST", 7200);
	ck_assert_int_eq(unlinkat(fx.root.top, ZONE, 0), 0);
	fixture_link(&fx, ZONE, "../usr/share/zoneinfo/Other");
	expect_here("CEST", 7201);
	ck_assert_int_eq(unlinkat(fx.root.top, ZONE, 0), 0);
	expect_here("UTC", 0);
}
END_TEST

START_TEST(what_is_no_such_file_is_an_error)
{
	struct vmv_timezone z = { "old", 7 };
	struct vmv_err err = { 0 };

	fixture_put(&fx, ZONE, "CET-1\n");
	ck_assert_int_lt(vmv_timezone_read(&fx.root, 1500, &z, &err), 0);
	ck_assert_str_eq(err.msg, "/etc/localtime: malformed");
	ck_assert_int_eq(unlinkat(fx.root.top, ZONE, 0), 0);
	fixture_mkdir(&fx, ZONE);
	ck_assert_int_lt(vmv_timezone_read(&fx.root, 1500, &z, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "cannot read /etc/localtime"));
	ck_assert_str_eq(z.name, "old");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timezone");
	TCase *tc = tcase_create("timezone");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, rules_tell_what_is_in_force, 0, (int)VMV_COUNTOF(rules));
	tcase_add_loop_test(tc, malformed_rules_are_refused, 0, (int)VMV_COUNTOF(bad_rules));
	tcase_add_test(tc, times_beyond_all_clocks_are_refused);
	tcase_add_test(tc, changes_are_looked_up);
	tcase_add_test(tc, after_the_last_change_the_rule_counts);
	tcase_add_test(tc, files_of_the_first_version_have_no_rule);
	tcase_add_test(tc, a_file_that_is_cut_is_malformed);
	tcase_add_test(tc, numbers_that_lead_nowhere_are_malformed);
	tcase_add_test(tc, a_file_without_types_says_nothing);
	tcase_add_test(tc, without_the_file_it_is_utc);
	tcase_add_test(tc, a_change_of_the_link_shows_at_once);
	tcase_add_test(tc, what_is_no_such_file_is_an_error);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
