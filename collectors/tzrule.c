#include "collectors/timezone.h"

#include "base/num.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define DAY_S	   86400
#define HOUR_S	   3600
#define HOURS_MAX  167 /* a week: what tzdata needs; POSIX says 24 */
#define OFFSET_MAX (25 * HOUR_S)

/* A day of each year. */
struct day {
	enum { JULIAN, ZERO_BASED, MONTH } kind;
	uint64_t month, week, day;
	int64_t time; /* seconds after its midnight, which may be of another day */
};

/* -- words ------------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_quotable(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-';
}

/* Letters, or anything plain in pointed brackets. */
static int parse_name(const char **s, char ret[VMV_ZONE_NAME])
{
	bool is_quoted = **s == '<';
	const char *from = *s + is_quoted, *to = from;

	while (is_quoted ? is_quotable(*to) : is_letter(*to))
		to++;
	if (to - from < 3 || to - from >= VMV_ZONE_NAME || (is_quoted && *to != '>'))
		return -EINVAL;
	memcpy(ret, from, (size_t)(to - from));
	ret[to - from] = '\0';
	*s = to + is_quoted;
	return 0;
}

static int parse_below(const char **s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (vmv_parse_u64(*s, &v, s) < 0 || v < min || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* "-5:30" to seconds: hours, and optional minutes and seconds. */
static int parse_time(const char **s, int64_t *ret)
{
	uint64_t hours, minutes = 0, seconds = 0;
	bool is_negative = **s == '-';

	*s += **s == '-' || **s == '+';
	if (parse_below(s, 0, HOURS_MAX, &hours) < 0)
		return -EINVAL;
	if (**s == ':') {
		(*s)++;
		if (parse_below(s, 0, 59, &minutes) < 0)
			return -EINVAL;
		if (**s == ':') {
			(*s)++;
			if (parse_below(s, 0, 59, &seconds) < 0)
				return -EINVAL;
		}
	}
	*ret = (int64_t)(hours * HOUR_S + minutes * 60 + seconds);
	if (is_negative)
		*ret = -*ret;
	return 0;
}

/* West of UTC in the text, east in ret. */
static int parse_offset(const char **s, int32_t *ret)
{
	int64_t v;

	if (parse_time(s, &v) < 0 || v > OFFSET_MAX || v < -OFFSET_MAX)
		return -EINVAL;
	*ret = (int32_t)-v;
	return 0;
}

static int parse_month_day(const char **s, struct day *ret)
{
	ret->kind = MONTH;
	if (parse_below(s, 1, 12, &ret->month) < 0 || *(*s)++ != '.' ||
	    parse_below(s, 1, 5, &ret->week) < 0 || *(*s)++ != '.')
		return -EINVAL;
	return parse_below(s, 0, 6, &ret->day);
}

/* ",M3.5.0/2", ",J60", ",59". */
static int parse_day(const char **s, struct day *ret)
{
	int r;

	*ret = (struct day){ .time = 2 * HOUR_S };
	if (*(*s)++ != ',')
		return -EINVAL;
	if (**s == 'M') {
		(*s)++;
		r = parse_month_day(s, ret);
	} else if (**s == 'J') {
		(*s)++;
		ret->kind = JULIAN;
		r = parse_below(s, 1, 365, &ret->day);
	} else {
		ret->kind = ZERO_BASED;
		r = parse_below(s, 0, 365, &ret->day);
	}
	if (r < 0 || **s != '/')
		return r;
	(*s)++;
	return parse_time(s, &ret->time);
}

/* -- the calendar ------------------------------------------------------------------------------ */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && a < 0);
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970 to the first one of that year. */
static int64_t days_before(int64_t year)
{
	int64_t y = year - 1;

	return 365 * (year - 1970) + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) - 477;
}

static int64_t year_of(int64_t days)
{
	int64_t year = 1970 + floor_div(days * 400, 146097);

	while (days < days_before(year))
		year--;
	while (days >= days_before(year + 1))
		year++;
	return year;
}

static int64_t month_day(int64_t year, const struct day *d)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t first = days_before(year), length, weekday, day;

	for (size_t m = 0; m + 1 < d->month; m++)
		first += lengths[m] + (m == 1 && is_leap(year));
	length = lengths[d->month - 1] + (d->month == 2 && is_leap(year));
	weekday = (first + 4) - 7 * floor_div(first + 4, 7); /* 1970 began on a Thursday */
	day = ((int64_t)d->day - weekday + 7) % 7 + 7 * ((int64_t)d->week - 1);
	if (day >= length) /* the fifth is the last */
		day -= 7;
	return first + day;
}

/* In seconds since 1970 as a clock that shows local time counts them. */
static int64_t local_time_of(int64_t year, const struct day *d)
{
	int64_t day = days_before(year) + (int64_t)d->day;

	if (d->kind == MONTH)
		day = month_day(year, d);
	else if (d->kind == JULIAN) /* 29 February has no number */
		day += is_leap(year) && d->day >= 60 ? 0 : -1;
	return day * DAY_S + d->time;
}

static bool is_summer(int64_t at, const struct day days[2], int32_t winter, int32_t summer)
{
	int64_t year = year_of(floor_div(at + winter, DAY_S));
	int64_t begin = local_time_of(year, &days[0]) - winter;
	int64_t end = local_time_of(year, &days[1]) - summer;

	return begin < end ? at >= begin && at < end : at >= begin || at < end;
}

/* -- rules ------------------------------------------------------------------------------------- */

int vmv_tzrule_parse(const char *rule, int64_t at, struct vmv_timezone *ret)
{
	struct vmv_timezone winter, summer;
	struct day days[2];
	const char *s = rule;

	if (at > INT64_C(1) << 40 || at < -(INT64_C(1) << 40) || parse_name(&s, winter.name) < 0 ||
	    parse_offset(&s, &winter.offset) < 0)
		return -EINVAL;
	if (!*s) {
		*ret = winter;
		return 0;
	}
	if (parse_name(&s, summer.name) < 0)
		return -EINVAL;
	summer.offset = winter.offset + HOUR_S;
	if (*s != ',' && parse_offset(&s, &summer.offset) < 0)
		return -EINVAL;
	if (parse_day(&s, &days[0]) < 0 || parse_day(&s, &days[1]) < 0 || *s)
		return -EINVAL;
	*ret = is_summer(at, days, winter.offset, summer.offset) ? summer : winter;
	return 0;
}
