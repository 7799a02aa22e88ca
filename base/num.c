#include "base/num.h"

#include <errno.h>
#include <stddef.h>

static int digit_of(char c, unsigned base)
{
	unsigned d;

	if (c >= '0' && c <= '9')
		d = (unsigned)(c - '0');
	else if (c >= 'a' && c <= 'f')
		d = (unsigned)(c - 'a') + 10;
	else if (c >= 'A' && c <= 'F')
		d = (unsigned)(c - 'A') + 10;
	else
		return -1;
	return d < base ? (int)d : -1;
}

static int parse_base(const char *s, unsigned base, uint64_t *ret, const char **end)
{
	uint64_t v = 0;
	int d = digit_of(*s, base);

	if (d < 0)
		return -EINVAL;
	for (; d >= 0; d = digit_of(*s, base)) {
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return -ERANGE;
		s++;
	}
	*ret = v;
	if (end)
		*end = s;
	return 0;
}

int vmv_parse_u64(const char *s, uint64_t *ret, const char **end)
{
	return parse_base(s, 10, ret, end);
}

int vmv_parse_count(const char *s, uint64_t *ret, const char **end)
{
	uint64_t v;
	int r = parse_base(s, 10, &v, end);

	if (r == 0)
		*ret = v > INT64_MAX ? VMV_UNSET : v;
	return r;
}

int vmv_parse_hex(const char *s, uint64_t *ret, const char **end)
{
	return parse_base(s, 16, ret, end);
}

int vmv_parse_i64(const char *s, int64_t *ret, const char **end)
{
	bool is_negative = *s == '-';
	uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	uint64_t v;
	int r = parse_base(s + is_negative, 10, &v, end);

	if (r < 0)
		return r;
	if (v > limit)
		return -ERANGE;
	*ret = is_negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int vmv_parse_fixed(const char *s, unsigned decimals, uint64_t *ret, const char **end)
{
	uint64_t v;
	int r = parse_base(s, 10, &v, &s);

	if (r < 0)
		return r;
	if (*s == '.' && digit_of(s[1], 10) >= 0)
		s++;
	for (; decimals > 0; decimals--) {
		int d = digit_of(*s, 10);

		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(d < 0 ? 0 : d), &v))
			return -ERANGE;
		s += d >= 0;
	}
	while (digit_of(*s, 10) >= 0)
		s++;
	*ret = v;
	if (end)
		*end = s;
	return 0;
}

bool vmv_counter_delta(uint64_t before, uint64_t now, uint64_t *ret)
{
	if (before == VMV_UNSET || now == VMV_UNSET || now < before)
		return false;
	*ret = now - before;
	return true;
}

bool vmv_counter_delta32(uint64_t before, uint64_t now, uint64_t most, uint64_t *ret)
{
	uint32_t wrapped = (uint32_t)now - (uint32_t)before;

	if (vmv_counter_delta(before, now, ret))
		return true;
	if (before > UINT32_MAX || now > UINT32_MAX || wrapped > most)
		return false;
	*ret = wrapped;
	return true;
}

uint64_t vmv_add_sat(uint64_t a, uint64_t b)
{
	uint64_t v;

	if (a == VMV_UNSET || b == VMV_UNSET)
		return VMV_UNSET;
	if (__builtin_add_overflow(a, b, &v) || v == VMV_UNSET)
		return VMV_UNSET - 1;
	return v;
}

uint64_t vmv_mul_sat(uint64_t a, uint64_t b)
{
	uint64_t v;

	if (a == VMV_UNSET || b == VMV_UNSET)
		return VMV_UNSET;
	if (__builtin_mul_overflow(a, b, &v) || v == VMV_UNSET)
		return VMV_UNSET - 1;
	return v;
}
