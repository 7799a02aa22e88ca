#include "base/utf8.h"

/* One row of the table of well-formed sequences (Unicode, table 3-7). */
struct form {
	unsigned char first_lo, first_hi; /* range of the first byte */
	unsigned char second_lo, second_hi;
	unsigned char len;
};

static const struct form forms[] = {
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static const struct form *form_of(unsigned char c)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (c >= forms[i].first_lo && c <= forms[i].first_hi)
			return &forms[i];
	return NULL;
}

size_t vmv_utf8_decode(const unsigned char *s, size_t len, uint32_t *ret, size_t *skip)
{
	const struct form *f;
	uint32_t cp;

	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	f = form_of(s[0]);
	*skip = 1;
	if (!f)
		return 0;
	cp = s[0] & (0x7fu >> f->len);
	for (size_t i = 1; i < f->len; i++) {
		unsigned char lo = i == 1 ? f->second_lo : 0x80;
		unsigned char hi = i == 1 ? f->second_hi : 0xbf;

		if (i >= len || s[i] < lo || s[i] > hi) {
			*skip = i;
			return 0;
		}
		cp = cp << 6 | (s[i] & 0x3fu);
	}
	*ret = cp;
	return f->len;
}

bool vmv_utf8_valid(const unsigned char *s, size_t len)
{
	size_t skip, n;
	uint32_t cp;

	for (size_t i = 0; i < len; i += n) {
		n = vmv_utf8_decode(s + i, len - i, &cp, &skip);
		if (n == 0)
			return false;
	}
	return true;
}

size_t vmv_utf8_cut(const char *s, size_t len, size_t max)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t at = max, skip;
	uint32_t cp;

	if (len <= max)
		return len;
	/* at most three continuation bytes belong to a character that began before */
	for (int back = 0; back < 3 && at > 0 && (p[at] & 0xc0) == 0x80; back++)
		at--;
	/* stray ones belong to none: only a whole character that crosses max is spared */
	return vmv_utf8_decode(p + at, len - at, &cp, &skip) > max - at ? at : max;
}
