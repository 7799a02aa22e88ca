#include "base/rfc3339.h"

#include <stddef.h>
#include <time.h>

/* n digits; *p moves past them. */
static bool digits(const char **p, unsigned n, int *ret)
{
	*ret = 0;
	for (; n > 0; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*ret = *ret * 10 + (**p - '0');
	}
	return true;
}

static bool one_of(const char **p, const char *set)
{
	for (; *set; set++) {
		if (**p == *set) {
			(*p)++;
			return true;
		}
	}
	return false;
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && is_leap);
}

static bool parse_date(const char **p, struct tm *tm)
{
	int year, month, day;

	if (!digits(p, 4, &year) || !one_of(p, "-") || !digits(p, 2, &month) || !one_of(p, "-") ||
	    !digits(p, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_of(year, month))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	return true;
}

static bool parse_clock(const char **p, struct tm *tm, int *ms)
{
	int scale = 100;

	if (!digits(p, 2, &tm->tm_hour) || !one_of(p, ":") || !digits(p, 2, &tm->tm_min) ||
	    !one_of(p, ":") || !digits(p, 2, &tm->tm_sec))
		return false;
	if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return false;
	*ms = 0;
	if (!one_of(p, "."))
		return true;
	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
		*ms += (**p - '0') * scale;
	return true;
}

static bool parse_offset(const char **p, int *minutes)
{
	int hours, rest, sign = **p == '-' ? -1 : 1;

	*minutes = 0;
	if (one_of(p, "Zz"))
		return true;
	if (!one_of(p, "+-") || !digits(p, 2, &hours) || !one_of(p, ":") || !digits(p, 2, &rest))
		return false;
	*minutes = sign * (hours * 60 + rest);
	return hours <= 23 && rest <= 59;
}

bool vmv_rfc3339_parse(const char *text, int64_t *ret)
{
	struct tm tm = { 0 };
	int ms, minutes;

	if (!parse_date(&text, &tm) || !one_of(&text, "Tt ") || !parse_clock(&text, &tm, &ms) ||
	    !parse_offset(&text, &minutes) || *text != '\0')
		return false;
	*ret = ((int64_t)timegm(&tm) - (int64_t)minutes * 60) * 1000 + ms;
	return true;
}
