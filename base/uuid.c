#include "base/uuid.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

static const char digits[] = "0123456789abcdef";

/* Where the hyphens of a uuid stand, counted in hex digits. */
static bool hyphen_before(int digit)
{
	return digit == 8 || digit == 12 || digit == 16 || digit == 20;
}

int vmv_uuid_random(char buf[VMV_UUID_SIZE])
{
	unsigned char raw[16];
	char *p = buf;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return -errno;
	raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40); /* version 4 */
	raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
	for (int i = 0; i < 32; i++) {
		if (hyphen_before(i))
			*p++ = '-';
		*p++ = digits[i % 2 ? raw[i / 2] & 0x0f : raw[i / 2] >> 4];
	}
	*p = '\0';
	return 0;
}

bool vmv_uuid_from_hex(const char *hex, char buf[VMV_UUID_SIZE])
{
	char out[VMV_UUID_SIZE];
	char *p = out;

	for (int i = 0; i < 32; i++) {
		if (!isxdigit((unsigned char)hex[i]))
			return false;
		if (hyphen_before(i))
			*p++ = '-';
		*p++ = (char)tolower((unsigned char)hex[i]);
	}
	*p = '\0';
	if (hex[32] != '\0')
		return false;
	memcpy(buf, out, sizeof(out));
	return true;
}

uint32_t vmv_random_below(uint32_t bound)
{
	uint32_t v = 0;

	/* never blocks after boot; without entropy the result is just not jittered */
	if (bound == 0 || getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
		return 0;
	return v % bound;
}
